//! Both backends at once: whatever one signs the other verifies, and they refuse the same keys.
#![cfg(all(feature = "ring", feature = "aws-lc-rs"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot get its answer has failed")]

use std::fs;
use std::path::Path;

use dkim_core::crypto::{Backend, Digest, HashAlgorithm, KeyType, VerifyingKey};
use dkim_core::key_record::KeyRecord;
use proptest::prelude::*;

const BACKENDS: [Backend; 2] = [Backend::Ring, Backend::AwsLc];

fn key_files() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn s12_every_key_file_is_taken_or_refused_alike() {
    let mut taken = 0;
    for (name, file) in key_files() {
        let [ring, aws_lc] = BACKENDS
            .map(|backend| backend.load_key(&file).map(|key| (key.algorithm(), key.public_key(), key.may_block())));
        assert_eq!(ring, aws_lc, "{name}");
        taken += usize::from(ring.is_ok());
    }
    assert!(taken >= 5, "only {taken} files hold a key that signs");
}

#[test]
fn s12_what_one_signs_both_verify_and_a_changed_octet_neither() {
    for (name, file) in key_files() {
        for signer in BACKENDS {
            let Ok(key) = signer.load_key(&file) else { continue };
            let signature = key.sign(b"from:a@example.com\r\n").unwrap();
            let record = KeyRecord::parse(KeyRecord::text_for(&*key).as_bytes()).unwrap();
            let public = record.key.unwrap();
            for verifier in BACKENDS {
                let public = VerifyingKey::new(verifier, &public);
                assert!(public.verify(b"from:a@example.com\r\n", &signature), "{name} {signer:?} {verifier:?}");
                assert!(!public.verify(b"from:b@example.com\r\n", &signature), "{name} {signer:?} {verifier:?}");
                assert!(!public.verify(b"from:a@example.com\r\n", &signature[..signature.len() - 1]), "{name}");
            }
        }
    }
}

#[test]
fn rfc8463_s3_and_rfc8017_s8_2_1_signatures_are_deterministic_and_equal() {
    let mut types = Vec::new();
    for (name, file) in key_files() {
        let keys = BACKENDS.map(|backend| backend.load_key(&file));
        let [Ok(ring), Ok(aws_lc)] = keys else { continue };
        assert_eq!(ring.sign(b"text").unwrap(), aws_lc.sign(b"text").unwrap(), "{name}");
        types.push(ring.algorithm().key_type());
    }
    assert!(types.contains(&KeyType::Rsa) && types.contains(&KeyType::Ed25519));
}

proptest! {
    #[test]
    fn s3_7_hashes_are_equal_for_any_octets(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
        let [ring, aws_lc] = BACKENDS.map(|backend| {
            let mut digest = Digest::new(backend, HashAlgorithm::Sha256);
            for chunk in &chunks {
                digest.update(chunk);
            }
            digest.finish()
        });
        prop_assert_eq!(ring, aws_lc);
    }
}
