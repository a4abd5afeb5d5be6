//! The arguments of the load tool, and what it does with them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use milter_load::check::Checker;
use milter_load::client::Pattern;
use milter_load::mail::{Mail, Signer, messages};
use milter_load::run::Plan;
use milter_load::target::Target;
use milter_load::{LoadError, Work, domains, idle, report, run};

/// Sends mail to milters as an MTA does, checks every answer, and says what it cost.
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 measured, 1 an answer was wrong or a daemon failed, 2 wrong arguments")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Processor time, latency and memory for messages
    Mail {
        #[command(flatten)]
        common: Common,
        /// Messages of each round
        #[arg(long, default_value_t = 1000)]
        messages: usize,
        /// Messages to each target before the first round, not counted
        #[arg(long, default_value_t = 200)]
        warm_up: usize,
        /// Rounds; in each of them every target has its turn
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Messages after which a connection is closed and opened anew; 0: never
        #[arg(long, default_value_t = 0)]
        per_connection: usize,
        /// One connection more that only says MAIL every 5 ms: what others notice of the load
        #[arg(long)]
        bystander: bool,
    },
    /// Starts a daemon with very many signing domains in OpenDKIM's tables: start, memory, reloads while mail goes on
    Domains {
        /// The program, postseal-milter
        #[arg(long)]
        daemon: PathBuf,
        /// Private key (PEM) of all domains
        #[arg(long)]
        key: PathBuf,
        /// An empty folder for tables, socket and log
        #[arg(long)]
        folder: PathBuf,
        /// Signing domains
        #[arg(long, default_value_t = 100_000)]
        domains: usize,
        /// Different domains for which a message is signed
        #[arg(long, default_value_t = 2000)]
        signed: usize,
        /// Reloads
        #[arg(long, default_value_t = 5)]
        reloads: usize,
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Memory for open connections that do nothing
    Idle {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Args)]
struct Common {
    /// A daemon: NAME,SOCKET[,PID] with SOCKET as unix:/PATH or inet:HOST:PORT; may be repeated
    #[arg(long = "target", value_name = "TARGET", required = true)]
    targets: Vec<Target>,
    /// What the daemon is to do
    #[arg(long, value_enum, default_value = "sign")]
    work: WorkWord,
    /// Domain in From and d=
    #[arg(long, default_value = "bench.example")]
    domain: String,
    /// Selector of the key
    #[arg(long)]
    selector: String,
    /// Private key (PEM) that signs for the daemon, or with which the mail is signed that it verifies
    #[arg(long)]
    key: PathBuf,
    /// Canonicalization of the mail that is to be verified
    #[arg(long, default_value = "relaxed/relaxed")]
    canonicalization: String,
    /// Octets of the bodies, with KiB or MiB behind the number; more than one with commas, sent by turns
    #[arg(long, value_delimiter = ',', default_value = "4KiB", value_parser = octets)]
    size: Vec<usize>,
    /// Connections at a time
    #[arg(long, default_value_t = 10)]
    connections: usize,
    /// The MTA whose way of writing is imitated
    #[arg(long, value_enum, default_value = "postfix")]
    pattern: PatternWord,
    /// Address of the SMTP client; default 127.0.0.1 for sign, 192.0.2.10 for verify
    #[arg(long)]
    client: Option<String>,
    /// One JSON object for each target instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum WorkWord {
    Sign,
    Verify,
}

#[derive(Clone, Copy, ValueEnum)]
enum PatternWord {
    Postfix,
    Sendmail,
}

fn octets(text: &str) -> Result<usize, String> {
    let (number, factor) = match text.strip_suffix("KiB") {
        Some(number) => (number, 1 << 10),
        None => text.strip_suffix("MiB").map_or((text, 1), |number| (number, 1 << 20)),
    };
    let octets = number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    octets.filter(|octets| *octets <= 1 << 30).ok_or_else(|| format!("`{text}` is no size up to 1024MiB"))
}

/// Does what the arguments ask for.
pub(crate) fn run_with(arguments: Arguments) -> ExitCode {
    let printed = match arguments.what {
        What::Mail { common, messages, warm_up, rounds, per_connection, bystander } => {
            common.prepare().and_then(|(mut plan, mails, checker)| {
                (plan.messages, plan.warm_up, plan.rounds, plan.per_connection) =
                    (messages, warm_up, rounds, per_connection);
                plan.bystander = bystander;
                let reports = run::run(&plan, &common.targets, &mails, &checker)?;
                Ok(if common.json { json_lines(&reports) } else { report::mail_table(&reports) })
            })
        }
        What::Domains { daemon, key, folder, domains, signed, reloads, json } => {
            let mut plan = domains::Plan::new(daemon, key, folder);
            (plan.domains, plan.signed, plan.reloads) = (domains, signed, reloads);
            let measured = domains::domains(&plan);
            measured
                .map(|report| if json { json_lines(&[report]) } else { report.table() })
                .map_err(|error| (plan.daemon.display().to_string(), error))
        }
        What::Idle { common } => common.prepare().and_then(|(plan, mails, checker)| {
            let measure = |target: &Target| {
                idle::idle(&plan, target, &mails, &checker).map_err(|error| (target.name.clone(), error))
            };
            let reports = common.targets.iter().map(measure).collect::<Result<Vec<_>, _>>()?;
            Ok(if common.json { json_lines(&reports) } else { report::idle_table(&reports) })
        }),
    };
    match printed {
        Ok(text) => {
            let written = std::io::stdout().write_all(text.as_bytes());
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err((target, error)) => {
            let _ = writeln!(std::io::stderr(), "milter-load: {target}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, and for which target.
type Failure = (String, LoadError);

impl Common {
    fn prepare(&self) -> Result<(Plan, Vec<Mail>, Checker), Failure> {
        let made = || {
            let work = match self.work {
                WorkWord::Sign => Work::Sign,
                WorkWord::Verify => Work::Verify,
            };
            let signer = Signer::new(&self.domain, &self.selector, &std::fs::read(&self.key)?, &self.canonicalization)?;
            let mut mails = Vec::new();
            for size in &self.size {
                mails.extend(messages(work, *size, &signer)?);
            }
            let mut plan = Plan::new(work);
            plan.connections = self.connections;
            plan.pattern = match self.pattern {
                PatternWord::Postfix => Pattern::Postfix,
                PatternWord::Sendmail => Pattern::Sendmail,
            };
            if let Some(client) = &self.client {
                plan.client.clone_from(client);
            }
            Ok((plan, mails, Checker::new(work, &signer)))
        };
        made().map_err(|error| ("mail to be sent".to_owned(), error))
    }
}

fn json_lines<T: serde::Serialize>(reports: &[T]) -> String {
    reports.iter().filter_map(|report| serde_json::to_string(report).ok()).map(|line| line + "\n").collect()
}
