//! DMARC (RFC 9989, 9990, 9991): policy discovery, alignment, evaluation and reports, without IO.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod author;
pub mod authorize;
pub mod discovery;
pub mod dns;
pub mod evaluate;
pub mod org_domain;
pub mod outcome;
pub mod progress;
#[cfg(feature = "psl")]
pub mod psl;
pub mod record;
pub mod tree_walk;
pub mod uri;

/// Domain names in one spelling: the module of `dkim-core`.
pub use dkim_core::domain;
