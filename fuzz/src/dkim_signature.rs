//! Signatures and keys: their texts, key files, and whole messages with the answers about their keys.

use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::{BodyHashPlan, BodyHashes};
use dkim_core::canon::header::without_b;
use dkim_core::crypto::{Backend, PrivateKey, PublicKey, RsaPublicKey, SigningKey, VerifyingKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{SignatureSpec, Signing};
use dkim_core::signature::{FIELD_NAME, Identity, Signature, SignatureLimits};
use dkim_core::verify::{
    BodyDiagnosis, DiagnosisLimits, HeaderDiagnosis, KeyAnswer, Outcome, SignatureReport, Suspect, Verification,
    VerifyPolicy, diagnose, key_query_of,
};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[
    ("dkim_signature", dkim_signature),
    ("key_record", key_record),
    ("private_key", private_key),
    ("verify_message", verify_message),
];

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// The value of a DKIM-Signature field. What is read is consistent: the span of `b=` lies in the text, `i=` belongs to `d=`, `h=` holds From.
pub fn dkim_signature(data: &[u8]) {
    let query = key_query_of(data);
    let signature = match Signature::parse(data, &SignatureLimits::default()) {
        Ok(signature) => signature,
        Err(error) => return assert!(error.at <= data.len(), "{error}"),
    };
    assert_eq!(query, Some((signature.selector.clone(), signature.domain.clone())));
    let [before, after] = without_b(data, &signature.b_span).expect("the span lies in the text");
    assert!(before.ends_with(b"=") && (after.is_empty() || after.starts_with(b";")));
    assert!(signature.header_names.contains("FROM"));
    assert!(!signature.signature.is_empty());
    if let Some(identity) = &signature.identity {
        assert!(identity.domain().is_equal_or_subdomain_of(&signature.domain));
        assert_eq!(Identity::parse(identity.to_tag_value().as_bytes()).as_ref(), Some(identity));
        assert!(!identity.to_string().contains(char::is_control));
    }
    if let (Some(timestamp), Some(expiration)) = (signature.timestamp, signature.expiration) {
        assert!(timestamp < expiration);
    }
}

/// A key record. A key that is read is written and read again as the same, and verifies nothing by accident.
pub fn key_record(data: &[u8]) {
    let likely = KeyRecord::is_likely(data);
    let answer =
        KeyAnswer::parse(&TxtAnswer::Records(vec![data.to_vec(), b"v=spf1 -all".to_vec()]), Backend::default());
    assert!(likely || answer.record().is_err());
    let Ok(record) = KeyRecord::parse(data) else { return };
    assert!(likely, "what is a record looks like one");
    let Some(key) = record.key else { return };
    let octets = key.to_octets();
    match &key {
        PublicKey::Rsa(rsa) => assert_eq!(RsaPublicKey::from_der(&octets).as_ref(), Ok(rsa)),
        _ => assert_eq!(octets.len(), 32),
    }
    assert!(!VerifyingKey::new(Backend::default(), &key).verify(b"data", &[1; 256]));
}

/// A key file. One that can be used signs what its public half verifies; nothing secret is printed.
pub fn private_key(data: &[u8]) {
    let keys = [PrivateKey::from_text(data), PrivateKey::from_pkcs8_der(data), PrivateKey::from_pkcs1_der(data)];
    for key in keys {
        let key = match key {
            Ok(key) => key,
            Err(error) => {
                assert!(error.to_string().len() < 300, "{error}");
                continue;
            }
        };
        assert!(format!("{key:?}").len() < 100);
        let Ok(signing) = Backend::default().signing_key(&key) else { continue };
        let record = KeyRecord::parse(KeyRecord::text_for(&*signing).as_bytes()).expect("our own record");
        let public = record.key.expect("our own record has a key");
        let signature = signing.sign(b"data").expect("a loaded key signs");
        assert!(VerifyingKey::new(Backend::default(), &public).verify(b"data", &signature));
    }
}

/// A message and what the DNS says about its keys: lines of records (or `!nxdomain`, `!nodata`, `!failed`) up to a line `%%`, then the message.
/// Bounded questions, one report a signature in the order of the message, the same reports however the body is cut; and the message, if it may be
/// signed, verifies with our signature on top.
pub fn verify_message(data: &[u8]) {
    let (dns, message) = split(data);
    let Ok((headers, body)) = HeaderBlock::parse(message, HeaderLimits::default()) else { return };
    let body = message.get(body..).unwrap_or_default();
    let headers = Arc::new(headers);

    let reports = verify(&headers, body, body.len().max(1), dns);
    assert_eq!(reports, verify(&headers, body, 3, dns));
    let fields: Vec<usize> =
        headers.iter().enumerate().filter(|(_, field)| field.is_named(FIELD_NAME)).map(|(at, _)| at).collect();
    assert_eq!(reports.iter().map(|report| report.field).collect::<Vec<_>>(), fields);
    for (index, report) in reports.iter().enumerate() {
        assert_eq!(report.index, index);
        assert!(report.b_start.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    sign(&headers, body);
}

fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let mark = b"\n%%\n";
    match data.windows(mark.len()).position(|window| window == mark) {
        Some(at) => (&data[..at], &data[at + mark.len()..]),
        None => (b"", data),
    }
}

fn verify(headers: &Arc<HeaderBlock>, body: &[u8], cut: usize, dns: &[u8]) -> Vec<SignatureReport> {
    let policy = VerifyPolicy::default();
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut verification = Verification::start(Arc::clone(headers), NOW, &policy, &mut plan);
    let questions: Vec<_> = verification.key_queries().map(|query| (query.id, query.name())).collect();
    assert!(questions.len() <= policy.max_signatures && plan.len() <= policy.max_signatures);
    assert!(questions.iter().all(|(_, name)| name.len() <= 253 && name.contains("._domainkey.")));
    let mut lines = dns.split(|byte| *byte == b'\n').cycle();
    for (id, _) in questions {
        let answer = match lines.next().unwrap_or_default() {
            b"!nxdomain" => TxtAnswer::NxDomain,
            b"!nodata" => TxtAnswer::NoData,
            b"!failed" => TxtAnswer::Failed,
            record => TxtAnswer::Records(vec![record.to_vec()]),
        };
        verification.provide_key(id, KeyAnswer::parse(&answer, Backend::default()));
    }
    verification.finish(&hash(plan, body, cut))
}

fn hash(plan: BodyHashPlan, body: &[u8], cut: usize) -> BodyHashes {
    let mut hasher = plan.start();
    for chunk in body.chunks(cut) {
        hasher.update(chunk);
    }
    hasher.finish()
}

/// Our signature on top of the message verifies.
fn sign(headers: &Arc<HeaderBlock>, body: &[u8]) {
    let key = PrivateKey::from_ed25519_seed([7; 32]);
    let key: Arc<dyn SigningKey> = Backend::default().signing_key(&key).expect("any seed is a key");
    let domain = DomainName::parse("example.com").expect("a domain");
    let spec = SignatureSpec::new(domain, Selector::parse("fuzz").expect("a selector"));
    let mut plan = BodyHashPlan::new(Backend::default());
    let Ok(signing) = Signing::start(headers, spec, Arc::clone(&key), NOW, &mut plan) else { return };
    let field = signing.finish(&hash(plan, body, 5)).expect("an Ed25519 key signs");

    let mut limits = HeaderLimits::default();
    limits.max_bytes = limits.max_bytes.saturating_mul(2);
    limits.max_fields = limits.max_fields.saturating_mul(2);
    let mut builder = HeaderBlock::builder(limits);
    builder.push(field.name.as_bytes(), field.value.as_bytes()).expect("our own field");
    for field in headers.iter() {
        builder.push(field.name, field.value).expect("a field that was parsed");
    }
    let headers = Arc::new(builder.finish());
    let record = KeyRecord::text_for(&*key);
    let reports = verify(&headers, body, 7, record.as_bytes());
    assert_eq!(reports.first().map(|report| report.outcome), Some(Outcome::Pass));
    diagnose_all(&headers, body, &record, reports.len());
}

/// Our signature is intact and a footer below the body is told; the other signatures of the message end somehow.
fn diagnose_all(headers: &HeaderBlock, body: &[u8], record: &str, signatures: usize) {
    let key = KeyAnswer::parse(&TxtAnswer::Records(vec![record.as_bytes().to_vec()]), Backend::default());
    let look = |field, body| {
        let suspect = Suspect { headers, field, body, key: Some(&key) };
        diagnose(&suspect, Backend::default(), &DiagnosisLimits::default())
    };
    let ours = look(0, body).expect("our own field");
    assert_eq!((ours.body, ours.header), (BodyDiagnosis::Intact { unsigned: 0 }, Some(HeaderDiagnosis::Intact)));
    let with_footer = [body, b"\r\nfooter\r\n"].concat();
    let longer = look(0, &with_footer).expect("our own field");
    assert!(matches!(longer.body, BodyDiagnosis::Appended { .. }), "{longer:?}");
    for field in 1..headers.len().min(signatures.saturating_add(8)) {
        let _ = look(field, body);
    }
}
