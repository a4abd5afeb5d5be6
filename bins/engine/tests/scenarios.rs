//! Each folder in `scenarios/` is a case, played over a real Unix socket: `scenarios/README.md` says what the files hold.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "test helpers"
)]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::PrivateKey;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::sign::{SignatureSpec, Signing};
use dkim_core::verify::{KeyAnswer, KeyId, Verification, VerifyPolicy};
use engine::dns::Zone;
use milter_proto::{Decision, MtaOptions, MtaSession, Peer};

use support::{Daemon, Mta, copy_private, folder_with_keys, zone};

#[test]
fn every_scenario_ends_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 20, "the scenarios are gone");
    let failures: Vec<String> = folders.iter().filter_map(|folder| Scenario::read(folder).play().err()).collect();
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), folders.len(), failures.join("\n"));
}

struct Scenario {
    name: String,
    folder: PathBuf,
    config: String,
    session: String,
    expected: String,
    zone: String,
}

impl Scenario {
    fn read(folder: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(folder.join(name));
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            folder: folder.to_owned(),
            config: text("config.toml").unwrap_or_else(|_| support::SIGNING.to_owned()),
            session: text("session.txt").expect("session.txt"),
            expected: text("expect.txt").expect("expect.txt"),
            zone: text("zone.txt").unwrap_or_default(),
        }
    }

    fn play(&self) -> Result<(), String> {
        let folder = folder_with_keys();
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let file = entry.unwrap().path();
            copy_private(&file, &folder.path().join(file.file_name().unwrap()));
        }
        let config = support::config(&self.config, folder.path());
        let daemon = Daemon::start(folder, config, zone(&self.zone));
        let mut player = Player {
            scenario: self,
            daemon: &daemon,
            mta: None,
            messages: 0,
            story: Vec::new(),
            macros: Vec::new(),
            chunk: 65_535,
            version: 6,
        };
        for line in lines(&self.session) {
            player.command(line);
        }
        let expected: Vec<&str> = lines(&self.expected).collect();
        compare(&expected, &player.story).map_err(|difference| {
            let story = player.story.join("\n");
            format!("--- {}: {difference}\n{story}\n", self.name)
        })
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

struct Player<'s> {
    scenario: &'s Scenario,
    daemon: &'s Daemon,
    mta: Option<Mta>,
    messages: usize,
    story: Vec<String>,
    /// Macros set since the last command.
    macros: Vec<(String, Option<String>)>,
    chunk: usize,
    version: u32,
}

impl Player<'_> {
    fn client(&mut self, words: &[&str]) {
        let port = words.get(2).map_or(0, |port| port.parse().unwrap());
        let peer = match words[1] {
            "unknown" => Peer::Unknown,
            "unix" => Peer::Unix { path: b"/run/x", port: 0 },
            address if address.contains(':') => Peer::Inet6 { address: address.as_bytes(), port },
            address => Peer::Inet { address: address.as_bytes(), port },
        };
        self.mta().step(|session, out| session.connect(words[0].as_bytes(), peer, out));
    }

    fn command(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match verb {
            "version" => self.version = rest.parse().unwrap(),
            "chunk" => self.chunk = rest.parse().unwrap(),
            "connect" => {
                let mut options = MtaOptions::for_version(self.version);
                options.own_received = Some(b" by mx.example (the MTA's own)".to_vec());
                self.mta = Some(self.daemon.connect(options));
                self.client(&words);
            }
            // Another client on the connection that `new-connection` left open.
            "reconnect" => self.client(&words),
            "macro" => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                self.macros.push((name.to_owned(), (value != "-").then(|| value.to_owned())));
            }
            "helo" => drop(self.mta().step(|session, out| session.helo(rest.as_bytes(), out))),
            "mail" => {
                let parameters: Vec<&[u8]> = words[1..].iter().map(|word| word.as_bytes()).collect();
                let answer = self.mta().step(|session, out| session.mail(words[0].as_bytes(), &parameters, out));
                self.envelope("mail", answer.decision);
            }
            "rcpt" => {
                let answer = self.mta().step(|session, out| session.rcpt(rest.as_bytes(), &[], out));
                self.envelope("rcpt", answer.decision);
            }
            "log" => self.story.push(format!("log {}", self.daemon.log_line())),
            "data" => drop(self.mta().step(MtaSession::data)),
            "message" => self.message(words[0], &words[1..]),
            "abort" => drop(self.mta().step(MtaSession::end_message)),
            "new-connection" => drop(self.mta().step(MtaSession::quit_new_connection)),
            "quit" => drop(self.mta().step(MtaSession::quit)),
            _ => panic!("{}: unknown command {line}", self.scenario.name),
        }
    }

    fn mta(&mut self) -> &mut Mta {
        let mta = self.mta.as_mut().expect("connect comes first");
        for (name, value) in self.macros.drain(..) {
            mta.session.set_macro(&name, value.as_deref().map(str::as_bytes));
        }
        mta
    }

    /// What the MTA is told to MAIL or RCPT, unless it is to go on.
    fn envelope(&mut self, verb: &str, decision: Option<Decision>) {
        match decision {
            Some(Decision::Continue) | None => {}
            Some(Decision::ReplyCode(code)) => {
                self.story.extend(code.to_smtp().split("\r\n").map(|line| format!("{verb} {line}")));
            }
            Some(other) => self.story.push(format!("{verb} {}", format!("{other:?}").to_lowercase())),
        }
    }

    fn message(&mut self, file: &str, options: &[&str]) {
        let mut raw = std::fs::read(self.scenario.folder.join(file)).unwrap();
        if !raw.windows(2).any(|pair| pair == b"\r\n") {
            // Line ends of a text file in a repository; a file with any CRLF is taken as it is.
            raw = String::from_utf8(raw).unwrap().replace('\n', "\r\n").into_bytes();
        }
        for option in options {
            match option.split_once('=').unwrap() {
                ("sign", signer) => raw = sign(&raw, signer, &self.daemon.folder.path().join("rsa.pem")),
                ("replace", change) => {
                    let (from, to) = change.split_once('/').unwrap();
                    raw = String::from_utf8(raw).unwrap().replace(from, to).into_bytes();
                }
                (other, _) => panic!("unknown option {other}"),
            }
        }
        let chunk = self.chunk;
        let answer = self.mta().content(&raw, chunk);
        self.messages += 1;
        self.story.push(format!("message {}", self.messages));
        self.story.extend(answer.edits.iter().map(|edit| format!("edit {edit}")));
        self.story.push(match answer.decision {
            Some(Decision::ReplyCode(code)) => format!("reply {}", code.to_smtp().replace("\r\n", " | ")),
            Some(decision) => format!("reply {}", format!("{decision:?}").to_lowercase()),
            None => "reply none".to_owned(),
        });
        let (_, body) = support::split(&raw);
        let delivered = self.mta().session.message().to_octets(body);
        let fields = self.mta().session.message().fields().iter();
        let results: Vec<String> = fields
            .filter(|field| field.name.eq_ignore_ascii_case(b"Authentication-Results"))
            .map(|field| String::from_utf8_lossy(&field.value).replace("\r\n\t", " ").replace("\r\n ", " "))
            .map(|value| format!("results {}", value.trim_start()))
            .collect();
        self.story.extend(results);
        self.story.extend(verify(&delivered, &zone(&self.scenario.zone)));
        self.story.push(format!("log {}", self.daemon.log_line()));
    }
}

