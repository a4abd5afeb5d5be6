//! SPF through the machine of a message, without sockets and without a runtime.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dkim_core::auth_results::{AuthResults, FormatOptions, ReadLimits};
use milter_proto::Decision;
use proptest::prelude::*;
use spf_core::dns::{Answer, Question, RecordKind};

use super::super::tests::facts;
use super::super::{Answered, AuthservIds, Closing, EnvelopeStep, Lookup, Message, Rules, guard};
use super::*;
use crate::config::{Listener, RejectAt};
use crate::keys::Keys;
use crate::logging::Value;
use crate::message::envelope::Envelope;
use crate::message::origin::{Client, Origin, OriginRule};

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

/// Mail of a stranger at 192.0.2.1 who said `HELO mail.example.org`.
fn stranger(sender: &str) -> Facts {
    let mut facts = facts(Origin::Inbound);
    facts.client = Client::Ip("192.0.2.1".parse().unwrap(), 4711);
    facts.helo = b"mail.example.org".to_vec();
    facts.envelope = Envelope::new(sender.as_bytes(), [], 10);
    facts
}

fn begin(spf: &str, facts: Facts) -> Message {
    let (config, _) =
        config::parse(&format!("[dmarc]\nenabled = false\n[spf]\n{spf}\n"), Path::new("test.toml")).unwrap();
    let rules = Arc::new(Rules::new(config, &Keys::default()));
    let ids = AuthservIds::new("mx.example".to_owned(), &[]);
    Message::begin(rules, Arc::new(Listener::default()), Arc::new(ids), facts)
}

/// The DNS: everything fails for `example.com`, everything passes elsewhere.
fn dns(question: &Question) -> Answer {
    if question.name.as_str() == "example.com" { Answer::txt(["v=spf1 -all"]) } else { Answer::txt(["v=spf1 +all"]) }
}

fn run(lookup: Lookup) -> Answered {
    match lookup {
        Lookup::Helo(progress) => Answered::Helo(progress.run(dns)),
        Lookup::MailFrom(progress) => Answered::MailFrom(progress.run(dns)),
        other => panic!("{other:?}"),
    }
}

fn kinds(lookups: &[Lookup]) -> Vec<&'static str> {
    let kind = |lookup: &Lookup| match lookup {
        Lookup::Helo(_) => "helo",
        Lookup::MailFrom(_) => "mailfrom",
        Lookup::Key(_) => "key",
        Lookup::Discovery(_) => "discovery",
    };
    lookups.iter().map(kind).collect()
}

fn finish(message: Message) -> Closing {
    message.finish(NOW).0
}

/// Results of MAIL FROM and HELO.
fn words(closing: &Closing) -> (Option<&'static str>, Option<&'static str>) {
    let spf = closing.spf().unwrap();
    (spf.for_dmarc().map(|outcome| outcome.result.as_str()), spf.helo().map(|outcome| outcome.result.as_str()))
}

#[test]
fn s2_both_identities_are_asked_for_at_mail_and_answered_in_any_order() {
    for reversed in [false, true] {
        let mut message = begin("", stranger("<jo@example.com>"));
        let mut lookups = message.take_lookups();
        assert_eq!(kinds(&lookups), ["mailfrom", "helo"]);
        assert!(message.take_lookups().is_empty() && message.waits_for_answers(), "each is handed out once");
        if reversed {
            lookups.reverse();
        }
        for lookup in lookups {
            assert!(message.waits_for_answers());
            message.answer(run(lookup));
        }
        assert!(!message.waits_for_answers());
        message.header(b"From", b" jo@example.com");
        message.end_of_headers(NOW);
        assert!(message.take_lookups().is_empty());
        assert_eq!(words(&finish(message)), (Some("fail"), Some("pass")));
    }
}

#[test]
fn m17_dmarc_is_handed_the_mail_from_result_whatever_helo_says() {
    let mut message = begin("", stranger("<jo@example.com>"));
    for lookup in message.take_lookups() {
        message.answer(run(lookup));
    }
    let closing = finish(message);
    let for_dmarc: &Outcome<MailFrom> = closing.spf().unwrap().for_dmarc().unwrap();
    assert_eq!(for_dmarc.domain.as_ref().unwrap().as_str(), "example.com");
    assert_eq!(for_dmarc.property().unwrap().1, "mailfrom");
}

#[test]
fn s3_an_identity_without_a_domain_is_known_at_once() {
    let mut facts = stranger("<jo@example.com>");
    facts.helo = b"[192.0.2.1]".to_vec();
    let mut message = begin("", facts.clone());
    assert_eq!(kinds(&message.take_lookups()), ["mailfrom"]);
    facts.envelope = Envelope::new(b"<>", [], 10);
    let mut message = begin("", facts);
    assert!(message.take_lookups().is_empty() && !message.waits_for_answers());
    assert_eq!(words(&finish(message)), (Some("none"), Some("none")));
}

