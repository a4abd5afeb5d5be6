//! `dns check`: every key of a domain beside what the DNS has, with the mend for each difference (M14), its SPF record (M18), and DMARC.
//!
//! It asks the DNS as receivers do: a zone file that the configuration names for the daemon is not looked at, only one that `--zone` names.

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dkim_core::domain::{DomainName, Selector};
use engine::config;
use engine::dns::Resolver;
use engine::keys::published::{self, KeyReport, OwnKey, Severity, State};
use engine::keys::{FailedKey, LoadedKey, rsa_bits};
use serde::Serialize;
use spf_core::name::Name;
use tokio::task::JoinSet;

use super::super::keyring::{Keyring, Source, parse_domain};
use super::super::spf::{self, Examined, Source as Asked};
use super::dmarc;
use crate::exit::{Exit, Failure, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Domain; of one without a key here, SPF and DMARC are looked at
    #[arg(value_parser = parse_domain)]
    domain: DomainName,
    /// Check this key only; may be given several times [default: all keys of the domain, its SPF record, and DMARC]
    #[arg(long, value_parser = |text: &str| Selector::parse(text).map_err(|error| error.to_string()))]
    selector: Vec<Selector>,
    /// Name server to ask, ADDRESS:PORT; may be given several times [default: those of the configuration, else of the system]
    #[arg(long, value_name = "ADDRESS")]
    nameserver: Vec<SocketAddr>,
    /// Zone file to look into, in place of the DNS; with `--nameserver`, the servers are asked for names that are not in it
    #[arg(long, value_name = "FILE")]
    zone: Option<PathBuf>,
    /// Seconds for the survey of the SPF record, and for the questions about DMARC
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = spf::parse_seconds)]
    timeout: Duration,
    #[command(flatten)]
    source: Source,
}

/// The state of the keys of a domain that has none here.
const NO_KEY: &str = "no-key";

/// What was found about a domain.
#[derive(Debug, Serialize)]
struct Report {
    domain: String,
    /// Of the keys; `no-key` where there is none to compare.
    state: &'static str,
    keys: Vec<KeyRow>,
    /// `None` when single keys were asked for.
    spf: Option<Examined>,
    /// As `spf`.
    dmarc: Option<dmarc::Examined>,
}

#[derive(Debug, Serialize)]
struct KeyRow {
    selector: String,
    name: String,
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    bits: Option<usize>,
    file: PathBuf,
    /// `matches`, `mismatch`, `unknown`; `unusable` for a key that cannot sign.
    state: &'static str,
    findings: Vec<FindingRow>,
    /// The record to publish, for a zone file.
    record: Option<String>,
}

#[derive(Debug, Serialize)]
struct FindingRow {
    severity: Severity,
    code: String,
    what: String,
    fix: String,
    /// Whether `record` is to be published.
    publish: bool,
}

