//! SPF (RFC 7208, with RFC 8616 for internationalized mail) without IO.
//!
//! # What it does
//!
//! It parses SPF records, and it evaluates `check_host()` for the two identities of a mail, HELO and MAIL FROM. Evaluation is a machine: it asks DNS
//! questions as values and is told answers as values, so the caller owns sockets, caches, clocks and threads, and it works the same blocking, on
//! any runtime, in a test and in a fuzzer. What comes out says which term decided and why, and keeps every question with its answer.
//!
//! # What it never does
//!
//! No IO, no clock, no resolver, no threads. It never panics on input, never asks more than the limits of RFC 7208 §4.6.4 allow whatever a record
//! says, and never lets the result of one identity pass for the other.
//!
//! # Check, say so
//!
//! ```
//! use spf_core::check::{Progress, check_mail_from};
//! use spf_core::dns::Answer;
//! use spf_core::identity::{Sender, Session};
//! use spf_core::limits::Limits;
//!
//! // A client says HELO and MAIL FROM.
//! let session = Session::new("198.51.100.7".parse()?, "mail.example.org");
//! let sender = Sender::from_reverse_path(b"<joe@example.com>");
//!
//! // Here the whole DNS is these few records; a real caller asks his resolver.
//! let outcome = check_mail_from(&session, &sender, &Limits::default()).run(|question| {
//!     match question.to_string().as_str() {
//!         "example.com TXT" => Answer::txt(["v=spf1 mx include:_spf.example.net -all exp=why.example.com"]),
//!         "example.com MX" => Answer::mx([(10, "mx.example.com")]),
//!         "mx.example.com A" => Answer::a(["192.0.2.1".parse().unwrap()]),
//!         "_spf.example.net TXT" => Answer::txt(["v=spf1 ip4:192.0.2.64/26 -all"]),
//!         "why.example.com TXT" => Answer::txt(["%{i} is no host of %{d}"]),
//!         _ => Answer::NxDomain,
//!     }
//! });
//! assert_eq!(outcome.result.as_str(), "fail");
//! assert_eq!(outcome.explanation.as_ref().unwrap().text, "198.51.100.7 is no host of example.com");
//!
//! // Authentication-Results: spf=fail smtp.mailfrom=example.com
//! let (ptype, property, value) = outcome.property().unwrap();
//! assert_eq!(format!("{ptype}.{property}={value}"), "smtp.mailfrom=example.com");
//!
//! // Why, as a tree.
//! let tree: Vec<String> = outcome.trace().iter().map(|line| format!("{}{} {:?}", "  ".repeat(line.depth), line.term, line.state)).collect();
//! assert_eq!(tree, [
//!     "mx NotMatched",
//!     "include:_spf.example.net NotMatched",
//!     "  ip4:192.0.2.64/26 NotMatched",
//!     "  -all Matched",
//!     "-all Matched",
//!     "exp=why.example.com Used",
//! ]);
//!
//! // The same one question at a time.
//! let Progress::Ask(pending) = check_mail_from(&session, &sender, &Limits::default()) else { panic!() };
//! let Progress::Done(outcome) = pending.answer(Answer::NoData) else { panic!() };
//! assert_eq!(outcome.result.as_str(), "none");
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! # Modules
//!
//! | Module | What is in it | RFC 7208 |
//! |---|---|---|
//! | [`check`] | `check_helo`, `check_mail_from`, and the machine; one file a mechanism | §4, §5, §6 |
//! | [`identity`] | the session, the sender, and the two identities as types | §2.3, §2.4 |
//! | [`outcome`] | result, cause, explanation, everything that was asked | §2.6, §8 |
//! | [`survey`] | a domain's record with all it includes, for its owner | §4.6.4 |
//! | [`limits`] | how much one evaluation may do | §4.6.4 |
//! | [`dns`] | questions and answers | §3, §4.4 |
//! | [`record`] | records as values, with the place of every term | §4.5, §12 |
//! | [`name`] | names that can be asked about | §4.3, §4.8 |
//! | `parse` | the grammar | §12 |
//! | `macros` | macro expansion | §7 |
//! | `received_spf` | the Received-SPF field: [`Outcome::received_spf`](outcome::Outcome::received_spf) | §9.1 |
//!
//! # Features
//!
//! - `hickory`: conversions between the vocabulary of [`dns`] and `hickory-proto`.
//!
//! Features only add; none changes a result.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod check;
pub mod dns;
pub mod identity;
pub mod limits;
mod macros;
pub mod name;
pub mod outcome;
mod parse;
mod received_spf;
pub mod record;
pub mod survey;

/// The examples of the README run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
