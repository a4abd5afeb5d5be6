use proptest::prelude::*;

use super::*;
use crate::signature::HeaderNames;
use crate::tag_list::TagListErrorKind;

const BASE: &str =
    "v=1; a=rsa-sha256; d=example.com; s=sel; h=from:to; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=YWJj";

fn parse(value: &str) -> Result<Signature, Kind> {
    Signature::parse(value.as_bytes(), &SignatureLimits::default()).map_err(|error| error.kind)
}

/// The base signature with one tag given another value, or added.
fn with(name: &str, value: &str) -> Result<Signature, Kind> {
    let mut tags: Vec<String> = BASE.split("; ").map(str::to_owned).collect();
    let tag = format!("{name}={value}");
    match tags.iter_mut().find(|old| old.split('=').next() == Some(name)) {
        Some(old) => *old = tag,
        None => tags.push(tag),
    }
    parse(&tags.join("; "))
}

fn names(signature: &Signature) -> Vec<String> {
    signature.header_names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

#[test]
fn s3_5_defaults_of_absent_tags() {
    let signature = parse(BASE).unwrap();
    assert_eq!((signature.header_canon, signature.body_canon), (Canon::Simple, Canon::Simple));
    assert_eq!((signature.identity, signature.body_length), (None, None));
    assert_eq!((signature.timestamp, signature.expiration, signature.wants_reports), (None, None, false));
    assert_eq!(signature.signature, b"abc");
    assert_eq!(&BASE[signature.b_span], "YWJj");
}

#[test]
fn d1_tag_list_faults_are_signature_faults() {
    for (value, kind) in [
        ("", TagListErrorKind::EmptyList),
        ("v=1;; a=rsa-sha256", TagListErrorKind::EmptyTag),
        ("v=1; v=1", TagListErrorKind::Duplicate),
        ("v=1; a", TagListErrorKind::MissingEquals),
    ] {
        assert_eq!(parse(value), Err(Kind::TagList(kind)), "{value}");
    }
    assert_eq!(parse(&format!("{BASE}; d=example.com")), Err(Kind::TagList(TagListErrorKind::Duplicate)));
    assert!(parse(&format!("{BASE};")).is_ok());
    assert!(parse(&format!("{BASE}; D=other.example; unknown=any thing")).is_ok());
}

#[test]
fn d2_required_tags() {
    for name in ["v", "a", "b", "bh", "d", "h", "s"] {
        let tags: Vec<&str> = BASE.split("; ").filter(|tag| tag.split('=').next() != Some(name)).collect();
        assert_eq!(parse(&tags.join("; ")), Err(Kind::MissingTag(name)));
    }
}

#[test]
fn d2_version_is_compared_as_text() {
    for version in ["1.0", "0.5", "2", "01", "", "DKIM1"] {
        assert_eq!(with("v", version), Err(Kind::Version), "{version}");
    }
    assert!(with("v", " 1 ").is_ok());
}

#[test]
fn d3_words_match_in_any_case() {
    assert_eq!(with("a", "RSA-SHA256").unwrap().algorithm, Algorithm::RsaSha256);
    assert_eq!(with("a", "Ed25519-sha256").unwrap().algorithm, Algorithm::Ed25519Sha256);
    assert_eq!(with("c", "Relaxed/SIMPLE").unwrap().header_canon, Canon::Relaxed);
    assert!(with("q", "DNS/TXT").is_ok());
}

#[test]
fn d3_unknown_algorithms() {
    for algorithm in ["rsa", "rsa-md5", "dsa-sha256", "ed25519-sha512", "rsa-sha256 x", ""] {
        assert_eq!(with("a", algorithm), Err(Kind::Algorithm), "{algorithm}");
    }
}

#[test]
fn d4_rsa_sha1_has_its_own_kind() {
    for algorithm in ["rsa-sha1", "RSA-SHA1"] {
        assert_eq!(with("a", algorithm), Err(Kind::RsaSha1));
    }
}

#[test]
fn d6_canonicalizations() {
    for (value, expected) in [
        ("simple", (Canon::Simple, Canon::Simple)),
        ("relaxed", (Canon::Relaxed, Canon::Simple)),
        ("simple/relaxed", (Canon::Simple, Canon::Relaxed)),
        ("relaxed/relaxed", (Canon::Relaxed, Canon::Relaxed)),
    ] {
        let signature = with("c", value).unwrap();
        assert_eq!((signature.header_canon, signature.body_canon), expected);
    }
    for value in ["", "nowsp", "relaxed/", "/relaxed", "relaxed/relaxed/relaxed", "relaxed/nofws", "relaxed / simple"] {
        assert_eq!(with("c", value), Err(Kind::Canonicalization), "{value}");
    }
}

#[test]
fn d7_identity_is_the_domain_or_below_it() {
    for value in
        ["@example.com", "joe@EXAMPLE.com", "joe@a.b.example.com", "jo\r\n e@sub.example.com", "=40@example.com"]
    {
        assert!(with("i", value).unwrap().identity.is_some(), "{value}");
    }
    for value in ["@notexample.com", "@com", "joe@example.org", "@example.com.org"] {
        assert_eq!(with("i", value), Err(Kind::DomainMismatch), "{value}");
    }
    for value in ["", "example.com", "joe@", "@%65xample.com", "joe=4@example.com", "@exam ple..com"] {
        assert_eq!(with("i", value), Err(Kind::Identity), "{value}");
    }
    let escaped = with("i", "joe@example=2Ecom").unwrap().identity.unwrap();
    assert_eq!((escaped.local_part(), escaped.domain().as_str()), (&b"joe"[..], "example.com"));
}

#[test]
fn d8_domains_and_selectors_are_names() {
    for value in [
        "",
        "example..com",
        "legit.com(.example.com",
        "\"x\".example.com",
        "exam\\0ple.com",
        "-a.example.com",
        "a b.com",
        "example.com.",
    ] {
        assert!(matches!(with("d", value), Err(Kind::Domain(_))), "{value}");
        assert!(matches!(with("s", value), Err(Kind::Selector(_))), "{value}");
    }
    assert!(matches!(
        Signature::parse(BASE.replace("s=sel", "s=s\0l").as_bytes(), &SignatureLimits::default()),
        Err(SignatureError { kind: Kind::TagList(TagListErrorKind::BadValueByte), .. })
    ));
    assert_eq!(with("d", "com"), Err(Kind::SingleLabel));
    assert_eq!(with("s", "a.b_c.d").unwrap().selector.as_str(), "a.b_c.d");
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(40)].join(".");
    assert_eq!(with("s", &long), Err(Kind::KeyNameTooLong));
}

