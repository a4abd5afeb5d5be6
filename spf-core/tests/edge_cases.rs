//! Edges of RFC 7208 that the openspf suite leaves out: identities, places where limits are hit, what is asked and in which order.

#![expect(clippy::unwrap_used, reason = "the helpers work on data of these files; what fails there fails the test")]

mod support;

use std::time::Duration;

use spf_core::check::{Progress, check_helo, check_mail_from};
use spf_core::dns::{Answer, RecordKind};
use spf_core::identity::{Sender, SenderError, Session};
use spf_core::limits::{Limit, Limits};
use spf_core::name::NameError;
use spf_core::outcome::{Cause, Place, SpfResult, TermState};
use support::{Zone, a, aaaa, asked};

const CLIENT: &str = "192.0.2.9";

fn result(zone: &Zone, client: &str) -> &'static str {
    zone.check(client).result.as_str()
}

// ------------------------------------------------------------------------------------------------------------------- identities

#[test]
fn s2_a_null_sender_is_postmaster_at_helo() {
    let zone = Zone::txt(&[("mail.example.com", "v=spf1 exists:%{l}.%{o} -all")])
        .with("postmaster.mail.example.com", a(&["127.0.0.2"]));
    let outcome = zone.mail_from(CLIENT, "mail.example.com", "<>");
    assert_eq!(outcome.result, SpfResult::Pass);
    assert_eq!(
        outcome.property().map(|(ptype, property, value)| (ptype, property, value.as_str())),
        Some(("smtp", "mailfrom", "mail.example.com"))
    );
    assert_eq!(outcome.local_part(), b"postmaster");
    let outcome = zone.helo(CLIENT, "mail.example.com");
    assert_eq!(outcome.property().map(|(_, property, _)| property), Some("helo"));
    assert_eq!(outcome.result, SpfResult::Pass);
}

#[test]
fn s2_a_null_sender_without_a_name_in_helo_is_none_and_asks_nothing() {
    for (helo, error) in [
        ("mailhost", NameError::SingleLabel),
        ("[192.0.2.9]", NameError::Address),
        ("192.0.2.9", NameError::Address),
        ("", NameError::Empty),
    ] {
        for outcome in [
            Zone::default().mail_from(CLIENT, helo, "<>").into_report(),
            Zone::default().helo(CLIENT, helo).into_report(),
        ] {
            assert_eq!((outcome.result, &outcome.cause), (SpfResult::None, &Cause::Domain(error)), "{helo}");
            assert!(outcome.questions.is_empty() && outcome.domain.is_none());
        }
    }
}

#[test]
fn s3_a_malformed_path_is_none_even_with_a_good_helo() {
    let zone = Zone::txt(&[("mail.example.com", "v=spf1 +all"), ("legit.example", "v=spf1 +all")]);
    let outcome = zone.mail_from(CLIENT, "mail.example.com", "<(any@legit.example>");
    assert_eq!((outcome.result, &outcome.cause), (SpfResult::None, &Cause::Sender(SenderError::Syntax)));
    assert!(outcome.questions.is_empty() && outcome.property().is_none());
}

#[test]
fn s15_a_quoted_local_part_with_an_at_sign() {
    let zone =
        Zone::txt(&[("example.com", "v=spf1 exists:%{l}.x.example -all")]).with("a@b.x.example", a(&["127.0.0.2"]));
    let outcome = zone.mail_from(CLIENT, "h.example", "<\"a@b\"@example.com>");
    assert_eq!(outcome.result, SpfResult::Pass);
    assert!(outcome.depends_on_sender && !outcome.depends_on_helo);
}

#[test]
fn s28_what_a_result_depends_on() {
    for (record, sender, helo) in [
        ("v=spf1 a exists:%{i}.%{d}.x.example -all", false, false),
        ("v=spf1 exists:%{o}.x.example", true, false),
        ("v=spf1 exists:%{H}.x.example", false, true),
        // Not reached, so it does not count.
        ("v=spf1 ip4:192.0.2.9 exists:%{l}.x.example", false, false),
    ] {
        let outcome = Zone::txt(&[("example.com", record)]).check(CLIENT);
        assert_eq!((outcome.depends_on_sender, outcome.depends_on_helo), (sender, helo), "{record}");
    }
}

// -------------------------------------------------------------------------------------------------- internationalized mail (RFC 8616)

