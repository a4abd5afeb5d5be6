//! The journal's entry of a message: what the log record says, whole and in the words that reports use.
//!
//! Nothing of an address but its domain comes in, and nothing of the message but domains: a path that could be read in two ways has none. What
//! strangers write is parsed, and written anew from what was understood; what was not understood is left out.
//!
//! | end of a message | entry |
//! |---|---|
//! | the verdict was told to the MTA, whatever it was, after a fault of ours as well | one |
//! | refused at MAIL, or after a recipient was refused at RCPT and the message ended before its end | one, without what stands in the message |
//! | put off or left alone at the end of the header section, by the ways of OpenDKIM | one, without what stands in the message |
//! | given up by the MTA or the client before its end, nobody refused | none: nothing was decided |
//! | the MTA did not take the verdict (connection lost) | none: the message comes again, or went on without us |
//! | a fault in the dialogue, which ends the connection | none, for the same reason |
//!
//! *Limits*: those of [`record`](crate::journal::record), [`MAX_QUEUE_ID`], [`MAX_NAME`]; time linear in the number of recipients.

use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::SystemTime;

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;
use dkim_core::verify::{Outcome, SignatureReport};
use dmarc_core::author::{AuthorDomains, AuthorLimits};
use spf_core::identity::{Sender, SenderError};

use super::author::AuthorError;
use super::opendkim::BAD_FORMAT;
use super::origin::Client;
use super::report::Report;
use super::results::{BadFormat, DkimResults};
use super::spf::{NoClient, SpfResults};
use super::work::{AttemptOutcome, Signed};
use crate::journal::record::{Dkim, Dmarc, Identity, MAX_AUTHORS, MAX_RECIPIENT_DOMAINS, MAX_SIGNATURES, Spf};
use crate::journal::{self, Record};

/// Octets of a queue id that are kept: MTAs have at most some twenty.
const MAX_QUEUE_ID: usize = 100;

/// Octets of a name in the envelope or in HELO that is looked at: U-labels of the longest name have fewer.
const MAX_NAME: usize = 1024;

