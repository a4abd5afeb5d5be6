//! Counts of messages: what is done to them, and to whose.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::judge::{Done, Judged, Result, What};
use super::report::Report;
use crate::tryout::Known;

/// Groups that are kept; what is beyond is counted together.
pub(super) const MAX_GROUPS: usize = 20_000;

/// Names of files and addresses that are kept of a group, and of each reason to pass over a file.
const MAX_EXAMPLES: usize = 3;

/// Everything that is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) own: u64,
    pub(super) judged: u64,
    /// Why files and messages were passed over.
    pub(super) skipped: BTreeMap<&'static str, Skipped>,
    /// Words of DMARC.
    pub(super) dmarc: BTreeMap<&'static str, u64>,
    pub(super) actions: BTreeMap<&'static str, u64>,
    /// Present and proposed, where they differ.
    pub(super) changes: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) unknown: Unknown,
    pub(super) hit: u64,
    pub(super) put_off: u64,
    groups: BTreeMap<Source, Group>,
    /// Messages that would be hit, of groups beyond the limit.
    pub(super) beyond: u64,
}

/// What was passed over for one reason.
#[derive(Debug, Default, Serialize)]
pub(super) struct Skipped {
    pub(super) count: u64,
    pub(super) examples: BTreeSet<String>,
}

/// What stored messages did not tell.
#[derive(Debug, Default, Serialize)]
pub(super) struct Unknown {
    pub(super) client: u64,
    pub(super) sender: u64,
    pub(super) time: u64,
    /// Messages with a signature whose key is not in the DNS of today.
    pub(super) key_gone: u64,
}

/// Whose mail it is and where from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Source {
    pub(super) author: String,
    /// The network of the client: /24 of IPv4, /64 of IPv6.
    pub(super) network: Option<String>,
    pub(super) list_sign: Option<&'static str>,
}

/// What would be done to the mail of a source.
#[derive(Debug, Default, Serialize)]
pub(super) struct Group {
    pub(super) messages: u64,
    pub(super) actions: BTreeMap<&'static str, u64>,
    pub(super) causes: BTreeSet<&'static str>,
    /// Messages to which something else is done now.
    pub(super) changed: u64,
    /// Messages of which client or sender are not known: SPF may have passed.
    pub(super) without_spf: u64,
    /// Messages with a signature whose key is gone: DKIM may have passed.
    pub(super) key_gone: u64,
    pub(super) clients: BTreeSet<IpAddr>,
    pub(super) examples: BTreeSet<String>,
}

impl Tally {
    /// Counts a message.
    pub(super) fn add(&mut self, judged: Judged) {
        self.messages = self.messages.saturating_add(1);
        match judged.what {
            What::NoMessage => self.skipped("no-message", &judged.name),
            What::Own => self.own = self.own.saturating_add(1),
            What::Result(result) => self.result(*result, judged.name),
        }
    }

    /// A file that is passed over.
    pub(super) fn skipped(&mut self, why: &'static str, name: &str) {
        let skipped = self.skipped.entry(why).or_default();
        skipped.count = skipped.count.saturating_add(1);
        keep(&mut skipped.examples, name.to_owned());
    }

    /// A message that a mistake of ours kept from being judged.
    pub(super) fn lost(&mut self) {
        self.skipped("internal-error", "");
    }

    fn result(&mut self, result: Result, name: String) {
        let Result { proposed, present, doubts, .. } = result;
        self.judged = self.judged.saturating_add(1);
        count(&mut self.dmarc, result.dmarc);
        count(&mut self.actions, proposed.as_str());
        if proposed != present {
            count(&mut self.changes, (present.as_str(), proposed.as_str()));
        }
        for (is_so, number) in [
            (doubts.no_client, &mut self.unknown.client),
            (doubts.no_sender, &mut self.unknown.sender),
            (doubts.no_time, &mut self.unknown.time),
            (doubts.key_gone, &mut self.unknown.key_gone),
        ] {
            *number = number.saturating_add(u64::from(is_so));
        }
        if proposed == Done::Tempfail {
            self.put_off = self.put_off.saturating_add(1);
        }
        if !proposed.is_hit() {
            return;
        }
        self.hit = self.hit.saturating_add(1);
        let source = Source { network: result.client.map(network), list_sign: result.list_sign, author: result.author };
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&source) {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        let group = self.groups.entry(source).or_default();
        group.messages = group.messages.saturating_add(1);
        count(&mut group.actions, proposed.as_str());
        group.causes.extend(result.cause);
        group.changed = group.changed.saturating_add(u64::from(proposed != present));
        group.without_spf = group.without_spf.saturating_add(u64::from(doubts.no_client || doubts.no_sender));
        group.key_gone = group.key_gone.saturating_add(u64::from(doubts.key_gone));
        if let Some(client) = result.client {
            keep(&mut group.clients, client);
        }
        keep(&mut group.examples, name);
    }

    /// All of it, the largest groups first.
    pub(super) fn into_report(mut self, has_present: bool, known: &Known) -> Report {
        let mut groups: Vec<(Source, Group)> = std::mem::take(&mut self.groups).into_iter().collect();
        groups.sort_by(|(a, one), (b, other)| other.messages.cmp(&one.messages).then_with(|| a.cmp(b)));
        Report::of(self, groups, has_present, known)
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let number = counts.entry(key).or_default();
    *number = number.saturating_add(1);
}

/// Keeps the first few in their order, whichever comes first.
fn keep<T: Ord>(examples: &mut BTreeSet<T>, one: T) {
    examples.insert(one);
    if examples.len() > MAX_EXAMPLES {
        examples.pop_last();
    }
}

/// The network that an address is taken for one of.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::Doubts;
    use super::*;

    fn hit(author: String, name: &str) -> Judged {
        let result = Result {
            author,
            client: Some("2001:db8:1:2:3::4".parse().unwrap()),
            list_sign: None,
            dmarc: "fail",
            proposed: Done::Reject,
            present: Done::Tag,
            cause: Some("dmarc"),
            doubts: Doubts::default(),
        };
        Judged { name: name.to_owned(), what: What::Result(Box::new(result)) }
    }

    #[test]
    fn groups_and_examples_have_limits_and_what_is_beyond_is_counted() {
        let mut tally = Tally::default();
        for number in 0..MAX_GROUPS + 5 {
            tally.add(hit(format!("{number}.example"), "x"));
        }
        for name in ["d", "c", "b", "a"] {
            tally.add(hit("0.example".to_owned(), name));
        }
        assert_eq!((tally.groups.len(), tally.beyond, tally.hit), (MAX_GROUPS, 5, 20_009));
        assert_eq!(tally.changes, BTreeMap::from([(("tag", "reject"), 20_009)]));
        let (source, group) = tally.groups.first_key_value().unwrap();
        assert_eq!(source.network.as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(
            (group.messages, group.examples.iter().map(String::as_str).collect::<String>()),
            (5, "abc".to_owned())
        );
    }
}
