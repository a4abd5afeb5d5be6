use proptest::prelude::*;

use super::*;
use crate::record::Standing;

fn codes(text: &str, role: Role) -> Vec<&'static str> {
    lint(text.as_bytes(), role).findings.iter().map(Finding::code).collect()
}

/// The findings of a text, and the text as it should be.
fn check(text: &str, expected: &[&str], corrected: Option<&str>) {
    let lint = lint(text.as_bytes(), Role::Organizational);
    let codes: Vec<&str> = lint.findings.iter().map(Finding::code).collect();
    assert_eq!((codes.as_slice(), lint.corrected.as_deref()), (expected, corrected), "{text}");
}

const RUA: &str = "rua=mailto:a@example.com";

/// The same with a `rua=` behind it, and `p=reject` before.
fn check_tag(tag: &str, expected: &[&str], corrected: Option<&str>) {
    let good = corrected.map(|tag| if tag.is_empty() { String::new() } else { format!("; {tag}") });
    let corrected = good.map(|good| format!("v=DMARC1; p=reject{good}; {RUA}"));
    check(&format!("v=DMARC1; p=reject; {tag}; {RUA}"), expected, corrected.as_deref());
}

#[test]
fn a_record_that_is_in_order_has_no_finding() {
    for text in [
        "v=DMARC1; p=reject; rua=mailto:a@example.com",
        "v=DMARC1;p=quarantine;sp=reject;adkim=s;aspf=R;t=n;psd=u;rua=mailto:a@example.com,mailto:b@example.net;",
        "v = DMARC1 ; p = Reject ; rua = mailto:a@example.com",
    ] {
        check(text, &[], None);
    }
}

#[test]
fn m1_a_text_that_is_no_record_and_was_meant_as_one() {
    let good = Some("v=DMARC1; p=reject; rua=mailto:a@example.com");
    for (text, code) in [
        ("v=dmarc1; p=reject; rua=mailto:a@example.com", "dmarc-version-case"),
        ("v=DMARC2; p=reject; rua=mailto:a@example.com", "dmarc-version-other"),
        ("v=DMARC1 p=reject; rua=mailto:a@example.com", "dmarc-version-separator"),
        ("p=reject; v=DMARC1; rua=mailto:a@example.com", "dmarc-version-not-first"),
        ("p=reject; rua=mailto:a@example.com", "dmarc-version-missing"),
        ("\u{201c}v=DMARC1; p=reject; rua=mailto:a@example.com\u{201d}", "dmarc-curly-quotes"),
        ("\"v=DMARC1; p=reject; rua=mailto:a@example.com\"", "dmarc-quotes"),
        (r"v=DMARC1\; p=reject\; rua=mailto:a@example.com", "dmarc-backslash"),
        ("\u{feff}v=DMARC1; p=reject; rua=mailto:a@example.com", "dmarc-foreign-characters"),
        ("_dmarc IN TXT v=DMARC1; p=reject; rua=mailto:a@example.com", "dmarc-zone-file-line"),
    ] {
        check(text, &[code], good);
        let lint = lint(text.as_bytes(), Role::Unknown);
        assert_eq!((lint.record, lint.findings[0].severity), (None, Severity::Failure), "{text}");
        assert!(is_meant_as_record(text.as_bytes()));
    }
    check("v=spf1 -all", &["dmarc-other-text"], None);
    check(&"v=DMARC1; p=none;".repeat(5000), &["dmarc-too-long"], None);
    // What is wrong behind it is told in the same run.
    let twice = ["dmarc-version-case", "dmarc-p-invalid"];
    check("v=dmarc1; p=rejct; rua=mailto:a@example.com", &twice, good);
}

#[test]
fn damage_counts_where_it_makes_a_difference() {
    let severity = |text: &str| {
        let lint = lint(text.as_bytes(), Role::Unknown);
        (lint.findings[0].code(), lint.findings[0].severity, lint.corrected)
    };
    let good = Some("v=DMARC1; p=reject; rua=mailto:a@example.com".to_owned());
    let (code, found, corrected) = severity("v=DMARC1; p=\"reject\"; rua=mailto:a@example.com");
    assert_eq!((code, found, corrected), ("dmarc-quotes", Severity::Failure, good.clone()));
    let (code, found, corrected) = severity("v=DMARC1; p=reject; rua=mailto:a@example.com;\r\n");
    assert_eq!((code, found, corrected), ("dmarc-line-breaks", Severity::Warning, good));
}

