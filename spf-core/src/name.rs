//! Names that can be asked about in the DNS.
//!
//! RFC 7208 §4.3 and §4.8, RFC 1035 §2.3.4. A [`Name`] is what a question holds: printable ASCII in lower case, no empty label, no label above 63
//! octets, no more than 253 octets, no final dot. Macro expansion makes names with spaces, colons and quotes in them, so more is allowed than in
//! host names; [`Name::from_domain`] is the strict door, for the domains of the SMTP session.
//!
//! Names are compared as they are stored. A clone costs a reference count: names are shared by records, questions and results.
//!
//! What it does not do: IDNA on record text (RFC 8616 §4: "all IDNs in an SPF DNS record MUST be A-labels; this rule is unchanged").

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use thiserror::Error;

/// Longest label in octets (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Longest name in octets as written without a final dot.
pub(crate) const MAX_NAME: usize = 253;

/// Longest text that is given to IDNA. An A-label spends at least one octet on each character, and a character has at most four octets of UTF-8.
const MAX_UNICODE: usize = 4 * MAX_NAME;

/// Why a text is no name, or not the domain of a sender or client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is no text, or only the root.
    #[error("name is empty")]
    Empty,
    /// More than 253 octets.
    #[error("name is longer than 253 octets")]
    TooLong,
    /// Two dots in a row, or a dot at the beginning.
    #[error("name has an empty label")]
    EmptyLabel,
    /// A label has more than 63 octets.
    #[error("name has a label longer than 63 octets")]
    LabelTooLong,
    /// A control character or a byte beyond ASCII; in the domain of a sender or client anything but letters, digits, "-" and "_".
    #[error("name has a character that is not allowed")]
    BadByte,
    /// Characters beyond ASCII that IDNA refuses, or bytes that are not UTF-8.
    #[error("name is not a valid internationalized name")]
    NotIdn,
    /// `[192.0.2.1]`, or bare digits and dots, where a domain belongs.
    #[error("name is an address")]
    Address,
    /// One label: `localhost`.
    #[error("name has only one label")]
    SingleLabel,
}

