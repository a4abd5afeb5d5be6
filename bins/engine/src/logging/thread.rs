//! The queue between mail and the log, and the thread that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

use super::record::{Priority, Record};
use super::sink::{Obstacle, OpenSink, Sink};
use crate::config::LogFormat;

/// Records that wait for a slow sink; what comes on top is dropped and counted.
pub const QUEUE_LENGTH: usize = 2048;

/// Pause before a full or missing socket is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// The writing end: cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub struct Logger {
    queue: Option<SyncSender<Item>>,
    lost: Arc<AtomicU64>,
    least: Priority,
}

impl Logger {
    /// A logger that writes nothing.
    #[must_use]
    pub fn disabled() -> Self {
        Self { queue: None, lost: Arc::new(AtomicU64::new(0)), least: Priority::Error }
    }

    /// Queues a record, or drops and counts it when the queue is full. Records below the level of the log are passed over.
    pub fn log(&self, record: Record) {
        let Some(queue) = &self.queue else { return };
        if record.priority > self.least {
            return;
        }
        if queue.try_send(Item::Record(Box::new(record))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records dropped and not yet reported.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Pause with an empty queue before the thread goes to sleep until it is woken. Under load the next records gather meanwhile: to wake it
/// for each of them was a tenth of all the processor time of a message.
const GATHER: Duration = Duration::from_millis(2);

#[derive(Debug)]
enum Item {
    Record(Box<Record>),
    Finish,
}

/// The thread that writes; keep it until the program ends.
#[derive(Debug)]
pub struct LogThread {
    logger: Logger,
    finishing: Arc<AtomicBool>,
    finished: Receiver<()>,
}

impl LogThread {
    /// Starts the thread for one sink; `least` is the least important kind of record that is written.
    ///
    /// A sink that is not there yet is no error: records wait in the queue for it.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    pub fn spawn(sink: Sink, format: LogFormat, least: Priority) -> std::io::Result<Self> {
        Self::spawn_with_queue(sink, format, least, QUEUE_LENGTH)
    }

    fn spawn_with_queue(sink: Sink, format: LogFormat, least: Priority, length: usize) -> std::io::Result<Self> {
        let (queue, records) = sync_channel(length);
        let (done, finished) = sync_channel(1);
        let lost = Arc::new(AtomicU64::new(0));
        let finishing = Arc::new(AtomicBool::new(false));
        let mut writer = Writer {
            sink: OpenSink::new(sink, format),
            records,
            lost: Arc::clone(&lost),
            finishing: Arc::clone(&finishing),
        };
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            writer.run();
            let _ = done.send(());
        })?;
        Ok(Self { logger: Logger { queue: Some(queue), lost, least }, finishing, finished })
    }

    /// A writing end.
    #[must_use]
    pub fn logger(&self) -> Logger {
        self.logger.clone()
    }

    /// Writes what is queued and stops; waits no longer than `patience`, so a stuck sink cannot hold up the end.
    ///
    /// Gives back whether everything that was queued had its try.
    pub fn finish(self, patience: Duration) -> bool {
        self.finishing.store(true, Ordering::Release);
        if let Some(queue) = &self.logger.queue {
            match queue.try_send(Item::Finish) {
                // A full queue: the thread sees the flag after each record.
                Ok(()) | Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return true,
            }
        }
        self.finished.recv_timeout(patience) != Err(RecvTimeoutError::Timeout)
    }
}

struct Writer {
    sink: OpenSink,
    records: Receiver<Item>,
    lost: Arc<AtomicU64>,
    finishing: Arc<AtomicBool>,
}