impl Report<'_> {
    /// The entry. `at`: when the message was complete; `headers`: its header section, where it was looked at; `dmarc`: its result, where there
    /// is one.
    pub(super) fn to_entry(&self, at: SystemTime, headers: Option<&HeaderBlock>, dmarc: Option<Dmarc>) -> Record {
        let facts = self.facts;
        let (client, helo) = self.client();
        let (header_from, header_from_error) = self.header_from(headers);
        let (mail_from, mail_from_error) = match sender_domain(facts.envelope.sender()) {
            Ok(domain) => (domain.map(to_text).unwrap_or_default(), None),
            Err(why) => (String::new(), Some(why)),
        };
        let passes = self.action.passes();
        Record {
            at: journal::milliseconds(at),
            queue_id: queue_id(facts.queue_id.as_deref().unwrap_or_default()),
            listener: facts.listener.clone(),
            origin: facts.origin.as_str().to_owned(),
            client,
            helo,
            mail_from,
            mail_from_error: mail_from_error.map(str::to_owned),
            rcpt_to: recipient_domains(facts.envelope.recipients()),
            recipients: facts.envelope.recipients_seen(),
            refused: self.refused,
            header_from,
            header_from_error,
            spf: self.spf.map(|results| spf(results, facts.envelope.sender())),
            dkim: self.dkim.map(dkim).unwrap_or_default(),
            dmarc,
            action: self.action.as_str().to_owned(),
            action_reason: self.action.cause().map(str::to_owned),
            signed: self.signed.filter(|_| passes).map(signed).unwrap_or_default(),
            size: self.body.octets,
            took: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The client that counts for SPF and what it said in HELO: behind a relay of ours those that the relay names.
    fn client(&self) -> (Option<IpAddr>, String) {
        if let Some(outcome) = self.spf.and_then(SpfResults::for_dmarc) {
            return (Some(outcome.session().client()), helo(outcome.session().helo_text()));
        }
        let is_relay = self.spf.and_then(SpfResults::no_client).is_some_and(|why| match why {
            NoClient::Relay(_) | NoClient::OwnNetwork | NoClient::Authenticated => true,
            NoClient::Unknown | NoClient::Loopback => false,
        });
        match self.facts.client {
            _ if is_relay => (None, String::new()),
            Client::Ip(address, _) => (Some(address), helo(&self.facts.helo)),
            Client::Unix | Client::Unknown => (None, helo(&self.facts.helo)),
        }
    }

    /// The domains of From, and why there is not the one that counts.
    fn header_from(&self, headers: Option<&HeaderBlock>) -> (Vec<String>, Option<String>) {
        let error = match self.author {
            None => return (Vec::new(), None),
            Some(Ok(author)) => return (vec![author.as_str().to_owned()], None),
            Some(Err(error)) => *error,
        };
        let mut domains = Vec::new();
        if matches!(error, AuthorError::SeveralDomains | AuthorError::SeveralFields | AuthorError::AddressLiteral) {
            let fields = headers.into_iter().flat_map(HeaderBlock::iter).filter(|field| field.is_named("From"));
            // One field is the rule; of very many the first ones do.
            for field in fields.take(MAX_AUTHORS) {
                let Ok(authors) = AuthorDomains::parse(field.value, &AuthorLimits::default()) else { continue };
                for found in authors.domains() {
                    push_once(&mut domains, found.domain.as_str(), MAX_AUTHORS);
                }
            }
        }
        (domains, Some(error.code().to_owned()))
    }
}

/// As it came where that is UTF-8; control characters have no place in it.
fn queue_id(id: &[u8]) -> String {
    let id = id.get(..MAX_QUEUE_ID).unwrap_or(id);
    String::from_utf8_lossy(id).chars().filter(|character| !character.is_control()).collect()
}

/// A domain or an address literal; empty for anything else.
fn helo(text: &[u8]) -> String {
    let literal = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
    match literal {
        Some(literal) => address(literal).map(|address| match address {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        }),
        None => domain(text).map(to_text),
    }
    .unwrap_or_default()
}

/// The address of a literal (RFC 5321 §4.1.3).
fn address(literal: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(literal).ok()?;
    match text.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => address.parse().ok().map(IpAddr::V6),
        _ => text.parse().ok(),
    }
}

/// The domain of a path, as typed in MAIL or RCPT; `None` for the null path, a literal, and what could be read in two ways.
fn domain_of_path(path: &[u8]) -> Option<DomainName> {
    let path = path.strip_prefix(b"<").and_then(|path| path.strip_suffix(b">")).unwrap_or(path);
    let at = memchr::memrchr(b'@', path)?;
    let (local, domain_text) = path.split_at(at);
    // The `@` of a quoted or escaped local part is none: what stands behind it would be part of that.
    let is_inside = match local {
        [b'"', .., b'"'] => false,
        _ => local.ends_with(b"\\") || local.contains(&b'"'),
    };
    if is_inside {
        return None;
    }
    domain(domain_text.strip_prefix(b"@")?)
}

/// The domain of MAIL FROM, `None` for the null reverse path; or why there is none. It is read as SPF reads it, so that both have the same sender.
fn sender_domain(path: &[u8]) -> Result<Option<DomainName>, &'static str> {
    let sender = Sender::from_reverse_path(path);
    match sender.error() {
        Some(SenderError::NoDomain) => return Err("no-domain"),
        Some(_) => return Err("malformed"),
        None if sender.is_null() => return Ok(None),
        None => {}
    }
    if let Some(domain) = domain_of_path(path) {
        return Ok(Some(domain));
    }
    let inner = path.strip_prefix(b"<").and_then(|path| path.strip_suffix(b">")).unwrap_or(path);
    let behind = memchr::memrchr(b'@', inner).and_then(|at| inner.get(at.saturating_add(1)..));
    let literal = behind.and_then(|behind| behind.strip_prefix(b"[")?.strip_suffix(b"]"));
    Err(if literal.and_then(address).is_some() { "address-literal" } else { "malformed" })
}

