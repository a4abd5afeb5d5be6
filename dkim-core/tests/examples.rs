//! Runs the programs of `examples/`, the two with a nameserver against one on loopback.
//!
//! Cargo builds them beside the tests (`cargo test`, or `cargo build --examples` before `cargo test --test examples`).
#![cfg(feature = "ring")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers work on programs and messages of this package; what fails there fails the test"
)]

use std::collections::HashMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, TXT};
use hickory_proto::rr::{Name, RData, Record};

/// The program of an example: `target/debug/examples/NAME`, where this one is `target/debug/deps/examples-HASH`.
fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is missing: run `cargo build -p dkim-core --examples` first", path.display());
    path
}

fn run(name: &str, args: &[&str]) -> Output {
    Command::new(program(name)).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

/// What the nameserver says about a name.
#[derive(Clone)]
enum Says {
    Texts(Vec<String>),
    Alias(&'static str, String),
    Code(ResponseCode),
    Nothing,
}

/// A nameserver on loopback that answers from a table until it is dropped.
struct Nameserver {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Nameserver {
    fn start(zone: HashMap<&'static str, Says>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let question = Message::from_vec(&buffer[..length]).unwrap();
                if let Some(answer) = answer(&zone, &question) {
                    socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// Verifies a message with one of the two programs.
    fn verify(&self, program: &str, message: &Path) -> Output {
        run(program, &[&self.address.to_string(), message.to_str().unwrap()])
    }
}

impl Drop for Nameserver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the nameserver shows in the answers that were missing.
            drop(thread.join());
        }
    }
}

fn answer(zone: &HashMap<&'static str, Says>, question: &Message) -> Option<Message> {
    let query = question.queries.first()?.clone();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_query(query.clone());
    let name = query.name().clone();
    let text = |owner: Name, text: &str| {
        // Character-strings of 100 octets: the verifier has to join them.
        let strings = text.as_bytes().chunks(100).collect();
        Record::from_rdata(owner, 60, RData::TXT(TXT::from_bytes(strings)))
    };
    match zone.get(name.to_ascii().trim_end_matches('.')).unwrap_or(&Says::Code(ResponseCode::NXDomain)) {
        Says::Texts(texts) => {
            answer.add_answers(texts.iter().map(|record| text(name.clone(), record)));
        }
        Says::Alias(target, record) => {
            let target = Name::from_ascii(target).unwrap();
            answer.add_answer(Record::from_rdata(name, 60, RData::CNAME(CNAME(target.clone()))));
            answer.add_answer(text(target, record));
        }
        Says::Code(code) => answer.metadata.response_code = *code,
        Says::Nothing => return None,
    }
    Some(answer)
}

/// The records of a vector as a zone.
fn zone(file: &str) -> HashMap<&'static str, Says> {
    let records: HashMap<String, Vec<String>> = serde_json::from_slice(&fs::read(vector(file)).unwrap()).unwrap();
    records.into_iter().map(|(name, texts)| (&*name.leak(), Says::Texts(texts))).collect()
}

const ED25519: &str = "brisbane._domainkey.football.example.com";
const RSA: &str = "test._domainkey.football.example.com";
const DRIVERS: [&str; 2] = ["verify_blocking", "verify_tokio"];

#[test]
fn verify_message_prints_both_results() {
    let output = run("verify_message", &[]);
    assert!(output.status.success());
    assert_eq!(
        stdout(&output),
        "dkim=pass header.d=football.example.com header.a=ed25519-sha256 (signature is good)\n\
         dkim=pass header.d=football.example.com header.a=rsa-sha256 (signature is good)\n"
    );
}

#[test]
fn what_sign_message_prints_verifies_with_the_record_it_prints() {
    let output = run("sign_message", &[]);
    assert!(output.status.success());
    let printed = String::from_utf8(output.stderr).unwrap();
    let (name, record) = printed.trim_end().split_once(" TXT ").unwrap();
    assert_eq!(name, ED25519);
    let signed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sign_message.eml");
    fs::write(&signed, &output.stdout).unwrap();
    let server = Nameserver::start(HashMap::from([(ED25519, Says::Texts(vec![record.to_owned()]))]));
    for driver in DRIVERS {
        let output = server.verify(driver, &signed);
        assert!(stdout(&output).starts_with("dkim=pass (signature is good) header.b="), "{driver}");
    }
}

#[test]
fn both_drivers_verify_the_message_of_rfc_8463() {
    let server = Nameserver::start(zone("dkim-rfc/rfc8463/dns.json"));
    for driver in DRIVERS {
        let output = server.verify(driver, &vector("dkim-rfc/rfc8463/signed.eml"));
        assert!(output.status.success(), "{driver}");
        assert_eq!(
            stdout(&output),
            "dkim=pass (signature is good) header.b=/gCrinpc\ndkim=pass (signature is good) header.b=F45dVWDf\n",
            "{driver}"
        );
    }
}

#[test]
fn both_drivers_tell_a_changed_message() {
    let mut message = fs::read(vector("dkim-rfc/rfc8463/signed.eml")).unwrap();
    message.extend_from_slice(b"PS.\r\n");
    let changed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("changed.eml");
    fs::write(&changed, message).unwrap();
    let server = Nameserver::start(zone("dkim-rfc/rfc8463/dns.json"));
    for driver in DRIVERS {
        let printed = stdout(&server.verify(driver, &changed));
        assert_eq!(printed.matches("dkim=fail (body hash did not verify)").count(), 2, "{driver}: {printed}");
    }
    assert_eq!(server.verify("verify_blocking", &changed).status.code(), Some(1));
}

#[test]
fn both_drivers_join_strings_and_follow_an_alias_in_the_answer() {
    let record = fs::read_to_string(vector("keys/rsa-4096.record.txt")).unwrap().trim_end().to_owned();
    for says in [Says::Texts(vec![record.clone()]), Says::Alias("keys.example.net.", record)] {
        let server = Nameserver::start(HashMap::from([("rsa-4096._domainkey.example.com", says)]));
        for driver in DRIVERS {
            let printed = stdout(&server.verify(driver, &vector("keys/signed-rsa-4096.eml")));
            assert!(printed.starts_with("dkim=pass "), "{driver}: {printed}");
        }
    }
}

#[test]
fn both_drivers_tell_why_there_is_no_key() {
    for (says, expected) in [
        (Says::Code(ResponseCode::NXDomain), "dkim=permerror (no key for signature)"),
        (Says::Texts(Vec::new()), "dkim=permerror (no key record for signature)"),
        (Says::Code(ResponseCode::ServFail), "dkim=temperror (key unavailable)"),
        (Says::Code(ResponseCode::Refused), "dkim=temperror (key unavailable)"),
        (Says::Texts(vec!["v=DKIM1; k=ed25519; p=".to_owned()]), "dkim=permerror (key revoked)"),
    ] {
        let mut zone = zone("dkim-rfc/rfc8463/dns.json");
        zone.insert(ED25519, says);
        let server = Nameserver::start(zone);
        for driver in DRIVERS {
            let output = server.verify(driver, &vector("dkim-rfc/rfc8463/signed.eml"));
            // The other signature is not touched by it.
            assert!(output.status.success(), "{driver}");
            let printed = stdout(&output);
            let lines: Vec<&str> = printed.lines().collect();
            assert!(lines[0].starts_with(expected) && lines[1].starts_with("dkim=pass "), "{driver}: {printed}");
        }
    }
}

#[test]
fn both_drivers_give_up_on_a_silent_nameserver() {
    let server = Nameserver::start(HashMap::from([(ED25519, Says::Nothing), (RSA, Says::Nothing)]));
    // Both at once: each waits two seconds for an answer.
    std::thread::scope(|scope| {
        for driver in DRIVERS {
            let server = &server;
            scope.spawn(move || {
                let printed = stdout(&server.verify(driver, &vector("dkim-rfc/rfc8463/signed.eml")));
                assert_eq!(printed.matches("dkim=temperror (key unavailable)").count(), 2, "{driver}: {printed}");
            });
        }
    });
}

#[test]
fn drivers_say_how_they_are_used() {
    for driver in DRIVERS {
        let output = run(driver, &[]);
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"), "{driver}");
    }
}
