//! The command lines of OpenDKIM's tools: `getopt` of C and Perl's `Getopt::Long` with bundling, and what both leave to be wished for.
//!
//! - `-v`, `-vv`, `-atr`: letters, alone and in bundles; upper and lower case are different options.
//! - `-d example.com`, `-dexample.com`, `--domain example.com`, `--domain=example.com`: a value apart or glued. An option that takes a value takes
//!   what follows, whatever it looks like.
//! - `--no-subdomains`, `--nosubdomains`: an option that can be taken back.
//! - `--sel`: long names in any case, cut short as long as they are clear.
//! - `--` ends the options. Options and other arguments may be mixed.
//!
//! Beyond that, a long name may have one dash (`-domain example.com`): the old tools take it for a bundle of letters, here for `-d omain`, without a
//! word. And `-d=example.com` means `-d example.com`, where the old tools take the sign for a part of the value.
//!
//! *Invariants*: linear in the length of the command line; arguments need not be UTF-8.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing; `no` before the long name takes it back.
    Nothing,
    /// Nothing; how often it is given counts.
    Count,
    Text,
    Number,
}

/// One option of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) letter: Option<char>,
    pub(super) name: &'static str,
    pub(super) takes: Takes,
}

impl Rule {
    pub(super) const fn new(letter: char, name: &'static str, takes: Takes) -> Self {
        Self { letter: Some(letter), name, takes }
    }

    pub(super) const fn long(name: &'static str, takes: Takes) -> Self {
        Self { letter: None, name, takes }
    }
}

/// What was given for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Flag(bool),
    Text(OsString),
    Number(i64),
}

/// A command line that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    values: Vec<(&'static str, Value)>,
    /// The arguments that are no options.
    pub(super) rest: Vec<OsString>,
}

impl Given {
    /// Whether a switch is on; the last one counts.
    pub(super) fn has(&self, name: &str) -> bool {
        self.last(name).is_some_and(|value| *value != Value::Flag(false))
    }

    /// How often an option was given.
    pub(super) fn count(&self, name: &str) -> usize {
        self.values.iter().filter(|(given, _)| *given == name).count()
    }

    /// The value of an option; the last one counts.
    pub(super) fn text(&self, name: &str) -> Option<&OsStr> {
        self.texts(name).last()
    }

    /// Every value of an option.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        self.values.iter().filter_map(move |(given, value)| match value {
            Value::Text(text) if *given == name => Some(text.as_os_str()),
            _ => None,
        })
    }

    /// The value of an option that is text; the last one counts.
    pub(super) fn utf8(&self, name: &'static str) -> Result<Option<&str>, ArgsError> {
        self.text(name).map(|text| text.to_str().ok_or(ArgsError::NotUtf8 { option: name })).transpose()
    }

    /// The number of an option; the last one counts.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self.last(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn last(&self, name: &str) -> Option<&Value> {
        self.values.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value)
    }
}

/// A command line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgsError {
    #[error("there is no option {option}")]
    Unknown { option: String },
    #[error("{option} is short for {first} and for {second}")]
    Ambiguous { option: String, first: &'static str, second: &'static str },
    #[error("the option {option} needs a value")]
    NoValue { option: String },
    #[error("the option {option} takes no value")]
    Value { option: String },
    #[error("the option {option} needs a number, and `{value}` is none")]
    NotANumber { option: String, value: String },
    #[error("the value of --{option} is not UTF-8")]
    NotUtf8 { option: &'static str },
}

/// Reads the arguments behind the program's name.
pub(super) fn parse(rules: &[Rule], args: impl IntoIterator<Item = OsString>) -> Result<Given, ArgsError> {
    let mut given = Given::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_bytes() {
            b"--" => {
                given.rest.extend(args);
                return Ok(given);
            }
            [b'-', b'-', long @ ..] => given.long("--", long, rules, &mut args)?,
            [b'-', body @ ..] if !body.is_empty() => {
                // More than a letter: a bundle of one letter is no long name.
                let name = body.split(|octet| *octet == b'=').next().unwrap_or(body);
                if name.len() > 1 && exact(rules, name).is_some() {
                    given.long("-", body, rules, &mut args)?;
                } else {
                    given.bundle(body, rules, &mut args)?;
                }
            }
            _ => given.rest.push(arg),
        }
    }
    Ok(given)
}

