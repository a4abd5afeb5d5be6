//! What of each message comes into the journal, and when: the real daemon, its real journal, and an MTA that behaves in every way.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::net::{IpAddr, Shutdown};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::config::Listener;
use engine::dns::Resolver;
use engine::journal::record::Content;
use engine::journal::{JournalThread, Read, Reader, Record, Settings};
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::Setup;
use engine::socket_address::SocketAddress;
use milter_proto::{Decision, MtaOptions, MtaSession};
use support::{Daemon, SIGNING, Stream, config, folder_with_keys, zone};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(10);

const MAIL: &[u8] = b"From: Jo <jo.secret@example.org>\r\nSubject: private\r\n\r\nHello\r\n";
const OURS: &[u8] = b"From: Jo <jo.secret@example.com>\r\nSubject: private\r\n\r\nHello\r\n";

struct Site {
    daemon: Daemon,
    thread: JournalThread,
    /// Outlives the daemon's own folder.
    _folder: TempDir,
    journal: PathBuf,
}

impl Site {
    fn start(text: &str) -> Self {
        let (folder, own) = (folder_with_keys(), tempfile::tempdir().unwrap());
        let mut config = config(&format!("{SIGNING}{text}"), folder.path());
        config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
        let (keys, _) = Keys::load(&config.domains, engine::BACKEND);
        let zone = zone("fail.example. TXT \"v=spf1 -all\"\nexample.org. TXT \"v=spf1 ip4:192.0.2.10 -all\"\n");
        let setup =
            Setup { rules: Arc::new(Rules::new(config, &keys)), resolver: Resolver::offline(zone, engine::BACKEND) };
        let journal = own.path().join("journal");
        let thread = JournalThread::spawn(Settings::new(journal.clone())).unwrap();
        let daemon = Daemon::serve_with_journal(folder, setup, thread.journal());
        Self { daemon, thread, _folder: own, journal }
    }

    /// Ends the daemon and its journal; the records.
    fn end(self) -> Vec<Record> {
        let Self { mut daemon, thread, _folder, journal } = self;
        daemon.ask_to_stop();
        assert!(daemon.wait_for_end(PATIENCE));
        assert!(thread.finish(PATIENCE));
        records(&journal)
    }
}

fn records(journal: &std::path::Path) -> Vec<Record> {
    let mut reader = Reader::new(journal, None);
    let mut records = Vec::new();
    loop {
        match reader.read_next().unwrap() {
            Read::Entry(entry) => match entry.content {
                Content::Message(record) => records.push(*record),
                Content::Lost(lost) => panic!("{lost:?}"),
            },
            Read::Damage(damage) => panic!("{damage:?}"),
            Read::End => return records,
        }
    }
}

fn client() -> Option<IpAddr> {
    Some("192.0.2.10".parse().unwrap())
}

