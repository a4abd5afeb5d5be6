//! What receivers ignore or replace in a record, and what the record means.

use std::ops::Range;

use super::text::{Text, split_at};
use super::words::{known_tag, near_tag};
use super::{Finding, Problem, Role};
use crate::record::{Policy, Psd, Record, Standing, Warning, WarningKind};
use crate::uri::UriError;

/// Findings about a record that was read from `text`.
pub(super) fn of(record: &Record, text: &Text, role: Role) -> Vec<Finding> {
    let has_reports = !record.rua.is_empty();
    let mut findings: Vec<Finding> = Vec::new();
    let mut warnings = record.warnings().iter().peekable();
    while let Some(warning) = warnings.next() {
        let mut span = warning.span.clone();
        let problem = match problem(warning, text, record, has_reports) {
            // Half of an address: the other half is the next one.
            Some(Problem::BadUri { tag, error: UriError::Address }) if !text.part(span.clone()).contains(&b'@') => {
                let is_other_half = |next: &&Warning| {
                    matches!(next.kind, WarningKind::BadUri { error: UriError::Scheme, .. })
                        && text.part(next.span.clone()).contains(&b'@')
                };
                match warnings.next_if(is_other_half) {
                    Some(other) => {
                        span.end = other.span.end;
                        Some(Problem::UriComma { tag })
                    }
                    None => Some(Problem::BadUri { tag, error: UriError::Address }),
                }
            }
            problem => problem,
        };
        findings.extend(problem.map(|problem| Finding::new(problem, text.span(&span))));
    }
    let end = text.span(&(text.octets().len()..text.octets().len()));
    slashes(text, &mut findings);
    let mut add = |problem, tag: Option<&str>| {
        let span = tag.and_then(|tag| piece_of(text, tag)).map_or_else(|| end.clone(), |piece| text.span(&piece));
        findings.push(Finding::new(problem, span));
    };
    reports(record, text, &mut add);
    if record.standing() == Standing::Complete {
        policies(record, role, &mut add);
    }
    findings
}

/// Adds a finding about the first piece with this tag, or about what is missing.
type Add<'a> = dyn FnMut(Problem, Option<&str>) + 'a;

/// What a warning of the parser is here.
fn problem(warning: &Warning, text: &Text, record: &Record, has_reports: bool) -> Option<Problem> {
    let part = text.part(warning.span.clone());
    Some(match warning.kind {
        WarningKind::LeadingWhiteSpace => Problem::LeadingWhiteSpace,
        WarningKind::EmptyTag => Problem::EmptyTag,
        WarningKind::NoEquals => match split_at(part, b':').map(|(name, _)| known_tag(name)) {
            Some(Some(tag)) => Problem::ColonForEquals { tag },
            _ if is_like_uri(part) => Problem::UriBehindSemicolon,
            _ => Problem::NoEquals,
        },
        WarningKind::BadName => match split_at(part, b'=').and_then(|(name, _)| near_tag(name)) {
            _ if is_like_uri(part) => Problem::UriBehindSemicolon,
            Some(tag) => Problem::TagTypo { tag },
            None => match split_at(part, b':').and_then(|(name, _)| known_tag(name)) {
                Some(tag) => Problem::ColonForEquals { tag },
                None => Problem::TagName,
            },
        },
        WarningKind::UnknownTag => match split_at(part, b'=').and_then(|(name, _)| near_tag(name)) {
            Some(tag) => Problem::TagTypo { tag },
            None => Problem::UnknownTag,
        },
        WarningKind::RepeatedTag { tag } => Problem::RepeatedTag { tag },
        WarningKind::BadValue { tag } => match (hidden_tag(part), tag) {
            (Some((_, hidden)), _) => Problem::MissingSemicolon { tag: hidden },
            (None, "p" | "sp" | "np") => Problem::BadPolicy { tag, has_reports },
            (None, "rua" | "ruf") => Problem::NoUri { tag },
            // Told as historic.
            (None, "pct") => return None,
            (None, _) => Problem::BadValue { tag },
        },
        WarningKind::Historic { tag: "pct" } => match record.pct {
            Some(0) => Problem::PercentZero,
            Some(1..=99) | None => Problem::Percent,
            Some(_) => Problem::Historic { tag: "pct" },
        },
        WarningKind::Historic { tag } => Problem::Historic { tag },
        WarningKind::BadUri { tag, error } => match hidden_tag(part) {
            Some((_, hidden)) => Problem::MissingSemicolon { tag: hidden },
            None => Problem::BadUri { tag, error },
        },
        WarningKind::UnusualScheme { tag } => Problem::UnusualScheme { tag },
        WarningKind::ObsoleteSize { tag } => Problem::ObsoleteSize { tag },
        WarningKind::TooManyUris { tag } => Problem::TooManyUris { tag },
        WarningKind::FailureOptionsWithoutRuf => Problem::FailureOptionsWithoutRuf,
        WarningKind::PolicyNotSecond => Problem::PolicyNotSecond,
        WarningKind::MissingPolicy => Problem::MissingPolicy { has_reports },
        WarningKind::TooManyWarnings => Problem::MoreWarnings,
    })
}

