//! The life of the process: start, stop, limits, reload, sockets.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::config::{Config, Listener};
use engine::dns::{Resolver, Zone};
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::{LocalAddress, Setup};
use engine::socket_address::SocketAddress;
use milter_proto::{Decision, MtaOptions, MtaSession, Peer};
use support::{Daemon, SIGNING, assert_unsigned, config, folder_with_keys, zone};

const MAIL: &[u8] = b"From: jo@example.com\r\nSubject: hi\r\n\r\nHello\r\n";

fn daemon(text: &str) -> Daemon {
    let folder = folder_with_keys();
    let config = config(text, folder.path());
    Daemon::start(folder, config, zone(""))
}

#[test]
fn an_idle_daemon_stops_in_under_a_second_and_takes_its_socket_along() {
    let mut daemon = daemon(SIGNING);
    let mut idle: Vec<_> = (0..20).map(|_| daemon.inbound()).collect();
    let start = Instant::now();
    daemon.ask_to_stop();
    assert!(daemon.wait_for_end(Duration::from_secs(10)));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(idle.iter_mut().all(support::Mta::is_closed));
    assert!(!daemon.socket().exists());
}

#[test]
fn a_message_in_flight_is_answered_and_then_its_connection_closed() {
    let mut daemon = daemon(SIGNING);
    let mut busy = daemon.submission();
    busy.envelope("<jo@example.com>", &[]);
    daemon.ask_to_stop();
    std::thread::sleep(Duration::from_millis(200));
    assert!(UnixStream::connect(daemon.socket()).is_err(), "no new connections");
    assert!(!daemon.wait_for_end(Duration::ZERO), "it waits for the message");
    let answer = busy.content(MAIL, 65_535);
    assert_eq!(answer.decision, Some(Decision::Continue));
    assert_eq!(answer.edits.len(), 2);
    assert!(busy.is_closed());
    assert!(daemon.wait_for_end(Duration::from_secs(5)));
}

#[test]
fn a_message_that_never_ends_is_given_up_after_the_limit() {
    let mut daemon = daemon(&format!("{SIGNING}[limits]\nstop = \"1s\"\n"));
    let mut stuck = daemon.submission();
    stuck.envelope("<jo@example.com>", &[]);
    let start = Instant::now();
    daemon.ask_to_stop();
    assert!(daemon.wait_for_end(Duration::from_secs(10)));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
    assert!(stuck.is_closed());
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let daemon = daemon(&format!("{SIGNING}[limits]\nconnections = 2\n"));
    let first = daemon.inbound();
    let mut second = daemon.inbound();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let start = Instant::now();
            let mut third = daemon.inbound();
            (start.elapsed(), third.message("<jo@example.com>", MAIL).decision)
        });
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(second.message("<jo@example.com>", MAIL).decision, Some(Decision::Continue));
        drop(first);
        waiting.join().unwrap()
    });
    assert!(waiting.0 >= Duration::from_millis(250), "{:?}", waiting.0);
    assert_eq!(waiting.1, Some(Decision::Continue));
}

#[test]
fn half_a_packet_and_an_idle_connection_are_closed_after_their_times() {
    let daemon = daemon("[limits]\npacket = \"1s\"\nidle = \"3s\"\n");
    let start = Instant::now();
    let mut trickling = UnixStream::connect(daemon.socket()).unwrap();
    trickling.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut idle = daemon.inbound();
    // An octet now and then does not help: the packet has to be whole in time.
    for octet in [0_u8, 0, 0] {
        trickling.write_all(&[octet]).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(trickling.read(&mut [0; 8]).unwrap(), 0);
    let half = start.elapsed();
    assert!(half >= Duration::from_millis(900) && half < Duration::from_millis(2500), "{half:?}");
    assert!(idle.is_closed());
    assert!(start.elapsed() >= Duration::from_millis(2900), "{:?}", start.elapsed());
}

#[test]
fn a_reload_is_for_later_connections() {
    let daemon = daemon(SIGNING);
    let mut old = daemon.submission();
    let listeners = vec![Listener::at(SocketAddress::Unix(daemon.socket()))];
    let rules = Arc::new(Rules::new(Config { listeners, ..Config::default() }, &Keys::default()));
    let setup = Setup { rules, resolver: Resolver::offline(Zone::default(), engine::BACKEND) };
    daemon.install(setup).unwrap();
    let mut new = daemon.submission();
    assert_eq!(new.message("<jo@example.com>", MAIL).edits.len(), 0, "the new configuration signs nothing");
    assert_eq!(old.message("<jo@example.com>", MAIL).edits.len(), 2, "the old connection goes on as it began");
}

#[test]
fn every_configured_socket_is_served_with_its_own_mode() {
    let folder = folder_with_keys();
    let mut config = config(SIGNING, folder.path());
    let unix = Listener { socket_mode: Some(0o600), ..Listener::at(SocketAddress::Unix(folder.path().join("socket"))) };
    let verify = Listener { mode: engine::config::Mode::Verify, ..Listener::at("inet:127.0.0.1:0".parse().unwrap()) };
    config.listeners = vec![unix, verify, Listener::at("inet:0@127.0.0.1".parse().unwrap())];
    let (keys, _) = Keys::load(&config.domains, engine::BACKEND);
    let setup =
        Setup { rules: Arc::new(Rules::new(config, &keys)), resolver: Resolver::offline(zone(""), engine::BACKEND) };
    let mut daemon = Daemon::serve(folder, setup);
    assert_eq!(std::fs::metadata(daemon.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    let mut signed = Vec::new();
    for _ in 0..3 {
        signed.push(daemon.submission().message("<jo@example.com>", MAIL).edits.len());
        daemon.addresses.rotate_left(1);
    }
    assert_eq!(signed, [2, 0, 2]);
    assert!(matches!(daemon.addresses[1], LocalAddress::Tcp(address) if address.port() != 0));
}

#[test]
fn s18_a_dialogue_over_tcp_does_not_stall() {
    let folder = folder_with_keys();
    let mut config = config(SIGNING, folder.path());
    config.listeners = vec![Listener::at("inet:127.0.0.1:0".parse().unwrap())];
    let (keys, _) = Keys::load(&config.domains, engine::BACKEND);
    let setup =
        Setup { rules: Arc::new(Rules::new(config, &keys)), resolver: Resolver::offline(zone(""), engine::BACKEND) };
    let daemon = Daemon::serve(folder, setup);
    let mut mta = daemon.inbound();
    let start = Instant::now();
    for _ in 0..20 {
        mta.message("<a@example.org>", MAIL);
        mta.step(MtaSession::end_message);
    }
    // Delayed acknowledgements cost 40 ms each: with a single one a message it would be 800 ms.
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
}

#[test]
fn a_client_without_a_known_address_is_not_trusted() {
    let daemon = daemon(SIGNING);
    let mut mta = daemon.connect(MtaOptions::default());
    mta.step(|session, out| session.connect(b"somewhere", Peer::Unknown, out));
    mta.step(|session, out| session.helo(b"somewhere", out));
    let answer = mta.message("<jo@example.com>", MAIL);
    assert_unsigned(&answer.edits);
}
