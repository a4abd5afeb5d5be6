//! One question to the name servers, until somebody answers or the time is up.
//!
//! ```text
//!            0        1/5       2/5       3/5       4/5    all of `dns.timeout`
//!  server 1  ask ──── again ─── again ─── listening ─────────────┤
//!  server 2           ask ──── again ──── again ─── listening ───┤   at once, when server 1 says no
//!  server 3                    ask ──── …
//! ```
//!
//! Invariants: a packet that is sent again takes nothing from the one before it, an answer to either counts, so a server that needs most of
//! the time is slow and not dead. The first answer wins, whoever gives it. A server that fails (RFC 2308 §7: SERVFAIL, REFUSED, a closed
//! port, garbage; or a referral) is no answer as long as another one may give one. Each question has a socket of its own, connected to its server, with a
//! port and an id of chance: nothing else than an answer of that server with that id to that question is heard (RFC 5452 §9.1).
//!
//! What an answer says about the name is read in [`super::answer`].

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::answer::is_referral;

/// Octets that a server may send over UDP (the value of the DNS flag day of 2020): no answer is fragmented.
const UDP_OCTETS: u16 = 1232;

/// Room for a packet of a server that sends more than it was told.
const UDP_BUFFER: usize = 4096;

/// How often a question is sent to one server.
const SENDS: u32 = 3;

/// Parts of the time after which a question is sent again, or to the next server.
const PARTS: u32 = 5;

/// Questions over TCP at a time: answers may have 64 KiB.
const MAX_STREAMS: usize = 256;

/// Packets passed over, as they are not the answer, before a question goes on over TCP: many forged ones, and few of those that come late.
const MAX_FOREIGN: u32 = 100;

/// Octets of the header (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// The name servers.
#[derive(Debug)]
pub(super) struct Servers {
    addresses: Vec<SocketAddr>,
    timeout: Duration,
    /// Who is asked first: the one that answered last.
    preferred: AtomicUsize,
    places: Semaphore,
    streams: Semaphore,
}

/// Why a server, or all of them, gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("no name server is configured")]
    NoServer,
    #[error("{0}")]
    Io(String),
    #[error("the server says {0}")]
    Code(ResponseCode),
    #[error("the answer is malformed")]
    Malformed,
    #[error("the server refers to others and does not resolve")]
    Referral,
    #[error("the question cannot be written: {0}")]
    Question(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl From<ProtoError> for Failure {
    fn from(error: ProtoError) -> Self {
        Self::Question(error.to_string())
    }
}

impl Servers {
    /// Asks `addresses`, at most `questions` at a time. Servers have their turns within `timeout`.
    pub(super) fn new(addresses: Vec<SocketAddr>, timeout: Duration, questions: usize) -> Self {
        Self {
            addresses,
            timeout,
            preferred: AtomicUsize::new(0),
            places: Semaphore::new(questions),
            streams: Semaphore::new(MAX_STREAMS),
        }
    }

    /// The answer to the question for `kind` records of `name`: no error or no such name, whole, and to this question.
    ///
    /// *Limits*: waits for its place among the questions, and for an answer for ever: the caller ends it after the time that it gave to
    /// [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// The last failure, when every server failed.
    pub(super) async fn ask(&self, name: &Name, kind: RecordType) -> Result<Message, Failure> {
        let _place = self.places.acquire().await;
        self.race(&Query::query(name.clone(), kind)).await
    }

    /// Asks one server after the other, without giving up those that were asked before.
    async fn race(&self, question: &Query) -> Result<Message, Failure> {
        let count = self.addresses.len();
        // Every server has its turn before the time is up.
        let parts = PARTS.max(u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1));
        let step = self.timeout.checked_div(parts).unwrap_or_default();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut order = self.addresses.iter().enumerate().cycle().skip(first.min(count)).take(count);
        let mut running = Running(Vec::new());
        let mut failure = Failure::NoServer;
        let mut next_due = Instant::now();
        let mut is_next_there = true;
        loop {
            if is_next_there && (running.0.is_empty() || next_due <= Instant::now()) {
                match order.next() {
                    Some((index, address)) => {
                        running.0.push((index, Box::pin(self.ask_one(*address, question, step))));
                        next_due = Instant::now().checked_add(step).unwrap_or(next_due);
                    }
                    None => is_next_there = false,
                }
            }
            if running.0.is_empty() {
                return Err(failure);
            }
            tokio::select! {
                biased;
                (index, answer) = &mut running => match answer {
                    Ok(message) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return Ok(message);
                    }
                    Err(error) => {
                        tracing::debug!(server = ?self.addresses.get(index), "no answer: {error}");
                        failure = error;
                        next_due = Instant::now();
                    }
                },
                () = sleep_until(next_due), if is_next_there => {}
            }
        }
    }

    /// Asks one server, with EDNS and, where it does not know that, without.
    async fn ask_one(&self, server: SocketAddr, question: &Query, step: Duration) -> Result<Message, Failure> {
        match self.ask_once(server, question, true, step).await {
            // RFC 6891 §7: "Responders that choose not to implement the protocol extensions … MUST respond with a return code of FORMERR".
            Err(Failure::Code(ResponseCode::FormErr | ResponseCode::NotImp)) => {
                self.ask_once(server, question, false, step).await
            }
            other => other,
        }
    }

    async fn ask_once(
        &self,
        server: SocketAddr,
        question: &Query,
        edns: bool,
        step: Duration,
    ) -> Result<Message, Failure> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(question.clone());
        if edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_OCTETS).set_version(0);
            message.set_edns(edns);
        }
        let asked = Asked { id: message.metadata.id, question, packet: message.to_vec()? };
        // Where another server can be asked, nobody waits for one that is being restarted.
        let is_patient = self.addresses.len() == 1;
        if let Some(answer) = over_udp(server, &asked, step, is_patient).await? {
            return Ok(answer);
        }
        let _stream = self.streams.acquire().await;
        over_tcp(server, &asked).await
    }
}

