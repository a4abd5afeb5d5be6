//! What a data set outside of this process is to the engine: a question, an answer, and what may go wrong.
//!
//! The engine knows no SQL and no LDAP. A program hands it an [`Opener`], which makes a [`Lookup`] of an [`ExternalSpec`]. Around each one the engine
//! puts a cache and a time limit, so an implementation has to do neither.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::spec::ExternalSpec;

/// The answer to come: the fields of the first entry under the key, or that there is none.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Option<Vec<String>>, LookupError>> + Send + 'a>>;

/// Entries outside of this process.
pub trait Lookup: Send + Sync + Debug {
    /// Looks `key` up.
    ///
    /// *Inputs*: any text; it comes from a message or a client, so it goes to the database as a parameter and never as a part of a command.
    ///
    /// The answer has the fields as the database has them in columns or attributes; an answer in one piece, as `socketmap:` gives, is one field, which the
    /// asker splits at `:`. A field that is NULL is empty. Whether letters are compared with their case is the database's decision.
    ///
    /// The future may be dropped at any await: when the time is over, or the client has gone.
    ///
    /// # Errors
    ///
    /// [`LookupError`], where the database does not answer; that there is no entry is `Ok(None)`.
    fn look_up<'a>(&'a self, key: &'a str) -> Answer<'a>;
}

/// Why there was no answer. It is logged: no password may be in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The time was over.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// More questions are under way than are allowed; it was not asked.
    #[error("too many questions are under way")]
    Busy,
    /// What the database or the way to it said.
    #[error("{0}")]
    Failed(String),
}

/// Makes a [`Lookup`] of what the configuration names.
pub trait Opener: Send + Sync + Debug {
    /// Prepares the way to `spec`.
    ///
    /// It neither connects nor waits: a database that is away at the start is no error, its lookups are until it is back. It is called inside of the
    /// runtime, and again at each reload.
    ///
    /// # Errors
    ///
    /// [`OpenError`], where the text cannot be meant.
    fn open(&self, spec: &ExternalSpec, options: &OpenOptions) -> Result<Arc<dyn Lookup>, OpenError>;
}

/// What the configuration says about all external data sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenOptions {
    /// How long one lookup may take, connecting included. The engine gives up then; an implementation may use it for its own time-outs.
    pub timeout: Duration,
    /// The `LDAP…` options.
    pub ldap: LdapOptions,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { timeout: DEFAULT_TIMEOUT, ldap: LdapOptions::default() }
    }
}

/// The time for one lookup unless the configuration has another (OpenDKIM's `LDAPTimeout`).
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// OpenDKIM's options of LDAP, as they are written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LdapOptions {
    /// `LDAPAuthMechanism`: `none`, `simple`, or a mechanism of SASL.
    pub auth_mechanism: Option<String>,
    /// `LDAPBindUser`.
    pub bind_user: Option<String>,
    /// `LDAPBindPassword`.
    pub bind_password: Option<String>,
    /// `LDAPUseTLS`: STARTTLS.
    pub use_tls: bool,
    /// `LDAPKeepaliveIdle`.
    pub keepalive_idle: Option<Duration>,
    /// `LDAPKeepaliveInterval`.
    pub keepalive_interval: Option<Duration>,
    /// `LDAPKeepaliveProbes`.
    pub keepalive_probes: Option<u32>,
}

/// Without the password.
impl Debug for LdapOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LdapOptions")
            .field("auth_mechanism", &self.auth_mechanism)
            .field("bind_user", &self.bind_user)
            .field("bind_password", &self.bind_password.as_ref().map(|_| "..."))
            .field("use_tls", &self.use_tls)
            .finish_non_exhaustive()
    }
}

/// Why a data set cannot be opened. It is shown: no password may be in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{cause}")]
pub struct OpenError {
    /// What is wrong, in one sentence without full stop.
    pub cause: String,
    /// What to do about it, in one sentence without full stop.
    pub fix: String,
}

/// The opener of a program that was built without databases: nothing can be opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOpener;

impl Opener for NoOpener {
    fn open(&self, spec: &ExternalSpec, _: &OpenOptions) -> Result<Arc<dyn Lookup>, OpenError> {
        Err(OpenError {
            cause: format!("this program cannot open data sets of the type `{}`", spec.scheme.as_str()),
            fix: "name a `file:` or `refile:` in its place".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Spec;

    #[test]
    fn without_an_opener_the_error_names_the_type() {
        let Ok(Spec::External(spec)) = Spec::parse("dsn:sqlite://x/y/table=t?keycol=k?datacol=d") else { panic!() };
        let error = NoOpener.open(&spec, &OpenOptions::default()).unwrap_err();
        assert!(error.to_string().contains("`dsn`"));
    }

    #[test]
    fn the_ldap_password_is_not_shown() {
        let options = LdapOptions { bind_password: Some("secret".into()), ..LdapOptions::default() };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
