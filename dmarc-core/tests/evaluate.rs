//! Alignment and results: the table of all combinations, walks of identifiers, missing answers.

#![expect(clippy::unwrap_used, reason = "the helpers work on data of this file; what fails there fails the test")]

mod support;

use dmarc_core::dns::TxtAnswer;
use dmarc_core::domain::DomainName;
use dmarc_core::evaluate::{Identifier, Identifiers, MAX_WALKS, evaluate};
use dmarc_core::org_domain::{OrgDomainMethod, SuffixList};
use dmarc_core::outcome::{Alignment, Cause, CheckResult, DmarcResult, Evaluation};
use dmarc_core::progress::Progress;
use dmarc_core::record::Policy;

use crate::support::{Zone, name};

const P: &str = "v=DMARC1; p=reject";

/// What a mechanism may have come to: the domain and its result.
const CASES: [(&str, CheckResult); 3] = [
    ("mail.example.com", CheckResult::Pass),
    ("example.net", CheckResult::Pass),
    ("mail.example.com", CheckResult::Other),
];

/// The table of all combinations: DKIM {aligned pass, unaligned pass, fail} x SPF (the same) x p x t, 54 rows.
#[test]
fn m17_m20_results_dispositions_and_reasons_of_all_combinations() {
    let mut rows = 0;
    for (dkim, (dkim_domain, dkim_result)) in CASES.iter().enumerate() {
        for (spf, (spf_domain, spf_result)) in CASES.iter().enumerate() {
            for published in [Policy::None, Policy::Quarantine, Policy::Reject] {
                for testing in [false, true] {
                    let t = if testing { "y" } else { "n" };
                    let zone = Zone::new(&[("example.com", &format!("v=DMARC1; p={published}; t={t}"))]);
                    let evaluation = zone.evaluate_results(
                        "example.com",
                        Some((spf_domain, *spf_result)),
                        &[(dkim_domain, *dkim_result)],
                    );
                    // What the table says.
                    let (dkim_aligned, spf_aligned) = (dkim == 0, spf == 0);
                    let passes = dkim_aligned || spf_aligned;
                    let requested = match (published, testing) {
                        (Policy::Reject, true) => Policy::Quarantine,
                        (Policy::Quarantine, true) | (Policy::None, _) => Policy::None,
                        (published, false) => published,
                    };
                    let row = format!("dkim {dkim} spf {spf} p={published} t={t}");
                    let policy = evaluation.policy.as_ref().unwrap();
                    let result = if passes { DmarcResult::Pass } else { DmarcResult::Fail };
                    assert_eq!(evaluation.result, result, "{row}");
                    assert_eq!(evaluation.is_dkim_aligned(), dkim_aligned, "{row}");
                    assert_eq!(evaluation.is_spf_aligned(), spf_aligned, "{row}");
                    assert_eq!((policy.published, policy.requested), (published, requested), "{row}");
                    assert_eq!(policy.is_lowered_by_testing(), testing && published != Policy::None, "{row}");
                    assert_eq!(evaluation.disposition(), if passes { Policy::None } else { requested }, "{row}");
                    let cause = match (passes, dkim == 1 || spf == 1) {
                        (true, _) => Cause::Aligned,
                        (false, true) => Cause::NotAligned,
                        (false, false) => Cause::NothingPassed,
                    };
                    assert_eq!(evaluation.cause, cause, "{row}");
                    rows += 1;
                }
            }
        }
    }
    assert_eq!(rows, 54);
}

#[test]
fn m17_strict_is_the_same_name_and_nothing_else() {
    let zone = Zone::new(&[("example.com", "v=DMARC1; p=reject; adkim=s; aspf=s")]);
    assert_eq!(zone.evaluate("example.com", None, &["example.com"]).result, DmarcResult::Pass);
    assert_eq!(zone.evaluate("example.com", Some("EXAMPLE.com"), &[]).result, DmarcResult::Pass);
    for other in ["mail.example.com", "com", "xample.com", "example.com.evil.example"] {
        let (evaluation, asked) =
            zone.evaluate_asking("example.com", Some((other, CheckResult::Pass)), &[(other, CheckResult::Pass)]);
        assert_eq!((evaluation.result, asked.len()), (DmarcResult::Fail, 0), "{other}");
    }
    // Each mechanism has a mode of its own.
    let zone = Zone::new(&[("example.com", "v=DMARC1; p=reject; adkim=s")]);
    let evaluation = zone.evaluate("example.com", Some("mail.example.com"), &["mail.example.com"]);
    assert_eq!((evaluation.is_spf_aligned(), evaluation.is_dkim_aligned()), (true, false));
}

