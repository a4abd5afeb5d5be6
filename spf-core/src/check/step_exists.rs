//! `exists` (RFC 7208 §5.7).

use super::machine::{Flow, Machine, Waiting};
use crate::dns::{Answer, Question, RecordKind};
use crate::outcome::Cause;
use crate::record::{DomainSpec, Record};

impl Machine {
    /// §5.7: "The resulting domain name is used for a DNS A RR lookup (even when the connection type is IPv6). If any A record is returned, this
    /// mechanism matches."
    pub(super) fn step_exists(&mut self, record: &Record, domain: &DomainSpec) -> Flow {
        if let Err(limit) = self.count_term() {
            return limit;
        }
        match self.target(record, Some(domain)) {
            Ok(name) => Flow::Ask(Question::new(name, RecordKind::A), Waiting::Existence),
            Err(none) => none.into(),
        }
    }

    pub(super) fn take_existence(&mut self, answer: &Answer) -> Flow {
        if let Err(limit) = self.count_void(answer) {
            return limit;
        }
        match answer {
            Answer::A(addresses) if !addresses.is_empty() => Flow::Match,
            Answer::A(_) | Answer::NoData | Answer::NxDomain => Flow::NoMatch,
            _ => Flow::Abort(Cause::Lookup),
        }
    }
}
