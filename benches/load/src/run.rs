//! Rounds of messages, one target after the other: what disturbs the machine then disturbs all of them.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::check::Checker;
use crate::client::{Client, Pattern};
use crate::mail::Mail;
use crate::process::{self, Memory};
use crate::report::MailReport;
use crate::target::Target;
use crate::{LoadError, Work};

/// What is sent, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// What is asked of the daemon.
    pub work: Work,
    /// The MTA whose writes are imitated.
    pub pattern: Pattern,
    /// Connections at a time, one thread each.
    pub connections: usize,
    /// Messages of each round.
    pub messages: usize,
    /// Messages sent to each target before the first round, and not counted.
    pub warm_up: usize,
    /// Rounds.
    pub rounds: usize,
    /// Messages after which a connection is closed and opened anew, as when SMTP clients come and go; 0: never.
    pub per_connection: usize,
    /// One connection more, which only says MAIL every few milliseconds: what others notice of the load.
    pub bystander: bool,
    /// Address of the SMTP client.
    pub client: String,
}

/// Time between two words of the bystander.
const BETWEEN: Duration = Duration::from_millis(5);

impl Plan {
    /// Ten connections, three rounds of 1,000 messages.
    #[must_use]
    pub fn new(work: Work) -> Self {
        Self {
            work,
            pattern: Pattern::default(),
            connections: 10,
            messages: 1000,
            warm_up: 200,
            rounds: 3,
            per_connection: 0,
            bystander: false,
            client: crate::client::default_client(work).to_owned(),
        }
    }
}

/// What one round gave.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Round {
    /// Time of each message.
    pub latencies: Vec<Duration>,
    /// Time of each reply to the bystander.
    pub bystander: Vec<Duration>,
    /// From the first message to the last answer.
    pub wall: Duration,
    /// Processor time of the daemon, seconds; `None` for a daemon without a process number.
    pub cpu: Option<f64>,
}

/// Runs the plan against all targets, by turns. `mails` are sent over and over again.
///
/// # Errors
///
/// The first [`LoadError`], with the name of its target.
pub fn run(
    plan: &Plan,
    targets: &[Target],
    mails: &[Mail],
    checker: &Checker,
) -> Result<Vec<MailReport>, (String, LoadError)> {
    let mut reports = Vec::new();
    for target in targets {
        let named = |error| (target.name.clone(), error);
        let before = memory(target).map_err(named)?;
        if plan.warm_up > 0 {
            round(plan, plan.warm_up, target, mails, checker).map_err(named)?;
        }
        reports.push(MailReport::new(plan, target, mails, before));
    }
    for _ in 0..plan.rounds {
        for (target, report) in targets.iter().zip(&mut reports) {
            let named = |error| (target.name.clone(), error);
            let round = round(plan, plan.messages, target, mails, checker).map_err(named)?;
            report.add(&round);
            report.memory_after = memory(target).map_err(named)?;
        }
    }
    Ok(reports)
}

fn memory(target: &Target) -> Result<Option<Memory>, LoadError> {
    target.pid.map(process::memory).transpose()
}

/// One round: all connections begin together, and each takes the next message while there are any.
fn round(plan: &Plan, messages: usize, target: &Target, mails: &[Mail], checker: &Checker) -> Result<Round, LoadError> {
    let connections = plan.connections.clamp(1, messages.max(1));
    let start = Barrier::new(connections.saturating_add(1));
    let taken = AtomicUsize::new(0);
    let next = || Some(taken.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < messages);
    let is_over = AtomicBool::new(false);
    let cpu = || target.pid.map(process::cpu_seconds).transpose();
    let (before, wall, results, bystander) = std::thread::scope(|scope| {
        let bystander = plan.bystander.then(|| scope.spawn(|| stand_by(plan, target, &is_over)));
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    let opened = Client::open(&target.socket, plan.pattern, &plan.client);
                    start.wait();
                    deliver(plan, target, mails, checker, opened?, next)
                })
            })
            .collect();
        start.wait();
        let (before, begin) = (cpu(), Instant::now());
        let results: Vec<_> =
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err(LoadError::Panic))).collect();
        let wall = begin.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let bystander = bystander.map(|thread| thread.join().unwrap_or(Err(LoadError::Panic)));
        (before, wall, results, bystander)
    });
    let mut latencies = Vec::with_capacity(messages);
    for result in results {
        latencies.extend(result?);
    }
    let cpu = before?.zip(cpu()?).map(|(before, after)| after - before);
    Ok(Round { latencies, bystander: bystander.transpose()?.unwrap_or_default(), wall, cpu })
}

/// A connection that asks for next to nothing, until the round is over.
fn stand_by(plan: &Plan, target: &Target, is_over: &AtomicBool) -> Result<Vec<Duration>, LoadError> {
    let mut client = Client::open(&target.socket, plan.pattern, &plan.client)?;
    let mut latencies = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        latencies.push(client.probe()?);
        std::thread::sleep(BETWEEN);
    }
    client.quit()?;
    Ok(latencies)
}

/// One connection, and its successors.
fn deliver(
    plan: &Plan,
    target: &Target,
    mails: &[Mail],
    checker: &Checker,
    mut client: Client,
    next: impl Fn() -> Option<usize>,
) -> Result<Vec<Duration>, LoadError> {
    let mut latencies = Vec::new();
    while let Some(number) = next() {
        let Some(mail) = number.checked_rem(mails.len()).and_then(|at| mails.get(at)) else { break };
        if plan.per_connection > 0
            && !latencies.is_empty()
            && latencies.len().checked_rem(plan.per_connection) == Some(0)
        {
            client.quit()?;
            client = Client::open(&target.socket, plan.pattern, &plan.client)?;
        }
        latencies.push(client.send(mail, &format!("4ZxQ{number:06X}"))?);
        checker.check(mail, client.message())?;
    }
    client.quit()?;
    Ok(latencies)
}