#[test]
fn d9_header_names() {
    let signature = with("h", "From : To:\r\n\tsubject :\r\n FROM:DKIM-Signature").unwrap();
    assert_eq!(names(&signature), ["From", "To", "subject", "FROM", "DKIM-Signature"]);
    assert_eq!(signature.header_names.count("from"), 2);
    for value in ["", ":from", "from:", "from::to", "from:to cc", "from:\u{fc}"] {
        assert_eq!(with("h", value), Err(Kind::HeaderNames), "{value}");
    }
    for value in ["to", "fromm:to", "x-from"] {
        assert_eq!(with("h", value), Err(Kind::FromNotSigned), "{value}");
    }
    assert_eq!(with("h", &["from"; 257].join(":")), Err(Kind::TooManyHeaderNames));
    assert!(with("h", &["from"; 256].join(":")).is_ok());
}

#[test]
fn d10_query_methods() {
    for value in ["dns/txt", "carrier-pigeon : dns/txt", "dns/txt:x"] {
        assert!(with("q", value).is_ok(), "{value}");
    }
    for value in ["", "dns", "dns/http", "x:y"] {
        assert_eq!(with("q", value), Err(Kind::QueryMethod), "{value}");
    }
}

#[test]
fn d11_times_are_unsigned_decimals() {
    let time = |name, value| {
        with(name, value).map(|signature| signature.timestamp.or(signature.expiration).unwrap().as_secs())
    };
    assert_eq!(time("t", "1528637909"), Ok(1_528_637_909));
    assert_eq!(time("t", "00012"), Ok(12));
    assert_eq!(time("t", "1000000000000"), Ok(1_000_000_000_000));
    assert_eq!(time("x", "9999999999999"), Ok(9_999_999_999_999));
    assert_eq!(time("x", "18446744073709551616"), Ok(u64::MAX));
    assert_eq!(time("x", &"9".repeat(76)), Ok(u64::MAX));
    for value in ["", "-1", "+1", "1.5", "0x10", "1 2", "now", &"1".repeat(77)] {
        assert_eq!(with("t", value), Err(Kind::Timestamp), "{value}");
        assert_eq!(with("x", value), Err(Kind::Expiration), "{value}");
    }
}

