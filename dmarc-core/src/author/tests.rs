use super::AuthorErrorKind as K;
use super::*;

fn parse(value: &[u8]) -> Result<AuthorDomains, AuthorError> {
    AuthorDomains::parse(value, &AuthorLimits::default())
}

fn domains(value: &[u8]) -> Vec<(String, usize)> {
    let authors = parse(value).unwrap_or_else(|error| panic!("{error}: {}", value.escape_ascii()));
    authors.domains().iter().map(|found| (found.domain.to_string(), found.addresses)).collect()
}

/// The value, and what is left of it from the fault on.
type Fault = (&'static [u8], K, &'static [u8]);

fn check(faults: &[Fault]) {
    for (value, kind, rest) in faults {
        let at = value.len().checked_sub(rest.len()).unwrap();
        assert!(value.ends_with(rest), "{}", value.escape_ascii());
        let found = parse(value);
        assert_eq!(found, Err(AuthorError { kind: *kind, at }), "{}", value.escape_ascii());
    }
}

#[test]
fn rfc5322_s3_4_every_form_of_a_mailbox_has_its_domain() {
    for value in [
        &b"a@d.example"[..],
        b" a@d.example\t",
        b" <a@d.example>",
        b" Name <a@d.example>",
        b" John Q. Public <a@d.example>",
        b" J. . R.. <a@d.example>",
        b" .org team <a@d.example>",
        b" \"Doe, \\\"J\\\" <x@evil.example>\" <a@d.example>",
        b" \"one\"\"two\" three<a@d.example>",
        b" =?utf-8?Q?a=40evil.example?= <a@d.example>",
        b" =?utf-8?Q?Foo_(bar)?= <a@d.example>",
        b" =?utf-8?Q?\"Foo\"?= <a@d.example>",
        b" \"=?utf-8?Q?Doe,_J?=\" <a@d.example>",
        b" a@d.example (a comment (nested) \\) x@evil.example)",
        b" (\"open) a@d.example (quote\")",
        b" (c)a(c)@(c)d.example(c)",
        b" (c) Name (c) <(c) a (c) @ (c) d.example (c) > (c)",
        b" \"quoted local\"@d.example",
        b" \"x@evil.example\"@d.example",
        b" \"\"@d.example",
        b" a.b.c@d.example",
        b" a . \"b\" (c) . c @ d.example",
        b"\r\n\ta@d.example",
        b" Name\r\n <a@d.example>",
        b" Name\n <a@d.example>",
        b" Name\r <a@d.example>",
        b" Name\r\n \r\n <a@d.example>",
        b" \"Na\r\n me\" <a@d.example>",
        b" J\xc3\xb6rg <j\xc3\xb6rg@d.example>",
        b" J\xf6rg <a@d.example>",
        b" \"J\xf6rg\xe9\" <a@d.example> (\xe9)",
        b" a@D.Example.",
        b" user%uucp!path@d.example",
        b" 'a@d.example",
    ] {
        assert_eq!(domains(value), [("d.example".to_owned(), 1)], "{}", value.escape_ascii());
    }
}

#[test]
fn rfc5322_s3_4_and_rfc6854_lists_and_groups_give_all_their_domains() {
    let one = |count| vec![("one.example".to_owned(), count)];
    let both = vec![("one.example".to_owned(), 1), ("two.example".to_owned(), 1)];
    for (value, expected) in [
        (&b"a@one.example,b@two.example"[..], both.clone()),
        (b"a@one.example, B <b@ONE.example>", one(2)),
        (b" , a@one.example,, b@one.example ,(c),", one(2)),
        (b"G: a@one.example;", one(1)),
        (b"G: a@one.example, B <b@two.example>;", both.clone()),
        (b"\"G, x@evil.example\" (c): (c) a@one.example (c) ; (c)", one(1)),
        (b"Empty:;, a@one.example", one(1)),
        (b"G:, ,a@one.example,;, b@two.example", both.clone()),
        (b"G:a@one.example;,H:b@two.example;", both),
        (b"a@b\xc3\xbccher.example, b@xn--bcher-kva.example", vec![("xn--bcher-kva.example".to_owned(), 2)]),
        (b"a@io", vec![("io".to_owned(), 1)]),
    ] {
        assert_eq!(domains(value), expected, "{}", value.escape_ascii());
    }
}

