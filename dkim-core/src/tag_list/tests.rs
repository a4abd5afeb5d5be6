//! Tests of tag lists.

use super::TagListErrorKind::*;
use super::*;
use proptest::prelude::*;

fn parse(text: &[u8]) -> Result<TagList<'_>, TagListError> {
    TagList::parse(text, TagLimits::default())
}

fn pairs(text: &[u8]) -> Vec<(&str, &[u8])> {
    parse(text).unwrap().tags.iter().map(|tag| (tag.name, tag.value)).collect()
}

fn error(text: &[u8]) -> (usize, TagListErrorKind) {
    let error = parse(text).unwrap_err();
    (error.at, error.kind)
}

#[test]
fn d1_white_space_around_equals_and_semicolon_and_a_final_semicolon_are_allowed() {
    let expected: &[(&str, &[u8])] = &[("v", b"1"), ("a", b"x y"), ("p", b"")];
    for text in [
        &b"v=1;a=x y;p="[..],
        b"v=1;a=x y;p=;",
        b" v = 1 ; a\t=\tx y ; p = ; ",
        b"\r\n v\r\n =\r\n 1\r\n ;\r\n a=x y;\r\n\tp=;\r\n\t",
        b"v=1;\r\n \r\n\ta=x y;p=",
    ] {
        assert_eq!(pairs(text), expected, "{text:?}");
    }
}

#[test]
fn d1_duplicate_tags_make_the_list_invalid_and_names_are_case_sensitive() {
    assert_eq!(error(b"v=1; a=x; v=1"), (10, Duplicate));
    assert_eq!(error(b"v=1; a=x; v=1; ="), (10, Duplicate));
    assert_eq!(pairs(b"b=1;B=2"), [("b", &b"1"[..]), ("B", b"2")]);
    let text = b"bh=1;b=2";
    let list = parse(text).unwrap();
    assert_eq!(list.get("b").map(|tag| tag.value), Some(&b"2"[..]));
    assert_eq!(list.get("BH"), None);
}

#[test]
fn d1_an_empty_tag_in_the_middle_is_an_error() {
    assert_eq!(error(b"v=1;;a=x"), (4, EmptyTag));
    assert_eq!(error(b"v=1; ;a=x"), (5, EmptyTag));
    assert_eq!(error(b"v=1;;"), (4, EmptyTag));
    assert_eq!(error(b";v=1"), (0, EmptyTag));
    assert_eq!(error(b""), (0, EmptyList));
    assert_eq!(error(b" \r\n "), (0, EmptyList));
}

#[test]
fn s3_2_faults_are_named_with_their_place() {
    assert_eq!(error(b"v=1; 1a=x"), (5, BadName));
    assert_eq!(error(b"v=1; =x"), (5, BadName));
    assert_eq!(error(b"v=1; _a=x"), (5, BadName));
    assert_eq!(error(b"v=1; a"), (6, MissingEquals));
    assert_eq!(error(b"v=1; a; b=2"), (6, MissingEquals));
    assert_eq!(error(b"v=1; a-b=2"), (6, MissingEquals));
    assert_eq!(error(b"v=1; a=x\0y"), (8, BadValueByte));
    assert_eq!(error(b"v=1; a=x\x7f"), (8, BadValueByte));
    assert_eq!(error(b"v=1; a=x\ny"), (8, BadValueByte));
    assert_eq!(error(b"v=1; a=x\r\ny"), (8, BadValueByte));
    assert_eq!(error(b"v=1;\na=x"), (4, BadName));
    assert_eq!(parse(b"v=1;;").unwrap_err().to_string(), "empty tag at byte 4");
}

#[test]
fn s3_2_values_keep_inner_white_space_equals_signs_and_8_bit_bytes() {
    let text = b"z= a =b\r\n\t c= \xc3\xa9 ";
    let list = parse(text).unwrap();
    let z = list.get("z").unwrap();
    assert_eq!(z.value, b"a =b\r\n\t c= \xc3\xa9");
    assert_eq!(z.unfolded().as_ref(), b"a =b\t c= \xc3\xa9");
    assert_eq!(z.without_fws().as_ref(), b"a=bc=\xc3\xa9");
    assert!(matches!(parse(b"z=abc").unwrap().get("z").unwrap().without_fws(), Cow::Borrowed(b"abc")));
}

#[test]
fn s2_7_5_spans_cover_all_between_equals_and_semicolon() {
    for (text, expected) in [
        (&b"xb=q; b = A\r\n B ; bh=b=c"[..], &b"xb=q; b =; bh=b=c"[..]),
        (b"bh=b=;b=AB", b"bh=b=;b="),
        (b"b=\r\n\tAB\r\n\tCD; a=1;", b"b=; a=1;"),
        (b"b=;a=1", b"b=;a=1"),
        (b"b\r\n =x;a=1", b"b\r\n =;a=1"),
    ] {
        let mut blanked = text.to_vec();
        blanked.drain(parse(text).unwrap().get("b").unwrap().span.clone());
        assert_eq!(blanked, expected);
    }
}

#[test]
fn s2_7_11_limits_bound_tags_and_bytes() {
    let list = |count: usize| (0..count).map(|index| format!("t{index}=x;")).collect::<String>();
    assert_eq!(parse(list(128).as_bytes()).unwrap().iter().len(), 128);
    assert_eq!(error(list(129).as_bytes()).1, TooManyTags);
    assert_eq!(error(list(10_000).as_bytes()), (64 * 1024, TooLong));
    let wide = TagLimits { max_tags: 10_000, max_bytes: 1 << 20 };
    assert_eq!(TagList::parse(list(10_000).as_bytes(), wide).unwrap().iter().len(), 10_000);
    let folds = format!("a={}x", "\r\n ".repeat(20_000));
    assert_eq!(pairs(folds.as_bytes()), [("a", &b"x"[..])]);
}

proptest! {
    #[test]
    fn any_text_gives_a_list_or_an_error_inside_it(text in proptest::collection::vec(
        prop_oneof![Just(b';'), Just(b'='), Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..60)) {
        match parse(&text) {
            Ok(list) => for tag in &list {
                let raw = &text[tag.span.clone()];
                prop_assert_eq!(trim_fws(raw), tag.value);
                prop_assert!(!raw.contains(&b';'));
                prop_assert!(text[..tag.span.start].ends_with(b"="));
                prop_assert!(matches!(text.get(tag.span.end), None | Some(b';')));
            },
            Err(error) => prop_assert!(error.at <= text.len()),
        }
    }

    #[test]
    fn any_list_that_is_written_is_read_back(tags in proptest::collection::btree_map("[a-z][a-z0-9_]{0,3}", "([!-:<-~]([ -:<-~]{0,8}[!-:<-~])?)?", 1..9)) {
        let text = tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let list = parse(text.as_bytes()).unwrap();
        let read: Vec<(&str, &[u8])> = list.iter().map(|tag| (tag.name, tag.value)).collect();
        let written: Vec<(&str, &[u8])> = tags.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        prop_assert_eq!(read, written);
    }
}
