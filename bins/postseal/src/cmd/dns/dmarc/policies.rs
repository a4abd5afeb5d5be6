//! The policy for mail of the domain, and of names below it that have no record (RFC 9989 §4.10.1).

use std::fmt;

use dmarc_core::discovery::{Discovery, Finding, FoundPolicy, discover};
use dmarc_core::domain::DomainName;
use dmarc_core::lint::Role;
use dmarc_core::org_domain::OrgDomainMethod;
use dmarc_core::record::Policy;
use serde::Serialize;

use super::ask::{Asker, Supposed};

/// A policy, and where it comes from.
#[derive(Debug, Serialize)]
pub(super) struct PolicyRow {
    /// As it is published.
    policy: &'static str,
    /// What receivers are asked to do: with `t=y` one level less.
    pub(super) requested: &'static str,
    /// `p`, `sp`, `np`.
    tag: &'static str,
    /// Whose record it is.
    domain: String,
}

/// The policies; `None` where there is none, or where it is not known.
#[derive(Debug, Default, Serialize)]
pub(super) struct Policies {
    pub(super) domain: Option<PolicyRow>,
    pub(super) subdomains: Option<PolicyRow>,
    pub(super) non_existent_subdomains: Option<PolicyRow>,
}

impl PolicyRow {
    fn of(found: &FoundPolicy) -> Self {
        let requested = if found.record.is_testing { found.policy.one_level_below() } else { found.policy };
        Self {
            policy: found.policy.as_str(),
            requested: requested.as_str(),
            tag: found.tag.as_str(),
            domain: found.domain.to_string(),
        }
    }

    /// Whether it asks for more than nothing, now.
    pub(super) fn is_enforced(&self) -> bool {
        self.requested != Policy::None.as_str()
    }
}

fn policy(discovery: &Discovery) -> Option<&FoundPolicy> {
    match &discovery.finding {
        Finding::Policy(found) => Some(found),
        _ => None,
    }
}

impl Policies {
    pub(super) fn is_empty(&self) -> bool {
        self.domain.is_none() && self.subdomains.is_none() && self.non_existent_subdomains.is_none()
    }

    /// The policies, and what the domain is, as the walks of a name below it show. No name below it is asked about.
    pub(super) async fn find(asker: &mut Asker<'_>, domain: &DomainName, own: &Discovery) -> (Self, Role) {
        let mut below = [None, None];
        let mut role = Role::Unknown;
        for (place, exists) in below.iter_mut().zip([true, false]) {
            let Some(supposed) = Supposed::below(domain, exists) else { continue };
            let discovery = asker.run(discover(&supposed.name, OrgDomainMethod::TreeWalk), Some(&supposed)).await;
            if let Some(found) = policy(&discovery) {
                *place = Some(PolicyRow::of(found));
            }
            let source = match &discovery.finding {
                Finding::Policy(found) => Some(&found.domain),
                Finding::PermError { domain, .. } => Some(domain),
                _ => None,
            };
            role = source.map_or(role, |source| if source == domain { Role::Organizational } else { Role::Subdomain });
        }
        if domain.label_count() == 1 {
            role = Role::PublicSuffix;
        }
        let [subdomains, non_existent_subdomains] = below;
        (Self { domain: policy(own).map(PolicyRow::of), subdomains, non_existent_subdomains }, role)
    }
}

impl fmt::Display for PolicyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.policy)?;
        if self.requested != self.policy {
            write!(f, " (as a test: {})", self.requested)?;
        }
        Ok(())
    }
}

impl fmt::Display for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |row: &Option<PolicyRow>| row.as_ref().map_or_else(|| "none known".to_owned(), PolicyRow::to_string);
        let (domain, below, missing) =
            (word(&self.domain), word(&self.subdomains), word(&self.non_existent_subdomains));
        f.write_str(&domain)?;
        if below != domain || missing != domain {
            write!(f, "; {below} for subdomains without a record")?;
        }
        if missing != below {
            write!(f, ", {missing} for those that do not exist")?;
        }
        Ok(())
    }
}
