//! The journal of the program: killed under load, with a disk that takes nothing, in a folder that cannot be.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::journal::record::Content;
use engine::journal::{QUEUE_LENGTH, Read, Reader};
use nix::sys::signal::Signal;

use crate::mta::Mta;
use crate::running::{PROGRAM, Running, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than records wait before they are written: some milliseconds, and behind a sync of a disk that other tests keep busy.
const A_MOMENT: Duration = Duration::from_secs(2);

fn config(folder: &Path, more: &str) -> PathBuf {
    let socket = folder.join("socket");
    let text = format!(
        "listen = [\"unix:{}\"]\nstate_dir = \"state\"\n[spf]\nenabled = false\n[dmarc]\nenabled = false\n\
         [dns]\nnameservers = [\"127.0.0.1:9\"]\n[journal]\n{more}\n",
        socket.display()
    );
    fs::write(folder.join("c.toml"), text).unwrap();
    socket
}

/// What a journal holds: queue ids in their order, records that were lost, octets that are none.
#[derive(Debug, Default)]
struct Found {
    ids: Vec<String>,
    lost: u64,
    damaged: u64,
    torn: usize,
}

fn read(journal: &Path) -> Found {
    let mut reader = Reader::new(journal, None);
    let mut found = Found::default();
    loop {
        match reader.read_next().unwrap() {
            Read::Entry(entry) => match entry.content {
                Content::Message(record) => found.ids.push(record.queue_id),
                Content::Lost(lost) => found.lost += lost.records,
            },
            Read::Damage(damage) if damage.is_torn_tail => found.torn += 1,
            Read::Damage(damage) => found.damaged += damage.octets,
            Read::End => return found,
        }
    }
}

/// Kills the daemon while four connections deliver; the queue ids that were answered longer than a moment ago.
fn killed_under_load(folder: &Path, socket: &Path, round: usize) -> Vec<String> {
    let running = Running::start(folder, &["--config", "c.toml"]);
    let answered = Mutex::new(Vec::new());
    let is_killed = AtomicBool::new(false);
    let killed_at = std::thread::scope(|scope| {
        for connection in 0..4 {
            let (answered, is_killed) = (&answered, &is_killed);
            scope.spawn(move || {
                let mut mta = Mta::connect(socket).unwrap();
                for number in 0.. {
                    let id = format!("R{round}C{connection}N{number}");
                    if let Err(error) = mta.message(&id) {
                        assert!(is_killed.load(Ordering::SeqCst), "{error}");
                        return;
                    }
                    answered.lock().unwrap().push((id, Instant::now()));
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        let begun = Instant::now();
        while answered.lock().unwrap().len() < 300 || begun.elapsed() < A_MOMENT + A_MOMENT / 2 {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(1));
        }
        is_killed.store(true, Ordering::SeqCst);
        let killed_at = Instant::now();
        let _ = running.stop(Signal::SIGKILL);
        killed_at
    });
    let answered = answered.into_inner().unwrap();
    answered.into_iter().filter(|(_, at)| *at + A_MOMENT < killed_at).map(|(id, _)| id).collect()
}

#[test]
fn killed_under_load_nothing_that_was_answered_is_missing_and_the_next_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket = config(folder.path(), "segment_size = \"64KiB\"");
    let mut answered = Vec::new();
    for round in 0..2 {
        answered.extend(killed_under_load(folder.path(), &socket, round));
    }
    assert!(answered.len() > 100, "{}", answered.len());
    // Where the kill did not tear a frame, one is torn as a kill would.
    let journal = folder.path().join("state/journal");
    let mut segments: Vec<PathBuf> = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|ending| ending == "journal"));
    segments.sort();
    let last = segments.pop().unwrap();
    File::options().append(true).open(&last).unwrap().write_all(b"J1 000").unwrap();

    let running = Running::start(folder.path(), &["--config", "c.toml"]);
    let mut mta = Mta::connect(&socket).unwrap();
    mta.message("AFTER").unwrap();
    drop(mta);
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
    let found = read(&journal);
    let ids: HashSet<&str> = found.ids.iter().map(String::as_str).collect();
    assert_eq!(ids.len(), found.ids.len(), "nothing is there twice");
    let missing: Vec<&String> = answered.iter().filter(|id| !ids.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), answered.len());
    assert_eq!(found.ids.last().map(String::as_str), Some("AFTER"));
    assert!(
        found.torn >= 1 && found.damaged == 0 && found.lost == 0,
        "{} {} {}",
        found.torn,
        found.damaged,
        found.lost
    );
}

