//! Every outcome that verification knows, each reached by a message; and the table of them in `docs/rfc-notes.md`.
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

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::verify::{
    BodyLengthPolicy, BodyMinimum, FailCause, KeyAnswer, Outcome, PermErrorCause as Perm, PolicyCause, Screening,
    SignatureReport, TempErrorCause, Verification, VerifyPolicy, key_query_of,
};
use support::{Draft, MESSAGE, NOW, Zone, above, altered, key, reports};

const TEMPLATE: &str =
    " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from:to:subject; bh={bh}; b={b}";

/// The report about a message whose signature was written with one part of the template changed.
fn with(from: &str, to: &str) -> SignatureReport {
    assert!(TEMPLATE.contains(from));
    let template = TEMPLATE.replace(from, to);
    let message = Draft { template: &template, ..Draft::default() }.sign(MESSAGE);
    report(&message, &Zone::usual(), &VerifyPolicy::default())
}

/// The report about a signature with one tag more.
fn and(tag: &str) -> SignatureReport {
    with("; h=", &format!("; {tag}; h="))
}

fn report(message: &[u8], zone: &Zone, policy: &VerifyPolicy) -> SignatureReport {
    reports(message, zone, policy, NOW).remove(0)
}

/// The report about a good signature whose key is published with these tags before `p=`.
fn key_with(tags: &str) -> SignatureReport {
    let record = KeyRecord::text_for(&*key()).replace("v=DKIM1; ", &format!("v=DKIM1; {tags}"));
    key_record(&record)
}

fn key_record(record: &str) -> SignatureReport {
    answered(TxtAnswer::Records(vec![record.as_bytes().to_vec()]))
}

fn answered(answer: TxtAnswer) -> SignatureReport {
    let zone = Zone::default().answering("sel._domainkey.example.com", answer);
    report(&Draft::default().sign(MESSAGE), &zone, &VerifyPolicy::default())
}

/// The report about the message that OpenSSL signed with one of the test keys.
fn openssl(name: &str, policy: &VerifyPolicy) -> SignatureReport {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let message = fs::read(folder.join(format!("signed-{name}.eml"))).unwrap();
    let record = fs::read_to_string(folder.join(format!("{name}.record.txt"))).unwrap();
    report(&message, &Zone::default().with(&format!("{name}._domainkey.example.com"), &record), policy)
}

/// The report about a signature with `l=`, relaxed, over the first octets of the usual body; the message comes with `body`.
fn body_length(length: usize, names: &str, policy: BodyLengthPolicy, body: &[u8]) -> SignatureReport {
    let (header, whole) = MESSAGE.split_at(MESSAGE.len() - self::body().len());
    let part = if length < WHOLE { &whole[..length] } else { whole };
    let template = TEMPLATE.replace("; h=from:to:subject", &format!("; l={length}; h={names}"));
    let message = Draft { template: &template, names, ..Draft::default() }.sign(&[header, part].concat());
    let message = [&message[..message.len() - part.len()], body].concat();
    let mut verify = VerifyPolicy::default();
    verify.body_length = policy;
    report(&message, &Zone::usual(), &verify)
}

/// The reports about a message that has `count` signatures, all the same one, of which this was decided beforehand.
fn screened(screened: &[Screening], max_signatures: usize, count: usize) -> Vec<SignatureReport> {
    let message = Draft::default().sign(MESSAGE);
    let signature = &message[..message.len() - MESSAGE.len()];
    let message = [&signature.repeat(count), MESSAGE].concat();
    let (headers, at) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut policy = VerifyPolicy::default();
    policy.max_signatures = max_signatures;
    let mut plan = BodyHashPlan::new(Backend::default());
    let now = UnixTime::from_secs(NOW);
    let mut verification = Verification::start_screened(Arc::new(headers), now, &policy, &mut plan, screened);
    let id = verification.key_queries().next().map(|query| query.id);
    if let Some(id) = id {
        let record = KeyRecord::text_for(&*key()).into_bytes();
        verification.provide_key(id, KeyAnswer::parse(&TxtAnswer::Records(vec![record]), Backend::default()));
    }
    let mut hasher = plan.start();
    hasher.update(&message[at..]);
    verification.finish(&hasher.finish())
}

