//! `replay`: stored mail through a proposed policy, to know who would be hit before it is in force.
//!
//! ```text
//!  path ─► stored::Messages ─► (a thread) ─► a few at once: judge ─► Tally ─► Report
//! ```
//!
//! | file | concern |
//! |---|---|
//! | `judge.rs` | one message: who gave it to us, what the proposed and the present policy do |
//! | `tally.rs` | counts, grouped by author domain and source |
//! | `report.rs` | how they are told |
//! | `progress.rs` | a line on the terminal meanwhile |
//!
//! *Limits*: as many messages in memory as are judged at once, and as many again that wait; [`tally::MAX_GROUPS`] groups.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::stored::{Found, Messages};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::keyring::{OfInstance, Source as Keys};
use crate::exit::{Exit, Failure, print};
use crate::tryout::{self, Dns, Kept, Tryout};

mod judge;
mod progress;
mod report;
mod tally;

use self::judge::{Judge, Judged};
use self::progress::Progress;
use self::tally::Tally;

/// For the end of `replay --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   nobody would be hit
  1   somebody would be refused, put into quarantine or marked; or there was no message to judge
  2   nobody, as far as is known: the DNS did not answer for every message
  64  the command line is wrong
  78  a configuration or a zone file is wrong";

/// Most messages at once.
const MAX_JOBS: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Maildir, mbox file, folder of .eml files, or one message
    path: PathBuf,
    /// Configuration file with the proposed policy
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Configuration file with the present policy [default: nothing is done to any mail]
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Folder of the journal, for the domains whose mail is known to pass [default: that of the configuration]
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    of: OfInstance,
    #[command(flatten)]
    dns: Dns,
    /// Messages at once, up to 64 [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER", value_parser = parse_jobs)]
    jobs: Option<usize>,
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let jobs =
        args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MAX_JOBS));
    let config = tryout::configuration(Some(&args.policy))?;
    let source = args.dns.source(&config)?;
    // Both ask the same: what differs is the policy.
    let proposed = tryout::trial(config, &source, &kept(&args.policy, args)?)?;
    let present = match &args.against {
        Some(file) => Some(tryout::trial(tryout::configuration(Some(file))?, &source, &kept(file, args)?)?.trial),
        None => None,
    };
    let messages = Messages::open(&args.path).map_err(|error| {
        let cause = format!("{} cannot be read: {error}", args.path.display());
        Failure::new(Exit::Usage, cause, "name a Maildir, an mbox, or a folder of .eml files")
    })?;
    let Tryout { trial: proposed, known, .. } = proposed;
    let judge = Arc::new(Judge { proposed, present });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(jobs).enable_all().build()?;
    let tally = runtime.block_on(replay(messages, judge, jobs));
    let report = tally.into_report(args.against.is_some(), &known);
    print(&report, json, out)?;
    Ok(report.exit())
}

/// Where the daemon with this configuration keeps what it knows of domains. Its steps of enforcement are not looked at: it is the file that is tried.
fn kept(file: &Path, args: &Args) -> Result<Kept, Failure> {
    let source = Keys { state: None, config: Some(file.to_path_buf()), of: args.of.clone() };
    Ok(Kept { state: None, journal: source.journal(args.journal.as_deref())?, tells_full: false })
}

/// Judges all messages, at most `jobs` at once.
async fn replay(messages: Messages, judge: Arc<Judge>, jobs: usize) -> Tally {
    let (sender, mut receiver) = mpsc::channel(jobs);
    // A disk that is slow holds up nobody who waits for the DNS.
    let reader = tokio::task::spawn_blocking(move || {
        for found in messages {
            if sender.blocking_send(found).is_err() {
                break;
            }
        }
    });
    let (mut tally, mut progress) = (Tally::default(), Progress::new());
    let mut running: JoinSet<Judged> = JoinSet::new();
    let mut add = |tally: &mut Tally, judged: Result<Judged, tokio::task::JoinError>| {
        progress.one_more();
        match judged {
            Ok(judged) => tally.add(judged),
            Err(_panicked) => tally.lost(),
        }
    };
    while let Some(found) = receiver.recv().await {
        let stored = match found {
            Found::Message(stored) => stored,
            Found::Skipped { file, why } => {
                tally.skipped(why.code(), &file.display().to_string());
                continue;
            }
        };
        if running.len() >= jobs
            && let Some(done) = running.join_next().await
        {
            add(&mut tally, done);
        }
        let judge = Arc::clone(&judge);
        running.spawn(async move { judge.judge(stored).await });
    }
    while let Some(done) = running.join_next().await {
        add(&mut tally, done);
    }
    if reader.await.is_err() {
        tally.lost();
    }
    progress.clear();
    tally
}

fn parse_jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=MAX_JOBS) => Ok(jobs),
        _ => Err(format!("a number from 1 to {MAX_JOBS} is wanted")),
    }
}
