//! The questions of SPF over the network: each kind of record, what they have in common with those of DKIM, and their limits (RFC 7208 §4.4, §5).
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dkim_core::dns::TxtAnswer;
use engine::config;
use engine::dns::{Detail, MAX_RECORDS, Resolver, Trouble};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NULL, PTR, SOA, TXT};
use hickory_proto::rr::{Name as WireName, RData, Record, RecordType};
use spf_core::dns::{Answer, Question, RecordKind};
use spf_core::name::Name;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

const KINDS: [RecordKind; 5] = [RecordKind::Txt, RecordKind::A, RecordKind::Aaaa, RecordKind::Mx, RecordKind::Ptr];

/// A DNS server on loopback; what it does follows from the first label of the question.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    async fn start() -> Self {
        // The same port has to be free for both.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let (address, asked) = (udp.local_addr().unwrap(), Arc::default());
        let tasks = [tokio::spawn(serve_udp(udp, Arc::clone(&asked))), tokio::spawn(serve_tcp(tcp))];
        Self { address, asked, tasks }
    }

    fn resolver(&self) -> Resolver {
        let timeout = Duration::from_millis(600);
        let dns = config::Dns { nameservers: vec![self.address], timeout, ..config::Dns::default() };
        Resolver::new(&dns, engine::BACKEND).unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn serve_udp(socket: UdpSocket, asked: Arc<Mutex<Vec<(String, RecordType)>>>) {
    let mut packet = vec![0; 4096];
    loop {
        let (octets, peer) = socket.recv_from(&mut packet).await.unwrap();
        let question = Message::from_vec(packet.get(..octets).unwrap()).unwrap();
        let query = question.queries.first().unwrap();
        asked.lock().unwrap().push((query.name().to_ascii(), query.query_type()));
        let Some(mut reply) = reply(&question) else { continue };
        if reply.answers.len() > 20 {
            reply.answers.clear();
            reply.metadata.truncation = true;
        }
        socket.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
    }
}

async fn serve_tcp(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut packet = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut packet).await.unwrap();
            let reply = reply(&Message::from_vec(&packet).unwrap()).unwrap().to_vec().unwrap();
            let length = u16::try_from(reply.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length[..], &reply].concat()).await.unwrap();
        });
    }
}

fn wire(name: &str) -> WireName {
    WireName::from_ascii(name).unwrap()
}

/// What the server has of each type.
fn data(kind: RecordType) -> RData {
    match kind {
        RecordType::TXT => RData::TXT(TXT::from_bytes(vec![b"v=spf1 ", b"-all"])),
        RecordType::A => RData::A(A(Ipv4Addr::new(192, 0, 2, 1))),
        RecordType::AAAA => RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)),
        RecordType::MX => RData::MX(MX::new(10, wire("Mail.Example."))),
        RecordType::PTR => RData::PTR(PTR(wire("Host.Example."))),
        RecordType::Unknown(99) => {
            let mut rdata = NULL::new();
            rdata.anything = b"\x07v=spf1 \x04+all".to_vec();
            RData::Unknown { code: kind, rdata }
        }
        other => unreachable!("{other} is not asked for"),
    }
}

/// The same as [`data`], as an answer.
fn expected(kind: RecordKind) -> Answer {
    match kind {
        RecordKind::Txt => Answer::txt(["v=spf1 -all"]),
        RecordKind::A => Answer::a([Ipv4Addr::new(192, 0, 2, 1)]),
        RecordKind::Aaaa => Answer::aaaa([Ipv6Addr::LOCALHOST]),
        RecordKind::Mx => Answer::mx([(10, "mail.example")]),
        RecordKind::Ptr => Answer::ptr(["host.example"]),
    }
}

