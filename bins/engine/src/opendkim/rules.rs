//! What `opendkim.conf` says about choosing and signing, made ready once: lists and tables open, the style of signatures fixed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dkim_core::canon::Canon;
use dkim_core::crypto::Backend;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::sign::{Layout, Selection, SignatureSpec};
use dkim_core::signature::Identity;
use dkim_core::verify::{BodyLengthPolicy, BodyMinimum, SignatureReport, VerifyPolicy};
use nix::unistd::Uid;

use super::act::{DkimCause, DkimStep, act};
use super::macros::MacroList;
use super::replace::ReplaceRules;
use crate::config::diagnostics::Location;
use crate::config::opendkim::{Action, Actions, Choosing, Minimum, OpenDkim, Signing};
use crate::config::{Diagnostic, Diagnostics, Sourced};
use crate::dataset::{Dataset, HostList, KeyLocation, KeyTable, Opener, Reading, SignRequest, SigningTable};
use crate::keys::{KeyCache, SafeKeys};

/// OpenDKIM's ways, as one `opendkim.conf` has them. Never changed; a reload makes new ones.
#[derive(Debug)]
pub struct Ways {
    pub(super) hosts: Hosts,
    /// `MTA`.
    pub(super) mta: Option<Dataset>,
    /// `MacroList`.
    pub(super) macros: Option<MacroList>,
    /// `ExemptDomains`.
    pub(super) exempt: Option<Dataset>,
    /// `DontSignMailTo`.
    pub(super) dont_sign_mail_to: Option<Dataset>,
    /// `BodyLengthDB`.
    pub(super) body_length_db: Option<Dataset>,
    /// `SenderHeaders`.
    pub(super) sender_headers: Vec<String>,
    /// Which keys sign for whom.
    pub(super) keys: Keys,
    /// The keys that were loaded.
    pub(super) cache: KeyCache,
    /// What signatures look like.
    pub(super) style: Style,
    /// `On-…`.
    pub(super) on: Actions,
    /// `AlwaysAddARHeader`.
    pub(super) always_adds: bool,
    /// `MustBeSigned`.
    must_be_signed: Vec<String>,
    /// `Minimum`.
    minimum: BodyMinimum,
    /// `TrustSignaturesFrom`.
    pub(super) trusted: Option<Dataset>,
    /// `ReplaceRules` and `ReplaceHeaders`.
    pub(super) replace: Option<ReplaceRules>,
    /// Options that are switched on.
    pub(super) flags: Flags,
    /// `LogWhy`: decisions are logged.
    pub(super) logs_why: bool,
    /// `SyslogSuccess`: what went well is logged.
    pub(super) logs_success: bool,
}

/// Options that are on or off.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// `StrictHeaders`
    pub(super) strict_headers: bool,
    /// `RequiredHeaders`
    pub(super) required_headers: bool,
    /// `IgnoreMalformedMail`
    ignores_malformed: bool,
    /// `RemoveOldSignatures`
    pub(super) removes_old: bool,
    /// `NoHeaderB`
    no_header_b: bool,
    /// `SoftwareHeader`
    adds_software: bool,
    /// `CaptureUnknownErrors`
    captures: bool,
    /// `LogResults`
    pub(super) logs_results: bool,
}

/// The lists of hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) peers: Option<HostList>,
    pub(super) internal: HostList,
    pub(super) ignored: Option<HostList>,
}

/// Which keys sign for whom.
#[derive(Debug)]
pub enum Keys {
    /// None: the file names no key.
    None,
    /// `KeyTable` and `SigningTable`.
    Tables {
        /// `SigningTable`.
        signing: SigningTable,
        /// `KeyTable`.
        keys: KeyTable,
        /// `MultipleSignatures`.
        all: bool,
        /// Where `KeyTable` is named.
        at: Location,
    },
    /// `Domain`, `Selector` and `KeyFile`.
    Single {
        /// `Domain`: names, and `*` for all.
        domains: Dataset,
        /// `SubDomains`.
        sub_domains: bool,
        /// `Selector`.
        selector: Selector,
        /// `KeyFile`.
        key: KeyLocation,
        /// Where that is named.
        at: Location,
    },
}

