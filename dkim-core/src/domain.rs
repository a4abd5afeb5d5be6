//! Domain names and selectors: checked once, in one spelling.
//!
//! RFC 6376 §3.5 (`d=`, `s=`), RFC 8616 §5 (U-labels), RFC 1035 §2.3.4 (lengths). A [`DomainName`] is a name of LDH labels and underscores in lower
//! case, U-labels turned into A-labels, without a final dot; so two of them are the same domain exactly when they are equal. Everything else is
//! refused with its place: quotes, parentheses, blanks, NUL, empty labels, labels over 63 and names over 253 octets. That is what keeps a hostile
//! `d=` out of DNS questions and out of Authentication-Results.
//!
//! Decisions:
//! - A name of ASCII letters only is not looked at by IDNA: an `xn--` label is an LDH label whatever it decodes to.
//! - A name with other letters goes through UTS 46 (non-transitional), as mail programs do: case is folded, full-width letters and dots are mapped.
//! - An underscore may stand anywhere in a label, a hyphen neither first nor last (RFC 5321 `Let-dig`).
//! - One label is a name (a walk up the tree needs it), none is not; a final dot is refused, because `d=` and addresses have none.
//!
//! What it does not do: tell whether a domain exists, or which part of it is the organizational domain.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use thiserror::Error;

/// Longest label in octets (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Longest name in octets as written without a final dot: 255 on the wire, less the first length and the root.
const MAX_NAME: usize = 253;

/// Longest text that is given to IDNA. An A-label spends at least one octet on each character, and a character has at most four octets of UTF-8.
const MAX_UNICODE: usize = 4 * MAX_NAME;

/// Why a text is not a domain name or selector.
///
/// Offsets count in the text as given; for a text with U-labels, offsets of hyphens and lengths count in its A-label form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DomainError {
    /// There is no text.
    #[error("name is empty")]
    Empty,
    /// More than 253 octets.
    #[error("name is longer than 253 octets")]
    TooLong,
    /// A label has more than 63 octets.
    #[error("label at byte {at} is longer than 63 octets")]
    LabelTooLong {
        /// Where the label begins.
        at: usize,
    },
    /// A dot stands first or after another dot.
    #[error("label at byte {at} is empty")]
    EmptyLabel {
        /// Where the label should be.
        at: usize,
    },
    /// A dot stands last.
    #[error("name ends in a dot")]
    TrailingDot,
    /// A byte that is no letter, digit, hyphen or underscore.
    #[error("byte {byte:#04x} at byte {at} is not allowed in a name")]
    BadByte {
        /// Where it stands.
        at: usize,
        /// The byte.
        byte: u8,
    },
    /// A label begins or ends with a hyphen.
    #[error("label at byte {at} begins or ends with a hyphen")]
    HyphenAtEdge {
        /// Where the label begins.
        at: usize,
    },
    /// 8-bit bytes that are not UTF-8.
    #[error("name is not UTF-8 from byte {at}")]
    NotUtf8 {
        /// Where it ceases to be UTF-8.
        at: usize,
    },
    /// UTF-8 that is not an internationalized domain name.
    #[error("name is not a valid internationalized domain name")]
    NotIdn,
}

/// A domain name as A-labels in lower case, without a final dot. See the [module page](self). A clone shares the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Checks a name and brings it into its one spelling.
    ///
    /// ```
    /// use dkim_core::domain::DomainName;
    /// let name = DomainName::parse("Mail.Bücher.example")?;
    /// assert_eq!(name.as_str(), "mail.xn--bcher-kva.example");
    /// # Ok::<(), dkim_core::domain::DomainError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What stands in [`DomainError`]; the [module page](self) has the rules.
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        a_label_form(text.as_bytes()).map(Self)
    }

    /// As [`parse`](Self::parse), from bytes of a message that nobody has looked at.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and [`DomainError::NotUtf8`].
    pub fn parse_bytes(text: &[u8]) -> Result<Self, DomainError> {
        a_label_form(text).map(Self)
    }

    /// The name: lower-case ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels from the left; from the right with `.rev()`.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split('.')
    }

    /// The number of labels, at least 1.
    #[must_use]
    pub fn label_count(&self) -> usize {
        self.0.bytes().filter(|byte| *byte == b'.').count().saturating_add(1)
    }

    /// The name without its first label; `None` for a single label.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, parent)| Self(parent.into()))
    }

    /// Whether this name is `other` or lies below it. Only whole labels count: `notexample.com` is not below `example.com`.
    #[must_use]
    pub fn is_equal_or_subdomain_of(&self, other: &Self) -> bool {
        self.0.strip_suffix(&*other.0).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    }
}

