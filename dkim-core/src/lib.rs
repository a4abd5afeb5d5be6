//! DKIM signing and verification, and Authentication-Results, without IO.
//!
//! # What it does
//!
//! RFC 6376 with RFC 8301 (algorithms), RFC 8463 (Ed25519) and RFC 8616 (internationalized mail), and RFC 8601 (Authentication-Results). The
//! machines ask for what they need as values (a DNS question, a body hash) and are told the answers as values; the caller owns sockets, clocks,
//! caches and threads.
//!
//! # What it never does
//!
//! No IO, no clock, no resolver, no threads, no `async`. It never panics on input, never allocates by a number found in a message, never repairs a
//! message, never signs with `l=`, and never believes a result that it reads in a header field.
//!
//! # Modules
//!
//! | Module | What is in it |
//! |---|---|
//! | [`header`] | the header section: every field as it stands, in one buffer |
//! | [`domain`] | domain names and selectors in one spelling |
//! | [`tag_list`] | `tag=value` lists with the place of every value |
//! | [`dns`] | the answer to a TXT question |
//! | [`auth_results`] | Authentication-Results: parse, build, and who a field claims to be from |
//!
//! # Features
//!
//! - `ring` (default): digests, signing and verification on the ring crate.
//! - `hickory`: conversions from the answers of `hickory-proto`.
//!
//! Features only add; none changes a result.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod auth_results;
#[cfg(feature = "ring")]
pub mod body_hash;
pub mod canon;
pub mod crypto;
pub mod dns;
pub mod domain;
pub mod header;
pub mod key_record;
#[cfg(feature = "ring")]
pub mod sign;
pub mod signature;
pub mod tag_list;
#[cfg(feature = "ring")]
pub mod verify;

/// A point in time as whole seconds since 1970-01-01 00:00:00 UTC, leap seconds not counted: what `t=` and `x=` hold (RFC 6376 §3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The time this many seconds after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }
}
