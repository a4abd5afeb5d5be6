//! `key list` and `key show`: which keys there are, and whether they can be used.

use std::fmt;
use std::io::Write;

use dkim_core::domain::{DomainName, Selector};
use engine::keys::publish::{self, DnsRecord, Form};
use engine::keys::rsa_bits;
use serde::Serialize;

use super::super::keyring::{Source, parse_domain};
use super::Row;
use crate::exit::{Exit, Failure, print};

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// Domain that signs
    #[arg(value_parser = parse_domain)]
    pub(super) domain: DomainName,
    #[command(flatten)]
    pub(super) source: Source,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Row>);

/// Every key, or those of one signing domain; fails when one of them cannot be used or there is none.
pub(super) fn run(
    source: &Source,
    only: Option<&DomainName>,
    json: bool,
    out: &mut impl Write,
) -> Result<Exit, Failure> {
    let ring = source.keyring()?;
    let mut rows = Vec::new();
    for (index, rule) in ring.domains.rules().iter().enumerate() {
        if only.is_some_and(|domain| rule.signing_domain != *domain) {
            continue;
        }
        let Some(keys) = ring.keys.of_rule(index) else { continue };
        let row = |selector: &Selector| Row {
            domain: rule.signing_domain.to_string(),
            selector: selector.to_string(),
            kind: None,
            bits: None,
            file: rule.keys.iter().find(|key| key.selector == *selector).map(|key| key.file.clone()),
            usable: false,
            problem: None,
            record: None,
        };
        rows.extend(keys.usable.iter().map(|key| Row {
            kind: Some(key.key.algorithm().key_type().as_str()),
            bits: rsa_bits(&*key.key),
            problem: ring.warning(&key.file),
            usable: true,
            record: only.map(|_| DnsRecord::of_key(&key.selector, &rule.signing_domain, &*key.key)),
            ..row(&key.selector)
        }));
        let problem = |code: &str, cause: &str| Some(format!("{cause} [{code}]"));
        rows.extend(
            keys.failed.iter().map(|key| Row { problem: problem(key.code.as_str(), &key.cause), ..row(&key.selector) }),
        );
    }
    match (rows.is_empty(), only) {
        (true, Some(domain)) => return Err(ring.no_key(domain)),
        (true, None) if !json => writeln!(out, "no keys; make some with `postseal key new DOMAIN`")?,
        _ => {}
    }
    let exit = if rows.iter().all(|row| row.usable) { Exit::Pass } else { Exit::Fail };
    print(&List(rows), json, out)?;
    Ok(exit)
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|row| write!(f, "{row}"))?;
        let records: Vec<DnsRecord> = self.0.iter().filter_map(|row| row.record.clone()).collect();
        f.write_str(&publish::write(&records, Form::Bind))
    }
}
