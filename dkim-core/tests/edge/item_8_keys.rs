//! Item 8: key records and answers (D-4, D-22 to D-25, D-30; RFC 6376 §3.6, §6.1.2; RFC 8301 §3.2).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{
    Outcome, PermErrorCause, PolicyCause, SignatureReport, TempErrorCause, Verification, VerifyPolicy,
};

use crate::support::{Draft, MESSAGE, NOW, Zone, key, reports};

/// `p=` of the usual key.
fn p() -> String {
    STANDARD.encode(key().public_key())
}

/// The report about a good Ed25519 signature whose key is answered so.
fn answered(answer: TxtAnswer) -> SignatureReport {
    let zone = Zone::default().answering("sel._domainkey.example.com", answer);
    reports(&Draft::default().sign(MESSAGE), &zone, &VerifyPolicy::default(), NOW).remove(0)
}

fn records(texts: &[&str]) -> Outcome {
    answered(TxtAnswer::Records(texts.iter().map(|text| text.as_bytes().to_vec()).collect())).outcome
}

fn refused(text: &str, cause: PermErrorCause) {
    assert_eq!(records(&[text]), Outcome::PermError(cause), "{text}");
}

fn vector(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys").join(name)).unwrap()
}

/// The report about the signature by the RSA key of this size.
fn rsa(name: &str, policy: &VerifyPolicy) -> SignatureReport {
    let record = String::from_utf8(vector(&format!("rsa-{name}.record.txt"))).unwrap();
    let zone = Zone::default().with(&format!("rsa-{name}._domainkey.example.com"), record.trim_end());
    reports(&vector(&format!("signed-rsa-{name}.eml")), &zone, policy, NOW).remove(0)
}

#[test]
fn blanks_inside_p() {
    let p = p();
    let (head, tail) = p.split_at(20);
    for text in [
        format!("v=DKIM1; k=ed25519; p={head} {tail}"),
        format!("v=DKIM1;k=ed25519;p= {head}\t {tail} ;"),
        format!("k=ed25519; p={head}\r\n\t{tail}"),
        format!("v=DKIM1; k=ed25519; p={head} {tail}; n=a note; unknown=x; g=joe"),
    ] {
        assert_eq!(records(&[&text]), Outcome::Pass, "{text:?}");
    }
}

#[test]
fn p_that_is_no_key() {
    for p in ["!!!!", "AAA", "QUJD", &p()[1..], "=", "-_8AAA"] {
        refused(&format!("v=DKIM1; k=ed25519; p={p}"), PermErrorCause::KeyDamaged);
    }
    refused("v=DKIM1; k=rsa; p=QUJD", PermErrorCause::KeyDamaged);
}

#[test]
fn ed25519_as_subject_public_key_info_is_refused() {
    // RFC 8463 §4: the bare 32 octets. The 12 octets before them say "Ed25519" in ASN.1.
    let spki =
        [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &key().public_key()].concat();
    assert_eq!(spki.len(), 44);
    refused(&format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(spki)), PermErrorCause::KeyDamaged);
}

#[test]
fn d4_rsa_below_1024_bits_is_never_valid() {
    let mut policy = VerifyPolicy::default();
    policy.min_rsa_bits = 512;
    for policy in [VerifyPolicy::default(), policy] {
        let report = rsa("1023", &policy);
        assert_eq!(report.outcome, Outcome::PermError(PermErrorCause::RsaTooSmall));
        assert_eq!(report.key_bits, Some(1023));
    }
}

#[test]
fn d4_rsa_from_1024_to_4096_bits_is_verified() {
    for (name, bits) in [("1024", 1024), ("2048-e3", 2048), ("4096", 4096)] {
        let report = rsa(name, &VerifyPolicy::default());
        assert_eq!((report.outcome, report.key_bits), (Outcome::Pass, Some(bits)), "{name}");
    }
}

