use proptest::prelude::*;

use super::SyntaxError as E;
use super::*;
use crate::record::{DomainSpec, DualCidr, MacroLetter, Modifier, Piece};

fn parse(text: &str) -> Result<Record, RecordError> {
    record(text.as_bytes(), RecordLimits::default())
}

fn mechanisms(text: &str) -> Vec<Mechanism> {
    let record = parse(text).unwrap();
    let of = |term: &Term| match &term.kind {
        TermKind::Directive(directive) => Some(directive.mechanism.clone()),
        TermKind::Modifier(_) => None,
    };
    record.terms().iter().filter_map(of).collect()
}

/// One term in a record, the kind of its fault, and the part of the term that begins at the fault.
const FAULTS: &[(&str, E, &str)] = &[
    ("-all.", E::UnknownMechanism, "all."),
    ("moo", E::UnknownMechanism, "moo"),
    ("moo.cow:far_out=man:dog/cat", E::UnknownMechanism, "moo.cow:far_out=man:dog/cat"),
    ("-", E::Name, ""),
    ("=all", E::Name, "=all"),
    ("1up=foo", E::Name, "1up=foo"),
    ("++all", E::Name, "+all"),
    ("all:foo", E::Unexpected, ":foo"),
    ("all/8", E::Prefix, "/8"),
    ("redirect:t.example", E::ModifierAsMechanism, "redirect:t.example"),
    ("exp:t.example", E::ModifierAsMechanism, "exp:t.example"),
    ("-redirect=t.example", E::QualifiedModifier, "-redirect=t.example"),
    ("include", E::MissingDomain, ""),
    ("include:", E::MissingDomain, ":"),
    ("include/24", E::Prefix, "/24"),
    ("include:a.example/24", E::TopLabel, "example/24"),
    ("exists", E::MissingDomain, ""),
    ("exists:a.example/24", E::TopLabel, "example/24"),
    ("redirect=", E::MissingDomain, ""),
    ("redirect=-all", E::SingleLabel, "-all"),
    ("exp=", E::MissingDomain, ""),
    ("exp=-all", E::SingleLabel, "-all"),
    ("a:", E::MissingDomain, ""),
    ("mx:", E::MissingDomain, ""),
    ("mx:/24", E::MissingDomain, "/24"),
    ("ptr:", E::MissingDomain, ":"),
    ("ptr/0", E::Prefix, "/0"),
    ("a:museum", E::SingleLabel, "museum"),
    ("a:museum.", E::SingleLabel, "museum."),
    ("a:abc.123", E::NumericTopLabel, "123"),
    ("a:192.0.2.1", E::AddressAsName, "192.0.2.1"),
    ("mx:192.0.2.1/24", E::AddressAsName, "192.0.2.1/24"),
    ("a:2001:db8::1", E::AddressAsName, "2001:db8::1"),
    ("a:[2001:db8::1]", E::AddressAsName, "[2001:db8::1]"),
    ("a:example.-com", E::TopLabel, "-com"),
    ("a:example.com-", E::TopLabel, "com-"),
    ("a:example.com:8080", E::TopLabel, "com:8080"),
    ("a:example..", E::TopLabel, "."),
    ("a:foo.example.com\0", E::BadByte, "\0"),
    ("a:x\u{ef}.example", E::BadByte, "\u{ef}.example"),
    ("\u{80}a:example.net", E::BadByte, "\u{80}a:example.net"),
    ("a\tmx", E::BadByte, "\tmx"),
    ("moo\tmx", E::BadByte, "\tmx"),
    ("ip4:192.0.2.5\n", E::BadByte, "\n"),
    ("a/", E::Prefix, "/"),
    ("a//", E::Prefix, "/"),
    ("a/33", E::PrefixTooLarge, "33"),
    ("a/032", E::Prefix, "032"),
    ("a//129", E::PrefixTooLarge, "129"),
    ("a/24/64", E::PrefixTooLarge, "64"),
    ("a/24/16", E::Prefix, "/24/16"),
    ("a/24//129", E::PrefixTooLarge, "129"),
    ("a/33//64", E::PrefixTooLarge, "33//64"),
    ("a:example.com/", E::Prefix, "/"),
    ("a:example.com/300", E::PrefixTooLarge, "300"),
    ("mx/99999999999999999999", E::PrefixTooLarge, "99999999999999999999"),
    ("ip4", E::MissingAddress, ""),
    ("ip4:", E::MissingAddress, ":"),
    ("ip4/24", E::Prefix, "/24"),
    ("ip4:1.2.3", E::Ip4, "1.2.3"),
    ("ip4:1.2.3.4.5", E::Ip4, "1.2.3.4.5"),
    ("ip4:1.2.3.256", E::Ip4, "1.2.3.256"),
    ("ip4:1.2.3.04", E::Ip4, "1.2.3.04"),
    ("ip4:1.2.3.4:8080", E::Ip4, "1.2.3.4:8080"),
    ("ip4:1..3.4", E::Ip4, "1..3.4"),
    ("ip4:1.2.3.4/", E::Prefix, ""),
    ("ip4:1.2.3.4/00", E::Prefix, "00"),
    ("ip4:1.2.3.4/032", E::Prefix, "032"),
    ("ip4:1.2.3.4/33", E::PrefixTooLarge, "33"),
    ("ip4:1.2.3.4//32", E::Prefix, "/32"),
    ("ip4:%{i}", E::Ip4, "%{i}"),
    ("ip6", E::MissingAddress, ""),
    ("ip6::CAFE::BABE", E::Ip6, ":CAFE::BABE"),
    ("ip6:fe80::1%eth0", E::Ip6, "fe80::1%eth0"),
    ("ip6:2001:db8::1/129", E::PrefixTooLarge, "129"),
    ("ip6:::1.1.1.1//33", E::Prefix, "/33"),
    ("exists:%(ir).sbl.example.com", E::Percent, "%(ir).sbl.example.com"),
    ("exists:foo%.sbl.example.com", E::Percent, "%.sbl.example.com"),
    ("exists:foo.example%", E::Percent, "%"),
    ("exists:%{}.example.com", E::MacroLetter, "}.example.com"),
    ("exists:%{", E::Macro, ""),
    ("a:%{a}.example.com", E::MacroLetter, "a}.example.com"),
    ("exp=%{r}.example.com", E::ExplanationLetter, "r}.example.com"),
    ("a:%{c}.example.com", E::ExplanationLetter, "c}.example.com"),
    ("a:%{T}.example.com", E::ExplanationLetter, "T}.example.com"),
    ("a:%{d0}.example.com", E::MacroDigits, "0}.example.com"),
    ("a:%{d00}.example.com", E::MacroDigits, "00}.example.com"),
    ("a:%{d1r", E::Macro, ""),
    ("a:%{dr1}.example.com", E::Macro, "1}.example.com"),
    ("a:%{d-r}.example.com", E::Macro, "r}.example.com"),
    ("a:%{d1r-*}.example.com", E::Macro, "*}.example.com"),
    ("a:%{d}com", E::SingleLabel, "%{d}com"),
    ("foo=%abc", E::Percent, "%abc"),
    ("foo=%{d0}", E::MacroDigits, "0}"),
];

