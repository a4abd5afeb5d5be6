//! The table of the module page, and everything that makes what is done milder.

use dmarc_core::discovery::discover;
use dmarc_core::dns::TxtAnswer;
use dmarc_core::domain::DomainName;
use dmarc_core::evaluate::{Identifier, Identifiers, evaluate};
use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
use dmarc_core::outcome::CheckResult;

use super::*;
use crate::config::{self, SenderDomains};
use crate::message::author::AuthorError;

const TODAY: &str = "2026-11-24";

/// The evaluation of mail from `example.com` that has this record and nothing that passes, or a signature of `signer` that does.
fn evaluation(record: &str, signer: Option<&str>) -> Evaluation {
    let dns = |question: &dmarc_core::dns::Question| match question.name.as_str() {
        "_dmarc.example.com" => TxtAnswer::Records(vec![record.as_bytes().to_vec()]),
        _ => TxtAnswer::NxDomain,
    };
    let discovery = discover(&DomainName::parse("example.com").unwrap(), TreeWalk).run(dns);
    let signer = signer.map(|signer| DomainName::parse(signer).unwrap());
    let signatures: Vec<_> = signer.iter().map(|signer| Identifier::new(signer, CheckResult::Pass)).collect();
    evaluate(&discovery, Identifiers::new(None, &signatures), TreeWalk).run(dns)
}

fn failing(policy: &str) -> Evaluation {
    evaluation(&format!("v=DMARC1; p={policy}"), None)
}

fn dmarc(text: &str) -> Dmarc {
    let (config, _) = config::parse(&format!("[dmarc]\n{text}"), std::path::Path::new("test.toml"))
        .unwrap_or_else(|found| panic!("{found}"));
    config.dmarc
}

fn circumstances(recipients: &[Option<String>]) -> Circumstances<'_> {
    Circumstances {
        is_behind_relay: false,
        is_forwarder: false,
        list_sign: None,
        is_seldom_seen: false,
        draw: 0,
        ramp: None,
        has_more_recipients: false,
        is_ours_by_relay: false,
        today: TODAY.parse().unwrap(),
        recipients,
    }
}

fn kinds(ruling: &Ruling) -> Vec<&'static str> {
    ruling.reasons.iter().map(|reason| reason.kind.as_str()).collect()
}

#[test]
fn m21_each_mode_does_what_its_row_says_and_tells_what_enforcement_would_do() {
    use Enforcement::{Observe, Quarantine, Reject, Tag};
    for (mode, policy, done, disposition, would) in [
        ("observe", "none", Observe, "none", None),
        ("observe", "quarantine", Observe, "none", Some(Quarantine)),
        ("observe", "reject", Observe, "none", Some(Reject)),
        ("tag", "none", Observe, "none", None),
        ("tag", "quarantine", Tag, "quarantine", Some(Quarantine)),
        ("tag", "reject", Tag, "quarantine", Some(Reject)),
        ("quarantine", "none", Observe, "none", None),
        ("quarantine", "quarantine", Quarantine, "quarantine", None),
        ("quarantine", "reject", Quarantine, "quarantine", Some(Reject)),
        ("reject", "none", Observe, "none", None),
        ("reject", "quarantine", Quarantine, "quarantine", None),
        ("reject", "reject", Reject, "reject", None),
    ] {
        let dmarc = dmarc(&format!("mode = \"{mode}\""));
        let ruling = rule(&failing(policy), &circumstances(&[]), &dmarc);
        assert_eq!((ruling.done, ruling.disposition().as_str()), (done, disposition), "{mode} {policy}");
        assert_eq!((ruling.would_do(), ruling.requested.as_str()), (would, policy), "{mode} {policy}");
        // RFC 9990 §3.1.1.9: a reason where the disposition is not the policy.
        assert_eq!(ruling.reasons.is_empty(), ruling.done >= ruling.would, "{mode} {policy}: {ruling:?}");
    }
}

