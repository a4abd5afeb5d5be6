//! `postseal migrate`: the files that people have, the holes in them, tables, and files that are none.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use engine::config::{self, Config, DomainPattern};
use nix::unistd::{Uid, User};
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{err, json, out, postseal};

/// Files below a folder, in whose text `@` stands for the folder. Keys are the owner's alone.
fn site(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display().to_string();
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests");
    for (name, from) in [
        ("rsa.pem", "key_files/pkcs8.pem"),
        ("ed.pem", "key_files/ed25519.pem"),
        ("rsa1024.pem", "key_files/rsa1024.pem"),
        ("rsa512.pem", "key_files/rsa512.pem"),
    ] {
        let key = folder.path().join(name);
        fs::copy(engine.join(from), &key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text.replace('@', &root).replace("%AT%", "@")).unwrap();
    }
    folder
}

/// What `--json` says, with the exit code; the configuration in it loads.
fn migrate(folder: &Path, arguments: &[&str], code: i32) -> (Value, Config) {
    let said = json(&postseal(folder, &[&["--json", "migrate"], arguments].concat()), code);
    let file = folder.join("loaded.toml");
    fs::write(&file, said["toml"].as_str().unwrap()).unwrap();
    let (config, _) = config::load(&file).unwrap_or_else(|found| panic!("{found}\n{}", said["toml"]));
    (said, config)
}

fn codes(said: &Value) -> Vec<&str> {
    said["holes"].as_array().unwrap().iter().map(|hole| hole["code"].as_str().unwrap()).collect()
}

fn line<'s>(said: &'s Value, option: &str) -> &'s Value {
    let lines = said["lines"].as_array().unwrap();
    lines.iter().rev().find(|line| line["option"] == option).unwrap_or_else(|| panic!("{option}: {said:#}"))
}

/// The lines of a file that say something.
fn said_in(text: &str) -> usize {
    text.lines().filter(|line| !line.split('#').next().unwrap().trim().is_empty()).count()
}

const TABLES: &[(&str, &str)] = &[
    ("etc/opendkim/KeyTable", "k1._domainkey.example.com example.com:k1:@/rsa.pem\n"),
    ("etc/opendkim/SigningTable", "*%AT%example.com k1._domainkey.example.com\n"),
    ("etc/opendkim/TrustedHosts", "127.0.0.1\n::1\nlocalhost\n192.0.2.0/26\n"),
    ("etc/opendkim/key.table", "k1._domainkey.example.com example.com:k1:@/rsa.pem\n"),
    ("etc/opendkim/signing.table", "*%AT%example.com k1._domainkey.example.com\n"),
    ("etc/opendkim/trusted.hosts", "127.0.0.1\n::1\n192.0.2.0/26\n"),
    ("etc/opendmarc/ignore.hosts", "127.0.0.1\n192.0.2.7\n"),
];

/// Both files of a set-up that people have, with its tables below `folder`.
fn real(name: &str) -> (TempDir, usize) {
    let folder = site(TABLES);
    let root = folder.path().display().to_string();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/old_config/files");
    let mut lines = 0;
    for kind in ["opendkim.conf", "opendmarc.conf"] {
        let Ok(text) = fs::read_to_string(from.join(format!("{name}.{kind}"))) else { continue };
        let text = text.replace("/etc/", &format!("{root}/etc/"));
        lines += said_in(&text);
        fs::write(folder.path().join(kind), text).unwrap();
    }
    (folder, lines)
}

