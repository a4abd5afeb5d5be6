//! Targets of `dmarc-core`: the record parser, and whole messages with answers made from the input.

use std::collections::HashSet;

use dmarc_core::authorize::{Authorization, ReportTag, authorize_report_uri};
use dmarc_core::discovery::{Finding, discover};
use dmarc_core::dns::{Question, TxtAnswer};
use dmarc_core::domain::DomainName;
use dmarc_core::evaluate::{Identifier, Identifiers, MAX_WALKS, evaluate};
use dmarc_core::lint::{MAX_FINDINGS, Role, lint};
use dmarc_core::org_domain::{OrgDomainMethod, SuffixList};
use dmarc_core::outcome::{CheckResult, DmarcResult};
use dmarc_core::record::{MAX_REPORT_URIS, MAX_WARNINGS, Policy, Record, Standing};
use dmarc_core::tree_walk::MAX_QUESTIONS;
use dmarc_core::uri::ReportUri;

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("dmarc_record", dmarc_record), ("dmarc_discovery", dmarc_discovery)];

/// A record, as receivers read it and as the linter does. Every warning has its place in the text, lists are bounded, addresses can be written as they
/// stand, and white space between tags means nothing; a corrected text is a good record with nothing left to correct.
pub fn dmarc_record(data: &[u8]) {
    for role in [Role::Organizational, Role::Subdomain] {
        linted(data, role);
    }
    let record = match Record::parse(data) {
        Ok(record) => record,
        Err(_) => return assert!(!Record::has_version(data)),
    };
    assert!(Record::has_version(data));
    assert_eq!(record.text(), data);
    assert!(record.warnings().len() <= MAX_WARNINGS);
    for warning in record.warnings() {
        assert!(data.get(warning.span.clone()).is_some() && !warning.to_string().is_empty());
    }
    for uris in [&record.rua, &record.ruf] {
        assert!(uris.len() <= MAX_REPORT_URIS);
        for uri in uris {
            let again = ReportUri::parse(uri.as_str()).expect("a URI that was read");
            assert_eq!((again.as_str(), again.mailbox()), (uri.as_str(), uri.mailbox()));
            let address = uri.mailbox().map(ToString::to_string).unwrap_or_default();
            assert!(
                !address.contains(|char: char| char.is_control() || char.is_whitespace() || "<>,;\"".contains(char))
            );
        }
    }
    let spaced: Vec<u8> = data.split(|&byte| byte == b';').collect::<Vec<_>>().join(&b" ;\t"[..]);
    if let Ok(spaced) = Record::parse(&spaced) {
        let tags =
            |record: &Record| (record.p, record.sp, record.np, record.psd, record.is_testing, record.fo, record.pct);
        assert_eq!(tags(&spaced), tags(&record));
        assert_eq!((&spaced.rua, &spaced.ruf, spaced.standing()), (&record.rua, &record.ruf, record.standing()));
    }
}

fn linted(data: &[u8], role: Role) {
    let found = lint(data, role);
    assert_eq!(found.record.is_some(), Record::has_version(data));
    assert!(found.findings.len() <= MAX_FINDINGS);
    for finding in &found.findings {
        assert!(data.get(finding.span.clone()).is_some() && !finding.problem.what().is_empty());
        assert!(finding.excerpt(data).bytes().all(|octet| octet.is_ascii_graphic() || octet == b' '));
    }
    if let Some(corrected) = found.corrected {
        assert!(corrected.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' '));
        let again = lint(corrected.as_bytes(), role);
        assert_eq!(again.record.map(|record| record.standing()), Some(Standing::Complete));
        assert_eq!(again.corrected, None);
    }
}

/// A list whose suffixes have so many labels.
struct Labels(usize);

impl SuffixList for Labels {
    fn suffix_labels(&self, _: &DomainName) -> usize {
        self.0
    }
}

