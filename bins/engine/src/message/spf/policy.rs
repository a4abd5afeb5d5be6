//! What follows from a MAIL FROM result: nothing, a rejection, a deferral, and the reply that says so.
//!
//! RFC 7208 §8 and RFC 7372 §3.2. By default nothing is refused (`standards.md` S-18). HELO results never refuse anything.
//!
//! Behind a relay of ours nothing is refused: the relay has accepted the mail, and what we refused it would send back to MAIL FROM, which is a victim
//! where the result is `fail`.

use std::net::IpAddr;

use milter_proto::{Decision, ReplyCode};
use spf_core::identity::{MailFrom, Sender, Session};
use spf_core::name::Name;
use spf_core::outcome::{Outcome, SpfResult};

use crate::config::{OnFailure, Spf};

/// Octets of an explanation that are shown: with the longest domain it fits into one line of a reply, so that every line begins in our words.
pub const MAX_EXPLANATION: usize = 200;

/// Why mail is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The domain says that the client may not send for it.
    Fail,
    /// The DNS did not answer.
    TempError,
}

/// What follows from a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Nothing: it is nothing to refuse.
    Pass,
    /// Nothing, though it is a `fail`: its domain is not one of those that are rejected, or a relay of ours has accepted the mail.
    Reported,
    /// Nothing, though it would be refused: client or domain are allowed.
    Allowed,
    /// It is refused.
    Refuse(Refusal),
}

impl Ruling {
    /// The word for logs, where there is something to say.
    #[must_use]
    pub fn code(self) -> Option<&'static str> {
        match self {
            Self::Pass => None,
            Self::Reported => Some("would-reject"),
            Self::Allowed => Some("allowed"),
            Self::Refuse(Refusal::Fail) => Some("reject"),
            Self::Refuse(Refusal::TempError) => Some("tempfail"),
        }
    }
}

/// Rules on a result; `is_behind_relay`: a relay of ours has accepted the mail.
pub fn rule(outcome: &Outcome<MailFrom>, is_behind_relay: bool, spf: &Spf) -> Ruling {
    let domain = outcome.domain.as_ref().map(Name::as_str);
    let is_allowed = is_allowed(outcome.session().client(), domain, spf);
    match outcome.result {
        SpfResult::Fail if is_allowed => Ruling::Allowed,
        // RFC 7208 §8.4 has the rejection "during the SMTP transaction" with the sender. That one is over, and the relay would bounce.
        SpfResult::Fail if is_behind_relay => Ruling::Reported,
        SpfResult::Fail if domain.is_some_and(|domain| spf.reject.contains(domain)) => Ruling::Refuse(Refusal::Fail),
        SpfResult::Fail => Ruling::Reported,
        // The relay would try again and in the end bounce as well.
        SpfResult::TempError if spf.on_temperror == OnFailure::Accept || is_behind_relay => Ruling::Pass,
        SpfResult::TempError if is_allowed => Ruling::Allowed,
        SpfResult::TempError => Ruling::Refuse(Refusal::TempError),
        // RFC 7208 §8.2: "A "neutral" result MUST be treated exactly like the "none" result".
        SpfResult::None | SpfResult::Neutral | SpfResult::Pass | SpfResult::SoftFail | SpfResult::PermError => {
            Ruling::Pass
        }
    }
}

/// Whether a result of this check could be refused, before it is known: only then is it worth a wait.
pub fn may_refuse(session: &Session, sender: &Sender, spf: &Spf) -> bool {
    let Some(domain) = domain_of(session, sender) else { return false };
    !is_allowed(session.client(), Some(domain), spf)
        && (spf.on_temperror == OnFailure::Tempfail || spf.reject.contains(domain))
}

/// Whether a `fail` of this check would be rejected: only then is somebody shown its explanation.
pub fn may_reject(session: &Session, sender: &Sender, spf: &Spf) -> bool {
    domain_of(session, sender)
        .is_some_and(|domain| spf.reject.contains(domain) && !is_allowed(session.client(), Some(domain), spf))
}

/// The domain that a check of MAIL FROM is about.
fn domain_of<'a>(session: &'a Session, sender: &'a Sender) -> Option<&'a str> {
    let domain = if sender.is_null() { session.helo().ok() } else { sender.domain() };
    domain.map(Name::as_str)
}

fn is_allowed(client: IpAddr, domain: Option<&str>, spf: &Spf) -> bool {
    spf.allow_networks.contains(client) || domain.is_some_and(|domain| spf.allow_domains.contains(domain))
}

