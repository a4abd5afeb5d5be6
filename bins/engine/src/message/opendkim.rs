//! A complete message by the ways of OpenDKIM: its words in Authentication-Results, the fields that come and go, what is logged.

use dkim_core::auth_results::ResInfo;
use dkim_core::verify::{Outcome, PermErrorCause, SignatureReport};
use milter_proto::{EditError, Edits};

use super::closing::Closing;
use super::headers::DKIM_SIGNATURE;
use super::results::{BadFormat, DkimResults, Style};
use super::work::{AttemptOutcome, Signed};
use crate::opendkim::Words;
use crate::server::host_name;

/// The comment of OpenDKIM beside `permerror`.
pub(super) const BAD_FORMAT: &str = "bad message/signature format";

/// The field of `SoftwareHeader`.
pub(super) const SOFTWARE: &str = "DKIM-Filter";

/// The reason for the quarantine of `CaptureUnknownErrors`.
pub(super) const CAPTURED: &str = "capture requested";

/// A result in OpenDKIM's words and order (§5.2).
pub(super) fn info(report: &SignatureReport, omits_b: bool) -> ResInfo {
    let words = Words::of(report.outcome);
    let mut info = ResInfo::new("dkim", words.result);
    if let Some(reason) = words.reason {
        info = info.with_reason(reason);
    }
    if let Some(bits) = report.key_bits.filter(|_| words.shows_key) {
        info = info.with_comment(format!("{bits}-bit key"));
    }
    if matches!(report.outcome, Outcome::PermError(PermErrorCause::Syntax | PermErrorCause::MissingTag)) {
        info = info.with_comment(BAD_FORMAT);
    }
    if report.testing {
        // RFC 6376 §3.6.1 on t=y: "Verifiers MUST NOT treat messages from Signers in testing mode differently from unsigned email".
        info = info.with_comment("test mode");
    }
    if let Some(domain) = &report.domain {
        let identity = report.identity.as_ref().map_or_else(|| format!("@{domain}"), ToString::to_string);
        info = info.with_prop("header", "d", domain.as_str()).with_prop("header", "i", identity);
    }
    if let Some(algorithm) = &report.algorithm {
        info = info.with_prop("header", "a", algorithm.as_ref());
    }
    if let Some(selector) = &report.selector {
        info = info.with_prop("header", "s", selector.as_str());
    }
    if !report.b_start.is_empty() && !omits_b {
        info = info.with_prop("header", "b", &report.b_start);
    }
    info
}

impl Closing {
    /// In whose words results are told.
    pub(super) fn style(&self) -> Style {
        self.rules.ways().map_or(Style::Own, |ways| Style::OpenDkim { omits_b: ways.omits_header_b() })
    }

    /// What is said of a message without signatures that were looked at; `None` for any other.
    pub(super) fn bad_format(&self) -> Option<DkimResults<'static>> {
        let ways = self.rules.ways().filter(|_| self.header.is_malformed)?;
        let told = if ways.ignores_malformed_mail() { BadFormat::Ignored } else { BadFormat::Told };
        Some(DkimResults::BadFormat(told))
    }

    /// Whether a mistake of ours puts the message into quarantine (`CaptureUnknownErrors`).
    pub(super) fn captures(&self) -> bool {
        self.facts.can_quarantine && self.rules.ways().is_some_and(|ways| ways.captures_errors())
    }

    /// The value of the field of `SoftwareHeader`, where one is added. OpenDKIM has nothing to say about its part in mail that is malformed.
    pub(super) fn software(&self) -> Option<String> {
        let adds = self.rules.ways().is_some_and(|ways| ways.adds_software());
        if !adds || self.header.is_malformed || self.is_fault {
            return None;
        }
        let name = self.facts.mta_name.as_deref().filter(|name| !name.is_empty());
        let name = name.map_or_else(host_name, |name| name.escape_ascii().to_string());
        Some(format!(" Postseal v{} {name} {}", env!("CARGO_PKG_VERSION"), self.facts.job()))
    }

    /// `RemoveOldSignatures`: of mail that has a new one.
    pub(super) fn remove_old_signatures(&self, signed: Option<&Signed>, edits: &mut Edits) -> Result<(), EditError> {
        if self.rules.ways().is_some_and(|ways| ways.removes_old_signatures()) && is_signed(signed) {
            for occurrence in 1..=u32::try_from(self.header.signatures).unwrap_or(u32::MAX) {
                edits.delete(DKIM_SIGNATURE.as_bytes(), occurrence)?;
            }
        }
        Ok(())
    }
}

fn is_signed(signed: Option<&Signed>) -> bool {
    let Some(Signed::Tried(attempts)) = signed else { return false };
    attempts.iter().any(|attempt| matches!(attempt.outcome, AttemptOutcome::Made(_)))
}