#[test]
fn s6_every_fault_is_placed_and_named() {
    for (term, kind, rest) in FAULTS {
        // The suite writes bytes as characters below 256.
        let bytes = |text: &str| -> Vec<u8> { text.chars().map(|char| u8::try_from(char).unwrap()).collect() };
        for (before, behind) in [("v=spf1 ", ""), ("v=spf1  a  mx ", " -all"), ("V=SPF1 ip4:192.0.2.0/24 ", " ")] {
            let text = [before.as_bytes(), &bytes(term), behind.as_bytes()].concat();
            let error = record(&text, RecordLimits::default()).unwrap_err();
            assert_eq!(error.kind, *kind, "{term:?}: {error}");
            assert_eq!(error.at, before.len() + bytes(term).len() - bytes(rest).len(), "{term:?}: {error}");
            assert_eq!(error.term, bytes(term).escape_ascii().to_string(), "{term:?}");
        }
    }
}

#[test]
fn s5_and_s6_what_a_record_may_look_like() {
    for (text, terms) in [
        ("v=spf1", 0),
        ("v=spf1 ", 0),
        ("v=spf1  a", 1),
        ("V=SPF1 A MX -ALL", 3),
        ("v=spf1 a   mx   ", 2),
        ("v=spf1 redirect=a.example ~all exp=b.example", 3),
        ("v=spf1 moo.cow-far_out=man:dog/cat ip4:1.2.3.4 -all", 3),
        ("v=spf1 default=+", 1),
        ("v=spf1 foo=", 1),
    ] {
        assert_eq!(parse(text).unwrap().terms().len(), terms, "{text}");
    }
    for text in ["v=spf10", "v=spf1\ta", "spf1", ""] {
        assert_eq!(parse(text).unwrap_err().kind, E::Version, "{text:?}");
    }
    let short = RecordLimits { max_bytes: 10, ..RecordLimits::default() };
    assert_eq!(record(b"v=spf1 -all", short).unwrap_err().kind, E::TooLong);
    assert!(record(b"v=spf1 all", short).is_ok());
}

