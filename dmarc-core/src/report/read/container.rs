//! Reports as they are sent: gzip, zip, or plain; known by their first octets and by nothing else.
//!
//! Everything is unpacked as it is read. What comes in and what comes out is counted over all layers and files, so that no file costs more than
//! [`ReadLimits`] says, whatever its own fields say: the sizes in a zip are not believed, but for where a file ends that is not packed.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};

use super::model::{Record, Report};
use super::report::read_report;
use super::{Limit, ReadError, ReadLimits, peeked};

/// Unpacked octets before the ratio is looked at.
const FREE: u64 = 1 << 20;

/// Blanks in front of what tells the kind of a file.
const MAX_BLANKS: usize = 1024;

/// Reads the reports of a file: one, or those in an archive.
///
/// *Inputs*: the octets as they came in the mail or the request, transfer encoding removed; name and declared type do not matter. *Limits*: [`ReadLimits`];
/// memory for the windows of unpacking and one record. *Results*: the reports, at least one. Files of an archive that are none are left out.
///
/// # Errors
///
/// [`ReadError`], of the first limit or, without a report, of the last file; records handed out before are then to be forgotten.
pub fn read_container(
    input: impl Read,
    limits: &ReadLimits,
    mut on_record: impl FnMut(&Record),
) -> Result<Vec<Report>, ReadError> {
    let meter = Meter { limits, compressed: Cell::new(0), expanded: Cell::new(0) };
    let mut reading =
        Reading { meter: &meter, on_record: &mut on_record, reports: Vec::new(), failed: None, members: 0 };
    let raw = BufReader::new(Metered { inner: input, meter: &meter, is_raw: true });
    reading.layer(Box::new(raw), limits.layers)?;
    match reading.failed {
        Some(error) if reading.reports.is_empty() => Err(error),
        None if reading.reports.is_empty() => Err(ReadError::NoFeedback),
        _ => Ok(reading.reports),
    }
}

struct Meter<'a> {
    limits: &'a ReadLimits,
    compressed: Cell<u64>,
    expanded: Cell<u64>,
}

impl Meter<'_> {
    fn count(&self, octets: usize, is_raw: bool) -> Result<(), Limit> {
        let (counter, most, limit) = if is_raw {
            (&self.compressed, self.limits.compressed, Limit::Compressed)
        } else {
            (&self.expanded, self.limits.expanded, Limit::Expanded)
        };
        counter.set(counter.get().saturating_add(u64::try_from(octets).unwrap_or(u64::MAX)));
        if counter.get() > most {
            return Err(limit);
        }
        let expanded = self.expanded.get();
        if expanded > FREE && expanded > self.compressed.get().saturating_mul(self.limits.ratio) {
            return Err(Limit::Ratio);
        }
        Ok(())
    }
}

/// Counts what is read through it.
struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter<'a>,
    is_raw: bool,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(out)?;
        self.meter.count(length, self.is_raw)?;
        Ok(length)
    }
}

struct Reading<'a> {
    meter: &'a Meter<'a>,
    on_record: &'a mut dyn FnMut(&Record),
    reports: Vec<Report>,
    failed: Option<ReadError>,
    members: usize,
}

impl<'a> Reading<'a> {
    fn layer<'b>(&mut self, mut input: Box<dyn BufRead + 'b>, layers: usize) -> Result<(), ReadError>
    where
        'a: 'b,
    {
        skip_blanks(&mut input)?;
        let (magic, mut input) = peeked(input, 4)?;
        let is_packed = matches!(magic.as_slice(), [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4]);
        if is_packed && layers == 0 {
            return Err(Limit::Layers.into());
        }
        let next = layers.saturating_sub(1);
        match magic.as_slice() {
            [0x1f, 0x8b, ..] => {
                let unpacked = Metered { inner: MultiGzDecoder::new(input), meter: self.meter, is_raw: false };
                self.layer(Box::new(BufReader::new(unpacked)), next)
            }
            [b'P', b'K', 3, 4] => self.archive(&mut input, next),
            _ => self.document(input),
        }
    }

    fn document(&mut self, input: Box<dyn BufRead + '_>) -> Result<(), ReadError> {
        match read_report(input, self.meter.limits, &mut *self.on_record) {
            Ok(report) => self.reports.push(report),
            // A limit ends everything; another file of the archive may be the report.
            Err(error @ ReadError::Limit(_)) => return Err(error),
            Err(error) => self.failed = Some(error),
        }
        Ok(())
    }

    /// Files one after the other, as their headers come; the directory at the end is not looked at.
    fn archive(&mut self, input: &mut dyn BufRead, layers: usize) -> Result<(), ReadError> {
        loop {
            let mut header = [0; 30];
            match input.read_exact(&mut header) {
                Ok(()) => (),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let [b'P', b'K', 3, 4, _, _, flags, _, method, _, ..] = header else { return Ok(()) };
            let [.., s0, s1, s2, s3, _, _, _, _, n0, n1, e0, e1] = header;
            self.members = self.members.saturating_add(1);
            if self.members > self.meter.limits.members {
                return Err(Limit::Members.into());
            }
            let names = u64::from(u16::from_le_bytes([n0, n1])).saturating_add(u16::from_le_bytes([e0, e1]).into());
            io::copy(&mut input.take(names), &mut io::sink())?;
            let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
            let has_descriptor = flags & 8 != 0;
            match method {
                _ if flags & 1 != 0 => return Err(ReadError::Archive),
                8 => {
                    let unpacked = DeflateDecoder::new(&mut *input);
                    self.member(unpacked, layers)?;
                    if has_descriptor {
                        skip_descriptor(input)?;
                    }
                }
                // Where it ends is only known with its size in front.
                0 if !has_descriptor => self.member((&mut *input).take(size), layers)?,
                _ => return Err(ReadError::Archive),
            }
        }
    }

    /// A file of an archive, read to its end whatever it is.
    fn member(&mut self, inner: impl Read, layers: usize) -> Result<(), ReadError> {
        let mut unpacked = Metered { inner, meter: self.meter, is_raw: false };
        self.layer(Box::new(BufReader::new(&mut unpacked)), layers)?;
        match io::copy(&mut unpacked, &mut io::sink()).map_err(ReadError::from) {
            Ok(_) => Ok(()),
            Err(error @ ReadError::Limit(_)) => Err(error),
            // The archive is cut: there is no next file.
            Err(error) => {
                self.failed = Some(error);
                Ok(())
            }
        }
    }
}

/// Checksum and sizes behind a file, with a signature or without.
fn skip_descriptor(input: &mut dyn BufRead) -> io::Result<()> {
    let mut first = [0; 4];
    match input.read_exact(&mut first) {
        Ok(()) => {
            let left = if first == *b"PK\x07\x08" { 12 } else { 8 };
            io::copy(&mut input.take(left), &mut io::sink()).map(|_| ())
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(error),
    }
}

fn skip_blanks(input: &mut impl BufRead) -> io::Result<()> {
    let mut left = MAX_BLANKS;
    while left > 0 {
        let octets = match input.fill_buf() {
            Ok(octets) => octets,
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof) => return Ok(()),
            Err(error) => return Err(error),
        };
        let blanks = octets.iter().take(left).take_while(|octet| octet.is_ascii_whitespace()).count();
        let is_over = blanks < octets.len().min(left) || octets.is_empty();
        input.consume(blanks);
        left = left.saturating_sub(blanks);
        if is_over {
            break;
        }
    }
    Ok(())
}
