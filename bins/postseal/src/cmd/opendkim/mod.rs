//! OpenDKIM's tools under their old names: `opendkim-genkey`, `opendkim-testkey`, `opendkim-testmsg`, `opendkim-genzone`.
//!
//! Called through a link or a copy of such a name, the program is that tool, with its options ([`args`]), the lines that scripts look for, its exit codes
//! and its files; `postseal opendkim genkey …` is the same. What they print in addition, in words of our own, goes to standard error.
//!
//! Where they differ on purpose is written in `docs/migrating-from-opendkim.md`, "The tools".

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use engine::config::Diagnostics;
use engine::config::diagnostics::EXIT_CONFIG;

use crate::exit::Failure;

mod args;
mod found;
mod genkey;
mod genzone;
mod tables;
mod testkey;
mod testmsg;

use args::{ArgsError, Given, Rule};

/// Exit codes of the tools, most of them from `sysexits.h`.
mod code {
    pub(super) const OK: u8 = 0;
    /// In general.
    pub(super) const FAILED: u8 = 1;
    /// `genkey`: the folder cannot be entered.
    pub(super) const NO_FOLDER: u8 = 2;
    pub(super) const USAGE: u8 = 64;
    pub(super) const SOFTWARE: u8 = 70;
    pub(super) const OS: u8 = 71;
}

/// For the end of `postseal opendkim --help`.
const LINKS: &str = "\
Tools: genkey, testkey, testmsg, genzone; each has a --help of its own.

To call them by their old names, make links to this program in a folder of the path:
  for tool in genkey testkey testmsg genzone; do
      ln -s \"$(command -v postseal)\" /usr/local/sbin/opendkim-$tool
  done";

/// `postseal opendkim TOOL …`.
#[derive(Debug, clap::Args)]
#[command(after_help = LINKS)]
pub(crate) struct Args {
    /// The tool, then its options as OpenDKIM has them
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "TOOL")]
    call: Vec<OsString>,
}

/// One of the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Genkey,
    Testkey,
    Testmsg,
    Genzone,
}

impl Tool {
    const ALL: [Self; 4] = [Self::Genkey, Self::Testkey, Self::Testmsg, Self::Genzone];

    /// The name of the program, which begins each of its lines.
    fn program(self) -> &'static str {
        match self {
            Self::Genkey => "opendkim-genkey",
            Self::Testkey => "opendkim-testkey",
            Self::Testmsg => "opendkim-testmsg",
            Self::Genzone => "opendkim-genzone",
        }
    }

    /// The tool of a program's name.
    fn of_program(name: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| name == tool.program())
    }

    /// The tool of a word on the command line: with or without `opendkim-`.
    fn of_word(word: &OsStr) -> Option<Self> {
        Self::of_program(word).or_else(|| {
            let is_of = |tool: &Self| tool.program().strip_prefix(PREFIX).is_some_and(|short| word == short);
            Self::ALL.into_iter().find(is_of)
        })
    }

    fn rules(self) -> &'static [Rule] {
        match self {
            Self::Genkey => &genkey::RULES,
            Self::Testkey => &testkey::RULES,
            Self::Testmsg => &testmsg::RULES,
            Self::Genzone => &genzone::RULES,
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Genkey => genkey::USAGE,
            Self::Testkey => testkey::USAGE,
            Self::Testmsg => testmsg::USAGE,
            Self::Genzone => genzone::USAGE,
        }
    }

    /// The exit code for a command line that is wrong.
    fn misused(self) -> u8 {
        match self {
            Self::Genkey => code::FAILED,
            Self::Genzone => code::USAGE,
            Self::Testkey | Self::Testmsg => EXIT_CONFIG,
        }
    }
}

const PREFIX: &str = "opendkim-";

/// The tool that the program is called as, run to its end; `None` when it is called by a name of its own.
pub(crate) fn by_name(mut call: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let program = call.next()?;
    let name = Path::new(&program).file_name()?;
    if let Some(tool) = Tool::of_program(name) {
        return Some(tool.run(call));
    }
    let other = name.to_str().filter(|name| name.starts_with(PREFIX))?;
    Some(no_tool(&format!("{other}: Postseal has no such tool")))
}

/// `postseal opendkim TOOL …`.
pub(crate) fn run(args: &Args, json: bool) -> ExitCode {
    if json {
        return no_tool(
            "postseal: these tools print what OpenDKIM's print, and no JSON; `postseal key new`, `postseal dns check` and `postseal verify` do",
        );
    }
    let Some((word, rest)) = args.call.split_first() else { return no_tool("postseal: name a tool") };
    match Tool::of_word(word) {
        Some(tool) => tool.run(rest.iter().cloned()),
        None => no_tool(&format!("postseal: there is no tool {}", Path::new(word).display())),
    }
}

fn no_tool(cause: &str) -> ExitCode {
    let names: Vec<&str> = Tool::ALL.into_iter().map(Tool::program).collect();
    // Nothing is left to tell it to when this cannot be written.
    let _ = writeln!(io::stderr(), "{cause}\n  fix: there are {}", names.join(", "));
    code::USAGE.into()
}

impl Tool {
    fn run(self, args: impl IntoIterator<Item = OsString>) -> ExitCode {
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        let mut console = Console { program: self.program(), out: &mut out, err: &mut err };
        let done = self.answer(args, &mut console);
        let done = done.and_then(|code| console.out.flush().map(|()| code).map_err(Stop::from));
        done.unwrap_or_else(|stop| console.stopped(&stop, self)).into()
    }

