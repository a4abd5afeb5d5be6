//! The native configuration file: defaults, every key, and findings that name file, line, cause and mend.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dkim_core::verify::BodyLengthPolicy;
use engine::config::diagnostics::{Code, Severity};
use engine::config::{
    self, BodyLength, Config, Diagnostic, Diagnostics, Facility, IpSet, LogFormat, LogLevel, LogSink, Mode, OnFailure,
    OnKeyError, OnKeyMismatch,
};

const FILE: &str = "/etc/postseal/postseal.toml";

fn parse(text: &str) -> Result<(Config, Diagnostics), Diagnostics> {
    config::parse(text, Path::new(FILE))
}

fn accepted(text: &str) -> Config {
    match parse(text) {
        Ok((config, found)) if found.is_empty() => config,
        Ok((_, found)) | Err(found) => panic!("{found}"),
    }
}

fn warned(text: &str) -> Diagnostic {
    let (_, found) = parse(text).unwrap();
    assert_eq!(found.len(), 1, "{found}");
    found.iter().next().unwrap().clone()
}

/// The only finding, an error.
fn refused(text: &str) -> Diagnostic {
    let found = parse(text).unwrap_err();
    assert_eq!(found.len(), 1, "{found}");
    let finding = found.iter().next().unwrap().clone();
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(finding.file.as_deref(), Some(Path::new(FILE)));
    assert!(!finding.fix.is_empty());
    finding
}

fn key_of(selector: &str) -> String {
    format!("keys = [{{ selector = \"{selector}\", file = \"k.pem\" }}]\n")
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(accepted(""), Config::default());
    assert_eq!(accepted("# nothing\n\n"), Config::default());
}

