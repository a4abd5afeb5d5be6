//! Signing: what is covered, what is refused, and how the field is written (D-29, X-1, X-6, X-11).
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that cannot get its answer has failed"
)]

#[path = "edge/support.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest of it")]
mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::crypto::{Algorithm, Backend, KeyError, SigningKey};
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{BareLineEnds, DEFAULT_OVERSIGNED, DEFAULT_SIGNED, NewField, SignError, SignatureSpec, Signing};
use dkim_core::signature::{Identity, Signature, SignatureLimits};
use dkim_core::verify::{Outcome, VerifyPolicy};
use proptest::prelude::*;
use support::{MESSAGE, NOW, Zone, key, reports, sign, spec};

fn start(message: &[u8], spec: SignatureSpec) -> Result<(Signing, BodyHashPlan), SignError> {
    let (headers, _) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let signing = Signing::start(&headers, spec, key(), UnixTime::from_secs(NOW), &mut plan)?;
    Ok((signing, plan))
}

fn field(message: &[u8], spec: SignatureSpec) -> NewField {
    let (signing, plan) = start(message, spec).unwrap();
    let end = message.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4;
    let mut hasher = plan.start();
    hasher.update(&message[end..]);
    signing.finish(&hasher.finish()).unwrap()
}

fn refusal(message: &[u8], spec: SignatureSpec) -> SignError {
    start(message, spec).unwrap_err()
}

fn parse(field: &NewField) -> Signature {
    Signature::parse(field.value.as_bytes(), &SignatureLimits::default()).unwrap()
}

fn names(field: &NewField) -> Vec<String> {
    parse(field).header_names.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
}

/// A message of these header fields.
fn message(fields: &str) -> Vec<u8> {
    format!("{fields}\r\n\r\nHi.\r\n").into_bytes()
}

#[test]
fn d29_what_is_signed_verifies() {
    for header_canon in [Canon::Simple, Canon::Relaxed] {
        for body_canon in [Canon::Simple, Canon::Relaxed] {
            let mut spec = spec();
            (spec.header_canon, spec.body_canon) = (header_canon, body_canon);
            let reports = reports(&sign(spec, MESSAGE), &Zone::usual(), &VerifyPolicy::default(), NOW);
            assert_eq!(reports[0].outcome, Outcome::Pass);
            assert_eq!(reports[0].timestamp, Some(UnixTime::from_secs(NOW)));
        }
    }
}

#[test]
fn d29_fields_present_are_listed_and_some_once_more() {
    let field = field(&message("From: a@example.com\r\nTo: b\r\nX-Other: c\r\nto: d\r\nReferences: e"), spec());
    let expected = "from:from:sender:reply-to:subject:date:message-id:to:to:to:cc:mime-version:content-type:references";
    assert_eq!(names(&field).join(":"), expected);
}

#[test]
fn d29_every_default_field_is_signed_when_present() {
    let fields: Vec<String> = DEFAULT_SIGNED.iter().map(|name| format!("{name}: x")).collect();
    let field = field(&message(&fields.join("\r\n")), spec());
    let names = names(&field);
    for name in DEFAULT_SIGNED {
        let expected = 1 + usize::from(DEFAULT_OVERSIGNED.contains(name));
        assert_eq!(names.iter().filter(|other| other == name).count(), expected, "{name}");
    }
    for name in ["return-path", "received", "comments", "keywords", "bcc", "dkim-signature", "authentication-results"] {
        assert!(!DEFAULT_SIGNED.contains(&name) && !DEFAULT_OVERSIGNED.contains(&name), "{name}");
    }
}

#[test]
fn d29_no_field_of_an_oversigned_name_can_be_added() {
    let signed = sign(spec(), MESSAGE);
    for name in DEFAULT_OVERSIGNED {
        for added in
            [support::above(&format!("{name}: x\r\n"), &signed), support::below(&format!("{name}: x\r\n"), &signed)]
        {
            let reports = reports(&added, &Zone::usual(), &VerifyPolicy::default(), NOW);
            assert_eq!(reports[0].outcome.result(), "fail", "{name}");
        }
    }
}

#[test]
fn x11_fields_of_rfc_8058_are_covered_whatever_the_lists_say() {
    let mut spec = spec();
    spec.signed = vec!["Subject".to_owned()];
    spec.oversigned = Vec::new();
    let with = message(
        "From: a@b.example\r\nList-Unsubscribe: <https://x>\r\nLIST-unsubscribe-POST: List-Unsubscribe=One-Click",
    );
    assert_eq!(names(&field(&with, spec.clone())), ["from", "list-unsubscribe", "list-unsubscribe-post"]);
    assert_eq!(names(&field(&message("From: a@b.example"), spec)), ["from"]);
}

