//! The client, and whether its mail is our own.

use std::net::{IpAddr, Ipv4Addr};

use super::rules::Ways;
use crate::dataset::HostList;
use crate::message::origin::{Client, Origin, OriginFacts, OriginRule};
use milter_proto::Macros;

/// The lists that a client is on; asked once a connection, since a list may be in a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLists {
    /// `PeerList`: its mail passes untouched.
    pub is_peer: bool,
    /// `InternalHosts`: its mail is signed.
    pub is_internal: bool,
    /// `ExternalIgnoreList`: nobody is told when it sends as a domain of ours.
    pub is_ignored: bool,
}

impl Ways {
    /// Which lists a client is on.
    ///
    /// *Inputs*: its name as the MTA has it, and what the MTA says of its address. A client without an address (a Unix socket, or a program on this host)
    /// is 127.0.0.1, as in OpenDKIM. A list in a database that does not answer holds nobody, with a warning.
    pub async fn client(&self, name: &[u8], client: Client) -> ClientLists {
        let address = match client {
            Client::Ip(address, _) => address,
            Client::Unix | Client::Unknown => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        // Postfix says `unknown` where there is no name, Sendmail the address in brackets.
        let name = std::str::from_utf8(name).ok().filter(|name| *name != "unknown" && !name.starts_with('['));
        let hosts = &self.hosts;
        ClientLists {
            is_peer: on_list("PeerList", hosts.peers.as_ref(), name, address).await,
            is_internal: on_list("InternalHosts", Some(&hosts.internal), name, address).await,
            is_ignored: on_list("ExternalIgnoreList", hosts.ignored.as_ref(), name, address).await,
        }
    }

    /// Whose mail it is, in the order of OpenDKIM: the MTA's name for the service, the last macro of `MacroList` that is there, the client, and whether
    /// it authenticated.
    #[must_use]
    pub fn origin(&self, facts: &OriginFacts<'_>, lists: ClientLists, macros: &Macros) -> (Origin, OriginRule) {
        let is_set = |value: Option<&[u8]>| value.is_some_and(|value| !value.is_empty());
        let of_mta = facts.daemon_name.and_then(|name| std::str::from_utf8(name).ok());
        let mut ours = of_mta.filter(|name| self.is_mta(name)).map(|_| (Origin::Submission, OriginRule::DaemonName));
        match self.macros.as_ref().and_then(|list| list.verdict(macros)) {
            Some(true) => ours = Some((Origin::Submission, OriginRule::Macro)),
            // The last one that is there can undo what was found before.
            Some(false) => ours = None,
            None => {}
        }
        ours.or_else(|| lists.is_internal.then(|| of_host(facts.client)))
            .or_else(|| is_set(facts.auth_type).then_some((Origin::Submission, OriginRule::Authenticated)))
            .unwrap_or((Origin::Inbound, OriginRule::NotTrusted))
    }

    fn is_mta(&self, name: &str) -> bool {
        self.mta.as_ref().is_some_and(|list| list.get(name).is_some())
    }
}

/// What the mail of an internal host is.
pub(crate) fn of_host(client: Client) -> (Origin, OriginRule) {
    match client {
        Client::Unix | Client::Unknown => (Origin::Local, OriginRule::UnixClient),
        Client::Ip(address, 0) if address.to_canonical().is_loopback() => (Origin::Local, OriginRule::Pickup),
        Client::Ip(address, _) if address.to_canonical().is_loopback() => (Origin::Local, OriginRule::Loopback),
        Client::Ip(..) => (Origin::Relay, OriginRule::TrustedNetwork),
    }
}

async fn on_list(option: &'static str, list: Option<&HostList>, name: Option<&str>, address: IpAddr) -> bool {
    let Some(list) = list else { return false };
    match list.contains(name, Some(address)).await {
        Ok(is_on_it) => is_on_it,
        Err(error) => {
            tracing::warn!(option, client = %address, "the list does not answer, so nobody is on it: {error}");
            false
        }
    }
}