#[test]
fn every_line_of_real_files_is_accounted_for_and_what_is_made_loads() {
    for (name, rules, mode) in [
        ("debian", 0, "observe"),
        ("article", 1, "observe"),
        ("mailinabox", 1, "observe"),
        ("docker_mailserver", 1, "reject"),
    ] {
        let (folder, lines) = real(name);
        let (said, config) = migrate(folder.path(), &["opendkim.conf", "opendmarc.conf"], 1);
        assert_eq!(said["lines"].as_array().unwrap().len(), lines, "{name}: {said:#}");
        let toml = said["toml"].as_str().unwrap();
        for each in said["lines"].as_array().unwrap() {
            let place =
                format!("{}:{} {} ", each["file"].as_str().unwrap(), each["line"], each["option"].as_str().unwrap());
            assert_eq!(toml.matches(&place).count(), 1, "{name}: {place}\n{toml}");
        }
        assert_eq!(config.domains.rules().len(), rules, "{name}");
        assert_eq!(config.dmarc.mode.as_str(), mode, "{name}");
        if name == "docker_mailserver" {
            // Its opendmarc.conf leaves the socket to the command line.
            continue;
        }
        // The second socket goes out of the MTA's configuration.
        assert_eq!(
            (&line(&said, "Socket")["status"], &line(&said, "Socket")["decision"]),
            (&"dropped".into(), &true.into())
        );
    }
}

#[test]
fn the_article_signs_for_its_domain_and_its_hosts() {
    let (folder, _) = real("article");
    let (said, config) = migrate(folder.path(), &["opendkim.conf", "opendmarc.conf"], 1);
    let rule = &config.domains.rules()[0];
    assert_eq!((rule.signing_domain.as_str(), rule.keys[0].selector.to_string()), ("example.com", "k1".to_owned()));
    assert_eq!(rule.keys[0].file, folder.path().join("rsa.pem"));
    let trust = &config.listeners[0].trust;
    assert!(trust.authenticated && trust.daemon_names.is_empty());
    for (client, is_ours) in [("127.0.0.1", true), ("192.0.2.63", true), ("::1", true), ("192.0.2.64", false)] {
        assert_eq!(trust.networks.contains(client.parse().unwrap()), is_ours, "{client}");
    }
    assert_eq!(rule.options.oversign_headers.as_deref(), Some(&["From".to_owned()][..]));
    // §5 of the users' page: an own domain in `IgnoreMailFrom` becomes no override.
    assert_eq!(codes(&said), ["W-HOLE-OWN-FROM"]);
    assert!(config.dmarc.overrides.is_empty());
    assert_eq!(config.listeners[0].socket.to_string(), "inet:localhost:8891");
}

#[test]
fn docker_mailserver_has_the_hole_of_forged_results_and_mail_in_a_box_has_not() {
    let (folder, _) = real("docker_mailserver");
    let (said, config) = migrate(folder.path(), &["opendkim.conf", "opendmarc.conf"], 1);
    assert_eq!(codes(&said), ["W-HOLE-RESULTS"]);
    let names = config.domains.rules()[0].options.sign_headers.clone().unwrap();
    assert!(!names.contains(&"date".to_owned()) && names.contains(&"from".to_owned()), "{names:?}");
    assert!(config.dmarc.trusted_forwarders.contains("192.0.2.7".parse().unwrap()));
    let (folder, _) = real("mailinabox");
    let (said, _) = migrate(folder.path(), &["opendkim.conf", "opendmarc.conf"], 1);
    assert_eq!(codes(&said), ["W-HOLE-KEY-CHECK"]);
}

#[test]
fn a_guide_of_a_hoster_is_carried_whole() {
    let (folder, lines) = real("linode");
    // The one file alone: whose it is the names of its options tell.
    let (said, config) = migrate(folder.path(), &["opendkim.conf"], 0);
    assert_eq!((said["lines"].as_array().unwrap().len(), said["decisions"].as_u64()), (lines, Some(0)));
    assert!(!config.spf.enabled && !config.dmarc.enabled && config.domains.rules().len() == 1);
}

/// A file of OpenDKIM that is carried whole, but for the lines that a test adds.
const DKIM: &str = "Socket inet:8891%AT%127.0.0.1\nDomain example.com\nSelector k1\nKeyFile @/rsa.pem\n";

