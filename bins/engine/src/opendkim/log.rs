//! The lines that OpenDKIM writes about a message that was signed or verified, for programs that read its log.
//!
//! `SyslogSuccess` brings the lines about what went well. What did not go well is logged in any case, once for each message of which no signature passes; so is what follows
//! from it, which OpenDKIM does not log.

use dkim_core::domain::{DomainName, Selector};
use dkim_core::verify::{FailCause, Outcome, PermErrorCause, PolicyCause, SignatureReport, TempErrorCause};

use super::Ways;
use super::act::DkimStep;
use super::words::error_text;
use crate::config::opendkim::Action;
use crate::logging::OLD_LINE;

/// What OpenSSL says of an RSA signature that is not right, which OpenDKIM hands on.
const BAD_SIGNATURE: &str = "error:02000068:rsa routines::bad signature";

impl Ways {
    /// A signature that was added.
    pub(crate) fn log_added(&self, job: &str, domain: &DomainName, selector: &Selector) {
        if self.logs_success {
            tracing::info!(target: OLD_LINE, "{job}: DKIM-Signature field added (s={selector}, d={domain})");
        }
    }

    /// What the signatures of a message came to, and what is done about it.
    pub(crate) fn log_verified(&self, job: &str, reports: &[SignatureReport], step: Option<DkimStep>) {
        let signatures: Vec<Signature<'_>> = reports.iter().map(Signature::of).collect();
        for line in lines(&signatures, self.logs_success) {
            tracing::info!(target: OLD_LINE, "{job}: {line}");
        }
        if self.flags.logs_results {
            for line in reports.iter().filter_map(result_line) {
                tracing::info!(target: OLD_LINE, "{job}: {line}");
            }
        }
        if let Some(step) = step {
            log_step(job, step);
        }
    }

    /// What is done about a message that could not be signed.
    pub(crate) fn log_not_signed(&self, job: &str, step: Option<DkimStep>) {
        if let Some(step) = step {
            log_step(job, step);
        }
    }
}

/// The line of `LogResults`, of a signature of which its three parts can be told.
fn result_line(report: &SignatureReport) -> Option<String> {
    let (domain, selector) = (report.domain.as_ref()?, report.selector.as_ref()?);
    let signature = Some(&report.b_start).filter(|text| !text.is_empty())?;
    let text = error_text(report.outcome);
    Some(format!("signature={signature} domain={domain} selector={selector} result=\"{text}\""))
}

fn log_step(job: &str, step: DkimStep) {
    let done = match step.action {
        Action::Accept => return,
        Action::Discard => "discarded",
        Action::Quarantine => "quarantined",
        Action::Reject => "rejected",
        Action::Tempfail => "put off",
    };
    tracing::warn!(target: OLD_LINE, "{job}: {done}: {}", step.cause.text());
}

/// What is told of a signature.
struct Signature<'a> {
    outcome: Outcome,
    domain: &'a str,
    selector: &'a str,
    algorithm: &'a str,
    /// Place and kind of a syntax fault.
    fault: Option<String>,
}

impl<'a> Signature<'a> {
    fn of(report: &'a SignatureReport) -> Self {
        Self {
            outcome: report.outcome,
            domain: report.domain.as_ref().map_or("", DomainName::as_str),
            selector: report.selector.as_ref().map_or("", Selector::as_str),
            algorithm: report.algorithm.as_deref().unwrap_or_default(),
            fault: report.error.as_ref().map(ToString::to_string),
        }
    }

    fn is_beyond_limit(&self) -> bool {
        self.outcome == Outcome::Policy(PolicyCause::TooManySignatures)
    }

    /// Whether it was looked at. One of a domain that is not trusted has a line of its own, and is as none.
    fn is_checked(&self) -> bool {
        !self.is_beyond_limit() && self.outcome != Outcome::Policy(PolicyCause::NotTrusted)
    }

