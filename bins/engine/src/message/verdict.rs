//! From outcomes to what the MTA is told: the decision, and the edits of the header section.
//!
//! Policy is applied here and nowhere else. By default nothing but a fault of our own is answered with 451: a message over a limit
//! would be over it at every try, and mail that cannot be judged because DNS is down is worth more than none.

use dkim_core::verify::{Outcome, SignatureReport};
use milter_proto::{Decision, EditError, Edits, Place, ReplyCode};

use super::dmarc::DmarcResults;
use super::guard::guard;
use super::headers::HeaderTrouble;
use super::opendkim::SOFTWARE;
use super::own_fields::AUTHENTICATION_RESULTS;
use super::spf::{Refusal, Ruling, SpfResults};
use super::work::{AttemptOutcome, Signed};
use crate::config::{Enforcement, OnFailure, OnKeyError, Policy, RejectReply, opendkim};
use crate::opendkim::{DkimCause, DkimStep};

/// What the MTA is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The message passes, with the edits.
    Accept,
    /// It is put into the MTA's quarantine, with the edits.
    Quarantine(RejectCause),
    /// The sender is to try again later.
    Tempfail(TempfailCause),
    /// The message is refused for good.
    Reject(RejectCause),
    /// The MTA takes it and throws it away (`On-… discard` of OpenDKIM).
    Discard(DkimCause),
}

/// Why a message is refused for good, or put into quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectCause {
    /// The client may not send for the sender's domain, and such mail is to be rejected.
    Spf,
    /// The policy of its author domain, or its lack of one author.
    Dmarc,
    /// What its signatures came to, or what became of signing it (`On-…` of OpenDKIM).
    Dkim(DkimCause),
    /// A mistake of ours, after which it is kept for somebody to look at (`CaptureUnknownErrors` of OpenDKIM).
    Captured,
}

impl RejectCause {
    /// The word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Spf => "spf-fail",
            Self::Dmarc => "dmarc",
            Self::Dkim(cause) => cause.code(),
            Self::Captured => "internal-error",
        }
    }
}

/// Why a message is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TempfailCause {
    /// A key could not be looked up.
    Dns,
    /// A mistake of ours.
    InternalError,
    /// A limit was exceeded.
    Limit,
    /// A signing key cannot be used.
    Key,
    /// The sender could not be checked.
    Spf,
    /// The policy of the author domain could not be checked.
    Dmarc,
    /// What its signatures came to, or what became of signing it (`On-…` of OpenDKIM).
    Dkim(DkimCause),
}

impl TempfailCause {
    /// The word for logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Dns => "dns-failure",
            Self::InternalError => "internal-error",
            Self::Limit => "limit",
            Self::Key => "key-error",
            Self::Spf => "spf-temperror",
            Self::Dmarc => "dmarc-temperror",
            Self::Dkim(cause) => cause.code(),
        }
    }

    /// What the SMTP client reads (RFC 6376 §6.1.2 and RFC 7372 for the codes).
    fn reply(self) -> (u16, u16, &'static str) {
        match self {
            Self::Dns => (7, 5, "key for the DKIM signature is not available, try again later"),
            Self::InternalError => (3, 0, "message cannot be processed now, try again later"),
            Self::Limit => (3, 4, "message exceeds a limit of this system"),
            Self::Key => (7, 5, "message cannot be signed now, try again later"),
            Self::Spf => (7, 24, "sender cannot be checked now, try again later"),
            Self::Dmarc => (7, 5, "DMARC policy cannot be checked now, try again later"),
            Self::Dkim(cause) => (7, 0, cause.text()),
        }
    }
}

