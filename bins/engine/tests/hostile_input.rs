//! Bad input over a real socket: a verdict within the limits, never a crash, never a 4xx for ever.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use milter_proto::{Command, Decision, MtaOptions, MtaSession, Offer, Strings, flags};
use support::{Answer, Daemon, Mta, SIGNING, assert_unsigned, config, folder_with_keys, zone};

fn daemon() -> Daemon {
    let folder = folder_with_keys();
    let config = config(SIGNING, folder.path());
    Daemon::start(folder, config, zone(""))
}

/// A signature that could be good: the key exists.
const SIGNATURE: &str = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=rsa; h=from; \
    bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==\r\n";

/// Sends a message from outside and one of our own, and gives back the edits of both.
fn both(daemon: &Daemon, raw: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut edits = Vec::new();
    for mut mta in [daemon.inbound(), daemon.submission()] {
        let start = Instant::now();
        let answer = mta.message("<jo@example.com>", raw);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!(answer.decision, Some(Decision::Continue));
        edits.push(answer.edits);
        still_serves(daemon);
    }
    (edits.remove(0), edits.remove(0))
}

fn still_serves(daemon: &Daemon) {
    let answer = daemon.inbound().message("<a@example.org>", b"From: a@example.org\r\n\r\nx\r\n");
    assert_unsigned(&answer.edits);
}

#[test]
fn s19_1_000_signatures() {
    let raw = format!("{}From: jo@example.com\r\n\r\n", SIGNATURE.repeat(1000));
    let (inbound, ours) = both(&daemon(), raw.as_bytes());
    assert_eq!(inbound.len(), 1);
    assert_eq!(inbound[0].matches("dkim=fail").count(), 10, "{}", inbound[0]);
    assert_eq!(inbound[0].matches("dkim=policy").count(), 10, "{}", inbound[0]);
    assert!(inbound[0].contains("980 more signatures not shown"), "{}", inbound[0]);
    assert_eq!(ours.len(), 2, "broken signatures with our name are no reason not to sign");
}

#[test]
fn s19_10_000_header_fields() {
    let filler: String = (0..10_000).map(|number| format!("X-Filler-{}: value\r\n", number % 7)).collect();
    let forged = "Authentication-Results: mx.example; dkim=pass\r\n";
    let raw = format!("{SIGNATURE}{forged}{filler}{forged}From: jo@example.com\r\n\r\n");
    let (inbound, ours) = both(&daemon(), raw.as_bytes());
    assert_eq!(inbound[..2], ["delete Authentication-Results 2", "delete Authentication-Results 1"]);
    assert!(inbound[2].contains("dkim=fail"), "{inbound:?}");
    assert_eq!(ours.len(), 4);
}

#[test]
fn s6_a_header_field_of_a_mebibyte() {
    let daemon = daemon();
    let forged = "Authentication-Results: mx.example; dkim=pass\r\n";
    let long = format!("Subject: {}\r\n", "x".repeat(1 << 20));
    let raw = format!("{SIGNATURE}{forged}{long}{forged}From: jo@example.com\r\n\r\n");
    // Postfix would cut the field; another MTA may not.
    let mut options = MtaOptions::default();
    options.max_header = usize::MAX;
    let mut mta = daemon.connect(options);
    mta.greet("192.0.2.10", 40_000);
    let answer = mta.message("<jo@example.com>", raw.as_bytes());
    assert_eq!(answer.decision, Some(Decision::Continue));
    assert_eq!(answer.edits[..2], ["delete Authentication-Results 2", "delete Authentication-Results 1"]);
    assert!(answer.edits[2].contains("dkim=permerror reason=\"header section is larger than the local limit\""));
    assert!(daemon.log_line().contains("limit=header-too-large"));
    still_serves(&daemon);
}

#[test]
fn s19_from_with_50_000_parentheses() {
    let daemon = daemon();
    let nested = |depth: usize| format!("{}{}jo@example.com", "(".repeat(depth), ")".repeat(depth));
    // 100 comments inside each other are the most that an author may have.
    for (from, signatures) in [("(".repeat(50_000), 0), (nested(29_000), 0), (nested(101), 0), (nested(100), 2)] {
        let raw = format!("From: {from}\r\n\r\nHello\r\n");
        let (inbound, ours) = both(&daemon, raw.as_bytes());
        assert_unsigned(&inbound);
        assert_eq!(ours.len(), signatures, "{} octets", from.len());
    }
}

