//! A daemon that runs from the files of OpenDKIM and OpenDMARC, over a socket: what is answered at which step (§1.3), and what is added.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

#[allow(dead_code, reason = "each test program uses a part of it")]
#[path = "support/old.rs"]
mod old;

use std::path::Path;

use engine::start::{Openers, Request, Source, prepare};
use milter_proto::{Decision, MtaOptions};
use old::{at_end_of_headers, bad_signature, folder, from, inserted, mail, reply, start};
use support::Mta;
use tokio::runtime::Runtime;

/// The article's file in short: one key in tables, signing and verifying, both lists of hosts in one file.
const OPENDKIM: &str = "Syslog yes\nMode sv\nCanonicalization relaxed/simple\nOversignHeaders From\nUMask 002\nRequireSafeKeys no\n\
    Socket local:@/socket\nKeyTable @/KeyTable\nSigningTable refile:@/SigningTable\n\
    InternalHosts @/TrustedHosts\nExternalIgnoreList @/TrustedHosts\nLogWhy yes\nAuthservID mx.example\n";

const OPENDMARC: &str = "AuthservID mx.example\nSocket local:@/dmarc\nUMask 002\nRejectFailures true\nSyslog true\n";

#[test]
fn s1_3_mail_of_internal_hosts_is_signed_by_the_tables_and_of_others_verified() {
    let daemon = start(OPENDKIM, None, "");
    let answer = from(&daemon, "192.0.2.9").message("<a@example.com>", mail("a@example.com", "").as_bytes());
    let signatures = inserted(&answer, "DKIM-Signature");
    assert_eq!((signatures.len(), answer.edits.len()), (1, 1), "{:?}", answer.edits);
    assert_eq!(answer.decision, Some(Decision::Continue));
    assert!(signatures[0].contains("c=relaxed/simple; d=example.com; s=rsa"), "{signatures:?}");
    // The signature verifies, in a daemon of its own kind, and nothing but DKIM is judged without opendmarc.conf.
    let signed = format!("DKIM-Signature: {}\r\n{}", signatures[0], mail("a@example.com", ""));
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", signed.as_bytes());
    let results = inserted(&answer, "Authentication-Results");
    assert!(results.len() == 1 && results[0].starts_with("mx.example; dkim=pass "), "{:?}", answer.edits);
    assert!(!results[0].contains("spf=") && !results[0].contains("dmarc="), "{results:?}");
}

#[test]
fn s1_3_internal_mail_without_a_key_is_verified_like_that_of_others() {
    let daemon = start(OPENDKIM, None, "");
    let answer = from(&daemon, "192.0.2.9").message("<a@other.example>", mail("a@other.example", "").as_bytes());
    // OpenDKIM says nothing of unsigned mail, unless it is told to.
    assert_eq!(answer.edits, [""; 0]);
    let daemon = start(&format!("{OPENDKIM}AlwaysAddARHeader yes\n"), None, "");
    let answer = from(&daemon, "192.0.2.9").message("<a@other.example>", mail("a@other.example", "").as_bytes());
    assert_eq!(inserted(&answer, "Authentication-Results"), ["mx.example; dkim=none"]);
}