/// What signatures look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    canonicalization: (Canon, Canon),
    lifetime: Option<Duration>,
    signed: Vec<String>,
    omitted: Vec<String>,
    oversigned: Vec<String>,
    requests_reports: bool,
    /// `MaximumSignedBytes`.
    most_octets: Option<u64>,
}

impl Style {
    fn new(signing: &Signing) -> Self {
        Self {
            canonicalization: signing.canonicalization,
            lifetime: signing.signature_ttl,
            signed: signing.sign_headers.names.clone(),
            omitted: signing.omit_headers.names.clone(),
            oversigned: signing.oversign_headers.clone(),
            requests_reports: signing.request_reports,
            most_octets: signing.maximum_signed_bytes.as_ref().map(|most| u64::from(most.value)),
        }
    }

    /// What a signature for this request looks like, which `tells_length` (`l=`) or signs no more of the body than is allowed.
    pub(super) fn spec(&self, request: &SignRequest, tells_length: bool) -> SignatureSpec {
        let mut spec = SignatureSpec::new(request.domain.clone(), request.selector.clone());
        (spec.header_canon, spec.body_canon) = self.canonicalization;
        spec.identity.clone_from(&request.identity);
        spec.lifetime = self.lifetime;
        spec.signed.clone_from(&self.signed);
        spec.oversigned.clone_from(&self.oversigned);
        spec.selection = Selection::InMessageOrder { omitted: self.omitted.clone() };
        spec.layout = Layout::OpenDkim;
        spec.request_reports = self.requests_reports;
        spec.body_length = self.most_octets.or_else(|| tells_length.then_some(u64::MAX));
        spec
    }
}

impl Ways {
    /// The ways of a file that was read. Lists and tables are opened; those in databases by `opener`, which does not connect yet.
    ///
    /// `found` gets what there is to say about their entries. `None` where one of them cannot be opened: then `found` has an error.
    pub fn new(dkim: &OpenDkim, opener: &dyn Opener, backend: Backend, found: &mut Diagnostics) -> Option<Self> {
        let choosing = &dkim.choosing;
        let options = &dkim.ldap;
        let set = |option: &Option<Sourced<String>>, reading: Reading, found: &mut Diagnostics| {
            option.as_ref().map(|option| Dataset::open(option, reading, opener, options, found)).transposed()
        };
        let hosts = |option: &Option<Sourced<String>>, found: &mut Diagnostics| {
            option.as_ref().map(|option| HostList::open(option, opener, options, found)).transposed()
        };
        // All of them are opened before one that cannot be ends it, so that all findings come at once.
        let internal = hosts(&choosing.internal_hosts, found);
        let peers = hosts(&choosing.peer_list, found);
        let ignored = hosts(&choosing.external_ignore_list, found);
        let mta = set(&choosing.mta, Reading::EXACT, found);
        let macros = set(&choosing.macro_list, Reading::MACROS, found);
        let exempt = set(&choosing.exempt_domains, Reading::USUAL, found);
        let dont_sign_mail_to = set(&choosing.dont_sign_mail_to, Reading::USUAL, found);
        let body_length_db = set(&dkim.signing.body_length_db, Reading::USUAL, found);
        let trusted = set(&dkim.verifying.trust_signatures_from, Reading::USUAL, found);
        let replace = dkim
            .signing
            .replace_rules
            .as_ref()
            .map(|rules| ReplaceRules::open(rules, dkim.signing.replace_headers.as_ref(), found));
        let keys = keys(choosing, dkim, opener, found);
        let safe_keys = if dkim.keys.require_safe_keys { SafeKeys::Required } else { SafeKeys::Warned };
        Some(Self {
            hosts: Hosts { peers: peers?, internal: internal?.unwrap_or_else(HostList::loopback), ignored: ignored? },
            mta: mta?,
            macros: macros?.as_ref().map(MacroList::new),
            exempt: exempt?,
            dont_sign_mail_to: dont_sign_mail_to?,
            body_length_db: body_length_db?,
            sender_headers: choosing.sender_headers.clone(),
            keys: keys?,
            cache: KeyCache::new(backend, safe_keys),
            style: Style::new(&dkim.signing),
            on: dkim.verifying.on,
            always_adds: dkim.results.always_add,
            must_be_signed: dkim.verifying.must_be_signed.names.clone(),
            minimum: minimum(dkim.verifying.minimum),
            trusted: trusted?,
            replace: replace.transposed()?,
            flags: Flags {
                strict_headers: dkim.verifying.strict_headers,
                required_headers: dkim.verifying.required_headers,
                ignores_malformed: dkim.verifying.ignore_malformed_mail,
                removes_old: dkim.signing.remove_old_signatures,
                no_header_b: dkim.results.no_header_b,
                adds_software: dkim.results.software_header,
                captures: dkim.verifying.capture_unknown_errors,
                logs_results: dkim.logging.results,
            },
            logs_why: dkim.logging.why,
            logs_success: dkim.logging.success,
        })
    }

