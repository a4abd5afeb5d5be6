//! The examples of RFC 9989 and RFC 9990 as data (`tests/vectors/dmarc-rfc9989`).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers read data of this package; what fails there fails the test"
)]

mod support;

use std::sync::LazyLock;

use dmarc_core::authorize::{Authorization, ReportTag, authorize_report_uri};
use dmarc_core::discovery::Finding;
use dmarc_core::dns::TxtAnswer;
use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
use dmarc_core::outcome::DmarcResult;
use dmarc_core::tree_walk::{Level, targets};
use dmarc_core::uri::ReportUri;
use serde_json::Value;

use crate::support::{Zone, name, txt};

static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("vectors/dmarc-rfc9989/examples.json")).unwrap());

fn cases(list: &str) -> &'static [Value] {
    EXAMPLES[list].as_array().unwrap()
}

fn zone(case: &Value) -> Zone {
    let records = case["dns"].as_object().unwrap();
    records.iter().fold(Zone::default(), |zone, (name, text)| zone.with(name, txt(text.as_str().unwrap())))
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The organizational domain as the public interface shows it: of the domain and the names above it, the shortest that is aligned with it.
fn organization(zone: &Zone, domain: &str) -> String {
    let mut candidates: Vec<String> = Vec::new();
    let mut rest = Some(domain);
    while let Some(text) = rest {
        candidates.push(text.to_owned());
        rest = text.split_once('.').map(|(_, parent)| parent);
    }
    let evaluation = zone.evaluate(domain, Some(domain), &candidates.iter().map(String::as_str).collect::<Vec<_>>());
    let aligned = evaluation.dkim.iter().filter(|report| report.is_aligned_pass());
    aligned.map(|report| report.domain.to_string()).next_back().unwrap_or_default()
}

#[test]
fn s4_10_tree_walks_ask_the_names_of_the_examples() {
    assert_eq!(cases("tree_walk").len(), 6);
    for case in cases("tree_walk") {
        let (id, domain, zone) = (&case["id"], case["domain"].as_str().unwrap(), zone(case));
        let expected = texts(&case["queries"]);
        // What the whole walk may ask about.
        let names: Vec<String> = targets(&name(domain)).iter().map(|name| format!("_dmarc.{name}")).collect();
        assert!(names.starts_with(&expected), "{id}: {names:?}");
        // None of the starts has a record, so that the discovery is the whole walk.
        let (_, asked) = zone.discover_asking(domain);
        assert_eq!(asked, expected.iter().map(|name| format!("{name} TXT")).collect::<Vec<_>>(), "{id}");
    }
}

#[test]
fn s4_10_2_tree_walks_lead_to_the_organizational_domains_of_the_examples() {
    for case in cases("tree_walk") {
        let (id, domain, zone) = (&case["id"], case["domain"].as_str().unwrap(), zone(case));
        let discovery = zone.discover(domain);
        match &discovery.finding {
            // Without any record DMARC does not apply, and the organizational domain is the start.
            Finding::NoPolicy => {
                assert!(discovery.asked().iter().all(|asked| !matches!(asked.level, Level::Record(_))), "{id}");
                assert_eq!(case["org"], domain, "{id}");
            }
            _ => assert_eq!(organization(&zone, domain), case["org"].as_str().unwrap(), "{id}"),
        }
    }
}

#[test]
fn b4_whole_messages() {
    assert_eq!(cases("messages").len(), 3);
    for case in cases("messages") {
        let text = |key: &str| case[key].as_str().unwrap();
        let (id, zone) = (text("id"), zone(case));
        let author = text("author_domain");
        let evaluation = zone.evaluate(author, Some(text("mail_from_domain")), &[text("dkim_domain")]);
        assert_eq!(evaluation.is_spf_aligned(), case["spf_aligned"], "{id}");
        assert_eq!(evaluation.is_dkim_aligned(), case["dkim_aligned"], "{id}");
        assert_eq!(evaluation.policy.as_ref().unwrap().domain.as_str(), text("policy_domain"), "{id}");
        assert_eq!(evaluation.result, DmarcResult::Pass, "{id}");
        assert_eq!(organization(&zone, author), text("org_author"), "{id}");
        assert_eq!(organization(&zone, text("dkim_domain")), text("org_dkim"), "{id}");
        if let Some(queries) = case.get("author_queries") {
            let (_, asked) = zone.discover_asking(author);
            assert_eq!(asked, texts(queries).iter().map(|name| format!("{name} TXT")).collect::<Vec<_>>(), "{id}");
        }
    }
}

#[test]
fn b1_alignment_table() {
    assert_eq!(cases("alignment").len(), 6);
    for case in cases("alignment") {
        let (author, identifier) = (case["author"].as_str().unwrap(), case["auth_id"].as_str().unwrap());
        for (mode, expected) in [("s", &case["strict"]), ("r", &case["relaxed"])] {
            let zone = Zone::new(&[("example.com", &format!("v=DMARC1; p=reject; adkim={mode}; aspf={mode}"))]);
            let by_dkim = zone.evaluate(author, None, &[identifier]);
            let by_spf = zone.evaluate(author, Some(identifier), &[]);
            assert_eq!(by_dkim.result == DmarcResult::Pass, *expected, "{case} {mode}");
            assert_eq!(by_spf.result == DmarcResult::Pass, *expected, "{case} {mode}");
        }
    }
}

#[test]
fn rfc9990_s4_names_of_external_destinations() {
    assert_eq!(cases("external_report_destination").len(), 2);
    for case in cases("external_report_destination") {
        let (domain, uri) = (case["policy_domain"].as_str().unwrap(), case["uri"].as_str().unwrap());
        let mut asked = Vec::new();
        let uri = ReportUri::parse(uri).unwrap();
        let authorization = authorize_report_uri(&name(domain), &uri, ReportTag::Rua, TreeWalk).run(|question| {
            asked.push(question.name.to_string());
            if question.name.as_str().contains("._report.") { txt("v=DMARC1;") } else { TxtAnswer::NxDomain }
        });
        assert_eq!(asked.last().unwrap(), case["query"].as_str().unwrap());
        assert_eq!(authorization, Authorization::External(vec![uri]));
    }
}
