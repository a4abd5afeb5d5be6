//! `postseal explain FILE`: the tree of one message, by the code path of the daemon; zone files in place of the DNS.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::journal::Record;
use engine::journal::record::{Dkim, Dmarc, Identity, Published, Reason, Spf};
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{err, json, open_journal, out, postseal, postseal_fed};

const MESSAGE: &str =
    "From: Ann <ann@mail.example.com>\r\nTo: Bob <bob@example.net>\r\nSubject: Lunch\r\n\r\nAt noon?\r\n";

/// A folder with keys of example.com, a zone with its records, and `signed.eml`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    out(&postseal(folder.path(), &["key", "new", "example.com"]), 0);
    let keys = out(&postseal(folder.path(), &["dns", "show", "example.com"]), 0);
    let more = "\
        example.com. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n\
        mail.example.com. TXT \"v=spf1 include:example.com -all\"\n\
        mx.example.com. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n\
        _dmarc.example.com. TXT \"v=DMARC1; p=reject; sp=quarantine\"\n\
        down.example. SERVFAIL\n_dmarc.down.example. SERVFAIL\n";
    fs::write(folder.path().join("zone.txt"), format!("{keys}{more}")).unwrap();
    fs::write(folder.path().join("mail.eml"), MESSAGE).unwrap();
    let signed = out(&postseal(folder.path(), &["sign", "mail.eml"]), 0);
    fs::write(folder.path().join("signed.eml"), signed).unwrap();
    folder
}

const OWN: [&str; 6] = ["--ip", "192.0.2.1", "--helo", "mx.example.com", "--from", "ann@mail.example.com"];
const LIST: [&str; 6] = ["--ip", "198.51.100.7", "--helo", "list.example", "--from", "<bounce@list.example>"];

fn explain(folder: &Path, file: &str, more: &[&str], code: i32) -> String {
    out(&postseal(folder, &[&["explain", file, "--zone", "zone.txt"], more].concat()), code)
}

fn explained(folder: &Path, file: &str, more: &[&str], code: i32) -> Value {
    json(&postseal(folder, &[&["explain", file, "--zone", "zone.txt", "--json"], more].concat()), code)
}

/// `signed.eml` with one text in place of another, under another name.
fn altered(folder: &Path, from: &str, to: &str) -> &'static str {
    let signed = fs::read_to_string(folder.join("signed.eml")).unwrap();
    assert_eq!(signed.matches(from).count(), 1, "{from}");
    fs::write(folder.join("altered.eml"), signed.replace(from, to)).unwrap();
    "altered.eml"
}

