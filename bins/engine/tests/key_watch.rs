//! Keys compared with the DNS while mail flows: a key whose record is wrong stops signing where that is configured, and begins again (M44).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail by panic")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine::config::Config;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::keys::published::State;
use engine::message::Rules;
use engine::server::{Handle, Setup};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record};
use milter_proto::Decision;
use support::{Daemon, SIGNING, folder_with_keys, zone};

const MESSAGE: &[u8] = b"From: Jo <jo@example.com>\r\nSubject: Lunch\r\n\r\nat noon?\r\n";
const RSA: &str = "rsa._domainkey.example.com";
const ED: &str = "ed._domainkey.example.com";
/// Longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A DNS server whose records can be changed.
struct Dns {
    address: SocketAddr,
    /// The text of each name; `None`: no answer.
    texts: Arc<Mutex<HashMap<String, Option<String>>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Dns {
    /// A server with the right records.
    fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut dns = Self {
            address: socket.local_addr().unwrap(),
            texts: Arc::default(),
            is_over: Arc::default(),
            thread: None,
        };
        let (texts, is_over) = (Arc::clone(&dns.texts), Arc::clone(&dns.is_over));
        dns.thread = Some(std::thread::spawn(move || {
            let mut packet = [0; 4096];
            while !is_over.load(Ordering::Relaxed) {
                let Ok((octets, peer)) = socket.recv_from(&mut packet) else { continue };
                if let Some(reply) = reply(&packet[..octets], &texts.lock().unwrap()) {
                    socket.send_to(&reply, peer).unwrap();
                }
            }
        }));
        dns.mend();
        dns
    }

    fn set(&self, name: &str, text: Option<&str>) {
        self.texts.lock().unwrap().insert(name.to_owned(), text.map(str::to_owned));
    }

