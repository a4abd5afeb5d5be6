//! Authentication-Results against the examples of RFC 8601 Appendix B and the cases of the Python package authres.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a vector of the wrong shape should stop the test"
)]

use std::fs;
use std::path::PathBuf;

use dkim_core::auth_results::{AuthResults, FormatOptions, ParseError, ReadLimits};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use serde_json::Value;

/// Cases of `authres-python.json` in which we read what authres refuses: index, and why.
const MORE_TOLERANT: &[(usize, &str)] = &[(
    7,
    "an IPv6 address without quotes is common in policy.iprev and cannot be misread: a value ends at white space or \";\"",
)];

fn vectors(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/authres").join(file)
}

fn json(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(vectors(file)).unwrap();
    let Value::Array(cases) = serde_json::from_str(&text).unwrap() else { panic!("{file} is no list") };
    cases
}

fn parse(value: &[u8]) -> Result<AuthResults, ParseError> {
    AuthResults::parse(value, ReadLimits::default())
}

/// Compares everything that the vector states, then formats, parses and compares again.
fn check(field: &AuthResults, expected: &Value, case: &str) {
    check_content(field, expected, case);
    let value = field.to_field_value(&FormatOptions::default()).unwrap();
    let again = parse(value.as_bytes()).unwrap();
    assert_eq!(&again, field, "{case}");
}

fn check_content(field: &AuthResults, expected: &Value, case: &str) {
    assert_eq!(Some(field.authserv_id.as_str()), expected["authserv_id"].as_str(), "{case}");
    assert_eq!(field.version.map(u64::from), expected["version"].as_u64(), "{case}");
    let results = expected["results"].as_array().unwrap();
    assert_eq!(field.results.len(), results.len(), "{case}");
    for (result, expected) in field.results.iter().zip(results) {
        assert_eq!(Some(result.method.as_str()), expected["method"].as_str(), "{case}");
        assert_eq!(result.version.map(u64::from), expected["method_version"].as_u64(), "{case}");
        assert_eq!(Some(result.result.as_str()), expected["result"].as_str(), "{case}");
        assert_eq!(result.reason.as_deref(), expected["reason"].as_str(), "{case}");
        let props: Vec<[&str; 3]> = result
            .props
            .iter()
            .map(|prop| [prop.ptype.as_str(), prop.property.as_str(), prop.value.as_str()])
            .collect();
        assert_eq!(serde_json::json!(props), expected["properties"], "{case}");
        if let Some(comments) = expected["comments"].as_array() {
            let comments: Vec<&str> = comments.iter().map(|comment| comment.as_str().unwrap()).collect();
            assert_eq!(result.comments, comments, "{case}");
        }
    }
}

#[test]
fn appendix_b_of_rfc_8601_parses_to_its_content_and_comes_back() {
    let cases = json("rfc8601.json");
    assert_eq!(cases.len(), 7);
    for case in &cases {
        let name = case["file"].as_str().unwrap();
        let message = fs::read(vectors(name)).unwrap();
        let (block, _) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
        let fields: Vec<AuthResults> = block
            .iter()
            .filter(|field| field.is_named("Authentication-Results"))
            .map(|field| parse(field.value).unwrap())
            .collect();
        let expected = case["fields"].as_array().unwrap();
        assert_eq!(fields.len(), expected.len(), "{name}");
        for (field, expected) in fields.iter().zip(expected) {
            check(field, expected, name);
        }
    }
}

#[test]
fn cases_of_authres_parse_to_its_content_and_come_back() {
    let cases = json("authres-python.json");
    assert_eq!(cases.len(), 12);
    for (index, case) in cases.iter().enumerate() {
        let header = case["header"].as_str().unwrap();
        let (name, value) = header.split_once(':').unwrap();
        assert!(name.eq_ignore_ascii_case("Authentication-Results"));
        let parsed = parse(value.as_bytes());
        let is_refused_there = case["parsed"]["error"].is_string();
        match (parsed, is_refused_there) {
            (Ok(field), false) => check(&field, &case["parsed"], header),
            (Err(_), true) => {}
            (Ok(_), true) => {
                assert!(MORE_TOLERANT.iter().any(|(listed, _)| *listed == index), "read, against authres: {header}");
            }
            (Err(error), false) => panic!("{error}: {header}"),
        }
    }
    for (index, _) in MORE_TOLERANT {
        assert!(cases[*index]["parsed"]["error"].is_string(), "case {index} does not differ any more");
    }
}

#[test]
fn the_unquoted_ipv6_address_is_read_whole() {
    let cases = json("authres-python.json");
    let field = parse(cases[7]["header"].as_str().unwrap().split_once(':').unwrap().1.as_bytes()).unwrap();
    assert_eq!(field.authserv_id, "mail.bmsi.com");
    assert_eq!(field.results[0].prop("policy", "iprev"), Some("2001:748:100:40::2:2"));
    assert_eq!(field.results[0].comments, ["mout0.freenet.de"]);
    assert_eq!(field.results[1].prop("smtp", "mailfrom"), Some("markuslaudi@freenet.de"));
}
