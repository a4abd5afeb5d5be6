//! The first start without any configuration: a state folder with keys, and what to publish and to write into `main.cf`.
//!
//! ```text
//! STATE/                  0700
//! ├── keys/DOMAIN/        0700
//! │   ├── YYYYMMrsa.pem   0600   RSA-2048
//! │   └── YYYYMMed.pem    0600   Ed25519
//! └── zone.txt                   the public keys of every domain here, as a zone file
//! ```
//!
//! A second start finds the keys and uses them; nothing is ever overwritten but `zone.txt`, which only repeats the public keys. A domain that lacks
//! one of the two kinds gets it. Every usable key in a domain's folder signs.
//!
//! The configuration made here reads `zone.txt` in place of the DNS for exactly the names in it, so that `postseal selftest` needs no DNS. A
//! configuration file asks the DNS like every receiver does.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dkim_core::crypto::{Backend, KeyType};
use dkim_core::domain::{DomainName, Selector};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::diagnostics::Code;
use crate::config::{
    Config, Diagnostic, Diagnostics, DomainPattern, KeySource, SigningDomain, SigningDomains, SigningOptions,
};
use crate::keys::publish::{DnsRecord, Form, write};
use crate::keys::{self, CreateError, KeyHome, KeyKind, create, open_to_everyone};
use crate::socket_address::SocketAddress;

/// The state folder cannot be made or completed.
pub const STATE_FOLDER: Code = Code::new("E-STATE-FOLDER");

/// The file with the public keys, within the state folder.
pub const ZONE_FILE: &str = "zone.txt";

/// Most keys of one domain that sign, as in a configuration file.
const MAX_KEYS: usize = 8;

/// Why there is no state folder to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuickstartError {
    /// No domain was named.
    #[error("no domain is named")]
    NoDomain,
    /// A domain of one label, for which no verifier looks up keys.
    #[error("`{domain}` has one label, and no verifier looks up keys for it")]
    SingleLabel {
        /// The domain.
        domain: DomainName,
    },
    /// A key could not be made or its folder not be read.
    #[error(transparent)]
    Key(#[from] CreateError),
    /// Key files that are there cannot be used; they are left as they are.
    #[error("keys in the state folder cannot be used:\n{0}")]
    Unusable(Diagnostics),
    /// More keys than a message can bear signatures.
    #[error("{} holds more than {MAX_KEYS} keys", folder.display())]
    TooManyKeys {
        /// The folder.
        folder: PathBuf,
    },
    /// The zone file could not be written.
    #[error("{}: {kind}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
}

/// One key of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetup {
    /// Its selector.
    pub selector: Selector,
    /// Its file.
    pub file: PathBuf,
    /// RSA or Ed25519.
    pub kind: KeyType,
    /// Whether it was made now.
    pub is_new: bool,
    /// The record to publish.
    pub record: DnsRecord,
}

/// One domain with its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSetup {
    /// The domain.
    pub domain: DomainName,
    /// Its keys, RSA and Ed25519, in the order of their selectors.
    pub keys: Vec<KeySetup>,
}

/// A state folder that is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Quickstart {
    /// The folder.
    pub state_dir: PathBuf,
    /// The domains that were asked for.
    pub domains: Vec<DomainSetup>,
    /// The public keys of every domain in the folder, as a zone file.
    pub zone_file: PathBuf,
    /// The configuration that signs for `domains` and their subdomains and verifies everything else.
    pub config: Config,
    /// Warnings about the keys.
    pub warnings: Diagnostics,
}

/// Makes or completes the state folder for `domains`.
///
/// *Inputs*: the folder, which is made when it is not there; domains of two labels or more; the time, which names new selectors.
///
/// # Errors
///
/// [`QuickstartError`]; what was made before the error stays, and the next start uses it.
pub fn prepare(
    state_dir: &Path,
    domains: &[DomainName],
    now: Timestamp,
    backend: Backend,
) -> Result<Quickstart, QuickstartError> {
    let mut warnings = Diagnostics::default();
    let mut setups: Vec<DomainSetup> = Vec::new();
    if domains.is_empty() {
        return Err(QuickstartError::NoDomain);
    }
    for domain in domains {
        if domain.label_count() < 2 {
            return Err(QuickstartError::SingleLabel { domain: domain.clone() });
        }
        if setups.iter().all(|setup| setup.domain != *domain) {
            setups.push(domain_setup(state_dir, domain, now, backend, &mut warnings)?);
        }
    }
    let zone_file = write_zone(state_dir, backend)?;
    let rules = setups.iter().map(|setup| {
        let source = |key: &KeySetup| KeySource { selector: key.selector.clone(), file: key.file.clone() };
        rule(setup.domain.clone(), setup.keys.iter().map(source).collect())
    });
    let mut config = Config {
        state_dir: state_dir.to_path_buf(),
        domains: SigningDomains::new(rules.collect()),
        ..Config::default()
    };
    config.dns.zone_file = Some(zone_file.clone());
    Ok(Quickstart { state_dir: state_dir.to_path_buf(), domains: setups, zone_file, config, warnings })
}

