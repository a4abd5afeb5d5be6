//! `[[domain]]` sections for what the tables of OpenDKIM mean.
//!
//! Each entry of `SigningTable` that is for a domain, or for all below one, makes a rule. What a rule signs with is not read off the entry: the tables are asked
//! with a sender of that domain, as for a message, so the order of patterns, `%`, `MultipleSignatures` and entries that hide others count as they do
//! there. What has no place in a rule (single users, `*`, keys in the table itself) is told, line by line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dkim_core::crypto::KeyType;
use dkim_core::domain::DomainName;
use engine::config::opendkim::{Choosing, OpenDkim};
use engine::config::{Diagnostics, DomainPattern, Sourced};
use engine::dataset::{
    Dataset, KeyLocation, KeyTable, NoOpener, OpenOptions, Reading, Sender, SignRequest, SigningTable, Spec,
};
use engine::keys::{load, rsa_bits};

/// Rules that are written: from some thousands on, tables are the better form, and the daemon runs from them.
pub(super) const MAX_RULES: usize = 10_000;

/// Bits that an RSA key should have (RFC 8301 §3.2: "Signers SHOULD use RSA keys of at least 2048 bits").
const ENOUGH_BITS: usize = 2048;

/// Lines of a table that are named one by one.
const MAX_NAMED: usize = 20;

/// The user of a sender that the tables are asked with.
const PROBE_USER: &str = "postseal-migrate-probe";
/// The label below a domain that the tables are asked with.
const PROBE_LABEL: &str = "postseal-migrate-probe";

/// A `[[domain]]` section.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) pattern: DomainPattern,
    pub(super) signing_domain: DomainName,
    pub(super) identity: Option<String>,
    /// Selector and file.
    pub(super) keys: Vec<(String, PathBuf)>,
    pub(super) only_ed25519: bool,
}

/// What became of the tables.
#[derive(Debug, Default)]
pub(super) struct Domains {
    pub(super) rules: Vec<Rule>,
    /// What the rules cannot say, which somebody has to decide on.
    pub(super) losses: Vec<String>,
    /// What is to be known of, and changes nothing.
    pub(super) notes: Vec<String>,
    /// Findings about tables and keys.
    pub(super) findings: Diagnostics,
    /// Every key file, once, with its domain.
    pub(super) key_files: Vec<PathBuf>,
    /// RSA keys of less than 2048 bits, with their bits.
    pub(super) short: Vec<(PathBuf, usize)>,
}

/// How to go on where the native form has no place.
const STAY: &str = "run from the old files: `postseal-milter --opendkim-conf ...`";

/// The rules of a file. *Inputs*: the folder at which relative paths of keys start.
pub(super) fn domains(dkim: &OpenDkim, base: &Path) -> Domains {
    let mut made = Domains::default();
    let choosing = &dkim.choosing;
    if !choosing.mode.signs() {
        return made;
    }
    match (&choosing.key_table, &choosing.signing_table) {
        (Some(keys), Some(signing)) => tables(keys, signing, choosing.multiple_signatures, &mut made),
        _ => single(choosing, &mut made),
    }
    let mut files = BTreeMap::new();
    let mut unusable = Vec::new();
    for rule in &mut made.rules {
        let mut rsa = false;
        rule.keys.retain_mut(|(selector, file)| {
            *file = base.join(&*file);
            let key_type = files.entry(file.clone()).or_insert_with(|| {
                made.key_files.push(file.clone());
                match load(file, engine::BACKEND, &mut made.findings) {
                    Ok(key) => {
                        if let Some(bits) = rsa_bits(&*key).filter(|bits| *bits < ENOUGH_BITS) {
                            made.short.push((file.clone(), bits));
                        }
                        Some(key.algorithm().key_type())
                    }
                    Err(finding) => {
                        made.findings.push(*finding);
                        None
                    }
                }
            });
            rsa |= *key_type == Some(KeyType::Rsa);
            if key_type.is_none() {
                unusable.push(format!("{selector}._domainkey.{}", rule.signing_domain));
            }
            true
        });
        rule.only_ed25519 = !rsa && !rule.keys.is_empty();
    }
    if !unusable.is_empty() {
        let named = named(&unusable);
        made.losses.push(format!("keys that cannot be used as they are, see the findings: {named}"));
    }
    made
}

