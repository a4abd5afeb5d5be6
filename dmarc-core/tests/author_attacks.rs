//! From fields of known attacks, as whole messages: each has the author whom every reader sees, or none.
//!
//! "Composition Kills" (Chen, Paxson, Jiang, USENIX Security 2020) and its tool espoofer, CERT VU#517845, CVE-2019-16378 and reports about OpenDMARC.
//! `legit.example` is who is impersonated, `evil.example` who sends.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a message that is none should stop the test")]

use dkim_core::header::{HeaderBlock, HeaderError, HeaderLimits};
use dmarc_core::author::{Author, AuthorDomains, AuthorErrorKind as K, AuthorLimits};

fn header(fields: &[u8]) -> Result<HeaderBlock, HeaderError> {
    HeaderBlock::parse(&[fields, b"Subject: s\r\n\r\n"].concat(), HeaderLimits::default()).map(|(header, _)| header)
}

/// The domains of a message with these fields, or the kind of the error.
fn authors(fields: &[u8]) -> Result<Vec<String>, K> {
    let found = AuthorDomains::from_header(&header(fields).unwrap(), &AuthorLimits::default());
    let authors = found.map_err(|error| error.kind)?;
    assert_eq!(matches!(authors.author(), Author::One(_)), authors.domains().len() == 1 && authors.literals() == 0);
    Ok(authors.domains().iter().map(|found| found.domain.to_string()).collect())
}

/// Fields, and their domains or the kind of the error.
type Case<'a> = (&'a [u8], Result<&'a [&'a str], K>);

