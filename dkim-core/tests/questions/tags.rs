//! Questions about the tags of the signature: the required ones, times, the algorithm, duplicates, unknown ones, `q=`, `z=`.

use std::fs;
use std::path::Path;

use dkim_core::verify::{FailCause, Outcome, PermErrorCause, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, altered, outcome, reports};
use crate::{refused, signed_with};

const A_YEAR: u64 = 365 * 86_400;

fn refused_with(tags: &str, cause: PermErrorCause) {
    assert_eq!(outcome(&signed_with(tags)), Outcome::PermError(cause), "{tags}");
}

#[test]
fn q01_from_not_in_h_is_permerror() {
    // §6.1.1: "If the "h=" tag does not include the From header field, the Verifier MUST ignore the DKIM-Signature header field and return PERMFAIL
    // (From field not signed)."
    for names in ["to:subject", "subject", "x-from:resent-from"] {
        refused(
            &format!("v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h={names}"),
            names,
            PermErrorCause::FromNotSigned,
        );
    }
}

#[test]
fn q02_no_v_is_permerror() {
    // §6.1.1: "If any tag listed as "required" in Section 3.5 is omitted from the DKIM-Signature header field, the Verifier MUST ignore the
    // DKIM-Signature header field and return PERMFAIL (signature missing required tag)."
    refused("a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from", "from", PermErrorCause::MissingTag);
}

#[test]
fn q03_v_2_is_permerror() {
    // §6.1.1: "Verifiers MUST return PERMFAIL (incompatible version) when presented a DKIM-Signature header field with a "v=" tag that is inconsistent
    // with this specification."
    for version in ["2", "1.0", "01", "0.5", "DKIM1", ""] {
        refused(
            &format!("v={version}; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from"),
            "from",
            PermErrorCause::Version,
        );
    }
}

#[test]
fn q04_x_in_the_past_is_permerror() {
    // §6.1.1: "Verifiers MAY ignore the DKIM-Signature header field and return PERMFAIL (signature expired) if it contains an "x=" tag and the
    // signature has expired."
    refused_with(&format!("t={}; x={}", NOW - A_YEAR, NOW - 3600), PermErrorCause::Expired);
    refused_with(&format!("x={}", NOW - 3600), PermErrorCause::Expired);
    assert_eq!(outcome(&signed_with(&format!("t={NOW}; x={}", NOW + 3600))), Outcome::Pass);
}

#[test]
fn q05_x_before_t_is_permerror() {
    // §3.5 on x=: "The value of the "x=" tag MUST be greater than the value of the "t=" tag if both are present."
    refused_with(&format!("t={NOW}; x={}", NOW - 1), PermErrorCause::ExpirationOrder);
    refused_with(&format!("t={NOW}; x={NOW}"), PermErrorCause::ExpirationOrder);
}

#[test]
fn q06_t_a_year_ahead_is_permerror() {
    // §3.5 on t=: "Implementations MAY ignore signatures that have a timestamp in the future."
    refused_with(&format!("t={}", NOW + A_YEAR), PermErrorCause::InFuture);
}

#[test]
fn q07_x_beyond_64_bits_never_expires() {
    // §3.5 on t=, whose constraints x= shares: "This value is not constrained to fit into a 31- or 32-bit integer. […] To avoid denial-of-service
    // attacks, implementations MAY consider any value longer than 12 digits to be infinite."
    for expiration in ["18446744073709551616", "99999999999999999999999999999999"] {
        assert_eq!(outcome(&signed_with(&format!("t={NOW}; x={expiration}"))), Outcome::Pass, "{expiration}");
    }
    // One that holds its last bits only would lie in the past: 2^64 + 1.
    assert_eq!(outcome(&signed_with("x=18446744073709551617")), Outcome::Pass);
}

