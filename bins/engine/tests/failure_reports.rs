//! `[failure_reports]`: which messages are kept for a failure report, and what of them (RFC 9991, F-1 to F-3, M-5).
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::config::Listener;
use engine::dns::{Resolver, Zone};
use engine::failures::{self, Failure, Spooled};
use engine::keys::Keys;
use engine::message::Rules;
use engine::server::Setup;
use engine::socket_address::SocketAddress;
use milter_proto::Decision;

use self::support::{Daemon, config, folder_with_keys};

const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon that rejects, in a DNS where `bank.example` has this record, and that keeps failures.
fn daemon(settings: &str, record: &str) -> Daemon {
    let folder = folder_with_keys();
    let text = format!(
        "state_dir = \"state\"\n[dmarc]\nmode = \"reject\"\nknown_after = 0\n[failure_reports]\nenabled = true\n{settings}\n"
    );
    let mut config = config(&text, folder.path());
    config.state_dir = folder.path().join("state");
    config.listeners = vec![Listener::at(SocketAddress::Unix(folder.path().join("socket")))];
    let records = format!(
        "_dmarc.bank.example. IN TXT \"{record}\"\nbank.example. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"\nother.example. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"\n"
    );
    let zone = Zone::parse(records.as_bytes(), Path::new("zone")).unwrap();
    let rules = Rules::new(config, &Keys::default()).with_failures(None);
    Daemon::serve(folder, Setup { rules: Arc::new(rules), resolver: Resolver::offline(zone, engine::BACKEND) })
}

/// What is kept once this message was answered.
fn kept(daemon: &Daemon, sender: &str, header: &str) -> Vec<Failure> {
    let mut mta = daemon.inbound();
    mta.envelope(sender, &[]);
    let answer = mta.content(format!("{header}\r\nHello\r\n").as_bytes(), 1000);
    assert!(!matches!(answer.decision, Some(Decision::TempFail)), "{answer:?}");
    // What follows the answer is done when the next event is answered.
    mta.envelope("<next@us.example>", &[]);
    let setup = daemon.handle.setup();
    assert!(setup.rules.failures().unwrap().finish(PATIENCE));
    let files = failures::list(&daemon.folder.path().join("state/failures")).unwrap();
    let read = files.iter().map(|file| match failures::read(file).unwrap() {
        Spooled::Failure(failure) => *failure,
        Spooled::Merged(other) => panic!("{other:?}"),
    });
    let read = read.collect();
    files.iter().for_each(|file| failures::remove(file).unwrap());
    read
}

const FROM: &str = "From: Ann <ann@bank.example>\r\nSubject: x\r\n";

#[test]
fn f2_what_a_report_needs_is_kept_of_a_message_that_failed() {
    let daemon = daemon("", "v=DMARC1; p=reject; ruf=mailto:ruf@bank.example; fo=1:s");
    let bh = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let signed =
        format!("DKIM-Signature: v=1; a=rsa-sha256; d=mail.bank.example; s=sel; h=from; bh={bh}; b=AAAA\r\n{FROM}");
    let kept = kept(&daemon, "<Joe@thief.example>", &signed);
    let failure = &kept[0];
    assert_eq!((failure.dmarc, failure.dkim, failure.spf), (true, false, false), "no SPF record is no failure of it");
    assert_eq!(
        (failure.mail_from.as_str(), failure.rcpt_to.as_slice()),
        ("Joe@thief.example", &["to@example.net".to_owned()][..])
    );
    assert_eq!(
        (failure.author.as_str(), failure.result.as_str(), failure.action.as_str()),
        ("bank.example", "fail", "reject")
    );
    assert_eq!(failure.published.ruf, ["mailto:ruf@bank.example"]);
    assert_eq!(failure.published.fo.as_deref(), Some("1:s"));
    let signature = &failure.signatures[0];
    assert_eq!(
        (signature.domain.as_str(), signature.selector.as_str(), signature.is_aligned),
        ("mail.bank.example", "sel", true)
    );
    assert_eq!(String::from_utf8(failure.header.clone()).unwrap(), signed);
    assert!(!failure.is_cut && failure.client.is_some() && !failure.authserv_id.is_empty());
}

