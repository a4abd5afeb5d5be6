//! `opendkim-testkey`: is what the DNS has the public half of the key, and can receivers use it.
//!
//! With `-d` and `-s` one key is checked, with `-k` against its private half; without them, every key of the KeyTable. The lines and exit codes are those
//! of the old tool; what is wrong and how it is mended stands below them, as `postseal dns check` says it.
//!
//! Other than there, a KeyTable may be of the type `refile:`, a key that cannot be read does not end the walk, Ed25519 keys are compared, and a walk in
//! which a key failed does not end with 0. DNSSEC is not looked at here: "not secure" is what the old tool says of every zone that is not signed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use dkim_core::crypto::SigningKey;
use dkim_core::domain::{DomainName, Selector};
use engine::config::Diagnostics;
use engine::config::diagnostics::EXIT_CONFIG;
use engine::dataset::KeyLocation;
use engine::dns::Resolver;
use engine::keys::load;
use engine::keys::published::{self, KeyReport, OwnKey, Severity};
use tokio::runtime::Runtime;

use super::super::keyring::parse_domain;
use super::super::spf::Source;
use super::args::{Given, Rule, Takes};
use super::found::{self, UNAVAILABLE, Verdict};
use super::tables::{Config, Entry, Table};
use super::testmsg::nameservers;
use super::{Console, Stop, code, system, warn_of_rest};

pub(super) const RULES: [Rule; 9] = [
    Rule::new('d', "domain", Takes::Text),
    Rule::new('k', "key", Takes::Text),
    Rule::new('s', "selector", Takes::Text),
    Rule::new('v', "verbose", Takes::Count),
    Rule::new('x', "config", Takes::Text),
    Rule::long("nameserver", Takes::Text),
    Rule::long("zone", Takes::Text),
    Rule::long("version", Takes::Nothing),
    Rule::long("help", Takes::Nothing),
];

pub(super) const USAGE: &str = "\
usage: opendkim-testkey [options]
  -d, --domain NAME         domain that signs
  -k, --key FILE            private key, to compare
  -s, --selector NAME       selector of the key
  -v, --verbose             say more; -vvv says `key OK` as well
  -x, --config FILE         opendkim.conf with KeyTable, or Domain, Selector and KeyFile [/etc/opendkim.conf]
      --nameserver ADDRESS  name server to ask, ADDRESS:PORT; may be given several times [those of the system]
      --zone FILE           zone file to look into, in place of the DNS
      --version             print the version
      --help                print this
checks one key with -d and -s, without them every key of the KeyTable
exit codes: 0 receivers can verify with it, 65 it is another key, 69 there is no key that they can use, 71 the private key cannot be read,
78 the command line or the configuration is wrong
";

/// Who may read or write a private key beside its owner: nobody.
const UNSAFE: u32 = 0o066;

/// One run: where it writes, and whom it asks.
struct Check<'a, 'c> {
    console: &'a mut Console<'c>,
    verbosity: usize,
    resolver: Resolver,
    runtime: Runtime,
    is_dnssec_told: bool,
}

pub(super) fn run(given: &Given, console: &mut Console<'_>) -> Result<u8, Stop> {
    warn_of_rest(given, console);
    let config = Config::read(given.text("config"))?.unwrap_or_default();
    let dns = engine::config::Dns { nameservers: config.nameservers.clone(), ..engine::config::Dns::default() };
    let source = Source::new(dns, &nameservers(given)?, given.text("zone").map(Path::new));
    let resolver = source.map_err(|failure| Stop::of(EXIT_CONFIG, failure))?.resolver;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let verbosity = given.count("verbose");
    let mut check = Check { console, verbosity, resolver, runtime, is_dnssec_told: false };
    let named = ["domain", "selector", "key"].iter().any(|name| given.text(name).is_some());
    if let Some(table) = config.key_table.as_ref().filter(|_| !named) {
        return check.table(&Table::read(table)?);
    }
    let domains: Vec<&str> = match given.utf8("domain")? {
        Some(domain) => vec![domain],
        None => config.domains.iter().map(String::as_str).collect(),
    };
    let selector = given.utf8("selector")?.or(config.selector.as_deref());
    let (Some(selector), false) = (selector, domains.is_empty()) else {
        let cause = "a domain (-d) and a selector (-s) are wanted, or a configuration file (-x) with a KeyTable";
        return Err(Stop { shows_usage: true, ..Stop::new(EXIT_CONFIG, cause, "") });
    };
    let file = given.text("key").map(Path::new).or(config.key_file.as_deref());
    let mut worst = code::OK;
    for domain in domains {
        let (selector, domain) = named_key(selector, domain)?;
        worst = or_worse(worst, check.one(&selector, &domain, file)?);
    }
    Ok(worst)
}