    /// The right records for all names.
    fn mend(&self) {
        for name in [RSA, ED] {
            let dkim_core::dns::TxtAnswer::Records(texts) = zone("").txt(name) else { panic!("no {name} in the zone") };
            self.set(name, Some(&String::from_utf8(texts.concat()).unwrap()));
        }
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn reply(packet: &[u8], texts: &HashMap<String, Option<String>>) -> Option<Vec<u8>> {
    let question = Message::from_vec(packet).unwrap();
    let name = question.queries[0].name().clone();
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.queries.clone_from(&question.queries);
    match texts.get(name.to_ascii().trim_end_matches('.')) {
        None => answer.metadata.response_code = ResponseCode::NXDomain,
        Some(None) => return None,
        Some(Some(text)) => {
            let strings: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
            answer.answers.push(Record::from_rdata(name, 60, RData::TXT(TXT::from_bytes(strings))));
        }
    }
    Some(answer.to_vec().unwrap())
}

fn setup(config: Config) -> Setup {
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    let (keys, found) = Keys::load(&config.domains, engine::BACKEND);
    assert!(!found.has_errors(), "{found}");
    Setup { rules: Arc::new(Rules::new(config, &keys)), resolver }
}

fn config(text: &str, folder: &std::path::Path, dns: &Dns) -> Config {
    let mut config = support::config(&format!("{text}{SIGNING}"), folder);
    config.listeners[0].socket = format!("unix:{}", folder.join("socket").display()).parse().unwrap();
    config.keys.interval = Some(Duration::from_millis(20));
    config.dns.nameservers = vec![dns.address];
    config.dns.timeout = Duration::from_millis(200);
    config
}

/// Waits for two more rounds: the second began after this was called.
fn two_rounds(handle: &Handle) {
    let counters = handle.key_counters();
    let (until, began) = (counters.rounds().saturating_add(2), Instant::now());
    while counters.rounds() < until {
        assert!(began.elapsed() < PATIENCE, "the keys are not checked");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The selectors that sign a message, and what the MTA is told.
fn signed(daemon: &Daemon) -> (Vec<&'static str>, Option<Decision>, String) {
    let answer = daemon.submission().message("<jo@example.com>", MESSAGE);
    let has = |selector: &str| answer.edits.iter().any(|edit| edit.contains(&format!(" s={selector};")));
    (["rsa", "ed"].into_iter().filter(|selector| has(selector)).collect(), answer.decision, daemon.log_line())
}

#[test]
fn m44_a_key_that_the_dns_does_not_have_stops_signing_until_it_is_there_again() {
    let (folder, dns) = (folder_with_keys(), Dns::start());
    let config = config("[signing]\non_key_mismatch = \"skip\"\n", folder.path(), &dns);
    let daemon = Daemon::serve(folder, setup(config.clone()));
    two_rounds(&daemon.handle);
    assert_eq!(signed(&daemon).0, ["rsa", "ed"]);

    dns.set(RSA, Some("v=DKIM1; k=rsa; p="));
    two_rounds(&daemon.handle);
    let (selectors, decision, log) = signed(&daemon);
    assert_eq!((selectors, decision), (vec!["ed"], Some(Decision::Continue)));
    assert!(log.contains(" sign=partly sign_reason=\"the DNS has another record for the key\""), "{log}");
    assert!(log.contains("signed_1=\"withheld d=example.com s=rsa a=rsa-sha256\""), "{log}");

    // No answer is no reason to sign with it again, and none to stop signing with the other.
    dns.set(RSA, None);
    dns.set(ED, None);
    let before = daemon.handle.key_counters().checks(State::Unknown);
    two_rounds(&daemon.handle);
    assert!(daemon.handle.key_counters().checks(State::Unknown) > before);
    assert_eq!(signed(&daemon).0, ["ed"]);

    // Neither is a reload, whose first round is still to come.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(daemon.handle.install(setup(config))).unwrap();
    assert_eq!(signed(&daemon).0, ["ed"]);

    dns.mend();
    two_rounds(&daemon.handle);
    assert_eq!(signed(&daemon).0, ["rsa", "ed"]);
}

#[test]
fn m16_one_key_that_is_left_signs_and_without_any_on_key_error_decides() {
    for (on_key_error, is_put_off) in [("unsigned", false), ("tempfail", true)] {
        let (folder, dns) = (folder_with_keys(), Dns::start());
        let text = format!("[signing]\non_key_mismatch = \"skip\"\non_key_error = \"{on_key_error}\"\n");
        let config = config(&text, folder.path(), &dns);
        let daemon = Daemon::serve(folder, setup(config));
        dns.set(RSA, Some("v=DKIM1; k=rsa; p="));
        two_rounds(&daemon.handle);
        let (selectors, decision, _) = signed(&daemon);
        assert_eq!((selectors, decision), (vec!["ed"], Some(Decision::Continue)), "{on_key_error}");
        dns.set(ED, Some("v=DKIM1; k=ed25519; p="));
        two_rounds(&daemon.handle);
        let (selectors, decision, log) = signed(&daemon);
        assert_eq!(selectors, Vec::<&str>::new());
        assert!(log.contains(" sign=failed "), "{log}");
        let was_put_off = matches!(decision, Some(Decision::ReplyCode(code)) if code.to_smtp().starts_with("451 "));
        assert_eq!(was_put_off, is_put_off, "{on_key_error}");
    }
}

#[test]
fn by_default_a_mismatch_is_told_and_the_key_signs() {
    let (folder, dns) = (folder_with_keys(), Dns::start());
    let config = config("", folder.path(), &dns);
    let daemon = Daemon::serve(folder, setup(config));
    dns.set(RSA, Some("v=DKIM1; k=rsa; p="));
    two_rounds(&daemon.handle);
    assert!(daemon.handle.key_counters().checks(State::Mismatch) > 0);
    assert_eq!(signed(&daemon).0, ["rsa", "ed"]);
}

#[test]
fn neither_the_start_nor_mail_waits_for_a_dns_that_is_silent() {
    let (folder, dns) = (folder_with_keys(), Dns::start());
    dns.set(RSA, None);
    dns.set(ED, None);
    let mut config = config("[signing]\non_key_mismatch = \"skip\"\n", folder.path(), &dns);
    config.dns.timeout = PATIENCE;
    let start = Instant::now();
    let daemon = Daemon::serve(folder, setup(config));
    assert_eq!(signed(&daemon).0, ["rsa", "ed"]);
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    assert_eq!(daemon.handle.key_counters().rounds(), 0);
}

#[test]
fn without_an_interval_nothing_is_asked_and_nothing_is_held_back() {
    let (folder, dns) = (folder_with_keys(), Dns::start());
    dns.set(RSA, Some("v=DKIM1; k=rsa; p="));
    let config = config("[signing]\non_key_mismatch = \"skip\"\n", folder.path(), &dns);
    let daemon = Daemon::serve(folder, setup(config.clone()));
    two_rounds(&daemon.handle);
    assert_eq!(signed(&daemon).0, ["ed"]);
    let mut never = config;
    never.keys.interval = None;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(daemon.handle.install(setup(never))).unwrap();
    let began = Instant::now();
    while signed(&daemon).0 != ["rsa", "ed"] {
        assert!(began.elapsed() < PATIENCE, "the key is held back for ever");
    }
}