/// Lines for opendkim.conf, lines for opendmarc.conf, the hole.
const HOLES: &[(&str, &str, &str)] = &[
    ("", "RejectFailures yes\nHoldQuarantinedMessages yes\n", "W-HOLE-RESULTS"),
    ("", "RejectFailures yes\nHoldQuarantinedMessages yes\nSPFSelfValidate yes\n", "W-HOLE-RESULTS"),
    ("InternalHosts 0.0.0.0/0\n", "", "W-HOLE-NETWORK"),
    ("InternalHosts csl:127.0.0.1,::/0\n", "", "W-HOLE-NETWORK"),
    ("InternalHosts 127.0.0.1,96.0.0.0/6\n", "", "W-HOLE-NETWORK"),
    ("PeerList 192.0.2.1\n", "", "W-HOLE-PEERS"),
    ("", "IgnoreMailFrom example.com\n", "W-HOLE-OWN-FROM"),
    ("MinimumKeyBits 0\n", "", "W-HOLE-KEY-BITS"),
    ("MinimumKeyBits 512\n", "", "W-HOLE-KEY-BITS"),
    ("MaximumSignedBytes 1000\n", "", "W-HOLE-LENGTH"),
    ("BodyLengthDB csl:*\n", "", "W-HOLE-LENGTH"),
    ("RequireSafeKeys no\n", "", "W-HOLE-KEY-CHECK"),
    ("On-NoSignature reject\nAlwaysAddARHeader yes\n", "", "W-HOLE-NO-EFFECT"),
    ("ExternalIgnoreList 192.0.2.0/24\n", "", "W-HOLE-NO-EFFECT"),
    ("SignatureAlgorithm rsa-sha1\n", "", "W-HOLE-SHA1"),
    ("KeyFile @/rsa1024.pem\n", "", "W-HOLE-KEY-SHORT"),
];

#[test]
fn live_holes_of_the_old_set_up_are_flagged() {
    for (dkim, dmarc, code) in HOLES {
        let folder = site(&[("dkim", &format!("{DKIM}{dkim}")), ("dmarc", &format!("{dmarc}Syslog yes\n"))]);
        let (said, config) = migrate(folder.path(), &["dkim", "dmarc"], 1);
        assert_eq!(codes(&said), [*code], "{dkim}{dmarc}");
        assert!(said["toml"].as_str().unwrap().contains(&format!("# LIVE HOLE {code} ")), "{said:#}");
        let stranger = "198.51.100.1".parse().unwrap();
        assert!(!config.listeners[0].trust.networks.contains(stranger), "{dkim}");
    }
    // Mended, they are none.
    for (dkim, dmarc) in [
        ("", "RejectFailures yes\nHoldQuarantinedMessages yes\nSPFIgnoreResults yes\n"),
        ("RemoveARAll yes\n", "RejectFailures yes\nHoldQuarantinedMessages yes\n"),
        ("", "IgnoreMailFrom example.net\n"),
        ("MinimumKeyBits 2048\nRequireSafeKeys yes\nInternalHosts 10.0.0.0/8\n", ""),
    ] {
        let folder = site(&[("dkim", &format!("{DKIM}{dkim}")), ("dmarc", &format!("{dmarc}Syslog yes\n"))]);
        let (said, _) = migrate(folder.path(), &["dkim", "dmarc"], 0);
        assert!(codes(&said).is_empty(), "{said:#}");
    }
}

