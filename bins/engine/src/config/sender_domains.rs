//! Sets of sender domains: `example.com`, `*.example.com`, `*`.
//!
//! `example.com` is this domain alone, `*.example.com` everything below it, `*` every domain. The two spellings with a name are those of
//! `[[domain]]`. A question costs one look-up for each label of the name, whatever the size of the set.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use dkim_core::domain::DomainError;

use super::domains::{DomainPattern, parents};

/// Some sender domains.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SenderPattern {
    /// `*`: all of them.
    Any,
    /// One domain, or everything below it.
    Domain(DomainPattern),
}

impl FromStr for SenderPattern {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text == "*" { Ok(Self::Any) } else { text.parse().map(Self::Domain) }
    }
}

/// As in the configuration.
impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Domain(pattern) => pattern.fmt(f),
        }
    }
}

/// A set of sender domains, given as patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SenderDomains {
    any: bool,
    exact: HashSet<String>,
    below: HashSet<String>,
}

impl SenderDomains {
    /// Whether one of the patterns covers this domain, which is in A-labels and lower case, without final dot.
    #[must_use]
    pub fn contains(&self, domain: &str) -> bool {
        self.any || self.exact.contains(domain) || parents(domain).any(|parent| self.below.contains(parent))
    }

    /// Whether every domain is covered.
    pub(crate) fn is_any(&self) -> bool {
        self.any
    }

    /// The names that are covered themselves.
    pub(crate) fn exact(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str)
    }

    /// The names below which everything is covered.
    pub(crate) fn below(&self) -> impl Iterator<Item = &str> {
        self.below.iter().map(String::as_str)
    }

    /// Whether no domain is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.any && self.exact.is_empty() && self.below.is_empty()
    }
}

impl FromIterator<SenderPattern> for SenderDomains {
    fn from_iter<T: IntoIterator<Item = SenderPattern>>(patterns: T) -> Self {
        let mut set = Self::default();
        for pattern in patterns {
            let SenderPattern::Domain(pattern) = pattern else {
                set.any = true;
                continue;
            };
            let name = pattern.domain().as_str().to_owned();
            if !matches!(pattern, DomainPattern::Below(_)) {
                set.exact.insert(name.clone());
            }
            if !matches!(pattern, DomainPattern::Exact(_)) {
                set.below.insert(name);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(patterns: &[&str]) -> SenderDomains {
        patterns.iter().map(|pattern| pattern.parse::<SenderPattern>().unwrap()).collect()
    }

    #[test]
    fn a_name_is_itself_and_a_star_is_what_stands_below() {
        let set = set(&["Example.com", "*.example.org", "b\u{fc}cher.example"]);
        for (domain, is_in) in [
            ("example.com", true),
            ("www.example.com", false),
            ("example.org", false),
            ("a.example.org", true),
            ("a.b.example.org", true),
            ("notexample.org", false),
            ("xn--bcher-kva.example", true),
            ("com", false),
            ("", false),
        ] {
            assert_eq!(set.contains(domain), is_in, "{domain}");
        }
    }

    #[test]
    fn a_star_alone_is_every_domain_and_nothing_is_none() {
        assert!(set(&["*"]).contains("example.com") && !set(&["*"]).is_empty());
        assert!(!set(&[]).contains("example.com") && set(&[]).is_empty());
        for text in ["", "*.", "**", "*example.com", "a b.example"] {
            assert!(text.parse::<SenderPattern>().is_err(), "{text}");
        }
        for text in ["*", "*.example.com", "example.com"] {
            assert_eq!(text.parse::<SenderPattern>().unwrap().to_string(), text);
        }
    }
}
