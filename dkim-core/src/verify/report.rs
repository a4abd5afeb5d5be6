//! What a verification tells about one signature.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Outcome, PolicyCause};
use crate::UnixTime;
use crate::domain::{DomainName, Selector};
use crate::signature::{HeaderNames, Identity, Signature, SignatureError};
use crate::tag_list::{TagLimits, TagList};

/// Fewest characters of `b=` in `header.b` (RFC 6008 §4).
const MIN_B: usize = 8;

/// One signature of the message, what it says of itself, and what became of it.
///
/// Of a signature that could not be read, whatever can be told safely is there all the same. Every name in it was checked (letters, digits, hyphens,
/// underscores and dots), so it can be written into Authentication-Results; the local part of [`identity`](Self::identity) was not.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureReport {
    /// Its place among the DKIM-Signature fields of the message, from the top, from 0.
    pub index: usize,
    /// The place of its field in the header, from the top, from 0.
    pub field: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// `d=`
    pub domain: Option<DomainName>,
    /// `s=`
    pub selector: Option<Selector>,
    /// `i=`; absent, it stands for `@` and the domain.
    pub identity: Option<Identity>,
    /// `a=` in lower case; of a signature with an unknown algorithm only if it is a word of letters, digits and hyphens.
    pub algorithm: Option<Cow<'static, str>>,
    /// The first characters of `b=` without white space: at least 8 if there are as many, and so many that different signatures of the message
    /// differ in them (RFC 6008 §4).
    pub b_start: String,
    /// The key has the flag `t=y`. §3.6.1: "Verifiers MUST NOT treat messages from Signers in testing mode differently from unsigned email, even
    /// should the signature fail to verify."
    pub testing: bool,
    /// Size of the key in bits, once it is known.
    pub key_bits: Option<usize>,
    /// `l=`: worth a remark wherever the result is shown.
    pub body_length: Option<u64>,
    /// `t=`
    pub timestamp: Option<UnixTime>,
    /// `x=`
    pub expiration: Option<UnixTime>,
    /// `h=`
    pub header_names: Option<HeaderNames>,
    /// `r=y`: the signer asks for failure reports (RFC 6651).
    pub wants_reports: bool,
    /// The place and kind of a syntax fault, for logs.
    pub error: Option<SignatureError>,
}

impl SignatureReport {
    /// A report about a signature that nobody looked at.
    pub(super) const fn blank(index: usize, field: usize, outcome: Outcome) -> Self {
        Self {
            index,
            field,
            outcome,
            domain: None,
            selector: None,
            identity: None,
            algorithm: None,
            b_start: String::new(),
            testing: false,
            key_bits: None,
            body_length: None,
            timestamp: None,
            expiration: None,
            header_names: None,
            wants_reports: false,
            error: None,
        }
    }

    /// A report about a signature that is not valid: what can be told of it.
    pub(super) fn unreadable(
        index: usize,
        field: usize,
        value: &[u8],
        limits: TagLimits,
        error: SignatureError,
    ) -> Self {
        let mut report = Self::blank(index, field, Outcome::from(&error.kind));
        report.error = Some(error);
        report.tell_of(value, limits);
        report
    }

    /// A report about a signature that is not looked at for this cause: what it says of itself.
    pub(super) fn unchecked(index: usize, field: usize, value: &[u8], limits: TagLimits, cause: PolicyCause) -> Self {
        let mut report = Self::blank(index, field, Outcome::Policy(cause));
        report.tell_of(value, limits);
        report
    }

    fn tell_of(&mut self, value: &[u8], limits: TagLimits) {
        if let Ok(tags) = TagList::parse(value, limits) {
            self.domain = tags.get("d").and_then(|tag| DomainName::parse_bytes(tag.value).ok());
            self.selector = tags.get("s").and_then(|tag| Selector::parse_bytes(tag.value).ok());
            self.algorithm = tags.get("a").and_then(|tag| algorithm_word(tag.value));
            self.b_start = tags.get("b").map(|tag| base64_text(&tag.without_fws())).unwrap_or_default();
        }
    }

    /// A report about a signature that was read.
    pub(super) fn of(index: usize, field: usize, signature: Signature, outcome: Outcome) -> Self {
        Self {
            domain: Some(signature.domain),
            selector: Some(signature.selector),
            identity: signature.identity,
            algorithm: Some(Cow::Borrowed(signature.algorithm.as_str())),
            b_start: STANDARD.encode(&signature.signature),
            body_length: signature.body_length,
            timestamp: signature.timestamp,
            expiration: signature.expiration,
            header_names: Some(signature.header_names),
            wants_reports: signature.wants_reports,
            ..Self::blank(index, field, outcome)
        }
    }
}

/// Leaves of the octets of the only signature that is told about those that will be shown.
pub(super) fn shorten_only(signature: &mut Signature) {
    signature.signature.truncate(MIN_B / 4 * 3);
}

/// Cuts `b_start` of all reports to the fewest characters that tell different signatures apart.
///
/// RFC 6008 §4: the value "MUST be at least the first eight characters of the digital signature […] for which a result is being relayed, and MUST be
/// long enough to be unique among the results being reported."
pub(super) fn shorten_b(reports: &mut [SignatureReport]) {
    if let [report] = reports {
        report.b_start.truncate(MIN_B);
        return;
    }
    let mut values: Vec<&str> = reports.iter().map(|report| report.b_start.as_str()).collect();
    values.sort_unstable();
    values.dedup();
    // In sorted order the longest common beginning is one of neighbours.
    let pairs = values.iter().zip(values.iter().skip(1));
    let common = pairs.map(|(one, other)| one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()).max();
    let length = common.map_or(MIN_B, |common| common.saturating_add(1).max(MIN_B));
    for report in reports {
        // It is base64, so ASCII; truncating beyond the end does nothing.
        report.b_start.truncate(length);
    }
}

/// An algorithm that is not known here, if it is a word that can be shown.
fn algorithm_word(value: &[u8]) -> Option<Cow<'static, str>> {
    let is_word = value.len() <= 40 && value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    (is_word && !value.is_empty()).then(|| String::from_utf8_lossy(value).to_ascii_lowercase().into())
}

/// The beginning that is base64.
fn base64_text(value: &[u8]) -> String {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    value.iter().take_while(|byte| is_base64(byte)).map(|byte| char::from(*byte)).collect()
}
