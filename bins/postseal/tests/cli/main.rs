//! The real program, called as an operator calls it.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail by panic"
)]

mod dns_check;
mod dns_check_dmarc;
mod dns_server;
mod enforce;
mod explain;
mod journal;
mod keys;
mod messages;
mod migrate;
mod opendkim;
mod pipes;
mod replay;
mod run;
mod selftest;
mod spf;
