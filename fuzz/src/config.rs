//! Targets of `config`.

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[];
