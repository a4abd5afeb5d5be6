//! `spf`: what a domain's SPF record says to everybody, or about one client (M18).
//!
//! | file | concern |
//! |---|---|
//! | `examine.rs` | the record with all it includes: tree, counts, addresses |
//! | `finding.rs` | what is wrong in it or unwise, with the mend |
//! | `near.rs` | texts that were meant as records |
//! | `source.rs` | whom it asks, and for how long |
//! | `progress.rs` | a line on the terminal meanwhile |
//! | `providers.rs` | records that authorise the customers of somebody |
//! | `evaluate.rs` | `check_host()` for one client, step by step |

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use engine::config::{self, Config};
use spf_core::name::Name;

use super::keyring;
use crate::exit::{Exit, Failure, print};

mod evaluate;
mod examine;
mod finding;
mod near;
mod progress;
mod providers;
mod source;

pub(crate) use self::evaluate::{Checked, unix_lines};
pub(crate) use self::examine::{Examined, examine};
pub(crate) use self::near::shown;
pub(crate) use self::source::{NOT_IN_ZONE, Source, parse_seconds};

/// For the end of `spf --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   the record is in order; with --ip: the client passes for MAIL FROM
  1   something is to be mended, or there is no record; with --ip: every other result
  2   not known now, try again later (the DNS does not answer)
  64  the command line is wrong
  78  the configuration or a zone file is wrong";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Domain whose record is looked at
    #[arg(value_parser = parse_domain)]
    domain: Name,
    /// Evaluate the record for a client with this address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// What the client says in HELO [default: DOMAIN]
    #[arg(long, value_name = "NAME", requires = "ip")]
    helo: Option<String>,
    /// What the client says in MAIL FROM; `<>` for a null sender (default: postmaster@DOMAIN)
    #[arg(long, value_name = "ADDRESS", requires = "ip")]
    from: Option<String>,
    /// Zone file to look into, to try a record before it is published; names that are not in it are asked of the servers that `--nameserver` names,
    /// and without one they are told as not known
    #[arg(long, value_name = "FILE")]
    zone: Option<PathBuf>,
    /// Name server to ask, ADDRESS:PORT; may be given several times [default: those of the system; none beside `--zone`]
    #[arg(long, value_name = "ADDRESS")]
    nameserver: Vec<SocketAddr>,
    /// Seconds for the whole survey; what is not answered by then is told. With `--ip` it is `spf.timeout` of the configuration for each identity
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds, conflicts_with = "ip")]
    timeout: Duration,
    /// Configuration file, for its section dns, its spf.timeout and its authserv_id
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let config = match &args.config {
        Some(file) => config::load(file).map_err(Failure::config)?.0,
        None => Config::default(),
    };
    let source = Source::new(config.dns, &args.nameserver, args.zone.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(client) = args.ip {
            let receiver = config.authserv_id.as_deref().unwrap_or("localhost");
            let report = evaluate::evaluate(&source, &args.client(client), receiver, config.spf.timeout).await?;
            print(&report, json, out)?;
            Ok(report.exit())
        } else {
            let examined = examine(&source, args.domain.clone(), args.timeout).await;
            print(&examined, json, out)?;
            Ok(examined.exit())
        }
    })
}

impl Args {
    fn client(&self, address: IpAddr) -> evaluate::Client {
        let domain = self.domain.as_str();
        let from = self.from.clone().unwrap_or_else(|| format!("postmaster@{domain}"));
        let path = if from.starts_with('<') { from } else { format!("<{from}>") };
        evaluate::Client { address, helo: self.helo.clone().unwrap_or_else(|| domain.to_owned()), path }
    }
}

fn parse_domain(text: &str) -> Result<Name, String> {
    Name::from_domain(text).map_err(|error| keyring::hint(text).unwrap_or_else(|| error.to_string()))
}