fn reply(question: &Message) -> Option<Message> {
    let query = question.queries.first().unwrap();
    let (name, kind) = (query.name().clone(), query.query_type());
    let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_available = true;
    reply.queries.clone_from(&question.queries);
    let record = |owner: &WireName| Record::from_rdata(owner.clone(), 60, data(kind));
    let soa = Record::from_rdata(
        WireName::root(),
        60,
        RData::SOA(SOA::new(WireName::root(), WireName::root(), 1, 60, 60, 60, 60)),
    );
    match std::str::from_utf8(name.iter().next().unwrap()).unwrap() {
        "alias" => {
            reply.answers.push(Record::from_rdata(name, 60, RData::CNAME(CNAME(wire("target.example.")))));
            reply.answers.push(record(&wire("target.example.")));
        }
        // The target is in a zone of somebody else, and asked for.
        "far" => reply.answers.push(Record::from_rdata(name, 60, RData::CNAME(CNAME(wire("ok.example."))))),
        "lost" => reply.answers.push(Record::from_rdata(name, 60, RData::CNAME(CNAME(wire("nx.example."))))),
        "nodata" => reply.authorities.push(soa),
        "nx" => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            reply.authorities.push(soa);
        }
        "servfail" => reply.metadata.response_code = ResponseCode::ServFail,
        "silent" => return None,
        "other" => {
            reply.answers.push(Record::from_rdata(wire("else.example."), 60, data(kind)));
            reply.authorities.push(soa);
        }
        "most" => reply.answers = vec![record(&name); MAX_RECORDS],
        "more" => reply.answers = vec![record(&name); MAX_RECORDS + 1],
        _ => reply.answers.push(record(&name)),
    }
    Some(reply)
}

fn question(name: &str, kind: RecordKind) -> Question {
    Question::new(Name::parse(name).unwrap(), kind)
}

#[tokio::test]
async fn rfc7208_s5_each_kind_is_asked_for_and_answered() {
    let server = Server::start().await;
    let resolver = server.resolver();
    for kind in KINDS {
        for (name, answer) in [
            ("ok.example", expected(kind)),
            ("alias.example", expected(kind)),
            ("far.example", expected(kind)),
            ("lost.example", Answer::NxDomain),
            ("nodata.example", Answer::NoData),
            ("nx.example", Answer::NxDomain),
            ("servfail.example", Answer::Failed),
            ("other.example", Answer::NoData),
        ] {
            assert_eq!(resolver.spf(&question(name, kind)).await, answer, "{name} {kind}");
        }
    }
}

