//! `postseal journal show`, on journals that the engine writes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::journal::{Journal, Record};
use serde_json::Value;

use crate::run::{err, json, open_journal, out, postseal};

const PATIENCE: Duration = Duration::from_secs(10);

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn record(id: &str, author: &str, mail_from: &str, at: u64) -> Record {
    Record {
        at,
        queue_id: id.to_owned(),
        header_from: vec![author.to_owned()],
        mail_from: mail_from.to_owned(),
        action: "accept".to_owned(),
        ..Record::default()
    }
}

/// Writes into the journal in this folder.
fn write(folder: &Path, work: impl AsyncFnOnce(&Journal)) {
    let thread = open_journal(folder);
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work(&thread.journal()));
    assert!(thread.finish(PATIENCE));
}

/// Queue ids of the lines.
fn ids(text: &str) -> Vec<&str> {
    text.lines().map(|line| line.split(' ').nth(1).unwrap()).collect()
}

#[test]
fn records_are_lines_and_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let hour = 3_600_000;
    write(&folder.path().join("postseal-data/journal"), async |journal| {
        journal.append(record("A1", "example.com", "bounce.example", now() - 5 * hour)).await;
        journal.append(record("A2", "sub.example.com", "bounce.example", now() - 2 * hour)).await;
        journal.append(record("A3", "other.example", "example.com", now())).await;
        journal.append(record("A4", "badexample.com", "", now())).await;
    });
    let show = |arguments: &[&str]| {
        let output = postseal(folder.path(), &[&["journal", "show"], arguments].concat());
        (out(&output, 0), String::from_utf8(output.stderr).unwrap())
    };
    let (text, errors) = show(&[]);
    assert_eq!((ids(&text), errors.as_str()), (vec!["A1", "A2", "A3", "A4"], ""));
    let line = text.lines().nth(3).unwrap();
    assert!(
        line.contains("Z A4 author=badexample.com mail_from=<> client=- spf=- dkim=- dmarc=- action=accept"),
        "{line}"
    );
    for (arguments, expected) in [
        (&["--domain", "Example.COM"][..], &["A1", "A2", "A3"][..]),
        (&["--domain", "sub.example.com"], &["A2"]),
        (&["--queue-id", "A3"], &["A3"]),
        (&["--queue-id", "A"], &[]),
        (&["--limit", "2"], &["A3", "A4"]),
        (&["--since", "3h"], &["A2", "A3", "A4"]),
        (&["--since", "3h", "--domain", "example.com", "--limit", "1"], &["A3"]),
        (&["--since", "2100-01-01"], &[]),
    ] {
        assert_eq!(ids(&show(arguments).0), expected, "{arguments:?}");
    }
    let (text, _) = show(&["--json", "--queue-id", "A1"]);
    let value: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(
        (&value["message"]["queue_id"], &value["message"]["mail_from"]),
        (&"A1".into(), &"bounce.example".into())
    );
}

#[test]
fn damage_and_losses_are_told_and_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    write(&journal, async |journal| journal.append(record("B1", "a.example", "", 5)).await);
    let segment =
        fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some());
    // A writer was killed here, and what it wrote was damaged.
    fs::OpenOptions::new().append(true).open(segment.unwrap()).unwrap().write_all(b"\x1b[2J\nJ1 000").unwrap();
    write(&journal, async |journal| {
        journal.miss();
        journal.miss();
        journal.append(record("B2", "a.example", "", 6)).await;
    });
    let output = postseal(folder.path(), &["journal", "show", "--journal", "j"]);
    let mut shown = ids(&out(&output, 0)).iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    shown.sort();
    assert_eq!(shown, ["B1", "B2"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 3, "{errors}");
    assert!(lines[0].starts_with("postseal: 5 octets at ") && lines[0].ends_with("are no record: damaged"), "{errors}");
    assert!(
        lines[1].starts_with("postseal: 6 octets at ") && lines[1].ends_with("in the middle of a record"),
        "{errors}"
    );
    assert!(lines[2].starts_with("postseal: 2 records before 20") && lines[2].ends_with("were lost"), "{errors}");

    let output = postseal(folder.path(), &["--json", "journal", "show", "--journal", "j"]);
    let text = out(&output, 0);
    let values: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(output.stderr.is_empty());
    assert_eq!(values.len(), 5, "{text}");
    assert_eq!((&values[1]["damage"]["octets"], &values[1]["damage"]["torn_tail"]), (&5.into(), &false.into()));
    assert_eq!((&values[2]["damage"]["octets"], &values[2]["damage"]["torn_tail"]), (&6.into(), &true.into()));
    assert!(values.iter().any(|value| value["lost"]["records"] == 2), "{text}");
}

#[test]
fn the_journal_is_found_by_state_configuration_and_instance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (place, id) in [("state/journal", "C1"), ("state/in/journal", "C2"), ("j", "C3"), ("j/in", "C4")] {
        write(&path.join(place), async |journal| journal.append(record(id, "a.example", "", 1)).await);
    }
    fs::write(path.join("state.toml"), "state_dir = \"state\"\n").unwrap();
    fs::write(path.join("journal.toml"), "[journal]\nfolder = \"j\"\n").unwrap();
    for (arguments, id) in [
        (&["--state", "state"][..], "C1"),
        (&["--state", "state", "--instance", "in"], "C2"),
        (&["--config", "state.toml"], "C1"),
        (&["--config", "state.toml", "--instance", "in"], "C2"),
        (&["--config", "journal.toml"], "C3"),
        (&["--config", "journal.toml", "--instance", "in"], "C4"),
        (&["--journal", "j"], "C3"),
    ] {
        assert_eq!(ids(&out(&postseal(path, &[&["journal", "show"], arguments].concat()), 0)), [id], "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_read_and_wrong_arguments_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let text = err(&postseal(folder.path(), &["journal", "show"]), 1);
    assert!(text.contains("postseal-data/journal cannot be read") && text.contains("--journal"), "{text}");
    assert!(json(&postseal(folder.path(), &["--json", "journal", "show"]), 1)["error"].is_string());
    fs::write(folder.path().join("bad.toml"), "[journal]\nkeep = 1\n").unwrap();
    let text = err(&postseal(folder.path(), &["journal", "show", "--config", "bad.toml"]), 78);
    assert!(text.contains("bad.toml:2"), "{text}");
    for arguments in [
        &["--since", "yesterday"][..],
        &["--limit", "0"],
        &["--domain", "jo@example.com"],
        &["--journal", "j", "--config", "c"],
        &["--nonsense"],
    ] {
        err(&postseal(folder.path(), &[&["journal", "show"], arguments].concat()), 64);
    }
}

#[test]
fn follow_shows_what_comes_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("j");
    write(&journal, async |journal| {
        for id in ["D1", "D2"] {
            journal.append(record(id, "a.example", "", 1)).await;
        }
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_postseal"))
        .current_dir(folder.path())
        .args(["journal", "show", "--journal", "j", "--follow", "--limit", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || ids(&lines.next().unwrap().unwrap())[0].to_owned();
    assert_eq!(next(), "D2");
    // Another run of the daemon, in a new segment; what comes is not held back by the limit.
    write(&journal, async |journal| {
        for id in ["D3", "D4"] {
            journal.append(record(id, "a.example", "", 1)).await;
        }
    });
    assert_eq!((next(), next()), ("D3".to_owned(), "D4".to_owned()));
    child.kill().unwrap();
    child.wait().unwrap();
}
