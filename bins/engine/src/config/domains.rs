//! Which domain signs for which author: exact, subdomain and wildcard rules.
//!
//! | rule | authors it covers | `d=` of the signature |
//! |---|---|---|
//! | `name = "example.com"` | `example.com` | `example.com` |
//! | the same with `subdomains = true` | `example.com` and everything below | `example.com` |
//! | `name = "*.example.com"` | everything below, not `example.com` itself | `example.com` |
//!
//! `signing_domain` names another `d=`. The rule with an exact name wins; else the one whose name is longest. A question costs one look-up in a
//! table for each label of the author's domain, whatever the number of rules.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use dkim_core::canon::Canon;
use dkim_core::domain::{DomainError, DomainName, Selector};
use dkim_core::sign::SignatureSpec;
use dkim_core::signature::Identity;

use super::words::{OnKeyError, OnKeyMismatch};

/// The authors a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DomainPattern {
    /// `example.com`: this domain.
    Exact(DomainName),
    /// `example.com` with `subdomains = true`: this domain and everything below it.
    WithSubdomains(DomainName),
    /// `*.example.com`: everything below this domain.
    Below(DomainName),
}

impl DomainPattern {
    /// The domain that is named, without `*.`.
    #[must_use]
    pub fn domain(&self) -> &DomainName {
        match self {
            Self::Exact(domain) | Self::WithSubdomains(domain) | Self::Below(domain) => domain,
        }
    }

    /// Whether the rule is for this author.
    #[must_use]
    pub fn matches(&self, author: &DomainName) -> bool {
        match self {
            Self::Exact(domain) => author == domain,
            Self::WithSubdomains(domain) => author.is_equal_or_subdomain_of(domain),
            Self::Below(domain) => author != domain && author.is_equal_or_subdomain_of(domain),
        }
    }
}

impl FromStr for DomainPattern {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        match text.strip_prefix("*.") {
            Some(rest) => DomainName::parse(rest).map(Self::Below),
            None => DomainName::parse(text).map(Self::Exact),
        }
    }
}

/// As in the configuration; `WithSubdomains` prints its name with ` and subdomains`.
impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(domain) => write!(f, "{domain}"),
            Self::WithSubdomains(domain) => write!(f, "{domain} and subdomains"),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// Where the private key of one selector is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeySource {
    /// The selector (`s=`).
    pub selector: Selector,
    /// The file with the private key.
    pub file: PathBuf,
}

/// How signatures are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningOptions {
    /// Canonicalization of the header; default relaxed.
    pub header_canon: Canon,
    /// Canonicalization of the body; default relaxed.
    pub body_canon: Canon,
    /// Names of the fields to sign where present, in place of [`dkim_core::sign::DEFAULT_SIGNED`]; From is among them.
    pub sign_headers: Option<Vec<String>>,
    /// Names of the fields to list once more than they are present, in place of
    /// [`dkim_core::sign::DEFAULT_OVERSIGNED`].
    pub oversign_headers: Option<Vec<String>>,
    /// How long a signature is valid (`x=`); `None`: for ever.
    pub expiry: Option<Duration>,
    /// The identity (`i=`), at or below the signing domain; `None`: the tag is left out.
    pub identity: Option<Identity>,
    /// What happens to a message when a key cannot be used.
    pub on_key_error: OnKeyError,
    /// What becomes of a key whose record in the DNS is not the one it should have.
    pub on_key_mismatch: OnKeyMismatch,
}

impl Default for SigningOptions {
    fn default() -> Self {
        Self {
            header_canon: Canon::Relaxed,
            body_canon: Canon::Relaxed,
            sign_headers: None,
            oversign_headers: None,
            expiry: None,
            identity: None,
            on_key_error: OnKeyError::Unsigned,
            on_key_mismatch: OnKeyMismatch::Warn,
        }
    }
}

/// One `[[domain]]`: whose mail it signs, as whom, with which keys, how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningDomain {
    /// The authors it is for.
    pub pattern: DomainPattern,
    /// The domain in `d=`.
    pub signing_domain: DomainName,
    /// One signature is made with each of them.
    pub keys: Vec<KeySource>,
    /// Whether it may sign with Ed25519 alone (M32).
    pub allow_ed25519_only: bool,
    /// How.
    pub options: SigningOptions,
    /// The configuration file and the line of the `[[domain]]`, as `FILE:LINE`; empty for domains that came from the command line.
    pub defined_at: String,
}

impl SigningDomain {
    /// What `dkim_core` signs with, for one of the keys.
    #[must_use]
    pub fn signature_spec(&self, selector: &Selector) -> SignatureSpec {
        let mut spec = SignatureSpec::new(self.signing_domain.clone(), selector.clone());
        spec.header_canon = self.options.header_canon;
        spec.body_canon = self.options.body_canon;
        spec.identity.clone_from(&self.options.identity);
        spec.lifetime = self.options.expiry;
        if let Some(names) = &self.options.sign_headers {
            spec.signed.clone_from(names);
        }
        if let Some(names) = &self.options.oversign_headers {
            spec.oversigned.clone_from(names);
        }
        spec
    }
}

