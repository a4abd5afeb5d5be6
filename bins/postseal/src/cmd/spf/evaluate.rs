//! `check_host()` for one client, as a receiver does it: both identities, with every term, question and answer.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use dkim_core::auth_results::{AuthResults, FormatOptions, ResInfo};
use serde::Serialize;
use spf_core::check::{Progress, check_helo, check_mail_from};
use spf_core::dns::Answer;
use spf_core::identity::{Identity, Sender, Session};
use spf_core::limits::Limits;
use spf_core::outcome::{Asked, Cause, Outcome, SpfResult, TermState, TraceLine};

use tokio::time::{Instant, timeout_at};

use super::source::{NOT_IN_ZONE, Source};
use crate::exit::{Exit, Failure};

/// Records of one answer that are printed.
const MAX_SHOWN: usize = 10;

/// What a client says.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    pub(super) helo: String,
    /// The reverse path, in angle brackets.
    pub(super) path: String,
}

/// What a receiver would find and write.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    client_ip: IpAddr,
    helo: String,
    mail_from: String,
    /// The result for MAIL FROM, which is what counts for DMARC.
    result: &'static str,
    /// MAIL FROM, then HELO.
    identities: Vec<Checked>,
    /// Values of header fields.
    received_spf: String,
    authentication_results: String,
}

/// The evaluation of one identity.
#[derive(Debug, Serialize)]
pub(crate) struct Checked {
    identity: &'static str,
    domain: Option<String>,
    result: &'static str,
    /// The fixed name of the cause.
    cause: &'static str,
    reason: String,
    /// The term that decided, and whose record it stands in.
    term: Option<String>,
    term_domain: Option<String>,
    explanation: Option<String>,
    lookups: u32,
    void_lookups: u32,
    /// The question for the record of the domain.
    record: Option<Line>,
    terms: Vec<Step>,
}

/// A term of the evaluation.
#[derive(Debug, Serialize)]
struct Step {
    depth: usize,
    term: String,
    state: &'static str,
    lookups: u32,
    void_lookups: u32,
    questions: Vec<Line>,
}

/// A question and its answer.
#[derive(Debug, Serialize)]
struct Line {
    question: String,
    answer: Vec<String>,
}

/// Evaluates both identities, each for at most `time`. `receiver` is the name of the host that checks.
pub(super) async fn evaluate(
    source: &Source,
    client: &Client,
    receiver: &str,
    time: Duration,
) -> Result<Report, Failure> {
    let now = crate::mail::now().as_secs();
    let session = Session::new(client.address, &client.helo).with_receiver(receiver).with_time(now);
    let sender = Sender::from_reverse_path(client.path.as_bytes());
    let limits = Limits::default();
    let mail_from = run(source, check_mail_from(&session, &sender, &limits), time).await;
    let helo = run(source, check_helo(&session, &limits), time).await;
    let mut results = AuthResults::new(receiver);
    results.results.extend([info(&mail_from), info(&helo)]);
    let authentication_results = results.to_field_value(&FormatOptions::default()).map_err(|error| {
        Failure::new(Exit::Fail, format!("the results cannot be written: {error}"), "mend authserv_id")
    })?;
    Ok(Report {
        client_ip: client.address,
        helo: client.helo.clone(),
        mail_from: client.path.clone(),
        result: mail_from.result.as_str(),
        received_spf: mail_from.received_spf(receiver),
        authentication_results,
        identities: vec![Checked::of("MAIL FROM", &mail_from, source), Checked::of("HELO", &helo, source)],
    })
}

/// RFC 7208 §4.6.4: "Receivers SHOULD limit the total amount of time for processing", and the daemon does.
async fn run<I: Identity>(source: &Source, mut progress: Progress<I>, time: Duration) -> Outcome<I> {
    let end = Instant::now().checked_add(time);
    loop {
        let pending = match progress {
            Progress::Done(outcome) => return outcome,
            Progress::Ask(pending) => pending,
        };
        let answered = source.answer(pending.question());
        let answer = match end {
            Some(end) => timeout_at(end, answered).await.ok(),
            None => Some(answered.await),
        };
        match answer {
            Some(answer) => progress = pending.answer(answer),
            None => return pending.expire(),
        }
    }
}

/// The result as the daemon writes it.
fn info<I: Identity>(outcome: &Outcome<I>) -> ResInfo {
    let mut info = ResInfo::new("spf", outcome.result.as_str());
    if outcome.result != SpfResult::Pass {
        info = info.with_reason(reason(outcome));
    }
    match outcome.property() {
        Some((ptype, property, domain)) => info.with_prop(ptype, property, domain.as_str()),
        None => info,
    }
}

fn reason<I: Identity>(outcome: &Outcome<I>) -> String {
    match (&outcome.cause, outcome.term()) {
        (Cause::Match, Some(term)) => format!("matched {term}"),
        (cause, Some(term)) => format!("{cause}, in {term}"),
        (cause, None) => cause.to_string(),
    }
}

impl Report {
    pub(super) fn exit(&self) -> Exit {
        match self.result {
            "pass" => Exit::Pass,
            "temperror" => Exit::Temp,
            _ => Exit::Fail,
        }
    }
}

