//! Whether a stranger agrees to be sent reports (RFC 9990 §4).
//!
//! Anybody can publish a record whose `rua=` names somebody else's mailbox. Where that mailbox is in another organization than the policy domain, its domain
//! has to say that it wants the reports, with a record at `POLICY-DOMAIN._report._dmarc.ITS-DOMAIN`.
//!
//! *DNS questions*: none where the destination is the policy domain itself or another scheme than `mailto:`; otherwise what the walks to both
//! organizational domains need (at most 16, none with a list), and one for the record.
//!
//! What it does not do: bound how many URIs of a record are looked at (a record keeps at most [`MAX_REPORT_URIS`](crate::record::MAX_REPORT_URIS)).

use crate::dns::{Question, QuestionKind, TxtAnswer};
use crate::domain::DomainName;
use crate::org_domain::{OrgDomainMethod, last_labels_str};
use crate::progress::{Machine, Progress};
use crate::record::Record;
use crate::tree_walk::{Tree, Walk};
use crate::uri::ReportUri;

/// The tag that a report URI stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9989 §4.7 has these two")]
pub enum ReportTag {
    /// Aggregate reports.
    Rua,
    /// Failure reports.
    Ruf,
}

/// Whether reports may go to a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorization {
    /// They may: it is in the organization of the policy domain.
    Internal,
    /// They may: its domain says so, and has them sent to these URIs, all of the same host.
    External(Vec<ReportUri>),
    /// They may not.
    Refused(Refusal),
    /// The DNS did not say. It may be asked again later.
    TempError,
}

/// Why reports may not go to a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// Its scheme is not `mailto:`; RFC 9989 §4.7: "URIs involving schemes not supported by Mail Receivers MUST be ignored."
    Scheme,
    /// The name of the record would be longer than a name can be.
    NameTooLong,
    /// Its domain has no record that says it wants them.
    NoRecord,
    /// The record of its domain names a URI of another host, or none that can be read. "the overriding URI MUST use the same destination host".
    BadOverride,
}

/// Finds out whether reports about a policy domain may go to a URI of its record.
///
/// *Inputs*: the policy domain (where the record was found), the URI, the tag it stands in, and the method for organizational domains. *DNS questions*: see
/// the [module page](self). *Results*: [`Authorization`].
///
/// ```
/// use dmarc_core::authorize::{Authorization, ReportTag, authorize_report_uri};
/// use dmarc_core::dns::TxtAnswer;
/// use dmarc_core::domain::DomainName;
/// use dmarc_core::org_domain::OrgDomainMethod::TreeWalk;
/// use dmarc_core::uri::ReportUri;
///
/// let (domain, uri) = (DomainName::parse("example.com")?, ReportUri::parse("mailto:reports@example.net").unwrap());
/// let authorization = authorize_report_uri(&domain, &uri, ReportTag::Rua, TreeWalk).run(|question| match question.name.as_str() {
///     "example.com._report._dmarc.example.net" => TxtAnswer::Records(vec![b"v=DMARC1".to_vec()]),
///     _ => TxtAnswer::NxDomain,
/// });
/// assert_eq!(authorization, Authorization::External(vec![uri]));
/// # Ok::<(), dmarc_core::domain::DomainError>(())
/// ```
pub fn authorize_report_uri(
    policy_domain: &DomainName,
    uri: &ReportUri,
    tag: ReportTag,
    method: OrgDomainMethod<'_>,
) -> Progress<Authorizing> {
    let stage = match uri.mailbox().map(|mailbox| &mailbox.domain) {
        None => Stage::Done(Authorization::Refused(Refusal::Scheme)),
        Some(host) if host == policy_domain => Stage::Done(Authorization::Internal),
        // Organizational domains are ends of their domains.
        Some(host) if last_labels_str(host, 1) != last_labels_str(policy_domain, 1) => record_of(policy_domain, host),
        Some(host) => match method {
            OrgDomainMethod::TreeWalk => Stage::Organizations {
                host: host.clone(),
                policy_walk: Walk::new(policy_domain),
                host_walk: Walk::new(host),
                asking: None,
            },
            OrgDomainMethod::PublicSuffix(list) => match list.organizational_domain(policy_domain) {
                Some(own) if list.organizational_domain(host) == Some(own.clone()) => {
                    Stage::Done(Authorization::Internal)
                }
                _ => record_of(policy_domain, host),
            },
        },
    };
    Progress::of(Authorizing {
        policy_domain: policy_domain.clone(),
        uri: uri.clone(),
        tag,
        tree: Tree::default(),
        stage,
    })
}

