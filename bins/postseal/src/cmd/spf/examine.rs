//! A record with all it includes: the tree of its terms with running counts, whom it authorises, and what is to be mended.

use std::fmt;
use std::time::Duration;

use engine::dns::Detail;
use engine::keys::published::Severity;
use serde::Serialize;
use spf_core::dns::{Answer, Question};
use spf_core::limits::Limit;
use spf_core::name::Name;
use spf_core::survey::{RecordState, State, Survey, SurveyLimits, SurveyedTerm, survey};

use super::finding::{self, Row};
use super::near;
use super::source::{Deadline, NOT_IN_ZONE, Source};
use crate::exit::Exit;

/// Addresses of one term that are printed.
const MAX_SHOWN: usize = 4;

/// What was found about a record.
#[derive(Debug, Serialize)]
pub(crate) struct Examined {
    domain: String,
    /// `valid`, `permerror`, `none`, `unknown`.
    state: &'static str,
    record: Option<String>,
    /// The text of each record when there is none that can be used: of several, of one with an error, and of what only looks like one. Escaped,
    /// and cut.
    records: Vec<String>,
    /// Terms that ask the DNS.
    lookups: Count,
    void_lookups: Voids,
    authorised: Authorised,
    /// Whether everything was looked at.
    complete: bool,
    questions: usize,
    terms: Vec<Term>,
    pub(crate) findings: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Count {
    count: u32,
    limit: u32,
}

/// Void lookups by the client's family: `a` asks for the addresses of the one or of the other.
#[derive(Debug, Serialize)]
struct Voids {
    ipv4: u32,
    ipv6: u32,
    limit: u32,
}

#[derive(Debug, Serialize)]
struct Authorised {
    ipv4: u64,
    /// Decimal digits, since JSON has no such numbers.
    ipv6: String,
    #[serde(skip)]
    ipv6_count: u128,
    /// There are terms as well whose addresses depend on the client.
    and_others: bool,
}

#[derive(Debug, Serialize)]
struct Term {
    depth: usize,
    /// Whose record it stands in.
    domain: String,
    term: String,
    state: &'static str,
    /// The counts when it was done.
    lookups: u32,
    void_lookups_ipv4: u32,
    void_lookups_ipv6: u32,
    /// Limits that are passed here.
    crosses: Vec<&'static str>,
    /// For people: what the DNS has, or why it does not count.
    note: String,
}

/// Looks at the record of a domain and all that it includes, for at most `time`.
pub(crate) async fn examine(source: &Source, domain: Name, time: Duration) -> Examined {
    let deadline = Deadline::after(time);
    let limits = SurveyLimits::default();
    let found = survey(domain.clone(), &limits)
        .run_async(|question: Question| source.surveyed(question, &domain, &deadline))
        .await;
    let mut examined = Examined::of(&found, source, &deadline);
    // Servers that refuse so old a type say nothing about the record.
    let type99 = source.type99(&domain, &deadline).await.map(|inspection| inspection.answer);
    deadline.over();
    if let Some(Detail::Records(records)) = type99 {
        for strings in records {
            let text = strings.concat().escape_ascii().to_string();
            let same = examined.record.as_ref() == Some(&text);
            examined.findings.push(finding::type99(domain.as_str(), &text, same));
        }
        examined.findings.sort_by_key(|row| row.severity);
    }
    examined
}

impl Examined {
    fn of(found: &Survey, source: &Source, deadline: &Deadline) -> Self {
        let own = found.records.first();
        let findings = finding::rows(found, source, deadline);
        let state = match own.map(|own| &own.state) {
            Some(RecordState::Nothing | RecordState::NxDomain) | None => "none",
            Some(RecordState::Failed) => "unknown",
            _ if findings.iter().any(|row| row.severity == Severity::Failure) => "permerror",
            _ if findings.iter().any(|row| row.severity == Severity::Unanswered) => "unknown",
            _ => "valid",
        };
        let limits = found.limits.evaluation;
        let record = own.and_then(|own| own.state.record()).map(|record| record.text().to_owned());
        let records = if record.is_some() { Vec::new() } else { own.map(near::records).unwrap_or_default() };
        Self {
            domain: own.map_or_else(String::new, |own| own.domain.to_string()),
            state,
            record,
            records,
            lookups: Count { count: found.counts.lookups, limit: limits.max_lookup_terms },
            void_lookups: Voids {
                ipv4: found.counts.voids_v4,
                ipv6: found.counts.voids_v6,
                limit: limits.max_void_lookups,
            },
            authorised: Authorised {
                ipv4: found.authorised.v4,
                ipv6: found.authorised.v6.to_string(),
                ipv6_count: found.authorised.v6,
                and_others: found.authorised.and_others,
            },
            complete: found.is_complete,
            questions: found.questions,
            terms: found.terms.iter().map(|term| Term::of(found, term, source)).collect(),
            findings,
        }
    }

