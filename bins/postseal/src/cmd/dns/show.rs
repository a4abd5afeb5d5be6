//! `dns show`: the DNS records of a domain's keys in the form that a panel or provider takes.

use std::io::Write;

use clap::ValueEnum;
use dkim_core::domain::DomainName;
use engine::keys::publish::{DnsRecord, Form, write};

use super::super::keyring::{Source, parse_domain};
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Domain that signs
    #[arg(value_parser = parse_domain)]
    domain: DomainName,
    /// How to write them; --json stands for `--as json`
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = Style::Bind)]
    style: Style,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Style {
    /// Zone file, with quotes, split at 255 octets
    Bind,
    /// Name, then text without quotes: for panels that split by themselves
    Plain,
    /// Name, then quoted strings of at most 255 octets
    Split,
    /// JSON objects
    Json,
    /// Change batch for `aws route53 change-resource-record-sets`
    Route53,
    /// Batch body for the Cloudflare API
    Cloudflare,
}

impl From<Style> for Form {
    fn from(style: Style) -> Self {
        match style {
            Style::Bind => Self::Bind,
            Style::Plain => Self::Plain,
            Style::Split => Self::Split,
            Style::Json => Self::Json,
            Style::Route53 => Self::Route53,
            Style::Cloudflare => Self::Cloudflare,
        }
    }
}

pub(super) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let ring = args.source.keyring()?;
    let mut records: Vec<DnsRecord> = Vec::new();
    for (index, rule) in ring.domains.rules().iter().enumerate().filter(|(_, rule)| rule.signing_domain == args.domain)
    {
        for key in ring.keys.of_rule(index).into_iter().flat_map(|keys| &keys.usable) {
            let record = DnsRecord::of_key(&key.selector, &rule.signing_domain, &*key.key);
            if !records.contains(&record) {
                records.push(record);
            }
        }
    }
    if records.is_empty() {
        return Err(ring.no_key(&args.domain));
    }
    // `--json` asks for JSON; two of the forms are JSON in a provider's shape already.
    let form = if json && matches!(args.style, Style::Bind | Style::Plain | Style::Split) {
        Form::Json
    } else {
        args.style.into()
    };
    out.write_all(write(&records, form).as_bytes())?;
    out.flush()?;
    Ok(Exit::Pass)
}
