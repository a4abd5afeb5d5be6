//! DMARC (RFC 9989, 9990, 9991): policy discovery, alignment, evaluation and reports, without IO.
//!
//! # What it does
//!
//! It reads DMARC records, finds the one that applies to an author domain, tells which of the domains that SPF and DKIM authenticated are aligned with it,
//! and says what the owner of that domain asks for. RFC 9989 is the default, with its walk up the DNS tree; RFC 7489 with a list of public suffixes is
//! there for those who need its results. Discovery and evaluation are machines: they ask DNS questions as values and are told answers as values, so the
//! caller owns sockets, caches, clocks and threads.
//!
//! # What it never does
//!
//! No IO, no clock, no resolver, no threads, no random numbers. It never panics on input, never asks more than RFC 9989 §4.10 allows, never takes a result of
//! HELO or of a header field for an identifier, and never decides what becomes of a message.
//!
//! # Judge a message
//!
//! ```
//! use dmarc_core::discovery::discover;
//! use dmarc_core::dns::{Question, TxtAnswer};
//! use dmarc_core::domain::DomainName;
//! use dmarc_core::evaluate::{Identifier, Identifiers, evaluate};
//! use dmarc_core::org_domain::OrgDomainMethod;
//! use dmarc_core::outcome::CheckResult;
//! use dmarc_core::progress::Progress;
//!
//! // Here the whole DNS is one record; a real caller asks his resolver for the TXT records of `question.name`.
//! let dns = |question: &Question| match question.name.as_str() {
//!     "_dmarc.example.com" => TxtAnswer::Records(vec![b"v=DMARC1; p=quarantine; sp=reject; t=y".to_vec()]),
//!     _ => TxtAnswer::NxDomain,
//! };
//!
//! // The policy, as soon as the From field is there.
//! let author = DomainName::parse("news.example.com")?;
//! let discovery = discover(&author, OrgDomainMethod::TreeWalk).run(dns);
//!
//! // Later, what SPF found out about MAIL FROM and DKIM about each signature.
//! let (mail_from, signer) = (DomainName::parse("bounces.example.net")?, DomainName::parse("example.com")?);
//! let mail_from = Identifier::new(&mail_from, CheckResult::from_word("pass"));
//! let signatures = [Identifier::new(&signer, CheckResult::from_word("fail"))];
//! let identifiers = Identifiers::new(Some(mail_from), &signatures);
//! let evaluation = evaluate(&discovery, identifiers, OrgDomainMethod::TreeWalk).run(dns);
//!
//! // dmarc=fail header.from=news.example.com policy.dmarc=quarantine
//! let policy = evaluation.policy.as_ref().unwrap();
//! assert_eq!(evaluation.result.as_str(), "fail");
//! assert_eq!(evaluation.cause.to_string(), "no identifier that passed is aligned");
//! assert_eq!((policy.tag.as_str(), policy.published.as_str(), policy.requested.as_str()), ("sp", "reject", "quarantine"));
//!
//! // The same one question at a time.
//! let Progress::Ask(pending) = discover(&author, OrgDomainMethod::TreeWalk) else { panic!() };
//! assert_eq!(pending.question().to_string(), "_dmarc.news.example.com TXT");
//! let Progress::Ask(pending) = pending.answer(&TxtAnswer::NxDomain) else { panic!() };
//! assert_eq!(pending.question().to_string(), "_dmarc.example.com TXT");
//! # Ok::<(), dmarc_core::domain::DomainError>(())
//! ```
//!
//! # Modules
//!
//! | Module | What is in it | RFC 9989 |
//! |---|---|---|
//! | [`author`] | the author domain of a From field | §5.3.1 |
//! | [`record`] | records as values, and what is odd about them | §4.5 to §4.8 |
//! | [`uri`] | report URIs | §4.7, §4.8 |
//! | [`lint`] | what is wrong with a record, and the record as it should be | §4.7, §4.8, §9.3 |
//! | [`discovery`] | `discover`: which record applies, and which of its policies | §4.10.1 |
//! | [`evaluate`] | `evaluate`: which identifiers are aligned, and the result | §4.4, §4.10.2, §5.3 |
//! | [`outcome`] | result, cause, policy, alignment of each identifier | §5.3.5, §9.1 |
//! | [`tree_walk`] | the walk, and what was answered on it | §4.10 |
//! | [`org_domain`] | the two methods to find organizational domains | §4.10.2, RFC 7489 §3.2 |
//! | `psl` | the Public Suffix List as such a method | RFC 7489 §3.2 |
//! | [`authorize`] | `authorize_report_uri`: whether a stranger agrees to be sent reports | RFC 9990 §4 |
//! | [`progress`] | how the machines are driven | |
//! | [`dns`] | questions and answers | §4.5, §3.2.13 |
//! | [`domain`] | domain names in one spelling, from `dkim-core` | |
//!
//! # Features
//!
//! - `hickory`: conversions from the answers of `hickory-proto` into [`dns::TxtAnswer`].
//! - `report`, on by default: the module `report`.
//! - `psl`: the module `psl`, which reads the Public Suffix List that the caller brings.
//!
//! Features only add; none changes a result.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod author;
pub mod authorize;
pub mod discovery;
pub mod dns;
pub mod evaluate;
pub mod lint;
pub mod org_domain;
pub mod outcome;
pub mod progress;
#[cfg(feature = "psl")]
pub mod psl;
pub mod record;
#[cfg(feature = "report")]
pub mod report;
pub mod tree_walk;
pub mod uri;

/// Domain names in one spelling: the module of `dkim-core`.
pub use dkim_core::domain;

/// The examples of the README run with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
