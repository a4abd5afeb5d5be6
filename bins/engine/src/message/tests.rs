//! Whole messages through the machine, without sockets and without a runtime.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::crypto::{Algorithm, KeyError, PrivateKey, SigningKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::Selector;
use dkim_core::key_record::KeyRecord;
use dkim_core::verify::KeyAnswer;
use milter_proto::{Command, Decision, Event, FilterSession, FrameDecoder, Modification, Offer, Reply, Wants, flags};

use super::envelope::Envelope;
use super::origin::{Client, Origin, OriginRule};
use super::verdict::Action;
use super::*;
use crate::config::{self, Config};
use crate::keys::Keys;

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);
const SEED: &[u8] = b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

pub(super) fn key() -> Arc<dyn SigningKey> {
    crate::BACKEND.signing_key(&PrivateKey::from_text(SEED).unwrap()).unwrap()
}

/// Rules for `example.com` with one Ed25519 key of selector `ed`; SPF has its own tests.
fn rules(policy: &str, key: Arc<dyn SigningKey>) -> Arc<Rules> {
    let text = format!(
        "{policy}\n[spf]\nenabled = false\n[dmarc]\nenabled = false\n[[domain]]\nname = \"example.com\"\nallow_ed25519_only = true\n\
         keys = [{{ selector = \"ed\", file = \"absent.pem\" }}]\n"
    );
    let (config, _) = config::parse(&text, Path::new("test.toml")).unwrap();
    let mut rules = Rules::new(config, &Keys::default());
    assert!(rules.add_signer(0, &Selector::parse("ed").unwrap(), key));
    Arc::new(rules)
}

pub(super) fn facts(origin: Origin) -> Facts {
    Facts {
        queue_id: None,
        listener: "unix:/socket".to_owned(),
        origin,
        rule: if origin.is_ours() { OriginRule::Authenticated } else { OriginRule::NotTrusted },
        client: Client::Unknown,
        is_ignored: false,
        daemon_name: None,
        judged: None,
        mta_name: None,
        client_name: b"client.example".to_vec(),
        helo: b"client.example".to_vec(),
        iprev: None,
        began: NOW,
        can_quarantine: true,
        envelope: Envelope::new(b"<jo@example.com>", [], 10),
    }
}

fn begin(rules: &Arc<Rules>, origin: Origin) -> Message {
    let ids = AuthservIds::new("mx.example".to_owned(), &[]);
    Message::begin(Arc::clone(rules), Arc::default(), Arc::new(ids), facts(origin))
}

fn header(message: &mut Message, text: &str) {
    for field in text.split_terminator("\r\n") {
        let (name, value) = field.split_once(':').unwrap();
        message.header(name.as_bytes(), value.replace('|', "\r\n\t").as_bytes());
    }
}

fn finish(message: Message) -> Verdict {
    let (closing, job) = message.finish(NOW);
    let signed = guard(|| job.run());
    closing.verdict(signed, Duration::from_millis(3), Duration::from_millis(1))
}

/// What an MTA would be told, one line an edit.
fn told(verdict: &Verdict) -> String {
    let mut session = FilterSession::new(Wants::default());
    let mut out = Vec::new();
    let mut wire = Vec::new();
    let offer = Offer::new(6, flags::Actions::ALL, flags::Steps::ALL);
    let commands = [
        Command::Negotiate(offer),
        Command::Connect { hostname: b"x", peer: milter_proto::Peer::Unknown },
        Command::MailFrom { address: b"", parameters: milter_proto::Strings::NONE },
        Command::RcptTo { address: b"", parameters: milter_proto::Strings::NONE },
        Command::Data,
        Command::EndOfHeaders,
        Command::EndOfBody(b""),
    ];
    for command in commands {
        wire.clear();
        command.encode(&mut wire).unwrap();
        let mut decoder = FrameDecoder::default();
        decoder.push(&wire);
        let event = session.receive(decoder.next_frame().unwrap().unwrap()).unwrap();
        out.clear();
        let mut decision = Decision::Continue;
        if matches!(event, Event::EndOfBody(_)) {
            verdict.edits.write(&mut session, &mut out).unwrap();
            decision = verdict.reply.clone();
        }
        session.reply(&decision, &mut out).unwrap();
    }
    let mut decoder = FrameDecoder::default();
    decoder.push(&out);
    let mut text = String::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        let line = match Reply::decode(frame).unwrap() {
            Reply::Modify(Modification::ChangeHeader { index, name, value: b"" }) => {
                format!("delete {} {index}", String::from_utf8_lossy(name))
            }
            Reply::Modify(Modification::InsertHeader { index, name, value }) => {
                format!("insert {index} {}:{}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
            }
            Reply::Continue => "continue".to_owned(),
            Reply::ReplyCode(code) => String::from_utf8_lossy(code).into_owned(),
            other => format!("{other:?}"),
        };
        writeln!(text, "{}", line.replace("\n\t", " ").replace("\n ", " ")).unwrap();
    }
    text
}