#[test]
fn every_key_is_read() {
    let config = accepted(
        r#"
listen = [
    "inet:8891@127.0.0.1",
    { socket = "local:/run/postseal.sock", socket_mode = "0660", socket_owner = "postseal", socket_group = "postfix", mode = "sign",
      trust = { authenticated = false, daemon_names = ["MSA"], daemon_ports = [587], networks = [], upstream = [], keep_results_from = ["127.0.0.1"] } },
]
mode = "verify"
state_dir = "/var/lib/postseal"
authserv_id = "mx.example.com"
remove_authserv_ids = ["old.example.com"]

[signing]
canonicalization = "relaxed/simple"
sign_headers = ["From", "Subject"]
oversign_headers = ["From"]
expiry = "14d"
on_key_error = "tempfail"
on_key_mismatch = "skip"

[[domain]]
name = "Example.COM"
subdomains = true
signing_domain = "example.com"
identity = "@mail.example.com"
allow_ed25519_only = true
keys = [{ selector = "s1", file = "keys/s1.pem" }, { selector = "s2", file = "/abs/s2.pem" }]
expiry = "0"
on_key_error = "unsigned"
on_key_mismatch = "warn"

[[domain]]
name = "*.example.org"
keys = [{ selector = "a.b", file = "c.pem" }]
canonicalization = "simple/simple"

[trust]
authenticated = true
daemon_names = ["ORIGINATING", "MSA"]
daemon_ports = [465, 587]
networks = ["127.0.0.0/8", "::1", "192.0.2.0/24"]
upstream = ["127.0.0.2"]

[keys]
check_interval = "6h"

[dns]
nameservers = ["127.0.0.1:5353", "[::1]:53", "192.0.2.53"]
timeout = "2s"
deadline = "10s"
cache_size = 100
zone_file = "zone.txt"

[limits]
connections = 10
frame = "4MiB"
header_bytes = 65536
header_fields = 1000
recipients = 50
signatures = 5
signature_header_names = 100
tags = 64
idle = "1h"
packet = "10s"
stop = "1s"

[policy]
on_dns_failure = "tempfail"
on_internal_error = "accept"
on_limit = "tempfail"

[verify]
clock_skew = "1h"
body_length = "refuse"
min_rsa_bits = 2048
max_rsa_bits = 8192

[log]
format = "json"
level = "debug"
sink = "syslog"
facility = "local3"
name = "seal"
"#,
    );
    assert_eq!(config.listeners.len(), 2);
    let [tcp, unix] = &config.listeners[..] else { panic!() };
    assert_eq!((tcp.socket.to_postfix().as_str(), tcp.mode), ("inet:127.0.0.1:8891", Mode::Verify));
    assert!(tcp.trust.networks.contains("192.0.2.9".parse::<IpAddr>().unwrap()));
    assert_eq!(tcp.trust.daemon_names, ["ORIGINATING", "MSA"]);
    assert_eq!(tcp.trust.daemon_ports, [465, 587]);
    assert!(tcp.trust.upstream.contains("127.0.0.2".parse::<IpAddr>().unwrap()));
    assert_eq!((unix.socket.to_sendmail().as_str(), unix.mode), ("local:/run/postseal.sock", Mode::Sign));
    assert_eq!(unix.socket_mode, Some(0o660));
    assert_eq!((unix.socket_owner.as_deref(), unix.socket_group.as_deref()), (Some("postseal"), Some("postfix")));
    assert!(!unix.trust.authenticated && unix.trust.networks.is_empty());
    assert!(unix.trust.keep_results_from.contains("127.0.0.1".parse::<IpAddr>().unwrap()));
    assert_eq!(tcp.trust.keep_results_from, IpSet::default(), "nobody, unless it is written");

    assert_eq!(config.state_dir, Path::new("/var/lib/postseal"));
    assert_eq!(config.authserv_id.as_deref(), Some("mx.example.com"));
    assert_eq!(config.remove_authserv_ids, ["old.example.com"]);

    let [first, second] = config.domains.rules() else { panic!() };
    assert_eq!(first.pattern.to_string(), "example.com and subdomains");
    assert_eq!(first.signing_domain.as_str(), "example.com");
    assert_eq!(first.options.identity.as_ref().unwrap().to_string(), "@mail.example.com");
    assert!(first.allow_ed25519_only);
    assert_eq!((first.options.expiry, first.options.on_key_error), (None, OnKeyError::Unsigned));
    assert_eq!(first.options.sign_headers.as_deref().unwrap(), ["From", "Subject"]);
    assert_eq!(first.options.body_canon.as_str(), "simple");
    assert_eq!(first.keys[0].file, Path::new("/etc/postseal/keys/s1.pem"));
    assert_eq!(first.keys[1].file, Path::new("/abs/s2.pem"));
    assert_eq!(first.defined_at, format!("{FILE}:20"));
    assert_eq!(second.signing_domain.as_str(), "example.org");
    assert_eq!(second.options.header_canon.as_str(), "simple");
    assert_eq!(second.options.expiry, Some(Duration::from_secs(14 * 86_400)));
    assert_eq!(second.options.on_key_error, OnKeyError::Tempfail);
    assert_eq!(first.options.on_key_mismatch, OnKeyMismatch::Warn);
    assert_eq!(second.options.on_key_mismatch, OnKeyMismatch::Skip);
    assert_eq!(config.keys.interval, Some(Duration::from_secs(6 * 3600)));
    assert_eq!(accepted("[keys]\ncheck_interval = \"0\"\n").keys.interval, None);

    let servers: Vec<String> = config.dns.nameservers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["127.0.0.1:5353", "[::1]:53", "192.0.2.53:53"]);
    assert_eq!((config.dns.timeout, config.dns.deadline), (Duration::from_secs(2), Duration::from_secs(10)));
    assert_eq!(config.dns.cache_size, 100);
    assert_eq!(config.dns.zone_file, Some(PathBuf::from("/etc/postseal/zone.txt")));

    let limits = &config.limits;
    assert_eq!((limits.connections, limits.frame, limits.recipients, limits.signatures), (10, 4 << 20, 50, 5));
    assert_eq!((limits.header.max_bytes, limits.header.max_fields), (65_536, 1000));
    assert_eq!((limits.signature_header_names, limits.tags.max_tags), (100, 64));
    let seconds = |n| Duration::from_secs(n);
    assert_eq!((limits.idle, limits.packet, limits.stop), (seconds(3600), seconds(10), seconds(1)));

    assert_eq!(config.policy.on_dns_failure, OnFailure::Tempfail);
    assert_eq!(config.policy.on_internal_error, OnFailure::Accept);
    assert_eq!(config.policy.on_limit, OnFailure::Tempfail);
    assert_eq!((config.verify.clock_skew, config.verify.body_length), (seconds(3600), BodyLength::Refuse));
    assert_eq!((config.verify.min_rsa_bits, config.verify.max_rsa_bits), (2048, 8192));
    let policy = config.verify.policy(limits);
    assert_eq!((policy.max_signatures, policy.max_header_names, policy.max_tags), (5, 100, 64));
    assert_eq!((policy.clock_skew, policy.min_rsa_bits, policy.max_rsa_bits), (3600, 2048, 8192));
    assert_eq!(policy.body_length, BodyLengthPolicy::Reject);
    let spec = first.signature_spec(&first.keys[0].selector);
    assert_eq!((spec.domain.as_str(), spec.selector.as_str(), spec.lifetime), ("example.com", "s1", None));
    assert_eq!(
        (spec.signed, spec.oversigned),
        (vec!["From".to_owned(), "Subject".to_owned()], vec!["From".to_owned()])
    );
    assert_eq!(spec.identity.unwrap().to_tag_value(), "@mail.example.com");
    let log = &config.log;
    assert_eq!(
        (log.format, log.level, log.sink, log.facility),
        (LogFormat::Json, LogLevel::Debug, LogSink::Syslog, Facility::Local3)
    );
    assert_eq!(log.program(), "seal");
}

