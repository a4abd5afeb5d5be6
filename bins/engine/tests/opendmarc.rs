//! A daemon that runs from a file of OpenDMARC, over a socket: each option of §3.1 with what §3.2 says comes of it, and the history of §3.4.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::config::Diagnostics;
use engine::dns::Resolver;
use engine::server::Setup;
use engine::start::{Openers, Prepared, Request, Source, prepare};
use milter_proto::flags::Actions;
use milter_proto::{Decision, MtaOptions};
use support::{Answer, Daemon, Mta, folder_with_keys, zone};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const OPENDMARC: &str = "AuthservID mx.example\nSocket local:@/socket\nSyslog true\n";

const OPENDKIM: &str = "Syslog yes\nMode sv\nSocket local:@/socket\nRequireSafeKeys no\nKeyTable @/KeyTable\n\
    SigningTable refile:@/SigningTable\nInternalHosts @/TrustedHosts\nAuthservID mx.example\nAlwaysAddARHeader yes\n";

/// Domains that ask for each of the policies, and send no mail themselves.
const RECORDS: &str = "_dmarc.reject.example IN TXT \"v=DMARC1; p=reject; rua=mailto:r@reject.example\"\n\
    reject.example IN TXT \"v=spf1 -all\"\n\
    _dmarc.hold.example IN TXT \"v=DMARC1; p=quarantine\"\nhold.example IN TXT \"v=spf1 -all\"\n\
    _dmarc.none.example IN TXT \"v=DMARC1; p=none\"\nnone.example IN TXT \"v=spf1 -all\"\n\
    _dmarc.good.example IN TXT \"v=DMARC1; p=reject; rua=mailto:a@good.example,mailto:b@good.example\"\n\
    good.example IN TXT \"v=spf1 ip4:198.51.100.7 -all\"\n\
    _dmarc.example.com IN TXT \"v=DMARC1; p=reject\"\nexample.com IN TXT \"v=spf1 -all\"\n";

fn folder(opendkim: Option<&str>, opendmarc: &str) -> TempDir {
    let folder = folder_with_keys();
    let dir = format!("{}/", folder.path().display());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text.replace("@/", &dir)).unwrap();
    opendkim.inspect(|text| write("opendkim.conf", text));
    write("opendmarc.conf", opendmarc);
    write("KeyTable", "rsa example.com:rsa:@/rsa.pem\n");
    write("SigningTable", "*@example.com rsa\n");
    write("TrustedHosts", "127.0.0.1\n192.0.2.0/26\n");
    write("Ignored", "# hosts\n192.0.2.0/255.255.255.192\n!192.0.2.33\n.friend.example\n2001:db8::/64\n");
    folder
}

fn read(folder: &TempDir, has_opendkim: bool) -> Result<Prepared, Diagnostics> {
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let source = Source::OldFiles {
        opendkim: has_opendkim.then(|| path("opendkim.conf")),
        opendmarc: Some(path("opendmarc.conf")),
        lines: String::new(),
        socket: None,
        state_dir: path("state"),
        opener: Openers::default(),
    };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async { prepare(&Request::new(source), None) })
}

fn serve(opendkim: Option<&str>, more: &str) -> Daemon {
    let folder = folder(opendkim, &format!("{OPENDMARC}{more}"));
    let prepared = read(&folder, opendkim.is_some()).unwrap_or_else(|found| panic!("{found}"));
    let resolver = Resolver::offline(zone(RECORDS), engine::BACKEND);
    Daemon::serve(folder, Setup { rules: Arc::clone(&prepared.setup.rules), resolver })
}

/// OpenDMARC alone, with these lines.
fn start(more: &str) -> Daemon {
    serve(None, more)
}

/// Both files: OpenDKIM's, and OpenDMARC's on another socket.
fn start_both(more: &str) -> Daemon {
    serve(Some(OPENDKIM), &format!("Socket local:@/second\n{more}"))
}

fn from(daemon: &Daemon, address: &str) -> Mta {
    let mut mta = daemon.connect(MtaOptions::default());
    mta.greet(address, 40_000);
    mta.session.set_macro("i", Some(b"4Q1"));
    mta
}

fn stranger(daemon: &Daemon) -> Mta {
    from(daemon, "198.51.100.7")
}

fn mail(author: &str) -> String {
    format!(
        "From: {author}\r\nTo: b@example.org\r\nDate: Tue, 24 Nov 2026 20:00:00 +0000\r\nSubject: x\r\n\r\nHello\r\n"
    )
}

