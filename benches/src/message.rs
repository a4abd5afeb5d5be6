//! A whole message, signed and verified as a user of the library would: keys parsed and key records at hand, the header read from text, the body
//! in chunks of a milter.
#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "keys and messages are constants of this package"
)]

use std::hint::black_box;
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::{BodyHashPlan, BodyHashes};
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, SigningKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{PreparedSpec, SignatureSpec, Signing};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};

use crate::{Shape, body, header_text};

/// The time of every signature.
pub const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Sizes of bodies, with their names.
pub const SIZES: [(&str, usize); 4] = [("2k", 2 << 10), ("20k", 20 << 10), ("200k", 200 << 10), ("5m", 5 << 20)];

/// Octets of a chunk: what Postfix gives a milter at once.
pub const CHUNK: usize = 65_535;

/// A published key; nobody is protected by it.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its name in the tables.
    pub name: &'static str,
    /// The text of its file.
    pub file: &'static [u8],
    /// Ready to sign.
    pub signing: Arc<dyn SigningKey>,
    backend: Backend,
}

impl Key {
    /// RSA-2048 and Ed25519, prepared for a backend.
    ///
    /// # Panics
    /// If a key of this package is damaged.
    #[must_use]
    pub fn both(backend: Backend) -> [Self; 2] {
        let key = |name, file| Self { name, file, signing: backend.load_key(file).expect("a private key"), backend };
        [
            key("rsa2048", include_bytes!("../../dkim-core/tests/vectors/keys/rsa-2048.pkcs8.pem")),
            key("ed25519", include_bytes!("../../dkim-core/tests/vectors/keys/ed25519.seed.b64")),
        ]
    }

    /// The text of its record.
    #[must_use]
    pub fn record(&self) -> String {
        KeyRecord::text_for(&*self.signing)
    }

    /// Its record as a resolver would have cached it.
    #[must_use]
    pub fn answer(&self) -> KeyAnswer {
        KeyAnswer::parse(&TxtAnswer::Records(vec![self.record().into_bytes()]), self.backend)
    }
}

/// Text and HTML by halves, quoted-printable in the half of the text; in a message of more than 1 MiB, an attachment behind 100 KiB of them.
#[must_use]
pub fn message_body(octets: usize) -> Vec<u8> {
    let readable = if octets > 1 << 20 { 100 << 10 } else { octets };
    let mut out = body(Shape::Text, readable / 4);
    out.extend(body(Shape::QuotedPrintable, readable / 4));
    out.extend(body(Shape::Html, readable - out.len()));
    out.extend(body(Shape::Base64, octets - out.len()));
    out
}

/// A message with 25 header fields, and `signatures` above them.
#[must_use]
pub fn message(signatures: &[String], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in signatures {
        for part in ["DKIM-Signature:", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend(header_text());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

/// What to sign with, and how; made once for many messages.
#[must_use]
pub fn specs(keys: &[Key], canon: Canon) -> Vec<(PreparedSpec, Arc<dyn SigningKey>)> {
    let spec = |(at, key): (usize, &Key)| {
        let domain = DomainName::parse("example.com").expect("a domain");
        let selector = Selector::parse(&format!("s{at}")).expect("a selector");
        let mut spec = SignatureSpec::new(domain, selector);
        spec.header_canon = canon;
        spec.body_canon = canon;
        (spec.into(), Arc::clone(&key.signing))
    };
    keys.iter().enumerate().map(spec).collect()
}

/// One signature a key, in one pass over the body.
///
/// # Panics
/// If the message cannot be signed.
#[must_use]
pub fn sign(backend: Backend, specs: &[(PreparedSpec, Arc<dyn SigningKey>)], message: &[u8]) -> Vec<String> {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).expect("a header within the limits");
    let mut plan = BodyHashPlan::new(backend);
    let start = |(spec, key): &(PreparedSpec, Arc<dyn SigningKey>)| {
        Signing::start(&headers, spec.clone(), Arc::clone(key), NOW, &mut plan).expect("a message to sign")
    };
    let machines: Vec<Signing> = specs.iter().map(start).collect();
    let bodies = hash(plan, message.get(body..).unwrap_or_default());
    machines.into_iter().map(|machine| machine.finish(&bodies).expect("a signature").value).collect()
}

/// The number of signatures that pass.
///
/// # Panics
/// If the header is beyond the limits.
#[must_use]
pub fn verify(backend: Backend, answers: &[KeyAnswer], message: &[u8]) -> usize {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).expect("a header within the limits");
    let mut plan = BodyHashPlan::new(backend);
    let mut verification = Verification::start(Arc::new(headers), NOW, &VerifyPolicy::default(), &mut plan);
    let ids: Vec<_> = verification.key_queries().map(|query| query.id).collect();
    for (id, answer) in ids.into_iter().zip(answers) {
        verification.provide_key(id, answer.clone());
    }
    let reports = verification.finish(&hash(plan, message.get(body..).unwrap_or_default()));
    reports.iter().filter(|report| report.outcome.result() == "pass").count()
}

fn hash(plan: BodyHashPlan, body: &[u8]) -> BodyHashes {
    let mut hasher = plan.start();
    for chunk in body.chunks(CHUNK) {
        hasher.update(black_box(chunk));
    }
    hasher.finish()
}
