//! The part of `postseal dns check` that is about DMARC: a DNS server on loopback, and zone files (M-1 to M-20 of RFC 9989, RFC 9990 §4).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::dns_server::{DnsServer, Reply};
use crate::run::{json, out, postseal};

/// A state folder with a key for a domain, and its published record.
fn folder(domain: &str) -> (TempDir, (String, Reply)) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("postseal-data/keys").join(domain);
    fs::create_dir_all(&keys).unwrap();
    // One is as good as another, and making one takes its time.
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files/pkcs8.pem"), keys.join("r1.pem"))
        .unwrap();
    fs::set_permissions(keys.join("r1.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let shown = json(&postseal(folder.path(), &["dns", "show", domain, "--json"]), 0);
    let text = shown[0]["text"].as_str().unwrap();
    (folder, (format!("r1._domainkey.{domain}"), one(text)))
}

fn one(text: &str) -> Reply {
    several(&[text])
}

fn several(texts: &[&str]) -> Reply {
    Reply::Texts(texts.iter().map(|text| text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect()).collect())
}

/// What is found about a domain whose key is published, with these names in the DNS beside it.
fn found(domain: &str, names: &[(&str, Reply)], code: i32) -> Value {
    let (folder, key) = folder(domain);
    let mut names: Vec<_> = names.iter().map(|(name, reply)| ((*name).to_owned(), reply.clone())).collect();
    names.push(key);
    let server = DnsServer::start(names);
    let arguments = ["dns", "check", domain, "--nameserver", &server.address, "--json"];
    let report = json(&postseal(folder.path(), &arguments), code);
    report["dmarc"].clone()
}

/// With this record for example.com.
fn of_record(text: &str, code: i32) -> Value {
    found("example.com", &[("_dmarc.example.com", one(text))], code)
}

fn codes(dmarc: &Value) -> Vec<&str> {
    dmarc["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

fn finding<'v>(dmarc: &'v Value, code: &str) -> &'v Value {
    let findings = dmarc["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("{code} is not in {dmarc}"))
}

fn asked(dmarc: &Value) -> Vec<&str> {
    dmarc["asked"].as_array().unwrap().iter().map(|asked| asked["name"].as_str().unwrap()).collect()
}

/// The policies for the domain, for names below it, and for those that do not exist.
fn policies(dmarc: &Value) -> [(&str, &str, &str); 3] {
    ["domain", "subdomains", "non_existent_subdomains"].map(|which| {
        let row = &dmarc["policies"][which];
        let word = |key: &str| row[key].as_str().unwrap_or("-");
        (word("policy"), word("tag"), word("requested"))
    })
}

const RUA: &str = "rua=mailto:a@example.com";

#[test]
fn m11_m18_the_record_that_applies_and_its_policies_for_whom() {
    let own = of_record(&format!("v=DMARC1; p=reject; sp=quarantine; np=reject; t=y; {RUA}"), 0);
    assert_eq!(
        policies(&own),
        [("reject", "p", "quarantine"), ("quarantine", "sp", "none"), ("reject", "np", "quarantine")]
    );
    assert_eq!(
        (&own["state"], &own["found_at"], &own["place"]),
        (&"valid".into(), &"_dmarc.example.com".into(), &"author-domain".into())
    );
    assert_eq!(asked(&own), ["_dmarc.example.com", "_dmarc.com"]);
    assert_eq!(codes(&own), ["dmarc-sp-milder", "dmarc-testing"]);

    // Below an organizational domain, with a record of its own and without.
    let organization = ("_dmarc.example.com", one(&format!("v=DMARC1; p=none; sp=reject; {RUA}")));
    let inherited = found("news.example.com", std::slice::from_ref(&organization), 0);
    assert_eq!(policies(&inherited), [("reject", "sp", "reject"); 3]);
    assert_eq!(
        (&inherited["found_at"], &inherited["place"]),
        (&"_dmarc.example.com".into(), &"organizational-domain".into())
    );
    let news = ("_dmarc.news.example.com", one(&format!("v=DMARC1; p=quarantine; sp=none; {RUA}")));
    let both = found("news.example.com", &[organization, news], 1);
    assert_eq!(
        policies(&both),
        [("quarantine", "p", "quarantine"), ("reject", "sp", "reject"), ("reject", "sp", "reject")]
    );
    assert_eq!(codes(&both), ["dmarc-sp-without-effect"]);
    assert_eq!(both["corrected"][0]["text"], format!("v=DMARC1; p=quarantine; {RUA}"));

    // M-13: a public suffix.
    let suffix = found("example.bank", &[("_dmarc.bank", one("v=DMARC1; p=reject; psd=y"))], 0);
    assert_eq!((policies(&suffix)[0], &suffix["place"]), (("reject", "p", "reject"), &"public-suffix-domain".into()));
    assert_eq!(codes(&suffix), ["dmarc-of-public-suffix"]);
}

#[test]
fn m16_without_a_record_it_is_told_and_no_failure() {
    let none = found("example.com", &[], 0);
    assert_eq!((&none["state"], codes(&none)), (&"none".into(), vec!["dmarc-no-record"]));
    assert!(
        finding(&none, "dmarc-no-record")["fix"].as_str().unwrap().contains("`_dmarc.example.com. TXT \"v=DMARC1;")
    );
    // A wildcard's text is no record.
    let other = found("example.com", &[("_dmarc.example.com", one("v=spf1 -all"))], 0);
    assert_eq!(codes(&other), ["dmarc-other-text", "dmarc-no-record"]);
}

#[test]
fn m1_to_m5_what_is_wrong_in_the_record_is_told_with_the_record_as_it_should_be() {
    let good = format!("v=DMARC1; p=reject; {RUA}");
    for (text, code, exit, corrected) in [
        (format!("v=DMARC1; p=rejct; {RUA}"), "dmarc-p-invalid", 1, good.clone()),
        (format!("v=DMARC1; {RUA}"), "dmarc-p-missing", 1, format!("v=DMARC1; p=none; {RUA}")),
        (format!("v=DMARC1; p=reject; sp=x; {RUA}"), "dmarc-sp-invalid", 1, good.clone()),
        (format!("v=DMARC1; p=reject; np=x; {RUA}"), "dmarc-np-invalid", 1, good.clone()),
        (format!("v=DMARC1; p=reject; aspf=x; {RUA}"), "dmarc-bad-value", 1, good.clone()),
        (format!("v=DMARC1; p=reject; pct=50; {RUA}"), "dmarc-pct", 1, good.clone()),
        (format!("v=DMARC1; p=reject; ri=86400; {RUA}"), "dmarc-historic-tag", 0, good.clone()),
        (format!("v=DMARC1; p=reject; fo=1; {RUA}"), "dmarc-fo-without-ruf", 0, good.clone()),
        (format!("v=DMARC1; polcy=reject; {RUA}"), "dmarc-tag-typo", 1, good.clone()),
        (format!("v=DMARC1; {RUA}; p=reject"), "dmarc-p-not-second", 1, good.clone()),
        (format!("v=DMARC1; p=reject {RUA}"), "dmarc-missing-semicolon", 1, good.clone()),
        ("v=DMARC1; p=reject; rua=a@example.com".to_owned(), "dmarc-bad-uri", 1, good.clone()),
        ("v=DMARC1; p=reject; rua=mailto:a@example.com!10m".to_owned(), "dmarc-uri-size", 0, good.clone()),
        ("v=DMARC1; p=reject; rua=https://example.com/".to_owned(), "dmarc-uri-scheme", 1, String::new()),
        ("v=DMARC1; p=reject; rua=mailto:a,b@example.com".to_owned(), "dmarc-uri-comma", 1, String::new()),
        ("v=DMARC1; p=reject".to_owned(), "dmarc-rua-missing", 1, String::new()),
        (format!("v=DMARC1; p=reject; psd=y; {RUA}"), "dmarc-psd-y", 1, String::new()),
        (format!("v=DMARC1; p=reject; ruf=mailto:f@example.com; {RUA}"), "dmarc-ruf", 0, String::new()),
        (format!("v=DMARC1; p=none; {RUA}"), "dmarc-policy-none", 0, String::new()),
        // None of these is a record.
        (format!("v=dmarc1; p=reject; {RUA}"), "dmarc-version-case", 1, good.clone()),
        (format!("v=DMARC2; p=reject; {RUA}"), "dmarc-version-other", 1, good.clone()),
        (format!("p=reject; v=DMARC1; {RUA}"), "dmarc-version-not-first", 1, good.clone()),
        (format!("v=DMARC1 p=reject; {RUA}"), "dmarc-version-separator", 1, good.clone()),
        (format!("\u{201c}v=DMARC1; p=reject; {RUA}\u{201d}"), "dmarc-curly-quotes", 1, good.clone()),
        (format!("\"v=DMARC1; p=reject; {RUA}\""), "dmarc-quotes", 1, good.clone()),
        (format!(r"v=DMARC1\; p=reject\; {RUA}"), "dmarc-backslash", 1, good.clone()),
    ] {
        let dmarc = of_record(&text, exit);
        let told = finding(&dmarc, code);
        assert!(!told["what"].as_str().unwrap().is_empty() && told["name"] == "_dmarc.example.com", "{dmarc}");
        assert_eq!(dmarc["corrected"][0]["text"].as_str().unwrap_or_default(), corrected, "{text}: {dmarc}");
        if !corrected.is_empty() {
            // With it there is nothing left to mend.
            let again = of_record(&corrected, 0);
            assert_eq!(again["corrected"].as_array().unwrap().len(), 0, "{again}");
        }
    }
    // M-4: a record without policy and without reports is none.
    let unusable = of_record("v=DMARC1; p=rejct", 1);
    assert_eq!((&unusable["state"], codes(&unusable)), (&"permerror".into(), vec!["dmarc-p-invalid"]));
}

#[test]
fn m9_several_records_are_none() {
    let texts = ["v=DMARC1; p=reject", "v=DMARC1; p=none", "v=spf1 -all"];
    let dmarc = found("example.com", &[("_dmarc.example.com", several(&texts))], 1);
    assert_eq!((&dmarc["state"], codes(&dmarc)), (&"none".into(), vec!["dmarc-several-records"]));
    let what = finding(&dmarc, "dmarc-several-records")["what"].as_str().unwrap();
    assert!(what.contains("there are 2 DMARC records") && what.contains("`v=DMARC1; p=none`"), "{what}");
}

#[test]
fn a_record_under_a_wrong_name_is_found_where_a_slip_puts_it() {
    let record = one(&format!("v=DMARC1; p=reject; {RUA}"));
    for name in ["example.com", "dmarc.example.com", "_dmarc._dmarc.example.com", "_dmarc.example.com.example.com"] {
        let dmarc = found("example.com", &[(name, record.clone())], 1);
        let told = finding(&dmarc, "dmarc-wrong-name");
        assert_eq!((&told["name"], codes(&dmarc).len()), (&name.into(), 1), "{dmarc}");
        assert!(told["what"].as_str().unwrap().contains("receivers look under _dmarc.example.com"), "{dmarc}");
    }
    // Where there is a record, nobody looks for more.
    let dmarc = found("example.com", &[("_dmarc.example.com", record.clone()), ("dmarc.example.com", record)], 0);
    assert_eq!((codes(&dmarc).len(), asked(&dmarc).len()), (0, 2), "{dmarc}");
}

#[test]
fn aliases_and_strings_that_are_split_are_no_fault_and_a_dangling_one_is() {
    let text = format!("v=DMARC1; p=reject; {RUA}");
    let split = Reply::Texts(vec![vec![text.as_bytes()[..20].to_vec(), text.as_bytes()[20..].to_vec()]]);
    assert_eq!(codes(&found("example.com", &[("_dmarc.example.com", split)], 0)), [""; 0]);
    let alias = ("_dmarc.example.com", Reply::Alias("d.provider.example".to_owned()));
    let dmarc = found("example.com", &[alias.clone(), ("d.provider.example", one(&text))], 0);
    assert_eq!((codes(&dmarc), &dmarc["state"]), (vec!["dmarc-alias"], &"valid".into()));
    let dmarc = found("example.com", &[alias], 1);
    assert_eq!((codes(&dmarc), &dmarc["state"]), (vec!["dmarc-dangling-alias"], &"none".into()));
}

#[test]
fn m16_a_dns_that_does_not_answer_is_told_from_a_record_that_is_not_there() {
    for (reply, code) in [(Reply::Code(2), "dns-servfail"), (Reply::Code(5), "dns-refused")] {
        let dmarc = found("example.com", &[("_dmarc.example.com", reply)], 2);
        assert_eq!((&dmarc["state"], codes(&dmarc)), (&"unknown".into(), vec![code]), "{dmarc}");
    }
    // What is above the record makes a difference below it alone.
    let record = ("_dmarc.example.com", one(&format!("v=DMARC1; p=reject; {RUA}")));
    let dmarc = found("example.com", &[record, ("_dmarc.com", Reply::Code(2))], 2);
    assert_eq!((&dmarc["state"], codes(&dmarc)), (&"valid".into(), vec!["dns-servfail"]), "{dmarc}");
    assert_eq!(policies(&dmarc), [("reject", "p", "reject"), ("-", "-", "-"), ("-", "-", "-")]);
}

#[test]
fn the_time_bounds_the_questions_about_dmarc() {
    let (folder, key) = folder("example.com");
    let server = DnsServer::start(vec![key, ("_dmarc.example.com".to_owned(), Reply::Silence)]);
    let from = std::time::Instant::now();
    let arguments = ["dns", "check", "example.com", "--nameserver", &server.address, "--timeout", "1", "--json"];
    let dmarc = json(&postseal(folder.path(), &arguments), 2)["dmarc"].clone();
    assert!(from.elapsed().as_secs_f32() < 4.0, "{:?}", from.elapsed());
    assert_eq!((&dmarc["state"], codes(&dmarc)), (&"unknown".into(), vec!["dmarc-time-over"]), "{dmarc}");
}

#[test]
fn r11_destinations_in_other_organizations_have_to_agree() {
    let record = "v=DMARC1; p=reject; rua=mailto:a@example.com, mailto:a@reports.example.com, mailto:d@example.net";
    let names = |more: &[(&'static str, Reply)]| [&[("_dmarc.example.com", one(record))][..], more].concat();
    let name = "example.com._report._dmarc.example.net";
    let states = |dmarc: &Value| -> Vec<String> {
        let destinations = dmarc["destinations"].as_array().unwrap();
        destinations.iter().map(|destination| destination["state"].as_str().unwrap().to_owned()).collect()
    };
    let dmarc = found("example.com", &names(&[]), 1);
    assert_eq!(
        (codes(&dmarc), states(&dmarc)),
        (vec!["dmarc-destination-refused"], vec!["internal".to_owned(), "internal".to_owned(), "refused".to_owned()])
    );
    let told = finding(&dmarc, "dmarc-destination-refused");
    assert!(told["fix"].as_str().unwrap().contains(&format!("`{name}. TXT \"v=DMARC1\"`")), "{told}");
    let dmarc = found("example.com", &names(&[(name, one("v=spf1 -all"))]), 1);
    assert!(finding(&dmarc, "dmarc-destination-refused")["what"].as_str().unwrap().contains("no DMARC records"));
    // As a wildcard of the other side answers.
    let dmarc = found("example.com", &names(&[(name, one("v=DMARC1;"))]), 0);
    assert_eq!((codes(&dmarc).len(), states(&dmarc)[2].as_str()), (0, "authorised"), "{dmarc}");
    let dmarc = found("example.com", &names(&[(name, one("v=DMARC1; rua=mailto:in@example.net"))]), 0);
    assert_eq!(
        (codes(&dmarc), &dmarc["destinations"][2]["replaced_by"][0]),
        (vec!["dmarc-destination-replaced"], &"mailto:in@example.net".into())
    );
    let dmarc = found("example.com", &names(&[(name, one("v=DMARC1; rua=mailto:in@example.org"))]), 1);
    assert_eq!(codes(&dmarc), ["dmarc-destination-override"]);
    let dmarc = found("example.com", &names(&[(name, Reply::Code(2))]), 2);
    assert_eq!((codes(&dmarc), states(&dmarc)[2].as_str()), (vec!["dmarc-destination-unanswered"], "unknown"));
}

#[test]
fn a_policy_that_turns_against_the_own_mail_is_told() {
    let record = ("_dmarc.example.com", one(&format!("v=DMARC1; p=quarantine; {RUA}")));
    let spf = |text: &str| ("example.com", one(text));
    let of = |names: &[(&str, Reply)], code| {
        let (folder, _) = folder("example.com");
        let names = names.iter().map(|(name, reply)| ((*name).to_owned(), reply.clone())).collect();
        let server = DnsServer::start(names);
        let arguments = ["dns", "check", "example.com", "--nameserver", &server.address, "--json"];
        json(&postseal(folder.path(), &arguments), code)["dmarc"].clone()
    };
    assert_eq!(codes(&of(std::slice::from_ref(&record), 1)), ["dmarc-all-mail-fails"]);
    assert_eq!(codes(&of(&[record.clone(), spf("v=spf1 -all")], 1)), ["dmarc-all-mail-fails"]);
    assert_eq!(codes(&of(&[record.clone(), spf("v=spf1 ip4:192.0.2.1 -all")], 1)), ["dmarc-spf-only"]);
    // With the key it is in order, whatever SPF says; and so is a key of which nothing is known.
    assert_eq!(codes(&found("example.com", &[record.clone(), spf("v=spf1 -all")], 0)).len(), 0);
    assert_eq!(codes(&of(&[record, ("r1._domainkey.example.com", Reply::Code(2))], 2)).len(), 0);
    let testing = ("_dmarc.example.com", one(&format!("v=DMARC1; p=quarantine; t=y; {RUA}")));
    assert_eq!(codes(&of(&[testing], 1)), ["dmarc-testing"]);
}

/// The output for people, with a zone file.
fn text(folder: &Path, zone: &str, more: &[&str], code: i32) -> String {
    let keys = out(&postseal(folder, &["dns", "show", "example.com"]), 0);
    fs::write(folder.join("zone.txt"), format!("{keys}{zone}")).unwrap();
    let shown = out(&postseal(folder, &[&["dns", "check", "example.com", "--zone", "zone.txt"], more].concat()), code);
    shown.split_once("example.com SPF: none\n").unwrap().1.to_owned()
}

#[test]
fn the_text_is_one_line_when_all_is_in_order_and_else_everything() {
    let (folder, _) = folder("example.com");
    let zone = |record: &str| format!("_dmarc.example.com. TXT \"{record}\"\n");
    let shown = text(folder.path(), &zone(&format!("v=DMARC1; p=reject; sp=none; np=reject; {RUA}")), &[], 0);
    assert!(
        shown.starts_with("example.com DMARC: valid, reject; none for subdomains without a record, reject for those that do not exist\n  note[dmarc-sp-milder]: sp=none: "),
        "{shown}"
    );
    let shown = text(folder.path(), &zone("v=DMARC1; p=rejct; rua=mailto:a@example.com"), &[], 1);
    let expected = "\
example.com DMARC: valid
  v=DMARC1; p=rejct; rua=mailto:a@example.com
  found at _dmarc.example.com
  policy: none
  asked: _dmarc.example.com, _dmarc.com
  rua: mailto:a@example.com: internal
  failure[dmarc-p-invalid]: rejct: `p=` has to be `none`, `quarantine` or `reject`; as it is, receivers act as with `p=none` alone: nothing is done about mail that fails (RFC 9989 §4.10.1)
    fix: write one of the three words
  the record:
";
    assert!(shown.starts_with(expected), "{shown}");
    // What is printed is a zone file, and with it all is in order.
    let record = shown.split_once("the record:\n").unwrap().1;
    assert_eq!(text(folder.path(), record, &[], 0), "example.com DMARC: valid, reject\n");
    // What is not in the file is not known, when it is somebody else's.
    let other = zone("v=DMARC1; p=reject; rua=mailto:a@example.net");
    assert!(text(folder.path(), &other, &[], 2).contains("unanswered[dmarc-not-in-zone]: "));
    let agreed = format!("{other}example.com._report._dmarc.example.net. TXT v=DMARC1\n");
    assert_eq!(text(folder.path(), &agreed, &[], 0), "example.com DMARC: valid, reject\n");
    // Single keys are asked for alone.
    let arguments = ["dns", "check", "example.com", "--zone", "zone.txt", "--selector", "r1", "--json"];
    assert_eq!(json(&postseal(folder.path(), &arguments), 0)["dmarc"], Value::Null);
}

#[test]
fn hostile_records_cost_no_more_than_is_bounded() {
    let (folder, _) = folder("example.com");
    let check = |record: &str, code| {
        let strings: Vec<String> = record
            .as_bytes()
            .chunks(200)
            .map(|part| {
                let escaped: String = part.iter().map(|octet| format!("\\{octet:03}")).collect();
                format!("\"{escaped}\"")
            })
            .collect();
        let keys = out(&postseal(folder.path(), &["dns", "show", "example.com"]), 0);
        fs::write(folder.path().join("zone.txt"), format!("{keys}_dmarc.example.com. TXT {}\n", strings.join(" ")))
            .unwrap();
        let arguments = ["dns", "check", "example.com", "--zone", "zone.txt"];
        let shown = out(&postseal(folder.path(), &arguments), code);
        assert!(
            shown.bytes().all(|octet| octet == b'\n' || !octet.is_ascii_control()) && shown.len() < 20_000,
            "{shown}"
        );
        json(&postseal(folder.path(), &[&arguments[..], &["--json"]].concat()), code)["dmarc"].clone()
    };
    // 1,000 URIs of 1,000 hosts: the record keeps 16, and 10 are checked.
    let many: Vec<String> = (0..1000).map(|host| format!("mailto:a@h{host}.example.net")).collect();
    let dmarc = check(&format!("v=DMARC1; p=reject; rua={}", many.join(",")), 2);
    let destinations = dmarc["destinations"].as_array().unwrap();
    let is_checked = |destination: &&Value| destination["state"] != "not-checked";
    assert_eq!((destinations.len(), destinations.iter().filter(is_checked).count()), (16, 10), "{dmarc}");
    assert!(finding(&dmarc, "dmarc-destinations-left")["what"].as_str().unwrap().starts_with("6 more"));
    assert_eq!(asked(&dmarc).iter().filter(|name| name.contains("._report.")).count(), 10);
    // 64 KiB, and as many tags as fit into it.
    let mut long = "v=DMARC1; p=reject; rua=mailto:a@example.com".to_owned();
    long.push_str(&";x".repeat(30_000));
    assert_eq!(finding(&check(&long, 1), "dmarc-more")["severity"], "warning");
    // Control characters, and what a terminal obeys.
    let dmarc = check("v=DMARC1; p=\x1b[2J\x07reject\r\n; rua=mailto:\x1b]0;x\x07@example.com", 1);
    assert_eq!(codes(&dmarc)[..2], ["dmarc-p-invalid", "dmarc-foreign-characters"], "{dmarc}");
}

#[test]
fn a_domain_without_a_key_here_is_checked_and_that_there_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let zone = "example.com. TXT \"v=spf1 -all\"\n_dmarc.example.com. TXT \"v=DMARC1; p=reject; rua=mailto:a@example.com\"\n\
                _dmarc.broken.example. TXT \"v=DMARC1; p=rejct\"\n";
    fs::write(folder.path().join("zone.txt"), zone).unwrap();
    let check =
        |domain: &str, code: i32| out(&postseal(folder.path(), &["dns", "check", domain, "--zone", "zone.txt"]), code);
    // Who signs for the domain is not known: that nothing could pass is not said.
    let text = check("example.com", 0);
    let told = "example.com: no key is configured for it, so there is none to compare with the DNS\n  fix: if it is to sign, make one with `postseal key new example.com`, ";
    assert!(text.starts_with(told) && text.contains("example.com DMARC: valid, reject"), "{text}");
    assert!(text.contains("example.com SPF") || text.contains("SPF"), "{text}");
    let arguments = ["dns", "check", "example.com", "--zone", "zone.txt", "--json"];
    let value = json(&postseal(folder.path(), &arguments), 0);
    assert_eq!((&value["state"], &value["keys"]), (&"no-key".into(), &serde_json::json!([])));
    assert!(value["spf"].is_object() && value["dmarc"].is_object(), "{value}");
    let text = check("broken.example", 1);
    assert!(text.starts_with("broken.example: no key is configured") && text.contains("p=reject"), "{text}");
}

#[test]
fn a_mend_that_leaves_addresses_out_says_so() {
    let many: Vec<String> = (0..20).map(|number| format!("mailto:a{number}@example.com")).collect();
    let dmarc = of_record(&format!("v=DMARC1; p=reject; rua={}", many.join(",")), 1);
    let fix = finding(&dmarc, "dmarc-too-many-uris")["fix"].as_str().unwrap();
    assert!(fix.contains("keeps the first 16 URIs of `rua=` and leaves the others out"), "{fix}");
    let corrected = dmarc["corrected"][0]["text"].as_str().unwrap();
    assert!(corrected.contains("a15@example.com") && !corrected.contains("a16@example.com"), "{corrected}");
}
