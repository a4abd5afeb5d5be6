//! Targets of `dkim_canon`: canonicalization and body hashes.

use dkim_core::body_hash::{BodyHash, BodyHashPlan};
use dkim_core::canon::Canon;
use dkim_core::canon::body::BodyCanonicalizer;
use dkim_core::canon::header::{without_b, write_field, write_signature_field};
use dkim_core::crypto::{Backend, HashAlgorithm};
use dkim_core::header::Field;

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("canon_chunks", canon_chunks)];

/// The same text whole and in chunks, in both forms, as a body and as a header field.
///
/// The first octet is the number of cuts, the octets behind it say how long each chunk is, the rest is the text. Asserts that chunks change neither
/// the canonical octets nor any hash, that canonical text is a fixed point, that no run given to the sink is empty, and that the parts of a
/// signature field are taken as one text.
pub fn canon_chunks(data: &[u8]) {
    let Some((count, rest)) = data.split_first() else { return };
    let (cuts, text) = rest.split_at(usize::from(*count).min(rest.len()));
    let chunks = || Chunks { lengths: cuts.iter(), rest: text };

    for canon in [Canon::Simple, Canon::Relaxed] {
        let whole = canonical(canon, [text]);
        assert_eq!(canonical(canon, chunks()), whole, "{canon}: chunks give other octets");
        assert_eq!(canonical(canon, text.chunks(1)), whole, "{canon}: single octets give other octets");
        assert_eq!(canonical(canon, [&whole[..]]), whole, "{canon}: canonical text changes");
        assert!(whole.is_empty() || whole.ends_with(b"\r\n"), "{canon}: no line end at the end");
        assert!(whole.len() <= text.len() + 2, "{canon}: grew");
        field(canon, text, usize::from(*count));
    }
    let limits = [u64::from(*count), text.len() as u64];
    assert_eq!(hashes(limits, chunks()), hashes(limits, [text]), "chunks give other hashes");
}

/// A value in two parts gives what the whole one gives, unless the cut falls into a line end, where a `b=` never is.
fn field(canon: Canon, value: &[u8], cut: usize) {
    let cut = cut.min(value.len());
    let (mut whole, mut parts, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    write_signature_field(canon, b"Name \t", [value, b""], &mut whole);
    write_field(canon, Field::new(b"Name \t", value), &mut closed);
    assert_eq!(closed, [&whole[..], b"\r\n"].concat(), "{canon}: a field is its text and CRLF");
    let [head, tail] = without_b(value, &(cut..cut)).expect("the cut lies in the value");
    if !head.ends_with(b"\r") && !head.ends_with(b"\r\n") {
        write_signature_field(canon, b"Name \t", [head, tail], &mut parts);
        assert_eq!(parts, whole, "{canon}: parts give another field");
    }
}

fn canonical<'a>(canon: Canon, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut machine = BodyCanonicalizer::new(canon);
    let mut sink = |octets: &[u8]| {
        assert!(!octets.is_empty(), "an empty run");
        out.extend_from_slice(octets);
    };
    for chunk in chunks {
        machine.update(chunk, &mut sink);
    }
    machine.finish(&mut sink);
    out
}

fn hashes<'a>(limits: [u64; 2], chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<BodyHash> {
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut ids = Vec::new();
    for canon in [Canon::Simple, Canon::Relaxed] {
        for limit in [None, Some(limits[0]), Some(limits[1])] {
            ids.push(plan.request(canon, HashAlgorithm::Sha256, limit));
        }
    }
    let mut hasher = plan.start();
    for chunk in chunks {
        hasher.update(chunk);
    }
    let bodies = hasher.finish();
    ids.into_iter().map(|id| bodies.get(id).cloned().expect("every request is answered")).collect()
}

/// The text in chunks of the given lengths; the last chunk is what is left.
struct Chunks<'a> {
    lengths: std::slice::Iter<'a, u8>,
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let length = self.lengths.next().map_or(self.rest.len(), |length| usize::from(*length)).min(self.rest.len());
        let (chunk, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(chunk)
    }
}
