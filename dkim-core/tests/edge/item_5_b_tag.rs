//! Item 5: where `b=` may stand, and what is not `b=` (D-14, D-19; RFC 6376 §3.5, §3.7).

use dkim_core::canon::Canon;
use dkim_core::verify::{FailCause, Outcome, PermErrorCause};

use crate::support::{Draft, MESSAGE, altered, outcome};

/// Signs with each header canonicalization and hands both messages to the test.
fn both(template: &str, spell: fn(&str) -> String, check: impl Fn(Canon, &[u8])) {
    for canon in [Canon::Simple, Canon::Relaxed] {
        let template = template.replace("{c}", canon.as_str());
        let draft = Draft { template: &template, names: "from", canon: (canon, Canon::Relaxed), spell };
        check(canon, &draft.sign(MESSAGE));
    }
}

fn passes(template: &str, spell: fn(&str) -> String) {
    both(template, spell, |canon, signed| assert_eq!(outcome(signed), Outcome::Pass, "{canon} {template}"));
}

#[test]
fn in_the_middle_first_and_last() {
    passes(" v=1; a=ed25519-sha256; b={b}; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}", str::to_owned);
    passes(" b={b}; v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh};", str::to_owned);
    passes(" v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}", str::to_owned);
    passes(" v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b};", str::to_owned);
    passes(
        " v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}; \r\n\t",
        str::to_owned,
    );
}

#[test]
fn with_folds_and_blanks_inside() {
    fn fold(text: &str) -> String {
        text.as_bytes().chunks(7).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\r\n\t ")
    }
    fn surround(text: &str) -> String {
        format!(" \r\n\t{text}\t\r\n  ")
    }
    for spell in [fold, surround] {
        passes(" v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}; t=1", spell);
        passes(" v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}", spell);
    }
}

#[test]
fn white_space_of_b_may_change_even_under_simple() {
    let template = " v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}; t=1";
    both(
        template,
        |text| format!("\r\n\t{text}"),
        |canon, signed| {
            let refolded = altered(signed, " b=\r\n\t", " b= \r\n    ");
            assert_eq!(outcome(&refolded), Outcome::Pass, "{canon}");
            // Behind the semicolon it is no longer b=.
            let elsewhere = altered(signed, "; t=1", ";  t=1");
            let expected = if canon == Canon::Relaxed { Outcome::Pass } else { Outcome::Fail(FailCause::Signature) };
            assert_eq!(outcome(&elsewhere), expected, "{canon}");
        },
    );
}

#[test]
fn tags_whose_names_end_in_b_stay() {
    let template =
        " v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; xb=QUJD; h=from; bh={bh}; b={b}; bb=QUJD";
    passes(template, str::to_owned);
    both(template, str::to_owned, |canon, signed| {
        for (from, to) in [("xb=QUJD", "xb=QUJE"), ("xb=QUJD", "xb="), ("bb=QUJD", "bb=QUJE"), ("bb=QUJD", "bb=")] {
            assert_eq!(outcome(&altered(signed, from, to)), Outcome::Fail(FailCause::Signature), "{canon} {to}");
        }
    });
}

#[test]
fn a_value_that_holds_the_text_of_b_stays() {
    let template = " v=1; x=1800000000; z=Subject:b=QUJD|To:a; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}";
    passes(template, str::to_owned);
    both(template, str::to_owned, |canon, signed| {
        let emptied = altered(signed, "Subject:b=QUJD|", "Subject:b=|");
        assert_eq!(outcome(&emptied), Outcome::Fail(FailCause::Signature), "{canon}");
    });
}

#[test]
fn blanks_around_the_name_and_the_equals_sign() {
    passes(
        " v = 1 ; a\t=\r\n ed25519-sha256; c = {c}/relaxed; d=example.com; s=sel; h=from; bh = {bh} ; b\t={b}",
        |text| format!("\r\n\t{text} "),
    );
}

#[test]
fn d20_unknown_tags_are_covered() {
    let template =
        " v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; unknown=this text; h=from; bh={bh}; b={b}";
    passes(template, str::to_owned);
    both(template, str::to_owned, |canon, signed| {
        let changed = altered(signed, "unknown=this text", "unknown=that text");
        assert_eq!(outcome(&changed), Outcome::Fail(FailCause::Signature), "{canon}");
    });
}

#[test]
fn d14_b_that_is_no_base64() {
    fn empty(_: &str) -> String {
        String::new()
    }
    fn blanks(_: &str) -> String {
        " \r\n\t ".to_owned()
    }
    fn unpadded(text: &str) -> String {
        text.trim_end_matches('=').to_owned()
    }
    fn url_safe(_: &str) -> String {
        "-_".repeat(44)
    }
    fn cut(text: &str) -> String {
        text[..text.len() - 1].to_owned()
    }
    let template = " v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}";
    for spell in [empty, blanks, unpadded, url_safe, cut] {
        both(template, spell, |canon, signed| {
            assert_eq!(outcome(signed), Outcome::PermError(PermErrorCause::SignatureData), "{canon}");
        });
    }
}

#[test]
fn b_of_another_length_does_not_verify() {
    fn doubled(text: &str) -> String {
        text.repeat(2).replace("==", "")
    }
    fn short(_: &str) -> String {
        "QUJD".to_owned()
    }
    let template = " v=1; a=ed25519-sha256; c={c}/relaxed; d=example.com; s=sel; h=from; bh={bh}; b={b}";
    for spell in [doubled, short] {
        both(template, spell, |canon, signed| {
            assert!(
                matches!(
                    outcome(signed),
                    Outcome::Fail(FailCause::Signature) | Outcome::PermError(PermErrorCause::SignatureData)
                ),
                "{canon}"
            );
        });
    }
}
