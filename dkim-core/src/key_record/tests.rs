use proptest::prelude::*;

use super::*;
use crate::tag_list::TagListErrorKind;

const ED25519: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// The key of RFC 6376 appendix C.
const SPKI: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB";
/// A bare `RSAPublicKey` from a record of example.com in real mail.
const PKCS1: &str = "MIGJAoGBALVI635dLK4cJJAH3Lx6upo3X/Lm1tQz3mezcWTA3BUBnyIsdnRf57aD5BtNmhPrYYDlWlzw3UgnKisIxktkk5+iMQMlFtAS10JB8L3YadXNJY+JBcbeSi5TgJe4WFzNgW95FWDAuSTRXSWZfA/8xjflbTLDx0euFZOM7C4T0GwLAgMBAAE=";

fn parse(text: &str) -> Result<KeyRecord, KeyRecordError> {
    KeyRecord::parse(text.as_bytes())
}

/// An RSA key record with these tags before `p=`.
fn rsa(tags: &str) -> Result<KeyRecord, KeyRecordError> {
    parse(&format!("{tags}p={SPKI}"))
}

#[test]
fn s3_6_1_defaults_of_absent_tags() {
    let record = rsa("").unwrap();
    assert_eq!(record.key.as_ref().map(PublicKey::key_type), Some(KeyType::Rsa));
    assert!(record.allows_sha256 && record.is_for_email && !record.is_testing && !record.is_strict);
}

#[test]
fn d24_version_is_first_and_dkim1_letter_by_letter() {
    assert!(rsa("v=DKIM1; ").is_ok());
    assert!(rsa(" v = DKIM1 ;").is_ok());
    for version in ["DKIM2", "dkim1", "DKIM1.0", "DKIM", "", "spf1"] {
        assert_eq!(rsa(&format!("v={version}; ")), Err(KeyRecordError::Version), "{version}");
    }
    assert_eq!(rsa("k=rsa; v=DKIM1; "), Err(KeyRecordError::VersionNotFirst));
}

#[test]
fn d24_a_key_is_required_and_an_empty_one_is_revoked() {
    assert_eq!(parse("v=DKIM1; k=rsa"), Err(KeyRecordError::NoKey));
    for text in ["v=DKIM1; p=", "p=; k=rsa", "p = \t ;", "k=unheard-of; p="] {
        assert_eq!(parse(text).unwrap().key, None, "{text}");
    }
}

#[test]
fn d24_unknown_tags_and_g_are_ignored() {
    assert_eq!(rsa("v=DKIM1; g=nobody; n=any text; x=y; "), rsa(""));
    assert_eq!(rsa("g=; "), rsa(""));
}

#[test]
fn d24_key_types() {
    for word in ["rsa", "RSA", "Rsa"] {
        assert_eq!(rsa(&format!("k={word}; ")), rsa(""));
    }
    for word in ["ed25519", "ED25519"] {
        let record = parse(&format!("k={word}; p={ED25519}")).unwrap();
        assert_eq!(record.key.map(|key| key.bits()), Some(256));
    }
    for word in ["dsa", "ed448", "", "rsa:ed25519"] {
        assert_eq!(rsa(&format!("k={word}; ")), Err(KeyRecordError::UnknownKeyType), "{word}");
    }
}

#[test]
fn d24_hash_list_holds_sha256() {
    for (list, allowed) in [
        ("sha256", true),
        ("SHA256", true),
        ("sha1:sha256", true),
        ("sha512 : sha256 :x", true),
        ("sha1", false),
        ("", false),
        ("sha2567", false),
    ] {
        assert_eq!(rsa(&format!("h={list}; ")).unwrap().allows_sha256, allowed, "{list}");
    }
}

#[test]
fn d24_d30_service_list_holds_email_or_a_star() {
    for (list, for_email) in [
        ("*", true),
        ("email", true),
        ("other:email", true),
        ("tlsrpt:*", true),
        ("tlsrpt", false),
        ("other", false),
        ("", false),
        ("email2", false),
    ] {
        assert_eq!(rsa(&format!("s={list}; ")).unwrap().is_for_email, for_email, "{list}");
    }
}

#[test]
fn d24_flags() {
    for (list, testing, strict) in [
        ("y", true, false),
        ("s", false, true),
        ("y:s", true, true),
        ("s : y", true, true),
        ("x:y", true, false),
        ("", false, false),
        ("ys", false, false),
    ] {
        let record = rsa(&format!("t={list}; ")).unwrap();
        assert_eq!((record.is_testing, record.is_strict), (testing, strict), "{list}");
    }
}

#[test]
fn d25_rsa_keys_in_both_forms() {
    for text in [SPKI, PKCS1] {
        let key = parse(&format!("p={text}")).unwrap().key.unwrap();
        assert_eq!((key.key_type(), key.bits()), (KeyType::Rsa, 1024));
    }
    let key = parse(&format!("p={PKCS1}")).unwrap().key.unwrap();
    let spki = STANDARD.encode(key.to_octets());
    assert_eq!(parse(&format!("p={spki}")).unwrap().key, Some(key));
}

