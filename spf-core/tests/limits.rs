//! Whatever records and answers say: never more questions than the limits allow, no panic, bounded memory.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "the helpers work on data of these files; what fails there fails the test"
)]

mod support;

use std::cell::Cell;

use proptest::prelude::*;
use spf_core::check::{check_helo, check_mail_from};
use spf_core::dns::{Answer, Question, RecordKind};
use spf_core::identity::{Sender, Session};
use spf_core::limits::{Limit, Limits};
use spf_core::name::Name;
use spf_core::outcome::{Cause, SpfResult};
use support::{Zone, a};

/// The most questions that limits allow: the record of the domain, each term with the hosts of an mx, the names of the client, an explanation.
fn most_questions(limits: &Limits) -> usize {
    let terms = usize::try_from(limits.max_lookup_terms).unwrap();
    1 + terms * (1 + limits.max_mx_names) + 1 + limits.max_ptr_names + 1
}

fn term() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("example.com".to_owned()),
        Just("b.example".to_owned()),
        "%\\{[slodipvh]\\}\\.b\\.example",
        "[ab]\\.example",
        Just("a..example".to_owned()),
    ];
    let qualifier = prop_oneof![Just(""), Just("-"), Just("~"), Just("?")];
    let mechanism = prop_oneof!["(include|exists|a|mx|ptr):", "(redirect|exp)="];
    prop_oneof![
        8 => (qualifier, mechanism, name).prop_map(|(qualifier, mechanism, name)| {
            if mechanism.ends_with('=') { format!("{mechanism}{name}") } else { format!("{qualifier}{mechanism}{name}") }
        }),
        2 => "[-~?]?(a|mx|ptr)(/[0-9])?",
        1 => "ip4:192\\.0\\.2\\.[0-9]",
        1 => "[-~?]all",
    ]
}

