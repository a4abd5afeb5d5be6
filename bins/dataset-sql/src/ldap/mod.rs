//! LDAP directories: one URL or several, which are tried in their order when a connection is made.
//!
//! Who asks: nobody (`none`, the default), a name with a password (`simple`), or whoever the socket or the certificate says (`EXTERNAL`). Certificates of
//! `ldaps:` and STARTTLS are checked against those that the system trusts, or those in `SSL_CERT_FILE`.

mod url;

use std::fmt;

use engine::dataset::{LdapOptions, OpenError, OpenOptions, Scheme};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, SearchEntry, SearchOptions, SearchResult, StdStream};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

pub use url::MAX_URLS;
use url::Url;

use crate::kept::{Failure, Way};
use crate::words::{is_local, open_error, said};

/// Entries in a directory.
pub(crate) struct Directory {
    urls: Vec<Url>,
    bind: Bind,
    uses_tls: bool,
    keepalive: Option<TcpKeepalive>,
}

/// How a connection says who asks.
enum Bind {
    Anonymous,
    Simple { user: String, password: Zeroizing<String> },
    External,
}

/// Result codes of RFC 4511 §4.1.9.
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_DN_SYNTAX: u32 = 34;

impl Directory {
    pub(crate) fn open(text: &str, options: &OpenOptions) -> Result<Self, OpenError> {
        let urls = Url::parse_all(text)?;
        let bind = Bind::of(&options.ldap)?;
        let uses_tls = options.ldap.use_tls;
        for url in &urls {
            if url.scheme == Scheme::Ldap && !uses_tls && !is_local(&url.host) {
                tracing::warn!(
                    host = %url.host,
                    "the way to the directory is not encrypted: its password and entries can be read on the network; `ldaps:` or `LDAPUseTLS yes` mends that"
                );
            }
        }
        Ok(Self { urls, bind, uses_tls, keepalive: keepalive(&options.ldap) })
    }

    async fn connect_to(&self, url: &Url) -> Result<Ldap, LdapError> {
        let mut settings = LdapConnSettings::new().set_starttls(self.uses_tls && url.scheme == Scheme::Ldap);
        if let Some(keepalive) = self.keepalive.as_ref().filter(|_| url.scheme != Scheme::Ldapi) {
            let port = url.port.unwrap_or(if url.scheme == Scheme::Ldaps { 636 } else { 389 });
            let host = url.host.trim_start_matches('[').trim_end_matches(']');
            let stream = TcpStream::connect((host, port)).await?;
            SockRef::from(&stream).set_tcp_keepalive(keepalive)?;
            settings = settings.set_std_stream(StdStream::Tcp(stream.into_std()?));
        }
        let (connection, mut ldap) = LdapConnAsync::with_settings(settings, &url.server()).await?;
        // Ends with the last handle, or with the connection.
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!("connection to a directory: {error}");
            }
        });
        match &self.bind {
            Bind::Anonymous => {}
            Bind::Simple { user, password } => {
                ldap.simple_bind(user, password).await?.success()?;
            }
            Bind::External => {
                ldap.sasl_external_bind().await?.success()?;
            }
        }
        Ok(ldap)
    }

    fn said(&self, error: &LdapError) -> String {
        let text = match error {
            LdapError::LdapResult { result } => {
                let text = result.text.trim();
                if text.is_empty() {
                    format!("LDAP result {}", result.rc)
                } else {
                    format!("LDAP result {}: {text}", result.rc)
                }
            }
            error => error.to_string(),
        };
        let secret = match &self.bind {
            Bind::Simple { password, .. } => Some(password.as_str()),
            _ => None,
        };
        said(&text, secret)
    }
}

impl Bind {
    fn of(options: &LdapOptions) -> Result<Self, OpenError> {
        let mechanism = options.auth_mechanism.as_deref().unwrap_or("none");
        if mechanism.eq_ignore_ascii_case("none") {
            return Ok(Self::Anonymous);
        }
        if mechanism.eq_ignore_ascii_case("external") {
            return Ok(Self::External);
        }
        if !mechanism.eq_ignore_ascii_case("simple") {
            return Err(open_error(
                "the mechanism in `LDAPAuthMechanism` is not carried",
                "write `simple` with `LDAPBindUser` and `LDAPBindPassword`, `EXTERNAL` over `ldapi:`, or `none`",
            ));
        }
        let user = options.bind_user.clone().unwrap_or_default();
        let password = Zeroizing::new(options.bind_password.clone().unwrap_or_default());
        // RFC 4513 §5.1.2: a name without a password is an "unauthenticated" bind, which succeeds as nobody. "Clients SHOULD disallow an empty password
        // input".
        if user.is_empty() || password.is_empty() {
            return Err(open_error(
                "`LDAPAuthMechanism simple` needs a name and a password",
                "write `LDAPBindUser` and `LDAPBindPassword`, or `LDAPAuthMechanism none`",
            ));
        }
        Ok(Self::Simple { user, password })
    }
}

