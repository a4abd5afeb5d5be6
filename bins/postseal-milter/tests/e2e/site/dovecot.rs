//! A private Dovecot that takes mail by LMTP and runs the Sieve script of `contrib/sieve` before delivery, as its comments say to install it.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::work::{command, folder, port, signal};
use crate::mailbox::Mailbox;

/// User and group of the mailboxes.
const NOBODY: u32 = 65534;

/// A running Dovecot; stopped when dropped.
pub(crate) struct Dovecot {
    process: Child,
    folder: TempDir,
    /// Lines of main.cf that have Postfix deliver all mail to it.
    pub(crate) main_cf: String,
    /// Where mail for reader@… ends up.
    pub(crate) inbox: Mailbox,
    /// Where the script files mail for reader@….
    pub(crate) junk: Mailbox,
}

impl Dovecot {
    /// Starts one with folders of its own and waits until it answers.
    pub(crate) fn start() -> Self {
        let folder = folder();
        let work = folder.path();
        for name in ["run", "mail", "sieve"] {
            fs::create_dir(work.join(name)).unwrap();
        }
        chown(work.join("mail"), Some(NOBODY), Some(NOBODY)).unwrap();
        let port = port();
        let config = work.join("dovecot.conf");
        fs::write(&config, dovecot_conf(work, port)).unwrap();
        compile(&config, &work.join("sieve"));

        let log = File::create(work.join("output")).unwrap();
        let process = command("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let maildir = work.join("mail/reader/Maildir");
        let (inbox, junk) = (Mailbox::new(maildir.clone()), Mailbox::new(maildir.join(".Junk")));
        let main_cf = format!("virtual_transport = lmtp:inet:[127.0.0.1]:{port}\n");
        let mut dovecot = Self { process, folder, main_cf, inbox, junk };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = dovecot.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no Dovecot: {ended:?}\n{}", dovecot.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        dovecot
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        ["output", "log"].map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()).concat()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Dovecot\n{}", self.log());
        }
        signal(self.process.id(), Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

/// Mail is delivered under a user who may not write to the folder of the script: it is compiled beforehand.
fn compile(config: &Path, folder: &Path) {
    let source: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/sieve/postseal-dmarc.sieve");
    let script = folder.join("postseal-dmarc.sieve");
    fs::copy(source, &script).unwrap();
    let output = command("sievec").arg("-c").arg(config).arg(&script).output().unwrap();
    assert!(output.status.success() && script.with_extension("svbin").is_file(), "sievec: {output:?}");
}

/// Every address has a mailbox, called after its local part.
fn dovecot_conf(work: &Path, port: u16) -> String {
    let work = work.display();
    format!(
        "base_dir = {work}/run
state_dir = {work}/run
instance_name = postseal-e2e
log_path = {work}/log
protocols = lmtp
ssl = no
mail_location = maildir:~/Maildir
userdb {{
  driver = static
  args = uid={NOBODY} gid={NOBODY} home={work}/mail/%n allow_all_users=yes
}}
passdb {{
  driver = static
  args = nopassword=yes
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
protocol lmtp {{
  mail_plugins = sieve
  postmaster_address = postmaster@mx.example
}}
namespace inbox {{
  inbox = yes
}}
plugin {{
  sieve_before = {work}/sieve
}}
"
    )
}
