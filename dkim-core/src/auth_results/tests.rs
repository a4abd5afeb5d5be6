//! Tests of Authentication-Results: grammar, quoting, folding, claims.

use super::*;
use proptest::prelude::*;

fn parse(value: &str) -> Result<AuthResults, ParseError> {
    AuthResults::parse(value.as_bytes(), ReadLimits::default())
}

fn error(value: &str) -> (usize, ParseErrorKind) {
    let error = parse(value).unwrap_err();
    (error.at, error.kind)
}

fn format(results: &AuthResults) -> String {
    results.to_field_value(&FormatOptions::default()).unwrap()
}

fn format_utf8(results: &AuthResults) -> String {
    results.to_field_value(&FormatOptions { charset: Charset::Utf8, ..FormatOptions::default() }).unwrap()
}

/// A field with one result that has this property value.
fn with_value(value: &[u8]) -> AuthResults {
    let mut field = AuthResults::new("mx.example");
    field.results.push(ResInfo::new("spf", "pass").with_prop("smtp", "mailfrom", value));
    field
}

/// The written form of a property value, and what a reader gets.
fn written(value: &[u8]) -> (String, String) {
    let text = format(&with_value(value));
    let shown = text.split_once("smtp.mailfrom=").unwrap().1.to_owned();
    let read = parse(&text).unwrap();
    assert_eq!((read.results.len(), read.results[0].props.len()), (1, 1));
    (shown, read.results[0].props[0].value.clone())
}

#[test]
fn h1_cfws_may_stand_nearly_everywhere() {
    let plain = parse("example.org 1; dkim/1=pass reason=ok header.d=example.com").unwrap();
    let spaced = "(a)\r\n example.org (b) 1(c) ; (d)\r\n\tDKIM (e)/(f) 1 (g)=(h) Pass\r\n (i) REASON (j) = (k) ok (l) Header . (m) d (n) = \
                  (o) example.com (p)";
    let mut read = parse(spaced).unwrap();
    assert_eq!(read.comments, ["a", "b", "c"]);
    assert_eq!(read.results[0].comments, ["d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"]);
    read.comments.clear();
    read.results[0].comments.clear();
    assert_eq!(read, plain);
}

#[test]
fn h1_values_are_tokens_quoted_strings_or_addresses() {
    for (written, value) in [
        ("example.com", "example.com"),
        ("@example.com", "@example.com"),
        ("user@example.com", "user@example.com"),
        ("\"a b; c\"", "a b; c"),
        ("\"a \\\" \\\\ b\"", "a \" \\ b"),
        ("\"a\r\n b\"", "a b"),
        ("\"\"", ""),
        ("\"john doe\"@example.com", "\"john doe\"@example.com"),
        ("2001:db8::1", "2001:db8::1"),
        ("AbC/d+e=", "AbC/d+e="),
        ("<user@example.com>", "<user@example.com>"),
        ("büro@bücher.example", "büro@bücher.example"),
    ] {
        let read = parse(&format!("x; a=b c.d={written} (e) f.g=h")).unwrap();
        assert_eq!(read.results[0].prop("C", "D"), Some(value), "{written}");
        assert_eq!(read.results[0].prop("f", "g"), Some("h"));
    }
}

#[test]
fn h7_none_form_is_a_field_without_results() {
    for text in ["mx.example; none", " mx.example ;none ", "mx.example;\r\n\tNONE"] {
        assert_eq!(parse(text).unwrap(), AuthResults::new("mx.example"));
    }
    assert_eq!(parse("mx.example; none (nothing to do)").unwrap().comments, ["nothing to do"]);
    assert_eq!(format(&AuthResults::new("mx.example")), " mx.example; none");
    assert_eq!(parse("x; none=pass").unwrap().results, [ResInfo::new("none", "pass")]);
    assert_eq!(error("x; none; dkim=pass").1, ParseErrorKind::MoreAfterNone);
    assert_eq!(error("x; none dkim=pass").1, ParseErrorKind::MoreAfterNone);
    assert_eq!(error("x; dkim=pass; none").1, ParseErrorKind::Missing { expected: '=' });
}

