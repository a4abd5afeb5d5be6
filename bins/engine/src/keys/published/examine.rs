//! One look at the TXT records of a key's name.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::crypto::{KeyType, PublicKey};
use dkim_core::key_record::{KeyRecord, KeyRecordError};
use dkim_core::tag_list::{TagLimits, TagList, remove_fws, trim_fws};
use memchr::memmem;

use super::{OwnKey, Problem};

/// Octets of the longest character-string (RFC 1035 §3.3).
const MAX_STRING: usize = 255;

/// Letters of base64 at the start of ours that tell a copy of it from another key: what all keys of a size begin with has 44.
const TELLING: usize = 64;

/// Octets of base64 that are not found in a key by chance.
const SHORTEST_PIECE: usize = 16;

/// Octets of an Ed25519 key as `SubjectPublicKeyInfo` (RFC 8410 §4), of which the last 32 are the key.
const ED25519_SPKI: usize = 44;

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

/// Examines all records of the name.
pub(super) fn records(own: &OwnKey, others: &[OwnKey], records: &[Vec<Vec<u8>>], found: &mut Vec<Problem>) {
    // D-22: other TXT records, as a wildcard brings them, are passed over.
    let likely: Vec<&Vec<Vec<u8>>> = records.iter().filter(|strings| is_meant_as_key(own, &strings.concat())).collect();
    match likely.as_slice() {
        [] => found.push(Problem::OtherText {
            first: excerpt(&records.first().map(|text| text.concat()).unwrap_or_default()),
        }),
        [strings] => text(own, others, strings, found),
        // RFC 6376 §3.6.2.2: "TXT RRs MUST be unique for a particular selector name".
        several => {
            let texts: Vec<Vec<u8>> = several.iter().map(|strings| strings.concat()).collect();
            if is_one_in_pieces(own, &texts) {
                found.push(Problem::SplitIntoRecords { count: texts.len() });
            } else {
                let matching = texts.iter().filter(|text| is_ours(own, text)).count();
                found.push(Problem::Several { count: texts.len(), has_ours: matching > 0 });
            }
        }
    }
}

/// Whether a text holds this key, or at least its beginning.
pub(super) fn holds_key(own: &OwnKey, text: &[u8]) -> bool {
    let own = own.base64().as_bytes();
    let start = own.get(..TELLING).unwrap_or(own);
    // Quotes and blanks may stand anywhere in a text that came through a panel.
    let text: Vec<u8> = text.iter().copied().filter(|octet| !b"\" \t\r\n".contains(octet)).collect();
    memmem::find(&text, start).is_some()
}

fn is_meant_as_key(own: &OwnKey, text: &[u8]) -> bool {
    KeyRecord::is_likely(text)
        || memmem::find(text, b"DKIM1").is_some()
        || memmem::find(text, b"p=MI").is_some()
        || holds_key(own, text)
        || is_piece(own, text)
}

/// Whether a text is a piece from within the key, as it is left when the first string is lost.
fn is_piece(own: &OwnKey, text: &[u8]) -> bool {
    let piece = remove_fws(text);
    piece.len() >= SHORTEST_PIECE && memmem::find(own.base64().as_bytes(), &piece).is_some()
}

fn is_ours(own: &OwnKey, text: &[u8]) -> bool {
    KeyRecord::parse(text).is_ok_and(|record| record.key.is_some_and(|key| own.is(&key)))
}

/// Whether records, put together, are the one that should be there: a panel took each string for a record of its own.
fn is_one_in_pieces(own: &OwnKey, texts: &[Vec<u8>]) -> bool {
    let octets = texts.iter().map(Vec::len).fold(0, usize::saturating_add);
    if octets > own.record.text.len().saturating_mul(2) {
        return false;
    }
    // The piece with the tags is the first; of the others there is mostly one.
    let has_tags = |text: &&Vec<u8>| memmem::find(text, b"p=").is_some();
    let mut ordered: Vec<&Vec<u8>> = texts.iter().filter(has_tags).collect();
    ordered.extend(texts.iter().filter(|text| !has_tags(text)));
    if texts.len() == 2 || texts.len() == 3 {
        let tail_swapped = ordered.split_first().map(|(first, rest)| {
            let mut swapped = vec![*first];
            swapped.extend(rest.iter().rev().copied());
            swapped
        });
        let joined = |parts: &[&Vec<u8>]| parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>();
        return is_ours(own, &joined(&ordered)) || tail_swapped.is_some_and(|swapped| is_ours(own, &joined(&swapped)));
    }
    false
}

