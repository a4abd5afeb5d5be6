//! A name server on loopback that does what a test says: answers late, twice, wrongly, by UDP only, or not at all.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record};

/// A question as it arrived.
pub(crate) struct Asked {
    pub(crate) message: Message,
    pub(crate) over_tcp: bool,
    /// How often this name was asked for by now, this time included.
    pub(crate) times: usize,
}

impl Asked {
    pub(crate) fn name(&self) -> Name {
        self.message.queries[0].name().clone()
    }

    /// The selector.
    pub(crate) fn label(&self) -> String {
        String::from_utf8(self.name().iter().next().unwrap().to_vec()).unwrap()
    }

    /// An answer without records.
    pub(crate) fn reply(&self, code: ResponseCode) -> Message {
        let mut reply = Message::new(self.message.metadata.id, MessageType::Response, OpCode::Query);
        reply.metadata.recursion_desired = true;
        reply.metadata.recursion_available = true;
        reply.metadata.response_code = code;
        reply.queries.clone_from(&self.message.queries);
        reply
    }

    /// The answer with one TXT record of these strings.
    pub(crate) fn text(&self, strings: &[&[u8]]) -> Message {
        let mut reply = self.reply(ResponseCode::NoError);
        reply.answers.push(text(&self.name(), strings));
        reply
    }

    /// The answer that there is too much for UDP.
    pub(crate) fn truncated(&self) -> Message {
        let mut reply = self.reply(ResponseCode::NoError);
        reply.metadata.truncation = true;
        reply
    }
}

/// A TXT record; strings of more than 255 octets are several (RFC 1035 §3.3).
pub(crate) fn text(name: &Name, strings: &[&[u8]]) -> Record {
    let strings = strings.iter().flat_map(|string| string.chunks(255)).collect();
    Record::from_rdata(name.clone(), 60, RData::TXT(TXT::from_bytes(strings)))
}

pub(crate) fn alias(name: &Name, target: &Name) -> Record {
    Record::from_rdata(name.clone(), 60, RData::CNAME(CNAME(target.clone())))
}

pub(crate) fn soa(seconds: u32) -> Record {
    Record::from_rdata(Name::root(), seconds, RData::SOA(SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, seconds)))
}

/// What a server says that does not resolve: who may know.
pub(crate) fn referral(asked: &Asked) -> Packet {
    let mut reply = asked.reply(ResponseCode::NoError);
    let server = RData::NS(NS(Name::from_ascii("ns.example.").unwrap()));
    reply.authorities.push(Record::from_rdata(Name::from_ascii("example.com.").unwrap(), 60, server));
    reply.into()
}

/// Something that the server sends.
#[derive(Default)]
pub(crate) struct Packet {
    octets: Vec<u8>,
    after: Duration,
    is_by_another_port: bool,
}

impl Packet {
    pub(crate) fn raw(octets: Vec<u8>) -> Self {
        Self { octets, ..Self::default() }
    }

    pub(crate) fn after(self, time: Duration) -> Self {
        Self { after: time, ..self }
    }

    /// Sends it from another port.
    pub(crate) fn by_another_port(self) -> Self {
        Self { is_by_another_port: true, ..self }
    }
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        Self::raw(message.to_vec().unwrap())
    }
}

/// What happens on a question: the packets that are sent.  Over TCP each is framed.
type Script = dyn Fn(&Asked) -> Vec<Packet> + Send + Sync;

/// What listens on the TCP port.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tcp {
    /// The script.
    Served,
    /// Nobody: the port is closed.
    Closed,
    /// Somebody who accepts and says nothing.
    Silent,
    /// Somebody who closes what was opened.
    Closing,
    /// Somebody who announces an answer and sends half of it.
    Half,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    has_tcp: bool,
}

struct Shared {
    script: Box<Script>,
    asked: Mutex<HashMap<String, usize>>,
    is_over: AtomicBool,
}

