//! The keys that all parties sign with, and their records.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use dkim_core::domain::{DomainName, Selector};
use engine::config::Diagnostics;
use engine::keys::load;
use engine::keys::publish::DnsRecord;

use crate::cells::{BOTH, Key};
use crate::site::dns::Txt;

/// Every key has this one in its own domain.
pub(crate) const SELECTOR: &str = "peers";

/// Copies of the test vectors with the permissions of a private key, and what is published of them.
pub(crate) struct Keys {
    folder: PathBuf,
    /// The records that publish them.
    pub(crate) zone: Vec<Txt>,
}

impl Keys {
    pub(crate) fn copy_to(work: &Path) -> Self {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dkim-core/tests/vectors/keys");
        let folder = work.join("keys");
        fs::create_dir(&folder).unwrap();
        for name in
            ["rsa-1024.pkcs1.pem", "rsa-2048.pkcs1.pem", "rsa-4096.pkcs1.pem", "ed25519.pkcs8.pem", "ed25519.seed.b64"]
        {
            let copy = folder.join(name);
            fs::write(&copy, fs::read(vectors.join(name)).unwrap()).unwrap();
            fs::set_permissions(&copy, Permissions::from_mode(0o600)).unwrap();
        }
        let mut keys = Self { folder, zone: Vec::new() };
        for key in Key::ALL {
            keys.publish(key, SELECTOR, &key.domain());
        }
        for key in BOTH.1 {
            keys.publish(key, key.name(), BOTH.0);
        }
        keys
    }

    fn publish(&mut self, key: Key, selector: &str, domain: &str) {
        let loaded = load(&self.pem(key), engine::BACKEND, &mut Diagnostics::default()).unwrap();
        let (selector, domain) = (Selector::parse(selector).unwrap(), DomainName::parse(domain).unwrap());
        let record = DnsRecord::of_key(&selector, &domain, &*loaded);
        self.zone.push((record.name, record.text));
    }

    /// The private key in PEM.
    pub(crate) fn pem(&self, key: Key) -> PathBuf {
        self.folder.join(match key {
            Key::Rsa1024 => "rsa-1024.pkcs1.pem",
            Key::Rsa2048 => "rsa-2048.pkcs1.pem",
            Key::Rsa4096 => "rsa-4096.pkcs1.pem",
            Key::Ed25519 => "ed25519.pkcs8.pem",
        })
    }

    /// The private key as dkimpy reads it: PEM, and for Ed25519 the 32 octets in base64.
    pub(crate) fn for_dkimpy(&self, key: Key) -> PathBuf {
        if key == Key::Ed25519 { self.folder.join("ed25519.seed.b64") } else { self.pem(key) }
    }
}
