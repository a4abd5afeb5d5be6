//! What is done about a result: the owner's wish, our settings, and what makes it milder.
//!
//! | | wish `none` | `quarantine` | `reject` |
//! |---|---|---|---|
//! | `mode = observe` | nothing | nothing | nothing |
//! | `tag` | nothing | field | field |
//! | `quarantine` | nothing | quarantine and field | quarantine and field |
//! | `reject` | nothing | quarantine and field | refused |
//!
//! The wish is the policy as published, one level lower with `t=y`, or that of an override. Then the lowest of these counts: the mode, for the
//! share of mail that it is for; `mailing_lists`; `seldom_seen`; quarantine behind a relay, which would send a refusal back to a victim; nothing for a
//! trusted forwarder. RFC 9989 §7.4, §8; RFC 9990 §3.1.1.9 for the types of reasons. Nothing but a `fail` is acted upon.

use std::collections::{BTreeSet, HashMap};

use dmarc_core::outcome::{DmarcResult, Evaluation};
use dmarc_core::record::Policy;
use jiff::civil::Date;

use super::NoAuthor;
use crate::config::{Dmarc, DmarcOverride, Enforcement, SenderDomains, parents};
use crate::enforcement::Step;

/// Why something else is done than the owner asks for: the types of RFC 9990 §3.1.1.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonKind {
    /// `local_policy`
    LocalPolicy,
    /// `mailing_list`
    MailingList,
    /// `policy_test_mode`
    PolicyTestMode,
    /// `trusted_forwarder`
    TrustedForwarder,
    /// `other`
    Other,
}

impl ReasonKind {
    /// The word of reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LocalPolicy => "local_policy",
            Self::MailingList => "mailing_list",
            Self::PolicyTestMode => "policy_test_mode",
            Self::TrustedForwarder => "trusted_forwarder",
            Self::Other => "other",
        }
    }
}

/// A reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Its type.
    pub kind: ReasonKind,
    /// In words.
    pub comment: String,
}

impl Reason {
    fn new(kind: ReasonKind, comment: impl Into<String>) -> Self {
        Self { kind, comment: comment.into() }
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What the owner of the author domain asks for, or an override in his place.
    pub requested: Policy,
    /// What is done.
    pub done: Enforcement,
    /// What full enforcement would do.
    pub would: Enforcement,
    /// Why it is not what the owner asks for.
    pub reasons: Vec<Reason>,
}

impl Ruling {
    /// Nothing is asked for and nothing done.
    fn nothing() -> Self {
        Self { requested: Policy::None, done: Enforcement::Observe, would: Enforcement::Observe, reasons: Vec::new() }
    }

    /// The word of reports for what is done (RFC 9990 §3.1.1.8): a field that sorts mail out is a quarantine.
    #[must_use]
    pub fn disposition(&self) -> Policy {
        match self.done {
            Enforcement::Observe => Policy::None,
            Enforcement::Tag | Enforcement::Quarantine => Policy::Quarantine,
            Enforcement::Reject => Policy::Reject,
        }
    }

    /// What full enforcement would do, where that is more than is done.
    #[must_use]
    pub fn would_do(&self) -> Option<Enforcement> {
        (self.would > self.done).then_some(self.would)
    }

    /// The MTA has no quarantine: what stays of it is the field.
    pub(in crate::message) fn without_quarantine(&mut self) {
        if self.done == Enforcement::Quarantine {
            self.done = Enforcement::Tag;
            self.reasons.push(Reason::new(ReasonKind::LocalPolicy, "the mta has no quarantine"));
        }
    }
}

/// What is looked at beside the result.
#[derive(Clone, Copy, Debug)]
pub(in crate::message) struct Circumstances<'a> {
    /// A relay of ours has accepted the mail.
    pub(in crate::message) is_behind_relay: bool,
    /// The client is a trusted forwarder.
    pub(in crate::message) is_forwarder: bool,
    /// The field by which a mailing list shows.
    pub(in crate::message) list_sign: Option<&'static str>,
    /// Next to no mail of the domain has passed here.
    pub(in crate::message) is_seldom_seen: bool,
    /// The message's number below 100.
    pub(in crate::message) draw: u8,
    /// The step of enforcement that the domain has come to.
    pub(in crate::message) ramp: Option<Step>,
    /// The day (UTC).
    pub(in crate::message) today: Date,
    /// There were more recipients than were kept.
    pub(in crate::message) has_more_recipients: bool,
    /// Our relay says that its client is one of our own people.
    pub(in crate::message) is_ours_by_relay: bool,
    /// Domains of recipients, each once; `None` for one without.
    pub(in crate::message) recipients: &'a [Option<String>],
}