#[test]
fn s20_u_labels_are_asked_for_as_a_labels() {
    let zone = Zone::txt(&[("xn--bcher-kva.example", "v=spf1 exists:%{o}.x.example -all")])
        .with("xn--bcher-kva.example.x.example", a(&["127.0.0.2"]));
    let outcome = zone.mail_from(CLIENT, "h.example", "<joe@bücher.example>");
    assert_eq!(outcome.result, SpfResult::Pass);
    assert_eq!(asked(&outcome)[0], "xn--bcher-kva.example TXT");
}

#[test]
fn s20_terms_with_a_local_part_beyond_ascii_never_match() {
    let outcome = |record: &str| {
        let zone = Zone::txt(&[("example.com", record), ("x.example", "v=spf1 +all")]);
        zone.mail_from(CLIENT, "h.example", "<jürgen@example.com>")
    };
    for term in [
        "exists:%{l}.x.example",
        "a:%{s}.x.example",
        "mx:%{l}.x.example",
        "include:%{l}.x.example",
        "ptr:%{S}.x.example",
    ] {
        let outcome = outcome(&format!("v=spf1 {term} -all"));
        assert_eq!((outcome.result, outcome.term()), (SpfResult::Fail, Some("-all")), "{term}");
        assert_eq!(asked(&outcome), ["example.com TXT"], "{term}");
        assert_eq!(outcome.lookups, 1, "{term}");
    }
    // As if it were not there.
    assert_eq!(outcome("v=spf1 redirect=%{l}.x.example").result, SpfResult::Neutral);
    let outcome = outcome("v=spf1 exp=%{l}.x.example -all");
    assert_eq!((outcome.result, &outcome.explanation), (SpfResult::Fail, &None));
}

// -------------------------------------------------------------------------------------------------------------- records and results

#[test]
fn s5_records_with_two_blanks_tabs_and_other_cases() {
    for (record, expected) in [
        ("v=spf1", "neutral"),
        ("v=spf1  ip4:192.0.2.9", "pass"),
        ("V=SPF1 IP4:192.0.2.9", "pass"),
        ("v=spf1\tip4:192.0.2.9", "none"),
        ("v=spf1 ip4:192.0.2.9\t-all", "permerror"),
        ("v=spf1 x=%{d0} +all", "permerror"),
        ("v=spf1 x=%{d128} +all", "pass"),
        ("v=spf1 -all +all", "fail"),
        ("v=spf1 +all moo", "permerror"),
    ] {
        assert_eq!(result(&Zone::txt(&[("example.com", record)]), CLIENT), expected, "{record:?}");
    }
}

#[test]
fn s1_strings_are_joined_in_the_middle_of_a_term() {
    // The caller joins; an answer with the pieces joined wrongly would be another record.
    let zone = Zone::new(&[("example.com", Answer::txt([[&b"v=spf1 ip4:192."[..], b"0.2.9 -all"].concat()]))]);
    assert_eq!(result(&zone, CLIENT), "pass");
}

#[test]
fn s12_redirect_comes_last_wherever_it_stands_and_not_with_all() {
    let other = ("other.example", "v=spf1 ip4:192.0.2.9 -all");
    let of = |record: &str| Zone::txt(&[("example.com", record), other]).check(CLIENT);
    assert_eq!(of("v=spf1 redirect=other.example ip4:198.51.100.1").result, SpfResult::Pass);
    let outcome = of("v=spf1 redirect=other.example ~all");
    assert_eq!((outcome.result, asked(&outcome).len()), (SpfResult::SoftFail, 1));
    let outcome = of("v=spf1 redirect=other.example");
    assert_eq!((outcome.term(), outcome.place), (Some("ip4:192.0.2.9"), outcome.place));
    assert_eq!(outcome.place.map(|place| (place.check, place.term)), Some((1, 0)));
    assert_eq!(of("v=spf1 redirect=none.example").cause, Cause::RedirectWithoutRecord);
    assert_eq!(of("v=spf1 redirect=%{h1}").cause, Cause::RedirectTarget(NameError::SingleLabel));
    assert_eq!(of("v=spf1 include:a..b.example").cause, Cause::IncludeTarget(NameError::EmptyLabel));
    assert_eq!(of("v=spf1 include:none.example +all").cause, Cause::IncludeWithoutRecord);
}

