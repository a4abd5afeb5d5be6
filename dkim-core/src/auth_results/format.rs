//! Writing a field value: cleaning, quoting, folding.
//!
//! Every text is cleaned, then written as a plain token, a plain address or a quoted string. The value is put together from pieces that are not
//! broken; between two of them a line may be folded. Inside quoted strings and comments only a single space between two other characters is a
//! place to fold, and the fold keeps that space, so unfolding gives the text back exactly.

use thiserror::Error;

use super::{AuthResults, Prop, ResInfo, is_keyword, is_tspecial};

/// Longest authserv-id, value, reason or comment in octets, before quoting.
///
/// A longer one is cut to this and ends in ` [cut]`, which neither a domain nor an address can end in: a cut text must not read as another, valid
/// one. SMTP paths (at most 256 octets) and domain names never get there.
pub const MAX_TEXT: usize = 400;

/// Longest method, result, ptype or property in octets.
pub const MAX_KEYWORD: usize = 64;

/// Lines are folded so that they do not get longer than this, where they can be (RFC 5322 §2.1.1).
const MAX_COLUMNS: usize = 78;

/// What a tab at the start of a line counts for.
const TAB_COLUMNS: usize = 8;

/// What ends a text that was cut.
const CUT_MARK: &str = " [cut]";

/// Which characters the field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Charset {
    /// ASCII only. A text with other characters is written as xtext (RFC 3461 §4): `+C3+BC` for "ü".
    #[default]
    Ascii,
    /// UTF-8, for messages that are internationalized already (RFC 6532, RFC 8601 §2.2).
    Utf8,
}

/// How a field value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FormatOptions {
    /// Default [`Charset::Ascii`].
    pub charset: Charset,
    /// Columns already taken in the first line. Default 23, for `Authentication-Results:`.
    pub first_column: usize,
    /// Whether comments of a result stand behind its reason. Default false: before it.
    pub comments_behind_reason: bool,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self { charset: Charset::Ascii, first_column: "Authentication-Results:".len(), comments_behind_reason: false }
    }
}

/// Why a field was not written. Only the caller's own words can cause it, never a value, reason or comment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The authserv-id is empty, or nothing but control characters.
    #[error("authserv-id is empty")]
    EmptyAuthservId,
    /// A method, result, ptype or property is no keyword: letters, digits and inner hyphens, at most [`MAX_KEYWORD`].
    #[error("{text:?} is not a keyword")]
    BadKeyword {
        /// The word.
        text: String,
    },
}

impl AuthResults {
    /// The value of the field: everything behind the colon, with its leading space and its folds (CRLF and white space), without the CRLF that
    /// ends it.
    ///
    /// ```
    /// # use dkim_core::auth_results::{AuthResults, FormatOptions};
    /// let nothing_checked = AuthResults::new("mx.example.org");
    /// assert_eq!(nothing_checked.to_field_value(&FormatOptions::default())?, " mx.example.org; none");
    /// # Ok::<(), dkim_core::auth_results::FormatError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FormatError`], for words that are no keywords and for an empty authserv-id.
    pub fn to_field_value(&self, options: &FormatOptions) -> Result<String, FormatError> {
        let mut pieces = Pieces { charset: options.charset, list: Vec::new() };
        let id = clean(&self.authserv_id, options.charset);
        if id.is_empty() {
            return Err(FormatError::EmptyAuthservId);
        }
        // The authserv-id never moves to a second line: readers look for it behind the colon.
        pieces.add(Break::Never, if is_token(&id) { id } else { quoted(&id) });
        for comment in &self.comments {
            pieces.comment(comment);
        }
        if let Some(version) = self.version {
            pieces.add(Break::Space, version.to_string());
        }
        if self.results.is_empty() {
            // §2.2: no-result = [CFWS] ";" [CFWS] "none"
            pieces.close();
            pieces.add(Break::Space, "none".to_owned());
        }
        for result in &self.results {
            pieces.close();
            pieces.result(result, options.comments_behind_reason)?;
        }
        Ok(pieces.fold(options.first_column))
    }
}

/// The text of these bytes; what is not UTF-8 becomes xtext, its control characters dropped.
pub(super) fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => xtext(bytes.iter().copied().filter(|byte| !byte.is_ascii_control())),
    }
}

/// What may stand before a piece instead of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// A space; the line is not folded here.
    Never,
    /// A space, or a fold and a tab.
    Space,
    /// A space that belongs to the text, or a fold and that space.
    Inner,
    /// A fold and a tab.
    Line,
}

struct Pieces {
    charset: Charset,
    list: Vec<(Break, String)>,
}