fn assert_all(cases: &[Case<'_>]) {
    for (fields, expected) in cases {
        let expected = expected.map(|domains| domains.iter().map(|&domain| domain.to_owned()).collect());
        assert_eq!(authors(fields), expected, "{}", fields.escape_ascii());
    }
}

#[test]
fn s9_4_several_from_fields_are_no_author_however_they_are_spelled() {
    assert_all(&[
        (b"From: a@evil.example\r\nFrom: b@legit.example\r\n", Err(K::SeveralFields)),
        (b"From: a@legit.example\r\nFrom: a@legit.example\r\n", Err(K::SeveralFields)),
        (b"From: a@evil.example\r\nFrom : b@legit.example\r\n", Err(K::SeveralFields)),
        (b"From\t: a@evil.example\r\nfROM: b@legit.example\r\n", Err(K::SeveralFields)),
        (b"From:\r\nFrom: b@legit.example\r\n", Err(K::SeveralFields)),
        (b"From : b@evil.example\r\n", Ok(&["evil.example"])),
    ]);
    // The first line begins with white space: it is no field, and it continues none.
    assert_eq!(header(b" From: a@legit.example\r\nFrom: b@evil.example\r\n"), Err(HeaderError::StartsWithWhiteSpace));
    // Folded before the colon.
    assert!(header(b"From\r\n : a@legit.example\r\nFrom: b@evil.example\r\n").is_err());
    assert!(header(b"Fr\0om: a@legit.example\r\nFrom: b@evil.example\r\n").is_err());
}

#[test]
fn m8_no_other_field_names_an_author() {
    assert_all(&[
        (b"From: a@evil.example\r\nSender: b@legit.example\r\nReply-To: b@legit.example\r\n", Ok(&["evil.example"])),
        (b"Resent-From: b@legit.example\r\nFrom: a@evil.example\r\n", Ok(&["evil.example"])),
        (b"Sender: b@legit.example\r\n", Err(K::NoField)),
        (b"X-From: b@legit.example\r\nFrom-: b@legit.example\r\n", Err(K::NoField)),
        (b"From: \"b@legit.example\" <a@evil.example>\r\n", Ok(&["evil.example"])),
        (b"From: =?utf-8?Q?b=40legit.example?= <a@evil.example>\r\n", Ok(&["evil.example"])),
    ]);
}

#[test]
fn s9_4_several_addresses_are_several_domains() {
    assert_all(&[
        (b"From: a@evil.example, b@legit.example\r\n", Ok(&["evil.example", "legit.example"])),
        (b"From: <a@evil.example>,<b@legit.example>\r\n", Ok(&["evil.example", "legit.example"])),
        // CVE-2019-16378: the empty element hid the second address.
        (b"From: a@evil.example,,b@legit.example\r\n", Ok(&["evil.example", "legit.example"])),
        (b"From: G:a@evil.example;, b@legit.example\r\n", Ok(&["evil.example", "legit.example"])),
        (b"From: a@evil.example,\r\n b@legit.example\r\n", Ok(&["evil.example", "legit.example"])),
        (b"From: a@legit.example, b@[192.0.2.1]\r\n", Ok(&["legit.example"])),
        (b"From: a@legit.example, b@LEGIT.example.\r\n", Ok(&["legit.example"])),
    ]);
}

#[test]
fn s9_4_encoded_words_are_never_decoded_into_an_address() {
    assert_all(&[
        // espoofer: the whole first address in base64.
        (b"From: =?utf-8?B?PGFAbGVnaXQuZXhhbXBsZT4=?=, <b@evil.example>\r\n", Err(K::NotAnAddress)),
        (b"From: =?utf-8?B?YUBsZWdpdC5leGFtcGxl?=\r\n", Err(K::NotAnAddress)),
        (b"From: =?utf-8?Q?a=40legit.example=2C?=@evil.example\r\n", Err(K::EncodedWord)),
        (b"From: b@=?utf-8?Q?legit.example?=\r\n", Err(K::Domain)),
        (b"From: =?utf-8?Q?a@legit.example?= <b@evil.example>\r\n", Err(K::Domain)),
        // The white space that a decoder takes away, the quote that it gives back.
        (b"From: =?utf-8?Q?=22?= <a@evil.example>, =?utf-8?Q?=22?= <b@evil.example>\r\n", Ok(&["evil.example"])),
        (b"From: \"=?utf-8?Q?\"?= <a@evil.example>, \"<b@legit.example>\" <c@evil.example>\r\n", Err(K::EncodedWord)),
    ]);
}

#[test]
fn s9_4_quotes_comments_and_backslashes_hide_no_address() {
    assert_all(&[
        (b"From: \"a@legit.example, \\\"\" <b@evil.example>\r\n", Ok(&["evil.example"])),
        (b"From: \"a\\\" <b@legit.example>\" <c@evil.example>\r\n", Ok(&["evil.example"])),
        (b"From: a\\@legit.example@evil.example\r\n", Err(K::Unexpected)),
        (b"From: a@legit.example\\,b@evil.example\r\n", Err(K::TextAfterAddress)),
        (b"From: b@evil.example(<a@legit.example>\r\n", Err(K::UnclosedComment)),
        (b"From: (a@legit.example) b@evil.example\r\n", Ok(&["evil.example"])),
        (b"From: <a@legit.example(>b@evil.example\r\n", Err(K::UnclosedComment)),
        (b"From: <(<a@legit.example>)b@evil.example>\r\n", Ok(&["evil.example"])),
        (b"From: a@legit.example(.evil.example)\r\n", Ok(&["legit.example"])),
        (b"From: a@legit.example(c).evil.example\r\n", Err(K::SpaceInDomain)),
        (b"From: a@legit.example .evil.example\r\n", Err(K::SpaceInDomain)),
    ]);
}

#[test]
fn s9_4_text_around_an_address_and_routes() {
    assert_all(&[
        // CERT VU#517845.
        (b"From: <a@evil.example>:<b@legit.example>\r\n", Err(K::TextAfterAddress)),
        (b"From: <b@legit.example> <a@evil.example>\r\n", Err(K::TextAfterAddress)),
        (b"From: b@legit.example <a@evil.example>\r\n", Err(K::TextAfterAddress)),
        (b"From: <a@evil.example> b@legit.example\r\n", Err(K::TextAfterAddress)),
        (b"From: <a@evil.example><b@legit.example>\r\n", Err(K::TextAfterAddress)),
        (b"From: <a@evil.example,b@legit.example>\r\n", Err(K::AngleAddress)),
        (b"From: b@legit.example; a@evil.example\r\n", Err(K::TextAfterAddress)),
        // opendmarc#113: taken for the domain "legit.example>", which has no policy.
        (b"From: b@legit.example>\r\n", Err(K::TextAfterAddress)),
        (b"From: <b@legit.example\r\n", Err(K::AngleAddress)),
        (b"From: (b@legit.example\r\n", Err(K::UnclosedComment)),
        (b"From: <@evil.example,@other.example:b@legit.example>\r\n", Ok(&["legit.example"])),
        (b"From: @evil.example:b@legit.example\r\n", Err(K::LocalPart)),
    ]);
}

#[test]
fn s9_4_octets_at_which_readers_stop() {
    assert_all(&[
        (b"From: b@legit.example\0.evil.example\r\n", Err(K::Control)),
        (b"From: \0b@legit.example\r\n", Err(K::Control)),
        (b"From: \"\0\" <b@legit.example>\r\n", Err(K::Control)),
        (b"From: a@evil.example\nFrom: b@legit.example\r\n", Err(K::LineBreak)),
        (b"From: a@evil.example\rFrom: b@legit.example\r\n", Err(K::LineBreak)),
        (b"From: a@evil.example\r\n \r\n\t,b@legit.example\r\n", Ok(&["evil.example", "legit.example"])),
        (b"From: \x1b$B\"<a@legit.example>\x1b(B <b@evil.example>\r\n", Err(K::Control)),
    ]);
}

#[test]
fn m6_groups_literals_and_empty_fields() {
    assert_all(&[
        (b"From:\r\n", Err(K::NoAddress)),
        (b"From: <>\r\n", Err(K::AngleAddress)),
        (b"From: Undisclosed:;\r\n", Err(K::NoAddress)),
        (b"From: Team: a@legit.example, b@legit.example;\r\n", Ok(&["legit.example"])),
        (b"From: a@[192.0.2.1]\r\n", Ok(&[])),
        (b"From: Joe\r\n", Err(K::NotAnAddress)),
    ]);
}

#[test]
fn m7_one_spelling_of_a_domain() {
    assert_all(&[
        (b"From: a@B\xc3\x9cCHER.Example.\r\n", Ok(&["xn--bcher-kva.example"])),
        (b"From: a@legit\xef\xbc\x8eexample\r\n", Ok(&["legit.example"])),
        (b"From: a@legit.example..\r\n", Err(K::Domain)),
        (b"From: a@legit_host.example\r\n", Ok(&["legit_host.example"])),
        // U+FF20 is no "@".
        (b"From: a\xef\xbc\xa0legit.example\r\n", Err(K::NotAnAddress)),
    ]);
    let labels = vec!["a"; 300].join(".");
    assert_eq!(authors(format!("From: a@{labels}\r\n").as_bytes()), Err(K::Domain));
}
