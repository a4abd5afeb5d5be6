//! A server of Postfix's protocol, asked by us and by Postfix's own client, which have to send the same octets and hear the same answers.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use crate::ask::{dataset, failure, fields, goes_and_comes, open, slow_is_cut};
use database_servers::{Folder, program};

/// What a server has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    questions: Mutex<Vec<String>>,
}

/// One client: netstrings in, netstrings out, until it goes or is sent away.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Seen>) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    while let Some(question) = read(&mut stream).await {
        seen.questions.lock().unwrap().push(question.clone());
        let (name, key) = question.split_once(' ').unwrap();
        assert_eq!(name, "keys");
        let answer = match key {
            "example.com" => "OK d.example:sel:/keys/x:y".to_owned(),
            "other.example" => "OK other".to_owned(),
            "empty" => "OK ".to_owned(),
            "temp" => "TEMP come back later".to_owned(),
            "timeout" => "TIMEOUT took too long".to_owned(),
            "perm" => "PERM never".to_owned(),
            "longest" => format!("OK {}", "x".repeat(100_000 - 3)),
            "longer" => format!("OK {}", "x".repeat(100_001 - 3)),
            "garbage" => "WHAT is this".to_owned(),
            "latin1" => {
                stream.write_all(b"4:OK \xe9,").await.unwrap();
                continue;
            }
            "raw" => {
                stream.write_all(b"no netstring").await.unwrap();
                return;
            }
            "once" => {
                // Answers, and has gone when the next question comes.
                stream.write_all(b"6:OK one,").await.unwrap();
                return;
            }
            "slow" => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                "OK late".to_owned()
            }
            _ => "NOTFOUND ".to_owned(),
        };
        if stream.write_all(format!("{}:{answer},", answer.len()).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut digits = String::new();
    loop {
        match stream.read_u8().await.ok()? {
            b':' => break,
            digit => digits.push(char::from(digit)),
        }
    }
    let mut text = vec![0; digits.parse::<usize>().unwrap() + 1];
    stream.read_exact(&mut text).await.ok()?;
    assert_eq!(text.pop(), Some(b','));
    Some(String::from_utf8(text).unwrap())
}

/// A server; its clients end with it.
struct Map(JoinHandle<()>);

fn start(socket: &Path, seen: &Arc<Seen>) -> Map {
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket).unwrap();
    let seen = Arc::clone(seen);
    Map(tokio::spawn(async move {
        let mut clients = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            clients.spawn(serve(stream, Arc::clone(&seen)));
        }
    }))
}

impl Map {
    async fn stop(self) {
        self.0.abort();
        let _ = self.0.await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn s2_1_socketmap() {
    let folder = Folder::new();
    let socket = folder.path("s");
    let seen = Arc::new(Seen::default());
    let server = start(&socket, &seen);
    let text = format!("socketmap:unix:{}:keys", socket.display());
    let lookup = open(&text);
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0, "opening connects to nothing");

    assert_eq!(fields(&lookup, "example.com").await.unwrap(), ["d.example:sel:/keys/x:y"]);
    assert_eq!(fields(&lookup, "empty").await.unwrap(), [""]);
    for key in ["none.example", "", "a b", "a'b", "a\"b\\", "é", "3:a,", "a,4:b,", "\n", &"x".repeat(10 * 1024)] {
        assert_eq!(fields(&lookup, key).await, None, "{key:.20}");
    }
    for (key, reason) in
        [("temp", "TEMP come back later"), ("timeout", "TIMEOUT took too long"), ("perm", "PERM never")]
    {
        assert!(failure(&lookup, key).await.ends_with(reason));
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1, "one connection is kept for all of that");
    assert_eq!(fields(&lookup, "longest").await.unwrap()[0].len(), 100_000 - 3);
    assert!(failure(&lookup, "longer").await.contains("more than 100000"));
    for (key, word) in [("garbage", "none of OK"), ("latin1", "none of OK"), ("raw", "no netstring")] {
        let error = failure(&lookup, key).await;
        assert!(error.contains(word), "{key}: {error}");
    }
    assert_eq!(fields(&lookup, "once").await.unwrap(), ["one"]);
    assert_eq!(
        fields(&lookup, "example.com").await.unwrap(),
        ["d.example:sel:/keys/x:y"],
        "after the server has hung up"
    );

    // As the daemon has it: one text in fields, time limit, last answer.
    let set = dataset(&text, Duration::from_secs(5));
    let value = set.look_up("example.com").await.unwrap().unwrap();
    assert_eq!(value.fields(3), ["d.example", "sel", "/keys/x:y"]);
    slow_is_cut(&text, &text, "slow", "example.com").await;
    let server = goes_and_comes(&set, &lookup, ("example.com", "other.example"), server, Map::stop, async || {
        start(&socket, &seen)
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_1_socketmap_as_postfix_asks() {
    let folder = Folder::new();
    let config = tempfile::tempdir().unwrap();
    fs::write(config.path().join("main.cf"), "compatibility_level = 3.6\n").unwrap();
    let seen = Arc::new(Seen::default());
    let socket = folder.path("s");
    let server = start(&socket, &seen);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let of_inet = Arc::clone(&seen);
    let inet = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, Arc::clone(&of_inet)));
        }
    });
    for map in [format!("socketmap:unix:{}:keys", socket.display()), format!("socketmap:inet:127.0.0.1:{port}:keys")] {
        let postmap = async |key: &'static str| {
            let mut command = Command::new(program("postmap", "/usr/sbin"));
            command.arg("-c").arg(config.path()).args(["-q", key, &map]).stdin(Stdio::null());
            tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
        };
        let lookup = open(&map);
        let questions = || std::mem::take(&mut *seen.questions.lock().unwrap());
        questions();
        for key in ["example.com", "none.example", "a'b", "é", "x y"] {
            let theirs = postmap(key).await;
            let asked_by_them = questions();
            let ours = fields(&lookup, key).await;
            assert_eq!(asked_by_them, [format!("keys {key}")]);
            assert_eq!(asked_by_them, questions(), "the same octets");
            assert_eq!(theirs.status.success(), ours.is_some(), "{key}: {theirs:?}");
            assert_eq!(
                String::from_utf8(theirs.stdout).unwrap().trim_end(),
                ours.map(|fields| fields.concat()).unwrap_or_default()
            );
        }
        let theirs = postmap("temp").await;
        assert!(
            !theirs.status.success() && String::from_utf8_lossy(&theirs.stderr).contains("come back later"),
            "{theirs:?}"
        );
        assert!(failure(&lookup, "temp").await.contains("come back later"));
    }
    inet.abort();
    server.stop().await;
}
