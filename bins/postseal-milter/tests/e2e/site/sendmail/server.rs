//! A private Sendmail: Debian's packages unpacked and run in place, with a folder of its own over /etc, in namespaces of its own.
//!
//! `sendmail-bin` cannot be installed beside Postfix, so `scripts/test` unpacks it below the target folder. Sendmail wants a full host name, and
//! reads `/etc/hosts`, the users and the configuration of SASL: it gets them in a mount and a UTS namespace. Its own PID namespace ends all its
//! processes with the first. All mail goes on to one next hop. `/run` is the folder of the test: Sendmail refuses a milter socket below a folder
//! that everybody may write to, such as /tmp.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::sasl;
use super::sink::Sink;
use crate::site::postfix::HOST;
use crate::site::work::{command, port};

/// User and group of the program that hands in mail, which refuses to run as root.
const NOBODY: u32 = 65534;

/// How Sendmail is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// What it does when the filter is not there: `T` tempfail, `R` reject, empty: go on without.
    pub(crate) on_failure: &'a str,
    /// The `T=` of the filter; empty for Sendmail's own times.
    pub(crate) times: &'a str,
    /// Further lines of sendmail.mc.
    pub(crate) mc: &'a str,
    /// Whether the next hop takes 8-bit bodies.
    pub(crate) next_hop_takes_8bit: bool,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { on_failure: "T", times: "", mc: "", next_hop_takes_8bit: true }
    }
}

/// A running Sendmail; stopped when dropped.
pub(crate) struct Sendmail {
    process: Child,
    folder: PathBuf,
    /// Mail from anywhere: `{daemon_name}` is `MTA`.
    pub(crate) inbound: u16,
    /// Mail of users: `{daemon_name}` is `ORIGINATING`.
    pub(crate) submission: u16,
    /// Where all mail ends up.
    pub(crate) mailbox: Sink,
}

impl Sendmail {
    /// Starts one under `work` whose filter is at `milter`, spelled as Sendmail wants it, and waits until it answers.
    pub(crate) fn start(work: &Path, milter: &str, setup: &Setup<'_>) -> Self {
        let (inbound, submission) = (port(), port());
        let mailbox = Sink::start(setup.next_hop_takes_8bit);
        let folder = work.join("sendmail");
        let etc = folder.join("etc");
        for name in ["etc/mail", "etc/sasl2", "queue", "client-queue"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for name in ["queue", "client-queue"] {
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o700)).unwrap();
        }
        chown(folder.join("client-queue"), Some(NOBODY), Some(NOBODY)).unwrap();
        for (name, text) in [
            ("hosts", format!("127.0.0.1 localhost {HOST}\n127.0.0.9 out.example\n")),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
            // What Sendmail itself looks up; without it, it asks the DNS first.
            ("mail/service.switch", "hosts files\n".to_owned()),
            ("resolv.conf", "nameserver 127.0.0.1\n".to_owned()),
            ("passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n".to_owned()),
            ("group", "root:x:0:\nnogroup:x:65534:\n".to_owned()),
            ("sasl2/Sendmail.conf", sasl::config(&folder.join("sasl"))),
        ] {
            fs::write(etc.join(name), text).unwrap();
        }
        sasl::serve(UnixListener::bind(folder.join("sasl")).unwrap());
        write_cf(
            &etc.join("mail/sendmail.cf"),
            &sendmail_mc(&folder, milter, setup, inbound, submission, mailbox.port),
        );
        write_cf(&etc.join("mail/submit.cf"), &submit_mc(&folder, inbound));