#[test]
fn x1_l_is_never_written_and_the_rest_is_as_asked() {
    let mut spec = spec();
    spec.identity = Some(Identity::new("joe smith", DomainName::parse("mail.example.com").unwrap()));
    spec.lifetime = Some(Duration::from_secs(3600));
    let field = field(MESSAGE, spec.clone());
    let signature = parse(&field);
    assert_eq!(signature.body_length, None);
    assert_eq!(signature.identity, spec.identity);
    assert_eq!(signature.timestamp.map(UnixTime::as_secs), Some(NOW));
    assert_eq!(signature.expiration.map(UnixTime::as_secs), Some(NOW + 3600));
    assert!(field.value.contains("i=joe=20smith@mail.example.com;"), "{}", field.value);

    let mut bare = support::spec();
    bare.timestamp = false;
    let signature = parse(&self::field(MESSAGE, bare));
    assert_eq!((signature.timestamp, signature.expiration, signature.identity), (None, None, None));
}

#[test]
fn d29_the_field_is_folded_once_and_in_ascii() {
    let long = format!("From: a@example.com\r\n{}", ["Cc: x"; 60].join("\r\n"));
    let field = field(&message(&long), spec());
    assert_eq!(field.name, "DKIM-Signature");
    assert!(field.value.starts_with(" v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com;\r\n s=sel; t="));
    let text = format!("{}:{}", field.name, field.value);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(lines.len() > 5 && text.is_ascii() && !text.ends_with("\r\n"));
    for line in &lines {
        assert!(line.len() <= 76 && !line.trim().is_empty() && !line.contains(['\r', '\n']), "{line:?}");
    }
    assert!(lines[1..].iter().all(|line| line.starts_with(' ')));
}

#[test]
fn d29_mail_without_exactly_one_from_is_refused() {
    assert_eq!(refusal(&message("Sender: a@example.com"), spec()), SignError::NoFrom);
    assert_eq!(refusal(&message("X-From: a@example.com"), spec()), SignError::NoFrom);
    for second in ["From", "from", "FROM ", "From\t"] {
        let fields = format!("From: a@example.com\r\nTo: b\r\n{second}: c@example.org");
        assert_eq!(refusal(&message(&fields), spec()), SignError::SeveralFrom { count: 2 }, "{second:?}");
    }
}

#[test]
fn d29_more_fields_than_the_limit_are_refused() {
    let fields = format!("From: a@example.com\r\n{}", ["To: x"; 300].join("\r\n"));
    assert_eq!(refusal(&message(&fields), spec()), SignError::TooManyFields { limit: 256 });
    let mut narrow = spec();
    narrow.max_header_names = 0;
    assert_eq!(refusal(MESSAGE, narrow), SignError::TooManyFields { limit: 0 });
}

#[test]
fn x6_bare_cr_and_lf_in_the_header_are_refused_by_default() {
    for value in ["a\nb", "a\rb", "a\r\n \nb"] {
        let fields = format!("From: a@example.com\r\nX-Other: {value}");
        assert_eq!(refusal(&message(&fields), spec()), SignError::BareLineEnd { field: 1 }, "{value:?}");
        let mut lenient = spec();
        lenient.bare_line_ends = BareLineEnds::Sign;
        let signed = sign(lenient, &message(&fields));
        assert_eq!(reports(&signed, &Zone::usual(), &VerifyPolicy::default(), NOW)[0].outcome, Outcome::Pass);
    }
}

#[test]
fn what_no_verifier_would_accept_is_refused() {
    let mut wrong = spec();
    wrong.domain = DomainName::parse("localhost").unwrap();
    assert_eq!(refusal(MESSAGE, wrong), SignError::SingleLabel);
    let mut wrong = spec();
    wrong.selector =
        Selector::parse(&["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(50)].join(".")).unwrap();
    assert_eq!(refusal(MESSAGE, wrong), SignError::KeyNameTooLong);
    let mut wrong = spec();
    wrong.identity = Some(Identity::new("", DomainName::parse("example.org").unwrap()));
    assert_eq!(refusal(MESSAGE, wrong), SignError::IdentityDomain);
    let mut wrong = spec();
    wrong.identity = Some(Identity::new([0; 65], DomainName::parse("example.com").unwrap()));
    assert_eq!(refusal(MESSAGE, wrong), SignError::LocalPartTooLong);
    for name in ["", "a:b", "a;b", "a b", "\u{fc}", &"x".repeat(995)] {
        let mut wrong = spec();
        wrong.signed.push(name.to_owned());
        assert_eq!(refusal(MESSAGE, wrong), SignError::FieldName { name: name.to_owned() });
    }
    for lifetime in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(u64::MAX)] {
        let mut wrong = spec();
        wrong.lifetime = Some(lifetime);
        assert_eq!(refusal(MESSAGE, wrong), SignError::Expiration, "{lifetime:?}");
    }
}

/// RFC 5322 §2.1.1: an MTA that breaks a longer line breaks the signature.
#[test]
fn s2_1_1_of_5322_no_line_is_longer_than_998_octets() {
    let labels = |last: usize| ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(last)].join(".");
    let name = "x".repeat(994);
    let mut widest = SignatureSpec::new(DomainName::parse(&labels(47)).unwrap(), Selector::parse("s").unwrap());
    widest.identity = Some(Identity::new([0; 64], DomainName::parse(&labels(47)).unwrap()));
    widest.signed = vec![name.clone()];
    let field = field(&message(&format!("From: a@example.com\r\n{name}: x")), widest);
    let text = format!("{}:{}", field.name, field.value);
    assert_eq!(text.split("\r\n").map(str::len).max(), Some(998));
    assert!(parse(&field).header_names.contains(&name));
}

