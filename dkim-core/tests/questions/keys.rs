//! Questions about the key and its record.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::verify::{Outcome, PermErrorCause, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, key, reports};

/// `p=` of the usual key, which is an Ed25519 one.
fn p() -> String {
    STANDARD.encode(key().public_key())
}

/// The outcome of a good Ed25519 signature with this key record.
fn judged(record: &str) -> Outcome {
    let zone = Zone::default().with("sel._domainkey.example.com", record);
    reports(&Draft::default().sign(MESSAGE), &zone, &VerifyPolicy::default(), NOW)[0].outcome
}

fn refused(record: &str, cause: PermErrorCause) {
    assert_eq!(judged(record), Outcome::PermError(cause), "{record}");
}

fn passes(record: &str) {
    assert_eq!(judged(record), Outcome::Pass, "{record}");
}

fn vector(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys").join(name)).unwrap()
}

/// The outcome of a good RSA signature by the key of this name, whose record is made from its own by `change`.
fn rsa(name: &str, change: impl Fn(&str) -> String) -> Outcome {
    let record = String::from_utf8(vector(&format!("rsa-{name}.record.txt"))).unwrap();
    let zone = Zone::default().with(&format!("rsa-{name}._domainkey.example.com"), &change(record.trim_end()));
    reports(&vector(&format!("signed-rsa-{name}.eml")), &zone, &VerifyPolicy::default(), NOW)[0].outcome
}

#[test]
fn q18_an_rsa_key_of_512_bits_is_permerror() {
    // RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as valid signatures."
    for name in ["512", "1023"] {
        assert_eq!(rsa(name, str::to_owned), Outcome::PermError(PermErrorCause::RsaTooSmall), "{name}");
    }
    assert_eq!(rsa("1024", str::to_owned), Outcome::Pass);
}

#[test]
fn q19_a_key_for_sha1_is_permerror() {
    // §6.1.2: "If the "h=" tag exists in the public-key record and the hash algorithm implied by the "a=" tag in the DKIM-Signature header field is not
    // included in the contents of the "h=" tag, the Verifier MUST ignore the key record and return PERMFAIL (inappropriate hash algorithm)."
    let p = p();
    refused(&format!("v=DKIM1; h=sha1; k=ed25519; p={p}"), PermErrorCause::KeyHash);
    passes(&format!("v=DKIM1; h=sha1:sha256; k=ed25519; p={p}"));
}

#[test]
fn q20_a_key_for_another_service_is_permerror() {
    // §3.6.1 on s=: "Verifiers for a given service type MUST ignore this record if the appropriate type is not listed."
    let p = p();
    for services in ["other", "tlsrpt", "other:tlsrpt", "mail", "e-mail"] {
        refused(&format!("v=DKIM1; k=ed25519; s={services}; p={p}"), PermErrorCause::KeyService);
    }
}

#[test]
fn q21_a_key_for_another_service_and_email_passes() {
    // §3.6.1 on s=: "A colon-separated list of service types to which this record applies. […] Unrecognized service types MUST be ignored."
    let p = p();
    for services in ["tls:email", "email:tls", "tls : email", "tls:*", "*"] {
        passes(&format!("v=DKIM1; k=ed25519; s={services}; p={p}"));
    }
}

#[test]
fn q22_a_revoked_key_is_permerror() {
    // §6.1.2: "If the public-key data (the "p=" tag) is empty, then this key has been revoked and the Verifier MUST treat this as a failed signature
    // check and return PERMFAIL (key revoked)."
    for record in ["v=DKIM1; k=ed25519; p=", "v=DKIM1; p=;", "v=DKIM1; k=ed25519; p= ; n=gone", "p="] {
        refused(record, PermErrorCause::KeyRevoked);
    }
}

#[test]
fn q23_a_key_of_version_dkim2_is_permerror() {
    // §3.6.1 on v=: "Records beginning with a "v=" tag with any other value MUST be discarded. Note that Verifiers must do a string comparison on this
    // value; for example, "DKIM1" is not the same as "DKIM1.0"."
    for version in ["DKIM2", "DKIM1.0", "dkim1", "1", ""] {
        refused(&format!("v={version}; k=ed25519; p={}", p()), PermErrorCause::KeyVersion);
    }
}

#[test]
fn q24_v_that_is_not_first_in_the_key_is_permerror() {
    // §3.6.1 on v=: "This tag MUST be the first tag in the record."
    let p = p();
    refused(&format!("k=ed25519; v=DKIM1; p={p}"), PermErrorCause::KeyVersion);
    refused(&format!("k=ed25519; p={p}; v=DKIM1"), PermErrorCause::KeyVersion);
}

#[test]
fn q25_a_key_of_p_only_passes() {
    // §3.6.1: v= is "RECOMMENDED, default is "DKIM1"", k= is "OPTIONAL, default is "rsa"".
    let p_only = |record: &str| format!("p={}", record.split_once("p=").unwrap().1);
    for name in ["1024", "2048-e3", "4096"] {
        assert_eq!(rsa(name, p_only), Outcome::Pass, "{name}");
    }
}

#[test]
fn q26_an_rsa_key_against_ed25519_is_permerror() {
    // §6.1.2: "If the public-key data is not suitable for use with the algorithm and key types defined by the "a=" and "k=" tags …, the Verifier MUST
    // immediately return PERMFAIL (inappropriate key algorithm)."
    let record = String::from_utf8(vector("rsa-2048-e3.record.txt")).unwrap();
    refused(record.trim_end(), PermErrorCause::KeyType);
    // Without k= it is an RSA key that is wanted, and this is none.
    refused(&format!("v=DKIM1; p={}", p()), PermErrorCause::KeyDamaged);
}

#[test]
fn q27_an_ed25519_key_against_rsa_is_permerror() {
    // §6.1.2, the same sentence.
    let ed25519 = |_: &str| format!("v=DKIM1; k=ed25519; p={}", p());
    assert_eq!(rsa("2048-e3", ed25519), Outcome::PermError(PermErrorCause::KeyType));
}

#[test]
fn q37_unknown_tags_in_the_key_are_ignored() {
    // §3.6.1: "Unrecognized tags MUST be ignored."
    let p = p();
    passes(&format!("v=DKIM1; k=ed25519; x=y; future=a b c; p={p}; z9="));
    // Appendix C.2 took g= out of the standard: whatever it says, it is one of them.
    for granularity in ["", "*", "somebody-else"] {
        passes(&format!("v=DKIM1; g={granularity}; k=ed25519; p={p}"));
    }
    // Flags likewise: "Unrecognized flags MUST be ignored."
    passes(&format!("v=DKIM1; k=ed25519; t=x:future; p={p}"));
}
