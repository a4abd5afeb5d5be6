//! What `enforce` prints.

use std::collections::BTreeSet;
use std::fmt;

use engine::enforcement::observe::Observation;
use engine::enforcement::walk::Decision;
use engine::enforcement::{Ramp, Ramps, Standing};
use serde::Serialize;

use crate::exit::{Exit, counted};

/// Sources and events that are printed; JSON has all of them.
const MAX_SHOWN: usize = 10;

/// A domain after a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    domain: String,
    /// `stay`, `advance`, `stop`; none where nothing was to be decided.
    decision: Option<&'static str>,
    why: Option<String>,
    /// What is in force from now on.
    step: String,
    stopped: Option<String>,
    /// When the step began.
    since: String,
    seen: Seen,
    sources: Vec<Source>,
    approved: BTreeSet<String>,
    ignored: BTreeSet<String>,
    events: Vec<Happened>,
    #[serde(skip)]
    goes_on: bool,
    is_forgotten: bool,
    /// Somebody stopped it just now.
    #[serde(skip)]
    was_told: bool,
}

#[derive(Debug, Serialize)]
struct Seen {
    messages: u64,
    passed: u64,
    failed: u64,
    temperrors: u64,
    /// Records that the journal lost meanwhile.
    lost: u64,
}

#[derive(Debug, Serialize)]
struct Source {
    source: String,
    passed: u64,
    failed: u64,
    approved: bool,
}

#[derive(Debug, Serialize)]
struct Happened {
    at: String,
    step: String,
    why: String,
}

impl Report {
    pub(super) fn new(domain: &str, ramp: &Ramp, decision: Option<&Decision>, seen: &Observation) -> Self {
        let (word, why) = match decision {
            None => (None, None),
            Some(Decision::Stay(why)) => (Some("stay"), Some(why.clone())),
            Some(Decision::Advance(why)) => (Some("advance"), Some(why.clone())),
            Some(Decision::Stop(why)) => (Some("stop"), Some(why.clone())),
        };
        let mut sources: Vec<Source> = seen
            .sources
            .iter()
            .map(|(source, counts)| Source {
                source: source.clone(),
                passed: counts.passed,
                failed: counts.failed,
                approved: ramp.approved.contains(source),
            })
            .collect();
        sources.sort_by_key(|source| std::cmp::Reverse(source.failed.saturating_add(source.passed)));
        Self {
            domain: domain.to_owned(),
            decision: word,
            why,
            step: ramp.in_force().to_string(),
            stopped: match &ramp.standing {
                Standing::Walking => None,
                Standing::Stopped(why) => Some(why.clone()),
            },
            since: time(ramp.since),
            seen: Seen {
                messages: seen.messages,
                passed: seen.passed,
                failed: seen.failed,
                temperrors: seen.temperrors,
                lost: seen.lost,
            },
            sources,
            approved: ramp.approved.clone(),
            ignored: ramp.ignored.clone(),
            events: ramp
                .events
                .iter()
                .map(|event| Happened { at: time(event.at), step: event.step.to_string(), why: event.why.clone() })
                .collect(),
            goes_on: ramp.standing == Standing::Walking,
            is_forgotten: false,
            was_told: false,
        }
    }

    /// Somebody stopped it, as he wanted.
    pub(super) fn told(mut self) -> Self {
        self.was_told = true;
        self
    }

    pub(super) fn forgotten(mut self) -> Self {
        (self.is_forgotten, self.goes_on) = (true, false);
        self
    }

    /// Whether the domain is still on its way, or at the top.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Whether something else is in force than before.
    pub(super) fn is_news(&self) -> bool {
        self.stopped.is_some() || matches!(self.decision, Some("advance" | "stop"))
    }

    /// What is in force and why, in one line.
    pub(super) fn line(&self) -> String {
        let (domain, step) = (&self.domain, &self.step);
        match (&self.stopped, self.decision, &self.why) {
            (Some(why), _, _) => format!("{domain}: {step}; stopped: {}", plain(why)),
            (None, Some(decision), Some(why)) => format!("{domain}: {step} ({decision}: {})", plain(why)),
            _ => format!("{domain}: {step}"),
        }
    }

    pub(super) fn exit(&self) -> Exit {
        if self.stopped.is_some() && !self.was_told && !self.is_forgotten { Exit::Fail } else { Exit::Pass }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_forgotten {
            return writeln!(f, "{}: forgotten; the mode of the configuration counts", self.domain);
        }
        writeln!(f, "{}", self.line())?;
        writeln!(f, "  since {}", self.since)?;
        if self.decision.is_some() {
            let Seen { messages, passed, failed, temperrors, lost } = &self.seen;
            let messages = counted(*messages, "message");
            writeln!(f, "  {messages}: {passed} passed, {failed} failed; {temperrors} without a result")?;
            if *lost > 0 {
                writeln!(f, "  the journal lost {} of all domains meanwhile", counted(*lost, "record"))?;
            }
        }
        for source in self.sources.iter().take(MAX_SHOWN) {
            let mark = if source.approved { "approved" } else { "" };
            let name = plain(&source.source);
            writeln!(f, "  {:>8} passed {:>8} failed  {name} {mark}", source.passed, source.failed)?;
        }
        if let Some(more) = self.sources.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
            let more = u64::try_from(more).unwrap_or(u64::MAX);
            writeln!(f, "  and {} (--json has all)", counted(more, "more source"))?;
        }
        let skipped = self.events.len().saturating_sub(MAX_SHOWN);
        for event in self.events.iter().skip(skipped) {
            writeln!(f, "  {}  {}: {}", event.at, event.step, plain(&event.why))?;
        }
        if self.stopped.is_some() {
            writeln!(f, "  fix: say what the source is with --approve or --ignore, then --resume")?;
        }
        Ok(())
    }
}

/// Every domain that is on its way.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Listing(Vec<Row>);

#[derive(Debug, Serialize)]
struct Row {
    domain: String,
    step: String,
    stopped: Option<String>,
    since: String,
}

impl Listing {
    pub(super) fn of(ramps: &Ramps) -> Self {
        let row = |(domain, ramp): (&String, &Ramp)| Row {
            domain: domain.clone(),
            step: ramp.in_force().to_string(),
            stopped: match &ramp.standing {
                Standing::Walking => None,
                Standing::Stopped(why) => Some(why.clone()),
            },
            since: time(ramp.since),
        };
        Self(ramps.domains.iter().map(row).collect())
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, "no domain is on its way; begin with `postseal enforce DOMAIN --ramp`");
        }
        for row in &self.0 {
            let stopped = row.stopped.as_ref().map(|why| format!("; stopped: {}", plain(why))).unwrap_or_default();
            writeln!(f, "{}: {} since {}{stopped}", row.domain, row.step, row.since)?;
        }
        Ok(())
    }
}

/// Text that a terminal shows as it is.
fn plain(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

pub(super) fn time(seconds: u64) -> String {
    let stamp = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    stamp.map_or_else(|| seconds.to_string(), |stamp| stamp.to_string())
}