/// A message of a domain, from a stranger.
fn offer(daemon: &Daemon, domain: &str) -> Answer {
    stranger(daemon).message(&format!("<a@{domain}>"), mail(&format!("a@{domain}")).as_bytes())
}

fn results(answer: &Answer) -> Vec<&str> {
    inserted(answer, "Authentication-Results")
}

fn inserted<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let start = format!("insert 0 {name}:");
    answer.edits.iter().filter_map(|edit| edit.strip_prefix(&start)).map(str::trim).collect()
}

/// The reply of a rejected message.
fn reply(answer: &Answer) -> String {
    match &answer.decision {
        Some(Decision::ReplyCode(code)) => code.to_smtp().trim_end().to_owned(),
        other => panic!("{other:?} {:?}", answer.edits),
    }
}

/// The word for a method in the one field of ours.
fn word(answer: &Answer, method: &str) -> Option<String> {
    assert_eq!(answer.decision, Some(Decision::Continue), "{answer:?}");
    let fields = results(answer);
    assert!(fields.len() <= 1, "{fields:?}");
    let (_, rest) = fields.first()?.split_once(&format!("{method}="))?;
    Some(rest.split([' ', ';']).next().unwrap().to_owned())
}

fn quarantine(answer: &Answer) -> Option<&str> {
    answer.edits.iter().find_map(|edit| edit.strip_prefix("quarantine "))
}

#[test]
fn s3_2_reject_failures_and_hold_quarantined_messages_are_each_for_their_policy() {
    for (lines, rejects, holds) in [
        ("", false, false),
        ("RejectFailures true\n", true, false),
        ("HoldQuarantinedMessages true\n", false, true),
        ("RejectFailures true\nHoldQuarantinedMessages true\n", true, true),
    ] {
        let daemon = start(lines);
        let answer = offer(&daemon, "reject.example");
        if rejects {
            assert_eq!(reply(&answer), "550 5.7.1 rejected by DMARC policy for reject.example", "{lines}");
        } else {
            assert_eq!((word(&answer, "dmarc").as_deref(), quarantine(&answer)), (Some("fail"), None), "{lines}");
        }
        let answer = offer(&daemon, "hold.example");
        let held = holds.then_some("quarantined by DMARC policy for hold.example");
        assert_eq!((word(&answer, "dmarc").as_deref(), quarantine(&answer)), (Some("fail"), held), "{lines}");
        // No field but ours: OpenDMARC had none for delivery rules.
        assert_eq!(answer.edits.len(), if holds { 2 } else { 1 }, "{:?}", answer.edits);
        for (domain, result) in [("none.example", "fail"), ("good.example", "pass"), ("nobody.example", "none")] {
            let answer = offer(&daemon, domain);
            assert_eq!((word(&answer, "dmarc").as_deref(), quarantine(&answer)), (Some(result), None), "{lines}");
        }
    }
}

#[test]
fn s3_2_mailing_lists_and_seldom_seen_senders_are_not_spared() {
    let daemon = start("RejectFailures true\n");
    let list = mail("a@reject.example").replace("Subject:", "List-Id: <l.example>\r\nSubject:");
    let answer = stranger(&daemon).message("<l@l.example>", list.as_bytes());
    assert_eq!(reply(&answer), "550 5.7.1 rejected by DMARC policy for reject.example");
}

#[test]
fn s3_1_reject_string_has_the_domain_whose_record_was_used() {
    let daemon = start("RejectFailures true\nRejectString Sorry, %s says no {really} (100 of 100)\n");
    assert_eq!(
        reply(&offer(&daemon, "sub.reject.example")),
        "550 5.7.1 Sorry, reject.example says no {really} (100 of 100)"
    );
}

#[test]
fn s3_1_without_ignore_hosts_the_loopback_addresses_are_ignored_and_forged_fields_go_all_the_same() {
    let daemon = start("RejectFailures true\n");
    let forged = mail("a@reject.example")
        .replace("Subject:", "Authentication-Results: mx.example; dmarc=pass header.from=reject.example\r\nSubject:");
    for address in ["127.0.0.1", "::1"] {
        let answer = from(&daemon, address).message("<a@reject.example>", forged.as_bytes());
        assert_eq!(answer.decision, Some(Decision::Continue), "{address}");
        assert_eq!(answer.edits, ["delete Authentication-Results 1"], "{address}");
    }
    assert!(reply(&stranger(&daemon).message("<a@reject.example>", forged.as_bytes())).starts_with("550 5.7.1 "));
}

