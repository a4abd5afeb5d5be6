//! Whom a survey or an evaluation asks: the DNS, a zone file, or a zone file first and the DNS for everything else; and for how long.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use engine::config;
use engine::dns::{Inspection, Resolver, Zone};
use spf_core::dns::{Answer, Question};
use spf_core::name::Name;
use tokio::time::{Instant, timeout_at};

use super::progress::Progress;
use crate::exit::Failure;

/// What a name is when only a zone file is asked and does not have it.
pub(crate) const NOT_IN_ZONE: &str = "not in the zone file; give --nameserver to ask the DNS for it";

/// Answers questions until its time is over.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) resolver: Resolver,
    /// The zone file, when nothing else is asked.
    alone: Option<Zone>,
}

/// The time of one survey, and what it was too short for.
#[derive(Debug)]
pub(crate) struct Deadline {
    end: Instant,
    pub(crate) time: Duration,
    late: RefCell<Vec<Question>>,
    progress: RefCell<Progress>,
}

impl Source {
    /// Looks into `zone`, when there is one. For names that are not in it, asks the name servers when some were given, and otherwise nobody. Without
    /// a zone file it asks the DNS that `dns` describes.
    pub(crate) fn new(mut dns: config::Dns, nameservers: &[SocketAddr], zone: Option<&Path>) -> Result<Self, Failure> {
        // It is asked as receivers ask, so a zone file of the daemon is not looked at.
        dns.zone_file = zone.map(Path::to_path_buf);
        if !nameservers.is_empty() {
            dns.nameservers = nameservers.to_vec();
        }
        match zone {
            Some(file) if nameservers.is_empty() => {
                let zone = Zone::load(file).map_err(Failure::config)?;
                let resolver = Resolver::offline(zone.clone(), engine::BACKEND);
                Ok(Self { resolver, alone: Some(zone) })
            }
            _ => {
                let resolver = Resolver::new(&dns, engine::BACKEND).map_err(Failure::config)?;
                Ok(Self { resolver, alone: None })
            }
        }
    }

    /// As [`new`](Self::new), but asks as the daemon does: where no zone file is named, that of the configuration counts.
    pub(crate) fn of_daemon(
        mut dns: config::Dns,
        nameservers: &[SocketAddr],
        zone: Option<&Path>,
    ) -> Result<Self, Failure> {
        if zone.is_some() || dns.zone_file.is_none() {
            return Self::new(dns, nameservers, zone);
        }
        if !nameservers.is_empty() {
            dns.nameservers = nameservers.to_vec();
        }
        let resolver = Resolver::new(&dns, engine::BACKEND).map_err(Failure::config)?;
        Ok(Self { resolver, alone: None })
    }

    /// Whether nobody was asked for this name, since it is not in the zone file.
    pub(crate) fn lacks(&self, name: &Name) -> bool {
        self.alone.as_ref().is_some_and(|zone| !zone.has(name.as_str()))
    }

    /// The answer for one evaluation, in which a name that is not in the zone file does not exist.
    pub(super) async fn answer(&self, question: &Question) -> Answer {
        self.resolver.spf(question).await
    }

    /// The answer for a survey of `domain`: what is not in the zone file is not known, but for the record that is tried.
    pub(super) async fn surveyed(&self, question: Question, domain: &Name, deadline: &Deadline) -> Answer {
        if self.lacks(&question.name) && question.name != *domain {
            return Answer::Failed;
        }
        deadline.progress.borrow_mut().asked();
        if deadline.end > Instant::now()
            && let Ok(answer) = timeout_at(deadline.end, self.resolver.spf(&question)).await
        {
            return answer;
        }
        deadline.late.borrow_mut().push(question);
        Answer::Failed
    }

    /// The records of type 99 of a name, when there is time.
    pub(super) async fn type99(&self, name: &Name, deadline: &Deadline) -> Option<Inspection> {
        timeout_at(deadline.end, self.resolver.inspect_type99(name.as_str())).await.ok()
    }
}

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        let now = Instant::now();
        // A time that no clock has is no limit that anybody comes to.
        let end = now.checked_add(time).unwrap_or_else(|| now.checked_add(FAR).unwrap_or(now));
        Self { end, time, late: RefCell::default(), progress: RefCell::new(Progress::new()) }
    }

    /// Whether there was no time for this question.
    pub(super) fn was_late(&self, question: &Question) -> bool {
        self.late.borrow().contains(question)
    }

    /// How many questions there was no time for.
    pub(super) fn late(&self) -> usize {
        self.late.borrow().len()
    }

    /// Takes the line of the progress away.
    pub(super) fn over(&self) {
        self.progress.borrow_mut().clear();
    }
}

/// A day.
const FAR: Duration = Duration::from_secs(86_400);

/// The time that `--timeout` gives, in seconds.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.strip_suffix('s').unwrap_or(text).parse::<u64>() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("seconds are wanted, from 1 to 86400".to_owned()),
    }
}
