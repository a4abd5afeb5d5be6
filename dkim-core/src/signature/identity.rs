//! `i=`: the agent or user on whose behalf a message is signed.
//!
//! RFC 6376 §3.5 (`i=`), §2.11 (`dkim-quoted-printable`), RFC 8616 §5 (UTF-8 in it).

use std::borrow::Cow;
use std::fmt;

use crate::domain::DomainName;

/// The Agent or User Identifier: an optional local part and a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    local_part: Vec<u8>,
    domain: DomainName,
}

impl Identity {
    /// An identity of these parts; the local part may be empty.
    #[must_use]
    pub fn new(local_part: impl Into<Vec<u8>>, domain: DomainName) -> Self {
        Self { local_part: local_part.into(), domain }
    }

    /// Reads the value of `i=`, folding white space removed: `dkim-quoted-printable` text that decodes to an optional local part, "@" and a domain.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        Self::parse_beside(value, None)
    }

    /// As [`parse`](Self::parse); shares the text of `signing`, the domain that it most often names.
    pub(super) fn parse_beside(value: &[u8], signing: Option<&DomainName>) -> Option<Self> {
        let text = decode(value)?;
        // A quoted local part may hold an "@"; a domain may not.
        let at = text.iter().rposition(|byte| *byte == b'@')?;
        let (local_part, domain) = text.split_at_checked(at)?;
        let domain = domain.get(1..)?;
        let domain = match signing.filter(|signing| signing.as_str().as_bytes().eq_ignore_ascii_case(domain)) {
            Some(signing) => signing.clone(),
            None => DomainName::parse_bytes(domain).ok()?,
        };
        Some(Self { local_part: local_part.to_vec(), domain })
    }

    /// The text before the "@", decoded; empty if there is none. Chosen by the signer: any octets at all.
    #[must_use]
    pub fn local_part(&self) -> &[u8] {
        &self.local_part
    }

    /// The domain in A-labels and lower case.
    #[must_use]
    pub const fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// The value of `i=` for a new signature.
    #[must_use]
    pub fn to_tag_value(&self) -> String {
        let mut text = encode(&self.local_part);
        text.push('@');
        text.push_str(self.domain.as_str());
        text
    }
}

/// The identity for people and logs; a local part that is not printable UTF-8 text is left out.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local_part = std::str::from_utf8(&self.local_part).ok().filter(|text| !text.chars().any(char::is_control));
        write!(f, "{}@{}", local_part.unwrap_or_default(), self.domain)
    }
}

/// Decodes `dkim-quoted-printable` without folding white space: `=XX` is an octet, everything else stands for itself.
fn decode(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if text.iter().all(|byte| is_safe(*byte)) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'=' => {
                let (&[high, low], after) = rest.split_first_chunk::<2>()?;
                out.push((hex(high)? << 4) | hex(low)?);
                rest = after;
            }
            byte if is_safe(*byte) => out.push(*byte),
            _ => return None,
        }
    }
    Some(Cow::Owned(out))
}

/// §2.11: dkim-safe-char is %x21-3A, %x3C, %x3E-7E; RFC 8616 §5 adds the octets of UTF-8.
const fn is_safe(byte: u8) -> bool {
    matches!(byte, 0x21..=0x3a | 0x3c | 0x3e..=0x7e | 0x80..)
}

/// Encodes as `dkim-quoted-printable`, in ASCII.
fn encode(octets: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(octets.len());
    for octet in octets {
        match octet {
            0x21..=0x3a | 0x3c | 0x3e..=0x7e => text.push(char::from(*octet)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "={octet:02X}")),
        }
    }
    text
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &str) -> Option<(String, String)> {
        Identity::parse(value.as_bytes()).map(|identity| {
            (String::from_utf8_lossy(&identity.local_part).into_owned(), identity.domain.as_str().to_owned())
        })
    }

    #[test]
    fn d7_identities_are_quoted_printable() {
        let is = |local: &str, domain: &str| Some((local.to_owned(), domain.to_owned()));
        assert_eq!(parse("@example.com"), is("", "example.com"));
        assert_eq!(parse("joe=40home@Example.COM"), is("joe@home", "example.com"));
        assert_eq!(parse("joe@example=2Ecom"), is("joe", "example.com"));
        assert_eq!(parse("joe=40example=2ecom"), is("joe", "example.com"));
        assert_eq!(parse("j%6Fe@example.com"), is("j%6Fe", "example.com"));
        assert_eq!(parse("ø@bücher.example"), is("ø", "xn--bcher-kva.example"));
    }

    #[test]
    fn d7_what_is_no_identity_is_refused() {
        for value in [
            "",
            "example.com",
            "@",
            "joe@",
            "joe@%65xample.com",
            "joe=4@example.com",
            "joe=4",
            "=",
            "=zz@a.com",
            "a b@c.d",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
        assert_eq!(Identity::parse(b"joe@\0.com"), None);
        assert_eq!(Identity::parse(b"joe@=00.com"), None);
    }

    #[test]
    fn identities_are_printed_without_control_characters() {
        let domain = || DomainName::parse("example.com").unwrap();
        assert_eq!(Identity::new("joe", domain()).to_string(), "joe@example.com");
        assert_eq!(Identity::new("joe\r\nX: y", domain()).to_string(), "@example.com");
        assert_eq!(Identity::new(vec![0xff], domain()).to_string(), "@example.com");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(local_part in proptest::collection::vec(any::<u8>(), 0..40)) {
            let identity = Identity::new(local_part, DomainName::parse("example.com").unwrap());
            let value = identity.to_tag_value();
            prop_assert!(value.is_ascii());
            prop_assert_eq!(Identity::parse(value.as_bytes()), Some(identity));
        }
    }
}