/// Rules on an evaluation.
pub(in crate::message) fn rule(evaluation: &Evaluation, circumstances: &Circumstances<'_>, dmarc: &Dmarc) -> Ruling {
    let (DmarcResult::Fail, Some(policy)) = (evaluation.result, &evaluation.policy) else { return Ruling::nothing() };
    let owner = policy.for_sample(circumstances.draw);
    let mut reasons = Vec::new();
    if policy.is_lowered_by_testing() {
        reasons.push(Reason::new(ReasonKind::PolicyTestMode, "the owner is testing (t=y)"));
    } else if owner != policy.requested {
        reasons.push(Reason::new(ReasonKind::Other, "spared by pct="));
    }
    let (mut ruling, several) = mildest(evaluation.author.as_str(), owner, circumstances, dmarc);
    reasons.append(&mut ruling.reasons);
    if several {
        reasons.push(Reason::new(ReasonKind::LocalPolicy, "the mildest of the settings for its recipients"));
    }
    ruling.reasons = reasons;
    ruling
}

/// Rules on mail without exactly one author domain (`standards.md` M-6).
pub(in crate::message) fn rule_without_author(
    why: NoAuthor,
    circumstances: &Circumstances<'_>,
    dmarc: &Dmarc,
) -> Ruling {
    let mut ruling = Ruling::nothing();
    (ruling.done, ruling.would) = (dmarc.multiple_from, Enforcement::Reject);
    if dmarc.multiple_from > Enforcement::Observe {
        ruling.reasons.push(Reason::new(ReasonKind::LocalPolicy, why.text()));
    }
    for (most, reason) in limits_of_the_way(circumstances) {
        ruling.would = ruling.would.min(most);
        if most < ruling.done {
            ruling.done = most;
            ruling.reasons.push(reason);
        }
    }
    ruling
}

/// Settings for one recipient domain.
#[derive(Clone, Copy, Debug)]
struct Settings<'a> {
    mode: Enforcement,
    share: u8,
    /// Policy and reason of the override they come from.
    from: Option<(Option<Policy>, &'a str)>,
}

/// The mildest of what the recipients' settings come to, since there is one answer for all of them; and whether they differ.
fn mildest(author: &str, owner: Policy, circumstances: &Circumstances<'_>, dmarc: &Dmarc) -> (Ruling, bool) {
    let of = |from: Option<&DmarcOverride>| {
        let origin = from.map(|it| (it.policy, it.reason.as_str()));
        let (own_mode, own_share) = from.map_or((None, None), |it| (it.mode, it.share));
        let with = |mode, share| by(Settings { mode, share, from: origin }, owner, circumstances, dmarc);
        // What somebody wrote for this mail counts more than what is for all.
        if let Some(mode) = own_mode {
            return with(mode, own_share.unwrap_or(100));
        }
        let ruling = with(dmarc.mode, own_share.unwrap_or(dmarc.share));
        // A ramp adds to what is done without it, and never takes anything away.
        let stepped = circumstances.ramp.map(|step| with(step.mode, own_share.unwrap_or(step.share)));
        stepped.filter(|stepped| stepped.done > ruling.done).unwrap_or(ruling)
    };
    let mut rulings = overrides(author, circumstances, dmarc).into_iter().map(of);
    // There is always one: mail without recipients has the settings for all.
    let mut ruling = rulings.next().unwrap_or_else(Ruling::nothing);
    let mut several = false;
    for other in rulings {
        several |= other.done != ruling.done;
        if other.done < ruling.done {
            ruling = other;
        }
    }
    (ruling, several)
}

/// The overrides that count for the recipients, each once; `None` where there is none for a recipient.
///
/// The first one that covers a recipient counts, so the names in them are put into tables once: ten thousand recipients and as many overrides cost a look
/// at each, and not one at each pair.
fn overrides<'d>(author: &str, circumstances: &Circumstances<'_>, dmarc: &'d Dmarc) -> Vec<Option<&'d DmarcOverride>> {
    let mut tables = Tables::default();
    let mut found = BTreeSet::new();
    for (index, each) in dmarc.overrides.iter().enumerate() {
        if !each.covers_sender(author, circumstances.today) {
            continue;
        }
        tables.add(index, &each.recipients);
        // Recipients that were not kept may be of any domain.
        if circumstances.has_more_recipients {
            found.insert(Some(index));
        }
        // No other one can be the first.
        if each.recipients.is_empty() {
            break;
        }
    }
    if circumstances.has_more_recipients {
        found.insert(tables.all);
    }
    match circumstances.recipients {
        [] => {
            found.insert(tables.first_for(None));
        }
        recipients => found.extend(recipients.iter().map(|recipient| tables.first_for(recipient.as_deref()))),
    }
    found.into_iter().map(|index| index.and_then(|index| dmarc.overrides.get(index))).collect()
}

