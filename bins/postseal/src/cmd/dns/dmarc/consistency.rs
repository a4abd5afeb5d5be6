//! The policy beside what keys and SPF can do for the domain's own mail.

use engine::keys::published::Severity;

use super::Examined;
use super::row::Row;

/// Whether receivers can verify with a key of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Published,
    /// With none of them.
    Missing,
    Unknown,
}

impl Examined {
    /// Tells of a policy that turns against the domain's own mail. `spf` is whether SPF lets anybody pass, where that is known.
    pub(crate) fn compare(&mut self, keys: Keys, spf: Option<bool>) {
        let Some(policy) = self.policies.domain.as_ref().filter(|policy| policy.is_enforced()) else { return };
        let row = match (keys, spf) {
            (Keys::Missing, Some(false)) => Row::new(
                "dmarc-all-mail-fails",
                Severity::Failure,
                &self.domain,
                format!(
                    "the policy asks to {} mail that fails, and nothing of the domain can pass: no key of ours is published, and SPF lets nobody pass",
                    policy.requested
                ),
                "publish the keys first, and `p=none` until the reports show that mail passes",
            ),
            (Keys::Missing, Some(true)) => Row::new(
                "dmarc-spf-only",
                Severity::Warning,
                &self.domain,
                format!(
                    "the policy asks to {} mail that fails, and no key of ours is published: mail passes by SPF alone, which forwarding breaks",
                    policy.requested
                ),
                "publish the keys",
            ),
            _ => return,
        };
        self.findings.push(row);
        self.findings.sort_by_key(|row| row.severity);
    }
}
