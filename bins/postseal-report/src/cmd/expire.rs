//! `expire`: takes away what is old.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use ledger::expire::{Expired, KEEP_AT_LEAST, Keep, expire};
use serde_json::json;

use super::{make_tables, now};
use crate::exit::{Exit, Failure};
use crate::place::Place;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long rows of days and reports are kept; not less than 7d
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = engine::config::parse_duration)]
    keep: Duration,
    /// How long the sums of days are kept; not less than rows
    #[arg(long, value_name = "TIME", default_value = "400d", value_parser = engine::config::parse_duration)]
    keep_totals: Duration,
}

pub(crate) async fn run(args: &Args, place: &Place, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    if args.keep < KEEP_AT_LEAST {
        let cause = "`--keep` is shorter than 7d: reports may still be on their way then";
        return Err(Failure::new(Exit::Usage, cause, "write `--keep 7d` or more"));
    }
    if args.keep_totals < args.keep {
        let cause = "`--keep-totals` is shorter than `--keep`: rows would have no sums";
        return Err(Failure::new(Exit::Usage, cause, "write the same time or a longer one"));
    }
    let mut store = place.store(&place.find()?)?;
    make_tables(&mut store).await?;
    let is_shown = !json && std::io::stderr().is_terminal();
    let progress = |expired: &Expired| {
        if is_shown {
            eprint!("\r{} rows ", expired.rows);
        }
    };
    let expired = expire(&mut store, Keep::new(args.keep, args.keep_totals), now(), progress).await?;
    tell(&expired, json, out)?;
    Ok(Exit::Pass)
}

fn tell(expired: &Expired, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let Expired { rows, totals, reports, unsent, others, names } = *expired;
    if json {
        let value = json!({
            "rows": rows, "totals": totals, "reports": reports, "unsent": unsent, "others": others, "names": names,
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    write!(out, "{rows} rows, {reports} reports and {totals} sums of days were old and are gone")?;
    if unsent > 0 {
        write!(out, "; {unsent} of the reports were never sent")?;
    }
    writeln!(out)?;
    Ok(())
}
