//! The daemon end to end: under a real Postfix, with a real DNS server, on loopback.
//!
//! Built with `--features e2e`; needs Debian's `postfix` and `nsd` and root, since Postfix starts only as root. `scripts/test` installs them.
//! Every test starts parts of its own (about two seconds), so that tests run side by side and none sees the mail of another.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

mod cases;
mod filter;
mod mailbox;
mod mails;
#[path = "../peers/milter.rs"]
mod milter;
mod oracle;
mod parts;
mod results;
mod signer;
mod site;
mod smtp;
