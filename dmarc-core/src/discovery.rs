//! Policy discovery: which record applies to a message, and which of its policies.
//!
//! RFC 9989 §4.10.1; RFC 7489 §6.6.3 with [`OrgDomainMethod::PublicSuffix`].
//!
//! ```text
//!   author domain ──has a record──► its own p=
//!        │ has none
//!        ▼
//!   tree walk ──► organizational domain ──has a record──► sp=, or np= where the author domain does not exist
//!                        │ has none
//!                        ▼
//!                 public suffix domain ──has a record──► the same
//!                        │ has none
//!                        ▼
//!                   no policy: DMARC does not apply
//! ```
//!
//! It needs nothing but the author domain, so it can run beside DKIM and SPF; [`evaluate`](crate::evaluate) joins them.
//!
//! *DNS questions*: at most [`MAX_QUESTIONS`](crate::tree_walk::MAX_QUESTIONS), one alone where the author domain has a record; one more for the existence of
//! the author domain, only where `np` and `sp` differ and the walk did not show it (a name with something below it exists). With a list: at most 2.

use std::sync::Arc;

use crate::dns::{Question, QuestionKind, TxtAnswer};
use crate::domain::DomainName;
use crate::org_domain::OrgDomainMethod;
use crate::progress::{Machine, Progress};
use crate::record::{Policy, Record, Standing};
use crate::tree_walk::{Asked, Level, Tree, Walk};

/// Finds the policy for mail of an author domain.
///
/// *Inputs*: the one domain of the From field (RFC 9989 §5.3.1), and the method. *DNS questions*: see the [module page](self). *Limits*: one walk.
/// *Results*: [`Finding`].
///
/// ```
/// use dmarc_core::discovery::{Finding, discover};
/// use dmarc_core::dns::TxtAnswer;
/// use dmarc_core::domain::DomainName;
/// use dmarc_core::org_domain::OrgDomainMethod;
/// use dmarc_core::record::Policy;
///
/// let author = DomainName::parse("news.example.com")?;
/// let discovery = discover(&author, OrgDomainMethod::TreeWalk).run(|question| match question.name.as_str() {
///     "_dmarc.example.com" => TxtAnswer::Records(vec![b"v=DMARC1; p=none; sp=reject".to_vec()]),
///     _ => TxtAnswer::NxDomain,
/// });
/// let Finding::Policy(found) = &discovery.finding else { panic!() };
/// assert_eq!((found.domain.as_str(), found.tag.as_str(), found.policy), ("example.com", "sp", Policy::Reject));
/// # Ok::<(), dmarc_core::domain::DomainError>(())
/// ```
pub fn discover(author: &DomainName, method: OrgDomainMethod<'_>) -> Progress<Discovering> {
    let method = match method {
        OrgDomainMethod::TreeWalk => Method::TreeWalk(Walk::new(author)),
        OrgDomainMethod::PublicSuffix(list) => Method::List(list.organizational_domain(author)),
    };
    Progress::of(Discovering { author: author.clone(), method, tree: Tree::default(), existence: None })
}

/// A policy discovery that goes on.
#[derive(Debug, Clone)]
pub struct Discovering {
    author: DomainName,
    method: Method,
    tree: Tree,
    existence: Option<Existence>,
}

#[derive(Debug, Clone)]
enum Method {
    TreeWalk(Walk),
    /// With the organizational domain.
    List(Option<DomainName>),
}

/// Whether the author domain exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth case")]
pub enum Existence {
    /// The DNS knows it.
    Exists,
    /// RFC 9989 §3.2.13: a name for which there is an NXDOMAIN response.
    NonExistent,
    /// The DNS did not say.
    Unknown,
}

/// What came of a policy discovery.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Discovery {
    /// The author domain.
    pub author: DomainName,
    /// The policy, or why there is none.
    pub finding: Finding,
    /// Whether the author domain exists, where that was asked.
    pub existence: Option<Existence>,
    pub(crate) tree: Tree,
    pub(crate) is_by_list: bool,
}

