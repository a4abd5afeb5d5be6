//! The text as it should be.

use super::Role;
use super::findings::{hidden_tag, is_like_uri};
use super::text::{Text, split_at};
use super::words::{known_tag, near_policy, near_tag};
use crate::record::MAX_REPORT_URIS;
use crate::uri::ReportUri;

/// A tag with the value that was meant.
struct Tag {
    name: &'static str,
    value: String,
}

/// The record that a text was meant as, in the order of its tags, `v` and `p` first.
pub(super) fn corrected(text: &Text, role: Role) -> String {
    let pieces = pieces(text.octets());
    let is_there = |tag: &str| pieces.iter().any(|piece| piece.is_exact && piece.tag == tag);
    let mut tags: Vec<Tag> = Vec::new();
    for Piece { tag, value, is_exact } in &pieces {
        // A name with a slip of the pen counts where the right one is missing, and of several the first.
        let is_beside = !is_exact && is_there(tag);
        let name = if *tag == "pct" { "t" } else { tag };
        let is_known = tags.iter().any(|known| known.name == name) || (*tag == "pct" && is_there("t"));
        if is_beside || is_known || !belongs(tag, role) {
            continue;
        }
        tags.extend(meant(tag, value).map(|value| Tag { name, value }));
    }
    if !tags.iter().any(|tag| tag.name == "ruf") {
        tags.retain(|tag| tag.name != "fo");
    }
    let p = tags.iter().find(|tag| tag.name == "p").map_or("none", |tag| &tag.value);
    let mut record = format!("v=DMARC1; p={p}");
    for Tag { name, value } in tags.iter().filter(|tag| tag.name != "p") {
        record.push_str("; ");
        record.push_str(name);
        record.push('=');
        record.push_str(value);
    }
    record
}

/// Whether a tag does something, and what it should, in the record of such a domain.
fn belongs(tag: &str, role: Role) -> bool {
    match tag {
        "v" => false,
        "sp" | "np" => role != Role::Subdomain,
        _ => true,
    }
}

struct Piece {
    tag: &'static str,
    value: Vec<u8>,
    /// Whether it is written as it has to be.
    is_exact: bool,
}

/// The pieces with a tag, or with what was meant as one.
fn pieces(text: &[u8]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    // All tags, those that nobody knows left out, are fewer than this twice over; what comes behind is a repetition.
    const MAX_PIECES: usize = 256;
    for whole in text.split(|octet| *octet == b';') {
        let mut rest = Some(whole.trim_ascii());
        while let Some(piece) = rest.take().filter(|_| pieces.len() < MAX_PIECES) {
            // "p=none rua=…" is two of them.
            let (piece, behind) = match split_at(piece, b'=').and_then(|_| hidden_tag(piece)) {
                Some((begin, _)) => {
                    let (piece, behind) = piece.split_at_checked(begin).unwrap_or((piece, b""));
                    (piece.trim_ascii().trim_ascii_end(), Some(behind.trim_ascii()))
                }
                None => (piece, None),
            };
            rest = behind.filter(|behind| !behind.is_empty());
            if let Some(last) = pieces.last_mut().filter(|last| is_like_uri(piece) && matches!(last.tag, "rua" | "ruf"))
            {
                last.value.push(b',');
                last.value.extend_from_slice(piece);
                continue;
            }
            pieces.extend(named(piece));
        }
    }
    pieces
}

fn named(piece: &[u8]) -> Option<Piece> {
    if let Some((name, value)) = split_at(piece, b'=')
        && let Some((tag, is_exact)) =
            known_tag(name).map(|tag| (tag, true)).or_else(|| near_tag(name).map(|tag| (tag, false)))
    {
        return Some(Piece { tag, value: value.to_vec(), is_exact });
    }
    let (name, value) = split_at(piece, b':')?;
    Some(Piece { tag: known_tag(name)?, value: value.to_vec(), is_exact: false })
}

/// The value that was meant; `None` for one that cannot be guessed, and for tags that are history.
fn meant(tag: &str, value: &[u8]) -> Option<String> {
    // A comma at the end was to separate it from the next tag.
    let value = value.trim_ascii_end();
    let value = value.strip_suffix(b",").unwrap_or(value).trim_ascii();
    let word = value.to_ascii_lowercase();
    let one_of = |words: &[(&str, &str)]| {
        words.iter().find(|(known, _)| word == known.as_bytes()).map(|(_, meant)| (*meant).to_owned())
    };
    match tag {
        "p" => Some(near_policy(value).unwrap_or("none").to_owned()),
        "sp" | "np" => near_policy(value).map(str::to_owned),
        "adkim" | "aspf" => one_of(&[("r", "r"), ("s", "s"), ("relaxed", "r"), ("strict", "s")]),
        // `psd=y` is for registries, which know what they do; of a domain it would cut off all that is below.
        "psd" => one_of(&[("y", "y"), ("n", "n"), ("u", "u")]),
        "t" => one_of(&[("y", "y"), ("n", "n"), ("yes", "y"), ("no", "n"), ("true", "y"), ("false", "n")]),
        "pct" => one_of(&[("0", "y"), ("00", "y"), ("000", "y")]),
        "fo" => failure_options(&word),
        "rua" | "ruf" => uris(value),
        _ => None,
    }
}

fn failure_options(word: &[u8]) -> Option<String> {
    let has = |option: u8| word.contains(&option);
    let options = [has(b'0') && !has(b'1'), has(b'1'), has(b'd'), has(b's')];
    let names = ["0", "1", "d", "s"];
    let wanted: Vec<&str> =
        names.into_iter().zip(options).filter(|(_, is_wanted)| *is_wanted).map(|(name, _)| name).collect();
    (!wanted.is_empty()).then(|| wanted.join(":"))
}

fn uris(value: &[u8]) -> Option<String> {
    let mut texts = value.split(|octet| *octet == b',').filter(|text| !text.trim_ascii().is_empty()).peekable();
    let mut uris: Vec<String> = Vec::new();
    while let Some(text) = texts.next().filter(|_| uris.len() < MAX_REPORT_URIS) {
        // Halves of an address with a comma are none; who knows whose mailbox the second is.
        if is_half(text) && texts.next_if(|next| next.contains(&b'@') && !next.contains(&b':')).is_some() {
            continue;
        }
        if let Some(uri) = uri(text)
            && !uris.contains(&uri)
        {
            uris.push(uri);
        }
    }
    (!uris.is_empty()).then(|| uris.join(","))
}

/// A `mailto:` URI whose address is not at its end.
fn is_half(text: &[u8]) -> bool {
    text.trim_ascii().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"mailto:")) && !text.contains(&b'@')
}

/// The URI that was meant.
fn uri(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let bare: String = text.chars().filter(|char| !char.is_whitespace() && !matches!(char, '<' | '>')).collect();
    let good = |text: &str| ReportUri::parse(text).ok().map(|uri| uri.as_str().to_owned());
    let address = match bare.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => bare.get(7..)?.trim_start_matches('/'),
        _ => match good(&bare) {
            Some(other) => return Some(other),
            None => bare.as_str(),
        },
    };
    let plain = format!("mailto:{address}");
    if let Some(uri) = good(&plain) {
        return Some(uri);
    }
    // What has to be percent-encoded in the local part; before the "@" there is no size.
    let (local, domain) = address.split_once('@')?;
    let mut encoded = "mailto:".to_owned();
    for octet in local.bytes() {
        if octet.is_ascii_alphanumeric() || b".-_~$&'*+=/%".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    good(&format!("{encoded}@{domain}"))
}
