use proptest::prelude::*;

use super::*;
use crate::uri::UriError;

fn record(text: &str) -> Record {
    Record::parse(text.as_bytes()).unwrap()
}

/// The warnings of a record: what each is about, and the text it is at.
fn warnings(text: &str) -> Vec<(WarningKind, String)> {
    let record = record(text);
    let at = |warning: &Warning| String::from_utf8_lossy(&record.text()[warning.span.clone()]).into_owned();
    record.warnings().iter().map(|warning| (warning.kind, at(warning))).collect()
}

fn warning(text: &str) -> (WarningKind, String) {
    let [warning] = &warnings(text)[..] else { panic!("{:?}", warnings(text)) };
    warning.clone()
}

#[test]
fn m1_a_record_begins_with_v_dmarc1() {
    for text in [
        "v=DMARC1",
        "v=DMARC1;",
        "v=DMARC1 ; ",
        "v = DMARC1;p=none",
        "V=DMARC1;p=none",
        "\tv\t=\tDMARC1\t;\tp=none",
        "v=DMARC1;;;",
        "v=DMARC1;\0\u{ff}",
    ] {
        assert!(Record::parse(text.as_bytes()).is_ok() && Record::has_version(text.as_bytes()), "{text}");
    }
    for (text, error) in [
        ("", RecordError::NoVersion),
        (";v=DMARC1", RecordError::NoVersion),
        ("p=reject; v=DMARC1", RecordError::NoVersion),
        ("DMARC1", RecordError::NoVersion),
        ("vv=DMARC1", RecordError::NoVersion),
        ("v=spf1 -all", RecordError::Version),
        ("v=dmarc1; p=reject", RecordError::Version),
        ("v=DMARC2; p=reject", RecordError::Version),
        ("v=DMARC1p=reject", RecordError::Version),
        ("v=DMARC1 p=reject", RecordError::Version),
        ("v=DMARC1, p=reject", RecordError::Version),
        ("v=\"DMARC1\"; p=reject", RecordError::Version),
        ("v=; p=reject", RecordError::Version),
    ] {
        assert_eq!(Record::parse(text.as_bytes()), Err(error), "{text}");
        assert!(!Record::has_version(text.as_bytes()), "{text}");
    }
}

#[test]
fn m1_a_record_of_64_kib_is_read_and_a_longer_one_is_none() {
    let mut text = b"v=DMARC1; p=reject; x=".to_vec();
    text.resize(MAX_RECORD_OCTETS, b'x');
    assert_eq!(Record::parse(&text).unwrap().p, Some(Policy::Reject));
    text.push(b'x');
    assert_eq!(Record::parse(&text), Err(RecordError::TooLong));
    assert!(!Record::has_version(&text));
}

#[test]
fn m3_defaults() {
    let bare = record("v=DMARC1");
    assert_eq!((bare.p, bare.sp, bare.np, bare.pct), (None, None, None, None));
    assert_eq!((bare.adkim, bare.aspf, bare.psd), (AlignmentMode::Relaxed, AlignmentMode::Relaxed, Psd::Unspecified));
    assert_eq!((bare.is_testing, bare.fo), (false, FailureOptions::default()));
    assert!(bare.fo.all_failed && !bare.fo.any_failed && !bare.fo.dkim_failed && !bare.fo.spf_failed);
    assert!(bare.rua.is_empty() && bare.ruf.is_empty());
    assert_eq!(warning("v=DMARC1"), (WarningKind::MissingPolicy, String::new()));
}

#[test]
fn m2_m3_all_tags_in_any_case_and_any_order() {
    let record = record(
        "v=DMARC1; T=Y; NP=Reject; sp=QUARANTINE; p=None; aspf=S; adkim=s; psd=N; fo=1:D:s;\
         ruf=mailto:b@example.com; rua=mailto:a@example.com , mailto:c@example.com",
    );
    assert_eq!((record.p, record.sp, record.np), (Some(Policy::None), Some(Policy::Quarantine), Some(Policy::Reject)));
    assert_eq!((record.adkim, record.aspf, record.psd), (AlignmentMode::Strict, AlignmentMode::Strict, Psd::No));
    assert!(record.is_testing && record.fo.any_failed && record.fo.dkim_failed && record.fo.spf_failed);
    assert!(!record.fo.all_failed);
    let uris = |uris: &[ReportUri]| uris.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(uris(&record.rua), ["mailto:a@example.com", "mailto:c@example.com"]);
    assert_eq!(uris(&record.ruf), ["mailto:b@example.com"]);
    let kinds: Vec<_> = record.warnings().iter().map(|warning| warning.kind).collect();
    assert_eq!(kinds, [WarningKind::PolicyNotSecond]);
}

