//! What a signature is to look like.

use std::sync::Arc;
use std::time::Duration;

use super::SignError;
use super::layout::Layout;
use crate::canon::Canon;
use crate::domain::{DomainName, Selector};
use crate::signature::{Identity, is_header_name, key_name_fits};
use crate::swar::{NameKey, eq_ignore_case};

/// The fields signed by default wherever the message has them: those of RFC 6376 §5.4.1, and those that decide how a message is shown, threaded
/// and unsubscribed from.
///
/// Left out on purpose are fields that change or grow on the way: Return-Path, Received, Comments, Keywords, Bcc, DKIM-Signature,
/// Authentication-Results.
pub const DEFAULT_SIGNED: &[&str] = &[
    "from",
    "sender",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "to",
    "cc",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "in-reply-to",
    "references",
    "resent-date",
    "resent-from",
    "resent-to",
    "resent-cc",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
    "autocrypt",
];

/// The fields that by default are listed once more than the message has them, so that none can be added (RFC 6376 §8.15).
pub const DEFAULT_OVERSIGNED: &[&str] =
    &["from", "sender", "reply-to", "subject", "date", "message-id", "to", "cc", "mime-version", "content-type"];

/// RFC 6376 §5.4 for From; RFC 8058 §4 for the others: one-click unsubscription is honoured only if a valid DKIM signature covers both.
pub(super) const ALWAYS_SIGNED: &[&str] = &["from", "list-unsubscribe", "list-unsubscribe-post"];

/// RFC 5321 §4.5.3.1.1: "The maximum total length of a user name or other local-part is 64 octets."
const MAX_LOCAL_PART: usize = 64;

/// Longest name of a field: with the SP before it, the `h=` and a colon behind it, it must fit a line of 998 octets.
pub(super) const MAX_NAME: usize = 994;

/// What to sign with and what to sign.
///
/// ```
/// use std::time::Duration;
///
/// use dkim_core::domain::{DomainName, Selector};
/// use dkim_core::sign::SignatureSpec;
///
/// let mut spec = SignatureSpec::new(DomainName::parse("example.com")?, Selector::parse("2026a")?);
/// spec.lifetime = Some(Duration::from_secs(7 * 24 * 3600));
/// # Ok::<(), dkim_core::domain::DomainError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureSpec {
    /// `d=`; at least two labels.
    pub domain: DomainName,
    /// `s=`
    pub selector: Selector,
    /// `i=`, whose domain is `d=` or lies below it, and whose local part has at most 64 octets. Default none.
    pub identity: Option<Identity>,
    /// Default relaxed.
    pub header_canon: Canon,
    /// Default relaxed.
    pub body_canon: Canon,
    /// Names of fields that are signed wherever the message has them, all of them. From and the fields of RFC 8058 are signed in any case. Default
    /// [`DEFAULT_SIGNED`]. See [`Selection`] for another reading.
    pub signed: Vec<String>,
    /// Names of fields that are listed once more than the message has them, and so are signed as well. Default [`DEFAULT_OVERSIGNED`]. See
    /// [`Selection`] for another reading.
    pub oversigned: Vec<String>,
    /// How `h=` is made of the two lists. Default [`Selection::ByName`].
    pub selection: Selection,
    /// How the field is written. Default [`Layout::Native`].
    pub layout: Layout,
    /// Whether to write the time of signing (`t=`). Default true.
    pub timestamp: bool,
    /// How long the signature is valid (`x=`), in whole seconds. A limit of days makes replay harder; too short a one makes delayed mail fail.
    /// Default none.
    pub lifetime: Option<Duration>,
    /// Whether to ask for reports of failures (`r=y`, RFC 6651 §3.1). Default false.
    pub request_reports: bool,
    /// Most octets of the canonical body that are signed; the field then says how many they are (`l=`), also where the body has no more
    /// (`u64::MAX` signs all of any body). Default none: all of it, without `l=`.
    ///
    /// Anybody can add to a body signed this way and the signature stays good (§8.2), so many verifiers do not count it. It is for recipients
    /// behind an old mailing list, and for nobody else.
    pub body_length: Option<u64>,
    /// What to do about a bare CR or LF in the header. Default [`BareLineEnds::Refuse`].
    pub bare_line_ends: BareLineEnds,
    /// Most names in `h=`; a message with more fields to sign is refused. Default 256, which is what verifiers of this crate accept.
    pub max_header_names: usize,
}

/// Which fields are signed and in what order `h=` lists them.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Name by name in the order of [`SignatureSpec::signed`] and spelled as there, each as often as the message has it and once more if it is
    /// oversigned.
    #[default]
    ByName,
    /// As OpenDKIM: every field that [`SignatureSpec::signed`] covers and `omitted` does not, in the order of the message and spelled as there; From
    /// in any case. Behind them the names of [`SignatureSpec::oversigned`], each once, as they are spelled in that list.
    ///
    /// In both lists of names a "*" stands for any characters. An oversigned name means one field less than with [`ByName`](Self::ByName): where the
    /// message has such a field and it is not covered, it is the one that is signed, and one may be added.
    InMessageOrder {
        /// Fields that are not signed although [`SignatureSpec::signed`] covers them; without effect on From.
        omitted: Vec<String>,
    },
}

/// A [`SignatureSpec`] for many messages: checked once, and its lists of names made into one. A clone shares it.
///
/// ```
/// use dkim_core::domain::{DomainName, Selector};
/// use dkim_core::sign::{PreparedSpec, SignatureSpec};
///
/// let spec = SignatureSpec::new(DomainName::parse("example.com")?, Selector::parse("2026a")?);
/// let prepared = PreparedSpec::from(spec);
/// assert_eq!(prepared.spec().domain.as_str(), "example.com");
/// # Ok::<(), dkim_core::domain::DomainError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreparedSpec(pub(super) Arc<Prepared>);

