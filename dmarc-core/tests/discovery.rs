//! Policy discovery: which names are asked about, which record applies, and which of its policies.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers work on data of this file; what fails there fails the test"
)]

mod support;

use dmarc_core::discovery::{Discovery, Existence, Finding, FoundPolicy, Place, discover};
use dmarc_core::dns::TxtAnswer;
use dmarc_core::domain::DomainName;
use dmarc_core::org_domain::{OrgDomainMethod, SuffixList};
use dmarc_core::progress::Progress;
use dmarc_core::record::Policy;
use dmarc_core::tree_walk::{Level, MAX_QUESTIONS};

use crate::support::{Zone, name, txt};

const P: &str = "v=DMARC1; p=reject";

fn policy(discovery: &Discovery) -> &FoundPolicy {
    match &discovery.finding {
        Finding::Policy(found) => found,
        other => panic!("{other:?}"),
    }
}

/// Where the record was found, and the policy with its tag.
fn found(zone: &Zone, author: &str) -> (String, &'static str, Policy) {
    let discovery = zone.discover(author);
    let found = policy(&discovery);
    (found.domain.to_string(), found.tag.as_str(), found.policy)
}

fn asked(zone: &Zone, author: &str) -> Vec<String> {
    let (_, asked) = zone.discover_asking(author);
    asked.iter().map(|question| question.trim_end_matches(" TXT").trim_start_matches("_dmarc.").to_owned()).collect()
}

/// A name of so many labels, the last one "l1".
fn long(labels: usize) -> String {
    (1..=labels).rev().map(|label| format!("l{label}")).collect::<Vec<_>>().join(".")
}

#[test]
fn m10_names_of_any_length_are_asked_about_in_at_most_eight_questions() {
    for labels in [1, 2, 7, 8, 9, 12] {
        let author = long(labels);
        let up: Vec<String> = (1..=7.min(labels - 1)).rev().map(long).collect();
        let all: Vec<String> = std::iter::once(author.clone()).chain(up).collect();
        assert_eq!(all.len(), labels.min(MAX_QUESTIONS));
        // Without any record.
        assert_eq!(asked(&Zone::default(), &author), all, "{labels}");
        // With one at the start.
        assert_eq!(asked(&Zone::new(&[(&author, P)]), &author), [&author[..]], "{labels}");
        // With one at the top, and at the seventh label: neither ends the walk.
        assert_eq!(asked(&Zone::new(&[("l1", P)]), &author), all, "{labels}");
        if labels > 7 {
            let seventh = long(7);
            let zone = Zone::new(&[(&seventh, P)]);
            assert_eq!(asked(&zone, &author), all, "{labels}");
            assert_eq!(found(&zone, &author).0, seventh);
            // It does when it says what it is.
            for psd in ["y", "n"] {
                let zone = Zone::new(&[(&seventh, &format!("{P}; psd={psd}"))]);
                assert_eq!(asked(&zone, &author), [author.clone(), seventh.clone()], "{labels}");
            }
        }
    }
}

#[test]
fn m10_names_between_the_start_and_the_seventh_label_are_never_asked_about() {
    let zone = Zone::new(&[(&long(10), P), (&long(8), P), ("l2.l1", "v=DMARC1; p=none")]);
    assert_eq!(found(&zone, &long(12)), ("l2.l1".to_owned(), "p", Policy::None));
}

#[test]
fn a_domain_without_room_for_a_label_more_is_not_asked_about() {
    let label = "a".repeat(61);
    let author = [&label[..], &label, &label, &label[..50], "example.com"].join(".");
    assert!(author.len() <= 253 && author.len() + "_dmarc.".len() > 253, "{}", author.len());
    let zone = Zone::new(&[("example.com", "v=DMARC1; p=none; np=reject")]);
    let (discovery, asked) = zone.discover_asking(&author);
    // The policy for names that do not exist needs an answer that nothing else gave.
    let parent = author.split_once('.').unwrap().1;
    assert_eq!(asked.first().unwrap(), &format!("_dmarc.{parent} TXT"));
    assert_eq!(asked.last().unwrap(), &format!("{author} exists"));
    assert_eq!((policy(&discovery).tag.as_str(), policy(&discovery).policy), ("np", Policy::Reject));
}