/// A name that can be asked about: see the [module](self).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// A name as the DNS or a macro yields it. A final dot is dropped.
    ///
    /// ```
    /// use spf_core::name::Name;
    /// assert_eq!(Name::parse("_SPF.Example.com.")?.as_str(), "_spf.example.com");
    /// # Ok::<(), spf_core::name::NameError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NameError::Empty`], [`TooLong`](NameError::TooLong), [`EmptyLabel`](NameError::EmptyLabel), [`LabelTooLong`](NameError::LabelTooLong)
    /// or [`BadByte`](NameError::BadByte).
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let text = text.as_ref();
        match std::str::from_utf8(text) {
            Ok(text) => build(text, |byte| matches!(byte, b' '..=b'~')),
            Err(_) if text.strip_suffix(b".").unwrap_or(text).len() > MAX_NAME => Err(NameError::TooLong),
            Err(_) => Err(NameError::BadByte),
        }
    }

    /// [`parse`](Self::parse) for what is known to be printable ASCII.
    pub(crate) fn from_printable(text: &str) -> Result<Self, NameError> {
        debug_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
        build(text, |_| true)
    }

    /// The domain of HELO or of an address: at least two labels of letters, digits, "-" and "_". U-labels become A-labels (RFC 8616 §4).
    ///
    /// RFC 7208 §4.3 names what is no such domain: "malformed (e.g., label longer than 63 characters, zero-length label not at the end, etc.)",
    /// "not a multi-label domain name", and for HELO (§2.3) an address literal.
    ///
    /// # Errors
    ///
    /// [`NameError`], for each of these.
    pub fn from_domain(text: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let text = text.as_ref();
        if text.starts_with(b"[") {
            return Err(NameError::Address);
        }
        let is_domain_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let name = match std::str::from_utf8(text) {
            Ok(text) if text.is_ascii() => build(text, is_domain_byte)?,
            _ => build(&to_a_labels(text)?, is_domain_byte)?,
        };
        match name.as_str().rsplit_once('.') {
            None => Err(NameError::SingleLabel),
            // No top-level domain is a number, so these are addresses without brackets, and parts of them.
            Some((_, top)) if top.bytes().all(|byte| byte.is_ascii_digit()) => Err(NameError::Address),
            Some(_) => Ok(name),
        }
    }

    /// Where the PTR records of an address are: `4.3.2.1.in-addr.arpa`, or 32 nibbles below `ip6.arpa`.
    #[must_use]
    pub fn reverse(address: IpAddr) -> Self {
        use fmt::Write as _;
        let mut text = String::with_capacity(72);
        // Writing to a String does not fail.
        let _ = match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                write!(text, "{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(address) => {
                let octets = address.octets();
                let nibbles =
                    octets.iter().rev().try_for_each(|octet| write!(text, "{:x}.{:x}.", octet & 15, octet >> 4));
                nibbles.and_then(|()| text.write_str("ip6.arpa"))
            }
        };
        Self(text.into())
    }

    /// The text: lower case, no final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels from left to right; there is at least one.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether there are two labels or more.
    #[must_use]
    pub fn is_multi_label(&self) -> bool {
        self.0.contains('.')
    }

    /// Whether this is `parent` or a name below it.
    #[must_use]
    pub fn is_within(&self, parent: &Self) -> bool {
        self.0.strip_suffix(&*parent.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Checks bytes and lengths, and keeps the text in lower case.
#[inline]
fn build(text: &str, is_allowed: impl Fn(u8) -> bool) -> Result<Name, NameError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let bytes = text.as_bytes();
    match bytes.len() {
        0 => return Err(NameError::Empty),
        1..=MAX_NAME => (),
        _ => return Err(NameError::TooLong),
    }
    // These two without an early end, so that they are done for many bytes at once.
    if !bytes.iter().fold(true, |all, &byte| all & (is_allowed(byte) | (byte == b'.'))) {
        return Err(NameError::BadByte);
    }
    let has_upper = bytes.iter().fold(false, |any, byte| any | byte.is_ascii_uppercase());
    check_labels(bytes)?;
    Ok(Name(if has_upper { text.to_ascii_lowercase().into() } else { text.into() }))
}

/// Whether every label has 1 to 63 octets.
fn check_labels(text: &[u8]) -> Result<(), NameError> {
    let mut length = 0_usize;
    for &byte in text {
        if byte != b'.' {
            length = length.wrapping_add(1);
            continue;
        }
        check_label(length)?;
        length = 0;
    }
    check_label(length)
}

fn check_label(length: usize) -> Result<(), NameError> {
    match length {
        0 => Err(NameError::EmptyLabel),
        1..=MAX_LABEL => Ok(()),
        _ => Err(NameError::LabelTooLong),
    }
}

/// A text with U-labels in A-labels, as UTS 46 does it without transitional rules.
fn to_a_labels(text: &[u8]) -> Result<String, NameError> {
    if text.len() > MAX_UNICODE {
        return Err(NameError::TooLong);
    }
    Uts46::new()
        .to_ascii(text, AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Ignore)
        .map(Cow::into_owned)
        .map_err(|_| NameError::NotIdn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_without_final_dot() {
        for (text, expected) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("foo:bar/baz.example.com", "foo:bar/baz.example.com"),
            ("macro%percent  space.example.com", "macro%percent  space.example.com"),
        ] {
            assert_eq!(Name::parse(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn s21_what_cannot_be_asked_is_no_name() {
        for (text, expected) in [
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("a..", NameError::EmptyLabel),
            ("a\u{e4}.b", NameError::BadByte),
            ("a\r.b", NameError::BadByte),
            ("a\0.b", NameError::BadByte),
        ] {
            assert_eq!(Name::parse(text), Err(expected), "{text:?}");
        }
        assert_eq!(Name::parse("a".repeat(64)), Err(NameError::LabelTooLong));
        assert!(Name::parse("a".repeat(63)).is_ok());
        assert_eq!(Name::parse("a.".repeat(127) + "b"), Err(NameError::TooLong));
        assert!(Name::parse("a.".repeat(126) + "b.").is_ok());
    }

    #[test]
    fn s3_what_is_no_domain_of_a_client_or_sender() {
        for (text, expected) in [
            ("localhost", NameError::SingleLabel),
            ("localhost.", NameError::SingleLabel),
            ("[192.0.2.1]", NameError::Address),
            ("[IPv6:2001:db8::1]", NameError::Address),
            ("192.0.2.1", NameError::Address),
            ("a.1", NameError::Address),
            ("JUMPIN' JUPITER.com", NameError::BadByte),
            ("a@b.example", NameError::BadByte),
            ("\u{378}.example", NameError::NotIdn),
        ] {
            assert_eq!(Name::from_domain(text), Err(expected), "{text:?}");
        }
        assert_eq!(Name::from_domain(b"\xff.example"), Err(NameError::NotIdn));
        assert_eq!(Name::from_domain("ü".repeat(600)), Err(NameError::TooLong));
        assert!(Name::from_domain("_mta.Example.com").is_ok());
    }

    #[test]
    fn s20_u_labels_become_a_labels() {
        assert_eq!(Name::from_domain("Bücher.example").unwrap().as_str(), "xn--bcher-kva.example");
        assert_eq!(Name::from_domain("例え.テスト").unwrap().as_str(), "xn--r8jz45g.xn--zckzah");
    }

    #[test]
    fn names_within_names_end_at_labels() {
        let parent = Name::parse("example.com").unwrap();
        for (text, expected) in [
            ("example.com", true),
            ("A.Example.com", true),
            ("notexample.com", false),
            ("com", false),
            ("example.com.x", false),
        ] {
            assert_eq!(Name::parse(text).unwrap().is_within(&parent), expected, "{text}");
        }
    }

    #[test]
    fn s5_5_reverse_names() {
        assert_eq!(Name::reverse("192.0.2.3".parse().unwrap()).as_str(), "3.2.0.192.in-addr.arpa");
        let expected = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(Name::reverse("2001:db8::1".parse().unwrap()).as_str(), expected);
    }
}
