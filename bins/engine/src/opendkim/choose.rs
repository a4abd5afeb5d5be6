//! What to do with a message, once its header section is complete.

use std::sync::Arc;

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;
use dkim_core::verify::Screening;

use super::replace::ReplaceError;
use super::rules::{Keys, Ways, identity_of};
use super::sender::{Address, SenderError, sender};
use crate::config::{Mode, parents};
use crate::dataset::{KeyLocation, LookupError, SignRequest, TableError};
use crate::keys::KeyProblem;
use crate::logging::{OLD_LINE, OLD_NOTICE};
use crate::message::Signer;
use crate::message::author::AuthorError;
use crate::message::field_counts::{Miscount, breaks_rfc5322, miscount};
use crate::message::origin::Client;

/// What is known of a message at the end of its header section.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The header section.
    pub headers: Arc<HeaderBlock>,
    /// Whether it is complete: over a limit, or with a line that is no field, it is not.
    pub is_whole: bool,
    /// Whether it is our own.
    pub is_ours: bool,
    /// Whether the client may send as a domain of ours without a word about it.
    pub is_ignored: bool,
    /// Its recipients, as typed.
    pub recipients: Vec<Vec<u8>>,
    /// What the listener does.
    pub mode: Mode,
    /// The client, and what the MTA says of it, for the log.
    pub client: Client,
    /// The name of the client.
    pub client_name: String,
    /// `{daemon_name}`.
    pub daemon_name: String,
}

/// What is done with it.
#[derive(Clone, Debug)]
pub enum Choice {
    /// It is signed with these keys, and not verified.
    Sign(ToSign),
    /// It is verified; what is done with each of its signatures, where that was looked at.
    Verify(Vec<Screening>),
    /// It has no sender, or breaks RFC 5322 where that is asked for: it is neither signed nor verified, and its result says so.
    Malformed,
    /// It is refused for good, with these words.
    Refuse(&'static str),
    /// It passes as it is, and the MTA hears so at once.
    LeaveAlone,
    /// The sender is to try again later.
    Tempfail,
}

/// What is signed, and with what.
#[derive(Clone, Debug)]
pub struct ToSign {
    /// The keys.
    pub signers: Vec<Signer>,
    /// The header section as it will be (`ReplaceRules`), or why that cannot be said.
    pub headers: Result<Arc<HeaderBlock>, ReplaceError>,
}

/// Why no key can be had.
#[derive(Debug)]
enum Trouble {
    Table(TableError),
    Key(KeyProblem, String, KeyLocation),
    Lookup(&'static str, LookupError),
}

impl Mail {
    /// The name of the client, or in place of one its address.
    fn host(&self) -> String {
        if self.client_name.is_empty() { self.client.to_string() } else { self.client_name.clone() }
    }
}

impl Ways {
    /// Decides, in the order of OpenDKIM (§1.3). Tables may be in databases and keys on a disk: it waits for them.
    ///
    /// *Inputs*: the message, and its queue id for the log. A table that does not answer and a key that cannot be loaded put the message off, and no
    /// other one.
    pub async fn choose(&self, mail: &Mail, job: &str) -> Choice {
        // Mail of others is verified as it came.
        let headers = if mail.is_ours { self.replaced(&mail.headers) } else { Ok(Arc::clone(&mail.headers)) };
        let address = match sender(headers.as_deref().unwrap_or(&mail.headers), &self.sender_headers) {
            Ok(address) => address,
            Err(error) => {
                self.tell(job, &error);
                return match error {
                    // There are authors, and nobody can say whose mail it is.
                    SenderError::Unreadable {
                        cause: AuthorError::SeveralDomains | AuthorError::AddressLiteral,
                        ..
                    } => self.verify(mail, None, job).await,
                    SenderError::Unreadable { .. } | SenderError::Missing => Choice::Malformed,
                };
            }
        };
        match self.decide(mail, headers, &address, job).await {
            Ok(choice) => choice,
            Err(trouble) => {
                trouble.log(job);
                Choice::Tempfail
            }
        }
    }

    /// The header section as it will be.
    fn replaced(&self, headers: &Arc<HeaderBlock>) -> Result<Arc<HeaderBlock>, ReplaceError> {
        match &self.replace {
            None => Ok(Arc::clone(headers)),
            Some(rules) => Ok(Arc::new(rules.apply(headers)?)),
        }
    }

