//! A daemon that runs from OpenDKIM's files with very many domains: how soon it serves, what it takes, what a reload costs the mail of others.
//!
//! This part starts its daemon itself, since the start is what it measures. The tables are those of `benches/tables.rs`: a key for each domain, patterns
//! of a `refile:`. Only keys that are needed are there, each a file of its own with the same key in it; one of them is broken.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use crate::check::Checker;
use crate::client::{Client, Pattern};
use crate::mail::{Mail, Signer, messages};
use crate::process::{self, Memory};
use crate::report::Latency;
use crate::target::Socket;
use crate::{LoadError, Work};

/// The longest wait for a start or a reload.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at whether a daemon accepts connections.
const LOOK: Duration = Duration::from_millis(1);

/// Time in which a daemon gives back what it can.
const SETTLE: Duration = Duration::from_millis(500);

/// For how long mail is sent with reloads, and without any.
const SPAN: Duration = Duration::from_secs(6);

/// Between two reloads.
const BETWEEN_RELOADS: Duration = Duration::from_millis(1500);

/// Connections on which mail is sent meanwhile: fewer than processors would leave nothing to wait for, more would measure the queue.
const CONNECTIONS: usize = 2;

/// What is measured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The program.
    pub daemon: PathBuf,
    /// A private key in PEM.
    pub key: PathBuf,
    /// A folder for the files, which is there and empty.
    pub folder: PathBuf,
    /// Domains in the tables.
    pub domains: usize,
    /// Domains that sign mail.
    pub signing: usize,
    /// Starts.
    pub starts: usize,
}

impl Plan {
    /// 100,000 domains, of which 1,000 sign.
    #[must_use]
    pub const fn new(daemon: PathBuf, key: PathBuf, folder: PathBuf) -> Self {
        Self { daemon, key, folder, domains: 100_000, signing: 1_000, starts: 5 }
    }
}

/// The figures.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TablesReport {
    /// Keys in the one table.
    pub keys: usize,
    /// Patterns in the other.
    pub patterns: usize,
    /// From the start of the process to the end of the negotiation on the first connection, one figure a start.
    pub start_ms: Vec<f64>,
    /// Memory after the start.
    pub memory_started: Memory,
    /// Domains that then signed a message each.
    pub signing: usize,
    /// Memory after that.
    pub memory_signed: Memory,
    /// Time of a message while nothing else happens.
    pub quiet_ms: Latency,
    /// Time of a message while the daemon reloads again and again.
    pub reloading_ms: Latency,
    /// Messages behind these two.
    pub messages: (usize, usize),
    /// Reloads of that time.
    pub reloads: usize,
    /// What they took, as the daemon says.
    pub reload_ms: Vec<f64>,
    /// Memory after the last reload.
    pub memory_reloaded: Memory,
}

/// The daemon; killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures one daemon.
///
/// # Errors
///
/// [`LoadError`]; also when mail of a domain is not signed, or that of the broken key is.
pub fn tables(plan: &Plan) -> Result<TablesReport, LoadError> {
    let key = fs::read(&plan.key)?;
    let patterns = write_files(plan, &key)?;
    let socket = Socket::Unix(plan.folder.join("milter"));
    let mut start_ms = Vec::new();
    let mut daemon = None;
    for _ in 0..plan.starts.max(1) {
        // One at a time: the socket and the state are the same.
        drop(daemon.take());
        let begin = Instant::now();
        daemon = Some(start(plan, &socket)?);
        start_ms.push(milliseconds(begin.elapsed()));
    }
    let Some(daemon) = daemon else { return Err(LoadError::Closed) };
    let pid = daemon.0.id();
    thread::sleep(SETTLE);
    let memory_started = process::memory(pid)?;

    let mut mails = Vec::new();
    for number in (0..plan.signing).map(|number| signing_domain(plan, number)) {
        let signer = Signer::new(&domain(number), "s1", &key, "relaxed/simple")?;
        let mail = messages(Work::Sign, 4 << 10, &signer)?.swap_remove(0);
        mails.push((mail, Checker::new(Work::Sign, &signer)));
    }
    let broken = {
        let signer = Signer::new(&domain(BROKEN), "s1", &key, "relaxed/simple")?;
        messages(Work::Sign, 4 << 10, &signer)?.swap_remove(0)
    };
    let mut client = open(&socket)?;
    for (number, (mail, checker)) in mails.iter().enumerate() {
        client.send(mail, "4ZxQ3kYzRz")?;
        checker.check(mail, client.message())?;
        if number % 100 == 0 {
            is_put_off(&socket, &broken)?;
        }
    }
    client.quit()?;
    thread::sleep(SETTLE);
    let memory_signed = process::memory(pid)?;

    let stop = AtomicBool::new(false);
    let mut quiet = send_until(&socket, &mails, &stop, || {
        thread::sleep(SPAN);
        Ok(0)
    })?;
    let stop = AtomicBool::new(false);
    let mut reloading = send_until(&socket, &mails, &stop, || reload_for(plan, pid))?;
    thread::sleep(SETTLE);
    Ok(TablesReport {
        keys: plan.domains,
        patterns,
        start_ms,
        memory_started,
        signing: plan.signing,
        memory_signed,
        messages: (quiet.0.len(), reloading.0.len()),
        quiet_ms: Latency::of(&mut quiet.0),
        reloading_ms: Latency::of(&mut reloading.0),
        reloads: reloading.1,
        reload_ms: reload_times(plan)?,
        memory_reloaded: process::memory(pid)?,
    })
}

