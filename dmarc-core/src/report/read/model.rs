//! What a report of somebody else says. All texts are his: trimmed, without control characters, and otherwise not to be trusted.

use std::net::IpAddr;

/// A report without its records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// `org_name`
    pub org_name: String,
    /// `email`
    pub email: String,
    /// `extra_contact_info`
    pub extra_contact_info: String,
    /// `report_id`
    pub report_id: String,
    /// `generator`
    pub generator: String,
    /// `error`, the first one.
    pub error: String,
    /// The first second, from the epoch; `None` where it is missing or is no time.
    pub begin: Option<u64>,
    /// The last second.
    pub end: Option<u64>,
    /// `policy_published`, the first one.
    pub policy: Policy,
    /// Records that were handed out.
    pub records: u64,
    /// Their messages.
    pub messages: u64,
    /// Records without anything in them, which were not.
    pub empty_records: u64,
    /// Whether the file ends before the report does. It never replaces one that is whole.
    pub is_partial: bool,
    /// Whether elements were closed by us, or texts read in another charset than UTF-8.
    pub is_mended: bool,
}

/// `policy_published`: words in lower case, as they stand there, empty where they are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// `domain`, in lower case.
    pub domain: String,
    /// `p`
    pub p: String,
    /// `sp`
    pub sp: String,
    /// `np`
    pub np: String,
    /// `adkim`
    pub adkim: String,
    /// `aspf`
    pub aspf: String,
    /// `pct`
    pub pct: String,
    /// `fo`
    pub fo: String,
    /// `testing`
    pub testing: String,
    /// `discovery_method`
    pub discovery_method: String,
}

/// `record`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The client; `None` where `source_ip` is no address.
    pub source_ip: Option<IpAddr>,
    /// What stands there then.
    pub source_text: String,
    /// Messages; 0 for what is no number or a negative one, the largest number for a larger one.
    pub count: u64,
    /// `disposition`, in lower case: `none`, `pass`, `quarantine`, `reject`, or what stands there.
    pub disposition: String,
    /// `dkim` of `policy_evaluated`; `None` for neither `pass` nor `fail`.
    pub is_dkim_aligned: Option<bool>,
    /// `spf` of it.
    pub is_spf_aligned: Option<bool>,
    /// `reason`
    pub reasons: Vec<Reason>,
    /// `header_from`, in lower case.
    pub header_from: String,
    /// `envelope_from`; `Some("")` where it is there and empty.
    pub envelope_from: Option<String>,
    /// `envelope_to`, the first one.
    pub envelope_to: Option<String>,
    /// `dkim` of `auth_results`
    pub dkim: Vec<DkimResult>,
    /// `spf` of `auth_results`
    pub spf: Vec<SpfResult>,
}

/// `reason`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// A type of RFC 9990 or RFC 7489; `other` for any other word, which is then in the comment.
    pub kind: String,
    /// `comment`
    pub comment: String,
}

/// A signature.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DkimResult {
    /// `domain`, in lower case.
    pub domain: String,
    /// `selector`
    pub selector: String,
    /// A word of RFC 8601 §2.7.1, or what stands there in lower case.
    pub result: String,
    /// `human_result`
    pub human_result: String,
}

/// A result of SPF.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpfResult {
    /// `domain`, in lower case.
    pub domain: String,
    /// `scope`, in lower case.
    pub scope: String,
    /// A word of RFC 8601 §2.7.2, or what stands there in lower case.
    pub result: String,
    /// `human_result`
    pub human_result: String,
}
