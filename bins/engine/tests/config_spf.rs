//! The section `[spf]` of the configuration file.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic")]

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use engine::config::{self, Config, Diagnostic, Diagnostics, OnFailure, RejectAt, Spf};

fn parse(text: &str) -> Result<(Config, Diagnostics), Diagnostics> {
    config::parse(&format!("[spf]\n{text}"), Path::new("/etc/postseal/postseal.toml"))
}

fn accepted(text: &str) -> Spf {
    match parse(text) {
        Ok((config, found)) if found.is_empty() => config.spf,
        Ok((_, found)) | Err(found) => panic!("{found}"),
    }
}

/// The only finding, be it an error or a warning.
fn finding(text: &str) -> Diagnostic {
    let found = match parse(text) {
        Ok((_, found)) | Err(found) => found,
    };
    assert_eq!(found.len(), 1, "{found}");
    found.iter().next().unwrap().clone()
}

#[test]
fn s18_senders_are_checked_and_nothing_is_rejected_unless_it_is_written() {
    let spf = accepted("");
    assert_eq!(spf, Spf::default());
    assert!(spf.enabled && spf.reject.is_empty() && !spf.received_spf);
    assert_eq!((spf.reject_at, spf.on_temperror), (RejectAt::Rcpt, OnFailure::Accept));
    assert_eq!((spf.budget, spf.timeout), (Duration::from_secs(5), Duration::from_secs(20)));
}

#[test]
fn every_key_is_read() {
    let spf = accepted(
        "enabled = true\nreject = [\"example.com\", \"*.example.com\"]\nreject_at = \"mail\"\nbudget = \"0\"\n\
         on_temperror = \"tempfail\"\nallow_networks = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n\
         allow_domains = [\"*.friend.example\"]\nrelays = [\"198.51.100.25\"]\nreceived_spf = true\ntimeout = \"30s\"\n",
    );
    assert!(spf.reject.contains("example.com") && spf.reject.contains("www.example.com"));
    assert!(!spf.reject.contains("example.org"));
    assert_eq!((spf.reject_at, spf.on_temperror), (RejectAt::Mail, OnFailure::Tempfail));
    assert_eq!((spf.budget, spf.timeout), (Duration::ZERO, Duration::from_secs(30)));
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(spf.allow_networks.contains(ip("192.0.2.9")) && spf.allow_networks.contains(ip("2001:db8::1")));
    assert!(spf.allow_domains.contains("a.friend.example") && !spf.allow_domains.contains("friend.example"));
    assert!(spf.relays.contains(ip("198.51.100.25")) && spf.received_spf);
    assert!(!accepted("enabled = false\n").enabled);
    assert!(accepted("reject = [\"*\"]\n").reject.contains("example.net"));
}

#[test]
fn what_cannot_be_is_found_with_its_line_and_its_mend() {
    for (text, code, line, cause) in [
        ("reject = [\"a b\"]\n", "E-CONFIG-VALUE", 2, "`a b`: "),
        ("reject_at = \"data\"\n", "E-CONFIG-VALUE", 2, "unknown word `data`"),
        ("on_temperror = \"reject\"\n", "E-CONFIG-VALUE", 2, "unknown word `reject`"),
        ("budget = \"30s\"\n", "E-CONFIG-RANGE", 2, "30s is outside the limits"),
        // RFC 7208 §4.6.4: "This limit SHOULD allow at least 20 seconds."
        ("timeout = \"19s\"\n", "E-CONFIG-RANGE", 2, "19s is outside the limits"),
        ("relay = []\n", "E-CONFIG-UNKNOWN-KEY", 2, "unknown key `relay` in `spf`; did you mean `relays`?"),
        ("enabled = true\nrelays = [\"0.0.0.0/0\"]\n", "E-TRUST-EVERYONE", 3, "every client could say"),
        ("relays = [\"16.0.0.0/4\"]\n", "W-TRUST-WIDE", 2, "16.0.0.0/4 holds a large part"),
        ("reject = [\"*\"]\nallow_networks = [\"::/0\"]\n", "W-TRUST-WIDE", 3, "every client is allowed"),
        ("enabled = false\nreject = [\"a.example\"]\n", "W-CONFIG-UNUSED", 3, "no effect"),
        ("enabled = false\non_temperror = \"tempfail\"\n", "W-CONFIG-UNUSED", 3, "no effect"),
    ] {
        let found = finding(text);
        assert_eq!((found.code.as_str(), found.line), (code, Some(line)), "{text}");
        assert!(found.cause.starts_with(cause), "{text}: {}", found.cause);
        assert!(!found.fix.is_empty(), "{text}");
    }
}

#[test]
fn a_relay_whose_mail_counts_as_our_own_is_an_error() {
    let default = "mail of `127.0.0.1` counts as our own at `inet:127.0.0.1:8891`, so nobody is checked: \
                   `trust.networks` has `127.0.0.0/8`";
    let found = finding("relays = [\"192.0.2.25\", \"127.0.0.1\"]\n");
    assert_eq!((found.code.as_str(), found.line), ("E-TRUST-RELAY", Some(2)));
    assert_eq!((found.key.as_deref(), &*found.cause), (Some("spf.relays[1]"), default));
    assert_eq!(found.fix, "list `127.0.0.1` in `trust.upstream` as well, or take it out of one of the two");

    let relays = "relays = [\"192.0.2.24/30\"]\n";
    let own = |trust: &str| format!("{relays}[[listen]]\nsocket = \"inet:1\"\n[listen.trust]\n{trust}\n");
    for (text, network) in [
        (format!("{relays}[trust]\nnetworks = [\"192.0.2.0/24\"]\n"), "192.0.2.0/24"),
        // A part of them is enough, and a part of them listed is not.
        (format!("{relays}[trust]\nnetworks = [\"192.0.2.25\"]\n"), "192.0.2.25"),
        (format!("{relays}[trust]\nnetworks = [\"192.0.2.0/24\"]\nupstream = [\"192.0.2.25\"]\n"), "192.0.2.0/24"),
        (own("networks = [\"192.0.2.16/28\"]"), "192.0.2.16/28"),
        // The section `[trust]` is not the one of this listener.
        (
            format!("{}[trust]\nupstream = [\"192.0.2.24/30\"]\n", own("networks = [\"192.0.2.16/28\"]")),
            "192.0.2.16/28",
        ),
    ] {
        let found = finding(&text);
        assert_eq!((found.code.as_str(), found.line), ("E-TRUST-RELAY", Some(2)), "{text}");
        assert!(found.cause.ends_with(&format!("has `{network}`")), "{text}: {}", found.cause);
    }
    for text in [
        format!("{relays}[trust]\nnetworks = [\"192.0.2.0/24\"]\nupstream = [\"192.0.2.24/30\"]\n"),
        format!("{relays}[trust]\nnetworks = [\"192.0.2.0/24\"]\nupstream = [\"192.0.2.24/31\", \"192.0.2.26/31\"]\n"),
        "relays = [\"127.0.0.1\"]\n[trust]\nkeep_results_from = [\"127.0.0.1\"]\n".to_owned(),
        "relays = [\"127.0.0.1\"]\n[trust]\nnetworks = []\n".to_owned(),
        // Nobody is checked there.
        own("networks = [\"192.0.2.0/24\"]").replace("[listen.trust]", "mode = \"sign\"\n[listen.trust]"),
        "enabled = false\nrelays = [\"127.0.0.1\"]\n".to_owned(),
    ] {
        accepted(&text);
    }
}
