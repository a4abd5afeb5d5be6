//! Every way in which DNS fails, over the whole path: a signed message in a milter dialogue, real sockets, a name server that misbehaves.
//!
//! What D-23 and RFC 6376 §6.1.2 ask for: no such name and no record are `permerror`; everything else that is no answer is `temperror`, within
//! the time of one question; mail is never stuck and nobody waits for the questions of others.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test helpers"
)]

mod cache;
mod codes;
mod lies;
mod server;
mod several_servers;
mod silence;
#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "../support/mod.rs"]
mod support;
mod tcp;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::config::Listener;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::Setup;
use engine::socket_address::SocketAddress;
use milter_proto::Decision;

use self::server::{Asked, Packet, Server};
use self::support::{Daemon, config, folder_with_keys, zone};

/// A message of example.com with one signature by each of these selectors, all made with `rsa.pem`.
fn signed(selectors: &[&str]) -> Vec<u8> {
    let folder = folder_with_keys();
    let mut text = "[[domain]]\nname = \"example.com\"\n".to_owned();
    for selector in selectors {
        write!(text, "[[domain.keys]]\nselector = \"{selector}\"\nfile = \"rsa.pem\"\n").unwrap();
    }
    let config = config(&text, folder.path());
    let daemon = Daemon::start(folder, config, zone(""));
    let mail = "From: jo@example.com\r\nSubject: faults\r\n\r\nHello\r\n";
    let answer = daemon.submission().message("<jo@example.com>", mail.as_bytes());
    let mut message = String::new();
    for edit in &answer.edits {
        let field = edit.split_once(' ').unwrap().1.split_once(' ').unwrap().1;
        write!(message, "{field}\r\n").unwrap();
    }
    assert_eq!(message.matches("DKIM-Signature:").count(), selectors.len(), "{}", daemon.log_line());
    (message + mail).into_bytes()
}

/// The text of the record that belongs to `rsa.pem`.
fn key() -> Vec<u8> {
    let zone = zone("");
    let key = zone.txt("rsa._domainkey.example.com");
    let dkim_core::dns::TxtAnswer::Records(records) = key else { panic!("{key:?}") };
    records.into_iter().next().unwrap()
}

/// The honest answer.
fn honest(asked: &Asked) -> Packet {
    asked.text(&[&key()]).into()
}

/// A verifying daemon that asks `servers`.
fn verifier(servers: &[SocketAddr], timeout: Duration, more: &str) -> Daemon {
    let folder = folder_with_keys();
    let servers: Vec<String> = servers.iter().map(|address| format!("\"{address}\"")).collect();
    let text = format!(
        "[dns]\nnameservers = [{}]\ntimeout = \"{}ms\"\n{more}\n[spf]\nenabled = false\n[dmarc]\nenabled = false\n",
        servers.join(", "),
        timeout.as_millis()
    );
    let mut config = config(&text, folder.path());
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    Daemon::serve(folder, Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver })
}

/// What a daemon says to a message: the result of each signature, and how long that took.
fn judge(daemon: &Daemon, message: &[u8]) -> (Vec<String>, Duration) {
    let mut mta = daemon.inbound();
    let start = Instant::now();
    let answer = mta.message("<jo@example.com>", message);
    let took = start.elapsed();
    assert_eq!(answer.decision, Some(Decision::Continue), "mail goes on");
    let field = answer.edits.last().unwrap();
    let results = field.split("dkim=").skip(1).map(|rest| rest.split([' ', ';']).next().unwrap().to_owned());
    (results.collect(), took)
}

/// The result of a message with one signature whose key is asked for at these servers, and the time until there is one.
fn result(servers: &[&Server], timeout: Duration) -> (String, Duration) {
    let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
    let (mut results, took) = judge(&verifier(&addresses, timeout, ""), &signed(&["s"]));
    assert_eq!(results.len(), 1);
    (results.remove(0), took)
}

/// Time for a question where none should be used up.
const LONG: Duration = Duration::from_secs(10);

/// Time for a question that is not going to be answered.
const SHORT: Duration = Duration::from_millis(600);

/// The server's script leads to this result at once.
fn at_once(expected: &str, script: impl Fn(&Asked) -> Vec<Packet> + Send + Sync + 'static) {
    let (result, took) = result(&[&Server::start(script)], LONG);
    assert_eq!(result, expected);
    assert!(took < LONG / 2, "{took:?}");
}

/// The server's script leads to `temperror` when the time of one question is over, and not much later.
fn in_time(script: impl Fn(&Asked) -> Vec<Packet> + Send + Sync + 'static) {
    ends_in_time(&result(&[&Server::start(script)], SHORT));
}

fn ends_in_time((result, took): &(String, Duration)) {
    assert_eq!(result, "temperror");
    assert!(*took < SHORT + Duration::from_secs(3), "{took:?}");
}
