//! The way a message came: bounces, mailing lists, relays of our own, forwarders that are trusted.

use super::{CLIENT, STRICT, fate, fate_in, fate_of, is_judged, start_with, tags};
use crate::mails;
use crate::site::Options;
use crate::smtp::{Mail, Smtp};

fn from_client(address: &str) -> String {
    CLIENT.replace("192.0.2.10", address)
}

/// RFC 7208 §2.4: the sender of a bounce is postmaster at the name in HELO.
#[test]
fn a_bounce_is_judged_by_the_name_in_helo() {
    STRICT.with(|site| {
        let bounce =
            Mail { from: "", to: "reader@reader.example", parameters: "", message: &mails::from("reject.example") };
        let offer = |helo: &str| {
            let mut session = Smtp::connect_as(site.postfix.inbound, CLIENT);
            assert_eq!(session.command(&format!("HELO {helo}")).code, 250);
            fate_in(site, &mut session, &bounce)
        };
        is_judged(&offer("reject.example").delivered(), "pass", "reject.example", "reject");
        offer("other.example").is_refused_for("reject.example");
        offer("no-such-name.example").is_refused_for("reject.example");
    });
}

/// A list sends from its own host, and has changed the message.
#[test]
fn mail_with_signs_of_a_mailing_list_is_held_at_most() {
    STRICT.with(|site| {
        for field in
            ["List-Id: <talk.other.example>\r\n", "List-Post: <mailto:talk@other.example>\r\n", "Precedence: list\r\n"]
        {
            let message = mails::with_fields(field, &mails::from("reject.example"));
            let held = fate(site, "talk-bounces@other.example", &message).held();
            is_judged(&held, "fail", "reject.example", "reject");
            assert_eq!(tags(&held), ["reject (dmarc=fail header.from=reject.example)"]);
        }
        // Advertisers write this one.
        let message =
            mails::with_fields("List-Unsubscribe: <https://other.example/>\r\n", &mails::from("reject.example"));
        fate(site, "a@other.example", &message).is_refused_for("reject.example");
    });
}

#[test]
fn nothing_is_done_to_mail_of_a_trusted_forwarder() {
    STRICT.with(|site| {
        let message = mails::from("bank.example");
        let mail = Mail { from: "a@other.example", to: "reader@reader.example", parameters: "", message: &message };
        let delivered = fate_of(site, &from_client("192.0.2.26"), &mail).delivered();
        is_judged(&delivered, "fail", "bank.example", "reject");
        assert_eq!(tags(&delivered), [""; 0]);
        fate_of(site, &from_client("192.0.2.27"), &mail).is_refused_for("bank.example");
    });
}

/// The relay has accepted the message: what we refused it would send back, to somebody who is not the sender.
#[test]
fn mail_that_a_relay_of_ours_has_accepted_is_held_at_most() {
    let dmarc = "mode = \"reject\"\nseldom_seen = \"reject\"\nmultiple_from = \"reject\"\non_temperror = \"tempfail\"";
    let mut site = start_with(&Options { dmarc, spf: "relays = [\"192.0.2.25\"]", ..Options::default() });
    let message = mails::with_fields(
        "Received: from out.example (out.example [192.0.2.10]) by relay.example (Postfix) with ESMTP id 1;\r\n \
         Tue, 24 Nov 2026 10:00:00 +0000\r\n",
        &mails::from("reject.example"),
    );
    let relay = from_client("192.0.2.25");
    let offer = |from: &str, message: &[u8]| {
        fate_of(&site, &relay, &Mail { from, to: "reader@reader.example", parameters: "", message })
    };
    // SPF is that of the client of the relay.
    is_judged(&offer("a@reject.example", &message).delivered(), "pass", "reject.example", "reject");
    is_judged(&offer("a@other.example", &message).held(), "fail", "reject.example", "reject");
    let two = String::from_utf8(message.clone()).unwrap().replace("From: ", "From: b@bank.example, ");
    assert_eq!(offer("a@other.example", two.as_bytes()).word(), "held");
    site.dns.stop();
    let message = mails::with_fields("X-Down: 1\r\n", &mails::from("down.example"));
    let mail = Mail { from: "a@down.example", to: "reader@reader.example", parameters: "", message: &message };
    fate_of(&site, &relay, &mail).delivered();
    assert_eq!(fate_of(&site, CLIENT, &mail).refusal().code, 451);
}