#[test]
fn s11_what_is_not_answered_at_the_end_is_a_temperror() {
    // Handed out and never answered, and not even handed out.
    for take in [true, false] {
        let mut message = begin("on_temperror = \"tempfail\"", stranger("<jo@example.com>"));
        if take {
            assert_eq!(message.take_lookups().len(), 2);
        }
        let closing = finish(message);
        assert_eq!(words(&closing), (Some("temperror"), Some("temperror")));
        let verdict = closing.verdict(guard(|| super::super::SignJob::nothing().run()), Duration::ZERO, Duration::ZERO);
        let Decision::ReplyCode(code) = verdict.reply else { panic!("{:?}", verdict.reply) };
        assert!(code.to_smtp().starts_with("451 4.7.24 "));
    }
}

#[test]
fn nothing_is_asked_for_mail_that_is_not_ours_to_check() {
    let client = Client::Ip("127.0.0.1".parse().unwrap(), 0);
    for (origin, rule, client) in [
        (Origin::Local, OriginRule::Pickup, client),
        (Origin::Local, OriginRule::UnixClient, Client::Unix),
        (Origin::Submission, OriginRule::Authenticated, stranger("").client),
        (Origin::Inbound, OriginRule::JudgedBefore, stranger("").client),
    ] {
        let mut facts = stranger("<jo@example.com>");
        (facts.origin, facts.rule, facts.client) = (origin, rule, client);
        let mut message = begin("reject = [\"*\"]\non_temperror = \"tempfail\"", facts);
        assert!(message.take_lookups().is_empty(), "{rule:?}");
        assert_eq!(message.at(RejectAt::Rcpt), EnvelopeStep::Pass, "{rule:?}");
        message.header(b"From", b" jo@example.org");
        message.header(b"Received", b" from x (x [192.0.2.1]) by y; z");
        message.end_of_headers(NOW);
        assert!(message.take_lookups().is_empty() && finish(message).spf().is_none(), "{rule:?}");
    }
}

#[test]
fn behind_a_relay_the_check_begins_when_the_header_section_is_complete() {
    let relay = "relays = [\"192.0.2.1\"]\nreject = [\"example.com\"]";
    let mut message = begin(relay, stranger("<jo@example.com>"));
    assert!(message.take_lookups().is_empty() && !message.waits_for_answers());
    // There is nothing to wait for at the envelope.
    assert_eq!(message.at(RejectAt::Rcpt), EnvelopeStep::Pass);
    message.header(b"Received", b" from out.example.org (out.example.org [198.51.100.7])\r\n\tby relay; z");
    message.header(b"Received", b" from forged (forged [203.0.113.9]) by out; z");
    assert!(message.take_lookups().is_empty());
    message.end_of_headers(NOW);
    let lookups = message.take_lookups();
    assert_eq!(kinds(&lookups), ["mailfrom", "helo"]);
    for lookup in lookups {
        message.answer(run(lookup));
    }
    let closing = finish(message);
    let spf = closing.spf().unwrap();
    assert_eq!(spf.for_dmarc().unwrap().session().client().to_string(), "198.51.100.7");
    assert_eq!(spf.helo().unwrap().session().helo_text(), b"out.example.org");
    // The relay has accepted it: refused now, it would come back to a sender who is not the one.
    assert_eq!((spf.for_dmarc().unwrap().result.as_str(), spf.ruling()), ("fail", Ruling::Reported));
    assert_eq!(spf.refusal(), None);

    // A message that ends before its header section is complete, and one whose field is forged into something else.
    let message = begin(relay, stranger("<jo@example.com>"));
    assert_eq!(finish(message).spf().unwrap().no_client().map(NoClient::code), Some("received-no-outsider"));
    let mut message = begin(relay, stranger("<jo@example.com>"));
    message.header(b"Received", b" from 198.51.100.7 by relay; z");
    assert_eq!(finish(message).spf().unwrap().no_client().map(NoClient::code), Some("received-unreadable"));
}

