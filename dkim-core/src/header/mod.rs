//! The header section of a message: every field as it stands, in one buffer.
//!
//! RFC 5322 §2.2 and §3.6, read for RFC 6376: what DKIM signs is the *text* of the fields, so nothing here decodes, trims or repairs. The section
//! is one `Vec<u8>` plus one 12-byte span a field, built with [`HeaderBlock::builder`] (a milter pushes field by field) or cut out of a message
//! with [`HeaderBlock::parse`] (a file). Both give the same block: the text of every field is `name ":" value CRLF`.
//!
//! Invariants:
//! - [`HeaderBlock::as_bytes`] parses again to an equal block. A name or a value that would break this (a colon in a name, a CRLF in a value that no
//!   white space follows) is refused, so one field can never turn into two.
//! - Only CRLF ends a line. A bare CR, a bare LF, a NUL and 8-bit bytes are ordinary bytes of a value.
//! - Limits are checked before anything is stored.
//!
//! What it does not do: canonicalization (`canon`), decoding of any kind, conversion of line ends. A file with bare LF line ends has no field
//! boundaries at all here; convert it first.

use std::ops::Range;

use thiserror::Error;
use wide::u8x16;

use crate::near::{Places, first_place, up_to};
use crate::swar::eq_ignore_case;

mod builder;

pub use self::builder::HeaderBlockBuilder;

/// Fields that a block has room for from the start: most messages have no more, and a larger one grows by doubling.
const USUAL_FIELDS: usize = 32;

/// How large a header section may be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderLimits {
    /// Largest header section in bytes: names, colons, values and line ends. Default 512 KiB; more than `u32::MAX` counts as `u32::MAX`.
    pub max_bytes: usize,
    /// Largest number of fields. Default 20,000.
    pub max_fields: usize,
}

impl Default for HeaderLimits {
    fn default() -> Self {
        Self { max_bytes: 512 * 1024, max_fields: 20_000 }
    }
}

/// Why a header section, or one field of it, was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The section is larger than [`HeaderLimits::max_bytes`].
    #[error("header section is larger than {limit} bytes")]
    TooManyBytes {
        /// The limit that was hit.
        limit: usize,
    },
    /// The section has more fields than [`HeaderLimits::max_fields`].
    #[error("header section has more than {limit} fields")]
    TooManyFields {
        /// The limit that was hit.
        limit: usize,
    },
    /// The first line begins with white space: it continues nothing.
    #[error("first header line begins with white space")]
    StartsWithWhiteSpace,
    /// A line has no colon, so it is not a field.
    #[error("line at byte {at} is not a header field: no colon")]
    NoColon {
        /// Offset of the line in the message.
        at: usize,
    },
    /// A field name is empty.
    #[error("header field name at byte {at} is empty")]
    EmptyName {
        /// Offset of the name: in the message for [`HeaderBlock::parse`], 0 for [`HeaderBlockBuilder::push`].
        at: usize,
    },
    /// A field name holds a control character, a colon, or white space other than at its end.
    #[error("byte {byte:#04x} at byte {at} is not allowed in a header field name")]
    BadNameByte {
        /// Offset of the byte: in the message for [`HeaderBlock::parse`], in the name for [`HeaderBlockBuilder::push`].
        at: usize,
        /// The byte.
        byte: u8,
    },
    /// A value holds a CRLF that no space or tab follows; the rest would be another field.
    #[error("line break at byte {at} of the value is not followed by white space")]
    BadFold {
        /// Offset of the CRLF in the value.
        at: usize,
    },
}

/// One field: its name and its value, both as they stand in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field<'a> {
    /// Everything before the colon. May end in white space (RFC 5322 §4.5.8 allows that in old messages); compare with [`Field::is_named`].
    pub name: &'a [u8],
    /// Everything after the colon and before the CRLF that ends the field: leading white space and folds (CRLF and white space) included.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field of these two texts, unchecked.
    #[must_use]
    pub const fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self { name, value }
    }

    /// The name without white space at its end.
    #[must_use]
    pub fn trimmed_name(&self) -> &'a [u8] {
        trim_name(self.name)
    }

    /// Whether the field has this name. ASCII letters match in either case, white space at the end of the field's name does not count.
    #[must_use]
    #[inline]
    pub fn is_named(&self, name: &str) -> bool {
        self.is_named_in_octets(name.as_bytes())
    }

    /// As [`is_named`](Self::is_named).
    #[inline]
    pub(crate) fn is_named_in_octets(&self, name: &[u8]) -> bool {
        self.name.len() >= name.len() && eq_ignore_case(self.trimmed_name(), name)
    }
}