/// What the SMTP client is told.
pub fn reply(refusal: Refusal, outcome: &Outcome<MailFrom>) -> Decision {
    let client = outcome.session().client();
    let domain = outcome.domain.as_ref().map_or("", |domain| domain.as_str());
    // RFC 7372 §3.2: X.7.23 "SPF validation failed", X.7.24 "SPF validation error"; RFC 7208 §8.4 has 550 and §8.6 has 451.
    let (code, detail, fallback) = match refusal {
        Refusal::Fail => (550, 23, Decision::Reject),
        Refusal::TempError => (451, 24, Decision::TempFail),
    };
    let Ok(builder) = ReplyCode::builder(code) else { return fallback };
    let builder = builder.enhanced(7, detail);
    let builder = match refusal {
        Refusal::Fail => builder.text(format!("SPF check of MAIL FROM failed: {client} may not send for {domain}")),
        Refusal::TempError => {
            builder.text(format!("SPF check of MAIL FROM not possible for {domain} now, try again later"))
        }
    };
    let builder = match (&outcome.explanation, refusal) {
        // RFC 7208 §6.2: "Software SHOULD make it clear that the explanation string comes from a third party."
        (Some(explanation), Refusal::Fail) => {
            let shown = fit(&explanation.text);
            builder.text(format!("The domain {} explains: {shown}", explanation.domain))
        }
        _ => builder,
    };
    Decision::ReplyCode(builder.build())
}

