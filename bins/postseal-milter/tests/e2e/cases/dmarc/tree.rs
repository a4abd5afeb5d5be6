//! Subdomains: `sp=`, `np=` and the tree walk (RFC 9989 §4.10), with a real DNS server.

use super::{CLIENT, Fate, fate, fate_of, is_judged, start_with, verdict};
use crate::mails;
use crate::site::shared::Shared;
use crate::site::{Options, Site};
use crate::smtp::Mail;

/// `mail` is there, with and without a record below it; `gone` is not.
static SITE: Shared = Shared::new(|| {
    start_with(&Options {
        dmarc: "mode = \"reject\"\nseldom_seen = \"reject\"",
        records: "_dmarc.walk.example. TXT \"v=DMARC1; p=none; sp=quarantine; np=reject\"
walk.example. TXT \"v=spf1 -all\"
mail.walk.example. A 192.0.2.50
_dmarc.own.walk.example. TXT \"v=DMARC1; p=none; adkim=s; aspf=s\"
own.walk.example. TXT \"v=spf1 -all\"
sends.walk.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"
_dmarc.only.example. TXT \"v=DMARC1; p=reject\"
deep.only.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"
_dmarc.testing.example. TXT \"v=DMARC1; p=reject; t=y\"
_dmarc.broken.example. TXT \"v=DMARC1; p=rejectt\"
_dmarc.reporting.example. TXT \"v=DMARC1; p=rejectt; rua=mailto:d@reporting.example\"
_dmarc.two.example. TXT \"v=DMARC1; p=reject\"
_dmarc.two.example. TXT \"v=DMARC1; p=none\"
_dmarc.alias.example. CNAME _dmarc.bank.example.
",
        ..Options::default()
    })
});

fn forged(site: &Site, domain: &str) -> Fate {
    fate(site, "a@other.example", &mails::from(domain))
}

#[test]
fn rfc9989_s4_7_the_domain_itself_has_p() {
    SITE.with(|site| is_judged(&forged(site, "walk.example").delivered(), "fail", "walk.example", "none"));
}

#[test]
fn rfc9989_s4_7_a_subdomain_has_sp() {
    SITE.with(|site| is_judged(&forged(site, "mail.walk.example").held(), "fail", "mail.walk.example", "quarantine"));
}

#[test]
fn rfc9989_s4_7_a_subdomain_that_does_not_exist_has_np() {
    SITE.with(|site| {
        forged(site, "gone.walk.example").is_refused_for("gone.walk.example");
        forged(site, "very.deep.gone.walk.example").is_refused_for("very.deep.gone.walk.example");
    });
}

#[test]
fn rfc9989_s4_7_a_subdomain_without_sp_has_p() {
    SITE.with(|site| {
        forged(site, "deep.only.example").is_refused_for("deep.only.example");
        // And so for names that are not there: no np= is the same as sp=.
        forged(site, "gone.only.example").is_refused_for("gone.only.example");
    });
}

#[test]
fn rfc9989_s4_4_relaxed_alignment_is_that_of_the_organizational_domain() {
    SITE.with(|site| {
        let delivered = fate(site, "a@sends.walk.example", &mails::from("mail.walk.example")).delivered();
        is_judged(&delivered, "pass", "mail.walk.example", "quarantine");
        let delivered = fate(site, "a@deep.only.example", &mails::from("only.example")).delivered();
        is_judged(&delivered, "pass", "only.example", "reject");
    });
}

#[test]
fn rfc9989_s4_4_strict_alignment_is_that_of_one_name() {
    SITE.with(|site| {
        let delivered = fate(site, "a@sends.walk.example", &mails::from("own.walk.example")).delivered();
        is_judged(&delivered, "fail", "own.walk.example", "none");
    });
}

#[test]
fn rfc9989_s4_7_a_domain_that_tests_gets_the_policy_below() {
    SITE.with(|site| {
        let held = forged(site, "testing.example").held();
        is_judged(&held, "fail", "testing.example", "quarantine");
    });
}

#[test]
fn rfc9989_s4_10_1_without_a_usable_record_nothing_is_done() {
    SITE.with(|site| {
        for (domain, result) in [
            ("two.example", "none"),
            ("other.example", "none"),
            ("gone.example", "none"),
            // Nothing is to be done either; §9.2 has this word for a record that is improperly formatted.
            ("broken.example", "permerror"),
        ] {
            let (found, author, policy) = verdict(&forged(site, domain).delivered());
            assert_eq!((found.as_str(), author.as_deref(), policy), (result, Some(domain), None));
        }
        // RFC 9989 §4.7: with a place for reports it is taken for p=none.
        is_judged(&forged(site, "reporting.example").delivered(), "fail", "reporting.example", "none");
    });
}

#[test]
fn rfc1034_s3_6_2_a_record_may_be_an_alias() {
    SITE.with(|site| forged(site, "alias.example").is_refused_for("alias.example"));
}

#[test]
fn rfc5891_an_author_domain_in_utf_8_has_the_policy_of_its_a_label() {
    let records = "_dmarc.xn--mnchen-3ya.example. TXT \"v=DMARC1; p=reject\"\n";
    let dmarc = "mode = \"reject\"\nseldom_seen = \"reject\"";
    let site = start_with(&Options { dmarc, records, ..Options::default() });
    let message = String::from_utf8(mails::from("münchen.example")).unwrap();
    let mail = Mail {
        from: "a@other.example",
        to: "reader@reader.example",
        parameters: "SMTPUTF8",
        message: message.as_bytes(),
    };
    fate_of(&site, CLIENT, &mail).is_refused_for("xn--mnchen-3ya.example");
}