#[test]
fn an_unknown_key_names_the_key_that_was_meant() {
    for (text, line, expected) in [
        ("authservid = \"mx\"\n", 1, "unknown key `authservid` at the top level; did you mean `authserv_id`?"),
        ("\n[dns]\n\nname_servers = []\n", 4, "unknown key `name_servers` in `dns`; did you mean `nameservers`?"),
        ("[verfy]\n", 1, "unknown key `verfy` at the top level; did you mean `verify`?"),
        ("[log]\nlevel = \"info\"\ncolour = 1\n", 3, "unknown key `colour` in `log`"),
    ] {
        let finding = refused(text);
        assert_eq!(finding.code.as_str(), "E-CONFIG-UNKNOWN-KEY");
        assert_eq!((finding.line, finding.cause.as_str()), (Some(line), expected));
        assert!(finding.fix.starts_with("remove it, or use one of: "), "{}", finding.fix);
    }
    let finding =
        refused("[[domain]]\nname = \"a.example\"\nkeys = [{ selector = \"s\", fil = \"x\", file = \"y\" }]\n");
    assert_eq!(finding.cause, "unknown key `fil` in `domain[0].keys[0]`; did you mean `file`?");
}

#[test]
fn a_wrong_value_names_the_setting_and_what_to_write() {
    for (text, code, line, key, cause) in [
        ("mode = \"singing\"", "E-CONFIG-VALUE", 1, "mode", "unknown word `singing`"),
        ("mode = \"verfy\"", "E-CONFIG-VALUE", 1, "mode", "unknown word `verfy`; did you mean `verify`?"),
        ("mode = 3", "E-CONFIG-TYPE", 1, "mode", "expected a word, found a whole number"),
        ("\nlisten = \"inet:1@::1\"", "E-CONFIG-TYPE", 2, "listen", "expected a list, found text"),
        (
            "listen = [\"tcp:1\"]",
            "E-CONFIG-VALUE",
            1,
            "listen[0]",
            "`tcp:1`: it begins with none of `inet:`, `inet6:`, `unix:`, `local:`, `systemd:` and `/`",
        ),
        ("listen = [3]", "E-CONFIG-TYPE", 1, "listen[0]", "expected a socket, found a whole number"),
        ("listen = []", "E-CONFIG-VALUE", 1, "listen", "the list is empty"),
        ("[[listen]]\nmode = \"off\"", "E-CONFIG-MISSING", 1, "listen[0]", "`socket` is missing"),
        (
            "authserv_id = \"a b\"",
            "E-CONFIG-VALUE",
            1,
            "authserv_id",
            "`a b` cannot name this host in Authentication-Results",
        ),
        (
            "[dns]\ntimeout = 5",
            "E-CONFIG-TYPE",
            2,
            "dns.timeout",
            "expected a time, like `\"5s\"`, found a whole number",
        ),
        ("[dns]\ntimeout = \"5\"", "E-CONFIG-VALUE", 2, "dns.timeout", "`5` has no unit"),
        ("[keys]\ncheck_interval = \"1s\"", "E-CONFIG-RANGE", 2, "keys.check_interval", "1s is outside the limits"),
        ("[dns]\ntimeout = \"10min\"", "E-CONFIG-RANGE", 2, "dns.timeout", "10min is outside the limits"),
        (
            "[dns]\nnameservers = [\"ns.example\"]",
            "E-CONFIG-VALUE",
            2,
            "dns.nameservers[0]",
            "`ns.example` is not the address of a name server",
        ),
        ("[limits]\nframe = \"1KiB\"", "E-CONFIG-RANGE", 2, "limits.frame", "1KiB is outside the limits"),
        ("[limits]\nconnections = -1", "E-CONFIG-VALUE", 2, "limits.connections", "-1 is negative or too large"),
        ("[limits]\nconnections = 0", "E-CONFIG-RANGE", 2, "limits.connections", "0 is outside the limits"),
        ("[verify]\nmin_rsa_bits = 512", "E-CONFIG-RANGE", 2, "verify.min_rsa_bits", "512 is outside the limits"),
        (
            "[verify]\nmin_rsa_bits = 8192",
            "E-CONFIG-CONFLICT",
            2,
            "verify.min_rsa_bits",
            "`min_rsa_bits` 8192 is above `max_rsa_bits` 4096",
        ),
        (
            "[trust]\nnetworks = [\"192.0.2.5/24\"]",
            "E-CONFIG-VALUE",
            2,
            "trust.networks[0]",
            "`192.0.2.5/24`: the address has bits set behind the prefix, the network is 192.0.2.0/24",
        ),
        ("[trust]\ndaemon_ports = [70000]", "E-CONFIG-VALUE", 2, "trust.daemon_ports[0]", "70000 is not a port"),
        (
            "[signing]\ncanonicalization = \"relaxed\"",
            "E-CONFIG-VALUE",
            2,
            "signing.canonicalization",
            "`relaxed` does not name two canonicalizations",
        ),
        (
            "[signing]\nsign_headers = [\"To\"]",
            "E-CONFIG-CONFLICT",
            2,
            "signing.sign_headers[0]",
            "the list has no From, which every signature must cover",
        ),
        ("[signing]\nsign_headers = []", "E-CONFIG-VALUE", 2, "signing.sign_headers", "the list is empty"),
        (
            "[signing]\nsign_headers = [\"From:\"]",
            "E-CONFIG-VALUE",
            2,
            "signing.sign_headers[0]",
            "`From:` is not the name of a header field",
        ),
        ("[signing]\nexpiry = \"1s\"", "E-CONFIG-RANGE", 2, "signing.expiry", "1s is outside the limits"),
        ("log = 1", "E-CONFIG-TYPE", 1, "log", "expected a table, found a whole number"),
        ("domain = [1]", "E-CONFIG-TYPE", 1, "domain[0]", "expected a table, found a whole number"),
    ] {
        let finding = refused(text);
        assert_eq!(finding.code.as_str(), code, "{text}");
        assert_eq!(
            (finding.line, finding.key.as_deref(), finding.cause.as_str()),
            (Some(line), Some(key), cause),
            "{text}"
        );
    }
    for bits in ["\"0778\"", "432", "\"66\"", "\"1777\""] {
        let finding = refused(&format!("[[listen]]\nsocket = \"/s\"\nsocket_mode = {bits}"));
        assert_eq!(finding.cause, "not permission bits in octal", "{bits}");
    }
    assert_eq!(accepted("[[listen]]\nsocket = \"/s\"\nsocket_mode = 0o660").listeners[0].socket_mode, Some(0o660));
}

