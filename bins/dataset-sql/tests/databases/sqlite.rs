//! SQLite files.

use std::fs;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};

use crate::ask::{dataset, failure, fields, goes_and_comes, open, slow_is_cut};
use crate::suite::{Admin, fill, suite};
use database_servers::Folder;

async fn admin(file: &std::path::Path, mode: SqliteJournalMode) -> Admin {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true).journal_mode(mode);
    Admin::Sqlite(options.connect().await.unwrap())
}

fn base(file: &std::path::Path) -> String {
    format!("sqlite://{}", file.display().to_string().replace('/', "=2F"))
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_sqlite() {
    for mode in [SqliteJournalMode::Delete, SqliteJournalMode::Wal] {
        let folder = Folder::new();
        let file = folder.path("mail.db");
        let mut admin = admin(&file, mode).await;
        fill(&mut admin, "TEXT").await;
        suite(&mut admin, &base(&file)).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_sqlite_locked_longer_than_the_limit() {
    let folder = Folder::new();
    let file = folder.path("mail.db");
    let mut admin = admin(&file, SqliteJournalMode::Delete).await;
    fill(&mut admin, "TEXT").await;
    let copy = folder.path("copy.db");
    fs::copy(&file, &copy).unwrap();
    let text = |file| format!("dsn:{}/table=mail_keys?keycol=name?datacol=domain", base(file));
    admin.run("BEGIN EXCLUSIVE").await;
    slow_is_cut(&text(&file), &text(&copy), "example.com", "example.com").await;
    admin.run("COMMIT").await;
    assert!(fields(&open(&text(&file)), "example.com").await.is_some());
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_a_file_that_is_replaced_is_read_anew_and_none_is_made() {
    let folder = Folder::new();
    let (file, gone) = (folder.path("mail.db"), folder.path("gone.db"));
    let text = format!("dsn:{}/table=mail_keys?keycol=name?datacol=domain", base(&file));
    let lookup = open(&text);
    assert!(failure(&lookup, "k").await.contains("unable to open"));
    assert!(!file.exists(), "nothing is made where nothing is");
    let mut first = admin(&file, SqliteJournalMode::Delete).await;
    fill(&mut first, "TEXT").await;
    let set = dataset(&text, Duration::from_secs(5));
    let stop = async |()| fs::rename(&file, &gone).unwrap();
    let start = async || fs::rename(&gone, &file).unwrap();
    goes_and_comes(&set, &lookup, ("example.com", "twice.example"), (), stop, start).await;

    let new = folder.path("new.db");
    let mut second = admin(&new, SqliteJournalMode::Delete).await;
    second.run("CREATE TABLE mail_keys (name TEXT, domain TEXT)").await;
    second.run("INSERT INTO mail_keys VALUES ('example.com', 'second')").await;
    drop(second);
    fs::rename(&new, &file).unwrap();
    assert_eq!(fields(&lookup, "example.com").await.unwrap(), ["second"]);

    // We only read, whatever the filter says.
    let writing = open(&format!("{text}?filter=1) ; DELETE FROM mail_keys ; SELECT (1"));
    let error = failure(&writing, "none.example").await;
    assert!(error.contains("readonly"), "{error}");
    assert_eq!(fields(&lookup, "example.com").await.unwrap(), ["second"]);
}
