//! M-6 and M-8: mail without exactly one author domain, and what else looks like an author.

use super::{STRICT, fate, is_judged, observed, with_from};
use crate::mails;

/// Everything here has no author, or several; the stranger could pass as himself.
#[test]
fn m6_mail_without_exactly_one_author_domain_is_refused() {
    STRICT.with(|site| {
        for field in [
            "",
            "From: <a@stranger.example>\r\nFrom: <b@bank.example>\r\n",
            "From: <b@bank.example>\r\nFrom: <a@stranger.example>\r\n",
            "From: <a@stranger.example>\r\nX-Between: 1\r\nfrom: <a@stranger.example>\r\n",
            "From: <a@stranger.example>, <b@bank.example>\r\n",
            "From: friends:;\r\n",
            "From: nobody\r\n",
            "From:\r\n",
        ] {
            fate(site, "a@stranger.example", &with_from(field)).is_refused_for_its_author();
        }
    });
}

#[test]
fn m6_several_addresses_of_one_domain_are_one_author() {
    STRICT.with(|site| {
        let message = with_from("From: <a@stranger.example>, B <b@stranger.example>\r\n");
        is_judged(&fate(site, "a@stranger.example", &message).delivered(), "pass", "stranger.example", "reject");
    });
}

/// RFC 9989 has no verdict for it: there is no domain to ask about.
#[test]
fn m6_an_address_literal_has_no_policy() {
    STRICT.with(|site| {
        let delivered = observed(site, "a@stranger.example", &mails::from("stranger.example"));
        is_judged(&delivered, "pass", "stranger.example", "reject");
        fate(site, "a@stranger.example", &with_from("From: <a@[192.0.2.10]>\r\n")).is_refused_for_its_author();
    });
}
