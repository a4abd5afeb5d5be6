//! Macro expansion (RFC 7208 §7).
//!
//! A macro string becomes a name ([`expand_name`]) or the text of an explanation ([`expand_text`]). `transform.rs` is what the digits, the "r" and
//! the delimiters of one macro do (§7.3).
//!
//! Invariants: a name never exceeds 253 octets; work and memory for a name are bounded by 255 octets and the longest single value, however many
//! macros a record piles up, because pieces are expanded from the right and stop when no more can be kept. A text is cut at its limit.
//!
//! What it does not do: look up `%{p}`; the caller does, and says what came out.

#[cfg(test)]
mod tests;
mod transform;

use std::net::IpAddr;

use crate::identity::{Mailbox, Session};
use crate::name::{MAX_NAME, Name, NameError};
use crate::record::{MacroExpand, MacroLetter, Piece};

/// What the macros of one `check_host()` stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) session: &'a Session,
    pub(crate) mailbox: &'a Mailbox,
    pub(crate) domain: &'a Name,
    /// `%{p}`; `None` stands for "unknown".
    pub(crate) validated: Option<&'a Name>,
}

/// Which values a macro string uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// `s` or `l`.
    pub(crate) local_part: bool,
    /// `s`, `l` or `o`.
    pub(crate) sender: bool,
    /// `h`.
    pub(crate) helo: bool,
    /// `p`.
    pub(crate) validated: bool,
}

impl Uses {
    pub(crate) fn of(pieces: &[Piece]) -> Self {
        let mut uses = Self::default();
        for piece in pieces {
            let Piece::Expand(expand) = piece else { continue };
            match expand.letter {
                MacroLetter::Sender | MacroLetter::LocalPart => (uses.local_part, uses.sender) = (true, true),
                MacroLetter::SenderDomain => uses.sender = true,
                MacroLetter::Helo => uses.helo = true,
                MacroLetter::ValidatedName => uses.validated = true,
                MacroLetter::Domain
                | MacroLetter::Address
                | MacroLetter::Family
                | MacroLetter::ReadableAddress
                | MacroLetter::Receiver
                | MacroLetter::Timestamp => (),
            }
        }
        uses
    }
}

/// The name that a macro string becomes; `text` is what its literals are places of.
///
/// §7.3: "if the expanded domain name exceeds 253 characters ..., the left side is truncated to fit, by removing successive domain labels (and
/// their following dots) until the total length does not exceed 253 characters."
pub(crate) fn expand_name(text: &[u8], pieces: &[Piece], values: &Values<'_>) -> Result<Name, NameError> {
    let mut tail = Tail::default();
    let mut value = Vec::new();
    for piece in pieces.iter().rev() {
        match piece {
            Piece::Literal(span) => tail.prepend(text.get(span.range()).unwrap_or_default()),
            Piece::Percent => tail.prepend(b"%"),
            Piece::Space => tail.prepend(b" "),
            Piece::UrlSpace => tail.prepend(b"%20"),
            Piece::Expand(expand) => {
                value.clear();
                append_value(expand, values, &mut value);
                tail.prepend(&value);
            }
        }
        if tail.is_cut {
            break;
        }
    }
    tail.to_name()
}

/// A printable text without macros as a name, cut like the result of an expansion.
pub(crate) fn cut_to_name(text: &str) -> Result<Name, NameError> {
    if text.len() <= MAX_NAME {
        return Name::from_printable(text);
    }
    let mut tail = Tail::default();
    tail.prepend(text.as_bytes());
    tail.to_name()
}

/// The text that an explanation becomes: printable ASCII (other bytes, which only HELO and the local part can bring in, become "?"), no
/// longer than `max` octets.
pub(crate) fn expand_text(text: &[u8], pieces: &[Piece], values: &Values<'_>, max: usize) -> String {
    let mut expanded = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(span) => expanded.extend_from_slice(text.get(span.range()).unwrap_or_default()),
            Piece::Percent => expanded.push(b'%'),
            Piece::Space => expanded.push(b' '),
            Piece::UrlSpace => expanded.extend_from_slice(b"%20"),
            Piece::Expand(expand) => append_value(expand, values, &mut expanded),
        }
        if expanded.len() >= max {
            expanded.truncate(max);
            break;
        }
    }
    expanded.into_iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' }).collect()
}

