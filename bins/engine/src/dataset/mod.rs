//! OpenDKIM's data sets: lists, tables and databases that options of `opendkim.conf` name.
//!
//! [`Spec`] says which one an option names. Entries of files and lists are in memory and are asked without waiting; everything else is behind
//! [`Lookup`], made by an [`Opener`] that the program brings along.

//!
//! ```text
//!  option ──Spec──► file, refile, csl ──Rows──► keys by hash, patterns by affix ─┐
//!              └──► dsn, ldap, socketmap ──Opener──► Lookup behind a cache ──────┴─► Dataset ─► HostList, KeyTable, SigningTable
//! ```
//!
//! [`Dataset`] answers for any of them; [`HostList`], [`KeyTable`] and [`SigningTable`] have the rules of the options that they are named after. Numbers
//! such as §2.4 in names of tests are those of the description of OpenDKIM that this follows.

mod external;
mod findings;
mod fold_hash;
mod hosts;
mod key_table;
mod lookup;
mod pattern;
mod request;
mod rows;
mod set;
mod signing_table;
mod spec;
#[cfg(test)]
mod tests;

pub use external::{FRESH_FOR, KEEP_FOR, MAX_ANSWER_OCTETS, MAX_ANSWERS, MAX_ENTRY, MAX_QUESTIONS, PAUSE};
pub use findings::{
    DATASET_DOUBT, DATASET_EVERYONE, DATASET_HOST, DATASET_LINE, DATASET_OPEN, DATASET_PATTERN, DATASET_READ,
    DATASET_TWICE, DATASET_VALUE, MAX_FINDINGS, TABLE_ENTRY, TABLE_KEY,
};
pub use hosts::HostList;
pub use key_table::{KeyEntry, KeyFields, KeyTable, NamedKey};
pub use lookup::{Answer, DEFAULT_TIMEOUT, LdapOptions, Lookup, LookupError, NoOpener, OpenError, OpenOptions, Opener};
pub(crate) use pattern::translate_basic;
pub use pattern::{MAX_KEY, MAX_REGEX, MAX_REGEX_SIZE, MAX_REGEXES, PatternError};
pub use request::{KeyLocation, Sender, SignRequest, TableError};
pub use rows::MAX_TABLE_FILE;
pub use set::{Dataset, Entry, Reading, Value};
pub use signing_table::{MAX_REQUESTS, SigningTable};
pub use spec::{DATASET_LIST, DATASET_TYPE, ExternalSpec, Scheme, Spec, SpecError};
