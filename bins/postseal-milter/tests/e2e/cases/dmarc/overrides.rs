//! Overrides by sender and recipient, the share, and what is done about authors in milder modes.

use super::{CLIENT, Fate, fate, fate_of, is_judged, start, tags, with_from};
use crate::mails;
use crate::site::Site;
use crate::site::shared::Shared;
use crate::smtp::{Mail, Smtp};

static SITE: Shared = Shared::new(|| {
    start(
        "mode = \"quarantine\"
seldom_seen = \"reject\"
multiple_from = \"quarantine\"
[[dmarc.override]]
recipient = [\"lists.example\", \"*.lists.example\"]
mode = \"observe\"
reason = \"the list server sorts by itself\"
[[dmarc.override]]
sender = [\"none.example\"]
policy = \"reject\"
mode = \"reject\"
reason = \"impersonated\"
[[dmarc.override]]
sender = [\"reject.example\"]
policy = \"none\"
reason = \"their mail is known to break\"
[[dmarc.override]]
sender = [\"quarantine.example\"]
recipient = [\"careful.example\"]
policy = \"reject\"
mode = \"reject\"
reason = \"wanted so\"
[[dmarc.override]]
sender = [\"author.example\"]
mode = \"reject\"
share = 50
reason = \"a careful beginning\"
",
        "",
    )
});

fn to(site: &Site, to: &str, domain: &str) -> Fate {
    let message = mails::from(domain);
    fate_of(site, CLIENT, &Mail { from: "a@other.example", to, parameters: "", message: &message })
}

#[test]
fn an_override_hardens_a_domain_that_asks_for_nothing() {
    SITE.with(|site| {
        fate(site, "a@other.example", &mails::from("none.example")).is_refused_for("none.example");
        let line = site.daemon.log_line("author=none.example");
        assert!(line.contains("impersonated"), "{line}");
        // What passes is none of its concern.
        fate(site, "a@none.example", &mails::from("none.example")).delivered();
    });
}

#[test]
fn an_override_softens_a_domain_that_asks_for_too_much() {
    SITE.with(|site| {
        let delivered = fate(site, "a@other.example", &mails::from("reject.example")).delivered();
        // What its owner publishes is still what is reported.
        is_judged(&delivered, "fail", "reject.example", "reject");
        assert_eq!(tags(&delivered), [""; 0]);
    });
}

#[test]
fn an_override_by_recipient_domain_counts_for_it_alone() {
    SITE.with(|site| {
        assert_eq!(to(site, "reader@lists.example", "bank.example").word(), "delivered");
        assert_eq!(to(site, "reader@deep.LISTS.example", "bank.example").word(), "delivered");
        assert_eq!(to(site, "reader@reader.example", "bank.example").word(), "held");
        // Both have to be covered.
        to(site, "reader@careful.example", "quarantine.example").is_refused_for("quarantine.example");
        assert_eq!(to(site, "reader@reader.example", "quarantine.example").word(), "held");
        assert_eq!(to(site, "reader@careful.example", "bank.example").word(), "held");
    });
}

#[test]
fn the_mildest_setting_of_several_recipients_counts() {
    SITE.with(|site| {
        for recipients in
            [["reader@careful.example", "reader@lists.example"], ["reader@lists.example", "reader@careful.example"]]
        {
            let mut session = Smtp::connect_as(site.postfix.inbound, CLIENT);
            assert_eq!(session.command("MAIL FROM:<a@other.example>").code, 250);
            for recipient in recipients {
                assert_eq!(session.command(&format!("RCPT TO:<{recipient}>")).code, 250);
            }
            assert_eq!(session.command("DATA").code, 354);
            let reply = session.finish_data(&mails::from("quarantine.example"));
            assert_eq!(reply.code, 250, "{reply:?}");
            assert_eq!(site.postfix.held(), [""; 0]);
            for delivered in site.postfix.mailbox.exactly(2) {
                is_judged(&delivered, "fail", "quarantine.example", "quarantine");
            }
        }
    });
}

#[test]
fn a_share_of_failing_mail_gets_the_mode_and_every_attempt_ends_alike() {
    SITE.with(|site| {
        let mut counts = [0, 0];
        for number in 0..24 {
            let message = mails::plain(&format!("share-{number}"));
            let words: Vec<&str> = (0..2).map(|_| fate(site, "a@other.example", &message).word()).collect();
            assert_eq!(words[0], words[1], "message {number}");
            assert!(["held", "refused"].contains(&words[0]), "{words:?}");
            counts[usize::from(words[0] == "held")] += 1;
        }
        assert!(counts.iter().all(|count| *count >= 4), "refused and held: {counts:?}");
    });
}

#[test]
fn m6_mail_without_one_author_goes_into_quarantine_where_that_is_wanted() {
    SITE.with(|site| {
        let message = with_from("From: <a@other.example>, <b@bank.example>\r\n");
        let held = fate(site, "a@other.example", &message).held();
        assert_eq!(tags(&held), ["quarantine (dmarc=permerror from-several-domains)"]);
    });
}

#[test]
fn x12_bimi_fields_stay_unless_they_are_to_go() {
    SITE.with(|site| {
        let message =
            mails::with_fields("BIMI-Location: v=BIMI1; l=https://other.example/\r\n", &mails::from("other.example"));
        assert_eq!(fate(site, "a@other.example", &message).delivered().all("BIMI-Location").len(), 1);
    });
}
