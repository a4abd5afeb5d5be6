//! Aggregate reports (RFC 9990, and RFC 7489 for readers that know nothing else): what receivers of mail tell the owner of a domain about the mail in its name.
//!
//! ```text
//!  Metadata, PolicyPublished ─► ReportWriter ─► row, row, … ─► finish ─► XML, as it comes, into any `Write` (a gzip encoder for instance)
//!  names: Report-ID, file name, Subject
//! ```
//!
//! A report is about one policy domain and one configuration of its record in one period (RFC 9990 §3.1); whoever collects the rows
//! sees to that.
//!
//! Selectors, domains and addresses in a report come from strangers. Every text is escaped, what XML 1.0 cannot hold is replaced by U+FFFD, and each has a
//! [limit](text).
//!
//! What this does not do: collect rows, send anything, ask whether a destination wants reports ([`crate::authorize`]).

pub mod failure;
mod model;
pub mod names;
pub mod read;
pub mod text;
mod xml;

pub use self::model::{
    ActionDisposition, DiscoveryMethod, DkimResult, Format, Metadata, PolicyPublished, Reason, ReasonType, Row,
    SpfResult, SpfScope, Standing,
};
pub use self::xml::{MAX_DKIM_RESULTS, MAX_REASONS, ReportWriter};
