//! A name server that does not answer.

use super::{fate, start, verdict};
use crate::mails;

#[test]
fn rfc9989_s7_a_name_server_that_is_down_is_a_temporary_error_and_mail_is_delivered() {
    let mut site = start("mode = \"reject\"\nseldom_seen = \"reject\"", "");
    site.dns.stop();
    let delivered = fate(&site, "a@other.example", &mails::from("bank.example")).delivered();
    assert_eq!(verdict(&delivered), ("temperror".to_owned(), Some("bank.example".to_owned()), None));
}

#[test]
fn rfc9989_s7_a_temporary_error_puts_mail_off_where_that_is_wanted() {
    let mut site = start("mode = \"reject\"\nseldom_seen = \"reject\"\non_temperror = \"tempfail\"", "");
    site.dns.stop();
    let fate = fate(&site, "a@other.example", &mails::from("bank.example"));
    let reply = fate.refusal();
    assert_eq!(reply.code, 451, "{reply:?}");
    assert!(reply.text.starts_with("4.7."), "{reply:?}");
    // Mail of our own is not put off, and neither is mail that nobody can be asked about.
    site.submit(&mails::plain("own"));
}
