//! `--verify`: sample messages through the old files and through the configuration that was made of them, and what is not the same.
//!
//! ```text
//!  old files ──► start::prepare ─► server (socket in a temporary folder) ◄┐
//!                                                                         ├─ mta.rs ◄─ cases.rs (messages)
//!  native TOML ► start::prepare ─► server (the same)                     ◄┘      └──► compare.rs (differences, reasons)
//! ```
//!
//! Both sides are the machine of this program, run from either form. The DNS is a zone in memory: the public halves of the keys, and domains below
//! `postseal.invalid`. State, history and sockets are in a temporary folder; what a running daemon has is not touched. Each reply may take 30 seconds, all
//! messages together [`PATIENCE`].

use std::fs::Permissions;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dkim_core::domain::Selector;
use engine::config::diagnostics::Severity;
use engine::config::old_files::OldFiles;
use engine::config::{Cidr, Diagnostic, Diagnostics};
use engine::dns::{Resolver, Zone};
use engine::keys::load;
use engine::keys::publish::{DnsRecord, Form, write};
use engine::logging::Logger;
use engine::server::{Server, Setup, host_name};
use engine::socket_address::SocketAddress;
use engine::start::{Openers, Request, Source, prepare};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

mod cases;
mod compare;
mod user;

use self::cases::{Case, Site};
pub(super) use self::compare::Verified;
use self::compare::{Seen, compare};
use self::user::AsUser;
use super::account::Accounted;
use super::domains::Rule;
use super::input::Files;
use super::native::{Native, quoted};
use super::report;
use crate::exit::{Exit, Failure};
use crate::mta::{Client, deliver};

/// Rules for which a message is signed.
pub(super) const MAX_VERIFIED: usize = 20;

/// Time for all messages together.
const PATIENCE: Duration = Duration::from_secs(120);

/// Time for a server to open its socket, and to end.
const OPENING: Duration = Duration::from_secs(10);

/// Addresses that documents are written with: one of them is the host outside.
const STRANGERS: [&str; 4] = ["198.51.100.77", "203.0.113.77", "192.0.2.77", "2001:db8::77"];