#[test]
fn m21_the_default_does_nothing_and_a_pass_is_never_acted_upon() {
    assert_eq!(rule(&failing("reject"), &circumstances(&[]), &Dmarc::default()).done, Enforcement::Observe);
    let strictest = dmarc("mode = \"reject\"\nseldom_seen = \"reject\"");
    for evaluation in [
        evaluation("v=DMARC1; p=reject", Some("example.com")),
        evaluation("not a record", None),
        evaluation("v=DMARC1; p=what", None),
    ] {
        let ruling = rule(&evaluation, &circumstances(&[]), &strictest);
        assert_eq!(ruling, Ruling::nothing(), "{:?}", evaluation.result);
    }
}

#[test]
fn m20_t_is_one_level_lower_and_told_as_test_mode() {
    let dmarc = dmarc("mode = \"reject\"");
    let ruling = rule(&evaluation("v=DMARC1; p=reject; t=y", None), &circumstances(&[]), &dmarc);
    assert_eq!((ruling.done, kinds(&ruling)), (Enforcement::Quarantine, vec!["policy_test_mode"]));
    let ruling = rule(&evaluation("v=DMARC1; p=quarantine; t=y", None), &circumstances(&[]), &dmarc);
    assert_eq!((ruling.done, kinds(&ruling)), (Enforcement::Observe, vec!["policy_test_mode"]));
}

#[test]
fn what_is_known_beyond_the_policy_makes_it_milder_and_never_harsher() {
    use Enforcement::{Observe, Quarantine, Reject};
    let strict = dmarc("mode = \"reject\"");
    let told_otherwise = dmarc("mode = \"reject\"\nmailing_lists = \"reject\"\nseldom_seen = \"reject\"");
    let plain = circumstances(&[]);
    for (circumstances, done, kind, otherwise) in [
        (Circumstances { list_sign: Some("List-Id"), ..plain }, Quarantine, "mailing_list", Reject),
        (Circumstances { is_seldom_seen: true, ..plain }, Quarantine, "local_policy", Reject),
        (Circumstances { is_behind_relay: true, ..plain }, Quarantine, "local_policy", Quarantine),
        (Circumstances { is_forwarder: true, ..plain }, Observe, "trusted_forwarder", Observe),
        (Circumstances { is_ours_by_relay: true, ..plain }, Observe, "local_policy", Observe),
    ] {
        let ruling = rule(&failing("reject"), &circumstances, &strict);
        assert_eq!((ruling.done, kinds(&ruling)), (done, vec![kind]), "{circumstances:?}");
        assert_eq!(rule(&failing("reject"), &circumstances, &told_otherwise).done, otherwise, "{circumstances:?}");
        let observed = rule(&failing("reject"), &circumstances, &Dmarc::default());
        assert_eq!((observed.done, observed.would), (Observe, done), "shadow: {circumstances:?}");
        assert_eq!(rule(&failing("none"), &circumstances, &told_otherwise).done, Observe);
    }
}

#[test]
fn a_share_spares_the_rest_down_to_the_step_below() {
    use Enforcement::{Observe, Quarantine, Reject};
    for (mode, draw, done) in [
        ("reject", 0, Reject),
        ("reject", 24, Reject),
        ("reject", 25, Quarantine),
        ("reject", 99, Quarantine),
        ("quarantine", 24, Quarantine),
        ("quarantine", 25, Observe),
        ("tag", 25, Observe),
    ] {
        let dmarc = dmarc(&format!("mode = \"{mode}\"\nshare = 25"));
        let ruling = rule(&failing("reject"), &Circumstances { draw, ..circumstances(&[]) }, &dmarc);
        assert_eq!(ruling.done, done, "{mode} {draw}");
        assert_eq!(ruling.reasons.is_empty(), done == Reject);
    }
}