    /// What is certainly wrong counts more than what is not known.
    pub(crate) fn exit(&self) -> Exit {
        match self.findings.iter().map(|row| row.severity).min() {
            Some(Severity::Failure | Severity::Warning) => Exit::Fail,
            Some(Severity::Unanswered) => Exit::Temp,
            Some(Severity::Note) | None => Exit::Pass,
        }
    }

    /// Whether the record lets any client pass; `None` when that is not known.
    pub(crate) fn lets_anybody_pass(&self) -> Option<bool> {
        let Authorised { ipv4, ipv6_count, and_others, .. } = &self.authorised;
        match self.state {
            // With an error in it some clients may be let pass by what stands before.
            "unknown" | "permerror" => None,
            "none" => Some(false),
            _ => Some(*ipv4 > 0 || *ipv6_count > 0 || *and_others),
        }
    }

    /// One line when there is nothing to mend, else everything.
    pub(crate) fn write_short(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.exit() != Exit::Pass {
            return write!(f, "{self}");
        }
        write!(f, "{} SPF: {}", self.domain, self.state)?;
        match self.record {
            Some(_) => writeln!(f, ", {} of {} lookups, {}", self.lookups.count, self.lookups.limit, self.void_lookups),
            None => writeln!(f),
        }
    }

    /// A domain without a record may be one that sends no mail: here that is to be known, and no failure.
    pub(crate) fn let_be_without_record(&mut self) {
        for row in &mut self.findings {
            if matches!(row.code, "spf-no-record" | "spf-no-domain") {
                row.severity = Severity::Note;
            }
        }
    }
}

impl Term {
    fn of(found: &Survey, term: &SurveyedTerm, source: &Source) -> Self {
        Self {
            depth: term.depth,
            domain: found.records.get(term.record).map_or_else(String::new, |record| record.domain.to_string()),
            term: found.text(term).to_owned(),
            state: word(term.state),
            lookups: term.counts.lookups,
            void_lookups_ipv4: term.counts.voids_v4,
            void_lookups_ipv6: term.counts.voids_v6,
            crosses: term.crosses.iter().map(|limit| limit_word(*limit)).collect(),
            note: if finding::lacking(term, source).is_some() { NOT_IN_ZONE.to_owned() } else { note(term) },
        }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Local => "local",
        State::Found => "found",
        State::Void => "void",
        State::Failed => "failed",
        State::Depends => "depends-on-client",
        State::NotAName(_) => "no-name",
        State::NoRecord => "no-record",
        State::Loop => "loop",
        State::NotReached => "not-reached",
        State::NotUsed => "not-used",
        State::NotAsked => "not-asked",
        _ => "other",
    }
}

fn limit_word(limit: Limit) -> &'static str {
    match limit {
        Limit::LookupTerms => "lookups",
        Limit::VoidLookups => "void-lookups",
        Limit::MxNames => "mx-names",
        _ => "other",
    }
}

/// What the DNS has for a term, or why it does not count.
fn note(term: &SurveyedTerm) -> String {
    match term.state {
        State::Local | State::NotUsed => String::new(),
        State::Found => addresses(term),
        State::Void => "nothing in the DNS".to_owned(),
        State::Failed => "the DNS did not answer".to_owned(),
        State::Depends => "depends on the client".to_owned(),
        State::NotAName(error) => error.to_string(),
        State::NoRecord => "no usable SPF record".to_owned(),
        State::Loop => "leads back".to_owned(),
        State::NotReached => "never evaluated".to_owned(),
        _ => "not looked at".to_owned(),
    }
}

