//! The decision about a ramp: stay, go one step up, or stop and go back.
//!
//! It stops and goes back to observing when more than `approved_failing` percent of the mail of an approved source fails: enforcement would hit the domain's
//! own mail. So does a source that nobody has named and of which mail passed as well. Of a network that nobody has named, failing mail counts for that
//! when it came from a host that the domain's SPF record names: its neighbours, and whoever sends a signed message of the domain once more, could switch
//! enforcement off otherwise.
//!
//! It stays where it is, whatever its age, while
//!
//! 1. the journal lost records or has damage: what is not known decides nothing;
//! 2. more than `temperrors` percent of the mail has no result for want of the DNS;
//! 3. a source that nobody has named authenticates as somebody and sends `new_source` messages that fail: a service of the domain that is not set up, or a
//!    forger with a domain of his own. Somebody has to say which: it is approved or ignored. It is no reason to go back, or any forger could
//!    switch enforcement off;
//! 4. more than `approved_failing` percent of the mail of a network fails from which as many messages passed, from hosts that may or may not be the domain's;
//! 5. there are more sources than can be told apart;
//! 6. nothing of the domain passed at this step.
//!
//! It goes up when its step is old enough and has seen enough mail, and stays at the top. What is older than four times the length of a step is not
//! looked at ([`since`]): at the top the mail of today counts, and records that were lost are no reason to wait for ever. Pure: the counts and the time come
//! from the caller.

use super::observe::{Counts, Observation};
use super::ramp::{Ramp, Standing};

/// What is to be done with a ramp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, for this reason.
    Stay(String),
    /// One step up.
    Advance(String),
    /// Back to observing, until somebody has looked.
    Stop(String),
}

/// Most sources that are approved without having been named.
const MAX_APPROVED: usize = 1000;

/// Times the length of a step after which it goes on with less mail than it wants.
const PATIENCE: u64 = 4;

/// From when on mail counts for the decision, in seconds since the epoch.
#[must_use]
pub fn since(ramp: &Ramp, now: u64) -> u64 {
    ramp.since.max(hosts_since(ramp, now))
}

/// From when on mail tells which hosts are the domain's own: from before the step as well, or a host that fails from its first hour on would be a stranger.
#[must_use]
pub fn hosts_since(ramp: &Ramp, now: u64) -> u64 {
    now.saturating_sub(ramp.thresholds.step.saturating_mul(PATIENCE))
}

/// Decides. `seen` is what came [`since`] the step began, or lately.
#[must_use]
pub fn decide(ramp: &Ramp, seen: &Observation, now: u64) -> Decision {
    if let Standing::Stopped(why) = &ramp.standing {
        return Decision::Stay(format!("stopped: {why}"));
    }
    if let Some(why) = reason_to_stop(ramp, seen) {
        return Decision::Stop(why);
    }
    if let Some(why) = reason_to_wait(ramp, seen) {
        return Decision::Stay(why);
    }
    if ramp.is_at_the_top() {
        return Decision::Stay("at the top".to_owned());
    }
    let (age, thresholds) = (now.saturating_sub(ramp.since), &ramp.thresholds);
    if age < thresholds.step {
        let left = thresholds.step.saturating_sub(age);
        return Decision::Stay(format!("the step lasts {}", counted(left.div_ceil(3600), "more hour")));
    }
    if seen.messages < thresholds.messages && age < thresholds.step.saturating_mul(PATIENCE) {
        return Decision::Stay(format!("{} of {} messages seen", seen.messages, thresholds.messages));
    }
    // Without any mail of its own the domain is not known at all, and what fails may be all that it sends.
    if seen.passed == 0 {
        return Decision::Stay("no mail of the domain passed at this step".to_owned());
    }
    Decision::Advance(format!("{}, {} failed", counted(seen.messages, "message"), seen.failed))
}

/// A handful of messages is no rate.
fn is_enough(ramp: &Ramp, count: u64) -> bool {
    count >= ramp.thresholds.new_source.max(1)
}