#[test]
fn s1_4_what_signatures_come_to_has_the_answer_that_the_options_name() {
    let unsigned = mail("a@other.example", "");
    let (bad, keyless) = (bad_signature("example.com"), bad_signature("nokey.example"));
    for (options, raw, expected) in [
        ("", &bad, "Some(Continue)"),
        ("On-BadSignature reject", &bad, "550 5.7.0 bad DKIM signature data"),
        ("On-BadSignature t", &bad, "451 4.7.0 bad DKIM signature data"),
        ("On-BadSignature discard", &bad, "Some(Discard)"),
        ("On-BadSignature reject", &keyless, "Some(Continue)"),
        ("On-KeyNotFound reject", &keyless, "550 5.7.0 DKIM key retrieval failed"),
        ("On-Default reject\nOn-KeyNotFound accept", &keyless, "Some(Continue)"),
        ("On-NoSignature reject", &unsigned, "550 5.7.0 no DKIM signature data"),
        ("On-NoSignature reject\nAlwaysAddARHeader yes", &unsigned, "Some(Continue)"),
        ("On-NoSignature reject", &bad, "Some(Continue)"),
    ] {
        let daemon = start(&format!("{OPENDKIM}{options}\n"), None, "");
        let answer = from(&daemon, "198.51.100.7").message("<a@other.example>", raw.as_bytes());
        assert_eq!(reply(&answer), expected, "{options}");
    }
    let daemon = start(&format!("{OPENDKIM}On-BadSignature quarantine\n"), None, "");
    let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", bad.as_bytes());
    assert!(answer.edits.contains(&"quarantine bad DKIM signature data".to_owned()), "{:?}", answer.edits);
    // Also where there is no field to add.
    let daemon = start(&format!("{OPENDKIM}On-NoSignature quarantine\n"), None, "");
    let answer = from(&daemon, "198.51.100.7").message("<a@other.example>", unsigned.as_bytes());
    assert_eq!(answer.edits, ["quarantine no DKIM signature data"]);
}

#[test]
fn s1_3_a_key_that_cannot_be_loaded_puts_its_mail_off_at_the_end_of_headers_and_no_other() {
    let daemon = start(OPENDKIM, None, "");
    let mut mta = from(&daemon, "192.0.2.9");
    assert_eq!(at_end_of_headers(&mut mta, &mail("a@example.net", "")), Some(Decision::TempFail));
    assert_eq!(at_end_of_headers(&mut mta, &mail("a@example.com", "")), Some(Decision::Continue));
}

#[test]
fn s1_3_what_is_left_alone_is_accepted_at_once_but_not_with_a_forged_field_in_it() {
    let daemon = start(&format!("{OPENDKIM}ExemptDomains exempt.example\n"), None, "");
    let mut mta = from(&daemon, "198.51.100.7");
    assert_eq!(at_end_of_headers(&mut mta, &mail("a@exempt.example", "")), Some(Decision::Accept));
    let forged = mail("a@exempt.example", "Authentication-Results: mx.example; dkim=pass\r\n");
    let answer = mta.message("<a@exempt.example>", forged.as_bytes());
    assert_eq!(answer.edits, ["delete Authentication-Results 1"]);
    assert_eq!(answer.decision, Some(Decision::Continue));
}

#[test]
fn s1_3_peers_are_accepted_at_connect() {
    let daemon = start(&format!("{OPENDKIM}PeerList 203.0.113.0/24\n"), None, "");
    let mut mta = daemon.connect(MtaOptions::default());
    let peer = |address: &'static [u8]| milter_proto::Peer::Inet { address, port: 4711 };
    let answer = mta.step(|session, out| session.connect(b"peer.example", peer(b"203.0.113.9"), out));
    assert_eq!(answer.decision, Some(Decision::Accept));
    let mut mta = daemon.connect(MtaOptions::default());
    let answer = mta.step(|session, out| session.connect(b"other.example", peer(b"198.51.100.7"), out));
    assert_eq!(answer.decision, Some(Decision::Continue));
}

#[test]
fn with_both_files_one_socket_does_all_and_the_other_takes_part_in_nothing() {
    let records = "_dmarc.bank.example IN TXT \"v=DMARC1; p=reject\"\nbank.example IN TXT \"v=spf1 -all\"\n";
    let daemon = start(OPENDKIM, Some(OPENDMARC), records);
    let forged = mail("a@bank.example", "Authentication-Results: mx.example; spf=pass smtp.mailfrom=bank.example\r\n");
    let answer = from(&daemon, "198.51.100.7").message("<a@bank.example>", forged.as_bytes());
    let Some(Decision::ReplyCode(code)) = &answer.decision else { panic!("{answer:?}") };
    assert!(code.to_smtp().starts_with("550 5.7.1 "), "{}", code.to_smtp());
    // What is signed is not judged, and the second socket accepts at once.
    let answer = from(&daemon, "192.0.2.9").message("<a@example.com>", mail("a@example.com", "").as_bytes());
    assert_eq!(answer.decision, Some(Decision::Continue));
    let second = std::os::unix::net::UnixStream::connect(daemon.folder.path().join("dmarc")).unwrap();
    let mut mta = Mta::new(support::Stream::Unix(second), MtaOptions::default());
    let peer = milter_proto::Peer::Inet { address: b"198.51.100.7", port: 4711 };
    let answer = mta.step(|session, out| session.connect(b"x.example", peer, out));
    assert_eq!((answer.decision, answer.edits.len()), (Some(Decision::Accept), 0));
}

