//! Values as the old programs read them.

use std::fmt;

pub(super) use super::super::section::shorten as shown;
use super::super::words::Facility;

/// Words about a value that may hold a part of it, as they may stand in a finding: bounded, and without control characters.
pub(in crate::config) fn words_about(error: &impl fmt::Display) -> String {
    const SHOWN: usize = 200;
    error.to_string().chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `t`, `y` or `1` in front says yes, `f`, `n` or `0` no, in any case; what follows does not count.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.bytes().next()? {
        b't' | b'T' | b'y' | b'Y' | b'1' => Some(true),
        b'f' | b'F' | b'n' | b'N' | b'0' => Some(false),
        _ => None,
    }
}

/// What `strtol` makes of the whole of `text` with base 0; numbers too large for it stay at its limits.
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match hexadecimal {
        Some(digits) => (16, digits),
        None if digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).unwrap_or(i64::MAX);
    Some(if negative { number.saturating_neg() } else { number })
}

/// The items between commas, without white space around them and without empty ones.
pub(in crate::config) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// The facility with this name, in any case, or why `mail` holds in its place.
pub(in crate::config) fn facility(word: &str) -> Result<Facility, String> {
    /// Facilities of syslog(3) that lines of a mail filter are not sent as here.
    const OTHERS: &[&str] = &["auth", "authpriv", "cron", "ftp", "kern", "lpr", "news", "security", "syslog", "uucp"];
    let lower = word.to_ascii_lowercase();
    Facility::from_word(&lower).ok_or_else(|| {
        if OTHERS.contains(&lower.as_str()) {
            format!("the facility `{lower}` is not carried; lines are sent as `mail`")
        } else {
            format!("`{}` is not the name of a facility; lines are sent as `mail`", shown(word))
        }
    })
}

/// What stands in front of Authentication-Results fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthservName {
    /// `HOSTNAME`: what gethostname(2) says.
    Hostname,
    /// This name.
    Name(String),
}

impl AuthservName {
    /// Reads a value. The error is a cause in words.
    pub(in crate::config) fn read(text: &str) -> Result<Self, String> {
        if text == "HOSTNAME" {
            return Ok(Self::Hostname);
        }
        // RFC 8601 §2.2: a value, which is a token or a quoted string; neither holds control characters.
        if text.len() > 255 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(format!("`{}` cannot name this host in Authentication-Results", shown(text)));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for AuthservName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hostname => f.write_str("HOSTNAME"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Names of header fields; a `*` in one stands for any characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderSet {
    /// In the order of the option, as they are spelled there.
    pub names: Vec<String>,
}

impl HeaderSet {
    /// The set of these names.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self { names: names.into_iter().map(str::to_owned).collect() }
    }

    /// Whether the field `name` is in it, in any case.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.names.iter().any(|pattern| matches(pattern.as_bytes(), name))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Whether `pattern`, in which `*` stands for any octets, covers the whole of `name`. Time is the product of the lengths at most.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0_usize, 0_usize);
    // Where the last star stands, and up to where of the name it reaches.
    let mut star: Option<(usize, usize)> = None;
    while let Some(octet) = name.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at = at.saturating_add(1);
            }
            Some(wanted) if wanted.eq_ignore_ascii_case(octet) => {
                at = at.saturating_add(1);
                read = read.saturating_add(1);
            }
            _ => {
                let Some((star_at, reaches)) = star else { return false };
                read = reaches.saturating_add(1);
                star = Some((star_at, read));
                at = star_at.saturating_add(1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|octet| *octet == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_1_the_first_letter_of_a_boolean_decides() {
        for text in ["true", "Yes", "1", "t", "Yellow", "TRUE", "10"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "No", "0", "n", "Frog", "0x1"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", "on", "off", "2", "-1", "ja", " yes", "“yes”"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn s1_1_integers_are_read_as_strtol_does_with_base_0() {
        for (text, expected) in [
            ("0", 0),
            ("42", 42),
            ("+42", 42),
            ("-42", -42),
            ("007", 7),
            ("022", 18),
            ("0x1F", 31),
            ("-0X10", -16),
            ("\x0b7", 7),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", -i64::MAX),
        ] {
            assert_eq!(integer(text), Some(expected), "{text:?}");
        }
        for text in ["", "-", "0x", "08", "9f", "1.5", "5s", "- 7", "--7", "0x-1", "１", "7 "] {
            assert_eq!(integer(text), None, "{text:?}");
        }
    }

    #[test]
    fn s1_2_a_star_in_the_name_of_a_field_stands_for_anything() {
        let set = HeaderSet::new(["From", "X-*", "*-Id", "a*b*c"]);
        for name in ["from", "FROM", "x-", "X-Mailer", "Message-ID", "-id", "abc", "aXbXc", "abbcc"] {
            assert!(set.contains(name.as_bytes()), "{name}");
        }
        for name in ["", "fro", "fromm", "x", "id", "ac", "acb", "abcd"] {
            assert!(!set.contains(name.as_bytes()), "{name}");
        }
        assert!(HeaderSet::new(["*"]).contains(b"anything"));
        assert!(!HeaderSet::default().contains(b""));
    }

    #[test]
    fn a_pattern_of_stars_takes_no_time() {
        let set = HeaderSet { names: vec!["*a".repeat(200)] };
        assert!(!set.contains(&[b'b'; 20_000]));
        assert!(!set.contains("ab".repeat(150).as_bytes()));
    }

    #[test]
    fn facilities_that_are_not_sent_are_told_from_words_that_are_none() {
        assert_eq!(facility("MAIL"), Ok(Facility::Mail));
        assert_eq!(facility("local3"), Ok(Facility::Local3));
        assert!(facility("Auth").is_err_and(|cause| cause.contains("not carried")));
        assert!(facility("nonsense").is_err_and(|cause| cause.contains("not the name")));
    }

    #[test]
    fn lists_are_split_at_commas_and_trimmed() {
        assert_eq!(words(" a, b ,,\tc d,").collect::<Vec<_>>(), ["a", "b", "c d"]);
        assert_eq!(words("").count(), 0);
    }
}
