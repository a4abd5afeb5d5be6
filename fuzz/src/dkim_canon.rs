//! Targets of `dkim_canon`.

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[];
