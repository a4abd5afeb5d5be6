//! `enforce`: takes a domain's failing mail from observing over quarantine to rejection, step by step, and stops where that would hit the wrong.
//!
//! It reads the journal of the daemon, decides, and writes the step into the state folder, where the daemon finds it within seconds. Run it again and
//! again, by a timer or with `--every`: each run is one decision.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dkim_core::domain::DomainName;
use engine::enforcement::file::{self, FileError};
use engine::enforcement::observe::Observation;
use engine::enforcement::walk::{self, apply, decide};
use engine::enforcement::walker::{Walker, WalkerError};
use engine::enforcement::{Ramp, Ramps, Standing, Thresholds};

use super::keyring::{Source, parse_domain};
use crate::exit::{Exit, Failure, print};
use crate::mail::now;

mod report;

use self::report::{Listing, Report};

/// For the end of `enforce --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   done; the domain is on its way or at the top
  1   a condition or somebody stopped it, and nothing is enforced; or the file or the journal cannot be read or written; or another
      process walks the domain
  64  the command line is wrong
  78  the configuration is wrong";

/// Options that change something about one domain.
const CHANGES: [&str; 7] = ["approve", "ignore", "step", "messages", "approved_failing", "new_source", "temperrors"];

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("action").multiple(false)))]
pub(crate) struct Args {
    /// Domain in the From field, with everything below it
    #[arg(value_parser = parse_domain, required_unless_present = "list")]
    domain: Option<DomainName>,
    /// Take the decision that is due: begin, go one step up, stay, or stop and go back
    #[arg(long, group = "action")]
    ramp: bool,
    /// With --ramp: decide again after this time (10min, 1h) and go on, at the top as well, where it watches for reasons to go back; it ends when the domain
    /// is stopped or forgotten. Other options are taken at the first decision
    #[arg(long, value_name = "TIME", requires = "ramp", value_parser = parse_period)]
    every: Option<Duration>,
    /// Say what would be decided, and change nothing
    #[arg(long, requires = "ramp", conflicts_with = "every")]
    dry_run: bool,
    /// Stop and go back to observing, with this reason
    #[arg(long, group = "action", value_name = "REASON")]
    stop: Option<String>,
    /// Go on from the bottom after a stop
    #[arg(long, group = "action")]
    resume: bool,
    /// Forget the domain: the mode of the configuration counts for it again
    #[arg(long, group = "action", conflicts_with_all = CHANGES)]
    forget: bool,
    /// Show every domain that is on its way
    #[arg(long, group = "action", conflicts_with_all = CHANGES, conflicts_with_all = ["domain", "journal"])]
    list: bool,
    /// A source whose mail is the domain's own: dkim:DOMAIN, spf:DOMAIN, ip:NETWORK (/24 or /64, with every host in it); may be given several times
    #[arg(long, value_name = "SOURCE", value_parser = parse_source)]
    approve: Vec<String>,
    /// A source that is none of the domain's, whatever it authenticates as; may be given several times
    #[arg(long, value_name = "SOURCE", value_parser = parse_source)]
    ignore: Vec<String>,
    #[command(flatten)]
    thresholds: ThresholdArgs,
    /// Folder of the journal [default: the one of the configuration, else `journal` in the state folder]
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

/// What may be changed of the thresholds of a domain; kept from one run to the next.
#[derive(Debug, clap::Args)]
struct ThresholdArgs {
    /// Time that a step lasts at least [default: 2d]
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    step: Option<Duration>,
    /// Messages of the domain that a step has to see; after four times its length it goes on with fewer [default: 100]
    #[arg(long, value_name = "NUMBER")]
    messages: Option<u64>,
    /// Percent of the mail of an approved source that may fail [default: 1]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    approved_failing: Option<u8>,
    /// Failing messages of a source that nobody knows, from which on it is one to look at [default: 10]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    new_source: Option<u64>,
    /// Percent of the mail that may be without a result because the DNS did not answer [default: 5]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    temperrors: Option<u8>,
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let state = args.source.state_dir()?;
    if !state.is_dir() {
        let cause = format!("there is no state folder {}", state.display());
        let fix = "name that of the daemon with `--state`, or its configuration with `--config`";
        return Err(Failure::new(Exit::Fail, cause, fix));
    }
    let Some(domain) = args.domain.as_ref().map(DomainName::as_str) else {
        let listing = Listing::of(&file::read(&state).map_err(|error| failure(&error))?);
        print(&listing, json, out)?;
        return Ok(Exit::Pass);
    };
    let journal = args.source.journal(args.journal.as_deref())?;
    let Some(period) = args.every else {
        let report = args.once(domain, &state, &journal, true)?.ok_or_else(|| not_begun(domain))?;
        print(&report, json, out)?;
        return Ok(report.exit());
    };
    let walker = Walker::take(&state, domain).map_err(|error| taken(&error))?;
    let exit = args.watch(domain, &state, &journal, period, json, out);
    drop(walker);
    exit
}

impl Args {
    /// Decides again and again, to the end of the domain's way; at the top it goes on, for the sake of the way back.
    fn watch(
        &self,
        domain: &str,
        state: &Path,
        journal: &Path,
        period: Duration,
        json: bool,
        out: &mut impl Write,
    ) -> Result<Exit, Failure> {
        let mut last: Option<String> = None;
        loop {
            match self.once(domain, state, journal, last.is_none()) {
                Ok(Some(report)) => {
                    let line = report.line();
                    if json || last.is_none() || report.is_news() {
                        print(&report, json, out)?;
                    } else if last.as_ref() != Some(&line) {
                        writeln!(out, "{} {line}", report::time(now().as_secs()))?;
                        out.flush()?;
                    }
                    if !report.goes_on() {
                        return Ok(report.exit());
                    }
                    last = Some(line);
                }
                Ok(None) => {
                    let cause = format!("{domain} was forgotten by another run, and is not walked any more");
                    return Err(Failure::new(
                        Exit::Fail,
                        cause,
                        format!("`postseal enforce {domain} --ramp` begins anew"),
                    ));
                }
                // What was wrong for a moment, such as a full disk, does not end a watch; before it has begun it is a mistake of somebody.
                Err(failure) if last.is_some() => {
                    failure.report(false, &mut io::sink(), &mut io::stderr().lock());
                }
                Err(failure) => return Err(failure),
            }
            std::thread::sleep(period);
        }
    }