        let log = File::create(folder.join("log")).unwrap();
        let process = inside(&folder, &["--pid", "--fork", "--kill-child"])
            .args(["-bD", "-X"])
            .arg(folder.join("traffic"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut sendmail = Self { process, folder, inbound, submission, mailbox };
        let deadline = Instant::now() + Duration::from_secs(30);
        for port in [inbound, submission] {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
                let ended = sendmail.process.try_wait().unwrap();
                assert!(ended.is_none() && Instant::now() < deadline, "no Sendmail on port {port}: {ended:?}");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        sendmail
    }

    /// Hands in a message as a local program does, by the configuration that `way` names: `-Ac`, the usual one, takes it to the daemon's port by
    /// SMTP, `-Am` delivers by itself. Lines end in LF.
    pub(crate) fn sendmail(&self, way: &str, message: &[u8]) {
        let mut child = inside(&self.folder, &[])
            .args([way, "-bm", "-i", "-f", "sender@author.example", "--", "reader@reader.example"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        assert!(child.wait().unwrap().success(), "sendmail: {}", self.log());
    }

    /// What it has said, and its SMTP traffic on both sides.
    pub(crate) fn log(&self) -> String {
        let read = |name| String::from_utf8_lossy(&fs::read(self.folder.join(name)).unwrap_or_default()).into_owned();
        format!("{}{}", read("log"), read("traffic"))
    }
}

impl Drop for Sendmail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Sendmail\n{}", self.log());
        }
        // The first process of the PID namespace gets SIGKILL when its parent ends, and everything in the namespace with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command that runs Sendmail under our /etc and host name; its arguments are to be added.
///
/// The shell stays: it is the process that ends with its parent, which Sendmail would not be (a process that changes its user loses this mark).
fn inside(folder: &Path, namespaces: &[&str]) -> Command {
    let mut inside = command("unshare");
    inside.args(["--uts", "--mount"]).args(namespaces).args(["sh", "-c"]);
    inside.arg(format!(
        "hostname {HOST} && mount --bind \"$1/etc\" /etc && mount --bind \"$1/..\" /run && shift && \"$@\"; exit $?"
    ));
    inside.arg("sh").arg(folder).arg(unpacked().join("usr/libexec/sendmail/sendmail"));
    inside
}

/// Where `scripts/test` unpacks Debian's packages.
fn unpacked() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("parts").join("sendmail/root");
    assert!(folder.is_dir(), "Sendmail is not at {}; `scripts/test --only sendmail` unpacks it", folder.display());
    folder
}

fn write_cf(file: &Path, mc: &str) {
    let source = file.with_extension("mc");
    fs::write(&source, mc).unwrap();
    let output = command("m4")
        .arg(format!("-D_CF_DIR_={}/usr/share/sendmail/cf/", unpacked().display()))
        .arg(&source)
        .output()
        .unwrap();
    assert!(output.status.success(), "m4: {output:?}");
    fs::write(file, output.stdout).unwrap();
}

fn sendmail_mc(folder: &Path, milter: &str, setup: &Setup<'_>, inbound: u16, submission: u16, next_hop: u16) -> String {
    let folder = folder.display();
    let times = if setup.times.is_empty() { String::new() } else { format!(", T={}", setup.times) };
    format!(
        "include(_CF_DIR_`'m4/cf.m4)dnl
OSTYPE(`linux')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`HELP_FILE', `{folder}/help')dnl
define(`confPID_FILE', `{folder}/pid')dnl
define(`confDOMAIN_NAME', `{HOST}')dnl
define(`confRUN_AS_USER', `root')dnl
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe')dnl
define(`confDELIVERY_MODE', `interactive')dnl
dnl A busy machine is no reason to refuse mail here.
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
define(`confTO_IDENT', `0')dnl
define(`confAUTH_MECHANISMS', `PLAIN')dnl
TRUST_AUTH_MECH(`PLAIN')dnl
undefine(`ALIAS_FILE')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nocanonify')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {next_hop}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {next_hop}')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={inbound}')dnl
DAEMON_OPTIONS(`Name=ORIGINATING, Family=inet, Addr=127.0.0.1, Port={submission}')dnl
INPUT_MAIL_FILTER(`postseal', `S={milter}, F={}{times}')dnl
{}
MAILER(`smtp')dnl
",
        setup.on_failure, setup.mc
    )
}

/// The program that local programs call: it takes mail to the daemon.
fn submit_mc(folder: &Path, inbound: u16) -> String {
    let folder = folder.display();
    format!(
        "include(_CF_DIR_`'m4/cf.m4)dnl
OSTYPE(`linux')dnl
define(`MSP_QUEUE_DIR', `{folder}/client-queue')dnl
define(`STATUS_FILE', `{folder}/statistics')dnl
define(`confPID_FILE', `{folder}/client-pid')dnl
define(`confDOMAIN_NAME', `{HOST}')dnl
define(`confRUN_AS_USER', `{NOBODY}:{NOBODY}')dnl
define(`confTRUSTED_USER', `nobody')dnl
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe')dnl
define(`confDELIVERY_MODE', `interactive')dnl
define(`confQUEUE_LA', `10000')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {inbound}')dnl
define(`SMTP_MAILER_ARGS', `TCP $h {inbound}')dnl
define(`ESMTP_MAILER_ARGS', `TCP $h {inbound}')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nocanonify')dnl
FEATURE(`msp', `[127.0.0.1]')dnl
"
    )
}