/// Every signing domain, indexed by what it matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigningDomains {
    rules: Vec<SigningDomain>,
    exact: HashMap<String, usize>,
    below: HashMap<String, usize>,
}

impl SigningDomains {
    /// An index of `rules`; of two rules for the same authors the first counts (validation refuses them with their lines).
    #[must_use]
    pub fn new(rules: Vec<SigningDomain>) -> Self {
        let (mut exact, mut below) = (HashMap::new(), HashMap::new());
        for (index, rule) in rules.iter().enumerate() {
            let name = rule.pattern.domain().as_str().to_owned();
            if !matches!(rule.pattern, DomainPattern::Below(_)) {
                exact.entry(name.clone()).or_insert(index);
            }
            if !matches!(rule.pattern, DomainPattern::Exact(_)) {
                below.entry(name).or_insert(index);
            }
        }
        Self { rules, exact, below }
    }

    /// The rule that signs for `author`, if there is one.
    #[must_use]
    pub fn rule_for(&self, author: &DomainName) -> Option<&SigningDomain> {
        self.rules.get(self.index_for(author)?)
    }

    /// The index in [`rules`](Self::rules) of the rule that signs for `author`.
    #[must_use]
    pub fn index_for(&self, author: &DomainName) -> Option<usize> {
        let exact = self.exact.get(author.as_str());
        exact.or_else(|| parents(author.as_str()).find_map(|parent| self.below.get(parent))).copied()
    }

    /// The rule whose domain is nearest to `author` although it does not match: what to name when mail goes unsigned (M06).
    #[must_use]
    pub fn nearest_miss(&self, author: &DomainName) -> Option<&SigningDomain> {
        let kin = |rule: &&SigningDomain| {
            let domain = rule.pattern.domain();
            domain.is_equal_or_subdomain_of(author) || author.is_equal_or_subdomain_of(domain)
        };
        self.rules.iter().filter(kin).max_by_key(|rule| rule.pattern.domain().label_count())
    }

    /// All rules in the order of the configuration.
    #[must_use]
    pub fn rules(&self) -> &[SigningDomain] {
        &self.rules
    }

    /// Whether nothing is signed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// The names above `name`, nearest first.
pub(crate) fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent)).skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    fn rules(patterns: &[&str]) -> SigningDomains {
        let rule = |text: &&str| {
            let pattern = match text.strip_prefix('+') {
                Some(domain) => DomainPattern::WithSubdomains(name(domain)),
                None => text.parse().unwrap(),
            };
            SigningDomain {
                signing_domain: pattern.domain().clone(),
                pattern,
                keys: Vec::new(),
                allow_ed25519_only: false,
                options: SigningOptions::default(),
                defined_at: String::new(),
            }
        };
        SigningDomains::new(patterns.iter().map(rule).collect())
    }

    fn found(rules: &SigningDomains, author: &str) -> Option<String> {
        let rule = rules.rule_for(&name(author))?;
        assert!(rule.pattern.matches(&name(author)));
        Some(rule.pattern.to_string())
    }

    #[test]
    fn m06_exact_subdomain_and_wildcard_rules_match_as_written() {
        let rules = rules(&["example.com", "+example.org", "*.example.net"]);
        assert_eq!(found(&rules, "Example.COM").as_deref(), Some("example.com"));
        assert_eq!(found(&rules, "www.example.com"), None);
        assert_eq!(found(&rules, "example.org").as_deref(), Some("example.org and subdomains"));
        assert_eq!(found(&rules, "a.b.example.org").as_deref(), Some("example.org and subdomains"));
        assert_eq!(found(&rules, "notexample.org"), None);
        assert_eq!(found(&rules, "example.net"), None);
        assert_eq!(found(&rules, "a.example.net").as_deref(), Some("*.example.net"));
    }

    #[test]
    fn the_exact_rule_wins_and_then_the_longest() {
        let rules = rules(&["*.example.com", "*.b.example.com", "c.b.example.com", "example.com"]);
        assert_eq!(found(&rules, "c.b.example.com").as_deref(), Some("c.b.example.com"));
        assert_eq!(found(&rules, "d.b.example.com").as_deref(), Some("*.b.example.com"));
        assert_eq!(found(&rules, "b.example.com").as_deref(), Some("*.example.com"));
        assert_eq!(found(&rules, "example.com").as_deref(), Some("example.com"));
        assert_eq!(rules.index_for(&name("b.example.com")), Some(0));
    }

    #[test]
    fn m06_the_nearest_rule_that_does_not_match_can_be_named() {
        let rules = rules(&["example.com", "mail.example.com", "other.org"]);
        assert_eq!(rules.nearest_miss(&name("www.example.com")).unwrap().pattern.to_string(), "example.com");
        assert_eq!(rules.nearest_miss(&name("com")).unwrap().pattern.to_string(), "mail.example.com");
        assert!(rules.nearest_miss(&name("example.net")).is_none());
    }
}
