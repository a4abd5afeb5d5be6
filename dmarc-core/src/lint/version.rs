//! Why a text is no record, and the record that it was meant to be (RFC 9989 §4.7 `v`).

use std::ops::Range;

use super::text::{Text, split_at};
use super::words::{known_tag, near_policy};
use super::{Found, Problem};
use crate::record::Record;

/// Octets of a text in which what it is has to show.
const MAX_HEAD: usize = 64;

/// The same text with its version where it belongs, and what was wrong with that; `None` for what is no record and none was meant.
pub(super) fn mend(text: Text) -> Option<(Text, Option<Found>)> {
    if Record::has_version(text.octets()) {
        return Some((text, None));
    }
    mistake(&text).map(|mistake| mistake.mended(&text))
}

/// Where the version is, and what is wrong with it.
struct Mistake {
    problem: Problem,
    /// What takes its place; the piece of the text in which it stands may go on behind it.
    place: Range<usize>,
}

impl Mistake {
    fn mended(self, text: &Text) -> (Text, Option<Found>) {
        let mut mended = Text::default();
        mended.push_new(b"v=DMARC1", text.origin(self.place.start));
        for piece in text.parts(b';') {
            // Of the piece with the version what stands behind it; what stands before it is a part of its name.
            let rest = if piece.start <= self.place.start && self.place.end <= piece.end {
                let rest = self.place.end..piece.end;
                let is_sign = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b',' | b':' | b'.');
                let signs = text.part(rest.clone()).iter().take_while(|octet| is_sign(octet)).count();
                rest.start.saturating_add(signs)..rest.end
            } else {
                piece
            };
            if !text.part(rest.clone()).is_empty() {
                mended.push_new(b";", text.origin(rest.start));
                mended.push_part(text, rest);
            }
        }
        let span = text.span(&self.place);
        (mended, Some((self.problem, span)))
    }
}

fn mistake(text: &Text) -> Option<Mistake> {
    let version = text.parts(b';').enumerate().find_map(|(index, piece)| {
        let (problem, length) = misspelled(text.part(piece.clone()))?;
        let problem = if index > 0 { Problem::VersionNotFirst } else { problem };
        let blank = text.part(piece.clone()).iter().take_while(|octet| octet.is_ascii_whitespace()).count();
        Some(Mistake { problem, place: piece.start.saturating_add(blank)..piece.start.saturating_add(length) })
    });
    version.or_else(|| {
        let has_policy = text.parts(b';').any(|piece| {
            split_at(text.part(piece), b'=').is_some_and(|(name, value)| {
                matches!(known_tag(name), Some("p" | "sp")) && near_policy(value).is_some()
            })
        });
        has_policy.then_some(Mistake { problem: Problem::VersionMissing, place: 0..0 })
    })
}

/// What is wrong with a piece that is meant as the version, and how many of its octets are the version.
fn misspelled(piece: &[u8]) -> Option<(Problem, usize)> {
    let head = piece.get(..MAX_HEAD).unwrap_or(piece).to_ascii_lowercase();
    let at = head.windows(4).position(|window| window == b"dmar")?;
    let before = head.get(..at)?.trim_ascii();
    let is_named = matches!(before, b"" | b"v" | b"v=" | b"v:" | b"v =" | b"v :" | b"version=" | b"=" | b"v==");
    if !is_named {
        return None;
    }
    let word = head.get(at..)?.iter().take_while(|octet| octet.is_ascii_alphanumeric()).count();
    let (word, behind) = head.get(at..)?.split_at_checked(word)?;
    // `v=DMARC1p=none` has the next tag behind it.
    let stuck = word.strip_prefix(b"dmarc1").filter(|rest| rest.iter().all(u8::is_ascii_alphabetic));
    let stuck = stuck.filter(|rest| !rest.is_empty() && behind.trim_ascii_start().starts_with(b"="));
    let length = stuck.map_or(word.len(), |rest| word.len().saturating_sub(rest.len()));
    let is_right = word == b"dmarc1" || stuck.is_some();
    if before.is_empty() && !is_right {
        // `dmarc-site-verification=…`.
        return None;
    }
    let goes_on = stuck.is_some() || !behind.trim_ascii_start().is_empty();
    let is_number = behind.first() == Some(&b'.');
    let problem = match before {
        b"v" | b"v=" | b"v =" if is_right && goes_on && !is_number => Problem::VersionSeparator,
        b"v=" | b"v =" if is_right && !is_number => Problem::VersionCase,
        b"v=" | b"v =" => Problem::VersionOther,
        _ => Problem::VersionMissing,
    };
    // "1.0".
    let decimals = if is_number { behind.iter().skip(1).take_while(|octet| octet.is_ascii_digit()).count() } else { 0 };
    let decimals = if is_number { decimals.saturating_add(1) } else { 0 };
    Some((problem, at.saturating_add(length).saturating_add(decimals)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m1_what_is_wrong_with_the_version_is_told_and_mended() {
        for (text, expected, mended) in [
            ("v=dmarc1; p=none", Problem::VersionCase, "v=DMARC1; p=none"),
            ("V=Dmarc1;p=none", Problem::VersionCase, "v=DMARC1;p=none"),
            ("v=DMARC2; p=none", Problem::VersionOther, "v=DMARC1; p=none"),
            ("v=DMARC; p=none", Problem::VersionOther, "v=DMARC1; p=none"),
            ("v=DMARC1.0; p=none", Problem::VersionOther, "v=DMARC1; p=none"),
            ("v=DMARK1; p=none", Problem::VersionOther, "v=DMARC1; p=none"),
            ("v=DMARC1 p=none", Problem::VersionSeparator, "v=DMARC1;p=none"),
            ("v=DMARC1, p=none", Problem::VersionSeparator, "v=DMARC1;p=none"),
            ("v=DMARC1p=none", Problem::VersionSeparator, "v=DMARC1;p=none"),
            ("p=none; v=DMARC1", Problem::VersionNotFirst, "v=DMARC1;p=none"),
            ("DMARC1; p=none", Problem::VersionMissing, "v=DMARC1; p=none"),
            ("v:DMARC1; p=none", Problem::VersionMissing, "v=DMARC1; p=none"),
            (
                "p=reject; rua=mailto:a@example.com",
                Problem::VersionMissing,
                "v=DMARC1;p=reject; rua=mailto:a@example.com",
            ),
        ] {
            let (found, problem) = mend(Text::of(text.as_bytes())).unwrap();
            assert_eq!(problem.map(|(problem, _)| problem), Some(expected), "{text}");
            assert_eq!(String::from_utf8_lossy(found.octets()), mended, "{text}");
            assert!(Record::has_version(found.octets()));
        }
        for text in ["", "v=spf1 -all", "v=DKIM1; p=MIIB", "v=STSv1; id=1", "v=BIMI1; l=", "dmarc-site=x", "p=x"] {
            assert!(mend(Text::of(text.as_bytes())).is_none(), "{text}");
        }
        assert_eq!(mend(Text::of(b"v=DMARC1; x")).unwrap().1, None);
    }
}
