//! Messages through the machine of the daemon, by a configuration: what `explain` and `replay` have in common.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::config::{self, Config};
use engine::enforcement::{self, Steps};
use engine::keys::Keys;
use engine::message::Rules;
use engine::start;
use engine::trial::Trial;

use crate::cmd::spf::Source;
use crate::exit::Failure;

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

/// A trial of messages by this configuration, and what it does not know of the daemon.
///
/// Domains count as known: what passed at the daemon is in its memory alone, and what is done to mail of known domains is the most that is done.
/// Enforcement steps come from the state folder `with_steps`.
pub(crate) fn trial(mut config: Config, source: &Source, with_steps: bool) -> Result<(Trial, Vec<String>), Failure> {
    config.dmarc.known_after = 0;
    let (keys, findings) = Keys::load(&config.domains, engine::BACKEND);
    let mut notes: Vec<String> = findings.iter().map(|finding| finding.cause.clone()).collect();
    let suffixes = start::public_suffixes(&config.dmarc).map_err(Failure::config)?;
    let steps = Steps::default();
    if with_steps {
        match enforcement::file::read(&config.state_dir) {
            Ok(ramps) => steps.replace(&ramps),
            Err(error) => notes.push(format!("enforcement steps are not looked at: {error}")),
        }
    }
    let rules = Rules::new(config, &keys).with_public_suffixes(suffixes).with_steps(steps);
    Ok((Trial::new(Arc::new(rules), source.resolver.clone(), HOST), notes))
}
