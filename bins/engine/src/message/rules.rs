//! What messages are judged and signed by: the configuration with its keys, made ready once.

use std::collections::HashMap;
use std::sync::Arc;

use dkim_core::crypto::SigningKey;
use dkim_core::domain::Selector;
use dkim_core::sign::PreparedSpec;
use dkim_core::verify::VerifyPolicy;
use dmarc_core::org_domain::OrgDomainMethod;
use dmarc_core::psl::PublicSuffixList;

use super::dmarc::KnownDomains;
use crate::config::{Config, SigningDomain};
use crate::enforcement::Steps;
use crate::failures::Spool;
use crate::keys::{DomainKeys, FailedKey, Keys, Standing};
use crate::opendkim::Ways;
use crate::opendmarc;

/// The configuration in the form in which messages need it. Never changed; a reload makes a new one.
#[derive(Debug)]
pub struct Rules {
    config: Config,
    verify: VerifyPolicy,
    signers: Vec<DomainSigners>,
    suffixes: Option<Arc<PublicSuffixList>>,
    known: KnownDomains,
    steps: Steps,
    is_trial: bool,
    ways: Option<Arc<Ways>>,
    opendmarc: Option<Arc<opendmarc::Ways>>,
    failures: Option<Spool>,
}

/// Who signs for the authors of one rule.
#[derive(Debug)]
pub struct DomainSigners {
    /// One for each usable key, in the order of the configuration.
    pub signers: Vec<Signer>,
    /// Keys that cannot be used.
    pub failed: Vec<FailedKey>,
}

/// A key and what to do with it.
#[derive(Clone, Debug)]
pub struct Signer {
    /// What a signature looks like.
    pub spec: PreparedSpec,
    /// The key.
    pub key: Arc<dyn SigningKey>,
    /// What the DNS says of it.
    pub standing: Arc<Standing>,
}

impl Signer {
    /// The selector (`s=`).
    #[must_use]
    pub fn selector(&self) -> &Selector {
        &self.spec.spec().selector
    }
}

impl Rules {
    /// Rules from a configuration and its keys.
    #[must_use]
    pub fn new(config: Config, keys: &Keys) -> Self {
        let none = DomainKeys::default();
        let signers = config.domains.rules().iter().enumerate().map(|(index, rule)| {
            let keys = keys.of_rule(index).unwrap_or(&none);
            let signers = keys.usable.iter().map(|key| Signer {
                spec: rule.signature_spec(&key.selector).into(),
                key: Arc::clone(&key.key),
                standing: Arc::default(),
            });
            DomainSigners { signers: signers.collect(), failed: keys.failed.clone() }
        });
        Self {
            signers: signers.collect(),
            verify: config.verify.policy(&config.limits),
            suffixes: None,
            known: KnownDomains::default(),
            steps: Steps::default(),
            is_trial: false,
            ways: None,
            opendmarc: None,
            failures: None,
            config,
        }
    }

    /// With the list of public suffixes that the configuration names. Without one, organizational domains are found by the tree walk.
    #[must_use]
    pub fn with_public_suffixes(mut self, list: Option<PublicSuffixList>) -> Self {
        self.suffixes = list.map(Arc::new);
        self
    }

    /// Keeps failures for reports, where the configuration has it; `before` are the rules in force at a reload.
    #[must_use]
    pub fn with_failures(mut self, before: Option<&Self>) -> Self {
        let settings = &self.config.failure_reports;
        let folder = settings.folder(&self.config.state_dir);
        let kept = before.and_then(Self::failures).filter(|spool| spool.is_as(&folder, settings.per_domain));
        self.failures =
            settings.enabled.then(|| kept.cloned().unwrap_or_else(|| Spool::new(&folder, settings.per_domain)));
        self
    }

    /// Where failures are kept for reports.
    #[must_use]
    pub fn failures(&self) -> Option<&Spool> {
        self.failures.as_ref()
    }