fn addresses(term: &SurveyedTerm) -> String {
    let mut all: Vec<String> = Vec::new();
    for (_, answer) in &term.asked {
        match answer {
            Answer::A(addresses) => all.extend(addresses.iter().map(ToString::to_string)),
            Answer::Aaaa(addresses) => all.extend(addresses.iter().map(ToString::to_string)),
            _ => (),
        }
    }
    let more = all.len().saturating_sub(MAX_SHOWN);
    all.truncate(MAX_SHOWN);
    let shown = all.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

impl fmt::Display for Voids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ipv4, self.ipv6) {
            (ipv4, ipv6) if ipv4 == ipv6 => write!(f, "{ipv4} of {} void", self.limit),
            (ipv4, ipv6) => write!(f, "{ipv4} of {} void with IPv4, {ipv6} with IPv6", self.limit),
        }
    }
}

impl fmt::Display for Authorised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ipv4 == 1 << 32 && self.ipv6_count == u128::MAX {
            return f.write_str("authorises every address");
        }
        write!(f, "authorises {} of IPv4 and {} of IPv6", self.ipv4, Ipv6(self.ipv6_count))?;
        if self.and_others { f.write_str(", and clients that cannot be counted") } else { Ok(()) }
    }
}

/// A number of IPv6 addresses as people think of it: as prefixes.
struct Ipv6(u128);

impl fmt::Display for Ipv6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OF_64: u128 = 1 << 64;
        match self.0 {
            u128::MAX => f.write_str("2^128 (all)"),
            count if count >= OF_64 && count.is_power_of_two() => {
                let bits = count.trailing_zeros();
                write!(f, "2^{bits} (a /{})", 128_u32.saturating_sub(bits))
            }
            count if count >= OF_64 && count % OF_64 == 0 => write!(f, "{} x 2^64 (/64 networks)", count / OF_64),
            count if count >= OF_64 => write!(f, "{} x 2^64 (/64 networks) and {}", count / OF_64, count % OF_64),
            count => write!(f, "{count}"),
        }
    }
}

impl fmt::Display for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} SPF: {}", self.domain, self.state)?;
        if let Some(record) = &self.record {
            writeln!(f, "  {record}")?;
            writeln!(f, "  lookups void")?;
            for term in &self.terms {
                write!(f, "{term}")?;
            }
            writeln!(f, "  {} of {} lookups, {}", self.lookups.count, self.lookups.limit, self.void_lookups)?;
            writeln!(f, "  {}", self.authorised)?;
        }
        for record in &self.records {
            writeln!(f, "  {record}")?;
        }
        for Row { severity, code, domain, term, what, fix, count } in &self.findings {
            let place = match term {
                Some(term) if *domain == self.domain => format!("{term}: "),
                Some(term) => format!("{term} of {domain}: "),
                None => String::new(),
            };
            write!(f, "  {}[{code}]: {place}{what}", severity.as_str())?;
            if *count > 1 {
                write!(f, " ({count} times)")?;
            }
            writeln!(f)?;
            if !fix.is_empty() {
                writeln!(f, "    fix: {fix}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let voids = self.void_lookups_ipv4.max(self.void_lookups_ipv6);
        let indent = self.depth.saturating_mul(2);
        write!(f, "  {:>7} {voids:>4}  {:indent$}{}", self.lookups, "", self.term)?;
        if !self.note.is_empty() {
            write!(f, "  ({})", self.note)?;
        }
        for limit in &self.crosses {
            write!(
                f,
                "  <== {}",
                match *limit {
                    "lookups" => "too many lookups: permerror from here on",
                    "void-lookups" => "too many void lookups: permerror from here on",
                    "mx-names" => "too many mail exchangers: permerror",
                    other => other,
                }
            )?;
        }
        writeln!(f)
    }
}
