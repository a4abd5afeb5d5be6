//! A daemon in this process on a Unix socket in a temporary folder, and an MTA that talks to it.
//!
//! The daemon is the real one: `Server::bind` and `run`, a real log thread on a real datagram socket. Only its resolver may be a
//! zone in memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::config::{Config, Facility, Listener, LogFormat};
use engine::dns::{Resolver, Zone};
use engine::journal::Journal;
use engine::keys::Keys;
use engine::logging::{LogThread, Priority, Sink};
use engine::message::Rules;
use engine::server::{Handle, InstallError, LocalAddress, Server, Setup};
use engine::socket_address::SocketAddress;
use milter_proto::{
    Decision, FrameDecoder, Heard, Modification, MtaOptions, MtaSession, Peer, Sent, UsageError, Violation,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon.
pub(crate) struct Daemon {
    pub(crate) folder: TempDir,
    pub(crate) addresses: Vec<LocalAddress>,
    pub(crate) handle: Handle,
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    stopped: Mutex<std::sync::mpsc::Receiver<()>>,
    log: UnixDatagram,
    thread: Mutex<Option<LogThread>>,
}

/// A folder with the keys of `tests/keys`.
pub(crate) fn folder_with_keys() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    for name in ["rsa.pem", "ed.pem"] {
        copy_private(&keys.join(name), &folder.path().join(name));
    }
    folder
}

pub(crate) fn copy_private(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(to, std::fs::read(from).unwrap()).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The zone of `tests/keys`, and more.
pub(crate) fn zone(more: &str) -> Zone {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/zone.txt");
    let text = std::fs::read_to_string(&file).unwrap() + more;
    Zone::parse(text.as_bytes(), &file).unwrap()
}

/// A configuration from text; files are looked for in `folder`.
pub(crate) fn config(text: &str, folder: &Path) -> Config {
    let (config, _) =
        engine::config::parse(text, &folder.join("config.toml")).unwrap_or_else(|found| panic!("{found}"));
    config
}

/// The configuration that signs for example.com with both keys.
pub(crate) const SIGNING: &str = "[[domain]]\nname = \"example.com\"\n\
    keys = [{ selector = \"rsa\", file = \"rsa.pem\" }, { selector = \"ed\", file = \"ed.pem\" }]\n";

impl Daemon {
    /// Starts with a configuration and a zone. The configuration's own sockets are replaced by one in the folder.
    pub(crate) fn start(folder: TempDir, mut config: Config, zone: Zone) -> Self {
        let listener = config.listeners.first().cloned().unwrap_or_default();
        config.listeners = vec![Listener { socket: SocketAddress::Unix(folder.path().join("socket")), ..listener }];
        let (keys, _) = Keys::load(&config.domains, engine::BACKEND);
        let rules = Arc::new(Rules::new(config, &keys));
        Self::serve(folder, Setup { rules, resolver: Resolver::offline(zone, engine::BACKEND) })
    }

    /// Starts with a setup, on the sockets that it has.
    pub(crate) fn serve(folder: TempDir, setup: Setup) -> Self {
        Self::serve_with_journal(folder, setup, Journal::disabled())
    }

    /// The same with a journal.
    pub(crate) fn serve_with_journal(folder: TempDir, setup: Setup, journal: Journal) -> Self {
        let path = folder.path().join("log");
        let log = UnixDatagram::bind(&path).unwrap();
        log.set_read_timeout(Some(PATIENCE)).unwrap();
        let sink = Sink::Syslog { path, facility: Facility::Mail, name: "postseal".to_owned() };
        let thread = LogThread::spawn(sink, LogFormat::Text, Priority::Debug).unwrap();
        let runtime = Runtime::new().unwrap();
        let (stop, stopping) = oneshot::channel::<()>();
        let (done, stopped) = std::sync::mpsc::channel();
        let server = runtime.block_on(Server::bind_with_journal(setup, thread.logger(), journal)).unwrap();
        let (addresses, handle) = (server.addresses(), server.handle());
        runtime.spawn(async move {
            server.run(async { stopping.await.unwrap_or(()) }).await;
            let _ = done.send(());
        });
        Self {
            folder,
            addresses,
            handle,
            runtime: Some(runtime),
            stop: Some(stop),
            stopped: Mutex::new(stopped),
            log,
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Gives later connections another setup.
    pub(crate) fn install(&self, setup: Setup) -> Result<(), InstallError> {
        self.block_on(self.handle.install(setup))
    }

    /// Runs something in the daemon's runtime.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(future)
    }

    /// A connection from an MTA.
    pub(crate) fn connect(&self, options: MtaOptions) -> Mta {
        let stream = match &self.addresses[0] {
            LocalAddress::Unix(path) => Stream::Unix(UnixStream::connect(path).unwrap()),
            LocalAddress::Tcp(address) => Stream::Tcp(TcpStream::connect(address).unwrap()),
        };
        Mta::new(stream, options)
    }

    /// A connection that has said everything up to HELO, from an address that nobody trusts.
    pub(crate) fn inbound(&self) -> Mta {
        let mut mta = self.connect(MtaOptions::default());
        mta.greet("192.0.2.10", 40_000);
        mta
    }

    /// The same from a client that authenticated.
    pub(crate) fn submission(&self) -> Mta {
        let mut mta = self.inbound();
        mta.session.set_macro("auth_type", Some(b"PLAIN"));
        mta.session.set_macro("auth_authen", Some(b"jo"));
        mta
    }

    /// The next log line, without what syslog puts before it.
    pub(crate) fn log_line(&self) -> String {
        let mut datagram = vec![0; 64 * 1024];
        let length = self.log.recv(&mut datagram).unwrap();
        let text = String::from_utf8(datagram[..length].to_vec()).unwrap();
        text.split_once("]: ").unwrap().1.to_owned()
    }

    /// Asks the daemon to stop, without waiting.
    pub(crate) fn ask_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits for the end of the daemon.
    pub(crate) fn wait_for_end(&self, patience: Duration) -> bool {
        self.stopped.lock().unwrap().recv_timeout(patience).is_ok()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        if let Some(thread) = self.thread.lock().unwrap().take() {
            thread.finish(Duration::from_secs(5));
        }
    }
}

pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    pub(crate) fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(room),
            Self::Tcp(stream) => stream.read(room),
        }
    }

    pub(crate) fn write_all(&mut self, octets: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(octets),
            Self::Tcp(stream) => stream.write_all(octets),
        }
    }
}

