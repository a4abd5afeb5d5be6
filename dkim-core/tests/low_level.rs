//! Signing and verifying by hand, with the public low level only, gives what `Signing` and `Verification` give: the high level knows nothing that a
//! caller could not do.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers work on messages of this program; what fails there fails the test"
)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::canon::header::{FieldIndex, FieldSelector, without_b};
use dkim_core::crypto::{Backend, PrivateKey, SigningKey, VerifyingKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{DEFAULT_OVERSIGNED, DEFAULT_SIGNED, SignatureSpec, Signing};
use dkim_core::signature::format::TagListWriter;
use dkim_core::signature::{HeaderNames, Signature, SignatureLimits, write_signed_data};
use dkim_core::verify::{FailCause, KeyAnswer, Outcome, Verification, VerifyPolicy};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

const CANONS: [(Canon, Canon); 4] = [
    (Canon::Simple, Canon::Simple),
    (Canon::Simple, Canon::Relaxed),
    (Canon::Relaxed, Canon::Simple),
    (Canon::Relaxed, Canon::Relaxed),
];

fn vector(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)).unwrap()
}

/// Messages to sign: those of the RFCs, and one with everything that canonicalization changes.
fn messages() -> Vec<Vec<u8>> {
    let ragged = b"Received: by mx\r\nFROM \t: Joe  <joe@example.com>\r\nTo: a@example.org,\r\n\t b@example.org\r\n\
        Subject:\r\nList-Unsubscribe: <https://example.com/u>\r\nX-Other: 1\r\n\r\n\r\nText  with\tblanks \r\n\r\n \r\n";
    vec![vector("dkim-rfc/rfc6376/unsigned.eml"), vector("dkim-rfc/rfc8463/unsigned.eml"), ragged.to_vec()]
}

fn ed25519() -> Arc<dyn SigningKey> {
    let seed = vector("dkim-rfc/rfc8463/ed25519-secret.b64");
    Backend::default().signing_key(&PrivateKey::from_text(&seed).unwrap()).unwrap()
}

/// The value of the field, written without `Signing`.
fn sign_by_hand(message: &[u8], (header_canon, body_canon): (Canon, Canon), key: &dyn SigningKey) -> String {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let index = FieldIndex::new(&headers);

    let mut plan = BodyHashPlan::new(Backend::default());
    let id = plan.request(body_canon, key.algorithm().hash(), None);
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let bodies = hasher.finish();

    // Each default name as often as the message has it, and once more if it is oversigned.
    let names = DEFAULT_SIGNED.iter().flat_map(|name| {
        let oversigned = usize::from(DEFAULT_OVERSIGNED.contains(name));
        std::iter::repeat_n(*name, index.named(name.as_bytes()).count().saturating_add(oversigned))
    });
    let names: Vec<&str> = names.collect();

    let mut value = TagListWriter::new("DKIM-Signature");
    value.tag("v", "1");
    value.tag("a", key.algorithm().as_str());
    value.tag("c", &format!("{header_canon}/{body_canon}"));
    value.tag("d", "example.com");
    value.tag("s", "sel");
    value.tag("t", &NOW.as_secs().to_string());
    value.list("h", names.iter().copied());
    value.base64("bh", bodies.get(id).unwrap().digest());
    value.open_base64("b");

    let names = HeaderNames::parse(names.join(":").as_bytes()).unwrap();
    let mut data = Vec::new();
    let parts = [value.as_str().as_bytes(), b""];
    write_signed_data(header_canon, &names, &mut FieldSelector::new(&index), b"DKIM-Signature", parts, &mut data);
    value.finish_with(&key.sign(&data).unwrap())
}

fn sign_by_machine(message: &[u8], (header_canon, body_canon): (Canon, Canon), key: Arc<dyn SigningKey>) -> String {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut spec = SignatureSpec::new(DomainName::parse("example.com").unwrap(), Selector::parse("sel").unwrap());
    spec.header_canon = header_canon;
    spec.body_canon = body_canon;
    let mut plan = BodyHashPlan::new(Backend::default());
    let signing = Signing::start(&headers, spec, key, NOW, &mut plan).unwrap();
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    signing.finish(&hasher.finish()).unwrap().value
}

