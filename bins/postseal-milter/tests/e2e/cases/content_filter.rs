//! A content filter that changes every body, between verifying and signing: set up as docs/operations.md says, word for word.
//!
//! Only what has to differ is replaced in the text of the page: ports, and the file in which the daemon finds its keys.

use std::fs;

use tempfile::TempDir;

use crate::filter::{DISCLAIMER, FIELD, start};
use crate::mailbox::Delivered;
use crate::mails;
use crate::oracle;
use crate::results::Results;
use crate::site::daemon::Daemon;
use crate::site::dns::{Dns, Txt, zone_text};
use crate::site::keys::Keys;
use crate::site::postfix::{HOST, Postfix};
use crate::site::work::{self, port};
use crate::site::{DOMAIN, mail};
use crate::smtp::Smtp;

const PAGE: &str = include_str!("../../../../../docs/operations.md");

/// The fenced blocks of the section: TOML, main.cf, master.cf.
fn recipe() -> [String; 3] {
    let (_, section) = PAGE.split_once("\n## A content filter that changes messages\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    let blocks: Vec<String> = blocks.map(|block| block.split_once('\n').unwrap().1.to_owned()).collect();
    blocks.try_into().unwrap()
}

/// Postfix with the filter in its middle; the two sockets are those of one daemon or of two. Dropped in order.
struct Filtered {
    postfix: Postfix,
    daemons: Vec<Daemon>,
    zone: Vec<Txt>,
    _dns: Dns,
    folder: TempDir,
}

impl Filtered {
    /// With one daemon, whose configuration goes through `change`.
    fn one_daemon(change: impl Fn(String) -> String) -> Self {
        Self::start(|work, toml, common, first| {
            vec![Daemon::start_as(work, "both", first, &format!("{common}{}", change(toml.to_owned())), &[])]
        })
    }

    /// With two daemons that share a state folder's parent.
    fn two_daemons() -> Self {
        Self::start(|work, toml, common, first| {
            // The two listeners of the page, each in a file of its own.
            let (first_toml, last_toml) = toml.split_once("# Last").unwrap();
            let last = last_toml.split_once("socket = \"").unwrap().1.split('"').next().unwrap();
            vec![
                Daemon::start_as(work, "in", first, &format!("{common}{first_toml}"), &["--instance", "in"]),
                Daemon::start_as(work, "out", last, &format!("{common}# Last{last_toml}"), &["--instance", "out"]),
            ]
        })
    }

    fn start(daemons: impl FnOnce(&std::path::Path, &str, &str, &str) -> Vec<Daemon>) -> Self {
        let folder = work::folder();
        let keys = Keys::make(folder.path(), DOMAIN);
        let dns = Dns::start(folder.path(), &zone_text(&keys.zone));
        let [inbound, submission, first, last] = [port(), port(), port(), port()];
        let [to_filter_in, back_in, to_filter_out, back_out] = [port(), port(), port(), port()];
        let ports = [
            ("8891", first),
            ("8892", last),
            ("10024", to_filter_in),
            ("10025", back_in),
            ("10026", to_filter_out),
            ("10027", back_out),
        ];
        let [toml, main_cf, master_cf] = recipe().map(|text| {
            ports.iter().fold(text, |text, (from, to)| {
                assert!(PAGE.contains(from));
                text.replace(&format!(":{from}"), &format!(":{to}"))
            })
        });
        let services: String = master_cf
            .lines()
            .map(|line| match line.split_whitespace().next() {
                Some("smtp") => line.replacen("smtp ", &format!("127.0.0.1:{inbound} "), 1),
                Some("submission") => line.replacen("submission ", &format!("127.0.0.1:{submission} "), 1),
                _ => line.to_owned(),
            })
            .map(|line| line + "\n")
            .collect();
        start(to_filter_in, back_in);
        start(to_filter_out, back_out);
        // What belongs to no listener: top-level keys come before the listeners, and keys of domains may.
        let common = format!(
            "state_dir = \"{}\"\n{}[dns]\nnameservers = [\"127.0.0.1:{}\"]\n",
            folder.path().join("state").display(),
            keys.config,
            dns.port
        );
        let daemons = daemons(folder.path(), &toml, &common, &format!("inet:127.0.0.1:{first}"));
        let postfix = Postfix::start_services(folder.path(), &main_cf, &services, inbound, submission);
        Self { postfix, daemons, zone: keys.zone, _dns: dns, folder }
    }

    /// A user hands in a message.
    fn submit(&self, message: &[u8]) -> Delivered {
        self.deliver(&mut Smtp::connect(self.postfix.submission), message)
    }

    /// A server outside hands in a message.
    fn receive(&self, message: &[u8]) -> Delivered {
        let attributes = "ADDR=192.0.2.10 PORT=40000 NAME=out.example HELO=out.example";
        self.deliver(&mut Smtp::connect_as(self.postfix.inbound, attributes), message)
    }

    fn deliver(&self, session: &mut Smtp, message: &[u8]) -> Delivered {
        let reply = session.send(&mail("", message));
        assert_eq!(reply.code, 250, "{reply:?}");
        let delivered = self.postfix.mailbox.next();
        assert!(!self.postfix.mailbox.has_more());
        delivered
    }

    /// What all daemons have logged.
    fn log(&self) -> String {
        self.daemons.iter().map(Daemon::log).collect()
    }
}

/// The fields under our own name.
fn own(delivered: &Delivered) -> Vec<Results> {
    let all = delivered.all("Authentication-Results").into_iter().map(|value| Results::read(&value));
    all.filter(|results| results.authserv_id.eq_ignore_ascii_case(HOST)).collect()
}

/// How often the filter saw the message.
fn times_filtered(delivered: &Delivered) -> usize {
    let body = String::from_utf8_lossy(delivered.body()).into_owned();
    let fields = delivered.fields().iter().filter(|(name, _)| FIELD.starts_with(name.as_str())).count();
    assert_eq!(fields, body.matches(DISCLAIMER).count(), "{body}");
    fields
}

const FORGED: &str = "Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n\
    Authentication-Results: other.example; dkim=pass header.d=other.example\r\n\
    Authentication-Results: MX.example (x) 1; dkim=pass header.d=forged.example\r\n";

/// Mail of our own is signed once, over the body as the filter left it; `submitted` came out.
fn is_signed_once(site: &Filtered, submitted: &Delivered) {
    assert_eq!(times_filtered(submitted), 1);
    assert_eq!(submitted.all("DKIM-Signature").len(), 2, "one for each key: {}", submitted.header());
    assert_eq!(oracle::verify(&submitted.message, &site.zone), ["pass", "pass"], "{}", submitted.header());
    assert!(own(submitted).is_empty(), "nobody judges mail of our own: {}", submitted.header());
}

/// Both directions, as the page promises.
fn verifies_first_and_signs_last(site: &Filtered) {
    let submitted = site.submit(&mails::with_fields(FORGED, &mails::plain("submitted")));
    is_signed_once(site, &submitted);
    assert!(!submitted.header().contains("forged"), "{}", submitted.header());

    let text = String::from_utf8(mails::plain("pickup")).unwrap().replace("\r\n", "\n");
    site.postfix.sendmail("sender@author.example", "reader@reader.example", text.as_bytes());
    is_signed_once(site, &site.postfix.mailbox.next());

    // The signatures are good when the message comes in, and not any more when it is delivered: they were looked at before the filter. And
    // although its author is one of ours, it is not signed behind the filter.
    let received = site.receive(&mails::with_fields(FORGED, &submitted.message));
    assert_eq!(times_filtered(&received), 2);
    let [results] = own(&received).try_into().unwrap();
    assert_eq!(results.words("dkim"), ["pass", "pass"], "{}", received.header());
    assert_eq!(oracle::verify(&received.message, &site.zone), ["fail", "fail"], "the filter has changed the body");
    assert!(!received.header().contains("forged"), "{}", received.header());
    // One came with the submission, one with the mail from outside.
    assert_eq!(received.header().matches("other.example").count(), 4, "those of others stay: {}", received.header());

    // A signature that was broken before is found broken.
    let broken = String::from_utf8(submitted.message).unwrap().replace("regards", "REGARDS");
    let [results] = own(&site.receive(broken.as_bytes())).try_into().unwrap();
    assert_eq!(results.words("dkim"), ["fail", "fail"]);

    // Somebody outside writes in our name: neither socket signs that.
    let spoofed = site.receive(&mails::with_fields(FORGED, &mails::plain("spoofed")));
    assert_eq!(times_filtered(&spoofed), 1);
    assert!(spoofed.all("DKIM-Signature").is_empty(), "{}", spoofed.header());
    let [results] = own(&spoofed).try_into().unwrap();
    assert_eq!(results.words("dkim"), ["none"]);
    assert!(!spoofed.header().contains("forged"), "{}", spoofed.header());
    assert!(site.log().contains("rule=judged-before"), "{}", site.log());
}

#[test]
fn two_sockets_of_one_daemon_verify_first_and_sign_last() {
    verifies_first_and_signs_last(&Filtered::one_daemon(|toml| toml));
}

#[test]
fn two_daemons_verify_first_and_sign_last() {
    let site = Filtered::two_daemons();
    verifies_first_and_signs_last(&site);
    for (name, daemon) in ["in", "out"].into_iter().zip(&site.daemons) {
        let lock = site.folder.path().join("state").join(name).join("lock");
        assert!(!fs::read_to_string(lock).unwrap().is_empty(), "{name} has its own state");
        let word = if name == "in" { "dkim=pass" } else { "sign=done" };
        assert!(daemon.log().contains(word), "{}", daemon.log());
    }
}

/// The exception has to be written: without it even results of ours go, and all that is lost is a field.
#[test]
fn without_the_exception_results_that_the_filter_hands_back_are_removed() {
    let site = Filtered::one_daemon(|toml| {
        let changed = toml.replace("keep_results_from", "upstream");
        assert_ne!(changed, toml);
        changed
    });
    let submitted = site.submit(&mails::plain("submitted"));
    is_signed_once(&site, &submitted);
    let received = site.receive(&submitted.message);
    assert!(own(&received).is_empty(), "{}", received.header());
    assert_eq!(received.all("DKIM-Signature").len(), 2, "{}", received.header());
}
