//! `postseal replay`: stored mail through a proposed policy; zone files in place of the DNS.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{err, json, out, postseal};

const ZONE: &str = "\
    good.example. TXT \"v=spf1 ip4:192.0.2.0/24 -all\"\n_dmarc.good.example. TXT \"v=DMARC1; p=reject\"\n\
    soft.example. TXT \"v=spf1 -all\"\n_dmarc.soft.example. TXT \"v=DMARC1; p=quarantine\"\n\
    none.example. TXT \"v=spf1 -all\"\n_dmarc.none.example. TXT \"v=DMARC1; p=none\"\n\
    down.example. SERVFAIL\n_dmarc.down.example. SERVFAIL\n";

/// A message as Postfix and a mail store leave it.
fn delivered(client: &str, from: &str, more: &str) -> String {
    format!(
        "Return-Path: <jo@{from}>\nReceived: from mail.{from} (mail.{from} [{client}])\n\tby mx.example.net (Postfix) with ESMTPS id 1\n\
         \tfor <ann@example.net>; Mon, 23 Nov 2026 12:00:00 +0000 (UTC)\n{more}From: Jo <jo@{from}>\nTo: ann@example.net\nSubject: x\n\nHello\n"
    )
}

/// A folder with a zone, policies, and a Maildir with these messages.
fn folder(messages: &[(&str, String)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("zone.txt", ZONE);
    write("reject.toml", "[dmarc]\nmode = \"reject\"\n");
    write("quarantine.toml", "[dmarc]\nmode = \"quarantine\"\n");
    write("tag.toml", "[dmarc]\nmode = \"tag\"\n");
    for name in ["mail/cur", "mail/new", "mail/tmp"] {
        fs::create_dir_all(folder.path().join(name)).unwrap();
    }
    for (name, text) in messages {
        write(&format!("mail/{name}"), text);
    }
    folder
}

fn replay(folder: &Path, path: &str, more: &[&str], code: i32) -> Value {
    let arguments = [&["replay", path, "--policy", "reject.toml", "--zone", "zone.txt", "--json"], more].concat();
    json(&postseal(folder, &arguments), code)
}

fn usual() -> TempDir {
    folder(&[
        ("cur/1:2,S", delivered("192.0.2.1", "good.example", "")),
        ("cur/2:2,S", delivered("198.51.100.7", "good.example", "")),
        ("new/3", delivered("198.51.100.9", "good.example", "")),
        (".Lists/cur/4", delivered("198.51.100.7", "good.example", "List-Id: <l.example>\n")),
        (".Lists/new/5", delivered("2001:db8::7", "soft.example", "")),
        ("new/6", delivered("203.0.113.1", "none.example", "")),
        ("cur/7", delivered("203.0.113.1", "nowhere.example", "")),
    ])
}

#[test]
fn who_would_be_hit_is_told_by_author_domain_and_source() {
    let folder = usual();
    let report = replay(folder.path(), "mail", &[], 1);
    assert_eq!((&report["messages"], &report["judged"], &report["hit"]), (&7.into(), &7.into(), &4.into()));
    assert_eq!(report["actions"], json!({ "nothing": 3, "quarantine": 2, "reject": 2 }));
    assert_eq!(report["dmarc"], json!({ "fail": 5, "none": 1, "pass": 1 }));
    let groups: Vec<_> = report["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            (
                group["author"].as_str().unwrap(),
                group["network"].as_str().unwrap(),
                group["list_sign"].as_str(),
                group["actions"].clone(),
            )
        })
        .collect();
    assert_eq!(
        groups,
        [
            ("good.example", "198.51.100.0/24", None, json!({ "reject": 2 })),
            ("good.example", "198.51.100.0/24", Some("List-Id"), json!({ "quarantine": 1 })),
            ("soft.example", "2001:db8::/64", None, json!({ "quarantine": 1 })),
        ]
    );
    assert_eq!(report["groups"][0]["clients"], json!(["198.51.100.7", "198.51.100.9"]));
    assert_eq!(report["groups"][0]["examples"], json!(["mail/cur/2:2,S", "mail/new/3"]));
    let text = out(&postseal(folder.path(), &["replay", "mail", "--policy", "reject.toml", "--zone", "zone.txt"]), 1);
    for part in [
        "7 messages: 7 judged, 0 of our own\n  DMARC: fail 5, none 1, pass 1\n",
        "  in place of nothing (doing nothing): reject 2\n",
        "Would be hit: 4 messages, by author domain and source\n  good.example from 198.51.100.0/24: 2 (reject 2)\n",
        "  good.example from 198.51.100.0/24: 1 (quarantine 1), mailing list (List-Id)\n",
        "note: the DNS was asked today",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // However many at once.
    for jobs in ["1", "64"] {
        assert_eq!(replay(folder.path(), "mail", &["--jobs", jobs], 1), report);
    }
}

