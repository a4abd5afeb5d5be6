//! What a forged Authentication-Results field does to OpenDKIM and OpenDMARC, and what it does to the daemon.
//!
//! A stranger sends mail of a domain whose policies are `v=spf1 -all` and `p=reject`, without a signature. OpenDMARC takes results from fields in
//! the message that have a name it trusts; OpenDKIM before it removes those that have a `dkim` result, and by default no others.

use crate::mailbox::Delivered;
use crate::mails;
use crate::site::opendmarc::{OpenDmarcSite, Options};
use crate::site::{self, Site};
use crate::smtp::{Mail, Reply, Smtp};

/// The bank sends no mail at all, and wants what claims to be from it to be rejected; the shop sends from the stranger's address.
const RECORDS: &str = "bank.example. TXT \"v=spf1 -all\"
_dmarc.bank.example. TXT \"v=DMARC1; p=reject\"
shop.example. TXT \"v=spf1 ip4:192.0.2.5 -all\"
_dmarc.shop.example. TXT \"v=DMARC1; p=reject\"
";

const CLIENT: &str = "ADDR=192.0.2.5 PORT=40000 NAME=out.example HELO=out.example";

/// The lie: it needs no more knowledge than the name of the host that takes mail.
const FORGED: &str = "Authentication-Results: mx.example; spf=pass smtp.mailfrom=bank.example\r\n";

/// The lie in other spellings of the name.
const SPELLINGS: [&str; 2] = [
    "authentication-results: MX.Example; spf=pass smtp.mailfrom=bank.example\r\n",
    "Authentication-Results: mx.example 1; spf=pass smtp.mailfrom=bank.example\r\n",
];

/// What a policy server for SPF adds where `smtpd_recipient_restrictions` ask it.
const POLICY_SERVER: &str = "smtpd_recipient_restrictions = check_sender_access static:{PREPEND \
    Authentication-Results: mx.example; spf=fail smtp.mailfrom=bank.example}, permit";

/// OpenDMARC rejects; SPF as these lines have it.
fn start(spf: &str, opendkim: &str, main_cf: &str) -> OpenDmarcSite {
    let opendmarc = &format!("RejectFailures true\n{spf}");
    OpenDmarcSite::start(RECORDS, Options { opendkim, opendmarc, main_cf, without_opendkim: false })
}

/// A message that claims to be from the bank, with these fields on top.
fn offer(site: &OpenDmarcSite, fields: &str) -> Reply {
    offer_from(site, "bank.example", fields)
}

fn offer_from(site: &OpenDmarcSite, domain: &str, fields: &str) -> Reply {
    let (from, message) = (format!("a@{domain}"), mails::with_fields(fields, &mails::from(domain)));
    site.offer(CLIENT, &Mail { from: &from, to: "reader@reader.example", parameters: "", message: &message })
}

fn is_rejected(site: &OpenDmarcSite, fields: &str) {
    let reply = offer(site, fields);
    assert_eq!(reply.code, 550, "{reply:?}");
    assert_eq!(reply.text, "5.7.1 rejected by DMARC policy for bank.example");
    assert!(!site.postfix.mailbox.has_more());
}

/// The message is delivered, and says that it passed.
fn is_believed(site: &OpenDmarcSite, fields: &str) -> Delivered {
    let reply = offer(site, fields);
    assert_eq!(reply.code, 250, "{reply:?}");
    let delivered = site.postfix.mailbox.next();
    let results = delivered.all("Authentication-Results");
    let verdicts: Vec<&String> = results.iter().filter(|value| value.contains("dmarc=")).collect();
    assert_eq!(verdicts.len(), 1, "{}", delivered.header());
    assert!(
        verdicts[0].starts_with("mx.example; dmarc=pass (p=reject dis=none) header.from=bank.example"),
        "{results:?}"
    );
    delivered
}

