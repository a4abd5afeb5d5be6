//! DMARC with a DNS that says nothing: what a message waits for at its end, for how long, and what becomes of it (`standards.md` M-16).
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

use std::sync::Arc;
use std::time::{Duration, Instant};

use dkim_core::UnixTime;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use engine::config::Listener;
use engine::dns::Resolver;
use engine::keys::Keys;
use engine::message::Rules;
use engine::message::dmarc::DmarcResults;
use engine::message::origin::Client;
use engine::server::Setup;
use engine::socket_address::SocketAddress;
use engine::trial::{Incoming, Trial};
use hickory_proto::op::ResponseCode;
use milter_proto::{Decision, MtaSession};

use self::server::{Asked, Packet, Server};
use self::support::{Answer, Daemon, config, folder_with_keys};

/// A daemon that enforces, whose DNS is `server`, with `dns` in its section `[dns]` and `dmarc` in `[dmarc]`.
fn daemon(server: &Server, dns: &str, dmarc: &str) -> Daemon {
    let folder = folder_with_keys();
    let text = format!(
        "[dmarc]\nmode = \"reject\"\nknown_after = 0\n{dmarc}\n[dns]\nnameservers = [\"{}\"]\n{dns}\n",
        server.address
    );
    let mut config = config(&text, folder.path());
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    Daemon::serve(folder, Setup { rules: Arc::new(Rules::new(config, &Keys::default())), resolver })
}

/// The bank has a policy, and anybody may send for a name far below it. Whether that name is of another organization, nobody says: the question comes at the
/// end of the message, when SPF has passed, and everything depends on it.
fn without_alignment() -> Server {
    Server::start(|asked: &Asked| match asked.name().to_ascii().trim_end_matches('.') {
        "_dmarc.bank.example" => vec![asked.text(&[b"v=DMARC1; p=reject"]).into()],
        "a.b.bank.example" => vec![asked.text(&[b"v=spf1 +all"]).into()],
        "_dmarc.a.b.bank.example" | "_dmarc.b.bank.example" => Vec::new(),
        _ => vec![asked.reply(ResponseCode::NXDomain).into()],
    })
}

const MAIL: &[u8] = b"From: ann@bank.example\r\n\r\nHello\r\n";

/// The answer to a message in the bank's name, and the time that it took from its end.
fn offer(daemon: &Daemon) -> (Answer, Duration) {
    let mut mta = daemon.inbound();
    mta.envelope("<x@a.b.bank.example>", &[]);
    let begun = Instant::now();
    let answer = mta.content(MAIL, 1000);
    (answer, begun.elapsed())
}

fn is_accepted_with(answer: &Answer, word: &str) {
    assert_eq!(answer.decision, Some(Decision::Continue), "{answer:?}");
    assert!(answer.edits.concat().contains(word), "{answer:?}");
}

#[test]
fn m16_a_silent_question_about_alignment_ends_at_the_deadline_with_temperror() {
    // The question would be asked for longer than the message waits.
    let server = without_alignment();
    let daemon = daemon(&server, "timeout = \"1500ms\"\ndeadline = \"1500ms\"", "");
    let (answer, took) = offer(&daemon);
    is_accepted_with(&answer, "dmarc=temperror");
    assert!(answer.edits.concat().contains("spf=pass"), "{answer:?}");
    assert!(server.asked(Some("_dmarc")) >= 2, "alignment was asked for");
    assert!((1400..4000).contains(&took.as_millis()), "{took:?}");
    let line = daemon.log_line();
    assert!(line.contains("dmarc=temperror") && line.contains("action=accept"), "{line}");
    // The connection goes on.
    is_accepted_with(&offer(&daemon).0, "dmarc=temperror");
}

