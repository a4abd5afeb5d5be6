//! Every cause of a result, each reached by a check; the table of them in `docs/rfc-notes.md`; and what is written about them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers work on data of these files; what fails there fails the test"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use spf_core::check::{Progress, check_mail_from};
use spf_core::dns::Answer;
use spf_core::identity::{MailFrom, Sender, Session};
use spf_core::limits::Limits;
use spf_core::outcome::{Outcome, SpfResult};
use support::{Zone, a};

const CLIENT: &str = "192.0.2.9";

/// One check for each cause.
fn examples() -> Vec<Outcome<MailFrom>> {
    let of = |record: &str| Zone::txt(&[("example.com", record)]).check(CLIENT);
    let exchanges = (0..11).map(|index| (index, format!("m{index}.example")));
    let session = Session::new(CLIENT.parse().unwrap(), "h.example");
    let Progress::Ask(slow) =
        check_mail_from(&session, &Sender::from_reverse_path(b"joe@example.com"), &Limits::default())
    else {
        panic!("a check without a question")
    };
    let Progress::Done(slow) = slow.answer_at(Answer::NoData, Duration::from_secs(21)) else {
        panic!("a check that goes on")
    };
    vec![
        of("v=spf1 -all"),
        of("v=spf1"),
        Zone::default().mail_from(CLIENT, "h.example", "joe@localhost"),
        Zone::default().mail_from(CLIENT, "h.example", "joe"),
        Zone::default().check(CLIENT),
        of("v=spf10"),
        Zone::new(&[("example.com", Answer::txt(["v=spf1", "v=spf1"]))]).check(CLIENT),
        of("v=spf1 a:192.0.2.1"),
        of("v=spf1 include:none.example"),
        of("v=spf1 include:a..example"),
        of("v=spf1 redirect=none.example"),
        of("v=spf1 redirect=a..example"),
        of("v=spf1 redirect=example.com"),
        of("v=spf1 a:a.example a:b.example a:c.example"),
        Zone::txt(&[("example.com", "v=spf1 mx")]).with("example.com", Answer::mx(exchanges)).check(CLIENT),
        slow,
        Zone::default().with("example.com", Answer::Failed).check(CLIENT),
    ]
}

#[test]
fn the_table_in_the_notes_is_the_code_and_every_cause_is_reached() {
    let notes = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rfc-notes.md")).unwrap();
    let (_, section) = notes.split_once("## SPF outcomes").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ").map(|cell| cell.trim_matches(['`', ' ', '|']));
        Some((cells.next()?, (cells.next()?, cells.next()?)))
    });
    let documented: BTreeMap<&str, (&str, &str)> = rows.collect();
    let outcomes = examples();
    let texts: Vec<String> = outcomes.iter().map(|outcome| outcome.cause.to_string()).collect();
    let mut reached = BTreeMap::new();
    for (outcome, text) in outcomes.iter().zip(&texts) {
        let word = outcome.cause.result().map_or("of the qualifier", SpfResult::as_str);
        // What follows the colon is the reason, which the table leaves open.
        let text = text.split_once(": ").map_or_else(|| text.clone(), |(text, _)| format!("{text}: …"));
        reached.insert(outcome.cause.code(), (word, text));
        assert!(outcome.cause.result().is_none_or(|result| result == outcome.result));
    }
    let reached: BTreeMap<&str, (&str, &str)> =
        reached.iter().map(|(code, (word, text))| (*code, (*word, text.as_str()))).collect();
    assert_eq!(documented, reached);
}

#[test]
fn syntax_errors_name_their_term() {
    let outcome = Zone::txt(&[("example.com", "v=spf1 mx a:192.0.2.1 -all")]).check(CLIENT);
    let expected = "syntax error: address where a name belongs (use ip4: or ip6:) at byte 12, in \"a:192.0.2.1\"";
    assert_eq!(outcome.cause.to_string(), expected);
}

#[test]
fn s18_every_result_has_its_word() {
    for (qualifier, word) in [("+", "pass"), ("-", "fail"), ("~", "softfail"), ("?", "neutral")] {
        let outcome = Zone::txt(&[("example.com", &format!("v=spf1 {qualifier}all"))]).check(CLIENT);
        assert_eq!(outcome.result.to_string(), word);
    }
}

