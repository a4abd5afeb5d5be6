//! SPF with a DNS that is slow: what MAIL and RCPT wait for, and for how long, and what comes later (RFC 7208 §4.6.4).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test helpers"
)]

#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "faults_dns/server.rs"]
mod server;
#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::config::Listener;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::Setup;
use engine::socket_address::SocketAddress;
use hickory_proto::op::ResponseCode;
use milter_proto::{Command, Decision, FrameDecoder, MtaSession, Offer, Peer, Strings, flags};

use self::server::{Asked, Packet, Server};
use self::support::{Answer, Daemon, config, folder_with_keys};

/// What nothing here should take.
const LONG: Duration = Duration::from_secs(3);

/// A daemon whose DNS is `server`, with `spf` in its section `[spf]` and `dns` in `[dns]`.
fn daemon(server: &Server, spf: &str, dns: &str) -> Daemon {
    let folder = folder_with_keys();
    let text = format!("[spf]\n{spf}\n[dns]\nnameservers = [\"{}\"]\n{dns}\n", server.address);
    let mut config = config(&text, folder.path());
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    Daemon::serve(folder, Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver })
}

/// A server that answers with this record for `slow.example` after a time; nothing else exists.
fn slow(record: &'static str, after: Duration) -> Server {
    Server::start(move |asked: &Asked| {
        if asked.label() == "slow" {
            return vec![Packet::from(asked.text(&[record.as_bytes()])).after(after)];
        }
        vec![asked.reply(ResponseCode::NXDomain).into()]
    })
}

fn silent() -> Server {
    Server::start(|_: &Asked| Vec::new())
}

fn code(answer: &Answer) -> String {
    match &answer.decision {
        Some(Decision::ReplyCode(code)) => code.to_smtp(),
        other => format!("{other:?}"),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

const MAIL: &[u8] = b"From: ann@slow.example\r\n\r\nHello\r\n";

#[test]
fn a_fail_that_comes_within_the_budget_is_refused_at_its_step() {
    for (step, server) in ["mail", "rcpt"].map(|step| (step, slow("v=spf1 -all", Duration::from_millis(400)))) {
        let daemon = daemon(&server, &format!("reject = [\"slow.example\"]\nreject_at = \"{step}\""), "");
        let mut mta = daemon.inbound();
        let (mail, mail_took) = timed(|| mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out)));
        if step == "mail" {
            assert!(code(&mail).starts_with("550 5.7.23 "), "{mail:?}");
            assert!((300..3000).contains(&mail_took.as_millis()), "{mail_took:?}");
        } else {
            assert_eq!(mail.decision, Some(Decision::Continue));
            assert!(mail_took < Duration::from_millis(300), "{mail_took:?}");
            let rcpt = mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out));
            assert!(code(&rcpt).starts_with("550 5.7.23 "), "{rcpt:?}");
            mta.step(MtaSession::end_message);
        }
        let line = daemon.log_line();
        assert!(line.contains("spf_policy=reject") && line.contains("action=reject"), "{line}");
    }
}

#[test]
fn behind_the_budget_the_mail_goes_on_and_a_late_fail_is_refused_at_its_end() {
    for step in ["mail", "rcpt"] {
        let server = slow("v=spf1 -all", Duration::from_millis(1500));
        let spf = format!("reject = [\"*\"]\nreject_at = \"{step}\"\nbudget = \"300ms\"");
        let daemon = daemon(&server, &spf, "");
        let mut mta = daemon.inbound();
        let (answers, took) = timed(|| {
            let mut answers = vec![mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out))];
            for _ in 0..3 {
                answers.push(mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out)));
            }
            answers
        });
        assert!(answers.iter().all(|answer| answer.decision == Some(Decision::Continue)), "{answers:?}");
        // All steps of a message share one budget.
        assert!((250..1300).contains(&took.as_millis()), "{took:?}");
        mta.step(MtaSession::data);
        let answer = mta.content(MAIL, 1000);
        assert!(code(&answer).starts_with("550 5.7.23 "), "{answer:?}");
        assert!(answer.edits.is_empty(), "{answer:?}");
        let line = daemon.log_line();
        assert!(line.contains("rcpts=3 ") && line.contains("action=reject action_reason=spf-fail"), "{line}");
    }
}

#[test]
fn a_result_that_comes_between_two_recipients_is_for_the_second() {
    let server = slow("v=spf1 -all", Duration::from_millis(700));
    let daemon = daemon(&server, "reject = [\"*\"]\nbudget = \"100ms\"", "");
    let mut mta = daemon.inbound();
    mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out));
    let first = mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out));
    sleep(Duration::from_millis(1200));
    let second = mta.step(|session, out| session.rcpt(b"<mia@example.com>", &[], out));
    assert_eq!(first.decision, Some(Decision::Continue));
    assert!(code(&second).starts_with("550 5.7.23 "), "{second:?}");
    mta.step(MtaSession::data);
    assert!(code(&mta.content(MAIL, 1000)).starts_with("550 5.7.23 "));
    let line = daemon.log_line();
    assert!(line.contains("rcpts=1 rcpts_refused=1 ") && line.contains("action=reject"), "{line}");
}

