//! Report URIs: where `rua=` and `ruf=` want reports to go.
//!
//! RFC 9989 §4.7 and §4.8 (`dmarc-uri`, and `obs-dmarc-uri` with its size), RFC 3986 (URIs), RFC 6068 (`mailto:`). A [`ReportUri`] is a syntactically
//! valid URI; a `mailto:` URI is one only when one address can be read from it. URIs of other schemes are kept for those who know them.
//!
//! Invariants: the text is printable ASCII without ",", ";", "!" and blanks; an address is a dot-string of RFC 5321 (or of RFC 6531, beyond ASCII) at
//! a domain, so it can be written into a header field or an SMTP command as it stands. Linear time; no longer than [`MAX_URI_OCTETS`].
//!
//! What it does not do: know whether the owner of the address wants reports ([`authorize`](crate::authorize)).
//!
//! Decisions: quoted local parts are refused (no report address needs one, and they are where addresses are forged); the header fields behind a "?"
//! are passed over; several addresses in one `mailto:` URI are refused.

use std::fmt;

use thiserror::Error;

use crate::domain::DomainName;

/// Longest URI that is read, in octets.
pub const MAX_URI_OCTETS: usize = 1024;

/// Longest local part of an address, in octets (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL_OCTETS: usize = 64;

/// Why a text is no report URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum UriError {
    /// Nothing between two commas.
    #[error("empty report URI")]
    Empty,
    /// Longer than [`MAX_URI_OCTETS`].
    #[error("report URI is too long")]
    TooLong,
    /// No scheme: mostly an address without "mailto:" before it.
    #[error("report URI without a scheme (\"mailto:\" is missing)")]
    Scheme,
    /// A character that RFC 3986 does not allow, or a "!" that begins no size.
    #[error("report URI with a character that has to be percent-encoded")]
    BadByte,
    /// A "%" without two hexadecimal digits behind it.
    #[error("report URI with a malformed percent-encoding")]
    Percent,
    /// A `mailto:` URI without exactly one address of a plain local part and a domain.
    #[error("mailto URI without one usable address")]
    Address,
}

/// A place to send reports to.
///
/// ```
/// use dmarc_core::uri::ReportUri;
///
/// let uri = ReportUri::parse("mailto:dmarc%2Breports@example.com!10m")?;
/// assert_eq!(uri.as_str(), "mailto:dmarc%2Breports@example.com");
/// assert_eq!(uri.mailbox().unwrap().to_string(), "dmarc+reports@example.com");
/// assert_eq!(uri.obsolete_size(), Some("10m"));
/// # Ok::<(), dmarc_core::uri::UriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReportUri {
    text: Box<str>,
    /// Length of the scheme.
    scheme: usize,
    size: Option<Box<str>>,
    mailbox: Option<Mailbox>,
}

/// The address in a `mailto:` URI, percent-encoding undone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mailbox {
    /// Before the "@".
    pub local_part: Box<str>,
    /// Behind it.
    pub domain: DomainName,
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part, self.domain)
    }
}

impl ReportUri {
    /// Reads one URI of a list, without white space around it, with or without the obsolete size.
    ///
    /// # Errors
    ///
    /// What stands in [`UriError`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.is_empty() {
            return Err(UriError::Empty);
        }
        if text.len() > MAX_URI_OCTETS {
            return Err(UriError::TooLong);
        }
        let (uri, size) = split_size(text);
        let scheme = uri.find(':').filter(|&colon| is_scheme(uri.as_bytes(), colon)).ok_or(UriError::Scheme)?;
        check_characters(uri.as_bytes())?;
        let (name, rest) = uri.split_at_checked(scheme).ok_or(UriError::Scheme)?;
        let rest = rest.strip_prefix(':').unwrap_or_default();
        if rest.is_empty() {
            return Err(if is_mailto(name) { UriError::Address } else { UriError::Empty });
        }
        let mailbox = if is_mailto(name) { Some(mailbox(rest)?) } else { None };
        Ok(Self { text: uri.into(), scheme, size: size.map(Into::into), mailbox })
    }

    /// The URI, without its obsolete size.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme as it is written.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.text.get(..self.scheme).unwrap_or_default()
    }

    /// The address of a `mailto:` URI; `None` for other schemes.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.mailbox.as_ref()
    }

    /// The text behind a "!". RFC 9989 §4.8: "Obsolete syntax, reporters should ignore the obs-dmarc-report-size if it is found".
    #[must_use]
    pub fn obsolete_size(&self) -> Option<&str> {
        self.size.as_deref()
    }
}

/// The URI without its obsolete size.
impl fmt::Display for ReportUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_mailto(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("mailto")
}

/// `obs-dmarc-report-size = "!" 1*DIGIT [ "k" / "m" / "g" / "t" ]` at the end.
fn split_size(text: &str) -> (&str, Option<&str>) {
    let Some((uri, size)) = text.rsplit_once('!') else { return (text, None) };
    let digits = size.strip_suffix(|unit: char| matches!(unit.to_ascii_lowercase(), 'k' | 'm' | 'g' | 't'));
    let digits = digits.unwrap_or(size);
    let is_size = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_size { (uri, Some(size)) } else { (text, None) }
}

/// RFC 3986 §3.1: `scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
fn is_scheme(uri: &[u8], length: usize) -> bool {
    let scheme = uri.get(..length).unwrap_or_default();
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The characters of RFC 3986, without those of RFC 9989 §4.8: "commas (ASCII 0x2C) and exclamation points (ASCII 0x21) MUST be encoded".
fn check_characters(uri: &[u8]) -> Result<(), UriError> {
    let mut rest = uri;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
                _ => return Err(UriError::Percent),
            },
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@' => after,
            b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b'=' => after,
            byte if byte.is_ascii_alphanumeric() => after,
            _ => return Err(UriError::BadByte),
        };
    }
    Ok(())
}