#[test]
fn s3_1_ignore_hosts_replaces_the_default_and_has_names_networks_and_exclusions() {
    let daemon = start("RejectFailures true\nIgnoreHosts @/Ignored\n");
    let ignored = ["192.0.2.9", "2001:db8::7"];
    let judged = ["127.0.0.1", "192.0.2.33", "192.0.2.65", "198.51.100.7"];
    for address in ignored.into_iter().chain(judged) {
        let answer = from(&daemon, address).message("<a@reject.example>", mail("a@reject.example").as_bytes());
        let passes = answer.decision == Some(Decision::Continue);
        assert_eq!((passes, answer.edits.len()), (ignored.contains(&address), 0), "{address}");
    }
    let mut mta = daemon.connect(MtaOptions::default());
    let peer = milter_proto::Peer::Inet { address: b"198.51.100.7", port: 4711 };
    mta.step(|session, out| session.connect(b"mx.friend.example", peer, out));
    let answer = mta.message("<a@reject.example>", mail("a@reject.example").as_bytes());
    assert_eq!(answer.decision, Some(Decision::Continue));
}

#[test]
fn s3_1_a_missing_file_of_hosts_is_an_error_at_its_line() {
    let folder = folder(None, &format!("{OPENDMARC}IgnoreHosts @/none\n"));
    let found = read(&folder, false).unwrap_err().to_string();
    assert!(found.contains("opendmarc.conf:4") && found.contains("cannot be read"), "{found}");
}

#[test]
fn s3_1_authenticated_clients_are_judged_unless_they_are_ignored() {
    for (line, is_ignored) in [("", false), ("IgnoreAuthenticatedClients true\n", true)] {
        let daemon = start(&format!("RejectFailures true\n{line}"));
        let mut mta = stranger(&daemon);
        mta.session.set_macro("auth_authen", Some(b"jo"));
        let answer = mta.message("<a@reject.example>", mail("a@reject.example").as_bytes());
        assert_eq!(answer.decision == Some(Decision::Continue), is_ignored, "{line}");
        assert!(answer.edits.is_empty(), "{:?}", answer.edits);
        let mut mta = stranger(&daemon);
        mta.session.set_macro("auth_authen", Some(b""));
        let answer = mta.message("<a@reject.example>", mail("a@reject.example").as_bytes());
        assert_ne!(answer.decision, Some(Decision::Continue), "{line}");
    }
}

#[test]
fn s3_1_ignore_mail_from_is_for_the_whole_author_domain_and_forged_fields_go() {
    let daemon = start("RejectFailures true\nIgnoreMailFrom other.example, REJECT.example\n");
    let forged =
        mail("a@Reject.example").replace("Subject:", "Authentication-Results: mx.example; dmarc=pass\r\nSubject:");
    let answer = stranger(&daemon).message("<a@reject.example>", forged.as_bytes());
    assert_eq!(answer.decision, Some(Decision::Continue));
    assert_eq!(answer.edits, ["delete Authentication-Results 1"]);
    assert!(reply(&offer(&daemon, "sub.reject.example")).starts_with("550 5.7.1 "));
}

#[test]
fn s3_1_what_is_ignored_is_verified_all_the_same_where_opendkim_verifies() {
    let daemon = start_both("RejectFailures true\nIgnoreMailFrom reject.example\nIgnoreAuthenticatedClients yes\n");
    let answer = offer(&daemon, "reject.example");
    let fields = results(&answer);
    assert!(fields.len() == 1 && fields[0].starts_with("mx.example; dkim=none"), "{:?}", answer.edits);
    assert!(!fields[0].contains("dmarc=") && !fields[0].contains("spf="), "{fields:?}");
}

#[test]
fn s3_1_own_mail_is_signed_and_not_judged_and_what_has_no_key_is_judged() {
    let daemon = start_both("RejectFailures true\n");
    // From an internal host, with a key; then without one: OpenDKIM verifies that, and OpenDMARC ignores no host but 127.0.0.1.
    let answer = from(&daemon, "192.0.2.9").message("<a@example.com>", mail("a@example.com").as_bytes());
    assert_eq!((answer.edits.len(), inserted(&answer, "DKIM-Signature").len()), (1, 1), "{:?}", answer.edits);
    let answer = from(&daemon, "192.0.2.9").message("<a@reject.example>", mail("a@reject.example").as_bytes());
    assert!(reply(&answer).starts_with("550 5.7.1 "));
    let answer = from(&daemon, "127.0.0.1").message("<a@reject.example>", mail("a@reject.example").as_bytes());
    assert_eq!(word(&answer, "dmarc"), None);
    assert_eq!(word(&answer, "dkim").as_deref(), Some("none"));
}

