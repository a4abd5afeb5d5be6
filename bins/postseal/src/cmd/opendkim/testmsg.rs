//! `opendkim-testmsg`: signs or verifies the message on standard input.
//!
//! With domain, selector and key it writes the message with a signature, otherwise it verifies and says something only when that fails. Line feeds of
//! the message count as CRLF, as it will be sent (RFC 6376 §5.3); the message is written as it came.
//!
//! Other than Debian's, which signs with the withdrawn rsa-sha1 and damages its own field, this one signs with rsa-sha256 or Ed25519 and says why a
//! signature does not verify. Nothing is written to temporary files: `-K` and `-t` are taken and have no effect.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::crypto::SigningKey;
use dkim_core::domain::Selector;
use dkim_core::sign::{SignError, SignatureSpec, Signing};
use engine::config::{self, Config, Diagnostics};
use engine::dns::{Resolver, Zone};
use engine::keys::{KEY_MISSING, KEY_NOT_A_FILE, KEY_UNREADABLE, KEY_WRITABLE, load};

use super::super::keyring::parse_domain;
use super::args::{Given, Rule, Takes};
use super::{Console, Stop, code, warn_of_rest};
use crate::exit::Exit;
use crate::mail::{MAX_MAIL, Mail, bounded, now, with_crlf};
use crate::verification::{self, Report};

pub(super) const RULES: [Rule; 10] = [
    Rule::new('C', "crlf", Takes::Nothing),
    Rule::new('d', "domain", Takes::Text),
    Rule::new('K', "keep", Takes::Nothing),
    Rule::new('k', "key", Takes::Text),
    Rule::new('s', "selector", Takes::Text),
    Rule::new('t', "temporary", Takes::Text),
    Rule::long("nameserver", Takes::Text),
    Rule::long("zone", Takes::Text),
    Rule::long("version", Takes::Nothing),
    Rule::long("help", Takes::Nothing),
];

pub(super) const USAGE: &str = "\
usage: opendkim-testmsg [options] <MESSAGE
  -d, --domain NAME         domain that signs
  -k, --key FILE            private key
  -s, --selector NAME       selector of the key
  -C, --crlf                end the lines of the signature with CRLF
  -K, --keep                no effect: no temporary files are made
  -t, --temporary PATH      no effect, as -K
      --nameserver ADDRESS  name server to ask, ADDRESS:PORT; may be given several times [those of the system]
      --zone FILE           zone file with the keys, in place of the DNS
      --version             print the version
      --help                print this
signs the message on standard input with -d, -k and -s, verifies it without them
exit codes: 0 signed, or all signatures verify; 70 not so; 71 the key cannot be read; 78 the command line is wrong
";

pub(super) fn run(given: &Given, console: &mut Console<'_>) -> Result<u8, Stop> {
    warn_of_rest(given, console);
    let signer = (given.utf8("domain")?, given.utf8("selector")?, given.text("key"));
    match signer {
        (Some(domain), Some(selector), Some(key)) => sign(given, domain, selector, Path::new(key), console),
        (None, None, None) => verify(given, console),
        _ => {
            let cause = "-d, -k and -s are given together to sign, and none of them to verify";
            let stop = Stop::new(config::diagnostics::EXIT_CONFIG, cause, "");
            Err(Stop { shows_usage: true, ..stop })
        }
    }
}

fn sign(given: &Given, domain: &str, selector: &str, file: &Path, console: &mut Console<'_>) -> Result<u8, Stop> {
    let failed = |what: String| Stop::new(code::SOFTWARE, format!("dkim_sign() failed: {what}"), "");
    let domain = parse_domain(domain).map_err(|error| failed(format!("-d {domain}: {error}")))?;
    let selector = Selector::parse(selector).map_err(|error| failed(format!("-s {selector}: {error}")))?;
    let key = key(file, console)?;
    let original = standard_input()?;
    let mail = message(&original)?;
    let mut spec = SignatureSpec::new(domain, selector);
    // What the old tool has; the daemon's own choice is relaxed for both.
    (spec.header_canon, spec.body_canon) = (Canon::Relaxed, Canon::Simple);
    let cannot = |error: SignError| failed(error.to_string());
    let mut plan = BodyHashPlan::new(engine::BACKEND);
    let machine = Signing::start(&mail.headers, spec, key, now(), &mut plan).map_err(cannot)?;
    let mut hasher = plan.start();
    hasher.update(mail.body());
    let field = machine.finish(&hasher.finish()).map_err(cannot)?;
    let (text, end) = match given.has("crlf") {
        true => (field.value, "\r\n"),
        false => (field.value.replace('\r', ""), "\n"),
    };
    write!(console.out, "{}:{text}{end}", field.name)?;
    console.out.write_all(&original)?;
    Ok(code::OK)
}

