//! A mail server's side of the milter protocol over a blocking socket: one message a connection.
//!
//! What is written and how replies are read is `milter_proto::MtaSession`; here are the socket, its time limit, and the order of the events. It
//! behaves as Postfix does.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use dkim_core::header::HeaderBlock;
use engine::socket_address::{Host, SocketAddress};
use milter_proto::{
    Decision, FrameDecoder, FrameError, Heard, MtaMessage, MtaOptions, MtaSession, Peer, Sent, UsageError, Violation,
};

/// Time for each reply: Postfix waits as long for a command.
const REPLY: Duration = Duration::from_secs(30);

/// Octets of one body packet.
const CHUNK: usize = 65_535;

/// Why a dialogue did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MtaError {
    #[error("nothing listens on {address}: {error}")]
    Connect { address: SocketAddress, error: io::Error },
    #[error("the connection was lost: {0}")]
    Io(#[from] io::Error),
    #[error("the filter closed the connection without an answer")]
    Closed,
    #[error("the filter sent a broken packet: {0}")]
    Frame(#[from] FrameError),
    #[error("the filter broke the protocol: {0}")]
    Violation(#[from] Violation),
    #[error("the message cannot be sent: {0}")]
    Usage(#[from] UsageError),
}

/// The client that hands the message over, as the mail server tells the filter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    /// What it says in HELO.
    pub(crate) helo: &'a str,
    /// The user name, when it authenticated.
    pub(crate) user: Option<&'a str>,
    pub(crate) sender: &'a str,
    pub(crate) recipient: &'a str,
}

/// What the filter did.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The decision that ended the dialogue.
    pub(crate) decision: Decision,
    /// The message with the filter's changes.
    pub(crate) message: MtaMessage,
}

/// Hands a message to the filter at `address`, from connecting to QUIT.
///
/// *Inputs*: `host`, the name of the mail server (its `j` macro); the header section and the body as they came from `client`.
pub(crate) fn deliver(
    address: &SocketAddress,
    host: &str,
    client: &Client<'_>,
    headers: &HeaderBlock,
    body: &[u8],
) -> Result<Delivery, MtaError> {
    let stream = open(address).map_err(|error| MtaError::Connect { address: address.clone(), error })?;
    let mut link = Link { stream, session: MtaSession::new(MtaOptions::default()), decoder: FrameDecoder::default() };
    let decision = match dialogue(&mut link, host, client, headers, body) {
        Ok(decision) | Err(Stop::Decided(decision)) => decision,
        Err(Stop::Failed(error)) => return Err(error),
    };
    // The decision is there; whether the other side still reads the farewell does not matter.
    let _ = link.step(MtaSession::end_message);
    let _ = link.step(MtaSession::quit);
    Ok(Delivery { decision, message: link.session.message().clone() })
}

/// Why the events end before the end of the message.
enum Stop {
    Decided(Decision),
    Failed(MtaError),
}

impl From<MtaError> for Stop {
    fn from(error: MtaError) -> Self {
        Self::Failed(error)
    }
}

/// The events of one message, to its end or to a decision other than to go on.
fn dialogue(
    link: &mut Link,
    host: &str,
    client: &Client<'_>,
    headers: &HeaderBlock,
    body: &[u8],
) -> Result<Decision, Stop> {
    link.event(MtaSession::negotiate)?;
    let macros = [
        ("j", Some(host)),
        ("v", Some("Postfix (postseal selftest)")),
        ("{daemon_name}", Some(host)),
        ("{client_name}", Some(client.name)),
        ("{client_addr}", Some(client.address)),
        ("{auth_type}", client.user.map(|_| "PLAIN")),
        ("{auth_authen}", client.user),
        ("i", Some("SELFTEST")),
    ];
    for (name, value) in macros {
        link.session.set_macro(name, value.map(str::as_bytes));
    }
    let peer = Peer::Inet { address: client.address.as_bytes(), port: 40_000 };
    let (sender, recipient) = (format!("<{}>", client.sender), format!("<{}>", client.recipient));
    link.event(|session, out| session.connect(client.name.as_bytes(), peer, out))?;
    link.event(|session, out| session.helo(client.helo.as_bytes(), out))?;
    link.event(|session, out| session.mail(sender.as_bytes(), &[], out))?;
    link.event(|session, out| session.rcpt(recipient.as_bytes(), &[], out))?;
    link.event(MtaSession::data)?;
    for field in headers {
        link.event(|session, out| session.header(field.name, field.value, out))?;
    }
    link.event(MtaSession::end_of_headers)?;
    for piece in body.chunks(CHUNK) {
        link.event(|session, out| session.body(piece, out))?;
    }
    Ok(link.step(MtaSession::end_of_body)?.unwrap_or(Decision::Continue))
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn open(address: &SocketAddress) -> io::Result<Box<dyn Stream>> {
    let connect = |target: &mut dyn Iterator<Item = std::net::SocketAddr>| {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in target {
            match TcpStream::connect_timeout(&address, REPLY) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let tcp = match address.for_local_client() {
        SocketAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(REPLY))?;
            stream.set_write_timeout(Some(REPLY))?;
            return Ok(Box::new(stream));
        }
        SocketAddress::Passed(_) => {
            let cause = "where it is stands in its socket unit (ListenStream=): give that address";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, cause));
        }
        SocketAddress::Inet(Host::Ip(ip), port) => connect(&mut std::iter::once((ip, port).into()))?,
        SocketAddress::Inet(Host::Name { name, only_v6 }, port) => {
            connect(&mut (name.as_str(), port).to_socket_addrs()?.filter(|address| address.is_ipv6() || !only_v6))?
        }
    };
    tcp.set_read_timeout(Some(REPLY))?;
    tcp.set_write_timeout(Some(REPLY))?;
    tcp.set_nodelay(true)?;
    Ok(Box::new(tcp))
}

/// The session and its socket.
struct Link {
    stream: Box<dyn Stream>,
    session: MtaSession,
    decoder: FrameDecoder,
}

impl Link {
    /// Sends an event of the dialogue; a decision other than to go on ends it.
    fn event(
        &mut self,
        event: impl FnOnce(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>,
    ) -> Result<(), Stop> {
        match self.step(event)? {
            None | Some(Decision::Continue | Decision::Skip) => Ok(()),
            Some(decision) => Err(Stop::Decided(decision)),
        }
    }

    /// Sends an event and waits for the decision, if one is due.
    fn step(
        &mut self,
        event: impl FnOnce(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>,
    ) -> Result<Option<Decision>, MtaError> {
        let mut out = Vec::new();
        let sent = event(&mut self.session, &mut out)?;
        self.stream.write_all(&out)?;
        if sent != Sent::AwaitReply {
            return Ok(None);
        }
        loop {
            while let Some(frame) = self.decoder.next_frame()? {
                match self.session.receive(frame)? {
                    Heard::Decision(decision) => return Ok(Some(decision)),
                    Heard::Negotiated(_) => return Ok(None),
                    _ => {}
                }
            }
            let octets = self.stream.read(self.decoder.space())?;
            if octets == 0 {
                return Err(MtaError::Closed);
            }
            self.decoder.filled(octets);
        }
    }
}
