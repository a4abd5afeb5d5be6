use dkim_core::crypto::{Backend, KeyError};
use proptest::prelude::*;

use super::*;
use crate::dns::Trouble;
use crate::keys::signing_key;

fn key(file: &str) -> std::sync::Arc<dyn SigningKey> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files").join(file);
    let key = dkim_core::crypto::PrivateKey::from_text(&std::fs::read(file).unwrap());
    key.and_then(|key| signing_key(&key, Backend::AwsLc)).map_err(|error: KeyError| error.to_string()).unwrap()
}

fn own_key(selector: &str, file: &str) -> OwnKey {
    let (selector, domain) = (Selector::parse(selector).unwrap(), DomainName::parse("example.com").unwrap());
    OwnKey::new(&selector, &domain, &*key(file), None)
}

fn rsa() -> OwnKey {
    own_key("r1", "pkcs8.pem")
}

fn ed25519() -> OwnKey {
    own_key("e1", "ed25519.pem")
}

/// What is found when the name has these records, each of these strings.
fn found(own: &OwnKey, records: &[&[&[u8]]]) -> KeyReport {
    let records = records.iter().map(|strings| strings.iter().map(|string| string.to_vec()).collect()).collect();
    compare(own, &[], &Inspection::of(Detail::Records(records)), &[])
}

fn found_text(own: &OwnKey, text: &[u8]) -> KeyReport {
    let strings: Vec<&[u8]> = text.chunks(255).collect();
    found(own, &[&strings])
}

fn codes(report: &KeyReport) -> Vec<&'static str> {
    report.findings.iter().map(Problem::code).collect()
}

#[test]
fn m14_each_damage_is_told_apart() {
    let own = rsa();
    let text = own.record.text.as_bytes();
    let base64 = own.base64().to_owned();
    let with = |tags: &str| format!("{tags}p={base64}").into_bytes();
    let opendkim = with("v=DKIM1; h=sha256; k=rsa; ");
    let other = own_key("x", "rsa1536.pem").record.text;
    let curly = format!("\u{201c}{}\u{201d} \u{201c}{}\u{201d}", &own.record.text[..255], &own.record.text[255..]);
    let quoted = format!("\"{}\" \"{}\"", &own.record.text[..255], &own.record.text[255..]);
    let line = format!("r1._domainkey IN TXT ( \"v=DKIM1; k=rsa; \"\n \"p={base64}\" ) ; ----- DKIM key r1");
    let mut damaged = text.to_vec();
    damaged[200] = if damaged[200] == b'A' { b'B' } else { b'A' };
    for (text, expected) in [
        (text.to_vec(), &[][..]),
        (with("p=").split_off(2), &[]),
        (with("k=RSA; n=a note; "), &[]),
        (with("v=DKIM1; t=s; "), &[]),
        (with("v=DKIM1; h=sha1:sha256; s=email; "), &[]),
        (text[..255].to_vec(), &["dns-key-cut-at-255"]),
        (opendkim[..255].to_vec(), &["dns-key-cut-at-255"]),
        (text[..200].to_vec(), &["dns-key-string-lost"]),
        (text[..text.len() - 1].to_vec(), &["dns-key-string-lost"]),
        (opendkim[..26].to_vec(), &["dns-key-missing"]),
        (text[255..].to_vec(), &["dns-key-first-string-lost"]),
        (own.record.text.replace(';', r"\;").into_bytes(), &["dns-key-backslash"]),
        (curly.into_bytes(), &["dns-key-curly-quotes"]),
        ([&b"\x93"[..], &text[..100], b"\x94"].concat(), &["dns-key-curly-quotes", "dns-key-string-lost"]),
        (quoted.into_bytes(), &["dns-key-quotes"]),
        (line.into_bytes(), &["dns-key-zone-file-line", "dns-key-quotes", "dns-key-line-breaks"]),
        ([&text[..100], b"\n", &text[100..]].concat(), &["dns-key-line-breaks"]),
        (own.record.text.replace("; ", ";\u{a0}").into_bytes(), &["dns-key-foreign-characters"]),
        (
            own.record.text.replace(';', r"\;").into_bytes()[..255].to_vec(),
            &["dns-key-backslash", "dns-key-cut-at-255"],
        ),
        (other.into_bytes(), &["dns-key-wrong"]),
        (damaged, &["dns-key-damaged"]),
        (b"v=DKIM1; k=rsa; p=".to_vec(), &["dns-key-revoked"]),
        (b"v=DKIM1; p=; t=y".to_vec(), &["dns-key-revoked", "dns-key-testing"]),
        (b"v=DKIM1; k=rsa".to_vec(), &["dns-key-missing"]),
        (ed25519().record.text.into_bytes(), &["dns-key-other-type"]),
        (with("v=DKIM1; k=ed25519; "), &["dns-key-other-type"]),
        (with("v=DKIM1; h=sha1; "), &["dns-key-no-sha256"]),
        (with("v=DKIM1; s=tlsrpt; "), &["dns-key-not-for-email"]),
        (with("v=DKIM1; t=y; "), &["dns-key-testing"]),
        (with("v=DKIM2; "), &["dns-key-version"]),
        (with("v=dkim1; "), &["dns-key-version"]),
        (with("k=rsa; v=DKIM1; "), &["dns-key-version-not-first"]),
        (with("v=DKIM1 k=rsa; "), &["dns-key-version"]),
        (with("v=DKIM1; k=rsa; k=rsa; "), &["dns-key-syntax"]),
        (with("v=DKIM1;; "), &["dns-key-syntax"]),
        ([&text[..100], b"-", &text[100..]].concat(), &["dns-key-base64"]),
        ([text, b"="].concat(), &["dns-key-base64"]),
        ([&text[..100], b" \t", &text[100..]].concat(), &["dns-key-spaces"]),
        (b"v=spf1 -all".to_vec(), &["dns-key-other-text"]),
    ] {
        let report = found_text(&own, &text);
        let shown = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(codes(&report), expected, "{shown}");
        let is_harmless = ["dns-key-testing", "dns-key-spaces"];
        let matches = expected.iter().all(|code| is_harmless.contains(code));
        assert_eq!(report.state, if matches { State::Matches } else { State::Mismatch }, "{shown}");
        // What a verifier does with the record is the last word on it.
        let verifies = dkim_core::key_record::KeyRecord::parse(&text).is_ok_and(|record| {
            record.allows_sha256 && record.is_for_email && record.key.is_some_and(|key| own.is(&key))
        });
        assert_eq!(verifies, matches, "{shown}");
    }
}

