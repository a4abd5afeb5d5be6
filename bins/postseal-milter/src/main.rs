//! The Postseal daemon: reads its arguments and calls `engine`.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use engine::config::LogFormat;
use engine::server::{Server, stop_signal};
use engine::socket_address::SocketAddress;
use engine::start::{self, CONFIG, Prepared, Source, UNAVAILABLE, USAGE};
use engine::{DomainName, logging};

/// Signs and verifies DKIM for Postfix and Sendmail.
#[derive(Parser)]
#[command(version, after_help = start::EXIT_CODES)]
struct Arguments {
    /// Configuration file; without it, and without --domain, verify only
    #[arg(long, value_name = "FILE", conflicts_with_all = ["domain", "state", "socket"])]
    config: Option<PathBuf>,
    /// Sign for this domain and its subdomains, with keys in the state folder that are made if missing; may be repeated
    #[arg(long, value_name = "DOMAIN", value_parser = |text: &str| DomainName::parse(text))]
    domain: Vec<DomainName>,
    /// State folder, where keys are made
    #[arg(long, value_name = "DIR", default_value = "./postseal-data")]
    state: PathBuf,
    /// Socket to listen on, as Postfix or Sendmail spell it
    #[arg(long, value_name = "SOCKET", default_value = "inet:127.0.0.1:8891")]
    socket: SocketAddress,
    /// Read everything, print all findings, and stop
    #[arg(long)]
    check_config: bool,
    /// Log lines as text or as json
    #[arg(long, value_name = "FORMAT", value_parser = |word: &str| LogFormat::from_word(word).ok_or("text or json"))]
    log_format: Option<LogFormat>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let Arguments { config, domain: domains, state: state_dir, socket, check_config, log_format } = arguments;
    let source = config.map_or(Source::Quickstart { domains, state_dir, socket }, Source::File);
    let Prepared { setup, findings, instructions } = match start::prepare(source, log_format) {
        Ok(prepared) => prepared,
        Err(error) => return fail(&error.to_string(), CONFIG),
    };
    let _ = write!(std::io::stderr(), "{findings}");
    if check_config {
        return if findings.has_errors() { CONFIG.into() } else { ExitCode::SUCCESS };
    }
    let _ = write!(std::io::stdout(), "{}", instructions.unwrap_or_default());
    let (log, stop) = match (logging::install(&setup.rules.config().log), stop_signal()) {
        (Ok(log), Ok(stop)) => (log, stop),
        (Err(error), _) | (_, Err(error)) => return fail(&error.to_string(), UNAVAILABLE),
    };
    match Server::bind(setup, log.logger()).await {
        Ok(server) => server.run(stop).await,
        Err(error) => return fail(&error.to_string(), UNAVAILABLE),
    }
    log.finish(Duration::from_secs(1));
    ExitCode::SUCCESS
}

fn fail(error: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "postseal-milter: {}", error.trim_end());
    code.into()
}
