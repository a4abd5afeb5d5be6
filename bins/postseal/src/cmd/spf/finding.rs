//! What is wrong in a record or unwise, in words, with what to do about it.

use std::collections::HashMap;

use engine::keys::published::Severity;
use serde::Serialize;
use spf_core::dns::{Answer, Question, RecordKind};
use spf_core::limits::Limit;
use spf_core::name::Name;
use spf_core::survey::{Finding, Problem, RecordState, Survey, Surveyed, SurveyedTerm};

use super::near;
use super::source::{Deadline, NOT_IN_ZONE, Source};

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) severity: Severity,
    /// Its fixed name.
    pub(crate) code: &'static str,
    /// Whose record it is about.
    pub(crate) domain: String,
    /// The term it is about.
    pub(crate) term: Option<String>,
    pub(crate) what: String,
    pub(crate) fix: String,
    /// How often it was found: the same of the same term of a record counts once more.
    pub(crate) count: usize,
}

/// What a finding is called, how much it matters, what it is and what to do.
struct Words {
    code: &'static str,
    severity: Severity,
    what: String,
    fix: String,
}

impl Words {
    fn new(code: &'static str, severity: Severity, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, severity, what: what.into(), fix: fix.into() }
    }

    fn at(self, domain: &str, term: Option<&str>) -> Row {
        let (domain, term) = (domain.to_owned(), term.map(str::to_owned));
        Row { severity: self.severity, code: self.code, domain, term, what: self.what, fix: self.fix, count: 1 }
    }
}

/// All findings of a survey, the most important first.
pub(super) fn rows(survey: &Survey, source: &Source, deadline: &Deadline) -> Vec<Row> {
    let found = survey.findings();
    let found = found.iter().filter(|finding| !is_late(survey, finding, deadline));
    let mut rows: Vec<Row> = found.map(|finding| row(survey, finding, source)).collect();
    if deadline.late() > 0 {
        let what = format!(
            "{} questions had no answer when the {} s of the survey were over, and what they lead to was not looked at",
            deadline.late(),
            deadline.time.as_secs()
        );
        let domain = survey.records.first().map_or("", |record| record.domain.as_str());
        let fix = "give it more time with `--timeout`, or look why the name servers are slow";
        rows.push(Words::new("spf-time-over", Severity::Unanswered, what, fix).at(domain, None));
    }
    rows.extend(survey.records.iter().flat_map(near_misses));
    rows.extend(shared(survey));
    let mut rows = once(rows);
    // Stable: in the order of the terms otherwise.
    rows.sort_by_key(|row| row.severity);
    rows
}

/// What is said twice of the same term of the same record, or of a record that is included again, once with its number.
fn once(rows: Vec<Row>) -> Vec<Row> {
    let mut known: HashMap<(&'static str, String, Option<String>, String), usize> = HashMap::new();
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        let about = (row.code, row.domain.clone(), row.term.clone(), row.what.clone());
        let place = *known.entry(about).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(same) => same.count = same.count.saturating_add(1),
            None => kept.push(row),
        }
    }
    kept
}

/// The name that nobody was asked for, since it is not in the zone file.
pub(super) fn lacking<'t>(term: &'t SurveyedTerm, source: &Source) -> Option<&'t Name> {
    let failed = term.asked.iter().filter(|(_, answer)| matches!(answer, Answer::Failed));
    failed.map(|(question, _)| &question.name).find(|name| source.lacks(name))
}

/// Whether only the time of the survey was too short for an answer.
fn is_late(survey: &Survey, finding: &Finding, deadline: &Deadline) -> bool {
    if finding.problem != Problem::Unanswered || deadline.late() == 0 {
        return false;
    }
    let own = || survey.records.first().map(|record| Question::new(record.domain.clone(), RecordKind::Txt));
    match finding.term.and_then(|index| survey.terms.get(index)) {
        Some(term) => term.asked.iter().any(|(question, _)| deadline.was_late(question)),
        None => own().is_some_and(|question| deadline.was_late(&question)),
    }
}

fn not_in_zone(name: &Name) -> Words {
    let what = format!("{name} is {NOT_IN_ZONE}");
    let fix = "give `--nameserver ADDRESS:PORT` beside `--zone`, or put the records of the name into the file";
    Words::new("spf-not-in-zone", Severity::Unanswered, what, fix)
}

fn row(survey: &Survey, finding: &Finding, source: &Source) -> Row {
    let term = finding.term.and_then(|index| survey.terms.get(index));
    let record = survey.records.get(finding.record);
    let domain = record.map_or("", |record| record.domain.as_str());
    let lacking = match (&finding.problem, term) {
        (Problem::Unanswered, Some(term)) => lacking(term, source),
        _ => None,
    };
    let words = match lacking {
        Some(name) => not_in_zone(name),
        None if finding.problem == Problem::NoRecord && record.is_some_and(|record| source.lacks(&record.domain)) => {
            let what = format!("the domain has no SPF record: {domain} is {NOT_IN_ZONE}");
            Words::new("spf-no-record", Severity::Failure, what, "put the record into the file")
        }
        None => words(survey, &finding.problem, finding.record == 0, term),
    };
    words.at(domain, term.map(|term| survey.text(term)))
}

