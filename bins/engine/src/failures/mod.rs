//! Mail whose domain owners want to hear of its failure (RFC 9991): chosen here, kept on disk, reported by another program.
//!
//! ```text
//!  verdict ─► wanted (fo=) ─► Failure ─► Spool ─► thread ─► folder ┄┄► postseal-report: external check, limits, redaction, mail
//! ```
//!
//! Off by default: a failure report tells a stranger about a single message. What is kept has the header section and the addresses of the envelope, so its files are for their owner
//! alone (mode 0600), apart from the journal, and removed as soon as they were reported.
//!
//! Nothing of this delays mail: a message hands its failure to a queue that never waits. What is not kept, for a limit or for want of a disk, is counted, and the counts come to the same
//! folder: RFC 9991 §2 has the number of a report's incidents in place of more reports.

mod record;
mod spool;
mod wanted;
mod writer;

pub use self::record::{Failure, MAX_HEADER, MAX_RECIPIENTS, Merged, Signature, Spooled};
pub use self::spool::{MAX_FILE, SpoolError, list, read, remove};
pub use self::wanted::{Mechanisms, Wanted, wanted};
pub use self::writer::{MAX_DOMAINS, MAX_FILES, QUEUE_LENGTH, Spool};
