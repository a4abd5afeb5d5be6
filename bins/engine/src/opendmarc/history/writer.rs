//! The writing end: a queue that mail fills, and a thread that appends each record to the file.
//!
//! The file is opened and locked for each record, and the name looked up again once the lock is held: a script that renames the file and reads it has every
//! record in one of both. Whoever holds the lock for long, or a disk that is full, holds up this thread alone: records wait in memory and are tried
//! again every [`RETRY`]; what comes on top of [`QUEUE_LENGTH`] is lost, counted and logged. A record that came to the disk in part is taken back.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

/// Records in memory that wait for the disk.
pub const QUEUE_LENGTH: usize = 4096;

/// Pause before a file that cannot be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Times that the file is looked for again when it was renamed while the lock was waited for.
const LOOKS: usize = 10;

/// A history file; a clone writes to the same one through the same thread.
#[derive(Clone, Debug)]
pub struct History {
    path: Arc<Path>,
    queue: SyncSender<String>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Records that were taken and are neither written nor lost.
    waiting: AtomicU64,
    lost: AtomicU64,
    is_failing: AtomicBool,
}

impl History {
    /// A history in this file, which is made with the first record. Starts the thread, which ends with the last clone.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self::with_queue(path, QUEUE_LENGTH)
    }

    fn with_queue(path: &Path, length: usize) -> Self {
        let (queue, records) = sync_channel(length);
        let state = Arc::new(State::default());
        let writer = Writer { path: path.to_owned(), state: Arc::clone(&state) };
        let thread = std::thread::Builder::new().name("history".to_owned()).spawn(move || writer.run(&records));
        if let Err(error) = thread {
            // The queue has no other end then: every record is lost, and counted.
            tracing::error!(file = %path.display(), "no history is written, there is no thread for it: {error}");
        }
        Self { path: Arc::from(path), queue, state }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands over a record. Never waits: with a full queue the record is lost and counted.
    pub fn append(&self, record: String) {
        self.state.waiting.fetch_add(1, Ordering::AcqRel);
        if self.queue.try_send(record).is_err() {
            self.state.waiting.fetch_sub(1, Ordering::AcqRel);
            let lost = self.state.lost.fetch_add(1, Ordering::AcqRel).saturating_add(1);
            if lost.is_power_of_two() {
                tracing::error!(file = %self.path.display(), lost, "records of the history file are lost");
            }
        }
    }

    /// Records lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Acquire)
    }

    /// Whether the file cannot be written at present: records wait in memory.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.state.is_failing.load(Ordering::Acquire)
    }

    /// Waits until everything is written; whether that was so within `patience`. At once where the file cannot be written.
    #[must_use]
    pub fn finish(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.state.waiting.load(Ordering::Acquire) > 0 {
            if self.is_failing() || begun.elapsed() >= patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }
}

struct Writer {
    path: PathBuf,
    state: Arc<State>,
}

impl Writer {
    fn run(self, records: &Receiver<String>) {
        while let Ok(record) = records.recv() {
            while let Err(error) = append(&self.path, record.as_bytes()) {
                let file = self.path.display();
                if !self.state.is_failing.swap(true, Ordering::AcqRel) {
                    tracing::error!(%file, "the history file cannot be written: {error}; mail goes on, records wait in memory");
                }
                std::thread::sleep(RETRY);
                // Nobody has this history any more, after a reload that named another file.
                if Arc::strong_count(&self.state) == 1 {
                    tracing::error!(%file, "the last records of the history file are lost");
                    return;
                }
            }
            self.state.waiting.fetch_sub(1, Ordering::AcqRel);
            if self.state.is_failing.swap(false, Ordering::AcqRel) {
                let lost = self.state.lost.load(Ordering::Acquire);
                tracing::info!(file = %self.path.display(), lost, "the history file is written again");
            }
        }
    }
}

