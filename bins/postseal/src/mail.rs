//! Message files.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use engine::regular_file;

use crate::exit::{Exit, Failure};

/// Most octets of a message that are read: no MTA takes more, and a device has no end.
pub(crate) const MAX_MAIL: u64 = 256 * 1024 * 1024;

/// A message: its octets, its header section, and where its body begins.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) octets: Vec<u8>,
    pub(crate) headers: Arc<HeaderBlock>,
    body_at: usize,
}

impl Mail {
    /// Reads `file`, or standard input for `-`; with `crlf`, bare line feeds become CRLF.
    pub(crate) fn read(file: &Path, crlf: bool) -> Result<Self, Failure> {
        let octets = octets(file)?;
        Self::parse(if crlf { with_crlf(&octets) } else { octets })
    }

    /// Reads a message as it is stored, and gives it the line ends with which it was sent; whether it had others. With `crlf`, every bare line feed becomes
    /// CRLF, also where the first line ends with one.
    pub(crate) fn read_stored(file: &Path, crlf: bool) -> Result<(Self, bool), Failure> {
        let octets = octets(file)?;
        let is_of_this_system = crlf || has_line_feeds(&octets);
        Ok((Self::parse(if is_of_this_system { with_crlf(&octets) } else { octets })?, is_of_this_system))
    }

    pub(crate) fn parse(octets: Vec<u8>) -> Result<Self, Failure> {
        let has_bare_feeds = has_bare_feed(&octets);
        let hint = if has_bare_feeds {
            "the file has LF line ends: add `--crlf`"
        } else {
            "name a file with one whole message"
        };
        let (headers, body_at) = HeaderBlock::parse(&octets, HeaderLimits::default())
            .map_err(|error| Failure::new(Exit::Fail, format!("this is not a message: {error}"), hint))?;
        Ok(Self { octets, headers: Arc::new(headers), body_at })
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.octets.get(self.body_at..).unwrap_or_default()
    }

    /// Whether line feeds stand without carriage return: a file of this system, not what was sent.
    pub(crate) fn has_bare_feeds(&self) -> bool {
        has_bare_feed(&self.octets)
    }
}

/// What is in `file`, a regular one, or on standard input for `-`.
fn octets(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = if file == Path::new("-") {
        bounded(io::stdin().lock(), MAX_MAIL)
    } else {
        regular_file::open(file).and_then(|opened| bounded(opened, MAX_MAIL))
    };
    read.map_err(|error| {
        let cause = format!("{} cannot be read: {error}", file.display());
        Failure::new(Exit::Usage, cause, "name a file, or `-` for standard input")
    })
}

/// Everything that `source` has.
///
/// # Errors
///
/// What the system says, and more than `most` octets.
pub(crate) fn bounded(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let read = source.take(most.saturating_add(1)).read_to_end(&mut octets)?;
    if u64::try_from(read).is_ok_and(|read| read <= most) {
        return Ok(octets);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} octets")))
}

fn has_bare_feed(octets: &[u8]) -> bool {
    octets.first() == Some(&b'\n') || octets.windows(2).any(|pair| matches!(pair, [before, b'\n'] if *before != b'\r'))
}

/// Whether the first line ends with a bare line feed: stored mail has the line ends of this system, but for what a system that has CRLF wrote.
pub(crate) fn has_line_feeds(octets: &[u8]) -> bool {
    let first = octets.iter().position(|octet| *octet == b'\n').and_then(|at| octets.get(..at));
    first.is_some_and(|line| !line.ends_with(b"\r"))
}

/// The octets with CRLF in place of every LF that has no CR.
pub(crate) fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    let mut before = 0;
    for octet in octets {
        if *octet == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(*octet);
        before = *octet;
    }
    out
}

/// The time now.
pub(crate) fn now() -> UnixTime {
    // A clock before 1970 counts as 1970.
    UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_feeds_become_crlf_and_crlf_stays() {
        assert_eq!(with_crlf(b"\na\r\nb\n\r\rc\n"), b"\r\na\r\nb\r\n\r\rc\r\n");
        assert_eq!(with_crlf(b""), b"");
        assert!(has_line_feeds(b"a\nb\r\n") && has_line_feeds(b"\n"));
        assert!(!has_line_feeds(b"a\r\nb\n") && !has_line_feeds(b"a") && !has_line_feeds(b""));
        assert!(has_bare_feed(b"a\nb") && has_bare_feed(b"\n") && !has_bare_feed(b"a\r\nb\r"));
    }

    #[test]
    fn a_source_without_end_is_not_read_to_its_end() {
        assert_eq!(bounded(&b"1234"[..], 4).unwrap(), b"1234");
        assert_eq!(bounded(&b""[..], 0).unwrap(), b"");
        let error = bounded(io::repeat(b'x'), 4).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 4 octets");
    }

    #[test]
    fn what_is_no_message_gets_a_hint() {
        let failure = Mail::parse(b"no header at all\n".to_vec()).unwrap_err();
        assert!(failure.fix.contains("--crlf"), "{failure:?}");
        let mail = Mail::parse(b"From: a@b.example\r\n\r\nbody".to_vec()).unwrap();
        assert_eq!((mail.headers.len(), mail.body()), (1, b"body".as_slice()));
    }
}