    /// With what is known of domains already: a reload forgets nobody.
    #[must_use]
    pub fn with_known_domains(mut self, known: KnownDomains) -> Self {
        self.known = known;
        self
    }

    /// Domains whose mail passes here.
    #[must_use]
    pub fn known_domains(&self) -> &KnownDomains {
        &self.known
    }

    /// With the enforcement steps that are in force.
    #[must_use]
    pub fn with_steps(mut self, steps: Steps) -> Self {
        self.steps = steps;
        self
    }

    /// Enforcement that grows step by step.
    #[must_use]
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// For messages that are only tried: nothing is signed, so no key is needed, and no domain becomes known by them.
    #[must_use]
    pub fn for_trial(self) -> Self {
        Self { is_trial: true, ..self }
    }

    /// Whether messages are only tried.
    #[must_use]
    pub fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// With the ways of OpenDKIM: they choose what is signed and with which keys, in place of the domains of the configuration.
    #[must_use]
    pub fn with_ways(mut self, ways: Option<Arc<Ways>>) -> Self {
        if let Some(ways) = &ways {
            ways.demand(&mut self.verify);
        }
        self.ways = ways;
        self
    }

    /// The ways of OpenDKIM, for a daemon that runs from its file.
    #[must_use]
    pub fn ways(&self) -> Option<&Arc<Ways>> {
        self.ways.as_ref()
    }

    /// With the ways of OpenDMARC: they say whose mail is judged and what is done about a result.
    #[must_use]
    pub fn with_opendmarc(mut self, ways: Option<Arc<opendmarc::Ways>>) -> Self {
        self.opendmarc = ways;
        self
    }

    /// The ways of OpenDMARC, for a daemon that runs from its file.
    #[must_use]
    pub fn opendmarc(&self) -> Option<&Arc<opendmarc::Ways>> {
        self.opendmarc.as_ref()
    }

    /// How organizational domains are found.
    #[must_use]
    pub fn org_domains(&self) -> OrgDomainMethod<'_> {
        match &self.suffixes {
            Some(list) => OrgDomainMethod::PublicSuffix(&**list),
            None => OrgDomainMethod::TreeWalk,
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What a verifier accepts.
    #[must_use]
    pub fn verify_policy(&self) -> &VerifyPolicy {
        &self.verify
    }

    /// Adds a key that is in no file (a hardware module, an agent) to the rule with this index; whether there is such a rule.
    pub fn add_signer(&mut self, rule: usize, selector: &Selector, key: Arc<dyn SigningKey>) -> bool {
        let Some((rule, domain)) = self.config.domains.rules().get(rule).zip(self.signers.get_mut(rule)) else {
            return false;
        };
        domain.signers.push(Signer { spec: rule.signature_spec(selector).into(), key, standing: Arc::default() });
        true
    }

    /// Every signer, with its rule.
    pub fn all_signers(&self) -> impl Iterator<Item = (&SigningDomain, &Signer)> {
        let domains = self.config.domains.rules().iter().zip(&self.signers);
        domains.flat_map(|(rule, domain)| domain.signers.iter().map(move |signer| (rule, signer)))
    }

    /// Takes over what is known of the keys that `before` has as well: a reload is no reason to trust a key again.
    pub fn take_over_standings(&self, before: &Self) {
        let name = |(rule, signer): (&SigningDomain, &Signer)| {
            (rule.signing_domain.clone(), signer.selector().clone(), signer.key.public_key())
        };
        let known: HashMap<_, _> = before.all_signers().map(|both| (name(both), &both.1.standing)).collect();
        for both in self.all_signers() {
            if let Some(standing) = known.get(&name(both)) {
                both.1.standing.take_over(standing);
            }
        }
    }

    /// The rule with this index, with its signers.
    #[must_use]
    pub fn signers(&self, rule: usize) -> Option<(&SigningDomain, &DomainSigners)> {
        self.config.domains.rules().get(rule).zip(self.signers.get(rule))
    }
}
