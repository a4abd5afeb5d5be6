//! Attacks on the way from an address to a domain ("Composition Kills", Chen, Paxson and Jiang 2020; CERT VU#517845): one test for each kind.
//!
//! The attacker is the stranger, whose own mail passes; he would like to pass as the bank. The messages go through Postfix. What Postfix refuses or
//! repairs by itself is said at its place, and such a message is also handed to the daemon directly, as another MTA might do it.

use super::{CLIENT, Fate, STRICT, fate, fate_in, is_judged, observed, verdict, with_from};
use crate::mails;
use crate::milter::{Client, Message, RawField, hand_over, split};
use crate::results::Results;
use crate::site::Site;
use crate::smtp::{Mail, Smtp};

/// The message straight to the daemon, with this argument of MAIL: its refusal, or the header section as it leaves.
pub(super) fn direct(site: &Site, sender: &[u8], fields: &[RawField]) -> Result<String, String> {
    let port = site.daemon.socket.rsplit(':').next().unwrap().parse().unwrap();
    let message = Message { sender, recipient: b"<reader@reader.example>", fields, body: b"Hello\r\n" };
    hand_over(port, Client::Outside, &message).map(|octets| String::from_utf8_lossy(&octets).into_owned())
}

/// The daemon refused it: for the bank's policy, or for its From field.
pub(super) fn is_refused_directly(said: &Result<String, String>) {
    let refusal = said.as_ref().expect_err("it was let through");
    assert!(refusal.starts_with("550 5.7."), "{refusal}");
}

/// A message that claims to be from the bank.
fn from_bank() -> Vec<u8> {
    mails::from("bank.example")
}

/// In a session with this HELO.
fn after_helo(site: &Site, helo: &str, from: &str, message: &[u8]) -> Fate {
    let mut session = Smtp::connect_as(site.postfix.inbound, CLIENT);
    assert_eq!(session.command(&format!("HELO {helo}")).code, 250);
    fate_in(site, &mut session, &Mail { from, to: "reader@reader.example", parameters: "", message })
}

/// Row "HELO/MAIL FROM confusion", through Postfix: SPF passes for the name in HELO, and MAIL FROM is below the bank's domain, or empty.
#[test]
fn m17_a_pass_of_helo_is_none_of_mail_from() {
    STRICT.with(|site| {
        for from in ["a@no-such-name.bank.example", "a@bank.example", ""] {
            after_helo(site, "stranger.example", from, &from_bank()).is_refused_for("bank.example");
        }
        // And where SPF has no opinion on MAIL FROM, the name in HELO is still not looked at.
        after_helo(site, "reject.example", "a@nothing.example", &mails::from("reject.example"))
            .is_refused_for("reject.example");
    });
}

/// Row "malformed reverse paths". Postfix refuses some by itself (501) and repairs others; a milter under another MTA may get them.
#[test]
fn a_malformed_reverse_path_is_no_identifier() {
    STRICT.with(|site| {
        for path in [
            "(a@bank.example",
            "a@stranger.example(@bank.example",
            "a@bank.example,a@stranger.example",
            "\"a@stranger.example",
        ] {
            let mut session = Smtp::connect_as(site.postfix.inbound, CLIENT);
            let reply = session.command(&format!("MAIL FROM:<{path}>"));
            if reply.code == 250 {
                assert_eq!(session.command("RCPT TO:<reader@reader.example>").code, 250);
                assert_eq!(session.command("DATA").code, 354);
                let reply = session.finish_data(&from_bank());
                assert_eq!(reply.code, 550, "{path}: {reply:?}");
            } else {
                assert_eq!(reply.code, 501, "{path}: {reply:?}");
            }
        }
        let (fields, _) = split(&mails::from("reject.example"));
        for path in [
            "<(a@reject.example>",
            "<a@reject.example",
            "<a@other.example,a@reject.example>",
            "<a@reject.example(@other.example>",
            "<a@reject.example@other.example>",
            "<\"a@reject.example>",
            "<a@reject.example >",
            "<>a@reject.example",
        ] {
            let said = direct(site, path.as_bytes(), &fields);
            is_refused_directly(&said);
        }
        // The dialogue itself is in order.
        let passed = direct(site, b"<a@reject.example>", &fields).unwrap();
        assert!(passed.contains("dmarc=pass"), "{passed}");
    });
}

