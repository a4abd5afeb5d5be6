//! Debian's OpenDKIM, one for each way to canonicalize and each algorithm: both are settings of the whole daemon.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::cells::Key;
use crate::keys::{Keys, SELECTOR};
use crate::milter::{Client, pass};
use crate::results::{dkim_verdicts, only_passes};
use crate::site::work::{command, port};

/// A running OpenDKIM; killed when dropped.
pub(crate) struct OpenDkim {
    process: Child,
    folder: PathBuf,
    log: PathBuf,
    pub(crate) port: u16,
}

impl OpenDkim {
    /// Starts one that signs for the domains of all keys of this algorithm.
    pub(crate) fn start(work: &Path, keys: &Keys, nameserver: u16, canon: &str, algorithm: &str) -> Self {
        let folder = work.join("opendkim").join(format!("{}-{algorithm}", canon.replace('/', "-")));
        fs::create_dir_all(&folder).unwrap();
        let (mut key_table, mut signing_table) = (String::new(), String::new());
        for key in Key::ALL.into_iter().filter(|key| key.algorithm() == algorithm) {
            let domain = key.domain();
            key_table.push_str(&format!("{domain} {domain}:{SELECTOR}:{}\n", keys.pem(key).display()));
            signing_table.push_str(&format!("{domain} {domain}\n"));
        }
        fs::write(folder.join("KeyTable"), key_table).unwrap();
        fs::write(folder.join("SigningTable"), signing_table).unwrap();
        let work = folder.display();
        // Without TrustAnchorFile, which Debian's own file has: the root of this DNS is not signed.
        let config = format!(
            "Mode sv
Canonicalization {canon}
SignatureAlgorithm {algorithm}
KeyTable file:{work}/KeyTable
SigningTable file:{work}/SigningTable
InternalHosts csl:127.0.0.1
RequireSafeKeys no
Nameservers 127.0.0.1@{nameserver}
AuthservID mx.example
AlwaysAddARHeader yes
OversignHeaders From
MilterDebug 0
"
        );
        fs::write(folder.join("verify.conf"), format!("Nameservers 127.0.0.1@{nameserver}\n")).unwrap();
        Self::start_with(folder, &config)
    }

    /// Starts one with these lines of configuration, beside those that say where it listens.
    pub(crate) fn start_with(folder: PathBuf, lines: &str) -> Self {
        let port = port();
        let file = folder.join("opendkim.conf");
        fs::write(&file, format!("Background no\nSocket inet:{port}@127.0.0.1\n{lines}")).unwrap();
        let log = folder.join("log");
        let process = command("opendkim")
            .arg("-f")
            .arg("-x")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut daemon = Self { process, folder, log, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = daemon.process.try_wait().unwrap();
            let log = fs::read_to_string(&daemon.log).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "OpenDKIM did not start: {ended:?}\n{log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signed = pass(self.port, Client::Own, message)?;
        if signed == message { Err(self.words("s", message)) } else { Ok(signed) }
    }

    /// `Err` has what it said instead of `pass`.
    pub(crate) fn verify(&self, message: &[u8]) -> Result<(), String> {
        only_passes(&self.verdicts(message)?)
    }

    /// What it said about each signature.
    pub(crate) fn verdicts(&self, message: &[u8]) -> Result<Vec<String>, String> {
        let verified = pass(self.port, Client::Outside, message)?;
        dkim_verdicts(&verified).ok_or_else(|| self.words("v", message))
    }

    /// As a milter it lets some messages pass in silence. In its test mode it says why.
    fn words(&self, mode: &str, message: &[u8]) -> String {
        let file = self.folder.join("message");
        fs::write(&file, message).unwrap();
        let mut command = command("opendkim");
        // In this mode all messages come from the host itself, and with the tables it would take them for messages to sign.
        let config = self.folder.join(if mode == "s" { "opendkim.conf" } else { "verify.conf" });
        let output = command.arg("-x").arg(config).args(["-b", mode, "-t"]).arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let prefix = format!("opendkim: {}: ", file.display());
        said.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or(&said).to_owned()
    }
}

impl Drop for OpenDkim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- opendkim\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
        // It has nothing to put in order, and at SIGTERM waits for its resolver.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
