//! `explain`: what the daemon does with a message, step by step, and from what; or what it did, by its journal.
//!
//! | file | concern |
//! |---|---|
//! | `envelope.rs` | who gave us the message: from the options, else guessed from the file, which is told |
//! | `report.rs` | the tree as a whole |
//! | `dkim.rs` | each signature; why one does not hold |
//! | `dmarc.rs` | author domain, questions and answers, alignment, policy, what is done |
//! | `edits.rs` | the reply, and the fields that come and go |
//! | `recorded.rs` | what the journal has of a queue id |

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use dkim_core::UnixTime;
use engine::message::origin::Client;
use engine::trial::Incoming;

use super::keyring::{OfInstance, Source};
use super::verify::parse_time;
use crate::exit::{Exit, Failure, print};
use crate::mail::Mail;
use crate::tryout::{self, Dns, Kept, Tryout};

mod dkim;
mod dmarc;
mod edits;
mod envelope;
mod recorded;
mod report;

use self::envelope::Envelope;
use self::recorded::Recorded;
use self::report::Report;

/// For the end of `explain --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   the message is accepted, and DMARC has nothing against it
  1   it is refused or put into quarantine, or it fails DMARC
  2   not known now, try again later (DNS)
  64  the command line is wrong
  66  there is no such file, and no record of such a queue id
  78  the configuration or a zone file is wrong";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Message file, - for standard input; what is no file is a queue id of the MTA, whose record is looked up in the journal
    #[arg(value_name = "FILE|QUEUE-ID")]
    file: PathBuf,
    /// Address of the client [default: the one that the topmost Received field names]
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// What the client says in HELO [default: what the topmost Received field says]
    #[arg(long, value_name = "NAME")]
    helo: Option<String>,
    /// What the client says in MAIL FROM; `<>` for a null sender [default: Return-Path]
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// A recipient; may be given several times [default: X-Original-To or Delivered-To]
    #[arg(long, value_name = "ADDRESS")]
    rcpt: Vec<String>,
    #[command(flatten)]
    dns: Dns,
    #[command(flatten)]
    source: Keeping,
    /// Judge as of this time: 2026-11-24T12:00:00Z, or seconds since 1970 [default: that of the topmost Received field, else now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,
    /// Take every line feed of the file for CRLF, as the message was sent with [default: when its first line ends with one]
    #[arg(long)]
    crlf: bool,
}

/// Where the daemon keeps its things.
#[derive(Debug, clap::Args)]
struct Keeping {
    /// Configuration file of the daemon
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// State folder with the steps of enforcement and the journal [default: the one of the configuration, else postseal-data]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    of: OfInstance,
    /// Folder of the journal: for a queue id, and for the domains whose mail is known to pass [default: that of the configuration or of the state folder]
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
}

impl Keeping {
    fn kept(&self) -> Result<Kept, Failure> {
        let source = Source { state: self.state.clone(), config: self.config.clone(), of: self.of.clone() };
        let journal = source.journal(self.journal.as_deref())?;
        Ok(Kept { state: Some(source.state_dir()?), journal, tells_full: true })
    }
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let is_queue_id = args.file != Path::new("-") && args.file.try_exists().is_ok_and(|is_there| !is_there);
    if let Some(id) = args.file.to_str().filter(|_| is_queue_id) {
        let recorded = Recorded::find(&args.source.kept()?.journal, id)?;
        print(&recorded, json, out)?;
        return Ok(recorded.exit());
    }
    let (mail, had_line_feeds) = Mail::read_stored(&args.file, args.crlf)?;
    let mut envelope = Envelope::of(args, &mail)?;
    if had_line_feeds {
        envelope.assumed.push("line ends: CRLF, in place of the line feeds of the file");
    }
    let config = tryout::configuration(args.source.config.as_deref())?;
    let source = args.dns.source(&config)?;
    let Tryout { trial, known, notes } = tryout::trial(config, &source, &args.source.kept()?)?;
    let recipients: Vec<&[u8]> = envelope.rcpt_to.iter().map(Vec::as_slice).collect();
    let incoming = Incoming {
        client: Client::Ip(envelope.client, envelope::PORT),
        is_authenticated: envelope.is_authenticated,
        helo: &envelope.helo,
        mail_from: &envelope.mail_from,
        rcpt_to: &recipients,
        headers: &envelope.headers,
        body: mail.body(),
        at: envelope.at,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let tried = trial.run(&incoming).await;
        Report::of(&envelope, mail.body(), &tried, trial.rules(), &source, &known, notes).await
    });
    print(&report, json, out)?;
    if !json && report.has_broken_signature() && mail.has_bare_feeds() {
        writeln!(out, "the file has LF line ends among others, and signatures are made over CRLF: try `--crlf`")?;
    }
    Ok(report.exit())
}
