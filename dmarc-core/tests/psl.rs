//! The Public Suffix List as published, against its own tests: 78 names, each in both files.
#![cfg(feature = "psl")]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a vector of the wrong shape should stop the test")]

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use dmarc_core::domain::DomainName;
use dmarc_core::org_domain::SuffixList;
use dmarc_core::psl::{PslErrorKind, PslLimits, PublicSuffixList, Sections};

fn vector(file: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/psl").join(file)).unwrap()
}

fn list(sections: Sections) -> PublicSuffixList {
    PublicSuffixList::parse(vector("public_suffix_list.dat").as_bytes(), sections, &PslLimits::default()).unwrap()
}

/// `checkPublicSuffix`: what is no name has no registrable domain.
fn registrable(list: &PublicSuffixList, input: &str) -> Option<DomainName> {
    list.organizational_domain(&DomainName::parse(input).ok()?)
}

/// Input and expected domain; `null` is none.
fn check(cases: &[(String, String)]) {
    let list = list(Sections::All);
    assert_eq!(cases.len(), 78);
    for (input, expected) in cases {
        let input = if input == "null" { "" } else { input };
        let expected = (expected != "null").then(|| DomainName::parse(expected).unwrap());
        assert_eq!(registrable(&list, input), expected, "{input}");
    }
}

#[test]
fn every_line_of_tests_txt() {
    let text = vector("tests.txt");
    let lines = text.lines().filter(|line| !line.starts_with("//") && !line.is_empty());
    let cases: Vec<_> =
        lines.map(|line| line.split_once(' ').unwrap()).map(|(one, two)| (one.to_owned(), two.to_owned())).collect();
    check(&cases);
}

#[test]
fn every_call_of_test_psl_txt() {
    let text = vector("test_psl.txt");
    let calls = text.lines().filter_map(|line| line.strip_prefix("checkPublicSuffix("));
    let cases: Vec<_> = calls
        .map(|call| call.strip_suffix(");").unwrap().split_once(", ").unwrap())
        .map(|(input, expected)| (input.trim_matches('\'').to_owned(), expected.trim_matches('\'').to_owned()))
        .collect();
    check(&cases);
}

/// The list written out in another way: each rule, without its mark, and what it is.
fn rules() -> HashMap<DomainName, Vec<char>> {
    let mut rules: HashMap<DomainName, Vec<char>> = HashMap::new();
    for line in vector("public_suffix_list.dat").lines().filter(|line| !line.starts_with("//") && !line.is_empty()) {
        let (kind, name) = match (line.strip_prefix('!'), line.strip_prefix("*.")) {
            (Some(name), _) => ('!', name),
            (_, Some(name)) => ('*', name),
            _ => ('.', line),
        };
        rules.entry(DomainName::parse(name).unwrap()).or_default().push(kind);
    }
    rules
}

#[test]
fn every_rule_of_the_list_is_found() {
    let (list, rules) = (list(Sections::All), rules());
    assert_eq!((rules.values().map(Vec::len).sum::<usize>(), list.len()), (10_248, rules.len()));
    for (name, kinds) in &rules {
        for kind in kinds {
            match kind {
                '.' => assert!(list.is_public_suffix(name), "{name}"),
                '!' => assert_eq!(list.organizational_domain(name).as_ref(), Some(name)),
                _ => {
                    let below = DomainName::parse(&format!("no-rule-has-this.{name}")).unwrap();
                    assert!(list.is_public_suffix(&below), "{below}");
                }
            }
        }
    }
}

#[test]
fn the_private_section_is_left_out_by_value() {
    let (all, icann) = (list(Sections::All), list(Sections::Icann));
    assert!(icann.len() < all.len());
    for (domain, in_all, in_icann) in [
        ("a.b.github.io", "b.github.io", "github.io"),
        ("a.b.co.uk", "b.co.uk", "b.co.uk"),
        ("x.uk.com", "x.uk.com", "uk.com"),
    ] {
        assert_eq!(registrable(&all, domain), Some(DomainName::parse(in_all).unwrap()));
        assert_eq!(registrable(&icann, domain), Some(DomainName::parse(in_icann).unwrap()));
    }
}

/// A download that broke off is no list, wherever it broke off inside a section.
#[test]
fn a_list_cut_short_is_refused() {
    let text = vector("public_suffix_list.dat");
    let (begin, end) = (text.find("===BEGIN ICANN").unwrap() + 30, text.find("===END ICANN").unwrap());
    for at in (begin..end).step_by((end - begin) / 50) {
        let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap();
        let kind = PublicSuffixList::parse(&text.as_bytes()[..at], Sections::All, &PslLimits::default())
            .map_or_else(|error| error.kind, |list| panic!("{at}: {list:?}"));
        assert!(matches!(kind, PslErrorKind::UnfinishedSection | PslErrorKind::BadRule), "{at}: {kind}");
    }
}
