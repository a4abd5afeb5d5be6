//! Targets of `spf-core`: the record parser, and whole checks and surveys with answers made from the input.

use std::net::IpAddr;

use spf_core::check::{check_helo, check_mail_from};
use spf_core::dns::{Answer, Question, RecordKind};
use spf_core::identity::{Identity, Sender, Session};
use spf_core::limits::{Limits, RecordLimits};
use spf_core::name::Name;
use spf_core::outcome::Outcome;
use spf_core::record::Record;
use spf_core::survey::{Counts, SurveyLimits, survey};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("spf_record", spf_record), ("spf_check", spf_check), ("spf_survey", spf_survey)];

/// A record. What is accepted is printable ASCII, reads back the same term by term, and every place lies in the text; an error has its place.
pub fn spf_record(data: &[u8]) {
    let record = match Record::parse(data, RecordLimits::default()) {
        Ok(record) => record,
        Err(error) => return assert!(error.at <= data.len() && error.term.is_ascii()),
    };
    assert_eq!(record.text().as_bytes(), data);
    assert!(data.iter().all(|byte| matches!(byte, b' '..=b'~')));
    let terms: Vec<&str> = (0..record.terms().len()).map(|index| record.term_text(index)).collect();
    let words: Vec<&str> = record.text().split(' ').skip(1).filter(|word| !word.is_empty()).collect();
    assert_eq!(terms, words);
    // Terms do not depend on each other, but for the two modifiers that come once.
    for term in terms {
        let alone =
            Record::parse(format!("v=spf1 {term}"), RecordLimits::default()).expect("a term of a record that parsed");
        assert_eq!(alone.terms().len(), 1);
    }
}

/// A check. The input is lines: client, HELO, reverse path, then answers in the order of the questions: TXT as text (several records with "|"
/// between), addresses with "@" before, hosts of an mx with "^", names of the client with "&", and "!" "?" "-" for a failure, no data and no name.
///
/// Never more questions than the limits allow, and what is reported agrees with what was asked.
pub fn spf_check(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let client =
        std::str::from_utf8(line()).ok().and_then(|text| text.parse().ok()).unwrap_or(IpAddr::from([192, 0, 2, 1]));
    let session = Session::new(client, line());
    let sender = Sender::from_reverse_path(line());
    let answers: Vec<&[u8]> = lines.collect();
    let limits = Limits::default();
    let mut left = answers.iter().cycle().take(1_000);
    let outcome = check_mail_from(&session, &sender, &limits).run(|question| answer(left.next().copied(), question));
    assert_consistent(&outcome);
    let mut left = answers.iter().cycle().take(1_000);
    assert_consistent(&check_helo(&session, &limits).run(|question| answer(left.next().copied(), question)));
}

/// A survey. The input is lines: answers in the order of the questions, written as for [`spf_check`], again and again.
///
/// Never more questions, records or depth than the limits allow; counts only grow; what is told has its place.
pub fn spf_survey(data: &[u8]) {
    let answers: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
    let mut left = answers.iter().cycle();
    let limits = SurveyLimits::default();
    let domain = Name::from_domain("example.com").expect("a domain");
    let found = survey(domain, &limits).run(|question| answer(left.next().copied(), question));
    assert!(found.questions <= limits.max_questions && (1..=found.questions).contains(&found.records.len()));
    let asked: usize = found.terms.iter().map(|term| term.asked.len()).sum();
    assert_eq!(asked + 1, found.questions);
    let mut before = Counts::default();
    for term in &found.terms {
        assert!(term.depth <= limits.max_depth && !found.text(term).is_empty());
        let now = term.counts;
        assert!(now.lookups >= before.lookups && now.voids_v4 >= before.voids_v4 && now.voids_v6 >= before.voids_v6);
        before = now;
    }
    assert_eq!(before, found.counts);
    for finding in found.findings() {
        assert!(finding.record < found.records.len() && finding.term.is_none_or(|term| term < found.terms.len()));
    }
    assert!(found.authorised.v4 <= 1 << 32);
}

fn answer(line: Option<&[u8]>, question: &Question) -> Answer {
    let Some(line) = line else { return Answer::Failed };
    let words = |text: &[u8]| String::from_utf8_lossy(text).split(' ').map(str::to_owned).collect::<Vec<_>>();
    match line {
        b"!" => Answer::Failed,
        b"?" => Answer::NoData,
        b"-" => Answer::NxDomain,
        [b'@', rest @ ..] if question.kind == RecordKind::Aaaa => {
            Answer::aaaa(words(rest).iter().filter_map(|word| word.parse().ok()))
        }
        [b'@', rest @ ..] => Answer::a(words(rest).iter().filter_map(|word| word.parse().ok())),
        [b'^', rest @ ..] => Answer::mx((0..).zip(words(rest))),
        [b'&', rest @ ..] => Answer::ptr(words(rest)),
        text => Answer::txt(text.split(|&byte| byte == b'|')),
    }
}

fn assert_consistent<I: Identity>(outcome: &Outcome<I>) {
    // The domain, ten terms with ten hosts each, the names of the client, an explanation.
    assert!(outcome.questions.len() <= 1 + 10 * 11 + 11 + 1);
    assert!(outcome.lookups <= 10 && outcome.voids <= 3 && outcome.checks.len() <= 11);
    assert!(outcome.questions.iter().all(|asked| (1..=253).contains(&asked.question.name.as_str().len())));
    let trace = outcome.trace();
    let in_trace: usize = trace.iter().map(|line| line.questions.len()).sum();
    assert_eq!(in_trace, outcome.questions.len().saturating_sub(1));
    let is_printable = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    assert!(
        outcome
            .explanation
            .as_ref()
            .is_none_or(|explanation| is_printable(&explanation.text) && explanation.text.len() <= 400)
    );
    let field = outcome.received_spf("mx.example.net");
    assert!(field.split("\r\n\t").all(is_printable));
}
