//! Item 10: many signatures (D-27; RFC 6376 §4.2, §6.1).

use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{Outcome, PolicyCause, Verification, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, outcome, reports, usual_reports};

const OVER: Outcome = Outcome::Policy(PolicyCause::TooManySignatures);

/// The message with this many good signatures. Each is told apart by a tag of its own.
fn signed_times(count: usize) -> Vec<u8> {
    let fields = (0..count).map(|number| {
        let template = format!(
            " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; n={number}; h=from; bh={{bh}}; b={{b}}"
        );
        let signed = Draft { template: &template, names: "from", ..Draft::default() }.sign(MESSAGE);
        signed[..signed.len() - MESSAGE.len()].to_vec()
    });
    fields.chain([MESSAGE.to_vec()]).collect::<Vec<_>>().concat()
}

#[test]
fn the_eleventh_is_not_looked_at() {
    let reports = usual_reports(&signed_times(11));
    let outcomes: Vec<Outcome> = reports.iter().map(|report| report.outcome).collect();
    assert_eq!(outcomes[..10], [Outcome::Pass; 10]);
    assert_eq!(outcomes[10..], [OVER]);
    assert!(reports[10].domain.is_none() && reports[10].b_start.is_empty());
}

#[test]
fn reports_come_in_the_order_of_the_message() {
    let message = signed_times(12);
    let first = usual_reports(&message);
    assert!(first.iter().enumerate().all(|(at, report)| report.index == at && report.field == at));
    assert_eq!(usual_reports(&message), first);
}

#[test]
fn duplicates_are_verified_each_and_have_the_same_name() {
    let signed = Draft::default().sign(MESSAGE);
    let field = &signed[..signed.len() - MESSAGE.len()];
    let reports = usual_reports(&[field, field, &signed].concat());
    assert_eq!(reports.iter().map(|report| report.outcome).collect::<Vec<_>>(), [Outcome::Pass; 3]);
    assert!(reports.iter().all(|report| report.b_start == reports[0].b_start && report.b_start.len() >= 8));
}

#[test]
fn a_broken_one_does_not_touch_the_others() {
    let good = Draft::default().sign(MESSAGE);
    let message = [b"DKIM-Signature: v=1; garbage\r\nDKIM-Signature:\r\n", &good[..]].concat();
    let reports = usual_reports(&message);
    assert_eq!(
        reports.iter().map(|report| report.outcome.result()).collect::<Vec<_>>(),
        ["permerror", "permerror", "pass"]
    );
    assert_eq!(outcome(&good), Outcome::Pass);
}

#[test]
fn a_thousand_signatures_cost_ten() {
    // All different in key and limit, so that nothing can be shared.
    let fields = (0..1000).map(|number| {
        format!(
            "DKIM-Signature: v=1; a=ed25519-sha256; d=d{number}.example; s=s{number}; l={number}; h=from;\r\n\t\
             bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=QUJD\r\n"
        )
    });
    let message = [fields.collect::<String>().as_bytes(), MESSAGE].concat();
    let (headers, _) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let verification =
        Verification::start(Arc::new(headers), UnixTime::from_secs(NOW), &VerifyPolicy::default(), &mut plan);
    assert_eq!(plan.len(), 10, "body hashes");
    assert_eq!(verification.key_queries().count(), 10, "questions");

    let reports = usual_reports(&message);
    assert_eq!(reports.len(), 1000);
    assert_eq!(reports.iter().filter(|report| report.outcome == OVER).count(), 990);
}

#[test]
fn signatures_with_one_key_and_one_body_form_share_both() {
    let message = signed_times(10);
    let (headers, _) = HeaderBlock::parse(&message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let verification =
        Verification::start(Arc::new(headers), UnixTime::from_secs(NOW), &VerifyPolicy::default(), &mut plan);
    assert_eq!(plan.len(), 1, "body hashes");
    assert_eq!(verification.key_queries().count(), 1, "questions");
}

#[test]
fn the_limit_is_the_policys() {
    let message = signed_times(12);
    for limit in [0, 1, 12] {
        let mut policy = VerifyPolicy::default();
        policy.max_signatures = limit;
        let reports = reports(&message, &Zone::usual(), &policy, NOW);
        assert_eq!(reports.iter().filter(|report| report.outcome == Outcome::Pass).count(), limit);
    }
}