#[test]
fn s19_received_spf_for_each_kind_of_result() {
    let fail = Zone::txt(&[("example.com", "v=spf1 -all")]).mail_from(
        "2001:db8::1",
        "[192.0.2.1]",
        "<\"a\\\"b;c\"@example.com>",
    );
    assert_eq!(
        fail.received_spf("mx.example.net"),
        " fail (mx.example.net: 2001:db8::1 may not send for example.com)\r\n\
         \treceiver=mx.example.net; identity=mailfrom;\r\n\
         \tenvelope-from=\"a\\\"b;c@example.com\"; client-ip=\"2001:db8::1\";\r\n\
         \thelo=\"[192.0.2.1]\"; mechanism=-all"
    );
    let neutral = Zone::txt(&[("h.example", "v=spf1")]).helo(CLIENT, "h.example");
    assert_eq!(
        neutral.received_spf("mx.example.net"),
        " neutral (mx.example.net: h.example says nothing about 192.0.2.9)\r\n\
         \treceiver=mx.example.net; identity=helo; client-ip=192.0.2.9; helo=h.example;\r\n\
         \tmechanism=default"
    );
    let error = Zone::txt(&[("example.com", "v=spf1 moo")]).check(CLIENT);
    assert!(
        error
            .received_spf("mx.example.net")
            .ends_with("problem=\"syntax error: unknown mechanism at byte 7, in \\\"moo\\\"\"")
    );
    let none = Zone::default().mail_from(CLIENT, "h\r\nX-Evil: yes\r\n(", "<>");
    let field = none.received_spf("mx).example\"");
    assert!(field.starts_with(" none (mx?.example?: no domain to check for 192.0.2.9)\r\n"), "{field}");
    assert!(field.contains("helo=\"h??X-Evil: yes??(\""), "{field}");
    assert!(field.contains("receiver=\"mx).example\\\"\""), "{field}");
}

#[test]
fn s19_long_values_are_cut_and_lines_are_folded() {
    let outcome =
        Zone::default().mail_from(CLIENT, &"h".repeat(5_000), &format!("<{}@example.com>", "l".repeat(5_000)));
    let field = outcome.received_spf("mx.example.net");
    assert!(field.len() < 1_000 && field.split("\r\n").all(|line| line.len() < 300), "{field}");
    assert!(field.split("\r\n").skip(1).all(|line| line.starts_with('\t')));
}

#[test]
fn causes_of_included_records_say_where() {
    let zone = Zone::txt(&[("example.com", "v=spf1 a include:i.example -all"), ("i.example", "v=spf1 moo")])
        .with("example.com", a(&["192.0.2.1"]));
    let outcome = zone.check(CLIENT);
    assert_eq!((outcome.cause.code(), outcome.term()), ("syntax", Some("include:i.example")));
    assert_eq!(outcome.checks.len(), 2);
}

#[test]
fn s17_an_explanation_that_nobody_shows_is_not_asked_for() {
    let zone = Zone::txt(&[("example.com", "v=spf1 -all exp=e.example"), ("e.example", "No.")]);
    let session = Session::new(CLIENT.parse().unwrap(), "mail.example.com");
    let sender = Sender::from_reverse_path(b"<joe@example.com>");
    for (explanation, questions, text) in [(true, 2, Some("No.")), (false, 1, None)] {
        let mut limits = Limits::default();
        limits.explanation = explanation;
        let outcome = check_mail_from(&session, &sender, &limits).run(|question| zone.answer(question));
        assert_eq!((outcome.result, outcome.questions.len()), (SpfResult::Fail, questions));
        assert_eq!(outcome.explanation.as_ref().map(|explanation| &*explanation.text), text);
    }
}

#[test]
fn s11_a_check_says_when_only_its_explanation_is_missing() {
    let session = Session::new(CLIENT.parse().unwrap(), "mail.example.com");
    let sender = Sender::from_reverse_path(b"<joe@example.com>");
    let Progress::Ask(first) = check_mail_from(&session, &sender, &Limits::default()) else { panic!("no question") };
    assert!(!first.is_decided());
    assert_eq!(first.clone().expire().result, SpfResult::TempError);
    let Progress::Ask(second) = first.answer(Answer::txt(["v=spf1 -all exp=e.example"])) else { panic!("no question") };
    assert!(second.is_decided());
    let outcome = second.expire();
    assert_eq!((outcome.result, outcome.term(), &outcome.explanation), (SpfResult::Fail, Some("-all"), &None));
}