#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) spec: SignatureSpec,
    /// Whether a verifier would accept the syntax of what the spec asks for.
    pub(super) checked: Result<(), SignError>,
    /// The names to sign, each once, in the order of `h=`.
    pub(super) names: Vec<WantedName>,
    /// For each mark of a name ([`NameKey::mark`]) the first of `names` that has it. A message cannot make that slow: what shares a mark with what is
    /// up to the names that are configured.
    first: [Option<u16>; 256],
}

#[derive(Debug)]
pub(super) struct WantedName {
    pub(super) name: Box<str>,
    key: NameKey,
    /// The name in lower case with its colon, as `relaxed` has it.
    pub(super) relaxed_name: Box<str>,
    /// Whether it is listed once more than the message has it.
    pub(super) is_oversigned: bool,
    /// The next one with the same mark.
    next: Option<u16>,
}

impl WantedName {
    /// How often it is listed where the message has `count` fields of this name.
    pub(super) fn times(&self, count: usize) -> usize {
        count.saturating_add(usize::from(self.is_oversigned))
    }
}

impl Prepared {
    /// The place in `names` of the name of a field.
    #[inline]
    pub(super) fn place_of(&self, name: &[u8]) -> Option<usize> {
        let key = NameKey::of(name);
        let mut next = self.first.get(usize::from(key.mark())).copied().flatten();
        while let Some(at) = next.map(usize::from) {
            let wanted = self.names.get(at)?;
            if wanted.key == key && (name.len() <= NameKey::WHOLE || eq_ignore_case(wanted.name.as_bytes(), name)) {
                return Some(at);
            }
            next = wanted.next;
        }
        None
    }
}

impl PreparedSpec {
    /// What it was made of.
    #[must_use]
    pub fn spec(&self) -> &SignatureSpec {
        &self.0.spec
    }
}

/// A spec that asks for what cannot be signed is refused by [`Signing::start`](super::Signing::start).
impl From<SignatureSpec> for PreparedSpec {
    fn from(spec: SignatureSpec) -> Self {
        let is_oversigned = |name: &str| spec.oversigned.iter().any(|other| other.eq_ignore_ascii_case(name));
        let mut names: Vec<WantedName> = Vec::new();
        let configured = spec.signed.iter().chain(&spec.oversigned).map(String::as_str);
        for name in configured.chain(ALWAYS_SIGNED.iter().copied()) {
            if !names.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
                let relaxed_name = format!("{}:", name.to_ascii_lowercase()).into();
                names.push(WantedName {
                    name: name.into(),
                    key: NameKey::of(name.as_bytes()),
                    relaxed_name,
                    is_oversigned: is_oversigned(name),
                    next: None,
                });
            }
        }
        let mut checked = spec.check();
        let mut first = [None; 256];
        for (at, wanted) in names.iter_mut().enumerate() {
            match (first.get_mut(usize::from(wanted.key.mark())), u16::try_from(at)) {
                (Some(first), Ok(at)) => wanted.next = first.replace(at),
                // Nobody can list so many.
                _ => checked = Err(SignError::TooManyFields { limit: usize::from(u16::MAX) }),
            }
        }
        Self(Arc::new(Prepared { checked, names, first, spec }))
    }
}

/// What to do about a CR or LF in a header field that is not part of a CRLF.
///
/// Such a message is read in different ways on its way; signing it vouches for all of them (SMTP smuggling).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BareLineEnds {
    /// Do not sign.
    #[default]
    Refuse,
    /// Sign the octets as they are.
    Sign,
}

impl SignatureSpec {
    /// The defaults for this domain and selector.
    #[must_use]
    pub fn new(domain: DomainName, selector: Selector) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            domain,
            selector,
            identity: None,
            header_canon: Canon::Relaxed,
            body_canon: Canon::Relaxed,
            signed: owned(DEFAULT_SIGNED),
            oversigned: owned(DEFAULT_OVERSIGNED),
            selection: Selection::default(),
            layout: Layout::default(),
            timestamp: true,
            lifetime: None,
            request_reports: false,
            body_length: None,
            bare_line_ends: BareLineEnds::default(),
            max_header_names: 256,
        }
    }

    /// Whether a verifier would accept the syntax of what this asks for.
    fn check(&self) -> Result<(), SignError> {
        if self.domain.label_count() < 2 {
            return Err(SignError::SingleLabel);
        }
        if !key_name_fits(&self.selector, &self.domain) {
            return Err(SignError::KeyNameTooLong);
        }
        // §3.5 on i=: "The domain part of the address MUST be the same as, or a subdomain of, the value of the "d=" tag."
        if self.identity.as_ref().is_some_and(|i| !i.domain().is_equal_or_subdomain_of(&self.domain)) {
            return Err(SignError::IdentityDomain);
        }
        if self.identity.as_ref().is_some_and(|i| i.local_part().len() > MAX_LOCAL_PART) {
            return Err(SignError::LocalPartTooLong);
        }
        let is_wrong = |name: &&String| !is_header_name(name.as_bytes()) || name.len() > MAX_NAME;
        match self.signed.iter().chain(&self.oversigned).find(is_wrong) {
            Some(name) => Err(SignError::FieldName { name: name.clone() }),
            None => Ok(()),
        }
    }
}