#[test]
fn judged_signed_and_refused_mail_each_has_its_record() {
    let site = Site::start("[spf]\nreject = [\"fail.example\"]\n");
    let mut mta = site.daemon.inbound();
    mta.session.set_macro("i", Some(b"IN1"));
    mta.message("<jo.secret@example.org>", MAIL);
    // The same connection: refused at RCPT, twice.
    mta.session.set_macro("i", None);
    mta.step(|session, out| session.mail(b"<jo.secret@fail.example>", &[], out));
    for recipient in [&b"<to.secret@example.net>"[..], b"<to.secret@example.com>"] {
        let answer = mta.step(|session, out| session.rcpt(recipient, &[], out));
        assert!(matches!(answer.decision, Some(Decision::ReplyCode(_))), "{answer:?}");
    }
    mta.step(MtaSession::end_message);
    let mut ours = site.daemon.submission();
    ours.session.set_macro("i", Some(b"OUT1"));
    ours.message("<jo.secret@example.com>", OURS);
    drop(ours);
    drop(mta);
    let mut records = site.end();
    records.sort_by_key(|record| record.queue_id != "IN1");
    let text = format!("{records:?}");
    for private in ["secret", "private", "Hello", "@"] {
        assert!(!text.contains(private), "{private}: {text}");
    }
    records.sort_by(|a, b| b.origin.cmp(&a.origin).then(a.at.cmp(&b.at)));
    let [signed, judged, refused] = &*records else { panic!("{records:?}") };

    assert_eq!((judged.queue_id.as_str(), judged.origin.as_str(), judged.client), ("IN1", "inbound", client()));
    assert_eq!((judged.mail_from.as_str(), &*judged.header_from), ("example.org", &["example.org".to_owned()][..]));
    assert_eq!((&*judged.rcpt_to, judged.recipients, judged.refused), (&["example.net".to_owned()][..], 1, 0));
    let spf = judged.spf.as_ref().unwrap();
    assert_eq!((spf.mail_from.result.as_str(), spf.helo.domain.as_str()), ("pass", "client.example"));
    assert_eq!((judged.action.as_str(), judged.size, judged.signed.len()), ("accept", 7, 0));

    assert_eq!((refused.queue_id.as_str(), refused.mail_from.as_str(), refused.client), ("", "fail.example", client()));
    assert_eq!((refused.action.as_str(), refused.action_reason.as_deref()), ("reject", Some("spf-fail")));
    assert_eq!(
        (refused.refused, refused.recipients, refused.spf.as_ref().unwrap().mail_from.result.as_str()),
        (2, 0, "fail")
    );

    assert_eq!((signed.queue_id.as_str(), signed.origin.as_str()), ("OUT1", "submission"));
    assert_eq!(signed.signed, ["rsa._domainkey.example.com", "ed._domainkey.example.com"]);
    assert!(signed.spf.is_none() && signed.dkim.is_empty());
}

#[test]
fn a_message_refused_at_mail_has_its_record_at_once() {
    let site = Site::start("[spf]\nreject = [\"fail.example\"]\nreject_at = \"mail\"\n");
    let mut mta = site.daemon.inbound();
    let answer = mta.step(|session, out| session.mail(b"<jo@fail.example>", &[], out));
    assert!(matches!(answer.decision, Some(Decision::ReplyCode(_))), "{answer:?}");
    // The connection stays open.
    let begun = Instant::now();
    while records(&site.journal).is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    let records = site.end();
    assert_eq!((records.len(), records[0].action.as_str(), records[0].refused), (1, "reject", 0));
}

#[test]
fn what_was_not_decided_has_no_record() {
    let site = Site::start("");
    // ABORT after DATA, and in the middle of the body; the message behind them counts.
    let mut mta = site.daemon.inbound();
    mta.envelope("<a@example.org>", &[]);
    mta.step(MtaSession::end_message);
    mta.envelope("<b@example.org>", &[]);
    mta.step(|session, out| session.header(b"From", b" b@example.org", out));
    mta.step(MtaSession::end_of_headers);
    mta.step(|session, out| session.body(b"Hello\r\n", out));
    mta.step(MtaSession::end_message);
    mta.session.set_macro("i", Some(b"LAST"));
    mta.message("<c@example.org>", MAIL);
    // A connection that is lost before the message is complete.
    let mut lost = site.daemon.inbound();
    lost.envelope("<d@example.org>", &[]);
    drop(lost);
    let records = site.end();
    assert_eq!(records.iter().map(|record| record.queue_id.as_str()).collect::<Vec<_>>(), ["LAST"]);
}

#[test]
fn a_message_whose_verdict_nobody_takes_has_no_record() {
    let site = Site::start("");
    let mut mta = site.daemon.connect(MtaOptions::default());
    mta.greet("192.0.2.10", 40_000);
    mta.envelope("<a@example.org>", &[]);
    mta.step(|session, out| session.header(b"From", b" a@example.org", out));
    mta.step(MtaSession::end_of_headers);
    // It says that it reads nothing any more, so the answer fails after it was worked out.
    let Stream::Unix(stream) = &mta.stream else { panic!() };
    stream.shutdown(Shutdown::Read).unwrap();
    let mut out = Vec::new();
    mta.session.end_of_body(&mut out).unwrap();
    mta.stream.write_all(&out).unwrap();
    let mut good = site.daemon.inbound();
    good.session.set_macro("i", Some(b"GOOD"));
    good.message("<b@example.org>", MAIL);
    let records = site.end();
    assert_eq!(records.iter().map(|record| record.queue_id.as_str()).collect::<Vec<_>>(), ["GOOD"]);
}
