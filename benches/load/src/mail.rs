//! The mail that is sent: the header of `benches` (25 fields, about 2,100 octets) and a body of the wanted size, signed where the daemon is to
//! verify it.
//!
//! Messages of one size differ in Message-ID, Subject and the first line of the body, so that nothing is gained by remembering a message.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use benches::Shape;
use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, PrivateKey, SigningKey};
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{SignatureSpec, Signing};
use milter_proto::MtaMessage;

use crate::{LoadError, Work};

/// Different messages of one size.
const VARIANTS: usize = 16;

/// Above this size one message does: memory of ours, and the daemon forgets it anyway.
const LARGE: usize = 1 << 20;

/// One message. Field values are everything behind the colon.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mail {
    /// Envelope sender, in brackets.
    pub sender: String,
    /// Envelope recipient, in brackets.
    pub recipient: String,
    /// Names and values from top to bottom.
    pub fields: Vec<(String, String)>,
    /// CRLF line ends.
    pub body: Vec<u8>,
}

/// Whose mail it is: the key that signs, or is expected to have signed.
#[derive(Clone)]
pub struct Signer {
    domain: DomainName,
    selector: Selector,
    key: Arc<dyn SigningKey>,
    canonicalization: (Canon, Canon),
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("domain", &self.domain).field("selector", &self.selector).finish_non_exhaustive()
    }
}

impl Signer {
    /// *Inputs*: names, the text of a key file, and how header and body are canonicalized (`relaxed/relaxed`).
    ///
    /// # Errors
    ///
    /// [`LoadError::Setup`].
    pub fn new(domain: &str, selector: &str, key: &[u8], canonicalization: &str) -> Result<Self, LoadError> {
        let canon = |name: &str| Canon::from_name(name.as_bytes());
        let canonicalization =
            canonicalization.split_once('/').and_then(|(header, body)| canon(header).zip(canon(body)));
        let key = PrivateKey::from_text(key).and_then(|key| Backend::AwsLc.signing_key(&key)).map_err(setup)?;
        Ok(Self {
            domain: DomainName::parse(domain).map_err(setup)?,
            selector: Selector::parse(selector).map_err(setup)?,
            key,
            canonicalization: canonicalization.ok_or_else(|| {
                LoadError::Setup("canonicalization is relaxed or simple, a slash, and the same".to_owned())
            })?,
        })
    }

    /// The name in `d=`.
    #[must_use]
    pub const fn domain(&self) -> &DomainName {
        &self.domain
    }

    /// The name in `s=`.
    #[must_use]
    pub const fn selector(&self) -> &Selector {
        &self.selector
    }

    /// The record of the key.
    #[must_use]
    pub fn record(&self) -> String {
        KeyRecord::text_for(&*self.key)
    }

    fn sign(&self, mail: &mut Mail) -> Result<(), LoadError> {
        let mut spec = SignatureSpec::new(self.domain.clone(), self.selector.clone());
        (spec.header_canon, spec.body_canon) = self.canonicalization;
        let mut plan = BodyHashPlan::new(Backend::AwsLc);
        let headers = headers(mail.fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))?;
        let signing = Signing::start(&headers, spec, Arc::clone(&self.key), now(), &mut plan).map_err(setup)?;
        let mut hasher = plan.start();
        hasher.update(&mail.body);
        let field = signing.finish(&hasher.finish()).map_err(setup)?;
        mail.fields.insert(0, (field.name.to_owned(), field.value));
        Ok(())
    }
}

/// Messages with a body of `size` octets.
///
/// # Errors
///
/// [`LoadError::Setup`] when one cannot be signed.
pub fn messages(work: Work, size: usize, signer: &Signer) -> Result<Vec<Mail>, LoadError> {
    let (shape, count) = if size > LARGE { (Shape::Base64, 1) } else { (Shape::Html, VARIANTS) };
    let mut body = benches::body(shape, size);
    // Cut to size anywhere; an MTA ends every line.
    if let Some([before, cr, lf]) = body.last_chunk_mut() {
        (*before, *cr, *lf) = (b'.', b'\r', b'\n');
    }
    let author = format!("sender@{}", signer.domain);
    (0..count)
        .map(|number| {
            let mut mail = Mail {
                sender: format!("<{author}>"),
                recipient: "<joe@reader.example>".to_owned(),
                fields: fields(&author, number),
                body: body.clone(),
            };
            for (octet, other) in mail.body.iter_mut().zip(format!("Message {number:03}\r\n").bytes()) {
                *octet = other;
            }
            if work == Work::Verify {
                signer.sign(&mut mail)?;
            }
            Ok(mail)
        })
        .collect()
}

fn fields(author: &str, number: usize) -> Vec<(String, String)> {
    let fields = benches::header().into_iter().map(|(name, value)| {
        let value = match name {
            "From" => format!(" \"Sender, Example\" <{author}>"),
            "Sender" => format!(" <{author}>"),
            "Message-ID" => format!(" <20251104100958.{number}.abcdef0123456789@mail.example.com>"),
            "Subject" => format!("{value} ({number})"),
            _ => value,
        };
        (name.to_owned(), value)
    });
    fields.collect()
}

/// The header section that a signature is about.
pub(crate) fn headers<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<Arc<HeaderBlock>, LoadError> {
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    for (name, value) in fields {
        builder.push(name, value).map_err(setup)?;
    }
    Ok(Arc::new(builder.finish()))
}

/// The header section as the MTA has it now.
pub(crate) fn headers_of(message: &MtaMessage) -> Result<Arc<HeaderBlock>, LoadError> {
    headers(message.fields().iter().map(|field| (field.name.as_slice(), field.value.as_slice())))
}

pub(crate) fn now() -> UnixTime {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixTime::from_secs(since_epoch.map_or(0, |time| time.as_secs()))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn setup(error: impl ToString) -> LoadError {
    LoadError::Setup(error.to_string())
}
