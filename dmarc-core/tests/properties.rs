//! What holds for any zone and any message.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "small numbers, and data of this file; what fails there fails the test"
)]

mod support;

use std::collections::HashSet;

use dmarc_core::discovery::{Discovery, discover};
use dmarc_core::dns::{Question, TxtAnswer};
use dmarc_core::domain::DomainName;
use dmarc_core::evaluate::{Identifier, Identifiers, MAX_WALKS, evaluate};
use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
use dmarc_core::outcome::{CheckResult, DmarcResult, Evaluation};
use dmarc_core::record::Policy;
use dmarc_core::tree_walk::{MAX_QUESTIONS, targets};
use proptest::prelude::*;

use crate::support::{Zone, name, txt};

/// Names of a small tree, so that they have to do with each other.
fn domain() -> impl Strategy<Value = DomainName> {
    let label = prop_oneof![Just("a"), Just("b")];
    (proptest::collection::vec(label, 0..10), prop_oneof![Just("x"), Just("y")])
        .prop_map(|(labels, top)| name(&labels.into_iter().chain([top]).collect::<Vec<_>>().join(".")))
}

fn answer() -> impl Strategy<Value = TxtAnswer> {
    let tag = prop_oneof![
        Just("p=reject"),
        Just("p=none"),
        Just("sp=quarantine"),
        Just("np=reject"),
        Just("psd=y"),
        Just("psd=n"),
        Just("t=y"),
        Just("adkim=s"),
        Just("aspf=s"),
        Just("p=x"),
        Just("rua=mailto:a@x.example"),
    ];
    let record = proptest::collection::vec(tag, 0..4).prop_map(|tags| txt(&format!("v=DMARC1; {}", tags.join("; "))));
    let two = TxtAnswer::Records(vec![b"v=DMARC1; p=none".to_vec(), b"v=DMARC1; p=reject".to_vec()]);
    prop_oneof![
        8 => record,
        1 => Just(two),
        1 => Just(txt("v=spf1 -all")),
        1 => Just(TxtAnswer::NoData),
        1 => Just(TxtAnswer::Failed),
    ]
}

/// A zone with answers for names of the tree.
fn zone() -> impl Strategy<Value = Zone> {
    proptest::collection::vec((domain(), answer()), 0..12).prop_map(|answers| {
        answers
            .into_iter()
            .fold(Zone::default(), |zone, (domain, answer)| zone.with(&format!("_dmarc.{domain}"), answer))
    })
}

fn result() -> impl Strategy<Value = CheckResult> {
    prop_oneof![4 => Just(CheckResult::Pass), 1 => Just(CheckResult::TempError), 1 => Just(CheckResult::Other)]
}

type Signature = (DomainName, CheckResult);

fn judged(zone: &Zone, discovery: &Discovery, signatures: &[Signature]) -> (Evaluation, Vec<Question>) {
    let identifiers: Vec<_> = signatures.iter().map(|(domain, result)| Identifier::new(domain, *result)).collect();
    let mut asked = Vec::new();
    let evaluation = evaluate(discovery, Identifiers::new(None, &identifiers), TreeWalk).run(|question| {
        asked.push(question.clone());
        zone.answer(question)
    });
    (evaluation, asked)
}

fn discovered(zone: &Zone, author: &DomainName) -> (Discovery, Vec<Question>) {
    let mut asked = Vec::new();
    let discovery = discover(author, TreeWalk).run(|question| {
        asked.push(question.clone());
        zone.answer(question)
    });
    (discovery, asked)
}