impl Action {
    /// The word for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Quarantine(_) => "quarantine",
            Self::Tempfail(_) => "tempfail",
            Self::Reject(_) => "reject",
            Self::Discard(_) => "discard",
        }
    }

    /// Whether the MTA takes the message.
    #[must_use]
    pub fn passes(self) -> bool {
        matches!(self, Self::Accept | Self::Quarantine(_))
    }

    /// The word for logs that says why; `None` for mail that passes.
    #[must_use]
    pub fn cause(self) -> Option<&'static str> {
        match self {
            Self::Accept => None,
            Self::Tempfail(cause) => Some(cause.code()),
            Self::Quarantine(cause) | Self::Reject(cause) => Some(cause.code()),
            Self::Discard(cause) => Some(cause.code()),
        }
    }

    /// What a refusal for SPF is.
    #[must_use]
    pub fn of_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fail => Self::Reject(RejectCause::Spf),
            Refusal::TempError => Self::Tempfail(TempfailCause::Spf),
        }
    }

    /// What the SMTP client is told; `spf` and `dmarc` have the words where they are the reason.
    #[must_use]
    pub fn decision(self, spf: Option<&SpfResults>, dmarc: Option<&DmarcResults>, reply: &RejectReply) -> Decision {
        if let Some(dmarc) = dmarc {
            let said = match self {
                Self::Reject(RejectCause::Dmarc) => guard(|| dmarc.rejection(reply)).ok(),
                Self::Tempfail(TempfailCause::Dmarc) => guard(|| dmarc.deferral()).ok(),
                _ => None,
            };
            if let Some(decision) = said {
                return decision;
            }
        }
        match (self, spf.and_then(|spf| guard(|| spf.refusal()).ok().flatten())) {
            (Self::Reject(RejectCause::Spf) | Self::Tempfail(TempfailCause::Spf), Some(reply)) => reply,
            (Self::Reject(RejectCause::Spf), None) => Decision::Reject,
            (action, _) => action.own_decision(),
        }
    }

    fn own_decision(self) -> Decision {
        match self {
            Self::Accept | Self::Quarantine(_) => Decision::Continue,
            Self::Discard(_) => Decision::Discard,
            Self::Reject(RejectCause::Dkim(cause)) => cause.refusal(true),
            Self::Tempfail(TempfailCause::Dkim(cause)) => cause.refusal(false),
            Self::Reject(_) => Decision::Reject,
            Self::Tempfail(cause) => {
                let (subject, detail, text) = cause.reply();
                ReplyCode::builder(451).map_or(Decision::TempFail, |builder| {
                    Decision::ReplyCode(builder.enhanced(subject, detail).text(text).build())
                })
            }
        }
    }
}

/// Everything that can put a message off.
#[derive(Clone, Copy, Debug)]
pub struct Outcomes<'a> {
    /// Whether work on the message ended in a fault of ours.
    pub is_fault: bool,
    /// Whether such a message is put into quarantine.
    pub captures_faults: bool,
    /// Why the header section is not complete, if it is not.
    pub trouble: Option<HeaderTrouble>,
    /// Signatures of a message that was judged.
    pub reports: &'a [SignatureReport],
    /// What follows from SPF.
    pub spf: Ruling,
    /// What follows from DMARC: what is done, and whether an answer is missing for which mail is put off.
    pub dmarc: DmarcStep,
    /// What follows from DKIM alone, by the options of OpenDKIM.
    pub dkim: Option<DkimStep>,
    /// What became of signing.
    pub signed: Option<&'a Signed>,
    /// What the signing domain wants when a key fails.
    pub on_key_error: OnKeyError,
}

/// What follows from DMARC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmarcStep {
    /// This.
    Done(Enforcement),
    /// An answer of the DNS is missing, and such mail is put off.
    Defer,
}

/// Applies the policy.
#[must_use]
pub fn decide(outcomes: &Outcomes<'_>, policy: &Policy) -> Action {
    if outcomes.is_fault && outcomes.captures_faults {
        return Action::Quarantine(RejectCause::Captured);
    }
    if outcomes.is_fault && policy.on_internal_error == OnFailure::Tempfail {
        return Action::Tempfail(TempfailCause::InternalError);
    }
    if outcomes.trouble.is_some_and(HeaderTrouble::is_limit) && policy.on_limit == OnFailure::Tempfail {
        return Action::Tempfail(TempfailCause::Limit);
    }
    // What is refused for good need not come again for the sake of a key.
    if let Ruling::Refuse(refusal) = outcomes.spf {
        return Action::of_refusal(refusal);
    }
    match outcomes.dmarc {
        DmarcStep::Done(Enforcement::Reject) => return Action::Reject(RejectCause::Dmarc),
        DmarcStep::Defer => return Action::Tempfail(TempfailCause::Dmarc),
        DmarcStep::Done(_) => {}
    }
    match outcomes.dkim {
        Some(DkimStep { action: opendkim::Action::Reject, cause }) => return Action::Reject(RejectCause::Dkim(cause)),
        Some(DkimStep { action: opendkim::Action::Tempfail, cause }) => {
            return Action::Tempfail(TempfailCause::Dkim(cause));
        }
        Some(DkimStep { action: opendkim::Action::Discard, cause }) => return Action::Discard(cause),
        Some(DkimStep { action: opendkim::Action::Quarantine, cause }) => {
            return Action::Quarantine(RejectCause::Dkim(cause));
        }
        Some(DkimStep { action: opendkim::Action::Accept, .. }) | None => {}
    }
    // RFC 6376 §6.3 lets only TEMPFAIL give a 4xx, and with a good signature nothing is missing.
    let has = |wanted: fn(&Outcome) -> bool| outcomes.reports.iter().any(|report| wanted(&report.outcome));
    if policy.on_dns_failure == OnFailure::Tempfail
        && has(|outcome| matches!(outcome, Outcome::TempError(_)))
        && !has(|outcome| matches!(outcome, Outcome::Pass))
    {
        return Action::Tempfail(TempfailCause::Dns);
    }
    if outcomes.on_key_error == OnKeyError::Tempfail && outcomes.signed.is_some_and(has_key_failure) {
        return Action::Tempfail(TempfailCause::Key);
    }
    if outcomes.dmarc == DmarcStep::Done(Enforcement::Quarantine) {
        Action::Quarantine(RejectCause::Dmarc)
    } else {
        Action::Accept
    }
}

