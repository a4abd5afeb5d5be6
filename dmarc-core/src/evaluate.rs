//! Evaluation: which identifiers are aligned, and what follows from that (RFC 9989 §4.4, §4.10.2, §5.3).
//!
//! Of SPF only the MAIL FROM identity counts (§3.2.4, §5.3.3). A result for HELO counts nowhere: for a null reverse path it is already what SPF calls
//! MAIL FROM (RFC 7208 §2.4), and the caller has only one place to put it.
//!
//! *DNS questions*: none where no identifier needs an organizational domain: it is the author domain itself, or cannot share one, or the mode is strict, or it
//! did not pass, or a list was given. Otherwise what is left of the author domain's walk, and then the names of each identifier that lies below the author's
//! organizational domain: at most 8 for the author and 7 for each of the first [`MAX_WALKS`] identifiers.
//!
//! What a missing answer leads to: an identifier whose alignment hangs on it is [`Alignment::Unknown`]. A `pass` needs one that does not; without one the
//! result is `temperror`. The same for an aligned identifier that could not be checked itself (§5.3.6: "If one or more DNS queries required to
//! perform DMARC validation on the message do not complete due to temporary or permanent DNS errors, the message cannot be considered to pass or fail").
//!
//! Invariant: more identifiers never make a `pass` anything else.

use crate::discovery::{Discovery, Finding, FoundPolicy};
use crate::dns::{Question, TxtAnswer};
use crate::domain::DomainName;
use crate::org_domain::{OrgDomainMethod, last_labels_str};
use crate::outcome::{Alignment, AppliedPolicy, Cause, CheckResult, DmarcResult, Evaluation, IdentifierReport};
use crate::progress::{Machine, Progress};
use crate::record::AlignmentMode;
use crate::tree_walk::{Tree, Walk};

/// Identifiers of one message that may ask questions of their own; those that come later count as not aligned unless no question is needed.
pub const MAX_WALKS: usize = 16;

/// The domain of an identifier, and what came of checking it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Identifier<'a> {
    /// The domain: of the MAIL FROM identity, or `d=` of a signature.
    pub domain: &'a DomainName,
    /// What came of it.
    pub result: CheckResult,
}

impl<'a> Identifier<'a> {
    /// An identifier.
    #[must_use]
    pub fn new(domain: &'a DomainName, result: CheckResult) -> Self {
        Self { domain, result }
    }
}

/// What SPF and DKIM found out about a message.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Identifiers<'a> {
    /// The domain that SPF checked for MAIL FROM; never one that it checked for HELO only.
    pub mail_from: Option<Identifier<'a>>,
    /// The signatures.
    pub dkim: &'a [Identifier<'a>],
}

impl<'a> Identifiers<'a> {
    /// The identifiers of a message.
    #[must_use]
    pub fn new(mail_from: Option<Identifier<'a>>, dkim: &'a [Identifier<'a>]) -> Self {
        Self { mail_from, dkim }
    }
}

/// Judges a message by the policy that was discovered.
///
/// *Inputs*: what [`discover`](crate::discovery::discover) came to, the results of SPF and DKIM, and the method of the
/// discovery.
/// *DNS questions*, *limits*: see the [module page](self). *Results*: all of [`DmarcResult`].
///
/// ```
/// use dmarc_core::discovery::discover;
/// use dmarc_core::dns::TxtAnswer;
/// use dmarc_core::domain::DomainName;
/// use dmarc_core::evaluate::{Identifier, Identifiers, evaluate};
/// use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
/// use dmarc_core::outcome::CheckResult;
///
/// let dns = |question: &dmarc_core::dns::Question| match question.name.as_str() {
///     "_dmarc.example.com" => TxtAnswer::Records(vec![b"v=DMARC1; p=reject".to_vec()]),
///     _ => TxtAnswer::NxDomain,
/// };
/// let (author, signer) = (DomainName::parse("example.com")?, DomainName::parse("mail.example.com")?);
/// let discovery = discover(&author, TreeWalk).run(dns);
/// let signatures = [Identifier::new(&signer, CheckResult::Pass)];
/// let evaluation = evaluate(&discovery, Identifiers::new(None, &signatures), TreeWalk).run(dns);
/// assert_eq!(evaluation.result.as_str(), "pass");
/// # Ok::<(), dmarc_core::domain::DomainError>(())
/// ```
pub fn evaluate(
    discovery: &Discovery,
    identifiers: Identifiers<'_>,
    method: OrgDomainMethod<'_>,
) -> Progress<Evaluating> {
    let mut entries = Vec::with_capacity(identifiers.dkim.len().saturating_add(1));
    let modes = match &discovery.finding {
        Finding::Policy(found) => Some((found.record.aspf, found.record.adkim)),
        _ => None,
    };
    let mut add = |identifier: &Identifier<'_>, mode, mechanism| {
        entries.push(Entry::new(&discovery.author, identifier, mode, mechanism, method));
    };
    if let Some(mail_from) = &identifiers.mail_from {
        add(mail_from, modes.map(|(aspf, _)| aspf), Mechanism::MailFrom);
    }
    for signature in identifiers.dkim {
        add(signature, modes.map(|(_, adkim)| adkim), Mechanism::Dkim);
    }
    Progress::of(Evaluating {
        author: discovery.author.clone(),
        finding: discovery.finding.clone(),
        is_by_list: discovery.is_by_list,
        walk: Walk::new(&discovery.author),
        tree: discovery.tree.clone(),
        entries,
        walks: 0,
        asking: None,
    })
}

