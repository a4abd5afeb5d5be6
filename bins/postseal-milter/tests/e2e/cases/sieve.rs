//! The Sieve script of `contrib/sieve` in a real Dovecot, with mail as Postfix hands it over.

use crate::mails;
use crate::site::dovecot::Dovecot;
use crate::site::postfix::Postfix;
use crate::site::{mail, work};
use crate::smtp::Smtp;

/// Without the daemon: the fields are as a daemon would have added them, and as it never does.
#[test]
fn mail_with_the_tag_goes_to_junk_and_all_other_mail_to_the_inbox() {
    let folder = work::folder();
    let dovecot = Dovecot::start();
    let postfix = Postfix::start_with(folder.path(), &dovecot.main_cf);
    let send = |field: &str| {
        let message = mails::with_fields(field, &mails::plain("filed"));
        let reply = Smtp::connect(postfix.inbound).send(&mail("", &message));
        assert_eq!(reply.code, 250, "{reply:?}");
    };
    for (field, name) in [
        ("X-Postseal-DMARC: reject (dmarc=fail header.from=bank.example)\r\n", "X-Postseal-DMARC"),
        ("x-postseal-dmarc: quarantine (dmarc=fail header.from=bank.example)\r\n", "x-postseal-dmarc"),
        ("X-Postseal-DMARC:\r\n\tquarantine\r\n (dmarc=fail header.from=bank.example)\r\n", "X-Postseal-DMARC"),
    ] {
        send(field);
        let filed = dovecot.junk.next();
        assert!(filed.fields().iter().any(|(found, _)| found == name), "{}", filed.header());
    }
    for field in [
        "",
        "X-Postseal-DMARC: none\r\n",
        "X-Postseal-DMARC-Of-Others: reject\r\n",
        "X-Other: X-Postseal-DMARC: reject\r\n",
    ] {
        send(field);
        assert_eq!(dovecot.inbox.next().only("Subject"), "filed  of a test");
    }
    // In the body it is no field.
    let message = [mails::plain("body"), b"X-Postseal-DMARC: reject\r\n".to_vec()].concat();
    assert_eq!(Smtp::connect(postfix.inbound).send(&mail("", &message)).code, 250);
    dovecot.inbox.next();
    assert!(!dovecot.junk.has_more() && !dovecot.inbox.has_more());
    assert!(!dovecot.log().contains("Error"), "{}", dovecot.log());
}
