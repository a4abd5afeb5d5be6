//! Signing.
//!
//! *Standard*: RFC 6376 §5 and §3.7, RFC 8301 §3 (algorithms), RFC 8463 (Ed25519), RFC 8058 §4 (List-Unsubscribe must be signed).
//!
//! [`Signing`] is a machine without IO: it takes the header, asks for a body hash, and writes the field when the body has passed. Several signatures
//! of one message (RSA and Ed25519, or two domains) are several machines on one [`BodyHashPlan`], so the body is hashed once.
//!
//! ```
//! use dkim_core::UnixTime;
//! use dkim_core::body_hash::BodyHashPlan;
//! use dkim_core::crypto::{Backend, PrivateKey};
//! use dkim_core::domain::{DomainName, Selector};
//! use dkim_core::header::{HeaderBlock, HeaderLimits};
//! use dkim_core::sign::{SignatureSpec, Signing};
//!
//! let message = b"From: Joe <joe@example.com>\r\nSubject: Is dinner ready?\r\n\r\nHi.\r\n";
//! let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default())?;
//!
//! let backend = Backend::default();
//! let key = backend.signing_key(&PrivateKey::from_text(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")?)?;
//! let spec = SignatureSpec::new(DomainName::parse("example.com")?, Selector::parse("brisbane")?);
//!
//! let mut plan = BodyHashPlan::new(backend);
//! let signing = Signing::start(&headers, spec, key, UnixTime::from_secs(1_700_000_000), &mut plan)?;
//! let mut hasher = plan.start();
//! hasher.update(&message[body..]);
//! let field = signing.finish(&hasher.finish())?;
//!
//! assert!(field.value.starts_with(" v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com;"));
//! let signed = [field.name.as_bytes(), b":", field.value.as_bytes(), b"\r\n", message].concat();
//! # let _ = signed;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Invariants*: From is always signed, `l=` is written only where [`SignatureSpec::body_length`] asks for it, and the text of the field is made once:
//! what is hashed is what is handed out.
//!
//! A spec with [`Selection::InMessageOrder`] and [`Layout::OpenDkim`] gives the fields that OpenDKIM gives. Its `ReplaceRules` have no part here:
//! give [`Signing::start`] a header in which they are applied ([`replaced`]); what is listed and hashed is of that one.
//!
//! *What it does not do*: it does not decide whose mail to sign, does not change the message, and sees the body only as its hash. Bare CR and LF in
//! the *body* are therefore for the caller to look for.

mod headers;
mod in_message_order;
mod layout;
mod replaced;
mod spec;

use std::sync::Arc;

use thiserror::Error;

use crate::UnixTime;
use crate::body_hash::{BodyHash, BodyHashId, BodyHashPlan, BodyHashes};
use crate::canon::Canon;
use crate::canon::header::write_signature_field;
use crate::crypto::{KeyError, SigningKey};
use crate::header::HeaderBlock;
use crate::signature::FIELD_NAME;
use crate::signature::format::TagListWriter;

use self::headers::Named;
pub use self::layout::Layout;
use self::layout::OpenDkimWriter;
pub use self::replaced::replaced;
pub use self::spec::{BareLineEnds, DEFAULT_OVERSIGNED, DEFAULT_SIGNED, PreparedSpec, Selection, SignatureSpec};

/// [`FIELD_NAME`] as `relaxed` has it, with its colon.
const RELAXED_FIELD_NAME: &[u8] = b"dkim-signature:";

/// A field to be added at the top of the header.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewField {
    /// The name, without colon.
    pub name: &'static str,
    /// The text behind the colon: begins with a SP, CRLF before each continuation line, no CRLF at the end, ASCII. Lines have at most 76 columns
    /// where they can be folded, and never more than the 998 that RFC 5322 §2.1.1 allows.
    pub value: String,
}

/// The making of one signature. See the [module page](self).
///
/// *Inputs*: the header, what to sign and how, the key, the time, the body hash. *DNS questions asked*: none. *Limits*:
/// [`SignatureSpec::max_header_names`]. *Results*: one [`NewField`].
#[derive(Clone, Debug)]
pub struct Signing {
    spec: PreparedSpec,
    key: Arc<dyn SigningKey>,
    chosen: Chosen,
    /// The canonical text of the fields that are signed.
    text: Vec<u8>,
    timestamp: Option<u64>,
    expiration: Option<u64>,
    body: BodyHashId,
}

/// What `h=` lists.
#[derive(Clone, Debug)]
enum Chosen {
    /// The fields of each name that the spec wants.
    ByName(Vec<Named>),
    /// The names, with colons between them.
    Listed(String),
}