/// An evaluation that goes on.
#[derive(Debug, Clone)]
pub struct Evaluating {
    author: DomainName,
    finding: Finding,
    is_by_list: bool,
    walk: Walk,
    tree: Tree,
    entries: Vec<Entry>,
    /// Identifiers that asked questions.
    walks: usize,
    /// The name that the question that is out is about.
    asking: Option<DomainName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    MailFrom,
    Dkim,
}

#[derive(Debug, Clone)]
struct Entry {
    mechanism: Mechanism,
    report: IdentifierReport,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// The alignment is known, or will not be.
    Settled,
    /// The organizational domain has to be found.
    Open { walk: Walk, has_asked: bool },
}

impl Entry {
    /// What can be said without any question. Without a mode no policy was found.
    fn new(
        author: &DomainName,
        identifier: &Identifier<'_>,
        mode: Option<AlignmentMode>,
        mechanism: Mechanism,
        method: OrgDomainMethod<'_>,
    ) -> Self {
        let domain = identifier.domain;
        let alignment = if identifier.result == CheckResult::Other {
            Some(Alignment::NotChecked)
        } else if domain == author {
            Some(Alignment::Identical)
        } else {
            match (mode, method) {
                (None, _) => Some(Alignment::Unknown),
                // §4.10.2: "a simple string comparison of the Author Domain and the Authenticated Identifier(s) is all that is required."
                (Some(AlignmentMode::Strict), _) => Some(Alignment::Unaligned),
                // An organizational domain is an end of its domain.
                _ if last_labels_str(domain, 1) != last_labels_str(author, 1) => Some(Alignment::Unaligned),
                (_, OrgDomainMethod::PublicSuffix(list)) => {
                    let organization = list.organizational_domain(author);
                    let is_same = organization.is_some() && organization == list.organizational_domain(domain);
                    Some(if is_same { Alignment::SameOrganization } else { Alignment::Unaligned })
                }
                (_, OrgDomainMethod::TreeWalk) => None,
            }
        };
        let state = match alignment {
            Some(_) => State::Settled,
            None => State::Open { walk: Walk::new(domain), has_asked: false },
        };
        let alignment = alignment.unwrap_or(Alignment::NotChecked);
        Self {
            mechanism,
            report: IdentifierReport { domain: domain.clone(), result: identifier.result, alignment },
            state,
        }
    }
}

impl Machine for Evaluating {
    type Outcome = Evaluation;

    fn next_question(&mut self) -> Option<Question> {
        let is_open = |entry: &Entry| matches!(entry.state, State::Open { .. });
        // Identifiers that passed come first: when one of them is aligned, those that could not be checked make no difference.
        for wanted in [CheckResult::Pass, CheckResult::TempError] {
            if wanted == CheckResult::TempError && self.has_aligned_pass() {
                return None;
            }
            while let Some(index) =
                self.entries.iter().position(|entry| entry.report.result == wanted && is_open(entry))
            {
                if let Some((name, question)) = self.settle(index) {
                    self.asking = Some(name);
                    return Some(question);
                }
            }
        }
        None
    }

    fn take_answer(&mut self, _: &Question, answer: &TxtAnswer) {
        if let Some(name) = self.asking.take() {
            self.tree.insert(name, answer);
        }
    }