/// What came back for one event.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Header edits, one line each, unfolded.
    pub(crate) edits: Vec<String>,
    /// Signs of life before the answer.
    pub(crate) progress: usize,
    /// The decision; `None` where no reply is due.
    pub(crate) decision: Option<Decision>,
}

/// An MTA.
pub(crate) struct Mta {
    pub(crate) stream: Stream,
    pub(crate) session: MtaSession,
    decoder: FrameDecoder,
    out: Vec<u8>,
}

impl Mta {
    pub(crate) fn new(stream: Stream, options: MtaOptions) -> Self {
        match &stream {
            Stream::Unix(socket) => socket.set_read_timeout(Some(PATIENCE)).unwrap(),
            Stream::Tcp(socket) => {
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                socket.set_nodelay(true).unwrap();
            }
        }
        let mut mta =
            Self { stream, session: MtaSession::new(options), decoder: FrameDecoder::default(), out: Vec::new() };
        mta.step(MtaSession::negotiate);
        mta.session.set_macro("j", Some(b"mx.example"));
        mta
    }

    /// CONNECT and HELO.
    pub(crate) fn greet(&mut self, address: &str, port: u16) {
        let peer = Peer::Inet { address: address.as_bytes(), port };
        self.step(|session, out| session.connect(b"client.example", peer, out));
        self.step(|session, out| session.helo(b"client.example", out));
    }

    /// MAIL, RCPT and DATA.
    pub(crate) fn envelope(&mut self, sender: &str, parameters: &[&[u8]]) {
        self.step(|session, out| session.mail(sender.as_bytes(), parameters, out));
        self.step(|session, out| session.rcpt(b"<to@example.net>", &[], out));
        self.step(MtaSession::data);
    }