#[test]
fn s12_the_target_of_a_redirect_sees_its_own_domain_and_the_old_sender() {
    let zone = Zone::txt(&[
        ("example.com", "v=spf1 redirect=other.example"),
        ("other.example", "v=spf1 exists:%{d}.%{o}.x.example -all"),
    ])
    .with("other.example.example.com.x.example", a(&["127.0.0.2"]));
    assert_eq!(result(&zone, CLIENT), "pass");
}

#[test]
fn s26_only_the_right_kind_of_address_is_asked_for() {
    let zone = Zone::txt(&[("example.com", "v=spf1 a mx exists:e.example -all")])
        .with("example.com", Answer::mx([(20, "two.example"), (10, "one.example"), (30, "three.example")]))
        .with("two.example", a(&["192.0.2.9"]))
        .with("two.example", aaaa(&["2001:db8::9"]))
        .with("one.example", a(&["192.0.2.1"]));
    let outcome = zone.check(CLIENT);
    assert_eq!(
        asked(&outcome),
        ["example.com TXT", "example.com A", "example.com MX", "one.example A", "two.example A"]
    );
    let outcome = zone.check("2001:db8::1");
    let expected = [
        "example.com TXT",
        "example.com AAAA",
        "example.com MX",
        "one.example AAAA",
        "two.example AAAA",
        "three.example AAAA",
        "e.example A",
    ];
    assert_eq!(asked(&outcome), expected);
    assert_eq!(zone.check("::ffff:192.0.2.9").result, SpfResult::Pass);
}

#[test]
fn s4_a_dead_server_at_each_depth_is_temperror() {
    let records = [
        ("example.com", "v=spf1 include:one.example -all"),
        ("one.example", "v=spf1 redirect=two.example"),
        ("two.example", "v=spf1 a:h.example mx:m.example exists:e.example"),
    ];
    let zone = Zone::txt(&records)
        .with("m.example", Answer::mx([(0, "mx.example")]))
        .with("mx.example", a(&["192.0.2.1"]))
        .with("h.example", a(&["192.0.2.2"]));
    let zone = zone.with_kind("e.example", RecordKind::A, Answer::NoData);
    // two.example ends neutral, so the include does not match.
    assert_eq!(zone.check(CLIENT).result, SpfResult::Fail);
    for (name, kind) in [
        ("example.com", RecordKind::Txt),
        ("one.example", RecordKind::Txt),
        ("two.example", RecordKind::Txt),
        ("h.example", RecordKind::A),
        ("m.example", RecordKind::Mx),
        ("mx.example", RecordKind::A),
        ("e.example", RecordKind::A),
    ] {
        let outcome = zone.clone().with_kind(name, kind, Answer::Failed).check(CLIENT);
        assert_eq!((outcome.result, &outcome.cause), (SpfResult::TempError, &Cause::Lookup), "{name} {kind}");
        let last = outcome.questions.last().unwrap();
        assert_eq!((last.question.name.as_str(), last.question.kind), (name, kind));
        assert!(outcome.checks.iter().all(|check| check.result == Some(SpfResult::TempError)));
    }
}

#[test]
fn answers_of_another_kind_count_as_none() {
    let zone = Zone::txt(&[("example.com", "v=spf1 a:h.example -all")]);
    for wrong in
        [aaaa(&["2001:db8::1"]), Answer::txt(["192.0.2.9"]), Answer::ptr(["h.example"]), Answer::mx([(0, "h.example")])]
    {
        let outcome = zone.clone().with_kind("h.example", RecordKind::A, wrong).check(CLIENT);
        assert_eq!(outcome.cause, Cause::Lookup);
    }
    let outcome = Zone::default().with_kind("example.com", RecordKind::Txt, a(&["192.0.2.9"])).check(CLIENT);
    assert_eq!(outcome.cause, Cause::Lookup);
}

// --------------------------------------------------------------------------------------------------------------------------- limits

