//! The program is killed at random moments while the journal grows, again and again; in the end the database has what the journal has.
//!
//! SQLite always; with the feature `databases` a real MariaDB and a real PostgreSQL too. Further down: a full disk, the exit codes, and the commands as they are
//! called.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use engine::journal::record::{Content, Dmarc, Published};
use engine::journal::{JournalThread, Read, Reader, Record, Settings};
use serde_json::Value;

/// Milliseconds of 2026-11-24, 00:00 UTC.
const DAY: u64 = 20_781 * 86_400_000;

/// How long the loop goes on: tens of kills.
const LOOP: Duration = Duration::from_secs(15);

fn message(number: u64) -> Record {
    let published =
        Published { domain: format!("d{}.example", number % 50), p: "none".to_owned(), ..Published::default() };
    Record {
        // The clock goes a day back in between.
        at: DAY + (number / 3000 % 2) * 86_400_000,
        origin: "inbound".to_owned(),
        client: Some(std::net::Ipv4Addr::from(u32::try_from(number % 1000).unwrap()).into()),
        header_from: vec![published.domain.clone()],
        dmarc: Some(Dmarc {
            result: "fail".to_owned(),
            disposition: "none".to_owned(),
            published: Some(published),
            ..Dmarc::default()
        }),
        action: "accept".to_owned(),
        ..Record::default()
    }
}

