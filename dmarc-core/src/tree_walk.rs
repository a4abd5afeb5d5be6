//! The DNS tree walk, and the organizational domain that it leads to (RFC 9989 §4.10).
//!
//! ```text
//!   a.b.c.d.e.f.g.example.com     the start, nine labels
//!       c.d.e.f.g.example.com     seven labels
//!         d.e.f.g.example.com     one less
//!                         ...
//!                         com     the last; or where a record has psd=n or psd=y
//! ```
//!
//! What was answered about a name is a [`Level`]. The walks of one message share what they know, so no name is asked about twice.
//!
//! An answer that is missing (a DNS failure) does not end a walk: what lies above is asked all the same. Whether the missing answer matters is found out by
//! trying all it could have been: no record, or one with each value of `psd`. Where all of these lead to the same, it is known in spite of the failure.
//!
//! Invariants: at most [`MAX_QUESTIONS`] names a walk, all of them ends of the start; the name of one label is asked about like any other.
//!
//! Decision: a record at a name of one label without `psd=n` counts as if it had `psd=y`, whatever it says. §5.2 obliges operators of public suffixes to
//! say so; where one forgets it, the text would make all domains below a top-level domain one organization, each able to speak for the others.

use std::sync::Arc;

use crate::dns::{Question, TxtAnswer};
use crate::domain::DomainName;
use crate::org_domain::{last_labels, last_labels_str};
use crate::record::{Psd, Record};

/// Most names that one walk asks about (RFC 9989 §4.10).
pub const MAX_QUESTIONS: usize = 8;

/// Labels of the second name of a walk whose start has as many or more.
const LABELS_AFTER_SHORTENING: usize = 7;

/// Missing answers whose possibilities are tried, four for each; with more nothing is known.
const MAX_MISSING: usize = 3;

/// The names whose records a walk from `start` asks for, in that order, if no record stops it.
///
/// ```
/// use dmarc_core::domain::DomainName;
/// use dmarc_core::tree_walk::targets;
///
/// let names = targets(&DomainName::parse("a.mail.example.com")?);
/// let names: Vec<&str> = names.iter().map(DomainName::as_str).collect();
/// assert_eq!(names, ["a.mail.example.com", "mail.example.com", "example.com", "com"]);
/// # Ok::<(), dmarc_core::domain::DomainError>(())
/// ```
#[must_use]
pub fn targets(start: &DomainName) -> Vec<DomainName> {
    // §4.10 step 4: "If x < 8, remove the left-most (highest-numbered) label from the subject domain. If x >= 8, remove the left-most
    // (highest-numbered) labels from the subject domain until 7 labels remain."
    let below = start.label_count().saturating_sub(1).min(LABELS_AFTER_SHORTENING);
    let shorter = (1..=below).rev().filter_map(|labels| last_labels(start, labels));
    std::iter::once(start.clone()).chain(shorter).collect()
}

/// What the DNS said about the record of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// It has one.
    Record(Arc<Record>),
    /// It has several. §4.10 step 2: "they are all discarded".
    Several,
    /// It has none; the name with `_dmarc` before it exists.
    NoRecord,
    /// It has none; the name with `_dmarc` before it does not exist.
    NxDomain,
    /// There was no answer.
    Failed,
}

impl Level {
    /// Reads an answer. §4.10 step 2: "Records that do not start with a "v" tag that identifies the current version of DMARC are discarded."
    #[must_use]
    pub fn of(answer: &TxtAnswer) -> Self {
        match answer {
            TxtAnswer::Records(texts) => {
                let mut records = texts.iter().filter(|text| Record::has_version(text));
                match (records.next(), records.next()) {
                    (Some(text), None) => {
                        Record::parse(text).map_or(Self::NoRecord, |record| Self::Record(Arc::new(record)))
                    }
                    (Some(_), Some(_)) => Self::Several,
                    (None, _) => Self::NoRecord,
                }
            }
            TxtAnswer::NoData => Self::NoRecord,
            TxtAnswer::NxDomain => Self::NxDomain,
            TxtAnswer::Failed => Self::Failed,
        }
    }

    /// The record, if there is exactly one.
    #[must_use]
    pub fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Record(record) => Some(record),
            _ => None,
        }
    }
}

/// A name that was asked about, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The name, without the `_dmarc` before it.
    pub domain: DomainName,
    /// What the DNS said.
    pub level: Level,
}

/// The names of one walk.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    targets: Vec<DomainName>,
}

impl Walk {
    pub(crate) fn new(start: &DomainName) -> Self {
        Self { targets: targets(start) }
    }

