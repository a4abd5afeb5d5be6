//! `mx` (RFC 7208 §5.4).

use super::machine::{Flow, Machine, Waiting};
use crate::dns::{Answer, Exchange, Question, RecordKind};
use crate::limits::Limit;
use crate::name::Name;
use crate::outcome::Cause;
use crate::record::{DomainSpec, DualCidr, Record};

/// The names of an `mx` term that are still to be asked for, the next one last.
#[derive(Debug, Clone)]
pub(super) struct MxNames {
    pub(super) left: Vec<Name>,
    cidr: DualCidr,
}

impl Machine {
    /// §5.4: "check_host() first performs an MX lookup on the <target-name>. Then it performs an address lookup on each MX name returned."
    pub(super) fn step_mx(&mut self, record: &Record, domain: Option<&DomainSpec>, cidr: DualCidr) -> Flow {
        if let Err(limit) = self.count_term() {
            return limit;
        }
        match self.target(record, domain) {
            Ok(name) => Flow::Ask(Question::new(name, RecordKind::Mx), Waiting::Exchanges(cidr)),
            Err(none) => none.into(),
        }
    }

    pub(super) fn take_exchanges(&mut self, answer: &Answer, cidr: DualCidr) -> Flow {
        if let Err(limit) = self.count_void(answer) {
            return limit;
        }
        let exchanges = match answer {
            Answer::Mx(exchanges) => exchanges,
            // §5.4: "if the target-name has no MX records, check_host() MUST NOT apply the implicit MX rules".
            Answer::NoData | Answer::NxDomain => return Flow::NoMatch,
            _ => return Flow::Abort(Cause::Lookup),
        };
        // §4.6.4: "the evaluation of each "MX" record MUST NOT result in querying more than 10 address records ... If this limit is exceeded, the
        // "mx" mechanism MUST produce a "permerror" result." Decided by the number of names, so that the order of records decides nothing.
        if exchanges.len() > self.limits.max_mx_names {
            return Flow::Abort(Cause::Limit(Limit::MxNames));
        }
        let mut ordered: Vec<&Exchange> = exchanges.iter().collect();
        ordered.sort_by_key(|exchange| std::cmp::Reverse(exchange.preference));
        // A null MX has no name that could be asked about.
        let left = ordered.into_iter().filter_map(|exchange| exchange.name.clone()).collect();
        self.next_exchange(MxNames { left, cidr })
    }

    pub(super) fn take_exchange_addresses(&mut self, answer: &Answer, names: MxNames) -> Flow {
        match self.covers(answer, names.cidr) {
            Some(true) => Flow::Match,
            // Not counted as void: §4.6.4 counts terms, and a host without IPv6 address is no mistake of the term.
            Some(false) => self.next_exchange(names),
            None => Flow::Abort(Cause::Lookup),
        }
    }

    fn next_exchange(&self, mut names: MxNames) -> Flow {
        match names.left.pop() {
            Some(name) => Flow::Ask(self.address_question(name), Waiting::ExchangeAddresses(names)),
            None => Flow::NoMatch,
        }
    }
}
