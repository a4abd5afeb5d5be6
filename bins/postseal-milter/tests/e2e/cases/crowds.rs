//! Many connections at a time, most of them of no use, to the program itself: others are served beside them, and nothing is left of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use milter_proto::{Command, Offer, Peer, Strings, flags};
use tempfile::TempDir;

use crate::site::daemon::{Daemon, Socket};
use crate::site::{timed, work};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a message takes on a busy machine, and less than it takes until the daemon gives up the first of those in its way (`limits.packet`).
const IN_THE_WAY: Duration = Duration::from_secs(15);

struct Crowd {
    daemon: Daemon,
    _folder: TempDir,
}

impl Crowd {
    /// A daemon without Postfix.
    fn start(limits: &str) -> Self {
        let folder = work::folder();
        let config = format!("[dns]\nnameservers = [\"127.0.0.1:9\"]\n[limits]\n{limits}\n");
        Self { daemon: Daemon::start(folder.path(), Socket::Tcp, &config), _folder: folder }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.daemon.socket.strip_prefix("inet:").unwrap()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// How long a whole message takes.
    fn message(&self) -> Duration {
        let (time, ()) = timed(|| {
            let mut stream = self.connect();
            for packet in dialogue() {
                stream.write_all(&packet).unwrap();
                if !matches!(packet[4], b'D' | b'L' | b'N' | b'B') {
                    assert!(stream.read(&mut [0; 4096]).unwrap() >= 5);
                }
            }
        });
        time
    }

    fn proc(&self, name: &str) -> std::path::PathBuf {
        Path::new("/proc").join(self.daemon.pid().to_string()).join(name)
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// The descriptors that are open when nobody is connected any more.
    fn at_rest(&self) -> usize {
        self.message();
        let mut open = self.descriptors();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = self.descriptors();
            if std::mem::replace(&mut open, now) == now {
                return now;
            }
        }
    }

    /// Waits until there are no more descriptors open than these.
    fn is_back_at(&self, descriptors: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.descriptors() > descriptors {
            assert!(Instant::now() < deadline, "{descriptors} at the start, {} now", self.descriptors());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Resident memory in KiB.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// A message from outside, packet by packet.
fn dialogue() -> Vec<Vec<u8>> {
    [
        Command::Negotiate(Offer::new(6, flags::Actions::ALL, flags::Steps::ALL)),
        Command::Connect { hostname: b"out.example", peer: Peer::Inet { address: b"192.0.2.10", port: 40_000 } },
        Command::Helo(b"out.example"),
        Command::MailFrom { address: b"<a@author.example>", parameters: Strings::NONE },
        Command::RcptTo { address: b"<b@reader.example>", parameters: Strings::NONE },
        Command::Data,
        Command::Header { name: b"From", value: b" a@author.example" },
        Command::EndOfHeaders,
        Command::Body(b"Hello\r\n"),
        Command::EndOfBody(b""),
    ]
    .iter()
    .map(|command| {
        let mut packet = Vec::new();
        command.encode(&mut packet).unwrap();
        packet
    })
    .collect()
}

/// Half of them never say a word, the others stop within a packet or within a message.
#[test]
fn s19_a_thousand_idle_and_slow_connections_are_in_nobodys_way_and_leave_nothing_behind() {
    engine::descriptors::raise();
    let crowd = Crowd::start("connections = 1200");
    let (descriptors, memory) = (crowd.at_rest(), crowd.memory());
    let dialogue = dialogue();
    let mut streams: Vec<TcpStream> = (0..1000).map(|_| crowd.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        match number % 4 {
            0 | 1 => {}
            2 => stream.write_all(&dialogue[0][..9]).unwrap(),
            _ => stream.write_all(&dialogue[..8].concat()).unwrap(),
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while crowd.descriptors() < descriptors + 1000 {
        assert!(Instant::now() < deadline, "{} descriptors", crowd.descriptors());
        std::thread::sleep(Duration::from_millis(20));
    }
    let time = crowd.message();
    assert!(time < IN_THE_WAY, "{time:?}");
    // About 5 KiB for an idle one, and a buffer for one that is inside a message.
    let grown = crowd.memory().saturating_sub(memory);
    assert!(grown < 64 << 10, "{grown} KiB for a thousand connections");
    // Slowly, an octet each, and the message beside them is as quick.
    for (number, stream) in streams.iter_mut().enumerate() {
        if number % 4 == 2 {
            stream.write_all(&dialogue[0][9..10]).unwrap();
        }
    }
    let time = crowd.message();
    assert!(time < IN_THE_WAY, "{time:?}");
    drop(streams);
    crowd.is_back_at(descriptors);
}

#[test]
fn s19_ten_thousand_broken_connections_leave_no_descriptor_and_no_memory_behind() {
    let crowd = Crowd::start("");
    let dialogue = dialogue().concat();
    let broken = |count: usize| {
        for number in 0..count {
            let mut stream = crowd.connect();
            let end = match number % 5 {
                0 => 0,
                1 => 2,
                2 => 60,
                3 => number % dialogue.len(),
                _ => {
                    stream.write_all(&[0; 4]).unwrap();
                    0
                }
            };
            let _ = stream.write_all(&dialogue[..end]);
        }
    };
    let descriptors = crowd.at_rest();
    // What the allocator keeps for itself, it keeps sooner or later, depending on how many connections were open at once; a leak grows with every ten thousand.
    broken(10_000);
    crowd.is_back_at(descriptors);
    let mut grown = Vec::new();
    while grown.len() < 5 && grown.iter().all(|grown| *grown >= 2 << 10) {
        let memory = crowd.memory();
        broken(10_000);
        crowd.is_back_at(descriptors);
        grown.push(crowd.memory().saturating_sub(memory));
    }
    assert!(grown.iter().any(|grown| *grown < 2 << 10), "{grown:?} KiB more after 10,000 broken connections each");
    crowd.message();
}

/// More connections than descriptors: those that there are none for wait in the queue, and are served when others end.
#[test]
fn without_descriptors_connections_wait_and_none_is_lost() {
    let crowd = Crowd::start("");
    let limit = crowd.at_rest() + 10;
    crowd.limit_descriptors(limit);
    let mut streams: Vec<TcpStream> = (0..40).map(|_| crowd.connect()).collect();
    let offer = &dialogue()[0];
    for stream in &mut streams {
        stream.write_all(offer).unwrap();
    }
    let deadline = Instant::now() + PATIENCE;
    while crowd.descriptors() < limit {
        assert!(Instant::now() < deadline, "{} descriptors", crowd.descriptors());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    // One after the other ends, and each of the others has its turn.
    for mut stream in streams {
        assert!(stream.read(&mut [0; 256]).unwrap() > 5, "the answer to the offer");
    }
    crowd.message();
    let said = crowd.daemon.log().matches("cannot accept a connection").count();
    assert!((1..20).contains(&said), "it is said, and not ten times a second: {said}");
}

#[test]
fn the_limit_of_open_files_is_raised_at_the_start() {
    let crowd = Crowd::start("");
    let limits = fs::read_to_string(crowd.proc("limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = line.split_whitespace().skip(3).collect();
    assert_eq!(numbers[0], numbers[1], "{line}");
}

impl Crowd {
    /// Takes descriptors away from the process, as `prlimit` does.
    fn limit_descriptors(&self, limit: usize) {
        let status = work::command("prlimit")
            .arg(format!("--pid={}", self.daemon.pid()))
            .arg(format!("--nofile={limit}:{limit}"))
            .status()
            .unwrap();
        assert!(status.success(), "{status:?}");
    }
}
