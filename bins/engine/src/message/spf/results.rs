//! How results are written: `spf=` in Authentication-Results, Received-SPF, the log record.
//!
//! RFC 8601 §2.7.2: one result an identity, `smtp.mailfrom` first, then `smtp.helo`; the domain alone, in A-labels. A null sender is
//! `postmaster` at the domain of HELO (RFC 7208 §2.4), so `smtp.mailfrom` has that domain. Reasons are for people: the term that matched, or
//! why there is no policy. All of it may come from strangers, and is quoted and cut where the field is written.

use std::fmt::Write as _;

use dkim_core::auth_results::ResInfo;
use spf_core::identity::Identity;
use spf_core::outcome::{Cause, Outcome, SpfResult};

use super::{Ruling, SpfResults, What};
use crate::logging::Record;

/// Octets of a term that are shown.
const MAX_TERM: usize = 100;

impl SpfResults {
    /// The results for Authentication-Results, MAIL FROM first.
    pub(in crate::message) fn infos(&self) -> Vec<ResInfo> {
        let checked = match &self.0 {
            What::NoClient(why, domain) => {
                let mut info = ResInfo::new("spf", "none").with_reason(why.text());
                if let Some(domain) = domain {
                    info = info.with_prop("smtp", "mailfrom", domain.as_str());
                }
                return vec![info];
            }
            What::Checked(checked) => checked,
        };
        let mut mail_from = info(&checked.mail_from);
        if checked.ruling == Ruling::Allowed {
            mail_from = mail_from.with_comment("allowed by local policy");
        }
        if checked.is_behind_relay {
            let client = checked.mail_from.session().client();
            mail_from = mail_from.with_comment(format!("client {client} from Received"));
        }
        std::iter::once(mail_from).chain(checked.helo.as_ref().map(info)).collect()
    }

    /// The value of a Received-SPF field about MAIL FROM.
    pub(in crate::message) fn received_spf(&self, receiver: &str) -> Option<String> {
        self.for_dmarc().map(|outcome| outcome.received_spf(receiver))
    }

    /// Adds what is known to a record.
    pub(in crate::message) fn push(&self, record: &mut Record) {
        let checked = match &self.0 {
            What::NoClient(why, _) => {
                record.push("spf", "none");
                record.push("spf_reason", why.code());
                return;
            }
            What::Checked(checked) => checked,
        };
        record.push("spf", checked.mail_from.result.as_str());
        record.push("spf_mailfrom", describe(&checked.mail_from));
        if let Some(helo) = &checked.helo {
            record.push("spf_helo", describe(helo));
        }
        if checked.is_behind_relay {
            record.push("spf_client", checked.mail_from.session().client().to_string());
        }
        if let Some(code) = checked.ruling.code() {
            record.push("spf_policy", code);
        }
    }
}

fn info<I: Identity>(outcome: &Outcome<I>) -> ResInfo {
    let mut info = ResInfo::new("spf", outcome.result.as_str());
    if outcome.result != SpfResult::Pass {
        info = info.with_reason(reason(outcome));
    }
    if let Some((ptype, property, domain)) = outcome.property() {
        info = info.with_prop(ptype, property, domain.as_str());
    }
    info
}

/// Why a result is what it is.
fn reason<I: Identity>(outcome: &Outcome<I>) -> String {
    match (&outcome.cause, outcome.term()) {
        (Cause::Match, Some(term)) => format!("matched {}", shorten(term)),
        (cause, Some(term)) => format!("{cause}, in {}", shorten(term)),
        (cause, None) => cause.to_string(),
    }
}

/// `fail d=example.com: matched -all`
fn describe<I: Identity>(outcome: &Outcome<I>) -> String {
    let domain = outcome.domain.as_ref().map_or("-", |domain| domain.as_str());
    let mut text = format!("{} d={domain}", outcome.result);
    // Writing to a String does not fail.
    let _ = write!(text, ": {}", reason(outcome));
    text
}

