//! The words and comments of a Received value.

use super::ReceivedError;

/// Most comments within each other; MTAs write two.
const MAX_DEPTH: usize = 16;

/// One piece of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What stands between white space and comments; a quoted string in it is one word with its spaces.
    Word(&'a [u8]),
    /// The inside of a comment.
    Comment(&'a [u8]),
}

/// Cuts a text into pieces, once from left to right; comments are counted and not descended into.
#[derive(Debug, Clone)]
pub(super) struct Pieces<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether this is the inside of a comment, where quotes and semicolons are text (RFC 5322 §3.2.2).
    is_comment: bool,
}

impl<'a> Pieces<'a> {
    /// The pieces of a value; they end at the semicolon before the date.
    pub(super) fn of_value(text: &'a [u8]) -> Self {
        Self { text, at: 0, is_comment: false }
    }

    /// The pieces of what [`Piece::Comment`] holds.
    pub(super) fn of_comment(text: &'a [u8]) -> Self {
        Self { text, at: 0, is_comment: true }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ReceivedError::Malformed`] for a control character, and for a quoted string or comment without its other end.
    pub(super) fn next(&mut self) -> Result<Option<Piece<'a>>, ReceivedError> {
        while self.peek().is_some_and(is_space) {
            self.bump();
        }
        match self.peek() {
            None => Ok(None),
            Some(b';') if !self.is_comment => Ok(None),
            Some(b'(') => self.comment().map(Some),
            Some(_) => self.word().map(Some),
        }
    }

    fn comment(&mut self) -> Result<Piece<'a>, ReceivedError> {
        self.bump();
        let start = self.at;
        let mut depth = 1_usize;
        loop {
            let at = self.at;
            match self.bump().ok_or(ReceivedError::Malformed)? {
                b'(' if depth >= MAX_DEPTH => return Err(ReceivedError::Malformed),
                b'(' => depth = depth.saturating_add(1),
                b')' => depth = depth.saturating_sub(1),
                b'\\' => drop(self.bump()),
                octet if is_control(octet) => return Err(ReceivedError::Malformed),
                _ => {}
            }
            if depth == 0 {
                return Ok(Piece::Comment(self.text.get(start..at).unwrap_or_default()));
            }
        }
    }

    fn word(&mut self) -> Result<Piece<'a>, ReceivedError> {
        let start = self.at;
        while let Some(octet) = self.peek() {
            match octet {
                b'(' => break,
                b';' if !self.is_comment => break,
                octet if is_space(octet) => break,
                b')' => return Err(ReceivedError::Malformed),
                b'"' if !self.is_comment => self.quoted()?,
                octet if is_control(octet) => return Err(ReceivedError::Malformed),
                _ => drop(self.bump()),
            }
        }
        Ok(Piece::Word(self.text.get(start..self.at).unwrap_or_default()))
    }

    /// A quoted string up to and with its second quote.
    fn quoted(&mut self) -> Result<(), ReceivedError> {
        self.bump();
        loop {
            match self.bump().ok_or(ReceivedError::Malformed)? {
                b'"' => return Ok(()),
                b'\\' => drop(self.bump()),
                octet if is_control(octet) => return Err(ReceivedError::Malformed),
                _ => {}
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn bump(&mut self) -> Option<u8> {
        let octet = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(octet)
    }
}

/// White space, that of folds included.
fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_control(octet: u8) -> bool {
    octet.is_ascii_control() && !is_space(octet)
}
