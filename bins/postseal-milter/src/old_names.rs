//! The arguments of `opendkim` and `opendmarc`, for a program that is called by one of these names: what units and scripts give.
//!
//! Options that stand for a line of the configuration file override it, at a reload as well. The test modes (`-t`, `-Q`) are other programs' work.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataset_sql::Databases;
use engine::config::old_file::UserId;
use engine::process::Options;
use engine::start::{Openers, Request, Source};

/// Where the file is if none is named.
const OPENDKIM_CONF: &str = "/etc/opendkim.conf";
const OPENDMARC_CONF: &str = "/etc/opendmarc.conf";

/// State that is kept, below the working directory, as without the old names.
const STATE: &str = "postseal-data";

/// Letters of `opendkim` that stand for a line, that line's beginning, and whether the option has a value to complete it.
const LINES: &[(u8, &str, bool)] = &[
    (b'b', "Mode", true),
    (b'c', "Canonicalization", true),
    (b'd', "Domain", true),
    (b'D', "SubDomains yes", false),
    (b'k', "KeyFile", true),
    (b'L', "Minimum", true),
    (b'o', "OmitHeaders", true),
    (b'r', "RequiredHeaders yes", false),
    (b's', "Selector", true),
    (b'S', "SignatureAlgorithm", true),
    (b'T', "DNSTimeout", true),
    (b'W', "LogWhy yes", false),
];

/// The program whose name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    OpenDkim,
    OpenDmarc,
}

/// What a command line wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `-V`.
    Version,
    /// `-?`.
    Help,
    Run(Box<Run>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) request: Request,
    pub(crate) options: Options,
    /// `-n`.
    pub(crate) check: bool,
}

impl Program {
    /// By the name that this program is called by.
    pub(crate) fn called(name: &OsStr) -> Option<Self> {
        match Path::new(name).file_name()?.as_bytes() {
            b"opendkim" => Some(Self::OpenDkim),
            b"opendmarc" => Some(Self::OpenDmarc),
            _ => None,
        }
    }

    /// `-?`.
    pub(crate) fn help(self) -> String {
        let (name, file) = (self.instance(), char::from(self.file_letter()));
        format!(
            "Usage: {name} [OPTIONS]\n\nPostseal under the name of {name}: runs from its configuration file.\n\n  \
             -{file} FILE    configuration file [/etc/{name}.conf]\n  \
             -p SOCKET  in place of `Socket`\n  \
             -P FILE    in place of `PidFile`\n  \
             -u USER    in place of `UserID`\n  \
             -A         as `AutoRestart yes`\n  \
             -l         as `Syslog yes`\n  \
             -f         stay in the foreground\n  \
             -n         check the configuration and end, with 0 or 78\n  \
             -v         no effect\n  \
             -V         print the version\n{}\n{}\n",
            self.lines_help(),
            engine::start::EXIT_CODES
        )
    }

    /// The letters in place of lines.
    fn lines_help(self) -> String {
        let mut text = String::new();
        for (letter, option, has_value) in LINES.iter().filter(|_| self == Self::OpenDkim) {
            let letter = char::from(*letter);
            let value = if *has_value { " VALUE" } else { "" };
            text.push_str(&format!("  {:<10} as `{option}{value}`\n", format!("-{letter}{value}")));
        }
        text
    }

    fn file_letter(self) -> u8 {
        match self {
            Self::OpenDkim => b'x',
            Self::OpenDmarc => b'c',
        }
    }

    /// Reads the arguments behind the name.
    ///
    /// # Errors
    ///
    /// Words for the user.
    pub(crate) fn read(self, arguments: impl IntoIterator<Item = OsString>) -> Result<Wanted, String> {
        let (mut file, mut socket, mut options, mut check) = (None, None, Options::default(), false);
        let mut lines = String::new();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let [b'-', body @ ..] = argument.as_bytes() else {
                return Err(format!("unexpected argument `{}`", argument.display()));
            };
            let mut body = body;
            if body.is_empty() || body == b"-" {
                return Err(format!("unexpected argument `{}`", argument.display()));
            }
            while let [letter, rest @ ..] = body {
                body = rest;
                // The value of an option: what is left of the argument, or the next one.
                let mut value = || {
                    let glued = Some(std::mem::take(&mut body)).filter(|glued| !glued.is_empty());
                    let value = glued.map(|glued| OsString::from_vec(glued.to_vec())).or_else(|| arguments.next());
                    value.ok_or_else(|| format!("option -{} needs a value", char::from(*letter)))
                };
                match *letter {
                    letter if letter == self.file_letter() => file = Some(PathBuf::from(value()?)),
                    b'A' => options.auto_restart = true,
                    b'f' => options.foreground = true,
                    b'n' => check = true,
                    b'p' => {
                        let text = text(value()?)?;
                        socket = Some(text.parse().map_err(|error| format!("-p {text}: {error}"))?);
                    }
                    b'P' => options.pid_file = Some(PathBuf::from(value()?)),
                    b'u' => {
                        let text = text(value()?)?;
                        options.user = Some(user(&text)?);
                        // Whether a key is safe depends on who reads it.
                        lines.push_str(&format!("UserID {text}\n"));
                    }
                    // More words on the terminal, in test mode alone.
                    b'v' => {}
                    b'l' => lines.push_str("Syslog yes\n"),
                    b'V' => return Ok(Wanted::Version),
                    b'?' | b'h' => return Ok(Wanted::Help),
                    letter => {
                        let known = LINES.iter().find(|(known, ..)| *known == letter && self == Self::OpenDkim);
                        let Some((_, option, has_value)) = known else {
                            return Err(unknown(letter));
                        };
                        lines.push_str(option);
                        if *has_value {
                            let value = text(value()?)?;
                            if value.contains('\n') {
                                return Err(format!("option -{}: its value is one line", char::from(letter)));
                            }
                            lines.push(' ');
                            lines.push_str(&value);
                        }
                        lines.push('\n');
                    }
                }
            }
        }
        let usual = match self {
            Self::OpenDkim => OPENDKIM_CONF,
            Self::OpenDmarc => OPENDMARC_CONF,
        };
        let (file, instance) = (file.unwrap_or_else(|| PathBuf::from(usual)), self.instance());
        let (opendkim, opendmarc) = match self {
            Self::OpenDkim => (Some(file), None),
            Self::OpenDmarc => (None, Some(file)),
        };
        let opener = Openers(Arc::new(Databases));
        let source = Source::OldFiles { opendkim, opendmarc, lines, socket, state_dir: PathBuf::from(STATE), opener };
        // Both may run on a host, from the same working directory.
        let request = Request { instance: instance.parse().ok(), ..Request::new(source) };
        Ok(Wanted::Run(Box::new(Run { request, options, check })))
    }

    fn instance(self) -> &'static str {
        match self {
            Self::OpenDkim => "opendkim",
            Self::OpenDmarc => "opendmarc",
        }
    }
}

