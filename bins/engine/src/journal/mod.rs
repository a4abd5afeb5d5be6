//! The journal: one record a message, of what was decided and why; everything that reports and explains reads it.
//!
//! ```text
//!  connection ─► Journal::append ─► queue ─► writer thread ─► segment files ┄┄► Reader
//! ```
//!
//! A journal is a folder of segments. A segment is a text file of frames, one a line (`frame`); a new one is begun at each start, when the
//! old one is large enough or old enough, and after an error, so a file that was once closed never changes again. Names sort by age.
//!
//! What is promised:
//!
//! - Mail does not wait for the disk. With a full queue a connection waits [`PATIENCE`] for a place, and not at all while the disk fails;
//!   then the record is lost, which is counted, logged, and written into the journal itself once it can be written again.
//! - What was appended is written a few milliseconds later, or when the disk has done the sync that it is at. From then on it survives the end of
//!   the process at any moment; a power cut takes what was written within the last second.
//! - A torn or damaged frame costs itself alone: the reader finds the next line and says how many octets it passed over.
//!
//! No address and no text of a message comes in here: domains, words and numbers only.
//!
//! *Limits*: [`MAX_RECORD`] octets a record, [`QUEUE_LENGTH`] records in memory, [`Settings`] for the files.

mod files;
mod frame;
mod reader;
pub mod record;
mod segment;
mod writer;

pub use self::frame::MAX_RECORD;
pub use self::reader::{Damage, Entry, Read, Reader, identity};
pub use self::record::Record;
pub use self::segment::{NotASegment, Position, SegmentName};
pub(crate) use self::writer::milliseconds;
pub use self::writer::{Journal, JournalError, JournalThread, PATIENCE, QUEUE_LENGTH, Settings};

#[cfg(test)]
mod tests;