#[test]
fn m17_relaxed_is_the_same_organizational_domain_and_not_a_common_suffix() {
    let zone = Zone::new(&[("example.com", P)]);
    for (author, identifier, expected) in [
        ("example.com", "a.b.example.com", true),
        ("a.example.com", "b.example.com", true),
        ("a.example.com", "example.com", true),
        ("example.com", "example.com", true),
        ("example.com", "other.com", false),
        ("example.com", "notexample.com", false),
        ("example.com", "com", false),
        ("a.example.com", "com", false),
        ("example.com", "example.com.evil.example", false),
    ] {
        let expected = if expected { DmarcResult::Pass } else { DmarcResult::Fail };
        assert_eq!(zone.evaluate(author, None, &[identifier]).result, expected, "{author} {identifier}");
        assert_eq!(zone.evaluate(author, Some(identifier), &[]).result, expected, "{author} {identifier}");
    }
}

#[test]
fn m12_islands_with_psd_n_are_not_aligned_with_each_other_nor_with_what_is_around() {
    let island = "v=DMARC1; p=reject; psd=n";
    let zone = Zone::new(&[("example.com", P), ("a.example.com", island), ("b.example.com", island)]);
    for (author, identifier, expected) in [
        ("a.example.com", "b.example.com", false),
        ("x.a.example.com", "y.b.example.com", false),
        ("x.a.example.com", "a.example.com", true),
        ("x.a.example.com", "y.a.example.com", true),
        ("x.a.example.com", "example.com", false),
        ("example.com", "x.a.example.com", false),
        ("example.com", "c.example.com", true),
    ] {
        let expected = if expected { DmarcResult::Pass } else { DmarcResult::Fail };
        assert_eq!(zone.evaluate(author, None, &[identifier]).result, expected, "{author} {identifier}");
    }
}

#[test]
fn m12_domains_below_a_public_suffix_are_not_aligned_with_each_other() {
    let zone = Zone::new(&[("bank", "v=DMARC1; p=reject; psd=y"), ("one.bank", P)]);
    for (author, identifier, expected) in [
        ("one.bank", "two.bank", false),
        ("one.bank", "a.one.bank", true),
        ("two.bank", "a.two.bank", true),
        ("one.bank", "bank", false),
        ("bank", "one.bank", false),
        // A mail from the suffix itself is of the suffix itself.
        ("bank", "bank", true),
    ] {
        let expected = if expected { DmarcResult::Pass } else { DmarcResult::Fail };
        assert_eq!(zone.evaluate(author, None, &[identifier]).result, expected, "{author} {identifier}");
    }
}

#[test]
fn a_top_level_domain_that_forgot_psd_makes_nobody_speak_for_others() {
    let zone = Zone::new(&[("com", "v=DMARC1; p=reject"), ("example.com", P)]);
    assert_eq!(zone.evaluate("example.com", None, &["com"]).result, DmarcResult::Fail);
    assert_eq!(zone.evaluate("example.com", None, &["other.com"]).result, DmarcResult::Fail);
    assert_eq!(zone.evaluate("other.com", None, &["example.com"]).result, DmarcResult::Fail);
    assert_eq!(zone.evaluate("example.com", None, &["mail.example.com"]).result, DmarcResult::Pass);
    // One that says it is an organization is one.
    let zone = Zone::new(&[("brand", "v=DMARC1; p=reject; psd=n")]);
    assert_eq!(zone.evaluate("a.brand", None, &["b.brand"]).result, DmarcResult::Pass);
}

