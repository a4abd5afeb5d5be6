//! A real MariaDB.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::{Folder, Server, command, free_port, program, run};

/// A data folder with a database `mail`, and the user `mail@user` with the password `p:/@#?'w=`, who may do everything in databases that are called
/// `mail` and something.
#[derive(Debug)]
pub struct MariaDb {
    folder: Folder,
    /// Of the loopback address.
    pub port: u16,
}

const INIT: &str = "CREATE USER IF NOT EXISTS 'mail@user'@'%' IDENTIFIED BY 'p:/@#?''w=';\nGRANT ALL ON `mail%`.* TO 'mail@user'@'%';\n";

impl Default for MariaDb {
    fn default() -> Self {
        Self::new()
    }
}

impl MariaDb {
    /// The user's name.
    pub const USER: &str = "mail@user";
    /// The user's password.
    pub const PASSWORD: &str = "p:/@#?'w=";

    /// Makes the system tables, without Debian's script, which takes longer and needs Perl.
    #[must_use]
    pub fn new() -> Self {
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
        sql.rewind().unwrap();
        folder.file("init.sql", INIT);
        let made = Self { folder, port: free_port() };
        run(made.command().args(["--bootstrap", "--skip-networking"]).stdin(sql));
        made
    }

    /// The server's Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path("s")
    }

    /// Starts the server; it answers some moments later.
    #[must_use]
    pub fn start(&self) -> Server {
        let log = File::create(self.folder.path("log")).unwrap();
        let mut command = self.command();
        command.arg(format!("--init-file={}", self.folder.path("init.sql").display())).stderr(Stdio::from(log));
        Server::start(&mut command, Signal::SIGTERM)
    }

    fn command(&self) -> Command {
        let path = |name: &str| self.folder.path(name).display().to_string();
        let mut command = command(program("mariadbd", "/usr/sbin"));
        command.arg("--no-defaults").args([
            "--innodb-buffer-pool-size=8M",
            "--innodb-log-file-size=4M",
            "--innodb-flush-log-at-trx-commit=2",
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
}