#[test]
fn rfc5322_s4_4_routes_are_held_to_their_grammar_ignored_and_counted() {
    for value in [
        &b"<@one.example:a@d.example>"[..],
        b"<@one.example,@two.example:a@d.example>",
        b"N < (c) @one.example (c) , (c) @[192.0.2.1] : a@d.example >",
    ] {
        let authors = parse(value).unwrap();
        assert_eq!((domains(value), authors.routes()), (vec![("d.example".to_owned(), 1)], 1));
    }
    check(&[
        (b"<@one.example a@d.example>", K::AngleAddress, b"a@d.example>"),
        (b"<@one.example@two.example:a@d.example>", K::AngleAddress, b"@two.example:a@d.example>"),
        (b"<@one.example:@two.example:a@d.example>", K::LocalPart, b"@two.example:a@d.example>"),
        (b"<,@one.example:a@d.example>", K::AngleAddress, b",@one.example:a@d.example>"),
        (b"<@one.example,,@two.example:a@d.example>", K::AngleAddress, b",@two.example:a@d.example>"),
        (b"<@one.example,:a@d.example>", K::AngleAddress, b":a@d.example>"),
        (b"<@:a@d.example>", K::Domain, b":a@d.example>"),
        (b"<@one.example>", K::AngleAddress, b">"),
        (b"@one.example:a@d.example", K::LocalPart, b"@one.example:a@d.example"),
    ]);
}

#[test]
fn m6_an_address_literal_is_an_author_without_domain() {
    for value in [&b"a@[192.0.2.1]"[..], b"<a@ (c) [IPv6:::1] (c)>, b@[a b]", b"a@[]"] {
        let authors = parse(value).unwrap();
        assert_eq!((authors.author(), authors.domains()), (Author::Literal, &[][..]), "{}", value.escape_ascii());
        assert_eq!(authors.literals(), authors.addresses());
    }
    let authors = parse(b"a@d.example, b@[192.0.2.1]").unwrap();
    assert_eq!((authors.author(), authors.literals(), authors.addresses()), (Author::Several, 1, 2));
    check(&[
        (b"a@[192.0.2.1", K::Literal, b"[192.0.2.1"),
        (b"a@[a[b]", K::Literal, b"[a[b]"),
        (b"a@[a\\]b]", K::Literal, b"[a\\]b]"),
        (b"<@[<b@two.example>]:a@one.example>", K::Literal, b"[<b@two.example>]:a@one.example>"),
        (b"a@[(]", K::Literal, b"[(]"),
        (b"a@[\xc3\xbc]", K::Literal, b"[\xc3\xbc]"),
        (b"a@[192.0.2.1].evil.example", K::TextAfterAddress, b".evil.example"),
        (b"a@d.example[192.0.2.1]", K::TextAfterAddress, b"[192.0.2.1]"),
    ]);
}

#[test]
fn rfc5322_s3_4_what_is_no_address_list_is_named_with_its_place() {
    check(&[
        (b"name", K::NotAnAddress, b"name"),
        (b" Doe, J <a@d.example>", K::NotAnAddress, b"Doe, J <a@d.example>"),
        (b"a@d.example, b", K::NotAnAddress, b"b"),
        (b"G: b; ", K::NotAnAddress, b"b; "),
        (b"@d.example", K::LocalPart, b"@d.example"),
        (b"a b@d.example", K::LocalPart, b"a b@d.example"),
        (b"a..b@d.example", K::LocalPart, b"a..b@d.example"),
        (b".a@d.example", K::LocalPart, b".a@d.example"),
        (b"a.@d.example", K::LocalPart, b"a.@d.example"),
        (b"\"a\"b@d.example", K::LocalPart, b"\"a\"b@d.example"),
        (b"a@", K::Domain, b""),
        (b"a@.d.example", K::Domain, b".d.example"),
        (b"a@d..example", K::Domain, b"d..example"),
        (b"a@d.example..", K::Domain, b"d.example.."),
        (b"a@.", K::Domain, b"."),
        (b"a@-d.example", K::Domain, b"-d.example"),
        (b"a@d$.example", K::Domain, b"d$.example"),
        (b"a@\"d\".example", K::Domain, b"\"d\".example"),
        (b"a@d.\"example\"", K::TextAfterAddress, b"\"example\""),
        (b"a@b@d.example", K::TextAfterAddress, b"@d.example"),
        (b"a@one.example b@one.example", K::TextAfterAddress, b"b@one.example"),
        (b"a@one.example <b@one.example>", K::TextAfterAddress, b"<b@one.example>"),
        (b"<a@one.example> trailing", K::TextAfterAddress, b"trailing"),
        (b"<a@one.example>:<b@two.example>", K::TextAfterAddress, b":<b@two.example>"),
        (b"a@one.example; b@one.example", K::TextAfterAddress, b"; b@one.example"),
        (b"a@one.example>", K::TextAfterAddress, b">"),
        (b"G: a@one.example; b@one.example", K::TextAfterAddress, b"b@one.example"),
        (b"G: a@one.example;;", K::TextAfterAddress, b";"),
        (b"<a@one.example", K::AngleAddress, b""),
        (b"<>", K::AngleAddress, b">"),
        (b"<name>", K::AngleAddress, b">"),
        (b"<<a@d.example>>", K::AngleAddress, b"<a@d.example>>"),
        (b"<a@d.example, b@d.example>", K::AngleAddress, b", b@d.example>"),
        (b"G: a@d.example", K::UnclosedGroup, b"G: a@d.example"),
        (b"G: H: a@d.example;;", K::NestedGroup, b": a@d.example;;"),
        (b": a@d.example;", K::Unexpected, b": a@d.example;"),
        (b" ;", K::Unexpected, b";"),
        (b"closed) a@d.example", K::Unexpected, b") a@d.example"),
        (b"a\\@d.example", K::Unexpected, b"\\@d.example"),
        (b"[a] <a@d.example>", K::Unexpected, b"[a] <a@d.example>"),
        (b" \"open <a@d.example>", K::UnclosedQuote, b"\"open <a@d.example>"),
        (b"\"open\\\" <a@d.example>", K::UnclosedQuote, b"\"open\\\" <a@d.example>"),
        (b"\"\\", K::UnclosedQuote, b"\"\\"),
        (b"a@d.example (open", K::UnclosedComment, b"(open"),
        (b"(a(b) a@d.example", K::UnclosedComment, b"(a(b) a@d.example"),
        (b"a@d.example (\\", K::UnclosedComment, b"(\\"),
    ]);
}

