//! The three kinds of database, each with a way to a new and empty one: SQLite in files; a real MariaDB and a real PostgreSQL that are started in temporary folders.

use ledger::store::DatabaseUrl;

pub(crate) trait Databases {
    /// A database without tables.
    async fn new_one(&mut self) -> DatabaseUrl;
    /// Ends the server and starts it again.
    async fn restart(&mut self);
}

pub(crate) struct Files(tempfile::TempDir, u32);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), 0)
    }
}

impl Databases for Files {
    async fn new_one(&mut self) -> DatabaseUrl {
        self.1 += 1;
        DatabaseUrl::sqlite(&self.0.path().join(format!("{}.sqlite", self.1)))
    }

    async fn restart(&mut self) {}
}

#[cfg(feature = "databases")]
pub(crate) mod real {
    use database_servers::{MariaDb, PostgreSql, Server, until};
    use ledger::store::{DatabaseUrl, Store};

    use super::Databases;

    /// `mail@user`, `p:/@#?'w=`
    pub(crate) const CREDENTIALS: &str = "mail%40user:p%3A%2F%40%23%3F'w%3D";

    pub(crate) struct Maria(pub(crate) MariaDb, Option<Server>, u32);

    impl Maria {
        /// A server that answers.
        pub(crate) async fn started() -> Self {
            let mut databases = Self(MariaDb::new(), None, 0);
            databases.start().await;
            databases
        }

        pub(crate) fn url(&self, database: &str) -> DatabaseUrl {
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

    pub(crate) struct Postgres(pub(crate) PostgreSql, Option<Server>, u32);

    impl Postgres {
        /// A server that answers.
        pub(crate) async fn started() -> Self {
            let mut databases = Self(PostgreSql::new(), None, 0);
            databases.start().await;
            databases
        }

        pub(crate) fn url(&self, database: &str) -> DatabaseUrl {
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
}