/// Examines the one record that is meant as a key.
fn text(own: &OwnKey, others: &[OwnKey], strings: &[Vec<u8>], found: &mut Vec<Problem>) {
    let whole = strings.concat();
    let clean = mend(&whole, found);
    let is_damaged = matches!(clean, Cow::Owned(_));
    let tags = match TagList::parse(&clean, TagLimits::default()) {
        Ok(tags) => tags,
        Err(error) => {
            found.push(match is_piece(own, &clean) {
                true => Problem::FirstStringLost,
                false => Problem::Syntax { error: error.to_string() },
            });
            return;
        }
    };
    if let Some(version) = tags.get("v") {
        if version.value != b"DKIM1" {
            found.push(Problem::Version { found: excerpt(version.value) });
        } else if tags.first() != Some(version) {
            found.push(Problem::VersionNotFirst);
        }
    }
    match tags.get("p") {
        None => found.push(Problem::NoKey),
        Some(p) if p.value.is_empty() => found.push(Problem::Revoked),
        Some(p) => {
            let key_type = tags.get("k").map_or(&b"rsa"[..], |k| k.value);
            if key_type.eq_ignore_ascii_case(own.key_type.as_str().as_bytes()) {
                let published = p.without_fws();
                match difference(own, others, &published, whole.len()) {
                    Some(problem) => found.push(problem),
                    None if published.len() != p.value.len() && !is_damaged => found.push(Problem::SpacesInKey),
                    None => {}
                }
            } else {
                found.push(Problem::OtherType { found: excerpt(key_type), own: own.key_type });
            }
        }
    }
    // What the tags say beside the key; a record that is broken elsewhere is read without its version.
    let restrictions: Vec<u8> = tags
        .iter()
        .filter(|tag| ["h", "s", "t"].contains(&tag.name))
        .flat_map(|tag| [tag.name.as_bytes(), b"=", tag.value, b"; "].concat())
        .collect();
    let Ok(record) = KeyRecord::parse(&[restrictions.as_slice(), b"p="].concat()) else { return };
    let value = |name| tags.get(name).map(|tag| excerpt(tag.value)).unwrap_or_default();
    if !record.allows_sha256 {
        found.push(Problem::NoSha256 { found: value("h") });
    }
    if !record.is_for_email {
        found.push(Problem::NotForEmail { found: value("s") });
    }
    if record.is_strict && own.signs_below_domain {
        found.push(Problem::StrictIdentity);
    }
    if record.is_testing {
        found.push(Problem::Testing);
    }
}

/// What is wrong with the value of `p=`, white space removed; `octets` has the whole text.
fn difference(own: &OwnKey, others: &[OwnKey], published: &[u8], octets: usize) -> Option<Problem> {
    let ours = own.base64().as_bytes();
    // The parser of verifiers decides, so that what they accept is no finding here.
    let parsed = KeyRecord::parse(&[b"k=", own.key_type.as_str().as_bytes(), b"; p=", published].concat());
    if let Ok(KeyRecord { key: Some(key), .. }) = &parsed {
        if own.is(key) {
            return None;
        }
        if let Some(other) = others.iter().find(|other| other.key_type == own.key_type && other.is(key)) {
            return Some(Problem::KeyOf { selector: other.selector.to_string(), domain: other.domain.to_string() });
        }
    }
    if ours.starts_with(published) {
        return Some(if octets == MAX_STRING {
            Problem::CutAt255 { kept: published.len(), of: ours.len() }
        } else {
            Problem::StringLost { kept: published.len(), of: ours.len() }
        });
    }
    if own.key_type == KeyType::Ed25519 && wraps_ed25519(own, published) {
        return Some(Problem::WrappedEd25519);
    }
    let common = ours.iter().zip(published).take_while(|(own, other)| own == other).count();
    if let Err(KeyRecordError::Base64) = parsed {
        let is_base64 = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/=".contains(octet);
        let stray = published.iter().find(|octet| !is_base64(octet)).map(|octet| excerpt(&[*octet]));
        return Some(Problem::Base64 { stray, common });
    }
    let is_key = matches!(&parsed, Ok(KeyRecord { key: Some(PublicKey::Rsa(_) | PublicKey::Ed25519(_)), .. }));
    Some(if is_key && common < TELLING {
        Problem::WrongKey { common }
    } else {
        Problem::Damaged { common, of: ours.len() }
    })
}

