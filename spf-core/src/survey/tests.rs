use std::collections::HashMap;

use super::*;
use crate::dns::RecordKind;
use crate::record::{Directive, Mechanism, Qualifier, SyntaxError, TermKind, covers_v4};

/// Surveys `example.com` with these answers: `NAME KIND` and the answer; what is not here does not exist.
fn look(zone: &[(&str, Answer)], limits: &SurveyLimits) -> Survey {
    let zone: HashMap<&str, &Answer> = zone.iter().map(|(question, answer)| (*question, answer)).collect();
    let domain = Name::from_domain("example.com").unwrap();
    survey(domain, limits)
        .run(|question| zone.get(question.to_string().as_str()).map_or(Answer::NxDomain, |answer| (*answer).clone()))
}

fn of(zone: &[(&str, Answer)]) -> Survey {
    look(zone, &SurveyLimits::default())
}

fn record(text: &str) -> Survey {
    of(&[("example.com TXT", Answer::txt([text]))])
}

fn problems(survey: &Survey) -> Vec<Problem> {
    survey.findings().into_iter().map(|finding| finding.problem).collect()
}

/// `term lookups/voids of IPv4/voids of IPv6 state` for each term.
fn lines(survey: &Survey) -> Vec<String> {
    let line = |term: &SurveyedTerm| {
        let Counts { lookups, voids_v4, voids_v6 } = term.counts;
        let indent = " ".repeat(term.depth);
        format!("{indent}{} {lookups}/{voids_v4}/{voids_v6} {:?}", survey.text(term), term.state)
    };
    survey.terms.iter().map(line).collect()
}

#[test]
fn s4_6_4_the_term_that_crosses_ten_lookups_is_marked_wherever_it_stands() {
    let own = "v=spf1 include:a.example include:b.example mx a -all";
    let six = "v=spf1 exists:%{i}.1.example exists:%{i}.2.example exists:%{i}.3.example exists:%{i}.4.example ?all";
    let found = of(&[
        ("example.com TXT", Answer::txt([own])),
        ("a.example TXT", Answer::txt([six])),
        ("b.example TXT", Answer::txt([six])),
    ]);
    let crossing: Vec<(&str, u32)> = found
        .terms
        .iter()
        .filter(|term| term.crosses.contains(&Limit::LookupTerms))
        .map(|term| (found.text(term), term.counts.lookups))
        .collect();
    assert_eq!(crossing, [("mx", 11)]);
    // It goes on and says how many there are.
    assert_eq!(found.counts.lookups, 12);
    assert!(problems(&found).contains(&Problem::Limit(Limit::LookupTerms)));
}

#[test]
fn s4_6_4_void_lookups_are_counted_for_each_family_apart() {
    let v4 = || Answer::a(["192.0.2.1".parse().unwrap()]);
    let found = of(&[
        ("example.com TXT", Answer::txt(["v=spf1 a:a.example a:b.example mx:c.example a:d.example -all"])),
        ("a.example A", v4()),
        ("b.example A", v4()),
        ("c.example MX", Answer::mx([(10, "a.example")])),
        ("d.example A", v4()),
    ]);
    assert_eq!(
        lines(&found),
        [
            "a:a.example 1/0/1 Found",
            "a:b.example 2/0/2 Found",
            "mx:c.example 3/0/2 Found",
            "a:d.example 4/0/3 Found",
            "-all 4/0/3 Local",
        ]
    );
    assert_eq!(found.terms[3].crosses, [Limit::VoidLookups]);
    assert_eq!((found.authorised.v4, found.authorised.v6), (1, 0));
    let found = record("v=spf1 a:a.example mx:b.example exists:c.example -all");
    assert_eq!((found.counts.voids_v4, found.counts.voids_v6), (3, 3));
    assert_eq!(found.terms[2].crosses, [Limit::VoidLookups]);
    assert_eq!(problems(&found)[..2], [Problem::Void, Problem::Void]);
}

