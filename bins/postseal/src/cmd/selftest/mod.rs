//! `selftest`: three messages through a running daemon, as a mail server would hand them over.
//!
//! One of our own must come back signed; the same from outside must be found good, and a forged result in it removed; changed on its way, it must
//! be found bad. The public keys come from the state folder's zone file, here and in a daemon that was started with `--domain`.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use dkim_core::domain::DomainName;
use engine::dns::{Resolver, Zone};
use engine::quickstart::{ZONE_FILE, domains_in};
use engine::socket_address::SocketAddress;
use serde::Serialize;

use super::STATE;
use super::keyring::{OfInstance, file_failure, parse_domain};
use crate::exit::{Exit, Failure, print};

mod steps;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// State folder of the daemon
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: PathBuf,
    #[command(flatten)]
    of: OfInstance,
    /// Where the daemon listens: inet:HOST:PORT, unix:/PATH
    #[arg(long, value_name = "SOCKET", default_value = "inet:127.0.0.1:8891")]
    socket: SocketAddress,
    /// Domain to send from [default: the first one in the state folder]
    #[arg(long, value_parser = parse_domain)]
    domain: Option<DomainName>,
}

/// What one message came to.
#[derive(Debug, Serialize)]
struct Step {
    name: &'static str,
    passed: bool,
    /// What was seen, and why it is good or bad.
    why: String,
    /// Fields that the daemon added.
    added: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Report {
    socket: String,
    domain: String,
    passed: bool,
    steps: Vec<Step>,
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let state = args.of.state_dir(&args.state);
    let in_folder = domains_in(&state).map_err(|error| file_failure(&error))?;
    let domain = args.domain.clone().or_else(|| in_folder.first().cloned()).ok_or_else(|| {
        let cause = format!("there are no keys in {}", state.display());
        Failure::new(
            Exit::Fail,
            cause,
            "start `postseal-milter --domain DOMAIN` here, or name its state folder with `--state`",
        )
    })?;
    let zone = Zone::load(&state.join(ZONE_FILE)).map_err(Failure::config)?;
    let test = steps::Test { socket: args.socket.clone(), domain, resolver: Resolver::offline(zone, engine::BACKEND) };
    let report = test.run()?;
    print(&report, json, out)?;
    Ok(if report.passed { Exit::Pass } else { Exit::Fail })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "postseal-milter at {}, domain {}", self.socket, self.domain)?;
        for step in &self.steps {
            writeln!(f, "{} {}: {}", if step.passed { "ok  " } else { "FAIL" }, step.name, step.why)?;
            for field in &step.added {
                writeln!(f, "     added {}", field.replace("\r\n", "\n         "))?;
            }
        }
        writeln!(f, "{}", if self.passed { "selftest passed" } else { "selftest FAILED" })
    }
}