#[test]
fn rfc5322_s4_4_white_space_in_a_domain_is_not_joined() {
    check(&[
        (b"a@one.example .two.example", K::SpaceInDomain, b" .two.example"),
        (b"a@one.example(c).two.example", K::SpaceInDomain, b"(c).two.example"),
        (b"<a@one.example. \r\n two.example>", K::SpaceInDomain, b" \r\n two.example>"),
        (b"a@one.example.(c)(d) (e)two", K::SpaceInDomain, b"(c)(d) (e)two"),
    ]);
    assert_eq!(domains(b"a@one.example. , b@one.example. (c)"), [("one.example".to_owned(), 2)]);
}

#[test]
fn s9_4_control_characters_and_bare_line_breaks_are_refused_everywhere() {
    for octet in (0..0x20).chain([0x7f]).filter(|octet| !b"\t\r\n".contains(octet)) {
        for (before, behind) in [("", "a@d.example"), ("(", ")a@d.example"), ("\"\\", "\" <a@d.example>"), ("a@d", "")]
        {
            let value = [before.as_bytes(), &[octet], behind.as_bytes()].concat();
            assert_eq!(parse(&value), Err(AuthorError { kind: K::Control, at: before.len() }));
        }
    }
    check(&[
        (b"a@d.example\r\nFrom: b@two.example", K::LineBreak, b"\nFrom: b@two.example"),
        (b"a@d.example\nFrom: b@two.example", K::LineBreak, b"\nFrom: b@two.example"),
        (b"a@d.example\r", K::LineBreak, b"\r"),
        (b"a@d.example\r\n", K::LineBreak, b"\n"),
        (b"(\n) a@d.example", K::LineBreak, b"\n) a@d.example"),
        (b"a@d.example\r\r\n ", K::LineBreak, b"\r\r\n "),
        (b"\"a\\\r\n b\" <a@d.example>", K::LineBreak, b"\r\n b\" <a@d.example>"),
        (b"\"a\\\n b\" <a@d.example>", K::LineBreak, b"\n b\" <a@d.example>"),
    ]);
}

#[test]
fn rfc6532_s3_2_octets_that_are_not_utf_8_are_text_and_never_an_address() {
    check(&[
        (b"\xf6@d.example", K::NotUtf8, b"\xf6@d.example"),
        (b"<j\xf6rg@d.example>", K::NotUtf8, b"j\xf6rg@d.example>"),
        (b"\"\xf6\"@d.example", K::NotUtf8, b"\"\xf6\"@d.example"),
        (b"a@b\xfccher.example", K::Domain, b"b\xfccher.example"),
        // Shift JIS: the backslash is the second half of U+8868, and the quote ends the string; or it is escaped, and it does not.
        (
            b"\"\x95\\\" <a@one.example>, \"<b@two.example>\" <c@one.example>",
            K::NotUtf8,
            b"\x95\\\" <a@one.example>, \"<b@two.example>\" <c@one.example>",
        ),
        // What is UTF-8 on its own is something else where another octet shows that the text is not.
        (b"\xe3\x81\x95\\ (\xf6) a@d.example", K::NotUtf8, b"\x95\\ (\xf6) a@d.example"),
    ]);
    assert_eq!(domains(b"\"\xe3\x81\x95\\\"\" <a@d.example>"), [("d.example".to_owned(), 1)]);
}