fn has_key_failure(signed: &Signed) -> bool {
    match signed {
        Signed::Skipped(skip) => matches!(skip, super::plan::SignSkip::NoUsableKey),
        Signed::Tried(attempts) => {
            // One key that is held back leaves the others, which were chosen to be enough; with none left no key can be used.
            attempts.iter().any(|attempt| matches!(attempt.outcome, AttemptOutcome::KeyFailed(_)))
                || attempts.iter().all(|attempt| matches!(attempt.outcome, AttemptOutcome::Withheld))
        }
    }
}

/// Fields to add to a message that passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewFields<'a> {
    /// The value of Authentication-Results.
    pub results: Option<&'a str>,
    /// The value of Received-SPF.
    pub received_spf: Option<&'a str>,
    /// Name and value of the field for delivery rules.
    pub tag: Option<(&'a str, &'a str)>,
    /// The reason for the MTA's quarantine.
    pub quarantine: Option<&'a str>,
    /// The value of DKIM-Filter.
    pub software: Option<&'a str>,
    /// The signatures.
    pub signed: Option<&'a Signed>,
}

/// The edits of a message that passes: forged fields go, always; new fields come where there are any.
///
/// New signatures stand above everything in the message (RFC 6376 §5.6), the name of this filter above them, our results on top of all (RFC 8601 §4), Received-SPF above the
/// Received fields (RFC 7208 §9.1).
///
/// # Errors
///
/// [`EditError`] for a new field that must not be sent: a mistake of ours. The removals can be had alone with no new fields.
pub fn edits<'n>(
    doomed: impl IntoIterator<Item = (&'n str, u32)>,
    new: NewFields<'_>,
    is_smtputf8: bool,
) -> Result<Edits, EditError> {
    let mut edits = Edits::new();
    if is_smtputf8 {
        edits.allow_non_ascii();
    }
    for (name, occurrence) in doomed {
        edits.delete(name.as_bytes(), occurrence)?;
    }
    if let Some(value) = new.results {
        edits.insert(Place::Top, AUTHENTICATION_RESULTS.as_bytes(), value.as_bytes())?;
    }
    if let Some(value) = new.received_spf {
        edits.insert(Place::Top, b"Received-SPF", value.as_bytes())?;
    }
    if let Some((name, value)) = new.tag {
        edits.insert(Place::Top, name.as_bytes(), value.as_bytes())?;
    }
    if let Some(reason) = new.quarantine {
        edits.quarantine(reason.as_bytes())?;
    }
    if let Some(value) = new.software {
        edits.insert(Place::Top, SOFTWARE.as_bytes(), value.as_bytes())?;
    }
    if let Some(Signed::Tried(attempts)) = new.signed {
        for attempt in attempts {
            if let AttemptOutcome::Made(field) = &attempt.outcome {
                edits.insert(Place::Top, field.name.as_bytes(), field.value.as_bytes())?;
            }
        }
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::plan::SignSkip;

    const NOTHING: Outcomes<'static> = Outcomes {
        is_fault: false,
        captures_faults: false,
        trouble: None,
        reports: &[],
        spf: Ruling::Pass,
        dmarc: DmarcStep::Done(Enforcement::Observe),
        dkim: None,
        signed: None,
        on_key_error: OnKeyError::Unsigned,
    };

    fn strict() -> Policy {
        Policy {
            on_dns_failure: OnFailure::Tempfail,
            on_internal_error: OnFailure::Tempfail,
            on_limit: OnFailure::Tempfail,
        }
    }

    fn lax() -> Policy {
        Policy { on_dns_failure: OnFailure::Accept, on_internal_error: OnFailure::Accept, on_limit: OnFailure::Accept }
    }

    #[test]
    fn each_cause_follows_its_own_policy() {
        let no_key = Signed::Skipped(SignSkip::NoUsableKey);
        let key = Outcomes { signed: Some(&no_key), on_key_error: OnKeyError::Tempfail, ..NOTHING };
        for (outcomes, cause) in [
            (Outcomes { is_fault: true, ..NOTHING }, TempfailCause::InternalError),
            (Outcomes { trouble: Some(HeaderTrouble::TooManyFields), ..NOTHING }, TempfailCause::Limit),
        ] {
            assert_eq!(decide(&outcomes, &strict()), Action::Tempfail(cause));
            assert_eq!(decide(&outcomes, &lax()), Action::Accept);
            let captured = decide(&Outcomes { captures_faults: true, ..outcomes }, &strict());
            assert_eq!(captured == Action::Quarantine(RejectCause::Captured), outcomes.is_fault);
        }
        assert_eq!(decide(&key, &lax()), Action::Tempfail(TempfailCause::Key));
        assert_eq!(decide(&Outcomes { on_key_error: OnKeyError::Unsigned, ..key }, &strict()), Action::Accept);
        assert_eq!(decide(&NOTHING, &strict()), Action::Accept);
    }

    #[test]
    fn s18_what_spf_refuses_is_refused_and_nothing_else_of_it() {
        for (spf, action) in [
            (Ruling::Refuse(Refusal::Fail), Action::Reject(RejectCause::Spf)),
            (Ruling::Refuse(Refusal::TempError), Action::Tempfail(TempfailCause::Spf)),
            (Ruling::Allowed, Action::Accept),
            (Ruling::Reported, Action::Accept),
        ] {
            assert_eq!(decide(&Outcomes { spf, ..NOTHING }, &lax()), action);
        }
        // A mistake of ours may have been one about the sender.
        let fault = Outcomes { is_fault: true, spf: Ruling::Refuse(Refusal::Fail), ..NOTHING };
        assert_eq!(decide(&fault, &strict()), Action::Tempfail(TempfailCause::InternalError));
    }

    #[test]
    fn what_dmarc_asks_for_is_done_after_what_is_more_urgent() {
        let done = |done| Outcomes { dmarc: DmarcStep::Done(done), ..NOTHING };
        for (outcomes, action) in [
            (done(Enforcement::Tag), Action::Accept),
            (done(Enforcement::Quarantine), Action::Quarantine(RejectCause::Dmarc)),
            (done(Enforcement::Reject), Action::Reject(RejectCause::Dmarc)),
            (Outcomes { dmarc: DmarcStep::Defer, ..NOTHING }, Action::Tempfail(TempfailCause::Dmarc)),
            (
                Outcomes { spf: Ruling::Refuse(Refusal::Fail), ..done(Enforcement::Reject) },
                Action::Reject(RejectCause::Spf),
            ),
            (Outcomes { is_fault: true, ..done(Enforcement::Reject) }, Action::Tempfail(TempfailCause::InternalError)),
        ] {
            assert_eq!(decide(&outcomes, &strict()), action);
        }
    }

    #[test]
    fn a_malformed_header_is_the_fault_of_the_message_and_never_put_off() {
        let outcomes = Outcomes { trouble: Some(HeaderTrouble::Malformed), ..NOTHING };
        assert_eq!(decide(&outcomes, &strict()), Action::Accept);
    }

    #[test]
    fn a_tempfail_has_a_code_that_says_why() {
        let Decision::ReplyCode(code) =
            Action::Tempfail(TempfailCause::Dns).decision(None, None, &RejectReply::default())
        else {
            panic!("no code")
        };
        assert_eq!(code.to_smtp(), "451 4.7.5 key for the DKIM signature is not available, try again later");
    }

    #[test]
    fn l4_doomed_fields_go_and_new_ones_come_on_top() {
        let new = NewFields {
            results: Some(" mx.example; none"),
            received_spf: Some(" pass"),
            tag: Some(("X-Tag", " reject")),
            quarantine: Some("why"),
            software: None,
            signed: None,
        };
        let doomed = [("Authentication-Results", 1), ("Authentication-Results", 3)];
        let edits = edits(doomed, new, false).unwrap();
        let mut expected = Edits::new();
        expected.delete(b"Authentication-Results", 1).unwrap();
        expected.delete(b"Authentication-Results", 3).unwrap();
        expected.insert(Place::Top, b"Authentication-Results", b" mx.example; none").unwrap();
        expected.insert(Place::Top, b"Received-SPF", b" pass").unwrap();
        expected.insert(Place::Top, b"X-Tag", b" reject").unwrap();
        expected.quarantine(b"why").unwrap();
        assert_eq!(edits, expected);
    }
}
