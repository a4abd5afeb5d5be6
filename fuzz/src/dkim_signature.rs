//! Targets of `dkim_signature`.

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[];