    /// Whether a key in memory signs for this domain (A-labels, lower case).
    #[must_use]
    pub fn signs_for(&self, domain: &str) -> bool {
        match &self.keys {
            Keys::None => false,
            Keys::Tables { keys, .. } => keys
                .entries()
                .any(|key| key.fields().is_ok_and(|fields| fields.domain.trim().eq_ignore_ascii_case(domain))),
            Keys::Single { domains, .. } => domains.get(domain).is_some(),
        }
    }

    /// Reads `KeyFile` and keeps it, as OpenDKIM does before it becomes another user, which is `user`; `before` are the ways in force at a reload.
    ///
    /// # Errors
    ///
    /// The finding about a key that cannot be used; OpenDKIM does not start with one.
    pub fn keep_key_file(&self, before: Option<&Self>, user: Option<Uid>) -> Result<(), Box<Diagnostic>> {
        let Keys::Single { key, at, .. } = &self.keys else { return Ok(()) };
        let pinned = self.cache.pin(key, before.map(|ways| &ways.cache), user);
        pinned.map_err(|problem| Box::new(problem.finding(at, key)))
    }

    /// What is wrong with the first keys of `KeyTable`, for the user that this process is now: mail that they are for would be put off. All keys of a
    /// large table would take minutes.
    pub fn tell_of_keys(&self, found: &mut Diagnostics) {
        let Keys::Tables { keys, at, .. } = &self.keys else { return };
        for row in keys.entries().take(KEYS_AT_START) {
            // `%` is another key for each sender; a row that is wrong was told of.
            let Ok(domain) = row.fields().map(|fields| fields.domain.to_owned()) else { continue };
            let Ok(domain) = DomainName::parse(&domain) else { continue };
            let Ok(entry) = row.fields().and_then(|fields| fields.for_sender(&domain)) else { continue };
            if let Err(problem) = self.cache.load_now(&entry.key) {
                found.push(problem.finding(at, &entry.key));
            }
        }
    }

    /// What follows from the signatures of a message that was verified (`On-…`).
    #[must_use]
    pub fn act(&self, reports: &[SignatureReport]) -> Option<DkimStep> {
        act(reports, &self.on, self.always_adds)
    }

    /// What happens to a message of our own that could not be signed (`On-SignatureError`).
    #[must_use]
    pub fn on_signature_error(&self) -> Option<DkimStep> {
        let action = self.on.signature_error;
        (action != Action::Accept).then_some(DkimStep { action, cause: DkimCause::SignatureError })
    }

    /// What makes a signature count beside what the standards say: `MustBeSigned`, `Minimum`.
    pub fn demand(&self, policy: &mut VerifyPolicy) {
        policy.must_be_signed.clone_from(&self.must_be_signed);
        policy.body_length = BodyLengthPolicy::AtLeast(self.minimum);
    }

