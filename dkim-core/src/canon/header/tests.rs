#![expect(clippy::arithmetic_side_effects, reason = "helpers of tests work on texts of a few octets")]

use proptest::prelude::*;

use super::*;
use crate::header::{HeaderBlock, HeaderLimits};

fn canonical(canon: Canon, name: &[u8], value: &[u8]) -> String {
    let mut out = Vec::new();
    write_field(canon, Field::new(name, value), &mut out);
    String::from_utf8(out).unwrap()
}

fn relaxed(value: &str) -> String {
    canonical(Canon::Relaxed, b"X", value.as_bytes())
}

fn block(message: &[u8]) -> HeaderBlock {
    HeaderBlock::parse(message, HeaderLimits::default()).unwrap().0
}

#[test]
fn s3_4_5_example_of_the_rfc() {
    assert_eq!(canonical(Canon::Relaxed, b"A", b" X"), "a:X\r\n");
    assert_eq!(canonical(Canon::Relaxed, b"B ", b" Y\t\r\n\tZ  "), "b:Y Z\r\n");
    assert_eq!(canonical(Canon::Simple, b"A", b" X"), "A: X\r\n");
    assert_eq!(canonical(Canon::Simple, b"B ", b" Y\t\r\n\tZ  "), "B : Y\t\r\n\tZ  \r\n");
}

#[test]
fn d16_simple_keeps_every_octet() {
    for value in ["", " ", "\t", " a\r\n\tb", "a \r\n \r\n\tb\r\n ", "no blank"] {
        assert_eq!(canonical(Canon::Simple, b"X-Name", value.as_bytes()), format!("X-Name:{value}\r\n"));
    }
}

#[test]
fn s2_7_item_3_folds_and_blanks_in_relaxed() {
    for (value, expected) in [
        (" a\r\n\tb", "x:a b\r\n"),
        (" a\r\n \r\n b", "x:a b\r\n"),
        (" a \r\n \t\r\n\t\t b", "x:a b\r\n"),
        ("\r\n a", "x:a\r\n"),
        (" a\r\n ", "x:a\r\n"),
        (" a\r\n\t\r\n ", "x:a\r\n"),
        ("", "x:\r\n"),
        (" \t ", "x:\r\n"),
        ("\r\n ", "x:\r\n"),
        ("a\t\tb  c", "x:a b c\r\n"),
        (" a\rb \nc", "x:a\rb \nc\r\n"),
        (" a \r b", "x:a \r b\r\n"),
        (" \u{e9}  \u{df}", "x:\u{e9} \u{df}\r\n"),
    ] {
        assert_eq!(relaxed(value), expected, "{value:?}");
    }
}

#[test]
fn s5_of_8616_lower_case_is_ascii_only() {
    assert_eq!(canonical(Canon::Relaxed, "X-\u{c4}B\t ".as_bytes(), b" Q"), "x-\u{c4}b:Q\r\n");
}

#[test]
fn a_line_end_that_is_no_fold_is_kept() {
    assert_eq!(relaxed("a \r\nb"), "x:a \r\nb\r\n");
    assert_eq!(relaxed("a\r\n"), "x:a\r\n\r\n");
}

#[test]
fn s2_7_item_3_value_of_64_kib_is_written_once() {
    let value = [b" word  \r\n\t".repeat(6554), vec![b' '; 40_000]].concat();
    let mut out = Vec::new();
    write_field(Canon::Relaxed, Field::new(b"X", &value), &mut out);
    assert_eq!(out.len(), "x:\r\n".len() + 6554 * 5 - 1);
    assert!(out.starts_with(b"x:word word word ") && out.ends_with(b"word word\r\n"));
}

#[test]
fn d19_signature_field_has_no_final_line_end_and_joins_over_the_cut() {
    let value = b" v=1; b=abc\r\n\tdef ;\r\n\ts=x ";
    let parts = without_b(value, &(8..18)).unwrap();
    let mut out = Vec::new();
    write_signature_field(Canon::Relaxed, b"DKIM-Signature ", parts, &mut out);
    assert_eq!(out, b"dkim-signature:v=1; b=; s=x");
    out.clear();
    write_signature_field(Canon::Simple, b"DKIM-Signature ", parts, &mut out);
    assert_eq!(out, b"DKIM-Signature : v=1; b=;\r\n\ts=x ");
}

#[test]
fn spans_outside_the_value_are_refused() {
    assert_eq!(without_b(b"b=x", &(2..3)), Some([&b"b="[..], b""]));
    assert_eq!(without_b(b"b=x", &(3..3)), Some([&b"b=x"[..], b""]));
    assert_eq!(without_b(b"b=x", &(2..4)), None);
    assert_eq!(without_b(b"b=x", &(4..4)), None);
    #[expect(clippy::reversed_empty_ranges, reason = "this is the case under test")]
    let reversed = 3..2;
    assert_eq!(without_b(b"b=x", &reversed), None);
}

#[test]
fn d19_names_select_from_the_bottom_and_then_the_null_string() {
    let headers = block(b"A: 1\r\nb: 2\r\na : 3\r\nB: 4\r\nA: 5\r\n\r\n");
    let index = FieldIndex::new(&headers);
    let mut out = Vec::new();
    let names: Vec<&[u8]> = vec![b"a", b"B", b"A", b"none", b"a", b"a", b"b", b"b", b"a"];
    write_selected(Canon::Simple, &mut FieldSelector::new(&index), names, &mut out);
    assert_eq!(out, b"A: 5\r\nB: 4\r\na : 3\r\nA: 1\r\nb: 2\r\n");
}

