//! Log records: one line for each message, one for each event, never a wait for mail.
//!
//! A [`Record`] is a list of named values. It is handed to a bounded queue and written by one thread ([`LogThread`]) to one
//! [`Sink`]: standard output, the systemd journal or a syslog socket. When the queue is full, because the sink is missing or
//! slow, records are dropped and counted; the count is the first thing written when the sink is back.
//!
//! Invariants: [`Logger::log`] never blocks; no value can start a new line, close a quote or add a field, whatever bytes a
//! remote party put into it.
//!
//! What it does not do: decide what is worth a record (that is `message::report` for mail), or keep files and rotate them.

mod events;
mod old_lines;
mod record;
mod sink;
mod thread;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

pub use self::events::EventLayer;
pub use self::old_lines::{OLD_LINE, OLD_NOTICE};
pub(crate) use self::old_lines::{reloaded, starting, terminating};
pub use self::record::{Priority, Record, Value};
pub use self::sink::{DEFAULT_JOURNAL_SOCKET, DEFAULT_SYSLOG_SOCKET, Sink};
pub use self::thread::{LogThread, Logger, QUEUE_LENGTH};

use crate::config::{Log, LogLevel, LogSink};

/// Starts the log that the configuration describes, and sends the events and the panics of this process to it. Once in the life
/// of a process.
///
/// # Errors
///
/// When the operating system gives no thread. A sink that is not there is no error.
pub fn install(log: &Log) -> std::io::Result<LogThread> {
    let (least, filter) = match log.level {
        LogLevel::Error => (Priority::Error, LevelFilter::ERROR),
        LogLevel::Warn => (Priority::Warning, LevelFilter::WARN),
        LogLevel::Info => (Priority::Info, LevelFilter::INFO),
        LogLevel::Debug => (Priority::Debug, LevelFilter::DEBUG),
        LogLevel::Trace => (Priority::Debug, LevelFilter::TRACE),
    };
    let thread = LogThread::spawn(sink(log), log.format, least)?;
    let subscriber = tracing_subscriber::registry().with(filter).with(EventLayer::new(thread.logger()));
    // An error means that there is a subscriber already, whose owner wants the events.
    let _ = tracing::subscriber::set_global_default(subscriber);
    let logger = thread.logger();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map_or_else(|| "unknown place".to_owned(), ToString::to_string);
        logger.log(Record::new(Priority::Error, "internal error").with("panic", text).with("place", place));
    }));
    Ok(thread)
}

fn sink(log: &Log) -> Sink {
    match log.sink {
        LogSink::Stdout => Sink::Stdout,
        LogSink::Journald => Sink::Journal { path: DEFAULT_JOURNAL_SOCKET.into(), name: log.program().to_owned() },
        LogSink::Syslog => {
            Sink::Syslog { path: DEFAULT_SYSLOG_SOCKET.into(), facility: log.facility, name: log.program().to_owned() }
        }
    }
}
