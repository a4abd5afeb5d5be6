//! The From parser against the address suites of is_email: 443 addresses, each alone and in angle brackets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a vector of the wrong shape should stop the test"
)]

use std::fs;
use std::path::PathBuf;

use dmarc_core::author::{Author, AuthorDomains, AuthorError, AuthorLimits};
use serde_json::Value;

/// Cases with another result than their category asks for, and why: suite, number, reason.
const DIFFERENT: &[(&str, u64, &str)] = &[
    ("tests", 35, FINAL_DOT),
    ("tests-original", 82, FINAL_DOT),
    ("tests-original", 113, FINAL_DOT),
    ("tests-original", 200, FINAL_DOT),
    (
        "tests",
        160,
        "the suite is older than RFC 6532 §3.2, which allows UTF-8 in quoted-pair; no reader sees another domain",
    ),
    (
        "tests-original",
        185,
        "a comment inside the domain: RFC 5322 §4.4 joins what is around it, other readers stop there",
    ),
];

/// RFC 5322 has no final dot, but it names no other domain, and whoever looks it up finds this one: the policy of the domain has to count.
const FINAL_DOT: &str = "one final dot is ignored";

struct Case {
    suite: String,
    id: u64,
    address: String,
    category: String,
    domain: Option<String>,
}

/// What a parser may make of an address.
#[derive(Debug, PartialEq)]
enum Found {
    Domain(String),
    Literal,
    Nothing(AuthorError),
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/address")
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("address.json")).unwrap();
    let Value::Array(cases) = serde_json::from_str(&text).unwrap() else { panic!("no list") };
    let text = |case: &Value, key: &str| case[key].as_str().map(str::to_owned);
    cases
        .iter()
        .map(|case| Case {
            suite: text(case, "suite").unwrap(),
            id: case["id"].as_u64().unwrap(),
            address: text(case, "address").unwrap(),
            category: text(case, "category").unwrap(),
            domain: text(case, "domain"),
        })
        .collect()
}

fn parse(value: &str) -> Found {
    match AuthorDomains::parse(value.as_bytes(), &AuthorLimits::default()) {
        Err(error) => Found::Nothing(error),
        Ok(authors) => match authors.author() {
            Author::One(domain) => Found::Domain(domain.to_string()),
            Author::Literal => Found::Literal,
            Author::Several => panic!("{value:?} is one address: {authors:?}"),
        },
    }
}

impl Case {
    /// Whether a result is one that the category allows.
    fn allows(&self, found: &Found) -> bool {
        let is_right = match found {
            Found::Domain(domain) => self.domain.as_deref() == Some(domain),
            Found::Literal => self.domain.is_none() && self.address.contains('['),
            Found::Nothing(_) => false,
        };
        match self.category.as_str() {
            // No address: no domain.
            "ERR" => matches!(found, Found::Nothing(_)),
            "VALID_CATEGORY" | "DNSWARN" | "RFC5321" | "CFWS" => is_right,
            // Obsolete or beyond RFC 5321: the right domain or none, never a wrong one.
            "DEPREC" | "RFC5322" => is_right || matches!(found, Found::Nothing(_)),
            other => panic!("category {other}"),
        }
    }

    fn reason(&self) -> Option<&'static str> {
        DIFFERENT.iter().find(|(suite, id, _)| *suite == self.suite && *id == self.id).map(|(_, _, reason)| *reason)
    }
}

#[test]
fn every_address_of_the_suites_gives_what_its_category_asks_for() {
    let cases = cases();
    assert_eq!(cases.len(), 164 + 279);
    let mut wrong = Vec::new();
    for case in &cases {
        let found = [parse(&case.address), parse(&format!("<{}>", case.address))];
        let is_allowed = found.iter().all(|found| case.allows(found));
        if is_allowed != case.reason().is_none() {
            let Case { suite, id, address, category, .. } = case;
            wrong.push(format!("{suite} {id} {category} {address:?}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// The list of exceptions names each case once, and none that is not there.
#[test]
fn every_exception_is_a_case() {
    let cases = cases();
    for (suite, id, reason) in DIFFERENT {
        assert_eq!(cases.iter().filter(|case| case.suite == *suite && case.id == *id).count(), 1, "{suite} {id}");
        assert_eq!(DIFFERENT.iter().filter(|other| (other.0, other.1) == (*suite, *id)).count(), 1, "{suite} {id}");
        assert!(reason.len() > 20);
    }
}

/// The obsolete addresses that have a domain here: a change of the grammar shows.
#[test]
fn obsolete_addresses_are_read_where_they_have_one_reading() {
    let cases = cases();
    let read = |category: &str| {
        let of_it = cases.iter().filter(|case| case.category == category);
        let read = of_it.clone().filter(|case| !matches!(parse(&case.address), Found::Nothing(_))).count();
        (read, of_it.count())
    };
    assert_eq!((read("DEPREC"), read("RFC5322")), ((40, 54), (66, 77)));
}

/// `address.json` was made from the XML as it lies there.
#[test]
fn the_json_has_the_addresses_of_the_xml() {
    let mut addresses = Vec::new();
    for file in ["tests.xml", "tests-original.xml"] {
        let xml = fs::read_to_string(folder().join(file)).unwrap();
        for test in xml.split("<test id=").skip(1) {
            let body = test.split_once("</test>").unwrap().0;
            let text = body.split_once("<address>").map_or("", |(_, rest)| rest.split_once("</address>").unwrap().0);
            addresses.push(text.to_owned());
        }
    }
    let cases = cases();
    assert_eq!(cases.len(), addresses.len());
    for (case, xml) in cases.iter().zip(addresses) {
        // In the XML control characters and delimiters of XML are escaped; the rest stands as it is.
        let is_plain = |char: &char| char.is_ascii_graphic() && !"&<>\"'".contains(*char);
        let plain: String = case.address.chars().filter(is_plain).collect();
        let unescaped =
            ["&lt;", "&gt;", "&amp;", "&quot;", "&apos;"].iter().fold(xml, |text, name| text.replace(name, ""));
        let mut rest: &str = &unescaped;
        let mut text = String::new();
        while let Some((before, entity)) = rest.split_once("&#") {
            text.push_str(before);
            rest = entity.split_once(';').unwrap().1;
        }
        text.push_str(rest);
        assert_eq!(plain, text.chars().filter(is_plain).collect::<String>(), "{} {}", case.suite, case.id);
    }
}
