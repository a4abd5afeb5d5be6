//! What holds for every From field: no panic, no domain that is not written there, no address that takes another one away; and linear time.

#![expect(clippy::arithmetic_side_effects, reason = "counts of short texts of these tests")]

use dmarc_core::author::{AuthorDomains, AuthorError, AuthorErrorKind, AuthorLimits};
use dmarc_core::domain::DomainName;
use proptest::collection::vec;
use proptest::prelude::*;

fn parse(value: &[u8]) -> Result<AuthorDomains, AuthorError> {
    AuthorDomains::parse(value, &AuthorLimits::default())
}

fn names(authors: &AuthorDomains) -> Vec<DomainName> {
    authors.domains().iter().map(|found| found.domain.clone()).collect()
}

/// Pieces that mean something to the grammar, so that random text is often an address list and often nearly one.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop_oneof![
            Just("a@one.example"), Just("<b@two.example>"), Just("\"x@y.example, \\\" <\" <c@one.example>"), Just("Name"), Just("."), Just("("),
            Just("c@z.example"), Just(")"), Just("\""), Just("\\"), Just("<"), Just("@"), Just("three.example"), Just(">"), Just(","), Just(", "),
            Just("G:"), Just(";"), Just(":"), Just("["), Just("]"), Just("[192.0.2.1]"), Just("<@r.example:d@one.example>"),
        ],
        3 => prop_oneof![
            Just(" "), Just("\t"), Just("\r\n "), Just("\n "), Just("\r"), Just("\n"), Just("\0"), Just("\u{1b}"), Just("=?u?Q?a=40b?="), Just("=?u?Q?"),
            Just("?="), Just("b\u{fc}cher.example"), Just("\u{3002}"), Just("\u{ff20}"),
        ],
    ];
    let text = vec(piece.prop_map(|piece| piece.as_bytes().to_vec()), 0..10).prop_map(|pieces| pieces.concat());
    prop_oneof![9 => text, 1 => vec(any::<u8>(), 0..40)]
}