/// The same counts as an evaluation that nothing matches.
#[test]
fn counts_are_those_of_an_evaluation() {
    use crate::check::check_mail_from;
    use crate::identity::{Sender, Session};
    let zone = [
        (
            "example.com TXT",
            Answer::txt(["v=spf1 a mx include:i.example ptr exists:%{p}.x.example redirect=r.example"]),
        ),
        ("i.example TXT", Answer::txt(["v=spf1 a:gone.example mx:m.example -all a:never.example"])),
        ("m.example MX", Answer::mx([(1, "h.example"), (2, "g.example")])),
        ("r.example TXT", Answer::txt(["v=spf1 a:h.example ~all"])),
        ("h.example A", Answer::a(["192.0.2.1".parse().unwrap()])),
        ("example.com A", Answer::a(["192.0.2.2".parse().unwrap()])),
        ("example.com MX", Answer::mx([(0, ".")])),
        ("1.113.0.203.in-addr.arpa PTR", Answer::ptr(["host.example.net"])),
        ("unknown.x.example A", Answer::Failed),
    ];
    let found = of(&zone);
    let answers: HashMap<&str, &Answer> = zone.iter().map(|(question, answer)| (*question, answer)).collect();
    let session = Session::new("203.0.113.1".parse().unwrap(), "mail.example.com");
    let limits = Limits { max_void_lookups: 9, ..Limits::default() };
    let outcome =
        check_mail_from(&session, &Sender::from_reverse_path(b"<a@example.com>"), &limits).run(
            |question| match question.to_string().as_str() {
                "unknown.x.example A" => Answer::a([]),
                question => answers.get(question).map_or(Answer::NxDomain, |answer| (*answer).clone()),
            },
        );
    assert_eq!(outcome.result.as_str(), "softfail", "{outcome:?}");
    // "exists" with a macro is void for this client, and is not known here.
    assert_eq!((found.counts.lookups, found.counts.voids_v4 + 1), (outcome.lookups, outcome.voids));
}

#[test]
fn s4_6_2_the_first_term_that_matches_decides_whom_a_record_authorises() {
    for (text, v4) in [
        ("v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.0/25 ip4:192.0.3.0/24 -all", 512),
        ("v=spf1 -ip4:192.0.2.0/25 ip4:192.0.2.0/24 -all", 128),
        ("v=spf1 ?ip4:192.0.2.1 ~ip4:192.0.2.2 ip4:192.0.2.0/30 -all", 2),
        ("v=spf1 -ip4:192.0.2.0/24 +all", (1 << 32) - 256),
        ("v=spf1 -all ip4:192.0.2.0/24", 0),
        ("v=spf1 ip4:0.0.0.0/0 -all", 1 << 32),
    ] {
        assert_eq!(record(text).authorised.v4, v4, "{text}");
    }
    let found = record("v=spf1 ip6:2001:db8::/32 ip6:2001:db8:1::/48 -all");
    assert_eq!(found.authorised.v6, 1 << 96);
    assert!(found.authorises("2001:db8::1".parse().unwrap()) && !found.authorises("192.0.2.1".parse().unwrap()));
    assert_eq!(record("v=spf1 all").authorised.v6, u128::MAX);
}

/// §5.2: of an included record only `pass` counts, and the qualifier of the include says what for.
#[test]
fn s5_2_includes_authorise_what_their_records_pass() {
    let included = ("i.example TXT", Answer::txt(["v=spf1 -ip4:192.0.2.1 ip4:192.0.2.0/24 -all"]));
    let own = |text: &str| of(&[("example.com TXT", Answer::txt([text])), included.clone()]).authorised.v4;
    assert_eq!(own("v=spf1 include:i.example -all"), 255);
    assert_eq!(own("v=spf1 -include:i.example ip4:192.0.2.0/23 -all"), 257);
    assert_eq!(own("v=spf1 ip4:192.0.2.1 include:i.example -all"), 256);
    assert_eq!(own("v=spf1 ip4:198.51.100.1 redirect=i.example"), 256);
    assert_eq!(own("v=spf1 redirect=i.example"), 255);
}