    /// One decision, or one change; `None` for a domain that has to be begun first. Later decisions of a watch are not the `first` one: what the options
    /// say is said already, and somebody may have said something else since.
    fn once(&self, domain: &str, state: &Path, journal: &Path, first: bool) -> Result<Option<Report>, Failure> {
        // A watch has it already.
        let needs_walker = self.ramp && !self.dry_run && self.every.is_none();
        let _walker = needs_walker.then(|| Walker::take(state, domain)).transpose().map_err(|error| taken(&error))?;
        let now = now().as_secs();
        let known = file::read(state).map_err(|error| failure(&error))?;
        let ramp = known.domains.get(domain).filter(|_| self.ramp);
        let seen = if self.ramp { observe(journal, domain, ramp, now)? } else { Observation::default() };
        let change = |ramps: &mut Ramps| {
            // Somebody else has changed it while the journal was read: what was seen is about another step.
            let is_same =
                ramps.domains.get(domain).map(|ramp| ramp.since) == known.domains.get(domain).map(|it| it.since);
            if self.ramp && !is_same { None } else { Some(self.change(ramps, domain, &seen, now, first)) }
        };
        // Whoever only looks may be somebody who cannot write to the folder.
        let report = if self.dry_run || self.only_looks() {
            change(&mut known.clone())
        } else {
            file::update(state, change).map_err(|error| failure(&error))?
        };
        report.ok_or_else(|| {
            let fix = "run it again";
            Failure::new(Exit::Fail, format!("{domain} was changed by another run meanwhile"), fix)
        })
    }

    /// Whether nothing is to be decided or changed.
    fn only_looks(&self) -> bool {
        let acts = self.ramp || self.resume || self.forget || self.stop.is_some();
        !acts && self.approve.is_empty() && self.ignore.is_empty() && self.thresholds.is_empty()
    }

