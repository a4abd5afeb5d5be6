//! Checks of `[trust]`: whose mail is ours. A slip here signs the spam of the world (M08).

use std::net::{IpAddr, Ipv4Addr};

use super::super::diagnostics::{CONFIG_UNUSED, TRUST_EVERYONE, TRUST_WIDE};
use super::super::draft::{Sourced, TrustDraft};
use super::super::networks::{Cidr, IpSet};
use super::super::settings::Trust;
use super::{Check, values};

/// Networks with fewer fixed bits than this are likely a slip: the widest private network of IPv4 has 8, that of IPv6 7.
fn is_wide(network: Cidr) -> bool {
    network.prefix() < if network.address().is_ipv4() { 8 } else { 7 }
}

pub(super) fn trust(draft: TrustDraft, check: &mut Check) -> Trust {
    let default = Trust::default();
    let allowed = draft.allow_any_network.as_ref().is_some_and(|v| v.value);
    let networks: IpSet = match &draft.networks {
        None => default.networks,
        Some(list) => list.iter().map(|network| network.value).collect(),
    };
    if let (Some(list), false) = (&draft.networks, allowed) {
        check_width(list, &networks, check);
    }
    if let Some(at) =
        draft.allow_any_network.as_ref().filter(|v| v.value && !networks.covers_a_whole_family()).map(|v| &v.at)
    {
        check.at(at, CONFIG_UNUSED, "no network here covers every address", "remove it");
    }
    let upstream: IpSet = draft.upstream.map(values).unwrap_or_default().into_iter().collect();
    // What comes from these clients speaks in our name.
    let keep_results_from = clients(
        draft.keep_results_from.unwrap_or_default(),
        "every client could put results of its own under our name",
        "list the addresses of your own content filter, like `127.0.0.1`",
        check,
    );
    Trust {
        authenticated: draft.authenticated.map_or(default.authenticated, |v| v.value),
        daemon_names: draft.daemon_names.map_or(default.daemon_names, values),
        daemon_ports: draft.daemon_ports.map_or(default.daemon_ports, values),
        networks,
        upstream,
        keep_results_from,
    }
}

/// Clients whose word counts, so nothing lets everyone in; `everyone` and `fix` say what would come of it.
pub(super) fn clients(list: Vec<Sourced<Cidr>>, everyone: &str, fix: &str, check: &mut Check) -> IpSet {
    let clients: IpSet = list.iter().map(|network| network.value).collect();
    let widest = list.iter().min_by_key(|network| network.value.prefix());
    if let Some(widest) = widest.filter(|_| clients.covers_a_whole_family()) {
        check.at(&widest.at, TRUST_EVERYONE, everyone, fix);
        return clients;
    }
    for network in list.iter().filter(|network| is_wide(network.value)) {
        let cause = format!("{} holds a large part of the Internet", network.value);
        check.at(&network.at, TRUST_WIDE, cause, "list single addresses: the word of each of them counts");
    }
    clients
}

fn check_width(list: &[Sourced<Cidr>], networks: &IpSet, check: &mut Check) {
    let widest = list.iter().min_by_key(|network| network.value.prefix());
    if let Some(widest) = widest.filter(|_| networks.covers_a_whole_family()) {
        let example = Cidr::containing(IpAddr::V4(Ipv4Addr::new(172, 17, 0, 0)), 16);
        let cause = "every client would count as our own: mail of strangers would be signed and none verified";
        let fix = format!(
            "list your own networks, like `{example}`; authenticated clients need no entry; `allow_any_network = true` if this is what you want"
        );
        check.at(&widest.at, TRUST_EVERYONE, cause, fix);
        return;
    }
    for network in list.iter().filter(|network| is_wide(network.value)) {
        let cause = format!("{} holds a large part of the Internet", network.value);
        check.at(&network.at, TRUST_WIDE, cause, "check the number behind the slash");
    }
}
