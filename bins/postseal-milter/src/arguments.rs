//! The arguments of the daemon, and what it is to start from.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use dataset_sql::Databases;
use engine::DomainName;
use engine::config::{Listener, LogFormat};
use engine::instance::Instance;
use engine::process::Options;
use engine::socket_address::SocketAddress;
use engine::start::{self, Openers, Request, Source};

/// Signs and verifies DKIM for Postfix and Sendmail, checks SPF and applies DMARC.
#[derive(Parser)]
#[command(version, after_help = start::EXIT_CODES)]
pub(crate) struct Arguments {
    /// Configuration file; without it, and without --domain, verify only
    #[arg(long, value_name = "FILE", conflicts_with_all = ["domain", "state", "socket"])]
    config: Option<PathBuf>,
    /// Run from OpenDKIM's file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "domain"])]
    opendkim_conf: Option<PathBuf>,
    /// Run from OpenDMARC's file, beside or without OpenDKIM's
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "domain"])]
    opendmarc_conf: Option<PathBuf>,
    /// With the old files: stay in the foreground, whatever `Background` says
    #[arg(long)]
    foreground: bool,
    /// Sign for this domain and its subdomains, with keys in the state folder that are made if missing; may be repeated
    #[arg(long, value_name = "DOMAIN", value_parser = |text: &str| DomainName::parse(text))]
    domain: Vec<DomainName>,
    /// State folder, where keys are made
    #[arg(long, value_name = "DIR", default_value = "postseal-data")]
    state: PathBuf,
    /// Name of this daemon where several run on a host: state is kept in a folder of that name below the state folder
    #[arg(long, value_name = "NAME")]
    instance: Option<Instance>,
    /// Socket to listen on, as Postfix or Sendmail spell it, or systemd:NAME; inet:127.0.0.1:8891 unless a file has one
    #[arg(long, value_name = "SOCKET")]
    socket: Option<SocketAddress>,
    /// Read everything, print all findings, and stop
    #[arg(long, conflicts_with = "domain")]
    pub(crate) check_config: bool,
    /// Log lines as text or as json
    #[arg(long, value_name = "FORMAT", value_parser = |word: &str| LogFormat::from_word(word).ok_or("text or json"))]
    log_format: Option<LogFormat>,
}

impl Arguments {
    /// How the process of the old files runs.
    pub(crate) fn options(&self) -> Options {
        Options { foreground: self.foreground, ..Options::default() }
    }

    /// What to start from.
    pub(crate) fn request(self) -> Request {
        let state_dir = self.state;
        let source = match (self.config, self.opendkim_conf, self.opendmarc_conf) {
            (Some(file), ..) => Source::File(file),
            (None, None, None) => {
                let socket = self.socket.unwrap_or_else(|| Listener::default().socket);
                Source::Quickstart { domains: self.domain, state_dir, socket }
            }
            (None, opendkim, opendmarc) => {
                // The engine has no databases of its own.
                let opener = Openers(Arc::new(Databases));
                Source::OldFiles { opendkim, opendmarc, lines: String::new(), socket: self.socket, state_dir, opener }
            }
        };
        Request { source, instance: self.instance, log_format: self.log_format }
    }
}
