//! `postseal spf`, and the part of `postseal dns check` that is about SPF (M18): zone files in place of the DNS, and a DNS server on loopback.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::dns_server::{DnsServer, Reply};
use crate::run::{err, json, out, postseal};

/// A folder with this zone file.
fn zone(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("zone.txt"), text).unwrap();
    folder
}

/// What is printed about example.com.
fn text(folder: &Path, more: &[&str], code: i32) -> String {
    out(&postseal(folder, &[&["spf", "example.com", "--zone", "zone.txt"], more].concat()), code)
}

fn report(text: &str, more: &[&str], code: i32) -> Value {
    let folder = zone(text);
    let arguments = [&["spf", "example.com", "--zone", "zone.txt", "--json"], more].concat();
    json(&postseal(folder.path(), &arguments), code)
}

fn codes(report: &Value) -> Vec<&str> {
    report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// Six terms that ask, in a record of five and one below it.
const ELEVEN: &str = r#"$ORIGIN example.com.
@ TXT "v=spf1 mx a:www.example.com include:_spf.one.example include:_spf.two.example exists:%{i}.ok.example -all"
@ MX 10 mail
mail A 192.0.2.1
mail AAAA 2001:db8::1
www A 192.0.2.2
www AAAA 2001:db8::2
_spf.one.example. TXT "v=spf1 a:h.example mx:h.example include:_spf.three.example ~all"
_spf.two.example. TXT "v=spf1 a:h.example a:h.example ip4:192.0.2.0/28 ?all"
_spf.three.example. TXT "v=spf1 exists:%{i}.x.example ip4:198.51.100.0/24 -all"
h.example. A 203.0.113.1
h.example. AAAA 2001:db8::3
h.example. MX 10 h.example.
"#;

#[test]
fn m18_the_tree_has_running_counts_and_marks_the_term_that_crosses() {
    let folder = zone(ELEVEN);
    let shown = text(folder.path(), &[], 1);
    let tree = "\
example.com SPF: permerror
  v=spf1 mx a:www.example.com include:_spf.one.example include:_spf.two.example exists:%{i}.ok.example -all
  lookups void
        1    0  mx  (192.0.2.1, 2001:db8::1)
        2    0  a:www.example.com  (192.0.2.2, 2001:db8::2)
        3    0  include:_spf.one.example
        4    0    a:h.example  (203.0.113.1, 2001:db8::3)
        5    0    mx:h.example  (203.0.113.1, 2001:db8::3)
        6    0    include:_spf.three.example
        7    0      exists:%{i}.x.example  (depends on the client)
        7    0      ip4:198.51.100.0/24
        7    0      -all
        7    0    ~all
        8    0  include:_spf.two.example
        9    0    a:h.example  (203.0.113.1, 2001:db8::3)
       10    0    a:h.example  (203.0.113.1, 2001:db8::3)
       10    0    ip4:192.0.2.0/28
       10    0    ?all
       11    0  exists:%{i}.ok.example  (depends on the client)  <== too many lookups: permerror from here on
       11    0  -all
  11 of 10 lookups, 0 of 2 void
  authorises 273 of IPv4 and 3 of IPv6, and clients that cannot be counted
  failure[spf-too-many-lookups]: exists:%{i}.ok.example: this is where more than 10 terms ask the DNS (there are 11): ";
    assert!(shown.starts_with(tree), "{shown}");
    assert!(shown.contains("\n    fix: remove includes of services that send no more mail for you;"), "{shown}");
    // And so it is for a client that no term before it matches; one that is matched earlier passes.
    assert!(text(folder.path(), &["--ip", "192.0.2.99"], 1).contains("permerror: too many terms that ask the DNS"));
    assert!(
        text(folder.path(), &["--ip", "192.0.2.15"], 0)
            .starts_with("MAIL FROM (example.com): pass: matched include:_spf.two.example\n")
    );

    let report = report(ELEVEN, &[], 1);
    assert_eq!(
        (&report["state"], &report["lookups"]["count"], &report["lookups"]["limit"]),
        (&"permerror".into(), &11.into(), &10.into())
    );
    let crossing: Vec<&Value> = report["terms"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|term| !term["crosses"].as_array().unwrap().is_empty())
        .collect();
    assert_eq!(
        (crossing.len(), &crossing[0]["term"], &crossing[0]["crosses"][0]),
        (1, &"exists:%{i}.ok.example".into(), &"lookups".into())
    );
    assert_eq!((&report["authorised"]["ipv4"], &report["authorised"]["ipv6"]), (&273.into(), &"3".into()));
}

#[test]
fn m18_void_lookups_are_counted_for_the_family_that_finds_nothing() {
    let zone = "example.com. TXT \"v=spf1 a:a.example a:b.example a:c.example -all\"\na.example. A 192.0.2.1\nb.example. A 192.0.2.2\nc.example. A 192.0.2.3\n";
    let report = report(zone, &[], 1);
    assert_eq!(report["void_lookups"], serde_json::json!({ "ipv4": 0, "ipv6": 3, "limit": 2 }));
    assert_eq!(
        (codes(&report), &report["terms"][2]["crosses"][0]),
        (vec!["spf-too-many-void-lookups"], &"void-lookups".into())
    );
    assert!(
        report["findings"][0]["what"].as_str().unwrap().contains("for clients with IPv6 addresses that come so far")
    );
    let folder = self::zone(zone);
    text(folder.path(), &["--ip", "192.0.2.3"], 0);
    assert!(
        text(folder.path(), &["--ip", "2001:db8::3"], 1).contains("permerror: too many lookups that found nothing")
    );
}

#[test]
fn a_record_in_order_is_shown_with_whom_it_authorises() {
    let folder = zone("example.com. TXT \"v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.128/25 ip6:2001:db8::/32 -all\"\n");
    assert_eq!(
        text(folder.path(), &[], 0),
        "\
example.com SPF: valid
  v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.128/25 ip6:2001:db8::/32 -all
  lookups void
        0    0  ip4:192.0.2.0/24
        0    0  ip4:192.0.2.128/25
        0    0  ip6:2001:db8::/32
        0    0  -all
  0 of 10 lookups, 0 of 2 void
  authorises 256 of IPv4 and 2^96 (a /32) of IPv6
"
    );
}

#[test]
fn each_mistake_has_its_name_and_its_mend() {
    let long = format!(
        "example.com. TXT \"v=spf1 {}\" \"{}-all\"",
        "ip4:192.0.2.100 ".repeat(15),
        "ip4:192.0.2.101 ".repeat(15)
    );
    let shared = "example.com. TXT \"v=spf1 include:_spf.google.com ~all\"\n_spf.google.com. TXT \"v=spf1 ip4:192.0.2.0/24 ~all\"";
    for (zone, code, expected) in [
        ("other.example. TXT x", 1, &["spf-no-record"][..]),
        ("example.com. TXT \"v=spf1 -all\"\nexample.com. TXT \"v=spf1 mx -all\"", 1, &["spf-several-records"]),
        ("example.com. TXT \"v=spf1 a:192.0.2.1 -all\"", 1, &["spf-syntax"]),
        ("example.com. TXT \"v=spf1 +all\"", 1, &["spf-pass-all"]),
        ("example.com. TXT \"v=spf1 ip4:192.0.2.1 ?all\"", 1, &["spf-neutral-end"]),
        ("example.com. TXT \"v=spf1 ip4:192.0.2.1\"", 1, &["spf-neutral-end"]),
        ("example.com. TXT \"v=spf1 ptr ~all\"", 1, &["spf-ptr"]),
        ("example.com. TXT \"v=spf1 -all ip4:192.0.2.1\"", 1, &["spf-behind-all"]),
        ("example.com. TXT \"v=spf1 a:gone.example -all\"\ngone.example. TXT x", 1, &["spf-void"]),
        (
            "example.com. TXT \"v=spf1 include:gone.example -all\"\ngone.example. TXT x",
            1,
            &["spf-target-without-record"],
        ),
        ("example.com. TXT \"v=spf1 include:gone.example -all\"", 2, &["spf-not-in-zone"]),
        ("example.com. TXT \"v=spf1 a:gone.example -all\"", 2, &["spf-not-in-zone"]),
        ("example.com. TXT \"v=spf1 mx -all\"\nexample.com. MX 10 gone.example.", 2, &["spf-not-in-zone"]),
        ("example.com. TXT \"v=spf1 include:example.com -all\"", 1, &["spf-loop"]),
        ("example.com. TXT \"v=spf1 exists:%{l}.x.example -all\"", 0, &["spf-depends-on-client"]),
        ("example.com. TXT \"v=spf1 mx -all\"\nexample.com. MX 0 .", 1, &["spf-no-address"]),
        ("example.com. TXT \"v=spf1-all\"", 1, &["spf-no-record", "spf-near-miss"]),
        ("example.com. TXT \"v=spf1 -all\"\nexample.com. TXT \"v=spf2.0/pra -all\"", 1, &["spf-near-miss"]),
        ("example.com. TXT \"v=spf1 -include:all.example ~all\"\nall.example. TXT \"v=spf1 +all\"", 0, &[]),
        ("example.com. TXT \"v=spf1 -all\"\nexample.com. SPF \"v=spf1 +all\"", 1, &["spf-type-99"]),
        (&long, 1, &["spf-long-record"]),
        (shared, 0, &["spf-shared-provider"]),
        ("example.com. SERVFAIL", 2, &["spf-unanswered"]),
        ("example.com. TXT \"v=spf1 a:dead.example -all\"\ndead.example. SERVFAIL", 2, &["spf-unanswered"]),
    ] {
        let report = report(zone, &[], code);
        assert_eq!(codes(&report), expected, "{report:#}");
        if expected.is_empty() {
            continue;
        }
        let finding = &report["findings"][0];
        assert!(
            !finding["what"].as_str().unwrap().is_empty() && !finding["fix"].as_str().unwrap().is_empty(),
            "{zone}"
        );
        let folder = self::zone(zone);
        let shown = text(folder.path(), &[], code);
        assert!(shown.contains(&format!("[{}]: ", expected[0])) && shown.contains("\n    fix: "), "{shown}");
    }
    let finding = &report("example.com. TXT \"v=spf1 mx:192.0.2.1 -all\"", &[], 1)["findings"][0];
    assert!(
        finding["what"]
            .as_str()
            .unwrap()
            .contains("address where a name belongs (use ip4: or ip6:) at byte 10, in \"mx:192.0.2.1\"")
    );
}

#[test]
fn a_client_is_evaluated_as_a_receiver_does_it() {
    let folder = zone(
        "example.com. TXT \"v=spf1 include:i.example -all exp=why.example.com\"\nwhy.example.com. TXT \"%{i} is no host of %{d}\"\n\
         i.example. TXT \"v=spf1 a:h.example ?all\"\nh.example. A 192.0.2.1\nmail.example.com. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n\
         dead.example. SERVFAIL\n",
    );
    let shown =
        text(folder.path(), &["--ip", "192.0.2.1", "--helo", "mail.example.com", "--from", "jo@example.com"], 0);
    assert_eq!(
        shown,
        "\
MAIL FROM (example.com): pass: matched include:i.example
  example.com TXT: \"v=spf1 include:i.example -all exp=why.example.com\"
  include:i.example: matched
    i.example TXT: \"v=spf1 a:h.example ?all\"
    a:h.example: matched
      h.example A: 192.0.2.1
    ?all: not-reached
  -all: not-reached
  exp=why.example.com: not-used
HELO (mail.example.com): pass: matched ip4:192.0.2.1
  mail.example.com TXT: \"v=spf1 ip4:192.0.2.1 -all\"
  ip4:192.0.2.1: matched
  -all: not-reached
Received-SPF: pass (localhost: 192.0.2.1 may send for example.com)
\treceiver=localhost; identity=mailfrom; envelope-from=\"jo@example.com\";
\tclient-ip=192.0.2.1; helo=mail.example.com; mechanism=\"include:i.example\"
Authentication-Results: localhost;
\tspf=pass smtp.mailfrom=example.com;
\tspf=pass smtp.helo=mail.example.com
"
    );
    // The defaults, and what the owner of the domain says about others.
    let shown = text(folder.path(), &["--ip", "192.0.2.9"], 1);
    assert!(
        shown.starts_with(
            "MAIL FROM (example.com): fail: matched -all\n  example.com says: 192.0.2.9 is no host of example.com\n"
        ),
        "{shown}"
    );
    assert!(
        shown.contains("envelope-from=\"postmaster@example.com\"")
            && shown.contains("spf=fail reason=\"matched -all\" smtp.mailfrom=example.com"),
        "{shown}"
    );
    // A null sender is the domain of HELO (RFC 7208 §2.4).
    let shown = text(folder.path(), &["--ip", "192.0.2.1", "--helo", "mail.example.com", "--from", "<>"], 0);
    assert!(shown.starts_with("MAIL FROM (mail.example.com): pass: matched ip4:192.0.2.1\n"), "{shown}");
    let arguments = ["spf", "dead.example", "--zone", "zone.txt", "--ip", "2001:db8::1", "--json"];
    let report = json(&postseal(folder.path(), &arguments), 2);
    let checked = &report["identities"][0];
    assert_eq!(
        (&report["result"], &checked["cause"], &checked["record"]["answer"][0]),
        (&"temperror".into(), &"lookup".into(), &"no answer".into())
    );
    fs::write(folder.path().join("postseal.toml"), "authserv_id = \"mx.example.net\"\n").unwrap();
    let shown = text(folder.path(), &["--ip", "192.0.2.1", "--config", "postseal.toml"], 0);
    assert!(
        shown.contains("\nAuthentication-Results: mx.example.net;") && shown.contains("(mx.example.net: 192.0.2.1 may"),
        "{shown}"
    );
}

#[test]
fn what_cannot_be_run_says_so() {
    let folder = zone("example.com. TXT \"v=spf1 -all\"\n");
    for (arguments, code, expected) in [
        (&["spf", "example.com", "--helo", "x.example"][..], 64, "--ip"),
        (&["spf", "example.com", "--from", "a@x.example"], 64, "--ip"),
        (&["spf", "example.com", "--ip", "192.0.2.256"], 64, "invalid value"),
        (&["spf", "localhost"], 64, "one label"),
        (&["spf", "jo@example.com"], 64, "the part behind @: example.com"),
        (&["spf", "https://www.example.com/x"], 64, "a domain is wanted, such as its part www.example.com"),
        (&["dns", "check", "jo@example.com"], 64, "the part behind @: example.com"),
        // With its final dot it is a domain: what is wrong is that there is no such key.
        (&["dns", "check", "EXAMPLE.com.", "--selector", "x"], 1, "no key with the selector x for example.com"),
        (&["dns", "check", "example.com.."], 64, "dot"),
        (&["spf", "example.com", "--timeout", "0"], 64, "from 1 to 86400"),
        (&["spf", "example.com", "--timeout", "9", "--ip", "192.0.2.1"], 64, "--timeout"),
        (&["spf", "example.com", "--zone", "gone.txt"], 78, "gone.txt"),
        (&["spf", "example.com", "--config", "gone.toml"], 78, "gone.toml"),
    ] {
        assert!(err(&postseal(folder.path(), arguments), code).contains(expected), "{arguments:?}");
    }
    let help = out(&postseal(folder.path(), &["spf", "--help"]), 0);
    assert!(
        help.contains("Exit codes:\n  0   the record is in order; with --ip: the client passes for MAIL FROM\n"),
        "{help}"
    );
}

#[test]
fn over_the_network_it_is_the_same() {
    let texts = |text: &str| Reply::Texts(vec![vec![text.as_bytes().to_vec()]]);
    let server = DnsServer::start(vec![
        ("example.com".to_owned(), texts("v=spf1 include:i.example -all")),
        ("i.example".to_owned(), texts("v=spf1 ip4:192.0.2.0/24 -all")),
        ("dead.example".to_owned(), Reply::Code(2)),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let run = |domain: &str, more: &[&str], code| {
        let arguments = [&["spf", domain, "--nameserver", &server.address, "--json"], more].concat();
        json(&postseal(folder.path(), &arguments), code)
    };
    let report = run("example.com", &[], 0);
    assert_eq!((&report["authorised"]["ipv4"], &report["questions"]), (&256.into(), &2.into()), "{report}");
    assert_eq!(run("example.com", &["--ip", "192.0.2.7"], 0)["result"], "pass");
    assert_eq!(run("example.com", &["--ip", "192.0.3.7"], 1)["result"], "fail");
    assert_eq!(run("dead.example", &[], 2)["state"], "unknown");
}

#[test]
fn texts_that_are_no_usable_record_are_shown() {
    let several = "example.com. TXT \"v=spf1 -all\"\nexample.com. TXT \"v=spf1 mx -all\"\nexample.com. TXT x";
    let found = report(several, &[], 1);
    assert_eq!(
        (&found["records"], &found["record"]),
        (&serde_json::json!(["v=spf1 -all", "v=spf1 mx -all"]), &Value::Null)
    );
    let shown = text(zone(several).path(), &[], 1);
    assert!(shown.starts_with("example.com SPF: permerror\n  v=spf1 -all\n  v=spf1 mx -all\n  failure["), "{shown}");
    let long = format!("example.com. TXT \"v=spf1 moo \\027[2J\" {}", "\"ip4:192.0.2.1 \" ".repeat(100));
    let found = report(&long, &[], 1);
    let shown = found["records"][0].as_str().unwrap();
    assert!(shown.starts_with("v=spf1 moo \\x1b[2Jip4:") && shown.len() == 503, "{shown}");
    let near = report("example.com. TXT \"\\226\\128\\156v=spf1 -all\\226\\128\\157\"", &[], 1);
    let finding = &near["findings"][1];
    assert_eq!((codes(&near), &near["state"]), (vec!["spf-no-record", "spf-near-miss"], &"none".into()));
    assert!(finding["what"].as_str().unwrap().ends_with(r": \xe2\x80\x9cv=spf1 -all\xe2\x80\x9d"), "{finding}");
    assert!(finding["fix"].as_str().unwrap().contains("quotation mark"), "{finding}");
    assert_eq!(report("example.com. TXT \"v=spf1 -all\"", &[], 0)["records"], serde_json::json!([]));
}

/// RFC 7208 §11.1: what strangers publish does not decide how much is printed.
#[test]
fn what_is_found_again_and_again_is_told_once() {
    let zone = format!(
        "example.com. TXT \"v=spf1 \" {} \"-all\"\ni.example. TXT \"v=spf1 \" {} \"?all\"",
        "\"include:i.example \" ".repeat(199),
        "\"ptr \" ".repeat(400)
    );
    let found = report(&zone, &[], 1);
    let of = |code: &str| {
        let all = found["findings"].as_array().unwrap();
        all.iter().filter(|finding| finding["code"] == code).cloned().collect::<Vec<Value>>()
    };
    assert_eq!((found["terms"].as_array().unwrap().len(), &found["complete"]), (10_000, &false.into()));
    assert_eq!((of("spf-ptr").len(), of("spf-incomplete").len()), (1, 1));
    assert!(of("spf-ptr")[0]["count"].as_u64().unwrap() > 9_000);
    let shown = text(self::zone(&zone).path(), &[], 1);
    assert!(shown.len() < 1 << 20 && shown.contains(" times)\n    fix: name the hosts"), "{}", shown.len());
}

#[test]
fn a_name_without_anything_is_told_from_one_without_record() {
    let server =
        DnsServer::start(vec![("example.com".to_owned(), Reply::NoData), ("gone.example".to_owned(), Reply::Code(3))]);
    let folder = tempfile::tempdir().unwrap();
    for (domain, expected) in [("example.com", "spf-no-record"), ("gone.example", "spf-no-domain")] {
        let arguments = ["spf", domain, "--nameserver", &server.address, "--json"];
        assert_eq!(codes(&json(&postseal(folder.path(), &arguments), 1)), [expected]);
    }
}

/// A record that is tried before it is published: the file first, then the DNS, when servers are given.
#[test]
fn what_is_not_in_the_zone_file_is_asked_of_the_servers_that_are_named_and_else_not_known() {
    let server = DnsServer::start(vec![
        ("example.com".to_owned(), Reply::Texts(vec![vec![b"v=spf1 +all".to_vec()]])),
        ("i.example".to_owned(), Reply::Texts(vec![vec![b"v=spf1 ip4:192.0.2.0/24 -all".to_vec()]])),
    ]);
    let folder = zone("example.com. TXT \"v=spf1 include:i.example -all\"\n");
    let alone = text(folder.path(), &[], 2);
    assert!(alone.starts_with("example.com SPF: unknown\n"), "{alone}");
    assert!(
        alone.contains("include:i.example  (not in the zone file; give --nameserver to ask the DNS for it)\n")
            && alone.contains("unanswered[spf-not-in-zone]: include:i.example: i.example is not in the zone file;"),
        "{alone}"
    );
    let client = text(folder.path(), &["--ip", "192.0.2.1"], 1);
    assert!(client.contains("i.example TXT: not in the zone file; give --nameserver"), "{client}");
    let both = text(folder.path(), &["--nameserver", &server.address], 0);
    assert!(both.contains("authorises 256 of IPv4 and 0 of IPv6") && !both.contains("+all"), "{both}");
    text(folder.path(), &["--nameserver", &server.address, "--ip", "192.0.2.1"], 0);
    // The record that is tried is to be in the file.
    let shown = text(zone("other.example. TXT x\n").path(), &[], 1);
    assert!(
        shown.contains("[spf-no-record]: the domain has no SPF record: example.com is not in the zone file"),
        "{shown}"
    );
}

/// Questions that nobody answers do not hold up a survey.
#[test]
fn the_time_of_a_survey_is_limited() {
    let silent = |name: &str| (name.to_owned(), Reply::Silence);
    let server = DnsServer::start(vec![silent("i.example"), silent("h.example"), silent("example.com")]);
    let folder = zone("example.com. TXT \"v=spf1 include:i.example a:h.example ip4:192.0.2.1 -all\"\n");
    let from = std::time::Instant::now();
    let shown = text(folder.path(), &["--nameserver", &server.address, "--timeout", "1"], 2);
    assert!(from.elapsed().as_secs_f32() < 4.0, "{:?}", from.elapsed());
    assert!(
        shown.contains("unanswered[spf-time-over]: 3 questions had no answer when the 1 s of the survey"),
        "{shown}"
    );
    assert!(!shown.contains("spf-unanswered"), "{shown}");
}

#[test]
fn m18_dns_check_looks_at_spf_beside_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    out(&postseal(folder.path(), &["key", "new", "example.com", "--type", "rsa", "--selector", "r1"]), 0);
    let keys = out(&postseal(folder.path(), &["dns", "show", "example.com"]), 0);
    let check = |spf: &str, more: &[&str], code| {
        fs::write(folder.path().join("zone.txt"), format!("{keys}\n$ORIGIN .\n{spf}")).unwrap();
        out(&postseal(folder.path(), &[&["dns", "check", "example.com", "--zone", "zone.txt"], more].concat()), code)
    };
    let good = "r1._domainkey.example.com (rsa, 2048 bits): matches\n";
    let shown = check("example.com. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n", &[], 0);
    let dmarc = "example.com DMARC: none\n";
    assert!(
        shown.starts_with(&format!("{good}example.com SPF: valid, 0 of 10 lookups, 0 of 2 void\n{dmarc}")),
        "{shown}"
    );
    // A domain that signs need not send.
    let shown = check("", &[], 0);
    assert!(shown.starts_with(&format!("{good}example.com SPF: none\n{dmarc}")), "{shown}");
    let eleven = ELEVEN
        .replace("$ORIGIN example.com.\n", "")
        .replace("@ ", "example.com. ")
        .replace("10 mail", "10 mail.example.com.");
    let eleven = eleven.replace("\nmail ", "\nmail.example.com. ").replace("\nwww ", "\nwww.example.com. ");
    let shown = check(&eleven, &[], 1);
    assert!(shown.starts_with(&format!("{good}example.com SPF: permerror\n  v=spf1 mx ")), "{shown}");
    assert!(
        shown.contains("  <== too many lookups: permerror from here on\n")
            && shown.contains("failure[spf-too-many-lookups]"),
        "{shown}"
    );
    // Who asks for a key is told about the key.
    assert_eq!(check(&eleven, &["--selector", "r1"], 0), good);
    let report: Value = serde_json::from_str(&check(&eleven, &["--json"], 1)).unwrap();
    assert_eq!(
        (&report["state"], &report["spf"]["state"], &report["spf"]["findings"][0]["code"]),
        (&"matches".into(), &"permerror".into(), &"spf-too-many-lookups".into()),
        "{report}"
    );
    assert_eq!(check("example.com. SERVFAIL\n", &[], 2).lines().next(), Some(good.trim_end()));
}
