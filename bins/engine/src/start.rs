//! From arguments to a daemon that can serve: configuration, keys, resolver, and what there is to say about them.
//!
//! Everything that can be wrong is found before a socket is opened. Findings about single keys put those keys out of use; findings
//! about the configuration or the zone file keep the daemon from starting.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::domain::DomainName;
use dmarc_core::psl::{PslLimits, PublicSuffixList, Sections};

use crate::config::diagnostics::{CONFIG_MISSING, DMARC_SUFFIXES, Location};
use crate::config::{
    self, Config, Diagnostic, Diagnostics, Dmarc, Listener, LogFormat, OrgDomains, from_old, old_files,
};
use crate::connection::Setup;
use crate::dataset::{NoOpener, Opener};
use crate::dns::Resolver;
use crate::instance::Instance;
use crate::keys::{KEY_MISSING, Keys};
use crate::message::Rules;
use crate::opendkim::Ways;
use crate::opendmarc;
use crate::process;
use crate::quickstart;
use crate::regular_file;
use crate::socket_address::SocketAddress;

/// Exit code for wrong arguments (sysexits.h has them all).
pub const USAGE: u8 = 64;
/// Exit code for a socket that cannot be listened on, a state folder that another daemon has, a journal that cannot be written, or a part of the system that is missing.
pub const UNAVAILABLE: u8 = 69;
/// Exit code for a configuration that cannot be used.
pub const CONFIG: u8 = 78;
/// The exit codes of the daemon for its `--help`.
pub const EXIT_CODES: &str = "Exit codes: 0 stopped by a signal, 64 wrong arguments, 69 cannot listen, no journal, or the state folder is in use, 78 wrong configuration";

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The files of OpenDKIM and OpenDMARC, either or both.
    OldFiles {
        /// `opendkim.conf`.
        opendkim: Option<PathBuf>,
        /// `opendmarc.conf`.
        opendmarc: Option<PathBuf>,
        /// Lines behind those of the file, of `opendkim.conf` where there are both: what a command line says in its place.
        lines: String,
        /// In place of the first socket.
        socket: Option<SocketAddress>,
        /// The state folder.
        state_dir: PathBuf,
        /// Who opens tables that are in databases.
        opener: Openers,
    },
    /// No file: sign for these domains with keys in the state folder, which are made if they are not there. Without a domain,
    /// verify only.
    Quickstart {
        /// Domains to sign for.
        domains: Vec<DomainName>,
        /// The state folder.
        state_dir: PathBuf,
        /// Where to listen.
        socket: SocketAddress,
    },
}

/// Who opens tables that are in databases; the engine has nobody of its own.
#[derive(Clone, Debug)]
pub struct Openers(pub Arc<dyn Opener>);

impl Default for Openers {
    fn default() -> Self {
        Self(Arc::new(NoOpener))
    }
}

impl PartialEq for Openers {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Openers {}

/// What a daemon is started with; a reload goes by the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where the configuration comes from.
    pub source: Source,
    /// Which of several daemons on this host this is.
    pub instance: Option<Instance>,
    /// In place of the configured one.
    pub log_format: Option<LogFormat>,
}

/// A daemon that is ready to open its sockets.
#[derive(Debug)]
pub struct Prepared {
    /// What connections work with.
    pub setup: Setup,
    /// Warnings, and errors of single keys.
    pub findings: Diagnostics,
    /// After a quick start: what to publish and what to write into Postfix's configuration.
    pub instructions: Option<String>,
}

impl Request {
    /// A request for a daemon that is the only one.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self { source, instance: None, log_format: None }
    }

    /// `folder`, that of the state or of the journal, or what this instance has below it.
    #[must_use]
    pub fn state_dir(&self, folder: &Path) -> PathBuf {
        match &self.instance {
            Some(instance) => instance.state_dir(folder),
            None => folder.to_path_buf(),
        }
    }
}