/// Why a message is not signed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// RFC 6376 §5.4: "The From header field MUST be signed", and there is none.
    #[error("the message has no From field")]
    NoFrom,
    /// RFC 5322 §3.6 allows one. A receiver may show another one than was authorized.
    #[error("the message has {count} From fields")]
    SeveralFrom {
        /// How many.
        count: usize,
    },
    /// A bare CR or LF in a header field, which one receiver reads as a line end and another does not.
    #[error("a bare CR or LF in header field {field}")]
    BareLineEnd {
        /// The place of the field, from the top, from 0.
        field: usize,
    },
    /// More fields to sign than [`SignatureSpec::max_header_names`].
    #[error("more than {limit} header fields to sign")]
    TooManyFields {
        /// The limit.
        limit: usize,
    },
    /// A configured name that cannot stand in `h=`, or is longer than a line.
    #[error("`{name}` is not a header field name that can be signed")]
    FieldName {
        /// The name.
        name: String,
    },
    /// `d=` has one label, which the grammar of `d=` does not allow.
    #[error("the signing domain has a single label")]
    SingleLabel,
    /// Selector and domain make a name of more than 253 octets.
    #[error("the name of the key is longer than 253 octets")]
    KeyNameTooLong,
    /// The domain of the identity is neither the signing domain nor below it (RFC 6376 §3.5).
    #[error("the domain of the identity is not the signing domain or below it")]
    IdentityDomain,
    /// The local part of the identity has more than 64 octets, the most that one has (RFC 5321 §4.5.3.1.1). A longer one would not fit a line.
    #[error("the local part of the identity is longer than 64 octets")]
    LocalPartTooLong,
    /// The expiration lies beyond the largest time, or is not after the signing time.
    #[error("the lifetime of the signature is out of range")]
    Expiration,
    /// The body hashes are of another plan.
    #[error("the body was not hashed for this signature")]
    BodyMissing,
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Signing {
    /// Checks that the message can be signed as `spec` says, takes the fields to sign, and asks `plan` for the body hash.
    ///
    /// `spec` is a [`SignatureSpec`], or the [`PreparedSpec`] of one that is used again and again.
    ///
    /// # Errors
    /// [`SignError`]: what is wrong with the message or with `spec`.
    pub fn start(
        headers: &HeaderBlock,
        spec: impl Into<PreparedSpec>,
        key: Arc<dyn SigningKey>,
        now: UnixTime,
        plan: &mut BodyHashPlan,
    ) -> Result<Self, SignError> {
        let prepared = spec.into();
        prepared.0.checked.clone()?;
        let spec = prepared.spec();
        // Which fields there are counts before what is in them.
        let (chosen, text) = match &spec.selection {
            Selection::ByName => {
                let (named, text) = headers::select(headers, &prepared.0)?;
                (Chosen::ByName(named), text)
            }
            Selection::InMessageOrder { omitted } => {
                let (list, text) = in_message_order::select(headers, spec, omitted)?;
                (Chosen::Listed(list), text)
            }
        };
        if spec.bare_line_ends == BareLineEnds::Refuse {
            headers::check_line_ends(headers)?;
        }
        let expiration = match spec.lifetime {
            None => None,
            // §3.5 on x=: "The value of the "x=" tag MUST be greater than the value of the "t=" tag if both are present."
            Some(lifetime) if lifetime.as_secs() == 0 => return Err(SignError::Expiration),
            Some(lifetime) => Some(now.as_secs().checked_add(lifetime.as_secs()).ok_or(SignError::Expiration)?),
        };
        // All of a body is the hash that the other signatures want as well.
        let limit = spec.body_length.filter(|most| *most < u64::MAX);
        let body = plan.request(spec.body_canon, key.algorithm().hash(), limit);
        let timestamp = spec.timestamp.then(|| now.as_secs());
        Ok(Self { spec: prepared, key, chosen, text, timestamp, expiration, body })
    }

    /// Whether [`finish`](Self::finish) may take long enough to be moved off an asynchronous thread ([`SigningKey::may_block`]).
    #[must_use]
    pub fn may_block(&self) -> bool {
        self.key.may_block()
    }

    /// What was asked for.
    #[must_use]
    pub fn spec(&self) -> &SignatureSpec {
        self.spec.spec()
    }

    /// Signs. `bodies` are the answers of the plan that [`start`](Self::start) was given.
    ///
    /// # Errors
    /// [`SignError::Key`] if the key does not sign, [`SignError::BodyMissing`] for the answers of another plan.
    pub fn finish(mut self, bodies: &BodyHashes) -> Result<NewField, SignError> {
        let body = bodies.get(self.body).ok_or(SignError::BodyMissing)?;
        if self.spec().layout == Layout::OpenDkim {
            return self.finish_as_opendkim(body);
        }
        let value = self.unsigned_value(body);
        match self.spec().header_canon {
            Canon::Simple => {
                for part in [FIELD_NAME, ":", value.as_str()] {
                    self.text.extend_from_slice(part.as_bytes());
                }
            }
            // None of the tags holds white space: an identity is quoted-printable.
            Canon::Relaxed => {
                self.text.extend_from_slice(RELAXED_FIELD_NAME);
                value.push_relaxed(&mut self.text);
            }
        }
        let signature = self.key.sign(&self.text)?;
        Ok(NewField { name: FIELD_NAME, value: value.finish_with(&signature) })
    }

    #[cold]
    fn finish_as_opendkim(mut self, body: &BodyHash) -> Result<NewField, SignError> {
        let value = self.unsigned_opendkim_value(body);
        let parts = [value.as_str().as_bytes(), b""];
        write_signature_field(self.spec.spec().header_canon, FIELD_NAME.as_bytes(), parts, &mut self.text);
        let signature = self.key.sign(&self.text)?;
        Ok(NewField { name: FIELD_NAME, value: value.finish_with(&signature) })
    }

    /// The value up to the `b=` whose value is missing.
    fn unsigned_value(&self, body: &BodyHash) -> TagListWriter {
        let spec = self.spec();
        let mut value = TagListWriter::new(FIELD_NAME);
        value.tag("v", "1");
        value.tag("a", self.key.algorithm().as_str());
        value.tag("c", canonicalizations(spec.header_canon, spec.body_canon));
        value.tag("d", spec.domain.as_str());
        value.tag("s", spec.selector.as_str());
        if let Some(identity) = &spec.identity {
            value.tag("i", &identity.to_tag_value());
        }
        if let Some(timestamp) = self.timestamp {
            value.number("t", timestamp);
        }
        if let Some(expiration) = self.expiration {
            value.number("x", expiration);
        }
        if spec.request_reports {
            value.tag("r", "y");
        }
        match &self.chosen {
            Chosen::ByName(named) => value.list("h", self.names(named)),
            Chosen::Listed(list) => value.list("h", list.split(':')),
        }
        value.base64("bh", body.digest());
        if spec.body_length.is_some() {
            value.number("l", body.hashed_octets());
        }
        value.open_base64("b");
        value
    }

    /// The same with [`Layout::OpenDkim`].
    fn unsigned_opendkim_value(&self, body: &BodyHash) -> OpenDkimWriter {
        let spec = self.spec();
        let mut value = OpenDkimWriter::new();
        value.tag("v", "1");
        value.tag("a", self.key.algorithm().as_str());
        value.tag("c", canonicalizations(spec.header_canon, spec.body_canon));
        value.tag("d", spec.domain.as_str());
        value.tag("s", spec.selector.as_str());
        for (name, time) in [("t", self.timestamp), ("x", self.expiration)] {
            if let Some(time) = time {
                value.tag(name, &time.to_string());
            }
        }
        if let Some(identity) = &spec.identity {
            value.tag("i", &identity.to_tag_value());
        }
        if spec.request_reports {
            value.tag("r", "y");
        }
        value.hash("bh", body.digest());
        if spec.body_length.is_some() {
            value.tag("l", &body.hashed_octets().to_string());
        }
        match &self.chosen {
            Chosen::ByName(named) => value.list("h", self.names(named)),
            Chosen::Listed(list) => value.list("h", list.split(':')),
        }
        value.open_signature();
        value
    }

    /// Each name as often as it is listed.
    fn names<'a>(&'a self, named: &'a [Named]) -> impl Iterator<Item = &'a str> + Clone {
        let wanted = self.spec.0.names.iter().zip(named);
        wanted.flat_map(|(wanted, named)| std::iter::repeat_n(&*wanted.name, wanted.times(named.count)))
    }
}

/// The value of `c=`.
const fn canonicalizations(header: Canon, body: Canon) -> &'static str {
    match (header, body) {
        (Canon::Simple, Canon::Simple) => "simple/simple",
        (Canon::Simple, Canon::Relaxed) => "simple/relaxed",
        (Canon::Relaxed, Canon::Simple) => "relaxed/simple",
        (Canon::Relaxed, Canon::Relaxed) => "relaxed/relaxed",
    }
}