/// Ten terms over two includes and a redirect, then one more at each of its places.
#[test]
fn s8_exactly_ten_terms_and_the_eleventh() {
    let records = |extra: &str, at: usize| {
        let extra = |index: usize| if index == at { extra } else { "" };
        [
            (
                "example.com",
                format!(
                    "v=spf1 a include:one.example {} include:two.example {} redirect=three.example",
                    extra(0),
                    extra(1)
                ),
            ),
            ("one.example", format!("v=spf1 mx {} exists:e.example {}", extra(2), extra(3))),
            ("two.example", format!("v=spf1 a {} mx", extra(4))),
            ("three.example", format!("v=spf1 ptr {} a ip4:192.0.2.9", extra(5))),
        ]
    };
    let check = |extra: &str, at: usize| {
        let mut zone = Zone::default()
            .with("e.example", aaaa(&["2001:db8::1"]))
            .with_kind("e.example", RecordKind::A, a(&["127.0.0.1"]))
            .with("9.2.0.192.in-addr.arpa", Answer::ptr(["client.example.org"]));
        zone = zone.with_kind("e.example", RecordKind::A, Answer::NoData);
        for (name, record) in records(extra, at) {
            zone = zone
                .with(name, Answer::txt([record]))
                .with(name, a(&["192.0.2.1"]))
                .with(name, Answer::mx([(0, "m.example")]));
        }
        zone.with("m.example", a(&["192.0.2.2"])).check(CLIENT)
    };
    let outcome = check("", 9);
    assert_eq!((outcome.result, outcome.lookups, outcome.term()), (SpfResult::Pass, 10, Some("ip4:192.0.2.9")));
    for at in 0..6 {
        let outcome = check("a", at);
        assert_eq!((outcome.result, &outcome.cause), (SpfResult::PermError, &Cause::Limit(Limit::LookupTerms)), "{at}");
        // The term that crosses the limit is the last "a" of the redirect's target in any case.
        assert_eq!((outcome.lookups, outcome.term()), (10, Some("a")), "{at}");
        assert_eq!(outcome.place.map(|place| place.check), Some(3), "{at}");
    }
}

#[test]
fn s24_records_that_include_or_redirect_to_themselves() {
    for record in ["v=spf1 include:example.com -all", "v=spf1 redirect=example.com"] {
        let outcome = Zone::txt(&[("example.com", record)]).check(CLIENT);
        assert_eq!(
            (outcome.result, &outcome.cause),
            (SpfResult::PermError, &Cause::Limit(Limit::LookupTerms)),
            "{record}"
        );
        assert_eq!((outcome.questions.len(), outcome.checks.len()), (11, 11), "{record}");
        assert!(outcome.checks.iter().all(|check| check.result == Some(SpfResult::PermError)));
    }
}

#[test]
fn s10_the_third_void_lookup() {
    let zone = Zone::txt(&[("example.com", "v=spf1 a:one.example mx:two.example exists:three.example +all")]);
    let outcome = zone.check(CLIENT);
    assert_eq!((outcome.result, &outcome.cause), (SpfResult::PermError, &Cause::Limit(Limit::VoidLookups)));
    assert_eq!((outcome.voids, outcome.term()), (3, Some("exists:three.example")));
    // A name without such a record is void like a name that does not exist; one that is found is not.
    let outcome = zone.clone().with_kind("two.example", RecordKind::A, a(&["192.0.2.1"])).check(CLIENT);
    assert_eq!(outcome.voids, 3);
    let outcome = zone.with("two.example", Answer::mx([(0, "")])).check(CLIENT);
    assert_eq!((outcome.result, outcome.voids), (SpfResult::Pass, 2));
}

/// The domain's own record, hosts of an mx, names of the client and explanations are no terms.
#[test]
fn s10_what_is_no_void_lookup() {
    let zone = Zone::txt(&[("example.com", "v=spf1 mx mx:m.example ptr exists:%{p}.x.example -all exp=none.example")])
        .with("example.com", Answer::mx([(0, "a.example"), (1, "b.example")]))
        .with("m.example", Answer::mx([(0, "c.example"), (1, "d.example")]))
        .with("9.2.0.192.in-addr.arpa", Answer::ptr(["e.example.com", "f.example.com"]));
    let outcome = zone.check(CLIENT);
    assert_eq!((outcome.result, outcome.voids, outcome.term()), (SpfResult::Fail, 1, Some("-all")));
    assert_eq!(asked(&outcome).last().unwrap(), "none.example TXT");
}

#[test]
fn s9_mx_with_ten_and_eleven_names() {
    for (names, expected) in [(10, SpfResult::Pass), (11, SpfResult::PermError)] {
        let exchanges: Vec<(u16, String)> = (0..names).map(|index| (index, format!("m{index}.example"))).collect();
        let mut zone =
            Zone::txt(&[("example.com", "v=spf1 mx -all")]).with("example.com", Answer::mx(exchanges.clone()));
        for (index, (_, name)) in exchanges.iter().enumerate() {
            zone = zone.with(name, a(&[if index == 9 { CLIENT } else { "192.0.2.1" }]));
        }
        let outcome = zone.check(CLIENT);
        assert_eq!(outcome.result, expected);
        // Eleven are refused before one is asked for.
        assert_eq!(outcome.questions.len(), if names == 10 { 12 } else { 2 });
    }
}

