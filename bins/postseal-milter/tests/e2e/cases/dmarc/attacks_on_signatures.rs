//! The rows of the same table about signatures: what a signature says of domains, what it covers, how long it holds.

use super::attacks::{direct, is_refused_directly};
use super::{STRICT, fate, is_judged, observed};
use crate::mails;
use crate::milter::split;
use crate::signer::{draft, sign};
use crate::site::{mail, own_results};
use crate::smtp::Smtp;

/// What the bank's own signatures cover.
const NAMES: &str = "from:to:subject:date:message-id";

/// Row "NUL in d= or s=": the name of the key ends in the stranger's domain, the text before the NUL is the bank. Postfix takes such a message; what
/// a milter sees of the field is up to the MTA.
#[test]
fn d8_x10_a_nul_in_a_signature_makes_nobody_else_of_the_signer() {
    STRICT.with(|site| {
        for tags in [
            "d=bank.example\u{0}.stranger.example; s=s;",
            "d=stranger.example; s=s._domainkey.bank.example\u{0};",
            "d=bank.example; s=s\u{0}.stranger.example;",
        ] {
            let message = draft(tags, NAMES, &mails::from("bank.example"));
            fate(site, "a@stranger.example", &message).is_refused_for("bank.example");
        }
    });
}

/// Row "authentication-results injection", by what a signature says, through Postfix.
#[test]
fn d8_h1_a_signature_writes_nothing_into_our_results() {
    STRICT.with(|site| {
        for tags in [
            "d=bank.example'(.stranger.example; s=s;",
            "d=bank.example\".stranger.example; s=s;",
            "d=bank.example(.stranger.example; s=s;",
            "d=stranger.example; s=s\"(;",
            "d=stranger.example; s=s; i=\"; dmarc=pass header.from=bank.example\"@stranger.example;",
            "d=stranger.example; s=s; i=a(;dmarc=pass@stranger.example;",
        ] {
            let message = draft(tags, NAMES, &mails::from("bank.example"));
            fate(site, "a@stranger.example", &message).is_refused_for("bank.example");
            let delivered = observed(site, "a@stranger.example", &message);
            is_judged(&delivered, "fail", "bank.example", "reject");
            assert_eq!(own_results(&delivered).of("dkim").len(), 1, "{}", delivered.header());
        }
    });
}

/// Row "h= without oversigning": the bank's own message, with a field added above it. A second From is two authors, whatever is signed.
#[test]
fn m6_d29_a_from_field_added_to_signed_mail_is_seen() {
    STRICT.with(|site| {
        let genuine = sign("bank.example", &mails::from("bank.example"));
        fate(site, "a@stranger.example", &genuine).delivered();
        for field in ["From: <a@stranger.example>\r\n", "From: <security@bank.example>\r\n"] {
            fate(site, "a@stranger.example", &mails::with_fields(field, &genuine)).is_refused_for_its_author();
        }
    });
}

/// The same row with Subject: mail of ours is oversigned, so that an added one breaks both signatures.
#[test]
fn d29_a_subject_added_to_mail_of_ours_breaks_it() {
    STRICT.with(|site| {
        let reply = Smtp::connect(site.postfix.submission).send(&mail("", &mails::plain("oversigned")));
        assert_eq!(reply.code, 250, "{reply:?}");
        let sent = site.postfix.mailbox.next().message;
        fate(site, "a@stranger.example", &sent).delivered();
        for name in ["Subject", "To", "Date", "Content-Type"] {
            let message = mails::with_fields(&format!("{name}: added\r\n"), &sent);
            fate(site, "a@stranger.example", &message).is_refused_for("author.example");
        }
    });
}

/// Row "replay of l= and old signatures": the bank has signed a first part, and the rest is the stranger's.
#[test]
fn x2_a_body_longer_than_l_is_not_what_was_signed() {
    STRICT.with(|site| {
        let message = mails::from("bank.example");
        let text = String::from_utf8(message.clone()).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        // As relaxed canonicalization counts it: blanks at line ends and empty lines at the end are gone.
        let canonical = body.replace("Hello,   ", "Hello,").replace("regards\t ", "regards");
        let length = canonical.trim_end().len() + 2;
        let signed = draft(
            &format!("d=bank.example; s=s; l={length};"),
            &format!("{NAMES}:content-type:mime-version"),
            &message,
        );
        // It covers all that was there when it was made.
        is_judged(&fate(site, "a@stranger.example", &signed).delivered(), "pass", "bank.example", "reject");
        let longer = [signed, b"Send your password to the stranger.\r\n".to_vec()].concat();
        fate(site, "a@stranger.example", &longer).is_refused_for("bank.example");
        assert_eq!(own_results(&observed(site, "a@stranger.example", &longer)).words("dkim"), ["policy"]);
    });
}

/// The same row: a signature that is over.
#[test]
fn d20_a_signature_after_its_expiration_counts_for_nothing() {
    STRICT.with(|site| {
        let message = mails::from("bank.example");
        let valid = draft("d=bank.example; s=s; t=1700000000; x=4000000000;", NAMES, &message);
        fate(site, "a@stranger.example", &valid).delivered();
        let expired = draft("d=bank.example; s=s; t=1700000000; x=1700086400;", NAMES, &message);
        fate(site, "a@stranger.example", &expired).is_refused_for("bank.example");
        // And directly, where nothing comes between.
        let (fields, _) = split(&expired);
        is_refused_directly(&direct(site, b"<a@stranger.example>", &fields));
    });
}
