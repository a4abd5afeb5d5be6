//! A dialogue that ends at any octet: orderly, by reset, or by silence.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::{PATIENCE, daemon, dialogue, port, still_serves};

/// A connection that has sent the first octets of the dialogue.
fn cut(address: std::net::SocketAddr, at: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The daemon may have closed before the last octet of a dialogue that runs ahead of its answers.
    let _ = stream.write_all(&dialogue().concat()[..at]);
    stream
}

/// Waits for the end of the stream; how it ends is the same.
fn ends(stream: &mut TcpStream) {
    let mut octets = Vec::new();
    if let Err(error) = stream.read_to_end(&mut octets) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
}

#[test]
fn s19_a_dialogue_that_ends_at_any_octet_ends_its_connection() {
    let daemon = daemon("");
    for at in 0..=dialogue().concat().len() {
        let mut stream = cut(port(&daemon), at);
        stream.shutdown(Shutdown::Write).unwrap();
        ends(&mut stream);
    }
    still_serves(&daemon);
}

#[test]
fn s19_a_dialogue_that_is_reset_at_any_octet_harms_nobody() {
    let daemon = daemon("[limits]\nconnections = 20\n");
    for at in 0..=dialogue().concat().len() {
        let stream = cut(port(&daemon), at);
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
    }
    // Twenty connections may be open: none of those is, or this would wait.
    still_serves(&daemon);
}

/// All positions at once: half a packet ends after `limits.packet`, a silent MTA between two packets after `limits.idle`.
#[test]
fn s19_a_dialogue_that_stops_at_any_octet_is_ended_by_its_limits() {
    engine::descriptors::raise();
    let daemon = daemon("[limits]\nconnections = 5000\npacket = \"1s\"\nidle = \"2s\"\n");
    let count = dialogue().concat().len();
    let mut streams: Vec<TcpStream> = (0..=count).map(|at| cut(port(&daemon), at)).collect();
    let start = Instant::now();
    streams.iter_mut().for_each(ends);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    still_serves(&daemon);
}

/// One octet at a time is slow, and a dialogue all the same.
#[test]
fn a_dialogue_octet_by_octet_is_answered_like_any_other() {
    let daemon = daemon("");
    let replies = |by: usize| {
        let mut stream = TcpStream::connect(port(&daemon)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in dialogue().concat().chunks(by) {
            stream.write_all(piece).unwrap();
        }
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        octets
    };
    let whole = replies(usize::MAX);
    assert!(whole.len() > 100);
    assert_eq!(replies(1), whole);
    assert_eq!(replies(7), whole);
}