fn named_key(selector: &str, domain: &str) -> Result<(Selector, DomainName), Stop> {
    let refused = |option: &str, text: &str, why: String| {
        Stop::new(
            EXIT_CONFIG,
            format!("{option} {text}: {why}"),
            "name one domain that signs, and the selector of its key",
        )
    };
    let parsed = Selector::parse(selector).map_err(|error| refused("-s", selector, error.to_string()))?;
    Ok((parsed, parse_domain(domain).map_err(|error| refused("-d", domain, error))?))
}

/// A key that cannot be read counts more than one that does not match, and that more than one that is not found.
fn or_worse(one: u8, other: u8) -> u8 {
    let rank = |code: u8| match code {
        code::OK => 0,
        UNAVAILABLE => 1,
        found::MISMATCH => 2,
        _ => 3,
    };
    if rank(other) > rank(one) { other } else { one }
}

impl Check<'_, '_> {
    /// One key that was named.
    fn one(&mut self, selector: &Selector, domain: &DomainName, file: Option<&Path>) -> Result<u8, Stop> {
        let key = file.map(|file| self.private_key(file)).transpose()?;
        if self.verbosity > 1 {
            self.console.say(format_args!("checking key '{selector}._domainkey.{domain}'"));
        }
        let seen = match &key {
            Some(key) => self.compare(selector, domain, &**key),
            None => self.look(selector, domain),
        };
        if seen.has_key() {
            self.say_not_secure("key");
        }
        let code = match &seen.verdict {
            Ok(()) => {
                if self.verbosity > 2 {
                    self.console.tell("key OK")?;
                }
                code::OK
            }
            Err(Verdict { code, words }) => {
                // The old tool has this one on standard output, and the rest on standard error.
                if *code == found::MISMATCH {
                    self.console.tell(words)?;
                } else {
                    self.console.say(words);
                }
                *code
            }
        };
        self.findings(&seen);
        Ok(code)
    }

    /// The private key in `file`, and what there is to say about the file.
    fn private_key(&mut self, file: &Path) -> Result<Arc<dyn SigningKey>, Stop> {
        let shown = file.display();
        self.stat(file).map_err(|what| {
            Stop::new(code::OS, format!("{shown}: stat(): {what}"), "name the file of the private key")
        })?;
        let mut findings = Diagnostics::default();
        match load(file, engine::BACKEND, &mut findings) {
            Ok(key) => {
                if self.verbosity > 1 {
                    self.console.say(format_args!("key loaded from {shown}"));
                }
                Ok(key)
            }
            Err(finding) => {
                findings.push(*finding);
                Err(Stop { findings, ..Stop::new(UNAVAILABLE, format!("{shown}: the key cannot be used"), "") })
            }
        }
    }

    /// Looks at a file as the old tool does: its permissions are told, and what is no file is not opened.
    fn stat(&mut self, file: &Path) -> Result<(), String> {
        let found = fs::metadata(file).map_err(|error| system(&error))?;
        if !found.is_file() {
            return Err("not a regular file".to_owned());
        }
        if found.mode() & UNSAFE != 0 {
            self.console.say(format_args!("{}: WARNING: unsafe permissions", file.display()));
        }
        Ok(())
    }

