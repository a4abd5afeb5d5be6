//! The index against the scan that OpenDKIM makes, and the expressions against the C library that OpenDKIM uses.

use std::path::Path;

use proptest::prelude::*;
use regex::bytes::RegexBuilder;

use super::*;
use crate::config::Diagnostics;

fn rows(text: &str) -> Rows {
    let mut found = Diagnostics::default();
    Rows::of_patterns(text.to_owned(), &mut Report::of_file(Path::new("t"), "X", &mut found))
}

fn index(text: &str) -> (Rows, PatternIndex, Diagnostics) {
    let mut found = Diagnostics::default();
    let mut report = Report::of_file(Path::new("t"), "X", &mut found);
    let rows = Rows::of_patterns(text.to_owned(), &mut report);
    let index = PatternIndex::new(&rows, true, &mut report);
    report.finish();
    (rows, index, found)
}

/// Every pattern tried by itself, as an expression, in the order of the file.
fn scan(rows: &Rows, text: &str) -> Vec<u32> {
    let is_match = |pattern: &str| {
        let Ok(expression) = ere::translate(pattern, true) else { return false };
        let expression = RegexBuilder::new(&expression).unicode(false).dot_matches_new_line(true).build();
        expression.is_ok_and(|expression| expression.is_match(text.to_ascii_uppercase().as_bytes()))
    };
    rows.indices().filter(|row| is_match(rows.key(*row))).collect()
}

fn check(text: &str, subject: &str) {
    let (rows, index, _) = index(text);
    let expected = scan(&rows, subject);
    assert_eq!(index.all(&rows, subject), expected, "{text:?} {subject:?}");
    assert_eq!(index.first(&rows, subject), expected.first().copied(), "{text:?} {subject:?}");
}

#[test]
fn s2_3_the_first_match_in_the_order_of_the_file_counts() {
    let text =
        "*@*.example.com a\n*@mail.example.com b\nuser@mail.example.com c\nuser@* d\n*x@* e\n* f\n*example.com g\n";
    for subject in [
        "user@mail.example.com",
        "USER@MAIL.Example.Com",
        "x@example.com",
        "user@example.org",
        "max@a.example.org",
        "@",
        "",
        "example.com",
        "a@b@mail.example.com",
    ] {
        check(text, subject);
    }
    let (rows, index, _) = index(text);
    assert_eq!(rows.value(index.first(&rows, "user@mail.example.com").unwrap()), Some("a"));
    assert_eq!(index.all(&rows, "user@mail.example.com"), [0, 1, 2, 3, 5, 6]);
}

#[test]
fn s2_3_dot_and_plus_are_themselves_and_a_question_mark_is_not() {
    for (pattern, yes, no) in [
        ("a.b", "a.b", "axb"),
        ("a+b", "a+b", "aab"),
        ("*@a?b.example.com", "x@ab.example.com", "x@aXb.example.com"),
        ("*@a?b.example.com", "x@b.example.com", "x@aab.example.com"),
        ("[ab]c", "bc", "cc"),
        ("(a|b)@x", "b@x", "ab@x"),
        ("a|b@x", "a@anything", "b@y"),
        ("a|b@x", "anything-b@x", "c"),
        ("[[:digit:]]*@x", "4@x", "a@x"),
        ("[]a]x", "]x", "bx"),
        ("[^]a]x", "bx", "]x"),
        ("a{2,3}", "aaa", "aaaa"),
        ("a{,1}b", "b", "aab"),
        ("a{2}{2}", "aaaa", "aaa"),
        ("ab??c", "ac", "abbc"),
        (r"a\.b", r"a\xb", "a.b"),
        ("a)", "a)", "a"),
        (r"\<a\>*", "a b", "ab"),
        ("[.]", ".", "a"),
        ("[.]", "\\", "a"),
        ("a^b", "", "a^b"),
    ] {
        let (rows, index, _) = index(&format!("{pattern} v\n"));
        if !yes.is_empty() {
            assert_eq!(index.first(&rows, yes), Some(0), "{pattern} {yes}");
        }
        assert_eq!(index.first(&rows, no), None, "{pattern} {no}");
    }
}