pub(super) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let dns = args.source.read_config()?.map_or_else(config::Dns::default, |config| config.dns);
    let ring = args.source.keyring()?;
    let (all, failed) = keys_of(&ring, args);
    let owns: Arc<[OwnKey]> = all.iter().map(|(own, _)| own.clone()).collect();
    let loaded: Vec<_> = all.into_iter().filter(|(own, _)| args.wants(&own.selector)).collect();
    if let Some(missing) = args.selector.iter().find(|selector| {
        loaded.iter().all(|(own, _)| own.selector != **selector) && failed.iter().all(|key| key.selector != **selector)
    }) {
        let cause = format!("there is no key with the selector {missing} for {}", args.domain);
        return Err(Failure::new(Exit::Fail, cause, "`postseal key list` shows all keys"));
    }
    let has_keys = !loaded.is_empty() || !failed.is_empty();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (reports, spf, dmarc) = runtime.block_on(async {
        let asked = Asked::new(dns, &args.nameserver, args.zone.as_deref())?;
        let reports = check_all(&asked.resolver, loaded.iter().map(|(own, _)| own.clone()), &owns);
        Ok::<_, Failure>(tokio::join!(reports, check_spf(&asked, args), check_dmarc(&asked, args)))
    })?;
    let mut rows: Vec<KeyRow> = failed.iter().map(|key| KeyRow::failed(key, &args.domain)).collect();
    rows.extend(loaded.iter().zip(&reports).map(|((own, key), report)| KeyRow::of(own, key, report)));
    // Others may sign for the domain, or nobody: its other records are looked at all the same.
    let (exit, state) = if has_keys { verdict(&rows) } else { (Exit::Pass, NO_KEY) };
    let exit = spf.as_ref().map_or(exit, |spf| exit.or_worse(spf.exit()));
    let dmarc = dmarc.map(|mut dmarc| {
        let keys = if has_keys { keys_published(&rows) } else { dmarc::Keys::Unknown };
        dmarc.compare(keys, spf.as_ref().and_then(Examined::lets_anybody_pass));
        dmarc
    });
    let exit = dmarc.as_ref().map_or(exit, |dmarc| exit.or_worse(dmarc.exit()));
    print(&Report { domain: args.domain.to_string(), state, keys: rows, spf, dmarc }, json, out)?;
    Ok(exit)
}

/// The domain's SPF record, unless single keys were asked for. A domain that signs may be one that no mail is sent from, and needs none.
async fn check_spf(source: &Asked, args: &Args) -> Option<Examined> {
    // What is no domain to SPF has no record either.
    let domain = Name::from_domain(args.domain.as_str()).ok().filter(|_| args.selector.is_empty())?;
    let mut examined = spf::examine(source, domain, args.timeout).await;
    examined.let_be_without_record();
    Some(examined)
}

/// DMARC for the domain, unless single keys were asked for.
async fn check_dmarc(source: &Asked, args: &Args) -> Option<dmarc::Examined> {
    if !args.selector.is_empty() {
        return None;
    }
    Some(dmarc::examine(source, &args.domain, args.timeout).await)
}

/// Whether receivers can verify with any of the keys.
fn keys_published(rows: &[KeyRow]) -> dmarc::Keys {
    let has = |state: State| rows.iter().any(|row| row.state == state.as_str());
    if has(State::Matches) {
        dmarc::Keys::Published
    } else if has(State::Unknown) {
        dmarc::Keys::Unknown
    } else {
        dmarc::Keys::Missing
    }
}

impl Args {
    fn wants(&self, selector: &Selector) -> bool {
        self.selector.is_empty() || self.selector.contains(selector)
    }
}

