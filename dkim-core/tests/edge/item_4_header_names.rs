//! Item 4: the list of `h=` (D-9, D-19, D-20; RFC 6376 §3.5, §5.4).

use dkim_core::canon::Canon;
use dkim_core::verify::{FailCause, Outcome, PermErrorCause};

use crate::support::{Draft, MESSAGE, above, altered, below, outcome, usual_reports};

const BROKEN: Outcome = Outcome::Fail(FailCause::Signature);

fn with_names<'a>(template: &'a str, names: &'a str) -> Draft<'a> {
    Draft { template, names, ..Draft::default() }
}

#[test]
fn the_same_name_three_times_with_two_fields() {
    let draft = with_names(
        " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from:x-a:x-a:x-a; bh={bh}; b={b}",
        "from:x-a:x-a:x-a",
    );
    let signed = draft.sign(&above("X-A: 1\r\nX-A: 2\r\n", MESSAGE));
    assert_eq!(outcome(&signed), Outcome::Pass);
    // The third name stands for a field that is not there; adding one breaks the signature, wherever it is.
    assert_eq!(outcome(&above("X-A: 3\r\n", &signed)), BROKEN);
    assert_eq!(outcome(&below("X-A: 3\r\n", &signed)), BROKEN);
    // Order counts, from the bottom up.
    let swapped = altered(&signed, "X-A: 1\r\nX-A: 2\r\n", "X-A: 2\r\nX-A: 1\r\n");
    assert_eq!(outcome(&swapped), BROKEN);
}

#[test]
fn as_many_names_as_fields_leave_room_above() {
    let draft = with_names(
        " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from:x-a:x-a; bh={bh}; b={b}",
        "from:x-a:x-a",
    );
    let signed = draft.sign(&above("X-A: 1\r\nX-A: 2\r\n", MESSAGE));
    assert_eq!(outcome(&above("X-A: 3\r\n", &signed)), Outcome::Pass);
    assert_eq!(outcome(&below("X-A: 3\r\n", &signed)), BROKEN);
}

#[test]
fn a_name_without_a_field_is_the_null_string() {
    let draft = with_names(
        " v=1; a=ed25519-sha256; c=simple/simple; d=example.com; s=sel; h=x-none:from:x-none; bh={bh}; b={b}",
        "from",
    );
    let draft = Draft { canon: (Canon::Simple, Canon::Simple), ..draft };
    let signed = draft.sign(MESSAGE);
    assert_eq!(outcome(&signed), Outcome::Pass);
    assert_eq!(outcome(&above("X-None:\r\n", &signed)), BROKEN);
}

#[test]
fn names_in_upper_case_match() {
    for (canon, word) in [(Canon::Relaxed, "relaxed"), (Canon::Simple, "simple")] {
        let template = format!(
            " v=1; a=ed25519-sha256; c={word}/{word}; d=example.com; s=sel; h=FROM:SubJect:tO; bh={{bh}}; b={{b}}"
        );
        let draft = Draft { template: &template, names: "from:subject:to", canon: (canon, canon), ..Draft::default() };
        let signed = draft.sign(MESSAGE);
        assert_eq!(outcome(&signed), Outcome::Pass);
        // Only relaxed lets the message change the case of a name.
        let expected = if canon == Canon::Relaxed { Outcome::Pass } else { BROKEN };
        assert_eq!(outcome(&altered(&signed, "\r\nTo: mary", "\r\nTO: mary")), expected);
    }
}

#[test]
fn blanks_and_folds_around_the_colons() {
    let draft = with_names(
        " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel;\r\n\th=\r\n\t from :\tto\r\n\t:\r\n subject\t; bh={bh}; b={b}",
        "from:to:subject",
    );
    let signed = draft.sign(MESSAGE);
    assert_eq!(outcome(&signed), Outcome::Pass);
    let names = usual_reports(&signed)[0].header_names.clone().unwrap();
    assert!(names.iter().eq([&b"from"[..], b"to", b"subject"]));
    assert_eq!(outcome(&altered(&signed, "Is dinner", "Is lunch")), BROKEN);
}