    /// How many labels at the end of the start are its organizational domain, if these are the values of `psd` of the records that are there.
    fn organization(&self, psd: &dyn Fn(&DomainName) -> Option<Psd>) -> usize {
        let start_labels = self.targets.first().map_or(0, DomainName::label_count);
        // §4.10.2: "If this process does not determine the Organizational Domain, then the initial target domain is the Organizational Domain."
        let mut organization = start_labels;
        for (name, is_start) in self.targets.iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
            let labels = name.label_count();
            match psd(name).map(|psd| effective(psd, labels)) {
                None => (),
                // Rule 1: "If a valid DMARC Policy Record contains the "psd" tag set to "n" ("psd=n"), this is the Organizational Domain".
                Some(Psd::No) => return labels,
                // Rule 2: "other than the one for the domain where the tree walk started … the Organizational Domain is the domain one label below
                // this one". At the start the walk ends as well, and rule 3 finds this record alone.
                Some(Psd::Yes) => return if is_start { labels } else { labels.saturating_add(1) },
                // Rule 3: "select the DMARC Policy Record found at the name with the fewest number of labels."
                Some(Psd::Unspecified) => organization = labels,
            }
        }
        organization
    }
}

/// The value of `psd` that counts: see the decision on the [module page](self).
fn effective(psd: Psd, labels: usize) -> Psd {
    if labels == 1 && psd == Psd::Unspecified { Psd::Yes } else { psd }
}

/// Everything that is known about names; what all walks of a message share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    asked: Vec<Asked>,
}

impl Tree {
    pub(crate) fn asked(&self) -> &[Asked] {
        &self.asked
    }

    pub(crate) fn level(&self, domain: &DomainName) -> Option<&Level> {
        self.asked.iter().find(|asked| asked.domain == *domain).map(|asked| &asked.level)
    }

    pub(crate) fn record(&self, domain: &DomainName) -> Option<&Arc<Record>> {
        self.level(domain).and_then(Level::record)
    }

    pub(crate) fn insert(&mut self, domain: DomainName, answer: &TxtAnswer) {
        self.asked.push(Asked { domain, level: Level::of(answer) });
    }

    /// The next name of a walk that nothing is known about, with the question for its record; `None` when the walk is over.
    pub(crate) fn next_open(&self, walk: &Walk) -> Option<(DomainName, Question)> {
        for name in &walk.targets {
            match self.level(name) {
                // §4.10 steps 2 and 6: "If a single record remains and it contains a "psd=n" or "psd=y" tag, stop."
                Some(Level::Record(record)) if record.psd != Psd::Unspecified => return None,
                Some(_) => (),
                // A name that has no room for "_dmarc" before it has no record.
                None => {
                    if let Some(question) = Question::policy_record(name) {
                        return Some((name.clone(), question));
                    }
                }
            }
        }
        None
    }

    /// Whether an answer of a finished walk is missing.
    pub(crate) fn is_incomplete(&self, walk: &Walk) -> bool {
        self.missing(walk).next().is_some()
    }

    fn missing<'a>(&'a self, walk: &'a Walk) -> impl Iterator<Item = &'a DomainName> {
        walk.targets.iter().filter(|name| self.level(name) == Some(&Level::Failed))
    }

    /// The organizational domain that a finished walk leads to; `None` when a missing answer decides.
    pub(crate) fn organization(&self, walk: &Walk) -> Option<DomainName> {
        let labels = self.whatever_is_missing(&[walk], |psd| walk.organization(psd))?;
        last_labels(walk.targets.first()?, labels)
    }

    /// Whether two finished walks lead to the same organizational domain; `None` when a missing answer decides.
    pub(crate) fn is_same_organization(&self, one: &Walk, other: &Walk) -> Option<bool> {
        self.whatever_is_missing(&[one, other], |psd| {
            let of = |walk: &Walk| walk.organization(psd);
            let (one_labels, other_labels) = (of(one), of(other));
            let name = |walk: &Walk, labels| {
                let start = walk.targets.first()?;
                last_labels_str(start, labels).map(str::to_owned)
            };
            one_labels == other_labels && name(one, one_labels) == name(other, other_labels)
        })
    }