fn reason_to_stop(ramp: &Ramp, seen: &Observation) -> Option<String> {
    // A network that nobody has named is known by its hosts alone.
    let counted_failing = |source: &String, counts: &Counts| {
        let is_whole = counts.authenticates || ramp.named.contains(source);
        if is_whole { counts.failed } else { counts.failed_of_hosts }
    };
    let failing = seen.sources.iter().find(|(source, counts)| {
        let failed = counted_failing(source, counts);
        !ramp.ignored.contains(*source)
            && (ramp.approved.contains(*source) || (counts.passed > 0 && counts.authenticates))
            && is_enough(ramp, failed)
            && is_more(failed, counts.all(), ramp.thresholds.approved_failing)
    });
    failing.map(|(source, counts)| {
        let (failed, all) = (counted_failing(source, counts), counts.all());
        let what = if ramp.approved.contains(source) { "an approved source" } else { "a source of mail that passes" };
        format!("{failed} of {all} messages of {source} fail, which is {what}")
    })
}

fn reason_to_wait(ramp: &Ramp, seen: &Observation) -> Option<String> {
    if seen.lost > 0 || seen.damaged {
        return Some(format!("the journal lacks records ({} lost): what they say is not known", seen.lost));
    }
    if seen.untold > 0 {
        return Some("the mail has more sources than can be told apart".to_owned());
    }
    let judged = seen.messages.saturating_add(seen.temperrors);
    if is_enough(ramp, seen.temperrors) && is_more(seen.temperrors, judged, ramp.thresholds.temperrors) {
        return Some(format!("{} of {judged} messages have no result because the DNS did not answer", seen.temperrors));
    }
    let unknown = seen.sources.iter().find(|(source, counts)| {
        let is_told = ramp.approved.contains(*source) || ramp.ignored.contains(*source);
        !is_told && counts.authenticates && is_enough(ramp, counts.failed) && counts.failed >= counts.passed
    });
    let unknown = unknown.map(|(source, counts)| {
        format!(
            "{source} sends mail of the domain that fails ({}), and nobody has said what it is",
            counted(counts.failed, "message")
        )
    });
    unknown.or_else(|| doubtful_network(ramp, seen))
}

/// A network with mail that passes and mail that fails, which may be that of a host of the domain, of a neighbour, or of a forger who sends signed messages again.
fn doubtful_network(ramp: &Ramp, seen: &Observation) -> Option<String> {
    let doubtful = seen.sources.iter().find(|(source, counts)| {
        !counts.authenticates
            && !ramp.ignored.contains(*source)
            && (ramp.approved.contains(*source) || is_enough(ramp, counts.passed))
            && is_enough(ramp, counts.failed)
            && is_more(counts.failed, counts.all(), ramp.thresholds.approved_failing)
    });
    doubtful.map(|(source, counts)| {
        let (failed, all) = (counts.failed, counts.all());
        format!("{failed} of {all} messages of {source} fail, and nobody has said whether its hosts are the domain's")
    })
}

/// A number of things with its word.
fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Whether `part` is more than so many percent of `all`.
fn is_more(part: u64, all: u64, percent: u8) -> bool {
    part.saturating_mul(100) > all.saturating_mul(u64::from(percent))
}

/// Does what was decided. What passed while the ramp observed makes a source approved.
pub fn apply(ramp: &mut Ramp, decision: &Decision, seen: &Observation, now: u64) {
    match decision {
        Decision::Stay(_) => {}
        Decision::Advance(why) => {
            let own = seen.own_sources(ramp.thresholds.new_source).into_iter();
            let own: Vec<String> = own.filter(|source| !ramp.ignored.contains(source)).collect();
            let free = MAX_APPROVED.saturating_sub(ramp.approved.len());
            ramp.approved.extend(own.into_iter().take(free));
            ramp.advance(now, why);
        }
        Decision::Stop(why) => ramp.stop(now, why),
    }
}
