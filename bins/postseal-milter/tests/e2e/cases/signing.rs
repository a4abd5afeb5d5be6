//! Mail of our own leaves signed: whatever way it came in, with whatever in it, and once.

use crate::cases::{both_pass, passes_twice};
use crate::mails;
use crate::site::{DOMAIN, Options, Site, UNICODE_DOMAIN, mail};
use crate::smtp::Smtp;

#[test]
fn submitted_mail_is_signed_by_both_keys_and_verifies_when_it_comes_back() {
    let site = Site::start(&Options::default());
    let delivered = site.submit(&mails::plain("submission"));
    assert_eq!(delivered.all("Authentication-Results").len(), 0, "nobody judges mail of our own");
    let signatures = delivered.all("DKIM-Signature");
    assert_eq!(signatures.len(), 2, "{}", delivered.header());
    assert_eq!(signatures.iter().filter(|value| value.contains("a=rsa-sha256")).count(), 1, "{signatures:?}");
    assert_eq!(signatures.iter().filter(|value| value.contains("a=ed25519-sha256")).count(), 1, "{signatures:?}");
    for value in &signatures {
        assert!(value.contains(&format!("d={DOMAIN}")), "{value}");
        assert!(!value.contains("l="), "a signature covers the whole body: {value}");
    }
    both_pass(&site, &delivered, DOMAIN);
}

#[test]
fn mail_of_an_authenticated_client_elsewhere_is_signed() {
    let site = Site::start(&Options::default());
    let attributes = "ADDR=198.51.100.7 NAME=laptop.example HELO=laptop.example LOGIN=sender@author.example";
    let mut session = Smtp::connect_as(site.postfix.inbound, attributes);
    let delivered = site.deliver(&mut session, "", &mails::plain("authenticated"));
    both_pass(&site, &delivered, DOMAIN);
}

#[test]
fn mail_of_a_local_program_is_signed() {
    let site = Site::start(&Options::default());
    let text = String::from_utf8(mails::plain("pickup")).unwrap().replace("\r\n", "\n");
    site.postfix.sendmail("sender@author.example", "reader@reader.example", text.as_bytes());
    both_pass(&site, &site.postfix.mailbox.next(), DOMAIN);
}

#[test]
fn mail_in_the_name_of_a_domain_without_keys_leaves_unsigned() {
    let site = Site::start(&Options::default());
    let delivered = site.submit(&mails::from("stranger.example"));
    assert_eq!(delivered.all("DKIM-Signature").len(), 0, "{}", delivered.header());
}

#[test]
fn every_message_leaves_one_line_in_the_log_under_its_queue_id() {
    let site = Site::start(&Options::default());
    let mut session = Smtp::connect(site.postfix.submission);
    for message in [mails::plain("logged"), mails::from("stranger.example")] {
        let reply = session.send(&mail("", &message));
        let (_, queue_id) = reply.text.split_once("queued as ").unwrap();
        let line = site.daemon.log_line(queue_id);
        assert_eq!(site.daemon.log().matches(queue_id).count(), 1, "{}", site.daemon.log());
        assert!(line.contains("submission"), "the origin: {line}");
    }
}

#[test]
fn mail_from_outside_in_our_name_is_not_signed() {
    let site = Site::start(&Options::default());
    let delivered = site.receive(&mails::plain("spoofed"));
    assert_eq!(delivered.all("DKIM-Signature").len(), 0, "{}", delivered.header());
}

#[test]
fn a_content_filter_that_hands_mail_back_does_not_get_it_signed_twice() {
    let site = Site::start(&Options::default());
    let delivered = site.deliver(&mut Smtp::connect(site.postfix.filtered), "", &mails::plain("filtered"));
    assert_eq!(delivered.all("Received").len(), 2, "it went through two smtpd: {}", delivered.header());
    both_pass(&site, &delivered, DOMAIN);
}

#[test]
fn an_internationalized_author_is_signed_for_under_the_a_label() {
    let site = Site::start(&Options::default());
    let delivered = site.deliver(
        &mut Smtp::connect(site.postfix.submission),
        "SMTPUTF8 BODY=8BITMIME",
        &mails::internationalized(),
    );
    for value in delivered.all("DKIM-Signature") {
        assert!(value.contains("d=xn--bcher-kva.example"), "{value}");
        assert!(value.is_ascii(), "{value}");
    }
    let returned = site.deliver(&mut site.outside(), "SMTPUTF8 BODY=8BITMIME", &delivered.message);
    passes_twice(&returned, "xn--bcher-kva.example");
    assert_eq!(delivered.only("From"), format!("Jürgen Groß <jürgen@{UNICODE_DOMAIN}>"));
}

/// Postfix hands over the white space behind each colon only when asked, and `simple` signs it (RFC 6376 §3.4.1).
#[test]
fn simple_canonicalization_survives_postfix_to_the_octet() {
    let site = Site::start(&Options { signing: "canonicalization = \"simple/simple\"", ..Options::default() });
    let odd = "Reply-To:nobody@author.example\r\nSender:\tsender@author.example\r\nIn-Reply-To:   <odd@author.example>\r\n\tand so on\r\n";
    let delivered = site.submit(&mails::with_fields(odd, &mails::plain("simple")));
    for value in delivered.all("DKIM-Signature") {
        assert!(value.contains("c=simple"), "{value}");
    }
    both_pass(&site, &delivered, DOMAIN);
}

#[test]
fn mail_in_iso_2022_jp_keeps_its_octets_and_verifies() {
    let site = Site::start(&Options::default());
    let message = mails::iso_2022_jp();
    let delivered = site.submit(&message);
    assert!(message.ends_with(delivered.body()) && delivered.body().contains(&0x1b), "{:?}", delivered.body());
    both_pass(&site, &delivered, DOMAIN);
}

#[test]
fn thirty_megabytes_are_signed_and_verified() {
    let site = Site::start(&Options::default());
    let delivered = site.submit(&mails::large(30 << 20));
    assert!(delivered.message.len() > 30 << 20);
    both_pass(&site, &delivered, DOMAIN);
}
