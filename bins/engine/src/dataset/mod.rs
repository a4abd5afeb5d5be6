//! OpenDKIM's data sets: lists, tables and databases that options of `opendkim.conf` name.
//!
//! [`Spec`] says which one an option names. Entries of files and lists are in memory and are asked without waiting; everything else is behind
//! [`Lookup`], made by an [`Opener`] that the program brings along.

mod lookup;
mod spec;

pub use lookup::{Answer, DEFAULT_TIMEOUT, LdapOptions, Lookup, LookupError, NoOpener, OpenError, OpenOptions, Opener};
pub use spec::{DATASET_LIST, DATASET_TYPE, ExternalSpec, Scheme, Spec, SpecError};
