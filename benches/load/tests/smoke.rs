//! The load tool against the real daemon in this process: few messages, every kind of work, pattern and socket.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test helpers")]

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use engine::logging::Logger;
use engine::server::{LocalAddress, Server};
use engine::start::{Request, Source, prepare};
use milter_load::check::Checker;
use milter_load::client::{Client, Pattern, default_client};
use milter_load::mail::{Signer, messages};
use milter_load::run::{Plan, run};
use milter_load::target::{Socket, Target};
use milter_load::{LoadError, Work, domains, idle, report};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A daemon with one RSA key for example.com.
struct Daemon {
    _runtime: Runtime,
    folder: TempDir,
    sockets: Vec<Socket>,
}

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bins/engine/tests/keys");

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rsa.pem", "zone.txt"] {
            let to = folder.path().join(name);
            std::fs::write(&to, std::fs::read(Path::new(KEYS).join(name)).unwrap()).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let text = format!(
            "listen = [\"unix:{}/socket\", \"inet:127.0.0.1:0\"]\n[dns]\nzone_file = \"zone.txt\"\n\
             [[domain]]\nname = \"example.com\"\nkeys = [{{ selector = \"rsa\", file = \"rsa.pem\" }}]\n",
            folder.path().display()
        );
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        let runtime = Runtime::new().unwrap();
        let server = runtime
            .block_on(async {
                let prepared = prepare(&Request::new(Source::File(file)), None).unwrap();
                Server::bind(prepared.setup, Logger::disabled()).await
            })
            .unwrap();
        let sockets = server.addresses().into_iter().map(|address| match address {
            LocalAddress::Unix(path) => Socket::Unix(path),
            LocalAddress::Tcp(address) => Socket::Tcp(address),
        });
        let sockets = sockets.collect();
        runtime.spawn(server.run(std::future::pending()));
        Self { _runtime: runtime, folder, sockets }
    }

    fn signer(&self, selector: &str) -> Signer {
        let key = std::fs::read(self.folder.path().join("rsa.pem")).unwrap();
        Signer::new("example.com", selector, &key, "relaxed/simple").unwrap()
    }

    fn targets(&self) -> Vec<Target> {
        self.sockets.iter().map(|socket| Target::new(socket.kind(), socket.clone(), Some(std::process::id()))).collect()
    }
}

fn plan(work: Work, pattern: Pattern) -> Plan {
    let mut plan = Plan::new(work);
    (plan.pattern, plan.connections, plan.messages, plan.warm_up, plan.rounds) = (pattern, 3, 12, 2, 2);
    (plan.per_connection, plan.bystander) = (3, true);
    plan
}

#[test]
fn all_work_is_done_over_both_sockets_under_both_patterns() {
    let daemon = Daemon::start();
    let signer = daemon.signer("rsa");
    for work in [Work::Sign, Work::Verify] {
        let mut mails = messages(work, 3000, &signer).unwrap();
        mails.extend(messages(work, 200_000, &signer).unwrap());
        let checker = Checker::new(work, &signer);
        for pattern in [Pattern::Postfix, Pattern::Sendmail] {
            let reports = run(&plan(work, pattern), &daemon.targets(), &mails, &checker).unwrap();
            assert_eq!(reports.len(), 2);
            for report in &reports {
                assert_eq!(report.messages, 24, "two rounds, warm-up not counted");
                assert_eq!((report.cpu_seconds_per_1000.len(), report.messages_per_second.len()), (2, 2));
                assert!(report.latency_ms.p50 > 0.0 && report.latency_ms.max >= report.latency_ms.p99);
                assert!(report.bystander_ms.is_some_and(|latency| latency.max > 0.0));
                assert!(report.memory_after.is_some_and(|memory| memory.rss > 0));
            }
            assert!(report::mail_table(&reports).contains(&format!("{}, unix, {}", work.name(), pattern.name())));
        }
    }
}

#[test]
fn idle_connections_are_opened_used_and_closed() {
    let daemon = Daemon::start();
    let signer = daemon.signer("rsa");
    let mails = messages(Work::Sign, 1000, &signer).unwrap();
    for target in daemon.targets() {
        let report =
            idle::idle(&plan(Work::Sign, Pattern::Postfix), &target, &mails, &Checker::new(Work::Sign, &signer))
                .unwrap();
        assert_eq!(report.connections, 3);
        assert!(report::idle_table(&[report]).contains("3 connections"));
    }
}