    async fn decide(
        &self,
        mail: &Mail,
        headers: Result<Arc<HeaderBlock>, ReplaceError>,
        address: &Address,
        job: &str,
    ) -> Result<Choice, Trouble> {
        let domain = address.domain.as_str();
        if let Some(exempt) = &self.exempt
            && exempt.contains(domain).await.map_err(|error| Trouble::Lookup("ExemptDomains", error))?
        {
            return Ok(Choice::LeaveAlone);
        }
        if !mail.is_ours {
            self.tell_why_not_ours(mail, job);
        }
        let requests = self.requests(mail, address, job).await?;
        // OpenDKIM accepts at this step what its mode has nothing to do with.
        if requests.is_empty() && !mail.mode.verifies() || !requests.is_empty() && !mail.mode.signs() {
            return Ok(Choice::LeaveAlone);
        }
        if requests.is_empty() {
            return Ok(self.verify(mail, Some(&address.domain), job).await);
        }
        if let Some(recipient) = self.not_signed_for(&mail.recipients).await? {
            tracing::info!(target: OLD_LINE, "{job}: skipping signing of mail to '{recipient}'");
            return Ok(Choice::LeaveAlone);
        }
        let tells_length = self.tells_length(&mail.recipients, job).await?;
        let mut signers = Vec::with_capacity(requests.len());
        for request in &requests {
            signers.push(self.signer(request, tells_length, job).await?);
        }
        Ok(self.counts(mail, job).unwrap_or(Choice::Sign(ToSign { signers, headers })))
    }

    /// It is verified, unless its fields are too many or too few.
    async fn verify(&self, mail: &Mail, author: Option<&DomainName>, job: &str) -> Choice {
        if let Some(choice) = self.counts(mail, job).filter(|_| mail.mode.verifies()) {
            return choice;
        }
        match self.screen(&mail.headers, author, job).await {
            Ok(screened) => Choice::Verify(screened),
            Err(error) => {
                Trouble::Lookup("TrustSignaturesFrom", error).log(job);
                Choice::Tempfail
            }
        }
    }

    /// `RequiredHeaders` and `StrictHeaders`. What a limit has cut off may be the field that is missed: then nothing is counted.
    fn counts(&self, mail: &Mail, job: &str) -> Option<Choice> {
        if !mail.is_whole {
            return None;
        }
        if self.flags.required_headers
            && let Some(miscount) = miscount(&mail.headers)
        {
            let text = words(miscount);
            tracing::info!(target: OLD_LINE, "{job}: RFC5322 header requirement error: {text}");
            return Some(Choice::Refuse(text));
        }
        (self.flags.strict_headers && breaks_rfc5322(&mail.headers)).then_some(Choice::Malformed)
    }

    /// The signatures that are asked for.
    async fn requests(&self, mail: &Mail, address: &Address, job: &str) -> Result<Vec<SignRequest>, Trouble> {
        match &self.keys {
            Keys::None => Ok(Vec::new()),
            Keys::Tables { .. } if !mail.is_ours => Ok(Vec::new()),
            Keys::Tables { signing, keys, all, .. } => {
                let requests = signing.requests(keys, address.as_sender(), *all).await.map_err(Trouble::Table)?;
                if requests.is_empty() {
                    self.why(job, || format!("no signing table match for '{}@{}'", address.local, address.domain));
                }
                Ok(requests)
            }
            Keys::Single { domains, sub_domains, selector, key, .. } => {
                let error = |error| Trouble::Lookup("Domain", error);
                let is_exact = domains.contains(address.domain.as_str()).await.map_err(error)?
                    || domains.contains("*").await.map_err(error)?;
                let parent = if *sub_domains && !is_exact {
                    let mut found = None;
                    for parent in parents(address.domain.as_str()) {
                        if domains.contains(parent).await.map_err(error)? {
                            found = DomainName::parse(parent).ok();
                            break;
                        }
                    }
                    found
                } else {
                    None
                };
                let Some(domain) = parent.clone().or_else(|| is_exact.then(|| address.domain.clone())) else {
                    let kind = if *sub_domains { "subdomain" } else { "domain" };
                    self.why(job, || format!("no signing {kind} match for '{}'", address.domain));
                    return Ok(Vec::new());
                };
                if !mail.is_ours {
                    if !mail.is_ignored {
                        let host = mail.host();
                        tracing::info!(target: OLD_NOTICE, "{job}: external host {host} attempted to send as {domain}");
                    }
                    return Ok(Vec::new());
                }
                Ok(vec![SignRequest {
                    key_name: "default".to_owned(),
                    identity: parent.as_ref().map(identity_of),
                    domain,
                    selector: selector.clone(),
                    key: key.clone(),
                    key_type: None,
                }])
            }
        }
    }

    /// The first recipient for whom nothing is signed.
    async fn not_signed_for(&self, recipients: &[Vec<u8>]) -> Result<Option<String>, Trouble> {
        let Some(list) = &self.dont_sign_mail_to else { return Ok(None) };
        for recipient in recipients {
            let Some(text) = address(recipient) else { continue };
            if list.contains(text).await.map_err(|error| Trouble::Lookup("DontSignMailTo", error))? {
                return Ok(Some(text.to_owned()));
            }
        }
        Ok(None)
    }

