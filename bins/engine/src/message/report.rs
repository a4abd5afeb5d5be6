//! The log record of a message: what was done, and why. The fields are those of `docs/operations.md`.

use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::verify::SignatureReport;

use super::author::AuthorError;
use super::body_facts::BodyFacts;
use super::dmarc::DmarcResults;
use super::envelope::Envelope;
use super::headers::HeaderTrouble;
use super::iprev::Iprev;
use super::origin::{Client, Origin, OriginRule};
use super::results::{DkimResults, MAX_RESULTS, summary};
use super::spf::{self, SpfResults};
use super::verdict::Action;
use super::work::{Attempt, AttemptOutcome, Signed};
use crate::config;
use crate::logging::{Priority, Record};
use dkim_core::domain::DomainName;

/// What is known of a message without looking into it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The MTA's queue id.
    pub queue_id: Option<Vec<u8>>,
    /// The socket it came in by.
    pub listener: String,
    /// Whose mail it is.
    pub origin: Origin,
    /// The rule that said so.
    pub rule: OriginRule,
    /// The client.
    pub client: Client,
    /// Whether it may send as a domain of ours without a word about it (`ExternalIgnoreList` of OpenDKIM).
    pub is_ignored: bool,
    /// The name of the MTA's service that the client talks to (`{daemon_name}`).
    pub daemon_name: Option<Vec<u8>>,
    /// The client's name as the MTA knows it.
    pub client_name: Vec<u8>,
    /// What it said in HELO or EHLO; empty when it said nothing.
    pub helo: Vec<u8>,
    /// What the MTA found about its name.
    pub iprev: Option<Iprev>,
    /// Whether the ways of OpenDMARC judge it, by SPF and DMARC; `None` without them: mail of others is.
    pub judged: Option<bool>,
    /// The MTA's name (`j`).
    pub mta_name: Option<Vec<u8>>,
    /// When MAIL came.
    pub began: UnixTime,
    /// Whether the MTA can put messages into quarantine.
    pub can_quarantine: bool,
    /// The envelope.
    pub envelope: Envelope,
}

impl Facts {
    /// What the MTA found about the name of the client, unless that is a relay of ours: nobody wants to know about its name.
    pub(super) fn iprev_of_client(&self, spf: &config::Spf) -> Option<Iprev> {
        self.iprev.filter(|_| !spf::is_relay(self, spf))
    }

    /// The queue id as OpenDKIM and OpenDMARC log it.
    pub(super) fn job(&self) -> String {
        let id = self.queue_id.as_deref().filter(|id| !id.is_empty());
        id.map_or_else(|| "(unknown-jobid)".to_owned(), |id| id.escape_ascii().to_string())
    }

    /// Whether the message is somebody else's, and nobody has judged it for us.
    #[must_use]
    pub(super) fn is_to_be_judged(&self) -> bool {
        self.judged.unwrap_or_else(|| !self.origin.is_ours() && !self.rule.keeps_results())
    }
}

/// Everything that goes into the record.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) facts: &'a Facts,
    pub(super) author: Option<&'a Result<DomainName, AuthorError>>,
    pub(super) signed: Option<&'a Signed>,
    pub(super) dkim: Option<DkimResults<'a>>,
    pub(super) spf: Option<&'a SpfResults>,
    pub(super) dmarc: Option<&'a DmarcResults>,
    pub(super) iprev: Option<Iprev>,
    /// Recipients that were refused at RCPT.
    pub(super) refused: u64,
    pub(super) trouble: Option<HeaderTrouble>,
    pub(super) is_fault: bool,
    pub(super) header_fields: u64,
    pub(super) header_has_bare_cr: bool,
    pub(super) body: &'a BodyFacts,
    pub(super) removed: usize,
    pub(super) kept: usize,
    pub(super) action: Action,
    pub(super) took: Duration,
    pub(super) waited: Duration,
}

