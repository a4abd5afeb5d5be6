//! What the steps have in common: counting against the limits, the name that a term is about, and addresses that cover the client (RFC 7208 §4.6.4,
//! §4.8, §5.3; RFC 8616 §4).

use std::net::IpAddr;

use super::machine::{Flow, Machine};
use crate::dns::{Answer, Question, RecordKind};
use crate::limits::Limit;
use crate::macros::{Uses, Values, expand_name};
use crate::name::{Name, NameError};
use crate::outcome::Cause;
use crate::record::{DomainSpec, DualCidr, Record, Target};

/// Why a term has no name to ask about.
#[derive(Debug)]
pub(super) enum NoTarget {
    /// The name cannot be asked about.
    NotAName(NameError),
    /// RFC 8616 §4: a local part beyond ASCII in `%{s}` or `%{l}`.
    LocalPart,
    /// An answer first.
    Flow(Flow),
}

impl Machine {
    /// Counts the current term against the limit (§4.6.4), once.
    pub(super) fn count_term(&mut self) -> Result<(), Flow> {
        if !self.is_counted {
            self.count_lookup()?;
            self.is_counted = true;
        }
        Ok(())
    }

    /// §4.6.4: "SPF implementations MUST limit the total number of those terms to 10 during SPF evaluation, to avoid unreasonable load on the
    /// DNS. If this limit is exceeded, the implementation MUST return "permerror"."
    pub(super) fn count_lookup(&mut self) -> Result<(), Flow> {
        if self.report.lookups >= self.limits.max_lookup_terms {
            return Err(Flow::Abort(Cause::Limit(Limit::LookupTerms)));
        }
        self.report.lookups = self.report.lookups.saturating_add(1);
        Ok(())
    }

    /// §4.6.4: "SPF implementations SHOULD limit "void lookups" to two. ... Exceeding the limit produces a "permerror" result."
    pub(super) fn count_void(&mut self, answer: &Answer) -> Result<(), Flow> {
        if answer.is_void() {
            self.report.voids = self.report.voids.saturating_add(1);
            if self.report.voids > self.limits.max_void_lookups {
                return Err(Flow::Abort(Cause::Limit(Limit::VoidLookups)));
            }
        }
        Ok(())
    }

    /// The name that a term is about: that of its `domain-spec`, by default the current domain.
    pub(super) fn target(&mut self, record: &Record, spec: Option<&DomainSpec>) -> Result<Name, NoTarget> {
        let Some(spec) = spec else { return self.domain().cloned().ok_or(NoTarget::NotAName(NameError::Empty)) };
        let pieces = match &spec.target {
            Target::Name(name) => return Ok(name.clone()),
            Target::NotAName(error) => return Err(NoTarget::NotAName(*error)),
            Target::Macros(pieces) => pieces,
        };
        let uses = Uses::of(pieces);
        self.note_uses(uses)?;
        if uses.validated {
            self.find_validated().map_err(NoTarget::Flow)?;
        }
        let values = self.values().ok_or(NoTarget::NotAName(NameError::Empty))?;
        expand_name(record.text().as_bytes(), pieces, &values).map_err(NoTarget::NotAName)
    }

    /// RFC 8616 §4: "If the local-part contains non-ASCII characters, terms that include %{s} or %{l} do not match anything".
    pub(super) fn note_uses(&mut self, uses: Uses) -> Result<(), NoTarget> {
        self.report.depends_on_sender |= uses.sender;
        self.report.depends_on_helo |= uses.helo;
        if uses.local_part && !self.mailbox.local().is_ascii() { Err(NoTarget::LocalPart) } else { Ok(()) }
    }

    pub(super) fn values(&self) -> Option<Values<'_>> {
        let domain = self.domain()?;
        let validated = self.pointers.as_ref().and_then(|pointers| pointers.validated(domain));
        Some(Values { session: &self.session, mailbox: &self.mailbox, domain, validated })
    }

    pub(super) fn domain(&self) -> Option<&Name> {
        self.report.checks.get(self.current).map(|check| &check.domain)
    }

    /// §5.3: "an address lookup is done ... using the type of lookup (A or AAAA) appropriate for the connection type".
    pub(super) fn address_question(&self, name: Name) -> Question {
        Question::new(name, if self.session.client().is_ipv4() { RecordKind::A } else { RecordKind::Aaaa })
    }

    /// Whether one of these addresses covers the client; `None` when the DNS did not answer.
    pub(super) fn covers(&self, answer: &Answer, cidr: DualCidr) -> Option<bool> {
        let client = self.session.client();
        match (answer, client) {
            (Answer::A(addresses), IpAddr::V4(_)) => Some(addresses.iter().any(|&ip| cidr.covers(ip.into(), client))),
            (Answer::Aaaa(addresses), IpAddr::V6(_)) => {
                Some(addresses.iter().any(|&ip| cidr.covers(ip.into(), client)))
            }
            (Answer::NoData | Answer::NxDomain, _) => Some(false),
            _ => None,
        }
    }
}

impl From<NoTarget> for Flow {
    /// S-21, §4.8: what becomes of a name that cannot be asked about is left open there; here the term does not match.
    fn from(none: NoTarget) -> Self {
        match none {
            NoTarget::NotAName(_) | NoTarget::LocalPart => Self::NoMatch,
            NoTarget::Flow(flow) => flow,
        }
    }
}
