//! Data sets outside of this process: SQL databases (`dsn:`), LDAP directories, and Postfix's `socketmap:`.
//!
//! [`Databases`] is what a program hands to the engine as its [`Opener`]. It is a crate of its own so that the engine, and what is built from it, knows
//! no SQL and no LDAP.
//!
//! ```text
//!  ExternalSpec ──Databases──┬─ dsn ──────► sql::Sql ──────────┐
//!                            ├─ ldap ─────► ldap::Directory ───┼─ Way ─► Kept: a few connections, made when they are needed ─► Lookup
//!                            └─ socketmap ► socketmap::Map ────┘
//! ```
//!
//! Opening reads the text and connects to nothing. The engine puts a cache, the time limit and the last good answer around each lookup; a lookup here may be
//! dropped at any await, and its connection goes with it.

#![forbid(unsafe_code)]

mod dsn;
mod kept;
mod ldap;
mod query;
mod socketmap;
mod sql;
mod words;

use std::sync::Arc;

use engine::dataset::{ExternalSpec, Lookup, OpenError, OpenOptions, Opener, Scheme};

pub use dsn::MAX_COLUMNS;
pub use kept::{MAX_CONNECTIONS, MAX_IDLE, MAX_KEY_OCTETS};
pub use ldap::MAX_URLS;
pub use query::MAX_IDENTIFIER;
pub use socketmap::MAX_REPLY;
pub use words::MAX_ERROR;

use kept::Kept;

/// Opens everything that [`Scheme`] names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Databases;

impl Opener for Databases {
    fn open(&self, spec: &ExternalSpec, options: &OpenOptions) -> Result<Arc<dyn Lookup>, OpenError> {
        Ok(match spec.scheme {
            Scheme::Dsn => Arc::new(Kept::new(sql::Sql::open(&spec.text, options)?)),
            Scheme::Ldap | Scheme::Ldaps | Scheme::Ldapi => {
                Arc::new(Kept::new(ldap::Directory::open(&spec.text, options)?))
            }
            Scheme::Socketmap => Arc::new(Kept::new(socketmap::Map::open(&spec.text)?)),
        })
    }
}
