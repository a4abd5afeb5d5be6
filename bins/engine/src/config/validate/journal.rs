//! Checks of `[journal]`: how much is kept, and that it can be.

use std::time::Duration;

use super::super::diagnostics::{CONFIG_CONFLICT, CONFIG_UNUSED};
use super::super::draft::JournalDraft;
use super::super::settings::Journal;
use super::super::units::{format_duration, format_size};
use super::Check;

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn journal(draft: JournalDraft, check: &mut Check) -> Journal {
    let default = Journal::default();
    let enabled = draft.enabled.as_ref().is_none_or(|v| v.value);
    let places = [
        draft.folder.as_ref().map(|v| &v.at),
        draft.segment_size.as_ref().map(|v| &v.at),
        draft.segment_age.as_ref().map(|v| &v.at),
        draft.max_size.as_ref().map(|v| &v.at),
        draft.keep.as_ref().map(|v| &v.at),
    ];
    if !enabled {
        for at in places.into_iter().flatten() {
            let cause = "no effect: with `enabled = false` there is no journal";
            check.at(at, CONFIG_UNUSED, cause, "remove it, or set `enabled = true`");
        }
    }
    let size_at = draft.max_size.as_ref().or(draft.segment_size.as_ref()).map(|v| v.at.clone());
    let age_at = draft.keep.as_ref().or(draft.segment_age.as_ref()).map(|v| v.at.clone());
    let journal = Journal {
        enabled,
        folder: draft.folder.map(|path| path.value),
        // The longest record has 64 KiB.
        segment_size: check.number(draft.segment_size, default.segment_size, 64 << 10..=1 << 30, format_size),
        segment_age: check.time(draft.segment_age, default.segment_age, Duration::from_secs(60)..=DAY),
        max_size: check.number(draft.max_size, default.max_size, 1 << 20..=1 << 40, format_size),
        keep: check.time(draft.keep, default.keep, Duration::from_secs(3600)..=DAY.saturating_mul(3650)),
    };
    if let Some(at) = size_at.filter(|_| journal.segment_size > journal.max_size) {
        let (one, all) = (format_size(journal.segment_size), format_size(journal.max_size));
        let cause = format!("`segment_size` {one} is above `max_size` {all}, and whole segments are removed");
        check.at(&at, CONFIG_CONFLICT, cause, "lower the first or raise the second");
    }
    if let Some(at) = age_at.filter(|_| journal.segment_age > journal.keep) {
        let (one, all) = (format_duration(journal.segment_age), format_duration(journal.keep));
        let cause = format!("`segment_age` {one} is above `keep` {all}, and whole segments are removed");
        check.at(&at, CONFIG_CONFLICT, cause, "lower the first or raise the second");
    }
    journal
}
