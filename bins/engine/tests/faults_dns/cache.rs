//! What is kept, for how long, and what many messages at a time cost.

use std::thread;
use std::time::{Duration, Instant};

use dkim_core::dns::TxtAnswer;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;

use super::server::{Server, soa, text};
use super::{honest, judge, key, signed, verifier};

/// Forty messages at a time of a domain whose server is silent: one question is under way, and nobody waits for longer than it takes.
#[test]
fn s19_messages_do_not_queue_up_behind_a_silent_server() {
    let server = Server::start(|_| vec![]);
    let daemon = verifier(&[server.address], Duration::from_secs(2), "");
    let message = signed(&["s"]);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let (results, took) = judge(&daemon, &message);
                assert_eq!(results, ["temperror"]);
                assert!(took < Duration::from_secs(4), "{took:?}");
            });
        }
    });
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!(server.asked(None), 3, "one question, sent three times");
}

/// The MTAs go away one after the other: whoever still waits asks anew, and gets no more time for that than everybody has.
#[test]
fn who_waits_for_a_question_that_is_given_up_waits_no_longer_than_for_his_own() {
    let server = Server::start(|_| vec![]);
    let daemon = verifier(&[server.address], Duration::from_secs(2), "");
    let (_, message) = (&daemon, signed(&["s"]));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            thread::sleep(Duration::from_millis(600));
            judge(&daemon, &message)
        });
        let mut gone = daemon.inbound();
        gone.envelope("<jo@example.com>", &[]);
        let (fields, _) = super::support::split(&message);
        for (name, value) in &fields {
            gone.step(|session, out| session.header(name, value, out));
        }
        gone.step(milter_proto::MtaSession::end_of_headers);
        thread::sleep(Duration::from_millis(1500));
        drop(gone);
        let (results, took) = waiting.join().unwrap();
        assert_eq!(results, ["temperror"]);
        assert!(took < Duration::from_secs(4), "{took:?}");
    });
}

#[test]
fn a_failure_is_forgotten_after_a_few_seconds() {
    let server = Server::start(|asked| {
        vec![if asked.times == 1 { asked.reply(ResponseCode::ServFail).into() } else { honest(asked) }]
    });
    let daemon = verifier(&[server.address], Duration::from_secs(2), "");
    let message = signed(&["s"]);
    assert_eq!(judge(&daemon, &message).0, ["temperror"]);
    assert_eq!(judge(&daemon, &message).0, ["temperror"], "it is kept for a moment");
    assert_eq!(server.asked(None), 1);
    thread::sleep(Duration::from_millis(5200));
    assert_eq!(judge(&daemon, &message).0, ["pass"]);
}

#[test]
fn rfc2308_s5_a_negative_answer_is_kept_as_long_as_its_soa_says() {
    let server = Server::start(|asked| {
        let mut reply = asked.reply(ResponseCode::NXDomain);
        reply.authorities.push(soa(if asked.label() == "brief" { 1 } else { 60 }));
        vec![if asked.times == 1 { reply.into() } else { honest(asked) }]
    });
    let daemon = verifier(&[server.address], Duration::from_secs(2), "");
    let message = signed(&["brief", "long"]);
    assert_eq!(judge(&daemon, &message).0, ["permerror", "permerror"]);
    thread::sleep(Duration::from_millis(1200));
    let mut results = judge(&daemon, &message).0;
    results.sort();
    assert_eq!(results, ["pass", "permerror"]);
}

/// An answer brings records of names that nobody asked for: they are not there when somebody does.
#[test]
fn rfc5452_s6_what_was_not_asked_for_is_not_kept() {
    let server = Server::start(|asked| {
        let mut reply = asked.text(&[&key()]);
        let other = Name::from_ascii("b._domainkey.example.com.").unwrap();
        for section in [&mut reply.answers, &mut reply.authorities, &mut reply.additionals] {
            section.push(text(&other, &[b"v=DKIM1; p="]));
        }
        vec![if asked.label() == "a" { reply.into() } else { honest(asked) }]
    });
    let daemon = verifier(&[server.address], Duration::from_secs(2), "");
    assert_eq!(judge(&daemon, &signed(&["a"])).0, ["pass"]);
    assert_eq!(judge(&daemon, &signed(&["b"])).0, ["pass"]);
    assert_eq!((server.asked(Some("a")), server.asked(Some("b"))), (1, 1));
}

#[tokio::test]
async fn the_time_of_a_question_includes_the_wait_for_one_of_somebody_else() {
    let server = Server::start(|_| vec![]);
    let dns = engine::config::Dns {
        nameservers: vec![server.address],
        timeout: Duration::from_secs(1),
        ..engine::config::Dns::default()
    };
    let resolver = engine::dns::Resolver::new(&dns, engine::BACKEND).unwrap();
    // Somebody asks, and goes away shortly before his time is up; and so on.
    for _ in 0..3 {
        let resolver = resolver.clone();
        tokio::spawn(async move { tokio::time::timeout(Duration::from_millis(900), resolver.txt("s.example")).await });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    assert_eq!(resolver.txt("s.example").await, TxtAnswer::Failed);
    assert!(start.elapsed() < Duration::from_millis(1900), "{:?}", start.elapsed());
}
