//! `postseal selftest` against a daemon in this process, over a Unix and a TCP socket.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;

use dkim_core::domain::DomainName;
use engine::logging::Logger;
use engine::server::Server;
use engine::socket_address::SocketAddress;
use engine::start::{Request, Source, prepare};
use tokio::sync::oneshot;

use crate::run::{err, json, out, postseal};

/// A daemon that runs until it is dropped.
struct Daemon {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    /// Starts one as `postseal-milter --domain example.com --state STATE --socket SOCKET` does.
    fn start(state: &Path, socket: &str) -> Self {
        let socket: SocketAddress = socket.parse().unwrap();
        let source = Source::Quickstart {
            domains: vec![DomainName::parse("example.com").unwrap()],
            state_dir: state.to_path_buf(),
            socket,
        };
        Self::of(source)
    }

    fn of(source: Source) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(async {
                let setup = prepare(&Request::new(source), None).unwrap().setup;
                let server = Server::bind(setup, Logger::disabled()).await.unwrap();
                ready.send(()).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
        });
        is_ready.recv().unwrap();
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A TCP port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_daemon_of_quick_start_passes_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("s").display());
    let _daemon = Daemon::start(&folder.path().join("postseal-data"), &socket);
    let text = out(&postseal(folder.path(), &["selftest", "--socket", &socket]), 0);
    for line in [
        "ok   outgoing: ",
        "added DKIM-Signature: ",
        "ok   incoming: dkim=pass",
        "ok   tampered: dkim=fail",
        "selftest passed",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn a_daemon_of_quick_start_passes_over_tcp_in_either_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let _daemon = Daemon::start(&folder.path().join("state"), &format!("inet:127.0.0.1:{port}"));
    for socket in [format!("inet:{port}@127.0.0.1"), format!("inet:localhost:{port}")] {
        let value = json(&postseal(folder.path(), &["selftest", "--state", "state", "--socket", &socket, "--json"]), 0);
        assert_eq!(value["passed"], true);
        assert_eq!(value["steps"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_daemon_that_refuses_by_spf_passes() {
    let folder = tempfile::tempdir().unwrap();
    drop(Daemon::start(&folder.path().join("postseal-data"), &format!("unix:{}", folder.path().join("old").display())));
    let state = folder.path().join("postseal-data");
    let mut zone = fs::read_to_string(state.join("zone.txt")).unwrap();
    zone.push_str("\nexample.com. TXT \"v=spf1 -all\"\nclient.example. TXT \"v=spf1 -all\"\n");
    fs::write(folder.path().join("zone.txt"), zone).unwrap();
    let key = fs::read_dir(state.join("keys/example.com")).unwrap().next().unwrap().unwrap().path();
    let selector = key.file_stem().unwrap().to_str().unwrap();
    let socket = format!("unix:{}", folder.path().join("s").display());
    let config = folder.path().join("postseal.toml");
    let text = format!(
        r#"
        listen = ["{socket}"]
        state_dir = "state"
        [dns]
        zone_file = "zone.txt"
        [spf]
        reject = ["*"]
        on_temperror = "tempfail"
        [[domain]]
        name = "example.com"
        allow_ed25519_only = true
        keys = [{{ selector = "{selector}", file = "{}" }}]
        "#,
        key.display()
    );
    fs::write(&config, text).unwrap();
    let _daemon = Daemon::of(Source::File(config));
    let text = out(&postseal(folder.path(), &["selftest", "--socket", &socket]), 0);
    assert!(text.contains("selftest passed"), "{text}");
}

#[test]
fn a_daemon_that_does_not_sign_fails_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    // The state folder has keys, and the daemon on the socket knows nothing of them.
    drop(Daemon::start(&folder.path().join("postseal-data"), &format!("unix:{}", folder.path().join("old").display())));
    let socket = format!("unix:{}", folder.path().join("s").display());
    let _daemon = Daemon::of(Source::Quickstart {
        domains: Vec::new(),
        state_dir: folder.path().join("other"),
        socket: socket.parse().unwrap(),
    });
    let text = out(&postseal(folder.path(), &["selftest", "--socket", &socket]), 1);
    assert!(
        text.contains("FAIL outgoing: it was not signed for example.com") && text.contains("selftest FAILED"),
        "{text}"
    );
}

#[test]
fn a_daemon_with_other_keys_than_the_folder_fails() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("s").display());
    let _daemon = Daemon::start(&folder.path().join("one"), &socket);
    drop(Daemon::start(&folder.path().join("two"), &format!("unix:{}", folder.path().join("t").display())));
    let text = out(&postseal(folder.path(), &["selftest", "--state", "two", "--socket", &socket]), 1);
    assert!(text.contains("FAIL outgoing: a signature does not verify with the keys of the state folder"), "{text}");
}

#[test]
fn without_daemon_or_keys_the_hint_says_what_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let text = err(&postseal(folder.path(), &["selftest"]), 1);
    assert!(text.contains("no keys in postseal-data") && text.contains("postseal-milter --domain"), "{text}");
    drop(Daemon::start(&folder.path().join("postseal-data"), &format!("unix:{}", folder.path().join("s").display())));
    let closed = format!("inet:127.0.0.1:{}", free_port());
    for socket in [closed.as_str(), "unix:/nowhere/postseal.sock"] {
        let text = err(&postseal(folder.path(), &["selftest", "--socket", socket]), 1);
        assert!(text.contains("nothing listens on") && text.contains("postseal-milter --domain example.com"), "{text}");
    }
    err(&postseal(folder.path(), &["selftest", "--socket", "tcp:1"]), 64);
}

#[test]
fn something_else_on_the_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(Daemon::start(&folder.path().join("postseal-data"), &format!("unix:{}", folder.path().join("s").display())));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = format!("inet:{}", listener.local_addr().unwrap());
    let stranger = std::thread::spawn(move || {
        for reply in [b"".as_slice(), b"220 mail.example ESMTP\r\n"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut offer = [0; 17];
            stream.read_exact(&mut offer).unwrap();
            std::io::Write::write_all(&mut stream, reply).unwrap();
        }
    });
    let text = err(&postseal(folder.path(), &["selftest", "--socket", &socket]), 1);
    assert!(text.contains("closed the connection without an answer"), "{text}");
    let text = err(&postseal(folder.path(), &["selftest", "--socket", &socket]), 1);
    assert!(text.contains("broken packet"), "{text}");
    stranger.join().unwrap();
}

#[test]
fn the_zone_file_of_the_folder_has_to_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("postseal-data");
    drop(Daemon::start(&state, &format!("unix:{}", folder.path().join("s").display())));
    fs::remove_file(state.join("zone.txt")).unwrap();
    assert!(err(&postseal(folder.path(), &["selftest"]), 78).contains("E-ZONE-READ"));
}