fn field<'a>(verdict: &'a Verdict, name: &str) -> String {
    let value: Option<&'a crate::logging::Value> = verdict.record.get(name);
    match value {
        Some(crate::logging::Value::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(crate::logging::Value::Number(number)) => number.to_string(),
        None => "(none)".to_owned(),
    }
}

const MAIL: &str = "From: Jo <jo@example.com>\r\nSubject: Lunch\r\nAuthentication-Results: mx.example; dkim=pass\r\n\
    Authentication-Results: other.example; dkim=pass\r\nAuthentication-Results: \"MX.example\" 1; spf=pass\r\n";

/// A message of ours, signed; the DKIM-Signature field as text.
fn signed() -> String {
    let mut message = begin(&rules("", key()), Origin::Submission);
    header(&mut message, MAIL);
    message.body(b"Hello\r\n", NOW);
    let told = told(&finish(message));
    let line = told.lines().find(|line| line.starts_with("insert 0 DKIM-Signature:")).unwrap();
    line.strip_prefix("insert 0 ").unwrap().to_owned() + "\r\n"
}

fn verify(signature: &str, body: &[u8], answer: Option<TxtAnswer>, policy: &str) -> Verdict {
    let mut message = begin(&rules(policy, key()), Origin::Inbound);
    header(&mut message, &(signature.to_owned() + MAIL));
    assert_eq!(keys(&mut message), ["ed._domainkey.example.com"], "asked for while the header comes in");
    message.end_of_headers(NOW);
    assert!(message.take_lookups().is_empty() && message.waits_for_answers());
    message.body(body, NOW);
    if let Some(answer) = answer {
        let answer = KeyAnswer::parse(&answer, crate::BACKEND);
        message.answer(Answered::Key("ed._domainkey.example.com".to_owned(), answer));
        assert!(!message.waits_for_answers());
    }
    finish(message)
}

/// The names of the keys to look up; nothing else is asked for.
fn keys(message: &mut Message) -> Vec<String> {
    let name = |lookup| match lookup {
        Lookup::Key(name) => name,
        other => panic!("{other:?}"),
    };
    message.take_lookups().into_iter().map(name).collect()
}

fn published() -> Option<TxtAnswer> {
    Some(TxtAnswer::Records(vec![KeyRecord::text_for(&*key()).into_bytes()]))
}

#[test]
fn mail_of_ours_is_signed_and_not_judged_and_forged_fields_go() {
    let mut message = begin(&rules("", key()), Origin::Submission);
    message.recipient(b"<a@b.example>");
    header(&mut message, MAIL);
    assert!(message.take_lookups().is_empty());
    message.body(b"Hello\r\n", NOW);
    let verdict = finish(message);
    let told = told(&verdict);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[..2], ["delete Authentication-Results 3", "delete Authentication-Results 1"]);
    assert!(
        lines[2].starts_with("insert 0 DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=ed;")
    );
    assert_eq!(lines[3..], ["continue"]);
    for (name, value) in [
        ("origin", "submission"),
        ("author", "example.com"),
        ("mail_from", "example.com"),
        ("rcpts", "1"),
        ("sign", "done"),
        ("signed_1", "made d=example.com s=ed a=ed25519-sha256"),
        ("dkim", "(none)"),
        ("removed", "2"),
        ("action", "accept"),
        ("size", "7"),
        ("ms", "3"),
        ("dns_ms", "1"),
    ] {
        assert_eq!(field(&verdict, name), value, "{name}");
    }
}

