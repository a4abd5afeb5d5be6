//! Reading a field value: the grammar of RFC 8601 §2.2 over one cursor.
//!
//! Strict, but for what the world writes and nobody can misread: a ";" at the very end; characters such as ":" "/" and "=" in an unquoted property
//! value or reason (IPv6 addresses, base64), where the grammar asks for quotes; a reason behind properties. Keywords come out in lower case.

use thiserror::Error;

use super::{AuthResults, Prop, ResInfo, is_keyword, is_tspecial};

/// How much of a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadLimits {
    /// Longest value in bytes. Default 64 KiB.
    pub max_bytes: usize,
    /// Most results, properties and comments taken together. Default 1,024.
    pub max_items: usize,
    /// Deepest nesting of comments. Default 32.
    pub max_comment_depth: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024, max_items: 1024, max_comment_depth: 32 }
    }
}

/// Why a value is not an Authentication-Results value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind} at byte {at}")]
#[non_exhaustive]
pub struct ParseError {
    /// Offset in the value.
    pub at: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What [`ParseError`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Longer than [`ReadLimits::max_bytes`].
    #[error("value too long")]
    TooLong,
    /// More than [`ReadLimits::max_items`].
    #[error("too many results, properties and comments")]
    TooManyItems,
    /// Deeper than [`ReadLimits::max_comment_depth`].
    #[error("comments nested too deeply")]
    CommentTooDeep,
    /// 8-bit bytes that are not UTF-8.
    #[error("value is not UTF-8")]
    NotUtf8,
    /// A control character, or a CR or LF that is not part of a fold.
    #[error("control character")]
    ControlCharacter,
    /// No token and no quoted string where one must be.
    #[error("missing value")]
    MissingValue,
    /// No keyword where one must be.
    #[error("missing keyword")]
    MissingKeyword,
    /// Something else than the expected character.
    #[error("missing {expected:?}")]
    Missing {
        /// The character.
        expected: char,
    },
    /// Two parts without white space or comment between them.
    #[error("missing white space")]
    MissingSpace,
    /// The field has neither a result nor the word "none".
    #[error("missing results")]
    MissingResults,
    /// Something follows the form "none".
    #[error("more after \"none\"")]
    MoreAfterNone,
    /// A version that is no number of at most 32 bits.
    #[error("bad version number")]
    BadVersion,
    /// A word with "=" that is not the reason, or a second reason.
    #[error("unexpected \"=\"")]
    UnexpectedEquals,
    /// A quoted string without end.
    #[error("quoted string without end")]
    UnclosedQuote,
    /// A comment without end.
    #[error("comment without end")]
    UnclosedComment,
}

impl AuthResults {
    /// Parses the value of an Authentication-Results field: everything behind the colon, folds included.
    ///
    /// # Errors
    ///
    /// [`ParseError`] with the offset of the first fault. A caller that decides whether to remove a field uses
    /// [`claims_authserv_id`](super::claims_authserv_id), which also answers for values that do not parse.
    pub fn parse(value: &[u8], limits: ReadLimits) -> Result<Self, ParseError> {
        if value.len() > limits.max_bytes {
            return Err(ParseError { at: limits.max_bytes, kind: ParseErrorKind::TooLong });
        }
        let text = std::str::from_utf8(value)
            .map_err(|error| ParseError { at: error.valid_up_to(), kind: ParseErrorKind::NotUtf8 })?;
        let mut parser = Parser { text, at: 0, limits, items: 0, comments: Vec::new() };
        parser.payload()
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    limits: ReadLimits,
    /// Results, properties and comments so far.
    items: usize,
    /// Comments since the last ";".
    comments: Vec<String>,
}

impl<'a> Parser<'a> {
    /// `authres-payload = [CFWS] authserv-id [ CFWS authres-version ] ( no-result / 1*resinfo ) [CFWS]`
    fn payload(&mut self) -> Result<AuthResults, ParseError> {
        self.cfws()?;
        let mut field =
            AuthResults::new(if self.peek() == Some(b'"') { self.quoted_string()? } else { self.token()?.to_owned() });
        if self.cfws()? && self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            field.version = Some(self.version()?);
            self.cfws()?;
        }
        field.comments = std::mem::take(&mut self.comments);
        if self.peek().is_none() {
            return Err(self.error(ParseErrorKind::MissingResults));
        }
        loop {
            self.expect(';')?;
            self.cfws()?;
            // The ";" at the very end that many programs write.
            if self.peek().is_none() && !field.results.is_empty() {
                let trailing = std::mem::take(&mut self.comments);
                if let Some(last) = field.results.last_mut() {
                    last.comments.extend(trailing);
                }
                return Ok(field);
            }
            let Some(result) = self.resinfo(field.results.is_empty())? else {
                field.comments.append(&mut self.comments);
                return Ok(field);
            };
            field.results.push(result);
            if self.peek().is_none() {
                return Ok(field);
            }
        }
    }