#[test]
fn s9_names_of_the_client_after_the_tenth_are_ignored() {
    let names: Vec<String> = (0..11).map(|index| format!("c{index}.example.com")).collect();
    for (valid, expected) in [(9, SpfResult::Pass), (10, SpfResult::Fail)] {
        let zone = Zone::txt(&[("example.com", "v=spf1 ptr -all")])
            .with("9.2.0.192.in-addr.arpa", Answer::ptr(&names))
            .with(&names[valid], a(&[CLIENT]));
        assert_eq!(zone.check(CLIENT).result, expected, "{valid}");
    }
}

#[test]
fn s5_5_only_names_that_could_decide_are_validated_and_once() {
    let zone = Zone::txt(&[("example.com", "v=spf1 ptr:x.example ptr ptr:other.example -all")])
        .with("9.2.0.192.in-addr.arpa", Answer::ptr(["host.other.example", "host.example.com", "host.third.example"]))
        .with("host.example.com", a(&["192.0.2.1"]))
        .with("host.other.example", a(&[CLIENT]));
    let outcome = zone.check(CLIENT);
    assert_eq!((outcome.result, outcome.term()), (SpfResult::Pass, Some("ptr:other.example")));
    assert_eq!(
        asked(&outcome),
        ["example.com TXT", "9.2.0.192.in-addr.arpa PTR", "host.example.com A", "host.other.example A"]
    );
    // A name whose addresses cannot be had is skipped.
    let outcome = zone.with_kind("host.example.com", RecordKind::A, Answer::Failed).check(CLIENT);
    assert_eq!(outcome.result, SpfResult::Pass);
    let outcome = Zone::txt(&[("example.com", "v=spf1 ptr -all")])
        .with_kind("9.2.0.192.in-addr.arpa", RecordKind::Ptr, Answer::Failed)
        .check(CLIENT);
    assert_eq!(outcome.result, SpfResult::Fail);
}

#[test]
fn s8_the_question_of_the_p_macro_counts_once() {
    let zone = Zone::txt(&[("example.com", "v=spf1 exists:%{p}.one.example exists:%{p}.two.example -all")])
        .with("9.2.0.192.in-addr.arpa", Answer::ptr(["c.example.com", "example.com"]))
        .with("example.com", a(&[CLIENT]))
        .with("example.com.one.example", aaaa(&["2001:db8::1"]))
        .with("example.com.two.example", a(&["127.0.0.2"]));
    let outcome = zone.check(CLIENT);
    assert_eq!((outcome.result, outcome.lookups), (SpfResult::Pass, 3));
    let expected = [
        "example.com TXT",
        "9.2.0.192.in-addr.arpa PTR",
        "example.com A",
        "example.com.one.example A",
        "example.com.two.example A",
    ];
    assert_eq!(asked(&outcome), expected);
}

#[test]
fn s11_time_is_told_by_the_caller() {
    let zone = Zone::txt(&[("example.com", "v=spf1 a -all exp=e.example"), ("e.example", "No.")]);
    let session = Session::new(CLIENT.parse().unwrap(), "h.example");
    let sender = Sender::from_reverse_path(b"joe@example.com");
    let start = || check_mail_from(&session, &sender, &Limits::default());
    let run = |elapsed: [u64; 3]| {
        let mut progress = start();
        for seconds in elapsed {
            let Progress::Ask(pending) = progress else { break };
            let answer = zone.answer(pending.question());
            progress = pending.answer_at(answer, Duration::from_secs(seconds));
        }
        let Progress::Done(outcome) = progress else { panic!("{progress:?}") };
        outcome
    };
    assert_eq!(run([1, 20, 20]).explanation.as_ref().map(|explanation| explanation.text.as_str()), Some("No."));
    for elapsed in [[21, 0, 0], [1, 21, 0]] {
        let outcome = run(elapsed);
        assert_eq!((outcome.result, &outcome.cause), (SpfResult::TempError, &Cause::Limit(Limit::Time)));
        assert_eq!(outcome.questions.len(), if elapsed[0] == 21 { 1 } else { 2 });
    }
    // The result is there; only its explanation came too late.
    let outcome = run([1, 2, 21]);
    assert_eq!((outcome.result, &outcome.cause, &outcome.explanation), (SpfResult::Fail, &Cause::Match, &None));

    let Progress::Ask(pending) = start() else { panic!() };
    let outcome = pending.expire();
    assert_eq!((outcome.result, outcome.questions.len()), (SpfResult::TempError, 1));
    assert_eq!(outcome.questions[0].answer, Answer::Failed);
}

