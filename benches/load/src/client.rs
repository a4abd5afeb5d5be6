//! One connection as an MTA has it: blocking, with the MTA's own way of cutting its octets into writes.
//!
//! What one `write(2)` holds decides about latency on TCP, so each [`Pattern`] does as the MTA does (read in the sources of Postfix 3.8 and
//! sendmail 8.17). Neither sets TCP_NODELAY.
//!
//! - Postfix buffers. It writes when it is going to read a reply, when the buffer is full (4096 octets; on TCP twice the maximum segment size, 128
//!   KiB on loopback), and when smtpd hands the connection to cleanup, behind DATA, whether the filter wants DATA or not.
//!   ABORT stays in the buffer until the next MAIL.
//! - Sendmail writes each packet by itself: macros, command, every header field.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use milter_proto::{Decision, FrameDecoder, Heard, MtaMessage, MtaOptions, MtaSession, Peer, Sent, UsageError};

use crate::mail::Mail;
use crate::target::Socket;
use crate::{LoadError, Work};

/// How an MTA cuts what it writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern {
    /// Postfix.
    #[default]
    Postfix,
    /// Sendmail.
    Sendmail,
}

impl Pattern {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postfix => "postfix",
            Self::Sendmail => "sendmail",
        }
    }
}

/// Postfix's buffer for other sockets than TCP (`VSTREAM_BUFSIZE`).
const BUFFER_UNIX: usize = 4096;

/// Postfix's buffer on TCP: twice the maximum segment size of the loopback interface, 65483.
const BUFFER_TCP: usize = 2 * 65_483;

/// The longest wait for a reply, as Postfix's `milter_content_timeout`.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    fn open(socket: &Socket) -> io::Result<Self> {
        match socket {
            Socket::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Self::Unix(stream))
            }
            Socket::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(room),
            Self::Tcp(stream) => stream.read(room),
        }
    }

    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(octets),
            Self::Tcp(stream) => stream.write_all(octets),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: Stream,
    session: MtaSession,
    decoder: FrameDecoder,
    pattern: Pattern,
    /// Octets of Postfix's buffer.
    buffer: usize,
    out: Vec<u8>,
}

