//! A signer by hand, a verifier with a zone, and a message.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::canon::header::{FieldIndex, FieldSelector, write_selected, write_signature_field};
use dkim_core::crypto::{Backend, HashAlgorithm, PrivateKey, SigningKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{SignatureSpec, Signing};
use dkim_core::verify::{KeyAnswer, Outcome, SignatureReport, Verification, VerifyPolicy};

/// When messages are verified unless a test says otherwise.
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) const MESSAGE: &[u8] =
    b"From: Joe <joe@example.com>\r\nTo: mary@example.org\r\nSubject: Is dinner\r\n\tready?\r\n\
    Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=us-ascii\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n";

/// The key of RFC 8463 A.2.
pub(crate) fn key() -> Arc<dyn SigningKey> {
    let seed = PrivateKey::from_text(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    Backend::default().signing_key(&seed).unwrap()
}

/// Key records by name. A name that is not there does not exist.
#[derive(Clone, Default)]
pub(crate) struct Zone(pub(crate) HashMap<String, TxtAnswer>);

impl Zone {
    /// The key of [`key`] under the name that the signatures of these tests use.
    pub(crate) fn usual() -> Self {
        Self::default().with("sel._domainkey.example.com", &KeyRecord::text_for(&*key()))
    }

    pub(crate) fn with(self, name: &str, record: &str) -> Self {
        self.answering(name, TxtAnswer::Records(vec![record.as_bytes().to_vec()]))
    }

    pub(crate) fn answering(mut self, name: &str, answer: TxtAnswer) -> Self {
        self.0.insert(name.to_owned(), answer);
        self
    }
}

/// A signature written by hand: its value is a text with `{bh}` and `{b}` for the two values that are computed.
#[derive(Clone)]
pub(crate) struct Draft<'a> {
    /// The value with its leading blank.
    pub(crate) template: &'a str,
    /// The names that are hashed, with colons between them; what `h=` is meant to say.
    pub(crate) names: &'a str,
    pub(crate) canon: (Canon, Canon),
    /// How the base64 of the signature is written.
    pub(crate) spell: fn(&str) -> String,
}

impl Default for Draft<'_> {
    fn default() -> Self {
        Self {
            template: " v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=sel; h=from:to:subject; bh={bh}; b={b}",
            names: "from:to:subject",
            canon: (Canon::Relaxed, Canon::Relaxed),
            spell: str::to_owned,
        }
    }
}

impl Draft<'_> {
    /// The message with the signature on top.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.sign_with(&*key(), message)
    }

    pub(crate) fn sign_with(&self, key: &dyn SigningKey, message: &[u8]) -> Vec<u8> {
        let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
        let mut plan = BodyHashPlan::new(Backend::default());
        let id = plan.request(self.canon.1, HashAlgorithm::Sha256, None);
        let mut hasher = plan.start();
        hasher.update(&message[body..]);
        let bh = STANDARD.encode(hasher.finish().get(id).unwrap().digest());

        let value = self.template.replace("{bh}", &bh);
        let (before, after) = value.split_once("{b}").unwrap();
        let index = FieldIndex::new(&headers);
        let mut data = Vec::new();
        let names = self.names.split(':').map(str::as_bytes);
        write_selected(self.canon.0, &mut FieldSelector::new(&index), names, &mut data);
        let parts = [before.as_bytes(), after.as_bytes()];
        write_signature_field(self.canon.0, b"DKIM-Signature", parts, &mut data);
        let b = (self.spell)(&STANDARD.encode(key.sign(&data).unwrap()));
        [b"DKIM-Signature:", before.as_bytes(), b.as_bytes(), after.as_bytes(), b"\r\n", message].concat()
    }
}

pub(crate) fn spec() -> SignatureSpec {
    SignatureSpec::new(DomainName::parse("example.com").unwrap(), Selector::parse("sel").unwrap())
}

/// The message as the library signs it.
pub(crate) fn sign(spec: SignatureSpec, message: &[u8]) -> Vec<u8> {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(Backend::default());
    let signing = Signing::start(&headers, spec, key(), UnixTime::from_secs(NOW), &mut plan).unwrap();
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let field = signing.finish(&hasher.finish()).unwrap();
    [field.name.as_bytes(), b":", field.value.as_bytes(), b"\r\n", message].concat()
}

/// Verifies; the zone answers every question.
pub(crate) fn reports(message: &[u8], zone: &Zone, policy: &VerifyPolicy, now: u64) -> Vec<SignatureReport> {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let backend = Backend::default();
    let mut plan = BodyHashPlan::new(backend);
    let mut verification = Verification::start(Arc::new(headers), UnixTime::from_secs(now), policy, &mut plan);
    let questions: Vec<_> = verification.key_queries().map(|query| (query.id, query.name())).collect();
    for (id, name) in questions {
        let answer = zone.0.get(&name).unwrap_or(&TxtAnswer::NxDomain);
        verification.provide_key(id, KeyAnswer::parse(answer, backend));
    }
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    verification.finish(&hasher.finish())
}

/// Verifies with the usual zone, policy and time.
pub(crate) fn usual_reports(message: &[u8]) -> Vec<SignatureReport> {
    reports(message, &Zone::usual(), &VerifyPolicy::default(), NOW)
}

/// The outcome of the topmost signature, with the usual zone, policy and time.
pub(crate) fn outcome(message: &[u8]) -> Outcome {
    usual_reports(message).first().unwrap().outcome
}

/// The message with the text `from` replaced by `to`; `from` stands in it exactly once.
pub(crate) fn altered(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let places: Vec<usize> = (0..message.len()).filter(|at| message[*at..].starts_with(from.as_bytes())).collect();
    assert_eq!(places.len(), 1, "{from} stands in the message {} times", places.len());
    let (head, tail) = message.split_at(places[0]);
    [head, to.as_bytes(), &tail[from.len()..]].concat()
}

/// The message with fields above all others.
pub(crate) fn above(fields: &str, message: &[u8]) -> Vec<u8> {
    [fields.as_bytes(), message].concat()
}

/// The message with fields below all others.
pub(crate) fn below(fields: &str, message: &[u8]) -> Vec<u8> {
    let end = message.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap() + 2;
    let (header, body) = message.split_at(end);
    [header, fields.as_bytes(), body].concat()
}