#[test]
fn m2_tags_with_a_slip_of_the_pen() {
    check_tag("aspff=s", &["dmarc-tag-typo"], Some("aspf=s"));
    check_tag("ruf:mailto:f@example.com", &["dmarc-colon"], Some("ruf=mailto:f@example.com"));
    check_tag("x=1", &["dmarc-unknown-tag"], Some(""));
    check_tag("nonsense", &["dmarc-no-equals"], Some(""));
    check_tag("a-b=1", &["dmarc-tag-name"], Some(""));
    check_tag("", &["dmarc-empty-tag"], Some(""));
    check_tag("p=none", &["dmarc-repeated-tag"], Some(""));
    check_tag("adkim=x", &["dmarc-bad-value"], Some(""));
    check_tag("adkim=strict", &["dmarc-bad-value"], Some("adkim=s"));
    check_tag("t=yes", &["dmarc-bad-value"], Some("t=y"));
    check_tag(
        "fo=0:1; ruf=mailto:f@example.com",
        &["dmarc-bad-value", "dmarc-ruf"],
        Some("fo=1; ruf=mailto:f@example.com"),
    );
    // A name with a slip does not take the place of one without.
    check(
        &format!("v=DMARC1; polcy=reject; p=none; {RUA}"),
        &["dmarc-tag-typo", "dmarc-p-not-second", "dmarc-policy-none"],
        Some(&format!("v=DMARC1; p=none; {RUA}")),
    );
    check(
        &format!("v=DMARC1; polcy=reject; {RUA}"),
        &["dmarc-tag-typo", "dmarc-p-missing"],
        Some(&format!("v=DMARC1; p=reject; {RUA}")),
    );
    check(
        &format!(" v=DMARC1; p=reject; {RUA}"),
        &["dmarc-leading-space"],
        Some(&format!("v=DMARC1; p=reject; {RUA}")),
    );
}

#[test]
fn m3_m5_tags_of_old_and_tags_that_need_others() {
    check_tag("pct=100", &["dmarc-historic-tag"], Some(""));
    check_tag("pct=50", &["dmarc-pct"], Some(""));
    check_tag("pct=0", &["dmarc-pct"], Some("t=y"));
    check_tag("pct=x", &["dmarc-pct"], Some(""));
    check_tag("pct=0; t=n", &["dmarc-pct"], Some("t=n"));
    check_tag("ri=86400", &["dmarc-historic-tag"], Some(""));
    check_tag("rf=afrf", &["dmarc-historic-tag"], Some(""));
    check_tag("fo=1", &["dmarc-fo-without-ruf"], Some(""));
    let severity = |text: &str| lint(text.as_bytes(), Role::Unknown).findings[0].severity;
    assert_eq!(severity(&format!("v=DMARC1; p=reject; pct=99; {RUA}")), Severity::Warning);
    assert_eq!(severity(&format!("v=DMARC1; p=reject; pct=100; {RUA}")), Severity::Note);
}

#[test]
fn m4_policies_that_are_none() {
    let good = |policy: &str| format!("v=DMARC1; p={policy}; {RUA}");
    for (word, meant) in
        [("rejct", "reject"), ("quarentine", "quarantine"), ("monitor", "none"), ("", "none"), ("x", "none")]
    {
        check(&good(word), &["dmarc-p-invalid"], Some(&good(meant)));
    }
    check("v=DMARC1; p=x", &["dmarc-p-invalid"], Some("v=DMARC1; p=none"));
    check_tag("sp=none!", &["dmarc-sp-invalid"], Some("sp=none"));
    check_tag("np=never", &["dmarc-np-invalid"], Some(""));
    check(&format!("v=DMARC1; {RUA}"), &["dmarc-p-missing"], Some(&good("none")));
    check("v=DMARC1; sp=reject", &["dmarc-p-missing"], Some("v=DMARC1; p=none; sp=reject"));
    // Without reports it is no record any more, and with them it is one.
    let severity = |text: &str| lint(text.as_bytes(), Role::Unknown).findings[0].severity;
    assert_eq!((severity("v=DMARC1"), severity(&format!("v=DMARC1; {RUA}"))), (Severity::Failure, Severity::Warning));
    check(&format!("v=DMARC1; p=reject {RUA}"), &["dmarc-missing-semicolon"], Some(&good("reject")));
    check(
        "v=DMARC1; rua=mailto:a@example.com p=reject",
        &["dmarc-missing-semicolon", "dmarc-p-missing"],
        Some(&good("reject")),
    );
}