#[test]
fn s3_1_what_opendkim_leaves_alone_is_judged() {
    let daemon = serve(
        Some(&format!("{OPENDKIM}ExemptDomains reject.example\n")),
        "Socket local:@/second\nRejectFailures true\n",
    );
    assert!(reply(&offer(&daemon, "reject.example")).starts_with("550 5.7.1 "));
}

#[test]
fn s3_1_an_own_domain_among_ignored_authors_is_a_live_hole() {
    let lines = format!("{OPENDMARC}Socket local:@/second\nIgnoreMailFrom other.example,Example.com\n");
    let folder = folder(Some(OPENDKIM), &lines);
    let found = read(&folder, true).unwrap().findings.to_string();
    let hole: Vec<&str> = found.lines().filter(|line| line.contains("W-OLD-HOLE")).collect();
    assert_eq!(hole.len(), 1, "{found}");
    assert!(
        hole[0].contains("opendmarc.conf:5") && hole[0].contains("Example.com is a domain of your own"),
        "{hole:?}"
    );
    assert!(found.contains("authenticated or trusted clients"), "{found}");
}

#[test]
fn s3_1_required_headers_required_from_and_several_authors() {
    const MULTI: &str = "a@good.example, b@none.example";
    let twice = mail("a@good.example").replace("Subject: x", "Subject: x\r\nSubject: y");
    let two_from = mail("a@good.example").replace("To:", "From: b@none.example\r\nTo:");
    let mails =
        [twice, two_from, mail("nobody at all"), mail(MULTI), mail("a@good.example").replace("From:", "X-From:")];
    const ONE_FROM: &str = "550 5.7.1 not exactly one From field";
    const UNREADABLE: &str = "550 5.7.1 unable to parse From header field";
    // What is not refused has a result: `permerror`, and never silence.
    for (line, expected) in [
        ("", ["pass", "permerror", "permerror", "permerror", "permerror"]),
        ("RequiredHeaders yes\n", ["550 5.7.1 multiple Subject fields", ONE_FROM, UNREADABLE, "permerror", ONE_FROM]),
        ("RequiredFrom yes\n", ["pass", ONE_FROM, UNREADABLE, "permerror", ONE_FROM]),
        (
            "RejectMultiValueFrom yes\n",
            ["pass", "permerror", "permerror", "550 5.7.1 multi-valued From field detected", "permerror"],
        ),
    ] {
        let daemon = start(&format!("RejectFailures true\n{line}"));
        for (raw, expected) in mails.iter().zip(expected) {
            let answer = stranger(&daemon).message("<a@good.example>", raw.as_bytes());
            if expected.starts_with("550") {
                assert_eq!(reply(&answer), expected, "{line} {raw}");
            } else {
                assert_eq!(word(&answer, "dmarc").as_deref(), Some(expected), "{line} {raw}");
                assert_eq!(quarantine(&answer), None);
            }
        }
    }
}

#[test]
fn s3_1_the_list_of_public_suffixes_finds_organizational_domains_and_makes_pct_count() {
    let folder = folder(None, &format!("{OPENDMARC}RejectFailures true\nPublicSuffixList @/suffixes\n"));
    std::fs::write(
        folder.path().join("suffixes"),
        "// ===BEGIN ICANN DOMAINS===\nexample\nco.example\n// ===END ICANN DOMAINS===\n",
    )
    .unwrap();
    let prepared = read(&folder, false).unwrap_or_else(|found| panic!("{found}"));
    // Under the list `shop.co.example` has an organizational domain of its own, and asks nothing of `co.example`.
    let records = "_dmarc.co.example IN TXT \"v=DMARC1; p=reject\"\n_dmarc.deep.example IN TXT \"v=DMARC1; p=reject\"\n\
        _dmarc.spared.example IN TXT \"v=DMARC1; p=reject; pct=0\"\n";
    let resolver = Resolver::offline(zone(records), engine::BACKEND);
    let daemon = Daemon::serve(folder, Setup { rules: Arc::clone(&prepared.setup.rules), resolver });
    assert_eq!(word(&offer(&daemon, "shop.co.example"), "dmarc").as_deref(), Some("none"));
    assert_eq!(reply(&offer(&daemon, "a.b.deep.example")), "550 5.7.1 rejected by DMARC policy for deep.example");
    assert_eq!(word(&offer(&daemon, "spared.example"), "dmarc").as_deref(), Some("fail"));
}

