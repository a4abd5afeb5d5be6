//! Reads a journal from any place on, while it is being written.
//!
//! The last segment may end in half a frame because the other half is on its way, or because the process that wrote it is no more. Which of
//! the two it is shows when there is a newer segment: then nothing comes any more.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::files::LOCK_FILE;
use super::frame::{self, MAX_LINE};
use super::record::Content;
use super::segment::{self, Position, SegmentName};

/// What the journal has at a place.
#[derive(Debug)]
pub enum Read {
    /// A record, or a note of the journal about itself.
    Entry(Entry),
    /// Octets that are no frame; passed over.
    Damage(Damage),
    /// Nothing more for now.
    End,
}

/// An entry and the place behind it.
#[derive(Debug)]
pub struct Entry {
    /// What it says.
    pub content: Content,
    /// Where to go on after it.
    pub next: Position,
}

/// What could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub at: Position,
    /// How many octets.
    pub octets: u64,
    /// Whether it is the end of a segment whose writer was stopped in the middle of a frame.
    pub is_torn_tail: bool,
}

/// Digits of a journal's name.
pub(super) const IDENTITY: usize = 32;

/// The name of the journal in a folder, which no other has; `None` when the program that began it gave it none.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn identity(folder: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(folder.join(LOCK_FILE)) {
        Ok(file) => file.take(1024).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return folder.metadata().map(|_| None),
        Err(error) => return Err(error),
    };
    let is_name = text.len() == IDENTITY && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    Ok(is_name.then_some(text))
}

/// Reads the journal in a folder.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    position: Option<Position>,
    gap: Option<Position>,
    open: Option<BufReader<File>>,
    line: Vec<u8>,
}

/// How a line ended.
enum Line {
    Whole,
    /// No line end in the octets that a line may have.
    TooLong,
    /// The file ends here, in a line or behind one.
    FileEnd,
}

impl Reader {
    /// A reader that goes on at `from`, or begins with the oldest segment.
    ///
    /// A place in a segment that is no longer there is taken as the beginning of the next one.
    #[must_use]
    pub fn new(folder: &Path, from: Option<Position>) -> Self {
        Self { folder: folder.to_owned(), position: from, gap: None, open: None, line: Vec::new() }
    }

    /// A reader of what was written since then (milliseconds since the epoch), and of some before: it begins with the segment that was open
    /// at that time.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn since(folder: &Path, at: u64) -> io::Result<Self> {
        let names = segment::list(folder)?;
        // What a segment holds was decided before the next one was begun.
        let is_before = |name: &SegmentName| name.begun().saturating_mul(1000) <= at;
        let begin = names.iter().rev().find(|name| is_before(name)).or_else(|| names.first());
        Ok(Self::new(folder, begin.map(|segment| Position { segment: *segment, offset: 0 })))
    }

    /// The place behind everything that was read.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Where records may be missing because segments were removed before they were read; told once.
    ///
    /// A segment that was removed because nothing came into it is none, as long as an older one is there.
    pub fn take_gap(&mut self) -> Option<Position> {
        self.gap.take()
    }

    /// The next thing in the journal.
    ///
    /// After [`Read::End`] it can be asked again: it looks for what has come since.
    ///
    /// # Errors
    ///
    /// When the folder or a segment cannot be read; asked again, it tries again from the same place.
    pub fn read_next(&mut self) -> io::Result<Read> {
        loop {
            let Some(position) = self.open_segment()? else { return Ok(Read::End) };
            // Asked for before the file is read: a segment is complete when there is a newer one before its end is seen.
            let newer = self.newer_than(position)?;
            let Some(file) = &mut self.open else { return Ok(Read::End) };
            let read = read_line(file, &mut self.line);
            let line = match read {
                Ok(line) => line,
                Err(error) => {
                    self.open = None;
                    return Err(error);
                }
            };
            let octets = u64::try_from(self.line.len()).unwrap_or(u64::MAX);
            let next = Position { offset: position.offset.saturating_add(octets), ..position };
            match (line, newer) {
                (Line::Whole, _) => {
                    self.position = Some(next);
                    let json = self.line.strip_suffix(b"\n").and_then(frame::read);
                    let content = json.and_then(|json| serde_json::from_slice(json).ok());
                    return Ok(match content {
                        Some(content) => Read::Entry(Entry { content, next }),
                        None => Read::Damage(Damage { at: position, octets, is_torn_tail: false }),
                    });
                }
                (Line::TooLong, _) => {
                    self.position = Some(next);
                    return Ok(Read::Damage(Damage { at: position, octets, is_torn_tail: false }));
                }
                (Line::FileEnd, None) => {
                    // The other half may come: from the beginning of the line, then.
                    self.open = None;
                    return Ok(Read::End);
                }
                (Line::FileEnd, Some(newer)) => {
                    self.open = None;
                    self.position = Some(Position { segment: newer, offset: 0 });
                    if octets > 0 {
                        return Ok(Read::Damage(Damage { at: position, octets, is_torn_tail: true }));
                    }
                }
            }
        }
    }

    /// Opens the segment of the position, or the next one there is; `None` when there is none.
    fn open_segment(&mut self) -> io::Result<Option<Position>> {
        if let (Some(_), Some(position)) = (&self.open, self.position) {
            return Ok(Some(position));
        }
        let wanted = self.position;
        let names = segment::list(&self.folder)?;
        if let Some(wanted) = wanted.filter(|wanted| !names.contains(&wanted.segment)) {
            let has_older = names.first().is_some_and(|oldest| *oldest < wanted.segment);
            // The writer removes the oldest first, and what it closes empty.
            if wanted.offset > 0 || !has_older {
                self.gap = Some(wanted);
            }
        }
        let found = names.into_iter().find(|name| wanted.is_none_or(|wanted| *name >= wanted.segment));
        let Some(segment) = found else { return Ok(None) };
        let offset = wanted.filter(|wanted| wanted.segment == segment).map_or(0, |wanted| wanted.offset);
        // A pipe or a device under the name of a segment is none, and would be waited for.
        let opened = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(segment.path(&self.folder));
        let mut file = opened?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other(format!("{segment} is not a regular file")));
        }
        file.seek(SeekFrom::Start(offset))?;
        self.open = Some(BufReader::with_capacity(64 * 1024, file));
        self.position = Some(Position { segment, offset });
        Ok(self.position)
    }

    fn newer_than(&mut self, position: Position) -> io::Result<Option<SegmentName>> {
        let is_at_end = match &self.open {
            Some(file) => !file.buffer().contains(&b'\n'),
            None => true,
        };
        if !is_at_end {
            return Ok(None);
        }
        let names = segment::list(&self.folder)?;
        let newer = names.iter().find(|name| **name > position.segment).copied();
        // It was removed while it was read, and the oldest go first: others may have gone with it.
        if newer.is_some() && position.offset > 0 && !names.contains(&position.segment) {
            self.gap = Some(position);
        }
        Ok(newer)
    }
}

/// Reads to the next line end or to the most that a line may have.
fn read_line(file: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    loop {
        let available = match file.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(Line::FileEnd);
        }
        let room = MAX_LINE.saturating_sub(line.len());
        let taken = memchr::memchr(b'\n', available).map_or(available.len(), |at| at.saturating_add(1)).min(room);
        let piece = available.get(..taken).unwrap_or(available);
        line.extend_from_slice(piece);
        file.consume(taken);
        if line.ends_with(b"\n") {
            return Ok(Line::Whole);
        }
        if line.len() >= MAX_LINE {
            return Ok(Line::TooLong);
        }
    }
}