#[test]
fn s6_nul_bare_cr_bare_lf_and_8_bit_names() {
    let daemon = daemon();
    for (raw, signatures) in [
        (&b"From: jo@example.com\r\nSubject: a\rb\r\n\r\nHello\r\n"[..], 0),
        (b"From: jo@example.com\r\n\r\nHel\rlo\r\n", 0),
        (b"From: jo@example.com\r\n\r\nHel\nlo\r\n", 0),
        (b"From: jo@example.com\r\n\r\nHel\0lo\r\n", 2),
        (b"From: jo@example.com\r\nX-\xfc\xff: 8-bit name\r\nSubject: \xff\xfe\r\n\r\nHello\r\n", 2),
        (b"From: jo@example.com\r\nX\x01Y: control in a name\r\n\r\nHello\r\n", 0),
        (b"From: jo@example.com\r\n: no name\r\n\r\nHello\r\n", 0),
        (b"\r\n", 0),
        (b"", 0),
    ] {
        let (inbound, ours) = both(&daemon, raw);
        assert_eq!(inbound.len(), 1, "{}", raw.escape_ascii());
        assert!(inbound[0].contains("dkim=none"), "{}", raw.escape_ascii());
        assert_eq!(ours.len(), signatures, "{}", raw.escape_ascii());
    }
}

#[test]
fn x10_a_nul_in_a_header_field_is_an_octet_like_others() {
    let daemon = daemon();
    let mut stream = raw_session(&daemon);
    let mut out = Vec::new();
    // `Command::encode` refuses a NUL inside a string, so the frame is made by hand.
    for (name, value) in [("From", "jo@example.com\0"), ("Authentication-Results", " mx.example\0; dkim=pass")] {
        let length = u32::try_from(name.len() + value.len() + 3).unwrap();
        out.extend_from_slice(&length.to_be_bytes());
        out.push(b'L');
        out.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    Command::EndOfHeaders.encode(&mut out).unwrap();
    Command::EndOfBody(b"").encode(&mut out).unwrap();
    stream.write_all(&out).unwrap();
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).unwrap();
    let answer = answer[..length].escape_ascii().to_string();
    assert!(answer.contains("m\\x00\\x00\\x00\\x01Authentication-Results\\x00\\x00"), "{answer}");
    assert!(answer.ends_with("\\x00\\x00\\x00\\x01c"), "{answer}");
    still_serves(&daemon);
}

/// A session up to DATA whose frames are made by hand from there on.
fn raw_session(daemon: &Daemon) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let offer = Offer::new(6, flags::Actions::ALL, flags::Steps::ALL);
    let peer = milter_proto::Peer::Inet { address: b"192.0.2.10", port: 40_000 };
    for command in [
        Command::Negotiate(offer),
        Command::Connect { hostname: b"client.example", peer },
        Command::MailFrom { address: b"<a@example.org>", parameters: Strings::NONE },
        Command::RcptTo { address: b"<b@example.org>", parameters: Strings::NONE },
        Command::Data,
    ] {
        let mut out = Vec::new();
        if matches!(command, Command::Connect { .. }) {
            let pairs: &[(&[u8], &[u8])] = &[(b"j", b"mx.example")];
            Command::Macros { command: b'C', pairs: pairs.into() }.encode(&mut out).unwrap();
        }
        command.encode(&mut out).unwrap();
        stream.write_all(&out).unwrap();
        let mut answer = [0; 4096];
        assert!(stream.read(&mut answer).unwrap() >= 5);
    }
    stream
}

#[test]
fn frames_that_are_none_close_their_connection_and_no_other() {
    let daemon = daemon();
    let mut bystander: Mta = daemon.inbound();
    for octets in [
        &[0, 0, 0, 0][..],
        &[0xff, 0xff, 0xff, 0xff, b'O'],
        &[0, 0x20, 0, 1, b'B'],
        &[0, 0, 0, 1, b'E'],
        &[0, 0, 0, 1, b'z'],
        &[0, 0, 0, 2, b'O', 6],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(octets).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "{}", octets.escape_ascii());
    }
    assert_eq!(bystander.message("<a@example.org>", b"From: a@example.org\r\n\r\n").edits.len(), 1);
}

