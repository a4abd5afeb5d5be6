//! Interoperability: dkimpy and OpenDKIM verify what the daemon signs, and the daemon verifies what they sign.
//!
//! Built with `--features peers`; needs Debian's `python3-dkim`, `opendkim` and `nsd`, which `scripts/test` installs. Each canonicalization of header
//! and body is tried with each kind of key and each kind of body ([`cells`]). What a peer cannot do is in [`listed`], with its own words.
//!
//! OpenDKIM and the daemon are milters: both get their messages in the same dialogue ([`milter`]). dkimpy's programs are its scripts as Debian
//! installs them. All of them ask one name server on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

mod cells;
mod dkimpy;
mod judge;
mod keys;
mod listed;
mod matrix;
mod milter;
mod opendkim;
mod ours;
mod results;
mod setups;
mod setups_listed;
mod setups_mail;
mod signatures;
mod site;
mod verdicts;
