//! The Public Suffix List: organizational domains as RFC 7489 §3.2 finds them.
//!
//! RFC 9989 does not use a list; it walks up the tree. This is for receivers whose results have to match older software, and for reports that say which
//! of the two was used. [`PublicSuffixList`] implements [`SuffixList`]; hand it to
//! [`OrgDomainMethod::PublicSuffix`](crate::org_domain::OrgDomainMethod::PublicSuffix).
//!
//! The crate holds no list. It is data that changes every week and has a licence of its own (MPL-2.0): Debian and others ship it as
//! `/usr/share/publicsuffix/public_suffix_list.dat`, and <https://publicsuffix.org/list/> has the newest. A list is read as a whole or not at all.
//!
//! Memory is about 250 KB for the list of 2026. A lookup allocates nothing and costs one binary search for each label of the longest rule at most,
//! however long the name is.
//!
//! | in a list | here |
//! |---|---|
//! | `co.uk` | a public suffix |
//! | `*.ck` | every name one label below `ck` is one; `ck` itself only by another rule or by the default rule |
//! | `!www.ck` | `www.ck` is none, against `*.ck` |
//! | no rule for a name | its last label is the public suffix (the default rule `*`) |
//! | `公司.cn` | the rule of its A-labels |
//! | text after the rule on its line, lines that begin with `//` | ignored |
//! | `===BEGIN ICANN DOMAINS===` and its like in a comment | where a [section](Sections) begins and ends |
//! | anything else | [`PslError`] with its line |

mod parse;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

use crate::domain::DomainName;
use crate::org_domain::SuffixList;

/// Which sections of the list count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "the list has two sections, and its format no place for a third")]
pub enum Sections {
    /// Both: suffixes of registries, and those under which owners of domains let others have names (`github.io`). What OpenDMARC uses.
    #[default]
    All,
    /// Only those of registries.
    Icann,
}

/// How large a list may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PslLimits {
    /// Longest text in octets. Default 8 MiB; the list of 2026 has 330 KB. More than `u32::MAX` counts as `u32::MAX`.
    pub max_bytes: usize,
    /// Most rules. Default 100,000; the list of 2026 has 10,248.
    pub max_rules: usize,
}

impl Default for PslLimits {
    fn default() -> Self {
        Self { max_bytes: 8 * 1024 * 1024, max_rules: 100_000 }
    }
}

/// Why a text is no list of public suffixes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} (line {line})")]
#[non_exhaustive]
pub struct PslError {
    /// What is wrong.
    pub kind: PslErrorKind,
    /// The line, counted from 1; the last one for what is about the whole text.
    pub line: usize,
}

/// What [`PslError`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum PslErrorKind {
    /// Longer than [`PslLimits::max_bytes`].
    #[error("the list of public suffixes is too long")]
    TooLong,
    /// More rules than [`PslLimits::max_rules`].
    #[error("too many rules")]
    TooManyRules,
    /// Octets that are not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// A rule that is no domain name: an empty label, an octet that no name has, or a wildcard that is not the first label alone.
    #[error("a rule that is no domain name")]
    BadRule,
    /// An exception of a single label, or of a wildcard: it would have no public suffix.
    #[error("an exception that leaves no public suffix")]
    BadException,
    /// A section begins in a section, or one ends that did not begin.
    #[error("a section begins or ends out of order")]
    SectionOrder,
    /// A section does not end: the text was cut.
    #[error("a section does not end")]
    UnfinishedSection,
    /// No rule at all.
    #[error("no rule of a public suffix")]
    NoRules,
}

/// A list of public suffixes. See the [module page](self).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicSuffixList {
    /// The names of all rules, one after the other: A-labels in lower case, without the marks for wildcards and exceptions.
    text: Box<str>,
    /// In the order of their names, each name once.
    rules: Box<[Rule]>,
    /// Labels of the longest name in `rules`.
    most_labels: usize,
}

/// The rules that have one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    start: u32,
    len: u8,
    kinds: Kinds,
}

/// What a name is in a list; more than one is possible (`ck` and `*.ck`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Kinds {
    is_suffix: bool,
    /// Every name one label below it is a suffix.
    has_wildcard: bool,
    /// It is not, against the wildcard above it.
    is_exception: bool,
}

impl PublicSuffixList {
    /// Reads a list.
    ///
    /// ```
    /// use dmarc_core::domain::DomainName;
    /// use dmarc_core::org_domain::SuffixList;
    /// use dmarc_core::psl::{PslLimits, PublicSuffixList, Sections};
    ///
    /// let text = "// ===BEGIN ICANN DOMAINS===\ncom\nuk\nco.uk\n// ===END ICANN DOMAINS===\n";
    /// let list = PublicSuffixList::parse(text.as_bytes(), Sections::All, &PslLimits::default())?;
    /// let domain = DomainName::parse("mail.example.co.uk")?;
    /// assert_eq!(list.public_suffix(&domain), "co.uk");
    /// assert_eq!(list.organizational_domain(&domain), Some(DomainName::parse("example.co.uk")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PslError`], with the line. Nothing is passed over: a list with one line that cannot be read may lack the rule that counts.
    pub fn parse(text: &[u8], sections: Sections, limits: &PslLimits) -> Result<Self, PslError> {
        parse::list(text, sections, limits)
    }

    /// The public suffix of a name: a piece of its text, at least the last label, at most all of it.
    #[must_use]
    pub fn public_suffix<'a>(&self, domain: &'a DomainName) -> &'a str {
        let name = domain.as_str();
        // "If no rules match, the prevailing rule is "*".": the last label.
        let mut suffix = name.rsplit_once('.').map_or(name, |(_, last)| last);
        let mut above = ("", Kinds::default());
        // From the last label to the whole name. Beyond the longest rule and the label that its wildcard stands for nothing can match.
        let ends = name.rmatch_indices('.').filter_map(|(dot, _)| name.get(dot.saturating_add(1)..));
        for here in ends.chain([name]).take(self.most_labels.saturating_add(1)) {
            let kinds = self.kinds_of(here);
            // "If more than one rule matches, the prevailing rule is the one which is an exception rule." "If the prevailing rule is a exception
            // rule, modify it by removing the leftmost label."
            if kinds.is_exception {
                return above.0;
            }
            // "If there is no matching exception rule, the prevailing rule is the one with the most labels."
            if kinds.is_suffix || above.1.has_wildcard {
                suffix = here;
            }
            above = (here, kinds);
        }
        suffix
    }

    /// Whether a name is a public suffix.
    #[must_use]
    pub fn is_public_suffix(&self, domain: &DomainName) -> bool {
        self.public_suffix(domain).len() == domain.as_str().len()
    }

    /// How many names have rules; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a list without rules is an error")]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    fn kinds_of(&self, name: &str) -> Kinds {
        let found = self.rules.binary_search_by(|rule| self.name_of(*rule).cmp(name));
        found.ok().and_then(|index| self.rules.get(index)).map_or_else(Kinds::default, |rule| rule.kinds)
    }

    fn name_of(&self, rule: Rule) -> &str {
        let start = usize::try_from(rule.start).unwrap_or(usize::MAX);
        self.text.get(start..start.saturating_add(usize::from(rule.len))).unwrap_or_default()
    }
}

impl SuffixList for PublicSuffixList {
    fn suffix_labels(&self, domain: &DomainName) -> usize {
        self.public_suffix(domain).split('.').count()
    }
}

/// Ten thousand rules help nobody; how many there are does.
impl fmt::Debug for PublicSuffixList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicSuffixList").field("names", &self.rules.len()).finish_non_exhaustive()
    }
}
