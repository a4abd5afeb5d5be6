//! A real authoritative DNS server (NSD) on loopback. Its one zone is the root: every name that is not in it does not exist.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::work::{command, port, signal};

/// A TXT record: the name without its last dot, and the text.
pub(crate) type Txt = (String, String);

/// Records as lines of a zone file.
pub(crate) fn zone_text(records: &[Txt]) -> String {
    let mut text = String::new();
    for (name, value) in records {
        write!(text, "{name}. TXT").unwrap();
        // RFC 1035 §3.3: a character-string has 255 octets at most.
        for part in value.as_bytes().chunks(255) {
            let part = str::from_utf8(part).unwrap().replace('\\', "\\\\").replace('"', "\\\"");
            write!(text, " \"{part}\"").unwrap();
        }
        text.push('\n');
    }
    text
}

/// The TXT records of a zone file as the daemon writes it: strings in quotes, on several lines inside parentheses.
pub(crate) fn zone_records(text: &str) -> Vec<Txt> {
    let mut records: Vec<Txt> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with(';') && !line.is_empty()) {
        if !line.starts_with([' ', '\t']) {
            let (name, _) = line.split_once(". ").unwrap();
            records.push((name.to_owned(), String::new()));
        }
        // Every second piece stands between two quotes.
        records.last_mut().unwrap().1.extend(line.split('"').skip(1).step_by(2));
    }
    records
}

/// A running NSD; stopped when dropped.
pub(crate) struct Dns {
    process: Option<Child>,
    log: PathBuf,
    /// UDP and TCP.
    pub(crate) port: u16,
}

impl Dns {
    /// Starts one that knows the records in these lines of a zone file and waits until it answers.
    pub(crate) fn start(work: &Path, records: &str) -> Self {
        Self::start_at(work, records, None)
    }

    /// The same, answering at port 53 of an address of 127.0.0.0/8 as well: for programs that can be told no port. Needs root.
    pub(crate) fn start_at(work: &Path, records: &str, address: Option<Ipv4Addr>) -> Self {
        let folder = work.join("dns");
        fs::create_dir(&folder).unwrap();
        let port = port();
        let config = folder.join("nsd.conf");
        fs::write(folder.join("root.zone"), zone(records)).unwrap();
        fs::write(&config, nsd_conf(&folder, port, address)).unwrap();
        let log = folder.join("log");
        let process = command("nsd")
            .arg("-d")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log).unwrap())
            .stderr(fs::File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let dns = Self { process: Some(process), log, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while ask_txt(port, "example").is_none() {
            assert!(Instant::now() < deadline, "NSD does not answer: {}", dns.log());
        }
        dns
    }

    /// Stops it: from now on the port is closed.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(process.id(), Signal::SIGTERM);
            process.wait().unwrap();
            assert_eq!(ask_txt(self.port, "example"), None, "NSD still answers after its end");
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            if std::thread::panicking() {
                eprintln!("--- NSD\n{}", self.log());
            }
            signal(process.id(), Signal::SIGTERM);
            let _ = process.wait();
        }
    }
}

fn nsd_conf(folder: &Path, port: u16, address: Option<Ipv4Addr>) -> String {
    let folder = folder.display();
    let address = address.map(|address| format!("\n  ip-address: {address}@53")).unwrap_or_default();
    format!(
        "server:
  ip-address: 127.0.0.1{address}
  port: {port}
  server-count: 1
  username: \"\"
  zonesdir: \"{folder}\"
  zonelistfile: \"{folder}/zone.list\"
  database: \"\"
  pidfile: \"{folder}/nsd.pid\"
  xfrdfile: \"{folder}/xfrd.state\"
  xfrdir: \"{folder}\"
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: \".\"
  zonefile: root.zone
"
    )
}

fn zone(records: &str) -> String {
    format!(
        "$ORIGIN .
$TTL 60
@ SOA ns.example. hostmaster.example. 1 3600 600 86400 60
@ NS ns.example.
ns.example. A 127.0.0.1
{records}"
    )
}

/// What a server answers to a question for TXT.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 0 no error, 3 no such name.
    pub(crate) code: u8,
    /// Records in the answer section.
    pub(crate) records: u16,
    /// The authoritative-answer bit.
    pub(crate) authoritative: bool,
}

/// Asks by UDP; `None` when no answer comes within 200 ms.
pub(crate) fn ask_txt(port: u16, name: &str) -> Option<Answer> {
    let mut question = vec![0x50, 0x53, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).unwrap());
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(&[0, 0, 16, 0, 1]);
    // EDNS (RFC 6891 §6.1.2): answers of up to 4096 octets, as a resolver asks.
    question.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let mut answer = [0; 4096];
    let length = socket.send(&question).and_then(|_| socket.recv(&mut answer));
    let Ok(12..) = length else {
        // A closed port refuses at once: not a busy loop for whoever waits.
        std::thread::sleep(Duration::from_millis(20));
        return None;
    };
    assert_eq!(answer[..2], question[..2], "the answer to another question");
    Some(Answer {
        code: answer[3] & 0x0f,
        records: u16::from_be_bytes([answer[6], answer[7]]),
        authoritative: answer[2] & 4 != 0,
    })
}
