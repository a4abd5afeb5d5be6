//! Heap calls of our own for a message of 25 fields: from the header as text, or field by field, to the new field or the reports.
//!
//! What the backend allocates for the bare operations is measured and taken off; the signature itself is ours.

use std::sync::Arc;

use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, Digest, HashAlgorithm, SigningKey, VerifyingKey};
use dkim_core::key_record::KeyRecord;
use dkim_core::verify::VerifyPolicy;

use crate::counting::counted;
use crate::mail::{self, CHUNK};

/// The most for a message to sign, and for a message with one signature to verify.
const MOST: u64 = 12;

const KEYS: [&str; 2] = ["rsa-2048.pkcs8.pem", "ed25519.seed.b64"];
const SIZES: [usize; 3] = [2 << 10, 20 << 10, 200 << 10];

/// Calls of a running hash.
fn of_digest(backend: Backend) -> u64 {
    let hash = || {
        let mut digest = Digest::new(backend, HashAlgorithm::Sha256);
        digest.update(b"x");
        digest.finish()
    };
    counted(hash).1.calls
}

/// Calls of a signature, beside the one for its octets.
fn of_signing(key: &dyn SigningKey) -> u64 {
    counted(|| key.sign(b"data").unwrap()).1.calls - 1
}

fn of_verifying(backend: Backend, key: &dyn SigningKey) -> u64 {
    let record = KeyRecord::parse(KeyRecord::text_for(key).as_bytes()).unwrap();
    let public = VerifyingKey::new(backend, &record.key.unwrap());
    let signature = key.sign(b"data").unwrap();
    counted(|| assert!(public.verify(b"data", &signature))).1.calls
}

/// Runs a check for each backend, key, canonicalization, size of body and size of chunk.
fn for_each_case(check: impl Fn(Backend, &Arc<dyn SigningKey>, Canon, &[u8], usize, &str)) {
    for backend in mail::backends() {
        for name in KEYS {
            let key = mail::key(backend, name);
            for canon in [Canon::Simple, Canon::Relaxed] {
                for size in SIZES {
                    let body = mail::body(size);
                    for chunk in [size, CHUNK] {
                        let case = format!("{backend:?}, {name}, {canon}, {size} octets in chunks of {chunk}");
                        // The first use of a backend sets it up.
                        check(backend, &key, canon, &body, chunk, &case);
                    }
                }
            }
        }
    }
}

#[test]
fn a_message_is_signed_with_few_heap_calls() {
    for_each_case(|backend, key, canon, body, chunk, case| {
        let (fields, text) = (mail::header(), mail::message(&[], body));
        let spec = mail::spec(canon, "s0");
        let of_backend = of_signing(&**key) + of_digest(backend);
        let from_fields = || mail::sign(backend, &mail::build(&fields), &spec, key, body.chunks(chunk));
        let from_text = || {
            let (headers, body) = mail::parse(&text);
            mail::sign(backend, &headers, &spec, key, body.chunks(chunk))
        };
        for (way, calls) in [("fields", counted(from_fields).1.calls), ("text", counted(from_text).1.calls)] {
            let ours = calls - of_backend.min(calls);
            assert!((1..=MOST).contains(&ours), "{case}, {way}: {ours} calls of our own, {of_backend} of the backend");
        }
    });
}

#[test]
fn a_signature_is_verified_with_few_heap_calls() {
    for_each_case(|backend, key, canon, body, chunk, case| {
        let unsigned = mail::message(&[], body);
        let (headers, _) = mail::parse(&unsigned);
        let value = mail::sign(backend, &headers, &mail::spec(canon, "s0"), key, [body]);
        let mut fields = mail::header();
        fields.insert(0, ("DKIM-Signature".to_owned(), value.clone()));
        let text = mail::message(&[value], body);
        let (answer, policy) = (mail::answer(backend, &**key), VerifyPolicy::default());
        let of_backend = of_verifying(backend, &**key) + of_digest(backend);
        let from_fields = || mail::verify(backend, mail::build(&fields), &answer, &policy, body.chunks(chunk));
        let from_text = || {
            let (headers, body) = mail::parse(&text);
            mail::verify(backend, headers, &answer, &policy, body.chunks(chunk))
        };
        for (way, (passed, heap)) in [("fields", counted(from_fields)), ("text", counted(from_text))] {
            assert_eq!(passed, 1, "{case}");
            let ours = heap.calls - of_backend.min(heap.calls);
            assert!((1..=MOST).contains(&ours), "{case}, {way}: {ours} calls of our own, {of_backend} of the backend");
        }
    });
}

#[test]
fn one_more_signature_costs_few_heap_calls_more() {
    for backend in mail::backends() {
        for name in KEYS {
            let (key, body) = (mail::key(backend, name), mail::body(20 << 10));
            let unsigned = mail::message(&[], &body);
            let (headers, _) = mail::parse(&unsigned);
            let sign = |number| {
                mail::sign(backend, &headers, &mail::spec(Canon::Relaxed, &format!("s{number}")), &key, [&body[..]])
            };
            let values: Vec<String> = (0..10).map(sign).collect();
            let (answer, policy) = (mail::answer(backend, &*key), VerifyPolicy::default());
            let of_backend = of_verifying(backend, &*key);
            let calls = |count: usize| {
                let text = mail::message(&values[..count], &body);
                let verify = || {
                    let (headers, body) = mail::parse(&text);
                    mail::verify(backend, headers, &answer, &policy, [body])
                };
                let (passed, heap) = counted(verify);
                assert_eq!(passed, count);
                heap.calls
            };
            let more = calls(10) - calls(2);
            assert!(more <= 8 * (MOST + of_backend), "{backend:?}, {name}: {more} calls for 8 signatures more");
        }
    }
}
