//! The DNS vocabulary of DMARC: TXT records, and whether a name exists.
//!
//! RFC 9989 §4.5 asks for TXT records, and §3.2.13 for the existence of the author domain; nothing else can be expressed here. Answers are
//! [`TxtAnswer`], which tells apart the cases that §4.10.1 tells apart. Questions and answers are values.
//!
//! What it does not do: ask, cache, follow aliases, know time-outs. The caller's resolver follows CNAME and maps its errors to
//! [`TxtAnswer::Failed`].

use std::fmt;

pub use dkim_core::dns::TxtAnswer;

use crate::domain::DomainName;

/// What a question is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuestionKind {
    /// The TXT records at a name beginning with `_dmarc` (RFC 9989 §4.5).
    PolicyRecord,
    /// Whether the name exists (RFC 9989 §3.2.13). A question for records of any type will do, since NXDOMAIN speaks of all of them (RFC 8020):
    /// only whether the answer is [`TxtAnswer::NxDomain`] or [`TxtAnswer::Failed`] counts.
    Existence,
    /// The TXT records by which a stranger agrees to be sent reports (RFC 9990 §4).
    ReportRecord,
}

/// A question to the DNS. Whatever its kind, asking for the TXT records of its name answers it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Question {
    /// The name asked about.
    pub name: DomainName,
    /// What for.
    pub kind: QuestionKind,
}

impl Question {
    /// A question about this name.
    #[must_use]
    pub fn new(name: DomainName, kind: QuestionKind) -> Self {
        Self { name, kind }
    }

    /// The question for the policy record of a domain; `None` when the name would be longer than a name can be.
    #[must_use]
    pub(crate) fn policy_record(domain: &DomainName) -> Option<Self> {
        let name = DomainName::parse(&format!("_dmarc.{domain}")).ok()?;
        Some(Self { name, kind: QuestionKind::PolicyRecord })
    }
}

/// `NAME TXT`, or `NAME exists`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.kind == QuestionKind::Existence { "exists" } else { "TXT" };
        write!(f, "{} {what}", self.name)
    }
}
