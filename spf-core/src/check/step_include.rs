//! `include` (RFC 7208 §5.2).
//!
//! The included record is evaluated for the same client and sender with its own domain. What its result means is decided where evaluations end
//! (`machine.rs`): `pass` matches; `fail`, `softfail` and `neutral` do not; `temperror` and `permerror` end the whole check, and so does the lack
//! of a record.

use super::machine::{Flow, Machine};
use super::terms::NoTarget;
use crate::name::NameError;
use crate::outcome::{Cause, Entered, Place};
use crate::record::{DomainSpec, Record};

impl Machine {
    pub(super) fn step_include(&mut self, record: &Record, domain: &DomainSpec) -> Flow {
        if let Err(limit) = self.count_term() {
            return limit;
        }
        match self.target(record, Some(domain)) {
            Ok(name) if name.is_multi_label() => {
                let term = self.report.checks.get(self.current).map_or(0, |check| check.reached);
                Flow::Enter(Entered::Include(Place { check: self.current, term }), name)
            }
            // §4.3 makes `none` of a domain that is malformed or has one label, and §5.2 makes `permerror` of that.
            Ok(_) => Flow::Abort(Cause::IncludeTarget(NameError::SingleLabel)),
            Err(NoTarget::NotAName(error)) => Flow::Abort(Cause::IncludeTarget(error)),
            Err(other) => other.into(),
        }
    }
}
