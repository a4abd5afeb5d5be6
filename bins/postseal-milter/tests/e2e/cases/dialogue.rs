//! Several messages in one SMTP session: what is known of one says nothing about the next.

use std::collections::HashMap;

use crate::cases::{both_pass, passes_twice};
use crate::mailbox::Delivered;
use crate::mails;
use crate::site::{DOMAIN, Options, Site, mail, own_results};
use crate::smtp::Smtp;

/// Sends messages pipelined in one session and returns them by the first word of their Subject.
fn send_together(site: &Site, session: &mut Smtp, messages: &[&[u8]]) -> HashMap<String, Delivered> {
    let mails: Vec<_> = messages.iter().map(|message| mail("", message)).collect();
    for reply in session.send_all(&mails) {
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    let delivered = messages.iter().map(|_| site.postfix.mailbox.next());
    delivered.map(|message| (message.only("Subject").split(' ').next().unwrap().to_owned(), message)).collect()
}

#[test]
fn three_submitted_messages_in_one_session_are_each_signed() {
    let site = Site::start(&Options::default());
    let messages = [mails::plain("first"), mails::plain("second"), mails::plain("third")];
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let delivered = send_together(&site, &mut Smtp::connect(site.postfix.submission), &messages);
    for subject in ["first", "second", "third"] {
        both_pass(&site, &delivered[subject], DOMAIN);
    }
}

#[test]
fn three_messages_from_outside_in_one_session_are_each_judged_for_themselves() {
    let site = Site::start(&Options::default());
    let good = site.submit(&mails::plain("good")).message;
    let bad = String::from_utf8(site.submit(&mails::plain("bad")).message).unwrap().replace("regards", "REGARDS");
    let bare = mails::plain("bare");
    let delivered = send_together(&site, &mut site.outside(), &[&good, bad.as_bytes(), &bare]);
    passes_twice(&delivered["good"], DOMAIN);
    assert_eq!(own_results(&delivered["bad"]).words("dkim"), ["fail", "fail"]);
    assert_eq!(own_results(&delivered["bare"]).words("dkim"), ["none"]);
}

#[test]
fn a_message_that_was_given_up_leaves_nothing_for_the_next_one() {
    let site = Site::start(&Options::default());
    let mut session = site.outside();
    assert_eq!(session.command("MAIL FROM:<sender@author.example>").code, 250);
    assert_eq!(session.command("RCPT TO:<reader@reader.example>").code, 250);
    assert_eq!(session.command("RSET").code, 250);
    let delivered = site.deliver(&mut session, "", &mails::plain("after-reset"));
    assert_eq!(own_results(&delivered).words("dkim"), ["none"]);
}