#[test]
fn s2_2_faults_are_named_with_their_place() {
    use ParseErrorKind::*;
    for (text, at, kind) in [
        ("", 0, MissingValue),
        ("; none", 0, MissingValue),
        ("example.org", 11, MissingResults),
        ("example.org;", 12, MissingResults),
        ("example.org/1; none", 11, Missing { expected: ';' }),
        ("example.org 1x; none", 13, Missing { expected: ';' }),
        ("example.org 4294967296; none", 12, BadVersion),
        ("x; dkim/=pass", 8, BadVersion),
        ("x; dkim", 7, Missing { expected: '=' }),
        ("x; dkim=", 8, MissingKeyword),
        ("x; dkim-=pass", 3, MissingKeyword),
        ("x; ;dkim=pass", 3, MissingKeyword),
        ("x; dkim=pass header.d", 21, Missing { expected: '=' }),
        ("x; dkim=pass header", 19, Missing { expected: '.' }),
        ("x; dkim=pass header.d=", 22, MissingValue),
        ("x; dkim=pass header.d=\"a\"b", 25, MissingSpace),
        ("x; dkim=pass action=none", 19, UnexpectedEquals),
        ("x; dkim=pass reason=a reason=b", 28, UnexpectedEquals),
        ("x; dkim=pass reason=\"a", 20, UnclosedQuote),
        ("x; dkim=pass (a (b)", 13, UnclosedComment),
        ("x; dkim=pass )", 13, MissingKeyword),
        ("x; dkim=pass\nspf=pass", 12, ControlCharacter),
        ("x; dkim=pass\r\nspf=pass", 12, ControlCharacter),
        ("x; dkim=pass (a\0b)", 15, ControlCharacter),
        ("x; dkim=pass reason=\"a\rb\"", 22, ControlCharacter),
        ("x; dkim=pass header.d=\"a\"@", 26, MissingValue),
    ] {
        assert_eq!(error(text), (at, kind), "{text:?}");
    }
    let latin1 = AuthResults::parse(b"x; dkim=pass (\xe9)", ReadLimits::default()).unwrap_err();
    assert_eq!((latin1.at, latin1.kind), (14, NotUtf8));
    assert_eq!(latin1.to_string(), "value is not UTF-8 at byte 14");
}

#[test]
fn what_the_world_writes_is_read() {
    let read = parse("x; spf=pass smtp.mailfrom=a@b.example reason=fine; dkim=fail; (end)").unwrap();
    assert_eq!(read.results[0].reason.as_deref(), Some("fine"));
    assert_eq!(read.results[1].comments, ["end"]);
}

