//! What panels, word processors and zone files leave in a text, and the text without it.

use std::ops::Range;

use super::text::Text;
use super::{Found, Problem};

/// Quotes that word processors put in place of straight ones.
const CURLY: [&[u8]; 8] = [
    "\u{201c}".as_bytes(),
    "\u{201d}".as_bytes(),
    "\u{201e}".as_bytes(),
    "\u{201f}".as_bytes(),
    "\u{2018}".as_bytes(),
    "\u{2019}".as_bytes(),
    "\u{ab}".as_bytes(),
    "\u{bb}".as_bytes(),
];

/// The same in Windows-1252; in UTF-8 these octets are parts of other characters.
const CURLY_1252: [&[u8]; 5] = [b"\x84", b"\x91", b"\x92", b"\x93", b"\x94"];

/// No-break spaces.
const NO_BREAK: &[u8] = "\u{a0}".as_bytes();
const NARROW: &[u8] = "\u{202f}".as_bytes();

/// Characters that do not show: no-break spaces, zero-width ones, the byte order mark.
const INVISIBLE: [&[u8]; 6] =
    [NO_BREAK, NARROW, "\u{200b}".as_bytes(), "\u{200c}".as_bytes(), "\u{2060}".as_bytes(), "\u{feff}".as_bytes()];

/// Of a text the one that was meant, and what was taken off, each kind once.
pub(super) fn clean(published: &[u8]) -> (Text, Vec<Found>) {
    let curly: &[&[u8]] = if std::str::from_utf8(published).is_ok() { &CURLY } else { &CURLY_1252 };
    let (mut text, mut found) = (Text::default(), Vec::new());
    let mut note = |problem: Problem, at: usize, octets: usize| {
        if found.iter().all(|(known, _)| *known != problem) {
            found.push((problem, at..at.saturating_add(octets)));
        }
    };
    let (mut rest, mut at) = (published, 0_usize);
    while let Some(&first) = rest.first() {
        let prefix = |words: &[&[u8]]| words.iter().find(|word| rest.starts_with(word)).map(|word| word.len());
        let mut taken = 1;
        if let Some(octets) = prefix(curly) {
            note(Problem::CurlyQuotes, at, octets);
            taken = octets;
        } else if let Some(octets) = prefix(&INVISIBLE) {
            note(Problem::Invisible, at, octets);
            // Only the first two have a width.
            if rest.starts_with(NO_BREAK) || rest.starts_with(NARROW) {
                text.push(b' ', at);
            }
            taken = octets;
        } else {
            match first {
                b'\\' if rest.get(1) != Some(&b'"') => note(Problem::Backslash, at, 1),
                b'\\' | b'"' => note(Problem::Quotes, at, 1),
                b'\'' | b'`' if at == 0 || rest.len() == 1 => note(Problem::Quotes, at, 1),
                b'\r' | b'\n' => {
                    note(Problem::LineBreak, at, 1);
                    text.push(b' ', at);
                }
                b'\t' => text.push(first, at),
                _ if first.is_ascii_control() => note(Problem::Invisible, at, 1),
                _ => text.push(first, at),
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
        at = at.saturating_add(taken);
    }
    match behind_type(text.octets()) {
        Some(record) => {
            let mut alone = Text::default();
            alone.push_part(&text, record.clone());
            found.push((Problem::ZoneFileLine, text.span(&(0..record.start))));
            (alone, found)
        }
        None => (text, found),
    }
}

/// Where the record is in a whole line of a zone file: `_dmarc IN TXT ( "v=DMARC1; …" )`.
fn behind_type(text: &[u8]) -> Option<Range<usize>> {
    /// Octets that a name, its TTL, class and type may have before the text.
    const MAX_HEAD: usize = 300;
    let head = text.get(..MAX_HEAD).unwrap_or(text).to_ascii_lowercase();
    let start = head.windows(7).position(|window| window == b"v=dmarc")?;
    let is_line = head.get(..start)?.split(u8::is_ascii_whitespace).any(|word| word == b"txt");
    let end = text.iter().rposition(|octet| !matches!(octet, b')' | b' ' | b'\t'))?.saturating_add(1);
    (is_line && end > start).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &[u8]) -> (String, Vec<Problem>) {
        let (clean, found) = clean(text);
        assert!(found.iter().all(|(_, span)| text.get(span.clone()).is_some_and(|part| !part.is_empty())));
        let text = String::from_utf8(clean.octets().to_vec()).unwrap();
        (text, found.into_iter().map(|(problem, _)| problem).collect())
    }

    #[test]
    fn each_damage_is_taken_off_and_told() {
        let good = "v=DMARC1; p=none";
        for (text, expected) in [
            ("v=DMARC1; p=none", &[][..]),
            (r"v=DMARC1\; p=none", &[Problem::Backslash]),
            ("\"v=DMARC1; p=none\"", &[Problem::Quotes]),
            (r#"\"v=DMARC1; p=none\""#, &[Problem::Quotes, Problem::Backslash][..1]),
            ("'v=DMARC1; p=none'", &[Problem::Quotes]),
            ("\u{201c}v=DMARC1; p=none\u{201d}", &[Problem::CurlyQuotes]),
            ("v=DMARC1;\u{a0}p=none", &[Problem::Invisible]),
            ("v=DMARC1;\np=none", &[Problem::LineBreak]),
            ("v=DMARC1; p=no\x1bne", &[Problem::Invisible]),
            ("_dmarc 3600 IN TXT ( \"v=DMARC1; p=none\" )", &[Problem::Quotes, Problem::ZoneFileLine]),
        ] {
            let (clean, found) = cleaned(text.as_bytes());
            assert_eq!((clean.trim(), found.as_slice()), (good, expected), "{text:?}");
        }
        let (clean, found) = cleaned(b"\x93v=DMARC1; p=none\x94");
        assert_eq!((clean.as_str(), found.as_slice()), (good, &[Problem::CurlyQuotes][..]));
    }
}