/// What becomes of the topmost signature, found without `Verification`. The messages are well-formed and their keys are good, so that only the two
/// hashes are left to fail.
fn verify_by_hand(message: &[u8], record: &[u8]) -> Outcome {
    let backend = Backend::default();
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let (at, field) = headers.iter().enumerate().find(|(_, field)| field.is_named("DKIM-Signature")).unwrap();
    let signature = Signature::parse(field.value, &SignatureLimits::default()).unwrap();

    let mut plan = BodyHashPlan::new(backend);
    let id = plan.request(signature.body_canon, signature.algorithm.hash(), signature.body_length);
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    if hasher.finish().get(id).unwrap().digest() != &signature.body_hash {
        return Outcome::Fail(FailCause::BodyHash);
    }

    let index = FieldIndex::new(&headers);
    let mut selector = FieldSelector::excluding(&index, at);
    let parts = without_b(field.value, &signature.b_span).unwrap();
    let mut data = Vec::new();
    write_signed_data(signature.header_canon, &signature.header_names, &mut selector, field.name, parts, &mut data);
    let key = KeyRecord::parse(record).unwrap().key.unwrap();
    if VerifyingKey::new(backend, &key).verify(&data, &signature.signature) {
        Outcome::Pass
    } else {
        Outcome::Fail(FailCause::Signature)
    }
}

fn verify_by_machine(message: &[u8], record: &[u8]) -> Outcome {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let backend = Backend::default();
    let mut plan = BodyHashPlan::new(backend);
    let mut verification = Verification::start(Arc::new(headers), NOW, &VerifyPolicy::default(), &mut plan);
    let answer = KeyAnswer::parse(&TxtAnswer::Records(vec![record.to_vec()]), backend);
    let ids: Vec<_> = verification.key_queries().map(|query| query.id).collect();
    for id in ids {
        verification.provide_key(id, answer.clone());
    }
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    verification.finish(&hasher.finish()).first().unwrap().outcome
}

fn with_field(value: &str, message: &[u8]) -> Vec<u8> {
    [b"DKIM-Signature:", value.as_bytes(), b"\r\n", message].concat()
}

#[test]
fn signing_by_hand_gives_the_same_field() {
    for message in messages() {
        for canon in CANONS {
            let value = sign_by_machine(&message, canon, ed25519());
            assert_eq!(sign_by_hand(&message, canon, &*ed25519()), value, "{canon:?}");
            let record = KeyRecord::text_for(&*ed25519());
            assert_eq!(verify_by_hand(&with_field(&value, &message), record.as_bytes()), Outcome::Pass, "{canon:?}");
        }
    }
}

#[test]
fn verifying_by_hand_gives_the_same_outcome() {
    let record = KeyRecord::text_for(&*ed25519());
    let record = record.as_bytes();
    for message in messages() {
        for canon in CANONS {
            let signed = with_field(&sign_by_hand(&message, canon, &*ed25519()), &message);
            assert_eq!(verify_by_machine(&signed, record), Outcome::Pass, "{canon:?}");
            // Whatever octet is changed: both ways agree, and notice or rightly do not notice.
            let start = signed.len() - message.len();
            let mut noticed = 0;
            for at in (start..signed.len()).step_by(7) {
                let mut altered = signed.clone();
                altered[at] ^= 0x01;
                // Some changes leave no header to speak of.
                if HeaderBlock::parse(&altered, HeaderLimits::default()).is_err() {
                    continue;
                }
                let outcome = verify_by_machine(&altered, record);
                assert_eq!(verify_by_hand(&altered, record), outcome, "{canon:?}, octet {at}");
                noticed += usize::from(outcome != Outcome::Pass);
            }
            assert!(noticed > 10, "{canon:?}: {noticed} changes noticed");
        }
    }
}

#[test]
fn the_messages_of_the_rfcs_verify_by_hand() {
    let keys: HashMap<String, Vec<String>> = serde_json::from_slice(&vector("dkim-rfc/rfc6376/dns.json")).unwrap();
    let record = &keys["brisbane._domainkey.example.com"][0];
    assert_eq!(verify_by_hand(&vector("dkim-rfc/rfc6376/signed.eml"), record.as_bytes()), Outcome::Pass);
    assert_eq!(
        verify_by_hand(&vector("dkim-rfc/rfc6376/signed-as-printed.eml"), record.as_bytes()),
        Outcome::Fail(FailCause::BodyHash)
    );
    for size in ["1024", "2048-e3", "4096", "8192"] {
        let record = vector(&format!("keys/rsa-{size}.record.txt"));
        let message = vector(&format!("keys/signed-rsa-{size}.eml"));
        assert_eq!(verify_by_hand(&message, record.trim_ascii_end()), Outcome::Pass, "{size}");
    }
}