impl Client {
    /// Connects, negotiates, and says CONNECT and HELO for a client from this address.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn open(socket: &Socket, pattern: Pattern, from: &str) -> Result<Self, LoadError> {
        let options = match pattern {
            Pattern::Postfix => MtaOptions::default(),
            Pattern::Sendmail => MtaOptions::sendmail(),
        };
        let stream = Stream::open(socket)?;
        let buffer = if matches!(stream, Stream::Tcp(_)) { BUFFER_TCP } else { BUFFER_UNIX };
        let session = MtaSession::new(options);
        let mut client = Self { stream, session, decoder: FrameDecoder::default(), pattern, buffer, out: Vec::new() };
        for (name, value) in [
            ("j", "mx.bench.example"),
            ("v", if pattern == Pattern::Postfix { "Postfix 3.7.11" } else { "8.17.1" }),
            ("_", from),
            ("daemon_name", "MTA"),
            ("daemon_addr", "127.0.0.1"),
            ("client_addr", from),
            ("client_name", "client.bench.example"),
        ] {
            client.session.set_macro(name, Some(value.as_bytes()));
        }
        client.step("negotiation", MtaSession::negotiate)?;
        let peer = if from.contains(':') {
            Peer::Inet6 { address: from.as_bytes(), port: 40_000 }
        } else {
            Peer::Inet { address: from.as_bytes(), port: 40_000 }
        };
        client.step("CONNECT", |session, out| session.connect(b"client.bench.example", peer, out))?;
        client.step("HELO", |session, out| session.helo(b"client.bench.example", out))?;
        Ok(client)
    }

    /// Sends one message; the time from the first octet of MAIL to the reply at end of message.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn send(&mut self, mail: &Mail, queue_id: &str) -> Result<Duration, LoadError> {
        self.session.set_macro("i", Some(queue_id.as_bytes()));
        let begin = Instant::now();
        self.step("MAIL", |session, out| session.mail(mail.sender.as_bytes(), &[b"BODY=8BITMIME"], out))?;
        self.step("RCPT", |session, out| session.rcpt(mail.recipient.as_bytes(), &[], out))?;
        self.step("DATA", MtaSession::data)?;
        if self.pattern == Pattern::Postfix {
            // smtpd hands the connection to cleanup, which has a buffer of its own.
            self.flush()?;
        }
        for (name, value) in &mail.fields {
            self.step("header", |session, out| session.header(name.as_bytes(), value.as_bytes(), out))?;
        }
        self.step("end of headers", MtaSession::end_of_headers)?;
        let most = self.session.max_data();
        for piece in mail.body.chunks(most) {
            self.step("body", |session, out| session.body(piece, out))?;
        }
        self.step("end of message", MtaSession::end_of_body)?;
        let time = begin.elapsed();
        self.step("ABORT", MtaSession::end_message)?;
        Ok(time)
    }

    /// Says MAIL for a message that will not come; the time to its reply.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn probe(&mut self) -> Result<Duration, LoadError> {
        let begin = Instant::now();
        self.step("MAIL", |session, out| session.mail(b"<probe@bench.example>", &[], out))?;
        let time = begin.elapsed();
        self.step("ABORT", MtaSession::end_message)?;
        Ok(time)
    }

    /// The message as it came back.
    #[must_use]
    pub fn message(&self) -> &MtaMessage {
        self.session.message()
    }

    /// Says QUIT and closes.
    ///
    /// # Errors
    ///
    /// [`LoadError`].
    pub fn quit(mut self) -> Result<(), LoadError> {
        self.step("QUIT", MtaSession::quit)?;
        self.flush()
    }

    fn step(
        &mut self,
        name: &'static str,
        call: impl FnOnce(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>,
    ) -> Result<(), LoadError> {
        let sent = call(&mut self.session, &mut self.out)?;
        match self.pattern {
            Pattern::Postfix => {
                while let Some((full, rest)) =
                    self.out.split_at_checked(self.buffer).filter(|(_, rest)| !rest.is_empty())
                {
                    self.stream.write_all(full)?;
                    self.out = rest.to_vec();
                }
            }
            Pattern::Sendmail => {
                let mut left = self.out.as_slice();
                while let Some((packet, rest)) = packet(left) {
                    self.stream.write_all(packet)?;
                    left = rest;
                }
                self.out.clear();
            }
        }
        if sent == Sent::AwaitReply {
            self.flush()?;
            self.wait(name)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LoadError> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    fn wait(&mut self, step: &'static str) -> Result<(), LoadError> {
        loop {
            while let Some(frame) = self.decoder.next_frame()? {
                match self.session.receive(frame)? {
                    Heard::Negotiated(_) | Heard::Decision(Decision::Continue | Decision::Accept) => return Ok(()),
                    Heard::Decision(decision) => {
                        return Err(LoadError::Decision { step, decision: format!("{decision:?}") });
                    }
                    _ => {}
                }
            }
            let octets = self.stream.read(self.decoder.space())?;
            if octets == 0 {
                return Err(LoadError::Closed);
            }
            self.decoder.filled(octets);
        }
    }
}

/// The first packet and what follows it.
fn packet(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, _) = octets.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    octets.split_at_checked(length.checked_add(4)?)
}

/// The address of the client whose mail is sent: own mail comes from this host, other mail from a network for documentation (RFC 5737).
#[must_use]
pub const fn default_client(work: Work) -> &'static str {
    match work {
        Work::Sign => "127.0.0.1",
        Work::Verify => "192.0.2.10",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_cut_into_packets() {
        let octets = [0, 0, 0, 1, b'A', 0, 0, 0, 2, b'B', b'x'];
        let (first, rest) = packet(&octets).unwrap();
        assert_eq!(first, [0, 0, 0, 1, b'A']);
        assert_eq!(packet(rest), Some((&[0, 0, 0, 2, b'B', b'x'][..], &[][..])));
        assert_eq!(packet(&[]), None);
        assert_eq!(packet(&[0, 0, 0, 2, b'B']), None);
    }
}
