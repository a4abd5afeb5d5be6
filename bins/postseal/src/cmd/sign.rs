//! `sign`: signs a message as the daemon would, with every key of its author's domain.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use dkim_core::body_hash::BodyHashPlan;
use dkim_core::domain::DomainName;
use dkim_core::sign::{NewField, SignError, Signing};
use engine::message::author::author_domain;
use serde_json::json;

use super::keyring::{Keyring, Source, parse_domain};
use crate::exit::{Exit, Failure};
use crate::mail::{Mail, now};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Message file, - for standard input
    file: PathBuf,
    /// Sign for this author domain [default: the one of the From field]
    #[arg(long, value_parser = parse_domain)]
    domain: Option<DomainName>,
    /// Turn line feeds of the file into CRLF first, as the message will be sent with
    #[arg(long)]
    crlf: bool,
    #[command(flatten)]
    source: Source,
}

pub(crate) fn run(args: &Args, json: bool, out: &mut impl Write) -> Result<Exit, Failure> {
    let mail = Mail::read(&args.file, args.crlf)?;
    if mail.has_bare_feeds() {
        // RFC 6376 §5.3: the signature has to cover the message as it will be sent.
        let cause = "the file has LF line ends, and signatures are made over CRLF";
        return Err(Failure::new(Exit::Fail, cause, "add `--crlf`; the signed message then has CRLF line ends"));
    }
    let author = match &args.domain {
        Some(domain) => domain.clone(),
        None => author_of(&mail)?,
    };
    let ring = args.source.keyring()?;
    let fields = sign(&mail, &ring, &author)?;
    if fields.is_empty() {
        return Err(ring.no_key(&author));
    }
    // Standard output is the message.
    for warning in warnings(&ring, &author) {
        let _ = writeln!(std::io::stderr(), "warning: {warning}");
    }
    if json {
        let fields = fields.iter().map(|field| json!({ "name": field.name, "value": field.value }));
        writeln!(out, "{:#}", json!({ "author": author.as_str(), "fields": fields.collect::<Vec<_>>() }))?;
    } else {
        for field in &fields {
            write!(out, "{}:{}\r\n", field.name, field.value)?;
        }
        out.write_all(&mail.octets)?;
    }
    out.flush()?;
    Ok(Exit::Pass)
}

/// One field for each usable key of the rule for `author`; none when there is no rule or no usable key.
pub(crate) fn sign(mail: &Mail, ring: &Keyring, author: &DomainName) -> Result<Vec<NewField>, Failure> {
    let Some(index) = ring.domains.index_for(author) else { return Ok(Vec::new()) };
    let (Some(rule), Some(keys)) = (ring.domains.rules().get(index), ring.keys.of_rule(index)) else {
        return Ok(Vec::new());
    };
    let failed = |error: &SignError| Failure::new(Exit::Fail, format!("the message cannot be signed: {error}"), "");
    let (mut plan, mut machines, now) = (BodyHashPlan::new(engine::BACKEND), Vec::new(), now());
    for key in &keys.usable {
        let spec = rule.signature_spec(&key.selector);
        let machine = Signing::start(&mail.headers, spec, Arc::clone(&key.key), now, &mut plan);
        machines.push(machine.map_err(|error| failed(&error))?);
    }
    let mut hasher = plan.start();
    hasher.update(mail.body());
    let bodies = hasher.finish();
    machines.into_iter().map(|machine| machine.finish(&bodies).map_err(|error| failed(&error))).collect()
}

/// What there is to say about the keys that signed.
fn warnings(ring: &Keyring, author: &DomainName) -> Vec<String> {
    let keys = ring.domains.index_for(author).and_then(|index| ring.keys.of_rule(index));
    let usable = keys.map_or(&[][..], |keys| &keys.usable);
    usable.iter().filter_map(|key| Some(format!("{}: {}", key.file.display(), ring.warning(&key.file)?))).collect()
}

fn author_of(mail: &Mail) -> Result<DomainName, Failure> {
    let fail = |cause: String| Failure::new(Exit::Fail, cause, "name the domain with `--domain`");
    let mut froms = mail.headers.iter().filter(|field| field.is_named("From"));
    let (Some(from), None) = (froms.next(), froms.next()) else {
        // D-29: a message without From, or with two, is not signed.
        return Err(fail("the message has no From field, or more than one".to_owned()));
    };
    author_domain(from.value).map_err(|error| fail(format!("the From field names no author domain: {error}")))
}
