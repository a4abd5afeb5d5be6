//! How integers and strings stand in a frame.
//!
//! All integers are unsigned and big-endian; a string ends at its NUL. Reading never panics and never copies; writing puts a frame at the end of
//! the caller's buffer and takes it away again when a part of it cannot be carried.

use crate::error::{DecodeError, DecodeErrorKind, EncodeError};

/// Appends one frame: length, code, and what `fill` writes. After an error `out` is as it was.
pub(crate) fn write_frame(
    out: &mut Vec<u8>,
    code: u8,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, code]);
    let result = fill(out).and_then(|()| {
        let length = out.len().saturating_sub(start).saturating_sub(4);
        let length = u32::try_from(length).map_err(|_| EncodeError::TooLong)?;
        if let Some(prefix) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *prefix = length.to_be_bytes();
        }
        Ok(())
    });
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends a string and its NUL.
pub(crate) fn write_string(out: &mut Vec<u8>, string: &[u8]) -> Result<(), EncodeError> {
    if string.contains(&0) {
        return Err(EncodeError::Nul);
    }
    out.extend_from_slice(string);
    out.push(0);
    Ok(())
}

/// Appends a 32-bit integer.
pub(crate) fn write_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Reads the data of one frame from the front.
pub(crate) struct Reader<'a> {
    code: u8,
    at: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(code: u8, data: &'a [u8]) -> Self {
        Self { code, at: 0, rest: data }
    }

    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { code: self.code, at: self.at, kind }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| self.error(DecodeErrorKind::TooShort))?;
        self.at = self.at.saturating_add(N);
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn octet(&mut self) -> Result<u8, DecodeError> {
        self.take().map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.take().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.take().map(u32::from_be_bytes)
    }

    /// A string with its NUL; without one, an error.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let (string, rest) = split_string(self.rest).ok_or_else(|| self.error(DecodeErrorKind::MissingNul))?;
        self.advance(string.len().saturating_add(1), rest);
        Ok(string)
    }

    /// A string that may lack the NUL because it is the last of the frame.
    pub(crate) fn last_string(&mut self) -> &'a [u8] {
        let (string, rest) = split_string(self.rest).unwrap_or((self.rest, &[]));
        self.advance(string.len().saturating_add(1), rest);
        string
    }

    pub(crate) fn peek_rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.advance(rest.len(), &[]);
        rest
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(DecodeErrorKind::Trailing)) }
    }

    fn advance(&mut self, octets: usize, rest: &'a [u8]) {
        self.at = self.at.saturating_add(octets);
        self.rest = rest;
    }
}

/// The string at the front and what follows its NUL; `None` without a NUL.
pub(crate) fn split_string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let nul = data.iter().position(|&octet| octet == 0)?;
    let (string, rest) = data.split_at_checked(nul)?;
    Some((string, rest.get(1..)?))
}