/// A DKIM selector (RFC 6376 §3.1): one or more labels below `_domainkey`, under the rules of [`DomainName`]. A clone shares the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(Arc<str>);

impl Selector {
    /// Checks a selector and brings it into its one spelling.
    ///
    /// # Errors
    ///
    /// What stands in [`DomainError`].
    pub fn parse(text: &str) -> Result<Self, DomainError> {
        a_label_form(text.as_bytes()).map(Self)
    }

    /// As [`parse`](Self::parse), from bytes of a message that nobody has looked at.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and [`DomainError::NotUtf8`].
    pub fn parse_bytes(text: &[u8]) -> Result<Self, DomainError> {
        a_label_form(text).map(Self)
    }

    /// The selector: lower-case ASCII, dots allowed inside.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What both types share with the standard library.
macro_rules! text_traits {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = DomainError;

            fn from_str(text: &str) -> Result<Self, DomainError> {
                Self::parse(text)
            }
        }
    };
}
text_traits!(DomainName);
text_traits!(Selector);

/// The one spelling of a name: checked, A-labels, lower case.
fn a_label_form(text: &[u8]) -> Result<Arc<str>, DomainError> {
    // ASCII first, also in names with U-labels: IDNA maps some characters to ASCII, and the place of a bad byte is known only here.
    let bad = text.iter().enumerate().find(|(_, byte)| byte.is_ascii() && !is_name_byte(**byte));
    if let Some((at, &byte)) = bad {
        return Err(DomainError::BadByte { at, byte });
    }
    let text = std::str::from_utf8(text).map_err(|error| DomainError::NotUtf8 { at: error.valid_up_to() })?;
    let name = if text.is_ascii() {
        Cow::Borrowed(text)
    } else if text.len() > MAX_UNICODE {
        return Err(DomainError::TooLong);
    } else {
        // RFC 8616 §5: "any U-labels are converted to A-labels". Lengths and hyphens are checked below, by the same rules for every name.
        Uts46::new()
            .to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
            .map_err(|_| DomainError::NotIdn)?
    };
    check_labels(&name)?;
    let mut name: Arc<str> = Arc::from(&*name);
    // Nobody else has it yet.
    if let Some(name) = Arc::get_mut(&mut name) {
        name.make_ascii_lowercase();
    }
    Ok(name)
}

