//! What is kept of a message that is to be reported: one JSON object a file.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::journal::record::{Published, Spf};

/// Octets of the header section that are kept.
pub const MAX_HEADER: usize = 32 * 1024;

/// Recipients that are kept.
pub const MAX_RECIPIENTS: usize = 10;

/// One file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spooled {
    /// A message.
    Failure(Box<Failure>),
    /// Messages that are only counted.
    Merged(Merged),
}

/// Messages of one policy domain that are not kept one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Merged {
    /// The policy domain.
    pub domain: String,
    /// The day, counted from 1970 in UTC.
    pub day: u64,
    /// How many.
    pub messages: u64,
}

/// A message, and what it is reported for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// When it was complete, in milliseconds since the epoch.
    pub at: u64,
    /// The MTA's queue id.
    pub queue_id: String,
    /// Our name in Authentication-Results.
    pub authserv_id: String,
    /// A failure of DMARC is reported (`fo=0`, `fo=1`).
    pub dmarc: bool,
    /// A failure of DKIM is (`fo=d`).
    pub dkim: bool,
    /// A failure of SPF is (`fo=s`).
    pub spf: bool,
    /// The client.
    pub client: Option<IpAddr>,
    /// What it said in HELO.
    pub helo: String,
    /// MAIL FROM, without brackets; empty for the null reverse path.
    pub mail_from: String,
    /// RCPT TO, without brackets, at most [`MAX_RECIPIENTS`].
    pub rcpt_to: Vec<String>,
    /// The author domain.
    pub author: String,
    /// The policy, with `ruf=` and `fo=`.
    pub published: Published,
    /// DMARC's result.
    pub result: String,
    /// Whether DKIM gave an aligned pass.
    pub dkim_aligned: bool,
    /// Whether SPF gave an aligned pass.
    pub spf_aligned: bool,
    /// The signatures.
    pub signatures: Vec<Signature>,
    /// SPF.
    pub spf_results: Option<Spf>,
    /// What the MTA was told.
    pub action: String,
    /// The header section as it came, at most [`MAX_HEADER`] octets of whole fields, in base64.
    #[serde(with = "base64_octets")]
    pub header: Vec<u8>,
    /// Whether fields are missing at its end.
    pub is_cut: bool,
}

/// A signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// `d=`
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// `i=`
    pub identity: String,
    /// RFC 8601 §2.7.1's word.
    pub result: String,
    /// Whether its domain is aligned with that of the author.
    pub is_aligned: bool,
}

mod base64_octets {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(octets))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}
