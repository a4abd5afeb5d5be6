//! Questions about bodies that are empty, blank or white, and about their last line end.
//!
//! The hashes of the canonical text are written down, so that signer and verifier cannot be wrong together.

use dkim_core::canon::Canon;
use dkim_core::verify::{FailCause, Outcome};

use crate::CANONS;
use crate::support::{Draft, MESSAGE, altered, outcome};

/// SHA-256 of CRLF, as §3.4.3 gives it.
const CRLF: &str = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=";

/// SHA-256 of nothing, as §3.4.4 gives it.
const NULL: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// SHA-256 of `" \r\n\t\r\n"`.
const WHITE: &str = "QFgmHccm4zHlCym5D6fCgInZoJSzpHz6S1jj9S0VVGg=";

/// SHA-256 of `"a\r\n"`.
const A: &str = "jkYhN5eG70Kk/sFVzVJcKR3X2zwf3jR4Ui9PYcA/0b0=";

const BROKEN: Outcome = Outcome::Fail(FailCause::BodyHash);

fn header() -> &'static [u8] {
    &MESSAGE[..MESSAGE.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 4]
}

/// The usual header with this body, signed under every `c=` whose second half is `canon`, with this text as body hash.
fn signed(body: &str, canon: Canon, bh: &str) -> Vec<Vec<u8>> {
    let message = [header(), body.as_bytes()].concat();
    let of_this_kind = CANONS.iter().filter(|(canons, _)| canons.1 == canon);
    let sign = |(canons, word): &((Canon, Canon), &str)| {
        let template =
            format!(" v=1; a=ed25519-sha256; c={word}; d=example.com; s=sel; h=from:subject; bh={bh}; b={{b}}");
        Draft { template: &template, names: "from:subject", canon: *canons, ..Draft::default() }.sign(&message)
    };
    of_this_kind.map(sign).collect()
}

fn passes(body: &str, canon: Canon, bh: &str) {
    for message in signed(body, canon, bh) {
        assert_eq!(outcome(&message), Outcome::Pass, "{body:?} {canon:?}");
    }
}

fn is_broken(body: &str, canon: Canon, bh: &str) {
    for message in signed(body, canon, bh) {
        assert_eq!(outcome(&message), BROKEN, "{body:?} {canon:?}");
    }
}

#[test]
fn q41_no_body_under_simple_is_a_crlf() {
    // §3.4.3: "Note that a completely empty or missing body is canonicalized as a single "CRLF"; that is, the canonicalized length will be 2 octets."
    passes("", Canon::Simple, CRLF);
    is_broken("", Canon::Simple, NULL);
    // Missing with the empty line before it.
    for message in signed("", Canon::Simple, CRLF) {
        assert_eq!(outcome(&message[..message.len() - 2]), Outcome::Pass);
    }
}

#[test]
fn q42_no_body_under_relaxed_is_nothing() {
    // §3.4.4: "The SHA-256 value is: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", of "an empty body (canonicalized to a null input)".
    passes("", Canon::Relaxed, NULL);
    is_broken("", Canon::Relaxed, CRLF);
    for message in signed("", Canon::Relaxed, NULL) {
        assert_eq!(outcome(&message[..message.len() - 2]), Outcome::Pass);
    }
}

#[test]
fn q43_blank_lines_alone_are_no_body() {
    // §3.4.3: "In more formal terms, the "simple" body canonicalization algorithm converts "*CRLF" at the end of the body to a single "CRLF"." §3.4.4:
    // "Ignore all empty lines at the end of the message body." Then the body is empty, and "if the body is non-empty but does not end with a CRLF"
    // does not hold.
    for count in [1, 2, 3, 100, 70_000] {
        let body = "\r\n".repeat(count);
        passes(&body, Canon::Simple, CRLF);
        passes(&body, Canon::Relaxed, NULL);
        is_broken(&body, Canon::Relaxed, CRLF);
    }
}

#[test]
fn q44_white_lines_under_simple_are_text() {
    // §3.4.3: "An empty line is a line of zero length after removal of the line terminator." A line with a blank in it has one octet.
    passes(" \r\n\t\r\n", Canon::Simple, WHITE);
    passes(" \r\n\t\r\n\r\n\r\n", Canon::Simple, WHITE);
    is_broken(" \r\n\t\r\n", Canon::Simple, CRLF);
    is_broken(" \r\n \r\n", Canon::Simple, WHITE);
}

#[test]
fn q45_white_lines_under_relaxed_are_nothing() {
    // §3.4.4: "MUST apply the following steps (a) and (b) in order: a. […] Ignore all whitespace at the end of lines. […] b. Ignore all empty lines at
    // the end of the message body." After (a) they are empty lines.
    for body in [" \r\n\t\r\n", " \r\n", "\t \t\r\n\r\n  \r\n", " ", "\r\n ", "\t"] {
        passes(body, Canon::Relaxed, NULL);
        is_broken(body, Canon::Relaxed, CRLF);
    }
    for body in ["a\r\n \r\n\t\r\n", "a \t\r\n\t \r\n\r\n"] {
        passes(body, Canon::Relaxed, A);
    }
}

#[test]
fn q46_a_final_crlf_is_added_under_simple() {
    // §3.4.3: "If there is no body or no trailing CRLF on the message body, a CRLF is added."
    for body in ["a", "a\r\n", "a\r\n\r\n"] {
        passes(body, Canon::Simple, A);
    }
    // A CR or LF alone is no CRLF: it stays, and one is added.
    for body in ["a\r", "a\n", "a ", "a\r\n "] {
        is_broken(body, Canon::Simple, A);
    }
}

#[test]
fn q47_a_final_crlf_is_added_under_relaxed() {
    // §3.4.4: "If the body is non-empty but does not end with a CRLF, a CRLF is added."
    for body in ["a", "a\r\n", "a\r\n\r\n", "a ", "a \t", "a\r\n ", "a\r\n\r\n\t"] {
        passes(body, Canon::Relaxed, A);
    }
    for body in ["a\r", "a\n", " a", "b"] {
        is_broken(body, Canon::Relaxed, A);
    }
    // On the way it may come and go.
    for message in signed("a", Canon::Relaxed, A) {
        assert_eq!(outcome(&[&message[..], b"\r\n\r\n"].concat()), Outcome::Pass);
        assert_eq!(outcome(&altered(&message, "\r\n\r\na", "\r\n\r\na \t\r\n")), Outcome::Pass);
    }
}