#[test]
fn s18_a_step_waits_and_refuses_only_where_it_may() {
    let decided = |spf: &str, sender: &str| {
        let mut message = begin(spf, stranger(sender));
        let before = [RejectAt::Mail, RejectAt::Rcpt].map(|step| message.at(step));
        for lookup in message.take_lookups() {
            message.answer(run(lookup));
        }
        let after = [RejectAt::Mail, RejectAt::Rcpt].map(|step| message.at(step));
        [before, after].map(|steps| {
            steps.map(|step| match step {
                EnvelopeStep::Pass => "pass",
                EnvelopeStep::Wait => "wait",
                EnvelopeStep::Refuse(_) => "refuse",
            })
        })
    };
    for (spf, sender, before, after) in [
        ("", "<jo@example.com>", ["pass", "pass"], ["pass", "pass"]),
        ("reject = [\"example.com\"]", "<jo@example.com>", ["pass", "wait"], ["pass", "refuse"]),
        ("reject = [\"example.com\"]", "<jo@example.org>", ["pass", "pass"], ["pass", "pass"]),
        ("reject = [\"*\"]", "<jo@example.org>", ["pass", "wait"], ["pass", "pass"]),
        // A result that comes behind MAIL counts at RCPT.
        ("reject = [\"*\"]\nreject_at = \"mail\"", "<jo@example.com>", ["wait", "pass"], ["refuse", "refuse"]),
        ("reject = [\"*\"]\nallow_domains = [\"*\"]", "<jo@example.com>", ["pass", "pass"], ["pass", "pass"]),
        ("on_temperror = \"tempfail\"", "<jo@example.com>", ["pass", "wait"], ["pass", "pass"]),
        // No domain: the result is there, and is `none`.
        ("reject = [\"*\"]", "<jo>", ["pass", "pass"], ["pass", "pass"]),
    ] {
        assert_eq!(decided(spf, sender), [before, after], "{spf} {sender}");
    }
}

/// Records of strangers are as long as they like, and a message stays open for as long as its MTA likes.
#[test]
fn a_done_check_keeps_its_result_and_nothing_of_records_and_answers() {
    let mut message = begin("reject = [\"example.com\"]\nreceived_spf = true", stranger("<jo@example.com>"));
    let record = format!("v=spf1 -exists:{}.example.com {}", "y".repeat(300), "a ".repeat(400));
    let answer = |question: &Question| match question.kind {
        RecordKind::A => Answer::a([[127, 0, 0, 2].into()]),
        _ => Answer::txt([record.clone()]),
    };
    for lookup in message.take_lookups() {
        message.answer(match lookup {
            Lookup::Helo(progress) => Answered::Helo(progress.run(answer)),
            Lookup::MailFrom(progress) => Answered::MailFrom(progress.run(answer)),
            other => panic!("{other:?}"),
        });
    }
    let closing = finish(message);
    let spf = closing.spf().unwrap();
    let (mail_from, helo) = (spf.for_dmarc().unwrap(), spf.helo().unwrap());
    assert_eq!((mail_from.result.as_str(), helo.result.as_str()), ("fail", "fail"));
    for (checks, questions) in [(&mail_from.checks, &mail_from.questions), (&helo.checks, &helo.questions)] {
        assert!(checks.is_empty() && questions.is_empty() && checks.capacity() + questions.capacity() == 0);
    }
    // What is written is what was written of the whole.
    assert_eq!(mail_from.term().map(str::len), Some(200));
    let reason = format!("matched -exists:{}...", "y".repeat(92));
    assert_eq!(spf.infos().first().unwrap().reason.as_deref(), Some(&*reason));
    let mechanism = format!("mechanism=\"-exists:{}\"", "y".repeat(192));
    assert!(spf.received_spf("mx.example").unwrap().contains(&mechanism));
}