#[test]
fn broken_toml_is_one_finding_with_its_line() {
    let finding = refused("mode = \"both\"\nlisten = [\n\"inet:1\"\n[dns]\n");
    assert_eq!(finding.code.as_str(), "E-CONFIG-SYNTAX");
    assert!(finding.line.is_some_and(|line| (2..=4).contains(&line)), "{finding}");
    let finding = refused("mode = both\n");
    assert_eq!((finding.code.as_str(), finding.line), ("E-CONFIG-SYNTAX", Some(1)));
    let finding = refused("a = 1\na = 2\n");
    assert_eq!((finding.code.as_str(), finding.line), ("E-CONFIG-SYNTAX", Some(2)));
}

#[test]
fn all_findings_come_at_once() {
    let found = parse("mod = 1\n[dns]\ntimeout = 1\n[log]\nlevel = \"loud\"\n").unwrap_err();
    let lines: Vec<Option<u32>> = found.iter().map(|d| d.line).collect();
    assert_eq!(found.len(), 3);
    for line in [1, 3, 5] {
        assert!(lines.contains(&Some(line)), "{found}");
    }
}

#[test]
fn m08_trust_in_everyone_is_refused_unless_acknowledged() {
    for networks in ["[\"0.0.0.0/0\"]", "[\"::/0\"]", "[\"0.0.0.0/1\", \"128.0.0.0/1\"]"] {
        let finding = refused(&format!("[trust]\nnetworks = {networks}\n"));
        assert_eq!(finding.code.as_str(), "E-TRUST-EVERYONE");
        assert!(finding.fix.contains("allow_any_network = true"), "{finding}");
        let config = accepted(&format!("[trust]\nnetworks = {networks}\nallow_any_network = true\n"));
        assert!(config.listeners[0].trust.networks.covers_a_whole_family());
    }
    // Nothing lets everyone speak in our name.
    let finding = refused("[trust]\nkeep_results_from = [\"0.0.0.0/0\"]\n");
    assert_eq!(finding.code.as_str(), "E-TRUST-EVERYONE");
    let finding = refused("[[listen]]\nsocket = \"/s\"\ntrust = { networks = [\"0.0.0.0/0\"] }\n");
    assert_eq!(finding.key.as_deref(), Some("listen[0].trust.networks[0]"));
    assert_eq!(warned("[trust]\nnetworks = [\"64.0.0.0/2\"]\n").code.as_str(), "W-TRUST-WIDE");
    assert_eq!(warned("[trust]\nallow_any_network = true\n").code.as_str(), "W-CONFIG-UNUSED");
    accepted("[trust]\nnetworks = [\"10.0.0.0/8\", \"fc00::/7\"]\n");
}

