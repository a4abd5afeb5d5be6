//! `import`: from the journal to the database, once to its end or as it comes.
//!
//! A database that is away, busy or full is tried again, with pauses that double up to a minute: what was read waits in memory, the rest in the journal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use ledger::rollup::{ImportError, Importer, Met, Stopped};
use ledger::store::{Store, StoreError, migrate};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{expect_folder, now};
use crate::exit::{Exit, Failure};
use crate::place::Place;

/// Pause before the journal is looked at for more.
const LOOK: Duration = Duration::from_millis(500);

/// The first pause after a database that could not be used, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(60));

/// How often progress is shown.
const SHOW: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End at the end of the journal
    #[arg(long)]
    once: bool,
    /// How long what was read gathers before it is written: 30s, 5min
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = engine::config::parse_duration, conflicts_with = "once")]
    flush: Duration,
    /// With --once, how long a database that cannot be used is tried again
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = engine::config::parse_duration, requires = "once")]
    patience: Duration,
}

pub(crate) async fn run(args: &Args, place: &Place, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let found = place.find()?;
    let settings = place.settings(&found)?;
    expect_folder(&place.store(&found)?)?;
    let mut stop = Stop::new()?;
    let mut again = Again::new(args);
    let mut importer = loop {
        match open(place.store(&found)?, &settings).await {
            Ok(importer) => break importer,
            Err(ImportError::Store(error)) => again.wait(error, &mut stop).await?,
            Err(error) => return Err(error.into()),
        }
        if stop.is_set {
            return Ok(Exit::Pass);
        }
    };
    again.rest();
    let mut sum = Met::default();
    let begun = Instant::now();
    let mut shown = begun;
    let mut flushed = begun;
    loop {
        let stopped = importer.read()?;
        let is_due = stopped == Stopped::Full || args.once || stop.is_set || flushed.elapsed() >= args.flush;
        if is_due {
            let Some(met) = write(&mut importer, &mut again, &mut stop).await? else { return Ok(Exit::Temp) };
            flushed = Instant::now();
            sum.add(&met);
            if !args.once && met != Met::default() {
                tell(&met, json, out)?;
            }
        }
        if stopped == Stopped::End && (args.once || stop.is_set) && !importer.is_rewound() {
            break;
        }
        if args.once && !json && shown.elapsed() >= SHOW && std::io::stderr().is_terminal() {
            shown = Instant::now();
            eprint!("\r{} messages, {} s ", sum.messages, begun.elapsed().as_secs());
        }
        if stopped == Stopped::End {
            let due = args.flush.saturating_sub(flushed.elapsed());
            stop.or_after(if importer.is_waiting() { LOOK.min(due) } else { LOOK }).await;
        }
    }
    if args.once {
        tell(&sum, json, out)?;
    }
    Ok(Exit::Pass)
}

async fn open(mut store: Store, settings: &ledger::rollup::Settings) -> Result<Importer, ImportError> {
    migrate::migrate(&mut store, now()).await?;
    Importer::open(store, settings.clone()).await
}

/// Writes until it is written; `None` when the program is to end and the database cannot be used.
async fn write(importer: &mut Importer, again: &mut Again, stop: &mut Stop) -> Result<Option<Met>, Failure> {
    loop {
        match importer.write(now()).await {
            Ok(met) => {
                again.rest();
                return Ok(Some(met));
            }
            Err(error) if stop.is_set => {
                tracing::warn!("{error}; what was not written is read again at the next start");
                return Ok(None);
            }
            Err(error) => again.wait(error, stop).await?,
        }
    }
}

fn tell(met: &Met, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let Met { messages, counted, lost, damaged, torn, gaps } = *met;
    if json {
        let value = json!({ "messages": messages, "counted": counted, "lost": lost, "damaged": damaged, "torn": torn, "gaps": gaps });
        writeln!(out, "{value}")?;
    } else {
        write!(out, "{messages} messages read, {counted} of them counted for reports")?;
        for (number, what) in [
            (lost, "records that the daemon could not write"),
            (damaged, "octets that are no record"),
            (gaps, "times segments were removed before they were read"),
        ] {
            if number > 0 {
                write!(out, "; {number} {what}")?;
            }
        }
        writeln!(out)?;
    }
    out.flush()?;
    Ok(())
}

/// Pauses after a database that could not be used.
struct Again {
    pause: Duration,
    /// How long in all; for ever without.
    patience: Option<Duration>,
    since: Option<Instant>,
}

impl Again {
    fn new(args: &Args) -> Self {
        Self { pause: BACK_OFF.0, patience: args.once.then_some(args.patience), since: None }
    }

    fn rest(&mut self) {
        if self.since.take().is_some() {
            tracing::warn!("the database is used again");
        }
        self.pause = BACK_OFF.0;
    }

    /// Waits, or gives the error back when waiting is over or of no use.
    async fn wait(&mut self, error: StoreError, stop: &mut Stop) -> Result<(), Failure> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_over = self.patience.is_some_and(|patience| since.elapsed() >= patience);
        if is_over || !error.trouble.may_pass() {
            return Err(error.into());
        }
        if self.pause == BACK_OFF.0 {
            tracing::warn!("{error}; it is tried again, nothing is lost");
        }
        stop.or_after(self.pause).await;
        self.pause = self.pause.saturating_mul(2).min(BACK_OFF.1);
        Ok(())
    }
}

/// Whether SIGTERM or SIGINT came.
struct Stop {
    is_set: bool,
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            is_set: false,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn or_after(&mut self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = self.terminate.recv() => self.is_set = true,
            _ = self.interrupt.recv() => self.is_set = true,
        }
    }
}
