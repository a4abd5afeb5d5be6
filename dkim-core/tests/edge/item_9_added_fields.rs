//! Item 9: fields added to a signed message, with and without oversigning (D-29; RFC 6376 §8.15, §5.4).

use dkim_core::sign::SignatureSpec;
use dkim_core::verify::{FailCause, Outcome, PolicyCause, VerifyPolicy};

use crate::support::{MESSAGE, NOW, Zone, above, altered, below, outcome, reports, sign, spec};

const BROKEN: Outcome = Outcome::Fail(FailCause::Signature);

/// Signs each field there is, and nothing more.
fn plain() -> SignatureSpec {
    let mut spec = spec();
    spec.oversigned.clear();
    spec
}

const ADDED: [&str; 4] = [
    "From: Eve <eve@example.net>\r\n",
    "Subject: Urgent\r\n",
    "Content-Type: multipart/mixed; boundary=x\r\n",
    "To: everyone@example.org\r\n",
];

#[test]
fn with_oversigning_no_field_can_be_added_anywhere() {
    let signed = sign(spec(), MESSAGE);
    assert_eq!(outcome(&signed), Outcome::Pass);
    for field in
        ADDED.iter().chain(&["Reply-To: eve@example.net\r\n", "Cc: eve@example.net\r\n", "Sender: eve@example.net\r\n"])
    {
        assert_eq!(outcome(&above(field, &signed)), BROKEN, "{field}");
        assert_eq!(outcome(&below(field, &signed)), BROKEN, "{field}");
    }
}

#[test]
fn without_oversigning_a_field_above_is_not_noticed() {
    // §8.15: the reason for oversigning. The signature is valid; what the message means is another question.
    let signed = sign(plain(), MESSAGE);
    for field in ADDED {
        assert_eq!(outcome(&above(field, &signed)), Outcome::Pass, "{field}");
        assert_eq!(outcome(&below(field, &signed)), BROKEN, "{field}");
    }
}

#[test]
fn a_verifier_can_ask_that_every_such_field_be_signed() {
    let signed = sign(plain(), MESSAGE);
    let mut policy = VerifyPolicy::default();
    policy.must_be_signed = vec!["from".to_owned(), "subject".to_owned(), "content-type".to_owned()];
    let outcome = |message: &[u8]| reports(message, &Zone::usual(), &policy, NOW)[0].outcome;
    assert_eq!(outcome(&signed), Outcome::Pass);
    for field in &ADDED[..3] {
        assert_eq!(outcome(&above(field, &signed)), Outcome::Policy(PolicyCause::FieldNotSigned), "{field}");
    }
}

#[test]
fn an_absent_field_that_was_oversigned_cannot_be_added() {
    let message = altered(MESSAGE, "Content-Type: text/plain; charset=us-ascii\r\n", "");
    let added = "Content-Type: text/html\r\n";
    assert_eq!(outcome(&above(added, &sign(spec(), &message))), BROKEN);
    assert_eq!(outcome(&above(added, &sign(plain(), &message))), Outcome::Pass);
}

#[test]
fn removed_and_changed_fields_break_every_signature() {
    for spec in [spec(), plain()] {
        let signed = sign(spec, MESSAGE);
        for (from, to) in [
            ("To: mary@example.org\r\n", ""),
            ("To: mary@example.org\r\n", "To: mary@example.net\r\n"),
            ("Subject: Is dinner\r\n\tready?", "Subject: Is dinner ready"),
            ("Date: Tue", "Date: Wed"),
        ] {
            assert_eq!(outcome(&altered(&signed, from, to)), BROKEN, "{from} {to}");
        }
        // Refolding is what relaxed is for.
        assert_eq!(outcome(&altered(&signed, "Is dinner\r\n\tready?", "Is \t dinner ready?  ")), Outcome::Pass);
    }
}

#[test]
fn a_changed_body_is_told_apart_from_a_changed_header() {
    let signed = sign(spec(), MESSAGE);
    assert_eq!(outcome(&altered(&signed, "We lost", "We won")), Outcome::Fail(FailCause::BodyHash));
    assert_eq!(outcome(&[&signed[..], b"PS.\r\n"].concat()), Outcome::Fail(FailCause::BodyHash));
    assert_eq!(outcome(&[&signed[..], b" \r\n\r\n\t"].concat()), Outcome::Pass);
}

#[test]
fn a_look_alike_field_is_another_field() {
    let signed = sign(spec(), MESSAGE);
    for field in ["X-From: eve@example.net\r\n", "Fro: m\r\n", "From-: eve@example.net\r\n"] {
        assert_eq!(outcome(&above(field, &signed)), Outcome::Pass, "{field}");
    }
    // A blank before the colon does not make it one.
    assert_eq!(outcome(&above("From : eve@example.net\r\n", &signed)), BROKEN);
    assert_eq!(outcome(&above("FROM\t: eve@example.net\r\n", &signed)), BROKEN);
}
