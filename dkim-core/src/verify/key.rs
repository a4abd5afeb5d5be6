//! The keys of a verification: what to ask, and what an answer is worth.
//!
//! *Standard*: RFC 6376 §3.6.2 (names and answers), §6.1.2 (what each answer means).

use std::sync::Arc;

use crate::crypto::{Backend, VerifyingKey};
use crate::dns::TxtAnswer;
use crate::domain::{DomainName, Selector};
use crate::key_record::{KeyRecord, KeyRecordError};
use crate::signature::key_name_fits;
use crate::tag_list::{TagLimits, TagList};

/// Most TXT records of one name that are looked at.
const MAX_RECORDS: usize = 10;

/// Names one key of a [`Verification`](super::Verification).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) usize);

/// A TXT question whose answer a verification needs.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyQuery<'a> {
    /// For [`Verification::provide_key`](super::Verification::provide_key).
    pub id: KeyId,
    /// `s=`
    pub selector: &'a Selector,
    /// `d=`
    pub domain: &'a DomainName,
}

impl KeyQuery<'_> {
    /// The name to ask for TXT records, without a final dot; at most 253 octets.
    #[must_use]
    pub fn name(&self) -> String {
        key_name(self.selector, self.domain)
    }
}

/// The name under which a key is published (§3.6.2.1): selector, `_domainkey`, domain.
#[must_use]
pub fn key_name(selector: &Selector, domain: &DomainName) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// The key that the value of a DKIM-Signature field names, for a lookup that starts while the rest of the header is on its way.
///
/// Looks at `s=` and `d=` only: a question about the key of a signature that turns out to be invalid is a wasted one, not a wrong one. `None` if
/// there can be no such key.
///
/// ```
/// use dkim_core::verify::key_query_of;
///
/// let (selector, domain) = key_query_of(b" v=1; d=Example.com; s=brisbane; h=from; b=").unwrap();
/// assert_eq!((selector.as_str(), domain.as_str()), ("brisbane", "example.com"));
/// ```
#[must_use]
pub fn key_query_of(value: &[u8]) -> Option<(Selector, DomainName)> {
    let tags = TagList::parse(value, TagLimits::default()).ok()?;
    let selector = Selector::parse_bytes(tags.get("s")?.value).ok()?;
    let domain = DomainName::parse_bytes(tags.get("d")?.value).ok()?;
    (domain.label_count() > 1 && key_name_fits(&selector, &domain)).then_some((selector, domain))
}

/// The answer to a [`KeyQuery`], read once: a key ready for use, or why there is none.
///
/// A clone shares the key, so a cache can hand it to any number of verifications.
///
/// ```
/// use dkim_core::crypto::Backend;
/// use dkim_core::dns::TxtAnswer;
/// use dkim_core::verify::KeyAnswer;
///
/// let record = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=".to_vec();
/// let answer = KeyAnswer::parse(&TxtAnswer::Records(vec![record]), Backend::default());
/// assert!(answer.record().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct KeyAnswer(Arc<Result<Key, NoKey>>);

/// A record with its key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) record: KeyRecord,
    /// `None` if the record says that the key is revoked.
    pub(super) verifying: Option<VerifyingKey>,
}

/// Why an answer holds no key record.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The lookup failed.
    #[error("the lookup failed")]
    Failed,
    /// The name does not exist.
    #[error("the name does not exist")]
    NxDomain,
    /// The name has no TXT record.
    #[error("the name has no TXT record")]
    NoData,
    /// The name has several TXT records, and none looks like a key.
    #[error("none of the TXT records is a key record")]
    NotAmongRecords,
    /// The name has several key records.
    #[error("there are several key records")]
    Several,
    /// The record is not valid.
    #[error(transparent)]
    Record(#[from] KeyRecordError),
}

impl KeyAnswer {
    /// Reads an answer and prepares its key for `backend`.
    ///
    /// *Limits*: at most 10 records are looked at.
    ///
    /// §3.6.2.2: "TXT RRs MUST be unique for a particular selector name; that is, if there are multiple records in an RRset, the results are
    /// undefined." Here: records that are not meant as keys are passed over, and exactly one must be left.
    #[must_use]
    pub fn parse(answer: &TxtAnswer, backend: Backend) -> Self {
        Self(Arc::new(match answer {
            TxtAnswer::Records(records) => {
                record_of(records).and_then(|text| Ok(Key::new(KeyRecord::parse(text)?, backend)))
            }
            TxtAnswer::NoData => Err(NoKey::NoData),
            TxtAnswer::NxDomain => Err(NoKey::NxDomain),
            TxtAnswer::Failed => Err(NoKey::Failed),
        }))
    }

    /// The record.
    ///
    /// # Errors
    /// Why there is none.
    pub fn record(&self) -> Result<&KeyRecord, NoKey> {
        self.key().map(|key| &key.record)
    }

    pub(super) fn key(&self) -> Result<&Key, NoKey> {
        match &*self.0 {
            Ok(key) => Ok(key),
            Err(no_key) => Err(*no_key),
        }
    }
}

impl Key {
    fn new(record: KeyRecord, backend: Backend) -> Self {
        let verifying = record.key.as_ref().map(|key| VerifyingKey::new(backend, key));
        Self { record, verifying }
    }
}

/// The one record that is meant as a key.
fn record_of(records: &[Vec<u8>]) -> Result<&[u8], NoKey> {
    match records {
        [] => Err(NoKey::NoData),
        [only] => Ok(only),
        several => {
            let mut likely = several.iter().take(MAX_RECORDS).filter(|text| KeyRecord::is_likely(text));
            match (likely.next(), likely.next()) {
                (None, _) => Err(NoKey::NotAmongRecords),
                (Some(only), None) => Ok(only),
                (Some(_), Some(_)) => Err(NoKey::Several),
            }
        }
    }
}