/// Octets of the usual body in relaxed form, where two blanks have become one.
const WHOLE: usize = 46;

fn body() -> &'static [u8] {
    let end = MESSAGE.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4;
    &MESSAGE[end..]
}

/// The machine left without something it needs.
fn starved(give_body: bool) -> SignatureReport {
    let message = Draft::default().sign(MESSAGE);
    let (headers, _) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let now = UnixTime::from_secs(NOW);
    let mut verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    if give_body {
        return verification.finish(&plan.start().finish()).remove(0);
    }
    let id = verification.key_queries().next().unwrap().id;
    let record = KeyRecord::text_for(&*key()).into_bytes();
    verification.provide_key(id, KeyAnswer::parse(&TxtAnswer::Records(vec![record]), Backend::default()));
    // The bodies of another plan, which nobody asked anything of.
    verification.finish(&BodyHashPlan::new(Backend::default()).start().finish()).remove(0)
}

/// One message for each outcome.
fn examples() -> Vec<(Outcome, SignatureReport)> {
    let signed = Draft::default().sign(MESSAGE);
    let default = VerifyPolicy::default();
    let limited = |set: fn(&mut VerifyPolicy)| {
        let mut policy = VerifyPolicy::default();
        set(&mut policy);
        report(&signed, &Zone::usual(), &policy)
    };
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(50)].join(".");
    let other_key = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";
    let texts = |texts: &[&str]| TxtAnswer::Records(texts.iter().map(|text| text.as_bytes().to_vec()).collect());
    let perm = Outcome::PermError;
    vec![
        (Outcome::Pass, report(&signed, &Zone::usual(), &default)),
        (
            Outcome::Fail(FailCause::BodyHash),
            report(&altered(&signed, "lost the", "won the"), &Zone::usual(), &default),
        ),
        (
            Outcome::Fail(FailCause::Signature),
            report(&altered(&signed, "Is dinner", "No dinner"), &Zone::usual(), &default),
        ),
        (perm(Perm::Syntax), with("; s=", ";; s=")),
        (perm(Perm::MissingTag), with("s=sel; ", "")),
        (perm(Perm::Version), with("v=1", "v=1.0")),
        (perm(Perm::RsaSha1), with("ed25519-sha256", "rsa-sha1")),
        (perm(Perm::Algorithm), with("ed25519-sha256", "ed448-shake256")),
        (perm(Perm::Canonicalization), with("relaxed/relaxed", "nowsp")),
        (perm(Perm::QueryMethod), and("q=http/get")),
        (perm(Perm::Domain), with("example.com", "example.com(x")),
        (perm(Perm::Selector), with("s=sel", "s=s..l")),
        (perm(Perm::KeyName), with("s=sel", &format!("s={long}"))),
        (perm(Perm::Identity), and("i=example.com")),
        (perm(Perm::DomainMismatch), and("i=joe@example.org")),
        (perm(Perm::HeaderNames), with("h=from:", "h=from::")),
        (perm(Perm::FromNotSigned), with("h=from:", "h=sender:")),
        (perm(Perm::BodyLength), and("l=-1")),
        (perm(Perm::Timestamp), and("t=yesterday")),
        (perm(Perm::Expiration), and("x=")),
        (perm(Perm::ExpirationOrder), and("t=5; x=5")),
        (perm(Perm::BodyHashValue), with("{bh}", "AAAA")),
        (perm(Perm::SignatureData), with("b={b}", "b=*{b}")),
        (perm(Perm::Expired), and(&format!("x={}", NOW - 301))),
        (perm(Perm::InFuture), and(&format!("t={}", NOW + 301))),
        (perm(Perm::BodyTooShort), body_length(1000, "from:content-type", BodyLengthPolicy::Policy, body())),
        (perm(Perm::KeyNxDomain), answered(TxtAnswer::NxDomain)),
        (perm(Perm::KeyNoData), answered(TxtAnswer::NoData)),
        (perm(Perm::KeyNotAmongRecords), answered(texts(&["v=spf1 -all", "hello"]))),
        (perm(Perm::SeveralKeys), answered(texts(&[other_key, other_key]))),
        (perm(Perm::KeySyntax), key_record("no tag list")),
        (perm(Perm::KeyVersion), key_record("v=DKIM2; p=")),
        (perm(Perm::KeyMissing), key_record("v=DKIM1; k=rsa")),
        (perm(Perm::KeyRevoked), key_record("v=DKIM1; k=ed25519; p=")),
        (perm(Perm::KeyTypeUnknown), key_record("v=DKIM1; k=ed448; p=AAAA")),
        (perm(Perm::KeyDamaged), key_record("v=DKIM1; k=ed25519; p=AAAA")),
        (perm(Perm::KeyType), key_record(other_key)),
        (perm(Perm::KeyHash), key_with("h=sha1; ")),
        (perm(Perm::KeyService), key_with("s=tlsrpt; ")),
        (perm(Perm::KeyStrict), {
            let template = TEMPLATE.replace("; h=", "; i=joe@sub.example.com; h=");
            let message = Draft { template: &template, ..Draft::default() }.sign(MESSAGE);
            let record = KeyRecord::text_for(&*key()).replace("v=DKIM1; ", "v=DKIM1; t=s; ");
            report(&message, &Zone::default().with("sel._domainkey.example.com", &record), &default)
        }),
        (perm(Perm::RsaTooSmall), openssl("rsa-1023", &default)),
        (perm(Perm::RsaExponent), openssl("rsa-2048-e40", &default)),
        (Outcome::TempError(TempErrorCause::KeyLookup), answered(TxtAnswer::Failed)),
        (Outcome::TempError(TempErrorCause::KeyUnanswered), starved(true)),
        (Outcome::TempError(TempErrorCause::BodyMissing), starved(false)),
        (Outcome::Policy(PolicyCause::TooManySignatures), limited(|policy| policy.max_signatures = 0)),
        (Outcome::Policy(PolicyCause::TooManyTags), limited(|policy| policy.max_tags = 7)),
        (Outcome::Policy(PolicyCause::TooLong), limited(|policy| policy.max_signature_bytes = 100)),
        (Outcome::Policy(PolicyCause::TooManyHeaderNames), limited(|policy| policy.max_header_names = 2)),
        (Outcome::Policy(PolicyCause::RsaTooLarge), openssl("rsa-8192", &default)),
        (Outcome::Policy(PolicyCause::RsaBelowMinimum), {
            let mut policy = VerifyPolicy::default();
            policy.min_rsa_bits = 2048;
            openssl("rsa-1024", &policy)
        }),
        (Outcome::Policy(PolicyCause::BodyLengthTag), {
            body_length(WHOLE, "from:content-type", BodyLengthPolicy::Reject, body())
        }),
        (Outcome::Policy(PolicyCause::BodyNotCovered), {
            body_length(5, "from:content-type", BodyLengthPolicy::Policy, body())
        }),
        (Outcome::Policy(PolicyCause::ContentTypeNotSigned), {
            body_length(WHOLE, "from", BodyLengthPolicy::Accept, body())
        }),
        (
            Outcome::Policy(PolicyCause::FieldNotSigned),
            limited(|policy| policy.must_be_signed = vec!["Date".to_owned()]),
        ),
        (Outcome::Policy(PolicyCause::NotTrusted), screened(&[Screening::Never], 10, 1).remove(0)),
    ]
}

