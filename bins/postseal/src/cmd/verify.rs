//! `verify`: every DKIM signature of a message, its result, and why.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use dkim_core::UnixTime;
use engine::config::{self, Config};
use engine::dns::{Resolver, Zone};

use crate::exit::{Exit, Failure, print};
use crate::mail::{Mail, now};
use crate::verification;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Message file, - for standard input
    file: PathBuf,
    /// Zone file with the keys, in place of the DNS
    #[arg(long, value_name = "FILE")]
    zone: Option<PathBuf>,
    /// Name server to ask, ADDRESS:PORT; may be given several times [default: those of the system]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "zone")]
    nameserver: Vec<SocketAddr>,
    /// Configuration file, for its sections dns, verify and limits
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Take line feeds of the file for CRLF, as the message was sent with
    #[arg(long)]
    crlf: bool,
    /// Verify as of this time: 2026-11-24T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<UnixTime>,
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let mail = Mail::read(&args.file, args.crlf)?;
    let mut config = match &args.config {
        Some(file) => config::load(file).map_err(Failure::config)?.0,
        None => Config::default(),
    };
    if !args.nameserver.is_empty() {
        config.dns.nameservers.clone_from(&args.nameserver);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let resolver = match &args.zone {
            Some(file) => Resolver::offline(Zone::load(file).map_err(Failure::config)?, engine::BACKEND),
            None => Resolver::new(&config.dns, engine::BACKEND).map_err(Failure::config)?,
        };
        let policy = config.verify.policy(&config.limits);
        Ok::<_, Failure>(verification::verify(&mail, &resolver, args.at.unwrap_or_else(now), &policy).await)
    })?;
    print(&report, json, out)?;
    if !json && report.exit() == Exit::Fail && !report.signatures.is_empty() && mail.has_bare_feeds() {
        writeln!(out, "the file has LF line ends, and signatures are made over CRLF: try `--crlf`")?;
    }
    Ok(report.exit())
}

pub(crate) fn parse_time(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime::from_secs(seconds));
    }
    let time: jiff::Timestamp =
        text.parse().map_err(|_| "write it as 2026-11-24T12:00:00Z or in seconds".to_owned())?;
    u64::try_from(time.as_second()).map(UnixTime::from_secs).map_err(|_| "the time is before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_seconds() {
        assert_eq!(parse_time("2026-11-24T12:00:00Z"), Ok(UnixTime::from_secs(1_795_521_600)));
        assert_eq!(parse_time("2026-11-24T13:00:00+01:00"), Ok(UnixTime::from_secs(1_795_521_600)));
        assert_eq!(parse_time("1795521600"), Ok(UnixTime::from_secs(1_795_521_600)));
        for text in ["yesterday", "-5", "1969-01-01T00:00:00Z", ""] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
