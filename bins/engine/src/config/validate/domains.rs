//! Checks of `[signing]` and `[[domain]]`.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use dkim_core::domain::DomainName;

use super::super::diagnostics::{
    CONFIG_CONFLICT, CONFIG_DUPLICATE, CONFIG_RANGE, CONFIG_UNUSED, CONFIG_VALUE, Location, SIGN_FRAGILE,
    SIGN_UNALIGNED,
};
use super::super::domains::{DomainPattern, KeySource, SigningDomain, SigningDomains, SigningOptions};
use super::super::draft::{DomainDraft, KeyDraft, SigningDraft, Sourced};
use super::{Check, missing, values};

/// Most keys of one domain: each is a signature in every message, and verifiers look at ten or so.
const MAX_KEYS: usize = 8;

/// Most names in a list of header fields.
const MAX_HEADER_NAMES: usize = 200;

/// Fields that change on the way or describe it (RFC 6376 §5.4.1: Return-Path, Received, Comments, Keywords are named as not to be signed).
const FRAGILE: [&str; 5] = ["return-path", "received", "bcc", "dkim-signature", "authentication-results"];

const EXPIRY: RangeInclusive<Duration> = Duration::from_secs(3600)..=Duration::from_secs(3650 * 86_400);

pub(super) fn signing_domains(
    drafts: Vec<Sourced<DomainDraft>>,
    signing: SigningDraft,
    check: &mut Check,
) -> SigningDomains {
    let shared = options(signing, &SigningOptions::default(), check);
    let mut rules = Vec::new();
    let mut seen: HashMap<DomainPattern, u32> = HashMap::new();
    for Sourced { value: draft, at } in drafts {
        let name_at = draft.name.as_ref().map(|name| name.at.clone());
        let Some(rule) = rule(draft, &at, &shared, check) else { continue };
        let same_authors = overlapping(&rule.pattern).find_map(|pattern| seen.get(&pattern).copied());
        if let Some(line) = same_authors {
            let cause = format!("`{}` is covered by the `[[domain]]` in line {line} already", rule.pattern);
            check.at(&name_at.unwrap_or(at), CONFIG_DUPLICATE, cause, "put all keys of a domain into one `[[domain]]`");
            continue;
        }
        seen.insert(rule.pattern.clone(), at.line);
        rules.push(rule);
    }
    SigningDomains::new(rules)
}

/// The patterns that claim an author which this one claims as well, with the same rank.
fn overlapping(pattern: &DomainPattern) -> impl Iterator<Item = DomainPattern> {
    let domain = pattern.domain().clone();
    let (exact, both, below) = (
        DomainPattern::Exact(domain.clone()),
        DomainPattern::WithSubdomains(domain.clone()),
        DomainPattern::Below(domain),
    );
    let same = match pattern {
        DomainPattern::Exact(_) => vec![exact, both],
        DomainPattern::WithSubdomains(_) => vec![exact, both, below],
        DomainPattern::Below(_) => vec![both, below],
    };
    same.into_iter()
}

/// One `[[domain]]`; `None` when it has no usable name, which was reported.
fn rule(draft: DomainDraft, at: &Location, shared: &SigningOptions, check: &mut Check) -> Option<SigningDomain> {
    let Sourced { value: mut pattern, at: name_at } = draft.name?;
    if let Some(Sourced { at, .. }) = draft.subdomains.filter(|subdomains| subdomains.value) {
        pattern = match pattern {
            DomainPattern::Exact(domain) => DomainPattern::WithSubdomains(domain),
            other => {
                check.at(&at, CONFIG_UNUSED, format!("`{other}` covers subdomains anyway"), "remove it");
                other
            }
        };
    }
    let signing_domain = match draft.signing_domain {
        None => pattern.domain().clone(),
        Some(Sourced { value, at }) => {
            let kin =
                value.is_equal_or_subdomain_of(pattern.domain()) || pattern.domain().is_equal_or_subdomain_of(&value);
            if !kin {
                let cause = format!("DMARC does not accept a signature of {value} for mail from {}", pattern.domain());
                check.at(&at, SIGN_UNALIGNED, cause, "sign with a domain at or above the author's");
            }
            value
        }
    };
    if signing_domain.label_count() < 2 {
        let cause = format!("`{signing_domain}` has one label, and no verifier looks up keys for it");
        check.at(&name_at, CONFIG_VALUE, cause, "write a domain with a dot, like `example.com`");
    }
    let mut options = options(draft.signing, shared, check);
    options.identity = draft.identity.and_then(|Sourced { value, at }| {
        // RFC 6376 §3.5, i=: "The domain part of the address MUST be the same as, or a subdomain of, the value of the "d=" tag."
        if value.domain().is_equal_or_subdomain_of(&signing_domain) {
            return Some(value);
        }
        let cause = format!("{} is neither {signing_domain} nor below it", value.domain());
        check.at(&at, CONFIG_CONFLICT, cause, format!("write `@{signing_domain}` or remove it"));
        None
    });
    let keys = match draft.keys {
        Some(list) if !list.is_empty() => keys(list, &signing_domain, at, check),
        _ => {
            let fix = format!(
                "run `postseal key new {signing_domain}` and add the lines it prints, `keys = [{{ selector = \"…\", file = \"…\" }}]`"
            );
            check.found.push(missing(&name_at, "the domain has no keys", fix));
            Vec::new()
        }
    };
    Some(SigningDomain {
        pattern,
        signing_domain,
        keys,
        allow_ed25519_only: draft.allow_ed25519_only.is_some_and(|v| v.value),
        options,
        defined_at: format!("{}:{}", at.file.display(), at.line),
    })
}