type Attempt<'a> = Pin<Box<dyn Future<Output = Result<Message, Failure>> + Send + 'a>>;

/// The servers that are being asked; ends with the first one that has something to say, and takes it out.
struct Running<'a>(Vec<(usize, Attempt<'a>)>);

impl Future for Running<'_> {
    type Output = (usize, Result<Message, Failure>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        for (position, (index, attempt)) in self.0.iter_mut().enumerate() {
            if let Poll::Ready(answer) = attempt.as_mut().poll(context) {
                let done = (*index, answer);
                drop(self.0.swap_remove(position));
                return Poll::Ready(done);
            }
        }
        Poll::Pending
    }
}

/// A question as it went out.
struct Asked<'a> {
    id: u16,
    question: &'a Query,
    packet: Vec<u8>,
}

/// What a packet is to us.
enum Heard {
    Answer(Box<Message>),
    /// There is more than fits into a packet.
    Truncated,
    /// Not the answer to our question: passed over, since anybody can send such a packet.
    Foreign,
}

impl Asked<'_> {
    /// Reads what came back. The id is looked at before anything else (RFC 5452 §9.1).
    fn hear(&self, packet: &[u8]) -> Result<Heard, Failure> {
        let Some((&[id_high, id_low, flags, ..], _)) = packet.split_first_chunk::<HEADER>() else {
            return Ok(Heard::Foreign);
        };
        let is_response = flags & 0x80 != 0;
        if u16::from_be_bytes([id_high, id_low]) != self.id || !is_response {
            return Ok(Heard::Foreign);
        }
        // RFC 2181 §9: "When a DNS client receives a reply with TC set, it should ignore that response, and query again, using a
        // mechanism, such as a TCP connection, that will permit larger replies." It may end anywhere, so it is not parsed.
        if flags & 0x02 != 0 {
            return Ok(Heard::Truncated);
        }
        let message = Message::from_vec(packet).map_err(|_error| Failure::Malformed)?;
        let code = message.metadata.response_code;
        let is_answer = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
        let is_ours = match message.queries.as_slice() {
            [question] => question == self.question,
            // Servers that could not read a question leave it out.
            [] => !is_answer,
            _ => false,
        };
        if !is_ours
            || message.metadata.message_type != MessageType::Response
            || message.metadata.op_code != OpCode::Query
        {
            return Ok(Heard::Foreign);
        }
        if !is_answer {
            return Err(Failure::Code(code));
        }
        if is_referral(self.question.name(), &message) {
            return Err(Failure::Referral);
        }
        Ok(Heard::Answer(Box::new(message)))
    }
}

/// The answer; `None` when TCP has to be asked: there is more of it than fits into a packet, or somebody forges.
async fn over_udp(
    server: SocketAddr,
    asked: &Asked<'_>,
    step: Duration,
    is_patient: bool,
) -> Result<Option<Message>, Failure> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // From here on the system drops what comes from elsewhere, and tells when the port is closed.
    socket.connect(server).await?;
    let mut buffer = vec![0; UDP_BUFFER];
    let mut sends_left = SENDS;
    let mut foreign_left = MAX_FOREIGN;
    let mut due = Instant::now();
    loop {
        tokio::select! {
            biased;
            received = socket.recv(&mut buffer) => match received {
                Ok(octets) => match asked.hear(buffer.get(..octets).unwrap_or_default()) {
                    // RFC 5452 §9.3: "If a resolver detects that an attempt is being made to spoof it, perhaps by discovering that many packets
                    // fail the criteria as outlined above, it MAY abandon the UDP query and re-issue it over TCP."
                    Ok(Heard::Foreign) if foreign_left == 0 => return Ok(None),
                    Ok(Heard::Foreign) => foreign_left = foreign_left.saturating_sub(1),
                    Ok(Heard::Truncated) => return Ok(None),
                    Ok(Heard::Answer(answer)) => return Ok(Some(*answer)),
                    // The system has cut off what there was no room for: more than the server was told that it may send.
                    Err(Failure::Malformed) if octets == buffer.len() => return Ok(None),
                    Err(failure) => return Err(failure),
                },
                // A server that is being restarted is there again soon.
                Err(error) if is_patient && sends_left > 0 && error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            },
            () = sleep_until(due), if sends_left > 0 => {
                sends_left = sends_left.saturating_sub(1);
                due = due.checked_add(step).unwrap_or(due);
                match socket.send(&asked.packet).await {
                    // That a port is closed is told at the next call, whichever that is.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        if let Err(error) = socket.send(&asked.packet).await && sends_left == 0 {
                            return Err(error.into());
                        }
                    }
                    sent => {
                        sent?;
                    }
                }
            }
        }
    }
}

