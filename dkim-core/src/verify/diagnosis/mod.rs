//! Why a signature does not hold: what was done to the message on its way, as far as trying shows it.
//!
//! A verifier says that a hash differs. What was changed cannot be seen from that, but the usual changes can be undone and tried: a footer below the
//! body, line ends of another system, a canonicalization that is not the one signed with, a tag of a mailing list in the Subject, one field too
//! many. Each try costs a hash or a check of the signature, so this is for people who look at one message and not for the mail path.
//!
//! ```text
//!  bh= ──► as it is ► other c= ► without l= ► CRLF for LF ► cut at each line end, from the end   ──► BodyDiagnosis
//!  b=  ──► as it is ► other c= ► Subject without its tag ► without each signed field, one by one ──► HeaderDiagnosis
//! ```
//!
//! Invariants: what is named was tried, and the hash or the signature held; time is linear in the body, whatever stands in it, and bounded for the
//! header by [`DiagnosisLimits`]. *What it does not do*: a message is not accepted because a changed form of it would be, and two changes at once
//! are not tried.

mod body;
mod header;

use super::{KeyAnswer, VerifyPolicy};
use crate::canon::Canon;
use crate::canon::header::FieldIndex;
use crate::crypto::Backend;
use crate::header::HeaderBlock;
use crate::signature::{FIELD_NAME, Signature};

/// A signature to look at, with its message.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is what a caller has to say, and nothing else")]
pub struct Suspect<'a> {
    /// The header section.
    pub headers: &'a HeaderBlock,
    /// The place of the signature's field in it, from 0: [`SignatureReport::field`](super::SignatureReport::field).
    pub field: usize,
    /// The body, whole.
    pub body: &'a [u8],
    /// The answer about the key, where there is one.
    pub key: Option<&'a KeyAnswer>,
}

/// How much is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiagnosisLimits {
    /// Line ends, counted from the end of the body, at which it is cut. Default 10,000.
    pub max_cuts: usize,
    /// Signed fields that are left out, one by one, counted from the top. Default 64.
    pub max_fields: usize,
}

impl Default for DiagnosisLimits {
    fn default() -> Self {
        Self { max_cuts: 10_000, max_fields: 64 }
    }
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// About the body hash.
    pub body: BodyDiagnosis,
    /// About the signature over the header; `None` where there is no key to check it with.
    pub header: Option<HeaderDiagnosis>,
    /// The names of `h=` that the message has more or fewer fields of than the signature covers, in the order of `h=`.
    pub counts: Vec<FieldCount>,
}

/// How the body stands to its hash (`bh=`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyDiagnosis {
    /// It is what was signed.
    Intact {
        /// Octets of the canonical body behind `l=`, which nobody signed.
        unsigned: u64,
    },
    /// It is shorter than `l=`: its end is missing.
    CutOff {
        /// `l=`
        signed: u64,
        /// Octets that the canonical body has.
        present: u64,
    },
    /// It would match with this canonicalization: white space was changed, or the signer says another one than it used.
    OtherCanonicalization(Canon),
    /// It would match as a whole, without regard to `l=`.
    WithoutLength,
    /// It would match if its bare line feeds were CRLF.
    BareLineFeeds,
    /// It would match without its end: something was appended.
    Appended {
        /// Octets at the end of the body that were not signed.
        octets: usize,
        /// Lines that they are.
        lines: usize,
        /// Octets of the canonical body that were signed: the `l=` under which it would match.
        signed: u64,
    },
    /// It was changed in some other way, or above the last line ends that were tried.
    Changed,
}

/// How the header stands to the signature (`b=`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderDiagnosis {
    /// It is what was signed.
    Intact,
    /// It would verify with this canonicalization.
    OtherCanonicalization(Canon),
    /// It would verify without this at the beginning of the Subject.
    SubjectTag(Vec<u8>),
    /// It would verify without one field: it was added, or is one that the signer said there is none of.
    AddedField {
        /// Its name.
        name: Vec<u8>,
        /// Its place, from the top, from 0.
        field: usize,
    },
    /// A signed field was changed in some other way, or removed, or the key is another one.
    Changed,
}

