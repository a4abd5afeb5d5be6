//! Calling both tools, and comparing what came of it.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::listed::LISTED;
use crate::site::work::command;

/// What a tool left: its exit code, standard output, and the lines that begin with its name on standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\n{}---\n{}", self.code, self.out, self.err)
    }
}

/// Debian's tool in this folder.
pub(crate) fn theirs(tool: &str, folder: &Path, arguments: &[&str], input: &[u8]) -> Said {
    run(tool, command(tool), folder, arguments, input)
}

/// Ours, called through a link.
pub(crate) fn ours(tool: &str, folder: &Path, arguments: &[&str], input: &[u8]) -> Said {
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join(tool);
    symlink(env!("CARGO_BIN_EXE_postseal"), &link).unwrap();
    run(tool, Command::new(link), folder, arguments, input)
}

fn run(tool: &str, mut command: Command, folder: &Path, arguments: &[&str], input: &[u8]) -> Said {
    let mut child = command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let prefix = format!("{tool}: ");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    // Warnings are all ours: nothing else is said in that place.
    let lines = err.lines().filter(|line| line.starts_with(&prefix) && !line.contains(": warning: "));
    // How it is called, each says in its own words.
    let is_usage = err.contains("usage: ");
    let err = if is_usage { "(usage)\n".to_owned() } else { lines.map(|line| format!("{line}\n")).collect() };
    Said { code: output.status.code().unwrap(), out: String::from_utf8_lossy(&output.stdout).into_owned(), err }
}

/// A difference between the tools that is meant.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) tool: &'static str,
    /// The arguments with spaces between them, or the name of the case.
    pub(crate) case: &'static str,
    /// What differs, of theirs: `None` where it is not looked at, since it holds words of another library.
    pub(crate) theirs: Option<Short>,
    pub(crate) ours: Short,
    pub(crate) why: &'static str,
}

/// Exit code, and something of standard output and standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) code: i32,
    /// A part of what was said on either; `None`: nothing was.
    pub(crate) says: Option<&'static str>,
}

impl Short {
    fn is(self, said: &Said) -> bool {
        let all = format!("{}{}", said.out, said.err);
        self.code == said.code && self.says.map_or(all.is_empty(), |says| all.contains(says))
    }
}

/// Collects what differs and is not listed, and what is listed and does not differ.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    seen: BTreeSet<&'static str>,
    faults: Vec<String>,
}

impl Comparison {
    pub(crate) fn compare(&mut self, tool: &'static str, case: &str, theirs: &Said, ours: &Said) {
        let listed = LISTED.iter().find(|listed| listed.tool == tool && listed.case == case);
        match listed {
            None if theirs == ours => {}
            None => self.faults.push(format!("{tool} {case}: theirs {theirs}\nours {ours}")),
            Some(listed) => {
                self.seen.insert(listed.case);
                if theirs == ours {
                    self.faults.push(format!("{tool} {case} is listed, and there is no difference: {theirs}"));
                }
                if listed.theirs.is_some_and(|short| !short.is(theirs)) {
                    self.faults.push(format!("{tool} {case}: theirs is not as listed: {theirs}"));
                }
                if !listed.ours.is(ours) {
                    self.faults.push(format!("{tool} {case}: ours is not as listed: {ours}"));
                }
            }
        }
    }

    /// Something else that should be so.
    pub(crate) fn check(&mut self, is_so: bool, what: impl FnOnce() -> String) {
        if !is_so {
            self.faults.push(what());
        }
    }

    /// Fails with all faults, and with the entries of the list that no case has.
    pub(crate) fn finish(mut self, tool: &'static str) {
        for listed in LISTED.iter().filter(|listed| listed.tool == tool && !self.seen.contains(listed.case)) {
            self.faults.push(format!("{tool} {} is listed, and there is no such case", listed.case));
        }
        for listed in LISTED.iter().filter(|listed| listed.tool == tool) {
            println!("{tool} {}: {}", listed.case, listed.why);
        }
        assert!(self.faults.is_empty(), "{}", self.faults.join("\n\n"));
    }
}