#[test]
fn nobody_waits_for_a_result_that_refuses_nothing_and_the_deadline_ends_it() {
    let server = silent();
    let daemon = daemon(&server, "reject = [\"other.example\"]", "timeout = \"30s\"\ndeadline = \"400ms\"");
    let mut mta = daemon.inbound();
    let ((), took) = timed(|| mta.envelope("<ann@slow.example>", &[]));
    assert!(took < Duration::from_millis(500), "{took:?}");
    let (answer, took) = timed(|| mta.content(MAIL, 1000));
    assert!((350..3000).contains(&took.as_millis()), "{took:?}");
    let field = "insert 0 Authentication-Results: mx.example; dkim=none; \
        spf=temperror reason=\"evaluation took too long\" smtp.mailfrom=slow.example; \
        spf=temperror reason=\"evaluation took too long\" smtp.helo=client.example; \
        dmarc=temperror reason=\"the DNS did not answer for the policy record\" header.from=slow.example";
    assert_eq!((answer.edits, answer.decision), (vec![field.to_owned()], Some(Decision::Continue)));
}

#[test]
fn a_temperror_is_put_off_at_its_step_or_at_the_end() {
    // The time of one question is over within the budget, and behind it.
    for (budget, refused_at_rcpt) in [("5s", true), ("100ms", false)] {
        let server = silent();
        let spf = format!("on_temperror = \"tempfail\"\nbudget = \"{budget}\"");
        let daemon = daemon(&server, &spf, "timeout = \"500ms\"");
        let mut mta = daemon.inbound();
        mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out));
        let rcpt = mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out));
        let refused = if refused_at_rcpt {
            rcpt
        } else {
            assert_eq!(rcpt.decision, Some(Decision::Continue));
            mta.step(MtaSession::data);
            mta.content(MAIL, 1000)
        };
        assert!(code(&refused).starts_with("451 4.7.24 "), "{budget}: {refused:?}");
        mta.step(MtaSession::end_message);
        let line = daemon.log_line();
        assert!(line.contains("action=tempfail action_reason=spf-temperror"), "{line}");
    }
}

/// A server whose `slow.example` fails everybody and explains it at a name that is never answered.
fn without_explanation() -> Server {
    Server::start(|asked: &Asked| match asked.label().as_str() {
        "slow" => vec![asked.text(&[b"v=spf1 -all exp=why.slow.example"]).into()],
        "why" => Vec::new(),
        _ => vec![asked.reply(ResponseCode::NXDomain).into()],
    })
}

/// RFC 7208 §6.2: whatever goes wrong with an explanation, "proceed as if no "exp" modifier was given".
#[test]
fn s17_a_fail_is_refused_at_its_step_though_its_explanation_never_comes() {
    for step in ["mail", "rcpt"] {
        let server = without_explanation();
        let spf = format!("reject = [\"slow.example\"]\nreject_at = \"{step}\"\nbudget = \"500ms\"");
        let daemon = daemon(&server, &spf, "timeout = \"30s\"");
        let mut mta = daemon.inbound();
        let (answer, took) = timed(|| {
            let mail = mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out));
            if step == "mail" {
                return mail;
            }
            assert_eq!(mail.decision, Some(Decision::Continue));
            let first = mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out));
            assert!(code(&first).starts_with("550 5.7.23 "), "{first:?}");
            mta.step(|session, out| session.rcpt(b"<mia@example.com>", &[], out))
        });
        assert!(code(&answer).starts_with("550 5.7.23 ") && !code(&answer).contains("explains"), "{answer:?}");
        assert!((400..3000).contains(&took.as_millis()), "{took:?}");
        assert_eq!(server.asked(Some("why")), 1);
        mta.step(MtaSession::end_message);
        let line = daemon.log_line();
        assert!(line.contains("spf=fail ") && line.contains("spf_policy=reject"), "{line}");
    }
}

/// Where `dns.deadline` is shorter than the time of a check, what is known at the deadline counts.
#[test]
fn s11_a_known_fail_is_a_fail_at_the_deadline() {
    let server = without_explanation();
    let spf = "reject = [\"slow.example\"]\nbudget = \"0s\"\non_temperror = \"tempfail\"";
    let daemon = daemon(&server, spf, "timeout = \"30s\"\ndeadline = \"400ms\"");
    let mut mta = daemon.inbound();
    mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out));
    mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out));
    mta.step(MtaSession::data);
    let answer = mta.content(MAIL, 1000);
    assert!(code(&answer).starts_with("550 5.7.23 "), "{answer:?}");
    assert!(daemon.log_line().contains("action=reject action_reason=spf-fail"));
}

