//! The writing end: a queue that mail fills, and a thread that writes a file for each failure, up to a limit for each policy domain.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::record::{Failure, Merged, Spooled};
use super::spool::{self, SUFFIX};

/// Failures in memory that wait for the disk.
pub const QUEUE_LENGTH: usize = 256;

/// Files in the folder: while nobody takes them away, no more are written.
pub const MAX_FILES: usize = 10_000;

/// Policy domains of a day that are counted.
pub const MAX_DOMAINS: usize = 10_000;

/// Pause between two looks at how many files are left.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How often counts of messages that were not kept come to the folder.
const COUNT_EVERY: Duration = Duration::from_secs(600);

const DAY: u64 = 86_400_000;

/// A folder of failures; a clone writes to the same one through the same thread.
#[derive(Clone, Debug)]
pub struct Spool {
    folder: Arc<Path>,
    per_domain: u64,
    queue: SyncSender<Job>,
    state: Arc<State>,
}

#[derive(Debug)]
enum Job {
    Failure(Box<Failure>),
    /// Write what is only counted; the answer is whether all is written.
    Flush(SyncSender<bool>),
}

#[derive(Debug, Default)]
struct State {
    /// Failures that are neither kept nor counted for their domain.
    lost: AtomicU64,
}

impl Spool {
    /// Keeps failures in this folder, at most `per_domain` of a policy domain and day; the folder is made with the first one. Starts the thread, which ends with the
    /// last clone.
    #[must_use]
    pub fn new(folder: &Path, per_domain: u64) -> Self {
        let (queue, jobs) = sync_channel(QUEUE_LENGTH);
        let state = Arc::new(State::default());
        let writer = Writer::new(folder, per_domain, Arc::clone(&state));
        let thread = std::thread::Builder::new().name("failures".to_owned()).spawn(move || writer.run(&jobs));
        if let Err(error) = thread {
            tracing::error!(folder = %folder.display(), "no failures are kept, there is no thread for it: {error}");
        }
        Self { folder: Arc::from(folder), per_domain, queue, state }
    }

    /// Whether it keeps them there, within this limit.
    #[must_use]
    pub fn is_as(&self, folder: &Path, per_domain: u64) -> bool {
        &*self.folder == folder && self.per_domain == per_domain
    }

    /// Hands over a failure. Never waits: with a full queue it is lost, and that is counted and logged.
    pub fn append(&self, failure: Box<Failure>) {
        if self.queue.try_send(Job::Failure(failure)).is_err() {
            self.state.lose(&self.folder, 1);
        }
    }

    /// Failures since the start that are neither kept nor counted for their domain.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Acquire)
    }

    /// Waits until everything is in the folder, counts too; whether that was so within `patience`.
    #[must_use]
    pub fn finish(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        let (answer, answered) = sync_channel(1);
        let mut job = Job::Flush(answer);
        loop {
            match self.queue.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(same)) if begun.elapsed() < patience => job = same,
                Err(_) => return false,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        answered.recv_timeout(patience.saturating_sub(begun.elapsed())).unwrap_or(false)
    }
}

impl State {
    fn lose(&self, folder: &Path, messages: u64) {
        let before = self.lost.fetch_add(messages, Ordering::AcqRel);
        let lost = before.saturating_add(messages);
        // At the first one, and then ever more seldom.
        if before.checked_ilog2() != lost.checked_ilog2() {
            tracing::error!(folder = %folder.display(), lost, "failures are not kept, and will not be reported");
        }
    }
}

/// What is known of a policy domain today.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    day: u64,
    kept: u64,
    /// Not kept, and not in the folder as a number yet.
    merged: u64,
}

struct Writer {
    folder: PathBuf,
    per_domain: u64,
    state: Arc<State>,
    counts: HashMap<String, Count>,
    /// Files in the folder, as far as known: those that were taken away since are still counted.
    files: usize,
    looked: Option<Instant>,
    counted: Instant,
    /// When this writer began: in containers each process has the same id, and a day's count the same time.
    begun: u128,
    number: u64,
    is_failing: bool,
}

impl Writer {
    fn new(folder: &Path, per_domain: u64, state: Arc<State>) -> Self {
        Self {
            folder: folder.to_owned(),
            per_domain,
            state,
            counts: HashMap::new(),
            files: 0,
            looked: None,
            counted: Instant::now(),
            begun: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos()),
            number: 0,
            is_failing: false,
        }
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(COUNT_EVERY) {
                Ok(Job::Failure(failure)) => self.take(*failure),
                Ok(Job::Flush(answer)) => {
                    self.write_counts(u64::MAX);
                    // Who asked may have gone.
                    let _ = answer.send(self.counts.values().all(|count| count.merged == 0));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.counted.elapsed() >= COUNT_EVERY {
                self.write_counts(u64::MAX);
            }
        }
        self.write_counts(u64::MAX);
    }