impl Pieces {
    /// Adds a text, cut into pieces at its single spaces.
    fn add(&mut self, before: Break, text: String) {
        let bytes = text.as_bytes();
        // Not beside the delimiters of a quoted string or comment: a line should begin and end with some of the text.
        let is_place = |at: usize| match bytes.get(at.wrapping_sub(1)..at.wrapping_add(2)) {
            Some(&[left, b' ', right]) => !matches!(left, b' ' | b'"' | b'(') && !matches!(right, b' ' | b'"' | b')'),
            _ => false,
        };
        let mut how = before;
        let mut from = 0;
        for at in (0..text.len()).filter(|&at| is_place(at)) {
            self.list.push((how, text.get(from..at).unwrap_or_default().to_owned()));
            how = Break::Inner;
            from = at.saturating_add(1);
        }
        self.list.push((how, text.get(from..).unwrap_or_default().to_owned()));
    }

    /// Puts a ";" behind the last piece.
    fn close(&mut self) {
        if let Some((_, last)) = self.list.last_mut() {
            last.push(';');
        }
    }

    fn comment(&mut self, text: &str) {
        let mut comment = String::from("(");
        for c in clean(text, self.charset).chars() {
            if matches!(c, '(' | ')' | '\\') {
                comment.push('\\');
            }
            comment.push(c);
        }
        comment.push(')');
        self.add(Break::Space, comment);
    }

    fn result(&mut self, result: &ResInfo, comments_behind_reason: bool) -> Result<(), FormatError> {
        let method = keyword(&result.method)?;
        let word = keyword(&result.result)?;
        let methodspec = match result.version {
            Some(version) => format!("{method}/{version}={word}"),
            None => format!("{method}={word}"),
        };
        self.add(Break::Line, methodspec);
        let reason = result.reason.as_ref().map(|reason| value(&clean(reason, self.charset)));
        let reason = reason.map(|reason| format!("reason={reason}"));
        if let Some(reason) = reason.clone().filter(|_| comments_behind_reason) {
            self.add(Break::Space, reason);
        }
        for comment in &result.comments {
            self.comment(comment);
        }
        if let Some(reason) = reason.filter(|_| !comments_behind_reason) {
            self.add(Break::Space, reason);
        }
        for Prop { ptype, property, value: text } in &result.props {
            let value = value(&clean(text, self.charset));
            self.add(Break::Space, format!("{}.{}={value}", keyword(ptype)?, keyword(property)?));
        }
        Ok(())
    }

    fn fold(self, first_column: usize) -> String {
        let mut out = String::new();
        let mut column = first_column;
        for (before, piece) in self.list {
            let width = piece.chars().count().saturating_add(1);
            let fits = column.saturating_add(width) <= MAX_COLUMNS;
            let (separator, start) = match before {
                Break::Never => (" ", column),
                Break::Space | Break::Inner if fits => (" ", column),
                Break::Space | Break::Line => ("\r\n\t", TAB_COLUMNS.saturating_sub(1)),
                Break::Inner => ("\r\n ", 0),
            };
            column = start.saturating_add(width);
            out.push_str(separator);
            out.push_str(&piece);
        }
        out
    }
}

/// A text without control characters, in characters that may be written, at most [`MAX_TEXT`] octets.
fn clean(text: &str, charset: Charset) -> String {
    // U+2028 and U+2029 end lines for some readers, like the controls U+0085 and LF.
    let mut cleaned: String =
        text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')).collect();
    if charset == Charset::Ascii && !cleaned.is_ascii() {
        cleaned = xtext(cleaned.bytes());
    }
    if cleaned.len() > MAX_TEXT {
        let mut end = MAX_TEXT.saturating_sub(CUT_MARK.len());
        while !cleaned.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        cleaned.truncate(end);
        cleaned.push_str(CUT_MARK);
    }
    cleaned
}

/// RFC 3461 §4: `xtext = *( xchar / hexchar )`, "+" and "=" and everything that is no visible ASCII as "+" and two upper-case hexadecimal digits.
fn xtext(bytes: impl Iterator<Item = u8>) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            0x21..=0x7e if !matches!(byte, b'+' | b'=') => text.push(char::from(byte)),
            _ => text.push_str(&format!("+{byte:02X}")),
        }
    }
    text
}

/// A cleaned text as `value` or `[ [ local-part ] "@" ] domain-name`.
fn value(text: &str) -> String {
    if is_token(text) || is_plain_address(text) { text.to_owned() } else { quoted(text) }
}

/// A token of RFC 2045 §5.1, less the two characters that some readers take for quotes.
fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| matches!(byte, 0x21..=0x7e) && !is_tspecial(byte) && !matches!(byte, b'\'' | b'`');
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// `[ local-part ] "@" domain-name`, with a dot-atom of token characters as local part. Anything more daring is quoted, which is always right.
fn is_plain_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_domain_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_local = local.is_empty() || local.split('.').all(is_token);
    is_local && domain.split('.').all(|label| !label.is_empty() && label.bytes().all(is_domain_byte))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn keyword(text: &str) -> Result<&str, FormatError> {
    if is_keyword(text) && text.len() <= MAX_KEYWORD {
        Ok(text)
    } else {
        Err(FormatError::BadKeyword { text: text.to_owned() })
    }
}
