//! What OpenDKIM does about a message for what its signatures came to (`On-…`), and its words for the client.
//!
//! | outcome | option |
//! |---|---|
//! | a signature passes, or the key of one is in test (`t=y`) | none: the message passes |
//! | no signature | `On-NoSignature`, unless `AlwaysAddARHeader` is set |
//! | a key could not be asked for | `On-DNSError` |
//! | the first signature has no key in the DNS | `On-KeyNotFound` |
//! | anything else | `On-BadSignature` |
//!
//! A key that could not be asked for comes before the rest, whichever signature it is of: with its answer the message may pass.

use dkim_core::verify::{Outcome, PermErrorCause, PolicyCause, SignatureReport};
use milter_proto::{Decision, ReplyCode};

use crate::config::opendkim::{Action, Actions};

/// What is done about a message, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DkimStep {
    /// What is done.
    pub action: Action,
    /// Why.
    pub cause: DkimCause,
}

/// Why a message is not simply taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DkimCause {
    /// No signature passes.
    BadSignature,
    /// There is none.
    NoSignature,
    /// The key is not in the DNS.
    KeyNotFound,
    /// The key could not be asked for.
    DnsError,
    /// The signature is none that can be read.
    Syntax,
    /// The message could not be signed.
    SignatureError,
    /// It breaks RFC 5322 §3.6, with these words (`RequiredHeaders`).
    Required(&'static str),
}

impl DkimCause {
    /// The word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BadSignature => "bad-signature",
            Self::NoSignature => "no-signature",
            Self::KeyNotFound => "key-not-found",
            Self::DnsError => "dns-failure",
            Self::Syntax => "signature-syntax",
            Self::SignatureError => "signing-error",
            Self::Required(_) => "required-headers",
        }
    }

    /// OpenDKIM's words for the client.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::BadSignature => "bad DKIM signature data",
            Self::NoSignature => "no DKIM signature data",
            Self::KeyNotFound | Self::DnsError => "DKIM key retrieval failed",
            Self::Syntax => "DKIM signature syntax error",
            Self::SignatureError => "DKIM signing error",
            Self::Required(text) => text,
        }
    }

    /// The refusal: for good, or for now.
    #[must_use]
    pub fn refusal(self, is_for_good: bool) -> Decision {
        let (code, fallback) = if is_for_good { (550, Decision::Reject) } else { (451, Decision::TempFail) };
        let subject = if matches!(self, Self::Required(_)) { 0 } else { 7 };
        let detail = if !is_for_good && matches!(self, Self::KeyNotFound | Self::DnsError) { 5 } else { 0 };
        ReplyCode::builder(code).map_or(fallback, |builder| {
            Decision::ReplyCode(builder.enhanced(subject, detail).text(self.text()).build())
        })
    }
}

/// What follows from the signatures of a message that was verified.
///
/// *Inputs*: its reports in the order of the message; the options; whether unsigned mail is given a result in any case (`AlwaysAddARHeader`), which
/// switches `On-NoSignature` off.
#[must_use]
pub fn act(reports: &[SignatureReport], on: &Actions, always_adds: bool) -> Option<DkimStep> {
    let step = |action, cause| (action != Action::Accept).then_some(DkimStep { action, cause });
    // A signature that is ignored is as none.
    let reports = || reports.iter().filter(|report| report.outcome != Outcome::Policy(PolicyCause::NotTrusted));
    let Some(first) = reports().next() else {
        return step(if always_adds { Action::Accept } else { on.no_signature }, DkimCause::NoSignature);
    };
    let passes = |report: &SignatureReport| matches!(report.outcome, Outcome::Pass) || report.testing;
    if reports().any(passes) {
        return None;
    }
    if reports().any(|report| matches!(report.outcome, Outcome::TempError(_))) {
        return step(on.dns_error, DkimCause::DnsError);
    }
    match first.outcome {
        Outcome::PermError(
            PermErrorCause::KeyNxDomain | PermErrorCause::KeyNoData | PermErrorCause::KeyNotAmongRecords,
        ) => step(on.key_not_found, DkimCause::KeyNotFound),
        Outcome::PermError(PermErrorCause::Syntax | PermErrorCause::MissingTag) => {
            step(on.bad_signature, DkimCause::Syntax)
        }
        _ => step(on.bad_signature, DkimCause::BadSignature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_4_refusals_have_the_codes_and_words_of_opendkim() {
        let said = |cause: DkimCause, is_for_good| match cause.refusal(is_for_good) {
            Decision::ReplyCode(code) => code.to_smtp(),
            other => panic!("{other:?}"),
        };
        for (cause, is_for_good, expected) in [
            (DkimCause::BadSignature, true, "550 5.7.0 bad DKIM signature data"),
            (DkimCause::NoSignature, true, "550 5.7.0 no DKIM signature data"),
            (DkimCause::KeyNotFound, true, "550 5.7.0 DKIM key retrieval failed"),
            (DkimCause::KeyNotFound, false, "451 4.7.5 DKIM key retrieval failed"),
            (DkimCause::DnsError, false, "451 4.7.5 DKIM key retrieval failed"),
            (DkimCause::Syntax, true, "550 5.7.0 DKIM signature syntax error"),
            (DkimCause::SignatureError, false, "451 4.7.0 DKIM signing error"),
            (DkimCause::Required("message has multiple To fields"), true, "550 5.0.0 message has multiple To fields"),
        ] {
            assert_eq!(said(cause, is_for_good), expected);
        }
    }

    #[test]
    fn s1_2_always_add_ar_header_switches_on_no_signature_off() {
        let on = Actions { no_signature: Action::Reject, ..Actions::default() };
        let refused = Some(DkimStep { action: Action::Reject, cause: DkimCause::NoSignature });
        assert_eq!(act(&[], &on, false), refused);
        assert_eq!(act(&[], &on, true), None);
        assert_eq!(act(&[], &Actions::default(), false), None);
    }
}