#[test]
fn m14_no_question_is_asked_where_none_is_needed() {
    let zone = Zone::new(&[("example.com", P)]);
    for identifiers in [
        // The author domain itself.
        &[("example.com", CheckResult::Pass)][..],
        // Cannot have the same organizational domain.
        &[("example.net", CheckResult::Pass)],
        // Did not pass.
        &[("mail.example.com", CheckResult::Other)],
        &[],
    ] {
        assert!(zone.evaluate_asking("example.com", None, identifiers).1.is_empty(), "{identifiers:?}");
    }
    // No record at all: nothing depends on it.
    let (evaluation, asked) =
        Zone::default().evaluate_asking("example.com", None, &[("mail.example.com", CheckResult::Pass)]);
    assert_eq!((evaluation.result, asked.len()), (DmarcResult::None, 0));
    assert_eq!((evaluation.policy.is_none(), evaluation.disposition()), (true, Policy::None));
}

#[test]
fn m15_walks_share_what_they_know_and_stop_at_the_organizational_domain() {
    let zone = Zone::new(&[("example.com", P)]);
    let pass = CheckResult::Pass;
    // The rest of the author's walk, then what lies between the identifier and the organizational domain.
    let (_, asked) = zone.evaluate_asking("example.com", Some(("b.example.com", pass)), &[("a.b.example.com", pass)]);
    assert_eq!(asked, ["_dmarc.com TXT", "_dmarc.b.example.com TXT", "_dmarc.a.b.example.com TXT"]);
    // Once the author's organizational domain is known, strangers are not walked for.
    let (_, asked) = zone.evaluate_asking("example.com", None, &[("a.b.c.other.com", pass), ("other.com", pass)]);
    assert_eq!(asked, ["_dmarc.com TXT"]);
    // The walk of the discovery was complete here.
    let (_, asked) = zone.evaluate_asking("a.example.com", None, &[("example.com", pass), ("b.example.com", pass)]);
    assert_eq!(asked, ["_dmarc.b.example.com TXT"]);
}

#[test]
fn m15_no_more_than_sixteen_identifiers_ask_questions() {
    let zone = Zone::new(&[("example.com", P), ("x.example.com", "v=DMARC1; p=none; psd=n")]);
    let domains: Vec<String> = (0..40).map(|number| format!("a.d{number}.x.example.com")).collect();
    let mut identifiers: Vec<_> = domains.iter().map(|domain| (&domain[..], CheckResult::Pass)).collect();
    let (evaluation, asked) = zone.evaluate_asking("example.com", None, &identifiers);
    // For the author, for x.example.com, and two for each.
    assert_eq!(asked.len(), 1 + 1 + 2 * MAX_WALKS);
    assert_eq!(evaluation.result, DmarcResult::Fail);
    // Those that need no question count all the same.
    identifiers.push(("example.com", CheckResult::Pass));
    assert_eq!(zone.evaluate_results("example.com", None, &identifiers).result, DmarcResult::Pass);
}

#[test]
fn m16_a_missing_answer_makes_temperror_unless_a_pass_is_shown_without_it() {
    let zone = Zone::new(&[("example.com", P)]).failing("mail.example.com");
    let unknown = zone.evaluate("example.com", None, &["mail.example.com"]);
    assert_eq!((unknown.result, unknown.cause), (DmarcResult::TempError, Cause::AlignmentUnknown));
    assert_eq!((unknown.dkim[0].alignment, unknown.disposition()), (Alignment::Unknown, Policy::None));
    // The other identifier is aligned.
    let pass = zone.evaluate("example.com", Some("bounce.example.com"), &["mail.example.com"]);
    assert_eq!((pass.result, pass.is_dkim_aligned()), (DmarcResult::Pass, false));
    let pass = zone.evaluate("example.com", None, &["mail.example.com", "example.com"]);
    assert_eq!(pass.result, DmarcResult::Pass);
    // What is not aligned whatever the answer is, fails.
    let zone = Zone::new(&[("example.com", P)]).failing("other.com");
    assert_eq!(zone.evaluate("example.com", None, &["other.com"]).result, DmarcResult::Fail);
}