#[test]
fn every_outcome_is_reached_by_a_message() {
    let examples = examples();
    for (expected, report) in &examples {
        assert_eq!(report.outcome, *expected, "{report:?}");
    }
    let reached: HashSet<Outcome> = examples.iter().map(|(outcome, _)| *outcome).collect();
    let missing: Vec<Outcome> = Outcome::all().filter(|outcome| !reached.contains(outcome)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn s2_7_1_of_8601_the_table_in_the_notes_is_the_code() {
    let notes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rfc-notes.md");
    let notes = fs::read_to_string(notes).unwrap();
    let (_, section) = notes.split_once("## DKIM outcomes").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ").map(|cell| cell.trim_matches(['`', ' ', '|']));
        Some((cells.next()?, (cells.next()?, cells.next()?)))
    });
    let documented: BTreeMap<&str, (&str, &str)> = rows.collect();
    let texts: Vec<(&str, &str, String)> =
        Outcome::all().map(|outcome| (outcome.code(), outcome.result(), outcome.to_string())).collect();
    let coded: BTreeMap<&str, (&str, &str)> =
        texts.iter().map(|(code, result, text)| (*code, (*result, text.as_str()))).collect();
    assert_eq!(coded.len(), Outcome::all().count(), "codes are unique");
    assert_eq!(documented, coded);
}

