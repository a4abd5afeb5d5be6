//! DKIM-Signature fields: read, written, and the text they sign.
//!
//! *Standard*: RFC 6376 §3.5 (tags), §3.7 (what is hashed), §6.1.1 (what a verifier checks before anything else); RFC 8301, RFC 8463 (algorithms);
//! RFC 8616 §5 (U-labels); RFC 6651 §3 (`r=`).
//!
//! [`Signature::parse`] gives a signature whose every tag is valid and consistent; nothing that follows has to check syntax again.
//! [`format`](mod@format) writes the field of a new signature; [`write_signed_data`] writes the text that is signed, the same for signer and verifier.
//!
//! *Invariants*: linear time, no allocation larger than the field. *What it does not do*: no clock, no key, no policy: an expired signature is a
//! valid value here.

pub mod format;
mod identity;
mod parse;
mod signed_data;

use std::ops::Range;

use thiserror::Error;

use crate::UnixTime;
use crate::canon::Canon;
use crate::crypto::{Algorithm, HashValue};
use crate::domain::{DomainError, DomainName, Selector};
use crate::near::{Places, length_above_space};
use crate::swar::eq_ignore_case;
use crate::tag_list::{TagLimits, TagListErrorKind, is_fws};

pub use self::identity::Identity;
pub use self::signed_data::write_signed_data;

/// The name of the field.
pub const FIELD_NAME: &str = "DKIM-Signature";

/// Longest name that can be asked for in the DNS, written without a final dot.
const MAX_KEY_NAME: usize = 253;

/// A DKIM-Signature field whose syntax is valid (§3.5).
///
/// Times beyond 64 bits are the largest 64-bit number: RFC 6376 §3.5 lets a verifier take long ones as infinite.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// `a=`
    pub algorithm: Algorithm,
    /// `c=`, before the slash.
    pub header_canon: Canon,
    /// `c=`, behind the slash.
    pub body_canon: Canon,
    /// `d=` in A-labels and lower case.
    pub domain: DomainName,
    /// `s=` in A-labels and lower case.
    pub selector: Selector,
    /// `i=`, if present; its domain is `d=` or lies below it.
    pub identity: Option<Identity>,
    /// `h=`
    pub header_names: HeaderNames,
    /// `bh=`, decoded.
    pub body_hash: HashValue,
    /// `b=`, decoded; never empty.
    pub signature: Vec<u8>,
    /// Where the value of `b=` lies in the field's value, white space included.
    pub b_span: Range<usize>,
    /// `l=`, in octets of the canonicalized body.
    pub body_length: Option<u64>,
    /// `t=`
    pub timestamp: Option<UnixTime>,
    /// `x=`; later than `t=`.
    pub expiration: Option<UnixTime>,
    /// `r=y` (RFC 6651 §3.1): the signer asks for failure reports.
    pub wants_reports: bool,
}

/// The names of `h=`, in order and as often as they stand there. Holds one octet string, whatever their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// Without white space, colons between the names; names are ASCII.
    text: String,
}

impl HeaderNames {
    /// Reads the value of `h=`: one or more field names with colons, and folding white space around them.
    ///
    /// ```
    /// use dkim_core::signature::HeaderNames;
    ///
    /// let names = HeaderNames::parse(b"From : To:\r\n\tsubject").unwrap();
    /// assert_eq!(names.iter().last(), Some(&b"subject"[..]));
    /// assert!(names.contains("from"));
    /// assert_eq!(HeaderNames::parse(b"From:"), None);
    /// ```
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut text = Vec::with_capacity(value.len());
        let mut rest = value;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at_checked(length_above_space(rest))?;
            text.extend_from_slice(piece);
            let blanks = after.iter().take_while(|byte| is_fws(**byte)).count();
            rest = after.get(blanks..)?;
            // White space stands before and behind a name, and no other octet up to SP stands anywhere.
            let is_at_colon = matches!(text.last(), None | Some(b':')) || matches!(rest.first(), None | Some(b':'));
            if !is_at_colon || (blanks == 0 && !rest.is_empty()) {
                return None;
            }
        }
        // All names at once: what may stand in them, and that each has an octet. Without a branch, so that it becomes vector code.
        let successors = text.get(1..).unwrap_or_default();
        let are_names = text.iter().fold(true, |all, byte| all & (is_name_byte(*byte) | (*byte == b':')));
        let is_one_empty =
            text.iter().zip(successors).fold(false, |any, (byte, next)| any | ((*byte == b':') & (*next == b':')));
        if !are_names || is_one_empty || matches!(text.first(), None | Some(b':')) || text.last() == Some(&b':') {
            return None;
        }
        // It is ASCII.
        String::from_utf8(text).ok().map(|text| Self { text })
    }

    /// The names in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.as_strs().map(str::as_bytes)
    }

    /// The names in order, as the ASCII text that they are.
    pub fn as_strs(&self) -> impl Iterator<Item = &str> + Clone {
        let text = self.text.as_str();
        let mut start = 0;
        Places::<b':'>::new(text.as_bytes()).chain([text.len()]).map(move |end| {
            let name = text.get(start..end).unwrap_or_default();
            start = end.saturating_add(1);
            name
        })
    }

    /// The number of names, each as often as it stands there; at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a list of no names is no list")]
    pub fn len(&self) -> usize {
        memchr::memchr_iter(b':', self.text.as_bytes()).count().saturating_add(1)
    }

    /// How often `name` stands in the list, in any case.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.iter().filter(|other| eq_ignore_case(other, name.as_bytes())).count()
    }

    /// Whether `name` stands in the list, in any case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|other| eq_ignore_case(other, name.as_bytes()))
    }
}

