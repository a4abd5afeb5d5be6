//! Debian's OpenDKIM and the daemon, run from copies of the same files: those that people have (`setups/`).
//!
//! Where both sign, the fields are the same octets: the time is the clock's for both, so a message is signed again until both have done it within one
//! second. What is found about mail of others is the same, but for what [`DIFFERENCES`] lists.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, Uid, User};

use crate::cells::Key;
use crate::keys::Keys;
use crate::milter::{Place, pass_at, values};
use crate::setups_listed::{DIFFERENCES, Difference};
use crate::setups_mail::{FORGED, Mail, mails, records};
use crate::site::dns::{Dns, Txt, zone_text};
use crate::site::work::{self, command, port};

struct Setup {
    /// Its folder.
    name: &'static str,
    /// Where its key is.
    key: Option<&'static str>,
    /// Whether keys come from a file: with `TrustAnchorFile` OpenDKIM asks for a signed root.
    test_keys: bool,
}

const SETUPS: [Setup; 5] = [
    Setup { name: "debian", key: None, test_keys: true },
    Setup { name: "debian_key", key: Some("/etc/dkimkeys/example.private"), test_keys: true },
    Setup { name: "mailinabox", key: Some("/home/user-data/mail/dkim/mail.private"), test_keys: true },
    Setup { name: "docker_mailserver", key: Some("/etc/opendkim/keys/example.com/mail.private"), test_keys: false },
    Setup { name: "linode", key: Some("/etc/opendkim/keys/example.private"), test_keys: false },
];

/// A copy of the files, below a folder that stands for the root.
struct Host {
    root: PathBuf,
    place: Place,
}

impl Host {
    fn install(root: PathBuf, setup: &Setup, keys: &Keys, zone: &[Txt], nameserver: u16) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/setups").join(setup.name);
        for folder in ["etc/opendkim", "etc/opendmarc", "run/opendkim", "run/opendmarc", "var/run/opendkim"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::create_dir_all(root.join("var/spool/postfix/opendkim")).unwrap();
        fs::create_dir_all(root.join("state")).unwrap();
        let (first, second) = (port(), port());
        for entry in fs::read_dir(source).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let folder = match name.as_str() {
                "opendkim.conf" | "opendmarc.conf" => "etc",
                "ignore.hosts" => "etc/opendmarc",
                _ => "etc/opendkim",
            };
            let mut text = below(&fs::read_to_string(entry.path()).unwrap(), &root);
            text = text.replace("inet:8891", &format!("inet:{first}")).replace("inet:8893", &format!("inet:{second}"));
            if !Uid::effective().is_root() {
                // Only root becomes somebody else, for either daemon.
                text = text
                    .lines()
                    .filter(|line| !line.starts_with("UserID"))
                    .fold(String::new(), |text, line| text + line + "\n");
            }
            fs::write(root.join(folder).join(name), text).unwrap();
        }
        let conf = root.join("etc/opendkim.conf");
        let mut text = fs::read_to_string(&conf).unwrap();
        if setup.test_keys {
            let file = root.join("etc/opendkim/public");
            fs::write(&file, zone.iter().fold(String::new(), |text, (name, value)| text + name + " " + value + "\n"))
                .unwrap();
            writeln!(text, "TestPublicKeys {}", file.display()).unwrap();
        } else {
            writeln!(text, "Nameservers 127.0.0.1@{nameserver}").unwrap();
        }
        fs::write(&conf, &text).unwrap();
        if let Some(key) = setup.key {
            let file = root.join(key.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::copy(keys.pem(Key::Rsa2048), &file).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            give(&file);
        }
        for folder in ["run/opendkim", "run/opendmarc", "var/run/opendkim", "var/spool/postfix/opendkim", "state"] {
            give(&root.join(folder));
        }
        let socket = text.lines().filter_map(|line| line.strip_prefix("Socket")).next_back().unwrap().trim();
        let place = match socket.strip_prefix("local:") {
            Some(path) => Place::File(path.into()),
            None => Place::Port(first),
        };
        Self { root, place }
    }

    fn conf(&self, name: &str) -> PathBuf {
        self.root.join("etc").join(name)
    }
}

/// The text with this folder before every path that the host of the test has of its own.
fn below(text: &str, root: &Path) -> String {
    let mut text = text.to_owned();
    for lead in ['\t', ' ', ':'] {
        for top in ["etc", "run", "var", "home"] {
            // A mark, since the folder may lie below one of these itself.
            text = text.replace(&format!("{lead}/{top}/"), &format!("{lead}\0/{top}/"));
        }
    }
    text.replace('\0', root.to_str().unwrap())
}

