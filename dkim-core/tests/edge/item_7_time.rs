//! Item 7: `t=` and `x=` (D-11; RFC 6376 §3.5, §6.1.1).

use dkim_core::UnixTime;
use dkim_core::verify::{Outcome, PermErrorCause, SignatureReport, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, reports};

const SKEW: u64 = 300;

/// The report about a signature with these tags, now.
fn report(tags: &str) -> SignatureReport {
    let template =
        format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; {tags}; h=from; bh={{bh}}; b={{b}}");
    let signed = Draft { template: &template, names: "from", ..Draft::default() }.sign(MESSAGE);
    reports(&signed, &Zone::usual(), &VerifyPolicy::default(), NOW).remove(0)
}

fn refused(tags: &str, cause: PermErrorCause) {
    assert_eq!(report(tags).outcome, Outcome::PermError(cause), "{tags}");
}

fn passes(tags: &str) {
    assert_eq!(report(tags).outcome, Outcome::Pass, "{tags}");
}

#[test]
fn expiration_at_and_before_the_timestamp() {
    refused(&format!("t={NOW}; x={NOW}"), PermErrorCause::ExpirationOrder);
    refused(&format!("t={NOW}; x={}", NOW - 1), PermErrorCause::ExpirationOrder);
    passes(&format!("t={NOW}; x={}", NOW + 1));
    passes(&format!("x={}", NOW + 1));
}

#[test]
fn expiration_in_the_past_within_and_beyond_the_skew() {
    passes(&format!("x={}", NOW - 1));
    passes(&format!("x={}", NOW - SKEW));
    refused(&format!("x={}", NOW - SKEW - 1), PermErrorCause::Expired);
    refused("x=0", PermErrorCause::Expired);
    refused("t=1; x=2", PermErrorCause::Expired);
}

#[test]
fn timestamp_in_the_future_within_and_beyond_the_skew() {
    passes(&format!("t={NOW}"));
    passes(&format!("t={}", NOW + SKEW));
    refused(&format!("t={}", NOW + SKEW + 1), PermErrorCause::InFuture);
}

#[test]
fn numbers_of_many_digits() {
    // Later than any clock.
    passes("x=9999999999999");
    passes("x=99999999999999999999999999");
    refused("t=1700000000000", PermErrorCause::InFuture);
    refused("t=99999999999999999999999999", PermErrorCause::InFuture);
    // Both beyond 64 bits are the same number, and so not in order.
    refused("t=99999999999999999999999998; x=99999999999999999999999999", PermErrorCause::ExpirationOrder);
}

#[test]
fn leading_zeros_are_digits() {
    let report = report("t=00012");
    assert_eq!((report.outcome, report.timestamp), (Outcome::Pass, Some(UnixTime::from_secs(12))));
    passes("x=0000000001800000000");
}

#[test]
fn what_is_no_number() {
    for value in ["", "-1", "+1", "1.0", "1e9", "0x10", "now", "1 2", "\u{661}"] {
        refused(&format!("t={value}"), PermErrorCause::Timestamp);
        refused(&format!("x={value}"), PermErrorCause::Expiration);
    }
}

#[test]
fn a_refused_time_is_known_before_any_key_is_asked_for() {
    let template = " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=none; x=1; h=from; bh={bh}; b={b}";
    let signed = Draft { template, names: "from", ..Draft::default() }.sign(MESSAGE);
    let report = reports(&signed, &Zone::default(), &VerifyPolicy::default(), NOW).remove(0);
    assert_eq!(report.outcome, Outcome::PermError(PermErrorCause::Expired));
    assert_eq!(report.expiration, Some(UnixTime::from_secs(1)));
}

#[test]
fn the_skew_is_the_policys() {
    let template = format!(
        " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; x={}; h=from; bh={{bh}}; b={{b}}",
        NOW - 1
    );
    let signed = Draft { template: &template, names: "from", ..Draft::default() }.sign(MESSAGE);
    let mut policy = VerifyPolicy::default();
    policy.clock_skew = 0;
    let report = reports(&signed, &Zone::usual(), &policy, NOW).remove(0);
    assert_eq!(report.outcome, Outcome::PermError(PermErrorCause::Expired));
}