    /// What follows a ";" up to the next one or the end; `None` is the form "none".
    ///
    /// `resinfo = [CFWS] ";" methodspec [ CFWS reasonspec ] [ CFWS 1*propspec ]`
    fn resinfo(&mut self, is_first: bool) -> Result<Option<ResInfo>, ParseError> {
        if self.peek().is_none() {
            return Err(self.error(ParseErrorKind::MissingResults));
        }
        let method = self.keyword()?;
        self.cfws()?;
        if is_first && method == "none" && !matches!(self.peek(), Some(b'=' | b'/')) {
            if self.peek().is_some() {
                return Err(self.error(ParseErrorKind::MoreAfterNone));
            }
            return Ok(None);
        }
        self.count_item()?;
        let mut result = ResInfo::new(method, "");
        if self.eat(b'/') {
            self.cfws()?;
            result.version = Some(self.version()?);
            self.cfws()?;
        }
        self.expect('=')?;
        self.cfws()?;
        result.result = self.keyword()?;
        loop {
            let is_apart = self.cfws()?;
            if matches!(self.peek(), None | Some(b';')) {
                break;
            }
            if !is_apart {
                return Err(self.error(ParseErrorKind::MissingSpace));
            }
            self.reason_or_prop(&mut result)?;
        }
        result.comments = std::mem::take(&mut self.comments);
        Ok(Some(result))
    }

    /// `reasonspec = "reason" [CFWS] "=" [CFWS] value` or `propspec = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue`
    fn reason_or_prop(&mut self, result: &mut ResInfo) -> Result<(), ParseError> {
        let ptype = self.keyword()?;
        self.cfws()?;
        if self.peek() == Some(b'=') {
            if ptype != "reason" || result.reason.is_some() {
                return Err(self.error(ParseErrorKind::UnexpectedEquals));
            }
            self.expect('=')?;
            self.cfws()?;
            result.reason = Some(self.pvalue()?);
            return Ok(());
        }
        self.count_item()?;
        self.expect('.')?;
        self.cfws()?;
        let property = self.keyword()?;
        self.cfws()?;
        self.expect('=')?;
        self.cfws()?;
        let value = self.pvalue()?;
        result.props.push(Prop { ptype, property, value });
        Ok(())
    }

    /// `pvalue = [CFWS] ( value / [ [ local-part ] "@" ] domain-name ) [CFWS]`, unquoted.
    fn pvalue(&mut self) -> Result<String, ParseError> {
        if self.peek() != Some(b'"') {
            return self.run(|byte| !matches!(byte, b';' | b'(' | b')' | b'"' | b'\\')).map(str::to_owned);
        }
        let start = self.at;
        let value = self.quoted_string()?;
        if self.peek() != Some(b'@') {
            return Ok(value);
        }
        // A quoted local part: the quotes belong to the address. Its folds go, as in every quoted string.
        let local_part = self.text.get(start..self.at).unwrap_or_default().replace("\r\n", "");
        self.expect('@')?;
        let domain = self.token()?;
        Ok(format!("{local_part}@{domain}"))
    }

    /// `quoted-string` (RFC 5322 §3.2.4), at its opening quote; returns its content.
    fn quoted_string(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        self.expect('"')?;
        let mut content = String::new();
        loop {
            match self.text_char()? {
                None => return Err(ParseError { at: start, kind: ParseErrorKind::UnclosedQuote }),
                Some('"') => return Ok(content),
                Some('\\') => content.extend(self.text_char()?),
                Some(c) => content.push(c),
            }
        }
    }

