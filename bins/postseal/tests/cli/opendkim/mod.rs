//! The program under the names of OpenDKIM's tools. Beside Debian's tools it is held in the tests of `postseal-milter` with the feature `peers`.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::run::{err, out, postseal};

mod genkey;
mod genzone;
mod testkey;
mod testmsg;

/// A tool with these arguments, in `folder`, called through a link.
fn tool(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    tool_fed(folder, name, arguments, b"")
}

/// The same with something on standard input.
fn tool_fed(folder: &Path, name: &str, arguments: &[&str], input: &[u8]) -> Output {
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join(name);
    symlink(env!("CARGO_BIN_EXE_postseal"), &link).unwrap();
    let mut child = Command::new(&link)
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_link_a_copy_and_a_word_are_the_same_tool() {
    let folder = tempfile::tempdir().unwrap();
    let by_link = out(&tool(folder.path(), "opendkim-genkey", &["--help"]), 0);
    assert!(by_link.starts_with("usage: opendkim-genkey "), "{by_link}");
    let copy = folder.path().join("opendkim-genkey");
    std::fs::copy(env!("CARGO_BIN_EXE_postseal"), &copy).unwrap();
    assert_eq!(out(&Command::new(copy).arg("--help").output().unwrap(), 0), by_link);
    for word in ["genkey", "opendkim-genkey"] {
        assert_eq!(out(&postseal(folder.path(), &["opendkim", word, "--help"]), 0), by_link);
    }
    assert!(out(&postseal(folder.path(), &["opendkim", "--help"]), 0).contains("ln -s"));
    assert!(out(&tool(folder.path(), "opendkim-genkey", &["-V"]), 0).starts_with("opendkim-genkey of Postseal "));
}

#[test]
fn tools_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = err(&tool(folder.path(), "opendkim-atpszone", &[]), 64);
    assert!(text.contains("no such tool") && text.contains("opendkim-genkey"), "{text}");
    let text = err(&postseal(folder.path(), &["opendkim", "stats"]), 64);
    assert!(text.contains("there is no tool stats"), "{text}");
    assert!(err(&postseal(folder.path(), &["--json", "opendkim", "genkey"]), 64).contains("no JSON"));
}