#[test]
fn m2_bad_values_are_replaced_by_the_default_and_told() {
    for (text, tag) in [
        ("adkim=x", "adkim"),
        ("aspf=strict", "aspf"),
        ("psd=x", "psd"),
        ("t=yes", "t"),
        ("sp=", "sp"),
        ("np=rejected", "np"),
        ("sp=rej\u{e9}ct", "sp"),
        ("sp=re ject", "sp"),
        ("rua=", "rua"),
        ("ruf= ", "ruf"),
    ] {
        let text = format!("v=DMARC1; p=none; {text}");
        let value = text.rsplit('=').next().unwrap().trim();
        assert_eq!(warning(&text), (WarningKind::BadValue { tag }, value.to_owned()), "{text}");
    }
    let bad = record("v=DMARC1; p=none; adkim=x; aspf=y; psd=x; t=x; sp=x; np=x");
    assert_eq!((bad.adkim, bad.aspf, bad.psd), (AlignmentMode::Relaxed, AlignmentMode::Relaxed, Psd::Unspecified));
    assert_eq!((bad.is_testing, bad.sp, bad.np), (false, None, None));
}

#[test]
fn m2_of_a_repeated_tag_the_first_one_counts() {
    assert_eq!(record("v=DMARC1; p=reject; p=none").p, Some(Policy::Reject));
    assert_eq!(record("v=DMARC1; p=x; P=none").p, None);
    assert_eq!(warning("v=DMARC1; p=reject; P=none"), (WarningKind::RepeatedTag { tag: "p" }, "P=none".to_owned()));
    assert_eq!(warning("v=DMARC1; p=none; v=x"), (WarningKind::RepeatedTag { tag: "v" }, "v=x".to_owned()));
}

#[test]
fn m2_unknown_and_malformed_tags_are_ignored_and_told() {
    for (text, kind) in [
        ("x=1", WarningKind::UnknownTag),
        ("policy=none", WarningKind::UnknownTag),
        ("nonsense", WarningKind::NoEquals),
        ("=none", WarningKind::BadName),
        ("s p=none", WarningKind::BadName),
        ("x1=none", WarningKind::BadName),
        ("\u{e9}=none", WarningKind::BadName),
    ] {
        assert_eq!(warning(&format!("v=DMARC1; p=none; {text} ;")), (kind, text.to_owned()));
    }
    assert_eq!(warning("v=DMARC1;;p=none").0, WarningKind::EmptyTag);
    assert_eq!(warning("v=DMARC1;p=none; ;").0, WarningKind::EmptyTag);
    assert_eq!(warning(" v=DMARC1;p=none").0, WarningKind::LeadingWhiteSpace);
    assert_eq!(warnings("v=DMARC1; p=none;"), []);
}

#[test]
fn m3_historic_tags_are_known_and_told() {
    for (text, tag) in [("pct=50", "pct"), ("rf=afrf", "rf"), ("ri=86400", "ri")] {
        let text = format!("v=DMARC1; p=none; {text}");
        assert_eq!(warning(&text).0, WarningKind::Historic { tag });
    }
    for (value, expected) in
        [("0", Some(0)), ("100", Some(100)), ("007", Some(7)), ("101", None), ("-1", None), ("1000", None), ("", None)]
    {
        assert_eq!(record(&format!("v=DMARC1; p=none; pct={value}")).pct, expected, "{value}");
    }
}

#[test]
fn m4_standing_without_a_usable_policy() {
    let rua = "rua=mailto:a@example.com";
    for (text, with_rua, without) in [
        ("p=reject", Standing::Complete, Standing::Complete),
        ("p=none; sp=reject", Standing::Complete, Standing::Complete),
        ("", Standing::MonitoringOnly, Standing::Unusable),
        ("p=", Standing::MonitoringOnly, Standing::Unusable),
        ("p=monitor", Standing::MonitoringOnly, Standing::Unusable),
        ("sp=reject", Standing::MonitoringOnly, Standing::Unusable),
        ("p=reject; sp=x", Standing::MonitoringOnly, Standing::Unusable),
        ("p=reject; np=x", Standing::MonitoringOnly, Standing::Unusable),
    ] {
        assert_eq!(record(&format!("v=DMARC1; {text}; {rua}")).standing(), with_rua, "{text}");
        assert_eq!(record(&format!("v=DMARC1; {text}")).standing(), without, "{text}");
        // A URI that cannot be read is none.
        assert_eq!(record(&format!("v=DMARC1; {text}; rua=a@example.com")).standing(), without, "{text}");
    }
    // RFC 7489 knows no np=.
    assert_eq!(record("v=DMARC1; p=reject; np=x").standing_rfc7489(), Standing::Complete);
    assert_eq!(record("v=DMARC1; p=reject; sp=x").standing_rfc7489(), Standing::Unusable);
}