#[test]
fn limits_are_those_of_the_caller() {
    let zone = Zone::txt(&[("example.com", "v=spf1 a:x.example a:y.example a:z.example ip4:192.0.2.9 -all")]);
    let session = Session::new(CLIENT.parse().unwrap(), "h.example");
    let check = |limits: &Limits| {
        check_mail_from(&session, &Sender::from_reverse_path(b"joe@example.com"), limits)
            .run(|question| zone.answer(question))
    };
    let mut limits = Limits::default();
    limits.max_void_lookups = 3;
    assert_eq!(check(&limits).result, SpfResult::Pass);
    limits.max_lookup_terms = 2;
    let outcome = check(&limits);
    assert_eq!((outcome.cause.code(), outcome.term()), ("too-many-lookups", Some("a:z.example")));
    limits.max_lookup_terms = 0;
    assert_eq!(check(&limits).questions.len(), 1);
}

// --------------------------------------------------------------------------------------------------- explanations, the log, prefetching

#[test]
fn s17_explanations() {
    let of = |exp: Answer, path: &str| {
        let zone = Zone::txt(&[
            ("example.com", "v=spf1 include:i.example -all exp=e.example"),
            ("i.example", "v=spf1 -all exp=never.example"),
        ]);
        zone.with("e.example", exp)
            .mail_from(CLIENT, "h.example", path)
            .explanation
            .clone()
            .map(|explanation| explanation.text)
    };
    let text = |text: &str| of(Answer::txt([text]), "joe@example.com");
    assert_eq!(
        text("See http://x.example/?s=%{S}&i=%{C}").as_deref(),
        Some("See http://x.example/?s=joe%40example.com&i=192.0.2.9")
    );
    assert_eq!(text("%{r} %{t} %{h}").as_deref(), Some("unknown 0 h.example"));
    assert_eq!(text(&"x".repeat(1_000)).map(|text| text.len()), Some(400));
    for bad in ["", "a\r\nb", "a\tb", "ex\u{e4}mple", "%", "%{x}", "%{d0}"] {
        assert_eq!(text(bad), None, "{bad:?}");
    }
    assert_eq!(of(Answer::txt(["a", "b"]), "joe@example.com"), None);
    assert_eq!(of(Answer::Failed, "joe@example.com"), None);
    assert_eq!(of(Answer::txt(["%{l}"]), "jürgen@example.com"), None);
    assert_eq!(of(Answer::txt(["%{l}"]), "\"a\\\\b c\"@example.com").as_deref(), Some("a\\b c"));
}

#[test]
fn the_trace_is_the_tree_with_running_counts() {
    let zone = Zone::txt(&[
        ("example.com", "v=spf1 ip4:198.51.100.1 include:one.example x=y a:h.example redirect=two.example"),
        ("one.example", "v=spf1 exists:none.example ip4:198.51.100.2 -all"),
        ("two.example", "v=spf1 mx ip4:192.0.2.9 -all exp=e.example"),
    ])
    .with("h.example", a(&["192.0.2.1"]));
    let outcome = zone.check(CLIENT);
    let trace = outcome.trace();
    let lines: Vec<(usize, &str, TermState, u32, u32)> =
        trace.iter().map(|line| (line.depth, line.term, line.state, line.lookups, line.voids)).collect();
    use TermState::{Matched, NotMatched, NotReached, NotUsed, Used};
    let expected = [
        (0, "ip4:198.51.100.1", NotMatched, 0, 0),
        (0, "include:one.example", NotMatched, 1, 0),
        (1, "exists:none.example", NotMatched, 2, 1),
        (1, "ip4:198.51.100.2", NotMatched, 2, 1),
        (1, "-all", Matched, 2, 1),
        (0, "x=y", NotUsed, 2, 1),
        (0, "a:h.example", NotMatched, 3, 1),
        (0, "redirect=two.example", Used, 4, 1),
        (1, "mx", NotMatched, 5, 2),
        (1, "ip4:192.0.2.9", Matched, 5, 2),
        (1, "-all", NotReached, 5, 2),
        (1, "exp=e.example", NotUsed, 5, 2),
    ];
    assert_eq!(lines, expected);
    assert_eq!(trace[1].led_to, Some(1));
    assert_eq!(trace[1].questions.len(), 1);
    assert_eq!(outcome.checks[1].result, Some(SpfResult::Fail));
}

