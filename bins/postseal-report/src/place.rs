//! Where journal and database are: options, then the configuration, then the state folder.

use std::path::{Path, PathBuf};

use dmarc_core::report::Format;
use engine::config::{self, Config, OnUnknownOutcome, ReportDelivery, ReportFormat, ReportMode, ReportTls};
use engine::dns::Resolver;
use engine::instance::Instance;
use engine::keys::Keys;
use engine::message::{Rules as MailRules, Signer};
use ledger::outgoing;
use ledger::outgoing::transport::{Credentials, Mailer, Server, Tls, Way};
use ledger::rollup::{Rules, Settings};
use ledger::store::{DatabaseUrl, Store};

use crate::exit::{Exit, Failure};

/// The state folder where none is named.
const STATE: &str = "postseal-data";

/// The file of the database in it.
const DATABASE: &str = "ledger.sqlite";

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Place {
    /// Configuration file
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// State folder [default: the one of the configuration, else postseal-data]
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
    /// Name of the daemon, where several run on a host: its folder below the state folder
    #[arg(long, value_name = "NAME", global = true)]
    instance: Option<Instance>,
    /// Folder of the journal [default: that of the configuration, else `journal` in the state folder]
    #[arg(long, value_name = "DIR", global = true)]
    journal: Option<PathBuf>,
    /// Database: sqlite:PATH, mysql://… or postgres://… [default: that of the configuration, else `ledger.sqlite` in the state folder]
    #[arg(long, value_name = "URL", global = true, env = "POSTSEAL_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Name of this node [default: that of the configuration, else the name of the host]
    #[arg(long, value_name = "NAME", global = true)]
    node: Option<String>,
}

/// What the options and the configuration come to.
#[derive(Debug)]
pub(crate) struct Found {
    config: Config,
    state: PathBuf,
}

impl Place {
    pub(crate) fn find(&self) -> Result<Found, Failure> {
        let read = self.config.as_deref().map(config::load).transpose();
        let config = read.map_err(Failure::config)?.map(|(config, _)| config).unwrap_or_default();
        let state = match (&self.state, &self.config) {
            (Some(folder), _) => folder.clone(),
            (None, Some(_)) => config.state_dir.clone(),
            (None, None) => PathBuf::from(STATE),
        };
        Ok(Found { config, state: self.below(&state) })
    }

    /// The folder, or what the instance has below it.
    fn below(&self, folder: &Path) -> PathBuf {
        self.instance.as_ref().map_or_else(|| folder.to_owned(), |instance| instance.state_dir(folder))
    }

    pub(crate) fn store(&self, found: &Found) -> Result<Store, Failure> {
        let url = match (&self.database, &found.config.report.database) {
            (Some(url), _) => DatabaseUrl::parse(url)?,
            (None, Some(url)) => DatabaseUrl::parse(url.as_str())?,
            (None, None) => DatabaseUrl::sqlite(&found.state.join(DATABASE)),
        };
        if url.is_remote() {
            tracing::warn!(database = %url, "the way to the database is not encrypted: its password and rows can be read on the network; a tunnel mends that");
        }
        Ok(Store::new(url))
    }

    pub(crate) fn settings(&self, found: &Found) -> Result<Settings, Failure> {
        let report = &found.config.report;
        let journal = match (&self.journal, &found.config.journal.folder) {
            (Some(folder), _) | (None, Some(folder)) => self.below(folder),
            (None, None) => found.config.journal.folder(&found.state),
        };
        let mut node = match self.node.clone().or_else(|| report.node.clone()) {
            Some(node) => node,
            None => host_name()?,
        };
        if let Some(instance) = self.instance.as_ref().filter(|_| self.node.is_none() && report.node.is_none()) {
            // Two daemons of one host have a journal each.
            node = format!("{node}/{instance}");
        }
        if node.is_empty() || node.len() > 255 || node.chars().any(char::is_control) {
            return Err(Failure::new(
                Exit::Usage,
                "the name of the node is empty, longer than 255 octets or has control characters",
                "",
            ));
        }
        let rules = Rules { envelope_to: report.envelope_to, report_domain: report.domain() };
        Ok(Settings { node, journal, max_rows: report.max_rows, rules })
    }
}