#[test]
fn s3_5_the_signature_under_verification_is_passed_over() {
    let headers = block(b"DKIM-Signature: 1\r\nDKIM-Signature: 2\r\nDKIM-Signature: 3\r\n\r\n");
    let index = FieldIndex::new(&headers);
    for excluded in 0..3 {
        let mut selector = FieldSelector::excluding(&index, excluded);
        let taken: Vec<&[u8]> =
            std::iter::from_fn(|| selector.select(b"dkim-signature")).map(|field| field.value).collect();
        let expected: Vec<&[u8]> =
            [2, 1, 0].into_iter().filter(|at| *at != excluded).map(|at| headers.get(at).unwrap().value).collect();
        assert_eq!(taken, expected);
        assert_eq!(selector.select(b"dkim-signature"), None);
    }
}

#[test]
fn a_restarted_selector_takes_all_fields_again() {
    let headers = block(b"A: 1\r\nA: 2\r\n\r\n");
    let index = FieldIndex::new(&headers);
    let mut selector = FieldSelector::new(&index);
    while selector.select(b"a").is_some() {}
    selector.restart(Some(1));
    assert_eq!(selector.select(b"a").map(|field| field.value), Some(&b" 1"[..]));
    assert_eq!(selector.select(b"a"), None);
}

#[test]
fn named_gives_places_from_the_bottom() {
    let headers = block(b"A: 1\r\nB: 2\r\na: 3\r\n\r\n");
    let index = FieldIndex::new(&headers);
    let places = |name: &[u8]| index.named(name).map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(places(b"a"), [2, 0]);
    assert_eq!(places(b"B"), [1]);
    assert!(places(b"c").is_empty());
}

/// §3.4.2 step by step, as the RFC writes it: the oracle for the writer.
fn oracle(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut unfolded = Vec::new();
    for (at, octet) in value.iter().enumerate() {
        let rest = &value[at..];
        let before = &value[..at];
        let fold = |text: &[u8]| matches!(text, [b'\r', b'\n', b' ' | b'\t', ..]);
        if !(fold(rest) || (before.ends_with(b"\r") && fold(&value[at - 1..]))) {
            unfolded.push(*octet);
        }
    }
    let mut text = Vec::new();
    for octet in unfolded {
        match octet {
            b' ' | b'\t' if text.last() == Some(&b' ') => {}
            b' ' | b'\t' => text.push(b' '),
            _ => text.push(octet),
        }
    }
    let text = text.strip_prefix(b" ").unwrap_or(&text);
    let text = text.strip_suffix(b" ").unwrap_or(text);
    let name = name.to_ascii_lowercase();
    [name.trim_ascii_end(), b":", text, b"\r\n"].concat()
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just(&b" "[..]), 2 => Just(&b"\t"[..]), 2 => Just(&b"\r\n "[..]), 1 => Just(&b"\r\n\t"[..]),
        1 => Just(&b"\r"[..]), 1 => Just(&b"\n"[..]), 4 => Just(&b"word"[..]), 1 => Just(&b"\xc3\xa4\x00"[..]),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn d16_relaxed_agrees_with_the_steps_of_the_rfc(value in value()) {
        let mut out = Vec::new();
        write_field(Canon::Relaxed, Field::new(b"X-Name \t", &value), &mut out);
        prop_assert_eq!(out, oracle(b"X-Name \t", &value));
    }

    /// A value in two parts gives what the whole gives, cut anywhere but inside a line end (a `b=` never is one).
    #[test]
    fn d19_parts_are_one_text(value in value(), cut in any::<prop::sample::Index>()) {
        let (head, tail) = value.split_at(cut.index(value.len() + 1));
        prop_assume!(!head.ends_with(b"\r") && !head.ends_with(b"\r\n"));
        for canon in [Canon::Simple, Canon::Relaxed] {
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            write_signature_field(canon, b"Name", [&value, b""], &mut whole);
            write_signature_field(canon, b"Name", [head, tail], &mut parts);
            prop_assert_eq!(whole, parts);
        }
    }

    /// The selector against the plain reading of §5.4.2: for each name search from the bottom for a field not taken yet.
    #[test]
    fn d19_selection_agrees_with_the_plain_search(fields in proptest::collection::vec(0..4_usize, 0..12), names in proptest::collection::vec(0..5_usize, 0..16)) {
        let spellings = [["a", "A", "a "], ["bb", "bB", "BB\t"], ["c-1", "C-1", "c-1"], ["d", "D", "d"], ["e", "E", "e"]];
        let mut builder = HeaderBlock::builder(HeaderLimits::default());
        for (at, name) in fields.iter().enumerate() {
            builder.push(spellings[*name][at % 3].as_bytes(), at.to_string().as_bytes()).unwrap();
        }
        let headers = builder.finish();
        let index = FieldIndex::new(&headers);
        let mut selector = FieldSelector::new(&index);
        let mut taken = vec![false; fields.len()];
        for (at, name) in names.into_iter().enumerate() {
            let expected = (0..fields.len()).rev().find(|field| fields[*field] == name && !taken[*field]);
            if let Some(field) = expected {
                taken[field] = true;
            }
            let selected = selector.select(spellings[name][at % 2].as_bytes());
            prop_assert_eq!(selected, expected.map(|field| headers.get(field).unwrap()));
        }
    }
}
