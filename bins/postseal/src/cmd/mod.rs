//! The commands: each reads its arguments, asks the engine and the cores, and prints a report as text or JSON.

pub(crate) mod dns;
pub(crate) mod enforce;
pub(crate) mod explain;
pub(crate) mod journal;
pub(crate) mod key;
pub(crate) mod keyring;
pub(crate) mod migrate;
pub(crate) mod opendkim;
pub(crate) mod replay;
pub(crate) mod selftest;
pub(crate) mod sign;
pub(crate) mod spf;
pub(crate) mod verify;

/// The state folder when none is named: the one that `postseal-milter --domain` makes.
pub(crate) const STATE: &str = "postseal-data";