#[test]
fn keys_that_others_may_read_are_flagged_and_keys_that_are_too_short_are_errors() {
    let folder = site(&[("dkim", DKIM)]);
    for (mode, who) in [(0o640, "whole group"), (0o644, "everyone")] {
        fs::set_permissions(folder.path().join("rsa.pem"), fs::Permissions::from_mode(mode)).unwrap();
        let (said, _) = migrate(folder.path(), &["dkim"], 1);
        assert_eq!(codes(&said), ["W-HOLE-KEY-READABLE"]);
        assert!(said["holes"][0]["cause"].as_str().unwrap().contains(who), "{said:#}");
    }
    let folder = site(&[("dkim", &format!("{DKIM}KeyFile @/rsa512.pem\n"))]);
    let (said, _) = migrate(folder.path(), &["dkim"], 1);
    let findings = said["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|finding| finding["severity"] == "error" && finding["code"] == "E-KEY-SIZE"),
        "{said:#}"
    );
    assert_eq!(line(&said, "Domain")["decision"], true);
}

/// What tables mean: who signs for whom, and that what has no place is told.
#[test]
fn tables_become_rules_as_they_are_asked() {
    let keys =
        "a example.com:a:@/rsa.pem\nb example.com:b:@/ed.pem\nnet example.net:n:@/rsa.pem\nany %:any:@/rsa.pem\n";
    let table = "*%AT%sub.example.com a\n*%AT%*.example.com b\n*%AT%example.com a:%AT%example.com\n*%AT%example.net any\nboss%AT%example.org a\n*%AT%*.example.com a\n";
    let dkim = "Socket inet:8891%AT%127.0.0.1\nKeyTable @/keys\nSigningTable refile:@/table\n";
    let folder = site(&[("keys", keys), ("table", table), ("dkim", dkim)]);
    let (said, config) = migrate(folder.path(), &["dkim"], 1);
    let rules: Vec<_> = config
        .domains
        .rules()
        .iter()
        .map(|rule| {
            let selectors: Vec<_> = rule.keys.iter().map(|key| key.selector.to_string()).collect();
            format!("{} {} {}", rule.pattern, rule.signing_domain, selectors.join(","))
        })
        .collect();
    assert_eq!(
        rules,
        [
            "sub.example.com example.com a",
            "*.example.com example.com b",
            "example.com example.com a",
            "example.net example.net any"
        ]
    );
    assert!(config.domains.rules()[1].allow_ed25519_only && !config.domains.rules()[0].allow_ed25519_only);
    let note = line(&said, "SigningTable")["note"].as_str().unwrap();
    assert!(note.contains("line 5") && note.contains("--opendkim-conf"), "{note}");
    // All that match sign.
    let folder = site(&[("keys", keys), ("table", table), ("dkim", &format!("{dkim}MultipleSignatures yes\n"))]);
    let (_, config) = migrate(folder.path(), &["dkim"], 1);
    let of = |pattern: &str| {
        let rules = config.domains.rules().iter();
        rules.filter(|rule| rule.pattern.to_string() == pattern).map(|rule| rule.keys.len()).collect::<Vec<_>>()
    };
    assert_eq!((of("sub.example.com"), of("*.example.com")), (vec![2], vec![2]));
    assert!(config.domains.rules().iter().all(|rule| !matches!(rule.pattern, DomainPattern::WithSubdomains(_))));
}

#[test]
fn tables_in_databases_and_large_ones_are_never_dropped_in_silence() {
    let dkim = "Socket inet:8891%AT%127.0.0.1\nKeyTable dsn:mysql://user:secret%AT%host/db/table=k?keycol=a?datacol=b\nSigningTable ldap://host/dc=x?y\n";
    let folder = site(&[("dkim", dkim)]);
    let (said, config) = migrate(folder.path(), &["dkim"], 1);
    assert!(config.domains.rules().is_empty() && !said.to_string().contains("secret"), "{said:#}");
    assert!(line(&said, "SigningTable")["note"].as_str().unwrap().contains("--opendkim-conf"));
    let mut table = String::new();
    for number in 0..10_001 {
        table.push_str(&format!("d{number}.example k\n"));
    }
    let dkim = "Socket inet:8891%AT%127.0.0.1\nKeyTable csl:k=example.com:k:@/rsa.pem\nSigningTable file:@/table\n";
    let folder = site(&[("dkim", dkim), ("table", &table)]);
    let (said, config) = migrate(folder.path(), &["dkim"], 1);
    assert!(config.domains.rules().is_empty());
    assert!(line(&said, "SigningTable")["note"].as_str().unwrap().contains("10001 entries"), "{said:#}");
}

