//! Where the keys of a command come from: the state folder, or a configuration file.

use std::path::{Path, PathBuf};

use dkim_core::domain::DomainName;
use engine::config::diagnostics::Severity;
use engine::config::{self, Config, Diagnostic, Diagnostics, SigningDomains};
use engine::instance::Instance;
use engine::keys::{CreateError, Keys, open_to_everyone};
use engine::quickstart;

use super::STATE;
use crate::exit::{Exit, Failure};

/// The options that name the keys.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Source {
    /// State folder with the keys [default: the one of the configuration, else postseal-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Configuration file, in place of the state folder
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) of: OfInstance,
}

/// The option that names one of several daemons.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OfInstance {
    /// Name of the daemon that the state folder is for, where several run on a host: its folder below the state folder
    #[arg(long, value_name = "NAME")]
    instance: Option<Instance>,
}

impl OfInstance {
    /// `folder`, or what the instance has below it.
    pub(crate) fn state_dir(&self, folder: &Path) -> PathBuf {
        self.instance.as_ref().map_or_else(|| folder.to_path_buf(), |instance| instance.state_dir(folder))
    }
}

/// Keys with the rules that use them.
#[derive(Debug)]
pub(crate) struct Keyring {
    pub(crate) domains: SigningDomains,
    pub(crate) keys: Keys,
    pub(crate) findings: Diagnostics,
}

impl Source {
    /// The configuration file's contents, if one is named.
    pub(crate) fn read_config(&self) -> Result<Option<Config>, Failure> {
        let read = self.config.as_deref().map(config::load).transpose();
        Ok(read.map_err(Failure::config)?.map(|(config, _)| config))
    }

    /// The state folder.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.state {
            return Ok(self.of.state_dir(folder));
        }
        let configured = self.read_config()?.map(|config| config.state_dir);
        Ok(self.of.state_dir(configured.as_deref().unwrap_or_else(|| Path::new(STATE))))
    }

    /// The folder of the journal: the one that is `named`, that of the configuration, or the one in the state folder.
    pub(crate) fn journal(&self, named: Option<&Path>) -> Result<PathBuf, Failure> {
        if let Some(folder) = named {
            return Ok(self.of.state_dir(folder));
        }
        let config = self.read_config()?.unwrap_or_default();
        Ok(match &config.journal.folder {
            Some(folder) => self.of.state_dir(folder),
            None => config.journal.folder(&self.state_dir()?),
        })
    }

    /// Reads the keys: those of the configuration file if one is named, else all in the state folder.
    pub(crate) fn keyring(&self) -> Result<Keyring, Failure> {
        let domains = match self.read_config()? {
            Some(config) => config.domains,
            None => quickstart::signing_domains(&self.state_dir()?).map_err(|error| file_failure(&error))?,
        };
        let (keys, findings) = Keys::load(&domains, engine::BACKEND);
        Ok(Keyring { domains, keys, findings })
    }
}

impl Keyring {
    /// What there is to say about the key in this file, although it can be used.
    pub(crate) fn warning(&self, file: &Path) -> Option<String> {
        let about = |finding: &&Diagnostic| finding.file.as_deref() == Some(file);
        let warnings = self.findings.iter().filter(|finding| finding.severity == Severity::Warning).filter(about);
        let lines: Vec<String> =
            warnings.map(|finding| format!("{} [{}]; {}", finding.cause, finding.code.as_str(), finding.fix)).collect();
        (!lines.is_empty()).then(|| lines.join("\n  "))
    }

    /// A failure because there is no usable key for `domain`, with the findings about those that are not usable.
    pub(crate) fn no_key(self, domain: &DomainName) -> Failure {
        let fix = format!(
            "make one with `postseal key new {domain}`, or name the folder with `--state` or the file with `--config`"
        );
        Failure {
            findings: self.findings,
            ..Failure::new(Exit::Fail, format!("there is no usable key for {domain}"), fix)
        }
    }
}

/// The file system refused.
pub(crate) fn file_failure(error: &CreateError) -> Failure {
    match error {
        CreateError::OpenToEveryone { path } => {
            let findings = open_to_everyone(path);
            Failure { findings, ..Failure::new(Exit::Fail, "no key was made", "") }
        }
        _ => Failure::new(Exit::Fail, error.to_string(), "check the path and who may write to it"),
    }
}

/// A domain on the command line; with or without the final dot of a zone file.
pub(crate) fn parse_domain(text: &str) -> Result<DomainName, String> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let domain = DomainName::parse(bare).map_err(|error| hint(text).unwrap_or_else(|| error.to_string()))?;
    if domain.label_count() < 2 {
        return Err("a domain has a dot, like example.com".to_owned());
    }
    Ok(domain)
}

/// What is wanted, for those who give an address or a link in place of a domain.
pub(crate) fn hint(text: &str) -> Option<String> {
    if let Some((_, link)) = text.split_once("://") {
        let host = link.split(['/', '?', '#', ':']).next().unwrap_or(link);
        return Some(format!("this is a link; a domain is wanted, such as its part {host}"));
    }
    let (_, domain) = text.rsplit_once('@')?;
    Some(format!("this is an address; the domain is the part behind @: {domain}"))
}