#[test]
fn m16_a_silent_question_about_alignment_puts_mail_off_where_that_is_written() {
    let server = without_alignment();
    let daemon = daemon(&server, "timeout = \"500ms\"\ndeadline = \"3s\"", "on_temperror = \"tempfail\"");
    let (answer, took) = offer(&daemon);
    let Some(Decision::ReplyCode(code)) = &answer.decision else { panic!("{answer:?}") };
    assert!(code.to_smtp().starts_with("451 4.7.5 "), "{answer:?}");
    // No edits with it: what is put off is not delivered.
    assert!(answer.edits.is_empty(), "{answer:?}");
    assert!((400..3000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn m16_a_dns_that_never_says_anything_costs_one_deadline() {
    let server = Server::start(|_: &Asked| -> Vec<Packet> { Vec::new() });
    let daemon = daemon(&server, "timeout = \"30s\"\ndeadline = \"1s\"", "");
    let (answer, took) = offer(&daemon);
    is_accepted_with(&answer, "dmarc=temperror");
    assert!((900..4000).contains(&took.as_millis()), "{took:?}");
}

/// Whoever makes SPF slow does not take away the time of the question that would find him out.
#[test]
fn m16_after_a_slow_spf_the_question_about_alignment_is_still_asked() {
    let server = Server::start(|asked: &Asked| match asked.name().to_ascii().trim_end_matches('.') {
        "_dmarc.bank.example" => vec![asked.text(&[b"v=DMARC1; p=reject"]).into()],
        // The name is of another organization.
        "_dmarc.b.bank.example" => {
            vec![Packet::from(asked.text(&[b"v=DMARC1; p=none; psd=n"])).after(Duration::from_millis(300))]
        }
        "a.b.bank.example" => {
            vec![Packet::from(asked.text(&[b"v=spf1 +all"])).after(Duration::from_millis(1800))]
        }
        _ => vec![Packet::from(asked.reply(ResponseCode::NXDomain)).after(Duration::from_millis(300))],
    });
    let daemon = daemon(&server, "timeout = \"5s\"\ndeadline = \"2s\"", "");
    let (answer, took) = offer(&daemon);
    let Some(Decision::ReplyCode(code)) = &answer.decision else { panic!("{answer:?}") };
    assert!(code.to_smtp().starts_with("550 5.7.26 "), "{answer:?}");
    assert!(answer.edits.is_empty(), "{answer:?}");
    assert!(took < Duration::from_secs(7), "the deadline and the time of one question: {took:?}");
}

#[test]
fn an_mta_that_gives_up_while_alignment_is_asked_for_is_noticed_at_once() {
    let server = without_alignment();
    let daemon = daemon(&server, "timeout = \"30s\"\ndeadline = \"30s\"", "[limits]\nconnections = 1");
    let mut gone = daemon.inbound();
    gone.envelope("<x@a.b.bank.example>", &[]);
    gone.step(|session, out| session.header(b"From", b" ann@bank.example", out));
    gone.step(MtaSession::end_of_headers);
    let mut out = Vec::new();
    gone.session.end_of_body(&mut out).unwrap();
    gone.stream.write_all(&out).unwrap();
    let begun = Instant::now();
    while server.asked(Some("_dmarc")) < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "alignment is not asked for");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(gone);
    // The only connection that is allowed is free again, before a sign of life (3 s) would have shown it.
    let begun = Instant::now();
    daemon.inbound();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// `postseal explain` and `replay` ask as the daemon does: all at once.
#[test]
fn a_message_that_is_tried_asks_everything_at_the_same_time() {
    let server = Server::start(|asked: &Asked| {
        let reply = match asked.name().to_ascii().trim_end_matches('.') {
            "_dmarc.bank.example" => asked.text(&[b"v=DMARC1; p=reject"]),
            "a.bank.example" | "mx.example" => asked.text(&[b"v=spf1 +all"]),
            _ => asked.reply(ResponseCode::NXDomain),
        };
        vec![Packet::from(reply).after(Duration::from_millis(700))]
    });
    let text = format!("[dns]\nnameservers = [\"{}\"]\n", server.address);
    let config = config(&text, &std::env::temp_dir());
    let resolver = Resolver::new(&config.dns, engine::BACKEND).unwrap();
    let trial = Trial::new(Rules::new(config, &Keys::default()), resolver, "mx.example.net");
    let (headers, body) = HeaderBlock::parse(MAIL, HeaderLimits::default()).unwrap();
    let incoming = Incoming {
        client: Client::Ip("192.0.2.1".parse().unwrap(), 40_000),
        is_authenticated: false,
        helo: b"mx.example",
        mail_from: b"<x@a.bank.example>",
        rcpt_to: &[],
        headers: &headers,
        body: &MAIL[body..],
        at: UnixTime::from_secs(1_790_000_000),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let tried = runtime.block_on(trial.run(&incoming));
    let took = begun.elapsed();
    assert_eq!(tried.verdict.found.dmarc.as_ref().map(DmarcResults::result), Some("pass"));
    assert_eq!(tried.helo.map(|outcome| outcome.result.as_str()), Some("pass"));
    // SPF of both identities and the two names of the policy; that of alignment comes last. One after the other that would be 3.5 s.
    assert!(
        server.asked(None) >= 5 && took < Duration::from_millis(2700),
        "{took:?} for {} questions",
        server.asked(None)
    );
    assert_eq!(trial.rules().known_domains().count("bank.example"), 0, "what is tried makes nobody known");
}