#[test]
fn s7_redirect_and_exp_come_once() {
    let error = parse("v=spf1 redirect=a.example REDIRECT=b.example").unwrap_err();
    assert_eq!((error.kind, error.at, &*error.term), (E::SecondRedirect, 26, "REDIRECT=b.example"));
    assert_eq!(parse("v=spf1 exp=a.example -all exp=a.example").unwrap_err().kind, E::SecondExplanation);
    let record = parse("v=spf1 x=1 exp=a.example x=1 redirect=b.example").unwrap();
    assert_eq!((record.explanation(), record.redirect()), (Some(1), Some(3)));
}

#[test]
fn s13_names_with_slashes_and_prefix_lengths() {
    let name = |mechanism: &Mechanism| match mechanism {
        Mechanism::A(domain, cidr) | Mechanism::Mx(domain, cidr) => {
            (domain.as_ref().and_then(DomainSpec::name).map(ToString::to_string), cidr.v4, cidr.v6)
        }
        other => panic!("{other:?}"),
    };
    for (term, domain, v4, v6) in [
        ("a", None, 32, 128),
        ("a/24", None, 24, 128),
        ("a//64", None, 32, 64),
        ("mx/0//0", None, 0, 0),
        ("a:foo:bar/baz.example.com", Some("foo:bar/baz.example.com"), 32, 128),
        ("a:foo:bar/baz.example.com/24//64", Some("foo:bar/baz.example.com"), 24, 64),
        ("a:a/24.example.com", Some("a/24.example.com"), 32, 128),
        ("mx:example.com.//64", Some("example.com"), 32, 64),
        ("a:foo.example.xn--zckzah", Some("foo.example.xn--zckzah"), 32, 128),
        ("a:example.1-2", Some("example.1-2"), 32, 128),
        ("a:facade.be", Some("facade.be"), 32, 128),
    ] {
        let found = mechanisms(&format!("v=spf1 {term}"));
        assert_eq!(name(&found[0]), (domain.map(str::to_owned), v4, v6), "{term}");
    }
    assert_eq!(DualCidr::default(), DualCidr { v4: 32, v6: 128 });
}

#[test]
fn s14_networks() {
    let found = mechanisms(
        "v=spf1 ip4:192.0.2.0/24 IP4:0.0.0.0/0 ip4:255.255.255.255 ip6:2001:DB8::/32 ip6:::1.1.1.1/0 ip6:::",
    );
    let expected = [
        Mechanism::Ip4([192, 0, 2, 0].into(), 24),
        Mechanism::Ip4([0, 0, 0, 0].into(), 0),
        Mechanism::Ip4([255, 255, 255, 255].into(), 32),
        Mechanism::Ip6("2001:db8::".parse().unwrap(), 32),
        Mechanism::Ip6("::1.1.1.1".parse().unwrap(), 0),
        Mechanism::Ip6("::".parse().unwrap(), 128),
    ];
    assert_eq!(found, expected);
}