/// A message. The input is lines: author domain, domain of MAIL FROM, domains of signatures with blanks between; "!" before a domain says that its
/// check failed for want of the DNS, "-" that it failed. Then answers in the order of the questions: TXT as text (several records with "|" between),
/// and "!" "?" "-" for a failure, no data and no name.
///
/// Questions are bounded and no name is asked about twice, by either method; result, policy and alignment agree; reports about the policy go
/// nowhere but to hosts of its record.
pub fn dmarc_discovery(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let Ok(author) = DomainName::parse_bytes(line()) else { return };
    let mail_from = checked(line());
    let signatures: Vec<_> = line().split(|&byte| byte == b' ').filter_map(checked).take(40).collect();
    let answers: Vec<&[u8]> = lines.collect();
    for method in [
        OrgDomainMethod::TreeWalk,
        OrgDomainMethod::PublicSuffix(&Labels(1)),
        OrgDomainMethod::PublicSuffix(&Labels(2)),
    ] {
        judge(&author, mail_from.as_ref(), &signatures, &answers, method);
    }
}

type Checked = (DomainName, CheckResult);

fn checked(text: &[u8]) -> Option<Checked> {
    let (result, domain) = match text {
        [b'!', domain @ ..] => (CheckResult::TempError, domain),
        [b'-', domain @ ..] => (CheckResult::Other, domain),
        domain => (CheckResult::Pass, domain),
    };
    DomainName::parse_bytes(domain).ok().map(|domain| (domain, result))
}

fn answer(line: Option<&[u8]>) -> TxtAnswer {
    match line {
        None | Some(b"!") => TxtAnswer::Failed,
        Some(b"?") => TxtAnswer::NoData,
        Some(b"-") => TxtAnswer::NxDomain,
        Some(text) => TxtAnswer::Records(text.split(|&byte| byte == b'|').map(<[u8]>::to_vec).collect()),
    }
}

fn judge(
    author: &DomainName,
    mail_from: Option<&Checked>,
    signatures: &[Checked],
    answers: &[&[u8]],
    method: OrgDomainMethod<'_>,
) {
    let mut left = answers.iter().copied();
    let mut asked: Vec<Question> = Vec::new();
    let mut lookup = |question: &Question| {
        asked.push(question.clone());
        answer(left.next())
    };
    let discovery = discover(author, method).run(&mut lookup);
    let identifier = |(domain, result): &'_ Checked| (domain.clone(), *result);
    let owned: Vec<_> = signatures.iter().map(identifier).collect();
    let dkim: Vec<_> = owned.iter().map(|(domain, result)| Identifier::new(domain, *result)).collect();
    let mail_from = mail_from.map(|(domain, result)| Identifier::new(domain, *result));
    let evaluation = evaluate(&discovery, Identifiers::new(mail_from, &dkim), method).run(&mut lookup);
    assert!(asked.len() <= MAX_QUESTIONS + 1 + (MAX_QUESTIONS - 1) * (MAX_WALKS + 1) + MAX_WALKS);
    assert_eq!(asked.iter().collect::<HashSet<_>>().len(), asked.len());
    assert_eq!(evaluation.dkim.len(), dkim.len());

    let is_aligned = evaluation.is_dkim_aligned() || evaluation.is_spf_aligned();
    assert!(is_aligned || evaluation.result != DmarcResult::Pass);
    assert!(!is_aligned || evaluation.result != DmarcResult::Fail);
    assert!(evaluation.disposition() == Policy::None || evaluation.result == DmarcResult::Fail);
    assert_eq!(evaluation.policy.is_some(), matches!(discovery.finding, Finding::Policy(_)));
    let Some(policy) = &evaluation.policy else { return };
    assert!(author.is_equal_or_subdomain_of(&policy.domain) && policy.requested <= policy.published);
    assert!(policy.for_sample(99) <= policy.requested);

    let Finding::Policy(found) = &discovery.finding else { return };
    for uri in &found.record.rua {
        let authorization =
            authorize_report_uri(&policy.domain, uri, ReportTag::Rua, method).run(|_| answer(left.next()));
        if let Authorization::External(uris) = authorization {
            let host = |uri: &ReportUri| uri.mailbox().map(|mailbox| mailbox.domain.clone());
            assert!(!uris.is_empty() && uris.iter().all(|other| host(other) == host(uri)));
        }
    }
}