#[test]
fn q17_rsa_sha1_is_permerror() {
    // RFC 8301 §3.1: "rsa-sha1 MUST NOT be used for signing or verifying."
    let vector =
        |name: &str| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys").join(name)).unwrap();
    let record = String::from_utf8(vector("rsa-2048-e3.record.txt")).unwrap();
    let zone = Zone::default().with("rsa-2048-e3._domainkey.example.com", record.trim_end());
    let report = reports(&vector("signed-rsa-sha1.eml"), &zone, &VerifyPolicy::default(), NOW).remove(0);
    assert_eq!(report.outcome, Outcome::PermError(PermErrorCause::RsaSha1));
    // The same key is good for the other hash.
    let report = reports(&vector("signed-rsa-2048-e3.eml"), &zone, &VerifyPolicy::default(), NOW).remove(0);
    assert_eq!(report.outcome, Outcome::Pass);
}

#[test]
fn q34_d_twice_is_permerror() {
    // §3.2: "Tags with duplicate names MUST NOT occur within a single tag-list; if a tag name does occur more than once, the entire tag-list is
    // invalid."
    for second in ["example.com", "example.net"] {
        refused_with(&format!("d={second}"), PermErrorCause::Syntax);
    }
}

#[test]
fn q35_an_unknown_tag_twice_is_permerror() {
    // §3.2, the same sentence: it makes no exception for tags that mean nothing.
    refused_with("y=1; y=1", PermErrorCause::Syntax);
    // §3.2: "Tags MUST be interpreted in a case-sensitive manner." These are two tags.
    assert_eq!(outcome(&signed_with("y=1; Y=1")), Outcome::Pass);
}

#[test]
fn q36_unknown_tags_are_ignored_and_signed() {
    // §3.2: "Unrecognized tags MUST be ignored."
    let signed = signed_with("r=y; atps=example.net; y_1=a value: with \"signs\"");
    assert_eq!(outcome(&signed), Outcome::Pass);
    // §3.7 has the whole field signed, without the value of b= only.
    assert_eq!(outcome(&altered(&signed, "r=y", "r=n")), Outcome::Fail(FailCause::Signature));
}

#[test]
fn q38_an_unknown_method_in_q_is_passed_over() {
    // §3.5 on q=: "Implementations MUST use the recognized query mechanisms in the order presented. Unrecognized query mechanisms MUST be ignored."
    for methods in ["https/json:dns/txt", "dns/txt:https", "x : dns/txt", "DNS/TXT"] {
        assert_eq!(outcome(&signed_with(&format!("q={methods}"))), Outcome::Pass, "{methods}");
    }
}

#[test]
fn q39_unknown_methods_only_are_permerror() {
    // §3.5 on q=: "Currently, the only valid value is "dns/txt"", and: "The only option defined for the "dns" query type is "txt", which MUST be
    // included."
    for methods in ["https", "https/json:x", "dns", "dns/a"] {
        refused_with(&format!("q={methods}"), PermErrorCause::QueryMethod);
    }
}

#[test]
fn q40_z_says_nothing_about_the_message() {
    // §3.5 on z=: "The header fields referenced by the "h=" tag refer to the fields in the [RFC5322] header of the message, not to any copied fields in
    // the "z=" tag. Copied header field values are for diagnostic use."
    let copied = "z=From:=20Eve=20<eve@example.net>|Subject:=20Another=20one";
    let signed = signed_with(copied);
    assert_eq!(outcome(&signed), Outcome::Pass);
    // It neither spoils a good signature nor saves a bad one.
    let template = " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; z=From:=20Joe=20<joe@example.com>; h=from; bh={bh}; b={b}";
    let signed = Draft { template, names: "from", ..Draft::default() }.sign(MESSAGE);
    assert_eq!(outcome(&signed), Outcome::Pass);
    let forged = altered(&signed, "\r\nFrom: Joe <joe@example.com>", "\r\nFrom: Eve <eve@example.net>");
    assert_eq!(outcome(&forged), Outcome::Fail(FailCause::Signature));
}
