//! `key new`: the keys of a domain, both or none, and what to do with them.

use std::fmt;
use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use dkim_core::domain::{DomainName, Selector};
use engine::config::Diagnostics;
use engine::keys::publish::{self, DnsRecord, Form};
use engine::keys::{CreateError, KeyKind, create, load, quoted, rsa_bits};
use engine::quickstart::{key_folder, new_selector};
use jiff::Timestamp;
use serde::Serialize;

use super::super::STATE;
use super::super::keyring::{Source, file_failure, parse_domain};
use super::Row;
use crate::exit::{Exit, Failure, print};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Domain that signs
    #[arg(value_parser = parse_domain)]
    domain: DomainName,
    /// What to make
    #[arg(long = "type", value_enum, default_value_t = Kind::Both)]
    kind: Kind,
    /// Bits of an RSA key
    #[arg(long, default_value = "2048", value_parser = ["2048", "3072", "4096"])]
    bits: String,
    /// Selector of the key [default: year, month and kind]; needs --type rsa or ed25519
    #[arg(long, value_parser = |text: &str| Selector::parse(text).map_err(|error| error.to_string()))]
    selector: Option<Selector>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Both,
    Rsa,
    Ed25519,
}

#[derive(Debug, Serialize)]
struct Made {
    keys: Vec<Row>,
    config: String,
    /// The command that looks for the records in the DNS.
    check: String,
}

pub(super) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let rsa = match args.bits.as_str() {
        "3072" => KeyKind::Rsa3072,
        "4096" => KeyKind::Rsa4096,
        _ => KeyKind::Rsa2048,
    };
    let kinds: &[KeyKind] = match args.kind {
        Kind::Both => &[rsa, KeyKind::Ed25519],
        Kind::Rsa => &[rsa],
        Kind::Ed25519 => &[KeyKind::Ed25519],
    };
    if args.selector.is_some() && kinds.len() > 1 {
        let fix = "add `--type rsa` or `--type ed25519`, and call it twice for both";
        return Err(Failure::new(Exit::Usage, "one selector for two keys", fix));
    }
    let folder = key_folder(&args.source.state_dir()?, &args.domain);
    let mut wanted = Vec::new();
    for kind in kinds {
        let selector = args.selector.clone().or_else(|| new_selector(*kind, Timestamp::now()));
        let selector = selector
            .ok_or_else(|| Failure::new(Exit::Usage, "no selector for this date", "name one with `--selector`"))?;
        // Both or none: a second key that is there must not leave half a pair behind.
        let path = folder.join(format!("{selector}.pem"));
        if path.symlink_metadata().is_ok() {
            return Err(exists(&CreateError::Exists { path }));
        }
        wanted.push((selector, *kind));
    }
    let mut keys = Vec::new();
    for (selector, kind) in wanted {
        let file = create(&folder, &selector, kind).map_err(|error| match error {
            CreateError::Exists { .. } => exists(&error),
            other => file_failure(&other),
        })?;
        let mut findings = Diagnostics::default();
        let key = load(&file, engine::BACKEND, &mut findings).map_err(|finding| {
            findings.push(*finding);
            Failure { findings, ..Failure::new(Exit::Fail, "the new key cannot be used where it is", "") }
        })?;
        keys.push(Row {
            domain: args.domain.to_string(),
            selector: selector.to_string(),
            kind: Some(key.algorithm().key_type().as_str()),
            bits: rsa_bits(&*key),
            file: Some(std::path::absolute(&file).unwrap_or(file)),
            usable: true,
            problem: None,
            record: Some(DnsRecord::of_key(&selector, &args.domain, &*key)),
        });
    }
    let config = stanza(&args.domain, &keys);
    let check = check_command(args)?;
    print(&Made { keys, config, check }, json, out)?;
    Ok(Exit::Pass)
}

fn exists(error: &CreateError) -> Failure {
    Failure::new(
        Exit::Fail,
        error.to_string(),
        "choose a new name: `--type rsa --selector NAME`, `--type ed25519 --selector NAME`",
    )
}

/// `dns check` for the domain, with the option that names the keys here.
fn check_command(args: &Args) -> Result<String, Failure> {
    let state = args.source.state_dir()?;
    let home = match &args.source.config {
        Some(file) => format!(" --config {}", quoted(file)),
        None if state == Path::new(STATE) => String::new(),
        None => format!(" --state {}", quoted(&state)),
    };
    Ok(format!("postseal dns check {}{home}", args.domain))
}

/// The lines of the configuration file for new keys.
fn stanza(domain: &DomainName, keys: &[Row]) -> String {
    let item = |row: &Row| {
        let file = row.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        format!("    {{ selector = {:?}, file = {file:?} }},\n", row.selector)
    };
    format!("[[domain]]\nname = \"{domain}\"\nkeys = [\n{}]\n", keys.iter().map(item).collect::<String>())
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|row| write!(f, "{row}"))?;
        let records: Vec<DnsRecord> = self.keys.iter().filter_map(|row| row.record.clone()).collect();
        write!(f, "\nPublish, and see with `{}` whether it arrived:\n\n", self.check)?;
        write!(f, "{}\nConfigure:\n\n{}", publish::write(&records, Form::Bind), self.config)
    }
}
