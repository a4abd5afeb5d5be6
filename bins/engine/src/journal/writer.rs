//! The writing end: a queue that mail fills, and a thread that brings it to the disk.
//!
//! A thread and not a task: a slow disk holds up nothing but itself. What waits is written together, so that a thousand messages a second
//! cost few system calls. When the disk fails, what is in memory stays there and is tried again every [`RETRY`]; the segment is given up, so
//! that half a frame never has a whole one behind it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::files::Files;
use super::frame;
use super::record::{Content, Lost, Record};

/// Records in memory that wait for the disk; what comes on top waits [`PATIENCE`] and is then lost and counted.
pub const QUEUE_LENGTH: usize = 4096;

/// The longest time that a message waits for a place in the queue.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// Pause before a disk that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Records that are written together.
const RECORDS: usize = 256;

/// Pause in which records gather.
const GATHER: Duration = Duration::from_millis(5);

/// Where a journal is kept and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder; made when it is missing, with mode 0750.
    pub folder: PathBuf,
    /// Octets after which a new segment is begun; default 16 MiB.
    pub segment_size: u64,
    /// Time after which one is begun; default an hour.
    pub segment_age: Duration,
    /// Octets of all segments, of which the oldest go when there are more; default 2 GiB.
    pub max_size: u64,
    /// Time after which a segment goes; default 14 days.
    pub keep: Duration,
}

impl Settings {
    /// The defaults, in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            segment_size: 16 << 20,
            segment_age: Duration::from_secs(3600),
            max_size: 2 << 30,
            keep: Duration::from_secs(14 * 86_400),
        }
    }
}

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the journal in {} cannot be written", folder.display())]
pub struct JournalError {
    /// Its folder.
    pub folder: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The writing end for connections; a clone writes to the same journal.
#[derive(Clone, Debug)]
pub struct Journal(Option<Shared>);

#[derive(Clone, Debug)]
struct Shared {
    queue: Sender<Record>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Records that were lost and are not yet in the journal.
    lost: AtomicU64,
    lost_in_all: AtomicU64,
    is_failing: AtomicBool,
    is_finishing: AtomicBool,
    finish: Notify,
}

impl State {
    fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.lost_in_all.fetch_add(1, Ordering::Relaxed);
    }

    fn lost_in_all(&self) -> u64 {
        self.lost_in_all.load(Ordering::Relaxed)
    }
}

impl Journal {
    /// A journal that keeps nothing, where none is configured.
    #[must_use]
    pub fn disabled() -> Self {
        Self(None)
    }

    /// Whether records are kept: there is no use in making them otherwise.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Hands a record to the writer. *Limits*: waits at most [`PATIENCE`] for a place in the queue, and not at all while the disk fails;
    /// then the record is lost and counted.
    pub async fn append(&self, record: Record) {
        let Some(Shared { queue, state }) = &self.0 else { return };
        let record = match queue.try_send(record) {
            Ok(()) => return,
            Err(TrySendError::Full(record)) if !state.is_failing.load(Ordering::Relaxed) => record,
            Err(_) => return state.lose(),
        };
        if !matches!(timeout(PATIENCE, queue.send(record)).await, Ok(Ok(()))) {
            state.lose();
        }
    }

    /// A record that could not be made is lost like one that could not be written.
    pub fn miss(&self) {
        if let Some(shared) = &self.0 {
            shared.state.lose();
        }
    }

    /// Whether the disk fails at present: records wait in memory.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.state.is_failing.load(Ordering::Relaxed))
    }

    /// Records lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.state.lost_in_all())
    }
}

/// The thread that writes; keep it until the program ends.
#[derive(Debug)]
pub struct JournalThread {
    journal: Journal,
    thread: std::thread::JoinHandle<()>,
}

impl JournalThread {
    /// Opens the journal and starts its thread.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or a segment cannot be begun in it: at the start that is a mistake of the configuration.
    pub fn spawn(settings: Settings) -> Result<Self, JournalError> {
        Self::spawn_with_queue(settings, QUEUE_LENGTH)
    }

