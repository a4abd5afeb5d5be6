//! The example of RFC 8463 Appendix A: one message with an Ed25519 and an RSA signature; and with it the proof that the machines do nothing that the
//! low level does not offer.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot get its answer has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::header::{FieldIndex, FieldSelector, without_b};
use dkim_core::crypto::{Backend, KeyType, PrivateKey, VerifyingKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::signature::{Signature, SignatureLimits, write_signed_data};
use dkim_core::verify::{KeyAnswer, Outcome, Verification, VerifyPolicy};
use serde_json::Value;

const NOW: UnixTime = UnixTime::from_secs(1_528_637_909);

fn file(name: &str) -> Vec<u8> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dkim-rfc/rfc8463");
    fs::read(folder.join(name)).unwrap()
}

fn record(name: &str) -> Vec<u8> {
    let dns: Value = serde_json::from_slice(&file("dns.json")).unwrap();
    dns[name][0].as_str().unwrap().as_bytes().to_vec()
}

/// The text that the signature at this place of the header signs, and the signature.
fn signed_data(headers: &HeaderBlock, field: usize) -> (Signature, Vec<u8>) {
    let content = headers.get(field).unwrap();
    let signature = Signature::parse(content.value, &SignatureLimits::default()).unwrap();
    let index = FieldIndex::new(headers);
    let mut selector = FieldSelector::excluding(&index, field);
    let parts = without_b(content.value, &signature.b_span).unwrap();
    let mut text = Vec::new();
    write_signed_data(signature.header_canon, &signature.header_names, &mut selector, content.name, parts, &mut text);
    (signature, text)
}

#[test]
fn a_3_both_signatures_pass() {
    let message = file("signed.eml");
    let (headers, body) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut verification = Verification::start(Arc::new(headers), NOW, &VerifyPolicy::default(), &mut plan);
    assert_eq!(plan.len(), 1, "one body hash serves both");
    let questions: Vec<_> = verification.key_queries().map(|query| (query.id, query.name())).collect();
    assert_eq!(questions.len(), 2);
    // In any order.
    for (id, name) in questions.into_iter().rev() {
        let answer = TxtAnswer::Records(vec![record(&name)]);
        verification.provide_key(id, KeyAnswer::parse(&answer, Backend::default()));
    }
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let reports = verification.finish(&hasher.finish());
    let told: Vec<_> = reports.iter().map(|report| (report.outcome, report.algorithm.as_deref().unwrap())).collect();
    assert_eq!(told, [(Outcome::Pass, "ed25519-sha256"), (Outcome::Pass, "rsa-sha256")]);
    let starts: Vec<_> = reports.iter().map(|report| report.b_start.as_str()).collect();
    assert_eq!(starts, ["/gCrinpc", "F45dVWDf"]);
}

/// What [`Verification`] says follows from public functions alone: the text of the signature, the body hash, the signed data, the key.
#[test]
fn the_low_level_comes_to_the_same_result() {
    let message = file("signed.eml");
    let (headers, body) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    for field in 0..2 {
        let (signature, text) = signed_data(&headers, field);
        let mut plan = BodyHashPlan::new(Backend::default());
        let id = plan.request(signature.body_canon, signature.algorithm.hash(), signature.body_length);
        let mut hasher = plan.start();
        hasher.update(&message[body..]);
        assert_eq!(hasher.finish().get(id).unwrap().digest(), &signature.body_hash);

        let name = format!("{}._domainkey.{}", signature.selector, signature.domain);
        let key = KeyRecord::parse(&record(&name)).unwrap().key.unwrap();
        assert_eq!(key.key_type(), signature.algorithm.key_type());
        assert!(VerifyingKey::new(Backend::default(), &key).verify(&text, &signature.signature));
    }
}

/// Ed25519 is deterministic: the same header, tags and key give the printed `b=`.
#[test]
fn a_2_signing_the_unsigned_message_gives_the_printed_signature() {
    let unsigned = file("unsigned.eml");
    let printed = HeaderBlock::parse(&file("signed.eml"), HeaderLimits::default()).unwrap().0;
    let field = printed.get(0).unwrap();
    let signature = Signature::parse(field.value, &SignatureLimits::default()).unwrap();

    let (headers, body) = HeaderBlock::parse(&unsigned, HeaderLimits::default()).unwrap();
    let index = FieldIndex::new(&headers);
    let mut text = Vec::new();
    let parts = without_b(field.value, &signature.b_span).unwrap();
    let names = &signature.header_names;
    write_signed_data(signature.header_canon, names, &mut FieldSelector::new(&index), field.name, parts, &mut text);

    let key = Backend::default().load_key(&file("ed25519-secret.b64")).unwrap();
    assert_eq!(key.sign(&text).unwrap(), signature.signature);
    let b = STANDARD.encode(&signature.signature);
    assert_eq!(b, "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==");

    let mut plan = BodyHashPlan::new(Backend::default());
    let id = plan.request(signature.body_canon, signature.algorithm.hash(), None);
    let mut hasher = plan.start();
    hasher.update(&unsigned[body..]);
    assert_eq!(
        STANDARD.encode(hasher.finish().get(id).unwrap().digest()),
        "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    );
}

#[test]
fn a_2_the_keys_belong_to_the_records() {
    let key = Backend::default().load_key(&file("ed25519-secret.b64")).unwrap();
    let text = String::from_utf8(record("brisbane._domainkey.football.example.com")).unwrap();
    assert_eq!(KeyRecord::text_for(&*key), text);
    let rsa = PrivateKey::from_text(&file("rsa-private.pem")).unwrap();
    let record = KeyRecord::parse(&record("test._domainkey.football.example.com")).unwrap();
    assert_eq!(record.key.as_ref().unwrap().key_type(), KeyType::Rsa);
    assert_eq!(rsa.stated_public_key(), record.key);
}
