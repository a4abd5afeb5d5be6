//! `redirect=` (RFC 7208 §6.1).

use super::machine::{Flow, Machine};
use super::terms::NoTarget;
use crate::name::NameError;
use crate::outcome::{Cause, Entered, Place};
use crate::record::{Mechanism, Modifier, Record, TermKind};

impl Machine {
    /// Taken when no mechanism matched; `None` when there is nothing to follow.
    pub(super) fn step_redirect(&mut self, record: &Record) -> Option<Flow> {
        let term = record.redirect()?;
        let Some(TermKind::Modifier(Modifier::Redirect(domain))) = record.terms().get(term).map(|term| &term.kind)
        else {
            return None;
        };
        // §6.1: "Any "redirect" modifier ... has to be ignored when there is an "all" mechanism anywhere in the record." Such a record ends at its
        // "all" in any case, so this is a guard and no branch of its own.
        let is_all =
            |kind: &TermKind| matches!(kind, TermKind::Directive(directive) if directive.mechanism == Mechanism::All);
        if record.terms().iter().any(|term| is_all(&term.kind)) {
            return None;
        }
        if let Err(limit) = self.count_term() {
            return Some(limit);
        }
        match self.target(record, Some(domain)) {
            Ok(name) if name.is_multi_label() => {
                Some(Flow::Enter(Entered::Redirect(Place { check: self.current, term }), name))
            }
            // §6.1: "if the <target-name> is malformed, the result is a "permerror" rather than "none"."
            Ok(_) => Some(Flow::Abort(Cause::RedirectTarget(NameError::SingleLabel))),
            Err(NoTarget::NotAName(error)) => Some(Flow::Abort(Cause::RedirectTarget(error))),
            // RFC 8616 §4: the term "does not match anything", as if it were not there.
            Err(NoTarget::LocalPart) => None,
            Err(NoTarget::Flow(flow)) => Some(flow),
        }
    }
}