#[test]
fn rfc2047_s5_encoded_words_are_no_part_of_an_address_and_hide_no_delimiters() {
    check(&[
        (b"=?utf-8?Q?a=40one.example?=@d.example", K::EncodedWord, b"=?utf-8?Q?a=40one.example?=@d.example"),
        (b"<=?utf-8?Q?a.b?=@d.example>", K::EncodedWord, b"=?utf-8?Q?a.b?=@d.example>"),
        (b"a@=?utf-8?Q?one.example?=", K::Domain, b"=?utf-8?Q?one.example?="),
        (b"=?utf-8?B?PGFAYi5jPg==?=, <a@d.example>", K::NotAnAddress, b"=?utf-8?B?PGFAYi5jPg==?=, <a@d.example>"),
        (
            b"\"=?u?Q?\"?= <a@one.example>, \"<b@two.example>\" <c@one.example>",
            K::EncodedWord,
            b"=?u?Q?\"?= <a@one.example>, \"<b@two.example>\" <c@one.example>",
        ),
        (
            b" =?u?Q?(?= <a@one.example>, (=?u?Q?)?= x) <b@d.example>",
            K::EncodedWord,
            b"=?u?Q?(?= <a@one.example>, (=?u?Q?)?= x) <b@d.example>",
        ),
        (
            b"(=?u?Q?)?= \") <b@two.example> (\" <a@one.example>",
            K::EncodedWord,
            b"=?u?Q?)?= \") <b@two.example> (\" <a@one.example>",
        ),
        // Where the second begins is in the first for one reader; for another the quote before it ended.
        (
            b"\"x, <b=?u?Q?\"=?u?Q?\"?=?=@two.example>\" <a@d.example>",
            K::EncodedWord,
            b"=?u?Q?\"=?u?Q?\"?=?=@two.example>\" <a@d.example>",
        ),
        (b"=?u?Q?a =?b?=c?Q?\"?= <a@d.example> \"", K::EncodedWord, b"=?u?Q?a =?b?=c?Q?\"?= <a@d.example> \""),
        (b"\"=?u?Q?\\?=\" <a@d.example>", K::EncodedWord, b"=?u?Q?\\?=\" <a@d.example>"),
    ]);
}

#[test]
fn every_limit_has_its_kind() {
    let limits = AuthorLimits { max_bytes: 60, max_addresses: 3, max_domains: 2, max_comment_depth: 2 };
    let parse = |value: &str| AuthorDomains::parse(value.as_bytes(), &limits).map_err(|error| (error.kind, error.at));
    assert!(parse(&format!("{}a@d.example", " ".repeat(49))).is_ok());
    assert_eq!(parse(&format!("{}a@d.example", " ".repeat(50))), Err((K::TooLong, 0)));
    assert!(parse("a@one.example, b@[1], c@two.example").is_ok());
    assert_eq!(parse("a@one.example,b@one.example, c@[1], d@[1]"), Err((K::TooManyAddresses, 36)));
    assert_eq!(parse("a@one.example,b@two.example,<c@three.example>"), Err((K::TooManyDomains, 29)));
    assert!(parse("((a)(b)) a@d.example").is_ok());
    assert_eq!(parse("((a)(b(c))) a@d.example"), Err((K::CommentTooDeep, 6)));
    assert_eq!(
        parse("\"(((\" <a@d.example> ((\\((\\)\\())").map(|found| found.addresses()),
        Err((K::CommentTooDeep, 24))
    );
}

#[test]
fn m6_a_field_without_an_address_and_other_than_one_field_are_errors() {
    for value in [&b""[..], b" ", b" , ,", b"undisclosed-recipients:;", b"(a@d.example)", b"G:,(a@d.example);,"] {
        assert_eq!(parse(value), Err(AuthorError { kind: K::NoAddress, at: 0 }), "{}", value.escape_ascii());
    }
    let fields =
        |values: &[&'static [u8]]| AuthorDomains::from_fields(values.iter().copied(), &AuthorLimits::default());
    assert_eq!(fields(&[]).unwrap_err().kind, K::NoField);
    assert_eq!(fields(&[b"a@d.example", b"a@d.example"]).unwrap_err().kind, K::SeveralFields);
    assert_eq!(fields(&[b"a@d.example"]), parse(b"a@d.example"));
}

#[test]
fn errors_say_where_when_there_is_a_where() {
    let text = |value: &[u8]| parse(value).unwrap_err().to_string();
    assert_eq!(text(b""), "From field holds no address");
    assert_eq!(text(b" a@"), "malformed domain at octet 3 of the From field");
}

#[test]
fn rfc5322_s3_2_3_atext_is_what_the_rfc_lists_and_all_beyond_ascii() {
    let listed = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet) || octet >= 0x80;
    for octet in 0..=u8::MAX {
        assert_eq!(token::is_atext(octet), listed(octet), "{octet:#04x}");
    }
}
