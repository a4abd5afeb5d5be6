//! Why a result is what it is.

use std::fmt;
use std::sync::Arc;

use super::SpfResult;
use crate::identity::SenderError;
use crate::limits::Limit;
use crate::name::NameError;
use crate::record::RecordError;

/// Why a result is what it is. A table in `docs/rfc-notes.md` has all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// §4.6.2: a mechanism matched; its qualifier is the result.
    Match,
    /// §4.7: no mechanism matched, and there is no `redirect=`: `neutral`.
    NoMatch,
    /// §4.3: the domain is malformed, has one label, or is an address.
    Domain(NameError),
    /// The reverse path names nobody.
    Sender(SenderError),
    /// §4.3: the domain does not exist.
    NoSuchDomain,
    /// §4.5: the domain has no SPF record.
    NoRecord,
    /// §4.5: it has more than one.
    SeveralRecords,
    /// §4.6: the record has a syntax error.
    Syntax(Arc<RecordError>),
    /// §5.2: the target of an `include` has no SPF record.
    IncludeWithoutRecord,
    /// §5.2: the target of an `include` is no domain.
    IncludeTarget(NameError),
    /// §6.1: the target of `redirect=` has no SPF record.
    RedirectWithoutRecord,
    /// §6.1: the target of `redirect=` is no domain.
    RedirectTarget(NameError),
    /// §4.6.4: a limit of the evaluation was reached.
    Limit(Limit),
    /// §4.4, §5: the DNS did not answer the last question.
    Lookup,
}

impl Cause {
    /// The result that this cause gives by itself; `None` for a match, where the qualifier decides.
    #[must_use]
    pub fn result(&self) -> Option<SpfResult> {
        Some(match self {
            Self::Match => return None,
            Self::NoMatch => SpfResult::Neutral,
            Self::Domain(_) | Self::Sender(_) | Self::NoSuchDomain | Self::NoRecord => SpfResult::None,
            Self::SeveralRecords
            | Self::Syntax(_)
            | Self::IncludeWithoutRecord
            | Self::IncludeTarget(_)
            | Self::RedirectWithoutRecord
            | Self::RedirectTarget(_)
            | Self::Limit(Limit::LookupTerms | Limit::VoidLookups | Limit::MxNames) => SpfResult::PermError,
            Self::Limit(Limit::Time) | Self::Lookup => SpfResult::TempError,
        })
    }

    /// A fixed word for logs and statistics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::NoMatch => "no-match",
            Self::Domain(_) => "domain",
            Self::Sender(_) => "sender",
            Self::NoSuchDomain => "no-such-domain",
            Self::NoRecord => "no-record",
            Self::SeveralRecords => "several-records",
            Self::Syntax(_) => "syntax",
            Self::IncludeWithoutRecord => "include-without-record",
            Self::IncludeTarget(_) => "include-target",
            Self::RedirectWithoutRecord => "redirect-without-record",
            Self::RedirectTarget(_) => "redirect-target",
            Self::Limit(Limit::LookupTerms) => "too-many-lookups",
            Self::Limit(Limit::VoidLookups) => "too-many-void-lookups",
            Self::Limit(Limit::MxNames) => "too-many-mx-names",
            Self::Limit(Limit::Time) => "too-slow",
            Self::Lookup => "lookup",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match => f.write_str("a mechanism matched"),
            Self::NoMatch => f.write_str("no mechanism matched"),
            Self::Domain(error) => write!(f, "no domain to check: {error}"),
            Self::Sender(error) => write!(f, "no sender to check: {error}"),
            Self::NoSuchDomain => f.write_str("the domain does not exist"),
            Self::NoRecord => f.write_str("the domain has no SPF record"),
            Self::SeveralRecords => f.write_str("the domain has more than one SPF record"),
            Self::Syntax(error) => write!(f, "syntax error: {error}"),
            Self::IncludeWithoutRecord => f.write_str("an included domain has no SPF record"),
            Self::IncludeTarget(error) => write!(f, "an include names no domain: {error}"),
            Self::RedirectWithoutRecord => f.write_str("the domain of redirect= has no SPF record"),
            Self::RedirectTarget(error) => write!(f, "redirect= names no domain: {error}"),
            Self::Limit(limit) => limit.fmt(f),
            Self::Lookup => f.write_str("the DNS did not answer"),
        }
    }
}