    /// What all possible values of the missing answers lead to; `None` when they lead to different things, or when there are too many of them.
    fn whatever_is_missing<T: PartialEq>(
        &self,
        walks: &[&Walk],
        outcome: impl Fn(&dyn Fn(&DomainName) -> Option<Psd>) -> T,
    ) -> Option<T> {
        const POSSIBLE: [Option<Psd>; 4] = [None, Some(Psd::Unspecified), Some(Psd::No), Some(Psd::Yes)];
        let mut missing: Vec<&DomainName> = walks.iter().flat_map(|walk| self.missing(walk)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.len() > MAX_MISSING {
            return None;
        }
        let mut agreed = None;
        // Two bits of a case for each missing answer.
        for case in 0..1_usize << missing.len().saturating_mul(2) {
            let psd = |name: &DomainName| match self.level(name) {
                Some(Level::Record(record)) => Some(record.psd),
                Some(Level::Failed) => {
                    let place = missing.iter().position(|missing| *missing == name)?;
                    POSSIBLE.get((case >> place.saturating_mul(2)) & 3).copied().flatten()
                }
                _ => None,
            };
            let outcome = outcome(&psd);
            match &agreed {
                Some(agreed) if *agreed != outcome => return None,
                _ => agreed = Some(outcome),
            }
        }
        agreed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    /// The answers of a zone that holds these records; those of "!" are missing.
    fn tree(start: &str, records: &[(&str, &str)]) -> (Tree, Walk) {
        let (mut tree, walk) = (Tree::default(), Walk::new(&name(start)));
        while let Some((name, _)) = tree.next_open(&walk) {
            let answer = match records.iter().find(|(domain, _)| *domain == name.as_str()) {
                None => TxtAnswer::NxDomain,
                Some((_, "!")) => TxtAnswer::Failed,
                Some((_, tags)) => TxtAnswer::Records(vec![format!("v=DMARC1; p=none; {tags}").into_bytes()]),
            };
            tree.insert(name, &answer);
        }
        (tree, walk)
    }

    fn organization(start: &str, records: &[(&str, &str)]) -> Option<String> {
        let (tree, walk) = tree(start, records);
        tree.organization(&walk).map(|name| name.to_string())
    }

    #[test]
    fn m12_organizational_domains_by_each_rule() {
        for (records, expected) in [
            // Rule 1.
            (&[("b.example.com", "psd=n"), ("example.com", "")][..], "b.example.com"),
            (&[("a.b.example.com", "psd=n"), ("example.com", "psd=y")], "a.b.example.com"),
            // Rule 2.
            (&[("com", "psd=y")], "example.com"),
            (&[("example.com", "psd=y"), ("com", "psd=n")], "b.example.com"),
            (&[("b.example.com", "psd=y")], "a.b.example.com"),
            (&[("b.example.com", ""), ("com", "psd=y")], "example.com"),
            // Not for the start, which rule 3 finds alone.
            (&[("a.b.example.com", "psd=y"), ("example.com", "")], "a.b.example.com"),
            // Rule 3.
            (&[("a.b.example.com", ""), ("b.example.com", ""), ("example.com", "psd=u")], "example.com"),
            (&[("b.example.com", "psd=x")], "b.example.com"),
            // None of them.
            (&[], "a.b.example.com"),
        ] {
            assert_eq!(organization("a.b.example.com", records).as_deref(), Some(expected), "{records:?}");
        }
    }

    #[test]
    fn a_top_level_domain_is_a_suffix_unless_it_says_otherwise() {
        assert_eq!(organization("a.example.com", &[("com", "")]).as_deref(), Some("example.com"));
        assert_eq!(organization("a.example.com", &[("com", "psd=n")]).as_deref(), Some("com"));
        assert_eq!(organization("com", &[("com", "")]).as_deref(), Some("com"));
        assert_eq!(organization("com", &[]).as_deref(), Some("com"));
    }

    #[test]
    fn m16_a_missing_answer_counts_where_it_decides() {
        // It may be psd=n, or psd=y at example.com.
        assert_eq!(organization("a.example.com", &[("example.com", "!")]), None);
        assert_eq!(organization("a.example.com", &[("com", "!"), ("example.com", "")]), None);
        // At the start it decides only what others leave open.
        assert_eq!(organization("a.example.com", &[("a.example.com", "!")]).as_deref(), Some("a.example.com"));
        assert_eq!(organization("a.example.com", &[("a.example.com", "!"), ("example.com", "")]), None);
        // Below nothing that ends the walk it was not asked.
        let records = [("a.example.com", "psd=n"), ("example.com", "!")];
        assert_eq!(organization("a.example.com", &records).as_deref(), Some("a.example.com"));
    }

    #[test]
    fn levels_tell_answers_apart() {
        let texts = |texts: &[&str]| TxtAnswer::Records(texts.iter().map(|text| text.as_bytes().to_vec()).collect());
        assert!(matches!(Level::of(&texts(&["x", "v=DMARC1"])), Level::Record(_)));
        assert_eq!(Level::of(&texts(&["v=DMARC1", "v=DMARC1"])), Level::Several);
        assert_eq!(Level::of(&texts(&["v=DMARC2", ""])), Level::NoRecord);
        assert_eq!(Level::of(&texts(&[])), Level::NoRecord);
        assert_eq!(Level::of(&TxtAnswer::NoData), Level::NoRecord);
        assert_eq!(Level::of(&TxtAnswer::NxDomain), Level::NxDomain);
        assert_eq!(Level::of(&TxtAnswer::Failed), Level::Failed);
    }
}