#[test]
fn an_override_hardens_and_softens_with_its_reason_until_its_day() {
    let text = "mode = \"quarantine\"\n\
        [[override]]\nsender = [\"example.com\"]\nmode = \"reject\"\npolicy = \"reject\"\nreason = \"impersonated\"\nuntil = \"2026-11-24\"\n\
        [[override]]\nsender = [\"*\"]\nmode = \"observe\"\nreason = \"second\"";
    let dmarc = dmarc(&text.replace("[[override]]", "[[dmarc.override]]"));
    let ruling = rule(&failing("none"), &circumstances(&[]), &dmarc);
    assert_eq!((ruling.done, ruling.requested), (Enforcement::Reject, Policy::Reject));
    assert_eq!(ruling.reasons, [Reason::new(ReasonKind::LocalPolicy, "impersonated")]);
    // A day later the next one counts.
    let tomorrow = Circumstances { today: "2026-11-25".parse().unwrap(), ..circumstances(&[]) };
    let ruling = rule(&failing("reject"), &tomorrow, &dmarc);
    assert_eq!((ruling.done, &*ruling.reasons[0].comment), (Enforcement::Observe, "second"));
    // What passed is left alone, whatever an override says.
    assert_eq!(
        rule(&evaluation("v=DMARC1; p=none", Some("example.com")), &circumstances(&[]), &dmarc),
        Ruling::nothing()
    );
}

#[test]
fn with_several_recipients_the_mildest_setting_counts_whatever_their_order() {
    let mut dmarc = dmarc("mode = \"reject\"");
    dmarc.overrides.push(DmarcOverride {
        senders: SenderDomains::default(),
        recipients: ["mild.example".parse::<config::SenderPattern>().unwrap()].into_iter().collect(),
        mode: Some(Enforcement::Tag),
        policy: None,
        share: None,
        reason: "readers decide".to_owned(),
        until: None,
    });
    let domain = |name: &str| Some(name.to_owned());
    for (recipients, done, several) in [
        (vec![domain("mild.example")], Enforcement::Tag, false),
        (vec![domain("strict.example")], Enforcement::Reject, false),
        (vec![None], Enforcement::Reject, false),
        (vec![domain("mild.example"), domain("strict.example")], Enforcement::Tag, true),
        (vec![domain("strict.example"), None, domain("mild.example")], Enforcement::Tag, true),
    ] {
        let ruling = rule(&failing("reject"), &circumstances(&recipients), &dmarc);
        assert_eq!(ruling.done, done, "{recipients:?}");
        assert_eq!(ruling.reasons.iter().any(|reason| reason.comment.contains("mildest")), several, "{recipients:?}");
    }
}

#[test]
fn m6_mail_without_one_author_has_a_policy_of_its_own() {
    let why = NoAuthor::From(AuthorError::SeveralFields);
    for (setting, done) in
        [("observe", Enforcement::Observe), ("quarantine", Enforcement::Quarantine), ("reject", Enforcement::Reject)]
    {
        let dmarc = dmarc(&format!("multiple_from = \"{setting}\""));
        let ruling = rule_without_author(why, &circumstances(&[]), &dmarc);
        assert_eq!((ruling.done, ruling.would), (done, Enforcement::Reject));
        let relayed = Circumstances { is_behind_relay: true, ..circumstances(&[]) };
        assert!(rule_without_author(why, &relayed, &dmarc).done <= Enforcement::Quarantine);
        let forwarded = Circumstances { is_forwarder: true, ..circumstances(&[]) };
        assert_eq!(rule_without_author(why, &forwarded, &dmarc).done, Enforcement::Observe);
    }
}

#[test]
fn an_mta_without_quarantine_leaves_the_field() {
    let mut ruling = rule(&failing("quarantine"), &circumstances(&[]), &dmarc("mode = \"reject\""));
    ruling.without_quarantine();
    assert_eq!((ruling.done, ruling.disposition()), (Enforcement::Tag, Policy::Quarantine));
    let mut ruling = rule(&failing("reject"), &circumstances(&[]), &dmarc("mode = \"reject\""));
    ruling.without_quarantine();
    assert_eq!(ruling.done, Enforcement::Reject);
}