#[test]
fn d4_sizes_and_exponents_of_keys_that_openssl_signed_with() {
    let mut raised = VerifyPolicy::default();
    raised.max_rsa_bits = 8192;
    for (name, bits) in [("rsa-1024", 1024), ("rsa-4096", 4096), ("rsa-8192", 8192), ("rsa-2048-e3", 2048)] {
        let report = openssl(name, &raised);
        assert_eq!((report.outcome, report.key_bits), (Outcome::Pass, Some(bits)), "{name}");
    }
    // RFC 8301 §3.2, whatever the policy says.
    raised.min_rsa_bits = 0;
    for (name, bits) in [("rsa-512", 512), ("rsa-1023", 1023)] {
        let report = openssl(name, &raised);
        assert_eq!((report.outcome, report.key_bits), (Outcome::PermError(Perm::RsaTooSmall), Some(bits)), "{name}");
    }
}

#[test]
fn x2_x4_body_length_that_covers_the_body_is_accepted_and_reported() {
    for policy in [BodyLengthPolicy::Policy, BodyLengthPolicy::Accept] {
        let report = body_length(WHOLE, "from:content-type", policy, body());
        assert_eq!((report.outcome, report.body_length), (Outcome::Pass, Some(WHOLE as u64)));
    }
}

#[test]
fn x2_appended_octets_are_accepted_only_when_the_policy_says_so() {
    let longer = [body(), b"<h1>Buy now</h1>\r\n"].concat();
    let outcome = |policy| body_length(WHOLE, "from:content-type", policy, &longer).outcome;
    assert_eq!(outcome(BodyLengthPolicy::Accept), Outcome::Pass);
    assert_eq!(outcome(BodyLengthPolicy::Policy), Outcome::Policy(PolicyCause::BodyNotCovered));
    assert_eq!(outcome(BodyLengthPolicy::Reject), Outcome::Policy(PolicyCause::BodyLengthTag));
}

#[test]
fn x2_a_minimum_says_how_much_of_a_body_has_to_be_signed() {
    // 4 octets more.
    let longer = [body(), b"ab\r\n"].concat();
    for (minimum, of_whole, of_longer) in [
        (BodyMinimum::Octets(46), true, true),
        (BodyMinimum::Octets(47), true, false),
        (BodyMinimum::Octets(1000), true, false),
        (BodyMinimum::Octets(0), true, true),
        (BodyMinimum::Percent(92), true, true),
        (BodyMinimum::Percent(93), true, false),
        (BodyMinimum::Percent(100), true, false),
        (BodyMinimum::Percent(0), true, true),
        (BodyMinimum::AllBut(4), true, true),
        (BodyMinimum::AllBut(3), true, false),
        (BodyMinimum::AllBut(0), true, false),
        (BodyMinimum::AllBut(u64::MAX), true, true),
    ] {
        for (body, passes) in [(body(), of_whole), (&longer[..], of_longer)] {
            let report = body_length(WHOLE, "from:content-type", BodyLengthPolicy::AtLeast(minimum), body);
            let expected = if passes { Outcome::Pass } else { Outcome::Policy(PolicyCause::BodyNotCovered) };
            assert_eq!(report.outcome, expected, "{minimum:?} of {} octets", body.len());
        }
    }
    // Where nothing can be added, nobody can make it look otherwise.
    let most = BodyLengthPolicy::AtLeast(BodyMinimum::Percent(10));
    assert_eq!(body_length(WHOLE, "from", most, body()).outcome, Outcome::Pass);
    let outcome = body_length(WHOLE, "from", most, &longer).outcome;
    assert_eq!(outcome, Outcome::Policy(PolicyCause::ContentTypeNotSigned));
}

