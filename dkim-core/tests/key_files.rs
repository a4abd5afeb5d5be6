//! Private keys in all the forms that files have, and the names of what is put in their place by mistake (M15).
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot get its answer has failed")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::crypto::{Algorithm, Backend, KeyError, KeyType, PrivateKey, PublicKey, SigningKey, VerifyingKey};
use dkim_core::key_record::KeyRecord;

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys").join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(file(name)).unwrap()
}

fn load(file: &[u8]) -> Result<Arc<dyn SigningKey>, KeyError> {
    Backend::default().load_key(file)
}

fn refusal(file: &[u8]) -> KeyError {
    load(file).unwrap_err()
}

/// What must be equal if two keys are.
fn secret(key: &PrivateKey) -> Vec<u8> {
    match key {
        PrivateKey::Rsa(rsa) => rsa.pkcs1_der().to_vec(),
        PrivateKey::Ed25519(ed25519) => ed25519.seed().to_vec(),
        _ => unreachable!("no other type"),
    }
}

/// What it signs verifies with the key record that it publishes.
fn signs(key: &dyn SigningKey, algorithm: Algorithm) {
    assert_eq!(key.algorithm(), algorithm);
    let record = KeyRecord::parse(KeyRecord::text_for(key).as_bytes()).unwrap();
    let public = VerifyingKey::new(Backend::default(), &record.key.unwrap());
    let signature = key.sign(b"some data").unwrap();
    assert!(public.verify(b"some data", &signature));
    assert!(!public.verify(b"some datA", &signature));
    let mut damaged = signature;
    damaged[10] ^= 1;
    assert!(!public.verify(b"some data", &damaged));
}

#[test]
fn m15_rsa_in_pkcs1_and_pkcs8_is_the_same_key() {
    let pkcs1 = load(&file("rsa-2048.pkcs1.pem")).unwrap();
    let pkcs8 = load(&file("rsa-2048.pkcs8.pem")).unwrap();
    signs(&*pkcs1, Algorithm::RsaSha256);
    signs(&*pkcs8, Algorithm::RsaSha256);
    let der = PrivateKey::from_pkcs8_der(&file("rsa-2048.pkcs8.der")).unwrap();
    signs(&*Backend::default().signing_key(&der).unwrap(), Algorithm::RsaSha256);
    assert_eq!(pkcs1.public_key(), pkcs8.public_key());
    // What OpenSSL calls the public key.
    assert_eq!(pkcs1.public_key(), file("rsa-2048.public.der"));
    signs(&*load(&file("rsa-4096.pkcs1.pem")).unwrap(), Algorithm::RsaSha256);
}

#[test]
fn m15_ed25519_in_all_forms_is_the_same_key() {
    let public = text("ed25519.public.pem");
    let public: String = public.lines().filter(|line| !line.starts_with('-')).collect();
    let public = STANDARD.decode(public).unwrap()[12..].to_vec();
    for name in ["ed25519.pkcs8.pem", "ed25519-v2.pkcs8.pem", "ed25519.seed.b64"] {
        let key = load(&file(name)).unwrap();
        signs(&*key, Algorithm::Ed25519Sha256);
        assert_eq!(key.public_key(), public, "{name}");
    }
}

#[test]
fn m15_line_ends_byte_order_marks_and_text_around_do_no_harm() {
    for name in ["rsa-2048.pkcs1.pem", "ed25519.pkcs8.pem", "ed25519.seed.b64"] {
        let plain = text(name);
        let key = PrivateKey::from_text(plain.as_bytes()).unwrap();
        let on_one_line = plain.replace('\n', " ");
        let mut variants =
            vec![plain.replace('\n', "\r\n"), format!("\u{feff}{plain}"), format!("\n\n  {plain}\n\n"), on_one_line];
        if plain.contains("BEGIN") {
            variants.push(format!("Bag Attributes\n    friendlyName: dkim\n{plain}# end\n"));
            variants.push(plain.replace('\n', "\n  "));
        }
        for variant in variants {
            assert_eq!(secret(&PrivateKey::from_text(variant.as_bytes()).unwrap()), secret(&key), "{variant}");
        }
    }
    let latin1 = [b"Schl\xfcssel\n".as_slice(), &file("rsa-2048.pkcs1.pem")].concat();
    assert!(load(&latin1).is_ok());
    // A certificate beside the one private key is text around it.
    assert!(load([file("certificate.pem"), file("rsa-2048.pkcs8.pem")].concat().as_slice()).is_ok());
}

