//! The next hop: an SMTP server that keeps what it is given, to the octet.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::mailbox::Delivered;

/// A message as it arrived.
pub(crate) struct Arrived {
    /// The paths of RCPT, without angle brackets.
    pub(crate) recipients: Vec<String>,
    /// Header and body, dots unstuffed.
    pub(crate) mail: Delivered,
}

/// A server on a port of 127.0.0.1; stopped when dropped.
pub(crate) struct Sink {
    shared: Arc<Shared>,
    /// Where it listens.
    pub(crate) port: u16,
}

struct Shared {
    arrived: Mutex<VecDeque<Arrived>>,
    changed: Condvar,
    stopped: AtomicBool,
    takes_8bit: bool,
}

impl Sink {
    /// Starts one, which offers 8BITMIME or does not.
    pub(crate) fn start(takes_8bit: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            arrived: Mutex::default(),
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
            takes_8bit,
        });
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&for_thread);
                // A client that goes away in the middle is no mistake here: what did not arrive is missed by the test.
                std::thread::spawn(move || stream.map(|stream| serve(&shared, stream)));
            }
        });
        Self { shared, port }
    }

    /// The next message, waited for up to a minute.
    pub(crate) fn next(&self) -> Delivered {
        self.next_arrived().mail
    }

    /// The next message with its envelope, waited for up to a minute.
    pub(crate) fn next_arrived(&self) -> Arrived {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut arrived = self.shared.arrived.lock().unwrap();
        loop {
            if let Some(message) = arrived.pop_front() {
                return message;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no message arrived within a minute");
            arrived = self.shared.changed.wait_timeout(arrived, left).unwrap().0;
        }
    }

    /// Whether a message is there that was not asked for yet.
    pub(crate) fn has_more(&self) -> bool {
        !self.shared.arrived.lock().unwrap().is_empty()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// One SMTP session, until the client ends it.
fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut replies = stream.try_clone()?;
    let mut commands = BufReader::new(stream);
    let mut recipients = Vec::new();
    replies.write_all(b"220 sink.example\r\n")?;
    let mut line = Vec::new();
    while read_line(&mut commands, &mut line)? {
        let command = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = command.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" if shared.takes_8bit => b"250-sink.example\r\n250 8BITMIME\r\n",
            "EHLO" | "HELO" => b"250 sink.example\r\n",
            "RCPT" => {
                let path = command.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
                recipients.push(path.map_or_else(String::new, |(path, _)| path.to_owned()));
                b"250 ok\r\n"
            }
            "DATA" => {
                replies.write_all(b"354 go on\r\n")?;
                let message = read_message(&mut commands)?;
                let arrived = Arrived { recipients: std::mem::take(&mut recipients), mail: Delivered { message } };
                shared.arrived.lock().unwrap().push_back(arrived);
                shared.changed.notify_all();
                b"250 kept\r\n"
            }
            "QUIT" => return replies.write_all(b"221 bye\r\n"),
            _ => b"250 ok\r\n",
        };
        replies.write_all(reply)?;
    }
    Ok(())
}

fn read_line(input: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    Ok(input.read_until(b'\n', line)? > 0)
}

/// RFC 5321 §4.5.2: the lines up to the one that is a dot; one dot is taken off lines that begin with one.
fn read_message(input: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let (mut message, mut line) = (Vec::new(), Vec::new());
    while read_line(input, &mut line)? {
        if line == b".\r\n" {
            return Ok(message);
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}