    /// Header section and body (cut into pieces of `piece` octets) up to the answer at end of message.
    pub(crate) fn content(&mut self, raw: &[u8], piece: usize) -> Answer {
        let (fields, body) = split(raw);
        for (name, value) in fields {
            self.step(|session, out| session.header(&name, &value, out));
        }
        self.step(MtaSession::end_of_headers);
        for piece in body.chunks(piece) {
            self.step(|session, out| session.body(piece, out));
        }
        self.step(MtaSession::end_of_body)
    }

    /// A whole message; no ABORT after it.
    pub(crate) fn message(&mut self, sender: &str, raw: &[u8]) -> Answer {
        self.envelope(sender, &[]);
        self.content(raw, 65_535)
    }

    /// One command, and the answer to it if one is due.
    pub(crate) fn step(
        &mut self,
        command: impl FnOnce(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>,
    ) -> Answer {
        self.try_step(command).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_step(
        &mut self,
        command: impl FnOnce(&mut MtaSession, &mut Vec<u8>) -> Result<Sent, UsageError>,
    ) -> Result<Answer, Lost> {
        let sent = command(&mut self.session, &mut self.out).unwrap();
        let written = self.stream.write_all(&self.out);
        self.out.clear();
        written.map_err(|error| Lost::Io(error.to_string()))?;
        let mut answer = Answer::default();
        if sent == Sent::AwaitReply {
            while !self.hear(&mut answer)? {}
        }
        Ok(answer)
    }

    /// Takes one frame; whether it was the last of the answer.
    fn hear(&mut self, answer: &mut Answer) -> Result<bool, Lost> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(|error| Lost::Io(error.to_string()))? {
                return match self.session.receive(frame).map_err(Lost::Violation)? {
                    Heard::Negotiated(_) => Ok(true),
                    Heard::Progress => {
                        answer.progress = answer.progress.saturating_add(1);
                        Ok(false)
                    }
                    Heard::Modification(modification) => {
                        answer.edits.push(describe(&modification));
                        Ok(false)
                    }
                    Heard::Decision(decision) => {
                        answer.decision = Some(decision);
                        Ok(true)
                    }
                    other => panic!("unexpected {other:?}"),
                };
            }
            let octets = self.stream.read(self.decoder.space()).map_err(|error| Lost::Io(error.to_string()))?;
            if octets == 0 {
                return Err(Lost::Closed);
            }
            self.decoder.filled(octets);
        }
    }

    /// Whether the daemon closes the connection, within a minute.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 16]), Ok(0))
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("the daemon closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Io(String),
    #[error("the daemon broke the protocol: {0:?}")]
    Violation(Violation),
}

fn describe(modification: &Modification<'_>) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).replace("\n\t", " ").replace("\n ", " ");
    match modification {
        Modification::Quarantine(reason) => format!("quarantine {}", text(reason)),
        Modification::ChangeHeader { index, name, value: b"" } => format!("delete {} {index}", text(name)),
        Modification::InsertHeader { index, name, value } => format!("insert {index} {}:{}", text(name), text(value)),
        other => format!("{other:?}"),
    }
}

/// The one edit of a message from outside without a signature, from a domain without SPF record.
pub(crate) fn assert_unsigned(edits: &[String]) {
    let [edit] = edits else { panic!("{edits:?}") };
    assert!(edit.starts_with("insert 0 Authentication-Results: mx.example; dkim=none; spf=none "), "{edit}");
}

/// A name and a value with folds.
pub(crate) type RawField = (Vec<u8>, Vec<u8>);

/// The fields and the body of a message with CRLF line ends, split as an MTA does it: nothing is judged here.
pub(crate) fn split(raw: &[u8]) -> (Vec<RawField>, &[u8]) {
    let mut fields: Vec<RawField> = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").map_or(rest.len(), |at| at);
        let (line, after) = (&rest[..end], rest.get(end.saturating_add(2)..).unwrap_or_default());
        rest = after;
        if line.is_empty() {
            break;
        }
        match (line[0], fields.last_mut()) {
            (b' ' | b'\t', Some((_, value))) => {
                value.extend_from_slice(b"\r\n");
                value.extend_from_slice(line);
            }
            _ => {
                let colon = line.iter().position(|octet| *octet == b':').unwrap();
                fields.push((line[..colon].to_vec(), line[colon.saturating_add(1)..].to_vec()));
            }
        }
    }
    (fields, rest)
}