#[test]
fn s3_1_test_dns_data_is_all_there_is() {
    let folder = folder(None, &format!("{OPENDMARC}RejectFailures true\nTestDNSData @/dns\n"));
    std::fs::write(folder.path().join("dns"), "_dmarc.test.example v=DMARC1; p=reject\n").unwrap();
    let prepared = read(&folder, false).unwrap_or_else(|found| panic!("{found}"));
    let daemon = Daemon::serve(folder, prepared.setup);
    assert_eq!(reply(&offer(&daemon, "test.example")), "550 5.7.1 rejected by DMARC policy for test.example");
    assert_eq!(word(&offer(&daemon, "reject.example"), "dmarc").as_deref(), Some("none"));
}

/// A connection that has HELO behind it, from an MTA that offers these actions; and the actions that were agreed on.
fn negotiated(daemon: &Daemon) -> (Mta, Actions) {
    let mta = stranger(daemon);
    let actions = mta.session.negotiated().unwrap().actions;
    (mta, actions)
}

#[test]
fn s3_1_copies_of_failures_go_to_one_more_recipient_and_the_action_is_asked_for_only_then() {
    for (line, adds) in [("", false), ("CopyFailuresTo copies@mx.example\n", true)] {
        let daemon = start(line);
        let (_, actions) = negotiated(&daemon);
        assert_eq!(actions.contains(Actions::ADD_RCPT), adds, "{line}");
        for (domain, is_copied) in [
            ("reject.example", adds),
            ("hold.example", adds),
            ("none.example", false),
            ("good.example", false),
            ("nobody.example", false),
        ] {
            let answer = offer(&daemon, domain);
            let copies: Vec<_> = answer.edits.iter().filter(|edit| edit.contains("AddRecipient")).collect();
            assert_eq!(copies.len(), usize::from(is_copied), "{line} {domain}: {:?}", answer.edits);
        }
    }
}

#[test]
fn s3_1_software_header_and_job_id() {
    let daemon = start("SoftwareHeader yes\nAuthservIDWithJobID yes\n");
    let answer = offer(&daemon, "good.example");
    let software = format!("Postseal v{} mx.example 4Q1", env!("CARGO_PKG_VERSION"));
    assert_eq!(inserted(&answer, "DMARC-Filter"), [software]);
    // A slash is no part of a token (RFC 8601 §2.2, RFC 2045 §5.1).
    assert!(results(&answer)[0].starts_with("\"mx.example/4Q1\"; dkim=none"), "{:?}", answer.edits);
    // Forged fields with and without an id go.
    let forged = mail("a@good.example").replace(
        "Subject:",
        "Authentication-Results: mx.example/4Q1; dmarc=pass\r\nAuthentication-Results: \"mx.example/9\"; dmarc=pass\r\n\
         Authentication-Results: mx.example; dmarc=pass\r\nSubject:",
    );
    let answer = stranger(&daemon).message("<a@good.example>", forged.as_bytes());
    let deleted: Vec<_> = answer.edits.iter().filter(|edit| edit.starts_with("delete ")).collect();
    assert_eq!(deleted.len(), 3, "{:?}", answer.edits);
    let plain = offer(&start(""), "good.example");
    assert!(inserted(&plain, "DMARC-Filter").is_empty() && results(&plain)[0].starts_with("mx.example; "));
}