#[test]
fn s6_1_what_was_decided_beforehand_of_a_signature_holds() {
    use Screening::{Always, Counted, Never};
    let words = |screened: &[Screening], most| {
        let reports = self::screened(screened, most, 4);
        let places: Vec<usize> = reports.iter().map(|report| report.index).collect();
        assert_eq!(places, [0, 1, 2, 3]);
        reports.iter().map(|report| report.outcome.code()).collect::<Vec<_>>()
    };
    let (pass, many, no) = ("pass", "too-many-signatures", "not-trusted");
    assert_eq!(words(&[], 2), [pass, pass, many, many]);
    assert_eq!(words(&[Counted, Counted, Counted, Always], 2), [pass, pass, many, pass]);
    assert_eq!(words(&[Always, Never, Counted, Counted], 1), [pass, no, pass, many]);
    assert_eq!(words(&[Always, Always, Always, Always], 0), [pass; 4]);
    // What is not looked at is told by what it says of itself.
    let report = screened(&[Never], 1, 1).remove(0);
    assert_eq!(report.domain.unwrap().as_str(), "example.com");
    assert_eq!(report.b_start.len(), 8);
}

#[test]
fn x3_a_content_type_beside_the_signed_one_is_not_signed() {
    let template = TEMPLATE.replace("; h=from:to:subject", &format!("; l={WHOLE}; h=from:content-type"));
    let message = Draft { template: &template, names: "from:content-type", ..Draft::default() }.sign(MESSAGE);
    let attack = above("Content-Type: multipart/mixed; boundary=x\r\n", &message);
    for policy in [BodyLengthPolicy::Policy, BodyLengthPolicy::Accept] {
        let mut verify = VerifyPolicy::default();
        verify.body_length = policy;
        assert_eq!(report(&message, &Zone::usual(), &verify).outcome, Outcome::Pass);
        let outcome = report(&attack, &Zone::usual(), &verify).outcome;
        assert_eq!(outcome, Outcome::Policy(PolicyCause::ContentTypeNotSigned));
    }
}

#[test]
fn d12_l_0_is_legal_and_signs_nothing() {
    let report = body_length(0, "from:content-type", BodyLengthPolicy::Accept, b"anything\r\n");
    assert_eq!((report.outcome, report.body_length), (Outcome::Pass, Some(0)));
}

#[test]
fn d22_keys_are_found_among_other_records() {
    let good = KeyRecord::text_for(&*key());
    let outcome = |texts: &[&str]| {
        answered(TxtAnswer::Records(texts.iter().map(|text| text.as_bytes().to_vec()).collect())).outcome
    };
    assert_eq!(outcome(&["v=spf1 -all", &good]), Outcome::Pass);
    assert_eq!(outcome(&[&good, "v=DMARC1; p=none", "text"]), Outcome::Pass);
    assert_eq!(outcome(&[&good, "v=DKIM1; p="]), Outcome::PermError(Perm::SeveralKeys));
    assert_eq!(outcome(&["v=spf1 -all"]), Outcome::PermError(Perm::KeyVersion));
    assert_eq!(outcome(&[]), Outcome::PermError(Perm::KeyNoData));
    // The eleventh record is not looked at.
    let mut many = vec!["text"; 10];
    many.push(&good);
    assert_eq!(outcome(&many), Outcome::PermError(Perm::KeyNotAmongRecords));
}

#[test]
fn d24_t_s_allows_the_domain_itself() {
    for identity in ["", "i=@example.com; ", "i=joe@EXAMPLE.com; "] {
        let template = TEMPLATE.replace("; h=", &format!("; {identity}h="));
        let message = Draft { template: &template, ..Draft::default() }.sign(MESSAGE);
        let record = KeyRecord::text_for(&*key()).replace("v=DKIM1; ", "v=DKIM1; t=s; ");
        let zone = Zone::default().with("sel._domainkey.example.com", &record);
        assert_eq!(report(&message, &zone, &VerifyPolicy::default()).outcome, Outcome::Pass, "{template}");
    }
}

