//! URLs of LDAP (RFC 4516), and what becomes of `$d` and `$D` in them.

use engine::dataset::{OpenError, Scheme};
use ldap3::{Scope, dn_escape, ldap_escape, parse_filter};

use crate::words::open_error;

/// URLs of one data set.
pub const MAX_URLS: usize = 8;

/// One URL: where to go, and what to ask there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Url {
    pub(super) scheme: Scheme,
    /// A host; for `ldapi` the path of the socket, decoded.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    base: String,
    pub(super) attributes: Vec<String>,
    pub(super) scope: Scope,
    filter: String,
}

const FORM: &str = "write `ldap://HOST[:PORT]/BASE?ATTRIBUTE[,ATTRIBUTE]?SCOPE?FILTER`, several with spaces between them; `$d` is the key, and `ldapi://` \
     has the path of its socket with `%2F` for `/`";

pub(super) fn wrong(cause: &str) -> OpenError {
    open_error(format!("the LDAP URL {cause}"), FORM)
}

impl Url {
    /// Reads one URL, or several with spaces between them. One that names only a host asks as the first one does.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, OpenError> {
        let mut urls: Vec<Self> = Vec::new();
        for text in text.split_ascii_whitespace() {
            if urls.len() == MAX_URLS {
                return Err(wrong(&format!("is one of more than {MAX_URLS}")));
            }
            let url = Self::parse(text, urls.first())?;
            urls.push(url);
        }
        if urls.is_empty() { Err(wrong("is missing")) } else { Ok(urls) }
    }

    fn parse(text: &str, first: Option<&Self>) -> Result<Self, OpenError> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("has no `://`"))?;
        let scheme = [Scheme::Ldap, Scheme::Ldaps, Scheme::Ldapi]
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(scheme))
            .ok_or_else(|| wrong("is none: it begins with something else than `ldap`, `ldaps` or `ldapi`"))?;
        let (place, query) = rest.split_once('/').map_or((rest, None), |(place, query)| (place, Some(query)));
        let (host, port) = if scheme == Scheme::Ldapi {
            let path = decode(place).ok_or_else(|| wrong("has a path that is no text"))?;
            if !path.starts_with('/') {
                return Err(wrong("has no path of a socket"));
            }
            (path, None)
        } else {
            host_and_port(place)?
        };
        let query = query.filter(|query| !query.is_empty());
        match (query, first) {
            (None, Some(first)) => Ok(Self { scheme, host, port, ..first.clone() }),
            (None, None) => Err(wrong("has no base")),
            (Some(query), _) => Self::ask(
                query,
                Self {
                    scheme,
                    host,
                    port,
                    base: String::new(),
                    attributes: Vec::new(),
                    scope: Scope::Base,
                    filter: String::new(),
                },
            ),
        }
    }

    /// The part behind the host: `BASE?ATTRIBUTES?SCOPE?FILTER?EXTENSIONS`.
    fn ask(query: &str, place: Self) -> Result<Self, OpenError> {
        let mut parts = query.splitn(5, '?');
        let mut next = |name: &str| {
            let part = parts.next().unwrap_or_default();
            if name == "attributes" {
                Ok(part.to_owned())
            } else {
                decode(part).ok_or_else(|| wrong(&format!("has a {name} that is no text")))
            }
        };
        let (base, attributes, scope, filter) = (next("base")?, next("attributes")?, next("scope")?, next("filter")?);
        if next("list of extensions")?.split(',').any(|extension| extension.starts_with('!')) {
            return Err(wrong("has a critical extension, and none is known"));
        }
        let attributes: Vec<String> = attributes
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| decode(name).filter(|name| is_attribute(name)))
            .collect::<Option<_>>()
            .ok_or_else(|| wrong("has something among its attributes that is none"))?;
        if attributes.is_empty() {
            return Err(wrong("has no attributes, which are the fields of the answer"));
        }
        let scope = match scope.to_ascii_lowercase().as_str() {
            "" | "base" => Scope::Base,
            "one" => Scope::OneLevel,
            "sub" => Scope::Subtree,
            _ => return Err(wrong("has another scope than `base`, `one` and `sub`")),
        };
        let filter = if filter.is_empty() { "(objectClass=*)".to_owned() } else { filter };
        let url = Self { base, attributes, scope, filter, ..place };
        if parse_filter(url.filter("example.com")).is_err() {
            return Err(wrong("has a filter that is none (RFC 4515)"));
        }
        Ok(url)
    }

    /// Where to search, for `key`.
    pub(super) fn base(&self, key: &str) -> String {
        fill(&self.base, || dn_escape(key).into_owned(), || domain(key))
    }

    /// Whether the key is a part of the base.
    pub(super) fn base_has_key(&self) -> bool {
        self.base.contains("$d") || self.base.contains("$D")
    }

    /// The filter for `key`, escaped as RFC 4515 §3 has it.
    pub(super) fn filter(&self, key: &str) -> String {
        fill(&self.filter, || ldap_escape(key).into_owned(), || ldap_escape(domain(key)).into_owned())
    }

    /// What the library connects to.
    pub(super) fn server(&self) -> String {
        let host = if self.scheme == Scheme::Ldapi {
            self.host.replace('%', "%25").replace('/', "%2F")
        } else {
            self.host.clone()
        };
        match self.port {
            Some(port) => format!("{}://{host}:{port}", self.scheme.as_str()),
            None => format!("{}://{host}", self.scheme.as_str()),
        }
    }
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), OpenError> {
    if place.contains('@') {
        return Err(wrong("has credentials, which belong into `LDAPBindUser` and `LDAPBindPassword`"));
    }
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let port = port.parse::<u16>().ok().filter(|port| *port > 0);
            (host, Some(port.ok_or_else(|| wrong("has a port that is none"))?))
        }
        _ => (place, None),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':');
    if !host.chars().all(is_host) {
        return Err(wrong("has a host that is none"));
    }
    Ok((if host.is_empty() { "localhost" } else { host }.to_owned(), port))
}

