//! What was read and is not in the database yet, added up in memory.
//!
//! Texts are kept once and numbered; a row is eleven numbers and its count. *Limits*: [`MAX_ROWS`], [`MAX_TEXT`] and [`MAX_RECORDS`]; who fills a batch
//! writes it when [`Batch::is_full`] says so.

use std::collections::HashMap;
use std::net::IpAddr;

use engine::journal::Position;
use engine::journal::record::{Published, Reason, Record};
use serde_json::json;

/// Rows of one transaction.
pub const MAX_ROWS: usize = 50_000;

/// Octets of texts of one transaction.
pub const MAX_TEXT: usize = 16 << 20;

/// Records of the journal that one transaction stands for.
pub const MAX_RECORDS: u64 = 1_000_000;

/// Octets of the reasons of a message that are kept; theirs are our own words.
const MAX_REASONS: usize = 4096;

/// How records become rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether the recipient's domain is part of a row (RFC 9990's `envelope_to`); it tells who is hosted here.
    pub envelope_to: bool,
    /// The domain that bounces of our reports come to: mail of the null sender to it never brings about a report.
    pub report_domain: Option<String>,
}

/// Texts, each once; 0 is none.
#[derive(Debug, Default)]
pub(super) struct Texts {
    numbers: HashMap<Box<str>, u32>,
    pub(super) list: Vec<Box<str>>,
    octets: usize,
}

impl Texts {
    fn number(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let text: Box<str> = text.into();
        self.octets = self.octets.saturating_add(text.len());
        self.list.push(text.clone());
        let number = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.numbers.insert(text, number);
        number
    }
}

/// What makes a row one; all of it but its count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) day: i64,
    pub(super) policy: u32,
    pub(super) ip: IpAddr,
    pub(super) from: u32,
    pub(super) env: u32,
    pub(super) to: u32,
    pub(super) authset: u32,
    pub(super) disp: Disposition,
    pub(super) dkim: bool,
    pub(super) spf: bool,
    pub(super) reason: u32,
}

/// RFC 9990 §3.1.1.8's disposition, as it is written in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Disposition {
    None = 0,
    Pass = 1,
    Quarantine = 2,
    Reject = 3,
}

/// Messages of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) n: i64,
    pub(super) qualifies: bool,
}

/// Messages of a day and policy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    pub(super) passed: i64,
    pub(super) failed: i64,
    pub(super) quarantined: i64,
    pub(super) rejected: i64,
}

/// Days of the last contact with a domain; 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contact {
    pub(super) sent_to: i64,
    pub(super) accepted_from: i64,
}

/// A policy as it is written.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) domain: u32,
    pub(super) published: Published,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// What was met in the journal on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Records of messages.
    pub messages: u64,
    /// Those that became part of a row.
    pub counted: u64,
    /// Records that the daemon could not write.
    pub lost: u64,
    /// Octets that are no record.
    pub damaged: u64,
    /// Segments whose writer was stopped in the middle of a record.
    pub torn: u64,
    /// Times that segments were gone before they were read.
    pub gaps: u64,
}

impl Met {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.counted = self.counted.saturating_add(other.counted);
        self.lost = self.lost.saturating_add(other.lost);
        self.damaged = self.damaged.saturating_add(other.damaged);
        self.torn = self.torn.saturating_add(other.torn);
        self.gaps = self.gaps.saturating_add(other.gaps);
    }
}

/// What is to be written in one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) domains: Texts,
    pub(super) authsets: Texts,
    pub(super) reasons: Texts,
    policy_keys: Texts,
    pub(super) policies: Vec<Policy>,
    pub(super) rows: HashMap<Key, Counted>,
    pub(super) totals: HashMap<(i64, u32), Total>,
    pub(super) contacts: HashMap<u32, Contact>,
    pub(super) met: Met,
    /// The place behind what was read.
    pub(super) end: Option<Position>,
}

impl Batch {
    pub(super) fn is_full(&self) -> bool {
        let texts = [&self.domains, &self.authsets, &self.reasons, &self.policy_keys];
        let octets: usize = texts.iter().map(|texts| texts.octets).fold(0, usize::saturating_add);
        self.rows.len() >= MAX_ROWS || octets >= MAX_TEXT || self.met.messages >= MAX_RECORDS
    }