impl Discovery {
    /// The names that were asked about, in that order, and what came of it.
    #[must_use]
    pub fn asked(&self) -> &[Asked] {
        self.tree.asked()
    }

    /// Whether a list of public suffixes was used, and not the tree walk: `discovery_method` of reports (RFC 9990 §3.1.1.5).
    #[must_use]
    pub fn is_by_list(&self) -> bool {
        self.is_by_list
    }
}

/// What a discovery found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.10.1 knows these cases, and callers should handle each")]
pub enum Finding {
    /// A policy.
    Policy(FoundPolicy),
    /// No record: "Mail Receivers MUST NOT apply the DMARC mechanism to the message."
    NoPolicy,
    /// A record without a usable policy and without a reporting URI: "the Mail Receiver applies no DMARC processing to this message."
    PermError {
        /// Where it is.
        domain: DomainName,
        /// The record.
        record: Arc<Record>,
    },
    /// An answer is missing that may decide which record applies.
    TempError {
        /// Whether some record was found, so that a policy applies whatever the missing answer is.
        has_policy: bool,
    },
}

/// A policy, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPolicy {
    /// The policy domain: where the record is.
    pub domain: DomainName,
    /// What that domain is to the author domain.
    pub place: Place,
    /// The record.
    pub record: Arc<Record>,
    /// The tag that the policy was taken from.
    pub tag: PolicyTag,
    /// The policy as published; `none` where the record is [`Standing::MonitoringOnly`].
    pub policy: Policy,
}

/// Where a record was found (RFC 9989 §4.10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.10.1 lists these three")]
pub enum Place {
    /// At the author domain.
    AuthorDomain,
    /// At its organizational domain.
    OrganizationalDomain,
    /// At its public suffix domain.
    PublicSuffixDomain,
}

/// The tag that a policy was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.7 has these three")]
pub enum PolicyTag {
    /// For the domain itself, and where the others are absent.
    P,
    /// For its subdomains.
    Sp,
    /// For its subdomains that do not exist.
    Np,
}

impl PolicyTag {
    /// The name of the tag.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P => "p",
            Self::Sp => "sp",
            Self::Np => "np",
        }
    }
}

impl Machine for Discovering {
    type Outcome = Discovery;

    fn next_question(&mut self) -> Option<Question> {
        if let Some((_, question)) = self.next_name() {
            return Some(question);
        }
        self.needs_existence().then(|| Question::new(self.author.clone(), QuestionKind::Existence))
    }

    fn take_answer(&mut self, question: &Question, answer: &TxtAnswer) {
        if question.kind == QuestionKind::Existence {
            self.existence = Some(match answer {
                TxtAnswer::NxDomain => Existence::NonExistent,
                TxtAnswer::Failed => Existence::Unknown,
                TxtAnswer::Records(_) | TxtAnswer::NoData => Existence::Exists,
            });
        } else if let Some((name, _)) = self.next_name() {
            self.tree.insert(name, answer);
        }
    }

    fn into_outcome(self) -> Discovery {
        let finding = self.finding();
        let is_by_list = matches!(self.method, Method::List(_));
        Discovery { author: self.author, finding, existence: self.existence, tree: self.tree, is_by_list }
    }
}

impl Discovering {
    /// The next name whose record has to be asked for.
    fn next_name(&self) -> Option<(DomainName, Question)> {
        match (&self.method, self.tree.level(&self.author)) {
            (_, Some(Level::Record(_))) => None,
            (Method::TreeWalk(walk), _) => self.tree.next_open(walk),
            (Method::List(_), None) => Question::policy_record(&self.author).map(|it| (self.author.clone(), it)),
            // RFC 7489 §6.6.3: "If the set is now empty, the Mail Receiver MUST query the DNS for a DMARC TXT record at the DNS domain matching the
            // Organizational Domain in place of the RFC5322.From domain in the message (if different)."
            (Method::List(_), Some(Level::Several)) => None,
            (Method::List(organization), Some(_)) => {
                let organization = organization.as_ref().filter(|name| self.tree.level(name).is_none())?;
                Question::policy_record(organization).map(|it| (organization.clone(), it))
            }
        }
    }