/// RFC 4512 §2.5: a name or an OID, with options.
fn is_attribute(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';'))
}

/// `a.b` as `dc=a,dc=b`, each label escaped as RFC 4514 §2.4 has it.
fn domain(key: &str) -> String {
    let labels: Vec<String> = key.split('.').map(|label| format!("dc={}", dn_escape(label))).collect();
    labels.join(",")
}

/// Puts the key for `$d`, and as a name for `$D`.
fn fill(template: &str, key: impl Fn() -> String, domain: impl Fn() -> String) -> String {
    let mut parts = template.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match (part.strip_prefix('d'), part.strip_prefix('D')) {
            (Some(rest), _) => text.extend([key().as_str(), rest]),
            (_, Some(rest)) => text.extend([domain().as_str(), rest]),
            _ => text.extend(["$", part]),
        }
    }
    text
}

/// Decodes `%XX`. `None` where that is no text, or has a NUL.
fn decode(text: &str) -> Option<String> {
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let (high, low) = (behind.first().and_then(digit)?, behind.get(1).and_then(digit)?);
        octets.push(high << 4 | low);
        rest = behind.get(2..).unwrap_or_default();
    }
    String::from_utf8(octets).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse_all(text).unwrap().remove(0)
    }

    #[test]
    fn s2_1_all_parts() {
        let url = url("ldap://h:1389/ou=keys,$D?dkimDomain,dkimKey?sub?(&(cn=$d)(x=%3Fy))");
        assert_eq!((url.server().as_str(), url.scope), ("ldap://h:1389", Scope::Subtree));
        assert_eq!(url.attributes, ["dkimDomain", "dkimKey"]);
        assert_eq!(url.base("a.b"), "ou=keys,dc=a,dc=b");
        assert_eq!(url.filter("a.b"), "(&(cn=a.b)(x=?y))");
    }

    #[test]
    fn s2_1_several_urls_and_what_may_be_left_out() {
        let urls = Url::parse_all("ldaps://a/b=c?d ldap://e/ ldap:///f?g ldapi://%2Frun%2Fslapd%2Fldapi").unwrap();
        let servers: Vec<String> = urls.iter().map(Url::server).collect();
        assert_eq!(servers, ["ldaps://a", "ldap://e", "ldap://localhost", "ldapi://%2Frun%2Fslapd%2Fldapi"]);
        assert_eq!((urls[1].base("k"), urls[1].filter("k")), ("b=c".to_owned(), "(objectClass=*)".to_owned()));
        assert_eq!((urls[2].base("k"), &urls[2].attributes), ("f".to_owned(), &vec!["g".to_owned()]));
        assert_eq!((urls[0].scope, urls[3].host.as_str()), (Scope::Base, "/run/slapd/ldapi"));
        assert_eq!(url("ldap://[::1]:389/b?a").server(), "ldap://[::1]:389");
    }

    #[test]
    fn rfc4515_and_rfc4514_a_key_is_escaped() {
        let url = url("ldap://h/x=$d,$D?a?one?(|(cn=$d)(seeAlso=$D)(y=$$e))");
        assert_eq!(
            url.filter("*)(\\\0a"),
            "(|(cn=\\2a\\29\\28\\5c\\00a)(seeAlso=dc=\\2a\\29\\28\\5c5c\\5c00a)(y=$$e))"
        );
        assert_eq!(url.base("a,b=c.d+\""), "x=a\\2cb\\3dc.d\\2b\\22,dc=a\\2cb\\3dc,dc=d\\2b\\22");
    }

    #[test]
    fn s2_1_what_cannot_be_meant_is_an_error() {
        for (text, word) in [
            ("ldap:h/b?a", "://"),
            ("http://h/b?a", "something else"),
            ("ldap://h", "no base"),
            ("ldap://h/b", "no attributes"),
            ("ldap://h/b?a?all", "scope"),
            ("ldap://h/b?a?sub?(x", "filter"),
            ("ldap://h/b?a?sub?(x=y)?!bindname=z", "extension"),
            ("ldap://h/b?a b c", "://"),
            ("ldap://h/b?a,*", "attributes"),
            ("ldap://h:0/b?a", "port"),
            ("ldap://u:secret@h/b?a", "credentials"),
            ("ldap://h%20/b?a", "host"),
            ("ldapi://b?a", "path"),
            ("ldap://h/%zz?a", "base"),
            ("", "missing"),
        ] {
            let error = Url::parse_all(text).unwrap_err();
            assert!(error.cause.contains(word), "{text}: {}", error.cause);
            assert!(!format!("{error:?}").contains("secret"));
        }
        let many = ["ldap://h/b?a"; MAX_URLS].join(" ");
        assert_eq!(Url::parse_all(&many).unwrap().len(), MAX_URLS);
        assert!(Url::parse_all(&format!("{many} ldap://h/b?a")).is_err());
    }

    proptest! {
        #[test]
        fn rfc4515_any_key_leaves_the_filter_one(key in "\\PC{0,20}|[()*\\\\\\x00=.$dD]{0,20}") {
            let url = url("ldap://h/b,$D?a?sub?(&(cn=$d)(seeAlso=$D))");
            prop_assert!(parse_filter(url.filter(&key)).is_ok());
            let plain = |text: &str| text.matches(['(', ')', '*']).count();
            prop_assert_eq!(plain(&url.filter(&key)), 6);
        }

        #[test]
        fn s2_1_any_text_is_read_or_refused(text in "\\PC{0,60}", head in "ldap[si]?://") {
            let _ = Url::parse_all(&format!("{head}{text}"));
        }
    }
}
