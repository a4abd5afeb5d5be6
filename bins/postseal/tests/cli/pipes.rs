//! Pipes: one in place of a file is an error and no wait; an output that nobody reads any more is no error.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine::journal::Record;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::run::{err, open_journal, postseal};

#[test]
fn a_pipe_in_place_of_a_file_is_told_with_its_name_and_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    mkfifo(&folder.path().join("pipe"), Mode::S_IRWXU).unwrap();
    std::fs::write(folder.path().join("c.toml"), "").unwrap();
    std::fs::write(folder.path().join("mail.eml"), "From: a@example.com\r\n\r\n").unwrap();
    let list = "[dmarc]\nmethod = \"public-suffix-list\"\npublic_suffix_list = \"pipe\"\n";
    std::fs::write(folder.path().join("list.toml"), list).unwrap();
    let envelope = ["--ip", "192.0.2.1", "--helo", "x.example", "--from", "<>"];
    for (arguments, code) in [
        ([&["explain", "pipe"], &envelope[..]].concat(), 64),
        (vec!["verify", "pipe"], 64),
        (vec!["sign", "pipe"], 64),
        (vec!["replay", "pipe", "--policy", "c.toml"], 64),
        (vec!["replay", ".", "--policy", "pipe"], 78),
        (vec!["replay", ".", "--policy", "list.toml"], 78),
        (vec!["journal", "show", "--config", "pipe"], 78),
        (vec!["spf", "example.com", "--zone", "pipe"], 78),
        ([&["explain", "mail.eml", "--zone", "pipe"], &envelope[..]].concat(), 78),
    ] {
        let started = Instant::now();
        let told = err(&postseal(folder.path(), &arguments), code);
        let is_told = told.contains("regular file") || told.contains("neither a folder nor a file");
        assert!(is_told && told.contains("pipe"), "{arguments:?}: {told}");
        assert!(started.elapsed() < Duration::from_secs(20), "{arguments:?}");
    }
}

/// The first line of what the program prints; then nobody reads any more. Its end and what it says about that.
fn head(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_postseal"))
        .current_dir(folder)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    (child.wait().unwrap().code(), line, told)
}

#[test]
fn who_reads_no_further_ends_the_program_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open_journal(&folder.path().join("journal"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        // More than a pipe holds.
        for number in 0..4000 {
            let record = Record { queue_id: format!("4XyZ{number}"), at: 1_790_000_000_000, ..Record::default() };
            journal.journal().append(record).await;
        }
    });
    assert!(journal.finish(Duration::from_secs(20)));
    for more in [&[][..], &["--json"]] {
        let arguments = [&["journal", "show", "--journal", "journal"], more].concat();
        let (code, line, told) = head(folder.path(), &arguments);
        assert!(line.contains("4XyZ0"), "{line}");
        assert_eq!((code, told.as_str()), (Some(141), ""), "{arguments:?}");
    }
}
