//! Mail from outside gets a true Authentication-Results field.

use crate::mails;
use crate::site::{Options, Site};

/// Replaces a text that stands once in a message.
fn tamper(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert_eq!(text.matches(from).count(), 1, "`{from}` in\n{text}");
    text.replace(from, to).into_bytes()
}

#[test]
fn each_signature_is_named_by_domain_selector_algorithm_and_its_first_octets() {
    let site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("named"));
    let results = site.judge(&signed.message);
    for (algorithm, selector) in [("rsa-sha256", "rsa"), ("ed25519-sha256", "ed25519")] {
        let of_it: Vec<_> =
            results.of("dkim").into_iter().filter(|result| result.property("header.a") == algorithm).collect();
        assert_eq!(of_it.len(), 1, "{results:?}");
        assert_eq!(of_it[0].result, "pass");
        assert_eq!(of_it[0].property("header.d"), "author.example");
        assert_eq!(of_it[0].property("header.i"), "@author.example");
        assert_eq!(of_it[0].property("header.s"), selector);
        // RFC 6008 §4: the first eight characters of b= or more.
        let begin = of_it[0].property("header.b");
        assert!(begin.len() >= 8, "{begin}");
        let tag = |value: &String| value.replace(['\t', ' '], "").contains(&format!("b={begin}"));
        assert_eq!(signed.all("DKIM-Signature").iter().filter(|value| tag(value)).count(), 1, "{begin}");
    }
}

#[test]
fn a_changed_body_fails() {
    let site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("body"));
    let results = site.judge(&tamper(&signed.message, "regards", "REGARDS"));
    assert_eq!(results.words("dkim"), ["fail", "fail"]);
}

#[test]
fn a_changed_header_field_fails() {
    let site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("header"));
    let results = site.judge(&tamper(&signed.message, "A Sender", "Another Sender"));
    assert_eq!(results.words("dkim"), ["fail", "fail"]);
}

#[test]
fn a_second_from_field_fails() {
    let site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("oversigned"));
    let results = site.judge(&mails::with_fields("From: Somebody Else <boss@author.example>\r\n", &signed.message));
    assert_eq!(results.words("dkim"), ["fail", "fail"]);
}

#[test]
fn what_a_relay_may_change_still_passes() {
    let site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("relayed"));
    // Relaxed canonicalization: white space inside and at the end of lines, empty lines at the end, folds, fields put on top.
    let folded = tamper(&signed.message, "Subject: relayed\r\n  of a test", "Subject:\r\n relayed of   a test");
    let spaced = tamper(&folded, "regards\t ", "regards");
    let results = site.judge(&mails::with_fields("Received: by relay.example\r\nX-Seen: yes\r\n", &spaced));
    assert_eq!(results.words("dkim"), ["pass", "pass"]);
}

#[test]
fn unsigned_mail_is_none() {
    let site = Site::start(&Options::default());
    let results = site.judge(&mails::plain("unsigned"));
    assert_eq!(results.words("dkim"), ["none"]);
}

#[test]
fn a_signature_whose_key_does_not_exist_is_a_permanent_error() {
    let site = Site::start(&Options::default());
    let signed = site.submit(&mails::plain("no-key"));
    let text = String::from_utf8(signed.message).unwrap();
    let results = site.judge(text.replace("s=rsa;", "s=gone;").replace("s=ed25519;", "s=gone;").as_bytes());
    assert_eq!(results.words("dkim"), ["permerror", "permerror"]);
}