fn domain(text: &[u8]) -> Option<DomainName> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    if text.len() > MAX_NAME { None } else { DomainName::parse_bytes(text).ok() }
}

fn to_text(domain: DomainName) -> String {
    domain.as_str().to_owned()
}

fn recipient_domains(recipients: &[Vec<u8>]) -> Vec<String> {
    let mut domains = Vec::new();
    // Ten thousand recipients of one domain are looked at, and parsed once.
    let mut seen = HashSet::new();
    for recipient in recipients {
        let behind = memchr::memrchr(b'@', recipient).and_then(|at| recipient.get(at..)).unwrap_or_default();
        if recipients.len() > 1 && !recipient.contains(&b'"') && !seen.insert(behind) {
            continue;
        }
        if let Some(domain) = domain_of_path(recipient) {
            push_once(&mut domains, domain.as_str(), MAX_RECIPIENT_DOMAINS);
        }
        if domains.len() >= MAX_RECIPIENT_DOMAINS {
            break;
        }
    }
    domains
}

/// The domain of each recipient, each once; `None` for recipients without one.
pub(super) fn domains_of(recipients: &[Vec<u8>]) -> Vec<Option<String>> {
    let all: BTreeSet<_> = recipients.iter().map(|path| domain_of_path(path).map(to_text)).collect();
    all.into_iter().collect()
}

fn push_once(list: &mut Vec<String>, item: &str, most: usize) {
    if list.len() < most && list.iter().all(|there| there != item) {
        list.push(item.to_owned());
    }
}

pub(super) fn spf(results: &SpfResults, sender: &[u8]) -> Spf {
    let Some(outcome) = results.for_dmarc() else {
        let domain = sender_domain(sender).ok().flatten().map(to_text).unwrap_or_default();
        return Spf { mail_from: Identity { domain, result: "none".to_owned() }, helo: Identity::default() };
    };
    Spf { mail_from: identity(outcome), helo: results.helo().map(identity).unwrap_or_default() }
}

fn identity<I: spf_core::identity::Identity>(outcome: &spf_core::outcome::Outcome<I>) -> Identity {
    let domain = outcome.domain.as_ref().map(|domain| domain.as_str().to_owned()).unwrap_or_default();
    Identity { domain, result: outcome.result.as_str().to_owned() }
}

fn dkim(results: DkimResults<'_>) -> Vec<Dkim> {
    match results {
        DkimResults::Reports(reports) => reports.iter().take(MAX_SIGNATURES).map(signature).collect(),
        DkimResults::Incomplete(_, 0) | DkimResults::BadFormat(BadFormat::Ignored) => Vec::new(),
        DkimResults::BadFormat(BadFormat::Told) => {
            vec![Dkim { result: "permerror".to_owned(), cause: Some(BAD_FORMAT.to_owned()), ..Dkim::default() }]
        }
        DkimResults::Incomplete(trouble, _) => {
            vec![Dkim { result: "permerror".to_owned(), cause: Some(trouble.text().to_owned()), ..Dkim::default() }]
        }
    }
}

fn signature(report: &SignatureReport) -> Dkim {
    Dkim {
        domain: report.domain.as_ref().map(|domain| domain.as_str().to_owned()).unwrap_or_default(),
        selector: report.selector.as_ref().map(|selector| selector.as_str().to_owned()).unwrap_or_default(),
        result: report.outcome.result().to_owned(),
        cause: (report.outcome != Outcome::Pass).then(|| report.outcome.to_string()),
    }
}

fn signed(signed: &Signed) -> Vec<String> {
    let Signed::Tried(attempts) = signed else { return Vec::new() };
    let made = attempts.iter().filter(|attempt| matches!(attempt.outcome, AttemptOutcome::Made(_)));
    made.map(|attempt| format!("{}._domainkey.{}", attempt.selector, attempt.domain)).collect()
}

#[cfg(test)]
mod tests;