/// The first override by the name of a recipient domain.
#[derive(Default)]
struct Tables<'d> {
    exact: HashMap<&'d str, usize>,
    below: HashMap<&'d str, usize>,
    /// For every domain.
    any: Option<usize>,
    /// For recipients without a domain as well.
    all: Option<usize>,
}

impl<'d> Tables<'d> {
    /// Overrides are added in their order.
    fn add(&mut self, index: usize, recipients: &'d SenderDomains) {
        for name in recipients.exact() {
            self.exact.entry(name).or_insert(index);
        }
        for name in recipients.below() {
            self.below.entry(name).or_insert(index);
        }
        if recipients.is_any() {
            self.any = self.any.or(Some(index));
        }
        if recipients.is_empty() {
            self.all = self.all.or(Some(index));
        }
    }

    fn first_for(&self, recipient: Option<&str>) -> Option<usize> {
        let Some(domain) = recipient else { return self.all };
        let below = parents(domain).filter_map(|parent| self.below.get(parent));
        let named = self.exact.get(domain).into_iter().chain(below).copied();
        named.chain(self.any).chain(self.all).min()
    }
}

fn by(settings: Settings<'_>, owner: Policy, circumstances: &Circumstances<'_>, dmarc: &Dmarc) -> Ruling {
    let requested = settings.from.and_then(|(policy, _)| policy).unwrap_or(owner);
    let full = match requested {
        Policy::None => Enforcement::Observe,
        Policy::Quarantine => Enforcement::Quarantine,
        Policy::Reject => Enforcement::Reject,
    };
    let is_spared = circumstances.draw >= settings.share;
    let mode = if is_spared { settings.mode.one_step_below() } else { settings.mode };
    let mut ruling = Ruling { requested, done: full.min(mode), would: full, reasons: Vec::new() };
    // RFC 9990 §3.1.1.9 has a reason where what is done is not what the owner asks for.
    if let Some((_, why)) = settings.from.filter(|_| requested != owner || ruling.done != full) {
        ruling.reasons.push(Reason::new(ReasonKind::LocalPolicy, why));
    } else if ruling.done < full {
        let mode = settings.mode;
        let comment =
            if is_spared { format!("mode {mode} for {} percent", settings.share) } else { format!("mode {mode}") };
        ruling.reasons.push(Reason::new(ReasonKind::LocalPolicy, comment));
    }
    let list = circumstances.list_sign.map(|sign| {
        let reason = Reason::new(ReasonKind::MailingList, format!("{sign} field"));
        (dmarc.mailing_lists, reason)
    });
    let seldom = circumstances.is_seldom_seen.then(|| {
        let comment = format!("fewer than {} messages of the domain passed here", dmarc.known_after);
        (dmarc.seldom_seen, Reason::new(ReasonKind::LocalPolicy, comment))
    });
    for (most, reason) in limits_of_the_way(circumstances).chain(list).chain(seldom) {
        ruling.would = ruling.would.min(most);
        if most < ruling.done {
            ruling.done = most;
            ruling.reasons.push(reason);
        }
    }
    ruling
}

/// What the way of a message allows at most.
fn limits_of_the_way(circumstances: &Circumstances<'_>) -> impl Iterator<Item = (Enforcement, Reason)> {
    let forwarder = circumstances.is_forwarder.then(|| {
        let reason = Reason::new(ReasonKind::TrustedForwarder, "the client is in trusted_forwarders");
        (Enforcement::Observe, reason)
    });
    let ours = circumstances.is_ours_by_relay.then(|| {
        let reason = Reason::new(ReasonKind::LocalPolicy, "a relay of ours says that it is mail of our own");
        (Enforcement::Observe, reason)
    });
    let relay = circumstances.is_behind_relay.then(|| {
        let reason = Reason::new(ReasonKind::LocalPolicy, "a relay of ours has accepted it");
        (Enforcement::Quarantine, reason)
    });
    forwarder.into_iter().chain(ours).chain(relay)
}

#[cfg(test)]
mod tests;
