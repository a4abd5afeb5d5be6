//! mail-auth beside ours: the same message, the same fields, the same keys, its parsed key record in its cache.
#![expect(clippy::expect_used, reason = "keys and messages are constants of this package")]

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use dkim_core::canon::Canon;
use dkim_core::crypto::PrivateKey;
use dkim_core::sign::{DEFAULT_OVERSIGNED, DEFAULT_SIGNED};
use mail_auth::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::dkim::{Canonicalization, DkimSigner, DomainKey};

use mail_auth::dns::{DnsCache, NoCache, Parameters, ResolverCache, TxtRecord, TxtRecordParser as _};
use mail_auth::headers::HeaderWriter as _;
use mail_auth::signer::Ready;
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};

use crate::message::Key;

/// A signer of the peer.
#[expect(missing_debug_implementations, reason = "the peer's signer has none")]
pub enum Signer {
    /// RSA with SHA-256.
    Rsa(DkimSigner<RsaKey<Sha256>, Ready>),
    /// Ed25519 with SHA-256.
    Ed25519(DkimSigner<Ed25519Key, Ready>),
}

impl Signer {
    /// Signs the fields that ours signs in the message of this package: all that it has, and some once more.
    ///
    /// # Panics
    /// If a key of this package is damaged.
    #[must_use]
    pub fn new(key: &Key, canon: Canon) -> Self {
        let canon = match canon {
            Canon::Relaxed => Canonicalization::Relaxed,
            _ => Canonicalization::Simple,
        };
        let present: Vec<&str> = crate::header().iter().map(|(name, _)| *name).collect();
        let is_present = |name: &&&str| present.iter().any(|other| other.eq_ignore_ascii_case(name));
        let names: Vec<&str> = DEFAULT_SIGNED.iter().filter(is_present).chain(DEFAULT_OVERSIGNED).copied().collect();
        match PrivateKey::from_text(key.file).expect("a private key") {
            PrivateKey::Rsa(rsa) => {
                #[expect(deprecated, reason = "its successor takes the type of one more crate")]
                let key = RsaKey::<Sha256>::from_der(rsa.pkcs1_der()).expect("an RSA key");
                let signer = DkimSigner::from_key(key).domain("example.com").selector("s0").headers(names);
                Self::Rsa(signer.header_canonicalization(canon).body_canonicalization(canon))
            }
            PrivateKey::Ed25519(ed25519) => {
                let public = key.signing.public_key();
                let key = Ed25519Key::from_seed_and_public_key(ed25519.seed(), &public).expect("an Ed25519 key");
                let signer = DkimSigner::from_key(key).domain("example.com").selector("s0").headers(names);
                Self::Ed25519(signer.header_canonicalization(canon).body_canonicalization(canon))
            }
            _ => unreachable!("keys of this package are RSA or Ed25519"),
        }
    }

    /// The text of the field.
    ///
    /// # Panics
    /// If the message cannot be signed.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        match self {
            Self::Rsa(signer) => signer.sign(message).expect("a signature").to_header(),
            Self::Ed25519(signer) => signer.sign(message).expect("a signature").to_header(),
        }
    }
}

/// A verifier of the peer, with the records of some keys.
#[expect(missing_debug_implementations, reason = "the peer's verifier has none")]
pub struct Verifier {
    authenticator: MessageAuthenticator,
    cache: Cache,
}

impl Verifier {
    /// Knows these keys under the names that signatures of this package have.
    ///
    /// # Panics
    /// If a key of this package is damaged.
    #[must_use]
    pub fn new(keys: &[Key]) -> Self {
        let record = |(at, key): (usize, &Key)| {
            let record = DomainKey::parse(key.record().as_bytes());
            (format!("s{at}._domainkey.example.com.").into_boxed_str(), TxtRecord::from(record))
        };
        let cache = Cache(Mutex::new(keys.iter().enumerate().map(record).collect()));
        Self { authenticator: MessageAuthenticator::new_cloudflare().expect("a resolver that is never asked"), cache }
    }

    /// The number of signatures that pass.
    ///
    /// # Panics
    /// If the message cannot be read.
    #[must_use]
    pub fn verify(&self, message: &[u8]) -> usize {
        let message = AuthenticatedMessage::parse(message).expect("a message");
        let outputs = finished(self.authenticator.verify_dkim(Parameters::new(&message).with_cache(&self.cache)));
        outputs.iter().filter(|output| output.result() == &DkimResult::Pass).count()
    }
}

/// Runs a future that has nothing to wait for: all keys are in the cache.
fn finished<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the key is in the cache"),
    }
}

struct Cache(Mutex<HashMap<Box<str>, TxtRecord>>);

impl ResolverCache<Box<str>, TxtRecord> for Cache {
    fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<TxtRecord>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.lock().expect("no thread panicked").get(name).cloned()
    }

    fn remove<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<TxtRecord>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.lock().expect("no thread panicked").remove(name)
    }

    fn insert(&self, key: Box<str>, value: TxtRecord, _: Instant) {
        self.0.lock().expect("no thread panicked").insert(key, value);
    }
}

impl DnsCache for Cache {
    type Txt = Self;
    type Mx = NoCache;
    type Ipv4 = NoCache;
    type Ipv6 = NoCache;
    type Ptr = NoCache;

    fn txt(&self) -> Option<&Self> {
        Some(self)
    }

    fn mx(&self) -> Option<&NoCache> {
        None
    }

    fn ipv4(&self) -> Option<&NoCache> {
        None
    }

    fn ipv6(&self) -> Option<&NoCache> {
        None
    }

    fn ptr(&self) -> Option<&NoCache> {
        None
    }
}
