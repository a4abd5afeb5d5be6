//! DKIM in the tree: each signature, and why one does not hold.

use std::fmt;

use dkim_core::verify::SignatureReport;
use serde::Serialize;

use crate::verification::Signature;

/// A signature.
#[derive(Debug, Serialize)]
pub(super) struct Signed {
    #[serde(flatten)]
    pub(super) signature: Signature,
    /// The question for its key.
    key: Option<String>,
}

impl Signed {
    pub(super) fn of(report: &SignatureReport) -> Self {
        let name = report.selector.as_ref().zip(report.domain.as_ref());
        Self {
            signature: Signature::of(report),
            key: name.map(|(selector, domain)| dkim_core::verify::key_name(selector, domain)),
        }
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.signature)?;
        if let Some(key) = &self.key {
            writeln!(f, "    key: {key}")?;
        }
        Ok(())
    }
}