/// The keys of the domain, once each since several rules may sign with one; and those that were asked for and cannot be used.
fn keys_of<'r>(ring: &'r Keyring, args: &Args) -> (Vec<(OwnKey, &'r LoadedKey)>, Vec<&'r FailedKey>) {
    let (mut loaded, mut failed): (Vec<(OwnKey, &LoadedKey)>, Vec<&FailedKey>) = (Vec::new(), Vec::new());
    for (index, rule) in ring.domains.rules().iter().enumerate().filter(|(_, rule)| rule.signing_domain == args.domain)
    {
        let Some(keys) = ring.keys.of_rule(index) else { continue };
        for key in &keys.usable {
            let own = OwnKey::new(&key.selector, &rule.signing_domain, &*key.key, rule.options.identity.as_ref());
            match loaded.iter_mut().find(|(known, _)| known.record == own.record) {
                Some((known, _)) => known.signs_below_domain |= own.signs_below_domain,
                None => loaded.push((own, key)),
            }
        }
        for key in keys.failed.iter().filter(|key| args.wants(&key.selector)) {
            if !failed.contains(&key) {
                failed.push(key);
            }
        }
    }
    (loaded, failed)
}

/// `keys` at once, the reports in their order. A mix-up with any key of ours is told.
async fn check_all(resolver: &Resolver, keys: impl Iterator<Item = OwnKey>, ours: &Arc<[OwnKey]>) -> Vec<KeyReport> {
    let mut running = JoinSet::new();
    for (index, own) in keys.enumerate() {
        let (resolver, others) = (resolver.clone(), Arc::clone(ours));
        running.spawn(async move { (index, published::check(&resolver, &own, &others).await) });
    }
    let mut reports = running.join_all().await;
    reports.sort_by_key(|(index, _)| *index);
    reports.into_iter().map(|(_, report)| report).collect()
}

impl KeyRow {
    fn of(own: &OwnKey, key: &LoadedKey, report: &KeyReport) -> Self {
        let finding = |problem: &published::Problem| FindingRow {
            severity: problem.severity(),
            code: problem.code().to_owned(),
            what: problem.what(own),
            fix: problem.fix(own),
            publish: problem.needs_record(),
        };
        Self {
            selector: own.selector.to_string(),
            name: own.record.name.clone(),
            kind: Some(own.key_type().as_str()),
            bits: rsa_bits(&*key.key),
            file: key.file.clone(),
            state: report.state.as_str(),
            findings: report.findings.iter().map(finding).collect(),
            record: Some(own.zone_line()),
        }
    }

    /// A key that does not sign: whatever the DNS has for it, it is of no use.
    fn failed(key: &FailedKey, domain: &DomainName) -> Self {
        let finding = FindingRow {
            severity: Severity::Failure,
            code: key.code.as_str().to_owned(),
            what: format!("{}: the key cannot be used: {}", key.file.display(), key.cause),
            fix: key.fix.clone(),
            publish: false,
        };
        Self {
            selector: key.selector.to_string(),
            name: format!("{}._domainkey.{domain}", key.selector),
            kind: None,
            bits: None,
            file: key.file.clone(),
            state: "unusable",
            findings: vec![finding],
            record: None,
        }
    }
}

/// What all keys together come to. What is certainly wrong counts more than what is not known.
fn verdict(rows: &[KeyRow]) -> (Exit, &'static str) {
    let has = |severity| rows.iter().flat_map(|row| &row.findings).any(|finding| finding.severity == severity);
    if has(Severity::Failure) {
        (Exit::Fail, State::Mismatch.as_str())
    } else if has(Severity::Unanswered) {
        (Exit::Temp, State::Unknown.as_str())
    } else if has(Severity::Warning) {
        (Exit::Fail, State::Matches.as_str())
    } else {
        (Exit::Pass, State::Matches.as_str())
    }
}

impl fmt::Display for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        match (self.kind, self.bits) {
            (Some(kind), Some(bits)) => write!(f, " ({kind}, {bits} bits)")?,
            (Some(kind), None) => write!(f, " ({kind})")?,
            _ => {}
        }
        writeln!(f, ": {}", self.state)?;
        for FindingRow { severity, code, what, fix, .. } in &self.findings {
            writeln!(f, "  {}[{code}]: {what}", severity.as_str())?;
            if *severity != Severity::Note {
                writeln!(f, "    fix: {fix}")?;
            }
        }
        match &self.record {
            Some(record) if self.findings.iter().any(|finding| finding.publish) => write!(f, "  the record:\n{record}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.state == NO_KEY {
            writeln!(f, "{}: no key is configured for it, so there is none to compare with the DNS", self.domain)?;
            let new = format!("make one with `postseal key new {}`", self.domain);
            writeln!(
                f,
                "  fix: if it is to sign, {new}, or name the folder with `--state` or the file with `--config`"
            )?;
        }
        self.keys.iter().try_for_each(|row| write!(f, "{row}"))?;
        self.spf.as_ref().map_or(Ok(()), |spf| spf.write_short(f))?;
        self.dmarc.as_ref().map_or(Ok(()), |dmarc| dmarc.write_short(f))
    }
}
