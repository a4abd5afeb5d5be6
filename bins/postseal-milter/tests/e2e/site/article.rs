//! The host of the articles (`article/`): Postfix, and behind both of its milter lines one daemon in the background, below its supervisor.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use engine::keys::{load, publish::DnsRecord};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Group, Pid, User};
use tempfile::TempDir;

use super::DOMAIN;
use super::dns::{Dns, Txt, zone_text};
use super::postfix::Postfix;
use super::work::{self, port};

/// The selector is a date, as many write it.
pub(crate) const SELECTOR: &str = "20140801";

/// What `UserID` names.
const USER: &str = "opendmarc:opendmarc";

/// The files of the host, in a folder of the test. What runs from them is ended with it.
pub(crate) struct Host {
    folder: TempDir,
    /// What is published.
    pub(crate) zone: Vec<Txt>,
    dns: Dns,
    /// Of `opendkim.conf`, and of `opendmarc.conf`.
    pub(crate) ports: [u16; 2],
    /// Who the daemon is to run as.
    pub(crate) user: User,
}

/// The host with its Postfix. Fields are dropped in order.
pub(crate) struct Article {
    pub(crate) postfix: Postfix,
    pub(crate) host: Host,
    /// What the start told the terminal.
    pub(crate) said: String,
}

impl Article {
    /// Starts all parts; the daemon first, as the only one that can fail.
    pub(crate) fn start(records: &[Txt]) -> Self {
        let host = Host::new(records);
        let (code, said) = host.start();
        assert_eq!(code, Some(0), "{said}");
        let lines = host.changed(&fs::read_to_string(source("main.cf")).unwrap());
        let postfix = Postfix::start_with(host.folder.path(), &lines);
        Self { postfix, host, said }
    }
}

impl Host {
    /// Puts the files in place, with a key for [`DOMAIN`] that its user may read and a name server that knows these records.
    pub(crate) fn new(records: &[Txt]) -> Self {
        let folder = work::safe_folder();
        // Debian's package has the user; without it any will do that is not root.
        let user = User::from_name("opendmarc").unwrap().or_else(|| User::from_name("postfix").unwrap()).unwrap();
        for name in ["etc-opendkim", "etc-opendkim/keys", "etc-opendkim/keys/author.example", "run", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let key = folder.path().join(format!("etc-opendkim/keys/{DOMAIN}/{SELECTOR}.private"));
        let mut zone = vec![(format!("{SELECTOR}._domainkey.{DOMAIN}"), make_key(&key))];
        zone.extend_from_slice(records);
        let dns = Dns::start(folder.path(), &zone_text(&zone));
        let host = Self { folder, zone, dns, ports: [port(), port()], user };
        for name in ["run", "state"] {
            host.give_to_user(&host.path(name));
        }
        host.give_to_user(&key);
        for name in ["KeyTable", "SigningTable", "TrustedHosts"] {
            fs::copy(source(name), host.path("etc-opendkim").join(name)).unwrap();
        }
        host.write("etc-opendkim/KeyTable", &host.changed(&fs::read_to_string(source("KeyTable")).unwrap()));
        for name in ["opendkim.conf", "opendmarc.conf"] {
            host.write(name, &host.changed(&fs::read_to_string(source(name)).unwrap()));
        }
        let text = fs::read_to_string(host.path("opendkim.conf")).unwrap();
        host.write("opendkim.conf", &format!("{text}Nameservers 127.0.0.1@{}\n", host.dns.port));
        host
    }

    /// A file of this host.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn give_to_user(&self, path: &Path) {
        chown(path, Some(self.user.uid.as_raw()), Some(self.user.gid.as_raw())).unwrap();
    }

    /// A text of the host with the places of this one.
    fn changed(&self, text: &str) -> String {
        let [first, second] = self.ports.map(|port| port.to_string());
        let group = Group::from_gid(self.user.gid).unwrap().unwrap();
        text.replace("/etc/opendkim", self.path("etc-opendkim").to_str().unwrap())
            .replace("/run/opendmarc", self.path("run").to_str().unwrap())
            .replace("8891", &first)
            .replace("8893", &second)
            .replace(USER, &format!("{}:{}", self.user.name, group.name))
    }

    /// Starts the daemon as a unit does: exit code, and what it says. The sockets of one that has started accept connections.
    pub(crate) fn start(&self) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postseal-milter"));
        command.arg0(self.name()).current_dir(self.folder.path()).stdin(Stdio::null());
        for (option, name) in
            [("--opendkim-conf", "opendkim.conf"), ("--opendmarc-conf", "opendmarc.conf"), ("--state", "state")]
        {
            command.arg(option).arg(self.path(name));
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    /// What the processes are called: by this they are found.
    fn name(&self) -> PathBuf {
        self.path("postseal-milter")
    }

    /// The process in the pid file.
    pub(crate) fn supervisor(&self) -> Pid {
        Pid::from_raw(fs::read_to_string(self.path("run/opendmarc.pid")).unwrap().trim_end().parse().unwrap())
    }

    /// The daemon below the supervisor, if there is one now.
    pub(crate) fn daemon(&self) -> Option<Pid> {
        let supervisor = self.supervisor();
        self.processes().into_iter().find(|pid| *pid != supervisor && parent(*pid) == Some(supervisor))
    }

    /// All processes that were started here.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let name = self.name();
        let here = |pid: &i32| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|octet| *octet == 0).next() == Some(name.as_os_str().as_encoded_bytes()))
        };
        let numbers =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        numbers.filter(here).map(Pid::from_raw).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/article").join(name)
}

/// A key of 1024 bits, which its owner alone may read; its record.
fn make_key(file: &Path) -> String {
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files/rsa1024.pem"), file).unwrap();
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    let key = load(file, engine::BACKEND, &mut engine::config::Diagnostics::default()).unwrap();
    DnsRecord::of_key(&SELECTOR.parse().unwrap(), &DOMAIN.parse().unwrap(), &*key).text
}

fn parent(pid: Pid) -> Option<Pid> {
    Some(Pid::from_raw(status(pid, "PPid")?.parse().ok()?))
}

/// A field of `/proc/PID/status`.
pub(crate) fn status(pid: Pid, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Waits until something is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