impl Report<'_> {
    pub(super) fn to_record(&self) -> Record {
        let facts = self.facts;
        let priority = if self.is_fault { Priority::Error } else { Priority::Info };
        let mut record = Record::new(priority, "message")
            .with("queue_id", facts.queue_id.as_deref().unwrap_or(b"-"))
            .with("listener", facts.listener.as_str())
            .with("origin", facts.origin.as_str())
            .with("rule", facts.rule.as_str())
            .with("client", facts.client.to_string())
            .with("client_name", facts.client_name.as_slice())
            .with("mail_from", facts.envelope.sender_domain())
            .with("rcpts", facts.envelope.recipients_seen());
        if self.refused > 0 {
            record.push("rcpts_refused", self.refused);
        }
        match self.author {
            Some(Ok(author)) => record.push("author", author.as_str()),
            Some(Err(error)) => record.push("author", error.code()),
            None => {}
        }
        if let Some(signed) = self.signed {
            push_signed(&mut record, signed, self.body);
        }
        if let Some(dkim) = self.dkim {
            push_dkim(&mut record, dkim);
        }
        if let Some(spf) = self.spf {
            spf.push(&mut record);
        }
        if let Some(dmarc) = self.dmarc {
            dmarc.push(&mut record);
        }
        if let (Some(iprev), Some(_)) = (self.iprev, self.dkim) {
            record.push("iprev", iprev.as_str());
        }
        if let Some(trouble) = self.trouble {
            record.push("limit", trouble.code());
        }
        let marks = self.marks();
        if !marks.is_empty() {
            record.push("marks", marks.join(","));
        }
        record.push("removed", self.removed);
        if facts.rule.keeps_results() {
            record.push("kept", self.kept);
        }
        record.push("action", self.action.as_str());
        if self.is_fault {
            record.push("fault", "internal-error");
        }
        if let Some(cause) = self.action.cause() {
            record.push("action_reason", cause);
        }
        record.push("header_fields", self.header_fields);
        record.push("size", self.body.octets);
        record.push("ms", milliseconds(self.took));
        record.push("dns_ms", milliseconds(self.waited));
        record
    }

    fn marks(&self) -> Vec<&'static str> {
        let marks = [
            (self.header_has_bare_cr, "header-bare-cr"),
            (self.body.bare_cr, "bare-cr"),
            (self.body.bare_lf, "bare-lf"),
            (self.body.nul, "nul"),
        ];
        marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark)).collect()
    }
}

fn push_signed(record: &mut Record, signed: &Signed, body: &BodyFacts) {
    let attempts = match signed {
        Signed::Skipped(skip) => {
            record.push("sign", "skipped");
            record.push("sign_reason", skip.code());
            if let Some(hint) = skip.hint() {
                record.push("hint", hint);
            }
            return;
        }
        Signed::Tried(attempts) => attempts,
    };
    let good = attempts.iter().filter(|attempt| attempt.is_good()).count();
    record.push(
        "sign",
        if good == attempts.len() {
            "done"
        } else if good > 0 {
            "partly"
        } else {
            "failed"
        },
    );
    let reason = attempts.iter().find_map(|attempt| match &attempt.outcome {
        AttemptOutcome::KeyFailed(cause) | AttemptOutcome::MessageRefused(cause) => Some(cause.as_str()),
        AttemptOutcome::Withheld => Some("the DNS has another record for the key"),
        AttemptOutcome::Made(_) | AttemptOutcome::AlreadyThere => None,
    });
    if let Some(reason) = reason {
        record.push("sign_reason", reason);
    }
    for (name, attempt) in NUMBERED_SIGNED.iter().zip(attempts) {
        record.push(name, attempt.describe());
    }
    // What often breaks signatures between us and the receiver (M13).
    let risks = [(body.eight_bit, "8bit-body"), (body.long_line, "line>998")];
    let risks: Vec<&str> = risks.into_iter().filter_map(|(is_set, risk)| is_set.then_some(risk)).collect();
    if good > 0 && !risks.is_empty() {
        record.push("risk", risks.join(","));
    }
}

impl Attempt {
    fn is_good(&self) -> bool {
        matches!(self.outcome, AttemptOutcome::Made(_) | AttemptOutcome::AlreadyThere)
    }

    fn describe(&self) -> String {
        let what = match self.outcome {
            AttemptOutcome::Made(_) => "made",
            AttemptOutcome::AlreadyThere => "already-there",
            AttemptOutcome::KeyFailed(_) => "key-failed",
            AttemptOutcome::Withheld => "withheld",
            AttemptOutcome::MessageRefused(_) => "refused",
        };
        let algorithm = self.algorithm.map_or("-", |algorithm| algorithm.as_str());
        format!("{what} d={} s={} a={algorithm}", self.domain, self.selector)
    }
}

fn push_dkim(record: &mut Record, dkim: DkimResults<'_>) {
    record.push("dkim", summary(dkim));
    if let DkimResults::Reports(reports) = dkim {
        for (name, report) in NUMBERED_DKIM.iter().zip(reports.iter().take(MAX_RESULTS)) {
            record.push(name, describe(report));
        }
        if reports.len() > NUMBERED_DKIM.len() {
            record.push("signatures", reports.len());
        }
    }
}

fn describe(report: &SignatureReport) -> String {
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let mut text = format!(
        "{} d={} s={} a={}",
        report.outcome.result(),
        or_dash(report.domain.as_ref().map(DomainName::as_str)),
        or_dash(report.selector.as_ref().map(dkim_core::domain::Selector::as_str)),
        or_dash(report.algorithm.as_deref()),
    );
    if report.outcome.result() != "pass" {
        text.push_str(": ");
        text.push_str(&report.outcome.to_string());
    }
    text
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Names of fields are constants; a record lists the first few of many signatures.
const NUMBERED_DKIM: [&str; 10] =
    ["dkim_1", "dkim_2", "dkim_3", "dkim_4", "dkim_5", "dkim_6", "dkim_7", "dkim_8", "dkim_9", "dkim_10"];

const NUMBERED_SIGNED: [&str; 8] =
    ["signed_1", "signed_2", "signed_3", "signed_4", "signed_5", "signed_6", "signed_7", "signed_8"];