    fn take(&mut self, failure: Failure) {
        let domain = failure.published.domain.clone();
        let day = failure.at / DAY;
        if self.counts.get(&domain).is_some_and(|count| count.day != day) {
            self.write_counts(day);
        }
        if self.counts.len() >= MAX_DOMAINS && !self.counts.contains_key(&domain) {
            self.write_counts(day);
            // Those of today stay: who brings many domains does not bring back what others have had.
            if self.counts.len() >= MAX_DOMAINS {
                self.state.lose(&self.folder, 1);
                return;
            }
        }
        let count = self.counts.entry(domain).or_insert_with(|| Count { day, ..Count::default() });
        if count.kept >= self.per_domain {
            count.merged = count.merged.saturating_add(1);
            return;
        }
        count.kept = count.kept.saturating_add(1);
        let (at, domain) = (failure.at, failure.published.domain.clone());
        if !self.write(at, &Spooled::Failure(Box::new(failure)))
            && let Some(count) = self.counts.get_mut(&domain)
        {
            count.merged = count.merged.saturating_add(1);
        }
    }

    /// Writes the counts of all days before `until`. What cannot be written waits in memory.
    fn write_counts(&mut self, until: u64) {
        self.counted = Instant::now();
        let due = |count: &Count| count.day < until && count.merged > 0;
        let domains: Vec<String> =
            self.counts.iter().filter(|(_, count)| due(count)).map(|(domain, _)| domain.clone()).collect();
        for domain in domains {
            let Some(count) = self.counts.get(&domain).copied() else { continue };
            let merged = Merged { domain: domain.clone(), day: count.day, messages: count.merged };
            if !self.write(count.day.saturating_mul(DAY), &Spooled::Merged(merged)) {
                self.state.lose(&self.folder, if until == u64::MAX { 0 } else { count.merged });
                continue;
            }
            if let Some(count) = self.counts.get_mut(&domain) {
                count.merged = 0;
            }
        }
        if until != u64::MAX {
            self.counts.retain(|_, count| count.day >= until);
        }
    }

    /// Writes one file; whether it is there.
    fn write(&mut self, at: u64, spooled: &Spooled) -> bool {
        if self.is_full() {
            return false;
        }
        self.number = self.number.wrapping_add(1);
        let name = format!("{at:013}-{:x}-{}-{:06}{SUFFIX}", self.begun, std::process::id(), self.number);
        let written =
            serde_json::to_vec(spooled).map_err(io::Error::other).and_then(|text| put(&self.folder, &name, &text));
        match written {
            Ok(()) => {
                self.files = self.files.saturating_add(1);
                self.is_failing = false;
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(folder = %self.folder.display(), "failures cannot be kept: {error}; they are counted, and mail goes on");
                }
                false
            }
        }
    }

    fn is_full(&mut self) -> bool {
        let is_old = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_AGAIN);
        if self.looked.is_none() || (self.files >= MAX_FILES && is_old) {
            self.looked = Some(Instant::now());
            self.files = spool::list(&self.folder).map_or(0, |files| files.len());
            if self.files >= MAX_FILES {
                let files = self.files;
                tracing::error!(folder = %self.folder.display(), files, "nobody takes failures away to report them: further ones are counted only");
            }
        }
        self.files >= MAX_FILES
    }
}

