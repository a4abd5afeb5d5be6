//! `db`: the database itself.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ledger::store::migrate;
use ledger::{dump, export, rollup};
use serde_json::json;

use super::{expect_tables, make_tables};
use crate::exit::{EXIT_CODES, Exit, Failure};
use crate::place::Place;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make the tables, or bring them to the version of this program
    #[command(after_help = EXIT_CODES)]
    Migrate,
    /// Tell whether the tables are those of this program, and how far the journal of each node is counted
    #[command(after_help = EXIT_CODES)]
    Check,
    /// Write the rows of the days to standard output
    #[command(after_help = EXIT_CODES)]
    Export {
        /// How rows are written
        #[arg(long, value_enum, default_value_t = Format::Ndjson)]
        format: Format,
        /// Only this day (UTC), such as 2026-11-24
        #[arg(long, value_name = "DAY", value_parser = parse_day)]
        day: Option<i64>,
    },
    /// Write all of the database, as it is at one moment, to a new file; `-` is standard output
    #[command(after_help = EXIT_CODES)]
    Backup {
        /// The file
        file: PathBuf,
    },
    /// Read a backup into an empty database, of the same kind or another
    #[command(after_help = EXIT_CODES)]
    Restore {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line
    Ndjson,
    /// Comma-separated values
    Csv,
}

pub(crate) async fn run(command: &Command, place: &Place, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let found = place.find()?;
    let mut store = place.store(&found)?;
    match command {
        Command::Migrate | Command::Restore { .. } => {}
        // It tells what is wrong with the tables by itself.
        Command::Check if store.url().path().is_none_or(|path| path.exists()) => {}
        Command::Check | Command::Export { .. } | Command::Backup { .. } => expect_tables(&mut store).await?,
    }
    match command {
        Command::Migrate => {
            let steps = make_tables(&mut store).await?;
            if json {
                writeln!(
                    out,
                    "{}",
                    json!({ "database": store.url().place(), "steps": steps, "version": migrate::VERSION })
                )?;
            } else {
                writeln!(out, "{}: version {}, {steps} steps done now", store.url(), migrate::VERSION)?;
            }
        }
        Command::Check => return check(&mut store, json, out).await,
        Command::Export { format, day } => {
            let format = match format {
                Format::Ndjson => export::Format::Ndjson,
                Format::Csv => export::Format::Csv,
            };
            let days = day.map_or((0, i64::MAX), |day| (day, day));
            export::rows(&mut store, format, days, &mut BufWriter::new(out)).await?;
        }
        Command::Backup { file } => {
            if file == Path::new("-") {
                dump::backup(&mut store, &mut BufWriter::new(out)).await?;
                return Ok(Exit::Pass);
            }
            let made = OpenOptions::new().write(true).create_new(true).mode(0o640).open(file);
            let made = made.map_err(|error| unusable(file, &error))?;
            let mut writer = BufWriter::new(made);
            let rows = dump::backup(&mut store, &mut writer).await?;
            writer
                .into_inner()
                .map_err(|error| unusable(file, error.error()))?
                .sync_all()
                .map_err(|error| unusable(file, &error))?;
            told(json, "written", rows, out)?;
        }
        Command::Restore { file } => {
            let file = File::open(file).map_err(|error| unusable(file, &error))?;
            make_tables(&mut store).await?;
            let rows = dump::restore(&mut store, &mut BufReader::new(file)).await?;
            told(json, "restored", rows, out)?;
        }
    }
    Ok(Exit::Pass)
}

async fn check(store: &mut ledger::store::Store, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let schema = migrate::check(store).await?;
    let nodes = if schema.is_current() { rollup::nodes(store).await? } else { Vec::new() };
    if json {
        let value = json!({
            "database": store.url().place(), "kind": store.engine().as_str(), "version": schema.version, "wanted": schema.wanted, "nodes": nodes,
        });
        writeln!(out, "{value:#}")?;
    } else {
        writeln!(out, "{}: {}, tables of version {}", store.url(), store.engine().as_str(), schema.version)?;
        if !schema.is_current() {
            writeln!(out, "  this program works with version {}: call `postseal-report db migrate`", schema.wanted)?;
        }
        for node in &nodes {
            let name = node.node.escape_debug();
            if node.segment.is_empty() {
                writeln!(out, "{name}: nothing is counted yet, its journal was empty")?;
            } else {
                writeln!(
                    out,
                    "{name}: counted to {} of {}; {} messages, {} of them in rows",
                    node.octets,
                    node.segment.escape_debug(),
                    node.messages,
                    node.counted
                )?;
            }
            if node.lost > 0 || node.damaged > 0 || node.gaps > 0 {
                writeln!(
                    out,
                    "  missing: {} records that the daemon could not write, {} octets that are no record, {} times segments were removed before they were read",
                    node.lost, node.damaged, node.gaps
                )?;
            }
        }
    }
    Ok(if schema.is_current() { Exit::Pass } else { Exit::Fail })
}

fn told(json: bool, what: &str, rows: u64, out: &mut impl Write) -> io::Result<()> {
    if json { writeln!(out, "{}", json!({ "rows": rows })) } else { writeln!(out, "{rows} rows {what}") }
}

fn unusable(file: &Path, error: &io::Error) -> Failure {
    let fix = if error.kind() == io::ErrorKind::AlreadyExists {
        "name a new one: a backup never replaces a file"
    } else {
        ""
    };
    Failure::new(Exit::Fail, format!("{}: {error}", file.display()), fix)
}

/// Days since the epoch.
pub(super) fn parse_day(text: &str) -> Result<i64, String> {
    let refused = || "write a day as 2026-11-24".to_owned();
    let date: jiff::civil::Date = text.parse().map_err(|_| refused())?;
    let span = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).map_err(|_| refused())?;
    Ok(i64::from(span.get_days()))
}