/// The header section of one message. See the [module page](self).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderBlock {
    text: Vec<u8>,
    fields: Vec<Span>,
}

impl HeaderBlock {
    /// Starts an empty block that is filled field by field.
    #[must_use]
    pub const fn builder(limits: HeaderLimits) -> HeaderBlockBuilder {
        HeaderBlockBuilder::new(limits)
    }

    /// Cuts the header section out of a message with CRLF line ends.
    ///
    /// Returns the block and the offset at which the body begins: after the empty line, or the length of the message when there is no empty line
    /// (a message without a body). The last line may lack its CRLF.
    ///
    /// # Errors
    ///
    /// Strict about what a field is: a first line that begins with white space, a line without a colon (an mbox `From ` line among them), an
    /// empty name and a name with control characters or inner white space are errors with their offset. Hitting one of the `limits` is an error;
    /// no more than `max_bytes` of the message are looked at.
    pub fn parse(message: &[u8], limits: HeaderLimits) -> Result<(Self, usize), HeaderError> {
        if message.first().copied().is_some_and(is_wsp) {
            return Err(HeaderError::StartsWithWhiteSpace);
        }
        if message.starts_with(b"\r\n") {
            return Ok((Self::default(), 2));
        }
        let limit = limits.max_bytes.min(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        let too_many = HeaderError::TooManyBytes { limit: limits.max_bytes };
        // The empty line takes two bytes more than the section it ends.
        let window = message.get(..limit.saturating_add(2)).unwrap_or(message);
        let mut fields = Vec::with_capacity(USUAL_FIELDS);
        let mut start = 0;
        for lf in Places::<b'\n'>::new(window) {
            let Some([b'\r', _, next @ ..]) = window.get(lf.wrapping_sub(1)..) else { continue };
            if let [b' ' | b'\t', ..] = next {
                continue;
            }
            let end = lf.saturating_add(1);
            fields.push(span(window, start..end, fields.len(), &limits)?);
            start = end;
            if let [b'\r', b'\n', ..] = next {
                let text = window.get(..end).unwrap_or_default().to_vec();
                return Ok((Self { text, fields }, end.saturating_add(2)));
            }
        }
        // There is no empty line: the whole message is header.
        if message.len() > limit {
            return Err(too_many);
        }
        let mut text = message.to_vec();
        if start < text.len() {
            text.extend_from_slice(b"\r\n");
            fields.push(span(&text, start..text.len(), fields.len(), &limits)?);
        }
        Ok((Self { text, fields }, message.len()))
    }

    /// The fields in the order of the message. Walk from the bottom with `.rev()`.
    #[must_use]
    pub fn iter(&self) -> Fields<'_> {
        Fields { text: &self.text, spans: self.fields.iter() }
    }

    /// The field at this index, counted from the top.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Field<'_>> {
        self.fields.get(index).map(|span| span.field(&self.text))
    }

    /// The text of the field at this index, with its final CRLF.
    pub(crate) fn text_of(&self, index: usize) -> Option<&[u8]> {
        self.fields.get(index).and_then(|span| span.text(&self.text))
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The text of the whole section: every field as `name ":" value CRLF`, without the empty line that ends a section.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

impl<'a> IntoIterator for &'a HeaderBlock {
    type Item = Field<'a>;
    type IntoIter = Fields<'a>;

    fn into_iter(self) -> Fields<'a> {
        self.iter()
    }
}

/// The fields of a [`HeaderBlock`], from the top; made by [`HeaderBlock::iter`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    text: &'a [u8],
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.spans.next().map(|span| span.field(self.text))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl DoubleEndedIterator for Fields<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| span.field(self.text))
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// Where a field lies in the text: three offsets of 32 bits, because a header section never reaches 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    colon: u32,
    /// Behind the CRLF that ends the field.
    end: u32,
}