#[test]
fn d5_two_signatures_share_one_body_pass_and_both_verify() {
    let rsa = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys/rsa-2048.pkcs8.pem")).unwrap();
    let rsa: Arc<dyn SigningKey> = Backend::default().load_key(&rsa).unwrap();
    let (headers, body) = HeaderBlock::parse(MESSAGE, HeaderLimits::default()).unwrap();
    let headers = Arc::new(headers);
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut rsa_spec = spec();
    rsa_spec.selector = Selector::parse("rsa").unwrap();
    let now = UnixTime::from_secs(NOW);
    let signings = [
        Signing::start(&headers, spec(), key(), now, &mut plan).unwrap(),
        Signing::start(&headers, rsa_spec, Arc::clone(&rsa), now, &mut plan).unwrap(),
    ];
    assert_eq!(plan.len(), 1);
    assert_eq!(signings.each_ref().map(Signing::may_block), [false, true]);
    let mut hasher = plan.start();
    hasher.update(&MESSAGE[body..]);
    let bodies = hasher.finish();
    let fields = signings.map(|signing| signing.finish(&bodies).unwrap());
    let fields: String = fields.iter().map(|field| format!("{}:{}\r\n", field.name, field.value)).collect();
    let zone = Zone::usual().with("rsa._domainkey.example.com", &KeyRecord::text_for(&*rsa));
    let reports = reports(&support::above(&fields, MESSAGE), &zone, &VerifyPolicy::default(), NOW);
    let told: Vec<_> = reports.iter().map(|report| (report.outcome, report.algorithm.as_deref().unwrap())).collect();
    assert_eq!(told, [(Outcome::Pass, "ed25519-sha256"), (Outcome::Pass, "rsa-sha256")]);
}

/// A key that is somewhere else and out of order.
#[derive(Debug)]
struct BrokenKey;

impl SigningKey for BrokenKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RsaSha256
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, KeyError> {
        Err(KeyError::SigningFailed { reason: "the agent went away".to_owned() })
    }

    fn public_key(&self) -> Vec<u8> {
        Vec::new()
    }
}

#[test]
fn a_key_that_does_not_sign_is_an_error() {
    let (headers, _) = HeaderBlock::parse(MESSAGE, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let now = UnixTime::from_secs(NOW);
    let signing = Signing::start(&headers, spec(), Arc::new(BrokenKey), now, &mut plan).unwrap();
    let error = signing.clone().finish(&plan.start().finish()).unwrap_err();
    assert_eq!(error.to_string(), "signing failed: the agent went away");
    let other = BodyHashPlan::new(Backend::default()).start().finish();
    assert_eq!(signing.finish(&other), Err(SignError::BodyMissing));
}

#[test]
fn d29_existing_signatures_are_left_alone() {
    let once = sign(spec(), MESSAGE);
    let twice = sign(spec(), &once);
    let reports = reports(&twice, &Zone::usual(), &VerifyPolicy::default(), NOW);
    assert!(reports.len() == 2 && reports.iter().all(|report| report.outcome == Outcome::Pass));
}

proptest! {
    /// Whatever a message holds: it is refused, or its signature verifies; and any change to a signed field is noticed.
    #[test]
    fn signed_mail_verifies(
        fields in proptest::collection::vec(("(?i)(to|cc|subject|x-[a-z]{1,8}|date|list-id)[ \t]{0,2}", "([ -~\u{e4}\u{df}]|\r\n[ \t]|\t){0,60}"), 0..12),
        body in proptest::collection::vec(proptest::sample::select(vec!["\r\n", " ", "\t", "word", "\r", "\n"]), 0..40),
        simple: (bool, bool),
    ) {
        let canon = |simple| if simple { Canon::Simple } else { Canon::Relaxed };
        let mut spec = spec();
        (spec.header_canon, spec.body_canon) = (canon(simple.0), canon(simple.1));
        let fields: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        let message = [format!("From: joe@example.com\r\n{fields}\r\n").as_bytes(), body.concat().as_bytes()].concat();
        let signed = sign(spec, &message);
        let reports = reports(&signed, &Zone::usual(), &VerifyPolicy::default(), NOW);
        prop_assert_eq!(reports[0].outcome, Outcome::Pass);
        let forged = support::altered(&signed, "From: joe@", "From: jim@");
        let reports = support::reports(&forged, &Zone::usual(), &VerifyPolicy::default(), NOW);
        prop_assert_eq!(reports[0].outcome.code(), "signature");
    }
}