#[test]
fn m14_what_is_missing_is_counted() {
    let own = rsa();
    let report = found_text(&own, &own.record.text.as_bytes()[..255]);
    let what = report.findings[0].what(&own);
    assert!(what.contains("cut after 255 octets: the panel dropped the 2nd string, 237 of 392 octets"), "{what}");
    let mend = own.zone_line();
    assert!(
        report.findings[0].needs_record() && mend.starts_with("r1._domainkey.example.com. 3600 IN TXT ( \"v=DKIM1;")
    );
    assert!(mend.split('"').all(|string| string.len() <= 255), "{mend}");
}

#[test]
fn m14_several_records() {
    let own = rsa();
    let text = own.record.text.as_bytes();
    let (head, tail) = text.split_at(255);
    let other = own_key("x", "rsa1536.pem").record.text.into_bytes();
    let report = found(&own, &[&[text], &[b"v=spf1 -all"], &[b"site-verification=x"]]);
    assert_eq!((codes(&report), report.state), (vec![], State::Matches), "other texts do not count (D-22)");
    assert_eq!(codes(&found(&own, &[&[head], &[tail]])), ["dns-key-split-into-records"]);
    assert_eq!(codes(&found(&own, &[&[tail], &[head]])), ["dns-key-split-into-records"]);
    let thirds = [&text[..200], &text[200..300], &text[300..]];
    assert_eq!(codes(&found(&own, &[&[thirds[2]], &[thirds[0]], &[thirds[1]]])), ["dns-key-split-into-records"]);
    for (records, has_ours) in [(vec![text, &other], true), (vec![&other, &other], false), (vec![text, text], true)] {
        let records: Vec<[&[u8]; 1]> = records.iter().map(|text| [*text]).collect();
        let records: Vec<&[&[u8]]> = records.iter().map(<[&[u8]; 1]>::as_slice).collect();
        let report = found(&own, &records);
        assert_eq!(report.findings, [Problem::Several { count: 2, has_ours }]);
        assert_eq!(report.state, State::Mismatch);
    }
}

