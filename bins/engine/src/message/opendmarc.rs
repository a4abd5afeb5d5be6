//! A complete message by the ways of OpenDMARC: what is done, which fields and recipients come to it, what is logged and written down.

use dmarc_core::discovery::{Finding, FoundPolicy};
use dmarc_core::record::Policy;
use milter_proto::{EditError, Edits, Place};

use super::closing::Closing;
use super::dmarc::{DmarcResults, Judged, Reason, ReasonKind, draw, mark};
use super::origin::Client;
use super::spf::SpfResults;
use super::verdict::{Action, RejectCause};
use crate::config::Enforcement;
use crate::logging::OLD_LINE;
use crate::opendmarc::Ways;
use crate::opendmarc::history::{self, Entry};
use crate::server::host_name;

/// The field of `SoftwareHeader`.
const SOFTWARE: &[u8] = b"DMARC-Filter";

impl Closing {
    /// What is done about what DMARC says; logs the result as OpenDMARC does.
    pub(super) fn judge_as_opendmarc(&self, judged: Judged) -> DmarcResults {
        let job = self.facts.job();
        let headers = self.headers.as_deref();
        let draw = headers.map_or(0, |headers| draw(mark(self.facts.envelope.sender(), headers)));
        // What a limit has cut off may be the field that is missed.
        let whole = headers.filter(|_| self.header.trouble.is_none());
        let ruled =
            self.rules.opendmarc().map(|ways| ways.rule(&judged, whole, self.header.author.as_ref(), draw, &job));
        let (mut ruling, mut words) = ruled.unwrap_or_else(Ways::nothing);
        if !self.facts.can_quarantine && ruling.done == Enforcement::Quarantine {
            let comment = "the mta has no quarantine".to_owned();
            ruling.reasons.push(Reason { kind: ReasonKind::LocalPolicy, comment });
            ruling.done = Enforcement::Observe;
            words = None;
        }
        let results = DmarcResults { judged, ruling, words };
        self.log_as_opendmarc(&results, &job);
        results
    }

    fn log_as_opendmarc(&self, results: &DmarcResults, job: &str) {
        // What is refused for its header section is no longer looked at by OpenDMARC.
        if self.rules.is_trial() || is_refused_for_fields(results) {
            return;
        }
        if self.rules.config().authserv_id.is_none() {
            tracing::info!(target: OLD_LINE, "implicit authentication service: {}", self.ids.own());
        }
        if let Some(outcome) = self.spf.as_ref().and_then(SpfResults::for_dmarc) {
            let domain = outcome.domain.as_ref().map_or("", |domain| domain.as_str());
            let identity = if self.facts.envelope.sender_domain() == b"<>" { "helo" } else { "mailfrom" };
            tracing::info!(target: OLD_LINE, "{job}: SPF({identity}): {domain} {}", outcome.result);
        }
        if let Judged::Evaluated { evaluation, .. } = &results.judged {
            tracing::info!(target: OLD_LINE, "{job}: {} {}", evaluation.author, results.result());
        }
    }

    /// `SoftwareHeader` and `CopyFailuresTo`.
    pub(super) fn edits_of_opendmarc(&self, dmarc: Option<&DmarcResults>, edits: &mut Edits) -> Result<(), EditError> {
        let (Some(ways), Some(dmarc)) = (self.rules.opendmarc(), dmarc) else { return Ok(()) };
        if ways.adds_software() {
            let job = self.facts.job();
            let value = format!(" Postseal v{} {} {job}", env!("CARGO_PKG_VERSION"), self.mta_name());
            edits.insert(Place::Top, SOFTWARE, value.as_bytes())?;
        }
        match ways.copy_failures_to() {
            Some(address) if Ways::is_copied(&dmarc.judged) => edits.add_recipient(address.as_bytes()),
            _ => Ok(()),
        }
    }

    /// The record for the history file, where one is written and this message is one for it.
    pub(super) fn history(&self, action: Action, dmarc: &DmarcResults) -> Option<String> {
        let ways = self.rules.opendmarc().filter(|ways| ways.history().is_some() && !self.rules.is_trial())?;
        let Judged::Evaluated { discovery, evaluation } = &dmarc.judged else { return None };
        let found = match &discovery.finding {
            Finding::Policy(FoundPolicy { record, .. }) => Some(record),
            _ => None,
        };
        if is_refused_for_fields(dmarc) {
            return None;
        }
        let recipients = self.facts.envelope.recipients();
        if (found.is_none() && !ways.records_all()) || !recipients.iter().all(|to| ways.is_recorded_for(to)) {
            return None;
        }
        let action = match action {
            Action::Quarantine(RejectCause::Dmarc) => history::Action::Quarantine,
            Action::Reject(RejectCause::Dmarc) => history::Action::Reject,
            // OpenDMARC does not know what OpenDKIM does about it.
            Action::Accept | Action::Quarantine(_) => history::Action::Accept,
            // It comes again, or was refused for another reason.
            _ => return None,
        };
        let dkim: Vec<_> = self
            .verified
            .reports()
            .iter()
            .filter_map(|report| {
                let selector = report.selector.as_ref().map(|selector| selector.as_str().to_owned());
                Some((report.domain.as_ref()?.as_str().to_owned(), selector, report.outcome.result()))
            })
            .take(super::MAX_RESULTS)
            .collect();
        let sender = self.facts.envelope.sender_domain();
        let mail_from = if sender == b"<>" { "".into() } else { String::from_utf8_lossy(sender) };
        let mut kept = dmarc.entry();
        // The policy, also where `pct=` spares the message.
        if let Some(policy) = &evaluation.policy {
            kept.requested = policy.requested.as_str().to_owned();
        }
        if let (Some(published), Some(record)) = (&mut kept.published, found) {
            for (text, uri) in published.rua.iter_mut().zip(&record.rua) {
                // RFC 9989 §4.8 has it ignored; opendmarc-reports goes by it.
                if let Some(size) = uri.obsolete_size() {
                    text.push('!');
                    text.push_str(size);
                }
            }
        }
        let entry = Entry {
            job: &self.facts.job(),
            reporter: &self.mta_name(),
            received: self.facts.began.as_secs(),
            client: match self.facts.client {
                Client::Ip(address, _) => Some(address),
                Client::Unix | Client::Unknown => None,
            },
            from: evaluation.author.as_str(),
            mail_from: &mail_from,
            spf: self.spf.as_ref().and_then(SpfResults::for_dmarc).map(|outcome| outcome.result.as_str()),
            dkim: &dkim,
            dmarc: &kept,
            pct: found.and_then(|record| record.pct),
            action,
        };
        entry.to_text()
    }

    /// This host, as the MTA calls it.
    fn mta_name(&self) -> String {
        let name = self.facts.mta_name.as_deref().filter(|name| !name.is_empty());
        name.map_or_else(host_name, |name| name.escape_ascii().to_string())
    }
}

/// Whether it is refused whatever its result (`RequiredHeaders` and the like).
fn is_refused_for_fields(dmarc: &DmarcResults) -> bool {
    dmarc.ruling.done == Enforcement::Reject && dmarc.ruling.requested != Policy::Reject
}
