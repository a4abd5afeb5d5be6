//! Dialogues as text: one packet a line, for regression tests, bug reports and fuzz seeds.
//!
//! A line is a JSON object (JSON lines, UTF-8):
//!
//! ```json
//! {"from":"mta","code":"H","data":"client.example\u0000","at_us":1250}
//! {"from":"filter","code":"c","at_us":1312}
//! ```
//!
//! | member | value |
//! |---|---|
//! | `from` | `"mta"` or `"filter"`: the end that sent the packet |
//! | `code` | one character: the code of the command or reply |
//! | `data` | the data after the code; left out if there are none |
//! | `at_us` | microseconds since the start of the recording, if the recorder had a clock |
//!
//! In `code` and `data` the character U+00*nn* stands for the octet *nn*, so every packet has a line and no octet is lost; what is not printable
//! ASCII is written as an escape. Any tool makes such text of octets by calling them ISO 8859-1.
//!
//! *Tolerances in reading*: white space and order are free, empty lines are passed over, unknown members are ignored whatever their value, a
//! character may be written as it is or as an escape. *Not tolerated*: a line that is no JSON object, a member that comes twice, a character above
//! U+00FF in `code` or `data`. Nothing is allocated beyond what the text holds; nesting of unknown members is bounded.
//!
//! [`Recorder`] takes the octets of both directions as they pass, [`Reader`] gives the packets back. Neither judges packets: a recording of a
//! broken peer is a recording.
//!
//! ```
//! use milter_proto::recording::{End, Reader, Recorder};
//! use milter_proto::{Decision, FilterSession, Wants};
//!
//! // Beside a socket: what was read and written goes through the recorder as well.
//! let (mut recorder, mut text) = (Recorder::default(), Vec::new());
//! recorder.octets(End::Mta, b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff\0\0\0\x03Hm", None, &mut text)?;
//! recorder.octets(End::Mta, b"\0", None, &mut text)?;
//! assert!(text.ends_with(b"{\"from\":\"mta\",\"code\":\"H\",\"data\":\"m\\u0000\"}\n"));
//!
//! // Later, in a test: the same packets for a session.
//! let mut session = FilterSession::new(Wants::nothing());
//! let mut out = Vec::new();
//! for packet in Reader::new(&text) {
//!     let packet = packet?;
//!     if packet.from == End::Mta {
//!         session.receive(packet.frame())?;
//!         if session.awaits_decision() {
//!             session.reply(&Decision::Continue, &mut out)?;
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use crate::error::FrameError;
use crate::frame::{Frame, FrameDecoder};

mod json;
mod reader;

pub use reader::{Reader, ReaderLimits, RecordingError, RecordingErrorKind};

/// Which end sent a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum End {
    /// The MTA: the packet is a command.
    Mta,
    /// The filter: the packet is a reply.
    Filter,
}

/// One packet of a dialogue.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Packet {
    /// Who sent it.
    pub from: End,
    /// Its code.
    pub code: u8,
    /// The data after the code.
    pub payload: Vec<u8>,
    /// When, from the start of the recording, in whole microseconds.
    pub at: Option<Duration>,
}

impl Packet {
    /// A packet without a time.
    pub fn new(from: End, frame: Frame<'_>) -> Self {
        Self { from, code: frame.code, payload: frame.payload.to_vec(), at: None }
    }

    /// The same with a time.
    pub fn with_time(mut self, at: Duration) -> Self {
        self.at = Some(at);
        self
    }

    /// The packet as a session takes it.
    pub fn frame(&self) -> Frame<'_> {
        Frame { code: self.code, payload: &self.payload }
    }

    /// Appends its line, line end included.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        write_line(self.from, self.frame(), self.at, out);
    }
}

/// Why a [`Recorder`] records no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// The octets of one direction cannot be cut into packets.
    #[error("octets are no packets")]
    Frame(#[from] FrameError),
    /// The recording would be longer than its limit.
    #[error("recording exceeds {max} octets")]
    Full {
        /// The limit.
        max: usize,
    },
}

/// Writes the packets of both directions of a connection as lines.
#[derive(Clone, Debug)]
pub struct Recorder {
    from_mta: FrameDecoder,
    from_filter: FrameDecoder,
    max_octets: usize,
    written: usize,
    line: Vec<u8>,
    failed: Option<RecorderError>,
}

/// The limit of a recording unless the caller sets another: 64 MiB of text.
pub const DEFAULT_MAX_RECORDING: usize = 64 << 20;

impl Default for Recorder {
    /// A recorder with [`DEFAULT_MAX_RECORDING`].
    fn default() -> Self {
        Self::new(DEFAULT_MAX_RECORDING)
    }
}

impl Recorder {
    /// A recorder that writes at most `max_octets` of text. Packets have the limit of [`FrameDecoder::default`].
    pub fn new(max_octets: usize) -> Self {
        Self {
            from_mta: FrameDecoder::default(),
            from_filter: FrameDecoder::default(),
            max_octets,
            written: 0,
            line: Vec::new(),
            failed: None,
        }
    }

    /// Takes octets that one end has sent, cut anywhere, and appends a line to `out` for each packet that has become whole.
    ///
    /// # Errors
    /// [`RecorderError`] if these are no packets, or the recording is full; from then on always the same, and nothing is written. The lines
    /// before it are whole.
    pub fn octets(
        &mut self,
        from: End,
        octets: &[u8],
        at: Option<Duration>,
        out: &mut Vec<u8>,
    ) -> Result<(), RecorderError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.take(from, octets, at, out);
        self.failed = result.err();
        result
    }

    fn take(&mut self, from: End, octets: &[u8], at: Option<Duration>, out: &mut Vec<u8>) -> Result<(), RecorderError> {
        let decoder = match from {
            End::Mta => &mut self.from_mta,
            End::Filter => &mut self.from_filter,
        };
        decoder.push(octets);
        while let Some(frame) = decoder.next_frame()? {
            self.line.clear();
            write_line(from, frame, at, &mut self.line);
            let written = self.written.saturating_add(self.line.len());
            if written > self.max_octets {
                return Err(RecorderError::Full { max: self.max_octets });
            }
            self.written = written;
            out.extend_from_slice(&self.line);
        }
        Ok(())
    }
}

fn write_line(from: End, frame: Frame<'_>, at: Option<Duration>, out: &mut Vec<u8>) {
    out.extend_from_slice(match from {
        End::Mta => br#"{"from":"mta","code":"#,
        End::Filter => br#"{"from":"filter","code":"#,
    });
    json::write_string(&[frame.code], out);
    if !frame.payload.is_empty() {
        out.extend_from_slice(br#","data":"#);
        json::write_string(frame.payload, out);
    }
    if let Some(at) = at {
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        out.extend_from_slice(format!(r#","at_us":{micros}"#).as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests;
