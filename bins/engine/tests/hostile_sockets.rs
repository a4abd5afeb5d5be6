//! Limits of connections and packets, as an MTA meets them.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::config::Listener;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::{LocalAddress, Setup};
use engine::socket_address::SocketAddress;
use milter_proto::{Command, Decision, MtaOptions, MtaSession};
use support::{Daemon, Mta, Stream, config, folder_with_keys, zone};

/// A daemon with two sockets, `socket` and `second`.
fn with_two_sockets(connections: usize) -> Daemon {
    let folder = folder_with_keys();
    let mut config = config(&format!("[limits]\nconnections = {connections}\n"), folder.path());
    let socket = |name| Listener::at(SocketAddress::Unix(folder.path().join(name)));
    config.listeners = vec![socket("socket"), socket("second")];
    let rules = Arc::new(Rules::new(config, &Keys::default()));
    Daemon::serve(folder, Setup { rules, resolver: Resolver::offline(zone(""), engine::BACKEND) })
}

/// A connection that has agreed on the options: [`Mta::new`] panics when nobody serves it.
fn connect(daemon: &Daemon, socket: usize) -> Mta {
    let LocalAddress::Unix(path) = &daemon.addresses[socket] else { panic!("no Unix socket") };
    Mta::new(Stream::Unix(std::os::unix::net::UnixStream::connect(path).unwrap()), MtaOptions::default())
}

#[test]
fn an_idle_socket_holds_no_connection_back_from_another() {
    let daemon = with_two_sockets(2);
    for socket in [0, 1] {
        let _both = (connect(&daemon, socket), connect(&daemon, socket));
    }
    let daemon = with_two_sockets(1);
    for socket in [1, 0, 0, 1, 1] {
        drop(connect(&daemon, socket));
    }
}

#[test]
fn a_connection_beyond_the_limit_is_served_when_another_ends() {
    let daemon = with_two_sockets(1);
    let first = connect(&daemon, 0);
    let LocalAddress::Unix(path) = daemon.addresses[1].clone() else { panic!("no Unix socket") };
    let second = std::thread::spawn(move || {
        let stream = Stream::Unix(std::os::unix::net::UnixStream::connect(path).unwrap());
        drop(Mta::new(stream, MtaOptions::default()));
        Instant::now()
    });
    std::thread::sleep(Duration::from_millis(300));
    assert!(!second.is_finished(), "the limit counts over all sockets");
    let end = Instant::now();
    drop(first);
    assert!(second.join().unwrap() >= end);
}

#[test]
fn a_stream_whose_reads_always_end_inside_a_packet_is_not_half_a_packet() {
    let folder = folder_with_keys();
    let config = config("[limits]\npacket = \"1s\"\n", folder.path());
    let daemon = Daemon::start(folder, config, zone(""));
    let mut mta = daemon.inbound();
    mta.envelope("<a@example.org>", &[]);
    mta.step(|session, out| session.header(b"From", b" a@example.org", out));
    mta.step(MtaSession::end_of_headers);

    let mut packet = Vec::new();
    Command::Body(&[b'x'; 1000]).encode(&mut packet).unwrap();
    let (front, back) = packet.split_at(500);
    mta.stream.write_all(front).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        std::thread::sleep(Duration::from_millis(50));
        mta.stream.write_all(&[back, front].concat()).unwrap();
    }
    mta.stream.write_all(back).unwrap();
    assert_eq!(mta.step(MtaSession::end_of_body).decision, Some(Decision::Continue));
}
