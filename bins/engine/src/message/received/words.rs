//! The words and comments of a Received value.

use super::ReceivedError;

/// Most comments within each other; MTAs write two.
const MAX_DEPTH: usize = 16;

/// How Exim begins the comment that has the sender, which is the client's word: `(envelope-from <$sender_address>)`.
const ENVELOPE_FROM: &[u8] = b"envelope-from <";

/// One piece of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// What stands between white space and comments; a quoted string in it is one word with its spaces.
    Word(&'a [u8]),
    /// The inside of a comment.
    Comment(&'a [u8]),
    /// The one before the date, and any other.
    Semicolon,
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
    /// The pieces of a value, with those of the date.
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
        self.space();
        match self.peek() {
            None => Ok(None),
            Some(b';') if !self.is_comment => {
                self.bump();
                Ok(Some(Piece::Semicolon))
            }
            Some(b'(') => self.comment().map(Some),
            Some(_) => self.word().map(Some),
        }
    }

    /// Passes the white space that comes now, and tells which.
    pub(super) fn space(&mut self) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(is_space) {
            self.bump();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// What has not been passed yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn comment(&mut self) -> Result<Piece<'a>, ReceivedError> {
        self.bump();
        let start = self.at;
        if !self.is_comment && self.rest().starts_with(ENVELOPE_FROM) {
            self.at = self.at.saturating_add(ENVELOPE_FROM.len());
            self.reverse_path()?;
        }
        let mut depth = 1_usize;
        loop {
            let at = self.at;
            match self.bump().ok_or(ReceivedError::Malformed)? {
                b'(' if depth >= MAX_DEPTH => return Err(ReceivedError::Malformed),
                b'(' => depth = depth.saturating_add(1),
                b')' => depth = depth.saturating_sub(1),
                // RFC 5322 §3.2.1 lets a backslash hide visible characters and white space, and nothing else.
                b'\\' if self.bump().is_none_or(is_control) => return Err(ReceivedError::Malformed),
                octet if is_control(octet) => return Err(ReceivedError::Malformed),
                _ => {}
            }
            if depth == 0 {
                return Ok(Piece::Comment(self.text.get(start..at).unwrap_or_default()));
            }
        }
    }

    /// A reverse-path behind its `<`, up to and with the `>`: RFC 5321 §4.1.2 has quoted strings in it, and Exim keeps a `\` outside of them.
    ///
    /// Exim writes it on one line; over a fold it is no reverse-path, and what an odd HELO began does not take in the lines behind.
    fn reverse_path(&mut self) -> Result<(), ReceivedError> {
        let mut is_quoted = false;
        loop {
            let octet = match self.bump() {
                Some(b'\\') => self.bump().filter(|octet| !is_line_end(*octet)).map(|_| b'\\'),
                octet => octet.filter(|octet| !is_line_end(*octet)),
            };
            match octet.ok_or(ReceivedError::Malformed)? {
                b'>' if !is_quoted => return Ok(()),
                b'"' => is_quoted = !is_quoted,
                _ => {}
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
                // RFC 5322 §3.2.1 lets a backslash hide visible characters and white space, and nothing else.
                b'\\' if self.bump().is_none_or(is_control) => return Err(ReceivedError::Malformed),
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

fn is_line_end(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n')
}

fn is_control(octet: u8) -> bool {
    octet.is_ascii_control() && !is_space(octet)
}
