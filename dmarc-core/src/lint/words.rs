//! What was meant by a word that is none: names of tags, and policies.

use crate::record::KNOWN;

/// Longest word that is compared.
const MAX_WORD: usize = 24;

/// What people write for the short names, which have nothing that a slip could be told from.
const NAMES: &[(&str, &str)] = &[
    ("policy", "p"),
    ("subdomain", "sp"),
    ("subdomainpolicy", "sp"),
    ("subpolicy", "sp"),
    ("test", "t"),
    ("testing", "t"),
    ("version", "v"),
];

/// What people write for policies.
const POLICIES: &[(&str, &str)] = &[
    ("block", "reject"),
    ("deny", "reject"),
    ("discard", "reject"),
    ("drop", "reject"),
    ("junk", "quarantine"),
    ("monitor", "none"),
    ("monitoring", "none"),
    ("no", "none"),
    ("nothing", "none"),
    ("quarantine", "quarantine"),
    ("reject", "reject"),
    ("spam", "quarantine"),
    ("none", "none"),
];

/// The tag of this name, in any case.
pub(super) fn known_tag(name: &[u8]) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// The tag that was meant by a name that is none.
pub(super) fn near_tag(name: &[u8]) -> Option<&'static str> {
    // Names of one or two letters are near to everything.
    let long = KNOWN.into_iter().filter(|known| known.len() > 2).map(|known| (known, known));
    near(name, NAMES.iter().copied().chain(long))
}

/// The policy that was meant by a word that is none.
pub(super) fn near_policy(word: &[u8]) -> Option<&'static str> {
    near(word, POLICIES.iter().copied())
}

/// What the nearest of the words stands for; none when two that are as near stand for different things.
fn near(word: &[u8], words: impl Iterator<Item = (&'static str, &'static str)> + Clone) -> Option<&'static str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let word = word.to_ascii_lowercase();
    for edits in 0..=2_u8 {
        // A third of a word is another word.
        let room = |known: &str| known.len() >= usize::from(edits).saturating_mul(3);
        let mut found = words.clone().filter(|(known, _)| room(known) && is_within(&word, known.as_bytes(), edits));
        if let Some((_, meant)) = found.next() {
            return found.all(|(_, other)| other == meant).then_some(meant);
        }
    }
    None
}

/// Whether so many changes make the one of the other: a letter more, less, or another, or two that are swapped.
fn is_within(one: &[u8], other: &[u8], edits: u8) -> bool {
    let common = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (one, other) = (one.get(common..).unwrap_or_default(), other.get(common..).unwrap_or_default());
    if one.is_empty() && other.is_empty() {
        return true;
    }
    let Some(left) = edits.checked_sub(1) else { return false };
    let behind = |one: Option<&[u8]>, other: Option<&[u8]>| {
        one.zip(other).is_some_and(|(one, other)| is_within(one, other, left))
    };
    let is_swapped = match (one, other) {
        ([a, b, ..], [c, d, ..]) => a == d && b == c,
        _ => false,
    };
    behind(one.get(1..), other.get(1..))
        || behind(one.get(1..), Some(other))
        || behind(Some(one), other.get(1..))
        || (is_swapped && behind(one.get(2..), other.get(2..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_from_other_words() {
        for (word, expected) in [
            ("polcy", Some("p")),
            ("Policy", Some("p")),
            ("rau", Some("rua")),
            ("ruaa", Some("rua")),
            ("adkm", Some("adkim")),
            ("dkim", Some("adkim")),
            ("spf", Some("aspf")),
            ("aspfd", Some("aspf")),
            ("pctt", Some("pct")),
            // As near to `rua` as to `ruf`.
            ("rue", None),
            ("x", None),
            ("pp", None),
            ("bimi", None),
            ("", None),
            ("policypolicypolicypolicypolicy", None),
        ] {
            assert_eq!(near_tag(word.as_bytes()), expected, "{word}");
        }
        for (word, expected) in [
            ("rejct", Some("reject")),
            ("rejected", Some("reject")),
            ("quarentine", Some("quarantine")),
            ("quarantined", Some("quarantine")),
            ("non", Some("none")),
            ("monitor", Some("none")),
            ("accept", None),
            ("", None),
        ] {
            assert_eq!(near_policy(word.as_bytes()), expected, "{word}");
        }
    }
}
