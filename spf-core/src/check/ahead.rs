//! Questions that will probably follow, for callers who ask them while the first one is out.
//!
//! §11.1 of RFC 7208 is why this is modest: a receiver that asks everything at once multiplies the load on third parties. What is named here is
//! what a straight evaluation would ask if nothing matched on the way: it stops at the first term that is known to match, at what the limits leave,
//! and at what cannot be known yet (macros with `p`, records that were not seen).

use super::machine::{Machine, Waiting, matches_locally};
use crate::dns::{Question, RecordKind};
use crate::macros::{Uses, expand_name};
use crate::name::Name;
use crate::record::{DomainSpec, Mechanism, Modifier, Record, Target, TermKind};

impl Machine {
    pub(super) fn ahead(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        if self.is_decided {
            return questions;
        }
        if let Waiting::ExchangeAddresses(names) = &self.waiting {
            questions.extend(names.left.iter().rev().map(|name| self.address_question(name.clone())));
        }
        let Some(check) = self.report.checks.get(self.current) else { return questions };
        let Some(record) = &check.record else { return questions };
        let mut left = self.limits.max_lookup_terms.saturating_sub(self.report.lookups);
        for term in record.terms().iter().skip(check.reached.saturating_add(1)) {
            let TermKind::Directive(directive) = &term.kind else { continue };
            match matches_locally(&directive.mechanism, self.session.client()) {
                Some(true) => return questions,
                Some(false) => (),
                None => {
                    let Some(rest) = left.checked_sub(1) else { return questions };
                    left = rest;
                    questions.extend(self.question_of(record, &directive.mechanism));
                }
            }
        }
        let redirect = record.redirect().and_then(|term| record.terms().get(term)).map(|term| &term.kind);
        if let Some(TermKind::Modifier(Modifier::Redirect(domain))) = redirect
            && left > 0
        {
            let name = self.known_target(record, Some(domain));
            questions.extend(name.map(|name| Question::new(name, RecordKind::Txt)));
        }
        questions
    }

    /// The first question of a term.
    fn question_of(&self, record: &Record, mechanism: &Mechanism) -> Option<Question> {
        let of = |domain, kind| self.known_target(record, domain).map(|name| Question::new(name, kind));
        match mechanism {
            Mechanism::Include(domain) => of(Some(domain), RecordKind::Txt),
            Mechanism::Exists(domain) => of(Some(domain), RecordKind::A),
            Mechanism::Mx(domain, _) => of(domain.as_ref(), RecordKind::Mx),
            Mechanism::A(domain, _) => {
                self.known_target(record, domain.as_ref()).map(|name| self.address_question(name))
            }
            Mechanism::Ptr(_) if self.pointers.is_some() => None,
            Mechanism::Ptr(_) => Some(Question::new(Name::reverse(self.session.client()), RecordKind::Ptr)),
            Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..) => None,
        }
    }

    /// The target of a term, when it can be known without further answers.
    fn known_target(&self, record: &Record, spec: Option<&DomainSpec>) -> Option<Name> {
        let Some(spec) = spec else { return self.domain().cloned() };
        match &spec.target {
            Target::Name(name) => Some(name.clone()),
            Target::NotAName(_) => None,
            Target::Macros(pieces) => {
                let uses = Uses::of(pieces);
                if uses.validated || (uses.local_part && !self.mailbox.local().is_ascii()) {
                    return None;
                }
                expand_name(record.text().as_bytes(), pieces, &self.values()?).ok()
            }
        }
    }
}
