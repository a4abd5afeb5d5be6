//! Octets to text, whatever the declaration says.
//!
//! UTF-16 is known by its first octets and made UTF-8 as it is read. Anything else is UTF-8 where it is valid; text that is not is read as Windows-1252, of
//! which Latin-1 is a part: it is what reports with a wrong declaration, or none, are written in.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use super::peeked;

/// The input as octets of something that has ASCII in it.
pub(super) fn decoded<'a>(input: impl BufRead + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let (first, input) = peeked(input, 2)?;
    let is_big_endian = match first.as_slice() {
        [0xff, 0xfe] | [b'<', 0] => false,
        [0xfe, 0xff] | [0, b'<'] => true,
        _ => return Ok(input),
    };
    Ok(Box::new(BufReader::new(Utf16 { input, is_big_endian, pending: Vec::new(), high: None })))
}

struct Utf16<R> {
    input: R,
    is_big_endian: bool,
    /// UTF-8 that found no room.
    pending: Vec<u8>,
    /// A unit that waits for its other half.
    high: Option<u16>,
}

impl<R: BufRead> Utf16<R> {
    /// The next unit; half of one at the end is left out.
    fn unit(&mut self) -> io::Result<Option<u16>> {
        let mut pair = [0; 2];
        match self.input.read_exact(&mut pair) {
            Ok(()) if self.is_big_endian => Ok(Some(u16::from_be_bytes(pair))),
            Ok(()) => Ok(Some(u16::from_le_bytes(pair))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl<R: BufRead> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.pending.len() < out.len().min(8192) {
            let Some(unit) = self.unit()? else { break };
            let units = self.high.take().into_iter().chain([unit]);
            for char in char::decode_utf16(units.collect::<Vec<_>>()) {
                match char {
                    Ok(char) => self.pending.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                    Err(half) if (0xd800..0xdc00).contains(&half.unpaired_surrogate()) => {
                        self.high = Some(half.unpaired_surrogate());
                    }
                    Err(_) => self.pending.extend_from_slice("\u{fffd}".as_bytes()),
                }
            }
        }
        let taken = self.pending.len().min(out.len());
        out.iter_mut().zip(self.pending.drain(..taken)).for_each(|(to, from)| *to = from);
        Ok(taken)
    }
}

/// The text of octets; whether it was UTF-8.
pub(super) fn text(octets: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(octets) {
        Ok(text) => (Cow::Borrowed(text), true),
        // Cut within a character by the limit of a text.
        Err(error) if error.error_len().is_none() => {
            (String::from_utf8_lossy(octets.get(..error.valid_up_to()).unwrap_or_default()), true)
        }
        Err(_) => (octets.iter().map(|&octet| windows_1252(octet)).collect(), false),
    }
}

fn windows_1252(octet: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž', '\u{fffd}',
        '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}', 'ž', 'Ÿ',
    ];
    let place = usize::from(octet).checked_sub(0x80);
    place.and_then(|place| HIGH.get(place)).copied().unwrap_or_else(|| char::from(octet))
}
