//! `all` (RFC 7208 §5.1).

/// §5.1: "The "all" mechanism is a test that always matches." What follows it is never looked at, but was parsed.
pub(super) fn step_all() -> bool {
    true
}
