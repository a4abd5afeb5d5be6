//! A domain on its way to enforcement.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::OBSERVING;
use crate::config::Enforcement;

/// All domains that are on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramps {
    /// By domain, in A-labels and lower case. It covers everything below it as well.
    pub domains: BTreeMap<String, Ramp>,
}

/// What is done to failing mail, and to which share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The most that is done.
    #[serde(with = "word")]
    pub mode: Enforcement,
    /// Percent of failing mail.
    pub share: u8,
}

/// The words of the configuration.
mod word {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    use crate::config::Enforcement;

    pub(super) fn serialize<S: Serializer>(mode: &Enforcement, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(mode.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Enforcement, D::Error> {
        let word = String::deserialize(deserializer)?;
        Enforcement::from_word(&word).ok_or_else(|| de::Error::unknown_variant(&word, Enforcement::WORDS))
    }
}

/// The steps, from the bottom to the top.
pub const LADDER: [Step; 9] = [
    OBSERVING,
    Step { mode: Enforcement::Quarantine, share: 10 },
    Step { mode: Enforcement::Quarantine, share: 25 },
    Step { mode: Enforcement::Quarantine, share: 50 },
    Step { mode: Enforcement::Quarantine, share: 100 },
    Step { mode: Enforcement::Reject, share: 10 },
    Step { mode: Enforcement::Reject, share: 25 },
    Step { mode: Enforcement::Reject, share: 50 },
    Step { mode: Enforcement::Reject, share: 100 },
];

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.mode, self.share) {
            (Enforcement::Observe, _) | (_, 100) => self.mode.fmt(f),
            (mode, share) => write!(f, "{mode} {share} %"),
        }
    }
}

/// Whether a ramp goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    Walking,
    /// A condition stopped it, and it went back to observing, for this reason. Somebody has to look.
    Stopped(String),
}

/// When a ramp goes on and when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Seconds that a step lasts at least.
    pub step: u64,
    /// Messages of the domain that a step has to see; after four times [`step`](Self::step) it goes on with fewer.
    pub messages: u64,
    /// Percent of the mail of an approved source that may fail.
    pub approved_failing: u8,
    /// Failing messages of a source that nobody knows and that authenticates as somebody, from which on it is one to look at.
    pub new_source: u64,
    /// Percent of all mail that may be without a result because the DNS did not answer.
    pub temperrors: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { step: 2 * 86_400, messages: 100, approved_failing: 1, new_source: 10, temperrors: 5 }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When, in seconds since the epoch.
    pub at: u64,
    /// The step from then on.
    pub step: Step,
    /// Why.
    pub why: String,
}

/// Events kept of a ramp: the latest ones.
pub(super) const MAX_EVENTS: usize = 100;

/// A domain on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Whether it goes on.
    pub standing: Standing,
    /// The step that is in force while it goes on: an index into [`LADDER`].
    pub at: usize,
    /// When the step began, in seconds since the epoch.
    pub since: u64,
    /// When it goes on and when it stops.
    pub thresholds: Thresholds,
    /// Sources whose mail is the domain's own: those that were told, and those whose mail passed while it observed.
    pub approved: BTreeSet<String>,
    /// Those of them that somebody has named: of a network, all hosts count.
    #[serde(default)]
    pub named: BTreeSet<String>,
    /// Sources that are none, whatever they authenticate as.
    pub ignored: BTreeSet<String>,
    /// What happened, the latest last, at most 100.
    pub events: Vec<Event>,
}

impl Ramp {
    /// At the bottom, from this time on.
    #[must_use]
    pub fn begin(at: u64, thresholds: Thresholds) -> Self {
        let mut ramp = Self {
            standing: Standing::Walking,
            at: 0,
            since: at,
            thresholds,
            approved: BTreeSet::new(),
            named: BTreeSet::new(),
            ignored: BTreeSet::new(),
            events: Vec::new(),
        };
        ramp.note(at, "begun");
        ramp
    }

    /// The step that it stands at.
    #[must_use]
    pub fn step(&self) -> Step {
        LADDER.get(self.at).copied().unwrap_or(OBSERVING)
    }

    /// What is done to mail: nothing while it is stopped.
    #[must_use]
    pub fn in_force(&self) -> Step {
        match self.standing {
            Standing::Walking => self.step(),
            Standing::Stopped(_) => OBSERVING,
        }
    }

    /// Whether there is no step above.
    #[must_use]
    pub fn is_at_the_top(&self) -> bool {
        self.at.saturating_add(1) >= LADDER.len()
    }

    /// Goes one step up.
    pub fn advance(&mut self, now: u64, why: &str) {
        self.at = self.at.saturating_add(1).min(LADDER.len().saturating_sub(1));
        self.since = now;
        self.note(now, why);
    }

    /// Stops and goes back to observing.
    pub fn stop(&mut self, now: u64, why: &str) {
        self.standing = Standing::Stopped(why.to_owned());
        self.at = 0;
        self.since = now;
        self.note(now, why);
    }

    /// Goes on from the bottom after a stop.
    pub fn resume(&mut self, now: u64) {
        self.standing = Standing::Walking;
        self.since = now;
        self.note(now, "resumed");
    }

    fn note(&mut self, at: u64, why: &str) {
        let step = self.in_force();
        self.events.push(Event { at, step, why: why.to_owned() });
        let too_many = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..too_many);
    }
}
