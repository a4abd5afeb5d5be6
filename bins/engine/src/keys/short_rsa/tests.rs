use dkim_core::key_record::KeyRecord;

use super::*;

const DATA: &[u8] = b"from:jo@example.com\r\ndkim-signature:v=1; b=";

fn private(name: &str) -> Result<PrivateKey, KeyError> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files").join(name);
    PrivateKey::from_text(&std::fs::read(file).unwrap())
}

fn short(name: &str) -> ShortRsaKey {
    let PrivateKey::Rsa(key) = private(name).unwrap() else { panic!("{name} is no RSA key") };
    ShortRsaKey::new(&key, Backend::AwsLc).unwrap()
}

#[test]
fn s3_2_of_8301_keys_from_1024_bits_sign_and_both_backends_verify() {
    for (name, bits) in [
        ("rsa1024.pem", 1024),
        ("rsa1536.pem", 1536),
        ("rsa2047.pem", 2047),
        ("pkcs8.pem", 2048),
        ("rsa1024-exponent3.pem", 1024),
    ] {
        let key = signing_key(&private(name).unwrap(), Backend::AwsLc).unwrap();
        assert_eq!((key.algorithm(), key.may_block()), (Algorithm::RsaSha256, true), "{name}");
        let record = KeyRecord::parse(KeyRecord::text_for(&*key).as_bytes()).unwrap();
        let public = record.key.unwrap();
        assert_eq!(public.bits(), bits, "{name}");
        let signature = key.sign(DATA).unwrap();
        for backend in [Backend::AwsLc, Backend::Ring] {
            let verifying = VerifyingKey::new(backend, &public);
            assert!(verifying.verify(DATA, &signature), "{name} {backend:?}");
            assert!(!verifying.verify(b"something else", &signature), "{name} {backend:?}");
        }
    }
}

#[test]
fn s3_2_of_8301_keys_below_1024_bits_are_refused() {
    for (name, bits) in [("rsa512.pem", 512), ("rsa1023.pem", 1023)] {
        assert_eq!(private(name).unwrap_err(), KeyError::RsaTooWeak { bits });
    }
}

#[test]
fn numbers_that_do_not_fit_each_other_are_damage() {
    let PrivateKey::Rsa(key) = private("rsa1024.pem").unwrap() else { panic!("no RSA key") };
    let der = key.pkcs1_der();
    // From the private exponent on: one bit of each number in turn.
    for at in (180..der.len()).step_by(37) {
        let mut changed = der.to_vec();
        changed[at] ^= if at % 2 == 0 { 1 } else { 4 };
        let Ok(PrivateKey::Rsa(changed)) = PrivateKey::from_pkcs1_der(&changed) else { continue };
        let made = ShortRsaKey::new(&changed, Backend::AwsLc);
        // What the crate computes by itself (the exponents of the primes, the coefficient) is not taken from the file.
        assert!(made.is_err() || made.unwrap().sign(DATA).unwrap() == short("rsa1024.pem").sign(DATA).unwrap(), "{at}");
    }
}

#[test]
fn a_signature_that_does_not_verify_is_kept_back() {
    let other = short("rsa1024-exponent3.pem");
    let key = ShortRsaKey { check: other.check, ..short("rsa1024.pem") };
    let Err(KeyError::SigningFailed { reason }) = key.sign(DATA) else { panic!("it was given out") };
    assert!(reason.contains("does not verify"), "{reason}");
}

#[test]
fn every_signature_is_blinded_and_none_is_made_without_random_numbers() {
    let key = short("rsa1024.pem");
    let (system, mut taken) = (SystemRandom::new(), 0_usize);
    let mut signatures = Vec::new();
    for count in 1..=2 {
        let mut source = Blinding(|room: &mut [u8]| {
            taken = taken.saturating_add(room.len());
            system.fill(room)
        });
        signatures.push(key.sign_blinded_by(&mut source, DATA).unwrap());
        assert!(taken >= count * 128, "at least one fresh number of the size of the modulus each time: {taken}");
    }
    assert_eq!(signatures[0], signatures[1], "PKCS#1 v1.5 is deterministic, blinded or not");
    let mut none = Blinding(|_: &mut [u8]| Err(Unspecified));
    assert!(matches!(key.sign_blinded_by(&mut none, DATA), Err(KeyError::SigningFailed { .. })));
}

#[test]
fn nothing_of_the_key_is_printed() {
    let key = short("rsa1024.pem");
    assert_eq!(format!("{key:?}"), "ShortRsaKey { bits: 1024, .. }");
}
