//! An MTA that hands over messages, one after the other.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use milter_proto::{FrameDecoder, Heard, MtaOptions, MtaSession, Peer, Sent, UsageError};

/// Longer than any message here should take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Mta {
    stream: UnixStream,
    session: MtaSession,
    decoder: FrameDecoder,
}

impl Mta {
    /// A connection that has said everything up to HELO, from outside.
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut mta =
            Self { stream, session: MtaSession::new(MtaOptions::default()), decoder: FrameDecoder::default() };
        mta.step(MtaSession::negotiate)?;
        mta.session.set_macro("j", Some(b"mx.example"));
        let peer = Peer::Inet { address: b"192.0.2.10", port: 40_000 };
        mta.step(|session, out| session.connect(b"client.example", peer, out))?;
        mta.step(|session, out| session.helo(b"client.example", out))?;
        Ok(mta)
    }

    /// A message with this queue id; it was answered when this returns.
    pub(crate) fn message(&mut self, queue_id: &str) -> io::Result<()> {
        self.session.set_macro("i", Some(queue_id.as_bytes()));
        self.step(|session, out| session.mail(b"<a@example.org>", &[], out))?;
        self.step(|session, out| session.rcpt(b"<b@example.net>", &[], out))?;
        self.step(MtaSession::data)?;
        self.step(|session, out| session.header(b"From", b" a@example.org", out))?;
        self.step(MtaSession::end_of_headers)?;
        self.step(|session, out| session.body(b"Hello\r\n", out))?;
        self.step(MtaSession::end_of_body)
    }

    /// The DKIM-Signature field that the last message got.
    pub(crate) fn signature(&self) -> Option<String> {
        let fields = self.session.message().fields();
        let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(b"DKIM-Signature"))?;
        Some(String::from_utf8(field.value.to_vec()).unwrap())
    }

    fn step(
        &mut self,
        command: impl FnOnce(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>,
    ) -> io::Result<()> {
        let mut out = Vec::new();
        let sent = command(&mut self.session, &mut out).unwrap();
        self.stream.write_all(&out)?;
        if sent == Sent::AwaitReply { self.hear() } else { Ok(()) }
    }

    /// Reads to the end of an answer.
    fn hear(&mut self) -> io::Result<()> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                if matches!(self.session.receive(frame).unwrap(), Heard::Negotiated(_) | Heard::Decision(_)) {
                    return Ok(());
                }
                continue;
            }
            match self.stream.read(self.decoder.space())? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                octets => self.decoder.filled(octets),
            }
        }
    }
}
