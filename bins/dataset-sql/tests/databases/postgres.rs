//! A real PostgreSQL.

use std::time::Duration;

use database_servers::{PostgreSql, Server, until};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::ask::{dataset, failure, fields, goes_and_comes, open};
use crate::suite::{Admin, fill, slow, suite, wrong_password};

const CREDENTIALS: &str = "mail=40user:p=3A=2F=40=23=3F=27w=3D";

struct Cluster(PostgreSql);

impl Cluster {
    async fn start(&self) -> (Server, Admin) {
        let server = self.0.start();
        (server, self.admin("postgres").await)
    }

    async fn admin(&self, database: &str) -> Admin {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.0.port)
            .username(PostgreSql::USER)
            .password(PostgreSql::PASSWORD)
            .database(database)
            .ssl_mode(PgSslMode::Disable);
        Admin::Postgres(until(async || options.connect().await).await)
    }

    fn tcp(&self, database: &str) -> String {
        format!("pgsql://{CREDENTIALS}@{}+127.0.0.1/{database}", self.0.port)
    }

    fn unix(&self) -> String {
        let folder = self.0.socket_folder().display().to_string().replace('/', "=2F");
        format!("pgsql://{CREDENTIALS}@{}+{folder}/postgres", self.0.port)
    }
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_postgresql() {
    let database = Cluster(PostgreSql::new());
    let (server, mut admin) = database.start().await;
    fill(&mut admin, "TEXT").await;
    suite(&mut admin, &database.tcp("postgres")).await;
    slow(&database.tcp("postgres"), "(SELECT TRUE FROM pg_sleep(5))").await;
    wrong_password(
        &format!("pgsql://mail=40user:wr0ng@{}+127.0.0.1/postgres", database.0.port),
        "authentication failed",
    )
    .await;

    // Names without quotes are in lower case, as in a statement; in quotes they are as they are.
    admin.run("CREATE TABLE Folded (Name TEXT, \"Value\" TEXT)").await;
    admin.run("INSERT INTO Folded VALUES ('k', 'v')").await;
    let folded = open(&format!("dsn:{}/table=Public.FOLDED?keycol=NAME?datacol==22Value=22", database.tcp("postgres")));
    assert_eq!(fields(&folded, "k").await.unwrap(), ["v"]);

    // The type of the key column decides how keys are compared.
    admin.run("CREATE TABLE fixed (name CHAR(20), value INTEGER)").await;
    admin.run("INSERT INTO fixed VALUES ('k', 7)").await;
    let fixed = open(&format!("dsn:{}/table=fixed?keycol=name?datacol=value", database.unix()));
    assert_eq!(fields(&fixed, "k").await.unwrap(), ["7"]);
    admin.run("CREATE TABLE words (name VARCHAR(9), value BOOLEAN)").await;
    admin.run("INSERT INTO words VALUES ('k', TRUE)").await;
    let words = open(&format!("dsn:{}/table=words?keycol=name?datacol=value", database.unix()));
    assert_eq!(fields(&words, "k").await.unwrap(), ["true"]);

    // A database that cannot have the letters of the key.
    admin.run("CREATE DATABASE old ENCODING 'LATIN1' TEMPLATE template0").await;
    let mut old_admin = database.admin("old").await;
    old_admin.run("CREATE TABLE t (name TEXT, value TEXT)").await;
    old_admin.run("INSERT INTO t VALUES ('é', 'ü')").await;
    let old = open(&format!("dsn:{}/table=t?keycol=name?datacol=value", database.tcp("old")));
    assert_eq!(fields(&old, "é").await.unwrap(), ["ü"]);
    assert_eq!(fields(&old, "😀").await, None);
    let error = failure(&open(&format!("dsn:{}/table=t?keycol=name?datacol=value", database.tcp("none"))), "k").await;
    assert!(error.contains("none"), "{error}");

    let text = format!("dsn:{}/table=mail_keys?keycol=name?datacol=selector", database.tcp("postgres"));
    let set = dataset(&text, Duration::from_secs(5));
    let stop = async |server: Server| server.stop();
    let server = goes_and_comes(&set, &open(&text), ("example.com", "other.example"), server, stop, async || {
        database.start().await.0
    })
    .await;
    server.stop();
}