/// The key; what there is to say about its file goes to standard error.
fn key(file: &Path, console: &mut Console<'_>) -> Result<Arc<dyn SigningKey>, Stop> {
    let mut findings = Diagnostics::default();
    let loaded = load(file, engine::BACKEND, &mut findings);
    let stop = match loaded {
        Ok(key) => {
            console.findings(&findings);
            return Ok(key);
        }
        Err(finding) if finding.code == KEY_MISSING => {
            Stop::new(code::OS, format!("{}: open(): No such file or directory", file.display()), finding.fix)
        }
        Err(finding) => {
            let is_file = [KEY_NOT_A_FILE, KEY_UNREADABLE, KEY_WRITABLE].contains(&finding.code);
            let (code, what) =
                if is_file { (code::OS, "the key cannot be used") } else { (code::SOFTWARE, "dkim_sign() failed") };
            findings.push(*finding);
            Stop::new(code, format!("{}: {what}", file.display()), "")
        }
    };
    Err(Stop { findings, ..stop })
}

fn verify(given: &Given, console: &mut Console<'_>) -> Result<u8, Stop> {
    let original = standard_input()?;
    let mail = message(&original)?;
    let mut config = Config::default();
    config.dns.nameservers = nameservers(given)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let resolver = match given.text("zone") {
            Some(file) => Zone::load(Path::new(file)).map(|zone| Resolver::offline(zone, engine::BACKEND)),
            None => Resolver::new(&config.dns, engine::BACKEND),
        };
        let unusable = |findings| Stop { findings, ..Stop::new(code::SOFTWARE, "the DNS cannot be asked", "") };
        let policy = config.verify.policy(&config.limits);
        Ok::<_, Stop>(verification::verify(&mail, &resolver.map_err(unusable)?, now(), &policy).await)
    })?;
    match worst(&report) {
        None => Ok(code::OK),
        Some(words) => {
            console.say(words);
            for (index, signature) in report.signatures.iter().enumerate() {
                console.add(format_args!("signature {}: {signature}", index.saturating_add(1)));
            }
            Ok(code::SOFTWARE)
        }
    }
}

/// What the old tool says of a message that does not verify; `None` when all is well. It looks at the first signature that it can use; here, one good
/// signature is enough, as it is for the daemon.
fn worst(report: &Report) -> Option<&'static str> {
    if report.exit() == Exit::Pass {
        return None;
    }
    let Some(signature) = report.signatures.iter().find(|signature| signature.result == report.dkim) else {
        return Some("dkim_chunk(): No signature");
    };
    Some(match signature.code {
        "body-hash" | "signature" => "dkim_eom(): Bad signature",
        "key-nxdomain" | "key-nodata" | "key-not-among-records" => "dkim_eom(): No key",
        "key-revoked" => "dkim_eom(): Key revoked",
        "key-lookup" | "key-unanswered" => "dkim_eom(): Key retrieval failed",
        _ => "dkim_eom(): Unable to verify",
    })
}

/// The name servers that `--nameserver` names.
pub(super) fn nameservers(given: &Given) -> Result<Vec<SocketAddr>, Stop> {
    let read = |text: &std::ffi::OsStr| text.to_str().and_then(|text| text.parse().ok());
    given
        .texts("nameserver")
        .map(|text| {
            let cause = format!("--nameserver {}: this is no address with a port", Path::new(text).display());
            read(text).ok_or_else(|| {
                Stop::new(config::diagnostics::EXIT_CONFIG, cause, "write it as 127.0.0.1:53 or [::1]:53")
            })
        })
        .collect()
}

/// Most octets as for every message.
fn standard_input() -> Result<Vec<u8>, Stop> {
    bounded(io::stdin().lock(), MAX_MAIL)
        .map_err(|error| Stop::new(code::SOFTWARE, format!("fread(): {error}"), "give it a message on standard input"))
}

fn message(octets: &[u8]) -> Result<Mail, Stop> {
    Mail::parse(with_crlf(octets)).map_err(|failure| {
        let cause = format!("dkim_chunk(): Syntax error: {}", failure.cause);
        Stop::new(code::SOFTWARE, cause, "give it one whole message: fields, an empty line, a body")
    })
}
