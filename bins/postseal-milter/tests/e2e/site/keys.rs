//! The keys of a domain, made as `postseal key new` makes them, and what its owner publishes and configures.

use std::path::Path;

use dkim_core::domain::{DomainName, Selector};
use engine::config::Diagnostics;
use engine::keys::publish::DnsRecord;
use engine::keys::{KeyKind, create, load};

use super::dns::Txt;

/// An RSA and an Ed25519 key.
pub(crate) struct Keys {
    /// The records that publish them.
    pub(crate) zone: Vec<Txt>,
    /// The `[[domain]]` section.
    pub(crate) config: String,
}

impl Keys {
    /// Makes the keys of `domain`, which may have U-labels, in a folder under `work`. The selectors are `rsa` and `ed25519`.
    pub(crate) fn make(work: &Path, domain: &str) -> Self {
        let name = DomainName::parse(domain).unwrap();
        let folder = work.join("keys").join(name.as_str());
        let mut zone = Vec::new();
        let mut config = format!("[[domain]]\nname = \"{domain}\"\n");
        for (selector, kind) in [("rsa", KeyKind::Rsa2048), ("ed25519", KeyKind::Ed25519)] {
            let selector = Selector::parse(selector).unwrap();
            let file = create(&folder, &selector, kind).unwrap();
            let mut findings = Diagnostics::default();
            let key = load(&file, engine::BACKEND, &mut findings).unwrap();
            let record = DnsRecord::of_key(&selector, &name, &*key);
            zone.push((record.name, record.text));
            config.push_str(&format!("[[domain.keys]]\nselector = \"{selector}\"\nfile = \"{}\"\n", file.display()));
        }
        Self { zone, config }
    }
}
