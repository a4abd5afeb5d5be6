//! What stands behind the client in a Received value, up to the end of the date; and whether all of it is one field.

use super::words::{Piece, Pieces};
use super::{ReceivedError, is, literal, parse};

/// Longest name of a protocol; `UTF8SMTPSA` is the longest that is registered (RFC 3848, RFC 6531).
const MAX_PROTOCOL: usize = 32;

/// What is behind the client: `by HOST`, `with PROTOCOL` and more.
#[derive(Default)]
pub(super) struct Rest {
    pub(super) protocol: Option<String>,
    /// Whether there is Exim's comment `(Exim VERSION)`.
    pub(super) is_exim: bool,
}

impl Rest {
    pub(super) fn read(mut pieces: Pieces<'_>) -> Result<Self, ReceivedError> {
        // Other comments, about TLS for example, may stand before it.
        loop {
            match pieces.next()? {
                Some(Piece::Comment(comment))
                    if has_literal(comment) || parse(comment).is_some() || has_clause_line(comment) =>
                {
                    return Err(ReceivedError::Ambiguous);
                }
                Some(Piece::Comment(_)) => {}
                Some(Piece::Word(word)) if is(word, b"by") => break,
                _ => return Err(ReceivedError::Malformed),
            }
        }
        // RFC 5321 §4.4: "By-domain = CFWS "BY" FWS Extended-Domain".
        match pieces.next()? {
            Some(Piece::Word(host)) if !begins_clause(host) => {}
            Some(Piece::Word(_)) => return Err(ReceivedError::Ambiguous),
            _ => return Err(ReceivedError::Malformed),
        }
        if has_clause_line(pieces.rest()) {
            return Err(ReceivedError::Ambiguous);
        }
        let mut rest = Self::default();
        let mut with = With::NotYet;
        loop {
            let before = pieces.clone();
            match pieces.next() {
                Ok(None) => break,
                Ok(Some(Piece::Semicolon)) => with = With::Over,
                Ok(Some(Piece::Comment(comment))) if has_literal(comment) => return Err(ReceivedError::Ambiguous),
                Ok(Some(Piece::Comment(comment))) => rest.is_exim |= comment.starts_with(b"Exim "),
                Ok(Some(Piece::Word(word))) if begins_clause(word) => return Err(ReceivedError::Ambiguous),
                Ok(Some(Piece::Word(word))) => match with {
                    With::NotYet if is(word, b"with") => with = With::Now,
                    With::Now => (with, rest.protocol) = (With::Over, protocol(word)),
                    With::NotYet | With::Over => {}
                },
                // Damage this far behind takes nothing from the client: who wrote a strange recipient is not to go unchecked for that. But it
                // must not be what hides the rest of a field that HELO has cut in two.
                Err(_) if may_name_client(before.rest()) => return Err(ReceivedError::Ambiguous),
                Err(_) => break,
            }
        }
        Ok(rest)
    }
}

/// Where the first `with` is.
enum With {
    NotYet,
    /// The next word is its protocol.
    Now,
    Over,
}

/// Whether a word begins what there is once in a field.
fn begins_clause(word: &[u8]) -> bool {
    is(word, b"by") || is(word, b"from")
}

/// Whether a line behind a fold begins with `by` or `from`, be it in quotes or in a comment: these MTAs begin a line with their `by`, and no client
/// can write one.
fn has_clause_line(text: &[u8]) -> bool {
    let first_word =
        |line: &[u8]| line.trim_ascii_start().split(u8::is_ascii_whitespace).next().is_some_and(begins_clause);
    text.split(|octet| *octet == b'\n').skip(1).any(first_word)
}

/// Whether a comment begins with `[ADDRESS]` or `NAME [ADDRESS]`. What people have put into a certificate or a sender stands further behind.
fn has_literal(comment: &[u8]) -> bool {
    let mut pieces = Pieces::of_comment(comment);
    let words = std::iter::from_fn(|| pieces.next().ok().flatten())
        .filter_map(|piece| if let Piece::Word(word) = piece { Some(word) } else { None });
    words.take(2).any(|word| literal(word).is_some())
}

/// Whether a text that cannot be read as pieces has a word or an address in it that MTAs write once.
fn may_name_client(text: &[u8]) -> bool {
    let has_clause = text.split(u8::is_ascii_whitespace).any(begins_clause);
    has_clause || text.split_inclusive(|octet| *octet == b']').any(ends_with_literal)
}

/// Whether a text whose only `]` is its last octet ends with `[ADDRESS]`.
fn ends_with_literal(text: &[u8]) -> bool {
    let start = text.iter().rposition(|octet| *octet == b'[');
    start.and_then(|start| text.get(start..)).is_some_and(|word| literal(word).is_some())
}

/// RFC 5321 §4.4: "Protocol = "ESMTP" / "SMTP" / Attdl-Protocol", an atom.
fn protocol(word: &[u8]) -> Option<String> {
    let is_fine =
        word.len() <= MAX_PROTOCOL && word.iter().all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-');
    is_fine.then(|| String::from_utf8_lossy(word).into_owned())
}
