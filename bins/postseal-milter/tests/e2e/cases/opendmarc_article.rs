//! The history that the host of the articles writes, beside what Debian's OpenDMARC writes of the same message with the same `opendmarc.conf`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::opendmarc_history::{opendmarc_with, record};
use crate::mails;
use crate::signer;
use crate::site::article::{Article, status};
use crate::site::{DOMAIN, mail};
use crate::smtp::Smtp;

const OUTSIDE: &str = "ADDR=192.0.2.10 PORT=40000 NAME=out.example HELO=out.example";

/// What strangers publish.
fn records() -> Vec<(String, String)> {
    let key = signer::published(&["s._domainkey.signed.example"]);
    let (_, text) = key.trim().split_once(" TXT ").unwrap();
    [
        ("_dmarc.bank.example", "v=DMARC1; p=reject; rua=mailto:reports@bank.example"),
        ("_dmarc.hold.example", "v=DMARC1; p=quarantine; sp=none"),
        ("_dmarc.signed.example", "v=DMARC1; p=reject"),
        ("s._domainkey.signed.example", text.trim_matches('"')),
        ("author.example", "v=spf1 -all"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .to_vec()
}

/// The record without its line about SPF, which is to be this one.
fn without_spf(mut record: Vec<(String, Vec<String>)>, code: &str) -> Vec<(String, Vec<String>)> {
    let at = record.iter().position(|(key, _)| key == "spf").unwrap();
    assert_eq!(record.remove(at).1, [code]);
    record
}

#[test]
fn s3_4_the_history_of_the_article_is_that_of_opendmarc() {
    let site = Article::start(&records());
    let work = site.host.path("theirs");
    fs::create_dir(&work).unwrap();
    let data = site.host.zone.iter().fold(String::new(), |text, (name, value)| text + name + " " + value + "\n");
    fs::write(work.join("data"), data).unwrap();
    let send = |client: &str, message: &[u8]| {
        let reply = Smtp::connect_as(site.postfix.inbound, client).send(&mail("", message));
        assert_eq!(reply.code, 250, "{reply:?}");
        site.postfix.mailbox.next()
    };
    let history = site.host.path("run/opendmarc.dat");
    // Neither leaves a record: mail of our own, and of strangers who claim to be us (`IgnoreMailFrom`); nor does a domain without a policy.
    send("ADDR=127.0.0.1 PORT=40000 NAME=localhost HELO=localhost", &mails::plain("own"));
    send(OUTSIDE, &mails::plain("claims"));
    send(OUTSIDE, &mails::from("nobody.example"));
    let judged = [
        mails::from("bank.example"),
        mails::from("hold.example"),
        signer::sign("signed.example", &mails::from("signed.example")),
    ];
    for (index, message) in judged.iter().enumerate() {
        let received = send(OUTSIDE, message);
        let results = received.only("Authentication-Results");
        // As the message came, with our results on top: OpenDMARC takes them from there.
        let theirs = [b"Authentication-Results:", results.as_bytes(), b"\r\n", message.as_slice()].concat();
        let lines = "AuthservID HOSTNAME\nTrustedAuthservIDs HOSTNAME\nRejectFailures false\n";
        opendmarc_with(&work, &theirs, lines, &format!("sender@{DOMAIN}"));
        let (ours, theirs) = (record(&history, index), record(&work.join("theirs"), index));
        // SPF fails, and we say so (7). Of results in a field OpenDMARC takes `pass` alone: with any other it writes 6, as if there were none.
        let (ours, theirs) = (without_spf(ours, "7"), without_spf(theirs, "6"));
        assert_eq!(ours, theirs, "{results}");
    }
    let text = fs::read_to_string(&history).unwrap();
    assert_eq!(text.matches("job ").count(), judged.len(), "{text}");
    let file = fs::metadata(&history).unwrap();
    let owner = status(site.host.daemon().unwrap(), "Uid").unwrap();
    assert!(owner.starts_with(&format!("{} ", file.uid())) && file.uid() != 0, "the file is the user's: {owner}");
    assert_eq!(file.permissions().mode() & 0o007, 0o004, "as UMask 002 and OpenDMARC have it");
}