/// The domain whose key is broken; it is none of those that sign.
const BROKEN: usize = 5;

fn domain(number: usize) -> String {
    let top = ["com", "net", "org", "example"].get(number % 4).copied().unwrap_or_default();
    format!("customer-{number:06}.example.{top}")
}

/// Domains all over the tables.
fn signing_domain(plan: &Plan, number: usize) -> usize {
    let step = plan.domains.checked_div(plan.signing).unwrap_or(1).max(1);
    number.saturating_mul(step)
}

/// Writes the files; how many patterns there are.
fn write_files(plan: &Plan, key: &[u8]) -> Result<usize, LoadError> {
    let path = |name: &str| plan.folder.join(name);
    let (mut keys, mut signing, mut patterns) = (String::new(), String::new(), 0_usize);
    let folder = path("keys");
    for number in 0..plan.domains {
        let domain = domain(number);
        let _ = writeln!(keys, "s1._domainkey.{domain} {domain}:s1:{}/{domain}.private", folder.display());
        for pattern in patterns_of(number, &domain) {
            let _ = writeln!(signing, "{pattern} s1._domainkey.{domain}");
            patterns = patterns.saturating_add(1);
        }
    }
    fs::create_dir(&folder)?;
    let write_key = |number: usize, octets: &[u8]| -> Result<(), LoadError> {
        let file = folder.join(format!("{}.private", domain(number)));
        fs::write(&file, octets)?;
        Ok(fs::set_permissions(&file, Permissions::from_mode(0o600))?)
    };
    for number in 0..plan.signing {
        write_key(signing_domain(plan, number), key)?;
    }
    write_key(BROKEN, b"no key\n")?;
    fs::write(path("KeyTable"), keys)?;
    fs::write(path("SigningTable"), signing)?;
    let (at, socket) = (plan.folder.display(), path("milter"));
    let text = format!(
        "Mode sv\nCanonicalization relaxed/simple\nOversignHeaders From\nInternalHosts 127.0.0.1\nRequireSafeKeys no\nSocket local:{}\n\
         KeyTable file:{at}/KeyTable\nSigningTable refile:{at}/SigningTable\nNameservers 127.0.0.1@1\n",
        socket.display()
    );
    fs::write(path("opendkim.conf"), text)?;
    Ok(patterns)
}

fn patterns_of(number: usize, domain: &str) -> Vec<String> {
    let mut patterns = vec![format!("*@{domain}")];
    if number.is_multiple_of(10) {
        patterns.push(format!("*@*.{domain}"));
    }
    if number.is_multiple_of(100) {
        patterns.push(format!("user{number}@*"));
    }
    if number.is_multiple_of(2000) {
        patterns.push(format!("*@(www|mail)[0-9]*.{domain}"));
    }
    patterns
}

fn log(plan: &Plan) -> PathBuf {
    plan.folder.join("log")
}

/// Starts the daemon and waits until it has negotiated with a first connection.
fn start(plan: &Plan, socket: &Socket) -> Result<Running, LoadError> {
    let output = File::create(log(plan))?;
    let path = |name: &str| plan.folder.join(name);
    let mut command = Command::new(&plan.daemon);
    command.arg("--foreground").arg("--opendkim-conf").arg(path("opendkim.conf")).arg("--state").arg(path("state"));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut daemon = Running(command.spawn()?);
    let begin = Instant::now();
    loop {
        match open(socket) {
            Ok(client) => {
                client.quit()?;
                return Ok(daemon);
            }
            Err(error) if begin.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(LOOK),
        }
        if daemon.0.try_wait()?.is_some() {
            return Err(LoadError::Setup(format!("it ended: {}", read(&log(plan))?)));
        }
    }
}

fn open(socket: &Socket) -> Result<Client, LoadError> {
    Client::open(socket, Pattern::Postfix, "127.0.0.1")
}