#[test]
fn comments_nest_to_a_bound_and_come_back() {
    let read = parse("x; dkim=pass (a (b) \\) c)").unwrap();
    assert_eq!(read.results[0].comments, ["a (b) ) c"]);
    assert_eq!(parse(&format(&read)).unwrap(), read);
    let nested = |depth: usize| format!("x; dkim=pass {}{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(32)).is_ok());
    assert_eq!(error(&nested(33)).1, ParseErrorKind::CommentTooDeep);
    assert_eq!(error(&"(".repeat(60_000)).1, ParseErrorKind::CommentTooDeep);
}

#[test]
fn limits_bound_bytes_and_items() {
    assert_eq!(error(&"x".repeat(65_537)), (65_536, ParseErrorKind::TooLong));
    assert!(parse(&format!("x{}", ";a=b".repeat(1024))).is_ok());
    assert_eq!(error(&format!("x{}", ";a=b".repeat(1025))).1, ParseErrorKind::TooManyItems);
    assert_eq!(error(&format!("x;a=b{}", " c.d=e".repeat(1025))).1, ParseErrorKind::TooManyItems);
    assert_eq!(error(&format!("x{}", "()".repeat(1025))).1, ParseErrorKind::TooManyItems);
}

#[test]
fn h1_all_that_is_no_token_or_plain_address_is_quoted() {
    for (value, shown) in [
        ("example.com", "example.com"),
        ("user+tag@sub_1.example.com", "user+tag@sub_1.example.com"),
        ("@example.com", "@example.com"),
        ("2001:db8::1", "\"2001:db8::1\""),
        ("a=b@example.com", "\"a=b@example.com\""),
        ("legit.com(.attacker.com", "\"legit.com(.attacker.com\""),
        ("legit.com'@a.com'.attacker.com", "\"legit.com'@a.com'.attacker.com\""),
        ("a@b@c", "\"a@b@c\""),
        ("a..b@example.com", "\"a..b@example.com\""),
        ("user@example.com.", "\"user@example.com.\""),
        ("user@", "\"user@\""),
        ("x; dkim=pass header.d=y", "\"x; dkim=pass header.d=y\""),
        ("\"; dkim=pass", "\"\\\"; dkim=pass\""),
        ("\\\"; dkim=pass", "\"\\\\\\\"; dkim=pass\""),
        ("\"john doe\"@example.com", "\"\\\"john doe\\\"@example.com\""),
        (" ", "\" \""),
        ("", "\"\""),
    ] {
        assert_eq!(written(value.as_bytes()), (shown.to_owned(), value.to_owned()));
    }
}

#[test]
fn h1_control_characters_are_dropped() {
    let value = b"a\r\nX-Injected: b\0c\td\x7fe\x1b";
    assert_eq!(written(value), ("\"aX-Injected: bcde\"".to_owned(), "aX-Injected: bcde".to_owned()));
    assert_eq!(written("a\u{85}b\u{2028}c".as_bytes()).1, "abc");
}

#[test]
fn h1_no_field_lets_hostile_text_out_of_its_place() {
    for hostile in [
        "; dkim=pass",
        "\r\nX: y",
        "\n x",
        "\"; a=b",
        "\\",
        "\\\"",
        ")",
        "(",
        "(\\",
        ") ; dkim=pass (",
        "a) reason=b",
        "\r\n\r\nbody",
    ] {
        let mut field = AuthResults::new(format!("mx{hostile}"));
        field.comments.push(hostile.to_owned());
        let result =
            ResInfo::new("spf", "fail").with_reason(hostile).with_comment(hostile).with_prop("smtp", "helo", hostile);
        field.results.push(result);
        let value = format(&field);
        let plain: String = hostile.chars().filter(|c| !c.is_control()).collect();
        let read = parse(&value).unwrap();
        assert_eq!(read.authserv_id, format!("mx{plain}"));
        assert_eq!(read.comments, [&plain[..]]);
        assert_eq!(read.results.len(), 1);
        assert_eq!(read.results[0].reason, Some(plain.clone()));
        assert_eq!(read.results[0].comments, [&plain[..]]);
        assert_eq!(read.results[0].prop("smtp", "helo"), Some(&plain[..]));
        assert_lines(&value, 23);
    }
}

#[test]
fn words_that_are_no_keywords_are_refused() {
    let with = |result: ResInfo| {
        let mut field = AuthResults::new("mx.example");
        field.results.push(result);
        field.to_field_value(&FormatOptions::default())
    };
    let bad = |text: &str| Err(FormatError::BadKeyword { text: text.to_owned() });
    assert_eq!(with(ResInfo::new("dkim;", "pass")), bad("dkim;"));
    assert_eq!(with(ResInfo::new("dkim", "pass\r\n")), bad("pass\r\n"));
    assert_eq!(with(ResInfo::new("dkim", "")), bad(""));
    assert_eq!(with(ResInfo::new("dkim", "pass").with_prop("a.b", "c", "d")), bad("a.b"));
    assert_eq!(with(ResInfo::new("dkim", "pass").with_prop("a", "b-", "d")), bad("b-"));
    assert_eq!(with(ResInfo::new("x".repeat(65), "pass")), bad(&"x".repeat(65)));
    assert!(with(ResInfo::new("x".repeat(64), "pass")).is_ok());
    assert_eq!(AuthResults::new("\r\n").to_field_value(&FormatOptions::default()), Err(FormatError::EmptyAuthservId));
}

#[test]
fn h6_ascii_by_default_and_utf8_on_request() {
    let field = with_value("jürgen+x=1@bücher.example".as_bytes());
    assert!(format(&field).ends_with("smtp.mailfrom=\"j+C3+BCrgen+2Bx+3D1@b+C3+BCcher.example\""));
    assert!(format_utf8(&field).ends_with("smtp.mailfrom=\"jürgen+x=1@bücher.example\""));
    assert_eq!(parse(&format_utf8(&field)).unwrap(), field);
    // What is not UTF-8 has no other form in either.
    let latin1 = with_value(b"j\xfcr gen\r\n");
    assert_eq!(latin1.results[0].props[0].value, "j+FCr+20gen");
    assert_eq!(format(&latin1), format_utf8(&latin1));
}

#[test]
fn long_text_is_cut_so_that_it_reads_as_no_other_name() {
    let fits = "a".repeat(MAX_TEXT);
    assert_eq!(written(fits.as_bytes()).1, fits);
    let attack = format!("{}@bank.example.evil.example", "a".repeat(MAX_TEXT - " [cut]@bank.example".len()));
    let (shown, read) = written(attack.as_bytes());
    assert_eq!(read.len(), MAX_TEXT);
    assert!(read.ends_with("@bank.example [cut]"), "{read}");
    assert!(shown.starts_with('"'));
    let mut wide = with_value("ü".repeat(300).as_bytes());
    let value = format_utf8(&wide);
    let read = parse(&value).unwrap().results[0].props[0].value.clone();
    assert!(read.ends_with("ü [cut]") && read.len() <= MAX_TEXT);
    wide.results[0].props[0].value = "\\".repeat(5000);
    assert_lines(&format(&wide), 23);
}

/// Every line is at most 998 octets; one over 78 columns has no place to fold; each continuation line begins with white space and holds more.
fn assert_lines(value: &str, first_column: usize) {
    for (index, line) in value.split("\r\n").enumerate() {
        assert!(!line.contains(['\r', '\n']));
        assert!(line.starts_with([' ', '\t']), "{line:?}");
        assert!(line.contains(|c| !matches!(c, ' ' | '\t')), "{line:?}");
        let indent = if index == 0 { first_column } else { 0 };
        assert!(line.len().saturating_add(indent) <= 998, "{} octets", line.len());
        let columns = line.chars().map(|c| if c == '\t' { 8 } else { 1 }).sum::<usize>().saturating_add(indent);
        if columns > 78 {
            let inner: Vec<char> = line.trim_start().chars().collect();
            let place = inner.windows(3).find(|around| {
                around[1] == ' ' && !matches!(around[0], ' ' | '"' | '(') && !matches!(around[2], ' ' | '"' | ')')
            });
            // The authserv-id alone never leaves the first line, so a fold may only stand behind it.
            assert_eq!(place, None, "{line:?}");
        }
    }
}

#[test]
fn lines_fold_at_78_columns() {
    let mut field = AuthResults::new("mx.example.org");
    let dkim = ResInfo::new("dkim", "pass")
        .with_comment("2048-bit rsa key")
        .with_prop("header", "d", "example.com")
        .with_prop("header", "s", "selector2026")
        .with_prop("header", "b", "AbCd/fg+");
    field.results.push(dkim);
    field.results.push(
        ResInfo::new("spf", "fail").with_reason("the address is not among those that the domain allows, so it fails"),
    );
    assert_eq!(
        format(&field),
        " mx.example.org;\r\n\tdkim=pass (2048-bit rsa key) header.d=example.com\r\n\theader.s=selector2026 header.b=\"AbCd/fg+\";\r\n\t\
         spf=fail reason=\"the address is not among those that the domain\r\n allows, so it fails\""
    );
    assert_lines(&format(&field), 23);
    assert_eq!(parse(&format(&field)).unwrap(), field);
    let shifted = FormatOptions { first_column: 70, ..FormatOptions::default() };
    assert!(AuthResults::new("mx.example").to_field_value(&shifted).unwrap().starts_with(" mx.example;\r\n\tnone"));
}

#[test]
fn h2_a_claim_is_seen_in_every_spelling() {
    for value in [
        "mx.example.org; none",
        " MX.Example.ORG;dkim=pass",
        "\"mx.example.org\"; dkim=pass",
        "\"mx.exam\\ple.org\" 1; dkim=pass",
        "(comment) mx.example.org (comment) 1; dkim=pass",
        "mx.example.org(comment)1; dkim=pass",
        "(a;(b)) mx.example.org; dkim=pass",
        "\r\n\tmx.example.org\r\n ;dkim=pass",
        "mx.example.org/1; dkim=pass",
        "mx.example.org / 1; dkim=pass",
        "mx.example.org 2; dkim=pass",
        "mx.example.org.; dkim=pass",
        "mx . example . org; dkim=pass",
        "mx(x).example.org; dkim=pass",
        "mx.exam\r\n ple.org; dkim=pass",
        "mx.example.org",
        "mx.example.org dkim=pass",
        "\"mx.example.org",
        "\"mx.example.org; dkim=pass",
        "(mx.example.org; dkim=pass",
        "; mx.example.org; dkim=pass",
        "other.example, mx.example.org; dkim=pass",
        "other.example; dkim=pass action=none (mx.example.org)",
        "=?utf-8?q?mx.example.org?=; dkim=pass",
        "mx.exam\0ple.org; dkim=pass",
        "mx.example.org\0.evil.example; dkim=pass",
        "junk \"mx.exam\\ple.org\"; x",
        // What readers may strip or map that work on text.
        "\u{a0}mx.example.org\u{3000}; dkim=pass",
        "mx.example.org\u{2003}1; dkim=pass",
        "\u{feff}mx.example.org; dkim=pass",
        "mx.exam\u{ad}ple\u{200b}.org\u{202c}; dkim=pass",
        "\u{ff4d}\u{ff58}\u{3002}example.org/1; dkim=pass",
        // Encoded words, wherever decoding could change where the id is.
        "=?utf-8?q?mx=2Eexample=2Eorg?=; dkim=pass",
        "=?UTF-8*en?B?bXguZXhhbXBsZS5vcmc=?=; dkim=pass",
        "other.example (=?utf-8?q?);_mx=2Eexample.org?=); none",
        "(;=?utf-8?q?)mx=2Eexample=2Eorg;(?=) other.example; none",
        "\"=??q?=22mx=2Eexample=2Eorg;?=\"; none",
        "junk; other.example =?utf-8?q?mx=2Eexample=2Eorg?=",
    ] {
        assert!(claims_authserv_id(value.as_bytes(), "mx.example.org"), "{value:?}");
        assert!(claims_authserv_id(value.as_bytes(), "MX.EXAMPLE.ORG."), "{value:?}");
    }
    assert!(claims_authserv_id(b"mx.example.org; dkim=pass (\xff\xfe)", "mx.example.org"));
    assert!(claims_authserv_id(b"mx.exam\xffple.org\xfe; dkim=pass", "mx.example.org"));
    assert!(claims_authserv_id("Bücher.example; none".as_bytes(), "bÜcher.example"));
    // Internationalized mail may have the name in UTF-8, whichever way it is configured here.
    for id in ["mx.bücher.example", "mx.xn--bcher-kva.example"] {
        for value in ["MX.BÜCHER.example; none", "mx.XN--bcher-kva.example 1; none", "junk \"mx.bücher.example\"; x"]
        {
            assert!(claims_authserv_id(value.as_bytes(), id), "{value:?} {id}");
        }
        assert!(!claims_authserv_id("mx.bucher.example; none".as_bytes(), id));
    }
    let deep = format!("mx.example.org {}", "(".repeat(100_000));
    assert!(claims_authserv_id(deep.as_bytes(), "mx.example.org"));
}

#[test]
fn h2_a_foreign_field_is_no_claim() {
    for value in [
        "other.example; dkim=pass header.d=mx.example.org (mx.example.org) reason=\"mx.example.org\"",
        "(mx.example.org) other.example; none",
        "sub.mx.example.org; none",
        "mx.example.org.evil.example; none",
        "notmx.example.org; none",
        "mx.example.organic; none",
        "mx.example.org2; none",
        "sub.mx.example.org junk; none",
        "mx.example.org-x junk",
        "mx.example.org.evil.example junk",
        "other.example; dkim=pass header.d=x.example (=?utf-8?q?mx.example.org?=)",
        "other.example (=? ?= =?a?x?b?= q?b?); none",
        "mx\u{30fb}example.org; none",
        "",
        ";",
    ] {
        assert!(!claims_authserv_id(value.as_bytes(), "mx.example.org"), "{value:?}");
    }
    assert!(!claims_authserv_id(b"mail2; none", "mail"));
    assert!(!claims_authserv_id(b"; none", ""));
    assert!(!claims_authserv_id(b"=?utf-8?q??=; none", ""));
    assert!(!claims_authserv_id(b".; junk", "."));
}

/// What a reader must get for these bytes: written apart from the formatter, for one text of at most [`MAX_TEXT`] octets.
fn expected(bytes: &[u8], charset: Charset) -> String {
    let hex = |bytes: &[u8]| -> String {
        let one = |byte: &u8| match byte {
            b'!'..=b'*' | b','..=b'<' | b'>'..=b'~' => char::from(*byte).to_string(),
            _ => format!("+{byte:02X}"),
        };
        bytes.iter().map(one).collect()
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return hex(&bytes.iter().copied().filter(|byte| !matches!(byte, 0..=31 | 127)).collect::<Vec<_>>());
    };
    let kept: String =
        text.chars().filter(|c| !matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}')).collect();
    if charset == Charset::Ascii && !kept.is_ascii() { hex(kept.as_bytes()) } else { kept }
}

/// Bytes with everything that has a meaning somewhere in the grammar.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let special = proptest::sample::select(&b"\r\n\t \"\\()<>@,;:/[]?=.'`+-a1\0\xc3\xbc"[..]);
    proptest::collection::vec(prop_oneof![3 => special, 1 => any::<u8>()], 0..120)
}