#[test]
fn what_changes_against_the_present_policy_is_told() {
    let folder = usual();
    let report = replay(folder.path(), "mail", &["--against", "quarantine.toml"], 1);
    assert_eq!(report["changes"], json!([{ "present": "quarantine", "proposed": "reject", "messages": 2 }]));
    assert_eq!(report["groups"][1]["changed"], 0);
    let same = replay(folder.path(), "mail", &["--against", "reject.toml"], 1);
    assert_eq!(same["changes"], json!([]));
    let milder = ["replay", "mail", "--policy", "tag.toml", "--against", "reject.toml", "--zone", "zone.txt", "--json"];
    let report = json(&postseal(folder.path(), &milder), 1);
    assert_eq!(report["actions"], json!({ "nothing": 3, "tag": 4 }));
    assert_eq!(report["changes"].as_array().unwrap().len(), 2);
}

#[test]
fn nobody_hit_is_a_success_and_a_dns_that_does_not_answer_is_told_apart() {
    let good = folder(&[("cur/1", delivered("192.0.2.1", "good.example", ""))]);
    assert_eq!(replay(good.path(), "mail", &[], 0)["hit"], 0);
    let text = out(&postseal(good.path(), &["replay", "mail", "--policy", "reject.toml", "--zone", "zone.txt"]), 0);
    assert!(text.contains("Nobody would be hit.\n"), "{text}");
    assert_eq!(replay(folder(&[]).path(), "mail", &[], 1)["messages"], 0);
    let down = folder(&[("cur/1", delivered("192.0.2.1", "down.example", ""))]);
    assert_eq!(replay(down.path(), "mail", &[], 2)["dmarc"], json!({ "temperror": 1 }));
    fs::write(down.path().join("reject.toml"), "[dmarc]\nmode = \"reject\"\non_temperror = \"tempfail\"\n").unwrap();
    let report = replay(down.path(), "mail", &[], 2);
    assert_eq!((&report["put_off"], &report["hit"]), (&1.into(), &0.into()));
}

