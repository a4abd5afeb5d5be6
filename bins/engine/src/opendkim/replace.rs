//! `ReplaceRules` and `ReplaceHeaders`: what relays behind the signer will make of fields, so that it is that what is signed. The message stays as it is.
//!
//! A line of the file is a POSIX basic regular expression, a tab and the text in place of what it matches; the last tab counts, and `#` begins a comment. As with
//! OpenDKIM the **last** rule comes first, the domain that signs is that of the field as it will be, and a match is the leftmost and there the longest one.
//!
//! What differs: each rule goes over a field once, and over all that it matches. OpenDKIM takes each rule again and again until it matches no more, spoils the
//! text at the second match, and never ends with a rule that matches what it puts in. And it verifies the copies, too: mail of others is verified as it came.
//!
//! *Limits*: [`MAX_RULES_FILE`], [`MAX_RULES`], [`MAX_RULE_TEXT`], `MAX_REGEX` octets of an expression and [`MAX_RULE_SIZE`] when it is compiled,
//! [`MAX_REPLACEMENTS`] of one rule in one field, and for the whole those of a header section. Over one of them a message is not signed.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use dkim_core::header::{Field, HeaderBlock, HeaderError, HeaderLimits};
use dkim_core::sign::replaced;
use memchr::{memchr, memrchr};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, meta};
use thiserror::Error;

use crate::config::diagnostics::Location;
use crate::config::old_file::HeaderSet;
use crate::config::{Diagnostic, Diagnostics, Sourced};
use crate::dataset::{DATASET_PATTERN, DATASET_READ, MAX_FINDINGS, PatternError, translate_basic};
use crate::regular_file;

/// Octets of the file.
pub const MAX_RULES_FILE: u64 = 1 << 20;

/// Rules of the file.
pub const MAX_RULES: usize = 100;

/// Octets of the text that a rule puts in.
pub const MAX_RULE_TEXT: usize = 1024;

/// Octets that an expression has when it is compiled.
pub const MAX_RULE_SIZE: usize = 1 << 20;

/// Places of one field that one rule replaces.
pub const MAX_REPLACEMENTS: usize = 1000;

/// The rules, in the order in which they are applied.
#[derive(Debug)]
pub struct ReplaceRules {
    rules: Vec<Rule>,
    /// `ReplaceHeaders`; absent, all.
    fields: Option<HeaderSet>,
}

#[derive(Debug)]
struct Rule {
    /// Finds where a match begins.
    first: meta::Regex,
    /// Finds how far it goes.
    longest: meta::Regex,
    text: Vec<u8>,
}

/// Why no copy of a header section can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReplaceError {
    /// A rule matches too often.
    #[error("a rule of ReplaceRules matches more than {MAX_REPLACEMENTS} times in field {0}")]
    TooMany(String),
    /// What comes out is no header section, or is too large.
    #[error("what ReplaceRules make of the header section: {0}")]
    Header(#[from] HeaderError),
}

impl ReplaceRules {
    /// Reads the file that the option names.
    ///
    /// `None` where it cannot be used: then `found` has an error for each line that is wrong.
    pub fn open(option: &Sourced<PathBuf>, fields: Option<&HeaderSet>, found: &mut Diagnostics) -> Option<Self> {
        let mut text = Vec::new();
        let read = regular_file::open(&option.value)
            .and_then(|file| file.take(MAX_RULES_FILE.saturating_add(1)).read_to_end(&mut text));
        let cause = match read {
            Ok(octets) if u64::try_from(octets).is_ok_and(|octets| octets <= MAX_RULES_FILE) => {
                return Self::parse(&text, &option.value, fields, found);
            }
            Ok(_) => format!("{} is larger than {MAX_RULES_FILE} octets", option.value.display()),
            Err(error) => format!("{} cannot be read: {error}", option.value.display()),
        };
        found.push(Diagnostic::at(&option.at, DATASET_READ, cause, "check the path, and who may read it"));
        None
    }