/// RFC 5321 §6.4: MTAs may add both where they are missing, and Sendmail does so after we have signed.
#[test]
fn a_date_and_a_message_id_that_are_missing_are_not_signed_as_missing() {
    let fields =
        [("date", "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n"), ("message-id", "Message-Id: <1@example.com>\r\n")];
    for present in [&fields[..0], &fields[..1], &fields[1..], &fields[..]] {
        let mut message = begin(&rules("", key()), Origin::Submission);
        header(&mut message, "From: Jo <jo@example.com>\r\n");
        present.iter().for_each(|(_, field)| header(&mut message, field));
        let told = told(&finish(message)).replace([' ', '\t'], "");
        let names: Vec<&str> = told.split_once(";h=").unwrap().1.split_once(';').unwrap().0.split(':').collect();
        for field in fields {
            let expected = if present.contains(&field) { 2 } else { 0 };
            assert_eq!(names.iter().filter(|name| **name == field.0).count(), expected, "{present:?} {names:?}");
        }
        assert_eq!(names.iter().filter(|name| **name == "to").count(), 1, "nobody adds recipients");
    }
}

#[test]
fn mail_from_outside_gets_one_field_with_the_truth() {
    let signature = signed();
    for (body, answer, result) in [
        (
            &b"Hello\r\n"[..],
            published(),
            "dkim=pass header.d=example.com header.i=@example.com header.s=ed header.a=ed25519-sha256",
        ),
        (b"Hell0\r\n", published(), "dkim=fail reason=\"body hash did not verify\" header.d=example.com"),
        (
            b"Hello\r\n",
            Some(TxtAnswer::NxDomain),
            "dkim=permerror reason=\"no key for signature\" header.d=example.com",
        ),
        (b"Hello\r\n", Some(TxtAnswer::Failed), "dkim=temperror reason=\"key unavailable\" header.d=example.com"),
        (b"Hello\r\n", None, "dkim=temperror reason=\"no answer about the key in time\" header.d=example.com"),
    ] {
        let verdict = verify(&signature, body, answer, "");
        let told = told(&verdict);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[..2], ["delete Authentication-Results 3", "delete Authentication-Results 1"]);
        assert!(lines[2].starts_with(&format!("insert 0 Authentication-Results: mx.example; {result}")), "{told}");
        assert_eq!(lines[3..], ["continue"]);
        assert_eq!(field(&verdict, "sign_reason"), "client-not-trusted");
    }
}

#[test]
fn without_dns_the_policy_decides_and_no_edits_go_with_a_refusal() {
    let signature = signed();
    let verdict = verify(&signature, b"Hello\r\n", None, "[policy]\non_dns_failure = \"tempfail\"\n");
    assert_eq!(told(&verdict), "451 4.7.5 key for the DKIM signature is not available, try again later\n");
    let verdict = verify(&signature, b"Hello\r\n", published(), "[policy]\non_dns_failure = \"tempfail\"\n");
    assert_eq!(verdict.action, Action::Accept);
}

#[test]
fn m11_mail_that_comes_twice_is_signed_once_unless_it_was_changed() {
    let rules = rules("", key());
    let signature = signed();
    let sent = |body: &[u8], header_text: &str| {
        let mut message = begin(&rules, Origin::Local);
        header(&mut message, header_text);
        message.body(body, NOW);
        finish(message)
    };
    let again = sent(b"Hello\r\n", &(signature.clone() + MAIL));
    assert_eq!((field(&again, "sign"), field(&again, "sign_reason")), ("skipped".into(), "already-signed".into()));
    assert!(!told(&again).contains("DKIM-Signature"));

    for changed in [
        sent(b"Hello\r\nfooter\r\n", &(signature.clone() + MAIL)),
        sent(b"Hello\r\n", &(signature.clone() + &MAIL.replace("Lunch", "[list] Lunch"))),
        sent(b"Hello\r\n", &(signature.replace("s=ed", "s=other") + MAIL)),
    ] {
        assert_eq!(field(&changed, "signed_1"), "made d=example.com s=ed a=ed25519-sha256");
        assert_eq!(told(&changed).matches("DKIM-Signature").count(), 1);
    }
}