    pub(super) fn spawn_with_queue(settings: Settings, length: usize) -> Result<Self, JournalError> {
        let folder = settings.folder.clone();
        let failed = |source| JournalError { folder: folder.clone(), source };
        let (queue, records) = channel(length);
        let state = Arc::new(State::default());
        let files = Files::open(settings).map_err(failed)?;
        let writer = Writer { files, records, state: Arc::clone(&state), batch: Vec::new(), json: Vec::new() };
        // A runtime of its own, for its clock and its queue: nothing else waits while it writes.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread.spawn(move || runtime.block_on(writer.run())).map_err(failed)?;
        Ok(Self { journal: Journal(Some(Shared { queue, state })), thread })
    }

    /// A writing end.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// Writes what is queued and ends the thread; whether everything came to the disk within `patience`.
    pub fn finish(self, patience: Duration) -> bool {
        let Some(Shared { state, .. }) = self.journal.0 else { return true };
        state.is_finishing.store(true, Ordering::Release);
        state.finish.notify_one();
        let begun = std::time::Instant::now();
        while !self.thread.is_finished() {
            if begun.elapsed() >= patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.thread.join().is_ok() && state.lost.load(Ordering::Relaxed) == 0
    }
}

struct Writer {
    files: Files,
    records: Receiver<Record>,
    state: Arc<State>,
    /// Frames that are not on the disk yet.
    batch: Vec<u8>,
    json: Vec<u8>,
}

impl Writer {
    async fn run(mut self) {
        // What could not be written is tried again before anything else is taken from the queue.
        while !self.batch.is_empty() || self.gather().await {
            self.note_losses();
            if let Err(error) = self.files.write(&mut self.batch) {
                if !self.state.is_failing.swap(true, Ordering::Relaxed) {
                    let folder = self.files.settings.folder.display();
                    tracing::error!(%folder, "the journal cannot be written: {error}; mail goes on, records wait in memory");
                }
                if self.state.is_finishing.load(Ordering::Acquire) {
                    return self.give_up();
                }
                // Not for ever at a stop.
                let _ = timeout(RETRY, self.state.finish.notified()).await;
            } else if self.state.is_failing.swap(false, Ordering::Relaxed) {
                tracing::info!(lost = self.state.lost_in_all(), "the journal is written again");
            }
        }
    }

    /// Waits for records and frames them; `false` when there will be no more.
    async fn gather(&mut self) -> bool {
        // Who sleeps need not be woken for each record.
        sleep(GATHER).await;
        let mut records = Vec::new();
        loop {
            let sync_due = self.files.sync_due();
            tokio::select! {
                biased;
                () = self.state.finish.notified() => self.records.close(),
                count = self.records.recv_many(&mut records, RECORDS) => {
                    for record in records {
                        self.frame(&Content::Message(Box::new(record)));
                    }
                    return count > 0;
                }
                () = until(sync_due) => self.files.sync(),
            }
        }
    }

    /// The disk has failed to the end.
    fn give_up(&mut self) {
        self.records.close();
        while self.records.try_recv().is_ok() {
            self.state.lose();
        }
        memchr::memchr_iter(b'\n', &self.batch).for_each(|_frame| self.state.lose());
        tracing::error!(records = self.state.lost_in_all(), "records of the journal are lost");
    }

    fn frame(&mut self, content: &Content) {
        self.json.clear();
        let is_framed =
            serde_json::to_writer(&mut self.json, content).is_ok() && frame::write(&self.json, &mut self.batch);
        if !is_framed {
            tracing::error!(octets = self.json.len(), "a record does not fit into the journal");
            self.state.lose();
        }
    }

    /// Losses are part of the journal: who counts messages must know how many are missing.
    fn note_losses(&mut self) {
        let records = self.state.lost.load(Ordering::Relaxed);
        if records == 0 || self.state.is_failing.load(Ordering::Relaxed) {
            return;
        }
        let at = milliseconds(SystemTime::now());
        let before = self.batch.len();
        self.frame(&Content::Lost(Lost { at, records }));
        if self.batch.len() > before {
            self.state.lost.fetch_sub(records, Ordering::Relaxed);
            tracing::warn!(records, "records of the journal were lost");
        }
    }
}

/// Waits until then, or for ever.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Since the epoch.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
