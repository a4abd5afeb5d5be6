//! Questions to the DNS about DMARC: each name once, in order, with what came of it, and for so long.

use std::collections::HashMap;
use std::time::Duration;

use dmarc_core::dns::{Question, QuestionKind, TxtAnswer};
use dmarc_core::domain::DomainName;
use dmarc_core::progress::{Machine, Progress};
use engine::dns::{Detail, Inspection, Trouble};
use serde::Serialize;
use spf_core::name::Name;
use tokio::time::{Instant, timeout_at};

use super::super::super::spf::Source;

/// A question that was asked.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Asked {
    pub(super) name: String,
    /// `policy`, `existence`, `destination`, `wrong-name`.
    pub(super) purpose: &'static str,
    /// `records`, `no-data`, `nxdomain`, `failed`; `not-asked` for what is not in the zone file, and when the time was over.
    pub(super) answer: &'static str,
}

/// Asks, and knows what was answered.
#[derive(Debug)]
pub(super) struct Asker<'s> {
    source: &'s Source,
    /// `None`: there is no such time.
    end: Option<Instant>,
    known: HashMap<String, Inspection>,
    pub(super) asked: Vec<Asked>,
    /// How many questions there was no time for.
    pub(super) late: usize,
}

/// A name that nobody asks about, since it is any name: whether it exists is supposed.
#[derive(Debug, Clone)]
pub(super) struct Supposed {
    pub(super) name: DomainName,
    pub(super) exists: bool,
}

impl<'s> Asker<'s> {
    pub(super) fn new(source: &'s Source, time: Duration) -> Self {
        let end = Instant::now().checked_add(time);
        Self { source, end, known: HashMap::new(), asked: Vec::new(), late: 0 }
    }

    /// What is under a name. It is asked about once.
    pub(super) async fn inspect(&mut self, name: &str, purpose: &'static str) -> Inspection {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let question = self.source.resolver.inspect(name);
        let inspection = match self.end {
            // A time-out looks at the answer first.
            Some(end) if end <= Instant::now() => None,
            Some(end) => timeout_at(end, question).await.ok(),
            None => Some(question.await),
        };
        let answer = match inspection.as_ref().map(|inspection| &inspection.answer) {
            Some(Detail::Records(_)) => "records",
            Some(Detail::NoData) => "no-data",
            Some(Detail::NxDomain) => "nxdomain",
            Some(Detail::Failed(_)) => "failed",
            None => "not-asked",
        };
        let inspection = inspection.unwrap_or_else(|| {
            self.late = self.late.saturating_add(1);
            Inspection::of(Detail::Failed(Trouble::Timeout))
        });
        self.asked.push(Asked { name: name.to_owned(), purpose, answer });
        self.known.insert(name.to_owned(), inspection.clone());
        inspection
    }

    /// What is known to be under a name.
    pub(super) fn known(&self, name: &str) -> Option<&Inspection> {
        self.known.get(name)
    }

    /// Whether nobody was asked for this name, since it is not in the zone file.
    pub(super) fn lacks(&self, name: &str) -> bool {
        Name::parse(name).is_ok_and(|name| self.source.lacks(&name))
    }

    /// Drives a machine to its end.
    pub(super) async fn run<M: Machine>(
        &mut self,
        mut progress: Progress<M>,
        supposed: Option<&Supposed>,
    ) -> M::Outcome {
        loop {
            match progress {
                Progress::Done(outcome) => return outcome,
                Progress::Ask(pending) => {
                    let question = pending.question().clone();
                    let answer = match supposed.and_then(|supposed| supposed.answer(&question)) {
                        Some(answer) => answer,
                        None => self.answer(&question).await,
                    };
                    progress = pending.answer(&answer);
                }
            }
        }
    }

    async fn answer(&mut self, question: &Question) -> TxtAnswer {
        let name = question.name.as_str();
        let purpose = match question.kind {
            QuestionKind::PolicyRecord => "policy",
            QuestionKind::Existence => "existence",
            _ => "destination",
        };
        // The own names of a zone file are all there are; somebody else's are not known.
        if question.kind == QuestionKind::ReportRecord && self.lacks(name) {
            if self.asked.iter().all(|asked| asked.name != name) {
                self.asked.push(Asked { name: name.to_owned(), purpose, answer: "not-asked" });
            }
            return TxtAnswer::Failed;
        }
        match self.inspect(name, purpose).await.answer {
            Detail::Records(records) => TxtAnswer::Records(records.iter().map(|strings| strings.concat()).collect()),
            Detail::NoData => TxtAnswer::NoData,
            Detail::NxDomain => TxtAnswer::NxDomain,
            Detail::Failed(_) => TxtAnswer::Failed,
        }
    }
}

impl Supposed {
    /// Any name below a domain; `None` when there is no room for one.
    pub(super) fn below(domain: &DomainName, exists: bool) -> Option<Self> {
        DomainName::parse(&format!("any.{domain}")).ok().map(|name| Self { name, exists })
    }

    /// It has no record of its own.
    fn answer(&self, question: &Question) -> Option<TxtAnswer> {
        if question.name == self.name {
            return Some(if self.exists { TxtAnswer::NoData } else { TxtAnswer::NxDomain });
        }
        let is_record = question.name.as_str().strip_prefix("_dmarc.") == Some(self.name.as_str());
        is_record.then_some(TxtAnswer::NxDomain)
    }
}
