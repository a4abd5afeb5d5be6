//! A real PostgreSQL.

use std::path::PathBuf;

use nix::sys::signal::Signal;

use crate::{Folder, Server, command, free_port, program, run};

const PROGRAMS: &str = "/usr/lib/postgresql/*/bin";

/// A data folder with a database `postgres`, of the user `mail@user` with the password `p:/@#?'w=`.
#[derive(Debug)]
pub struct PostgreSql {
    folder: Folder,
    /// Of the loopback address.
    pub port: u16,
}

impl Default for PostgreSql {
    fn default() -> Self {
        Self::new()
    }
}

impl PostgreSql {
    /// The user's name.
    pub const USER: &str = "mail@user";
    /// The user's password.
    pub const PASSWORD: &str = "p:/@#?'w=";

    /// Makes the data folder.
    #[must_use]
    pub fn new() -> Self {
        let folder = Folder::new();
        let password = folder.file("password", Self::PASSWORD);
        let mut init = command(program("initdb", PROGRAMS));
        init.args(["-U", Self::USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]);
        run(init.arg("-D").arg(folder.path("data")).arg("--pwfile").arg(password));
        Self { folder, port: free_port() }
    }

    /// The folder of the server's Unix socket.
    #[must_use]
    pub fn socket_folder(&self) -> PathBuf {
        self.folder.path("")
    }

    /// Starts the server; it answers some moments later.
    #[must_use]
    pub fn start(&self) -> Server {
        let mut command = command(program("postgres", PROGRAMS));
        command.arg("-D").arg(self.folder.path("data")).arg("-k").arg(self.folder.path(""));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-F", "-c", "shared_buffers=8MB"]);
        // "Fast Shutdown": clients are sent away.
        Server::start(&mut command, Signal::SIGINT)
    }
}
