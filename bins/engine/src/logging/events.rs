//! Events of `tracing` (ours and those of libraries) as log records.

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::old_lines::{OLD_LINE, OLD_NOTICE};
use super::record::{Priority, Record, Value};
use super::thread::Logger;

/// A layer that turns each event into a [`Record`]; filter levels with `LevelFilter` in front of it.
#[derive(Debug)]
pub struct EventLayer {
    logger: Logger,
}

impl EventLayer {
    /// A layer that writes to `logger`.
    #[must_use]
    pub fn new(logger: Logger) -> Self {
        Self { logger }
    }
}

impl<S: Subscriber> Layer<S> for EventLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let target = event.metadata().target();
        let priority = match *event.metadata().level() {
            Level::INFO if target == OLD_NOTICE => Priority::Notice,
            Level::ERROR => Priority::Error,
            Level::WARN => Priority::Warning,
            Level::INFO => Priority::Info,
            _ => Priority::Debug,
        };
        let mut collected = Collected::default();
        event.record(&mut collected);
        let mut record = Record::new(priority, collected.message.unwrap_or_else(|| target.to_owned()));
        for (name, value) in collected.fields {
            record.push(name, value);
        }
        if target == OLD_LINE || target == OLD_NOTICE {
            record = record.as_it_is();
        }
        self.logger.log(record);
    }
}

#[derive(Default)]
struct Collected {
    message: Option<String>,
    fields: Vec<(&'static str, Value)>,
}

impl Visit for Collected {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), Value::Number(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = Some(value.to_owned());
        } else {
            self.fields.push((field.name(), value.into()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::{LogThread, Sink};
    use super::*;
    use crate::config::LogFormat;

    #[test]
    fn an_event_becomes_a_record_with_its_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let sink = Sink::Journal { path, name: "postseal".to_owned() };
        let thread = LogThread::spawn(sink, LogFormat::Text, Priority::Debug).unwrap();
        let subscriber = tracing_subscriber::registry().with(EventLayer::new(thread.logger()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(key = "sel._domainkey.d.example", tries = 3_u64, cause = %"no answer", "lookup failed");
        });
        let mut datagram = [0; 2048];
        let length = socket.recv(&mut datagram).unwrap();
        let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
        let line = "MESSAGE=lookup failed key=sel._domainkey.d.example tries=3 cause=\"no answer\"\nPRIORITY=4\n";
        assert!(text.starts_with(line), "{text}");
        assert!(text.contains("\nPOSTSEAL_TRIES=3\n"), "{text}");
    }
}