#[test]
fn addresses_of_hosts_are_asked_for_in_both_families() {
    let found = of(&[
        ("example.com TXT", Answer::txt(["v=spf1 a/28//64 mx -all"])),
        ("example.com A", Answer::a(["192.0.2.17".parse().unwrap()])),
        ("example.com AAAA", Answer::aaaa(["2001:db8::1".parse().unwrap()])),
        ("example.com MX", Answer::mx([(20, "b.example"), (10, "a.example")])),
        ("a.example A", Answer::a(["192.0.2.16".parse().unwrap(), "198.51.100.1".parse().unwrap()])),
        ("b.example AAAA", Answer::aaaa(["2001:db8:1::1".parse().unwrap()])),
    ]);
    assert_eq!(found.authorised, Authorised { v4: 17, v6: (1 << 64) + 1, and_others: false });
    let asked: Vec<String> = found.terms[1].asked.iter().map(|(question, _)| question.to_string()).collect();
    assert_eq!(asked, ["example.com MX", "a.example A", "a.example AAAA", "b.example A", "b.example AAAA"]);
    assert!(found.is_complete && problems(&found).is_empty());
}

#[test]
fn s5_2_s6_1_what_is_wrong_with_targets_is_said_at_the_term() {
    let targets = [
        ("bad.example TXT", Answer::txt(["v=spf1 a:192.0.2.1 -all"])),
        ("two.example TXT", Answer::txt(["v=spf1 -all", "v=spf1 +all"])),
        ("none.example TXT", Answer::txt(["hello"])),
        ("dead.example TXT", Answer::Failed),
        ("loop.example TXT", Answer::txt(["v=spf1 include:example.com -all"])),
    ];
    for (target, expected) in [
        ("two.example", Problem::SeveralRecords),
        ("none.example", Problem::BrokenTarget),
        ("gone.example", Problem::BrokenTarget),
        ("dead.example", Problem::Unanswered),
        ("loop.example", Problem::Loop),
        ("example.com", Problem::Loop),
        ("a..example", Problem::Name(NameError::EmptyLabel)),
    ] {
        let own = format!("v=spf1 include:{target} -all");
        let found = of(&[&targets[..], &[("example.com TXT", Answer::txt([own]))]].concat());
        assert_eq!(problems(&found), [expected], "{target}");
    }
    let found = of(&[&targets[..], &[("example.com TXT", Answer::txt(["v=spf1 redirect=bad.example"]))]].concat());
    let [Finding { term: Some(0), problem: Problem::Syntax(error), .. }] = &found.findings()[..] else { panic!() };
    assert_eq!((error.kind, error.term.as_str()), (SyntaxError::AddressAsName, "a:192.0.2.1"));
}

#[test]
fn what_is_wrong_with_the_domain_itself() {
    let own = |answer| problems(&of(&[("example.com TXT", answer)]));
    assert_eq!(own(Answer::NxDomain), [Problem::NoRecord]);
    assert_eq!(own(Answer::txt(["v=DMARC1"])), [Problem::NoRecord]);
    assert_eq!(own(Answer::Failed), [Problem::Unanswered]);
    assert_eq!(own(Answer::txt(["v=spf1 a", "v=spf1 mx"])), [Problem::SeveralRecords]);
    assert!(matches!(&own(Answer::txt(["v=spf1 moo"]))[..], [Problem::Syntax(_)]));
    let long = format!("v=spf1 {}-all", "ip4:192.0.2.100 ".repeat(30));
    assert_eq!(own(Answer::txt([long.clone()])), [Problem::LongRecord(11 + long.len())]);
    assert_eq!(own(Answer::txt(["v=spf1 -all", &"x".repeat(429)])), [Problem::LongAnswer(451)]);
    assert_eq!(own(Answer::txt(["v=spf1 -all", &"x".repeat(428)])), []);
}