#[test]
fn m5_report_uris() {
    for (value, code, meant) in [
        ("a@example.com", "dmarc-bad-uri", "mailto:a@example.com"),
        ("mailto: a@example.com", "dmarc-bad-uri", "mailto:a@example.com"),
        ("mailto:<a@example.com>", "dmarc-bad-uri", "mailto:a@example.com"),
        ("mailto:a!b@example.com", "dmarc-bad-uri", "mailto:a%21b@example.com"),
        ("mailto://a@example.com", "dmarc-uri-slashes", "mailto:a@example.com"),
        ("mailto:a@example.com!10m", "dmarc-uri-size", "mailto:a@example.com"),
        ("mailto:a@example.com,", "dmarc-bad-uri", "mailto:a@example.com"),
        (
            "mailto:a@example.com; mailto:b@example.com",
            "dmarc-uri-semicolon",
            "mailto:a@example.com,mailto:b@example.com",
        ),
    ] {
        check(&format!("v=DMARC1; p=reject; rua={value}"), &[code], Some(&format!("v=DMARC1; p=reject; rua={meant}")));
    }
    check("v=DMARC1; p=reject; rua=mailto:a,b@example.com", &["dmarc-uri-comma"], None);
    check("v=DMARC1; p=reject; rua=https://example.com/x", &["dmarc-uri-scheme"], None);
    check("v=DMARC1; p=reject; rua=", &["dmarc-no-uri"], Some("v=DMARC1; p=reject"));
    check("v=DMARC1; p=reject", &["dmarc-rua-missing"], None);
    check("v=DMARC1; p=none", &["dmarc-rua-missing", "dmarc-policy-none"], None);
    let many: Vec<String> = (0..1000).map(|number| format!("mailto:a{number}@example.com")).collect();
    let text = format!("v=DMARC1; p=reject; rua={}", many.join(","));
    let corrected = format!("v=DMARC1; p=reject; rua={}", many[..16].join(","));
    check(&text, &["dmarc-too-many-uris"], Some(&corrected));
    let fix = lint(text.as_bytes(), Role::Organizational).findings[0].problem.fix();
    assert!(fix.ends_with("the corrected record keeps the first 16 URIs of `rua=` and leaves the others out"), "{fix}");
    // The second half of an address is nobody's mailbox.
    check(
        "v=DMARC1; p=reject; ri=1; rua=mailto:a,b@example.com, mailto:c@example.com",
        &["dmarc-uri-comma", "dmarc-historic-tag"],
        Some("v=DMARC1; p=reject; rua=mailto:c@example.com"),
    );
}

#[test]
fn m18_m20_what_a_record_means_is_told_by_the_role_of_its_domain() {
    use Role::{Organizational, PublicSuffix, Subdomain, Unknown};
    for (tags, role, expected) in [
        ("p=none", Organizational, &["dmarc-policy-none"][..]),
        ("p=none; sp=reject", Organizational, &[]),
        ("p=reject; t=y", Organizational, &["dmarc-testing"]),
        ("p=reject; ruf=mailto:f@example.com", Organizational, &["dmarc-ruf"]),
        ("p=reject; sp=none", Organizational, &["dmarc-sp-milder"]),
        ("p=reject; np=none", Organizational, &["dmarc-np-milder"]),
        ("p=reject; sp=none; np=none", Organizational, &["dmarc-sp-milder", "dmarc-np-same"]),
        ("p=none; np=reject", Organizational, &["dmarc-policy-none"]),
        ("p=reject; sp=none; np=none", Subdomain, &["dmarc-sp-without-effect", "dmarc-np-without-effect"]),
        ("p=reject; psd=y", Organizational, &["dmarc-psd-y"]),
        ("p=reject; psd=y", PublicSuffix, &[]),
        ("p=reject; psd=y", Unknown, &[]),
        ("p=reject; psd=n", Organizational, &["dmarc-psd-n"]),
    ] {
        let text = format!("v=DMARC1; {tags}; {RUA}");
        assert_eq!(codes(&text, role), expected, "{text}");
    }
    let below = lint(b"v=DMARC1; p=reject; sp=none; rua=mailto:a@example.com", Subdomain);
    assert_eq!(below.corrected.as_deref(), Some("v=DMARC1; p=reject; rua=mailto:a@example.com"));
}

#[test]
fn places_are_those_of_the_published_text() {
    let excerpts = |text: &str| -> Vec<String> {
        let lint = lint(text.as_bytes(), Role::Unknown);
        lint.findings.iter().map(|finding| finding.excerpt(text.as_bytes())).collect()
    };
    assert_eq!(
        excerpts("\"v=dmarc1; p=rejct; rua=mailto:a@example.com; x=\u{e9}\""),
        ["\\\"", "v=dmarc1", "rejct", "x=\\xc3\\xa9"]
    );
    assert_eq!(excerpts("p=reject; v=DMARC1; ri=1; rua=mailto:a@example.com"), ["v=DMARC1", "ri=1"]);
    assert_eq!(excerpts("v=DMARC1; p=reject"), [""]);
    let long = format!("v=DMARC1; p=reject; x={}; {RUA}", "\u{1b}".repeat(1000));
    assert!(excerpts(&long).iter().all(|shown| shown.len() <= MAX_EXCERPT + 3 && shown.is_ascii()));
}

