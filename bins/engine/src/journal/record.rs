//! What a record says. Field names and words are those of RFC 8601, 9989 and 9990 where these have one, so that a reader who knows a report
//! knows a record.
//!
//! Domains are A-labels in lower case. Fields may be added in later versions; a reader of this one passes over them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A message was decided on.
    Message(Box<Record>),
    /// Records before this one could not be written.
    Lost(Lost),
}

/// Records that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When that was noticed last, in milliseconds since the epoch.
    pub at: u64,
    /// How many.
    pub records: u64,
}

/// What was decided on a message, and from what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// When the message was complete, in milliseconds since the epoch.
    pub at: u64,
    /// The MTA's queue id, as it came where that is UTF-8; empty when the MTA told none.
    pub queue_id: String,
    /// The listener's socket.
    pub listener: String,
    /// Whose mail it is: `submission`, `local`, `relay` or `inbound`.
    pub origin: String,
    /// The client that counts for SPF; none for a Unix socket.
    pub client: Option<IpAddr>,
    /// What the client said in HELO.
    pub helo: String,
    /// The domain of MAIL FROM; empty for the null reverse path, and where there is none.
    pub mail_from: String,
    /// Why MAIL FROM has no domain, if it has none and is not the null reverse path: `malformed`, `address-literal` or `no-domain`.
    pub mail_from_error: Option<String>,
    /// The domains of the recipients, each once, at most [`MAX_RECIPIENT_DOMAINS`].
    pub rcpt_to: Vec<String>,
    /// How many recipients there were.
    pub recipients: u64,
    /// How many more were refused at RCPT.
    pub refused: u64,
    /// The domains of From, each once, at most [`MAX_AUTHORS`]; RFC 9989 applies to messages with one.
    pub header_from: Vec<String>,
    /// Why From has no author domain, if it has none.
    pub header_from_error: Option<String>,
    /// SPF of a message that was judged.
    pub spf: Option<Spf>,
    /// One result a signature, at most [`MAX_SIGNATURES`].
    pub dkim: Vec<Dkim>,
    /// DMARC of a message that was judged and has one author domain.
    pub dmarc: Option<Dmarc>,
    /// What the MTA was told.
    pub action: String,
    /// Why, where it was not `accept`.
    pub action_reason: Option<String>,
    /// Signatures that were added, as `selector._domainkey.domain`.
    pub signed: Vec<String>,
    /// Octets of the body.
    pub size: u64,
    /// Milliseconds from MAIL to the decision.
    pub took: u64,
}

/// Most recipient domains of a record.
pub const MAX_RECIPIENT_DOMAINS: usize = 50;

/// Most author domains of a record.
pub const MAX_AUTHORS: usize = 10;

/// Most signatures of a record (RFC 9990 §3.1.1.6 lets a report have more than one and asks for no number).
pub const MAX_SIGNATURES: usize = 20;

/// The two results of SPF, which never stand for one another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spf {
    /// Of MAIL FROM, or with a null reverse path of `postmaster@HELO`: the one that DMARC takes.
    pub mail_from: Identity,
    /// Of HELO.
    pub helo: Identity,
}

/// The result of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The domain that was checked.
    pub domain: String,
    /// RFC 8601 §2.7.2's word.
    pub result: String,
}

/// The result of one signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dkim {
    /// `d=`
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// RFC 8601 §2.7.1's word.
    pub result: String,
    /// Why it is not `pass`.
    pub cause: Option<String>,
}

/// DMARC's result, the policy that was found, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dmarc {
    /// RFC 8601's word: `pass`, `fail`, `none`, `temperror`, `permerror`.
    pub result: String,
    /// Whether an aligned SPF identifier passed.
    pub spf_aligned: bool,
    /// Whether an aligned DKIM identifier passed.
    pub dkim_aligned: bool,
    /// The published policy; none when none was found.
    pub published: Option<Published>,
    /// The domain that a pass of this message makes known: the policy domain, or the author domain under the policy of a public suffix.
    pub counts_for: String,
    /// Of a message that passed and was taken: a number that is the same at every attempt to deliver it, so that it counts once.
    pub mark: Option<u32>,
    /// What the policy asks for: `none`, `quarantine` or `reject`.
    pub requested: String,
    /// What was done: RFC 9990's disposition.
    pub disposition: String,
    /// What enforcement would have done, where it is off.
    pub would: Option<String>,
    /// Why it was not what the policy asks for.
    pub reasons: Vec<Reason>,
}

/// A policy as published (RFC 9990 §3.1.1.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Published {
    /// Where the record was found.
    pub domain: String,
    /// `psl` or `treewalk`.
    pub discovery_method: String,
    /// `p=`
    pub p: String,
    /// `sp=`
    pub sp: Option<String>,
    /// `np=`
    pub np: Option<String>,
    /// `adkim=`: `r` or `s`.
    pub adkim: String,
    /// `aspf=`: `r` or `s`.
    pub aspf: String,
    /// `fo=`
    pub fo: Option<String>,
    /// `t=y`
    pub testing: bool,
    /// `rua=`, as published.
    pub rua: Vec<String>,
    /// `ruf=`, as published.
    pub ruf: Vec<String>,
}

/// Why a policy was not applied (RFC 9990 §3.1.1.9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reason {
    /// `local_policy`, `mailing_list`, `other`, `policy_test_mode` or `trusted_forwarder`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In words.
    pub comment: Option<String>,
}