/// Address lists of the grammar, in which nothing is wrong.
fn good_field() -> impl Strategy<Value = String> {
    let phrase = prop_oneof![
        Just(""),
        Just("Joe Q. Public "),
        Just("\"Doe, <x@y.example>\" "),
        Just("=?utf-8?Q?a=40b?= "),
        Just("(c) ")
    ];
    let domain =
        prop_oneof!["[a-c]\\.example", Just("b\u{fc}cher.example".to_owned()), Just("EXAMPLE.com.".to_owned())];
    let mailbox = (phrase, "[a-z]{1,3}", domain, any::<bool>()).prop_map(|(phrase, local, domain, is_bare)| {
        if is_bare { format!("{local}@{domain} (c)") } else { format!("{phrase}<{local}@{domain}>") }
    });
    let mailboxes = vec(mailbox, 1..4).prop_map(|mailboxes| mailboxes.join(",\r\n "));
    let address = (mailboxes, 0..4).prop_map(|(list, kind)| if kind == 0 { format!("Group: {list};") } else { list });
    vec(address, 1..3).prop_map(|addresses| addresses.join(" , "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_give_domains_or_an_error_in_the_value(value in field()) {
        match parse(&value) {
            Err(error) => {
                prop_assert!(error.at <= value.len());
                prop_assert!(error.kind.has_place() || error.at == 0);
                prop_assert!(!error.to_string().is_empty());
            }
            Ok(authors) => {
                let sum: usize = authors.domains().iter().map(|found| found.addresses).sum();
                prop_assert_eq!(sum + authors.literals(), authors.addresses());
                prop_assert!(authors.addresses() > 0);
                // A list has at least as many "@" as addresses.
                prop_assert!(value.iter().filter(|&&octet| octet == b'@').count() >= authors.addresses());
                let mut once = names(&authors);
                once.sort();
                once.dedup();
                prop_assert_eq!(once.len(), authors.domains().len());
            }
        }
    }

    #[test]
    fn every_domain_is_a_piece_of_the_value(value in field()) {
        let Ok(authors) = parse(&value) else { return Ok(()) };
        // Every run of the octets that a domain is written with, and with a final dot less.
        let runs = value.split(|octet| b"@<>(),:;\" \t\r\n\\[]".contains(octet));
        let written: Vec<DomainName> =
            runs.filter_map(|run| DomainName::parse_bytes(run.strip_suffix(b".").unwrap_or(run)).ok()).collect();
        for name in names(&authors) {
            prop_assert!(written.contains(&name), "{} in {}", name, value.escape_ascii());
        }
    }

    #[test]
    fn an_address_more_takes_no_domain_away(value in field(), good in good_field()) {
        let Ok(before) = parse(&value) else { return Ok(()) };
        let more = parse(good.as_bytes()).unwrap();
        for longer in [[&value[..], b", ", good.as_bytes()].concat(), [good.as_bytes(), b",", &value].concat()] {
            let after = match parse(&longer) {
                // The doubts that are about the whole field: octets that are not UTF-8 beside others that are, and the end of an encoded-word
                // that began before.
                Err(error) => {
                    let is_doubt = match error.kind {
                        AuthorErrorKind::NotUtf8 => std::str::from_utf8(&value).is_err(),
                        AuthorErrorKind::EncodedWord => value.windows(2).any(|pair| pair == b"=?"),
                        _ => false,
                    };
                    prop_assert!(is_doubt, "{}: {}", error, longer.escape_ascii());
                    continue;
                }
                Ok(after) => after,
            };
            prop_assert_eq!(after.addresses(), before.addresses() + more.addresses());
            for found in before.domains().iter().chain(more.domains()) {
                let same = after.domains().iter().find(|other| other.domain == found.domain);
                prop_assert!(same.is_some_and(|same| same.addresses >= found.addresses), "{}", longer.escape_ascii());
            }
        }
    }

    #[test]
    fn a_field_of_the_grammar_is_never_refused(value in good_field()) {
        let authors = parse(value.as_bytes());
        prop_assert!(authors.is_ok(), "{:?}: {}", authors, value);
        prop_assert_eq!(authors.unwrap().addresses(), value.matches('@').count() - value.matches("x@y").count());
    }

    /// Folding anywhere between the tokens changes nothing.
    #[test]
    fn rfc5322_s2_2_3_folds_change_nothing(value in good_field(), fold in prop_oneof![Just("\r\n "), Just("\n\t"), Just("\r "), Just("\r\n \r\n ")]) {
        let value = value.replace("\r\n ", " ");
        prop_assert_eq!(parse(value.replace(' ', fold).as_bytes()), parse(value.as_bytes()));
    }
}

/// Texts of a million octets: were one of them read again for each of its pieces, this would take hours.
#[test]
fn time_is_linear_whatever_repeats() {
    let mut limits = AuthorLimits::default();
    (limits.max_bytes, limits.max_addresses, limits.max_comment_depth) = (usize::MAX, usize::MAX, usize::MAX);
    for (front, piece) in [
        ("", "("),
        ("", "(()"),
        ("", "()"),
        ("", "\"\""),
        ("\"", "\\"),
        ("", "a "),
        ("", "a."),
        ("<", "."),
        ("", "a@b,"),
        ("", "<a@b>,"),
        ("", "(c) a (c) @ (c) b (c) , (c) "),
        ("<@a", ",@a"),
        ("", "<@a:a@b>,"),
        ("", "G:;,"),
        ("", "a@[],"),
        ("a@", "b."),
        ("", "=?"),
        ("", "=?a?b?"),
        ("", "=?a?b?c?= "),
        ("", "\"=?a?b?c?=\".x@d,"),
        ("", "=?a@b,"),
        ("", "?="),
        ("\"", "\r\n "),
        ("", "\u{fc} "),
        ("", "\u{fc}@b\u{fc}c,"),
    ] {
        let value = [front, &piece.repeat(1_000_000 / piece.len())].concat();
        let _ = AuthorDomains::parse(value.as_bytes(), &limits);
    }
}
