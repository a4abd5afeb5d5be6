use proptest::prelude::*;

use super::PslErrorKind as K;
use super::*;

const LIST: &str = "\u{feff}// A list.\n\
    // ===BEGIN ICANN DOMAINS===\n\
    com\ncn\n公司.cn\t and a remark\n uk\nco.uk\r\n\n\
    *.ck\n!www.ck\n\
    *.kobe.jp // no rule for kobe.jp, none for jp\n!city.kobe.jp\n\
    *\n\
    // ===END ICANN DOMAINS===\n\
    // ===BEGIN PRIVATE DOMAINS===\n\
    Blogspot.COM\n\
    a.b.c.d.deep.com\n\
    // ===END PRIVATE DOMAINS===\n\
    own.test\n";

fn parse(text: &str) -> Result<PublicSuffixList, (K, usize)> {
    PublicSuffixList::parse(text.as_bytes(), Sections::All, &PslLimits::default())
        .map_err(|error| (error.kind, error.line))
}

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

#[test]
fn rfc7489_s3_2_the_longest_rule_wildcards_exceptions_and_the_default_rule() {
    let list = parse(LIST).unwrap();
    for (domain, suffix) in [
        ("com", "com"),
        ("Example.COM", "com"),
        ("a.b.example.com", "com"),
        ("blogspot.com", "blogspot.com"),
        ("x.y.blogspot.com", "blogspot.com"),
        ("x.a.b.c.d.deep.com", "a.b.c.d.deep.com"),
        ("b.c.d.deep.com", "com"),
        ("co.uk", "co.uk"),
        ("example.uk", "uk"),
        ("notco.uk", "uk"),
        ("x.公司.cn", "xn--55qx5d.cn"),
        ("x.xn--55qx5d.cn", "xn--55qx5d.cn"),
        // "*.ck" does not say that ck is a suffix; the default rule does.
        ("ck", "ck"),
        ("x.ck", "x.ck"),
        ("a.x.ck", "x.ck"),
        ("www.ck", "ck"),
        ("a.b.www.ck", "ck"),
        ("jp", "jp"),
        ("kobe.jp", "jp"),
        ("x.kobe.jp", "x.kobe.jp"),
        ("city.kobe.jp", "kobe.jp"),
        ("unlisted", "unlisted"),
        ("a.b.unlisted", "unlisted"),
        ("a.own.test", "own.test"),
    ] {
        let domain = name(domain);
        assert_eq!(list.public_suffix(&domain), suffix, "{domain}");
        assert_eq!(list.suffix_labels(&domain), suffix.split('.').count(), "{domain}");
        assert_eq!(list.is_public_suffix(&domain), domain.as_str() == suffix, "{domain}");
        let below = domain.as_str().len().checked_sub(suffix.len() + 1).map(|end| &domain.as_str()[..end]);
        let expected = below.map(|below| format!("{}.{suffix}", below.rsplit('.').next().unwrap()));
        assert_eq!(list.organizational_domain(&domain).map(|found| found.to_string()), expected, "{domain}");
    }
}

#[test]
fn the_sections_are_chosen_by_value() {
    let icann = PublicSuffixList::parse(LIST.as_bytes(), Sections::Icann, &PslLimits::default()).unwrap();
    assert_eq!(icann.public_suffix(&name("x.blogspot.com")), "com");
    assert_eq!(icann.public_suffix(&name("x.co.uk")), "co.uk");
    // Outside of both.
    assert_eq!(icann.public_suffix(&name("x.own.test")), "own.test");
    assert_eq!((icann.len(), parse(LIST).unwrap().len()), (10, 12));
}

#[test]
fn a_name_may_have_several_rules() {
    let list = parse("ck\n*.ck\nck\n!www.ck\nwww.ck\n").unwrap();
    assert_eq!(
        (list.len(), list.public_suffix(&name("a.ck")), list.public_suffix(&name("a.www.ck"))),
        (2, "a.ck", "ck")
    );
    assert_eq!(format!("{list:?}"), "PublicSuffixList { names: 2, .. }");
}