    fn into_outcome(self) -> Evaluation {
        let (result, cause) = self.result();
        let policy = match &self.finding {
            Finding::Policy(found) => Some(applied(found, self.is_by_list)),
            _ => None,
        };
        let (mut mail_from, mut dkim) = (None, Vec::with_capacity(self.entries.len()));
        for entry in self.entries {
            match entry.mechanism {
                Mechanism::MailFrom => mail_from = Some(entry.report),
                Mechanism::Dkim => dkim.push(entry.report),
            }
        }
        let asked = self.tree.asked().to_vec();
        Evaluation { author: self.author, result, cause, policy, mail_from, dkim, asked }
    }
}

impl Evaluating {
    fn has_aligned_pass(&self) -> bool {
        self.entries.iter().any(|entry| entry.report.is_aligned_pass())
    }

    /// Finds out how an open identifier stands, or what has to be asked for that.
    fn settle(&mut self, index: usize) -> Option<(DomainName, Question)> {
        let open = self.tree.next_open(&self.walk);
        if open.is_some() {
            return open;
        }
        let entry = self.entries.get_mut(index)?;
        let State::Open { walk, has_asked } = &mut entry.state else { return None };
        let organization = self.tree.organization(&self.walk);
        entry.report.alignment = if organization.is_some_and(|it| !entry.report.domain.is_equal_or_subdomain_of(&it)) {
            // An organizational domain is an end of its domain, so they cannot have the same.
            Alignment::Unaligned
        } else {
            match self.tree.next_open(walk) {
                Some(_) if !*has_asked && self.walks >= MAX_WALKS => Alignment::Unaligned,
                Some(open) => {
                    if !*has_asked {
                        self.walks = self.walks.saturating_add(1);
                        *has_asked = true;
                    }
                    return Some(open);
                }
                None => match self.tree.is_same_organization(&self.walk, walk) {
                    Some(true) => Alignment::SameOrganization,
                    Some(false) => Alignment::Unaligned,
                    None => Alignment::Unknown,
                },
            }
        };
        entry.state = State::Settled;
        None
    }

    fn result(&self) -> (DmarcResult, Cause) {
        let has = |result, alignment: fn(Alignment) -> bool| {
            self.entries.iter().any(|entry| entry.report.result == result && alignment(entry.report.alignment))
        };
        let is_unknown = |alignment| alignment == Alignment::Unknown;
        let is_possible = |alignment: Alignment| alignment.is_aligned() || alignment == Alignment::Unknown;
        match &self.finding {
            Finding::NoPolicy => (DmarcResult::None, Cause::NoPolicy),
            Finding::PermError { .. } => (DmarcResult::PermError, Cause::BadRecord),
            // Some record applies for certain, and the author domain itself is aligned in both modes and by any walk.
            Finding::TempError { has_policy: true } if self.has_aligned_pass() => (DmarcResult::Pass, Cause::Aligned),
            Finding::TempError { .. } => (DmarcResult::TempError, Cause::PolicyUnknown),
            // §5.3.5: "If one or more of the Authenticated Identifiers align with the Author Domain, the message is considered to pass".
            Finding::Policy(_) if self.has_aligned_pass() => (DmarcResult::Pass, Cause::Aligned),
            Finding::Policy(_) if has(CheckResult::Pass, is_unknown) => {
                (DmarcResult::TempError, Cause::AlignmentUnknown)
            }
            Finding::Policy(_) if has(CheckResult::TempError, is_possible) => {
                (DmarcResult::TempError, Cause::CheckFailed)
            }
            Finding::Policy(_) if has(CheckResult::Pass, |_| true) => (DmarcResult::Fail, Cause::NotAligned),
            Finding::Policy(_) => (DmarcResult::Fail, Cause::NothingPassed),
        }
    }
}

/// The policy with what its owner says about testing and sampling. RFC 7489 knows no `t`, RFC 9989 no `pct`.
fn applied(found: &FoundPolicy, is_by_list: bool) -> AppliedPolicy {
    let (record, published) = (&found.record, found.policy);
    // §4.7 on t=: "has an expectation that the policy applied to any failing messages will be one level below the specified policy".
    let is_testing = record.is_testing && !is_by_list;
    AppliedPolicy {
        domain: found.domain.clone(),
        place: found.place,
        tag: found.tag,
        published,
        requested: if is_testing { published.one_level_below() } else { published },
        pct: record.pct.filter(|_| is_by_list),
    }
}
