//! `a` (RFC 7208 §5.3).

use super::machine::{Flow, Machine, Waiting};
use crate::dns::Answer;
use crate::outcome::Cause;
use crate::record::{DomainSpec, DualCidr, Record};

impl Machine {
    /// §5.3: "An address lookup is done on the <target-name> ... The <ip> is compared to the returned address(es). If any address matches, the
    /// mechanism matches."
    pub(super) fn step_a(&mut self, record: &Record, domain: Option<&DomainSpec>, cidr: DualCidr) -> Flow {
        if let Err(limit) = self.count_term() {
            return limit;
        }
        match self.target(record, domain) {
            Ok(name) => Flow::Ask(self.address_question(name), Waiting::Addresses(cidr)),
            Err(none) => none.into(),
        }
    }

    pub(super) fn take_addresses(&mut self, answer: &Answer, cidr: DualCidr) -> Flow {
        if let Err(limit) = self.count_void(answer) {
            return limit;
        }
        match self.covers(answer, cidr) {
            Some(true) => Flow::Match,
            Some(false) => Flow::NoMatch,
            // §5: "If the server returns an error (RCODE other than 0 or 3) or the query times out, the mechanism stops and the topmost check_host()
            // returns "temperror"."
            None => Flow::Abort(Cause::Lookup),
        }
    }
}