/// The program with these arguments and everything it needs to know of the daemon; exit code and lines of JSON.
fn program(daemon: &Daemon, arguments: &[&str]) -> (Option<i32>, Vec<serde_json::Value>) {
    let Socket::Unix(socket) = &daemon.sockets[0] else { panic!("the first socket is a Unix socket") };
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_milter-load"))
        .args(arguments)
        .args(["--json", "--connections", "2", "--selector", "rsa", "--domain", "example.com", "--key"])
        .arg(daemon.folder.path().join("rsa.pem"))
        .args(["--target", &format!("ours,{},{}", socket.display(), std::process::id())])
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn the_program_prints_json_and_fails_where_an_answer_is_wrong() {
    let daemon = Daemon::start();
    let few = ["--messages", "4", "--warm-up", "0", "--rounds", "1", "--size", "1KiB,2KiB", "--pattern", "sendmail"];
    let (code, lines) = program(&daemon, &[&["mail"], &few[..]].concat());
    assert_eq!((code, lines.len()), (Some(0), 1));
    assert_eq!(lines[0]["target"], "ours");
    assert_eq!(lines[0]["body_octets"], serde_json::json!([1024, 2048]));
    assert_eq!(lines[0]["pattern"], "sendmail");
    assert!(lines[0]["latency_ms"]["p50"].as_f64().unwrap() > 0.0);

    let (code, lines) = program(&daemon, &["idle", "--work", "verify"]);
    assert_eq!((code, lines.len()), (Some(0), 1));
    assert_eq!(lines[0]["connections"], 2);

    // Mail of others is not signed.
    let (code, lines) = program(&daemon, &[&["mail", "--client", "192.0.2.10"], &few[..]].concat());
    assert_eq!((code, lines.len()), (Some(1), 0));
}

#[test]
fn a_wrong_answer_fails_the_run() {
    let daemon = Daemon::start();
    let target = daemon.targets().remove(0);
    let wrong = |work, selector: &str, client: &str| {
        let signer = daemon.signer(selector);
        let mails = messages(work, 1000, &signer).unwrap();
        let mut plan = plan(work, Pattern::Postfix);
        plan.client = client.to_owned();
        run(&plan, std::slice::from_ref(&target), &mails, &Checker::new(work, &signer)).unwrap_err()
    };
    // A key that is not in the zone, mail that is not the daemon's own, and a signature by another key than expected.
    for (work, selector, client, expected) in [
        (Work::Verify, "nobody", default_client(Work::Verify), "no pass"),
        (Work::Sign, "rsa", default_client(Work::Verify), "0 signatures"),
        (Work::Sign, "other", default_client(Work::Sign), "the signature is"),
    ] {
        let (name, error) = wrong(work, selector, client);
        assert_eq!(name, "unix");
        assert!(matches!(&error, LoadError::Wrong(text) if text.contains(expected)), "{error}");
    }
}

#[test]
fn a_socket_without_a_daemon_is_an_error() {
    let nobody = Socket::Tcp(SocketAddr::from(([127, 0, 0, 1], 1)));
    assert!(matches!(Client::open(&nobody, Pattern::Postfix, "127.0.0.1"), Err(LoadError::Io(_))));
}

#[test]
fn a_daemon_with_many_domains_that_does_not_start_is_an_error_that_shows_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let key = Path::new(KEYS).join("rsa.pem");
    let mut plan = domains::Plan::new("/bin/false".into(), key.clone(), folder.path().to_owned());
    plan.domains = 50;
    let error = domains::domains(&plan).unwrap_err().to_string();
    assert!(error.contains("does not start"), "{error}");
    // The tables are those that it would have read: the last key is broken, and every tenth domain has its subdomains.
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!((read("KeyTable").lines().count(), read("SigningTable").lines().count()), (50, 55));
    assert!(read("KeyTable").contains("keys/broken\n") && folder.path().join("keys/48.pem").exists());
}