fn any_field() -> impl Strategy<Value = (AuthResults, Vec<Vec<u8>>)> {
    let texts = proptest::collection::vec(hostile(), 6);
    (texts, "[a-z0-9]{1,8}", proptest::option::of(any::<u32>()), 0usize..3).prop_map(|(texts, word, version, extra)| {
        let mut field = AuthResults::new("mx.example");
        field.version = version;
        field.comments.push(format::text_of(&texts[0]));
        for index in 0..=extra {
            let mut result = ResInfo::new(format!("m{index}"), word.clone())
                .with_reason(&texts[1])
                .with_comment(&texts[2])
                .with_prop("smtp", word.clone(), &texts[3])
                .with_prop("header", "d", &texts[4])
                .with_comment(&texts[5]);
            result.version = version;
            field.results.push(result);
        }
        (field, texts)
    })
}

proptest! {
    #[test]
    fn h1_format_then_parse_gives_the_same_content_for_any_bytes((field, texts) in any_field(), utf8 in any::<bool>()) {
        let charset = if utf8 { Charset::Utf8 } else { Charset::Ascii };
        let value = field.to_field_value(&FormatOptions { charset, ..FormatOptions::default() }).unwrap();
        assert_lines(&value, 23);
        prop_assert!(utf8 || value.is_ascii());
        let read = parse(&value).unwrap();
        let text = |index: usize| expected(&texts[index], charset);
        prop_assert_eq!(&read.authserv_id, "mx.example");
        prop_assert_eq!(read.version, field.version);
        prop_assert_eq!(&read.comments, &[text(0)]);
        prop_assert_eq!(read.results.len(), field.results.len());
        for (result, original) in read.results.iter().zip(&field.results) {
            prop_assert_eq!((&result.method, result.version, &result.result), (&original.method, original.version, &original.result));
            prop_assert_eq!(result.reason.clone(), Some(text(1)));
            prop_assert_eq!(&result.comments, &[text(2), text(5)]);
            let values: Vec<&str> = result.props.iter().map(|prop| prop.value.as_str()).collect();
            prop_assert_eq!(values, [text(3), text(4)]);
        }
        // Written again, it is the same field to the last byte.
        prop_assert_eq!(read.to_field_value(&FormatOptions { charset, ..FormatOptions::default() }).unwrap(), value);
    }

    #[test]
    fn h2_what_we_write_claims_our_id_and_no_other(id in hostile(), (field, _) in any_field()) {
        let mut field = field;
        field.authserv_id = format!("mx{}", format::text_of(&id));
        let value = format_utf8(&field);
        let read = parse(&value).unwrap();
        prop_assert!(claims_authserv_id(value.as_bytes(), &read.authserv_id));
        prop_assert!(claim::holds_encoded_word(&value) || !claims_authserv_id(value.as_bytes(), "mx.elsewhere"));
    }

    #[test]
    fn any_bytes_give_a_field_or_an_error_inside_it(value in hostile()) {
        for prefix in [&b""[..], b"x; ", b"x; a=b c.d="] {
            let value = [prefix, &value[..]].concat();
            match AuthResults::parse(&value, ReadLimits::default()) {
                Ok(read) => {
                    let written = format_utf8(&read);
                    let again = parse(&written).unwrap();
                    prop_assert_eq!(format_utf8(&again), written);
                }
                Err(error) => prop_assert!(error.at <= value.len()),
            }
            let _ = claims_authserv_id(&value, "a");
        }
    }
}