fn keys(list: Vec<Sourced<KeyDraft>>, signing_domain: &DomainName, at: &Location, check: &mut Check) -> Vec<KeySource> {
    if list.len() > MAX_KEYS {
        let cause = format!("{} keys in one domain", list.len());
        check.at(at, CONFIG_RANGE, cause, format!("keep at most {MAX_KEYS}; one RSA and one Ed25519 key are enough"));
    }
    let mut keys: Vec<KeySource> = Vec::new();
    for KeyDraft { selector, file } in values(list) {
        // What is missing was reported where it was read.
        let (Some(selector), Some(file)) = (selector, file) else { continue };
        let query = format!("{}._domainkey.{signing_domain}", selector.value);
        if let Err(error) = DomainName::parse(&query) {
            let cause = format!("`{query}` cannot be asked for: {error}");
            check.at(&selector.at, CONFIG_VALUE, cause, "choose a shorter selector");
        }
        if keys.iter().any(|key| key.selector == selector.value) {
            let cause = format!("the selector `{}` stands twice in this domain", selector.value);
            check.at(&selector.at, CONFIG_DUPLICATE, cause, "give each key its own selector");
            continue;
        }
        keys.push(KeySource { selector: selector.value, file: file.value });
    }
    keys
}

/// The options written in a section, over those of `base`.
fn options(draft: SigningDraft, base: &SigningOptions, check: &mut Check) -> SigningOptions {
    let (header_canon, body_canon) =
        draft.canonicalization.map_or((base.header_canon, base.body_canon), |canonicalization| canonicalization.value);
    let expiry = match draft.expiry {
        None => base.expiry,
        Some(expiry) if expiry.value.is_zero() => None,
        Some(expiry) => Some(check.time(Some(expiry), *EXPIRY.end(), EXPIRY)),
    };
    if let Some(list) = &draft.sign_headers {
        // D-29, RFC 6376 §5.4: "The From header field MUST be signed".
        if let (false, Some(first)) = (list.iter().any(|name| name.value.eq_ignore_ascii_case("from")), list.first()) {
            check.at(
                &first.at,
                CONFIG_CONFLICT,
                "the list has no From, which every signature must cover",
                "add `\"From\"`",
            );
        }
        for name in list.iter().filter(|name| FRAGILE.contains(&name.value.to_ascii_lowercase().as_str())) {
            let cause = format!("{} is changed or removed on the way, which breaks the signature", name.value);
            check.at(&name.at, SIGN_FRAGILE, cause, "remove it from the list");
        }
    }
    for list in [&draft.sign_headers, &draft.oversign_headers].into_iter().flatten() {
        if let Some(first) = list.get(MAX_HEADER_NAMES) {
            let cause = format!("more than {MAX_HEADER_NAMES} names");
            check.at(&first.at, CONFIG_RANGE, cause, "shorten the list");
        }
    }
    SigningOptions {
        header_canon,
        body_canon,
        sign_headers: draft.sign_headers.map(values).or_else(|| base.sign_headers.clone()),
        oversign_headers: draft.oversign_headers.map(values).or_else(|| base.oversign_headers.clone()),
        expiry,
        identity: None,
        on_key_error: draft.on_key_error.map_or(base.on_key_error, |v| v.value),
        on_key_mismatch: draft.on_key_mismatch.map_or(base.on_key_mismatch, |v| v.value),
    }
}
