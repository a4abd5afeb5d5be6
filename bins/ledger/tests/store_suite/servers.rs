//! The three kinds.

use ledger::store::{DatabaseUrl, Store, Trouble, migrate};

use crate::databases::Files;
use crate::suite::suite;

#[tokio::test(flavor = "current_thread")]
async fn s5_3_sqlite_in_a_file() {
    suite(Files::new()).await;
}

/// The file and those beside it are readable for the group at most, and the settings are those that were asked for.
#[tokio::test(flavor = "current_thread")]
async fn s5_3_sqlite_has_its_settings() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut store = Store::new(DatabaseUrl::sqlite(&path));
    migrate::migrate(&mut store, 1).await.unwrap();
    for (pragma, expected) in [("synchronous", 1), ("busy_timeout", 10_000), ("auto_vacuum", 2)] {
        assert_eq!(store.number(&format!("PRAGMA {pragma}"), &[]).await.unwrap(), expected, "{pragma}");
    }
    let mode = store.fetch("PRAGMA journal_mode", &[], &[ledger::store::Kind::Text]).await.unwrap();
    assert_eq!(mode[0][0].text(), "wal");
    for file in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o027, 0, "{file} {mode:o}");
    }
}

/// Who asks for SQLite where there is none, or for a folder, is told so at once and not tried again.
#[tokio::test(flavor = "current_thread")]
async fn a_place_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("none/ledger.sqlite")] {
        let error = Store::new(DatabaseUrl::sqlite(&path)).begin().await.unwrap_err();
        assert!(!error.trouble.may_pass(), "{error}");
    }
    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database, but a text that is long enough to be one\n".repeat(100)).unwrap();
    let error = Store::new(DatabaseUrl::sqlite(&text)).begin().await.unwrap_err();
    assert!(!error.trouble.may_pass(), "{error}");
    // A pipe that nobody reads, and a device.
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for place in [pipe.as_path(), std::path::Path::new("/dev/zero")] {
        let error = Store::new(DatabaseUrl::sqlite(place)).begin().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Refused, "{error}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_file_of_another_program_gets_no_tables() {
    let folder = tempfile::tempdir().unwrap();
    for (name, sql) in [
        ("a", "CREATE TABLE theirs (a TEXT)"),
        ("b", "CREATE TABLE domain (id TEXT); CREATE VIEW out_day AS SELECT 1"),
        ("c", "CREATE TABLE schema_migration (version TEXT); INSERT INTO schema_migration VALUES ('x')"),
    ] {
        let mut store = Store::new(DatabaseUrl::sqlite(&folder.path().join(name)));
        store.script(sql).await.unwrap();
        let count = "SELECT COUNT(*) FROM sqlite_master";
        let before = store.number(count, &[]).await.unwrap();
        let error = migrate::migrate(&mut store, 1).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Foreign, "{name}: {error}");
        assert_eq!(store.number(count, &[]).await.unwrap(), before, "{name}");
    }
}

#[cfg(feature = "databases")]
mod real {
    use ledger::store::{DatabaseUrl, Store, Trouble};

    use crate::databases::real::{CREDENTIALS, Maria, Postgres};
    use crate::suite::suite;

    #[tokio::test(flavor = "current_thread")]
    async fn s5_3_mariadb() {
        let databases = Maria::started().await;
        let port = databases.0.port;
        let wrong = DatabaseUrl::parse(&format!("mysql://mail%40user:wr0ng@127.0.0.1:{port}/mail")).unwrap();
        refused(wrong).await;
        let socket = databases.0.socket();
        let url =
            DatabaseUrl::parse(&format!("mysql://{CREDENTIALS}@localhost/mail?socket={}", socket.display())).unwrap();
        Store::new(url).script("SELECT 1").await.unwrap();
        suite(databases).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s5_3_postgresql() {
        let databases = Postgres::started().await;
        let wrong = format!("postgres://mail%40user:wr0ng@127.0.0.1:{}/postgres", databases.0.port);
        refused(DatabaseUrl::parse(&wrong).unwrap()).await;
        suite(databases).await;
    }

    async fn refused(url: DatabaseUrl) {
        let mut store = Store::new(url);
        let error = store.begin().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Refused, "{error}");
        for text in [format!("{error}"), format!("{error:?}"), format!("{store:?}")] {
            assert!(!text.contains("wr0ng"), "{text}");
        }
    }
}
