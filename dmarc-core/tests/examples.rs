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
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record};

/// The program of an example: `target/debug/examples/NAME`, where this one is `target/debug/deps/examples-HASH`.
fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap().join("examples");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is missing: run `cargo build -p dmarc-core --examples` first", path.display());
    path
}

fn answer(question: &Message) -> Option<Message> {
    let query = question.queries.first()?.clone();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.add_query(query.clone());
    let text = match query.name().to_ascii().trim_end_matches('.') {
        "_dmarc.example.com" => "v=DMARC1; p=quarantine; sp=reject; rua=mailto:a@example.com",
        "_dmarc.bad.example" => "v=DMARC1; p=nothing",
        "_dmarc.silent.example" => return None,
        "_dmarc.refused.example" => {
            answer.metadata.response_code = ResponseCode::Refused;
            return Some(answer);
        }
        "_dmarc.nodata.example" => return Some(answer),
        _ => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            return Some(answer);
        }
    };
    // Character-strings of 20 octets: the driver has to join them.
    let data = RData::TXT(TXT::from_bytes(text.as_bytes().chunks(20).collect()));
    answer.add_answers([Record::from_rdata(query.name().clone(), 60, data)]);
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

    fn run(&self, driver: &str, domains: &[&str]) -> Output {
        Command::new(program(driver)).arg(self.address.to_string()).args(domains).output().unwrap()
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
fn the_blocking_driver_judges_messages() {
    let server = Nameserver::start();
    for (domains, expected) in [
        (
            &["example.com", "mail.example.com"][..],
            "dmarc=pass header.from=example.com policy.dmarc=quarantine (an aligned identifier passed)",
        ),
        (
            &["news.example.com", "example.net"],
            "dmarc=fail header.from=news.example.com policy.dmarc=reject (no identifier that passed is aligned)",
        ),
        (&["nodata.example"], "dmarc=none header.from=nodata.example policy.dmarc=none (no policy record)"),
        (
            &["bad.example", "bad.example"],
            "dmarc=permerror header.from=bad.example policy.dmarc=none (the policy record has no usable policy)",
        ),
        (
            &["refused.example"],
            "dmarc=temperror header.from=refused.example policy.dmarc=none (the DNS did not answer for the policy record)",
        ),
    ] {
        let output = server.run("evaluate_blocking", domains);
        assert_eq!(stdout(&output), format!("{expected}\n"));
        assert_eq!(output.status.success(), expected.starts_with("dmarc=pass"), "{domains:?}");
    }
}

#[test]
fn the_tokio_driver_finds_policies_at_once() {
    let authors = ["example.com", "a.b.example.com", "nodata.example", "bad.example", "silent.example"];
    let printed = stdout(&Nameserver::start().run("evaluate_tokio", &authors));
    assert_eq!(
        printed,
        "example.com: p of example.com says quarantine\n\
         a.b.example.com: sp of example.com says reject\n\
         nodata.example: no policy\n\
         bad.example: no usable policy at bad.example\n\
         silent.example: not known, the DNS does not answer\n"
    );
}

#[test]
fn drivers_say_how_they_are_used() {
    for driver in ["evaluate_blocking", "evaluate_tokio"] {
        let output = Command::new(program(driver)).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage:"), "{driver}");
    }
}