    /// Where the record that applies is, once all names were asked about.
    fn source(&self) -> Source<'_> {
        let found = |domain: DomainName, place, record| Source::Record { domain, place, record };
        if let Some(record) = self.tree.record(&self.author) {
            return found(self.author.clone(), Place::AuthorDomain, record);
        }
        let is_incomplete = match &self.method {
            Method::TreeWalk(walk) => self.tree.is_incomplete(walk),
            Method::List(_) => self.tree.asked().iter().any(|asked| asked.level == Level::Failed),
        };
        if is_incomplete {
            let has_policy = self.tree.asked().iter().any(|asked| asked.level.record().is_some());
            return Source::Unknown { has_policy };
        }
        let organization = match &self.method {
            Method::TreeWalk(walk) => self.tree.organization(walk),
            Method::List(organization) => organization.clone(),
        };
        let Some(organization) = organization else { return Source::Nowhere };
        if let Some(record) = self.tree.record(&organization) {
            return found(organization, Place::OrganizationalDomain, record);
        }
        // An organizational domain without a record lies below a public suffix domain that has one, or there is none at all.
        let Some(suffix) = organization.parent() else { return Source::Nowhere };
        match self.tree.record(&suffix) {
            Some(record) => found(suffix, Place::PublicSuffixDomain, record),
            None => Source::Nowhere,
        }
    }

    fn finding(&self) -> Finding {
        let (domain, place, record) = match self.source() {
            Source::Nowhere => return Finding::NoPolicy,
            Source::Unknown { has_policy } => return Finding::TempError { has_policy },
            Source::Record { domain, place, record } => (domain, place, record),
        };
        let record = Arc::clone(record);
        let (tag, policy) = match self.standing(&record) {
            Standing::Unusable => return Finding::PermError { domain, record },
            // "the Mail Receiver MUST act as if a record containing "p=none" was retrieved and continue processing".
            Standing::MonitoringOnly => (PolicyTag::P, Policy::None),
            Standing::Complete => self.policy(place, &record),
        };
        Finding::Policy(FoundPolicy { domain, place, record, tag, policy })
    }

    fn standing(&self, record: &Record) -> Standing {
        match self.method {
            Method::TreeWalk(_) => record.standing(),
            Method::List(_) => record.standing_rfc7489(),
        }
    }

    /// The policy of a record with a valid `p`. §4.10.1: "the Domain Owner Assessment Policy is taken from the "sp" tag (if any) if the Author Domain
    /// exists, or the "np" tag (if any) if the Author Domain does not exist. In the absence of applicable "sp" or "np" tags, the "p" tag policy is used
    /// for subdomains."
    fn policy(&self, place: Place, record: &Record) -> (PolicyTag, Policy) {
        let p = (PolicyTag::P, record.p.unwrap_or(Policy::None));
        if place == Place::AuthorDomain {
            return p;
        }
        let sp = record.sp.map_or(p, |policy| (PolicyTag::Sp, policy));
        match record.np {
            // §4.7 on np=: "If the "np" tag is absent, the policy specified by the "sp" tag … MUST be applied for non-existent subdomains."
            Some(policy) if self.existence == Some(Existence::NonExistent) => (PolicyTag::Np, policy),
            _ => sp,
        }
    }

    /// Whether it has to be asked if the author domain exists.
    fn needs_existence(&self) -> bool {
        let Method::TreeWalk(_) = self.method else { return false };
        let Source::Record { place, record, .. } = self.source() else { return false };
        if self.existence.is_some() || place == Place::AuthorDomain || record.standing() != Standing::Complete {
            return false;
        }
        // Where "_dmarc" below it exists, the author domain does (RFC 8020); for a name too long for that, nothing was asked.
        let may_be_missing = matches!(self.tree.level(&self.author), Some(Level::NxDomain) | None);
        may_be_missing && record.np.is_some_and(|np| Some(np) != record.sp.or(record.p))
    }
}

/// Where the record that applies is.
enum Source<'a> {
    Record { domain: DomainName, place: Place, record: &'a Arc<Record> },
    Nowhere,
    Unknown { has_policy: bool },
}