#[test]
fn settings_mean_what_the_lines_said() {
    let dkim = format!(
        "{DKIM}Mode sv\nSubDomains yes\nCanonicalization relaxed/relaxed\nSignatureTTL 86400\nClockDrift 60\nMaximumSignaturesToVerify 7\n\
         DNSTimeout 3\nNameservers 192.0.2.53\nOn-DNSError accept\nMacroList daemon_name=ORIGINATING|subm\nAuthservID mx.example.com\n\
         RemoveARFrom old.example.com\nSignHeaders *,+Content-Type,-Cc\nUMask 002\nSyslog yes\nSyslogFacility local3\n"
    );
    let dmarc = "RejectFailures yes\nHoldQuarantinedMessages yes\nSPFIgnoreResults yes\nRejectString no thanks, %s\nIgnoreMailFrom example.net\n\
                 RejectMultiValueFrom yes\n";
    let folder = site(&[("dkim", &dkim), ("dmarc", dmarc)]);
    let (_, config) = migrate(folder.path(), &["dkim", "dmarc"], 0);
    let rule = &config.domains.rules()[0];
    assert_eq!(rule.pattern.to_string(), "example.com and subdomains");
    assert_eq!((rule.options.header_canon.as_str(), rule.options.body_canon.as_str()), ("relaxed", "relaxed"));
    assert_eq!(rule.options.expiry, Some(Duration::from_secs(86_400)));
    let names = rule.options.sign_headers.clone().unwrap();
    assert!(names.contains(&"content-type".to_owned()) && !names.contains(&"cc".to_owned()), "{names:?}");
    assert_eq!((config.verify.clock_skew, config.limits.signatures), (Duration::from_secs(60), 7));
    assert_eq!((config.dns.timeout, config.dns.nameservers.len()), (Duration::from_secs(3), 1));
    assert_eq!(config.policy.on_dns_failure.as_str(), "accept");
    assert_eq!(config.listeners[0].trust.daemon_names, ["ORIGINATING", "subm"]);
    assert_eq!(config.authserv_id.as_deref(), Some("mx.example.com"));
    assert_eq!(config.remove_authserv_ids, ["old.example.com"]);
    assert_eq!((config.dmarc.mode.as_str(), config.dmarc.multiple_from.as_str()), ("reject", "reject"));
    assert_eq!((config.dmarc.overrides.len(), config.dmarc.reply.code), (1, (7, 1)));
    assert_eq!(config.log.facility.as_str(), "local3");
}

#[test]
fn exit_codes_and_the_output_file() {
    let folder =
        site(&[("dkim", DKIM), ("wrong", "Socket inet:8891\nCanonicalisation relaxed\n"), ("odd", "Syslog yes\n")]);
    let dir = folder.path();
    let said = out(&postseal(dir, &["migrate", "dkim", "--output", "new.toml"]), 0);
    assert!(said.contains("4 lines: 4 carried") && said.contains("written: new.toml"), "{said}");
    config::load(&dir.join("new.toml")).unwrap();
    let before = fs::read(dir.join("new.toml")).unwrap();
    let said = err(&postseal(dir, &["migrate", "dkim", "--output", "new.toml"]), 64);
    assert!(said.contains("is not replaced"), "{said}");
    assert_eq!(fs::read(dir.join("new.toml")).unwrap(), before);
    let said = err(&postseal(dir, &["migrate", "--opendkim-conf", "wrong"]), 78);
    assert!(said.contains("wrong:2: error[E-CONFIG-UNKNOWN-KEY]"), "{said}");
    assert!(err(&postseal(dir, &["migrate", "odd"]), 64).contains("--opendkim-conf"));
    out(&postseal(dir, &["migrate", "--opendmarc-conf", "odd"]), 0);
    err(&postseal(dir, &["migrate"]), 64);
    err(&postseal(dir, &["migrate", "--opendkim-conf", "dkim", "dkim", "odd"]), 64);
    assert!(err(&postseal(dir, &["migrate", "dkim", "gone"]), 78).contains("gone: error[E-CONFIG-READ]"));
}

