//! Nobody but the daemon speaks under our name: incoming Authentication-Results fields that claim it are removed (RFC 8601 §5), those of
//! others stay.

use crate::cases::both_pass;
use crate::mailbox::Delivered;
use crate::mails;
use crate::site::postfix::HOST;
use crate::site::{DOMAIN, Options, Site, own_results};

/// Claims to be ours in every spelling, between fields of others. `mx.example` is the name of the MTA, which the daemon takes by default.
const FIELDS: &str = "Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n\
    Authentication-Results: other.example; dkim=pass header.d=other-1.example\r\n\
    Authentication-Results: MX.Example; spf=pass smtp.mailfrom=forged.example\r\n\
    AUTHENTICATION-RESULTS: mx.example 1; dkim=pass header.d=forged.example\r\n\
    Authentication-Results: \"mx.example\"; dkim=pass header.d=forged.example\r\n\
    Authentication-Results:\r\n (a comment) mx.example (another); dmarc=pass header.from=forged.example\r\n\
    authentication-results: not-mx.example; dkim=pass header.d=other-2.example\r\n\
    Authentication-Results:mx.example;none\r\n\
    Authentication-Results: mx.example.other.example; dkim=pass header.d=other-3.example\r\n\
    Authentication-Results: mx.example; dkim=pass header.d=forged.example\r\n";

/// All fields under our name are gone and all others are there, in their order.
fn only_foreign_ones_are_left(values: &[String]) {
    let foreign = ["other-1.example", "other-2.example", "other-3.example"];
    assert_eq!(values.len(), foreign.len(), "{values:#?}");
    for (value, domain) in values.iter().zip(foreign) {
        assert!(value.contains(domain), "{domain} in {values:#?}");
    }
}

fn nothing_forged_is_left(delivered: &Delivered) {
    let header = delivered.header();
    assert!(!header.contains("forged"), "{header}");
}

#[test]
fn mail_from_outside_carries_no_field_under_our_name_but_ours() {
    let site = Site::start(&Options::default());
    let delivered = site.receive(&mails::with_fields(FIELDS, &mails::plain("results-outside")));
    nothing_forged_is_left(&delivered);
    assert_eq!(own_results(&delivered).words("dkim"), ["none"]);
    only_foreign_ones_are_left(&delivered.all("Authentication-Results")[1..]);
}

#[test]
fn submitted_mail_carries_no_field_under_our_name() {
    let site = Site::start(&Options::default());
    let delivered = site.submit(&mails::with_fields(FIELDS, &mails::plain("submitted-results")));
    nothing_forged_is_left(&delivered);
    only_foreign_ones_are_left(&delivered.all("Authentication-Results"));
    both_pass(&site, &delivered, DOMAIN);
}

#[test]
fn mail_of_a_local_program_carries_no_field_under_our_name() {
    let site = Site::start(&Options::default());
    let message = mails::with_fields(FIELDS, &mails::plain("local-results"));
    let text = String::from_utf8(message).unwrap().replace("\r\n", "\n");
    site.postfix.sendmail("sender@author.example", "reader@reader.example", text.as_bytes());
    let delivered = site.postfix.mailbox.next();
    nothing_forged_is_left(&delivered);
    only_foreign_ones_are_left(&delivered.all("Authentication-Results"));
}

/// Whole and unreadable, the field says our name: a reader further on might take it for ours.
#[test]
fn a_field_that_nobody_can_parse_but_names_us_is_removed() {
    let site = Site::start(&Options::default());
    let fields = format!(
        "Authentication-Results: {HOST} \"unclosed; dkim=pass header.d=forged.example\r\n\
         Authentication-Results: {HOST} (unclosed; dkim=pass header.d=forged.example\r\n\
         Authentication-Results: {HOST}\r\n"
    );
    let delivered = site.receive(&mails::with_fields(&fields, &mails::plain("broken-results")));
    nothing_forged_is_left(&delivered);
    assert_eq!(delivered.all("Authentication-Results").len(), 1, "{}", delivered.header());
}
