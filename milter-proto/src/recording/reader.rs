//! Reading recordings: one line, one packet, and errors that say where.

use std::time::Duration;

use crate::frame::DEFAULT_MAX_FRAME;

use super::json::Cursor;
use super::{End, Packet};

/// Bounds of what a [`Reader`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReaderLimits {
    /// Octets of a line. Default: 7 MiB, enough for a packet of 1 MiB in which every octet is an escape.
    pub max_line: usize,
    /// Length of a packet, code included. Default: [`DEFAULT_MAX_FRAME`].
    pub max_frame: u32,
    /// Packets of a recording. Default: 1 million.
    pub max_packets: usize,
}

impl Default for ReaderLimits {
    fn default() -> Self {
        Self { max_line: 7 << 20, max_frame: DEFAULT_MAX_FRAME, max_packets: 1_000_000 }
    }
}

/// Where a recording cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, offset {at}: {kind}")]
#[non_exhaustive]
pub struct RecordingError {
    /// The line, counted from 1.
    pub line: usize,
    /// How many octets of the line were read when it was found.
    pub at: usize,
    /// What is wrong there.
    pub kind: RecordingErrorKind,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingErrorKind {
    /// Octets that are no UTF-8.
    #[error("not utf-8")]
    NotUtf8,
    /// Not the JSON object that a line is.
    #[error("not a json object")]
    Syntax,
    /// A member that must be there is not.
    #[error("member {0:?} is missing")]
    Missing(&'static str),
    /// A member that comes twice.
    #[error("member {0:?} comes twice")]
    Twice(&'static str),
    /// A value that this member cannot have.
    #[error("value of member {0:?} is not one it can have")]
    Value(&'static str),
    /// A character above U+00FF, which stands for no octet.
    #[error("character stands for no octet")]
    NotAnOctet,
    /// Arrays and objects nested more than 16 deep in a member that is ignored.
    #[error("nested too deep")]
    TooDeep,
    /// A line beyond [`ReaderLimits::max_line`].
    #[error("line is too long")]
    LineTooLong,
    /// A packet beyond [`ReaderLimits::max_frame`].
    #[error("packet is too long")]
    PacketTooLong,
    /// More packets than [`ReaderLimits::max_packets`].
    #[error("too many packets")]
    TooManyPackets,
}

/// Gives the packets of a recording, in order. After an error there is nothing more.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// `None` at the end and after an error.
    rest: Option<&'a [u8]>,
    limits: ReaderLimits,
    line: usize,
    packets: usize,
}

impl<'a> Reader<'a> {
    /// A reader with the default limits.
    pub fn new(text: &'a [u8]) -> Self {
        Self::with_limits(text, ReaderLimits::default())
    }

    /// A reader with these limits.
    pub fn with_limits(text: &'a [u8], limits: ReaderLimits) -> Self {
        Self { rest: Some(text), limits, line: 0, packets: 0 }
    }

    /// The next line that is not empty.
    fn next_line(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.rest {
            let end = rest.iter().position(|&octet| octet == b'\n');
            let (line, rest) = match end.and_then(|end| rest.split_at_checked(end)) {
                Some((line, rest)) => (line, rest.get(1..)),
                None => (rest, None),
            };
            self.rest = rest;
            self.line = self.line.saturating_add(1);
            // White space of JSON; no other may stand alone on a line.
            if !line.iter().all(|octet| b" \t\r".contains(octet)) {
                return Some(line);
            }
        }
        None
    }

    fn read(&mut self, line: &[u8]) -> Result<Packet, RecordingError> {
        let failed = |at, kind| RecordingError { line: self.line, at, kind };
        if line.len() > self.limits.max_line {
            return Err(failed(self.limits.max_line, RecordingErrorKind::LineTooLong));
        }
        if self.packets >= self.limits.max_packets {
            return Err(failed(0, RecordingErrorKind::TooManyPackets));
        }
        self.packets = self.packets.saturating_add(1);
        let text =
            std::str::from_utf8(line).map_err(|error| failed(error.valid_up_to(), RecordingErrorKind::NotUtf8))?;
        let mut cursor = Cursor::new(text);
        let mut members = Members { max_frame: self.limits.max_frame, ..Members::default() };
        members.read(&mut cursor).and_then(|()| members.packet()).map_err(|kind| failed(cursor.at(), kind))
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Packet, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.next_line()?;
        let packet = self.read(line);
        if packet.is_err() {
            self.rest = None;
        }
        Some(packet)
    }
}

impl std::iter::FusedIterator for Reader<'_> {}

/// What a line has said so far.
#[derive(Default)]
struct Members {
    max_frame: u32,
    from: Option<End>,
    code: Option<u8>,
    data: Option<Vec<u8>>,
    at: Option<Duration>,
}

const FROM: &str = "from";
const CODE: &str = "code";
const DATA: &str = "data";
const AT: &str = "at_us";

impl Members {
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordingErrorKind> {
        cursor.expect('{')?;
        if !cursor.skip('}') {
            loop {
                self.member(cursor)?;
                if !cursor.skip(',') {
                    break;
                }
            }
            cursor.expect('}')?;
        }
        if cursor.is_at_end() { Ok(()) } else { Err(RecordingErrorKind::Syntax) }
    }

    fn member(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RecordingErrorKind> {
        let name = member_name(cursor)?;
        cursor.expect(':')?;
        let known = [FROM, CODE, DATA, AT].into_iter().find(|known| name.is(known));
        let is_there = match known {
            Some(FROM) => self.from.is_some(),
            Some(CODE) => self.code.is_some(),
            Some(DATA) => self.data.is_some(),
            _ => known.is_some() && self.at.is_some(),
        };
        if let (Some(name), true) = (known, is_there) {
            return Err(RecordingErrorKind::Twice(name));
        }
        match known {
            Some(FROM) => {
                self.from = Some(match octets(cursor, "filter".len(), RecordingErrorKind::Value(FROM))?.as_slice() {
                    b"mta" => End::Mta,
                    b"filter" => End::Filter,
                    _ => return Err(RecordingErrorKind::Value(FROM)),
                });
            }
            Some(CODE) => {
                let [code] = octets(cursor, 1, RecordingErrorKind::Value(CODE))?[..] else {
                    return Err(RecordingErrorKind::Value(CODE));
                };
                self.code = Some(code);
            }
            Some(DATA) => {
                let max = usize::try_from(self.max_frame.saturating_sub(1)).unwrap_or(usize::MAX);
                self.data = Some(octets(cursor, max, RecordingErrorKind::PacketTooLong)?);
            }
            Some(_) => {
                let micros = cursor.integer().ok_or(RecordingErrorKind::Value(AT))?;
                self.at = Some(Duration::from_micros(micros));
            }
            None => cursor.skip_value()?,
        }
        Ok(())
    }

    fn packet(&mut self) -> Result<Packet, RecordingErrorKind> {
        Ok(Packet {
            from: self.from.ok_or(RecordingErrorKind::Missing(FROM))?,
            code: self.code.ok_or(RecordingErrorKind::Missing(CODE))?,
            payload: self.data.take().unwrap_or_default(),
            at: self.at,
        })
    }
}

/// The name of a member, as far as it can be one that is known.
#[derive(Default)]
struct Name {
    octets: [u8; 8],
    length: usize,
}

impl Name {
    fn is(&self, known: &str) -> bool {
        self.octets.get(..self.length) == Some(known.as_bytes())
    }
}

fn member_name(cursor: &mut Cursor<'_>) -> Result<Name, RecordingErrorKind> {
    let mut name = Name::default();
    cursor.string(|character| {
        if let Some(octet) = name.octets.get_mut(name.length) {
            // No known name has this octet.
            *octet = u8::try_from(character).unwrap_or(0xff);
        }
        name.length = name.length.saturating_add(1);
        Ok(())
    })?;
    Ok(name)
}

/// A string as octets; `beyond` if there are more than `max`.
fn octets(cursor: &mut Cursor<'_>, max: usize, beyond: RecordingErrorKind) -> Result<Vec<u8>, RecordingErrorKind> {
    let mut octets = Vec::new();
    cursor.string(|character| {
        if octets.len() >= max {
            return Err(beyond);
        }
        octets.push(u8::try_from(character).map_err(|_| RecordingErrorKind::NotAnOctet)?);
        Ok(())
    })?;
    Ok(octets)
}