#[test]
fn an_event_out_of_order_is_put_off_and_the_session_goes_on() {
    let daemon = daemon();
    let mut stream = raw_session(&daemon);
    let mut out = Vec::new();
    let peer = milter_proto::Peer::Unknown;
    Command::Connect { hostname: b"again", peer }.encode(&mut out).unwrap();
    stream.write_all(&out).unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).unwrap();
    assert_eq!(answer[..length], [0, 0, 0, 1, b't']);
    still_serves(&daemon);
}

fn recorded_dialogue() -> Vec<u8> {
    let mut out = Vec::new();
    let offer = Offer::new(6, flags::Actions::ALL, flags::Steps::ALL);
    let peer = milter_proto::Peer::Inet { address: b"192.0.2.10", port: 40_000 };
    let pairs: &[(&[u8], &[u8])] = &[(b"j", b"mx.example"), (b"{daemon_name}", b"smtpd")];
    for command in [
        Command::Negotiate(offer),
        Command::Macros { command: b'C', pairs: pairs.into() },
        Command::Connect { hostname: b"client.example", peer },
        Command::Helo(b"client.example"),
        Command::MailFrom { address: b"<a@example.org>", parameters: Strings::NONE },
        Command::RcptTo { address: b"<b@example.org>", parameters: Strings::NONE },
        Command::Data,
        Command::Header { name: b"From", value: b" a@example.org" },
        Command::Header {
            name: b"DKIM-Signature",
            value: SIGNATURE.trim_start_matches("DKIM-Signature:").trim_end().as_bytes(),
        },
        Command::Header { name: b"Authentication-Results", value: b" mx.example; dkim=pass" },
        Command::EndOfHeaders,
        Command::Body(b"Hello\r\n"),
        Command::EndOfBody(b""),
        Command::Abort,
        Command::Quit,
    ] {
        command.encode(&mut out).unwrap();
    }
    out
}

#[test]
fn s19_ten_thousand_broken_connections_leave_no_descriptor_behind() {
    let daemon = daemon();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    still_serves(&daemon);
    std::thread::sleep(Duration::from_millis(300));
    let before = open();
    for number in 0..10_000_u32 {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        match number % 4 {
            0 => {}
            1 => drop(stream.write_all(&[0, 0])),
            2 => drop(stream.write_all(&[0, 0, 0, 0])),
            _ => drop(stream.write_all(&recorded_dialogue()[..60])),
        }
    }
    still_serves(&daemon);
    std::thread::sleep(Duration::from_millis(500));
    let after = open();
    assert!(after <= before + 4, "{before} descriptors before, {after} after");
}

#[test]
fn a_body_of_30_megabytes_passes_through() {
    let daemon = daemon();
    let mut raw = b"From: jo@example.com\r\nSubject: large\r\n\r\n".to_vec();
    while raw.len() < 30_000_000 {
        raw.extend_from_slice(b"0123456789 abcdefghij  klmnopqrst uvwxyz 0123456789 ABCDEFGHIJ KLMNOPQRST\r\n");
    }
    let mut mta = daemon.submission();
    assert_eq!(mta.message("<jo@example.com>", &raw).edits.len(), 2);
    mta.step(MtaSession::end_message);
}

/// The authserv-id that stands in the field of an answer.
fn written_id(answer: &Answer) -> String {
    let field = answer.edits.last().unwrap().strip_prefix("insert 0 Authentication-Results: ").unwrap();
    field.split_once(';').unwrap().0.to_owned()
}

#[test]
fn h2_fields_with_the_id_as_we_write_it_are_removed_in_internationalized_names_too() {
    let folder = folder_with_keys();
    let config = config("authserv_id = \"mx.b\u{fc}cher.example\"\n", folder.path());
    let daemon = Daemon::start(folder, config, zone(""));
    for parameters in [&[][..], &[&b"SMTPUTF8"[..]]] {
        let mut mta = daemon.inbound();
        mta.envelope("<a@example.org>", parameters);
        let id = written_id(&mta.content(b"From: a@example.org\r\n\r\n", 100));
        assert_eq!(id, "mx.xn--bcher-kva.example");
        for forged in [id.as_str(), "mx.b\u{fc}cher.example", "MX.B\u{dc}CHER.EXAMPLE/1"] {
            mta.envelope("<a@example.org>", parameters);
            let raw = format!("Authentication-Results: {forged}; dkim=pass\r\nFrom: a@example.org\r\n\r\n");
            let answer = mta.content(raw.as_bytes(), 100);
            assert_eq!(answer.edits[0], "delete Authentication-Results 1", "{forged}");
            assert_eq!(written_id(&answer), id);
        }
    }
}
