//! Verifies a delivered message with the library alone: no daemon, no socket, keys straight from the zone.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};

use crate::site::dns::Txt;

/// The result word of each signature of a message, from the top.
pub(crate) fn verify(message: &[u8], zone: &[Txt]) -> Vec<&'static str> {
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let mut verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    let questions: Vec<_> = verification.key_queries().map(|query| (query.id, query.name())).collect();
    for (id, name) in questions {
        let records: Vec<Vec<u8>> =
            zone.iter().filter(|(owner, _)| *owner == name).map(|(_, text)| text.clone().into_bytes()).collect();
        let answer = if records.is_empty() { TxtAnswer::NxDomain } else { TxtAnswer::Records(records) };
        verification.provide_key(id, KeyAnswer::parse(&answer, Backend::default()));
    }
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    verification.finish(&hasher.finish()).iter().map(|report| report.outcome.result()).collect()
}
