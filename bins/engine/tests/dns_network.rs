//! The resolver against a DNS server on loopback that answers, refuses, keeps silent, truncates and lies (D-23).
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dkim_core::dns::TxtAnswer;
use engine::config;
use engine::dns::{Resolver, Zone};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// The public key of RFC 8463 appendix A.2.
const KEY: &str = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// A DNS server whose behaviour follows from the first label of the question.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    async fn start(with_tcp: bool) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        // The same port has to be free for both.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let mut tasks = vec![tokio::spawn(serve_udp(udp, Arc::clone(&asked)))];
        if with_tcp {
            tasks.push(tokio::spawn(serve_tcp(tcp)));
        }
        Self { address, asked, tasks }
    }

    fn resolver(&self) -> Resolver {
        resolver(&[self.address], None)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn resolver(servers: &[SocketAddr], zone_file: Option<PathBuf>) -> Resolver {
    let timeout = Duration::from_millis(600);
    let dns = config::Dns { nameservers: servers.to_vec(), timeout, zone_file, ..config::Dns::default() };
    Resolver::new(&dns, engine::BACKEND).unwrap()
}

async fn serve_udp(socket: UdpSocket, asked: Arc<AtomicUsize>) {
    let mut packet = vec![0; 4096];
    loop {
        let (octets, peer) = socket.recv_from(&mut packet).await.unwrap();
        asked.fetch_add(1, Ordering::SeqCst);
        if let Some(reply) = reply(packet.get(..octets).unwrap(), false) {
            socket.send_to(&reply, peer).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve_stream(stream));
    }
}

async fn serve_stream(mut stream: TcpStream) {
    while let Ok(length) = stream.read_u16().await {
        let mut packet = vec![0; usize::from(length)];
        if stream.read_exact(&mut packet).await.is_err() {
            return;
        }
        let Some(reply) = reply(&packet, true) else { continue };
        let mut framed = u16::try_from(reply.len()).unwrap().to_be_bytes().to_vec();
        framed.extend(reply);
        if stream.write_all(&framed).await.is_err() {
            return;
        }
    }
}

/// The answer to a packet; `None` for silence.
fn reply(packet: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_vec(packet).unwrap();
    let name = question.queries.first().unwrap().name().clone();
    let label = String::from_utf8(name.iter().next().unwrap().to_vec()).unwrap();
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.queries.clone_from(&question.queries);
    let texts = |strings: Vec<&[u8]>| Record::from_rdata(name.clone(), 60, RData::TXT(TXT::from_bytes(strings)));
    let soa = || {
        let data = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, 60);
        Record::from_rdata(Name::root(), 60, RData::SOA(data))
    };
    match label.as_str() {
        "ok" => answer.answers.push(texts(vec![b"v=DKIM1; ", b"p="])),
        "key" => answer.answers.push(texts(vec![KEY.as_bytes()])),
        "brief" => {
            let mut record = texts(vec![b"x"]);
            record.ttl = 0;
            answer.answers.push(record);
        }
        "alias" => {
            let target = Name::from_ascii("target.example.").unwrap();
            answer.answers.push(Record::from_rdata(name.clone(), 60, RData::CNAME(CNAME(target.clone()))));
            answer.answers.push(Record::from_rdata(target, 60, RData::TXT(TXT::from_bytes(vec![b"aliased"]))));
        }
        "nodata" => answer.authorities.push(soa()),
        "nx" => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            answer.authorities.push(soa());
        }
        "servfail" => answer.metadata.response_code = ResponseCode::ServFail,
        "refused" => answer.metadata.response_code = ResponseCode::Refused,
        "notimp" => answer.metadata.response_code = ResponseCode::NotImp,
        "silent" => return None,
        "garbage" => return Some(vec![0xff; 40]),
        "wrongid" => answer.metadata.id = question.metadata.id.wrapping_add(1),
        "truncated" if !over_tcp => answer.metadata.truncation = true,
        "truncated" => answer.answers.push(texts(vec![&[b'x'; 250]; 12])),
        "huge" if !over_tcp => answer.metadata.truncation = true,
        "huge" => answer.answers.push(texts(vec![&[b'x'; 255]; 254])),
        other => unreachable!("no behaviour for {other}"),
    }
    Some(answer.to_vec().unwrap())
}

fn records(texts: &[&str]) -> TxtAnswer {
    TxtAnswer::Records(texts.iter().map(|text| text.as_bytes().to_vec()).collect())
}

