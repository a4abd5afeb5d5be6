//! Targets of OpenDKIM's tables: what they say about a sender, which hosts a list has, and what rules make of fields.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use dkim_core::domain::DomainName;
use dkim_core::header::{HeaderBlock, HeaderError, HeaderLimits};
use engine::config::Diagnostics;
use engine::config::diagnostics::Location;
use engine::dataset::{
    Dataset, HostList, KeyTable, MAX_FINDINGS, MAX_REQUESTS, Reading, Sender, SigningTable, Spec, TableError,
};

use engine::opendkim::{ReplaceError, ReplaceRules};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] =
    &[("signing_table", signing_table), ("host_list", host_list), ("replace_rules", replace_rules)];

fn at(option: &str) -> Location {
    Location { file: Arc::from(Path::new("opendkim.conf")), line: 1, key: option.to_owned() }
}

/// Findings are on lines of their file, on one line each, and not more of a kind than are told.
fn check(found: &Diagnostics, text: &str) {
    let lines = text.split('\n').count();
    for finding in found {
        assert!(finding.line.is_none_or(|line| (1..=lines).contains(&(line as usize))), "{finding}");
        assert!(!finding.cause.chars().any(char::is_control), "{:?}", finding.cause);
        assert!(!finding.fix.is_empty() && !finding.fix.chars().any(char::is_control), "{:?}", finding.fix);
        assert!(found.iter().filter(|other| other.code == finding.code).count() <= 4 * (MAX_FINDINGS + 1));
    }
}

/// An address, a line `---`, a `SigningTable`, a line `---`, a `KeyTable`. As a `file:` and as a `refile:`: the first request is the first of all, what is asked
/// for is in the tables, and an identity is at or below its domain.
pub fn signing_table(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, "\n---\n");
    let (address, signing, keys) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut found = Diagnostics::default();
    let set = Dataset::parse_file(Path::new("KeyTable"), keys.to_owned(), Reading::EXACT, &mut found);
    let key_table = KeyTable::new(set, &at("KeyTable"), &mut found);
    check(&found, keys);
    let (local, domain) = address.rsplit_once('@').unwrap_or(("", address));
    let domain = DomainName::parse(domain).or_else(|_| DomainName::parse("example.com")).expect("a domain");
    let sender = Sender { local, domain: &domain };
    for parse in [Dataset::parse_file, Dataset::parse_refile] {
        let mut found = Diagnostics::default();
        let set = parse(Path::new("SigningTable"), signing.to_owned(), Reading::USUAL, &mut found);
        let table = SigningTable::new(set, &at("SigningTable"));
        table.check(&key_table, &mut found);
        check(&found, signing);
        let first = table.requests_now(&key_table, sender, false).expect("in memory");
        let all = table.requests_now(&key_table, sender, true).expect("in memory");
        match (first, all) {
            (Ok(first), Ok(all)) => {
                assert_eq!(first.as_slice(), &all[..all.len().min(1)]);
                assert!(all.len() <= MAX_REQUESTS);
                for request in all {
                    assert!(key_table.has(&request.key_name));
                    let identity = request.identity.as_ref().map(|identity| identity.domain());
                    assert!(identity.is_none_or(|domain| domain.is_equal_or_subdomain_of(&request.domain)));
                }
            }
            (Ok(first), Err(_)) => assert!(first.len() <= 1),
            (Err(error), all) => {
                assert_eq!(all.err().as_ref(), Some(&error));
                assert!(matches!(error, TableError::UnknownKey(_) | TableError::Corrupt(_)));
            }
        }
    }
}

/// A name and an address on the first two lines, then a list: with commas, as a `file:`, and as a `refile:`. Of all that the value of an option can be, the
/// type is found or refused.
pub fn host_list(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let (name, address) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let entries = parts.next().unwrap_or_default();
    let address: Option<IpAddr> = address.trim().parse().ok();
    if let Err(error) = Spec::parse(entries) {
        assert!(!error.fix().is_empty() && !error.to_string().chars().any(char::is_control));
    }
    let mut found = Diagnostics::default();
    let option = engine::config::Sourced { value: format!("csl:{entries}"), at: at("PeerList") };
    let list = HostList::open(&option, &engine::dataset::NoOpener, &Default::default(), &mut found).expect("a list");
    assert!(list.contains_now(Some(name), address).is_some());
    check(&found, entries);
    for parse in [Dataset::parse_file, Dataset::parse_refile] {
        let mut found = Diagnostics::default();
        let set = parse(Path::new("hosts"), entries.to_owned(), Reading::USUAL, &mut found);
        let list = HostList::new(set, &at("PeerList"), &mut found);
        check(&found, entries);
        assert!(list.contains_now(Some(name), address).is_some());
        if list.is_empty() {
            assert_eq!(list.contains_now(Some(name), address), Some(false));
        }
    }
}

/// The value of a field, a line `---`, and a file of `ReplaceRules`. What is wrong is told on its lines; a copy has the same fields in the same order, within the
/// limits, and is the same each time.
pub fn replace_rules(data: &[u8]) {
    let (value, text) = match data.windows(5).position(|part| part == b"\n---\n") {
        Some(at) => (&data[..at], &data[at + 5..]),
        None => (&[][..], data),
    };
    let mut found = Diagnostics::default();
    let rules = ReplaceRules::parse(text, Path::new("rules"), None, &mut found);
    assert_eq!(rules.is_none(), found.has_errors());
    assert!(found.iter().count() <= MAX_FINDINGS + 1);
    check(&found, &String::from_utf8_lossy(text));
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    let pushed = [(&b"From"[..], &b" a@host.example.com"[..]), (b"Subject", value), (b"X-Long", b" \r\n\tfolded \xff")];
    for (name, value) in pushed {
        if builder.push(name, value).is_err() {
            return;
        }
    }
    let headers = builder.finish();
    let Some(rules) = rules else { return };
    match rules.apply(&headers) {
        Ok(copy) => {
            assert_eq!(copy.len(), headers.len());
            assert!(copy.iter().zip(&headers).all(|(copy, field)| copy.name == field.name));
            assert!(copy.as_bytes().len() <= HeaderLimits::default().max_bytes);
            // Nothing but the rules and the header decides.
            assert_eq!(rules.apply(&headers).as_ref(), Ok(&copy));
        }
        Err(ReplaceError::TooMany(name)) => assert!(!name.chars().any(char::is_control)),
        Err(ReplaceError::Header(error)) => assert!(!matches!(error, HeaderError::TooManyFields { .. })),
    }
}