#[test]
fn s15_macros_are_taken_apart() {
    let record = parse("v=spf1 exists:%{L12r.-}_%%%_%-x.%{d128}").unwrap();
    let [Term { kind: TermKind::Directive(directive), .. }] = record.terms() else { panic!() };
    let Mechanism::Exists(domain) = &directive.mechanism else { panic!() };
    let pieces = domain.pieces().unwrap();
    let Piece::Expand(first) = pieces[0] else { panic!() };
    assert_eq!(
        (first.letter, first.is_escaped, first.keep, first.is_reversed),
        (MacroLetter::LocalPart, true, Some(12), true)
    );
    let contained: Vec<u8> = (b'!'..=b'~').filter(|&byte| first.delimiters.contains(byte)).collect();
    assert_eq!(contained, b"-.");
    let literal = |piece: &Piece| match piece {
        Piece::Literal(span) => record.slice(*span).to_owned(),
        other => format!("{other:?}"),
    };
    let middle: Vec<String> = pieces[1..6].iter().map(literal).collect();
    assert_eq!(middle, ["_", "Percent", "Space", "UrlSpace", "x."]);
    let Piece::Expand(last) = pieces[6] else { panic!() };
    assert_eq!((last.keep, last.is_escaped, last.delimiters.is_dot()), (Some(128), false, true));
}

#[test]
fn s16_a_domain_spec_ends_in_a_top_label_or_a_macro() {
    for term in [
        "exists:%{i}",
        "a:%{d}.",
        "a:x.%{d2}",
        "include:%{h}.example.com",
        "exists:foo%%",
        "redirect=%{d}",
        "exp=_%{d}",
    ] {
        // "a:%{d}." has a last literal of a dot alone, which is no domain-end.
        assert_eq!(parse(&format!("v=spf1 {term}")).is_ok(), term != "a:%{d}.", "{term}");
    }
}

#[test]
fn places_are_those_of_the_text() {
    let text = "v=spf1  a:x.example/24 foo=bar%{d} redirect=y.example ";
    let record = parse(text).unwrap();
    let terms: Vec<&str> = (0..record.terms().len()).map(|index| record.term_text(index)).collect();
    assert_eq!(terms, ["a:x.example/24", "foo=bar%{d}", "redirect=y.example"]);
    let TermKind::Directive(Directive { mechanism: Mechanism::A(Some(domain), _), .. }) = &record.terms()[0].kind
    else {
        panic!()
    };
    assert_eq!(record.slice(domain.span()), "x.example");
    let TermKind::Modifier(Modifier::Unknown { name, value }) = &record.terms()[1].kind else { panic!() };
    assert_eq!((record.slice(*name), record.slice(*value)), ("foo", "bar%{d}"));
    assert_eq!(record.text(), text);
}

/// What is not printable ASCII never gets into a record, and long terms are quoted short.
#[test]
fn errors_quote_terms_escaped_and_cut() {
    let error = parse(&format!("v=spf1 {}\u{1b}[31m", "x".repeat(100))).unwrap_err();
    assert_eq!(error.term, format!("{}...", "x".repeat(64)));
    assert_eq!(
        parse("v=spf1 \u{1b}[31m").unwrap_err().to_string(),
        "character that is not printable ASCII at byte 7, in \"\\x1b[31m\""
    );
}

