//! The Postseal daemon: reads its arguments and calls `engine`.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use engine::DomainName;
use engine::config::LogFormat;
use engine::daemon::{self, Daemon, Failure};
use engine::instance::Instance;
use engine::socket_address::SocketAddress;
use engine::start::{self, CONFIG, Request, Source, USAGE};

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
    #[arg(long, value_name = "DIR", default_value = "postseal-data")]
    state: PathBuf,
    /// Name of this daemon where several run on a host: state is kept in a folder of that name below the state folder
    #[arg(long, value_name = "NAME")]
    instance: Option<Instance>,
    /// Socket to listen on, as Postfix or Sendmail spell it, or systemd:NAME
    #[arg(long, value_name = "SOCKET", default_value = "inet:127.0.0.1:8891")]
    socket: SocketAddress,
    /// Read everything, print all findings, and stop
    #[arg(long, conflicts_with = "domain")]
    check_config: bool,
    /// Log lines as text or as json
    #[arg(long, value_name = "FORMAT", value_parser = |word: &str| LogFormat::from_word(word).ok_or("text or json"))]
    log_format: Option<LogFormat>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let Arguments { config, domain: domains, state: state_dir, instance, socket, check_config, log_format } = arguments;
    let source = config.map_or(Source::Quickstart { domains, state_dir, socket }, Source::File);
    let request = Request { source, instance, log_format };
    if check_config {
        return match daemon::check(&request) {
            Ok(findings) => say(&findings.to_string(), ExitCode::SUCCESS),
            Err(findings) => say(&findings.to_string(), CONFIG.into()),
        };
    }
    match daemon::in_runtime(serve(request)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => say(&format!("postseal-milter: {}\n", failure.text.trim_end()), failure.code.into()),
    }
}

async fn serve(request: Request) -> Result<(), Failure> {
    let daemon = Daemon::prepare(request)?;
    let _ = say(&daemon.findings().to_string(), ExitCode::SUCCESS);
    let _ = write!(std::io::stdout(), "{}", daemon.instructions());
    daemon.run().await
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    let _ = write!(std::io::stderr(), "{text}");
    code
}
