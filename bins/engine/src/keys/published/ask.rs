//! Asking the DNS about a key, for [`compare`].

use super::{KeyReport, OwnKey, compare};
use crate::dns::{Detail, Resolver};

/// Asks the DNS for the record of `own` and compares.
///
/// *Inputs*: `others` are further keys of ours, to tell a mix-up; `own` may be among them. *DNS questions asked*: one; when there is nothing under
/// the name and it is no alias, at most six more, for names under which a slip puts the record. *Limits*: each takes `dns.timeout` at most.
pub async fn check(resolver: &Resolver, own: &OwnKey, others: &[OwnKey]) -> KeyReport {
    let found = resolver.inspect(&own.record.name).await;
    let mut elsewhere = Vec::new();
    if found.aliases.is_empty() && matches!(found.answer, Detail::NxDomain | Detail::NoData) {
        for name in own.other_names() {
            let inspection = resolver.inspect(&name).await;
            elsewhere.push((name, inspection));
        }
    }
    compare(own, others, &found, &elsewhere)
}
