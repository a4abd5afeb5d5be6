//! Runs the two drivers of `examples/` against a nameserver on loopback.
//!
//! Cargo builds them beside the tests (`cargo test`, or `cargo build --examples` before `cargo test --test examples`).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers work on programs and data of this package; what fails there fails the test"
)]

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record};

/// The program of an example: `target/debug/examples/NAME`, where this one is `target/debug/deps/examples-HASH`.
fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap().join("examples");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is missing: run `cargo build -p spf-core --examples` first", path.display());
    path
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn txt(text: &str) -> RData {
    // Character-strings of 20 octets: the driver has to join them.
    RData::TXT(TXT::from_bytes(text.as_bytes().chunks(20).collect()))
}

/// What the nameserver knows. An alias is followed by the record it leads to.
fn records(question: &str) -> Option<Vec<RData>> {
    let address = |text: &str| RData::A(A(text.parse().unwrap()));
    Some(match question {
        "example.com TXT" => vec![
            txt("unrelated"),
            txt("v=spf1 a:h.example.com mx ptr exists:%{l}.e.example.com include:i.example.com -all"),
        ],
        "h.example.com A" => vec![RData::CNAME(CNAME(name("alias.example.com."))), address("192.0.2.1")],
        "h.example.com AAAA" => vec![RData::AAAA(AAAA("2001:db8::1".parse().unwrap()))],
        "example.com MX" => vec![RData::MX(MX::new(10, name("m.example.com.")))],
        "m.example.com A" => vec![address("192.0.2.2")],
        "3.2.0.192.in-addr.arpa PTR" => vec![RData::PTR(PTR(name("client.example.com.")))],
        "client.example.com A" => vec![address("192.0.2.3")],
        "friend.e.example.com A" => vec![address("127.0.0.2")],
        "i.example.com TXT" => vec![txt("v=spf1 ip4:192.0.2.5 -all")],
        "helo.example.com TXT" => vec![txt("v=spf1 ip4:192.0.2.0/24 -all")],
        "many.example.com TXT" => vec![txt("v=spf1 include:many.example.com")],
        _ => return None,
    })
}

fn answer(question: &Message) -> Option<Message> {
    let query = question.queries.first()?.clone();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_query(query.clone());
    let asked = format!("{} {}", query.name().to_ascii().trim_end_matches('.'), query.query_type());
    match (asked.as_str(), records(&asked)) {
        ("silent.example.com TXT", _) => return None,
        ("refused.example.com TXT", _) => answer.metadata.response_code = ResponseCode::Refused,
        (_, Some(data)) => {
            answer.add_answers(data.into_iter().map(|data| Record::from_rdata(query.name().clone(), 60, data)));
        }
        (_, None) => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    Some(answer)
}

/// A nameserver on loopback until it is dropped.
struct Nameserver {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Nameserver {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(answer) = answer(&Message::from_vec(&buffer[..length]).unwrap()) {
                    socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    fn run(&self, driver: &str, client: &str, sender: &str) -> Output {
        Command::new(program(driver))
            .args([&self.address.to_string(), client, "helo.example.com", sender])
            .output()
            .unwrap()
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

fn stdout(output: &Output) -> String {
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn both_drivers_ask_for_every_kind_of_record() {
    let server = Nameserver::start();
    for (client, sender, result, term) in [
        ("192.0.2.1", "joe@example.com", "pass (a mechanism matched)", "a:h.example.com"),
        ("2001:db8::1", "<joe@example.com>", "pass (a mechanism matched)", "a:h.example.com"),
        ("192.0.2.2", "joe@example.com", "pass (a mechanism matched)", "mx"),
        ("192.0.2.3", "joe@example.com", "pass (a mechanism matched)", "ptr"),
        ("192.0.2.4", "friend@example.com", "pass (a mechanism matched)", "exists:%{l}.e.example.com"),
        ("192.0.2.5", "joe@example.com", "pass (a mechanism matched)", "include:i.example.com"),
        ("192.0.2.6", "joe@example.com", "fail (a mechanism matched)", "-all"),
        ("192.0.2.6", "joe@none.example.com", "none (the domain does not exist)", "none"),
        ("192.0.2.6", "joe@refused.example.com", "temperror (the DNS did not answer)", "none"),
        (
            "192.0.2.6",
            "joe@many.example.com",
            "permerror (too many terms that ask the DNS)",
            "include:many.example.com",
        ),
        ("192.0.2.6", "(joe@example.com", "none (no sender to check: malformed reverse path)", "none"),
    ] {
        let output = server.run("check_blocking", client, sender);
        assert_eq!(stdout(&output), format!("spf={result} term={term}\n"));
        assert_eq!(output.status.success(), result.starts_with("pass"), "{client} {sender}");
        let printed = stdout(&server.run("check_tokio", client, sender));
        assert!(printed.ends_with(&format!("mailfrom: spf={result}\n")), "{client} {sender}: {printed}");
    }
}

#[test]
fn the_tokio_driver_keeps_the_identities_apart() {
    let printed = stdout(&Nameserver::start().run("check_tokio", "192.0.2.6", "joe@example.com"));
    assert_eq!(printed, "helo: spf=pass (a mechanism matched)\nmailfrom: spf=fail (a mechanism matched)\n");
}

#[test]
fn both_drivers_give_up_on_a_silent_nameserver() {
    let server = Nameserver::start();
    // Both at once: each waits two seconds for an answer.
    std::thread::scope(|scope| {
        for driver in ["check_blocking", "check_tokio"] {
            let server = &server;
            scope.spawn(move || {
                let printed = stdout(&server.run(driver, "192.0.2.6", "joe@silent.example.com"));
                assert!(printed.contains("spf=temperror (the DNS did not answer)"), "{driver}: {printed}");
            });
        }
    });
}

#[test]
fn drivers_say_how_they_are_used() {
    for driver in ["check_blocking", "check_tokio"] {
        let output = Command::new(program(driver)).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"), "{driver}");
    }
}