/// Tries both sides. *Inputs*: the files, what was read from them, what was made of them, and what became of each line.
pub(super) fn verify(
    files: &Files,
    read: &OldFiles,
    native: Native,
    lines: &[Accounted],
) -> Result<Vec<Verified>, Failure> {
    in_base_directory(read)?;
    let folder = tempfile::Builder::new()
        .prefix("postseal-verify-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| broken(format!("there is no temporary folder: {error}")))?;
    let own = read.authserv_id().0.map_or_else(host_name, |name| match name {
        engine::config::old_file::AuthservName::Hostname => host_name(),
        engine::config::old_file::AuthservName::Name(name) => name.clone(),
    });
    let rules: Vec<Rule> = native.rules.iter().take(MAX_VERIFIED).cloned().collect();
    let site = Site {
        internal: internal(&native.networks),
        outside: outside(&native.networks)?,
        own,
        judges: read.opendmarc.is_some(),
    };
    let zone = zone(&rules, &site)?;
    let runtime = Runtime::new()?;
    let old_files = old_request(files, read, &folder)?;
    // As the daemon does: the files are read as root, keys of `KeyTable` as the user.
    let old = prepared(&runtime, &old_files, folder.path())?;
    let _as_user = match read.process().user.and_then(|user| user::account(&user.value)) {
        Some((user, group)) => {
            std::os::unix::fs::chown(folder.path(), Some(user.uid.as_raw()), Some(group.as_raw()))?;
            let failed = |error| broken(format!("cannot become {}: {error}", user.name));
            Some(AsUser::enter(&user, group).map_err(failed)?)
        }
        None => None,
    };
    let old = Side::start(&runtime, old, &zone, folder.path().join("old"))?;
    let new = prepared(&runtime, &native_request(native, &folder)?, folder.path())?;
    let new = Side::start(&runtime, new, &zone, folder.path().join("new"))?;
    let verified = walk(&old, &new, &rules, &site, lines);
    drop((old, new));
    runtime.shutdown_timeout(OPENING);
    verified
}

/// All messages, one after the other.
fn walk(old: &Side, new: &Side, rules: &[Rule], site: &Site, lines: &[Accounted]) -> Result<Vec<Verified>, Failure> {
    let end = Instant::now().checked_add(PATIENCE);
    let mut verified = Vec::new();
    let mut signed = None;
    let mut pass = |case: &Case| -> Result<Option<Vec<u8>>, Failure> {
        if end.is_none_or(|end| Instant::now() > end) {
            return Err(broken(format!("the messages took longer than {} seconds", PATIENCE.as_secs())));
        }
        let (before, octets) = old.pass(case, site)?;
        let (after, _) = new.pass(case, site)?;
        let is_signed = before.is_signed();
        verified.push(compare(case.name.clone(), &before, &after, lines));
        Ok(is_signed.then_some(octets))
    };
    for rule in rules {
        let octets = pass(&Case::of_rule(rule))?;
        signed = signed.or(octets);
    }
    if let Some(rule) = rules.first() {
        pass(&Case::submitted(rule))?;
    }
    for case in cases::from_outside(site, signed.as_deref()) {
        pass(&case)?;
    }
    Ok(verified)
}

fn prepared(runtime: &Runtime, request: &Request, folder: &Path) -> Result<Setup, Failure> {
    // Warnings about the copies are about lines that were added here; those about the files themselves were told.
    let is_ours = |finding: &Diagnostic| {
        finding.code.severity() == Severity::Warning
            && finding.file.as_ref().is_some_and(|file| file.starts_with(folder))
    };
    let failed = |findings: Diagnostics| {
        let mut kept = Diagnostics::default();
        findings.iter().filter(|finding| !is_ours(finding)).for_each(|finding| kept.push(finding.clone()));
        Failure::config(kept)
    };
    Ok(runtime.block_on(async { prepare(request, None) }).map_err(failed)?.setup)
}

/// A server that runs from one form of the configuration.
struct Side {
    address: SocketAddress,
    /// Ends the server when it is dropped.
    _stop: oneshot::Sender<()>,
}

impl Side {
    fn start(runtime: &Runtime, setup: Setup, zone: &Zone, socket: PathBuf) -> Result<Self, Failure> {
        let setup = Setup { rules: setup.rules, resolver: Resolver::offline(zone.clone(), engine::BACKEND) };
        let bound = async { tokio::time::timeout(OPENING, Server::bind(setup, Logger::disabled())).await };
        let server = runtime
            .block_on(bound)
            .map_err(|_| broken("a socket did not open in time"))?
            .map_err(|error| broken(error.to_string()))?;
        let (stop, stopping) = oneshot::channel::<()>();
        runtime.spawn(server.run(async { stopping.await.unwrap_or(()) }));
        Ok(Self { address: SocketAddress::Unix(socket), _stop: stop })
    }

    /// What comes of a message, and the message as it leaves.
    fn pass(&self, case: &Case, site: &Site) -> Result<(Seen, Vec<u8>), Failure> {
        let address = if case.is_internal { &site.internal } else { &site.outside };
        let client = Client {
            name: "client.postseal.invalid",
            address,
            helo: "client.postseal.invalid",
            user: case.is_authenticated.then_some("sample"),
            sender: &case.sender,
            recipient: "reader@reader.postseal.invalid",
        };
        let mail = crate::mail::Mail::parse(case.octets.clone())?;
        let delivery = deliver(&self.address, &site.own, &client, &mail.headers, mail.body())
            .map_err(|error| broken(format!("{}: {error}", case.name)))?;
        Ok((Seen::of(&mail.headers, &delivery), delivery.message.to_octets(mail.body())))
    }
}

/// The old files as a daemon runs from them, with sockets and history in the folder.
fn old_request(files: &Files, read: &OldFiles, folder: &TempDir) -> Result<Request, Failure> {
    let opendmarc = match (&files.opendmarc, &read.opendmarc) {
        (Some(file), Some(dmarc)) => {
            // The last line counts. A copy, since nobody may find records of samples in the file of the daemon.
            let mut text = std::fs::read(file)?;
            text.push(b'\n');
            if dmarc.history.file.is_some() {
                text.extend(format!("HistoryFile {}\n", folder.path().join("history").display()).into_bytes());
            }
            if dmarc.process.socket.is_some() {
                text.extend(format!("Socket local:{}\n", folder.path().join("second").display()).into_bytes());
            }
            let copy = folder.path().join("opendmarc.conf");
            std::fs::write(&copy, text)?;
            Some(copy)
        }
        _ => None,
    };
    Ok(Request::new(Source::OldFiles {
        opendkim: files.opendkim.clone(),
        opendmarc,
        lines: String::new(),
        socket: Some(SocketAddress::Unix(folder.path().join("old"))),
        state_dir: folder.path().join("old-state"),
        opener: Openers::default(),
    }))
}

/// The configuration that was made, with socket and state in the folder.
fn native_request(mut native: Native, folder: &TempDir) -> Result<Request, Failure> {
    let path = |name: &str| quoted(&folder.path().join(name).display().to_string());
    native.listen = vec![("socket", path("new"))];
    native.set("", "state_dir", path("new-state"));
    let file = folder.path().join("postseal.toml");
    std::fs::write(&file, report::toml(&native, &[], &Diagnostics::default()))?;
    Ok(Request::new(Source::File(file)))
}

/// Relative paths of the old files start there, and this program goes nowhere.
fn in_base_directory(read: &OldFiles) -> Result<(), Failure> {
    let here = std::env::current_dir()?;
    match &read.process().base_directory {
        Some(base) if std::fs::canonicalize(&base.value).ok() != std::fs::canonicalize(&here).ok() => {
            let cause = format!("the files have BaseDirectory {}, and this is another folder", base.value.display());
            Err(Failure::new(Exit::Usage, cause, "change to that folder for `--verify`"))
        }
        _ => Ok(()),
    }
}

/// The public halves of the keys, and the domains of the messages.
fn zone(rules: &[Rule], site: &Site) -> Result<Zone, Failure> {
    let mut records: Vec<DnsRecord> = Vec::new();
    for rule in rules {
        for (selector, file) in &rule.keys {
            // What is wrong with a key was told; its signatures are missing on both sides.
            let Ok(key) = load(file, engine::BACKEND, &mut Diagnostics::default()) else { continue };
            let Ok(selector) = Selector::parse(selector) else { continue };
            let record = DnsRecord::of_key(&selector, &rule.signing_domain, &*key);
            if !records.contains(&record) {
                records.push(record);
            }
        }
    }
    let text = write(&records, Form::Bind) + &cases::records(site);
    Zone::parse(text.as_bytes(), Path::new("(the zone of the samples)")).map_err(Failure::config)
}

/// A host whose mail is signed: one of `InternalHosts`, which is loopback where nothing is said.
fn internal(networks: &[(super::account::Program, &'static str, Cidr)]) -> String {
    let of_list: Vec<Cidr> =
        networks.iter().filter(|(_, option, _)| *option == "InternalHosts").map(|(_, _, network)| *network).collect();
    let loopback = "127.0.0.1".to_owned();
    match of_list.first() {
        Some(first) if !holds(&of_list, &loopback) => first.address().to_string(),
        _ => loopback,
    }
}

/// A host that stands in no list.
fn outside(networks: &[(super::account::Program, &'static str, Cidr)]) -> Result<String, Failure> {
    let all: Vec<Cidr> = networks.iter().map(|(_, _, network)| *network).collect();
    let stranger = STRANGERS.iter().find(|address| !holds(&all, address));
    let cause = "everybody is trusted: no address is left for mail from outside";
    stranger
        .map(|address| (*address).to_owned())
        .ok_or_else(|| Failure::new(Exit::Fail, cause, "mend the live holes first"))
}

fn holds(networks: &[Cidr], address: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    networks.iter().any(|network| {
        network.address().is_ipv4() == address.is_ipv4() && Cidr::containing(address, network.prefix()) == *network
    })
}

fn broken(cause: impl Into<String>) -> Failure {
    Failure::new(Exit::Fail, format!("not verified: {}", cause.into()), "")
}
