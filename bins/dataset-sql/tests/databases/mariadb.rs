//! A real MariaDB.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use crate::ask::{dataset, fields, goes_and_comes, open};
use crate::servers::{Folder, Server, command, free_port, program, run, until};
use crate::suite::{Admin, fill, slow, suite, wrong_password};

/// The password `p:/@#?'w=` of the user `mail@user`.
const CREDENTIALS: &str = "mail=40user:p=3A=2F=40=23=3F=27w=3D";
const INIT: &str =
    "CREATE USER IF NOT EXISTS 'mail@user'@'%' IDENTIFIED BY 'p:/@#?''w=';\nGRANT ALL ON mail.* TO 'mail@user'@'%';\n";

struct MariaDb {
    folder: Folder,
    port: u16,
}

impl MariaDb {
    /// Makes the system tables, without Debian's script, which takes longer and needs Perl.
    fn new() -> Self {
        let folder = Folder::new();
        folder.folder("data");
        folder.folder("tmp");
        let read = |folder: &str, name: &str| std::fs::read_to_string(format!("/usr/share/{folder}/{name}.sql"));
        let part = |name: &str| read("mariadb", name).or_else(|_| read("mysql", name)).unwrap();
        let mut sql = tempfile::tempfile().unwrap();
        let head = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n";
        let tail = "CREATE DATABASE mail CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\n";
        let parts = [head, &part("mysql_system_tables"), &part("mysql_system_tables_data"), tail];
        for text in parts {
            sql.write_all(text.as_bytes()).unwrap();
        }
        std::io::Seek::rewind(&mut sql).unwrap();
        folder.file("init.sql", INIT);
        let made = Self { folder, port: free_port() };
        run(made.command().args(["--bootstrap", "--skip-networking"]).stdin(sql));
        made
    }

    fn command(&self) -> std::process::Command {
        let path = |name: &str| self.folder.path(name).display().to_string();
        let mut command = command(program("mariadbd", "/usr/sbin"));
        command.arg("--no-defaults").args([
            "--innodb-buffer-pool-size=8M",
            "--innodb-log-file-size=4M",
            "--innodb-flush-log-at-trx-commit=0",
        ]);
        command.args([
            format!("--datadir={}", path("data")),
            format!("--socket={}", path("s")),
            format!("--tmpdir={}", path("tmp")),
        ]);
        command.args([
            format!("--port={}", self.port),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--pid-file={}", path("pid")),
        ]);
        command
    }

    async fn start(&self) -> (Server, Admin) {
        let log = File::create(self.folder.path("log")).unwrap();
        let mut command = self.command();
        command.arg(format!("--init-file={}", self.folder.path("init.sql").display())).stderr(Stdio::from(log));
        let server = Server::start(&mut command, Signal::SIGTERM);
        let options = MySqlConnectOptions::new()
            .socket(self.folder.path("s"))
            .username("mail@user")
            .password("p:/@#?'w=")
            .database("mail")
            .ssl_mode(MySqlSslMode::Disabled);
        let admin = until(async || options.connect().await).await;
        (server, Admin::MySql(admin))
    }

    fn tcp(&self) -> String {
        format!("mysql://{CREDENTIALS}@{}+127.0.0.1/mail", self.port)
    }

    fn unix(&self) -> String {
        format!("mysql://{CREDENTIALS}@{}/mail", self.folder.path("s").display().to_string().replace('/', "=2F"))
    }
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_mariadb() {
    let database = MariaDb::new();
    let (server, mut admin) = database.start().await;
    fill(&mut admin, "TEXT").await;
    suite(&mut admin, &database.tcp()).await;
    slow(&database.tcp(), "SLEEP(5)=3D0").await;
    wrong_password(&format!("mysql://mail=40user:wr0ng@{}+127.0.0.1/mail", database.port), "Access denied").await;

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
