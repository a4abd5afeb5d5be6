use std::io::Write as _;
use std::process::Command;

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

/// A source of numbers that counts what is taken, or has none.
struct Source {
    taken: usize,
    is_empty: bool,
}

impl TryRng for Source {
    type Error = NoRandomNumbers;

    fn try_next_u32(&mut self) -> Result<u32, NoRandomNumbers> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_ne_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, NoRandomNumbers> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_ne_bytes(octets))
    }

    fn try_fill_bytes(&mut self, room: &mut [u8]) -> Result<(), NoRandomNumbers> {
        self.taken = self.taken.saturating_add(room.len());
        if self.is_empty { Err(NoRandomNumbers) } else { Blinding(SystemRandom::new()).try_fill_bytes(room) }
    }
}

impl TryCryptoRng for Source {}

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
fn openssl_verifies_the_signature() {
    let key = short("rsa1024.pem");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, octets: &[u8]| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(octets).unwrap();
        path
    };
    let public = file("public.der", &key.public_key());
    let signature = file("signature", &key.sign(DATA).unwrap());
    let said = |data: &[u8]| {
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-keyform", "DER", "-verify"]).arg(&public);
        let output = openssl.arg("-signature").arg(&signature).arg(file("data", data)).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(said(DATA), "Verified OK\n");
    assert_ne!(said(b"something else"), "Verified OK\n");
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
    let mut source = Source { taken: 0, is_empty: false };
    let first = key.sign_blinded_by(&mut source, DATA).unwrap();
    let taken = source.taken;
    assert!(taken >= 128, "at least one number of the size of the modulus: {taken}");
    assert_eq!(key.sign_blinded_by(&mut source, DATA).unwrap(), first, "PKCS#1 v1.5 is deterministic, blinded or not");
    assert!(source.taken >= taken + 128, "fresh numbers for each");
    let mut none = Source { taken: 0, is_empty: true };
    assert!(matches!(key.sign_blinded_by(&mut none, DATA), Err(KeyError::SigningFailed { .. })));
}

#[test]
fn nothing_of_the_key_is_printed() {
    let key = short("rsa1024.pem");
    assert_eq!(format!("{key:?}"), "ShortRsaKey { bits: 1024, .. }");
}