#[test]
fn a_ramp_adds_to_the_mode_and_takes_nothing_away_and_an_override_counts_more() {
    use Enforcement::{Observe, Quarantine, Reject, Tag};
    let step = |mode, draw| Circumstances { ramp: Some(Step { mode, share: 25 }), draw, ..circumstances(&[]) };
    let over = "[[dmarc.override]]\nsender = [\"example.com\"]\nmode = \"tag\"\nreason = \"x\"";
    for (text, circumstances, done) in [
        ("", step(Quarantine, 24), Quarantine),
        ("", step(Quarantine, 25), Observe),
        ("mode = \"tag\"", step(Quarantine, 25), Tag),
        ("mode = \"quarantine\"", step(Reject, 24), Reject),
        ("mode = \"quarantine\"", step(Reject, 25), Quarantine),
        ("mode = \"reject\"", step(Observe, 0), Reject),
        ("mode = \"reject\"\nshare = 10", step(Quarantine, 99), Quarantine),
        (over, step(Reject, 0), Tag),
    ] {
        assert_eq!(rule(&failing("reject"), &circumstances, &dmarc(text)).done, done, "{text} {circumstances:?}");
    }
}

#[test]
fn recipients_beyond_the_limit_may_be_those_of_any_override() {
    let text =
        "mode = \"reject\"\n[[dmarc.override]]\nrecipient = [\"mild.example\"]\nmode = \"observe\"\nreason = \"x\"";
    let strict = [Some("strict.example".to_owned())];
    let kept = circumstances(&strict);
    assert_eq!(rule(&failing("reject"), &kept, &dmarc(text)).done, Enforcement::Reject);
    let more = Circumstances { has_more_recipients: true, ..kept };
    assert_eq!(rule(&failing("reject"), &more, &dmarc(text)).done, Enforcement::Observe);
    // Or of none.
    let harder = text.replace("mild.example", "strict.example").replace("\"observe\"", "\"reject\"");
    let harder = harder.replacen("\"reject\"", "\"tag\"", 1);
    assert_eq!(rule(&failing("reject"), &kept, &dmarc(&harder)).done, Enforcement::Reject);
    assert_eq!(rule(&failing("reject"), &more, &dmarc(&harder)).done, Enforcement::Tag);
}

#[test]
fn a_recipient_without_a_domain_has_the_override_for_all_and_not_that_for_every_domain() {
    let star = "[[dmarc.override]]\nrecipient = [\"*\"]\nmode = \"reject\"\nreason = \"x\"\n";
    let all = "[[dmarc.override]]\nsender = [\"*\"]\nmode = \"tag\"\nreason = \"y\"";
    let nobody = [None];
    let done = |text: &str| rule(&failing("reject"), &circumstances(&nobody), &dmarc(text)).done;
    assert_eq!((done(star), done(&format!("{star}{all}"))), (Enforcement::Observe, Enforcement::Tag));
}

/// Each recipient has its override, at both limits; a look at each pair would take minutes.
#[test]
fn ten_thousand_overrides_and_as_many_recipients_are_looked_at_once_each() {
    let mut dmarc = dmarc("mode = \"reject\"");
    dmarc.overrides = (0..10_000)
        .map(|number| DmarcOverride {
            senders: SenderDomains::default(),
            recipients: [format!("*.d{number}.example").parse::<config::SenderPattern>().unwrap()]
                .into_iter()
                .collect(),
            mode: Some(if number == 9_999 { Enforcement::Tag } else { Enforcement::Quarantine }),
            policy: None,
            share: None,
            reason: "x".to_owned(),
            until: None,
        })
        .collect();
    let recipients: Vec<_> = (0..10_000).map(|number| Some(format!("a.b.c.d.e.d{number}.example"))).collect();
    let ruling = rule(&failing("reject"), &circumstances(&recipients), &dmarc);
    assert_eq!(ruling.done, Enforcement::Tag);
}