/// An authorization that goes on.
#[derive(Debug, Clone)]
pub struct Authorizing {
    policy_domain: DomainName,
    uri: ReportUri,
    tag: ReportTag,
    tree: Tree,
    stage: Stage,
}

#[derive(Debug, Clone)]
enum Stage {
    /// Whether both domains have the same organizational domain.
    Organizations {
        host: DomainName,
        policy_walk: Walk,
        host_walk: Walk,
        asking: Option<DomainName>,
    },
    /// What the other domain says.
    Record(Question),
    Done(Authorization),
}

impl Machine for Authorizing {
    type Outcome = Authorization;

    fn next_question(&mut self) -> Option<Question> {
        if let Stage::Organizations { host, policy_walk, host_walk, asking } = &mut self.stage {
            let open = self.tree.next_open(policy_walk).or_else(|| self.tree.next_open(host_walk));
            if let Some((name, question)) = open {
                *asking = Some(name);
                return Some(question);
            }
            self.stage = match self.tree.is_same_organization(policy_walk, host_walk) {
                Some(true) => Stage::Done(Authorization::Internal),
                Some(false) => record_of(&self.policy_domain, host),
                None => Stage::Done(Authorization::TempError),
            };
        }
        match &self.stage {
            Stage::Record(question) => Some(question.clone()),
            Stage::Organizations { .. } | Stage::Done(_) => None,
        }
    }

    fn take_answer(&mut self, _: &Question, answer: &TxtAnswer) {
        match &mut self.stage {
            Stage::Organizations { asking, .. } => {
                if let Some(name) = asking.take() {
                    self.tree.insert(name, answer);
                }
            }
            Stage::Record(_) => self.stage = Stage::Done(self.read(answer)),
            Stage::Done(_) => (),
        }
    }

    fn into_outcome(self) -> Authorization {
        match self.stage {
            Stage::Done(authorization) => authorization,
            // It does not end anywhere else; without an answer it is not known.
            Stage::Organizations { .. } | Stage::Record(_) => Authorization::TempError,
        }
    }
}

impl Authorizing {
    /// §4: "If at least one TXT resource record remains in the set after parsing, then the external reporting arrangement was authorized".
    fn read(&self, answer: &TxtAnswer) -> Authorization {
        let texts = match answer {
            TxtAnswer::Records(texts) => texts,
            TxtAnswer::NoData | TxtAnswer::NxDomain => return Authorization::Refused(Refusal::NoRecord),
            TxtAnswer::Failed => return Authorization::TempError,
        };
        let Some(record) = texts.iter().find_map(|text| Record::parse(text).ok()) else {
            return Authorization::Refused(Refusal::NoRecord);
        };
        let (uris, is_there) = match self.tag {
            ReportTag::Rua => (&record.rua, record.has_rua()),
            ReportTag::Ruf => (&record.ruf, record.has_ruf()),
        };
        if !is_there {
            return Authorization::External(vec![self.uri.clone()]);
        }
        // "to prevent loops or indirect abuse, the overriding URI MUST use the same destination host from the first step."
        let host = |uri: &ReportUri| uri.mailbox().map(|mailbox| mailbox.domain.clone());
        let own = host(&self.uri);
        if uris.is_empty() || uris.iter().any(|uri| host(uri) != own) {
            return Authorization::Refused(Refusal::BadOverride);
        }
        Authorization::External(uris.clone())
    }
}

/// The question for the record by which a host agrees.
fn record_of(policy_domain: &DomainName, host: &DomainName) -> Stage {
    match DomainName::parse(&format!("{policy_domain}._report._dmarc.{host}")) {
        Ok(name) => Stage::Record(Question::new(name, QuestionKind::ReportRecord)),
        Err(_) => Stage::Done(Authorization::Refused(Refusal::NameTooLong)),
    }
}
