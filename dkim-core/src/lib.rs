//! DKIM signing and verification, and Authentication-Results, without IO.
//!
//! # What it does
//!
//! RFC 6376 with RFC 8301 (algorithms), RFC 8463 (Ed25519) and RFC 8616 (internationalized mail), and RFC 8601 (Authentication-Results). The
//! machines ask for what they need as values (a DNS question, a body hash) and are told the answers as values; the caller owns sockets, clocks,
//! caches and threads. The body passes once, in chunks of any size, whatever the number of signatures made or verified.
//!
//! # What it never does
//!
//! No IO, no clock, no resolver, no threads, no `async`. It never panics on input, never allocates by a number found in a message, never repairs a
//! message, never signs with `l=` unless it is asked to, and never believes a result that it reads in a header field.
//!
//! # Sign, verify, say so
//!
//! ```
//! # #[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dkim_core::auth_results::{AuthResults, FormatOptions, ResInfo};
//! use dkim_core::body_hash::BodyHashPlan;
//! use dkim_core::crypto::{Backend, PrivateKey};
//! use dkim_core::dns::TxtAnswer;
//! use dkim_core::domain::{DomainName, Selector};
//! use dkim_core::header::{HeaderBlock, HeaderLimits};
//! use dkim_core::key_record::KeyRecord;
//! use dkim_core::sign::{SignatureSpec, Signing};
//! use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};
//! use dkim_core::UnixTime;
//! use std::sync::Arc;
//!
//! let message = b"From: Joe <joe@example.com>\r\nSubject: Is dinner ready?\r\n\r\nHi.\r\n";
//! let (backend, now) = (Backend::default(), UnixTime::from_secs(1_700_000_000));
//!
//! // Sign. The key is a file in PEM, or 32 octets of Ed25519 in base64; its record goes to sel._domainkey.example.com.
//! let key = backend.signing_key(&PrivateKey::from_text(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")?)?;
//! let record = KeyRecord::text_for(&*key);
//! let spec = SignatureSpec::new(DomainName::parse("example.com")?, Selector::parse("sel")?);
//! let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default())?;
//! let mut plan = BodyHashPlan::new(backend);
//! let signing = Signing::start(&headers, spec, key, now, &mut plan)?;
//! let mut hasher = plan.start();
//! hasher.update(&message[body..]);
//! let field = signing.finish(&hasher.finish())?;
//! let signed = [field.name.as_bytes(), b":", field.value.as_bytes(), b"\r\n", message].concat();
//!
//! // Verify. Here the only record in the world is the one above.
//! let (headers, body) = HeaderBlock::parse(&signed, HeaderLimits::default())?;
//! let mut plan = BodyHashPlan::new(backend);
//! let mut verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
//! let questions: Vec<_> = verification.key_queries().map(|query| (query.id, query.name())).collect();
//! for (id, name) in questions {
//!     assert_eq!(name, "sel._domainkey.example.com");
//!     verification.provide_key(id, KeyAnswer::parse(&TxtAnswer::Records(vec![record.clone().into_bytes()]), backend));
//! }
//! let mut hasher = plan.start();
//! signed[body..].chunks(3).for_each(|chunk| hasher.update(chunk));
//!
//! // Say what was found.
//! let mut results = AuthResults::new("mx.example.net");
//! for report in verification.finish(&hasher.finish()) {
//!     let domain = report.domain.as_ref().map_or("", |domain| domain.as_str());
//!     results.results.push(ResInfo::new("dkim", report.outcome.result()).with_prop("header", "d", domain));
//! }
//! let value = results.to_field_value(&FormatOptions::default())?;
//! assert_eq!(value, " mx.example.net;\r\n\tdkim=pass header.d=example.com");
//! # Ok(())
//! # }
//! # #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
//! # fn main() {}
//! ```
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
//! | [`canon`] | canonicalization: one header field, the choice of fields by `h=`, the body as a stream |
//! | [`signature`] | DKIM-Signature fields: parse, write, and the text they sign |
//! | [`key_record`] | the TXT record of a key |
//! | [`crypto`] | algorithms, keys, the `SigningKey` trait, and the backend that computes |
//! | `body_hash` | one pass over the body for everything that needs its hash |
//! | `verify` | `Verification`: what became of each signature of a message |
//! | `sign` | `Signing`: a DKIM-Signature field for a message |
//!
//! The high level (`verify`, `sign`) is made of the public low level and of nothing else. [`header`], [`domain`], [`tag_list`], [`dns`] and
//! [`auth_results`] use nothing of the other modules.
//!
//! # Features
//!
//! - `ring` (default): digests, signing and verification on the ring crate: the modules `body_hash`, `verify`, `sign` and the backend of [`crypto`].
//! - `aws-lc-rs`: the same on the aws-lc-rs crate, which signs faster with RSA; `crypto::Backend` chooses where both are enabled.
//!   With neither all other modules are there.
//! - `hickory`: conversions from the answers of `hickory-proto` into [`dns::TxtAnswer`].
//!
//! Features only add; none changes a result.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod auth_results;
mod base64_engine;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
pub mod body_hash;
pub mod canon;
pub mod crypto;
pub mod dns;
pub mod domain;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod few;
pub mod header;
pub mod key_record;
mod near;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
pub mod sign;
pub mod signature;
mod swar;
pub mod tag_list;
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
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

/// The examples of the README run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
