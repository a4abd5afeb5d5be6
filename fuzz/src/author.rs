//! Targets of `dmarc-core`: the From field and its domains, and the Public Suffix List.

use dmarc_core::author::{Author, AuthorDomains, AuthorErrorKind, AuthorLimits};
use dmarc_core::domain::DomainName;
use dmarc_core::org_domain::SuffixList;
use dmarc_core::psl::{PslLimits, PublicSuffixList, Sections};

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("author", author), ("public_suffix_list", public_suffix_list)];

/// A From value. An error lies in it; each domain is written in it, is found again in the plainest address that holds it, and stays when there is
/// one address more.
pub fn author(data: &[u8]) {
    let limits = AuthorLimits::default();
    let authors = match AuthorDomains::parse(data, &limits) {
        Ok(authors) => authors,
        Err(error) => return assert!(error.at <= data.len() && !error.to_string().is_empty()),
    };
    let sum: usize = authors.domains().iter().map(|found| found.addresses).sum();
    assert_eq!(sum + authors.literals(), authors.addresses());
    assert_eq!(matches!(authors.author(), Author::One(_)), authors.domains().len() == 1 && authors.literals() == 0);
    let runs = data.split(|octet| b"@<>(),:;\" \t\r\n\\[]".contains(octet));
    let written: Vec<DomainName> =
        runs.filter_map(|run| DomainName::parse_bytes(run.strip_suffix(b".").unwrap_or(run)).ok()).collect();
    for found in authors.domains() {
        assert!(written.contains(&found.domain), "{} is not in the value", found.domain);
        let alone = AuthorDomains::parse(format!("x@{}", found.domain).as_bytes(), &limits).expect("a plain address");
        assert_eq!(alone.author(), Author::One(&found.domain));
    }
    match AuthorDomains::parse(&[data, b", <x@one-more.example>"].concat(), &limits) {
        Ok(more) => {
            assert_eq!(more.addresses(), authors.addresses() + 1);
            let is_there = |domain: &DomainName| more.domains().iter().any(|found| found.domain == *domain);
            assert!(authors.domains().iter().all(|found| is_there(&found.domain)));
        }
        Err(error) => assert!(matches!(
            error.kind,
            AuthorErrorKind::TooLong | AuthorErrorKind::TooManyAddresses | AuthorErrorKind::TooManyDomains
        )),
    }
}

/// A list of public suffixes behind a line with a name. Its suffix is the end of the name, and the organizational domain has one label more.
pub fn public_suffix_list(data: &[u8]) {
    let (name, text) = data.split_at(data.iter().position(|&octet| octet == b'\n').unwrap_or(data.len()));
    let lists =
        [Sections::All, Sections::Icann].map(|sections| PublicSuffixList::parse(text, sections, &PslLimits::default()));
    let lines = text.split(|&octet| octet == b'\n').count();
    for list in &lists {
        let list = match list {
            Ok(list) => list,
            Err(error) => {
                assert!((1..=lines).contains(&error.line), "{error}");
                continue;
            }
        };
        let Ok(name) = DomainName::parse_bytes(name) else { continue };
        let (suffix, labels) = (list.public_suffix(&name), list.suffix_labels(&name));
        assert!(name.as_str().ends_with(suffix) && labels == suffix.split('.').count());
        match list.organizational_domain(&name) {
            None => assert!(list.is_public_suffix(&name)),
            Some(domain) => {
                assert!(name.is_equal_or_subdomain_of(&domain) && domain.label_count() == labels + 1);
                assert_eq!(list.organizational_domain(&domain), Some(domain));
            }
        }
    }
}