async fn over_tcp(server: SocketAddr, asked: &Asked<'_>) -> Result<Message, Failure> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let length = u16::try_from(asked.packet.len()).map_err(|error| Failure::Question(error.to_string()))?;
    // RFC 7766 §8: length and message in one write.
    stream.write_all(&[&length.to_be_bytes(), asked.packet.as_slice()].concat()).await?;
    let length = stream.read_u16().await?;
    // Grows with what comes and not with what was announced.
    let mut packet = Vec::new();
    stream.take(length.into()).read_to_end(&mut packet).await?;
    if packet.len() < usize::from(length) {
        return Err(Failure::Malformed);
    }
    match asked.hear(&packet)? {
        Heard::Answer(answer) => Ok(*answer),
        // One question, one answer: nobody else can write into this connection.
        Heard::Truncated | Heard::Foreign => Err(Failure::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_questions_than_allowed_are_under_way() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let servers = Servers::new(vec![silent.local_addr().unwrap()], Duration::from_secs(60), 2);
        let name = Name::from_ascii("a.example.").unwrap();
        let mut running = Running(
            (0..5).map(|n| -> (usize, Attempt<'_>) { (n, Box::pin(servers.ask(&name, RecordType::TXT))) }).collect(),
        );
        // Asked for again after twelve seconds: what comes sooner is another question.
        let mut packet = [0; 512];
        let mut hear = async |running: &mut Running<'_>, patience: Duration| {
            let heard = async {
                tokio::select! {
                    octets = silent.recv(&mut packet) => assert!(octets.unwrap() > HEADER),
                    _ = running => panic!("nobody answers"),
                }
            };
            tokio::time::timeout(patience, heard).await.ok().map(|()| [packet[0], packet[1]])
        };
        let (long, short) = (Duration::from_secs(10), Duration::from_millis(300));
        let ids = [hear(&mut running, long).await.unwrap(), hear(&mut running, long).await.unwrap()];
        assert_ne!(ids[0], ids[1]);
        assert_eq!(hear(&mut running, short).await, None);
        // A question that is given up makes room for another.
        drop(running.0.remove(0));
        assert!(!ids.contains(&hear(&mut running, long).await.unwrap()));
    }

    #[test]
    fn what_is_no_answer_to_this_question_is_passed_over() {
        let question = Query::query(Name::from_ascii("a.example.").unwrap(), RecordType::TXT);
        let asked = Asked { id: 0x1234, question: &question, packet: Vec::new() };
        let answer = || {
            let mut answer = Message::new(0x1234, MessageType::Response, OpCode::Query);
            answer.add_query(question.clone());
            answer.metadata.recursion_available = true;
            answer
        };
        let hear = |message: &Message| asked.hear(&message.to_vec().unwrap());
        assert!(matches!(hear(&answer()), Ok(Heard::Answer(_))));
        for change in [
            (|answer: &mut Message| answer.metadata.id = 0x1235) as fn(&mut Message),
            |answer| answer.metadata.message_type = MessageType::Query,
            |answer| answer.metadata.op_code = OpCode::Notify,
            |answer| answer.queries.clear(),
            |answer| answer.queries.push(answer.queries[0].clone()),
            |answer| {
                answer.queries[0].set_query_type(RecordType::A);
            },
            |answer| {
                answer.queries[0].set_name(Name::root());
            },
        ] {
            let mut changed = answer();
            change(&mut changed);
            assert!(matches!(hear(&changed), Ok(Heard::Foreign)), "{changed}");
        }
        for octets in [&[][..], &[0x12, 0x34], &[0; 12]] {
            assert!(matches!(asked.hear(octets), Ok(Heard::Foreign)));
        }
        // Nothing behind the header of a truncated answer is read.
        assert!(matches!(
            asked.hear(&[0x12, 0x34, 0x82, 0, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0xc0]),
            Ok(Heard::Truncated)
        ));
        assert_eq!(asked.hear(&[0x12, 0x34, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0]).err(), Some(Failure::Malformed));
    }
}
