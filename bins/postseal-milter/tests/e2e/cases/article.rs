//! The set-up of many articles, byte for byte (`article/`): `opendkim.conf` with tables and a key of 1024 bits, `opendmarc.conf` beside it, both milter
//! lines of main.cf; one daemon in the background, under its supervisor, as an unprivileged user.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

use nix::sys::signal::{Signal, kill};

use crate::mails;
use crate::oracle;
use crate::results::Results;
use crate::site::article::{Article, Host, SELECTOR, status, until};
use crate::site::{DOMAIN, mail};
use crate::smtp::Smtp;

const OUTSIDE: &str = "ADDR=192.0.2.10 PORT=40000 NAME=out.example HELO=out.example";

/// What strangers publish.
fn records() -> [(String, String); 2] {
    let record = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    [record("_dmarc.bank.example", "v=DMARC1; p=reject"), record("bank.example", "v=spf1 -all")]
}

/// What `HOSTNAME` stands for.
fn host_name() -> String {
    nix::sys::utsname::uname().unwrap().nodename().to_str().unwrap().to_owned()
}

/// The line of a file on which this is.
fn line_of(host: &Host, file: &str, start: &str) -> String {
    let text = fs::read_to_string(host.path(file)).unwrap();
    let index = text.lines().position(|line| line.starts_with(start)).unwrap();
    format!("{file}:{}", index + 1)
}

/// The findings about this line.
fn findings(said: &str, place: &str) -> Vec<String> {
    said.lines().filter(|line| line.contains(&format!("{place}:"))).map(str::to_owned).collect()
}

/// A message of our own goes out and comes back from outside.
fn signs_and_verifies(site: &Article) {
    let reply = Smtp::connect(site.postfix.inbound).send(&mail("", &mails::plain("article")));
    assert_eq!(reply.code, 250, "{reply:?}");
    let signed = site.postfix.mailbox.next();
    let value = signed.only("DKIM-Signature");
    assert!(
        value.contains(&format!("d={DOMAIN};\ts={SELECTOR};")) && value.contains("a=rsa-sha256; c=simple/simple; "),
        "{value}"
    );
    assert!(value.replace(char::is_whitespace, "").contains(":From;"), "oversigned: {value}");
    assert_eq!(oracle::verify(&signed.message, &site.host.zone), ["pass"], "{}", signed.header());

    let reply = Smtp::connect_as(site.postfix.inbound, OUTSIDE).send(&mail("", &signed.message));
    assert_eq!(reply.code, 250, "{reply:?}");
    let received = site.postfix.mailbox.next();
    let results = Results::read(&received.only("Authentication-Results"));
    assert_eq!(
        (results.authserv_id.as_str(), results.words("dkim")),
        (host_name().as_str(), vec!["pass"]),
        "{}",
        received.header()
    );
}

#[test]
fn m01_it_starts_with_what_there_is_to_say_and_signs_and_verifies() {
    let site = Article::start(&records());
    let said = &site.said;
    let tells = |place: &str, words: &[&str]| {
        let found = findings(said, place);
        assert_eq!(found.len(), 1, "{place} in\n{said}");
        for word in words {
            assert!(found[0].contains(word), "{word} in {found:?} of\n{said}");
        }
    };
    for option in ["Domain", "KeyFile", "Selector"] {
        let place = line_of(&site.host, "opendkim.conf", option);
        tells(&place, &["warning", &format!("`{option}`"), "`KeyTable`"]);
    }
    tells(&line_of(&site.host, "opendmarc.conf", "IgnoreMailFrom"), &["warning", "a domain of your own"]);
    tells(&line_of(&site.host, "opendmarc.conf", "FailureReportsBcc"), &["warning"]);
    tells(&line_of(&site.host, "opendmarc.conf", "TrustedAuthservIDs"), &["warning"]);
    assert!(!said.contains("error["), "{said}");
    signs_and_verifies(&site);
}

