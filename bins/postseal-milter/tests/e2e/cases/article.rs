//! The set-up of many articles: `opendkim.conf` with tables and a key of 1024 bits, `opendmarc.conf` beside it, both milter lines of main.cf.

use std::fs;
use std::path::{Path, PathBuf};

use engine::keys::{load, publish::DnsRecord};

use crate::mails;
use crate::oracle;
use crate::results::Results;
use crate::site::daemon::Daemon;
use crate::site::dns::{Dns, Txt, zone_text};
use crate::site::postfix::Postfix;
use crate::site::work::{self, port};
use crate::site::{DOMAIN, mail};
use crate::smtp::Smtp;
use tempfile::TempDir;

/// The selector is a date, as many write it.
const SELECTOR: &str = "20140801";

struct Article {
    postfix: Postfix,
    daemon: Daemon,
    zone: Vec<Txt>,
    _dns: Dns,
    _folder: TempDir,
}

impl Article {
    fn start() -> Self {
        let folder = work::folder();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| -> PathBuf {
            fs::write(path(name), text).unwrap();
            path(name)
        };
        let dir = folder.path().display();
        let record = key(&path("example.private"));
        let policy = ("_dmarc.bank.example".to_owned(), "v=DMARC1; p=reject".to_owned());
        let zone = vec![(format!("{SELECTOR}._domainkey.{DOMAIN}"), record), policy];
        let dns = Dns::start(folder.path(), &(zone_text(&zone) + "bank.example. IN TXT \"v=spf1 -all\"\n"));
        let (socket, second) = (format!("inet:127.0.0.1:{}", port()), port());
        let at = socket.rsplit(':').next().unwrap_or_default();
        let hosts = write("TrustedHosts", "127.0.0.1\n::1\nlocalhost\n");
        let keys =
            write("KeyTable", &format!("{SELECTOR}._domainkey.{DOMAIN} {DOMAIN}:{SELECTOR}:{dir}/example.private\n"));
        let signing = write("SigningTable", &format!("{DOMAIN} {SELECTOR}._domainkey.{DOMAIN}\n"));
        let opendkim = write(
            "opendkim.conf",
            &format!(
                "Syslog yes\nStdoutLog yes\nUMask 002\nDomain {DOMAIN}\nKeyFile {dir}/example.private\nSelector {SELECTOR}\nMode sv\n\
                 OversignHeaders From\nSignatureAlgorithm rsa-sha256\nInternalHosts {}\nExternalIgnoreList {}\nKeyTable {}\n\
                 SigningTable {}\nSocket inet:{at}@127.0.0.1\nNameservers 127.0.0.1@{}\nRequireSafeKeys no\nBackground no\n",
                hosts.display(),
                hosts.display(),
                keys.display(),
                signing.display(),
                dns.port
            ),
        );
        let opendmarc = write(
            "opendmarc.conf",
            &format!(
                "AuthservID HOSTNAME\nIgnoreAuthenticatedClients true\nIgnoreMailFrom {DOMAIN}\nRejectFailures false\nSyslog true\n\
                 SyslogFacility mail\nTrustedAuthservIDs HOSTNAME\nUMask 002\nSocket inet:{second}@127.0.0.1\nBackground no\n"
            ),
        );
        let daemon = Daemon::start_from_old_files(folder.path(), &socket, &opendkim, &opendmarc);
        let milters =
            format!("smtpd_milters = {socket}, inet:127.0.0.1:{second}\nnon_smtpd_milters = $smtpd_milters\n");
        let postfix = Postfix::start_with(folder.path(), &format!("{milters}milter_default_action = tempfail\n"));
        Self { postfix, daemon, zone, _dns: dns, _folder: folder }
    }
}

/// The key of 1024 bits of the tests of the engine, in a file of its own; its record.
fn key(file: &Path) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files/rsa1024.pem");
    fs::copy(from, file).unwrap();
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = load(file, engine::BACKEND, &mut engine::config::Diagnostics::default()).unwrap();
    DnsRecord::of_key(&SELECTOR.parse().unwrap(), &DOMAIN.parse().unwrap(), &*key).text
}

/// What `HOSTNAME` stands for.
fn host_name() -> String {
    nix::sys::utsname::uname().unwrap().nodename().to_str().unwrap().to_owned()
}

#[test]
fn it_starts_with_what_there_is_to_say_and_signs_and_verifies() {
    let site = Article::start();
    let log = site.daemon.log();
    for part in ["opendkim.conf:4", "opendkim.conf:5", "opendkim.conf:6", "`KeyTable`", "opendmarc.conf:3"] {
        assert!(log.contains(part), "{part} in\n{log}");
    }
    let reply = Smtp::connect(site.postfix.inbound).send(&mail("", &mails::plain("article")));
    assert_eq!(reply.code, 250, "{reply:?}");
    let signed = site.postfix.mailbox.next();
    let value = signed.only("DKIM-Signature");
    assert!(value.contains(&format!("d={DOMAIN};\ts={SELECTOR};")) && value.contains("c=simple/simple"), "{value}");
    assert!(value.contains("h=") && value.replace(char::is_whitespace, "").contains(":From;"), "oversigned: {value}");
    assert_eq!(oracle::verify(&signed.message, &site.zone), ["pass"], "{}", signed.header());

    let mut outside =
        Smtp::connect_as(site.postfix.inbound, "ADDR=192.0.2.10 PORT=40000 NAME=out.example HELO=out.example");
    let reply = outside.send(&mail("", &signed.message));
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
fn a_forged_result_neither_passes_nor_stays_and_rejects_nothing_that_was_not_to_be_rejected() {
    let site = Article::start();
    let host = host_name();
    let forged = format!(
        "Authentication-Results: {host}; spf=pass smtp.mailfrom=bank.example; dmarc=pass header.from=bank.example\r\n{}",
        String::from_utf8(mails::from("bank.example")).unwrap()
    );
    let mut outside =
        Smtp::connect_as(site.postfix.inbound, "ADDR=192.0.2.10 PORT=40000 NAME=out.example HELO=out.example");
    let reply = outside.send(&mail("", forged.as_bytes()));
    assert_eq!(reply.code, 250, "RejectFailures false: {reply:?}");
    let received = site.postfix.mailbox.next();
    assert_eq!(received.all("Authentication-Results").len(), 1, "{}", received.header());
    let results = Results::read(&received.only("Authentication-Results"));
    assert_eq!(results.words("dmarc"), ["fail"], "{}", received.header());
}