impl Span {
    /// The span of a field with these places of the text; `None` beyond 4 GiB.
    fn new(start: usize, colon: usize, end: usize) -> Option<Self> {
        let place = |place: usize| u32::try_from(place).ok();
        Some(Self { start: place(start)?, colon: place(colon)?, end: place(end)? })
    }

    fn text(self, text: &[u8]) -> Option<&[u8]> {
        text.get(usize::try_from(self.start).ok()?..usize::try_from(self.end).ok()?)
    }

    fn field(self, text: &[u8]) -> Field<'_> {
        // Every platform Rust has std for holds a u32 in a usize or is refused here by the empty slice.
        let at = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        let name = text.get(at(self.start)..at(self.colon)).unwrap_or_default();
        let value = text.get(at(self.colon).saturating_add(1)..at(self.end).saturating_sub(2)).unwrap_or_default();
        Field { name, value }
    }
}

/// The span of the field at this place, final CRLF included, behind `before` others.
#[inline]
fn span(text: &[u8], place: Range<usize>, before: usize, limits: &HeaderLimits) -> Result<Span, HeaderError> {
    if before >= limits.max_fields {
        return Err(HeaderError::TooManyFields { limit: limits.max_fields });
    }
    let colon = match usual_colon(text, place.start) {
        Some(colon) => colon,
        None => unusual_colon(text, place.clone())?,
    };
    Span::new(place.start, colon, place.end).ok_or(HeaderError::TooManyBytes { limit: limits.max_bytes })
}

/// The places behind each CRLF.
fn crlf_ends(text: &[u8]) -> impl Iterator<Item = usize> {
    let is_crlf = |at: &usize| text.get(..*at).is_some_and(|before| before.ends_with(b"\r"));
    Places::<b'\n'>::new(text).filter(is_crlf).map(|at| at.saturating_add(1))
}

/// The place of the colon of the field that begins at `start`, for nearly every field: the first octet that cannot stand in a name, behind some that
/// can. What is left for a closer look ends with white space, or is no name.
///
/// A field ends with a line end, so the search never leaves it.
#[inline]
fn usual_colon(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(block) = text.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
        let octets = u8x16::new(*block);
        let others = up_to(octets, b' ') | octets.simd_eq(u8x16::splat(b':')) | octets.simd_eq(u8x16::splat(0x7f));
        if let Some(first) = first_place(others) {
            at = at.wrapping_add(first);
            break;
        }
        at = at.wrapping_add(block.len());
    }
    (at > start && text.get(at) == Some(&b':')).then_some(at)
}

#[cold]
fn unusual_colon(text: &[u8], place: Range<usize>) -> Result<usize, HeaderError> {
    let at = place.start;
    let field = text.get(place).unwrap_or_default();
    // A colon behind the first line break belongs to a continuation line; the field itself has none.
    let line = crlf_ends(field).next().and_then(|end| field.get(..end)).unwrap_or(field);
    let colon = memchr::memchr(b':', line).ok_or(HeaderError::NoColon { at })?;
    check_name(line.get(..colon).unwrap_or_default(), at)?;
    Ok(at.saturating_add(colon))
}

const fn is_name_byte(byte: u8) -> bool {
    !byte.is_ascii_control() && !matches!(byte, b' ' | b':')
}

/// §3.6.8: "ftext = %d33-57 / %d59-126". Bytes above 126 are let through: such a field matches no name, and the message still gets a verdict.
fn check_name(name: &[u8], base: usize) -> Result<(), HeaderError> {
    let trimmed = trim_name(name);
    if trimmed.is_empty() {
        return Err(HeaderError::EmptyName { at: base });
    }
    match trimmed.iter().enumerate().find(|(_, byte)| !is_name_byte(**byte)) {
        Some((index, &byte)) => Err(HeaderError::BadNameByte { at: base.saturating_add(index), byte }),
        None => Ok(()),
    }
}

fn trim_name(mut name: &[u8]) -> &[u8] {
    while let [head @ .., b' ' | b'\t'] = name {
        name = head;
    }
    name
}

const fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests;