/// Writes a file that is whole or not there.
fn put(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let part = folder.join(format!(".{name}"));
    let file = match new_file(&part) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            new_file(&part)?
        }
        file => file?,
    };
    let written = write(file, text).and_then(|()| fs::rename(&part, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(mut file: File, text: &[u8]) -> io::Result<()> {
    file.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::Published;
    use std::os::unix::fs::PermissionsExt as _;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn failure(domain: &str, at: u64) -> Box<Failure> {
        let published = Published { domain: domain.to_owned(), ..Published::default() };
        Box::new(Failure { at, published, header: b"From: \xff\r\n".to_vec(), ..Failure::default() })
    }

    fn all(folder: &Path) -> Vec<Spooled> {
        spool::list(folder).unwrap().iter().map(|file| spool::read(file).unwrap()).collect()
    }

    #[test]
    fn failures_are_files_for_their_owner_alone_oldest_first() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("failures");
        assert_eq!(spool::list(&folder).unwrap().len(), 0, "a folder that is not there");
        let spool = Spool::new(&folder, 10);
        for at in [3, 1, 2] {
            spool.append(failure("a.example", at));
        }
        assert!(spool.finish(PATIENCE));
        let ats: Vec<u64> = all(&folder)
            .into_iter()
            .map(|spooled| match spooled {
                Spooled::Failure(failure) => failure.at,
                Spooled::Merged(other) => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ats, [1, 2, 3]);
        let file = &spool::list(&folder).unwrap()[0];
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let Spooled::Failure(read) = spool::read(file).unwrap() else { panic!() };
        assert_eq!(read.header, b"From: \xff\r\n");
        spool::remove(file).unwrap();
        spool::remove(file).unwrap();
        assert_eq!(spool::list(&folder).unwrap().len(), 2);
    }

    #[test]
    fn rfc9991_s2_beyond_the_limit_of_a_domain_they_are_counted_and_no_count_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path(), 2);
        for _ in 0..5 {
            spool.append(failure("a.example", 5 * DAY));
        }
        spool.append(failure("b.example", 5 * DAY));
        // The next day has a limit of its own.
        for _ in 0..3 {
            spool.append(failure("a.example", 6 * DAY));
        }
        assert!(spool.finish(PATIENCE));
        let (mut kept, mut merged) = (Vec::new(), Vec::new());
        for spooled in all(folder.path()) {
            match spooled {
                Spooled::Failure(failure) => kept.push((failure.published.domain.clone(), failure.at / DAY)),
                Spooled::Merged(Merged { domain, day, messages }) => merged.push((domain, day, messages)),
            }
        }
        kept.sort();
        let name = |name: &str| name.to_owned();
        let expected = [("a.example", 5), ("a.example", 5), ("a.example", 6), ("a.example", 6), ("b.example", 5)];
        assert_eq!(kept, expected.map(|(domain, day)| (name(domain), day)));
        assert_eq!(merged, [(name("a.example"), 5, 3), (name("a.example"), 6, 1)]);
    }

    #[test]
    fn rfc9991_s2_many_domains_bring_back_no_limit_that_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(State::default());
        let mut writer = Writer::new(folder.path(), 0, Arc::clone(&state));
        for number in 0..=MAX_DOMAINS {
            writer.take(*failure(&format!("d{number}.example"), 5 * DAY));
        }
        assert_eq!((writer.counts.len(), state.lost.load(Ordering::Acquire)), (MAX_DOMAINS, 1));
        writer.take(*failure("d0.example", 5 * DAY));
        assert_eq!(writer.counts["d0.example"].merged, 2);
        // The next day has room.
        writer.take(*failure("new.example", 6 * DAY));
        assert_eq!((writer.counts.len(), state.lost.load(Ordering::Acquire)), (1, 1));
    }

    #[test]
    fn counts_of_two_writers_with_one_process_id_are_both_there() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut writer = Writer::new(folder.path(), 0, Arc::default());
            writer.take(*failure("a.example", 5 * DAY));
            writer.write_counts(u64::MAX);
        }
        assert_eq!(all(folder.path()).len(), 2);
    }

    #[test]
    fn a_folder_that_cannot_be_made_delays_nobody_and_its_failures_are_counted_once_it_can() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("file").join("failures");
        fs::write(parent.path().join("file"), "in the way").unwrap();
        let spool = Spool::new(&folder, 10);
        spool.append(failure("a.example", DAY));
        assert!(!spool.finish(PATIENCE), "it is counted, and nowhere but in memory");
        fs::remove_file(parent.path().join("file")).unwrap();
        spool.append(failure("a.example", 2 * DAY));
        assert!(spool.finish(PATIENCE));
        let spooled = all(&folder);
        assert!(
            matches!(&spooled[0], Spooled::Merged(merged) if (merged.day, merged.messages) == (1, 1)),
            "{spooled:?}"
        );
        assert!(matches!(&spooled[1], Spooled::Failure(_)) && spooled.len() == 2, "{spooled:?}");
    }

    #[test]
    fn what_is_no_such_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.json");
        fs::write(&path, "{\"failure\":{\"header\":\"%%\"}}").unwrap();
        assert!(matches!(spool::read(&path), Err(spool::SpoolError::Json(_))));
        fs::write(&path, vec![b' '; usize::try_from(spool::MAX_FILE).unwrap() + 1]).unwrap();
        assert!(matches!(spool::read(&path), Err(spool::SpoolError::TooLarge)));
    }
}