#[test]
fn m15_files_are_named_for_what_they_are() {
    let other = |kind: &str| KeyError::OtherType { kind: kind.to_owned() };
    for (name, expected) in [
        ("rsa-2048.encrypted-pkcs1.pem", KeyError::Encrypted),
        ("rsa-2048.encrypted-pkcs8.pem", KeyError::Encrypted),
        ("rsa-2048.public.pem", KeyError::PublicKey),
        ("rsa-2048.rsa-public.pem", KeyError::PublicKey),
        ("rsa-2048.public.der", KeyError::PublicKey),
        ("ed25519.public.pem", KeyError::PublicKey),
        ("openssh.pub", KeyError::PublicKey),
        ("openssh.pem", KeyError::OpenSsh),
        ("certificate.pem", KeyError::Certificate),
        ("request.pem", KeyError::CertificateRequest),
        ("ec.sec1.pem", KeyError::EllipticCurve),
        ("ec.pkcs8.pem", KeyError::EllipticCurve),
        ("x25519.pkcs8.pem", other("1.3.101.110")),
        ("rsa-pss.pkcs8.pem", other("1.2.840.113549.1.1.10")),
        ("dsa.pem", other("DSA PRIVATE KEY")),
        ("rsa-2048.pkcs1.der", KeyError::Der),
        ("rsa-2048.pkcs8.der", KeyError::Der),
        ("rsa-1024.record.txt", KeyError::DnsRecord),
        ("rsa-2048-3primes.pkcs8.pem", KeyError::Damaged { what: "RSA with more than two primes" }),
    ] {
        assert_eq!(refusal(&file(name)), expected, "{name}");
    }
}

#[test]
fn m15_texts_that_are_no_key() {
    for empty in ["", "\n", " \r\n\t", "\u{feff}\n"] {
        assert_eq!(refusal(empty.as_bytes()), KeyError::Empty);
    }
    for other in ["hello", "abcd", "-----BEGIN", "-----BEGIN \n", "\0\0", "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"]
    {
        assert_eq!(refusal(other.as_bytes()), KeyError::Unrecognized, "{other:?}");
    }
    let large = vec![b'a'; 64 * 1024 + 1];
    assert_eq!(refusal(&large), KeyError::TooLarge { bytes: large.len(), max: 64 * 1024 });
    let parameters = "-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n";
    assert_eq!(refusal(parameters.as_bytes()), KeyError::OtherPem { label: "DH PARAMETERS".to_owned() });
    // The public key in base64 without PEM around it, as it stands in a DNS record.
    assert_eq!(refusal(STANDARD.encode(file("rsa-2048.public.der")).as_bytes()), KeyError::PublicKey);
}

#[test]
fn m15_several_keys_are_refused() {
    let two = [file("rsa-2048.pkcs1.pem"), file("ed25519.pkcs8.pem")].concat();
    assert_eq!(refusal(&two), KeyError::SeveralKeys { count: 2 });
    let same_twice = file("rsa-2048.pkcs8.pem").repeat(3);
    assert_eq!(refusal(&same_twice), KeyError::SeveralKeys { count: 3 });
}

#[test]
fn m15_damaged_files() {
    let pem = text("rsa-2048.pkcs1.pem");
    let unterminated = KeyError::Unterminated { label: "RSA PRIVATE KEY".to_owned() };
    assert_eq!(refusal(&pem.as_bytes()[..400]), unterminated);
    assert_eq!(refusal(pem.replace("END RSA", "END DSA").as_bytes()), unterminated);
    assert_eq!(refusal(pem.replacen("MII", "M!I", 1).as_bytes()), KeyError::Base64);
    let lines: Vec<&str> = pem.lines().collect();
    let shortened = [&lines[..5], &lines[6..]].concat().join("\n");
    assert!(matches!(refusal(shortened.as_bytes()), KeyError::Damaged { .. }));
    // A PKCS#1 key under the label of PKCS#8.
    let mislabelled = pem.replace("RSA PRIVATE", "PRIVATE");
    assert_eq!(refusal(mislabelled.as_bytes()), KeyError::Damaged { what: "PKCS#8 structure" });
    let wrong = file("ed25519-v2-wrong.pkcs8.pem");
    assert_eq!(refusal(&wrong), KeyError::Damaged { what: "the public key does not belong to the Ed25519 secret" });
}