    /// Reads the text of such a file, which is named in findings.
    pub fn parse(text: &[u8], file: &Path, fields: Option<&HeaderSet>, found: &mut Diagnostics) -> Option<Self> {
        let mut rules = Vec::new();
        let mut wrong = 0_usize;
        for (number, line) in (1_u32..).zip(text.split(|octet| *octet == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = memchr(b'#', line).and_then(|comment| line.get(..comment)).unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            match rule(line).and_then(|rule| if rules.len() < MAX_RULES { Ok(rule) } else { Err(too_many()) }) {
                Ok(rule) => rules.push(rule),
                Err((cause, fix)) => {
                    wrong = wrong.saturating_add(1);
                    if wrong <= MAX_FINDINGS {
                        let at = Location { line: number, key: "ReplaceRules".to_owned(), ..Location::whole(file) };
                        found.push(Diagnostic::at(&at, DATASET_PATTERN, cause, fix));
                    }
                    if rules.len() >= MAX_RULES {
                        break;
                    }
                }
            }
        }
        if let Some(more) = wrong.checked_sub(MAX_FINDINGS).filter(|more| *more > 0) {
            let at = Location { key: "ReplaceRules".to_owned(), ..Location::whole(file) };
            let cause = format!("{more} more lines are wrong");
            found.push(Diagnostic::at(&at, DATASET_PATTERN, cause, "give the path of a file of rules"));
        }
        rules.reverse();
        (wrong == 0).then(|| Self { rules, fields: fields.cloned() })
    }

    /// The header section as it will be.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`], for the message in which it happens.
    pub fn apply(&self, headers: &HeaderBlock) -> Result<HeaderBlock, ReplaceError> {
        let mut limits = HeaderLimits::default();
        // `MaximumHeaders` may let larger ones in.
        limits.max_bytes = limits.max_bytes.max(headers.as_bytes().len());
        limits.max_fields = limits.max_fields.max(headers.len());
        let mut trouble = None;
        let copy = replaced(headers, limits.clone(), |field| {
            if trouble.is_some() || self.fields.as_ref().is_some_and(|fields| !fields.contains(field.trimmed_name())) {
                return None;
            }
            self.value(field, limits.max_bytes).unwrap_or_else(|error| {
                trouble = Some(error);
                None
            })
        });
        match trouble {
            Some(error) => Err(error),
            None => Ok(copy?),
        }
    }

    /// The new value of a field; `None` if no rule matches.
    fn value(&self, field: Field<'_>, most: usize) -> Result<Option<Vec<u8>>, ReplaceError> {
        let mut value = None;
        for rule in &self.rules {
            match rule.apply(value.as_deref().unwrap_or(field.value), most) {
                Ok(None) => {}
                Ok(changed) => value = changed,
                Err(TooMuch::Matches) => {
                    let name = field.trimmed_name().escape_ascii().to_string();
                    return Err(ReplaceError::TooMany(name));
                }
                Err(TooMuch::Octets) => return Err(HeaderError::TooManyBytes { limit: most }.into()),
            }
        }
        Ok(value)
    }
}

enum TooMuch {
    Matches,
    Octets,
}

impl Rule {
    fn new(expression: &str, text: &[u8]) -> Result<Self, String> {
        let build = |kind| {
            let config = meta::Config::new().match_kind(kind).nfa_size_limit(Some(MAX_RULE_SIZE)).utf8_empty(false);
            let octets = syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true);
            meta::Builder::new().configure(config).syntax(octets).build(expression).map_err(|error| error.to_string())
        };
        Ok(Self { first: build(MatchKind::LeftmostFirst)?, longest: build(MatchKind::All)?, text: text.to_vec() })
    }

