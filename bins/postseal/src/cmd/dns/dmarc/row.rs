//! Findings as they are printed.

use dmarc_core::lint::{Lint, Severity as LintSeverity};
use engine::dns::Trouble;
use engine::keys::published::{Problem, Severity};
use serde::Serialize;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    pub(super) severity: Severity,
    /// Its fixed name.
    pub(super) code: &'static str,
    /// The name in the DNS that it is about.
    pub(super) name: String,
    /// The part of the record, escaped and cut.
    pub(super) part: Option<String>,
    pub(super) what: String,
    pub(super) fix: String,
}

impl Row {
    pub(super) fn new(
        code: &'static str,
        severity: Severity,
        name: &str,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { severity, code, name: name.to_owned(), part: None, what: what.into(), fix: fix.into() }
    }

    /// The DNS did not answer for a name.
    pub(super) fn unanswered(name: &str, trouble: &Trouble) -> Self {
        let problem = Problem::Unanswered(trouble.clone());
        let fix = match trouble {
            Trouble::ServFail => {
                "ask again later; when it stays, check the name servers of the zone and its DNSSEC signatures"
            }
            Trouble::Refused => "ask a resolver that answers this host: `[dns] nameservers`, or `--nameserver`",
            _ => "ask again later; when it stays, check the name servers that are asked and the way to them",
        };
        let what = format!("{name} cannot be looked up now: {trouble}");
        Self::new(problem.code(), Severity::Unanswered, name, what, fix)
    }

    /// What the linter says about a text.
    pub(super) fn of_lint(name: &str, text: &[u8], lint: &Lint) -> Vec<Self> {
        let row = |finding: &dmarc_core::lint::Finding| {
            let severity = match finding.severity {
                LintSeverity::Failure => Severity::Failure,
                LintSeverity::Warning => Severity::Warning,
                LintSeverity::Note => Severity::Note,
            };
            let part = Some(finding.excerpt(text)).filter(|part| !part.is_empty());
            let (what, fix) = (finding.problem.what(), finding.problem.fix());
            Self { part, ..Self::new(finding.code(), severity, name, what, fix) }
        };
        lint.findings.iter().map(row).collect()
    }
}