    /// The line about a signature that does not pass.
    fn line(&self) -> String {
        let Self { outcome, domain, selector, algorithm, fault } = self;
        let not_retrieved = |why: &str| {
            format!("key retrieval failed (s={selector}, d={domain}): '{selector}._domainkey.{domain}' {why}")
        };
        match outcome {
            Outcome::Fail(FailCause::Signature) => {
                format!("s={selector} d={domain} a={algorithm} SSL {BAD_SIGNATURE}")
            }
            Outcome::PermError(
                PermErrorCause::KeyNxDomain | PermErrorCause::KeyNoData | PermErrorCause::KeyNotAmongRecords,
            ) => not_retrieved("record not found"),
            Outcome::TempError(TempErrorCause::KeyUnanswered) => not_retrieved("query timed out"),
            Outcome::TempError(TempErrorCause::KeyLookup) => not_retrieved("query failed"),
            Outcome::PermError(PermErrorCause::KeyRevoked) => {
                format!("key revoked (s={selector}, d={domain}, a={algorithm})")
            }
            Outcome::PermError(PermErrorCause::Syntax | PermErrorCause::MissingTag) => {
                format!("syntax error: {}", fault.clone().unwrap_or_else(|| outcome.to_string()))
            }
            _ => format!("bad signature data (s={selector}, d={domain}, a={algorithm}): {outcome}"),
        }
    }
}

/// The lines about the signatures of one message.
fn lines(signatures: &[Signature<'_>], success: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if signatures.len() > 1 {
        let names: Vec<&str> = signatures.iter().map(|signature| signature.domain).collect();
        lines.push(format!("message has signatures from {}", names.join(", ")));
    }
    let ignored = signatures.iter().filter(|signature| signature.is_beyond_limit()).count();
    if ignored > 0 {
        lines.push(format!("ignoring {ignored} signature{}", if ignored == 1 { "" } else { "s" }));
    }
    if signatures.iter().any(|signature| signature.outcome == Outcome::Pass) {
        if success {
            lines.push("DKIM verification successful".to_owned());
        }
        return lines;
    }
    if signatures.iter().all(|signature| signature.outcome == Outcome::Policy(PolicyCause::NotTrusted)) {
        lines.push("no signature data".to_owned());
    }
    lines.extend(signatures.iter().filter(|signature| signature.is_checked()).map(Signature::line));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(outcome: Outcome) -> Signature<'static> {
        Signature { outcome, domain: "d.example", selector: "s", algorithm: "rsa-sha256", fault: None }
    }

    #[test]
    fn s5_4_lines_of_failures_once_none_passes() {
        let said = |outcomes: &[Outcome]| lines(&outcomes.iter().copied().map(signature).collect::<Vec<_>>(), true);
        let bad = Outcome::Fail(FailCause::Signature);
        assert_eq!(said(&[]), ["no signature data"]);
        assert_eq!(said(&[bad]), ["s=s d=d.example a=rsa-sha256 SSL error:02000068:rsa routines::bad signature"]);
        assert_eq!(
            said(&[Outcome::PermError(PermErrorCause::KeyNxDomain)]),
            ["key retrieval failed (s=s, d=d.example): 's._domainkey.d.example' record not found"]
        );
        assert_eq!(
            said(&[Outcome::TempError(TempErrorCause::KeyUnanswered)]),
            ["key retrieval failed (s=s, d=d.example): 's._domainkey.d.example' query timed out"]
        );
        assert_eq!(
            said(&[Outcome::PermError(PermErrorCause::KeyRevoked)]),
            ["key revoked (s=s, d=d.example, a=rsa-sha256)"]
        );
        assert_eq!(said(&[Outcome::PermError(PermErrorCause::Syntax)]), ["syntax error: signature syntax error"]);
        assert_eq!(
            said(&[Outcome::Fail(FailCause::BodyHash)]),
            ["bad signature data (s=s, d=d.example, a=rsa-sha256): body hash did not verify"]
        );
        let many = Outcome::Policy(PolicyCause::TooManySignatures);
        assert_eq!(
            said(&[bad, Outcome::Pass, many]),
            [
                "message has signatures from d.example, d.example, d.example",
                "ignoring 1 signature",
                "DKIM verification successful"
            ]
        );
        assert_eq!(said(&[Outcome::Policy(PolicyCause::NotTrusted)]), ["no signature data"]);
        assert_eq!(lines(&[signature(Outcome::Pass)], false), [""; 0]);
    }
}