#[test]
fn d26_testing_is_told_beside_the_outcome() {
    let report = key_with("t=y; ");
    assert_eq!((report.outcome, report.testing), (Outcome::Pass, true));
    let record = KeyRecord::text_for(&*key()).replace("v=DKIM1; ", "v=DKIM1; t=y:s; ");
    let zone = Zone::default().with("sel._domainkey.example.com", &record);
    let changed = altered(&Draft::default().sign(MESSAGE), "lost", "won");
    let report = self::report(&changed, &zone, &VerifyPolicy::default());
    assert_eq!((report.outcome, report.testing), (Outcome::Fail(FailCause::BodyHash), true));
    assert!(!key_with("t=s; ").testing);
}

#[test]
fn d13_d20_unknown_tags_and_z_are_hashed_and_not_looked_at() {
    assert_eq!(and("z=From:nobody@example.org|Subject:=20other; foo=bar").outcome, Outcome::Pass);
    let template = TEMPLATE.replace("; h=", "; foo=bar; h=");
    let message = Draft { template: &template, ..Draft::default() }.sign(MESSAGE);
    let changed = altered(&message, "foo=bar", "foo=baz");
    let outcome = report(&changed, &Zone::usual(), &VerifyPolicy::default()).outcome;
    assert_eq!(outcome, Outcome::Fail(FailCause::Signature));
}

#[test]
fn d28_u_labels_are_hashed_as_they_stand_and_asked_as_a_labels() {
    let template = TEMPLATE
        .replace("d=example.com", "d=b\u{fc}cher.example; i=j\u{f8}@sub.B\u{dc}CHER.example")
        .replace("s=sel", "s=schl\u{fc}ssel");
    let message = Draft { template: &template, ..Draft::default() }.sign(MESSAGE);
    let name = "xn--schlssel-95a._domainkey.xn--bcher-kva.example";
    let zone = Zone::default().with(name, &KeyRecord::text_for(&*key()));
    let report = report(&message, &zone, &VerifyPolicy::default());
    assert_eq!(report.outcome, Outcome::Pass);
    assert_eq!(report.domain.unwrap().as_str(), "xn--bcher-kva.example");
    assert_eq!(report.identity.unwrap().to_string(), "j\u{f8}@sub.xn--bcher-kva.example");
}

#[test]
fn d27_signatures_are_judged_one_by_one_in_the_order_of_the_message() {
    let good = Draft::default().sign(MESSAGE);
    let expired = Draft { template: &TEMPLATE.replace("; h=", "; x=1; h="), ..Draft::default() }.sign(&good);
    let message = above("DKIM-Signature: nonsense\r\n", &expired);
    let reports = reports(&message, &Zone::usual(), &VerifyPolicy::default(), NOW);
    let told: Vec<_> = reports.iter().map(|report| (report.index, report.field, report.outcome.code())).collect();
    assert_eq!(told, [(0, 0, "syntax"), (1, 1, "expired"), (2, 2, "pass")]);
}

#[test]
fn d27_each_key_is_asked_for_once() {
    let mut message = MESSAGE.to_vec();
    for selector in ["a", "b", "a", "A", "b"] {
        let template = TEMPLATE.replace("s=sel", &format!("s={selector}"));
        message = Draft { template: &template, ..Draft::default() }.sign(&message);
    }
    let (headers, _) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let now = UnixTime::from_secs(NOW);
    let verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    let names: Vec<String> = verification.key_queries().map(|query| query.name()).collect();
    assert_eq!(names, ["b._domainkey.example.com", "a._domainkey.example.com"]);
    assert_eq!(plan.len(), 1);
    let zone = Zone::default().with("a._domainkey.example.com", &KeyRecord::text_for(&*key()));
    let reports = reports(&message, &zone, &VerifyPolicy::default(), NOW);
    let told: Vec<_> = reports.iter().map(|report| report.outcome.code()).collect();
    assert_eq!(told, ["key-nxdomain", "pass", "pass", "key-nxdomain", "pass"]);
}

