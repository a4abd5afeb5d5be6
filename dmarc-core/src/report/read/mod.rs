//! Reads aggregate reports of others: RFC 9990, RFC 7489, and what is sent as either.
//!
//! Most reports are valid under no schema, so nothing here depends on order, namespace, case, or on elements that should be there. What is read is handed
//! out record by record; a report is never in memory.
//!
//! | file | what |
//! |---|---|
//! | `container.rs` | gzip and zip, by what they begin with, unpacked as they are read, with limits |
//! | `charset.rs` | UTF-16 to UTF-8, octets to text |
//! | `token.rs` | tags and text |
//! | `element.rs` | which element stands where |
//! | `report.rs` | elements to values |
//! | `value.rs` | words, numbers, times and addresses as they come |
//! | `model.rs` | the values |
//!
//! There is no DTD, no entity but those of XML itself (and `&nbsp;`), and nothing that is fetched: RFC 9990 §8.1. A DOCTYPE with declarations in it refuses
//! the report.
//!
//! ```
//! use dmarc_core::report::read::{ReadLimits, read_container};
//!
//! let xml = b"<feedback><policy_published><domain>example.com</domain><p>none</p></policy_published>\
//!     <record><row><source_ip>192.0.2.1</source_ip><count>2</count></row></record></feedback>";
//! let mut messages = 0;
//! let reports = read_container(&xml[..], &ReadLimits::default(), |record| messages += record.count)?;
//! assert_eq!((reports[0].policy.domain.as_str(), messages), ("example.com", 2));
//! # Ok::<(), dmarc_core::report::read::ReadError>(())
//! ```

mod charset;
mod container;
mod element;
mod model;
mod report;
mod token;
mod value;

use std::io::{self, BufRead};

use thiserror::Error;

pub use self::container::read_container;
pub use self::model::{DkimResult, Policy, Reason, Record, Report, SpfResult};
pub use self::report::read_report;

/// What a report may cost. The defaults hold a report of a million records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers, who fill the rest from the default")]
pub struct ReadLimits {
    /// Octets of the file as it came; 20 MiB.
    pub compressed: u64,
    /// Octets unpacked, of all files in it; 256 MiB.
    pub expanded: u64,
    /// Octets unpacked for each that came, looked at behind the first MiB; 250.
    pub ratio: u64,
    /// Files in a zip; 16.
    pub members: usize,
    /// Packings in packings; 2.
    pub layers: usize,
    /// Elements in elements; 16, where a real report has 5.
    pub depth: usize,
    /// Octets kept of a text, a tag, or a name; 4096. The rest of a text is skipped.
    pub text: usize,
    /// Records; 1,000,000.
    pub records: u64,
    /// Results of DKIM kept of a record, and of SPF; 100.
    pub results: usize,
    /// Reasons kept of a record; 20.
    pub reasons: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            compressed: 20 << 20,
            expanded: 256 << 20,
            ratio: 250,
            members: 16,
            layers: 2,
            depth: 16,
            text: 4096,
            records: 1_000_000,
            results: 100,
            reasons: 20,
        }
    }
}

/// A limit of [`ReadLimits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Limit {
    /// [`ReadLimits::compressed`]
    #[error("file is too large")]
    Compressed,
    /// [`ReadLimits::expanded`]
    #[error("file is too large when unpacked")]
    Expanded,
    /// [`ReadLimits::ratio`]
    #[error("file unpacks to suspiciously much")]
    Ratio,
    /// [`ReadLimits::members`]
    #[error("archive has too many files")]
    Members,
    /// [`ReadLimits::layers`]
    #[error("file is packed too often")]
    Layers,
    /// [`ReadLimits::depth`]
    #[error("elements are nested too deep")]
    Depth,
    /// [`ReadLimits::text`]
    #[error("tag is too long")]
    Tag,
    /// [`ReadLimits::records`]
    #[error("report has too many records")]
    Records,
}

/// Why there is no report. Records that were handed out before are to be forgotten.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A limit.
    #[error(transparent)]
    Limit(#[from] Limit),
    /// There is a DOCTYPE with declarations.
    #[error("report declares entities or elements")]
    Doctype,
    /// There is no `feedback` in it.
    #[error("file is no aggregate report")]
    NoFeedback,
    /// There is no record in it.
    #[error("report has no records")]
    NoRecords,
    /// An archive that cannot be read: encrypted, or packed in another way than usual.
    #[error("archive cannot be unpacked")]
    Archive,
    /// The file cannot be read, from its beginning.
    #[error("file cannot be read")]
    Io(#[source] io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Limit>()) {
            Some(limit) => Self::Limit(*limit),
            None => Self::Io(error),
        }
    }
}

impl From<Limit> for io::Error {
    fn from(limit: Limit) -> Self {
        Self::other(limit)
    }
}

/// The first octets of a reader, and the reader with them in front again.
fn peeked<'a>(mut input: impl BufRead + 'a, length: usize) -> io::Result<(Vec<u8>, Box<dyn BufRead + 'a>)> {
    let mut first = Vec::with_capacity(length);
    while first.len() < length {
        let octets = match input.fill_buf() {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        };
        let taken = octets.len().min(length.saturating_sub(first.len()));
        if taken == 0 {
            break;
        }
        first.extend_from_slice(octets.get(..taken).unwrap_or_default());
        input.consume(taken);
    }
    let again = io::Read::chain(io::Cursor::new(first.clone()), input);
    Ok((first, Box::new(again)))
}