#[test]
fn m9_several_records_count_as_none_and_the_walk_goes_on() {
    let two = TxtAnswer::Records(vec![P.into(), "v=DMARC1; p=none".into()]);
    let zone = Zone::new(&[("example.com", "v=DMARC1; p=quarantine")]).with("_dmarc.a.example.com", two.clone());
    assert_eq!(found(&zone, "a.example.com"), ("example.com".to_owned(), "p", Policy::Quarantine));
    assert_eq!(zone.discover("a.example.com").asked()[0].level, Level::Several);
    let zone = Zone::default().with("_dmarc.example.com", two);
    assert_eq!(zone.discover("example.com").finding, Finding::NoPolicy);
}

#[test]
fn m9_texts_that_are_no_dmarc_records_are_passed_over() {
    let texts = ["v=spf1 -all", "v=DMARC1p=none", "p=none; v=DMARC1", "v=dmarc1; p=none", P, ""];
    let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let zone = Zone::default().with("_dmarc.example.com", TxtAnswer::Records(texts));
    assert_eq!(found(&zone, "example.com"), ("example.com".to_owned(), "p", Policy::Reject));
    let zone = Zone::default().with("_dmarc.example.com", TxtAnswer::Records(vec![b"v=spf1 -all".to_vec()]));
    assert_eq!(zone.discover("example.com").finding, Finding::NoPolicy);
}

#[test]
fn m11_the_record_of_the_author_domain_comes_first_and_no_intermediate_one() {
    let zone = Zone::new(&[
        ("a.b.example.com", "v=DMARC1; p=none"),
        ("b.example.com", "v=DMARC1; p=quarantine; sp=quarantine"),
        ("example.com", "v=DMARC1; p=none; sp=reject"),
    ]);
    assert_eq!(found(&zone, "a.b.example.com"), ("a.b.example.com".to_owned(), "p", Policy::None));
    assert_eq!(found(&zone, "x.b.example.com"), ("example.com".to_owned(), "sp", Policy::Reject));
    assert_eq!(found(&zone, "b.example.com"), ("b.example.com".to_owned(), "p", Policy::Quarantine));
}

#[test]
fn m11_psd_n_ends_the_walk_below_other_records() {
    let zone = Zone::new(&[
        ("b.example.com", "v=DMARC1; p=quarantine; psd=n"),
        ("example.com", "v=DMARC1; p=none; sp=reject"),
    ]);
    assert_eq!(found(&zone, "a.b.example.com"), ("b.example.com".to_owned(), "p", Policy::Quarantine));
    assert_eq!(asked(&zone, "a.b.example.com"), ["a.b.example.com", "b.example.com"]);
    // A bad value is the default.
    let zone = Zone::new(&[("b.example.com", "v=DMARC1; p=quarantine; psd=x"), ("example.com", P)]);
    assert_eq!(found(&zone, "a.b.example.com").0, "example.com");
    let zone = Zone::new(&[("b.example.com", "v=DMARC1; p=quarantine; psd=u"), ("example.com", P)]);
    assert_eq!(found(&zone, "a.b.example.com").0, "example.com");
}

#[test]
fn m13_the_record_of_a_public_suffix_is_for_those_without_their_own() {
    let psd = "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y";
    let zone = Zone::new(&[("bank", psd), ("own.bank", "v=DMARC1; p=none")]).with("www.other.bank", txt("x"));
    let place = |author: &str| {
        let discovery = zone.discover(author);
        let found = policy(&discovery);
        (found.domain.to_string(), found.place, found.policy)
    };
    assert_eq!(place("own.bank"), ("own.bank".to_owned(), Place::AuthorDomain, Policy::None));
    assert_eq!(place("a.own.bank"), ("own.bank".to_owned(), Place::OrganizationalDomain, Policy::None));
    assert_eq!(place("other.bank"), ("bank".to_owned(), Place::PublicSuffixDomain, Policy::Quarantine));
    assert_eq!(place("missing.bank"), ("bank".to_owned(), Place::PublicSuffixDomain, Policy::Reject));
    // The suffix itself is an author domain like any other.
    assert_eq!(place("bank"), ("bank".to_owned(), Place::AuthorDomain, Policy::None));
}

#[test]
fn m13_a_record_between_is_not_used_below_a_public_suffix() {
    // The organizational domain is example.bank, which has none; that of its subdomain is not for others.
    let zone = Zone::new(&[("bank", "v=DMARC1; p=reject; psd=y"), ("b.example.bank", "v=DMARC1; p=none")]);
    assert_eq!(found(&zone, "a.b.example.bank"), ("bank".to_owned(), "p", Policy::Reject));
}

