//! How the organizational domain of a domain is found: by the tree walk of RFC 9989, or by a list of public suffixes as in RFC 7489.
//!
//! The tree walk is the default and the only method of RFC 9989. The other is for receivers whose results have to match older software. It needs a
//! [`SuffixList`]; what RFC 7489 defined and RFC 9989 dropped (`pct=`) counts with it, what came with RFC 9989 (`np=`, `psd=`, `t=`) does not.

use std::fmt;

use crate::domain::DomainName;

/// A list of public suffixes (RFC 7489 §3.2).
pub trait SuffixList {
    /// How many labels, counted from the right, are the public suffix of this name: 1 for `example.com`, 2 for `example.co.uk`.
    ///
    /// At least 1: where no rule of a list matches, its last label is the suffix. All labels when the name is a public suffix itself.
    fn suffix_labels(&self, domain: &DomainName) -> usize;

    /// The organizational domain: the public suffix and one label more. `None` for a public suffix.
    ///
    /// RFC 7489 §3.2: "The Organizational Domain is determined by applying the following algorithm: … Construct a new DNS domain name using the
    /// name that matched from the public suffix list and prefixing to it the "x+1"th label from the subject domain."
    fn organizational_domain(&self, domain: &DomainName) -> Option<DomainName> {
        last_labels(domain, self.suffix_labels(domain).max(1).saturating_add(1))
    }
}

/// How organizational domains are found. It is used before a machine is handed out and is never kept in it.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub enum OrgDomainMethod<'a> {
    /// RFC 9989 §4.10: by asking for DMARC records up the tree.
    #[default]
    TreeWalk,
    /// RFC 7489 §3.2: by a list.
    PublicSuffix(&'a (dyn SuffixList + Sync)),
}

impl fmt::Debug for OrgDomainMethod<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TreeWalk => "TreeWalk",
            Self::PublicSuffix(_) => "PublicSuffix(..)",
        })
    }
}

/// The name made of the last labels of another, as many as this; `None` when it has fewer, and for none.
pub(crate) fn last_labels(domain: &DomainName, count: usize) -> Option<DomainName> {
    let suffix = last_labels_str(domain, count)?;
    if suffix.len() == domain.as_str().len() { Some(domain.clone()) } else { DomainName::parse(suffix).ok() }
}

/// As [`last_labels`], as text.
pub(crate) fn last_labels_str(domain: &DomainName, count: usize) -> Option<&str> {
    let text = domain.as_str();
    let labels = domain.label_count();
    let surplus = labels.checked_sub(count).filter(|_| count > 0)?;
    if surplus == 0 {
        return Some(text);
    }
    let (dot, _) = text.match_indices('.').nth(surplus.checked_sub(1)?)?;
    text.get(dot.checked_add(1)?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).unwrap()
    }

    #[test]
    fn last_labels_count_from_the_right() {
        let domain = name("a.b.example.com");
        for (count, expected) in [
            (0, None),
            (1, Some("com")),
            (2, Some("example.com")),
            (3, Some("b.example.com")),
            (4, Some("a.b.example.com")),
            (5, None),
        ] {
            assert_eq!(last_labels(&domain, count), expected.map(name), "{count}");
        }
    }

    struct Fixed(usize);

    impl SuffixList for Fixed {
        fn suffix_labels(&self, _: &DomainName) -> usize {
            self.0
        }
    }

    #[test]
    fn rfc7489_s3_2_the_organizational_domain_is_one_label_below_the_suffix() {
        for (labels, domain, expected) in [
            (1, "a.b.example.com", Some("example.com")),
            (2, "a.example.co.uk", Some("example.co.uk")),
            (2, "example.co.uk", Some("example.co.uk")),
            (2, "co.uk", None),
            (1, "com", None),
            // A list that says 0 is taken at the least that is possible.
            (0, "a.example", Some("a.example")),
            (usize::MAX, "a.example", None),
        ] {
            assert_eq!(Fixed(labels).organizational_domain(&name(domain)), expected.map(name), "{labels} {domain}");
        }
    }
}