#[test]
fn what_is_allowed_and_unwise_is_told() {
    for (text, expected) in [
        ("v=spf1 +all", vec![Problem::PassAll]),
        ("v=spf1 ip4:192.0.2.1", vec![Problem::NeutralEnd]),
        ("v=spf1 ?all", vec![Problem::NeutralEnd]),
        ("v=spf1 ptr -all", vec![Problem::Pointer]),
        ("v=spf1 exists:%{i}.x.example ~all", vec![Problem::DependsOnClient]),
        ("v=spf1 -all mx exp=why.example.com", vec![Problem::BehindAll]),
        ("v=spf1 -all redirect=other.example", vec![Problem::BehindAll]),
        ("v=spf1 ~all exp=why.example.com x-unknown=1", vec![]),
    ] {
        assert_eq!(problems(&record(text)), expected, "{text}");
    }
    let found = of(&[
        ("example.com TXT", Answer::txt(["v=spf1 exists:%{d} include:i.example -all"])),
        ("example.com A", Answer::a(["192.0.2.1".parse().unwrap()])),
        ("i.example TXT", Answer::txt(["v=spf1 a:%{o} ?all mx"])),
    ]);
    assert_eq!(problems(&found), [Problem::PassAll, Problem::DependsOnClient]);
    assert_eq!(found.authorised.v4, 1 << 32);
    // The end of a redirected record is that of the domain.
    let found = of(&[
        ("example.com TXT", Answer::txt(["v=spf1 redirect=r.example"])),
        ("r.example TXT", Answer::txt(["v=spf1 ip4:192.0.2.1 ?all"])),
    ]);
    let findings = found.findings();
    assert_eq!((findings.len(), findings[0].record, findings[0].term), (1, 1, Some(2)));
}

/// A `pass` of an included record is a match of the `include`, which may have another qualifier (RFC 7208 §5.2).
#[test]
fn s5_2_everybody_passes_only_where_pass_is_the_result_and_somebody_comes_there() {
    for (own, passes) in [
        ("v=spf1 include:all.example -all", true),
        ("v=spf1 -include:all.example ~all", false),
        ("v=spf1 ~include:all.example ip4:192.0.2.1 -all", false),
        ("v=spf1 include:over.example -all", true),
        ("v=spf1 include:minus.example -all", false),
        ("v=spf1 redirect=all.example", true),
        ("v=spf1 -include:all.example +all", false),
        ("v=spf1 -ip4:0.0.0.0/0 -ip6:::/0 include:all.example +all", false),
        ("v=spf1 -ip4:192.0.2.1 +all", true),
    ] {
        let found = of(&[
            ("example.com TXT", Answer::txt([own])),
            ("all.example TXT", Answer::txt(["v=spf1 +all"])),
            ("over.example TXT", Answer::txt(["v=spf1 redirect=all.example"])),
            ("minus.example TXT", Answer::txt(["v=spf1 -include:all.example ?all"])),
        ]);
        assert_eq!(problems(&found).contains(&Problem::PassAll), passes, "{own}");
    }
}

#[test]
fn s5_4_an_mx_without_addresses_authorises_nobody() {
    let own = ("example.com TXT", Answer::txt(["v=spf1 mx -all"]));
    let mx = |exchanges| ("example.com MX", exchanges);
    let found = of(&[own.clone(), mx(Answer::mx([(10, "mail.example")]))]);
    assert_eq!(problems(&found), [Problem::NoAddress]);
    // The null MX of RFC 7505.
    assert_eq!(problems(&of(&[own.clone(), mx(Answer::mx([(0, ".")]))])), [Problem::NoAddress]);
    let address = ("mail.example AAAA", Answer::aaaa(["2001:db8::1".parse().unwrap()]));
    assert_eq!(problems(&of(&[own.clone(), mx(Answer::mx([(10, "mail.example")])), address])), []);
    assert_eq!(problems(&of(&[own])), [Problem::Void]);
}

/// §11.1: whatever strangers publish, the number of terms is ours, with those of a redirect.
#[test]
fn terms_are_limited() {
    let terms = "ptr ".repeat(400);
    let own = format!("v=spf1 {}-all", "include:i.example ".repeat(199));
    let many = |question: &Question| {
        let is_own = question.name.as_str() == "example.com";
        Answer::txt([if is_own { own.clone() } else { format!("v=spf1 {terms}?all") }])
    };
    let domain = || Name::from_domain("example.com").unwrap();
    let found = survey(domain(), &SurveyLimits::default()).run(many);
    assert_eq!((found.terms.len(), found.is_complete), (10_000, false));
    assert!(found.questions < 30 && problems(&found).contains(&Problem::Incomplete));
    let zone = [
        ("example.com TXT", Answer::txt(["v=spf1 ip4:192.0.2.1 redirect=r.example"])),
        ("r.example TXT", Answer::txt(["v=spf1 ip4:192.0.2.2 -all"])),
    ];
    for (max_terms, is_complete) in [(0, false), (1, false), (2, false), (3, false), (4, true)] {
        let found = look(&zone, &SurveyLimits { max_terms, ..SurveyLimits::default() });
        assert_eq!((found.terms.len(), found.is_complete), (max_terms, is_complete));
    }
}

