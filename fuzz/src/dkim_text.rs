//! Targets of `dkim_text`.

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[];
