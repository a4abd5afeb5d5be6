//! Postfix with Debian's OpenDKIM and OpenDMARC in the place of the daemon, with the same name server.
//!
//! OpenDMARC and the library that does its SPF can be told no name server: they read `/etc/resolv.conf`. They get an `/etc` of their own, in a
//! mount namespace, and the name server a port 53 on an address of its own within 127.0.0.0/8.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::dns::Dns;
use super::postfix::{HOST, Postfix};
use super::work::{self, command, port};
use crate::smtp::{Mail, Reply, Smtp};

/// What can differ between two of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options<'a> {
    /// Lines of opendkim.conf, on top of those that it needs to run.
    pub(crate) opendkim: &'a str,
    /// Lines of opendmarc.conf, likewise.
    pub(crate) opendmarc: &'a str,
    /// Further lines of main.cf.
    pub(crate) main_cf: &'a str,
    /// Whether OpenDMARC is the only milter.
    pub(crate) without_opendkim: bool,
}

/// Postfix, behind it OpenDKIM and OpenDMARC in this order. Fields are dropped in order: Postfix first, the folder last.
pub(crate) struct OpenDmarcSite {
    pub(crate) postfix: Postfix,
    _milters: Vec<Milter>,
    _dns: Dns,
    _folder: TempDir,
}

impl OpenDmarcSite {
    /// Starts all parts, with a name server that knows these records.
    pub(crate) fn start(records: &str, options: Options<'_>) -> Self {
        let folder = work::folder();
        let work = folder.path();
        // As unique as a port.
        let [high, low] = port().to_be_bytes();
        let address = Ipv4Addr::new(127, high, low, 53);
        let dns = Dns::start_at(work, records, Some(address));
        let mut milters = Vec::new();
        if !options.without_opendkim {
            milters.push(opendkim(work, dns.port, options.opendkim));
        }
        milters.push(opendmarc(work, address, options.opendmarc));
        let sockets: Vec<String> = milters.iter().map(|milter| format!("inet:127.0.0.1:{}", milter.port)).collect();
        let lines =
            format!("smtpd_milters = {}\nmilter_default_action = tempfail\n{}\n", sockets.join(", "), options.main_cf);
        let postfix = Postfix::start_with(work, &lines);
        Self { postfix, _milters: milters, _dns: dns, _folder: folder }
    }

    /// A server outside hands in a message; returns what is said to it.
    pub(crate) fn offer(&self, client: &str, mail: &Mail<'_>) -> Reply {
        Smtp::connect_as(self.postfix.inbound, client).send(mail)
    }
}

/// A running milter; killed when dropped.
struct Milter {
    process: Child,
    log: PathBuf,
    port: u16,
}

impl Milter {
    fn start(work: &Path, name: &str, port: u16, command: &mut Command) -> Self {
        let log = work.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let mut milter = Self { process: command.spawn().unwrap(), log, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = milter.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no {name}: {ended:?}\n{}", milter.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        milter
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Milter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
        // Nothing is to be put in order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One that verifies, with what Debian's own file sets left as it is by default.
fn opendkim(work: &Path, nameserver: u16, lines: &str) -> Milter {
    let port = port();
    let config = work.join("opendkim.conf");
    let text = format!(
        "Background no
Socket inet:{port}@127.0.0.1
Mode v
AuthservID {HOST}
Nameservers 127.0.0.1@{nameserver}
{lines}
"
    );
    fs::write(&config, text).unwrap();
    Milter::start(work, "opendkim", port, command("opendkim").arg("-f").arg("-x").arg(&config))
}

fn opendmarc(work: &Path, nameserver: Ipv4Addr, lines: &str) -> Milter {
    let port = port();
    let etc = work.join("opendmarc-etc");
    fs::create_dir(&etc).unwrap();
    for (name, text) in [
        ("resolv.conf", format!("nameserver {nameserver}\n")),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
        ("hosts", format!("127.0.0.1 localhost {HOST}\n")),
        ("passwd", "root:x:0:0::/:/bin/sh\n".to_owned()),
        ("group", "root:x:0:\n".to_owned()),
        ("opendmarc.conf", format!("Background no\nSocket inet:{port}@127.0.0.1\nAuthservID {HOST}\n{lines}\n")),
    ] {
        fs::write(etc.join(name), text).unwrap();
    }
    // `exec` at each step: the process that is killed at the end is OpenDMARC itself.
    let script = "mount --bind \"$1\" /etc && shift && exec \"$@\"";
    let mut inside = command("unshare");
    inside.args(["--mount", "sh", "-c", script, "sh"]).arg(&etc);
    inside.arg(command("opendmarc").get_program()).args(["-f", "-c", "/etc/opendmarc.conf"]);
    Milter::start(work, "opendmarc", port, &mut inside)
}
