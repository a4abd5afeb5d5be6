//! Checks of `[dmarc]`.

use jiff::civil::Date;

use super::super::diagnostics::{CONFIG_CONFLICT, CONFIG_MISSING, CONFIG_UNUSED, CONFIG_VALUE};
use super::super::dmarc::{Dmarc, DmarcOverride, RejectReply};
use super::super::draft::{DmarcDraft, DmarcOverrideDraft, Sourced};
use super::super::words::{Enforcement, OrgDomains};
use super::trust::clients;
use super::{Check, values};

/// Most overrides: each message is compared with them one after the other.
const MAX_OVERRIDES: usize = 10_000;

/// `checks_spf`: whether senders are checked at all.
pub(super) fn dmarc(draft: DmarcDraft, checks_spf: bool, check: &mut Check) -> Dmarc {
    let default = Dmarc::default();
    let enabled = draft.enabled.is_none_or(|v| v.value);
    if !enabled {
        let mode = draft.mode.as_ref().filter(|v| v.value != Enforcement::Observe).map(|v| &v.at);
        let first = draft.overrides.iter().flatten().next().map(|v| &v.at);
        for at in [mode, first].into_iter().flatten() {
            let cause = "no effect: with `enabled = false` no mail is judged by DMARC";
            check.at(at, CONFIG_UNUSED, cause, "remove it, or set `enabled = true`");
        }
    }
    if let Some(mode) = draft.mode.as_ref().filter(|v| enabled && !checks_spf && v.value > Enforcement::Observe) {
        let cause = "with `enabled = false` in `[spf]`, mail that passes by SPF alone would count as failing";
        check.at(&mode.at, CONFIG_CONFLICT, cause, "set `enabled = true` in `[spf]`, or `mode = \"observe\"`");
    }
    let method = draft.method.as_ref().map_or(default.method, |v| v.value);
    match (method, &draft.method, &draft.public_suffix_list) {
        (OrgDomains::PublicSuffixList, Some(method), None) => {
            let fix = "add `public_suffix_list = \"/usr/share/publicsuffix/public_suffix_list.dat\"` (Debian: `apt install publicsuffix`)";
            check.at(&method.at, CONFIG_MISSING, "this method needs a list of public suffixes", fix);
        }
        (OrgDomains::TreeWalk, _, Some(list)) => {
            let cause = "no effect: the tree walk needs no list";
            check.at(&list.at, CONFIG_UNUSED, cause, "remove it, or set `method = \"public-suffix-list\"`");
        }
        _ => {}
    }
    let tag_header = match draft.tag_header {
        Some(name) if !is_own_name(&name.value) => {
            let cause = "incoming fields of this name are removed, so it must be one that nobody else uses";
            check.at(&name.at, CONFIG_CONFLICT, cause, "write a name that begins with `X-`");
            default.tag_header
        }
        Some(name) => name.value,
        None => default.tag_header,
    };
    let text = draft.reject_text.map_or(default.reply.text, |v| v.value);
    if let Some(url) = draft.reject_url.as_ref().filter(|_| !text.has_url()) {
        check.at(&url.at, CONFIG_UNUSED, "no effect: `reject_text` has no `{url}`", "write `{url}` into `reject_text`");
    }
    let overrides = draft.overrides.unwrap_or_default();
    if let Some(first) = overrides.get(MAX_OVERRIDES) {
        check.at(
            &first.at,
            CONFIG_VALUE,
            format!("more than {MAX_OVERRIDES} overrides"),
            "list several domains in one",
        );
    }
    let today = today();
    let mode = draft.mode.as_ref().map_or(default.mode, |v| v.value);
    let seldom_seen = draft.seldom_seen.as_ref().map_or(default.seldom_seen, |v| v.value);
    if enabled && mode == Enforcement::Observe {
        share_of_nothing(draft.share.as_ref(), check);
    }
    if let Some(known_after) = draft.known_after.as_ref().filter(|_| enabled && seldom_seen == Enforcement::Reject) {
        let cause = "no effect: with `seldom_seen = \"reject\"` as much is done to mail of seldom seen domains as to that of all others";
        check.at(&known_after.at, CONFIG_UNUSED, cause, "remove it, or write another `seldom_seen`");
    }
    let knows_all = draft.known_after.as_ref().is_some_and(|v| v.value == 0);
    if let Some(seldom_seen) = draft.seldom_seen.as_ref().filter(|_| enabled && knows_all) {
        let cause = "no effect: with `known_after = 0` every domain is known";
        check.at(&seldom_seen.at, CONFIG_UNUSED, cause, "remove it, or write another `known_after`");
    }
    Dmarc {
        enabled,
        mode,
        share: check.number(draft.share, default.share, PERCENT, |n| n.to_string()),
        method,
        public_suffix_list: draft.public_suffix_list.map(|v| v.value),
        on_temperror: draft.on_temperror.map_or(default.on_temperror, |v| v.value),
        // Where policies are applied, a second From field must not be the way around them; honest mail with one is rare, and not refused.
        multiple_from: draft.multiple_from.map_or_else(|| mode.min(Enforcement::Quarantine), |v| v.value),
        mailing_lists: draft.mailing_lists.map_or(default.mailing_lists, |v| v.value),
        seldom_seen,
        known_after: check.number(draft.known_after, default.known_after, 0..=1_000_000, |n| n.to_string()),
        trusted_forwarders: clients(
            draft.trusted_forwarders.unwrap_or_default(),
            "nothing would be done to any mail, whoever sends it",
            "list the addresses of the forwarders, or set `mode = \"observe\"`",
            check,
        ),
        tag_header,
        reply: RejectReply {
            code: draft.reject_code.map_or(default.reply.code, |v| v.value),
            text,
            url: draft.reject_url.map_or(default.reply.url, |v| v.value),
        },
        remove_bimi: draft.remove_bimi.is_some_and(|v| v.value),
        overrides: overrides.into_iter().map(|each| one(each, today, check)).collect(),
    }
}