#[test]
fn findings_name_file_and_line_and_come_from_both_files() {
    let folder = folder("Mode sx\nKeyTable @/KeyTable\n", Some("RejectFailures maybe\n"));
    let path = |name: &str| Some(folder.path().join(name));
    let source = Source::OldFiles {
        opendkim: path("opendkim.conf"),
        opendmarc: path("opendmarc.conf"),
        lines: String::new(),
        socket: None,
        state_dir: Path::new("state").to_owned(),
        opener: Openers::default(),
    };
    let runtime = Runtime::new().unwrap();
    let found = runtime.block_on(async { prepare(&Request::new(source), None) }).unwrap_err().to_string();
    for part in ["opendkim.conf:1", "opendmarc.conf:1", "KeyTable requires either SigningTable"] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[test]
fn s1_2_fields_that_must_be_signed_and_results_of_further_hosts() {
    let options = "MustBeSigned X-Important\nRemoveARFrom other.example,third.example\n";
    let daemon = start(&format!("{OPENDKIM}{options}"), None, "");
    let answer = from(&daemon, "192.0.2.9").message("<a@example.com>", mail("a@example.com", "").as_bytes());
    let signature = inserted(&answer, "DKIM-Signature")[0].to_owned();
    for (more, result) in [("", "dkim=pass"), ("X-Important: yes\r\n", "dkim=policy")] {
        let raw = format!("DKIM-Signature: {signature}\r\n{more}{}", mail("a@example.com", ""));
        let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", raw.as_bytes());
        let results = inserted(&answer, "Authentication-Results");
        assert!(results.len() == 1 && results[0].starts_with(&format!("mx.example; {result} ")), "{results:?}");
    }
    let forged = ["other.example", "mx.example", "kept.example"]
        .map(|id| format!("Authentication-Results: {id}; dkim=pass\r\n"));
    let raw = mail("a@foreign.example", &forged.concat());
    let answer = from(&daemon, "198.51.100.7").message("<a@foreign.example>", raw.as_bytes());
    let mut deleted = answer.edits.clone();
    deleted.sort();
    assert_eq!(deleted, ["delete Authentication-Results 1", "delete Authentication-Results 2"]);
}

#[test]
fn s1_2_test_public_keys_are_the_only_keys_there_are() {
    let zone = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/zone.txt")).unwrap();
    let line = zone.lines().find(|line| line.starts_with("rsa._domainkey.example.com.")).unwrap();
    let key: String = line.split('"').skip(1).step_by(2).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, format!("# keys\nrsa._domainkey.example.com {key}\n")).unwrap();
    let daemon = start(&format!("{OPENDKIM}TestPublicKeys {}\n", file.display()), None, "as configured");
    let answer = from(&daemon, "192.0.2.9").message("<a@example.com>", mail("a@example.com", "").as_bytes());
    let signed = format!("DKIM-Signature: {}\r\n{}", inserted(&answer, "DKIM-Signature")[0], mail("a@example.com", ""));
    for (raw, result) in
        [(signed, "dkim=pass "), (bad_signature("nokey.example"), "dkim=fail reason=\"key not found in DNS\" ")]
    {
        let answer = from(&daemon, "198.51.100.7").message("<a@example.com>", raw.as_bytes());
        let results = inserted(&answer, "Authentication-Results");
        assert!(results[0].starts_with(&format!("mx.example; {result}")), "{results:?}");
    }
}
