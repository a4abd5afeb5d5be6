//! What a test runs against: parts of its own, started for it alone and stopped when it ends, also by a panic.

pub(crate) mod dns;
pub(crate) mod postfix;
pub(crate) mod work;