/// Appends a record.
fn append(path: &Path, record: &[u8]) -> io::Result<()> {
    let mut file = open_locked(path)?;
    let before = file.metadata()?.len();
    let written = file.write_all(record);
    if written.is_err() {
        // Half a record would have the next one behind it.
        file.set_len(before)?;
    }
    written
}

/// The file that has the name, locked. The lock is given back with the file.
fn open_locked(path: &Path) -> io::Result<File> {
    for _ in 0..LOOKS {
        // As fopen(3) does it: the umask says who may read it. A pipe without a reader must not hold up the thread.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = OpenOptions::new().append(true).create(true).mode(0o666).custom_flags(flags.bits()).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        file.lock()?;
        let ours = file.metadata()?;
        match std::fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
            // It was renamed or removed while the lock was waited for: whoever did that may have read it already.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::Interrupted, "it is renamed again and again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn record(number: u32) -> String {
        format!("job Q{number}\naction 2\n")
    }

    /// Four threads of mail, and a script that renames the file and reads it, as opendmarc-importstats does.
    #[test]
    fn s3_4_no_record_is_lost_or_torn_while_a_script_takes_the_file_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let history = History::new(&path);
        let mail: Vec<_> = (0..4_u32)
            .map(|thread| {
                let history = history.clone();
                std::thread::spawn(move || {
                    for number in 0..250 {
                        history.append(record(thread * 1000 + number));
                        std::thread::sleep(Duration::from_micros(200));
                    }
                })
            })
            .collect();
        let mut taken = String::new();
        let moved = folder.path().join("moved");
        let mut take = || {
            if std::fs::rename(&path, &moved).is_ok() {
                // An import waits for who is writing, and takes the file.
                let file = File::open(&moved).unwrap();
                file.lock().unwrap();
                taken.push_str(&std::fs::read_to_string(&moved).unwrap());
                std::fs::remove_file(&moved).unwrap();
            }
        };
        while mail.iter().any(|thread| !thread.is_finished()) {
            take();
            std::thread::sleep(Duration::from_millis(3));
        }
        assert!(history.finish(PATIENCE));
        take();
        let mut jobs: Vec<&str> = taken.split_inclusive("action 2\n").collect();
        jobs.sort_unstable();
        let mut expected: Vec<String> =
            (0..4_u32).flat_map(|thread| (0..250).map(move |number| record(thread * 1000 + number))).collect();
        expected.sort_unstable();
        assert_eq!(jobs, expected);
        assert_eq!(history.lost(), 0);
    }

    #[test]
    fn s3_4_records_wait_while_the_folder_is_missing_and_what_is_too_much_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone/history");
        let history = History::with_queue(&path, 2);
        history.append(record(1));
        let begun = Instant::now();
        while !history.is_failing() {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(2));
        }
        // Two in the queue beside the one that is tried.
        let begun = Instant::now();
        (2..=5).for_each(|number| history.append(record(number)));
        assert!(begun.elapsed() < Duration::from_millis(500), "mail never waits");
        assert_eq!(history.lost(), 2);
        assert!(!history.finish(Duration::from_secs(5)));
        std::fs::create_dir(folder.path().join("gone")).unwrap();
        let begun = Instant::now();
        while history.is_failing() {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(history.finish(PATIENCE));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), [record(1), record(2), record(3)].concat());
    }

    #[test]
    fn s3_4_records_are_appended_and_a_device_is_no_history() {
        assert!(append(Path::new("/dev/full"), b"job 1\n").is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        append(&path, record(1).as_bytes()).unwrap();
        append(&path, record(2).as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), record(1) + &record(2));
    }

    #[test]
    fn s3_4_whoever_holds_the_lock_holds_up_no_mail() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        file.lock().unwrap();
        let history = History::new(&path);
        let begun = Instant::now();
        (0..100).for_each(|number| history.append(record(number)));
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert!(!history.finish(Duration::from_millis(50)));
        file.unlock().unwrap();
        assert!(history.finish(PATIENCE));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 200);
    }
}
