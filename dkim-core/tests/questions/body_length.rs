//! Questions about `l=`. Our policy on parts of a body is a matter of its own (§8.2); [`judged`] has the verdict with and without it.

use dkim_core::canon::Canon;
use dkim_core::verify::{BodyLengthPolicy, FailCause, Outcome, PermErrorCause, PolicyCause, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, altered, reports};

/// The outcome by default, and that of a verifier which accepts parts.
fn judged(message: &[u8]) -> [Outcome; 2] {
    [BodyLengthPolicy::default(), BodyLengthPolicy::Accept].map(|body_length| {
        let mut policy = VerifyPolicy::default();
        policy.body_length = body_length;
        reports(message, &Zone::usual(), &policy, NOW)[0].outcome
    })
}

/// Signs the octets `signed` of the body under this `l=`; the message has `body`.
fn signed(length: &str, signed: &str, body: &str, canon: Canon) -> Vec<u8> {
    let template = format!(
        " v=1; a=ed25519-sha256; c=relaxed/{}; d=example.com; s=sel; l={length}; h=from:content-type; bh={{bh}}; b={{b}}",
        if canon == Canon::Simple { "simple" } else { "relaxed" }
    );
    let header = &MESSAGE[..MESSAGE.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4];
    let draft =
        Draft { template: &template, names: "from:content-type", canon: (Canon::Relaxed, canon), ..Draft::default() };
    let with_part = draft.sign(&[header, signed.as_bytes()].concat());
    [&with_part[..with_part.len() - signed.len()], body.as_bytes()].concat()
}

#[test]
fn q08_l_counts_canonical_octets() {
    // §3.5 on l=: "This tag informs the Verifier of the number of octets in the body of the email after canonicalization included in the cryptographic
    // hash, starting from 0 immediately following the CRLF preceding the body."
    let body = "A   B \t C  \r\nD\t\r\n\r\n\r\n";
    let canonical = "A B C\r\nD\r\n";
    assert_eq!(judged(&signed("10", canonical, body, Canon::Relaxed)), [Outcome::Pass; 2]);
    // 10 octets as the message has them end within the first line.
    let raw = signed("10", &body[..10], body, Canon::Relaxed);
    assert_eq!(judged(&raw), [Outcome::Fail(FailCause::BodyHash); 2]);
}

#[test]
fn q09_l_of_a_part_is_valid_and_not_acceptable() {
    // §3.7: "Canonicalize the message body, and truncate it to the length specified in the "l=" tag." The signature is valid.
    let part = signed("6", "Good\r\n", "Good\r\nEvil\r\n", Canon::Simple);
    assert_eq!(judged(&part), [Outcome::Policy(PolicyCause::BodyNotCovered), Outcome::Pass]);
    // §8.2: "To avoid this attack, Signers should be extremely wary of using this tag, and Assessors might wish to ignore signatures that use the tag."
    let broken = altered(&part, "Good", "Goof");
    assert_eq!(judged(&broken), [Outcome::Fail(FailCause::BodyHash); 2]);
    // What l= covers whole it harms in no way.
    assert_eq!(judged(&signed("6", "Good\r\n", "Good\r\n", Canon::Simple)), [Outcome::Pass; 2]);
}

#[test]
fn q10_l_0_signs_no_octet_of_the_body() {
    // §3.5 on l=: "This tag informs the Verifier of the number of octets in the body of the email after canonicalization included in the cryptographic
    // hash, starting from 0". Nothing is the null input of the hash, under simple as well.
    let nothing = signed("0", "", "Anything\r\n", Canon::Relaxed);
    assert_eq!(judged(&nothing), [Outcome::Policy(PolicyCause::BodyNotCovered), Outcome::Pass]);
    // The hash of the CRLF that simple makes of an empty body is that of two octets.
    let two = signed("0", "", "Anything\r\n", Canon::Simple);
    assert_eq!(judged(&two), [Outcome::Fail(FailCause::BodyHash); 2]);
    assert_eq!(judged(&signed("2", "", "", Canon::Simple)), [Outcome::Pass; 2]);
    assert_eq!(judged(&signed("0", "", "", Canon::Relaxed)), [Outcome::Pass; 2]);
}

#[test]
fn q11_l_beyond_the_body_is_permerror() {
    // §3.5 on l=: "This value MUST NOT be larger than the actual number of octets in the canonicalized message body."
    for (length, body, canon) in [
        ("7", "Good\r\n", Canon::Simple),
        ("18446744073709551615", "Good\r\n", Canon::Simple),
        // As many octets as the message has, and more than the canonical ones.
        ("9", "Good   \r\n", Canon::Relaxed),
        ("1", "", Canon::Relaxed),
        ("3", "", Canon::Simple),
    ] {
        let outcome = Outcome::PermError(PermErrorCause::BodyTooShort);
        assert_eq!(judged(&signed(length, body, body, canon)), [outcome; 2], "l={length}");
    }
}

#[test]
fn q12_l_that_is_no_number_is_permerror() {
    // §3.5 has sig-l-tag as "1*76DIGIT". §6.1.1: "Implementers MUST meticulously validate the format and values in the DKIM-Signature header field; any
    // inconsistency or unexpected values MUST cause the header field to be completely ignored and the Verifier to return PERMFAIL (signature syntax
    // error)."
    for length in ["", "-1", "+6", "6 ", "6.0", "0x6", "6e0", "six", "6 6", "\u{666}"] {
        let expected = if length == "6 " {
            // White space around a value is not part of it (§3.2).
            Outcome::Pass
        } else {
            Outcome::PermError(PermErrorCause::BodyLength)
        };
        assert_eq!(judged(&signed(length, "Good\r\n", "Good\r\n", Canon::Simple)), [expected; 2], "l={length:?}");
    }
}
