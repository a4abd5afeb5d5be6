//! The commands, one module each.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

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
