//! Figures as a table for people or as JSON, one object a line.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::mail::Mail;
use crate::process::Memory;
use crate::run::{Plan, Round};
use crate::target::Target;

/// What a daemon needed for messages.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MailReport {
    /// The daemon.
    pub target: String,
    /// `unix` or `tcp`.
    pub socket: &'static str,
    /// `sign` or `verify`.
    pub work: &'static str,
    /// Whose writes were imitated.
    pub pattern: &'static str,
    /// Connections at a time.
    pub connections: usize,
    /// Octets of the bodies, smallest and largest.
    pub body_octets: (usize, usize),
    /// Messages that were counted.
    pub messages: usize,
    /// Processor seconds for 1,000 messages, one figure a round.
    pub cpu_seconds_per_1000: Vec<f64>,
    /// Messages a second, one figure a round.
    pub messages_per_second: Vec<f64>,
    /// Time of a message from MAIL to the last reply, over all rounds.
    pub latency_ms: Latency,
    /// Time to the reply to MAIL on one more connection that sends no messages, where that was asked for.
    pub bystander_ms: Option<Latency>,
    /// Memory before the warm-up.
    pub memory_before: Option<Memory>,
    /// Memory after the last round.
    pub memory_after: Option<Memory>,
    #[serde(skip)]
    latencies: Vec<Duration>,
    #[serde(skip)]
    bystander: Vec<Duration>,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// The middle.
    pub p50: f64,
    /// Nine of ten are below.
    pub p90: f64,
    /// 99 of 100 are below.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Latency {
    pub(crate) fn of(latencies: &mut [Duration]) -> Self {
        latencies.sort_unstable();
        let at = |hundredths: usize| {
            let rank = latencies.len().saturating_mul(hundredths).div_ceil(100).saturating_sub(1);
            latencies.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self { p50: at(50), p90: at(90), p99: at(99), max: at(100) }
    }
}

impl MailReport {
    pub(crate) fn new(plan: &Plan, target: &Target, mails: &[Mail], before: Option<Memory>) -> Self {
        let sizes = || mails.iter().map(|mail| mail.body.len());
        Self {
            target: target.name.clone(),
            socket: target.socket.kind(),
            work: plan.work.name(),
            pattern: plan.pattern.name(),
            connections: plan.connections,
            body_octets: (sizes().min().unwrap_or(0), sizes().max().unwrap_or(0)),
            messages: 0,
            cpu_seconds_per_1000: Vec::new(),
            messages_per_second: Vec::new(),
            latency_ms: Latency::default(),
            bystander_ms: None,
            memory_before: before,
            memory_after: None,
            latencies: Vec::new(),
            bystander: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, round: &Round) {
        #[expect(clippy::cast_precision_loss, reason = "a count of messages is far below 2^52")]
        let count = round.latencies.len() as f64;
        self.messages = self.messages.saturating_add(round.latencies.len());
        self.cpu_seconds_per_1000.extend(round.cpu.map(|cpu| cpu / count * 1e3));
        self.messages_per_second.push(count / round.wall.as_secs_f64());
        self.latencies.extend_from_slice(&round.latencies);
        self.latency_ms = Latency::of(&mut self.latencies);
        self.bystander.extend_from_slice(&round.bystander);
        if !self.bystander.is_empty() {
            self.bystander_ms = Some(Latency::of(&mut self.bystander));
        }
    }
}

/// What a daemon needs for connections.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct IdleReport {
    /// The daemon.
    pub target: String,
    /// `unix` or `tcp`.
    pub socket: &'static str,
    /// Connections that were open at the same time.
    pub connections: usize,
    /// Without them.
    pub before: Memory,
    /// All of them open, behind HELO.
    pub open: Memory,
    /// All of them open, after one message on each.
    pub used: Memory,
    /// After all of them said QUIT.
    pub closed: Memory,
}

/// The middle of some figures; 0 of none.
fn middle(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "a size of memory is far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// A table of reports about messages, all of one plan.
#[must_use]
pub fn mail_table(reports: &[MailReport]) -> String {
    let mut out = String::new();
    if let Some(first) = reports.first() {
        let MailReport { work, pattern, socket, connections, body_octets: (least, most), .. } = first;
        let sizes = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let _ = writeln!(out, "{work}, {socket}, {pattern}, {connections} connections, bodies of {sizes} octets");
    }
    let _ = writeln!(
        out,
        "{:<12} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9}",
        "", "messages", "cpu s/1000", "msg/s", "p50 ms", "p90", "p99", "max", "MiB first", "MiB last", "MiB peak"
    );
    for report in reports {
        let Latency { p50, p90, p99, max } = report.latency_ms;
        let (before, after) = (report.memory_before.unwrap_or_default(), report.memory_after.unwrap_or_default());
        let _ = writeln!(
            out,
            "{:<12} {:>8} {:>10.3} {:>8.0} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9.1} {:>9.1} {:>9.1}",
            report.target,
            report.messages,
            middle(&report.cpu_seconds_per_1000),
            middle(&report.messages_per_second),
            p50,
            p90,
            p99,
            max,
            mib(before.rss),
            mib(after.rss),
            mib(after.peak),
        );
        if let Some(Latency { p50, p90, p99, max }) = report.bystander_ms {
            let _ = writeln!(out, "{:<40} {p50:>8.2} {p90:>8.2} {p99:>8.2} {max:>8.2}", "  MAIL of another connection");
        }
    }
    out
}

/// A table of reports about connections.
#[must_use]
pub fn idle_table(reports: &[IdleReport]) -> String {
    let mut out = String::new();
    if let Some(first) = reports.first() {
        let _ = writeln!(out, "{} connections, {}: MiB of memory", first.connections, first.socket);
    }
    let _ = writeln!(
        out,
        "{:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "before", "open", "used", "closed", "peak", "threads"
    );
    for report in reports {
        let _ = writeln!(
            out,
            "{:<12} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>9}",
            report.target,
            mib(report.before.rss),
            mib(report.open.rss),
            mib(report.used.rss),
            mib(report.closed.rss),
            mib(report.closed.peak),
            report.used.threads,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(Latency::of(&mut times), Latency { p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 });
        assert_eq!(Latency::of(&mut [Duration::from_millis(3)]), Latency { p50: 3.0, p90: 3.0, p99: 3.0, max: 3.0 });
        assert_eq!(Latency::of(&mut []), Latency::default());
    }

    #[test]
    fn the_middle_of_rounds_ignores_one_that_was_disturbed() {
        assert!((middle(&[0.5, 9.0, 0.6]) - 0.6).abs() < 1e-9);
        assert!(middle(&[]).abs() < 1e-9);
    }
}