/// The records of a history file, each a list of keys and values; strict about what §3.4 says of keys, order and codes.
fn records(text: &str) -> Vec<Vec<(String, String)>> {
    const ORDER: [&str; 21] = [
        "job",
        "reporter",
        "received",
        "ipaddr",
        "from",
        "mfrom",
        "spf",
        "dkim",
        "pdomain",
        "policy",
        "rua",
        "pct",
        "adkim",
        "aspf",
        "p",
        "sp",
        "align_dkim",
        "align_spf",
        "arc",
        "arc_policy",
        "action",
    ];
    let mut records: Vec<Vec<(String, String)>> = Vec::new();
    for line in text.strip_suffix('\n').unwrap().split('\n') {
        let (key, value) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        if key == "job" {
            records.push(Vec::new());
        }
        records.last_mut().unwrap().push((key.to_owned(), value.to_owned()));
    }
    for record in &records {
        let at = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or_else(|| panic!("{key}"));
        let places: Vec<usize> = record.iter().map(|(key, _)| at(key)).collect();
        for (index, pair) in places.windows(2).enumerate() {
            let may_repeat = ["dkim", "rua"].contains(&record[index].0.as_str());
            assert!(pair[0] < pair[1] || (may_repeat && pair[0] == pair[1]), "{record:?}");
        }
        assert_eq!(record.iter().filter(|(key, _)| key != "dkim" && key != "rua").count(), 19, "{record:?}");
        for (key, value) in record {
            let number = || value.parse::<i32>().unwrap_or_else(|_| panic!("{key} {value}"));
            match key.as_str() {
                "received" => assert!(value.parse::<u64>().unwrap() > 1_700_000_000),
                "ipaddr" => assert!(value.parse::<std::net::IpAddr>().is_ok(), "{value}"),
                "spf" => assert!((-1..=12).contains(&number()), "{value}"),
                "dkim" => {
                    let words: Vec<&str> = value.split(' ').collect();
                    assert!(words.len() == 3 && (0..=12).contains(&words[2].parse::<i32>().unwrap()), "{value}");
                }
                "policy" => assert!((14..=18).contains(&number()), "{value}"),
                "pct" => assert!((0..=100).contains(&number()), "{value}"),
                "adkim" | "aspf" => assert!([0, 114, 115].contains(&number()), "{value}"),
                "p" | "sp" => assert!([0, 110, 113, 114].contains(&number()), "{value}"),
                "align_dkim" | "align_spf" => assert!([0, 4, 5].contains(&number()), "{value}"),
                "arc" => assert!([0, 7].contains(&number()), "{value}"),
                "arc_policy" => assert_eq!(value, "2 json:[]"),
                "action" => assert!([0, 1, 2, 3, 4].contains(&number()), "{value}"),
                _ => assert!(!value.contains(' '), "{key} {value}"),
            }
        }
    }
    records
}