#[test]
fn findings_are_bounded() {
    let worst = format!(
        "\"\u{201c}\\\u{200b}\n_dmarc TXT v=dmarc1{}; pct=0; fo=1; rua=mailto://a; ruf=mailto://b@c",
        ";x=".repeat(10_000)
    );
    let lint = lint(worst.as_bytes(), Role::Organizational);
    assert!((60..=MAX_FINDINGS).contains(&lint.findings.len()), "{}", lint.findings.len());
    assert_eq!(lint.corrected.as_deref(), Some("v=DMARC1; p=none; t=y; fo=1; ruf=mailto:b@c"));
}

#[test]
fn every_finding_says_something_of_its_own() {
    let texts = [
        "x",
        "p=none",
        "p=none; v=DMARC1",
        "v=dmarc1",
        "v=DMARC9",
        "v=DMARC1 p=none",
        " v=DMARC1;; a=1; b; 1=2; p=x; p=none; t=x; ri=1; fo=0; rua=a, ftp://b!1k, mailto:a,b@c; psd=x; adkim=x; ruf=; pct=0; polcy=x; ruf:x",
        "v=DMARC1; p=reject; sp=none; np=none; t=y; psd=y; ruf=mailto://a@example.com; pct=5; mailto:b@c",
        "v=DMARC1; sp=quarantine aspf=s; np=x; p=none; psd=n",
        "\"\u{201c}\\\u{200b}\n_dmarc TXT v=DMARC1",
        "v=DMARC1; p=reject; sp=quarantine; np=none; psd=n",
        "v=DMARC1; p=none",
    ];
    let mut said = std::collections::HashMap::new();
    for text in texts {
        for role in [Role::Organizational, Role::Subdomain] {
            for finding in lint(text.as_bytes(), role).findings {
                let (what, fix) = (finding.problem.what(), finding.problem.fix());
                assert!(!what.is_empty() && !what.ends_with('.') && !fix.ends_with('.'), "{finding:?}");
                assert!(!fix.is_empty() || finding.severity == Severity::Note, "{finding:?}");
                assert!(finding.code().starts_with("dmarc-"));
                let other = said.insert(what, finding.problem);
                assert!(other.is_none_or(|other| other == finding.problem), "{other:?} {finding:?}");
            }
        }
    }
    assert!(said.len() > 40, "{}", said.len());
}

/// Pieces of records as they come, to be put together in any way.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("v=DMARC1".to_owned()),
        "(v=|V = |v:|)(DMARC1|dmarc1|DMARC2|DMARC|spf1)",
        "(p|sp|np|P|polcy|pp)(=|:| = )(reject|none|quarantine|rejct|x|)",
        "(rua|ruf|rau)(=|:)(mailto:|mailto://|MAILTO:|https://|)[a-c!,@ %<>]{0,6}@example.com(!1m|,|)",
        "(pct|ri|rf|fo|psd|t|adkim|aspf)=(0|1|50|y|n|u|r|s|d|x|1:d:s|yes|strict|)",
        "[ -~\u{e9}\u{201c}\u{a0}\n\t]{0,12}",
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_looked_at(text in proptest::collection::vec(any::<u8>(), 0..200), is_record: bool) {
        let text = if is_record { [b"v=DMARC1;", &text[..]].concat() } else { text };
        let lint = lint(&text, Role::Organizational);
        prop_assert_eq!(lint.record, Record::parse(&text).ok());
        prop_assert!(lint.findings.iter().all(|finding| text.get(finding.span.clone()).is_some()));
    }

    /// A corrected text is a good record, and nothing in it is left to correct.
    #[test]
    fn a_corrected_text_needs_no_correction(
        pieces in proptest::collection::vec(piece(), 1..8),
        sign in prop_oneof![Just("; "), Just(";"), Just(" "), Just(", ")],
        role in prop_oneof![Just(Role::Organizational), Just(Role::Subdomain), Just(Role::Unknown)],
    ) {
        let text = pieces.join(sign);
        let found = lint(text.as_bytes(), role);
        prop_assert!(found.findings.len() <= MAX_FINDINGS);
        prop_assert!(found.findings.iter().all(|finding| text.as_bytes().get(finding.span.clone()).is_some()));
        if let Some(corrected) = found.corrected {
            prop_assert!(corrected.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{}", corrected);
            let again = lint(corrected.as_bytes(), role);
            prop_assert_eq!(again.record.as_ref().map(Record::standing), Some(Standing::Complete), "{}", corrected);
            prop_assert_eq!(again.corrected, None, "{} from {}", corrected, text);
        } else {
            let is_mended = found.findings.iter().any(|finding| finding.problem.is_mended());
            prop_assert!(!is_mended, "{:?}", found.findings);
        }
    }
}
