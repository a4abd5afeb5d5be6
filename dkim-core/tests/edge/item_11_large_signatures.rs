//! Item 11: signature fields of extreme size (D-15): within the limits they verify, beyond them they are `policy`. How memory and
//! work grow with them is in the tests of `memory`.

use dkim_core::canon::Canon;
use dkim_core::verify::{Outcome, PermErrorCause, PolicyCause, VerifyPolicy};

use crate::support::{Draft, MESSAGE, NOW, Zone, outcome, reports};

fn with_tag(tag: &str) -> Vec<u8> {
    let template =
        format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; {tag}; h=from; bh={{bh}}; b={{b}}");
    Draft { template: &template, names: "from", ..Draft::default() }.sign(MESSAGE)
}

#[test]
fn a_field_of_100_kib_is_beyond_the_limit() {
    assert_eq!(outcome(&with_tag(&format!("n={}", "x".repeat(100 * 1024)))), Outcome::Policy(PolicyCause::TooLong));
    assert_eq!(outcome(&with_tag(&format!("n={}", "x".repeat(60 * 1024)))), Outcome::Pass);
}

#[test]
fn a_field_of_100_kib_verifies_where_the_policy_allows_it() {
    let mut policy = VerifyPolicy::default();
    policy.max_signature_bytes = 1 << 20;
    let message = with_tag(&format!("n={}", "x ".repeat(50 * 1024)));
    assert_eq!(reports(&message, &Zone::usual(), &policy, NOW)[0].outcome, Outcome::Pass);
}

#[test]
fn ten_thousand_tags() {
    let tags = |count: usize| (0..count).map(|number| format!("n{number}=x")).collect::<Vec<_>>().join("; ");
    // Behind the limit nothing is parsed, whatever stands there.
    assert_eq!(outcome(&with_tag(&tags(4000))), Outcome::Policy(PolicyCause::TooManyTags));
    let mut policy = VerifyPolicy::default();
    policy.max_tags = 20_000;
    policy.max_signature_bytes = 1 << 20;
    let verdict = |message: &[u8]| reports(message, &Zone::usual(), &policy, NOW)[0].outcome;
    assert_eq!(verdict(&with_tag(&tags(10_000))), Outcome::Pass);
    // The one that comes twice is found among ten thousand.
    assert_eq!(verdict(&with_tag(&format!("{}; n0=x", tags(10_000)))), Outcome::PermError(PermErrorCause::Syntax));
    assert_eq!(outcome(&with_tag(&tags(20_000))), Outcome::Policy(PolicyCause::TooLong));
}

#[test]
fn deep_folding() {
    let folds = "\r\n ".repeat(15_000);
    for canon in [Canon::Relaxed, Canon::Simple] {
        let template = format!(
            " v=1; a=ed25519-sha256; c={canon}/relaxed; d=example.com; s=sel; h={folds}from{folds}; bh={{bh}}; b={{b}}"
        );
        let draft = Draft { template: &template, names: "from", canon: (canon, Canon::Relaxed), ..Draft::default() };
        let mut policy = VerifyPolicy::default();
        policy.max_signature_bytes = 1 << 20;
        assert_eq!(reports(&draft.sign(MESSAGE), &Zone::usual(), &policy, NOW)[0].outcome, Outcome::Pass, "{canon}");
    }
}

#[test]
fn b_folded_after_every_character() {
    fn spell(text: &str) -> String {
        text.chars().map(|character| format!("{character}\r\n\t")).collect()
    }
    let draft = Draft { spell, ..Draft::default() };
    assert_eq!(outcome(&draft.sign(MESSAGE)), Outcome::Pass);
}

#[test]
fn names_in_h_up_to_the_limit() {
    let list = |count: usize| vec!["from"; count].join(":");
    for (count, expected) in [(256, Outcome::Pass), (257, Outcome::Policy(PolicyCause::TooManyHeaderNames))] {
        let names = list(count);
        let template =
            format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h={names}; bh={{bh}}; b={{b}}");
        let signed = Draft { template: &template, names: &names, ..Draft::default() }.sign(MESSAGE);
        assert_eq!(outcome(&signed), expected, "{count} names");
    }
}

#[test]
fn as_many_names_as_fields_are_one_walk() {
    // 10,000 fields of one name, 10,000 names of it: a search from the bottom for each would be 50 million steps a signature.
    let fields = (0..10_000).map(|number| format!("X-A: {number}\r\n")).collect::<String>();
    let names = format!("from:{}", vec!["x-a"; 10_000].join(":"));
    let template =
        format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h={names}; bh={{bh}}; b={{b}}");
    let message = [fields.as_bytes(), MESSAGE].concat();
    let signed = Draft { template: &template, names: &names, ..Draft::default() }.sign(&message);
    let mut policy = VerifyPolicy::default();
    policy.max_header_names = 20_000;
    policy.max_signature_bytes = 1 << 20;
    assert_eq!(reports(&signed, &Zone::usual(), &policy, NOW)[0].outcome, Outcome::Pass);
}
