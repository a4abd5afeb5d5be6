//! `all` (RFC 7208 §5.1).

use super::machine::{Flow, Machine};

impl Machine {
    /// §5.1: "The "all" mechanism is a test that always matches." What follows it is never looked at, but was parsed.
    pub(super) fn step_all() -> Flow {
        Flow::Match
    }
}