impl Quickstart {
    /// What to publish and to write into `main.cf`, for people.
    ///
    /// *Inputs*: where the daemon listens.
    #[must_use]
    pub fn instructions(&self, socket: &SocketAddress) -> String {
        let mut text = String::new();
        for setup in &self.domains {
            let records: Vec<DnsRecord> = setup.keys.iter().map(|key| key.record.clone()).collect();
            for key in &setup.keys {
                let word = if key.is_new { "new" } else { "found" };
                let _ = writeln!(text, "{word} {} key {}", key.kind.as_str(), key.file.display());
            }
            let _ =
                writeln!(text, "\nPublish for {} (`postseal dns show {0} --as …` for other forms):\n", setup.domain);
            text.push_str(&write(&records, Form::Bind));
            let home = KeyHome::State(&self.state_dir);
            let _ = writeln!(text, "\nThen see whether it arrived: `postseal dns check {} {home}`\n", setup.domain);
        }
        text.push_str("Connect Postfix, in main.cf:\n\n");
        text.push_str(&postfix_lines(socket));
        text
    }
}

/// The lines for `main.cf` that connect Postfix to `socket`.
#[must_use]
pub fn postfix_lines(socket: &SocketAddress) -> String {
    let socket = if socket.is_passed() {
        // Nothing that could be pasted by mistake: the address stands in the socket unit.
        "(ListenStream= of the socket unit, as inet:HOST:PORT or unix:/PATH)".to_owned()
    } else {
        socket.for_local_client().to_postfix()
    };
    // Both lists: mail of `sendmail` and of web applications does not come by SMTP (M10). A refused connection must not let mail out unsigned or
    // in with forged results, so the default action is to try again later.
    format!("smtpd_milters = {socket}\nnon_smtpd_milters = {socket}\nmilter_default_action = tempfail\n")
}

/// The domains that have a folder with keys in `state_dir`, in the order of their names.
///
/// # Errors
///
/// What the file system refused.
pub fn domains_in(state_dir: &Path) -> Result<Vec<DomainName>, CreateError> {
    let folder = state_dir.join("keys");
    let failed = |error: &io::Error| CreateError::Io { path: folder.clone(), kind: error.kind() };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut domains = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed(&error))?;
        domains.extend(entry.file_name().to_str().and_then(|name| DomainName::parse(name).ok()));
    }
    domains.sort();
    Ok(domains)
}

/// The rules that sign with the keys of every domain in `state_dir`, each for its domain and everything below; nothing is read from the files.
///
/// # Errors
///
/// What the file system refused.
pub fn signing_domains(state_dir: &Path) -> Result<SigningDomains, CreateError> {
    let mut rules = Vec::new();
    for domain in domains_in(state_dir)? {
        let keys = keys::find(&key_folder(state_dir, &domain))?;
        let keys = keys.into_iter().map(|(selector, file)| KeySource { selector, file }).collect();
        rules.push(rule(domain, keys));
    }
    Ok(SigningDomains::new(rules))
}

/// The folder for the keys of `domain`.
#[must_use]
pub fn key_folder(state_dir: &Path, domain: &DomainName) -> PathBuf {
    state_dir.join("keys").join(domain.as_str())
}

