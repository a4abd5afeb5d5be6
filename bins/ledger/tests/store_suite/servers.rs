//! The three kinds, each with a way to a new and empty database.

use ledger::store::{DatabaseUrl, Store};

use crate::suite::{Databases, suite};

struct Files(tempfile::TempDir, u32);

impl Databases for Files {
    async fn new_one(&mut self) -> DatabaseUrl {
        self.1 += 1;
        DatabaseUrl::sqlite(&self.0.path().join(format!("{}.sqlite", self.1)))
    }

    async fn restart(&mut self) {}
}

#[tokio::test(flavor = "current_thread")]
async fn s5_3_sqlite_in_a_file() {
    suite(Files(tempfile::tempdir().unwrap(), 0)).await;
}

/// The file and those beside it are readable for the group at most, and the settings are those that were asked for.
#[tokio::test(flavor = "current_thread")]
async fn s5_3_sqlite_has_its_settings() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let mut store = Store::new(DatabaseUrl::sqlite(&path));
    ledger::store::migrate::migrate(&mut store, 1).await.unwrap();
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
}

#[cfg(feature = "databases")]
mod real {
    use database_servers::{MariaDb, PostgreSql, Server, until};
    use ledger::store::{DatabaseUrl, Store, Trouble};

    use crate::suite::{Databases, suite};

    /// `mail@user`, `p:/@#?'w=`
    const CREDENTIALS: &str = "mail%40user:p%3A%2F%40%23%3F'w%3D";

    struct Maria(MariaDb, Option<Server>, u32);

    impl Maria {
        fn url(&self, database: &str) -> DatabaseUrl {
            DatabaseUrl::parse(&format!("mysql://{CREDENTIALS}@127.0.0.1:{}/{database}", self.0.port)).unwrap()
        }

        async fn start(&mut self) {
            self.1 = Some(self.0.start());
            let url = self.url("mail");
            until(async || Store::new(url.clone()).script("SELECT 1").await).await;
        }
    }

    impl Databases for Maria {
        async fn new_one(&mut self) -> DatabaseUrl {
            self.2 += 1;
            let name = format!("mail{}", self.2);
            // Not in the character set of the tables: they bring their own.
            Store::new(self.url("mail")).script(&format!("CREATE DATABASE {name} CHARACTER SET latin1")).await.unwrap();
            self.url(&name)
        }

        async fn restart(&mut self) {
            self.1.take().unwrap().kill();
            self.start().await;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s5_3_mariadb() {
        let mut databases = Maria(MariaDb::new(), None, 0);
        databases.start().await;
        let port = databases.0.port;
        let wrong = DatabaseUrl::parse(&format!("mysql://mail%40user:wr0ng@127.0.0.1:{port}/mail")).unwrap();
        refused(wrong).await;
        let socket = databases.0.socket();
        let url =
            DatabaseUrl::parse(&format!("mysql://{CREDENTIALS}@localhost/mail?socket={}", socket.display())).unwrap();
        Store::new(url).script("SELECT 1").await.unwrap();
        suite(databases).await;
    }

    struct Postgres(PostgreSql, Option<Server>, u32);

    impl Postgres {
        fn url(&self, database: &str) -> DatabaseUrl {
            DatabaseUrl::parse(&format!("postgres://{CREDENTIALS}@127.0.0.1:{}/{database}", self.0.port)).unwrap()
        }

        async fn start(&mut self) {
            self.1 = Some(self.0.start());
            let url = self.url("postgres");
            until(async || Store::new(url.clone()).script("SELECT 1").await).await;
        }
    }

    impl Databases for Postgres {
        async fn new_one(&mut self) -> DatabaseUrl {
            self.2 += 1;
            let name = format!("mail{}", self.2);
            Store::new(self.url("postgres")).script(&format!("CREATE DATABASE {name}")).await.unwrap();
            self.url(&name)
        }

        async fn restart(&mut self) {
            // PostgreSQL's other processes end by themselves when the first one is gone; its port is free then.
            self.1.take().unwrap().stop();
            self.start().await;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn s5_3_postgresql() {
        let mut databases = Postgres(PostgreSql::new(), None, 0);
        databases.start().await;
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
