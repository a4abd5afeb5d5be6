//! The real program, called as an operator calls it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

mod keys;
mod messages;
mod run;
mod selftest;