fn program(database: &str, journal: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postseal-report"));
    command
        .arg("--database")
        .arg(database)
        .arg("--journal")
        .arg(journal)
        .args(["--node", "mx1", "--state"])
        .arg(journal);
    command.stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
    command
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{:?} {} {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn kill(mut child: Child) {
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Numbers that are not the same at each run, and that say which they were.
fn seed() -> u64 {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    eprintln!("seed {seed}");
    u64::from(seed) | 1
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What the journal has, read the plain way.
fn in_journal(folder: &Path) -> u64 {
    let mut reader = Reader::new(folder, None);
    let mut messages = 0;
    loop {
        match reader.read_next().unwrap() {
            Read::Entry(entry) => messages += u64::from(matches!(entry.content, Content::Message(_))),
            Read::Damage(damage) => panic!("{damage:?}"),
            Read::End => return messages,
        }
    }
}

fn in_database(database: &str, journal: &Path) -> (u64, u64) {
    let output = run(program(database, journal).args(["--json", "db", "check"]));
    let check: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let output = run(program(database, journal).args(["db", "export"]));
    assert!(output.status.success(), "{}", text(&output));
    let rows = String::from_utf8(output.stdout).unwrap();
    let counts =
        rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap().get("count").unwrap().as_u64().unwrap());
    (counts.sum(), check.pointer("/nodes/0/messages").and_then(Value::as_u64).unwrap_or(0))
}

async fn killed_again_and_again(database: &str) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut settings = Settings::new(journal.clone());
    settings.segment_size = 200_000;
    let writer = JournalThread::spawn(settings).unwrap();
    assert!(run(program(database, &journal).args(["db", "migrate"])).status.success());
    let mut state = seed();
    let (mut number, mut kills) = (0, 0_u32);
    let begun = Instant::now();
    while begun.elapsed() < LOOP {
        let flush = ["10ms", "50ms", "200ms"].get(usize::try_from(random(&mut state) % 3).unwrap()).copied().unwrap();
        let quiet = program(database, &journal)
            .args(["import", "--flush", flush])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let life = Duration::from_millis(random(&mut state) % 1500);
        let child = quiet.unwrap();
        let end = Instant::now() + life;
        while Instant::now() < end {
            writer.journal().append(message(number)).await;
            number += 1;
            if number.is_multiple_of(10) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        kill(child);
        kills += 1;
    }
    assert_eq!(writer.journal().lost(), 0);
    assert!(writer.finish(Duration::from_secs(20)));
    assert!(kills > 8 && number > 1000, "{kills} kills, {number} messages");
    let (before, _) = in_database(database, &journal);
    assert!(before > 0, "something was written between the kills");
    let output = run(program(database, &journal).args(["import", "--once"]));
    assert!(output.status.success(), "{}", text(&output));
    let there = in_journal(&journal);
    eprintln!("{kills} kills, {there} messages, {before} of them written before the last run");
    assert_eq!(there, number);
    assert_eq!(in_database(database, &journal), (there, there));
    // And nothing more.
    let output = run(program(database, &journal).args(["--json", "import", "--once"]));
    let met: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(met.get("messages"), Some(&Value::from(0)), "{}", text(&output));
}

#[tokio::test(flavor = "current_thread")]
async fn s2_7_sqlite_is_killed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    killed_again_and_again(&format!("sqlite:{}", folder.path().join("l.sqlite").display())).await;
}

#[cfg(feature = "databases")]
mod real {
    use database_servers::{MariaDb, PostgreSql};

    use super::*;

    /// `mail@user`, `p:/@#?'w=`
    const CREDENTIALS: &str = "mail%40user:p%3A%2F%40%23%3F'w%3D";

    fn wait_for(database: &str) {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        loop {
            let output = run(program(database, folder.path()).args(["db", "migrate"]));
            if output.status.success() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", text(&output));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s2_7_mariadb_sees_its_client_killed_again_and_again() {
        let maria = MariaDb::new();
        let _server = maria.start();
        let database = format!("mysql://{CREDENTIALS}@127.0.0.1:{}/mail", maria.port);
        wait_for(&database);
        killed_again_and_again(&database).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s2_7_postgresql_sees_its_client_killed_again_and_again() {
        let postgres = PostgreSql::new();
        let _server = postgres.start();
        let database = format!("postgres://{CREDENTIALS}@127.0.0.1:{}/postgres", postgres.port);
        wait_for(&database);
        killed_again_and_again(&database).await;
    }

    /// The server goes and comes while the program runs: it waits, and nothing is lost.
    #[tokio::test(flavor = "current_thread")]
    async fn s2_7_a_server_that_goes_and_comes_is_waited_for() {
        let maria = MariaDb::new();
        let server = maria.start();
        let database = format!("mysql://{CREDENTIALS}@127.0.0.1:{}/mail", maria.port);
        wait_for(&database);
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        write(&journal, 0..500).await;
        let child = program(&database, &journal)
            .args(["import", "--flush", "50ms"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until_counted(&database, &journal, 500);
        server.kill();
        write(&journal, 500..900).await;
        std::thread::sleep(Duration::from_millis(800));
        let output = run(program(&database, &journal).args(["import", "--once", "--patience", "500ms"]));
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        let _server = maria.start();
        wait_for(&database);
        until_counted(&database, &journal, 900);
        kill(child);
    }

    fn until_counted(database: &str, journal: &Path, messages: u64) {
        let begun = Instant::now();
        while in_database(database, journal) != (messages, messages) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{messages} are not counted");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

async fn write(folder: &Path, numbers: std::ops::Range<u64>) {
    let writer = JournalThread::spawn(Settings::new(folder.to_owned())).unwrap();
    for number in numbers {
        writer.journal().append(message(number)).await;
    }
    assert!(writer.finish(Duration::from_secs(20)));
}

/// A file that may not grow stands for a disk that is full: the program says so, ends with 2, and counts all of it later.
#[tokio::test(flavor = "current_thread")]
async fn s2_7_a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let database = format!("sqlite:{}", folder.path().join("l.sqlite").display());
    write(&journal, 0..5000).await;
    assert!(run(program(&database, &journal).args(["db", "migrate"])).status.success());
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""]).arg(env!("CARGO_BIN_EXE_postseal-report"));
    limited.args(["--database", &database, "--node", "mx1", "--journal"]).arg(&journal);
    let output = run(limited.args(["import", "--once", "--patience", "300ms"]));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("make room on the disk"), "{}", text(&output));
    assert_eq!(in_database(&database, &journal).0, 0);
    let output = run(program(&database, &journal).args(["import", "--once"]));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(in_database(&database, &journal), (5000, 5000));
}

/// Each way to end has the code that `--help` tells, and no output has a password.
#[tokio::test(flavor = "current_thread")]
async fn exit_codes_are_those_of_the_help() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let database = format!("sqlite:{}", folder.path().join("l.sqlite").display());
    write(&journal, 0..10).await;
    let code = |database: &str, journal: &Path, args: &[&str]| {
        let output = run(program(database, journal).args(args));
        let shown = text(&output);
        assert!(!shown.contains("s3cret"), "{shown}");
        (output.status.code().unwrap(), shown)
    };
    let help = run(Command::new(env!("CARGO_BIN_EXE_postseal-report")).args(["import", "--help"]));
    assert!(text(&help).contains("Exit codes:"), "{}", text(&help));
    for (database, args, expected, word) in [
        (database.as_str(), &["db", "check"][..], 1, "there is no database"),
        (&database, &["import", "--once"], 0, "10 messages read"),
        (&database, &["db", "check"], 0, "mx1"),
        (&database, &["db", "nothing"], 64, "nothing"),
        (&database, &["--config", "/does/not/exist.toml", "db", "check"], 78, "E-CONFIG-READ"),
        ("oracle://u:s3cret@h/d", &["db", "check"], 64, "not carried"),
        ("mysql://u:s3cret@127.0.0.1:1/d", &["import", "--once", "--patience", "100ms"], 2, "mysql://127.0.0.1:1/d"),
        ("postgres://u:s3cret@127.0.0.1:1/d", &["db", "check"], 2, "postgres://127.0.0.1:1/d"),
    ] {
        let (found, shown) = code(database, &journal, args);
        assert_eq!(found, expected, "{args:?} {shown}");
        assert!(shown.contains(word), "{args:?} {shown}");
    }
    let (found, shown) = code(&database, &folder.path().join("nowhere"), &["import", "--once"]);
    assert!(found == 1 && shown.contains("the journal in"), "{shown}");
}

/// One configuration file serves the daemon and this: state folder, database, node.
#[tokio::test(flavor = "current_thread")]
async fn the_configuration_says_where_things_are() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("state/journal"), 0..20).await;
    let config = folder.path().join("postseal.toml");
    std::fs::write(&config, "state_dir = \"state\"\n[report]\ndatabase = \"sqlite:other.db\"\nnode = \"mx7\"\nemail = \"dmarc@reports.example\"\n").unwrap();
    let run_it = |args: &[&str]| {
        run(Command::new(env!("CARGO_BIN_EXE_postseal-report")).arg("--config").arg(&config).args(args))
    };
    let output = run_it(&["import", "--once"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(folder.path().join("other.db").exists());
    let output = run_it(&["db", "check"]);
    assert!(text(&output).contains("mx7: counted to"), "{}", text(&output));

    let backup = folder.path().join("backup");
    let backup = backup.to_str().unwrap();
    assert!(run_it(&["db", "backup", backup]).status.success());
    assert!(!run_it(&["db", "backup", backup]).status.success(), "a backup replaces no file");
    let other = format!("sqlite:{}", folder.path().join("new.db").display());
    let output = run_it(&["--database", &other, "db", "restore", backup]);
    assert!(output.status.success(), "{}", text(&output));
    let rows = |database: &[&str]| {
        run_it(&[database, &["db", "export", "--format", "csv", "--day", "2026-11-24"]].concat()).stdout
    };
    assert_eq!(rows(&["--database", &other]), rows(&[]));
    assert!(rows(&[]).len() > 1000);
}
