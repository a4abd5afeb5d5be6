//! Who agrees to be sent reports (RFC 9990 §4).

#![expect(clippy::unwrap_used, reason = "the helpers work on data of this file; what fails there fails the test")]

mod support;

use dmarc_core::authorize::{Authorization, Refusal, ReportTag, authorize_report_uri};
use dmarc_core::dns::TxtAnswer;
use dmarc_core::domain::DomainName;
use dmarc_core::org_domain::{OrgDomainMethod, SuffixList};
use dmarc_core::uri::ReportUri;

use crate::support::{Zone, name, txt};

fn uri(text: &str) -> ReportUri {
    ReportUri::parse(text).unwrap()
}

/// What came of it, and the questions.
fn authorize(zone: &Zone, domain: &str, text: &str, tag: ReportTag) -> (Authorization, Vec<String>) {
    let mut asked = Vec::new();
    let authorization =
        authorize_report_uri(&name(domain), &uri(text), tag, OrgDomainMethod::TreeWalk).run(|question| {
            asked.push(question.to_string());
            zone.answer(question)
        });
    (authorization, asked)
}

const AT: &str = "example.com._report._dmarc.example.net";

fn external(answer: TxtAnswer) -> Authorization {
    authorize(&Zone::default().with(AT, answer), "example.com", "mailto:a@example.net", ReportTag::Rua).0
}

#[test]
fn r11_within_the_organization_no_record_is_needed() {
    let zone = Zone::new(&[("example.com", "v=DMARC1; p=none")]);
    let (authorization, asked) = authorize(&zone, "example.com", "mailto:a@example.com", ReportTag::Rua);
    assert_eq!((authorization, asked.len()), (Authorization::Internal, 0));
    let (authorization, asked) = authorize(&zone, "example.com", "mailto:a@dmarc.example.com", ReportTag::Rua);
    assert_eq!(authorization, Authorization::Internal);
    assert_eq!(asked, ["_dmarc.example.com TXT", "_dmarc.com TXT", "_dmarc.dmarc.example.com TXT"]);
    assert_eq!(authorize(&zone, "a.example.com", "mailto:a@b.example.com", ReportTag::Ruf).0, Authorization::Internal);
}

#[test]
fn r11_a_stranger_has_to_agree() {
    assert_eq!(external(txt("v=DMARC1;")), Authorization::External(vec![uri("mailto:a@example.net")]));
    let texts = ["v=spf1 -all", "v=DMARC1", "v=DMARC1; x=y"].iter().map(|text| text.as_bytes().to_vec());
    assert!(matches!(external(TxtAnswer::Records(texts.collect())), Authorization::External(_)));
    for answer in [TxtAnswer::NxDomain, TxtAnswer::NoData, txt("v=spf1 -all"), txt("v=dmarc1"), txt("")] {
        assert_eq!(external(answer), Authorization::Refused(Refusal::NoRecord));
    }
    assert_eq!(external(TxtAnswer::Failed), Authorization::TempError);
}

#[test]
fn r11_an_override_stays_at_the_same_host() {
    let own = uri("mailto:a@example.net");
    for (text, expected) in [
        ("rua=mailto:b@example.net", Authorization::External(vec![uri("mailto:b@example.net")])),
        ("ruf=mailto:b@example.org", Authorization::External(vec![own.clone()])),
        ("rua=mailto:b@example.org", Authorization::Refused(Refusal::BadOverride)),
        ("rua=mailto:b@example.net,mailto:b@example.org", Authorization::Refused(Refusal::BadOverride)),
        ("rua=mailto:b@a.example.net", Authorization::Refused(Refusal::BadOverride)),
        ("rua=https://example.net/", Authorization::Refused(Refusal::BadOverride)),
        ("rua=", Authorization::Refused(Refusal::BadOverride)),
        ("rua=b@example.net", Authorization::Refused(Refusal::BadOverride)),
    ] {
        assert_eq!(external(txt(&format!("v=DMARC1; {text}"))), expected, "{text}");
    }
    let zone = Zone::default().with(AT, txt("v=DMARC1; ruf=mailto:b@example.net"));
    let (authorization, _) = authorize(&zone, "example.com", "mailto:a@example.net", ReportTag::Ruf);
    assert_eq!(authorization, Authorization::External(vec![uri("mailto:b@example.net")]));
}

#[test]
fn r11_another_organization_below_the_same_suffix_is_a_stranger() {
    let zone = Zone::new(&[("example.com", "v=DMARC1; p=none")]);
    let (authorization, asked) = authorize(&zone, "example.com", "mailto:a@other.com", ReportTag::Rua);
    assert_eq!(authorization, Authorization::Refused(Refusal::NoRecord));
    assert_eq!(asked.last().unwrap(), "example.com._report._dmarc.other.com TXT");
    // Whether it is one hangs on an answer that is missing.
    let zone = zone.failing("com");
    assert_eq!(authorize(&zone, "example.com", "mailto:a@other.com", ReportTag::Rua).0, Authorization::TempError);
}

#[test]
fn r11_what_cannot_be_asked_or_sent_to_is_refused() {
    let zone = Zone::default();
    let (authorization, asked) = authorize(&zone, "example.com", "https://example.com/", ReportTag::Rua);
    assert_eq!((authorization, asked.len()), (Authorization::Refused(Refusal::Scheme), 0));
    let label = "a".repeat(60);
    let host = [&label[..], &label, &label, "example.net"].join(".");
    let domain = [&label[..], "example.com"].join(".");
    let (authorization, asked) = authorize(&zone, &domain, &format!("mailto:a@{host}"), ReportTag::Rua);
    assert_eq!((authorization, asked.len()), (Authorization::Refused(Refusal::NameTooLong), 0));
}

/// Suffixes of one label.
struct List;

impl SuffixList for List {
    fn suffix_labels(&self, _: &DomainName) -> usize {
        1
    }
}

#[test]
fn r11_a_list_tells_strangers_without_questions() {
    for (host, expected, questions) in [
        ("b.example.com", Authorization::Internal, 0),
        ("other.com", Authorization::Refused(Refusal::NoRecord), 1),
        ("com", Authorization::Refused(Refusal::NoRecord), 1),
    ] {
        let mut asked = 0;
        let to = uri(&format!("mailto:a@{host}"));
        let method = OrgDomainMethod::PublicSuffix(&List);
        let authorization = authorize_report_uri(&name("a.example.com"), &to, ReportTag::Rua, method).run(|_| {
            asked += 1;
            TxtAnswer::NxDomain
        });
        assert_eq!((authorization, asked), (expected, questions), "{host}");
    }
}

#[test]
fn an_authorization_whose_time_is_over_is_a_temperror() {
    let start = authorize_report_uri(
        &name("example.com"),
        &uri("mailto:a@example.net"),
        ReportTag::Rua,
        OrgDomainMethod::TreeWalk,
    );
    let dmarc_core::progress::Progress::Ask(pending) = start else { unreachable!() };
    assert_eq!(pending.expire(), Authorization::TempError);
}