/// The last octets of a name that is made from its end: 253, a final dot, and one more to see whether a label begins where the name is cut.
#[derive(Debug)]
struct Tail {
    buffer: [u8; MAX_NAME + 2],
    start: usize,
    /// Something did not fit.
    is_cut: bool,
}

impl Default for Tail {
    fn default() -> Self {
        Self { buffer: [0; MAX_NAME + 2], start: MAX_NAME.saturating_add(2), is_cut: false }
    }
}

impl Tail {
    fn prepend(&mut self, text: &[u8]) {
        let kept = text.len().min(self.start);
        self.is_cut |= kept < text.len();
        let begin = self.start.saturating_sub(kept);
        let kept = text.get(text.len().saturating_sub(kept)..).unwrap_or_default();
        if let Some(place) = self.buffer.get_mut(begin..self.start) {
            place.copy_from_slice(kept);
        }
        self.start = begin;
    }

    fn to_name(&self) -> Result<Name, NameError> {
        let text = self.buffer.get(self.start..).unwrap_or_default();
        let text = text.strip_suffix(b".").unwrap_or(text);
        if !self.is_cut && text.len() <= MAX_NAME {
            return Name::parse(text);
        }
        // What remains begins behind a dot, at the earliest one octet before the last 253.
        let from = text.len().saturating_sub(MAX_NAME.saturating_add(1));
        let end = text.get(from..).unwrap_or_default();
        match end.iter().position(|&byte| byte == b'.') {
            Some(dot) => Name::parse(end.get(dot.saturating_add(1)..).unwrap_or_default()),
            None => Err(NameError::TooLong),
        }
    }
}

/// Appends what one macro stands for.
fn append_value(expand: &MacroExpand, values: &Values<'_>, out: &mut Vec<u8>) {
    let number: String;
    let mut joined = Vec::new();
    let value: &[u8] = match expand.letter {
        MacroLetter::Sender => {
            joined.extend_from_slice(values.mailbox.local());
            joined.push(b'@');
            joined.extend_from_slice(sender_domain(values).as_bytes());
            &joined
        }
        MacroLetter::LocalPart => values.mailbox.local(),
        MacroLetter::SenderDomain => sender_domain(values).as_bytes(),
        MacroLetter::Domain => values.domain.as_str().as_bytes(),
        MacroLetter::Address => {
            number = dotted(values.session.client());
            number.as_bytes()
        }
        // §7.3: "If there are no validated domain names or if a DNS error occurs, the string "unknown" is used."
        MacroLetter::ValidatedName => values.validated.map_or("unknown", Name::as_str).as_bytes(),
        MacroLetter::Family => match values.session.client() {
            IpAddr::V4(_) => b"in-addr",
            IpAddr::V6(_) => b"ip6",
        },
        MacroLetter::Helo => values.session.helo_text(),
        MacroLetter::ReadableAddress => {
            number = values.session.client().to_string();
            number.as_bytes()
        }
        MacroLetter::Receiver => values.session.receiver().unwrap_or("unknown").as_bytes(),
        MacroLetter::Timestamp => {
            number = values.session.time().to_string();
            number.as_bytes()
        }
    };
    transform::append(expand, value, out);
}

/// `%{o}`. A check is only made for a sender with a domain, so the other case does not come up.
fn sender_domain<'a>(values: &Values<'a>) -> &'a str {
    values.mailbox.domain.as_ref().map_or("", Name::as_str)
}

/// `%{i}`. §7.3: "For IPv4 addresses, both the "i" and "c" macros expand to the standard dotted-quad format. For IPv6 addresses, the "i" macro
/// expands to a dot-format address".
fn dotted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let digit =
                |nibble: u8| char::from_digit(nibble.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase());
            let mut text = String::with_capacity(64);
            for octet in address.octets() {
                for nibble in [octet >> 4, octet & 15] {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push(digit(nibble));
                }
            }
            text
        }
    }
}