#[test]
fn x6_bare_line_ends_are_not_signed_and_are_marked() {
    let mut message = begin(&rules("", key()), Origin::Submission);
    header(&mut message, MAIL);
    message.body(b"Hello\nworld\r\n", NOW);
    let verdict = finish(message);
    assert_eq!((field(&verdict, "sign_reason"), field(&verdict, "marks")), ("bare-line-ends".into(), "bare-lf".into()));
    assert!(!told(&verdict).contains("DKIM-Signature"));

    let mut message = begin(&rules("", key()), Origin::Inbound);
    header(&mut message, MAIL);
    message.body(b"Hello\rworld\r\n", NOW);
    assert!(told(&finish(message)).contains("mx.example; dkim=none (message holds a bare CR or LF)"));
}

#[test]
fn a_message_without_header_end_or_body_has_a_verdict() {
    let message = begin(&rules("", key()), Origin::Inbound);
    assert_eq!(told(&finish(message)), "insert 0 Authentication-Results: mx.example; dkim=none\ncontinue\n");
    let message = begin(&rules("", key()), Origin::Submission);
    assert_eq!(field(&finish(message), "sign_reason"), "from-missing");
}

#[test]
fn a_header_over_the_limit_is_a_permerror_and_forged_fields_go() {
    let rules = rules("[limits]\nheader_fields = 100\n", key());
    for (origin, expected) in [
        (
            Origin::Inbound,
            "insert 0 Authentication-Results: mx.example; dkim=permerror reason=\"header section has more fields than the local limit\"\n",
        ),
        (Origin::Submission, ""),
    ] {
        let mut message = begin(&rules, origin);
        header(&mut message, &"X-Filler: x\r\n".repeat(200));
        header(&mut message, "DKIM-Signature: v=1\r\n");
        header(&mut message, MAIL);
        message.body(b"Hello\r\n", NOW);
        let verdict = finish(message);
        assert_eq!(
            told(&verdict),
            format!("delete Authentication-Results 3\ndelete Authentication-Results 1\n{expected}continue\n")
        );
        assert_eq!(field(&verdict, "limit"), "too-many-header-fields");
    }
}

/// A key that panics when it is used: no bytes of a message can do that.
#[derive(Debug)]
struct Bomb;

impl SigningKey for Bomb {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519Sha256
    }

    fn sign(&self, _signed_data: &[u8]) -> Result<Vec<u8>, KeyError> {
        panic!("on purpose")
    }

    fn public_key(&self) -> Vec<u8> {
        vec![0; 32]
    }
}

#[test]
fn m27_a_panic_is_answered_by_policy_and_forged_fields_go_even_then() {
    for (policy, answer) in [
        ("", "451 4.3.0 message cannot be processed now, try again later\n"),
        (
            "[policy]\non_internal_error = \"accept\"\n",
            "delete Authentication-Results 3\ndelete Authentication-Results 1\ncontinue\n",
        ),
    ] {
        let mut message = begin(&rules(policy, Arc::new(Bomb)), Origin::Submission);
        header(&mut message, MAIL);
        message.body(b"Hello\r\n", NOW);
        let verdict = finish(message);
        assert_eq!(told(&verdict), answer);
        assert_eq!(field(&verdict, "fault"), "internal-error");
    }
}

#[test]
fn the_envelope_and_the_raw_header_are_kept_to_the_end() {
    let mut message = begin(&rules("", key()), Origin::Inbound);
    message.recipient(b"<a@b.example>");
    header(&mut message, MAIL);
    message.body(b"Hello\r\n", NOW);
    let (closing, _) = message.finish(NOW);
    assert_eq!(closing.envelope().sender(), b"<jo@example.com>");
    assert_eq!(closing.envelope().recipients(), [b"<a@b.example>".to_vec()]);
    assert!(closing.headers().is_some_and(|headers| headers.as_bytes() == MAIL.as_bytes()));
}

#[test]
fn the_default_configuration_signs_nothing_and_says_so() {
    let rules = Arc::new(Rules::new(Config::default(), &Keys::default()));
    let mut message = begin(&rules, Origin::Submission);
    header(&mut message, MAIL);
    assert_eq!(field(&finish(message), "sign_reason"), "no-domains");
}