/// One changed octet anywhere in the key: it is refused, or (in numbers that signing does not need) it signs as the whole key does; never wrongly.
#[test]
fn m15_damage_never_gives_wrong_signatures() {
    let der = file("rsa-2048.pkcs1.der");
    let whole = load(&file("rsa-2048.pkcs1.pem")).unwrap();
    let signature = whole.sign(b"some data").unwrap();
    let mut refused = 0;
    for at in (0..der.len()).step_by(37) {
        let mut damaged = der.clone();
        damaged[at] ^= 0x10;
        let pem =
            format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", STANDARD.encode(damaged));
        match load(pem.as_bytes()) {
            Ok(key) => assert!(key.sign(b"some data").is_ok_and(|made| made == signature), "octet {at}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn d4_sizes_of_signing_keys() {
    for (name, expected) in [
        ("rsa-512.pkcs1.pem", KeyError::RsaTooWeak { bits: 512 }),
        ("rsa-1023.pkcs1.pem", KeyError::RsaTooWeak { bits: 1023 }),
        ("rsa-1024.pkcs1.pem", KeyError::RsaBelow2048 { bits: 1024 }),
        ("rsa-8192.pkcs1.pem", KeyError::RsaTooLarge { bits: 8192, max: 4096 }),
        ("rsa-2048-e3.pkcs8.pem", KeyError::RsaExponent),
        ("rsa-2048-e40.pkcs8.pem", KeyError::RsaExponent),
    ] {
        assert_eq!(refusal(&file(name)), expected, "{name}");
    }
    // RFC 8301 §3.2 permits 1024 bits to signers: the key can be read for a signer that is not ring.
    let PrivateKey::Rsa(key) = PrivateKey::from_text(&file("rsa-1024.pkcs1.pem")).unwrap() else { panic!("not RSA") };
    assert_eq!((key.bits(), key.public_key().bits()), (1024, 1024));
    let again = PrivateKey::from_pkcs1_der(key.pkcs1_der()).unwrap();
    assert_eq!(secret(&again), key.pkcs1_der());
}

#[test]
fn the_backend_makes_keys_for_either_type() {
    for (name, algorithm, may_block) in
        [("rsa-2048.pkcs8.pem", Algorithm::RsaSha256, true), ("ed25519.seed.b64", Algorithm::Ed25519Sha256, false)]
    {
        let key = Backend::default().signing_key(&PrivateKey::from_text(&file(name)).unwrap()).unwrap();
        signs(&*key, algorithm);
        assert_eq!(key.may_block(), may_block);
    }
}

#[test]
fn public_keys_are_told_without_a_backend_where_the_file_has_them() {
    let rsa = PrivateKey::from_text(&file("rsa-1024.pkcs1.pem")).unwrap();
    let record = KeyRecord::parse(&file("rsa-1024.record.txt")).unwrap();
    assert_eq!(rsa.stated_public_key(), record.key);
    let version1 = PrivateKey::from_text(&file("ed25519.pkcs8.pem")).unwrap();
    assert_eq!((version1.key_type(), version1.stated_public_key()), (KeyType::Ed25519, None));
    let version2 = PrivateKey::from_text(&file("ed25519-v2.pkcs8.pem")).unwrap();
    assert!(matches!(version2.stated_public_key(), Some(PublicKey::Ed25519(_))));
}

#[test]
fn nothing_secret_is_printed() {
    for name in ["rsa-2048.pkcs1.pem", "ed25519-v2.pkcs8.pem", "ed25519.seed.b64"] {
        let key = PrivateKey::from_text(&file(name)).unwrap();
        let secret = match &key {
            PrivateKey::Rsa(_) => secret(&key)[300..316].to_vec(),
            _ => secret(&key)[..16].to_vec(),
        };
        let printed = format!("{key:?} {:#?} {:?}", key, Backend::default().signing_key(&key).unwrap());
        assert!(printed.len() < 400, "{printed}");
        assert!(
            !printed.contains(&STANDARD.encode(&secret)[..8]) && !printed.contains(&format!("{secret:?}")[1..20]),
            "{printed}"
        );
    }
}
