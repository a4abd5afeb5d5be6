//! What `[dmarc]` says: what becomes of mail that fails, in general and by domain.
//!
//! RFC 9989 §7.4: "Mail Receivers MUST NOT reject incoming messages solely on the basis of a "p=reject" policy". So the default only observes, and
//! what is known beyond the policy (lists, relays, forwarders, whether mail of the domain was ever seen to pass) bounds what is done.

use std::path::PathBuf;

use dmarc_core::record::Policy;
use jiff::civil::Date;

use super::networks::IpSet;
use super::reply_template::ReplyTemplate;
use super::sender_domains::SenderDomains;
use super::words::{Enforcement, OnFailure, OrgDomains};

/// How mail is judged by DMARC (RFC 9989), and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmarc {
    /// Whether it is; default yes.
    pub enabled: bool,
    /// The most that is done to mail that fails; default observe.
    pub mode: Enforcement,
    /// Percent of failing mail for which [`mode`](Self::mode) takes effect; the rest gets the step below. Default 100.
    pub share: u8,
    /// How organizational domains are found; default tree walk.
    pub method: OrgDomains,
    /// The list of public suffixes, for the method that needs one.
    pub public_suffix_list: Option<PathBuf>,
    /// What happens to mail whose result is `temperror`; default accept.
    pub on_temperror: OnFailure,
    /// The most that is done to mail without exactly one author domain; default [`mode`](Self::mode), at most quarantine.
    pub multiple_from: Enforcement,
    /// The most that is done to failing mail with signs of a mailing list; default quarantine.
    pub mailing_lists: Enforcement,
    /// The most that is done to failing mail of domains of which next to nothing passed here; default quarantine.
    pub seldom_seen: Enforcement,
    /// Messages of a domain that have to pass before it is no longer seldom seen; default 10.
    pub known_after: u32,
    /// Clients whose mail nothing is done to; default none.
    pub trusted_forwarders: IpSet,
    /// The name of the field for delivery rules; default `X-Postseal-DMARC`.
    pub tag_header: String,
    /// What the SMTP client of rejected mail is told.
    pub reply: RejectReply,
    /// Whether BIMI-Location and BIMI-Indicator fields of incoming mail are removed; default no.
    pub remove_bimi: bool,
    /// Settings for some senders and recipients; the first one that covers a message counts.
    pub overrides: Vec<DmarcOverride>,
}

impl Default for Dmarc {
    fn default() -> Self {
        Self {
            enabled: true,
            mode: Enforcement::Observe,
            share: 100,
            method: OrgDomains::TreeWalk,
            public_suffix_list: None,
            on_temperror: OnFailure::Accept,
            multiple_from: Enforcement::Observe,
            mailing_lists: Enforcement::Quarantine,
            seldom_seen: Enforcement::Quarantine,
            known_after: 10,
            trusted_forwarders: IpSet::default(),
            tag_header: "X-Postseal-DMARC".to_owned(),
            reply: RejectReply::default(),
            remove_bimi: false,
            overrides: Vec::new(),
        }
    }
}

/// The reply to a message that is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectReply {
    /// Subject and detail of the enhanced status code; default 7.26, "multiple authentication checks failed" (RFC 7372 §3.3).
    pub code: (u16, u16),
    /// The text; default that of RFC 9989 §7.2.
    pub text: ReplyTemplate,
    /// What `{url}` stands for; default nothing.
    pub url: String,
}

impl Default for RejectReply {
    fn default() -> Self {
        Self { code: (7, 26), text: ReplyTemplate::default(), url: String::new() }
    }
}

/// Other settings for some senders and recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DmarcOverride {
    /// Author domains; empty: all.
    pub senders: SenderDomains,
    /// Domains of recipients; empty: all.
    pub recipients: SenderDomains,
    /// In place of [`Dmarc::mode`].
    pub mode: Option<Enforcement>,
    /// In place of what the owner of the domain asks for, for mail that fails.
    pub policy: Option<Policy>,
    /// In place of [`Dmarc::share`].
    pub share: Option<u8>,
    /// Why; for log, journal and reports.
    pub reason: String,
    /// The last day (UTC) on which it holds; `None`: for ever.
    pub until: Option<Date>,
}

impl DmarcOverride {
    /// Whether it covers mail of this author domain (A-labels, lower case) on this day.
    #[must_use]
    pub fn covers_sender(&self, domain: &str, today: Date) -> bool {
        self.until.is_none_or(|last| today <= last) && (self.senders.is_empty() || self.senders.contains(domain))
    }

    /// Whether it covers mail for this recipient domain; a recipient without a domain is covered by an override for all.
    #[must_use]
    pub fn covers_recipient(&self, domain: Option<&str>) -> bool {
        self.recipients.is_empty() || domain.is_some_and(|domain| self.recipients.contains(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SenderPattern;

    fn domains(pattern: &str) -> SenderDomains {
        pattern.parse::<SenderPattern>().into_iter().collect()
    }

    #[test]
    fn an_override_covers_its_senders_and_recipients_to_the_end_of_its_last_day() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        let one = DmarcOverride {
            senders: domains("example.com"),
            recipients: domains("*.example.net"),
            mode: None,
            policy: None,
            share: None,
            reason: "why".to_owned(),
            until: Some(day("2026-12-31")),
        };
        for (sender, recipient, today, covers) in [
            ("example.com", Some("a.example.net"), "2026-12-31", true),
            ("example.com", Some("a.example.net"), "2027-01-01", false),
            ("www.example.com", Some("a.example.net"), "2026-12-31", false),
            ("example.com", Some("example.net"), "2026-12-31", false),
            ("example.com", None, "2026-12-31", false),
        ] {
            let covered = one.covers_sender(sender, day(today)) && one.covers_recipient(recipient);
            assert_eq!(covered, covers, "{sender} {recipient:?} {today}");
        }
        let all = DmarcOverride { senders: domains(""), recipients: domains(""), until: None, ..one };
        assert!(all.covers_sender("x.example", day("2999-01-01")) && all.covers_recipient(None));
    }
}
