//! Tests of header blocks.

use super::*;
use proptest::prelude::*;

fn parse(message: &[u8]) -> Result<(HeaderBlock, usize), HeaderError> {
    HeaderBlock::parse(message, HeaderLimits::default())
}

fn pairs(block: &HeaderBlock) -> Vec<(&[u8], &[u8])> {
    block.iter().map(|field| (field.name, field.value)).collect()
}

fn built(fields: &[(&[u8], &[u8])]) -> HeaderBlock {
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    for (name, value) in fields {
        builder.push(name, value).unwrap();
    }
    builder.finish()
}

#[test]
fn a_file_and_a_milter_give_the_same_block() {
    let message = b"From: a@example.com\r\nSubject: one\r\n\ttwo\r\nX:\r\n\r\nbody";
    let (block, body) = parse(message).unwrap();
    assert_eq!(&message[body..], b"body");
    assert_eq!(
        pairs(&block),
        pairs(&built(&[(b"From", b" a@example.com"), (b"Subject", b" one\r\n\ttwo"), (b"X", b"")]))
    );
    assert_eq!(block, built(&pairs(&block)));
    assert_eq!(block.get(1).unwrap().name, b"Subject");
    assert_eq!(block.get(3), None);
    assert_eq!(block.iter().next_back().unwrap().name, b"X");
    assert_eq!(block.iter().len(), 3);
}

#[test]
fn a_span_takes_twelve_bytes() {
    assert_eq!(size_of::<Span>(), 12);
}

#[test]
fn a_message_may_lack_body_empty_line_and_last_line_end() {
    for message in [&b"A: 1\r\nB: 2"[..], b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n\r\n"] {
        let (block, body) = parse(message).unwrap();
        assert_eq!(block.as_bytes(), b"A: 1\r\nB: 2\r\n");
        assert_eq!(body, message.len());
    }
    assert_eq!(parse(b"").unwrap(), (HeaderBlock::default(), 0));
    assert_eq!(parse(b"\r\nbody").unwrap(), (HeaderBlock::default(), 2));
}

#[test]
fn bare_cr_bare_lf_nul_and_8_bit_bytes_stay_in_the_value() {
    let (block, _) = parse(b"A: x\ny\rz\0\xff\r\r\nB: \n\nq\r\n\r\n").unwrap();
    assert_eq!(pairs(&block), [(&b"A"[..], &b" x\ny\rz\0\xff\r"[..]), (b"B", b" \n\nq")]);
}

#[test]
fn continuation_lines_of_only_white_space_belong_to_the_field() {
    let (block, _) = parse(b"A: 1\r\n \r\n\t\r\nB: 2\r\n\r\n").unwrap();
    assert_eq!(pairs(&block), [(&b"A"[..], &b" 1\r\n \r\n\t"[..]), (b"B", b" 2")]);
}

#[test]
fn s9_4_what_is_not_a_field_is_refused_with_its_place() {
    assert_eq!(parse(b" From: a@example.com\r\n\r\n"), Err(HeaderError::StartsWithWhiteSpace));
    assert_eq!(parse(b"\tFrom: a@example.com\r\n\r\n"), Err(HeaderError::StartsWithWhiteSpace));
    assert_eq!(
        parse(b"From a@example.com Thu Jan  1 00:00:00 1970\r\n"),
        Err(HeaderError::BadNameByte { at: 4, byte: b' ' })
    );
    assert_eq!(parse(b"A: 1\r\njunk\r\n\r\n"), Err(HeaderError::NoColon { at: 6 }));
    assert_eq!(parse(b"A: 1\r\nFrom\r\n : x\r\n\r\n"), Err(HeaderError::NoColon { at: 6 }));
    assert_eq!(parse(b"A: 1\r\n: x\r\n\r\n"), Err(HeaderError::EmptyName { at: 6 }));
    assert_eq!(parse(b"A: 1\r\nFr\0om: x\r\n\r\n"), Err(HeaderError::BadNameByte { at: 8, byte: 0 }));
}

