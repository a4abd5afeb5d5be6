//! The example of RFC 6376 Appendix A, with the key of Appendix C.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot get its answer has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::{Backend, KeyError, PrivateKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::verify::{FailCause, KeyAnswer, Outcome, PolicyCause, SignatureReport, Verification, VerifyPolicy};
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dkim-rfc/rfc6376")
}

/// The only key record of the example.
fn record() -> Vec<u8> {
    let dns: Value = serde_json::from_slice(&fs::read(folder().join("dns.json")).unwrap()).unwrap();
    dns["brisbane._domainkey.example.com"][0].as_str().unwrap().as_bytes().to_vec()
}

fn verify(file: &str, policy: &VerifyPolicy) -> SignatureReport {
    let message = fs::read(folder().join(file)).unwrap();
    let (headers, body) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut verification = Verification::start(Arc::new(headers), UnixTime::from_secs(0), policy, &mut plan);
    let query = verification.key_queries().next().unwrap();
    assert_eq!(query.name(), "brisbane._domainkey.example.com");
    let id = query.id;
    verification.provide_key(id, KeyAnswer::parse(&TxtAnswer::Records(vec![record()]), Backend::default()));
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let mut reports = verification.finish(&hasher.finish());
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[test]
fn a_2_the_signed_message_passes() {
    let report = verify("signed.eml", &VerifyPolicy::default());
    assert_eq!(report.outcome, Outcome::Pass);
    assert_eq!(report.domain.unwrap().as_str(), "example.com");
    assert_eq!(report.selector.unwrap().as_str(), "brisbane");
    assert_eq!(report.identity.unwrap().to_string(), "joe@football.example.com");
    assert_eq!((report.algorithm.as_deref(), report.key_bits), (Some("rsa-sha256"), Some(1024)));
    assert_eq!((report.index, report.testing, report.body_length), (0, false, None));
    assert_eq!(report.b_start, "AuUoFEfD");
}

/// The text as printed has two blanks after a full stop and continuation lines one blank short: the body is not the one that was signed.
#[test]
fn a_2_the_message_as_printed_fails_on_the_body_hash() {
    let report = verify("signed-as-printed.eml", &VerifyPolicy::default());
    assert_eq!(report.outcome, Outcome::Fail(FailCause::BodyHash));
}

#[test]
fn d4_a_local_minimum_above_1024_bits_is_policy() {
    let mut policy = VerifyPolicy::default();
    policy.min_rsa_bits = 2048;
    assert_eq!(verify("signed.eml", &policy).outcome, Outcome::Policy(PolicyCause::RsaBelowMinimum));
    // A message that was changed fails, whatever the size of the key.
    assert_eq!(verify("signed-as-printed.eml", &policy).outcome, Outcome::Fail(FailCause::BodyHash));
}

#[test]
fn c_the_private_key_belongs_to_the_record() {
    let file = fs::read(folder().join("private.pem")).unwrap();
    let key = PrivateKey::from_text(&file).unwrap();
    assert_eq!(key.stated_public_key(), KeyRecord::parse(&record()).unwrap().key);
    assert_eq!(Backend::default().signing_key(&key).unwrap_err(), KeyError::RsaBelow2048 { bits: 1024 });
    let public = fs::read(folder().join("public.pem")).unwrap();
    assert_eq!(PrivateKey::from_text(&public).unwrap_err(), KeyError::PublicKey);
}