#[tokio::test]
async fn answers_are_mapped_to_their_four_words() {
    let server = Server::start(true).await;
    let resolver = server.resolver();
    for (name, expected) in [
        ("ok.example", records(&["v=DKIM1; p="])),
        ("alias.example", records(&["aliased"])),
        ("nodata.example", TxtAnswer::NoData),
        ("nx.example", TxtAnswer::NxDomain),
        ("servfail.example", TxtAnswer::Failed),
        ("refused.example", TxtAnswer::Failed),
        ("notimp.example", TxtAnswer::Failed),
    ] {
        assert_eq!(resolver.txt(name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn d23_silence_garbage_and_wrong_ids_fail_within_the_time_of_one_question() {
    let server = Server::start(true).await;
    let resolver = server.resolver();
    for name in ["silent.example", "garbage.example", "wrongid.example"] {
        let start = Instant::now();
        assert_eq!(resolver.txt(name).await, TxtAnswer::Failed, "{name}");
        assert!(start.elapsed() < Duration::from_secs(2), "{name} took {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = Server::start(true).await;
    assert_eq!(server.resolver().txt("truncated.example").await, records(&["x".repeat(3000).as_str()]));
    assert_eq!(server.resolver().txt("huge.example").await, records(&["x".repeat(255 * 254).as_str()]));
}

#[tokio::test]
async fn a_truncated_answer_without_tcp_fails() {
    let server = Server::start(false).await;
    assert_eq!(server.resolver().txt("truncated.example").await, TxtAnswer::Failed);
}

#[tokio::test]
async fn a_dead_server_fails_and_the_next_one_is_asked() {
    let dead = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    assert_eq!(resolver(&[dead], None).txt("ok.example").await, TxtAnswer::Failed);
    let server = Server::start(true).await;
    assert_eq!(resolver(&[dead, server.address], None).txt("ok.example").await, records(&["v=DKIM1; p="]));
}

#[tokio::test]
async fn answers_are_kept_whatever_they_say() {
    let server = Server::start(true).await;
    let resolver = server.resolver();
    for (name, kept) in [
        ("ok.example", true),
        ("OK.Example.", true),
        ("nx.example", true),
        ("nodata.example", true),
        ("brief.example", false),
    ] {
        resolver.txt(name).await;
        let before = server.asked();
        resolver.txt(name).await;
        assert_eq!(server.asked() == before, kept, "{name}");
    }
    resolver.txt("servfail.example").await;
    let before = server.asked();
    assert_eq!(resolver.txt("servfail.example").await, TxtAnswer::Failed);
    assert_eq!(server.asked(), before, "a failure is kept for a few seconds");
}

#[tokio::test]
async fn a_hundred_messages_ask_once() {
    let server = Server::start(true).await;
    let resolver = server.resolver();
    let questions: Vec<_> = (0..100)
        .map(|_| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.key("key.example").await })
        })
        .collect();
    for question in questions {
        assert!(question.await.unwrap().record().is_ok());
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn many_questions_at_a_time_are_all_answered() {
    let server = Server::start(true).await;
    let resolver = server.resolver();
    let questions: Vec<_> = (0..300)
        .map(|n| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolver.txt(&format!("ok.n{n}.example")).await })
        })
        .collect();
    for question in questions {
        assert_eq!(question.await.unwrap(), records(&["v=DKIM1; p="]));
    }
}

#[tokio::test]
async fn names_in_the_zone_file_are_never_asked_for() {
    let server = Server::start(true).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zone.txt");
    std::fs::write(&file, "silent.example. TXT \"from the file\"\nother.example. SERVFAIL\n").unwrap();
    let resolver = resolver(&[server.address], Some(file));
    assert_eq!(resolver.txt("silent.example").await, records(&["from the file"]));
    assert_eq!(resolver.txt("other.example").await, TxtAnswer::Failed);
    assert_eq!(server.asked(), 0);
    assert_eq!(resolver.txt("ok.example").await, records(&["v=DKIM1; p="]));
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn an_offline_resolver_knows_only_its_zone() {
    let mut zone = Zone::default();
    zone.insert("s._domainkey.example", KEY.as_bytes());
    let resolver = Resolver::offline(zone, engine::BACKEND);
    assert!(resolver.key("s._domainkey.example").await.record().is_ok());
    assert_eq!(resolver.txt("other.example").await, TxtAnswer::NxDomain);
}

#[tokio::test]
async fn a_zone_file_with_an_error_stops_the_resolver_and_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zone.txt");
    let dns = config::Dns { zone_file: Some(file.clone()), ..config::Dns::default() };
    let found = Resolver::new(&dns, engine::BACKEND).unwrap_err();
    assert_eq!(found.iter().next().unwrap().code.as_str(), "E-ZONE-READ");
    std::fs::write(&file, "\na.example. TXT\n").unwrap();
    let found = Resolver::new(&dns, engine::BACKEND).unwrap_err();
    let finding = found.iter().next().unwrap();
    assert_eq!((finding.code.as_str(), finding.line, finding.file.clone()), ("E-ZONE-LINE", Some(2), Some(file)));
}

#[tokio::test]
async fn names_that_are_no_names_do_not_exist() {
    let server = Server::start(true).await;
    let resolver = server.resolver();
    for name in ["a..b", &"x".repeat(64), &"x.".repeat(200), ""] {
        let answer = resolver.txt(name).await;
        assert!(matches!(answer, TxtAnswer::NxDomain | TxtAnswer::Failed | TxtAnswer::NoData), "{name}: {answer:?}");
    }
}
