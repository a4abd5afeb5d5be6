//! Signs for any domain, and as no signer of ours would: the text of the signature is given.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::canon::header::{FieldIndex, FieldSelector, write_selected, write_signature_field};
use dkim_core::crypto::{Backend, HashAlgorithm, PrivateKey, SigningKey};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;

/// The key of RFC 8463 A.2.
fn key() -> Arc<dyn SigningKey> {
    let seed = PrivateKey::from_text(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    Backend::default().signing_key(&seed).unwrap()
}

/// Lines of a zone file that publish the key at these names.
pub(crate) fn published(names: &[impl AsRef<str>]) -> String {
    let record = KeyRecord::text_for(&*key());
    names.iter().fold(String::new(), |mut lines, name| {
        writeln!(lines, "{}. TXT \"{record}\"", name.as_ref()).unwrap();
        lines
    })
}

/// The message signed for a domain as its owner does it, with the key at `s._domainkey`.
pub(crate) fn sign(domain: &str, message: &[u8]) -> Vec<u8> {
    draft(&format!("d={domain}; s=s;"), "from:to:subject:date:message-id", message)
}

/// The message with a signature that has these tags besides the usual ones, over these fields and the whole body.
pub(crate) fn draft(tags: &str, names: &str, message: &[u8]) -> Vec<u8> {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let id = plan.request(Canon::Relaxed, HashAlgorithm::Sha256, None);
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let hash = STANDARD.encode(hasher.finish().get(id).unwrap().digest());

    let value = format!(" v=1; a=ed25519-sha256; c=relaxed/relaxed; {tags} h={names}; bh={hash}; b=");
    let index = FieldIndex::new(&headers);
    let mut data = Vec::new();
    let names = names.split(':').map(str::as_bytes);
    write_selected(Canon::Relaxed, &mut FieldSelector::new(&index), names, &mut data);
    write_signature_field(Canon::Relaxed, b"DKIM-Signature", [value.as_bytes(), b""], &mut data);
    let signature = STANDARD.encode(key().sign(&data).unwrap());
    [b"DKIM-Signature:", value.as_bytes(), signature.as_bytes(), b"\r\n", message].concat()
}
