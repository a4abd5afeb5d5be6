//! Mail that comes to Sendmail from outside gets a true Authentication-Results field, above everything else.

use crate::mails;
use crate::site::own_results;
use crate::site::sendmail::{OUTSIDE, Options, SendmailSite};

/// Replaces a text that stands once in a message.
fn tamper(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert_eq!(text.matches(from).count(), 1, "`{from}` in\n{text}");
    text.replace(from, to).into_bytes()
}

#[test]
fn pass_fail_none_and_a_missing_key_are_told_apart() {
    let site = SendmailSite::start(&Options::default());
    let signed = site.submit(&mails::plain("judged")).message;
    assert_eq!(site.judge(&signed).words("dkim"), ["pass", "pass"]);
    assert_eq!(site.judge(&tamper(&signed, "regards", "REGARDS")).words("dkim"), ["fail", "fail"]);
    assert_eq!(site.judge(&tamper(&signed, "A Sender", "Another Sender")).words("dkim"), ["fail", "fail"]);
    assert_eq!(site.judge(&mails::plain("unsigned")).words("dkim"), ["none"]);
    let no_key = String::from_utf8(signed).unwrap().replace("s=rsa;", "s=gone;").replace("s=ed25519;", "s=gone;");
    assert_eq!(site.judge(no_key.as_bytes()).words("dkim"), ["permerror", "permerror"]);
}

#[test]
fn the_log_names_the_client_and_the_queue_id() {
    let site = SendmailSite::start(&Options::default());
    let delivered = site.receive(&mails::plain("logged"));
    let received = &delivered.all("Received")[0];
    let (_, id) = received.split_once(" id ").unwrap();
    let line = site.daemon.log_line(id.split(';').next().unwrap().split_whitespace().next().unwrap());
    for fact in [format!("client={OUTSIDE}"), "client_name=out.example".to_owned(), "origin=inbound".to_owned()] {
        assert!(line.contains(&fact), "{fact} in {line}");
    }
}

/// Our field stands above the Received field that Sendmail writes, and above the fields that it adds where they are missing.
#[test]
fn our_field_is_first_and_fields_of_sendmail_follow() {
    let site = SendmailSite::start(&Options::default());
    let delivered = site.receive(b"From: <a@author.example>\r\nSubject: bare\r\n\r\nno Date, no Message-ID\r\n");
    assert_eq!(own_results(&delivered).words("dkim"), ["none"]);
    let names: Vec<String> = delivered.fields().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["Authentication-Results", "Received", "Date", "Message-Id", "From", "Subject"]);
}

#[test]
fn a_name_server_that_is_down_gives_a_temporary_error_and_mail_goes_on() {
    let mut site = SendmailSite::start(&Options::default());
    let signed = site.submit(&mails::plain("no-server"));
    site.dns.stop();
    assert_eq!(site.judge(&signed.message).words("dkim"), ["temperror", "temperror"]);
}
