//! Checks of `[failure_reports]`.

use super::super::diagnostics::CONFIG_CONFLICT;
use super::super::draft::FailureReportsDraft;
use super::super::settings::FailureReports;
use super::Check;

pub(super) fn failure_reports(draft: FailureReportsDraft, has_dmarc: bool, check: &mut Check) -> FailureReports {
    let default = FailureReports::default();
    let enabled = draft.enabled.as_ref().is_some_and(|enabled| enabled.value);
    if let Some(written) = draft.enabled.as_ref().filter(|_| enabled && !has_dmarc) {
        let cause = "nothing fails: `[dmarc] enabled` is false";
        check.at(&written.at, CONFIG_CONFLICT, cause, "remove it, or set `[dmarc] enabled = true`");
    }
    FailureReports {
        enabled,
        folder: draft.folder.map(|path| path.value),
        on_none: draft.on_none.map_or(default.on_none, |v| v.value),
        per_domain: check.number(draft.per_domain, default.per_domain, 1..=10_000, |number| number.to_string()),
    }
}
