//! The daemon, one for each way to canonicalize.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::sign::{SignatureSpec, Signing};
use engine::config::Diagnostics;
use engine::keys::load;

use crate::cells::{BOTH, Key};
use crate::keys::{Keys, SELECTOR};
use crate::milter::{Client, pass};
use crate::results::{dkim_verdicts, only_passes};
use crate::site::daemon::{Daemon, Socket};

/// Signs and verifies.
pub(crate) struct Ours {
    /// Stops it when dropped.
    _daemon: Daemon,
    port: u16,
}

impl Ours {
    pub(crate) fn start(work: &Path, keys: &Keys, nameserver: u16, canon: &str) -> Self {
        let folder = work.join("ours").join(canon.replace('/', "-"));
        fs::create_dir_all(&folder).unwrap();
        let mut config =
            format!("[dns]\nnameservers = [\"127.0.0.1:{nameserver}\"]\n[signing]\ncanonicalization = \"{canon}\"\n");
        for key in Key::ALL {
            let only = if key == Key::Ed25519 { "allow_ed25519_only = true\n" } else { "" };
            writeln!(config, "[[domain]]\nname = \"{}\"\n{only}{}", key.domain(), key_section(keys, key, SELECTOR))
                .unwrap();
        }
        let sections = BOTH.1.map(|key| key_section(keys, key, key.name())).concat();
        writeln!(config, "[[domain]]\nname = \"{}\"\n{sections}", BOTH.0).unwrap();
        let daemon = Daemon::start(&folder, Socket::Tcp, &config);
        let port = daemon.socket.rsplit(':').next().unwrap().parse().unwrap();
        Self { _daemon: daemon, port }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        pass(self.port, Client::Own, message)
    }

    /// `Err` has what was said instead of `pass`.
    pub(crate) fn verify(&self, message: &[u8]) -> Result<(), String> {
        only_passes(&self.verdicts(message)?)
    }

    /// What was said about each signature.
    pub(crate) fn verdicts(&self, message: &[u8]) -> Result<Vec<String>, String> {
        let verified = pass(self.port, Client::Outside, message)?;
        dkim_verdicts(&verified).ok_or_else(|| "no Authentication-Results field".to_owned())
    }
}

fn key_section(keys: &Keys, key: Key, selector: &str) -> String {
    format!("[[domain.keys]]\nselector = \"{selector}\"\nfile = \"{}\"\n", keys.pem(key).display())
}

/// Signs with the library alone: the daemon leaves messages unsigned whose lines a relay would repair.
pub(crate) fn sign_with_library(keys: &Keys, key: Key, header: &str, body: &str, message: &[u8]) -> Vec<u8> {
    let canon = |name| if name == "simple" { Canon::Simple } else { Canon::Relaxed };
    let mut spec = SignatureSpec::new(DomainName::parse(&key.domain()).unwrap(), Selector::parse(SELECTOR).unwrap());
    (spec.header_canon, spec.body_canon) = (canon(header), canon(body));
    let key = load(&keys.pem(key), engine::BACKEND, &mut Diagnostics::default()).unwrap();
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(engine::BACKEND);
    let signing = Signing::start(&headers, spec, key, now, &mut plan).unwrap();
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let field = signing.finish(&hasher.finish()).unwrap();
    [field.name.as_bytes(), b":", field.value.as_bytes(), b"\r\n", message].concat()
}