/// Nobody is shown it, so it costs nobody anything.
#[test]
fn s17_an_explanation_that_is_shown_to_nobody_is_not_asked_for() {
    let server = without_explanation();
    let daemon = daemon(&server, "", "timeout = \"30s\"");
    let mut mta = daemon.inbound();
    let (answer, took) = timed(|| {
        mta.envelope("<ann@slow.example>", &[]);
        mta.content(MAIL, 1000)
    });
    assert!(took < LONG, "{took:?}");
    assert!(answer.edits.iter().any(|edit| edit.contains("spf=fail ")), "{answer:?}");
    assert_eq!(server.asked(Some("why")), 0);
}

#[test]
fn a_message_that_is_given_up_asks_no_further_questions() {
    let server = Server::start(|asked: &Asked| match asked.label().as_str() {
        "slow" => {
            vec![Packet::from(asked.text(&[b"v=spf1 include:second.example -all"])).after(Duration::from_millis(400))]
        }
        _ => vec![asked.reply(ResponseCode::NXDomain).into()],
    });
    let daemon = daemon(&server, "", "");
    let mut mta = daemon.inbound();
    mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out));
    sleep(Duration::from_millis(150));
    assert_eq!(server.asked(Some("slow")), 1);
    mta.step(MtaSession::end_message);
    sleep(Duration::from_millis(800));
    assert_eq!(server.asked(Some("second")), 0, "nobody wants to know");
    // The connection goes on, and the next message asks.
    mta.message("<ann@slow.example>", MAIL);
    assert_eq!(server.asked(Some("second")), 1);
}

#[test]
fn recipients_that_come_at_once_are_answered_one_by_one_in_their_order() {
    let server = slow("v=spf1 -all", Duration::from_millis(400));
    let daemon = daemon(&server, "reject = [\"slow.example\"]", "");
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(LONG * 10)).unwrap();
    let peer = Peer::Inet { address: b"192.0.2.10", port: 40_000 };
    let mut out = Vec::new();
    for command in [
        Command::Negotiate(Offer::new(6, flags::Actions::ALL, flags::Steps::ALL)),
        Command::Connect { hostname: b"client.example", peer },
        Command::Helo(b"client.example"),
        Command::MailFrom { address: b"<ann@slow.example>", parameters: Strings::NONE },
        Command::RcptTo { address: b"<jo@example.com>", parameters: Strings::NONE },
        Command::RcptTo { address: b"<mia@example.com>", parameters: Strings::NONE },
        Command::Abort,
        Command::MailFrom { address: b"<ann@other.example>", parameters: Strings::NONE },
        Command::RcptTo { address: b"<jo@example.com>", parameters: Strings::NONE },
    ] {
        command.encode(&mut out).unwrap();
    }
    stream.write_all(&out).unwrap();
    let mut decoder = FrameDecoder::default();
    let mut codes = String::new();
    while codes.len() < 8 {
        match decoder.next_frame().unwrap() {
            Some(frame) => codes.push(char::from(frame.code)),
            None => {
                let octets = stream.read(decoder.space()).unwrap();
                assert!(octets > 0, "{codes}");
                decoder.filled(octets);
            }
        }
    }
    assert_eq!(codes, "Occcyycc");
}

#[test]
fn an_mta_that_goes_while_a_recipient_waits_is_noticed() {
    let server = silent();
    let daemon = daemon(&server, "reject = [\"*\"]\nbudget = \"25s\"\n[limits]\nconnections = 1", "timeout = \"30s\"");
    let mut gone = daemon.inbound();
    gone.step(|session, out| session.mail(b"<ann@slow.example>", &[], out));
    let mut out = Vec::new();
    gone.session.rcpt(b"<jo@example.com>", &[], &mut out).unwrap();
    gone.stream.write_all(&out).unwrap();
    sleep(Duration::from_millis(100));
    drop(gone);
    // The only connection that is allowed is free again at once, not after 25 s.
    let ((), took) = timed(|| drop(daemon.inbound()));
    assert!(took < LONG, "{took:?}");
}

#[test]
fn postfix_is_told_that_a_recipient_waits() {
    let server = slow("v=spf1 -all", Duration::from_millis(4000));
    let daemon = daemon(&server, "reject = [\"*\"]\nbudget = \"20s\"", "");
    let mut mta = daemon.connect(milter_proto::MtaOptions::default());
    mta.session.set_macro("v", Some(b"Postfix 3.7.11"));
    mta.greet("192.0.2.10", 40_000);
    mta.step(|session, out| session.mail(b"<ann@slow.example>", &[], out));
    let rcpt = mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out));
    assert!(code(&rcpt).starts_with("550 5.7.23 "), "{rcpt:?}");
    assert_eq!(rcpt.progress, 1);
}