#[test]
fn s5_4_an_mx_with_more_than_ten_names_is_an_error() {
    let hosts = (0..11).map(|number| (number, format!("h{number}.example")));
    let found = of(&[
        ("example.com TXT", Answer::txt(["v=spf1 mx -all"])),
        ("example.com MX", Answer::mx(hosts)),
        ("h0.example A", Answer::a(["192.0.2.1".parse().unwrap()])),
    ]);
    assert_eq!(found.terms[0].crosses, [Limit::MxNames]);
    assert_eq!((found.questions, found.authorised.v4), (22, 1));
}

/// §11.1: whatever strangers publish, the number of questions is ours.
#[test]
fn questions_and_depth_are_limited() {
    let deep = |question: &Question| match question.kind {
        RecordKind::Txt => {
            let text = format!("v=spf1 include:x.{0} include:y.{0} -all", question.name);
            Answer::txt([text])
        }
        _ => Answer::NxDomain,
    };
    let domain = || Name::from_domain("example.com").unwrap();
    let found = survey(domain(), &SurveyLimits::default()).run(deep);
    assert_eq!((found.questions, found.is_complete), (200, false));
    assert!(found.terms.iter().all(|term| term.depth <= 10));
    assert!(problems(&found).contains(&Problem::Incomplete));
    let limits = SurveyLimits { max_questions: 1_000_000, max_depth: 3, ..SurveyLimits::default() };
    let found = survey(domain(), &limits).run(deep);
    assert_eq!((found.records.len(), found.is_complete), (15, false));
    assert_eq!(found.terms.iter().filter(|term| term.state == State::NotAsked).count(), 16);

    let hosts = (0..10).map(|number| (number, format!("h{number}.example")));
    let mx = Answer::mx(hosts);
    let found = survey(domain(), &SurveyLimits::default()).run(|question| match question.kind {
        RecordKind::Txt => Answer::txt(["v=spf1 mx:a.example mx:b.example mx:c.example mx:d.example mx:e.example mx:f.example mx:g.example mx:h.example mx:i.example mx:j.example ip4:198.51.100.1 -all"]),
        RecordKind::Mx => mx.clone(),
        _ => Answer::a(["192.0.2.1".parse().unwrap()]),
    });
    assert_eq!((found.questions, found.is_complete, found.authorised.v4), (200, false, 2));
    assert_eq!(found.terms.last().map(|term| found.text(term)), Some("-all"));
}

/// As many networks as a record may have, that overlap each other, with changing qualifiers, included as often as may be.
#[test]
fn hostile_networks_are_added_up_in_good_time() {
    let mut networks = String::from("v=spf1");
    for number in 0..500_u32 {
        let sign = ["", "-", "?", "~"][number as usize % 4];
        let [.., high, low] = number.to_be_bytes();
        networks.push_str(&format!(" {sign}ip4:10.{high}.{low}.0/{}", 20 + number % 12));
    }
    assert!(networks.len() < 64 * 1024);
    let own = format!("v=spf1{} -all", " include:i.example".repeat(300));
    let limits = SurveyLimits { max_terms: usize::MAX, ..SurveyLimits::default() };
    let found = survey(Name::from_domain("example.com").unwrap(), &limits).run(|question| {
        Answer::txt([if question.name.as_str() == "i.example" { networks.clone() } else { own.clone() }])
    });
    assert_eq!((found.questions, found.records.len()), (200, 200));
    // The plain way: the first network of a record that holds it decides.
    let record = found.records[1].state.record().unwrap();
    let passes = |address: std::net::Ipv4Addr| {
        let of = |kind: &TermKind| match kind {
            TermKind::Directive(Directive { qualifier, mechanism: Mechanism::Ip4(network, bits) })
                if covers_v4(*network, *bits, address) =>
            {
                Some(*qualifier)
            }
            _ => None,
        };
        record.terms().iter().find_map(|term| of(&term.kind)) == Some(Qualifier::Pass)
    };
    for number in 0..400_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0A00_0000 + number * 1_601);
        assert_eq!(found.authorises(address.into()), passes(address), "{address}");
    }
}
