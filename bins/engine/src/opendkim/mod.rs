//! The ways of OpenDKIM, for a daemon that runs from `opendkim.conf`: whose mail it is, which keys sign it, and what is answered when.
//!
//! ```text
//!  CONNECT ─► Ways::client ─► PeerList: accept
//!  MAIL    ─► Ways::origin          MTA, MacroList, InternalHosts, {auth_type}
//!  EOH     ─► Ways::choose ─► Choice: sign with these keys, verify, refuse, leave alone, put off
//! ```
//!
//! All else is as without these ways: the keys sign through the same machines, results of others are removed the same way, and no verdict is read from
//! a field. Numbers such as §1.3 in names of tests are those of the description of OpenDKIM that this follows.
//!
//! What differs from OpenDKIM: fields under our name are removed from mail that is signed, too; a message is never left alone early while such a field is
//! in it; mail that holds a signature of ours already that is still valid is not signed again.

mod act;
mod choose;
mod client;
mod log;
mod macros;
mod replace;
mod rules;
mod screening;
mod sender;
#[cfg(test)]
mod tests;
mod words;

pub use self::act::{DkimCause, DkimStep, act};
pub use self::choose::{Choice, Mail, ToSign};
pub use self::client::ClientLists;
pub(crate) use self::client::of_host;
pub use self::macros::MacroList;
pub use self::replace::{
    MAX_REPLACEMENTS, MAX_RULE_SIZE, MAX_RULE_TEXT, MAX_RULES, MAX_RULES_FILE, ReplaceError, ReplaceRules,
};
pub use self::rules::{Keys, Style, Ways};
pub use self::screening::MAX_SCREENED;
pub use self::sender::{Address, SenderError};
pub(crate) use self::words::Words;