    /// Whether a recipient is in `BodyLengthDB`: signatures then have an `l=`.
    async fn tells_length(&self, recipients: &[Vec<u8>], job: &str) -> Result<bool, Trouble> {
        let Some(list) = &self.body_length_db else { return Ok(false) };
        for recipient in recipients {
            let Some((user, domain)) = address(recipient).and_then(|address| address.rsplit_once('@')) else {
                continue;
            };
            for key in body_length_keys(user, domain) {
                if list.contains(&key).await.map_err(|error| Trouble::Lookup("BodyLengthDB", error))? {
                    tracing::info!(target: OLD_LINE, "{job}: BodyLengthDB matched {user}@{domain}, signing with l= requested");
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn signer(&self, request: &SignRequest, tells_length: bool, job: &str) -> Result<Signer, Trouble> {
        let loaded = self.cache.load(&request.key).await;
        let loaded = loaded.map_err(|problem| Trouble::Key(problem, request.key_name.clone(), request.key.clone()))?;
        request.check(&*loaded.key).map_err(Trouble::Table)?;
        if let Some(words) = &loaded.not_secure {
            tracing::warn!(target: OLD_LINE, "{job}: {}: key data is not secure: {words}", request.key_name);
        }
        Ok(Signer { spec: self.style.spec(request, tells_length).into(), key: loaded.key, standing: Arc::default() })
    }

    /// Tells why, where that is wanted (`LogWhy`).
    fn why(&self, job: &str, text: impl FnOnce() -> String) {
        if self.logs_why {
            tracing::info!(target: OLD_LINE, "{job}: {}", text());
        }
    }

    /// Each way by which mail may be our own, and that it is not (§1.3).
    fn tell_why_not_ours(&self, mail: &Mail, job: &str) {
        let host = mail.host();
        if self.mta.is_some() {
            self.why(job, || format!("no MTA name match (host={host}, MTA={})", mail.daemon_name));
        }
        if self.macros.is_some() {
            self.why(job, || "no macros match".to_owned());
        }
        self.why(job, || match mail.client {
            Client::Ip(address, _) => format!("{host} [{address}] not internal"),
            Client::Unix | Client::Unknown => format!("{host} not internal"),
        });
        self.why(job, || "not authenticated".to_owned());
    }

    fn tell(&self, job: &str, error: &SenderError) {
        match error {
            SenderError::Missing => tracing::warn!(target: OLD_LINE, "{job}: {error}"),
            SenderError::Unreadable { cause, .. } => tracing::warn!(target: OLD_LINE, "{job}: {error} ({cause})"),
        }
    }
}

/// OpenDKIM's words for fields that are there too often, or are not.
fn words(miscount: Miscount) -> &'static str {
    match miscount {
        Miscount::NotOne("From") => "message does not have exactly one From field",
        Miscount::NotOne(_) => "message does not have exactly one Date field",
        Miscount::Several(name) => match name {
            "Reply-To" => "message has multiple Reply-To fields",
            "To" => "message has multiple To fields",
            "Cc" => "message has multiple Cc fields",
            "Bcc" => "message has multiple Bcc fields",
            "Message-Id" => "message has multiple Message-Id fields",
            "In-Reply-To" => "message has multiple In-Reply-To fields",
            "References" => "message has multiple References fields",
            _ => "message has multiple Subject fields",
        },
    }
}

/// A recipient without its brackets; `None` where it is no UTF-8.
fn address(recipient: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(recipient).ok()?;
    let text = text.strip_prefix('<').unwrap_or(text);
    Some(text.strip_suffix('>').unwrap_or(text))
}

/// What a recipient is looked for as in `BodyLengthDB`: the address, all of its domain, the same of each parent domain with a dot before it, everybody.
fn body_length_keys<'a>(user: &'a str, domain: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let of = move |domain: String| [format!("{user}@{domain}"), format!("*@{domain}")];
    let domains = std::iter::once(domain.to_owned()).chain(parents(domain).map(|parent| format!(".{parent}")));
    domains.flat_map(of).chain(["*@*".to_owned(), "*".to_owned()])
}

impl Trouble {
    fn log(&self, job: &str) {
        match self {
            Self::Table(error) => match std::error::Error::source(error) {
                Some(source) => tracing::error!(target: OLD_LINE, "{job}: {error}: {source}"),
                None => tracing::error!(target: OLD_LINE, "{job}: {error}"),
            },
            Self::Key(problem, name, location) => {
                tracing::error!(target: OLD_LINE, "{job}: {}", problem.log_line(name, location));
                tracing::error!(target: OLD_LINE, "{job}: error loading key '{name}'");
            }
            Self::Lookup(option, error) => tracing::error!(target: OLD_LINE, "{job}: {option}: {error}"),
        }
    }
}