    /// `None` for a domain that has to be begun first.
    fn change(&self, ramps: &mut Ramps, domain: &str, seen: &Observation, now: u64, first: bool) -> Option<Report> {
        if self.forget {
            let ramp = ramps.domains.remove(domain)?;
            return Some(Report::new(domain, &ramp, None, seen).forgotten());
        }
        if self.ramp && first {
            let begin = || Ramp::begin(now, Thresholds::default());
            ramps.domains.entry(domain.to_owned()).or_insert_with(begin);
        }
        let ramp = ramps.domains.get_mut(domain)?;
        if first {
            self.thresholds.write(&mut ramp.thresholds);
            for source in &self.approve {
                ramp.ignored.remove(source);
                ramp.approved.insert(source.clone());
                ramp.named.insert(source.clone());
            }
            for source in &self.ignore {
                ramp.approved.remove(source);
                ramp.named.remove(source);
                ramp.ignored.insert(source.clone());
            }
        }
        let decision = if let Some(why) = &self.stop {
            ramp.stop(now, why);
            None
        } else if self.resume {
            if matches!(ramp.standing, Standing::Stopped(_)) {
                ramp.resume(now);
            }
            None
        } else if self.ramp {
            let decision = decide(ramp, seen, now);
            apply(ramp, &decision, seen, now);
            Some(decision)
        } else {
            None
        };
        let report = Report::new(domain, ramp, decision.as_ref(), seen);
        Some(if self.stop.is_some() { report.told() } else { report })
    }
}

impl ThresholdArgs {
    fn is_empty(&self) -> bool {
        let Self { step, messages, approved_failing, new_source, temperrors } = self;
        step.is_none()
            && messages.is_none()
            && approved_failing.is_none()
            && new_source.is_none()
            && temperrors.is_none()
    }

    fn write(&self, thresholds: &mut Thresholds) {
        thresholds.step = self.step.map_or(thresholds.step, |time| time.as_secs());
        thresholds.messages = self.messages.unwrap_or(thresholds.messages);
        thresholds.approved_failing = self.approved_failing.unwrap_or(thresholds.approved_failing);
        thresholds.new_source = self.new_source.unwrap_or(thresholds.new_source);
        thresholds.temperrors = self.temperrors.unwrap_or(thresholds.temperrors);
    }
}

fn observe(journal: &Path, domain: &str, ramp: Option<&Ramp>, now: u64) -> Result<Observation, Failure> {
    let seen = match ramp {
        Some(ramp) => {
            let (since, hosts_since) = (walk::since(ramp, now), walk::hosts_since(ramp, now));
            Observation::of_journal(journal, domain, since, hosts_since, &ramp.approved)
        }
        None => Observation::of_journal(journal, domain, now, now, &BTreeSet::new()),
    };
    seen.map_err(|error| {
        let cause = format!("the journal in {} cannot be read: {error}", journal.display());
        let fix = "name the folder with `--journal`, or the daemon's configuration with `--config`";
        Failure::new(Exit::Fail, cause, fix)
    })
}

fn not_begun(domain: &str) -> Failure {
    let fix = format!("begin with `postseal enforce {domain} --ramp`");
    Failure::new(Exit::Fail, format!("{domain} is not on its way to enforcement"), fix)
}

fn taken(error: &WalkerError) -> Failure {
    let fix = match error {
        WalkerError::Taken { .. } => {
            "leave it to that process, or end it first; `--approve`, `--ignore`, `--stop`, `--resume` and `--forget` without `--ramp` reach it"
        }
        WalkerError::Io { .. } => "check the path and who may write to it, or name the folder with `--state`",
    };
    Failure::new(Exit::Fail, error.to_string(), fix)
}

fn failure(error: &FileError) -> Failure {
    let fix = match error {
        FileError::Io { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
            "find the process with `fuser FILE` and end it if it hangs, then run this again"
        }
        FileError::Io { .. } => "check the path and who may write to it, or name the folder with `--state`",
        FileError::Content { .. } => "mend the file, or remove it to begin anew: what it said is lost then",
    };
    Failure::new(Exit::Fail, error.to_string(), fix)
}

fn parse_period(text: &str) -> Result<Duration, String> {
    engine::config::parse_duration(text)
        .and_then(|time| if time < Duration::from_secs(1) { Err("a second at least".to_owned()) } else { Ok(time) })
}

/// A source as the journal tells it.
fn parse_source(text: &str) -> Result<String, String> {
    const FORMS: &str = "write dkim:DOMAIN, spf:DOMAIN or ip:NETWORK";
    let (kind, name) = text.split_once(':').ok_or(FORMS)?;
    match kind {
        "dkim" | "spf" => Ok(format!("{kind}:{}", parse_domain(name)?)),
        "ip" => {
            let (address, length) = name.split_once('/').unwrap_or((name, ""));
            let address: std::net::IpAddr = address.parse().map_err(|_| format!("{address} is no address"))?;
            let counted = if address.to_canonical().is_ipv4() { "24" } else { "64" };
            if !length.is_empty() && length != counted {
                return Err(format!("sources are told apart by /{counted}; name each of them"));
            }
            Ok(format!("ip:{}", engine::enforcement::observe::network_of(address)))
        }
        _ => Err(FORMS.to_owned()),
    }
}
