//! Where records go: standard output, the systemd journal (its native protocol) or a syslog socket (RFC 3164).
//!
//! A sink writes one record or says why not; it never waits. Sockets are datagram sockets in non-blocking mode: `WouldBlock`
//! is a full socket, every other error is a missing one, which the next attempt opens again.

use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::record::{Record, Value};
use crate::config::{Facility, LogFormat};

/// Where the systemd journal listens for its native protocol.
pub const DEFAULT_JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

/// Where the local syslog daemon listens.
pub const DEFAULT_SYSLOG_SOCKET: &str = "/dev/log";

/// A place for records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// One line a record.
    Stdout,
    /// The journal's native protocol: every value becomes a field of its own.
    Journal {
        /// The socket, [`DEFAULT_JOURNAL_SOCKET`] as a rule.
        path: PathBuf,
        /// `SYSLOG_IDENTIFIER`.
        name: String,
    },
    /// A syslog datagram socket.
    Syslog {
        /// The socket, [`DEFAULT_SYSLOG_SOCKET`] as a rule.
        path: PathBuf,
        /// The facility.
        facility: Facility,
        /// The program name.
        name: String,
    },
}

/// Why a record was not written.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// The reader is slow; the same record may be tried again soon.
    Full,
    /// Nobody is there.
    Missing,
    /// This record cannot be written, the next one may.
    Unfit,
}

/// An open [`Sink`].
#[derive(Debug)]
pub(super) struct OpenSink {
    sink: Sink,
    format: LogFormat,
    socket: Option<UnixDatagram>,
}

impl OpenSink {
    pub(super) fn new(sink: Sink, format: LogFormat) -> Self {
        Self { sink, format, socket: None }
    }

    pub(super) fn write(&mut self, record: &Record) -> Result<(), Obstacle> {
        let (path, datagram) = match &self.sink {
            Sink::Stdout => {
                let mut line = record.to_line(self.format, true);
                line.push('\n');
                let mut stdout = io::stdout().lock();
                return stdout
                    .write_all(line.as_bytes())
                    .and_then(|()| stdout.flush())
                    .map_err(|_closed| Obstacle::Missing);
            }
            Sink::Journal { path, name } => (path, journal_datagram(record, self.format, name)),
            Sink::Syslog { path, facility, name } => (path, syslog_datagram(record, self.format, *facility, name)),
        };
        let socket = match &mut self.socket {
            Some(socket) => socket,
            closed @ None => closed.insert(open(path).map_err(|_absent| Obstacle::Missing)?),
        };
        match socket.send(&datagram) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Obstacle::Full),
            // EMSGSIZE; values are bounded, so this takes a socket with an unusually small buffer.
            Err(error) if error.raw_os_error() == Some(nix::libc::EMSGSIZE) => Err(Obstacle::Unfit),
            Err(_) => {
                self.socket = None;
                Err(Obstacle::Missing)
            }
        }
    }
}

fn open(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

/// `NAME=value\n`, or with a length for values that hold a line end (systemd.journal-fields, "native protocol").
fn journal_datagram(record: &Record, format: LogFormat, name: &str) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(1024);
    journal_field(&mut datagram, "MESSAGE", record.to_line(format, false).as_bytes());
    journal_field(&mut datagram, "PRIORITY", record.priority.severity().to_string().as_bytes());
    journal_field(&mut datagram, "SYSLOG_IDENTIFIER", name.as_bytes());
    journal_field(&mut datagram, "SYSLOG_FACILITY", Facility::Mail.number().to_string().as_bytes());
    journal_field(&mut datagram, "POSTSEAL_EVENT", record.event.as_bytes());
    for (name, value) in &record.fields {
        // Field names are upper case letters, digits and underscores.
        let name: String = name
            .chars()
            .map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' })
            .collect();
        let name = format!("POSTSEAL_{name}");
        match value {
            Value::Number(number) => journal_field(&mut datagram, &name, number.to_string().as_bytes()),
            Value::Text(text) => journal_field(&mut datagram, &name, text.get(..1024).unwrap_or(text)),
        }
    }
    datagram
}

fn journal_field(datagram: &mut Vec<u8>, name: &str, value: &[u8]) {
    datagram.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        datagram.push(b'\n');
        datagram.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value);
    datagram.push(b'\n');
}

/// RFC 3164, which every local syslog daemon reads from its socket. The host name is left out, as libc does: the daemon at the
/// other end adds its own.
fn syslog_datagram(record: &Record, format: LogFormat, facility: Facility, name: &str) -> Vec<u8> {
    let priority = u32::from(facility.number()).saturating_mul(8).saturating_add(record.priority.severity().into());
    // §4.1.2: "The TIMESTAMP field is the local time and is in the format of "Mmm dd hh:mm:ss""
    let time = record.time.to_zoned(jiff::tz::TimeZone::system()).strftime("%b %e %H:%M:%S").to_string();
    format!("<{priority}>{time} {name}[{}]: {}", std::process::id(), record.to_line(format, false)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::record::Priority;
    use super::*;

    fn record() -> Record {
        Record::new(Priority::Warning, "message")
            .with("queue_id", "4XyZ")
            .with("subject", &b"a\nb"[..])
            .with("size", 7_u32)
    }

    #[test]
    fn journal_fields_follow_the_native_protocol() {
        let datagram = journal_datagram(&record(), LogFormat::Text, "postseal");
        let expected: &[u8] = b"MESSAGE=message queue_id=4XyZ subject=\"a\\nb\" size=7\nPRIORITY=4\nSYSLOG_IDENTIFIER=postseal\n\
            SYSLOG_FACILITY=2\nPOSTSEAL_EVENT=message\nPOSTSEAL_QUEUE_ID=4XyZ\nPOSTSEAL_SUBJECT\n\x03\0\0\0\0\0\0\0a\nb\n\
            POSTSEAL_SIZE=7\n";
        assert_eq!(String::from_utf8_lossy(&datagram), String::from_utf8_lossy(expected));
    }

    #[test]
    fn rfc3164_s4_1_priority_time_tag_and_text() {
        let datagram = syslog_datagram(&record(), LogFormat::Text, Facility::Local3, "postseal");
        let text = String::from_utf8(datagram).unwrap();
        let rest = text.strip_prefix("<156>").unwrap();
        let (time, rest) = rest.split_at(15);
        assert!(time.as_bytes()[3] == b' ' && time.as_bytes()[6] == b' ' && time.as_bytes()[9] == b':', "{time}");
        assert_eq!(rest, format!(" postseal[{}]: message queue_id=4XyZ subject=\"a\\nb\" size=7", std::process::id()));
    }
}