fn single(choosing: &Choosing, made: &mut Domains) {
    let Some(single) = choosing.single_key() else { return };
    let Some(set) = open(single.domain, "Domain", made) else { return };
    let (selector, file) = (single.selector.value.to_string(), single.file.value.clone());
    for entry in set.entries() {
        let Ok(domain) = DomainName::parse(entry.key) else {
            made.losses.push(format!(
                "`Domain {}` is no domain that a rule can be for; {STAY}",
                super::account::plain(entry.key)
            ));
            continue;
        };
        let pattern = if choosing.sub_domains {
            DomainPattern::WithSubdomains(domain.clone())
        } else {
            DomainPattern::Exact(domain.clone())
        };
        push(made, pattern, domain, None, vec![(selector.clone(), file.clone())]);
    }
}

/// A data set that is in memory; what is not is a loss.
fn open(option: &Sourced<String>, name: &str, made: &mut Domains) -> Option<Dataset> {
    if let Ok(Spec::External(spec)) = Spec::parse(&option.value) {
        made.losses.push(format!(
            "{name} is in a database (`{spec}`), which the native form does not ask: {STAY}, which goes on asking it"
        ));
        return None;
    }
    let set = Dataset::open(option, Reading::USUAL, &NoOpener, &OpenOptions::default(), &mut made.findings)?;
    Some(set)
}

fn tables(keys: &Sourced<String>, signing: &Sourced<String>, all: bool, made: &mut Domains) {
    if let Ok(Spec::External(spec)) = Spec::parse(&keys.value) {
        made.losses.push(format!(
            "KeyTable is in a database (`{spec}`), which the native form does not ask: {STAY}, which goes on asking it"
        ));
        return;
    }
    let Some(set) = open(signing, "SigningTable", made) else { return };
    if set.len() > MAX_RULES {
        made.losses.push(format!(
            "SigningTable has {} entries, and {MAX_RULES} at most are written as rules: {STAY}, which takes tables of 100,000 domains",
            set.len()
        ));
        return;
    }
    let options = OpenOptions::default();
    let Some(key_table) = KeyTable::open(keys, &NoOpener, &options, &mut made.findings) else { return };
    let mut odd = Vec::new();
    let mut patterns = Vec::new();
    for entry in set.entries() {
        match read_pattern(entry.key, set.has_patterns()) {
            Some((pattern, is_exact)) => {
                if !is_exact {
                    made.losses.push(format!(
                        "`{}` was also for domains that end in the same letters without a dot before them; the rule is for {pattern} alone",
                        super::account::plain(entry.key)
                    ));
                }
                if !patterns.contains(&pattern) {
                    patterns.push(pattern);
                }
            }
            None => odd.push(match entry.line {
                0 => format!("`{}`", super::account::plain(entry.key)),
                line => format!("line {line}: `{}`", super::account::plain(entry.key)),
            }),
        }
    }
    if !odd.is_empty() {
        made.losses.push(format!(
            "entries of SigningTable that are not for one domain or all below one, which rules cannot say ({}): {STAY}",
            named(&odd)
        ));
    }
    let has_patterns = set.has_patterns();
    let table = SigningTable::new(set, &signing.at);
    table.check(&key_table, &mut made.findings);
    // A rule for a domain and all below it claims the same authors as one for either.
    let both: Vec<DomainName> = patterns
        .iter()
        .filter_map(|pattern| match pattern {
            DomainPattern::WithSubdomains(domain) => Some(domain.clone()),
            _ => None,
        })
        .collect();
    for domain in both {
        patterns.retain(|pattern| *pattern.domain() != domain);
        patterns.push(DomainPattern::Exact(domain.clone()));
        patterns.push(DomainPattern::Below(domain));
    }
    for pattern in patterns {
        ask(&table, &key_table, pattern, all, made);
    }
    if has_patterns && all {
        made.notes.push(
            "with `MultipleSignatures` every pattern that matches gave a signature; each rule has all keys of its own"
                .to_owned(),
        );
    }
}