impl Place {
    /// As whom reports are made. Without the names that only sending needs, the domain of reports that are shown is that of this host.
    pub(crate) fn outgoing(&self, found: &Found) -> Result<outgoing::Settings, Failure> {
        let (report, node) = (&found.config.report, self.settings(found)?.node);
        let email = report.email.clone().unwrap_or_else(|| format!("postmaster@{node}"));
        let org_name = report.org_name.clone().unwrap_or_else(|| node.clone());
        let mut settings = outgoing::Settings::new(&org_name, &email, &node);
        settings.extra_contact_info.clone_from(&report.extra_contact_info);
        settings.format = match report.format {
            ReportFormat::Rfc9990 => Format::Rfc9990,
            ReportFormat::Rfc7489 => Format::Rfc7489,
        };
        settings.on_unknown = match report.on_unknown_outcome {
            OnUnknownOutcome::Resend => outgoing::OnUnknown::Resend,
            OnUnknownOutcome::Hold => outgoing::OnUnknown::Hold,
        };
        Ok(settings)
    }

    /// By which way reports leave.
    pub(crate) fn mailer(&self, found: &Found, settings: &outgoing::Settings) -> Result<Mailer, Failure> {
        let report = &found.config.report;
        let way = match &report.delivery {
            ReportDelivery::Sendmail(program) => Way::Sendmail(program.clone()),
            ReportDelivery::Smtp { host, port } => Way::Smtp(Server {
                host: host.clone(),
                port: *port,
                tls: match report.tls {
                    ReportTls::Off => Tls::Off,
                    ReportTls::IfOffered => Tls::IfOffered,
                    ReportTls::Required => Tls::Required,
                    ReportTls::Wrapped => Tls::Wrapped,
                },
                credentials: credentials(report)?,
                hello: settings.receiver.clone(),
            }),
        };
        Ok(Mailer::new(way))
    }
}

impl Found {
    /// What is done with reports.
    pub(crate) fn mode(&self) -> ReportMode {
        self.config.report.mode
    }

    /// Who answers questions about destinations.
    pub(crate) fn resolver(&self) -> Result<Resolver, Failure> {
        Resolver::new(&self.config.dns, engine::BACKEND).map_err(Failure::config)
    }

    /// The keys that sign for the domain of reports.
    pub(crate) fn signers(&self, settings: &outgoing::Settings) -> Vec<Signer> {
        let Ok(domain) = engine::DomainName::parse(&settings.receiver) else { return Vec::new() };
        let Some(index) = self.config.domains.index_for(&domain) else { return Vec::new() };
        let (keys, found) = Keys::load(&self.config.domains, engine::BACKEND);
        for finding in &found {
            tracing::warn!("{finding}");
        }
        let rules = MailRules::new(self.config.clone(), &keys);
        rules.signers(index).map(|(_, keys)| keys.signers.clone()).unwrap_or_default()
    }
}

fn credentials(report: &config::Report) -> Result<Option<Credentials>, Failure> {
    let (Some(user), Some(file)) = (&report.smtp_user, &report.smtp_password_file) else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(|error| {
        let cause = format!("{}: {error}", file.display());
        Failure::new(Exit::Config, cause, "let this user read the file of `smtp_password_file`")
    })?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    Ok(Some(Credentials { user: user.clone(), password }))
}

fn host_name() -> Result<String, Failure> {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).filter(|name| !name.is_empty());
    name.ok_or_else(|| {
        Failure::new(
            Exit::Config,
            "this host has no name that could stand for the node",
            "set `node` in `[report]`, or `--node`",
        )
    })
}