#[tokio::test]
async fn rfc7208_s4_4_no_answer_in_time_is_a_failure() {
    let server = Server::start().await;
    let start = Instant::now();
    assert_eq!(server.resolver().spf(&question("silent.example", RecordKind::Mx)).await, Answer::Failed);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn each_kind_is_kept_and_asked_for_once() {
    let server = Server::start().await;
    let resolver = server.resolver();
    for name in ["ok.example", "nx.example", "nodata.example"] {
        let before = server.asked();
        for kind in KINDS {
            let first = resolver.spf(&question(name, kind)).await;
            assert_eq!(resolver.spf(&question(name, kind)).await, first);
        }
        assert_eq!(server.asked() - before, KINDS.len(), "{name}");
    }
}

#[tokio::test]
async fn one_txt_answer_serves_spf_and_dkim() {
    let server = Server::start().await;
    let resolver = server.resolver();
    let Answer::Txt(first) = resolver.spf(&question("ok.example", RecordKind::Txt)).await else { unreachable!() };
    assert_eq!(resolver.txt("OK.example.").await, TxtAnswer::Records(vec![b"v=spf1 -all".to_vec()]));
    assert!(resolver.key("ok.example").await.record().is_err());
    let Answer::Txt(second) = resolver.spf(&question("ok.example", RecordKind::Txt)).await else { unreachable!() };
    assert_eq!(server.asked(), 1);
    assert!(Arc::ptr_eq(&first, &second), "its SPF record is parsed once");
}

#[tokio::test]
async fn more_addresses_exchanges_or_names_than_are_read_are_a_failure() {
    let server = Server::start().await;
    let resolver = server.resolver();
    assert!(
        matches!(resolver.spf(&question("most.example", RecordKind::A)).await, Answer::A(all) if all.len() == MAX_RECORDS)
    );
    for kind in [RecordKind::A, RecordKind::Aaaa, RecordKind::Mx, RecordKind::Ptr] {
        assert_eq!(resolver.spf(&question("more.example", kind)).await, Answer::Failed, "{kind}");
    }
}

/// RFC 7208 §7 makes names that no host has; they go out as they are.
#[tokio::test]
async fn rfc7208_s7_expanded_names_go_out_as_they_are() {
    let server = Server::start().await;
    let resolver = server.resolver();
    for name in ["foo:bar/baz.example", "a b.example", "a\\b.example", "\"q\".example"] {
        assert_eq!(resolver.spf(&question(name, RecordKind::A)).await, expected(RecordKind::A), "{name}");
    }
    assert_eq!(server.asked(), 4);
}

#[tokio::test]
async fn rfc7208_s3_1_records_of_type_99_can_be_inspected() {
    let server = Server::start().await;
    let resolver = server.resolver();
    for (name, answer, aliases) in [
        ("ok.example", Detail::Records(vec![vec![b"v=spf1 ".to_vec(), b"+all".to_vec()]]), &[][..]),
        ("far.example", Detail::Records(vec![vec![b"v=spf1 ".to_vec(), b"+all".to_vec()]]), &["ok.example"]),
        ("nodata.example", Detail::NoData, &[]),
        ("nx.example", Detail::NxDomain, &[]),
        ("servfail.example", Detail::Failed(Trouble::ServFail), &[]),
        ("silent.example", Detail::Failed(Trouble::Timeout), &[]),
    ] {
        let found = resolver.inspect_type99(name).await;
        assert_eq!(
            (found.answer, found.aliases.as_slice()),
            (answer, &aliases.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()[..]),
            "{name}"
        );
    }
    // It is asked for each time, and is no TXT record.
    assert!(server.asked.lock().unwrap().iter().all(|(_, kind)| *kind == RecordType::Unknown(99)));
    let before = server.asked();
    resolver.inspect_type99("ok.example").await;
    assert_eq!(server.asked(), before + 1);
}

#[tokio::test]
async fn names_in_the_zone_file_are_never_asked_for() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zone.txt");
    std::fs::write(&file, "ok.example. A 192.0.2.9\ndown.example. TIMEOUT\n").unwrap();
    let dns =
        config::Dns { nameservers: vec![server.address], zone_file: Some(file.clone()), ..config::Dns::default() };
    let resolver = Resolver::new(&dns, engine::BACKEND).unwrap();
    let address = |last| Answer::a([Ipv4Addr::new(192, 0, 2, last)]);
    assert_eq!(resolver.spf(&question("ok.example", RecordKind::A)).await, address(9));
    assert_eq!(resolver.spf(&question("ok.example", RecordKind::Mx)).await, Answer::NoData);
    assert_eq!(resolver.spf(&question("down.example", RecordKind::Mx)).await, Answer::Failed);
    assert_eq!(server.asked(), 0);
    assert_eq!(resolver.spf(&question("a.ok.example", RecordKind::A)).await, address(1));
    // What is kept is kept over a reload, unless the file has changed.
    let same = resolver.renewed(&dns, &dns).unwrap();
    assert_eq!(same.spf(&question("a.ok.example", RecordKind::A)).await, address(1));
    assert_eq!(server.asked(), 1);
    std::fs::write(&file, "ok.example. A 192.0.2.10\n").unwrap();
    let changed = same.renewed(&dns, &dns).unwrap();
    assert_eq!(changed.spf(&question("ok.example", RecordKind::A)).await, address(10));
}