/// Whether octets can be a field name in `h=`: RFC 5322 §3.6.8 `ftext`, without the ";", which would end the tag. A field whose name holds one
/// cannot be signed.
#[must_use]
pub fn is_header_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_name_byte(*byte))
}

const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, 0x21..=0x39 | 0x3c..=0x7e)
}

/// Whether the name of a key (§3.6.2.1: selector, `_domainkey`, domain) can be asked for in the DNS: it has at most 253 octets.
#[must_use]
pub fn key_name_fits(selector: &Selector, domain: &DomainName) -> bool {
    let parts = [selector.as_str(), "._domainkey.", domain.as_str()];
    parts.iter().map(|part| part.len()).sum::<usize>() <= MAX_KEY_NAME
}

/// How much of a signature field is read.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureLimits {
    /// Tags and octets. Default: [`TagLimits::default`].
    pub tags: TagLimits,
    /// Most names in `h=`. Default 256.
    pub max_header_names: usize,
}

impl Default for SignatureLimits {
    fn default() -> Self {
        Self { tags: TagLimits::default(), max_header_names: 256 }
    }
}

/// Why a value is not a valid signature.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind} at byte {at}")]
pub struct SignatureError {
    /// Offset in the value: of the tag's value, or 0 for a tag that is missing.
    pub at: usize,
    /// What is wrong there.
    pub kind: SignatureErrorKind,
}

/// What [`SignatureError`] found.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureErrorKind {
    /// Not a tag list, or beyond its limits.
    #[error("{0}")]
    TagList(TagListErrorKind),
    /// A required tag is absent.
    #[error("missing tag {0}=")]
    MissingTag(&'static str),
    /// `v=` is not `1`.
    #[error("incompatible version")]
    Version,
    /// `a=` names SHA-1 (RFC 8301 §3.1).
    #[error("rsa-sha1 must not be used")]
    RsaSha1,
    /// `a=` names something unknown.
    #[error("unknown algorithm")]
    Algorithm,
    /// `c=` names something unknown.
    #[error("unknown canonicalization")]
    Canonicalization,
    /// `q=` holds no known method.
    #[error("no known query method")]
    QueryMethod,
    /// `d=` is not a domain name.
    #[error("d= is not a domain: {0}")]
    Domain(DomainError),
    /// `d=` has one label only.
    #[error("d= has a single label")]
    SingleLabel,
    /// `s=` is not a selector.
    #[error("s= is not a selector: {0}")]
    Selector(DomainError),
    /// `s=` and `d=` make a name of more than 253 octets.
    #[error("the name of the key is longer than 253 octets")]
    KeyNameTooLong,
    /// `i=` is not an identity.
    #[error("i= is not an identity")]
    Identity,
    /// The domain of `i=` is neither `d=` nor below it.
    #[error("domain mismatch of i= and d=")]
    DomainMismatch,
    /// `h=` is not a list of field names.
    #[error("h= is not a list of field names")]
    HeaderNames,
    /// `h=` has more names than [`SignatureLimits::max_header_names`].
    #[error("too many names in h=")]
    TooManyHeaderNames,
    /// `h=` does not list From.
    #[error("From field not signed")]
    FromNotSigned,
    /// `l=` is not a number.
    #[error("l= is not a number")]
    BodyLength,
    /// `t=` is not a number.
    #[error("t= is not a number")]
    Timestamp,
    /// `x=` is not a number.
    #[error("x= is not a number")]
    Expiration,
    /// `x=` is not after `t=`.
    #[error("x= is not after t=")]
    ExpirationNotAfterTimestamp,
    /// `bh=` is not the base64 of 32 octets.
    #[error("bh= is not a hash in base64")]
    BodyHash,
    /// `b=` is empty or not base64.
    #[error("b= is not base64")]
    SignatureData,
}