/// One line of printable ASCII, [`MAX_EXPLANATION`] octets on the wire at most, where a percent sign is two.
fn fit(text: &str) -> String {
    let mut left = MAX_EXPLANATION;
    text.chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .take_while(|c| {
            let octets = if *c == '%' { 2 } else { 1 };
            let fits = left >= octets;
            left = left.saturating_sub(octets);
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use spf_core::check::check_mail_from;
    use spf_core::dns::Answer;
    use spf_core::limits::Limits;

    use super::*;
    use crate::config::{IpSet, SenderDomains, SenderPattern};

    /// The outcome for `<jo@example.com>` when `record` is at every name.
    fn outcome(record: Answer) -> Outcome<MailFrom> {
        let session = Session::new("192.0.2.1".parse().unwrap(), "mail.example.com");
        let sender = Sender::from_reverse_path(b"<jo@example.com>");
        check_mail_from(&session, &sender, &Limits::default()).run(|question| {
            if question.name.as_str() == "why.example.com" {
                return Answer::txt([format!("250 OK %{{i}} 100%% {}", "w%% ".repeat(200))]);
            }
            record.clone()
        })
    }

    fn domains(patterns: &[&str]) -> SenderDomains {
        patterns.iter().map(|pattern| pattern.parse::<SenderPattern>().unwrap()).collect()
    }

    fn networks(text: &str) -> IpSet {
        std::iter::once(text.parse().unwrap()).collect()
    }

    #[test]
    fn s18_only_what_the_configuration_names_is_refused() {
        let fail = outcome(Answer::txt(["v=spf1 -all"]));
        let default = Spf::default();
        let strict = Spf { reject: domains(&["example.com"]), on_temperror: OnFailure::Tempfail, ..Spf::default() };
        assert_eq!(rule(&fail, false, &default), Ruling::Reported);
        assert_eq!(rule(&fail, false, &strict), Ruling::Refuse(Refusal::Fail));
        assert_eq!(
            rule(&fail, false, &Spf { reject: domains(&["*"]), ..Spf::default() }),
            Ruling::Refuse(Refusal::Fail)
        );
        assert_eq!(
            rule(&fail, false, &Spf { reject: domains(&["*.example.com"]), ..Spf::default() }),
            Ruling::Reported
        );
        for (record, result) in [
            (Answer::txt(["v=spf1 +all"]), "pass"),
            (Answer::txt(["v=spf1 ~all"]), "softfail"),
            (Answer::txt(["v=spf1 ?all"]), "neutral"),
            (Answer::txt(["v=spf1 what"]), "permerror"),
            (Answer::NoData, "none"),
        ] {
            let outcome = outcome(record);
            assert_eq!((outcome.result.as_str(), rule(&outcome, false, &strict)), (result, Ruling::Pass));
        }
        let temperror = outcome(Answer::Failed);
        assert_eq!(rule(&temperror, false, &default), Ruling::Pass);
        assert_eq!(rule(&temperror, false, &strict), Ruling::Refuse(Refusal::TempError));
    }

    #[test]
    fn s18_what_is_allowed_is_never_refused_and_not_waited_for() {
        let session = Session::new("192.0.2.1".parse().unwrap(), "mail.example.com");
        let sender = Sender::from_reverse_path(b"<jo@example.com>");
        let strict = Spf { reject: domains(&["*"]), on_temperror: OnFailure::Tempfail, ..Spf::default() };
        assert!(may_refuse(&session, &sender, &strict) && may_reject(&session, &sender, &strict));
        let put_off = Spf { on_temperror: OnFailure::Tempfail, ..Spf::default() };
        assert!(may_refuse(&session, &sender, &put_off) && !may_reject(&session, &sender, &put_off));
        assert!(may_refuse(&session, &sender, &Spf { reject: domains(&["example.com"]), ..Spf::default() }));
        assert!(!may_refuse(&session, &sender, &Spf { reject: domains(&["example.org"]), ..Spf::default() }));
        assert!(!may_refuse(&session, &sender, &Spf::default()));
        // RFC 7208 §2.4: with a null sender the domain is that of HELO.
        let helo = Spf { reject: domains(&["mail.example.com"]), ..Spf::default() };
        assert!(may_refuse(&session, &Sender::null(), &helo) && !may_refuse(&session, &sender, &helo));
        for allowing in [
            Spf { allow_networks: networks("192.0.2.0/24"), ..strict.clone() },
            Spf { allow_domains: domains(&["example.com"]), ..strict },
        ] {
            assert!(!may_refuse(&session, &sender, &allowing) && !may_reject(&session, &sender, &allowing));
            assert_eq!(rule(&outcome(Answer::txt(["v=spf1 -all"])), false, &allowing), Ruling::Allowed);
            assert_eq!(rule(&outcome(Answer::Failed), false, &allowing), Ruling::Allowed);
            assert_eq!(rule(&outcome(Answer::NoData), false, &allowing), Ruling::Pass);
        }
    }

    #[test]
    fn s18_behind_a_relay_nothing_is_refused_and_a_fail_is_reported() {
        let strict = Spf { reject: domains(&["*"]), on_temperror: OnFailure::Tempfail, ..Spf::default() };
        let fail = outcome(Answer::txt(["v=spf1 -all"]));
        assert_eq!(rule(&fail, true, &strict), Ruling::Reported);
        assert_eq!(Ruling::Reported.code(), Some("would-reject"));
        assert_eq!(rule(&outcome(Answer::Failed), true, &strict), Ruling::Pass);
        let allowing = Spf { allow_networks: networks("192.0.2.0/24"), ..strict };
        assert_eq!(rule(&fail, true, &allowing), Ruling::Allowed);
    }

    #[test]
    fn s17_an_explanation_is_shown_as_the_words_of_its_domain_on_one_line() {
        let outcome = outcome(Answer::txt(["v=spf1 -all exp=why.example.com"]));
        let Decision::ReplyCode(code) = reply(Refusal::Fail, &outcome) else { panic!("no code") };
        let text = code.to_smtp();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "550-5.7.23 SPF check of MAIL FROM failed: 192.0.2.1 may not send for example.com");
        assert!(lines[1].starts_with("550 5.7.23 The domain example.com explains: 250 OK 192.0.2.1 100% w% w%"));
        assert_eq!(lines.len(), 2);
        assert_eq!(fit(&"%".repeat(500)).len(), MAX_EXPLANATION / 2);
        assert_eq!(fit("a\r\n250 OK\u{e4}"), "a??250 OK?");
    }

    #[test]
    fn s17_the_longest_explanation_of_the_longest_domain_is_still_one_line() {
        let mut outcome_of = outcome(Answer::txt(["v=spf1 -all exp=why.example.com"])).into_report();
        let long = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
        let explanation = outcome_of.explanation.as_mut().unwrap();
        explanation.domain = Name::parse(&long).unwrap();
        let line = format!("The domain {} explains: {}", explanation.domain, fit(&"%".repeat(500)));
        let code = ReplyCode::builder(550).unwrap().enhanced(7, 23).text(line).build();
        assert_eq!(code.to_smtp().split("\r\n").count(), 1);
    }

    #[test]
    fn rfc7372_s3_2_a_deferral_has_its_own_code() {
        let Decision::ReplyCode(code) = reply(Refusal::TempError, &outcome(Answer::Failed)) else { panic!("no code") };
        assert_eq!(
            code.to_smtp(),
            "451 4.7.24 SPF check of MAIL FROM not possible for example.com now, try again later"
        );
    }
}