impl Writer {
    fn run(&mut self) {
        while let Some(item) = self.next() {
            if let Item::Record(record) = item {
                if !self.deliver(&record) {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
                self.report_losses();
            }
        }
    }

    /// The next of the queue; `None` at the end.
    fn next(&self) -> Option<Item> {
        for pause in [Duration::ZERO, GATHER] {
            if self.finishing.load(Ordering::Acquire) {
                return self.records.try_recv().ok();
            }
            std::thread::sleep(pause);
            match self.records.try_recv() {
                Ok(item) => return Some(item),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
        }
        self.records.recv().ok()
    }

    /// Tries until the record is written, cannot be written, or the program ends.
    fn deliver(&mut self, record: &Record) -> bool {
        loop {
            match self.sink.write(record) {
                Ok(()) => return true,
                Err(Obstacle::Unfit) => return false,
                Err(Obstacle::Full | Obstacle::Missing) if self.finishing.load(Ordering::Acquire) => return false,
                Err(Obstacle::Full | Obstacle::Missing) => std::thread::sleep(RETRY),
            }
        }
    }

    /// The sink has just taken a record: tell how many it missed.
    fn report_losses(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let record = Record::new(Priority::Warning, "log records lost").with("lost", lost);
            if self.sink.write(&record).is_err() {
                // Still trouble: keep the count for the next time.
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::config::Facility;

    fn syslog(path: &Path) -> Sink {
        Sink::Syslog { path: path.to_owned(), facility: Facility::Mail, name: "postseal".to_owned() }
    }

    fn record(number: u64) -> Record {
        Record::new(Priority::Info, "message").with("number", number)
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut datagram = [0; 4096];
        let length = socket.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    fn listen(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    #[test]
    fn a_missing_socket_delays_nothing_and_losses_are_reported_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let thread = LogThread::spawn_with_queue(syslog(&path), LogFormat::Text, Priority::Info, 4).unwrap();
        let logger = thread.logger();
        let start = Instant::now();
        for number in 0..1000 {
            logger.log(record(number));
        }
        assert!(start.elapsed() < Duration::from_secs(1));
        let lost = logger.lost();
        assert!((995..=996).contains(&lost), "queue of 4 and one in hand, but {lost} lost");

        let socket = listen(&path);
        assert!(receive(&socket).ends_with("message number=0"));
        assert!(receive(&socket).ends_with(&format!("log records lost lost={lost}")));
        assert!(receive(&socket).ends_with("message number=1"));
        assert_eq!(logger.lost(), 0);
        assert!(thread.finish(Duration::from_secs(5)));
    }

    #[test]
    fn a_full_socket_delays_nothing_and_everything_queued_arrives_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let socket = listen(&path);
        let thread = LogThread::spawn_with_queue(syslog(&path), LogFormat::Text, Priority::Info, 2000).unwrap();
        let logger = thread.logger();
        let start = Instant::now();
        // Nobody reads: net.unix.max_dgram_qlen (10 to 512) datagrams fit, the rest has to wait.
        for number in 0..1500 {
            logger.log(record(number));
        }
        assert!(start.elapsed() < Duration::from_secs(1));
        for number in 0..1500 {
            assert!(receive(&socket).ends_with(&format!("message number={number}")));
        }
        assert_eq!(logger.lost(), 0);
        assert!(thread.finish(Duration::from_secs(5)));
    }

    #[test]
    fn a_restarted_log_daemon_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let first = listen(&path);
        let thread = LogThread::spawn(syslog(&path), LogFormat::Text, Priority::Info).unwrap();
        thread.logger().log(record(1));
        assert!(receive(&first).ends_with("number=1"));
        drop(first);
        std::fs::remove_file(&path).unwrap();
        let second = listen(&path);
        thread.logger().log(record(2));
        assert!(receive(&second).ends_with("number=2"));
        assert!(thread.finish(Duration::from_secs(5)));
    }

    #[test]
    fn records_below_the_level_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let socket = listen(&path);
        let thread = LogThread::spawn(syslog(&path), LogFormat::Text, Priority::Warning).unwrap();
        thread.logger().log(record(1));
        thread.logger().log(Record::new(Priority::Error, "internal error"));
        assert!(receive(&socket).ends_with("internal error"));
        assert!(thread.finish(Duration::from_secs(5)));
    }

    #[test]
    fn the_end_does_not_wait_for_a_socket_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let thread = LogThread::spawn(syslog(&folder.path().join("absent")), LogFormat::Text, Priority::Info).unwrap();
        for number in 0..100 {
            thread.logger().log(record(number));
        }
        let start = Instant::now();
        assert!(thread.finish(Duration::from_secs(5)));
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
