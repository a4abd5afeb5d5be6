//! The format of the list: <https://github.com/publicsuffix/list/wiki/Format>.

use super::{Kinds, PslError, PslErrorKind, PslLimits, PublicSuffixList, Rule, Sections};
use crate::domain::DomainName;

/// The comments that begin and end a section, and whether it is the private one.
const MARKS: [(&str, Mark); 4] = [
    ("===BEGIN ICANN DOMAINS===", Mark::Begin(Sections::Icann)),
    ("===END ICANN DOMAINS===", Mark::End(Sections::Icann)),
    ("===BEGIN PRIVATE DOMAINS===", Mark::Begin(Sections::All)),
    ("===END PRIVATE DOMAINS===", Mark::End(Sections::All)),
];

/// A section is named by the choice that takes it in.
#[derive(Clone, Copy)]
enum Mark {
    Begin(Sections),
    End(Sections),
}

/// Reads a list; see [`PublicSuffixList::parse`].
pub(super) fn list(text: &[u8], sections: Sections, limits: &PslLimits) -> Result<PublicSuffixList, PslError> {
    if text.len() > limits.max_bytes || u32::try_from(text.len()).is_err() {
        return Err(PslError { kind: PslErrorKind::TooLong, line: 1 });
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let before = text.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|&&octet| octet == b'\n').count().saturating_add(1);
        PslError { kind: PslErrorKind::NotUtf8, line }
    })?;
    let mut rules: Vec<(DomainName, Kinds)> = Vec::new();
    let mut section = None;
    let mut last_line = 1;
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        last_line = index.saturating_add(1);
        let error = |kind| PslError { kind, line: last_line };
        // "Each line is only read up to the first whitespace; entire lines can also be commented using //."
        let Some(rule) = line.split_ascii_whitespace().next() else { continue };
        if rule.starts_with("//") {
            section = next_section(section, line).map_err(error)?;
            continue;
        }
        let Some(rule) = parse_rule(rule).map_err(error)? else { continue };
        // Rules outside of the sections count always: whoever writes a list without sections means them.
        if section == Some(Sections::All) && sections == Sections::Icann {
            continue;
        }
        if rules.len() >= limits.max_rules {
            return Err(error(PslErrorKind::TooManyRules));
        }
        rules.push(rule);
    }
    let error = |kind| PslError { kind, line: last_line };
    match section {
        Some(_) => Err(error(PslErrorKind::UnfinishedSection)),
        None if rules.is_empty() => Err(error(PslErrorKind::NoRules)),
        None => build(rules).ok_or_else(|| error(PslErrorKind::TooLong)),
    }
}

/// The section that holds after a comment.
fn next_section(section: Option<Sections>, comment: &str) -> Result<Option<Sections>, PslErrorKind> {
    let mark = MARKS.iter().find(|(text, _)| comment.contains(text)).map(|(_, mark)| *mark);
    match (mark, section) {
        (None, _) => Ok(section),
        (Some(Mark::Begin(name)), None) => Ok(Some(name)),
        (Some(Mark::End(name)), Some(open)) if name == open => Ok(None),
        (Some(_), _) => Err(PslErrorKind::SectionOrder),
    }
}

/// A rule: the name without its mark, and what it is. `None` for `*` alone, which is the default rule.
fn parse_rule(rule: &str) -> Result<Option<(DomainName, Kinds)>, PslErrorKind> {
    if rule == "*" {
        return Ok(None);
    }
    let (name, kinds) = if let Some(name) = rule.strip_prefix('!') {
        (name, Kinds { is_exception: true, ..Kinds::default() })
    } else if let Some(name) = rule.strip_prefix("*.") {
        (name, Kinds { has_wildcard: true, ..Kinds::default() })
    } else {
        (rule, Kinds { is_suffix: true, ..Kinds::default() })
    };
    // A wildcard elsewhere is no octet of a name.
    let name = DomainName::parse(name).map_err(|_not_a_name| PslErrorKind::BadRule)?;
    if kinds.is_exception && name.label_count() < 2 {
        return Err(PslErrorKind::BadException);
    }
    Ok(Some((name, kinds)))
}

/// The list of these rules; `None` when the text does not fit its numbers.
fn build(mut rules: Vec<(DomainName, Kinds)>) -> Option<PublicSuffixList> {
    rules.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut text = String::new();
    let mut merged: Vec<Rule> = Vec::with_capacity(rules.len());
    let mut most_labels = 0;
    let mut before: Option<&DomainName> = None;
    for (name, kinds) in &rules {
        match merged.last_mut().filter(|_| before == Some(name)) {
            Some(same) => same.kinds = same.kinds.or(*kinds),
            None => {
                let len = u8::try_from(name.as_str().len()).ok()?;
                merged.push(Rule { start: u32::try_from(text.len()).ok()?, len, kinds: *kinds });
                text.push_str(name.as_str());
                most_labels = most_labels.max(name.label_count());
            }
        }
        before = Some(name);
    }
    Some(PublicSuffixList { text: text.into(), rules: merged.into(), most_labels })
}

impl Kinds {
    fn or(self, other: Self) -> Self {
        Self {
            is_suffix: self.is_suffix || other.is_suffix,
            has_wildcard: self.has_wildcard || other.has_wildcard,
            is_exception: self.is_exception || other.is_exception,
        }
    }
}
