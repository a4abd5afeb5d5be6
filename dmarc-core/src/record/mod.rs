//! DMARC policy records as values, with everything that is odd about them.
//!
//! RFC 9989 §4.5 to §4.8, §9.3 (historic tags). A text is a record exactly when its first tag is `v=DMARC1`; whatever stands behind that never makes
//! it none. §4.8: "Unknown tags MUST be ignored. Syntax errors in the remainder of the record MUST be discarded in favor of default values (if any) or
//! ignored outright." What was discarded is told as a [`Warning`] with its place, for a linter.
//!
//! | file | RFC 9989 |
//! |---|---|
//! | `mod.rs` | §4.7 tags and defaults, §4.10.1 what a record without a usable policy means |
//! | `parse.rs` | §4.8 the grammar, read with tolerance |
//! | `warning.rs` | what was ignored or replaced |
//!
//! Invariants: linear time; at most [`MAX_REPORT_URIS`] URIs a tag and [`MAX_WARNINGS`] warnings; every span lies in the text.
//!
//! What it does not do: choose among several records, or among `p=`, `sp=` and `np=` for a message ([`discovery`](crate::discovery)).
//!
//! Decisions: the words of values and the names of tags match in any case, because they are ABNF strings; `DMARC1` does not. Of a tag that is there
//! twice the first one counts, also when its value is bad. White space before `v` is allowed, as in every tag list (RFC 6376 §3.2).

mod parse;
mod warning;

use std::fmt;

use thiserror::Error;

pub(crate) use self::parse::KNOWN;
pub use self::warning::{Warning, WarningKind};
use crate::uri::ReportUri;

/// Longest record in octets: 64 KiB, the most that one TXT record can hold.
pub const MAX_RECORD_OCTETS: usize = 64 * 1024;

/// Most URIs kept of `rua=`, and of `ruf=`; the others are ignored.
pub const MAX_REPORT_URIS: usize = 16;

/// Most warnings kept of one record; the last one then says that there are more.
pub const MAX_WARNINGS: usize = 64;

/// Domain owner assessment policy (RFC 9989 §4.7 `p`), from mild to severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.7 defines these three, and callers should handle each")]
pub enum Policy {
    /// "The Domain Owner offers no expression of preference."
    None,
    /// "The Domain Owner considers such mail to be suspicious."
    Quarantine,
    /// "The Domain Owner considers all such failures to be a clear indication that the use of the domain name is not valid."
    Reject,
}

