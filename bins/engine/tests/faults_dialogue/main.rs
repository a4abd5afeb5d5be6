//! Every way in which a milter dialogue breaks: cut anywhere, changed anywhere, out of order. The daemon lives, and every connection gets an
//! answer or its end within bounds.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test helpers"
)]

mod cut;
mod mutated;
mod order;
#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "../support/mod.rs"]
mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use engine::config::Listener;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::{LocalAddress, Setup};
use engine::socket_address::SocketAddress;
use milter_proto::{Command, Offer, Peer, Strings, flags};

use self::support::{Daemon, SIGNING, assert_unsigned, config, folder_with_keys, zone};

/// A daemon on a TCP port, with these lines in its configuration.
fn daemon(limits: &str) -> Daemon {
    let folder = folder_with_keys();
    let mut config = config(&format!("{limits}\n{SIGNING}"), folder.path());
    config.listeners = vec![Listener::at(SocketAddress::tcp(Ipv4Addr::LOCALHOST.into(), 0))];
    let (keys, _) = Keys::load(&config.domains, engine::BACKEND);
    let rules = Arc::new(Rules::new(config, &keys));
    Daemon::serve(folder, Setup { rules, resolver: Resolver::offline(zone(""), engine::BACKEND) })
}

fn port(daemon: &Daemon) -> SocketAddr {
    let LocalAddress::Tcp(address) = daemon.addresses[0] else { panic!("{:?}", daemon.addresses) };
    address
}

/// A message passes as if nothing had happened.
fn still_serves(daemon: &Daemon) {
    let answer = daemon.inbound().message("<a@example.org>", b"From: a@example.org\r\n\r\nx\r\n");
    assert_unsigned(&answer.edits);
}

const SIGNATURE: &[u8] = b" v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=rsa; h=from; \
    bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==";

/// A whole dialogue, packet by packet.
fn dialogue() -> Vec<Vec<u8>> {
    let pairs: &[(&[u8], &[u8])] = &[(b"j", b"mx.example"), (b"{daemon_name}", b"smtpd")];
    let queue_id: &[(&[u8], &[u8])] = &[(b"i", b"4XyZ12")];
    [
        Command::Negotiate(Offer::new(6, flags::Actions::ALL, flags::Steps::ALL)),
        Command::Macros { command: b'C', pairs: pairs.into() },
        Command::Connect { hostname: b"client.example", peer: Peer::Inet { address: b"192.0.2.10", port: 40_000 } },
        Command::Helo(b"client.example"),
        Command::MailFrom { address: b"<a@example.org>", parameters: Strings::NONE },
        Command::Macros { command: b'R', pairs: queue_id.into() },
        Command::RcptTo { address: b"<b@example.org>", parameters: Strings::NONE },
        Command::Data,
        Command::Header { name: b"From", value: b" a@example.com" },
        Command::Header { name: b"DKIM-Signature", value: SIGNATURE },
        Command::Header { name: b"Authentication-Results", value: b" mx.example; dkim=pass" },
        Command::EndOfHeaders,
        Command::Body(b"Hello\r\n"),
        Command::EndOfBody(b""),
        Command::Abort,
        Command::Quit,
    ]
    .iter()
    .map(|command| {
        let mut packet = Vec::new();
        command.encode(&mut packet).unwrap();
        packet
    })
    .collect()
}

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);
