//! A message that failed, for an owner who wants to hear of it: whether it is one, and what is kept of it ([`crate::failures`]).

use std::time::SystemTime;

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;
use dkim_core::verify::{Outcome, SignatureReport};
use dmarc_core::discovery::{Finding, FoundPolicy};
use dmarc_core::outcome::{DmarcResult, Evaluation};
use dmarc_core::record::{AlignmentMode, Policy, Psd, Record};

use super::closing::Closing;
use super::dmarc::{DmarcResults, Judged};
use super::entry;
use super::origin::Client;
use super::spf::SpfResults;
use super::verdict::Action;
use crate::failures::{Failure, MAX_HEADER, MAX_RECIPIENTS, Mechanisms, Signature, wanted};
use crate::journal;

/// Octets of an address that are kept: RFC 5321 §4.5.3.1.3 has 256 for a path.
const MAX_ADDRESS: usize = 512;

impl Closing {
    /// What is kept for a failure report; `None` for a message that nobody wants one about.
    pub(super) fn failure(&self, action: Action, dmarc: &DmarcResults) -> Option<Box<Failure>> {
        self.rules.failures().filter(|_| !self.rules.is_trial())?;
        let settings = &self.rules.config().failure_reports;
        // What is put off comes again.
        if matches!(action, Action::Tempfail(_)) {
            return None;
        }
        let Judged::Evaluated { discovery, evaluation } = &dmarc.judged else { return None };
        let Finding::Policy(FoundPolicy { record, .. }) = &discovery.finding else { return None };
        let is_known = matches!(evaluation.result, DmarcResult::Pass | DmarcResult::Fail);
        // RFC 9991 §2: the ruf= of a public suffix is not used; RFC 9989 §4.7: fo= is nothing without ruf=.
        if !is_known || record.ruf.is_empty() || record.psd == Psd::Yes {
            return None;
        }
        let asks_for_nothing = evaluation.policy.as_ref().is_none_or(|policy| policy.requested == Policy::None);
        if asks_for_nothing && !settings.on_none {
            return None;
        }
        let wanted = wanted(record.fo, self.mechanisms(evaluation));
        let headers = self.headers.as_deref()?;
        if !wanted.any() || is_automatic(headers) {
            return None;
        }
        let (header, is_cut) = header_text(headers);
        let envelope = &self.facts.envelope;
        Some(Box::new(Failure {
            at: journal::milliseconds(SystemTime::now()),
            queue_id: self.facts.job(),
            authserv_id: self.ids.own().to_owned(),
            dmarc: wanted.dmarc,
            dkim: wanted.dkim,
            spf: wanted.spf,
            client: match self.facts.client {
                Client::Ip(address, _) => Some(address),
                Client::Unix | Client::Unknown => None,
            },
            helo: address(&self.facts.helo),
            mail_from: address(envelope.sender()),
            rcpt_to: envelope.recipients().iter().take(MAX_RECIPIENTS).map(|to| address(to)).collect(),
            author: evaluation.author.as_str().to_owned(),
            published: dmarc.entry().published.unwrap_or_default(),
            result: evaluation.result.as_str().to_owned(),
            dkim_aligned: evaluation.is_dkim_aligned(),
            spf_aligned: evaluation.is_spf_aligned(),
            signatures: self.signatures(evaluation, record),
            spf_results: self.spf.as_ref().map(|results| entry::spf(results, envelope.sender())),
            action: action.as_str().to_owned(),
            header,
            is_cut,
        }))
    }

    fn mechanisms(&self, evaluation: &Evaluation) -> Mechanisms {
        let fails = |report: &SignatureReport| !matches!(report.outcome, Outcome::Pass | Outcome::TempError(_));
        let spf = self.spf.as_ref().and_then(SpfResults::for_dmarc).map(|outcome| outcome.result.as_str());
        Mechanisms {
            dkim_aligned: evaluation.is_dkim_aligned(),
            spf_aligned: evaluation.is_spf_aligned(),
            dkim_failed: self.verified.reports().iter().any(fails),
            // Without a policy nothing was evaluated that could fail.
            spf_failed: spf.is_some_and(|result| matches!(result, "fail" | "softfail" | "permerror")),
        }
    }

    fn signatures(&self, evaluation: &Evaluation, record: &Record) -> Vec<Signature> {
        let policy_domain = evaluation.policy.as_ref().map(|policy| &policy.domain);
        let reports = self.verified.reports().iter().take(super::MAX_RESULTS);
        let signature = |report: &SignatureReport| {
            let domain = report.domain.as_ref()?;
            Some(Signature {
                domain: domain.as_str().to_owned(),
                selector: report.selector.as_ref().map(|selector| selector.as_str().to_owned()).unwrap_or_default(),
                identity: report.identity.as_ref().map(ToString::to_string).unwrap_or_default(),
                result: report.outcome.result().to_owned(),
                is_aligned: is_aligned(domain, &evaluation.author, policy_domain, record.adkim),
            })
        };
        reports.filter_map(signature).collect()
    }
}

/// Whether a signature that need not have passed is one of the author domain. Alignment by organizational domains is found out for signatures that pass; for others it is
/// enough here that one domain lies below the other, or below the policy domain.
fn is_aligned(domain: &DomainName, author: &DomainName, policy: Option<&DomainName>, mode: AlignmentMode) -> bool {
    let below =
        |name: &str, parent: &str| name == parent || name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    let (domain, author) = (domain.as_str(), author.as_str());
    match mode {
        AlignmentMode::Strict => domain == author,
        AlignmentMode::Relaxed => {
            (below(author, domain) && domain.contains('.'))
                || below(domain, author)
                || policy.is_some_and(|policy| below(domain, policy.as_str()))
        }
    }
}

/// Whether no report is made about it, whoever wants one: it is a report or a notice itself (RFC 3834 §2: no answers to automatic messages), and two reporters would answer each other for ever.
fn is_automatic(headers: &HeaderBlock) -> bool {
    headers.iter().any(|field| {
        let value = field.value.trim_ascii().to_ascii_lowercase();
        let word = value.split(|octet| matches!(octet, b';' | b' ' | b'\t' | b'\r')).next().unwrap_or_default();
        (field.is_named("Auto-Submitted") && word != b"no")
            || (field.is_named("Content-Type") && word == b"multipart/report")
    })
}

/// The first fields that fit, and whether some are missing.
fn header_text(headers: &HeaderBlock) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    for field in headers.iter() {
        let octets = field.name.len().saturating_add(field.value.len()).saturating_add(3);
        if text.len().saturating_add(octets) > MAX_HEADER {
            return (text, true);
        }
        text.extend_from_slice(field.name);
        text.push(b':');
        text.extend_from_slice(field.value);
        text.extend_from_slice(b"\r\n");
    }
    (text, false)
}

/// An address without its brackets, as text of bounded length.
fn address(path: &[u8]) -> String {
    let path = path.strip_prefix(b"<").unwrap_or(path);
    let path = path.strip_suffix(b">").unwrap_or(path);
    String::from_utf8_lossy(path.get(..MAX_ADDRESS).unwrap_or(path)).into_owned()
}