/// Reads everything. Call it inside a tokio runtime. With a setup that is in force, answers from the DNS are kept while they hold for the
/// new one.
///
/// # Errors
///
/// All findings, of the configuration, the zone file, the system's resolver configuration or the state folder.
pub fn prepare(request: &Request, in_force: Option<&Setup>) -> Result<Prepared, Diagnostics> {
    let backend = crate::BACKEND;
    let mut ways = None;
    let mut ways_of_opendmarc = None;
    let mut test_zone = None;
    let (mut config, mut findings, instructions) = match &request.source {
        Source::File(file) => {
            let (config, warnings) = config::load(file)?;
            if in_force.is_some_and(|setup| is_emptied(&config, setup.rules.config())) {
                return Err(emptied(file));
            }
            let state_dir = request.state_dir(&config.state_dir);
            let journal = config::Journal {
                folder: config.journal.folder.as_deref().map(|folder| request.state_dir(folder)),
                ..config.journal
            };
            let failure_reports = config::FailureReports {
                folder: config.failure_reports.folder.as_deref().map(|folder| request.state_dir(folder)),
                ..config.failure_reports
            };
            (Config { state_dir, journal, failure_reports, ..config }, warnings, None)
        }
        Source::OldFiles { opendkim, opendmarc, lines, socket, state_dir, opener } => {
            let (files, mut found) = old_files::read_with(opendkim.as_deref(), opendmarc.as_deref(), lines)?;
            let state_dir = request.state_dir(state_dir);
            let config = from_old::config(&files, socket.as_ref(), &state_dir, &mut found);
            let ways_of = |dkim| Ways::new(dkim, &*opener.0, backend, &mut found);
            // Without a file of OpenDKIM nothing is signed and nobody is internal.
            let opened = files.opendkim.as_ref().map(ways_of);
            if let Some(dmarc) = &files.opendmarc {
                let before = in_force.and_then(|setup| setup.rules.opendmarc()).map(AsRef::as_ref);
                ways_of_opendmarc = opendmarc::Ways::new(dmarc, before, &mut found).map(Arc::new);
                let signing = opened.as_ref().and_then(Option::as_ref);
                from_old::tell_of_holes(dmarc, |domain| signing.is_some_and(|ways| ways.signs_for(domain)), &mut found);
            }
            let keys = files.opendkim.as_ref().and_then(|dkim| dkim.keys.test_public_keys.as_ref());
            let records = files.opendmarc.as_ref().and_then(|dmarc| dmarc.evaluating.test_dns_data.as_ref());
            let set = files.opendkim.as_ref().and_then(|dkim| dkim.keys.test_dns_data.as_ref());
            match opendmarc::test_zone(keys.into_iter().chain(records), set, &mut found) {
                Ok(zone) => test_zone = zone,
                Err(more) => found.extend(more),
            }
            if found.has_errors() {
                return Err(found);
            }
            ways = opened.flatten().map(Arc::new);
            if let Some(ways) = &ways {
                let user = files.process().user.and_then(|user| process::uid_of(&user.value));
                let before = in_force.and_then(|setup| setup.rules.ways()).map(AsRef::as_ref);
                if let Err(finding) = ways.keep_key_file(before, user)
                    && config
                        .listeners
                        .iter()
                        .any(|listener| matches!(listener.mode, config::Mode::Sign | config::Mode::Both))
                {
                    found.push(*finding);
                    return Err(found);
                }
            }
            (config, found, None)
        }
        Source::Quickstart { domains, state_dir, socket } if domains.is_empty() => {
            let state_dir = request.state_dir(state_dir);
            let config = Config { state_dir, listeners: vec![Listener::at(socket.clone())], ..Config::default() };
            (config, Diagnostics::default(), None)
        }
        Source::Quickstart { domains, state_dir, socket } => {
            let state_dir = request.state_dir(state_dir);
            if let Some(setup) = in_force {
                keys_are_there(setup.rules.config())?;
            }
            let made = quickstart::prepare(&state_dir, domains, jiff::Timestamp::now(), backend)?;
            let instructions = made.instructions(socket);
            let config = Config { listeners: vec![Listener::at(socket.clone())], ..made.config };
            (config, made.warnings, Some(instructions))
        }
    };
    if let Some(format) = request.log_format {
        config.log.format = format;
    }
    if let (Some(instance), None) = (&request.instance, &config.log.name) {
        config.log.name = Some(format!("{}-{instance}", config.log.program()));
    }
    let (keys, found) = Keys::load(&config.domains, backend);
    if instructions.is_none() {
        // A quick start has read the same keys and says the same.
        findings.extend(found);
    }
    let resolver = match (test_zone, in_force) {
        (Some(zone), _) => Resolver::offline(zone, backend),
        (None, Some(setup)) => setup.resolver.renewed(&setup.rules.config().dns, &config.dns)?,
        (None, None) => Resolver::new(&config.dns, backend)?,
    };
    let suffixes = public_suffixes(&config.dmarc)?;
    let mut rules =
        Rules::new(config, &keys).with_public_suffixes(suffixes).with_ways(ways).with_opendmarc(ways_of_opendmarc);
    rules = rules.with_failures(in_force.map(|setup| setup.rules.as_ref()));
    if let Some(setup) = in_force {
        let before = &setup.rules;
        rules = rules.with_known_domains(before.known_domains().clone()).with_steps(before.steps().clone());
    }
    let setup = Setup { rules: Arc::new(rules), resolver };
    Ok(Prepared { setup, findings, instructions })
}

