//! What came of an evaluation: result, cause, the policy, and how each identifier stands.
//!
//! RFC 9989 §5.3.5 (pass and fail), §5.3.6 (errors), §9.1 and RFC 8601 §2.7.7 (the words of Authentication-Results). Outcomes are values: no record, a bad
//! record, a dead DNS are results like any other.

use std::fmt;

use crate::discovery::{Place, PolicyTag};
use crate::domain::DomainName;
use crate::record::Policy;
use crate::tree_walk::Asked;

/// The result of DMARC, as in Authentication-Results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §9.1 defines these five, and callers should handle each")]
pub enum DmarcResult {
    /// No policy applies.
    None,
    /// An aligned identifier passed.
    Pass,
    /// None did.
    Fail,
    /// Something is wrong that may pass: a DNS server does not answer.
    TempError,
    /// Something is wrong that somebody has to mend: the record.
    PermError,
}

impl DmarcResult {
    /// The word of Authentication-Results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for DmarcResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the result is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// `pass`: an identifier passed and is aligned.
    Aligned,
    /// `fail`: nothing passed.
    NothingPassed,
    /// `fail`: what passed is not aligned.
    NotAligned,
    /// `none`: there is no record.
    NoPolicy,
    /// `permerror`: the record has no usable policy (RFC 9989 §4.10.1).
    BadRecord,
    /// `temperror`: the DNS did not say which record applies.
    PolicyUnknown,
    /// `temperror`: the DNS did not say whether what passed is aligned.
    AlignmentUnknown,
    /// `temperror`: an aligned identifier could not be checked, for want of the DNS.
    CheckFailed,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aligned => "an aligned identifier passed",
            Self::NothingPassed => "no identifier passed",
            Self::NotAligned => "no identifier that passed is aligned",
            Self::NoPolicy => "no policy record",
            Self::BadRecord => "the policy record has no usable policy",
            Self::PolicyUnknown => "the DNS did not answer for the policy record",
            Self::AlignmentUnknown => "the DNS did not answer for the organizational domain",
            Self::CheckFailed => "an aligned identifier could not be checked",
        })
    }
}

/// What came of checking an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "DMARC tells apart these three")]
pub enum CheckResult {
    /// It passed: the domain is authenticated.
    Pass,
    /// It was not decided, for want of the DNS.
    TempError,
    /// Anything else.
    Other,
}

impl CheckResult {
    /// The result that a word of Authentication-Results stands for (RFC 8601 §2.7).
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "pass" => Self::Pass,
            "temperror" => Self::TempError,
            _ => Self::Other,
        }
    }
}

/// How an identifier stands to the author domain (RFC 9989 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Alignment {
    /// The same domain: aligned in both modes.
    Identical,
    /// Another domain of the same organizational domain: aligned, since the mode is relaxed.
    SameOrganization,
    /// Not aligned.
    Unaligned,
    /// A missing answer of the DNS decides it, or which record applies.
    Unknown,
    /// Not found out: the identifier did not pass, or nothing depends on it.
    NotChecked,
}

impl Alignment {
    /// Whether it is aligned for certain.
    #[must_use]
    pub fn is_aligned(self) -> bool {
        matches!(self, Self::Identical | Self::SameOrganization)
    }
}

/// An identifier that was given to the evaluation, and what was found out about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentifierReport {
    /// Its domain.
    pub domain: DomainName,
    /// What came of checking it.
    pub result: CheckResult,
    /// How it stands to the author domain.
    pub alignment: Alignment,
}

impl IdentifierReport {
    /// Whether it passed and is aligned: `pass` in the `policy_evaluated` of a report.
    #[must_use]
    pub fn is_aligned_pass(&self) -> bool {
        self.result == CheckResult::Pass && self.alignment.is_aligned()
    }
}

/// The policy of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppliedPolicy {
    /// The policy domain: where the record is.
    pub domain: DomainName,
    /// What that is to the author domain.
    pub place: Place,
    /// The tag that it was taken from.
    pub tag: PolicyTag,
    /// As published.
    pub published: Policy,
    /// What the owner asks for: one level below what is published where he is testing (`t=y`). `policy.dmarc` of Authentication-Results (RFC 9989 §9.1).
    pub requested: Policy,
    /// Percent of failing mail that it is for, under RFC 7489 only. Not counted in [`requested`](Self::requested): see
    /// [`for_sample`](Self::for_sample).
    pub pct: Option<u8>,
}

impl AppliedPolicy {
    /// Whether the owner is testing and that makes a difference: the reason `policy_test_mode` of reports (RFC 9990).
    #[must_use]
    pub fn is_lowered_by_testing(&self) -> bool {
        self.requested != self.published
    }

    /// What is requested for a message that drew this number below 100 (RFC 7489 §6.6.4): one level below, if `pct=` spares it.
    ///
    /// Random numbers are the caller's; without a `pct=`, or under RFC 9989, the number makes no difference.
    #[must_use]
    pub fn for_sample(&self, number: u8) -> Policy {
        let is_spared = self.pct.is_some_and(|pct| number >= pct);
        if is_spared { self.requested.one_level_below() } else { self.requested }
    }
}

/// What DMARC says about a message.
///
/// It says what the owner of the author domain asks for and not what to do: RFC 9989 §7.4, "Mail Receivers MUST NOT reject incoming messages solely on the
/// basis of a "p=reject" policy".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The author domain: `header.from` of Authentication-Results.
    pub author: DomainName,
    /// The result.
    pub result: DmarcResult,
    /// Why it is that.
    pub cause: Cause,
    /// The policy; `None` unless it is known which record applies and that has a policy.
    pub policy: Option<AppliedPolicy>,
    /// The domain of MAIL FROM, if one was given.
    pub mail_from: Option<IdentifierReport>,
    /// The domains of signatures, in the order given.
    pub dkim: Vec<IdentifierReport>,
    /// The names that were asked about for this and for the discovery, in that order, and what came of it.
    pub asked: Vec<Asked>,
}

impl Evaluation {
    /// What the owner asks to be done with this message: [`AppliedPolicy::requested`] for a `fail`, and nothing for any other result.
    #[must_use]
    pub fn disposition(&self) -> Policy {
        match (&self.policy, self.result) {
            (Some(policy), DmarcResult::Fail) => policy.requested,
            _ => Policy::None,
        }
    }

    /// Whether DKIM gave an aligned pass.
    #[must_use]
    pub fn is_dkim_aligned(&self) -> bool {
        self.dkim.iter().any(IdentifierReport::is_aligned_pass)
    }

    /// Whether SPF gave an aligned pass.
    #[must_use]
    pub fn is_spf_aligned(&self) -> bool {
        self.mail_from.as_ref().is_some_and(IdentifierReport::is_aligned_pass)
    }
}