/// The domains that an entry is for; `None` where no rule is for the same, and false beside it where a rule is for fewer.
fn read_pattern(key: &str, is_pattern: bool) -> Option<(DomainPattern, bool)> {
    let domain = |text: &str| DomainName::parse(text).ok().filter(|_| !text.contains(['*', '@']));
    if !is_pattern {
        return match key.strip_prefix('.') {
            Some(rest) => domain(rest).map(|domain| (DomainPattern::Below(domain), true)),
            None => domain(key).map(|domain| (DomainPattern::Exact(domain), true)),
        };
    }
    if let Some(rest) = key.strip_prefix("*@*.").or_else(|| key.strip_prefix("*@.")).or_else(|| key.strip_prefix("*."))
    {
        // `*@.example.com` matches no address that exists.
        return domain(rest).filter(|_| !key.starts_with("*@.")).map(|domain| (DomainPattern::Below(domain), true));
    }
    if let Some(rest) = key.strip_prefix("*@*") {
        return domain(rest).map(|domain| (DomainPattern::WithSubdomains(domain), false));
    }
    if let Some(rest) = key.strip_prefix("*@") {
        return domain(rest).map(|domain| (DomainPattern::Exact(domain), true));
    }
    let rest = key.strip_prefix('*')?;
    domain(rest).map(|domain| (DomainPattern::WithSubdomains(domain), false))
}

/// Asks the tables with a sender of the pattern, and adds the rule.
fn ask(table: &SigningTable, keys: &KeyTable, pattern: DomainPattern, all: bool, made: &mut Domains) {
    let probe = match &pattern {
        DomainPattern::Below(domain) => DomainName::parse(&format!("{PROBE_LABEL}.{domain}")).ok(),
        other => Some(other.domain().clone()),
    };
    let Some(probe) = probe else {
        made.losses.push(format!("{pattern} is too long for a rule"));
        return;
    };
    let requests = match table.requests_now(keys, Sender { local: PROBE_USER, domain: &probe }, all) {
        Some(Ok(requests)) => requests,
        Some(Err(error)) => {
            made.losses.push(format!("mail of {pattern} was put off, since its entries cannot be used: {error}"));
            return;
        }
        None => return,
    };
    let Some(first) = requests.first() else { return };
    let (domain, identity) = (first.domain.clone(), identity(first));
    if domain.as_str().contains(PROBE_LABEL) || identity.as_ref().is_some_and(|text| text.contains(PROBE_LABEL)) {
        made.losses.push(format!(
            "below {} each domain signed in its own name (`%`): write a rule for each of them, or {STAY}",
            pattern.domain()
        ));
        return;
    }
    let mut list = Vec::new();
    for request in &requests {
        if request.domain != domain || self::identity(request) != identity {
            made.losses.push(format!(
                "mail of {pattern} was also signed for {} (key `{}`): a rule has one signing domain and one identity",
                request.domain,
                super::account::plain(&request.key_name)
            ));
            continue;
        }
        match &request.key {
            KeyLocation::File(file) => {
                let key = (request.selector.to_string(), file.to_path_buf());
                if list.len() < MAX_KEYS && list.iter().all(|(selector, _)| *selector != key.0) {
                    list.push(key);
                } else if !list.contains(&key) {
                    made.losses.push(format!("mail of {pattern} had one more signature, with the selector {}", key.0));
                }
            }
            KeyLocation::Inline(_) => made.losses.push(format!(
                "the key `{}` stands in KeyTable itself: write it into a file and name that",
                super::account::plain(&request.key_name)
            )),
        }
    }
    if !list.is_empty() {
        push(made, pattern, domain, identity, list);
    }
}

/// Keys of a rule, as the native form allows them.
const MAX_KEYS: usize = 8;

fn identity(request: &SignRequest) -> Option<String> {
    request.identity.as_ref().map(ToString::to_string)
}

fn push(
    made: &mut Domains,
    pattern: DomainPattern,
    signing_domain: DomainName,
    identity: Option<String>,
    keys: Vec<(String, PathBuf)>,
) {
    if signing_domain.label_count() < 2 {
        made.losses.push(format!("`{signing_domain}` has one label, and no verifier looks up keys for it"));
        return;
    }
    made.rules.push(Rule { pattern, signing_domain, identity, keys, only_ed25519: false });
}

/// Some of a list, and how many more there are.
fn named(list: &[String]) -> String {
    let shown: Vec<_> = list.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = list.len().saturating_sub(MAX_NAMED);
    if more == 0 { shown.join(", ") } else { format!("{}, and {more} more", shown.join(", ")) }
}