/// The names of the client are asked for by the redirect, behind the last term.
#[test]
fn questions_of_a_redirect_are_in_the_trace() {
    let zone = Zone::txt(&[("example.com", "v=spf1 redirect=%{p}.x.example a:h.example")])
        .with("h.example", a(&["192.0.2.1"]));
    let outcome = zone.check(CLIENT);
    assert_eq!(outcome.cause, Cause::RedirectWithoutRecord);
    let trace = outcome.trace();
    let questions: Vec<String> = trace[0].questions.iter().map(|asked| asked.question.to_string()).collect();
    assert_eq!(questions, ["9.2.0.192.in-addr.arpa PTR", "unknown.x.example TXT"]);
}

#[test]
fn the_trace_shows_the_term_that_crosses_a_limit() {
    let outcome = Zone::txt(&[
        ("example.com", "v=spf1 include:one.example -all"),
        ("one.example", "v=spf1 a:x.example a:y.example a:z.example a:w.example"),
    ])
    .check(CLIENT);
    let ended: Vec<(usize, &str, u32, u32)> = (outcome.trace().iter().filter(|line| line.state == TermState::Ended))
        .map(|line| (line.depth, line.term, line.lookups, line.voids))
        .collect();
    assert_eq!(ended, [(0, "include:one.example", 1, 0), (1, "a:z.example", 4, 3)]);
    assert_eq!(outcome.place.map(|Place { check, term, .. }| (check, term)), Some((1, 2)));
    assert_eq!(outcome.trace().last().map(|line| line.state), Some(TermState::NotReached));
}

#[test]
fn ahead_names_what_will_be_asked() {
    let zone = Zone::txt(&[
        ("example.com", "v=spf1 include:one.example mx a:%{l}.x.example exists:%{p}.x.example ip4:198.51.100.1 include:two.example redirect=three.example"),
        ("one.example", "v=spf1 a:h.example ip4:192.0.2.0/24 include:never.example"),
    ])
    .with("example.com", Answer::mx([(0, "m1.example"), (1, "m2.example"), (2, "m3.example")]));
    let session = Session::new(CLIENT.parse().unwrap(), "h.example");
    let mut progress = check_mail_from(&session, &Sender::from_reverse_path(b"joe@example.com"), &Limits::default());
    let mut seen = Vec::new();
    while let Progress::Ask(pending) = progress {
        let ahead: Vec<String> = pending.ahead().iter().map(ToString::to_string).collect();
        seen.push((pending.question().to_string(), ahead));
        let answer = if pending.question().name.as_str() == "one.example" {
            Answer::txt(["v=spf1 ip4:198.51.100.7"])
        } else {
            zone.answer(pending.question())
        };
        progress = pending.answer(answer);
        if seen.len() == 5 {
            break;
        }
    }
    let rest = ["joe.x.example A", "two.example TXT", "three.example TXT"];
    assert_eq!(seen[0], ("example.com TXT".to_owned(), Vec::new()));
    assert_eq!(seen[1].0, "one.example TXT");
    assert_eq!(seen[2], ("example.com MX".to_owned(), rest.map(str::to_owned).to_vec()));
    let with_hosts: Vec<String> = ["m2.example A", "m3.example A"].into_iter().chain(rest).map(str::to_owned).collect();
    assert_eq!(seen[3], ("m1.example A".to_owned(), with_hosts));
}

#[test]
fn ahead_keeps_within_the_limits() {
    let zone = Zone::txt(&[("example.com", &format!("v=spf1 {}", "a:x.example ".repeat(500)))]);
    let session = Session::new(CLIENT.parse().unwrap(), "example.com");
    let Progress::Ask(pending) = check_helo(&session, &Limits::default()) else { panic!() };
    let answer = zone.answer(pending.question());
    let Progress::Ask(pending) = pending.answer(answer) else { panic!() };
    assert_eq!(pending.ahead().len(), 9);
}