/// How often a field is signed and how often it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldCount {
    /// Its name as in `h=`.
    pub name: String,
    /// How often it stands in `h=`. More than the message has fields: the signer says that there are no more, or one was removed.
    pub signed: usize,
    /// How many fields the message has. More than are signed: those on top are not covered, unless one was added below them.
    pub present: usize,
}

/// Looks for what was done to a message since it was signed.
///
/// *Inputs*: [`Suspect`]. *Limits*: [`DiagnosisLimits`]. *Results*: `None` where the field is no signature that can be read; a signature that holds is
/// intact twice.
///
/// ```
/// use dkim_core::crypto::Backend;
/// use dkim_core::dns::TxtAnswer;
/// use dkim_core::header::{HeaderBlock, HeaderLimits};
/// use dkim_core::verify::{BodyDiagnosis, DiagnosisLimits, HeaderDiagnosis, KeyAnswer, Suspect, diagnose};
///
/// // The message of RFC 8463 appendix A.3, as a mailing list passes it on.
/// let message = include_str!("../../../tests/vectors/dkim-rfc/rfc8463/signed.eml");
/// let message = format!("{}-- \r\nThe list of us\r\n", message.replace("Subject: ", "Subject: [us] "));
/// let record = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_vec();
/// let key = KeyAnswer::parse(&TxtAnswer::Records(vec![record]), Backend::default());
///
/// let (headers, body) = HeaderBlock::parse(message.as_bytes(), HeaderLimits::default())?;
/// let suspect = Suspect { headers: &headers, field: 0, body: &message.as_bytes()[body..], key: Some(&key) };
/// let diagnosis = diagnose(&suspect, Backend::default(), &DiagnosisLimits::default()).unwrap();
/// assert_eq!(diagnosis.body, BodyDiagnosis::Appended { octets: 21, lines: 2, signed: 54 });
/// assert_eq!(diagnosis.header, Some(HeaderDiagnosis::SubjectTag(b"[us] ".to_vec())));
/// # Ok::<(), dkim_core::header::HeaderError>(())
/// ```
#[must_use]
pub fn diagnose(suspect: &Suspect<'_>, backend: Backend, limits: &DiagnosisLimits) -> Option<Diagnosis> {
    let field = suspect.headers.get(suspect.field).filter(|field| field.is_named(FIELD_NAME))?;
    let signature = Signature::parse(field.value, &VerifyPolicy::default().signature_limits()).ok()?;
    let key = suspect.key.and_then(|answer| answer.key().ok()).and_then(|key| key.verifying.as_ref());
    Some(Diagnosis {
        body: body::diagnose(&signature, suspect.body, backend, limits),
        header: key.map(|key| header::diagnose(&signature, suspect, key, limits)),
        counts: counts(&signature, suspect),
    })
}

/// The canonicalization that was not signed with.
fn other(canon: Canon) -> Canon {
    match canon {
        Canon::Simple => Canon::Relaxed,
        Canon::Relaxed => Canon::Simple,
    }
}

fn counts(signature: &Signature, suspect: &Suspect<'_>) -> Vec<FieldCount> {
    let index = FieldIndex::new(suspect.headers);
    let names = signature.header_names.as_strs();
    let first = names
        .clone()
        .enumerate()
        .filter(|(number, name)| !names.clone().take(*number).any(|before| before.eq_ignore_ascii_case(name)));
    let counted = first.map(|(_, name)| FieldCount {
        name: name.to_owned(),
        signed: signature.header_names.count(name),
        present: index.named(name.as_bytes()).filter(|(at, _)| *at != suspect.field).count(),
    });
    counted.filter(|count| count.signed != count.present).collect()
}