#[test]
fn m16_no_record_is_no_policy() {
    let (discovery, asked) = Zone::default().discover_asking("a.example.com");
    assert_eq!(discovery.finding, Finding::NoPolicy);
    assert_eq!(asked, ["_dmarc.a.example.com TXT", "_dmarc.example.com TXT", "_dmarc.com TXT"]);
    assert!(discovery.asked().iter().all(|asked| asked.level == Level::NxDomain));
}

#[test]
fn m16_a_missing_answer_leaves_the_policy_unknown_unless_the_author_domain_has_a_record() {
    let zone = Zone::new(&[("b.example.com", P)]);
    for failing in ["a.b.example.com", "b.example.com", "example.com", "com"] {
        let discovery = zone.clone().failing(failing).discover("a.b.example.com");
        let has_policy = failing != "b.example.com";
        assert_eq!(discovery.finding, Finding::TempError { has_policy }, "{failing}");
        // What lies above is asked about all the same.
        assert_eq!(discovery.asked().len(), 4);
    }
    let zone = Zone::new(&[("a.b.example.com", P)]).failing("b.example.com");
    assert_eq!(found(&zone, "a.b.example.com").0, "a.b.example.com");
}

#[test]
fn m18_subdomains_take_sp_and_fall_back_to_p() {
    for (record, tag, policy) in [
        ("p=reject", "p", Policy::Reject),
        ("p=none; sp=reject", "sp", Policy::Reject),
        ("p=reject; sp=none", "sp", Policy::None),
        ("p=reject; np=reject", "p", Policy::Reject),
        ("p=none; sp=quarantine; np=quarantine", "sp", Policy::Quarantine),
    ] {
        let zone = Zone::new(&[("example.com", &format!("v=DMARC1; {record}"))]);
        let (discovery, asked) = zone.discover_asking("a.example.com");
        assert_eq!(found(&zone, "a.example.com"), ("example.com".to_owned(), tag, policy), "{record}");
        // Where np= makes no difference, nobody asks whether the name exists.
        assert_eq!(asked.len(), 3, "{record}");
        assert_eq!(discovery.existence, None);
    }
}

#[test]
fn m19_np_is_for_names_that_do_not_exist() {
    let zone = Zone::new(&[("example.com", "v=DMARC1; p=none; sp=quarantine; np=reject")]);
    let sp = ("sp", Policy::Quarantine);
    for (answer, existence, expected) in [
        (TxtAnswer::NxDomain, Existence::NonExistent, ("np", Policy::Reject)),
        (TxtAnswer::NoData, Existence::Exists, sp),
        (txt("anything"), Existence::Exists, sp),
        (TxtAnswer::Failed, Existence::Unknown, sp),
    ] {
        let (discovery, asked) = zone.clone().with("a.example.com", answer).discover_asking("a.example.com");
        assert_eq!(asked.last().unwrap(), "a.example.com exists");
        assert_eq!(discovery.existence, Some(existence));
        assert_eq!((policy(&discovery).tag.as_str(), policy(&discovery).policy), expected, "{existence:?}");
    }
    // An empty non-terminal exists, and the walk shows it: nobody asks.
    let below = zone.with("_dmarc.a.example.com", TxtAnswer::NoData);
    let (discovery, asked) = below.discover_asking("a.example.com");
    assert_eq!((asked.len(), policy(&discovery).policy), (3, Policy::Quarantine));
    // For the domain itself np= never counts.
    assert_eq!(found(&below, "example.com"), ("example.com".to_owned(), "p", Policy::None));
}

#[test]
fn m4_records_without_a_usable_policy() {
    let rua = "rua=mailto:a@example.com";
    for record in ["", "p=x", "sp=reject", "p=reject; sp=x", "p=reject; np=x"] {
        let with_rua = Zone::new(&[("example.com", &format!("v=DMARC1; {record}; {rua}"))]);
        let without = Zone::new(&[("example.com", &format!("v=DMARC1; {record}"))]);
        for author in ["example.com", "a.example.com"] {
            assert_eq!(found(&with_rua, author), ("example.com".to_owned(), "p", Policy::None), "{record}");
            let Finding::PermError { domain, .. } = without.discover(author).finding else { panic!("{record}") };
            assert_eq!(domain.as_str(), "example.com");
        }
    }
    // It is a record for the walk: what lies above does not replace it.
    let zone = Zone::new(&[("a.example.com", "v=DMARC1"), ("example.com", P)]);
    assert!(matches!(zone.discover("a.example.com").finding, Finding::PermError { .. }));
}