/// The usable keys of `domain` in `state_dir`, and a finding for each file that is none.
///
/// # Errors
///
/// What the file system refused.
pub fn keys_of(
    state_dir: &Path,
    domain: &DomainName,
    backend: Backend,
) -> Result<(Vec<KeySetup>, Diagnostics), CreateError> {
    let (mut usable, mut found) = (Vec::new(), Diagnostics::default());
    for (selector, file) in keys::find(&key_folder(state_dir, domain))? {
        match keys::load(&file, backend, &mut found) {
            Ok(key) => {
                if let Some(finding) = keys::short_key(&file, &*key, domain, KeyHome::State(state_dir)) {
                    found.push(finding);
                }
                usable.push(KeySetup {
                    record: DnsRecord::of_key(&selector, domain, &*key),
                    kind: key.algorithm().key_type(),
                    selector,
                    file,
                    is_new: false,
                });
            }
            Err(finding) => found.push(*finding),
        }
    }
    Ok((usable, found))
}

/// The selector of a key made at `now`: year and month, so that the next one has another name, and the kind.
#[must_use]
pub fn new_selector(kind: KeyKind, now: Timestamp) -> Option<Selector> {
    let date = now.to_zoned(TimeZone::UTC).date();
    let kind = match kind {
        KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => "rsa",
        KeyKind::Ed25519 => "ed",
    };
    Selector::parse(&format!("{:04}{:02}{kind}", date.year(), date.month())).ok()
}

fn domain_setup(
    state_dir: &Path,
    domain: &DomainName,
    now: Timestamp,
    backend: Backend,
    warnings: &mut Diagnostics,
) -> Result<DomainSetup, QuickstartError> {
    let folder = key_folder(state_dir, domain);
    let mut made = Vec::new();
    for kind in [KeyKind::Rsa2048, KeyKind::Ed25519] {
        let (usable, found) = keys_of(state_dir, domain, backend)?;
        if found.has_errors() {
            return Err(QuickstartError::Unusable(found));
        }
        if usable.iter().any(|key| key.kind == kind.key_type()) {
            continue;
        }
        let Some(selector) = new_selector(kind, now) else { continue };
        match create(&folder, &selector, kind) {
            Ok(file) => made.push(file),
            // Another start of the daemon was faster; its key is found below.
            Err(CreateError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (mut usable, found) = keys_of(state_dir, domain, backend)?;
    if found.has_errors() {
        return Err(QuickstartError::Unusable(found));
    }
    if usable.len() > MAX_KEYS {
        return Err(QuickstartError::TooManyKeys { folder });
    }
    warnings.extend(found);
    for key in &mut usable {
        key.is_new = made.contains(&key.file);
    }
    Ok(DomainSetup { domain: domain.clone(), keys: usable })
}

/// The rule that signs for a domain and everything below it.
fn rule(domain: DomainName, keys: Vec<KeySource>) -> SigningDomain {
    SigningDomain {
        pattern: DomainPattern::WithSubdomains(domain.clone()),
        signing_domain: domain,
        keys,
        allow_ed25519_only: false,
        options: SigningOptions::default(),
        defined_at: "--domain".to_owned(),
    }
}

/// Writes the public keys of every domain in the folder; a reader sees the old file or the new one, never a part.
fn write_zone(state_dir: &Path, backend: Backend) -> Result<PathBuf, QuickstartError> {
    let path = state_dir.join(ZONE_FILE);
    let failed = |error: &io::Error| QuickstartError::Io { path: path.clone(), kind: error.kind() };
    let mut text = String::from(
        "; Public keys of this folder, written at each start: `postseal selftest` reads them in place of the DNS.\n",
    );
    for domain in domains_in(state_dir)? {
        // Keys of other domains that cannot be used are no matter of this start.
        let (keys, _) = keys_of(state_dir, &domain, backend)?;
        let records: Vec<DnsRecord> = keys.into_iter().map(|key| key.record).collect();
        text.push_str(&write(&records, Form::Bind));
    }
    let mut file = tempfile::Builder::new()
        .prefix(".zone-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(state_dir)
        .map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    file.persist(&path).map_err(|refused| failed(&refused.error))?;
    Ok(path)
}

/// The finding that says why quick start failed, for programs that print findings.
impl From<QuickstartError> for Diagnostics {
    fn from(error: QuickstartError) -> Self {
        match error {
            QuickstartError::Unusable(found) => found,
            QuickstartError::Key(CreateError::OpenToEveryone { path }) => open_to_everyone(&path),
            other => {
                let fix = "check the state folder (`--state DIR`) and who may write to it";
                let mut found = Self::default();
                found.push(Diagnostic::new(STATE_FOLDER, other.to_string(), fix));
                found
            }
        }
    }
}