#[test]
fn m16_a_missing_answer_above_both_makes_no_difference() {
    // Whatever com says, both lead to the same.
    let zone = Zone::new(&[("example.com", P)]).failing("com");
    assert_eq!(zone.evaluate("example.com", None, &["mail.example.com"]).result, DmarcResult::Pass);
    // It could say that all of com is one organization.
    assert_eq!(zone.evaluate("example.com", None, &["other.com"]).result, DmarcResult::TempError);
}

#[test]
fn m16_without_the_policy_only_the_author_domain_itself_passes() {
    // Either a.example.com has a record or that of example.com applies.
    let zone = Zone::new(&[("example.com", P)]).failing("a.example.com");
    assert_eq!(zone.evaluate("a.example.com", None, &["a.example.com"]).result, DmarcResult::Pass);
    let unknown = zone.evaluate("a.example.com", None, &["example.com"]);
    assert_eq!((unknown.result, unknown.cause), (DmarcResult::TempError, Cause::PolicyUnknown));
    assert_eq!(zone.evaluate("a.example.com", None, &[]).result, DmarcResult::TempError);
    // It may be that there is none at all.
    let zone = Zone::default().failing("a.example.com");
    let unknown = zone.evaluate("a.example.com", None, &["a.example.com"]);
    assert_eq!((unknown.result, unknown.policy), (DmarcResult::TempError, None));
    assert_eq!(unknown.dkim[0].alignment, Alignment::Identical);
}

#[test]
fn m16_many_missing_answers_leave_the_alignment_unknown() {
    let zone = ["a.b.c.example.com", "b.c.example.com", "c.example.com", "com"]
        .iter()
        .fold(Zone::new(&[("example.com", P)]), |zone, name| zone.failing(name));
    assert_eq!(zone.evaluate("example.com", None, &["a.b.c.example.com"]).result, DmarcResult::TempError);
}

#[test]
fn s5_3_6_an_aligned_identifier_that_could_not_be_checked_makes_temperror() {
    let zone = Zone::new(&[("example.com", P)]);
    let temp = CheckResult::TempError;
    for domain in ["example.com", "mail.example.com"] {
        let evaluation = zone.evaluate_results("example.com", None, &[(domain, temp)]);
        assert_eq!((evaluation.result, evaluation.cause), (DmarcResult::TempError, Cause::CheckFailed), "{domain}");
        assert!(!evaluation.is_dkim_aligned());
        // A pass beside it decides, and then nobody asks about the other.
        let (evaluation, asked) =
            zone.evaluate_asking("example.com", Some(("example.com", CheckResult::Pass)), &[(domain, temp)]);
        assert_eq!((evaluation.result, asked.len()), (DmarcResult::Pass, 0), "{domain}");
    }
    // One that is not aligned makes no difference.
    let evaluation = zone.evaluate_results("example.com", Some(("other.com", temp)), &[("other.net", temp)]);
    assert_eq!(evaluation.result, DmarcResult::Fail);
}

#[test]
fn m4_a_record_without_a_usable_policy_is_permerror() {
    let evaluation = Zone::new(&[("example.com", "v=DMARC1; p=x")]).evaluate("example.com", None, &["example.com"]);
    assert_eq!((evaluation.result, evaluation.cause), (DmarcResult::PermError, Cause::BadRecord));
    assert_eq!((evaluation.policy, evaluation.asked.len()), (None, 1));
}

#[test]
fn m23_an_evaluation_tells_what_was_asked() {
    let evaluation = Zone::new(&[("example.com", P)]).evaluate("example.com", None, &["mail.example.com"]);
    let asked: Vec<&str> = evaluation.asked.iter().map(|asked| asked.domain.as_str()).collect();
    assert_eq!(asked, ["example.com", "com", "mail.example.com"]);
    assert_eq!((evaluation.author.as_str(), evaluation.result.to_string()), ("example.com", "pass".to_owned()));
}