    /// Whether malformed mail gets no result of DKIM (`IgnoreMalformedMail`).
    #[must_use]
    pub fn ignores_malformed_mail(&self) -> bool {
        self.flags.ignores_malformed
    }

    /// Whether old signatures are removed from mail that is signed (`RemoveOldSignatures`).
    #[must_use]
    pub fn removes_old_signatures(&self) -> bool {
        self.flags.removes_old
    }

    /// Whether results are without `header.b` (`NoHeaderB`).
    #[must_use]
    pub fn omits_header_b(&self) -> bool {
        self.flags.no_header_b
    }

    /// Whether a DKIM-Filter field is added (`SoftwareHeader`).
    #[must_use]
    pub fn adds_software(&self) -> bool {
        self.flags.adds_software
    }

    /// Whether mail goes into quarantine after a mistake of ours (`CaptureUnknownErrors`).
    #[must_use]
    pub fn captures_errors(&self) -> bool {
        self.flags.captures
    }

    /// Whether any mail is put into quarantine.
    #[must_use]
    pub fn quarantines(&self) -> bool {
        let on = &self.on;
        let actions = [on.bad_signature, on.no_signature, on.key_not_found, on.dns_error, on.signature_error];
        self.flags.captures || actions.contains(&Action::Quarantine)
    }

    /// Whether unsigned mail gets a result (`dkim=none`) in any case (`AlwaysAddARHeader`).
    #[must_use]
    pub fn adds_results_to_unsigned_mail(&self) -> bool {
        self.always_adds
    }

    /// Names of macros that the MTA is asked for beside the usual ones.
    pub fn macro_names(&self) -> impl Iterator<Item = &str> {
        self.macros.iter().flat_map(MacroList::names)
    }
}

/// `Minimum`. Without it OpenDKIM takes what covers next to nothing; here a signature with `l=` then counts if it covers all of the body.
fn minimum(option: Option<Minimum>) -> BodyMinimum {
    match option {
        None => BodyMinimum::Percent(100),
        Some(Minimum::Octets(octets)) => BodyMinimum::Octets(u64::from(octets)),
        Some(Minimum::Percent(share)) => BodyMinimum::Percent(share),
        Some(Minimum::Unsigned(octets)) => BodyMinimum::AllBut(u64::from(octets)),
    }
}

fn keys(choosing: &Choosing, dkim: &OpenDkim, opener: &dyn Opener, found: &mut Diagnostics) -> Option<Keys> {
    let options = &dkim.ldap;
    if let (Some(key_table), Some(signing_table)) = (&choosing.key_table, &choosing.signing_table) {
        let keys = KeyTable::open(key_table, opener, options, found);
        let signing = SigningTable::open(signing_table, opener, options, found);
        let (keys, signing) = (keys?, signing?);
        signing.check(&keys, found);
        return Some(Keys::Tables { signing, keys, all: choosing.multiple_signatures, at: key_table.at.clone() });
    }
    let Some(single) = choosing.single_key() else { return Some(Keys::None) };
    let domains = Dataset::open(single.domain, Reading::USUAL, opener, options, found)?;
    let path: &Path = &single.file.value;
    Some(Keys::Single {
        domains,
        sub_domains: choosing.sub_domains,
        selector: single.selector.value.clone(),
        key: KeyLocation::File(Arc::from(path)),
        at: single.file.at.clone(),
    })
}

impl Keys {
    /// Whether there are any.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// Keys of a table that are loaded at the start.
const KEYS_AT_START: usize = 20;

/// An option that is not written is no failure.
trait Transposed {
    fn transposed(self) -> Self;
}

impl<T> Transposed for Option<Option<T>> {
    fn transposed(self) -> Self {
        match self {
            None => Some(None),
            Some(None) => None,
            opened => opened,
        }
    }
}

/// `i=@domain`, as OpenDKIM writes it for mail of a subdomain.
pub(super) fn identity_of(domain: &DomainName) -> Identity {
    Identity::new("", domain.clone())
}