#[test]
fn d4_rsa_of_8192_bits_is_a_matter_of_policy() {
    let report = rsa("8192", &VerifyPolicy::default());
    assert_eq!((report.outcome, report.key_bits), (Outcome::Policy(PolicyCause::RsaTooLarge), Some(8192)));
    let mut policy = VerifyPolicy::default();
    policy.max_rsa_bits = 8192;
    assert_eq!(rsa("8192", &policy).outcome, Outcome::Pass);
}

#[test]
fn a_local_minimum_above_1024_bits_is_policy() {
    let mut policy = VerifyPolicy::default();
    policy.min_rsa_bits = 2048;
    assert_eq!(rsa("1024", &policy).outcome, Outcome::Policy(PolicyCause::RsaBelowMinimum));
    assert_eq!(rsa("2048-e3", &policy).outcome, Outcome::Pass);
}

#[test]
fn d25_rsa_as_bare_rsa_public_key() {
    let record = String::from_utf8(vector("rsa-2048-e3.record.txt")).unwrap();
    let spki = STANDARD.decode(record.trim_end().split_once("p=").unwrap().1).unwrap();
    // A SubjectPublicKeyInfo of 2048 bits has 24 octets before the RSAPublicKey: SEQUENCE, AlgorithmIdentifier, BIT STRING and its unused bits.
    let bare = &spki[24..];
    assert_eq!(bare[..4], [0x30, 0x82, 0x01, 0x08]);
    let zone =
        Zone::default().with("rsa-2048-e3._domainkey.example.com", &format!("k=rsa; p={}", STANDARD.encode(bare)));
    let report = reports(&vector("signed-rsa-2048-e3.eml"), &zone, &VerifyPolicy::default(), NOW).remove(0);
    assert_eq!((report.outcome, report.key_bits), (Outcome::Pass, Some(2048)));
}

#[test]
fn a_key_of_another_type_than_the_signature() {
    // An RSA key for an Ed25519 signature.
    let rsa = String::from_utf8(vector("rsa-2048-e3.record.txt")).unwrap();
    refused(rsa.trim_end(), PermErrorCause::KeyType);
    // An Ed25519 key for an RSA signature.
    let zone = Zone::default().with("rsa-2048-e3._domainkey.example.com", &format!("k=ed25519; p={}", p()));
    let report = reports(&vector("signed-rsa-2048-e3.eml"), &zone, &VerifyPolicy::default(), NOW).remove(0);
    assert_eq!(report.outcome, Outcome::PermError(PermErrorCause::KeyType));
    refused(&format!("k=ed448; p={}", p()), PermErrorCause::KeyTypeUnknown);
}

#[test]
fn hashes_of_the_record() {
    let p = p();
    refused(&format!("v=DKIM1; k=ed25519; h=sha1; p={p}"), PermErrorCause::KeyHash);
    refused(&format!("v=DKIM1; k=ed25519; h=sha1:sha512; p={p}"), PermErrorCause::KeyHash);
    assert_eq!(records(&[&format!("v=DKIM1; k=ed25519; h=sha1 : SHA256; p={p}")]), Outcome::Pass);
}

#[test]
fn d30_services_of_the_record() {
    let p = p();
    refused(&format!("v=DKIM1; k=ed25519; s=tlsrpt; p={p}"), PermErrorCause::KeyService);
    refused(&format!("v=DKIM1; k=ed25519; s=other; p={p}"), PermErrorCause::KeyService);
    for services in ["other:email", "*", "email", "tlsrpt:*", "Email"] {
        assert_eq!(records(&[&format!("v=DKIM1; k=ed25519; s={services}; p={p}")]), Outcome::Pass, "{services}");
    }
}

#[test]
fn d24_version_of_the_record() {
    let p = p();
    refused(&format!("v=DKIM2; k=ed25519; p={p}"), PermErrorCause::KeyVersion);
    refused(&format!("v=dkim1; k=ed25519; p={p}"), PermErrorCause::KeyVersion);
    refused(&format!("k=ed25519; v=DKIM1; p={p}"), PermErrorCause::KeyVersion);
    assert_eq!(records(&[&format!("k=ed25519; p={p}")]), Outcome::Pass);
}