#[test]
fn s2_3_what_regcomp_refuses_is_an_error_of_its_line() {
    for (pattern, word) in [
        ("?a", "repeats nothing"),
        ("a|?", "repeats nothing"),
        ("({2})", "repeats nothing"),
        ("[a", "not closed"),
        ("(a", "not closed"),
        ("a{", "does not begin a repetition"),
        ("a{x}", "does not begin a repetition"),
        ("a{3,2}", "does not begin a repetition"),
        ("a{99999}", "does not begin a repetition"),
        ("[z-a]", "before it begins"),
        ("[[:foo:]]", "no class"),
        (r"(a)\1", "refers back"),
        ("(((a{999}){999}){999}){999}", "too large"),
    ] {
        let (rows, index, found) = index(&format!("x@y k\n{pattern} v\nz@y k\n"));
        let finding =
            found.iter().find(|finding| finding.code == DATASET_PATTERN).unwrap_or_else(|| panic!("{pattern}"));
        assert_eq!(finding.line, Some(2), "{pattern}");
        assert!(finding.cause.contains(word), "{pattern}: {}", finding.cause);
        assert_eq!((index.first(&rows, "x@y"), index.first(&rows, "z@y")), (Some(0), Some(2)), "{pattern}");
    }
}

#[test]
fn s8_6_doubtful_patterns_are_warned_of() {
    for (pattern, word) in [("*@a?b", "optional"), ("a|b", "parentheses"), (r"*@a\.b", "backslash")] {
        let (_, _, found) = index(&format!("{pattern} v\n"));
        let finding = found.iter().next().unwrap();
        assert_eq!((finding.code, finding.line), (DATASET_DOUBT, Some(1)));
        assert!(finding.cause.contains(word), "{}", finding.cause);
    }
    assert!(index("*@a.b k\nuser+x@a.b k\n* k\n[ab]@x k\n(a|b)@x k\n").2.is_empty());
}

#[test]
fn limit_patterns_that_need_an_expression() {
    let text: String = (0..=MAX_REGEXES).map(|number| format!("a[{}]b{number} k\n", number % 10)).collect();
    let (rows, index, found) = index(&text);
    assert_eq!(index.first(&rows, "a9b999"), Some(999));
    let errors: Vec<_> = found.iter().filter(|finding| finding.code == DATASET_PATTERN).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].line, Some(1001));
}

#[test]
fn limit_long_keys_and_patterns_match_nothing() {
    let (rows, index, found) = index(&format!("{} k\n* k\n", "a".repeat(MAX_KEY + 1)));
    assert!(found.iter().any(|finding| finding.code == DATASET_DOUBT && finding.line == Some(1)), "{found}");
    assert_eq!(index.first(&rows, &"a".repeat(MAX_KEY)), Some(1));
    assert_eq!(index.first(&rows, &"a".repeat(MAX_KEY + 1)), None);
    let (_, _, found) = self::index(&format!("[a]{} k\n", "a".repeat(MAX_REGEX)));
    assert!(found.iter().any(|finding| finding.cause.contains("at most 1024")), "{found}");
}

#[test]
fn limit_expressions_that_are_too_large_together() {
    let text: String = (0..200).map(|number| format!("([a-z]{{{}}}){{400}} k\n", 60 + number)).collect();
    let (rows, index, found) = index(&text);
    assert!(
        found.iter().any(|finding| finding.code == DATASET_PATTERN && finding.cause.contains("together")),
        "{found}"
    );
    assert_eq!(index.first(&rows, "a"), None);
}

/// What patterns are made of.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("*".to_owned()),
        2 => Just("@".to_owned()),
        2 => Just(".".to_owned()),
        6 => "[abAB]{1,2}",
        1 => Just("+".to_owned()),
        1 => Just("a?".to_owned()),
        1 => Just("[ab]".to_owned()),
        1 => Just("(a|@)".to_owned()),
        1 => Just("é".to_owned()),
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::collection::vec(piece(), 1..6).prop_map(|pieces| pieces.concat()),
        2 => "\\*@[ab]\\.[ab]",
        2 => "\\*@\\*\\.[ab]",
        1 => "[ab]@\\*",
        1 => "\\*[ab.]{1,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// The index says what a scan of all patterns in the order of the file says.
    #[test]
    fn s2_3_the_index_agrees_with_the_scan(
        patterns in prop::collection::vec(pattern(), 0..12),
        subjects in prop::collection::vec("[abAB@.+é]{0,8}|[ab]{1,2}@[ab]\\.[ab]\\.[ab]|[ab]@[ab]\\.[ab]", 1..6),
    ) {
        let text: String = patterns.iter().map(|pattern| format!("{pattern} v\n")).collect();
        for subject in subjects {
            check(&text, &subject);
        }
    }

    /// Whatever a pattern is, it is used or refused.
    #[test]
    fn any_pattern_is_used_or_refused(text in "[ -~]{0,40}", subject in "[ -~]{0,20}") {
        let (rows, index, _) = index(&format!("{text} v\n"));
        let _ = index.all(&rows, &subject);
        let _ = self::rows(&text).len();
    }
}