/// A piece that continues a list of URIs.
pub(super) fn is_like_uri(piece: &[u8]) -> bool {
    piece.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"mailto:")) && piece.contains(&b'@')
}

/// A tag in a value, before which a ";" is missing: where the value ends, and the tag.
pub(super) fn hidden_tag(value: &[u8]) -> Option<(usize, &'static str)> {
    let mut begin = 0_usize;
    for word in value.split(|octet| matches!(octet, b' ' | b'\t' | b',')) {
        if begin > 0
            && let Some((name, _)) = split_at(word, b'=')
            && let Some(tag) = known_tag(name)
        {
            return Some((begin, tag));
        }
        begin = begin.saturating_add(word.len()).saturating_add(1);
    }
    None
}

/// The first piece of the text with this tag.
fn piece_of(text: &Text, tag: &str) -> Option<Range<usize>> {
    let piece = text.parts(b';').find(|piece| {
        split_at(text.part(piece.clone()), b'=').is_some_and(|(name, _)| name.eq_ignore_ascii_case(tag.as_bytes()))
    })?;
    let blank = text.part(piece.clone()).iter().take_while(|octet| octet.is_ascii_whitespace()).count();
    let length = text.part(piece.clone()).trim_ascii().len();
    let start = piece.start.saturating_add(blank);
    Some(start..start.saturating_add(length))
}

/// `mailto://`, whose "//" would be a part of the address.
fn slashes(text: &Text, findings: &mut Vec<Finding>) {
    for tag in ["rua", "ruf"] {
        let Some(piece) = piece_of(text, tag) else { continue };
        let octets = text.part(piece.clone());
        let value = octets.iter().position(|octet| *octet == b'=').map_or(0, |equals| equals.saturating_add(1));
        let mut at = value;
        for uri in octets.get(value..).unwrap_or_default().split(|octet| *octet == b',') {
            let blank = uri.len().saturating_sub(uri.trim_ascii_start().len());
            if uri.trim_ascii().get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"mailto://")) {
                let start = piece.start.saturating_add(at).saturating_add(blank);
                let span = text.span(&(start..start.saturating_add(9)));
                findings.push(Finding::new(Problem::UriSlashes { tag }, span));
                break;
            }
            at = at.saturating_add(uri.len()).saturating_add(1);
        }
    }
}

fn reports(record: &Record, text: &Text, add: &mut Add<'_>) {
    let policies = [record.p, record.sp, record.np];
    let is_monitoring =
        record.standing() != Standing::Complete || policies.iter().flatten().all(|policy| *policy == Policy::None);
    if piece_of(text, "rua").is_none() && record.standing() == Standing::Complete {
        add(Problem::NoReports { is_monitoring }, None);
    }
    if !record.ruf.is_empty() {
        add(Problem::FailureReports, Some("ruf"));
    }
}

fn policies(record: &Record, role: Role, add: &mut Add<'_>) {
    let Some(p) = record.p else { return };
    let is_below = role == Role::Subdomain;
    let sp = record.sp.filter(|_| !is_below).unwrap_or(p);
    let np = record.np.filter(|_| !is_below);
    if p == Policy::None && sp == Policy::None {
        add(Problem::Monitoring, Some("p"));
    }
    if record.is_testing {
        add(Problem::Testing, Some("t"));
    }
    if is_below {
        for (tag, value) in [("sp", record.sp), ("np", record.np)] {
            if value.is_some() {
                add(Problem::WithoutEffectBelow { tag }, Some(tag));
            }
        }
    }
    if sp < p {
        add(Problem::SubdomainsMilder, Some("sp"));
    }
    match np {
        Some(np) if np < sp => add(Problem::NonExistentMilder, Some("np")),
        Some(np) if np == sp => add(Problem::NonExistentSame, Some("np")),
        _ => (),
    }
    match (record.psd, role) {
        (Psd::Yes, Role::Organizational | Role::Subdomain) => add(Problem::PublicSuffix, Some("psd")),
        (Psd::No, Role::Organizational) => add(Problem::OwnOrganization, Some("psd")),
        _ => (),
    }
}