#[test]
fn d24_revoked_and_missing_keys() {
    refused("v=DKIM1; k=ed25519; p=", PermErrorCause::KeyRevoked);
    refused("v=DKIM1; p= ;", PermErrorCause::KeyRevoked);
    refused("v=DKIM1; k=ed25519", PermErrorCause::KeyMissing);
}

#[test]
fn records_that_are_no_tag_lists() {
    for text in ["not a record", "v=DKIM1; p", "v=DKIM1;; p=QUJD", "v=DKIM1; p=QUJD; p=QUJD", "=; p=QUJD"] {
        refused(text, PermErrorCause::KeySyntax);
    }
}

#[test]
fn d22_several_records() {
    let good = format!("v=DKIM1; k=ed25519; p={}", p());
    assert_eq!(records(&["v=spf1 -all", &good]), Outcome::Pass);
    assert_eq!(records(&[&good, "google-site-verification=abc", "v=DMARC1; p=none"]), Outcome::Pass);
    assert_eq!(records(&[&good, &good]), Outcome::PermError(PermErrorCause::SeveralKeys));
    assert_eq!(records(&[&good, "v=DKIM1; p="]), Outcome::PermError(PermErrorCause::SeveralKeys));
    assert_eq!(records(&["v=spf1 -all", "other"]), Outcome::PermError(PermErrorCause::KeyNotAmongRecords));
    // At most ten are looked at.
    let mut many = vec!["v=spf1 -all"; 10];
    many.push(&good);
    assert_eq!(records(&many), Outcome::PermError(PermErrorCause::KeyNotAmongRecords));
}

#[test]
fn a_record_of_several_character_strings_is_one_text() {
    // The record of a 4096-bit key is longer than one character-string holds; the answer has them joined.
    let record = vector("rsa-4096.record.txt");
    assert!(record.len() > 2 * 255);
    assert_eq!(rsa("4096", &VerifyPolicy::default()).outcome, Outcome::Pass);
}

#[test]
fn d23_answers_without_a_record() {
    for (answer, outcome) in [
        (TxtAnswer::NxDomain, Outcome::PermError(PermErrorCause::KeyNxDomain)),
        (TxtAnswer::NoData, Outcome::PermError(PermErrorCause::KeyNoData)),
        (TxtAnswer::Records(Vec::new()), Outcome::PermError(PermErrorCause::KeyNoData)),
        // SERVFAIL, REFUSED, a timeout of the resolver.
        (TxtAnswer::Failed, Outcome::TempError(TempErrorCause::KeyLookup)),
    ] {
        assert_eq!(answered(answer.clone()).outcome, outcome, "{answer:?}");
    }
}

#[test]
fn a_question_that_nobody_answered_in_time_is_temperror() {
    let message = Draft::default().sign(MESSAGE);
    let (headers, body) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let now = UnixTime::from_secs(NOW);
    let verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let reports = verification.finish(&hasher.finish());
    assert_eq!(reports[0].outcome, Outcome::TempError(TempErrorCause::KeyUnanswered));
}

#[test]
fn d26_testing_is_told_and_changes_no_outcome() {
    let text = format!("v=DKIM1; k=ed25519; t=s:y:unknown; p={}", p());
    let report = answered(TxtAnswer::Records(vec![text.into_bytes()]));
    assert_eq!((report.outcome, report.testing), (Outcome::Pass, true));
    let report = answered(TxtAnswer::Records(vec![format!("v=DKIM1; k=ed25519; t=yes; p={}", p()).into_bytes()]));
    assert_eq!((report.outcome, report.testing), (Outcome::Pass, false));
}

#[test]
fn a_good_key_of_someone_else_does_not_verify() {
    // The base point of the curve is a valid public key of nobody here.
    let other = STANDARD.encode([&[0x58][..], &[0x66; 31]].concat());
    let outcome = records(&[&format!("v=DKIM1; k=ed25519; p={other}")]);
    assert_eq!(outcome.result(), "fail");
}