fn words(survey: &Survey, problem: &Problem, is_own: bool, term: Option<&SurveyedTerm>) -> Words {
    use Severity::{Failure, Note, Unanswered, Warning};
    let target = term.and_then(|term| term.led_to).and_then(|index| survey.records.get(index));
    let target = target.map_or("", |target| target.domain.as_str());
    match problem {
        Problem::NoRecord if is_nxdomain(survey) => Words::new(
            "spf-no-domain",
            Failure,
            "there is no such domain in the DNS",
            "look whether the name is right; a domain that is registered and has any record exists",
        ),
        Problem::NoRecord => Words::new(
            "spf-no-record",
            Failure,
            "the domain has no SPF record",
            "publish one TXT record at the domain: `v=spf1 mx -all` if only its mail exchangers send, `v=spf1 -all` if it sends no mail",
        ),
        Problem::SeveralRecords => Words::new(
            "spf-several-records",
            Failure,
            several(target),
            "keep one: put the terms of all of them behind one `v=spf1`, with one `all` at the end",
        ),
        Problem::Syntax(error) => {
            let of = if target.is_empty() { String::new() } else { format!(" of {target}") };
            Words::new(
                "spf-syntax",
                Failure,
                format!("syntax error in the record{of}: {error}; receivers answer `permerror`"),
                mend_term(error),
            )
        }
        Problem::Limit(limit) => limit_words(survey, *limit),
        Problem::BrokenTarget => {
            let what = format!(
                "{} has no SPF record, which is `permerror` for every client that comes to this term",
                quoted(target)
            );
            Words::new("spf-target-without-record", Failure, what, "remove the term, or mend the name")
        }
        Problem::Loop => Words::new(
            "spf-loop",
            Failure,
            "this leads back into a record that is being read, so that no evaluation comes to an end within the limits",
            "remove the term",
        ),
        Problem::Name(error) => Words::new(
            "spf-name",
            if is_own { Failure } else { Warning },
            format!("the name cannot be asked about: {error}"),
            "mend the name",
        ),
        Problem::Unanswered => Words::new("spf-unanswered", Unanswered, "the DNS did not answer", "try again later"),
        Problem::Incomplete => {
            let (questions, terms) = (survey.limits.max_questions, survey.limits.max_terms);
            let what = format!(
                "not everything was looked at: the record leads to more than {questions} questions or {terms} terms, or too deep"
            );
            Words::new("spf-incomplete", Warning, what, "let it include less")
        }
        Problem::PassAll => {
            let fix = if is_own { "end it with `-all` or `~all`" } else { "do not include this record" };
            Words::new("spf-pass-all", Warning, "everybody passes: this term matches every client, with `pass`", fix)
        }
        Problem::NeutralEnd => Words::new(
            "spf-neutral-end",
            Warning,
            "the record says nothing about clients that it does not name: it ends with `?all`, or without `all`",
            "end it with `~all`, or with `-all` when all that sends for the domain is in it",
        ),
        Problem::Pointer => Words::new(
            "spf-ptr",
            Warning,
            "`ptr` is slow and not dependable, and some receivers skip it; RFC 7208 §5.5: it should not be published",
            "name the hosts with `a:`, or their networks with `ip4:` and `ip6:`",
        ),
        Problem::BehindAll => Words::new(
            "spf-behind-all",
            Warning,
            "nobody evaluates this term: it stands behind `all`, or is a `redirect=` beside one",
            "put `all` at the end, or remove the term",
        ),
        Problem::Void => Words::new(
            "spf-void",
            if is_own { Warning } else { Note },
            "the DNS has nothing for this term: it authorises nobody and counts as a void lookup, of which two are allowed",
            "remove the term, or mend the name",
        ),
        Problem::NoAddress => Words::new(
            "spf-no-address",
            if is_own { Warning } else { Note },
            "this term authorises nobody: the mail exchangers that the DNS names have no address, or it says that there are none",
            "remove the term, or give the mail exchangers addresses",
        ),
        Problem::DependsOnClient => Words::new(
            "spf-depends-on-client",
            Note,
            "whom this term authorises depends on the client or the sender, and is in no sum",
            "see what it does for one client with `--ip`",
        ),
        Problem::LongRecord(octets) => Words::new(
            "spf-long-record",
            Warning,
            format!(
                "name and text have {octets} octets; RFC 7208 §3.4 wants 450 at most, so that answers fit into UDP packets everywhere"
            ),
            "move terms into records of their own and include these, as far as ten lookups allow; or name larger networks",
        ),
        Problem::LongAnswer(octets) => Words::new(
            "spf-long-answer",
            Note,
            format!("name and text of all TXT records here have {octets} octets, above the 450 of RFC 7208 §3.4"),
            "remove TXT records that nobody needs any more",
        ),
        // A newer library may find more.
        other => Words::new("spf-other", Warning, format!("{other:?}"), ""),
    }
}