#[test]
fn a_record_of_a_top_level_domain_that_forgot_psd_counts_as_one_with_it() {
    let zone = Zone::new(&[("com", P), ("example.com", "v=DMARC1; p=none")]);
    assert_eq!(found(&zone, "a.example.com"), ("example.com".to_owned(), "p", Policy::None));
    let discovery = zone.discover("a.other.com");
    assert_eq!(policy(&discovery).place, Place::PublicSuffixDomain);
}

/// Suffixes of one label, but for `co.uk`.
struct List;

impl SuffixList for List {
    fn suffix_labels(&self, domain: &DomainName) -> usize {
        if domain.is_equal_or_subdomain_of(&name("co.uk")) { 2 } else { 1 }
    }
}

fn by_list(zone: &Zone, author: &str) -> (Discovery, Vec<String>) {
    let mut asked = Vec::new();
    let discovery = discover(&name(author), OrgDomainMethod::PublicSuffix(&List)).run(|question| {
        asked.push(question.to_string());
        zone.answer(question)
    });
    (discovery, asked)
}

#[test]
fn rfc7489_s6_6_3_a_list_leads_to_the_organizational_domain_in_two_questions() {
    let zone = Zone::new(&[("example.co.uk", "v=DMARC1; p=none; sp=reject; np=none; t=y; psd=n")]);
    let (discovery, asked) = by_list(&zone, "a.b.example.co.uk");
    assert_eq!(asked, ["_dmarc.a.b.example.co.uk TXT", "_dmarc.example.co.uk TXT"]);
    // It knows no np=, so a name that does not exist is a subdomain like any other.
    assert_eq!((policy(&discovery).tag.as_str(), policy(&discovery).policy), ("sp", Policy::Reject));
    assert_eq!(by_list(&zone, "example.co.uk").1, ["_dmarc.example.co.uk TXT"]);
    // A public suffix has no organizational domain.
    let (discovery, asked) = by_list(&Zone::default(), "co.uk");
    assert_eq!((discovery.finding, asked.len()), (Finding::NoPolicy, 1));
}

#[test]
fn rfc7489_s6_6_3_several_records_end_the_discovery() {
    let two = TxtAnswer::Records(vec![P.into(), P.into()]);
    let zone = Zone::new(&[("example.com", P)]).with("_dmarc.a.example.com", two.clone());
    let (discovery, asked) = by_list(&zone, "a.example.com");
    assert_eq!((discovery.finding, asked.len()), (Finding::NoPolicy, 1));
    let (discovery, _) = by_list(&Zone::default().with("_dmarc.example.com", two), "a.example.com");
    assert_eq!(discovery.finding, Finding::NoPolicy);
}

#[test]
fn rfc7489_s6_6_3_missing_answers() {
    let zone = Zone::new(&[("example.com", P)]).failing("a.example.com");
    assert_eq!(by_list(&zone, "a.example.com").0.finding, Finding::TempError { has_policy: true });
    let zone = Zone::default().failing("example.com");
    assert_eq!(by_list(&zone, "a.example.com").0.finding, Finding::TempError { has_policy: false });
}

#[test]
fn a_discovery_runs_step_by_step_asynchronously_and_can_be_ended() {
    let start = || discover(&name("a.example.com"), OrgDomainMethod::TreeWalk);
    let Progress::Ask(pending) = start() else { panic!() };
    assert_eq!(pending.question().to_string(), "_dmarc.a.example.com TXT");
    // A clone goes its own way.
    assert_eq!(pending.clone().expire().finding, Finding::TempError { has_policy: false });
    let Progress::Done(discovery) = pending.answer(&txt(P)) else { panic!() };
    assert_eq!(policy(&discovery).policy, Policy::Reject);

    let zone = Zone::new(&[("example.com", P)]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answers = zone.clone();
    let task = async move { start().run_async(|question| std::future::ready(answers.answer(&question))).await };
    let discovery = runtime.block_on(async { tokio::spawn(task).await.unwrap() });
    assert_eq!(policy(&discovery), policy(&zone.discover("a.example.com")));
}