impl Policy {
    /// The word of the record, of Authentication-Results (`policy.dmarc`) and of reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    /// The policy one level below: what `t=y` asks for (RFC 9989 §4.7 `t`), and `pct=` for mail that it spares (RFC 7489 §6.6.4).
    #[must_use]
    pub fn one_level_below(self) -> Self {
        match self {
            Self::Reject => Self::Quarantine,
            Self::Quarantine | Self::None => Self::None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How close an identifier has to be to the author domain (RFC 9989 §4.4, `adkim` and `aspf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.7 defines these two")]
pub enum AlignmentMode {
    /// `r`: the same organizational domain.
    #[default]
    Relaxed,
    /// `s`: the same domain.
    Strict,
}

/// `psd`: whether the domain is a public suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.7 defines these three, and callers should handle each")]
pub enum Psd {
    /// `y`: it is one.
    Yes,
    /// `n`: it is none, and it is the organizational domain of itself and its subdomains.
    No,
    /// `u`: it does not say.
    #[default]
    Unspecified,
}

/// `fo`: which failures the owner wants failure reports about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FailureOptions {
    /// `0`: when nothing gives an aligned pass.
    pub all_failed: bool,
    /// `1`: when anything gives no aligned pass.
    pub any_failed: bool,
    /// `d`: when a signature failed, aligned or not.
    pub dkim_failed: bool,
    /// `s`: when SPF failed, aligned or not.
    pub spf_failed: bool,
}

impl Default for FailureOptions {
    fn default() -> Self {
        Self { all_failed: true, any_failed: false, dkim_failed: false, spf_failed: false }
    }
}

/// Why a text is no DMARC record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It does not begin with a tag `v`.
    #[error("record does not begin with v=DMARC1")]
    NoVersion,
    /// It begins with a tag `v` of another value: another version, another case, or no ";" behind it.
    #[error("value of v= is not DMARC1")]
    Version,
    /// Longer than [`MAX_RECORD_OCTETS`].
    #[error("record is too long")]
    TooLong,
}

/// What a record without a usable policy amounts to (RFC 9989 §4.10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.10.1 has these cases, and callers should handle each")]
pub enum Standing {
    /// A valid `p`, and no invalid `sp` or `np`: the policies count as they stand.
    Complete,
    /// Otherwise, where a reporting URI is there: "the Mail Receiver MUST act as if a record containing "p=none" was retrieved".
    MonitoringOnly,
    /// Otherwise: "the Mail Receiver applies no DMARC processing to this message."
    Unusable,
}

/// A DMARC policy record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    text: Box<[u8]>,
    /// `p`: the policy for the domain; `None` when it is absent or not valid.
    pub p: Option<Policy>,
    /// `sp`: the policy for its subdomains; `None` when it is absent or not valid.
    pub sp: Option<Policy>,
    /// `np`: the policy for its subdomains that do not exist; `None` when it is absent or not valid.
    pub np: Option<Policy>,
    /// `adkim`.
    pub adkim: AlignmentMode,
    /// `aspf`.
    pub aspf: AlignmentMode,
    /// `psd`.
    pub psd: Psd,
    /// `t=y`: the owner is testing.
    pub is_testing: bool,
    /// `rua`: where aggregate reports go. Valid URIs of any scheme; those that cannot be served "MUST be ignored" (§4.7).
    pub rua: Vec<ReportUri>,
    /// `ruf`: where failure reports go.
    pub ruf: Vec<ReportUri>,
    /// `fo`; the default without any `ruf` (§4.7: it "MUST be ignored if a "ruf" tag … is not also specified").
    pub fo: FailureOptions,
    /// `pct`, historic: percent of failing mail that the policy is for. Only RFC 7489 knows it.
    pub pct: Option<u8>,
    has_bad_sp: bool,
    has_bad_np: bool,
    has_rua: bool,
    has_ruf: bool,
    warnings: Vec<Warning>,
}

impl Record {
    /// Reads the text of a TXT record, its character-strings joined.
    ///
    /// ```
    /// use dmarc_core::record::{Policy, Record};
    ///
    /// let record = Record::parse(b"v=DMARC1; p=Reject; pct=50; rua=mailto:dmarc@example.com")?;
    /// assert_eq!(record.p, Some(Policy::Reject));
    /// let warning = &record.warnings()[0];
    /// assert_eq!(&record.text()[warning.span.clone()], b"pct=50");
    /// assert_eq!(warning.to_string(), "tag pct= is historic and ignored under RFC 9989");
    /// # Ok::<(), dmarc_core::record::RecordError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecordError`] when the text is no DMARC record. Nothing behind `v=DMARC1` is an error.
    pub fn parse(text: &[u8]) -> Result<Self, RecordError> {
        parse::record(text)
    }

    /// Whether a text is a DMARC record (RFC 9989 §4.10: "Records that do not start with a "v" tag that identifies the current version of DMARC are
    /// discarded").
    #[must_use]
    pub fn has_version(text: &[u8]) -> bool {
        text.len() <= MAX_RECORD_OCTETS && parse::version(text).is_ok()
    }

    /// The text as it was read.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// What was ignored, replaced or is out of date, in the order of the text; then what is missing.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether its policies count (RFC 9989 §4.10.1).
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing_with(self.has_bad_np)
    }

    /// As [`standing`](Self::standing) under RFC 7489 §6.6.3, which knows no `np`.
    #[must_use]
    pub fn standing_rfc7489(&self) -> Standing {
        self.standing_with(false)
    }

    /// Whether there is a tag `rua`, whatever it holds.
    pub(crate) fn has_rua(&self) -> bool {
        self.has_rua
    }

    /// Whether there is a tag `ruf`, whatever it holds.
    pub(crate) fn has_ruf(&self) -> bool {
        self.has_ruf
    }

    /// Whether receivers do the same by both, whatever is odd about them.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        let tags = |record: &Self| (record.p, record.sp, record.np, record.adkim, record.aspf, record.psd);
        let more = |record: &Self| (record.is_testing, record.fo, record.pct, record.standing());
        tags(self) == tags(other) && more(self) == more(other) && self.rua == other.rua && self.ruf == other.ruf
    }

    fn standing_with(&self, has_bad_np: bool) -> Standing {
        if self.p.is_some() && !self.has_bad_sp && !has_bad_np {
            Standing::Complete
        } else if self.rua.is_empty() {
            Standing::Unusable
        } else {
            Standing::MonitoringOnly
        }
    }
}

#[cfg(test)]
mod tests;