fn record() -> impl Strategy<Value = String> {
    proptest::collection::vec(term(), 0..14).prop_map(|terms| {
        // Twice the same modifier is an error of its own; records that parse are what this is about.
        let mut seen = Vec::new();
        let is_first = |term: &&String| match term.split_once('=') {
            Some((name, _)) => {
                !seen.contains(&name.to_owned()) && {
                    seen.push(name.to_owned());
                    true
                }
            }
            None => true,
        };
        let terms: Vec<&String> = terms.iter().filter(is_first).collect();
        terms.iter().fold("v=spf1".to_owned(), |record, term| format!("{record} {term}"))
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let host = prop_oneof![Just("a.example"), Just("b.example"), Just("example.com"), Just("")];
    prop_oneof![
        12 => record().prop_map(|record| Answer::txt([record])),
        3 => proptest::collection::vec((any::<u16>(), host.clone()), 0..12).prop_map(Answer::mx),
        2 => proptest::collection::vec(host, 0..14).prop_map(Answer::ptr),
        3 => proptest::collection::vec("[a-z%{}sdh. ]{0,20}", 0..3).prop_map(Answer::txt),
        3 => proptest::collection::vec(any::<[u8; 4]>(), 0..3).prop_map(|addresses| Answer::a(addresses.into_iter().map(Into::into))),
        1 => Just(Answer::NoData),
        1 => Just(Answer::NxDomain),
        1 => Just(Answer::Failed),
    ]
}

proptest! {
    /// Answers fit the question where they can, so that evaluation goes deep.
    #[test]
    fn never_more_questions_than_the_limits_allow(
        answers in proptest::collection::vec(answer(), 1..40),
        client in prop_oneof![Just("192.0.2.1"), Just("2001:db8::1")],
        lookups in 0_u32..14,
        voids in 0_u32..14,
        hosts in 0_usize..12,
    ) {
        let mut limits = Limits::default();
        (limits.max_lookup_terms, limits.max_void_lookups) = (lookups, voids);
        (limits.max_mx_names, limits.max_ptr_names) = (hosts, hosts);
        let session = Session::new(client.parse().unwrap(), "h.example");
        let (asked, next) = (Cell::new(0), Cell::new(0));
        let lookup = |question: &Question| {
            asked.set(asked.get() + 1);
            // The next answer of this kind, or any.
            for _ in 0..answers.len() {
                let answer = &answers[next.get() % answers.len()];
                next.set(next.get() + 1);
                let fits = match answer {
                    Answer::Txt(_) => question.kind == RecordKind::Txt,
                    Answer::A(_) => question.kind == RecordKind::A,
                    Answer::Mx(_) => question.kind == RecordKind::Mx,
                    Answer::Ptr(_) => question.kind == RecordKind::Ptr,
                    _ => true,
                };
                if fits {
                    return answer.clone();
                }
            }
            Answer::NoData
        };
        let outcome = check_mail_from(&session, &Sender::from_reverse_path(b"joe@example.com"), &limits).run(lookup);
        prop_assert!(asked.get() <= most_questions(&limits), "{} questions", asked.get());
        prop_assert_eq!(asked.get(), outcome.questions.len());
        prop_assert!(outcome.lookups <= lookups);
        prop_assert!(outcome.voids <= voids + 1);
        prop_assert!(outcome.checks.len() <= 1 + usize::try_from(lookups).unwrap());
        prop_assert!(outcome.checks.iter().all(|check| check.result.is_some()));
        // What is shown agrees with what was done.
        let trace = outcome.trace();
        let asked_in_trace: usize = trace.iter().map(|line| line.questions.len()).sum();
        prop_assert_eq!(asked_in_trace + 1, outcome.questions.len());
        prop_assert!(trace.iter().all(|line| line.depth < outcome.checks.len()));
        let field = outcome.received_spf("mx.example.net");
        prop_assert!(field.lines().all(|line| line.len() <= 998) && field.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t')));
    }

    #[test]
    fn any_bytes_as_records_paths_and_helo(
        texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..4),
        path in proptest::collection::vec(any::<u8>(), 0..60),
        helo in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let session = Session::new([192, 0, 2, 1].into(), &helo);
        let lookup = |_: &Question| Answer::txt(texts.iter().map(|text| [b"v=spf1 ", &text[..]].concat()));
        let limits = Limits::default();
        let outcome = check_mail_from(&session, &Sender::from_reverse_path(&path), &limits).run(lookup);
        prop_assert!(outcome.questions.len() <= most_questions(&limits));
        let field = outcome.received_spf("mx.example.net");
        prop_assert!(field.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t')));
        let _ = check_helo(&session, &limits).run(lookup);
    }
}

/// Ten includes, every one with as many terms as a record may have: a list of evaluations, and terms passed over without any trace of their own.
#[test]
fn five_hundred_terms_in_each_of_ten_includes() {
    let record = |index: usize| format!("v=spf1 {} include:i{}.example", "ip4:9.9.9.9 ".repeat(499), index + 1);
    let lookup = |question: &Question| {
        let index =
            question.name.as_str().strip_prefix('i').and_then(|name| name.split('.').next()?.parse().ok()).unwrap_or(0);
        Answer::txt([record(index)])
    };
    let session = Session::new([192, 0, 2, 1].into(), "i0.example");
    let outcome = check_helo(&session, &Limits::default()).run(lookup);
    assert_eq!(outcome.cause, Cause::Limit(Limit::LookupTerms));
    assert_eq!((outcome.checks.len(), outcome.questions.len()), (11, 11));
    assert_eq!(outcome.trace().len(), 11 * 500);
}

/// The worst that ten terms can ask for: ten mx with ten hosts each, all of them there and none of them the client.
#[test]
fn the_most_that_a_stranger_can_make_us_ask() {
    let exchanges: Vec<(u16, String)> = (0..10).map(|index| (index, format!("m{index}.example"))).collect();
    let lookup = |question: &Question| match question.kind {
        RecordKind::Txt => Answer::txt([format!("v=spf1 {} -all exp=e.example", "mx ".repeat(10))]),
        RecordKind::Mx => Answer::mx(exchanges.clone()),
        _ => a(&["192.0.2.99"]),
    };
    let session = Session::new([192, 0, 2, 1].into(), "h.example");
    let outcome = check_helo(&session, &Limits::default()).run(lookup);
    assert_eq!((outcome.result, outcome.questions.len()), (SpfResult::Fail, 1 + 110 + 1));
    assert!(outcome.questions.len() <= most_questions(&Limits::default()));
}

/// A record that is nothing but macros: what is made of it is as short as a name.
#[test]
fn macro_bombs() {
    let bomb = format!("v=spf1 exists:{}.example.com -all", "%{s}.%{h}%{ir}".repeat(166));
    let zone = Zone::default().with("example.com", Answer::txt([bomb]));
    let outcome = zone.mail_from("2001:db8::1", &"h".repeat(10_000), &format!("{}@example.com", "l.".repeat(50_000)));
    assert!(outcome.questions.iter().all(|asked| asked.question.name.as_str().len() <= 253));
    assert_eq!(outcome.result, SpfResult::Fail);
}

#[test]
fn names_in_answers_are_only_taken_when_they_are_names() {
    let answer = Answer::ptr(["ok.example", "", "a..b", "x\u{7}.example"]);
    assert_eq!(answer, Answer::Ptr([Name::parse("ok.example").unwrap()].into()));
    assert_eq!(Answer::ptr([""]), Answer::NoData);
}