#[test]
fn m5_fo_decides_also_for_mail_that_passes() {
    let passes = |fo: &str, sender: &str| {
        let daemon = daemon("", &format!("v=DMARC1; p=reject; ruf=mailto:ruf@bank.example; fo={fo}"));
        kept(&daemon, sender, FROM).iter().map(|failure| (failure.dmarc, failure.dkim, failure.spf)).collect::<Vec<_>>()
    };
    // SPF gives an aligned pass, DKIM gives nothing.
    let aligned = "<ann@bank.example>";
    assert_eq!(passes("0", aligned), []);
    assert_eq!(passes("1", aligned), [(true, false, false)]);
    assert_eq!(passes("d", aligned), []);
    assert_eq!(passes("0", "<x@other.example>"), [(true, false, false)], "a pass that is not aligned");
}

#[test]
fn f3_nothing_is_kept_that_must_not_be_reported_or_that_nobody_wants() {
    for (record, header, why) in [
        ("v=DMARC1; p=reject", FROM, "no ruf="),
        ("v=DMARC1; p=reject; ruf=mailto:r@bank.example; psd=y", FROM, "a public suffix"),
        (
            "v=DMARC1; p=reject; ruf=mailto:r@bank.example",
            "From: a@bank.example\r\nAuto-Submitted: auto-generated\r\n",
            "an automatic message",
        ),
        (
            "v=DMARC1; p=reject; ruf=mailto:r@bank.example",
            "From: a@bank.example\r\nContent-Type: multipart/report; report-type=feedback-report\r\n",
            "a report",
        ),
        ("v=DMARC1; p=reject; ruf=mailto:r@bank.example", "From: a@bank.example\r\nFrom: b@x.example\r\n", "no author"),
    ] {
        assert_eq!(kept(&daemon("", record), "<x@thief.example>", header), [], "{why}");
    }
    let none = "v=DMARC1; p=none; ruf=mailto:r@bank.example";
    assert_eq!(kept(&daemon("on_none = false", none), "<x@thief.example>", FROM), []);
    assert_eq!(kept(&daemon("", none), "<x@thief.example>", FROM).len(), 1);
}

#[test]
fn a_header_section_that_is_too_long_is_cut_between_fields() {
    let daemon = daemon("", "v=DMARC1; p=reject; ruf=mailto:ruf@bank.example");
    let long = format!("{FROM}{}", format!("X-Long: {}\r\n", "y".repeat(900)).repeat(60));
    let kept = kept(&daemon, "<x@thief.example>", &long);
    assert!(kept[0].is_cut && kept[0].header.len() <= failures::MAX_HEADER && kept[0].header.ends_with(b"y\r\n"));
}

#[test]
fn settings_and_what_does_not_fit() {
    let parse = |text: &str| engine::config::parse(text, Path::new("/etc/postseal/postseal.toml"));
    let (config, found) =
        parse("[failure_reports]\nenabled = true\nfolder = \"f\"\non_none = false\nper_domain = 7\n").unwrap();
    assert!(found.is_empty(), "{found}");
    let reports = &config.failure_reports;
    assert_eq!((reports.enabled, reports.on_none, reports.per_domain), (true, false, 7));
    assert_eq!(reports.folder(Path::new("/state")), Path::new("/etc/postseal/f"));
    let default = parse("").unwrap().0.failure_reports;
    assert_eq!((default.enabled, default.folder(Path::new("/state"))), (false, "/state/failures".into()));
    for (text, said) in [
        ("[dmarc]\nenabled = false\n[failure_reports]\nenabled = true\n", "E-CONFIG-CONFLICT"),
        ("[failure_reports]\nenabled = true\nper_domain = 0\n", "E-CONFIG-RANGE"),
    ] {
        let found = parse(text).map_or_else(|found| found.to_string(), |(_, found)| found.to_string());
        assert!(found.contains(said) && found.contains("failure_reports."), "{text}: {found}");
    }
}
