//! Fields that are not for others to write are removed, and ours are written where delivery finds them.

use super::{STRICT, fate, is_judged, observed, start_with, tags};
use crate::mails;
use crate::site::dovecot::Dovecot;
use crate::site::postfix::HOST;
use crate::site::{Options, own_results};

#[test]
fn rfc8601_s5_a_forged_dmarc_result_under_our_name_is_not_delivered() {
    STRICT.with(|site| {
        let fields = format!(
            "Authentication-Results: {HOST}; dmarc=pass header.from=bank.example\r\n\
             Authentication-Results: other.example; dmarc=pass header.from=bank.example\r\n\
             Authentication-Results: \"{HOST}\" 1; dkim=pass header.d=bank.example; dmarc=pass header.from=bank.example\r\n"
        );
        let delivered = observed(site, "a@stranger.example", &mails::with_fields(&fields, &mails::from("bank.example")));
        is_judged(&delivered, "fail", "bank.example", "reject");
        let results = delivered.all("Authentication-Results");
        assert_eq!(results.len(), 2, "{results:?}");
        assert!(results[1].starts_with("other.example;"), "{results:?}");
    });
}

#[test]
fn a_forged_field_for_delivery_rules_is_removed() {
    STRICT.with(|site| {
        let fields =
            "X-Postseal-DMARC: none (all is well)\r\nx-postseal-dmarc: reject\r\nX-Postseal-Dmarc : reject\r\n";
        let message = mails::with_fields(fields, &mails::from("stranger.example"));
        let delivered = fate(site, "a@stranger.example", &message).delivered();
        assert_eq!(tags(&delivered), [""; 0], "{}", delivered.header());
        assert!(!delivered.header().to_ascii_lowercase().contains("postseal-dmarc"), "{}", delivered.header());
        // Where there is one of ours it is the only one.
        let message = mails::with_fields(fields, &mails::from("quarantine.example"));
        let held = fate(site, "a@stranger.example", &message).held();
        assert_eq!(tags(&held), ["quarantine (dmarc=fail header.from=quarantine.example)"], "{}", held.header());
    });
}

#[test]
fn x12_bimi_fields_are_removed_where_that_is_wanted() {
    STRICT.with(|site| {
        let fields = "BIMI-Location: v=BIMI1; l=https://bank.example/logo.svg\r\nbimi-indicator: PHN2Zz4=\r\n\
            BIMI-Selector: v=BIMI1; s=brand\r\n";
        let message = mails::with_fields(fields, &mails::from("stranger.example"));
        let delivered = fate(site, "a@stranger.example", &message).delivered();
        for (name, count) in [("BIMI-Location", 0), ("BIMI-Indicator", 0), ("BIMI-Selector", 1)] {
            assert_eq!(delivered.all(name).len(), count, "{}", delivered.header());
        }
    });
}

#[test]
fn m17_results_are_reported_behind_those_of_dkim_and_spf() {
    STRICT.with(|site| {
        let delivered = observed(site, "a@stranger.example", &mails::from("bank.example"));
        let results = own_results(&delivered);
        let methods: Vec<&str> = results.methods.iter().map(|found| found.method.as_str()).collect();
        assert_eq!(methods[0], "dkim", "{results:?}");
        let place = |name: &str| methods.iter().position(|method| *method == name).unwrap();
        assert!(place("spf") < place("dmarc"), "{results:?}");
        assert_eq!(results.of("dmarc")[0].property("reason"), "no identifier that passed is aligned");
    });
}

/// Postfix hands mail to Dovecot, which has the script of `contrib/sieve`.
#[test]
fn tagged_mail_goes_to_junk_and_a_forged_tag_does_not() {
    let dovecot = Dovecot::start();
    let dmarc = "mode = \"tag\"";
    let site = start_with(&Options { dmarc, main_cf: &dovecot.main_cf, ..Options::default() });
    let send = |from: &str, message: &[u8]| {
        let mail = crate::smtp::Mail { from, to: "reader@reader.example", parameters: "", message };
        let reply = site.outside().send(&mail);
        assert_eq!(reply.code, 250, "{reply:?}");
    };
    for domain in ["bank.example", "quarantine.example"] {
        send("a@other.example", &mails::from(domain));
        let filed = dovecot.junk.next();
        assert_eq!(tags(&filed).len(), 1, "{}", filed.header());
        assert!(filed.header().contains("dmarc=fail"), "{}", filed.header());
    }
    send("a@other.example", &mails::from("none.example"));
    assert_eq!(tags(&dovecot.inbox.next()), [""; 0]);
    let forged = mails::with_fields("X-Postseal-DMARC: reject\r\n", &mails::from("stranger.example"));
    send("a@stranger.example", &forged);
    assert_eq!(tags(&dovecot.inbox.next()), [""; 0]);
    assert!(!dovecot.junk.has_more() && !dovecot.inbox.has_more());
}