/// What the program says, without a file: a limit of file sizes counts for its log as well.
fn launch_with_a_limit(folder: &Path) -> (Running, PathBuf) {
    let log = folder.join("cat.log");
    let mut cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(File::options().create(true).append(true).open(&log).unwrap())
        .spawn()
        .unwrap();
    let output = Stdio::from(cat.stdin.take().unwrap());
    // Ends with its input.
    std::thread::spawn(move || cat.wait());
    let mut command = Command::new("sh");
    // Ignored signals stay ignored: a write beyond the limit is an error, as on a disk that is full.
    command.current_dir(folder).args(["-c", "trap '' XFSZ; exec \"$0\" --config c.toml", PROGRAM]);
    (Running::launch_with(folder, command, Stdio::null(), output), log)
}

fn wait_for(log: &Path, text: &str) -> String {
    let begun = Instant::now();
    loop {
        let found = fs::read_to_string(log).unwrap();
        if found.contains(text) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "no `{text}` in the log:\n{}", &found[found.len().saturating_sub(4000)..]);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn limit_files(pid: u32, soft: &str) {
    let status = Command::new("prlimit").args([&format!("--pid={pid}"), &format!("--fsize={soft}:unlimited")]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_disk_that_takes_nothing_does_not_hold_up_mail_and_what_is_lost_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let socket = config(folder.path(), "");
    let (running, log) = launch_with_a_limit(folder.path());
    wait_for(&log, "started");
    Mta::connect(&socket).unwrap().message("BEFORE").unwrap();
    let journal = folder.path().join("state/journal");
    let begun = Instant::now();
    while read(&journal).ids.is_empty() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    limit_files(running.pid(), "0");
    // More than the queue and a batch can hold.
    let more = QUEUE_LENGTH + 1000;
    let number = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut mta = Mta::connect(&socket).unwrap();
                loop {
                    let number = number.fetch_add(1, Ordering::SeqCst);
                    if number >= more {
                        return;
                    }
                    mta.message(&format!("N{number}")).unwrap();
                }
            });
        }
    });
    wait_for(&log, "the journal cannot be written");
    limit_files(running.pid(), "unlimited");
    wait_for(&log, "the journal is written again");
    Mta::connect(&socket).unwrap().message("AFTER").unwrap();
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
    let found = read(&journal);
    let text = fs::read_to_string(&log).unwrap();
    assert!(found.lost > 0 && text.contains("records of the journal were lost"), "{}", found.lost);
    assert!(text.contains("the journal lacks records of this run"), "said again at the end");
    // Every message is there or counted, and what waited is there once.
    let expected = u64::try_from(more).unwrap() + 2;
    assert_eq!(u64::try_from(found.ids.len()).unwrap() + found.lost, expected);
    let ids: HashSet<&String> = found.ids.iter().collect();
    assert_eq!(ids.len(), found.ids.len());
    assert!(found.ids.contains(&"BEFORE".to_owned()) && found.ids.contains(&"AFTER".to_owned()));
    assert_eq!(found.damaged, 0);
}

#[test]
fn a_journal_that_was_named_and_cannot_be_written_is_69() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    config(folder.path(), "folder = \"file/journal\"");
    let (code, text) = run(folder.path(), &["--config", "c.toml"]);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains("file/journal cannot be written") && text.contains("[journal] folder"), "{text}");
    assert!(!folder.path().join("socket").exists(), "nothing is listened on");
    // The state folder was named, its journal is in the way of something.
    config(folder.path(), "");
    fs::write(folder.path().join("state/journal"), "").unwrap();
    assert_eq!(run(folder.path(), &["--config", "c.toml"]).0, Some(69));
}

#[test]
fn a_default_folder_that_cannot_be_made_is_done_without() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody may write here, not even root: a file stands where the folder should be.
    fs::write(folder.path().join("postseal-data"), "").unwrap();
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let running = Running::start(folder.path(), &["--socket", &socket]);
    running.wait_for("working without a journal");
    Mta::connect(&folder.path().join("socket")).unwrap().message("ANY").unwrap();
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn two_daemons_do_not_share_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    config(folder.path(), "folder = \"j\"");
    let running = Running::start(folder.path(), &["--config", "c.toml"]);
    let text = fs::read_to_string(folder.path().join("c.toml")).unwrap();
    let text = text.replace("\"state\"", "\"other\"").replace("/socket", "/socket-2");
    fs::write(folder.path().join("d.toml"), text).unwrap();
    let (code, text) = run(folder.path(), &["--config", "d.toml"]);
    assert!(code == Some(69) && text.contains("another daemon writes it"), "{code:?} {text}");
    drop(running);
}

#[test]
fn a_journal_that_is_off_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let socket = config(folder.path(), "enabled = false");
    let running = Running::start(folder.path(), &["--config", "c.toml"]);
    Mta::connect(&socket).unwrap().message("ANY").unwrap();
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));
    assert!(!folder.path().join("state/journal").exists());
}