fn unknown(letter: u8) -> String {
    let instead = match letter {
        b't' | b'T' | b'Q' => "; `postseal explain`, `postseal verify` and `postseal opendkim testmsg` work on files",
        _ => "",
    };
    format!("option -{} is not known here{instead}", char::from(letter))
}

fn text(value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| format!("`{}` is not UTF-8", value.display()))
}

fn user(text: &str) -> Result<UserId, String> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    if user.is_empty() || group.is_some_and(str::is_empty) {
        return Err(format!("-u {text}: write it as `opendkim` or `opendkim:mail`"));
    }
    Ok(UserId { user: user.to_owned(), group: group.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(program: Program, arguments: &[&str]) -> Result<Wanted, String> {
        program.read(arguments.iter().map(OsString::from))
    }

    fn run(program: Program, arguments: &[&str]) -> Run {
        match read(program, arguments) {
            Ok(Wanted::Run(run)) => *run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn s1_1_command_lines_of_units_and_scripts() {
        let Run { request, options, check } = run(
            Program::OpenDkim,
            &["-x", "/etc/o.conf", "-u", "opendkim:mail", "-P/run/o.pid", "-p", "inet:8891@localhost", "-Af"],
        );
        let Source::OldFiles { opendkim, opendmarc, socket, .. } = request.source else { panic!() };
        assert_eq!((opendkim.unwrap().to_str(), opendmarc), (Some("/etc/o.conf"), None));
        assert_eq!(socket.unwrap().to_postfix(), "inet:localhost:8891");
        let user = Some(UserId { user: "opendkim".into(), group: Some("mail".into()) });
        let pid_file = Some("/run/o.pid".into());
        assert_eq!(options, Options { foreground: true, auto_restart: true, user, pid_file });
        assert!(!check);

        let debian = run(Program::OpenDmarc, &[]);
        let Source::OldFiles { opendkim, opendmarc, .. } = debian.request.source else { panic!() };
        assert_eq!((opendkim, opendmarc), (None, Some(OPENDMARC_CONF.into())));
        assert!(run(Program::OpenDmarc, &["-nc", "x"]).check);
        assert_eq!(read(Program::OpenDkim, &["-V"]), Ok(Wanted::Version));
    }

    #[test]
    fn s1_1_letters_that_stand_for_lines() {
        let lines = |program, arguments: &[&str]| match run(program, arguments).request.source {
            Source::OldFiles { lines, .. } => lines,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            lines(Program::OpenDkim, &["-lbsv", "-D", "-crelaxed/simple", "-T", "7"]),
            "Syslog yes\nMode sv\nSubDomains yes\nCanonicalization relaxed/simple\nDNSTimeout 7\n"
        );
        assert_eq!(lines(Program::OpenDmarc, &["-l"]), "Syslog yes\n");
        assert!(Program::OpenDkim.help().contains("  -b VALUE   as `Mode VALUE`\n"), "{}", Program::OpenDkim.help());
    }

    #[test]
    fn s1_1_what_is_not_taken_is_named() {
        let words = |program, arguments: &[&str]| read(program, arguments).unwrap_err();
        assert_eq!(words(Program::OpenDkim, &["-b"]), "option -b needs a value");
        assert_eq!(words(Program::OpenDkim, &["-d", "a\nMode v"]), "option -d: its value is one line");
        assert!(words(Program::OpenDkim, &["-t", "m.eml"]).contains("`postseal explain`"));
        assert_eq!(words(Program::OpenDmarc, &["-b", "sv"]), "option -b is not known here");
        assert_eq!(words(Program::OpenDmarc, &["-x", "f"]), "option -x is not known here");
        assert_eq!(words(Program::OpenDkim, &["-x"]), "option -x needs a value");
        assert_eq!(words(Program::OpenDkim, &["file"]), "unexpected argument `file`");
        assert!(words(Program::OpenDkim, &["-p", "x:y"]).starts_with("-p x:y: "));
        assert!(words(Program::OpenDkim, &["-u", ":mail"]).starts_with("-u :mail: "));
    }
}