impl Given {
    /// `NAME`, `NAME=VALUE`, `noNAME`.
    fn long(
        &mut self,
        dashes: &str,
        body: &[u8],
        rules: &[Rule],
        args: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), ArgsError> {
        let mut parts = body.splitn(2, |octet| *octet == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().map(|octets| OsString::from_vec(octets.to_vec()));
        let option = format!("{dashes}{}", String::from_utf8_lossy(name));
        let (rule, is_on) = find(rules, name, &option)?;
        match (rule.takes, value) {
            (Takes::Nothing | Takes::Count, Some(_)) => return Err(ArgsError::Value { option }),
            (Takes::Nothing | Takes::Count, None) => self.values.push((rule.name, Value::Flag(is_on))),
            (Takes::Text | Takes::Number, value) => {
                let Some(value) = value.or_else(|| args.next()) else { return Err(ArgsError::NoValue { option }) };
                self.push(rule, &option, value)?;
            }
        }
        Ok(())
    }

    /// Letters, the last one perhaps with its value.
    fn bundle(
        &mut self,
        mut body: &[u8],
        rules: &[Rule],
        args: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), ArgsError> {
        while let [letter, rest @ ..] = body {
            let option = format!("-{}", char::from(*letter));
            let rule = rules.iter().find(|rule| rule.letter == Some(char::from(*letter)));
            let rule = rule.ok_or_else(|| ArgsError::Unknown { option: option.clone() })?;
            body = rest;
            if matches!(rule.takes, Takes::Nothing | Takes::Count) {
                self.values.push((rule.name, Value::Flag(true)));
                continue;
            }
            let glued = rest.strip_prefix(b"=").unwrap_or(rest);
            // `-b1024v`: a number ends where its digits end.
            let digits = glued.iter().position(|octet| !octet.is_ascii_digit()).unwrap_or(glued.len());
            let (value, behind) = match rule.takes {
                Takes::Number if digits > 0 => glued.split_at_checked(digits).unwrap_or((glued, &[])),
                _ => (glued, &[][..]),
            };
            let value = match rest {
                [] => args.next().ok_or_else(|| ArgsError::NoValue { option: option.clone() })?,
                _ => OsString::from_vec(value.to_vec()),
            };
            self.push(*rule, &option, value)?;
            body = behind;
        }
        Ok(())
    }

    fn push(&mut self, rule: Rule, option: &str, value: OsString) -> Result<(), ArgsError> {
        let value = match rule.takes {
            Takes::Number => {
                let number = value.to_str().and_then(|text| text.parse().ok());
                let not_one =
                    || ArgsError::NotANumber { option: option.to_owned(), value: value.to_string_lossy().into_owned() };
                Value::Number(number.ok_or_else(not_one)?)
            }
            _ => Value::Text(value),
        };
        self.values.push((rule.name, value));
        Ok(())
    }
}

/// The option with exactly this long name, and whether it is on.
fn exact(rules: &[Rule], name: &[u8]) -> Option<(Rule, bool)> {
    let of = |name: &[u8]| rules.iter().find(|rule| rule.name.as_bytes().eq_ignore_ascii_case(name)).copied();
    of(name).map(|rule| (rule, true)).or_else(|| {
        let rule = of(taken_back(name)?).filter(|rule| rule.takes == Takes::Nothing)?;
        Some((rule, false))
    })
}

/// What stands behind `no` or `no-`.
fn taken_back(name: &[u8]) -> Option<&[u8]> {
    let (no, behind) = name.split_at_checked(2)?;
    no.eq_ignore_ascii_case(b"no").then(|| behind.strip_prefix(b"-").unwrap_or(behind))
}

/// The option of this long name, which may be a letter or cut short.
fn find(rules: &[Rule], name: &[u8], option: &str) -> Result<(Rule, bool), ArgsError> {
    if let Some(found) = exact(rules, name) {
        return Ok(found);
    }
    if let [letter] = name
        && let Some(rule) = rules.iter().find(|rule| rule.letter == Some(char::from(*letter)))
    {
        return Ok((*rule, true));
    }
    let begins = |rule: &Rule, name: &[u8]| {
        let begin = rule.name.as_bytes().get(..name.len());
        !name.is_empty() && begin.is_some_and(|begin| begin.eq_ignore_ascii_case(name))
    };
    let on = rules.iter().filter(|rule| begins(rule, name)).map(|rule| (*rule, true));
    let switches = rules.iter().filter(|rule| rule.takes == Takes::Nothing);
    let off =
        switches.filter(|rule| taken_back(name).is_some_and(|name| begins(rule, name))).map(|rule| (*rule, false));
    let mut candidates = on.chain(off);
    match (candidates.next(), candidates.next()) {
        (Some(found), None) => Ok(found),
        (Some((first, _)), Some((second, _))) => {
            Err(ArgsError::Ambiguous { option: option.to_owned(), first: first.name, second: second.name })
        }
        (None, _) => Err(ArgsError::Unknown { option: option.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Rule; 8] = [
        Rule::new('a', "append-domain", Takes::Nothing),
        Rule::new('b', "bits", Takes::Number),
        Rule::new('d', "domain", Takes::Text),
        Rule::new('D', "directory", Takes::Text),
        Rule::new('s', "selector", Takes::Text),
        Rule::long("subdomains", Takes::Nothing),
        Rule::new('v', "verbose", Takes::Count),
        Rule::long("help", Takes::Nothing),
    ];

    fn read(args: &[&str]) -> Result<Given, ArgsError> {
        parse(&RULES, args.iter().map(OsString::from))
    }

    fn given(args: &[&str]) -> Given {
        read(args).unwrap()
    }

    #[test]
    fn values_are_apart_or_glued_with_one_dash_or_two() {
        for args in [
            &["-d", "example.com"][..],
            &["-dexample.com"],
            &["-d=example.com"],
            &["--d", "example.com"],
            &["--domain", "example.com"],
            &["--domain=example.com"],
            &["--DOMAIN", "example.com"],
            &["--dom=example.com"],
            &["-domain", "example.com"],
            &["-domain=example.com"],
            &["-domain", "other.example", "-vdexample.com"],
        ] {
            assert_eq!(given(args).text("domain").unwrap(), "example.com", "{args:?}");
        }
        // What an option needs it takes, whatever that looks like.
        assert_eq!(given(&["-d", "-a"]).text("domain").unwrap(), "-a");
        assert_eq!(given(&["--domain="]).text("domain").unwrap(), "");
        assert_eq!(given(&["-d", ""]).text("domain").unwrap(), "");
    }

    #[test]
    fn letters_bundle_and_differ_by_case() {
        let bundle = given(&["-avvDkeys", "-s", "one"]);
        assert_eq!((bundle.has("append-domain"), bundle.count("verbose")), (true, 2));
        assert_eq!((bundle.text("directory").unwrap(), bundle.text("domain")), ("keys".as_ref(), None));
        let number = given(&["-b1024v"]);
        assert_eq!((number.number("bits"), number.count("verbose")), (Some(1024), 1));
        for args in [&["-b", "1024"][..], &["-b=1024"], &["--bits=1024"], &["-bits", "1024"], &["-b", "1", "-b1024"]] {
            assert_eq!(given(args).number("bits"), Some(1024), "{args:?}");
        }
    }

    #[test]
    fn switches_are_taken_back() {
        for args in [
            &["--nosubdomains"][..],
            &["--no-subdomains"],
            &["-nosubdomains"],
            &["--subdomains", "--NoSubdomains"],
            &["--nosub"],
        ] {
            assert_eq!((given(args).has("subdomains"), given(args).count("subdomains") > 0), (false, true), "{args:?}");
        }
        assert!(given(&["--nosubdomains", "--subdomains"]).has("subdomains"));
    }

    #[test]
    fn the_rest_is_kept_and_two_dashes_end_the_options() {
        assert_eq!(given(&["one", "-a", "-", "--", "-v"]).rest, ["one", "-", "-v"]);
        assert!(given(&[]).rest.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let words = |args: &[&str]| read(args).unwrap_err().to_string();
        assert_eq!(words(&["-q"]), "there is no option -q");
        assert_eq!(words(&["-aq"]), "there is no option -q");
        assert_eq!(words(&["--unheard=of"]), "there is no option --unheard");
        assert_eq!(words(&["--nodomain"]), "there is no option --nodomain");
        assert_eq!(words(&["--="]), "there is no option --");
        assert_eq!(words(&["--d=x", "--di", "y", "--do"]), "the option --do needs a value");
        assert_eq!(words(&["--s"]), "the option --s needs a value");
        assert_eq!(words(&["--se=1", "--ver", "--v", "--app=1"]), "the option --app takes no value");
        assert_eq!(words(&["-d"]), "the option -d needs a value");
        assert_eq!(words(&["-b", "x"]), "the option -b needs a number, and `x` is none");
        assert_eq!(words(&["-bx"]), "the option -b needs a number, and `x` is none");
        assert_eq!(
            words(&["-b", "99999999999999999999"]),
            "the option -b needs a number, and `99999999999999999999` is none"
        );
        let two = [Rule::long("one", Takes::Nothing), Rule::long("only", Takes::Nothing)];
        let error = parse(&two, [OsString::from("--on")]).unwrap_err();
        assert_eq!(error.to_string(), "--on is short for one and for only");
    }

    #[test]
    fn arguments_need_not_be_utf8() {
        let path = OsString::from_vec(b"-D/keys/\xff".to_vec());
        let odd = OsString::from_vec(b"-\xff".to_vec());
        assert_eq!(parse(&RULES, [path]).unwrap().text("directory").unwrap().as_bytes(), b"/keys/\xff");
        assert!(matches!(parse(&RULES, [odd]), Err(ArgsError::Unknown { .. })));
        let domain = parse(&RULES, [OsString::from_vec(b"-d\xff".to_vec())]).unwrap();
        assert_eq!(domain.utf8("domain"), Err(ArgsError::NotUtf8 { option: "domain" }));
    }

    #[test]
    fn every_command_line_is_read_or_refused() {
        // Pieces in every order of three, apart and put together.
        let pieces: [&[u8]; 12] =
            [b"-", b"--", b"=", b"d", b"-b", b"1", b"--no", b"-domain", b"\xff", b"", b"-vv", b"--bits="];
        for (first, second) in pieces.iter().flat_map(|first| pieces.map(|second| (*first, second))) {
            for third in pieces {
                let apart = [first, second, third].map(|piece| OsString::from_vec(piece.to_vec()));
                let _ = parse(&RULES, apart);
                let together = OsString::from_vec([first, second, third].concat());
                let _ = parse(&RULES, [together.clone(), together]);
            }
        }
    }
}