#[test]
fn the_tree_has_every_step_from_the_client_to_the_fields() {
    let folder = folder();
    let text = explain(folder.path(), "signed.eml", &OWN, 0);
    for part in [
        "Message from 192.0.2.1 (HELO mx.example.com), MAIL FROM <ann@mail.example.com>\n",
        "Origin: inbound (client-not-trusted)\n",
        "  MAIL FROM (mail.example.com): pass: matched include:example.com\n",
        "    include:example.com: matched\n      example.com TXT: \"v=spf1 ip4:192.0.2.1 -all\"\n      ip4:192.0.2.1: matched\n",
        "  HELO (mx.example.com): pass: matched ip4:192.0.2.1\n",
        "DKIM: pass\n  pass (signature is good) d=example.com s=",
        "DMARC: pass: an aligned identifier passed\n  author domain: mail.example.com\n",
        "  _dmarc.mail.example.com TXT: not in the zone file",
        "  _dmarc.example.com TXT: \"v=DMARC1; p=reject; sp=quarantine\"\n",
        "  policy: sp=quarantine, from example.com (organizational domain)\n",
        "  MAIL FROM mail.example.com: pass, aligned: the same domain (relaxed)\n",
        "  DKIM d=example.com: pass, aligned: the same organizational domain (relaxed)\n",
        "Policy: none asked for, observe done\n",
        "Action: accept\n  adds Authentication-Results: localhost;\n",
        "dmarc=pass header.from=mail.example.com policy.dmarc=quarantine\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let value = explained(folder.path(), "signed.eml", &OWN, 0);
    assert_eq!((&value["dkim"], &value["dmarc"]["policy"]["tag"]), (&"pass".into(), &"sp".into()));
    assert_eq!(value["spf"]["identities"][0]["result"], "pass");
    assert_eq!(value["answer"]["action"], "accept");
    assert_eq!(value["signatures"][0]["diagnosis"], Value::Null);
}

#[test]
fn dkim_failures_are_told_apart() {
    let folder = folder();
    let about = |file: &str| {
        let value = explained(folder.path(), file, &LIST, 1);
        let diagnosis = &value["signatures"][0]["diagnosis"];
        let word = |name: &str| diagnosis[name].as_str().unwrap_or("none").to_owned();
        (word("body"), word("header"))
    };
    let is = |body: &str, header: &str| (body.to_owned(), header.to_owned());
    let file = altered(folder.path(), "At noon?\r\n", "At noon?\r\n-- \r\nThe list\r\n");
    assert_eq!(about(file), is("appended", "intact"));
    let text = explain(folder.path(), file, &LIST, 1);
    assert!(text.contains("body: would match without its last 15 octets (lines: 2), as with l=10: a footer"), "{text}");
    assert_eq!(about(altered(folder.path(), "Subject: Lunch", "Subject: [list] Lunch")), is("intact", "subject-tag"));
    assert_eq!(about(altered(folder.path(), "noon", "ten")), is("changed", "intact"));
    let file = altered(folder.path(), "Subject: Lunch\r\n", "Subject: Lunch\r\nReply-To: list@list.example\r\n");
    let text = explain(folder.path(), file, &LIST, 1);
    assert!(text.contains("header: would verify without the field Reply-To (number 6 of the header)"), "{text}");
    let file = altered(folder.path(), "To: Bob <bob@example.net>\r\n", "");
    let text = explain(folder.path(), file, &LIST, 1);
    assert!(text.to_ascii_lowercase().contains("    to: 2 signed, 0 there (removed, or signed as absent)\n"), "{text}");
    // A key that is gone is told as it is.
    fs::write(folder.path().join("nokey.txt"), "_dmarc.example.com. TXT \"v=DMARC1; p=none\"\n").unwrap();
    let arguments = [&["explain", "signed.eml", "--zone", "nokey.txt"], &LIST[..]].concat();
    assert!(out(&postseal(folder.path(), &arguments), 1).contains("  permerror (no key for signature) d=example.com"));
}

#[test]
fn m6_policy_overrides_caps_and_reply_are_those_of_the_configuration() {
    let folder = folder();
    fs::write(
        folder.path().join("c.toml"),
        "authserv_id = \"mx.example.net\"\n[dmarc]\nmode = \"reject\"\nmailing_lists = \"tag\"\n\
         [[dmarc.override]]\nsender = [\"mail.example.com\"]\nrecipient = [\"vip.example\"]\npolicy = \"reject\"\nreason = \"impersonated\"\n",
    )
    .unwrap();
    let config = ["--config", "c.toml"];
    let file = altered(folder.path(), "noon", "ten");
    let value = explained(folder.path(), file, &[&LIST[..], &config].concat(), 1);
    assert_eq!(
        (&value["answer"]["action"], &value["dmarc"]["done"]["done"]),
        (&"quarantine".into(), &"quarantine".into())
    );
    let to_vip = [&LIST[..], &config, &["--rcpt", "ann@vip.example"]].concat();
    let text = explain(folder.path(), file, &to_vip, 1);
    assert!(
        text.contains("Policy: reject asked for, reject done\n  local_policy: impersonated\nAction: reject (dmarc)\n"),
        "{text}"
    );
    assert!(text.contains("  reply: 550 5.7.26 Email rejected per DMARC policy for mail.example.com\n"), "{text}");
    assert!(
        text.contains("\nnote: every author domain is taken as known: there is no journal in ")
            && text.contains("; if the author domain is not known, at most quarantine is done\n"),
        "{text}"
    );
    let both = [&to_vip[..], &["--rcpt", "bob@other.example"]].concat();
    assert_eq!(explained(folder.path(), file, &both, 1)["answer"]["action"], "quarantine", "the mildest of both");
    let file =
        altered(folder.path(), "Subject: Lunch", "List-Id: <l.example>\r\nX-Postseal-DMARC: forged\r\nSubject: Dinner");
    let text = explain(folder.path(), file, &to_vip, 1);
    for part in [
        "mailing_list: List-Id field",
        "adds X-Postseal-DMARC: reject (dmarc=fail",
        "removes X-Postseal-DMARC 1\n",
        "Action: accept\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let trusted = folder.path().join("own.toml");
    fs::write(trusted, "[trust]\nnetworks = [\"198.51.100.0/24\"]\n").unwrap();
    let arguments = [&LIST[..], &["--config", "own.toml"]].concat();
    let text = explain(folder.path(), "altered.eml", &arguments, 0);
    let expected = "Origin: relay (trusted-network): not judged\nSigning: none (no-domains)\nAction: accept\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn our_own_mail_is_not_signed_and_needs_no_key() {
    let folder = folder();
    let text = "[trust]\nnetworks = [\"198.51.100.0/24\"]\n[[domain]]\nname = \"example.com\"\nsubdomains = true\non_key_error = \"tempfail\"\n\
                keys = [{ selector = \"one\", file = \"absent.pem\" }, { selector = \"two\", file = \"absent-too.pem\" }]\n";
    fs::write(folder.path().join("own.toml"), text.replace("subdomains = true\n", "")).unwrap();
    let arguments = [&LIST[..], &["--config", "own.toml"]].concat();
    fs::write(folder.path().join("own.eml"), MESSAGE.replace("mail.example.com", "example.com")).unwrap();
    let told = explain(folder.path(), "own.eml", &arguments, 0);
    let expected = "Origin: relay (trusted-network): not judged\n\
        Signing: for example.com, with the keys one, two (nothing is signed here, and no key is read)\nAction: accept\n";
    assert!(told.contains(expected) && !told.contains("DKIM-Signature") && !told.contains("note:"), "{told}");
    let value = explained(folder.path(), "own.eml", &arguments, 0);
    assert_eq!(value["signing"]["selectors"], serde_json::json!(["one", "two"]));
    let told = explain(folder.path(), "mail.eml", &arguments, 0);
    assert!(told.contains("Signing: none (no-rule-for-author-domain): nearest rule: example.com\n"), "{told}");
}

/// Mail of example.com that passed and was accepted.
fn passes(count: u32) -> Vec<Record> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let record = |mark: u32| Record {
        at: u64::try_from(now).unwrap() - 60_000,
        action: "accept".to_owned(),
        dmarc: Some(Dmarc {
            result: "pass".to_owned(),
            counts_for: "example.com".to_owned(),
            mark: Some(mark),
            ..Dmarc::default()
        }),
        ..Record::default()
    };
    (0..count).map(record).collect()
}

#[test]
fn rfc9989_s7_4_known_domains_are_those_of_the_journal_and_steps_those_of_the_state_folder() {
    let folder = folder();
    let file = altered(folder.path(), "Ann <ann@mail.example.com>", "Ann <ann@example.com>");
    for instance in ["in", "out"] {
        fs::create_dir_all(folder.path().join("state").join(instance)).unwrap();
    }
    write_journal(&folder.path().join("state/in/journal"), passes(9));
    write_journal(&folder.path().join("state/out/journal"), passes(10));
    fs::write(folder.path().join("c.toml"), "state_dir = \"state\"\n[dmarc]\nmode = \"reject\"\n").unwrap();
    let config = |more: &[&'static str]| [&LIST[..], &["--config", "c.toml"], more].concat();
    let few = explain(folder.path(), file, &config(&["--instance", "in"]), 1);
    assert!(few.contains("fewer than 10 messages of the domain passed here\nAction: quarantine (dmarc)\n"), "{few}");
    assert!(
        few.contains("note: known domains are taken from the journal in ") && few.contains(": 9 messages passed\n")
    );
    let many = explain(folder.path(), file, &config(&["--instance", "out"]), 1);
    assert!(
        many.contains("Action: reject (dmarc)\n") && many.contains("state/out/journal: 10 messages passed\n"),
        "{many}"
    );
    let named = config(&["--journal", "state/in/journal"]);
    assert_eq!(explained(folder.path(), file, &named, 1)["answer"]["action"], "quarantine");
    // Without a journal, every domain is known.
    let assumed = explain(folder.path(), file, &config(&[]), 1);
    assert!(
        assumed.contains("Action: reject (dmarc)\n") && assumed.contains("note: every author domain is taken as known"),
        "{assumed}"
    );
    // While nothing is done, what full enforcement would do depends on it still.
    for (place, full, note) in [
        (&["--state", "state", "--instance", "in"][..], "quarantine", "state/in/journal: 9 messages passed"),
        (&["--state", "state", "--instance", "out"], "reject", "state/out/journal: 10 messages passed"),
        (&["--state", "state"], "reject", "if the author domain is not known, at most quarantine is done"),
    ] {
        let observed = explain(folder.path(), file, &[&LIST[..], place].concat(), 1);
        assert!(observed.contains("Policy: reject asked for, observe done\n"), "{observed}");
        assert!(observed.contains(&format!("  full enforcement: {full}\n")) && observed.contains(note), "{observed}");
    }
    // Where it makes no difference, nothing is said of it.
    fs::write(folder.path().join("all.toml"), "state_dir = \"state\"\n[dmarc]\nseldom_seen = \"reject\"\n").unwrap();
    let unasked = explain(folder.path(), file, &[&LIST[..], &["--config", "all.toml"]].concat(), 1);
    assert!(unasked.contains("full enforcement: reject\n") && !unasked.contains("note:"), "{unasked}");
    let ramp = ["enforce", "example.com", "--ramp", "--state", "state", "--instance", "in"];
    out(&postseal(folder.path(), &ramp), 0);
    let steps = fs::read_to_string(folder.path().join("state/in/enforcement.json")).unwrap();
    fs::write(folder.path().join("state/in/enforcement.json"), steps.replace("\"at\":0", "\"at\":4")).unwrap();
    let state = [&LIST[..], &["--state", "state", "--instance", "in"]].concat();
    assert_eq!(explained(folder.path(), file, &state, 1)["answer"]["action"], "quarantine");
}

#[test]
fn spf_that_refuses_at_rcpt_is_told_with_its_step() {
    let folder = folder();
    fs::write(folder.path().join("c.toml"), "[spf]\nreject = [\"mail.example.com\"]\n").unwrap();
    let arguments =
        ["--ip", "198.51.100.7", "--helo", "x.example", "--from", "ann@mail.example.com", "--config", "c.toml"];
    let text = explain(folder.path(), "signed.eml", &arguments, 1);
    for part in ["  policy: reject\n", "Refused at rcpt: ", "Action: reject (spf-fail)\n", "  reply: 550 5.7.23 SPF"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn what_the_dns_does_not_answer_is_an_exit_of_its_own() {
    let folder = folder();
    let mail = MESSAGE.replace("mail.example.com", "down.example");
    fs::write(folder.path().join("down.eml"), mail).unwrap();
    let text = explain(folder.path(), "down.eml", &LIST, 2);
    assert!(text.contains("DMARC: temperror: ") && text.contains("  _dmarc.down.example TXT: no answer\n"), "{text}");
    fs::write(folder.path().join("c.toml"), "[dmarc]\non_temperror = \"tempfail\"\n").unwrap();
    let text = explain(folder.path(), "down.eml", &[&LIST[..], &["--config", "c.toml"]].concat(), 2);
    assert!(text.contains("Action: tempfail (dmarc-temperror)\n  reply: 451 4.7.5 "), "{text}");
}

const ON_TOP: &str = "Return-Path: <ann@mail.example.com>\r\nDelivered-To: bob@example.net\r\n\
    Authentication-Results: localhost; dkim=pass\r\n\
    Received: from mx.example.com (mx.example.com [192.0.2.1])\r\n\tby mx.example.net (Postfix) with ESMTPS id 1;\r\n\
    \tWed, 24 Nov 2027 12:00:00 +0000 (UTC)\r\n";

#[test]
fn a_delivered_file_tells_who_gave_it_to_us_and_that_is_told() {
    let folder = folder();
    let signed = fs::read_to_string(folder.path().join("signed.eml")).unwrap();
    fs::write(folder.path().join("cur.eml"), format!("{ON_TOP}{signed}")).unwrap();
    let at = ["--at", "2027-11-24T12:00:00Z"];
    let text = explain(folder.path(), "cur.eml", &[], 0);
    for part in [
        "Message from 192.0.2.1 (HELO mx.example.com), MAIL FROM <ann@mail.example.com>\n  RCPT TO <bob@example.net>\n  at 2027-11-24T12:00:00Z\n",
        "  assumed: client: from the topmost Received field of an MTA\n  assumed: HELO: from the same field\n  assumed: MAIL FROM: from Return-Path\n",
        "DKIM: pass\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains("removes"), "our own result of then is no forgery: {text}");
    // The address of somebody else: what the field says is not about him, and the message is taken as it is.
    let text = explain(folder.path(), "cur.eml", &[&LIST[..], &at].concat(), 0);
    assert!(text.contains("  removes Authentication-Results 1\n") && !text.contains("assumed: client"), "{text}");
    let one = ["--ip", "203.0.113.1", "--from", "<>"];
    assert!(
        err(&postseal(folder.path(), &[&["explain", "cur.eml", "--zone", "zone.txt"], &one[..]].concat()), 64)
            .contains("`--helo`")
    );
}

#[test]
fn behind_a_relay_of_ours_the_client_outside_is_checked() {
    let folder = folder();
    fs::write(folder.path().join("c.toml"), "[spf]\nrelays = [\"203.0.113.25\"]\n").unwrap();
    let hop = "Received: from mx.example.com (mx.example.com [192.0.2.1]) by gate.example.net (Postfix) with ESMTP id 9; x\r\n";
    fs::write(folder.path().join("hop.eml"), format!("{hop}{MESSAGE}")).unwrap();
    let arguments = ["--ip", "203.0.113.25", "--helo", "gate", "--from", "ann@mail.example.com", "--config", "c.toml"];
    let text = explain(folder.path(), "hop.eml", &arguments, 0);
    let expected =
        "SPF\n  client: 192.0.2.1, from the Received field of a relay of ours\n  MAIL FROM (mail.example.com): pass";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn what_is_not_known_names_the_option() {
    let folder = folder();
    for (arguments, option) in
        [(&OWN[2..], "`--ip`"), (&[OWN[0], OWN[1], OWN[4], OWN[5]][..], "`--helo`"), (&OWN[..4], "`--from`")]
    {
        let text =
            err(&postseal(folder.path(), &[&["explain", "signed.eml", "--zone", "zone.txt"], arguments].concat()), 64);
        assert!(text.contains(option), "{text}");
    }
    let local = format!("Received: by mx.example.net (Postfix, from userid 0) id 1; x\r\n{MESSAGE}");
    fs::write(folder.path().join("local.eml"), local).unwrap();
    let text = err(&postseal(folder.path(), &["explain", "local.eml", "--zone", "zone.txt"]), 64);
    assert!(text.contains("Received field names no client"), "{text}");
}

#[test]
fn line_feeds_and_things_that_are_no_messages_are_told() {
    let folder = folder();
    let signed = fs::read_to_string(folder.path().join("signed.eml")).unwrap();
    fs::write(folder.path().join("unix.eml"), signed.replace("\r\n", "\n")).unwrap();
    for more in [&[][..], &["--crlf"]] {
        let text = explain(folder.path(), "unix.eml", &[&OWN[..], more].concat(), 0);
        let told = "  assumed: line ends: CRLF, in place of the line feeds of the file\n";
        assert!(text.contains("DKIM: pass\n") && text.contains(told), "{text}");
    }
    // A message that came with a bare line feed somewhere is taken as it is, unless one says otherwise.
    fs::write(folder.path().join("mixed.eml"), signed.replace("At noon?\r\n", "At noon?\n")).unwrap();
    let text = explain(folder.path(), "mixed.eml", &OWN, 0);
    assert!(!text.contains("assumed: line ends") && text.contains("try `--crlf`"), "{text}");
    assert!(explain(folder.path(), "mixed.eml", &[&OWN[..], &["--crlf"]].concat(), 0).contains("DKIM: pass\n"));
    let arguments = [&["explain", "-", "--zone", "zone.txt"], &OWN[..]].concat();
    let output = postseal_fed(folder.path(), &arguments, &[0xFF, 0, b'\n'].repeat(100));
    assert!(err(&output, 1).contains("this is not a message"));
    let output = postseal_fed(folder.path(), &arguments, signed.as_bytes());
    assert!(out(&output, 0).contains("DKIM: pass\n"));
    let missing = postseal(folder.path(), &["explain", "missing.eml"]);
    assert!(
        err(&missing, 66)
            .contains("there is no file missing.eml, and the journal in postseal-data/journal cannot be read")
    );
    // What strangers write does not reach the terminal as it came.
    fs::write(folder.path().join("odd.eml"), format!("From: \u{1b}[2J <a@\u{1b}>\r\n{MESSAGE}")).unwrap();
    let odd = ["--ip", "192.0.2.1", "--helo", "\u{1b}[2J", "--from", "\u{1b}[2J@x"];
    let text = explain(folder.path(), "odd.eml", &odd, 1);
    assert!(
        !text.contains('\u{1b}') && text.contains("DMARC: permerror: several From fields\n  author domain: none\n"),
        "{text}"
    );
}

/// Writes records into the journal of a folder, as the daemon does.
fn write_journal(folder: &Path, records: Vec<Record>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let thread = open_journal(folder);
        for record in records {
            thread.journal().append(record).await;
        }
        assert!(thread.finish(Duration::from_secs(10)));
    });
}

fn rejected() -> Record {
    let identity = |domain: &str, result: &str| Identity { domain: domain.to_owned(), result: result.to_owned() };
    Record {
        at: 1_795_521_600_000,
        queue_id: "4XyZ12".to_owned(),
        listener: "inet:127.0.0.1:8891".to_owned(),
        origin: "inbound".to_owned(),
        client: Some("198.51.100.7".parse().unwrap()),
        helo: "\u{1b}[2J".to_owned(),
        mail_from: "list.example".to_owned(),
        rcpt_to: vec!["example.net".to_owned()],
        recipients: 2,
        header_from: vec!["mail.example.com".to_owned()],
        spf: Some(Spf { mail_from: identity("list.example", "pass"), helo: identity("mx.list.example", "none") }),
        dkim: vec![Dkim {
            domain: "example.com".to_owned(),
            selector: "sel".to_owned(),
            result: "fail".to_owned(),
            cause: Some("body hash did not verify".to_owned()),
        }],
        dmarc: Some(Dmarc {
            result: "fail".to_owned(),
            published: Some(Published {
                domain: "example.com".to_owned(),
                discovery_method: "treewalk".to_owned(),
                p: "reject".to_owned(),
                sp: Some("quarantine".to_owned()),
                adkim: "r".to_owned(),
                aspf: "s".to_owned(),
                ..Published::default()
            }),
            requested: "quarantine".to_owned(),
            disposition: "none".to_owned(),
            would: Some("quarantine".to_owned()),
            reasons: vec![Reason { kind: "local_policy".to_owned(), comment: Some("mode observe".to_owned()) }],
            ..Dmarc::default()
        }),
        action: "accept".to_owned(),
        ..Record::default()
    }
}

#[test]
fn a_queue_id_is_looked_up_in_the_journal() {
    let folder = folder();
    let passed = Record { queue_id: "4XyZ13".to_owned(), action: "accept".to_owned(), ..Record::default() };
    let put_off = Record { queue_id: "4XyZ14".to_owned(), action: "tempfail".to_owned(), ..Record::default() };
    let journal = folder.path().join("state/journal");
    fs::create_dir_all(journal.parent().unwrap()).unwrap();
    write_journal(&journal, vec![passed.clone(), rejected(), put_off, passed]);
    let look = |more: &[&str], code: i32| out(&postseal(folder.path(), &[&["explain"], more].concat()), code);
    let text = look(&["4XyZ12", "--journal", "state/journal"], 1);
    let expected = "\
Message 4XyZ12 from 198.51.100.7 (HELO \\x1b[2J), MAIL FROM list.example
  at 2026-11-24T12:00:00.000Z, in 0 ms
  2 recipients: example.net
Origin: inbound (listener inet:127.0.0.1:8891)
SPF
  MAIL FROM (list.example): pass
  HELO (mx.list.example): none
DKIM: 1 signature
  fail d=example.com s=sel (body hash did not verify)
Author domain: mail.example.com
DMARC: fail
  MAIL FROM: no aligned pass; DKIM: no aligned pass
  policy of example.com: p=reject sp=quarantine adkim=r aspf=s (treewalk)
Policy: quarantine asked for, none done
  full enforcement: quarantine
  local_policy: mode observe
Action: accept
";
    assert_eq!(text, expected);
    fs::write(folder.path().join("c.toml"), "state_dir = \"state\"\n").unwrap();
    let text = look(&["4XyZ13", "--config", "c.toml"], 0);
    assert_eq!(text.matches("Message 4XyZ13 from no address").count(), 2, "{text}");
    look(&["4XyZ14", "--config", "c.toml"], 2);
    let arguments = ["explain", "4XyZ12", "--config", "c.toml", "--json"];
    assert_eq!(json(&postseal(folder.path(), &arguments), 1)[0]["dmarc"]["published"]["sp"], "quarantine");
    let missing = err(&postseal(folder.path(), &["explain", "4XyZ99", "--config", "c.toml"]), 66);
    assert!(missing.contains("no record of this queue id in"), "{missing}");
    // What is a file is one, whatever its name.
    fs::copy(folder.path().join("signed.eml"), folder.path().join("4XyZ12")).unwrap();
    assert!(explain(folder.path(), "4XyZ12", &OWN, 0).contains("DKIM: pass\n"));
}
