//! What a report says, in the terms of RFC 9990 §3.1. All of it borrows: a row of a database streams through without being kept.

use std::fmt;
use std::net::IpAddr;

use crate::record::{AlignmentMode, Policy};

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Format {
    /// RFC 9990, with its namespace.
    #[default]
    Rfc9990,
    /// RFC 7489 Appendix C, without a namespace as everybody writes it.
    Rfc7489,
}

/// Who reports what time (`report_metadata`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers; a new field is a new version of reports")]
pub struct Metadata<'a> {
    /// The organization that reports.
    pub org_name: &'a str,
    /// The address at which it can be asked.
    pub email: &'a str,
    /// More about how.
    pub extra_contact_info: Option<&'a str>,
    /// See [`names::report_id`](super::names::report_id).
    pub report_id: &'a str,
    /// The first second of the period, since 1970 in UTC.
    pub begin: u64,
    /// The last one.
    pub end: u64,
    /// What went wrong on our side.
    pub error: Option<&'a str>,
    /// Name and version of the program; RFC 7489 has no place for it.
    pub generator: Option<&'a str>,
}

/// The record that all rows were judged by (`policy_published`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers; a new field is a new version of reports")]
pub struct PolicyPublished<'a> {
    /// "The domain at which the DMARC record was found", in A-labels.
    pub domain: &'a str,
    /// How; RFC 7489 has no place for it.
    pub discovery_method: Option<DiscoveryMethod>,
    /// `p=`
    pub p: Policy,
    /// `sp=`
    pub sp: Option<Policy>,
    /// `np=`; RFC 7489 has no place for it.
    pub np: Option<Policy>,
    /// `adkim=`
    pub adkim: AlignmentMode,
    /// `aspf=`
    pub aspf: AlignmentMode,
    /// `fo=`, where it is written.
    pub fo: Option<&'a str>,
    /// `t=y`; RFC 7489 has no place for it.
    pub testing: bool,
    /// `pct=`, where it is written; RFC 9990 has no place for it.
    pub pct: Option<u8>,
}

/// How the record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9990 has these two")]
pub enum DiscoveryMethod {
    /// With a list of public suffixes.
    Psl,
    /// By the walk of RFC 9989.
    TreeWalk,
}

impl DiscoveryMethod {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Psl => "psl",
            Self::TreeWalk => "treewalk",
        }
    }
}

/// Messages that have everything in common (`record`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers; a new field is a new version of reports")]
pub struct Row<'a> {
    /// The client; an IPv4-mapped address is written as the IPv4 address that it is.
    pub source_ip: IpAddr,
    /// How many messages.
    pub count: u64,
    /// What was done.
    pub disposition: ActionDisposition,
    /// Whether DKIM gave an aligned pass: also where that was overridden.
    pub dkim_aligned: bool,
    /// Whether SPF did.
    pub spf_aligned: bool,
    /// Why it was not what the policy asks for.
    pub reasons: &'a [Reason<'a>],
    /// The author domain.
    pub header_from: &'a str,
    /// The domain of MAIL FROM; empty for the null reverse path. `None`: not told, which RFC 7489 does not know.
    pub envelope_from: Option<&'a str>,
    /// The domain of the recipient, where that is told.
    pub envelope_to: Option<&'a str>,
    /// The signatures.
    pub dkim: &'a [DkimResult<'a>],
    /// SPF.
    pub spf: Option<SpfResult<'a>>,
}

/// What was done (`disposition`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9990 has these four")]
pub enum ActionDisposition {
    /// "No action taken".
    None,
    /// "No action, passing DMARC w/enforcing policy". RFC 7489 has `none` for it.
    Pass,
    /// "Failed DMARC, message marked for quarantine".
    Quarantine,
    /// "Failed DMARC, marked as reject".
    Reject,
}

impl ActionDisposition {
    /// The word in a format.
    #[must_use]
    pub fn as_str(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::Pass, Format::Rfc9990) => "pass",
            (Self::None | Self::Pass, _) => "none",
            (Self::Quarantine, _) => "quarantine",
            (Self::Reject, _) => "reject",
        }
    }

    /// The one that a word of RFC 9990 stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [("none", Self::None), ("pass", Self::Pass), ("quarantine", Self::Quarantine), ("reject", Self::Reject)]
            .into_iter()
            .find_map(|(own, disposition)| (own == word).then_some(disposition))
    }
}

/// Why something else was done (`reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a type and a comment")]
pub struct Reason<'a> {
    /// The kind.
    pub kind: ReasonType,
    /// In words.
    pub comment: Option<&'a str>,
}

/// The kind of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9990 has these five")]
pub enum ReasonType {
    /// A local policy.
    LocalPolicy,
    /// The message came by a mailing list.
    MailingList,
    /// Something else.
    Other,
    /// The owner is testing (`t=y`). RFC 7489 has `other` for it.
    PolicyTestMode,
    /// The client is a forwarder that is trusted.
    TrustedForwarder,
}

impl ReasonType {
    /// The word in a format.
    #[must_use]
    pub fn as_str(self, format: Format) -> &'static str {
        match (self, format) {
            (Self::LocalPolicy, _) => "local_policy",
            (Self::MailingList, _) => "mailing_list",
            (Self::PolicyTestMode, Format::Rfc9990) => "policy_test_mode",
            (Self::Other | Self::PolicyTestMode, _) => "other",
            (Self::TrustedForwarder, _) => "trusted_forwarder",
        }
    }

    /// The one that a word stands for; those that RFC 9990 has no more are `other`.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "local_policy" => Self::LocalPolicy,
            "mailing_list" => Self::MailingList,
            "policy_test_mode" => Self::PolicyTestMode,
            "trusted_forwarder" => Self::TrustedForwarder,
            _ => Self::Other,
        }
    }
}

/// A signature (`dkim` of `auth_results`), as it was evaluated and not as DMARC sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers; a new field is a new version of reports")]
pub struct DkimResult<'a> {
    /// `d=`
    pub domain: &'a str,
    /// `s=`
    pub selector: &'a str,
    /// RFC 8601 §2.7.1's word; another one is written as `none`.
    pub result: &'a str,
    /// In words.
    pub human_result: Option<&'a str>,
    /// How its domain stands to the author domain, for the order in which signatures are told.
    pub standing: Standing,
}

/// How the domain of a signature stands to the author domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[expect(clippy::exhaustive_enums, reason = "the three that RFC 9990 §3.1.3 tells apart")]
pub enum Standing {
    /// The same: aligned in both modes.
    Strict,
    /// Aligned in relaxed mode.
    Relaxed,
    /// Not aligned, or not known.
    #[default]
    Other,
}

/// SPF (`spf` of `auth_results`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers; a new field is a new version of reports")]
pub struct SpfResult<'a> {
    /// The domain that was checked.
    pub domain: &'a str,
    /// Of which identity; a result of HELO is left out under RFC 9990, which has only the other one.
    pub scope: SpfScope,
    /// RFC 8601 §2.7.2's word; another one is written as `none`.
    pub result: &'a str,
    /// In words; RFC 7489 has no place for it.
    pub human_result: Option<&'a str>,
}

/// The identity that SPF checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7208 has these two")]
pub enum SpfScope {
    /// MAIL FROM.
    #[default]
    MailFrom,
    /// HELO.
    Helo,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rfc9990 => "rfc9990",
            Self::Rfc7489 => "rfc7489",
        })
    }
}