#[test]
fn m5_report_uris_good_and_bad() {
    let text = "v=DMARC1; p=none; rua=mailto:a@example.com!10m, https://example.com/x,b@example.com,,mailto:c%2Cd@x";
    let record = record(text);
    let uris: Vec<_> = record.rua.iter().map(ReportUri::as_str).collect();
    assert_eq!(uris, ["mailto:a@example.com", "https://example.com/x"]);
    let tag = "rua";
    assert_eq!(
        warnings(text),
        [
            (WarningKind::ObsoleteSize { tag }, "mailto:a@example.com!10m".to_owned()),
            (WarningKind::UnusualScheme { tag }, "https://example.com/x".to_owned()),
            (WarningKind::BadUri { tag, error: UriError::Scheme }, "b@example.com".to_owned()),
            (WarningKind::BadUri { tag, error: UriError::Empty }, String::new()),
            (WarningKind::BadUri { tag, error: UriError::Address }, "mailto:c%2Cd@x".to_owned()),
        ]
    );
}

#[test]
fn m5_no_more_than_sixteen_uris_are_kept() {
    let uris: Vec<String> = (0..20).map(|number| format!("mailto:a{number}@example.com")).collect();
    let text = format!("v=DMARC1; p=none; rua={}", uris.join(","));
    assert_eq!(record(&text).rua.len(), MAX_REPORT_URIS);
    assert_eq!(warning(&text), (WarningKind::TooManyUris { tag: "rua" }, "mailto:a16@example.com".to_owned()));
}

#[test]
fn m5_fo_needs_ruf_and_its_own_grammar() {
    let with_ruf = |fo: &str| record(&format!("v=DMARC1; p=none; fo={fo}; ruf=mailto:a@example.com")).fo;
    let options = |all_failed, any_failed, dkim_failed, spf_failed| FailureOptions {
        all_failed,
        any_failed,
        dkim_failed,
        spf_failed,
    };
    for (fo, expected) in [
        ("0", options(true, false, false, false)),
        ("1", options(false, true, false, false)),
        ("d", options(false, false, true, false)),
        ("d:s", options(false, false, true, true)),
        ("1:d:s", options(false, true, true, true)),
        ("s:0", options(true, false, false, true)),
        // Not allowed: the default.
        ("0:1", FailureOptions::default()),
        ("d:d", FailureOptions::default()),
        ("1:x", FailureOptions::default()),
        ("", FailureOptions::default()),
    ] {
        assert_eq!(with_ruf(fo), expected, "{fo}");
    }
    assert_eq!(record("v=DMARC1; p=none; fo=1").fo, FailureOptions::default());
    assert_eq!(warning("v=DMARC1; p=none; fo=1"), (WarningKind::FailureOptionsWithoutRuf, "fo=1".to_owned()));
}

#[test]
fn warnings_are_bounded() {
    let record = record(&format!("v=DMARC1; p=none{}", ";x=".repeat(10_000)));
    assert_eq!(record.warnings().len(), MAX_WARNINGS);
    assert_eq!(record.warnings().last().unwrap().kind, WarningKind::TooManyWarnings);
}

#[test]
fn every_warning_says_something_of_its_own() {
    let text = " v=DMARC1;; a=1; b; 1=2; p=x; p=none; t=x; ri=1; fo=0; rua=a, ftp://b!1k; psd=x; adkim=x; ruf=; pct=x";
    let mut said: Vec<String> = record(text).warnings().iter().map(ToString::to_string).collect();
    assert!(said.len() > 15);
    said.sort();
    said.dedup();
    assert_eq!(said.len(), record(text).warnings().len());
}

proptest! {
    #[test]
    fn any_bytes_give_a_record_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..200), is_record: bool) {
        let text = if is_record { [b"v=DMARC1;", &text[..]].concat() } else { text };
        let result = Record::parse(&text);
        prop_assert_eq!(result.is_ok(), Record::has_version(&text));
        if let Ok(record) = result {
            prop_assert!(record.warnings().iter().all(|warning| record.text().get(warning.span.clone()).is_some()));
        }
    }

    /// Order of tags and white space around them mean nothing.
    #[test]
    fn m2_order_and_white_space_mean_nothing(
        mut tags in Just(vec!["p=reject", "sp=none", "np=quarantine", "t=y", "adkim=s", "psd=n", "rua=mailto:a@b.example"])
            .prop_shuffle(),
        blank in "[ \t]{0,3}",
    ) {
        let shuffled = record(&format!("v=DMARC1;{blank}{}", tags.join(&format!("{blank};{blank}"))));
        tags.sort_unstable();
        let sorted = record(&format!("v=DMARC1;{}", tags.join(";")));
        prop_assert_eq!((shuffled.p, shuffled.sp, shuffled.np), (sorted.p, sorted.sp, sorted.np));
        prop_assert_eq!((shuffled.is_testing, shuffled.adkim, shuffled.psd), (true, AlignmentMode::Strict, Psd::No));
        prop_assert_eq!(shuffled.rua, sorted.rua);
    }
}
