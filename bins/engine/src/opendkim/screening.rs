//! `TrustSignaturesFrom`: which signatures are looked at.
//!
//! With it, a signature of another domain than the author's counts only if the list has that domain. Signatures of its domains are always verified and do not count
//! towards `MaximumSignaturesToVerify`. Debian's OpenDKIM says in its log that it ignores the others, and lets them pass all the same.

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;
use dkim_core::signature::FIELD_NAME;
use dkim_core::verify::{Screening, key_query_of};

use super::rules::Ways;
use crate::dataset::LookupError;
use crate::logging::OLD_LINE;

/// Signatures of one message that are looked up; further ones of third parties are not trusted.
pub const MAX_SCREENED: usize = 20;

impl Ways {
    /// What is done with each signature of a message, from the top; nothing is said without the list. Without an author all are those of third parties.
    pub(super) async fn screen(
        &self,
        headers: &HeaderBlock,
        author: Option<&DomainName>,
        job: &str,
    ) -> Result<Vec<Screening>, LookupError> {
        let Some(trusted) = &self.trusted else { return Ok(Vec::new()) };
        let mut screened = Vec::new();
        for field in headers.iter().filter(|field| field.is_named(FIELD_NAME)) {
            let domain = key_query_of(field.value).map(|(_, domain)| domain);
            let is_looked_up = screened.len() < MAX_SCREENED;
            screened.push(match domain {
                // It has no key, so it cannot pass, and its result says why.
                None => Screening::Counted,
                Some(domain) if is_looked_up && trusted.contains(domain.as_str()).await? => Screening::Always,
                Some(domain) if Some(&domain) == author => Screening::Counted,
                Some(_) if !is_looked_up => Screening::Never,
                Some(domain) => {
                    tracing::info!(target: OLD_LINE, "{job}: ignoring signature from {domain}");
                    Screening::Never
                }
            });
        }
        Ok(screened)
    }
}