#[test]
fn what_includes_say_is_accounted_for_at_its_place() {
    let folder = site(&[("dkim", &format!("{DKIM}Include @/more\n")), ("more", "Mode s\nSelector k2\n")]);
    let (said, config) = migrate(folder.path(), &["dkim"], 0);
    assert_eq!(said["lines"].as_array().unwrap().len(), 7);
    assert!(line(&said, "Mode")["file"].as_str().unwrap().ends_with("/more"));
    assert_eq!(config.domains.rules()[0].keys[0].selector.to_string(), "k2");
    let first = said["lines"].as_array().unwrap().iter().find(|line| line["option"] == "Selector").unwrap();
    assert_eq!((&first["status"], first["note"].as_str().unwrap().contains("sets it anew")), (&"dropped".into(), true));
}

#[test]
fn hostile_files_neither_hang_nor_crash_it() {
    let folder = site(&[
        ("loop", "Include @/loop\n"),
        ("comment", "Domain a\u{1}b\u{7f}\nSelector k\nKeyFile @/rsa.pem\nSocket inet:1%AT%127.0.0.1\n"),
        ("fifokey", "Socket inet:8891%AT%127.0.0.1\nDomain example.com\nSelector k\nKeyFile @/fifo\n"),
        ("fifotable", "Socket inet:8891%AT%127.0.0.1\nKeyTable @/fifo\nSigningTable @/fifo\nInternalHosts @/fifo\n"),
    ]);
    let dir = folder.path();
    fs::write(dir.join("binary"), (0..=255_u8).cycle().take(1 << 20).collect::<Vec<_>>()).unwrap();
    fs::File::create(dir.join("large")).unwrap().set_len(100 << 20).unwrap();
    assert!(Command::new("mkfifo").arg(dir.join("fifo")).status().unwrap().success());
    let begun = Instant::now();
    for (file, code) in
        [("loop", 78), ("binary", 78), ("large", 78), ("fifo", 78), ("fifotable", 78), ("fifokey", 1), ("comment", 1)]
    {
        let said = postseal(dir, &["--json", "migrate", "--opendkim-conf", file]);
        assert_eq!(said.status.code(), Some(code), "{file}: {}", String::from_utf8_lossy(&said.stdout));
        for alone in [&["migrate", file][..], &["migrate", "--opendmarc-conf", file]] {
            let code = postseal(dir, alone).status.code();
            assert!(matches!(code, Some(1 | 64 | 78)), "{file}: {code:?}");
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// Both files of a set-up that people have, where OpenDKIM uses keys: no other user may put another one in place (`RequireSafeKeys`).
fn safe(name: &str) -> TempDir {
    let is_root = Uid::effective().is_root();
    let place = if is_root { Path::new("/run") } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    let folder = tempfile::Builder::new().prefix("postseal-migrate-").tempdir_in(place).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (from, _) = real(name);
    assert!(Command::new("cp").arg("-a").arg(from.path().join(".")).arg(folder.path()).status().unwrap().success());
    // Paths in the files are those of the first folder.
    let (before, after) = (from.path().display().to_string(), folder.path().display().to_string());
    for file in TABLES.iter().map(|(name, _)| *name).chain(["opendkim.conf", "opendmarc.conf"]) {
        let file = folder.path().join(file);
        if let Ok(text) = fs::read_to_string(&file) {
            fs::write(&file, text.replace(&before, &after)).unwrap();
        }
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if let Some(user) = User::from_name("opendkim").unwrap().filter(|_| is_root) {
        chown(folder.path().join("rsa.pem"), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    folder
}

/// What `--verify` says, by message.
fn verified(said: &Value) -> Vec<(&str, bool, Option<&str>)> {
    let each = said["verify"].as_array().unwrap().iter();
    each.map(|each| (each["case"].as_str().unwrap(), each["same"].as_bool().unwrap(), each["reason"].as_str()))
        .collect()
}

#[test]
fn verify_finds_no_unknown_difference_in_the_article_and_tells_of_the_hole() {
    let folder = safe("article");
    let (said, _) = migrate(folder.path(), &["--verify", "opendkim.conf", "opendmarc.conf"], 1);
    let cases = verified(&said);
    assert_eq!(cases.len(), 8, "{said:#}");
    for (name, is_same, reason) in cases {
        // Mail that strangers write in the name of the own domain was not judged.
        let is_own = ["signed from outside", "signed, body changed"].contains(&name);
        assert_eq!(is_same, !is_own, "{name}: {said:#}");
        assert_eq!(reason.is_some_and(|reason| reason.starts_with("opendmarc.conf:5 IgnoreMailFrom: ")), is_own);
    }
    let signed = &said["verify"][0];
    assert_eq!((&signed["case"], &signed["old"]), (&"signed for example.com".into(), &signed["new"]));
    assert!(signed["new"].as_str().unwrap().contains("d=example.com s=k1 a=rsa-sha256 c=relaxed/simple, bh="));
    let whole = said["verify"][3]["new"].as_str().unwrap();
    let broken = said["verify"][4]["new"].as_str().unwrap();
    assert!(whole.contains("dkim=pass") && broken.contains("dkim=fail"), "{said:#}");
    // Nothing is left beside the files: no socket, no state, no history.
    for left in ["old", "new", "old-state", "new-state", "history", "postseal-data", "var"] {
        assert!(!folder.path().join(left).exists(), "{left}");
    }
}

#[test]
fn verify_finds_no_unknown_difference_where_opendmarc_rejects() {
    let folder = safe("docker_mailserver");
    let arguments = ["migrate", "--verify", "--output", "o.toml", "opendkim.conf", "opendmarc.conf"];
    let said = out(&postseal(folder.path(), &arguments), 1);
    let reply = "`550 5.7.1 rejected by DMARC policy for postseal-reject.invalid`";
    assert!(said.contains(&format!("same: DMARC failure, p=reject: {reply}\n")), "{said}");
    assert!(said.contains("known: DMARC failure, p=quarantine: old files: accepted, dkim=none, dmarc=fail"), "{said}");
    assert!(said.contains("opendmarc.conf:5 RejectFailures: mail of domains that ask for quarantine"), "{said}");
    assert!(
        said.contains("verified: 8 messages: 7 the same, 1 with a known difference, 0 with another one\n"),
        "{said}"
    );
    assert!(!said.contains("differs:"), "{said}");
}

/// OpenDKIM puts mail off where everybody may write beside the key, and no line of the file says so.
#[test]
fn verify_fails_for_a_difference_that_no_line_tells_of() {
    let folder = safe("linode");
    let said = out(&postseal(folder.path(), &["migrate", "--verify", "--output", "o.toml", "opendkim.conf"]), 0);
    assert!(said.contains("verified: 6 messages: 4 the same, 2 with a known difference, 0 with another one"), "{said}");
    // The same user for all: only what stands beside the key is another matter.
    let file = folder.path().join("opendkim.conf");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("UserID", "#")).unwrap();
    chown(folder.path().join("rsa.pem"), Some(Uid::effective().as_raw()), None).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let (said, _) = migrate(folder.path(), &["--verify", "opendkim.conf"], 1);
    assert_eq!((said["decisions"].as_u64(), codes(&said).len()), (Some(0), 0));
    let first = &said["verify"][0];
    assert_eq!((&first["old"], &first["same"], first.get("reason")), (&"put off".into(), &false.into(), None));
    let text = out(&postseal(folder.path(), &["migrate", "--verify", "--output", "o2.toml", "opendkim.conf"]), 1);
    assert!(
        text.contains("differs: signed for example.com: old files: put off; new: accepted, d=example.com"),
        "{text}"
    );
}

/// What the trial changed in its copies is no finding about the files.
#[test]
fn verify_that_cannot_start_tells_of_the_files_alone() {
    let folder = safe("linode");
    let key = folder.path().join("rsa.pem").display().to_string();
    fs::write(
        folder.path().join("dkim"),
        format!("Domain example.com\nSelector s1\nKeyFile {key}\nSocket local:o.sock\n"),
    )
    .unwrap();
    fs::write(folder.path().join("dmarc"), "Socket local:d.sock\nHistoryFile history\n").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let said = postseal(folder.path(), &["migrate", "--verify", "dkim", "dmarc"]);
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(78), "{error}");
    assert!(error.contains("error[E-KEY-UNREADABLE]: `KeyFile`"), "{error}");
    assert!(!error.contains("postseal-verify"), "{error}");
}

#[test]
fn verify_signs_for_twenty_rules_and_tells_how_many_are_left() {
    let table: String = (0..25).map(|n| format!("*%AT%d{n}.example d{n}\n")).collect();
    let keys: String = (0..25).map(|n| format!("d{n} d{n}.example:k:@/rsa.pem\n")).collect();
    let dkim = "Socket inet:8891%AT%127.0.0.1\nRequireSafeKeys no\nKeyTable @/keys\nSigningTable refile:@/table\n";
    let folder = site(&[("keys", &keys), ("table", &table), ("dkim", dkim)]);
    let (said, _) = migrate(folder.path(), &["--verify", "--opendkim-conf", "dkim"], 1);
    let cases = verified(&said);
    assert_eq!(cases.iter().filter(|(name, ..)| name.starts_with("signed for ")).count(), 21, "{said:#}");
    assert!(cases.iter().all(|(_, same, reason)| *same || reason.is_some()), "{said:#}");
    assert_eq!(said["rules_not_verified"], 5);
    let text = out(&postseal(folder.path(), &["migrate", "--verify", "--output", "o", "--opendkim-conf", "dkim"]), 1);
    assert!(text.contains("not verified: 5 rules behind the first 20\n"), "{text}");
}

/// What was flagged as a hole is told with its line where it makes a difference to a message.
#[test]
fn verify_has_a_reason_for_every_difference_of_set_ups_with_holes() {
    for (dkim, dmarc, code) in HOLES {
        // Keys of tests stand where everybody may write.
        let safe = if dkim.contains("RequireSafeKeys") { "" } else { "RequireSafeKeys no\n" };
        let folder = site(&[("dkim", &format!("{DKIM}{safe}{dkim}")), ("dmarc", &format!("{dmarc}Syslog yes\n"))]);
        let (said, _) = migrate(folder.path(), &["--verify", "dkim", "dmarc"], 1);
        let cases = verified(&said);
        assert_eq!(cases.len(), 8, "{code}: {said:#}");
        for (name, is_same, reason) in &cases {
            assert!(*is_same || reason.is_some(), "{code}, {name}: {:#}", said["verify"]);
        }
        let differing = cases.iter().filter(|(_, is_same, _)| !is_same).count();
        let expected = match (*code, *dkim) {
            ("W-HOLE-NETWORK", "InternalHosts 0.0.0.0/0\n") | ("W-HOLE-LENGTH", _) => 1,
            ("W-HOLE-OWN-FROM", _) => 2,
            _ => 0,
        };
        assert_eq!(differing, expected, "{code}, {dkim}: {:#}", said["verify"]);
    }
}
