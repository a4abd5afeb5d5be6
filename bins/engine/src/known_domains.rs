//! Which domains were known before the daemon started, read from its journal.
//!
//! Mail that passed and was accepted in the last sixty days counts, once a message, as it does while the daemon runs. It is read beside the mail path; until it is done, domains are
//! less known than they are, and what is done to failing mail is milder.

use std::io;
use std::path::Path;

use dkim_core::UnixTime;

use crate::journal::record::Content;
use crate::journal::{Read, Reader};
use crate::message::dmarc::KnownDomains;

/// Seconds back from the start that are looked at.
const REACH: u64 = 60 * 86_400;

/// How often a segment that is gone when it is to be opened is looked for again.
const MAX_RETRIES: u32 = 5;

/// Counts the messages of a journal that passed before the daemon started at `start`; gives back how many.
///
/// # Errors
///
/// When the folder or a segment cannot be read; what was read until then counts.
pub fn count(journal: &Path, known: &KnownDomains, start: UnixTime) -> io::Result<u64> {
    let mut counted: u64 = 0;
    let mut reader = Reader::since(journal, start.as_secs().saturating_sub(REACH).saturating_mul(1000))?;
    let mut retries: u32 = 0;
    loop {
        let entry = match reader.read_next() {
            Ok(Read::End) => return Ok(counted),
            Ok(Read::Damage(_)) => continue,
            Ok(Read::Entry(entry)) => entry,
            // Old segments go away while the others are read; what was to be opened may be one of them.
            Err(error) if error.kind() == io::ErrorKind::NotFound && journal.is_dir() && retries < MAX_RETRIES => {
                retries = retries.saturating_add(1);
                continue;
            }
            Err(error) => return Err(error),
        };
        retries = 0;
        let Content::Message(record) = entry.content else { continue };
        let at = UnixTime::from_secs(record.at / 1000);
        // What came since is counted where it is judged.
        if at >= start || at.as_secs() < start.as_secs().saturating_sub(REACH) {
            continue;
        }
        // What was put off comes again, and what was refused says nothing for its domain.
        let taken = record.dmarc.filter(|_| record.action == "accept");
        if let Some(dmarc) = taken.filter(|dmarc| dmarc.result == "pass" && !dmarc.counts_for.is_empty()) {
            known.passed(&dmarc.counts_for, dmarc.mark, at);
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
            action: "accept".to_owned(),
            dmarc: Some(Dmarc { result: result.to_owned(), counts_for: domain.to_owned(), ..Dmarc::default() }),
            ..Record::default()
        };
        let mut late = record(0, "a.example", "pass");
        late.at = start.as_secs() * 1000;
        let mut again = record(1, "b.example", "pass");
        again.dmarc.as_mut().unwrap().mark = Some(7);
        let records = [
            record(70, "a.example", "pass"),
            record(40, "a.example", "pass"),
            record(2, "a.example", "fail"),
            record(1, "a.example", "pass"),
            record(1, "", "pass"),
            again.clone(),
            again,
            Record { action: "tempfail".to_owned(), ..record(1, "a.example", "pass") },
            Record { action: "reject".to_owned(), ..record(1, "a.example", "pass") },
            Record { at: start.as_secs(), ..Record::default() },
            late,
        ];
        for record in records {
            journal.journal().append(record).await;
        }
        assert!(journal.finish(Duration::from_secs(10)));
        let known = KnownDomains::default();
        // The segment was begun now, which is after all of that: it is the first one, and read from its beginning.
        assert_eq!(count(folder.path(), &known, start).unwrap(), 4);
        assert_eq!(
            (known.count("a.example"), known.count("b.example")),
            (2, 1),
            "a message that came again counts once"
        );
        assert!(count(&folder.path().join("absent"), &known, start).is_err());
    }
}