#[test]
fn what_stored_mail_does_not_tell_is_counted() {
    let forged = "From: Jo <jo@good.example>\nSubject: x\n\nHello\n";
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=good.example; s=gone; h=from; \
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=abcd\n";
    let folder = folder(&[
        ("cur/1", forged.to_owned()),
        ("cur/2", format!("Return-Path: <jo@good.example>\n{forged}")),
        ("cur/3", delivered("198.51.100.7", "good.example", signature)),
        ("cur/4", delivered("198.51.100.7", "good.example", "").replace("ESMTPS", "ESMTPSA")),
        ("cur/5", "\u{0}\u{1}garbage\nwithout a header".to_owned()),
        ("cur/6", String::new()),
    ]);
    let report = replay(folder.path(), "mail", &[], 1);
    assert_eq!((&report["messages"], &report["judged"], &report["own"]), (&6.into(), &3.into(), &1.into()));
    assert_eq!(report["unknown"], json!({ "client": 2, "sender": 1, "time": 0, "key_gone": 1 }));
    assert_eq!(report["skipped"]["no-message"]["count"], 2);
    let unknown = &report["groups"][0];
    assert_eq!((&unknown["network"], &unknown["without_spf"]), (&Value::Null, &2.into()));
    assert_eq!(report["groups"][1]["key_gone"], 1);
    let text = out(&postseal(folder.path(), &["replay", "mail", "--policy", "reject.toml", "--zone", "zone.txt"]), 1);
    for part in [
        "  good.example from an unknown client: 2 (reject 2)\n    without SPF: 2\n",
        "not known: 1 message with a signature whose key is not in the DNS any more: DKIM may have passed\n",
        "passed over (no-message): 2, such as mail/cur/5, mail/cur/6\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn mbox_files_single_files_and_folders_of_eml_are_read() {
    let folder = usual();
    let write = |name: &str, text: &str| {
        fs::create_dir_all(folder.path().join("eml/below")).unwrap();
        fs::write(folder.path().join(name), text).unwrap();
    };
    let bounce = delivered("198.51.100.7", "good.example", "").split_once('\n').unwrap().1.to_owned();
    let mbox = format!(
        "From jo@good.example Mon Nov 23 12:00:00 2026\n{}\nFrom MAILER-DAEMON Mon Nov 23 12:00:00 2026\n{}\n>From here\n",
        delivered("198.51.100.7", "good.example", ""),
        bounce
    );
    write("inbox", &mbox);
    let report = replay(folder.path(), "inbox", &[], 1);
    assert_eq!((&report["messages"], &report["hit"], &report["unknown"]["sender"]), (&2.into(), &2.into(), &0.into()));
    assert!(report["groups"][0]["examples"][1].as_str().unwrap().ends_with("inbox#2"));
    write("one.eml", &delivered("198.51.100.7", "good.example", "").replace('\n', "\r\n"));
    assert_eq!(replay(folder.path(), "one.eml", &[], 1)["hit"], 1);
    write("eml/1.eml", &delivered("198.51.100.7", "good.example", ""));
    write("eml/below/2.eml", &delivered("192.0.2.1", "good.example", ""));
    write("eml/3.txt", "no");
    let report = replay(folder.path(), "eml", &[], 1);
    assert_eq!((&report["messages"], &report["hit"]), (&2.into(), &1.into()));
}

#[test]
fn a_relay_of_ours_shows_the_client_outside_and_at_most_a_quarantine() {
    let hop = "Received: from mail.good.example (mail.good.example [198.51.100.7]) by gate.example.net (Postfix) with ESMTP id 9; Mon, 23 Nov 2026 11:59:00 +0000\n";
    let folder = folder(&[("cur/1", delivered("203.0.113.25", "good.example", hop))]);
    fs::write(folder.path().join("reject.toml"), "[dmarc]\nmode = \"reject\"\n[spf]\nrelays = [\"203.0.113.25\"]\n")
        .unwrap();
    let report = replay(folder.path(), "mail", &[], 1);
    assert_eq!(report["groups"][0]["network"], "198.51.100.0/24");
    assert_eq!(report["actions"], json!({ "quarantine": 1 }));
}

#[test]
fn links_and_huge_files_are_passed_over_and_told() {
    let folder = folder(&[("cur/1", delivered("192.0.2.1", "good.example", ""))]);
    let mail = folder.path().join("mail");
    symlink(&mail, mail.join("cur/loop")).unwrap();
    symlink("..", mail.join(".Loop")).unwrap();
    fs::File::create(mail.join("new/huge")).unwrap().set_len(1 << 40).unwrap();
    let report = replay(folder.path(), "mail", &[], 0);
    assert_eq!((&report["messages"], &report["skipped"]["symbolic-link"]["count"]), (&1.into(), &2.into()));
    assert_eq!(report["skipped"]["too-large"]["examples"], json!(["mail/new/huge"]));
    let separators = "From x Mon Nov 23 12:00:00 2026\n\n".repeat(20_000);
    fs::write(folder.path().join("endless.mbox"), separators).unwrap();
    // Nothing was judged, so nobody knows whether somebody would be hit.
    assert_eq!(replay(folder.path(), "endless.mbox", &[], 1)["skipped"]["no-message"]["count"], 20_000);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let text = out(&postseal(folder.path(), &["replay", "empty", "--policy", "reject.toml", "--zone", "zone.txt"]), 1);
    assert!(text.contains("No message was judged: nothing is known of the policy.\n"), "{text}");
}

#[test]
fn wrong_command_lines_and_configurations_have_their_exits() {
    let folder = usual();
    let run = |arguments: &[&str], code| err(&postseal(folder.path(), arguments), code);
    assert!(
        run(&["replay", "nowhere", "--policy", "reject.toml", "--zone", "zone.txt"], 64).contains("cannot be read")
    );
    assert!(run(&["replay", "mail"], 64).contains("--policy"));
    assert!(run(&["replay", "mail", "--policy", "reject.toml", "--jobs", "0"], 64).contains("from 1 to 64"));
    assert!(run(&["replay", "mail", "--policy", "missing.toml"], 78).contains("cannot read the file"));
    assert!(run(&["replay", "mail", "--policy", "reject.toml", "--zone", "missing.txt"], 78).contains("missing.txt"));
}