    /// The text with what the rule puts in; `None` where it matches nothing.
    fn apply(&self, text: &[u8], most: usize) -> Result<Option<Vec<u8>>, TooMuch> {
        let mut changed: Option<Vec<u8>> = None;
        let (mut from, mut at, mut count) = (0_usize, 0_usize, 0_usize);
        while let Some(found) = self.first.find(Input::new(text).span(at..text.len())) {
            // POSIX: of the leftmost matches the longest.
            let rest = Input::new(text).span(found.start()..text.len()).anchored(Anchored::Yes);
            let end = self.longest.find(rest).map_or_else(|| found.end(), |longest| longest.end().max(found.end()));
            if end == found.start() {
                // Nothing is put in place of nothing.
                at = end.saturating_add(1);
                if at > text.len() {
                    break;
                }
                continue;
            }
            count = count.saturating_add(1);
            if count > MAX_REPLACEMENTS {
                return Err(TooMuch::Matches);
            }
            let out = changed.get_or_insert_with(Vec::new);
            out.extend_from_slice(text.get(from..found.start()).unwrap_or_default());
            out.extend_from_slice(&self.text);
            if out.len() > most {
                return Err(TooMuch::Octets);
            }
            (from, at) = (end, end);
        }
        if let Some(out) = &mut changed {
            out.extend_from_slice(text.get(from..).unwrap_or_default());
        }
        Ok(changed)
    }
}

fn too_many() -> (String, &'static str) {
    (format!("more than {MAX_RULES} rules"), "remove some of them")
}