#[test]
fn domains_need_a_name_and_keys_and_do_not_overlap() {
    assert_eq!(refused(&format!("[[domain]]\n{}", key_of("s"))).cause, "`name` is missing");
    let finding = refused("\n[[domain]]\nname = \"example.com\"\n");
    assert_eq!((finding.line, finding.cause.as_str()), (Some(3), "the domain has no keys"));
    assert!(finding.fix.contains("postseal key new example.com"), "{finding}");
    assert_eq!(refused("[[domain]]\nname = \"example.com\"\nkeys = []\n").cause, "the domain has no keys");

    let two = |first: &str, second: &str| {
        format!("[[domain]]\n{first}\n{}[[domain]]\n{second}\n{}", key_of("a"), key_of("b"))
    };
    for (first, second) in [
        ("name = \"a.example\"", "name = \"A.example\""),
        ("name = \"a.example\"", "name = \"a.example\"\nsubdomains = true"),
        ("name = \"*.a.example\"", "name = \"a.example\"\nsubdomains = true"),
        ("name = \"*.a.example\"", "name = \"*.a.example\""),
    ] {
        let finding = refused(&two(first, second));
        assert_eq!((finding.code.as_str(), finding.line), ("E-CONFIG-DUPLICATE", Some(5)), "{first} {second}");
    }
    accepted(&two("name = \"a.example\"", "name = \"*.a.example\""));

    let twice = "[[domain]]\nname = \"a.example\"\nkeys = [{ selector = \"s\", file = \"1\" }, { selector = \"S\", file = \"2\" }]\n";
    assert_eq!(refused(twice).cause, "the selector `s` stands twice in this domain");
    let nine: Vec<String> = (0..9).map(|n| format!("{{ selector = \"s{n}\", file = \"k\" }}")).collect();
    let finding = refused(&format!("[[domain]]\nname = \"a.example\"\nkeys = [{}]\n", nine.join(", ")));
    assert_eq!(finding.code.as_str(), "E-CONFIG-RANGE");
    let long = format!("{}.{}.{}.{}", "a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(60));
    let finding = refused(&format!("[[domain]]\nname = \"{long}\"\n{}", key_of("selector")));
    assert!(finding.cause.contains("cannot be asked for"), "{finding}");
}

#[test]
fn a_signing_domain_of_one_label_is_refused() {
    let finding = refused(&format!("[[domain]]\nname = \"localhost\"\n{}", key_of("s")));
    assert!(finding.cause.contains("one label"), "{finding}");
}

/// What an empty file means to the crates that do the work is what they do by themselves.
#[test]
fn the_defaults_are_those_of_the_cores() {
    let config = Config::default();
    assert_eq!(config.verify.policy(&config.limits), dkim_core::verify::VerifyPolicy::default());
    let config = accepted(&format!("[[domain]]\nname = \"a.example\"\n{}", key_of("s")));
    let rule = &config.domains.rules()[0];
    let expected = dkim_core::sign::SignatureSpec::new(rule.signing_domain.clone(), rule.keys[0].selector.clone());
    assert_eq!(rule.signature_spec(&rule.keys[0].selector), expected);
}

#[test]
fn an_identity_outside_the_signing_domain_is_refused() {
    let text = |identity: &str| format!("[[domain]]\nname = \"a.example\"\nidentity = \"{identity}\"\n{}", key_of("s"));
    assert_eq!(refused(&text("@nota.example")).code.as_str(), "E-CONFIG-CONFLICT");
    accepted(&text("@sub.a.example"));
    for identity in ["a.example", "a b@a.example", "@-.example"] {
        assert_eq!(refused(&text(identity)).code.as_str(), "E-CONFIG-VALUE", "{identity}");
    }
}

#[test]
fn what_has_no_effect_is_a_warning() {
    for (text, line) in [
        ("mode = \"sign\"\n".to_owned(), 1),
        ("[[listen]]\nsocket = \"inet:1\"\nsocket_mode = \"0600\"\n".to_owned(), 3),
        ("[log]\nfacility = \"mail\"\n".to_owned(), 2),
        ("[signing]\non_key_mismatch = \"skip\"\n[keys]\ncheck_interval = \"0\"\n".to_owned(), 2),
        (format!("[[domain]]\nname = \"*.a.example\"\nsubdomains = true\n{}", key_of("s")), 3),
    ] {
        let finding = warned(&text);
        assert_eq!((finding.code.as_str(), finding.line), ("W-CONFIG-UNUSED", Some(line)), "{text}");
    }
    let finding = warned(&format!("[[domain]]\nname = \"a.example\"\nsigning_domain = \"b.example\"\n{}", key_of("s")));
    assert_eq!(finding.code.as_str(), "W-SIGN-UNALIGNED");
    assert_eq!(warned("[signing]\nsign_headers = [\"From\", \"Received\"]\n").code.as_str(), "W-SIGN-FRAGILE");
}

#[test]
fn two_listeners_on_one_socket_are_refused() {
    let finding = refused("listen = [\"inet:1@127.0.0.1\",\n \"inet:127.0.0.1:1\"]\n");
    assert_eq!((finding.code.as_str(), finding.line), ("E-CONFIG-DUPLICATE", Some(2)));
    assert_eq!(accepted("listen = [\"inet:0\", \"inet:0\"]\n").listeners.len(), 2);
}

#[test]
fn a_file_that_cannot_be_read_is_named_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postseal.toml");
    let found = config::load(&file).unwrap_err();
    let finding = found.iter().next().unwrap();
    assert_eq!((finding.code.as_str(), finding.line), ("E-CONFIG-READ", None));
    assert!(finding.fix.contains("--config"), "{finding}");

    std::fs::write(&file, b"authserv_id = \"\xff\"\n").unwrap();
    assert!(config::load(&file).unwrap_err().to_string().contains("UTF-8"));

    std::fs::write(&file, "[[domain]]\nname = \"a.example\"\nkeys = [{ selector = \"s\", file = \"k.pem\" }]\n")
        .unwrap();
    let (config, _) = config::load(&file).unwrap();
    assert_eq!(config.domains.rules()[0].keys[0].file, folder.path().join("k.pem"));
}

