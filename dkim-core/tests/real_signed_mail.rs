//! Mail that large senders signed, with the keys of the time; and the examples of RFC 8617, whose signatures cannot verify.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot get its answer has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{FailCause, KeyAnswer, Outcome, PermErrorCause, SignatureReport, Verification, VerifyPolicy};
use serde_json::Value;

/// Later than every `t=` and `x=` in the messages.
const TODAY: u64 = 1_795_000_000;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&fs::read(vectors().join(path)).unwrap()).unwrap()
}

fn verify(file: &str, now: u64) -> Vec<SignatureReport> {
    verify_message(&fs::read(vectors().join(file)).unwrap(), now)
}

fn verify_message(message: &[u8], now: u64) -> Vec<SignatureReport> {
    let dns = json("real-signed-mail/dns.json");
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let policy = VerifyPolicy::default();
    let mut verification = Verification::start(Arc::new(headers), UnixTime::from_secs(now), &policy, &mut plan);
    let questions: Vec<_> = verification.key_queries().map(|query| (query.id, query.name())).collect();
    for (id, name) in questions {
        let answer = match dns[&name].as_str() {
            Some(record) => TxtAnswer::Records(vec![record.as_bytes().to_vec()]),
            None => TxtAnswer::NxDomain,
        };
        verification.provide_key(id, KeyAnswer::parse(&answer, Backend::default()));
    }
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    verification.finish(&hasher.finish())
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_signature_has_the_expected_result() {
    let cases = json("real-signed-mail/expected.json");
    let cases = cases.as_array().unwrap();
    let (mut signatures, mut chains) = (0, 0);
    for case in cases {
        let name = case["file"].as_str().unwrap();
        let file = format!("real-signed-mail/{name}");
        let results = |now| verify(&file, now).iter().map(|report| report.outcome.result()).collect::<Vec<_>>();
        let at_time = case["at_time"].as_u64().unwrap_or(TODAY);
        let expected = words(&case["dkim"]);
        assert_eq!(results(at_time), expected, "{name}");
        signatures += expected.len();
        if case["dkim_now"].is_array() {
            assert_eq!(words(&case["dkim_now"]), ["not-pass"]);
            let now: Vec<_> = verify(&file, TODAY).iter().map(|report| report.outcome).collect();
            assert_eq!(now, [Outcome::PermError(PermErrorCause::Expired)], "{name}");
        }
        chains += usize::from(case["arc"].is_string());
    }
    assert_eq!((cases.len(), signatures), (8, 12));
    // This crate has no ARC yet: the status of these chains is in the vectors and nobody looks at it. The number is here so that it is not forgotten.
    assert_eq!(chains, 2);
}

#[test]
fn the_author_signature_behind_a_mailing_list_fails_on_the_body_hash() {
    let reports = verify("real-signed-mail/messages/arc-001.eml", TODAY);
    assert_eq!(reports[2].outcome, Outcome::Fail(FailCause::BodyHash));
}

/// RFC 6008 §4: different signatures differ in what is shown of them; the same one twice cannot.
#[test]
fn the_same_signature_twice_is_one_key_and_two_reports() {
    let reports = verify("real-signed-mail/messages/dkim-003.eml", TODAY);
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].b_start.len(), 8);
}

/// RFC 8617 prints a chain without its keys. Its DKIM-Signature uses SHA-1, which RFC 8301 §3.1 forbids.
#[test]
fn d4_the_example_of_rfc_8617_is_signed_with_sha_1() {
    let printed = fs::read_to_string(vectors().join("dkim-rfc/rfc8617/example.eml")).unwrap();
    // A page break of the RFC left an empty line inside a field, which would end the header there.
    assert!(verify_message(printed.as_bytes(), TODAY).is_empty());
    let message = printed.replacen("\r\n\r\n        9WS", "\r\n        9WS", 1);
    let reports = verify_message(message.as_bytes(), TODAY);
    let told: Vec<_> = reports.iter().map(|report| (report.outcome, report.algorithm.as_deref())).collect();
    assert_eq!(told, [(Outcome::PermError(PermErrorCause::RsaSha1), Some("rsa-sha1"))]);
}
