//! Which domains were known before the daemon started, read from its journal.
//!
//! Mail that passed in the last sixty days counts, as it does while the daemon runs. It is read beside the mail path; until it is done, domains are
//! less known than they are, and what is done to failing mail is milder.

use std::io;
use std::path::Path;

use dkim_core::UnixTime;

use crate::journal::record::Content;
use crate::journal::{Read, Reader};
use crate::message::dmarc::KnownDomains;

/// Seconds back from the start that are looked at.
const REACH: u64 = 60 * 86_400;

/// Counts the messages of a journal that passed before the daemon started at `start`; gives back how many.
///
/// # Errors
///
/// When the folder or a segment cannot be read; what was read until then counts.
pub fn count(journal: &Path, known: &KnownDomains, start: UnixTime) -> io::Result<u64> {
    let mut counted: u64 = 0;
    let mut reader = Reader::since(journal, start.as_secs().saturating_sub(REACH).saturating_mul(1000))?;
    loop {
        let entry = match reader.read_next()? {
            Read::End => return Ok(counted),
            Read::Damage(_) => continue,
            Read::Entry(entry) => entry,
        };
        let Content::Message(record) = entry.content else { continue };
        let at = UnixTime::from_secs(record.at / 1000);
        // What came since is counted where it is judged.
        if at >= start || at.as_secs() < start.as_secs().saturating_sub(REACH) {
            continue;
        }
        if let Some(dmarc) = record.dmarc.filter(|dmarc| dmarc.result == "pass" && !dmarc.counts_for.is_empty()) {
            known.passed(&dmarc.counts_for, at);
            counted = counted.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journal::record::Dmarc;
    use crate::journal::{JournalThread, Record, Settings};

    #[tokio::test]
    async fn what_passed_before_the_start_counts_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let start = UnixTime::from_secs(1_790_000_000);
        let journal = JournalThread::spawn(Settings::new(folder.path().to_owned())).unwrap();
        let record = |days: u64, domain: &str, result: &str| Record {
            at: start.as_secs().saturating_sub(days * 86_400).saturating_sub(1) * 1000,
            dmarc: Some(Dmarc { result: result.to_owned(), counts_for: domain.to_owned(), ..Dmarc::default() }),
            ..Record::default()
        };
        let mut late = record(0, "a.example", "pass");
        late.at = start.as_secs() * 1000;
        let records = [
            record(70, "a.example", "pass"),
            record(40, "a.example", "pass"),
            record(2, "a.example", "fail"),
            record(1, "a.example", "pass"),
            record(1, "", "pass"),
            Record { at: start.as_secs(), ..Record::default() },
            late,
        ];
        for record in records {
            journal.journal().append(record).await;
        }
        assert!(journal.finish(Duration::from_secs(10)));
        let known = KnownDomains::default();
        // The segment was begun now, which is after all of that: it is the first one, and read from its beginning.
        assert_eq!(count(folder.path(), &known, start).unwrap(), 2);
        assert_eq!(known.count("a.example"), 2);
        assert!(count(&folder.path().join("absent"), &known, start).is_err());
    }
}
