//! Messages through the machine of the daemon, by a configuration: what `explain` and `replay` have in common.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::config::{self, Config, Enforcement};
use engine::enforcement::{self, Ramps, Steps};
use engine::keys::Keys;
use engine::known_domains;
use engine::message::Rules;
use engine::message::dmarc::KnownDomains;
use engine::start;
use engine::trial::Trial;

use crate::cmd::spf::Source;
use crate::exit::{Failure, counted};
use crate::mail::now;

/// Our name where neither the configuration nor an MTA tells it.
const HOST: &str = "localhost";

/// Whom to ask.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Dns {
    /// Zone file to look into; names that are not in it are asked of the servers that `--nameserver` names, and without one do not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) zone: Option<PathBuf>,
    /// Name server to ask, ADDRESS:PORT; may be given several times [default: those of the configuration or the system; none beside `--zone`]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) nameserver: Vec<SocketAddr>,
}

impl Dns {
    /// Asks as the daemon does with this configuration, but for what the options say.
    pub(crate) fn source(&self, config: &Config) -> Result<Source, Failure> {
        Source::of_daemon(config.dns.clone(), &self.nameserver, self.zone.as_deref())
    }
}

/// The configuration in a file, or the one without any.
pub(crate) fn configuration(file: Option<&Path>) -> Result<Config, Failure> {
    match file {
        Some(file) => Ok(config::load(file).map_err(Failure::config)?.0),
        None => Ok(Config::default()),
    }
}

/// What a daemon keeps: where its steps of enforcement are and the domains that it knows.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// The state folder with the steps; `None`: they are not looked at.
    pub(crate) state: Option<PathBuf>,
    /// The folder of the journal.
    pub(crate) journal: PathBuf,
    /// Whether it is told what full enforcement would do, which may make a difference where nothing is done as well.
    pub(crate) tells_full: bool,
}

/// Whose mail is known to pass (`dmarc.known_after`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// It makes no difference by this configuration.
    Unasked,
    /// The journal says it.
    Counted { folder: PathBuf, messages: u64 },
    /// Every domain is taken as known, since there is no journal that could say.
    Assumed { why: String },
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unasked => f.write_str("whether a domain is known makes no difference by this configuration"),
            Self::Counted { folder, messages } => {
                write!(f, "known domains are taken from the journal in {}: ", folder.display())?;
                write!(f, "{} passed", counted(*messages, "message"))
            }
            Self::Assumed { why } => write!(f, "every author domain is taken as known: {why}"),
        }
    }
}

/// Messages to be tried.
#[derive(Debug)]
pub(crate) struct Tryout {
    pub(crate) trial: Trial,
    pub(crate) known: Known,
    /// What is not known of the daemon.
    pub(crate) notes: Vec<String>,
}

/// A trial of messages by this configuration. Nothing is signed, and no key is read.
pub(crate) fn trial(mut config: Config, source: &Source, kept: &Kept) -> Result<Tryout, Failure> {
    let suffixes = start::public_suffixes(&config.dmarc).map_err(Failure::config)?;
    let mut notes = Vec::new();
    let mut ramps = Ramps::default();
    if let Some(state) = &kept.state {
        match enforcement::file::read(state) {
            Ok(read) => ramps = read,
            Err(error) => notes.push(format!("enforcement steps are not looked at: {error}")),
        }
    }
    let domains = KnownDomains::default();
    let known =
        if asks_for_known(&config, &ramps, kept.tells_full) { count(&kept.journal, &domains) } else { Known::Unasked };
    if matches!(known, Known::Assumed { .. }) {
        config.dmarc.known_after = 0;
    }
    let steps = Steps::default();
    steps.replace(&ramps);
    let rules = Rules::new(config, &Keys::default()).with_public_suffixes(suffixes).with_steps(steps);
    let trial = Trial::new(rules.with_known_domains(domains), source.resolver.clone(), HOST);
    Ok(Tryout { trial, known, notes })
}

/// Whether more may be done to mail of a domain that is known than to that of others.
fn asks_for_known(config: &Config, ramps: &Ramps, tells_full: bool) -> bool {
    let dmarc = &config.dmarc;
    let of_overrides = dmarc.overrides.iter().filter_map(|each| each.mode);
    let of_ramps = ramps.domains.values().map(|ramp| ramp.in_force().mode);
    let most = of_overrides.chain(of_ramps).fold(dmarc.mode, Ord::max);
    let most = if tells_full { Enforcement::Reject } else { most };
    dmarc.enabled && dmarc.known_after > 0 && most > dmarc.seldom_seen
}

fn count(journal: &Path, domains: &KnownDomains) -> Known {
    match known_domains::count(journal, domains, now()) {
        Ok(messages) => Known::Counted { folder: journal.to_path_buf(), messages },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Known::Assumed { why: format!("there is no journal in {}", journal.display()) }
        }
        Err(error) => Known::Assumed { why: format!("the journal in {} cannot be read: {error}", journal.display()) },
    }
}
