//! Mbox files: messages one below the other, each behind a line `From SENDER DATE`.
//!
//! *Standard*: RFC 4155 for the separator; there is none for the rest. The form read here is mboxrd: lines of a message that begin with `From `, or with
//! that behind any number of `>`, were written with one `>` more, which is taken off again. mboxo differs in lines that had a `>` of their own, which no
//! reader can tell.
//!
//! A line separates two messages only at the beginning of the file or behind an empty line, and only with a date as `ctime` writes it: prose that
//! begins with "From here on" does not. The empty line belongs to the separator.
//!
//! Invariants: one pass, linear; a message of more than [`MAX_MESSAGE`] octets is read to its end and not kept; lines may be of any length.

use std::io::{self, BufRead};

use dkim_core::UnixTime;
use jiff::fmt::rfc2822::DateTimeParser;

use super::MAX_MESSAGE;

/// How an mbox begins.
pub const START: &[u8] = b"From ";

/// Octets of the longest separator.
const MAX_FROM_LINE: usize = 1024;

/// Octets that are looked at together.
const PIECE: usize = 64 * 1024;

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The line before a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FromLine {
    /// The sender: an address, or `MAILER-DAEMON` for the null sender; none where it is empty or more than one word.
    pub sender: Option<Vec<u8>>,
    /// The date, which has no time zone and is taken for UTC.
    pub date: Option<UnixTime>,
}

impl FromLine {
    /// Reads a line, with or without its line end; `None` for one that separates nothing.
    ///
    /// ```
    /// use engine::stored::mbox::FromLine;
    ///
    /// let line = FromLine::parse(b"From jo@example.com Tue Nov  4 12:00:00 2025\n").unwrap();
    /// assert_eq!(line.sender.as_deref(), Some(&b"jo@example.com"[..]));
    /// assert_eq!(line.date.unwrap().as_secs(), 1_762_257_600);
    /// assert_eq!(FromLine::parse(b"From here on, all is well.\n"), None);
    /// ```
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let text = line.strip_prefix(START).filter(|_| line.len() <= MAX_FROM_LINE)?;
        let words: Vec<&[u8]> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
        let month = words.windows(3).position(|triple| match triple {
            [month, day, time] => MONTHS.contains(month) && is_day(day) && is_time(time),
            _ => false,
        })?;
        let [month_name, day, time, rest @ ..] = words.get(month..)? else { return None };
        let year = rest.iter().find(|word| word.len() == 4 && word.iter().all(u8::is_ascii_digit))?;
        let date = [*day, month_name, year, time, b"+0000"].join(&b' ');
        // What stands before the month is the weekday.
        let sender = match words.get(..month.checked_sub(1)?)? {
            [one] => Some(one.to_vec()),
            _ => None,
        };
        Some(Self { sender, date: time_of(&date) })
    }
}

fn is_day(word: &[u8]) -> bool {
    (1..=2).contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
}

/// `HH:MM` or `HH:MM:SS`.
fn is_time(word: &[u8]) -> bool {
    matches!(word.len(), 5 | 8)
        && word.iter().enumerate().all(|(at, octet)| if at % 3 == 2 { *octet == b':' } else { octet.is_ascii_digit() })
}

fn time_of(date: &[u8]) -> Option<UnixTime> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let time = PARSER.parse_timestamp(std::str::from_utf8(date).ok()?).ok()?;
    u64::try_from(time.as_second()).ok().map(UnixTime::from_secs)
}

/// What an mbox has next.
#[derive(Debug)]
pub enum Item {
    /// A message.
    Message {
        /// The line before it.
        from: FromLine,
        /// What is in it, with the line ends of the file.
        octets: Vec<u8>,
    },
    /// A message of more than [`MAX_MESSAGE`] octets.
    TooLarge,
}

/// Reads an mbox.
#[derive(Debug)]
pub struct Mbox<R> {
    source: R,
    /// The line before the next message; `None` at the beginning and behind the end.
    next: Option<FromLine>,
    is_begun: bool,
    max_message: usize,
}

impl<R: BufRead> Mbox<R> {
    /// Messages of at most [`MAX_MESSAGE`] octets.
    pub fn new(source: R) -> Self {
        Self::with_limit(source, MAX_MESSAGE)
    }

    /// Messages of at most so many octets.
    pub fn with_limit(source: R, max_message: usize) -> Self {
        Self { source, next: None, is_begun: false, max_message }
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, or does not begin as an mbox does. It has no more messages then.
    pub fn next_message(&mut self) -> io::Result<Option<Item>> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let mut line = Vec::new();
            self.piece(&mut line)?;
            if line.is_empty() {
                return Ok(None);
            }
            let first = FromLine::parse(&line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no mbox"))?;
            self.next = Some(first);
        }
        let Some(from) = self.next.take() else { return Ok(None) };
        let (mut octets, mut piece, mut is_too_large) = (Vec::new(), Vec::new(), false);
        // Where we are: at the beginning of a line, and whether the line before it was empty.
        let (mut is_at_start, mut is_behind_empty) = (true, false);
        loop {
            piece.clear();
            self.piece(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            if is_at_start && is_behind_empty && piece.starts_with(START) {
                self.next = FromLine::parse(&piece);
                if self.next.is_some() {
                    break;
                }
            }
            let text = if is_at_start { unquoted(&piece) } else { &piece };
            if octets.len().saturating_add(text.len()) > self.max_message {
                // Its rest is read, so that the next one is found.
                is_too_large = true;
                octets = Vec::new();
            }
            if !is_too_large {
                octets.extend_from_slice(text);
            }
            is_behind_empty = is_at_start && matches!(piece.as_slice(), b"\n" | b"\r\n");
            is_at_start = piece.ends_with(b"\n");
        }
        if is_too_large {
            return Ok(Some(Item::TooLarge));
        }
        if is_behind_empty {
            let end = if octets.ends_with(b"\r\n") { 2 } else { 1 };
            octets.truncate(octets.len().saturating_sub(end));
        }
        Ok(Some(Item::Message { from, octets }))
    }

    /// Appends a line, or its next [`PIECE`] octets.
    fn piece(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let room = PIECE.saturating_sub(into.len());
            let line = memchr::memchr(b'\n', available).map_or(available.len(), |at| at.saturating_add(1));
            let taken = line.min(room);
            let given = available.get(..taken).unwrap_or_default();
            let is_done = given.is_empty() || given.ends_with(b"\n");
            into.extend_from_slice(given);
            self.source.consume(taken);
            if is_done || into.len() >= PIECE {
                return Ok(());
            }
        }
    }
}

/// A line without the `>` that was put before its `From `.
fn unquoted(line: &[u8]) -> &[u8] {
    let marks = line.iter().take_while(|octet| **octet == b'>').count();
    match line.get(marks..) {
        Some(rest) if marks > 0 && rest.starts_with(START) => line.get(1..).unwrap_or_default(),
        _ => line,
    }
}