#[test]
fn a_push_cannot_make_two_fields_of_one() {
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    assert_eq!(builder.push(b"A", b" x\r\nBcc: y"), Err(HeaderError::BadFold { at: 2 }));
    assert_eq!(builder.push(b"A", b" x\r\n"), Err(HeaderError::BadFold { at: 2 }));
    assert_eq!(builder.push(b"A:B", b" x"), Err(HeaderError::BadNameByte { at: 1, byte: b':' }));
    assert_eq!(builder.push(b"A\r\nB", b" x"), Err(HeaderError::BadNameByte { at: 1, byte: b'\r' }));
    assert_eq!(builder.push(b" A", b" x"), Err(HeaderError::BadNameByte { at: 0, byte: b' ' }));
    assert_eq!(builder.push(b"", b" x"), Err(HeaderError::EmptyName { at: 0 }));
    assert!(builder.is_empty());
    builder.push(b"A", b" x").unwrap();
    assert_eq!(builder.len(), 1);
}

#[test]
fn names_compare_without_trailing_white_space_and_case() {
    let (block, _) = parse(b"From \t: a\r\nFROM: b\r\nFr\xc3\xb6m: c\r\n\r\n").unwrap();
    let named: Vec<bool> = block.iter().map(|field| field.is_named("from")).collect();
    assert_eq!(named, [true, true, false]);
    assert_eq!(block.get(0).unwrap().name, b"From \t");
    assert_eq!(block.get(0).unwrap().trimmed_name(), b"From");
}

#[test]
fn limits_count_every_byte_and_every_field() {
    let message = b"A: 1\r\nB: 2\r\n\r\nbody";
    for (max_bytes, max_fields, expected) in [
        (12, 2, Ok(())),
        (11, 2, Err(HeaderError::TooManyBytes { limit: 11 })),
        (12, 1, Err(HeaderError::TooManyFields { limit: 1 })),
    ] {
        let limits = HeaderLimits { max_bytes, max_fields };
        assert_eq!(HeaderBlock::parse(message, limits.clone()).map(|_| ()), expected);
        let mut builder = HeaderBlock::builder(limits);
        assert_eq!(builder.push(b"A", b" 1").and_then(|()| builder.push(b"B", b" 2")), expected);
    }
    let endless = HeaderLimits { max_bytes: 11, max_fields: 9 };
    assert_eq!(HeaderBlock::parse(b"A: 1\r\nB: 2", endless).map(|(_, body)| body), Ok(10));
}

#[test]
fn ten_thousand_fields_and_a_megabyte_are_read_or_refused_by_the_limits() {
    let many = b"X-Y: z\r\n".repeat(10_000);
    assert_eq!(parse(&many).unwrap().0.len(), 10_000);
    let mut huge = b"A: ".to_vec();
    huge.resize(1 << 20, b'x');
    assert_eq!(parse(&huge), Err(HeaderError::TooManyBytes { limit: 512 * 1024 }));
}

proptest! {
    #[test]
    fn any_block_that_parses_is_rebuilt_by_pushing_its_fields(message in proptest::collection::vec(
        prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), Just(b' '), Just(b'A'), any::<u8>()], 0..200)) {
        if let Ok((block, body)) = parse(&message) {
            prop_assert!(body <= message.len());
            prop_assert_eq!(&built(&pairs(&block)), &block);
            prop_assert_eq!(&parse(block.as_bytes()).unwrap().0, &block);
        }
    }

    #[test]
    fn any_line_structure_of_valid_fields_comes_back(fields in proptest::collection::vec(
        ("[A-Za-z-]{1,10}[ \t]{0,2}", proptest::collection::vec(
            prop_oneof![Just(b"\r\n ".to_vec()), Just(b"\r\n\t".to_vec()), Just(b"\r".to_vec()), any::<u8>().prop_map(|byte| vec![byte])],
            0..12)), 0..8)) {
        let mut builder = HeaderBlock::builder(HeaderLimits::default());
        let mut kept = Vec::new();
        for (name, parts) in &fields {
            let value = parts.concat();
            if builder.push(name.as_bytes(), &value).is_ok() {
                kept.push((name.as_bytes().to_vec(), value));
            }
        }
        let block = builder.finish();
        let (again, _) = parse(block.as_bytes()).unwrap();
        prop_assert_eq!(&again, &block);
        let seen: Vec<_> = again.iter().map(|field| (field.name.to_vec(), field.value.to_vec())).collect();
        prop_assert_eq!(seen, kept);
    }
}