    fn answer(self, args: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> Result<u8, Stop> {
        let given = args::parse(self.rules(), args).map_err(|error| self.wrong_usage(&error))?;
        if given.has("help") {
            console.out.write_all(self.usage().as_bytes())?;
            return Ok(code::OK);
        }
        if given.has("version") {
            writeln!(console.out, "{} of Postseal {}", self.program(), env!("CARGO_PKG_VERSION"))?;
            return Ok(code::OK);
        }
        match self {
            Self::Genkey => genkey::run(&given, console),
            Self::Testkey => testkey::run(&given, console),
            Self::Testmsg => testmsg::run(&given, console),
            Self::Genzone => genzone::run(&given, console),
        }
    }

    fn wrong_usage(self, error: &ArgsError) -> Stop {
        Stop { shows_usage: true, ..Stop::new(self.misused(), error.to_string(), "") }
    }
}

/// Why a tool ends early.
#[derive(Debug)]
struct Stop {
    code: u8,
    /// What went wrong; one line, empty when it was said.
    cause: String,
    /// What to do about it; empty when that is plain.
    fix: String,
    /// Findings about keys and files.
    findings: Diagnostics,
    shows_usage: bool,
}

impl Stop {
    fn new(code: u8, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        let (cause, fix) = (cause.into(), fix.into());
        Self { code, cause, fix, findings: Diagnostics::default(), shows_usage: false }
    }

    /// What another command of the program reports.
    fn of(code: u8, failure: Failure) -> Self {
        Self { findings: failure.findings, ..Self::new(code, failure.cause, failure.fix) }
    }
}

/// A value that is no text.
impl From<ArgsError> for Stop {
    fn from(error: ArgsError) -> Self {
        Self::new(code::FAILED, error.to_string(), "")
    }
}

/// Standard output cannot be written. Nobody reads it any longer when its pipe is broken: there is nobody to tell, either.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        let cause = match error.kind() {
            io::ErrorKind::BrokenPipe => String::new(),
            _ => format!("the output cannot be written: {error}"),
        };
        Self::new(code::FAILED, cause, "")
    }
}

/// Where a tool writes. A line that standard error does not take is lost: there is no other place for it.
struct Console<'a> {
    program: &'static str,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl Console<'_> {
    /// A line of the tool on standard error.
    fn say(&mut self, line: impl Display) {
        let _ = writeln!(self.err, "{}: {line}", self.program);
    }

    /// A line of the tool on standard output.
    fn tell(&mut self, line: impl Display) -> Result<(), Stop> {
        Ok(writeln!(self.out, "{}: {line}", self.program)?)
    }

    /// A line of ours, below one of the tool.
    fn add(&mut self, line: impl Display) {
        let _ = writeln!(self.err, "  {line}");
    }

    /// Something that should be known, and what to do about it.
    fn warn(&mut self, what: impl Display, fix: impl Display) {
        self.say(format_args!("warning: {what}"));
        self.add(format_args!("fix: {fix}"));
    }

    /// Findings as the rest of the program prints them.
    fn findings(&mut self, findings: &Diagnostics) {
        let _ = write!(self.err, "{findings}");
    }

    fn stopped(&mut self, stop: &Stop, tool: Tool) -> u8 {
        if !stop.cause.is_empty() {
            self.say(&stop.cause);
        }
        self.findings(&stop.findings);
        if !stop.fix.is_empty() {
            self.add(format_args!("fix: {}", stop.fix));
        }
        if stop.shows_usage {
            let _ = self.err.write_all(tool.usage().as_bytes());
        }
        stop.code
    }
}

/// What the system says, without the number that Rust adds.
fn system(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Warns of arguments that are no options: the tools take none, and a domain among them was meant for `-d`.
fn warn_of_rest(given: &Given, console: &mut Console<'_>) {
    for argument in &given.rest {
        let shown = Path::new(argument).display();
        console.warn(
            format_args!("`{shown}` is no option and is not looked at"),
            "`-d` names the domain, `-s` the selector",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_known_by_their_names() {
        for tool in Tool::ALL {
            let (program, rules) = (tool.program(), tool.rules());
            assert_eq!(Tool::of_program(program.as_ref()), Some(tool));
            assert_eq!(Tool::of_word(program.strip_prefix(PREFIX).unwrap().as_ref()), Some(tool));
            assert!(tool.usage().starts_with(&format!("usage: {program} ")), "{program}");
            for rule in rules {
                assert!(tool.usage().contains(&format!("--{}", rule.name)), "{program} --{}", rule.name);
                if let Some(letter) = rule.letter {
                    assert!(tool.usage().contains(&format!("-{letter}")), "{program} -{letter}");
                }
                let same =
                    |other: &&Rule| other.name == rule.name || (other.letter.is_some() && other.letter == rule.letter);
                assert_eq!(rules.iter().filter(same).count(), 1, "{program} {rule:?}");
            }
        }
        assert_eq!(Tool::of_program("postseal".as_ref()), None);
        assert_eq!(Tool::of_program("genkey".as_ref()), None);
        assert_eq!(Tool::of_word("atpszone".as_ref()), None);
    }
}