/// Row "authentication-results injection", by the domain of MAIL FROM: through Postfix as far as it takes the address, and directly.
#[test]
fn h1_a_sender_writes_nothing_into_our_results() {
    STRICT.with(|site| {
        let injected = [
            "a@stranger.example;dmarc=pass",
            "a@stranger.example(;dmarc=pass",
            "a@stranger.example'\"; dmarc=pass header.from=bank.example",
            "\"; dmarc=pass header.from=bank.example (\"@stranger.example",
        ];
        for path in injected {
            let mut session = Smtp::connect_as(site.postfix.inbound, CLIENT);
            if session.command(&format!("MAIL FROM:<{path}>")).code == 250 {
                assert_eq!(session.command("RCPT TO:<reader@observe.example>").code, 250);
                assert_eq!(session.command("DATA").code, 354);
                assert_eq!(session.finish_data(&from_bank()).code, 250);
                is_judged(&site.postfix.mailbox.next(), "fail", "bank.example", "reject");
            }
        }
        // Judged as mail of a domain without a policy, so that the field is there to be read.
        let (fields, _) = split(&mails::from("other.example"));
        for path in injected {
            let passed = direct(site, format!("<{path}>").as_bytes(), &fields).unwrap();
            let (top, _) = split(passed.as_bytes());
            let results = Results::read(&String::from_utf8_lossy(&top[0].1).replace("\r\n", ""));
            assert_eq!(results.words("dmarc"), ["none"], "{passed}");
            assert_eq!(results.words("dkim"), ["none"], "{passed}");
        }
    });
}

/// Row "source routes": the domain is that of the mailbox, the last. Postfix takes routes off; directly the daemon does.
#[test]
fn rfc5321_appendix_c_a_source_route_is_not_the_sender() {
    STRICT.with(|site| {
        let path = "@reject.example,@bank.example:a@stranger.example";
        fate(site, path, &mails::from("reject.example")).is_refused_for("reject.example");
        is_judged(
            &fate(site, path, &mails::from("stranger.example")).delivered(),
            "pass",
            "stranger.example",
            "reject",
        );
        let (fields, _) = split(&mails::from("reject.example"));
        is_refused_directly(&direct(site, format!("<{path}>").as_bytes(), &fields));
        is_refused_directly(&direct(site, b"<@reject.example:a@stranger.example>", &fields));
    });
}

/// Row "multiple From fields", through Postfix, and directly what Postfix takes for something else.
#[test]
fn m6_a_second_from_field_in_any_disguise_is_seen() {
    STRICT.with(|site| {
        let (bank, stranger) = ("<b@bank.example>", "<a@stranger.example>");
        for field in [
            format!("X-First: 1\r\nFrom : {bank}\r\nFrom: {stranger}\r\n"),
            format!("From: {stranger}\r\nFrom : {bank}\r\n"),
            format!("From\t: {bank}\r\nFrom: {stranger}\r\n"),
            format!("FROM: {bank}\r\nfrom: {stranger}\r\n"),
            format!("From: {stranger}\r\nFrom:\r\n {bank}\r\n"),
        ] {
            fate(site, "a@stranger.example", &with_from(&field)).is_refused_for_its_author();
        }
        // To Postfix a first line that begins with a blank is the body, and all that follows.
        let blank = with_from(&format!(" From: {bank}\r\nFrom: {stranger}\r\n"));
        fate(site, "a@stranger.example", &blank).is_refused_for_its_author();
        // A first line that begins as mbox files have it gets another name: the stranger writes as himself.
        let delivered =
            observed(site, "a@stranger.example", &with_from(&format!("From : {bank}\r\nFrom: {stranger}\r\n")));
        is_judged(&delivered, "pass", "stranger.example", "reject");
        assert_eq!(delivered.all("X-Mailbox-Line").len(), 1, "{}", delivered.header());
        // To Postfix a name with octets beyond ASCII is none, and the body begins: what follows is text of the stranger.
        let delivered =
            observed(site, "a@stranger.example", &with_from(&format!("From: {stranger}\r\nFrom\u{a0}: {bank}\r\n")));
        is_judged(&delivered, "pass", "stranger.example", "reject");
        assert!(!delivered.header().contains("bank"), "{}", delivered.header());
        let marked = with_from(&format!("\u{feff}From: {bank}\r\nFrom: {stranger}\r\n"));
        fate(site, "a@stranger.example", &marked).is_refused_for_its_author();
        // A name without its colon ends the header section.
        let delivered =
            fate(site, "a@stranger.example", &with_from(&format!("From\r\n : {bank}\r\nFrom: {stranger}\r\n")));
        delivered.is_refused_for_its_author();

        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), format!(" {value}").into_bytes());
        for name in
            ["From", "From ", "FROM\t", " From", "\tfrom", "From\r\n ", "From\u{a0}", "\u{feff}From", "Fr\u{200b}om"]
        {
            let fields = [field(name, bank), field("From", stranger)];
            is_refused_directly(&direct(site, b"<a@stranger.example>", &fields));
            let fields = [field("From", stranger), field(name, bank)];
            is_refused_directly(&direct(site, b"<a@stranger.example>", &fields));
        }
    });
}

