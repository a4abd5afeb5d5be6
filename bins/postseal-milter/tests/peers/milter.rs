//! A message passes a milter, as an MTA hands it over.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use milter_proto::{Decision, FrameDecoder, Heard, MtaOptions, MtaSession, Peer, Sent, UsageError};

/// Longer than any message here should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose mail the milter is to take the message for.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    /// A host whose mail is signed.
    Own,
    /// Somebody whose mail is verified.
    Outside,
}

/// Where a milter listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A port of 127.0.0.1.
    Port(u16),
    /// A socket.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    File(PathBuf),
}

/// What an MTA hands over, field by field: also what no MTA of these tests would let pass.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    /// The argument of MAIL.
    pub(crate) sender: &'a [u8],
    /// The argument of RCPT.
    pub(crate) recipient: &'a [u8],
    /// Names and values, with folds.
    pub(crate) fields: &'a [RawField],
    /// Lines ending in CRLF.
    pub(crate) body: &'a [u8],
}

/// A message with CRLF line ends through the milter on this port; returns it as it leaves, or what the milter said instead of accepting it.
pub(crate) fn pass(port: u16, client: Client, message: &[u8]) -> Result<Vec<u8>, String> {
    pass_at(&Place::Port(port), client, message)
}

/// The same at any place.
pub(crate) fn pass_at(place: &Place, client: Client, message: &[u8]) -> Result<Vec<u8>, String> {
    let (fields, body) = split(message);
    let (sender, recipient) = (&b"<joe@sender.example>"[..], &b"<mary@reader.example>"[..]);
    hand_over_at(place, client, &Message { sender, recipient, fields: &fields, body })
}

/// The same for what is no message yet.
#[allow(dead_code, reason = "each test program uses a part of it")]
pub(crate) fn hand_over(port: u16, client: Client, message: &Message<'_>) -> Result<Vec<u8>, String> {
    hand_over_at(&Place::Port(port), client, message)
}

fn hand_over_at(place: &Place, client: Client, message: &Message<'_>) -> Result<Vec<u8>, String> {
    let stream: Box<dyn Stream> = match place {
        Place::Port(port) => {
            let stream = TcpStream::connect(("127.0.0.1", *port)).map_err(|error| error.to_string())?;
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Box::new(stream)
        }
        Place::File(file) => {
            let stream = UnixStream::connect(file).map_err(|error| error.to_string())?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            Box::new(stream)
        }
    };
    let mut dialogue =
        Dialogue { stream, session: MtaSession::new(MtaOptions::default()), decoder: FrameDecoder::default() };
    dialogue.step(MtaSession::negotiate)?;
    dialogue.session.set_macro("j", Some(b"mx.example"));
    dialogue.session.set_macro("i", Some(b"PEERS"));
    let (host, address) = match client {
        Client::Own => (&b"localhost"[..], &b"127.0.0.1"[..]),
        Client::Outside => (&b"out.example"[..], &b"192.0.2.10"[..]),
    };
    let peer = Peer::Inet { address, port: 40_000 };
    dialogue.step(|session, out| session.connect(host, peer, out))?;
    dialogue.step(|session, out| session.helo(host, out))?;
    dialogue.step(|session, out| session.mail(message.sender, &[], out))?;
    dialogue.step(|session, out| session.rcpt(message.recipient, &[], out))?;
    dialogue.step(MtaSession::data)?;
    for (name, value) in message.fields {
        dialogue.step(|session, out| session.header(name, value, out))?;
    }
    dialogue.step(MtaSession::end_of_headers)?;
    for piece in message.body.chunks(65_535) {
        dialogue.step(|session, out| session.body(piece, out))?;
    }
    dialogue.step(MtaSession::end_of_body)?;
    let passed = dialogue.session.message().to_octets(message.body);
    let mut out = Vec::new();
    dialogue.session.quit(&mut out).unwrap();
    // It may be gone already.
    let _ = dialogue.stream.write_all(&out);
    Ok(passed)
}

/// The values of the fields of this name, with their folds, from the top.
pub(crate) fn values(message: &[u8], name: &str) -> Vec<String> {
    let (fields, _) = split(message);
    let named = fields.into_iter().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| String::from_utf8(value).unwrap()).collect()
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

struct Dialogue {
    stream: Box<dyn Stream>,
    session: MtaSession,
    decoder: FrameDecoder,
}

impl Dialogue {
    /// One command, and the whole answer to it if one is due.
    fn step(
        &mut self,
        command: impl FnOnce(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>,
    ) -> Result<(), String> {
        let mut out = Vec::new();
        let sent = command(&mut self.session, &mut out).unwrap();
        self.stream.write_all(&out).map_err(|error| error.to_string())?;
        while sent == Sent::AwaitReply && !self.is_answered()? {}
        Ok(())
    }

    /// Takes one frame; whether it is the last one of the answer.
    fn is_answered(&mut self) -> Result<bool, String> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(|error| error.to_string())? {
                return match self.session.receive(frame).map_err(|violation| format!("{violation:?}"))? {
                    Heard::Negotiated(_) | Heard::Decision(Decision::Continue | Decision::Accept | Decision::Skip) => {
                        Ok(true)
                    }
                    Heard::Progress | Heard::Modification(_) => Ok(false),
                    Heard::Decision(Decision::ReplyCode(code)) => Err(code.to_smtp()),
                    other => Err(format!("{other:?}")),
                };
            }
            match self.stream.read(self.decoder.space()).map_err(|error| error.to_string())? {
                0 => return Err("the milter closed the connection".to_owned()),
                count => self.decoder.filled(count),
            }
        }
    }
}

/// A name and a value with its folds.
pub(crate) type RawField = (Vec<u8>, Vec<u8>);

/// Fields and body of a message whose header is in order.
pub(crate) fn split(message: &[u8]) -> (Vec<RawField>, &[u8]) {
    let end = message.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap();
    let mut fields: Vec<RawField> = Vec::new();
    for line in String::from_utf8(message[..end].to_vec()).unwrap().split("\r\n") {
        match (line.starts_with([' ', '\t']), fields.last_mut()) {
            (true, Some((_, value))) => value.extend_from_slice(format!("\r\n{line}").as_bytes()),
            _ => {
                let (name, value) = line.split_once(':').unwrap();
                fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            }
        }
    }
    (fields, &message[end + 4..])
}
