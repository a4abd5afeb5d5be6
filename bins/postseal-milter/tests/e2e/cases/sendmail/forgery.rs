//! Sendmail counts fields by name and does not renumber them when one is deleted: each forged field is still removed, and no other.

use super::both_pass;
use crate::mailbox::Delivered;
use crate::mails;
use crate::site::own_results;
use crate::site::sendmail::tap::commands;
use crate::site::sendmail::{Options, SendmailSite};

/// Claims to be ours, among them identical ones, between fields of others.
const FIELDS: &str = "Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n\
    Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n\
    Authentication-Results: other.example; dkim=pass header.d=other-1.example\r\n\
    Received: from nowhere.example by mx.example; Tue, 24 Nov 2026 09:00:00 +0000\r\n\
    AUTHENTICATION-RESULTS: MX.Example 1; spf=pass smtp.mailfrom=forged.example\r\n\
    Authentication-Results:\r\n\t (a comment)\r\n\t\t mx.example\r\n (another) ; dmarc=pass header.from=forged.example\r\n\
    authentication-results: not-mx.example; dkim=pass header.d=other-2.example\r\n\
    Authentication-Results:mx.example;none\r\n\
    Authentication-Results: \"mx.example\"; dkim=pass header.d=forged.example\r\n\
    Authentication-Results: mx.example.other.example; dkim=pass header.d=other-3.example\r\n\
    Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n";

fn only_others_are_left(delivered: &Delivered, values: &[String]) {
    let header = delivered.header();
    assert!(!header.contains("forged"), "{header}");
    let others = ["other-1.example", "other-2.example", "other-3.example"];
    assert_eq!(values.len(), others.len(), "{header}");
    for (value, domain) in values.iter().zip(others) {
        assert!(value.contains(domain), "{domain} in {header}");
    }
}

#[test]
fn mail_from_outside_carries_no_field_under_our_name_but_ours() {
    let site = SendmailSite::start(&Options { is_tapped: true, ..Options::default() });
    let delivered = site.receive(&mails::with_fields(FIELDS, &mails::plain("outside")));
    assert_eq!(own_results(&delivered).words("dkim"), ["none"]);
    only_others_are_left(&delivered, &delivered.all("Authentication-Results")[1..]);
    assert_eq!(delivered.all("Received").len(), 2, "{}", delivered.header());
    assert!(site.daemon.log_line("origin=inbound").contains("removed=7"), "{}", site.daemon.log());

    // §8 of the milter protocol: occurrences are counted from 1 by name; from the highest down, nothing shifts what is still to be done.
    let dialogue = site.tap().dialogue();
    assert_eq!(commands(&dialogue).matches('L').count(), 18, "{}", commands(&dialogue));
    let deleted: Vec<u8> =
        dialogue.iter().filter(|packet| packet.code == b'm').map(|packet| packet.payload[3]).collect();
    assert_eq!(deleted, [10, 8, 7, 5, 4, 2, 1]);
}

#[test]
fn submitted_mail_carries_no_field_under_our_name_and_is_signed_without_them() {
    let site = SendmailSite::start(&Options::default());
    let delivered = site.submit(&mails::with_fields(FIELDS, &mails::plain("submitted")));
    only_others_are_left(&delivered, &delivered.all("Authentication-Results"));
    both_pass(&site, &delivered);
}

/// White space before the colon belongs to no field name (RFC 5322 §3.6.8); obsolete syntax allows it (§4.5), and so do MTAs.
#[test]
fn a_forged_field_with_white_space_before_its_colon_is_removed() {
    let site = SendmailSite::start(&Options::default());
    let fields = "Authentication-Results : mx.example; dkim=pass header.d=forged.example\r\n\
        Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n\
        Authentication-Results\t: mx.example; dkim=pass header.d=forged.example\r\n";
    let delivered = site.receive(&mails::with_fields(fields, &mails::plain("spaced")));
    assert!(!delivered.header().contains("forged"), "{}", delivered.header());
    assert_eq!(own_results(&delivered).words("dkim"), ["none"]);
}

#[test]
fn a_hundred_forged_fields_are_removed() {
    let site = SendmailSite::start(&Options::default());
    let fields = "Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n".repeat(100);
    let delivered = site.receive(&mails::with_fields(&fields, &mails::plain("many")));
    assert!(!delivered.header().contains("forged"), "{}", delivered.header());
    assert_eq!(own_results(&delivered).words("dkim"), ["none"]);
}
