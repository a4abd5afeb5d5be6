//! The log lines of OpenDMARC, and the history file: a record of the daemon beside one that Debian's OpenDMARC writes of the same message with the same results.
//!
//! OpenDMARC takes the results of SPF and DKIM from the field that the daemon wrote, and reads the same DNS data; neither needs a name server.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::milter::{Client, pass, values};
use crate::signer;
use crate::site::work::{command, folder, port};

/// The stranger may send for `sender.example`.
const DATA: &str = "sender.example v=spf1 ip4:192.0.2.10 -all
_dmarc.sender.example v=DMARC1; p=reject; rua=mailto:one@sender.example,mailto:two@reports.example!10m; adkim=s; aspf=s
_dmarc.reject.example v=DMARC1; p=reject; sp=none; rua=mailto:r@reject.example
_dmarc.hold.example v=DMARC1; p=quarantine; sp=reject
_dmarc.none.example v=DMARC1; p=none
_dmarc.signed.example v=DMARC1; p=reject
";

/// What has to be alike; `job`, `reporter` and `received` are of the program.
const KEYS: [&str; 18] = [
    "ipaddr",
    "from",
    "mfrom",
    "spf",
    "dkim",
    "pdomain",
    "policy",
    "rua",
    "pct",
    "adkim",
    "aspf",
    "p",
    "sp",
    "align_dkim",
    "align_spf",
    "arc",
    "arc_policy",
    "action",
];

/// Stopped when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn daemon(work: &Path, port: u16, lines: &str) -> Daemon {
    let config = work.join("ours.conf");
    let text = format!(
        "Socket inet:{port}@127.0.0.1\nAuthservID mx.example\nTestDNSData {}\nHistoryFile {}\nRecordAllMessages yes\n{lines}",
        work.join("data").display(),
        work.join("ours").display()
    );
    fs::write(&config, text).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_postseal-milter"));
    program
        .args(["--foreground", "--opendmarc-conf"])
        .arg(&config)
        .current_dir(work)
        .stdin(Stdio::null())
        .stdout(File::create(work.join("log")).unwrap());
    let daemon = Daemon(program.spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the daemon does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    daemon
}

/// OpenDMARC reads this message in its test mode.
fn opendmarc(work: &Path, message: &[u8]) {
    opendmarc_with(work, message, "AuthservID mx.example\nRecordAllMessages yes\n", "joe@sender.example");
}

/// The same with these lines of configuration and this envelope sender. Its data are in the file `data`, its history in `theirs`.
pub(super) fn opendmarc_with(work: &Path, message: &[u8], lines: &str, sender: &str) {
    let config = work.join("theirs.conf");
    let text = format!(
        "{lines}TestDNSData {}\nHistoryFile {}\nSyslog no\n",
        work.join("data").display(),
        work.join("theirs").display()
    );
    fs::write(&config, text).unwrap();
    fs::write(work.join("message"), message).unwrap();
    let mut program = command("opendmarc");
    program.arg("-c").arg(&config).arg("-t").arg(work.join("message"));
    for (name, value) in
        [("CLIENTIP", "192.0.2.10"), ("CLIENTHOST", "out.example"), ("HELOHOST", "out.example"), ("ENVFROM", sender)]
    {
        program.env(format!("OPENDMARC_TEST_{name}"), value);
    }
    let done = program.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// The values of the record number `index` of a file, once it is there whole.
pub(super) fn record(file: &Path, index: usize) -> Vec<(String, Vec<String>)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let record = loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found = text.split("job ").nth(index + 1).filter(|record| record.contains("\naction ")).map(str::to_owned);
        if let Some(record) = found.filter(|record| record.ends_with('\n')) {
            break record;
        }
        assert!(Instant::now() < deadline, "{}: {text}", file.display());
        std::thread::sleep(Duration::from_millis(10));
    };
    let of = |key: &str| {
        record.lines().filter_map(|line| line.strip_prefix(&format!("{key} "))).map(str::to_owned).collect()
    };
    KEYS.iter().map(|key| ((*key).to_owned(), of(key))).collect()
}