/// The records of the daemon's history, once there are so many.
fn history(daemon: &Daemon, count: usize) -> Vec<Vec<(String, String)>> {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(daemon.folder.path().join("history")).unwrap_or_default();
        if text.matches("\naction ").count() >= count && text.ends_with('\n') {
            return records(&text);
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{text}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn value<'r>(record: &'r [(String, String)], key: &str) -> Vec<&'r str> {
    record.iter().filter(|(known, _)| known == key).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn s3_4_the_history_has_a_record_for_each_message_of_a_domain_with_a_policy() {
    let daemon = start("HistoryFile @/history\nRejectFailures true\nHoldQuarantinedMessages true\n");
    for domain in ["reject.example", "hold.example", "nobody.example", "none.example", "good.example"] {
        offer(&daemon, domain);
    }
    // Without a result for one domain, and ignored: none.
    stranger(&daemon).message("<a@good.example>", mail("a@good.example, b@none.example").as_bytes());
    from(&daemon, "127.0.0.1").message("<a@good.example>", mail("a@good.example").as_bytes());
    offer(&daemon, "sub.good.example");
    let mut records = history(&daemon, 5);
    let expected = [
        ("reject.example", "reject.example", "16", "0", "7", "5"),
        ("hold.example", "hold.example", "17", "4", "7", "5"),
        ("none.example", "none.example", "18", "2", "7", "5"),
        ("good.example", "good.example", "15", "2", "0", "4"),
        ("sub.good.example", "good.example", "16", "0", "6", "5"),
    ];
    assert_eq!(records.len(), expected.len());
    // Each came over a connection of its own, and is written down after its answer.
    records.sort_by_key(|record| expected.iter().position(|(from, ..)| value(record, "from") == [*from]));
    for (record, (from, policy_domain, policy, action, spf, aligned)) in records.iter().zip(expected) {
        for (key, expected) in [
            ("job", "4Q1"),
            ("reporter", "mx.example"),
            ("ipaddr", "198.51.100.7"),
            ("from", from),
            ("mfrom", from),
            ("pdomain", policy_domain),
            ("policy", policy),
            ("action", action),
            ("spf", spf),
            ("align_spf", aligned),
            ("align_dkim", "5"),
            ("pct", "100"),
        ] {
            assert_eq!(value(record, key), [expected], "{key}: {record:?}");
        }
    }
    assert_eq!(value(&records[3], "rua"), ["mailto:a@good.example", "mailto:b@good.example"]);
    assert_eq!(value(&records[1], "rua"), ["-"]);
}

#[test]
fn s3_4_the_policy_is_recorded_where_pct_spares_mail_and_what_is_refused_for_its_fields_is_not() {
    let lines = "RejectFailures yes\nPublicSuffixList @/suffixes\nRequiredHeaders yes\nHistoryFile @/history\n";
    let folder = folder(None, &format!("{OPENDMARC}{lines}"));
    let suffixes = "// ===BEGIN ICANN DOMAINS===\nexample\n// ===END ICANN DOMAINS===\n";
    std::fs::write(folder.path().join("suffixes"), suffixes).unwrap();
    let prepared = read(&folder, false).unwrap_or_else(|found| panic!("{found}"));
    let records = "_dmarc.spared.example IN TXT \"v=DMARC1; p=reject; pct=0\"\n";
    let resolver = Resolver::offline(zone(records), engine::BACKEND);
    let daemon = Daemon::serve(folder, Setup { rules: Arc::clone(&prepared.setup.rules), resolver });
    let answer = stranger(&daemon).message("<a@spared.example>", b"From: a@spared.example\r\n\r\nHello\r\n");
    assert_eq!(reply(&answer), "550 5.7.1 not exactly one Date field");
    assert_eq!(word(&offer(&daemon, "spared.example"), "dmarc").as_deref(), Some("fail"));
    let records = history(&daemon, 1);
    assert_eq!(records.len(), 1);
    for (key, expected) in [("policy", "16"), ("pct", "0"), ("p", "114"), ("action", "2")] {
        assert_eq!(value(&records[0], key), [expected], "{key}");
    }
}

#[test]
fn s3_4_signatures_the_null_sender_and_all_messages() {
    let daemon = start("HistoryFile @/history\nRecordAllMessages yes\n");
    stranger(&daemon).message("<>", mail("a@nobody.example").as_bytes());
    let broken = "DKIM-Signature: v=1; a=rsa-sha256; d=Elsewhere.example; s=s1; h=from; bh=AAAA; b=AAAA\r\n";
    stranger(&daemon).message("<A@Other.example>", format!("{broken}{}", mail("a@nobody.example")).as_bytes());
    let records = history(&daemon, 2);
    assert_eq!((value(&records[0], "mfrom"), value(&records[0], "policy")), (vec![""], vec!["14"]));
    assert_eq!((value(&records[0], "p"), value(&records[0], "pdomain")), (vec!["0"], vec!["nobody.example"]));
    assert_eq!(value(&records[1], "mfrom"), ["other.example"]);
    let signatures = value(&records[1], "dkim");
    assert!(signatures.len() == 1 && signatures[0].starts_with("elsewhere.example s1 "), "{signatures:?}");
}

#[test]
fn s3_1_mail_to_some_recipients_is_not_recorded() {
    let daemon = start("HistoryFile @/history\nIgnoreMailTo reports@example.net, TO@example.NET\n");
    offer(&daemon, "good.example");
    let mut mta = stranger(&daemon);
    mta.step(|session, out| session.mail(b"<a@none.example>", &[], out));
    mta.step(|session, out| session.rcpt(b"<other@example.net>", &[], out));
    mta.step(milter_proto::MtaSession::data);
    mta.content(mail("a@none.example").as_bytes(), 100);
    let records = history(&daemon, 1);
    assert_eq!((records.len(), value(&records[0], "from")), (1, vec!["none.example"]));
}

#[test]
fn s3_4_mail_goes_on_while_the_history_cannot_be_written() {
    let daemon = start("HistoryFile @/none/history\n");
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(word(&offer(&daemon, "good.example"), "dmarc").as_deref(), Some("pass"));
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    let setup = daemon.handle.setup();
    let history = setup.rules.opendmarc().unwrap().history().unwrap();
    assert!(!history.finish(Duration::from_secs(5)));
    std::fs::create_dir(daemon.folder.path().join("none")).unwrap();
    while !history.finish(Duration::from_secs(5)) {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = std::fs::read_to_string(daemon.folder.path().join("none/history")).unwrap();
    assert_eq!((records(&text).len(), history.lost()), (20, 0));
}
