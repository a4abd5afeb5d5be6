//! The real program, called as an operator calls it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail by panic"
)]

mod dns_check;
mod dns_server;
mod enforce;
mod keys;
mod messages;
mod run;
mod selftest;
mod spf;