#[test]
fn a_hundred_unknown_keys_do_not_flood_the_screen() {
    let text: String = (0..100).map(|n| format!("zzz{n} = 1\n")).collect();
    assert_eq!(parse(&text).unwrap_err().len(), 20);
}

#[test]
fn a_deeply_nested_file_is_refused_and_not_followed() {
    let text = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let found = parse(&text).unwrap_err();
    assert_eq!(found.iter().next().unwrap().code.as_str(), "E-CONFIG-SYNTAX");
}

/// The page of the documentation and the reader agree: each section names exactly the keys that the reader asks for.
#[test]
fn the_documentation_lists_every_key() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")).unwrap();
    for (probe, heading) in [
        ("?", "## Top level"),
        ("[[listen]]\nsocket = \"/s\"\n?", "## Sockets"),
        ("[[domain]]\nname = \"a.example\"\nkeys = [{ selector = \"s\", file = \"k\" }]\n?", "## `[[domain]]`"),
        ("[signing]\n?", "## `[signing]`"),
        ("[trust]\n?", "## `[trust]`"),
        ("[keys]\n?", "## `[keys]`"),
        ("[dns]\n?", "## `[dns]`"),
        ("[limits]\n?", "## `[limits]`"),
        ("[policy]\n?", "## `[policy]`"),
        ("[verify]\n?", "## `[verify]`"),
        ("[spf]\n?", "## `[spf]`"),
        ("[dmarc]\n?", "## `[dmarc]`"),
        ("[journal]\n?", "## `[journal]`"),
        ("[report]\n?", "## `[report]`"),
        ("[log]\n?", "## `[log]`"),
    ] {
        let finding = refused(&probe.replace('?', "zzzzzzzz = 1"));
        let mut keys: Vec<&str> = finding.fix.strip_prefix("remove it, or use one of: ").unwrap().split(", ").collect();
        match heading {
            "## Top level" => keys.retain(|key| !page.contains(&format!("## `[{key}]`")) && *key != "domain"),
            "## `[[domain]]`" => {
                let shared = refused("[signing]\nzzzzzzzz = 1").fix;
                keys.retain(|key| !shared.contains(key));
            }
            _ => {}
        }
        let section = page.split("\n## ").find(|section| section.starts_with(&heading[3..])).unwrap();
        let mut documented: Vec<&str> =
            section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(key, _)| key).collect();
        documented.sort_unstable();
        keys.sort_unstable();
        assert_eq!(documented, keys, "{heading}");
    }
}