fn wraps_ed25519(own: &OwnKey, published: &[u8]) -> bool {
    STANDARD.decode(published).is_ok_and(|der| der.len() == ED25519_SPKI && der.ends_with(&own.octets))
}

/// Takes off what panels and editors put on, one kind after the other, each noted.
fn mend<'t>(text: &'t [u8], found: &mut Vec<Problem>) -> Cow<'t, [u8]> {
    let mut clean = Cow::Borrowed(text);
    let mut step = |clean: &mut Cow<'t, [u8]>, problem: Problem, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>| {
        if let Some(changed) = change(clean) {
            found.push(problem);
            *clean = Cow::Owned(changed);
        }
    };
    step(&mut clean, Problem::CurlyQuotes, &|text| {
        let is_utf8 = std::str::from_utf8(text).is_ok();
        without(text, if is_utf8 { &CURLY } else { &CURLY_1252 })
    });
    step(&mut clean, Problem::ZoneFileLine, &from_zone_file);
    step(&mut clean, Problem::Backslash, &|text| {
        memmem::find(text, br"\;").map(|_| text.iter().copied().filter(|octet| *octet != b'\\').collect())
    });
    step(&mut clean, Problem::Quotes, &|text| without(text, &[br#"\""#, b"\""]));
    step(&mut clean, Problem::LineBreaks, &|text| without(text, &[b"\r", b"\n"]));
    step(&mut clean, Problem::ForeignCharacters, &|text| {
        (!text.is_ascii()).then(|| text.iter().copied().filter(u8::is_ascii).collect())
    });
    clean
}

/// A whole line of a zone file in place of its text: `s1._domainkey IN TXT ( "v=DKIM1; …" ) ; comment`.
fn from_zone_file(text: &[u8]) -> Option<Vec<u8>> {
    let key_at = memmem::find(text, b"p=").unwrap_or(text.len());
    let behind_type = [&b" TXT "[..], b"\tTXT\t", b" TXT\t", b"\tTXT "].iter().find_map(|word| {
        memmem::find(text.get(..key_at)?, word).and_then(|at| text.get(at.saturating_add(word.len())..))
    });
    let rest = trim_fws(behind_type.unwrap_or(text));
    let inside = rest.strip_prefix(b"(").map(|inside| {
        let end = memchr::memrchr(b')', inside).unwrap_or(inside.len());
        trim_fws(inside.get(..end).unwrap_or(inside))
    });
    match (behind_type, inside) {
        (None, None) => None,
        (_, Some(inside)) => Some(inside.to_vec()),
        (Some(_), None) => Some(rest.to_vec()),
    }
}

/// The text without any of these; `None` when there are none.
fn without(text: &[u8], unwanted: &[&[u8]]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        match unwanted.iter().find_map(|word| rest.strip_prefix(*word)) {
            Some(after) => rest = after,
            None => {
                kept.push(*first);
                rest = behind;
            }
        }
    }
    (kept.len() < text.len()).then_some(kept)
}

/// The beginning of a text from the net, for people: short, and of printable ASCII.
fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 60;
    let shown = text.get(..LONGEST).unwrap_or(text);
    let mut shown = shown.escape_ascii().to_string();
    if text.len() > LONGEST {
        shown.push_str("...");
    }
    shown
}