#[test]
fn what_is_no_list_is_named_with_its_line() {
    for (text, kind, line) in [
        ("", K::NoRules, 1),
        ("// nothing\n\n*\n", K::NoRules, 3),
        ("<!DOCTYPE html>\n", K::BadRule, 1),
        ("com\n\nco..uk\n", K::BadRule, 3),
        ("com\n.uk\n", K::BadRule, 2),
        ("uk.\n", K::BadRule, 1),
        ("a.*.uk\n", K::BadRule, 1),
        ("*.*.uk\n", K::BadRule, 1),
        ("*uk\n", K::BadRule, 1),
        ("*.\n", K::BadRule, 1),
        ("!\n", K::BadRule, 1),
        ("!*.uk\n", K::BadRule, 1),
        ("!uk\n", K::BadException, 1),
        ("-uk\n", K::BadRule, 1),
        ("u/k\n", K::BadRule, 1),
        ("// ===BEGIN ICANN DOMAINS===\ncom\n", K::UnfinishedSection, 2),
        ("// ===END ICANN DOMAINS===\ncom\n", K::SectionOrder, 1),
        ("// ===BEGIN ICANN DOMAINS===\n// ===BEGIN PRIVATE DOMAINS===\n", K::SectionOrder, 2),
        ("// ===BEGIN ICANN DOMAINS===\n// ===END PRIVATE DOMAINS===\n", K::SectionOrder, 2),
    ] {
        assert_eq!(parse(text).map(|list| list.len()), Err((kind, line)), "{text:?}");
    }
    let error = PublicSuffixList::parse(b"com\nuk\nc\xf6m\n", Sections::All, &PslLimits::default()).unwrap_err();
    assert_eq!(error.to_string(), "text that is not UTF-8 (line 3)");
}

#[test]
fn every_limit_has_its_kind() {
    let limits = PslLimits { max_bytes: 10, max_rules: 2 };
    let parse =
        |text: &str| PublicSuffixList::parse(text.as_bytes(), Sections::All, &limits).map_err(|error| error.kind);
    assert!(parse("com\nuk\n").is_ok());
    assert_eq!(parse("com\nuk\nde\n"), Err(K::TooManyRules));
    assert_eq!(parse("// long one"), Err(K::TooLong));
}

/// The algorithm of publicsuffix.org to the letter: all rules one after the other.
fn by_the_letter(rules: &[String], domain: &str) -> usize {
    let labels: Vec<&str> = domain.split('.').rev().collect();
    let matches = |rule: &&String| {
        let rule: Vec<&str> = rule.trim_start_matches('!').split('.').rev().collect();
        rule.len() <= labels.len() && rule.iter().zip(&labels).all(|(part, label)| *part == "*" || part == label)
    };
    let matching: Vec<&String> = rules.iter().filter(matches).collect();
    let count = |rule: &&String| rule.split('.').count();
    match matching.iter().copied().filter(|rule| rule.starts_with('!')).min_by_key(count) {
        Some(exception) => count(&exception).saturating_sub(1),
        None => matching.iter().map(count).max().unwrap_or(1),
    }
}

proptest! {
    #[test]
    fn a_lookup_finds_what_the_algorithm_finds(
        rules in proptest::collection::vec("(|[*][.])[a-c]([.][a-c]){0,3}|![a-c]([.][a-c]){1,3}", 1..12),
        domains in proptest::collection::vec("[a-c]([.][a-c]){0,6}", 1..10),
    ) {
        let list = parse(&rules.join("\n")).unwrap();
        for domain in domains {
            prop_assert_eq!(list.suffix_labels(&name(&domain)), by_the_letter(&rules, &domain), "{} in {:?}", domain, rules);
        }
    }

    #[test]
    fn any_text_gives_a_list_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..200), domain in "[a-z]{1,3}(\\.[a-z]{1,3}){0,4}") {
        if let Ok(list) = PublicSuffixList::parse(&text, Sections::All, &PslLimits::default()) {
            let domain = name(&domain);
            let suffix = list.public_suffix(&domain);
            prop_assert!(!suffix.is_empty() && domain.as_str().ends_with(suffix));
        }
    }
}