    /// `[CFWS]` (RFC 5322 §3.2.2); whether there was any. Comments are kept in `self.comments`.
    fn cfws(&mut self) -> Result<bool, ParseError> {
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'(') => self.comment()?,
                // `text_char` takes a fold together with the white space that makes it one.
                // Bare controls are refused there.
                Some(0..=b' ' | 0x7f) => {
                    self.text_char()?;
                }
                _ => return Ok(self.at > start),
            }
        }
    }

    /// `comment`, at its opening parenthesis. Nested comments stay in the text with their parentheses.
    fn comment(&mut self) -> Result<(), ParseError> {
        self.count_item()?;
        let start = self.at;
        let mut depth: usize = 0;
        let mut content = String::new();
        loop {
            match self.text_char()? {
                None => return Err(ParseError { at: start, kind: ParseErrorKind::UnclosedComment }),
                Some('(') => {
                    depth = depth.saturating_add(1);
                    if depth > self.limits.max_comment_depth {
                        return Err(self.error(ParseErrorKind::CommentTooDeep));
                    }
                    if depth > 1 {
                        content.push('(');
                    }
                }
                Some(')') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.comments.push(content);
                        return Ok(());
                    }
                    content.push(')');
                }
                Some('\\') => content.extend(self.text_char()?),
                Some(c) => content.push(c),
            }
        }
    }

    /// The next character of a quoted string, comment or white space. The CRLF of a fold is skipped: its white space is what counts.
    fn text_char(&mut self) -> Result<Option<char>, ParseError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let unfolded = match rest.strip_prefix("\r\n") {
            Some(line) if line.starts_with([' ', '\t']) => line,
            _ => rest,
        };
        let Some(c) = unfolded.chars().next() else { return Ok(None) };
        if c.is_ascii_control() && c != '\t' {
            return Err(self.error(ParseErrorKind::ControlCharacter));
        }
        let skipped = rest.len().saturating_sub(unfolded.len());
        self.at = self.at.saturating_add(skipped).saturating_add(c.len_utf8());
        Ok(Some(c))
    }

    /// `token` (RFC 2045 §5.1), with the UTF-8 of RFC 6532.
    fn token(&mut self) -> Result<&'a str, ParseError> {
        self.run(|byte| !is_tspecial(byte))
    }

    /// One or more bytes of this kind; never white space or controls.
    fn run(&mut self, accepts: impl Fn(u8) -> bool) -> Result<&'a str, ParseError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.bytes().position(|byte| byte <= b' ' || byte == 0x7f || !accepts(byte)).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.error(ParseErrorKind::MissingValue));
        }
        self.at = self.at.saturating_add(end);
        // Every byte that ends a run is ASCII, so the cut is at a character.
        Ok(rest.get(..end).unwrap_or_default())
    }

    fn keyword(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        let missing = ParseError { at: start, kind: ParseErrorKind::MissingKeyword };
        let word = self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'-').map_err(|_| missing)?;
        if is_keyword(word) { Ok(word.to_ascii_lowercase()) } else { Err(missing) }
    }

    /// `1*DIGIT`
    fn version(&mut self) -> Result<u32, ParseError> {
        let bad = self.error(ParseErrorKind::BadVersion);
        self.run(|byte| byte.is_ascii_digit()).ok().and_then(|digits| digits.parse().ok()).ok_or(bad)
    }

    fn count_item(&mut self) -> Result<(), ParseError> {
        self.items = self.items.saturating_add(1);
        if self.items > self.limits.max_items { Err(self.error(ParseErrorKind::TooManyItems)) } else { Ok(()) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at = self.at.saturating_add(usize::from(is_there));
        is_there
    }

    fn expect(&mut self, expected: char) -> Result<(), ParseError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(expected) {
            return Err(self.error(ParseErrorKind::Missing { expected }));
        }
        self.at = self.at.saturating_add(expected.len_utf8());
        Ok(())
    }

    const fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError { at: self.at, kind }
    }
}
