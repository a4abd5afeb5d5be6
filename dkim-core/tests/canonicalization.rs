//! Canonical forms (RFC 6376 §3.4) and body hashes (§3.7) against known values, and against a slow canonicalizer that follows the text of the RFC
//! step by step. Numbers like D-17 are those of the project's checklist of requirements.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot get its answer has failed")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::canon::body::BodyCanonicalizer;
use dkim_core::canon::header::write_field;
use dkim_core::crypto::{Backend, HashAlgorithm};
use dkim_core::header::Field;
use proptest::prelude::*;

const BOTH: [Canon; 2] = [Canon::Simple, Canon::Relaxed];

fn canonical(canon: Canon, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut machine = BodyCanonicalizer::new(canon);
    machine.update(body, |octets| out.extend_from_slice(octets));
    machine.finish(|octets| out.extend_from_slice(octets));
    out
}

fn bh(canon: Canon, body: &[u8]) -> String {
    let mut plan = BodyHashPlan::new(Backend::default());
    let id = plan.request(canon, HashAlgorithm::Sha256, None);
    let mut hasher = plan.start();
    hasher.update(body);
    STANDARD.encode(hasher.finish().get(id).unwrap().digest())
}

/// §3.4.3 and §3.4.4 as they are written: whole body, one rule after the other.
fn oracle(canon: Canon, body: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        if let Some(next) = rest.strip_prefix(b"\r\n") {
            lines.push(Vec::new());
            rest = next;
        } else {
            lines.last_mut().unwrap().push(*first);
            rest = after;
        }
    }
    if canon == Canon::Relaxed {
        for line in &mut lines {
            let mut reduced = Vec::new();
            for octet in line.iter() {
                match octet {
                    b' ' | b'\t' if reduced.last() == Some(&b' ') => {}
                    b' ' | b'\t' => reduced.push(b' '),
                    _ => reduced.push(*octet),
                }
            }
            if reduced.last() == Some(&b' ') {
                reduced.pop();
            }
            *line = reduced;
        }
    }
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    let mut out = Vec::new();
    for line in &lines {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    if out.is_empty() && canon == Canon::Simple {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn d17_known_hashes_of_simple_bodies() {
    let empty = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=";
    for body in [&b""[..], b"\r\n", b"\r\n\r\n\r\n"] {
        assert_eq!(bh(Canon::Simple, body), empty, "{body:?}");
    }
    // RFC 6376 A.2.
    let game = b"Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n";
    assert_eq!(bh(Canon::Simple, game), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

#[test]
fn d18_known_hashes_of_relaxed_bodies() {
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for body in [&b""[..], b"\r\n", b"\r\n\r\n", b" \t\r\n", b" ", b"\t\r\n \r\n\t"] {
        assert_eq!(bh(Canon::Relaxed, body), empty, "{body:?}");
    }
    // RFC 8463 A.3: the same text, which relaxed does not change.
    let game = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\t \r\n\r\nJoe.\r\n\r\n \r\n";
    assert_eq!(bh(Canon::Relaxed, game), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

/// §2.7 item 1: each kind of end, in both forms of the body.
#[test]
fn s2_7_item_1_ends_of_bodies() {
    let table: [(&[u8], &[u8], &[u8]); 12] = [
        (b"", b"\r\n", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b"text", b"text\r\n", b"text\r\n"),
        (b"text\r\n", b"text\r\n", b"text\r\n"),
        (b"text\r\n\r\n", b"text\r\n", b"text\r\n"),
        (b" \t \r\n", b" \t \r\n", b""),
        (b" \r\n\t\r\n", b" \r\n\t\r\n", b""),
        (b" ", b" \r\n", b""),
        (b"\r\n \r\ntext \r\n", b"\r\n \r\ntext \r\n", b"\r\n\r\ntext\r\n"),
        (b"text\r", b"text\r\r\n", b"text\r\r\n"),
        (b"text\n", b"text\n\r\n", b"text\n\r\n"),
    ];
    for (body, simple, relaxed) in table {
        assert_eq!(canonical(Canon::Simple, body), simple, "{body:?}");
        assert_eq!(canonical(Canon::Relaxed, body), relaxed, "{body:?}");
    }
}

/// §2.7 item 1 over all four pairs of header and body canonicalization: the header form does not reach into the body and the reverse.
#[test]
fn s2_7_item_1_all_four_pairs() {
    let field = Field::new(b"SubJect", b"  a\r\n\t b ");
    let body = b" a  b \r\n\r\n";
    for (header, header_text) in
        [(Canon::Simple, &b"SubJect:  a\r\n\t b \r\n"[..]), (Canon::Relaxed, b"subject:a b\r\n")]
    {
        for (of_body, body_text) in [(Canon::Simple, &b" a  b \r\n"[..]), (Canon::Relaxed, b" a b\r\n")] {
            let mut out = Vec::new();
            write_field(header, field, &mut out);
            assert_eq!(out, header_text);
            assert_eq!(canonical(of_body, body), body_text);
        }
    }
}

/// §2.7 item 3: forms of a header field.
#[test]
fn s2_7_item_3_forms_of_a_field() {
    let long = [&b" "[..], &b"x".repeat(65_536)].concat();
    let table: [(&[u8], &[u8], Vec<u8>); 9] = [
        (b"X", b" a\r\n\tb", b"x:a b\r\n".to_vec()),
        (b"X", b" a\r\n \r\n b", b"x:a b\r\n".to_vec()),
        (b"X", b" a\r\n \t", b"x:a\r\n".to_vec()),
        (b"X \t", b" a", b"x:a\r\n".to_vec()),
        (b"X", b"", b"x:\r\n".to_vec()),
        (b"X", b" \t ", b"x:\r\n".to_vec()),
        (b"X", b"a\xff\x80  \xfeb", b"x:a\xff\x80 \xfeb\r\n".to_vec()),
        (b"X", b"a\x00 \x00b", b"x:a\x00 \x00b\r\n".to_vec()),
        (b"X", &long, [b"x:", &long[1..], b"\r\n"].concat()),
    ];
    for (name, value, relaxed) in table {
        let mut out = Vec::new();
        write_field(Canon::Relaxed, Field::new(name, value), &mut out);
        assert_eq!(out, relaxed);
        out.clear();
        write_field(Canon::Simple, Field::new(name, value), &mut out);
        assert_eq!(out, [name, b":", value, b"\r\n"].concat());
    }
}

#[test]
fn x8_only_crlf_is_a_line_end() {
    assert_eq!(canonical(Canon::Relaxed, b"a \nb\t\rc \r\n"), b"a \nb \rc\r\n");
    assert_eq!(canonical(Canon::Simple, b"a\n\n\n"), b"a\n\n\n\r\n");
    assert_eq!(canonical(Canon::Relaxed, b"\n\n"), b"\n\n\r\n");
    assert_eq!(canonical(Canon::Relaxed, b"a\r\r\r\n\r\n"), b"a\r\r\r\n");
}

/// A wall of one thing costs no more than its length: the sink sees each canonical octet once, in a bounded number of calls.
#[test]
fn walls_of_white_space_and_line_ends_are_linear() {
    let size = 1 << 20;
    // A wall of one kind is one change, or line ends that are written by blocks; " CRLF" is a change in each line.
    let lines = size / 3;
    for (piece, changes) in
        [(&b" "[..], 1), (b"\t", 1), (b"\r\n", size / 64), (b" \r\n", lines), (b"\r", 1), (b"\n", 1)]
    {
        let wall = [b"x", &piece.repeat(size / piece.len())[..], b"y"].concat();
        for canon in BOTH {
            let (mut calls, mut octets) = (0, 0);
            let mut machine = BodyCanonicalizer::new(canon);
            let mut sink = |given: &[u8]| {
                calls += 1;
                octets += given.len();
            };
            for chunk in wall.chunks(65_535) {
                machine.update(chunk, &mut sink);
            }
            machine.finish(&mut sink);
            let chunks = size / 65_535 + 1;
            assert!(octets <= wall.len() + 2, "{canon} {piece:?}: {octets} octets");
            assert!(calls <= changes + 3 * chunks + 4, "{canon} {piece:?}: {calls} calls");
        }
    }
}

/// Text made of what matters to canonicalization.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => Just(&b"\r\n"[..]),
        5 => Just(&b" "[..]),
        3 => Just(&b"\t"[..]),
        2 => Just(&b"\r"[..]),
        2 => Just(&b"\n"[..]),
        3 => Just(&b"x"[..]),
        2 => Just(&b"some words in a line that is longer than one block"[..]),
        1 => Just(&b"\x00\xff"[..]),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn d17_d18_agrees_with_the_steps_of_the_rfc(body in body()) {
        for canon in BOTH {
            prop_assert_eq!(canonical(canon, &body), oracle(canon, &body), "{}", canon);
        }
    }

    #[test]
    fn d17_d18_agrees_on_any_octets(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        for canon in BOTH {
            prop_assert_eq!(canonical(canon, &body), oracle(canon, &body), "{}", canon);
        }
    }

    /// What is canonical already does not change, and relaxed is the coarser of the two.
    #[test]
    fn canonical_text_is_a_fixed_point(body in body()) {
        for canon in BOTH {
            let once = canonical(canon, &body);
            prop_assert_eq!(canonical(canon, &once), once);
        }
        prop_assert_eq!(canonical(Canon::Relaxed, &canonical(Canon::Simple, &body)), canonical(Canon::Relaxed, &body));
    }
}
