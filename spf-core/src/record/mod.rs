//! SPF records as values: terms in the order of the text, each with its place.
//!
//! RFC 7208 §4.5 to §6 and §12. A [`Record`] comes out of [`Record::parse`] and is never changed. Its parts:
//!
//! | file | RFC 7208 |
//! |---|---|
//! | `mod.rs` | §4.6.1 terms, qualifiers |
//! | `mechanism.rs` | §5 mechanisms |
//! | `modifier.rs` | §6 modifiers |
//! | `domain_spec.rs` | §7 macro strings |
//! | `select.rs` | §4.5 which TXT record is the SPF record |
//!
//! Invariants: the text is printable ASCII; every [`Span`] lies in it; `redirect=` and `exp=` are there at most once.
//!
//! What it does not do: evaluate ([`check`](crate::check)), expand macros (`macros`).

mod domain_spec;
mod mechanism;
mod modifier;
mod select;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

pub(crate) use self::domain_spec::Target;
pub use self::domain_spec::{Delimiters, DomainSpec, MacroExpand, MacroLetter, Piece};
pub use self::mechanism::{DualCidr, Mechanism};
pub(crate) use self::mechanism::{covers_v4, covers_v6};
pub use self::modifier::Modifier;
pub(crate) use self::select::VERSION;
pub use self::select::{Selection, has_version};
pub use crate::parse::{RecordError, SyntaxError};

use crate::limits::RecordLimits;
use crate::outcome::SpfResult;

/// A part of a record's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// The byte behind the last.
    pub end: u32,
}

impl Span {
    /// As a range for slices.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        index(self.start)..index(self.end)
    }
}

/// What a match of a mechanism means (RFC 7208 §4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the grammar has these four")]
pub enum Qualifier {
    /// "+", and the default.
    Pass,
    /// "-".
    Fail,
    /// "~".
    SoftFail,
    /// "?".
    Neutral,
}

impl Qualifier {
    /// The result that a match gives.
    #[must_use]
    pub fn result(self) -> SpfResult {
        match self {
            Self::Pass => SpfResult::Pass,
            Self::Fail => SpfResult::Fail,
            Self::SoftFail => SpfResult::SoftFail,
            Self::Neutral => SpfResult::Neutral,
        }
    }
}

/// A mechanism with its qualifier.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Directive {
    /// What a match means.
    pub qualifier: Qualifier,
    /// What matches.
    pub mechanism: Mechanism,
}

/// One term of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Term {
    /// Where it stands in [`Record::text`].
    pub span: Span,
    /// What it is.
    pub kind: TermKind,
}

/// The two kinds of terms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the grammar has these two")]
pub enum TermKind {
    /// A mechanism with its qualifier.
    Directive(Directive),
    /// A modifier.
    Modifier(Modifier),
}

/// A parsed SPF record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub(crate) text: Box<str>,
    pub(crate) terms: Vec<Term>,
    pub(crate) redirect: Option<usize>,
    pub(crate) explanation: Option<usize>,
}

impl Record {
    /// Parses the text of one record: the character-strings of a TXT record joined without anything between them (RFC 7208 §3.3).
    ///
    /// ```
    /// use spf_core::limits::RecordLimits;
    /// use spf_core::record::{Record, SyntaxError};
    ///
    /// let record = Record::parse(b"v=spf1 mx ip4:192.0.2.0/24 -all", RecordLimits::default())?;
    /// assert_eq!(record.terms().len(), 3);
    ///
    /// let error = Record::parse(b"v=spf1 a:192.0.2.1 -all", RecordLimits::default()).unwrap_err();
    /// assert_eq!((error.kind, error.at), (SyntaxError::AddressAsName, 9));
    /// assert_eq!(error.to_string(), "address where a name belongs (use ip4: or ip6:) at byte 9, in \"a:192.0.2.1\"");
    /// # Ok::<(), spf_core::record::RecordError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecordError`] for the first fault, with its term. RFC 7208 §4.6: "Syntax errors anywhere in the record MUST be detected".
    pub fn parse(text: impl AsRef<[u8]>, limits: RecordLimits) -> Result<Self, RecordError> {
        crate::parse::record(text.as_ref(), limits)
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The terms in the order of the text, without the version.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The text at a place of this record; empty for a place that is not in it.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The text of the term at this index; empty behind the last.
    #[must_use]
    pub fn term_text(&self, index: usize) -> &str {
        self.terms.get(index).map_or("", |term| self.slice(term.span))
    }

    /// The index of the `redirect=` term.
    #[must_use]
    pub fn redirect(&self) -> Option<usize> {
        self.redirect
    }

    /// The index of the `exp=` term.
    #[must_use]
    pub fn explanation(&self) -> Option<usize> {
        self.explanation
    }
}

impl FromStr for Record {
    type Err = RecordError;

    /// [`Record::parse`] with default limits.
    fn from_str(text: &str) -> Result<Self, RecordError> {
        Self::parse(text, RecordLimits::default())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