impl Checked {
    pub(crate) fn of<I: Identity>(identity: &'static str, outcome: &Outcome<I>, source: &Source) -> Self {
        let place = outcome.place.filter(|_| outcome.term().is_some());
        let domain_of = |check: usize| outcome.checks.get(check).map(|check| check.domain.to_string());
        Self {
            identity,
            domain: outcome.domain.as_ref().map(ToString::to_string),
            result: outcome.result.as_str(),
            cause: outcome.cause.code(),
            reason: reason(outcome),
            term: outcome.term().map(str::to_owned),
            term_domain: place.and_then(|place| domain_of(place.check)),
            explanation: outcome.explanation.as_ref().map(|explanation| explanation.text.clone()),
            lookups: outcome.lookups,
            void_lookups: outcome.voids,
            record: outcome.questions.first().map(|asked| Line::of(asked, source)),
            terms: outcome.trace().iter().map(|line| Step::of(line, source)).collect(),
        }
    }
}

impl Step {
    fn of(line: &TraceLine<'_>, source: &Source) -> Self {
        Self {
            depth: line.depth,
            term: line.term.to_owned(),
            state: match line.state {
                TermState::Matched => "matched",
                TermState::NotMatched => "not-matched",
                TermState::Ended => "ended",
                TermState::NotReached => "not-reached",
                TermState::Used => "used",
                TermState::NotUsed => "not-used",
                _ => "other",
            },
            lookups: line.lookups,
            void_lookups: line.voids,
            questions: line.questions.iter().map(|asked| Line::of(asked, source)).collect(),
        }
    }
}

impl Line {
    fn of(asked: &Asked, source: &Source) -> Self {
        let is_lacking = source.lacks(&asked.question.name);
        let answer = if is_lacking { vec![NOT_IN_ZONE.to_owned()] } else { texts(&asked.answer) };
        Self { question: asked.question.to_string(), answer }
    }
}

/// The records of an answer, or why there are none; printable.
fn texts(answer: &Answer) -> Vec<String> {
    let mut texts: Vec<String> = match answer {
        Answer::Txt(records) => records.texts().iter().map(|text| format!("\"{}\"", text.escape_ascii())).collect(),
        Answer::A(addresses) => addresses.iter().map(ToString::to_string).collect(),
        Answer::Aaaa(addresses) => addresses.iter().map(ToString::to_string).collect(),
        Answer::Mx(exchanges) => exchanges
            .iter()
            .map(|exchange| {
                let host = exchange.name.as_ref().map_or(".", |name| name.as_str());
                format!("{} {host}", exchange.preference)
            })
            .collect(),
        Answer::Ptr(names) => names.iter().map(ToString::to_string).collect(),
        Answer::NoData => vec!["no such record".to_owned()],
        Answer::NxDomain => vec!["no such name".to_owned()],
        Answer::Failed => vec!["no answer".to_owned()],
    };
    let more = texts.len().saturating_sub(MAX_SHOWN);
    texts.truncate(MAX_SHOWN);
    if more > 0 {
        texts.push(format!("and {more} more"));
    }
    texts
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for checked in &self.identities {
            write!(f, "{checked}")?;
        }
        writeln!(f, "Received-SPF:{}", unix_lines(&self.received_spf))?;
        writeln!(f, "Authentication-Results:{}", unix_lines(&self.authentication_results))
    }
}

/// The value of a field with line ends for a terminal.
pub(crate) fn unix_lines(value: &str) -> String {
    let value = value.replace("\r\n", "\n");
    if value.starts_with([' ', '\n']) { value } else { format!(" {value}") }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.domain.as_deref().unwrap_or("no domain");
        write!(f, "{} ({domain}): {}: {}", self.identity, self.result, self.reason)?;
        if let Some(domain) = &self.term_domain
            && self.domain.as_ref() != Some(domain)
        {
            write!(f, ", of {domain}")?;
        }
        writeln!(f)?;
        if let Some(explanation) = &self.explanation {
            writeln!(f, "  {domain} says: {explanation}")?;
        }
        if let Some(record) = &self.record {
            writeln!(f, "  {record}")?;
        }
        for step in &self.terms {
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = self.depth.saturating_mul(2);
        writeln!(f, "  {:indent$}{}: {}", "", self.term, self.state)?;
        for line in &self.questions {
            writeln!(f, "  {:indent$}  {line}", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.question, self.answer.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use engine::config;

    use super::*;

    /// As the daemon does: what is not done in time is `temperror`, whatever one question may take.
    #[test]
    fn s4_6_4_the_time_of_an_evaluation_is_limited() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = Client {
            address: Ipv4Addr::new(192, 0, 2, 1).into(),
            helo: "mail.example.com".to_owned(),
            path: "<jo@example.com>".to_owned(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let begin = std::time::Instant::now();
        let report = runtime.block_on(async {
            let source = Source::new(config::Dns::default(), &[silent.local_addr().unwrap()], None).unwrap();
            evaluate(&source, &client, "mx.example.net", Duration::from_millis(200)).await.unwrap()
        });
        assert!(begin.elapsed() < config::Dns::default().timeout, "{:?}", begin.elapsed());
        let causes: Vec<_> = report.identities.iter().map(|checked| (checked.result, checked.cause)).collect();
        assert_eq!(causes, [("temperror", "too-slow"), ("temperror", "too-slow")]);
    }
}
