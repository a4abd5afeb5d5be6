//! Our own domain: others who write as it are caught, and our own mail is never judged.

use super::{CLIENT, STRICT, fate, fate_of};
use crate::cases::both_pass;
use crate::mails;
use crate::site::{DOMAIN, mail};
use crate::smtp::{Mail, Smtp};

#[test]
fn a_stranger_who_writes_as_our_domain_is_refused() {
    STRICT.with(|site| {
        let message = mails::plain("invoice");
        for from in ["sender@author.example", "a@stranger.example", ""] {
            fate(site, from, &message).is_refused_for(DOMAIN);
        }
    });
}

#[test]
fn mail_of_our_users_is_not_judged() {
    STRICT.with(|site| {
        let message = mails::plain("own");
        let reply = Smtp::connect(site.postfix.submission).send(&mail("", &message));
        assert_eq!(reply.code, 250, "{reply:?}");
        let delivered = site.postfix.mailbox.next();
        assert_eq!(delivered.all("Authentication-Results"), [""; 0]);
        both_pass(site, &delivered, DOMAIN);
        // Of a domain that nobody may send for, by a user who has said who he is, and by a local program.
        let message = mails::from("bank.example");
        let as_bank = Mail { from: "a@bank.example", to: "reader@reader.example", parameters: "", message: &message };
        let delivered = fate_of(site, &format!("{CLIENT} LOGIN=jo@author.example"), &as_bank).delivered();
        assert_eq!(delivered.all("Authentication-Results"), [""; 0]);
        let text = String::from_utf8(message.clone()).unwrap().replace("\r\n", "\n");
        site.postfix.sendmail("a@bank.example", "reader@reader.example", text.as_bytes());
        assert_eq!(site.postfix.mailbox.next().all("Authentication-Results"), [""; 0]);
    });
}

/// It comes back signed by our keys: by a list, for example.
#[test]
fn our_own_mail_that_comes_back_passes() {
    STRICT.with(|site| {
        let reply = Smtp::connect(site.postfix.submission).send(&mail("", &mails::plain("returns")));
        assert_eq!(reply.code, 250, "{reply:?}");
        let sent = site.postfix.mailbox.next().message;
        fate(site, "list@other.example", &sent).delivered();
        let changed = String::from_utf8(sent).unwrap().replace("regards", "REGARDS");
        fate(site, "list@other.example", changed.as_bytes()).is_refused_for(DOMAIN);
    });
}
