//! The chunk law: however a body is cut, its canonical form and every hash of it are the same (D-21).
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot get its answer has failed")]

use dkim_core::body_hash::{BodyHash, BodyHashPlan};
use dkim_core::canon::Canon;
use dkim_core::canon::body::BodyCanonicalizer;
use dkim_core::crypto::{Backend, HashAlgorithm};
use proptest::prelude::*;
use proptest::sample::Index;

const BOTH: [Canon; 2] = [Canon::Simple, Canon::Relaxed];

/// 200 octets with everything that can be cut at the wrong place.
const NASTY: &[u8; 200] = b"\r\n \r\nA line  with\truns \t of blanks \t\r\n\
    \r\n\r\n\t \r\na bare \r and a bare \n in it\r\r\n\n\r\n  indented\r\n\
    text of a longer line that fills more than one block of thirty-two octets  \r\n\
    \r \r\nend\t\r\n \r\n\r\n\t\t\r\n \r\r\nz \r\n\r\n\r\n\t";

fn canonical<'a>(canon: Canon, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut machine = BodyCanonicalizer::new(canon);
    for chunk in chunks {
        machine.update(chunk, |octets| out.extend_from_slice(octets));
    }
    machine.finish(|octets| out.extend_from_slice(octets));
    out
}

/// All hashes of one pass: both forms, whole and limited inside, at the end of, and beyond the body.
fn hashes<'a>(limits: &[u64], chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<BodyHash> {
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut ids = Vec::new();
    for canon in BOTH {
        ids.push(plan.request(canon, HashAlgorithm::Sha256, None));
        ids.extend(limits.iter().map(|limit| plan.request(canon, HashAlgorithm::Sha256, Some(*limit))));
    }
    let mut hasher = plan.start();
    for chunk in chunks {
        hasher.update(chunk);
    }
    let bodies = hasher.finish();
    ids.into_iter().map(|id| bodies.get(id).cloned().unwrap()).collect()
}

/// The pieces between cuts, which need not be in order.
fn cut_at(body: &[u8], cuts: impl IntoIterator<Item = usize>) -> Vec<&[u8]> {
    let mut cuts: Vec<usize> = cuts.into_iter().chain([0, body.len()]).collect();
    cuts.sort_unstable();
    cuts.windows(2).filter_map(|pair| body.get(*pair.first()?..*pair.last()?)).collect()
}

#[test]
fn s2_7_item_2_every_split_of_a_200_octet_body() {
    for canon in BOTH {
        let whole = canonical(canon, [&NASTY[..]]);
        for first in 0..=NASTY.len() {
            for second in first..=NASTY.len() {
                let chunks = cut_at(NASTY, [first, second]);
                assert_eq!(canonical(canon, chunks), whole, "{canon}, cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn d21_octet_by_octet_and_in_every_chunk_length() {
    let limits = [0, 1, 50, 100, 1000];
    let whole = hashes(&limits, [&NASTY[..]]);
    for length in 1..=NASTY.len() {
        for canon in BOTH {
            assert_eq!(
                canonical(canon, NASTY.chunks(length)),
                canonical(canon, [&NASTY[..]]),
                "{canon}, chunks of {length}"
            );
        }
        assert_eq!(hashes(&limits, NASTY.chunks(length)), whole, "chunks of {length}");
    }
}

#[test]
fn d21_empty_chunks_change_nothing() {
    for canon in BOTH {
        let chunks = NASTY.chunks(1).flat_map(|chunk| [&b""[..], chunk, b""]);
        assert_eq!(canonical(canon, chunks), canonical(canon, [&NASTY[..]]), "{canon}");
    }
}

#[test]
fn d21_a_line_end_and_a_run_of_blanks_over_three_chunks() {
    for (chunks, simple, relaxed) in [
        (&[&b"a "[..], b"\t", b"\r", b"\nb"][..], &b"a \t\r\nb\r\n"[..], &b"a\r\nb\r\n"[..]),
        (&[b"a ", b" ", b" b"], b"a   b\r\n", b"a b\r\n"),
        (&[b"a\r", b"\r", b"\n\r", b"\n"], b"a\r\r\n", b"a\r\r\n"),
        (&[b"a\r", b" \r", b"\n"], b"a\r \r\n", b"a\r\r\n"),
        (&[b"a\r\n", b"\r\n", b" ", b"\r\n", b"b"], b"a\r\n\r\n \r\nb\r\n", b"a\r\n\r\n\r\nb\r\n"),
        (&[b"a ", b"\r", b"b"], b"a \rb\r\n", b"a \rb\r\n"),
        (&[b"a \r", b"\r\n"], b"a \r\r\n", b"a \r\r\n"),
    ] {
        assert_eq!(canonical(Canon::Simple, chunks.iter().copied()), simple, "{chunks:?}");
        assert_eq!(canonical(Canon::Relaxed, chunks.iter().copied()), relaxed, "{chunks:?}");
    }
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => Just(&b"\r\n"[..]),
        4 => Just(&b" "[..]),
        2 => Just(&b"\t"[..]),
        2 => Just(&b"\r"[..]),
        1 => Just(&b"\n"[..]),
        3 => Just(&b"word"[..]),
        1 => Just(&b"a line of text that is a good deal longer than one block"[..]),
        1 => Just(&[b'q'; 1500][..]),
    ];
    proptest::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn d21_random_cuts_give_the_same_octets(body in body(), cuts in proptest::collection::vec(any::<Index>(), 0..20)) {
        let chunks = cut_at(&body, cuts.iter().map(|cut| cut.index(body.len().saturating_add(1))));
        for canon in BOTH {
            let whole = canonical(canon, [&body[..]]);
            prop_assert_eq!(canonical(canon, chunks.iter().copied()), whole.clone());
            prop_assert_eq!(canonical(canon, body.chunks(1)), whole);
        }
    }

    #[test]
    fn d21_random_cuts_give_the_same_hashes(
        body in body(),
        cuts in proptest::collection::vec(any::<Index>(), 0..20),
        limit in 0..4000_u64,
    ) {
        let chunks = cut_at(&body, cuts.iter().map(|cut| cut.index(body.len().saturating_add(1))));
        let whole = hashes(&[limit], [&body[..]]);
        prop_assert_eq!(hashes(&[limit], chunks), whole.clone());
        prop_assert_eq!(hashes(&[limit], body.chunks(1)), whole);
    }
}