/// 64 KiB are parsed in one go; beyond that nothing is looked at.
#[test]
fn hostile_records_are_read_in_linear_time() {
    for bomb in ["%{s}", "%{h}.", "a", "/1", "%%", "."] {
        let text = format!("v=spf1 exists:{}.example.com", bomb.repeat(60_000 / bomb.len()));
        let limits = RecordLimits { max_percents: 60_000, ..RecordLimits::default() };
        assert!(record(text.as_bytes(), limits).is_ok(), "{bomb}");
        let error = parse(&text).err().map(|error| error.kind);
        assert_eq!(error, bomb.contains('%').then_some(E::TooManyMacros), "{bomb}");
    }
    assert_eq!(parse(&format!("v=spf1 {}", "a ".repeat(40_000))).unwrap_err().kind, E::TooLong);
}

#[test]
fn s4_6_terms_and_macros_of_a_record_are_limited() {
    let terms = |count: usize| parse(&format!("v=spf1{} ", " ip4:192.0.2.1".repeat(count)));
    assert_eq!(terms(500).unwrap().terms().len(), 500);
    let error = terms(501).unwrap_err();
    assert_eq!((error.kind, error.at), (E::TooManyTerms, 6 + 500 * 14 + 1));
    assert_eq!(error.to_string(), "too many terms in one record at byte 7007, in \"ip4:192.0.2.1\"");
    let macros = |count: usize| parse(&format!("v=spf1 exists:{}.example.com -all", "%{i}".repeat(count)));
    assert!(macros(500).is_ok());
    assert_eq!(macros(501).unwrap_err().kind, E::TooManyMacros);
    let few = RecordLimits { max_terms: 1, max_percents: 0, ..RecordLimits::default() };
    assert!(record(b"v=spf1 -all  ", few).is_ok());
    assert_eq!(record(b"v=spf1 a -all", few).unwrap_err().kind, E::TooManyTerms);
    assert_eq!(record(b"v=spf1 a:%{d}", few).unwrap_err().kind, E::TooManyMacros);
}

/// The terms that are read with fewer steps, beside a spelling that is not: they mean the same, and fail the same.
#[test]
fn s4_6_1_usual_spellings_are_read_like_all_others() {
    let arguments =
        ["192.0.2.1", "192.0.2.1/24", "192.0.2", "256.0.2.1", "a.example", "a", "%{i}.a.example", "/24", "\t", ""];
    for (usual, other) in [("ip4:", "IP4:"), ("include:", "Include:")] {
        for argument in arguments {
            let [left, right] = [usual, other].map(|name| parse(&format!("v=spf1 {name}{argument} -all")));
            let terms = |record: Record| record.terms;
            let place = |error: RecordError| (error.kind, error.at);
            assert_eq!(left.map(terms).map_err(place), right.map(terms).map_err(place), "{usual}{argument}");
        }
    }
}

#[test]
fn the_first_space_is_found_in_texts_of_any_length() {
    for length in 0..40 {
        let text = vec![b'a'; length];
        assert_eq!(first_space(&text), length);
        for first in 0..length {
            // Neighbours of the space in the table, bytes with the high bit, and more spaces behind it.
            for filler in *b"a!\x1f\xa0\x00\xff" {
                let mut text = vec![filler; length];
                text[first..].iter_mut().step_by(3).for_each(|byte| *byte = b' ');
                assert_eq!(first_space(&text), first, "{text:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused_with_a_place(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = [b"v=spf1 ", &bytes[..]].concat();
        if let Err(error) = record(&text, RecordLimits::default()) {
            prop_assert!(error.at <= text.len());
        }
        let _ = record(&bytes, RecordLimits::default());
    }

    /// Texts made of what records are made of get deeper than random bytes.
    #[test]
    fn what_parses_reads_back_the_same(text in "(v=spf1)( {1,2}[+~?-]?(a|mx|ptr|all|include|exists|ip4|ip6|redirect|exp|x)[:=/]{0,2}[a-d1-9./%{}:srR-]{0,12}){0,6}") {
        if let Ok(record) = parse(&text) {
            prop_assert_eq!(record.text(), &text[..]);
            let terms: Vec<&str> = (0..record.terms().len()).map(|index| record.term_text(index)).collect();
            let words: Vec<&str> = text.split(' ').skip(1).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(terms, words);
        }
    }
}