#[test]
fn d11_expiration_is_after_the_timestamp() {
    for (t, x, is_valid) in [("5", "6", true), ("5", "5", false), ("5", "4", false)] {
        let result = parse(&format!("{BASE}; t={t}; x={x}"));
        if is_valid {
            assert!(result.is_ok());
        } else {
            assert_eq!(result, Err(Kind::ExpirationNotAfterTimestamp));
        }
    }
}

#[test]
fn d12_body_length_is_a_decimal() {
    assert_eq!(with("l", "0").unwrap().body_length, Some(0));
    assert_eq!(with("l", &"9".repeat(76)).unwrap().body_length, Some(u64::MAX));
    for value in ["", "-1", "ten", "1 0", &"1".repeat(77)] {
        assert_eq!(with("l", value), Err(Kind::BodyLength), "{value}");
    }
}

#[test]
fn d13_copied_headers_are_not_looked_at() {
    let plain = parse(BASE).unwrap();
    for value in ["", "From:joe@example.com|To:x", "nonsense=|||=", "From:=zz"] {
        assert_eq!(with("z", value).unwrap(), plain, "{value}");
    }
}

#[test]
fn d14_base64_is_strict_but_for_white_space() {
    assert_eq!(with("b", "Y W\r\n\tJ j").unwrap().signature, b"abc");
    for value in ["", "   ", "\r\n ", "YWJ", "YWJj=", "YW*j", "YWJjZA", "YWJjZA=", "YWJj\u{fc}"] {
        assert_eq!(with("b", value), Err(Kind::SignatureData), "{value}");
    }
    assert!(with("bh", "frcCV1k9oG9oKj3dpUqdJg1PxRT2\r\n RSN/XKdLCPjaYaY=").is_ok());
    for value in ["", "YWJj", "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="] {
        assert_eq!(with("bh", value), Err(Kind::BodyHash), "{value}");
    }
}

#[test]
fn d28_u_labels_are_read_as_a_labels() {
    let signature = with("d", "b\u{fc}cher.example").unwrap();
    assert_eq!(signature.domain.as_str(), "xn--bcher-kva.example");
    assert_eq!(with("s", "schl\u{fc}ssel").unwrap().selector.as_str(), "xn--schlssel-95a");
    let value = BASE.replace("d=example.com", "d=b\u{fc}cher.example; i=j\u{f8}@sub.xn--bcher-kva.example");
    assert_eq!(parse(&value).unwrap().identity.unwrap().domain().as_str(), "sub.xn--bcher-kva.example");
}

#[test]
fn d31_reports_are_asked_for_with_y() {
    assert!(with("r", "y").unwrap().wants_reports);
    assert!(!with("r", "n").unwrap().wants_reports);
}

#[test]
fn s2_7_item_5_only_the_true_b_is_found() {
    for value in [
        "v=1; b=YWJj; xb=b; a=rsa-sha256; d=example.com; s=sel; h=from; bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; z=b=x",
        "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; v=1; a=rsa-sha256; d=example.com; s=sel; h=from; n= b=;b = YWJj",
        "bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=\r\n\tYW\r\n\tJj \r\n ;v=1; a=rsa-sha256; d=example.com; s=sel; h=from",
    ] {
        let signature = parse(value).unwrap();
        assert_eq!(signature.signature, b"abc");
        let before = &value[..signature.b_span.start];
        assert!(before.trim_end().ends_with('=') && before.trim_end_matches([' ', '=']).ends_with([' ', ';', 'b']));
        assert_eq!(value[signature.b_span].split_whitespace().collect::<String>(), "YWJj");
    }
}

#[test]
fn errors_tell_where() {
    let value = BASE.replace("s=sel", "s=s(l");
    let error = Signature::parse(value.as_bytes(), &SignatureLimits::default()).unwrap_err();
    assert_eq!(error.at, value.find("s(l").unwrap());
    assert_eq!(
        error.to_string(),
        format!("s= is not a selector: byte 0x28 at byte 1 is not allowed in a name at byte {}", error.at)
    );
}

#[test]
fn header_names_keep_their_order_and_spelling() {
    let parsed = HeaderNames::parse(b" A:b :\r\n c").unwrap();
    assert_eq!(parsed.iter().collect::<Vec<_>>(), [&b"A"[..], b"b", b"c"]);
}

proptest! {
    #[test]
    fn any_octets_give_an_answer(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Signature::parse(&value, &SignatureLimits::default());
    }

    #[test]
    fn any_tag_values_give_an_answer(name in "[abcdhilqstxzv]|bh", value in "[ -:<-~]{0,30}") {
        let _ = with(&name, &value);
    }
}