fn check_labels(name: &str) -> Result<(), DomainError> {
    if name.is_empty() {
        return Err(DomainError::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(DomainError::TooLong);
    }
    let mut at: usize = 0;
    for label in name.as_bytes().split(|byte| *byte == b'.') {
        if label.is_empty() {
            let is_last = at > 0 && at == name.len();
            return Err(if is_last { DomainError::TrailingDot } else { DomainError::EmptyLabel { at } });
        }
        if label.len() > MAX_LABEL {
            return Err(DomainError::LabelTooLong { at });
        }
        if label.starts_with(b"-") || label.ends_with(b"-") {
            return Err(DomainError::HyphenAtEdge { at });
        }
        // What IDNA made of the text is held to the same letters as what came in.
        if !label.iter().copied().all(is_name_byte) {
            return Err(DomainError::NotIdn);
        }
        at = at.saturating_add(label.len()).saturating_add(1);
    }
    Ok(())
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    #[test]
    fn d8_only_ldh_labels_underscore_and_dots_are_names() {
        for (text, error) in [
            (&b""[..], DomainError::Empty),
            (b"example..com", DomainError::EmptyLabel { at: 8 }),
            (b".example.com", DomainError::EmptyLabel { at: 0 }),
            (b".", DomainError::EmptyLabel { at: 0 }),
            (b"example.com.", DomainError::TrailingDot),
            (b"exam\0ple.com", DomainError::BadByte { at: 4, byte: 0 }),
            (b"legit.com(.attacker.com", DomainError::BadByte { at: 9, byte: b'(' }),
            (b"\"legit\".com", DomainError::BadByte { at: 0, byte: b'"' }),
            (b"legit.com'", DomainError::BadByte { at: 9, byte: b'\'' }),
            (b"a b.com", DomainError::BadByte { at: 1, byte: b' ' }),
            (b"a;b.com", DomainError::BadByte { at: 1, byte: b';' }),
            (b"a@b.com", DomainError::BadByte { at: 1, byte: b'@' }),
            (b"-a.com", DomainError::HyphenAtEdge { at: 0 }),
            (b"www.a-.com", DomainError::HyphenAtEdge { at: 4 }),
            (b"b\xfccher.example", DomainError::NotUtf8 { at: 1 }),
        ] {
            assert_eq!(DomainName::parse_bytes(text), Err(error.clone()), "{text:?}");
            assert_eq!(Selector::parse_bytes(text), Err(error), "{text:?}");
        }
        for text in
            ["com", "a.b", "_dmarc.example.com", "x_y.example", "1.2.3.4", "a--b.example", "xn--zzzz9999.example"]
        {
            assert_eq!(name(text).as_str(), text);
        }
    }

    #[test]
    fn d8_labels_over_63_and_names_over_253_octets_are_refused() {
        let label = "a".repeat(63);
        assert_eq!(name(&label).as_str(), label);
        assert_eq!(DomainName::parse(&format!("x.{label}a")), Err(DomainError::LabelTooLong { at: 2 }));
        let longest = [&label[..], &label, &label, &label[..61]].join(".");
        assert_eq!(longest.len(), 253);
        assert_eq!(name(&longest).as_str(), longest);
        assert_eq!(DomainName::parse(&format!("{longest}a")), Err(DomainError::TooLong));
        assert_eq!(DomainName::parse(&"ü".repeat(100_000)), Err(DomainError::TooLong));
        assert_eq!(DomainName::parse(&"ü".repeat(80)), Err(DomainError::LabelTooLong { at: 0 }));
    }

    #[test]
    fn d28_u_labels_become_a_labels() {
        assert_eq!(name("Bücher.example").as_str(), "xn--bcher-kva.example");
        assert_eq!(name("BÜCHER.Example"), name("xn--bcher-kva.example"));
        assert_eq!(name("straße.example").as_str(), "xn--strae-oqa.example");
        assert_eq!(name("例え.テスト").as_str(), "xn--r8jz45g.xn--zckzah");
        assert_eq!(Selector::parse("schlüssel.2024").unwrap().as_str(), "xn--schlssel-95a.2024");
        assert_eq!(name("_ü.example").as_str().split_once("--").map(|(front, _)| front), Some("xn"));
    }

    #[test]
    fn d28_what_idna_refuses_or_maps_to_other_ascii_is_refused() {
        // U+0378 is unassigned, U+FF08 maps to a parenthesis, U+3000 to a space, U+202E turns the writing direction.
        for text in ["a\u{378}b.com", "legit.com\u{ff08}x.com", "a\u{3000}b.com", "a\u{202e}b.com", "\u{fffd}.com"] {
            assert_eq!(DomainName::parse(text), Err(DomainError::NotIdn), "{text:?}");
        }
        assert_eq!(DomainName::parse("ü。。com"), Err(DomainError::EmptyLabel { at: "xn--tda.".len() }));
    }

    #[test]
    fn names_compare_in_one_spelling() {
        assert_eq!(name("EXAMPLE.com"), name("example.COM"));
        assert_eq!(name("Example.COM").to_string(), "example.com");
        assert_eq!("Example.COM".parse::<DomainName>().unwrap().as_ref(), "example.com");
        assert_eq!("S1".parse::<Selector>().unwrap().to_string(), "s1");
    }

    #[test]
    fn d7_subdomains_are_cut_at_labels() {
        let parent = name("example.com");
        for (text, expected) in [
            ("example.com", true),
            ("a.example.com", true),
            ("a.b.Example.Com", true),
            ("notexample.com", false),
            ("com", false),
            ("example.com.evil.org", false),
        ] {
            assert_eq!(name(text).is_equal_or_subdomain_of(&parent), expected, "{text}");
        }
    }

    #[test]
    fn labels_and_parents_walk_up_the_tree() {
        let leaf = name("a.b.example");
        assert_eq!(leaf.labels().collect::<Vec<_>>(), ["a", "b", "example"]);
        assert_eq!(leaf.labels().rev().collect::<Vec<_>>(), ["example", "b", "a"]);
        assert_eq!(leaf.label_count(), 3);
        assert_eq!(leaf.parent(), Some(name("b.example")));
        assert_eq!(leaf.parent().and_then(|up| up.parent()).and_then(|up| up.parent()), None);
    }

    proptest! {
        #[test]
        fn any_name_is_stable_and_plain(text in ".{0,80}") {
            if let Ok(parsed) = DomainName::parse(&text) {
                prop_assert!(parsed.as_str().bytes().all(|byte| is_name_byte(byte) && !byte.is_ascii_uppercase()));
                prop_assert!(parsed.as_str().len() <= MAX_NAME);
                prop_assert!(parsed.labels().all(|label| (1..=MAX_LABEL).contains(&label.len())));
                prop_assert_eq!(&DomainName::parse(parsed.as_str()).unwrap(), &parsed);
                prop_assert!(parsed.parent().is_none_or(|up| parsed.is_equal_or_subdomain_of(&up)));
            }
        }

        #[test]
        fn any_bytes_give_a_name_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = DomainName::parse_bytes(&text);
        }
    }
}
