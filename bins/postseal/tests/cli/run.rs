//! Running the real program.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use engine::journal::{JournalThread, Settings};
use serde_json::Value;

/// The program with these arguments, in `folder`.
pub(crate) fn postseal(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postseal")).current_dir(folder).args(arguments).output().unwrap()
}

/// The same with something on standard input.
pub(crate) fn postseal_fed(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_postseal"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Sent from a thread: the program may write before it has read everything.
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

/// The journal. A program that another test starts at this moment holds the lock of the one before for an instant, between fork and exec.
pub(crate) fn open_journal(folder: &Path) -> JournalThread {
    let begun = Instant::now();
    loop {
        match JournalThread::spawn(Settings::new(folder.to_owned())) {
            Ok(journal) => return journal,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(10), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Standard output, after checking the exit code.
pub(crate) fn out(output: &Output, code: i32) -> String {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
    stdout
}

/// Standard error, after checking the exit code and that nothing else was printed.
pub(crate) fn err(output: &Output, code: i32) -> String {
    assert_eq!(out(output, code), "");
    text(&output.stderr)
}

/// Standard output as JSON, after checking the exit code.
pub(crate) fn json(output: &Output, code: i32) -> Value {
    serde_json::from_str(&out(output, code)).unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}