fn mail(domain: &str) -> Vec<u8> {
    format!(
        "From: a@{domain}\r\nTo: b@reader.example\r\nSubject: x\r\nDate: Tue, 24 Nov 2026 20:00:00 +0000\r\n\
         Message-ID: <1@{domain}>\r\n\r\nHello\r\n"
    )
    .into_bytes()
}

#[test]
fn s3_4_records_are_those_of_opendmarc_for_the_same_messages() {
    let folder = folder();
    let work = folder.path();
    // `NAME. TXT "TEXT"` of a zone file.
    let key = signer::published(&["s._domainkey.signed.example"]);
    let (_, text) = key.trim().split_once(" TXT ").unwrap();
    fs::write(work.join("data"), format!("{DATA}s._domainkey.signed.example {}\n", text.trim_matches('"'))).unwrap();
    let port = port();
    let _daemon = daemon(work, port, "");
    let signed = signer::sign("signed.example", &mail("signed.example"));
    let mut broken = signed.clone();
    broken.splice(broken.len() - 7.., *b"Hullo\r\n");
    let mut twice = signer::sign("signed.example", &broken);
    twice.splice(0..0, *b"X-Top: 1\r\n");
    let mails = [
        mail("sender.example"),
        mail("reject.example"),
        mail("hold.example"),
        mail("none.example"),
        mail("nobody.example"),
        signed,
        broken,
        twice,
    ];
    for (index, message) in mails.iter().enumerate() {
        let passed = pass(port, Client::Outside, message).unwrap_or_else(|reply| panic!("{reply}"));
        let results = values(&passed, "Authentication-Results");
        assert_eq!(results.len(), 1, "{results:?}");
        let theirs = [b"Authentication-Results:", results[0].as_bytes(), b"\r\n", message].concat();
        opendmarc(work, &theirs);
        let (ours, theirs) = (record(&work.join("ours"), index), record(&work.join("theirs"), index));
        assert_eq!(ours, theirs, "{} {results:?}", String::from_utf8_lossy(message));
    }
}

/// What scripts look for in the log (§5.4).
#[test]
fn s5_4_the_log_has_the_lines_of_opendmarc() {
    let folder = folder();
    let work = folder.path();
    fs::write(work.join("data"), DATA).unwrap();
    let port = port();
    let lines = "IgnoreMailFrom hold.example\nRejectMultiValueFrom yes\nRequiredHeaders yes\n";
    let daemon = daemon(work, port, lines);
    for domain in ["sender.example", "reject.example", "nobody.example", "hold.example"] {
        pass(port, Client::Outside, &mail(domain)).unwrap_or_else(|reply| panic!("{reply}"));
    }
    let several =
        [b"From: a@one.example, b@two.example\r\nDate: Tue, 24 Nov 2026 20:00:00 +0000\r\n", &b"\r\nHello\r\n"[..]];
    let reply = pass(port, Client::Outside, &several.concat()).unwrap_err();
    assert_eq!(reply.trim_end(), "550 5.7.1 multi-valued From field detected");
    let reply = pass(port, Client::Outside, b"From: nobody\r\n\r\nHello\r\n").unwrap_err();
    assert_eq!(reply.trim_end(), "550 5.7.1 not exactly one Date field");
    pass(port, Client::Own, &mail("reject.example")).unwrap_or_else(|reply| panic!("{reply}"));
    let wanted = [
        "PEERS: SPF(mailfrom): sender.example pass",
        "PEERS: sender.example pass",
        "PEERS: reject.example fail",
        "PEERS: nobody.example none",
        "PEERS: ignoring mail from hold.example",
        "PEERS: multi-valued From field detected",
        "PEERS: RFC5322 requirement error: not exactly one Date field",
        "ignoring connection from localhost",
    ];
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let log = fs::read_to_string(work.join("log")).unwrap();
        let missing: Vec<_> = wanted.iter().filter(|line| !log.contains(**line)).collect();
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{missing:?}\n{log}");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(daemon);
}
