//! Several messages in one SMTP session are one milter dialogue, and none leaves anything to the next.

use super::both_pass;
use crate::mailbox::Delivered;
use crate::mails;
use crate::site::sendmail::sasl::AUTH_COMMAND;
use crate::site::sendmail::tap::{commands, replies};
use crate::site::sendmail::{Options, SendmailSite};
use crate::site::{mail, own_results};
use crate::smtp::Smtp;

/// The commands of messages: the codes of the protocol without the header fields, whose number says nothing here.
fn course(site: &SendmailSite) -> String {
    commands(&site.tap().dialogue()).replace('L', "")
}

fn tapped() -> SendmailSite {
    SendmailSite::start(&Options { is_tapped: true, ..Options::default() })
}

fn quit(mut session: Smtp) {
    assert_eq!(session.command("QUIT").code, 221);
}

#[test]
fn five_submitted_messages_in_one_session_are_each_signed_or_not_for_themselves() {
    let site = tapped();
    let mut session = site.user();
    let deliver = |session: &mut Smtp, message: &[u8]| site.deliver(session, message);
    let mut delivered = Vec::new();
    for subject in ["first", "second", "third", "fourth", "fifth"] {
        // Every second one is by an author whom nobody signs for.
        let is_signed = delivered.len() % 2 == 0;
        let message = if is_signed { mails::plain(subject) } else { mails::from("stranger.example") };
        delivered.push(deliver(&mut session, &message));
    }
    quit(session);
    // §5 of the milter protocol: Sendmail sends no ABORT between two messages; MAIL alone ends what was before.
    assert_eq!(course(&site), "OCHMRTNBEMRTNBEMRTNBEMRTNBEMRTNBEQ");
    for (index, message) in delivered.iter().enumerate() {
        let signatures = message.all("DKIM-Signature").len();
        assert_eq!(signatures, if index % 2 == 0 { 2 } else { 0 }, "{index}: {}", message.header());
    }
    let mut session = site.outside();
    for message in delivered.iter().step_by(2) {
        assert_eq!(own_results(&site.deliver(&mut session, &message.message)).words("dkim"), ["pass", "pass"]);
    }
}

#[test]
fn messages_are_judged_until_the_client_authenticates_and_signed_from_then_on() {
    let site = tapped();
    let signed = site.submit(&mails::plain("before")).message;
    let mut session = site.outside();
    let results = |delivered: &Delivered| own_results(delivered).words("dkim").join(" ");
    assert_eq!(results(&site.deliver(&mut session, &signed)), "pass pass");
    let changed = String::from_utf8(signed).unwrap().replace("regards", "REGARDS");
    assert_eq!(results(&site.deliver(&mut session, changed.as_bytes())), "fail fail");
    assert_eq!(results(&site.deliver(&mut session, &mails::plain("unsigned"))), "none");
    let reply = session.command(AUTH_COMMAND);
    assert_eq!(reply.code, 235, "{reply:?}");
    let ours = [mails::plain("fourth"), mails::plain("fifth")].map(|message| site.deliver(&mut session, &message));
    quit(session);
    for delivered in &ours {
        assert_eq!(delivered.all("Authentication-Results").len(), 0, "{}", delivered.header());
        both_pass(&site, delivered);
    }
}

#[test]
fn reset_and_refused_recipients_leave_nothing_for_the_next_message() {
    let site = tapped();
    let signed = site.submit(&mails::plain("reset")).message;
    let mut session = site.outside();
    assert_eq!(session.command("MAIL FROM:<sender@author.example>").code, 250);
    assert_eq!(session.command("RCPT TO:<reader@reader.example>").code, 250);
    assert_eq!(session.command("RSET").code, 250);
    assert_eq!(own_results(&site.deliver(&mut session, &mails::plain("after-reset"))).words("dkim"), ["none"]);

    assert_eq!(session.command("MAIL FROM:<sender@author.example>").code, 250);
    let refused = session.command("RCPT TO:<reader@@reader.example>");
    assert!((500..600).contains(&refused.code), "{refused:?}");
    assert_eq!(session.command("RCPT TO:<reader@reader.example>").code, 250);
    assert_eq!(session.command("DATA").code, 354);
    let reply = session.finish_data(&signed);
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(own_results(&site.sendmail.mailbox.next()).words("dkim"), ["pass", "pass"]);

    assert_eq!(session.command("MAIL FROM:<sender@author.example>").code, 250);
    let refused = session.command("RCPT TO:<reader@@reader.example>");
    assert!((500..600).contains(&refused.code), "{refused:?}");
    assert_eq!(session.command("RSET").code, 250);
    assert_eq!(own_results(&site.deliver(&mut session, &mails::plain("last"))).words("dkim"), ["none"]);
    quit(session);
    assert_eq!(site.tap().dialogues().len(), 2, "one dialogue a session");
}

#[test]
fn a_message_to_several_recipients_is_signed_once_for_all() {
    let site = tapped();
    let mut session = site.user();
    assert_eq!(session.command("MAIL FROM:<sender@author.example>").code, 250);
    for name in ["one", "two", "three"] {
        assert_eq!(session.command(&format!("RCPT TO:<{name}@reader.example>")).code, 250);
    }
    assert_eq!(session.command("DATA").code, 354);
    let reply = session.finish_data(&mails::plain("several"));
    assert_eq!(reply.code, 250, "{reply:?}");
    quit(session);
    let mut arrived = site.sendmail.mailbox.next_arrived();
    arrived.recipients.sort();
    assert_eq!(arrived.recipients, ["one@reader.example", "three@reader.example", "two@reader.example"]);
    assert!(site.daemon.log_line("origin=submission").contains("rcpts=3"), "{}", site.daemon.log());
    assert_eq!(course(&site), "OCHMRRRTNBEQ");
    both_pass(&site, &arrived.mail);
}

#[test]
fn a_client_that_hangs_up_in_a_message_leaves_the_daemon_ready_for_the_next() {
    let site = SendmailSite::start(&Options::default());
    let mut session = site.user();
    assert_eq!(session.command("MAIL FROM:<sender@author.example>").code, 250);
    assert_eq!(session.command("RCPT TO:<reader@reader.example>").code, 250);
    assert_eq!(session.command("DATA").code, 354);
    session.write_part(b"From: <sender@author.example>\r\nSubject: half\r\n\r\nhalf a li");
    drop(session);
    both_pass(&site, &site.submit(&mails::plain("whole")));
    assert!(!site.sendmail.mailbox.has_more(), "half a message went on");
    assert!(!site.daemon.log().contains("internal"), "{}", site.daemon.log());
}

/// `MaxHeadersLength`, 32768 unless set: Sendmail refuses such a message by itself and says ABORT to the filter.
#[test]
fn a_header_section_that_sendmail_refuses_leaves_nothing_for_the_next_message() {
    let site = tapped();
    let mut session = site.user();
    let fields = format!("X-Long: {}\r\n", "word ".repeat(150)).repeat(60);
    let reply = session.send(&mail("", &mails::with_fields(&fields, &mails::plain("too-long"))));
    assert_eq!(reply.code, 552, "{reply:?}");
    let delivered = site.deliver(&mut session, &mails::plain("next"));
    quit(session);
    let dialogue = site.tap().dialogue();
    assert_eq!(commands(&dialogue).matches('A').count(), 1, "{}", commands(&dialogue));
    assert_eq!(replies(&dialogue).matches('t').count(), 0, "{}", replies(&dialogue));
    both_pass(&site, &delivered);
}
