//! Texts that are no SPF record and were meant as one (RFC 7208 §4.5), and how texts are shown.

use spf_core::record::has_version;
use spf_core::survey::Surveyed;

/// Characters of a text that are shown.
const MAX_TEXT: usize = 500;
/// Texts of one domain that are shown.
const MAX_TEXTS: usize = 10;

/// Characters that a word processor or a panel puts in place of quotes, and quotes; and spaces that are none.
const AROUND: [char; 12] = [
    '"', '\'', '`', '\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}', '\u{feff}',
    '\u{a0}',
];

/// The SPF records of a domain, and what looks like one: for people, the first of them.
pub(super) fn records(surveyed: &Surveyed) -> Vec<String> {
    let texts = surveyed.texts.iter().flat_map(|records| records.texts());
    let meant = texts.filter(|text| has_version(text) || mistake(text).is_some());
    meant.take(MAX_TEXTS).map(|text| shown(text)).collect()
}

/// What only looks like a record, with what is wrong.
pub(super) fn misses(surveyed: &Surveyed) -> Vec<(String, &'static str)> {
    let texts = surveyed.texts.iter().flat_map(|records| records.texts());
    texts.filter_map(|text| Some((shown(text), mistake(text)?))).take(MAX_TEXTS).collect()
}

/// A text without anything that a terminal takes for more than text, not longer than is good.
pub(crate) fn shown(text: &[u8]) -> String {
    let mut escaped: String = text.escape_ascii().take(MAX_TEXT.saturating_add(1)).map(char::from).collect();
    if escaped.len() > MAX_TEXT {
        escaped.truncate(MAX_TEXT);
        escaped.push_str("...");
    }
    escaped
}

/// Why a text that was meant as SPF record is none; `None` for a record, and for what is something else.
fn mistake(text: &[u8]) -> Option<&'static str> {
    if has_version(text) {
        return None;
    }
    // As much as the version and what may stand before it.
    let begin = String::from_utf8_lossy(text.get(..64).unwrap_or(text)).to_ascii_lowercase();
    let bare = begin.trim_start_matches(|sign: char| AROUND.contains(&sign) || sign.is_whitespace());
    let is_bare = bare.len() == begin.len();
    if bare.starts_with("v=spf1") && !is_bare {
        let quote = begin.trim_start().chars().next().is_some_and(|sign| AROUND.contains(&sign));
        return Some(if quote {
            "it begins with a quotation mark or the like, which belongs to the text here: write it without"
        } else {
            "it begins with a space: `v=spf1` has to be the first of it"
        });
    }
    let rest = bare.strip_prefix("v=spf")?;
    Some(match rest.strip_prefix('1') {
        Some(rest) if rest.starts_with(|sign: char| sign.is_ascii_digit() || sign == '.') => {
            "no such version: it has to be `v=spf1`"
        }
        Some(_) => "behind `v=spf1` a space has to follow",
        None if rest.starts_with("2") => "this is Sender ID, which nobody evaluates (RFC 6654): SPF is `v=spf1`",
        None => "no such version: it has to be `v=spf1`",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_5_what_looks_like_a_record_is_told_from_what_is_one_and_what_is_something_else() {
        for (text, expected) in [
            ("v=spf1-all", "a space has to follow"),
            ("V=SPF1mx -all", "a space has to follow"),
            ("v=spf1\u{a0}-all", "a space has to follow"),
            ("v=spf10 -all", "no such version"),
            ("v=spf1.0 -all", "no such version"),
            ("v=spf -all", "no such version"),
            ("v=spf2.0/pra -all", "Sender ID"),
            (" v=spf1 -all", "begins with a space"),
            ("\"v=spf1 -all\"", "quotation mark"),
            ("\u{201c}v=spf1 -all\u{201d}", "quotation mark"),
        ] {
            assert!(mistake(text.as_bytes()).is_some_and(|why| why.contains(expected)), "{text}");
        }
        for text in ["v=spf1", "v=spf1 -all", "V=spf1 moo", "v=DMARC1", "google-site-verification=v=spf1", "", " "] {
            assert_eq!(mistake(text.as_bytes()), None, "{text}");
        }
        assert_eq!(mistake(&[0xFF; 100]), None);
    }

    #[test]
    fn texts_are_escaped_and_cut() {
        assert_eq!(shown(b"a\x1b[2J\"\xE2"), "a\\x1b[2J\\\"\\xe2");
        assert_eq!(shown(&[b'x'; 5000]).len(), MAX_TEXT + 3);
        assert_eq!(shown(&[b'x'; 500]).len(), MAX_TEXT);
    }
}