/// Whether the DNS has not even a name.
fn is_nxdomain(survey: &Survey) -> bool {
    survey.records.first().is_some_and(|record| matches!(record.state, RecordState::NxDomain))
}

fn several(target: &str) -> String {
    let whose = if target.is_empty() { "the domain".to_owned() } else { target.to_owned() };
    format!("{whose} has more than one SPF record, so receivers answer `permerror`")
}

fn quoted(name: &str) -> String {
    if name.is_empty() { "the target".to_owned() } else { name.to_owned() }
}

fn mend_term(error: &spf_core::record::RecordError) -> String {
    if error.term.is_empty() { "mend the record".to_owned() } else { format!("mend or remove `{}`", error.term) }
}

fn limit_words(survey: &Survey, limit: Limit) -> Words {
    let (counts, limits) = (survey.counts, survey.limits.evaluation);
    match limit {
        Limit::VoidLookups => {
            let whom = match (counts.voids_v4 > limits.max_void_lookups, counts.voids_v6 > limits.max_void_lookups) {
                (false, true) => "clients with IPv6 addresses that come",
                (true, false) => "clients with IPv4 addresses that come",
                _ => "clients that come",
            };
            let most = limits.max_void_lookups;
            let what = format!(
                "this is where more than {most} lookups found nothing (there are {}): `permerror` for {whom} so far",
                counts.voids()
            );
            let fix = "remove terms whose names do not exist; replace `a:` of hosts with only one kind of address by `ip4:` or `ip6:`";
            Words::new("spf-too-many-void-lookups", Severity::Failure, what, fix)
        }
        Limit::MxNames => {
            let what = format!("the name has more than {} mail exchangers, which is `permerror`", limits.max_mx_names);
            Words::new(
                "spf-too-many-mx",
                Severity::Failure,
                what,
                "replace `mx` by the networks of the hosts: `ip4:` and `ip6:`",
            )
        }
        _ => {
            let most = limits.max_lookup_terms;
            let what = format!(
                "this is where more than {most} terms ask the DNS (there are {}): `permerror` for every client that no earlier term matches",
                counts.lookups
            );
            let fix = "remove includes of services that send no more mail for you; replace `a`, `mx` and small includes by `ip4:` and `ip6:`; \
                       or let services send from subdomains with records of their own";
            Words::new("spf-too-many-lookups", Severity::Failure, what, fix)
        }
    }
}

/// Texts that were meant as records, of the domain and of those that it includes.
fn near_misses(surveyed: &Surveyed) -> Vec<Row> {
    let row = |(text, why)| {
        let what = format!("{} has a TXT record that looks like SPF and is none: {text}", surveyed.domain);
        Words::new("spf-near-miss", Severity::Warning, what, why).at(surveyed.domain.as_str(), None)
    };
    near::misses(surveyed).into_iter().map(row).collect()
}

/// Shared records that are included, each provider once.
fn shared(survey: &Survey) -> Vec<Row> {
    let mut known: Vec<&'static str> = Vec::new();
    let mut rows = Vec::new();
    for term in &survey.terms {
        let Some(target) = term.led_to.and_then(|index| survey.records.get(index)) else { continue };
        let Some(provider) = super::providers::provider(&target.domain) else { continue };
        if known.contains(&provider) {
            continue;
        }
        known.push(provider);
        let what = format!(
            "{} authorises the servers of {provider}, which all of its customers send from: SPF passes for mail with your domain as envelope \
             sender that another customer sends, unless {provider} looks who may use it",
            target.domain
        );
        let fix = "sign the mail that it sends for you with DKIM of your own domain, and publish DMARC; include it for a subdomain only, if mail \
                   of that is all it sends";
        let domain = survey.records.get(term.record).map_or("", |record| record.domain.as_str());
        rows.push(Words::new("spf-shared-provider", Severity::Note, what, fix).at(domain, Some(survey.text(term))));
    }
    rows
}

/// A record of the dropped type 99, with this text.
pub(super) fn type99(domain: &str, text: &str, same: bool) -> Row {
    let differs = if same { "" } else { ", and it says something else than the TXT record" };
    let what = format!(
        "the domain has a record of the type SPF (99) as well, which RFC 7208 §3.1 dropped and receivers do not read{differs}: {text}"
    );
    Words::new("spf-type-99", Severity::Warning, what, "remove it; the TXT record is the SPF record").at(domain, None)
}