#[test]
fn an_rsa_key_in_its_other_form_is_the_same_key() {
    let own = rsa();
    let dkim_core::key_record::KeyRecord { key: Some(PublicKey::Rsa(key)), .. } =
        dkim_core::key_record::KeyRecord::parse(own.record.text.as_bytes()).unwrap()
    else {
        panic!("no RSA key")
    };
    let spki = key.to_spki_der();
    // SubjectPublicKeyInfo ends with the bare RSAPublicKey; its SEQUENCE begins 24 octets in.
    use base64::Engine as _;
    let bare = base64::engine::general_purpose::STANDARD.encode(&spki[24..]);
    assert_eq!(found_text(&own, format!("v=DKIM1; p={bare}").as_bytes()).state, State::Matches);
}

#[test]
fn s4_of_8463_a_wrapped_ed25519_key_is_named() {
    let own = ed25519();
    assert_eq!(found_text(&own, own.record.text.as_bytes()).findings, []);
    use base64::Engine as _;
    let standard = base64::engine::general_purpose::STANDARD;
    let wrapped = [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &own.octets].concat();
    let text = format!("v=DKIM1; k=ed25519; p={}", standard.encode(wrapped));
    assert_eq!(codes(&found_text(&own, text.as_bytes())), ["dns-key-wrapped-ed25519"]);
    assert_eq!(codes(&found_text(&own, rsa().record.text.as_bytes())), ["dns-key-other-type"]);
    assert_eq!(
        codes(&found_text(&own, b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")),
        ["dns-key-wrong"]
    );
}

#[test]
fn a_mix_up_of_selectors_is_named() {
    let (own, other) = (rsa(), own_key("r2", "rsa1536.pem"));
    let answer = Inspection::of(Detail::Records(vec![vec![other.record.text.clone().into_bytes()]]));
    let report = compare(&own, std::slice::from_ref(&other), &answer, &[]);
    assert_eq!(report.findings, [Problem::KeyOf { selector: "r2".into(), domain: "example.com".into() }]);
}

#[test]
fn s3_10_strict_forbids_an_identity_below_the_domain() {
    let (selector, domain) = (Selector::parse("r1").unwrap(), DomainName::parse("example.com").unwrap());
    let own = |identity: &str| {
        let identity = Identity::new("", DomainName::parse(identity).unwrap());
        OwnKey::new(&selector, &domain, &*key("pkcs8.pem"), Some(&identity))
    };
    let text = rsa().record.text.replace("k=rsa", "t=s");
    assert_eq!(codes(&found_text(&own("mail.example.com"), text.as_bytes())), ["dns-key-strict-identity"]);
    assert_eq!(found_text(&own("example.com"), text.as_bytes()).state, State::Matches);
    assert_eq!(found_text(&rsa(), text.as_bytes()).state, State::Matches);
}

#[test]
fn aliases_are_followed_and_told() {
    let own = rsa();
    let target = "r1.provider.example".to_owned();
    let alias =
        |answer| compare(&own, &[], &Inspection { aliases: vec!["a.example".into(), target.clone()], answer }, &[]);
    let report = alias(Detail::Records(vec![vec![own.record.text.clone().into_bytes()]]));
    assert_eq!((report.state, report.findings), (State::Matches, vec![Problem::Alias { target: target.clone() }]));
    let report = alias(Detail::Records(vec![vec![b"v=DKIM1; p=".to_vec()]]));
    assert_eq!(codes(&report), ["dns-key-revoked", "dns-key-alias"]);
    for answer in [Detail::NxDomain, Detail::NoData] {
        let report = alias(answer);
        assert_eq!(
            (report.state, report.findings),
            (State::Mismatch, vec![Problem::DanglingAlias { target: target.clone() }])
        );
    }
}

#[test]
fn m14_a_record_under_another_name_is_found() {
    let own = rsa();
    let names = own.other_names();
    let elsewhere = |at: &str, text: &str| {
        names
            .iter()
            .map(|name| {
                let records = Detail::Records(vec![vec![text.as_bytes().to_vec()]]);
                (name.clone(), Inspection::of(if name == at { records } else { Detail::NxDomain }))
            })
            .collect::<Vec<_>>()
    };
    for (name, code) in [
        ("r1._domainkeys.example.com", "dns-key-domainkeys"),
        ("r1._domainkey.example.com.example.com", "dns-key-zone-twice"),
        ("r1.domainkey.example.com", "dns-key-other-name"),
        ("r1.example.com", "dns-key-other-name"),
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
        for missing in [Detail::NxDomain, Detail::NoData] {
            let report = compare(&own, &[], &Inspection::of(missing), &elsewhere(name, &own.record.text));
            assert_eq!((codes(&report), report.state), (vec![code], State::Mismatch), "{name}");
        }
        // A wildcard answers for every name.
        let report = compare(&own, &[], &Inspection::of(Detail::NxDomain), &elsewhere(name, "v=spf1 -all"));
        assert_eq!(codes(&report), ["dns-key-no-name"]);
    }
    let nothing = compare(&own, &[], &Inspection::of(Detail::NoData), &[]);
    assert_eq!(codes(&nothing), ["dns-key-no-text"]);
    let below = OwnKey { domain: DomainName::parse("a.mail.example.com").unwrap(), ..rsa() };
    let zones = below.other_names();
    assert!(
        zones.iter().any(|name| name.ends_with(".example.com")) && zones.iter().all(|name| !name.ends_with(".com.com"))
    );
}

#[test]
fn no_answer_is_no_mismatch() {
    let own = rsa();
    for (trouble, code) in [
        (Trouble::ServFail, "dns-servfail"),
        (Trouble::Refused, "dns-refused"),
        (Trouble::Code("Not Implemented".into()), "dns-error-code"),
        (Trouble::Timeout, "dns-timeout"),
        (Trouble::Unreachable("refused".into()), "dns-unreachable"),
        (Trouble::Unusable("damaged"), "dns-unusable"),
    ] {
        let report = compare(&own, &[], &Inspection::of(Detail::Failed(trouble)), &[]);
        assert_eq!((report.state, codes(&report)), (State::Unknown, vec![code]));
        assert!(!report.findings[0].needs_record());
    }
}

#[test]
fn words_are_sentences_without_full_stop() {
    let own = rsa();
    for text in [&b"v=DKIM1; p="[..], b"v=DKIM1; k=rsa; p=MIIB-\xff\x1b[2J", b"\\; \" p=MI", b"x p=MI\n"] {
        for problem in found_text(&own, text).findings {
            for words in [problem.what(&own), problem.fix(&own)] {
                assert!(!words.is_empty() && !words.ends_with('.') && !words.contains(char::is_control), "{words}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_records_are_examined_and_only_what_verifies_matches(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..5),
        cut in 0_usize..500, tail in "[ -~]{0,20}",
    ) {
        let own = rsa();
        let mut records: Vec<Vec<Vec<u8>>> = records.into_iter().map(|text| vec![text]).collect();
        let mut ours = own.record.text.clone().into_bytes();
        ours.truncate(cut);
        ours.extend_from_slice(tail.as_bytes());
        let verifies = dkim_core::key_record::KeyRecord::parse(&ours)
            .is_ok_and(|record| record.allows_sha256 && record.is_for_email && record.key.is_some_and(|key| own.is(&key)));
        let alone = compare(&own, &[], &Inspection::of(Detail::Records(vec![vec![ours.clone()]])), &[]);
        prop_assert_eq!(alone.state == State::Matches, verifies);
        records.push(vec![ours]);
        let report = compare(&own, &[], &Inspection::of(Detail::Records(records)), &[]);
        prop_assert!(report.state != State::Matches || verifies);
        for problem in report.findings {
            prop_assert!(!problem.what(&own).contains(char::is_control));
        }
    }
}

/// Every code is explained on the page for operators.
#[test]
fn the_documentation_lists_every_finding() {
    let page =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md"));
    let (page, mut codes) = (page.unwrap(), 0);
    for code in include_str!("problem.rs").split('"').filter(|word| word.starts_with("dns-") && !word.contains(' ')) {
        assert!(page.contains(&format!("`{code}`")), "docs/operations.md does not explain {code}");
        codes += 1;
    }
    assert!(codes > 35, "{codes}");
}
