//! A linter of DMARC records: what is wrong with a text, unwise or out of date, and the text as it should be.
//!
//! RFC 9989 §4.7, §4.8, §4.10.1, §9.3; what RFC 7489 said otherwise is told where receivers of old may still go by it. [`Record`] reads a text as a
//! receiver does; here it is read as its owner meant it: with quotes that a panel added, versions that do not exist, names with a slip of the pen. Each
//! [`Finding`] has a code that stays, a sentence about what is wrong, one about what to do, and its place in the text.
//!
//! ```
//! use dmarc_core::lint::{Role, lint};
//!
//! let text = b"v=DMARC1; p=rejct; ruf:mailto:f@example.com; rua=dmarc@example.com!10m; pct=100";
//! let lint = lint(text, Role::Organizational);
//! let codes: Vec<&str> = lint.findings.iter().map(|finding| finding.code()).collect();
//! assert_eq!(codes, ["dmarc-p-invalid", "dmarc-colon", "dmarc-bad-uri", "dmarc-historic-tag"]);
//! assert_eq!(&text[lint.findings[0].span.clone()], b"rejct");
//! assert_eq!(
//!     lint.corrected.as_deref(),
//!     Some("v=DMARC1; p=reject; ruf=mailto:f@example.com; rua=mailto:dmarc@example.com")
//! );
//! ```
//!
//! | file | concern |
//! |---|---|
//! | `problem.rs` | what can be wrong, in words |
//! | `damage.rs` | what panels, editors and zone files leave in a text |
//! | `version.rs` | texts that are no record and were meant as one |
//! | `findings.rs` | what a receiver ignores or replaces, and what a record means |
//! | `correct.rs` | the text as it should be |
//! | `words.rs` | names and policies with a slip of the pen |
//! | `text.rs` | texts that know where their octets come from |
//!
//! *Limits*: a text of [`MAX_RECORD_OCTETS`] is the longest that is looked at; there are no more than [`MAX_FINDINGS`] findings. Linear time.
//!
//! What it does not do: ask the DNS. Whether a destination of reports in another organization agrees is found out by
//! [`authorize_report_uri`](crate::authorize::authorize_report_uri), which record applies by [`discover`](crate::discovery::discover).
//!
//! Invariants: spans lie in the text; a corrected text is printable ASCII and a record whose policies count, and has nothing left to correct.

mod correct;
mod damage;
mod findings;
mod problem;
mod text;
mod version;
mod words;

use std::ops::Range;

pub use self::problem::{Problem, Severity};
use crate::record::{MAX_RECORD_OCTETS, MAX_WARNINGS, Record};

/// Most findings about one text.
pub const MAX_FINDINGS: usize = MAX_WARNINGS + 24;

/// Octets of the text that [`Finding::excerpt`] shows.
const MAX_EXCERPT: usize = 80;

/// What the domain of a record is; some tags do something at some domains alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Role {
    /// Not known: what depends on it is not told.
    #[default]
    Unknown,
    /// An organizational domain.
    Organizational,
    /// A domain below its organizational domain.
    Subdomain,
    /// A public suffix, whose operator says so with `psd=y`.
    PublicSuffix,
}

/// What there is to say about a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lint {
    /// The record as receivers read it; `None` when the text is none to them.
    pub record: Option<Record>,
    /// What was found, the most important first, and otherwise in the order of the text.
    pub findings: Vec<Finding>,
    /// The text as it should be, where a finding can be mended without knowing more.
    ///
    /// What was meant is guessed where there is a good guess: `p=rejct` becomes `p=reject`. Everything that receivers ignore is left out. A missing or
    /// unreadable `p` becomes `p=none`, which is what it amounts to.
    pub corrected: Option<String>,
}

/// Something to mend or to know, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub problem: Problem,
    /// How much it matters in this text.
    pub severity: Severity,
    /// Where it is, in octets of the text; empty for what is missing.
    pub span: Range<usize>,
}

/// A problem with its place.
type Found = (Problem, Range<usize>);

impl Finding {
    fn new(problem: Problem, span: Range<usize>) -> Self {
        Self { severity: problem.severity(), problem, span }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }

    /// The part of the text that it is about, for people: of printable ASCII, everything else escaped, and not longer than is good. Empty for what
    /// is missing.
    #[must_use]
    pub fn excerpt(&self, text: &[u8]) -> String {
        let part = text.get(self.span.clone()).unwrap_or_default();
        let mut shown: String = part.escape_ascii().take(MAX_EXCERPT.saturating_add(1)).map(char::from).collect();
        if shown.len() > MAX_EXCERPT {
            shown.truncate(MAX_EXCERPT);
            shown.push_str("...");
        }
        shown
    }
}

/// Looks at a text that is published as a DMARC record, its character-strings joined.
///
/// *Inputs*: the text; what the domain is, whose record it is. *Limits*: see the [module page](self). Never fails: what is no record and was meant as one
/// is a finding, and so is what is something else ([`Problem::OtherText`]).
#[must_use]
pub fn lint(text: &[u8], role: Role) -> Lint {
    if text.len() > MAX_RECORD_OCTETS {
        return Lint { record: None, findings: vec![Finding::new(Problem::TooLong, 0..text.len())], corrected: None };
    }
    let record = Record::parse(text).ok();
    let (clean, damage) = damage::clean(text);
    let mut findings: Vec<Finding> = damage.into_iter().map(|(problem, span)| Finding::new(problem, span)).collect();
    let Some((clean, version)) = version::mend(clean) else {
        let findings = vec![Finding::new(Problem::OtherText, 0..text.len())];
        return Lint { record, findings, corrected: None };
    };
    findings.extend(version.map(|(problem, span)| Finding::new(problem, span)));
    // What is meant, as receivers would read it.
    let Ok(meant) = Record::parse(clean.octets()) else { return Lint { record, findings, corrected: None } };
    if record.as_ref().is_some_and(|record| record.says_the_same_as(&meant)) {
        findings.iter_mut().filter(|finding| finding.problem.is_damage()).for_each(|finding| {
            finding.severity = Severity::Warning;
        });
    }
    findings.extend(findings::of(&meant, &clean, role));
    let is_mended = findings.iter().any(|finding| finding.problem.is_mended());
    let corrected =
        is_mended.then(|| correct::corrected(&clean, role)).filter(|corrected| corrected.as_bytes() != text);
    findings.sort_by_key(|finding| (finding.severity, finding.span.start));
    Lint { record, findings, corrected }
}

/// Whether a text is a DMARC record, or was meant as one.
///
/// ```
/// use dmarc_core::lint::is_meant_as_record;
///
/// assert!(is_meant_as_record(b"v=DMARC1; p=none") && is_meant_as_record(b"v=dmarc2 p=none"));
/// assert!(!is_meant_as_record(b"v=spf1 -all"));
/// ```
#[must_use]
pub fn is_meant_as_record(text: &[u8]) -> bool {
    text.len() <= MAX_RECORD_OCTETS && version::mend(damage::clean(text).0).is_some()
}

#[cfg(test)]
mod tests;
