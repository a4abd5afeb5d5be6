//! Tag lists: `tag=value; tag=value`, the syntax of DKIM-Signature fields, key records and DMARC records.
//!
//! RFC 6376 §3.2, with the 8-bit bytes of RFC 8616 §5 in values. A [`TagList`] borrows the text and keeps, for every tag, where its value lies:
//! [`Tag::span`] is everything between the "=" and the next ";" (or the end), so a verifier can empty `b=` in place and change nothing else.
//!
//! Invariants:
//! - Names are unique, begin with a letter and compare case-sensitively; order is kept.
//! - A value begins and ends with a byte that is no white space, or is empty. Folding white space inside it stays as it is;
//!   [`Tag::without_fws`] removes it for values where it has no meaning (base64, `h=`).
//! - Linear time; the number of tags and the length of the text are bounded ([`TagLimits`]).
//!
//! What it does not do: know any tag. Unknown tags are listed like all others; "ignored" is what their reader does with them.
//!
//! Decisions: white space behind the last ";" is allowed (the grammar has no place for it, the world writes it); folding white space may hold
//! several line breaks, as in old messages; a text without any tag is an error.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use thiserror::Error;
use wide::u8x16;

use crate::near::{first_place, up_to};

/// Room for the tags of a usual list.
const USUAL_TAGS: usize = 16;

/// Tags among which a name is looked for one by one; in a longer list, in a table.
const FEW_TAGS: usize = 32;

/// How much tag list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagLimits {
    /// Most tags in one list. Default 128.
    pub max_tags: usize,
    /// Longest list in bytes. Default 64 KiB.
    pub max_bytes: usize,
}

impl Default for TagLimits {
    fn default() -> Self {
        Self { max_tags: 128, max_bytes: 64 * 1024 }
    }
}

/// Why a text is not a tag list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind} at byte {at}")]
#[non_exhaustive]
pub struct TagListError {
    /// Offset in the text.
    pub at: usize,
    /// What is wrong there.
    pub kind: TagListErrorKind,
}

/// What [`TagListError`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TagListErrorKind {
    /// Nothing but white space in the whole text.
    #[error("empty tag list")]
    EmptyList,
    /// Nothing between two ";", or before the first.
    #[error("empty tag")]
    EmptyTag,
    /// A tag does not begin with a name.
    #[error("missing tag name")]
    BadName,
    /// No "=" behind the name.
    #[error("missing \"=\" after the tag name")]
    MissingEquals,
    /// A control character, or a CR or LF that is not part of a fold.
    #[error("byte not allowed in a tag value")]
    BadValueByte,
    /// The second tag of this name.
    #[error("duplicate tag name")]
    Duplicate,
    /// More than [`TagLimits::max_tags`].
    #[error("too many tags")]
    TooManyTags,
    /// Longer than [`TagLimits::max_bytes`].
    #[error("tag list too long")]
    TooLong,
}

/// One tag of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tag<'a> {
    /// The name: a letter, then letters, digits and underscores.
    pub name: &'a str,
    /// The value without folding white space at either end. Inside, white space stands as it was written.
    pub value: &'a [u8],
    /// Where the whole value lies in the text: all between the "=" and the next ";" (or the end), white space included.
    pub span: Range<usize>,
}

impl<'a> Tag<'a> {
    /// The value without any space, tab, CR or LF.
    #[must_use]
    pub fn without_fws(&self) -> Cow<'a, [u8]> {
        remove_fws(self.value)
    }

    /// The value on one line: the line breaks of its folds removed, their white space kept (RFC 5322 §2.2.3 unfolding).
    #[must_use]
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        // A value holds CR and LF only as part of a fold.
        if self.value.contains(&b'\r') {
            Cow::Owned(self.value.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect())
        } else {
            Cow::Borrowed(self.value)
        }
    }
}

/// A parsed tag list; borrows the text it was parsed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagList<'a> {
    tags: Vec<Tag<'a>>,
}

impl<'a> TagList<'a> {
    /// Parses a whole text: the value of a DKIM-Signature field as it stands (behind the colon, folds included), or the text of a record.
    ///
    /// ```
    /// use dkim_core::tag_list::{TagLimits, TagList};
    /// let list = TagList::parse(b"v=1; a=rsa-sha256;\r\n\tb = AbC= ;", TagLimits::default())?;
    /// let b = list.get("b").unwrap();
    /// assert_eq!(b.value, b"AbC=");
    /// assert_eq!(b.span, 24..30);
    /// # Ok::<(), dkim_core::tag_list::TagListError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TagListError`] with the offset of the first fault. A duplicate name makes the whole list invalid, as does an empty tag anywhere but
    /// behind the last ";".
    pub fn parse(text: &'a [u8], limits: TagLimits) -> Result<Self, TagListError> {
        if text.len() > limits.max_bytes {
            return Err(TagListError { at: limits.max_bytes, kind: TagListErrorKind::TooLong });
        }
        let mut reader = Reader { text, rest: text };
        let mut tags: Vec<Tag<'_>> = Vec::with_capacity(USUAL_TAGS);
        let mut letters: u128 = 0;
        let mut names = HashSet::new();
        loop {
            reader.skip_fws();
            if reader.rest.is_empty() {
                break;
            }
            if tags.len() >= limits.max_tags {
                return Err(reader.error(TagListErrorKind::TooManyTags));
            }
            let name_at = reader.at();
            let tag = reader.tag_spec()?;
            // §3.2: "Tags with duplicate names MUST NOT occur within a single tag-list; if a tag name does occur more than once, the entire
            // tag-list is invalid."
            let is_new = if let [letter] = tag.name.as_bytes() {
                // Most names: a bit each.
                let bit = 1_u128.wrapping_shl(u32::from(*letter));
                let is_new = letters & bit == 0;
                letters |= bit;
                is_new
            } else if tags.len() < FEW_TAGS {
                tags.iter().all(|known| known.name != tag.name)
            } else {
                if names.is_empty() {
                    names.extend(tags.iter().map(|known| known.name));
                }
                names.insert(tag.name)
            };
            if !is_new {
                return Err(TagListError { at: name_at, kind: TagListErrorKind::Duplicate });
            }
            tags.push(tag);
            if !reader.eat(b';') {
                break;
            }
        }
        if tags.is_empty() {
            return Err(TagListError { at: 0, kind: TagListErrorKind::EmptyList });
        }
        Ok(Self { tags })
    }