impl Server {
    /// One that answers over UDP and TCP.
    pub(crate) fn start(script: impl Fn(&Asked) -> Vec<Packet> + Send + Sync + 'static) -> Self {
        Self::with_tcp(Tcp::Served, script)
    }

    pub(crate) fn with_tcp(tcp: Tcp, script: impl Fn(&Asked) -> Vec<Packet> + Send + Sync + 'static) -> Self {
        let (udp, listener) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            if let Ok(listener) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, listener);
            }
        };
        Self::on(udp, Some((listener, tcp)).filter(|_| tcp != Tcp::Closed), script)
    }

    /// One at this address, over UDP alone.
    pub(crate) fn at(address: SocketAddr, script: impl Fn(&Asked) -> Vec<Packet> + Send + Sync + 'static) -> Self {
        Self::on(UdpSocket::bind(address).unwrap(), None, script)
    }

    fn on(
        udp: UdpSocket,
        tcp: Option<(TcpListener, Tcp)>,
        script: impl Fn(&Asked) -> Vec<Packet> + Send + Sync + 'static,
    ) -> Self {
        let shared =
            Arc::new(Shared { script: Box::new(script), asked: Mutex::default(), is_over: AtomicBool::new(false) });
        let server = Self { address: udp.local_addr().unwrap(), shared, has_tcp: tcp.is_some() };
        let shared = Arc::clone(&server.shared);
        thread::spawn(move || serve_udp(&udp, &shared));
        if let Some((listener, how)) = tcp {
            let shared = Arc::clone(&server.shared);
            thread::spawn(move || serve_tcp(&listener, how, &shared));
        }
        server
    }

    /// Questions for this selector, or all.
    pub(crate) fn asked(&self, label: Option<&str>) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        match label {
            Some(label) => asked.get(label).copied().unwrap_or(0),
            None => asked.values().sum(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the threads.
        let _ = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().send_to(&[], self.address);
        if self.has_tcp {
            let _ = TcpStream::connect(self.address);
        }
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn packets(&self, question: &[u8], over_tcp: bool) -> Vec<Packet> {
        let mut asked = Asked { message: Message::from_vec(question).unwrap(), over_tcp, times: 0 };
        let label = asked.label();
        let mut all = self.asked.lock().unwrap();
        let times = all.entry(label).or_default();
        *times += 1;
        asked.times = *times;
        drop(all);
        (self.script)(&asked)
    }
}

fn serve_udp(socket: &UdpSocket, shared: &Shared) {
    let mut question = [0; 4096];
    loop {
        let (octets, peer) = socket.recv_from(&mut question).unwrap();
        if shared.is_over() {
            return;
        }
        for packet in shared.packets(&question[..octets], false) {
            let sender = if packet.is_by_another_port {
                UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
            } else {
                socket.try_clone().unwrap()
            };
            let send = move || {
                thread::sleep(packet.after);
                // Whoever asked may be gone.
                let _ = sender.send_to(&packet.octets, peer);
            };
            if packet.after.is_zero() { send() } else { drop(thread::spawn(send)) }
        }
    }
}

fn serve_tcp(listener: &TcpListener, how: Tcp, shared: &Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().unwrap();
        if shared.is_over() {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || serve_stream(stream, how, &shared));
    }
}

fn serve_stream(mut stream: TcpStream, how: Tcp, shared: &Shared) {
    let mut length = [0; 2];
    while how != Tcp::Closing && stream.read_exact(&mut length).is_ok() {
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut question).unwrap();
        if how == Tcp::Silent {
            // Until the other side has had enough.
            let _ = stream.read(&mut length);
            return;
        }
        for packet in shared.packets(&question, true) {
            thread::sleep(packet.after);
            let mut framed = u16::try_from(packet.octets.len()).unwrap().to_be_bytes().to_vec();
            framed.extend_from_slice(&packet.octets);
            let end = if how == Tcp::Half { framed.len() / 2 } else { framed.len() };
            if stream.write_all(&framed[..end]).is_err() || how == Tcp::Half {
                return;
            }
        }
    }
}
