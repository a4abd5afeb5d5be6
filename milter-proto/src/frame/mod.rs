//! Cutting the byte stream into frames (`packet := length(4, BE) command(1) data(length-1)`).
//!
//! The decoder owns one buffer. Octets are read from the socket straight into it and frames are handed out as slices of it, so an octet is
//! copied at most once inside the process (the head of a frame whose tail has not come yet moves to the front).
//!
//! *Invariants.* A length is judged from its four octets alone, before anything is allocated for it. The buffer grows by doubling when it is
//! full of octets that have *come*; no number the peer sends has an influence on it. After an error the decoder stays in error: a stream that
//! lost its frames has none any more.
//!
//! *Not done here*: timeouts, and what the frames mean.

use crate::error::{EncodeError, FrameError};
use crate::wire::write_frame;

/// The limit for the length of a frame unless the caller sets another: 1 MiB, as much as any MTA ever sends.
pub const DEFAULT_MAX_FRAME: u32 = 1 << 20;

/// The least room [`FrameDecoder::space`] offers.
const MIN_SPACE: usize = 4 * 1024;
/// The first buffer.
const FIRST: usize = 2 * MIN_SPACE;
/// A buffer above this size is given back when it is empty: packets of up to 65535 octets never reach it.
const KEEP: usize = 192 * 1024;
const PREFIX: usize = 4;

/// One frame: the code and the data after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the wire format has these two parts and no more")]
pub struct Frame<'a> {
    /// Which command or reply it is.
    pub code: u8,
    /// The data after the code.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Appends the frame with its length.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] if 32 bits cannot say the length; `out` is then unchanged.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write_frame(out, self.code, |out| {
            out.extend_from_slice(self.payload);
            Ok(())
        })
    }
}

/// Takes octets, gives frames.
///
/// ```
/// use milter_proto::{Frame, FrameDecoder};
///
/// let mut decoder = FrameDecoder::default();
/// decoder.push(b"\0\0\0\x01A\0\0\0\x07");
/// assert_eq!(decoder.next_frame(), Ok(Some(Frame { code: b'A', payload: b"" })));
/// assert_eq!(decoder.next_frame(), Ok(None)); // the rest is on its way
/// decoder.push(b"Hmx.a\0\0");
/// assert_eq!(decoder.next_frame(), Ok(Some(Frame { code: b'H', payload: b"mx.a\0\0" })));
/// assert_eq!(decoder.end(), Ok(()));
/// ```
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// `buffer[start..end]` has come and has not been handed out.
    start: usize,
    end: usize,
    max_len: u32,
    /// Offset of `start` in the stream.
    offset: u64,
    failed: Option<FrameError>,
}

impl Default for FrameDecoder {
    /// A decoder with [`DEFAULT_MAX_FRAME`].
    fn default() -> Self {
        Self::new(DEFAULT_MAX_FRAME)
    }
}

impl FrameDecoder {
    /// A decoder that refuses frames whose length (code included) is above `max_len`.
    pub fn new(max_len: u32) -> Self {
        Self { buffer: Vec::new(), start: 0, end: 0, max_len, offset: 0, failed: None }
    }

    /// Room for the next octets of the stream, at least 4 KiB: read into it and call [`filled`](Self::filled).
    ///
    /// Call [`next_frame`](Self::next_frame) until it gives `None` first. Then only the head of one frame is left, the buffer stays within
    /// twice the longest frame that came, and the cost of a stream is linear.
    pub fn space(&mut self) -> &mut [u8] {
        self.make_room(MIN_SPACE);
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `octets` came into [`space`](Self::space). A number above its size counts as its size.
    pub fn filled(&mut self, octets: usize) {
        self.end = self.end.saturating_add(octets).min(self.buffer.len());
    }

    /// Takes octets from a slice: `space` and `filled` in one.
    pub fn push(&mut self, octets: &[u8]) {
        self.make_room(octets.len());
        let end = self.end.saturating_add(octets.len());
        if let Some(room) = self.buffer.get_mut(self.end..end) {
            room.copy_from_slice(octets);
            self.end = end;
        }
    }

    /// The next whole frame; `None` if more octets are needed.
    ///
    /// # Errors
    /// [`FrameError::Empty`] and [`FrameError::TooLong`], as soon as the length has come; from then on always the same.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let pending = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(prefix) = pending.first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix);
        if let Some(error) = self.refusal(length) {
            self.failed = Some(error);
            return Err(error);
        }
        // No target of this crate has a usize below 32 bits; if one had, the frame would never become whole, and `end` says so.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let total = length.saturating_add(PREFIX);
        let Some([code, payload @ ..]) = pending.get(PREFIX..total) else { return Ok(None) };
        self.start = self.start.saturating_add(total);
        self.offset = self.offset.saturating_add(u64::try_from(total).unwrap_or(u64::MAX));
        Ok(Some(Frame { code: *code, payload }))
    }

    /// Whether the head of a frame has come and its tail has not: the short timeout applies, not the one for idle connections.
    pub fn is_inside_frame(&self) -> bool {
        self.end > self.start
    }

    /// To be called at the end of the stream.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] if the stream ended inside a frame, or the error that [`next_frame`](Self::next_frame) gave.
    pub fn end(&self) -> Result<(), FrameError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.is_inside_frame() => Err(FrameError::Truncated { offset: self.offset }),
            None => Ok(()),
        }
    }

    /// Octets the buffer occupies.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    fn refusal(&self, length: u32) -> Option<FrameError> {
        if length == 0 {
            return Some(FrameError::Empty { offset: self.offset });
        }
        (length > self.max_len).then_some(FrameError::TooLong { length, max: self.max_len, offset: self.offset })
    }

    fn make_room(&mut self, needed: usize) {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            if self.buffer.len() > KEEP {
                self.buffer = Vec::new();
            }
        }
        if self.buffer.len().saturating_sub(self.end) >= needed {
            return;
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
        let least = self.end.saturating_add(needed);
        if self.buffer.len() < least {
            self.buffer.resize(least.max(self.end.saturating_mul(2)).max(FIRST), 0);
        }
    }
}

#[cfg(test)]
mod tests;