    /// Adds one message.
    pub(super) fn add(&mut self, record: &Record, rules: &Rules) {
        self.met.messages = self.met.messages.saturating_add(1);
        let day = i64::try_from(record.at / 86_400_000).unwrap_or(i64::MAX);
        if record.origin != "inbound" {
            self.sent(record, day);
            return;
        }
        // What is put off comes again, and would count each time.
        let Some(dmarc) = record.dmarc.as_ref().filter(|_| record.action != "tempfail") else { return };
        let (Some(published), Some(client), Some(from)) = (&dmarc.published, record.client, record.header_from.first())
        else {
            return;
        };
        let passes = match dmarc.result.as_str() {
            "pass" => true,
            "fail" => false,
            // What is not known is nothing that a report could say.
            _ => return,
        };
        let disp = match dmarc.disposition.as_str() {
            "pass" => Disposition::Pass,
            "quarantine" => Disposition::Quarantine,
            "reject" => Disposition::Reject,
            _ => Disposition::None,
        };
        let is_taken = record.action == "accept" && !matches!(disp, Disposition::Quarantine | Disposition::Reject);
        let policy = self.policy(published, day);
        let key = Key {
            day,
            policy,
            ip: client.to_canonical(),
            from: self.domains.number(from),
            env: self.domains.number(&record.mail_from),
            to: match record.rcpt_to.as_slice() {
                [only] if rules.envelope_to => self.domains.number(only),
                _ => 0,
            },
            authset: self.authsets.number(&authset(record)),
            disp,
            dkim: dmarc.dkim_aligned,
            spf: dmarc.spf_aligned,
            reason: self.reasons.number(&reasons(&dmarc.reasons)),
        };
        let counted = self.rows.entry(key).or_default();
        counted.n = counted.n.saturating_add(1);
        counted.qualifies |= (passes || is_taken) && !is_bounce_of_a_report(record, rules);
        let total = self.totals.entry((day, policy)).or_default();
        let count = |is: bool, number: &mut i64| *number = number.saturating_add(i64::from(is));
        count(passes, &mut total.passed);
        count(!passes, &mut total.failed);
        count(disp == Disposition::Quarantine, &mut total.quarantined);
        count(disp == Disposition::Reject, &mut total.rejected);
        if passes && is_taken {
            let domain = self.policies.get(at(policy)).map_or(0, |policy| policy.domain);
            let contact = self.contacts.entry(domain).or_default();
            contact.accepted_from = contact.accepted_from.max(day);
        }
        self.met.counted = self.met.counted.saturating_add(1);
    }

    /// Mail of our own: who gets it is somebody that we talk to.
    fn sent(&mut self, record: &Record, day: i64) {
        if record.action != "accept" {
            return;
        }
        for domain in &record.rcpt_to {
            let number = self.domains.number(domain);
            let contact = self.contacts.entry(number).or_default();
            contact.sent_to = contact.sent_to.max(day);
        }
    }

    fn policy(&mut self, published: &Published, day: i64) -> u32 {
        let before = self.policy_keys.list.len();
        let number = self.policy_keys.number(&policy_text(published));
        if self.policy_keys.list.len() > before {
            let domain = self.domains.number(&published.domain);
            self.policies.push(Policy { domain, published: published.clone(), first: day, last: day });
        } else if let Some(policy) = self.policies.get_mut(at(number)) {
            policy.first = policy.first.min(day);
            if day >= policy.last {
                policy.last = day;
                policy.published.rua.clone_from(&published.rua);
            }
        }
        number
    }

    /// The texts by which policies are told apart, in their order.
    pub(super) fn policy_texts(&self) -> &[Box<str>] {
        &self.policy_keys.list
    }
}

/// The place of a number in its list.
pub(super) fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).wrapping_sub(1)
}

/// All of a policy that a report tells: `rua` is none of that.
fn policy_text(published: &Published) -> String {
    let Published { domain, discovery_method, p, sp, np, adkim, aspf, fo, testing, rua: _, ruf: _ } = published;
    let [sp, np, fo] = [sp, np, fo].map(|word| word.as_deref().unwrap_or_default());
    format!("{domain} {discovery_method} p={p} sp={sp} np={np} adkim={adkim} aspf={aspf} fo={fo} t={testing}")
}

/// What [`authset`] writes.
#[derive(serde::Serialize)]
struct Results<'a> {
    dkim: Vec<(&'a str, &'a str, &'a str)>,
    spf: Option<(&'a str, &'a str, &'a str)>,
}

/// The results of a message in an order that does not depend on that of the signatures, each once.
fn authset(record: &Record) -> String {
    let signatures = record.dkim.iter().filter(|dkim| !dkim.domain.is_empty());
    let mut dkim: Vec<_> =
        signatures.map(|dkim| (dkim.domain.as_str(), dkim.selector.as_str(), dkim.result.as_str())).collect();
    dkim.sort_unstable_by_key(|(domain, selector, result)| (*result != "pass", *domain, *selector, *result));
    dkim.dedup();
    let spf = record.spf.as_ref().map(|spf| {
        let is_null = record.mail_from.is_empty() && record.mail_from_error.is_none();
        let scope = if is_null { "helo" } else { "mfrom" };
        (spf.mail_from.domain.as_str(), scope, spf.mail_from.result.as_str())
    });
    // Texts and lists always have a form in JSON.
    serde_json::to_string(&Results { dkim, spf }).unwrap_or_default()
}

fn reasons(reasons: &[Reason]) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    let list: Vec<_> = reasons.iter().map(|reason| (&reason.kind, &reason.comment)).collect();
    let text = json!(list).to_string();
    if text.len() <= MAX_REASONS { text } else { json!([("other", None::<&str>)]).to_string() }
}

/// A report about a bounce of a report would bring about a bounce.
fn is_bounce_of_a_report(record: &Record, rules: &Rules) -> bool {
    let is_null = record.mail_from.is_empty() && record.mail_from_error.is_none();
    is_null && rules.report_domain.as_ref().is_some_and(|domain| record.rcpt_to.contains(domain))
}

#[cfg(test)]
mod tests;
