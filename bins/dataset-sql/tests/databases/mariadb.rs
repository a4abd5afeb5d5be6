//! A real MariaDB.

use std::time::Duration;

use database_servers::{MariaDb, Server, until};
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use crate::ask::{dataset, fields, goes_and_comes, open};
use crate::suite::{Admin, fill, slow, suite, wrong_password};

/// The password `p:/@#?'w=` of the user `mail@user`.
const CREDENTIALS: &str = "mail=40user:p=3A=2F=40=23=3F=27w=3D";

struct Database(MariaDb);

impl Database {
    async fn start(&self) -> (Server, Admin) {
        let server = self.0.start();
        let options = MySqlConnectOptions::new()
            .socket(self.0.socket())
            .username(MariaDb::USER)
            .password(MariaDb::PASSWORD)
            .database("mail")
            .ssl_mode(MySqlSslMode::Disabled);
        let admin = until(async || options.connect().await).await;
        (server, Admin::MySql(admin))
    }

    fn tcp(&self) -> String {
        format!("mysql://{CREDENTIALS}@{}+127.0.0.1/mail", self.0.port)
    }

    fn unix(&self) -> String {
        format!("mysql://{CREDENTIALS}@{}/mail", self.0.socket().display().to_string().replace('/', "=2F"))
    }
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_mariadb() {
    let database = Database(MariaDb::new());
    let (server, mut admin) = database.start().await;
    fill(&mut admin, "TEXT").await;
    suite(&mut admin, &database.tcp()).await;
    slow(&database.tcp(), "SLEEP(5)=3D0").await;
    wrong_password(&format!("mysql://mail=40user:wr0ng@{}+127.0.0.1/mail", database.0.port), "Access denied").await;

    // A column that cannot have the letters of the key.
    admin.run("CREATE TABLE old (name VARCHAR(99) CHARACTER SET latin1, value TEXT CHARACTER SET latin1)").await;
    admin.run("INSERT INTO old VALUES ('é', 'ü')").await;
    let old = open(&format!("dsn:{}/table=old?keycol=name?datacol=value", database.unix()));
    assert_eq!(fields(&old, "é").await.unwrap(), ["ü"]);
    assert_eq!(fields(&old, "😀").await, None);

    // Stopped and started again, over both kinds of socket.
    for base in [database.unix(), database.tcp()] {
        let text = format!("dsn:{base}/table=mail_keys?keycol=name?datacol=domain,selector");
        assert_eq!(fields(&open(&text), "example.com").await.unwrap(), ["d.example", "sel"]);
    }
    let text = format!("dsn:{}/table=mail_keys?keycol=name?datacol=selector", database.tcp());
    let set = dataset(&text, Duration::from_secs(5));
    let stop = async |server: Server| server.stop();
    let server = goes_and_comes(&set, &open(&text), ("example.com", "other.example"), server, stop, async || {
        database.start().await.0
    })
    .await;
    server.stop();
}
