//! A header section filled field by field.

use super::{HeaderBlock, HeaderError, HeaderLimits, Span, USUAL_FIELDS, check_name, crlf_ends, is_wsp};

/// Bytes that a block has room for from the start, as [`USUAL_FIELDS`] fields.
const USUAL_BYTES: usize = 4096;

/// Fills a [`HeaderBlock`]; made by [`HeaderBlock::builder`].
#[derive(Debug, Clone)]
pub struct HeaderBlockBuilder {
    block: HeaderBlock,
    limits: HeaderLimits,
}

impl HeaderBlockBuilder {
    pub(super) const fn new(limits: HeaderLimits) -> Self {
        Self { block: HeaderBlock { text: Vec::new(), fields: Vec::new() }, limits }
    }

    /// Adds a field below those already there.
    ///
    /// `name` is the text before the colon; `value` is the text after it, with its leading white space, with CRLF for line breaks, without the
    /// CRLF that ends the field. Bytes are stored as given.
    ///
    /// # Errors
    ///
    /// A name that is not one (empty, control characters, a colon, inner white space), a CRLF in the value that no space or tab follows, and a
    /// limit that is hit. The refused field is not stored, and the builder stays usable: the caller decides whether the message is still worth a
    /// verdict.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        check_name(name, 0)?;
        check_folds(value)?;
        if self.block.fields.len() >= self.limits.max_fields {
            return Err(HeaderError::TooManyFields { limit: self.limits.max_fields });
        }
        let limit = self.limits.max_bytes;
        let start = self.block.text.len();
        let length = name.len().saturating_add(value.len()).saturating_add(":\r\n".len());
        let end = start.saturating_add(length);
        if end > limit {
            return Err(HeaderError::TooManyBytes { limit });
        }
        let span =
            Span::new(start, start.saturating_add(name.len()), end).ok_or(HeaderError::TooManyBytes { limit })?;
        if self.block.fields.capacity() == 0 {
            self.block.fields.reserve(USUAL_FIELDS);
            self.block.text.reserve(length.max(USUAL_BYTES));
        }
        self.block.text.reserve(length);
        for part in [name, b":", value, b"\r\n"] {
            self.block.text.extend_from_slice(part);
        }
        self.block.fields.push(span);
        Ok(())
    }

    /// The number of fields so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.block.len()
    }

    /// Whether there is no field yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// The finished block.
    #[must_use]
    pub fn finish(self) -> HeaderBlock {
        self.block
    }
}

fn check_folds(value: &[u8]) -> Result<(), HeaderError> {
    match crlf_ends(value).find(|end| !value.get(*end).copied().is_some_and(is_wsp)) {
        Some(end) => Err(HeaderError::BadFold { at: end.saturating_sub(2) }),
        None => Ok(()),
    }
}