/// The one address of `mailto:` (RFC 6068 §2), the scheme left out.
fn mailbox(rest: &str) -> Result<Mailbox, UriError> {
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let address = percent_decoded(rest.get(..end).unwrap_or_default());
    let address = String::from_utf8(address).map_err(|_| UriError::Address)?;
    let (local, domain) = address.rsplit_once('@').ok_or(UriError::Address)?;
    if !is_dot_string(local) || local.len() > MAX_LOCAL_OCTETS {
        return Err(UriError::Address);
    }
    let domain = DomainName::parse(domain).map_err(|_| UriError::Address)?;
    Ok(Mailbox { local_part: local.into(), domain })
}

/// RFC 5321 §4.1.2 `Dot-string`, with the characters that RFC 6531 §3.3 adds.
fn is_dot_string(local: &str) -> bool {
    let is_atext = |char: char| {
        char.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~".contains(char)
            || (!char.is_ascii() && !char.is_control() && !char.is_whitespace())
    };
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// The octets that a text stands for; every "%" in it was checked.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let octet = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low);
                octets.extend(octet);
                after
            }
            _ => {
                octets.push(byte);
                after
            }
        };
    }
    octets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Result<String, UriError> {
        ReportUri::parse(text).map(|uri| uri.mailbox().unwrap().to_string())
    }

    #[test]
    fn m5_mailto_uris_give_one_address() {
        for (text, expected) in [
            ("mailto:reports@example.com", "reports@example.com"),
            ("MAILTO:Reports@Example.COM", "Reports@example.com"),
            ("mailto:a%2Cb@example.com", ""),
            ("mailto:a%21b@example.com", "a!b@example.com"),
            ("mailto:a%2bb@example.com", "a+b@example.com"),
            ("mailto:a+b=c@example.com?subject=x", "a+b=c@example.com"),
            ("mailto:a@b%C3%BCcher.example", "a@xn--bcher-kva.example"),
            ("mailto:j%C3%B6rg@example.com", "jörg@example.com"),
        ] {
            let expected = if expected.is_empty() { Err(UriError::Address) } else { Ok(expected.to_owned()) };
            assert_eq!(address(text), expected, "{text}");
        }
    }

    #[test]
    fn m5_what_is_no_uri_or_no_address_is_refused() {
        let long = format!("mailto:a@example.com?{}", "x".repeat(MAX_URI_OCTETS));
        let long_local = format!("mailto:{}@example.com", "x".repeat(MAX_LOCAL_OCTETS + 1));
        for (text, error) in [
            ("", UriError::Empty),
            ("reports@example.com", UriError::Scheme),
            (":x", UriError::Scheme),
            ("1a:x", UriError::Scheme),
            ("https:", UriError::Empty),
            ("mailto:", UriError::Address),
            ("mailto:reports", UriError::Address),
            ("mailto:@example.com", UriError::Address),
            ("mailto:a@", UriError::Address),
            ("mailto:a@b@example.com", UriError::Address),
            ("mailto:a..b@example.com", UriError::Address),
            ("mailto:a%0D%0AX:y@example.com", UriError::Address),
            ("mailto:a%00@example.com", UriError::Address),
            ("mailto:a%20b@example.com", UriError::Address),
            ("mailto:%22a%22@example.com", UriError::Address),
            ("mailto:a@example.com%3E", UriError::Address),
            ("mailto:a%FF@example.com", UriError::Address),
            ("mailto:a%C2%85@example.com", UriError::Address),
            ("mailto:a%4@example.com", UriError::Percent),
            ("mailto:a%", UriError::Percent),
            ("mailto:a b@example.com", UriError::BadByte),
            ("mailto:a!b@example.com", UriError::BadByte),
            ("mailto:a@example.com!10x", UriError::BadByte),
            ("mailto:a@example.com!", UriError::BadByte),
            ("mailto:<a@example.com>", UriError::BadByte),
            ("mailto:ä@example.com", UriError::BadByte),
            (&long, UriError::TooLong),
            (&long_local, UriError::Address),
        ] {
            assert_eq!(ReportUri::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn m5_the_obsolete_size_is_read_and_does_not_count() {
        for (text, size) in
            [("!10m", "10m"), ("!5", "5"), ("!1K", "1K"), ("!99999999999999999999g", "99999999999999999999g")]
        {
            let uri = ReportUri::parse(&format!("mailto:a@example.com{text}")).unwrap();
            assert_eq!((uri.as_str(), uri.obsolete_size()), ("mailto:a@example.com", Some(size)));
        }
    }

    #[test]
    fn m5_other_schemes_are_uris_without_an_address() {
        let uri = ReportUri::parse("https://example.com/dmarc?x=1!1g").unwrap();
        assert_eq!((uri.scheme(), uri.as_str()), ("https", "https://example.com/dmarc?x=1"));
        assert_eq!((uri.mailbox(), uri.obsolete_size()), (None, Some("1g")));
    }

    proptest! {
        #[test]
        fn any_text_gives_a_plain_uri_or_an_error(text in "(mailto:)?[ -~\u{e9}\r\n]{0,40}(@example.com)?(!1m)?") {
            if let Ok(uri) = ReportUri::parse(&text) {
                prop_assert!(uri.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !b",;!<>\"".contains(&byte)));
                let again = ReportUri::parse(uri.as_str()).unwrap();
                prop_assert_eq!(again.as_str(), uri.as_str());
                if let Some(mailbox) = uri.mailbox() {
                    prop_assert!(!mailbox.to_string().contains(|char: char| char.is_control() || " ,;<>\"()[]\\".contains(char)));
                }
            }
        }
    }
}