    /// The tag of this name, compared case-sensitively.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Tag<'a>> {
        self.tags.iter().find(|tag| tag.name == name)
    }

    /// All tags in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Tag<'a>> {
        self.tags.iter()
    }

    /// The first tag, for records whose first tag must be `v=`.
    #[must_use]
    pub fn first(&self) -> Option<&Tag<'a>> {
        self.tags.first()
    }
}

impl<'l, 'a> IntoIterator for &'l TagList<'a> {
    type Item = &'l Tag<'a>;
    type IntoIter = std::slice::Iter<'l, Tag<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `text` without any space, tab, CR or LF: what RFC 6376 means where it says that folding white space is ignored.
#[must_use]
pub fn remove_fws(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().copied().any(is_fws) {
        Cow::Owned(text.iter().copied().filter(|&byte| !is_fws(byte)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// `text` without folding white space at either end.
#[must_use]
pub fn trim_fws(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_fws(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| !is_fws(byte)).map_or(start, |last| last.saturating_add(1));
    text.get(start..end).unwrap_or_default()
}

/// The text and what is left of it.
struct Reader<'a> {
    text: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn at(&self) -> usize {
        self.text.len().saturating_sub(self.rest.len())
    }

    fn error(&self, kind: TagListErrorKind) -> TagListError {
        TagListError { at: self.at(), kind }
    }

    /// Advances over the next octets, as many as there are, and returns them.
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// `[FWS]`: white space, and line breaks before white space.
    fn skip_fws(&mut self) {
        while let [b' ' | b'\t', rest @ ..] | [b'\r', b'\n', b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// `tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]`, the first FWS already behind, up to a ";" or the end.
    fn tag_spec(&mut self) -> Result<Tag<'a>, TagListError> {
        if self.rest.first() == Some(&b';') {
            return Err(self.error(TagListErrorKind::EmptyTag));
        }
        let name = self.take(name_length(self.rest));
        // A name is ASCII.
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| self.error(TagListErrorKind::BadName))?;
        self.skip_fws();
        if !self.eat(b'=') {
            return Err(self.error(TagListErrorKind::MissingEquals));
        }
        let start = self.at();
        let raw = self.take(value_length(self.rest));
        if !matches!(self.rest.first(), None | Some(b';')) {
            return Err(self.error(TagListErrorKind::BadValueByte));
        }
        Ok(Tag { name, value: trim_fws(raw), span: start..self.at() })
    }
}

/// `tag-name = ALPHA *ALNUMPUNC`: its length; 0 if there is none.
fn name_length(text: &[u8]) -> usize {
    match text.first() {
        Some(first) if first.is_ascii_alphabetic() => {
            text.iter().position(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_')).unwrap_or(text.len())
        }
        _ => 0,
    }
}

/// `[FWS] tag-value [FWS]`: VALCHAR, white space and folds in any order, up to the first byte that is none of them.
///
/// `VALCHAR = %x21-3A / %x3C-7E`, and the non-ASCII bytes that RFC 8616 §5 adds.
fn value_length(text: &[u8]) -> usize {
    let mut length: usize = 0;
    loop {
        let rest = text.get(length..).unwrap_or_default();
        length = length.saturating_add(plain_length(rest));
        match text.get(length..) {
            Some([b'\t', ..]) => length = length.saturating_add(1),
            // A line break that belongs to folding white space: `CRLF WSP`.
            Some([b'\r', b'\n', b' ' | b'\t', ..]) => length = length.saturating_add(3),
            _ => return length,
        }
    }
}

/// How many bytes of VALCHAR and SP a text begins with.
fn plain_length(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk::<16>() {
        let octets = u8x16::new(*block);
        let others = up_to(octets, 0x1f) | octets.simd_eq(u8x16::splat(0x7f)) | octets.simd_eq(u8x16::splat(b';'));
        if let Some(first) = first_place(others) {
            return text.len().saturating_sub(rest.len()).saturating_add(first);
        }
        rest = after;
    }
    let is_plain = |byte: &u8| matches!(byte, 0x20..=0x3a | 0x3c..=0x7e | 0x80..);
    let length = rest.iter().take_while(|byte| is_plain(byte)).count();
    text.len().saturating_sub(rest.len()).saturating_add(length)
}

pub(crate) const fn is_fws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests;