/// S-17, RFC 7208 §6.2: an explanation is for the client that is rejected, so it is asked for nowhere else.
#[test]
fn s17_explanations_are_asked_for_where_a_fail_is_rejected() {
    for (spf, expected) in [
        ("", ["example.com", "mail.example.org"].as_slice()),
        ("on_temperror = \"tempfail\"", &["example.com", "mail.example.org"]),
        ("reject = [\"example.org\"]", &["example.com", "mail.example.org"]),
        ("reject = [\"*\"]\nallow_domains = [\"example.com\"]", &["example.com", "mail.example.org"]),
        ("reject = [\"example.com\"]", &["example.com", "why.example.com", "mail.example.org"]),
    ] {
        let mut message = begin(spf, stranger("<jo@example.com>"));
        let asked = std::cell::RefCell::new(Vec::new());
        let answer = |question: &Question| {
            asked.borrow_mut().push(question.name.to_string());
            Answer::txt(["v=spf1 -all exp=why.example.com"])
        };
        for lookup in message.take_lookups() {
            message.answer(match lookup {
                Lookup::Helo(progress) => Answered::Helo(progress.run(answer)),
                Lookup::MailFrom(progress) => Answered::MailFrom(progress.run(answer)),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(*asked.borrow(), expected, "{spf}");
        assert_eq!(words(&finish(message)), (Some("fail"), Some("fail")));
    }
}

#[test]
fn the_record_of_a_message_refused_at_mail_has_what_is_known() {
    let mut message = begin("reject = [\"*\"]", stranger("<jo@example.com>"));
    for lookup in message.take_lookups() {
        if matches!(lookup, Lookup::MailFrom(_)) {
            message.answer(run(lookup));
        }
    }
    assert!(!message.has_refused());
    message.refused_recipient();
    assert!(message.has_refused());
    let record = message.into_refused(Duration::from_millis(7), Duration::from_millis(5), None).record;
    let text = |name: &str| match record.get(name) {
        Some(Value::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(Value::Number(number)) => number.to_string(),
        None => "(none)".to_owned(),
    };
    for (name, value) in [
        ("spf", "fail"),
        ("spf_mailfrom", "fail d=example.com: matched -all"),
        ("spf_helo", "(none)"),
        ("spf_policy", "reject"),
        ("dkim", "(none)"),
        ("sign", "(none)"),
        ("rcpts_refused", "1"),
        ("action", "reject"),
        ("action_reason", "spf-fail"),
        ("ms", "7"),
        ("dns_ms", "5"),
    ] {
        assert_eq!(text(name), value, "{name}");
    }
}

/// Octets that break things, and others.
fn hostile(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        prop::sample::select(vec![
            "example.com",
            "@",
            "<",
            ">",
            "\"",
            "\\",
            "(",
            ")",
            ";",
            " ",
            "\r\n",
            "\n",
            "=",
            "%{l}",
            "%{h}",
            "%{s}",
            "%%",
            ".",
            "ä",
            "spf=pass",
            "smtp.mailfrom=bank.example",
            "exists:",
            "include:",
            "all",
            "exp=",
            "mx.example;",
            "250 OK",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(move |pieces| {
        let mut octets = pieces.concat();
        octets.truncate(most);
        octets
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// H-1, S-17, S-19: whatever HELO, MAIL FROM, the record and its explanation hold, there are two results, and no word of a stranger is a
    /// result, a line of a field or a line of a reply.
    #[test]
    fn h1_strangers_write_no_results_and_no_replies(
        helo in hostile(600),
        local in hostile(80),
        sender in hostile(400),
        is_mailbox in any::<bool>(),
        record in hostile(400),
        why in hostile(300),
    ) {
        let mut facts = stranger("");
        facts.helo = helo;
        let sender = if is_mailbox { [b"<", &local[..], b"@example.com>"].concat() } else { sender };
        facts.envelope = Envelope::new(&sender, [], 10);
        let mut message = begin("reject = [\"*\"]\nreceived_spf = true", facts);
        let answer = |question: &Question| match question.name.as_str() {
            "why.example.com" => Answer::txt([why.clone()]),
            _ => Answer::txt([[b"v=spf1 ", &record[..], b" -all exp=why.example.com"].concat()]),
        };
        for lookup in message.take_lookups() {
            message.answer(match lookup {
                Lookup::Helo(progress) => Answered::Helo(progress.run(answer)),
                Lookup::MailFrom(progress) => Answered::MailFrom(progress.run(answer)),
                other => panic!("{other:?}"),
            });
        }
        if let EnvelopeStep::Refuse(Decision::ReplyCode(code)) = message.at(RejectAt::Rcpt) {
            prop_assert!(code.to_smtp().split("\r\n").all(|line| {
                line.bytes().all(|octet| (b' '..=b'~').contains(&octet))
                    && line.get(10..).is_some_and(|text| text.starts_with(" SPF check of ") || text.starts_with(" The domain "))
            }), "{code:?}");
        }
        let closing = finish(message);
        let spf = closing.spf().unwrap();
        let expected = [spf.for_dmarc().unwrap().result.as_str(), spf.helo().unwrap().result.as_str()];
        let mut field = AuthResults::new("mx.example");
        field.results = spf.infos();
        let value = field.to_field_value(&FormatOptions::default()).unwrap();
        let read = AuthResults::parse(value.as_bytes(), ReadLimits::default()).unwrap();
        let results: Vec<&str> = read.results.iter().map(|info| info.result.as_str()).collect();
        prop_assert_eq!(results, expected, "{}", value);
        prop_assert!(read.results.iter().all(|info| info.method == "spf"), "{}", value);
        let received = spf.received_spf("mx.example").unwrap();
        for text in [&value, &received] {
            let mut lines = text.split("\r\n");
            prop_assert!(lines.next().is_some_and(|line| line.starts_with(' ')), "{}", text);
            prop_assert!(lines.all(|line| line.starts_with(['\t', ' ']) && !line.contains(['\r', '\n'])), "{}", text);
        }
    }
}