#[test]
fn keys_of_unusable_signatures_are_not_asked_for() {
    for (from, to) in [("v=1", "v=2"), ("; h=", "; x=1; h="), ("ed25519-sha256", "rsa-sha1")] {
        let message = Draft { template: &TEMPLATE.replace(from, to), ..Draft::default() }.sign(MESSAGE);
        let (headers, _) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
        let mut plan = BodyHashPlan::new(Backend::default());
        let now = UnixTime::from_secs(NOW);
        let verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
        assert_eq!((verification.key_queries().count(), plan.len()), (0, 0), "{to}");
        assert!(!verification.is_unsigned());
    }
}

#[test]
fn unsigned_mail_has_no_report() {
    let (headers, _) = HeaderBlock::parse(MESSAGE, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let now = UnixTime::from_secs(NOW);
    let verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    assert!(verification.is_unsigned() && plan.is_empty());
    assert!(verification.finish(&plan.start().finish()).is_empty());
}

#[test]
fn what_can_be_told_of_an_unusable_signature_is_told() {
    let report = with("v=1; a=ed25519-sha256", "v=1; a=RSA-sha1");
    assert_eq!(report.domain.unwrap().as_str(), "example.com");
    assert_eq!(report.selector.unwrap().as_str(), "sel");
    assert_eq!(report.algorithm.as_deref(), Some("rsa-sha1"));
    assert_eq!(report.b_start.len(), 8);
    assert_eq!(report.error.unwrap().kind.to_string(), "rsa-sha1 must not be used");
    // What could do harm in a header field is not.
    let report = with("a=ed25519-sha256; c=relaxed/relaxed; d=example.com", "a=x\" (; d=a(b");
    assert_eq!((report.algorithm, report.domain), (None, None));
    let report = with("b={b}", "b=<script>{b}");
    assert_eq!(report.b_start, "");
}

#[test]
fn s4_of_6008_different_signatures_differ_in_what_is_shown_of_them() {
    let value = |b: &str| format!("DKIM-Signature: v=1; d=example.com; s=sel; b={b}\r\n");
    let message = [&value("AAAABBBBCCCCDDDD"), &value("AAAABBBBCCCCEEEE"), &value("AAAABBBBCCCCEEEE"), &value("FF")];
    let message = [message.map(String::as_str).concat().as_bytes(), MESSAGE].concat();
    let reports = reports(&message, &Zone::usual(), &VerifyPolicy::default(), NOW);
    let told: Vec<_> = reports.iter().map(|report| report.b_start.as_str()).collect();
    assert_eq!(told, ["AAAABBBBCCCCD", "AAAABBBBCCCCE", "AAAABBBBCCCCE", "FF"]);
}

#[test]
fn the_key_of_a_signature_is_known_before_the_header_ends() {
    let (selector, domain) = key_query_of(b" v=1; s=Sel.A; d=B\xc3\xbccher.example").unwrap();
    assert_eq!((selector.as_str(), domain.as_str()), ("sel.a", "xn--bcher-kva.example"));
    for value in ["", "s=a", "d=example.com", "s=a; d=com", "s=a; d=x(y.com", "s=a; s=a; d=example.com"] {
        assert_eq!(key_query_of(value.as_bytes()), None, "{value}");
    }
    // 253 octets can be asked for, with `._domainkey.` and the domain of 11; one more cannot.
    let selector = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(38)].join(".");
    for (longer, expected) in [("", true), ("d", false)] {
        let value = format!("s={selector}{longer}; d=example.com");
        assert_eq!(key_query_of(value.as_bytes()).is_some(), expected, "{value}");
    }
}

#[test]
fn an_answer_is_shared_and_told_why() {
    let answer = KeyAnswer::parse(&TxtAnswer::NxDomain, Backend::default());
    assert_eq!(answer.clone().record().unwrap_err().to_string(), "the name does not exist");
    let answer = KeyAnswer::parse(&TxtAnswer::Records(vec![b"v=DKIM1; p=!".to_vec()]), Backend::default());
    assert_eq!(answer.record().unwrap_err().to_string(), "p= is not base64");
}
