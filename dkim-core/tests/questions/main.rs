//! The 48 questions to which verifiers give different answers, each a test with the sentence that answers it.
//!
//! Every message is really signed, over the exact octets that are verified: where an answer is a refusal, everything but the point in question
//! is right. `q08_…` is question 8 of [`QUESTIONS`]; a test sees to it that each question has its test. Sections are those of RFC 6376 unless
//! another RFC is named.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the helpers work on messages of this program; what fails there fails the test"
)]

#[path = "../edge/support.rs"]
mod support;

mod body;
mod body_length;
mod header;
mod identity;
mod keys;
mod tags;

use std::collections::HashMap;
use std::process::Command;

use dkim_core::canon::Canon;
use dkim_core::verify::{Outcome, PermErrorCause};

use crate::support::{Draft, MESSAGE, outcome};

/// What is asked, in the order of the numbers.
const QUESTIONS: [&str; 48] = [
    "From is not in h=",
    "there is no v=",
    "v=2",
    "x= lies in the past",
    "x= lies before t=",
    "t= lies a year ahead",
    "x= has more than 64 bits",
    "l= counts canonical octets",
    "l= covers a part of the body",
    "l=0",
    "l= lies beyond the end of the body",
    "l= is no number",
    "i= is in a subdomain of d=",
    "i= is in a subdomain and the key has t=s",
    "i= is in a foreign domain",
    "i= ends in d= without a dot before it",
    "a=rsa-sha1",
    "an RSA key of 512 bits",
    "the key has h=sha1",
    "the key has s=other",
    "the key has s=tls:email",
    "the key is revoked",
    "the key has v=DKIM2",
    "v= is not the first tag of the key",
    "the key has p= only",
    "k=rsa against a=ed25519-sha256",
    "k=ed25519 against a=rsa-sha256",
    "a second From without oversigning",
    "a second From with oversigning",
    "h= names fields that are absent",
    "a field that h= names and that was absent is added",
    "odd spaces around the colon under simple",
    "spaces around the colon change on the way",
    "d= twice",
    "an unknown tag twice",
    "unknown tags in the signature",
    "unknown tags in the key",
    "q= lists an unknown method before a known one",
    "q= lists unknown methods only",
    "z= differs from the header",
    "no body under simple",
    "no body under relaxed",
    "a body of blank lines",
    "a body of white lines under simple",
    "a body of white lines under relaxed",
    "no final CRLF under simple",
    "no final CRLF under relaxed",
    "d= in U-labels",
];

/// Every way to say `c=`.
const CANONS: [((Canon, Canon), &str); 4] = [
    ((Canon::Simple, Canon::Simple), "simple/simple"),
    ((Canon::Simple, Canon::Relaxed), "simple/relaxed"),
    ((Canon::Relaxed, Canon::Simple), "relaxed/simple"),
    ((Canon::Relaxed, Canon::Relaxed), "relaxed/relaxed"),
];

/// The usual message signed with these tags more, which stand before `h=`.
fn signed_with(tags: &str) -> Vec<u8> {
    let template = format!(
        " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; {tags}; h=from:content-type; bh={{bh}}; b={{b}}"
    );
    Draft { template: &template, names: "from:content-type", ..Draft::default() }.sign(MESSAGE)
}

/// The tag list, of which these are all but `bh=` and `b=`, is refused for this cause.
fn refused(tags: &str, names: &str, cause: PermErrorCause) {
    let template = format!(" {tags}; bh={{bh}}; b={{b}}");
    let signed = Draft { template: &template, names, ..Draft::default() }.sign(MESSAGE);
    assert_eq!(outcome(&signed), Outcome::PermError(cause), "{tags}");
}

#[test]
fn every_question_has_its_test() {
    // The test program is asked itself, so that a test which is not compiled counts as missing.
    let listed = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut tests: HashMap<usize, Vec<&str>> = HashMap::new();
    for line in listed.lines().filter_map(|line| line.strip_suffix(": test")) {
        let name = line.rsplit("::").next().unwrap();
        if let Some((number, _)) = name.strip_prefix('q').and_then(|rest| rest.split_once('_')) {
            tests.entry(number.parse().unwrap()).or_default().push(name);
        }
    }
    for (number, question) in (1..).zip(QUESTIONS) {
        let found = tests.remove(&number).unwrap_or_default();
        assert_eq!(found.len(), 1, "tests of question {number}, {question}: {found:?}");
    }
    assert!(tests.is_empty(), "tests without a question: {tests:?}");
}