/// Debian's package made the user of these files.
fn give(path: &Path) {
    if Uid::effective().is_root() {
        let user = User::from_name("opendkim").unwrap().unwrap();
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

/// A daemon with all of its processes; killed when dropped.
struct Running {
    process: Child,
    log: PathBuf,
    place: Place,
}

impl Running {
    fn opendkim(host: &Host) -> Self {
        let mut opendkim = command("opendkim");
        opendkim.arg("-f").arg("-x").arg(host.conf("opendkim.conf"));
        Self::start(host, opendkim)
    }

    fn ours(host: &Host, files: &[&str]) -> Self {
        let mut ours = Command::new(env!("CARGO_BIN_EXE_postseal-milter"));
        ours.arg("--foreground").arg("--state").arg(host.root.join("state"));
        for file in files {
            ours.arg(format!("--{file}-conf")).arg(host.conf(&format!("{file}.conf")));
        }
        Self::start(host, ours)
    }

    fn start(host: &Host, mut command: Command) -> Self {
        let log = host.root.join("log");
        let output = File::create(&log).unwrap();
        command.current_dir(&host.root).stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        // `AutoRestart`: a supervisor and its daemon end together.
        let process = command.process_group(0).spawn().unwrap();
        let mut running = Self { process, log, place: host.place.clone() };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !running.accepts() {
            let ended = running.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "did not start: {ended:?}\n{}", running.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }

    fn accepts(&self) -> bool {
        match &self.place {
            Place::Port(port) => TcpStream::connect(("127.0.0.1", *port)).is_ok(),
            Place::File(file) => UnixStream::connect(file).is_ok(),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn pass(&self, mail: &Mail) -> Outcome {
        Outcome::of(mail, pass_at(&self.place, mail.client, &mail.text))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
        let _ = killpg(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

/// What a daemon made of a message.
struct Outcome {
    /// The fields that it added, from the top.
    signatures: Vec<String>,
    /// In words: signed or not, results, what became of forged ones.
    says: String,
}

impl Outcome {
    fn of(mail: &Mail, passed: Result<Vec<u8>, String>) -> Self {
        let passed = match passed {
            Ok(passed) => passed,
            Err(reply) => return Self { signatures: Vec::new(), says: format!("`{}`", reply.trim_end()) },
        };
        let before = values(&mail.text, "DKIM-Signature");
        let mut signatures = values(&passed, "DKIM-Signature");
        let kept = signatures.iter().filter(|value| before.contains(value)).count();
        signatures.retain(|value| !before.contains(value));
        let fields = values(&passed, "Authentication-Results");
        let (forged, own): (Vec<_>, Vec<_>) = fields.iter().partition(|value| value.contains(FORGED));
        let mut words: Vec<String> = vec!["signed".to_owned(); signatures.len()];
        words.extend(own.iter().flat_map(|value| verdicts(value)));
        if own.is_empty() && signatures.is_empty() {
            words.push("no result".to_owned());
        }
        if kept != before.len() {
            words.push("old signature removed".to_owned());
        }
        if !forged.is_empty() {
            words.push("the forged result stays".to_owned());
        }
        Self { signatures, says: words.join(", ") }
    }
}

/// `pass` and the like, one a signature.
fn verdicts(value: &str) -> Vec<String> {
    let results = value.split(';').filter_map(|result| result.trim_start().strip_prefix("dkim="));
    results
        .map(|result| format!("`{}`", result.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap()))
        .collect()
}

/// Both on the same message; where both sign, within the same second.
fn both(theirs: &Running, ours: &Running, mail: &Mail) -> (Outcome, Outcome) {
    let time = |outcome: &Outcome| {
        outcome.signatures.first().and_then(|value| {
            let start = value.find("t=")?;
            value[start..].split(';').next().map(str::to_owned)
        })
    };
    for _ in 0..50 {
        let pair = (theirs.pass(mail), ours.pass(mail));
        match (time(&pair.0), time(&pair.1)) {
            (Some(first), Some(second)) if first != second => {}
            _ => return pair,
        }
    }
    panic!("{}: never signed within one second", mail.name);
}

#[test]
fn opendkim_s5_real_set_ups_sign_the_same_octets_and_find_the_same() {
    let folder = work::safe_folder();
    let keys = Keys::copy_to(folder.path());
    let zone = records(&keys);
    let dns = Dns::start(folder.path(), &zone_text(&zone));
    let mails = mails(&keys);
    let (mut faults, mut same, mut used) = (String::new(), 0_usize, vec![0_usize; DIFFERENCES.len()]);
    for setup in &SETUPS {
        let host = |name: &str| Host::install(folder.path().join(setup.name).join(name), setup, &keys, &zone, dns.port);
        let (their_host, our_host) = (host("theirs"), host("ours"));
        let (theirs, ours) = (Running::opendkim(&their_host), Running::ours(&our_host, &["opendkim"]));
        let mut signed = 0_usize;
        for mail in &mails {
            let (theirs, ours) = both(&theirs, &ours, mail);
            if !theirs.signatures.is_empty() && !ours.signatures.is_empty() {
                signed += 1;
                if theirs.signatures != ours.signatures {
                    writeln!(
                        faults,
                        "{}, {}:\ntheirs:{:?}\nours:  {:?}",
                        setup.name, mail.name, theirs.signatures, ours.signatures
                    )
                    .unwrap();
                }
            }
            let is_of =
                |row: &Difference| row.mail == mail.name && (row.setups.is_empty() || row.setups.contains(&setup.name));
            let row = DIFFERENCES.iter().position(is_of);
            match row {
                Some(row) => {
                    used[row] += 1;
                    let listed = &DIFFERENCES[row];
                    if (listed.theirs, listed.ours) != (theirs.says.as_str(), ours.says.as_str()) {
                        writeln!(
                            faults,
                            "{}, {}: listed are {} and {}, and it is {} and {}",
                            setup.name, mail.name, listed.theirs, listed.ours, theirs.says, ours.says
                        )
                        .unwrap();
                    }
                }
                None if theirs.says != ours.says => {
                    writeln!(faults, "{}, {}: {} | {}", setup.name, mail.name, theirs.says, ours.says).unwrap();
                }
                None => same += 1,
            }
        }
        if (signed > 0) != setup.key.is_some() {
            writeln!(faults, "{}: {signed} messages are signed by both", setup.name).unwrap();
        }
    }
    for (row, _) in DIFFERENCES.iter().zip(&used).filter(|(row, used)| **used == 0 || row.theirs == row.ours) {
        writeln!(faults, "a row is for no message, or for no difference: {}", row.mail).unwrap();
    }
    println!("{same} messages have the same result; {} rows of differences", DIFFERENCES.len());
    assert!(faults.is_empty(), "{faults}");
}

/// The rows of the table stand in the page for those who move.
#[test]
fn opendkim_s8_the_page_has_the_differences() {
    let page = include_str!("../../../../docs/migrating-from-opendkim.md");
    let (_, section) = page.split_once("\n## Results of real set-ups\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<String> = section.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect();
    let row = |row: &Difference| format!("| {} | {} | {} | {} |", place(row), row.theirs, row.ours, row.why);
    assert_eq!(rows, DIFFERENCES.iter().map(row).collect::<Vec<_>>());
}

fn place(row: &Difference) -> String {
    if row.setups.is_empty() { row.mail.to_owned() } else { format!("{} ({})", row.mail, row.setups.join(", ")) }
}

/// As both milter lines of main.cf have it, with the files of both.
#[test]
fn users_s3_both_files_of_a_bundle_sign_as_opendkim_does() {
    let folder = work::safe_folder();
    let keys = Keys::copy_to(folder.path());
    let zone = records(&keys);
    let dns = Dns::start(folder.path(), &zone_text(&zone));
    let mails = mails(&keys);
    let mail = mails.iter().find(|mail| mail.name == "own domain").unwrap();
    for setup in SETUPS.iter().filter(|setup| ["mailinabox", "docker_mailserver"].contains(&setup.name)) {
        let host = |name: &str| Host::install(folder.path().join(setup.name).join(name), setup, &keys, &zone, dns.port);
        let (their_host, our_host) = (host("theirs"), host("ours"));
        let theirs = Running::opendkim(&their_host);
        let ours = Running::ours(&our_host, &["opendkim", "opendmarc"]);
        let (theirs, ours) = both(&theirs, &ours, mail);
        assert_eq!((ours.signatures.len(), ours.says.as_str()), (1, "signed"), "{}", setup.name);
        assert_eq!(ours.signatures, theirs.signatures, "{}", setup.name);
    }
}
