//! The limits of dkim-core, each hit from both sides. The table in docs/security.md names them; these tests are what it rests on.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot get its answer has failed")]

use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::{BodyCoverage, BodyHashPlan};
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, HashAlgorithm, PrivateKey};
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderError, HeaderLimits};
use dkim_core::sign::{SignError, SignatureSpec, Signing};
use dkim_core::verify::{Outcome, PolicyCause, Verification, VerifyPolicy};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn header_limits(max_bytes: usize, max_fields: usize) -> HeaderLimits {
    let mut limits = HeaderLimits::default();
    limits.max_bytes = max_bytes;
    limits.max_fields = max_fields;
    limits
}

fn block(message: &str) -> Arc<HeaderBlock> {
    Arc::new(HeaderBlock::parse(message.as_bytes(), HeaderLimits::default()).unwrap().0)
}

/// The outcomes of all signatures, without keys and body.
fn outcomes(header: &str, policy: &VerifyPolicy) -> Vec<Outcome> {
    let mut plan = BodyHashPlan::new(Backend::default());
    let verification = Verification::start(block(header), NOW, policy, &mut plan);
    verification.finish(&plan.start().finish()).iter().map(|report| report.outcome).collect()
}

fn signature(tags: &str) -> String {
    format!(
        "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=QUJD; {tags}\r\n"
    )
}

#[test]
fn header_bytes_and_fields() {
    let message = b"A: 1\r\nB: 2\r\n\r\nbody";
    assert!(HeaderBlock::parse(message, header_limits(12, 2)).is_ok());
    assert_eq!(HeaderBlock::parse(message, header_limits(11, 2)).unwrap_err(), HeaderError::TooManyBytes { limit: 11 });
    assert_eq!(HeaderBlock::parse(message, header_limits(12, 1)).unwrap_err(), HeaderError::TooManyFields { limit: 1 });
    let mut builder = HeaderBlock::builder(header_limits(12, 2));
    builder.push(b"A", b" 1").unwrap();
    assert_eq!(builder.push(b"B", b" 23"), Err(HeaderError::TooManyBytes { limit: 12 }));
    builder.push(b"B", b" 2").unwrap();
    assert_eq!(builder.push(b"", b""), Err(HeaderError::EmptyName { at: 0 }));
    assert_eq!(builder.finish().len(), 2);
}

#[test]
fn a_header_without_end_is_refused_at_the_limit() {
    // 2 MiB of header; the default is 512 KiB.
    let message = b"X: y\r\n".repeat(350_000);
    assert!(matches!(
        HeaderBlock::parse(&message, HeaderLimits::default()),
        Err(HeaderError::TooManyBytes { .. } | HeaderError::TooManyFields { .. })
    ));
}

#[test]
fn signatures_names_tags_and_octets_of_a_signature() {
    let header = format!("{}{}From: a@example.com\r\n\r\n", signature("h=from:to"), signature("h=from; n=xyz"));
    let limited = |change: fn(&mut VerifyPolicy)| {
        let mut policy = VerifyPolicy::default();
        change(&mut policy);
        outcomes(&header, &policy)
    };
    let unanswered = limited(|_| {});
    assert!(unanswered.iter().all(|outcome| outcome.result() == "temperror"));
    assert_eq!(
        limited(|policy| policy.max_signatures = 1).last(),
        Some(&Outcome::Policy(PolicyCause::TooManySignatures))
    );
    assert_eq!(
        limited(|policy| policy.max_header_names = 1),
        [Outcome::Policy(PolicyCause::TooManyHeaderNames), *unanswered.last().unwrap()]
    );
    assert_eq!(
        limited(|policy| policy.max_tags = 7),
        [*unanswered.first().unwrap(), Outcome::Policy(PolicyCause::TooManyTags)]
    );
    assert_eq!(
        limited(|policy| policy.max_signature_bytes = 100),
        [Outcome::Policy(PolicyCause::TooLong), Outcome::Policy(PolicyCause::TooLong)]
    );
}

#[test]
fn body_hashes_of_a_hostile_message_are_at_most_as_many_as_signatures() {
    let header: String = (0..200).map(|limit| signature(&format!("h=from; l={limit}"))).collect();
    let mut plan = BodyHashPlan::new(Backend::default());
    let headers = block(&format!("{header}From: a@example.com\r\n\r\n"));
    let verification = Verification::start(headers, NOW, &VerifyPolicy::default(), &mut plan);
    assert_eq!(plan.len(), VerifyPolicy::default().max_signatures);
    assert_eq!(verification.key_queries().count(), 1);
}

#[test]
fn a_body_behind_every_limit_need_not_be_read() {
    let mut plan = BodyHashPlan::new(Backend::default());
    let id = plan.request(Canon::Relaxed, HashAlgorithm::Sha256, Some(1000));
    let mut hasher = plan.start();
    let mut read = 0;
    let chunk = [b'x'; 500];
    while hasher.wants_more() {
        hasher.update(&chunk);
        read += 1;
        assert!(read < 10);
    }
    assert_eq!(read, 3);
    assert_eq!(hasher.finish().get(id).unwrap().coverage(), BodyCoverage::Prefix);
}

#[test]
fn the_largest_limit_is_a_number_like_any_other() {
    let mut plan = BodyHashPlan::new(Backend::default());
    let id = plan.request(Canon::Simple, HashAlgorithm::Sha256, Some(u64::MAX));
    let mut hasher = plan.start();
    hasher.update(b"x");
    let bodies = hasher.finish();
    let body = bodies.get(id).unwrap();
    assert_eq!((body.hashed_octets(), body.coverage()), (3, BodyCoverage::BeyondEnd));
}

#[test]
fn names_of_a_new_signature() {
    let spec = |limit: usize| {
        let mut spec = SignatureSpec::new(DomainName::parse("example.com").unwrap(), Selector::parse("sel").unwrap());
        spec.max_header_names = limit;
        spec.oversigned.clear();
        spec
    };
    let seed = PrivateKey::from_text(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let key = Backend::default().signing_key(&seed).unwrap();
    let headers = block(&format!("From: a@example.com\r\n{}\r\n", "To: b@example.org\r\n".repeat(300)));
    let start =
        |limit| Signing::start(&headers, spec(limit), key.clone(), NOW, &mut BodyHashPlan::new(Backend::default()));
    assert_eq!(start(256).unwrap_err(), SignError::TooManyFields { limit: 256 });
    assert!(start(301).is_ok());
}
