//! Whether the daemon did its work: the signature that it made is verified, the verdict that it wrote is read.
//!
//! Done for every message. It costs about as much as the daemon's own work, but in this process and outside of the time that is taken.

use dkim_core::auth_results::{AuthResults, ReadLimits};
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::verify::{KeyAnswer, Outcome, Verification, VerifyPolicy};
use milter_proto::MtaMessage;

use crate::mail::{self, Mail, Signer};
use crate::{LoadError, Work};

/// Checks answers.
#[derive(Clone, Debug)]
pub struct Checker {
    work: Work,
    domain: String,
    selector: String,
    key: KeyAnswer,
}

impl Checker {
    /// For this work and this signer.
    #[must_use]
    pub fn new(work: Work, signer: &Signer) -> Self {
        let record = TxtAnswer::Records(vec![signer.record().into_bytes()]);
        Self {
            work,
            domain: signer.domain().as_str().to_owned(),
            selector: signer.selector().as_str().to_owned(),
            key: KeyAnswer::parse(&record, Backend::AwsLc),
        }
    }

    /// *Inputs*: what was sent, and the message as it came back.
    ///
    /// # Errors
    ///
    /// [`LoadError::Wrong`].
    pub fn check(&self, sent: &Mail, message: &MtaMessage) -> Result<(), LoadError> {
        match self.work {
            Work::Sign => self.signature(sent, message),
            Work::Verify => self.verdict(message),
        }
    }

    /// The signature at the top is of our key, and good.
    fn signature(&self, sent: &Mail, message: &MtaMessage) -> Result<(), LoadError> {
        let added = message.fields().len().saturating_sub(sent.fields.len());
        if added != 1 {
            return Err(LoadError::Wrong(format!("{added} new header fields instead of one signature")));
        }
        let mut plan = BodyHashPlan::new(Backend::AwsLc);
        let headers = mail::headers_of(message)?;
        let mut verification = Verification::start(headers, mail::now(), &VerifyPolicy::default(), &mut plan);
        let queries: Vec<_> = verification.key_queries().map(|query| (query.id, query.name())).collect();
        for (id, name) in queries {
            if name == format!("{}._domainkey.{}", self.selector, self.domain) {
                verification.provide_key(id, self.key.clone());
            }
        }
        let mut hasher = plan.start();
        hasher.update(&sent.body);
        let reports = verification.finish(&hasher.finish());
        match reports.as_slice() {
            [report] if report.outcome == Outcome::Pass => Ok(()),
            [report] => Err(LoadError::Wrong(format!("the signature is {}", report.outcome))),
            _ => Err(LoadError::Wrong(format!("{} signatures", reports.len()))),
        }
    }

    /// One Authentication-Results field says that the signature of the domain passed.
    fn verdict(&self, message: &MtaMessage) -> Result<(), LoadError> {
        let field = message.fields().iter().find(|field| field.name.eq_ignore_ascii_case(b"Authentication-Results"));
        let field = field.ok_or_else(|| LoadError::Wrong("no Authentication-Results field".to_owned()))?;
        let wrong =
            |why: &str| LoadError::Wrong(format!("{why}: Authentication-Results:{}", field.value.escape_ascii()));
        let results =
            AuthResults::parse(&field.value, ReadLimits::default()).map_err(|error| wrong(&error.to_string()))?;
        let passed = results.results.iter().any(|result| {
            result.method == "dkim"
                && result.result == "pass"
                && result.prop("header", "d").is_some_and(|domain| domain.eq_ignore_ascii_case(&self.domain))
        });
        if passed { Ok(()) } else { Err(wrong("no pass")) }
    }
}