/// Row "From and Sender or Resent-From", through Postfix.
#[test]
fn m8_only_from_names_the_author() {
    STRICT.with(|site| {
        for field in ["Sender", "Resent-From", "Resent-Sender", "Reply-To", "X-Original-From"] {
            let message = mails::with_fields(&format!("{field}: <a@stranger.example>\r\n"), &from_bank());
            fate(site, "a@stranger.example", &message).is_refused_for("bank.example");
        }
    });
}

/// Row "multiple addresses, encoded words, quoted pairs, routes, text after the address", through Postfix; and the group and the colon of
/// CERT VU#517845.
#[test]
fn rfc5322_s3_4_what_could_be_read_as_two_authors_is_none() {
    STRICT.with(|site| {
        for value in [
            "<a@stranger.example>, <b@bank.example>",
            "<b@bank.example>, <a@stranger.example>",
            "=?utf-8?Q?b=40bank.example?=",
            "<=?utf-8?Q?b=40bank.example=3E=00?=@stranger.example>",
            "=?utf-8?B?Ykg=?=@stranger.example",
            "b@bank.example\\,@stranger.example",
            "<b@bank.example\\,a@stranger.example>",
            "<a@stranger.example> b@bank.example",
            "<a@stranger.example> <b@bank.example>",
            "b@bank.example <a@stranger.example>",
            "<a@stranger.example>:<b@bank.example>",
            "friends: <a@stranger.example>, <b@bank.example>;",
            "friends: <a@stranger.example>; <b@bank.example>",
            "<a@stranger.example\u{0}@bank.example>",
            "<a@stranger.example(>@bank.example)",
            "a@bank.example@stranger.example",
        ] {
            let fate = fate(site, "a@stranger.example", &with_from(&format!("From: {value}\r\n")));
            let Fate::Refused(reply) = &fate else { panic!("{value}: {fate:?}") };
            assert!(reply.code == 550 && reply.text.starts_with("5.7."), "{value}: {reply:?}");
        }
    });
}

/// The same row, where there is one author: what looks like another stands in a comment, a name, or a route.
#[test]
fn rfc5322_s3_4_the_author_is_the_address_and_nothing_around_it() {
    STRICT.with(|site| {
        for value in [
            "\"b@bank.example\" <a@stranger.example>",
            "=?utf-8?Q?b=40bank.example?= <a@stranger.example>",
            "\"b@bank.example,\" <a@stranger.example>",
            "(b@bank.example) a@stranger.example",
            "<@bank.example:a@stranger.example>",
            "\"b@bank.example\"@stranger.example",
            "friends: <a@stranger.example>;",
        ] {
            let fate = fate(site, "a@stranger.example", &with_from(&format!("From: {value}\r\n")));
            let Fate::Delivered(delivered) = &fate else { panic!("{value}: {fate:?}") };
            is_judged(delivered, "pass", "stranger.example", "reject");
        }
        fate(site, "a@stranger.example", &with_from("From: <@stranger.example:b@bank.example>\r\n"))
            .is_refused_for("bank.example");
        fate(site, "a@stranger.example", &with_from("From: (a@stranger.example) <b@bank.example>\r\n"))
            .is_refused_for("bank.example");
    });
}

/// Results of others are words of strangers (end of the table): neither field makes anything pass.
#[test]
fn m17_fields_with_results_are_not_believed() {
    STRICT.with(|site| {
        for field in [
            "Received-SPF: pass (mx.example: bank.example designates 192.0.2.10) client-ip=192.0.2.10; envelope-from=a@bank.example; \
             identity=mailfrom\r\n",
            "Authentication-Results: mx.example; spf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example\r\n",
            "ARC-Authentication-Results: i=1; mx.example; dmarc=pass header.from=bank.example\r\n",
        ] {
            fate(site, "a@bank.example", &mails::with_fields(field, &from_bank())).is_refused_for("bank.example");
            let delivered = observed(site, "a@bank.example", &mails::with_fields(field, &from_bank()));
            assert_eq!(verdict(&delivered).0, "fail", "{}", delivered.header());
        }
    });
}