/// A share of mail that nothing is done to. (A ramp has shares of its own.)
fn share_of_nothing(share: Option<&Sourced<u64>>, check: &mut Check) {
    if let Some(share) = share.filter(|share| share.value < 100) {
        let cause = "no effect: with `mode = \"observe\"` nothing is done to any mail";
        check.at(&share.at, CONFIG_UNUSED, cause, "remove it, or set another `mode`");
    }
}

/// None of no mail would be one way more to say `observe`.
const PERCENT: std::ops::RangeInclusive<u64> = 1..=100;

/// RFC 6648 advises against the prefix for new protocols; for a name that never leaves an installation it is the one that nobody else claims.
fn is_own_name(name: &str) -> bool {
    name.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("x-"))
}

fn one(draft: Sourced<DmarcOverrideDraft>, today: Date, check: &mut Check) -> DmarcOverride {
    let Sourced { value: draft, at } = draft;
    if draft.mode.is_none() && draft.policy.is_none() && draft.share.is_none() {
        check.at(&at, CONFIG_MISSING, "it changes nothing", "add `mode`, `policy` or `share`");
    }
    if draft.sender.is_none() && draft.recipient.is_none() {
        let fix = "add `sender = [\"example.com\"]` or `recipient`, or set `mode` in `[dmarc]`";
        check.at(&at, CONFIG_MISSING, "it is for all mail", fix);
    }
    if let Some(until) = draft.until.as_ref().filter(|until| until.value < today) {
        let cause = format!("no effect: {} is over", until.value);
        check.at(&until.at, CONFIG_UNUSED, cause, "remove the override, or write another day");
    }
    // Without a mode of its own its share counts for a ramp as well.
    if draft.mode.as_ref().is_some_and(|mode| mode.value == Enforcement::Observe) {
        share_of_nothing(draft.share.as_ref(), check);
    }
    DmarcOverride {
        senders: draft.sender.map(values).unwrap_or_default().into_iter().collect(),
        recipients: draft.recipient.map(values).unwrap_or_default().into_iter().collect(),
        mode: draft.mode.map(|v| v.value),
        policy: draft.policy.map(|v| v.value),
        share: draft.share.map(|v| check.number(Some(v), 100, PERCENT, |n| n.to_string())),
        reason: draft.reason.map_or_else(String::new, |v| v.value),
        until: draft.until.map(|v| v.value),
    }
}

fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