/// The list of public suffixes, where organizational domains are found by one.
///
/// # Errors
///
/// That the file cannot be read, or is no such list.
pub fn public_suffixes(dmarc: &Dmarc) -> Result<Option<PublicSuffixList>, Diagnostics> {
    let (OrgDomains::PublicSuffixList, Some(file)) = (dmarc.method, &dmarc.public_suffix_list) else {
        return Ok(None);
    };
    let limits = PslLimits::default();
    // One octet more than allowed is enough to be told that it is too much.
    let most = u64::try_from(limits.max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = Vec::new();
    let read = regular_file::open(file).and_then(|opened| opened.take(most).read_to_end(&mut text));
    let list = read
        .map_err(|error| error.to_string())
        .and_then(|_| PublicSuffixList::parse(&text, Sections::All, &limits).map_err(|error| error.to_string()));
    list.map(Some).map_err(|cause| {
        let mut found = Diagnostics::default();
        let fix = "name the file that Debian's package publicsuffix installs, or one from publicsuffix.org";
        let cause = format!("the list of public suffixes cannot be used: {cause}");
        found.push(Diagnostic::at(&Location::whole(file), DMARC_SUFFIXES, cause, fix));
        found
    })
}

/// Whether nothing is left of what mail depends on.
fn is_emptied(new: &Config, in_force: &Config) -> bool {
    *new == Config::default() && (in_force.listeners != new.listeners || !in_force.domains.rules().is_empty())
}

/// A file without a single setting has the meaning of none: no domain, and a socket at which no MTA asks. At the start that is right. In place of one
/// with settings it is a file that is being written, or a disk that is full.
fn emptied(file: &Path) -> Diagnostics {
    let mut found = Diagnostics::default();
    let cause = "the file has no settings any more";
    let fix = "write it beside the old one and rename it, or restart the daemon if this is meant";
    found.push(Diagnostic::at(&Location::whole(file), CONFIG_MISSING, cause, fix));
    found
}

/// A quick start makes what is missing. That is right once: in place of a key that signs, a new one under the same selector would sign what
/// nobody can verify.
fn keys_are_there(in_force: &Config) -> Result<(), Diagnostics> {
    let mut found = Diagnostics::default();
    for key in in_force.domains.rules().iter().flat_map(|rule| &rule.keys).filter(|key| !key.file.exists()) {
        let cause = format!("{}, with which this daemon signs, is gone", key.file.display());
        found.push(Diagnostic::new(KEY_MISSING, cause, "put it back, or restart the daemon for a new key"));
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with a file, for the instance `in`.
    fn request(folder: &Path, text: &str) -> Request {
        let file = folder.join("c.toml");
        std::fs::write(&file, text).unwrap();
        Request { instance: Some("in".parse().unwrap()), ..Request::new(Source::File(file)) }
    }

    #[tokio::test]
    async fn an_instance_has_its_own_state_folder_and_name_in_the_log_unless_that_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let dns = "[dns]\nnameservers = [\"127.0.0.1:9\"]\n";
        for (text, state_dir, name) in [
            (String::new(), Path::new("postseal-data/in").to_owned(), "postseal-in"),
            ("state_dir = \"s\"\n".to_owned(), folder.path().join("s/in"), "postseal-in"),
            ("[log]\nname = \"postseal\"\n".to_owned(), Path::new("postseal-data/in").to_owned(), "postseal"),
        ] {
            let prepared = prepare(&request(folder.path(), &format!("{text}{dns}")), None).unwrap();
            let config = prepared.setup.rules.config();
            assert_eq!((config.state_dir.clone(), config.log.program()), (state_dir, name), "{text}");
        }
    }

    #[tokio::test]
    async fn a_reload_of_a_file_that_was_emptied_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[listen]]\nsocket = \"unix:/nowhere\"\n[dns]\nnameservers = [\"127.0.0.1:9\"]\n";
        let first = prepare(&request(folder.path(), text), None).unwrap().setup;
        for emptied in ["", "\n", "# nothing\n"] {
            let found = prepare(&request(folder.path(), emptied), Some(&first)).unwrap_err().to_string();
            assert!(found.contains("E-CONFIG-MISSING") && found.contains("no settings any more"), "{found}");
        }
        // That there is one setting is enough, and so is that there was none before.
        prepare(&request(folder.path(), "[dns]\nnameservers = [\"127.0.0.1:9\"]\n"), Some(&first)).unwrap();
        let nothing = prepare(&request(folder.path(), ""), None).unwrap().setup;
        prepare(&request(folder.path(), ""), Some(&nothing)).unwrap();
    }

    #[tokio::test]
    async fn a_reload_of_a_quick_start_makes_no_key_in_place_of_one_that_signs() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::Quickstart {
            domains: vec![DomainName::parse("example.com").unwrap()],
            state_dir: folder.path().join("state"),
            socket: "unix:/nowhere".parse().unwrap(),
        };
        let request = Request::new(source);
        let first = prepare(&request, None).unwrap().setup;
        prepare(&request, Some(&first)).unwrap();
        let key = &first.rules.config().domains.rules()[0].keys[0].file;
        std::fs::remove_file(key).unwrap();
        let found = prepare(&request, Some(&first)).unwrap_err();
        assert!(found.to_string().contains("E-KEY-MISSING") && found.to_string().contains("is gone"), "{found}");
        assert!(!key.exists(), "nothing was made");
    }
}