#[test]
fn d25_white_space_inside_p() {
    let (head, tail) = SPKI.split_at(100);
    for blank in [" ", "\t", "\r\n ", "  \t "] {
        assert_eq!(parse(&format!("p= {head}{blank}{tail} ;")), rsa(""));
    }
}

#[test]
fn d25_base64_is_strict() {
    for text in ["MIG", "MIGf=", "MIGf*", "-_8=", "MIGfMA==MIGf"] {
        assert_eq!(parse(&format!("p={text}")), Err(KeyRecordError::Base64), "{text}");
    }
}

/// DER of these elements in a SEQUENCE, in base64.
fn sequence(elements: &[&[u8]]) -> String {
    let contents = elements.concat();
    STANDARD.encode([&[0x30, u8::try_from(contents.len()).unwrap()], contents.as_slice()].concat())
}

#[test]
fn d25_rsa_numbers_are_odd_and_the_exponent_at_least_3() {
    let modulus: &[u8] = &[2, 3, 0x50, 0x00, 0x07];
    let key = |exponent: &[u8]| parse(&format!("p={}", sequence(&[modulus, exponent])));
    for exponent in [&[2, 1, 3][..], &[2, 3, 1, 0, 1], &[2, 6, 1, 0, 0, 0, 0, 1]] {
        assert!(key(exponent).is_ok(), "{exponent:?}");
    }
    for exponent in [&[2, 1, 0][..], &[2, 1, 1], &[2, 1, 2], &[2, 1, 4], &[2, 3, 1, 0, 0]] {
        assert_eq!(key(exponent), Err(KeyRecordError::Rsa(RsaPublicKeyError::Exponent)), "{exponent:?}");
    }
    let even = sequence(&[&[2, 1, 6], &[2, 1, 3]]);
    assert_eq!(parse(&format!("p={even}")), Err(KeyRecordError::Rsa(RsaPublicKeyError::Modulus)));
}

#[test]
fn d25_what_is_no_rsa_key() {
    let spki = STANDARD.decode(SPKI).unwrap();
    let mut longer = spki.clone();
    longer.push(0);
    let structure = Err(KeyRecordError::Rsa(RsaPublicKeyError::Structure));
    for der in [&spki[..100], &longer, &spki[1..], b"\x30\x00", b"\x30\x80\x00\x00", b"k", &[0x30; 200]] {
        assert_eq!(parse(&format!("p={}", STANDARD.encode(der))), structure, "{der:02x?}");
    }
    let negative = sequence(&[&[2, 1, 0x81], &[2, 1, 3]]);
    assert_eq!(parse(&format!("p={negative}")), structure);
    let three_numbers = sequence(&[&[2, 1, 7], &[2, 1, 3], &[2, 1, 3]]);
    assert_eq!(parse(&format!("p={three_numbers}")), structure);
}

#[test]
fn s4_of_8463_ed25519_keys_are_the_bare_32_octets() {
    assert!(parse(&format!("k=ed25519; p={ED25519}")).is_ok());
    // SubjectPublicKeyInfo of the same key: 44 octets.
    let spki = [
        &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..],
        &STANDARD.decode(ED25519).unwrap(),
    ]
    .concat();
    let spki = STANDARD.encode(spki);
    assert_eq!(parse(&format!("k=ed25519; p={spki}")), Err(KeyRecordError::Ed25519Length { octets: 44 }));
    assert_eq!(parse(&format!("k=rsa; p={spki}")), Err(KeyRecordError::Rsa(RsaPublicKeyError::OtherType)));
    assert_eq!(parse(&format!("p={ED25519}")), Err(KeyRecordError::Rsa(RsaPublicKeyError::Structure)));
}

#[test]
fn d22_records_meant_as_keys_are_told_from_others() {
    for text in ["v=DKIM1; p=x", "p=", "k=rsa; p=abc", "v=DKIM2; p=abc", " v=DKIM1 ;; p=", "v=DKIM1"] {
        assert!(KeyRecord::is_likely(text.as_bytes()), "{text}");
    }
    for text in ["", "v=spf1 -all", "v=DMARC1; p=none", "some words", "a=b; c=d", "google-site-verification=abc"] {
        assert!(!KeyRecord::is_likely(text.as_bytes()), "{text}");
    }
}

#[test]
fn d1_a_record_is_a_tag_list() {
    for (text, kind) in [
        ("", TagListErrorKind::EmptyList),
        ("p=a;;k=rsa", TagListErrorKind::EmptyTag),
        ("p=;p=", TagListErrorKind::Duplicate),
    ] {
        let Err(KeyRecordError::TagList(error)) = parse(text) else { panic!("{text}") };
        assert_eq!(error.kind, kind, "{text}");
    }
}

proptest! {
    #[test]
    fn any_octets_give_an_answer(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = KeyRecord::parse(&text);
        let _ = KeyRecord::is_likely(&text);
    }

    #[test]
    fn any_damage_to_a_key_gives_an_answer(at in 0..160_usize, byte: u8, cut in 0..160_usize) {
        let mut der = STANDARD.decode(SPKI).unwrap();
        if let Some(octet) = der.get_mut(at) {
            *octet = byte;
        }
        der.truncate(cut);
        let _ = parse(&format!("p={}", STANDARD.encode(der)));
    }
}