    /// Every key of a KeyTable.
    fn table(&mut self, table: &Table) -> Result<u8, Stop> {
        self.console.findings(&table.findings);
        let entries = &table.entries;
        let (mut pass, mut fail, mut worst) = (0_usize, 0_usize, code::OK);
        for (index, entry) in entries.iter().enumerate() {
            if self.verbosity > 1 {
                self.console.say(format_args!("record {index} for '{}' retrieved", entry.name));
            }
            if entry.is_for_many() {
                self.console.say(format_args!("key {}: not checked, it is for many domains (`%`)", entry.name));
                self.console.add("fix: name one domain at a time, with -d, -s and -k");
                continue;
            }
            let seen = self.entry(entry);
            match &seen.verdict {
                Ok(()) => {
                    pass = pass.saturating_add(1);
                    if self.verbosity > 2 {
                        self.console.tell(format_args!("key {}: OK", entry.name))?;
                    }
                }
                Err(verdict) => {
                    fail = fail.saturating_add(1);
                    self.console.say(format_args!("key {}: {}", entry.name, verdict.words));
                    worst = or_worse(worst, verdict.code);
                }
            }
            if seen.has_key() {
                self.say_not_secure(&format!("key {}", entry.name));
            }
            self.findings(&seen);
        }
        if self.verbosity > 0 {
            let (count, plural) = (entries.len(), if entries.len() == 1 { "" } else { "s" });
            self.console.tell(format_args!("{count} key{plural} checked; {pass} pass, {fail} fail"))?;
        }
        Ok(worst)
    }

    fn entry(&mut self, entry: &Entry) -> Seen {
        let row = match &entry.key {
            Ok(row) => row,
            Err(words) => return Seen::without_dns(UNAVAILABLE, (*words).to_owned()),
        };
        if let KeyLocation::File(file) = &row.key
            && let Err(what) = self.stat(file)
        {
            return Seen::without_dns(code::OS, format!("{}: stat(): {what}", file.display()));
        }
        match entry.load() {
            Ok(key) => {
                if self.verbosity > 1 {
                    self.console.say(format_args!("checking key '{}'", entry.name));
                }
                self.compare(&row.selector, &row.domain, &*key)
            }
            Err(findings) => {
                self.console.findings(&findings);
                Seen::without_dns(code::OS, format!("load of key '{}' failed", entry.name))
            }
        }
    }

    /// A key of ours beside what the DNS has.
    fn compare(&mut self, selector: &Selector, domain: &DomainName, key: &dyn SigningKey) -> Seen {
        let own = OwnKey::new(selector, domain, key, None);
        let report = self.runtime.block_on(published::check(&self.resolver, &own, &[]));
        let verdict = found::judge(&own, &report);
        Seen { verdict, about: Some((own, report)) }
    }

    /// What the DNS has, when there is no private key to compare it with.
    fn look(&mut self, selector: &Selector, domain: &DomainName) -> Seen {
        let name = format!("{selector}._domainkey.{domain}");
        let found = self.runtime.block_on(self.resolver.inspect(&name));
        Seen { verdict: found::judge_record(&name, &found), about: None }
    }

    fn say_not_secure(&mut self, what: &str) {
        if self.verbosity == 0 {
            return;
        }
        self.console.say(format_args!("{what} not secure"));
        if !self.is_dnssec_told {
            self.console
                .add("this is about DNSSEC, which is not looked at here, and says nothing about the key or its file");
            self.is_dnssec_told = true;
        }
    }

    /// What is wrong and how it is mended, as `dns check` says it.
    fn findings(&mut self, seen: &Seen) {
        let Some((own, report)) = &seen.about else { return };
        let mut shows_record = false;
        for problem in &report.findings {
            let severity = problem.severity();
            if severity == Severity::Note && self.verbosity == 0 {
                continue;
            }
            self.console.add(format_args!("{}[{}]: {}", severity.as_str(), problem.code(), problem.what(own)));
            if severity != Severity::Note {
                self.console.add(format_args!("  fix: {}", problem.fix(own)));
            }
            shows_record |= problem.needs_record();
        }
        if shows_record {
            self.console.add(format_args!("the record:\n{}", own.zone_line().trim_end()));
        }
    }
}

/// What came of one key.
struct Seen {
    verdict: Result<(), Verdict>,
    /// The comparison, when there was one.
    about: Option<(OwnKey, KeyReport)>,
}

impl Seen {
    /// Whether there is a key, ours or another one: of what is none the old tool does not say how it was found.
    fn has_key(&self) -> bool {
        self.verdict.as_ref().err().is_none_or(|verdict| verdict.code == found::MISMATCH)
    }

    fn without_dns(code: u8, words: String) -> Self {
        Self { verdict: Err(Verdict { code, words }), about: None }
    }
}
