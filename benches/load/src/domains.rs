//! A daemon with very many signing domains in OpenDKIM's tables: its start, its memory, a reload while mail goes on, and one key that is broken.
//!
//! Unlike the rest of this tool it starts the daemon, because the start is what it measures. Tables, links to the key and the socket are in a folder of the caller; nothing of it
//! is kept open at the end.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use crate::LoadError;
use crate::client::{Client, Pattern};
use crate::mail::Mail;
use crate::process::{self, Memory};
use crate::report::Latency;
use crate::target::Socket;

/// Key files: as many domains as a busy host signs for between two reloads, and more than the daemon keeps.
const KEY_FILES: usize = 5000;

/// The longest wait for the start and for a reload.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time for which mail is sent without a reload, to compare with.
const QUIET: Duration = Duration::from_secs(3);

/// Time between two messages: mail that is always there, and a processor that is not always busy.
const PAUSE: Duration = Duration::from_millis(2);

/// What is measured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The program.
    pub daemon: PathBuf,
    /// A private key (PEM) for all domains.
    pub key: PathBuf,
    /// An empty folder.
    pub folder: PathBuf,
    /// Signing domains.
    pub domains: usize,
    /// Different domains for which a message is signed.
    pub signed: usize,
    /// Reloads.
    pub reloads: usize,
}