proptest! {
    #[test]
    fn m10_a_walk_asks_about_eight_ends_of_its_start_at_most(start in domain()) {
        let targets = targets(&start);
        prop_assert!((1..=MAX_QUESTIONS).contains(&targets.len()));
        prop_assert_eq!(targets.first(), Some(&start));
        prop_assert_eq!(targets.last().map(DomainName::label_count), Some(1));
        prop_assert!(targets.windows(2).all(|pair| pair[0].is_equal_or_subdomain_of(&pair[1]) && pair[0] != pair[1]));
        prop_assert!(targets.iter().skip(1).all(|name| name.label_count() <= 7));
    }

    #[test]
    fn m10_m15_questions_are_bounded_and_none_is_asked_twice(
        zone in zone(),
        author in domain(),
        signatures in proptest::collection::vec((domain(), result()), 0..30),
    ) {
        let (discovery, first) = discovered(&zone, &author);
        let records = first.iter().filter(|question| question.to_string().ends_with(" TXT")).count();
        prop_assert!(records <= MAX_QUESTIONS && first.len() <= records + 1);
        let (evaluation, second) = judged(&zone, &discovery, &signatures);
        prop_assert!(second.len() <= (MAX_QUESTIONS - 1) * (MAX_WALKS + 1) + MAX_WALKS);
        let all: HashSet<&Question> = first.iter().chain(&second).collect();
        prop_assert_eq!(all.len(), first.len() + second.len());
        prop_assert_eq!(evaluation.asked.len(), records + second.len());
        // Only names that RFC 9989 allows.
        for question in &second {
            let walked = std::iter::once(&author).chain(signatures.iter().map(|(domain, _)| domain));
            let asked_for = question.name.as_str().strip_prefix("_dmarc.").unwrap();
            prop_assert!(walked.flat_map(targets).any(|name| name.as_str() == asked_for));
        }
    }

    #[test]
    fn a_pass_stays_one_whatever_else_is_there(
        zone in zone(),
        author in domain(),
        signatures in proptest::collection::vec((domain(), result()), 0..4),
        more in proptest::collection::vec((domain(), result()), 0..8),
        at in any::<prop::sample::Index>(),
    ) {
        let (discovery, _) = discovered(&zone, &author);
        let (before, _) = judged(&zone, &discovery, &signatures);
        let at = at.index(signatures.len() + 1);
        let with_more: Vec<_> = signatures[..at].iter().chain(&more).chain(&signatures[at..]).cloned().collect();
        let (after, _) = judged(&zone, &discovery, &with_more);
        if before.result == DmarcResult::Pass {
            prop_assert_eq!(after.result, DmarcResult::Pass);
        }
        // And in no order of them.
        let reversed: Vec<_> = signatures.iter().rev().cloned().collect();
        prop_assert_eq!(judged(&zone, &discovery, &reversed).0.result, before.result);
    }

    #[test]
    fn results_dispositions_and_policies_agree(
        zone in zone(),
        author in domain(),
        signatures in proptest::collection::vec((domain(), result()), 0..4),
    ) {
        let (discovery, _) = discovered(&zone, &author);
        let (evaluation, _) = judged(&zone, &discovery, &signatures);
        let disposition = evaluation.disposition();
        prop_assert!(disposition == Policy::None || evaluation.result == DmarcResult::Fail);
        if let Some(policy) = &evaluation.policy {
            prop_assert!(disposition <= policy.requested && policy.requested <= policy.published);
            prop_assert!(author.is_equal_or_subdomain_of(&policy.domain));
        }
        let is_aligned = evaluation.is_dkim_aligned();
        prop_assert!(is_aligned || evaluation.result != DmarcResult::Pass);
        prop_assert!(!is_aligned || evaluation.result != DmarcResult::Fail);
        // The author domain itself is always aligned.
        let own = [(author.clone(), CheckResult::Pass)];
        let with_own = judged(&zone, &discovery, &own).0;
        prop_assert_ne!(with_own.result, DmarcResult::Fail);
    }

    /// What an answer could have been decides nothing when the result is known without it.
    #[test]
    fn m16_a_result_in_spite_of_a_failure_is_the_result_with_any_answer(
        zone in zone(),
        author in domain(),
        signer in domain(),
        missing in domain(),
        late in prop_oneof![Just(""), Just("p=none"), Just("p=none; psd=n"), Just("p=none; psd=y"), Just("-")],
    ) {
        let signatures = [(signer, CheckResult::Pass)];
        let failing = zone.clone().with(&format!("_dmarc.{missing}"), TxtAnswer::Failed);
        let (discovery, _) = discovered(&failing, &author);
        let (in_spite, _) = judged(&failing, &discovery, &signatures);
        let answer = if late == "-" { TxtAnswer::NoData } else { txt(&format!("v=DMARC1; {late}")) };
        let complete = zone.with(&format!("_dmarc.{missing}"), answer);
        let (discovery, _) = discovered(&complete, &author);
        let (result, _) = judged(&complete, &discovery, &signatures);
        match in_spite.result {
            // A record without a usable policy is the one thing that the missing answer may still bring.
            DmarcResult::Pass => prop_assert!(matches!(result.result, DmarcResult::Pass | DmarcResult::PermError)),
            DmarcResult::Fail => prop_assert!(matches!(result.result, DmarcResult::Fail)),
            _ => (),
        }
    }
}
