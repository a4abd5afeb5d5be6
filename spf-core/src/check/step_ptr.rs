//! `ptr`, and the validated name of the client that `%{p}` stands for (RFC 7208 §5.5, §7.3).
//!
//! The client has one address, so its names are asked for once a check, however many terms want them. §5.5 validates all names and then looks for
//! one that lies within the target; here only names that could decide are validated, which gives the same result with fewer questions.

use super::machine::{Flow, Machine, Waiting};
use super::terms::NoTarget;
use crate::dns::{Answer, Question, RecordKind};
use crate::name::Name;
use crate::record::{DomainSpec, DualCidr, Record};

/// The names that the client's address claims, at most [`Limits::max_ptr_names`](crate::limits::Limits::max_ptr_names).
#[derive(Debug, Clone)]
pub(super) struct Pointers(Vec<Pointer>);

#[derive(Debug, Clone)]
struct Pointer {
    name: Name,
    /// Whether one of its addresses is the client's; `None` when it was not asked for.
    is_valid: Option<bool>,
}

impl Pointers {
    /// The name that stands for the client in macros of this domain, of those that are known to be valid.
    ///
    /// §7.3: "If the <domain> is present in the list of validated domains, it SHOULD be used. Otherwise, if a subdomain of the <domain> is
    /// present, it SHOULD be used. Otherwise, any name from the list can be used."
    pub(super) fn validated(&self, domain: &Name) -> Option<&Name> {
        self.by_rank(domain).find(|(_, pointer)| pointer.is_valid == Some(true)).map(|(_, pointer)| &pointer.name)
    }

    /// The names in the order in which they are wanted for a domain.
    fn by_rank(&self, domain: &Name) -> impl Iterator<Item = (usize, &Pointer)> {
        let rank = move |name: &Name| match name {
            name if name == domain => 0_u8,
            name if name.is_within(domain) => 1,
            _ => 2,
        };
        (0..=2)
            .flat_map(move |wanted| self.0.iter().enumerate().filter(move |(_, pointer)| rank(&pointer.name) == wanted))
    }
}

impl Machine {
    /// §5.5: "Check all validated domain names to see if they either match the <target-name> domain or are a subdomain of the <target-name>
    /// domain. If any do, this mechanism matches."
    pub(super) fn step_ptr(&mut self, record: &Record, domain: Option<&DomainSpec>) -> Flow {
        if let Err(limit) = self.count_term() {
            return limit;
        }
        let target = match self.target(record, domain) {
            Ok(name) => name,
            Err(none) => return none.into(),
        };
        let Some(pointers) = &self.pointers else { return self.ask_pointers(true) };
        for (index, pointer) in pointers.0.iter().enumerate().filter(|(_, pointer)| pointer.name.is_within(&target)) {
            match pointer.is_valid {
                Some(true) => return Flow::Match,
                Some(false) => (),
                None => return self.ask_pointer_addresses(index, pointer),
            }
        }
        Flow::NoMatch
    }

    /// Makes sure that [`Pointers::validated`] knows its answer for the current domain; otherwise says what to ask first.
    pub(super) fn find_validated(&mut self) -> Result<(), Flow> {
        let Some(pointers) = &self.pointers else {
            // §4.6.4: "When evaluating the "ptr" mechanism or the %{p} macro, the number of "PTR" resource records queried is included in the
            // overall limit". Explanations are made when all is decided, and count no more.
            if !self.is_decided {
                self.count_lookup()?;
            }
            return Err(self.ask_pointers(false));
        };
        let Some(domain) = self.domain() else { return Ok(()) };
        for (index, pointer) in pointers.by_rank(domain) {
            match pointer.is_valid {
                Some(true) => break,
                Some(false) => (),
                None => return Err(self.ask_pointer_addresses(index, pointer)),
            }
        }
        Ok(())
    }

    /// §5.5: "Perform a DNS reverse-mapping for <ip>: Look up the corresponding PTR record".
    fn ask_pointers(&self, is_term: bool) -> Flow {
        let question = Question::new(Name::reverse(self.session.client()), RecordKind::Ptr);
        Flow::Ask(question, Waiting::Pointers { is_term })
    }

    /// §5.5: "For each record returned, validate the domain name by looking up its IP addresses."
    fn ask_pointer_addresses(&self, index: usize, pointer: &Pointer) -> Flow {
        Flow::Ask(self.address_question(pointer.name.clone()), Waiting::PointerAddresses(index))
    }

    pub(super) fn take_pointers(&mut self, answer: &Answer, is_term: bool) -> Flow {
        let names: &[Name] = match answer {
            Answer::Ptr(names) => names,
            // §5.5: "If a DNS error occurs while doing the PTR RR lookup, then this mechanism fails to match."
            _ => &[],
        };
        // §4.6.4: "If this limit is exceeded, all records other than the first 10 MUST be ignored." The sender does not choose these records.
        let kept = names.iter().take(self.limits.max_ptr_names);
        self.pointers = Some(Pointers(kept.map(|name| Pointer { name: name.clone(), is_valid: None }).collect()));
        if is_term && let Err(limit) = self.count_void(answer) {
            return limit;
        }
        Flow::Again
    }

    pub(super) fn take_pointer_addresses(&mut self, answer: &Answer, index: usize) -> Flow {
        // §5.5: "If a DNS error occurs while doing an A RR lookup, then that domain name is skipped and the search continues."
        let is_valid = self.covers(answer, DualCidr::default()).unwrap_or(false);
        if let Some(pointer) = self.pointers.as_mut().and_then(|pointers| pointers.0.get_mut(index)) {
            pointer.is_valid = Some(is_valid);
        }
        Flow::Again
    }
}

impl From<Flow> for NoTarget {
    fn from(flow: Flow) -> Self {
        Self::Flow(flow)
    }
}
