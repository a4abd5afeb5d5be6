//! Faults of the surroundings and of our own: DNS that is dead, a log that is stuck, a panic.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dkim_core::crypto::{Algorithm, KeyError, SigningKey};
use dkim_core::domain::Selector;
use engine::config::Listener;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::Setup;
use engine::socket_address::SocketAddress;
use milter_proto::Decision;
use support::{Daemon, SIGNING, config, folder_with_keys, zone};

const FORGED: &str = "Authentication-Results: mx.example; dkim=pass\r\n";

/// Signatures of so many different keys.
fn signatures(count: usize) -> String {
    (0..count)
        .map(|number| {
            format!(
                "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s{number}; h=from; \
                 bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==\r\n"
            )
        })
        .collect()
}

#[test]
fn s19_a_silent_name_server_costs_one_timeout_and_gives_temperror() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = folder_with_keys();
    let text =
        format!("[dns]\nnameservers = [\"{}\"]\ntimeout = \"1s\"\ndeadline = \"10s\"\n", silent.local_addr().unwrap());
    let mut config = config(&text, folder.path());
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    let daemon = Daemon::serve(folder, Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver });

    let raw = format!("{}{FORGED}From: a@example.com\r\n\r\n", signatures(8));
    let start = Instant::now();
    let answer = daemon.inbound().message("<a@example.com>", raw.as_bytes());
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "in parallel: {took:?}");
    assert_eq!(answer.decision, Some(Decision::Continue));
    assert_eq!(answer.edits[0], "delete Authentication-Results 1");
    assert_eq!(answer.edits[1].matches("dkim=temperror").count(), 8, "{:?}", answer.edits);
}

#[test]
fn the_deadline_of_a_message_ends_the_wait_for_slow_servers() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = folder_with_keys();
    let text = format!(
        "[dns]\nnameservers = [\"{}\"]\ntimeout = \"30s\"\ndeadline = \"500ms\"\n[spf]\nenabled = false\n[dmarc]\nenabled = false\n[policy]\non_dns_failure = \"tempfail\"\n",
        silent.local_addr().unwrap()
    );
    let mut config = config(&text, folder.path());
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    let daemon = Daemon::serve(folder, Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver });

    let mut mta = daemon.inbound();
    let start = Instant::now();
    let raw = format!("{}From: a@example.com\r\n\r\n", signatures(2));
    let answer = mta.message("<a@example.com>", raw.as_bytes());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let Some(Decision::ReplyCode(code)) = answer.decision else { panic!("{answer:?}") };
    assert!(code.to_smtp().starts_with("451 4.7.5 "));
    assert!(daemon.log_line().contains("no answer about the key in time"));
    // The session goes on, and mail that needs no DNS is not held up.
    let answer = mta.message("<a@example.com>", b"From: a@example.com\r\n\r\n");
    assert_eq!(answer.edits, ["insert 0 Authentication-Results: mx.example; dkim=none"]);
}

#[test]
fn an_mta_that_gives_up_while_we_wait_is_noticed() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = folder_with_keys();
    let text = format!(
        "[dns]\nnameservers = [\"{}\"]\ntimeout = \"30s\"\ndeadline = \"30s\"\n[limits]\nconnections = 1\n",
        silent.local_addr().unwrap()
    );
    let mut config = config(&text, folder.path());
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    let daemon = Daemon::serve(folder, Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver });

    let mut gone = daemon.inbound();
    gone.envelope("<a@example.com>", &[]);
    let signature = signatures(1);
    let value = signature.trim_start_matches("DKIM-Signature:").trim_end();
    gone.step(|session, out| session.header(b"DKIM-Signature", value.as_bytes(), out));
    gone.step(milter_proto::MtaSession::end_of_headers);
    let mut out = Vec::new();
    gone.session.end_of_body(&mut out).unwrap();
    gone.stream.write_all(&out).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    drop(gone);
    // The only connection that is allowed is free again at once, not after 30 s.
    let start = Instant::now();
    daemon.inbound();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// A key that panics when it is used: nothing that comes over a socket can do that.
#[derive(Debug)]
struct Bomb(Algorithm);

impl SigningKey for Bomb {
    fn algorithm(&self) -> Algorithm {
        self.0
    }

    fn sign(&self, _signed_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        panic!("on purpose")
    }

    fn public_key(&self) -> Vec<u8> {
        vec![0; 32]
    }
}

#[test]
fn m27_a_panic_is_answered_by_policy_and_touches_no_other_connection() {
    // Ed25519 signs in the connection's own task, RSA in the pool.
    for algorithm in [Algorithm::Ed25519Sha256, Algorithm::RsaSha256] {
        for (policy, is_put_off) in [("tempfail", true), ("accept", false)] {
            let folder = folder_with_keys();
            let text = format!("{SIGNING}[policy]\non_internal_error = \"{policy}\"\n");
            let mut config = config(&text.replace("example.com", "example.org"), folder.path());
            config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
            let (keys, _) = Keys::load(&config.domains, engine::BACKEND);
            let mut rules = Rules::new(config, &keys);
            assert!(rules.add_signer(0, &Selector::parse("bomb").unwrap(), Arc::new(Bomb(algorithm))));
            let resolver = Resolver::offline(zone(""), engine::BACKEND);
            let daemon = Daemon::serve(folder, Setup { rules: Arc::new(rules), resolver });

            let (mut bystander, mut victim) = (daemon.inbound(), daemon.submission());
            bystander.envelope("<a@example.net>", &[]);
            let raw = format!("{FORGED}From: jo@example.org\r\n\r\nHello\r\n");
            let answer = victim.message("<jo@example.org>", raw.as_bytes());
            // What is put off is not delivered: nothing is edited in it.
            let edits: &[&str] = if is_put_off { &[] } else { &["delete Authentication-Results 1"] };
            assert_eq!(answer.edits, edits);
            match answer.decision {
                Some(Decision::ReplyCode(code)) => assert!(is_put_off && code.to_smtp().starts_with("451 4.3.0 ")),
                other => assert!(!is_put_off && other == Some(Decision::Continue), "{other:?}"),
            }
            assert!(daemon.log_line().contains("fault=internal-error"));
            // The same session, another one, and a new one go on.
            let other_domain = b"From: a@example.net\r\n\r\nHello\r\n";
            assert_eq!(victim.message("<a@example.net>", other_domain).decision, Some(Decision::Continue));
            assert_eq!(bystander.content(other_domain, 100).edits.len(), 1);
            assert_eq!(daemon.inbound().message("<a@example.net>", other_domain).edits.len(), 1);
        }
    }
}

#[test]
fn a_log_that_nobody_reads_delays_no_mail() {
    let folder = folder_with_keys();
    let config = config(SIGNING, folder.path());
    let daemon = Daemon::start(folder, config, zone(""));
    let mut mta = daemon.inbound();
    let start = Instant::now();
    // Far more records than the socket's queue holds; `daemon.log_line` is not called.
    for _ in 0..1000 {
        assert_eq!(mta.message("<a@example.org>", b"From: a@example.org\r\n\r\n").edits.len(), 1);
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let lines: Vec<String> = (0..1000).map(|_| daemon.log_line()).collect();
    assert!(lines.iter().all(|line| line.starts_with("message queue_id=- ")), "all were kept in the queue");
}