#[test]
fn words_of_authentication_results() {
    for (result, word) in [
        (DmarcResult::None, "none"),
        (DmarcResult::Pass, "pass"),
        (DmarcResult::Fail, "fail"),
        (DmarcResult::TempError, "temperror"),
        (DmarcResult::PermError, "permerror"),
    ] {
        assert_eq!(result.as_str(), word);
    }
    for (word, result) in [
        ("pass", CheckResult::Pass),
        ("temperror", CheckResult::TempError),
        ("fail", CheckResult::Other),
        ("softfail", CheckResult::Other),
        ("policy", CheckResult::Other),
        ("PASS", CheckResult::Other),
    ] {
        assert_eq!(CheckResult::from_word(word), result, "{word}");
    }
}

/// Suffixes of one label.
struct List;

impl SuffixList for List {
    fn suffix_labels(&self, _: &DomainName) -> usize {
        1
    }
}

fn by_list(record: &str, author: &str, dkim: &str) -> Evaluation {
    let zone = Zone::new(&[("example.com", record)]);
    let method = OrgDomainMethod::PublicSuffix(&List);
    let discovery = dmarc_core::discovery::discover(&name(author), method).run(|question| zone.answer(question));
    let domain = name(dkim);
    let dkim = [Identifier::new(&domain, CheckResult::Pass)];
    evaluate(&discovery, Identifiers::new(None, &dkim), method)
        .run(|_| -> TxtAnswer { unreachable!("no question is needed") })
}

#[test]
fn rfc7489_s3_1_a_list_tells_organizational_domains_without_questions() {
    for (author, identifier, expected) in [
        ("a.example.com", "b.example.com", DmarcResult::Pass),
        ("a.example.com", "example.com", DmarcResult::Pass),
        ("example.com", "other.com", DmarcResult::Fail),
        ("example.com", "com", DmarcResult::Fail),
    ] {
        assert_eq!(by_list(P, author, identifier).result, expected, "{author} {identifier}");
    }
    // psd= of RFC 9989 makes no islands here.
    assert_eq!(by_list("v=DMARC1; p=reject; psd=n", "example.com", "a.example.com").result, DmarcResult::Pass);
    let strict = "v=DMARC1; p=reject; adkim=s";
    assert_eq!(by_list(strict, "example.com", "a.example.com").result, DmarcResult::Fail);
}

#[test]
fn m20_pct_counts_under_rfc_7489_only_and_t_under_rfc_9989_only() {
    for (record, number, expected) in [
        ("p=reject; pct=50", 49, Policy::Reject),
        ("p=reject; pct=50", 50, Policy::Quarantine),
        ("p=quarantine; pct=0", 0, Policy::None),
        ("p=reject; pct=100", 99, Policy::Reject),
        ("p=reject", 99, Policy::Reject),
        ("p=reject; t=y", 0, Policy::Reject),
    ] {
        let evaluation = by_list(&format!("v=DMARC1; {record}"), "example.com", "other.com");
        assert_eq!(evaluation.result, DmarcResult::Fail);
        assert_eq!(evaluation.policy.unwrap().for_sample(number), expected, "{record} {number}");
    }
    let evaluation = Zone::new(&[("example.com", "v=DMARC1; p=reject; pct=0")]).evaluate("example.com", None, &[]);
    let policy = evaluation.policy.unwrap();
    assert_eq!((policy.pct, policy.for_sample(99)), (None, Policy::Reject));
}

#[test]
fn an_evaluation_owns_what_it_needs_and_runs_on_any_thread() {
    let zone = Zone::new(&[("example.com", P)]);
    let task = {
        let discovery = zone.discover("example.com");
        let domain = name("mail.example.com");
        let dkim = [Identifier::new(&domain, CheckResult::Pass)];
        let progress = evaluate(&discovery, Identifiers::new(None, &dkim), OrgDomainMethod::PublicSuffix(&List));
        assert!(matches!(progress, Progress::Done(_)));
        let progress = evaluate(&discovery, Identifiers::new(None, &dkim), OrgDomainMethod::TreeWalk);
        let zone = zone.clone();
        async move { progress.run_async(|question| std::future::ready(zone.answer(&question))).await }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let evaluation = runtime.block_on(async { tokio::spawn(task).await.unwrap() });
    assert_eq!(evaluation, zone.evaluate("example.com", None, &["mail.example.com"]));
}