fn is_put_off(socket: &Socket, mail: &Mail) -> Result<(), LoadError> {
    match open(socket)?.send(mail, "4ZxQ3kYzRz") {
        Err(LoadError::Decision { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(LoadError::Wrong("mail with a broken key passed".to_owned())),
    }
}

/// Sends mail on all connections, until what is done meanwhile is done; the time of each message, and what that returned.
fn send_until<T: Send>(
    socket: &Socket,
    mails: &[(Mail, Checker)],
    stop: &AtomicBool,
    meanwhile: impl FnOnce() -> Result<T, LoadError> + Send,
) -> Result<(Vec<Duration>, T), LoadError> {
    let send = |first: usize| -> Result<Vec<Duration>, LoadError> {
        let mut client = open(socket)?;
        let mut times = Vec::new();
        for (mail, checker) in mails.iter().cycle().skip(first) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // A connection keeps the configuration that it began with.
            if times.len().is_multiple_of(10) {
                std::mem::replace(&mut client, open(socket)?).quit()?;
            }
            times.push(client.send(mail, "4ZxQ3kYzRz")?);
            checker.check(mail, client.message())?;
        }
        client.quit()?;
        Ok(times)
    };
    thread::scope(|scope| {
        let share = mails.len().checked_div(CONNECTIONS).unwrap_or(0);
        let senders: Vec<_> =
            (0..CONNECTIONS).map(|number| scope.spawn(move || send(number.saturating_mul(share)))).collect();
        let done = meanwhile();
        stop.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for sender in senders {
            times.extend(sender.join().map_err(|_panic| LoadError::Panic)??);
        }
        Ok((times, done?))
    })
}

/// Reloads again and again; how often.
fn reload_for(plan: &Plan, pid: u32) -> Result<usize, LoadError> {
    let pid = i32::try_from(pid).map_err(|error| LoadError::Setup(error.to_string()))?;
    let (begin, mut reloads) = (Instant::now(), 0_usize);
    while begin.elapsed() < SPAN {
        kill(Pid::from_raw(pid), Signal::SIGUSR1).map_err(|error| LoadError::Setup(error.to_string()))?;
        reloads = reloads.saturating_add(1);
        let asked = Instant::now();
        while reload_times(plan)?.len() < reloads {
            if asked.elapsed() > PATIENCE {
                return Err(LoadError::Setup(format!("it does not reload: {}", read(&log(plan))?)));
            }
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(BETWEEN_RELOADS);
    }
    Ok(reloads)
}

/// What each reload took, as the log has it.
fn reload_times(plan: &Plan) -> Result<Vec<f64>, LoadError> {
    let text = read(&log(plan))?;
    let lines = text.lines().filter(|line| line.contains(" reloaded "));
    let time = |line: &str| line.split(" ms=").nth(1)?.split(' ').next()?.parse().ok();
    Ok(lines.filter_map(time).collect())
}

fn read(file: &Path) -> Result<String, LoadError> {
    Ok(fs::read_to_string(file)?)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The figures for people.
#[must_use]
pub fn table(report: &TablesReport) -> String {
    let mut text = format!("KeyTable with {} keys, SigningTable with {} patterns\n", report.keys, report.patterns);
    let mebibytes = |memory: Memory| {
        #[expect(clippy::cast_precision_loss, reason = "KiB of a process are far below 2^52")]
        let of = |kibibytes: u64| kibibytes as f64 / 1024.0;
        format!("{:.1} MiB now, {:.1} MiB at most", of(memory.rss), of(memory.peak))
    };
    let list = |times: &[f64]| times.iter().map(|time| format!("{time:.0}")).collect::<Vec<_>>().join(" ");
    let latency = |of: Latency| format!("p50 {:.2}, p99 {:.2}, max {:.2} ms", of.p50, of.p99, of.max);
    let (quiet, reloading) = report.messages;
    let _ = writeln!(text, "start to the first connection  {} ms", list(&report.start_ms));
    let _ = writeln!(text, "memory after the start         {}", mebibytes(report.memory_started));
    let _ = writeln!(text, "after {:>5} domains signed     {}", report.signing, mebibytes(report.memory_signed));
    let _ = writeln!(text, "a message, no reload           {} ({quiet} messages)", latency(report.quiet_ms));
    let _ = writeln!(
        text,
        "a message, {:>2} reloads          {} ({reloading} messages)",
        report.reloads,
        latency(report.reloading_ms)
    );
    let _ = writeln!(text, "a reload                       {} ms", list(&report.reload_ms));
    let _ = writeln!(text, "memory after the reloads       {}", mebibytes(report.memory_reloaded));
    text.push_str("mail of a domain whose key is broken was put off, that of all others signed\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_that_sign_are_all_over_the_tables_and_the_broken_one_is_none_of_them() {
        let plan = Plan::new(PathBuf::new(), PathBuf::new(), PathBuf::new());
        let all: Vec<usize> = (0..plan.signing).map(|number| signing_domain(&plan, number)).collect();
        assert_eq!((all[0], all[999]), (0, 99_900));
        assert!(!all.contains(&BROKEN));
        assert_eq!(domain(6), "customer-000006.example.org");
    }

    #[test]
    fn times_of_reloads_are_those_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new(PathBuf::new(), PathBuf::new(), folder.path().to_owned());
        fs::write(
            log(&plan),
            "a INFO reloading x=1\na INFO reloaded reloads=1 ms=112 x=1\na INFO reloaded reloads=2 ms=9\n",
        )
        .unwrap();
        assert_eq!(reload_times(&plan).unwrap(), [112.0, 9.0]);
    }
}