/// A line of the file.
fn rule(line: &[u8]) -> Result<Rule, (String, &'static str)> {
    const FIX: &str = "write a basic regular expression, a tab, and the text in place of what it matches";
    let tab = memrchr(b'\t', line).ok_or_else(|| ("no tab behind the expression".to_owned(), FIX))?;
    let (expression, text) = line.split_at_checked(tab).unwrap_or((line, b"\t"));
    let text = text.get(1..).unwrap_or_default();
    if text.len() > MAX_RULE_TEXT {
        return Err((format!("the text of a rule has at most {MAX_RULE_TEXT} octets"), "write a shorter one"));
    }
    let translated = translate_basic(expression).map_err(|error: PatternError| (error.to_string(), FIX))?;
    let rule = Rule::new(&translated, text)
        .map_err(|error| (format!("the expression cannot be used: {}", error.escape_debug()), FIX))?;
    if rule.first.is_match(Input::new(b"")) {
        let cause = "the expression matches where nothing is, with which OpenDKIM never comes to an end".to_owned();
        return Err((cause, "let it match one character at least"));
    }
    Ok(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str, fields: Option<&[&str]>) -> Result<ReplaceRules, String> {
        let mut found = Diagnostics::default();
        let fields = fields.map(|names| HeaderSet::new(names.iter().copied()));
        ReplaceRules::parse(text.as_bytes(), Path::new("rules"), fields.as_ref(), &mut found)
            .ok_or_else(|| found.to_string())
    }

    fn applied(text: &str, value: &str) -> String {
        let (headers, _) =
            HeaderBlock::parse(format!("X:{value}\r\n\r\n").as_bytes(), HeaderLimits::default()).unwrap();
        let copy = rules(text, None).unwrap().apply(&headers).unwrap();
        String::from_utf8(copy.as_bytes().to_vec()).unwrap().trim_end().to_owned()
    }

    /// What Debian's OpenDKIM signs, where there is one match.
    #[test]
    fn s1_2_rules_are_basic_expressions_and_the_last_one_comes_first() {
        for (text, value, expected) in [
            ("@host.example.com\t@example.com\n", " a@host.example.com", "X: a@example.com"),
            ("a+b\tX\n", " aab a+b", "X: aab X"),
            ("(a|b)\tX\n", " a (a|b)", "X: a X"),
            ("q\tX\nX\tY\n", " q", "X: X"),
            ("X\tY\nq\tX\n", " q", "X: Y"),
            ("q\tX\tY\n", " q\tX", "X: Y"),
            ("^ q\tX\n", " q q", "X:X q"),
            ("^q\tX\n", " q q", "X: q q"),
            ("Q\tX\n", " q", "X: q"),
            ("ab\\|abc\tX\n", " abc", "X: X"),
            ("q\t\n", " q r", "X:  r"),
            ("n\\(.\\)\t[\\1&]\n", " nx", "X: [\\1&]"),
            ("# c\n\n \nq\tX # c\n", " q", "X: X"),
            ("a\\tb\tX\n", " atb", "X: X"),
            ("a.*q\tX\n", " a\r\n\tq", "X: X"),
            ("a$\tX\n", " a\r\n\tq", "X: a\r\n\tq"),
        ] {
            assert_eq!(applied(text, value), expected, "{text:?}");
        }
    }

    #[test]
    fn s1_2_each_rule_goes_once_over_all_that_it_matches() {
        assert_eq!(applied("q\tX\n", " q q q"), "X: X X X");
        assert_eq!(applied("q\tqq\n", " q q"), "X: qq qq");
        assert_eq!(applied("a*b\\|a\t-\n", " aaab aa b"), "X: - -- -");
        assert_eq!(applied("\\bx*\t-\n", " xx y"), "X: - y");
    }

    #[test]
    fn s1_2_replace_headers_names_the_fields_that_are_meant() {
        let (headers, _) =
            HeaderBlock::parse(b"From: q\r\nTO: q\r\nSubject: q\r\n\r\n", HeaderLimits::default()).unwrap();
        let copy = rules("q\tX\n", Some(&["from", "To"])).unwrap().apply(&headers).unwrap();
        assert_eq!(copy.as_bytes(), b"From: X\r\nTO: X\r\nSubject: q\r\n");
    }

    #[test]
    fn what_cannot_be_a_rule_is_told_with_its_line() {
        for (text, words) in [
            ("q X\n", "no tab"),
            ("ok\tX\nq\\(\tX\n", "rules:2"),
            ("\\(q\\)\\1\tX\n", "refers back"),
            ("q*\tX\n", "matches where nothing is"),
            ("^\tX\n", "matches where nothing is"),
            ("a\\{30000\\}\\{30000\\}\tX\n", "cannot be used"),
        ] {
            let found = rules(text, None).unwrap_err();
            assert!(found.contains(words) && found.contains("E-DATASET-PATTERN"), "{text:?}: {found}");
        }
        assert!(rules(&format!("{}\tX\n", "a".repeat(1025)), None).unwrap_err().contains("1024"));
        assert!(rules(&format!("a\t{}\n", "x".repeat(MAX_RULE_TEXT + 1)), None).unwrap_err().contains("1024"));
        let many = rules(&"no tab\n".repeat(MAX_FINDINGS + 7), None).unwrap_err();
        assert_eq!(many.matches("no tab").count(), MAX_FINDINGS);
        assert!(many.contains("7 more lines are wrong"), "{many}");
        assert!(rules(&"a\tb\n".repeat(MAX_RULES), None).is_ok());
        assert!(rules(&"a\tb\n".repeat(MAX_RULES + 1), None).unwrap_err().contains("more than 100 rules"));
    }

    #[test]
    fn what_grows_too_large_or_breaks_the_header_section_is_no_copy() {
        let apply = |text: &str, value: String| {
            let (headers, _) =
                HeaderBlock::parse(format!("X: {value}\r\n\r\n").as_bytes(), HeaderLimits::default()).unwrap();
            rules(text, None).unwrap().apply(&headers).map(|_| ())
        };
        assert_eq!(apply("q\tX\n", "q".repeat(MAX_REPLACEMENTS)), Ok(()));
        let many = apply("q\tX\n", "q".repeat(MAX_REPLACEMENTS + 1));
        assert_eq!(many, Err(ReplaceError::TooMany("X".to_owned())));
        // A thousand places, a thousand octets each.
        let text = format!("q\t{}\n", "x".repeat(1000));
        let large = apply(&text, "q".repeat(1000));
        assert_eq!(large, Err(HeaderError::TooManyBytes { limit: HeaderLimits::default().max_bytes }.into()));
        // Without its blank the second line would be another field.
        let torn = apply(" b\tBcc: b\n", "a\r\n b".to_owned());
        assert!(matches!(torn, Err(ReplaceError::Header(HeaderError::BadFold { .. }))), "{torn:?}");
    }
}
