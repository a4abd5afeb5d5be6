//! The commands, one module each.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use ledger::store::{Store, migrate};

use crate::exit::{Exit, Failure};
use crate::place::Place;

pub(crate) mod db;
pub(crate) mod expire;
pub(crate) mod import;
pub(crate) mod outgoing;
pub(crate) mod send;

pub(crate) fn run(command: &super::Command, place: &Place, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let level = if json { "error" } else { "warn" };
    log_to_standard_error(level);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            super::Command::Import(args) => import::run(args, place, json, out).await,
            super::Command::Send(args) => send::run(args, place, json, out).await,
            super::Command::Expire(args) => expire::run(args, place, json, out).await,
            super::Command::Outgoing(command) => outgoing::run(command, place, json, out).await,
            super::Command::Db(command) => db::run(command, place, json, out).await,
        }
    })
}

/// What is told on the way goes to standard error.
fn log_to_standard_error(level: &str) {
    let filter = tracing_subscriber::EnvFilter::new(level);
    // A second one in a test stays away.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).try_init();
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Refuses a database that is not there, or whose tables are not those of this program: for commands that make nothing.
pub(crate) async fn expect_tables(store: &mut Store) -> Result<(), Failure> {
    const FIX: &str = "call `postseal-report db migrate` or `import`, or name another with `--database`";
    expect_folder(store)?;
    if let Some(path) = store.url().path().filter(|path| !path.exists()) {
        return Err(Failure::new(Exit::Fail, format!("there is no database {}", path.display()), FIX));
    }
    let schema = migrate::check(store).await?;
    if schema.is_current() {
        return Ok(());
    }
    let cause =
        format!("the database {}: its tables are of version {} and not {}", store.url(), schema.version, schema.wanted);
    Err(Failure::new(Exit::Fail, cause, FIX))
}

/// Makes the tables, or brings them to the version of this program.
pub(crate) async fn make_tables(store: &mut Store) -> Result<usize, Failure> {
    expect_folder(store)?;
    Ok(migrate::migrate(store, now()).await?)
}

/// Refuses a database in a folder that is not there: it is the daemon's state folder, most likely, and named wrongly.
pub(crate) fn expect_folder(store: &Store) -> Result<(), Failure> {
    let Some(path) = store.url().path() else { return Ok(()) };
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return Ok(());
    };
    let cause = format!("the folder {} does not exist", folder.display());
    let fix = "name the daemon's configuration with `--config` or its state folder with `--state`; the daemon makes that folder at its start";
    Err(Failure::new(Exit::Fail, cause, fix))
}
