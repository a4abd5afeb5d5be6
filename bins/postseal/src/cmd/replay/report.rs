//! How the counts are told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::tally::{Group, MAX_GROUPS, Skipped, Source, Tally, Unknown};
use crate::exit::{Exit, counted};
use crate::tryout::Known;

/// Groups that are printed; JSON has all.
const MAX_SHOWN: usize = 50;

/// Who would be hit.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    messages: u64,
    judged: u64,
    /// Mail of our own, which is not judged.
    own: u64,
    dmarc: BTreeMap<&'static str, u64>,
    /// What the proposed policy does.
    actions: BTreeMap<&'static str, u64>,
    /// Whether there was a present policy to compare with.
    has_present: bool,
    changes: Vec<Change>,
    /// Messages that would be refused, put into quarantine or marked.
    hit: u64,
    groups: Vec<Entry>,
    /// Messages that would be hit, of groups too many to be kept.
    beyond: u64,
    unknown: Unknown,
    skipped: BTreeMap<&'static str, Skipped>,
    put_off: u64,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Change {
    present: &'static str,
    proposed: &'static str,
    messages: u64,
}

#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    source: Source,
    #[serde(flatten)]
    group: Group,
}

impl Report {
    pub(super) fn of(tally: Tally, groups: Vec<(Source, Group)>, has_present: bool, known: &Known) -> Self {
        let mut notes =
            vec!["the DNS was asked today: records and keys may have been others when the mail came".to_owned()];
        match known {
            Known::Unasked => {}
            Known::Counted { .. } => notes.push(format!("{known}, as of now")),
            Known::Assumed { .. } => {
                notes.push(format!("{known}; what is done to mail of others is limited by dmarc.seldom_seen"));
            }
        }
        let changes = tally.changes.into_iter();
        Self {
            messages: tally.messages,
            judged: tally.judged,
            own: tally.own,
            dmarc: tally.dmarc,
            actions: tally.actions,
            has_present,
            changes: changes.map(|((present, proposed), messages)| Change { present, proposed, messages }).collect(),
            hit: tally.hit,
            groups: groups.into_iter().map(|(source, group)| Entry { source, group }).collect(),
            beyond: tally.beyond,
            unknown: tally.unknown,
            skipped: tally.skipped,
            put_off: tally.put_off,
            notes,
        }
    }

    /// Whether there was nothing to learn from.
    fn is_empty(&self) -> bool {
        self.judged == 0 && self.own == 0
    }

    pub(super) fn exit(&self) -> Exit {
        let has_temperror = self.put_off > 0 || self.dmarc.contains_key("temperror");
        if self.is_empty() {
            // A mistyped path must not look like a policy that hits nobody.
            return Exit::Fail;
        }
        match (self.hit, has_temperror) {
            (0, false) => Exit::Pass,
            (0, true) => Exit::Temp,
            _ => Exit::Fail,
        }
    }
}

/// `a 3, b 1`
fn list(counts: &BTreeMap<&'static str, u64>) -> String {
    let each: Vec<String> = counts.iter().map(|(word, number)| format!("{word} {number}")).collect();
    each.join(", ")
}

/// What strangers chose, fit for a terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} judged, {} of our own", counted(self.messages, "message"), self.judged, self.own)?;
        writeln!(f, "  DMARC: {}", list(&self.dmarc))?;
        writeln!(f, "  the proposed policy does: {}", list(&self.actions))?;
        let present = if self.has_present { "the present policy" } else { "doing nothing" };
        for Change { present: before, proposed, messages } in &self.changes {
            writeln!(f, "  in place of {before} ({present}): {proposed} {messages}")?;
        }
        match self.hit {
            0 if self.is_empty() => writeln!(f, "No message was judged: nothing is known of the policy.")?,
            0 => writeln!(f, "Nobody would be hit.")?,
            hit => writeln!(f, "Would be hit: {}, by author domain and source", counted(hit, "message"))?,
        }
        for entry in self.groups.iter().take(MAX_SHOWN) {
            write!(f, "{entry}")?;
        }
        let hidden = self.groups.len().saturating_sub(MAX_SHOWN);
        if hidden > 0 {
            let hidden = u64::try_from(hidden).unwrap_or(u64::MAX);
            writeln!(f, "  and {}: --json has them all", counted(hidden, "more source"))?;
        }
        if self.beyond > 0 {
            writeln!(f, "  and {} of more than {MAX_GROUPS} sources", counted(self.beyond, "message"))?;
        }
        let Unknown { client, sender, time, key_gone } = &self.unknown;
        for (number, what) in [
            (client, "without a client: SPF is not known, and may have passed"),
            (sender, "without MAIL FROM: SPF is not known, and may have passed"),
            (time, "without a time: judged as of now"),
            (key_gone, "with a signature whose key is not in the DNS any more: DKIM may have passed"),
        ] {
            if *number > 0 {
                writeln!(f, "not known: {} {what}", counted(*number, "message"))?;
            }
        }
        if self.put_off > 0 {
            let messages = counted(self.put_off, "message");
            writeln!(f, "not known: {messages} would be put off, since the DNS does not answer")?;
        }
        for (why, skipped) in &self.skipped {
            let examples: Vec<String> = skipped.examples.iter().map(|name| shown(name)).collect();
            writeln!(f, "passed over ({why}): {}, such as {}", skipped.count, examples.join(", "))?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, group } = self;
        let network = source.network.as_deref().unwrap_or("an unknown client");
        write!(f, "  {} from {network}: {} ({})", source.author, group.messages, list(&group.actions))?;
        match source.list_sign {
            Some(sign) => writeln!(f, ", mailing list ({sign})")?,
            None => writeln!(f)?,
        }
        let clients: Vec<String> = group.clients.iter().map(ToString::to_string).collect();
        if !clients.is_empty() {
            writeln!(f, "    clients: {}", clients.join(", "))?;
        }
        if group.changed != group.messages {
            writeln!(f, "    done now as well: {}", group.messages.saturating_sub(group.changed))?;
        }
        for (number, what) in [(group.without_spf, "without SPF"), (group.key_gone, "with a key that is gone")] {
            if number > 0 {
                writeln!(f, "    {what}: {number}")?;
            }
        }
        let examples: Vec<String> = group.examples.iter().map(|name| shown(name)).collect();
        writeln!(f, "    for example {}", examples.join(", "))
    }
}