#[test]
fn s1_2_it_runs_in_the_background_as_the_user_below_a_supervisor_of_root() {
    let site = Article::start(&[]);
    let (host, id) = (&site.host, site.host.user.uid.as_raw());
    let (supervisor, daemon) = (host.supervisor(), host.daemon().unwrap());
    assert_eq!(host.processes().len(), 2, "nobody else, and not the process that was started");
    assert_eq!(nix::unistd::getsid(Some(supervisor)), Ok(supervisor), "it has no terminal");
    assert_eq!(status(daemon, "Uid").unwrap(), format!("{id} {id} {id} {id}"));
    assert_eq!(status(daemon, "CapEff").unwrap(), "0000000000000000");
    assert_eq!(status(supervisor, "Uid").unwrap(), "0 0 0 0", "it starts daemons that become the user");
    let pid_file = fs::metadata(host.path("run/opendmarc.pid")).unwrap();
    assert_eq!((pid_file.uid(), pid_file.permissions().mode() & 0o777), (0, 0o664), "UMask 002");
}

#[test]
fn s1_2_mail_goes_on_after_kill_9() {
    let site = Article::start(&records());
    for _ in 0..2 {
        let before = site.host.daemon().unwrap();
        kill(before, Signal::SIGKILL).unwrap();
        until("another daemon", || {
            site.host.daemon().is_some_and(|daemon| daemon != before)
                && site.host.ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        signs_and_verifies(&site);
    }
}

/// As OpenDKIM: a list that is named and not there ends the start with 78, for each option that names it.
#[test]
fn s1_1_without_trusted_hosts_it_does_not_start_and_says_why_for_both_options() {
    let host = Host::new(&[]);
    fs::remove_file(host.path("etc-opendkim/TrustedHosts")).unwrap();
    let (code, said) = host.start();
    assert_eq!(code, Some(78), "{said}");
    for option in ["InternalHosts", "ExternalIgnoreList"] {
        let words =
            format!("etc-opendkim/TrustedHosts: error[E-DATASET-READ]: `{option}`: cannot read the file: No such file");
        assert!(said.contains(&words), "{words} in\n{said}");
    }
    assert!(host.processes().is_empty());
    host.write("etc-opendkim/TrustedHosts", "127.0.0.1\n");
    assert_eq!(host.start().0, Some(0), "made, and all is well");
}

/// `opendkim.conf` has no `UserID`, so OpenDKIM read the keys as root; `opendmarc.conf` has one, and the one process is that user.
#[test]
fn m02_a_key_that_the_user_may_not_read_is_told_at_the_start() {
    let host = Host::new(&[]);
    let key = host.path(&format!("etc-opendkim/keys/{DOMAIN}/{SELECTOR}.private"));
    chown(&key, Some(0), Some(0)).unwrap();
    let (code, said) = host.start();
    assert_eq!(code, Some(0), "{said}");
    let found = findings(&said, &line_of(&host, "opendkim.conf", "KeyTable"));
    assert_eq!(found.len(), 1, "{said}");
    let words = format!("{}: the user `{}` may not read the file", key.display(), host.user.name);
    assert!(found[0].contains("error[E-KEY-UNREADABLE]") && found[0].contains(&words), "{found:?}");
}

#[test]
fn m24_a_forged_result_neither_passes_nor_stays_and_rejects_nothing_that_was_not_to_be_rejected() {
    let site = Article::start(&records());
    let host = host_name();
    let forged = format!(
        "Authentication-Results: {host}; spf=pass smtp.mailfrom=bank.example; dmarc=pass header.from=bank.example\r\n{}",
        String::from_utf8(mails::from("bank.example")).unwrap()
    );
    let reply = Smtp::connect_as(site.postfix.inbound, OUTSIDE).send(&mail("", forged.as_bytes()));
    assert_eq!(reply.code, 250, "RejectFailures false: {reply:?}");
    let received = site.postfix.mailbox.next();
    assert_eq!(received.all("Authentication-Results").len(), 1, "{}", received.header());
    let results = Results::read(&received.only("Authentication-Results"));
    assert_eq!(results.words("dmarc"), ["fail"], "{}", received.header());
}