/// The example of the page is accepted, and each default in its tables is the one that the reader has.
#[test]
fn the_documentation_shows_the_defaults() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")).unwrap();
    for example in page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        accepted(example);
    }
    let mut checked = 0;
    for section in page.split("\n## ").skip(1) {
        let name = section.split_once('`').map_or("", |(_, rest)| rest.split('`').next().unwrap());
        for line in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split(" | ").collect();
            let Some(value) = cells[1].strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) else { continue };
            let key = cells[0].trim_start_matches("| ").trim_matches('`');
            if matches!(key, "state_dir" | "facility") || name == "[[domain]]" {
                continue;
            }
            let header = if section.starts_with("Top level") { String::new() } else { format!("{name}\n") };
            assert_eq!(accepted(&format!("{header}{key} = {value}\n")), Config::default(), "{name} {key}");
            checked += 1;
        }
    }
    assert!(checked > 25, "{checked}");
}

/// Every code that the sources define is explained on the page.
#[test]
fn the_documentation_lists_every_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/configuration.md")).unwrap();
    let mut sources = vec![root.join("src")];
    let mut codes = 0;
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        for piece in std::fs::read_to_string(path).unwrap().split("Code::new(\"").skip(1) {
            let code = piece.split('"').next().unwrap();
            assert!(page.contains(&format!("| `{code}` |")), "docs/configuration.md does not explain {code}");
            codes += 1;
        }
    }
    assert!(codes > 10);
    assert_eq!(Code::new("W-X").severity(), Severity::Warning);
}