#[test]
fn row_1_opendmarc_that_leaves_spf_to_others_believes_the_forged_field() {
    let site = start("", "", "");
    is_rejected(&site, "");
    is_believed(&site, FORGED);
}

#[test]
fn row_2_opendmarc_that_checks_spf_itself_believes_the_forged_field() {
    let site = start("SPFSelfValidate true", "", "");
    is_rejected(&site, "");
    is_believed(&site, FORGED);
}

#[test]
fn row_3_opendmarc_that_ignores_the_fields_of_others_does_not() {
    let site = start("SPFSelfValidate true\nSPFIgnoreResults true", "", "");
    is_rejected(&site, "");
    is_rejected(&site, FORGED);
    // It does ask the name server.
    let reply = offer_from(&site, "shop.example", "");
    assert_eq!(reply.code, 250, "{reply:?}");
    let results = site.postfix.mailbox.next().all("Authentication-Results");
    assert!(results.iter().any(|value| value.contains("dmarc=pass (p=reject dis=none)")), "{results:?}");
}

#[test]
fn row_4_opendmarc_believes_the_forged_field_although_an_honest_one_stands_above_it() {
    let site = start("", "", POLICY_SERVER);
    is_rejected(&site, "");
    let delivered = is_believed(&site, FORGED);
    let results = delivered.all("Authentication-Results");
    let [honest, forged] = ["spf=fail", "spf=pass"].map(|word| results.iter().position(|value| value.contains(word)));
    assert!(honest.is_some() && honest < forged, "{results:?}");
}

#[test]
fn row_5_opendkim_that_removes_all_fields_under_its_name_protects_opendmarc() {
    let site = start("SPFSelfValidate true", "RemoveARAll yes", "");
    for field in [FORGED].into_iter().chain(SPELLINGS) {
        is_rejected(&site, field);
    }
}

/// Nobody removes it: who reads the message cannot tell it from the field of the host.
#[test]
fn opendmarc_alone_lets_a_forged_verdict_pass() {
    let site = OpenDmarcSite::start(RECORDS, Options { without_opendkim: true, ..Options::default() });
    let forged = "Authentication-Results: mx.example; dmarc=pass (p=reject dis=none) header.from=bank.example\r\n";
    let reply = offer(&site, forged);
    assert_eq!(reply.code, 250, "{reply:?}");
    let results = site.postfix.mailbox.next().all("Authentication-Results");
    assert!(results.iter().any(|value| value.contains("dmarc=pass")), "{results:?}");
}

/// The messages of all five rows: to the daemon results in a message are text, whoever put them there.
#[test]
fn the_daemon_rejects_the_messages_of_every_row() {
    let dmarc = "mode = \"reject\"\nseldom_seen = \"reject\"";
    for main_cf in ["", POLICY_SERVER] {
        let site = Site::start(&site::Options { dmarc, main_cf, records: RECORDS, ..site::Options::default() });
        for fields in ["", FORGED].into_iter().chain(SPELLINGS) {
            let message = mails::with_fields(fields, &mails::from("bank.example"));
            let mail = Mail { from: "a@bank.example", to: "reader@reader.example", parameters: "", message: &message };
            let reply = Smtp::connect_as(site.postfix.inbound, CLIENT).send(&mail);
            assert_eq!(reply.code, 550, "{fields}: {reply:?}");
            assert_eq!(reply.text, "5.7.26 Email rejected per DMARC policy for bank.example");
        }
        // The shop may send from there.
        let message = mails::with_fields(FORGED, &mails::from("shop.example"));
        let mail = Mail { from: "a@shop.example", to: "reader@reader.example", parameters: "", message: &message };
        let reply = Smtp::connect_as(site.postfix.inbound, CLIENT).send(&mail);
        assert_eq!(reply.code, 250, "{reply:?}");
        let results = site::own_results(&site.postfix.mailbox.next());
        assert_eq!(results.words("dmarc"), ["pass"], "{results:?}");
        assert!(!site.postfix.mailbox.has_more());
    }
}
