//! Checks of `[spf]`: what is refused, and whose word is taken for an address.

use std::time::Duration;

use super::super::diagnostics::{CONFIG_UNUSED, TRUST_RELAY, TRUST_WIDE};
use super::super::draft::{Sourced, SpfDraft};
use super::super::networks::{Cidr, IpSet};
use super::super::settings::{Listener, Spf};
use super::super::words::OnFailure;
use super::trust::clients;
use super::{Check, values};

pub(super) fn spf(draft: SpfDraft, listeners: &[Listener], check: &mut Check) -> Spf {
    let default = Spf::default();
    let enabled = draft.enabled.is_none_or(|v| v.value);
    if !enabled {
        let refuses = draft.on_temperror.as_ref().filter(|v| v.value == OnFailure::Tempfail).map(|v| &v.at);
        let rejects = draft.reject.iter().flatten().next().map(|pattern| &pattern.at);
        for at in [rejects, refuses].into_iter().flatten() {
            let cause = "no effect: with `enabled = false` no sender is checked";
            check.at(at, CONFIG_UNUSED, cause, "remove it, or set `enabled = true`");
        }
    }
    let allow_networks = draft.allow_networks.unwrap_or_default();
    let everyone = allow_networks.iter().min_by_key(|network| network.value.prefix()).map(|network| network.at.clone());
    let allow_networks = values(allow_networks).into_iter().collect::<IpSet>();
    if let Some(at) = everyone.filter(|_| allow_networks.covers_a_whole_family()) {
        let fix = "list your own networks, or leave `reject` empty";
        check.at(&at, TRUST_WIDE, "every client is allowed, so nothing is ever rejected", fix);
    }
    let relays = draft.relays.unwrap_or_default();
    let is_everyone = relays.iter().map(|network| network.value).collect::<IpSet>().covers_a_whole_family();
    if enabled && !is_everyone {
        relays_that_are_ours(&relays, listeners, check);
    }
    let relays = clients(
        relays,
        "every client could say by a Received field which address it has",
        "list the addresses of your own relays, like `192.0.2.25`",
        check,
    );
    Spf {
        enabled,
        reject: draft.reject.map(values).unwrap_or_default().into_iter().collect(),
        reject_at: draft.reject_at.map_or(default.reject_at, |v| v.value),
        // Postfix waits 30 s for the answer to a command (`milter_command_timeout`).
        budget: check.time(draft.budget, default.budget, Duration::ZERO..=Duration::from_secs(25)),
        on_temperror: draft.on_temperror.map_or(default.on_temperror, |v| v.value),
        allow_networks,
        allow_domains: draft.allow_domains.map(values).unwrap_or_default().into_iter().collect(),
        relays,
        received_spf: draft.received_spf.is_some_and(|v| v.value),
        // RFC 7208 §4.6.4: "This limit SHOULD allow at least 20 seconds."
        timeout: check.time(draft.timeout, default.timeout, Duration::from_secs(20)..=Duration::from_secs(240)),
    }
}

/// Relays whose mail a listener takes for our own: whoever gave it to the relay would never be checked, and the mail be signed.
fn relays_that_are_ours(relays: &[Sourced<Cidr>], listeners: &[Listener], check: &mut Check) {
    let judging: Vec<(&Listener, IpSet)> = listeners
        .iter()
        .filter(|listener| listener.mode.verifies())
        .map(|listener| {
            let passing_on = [&listener.trust.upstream, &listener.trust.keep_results_from];
            (listener, passing_on.iter().flat_map(|clients| clients.networks()).copied().collect())
        })
        .collect();
    for relay in relays {
        let ours = judging.iter().find_map(|(listener, passing_on)| {
            let networks = &listener.trust.networks;
            let network = networks.rule_for(networks.first_not_in(passing_on, relay.value)?)?;
            Some((network, &listener.socket))
        });
        let Some((network, socket)) = ours else { continue };
        let cause = format!(
            "mail of `{}` counts as our own at `{socket}`, so nobody is checked: `trust.networks` has `{network}`",
            relay.value
        );
        let fix = format!("list `{}` in `trust.upstream` as well, or take it out of one of the two", relay.value);
        check.at(&relay.at, TRUST_RELAY, cause, fix);
    }
}
