//! Tags and text of something like XML, as it is read.
//!
//! A tag ends at the next ">": attributes are not needed, and a quote that is never closed does not take the rest of the report with it. Comments,
//! processing instructions and a bare DOCTYPE are skipped; a DOCTYPE with declarations is an error.

use std::io::{self, BufRead};

use super::{Limit, ReadError};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// `<name …>`; [`Tokens::tag`] has it.
    Open {
        /// `<name …/>`
        is_empty: bool,
    },
    /// `</name>`
    Close,
    /// The end of the file, or of what can be read of it.
    End,
}

pub(super) struct Tokens<R> {
    input: R,
    limit: usize,
    /// The text since it was last taken.
    text: Vec<u8>,
    /// What stands between "<" and ">".
    tag: Vec<u8>,
    /// The tag before it.
    last: Vec<u8>,
    at_end: bool,
    may_have_bom: bool,
}

impl<R: BufRead> Tokens<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, text: Vec::new(), tag: Vec::new(), last: Vec::new(), at_end: false, may_have_bom: true }
    }

    /// The text since the last call of [`clear_text`](Self::clear_text).
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn clear_text(&mut self) {
        self.text.clear();
    }

    /// Appends the tag to the text: it was none.
    pub(super) fn tag_is_text(&mut self) {
        let tag = std::mem::take(&mut self.tag);
        self.push_text(b"<");
        self.push_text(&tag);
        self.push_text(b">");
        self.tag = tag;
    }

    /// Puts the local name of the tag, in lower case, in the place of what is in a buffer.
    pub(super) fn copy_name(&self, to: &mut Vec<u8>) {
        to.clear();
        for &octet in self.tag.strip_prefix(b"/").unwrap_or(&self.tag) {
            match octet {
                b':' => to.clear(),
                b'/' => break,
                octet if octet.is_ascii_whitespace() => break,
                octet => to.push(octet.to_ascii_lowercase()),
            }
        }
    }

    /// Whether the tag closes what the last one opened, spelled the same.
    pub(super) fn closes_last(&self) -> bool {
        self.tag.strip_prefix(b"/").is_some_and(|name| name == self.last)
    }

    /// Reads on to the next tag; text before it is appended to [`text`](Self::text).
    pub(super) fn next(&mut self) -> Result<Token, ReadError> {
        loop {
            if !self.text_until_tag()? {
                return Ok(Token::End);
            }
            std::mem::swap(&mut self.tag, &mut self.last);
            self.tag.clear();
            if !self.until(b'>', true)? {
                return Ok(Token::End);
            }
            match self.tag.as_slice() {
                [b'!', b'-', b'-', ..] => self.skip_until(b"--")?,
                [b'?', ..] => self.skip_until(b"?")?,
                [b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', ..] => {
                    self.skip_until(b"]]")?;
                    let data = std::mem::take(&mut self.tag);
                    let data = data.get(8..data.len().saturating_sub(2)).unwrap_or_default();
                    // It is text as it stands: an ampersand begins no reference there.
                    for &octet in data {
                        self.push_text(if octet == b'&' { b"&amp;" } else { std::slice::from_ref(&octet) });
                    }
                }
                [b'!', rest @ ..] => {
                    let is_word = |word: &[u8]| rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
                    if is_word(b"ENTITY") || is_word(b"ELEMENT") || rest.contains(&b'[') {
                        return Err(ReadError::Doctype);
                    }
                }
                [b'/', first, ..] if is_name_start(*first) => return Ok(Token::Close),
                [first, ..] if is_name_start(*first) => {
                    return Ok(Token::Open { is_empty: self.tag.last() == Some(&b'/') });
                }
                _ => self.tag_is_text(),
            }
        }
    }

    /// A tag that does not end at its first ">".
    fn skip_until(&mut self, end: &[u8]) -> Result<(), ReadError> {
        while !self.tag.ends_with(end) {
            // What is skipped has no limit of its own; of a long one its end is kept.
            let long = self.tag.len().saturating_sub(self.limit);
            if long > 0 {
                self.tag.drain(..long);
            }
            self.tag.push(b'>');
            if !self.until(b'>', false)? {
                break;
            }
        }
        Ok(())
    }

    fn push_text(&mut self, octets: &[u8]) {
        let room = self.limit.saturating_sub(self.text.len());
        self.text.extend_from_slice(octets.get(..room).unwrap_or(octets));
    }

    /// Reads text up to and with the next "<"; whether there is one.
    fn text_until_tag(&mut self) -> Result<bool, ReadError> {
        loop {
            let room = self.limit.saturating_sub(self.text.len());
            let Some(octets) = fill(&mut self.input, &mut self.at_end)? else { return Ok(false) };
            let end = octets.iter().position(|&octet| octet == b'<');
            let length = end.unwrap_or(octets.len());
            let text = octets.get(..length.min(room)).unwrap_or_default();
            self.text.extend_from_slice(text);
            self.input.consume(length.saturating_add(usize::from(end.is_some())));
            if end.is_some() {
                if self.may_have_bom {
                    self.may_have_bom = false;
                    self.text.clear();
                }
                return Ok(true);
            }
        }
    }

    /// Appends to the tag up to an octet, which is left out; whether it was found.
    fn until(&mut self, stop: u8, is_bounded: bool) -> Result<bool, ReadError> {
        loop {
            let Some(octets) = fill(&mut self.input, &mut self.at_end)? else { return Ok(false) };
            let end = octets.iter().position(|&octet| octet == stop);
            let length = end.unwrap_or(octets.len());
            self.tag.extend_from_slice(octets.get(..length).unwrap_or_default());
            self.input.consume(length.saturating_add(usize::from(end.is_some())));
            let is_skipped = !is_bounded || matches!(self.tag.as_slice(), [b'!', ..] | [b'?', ..]);
            let over = self.tag.len().saturating_sub(self.limit);
            if over > 0 && end.is_none() {
                if !is_skipped {
                    return Err(Limit::Tag.into());
                }
                // The beginning tells what it is, the end whether it is over.
                if over > self.limit {
                    self.tag.drain(self.limit / 2..self.limit);
                }
            }
            if end.is_some() {
                return if over > 0 && !is_skipped { Err(Limit::Tag.into()) } else { Ok(true) };
            }
        }
    }
}

/// What can be read; `None` at the end, and where a packed file is cut or broken.
fn fill<'a>(input: &'a mut impl BufRead, at_end: &mut bool) -> Result<Option<&'a [u8]>, ReadError> {
    if *at_end {
        return Ok(None);
    }
    loop {
        // Asked twice, since the octets cannot be handed out of the loop that may ask again.
        match input.fill_buf() {
            Ok([]) => {
                *at_end = true;
                return Ok(None);
            }
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => {
                *at_end = true;
                return match ReadError::from(error) {
                    // Of a report that is cut what is whole is read.
                    ReadError::Io(error) if is_damage(&error) => Ok(None),
                    error => Err(error),
                };
            }
        }
    }
    Ok(Some(input.fill_buf().map_err(ReadError::from)?))
}

fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | InvalidData | InvalidInput)
}

fn is_name_start(octet: u8) -> bool {
    octet.is_ascii_alphabetic() || octet == b'_' || !octet.is_ascii()
}
