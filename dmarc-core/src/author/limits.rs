//! How much of a From field is looked at.

/// The limits of [`AuthorDomains`](super::AuthorDomains). Each is checked in one place, and hitting one is an error with a kind of its own:
/// what lies beyond a limit is never silently left out.
///
/// ```
/// let mut limits = dmarc_core::author::AuthorLimits::default();
/// limits.max_domains = 1;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthorLimits {
    /// Longest value of the From field, in octets. Default 64 KiB.
    pub max_bytes: usize,
    /// Most addresses in the field. Default 1,000.
    pub max_addresses: usize,
    /// Most different domains. Default 10. Each address is compared with all domains before it, so this is a factor of the time that is spent;
    /// and who evaluates each domain (RFC 9989 §11.5) asks the DNS for each.
    pub max_domains: usize,
    /// Most comments inside each other. Default 100. Comments are counted, not descended into: the limit is there for the readers of the
    /// message, who may use a stack.
    pub max_comment_depth: usize,
}

impl Default for AuthorLimits {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024, max_addresses: 1_000, max_domains: 10, max_comment_depth: 100 }
    }
}