impl Plan {
    /// 100,000 domains.
    #[must_use]
    pub fn new(daemon: PathBuf, key: PathBuf, folder: PathBuf) -> Self {
        Self { daemon, key, folder, domains: 100_000, signed: 2000, reloads: 5 }
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DomainsReport {
    /// Signing domains.
    pub domains: usize,
    /// From the start of the process to the end of the first negotiation.
    pub start_ms: f64,
    /// Memory at that time.
    pub memory_started: Memory,
    /// Different domains for which a message was signed.
    pub signed: usize,
    /// Memory then.
    pub memory_signed: Memory,
    /// Time of messages while nothing else happens.
    pub quiet_ms: Latency,
    /// Time of messages during reloads.
    pub reload_latency_ms: Latency,
    /// From the signal to the log line that the reload is done, the longest.
    pub reload_ms: f64,
    /// Memory after the reloads.
    pub memory_reloaded: Memory,
    /// What the MTA is told about mail of the domain whose key is broken.
    pub broken_key: String,
}

/// A daemon that is stopped whatever happens.
struct Running {
    process: Child,
    log: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the plan.
///
/// # Errors
///
/// [`LoadError`]: a folder that cannot be written, a daemon that does not start, a wrong answer.
pub fn domains(plan: &Plan) -> Result<DomainsReport, LoadError> {
    write_tables(plan)?;
    let begun = Instant::now();
    let mut running = start(plan)?;
    let pid = running.process.id();
    let socket = Socket::Unix(plan.folder.join("socket"));
    let mut client = loop {
        match Client::open(&socket, Pattern::Postfix, "127.0.0.1") {
            Ok(client) => break client,
            Err(error) if begun.elapsed() > PATIENCE || running.process.try_wait()?.is_some() => {
                let log = fs::read_to_string(&running.log).unwrap_or_default();
                return Err(LoadError::Setup(format!("the daemon does not start: {error}\n{log}")));
            }
            Err(_) => std::thread::sleep(Duration::from_micros(500)),
        }
    };
    let start_ms = milliseconds(begun.elapsed());
    let memory_started = process::memory(pid)?;
    let signed = plan.signed.min(plan.domains.saturating_sub(1));
    for number in 0..signed {
        // From all over the table; the last one is broken.
        let domain = number.saturating_mul(plan.domains.saturating_sub(1)).checked_div(signed).unwrap_or_default();
        send(&mut client, domain)?;
    }
    let memory_signed = process::memory(pid)?;
    let mut quiet = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < QUIET {
        quiet.push(send(&mut client, 0)?);
        std::thread::sleep(PAUSE);
    }
    let (mut during, reload_ms) = reload(plan, &running, &mut client, pid)?;
    let memory_reloaded = process::memory(pid)?;
    let broken_key = match send(&mut client, plan.domains.saturating_sub(1)) {
        Ok(_) => return Err(LoadError::Wrong("a domain without a key signs".to_owned())),
        Err(LoadError::Decision { step, decision }) => format!("{decision} at {step}"),
        Err(error) => return Err(error),
    };
    // And no other domain is the worse for it.
    let mut client = Client::open(&socket, Pattern::Postfix, "127.0.0.1")?;
    send(&mut client, plan.domains.saturating_sub(2))?;
    client.quit()?;
    Ok(DomainsReport {
        domains: plan.domains,
        start_ms,
        memory_started,
        signed,
        memory_signed,
        quiet_ms: Latency::of(&mut quiet),
        reload_latency_ms: Latency::of(&mut during),
        reload_ms,
        memory_reloaded,
        broken_key,
    })
}

/// Sends mail all the time while the daemon reloads, and then stops: the times of messages, and the longest reload.
fn reload(plan: &Plan, running: &Running, client: &mut Client, pid: u32) -> Result<(Vec<Duration>, f64), LoadError> {
    let over = AtomicBool::new(false);
    let mut times = Vec::new();
    let reloaded = std::thread::scope(|scope| {
        let reloading = scope.spawn(|| {
            let result = reload_all(plan, running, pid);
            over.store(true, Ordering::Release);
            result
        });
        while !over.load(Ordering::Acquire) {
            let sent = send(client, times.len().checked_rem(plan.signed.max(1)).unwrap_or_default());
            match sent {
                Ok(time) => times.push(time),
                Err(error) => return Err(error),
            }
            std::thread::sleep(PAUSE);
        }
        reloading.join().map_err(|_panic| LoadError::Panic)?
    });
    Ok((times, reloaded?))
}

fn reload_all(plan: &Plan, running: &Running, pid: u32) -> Result<f64, LoadError> {
    let process = Pid::from_raw(i32::try_from(pid).map_err(|error| LoadError::Setup(error.to_string()))?);
    let done = || fs::read_to_string(&running.log).map(|log| log.matches("info reloaded ").count());
    let mut longest = 0.0_f64;
    for number in 0..plan.reloads {
        let begun = Instant::now();
        kill(process, Signal::SIGUSR1).map_err(|error| LoadError::Setup(error.to_string()))?;
        while done()? <= number {
            if begun.elapsed() > PATIENCE {
                return Err(LoadError::Wrong("a reload does not end".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        longest = longest.max(milliseconds(begun.elapsed()));
    }
    Ok(longest)
}

fn write_tables(plan: &Plan) -> Result<(), LoadError> {
    let folder = &plan.folder;
    let key = fs::canonicalize(&plan.key)?;
    fs::create_dir(folder.join("keys"))?;
    for number in 0..KEY_FILES.min(plan.domains) {
        symlink(&key, key_path(folder, number))?;
    }
    let table = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let (mut keys, mut signing) = (table("KeyTable")?, table("SigningTable")?);
    let last = plan.domains.saturating_sub(1);
    for number in 0..plan.domains {
        let file = number.checked_rem(KEY_FILES).unwrap_or_default();
        let path = if number == last { folder.join("keys/broken") } else { key_path(folder, file) };
        writeln!(keys, "k{number} d{number}.example:sel:{}", path.display())?;
        writeln!(signing, "*@d{number}.example k{number}")?;
        // Every tenth with its subdomains.
        if number.is_multiple_of(10) {
            writeln!(signing, "*@*.d{number}.example k{number}")?;
        }
    }
    keys.flush()?;
    signing.flush()?;
    let at = folder.display();
    let text = format!(
        "Mode sv\nSocket local:{at}/socket\nKeyTable file:{at}/KeyTable\nSigningTable refile:{at}/SigningTable\n\
         InternalHosts 127.0.0.1\nRequireSafeKeys no\nCanonicalization relaxed/relaxed\nOversignHeaders From\nNameservers 127.0.0.1\n"
    );
    fs::write(folder.join("opendkim.conf"), text)?;
    Ok(())
}

fn key_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("keys/{number}.pem"))
}

fn start(plan: &Plan) -> Result<Running, LoadError> {
    let log = plan.folder.join("log");
    let output = File::create(&log)?;
    let process = Command::new(&plan.daemon)
        .args(["--foreground", "--opendkim-conf"])
        .arg(plan.folder.join("opendkim.conf"))
        .arg("--state")
        .arg(plan.folder.join("state"))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    Ok(Running { process, log })
}

/// Sends a message of this domain, and looks whether it was signed for it.
fn send(client: &mut Client, number: usize) -> Result<Duration, LoadError> {
    let mail = Mail {
        sender: format!("<a@d{number}.example>"),
        recipient: "<b@reader.example>".to_owned(),
        fields: vec![
            ("From".to_owned(), format!(" a@d{number}.example")),
            ("Date".to_owned(), " Tue, 24 Nov 2026 20:00:00 +0000".to_owned()),
            ("Subject".to_owned(), " one of many".to_owned()),
        ],
        body: b"Hello\r\n".to_vec(),
    };
    let time = client.send(&mail, "4ZxQ3kYzRz")?;
    let wanted = format!("d=d{number}.example;");
    let signed = client.message().fields().iter().any(|field| {
        field.name.eq_ignore_ascii_case(b"DKIM-Signature") && String::from_utf8_lossy(&field.value).contains(&wanted)
    });
    if signed { Ok(time) } else { Err(LoadError::Wrong(format!("no signature of d{number}.example"))) }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl DomainsReport {
    /// The figures, one a line.
    #[must_use]
    pub fn table(&self) -> String {
        let Self { domains, start_ms, memory_started, signed, memory_signed, .. } = self;
        let mebibytes = |memory: &Memory| {
            let kibibytes = f64::from(u32::try_from(memory.rss).unwrap_or(u32::MAX));
            format!("{:.1} MiB", kibibytes / 1024.0)
        };
        let latency = |latency: &Latency| {
            format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", latency.p50, latency.p99, latency.max)
        };
        format!(
            "domains                                   {domains}\n\
             start to the first negotiation            {start_ms:.0} ms\n\
             memory then                               {}\n\
             memory, {signed} domains signed for          {}\n\
             memory after the reloads                  {} (peak {:.1} MiB)\n\
             a message, nothing else                   {}\n\
             a message during a reload                 {}\n\
             the longest reload                        {:.0} ms\n\
             mail of the domain whose key is broken    {}\n",
            mebibytes(memory_started),
            mebibytes(memory_signed),
            mebibytes(&self.memory_reloaded),
            f64::from(u32::try_from(self.memory_reloaded.peak).unwrap_or(u32::MAX)) / 1024.0,
            latency(&self.quiet_ms),
            latency(&self.reload_latency_ms),
            self.reload_ms,
            self.broken_key,
        )
    }
}
