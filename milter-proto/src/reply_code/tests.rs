use super::*;
use proptest::prelude::*;

fn text(code: u16, text: &str) -> String {
    String::from_utf8(ReplyCode::builder(code).unwrap().enhanced(7, 1).text(text).build().as_wire().to_vec()).unwrap()
}

#[test]
fn s9_percent_is_doubled_on_the_wire_and_single_for_the_client() {
    let reply = ReplyCode::builder(550).unwrap().enhanced(7, 1).text("100% bad 50%% sure").build();
    assert_eq!(reply.as_wire(), b"550 5.7.1 100%% bad 50%%%% sure");
    assert_eq!(reply.to_smtp(), "550 5.7.1 100% bad 50%% sure");
    assert_eq!(ReplyCode::parse(b"550 5.7.1 100% bad"), Err(ReplyCodeError::Percent { at: 13 }));
}

#[test]
fn s9_lines_are_joined_by_crlf_with_the_same_code_and_no_crlf_at_the_end() {
    assert_eq!(text(451, "one\ntwo\r\nthree\r\n"), "451-4.7.1 one\r\n451-4.7.1 two\r\n451 4.7.1 three");
}

#[test]
fn s9_only_classes_4_and_5_exist() {
    for code in [0, 250, 354, 399, 600, 999, u16::MAX] {
        assert_eq!(ReplyCode::builder(code).unwrap_err(), ReplyCodeError::Class { at: 0 });
    }
    for code in [400, 421, 550, 599] {
        assert_eq!(ReplyCode::builder(code).unwrap().build().code(), code);
    }
    assert_eq!(ReplyCode::parse(b"250 ok"), Err(ReplyCodeError::Class { at: 0 }));
}

#[test]
fn s9_the_class_of_the_enhanced_code_is_that_of_the_code() {
    assert!(text(451, "x").starts_with("451 4.7.1 "));
    assert!(text(554, "x").starts_with("554 5.7.1 "));
    assert_eq!(ReplyCode::parse(b"550 4.7.1 x"), Err(ReplyCodeError::OtherClass { at: 0 }));
}

#[test]
fn s9_text_never_begins_with_a_digit_unless_it_is_the_enhanced_code() {
    let reply = ReplyCode::builder(550).unwrap().text("2.0.0 fine\n250 ok").build();
    assert_eq!(reply.as_wire(), b"550-5.0.0 2.0.0 fine\r\n550 5.0.0 250 ok");
}

#[test]
fn s9_what_is_not_printable_ascii_becomes_a_question_mark() {
    assert_eq!(text(550, "a\0b\u{7f}c\u{e4}\td\u{1b}"), "550 5.7.1 a?b?c?? d?");
}

#[test]
fn a_reply_without_text_says_something() {
    assert_eq!(ReplyCode::builder(550).unwrap().text("\r\n \n").build().as_wire(), b"550 5.0.0 Command rejected");
    let later = ReplyCode::builder(451).unwrap().enhanced(7, 1).build();
    assert_eq!(later.as_wire(), b"451 4.7.1 Service unavailable - try again later");
}

#[test]
fn s9_long_text_is_broken_at_spaces_and_cut_after_32_lines() {
    let reply = ReplyCode::builder(550).unwrap().enhanced(7, 1).text("word ".repeat(10_000)).build();
    let lines: Vec<&[u8]> = reply.as_wire().split(|&octet| octet == b'\n').collect();
    assert_eq!(lines.len(), MAX_LINES);
    for line in &lines[..MAX_LINES - 1] {
        let line = line.strip_suffix(b"\r").unwrap();
        assert!(line.len() <= MAX_LINE && line.len() > 480 && line.ends_with(b"word"));
    }
    assert!(lines[MAX_LINES - 1].ends_with(b"word..."));
    let unbroken = ReplyCode::builder(550).unwrap().enhanced(999, 9999).text("%".repeat(600)).build();
    assert!(unbroken.as_wire().starts_with(b"550-5.999.999 %%"));
    assert_eq!(ReplyCode::parse(unbroken.as_wire()).unwrap(), unbroken);
}

#[test]
fn s9_texts_that_break_a_dialogue_are_refused() {
    for (wire, error) in [
        (&b"550 a\nb"[..], ReplyCodeError::NotPrintable { at: 5 }),
        (b"550 a\rb", ReplyCodeError::NotPrintable { at: 5 }),
        (b"550 a\r\n", ReplyCodeError::Continuation { at: 0 }),
        (b"550-a\r\n", ReplyCodeError::NoCode { at: 7 }),
        (b"550 a\0b", ReplyCodeError::NotPrintable { at: 5 }),
        (b"550-a\r\n551 b", ReplyCodeError::CodesDiffer { at: 7 }),
        (b"550-a", ReplyCodeError::Continuation { at: 0 }),
        (b"550 a\r\n550 b", ReplyCodeError::Continuation { at: 0 }),
        (b"550", ReplyCodeError::NoCode { at: 0 }),
        (b"55", ReplyCodeError::NoCode { at: 0 }),
        (b"", ReplyCodeError::NoCode { at: 0 }),
        (b"5x0 a", ReplyCodeError::NoCode { at: 0 }),
        (b"5500 a", ReplyCodeError::NoCode { at: 0 }),
        (b"550 \xc3\xa4", ReplyCodeError::NotPrintable { at: 4 }),
    ] {
        assert_eq!(ReplyCode::parse(wire), Err(error), "{:?}", wire.escape_ascii().to_string());
    }
    let long = [b"550 ".to_vec(), vec![b'a'; 977]].concat();
    assert_eq!(ReplyCode::parse(&long), Err(ReplyCodeError::LineTooLong { at: 0 }));
    let many = [b"550-a\r\n".repeat(32), b"550 a".to_vec()].concat();
    assert_eq!(ReplyCode::parse(&many), Err(ReplyCodeError::TooManyLines));
}

#[test]
fn s9_replies_that_both_mtas_took_are_accepted() {
    for wire in
        [&b"421 4.7.0 bye"[..], b"550-5.7.1 a\r\n550 5.7.1 b", b"550 no enhanced code", b"550 ", b"550 50%% off"]
    {
        assert_eq!(ReplyCode::parse(wire).unwrap().as_wire(), wire);
    }
}

proptest! {
    #[test]
    fn whatever_goes_in_comes_out_as_a_reply_that_parses(
        code in 400u16..=599,
        enhanced in proptest::option::of(any::<(u16, u16)>()),
        texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1200), 0..4),
        long in 0usize..40,
    ) {
        let mut builder = ReplyCode::builder(code).unwrap();
        if let Some((subject, detail)) = enhanced {
            builder = builder.enhanced(subject, detail);
        }
        for text in &texts {
            builder = builder.text(text.repeat(long.min(4)));
        }
        let reply = builder.build();
        prop_assert_eq!(ReplyCode::parse(reply.as_wire()), Ok(reply.clone()));
        prop_assert!(reply.to_smtp().split("\r\n").all(|line| line.len() <= MAX_LINE));
    }

    #[test]
    fn any_octets_are_judged_without_panic(wire: Vec<u8>) {
        if let Ok(reply) = ReplyCode::parse(&wire) {
            prop_assert_eq!(reply.as_wire(), &wire[..]);
        }
    }
}