/// Signs as somebody else would: `SELECTOR:DOMAIN`.
fn sign(raw: &[u8], signer: &str, key: &Path) -> Vec<u8> {
    let (selector, domain) = signer.split_once(':').unwrap();
    let backend = engine::BACKEND;
    let key = backend.signing_key(&PrivateKey::from_text(&std::fs::read(key).unwrap()).unwrap()).unwrap();
    let spec = SignatureSpec::new(DomainName::parse(domain).unwrap(), Selector::parse(selector).unwrap());
    let (headers, body) = HeaderBlock::parse(raw, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(backend);
    let signing = Signing::start(&headers, spec, key, now(), &mut plan).unwrap();
    let mut hasher = plan.start();
    hasher.update(&raw[body..]);
    let field = signing.finish(&hasher.finish()).unwrap();
    [field.name.as_bytes(), b":", field.value.as_bytes(), b"\r\n", raw].concat()
}

/// What a receiver finds in the message as it is delivered: one line a signature.
fn verify(raw: &[u8], zone: &Zone) -> Vec<String> {
    let Ok((headers, body)) = HeaderBlock::parse(raw, HeaderLimits::default()) else {
        return vec!["verify nothing: the header section is malformed".to_owned()];
    };
    let mut plan = BodyHashPlan::new(engine::BACKEND);
    let mut verification = Verification::start(Arc::new(headers), now(), &VerifyPolicy::default(), &mut plan);
    let names: Vec<(KeyId, String)> = verification.key_queries().map(|query| (query.id, query.name())).collect();
    for (id, name) in names {
        verification.provide_key(id, KeyAnswer::parse(&zone.txt(&name), engine::BACKEND));
    }
    let mut hasher = plan.start();
    hasher.update(&raw[body..]);
    let reports = verification.finish(&hasher.finish());
    let line = |report: &dkim_core::verify::SignatureReport| {
        let mut line = format!("verify {}", report.outcome.result());
        if let (Some(domain), Some(selector)) = (&report.domain, &report.selector) {
            write!(line, " d={domain} s={selector}").unwrap();
        }
        line
    };
    reports.iter().map(line).collect()
}

fn now() -> UnixTime {
    UnixTime::from_secs(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs())
}

/// Every line of the story must match its expected one (`*` stands for anything); of log lines the expected words must be there.
fn compare(expected: &[&str], story: &[String]) -> Result<(), String> {
    for (index, line) in story.iter().enumerate() {
        let Some(pattern) = expected.get(index) else { return Err(format!("not expected: {line}")) };
        let is_as_expected = match (pattern.strip_prefix("log "), line.strip_prefix("log ")) {
            (Some(pattern), Some(line)) => {
                words(pattern).iter().all(|word| words(line).iter().any(|found| glob(word, found)))
            }
            _ => glob(pattern, line),
        };
        if !is_as_expected {
            return Err(format!("expected {pattern}\n    but found {line}"));
        }
    }
    match expected.get(story.len()) {
        Some(missing) => Err(format!("missing: {missing}")),
        None => Ok(()),
    }
}

/// Words of a log line; a quoted value is one with its key.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