/// A term is visible ASCII (RFC 7208 §12), so octets are characters.
fn shorten(term: &str) -> String {
    match term.split_at_checked(MAX_TERM) {
        Some((head, rest)) if !rest.is_empty() => format!("{head}..."),
        _ => term.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use spf_core::check::{check_helo, check_mail_from};
    use spf_core::dns::Answer;
    use spf_core::identity::{Sender, Session};
    use spf_core::limits::Limits;

    use super::super::{Checked, NoClient, policy};
    use super::*;
    use crate::config;

    /// The results for a client at 192.0.2.1 when `answer` is at every name.
    fn results(helo: &str, path: &str, answer: &Answer) -> SpfResults {
        let session = Session::new("192.0.2.1".parse().unwrap(), helo);
        let sender = Sender::from_reverse_path(path.as_bytes());
        let limits = Limits::default();
        let helo = check_helo(&session, &limits).run(|_| answer.clone());
        let mail_from = check_mail_from(&session, &sender, &limits).run(|_| answer.clone());
        let ruling = policy::rule(&mail_from, false, &config::Spf::default());
        let helo = Some(helo);
        SpfResults(What::Checked(Box::new(Checked { helo, mail_from, is_behind_relay: false, ruling })))
    }

    fn field(results: &SpfResults) -> String {
        let mut field = dkim_core::auth_results::AuthResults::new("mx.example");
        field.results = results.infos();
        field.to_field_value(&dkim_core::auth_results::FormatOptions::default()).unwrap().replace("\r\n\t", " ")
    }

    #[test]
    fn rfc8601_s2_7_2_each_identity_has_its_own_result() {
        let record = |text: &str| Answer::txt([text.to_owned()]);
        for (helo, path, answer, expected) in [
            (
                "mail.example.com",
                "<jo@example.com>",
                record("v=spf1 ip4:192.0.2.1 -all"),
                " mx.example; spf=pass smtp.mailfrom=example.com; spf=pass smtp.helo=mail.example.com",
            ),
            (
                "[192.0.2.1]",
                "<jo@example.com>",
                record("v=spf1 ~all"),
                " mx.example; spf=softfail reason=\"matched ~all\" smtp.mailfrom=example.com; \
                 spf=none reason=\"no domain to check: name is an address\"",
            ),
            (
                "mail.example.com",
                "<>",
                record("v=spf1 -all"),
                " mx.example; spf=fail reason=\"matched -all\" smtp.mailfrom=mail.example.com; \
                 spf=fail reason=\"matched -all\" smtp.helo=mail.example.com",
            ),
            (
                "mail.example.com",
                "<jo@ex\u{e4}mple.com>",
                Answer::Failed,
                " mx.example; spf=temperror reason=\"the DNS did not answer\" smtp.mailfrom=xn--exmple-cua.com; \
                 spf=temperror reason=\"the DNS did not answer\" smtp.helo=mail.example.com",
            ),
        ] {
            assert_eq!(field(&results(helo, path, &answer)), expected);
        }
    }

    #[test]
    fn h1_a_hostile_record_stays_within_its_reason() {
        let record = format!("v=spf1 exists:%{{i}}.\";spf=pass(smtp.mailfrom=bank.example;{}.x ?all", "y".repeat(300));
        let results = results("a.example", "<jo@example.com>", &Answer::txt([record]));
        let text = field(&results);
        let limits = dkim_core::auth_results::ReadLimits::default();
        let parsed = dkim_core::auth_results::AuthResults::parse(text.as_bytes(), limits).unwrap();
        let words: Vec<&str> = parsed.results.iter().map(|info| info.result.as_str()).collect();
        assert_eq!(words.len(), 2, "{text}");
        assert!(words.iter().all(|word| *word != "pass"), "{text}");
    }

    #[test]
    fn without_a_client_there_is_one_none_with_its_reason() {
        let domain = Sender::from_reverse_path(b"<jo@example.com>").domain().cloned();
        let results = SpfResults(What::NoClient(NoClient::Unknown, domain));
        assert_eq!(
            field(&results),
            " mx.example; spf=none reason=\"address of the client is not known\" smtp.mailfrom=example.com"
        );
        assert!(results.for_dmarc().is_none() && results.helo().is_none() && results.received_spf("mx").is_none());
    }
}