fn keepalive(options: &LdapOptions) -> Option<TcpKeepalive> {
    let mut keepalive = TcpKeepalive::new();
    if let Some(idle) = options.keepalive_idle {
        keepalive = keepalive.with_time(idle);
    }
    if let Some(interval) = options.keepalive_interval {
        keepalive = keepalive.with_interval(interval);
    }
    if let Some(probes) = options.keepalive_probes {
        keepalive = keepalive.with_retries(probes);
    }
    let is_set =
        options.keepalive_idle.is_some() || options.keepalive_interval.is_some() || options.keepalive_probes.is_some();
    is_set.then_some(keepalive)
}

impl Way for Directory {
    /// The handle, and which URL it leads to.
    type Connection = (Ldap, usize);

    async fn connect(&self) -> Result<(Ldap, usize), String> {
        let mut problems = Vec::new();
        for (index, url) in self.urls.iter().enumerate() {
            match self.connect_to(url).await {
                Ok(ldap) => return Ok((ldap, index)),
                Err(error) => problems.push(format!("{}: {}", url.server(), self.said(&error))),
            }
        }
        Err(problems.join("; "))
    }

    async fn ask(&self, (ldap, index): &mut (Ldap, usize), key: &str) -> Result<Option<Vec<String>>, Failure> {
        let Some(url) = self.urls.get(*index) else { return Err(Failure::Lost("no such URL".to_owned())) };
        let answer = ldap
            .with_search_options(SearchOptions::new().sizelimit(1))
            .search(&url.base(key), url.scope, &url.filter(key), url.attributes.as_slice())
            .await;
        let SearchResult(entries, result) = answer.map_err(|error| Failure::Lost(self.said(&error)))?;
        match result.rc {
            SUCCESS | SIZE_LIMIT_EXCEEDED => {}
            NO_SUCH_OBJECT => return Ok(None),
            // The base of the key, where the key is part of it: there is nothing under such a name.
            INVALID_DN_SYNTAX if url.base_has_key() => return Ok(None),
            _ => return Err(Failure::Lost(self.said(&LdapError::LdapResult { result }))),
        }
        let Some(entry) = entries.into_iter().find(|entry| !entry.is_ref() && !entry.is_intermediate()) else {
            return Ok(None);
        };
        fields(&SearchEntry::construct(entry), &url.attributes).map(Some).map_err(Failure::Said)
    }
}

/// The first value of each attribute, in the order of the URL; a missing one is empty.
fn fields(entry: &SearchEntry, attributes: &[String]) -> Result<Vec<String>, String> {
    let value = |wanted: &String| {
        if entry.bin_attrs.keys().any(|name| name.eq_ignore_ascii_case(wanted)) {
            return Err(format!("the attribute {wanted} of an entry is not UTF-8"));
        }
        let found = entry.attrs.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        Ok(found.and_then(|(_, values)| values.first()).cloned().unwrap_or_default())
    };
    attributes.iter().map(value).collect()
}

/// Where it is, without who asks.
impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.urls.iter().map(Url::server).collect();
        f.debug_struct("Directory").field("servers", &servers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(mechanism: Option<&str>, user: Option<&str>, password: Option<&str>) -> OpenOptions {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let ldap = LdapOptions {
            auth_mechanism: own(mechanism),
            bind_user: own(user),
            bind_password: own(password),
            ..LdapOptions::default()
        };
        OpenOptions { ldap, ..OpenOptions::default() }
    }

    #[test]
    fn s2_1_mechanisms_that_are_not_carried_are_an_error_that_says_what_to_use() {
        for mechanism in ["GSSAPI", "DIGEST-MD5", "CRAM-MD5", "PLAIN"] {
            let error = Directory::open("ldap://localhost/b?a", &options(Some(mechanism), None, None)).unwrap_err();
            assert!(error.fix.contains("`simple`") && error.fix.contains("EXTERNAL"), "{}", error.fix);
        }
        for mechanism in [None, Some("none"), Some("None"), Some("EXTERNAL")] {
            assert!(Directory::open("ldap://localhost/b?a", &options(mechanism, None, None)).is_ok());
        }
    }

    #[test]
    fn rfc4513_s5_1_2_a_name_without_a_password_is_refused() {
        for (user, password) in [(None, None), (Some("cn=x"), None), (Some("cn=x"), Some("")), (None, Some("pw"))] {
            assert!(Directory::open("ldap://localhost/b?a", &options(Some("simple"), user, password)).is_err());
        }
        let directory =
            Directory::open("ldap://localhost/b?a", &options(Some("simple"), Some("cn=x"), Some("secret"))).unwrap();
        assert!(!format!("{directory:?}").contains("secret"));
    }
}
