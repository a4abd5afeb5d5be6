//! What makes a From field readable in two ways whatever its grammar says.
//!
//! Three looks at the whole value before anything is parsed: control characters and line breaks, octets that are not UTF-8, and encoded-words that
//! hold the delimiters of the grammar. Linear time, nothing is allocated.

use super::{AuthorError, AuthorErrorKind as Kind};

/// Refuses a value that readers split differently.
pub(super) fn check(value: &[u8]) -> Result<(), AuthorError> {
    controls(value)?;
    character_sets(value)?;
    encoded_words(value)
}

/// Control characters, and line breaks that are not folds.
///
/// RFC 5322 §2.2.3: unfolding is "removing any CRLF that is immediately followed by WSP". A milter hands over folds with LF alone, and old messages
/// have CR alone; before white space each of the three is a fold to every reader.
fn controls(value: &[u8]) -> Result<(), AuthorError> {
    let mut before = 0;
    for (at, &octet) in value.iter().enumerate() {
        if !octet.is_ascii_control() || octet == b'\t' {
            before = octet;
            continue;
        }
        let next = value.get(at.saturating_add(1)).copied();
        let is_fold = match octet {
            b'\r' => matches!(next, Some(b'\n' | b' ' | b'\t')) && before != b'\\',
            b'\n' => matches!(next, Some(b' ' | b'\t')) && before != b'\\',
            _ => return Err(AuthorError::new(Kind::Control, at)),
        };
        if !is_fold {
            return Err(AuthorError::new(Kind::LineBreak, at));
        }
        before = octet;
    }
    Ok(())
}

/// Octets beyond ASCII: UTF-8 as RFC 6532 has it, or text of an unknown character set in which no octet of the grammar can be half a character.
///
/// Shift JIS, Big5, GBK and their like have characters whose second octet is one of `@ [ \ ]` (from 0x40 on), so that a backslash can be seen or not.
/// The other delimiters lie below 0x40 and are always themselves.
fn character_sets(value: &[u8]) -> Result<(), AuthorError> {
    if std::str::from_utf8(value).is_ok() {
        return Ok(());
    }
    let half = value.windows(2).position(|pair| matches!(pair, [0x80..=0xff, b'@' | b'[' | b'\\' | b']']));
    half.map_or(Ok(()), |at| Err(AuthorError::new(Kind::NotUtf8, at)))
}

/// Encoded-words with a delimiter in them.
///
/// RFC 2047 §5: in a phrase, encoded-text has letters, digits and `!*+-/=_` only. Some readers look for encoded-words before they look for quotes
/// and comments, also inside of those, others the other way round. They agree when what an encoded-word holds opens and closes nothing beyond it;
/// and where encoded-words overlap, so that it is not clear which of them is one, when they hold no delimiter at all.
fn encoded_words(value: &[u8]) -> Result<(), AuthorError> {
    let mut ends = Ends { text: value, found: None };
    let mut next = find(value, 0, b"=?");
    while let Some(first) = next {
        let (mut end, mut is_alone) = (first, true);
        while let Some(start) = next.filter(|&start| start == first || start < end) {
            // One that does not end is none; and then none that begins behind it ends.
            let Some(its_end) = ends.end_of(start) else { break };
            (end, is_alone) = (its_end, start == first);
            next = find(value, start.saturating_add(1), b"=?");
        }
        if end == first {
            return Ok(());
        }
        let region = Delimiters::of(value.get(first..end).unwrap_or_default());
        if !(region == Delimiters::None || is_alone && region == Delimiters::Closed) {
            return Err(AuthorError::new(Kind::EncodedWord, first));
        }
        next = next.filter(|&start| start >= end);
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Delimiters {
    None,
    /// No quote or comment that begins in the text ends behind it, or the other way round, in any state of the reader.
    Closed,
    Open,
}

impl Delimiters {
    fn of(text: &[u8]) -> Self {
        let (mut quotes, mut has_parens, mut depth) = (0_usize, false, 0_usize);
        for octet in text {
            match octet {
                b'\\' => return Self::Open,
                b'"' => quotes = quotes.saturating_add(1),
                b'(' => {
                    has_parens = true;
                    depth = depth.saturating_add(1);
                }
                b')' => match depth.checked_sub(1) {
                    Some(less) => depth = less,
                    None => return Self::Open,
                },
                _ => {}
            }
        }
        match (quotes, has_parens) {
            (0, false) => Self::None,
            // Quotes and parentheses together: which of them counts depends on the state of the reader.
            _ if depth == 0 && (quotes == 0 || !has_parens && quotes.is_multiple_of(2)) => Self::Closed,
            _ => Self::Open,
        }
    }
}

/// Whether a text holds an encoded-word.
pub(super) fn has_encoded_word(text: &[u8]) -> bool {
    find(text, 0, b"=?").is_some_and(|start| Ends { text, found: None }.end_of(start).is_some())
}

/// Where encoded-words end, for starts that are asked for in their order: the end that was found last is remembered, so that all of them together
/// are one pass.
struct Ends<'a> {
    text: &'a [u8],
    found: Option<usize>,
}

impl Ends<'_> {
    /// The end of the encoded-word that begins here: `"=?" charset "?" encoding "?" encoded-text "?="`, taken as widely as the most tolerant readers
    /// do: with white space, of any length, whatever the charset and the encoding are called.
    fn end_of(&mut self, start: usize) -> Option<usize> {
        let charset = find(self.text, start.saturating_add(2), b"?")?;
        let encoding = find(self.text, charset.saturating_add(1), b"?")?;
        let text = encoding.saturating_add(1);
        if self.found.is_none_or(|found| found < text) {
            self.found = Some(find(self.text, text, b"?=")?);
        }
        self.found?.checked_add(2)
    }
}

fn find(text: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let place = text.get(from..)?.windows(what.len()).position(|window| window == what)?;
    from.checked_add(place)
}