#[test]
fn lists_that_are_no_lists() {
    for (names, cause) in [
        ("", PermErrorCause::HeaderNames),
        (" ", PermErrorCause::HeaderNames),
        ("from:", PermErrorCause::HeaderNames),
        (":from", PermErrorCause::HeaderNames),
        ("from::to", PermErrorCause::HeaderNames),
        ("from:to subject", PermErrorCause::HeaderNames),
        ("from:t\u{f6}", PermErrorCause::HeaderNames),
        ("to:subject", PermErrorCause::FromNotSigned),
        ("x-from:from-x", PermErrorCause::FromNotSigned),
    ] {
        let template =
            format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h={names}; bh={{bh}}; b={{b}}");
        let signed = Draft { template: &template, names, ..Draft::default() }.sign(MESSAGE);
        assert_eq!(outcome(&signed), Outcome::PermError(cause), "h={names}");
    }
}

#[test]
fn h_missing_is_a_missing_tag() {
    let template = " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; bh={bh}; b={b}";
    let signed = with_names(template, "from").sign(MESSAGE);
    assert_eq!(outcome(&signed), Outcome::PermError(PermErrorCause::MissingTag));
}

#[test]
fn another_signature_can_be_covered() {
    let first = Draft::default().sign(MESSAGE);
    let template =
        " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from:dkim-signature; bh={bh}; b={b}";
    let second = with_names(template, "from:dkim-signature").sign(&first);
    let outcomes = |message: &[u8]| usual_reports(message).iter().map(|report| report.outcome).collect::<Vec<_>>();
    assert_eq!(outcomes(&second), [Outcome::Pass, Outcome::Pass]);
    let changed = altered(&second, "h=from:to:subject; bh", "h=from:to:subject;  bh");
    // Relaxed lets blanks run together.
    assert_eq!(outcomes(&changed), [Outcome::Pass, Outcome::Pass]);
    let changed = altered(&second, "h=from:to:subject; bh", "h=from:to:subject; y=; bh");
    assert_eq!(outcomes(&changed), [BROKEN, BROKEN]);
    // The covered field must be there.
    let removed = second[..second.len() - first.len()].to_vec();
    assert_eq!(outcomes(&[removed, MESSAGE.to_vec()].concat()), [BROKEN]);
}

#[test]
fn a_signature_that_lists_its_own_name_does_not_mean_itself() {
    // §3.5: "The field MUST NOT include the DKIM-Signature header field that is being created or verified".
    let template = " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from:DKIM-Signature:DKIM-Signature; bh={bh}; b={b}";
    let signed = with_names(template, "from").sign(MESSAGE);
    assert_eq!(outcome(&signed), Outcome::Pass);
    // A signature added later, above or below, was forbidden with that.
    let other = "DKIM-Signature: v=1\r\n";
    assert_eq!(usual_reports(&above(other, &signed))[1].outcome, BROKEN);
    assert_eq!(usual_reports(&below(other, &signed))[0].outcome, BROKEN);
}

#[test]
fn fields_that_are_not_listed_may_change() {
    let signed = Draft::default().sign(MESSAGE);
    assert_eq!(outcome(&altered(&signed, "<1@example.com>", "<2@example.com>")), Outcome::Pass);
    assert_eq!(outcome(&above("Received: from a by b\r\n", &signed)), Outcome::Pass);
}

#[test]
fn s2_9_a_field_name_with_a_blank_before_its_colon_is_that_field() {
    let message = altered(MESSAGE, "Subject: Is", "Subject : Is");
    let signed = Draft::default().sign(&message);
    assert_eq!(outcome(&signed), Outcome::Pass);
    assert_eq!(outcome(&altered(&signed, "Subject : Is", "Subject: Is")), Outcome::Pass);
    assert_eq!(outcome(&altered(&signed, "Subject : Is", "Subject : As")), BROKEN);
}
