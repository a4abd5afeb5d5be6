//! The words of a zone file: quotes, escapes, parentheses and comments (RFC 1035 §5.1).

/// One word or quoted string, escapes resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: Vec<u8>,
    pub(super) is_quoted: bool,
}

/// One entry: a line, or several held together by parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line it begins on, from 1.
    pub(super) line: u32,
    /// Whether it begins with white space, and so repeats the name of the entry above.
    pub(super) repeats_name: bool,
    pub(super) tokens: Vec<Token>,
}

/// Why an entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenError {
    pub(super) line: u32,
    pub(super) cause: &'static str,
}

/// The entries of a file; lines without words are passed over. After an error, reading goes on with the next line.
pub(super) fn entries(text: &[u8]) -> Entries<'_> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    Entries { rest: text, line: 1 }
}

/// See [`entries`].
#[derive(Debug)]
pub(super) struct Entries<'t> {
    rest: &'t [u8],
    line: u32,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, TokenError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            match self.entry() {
                Ok(entry) if entry.tokens.is_empty() => {}
                Ok(entry) => return Some(Ok(entry)),
                Err(error) => {
                    while self.take().is_some_and(|octet| octet != b'\n') {}
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Entries<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *first == b'\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(*first)
    }

    /// Reads to the end of the entry, its line end included.
    fn entry(&mut self) -> Result<Entry, TokenError> {
        let repeats_name = self.peek().is_some_and(|octet| octet == b' ' || octet == b'\t');
        let mut entry = Entry { line: self.line, repeats_name, tokens: Vec::new() };
        let mut is_open = false;
        let fail = |line, cause| Err(TokenError { line, cause });
        while let Some(octet) = self.peek() {
            match octet {
                b'\n' => {
                    self.take();
                    if !is_open {
                        return Ok(entry);
                    }
                }
                b' ' | b'\t' | b'\r' => {
                    self.take();
                }
                b';' => {
                    while self.peek().is_some_and(|octet| octet != b'\n') {
                        self.take();
                    }
                }
                b'(' if is_open => return fail(self.line, "a parenthesis within parentheses"),
                b')' if !is_open => return fail(self.line, "a closing parenthesis that nothing opened"),
                b'(' | b')' => {
                    self.take();
                    is_open = octet == b'(';
                }
                b'"' => {
                    self.take();
                    let line = self.line;
                    let text = self.quoted().map_err(|cause| TokenError { line, cause })?;
                    entry.tokens.push(Token { text, is_quoted: true });
                }
                _ => {
                    let text = self.word().map_err(|cause| TokenError { line: self.line, cause })?;
                    entry.tokens.push(Token { text, is_quoted: false });
                }
            }
        }
        if is_open { fail(entry.line, "a parenthesis that nothing closes") } else { Ok(entry) }
    }

    fn quoted(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut text = Vec::new();
        loop {
            match self.peek() {
                None | Some(b'\n') => return Err("a quote that nothing closes on its line"),
                Some(b'"') => {
                    self.take();
                    return Ok(text);
                }
                Some(_) => text.push(self.octet()?),
            }
        }
    }

    fn word(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut text = Vec::new();
        while self.peek().is_some_and(|octet| !b" \t\r\n;()\"".contains(&octet)) {
            text.push(self.octet()?);
        }
        Ok(text)
    }

    /// One octet, its escape resolved: `\DDD` is the octet of that decimal number, `\X` any other X.
    fn octet(&mut self) -> Result<u8, &'static str> {
        const DECIMAL: &str = "`\\DDD` is not the number of an octet";
        match self.take() {
            Some(b'\\') => {}
            Some(octet) => return Ok(octet),
            None => return Err("the file ends within a word"),
        }
        if !self.peek().is_some_and(|octet| octet.is_ascii_digit()) {
            return match self.peek() {
                None | Some(b'\n') => Err("nothing behind a backslash"),
                Some(octet) => {
                    self.take();
                    Ok(octet)
                }
            };
        }
        let (digits, rest) = self.rest.split_at_checked(3).ok_or(DECIMAL)?;
        let number = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
        let octet = number.and_then(|text| text.parse().ok()).ok_or(DECIMAL)?;
        self.rest = rest;
        Ok(octet)
    }
}
