//! Which data set an option names: `file:PATH`, `refile:PATH`, `csl:a,b`, a plain list, or something outside of this process.
//!
//! OpenDKIM's rule, in its order: a comma before the first colon makes a list; `TYPE:rest` is what the type says; without a colon, what ends in
//! `.db` is a Berkeley DB, what begins with `/` is a file, and everything else is a list. Types are read without regard to case.
//!
//! What differs: a list that begins with an IPv6 address is a list, in brackets or without, where OpenDKIM does not start ([`Spec::note`] says so);
//! and the types that are not carried are errors that say what to use in their place.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::config::diagnostics::Code;
use crate::config::{Diagnostic, Diagnostics, Sourced};

/// A data set that this program cannot open.
pub const DATASET_TYPE: Code = Code::new("E-DATASET-TYPE");
/// A list that OpenDKIM would not have read.
pub const DATASET_LIST: Code = Code::new("W-DATASET-LIST");

/// Which data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// `csl:a,b=v,!c` or the list alone: the items, not yet split.
    Csl(String),
    /// `file:PATH` or an absolute path: one entry a line.
    File(PathBuf),
    /// `refile:PATH`: one pattern a line.
    Refile(PathBuf),
    /// Something that an [`Opener`](super::Opener) opens.
    External(ExternalSpec),
}

/// Where the answers of a data set outside of this process come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `dsn:BACKEND://…`: an SQL database.
    Dsn,
    /// `ldap://…`.
    Ldap,
    /// `ldaps://…`: LDAP in TLS.
    Ldaps,
    /// `ldapi://…`: LDAP over a Unix socket.
    Ldapi,
    /// `socketmap:…`: Postfix's protocol for look-ups.
    Socketmap,
}

impl Scheme {
    /// The word before the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dsn => "dsn",
            Self::Ldap => "ldap",
            Self::Ldaps => "ldaps",
            Self::Ldapi => "ldapi",
            Self::Socketmap => "socketmap",
        }
    }
}

/// A data set outside of this process. Its text may hold a password, so neither `Debug` nor `Display` shows more than the scheme.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalSpec {
    /// Where the answers come from.
    pub scheme: Scheme,
    /// For LDAP the whole text, which is one URL or several; else what stands behind the first colon.
    pub text: String,
}

/// The scheme, and dots for the rest.
impl fmt::Display for ExternalSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:...", self.scheme.as_str())
    }
}

impl fmt::Debug for ExternalSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text names no data set that can be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// OpenDKIM has this type, and we do not.
    #[error("data sets of the type `{name}` are not carried")]
    NotCarried {
        /// The type.
        name: &'static str,
        /// What to use in its place.
        instead: &'static str,
    },
    /// Nobody has this type.
    #[error("unknown database type `{0}`")]
    Unknown(String),
    /// Nothing stands behind the colon.
    #[error("nothing stands behind `{0}:`")]
    Empty(&'static str),
}

impl SpecError {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::NotCarried { instead, .. } => (*instead).to_owned(),
            Self::Unknown(_) => {
                "write `file:PATH`, `refile:PATH`, `csl:a,b`, `dsn:...`, `ldap://...` or `socketmap:...`; \
                 a plain list that has a colon in its first item begins with `csl:`"
                    .to_owned()
            }
            Self::Empty(name) => format!("write what to read behind `{name}:`"),
        }
    }
}

const DATABASE_FILE: &str = "write its entries into a text file, one `KEY VALUE` a line, and name that as `file:PATH` or, with patterns, `refile:PATH`";
const SERVICE: &str = "use `socketmap:`, for which a small server in any language answers, or keep the entries in a `dsn:` database or a `file:`";
const LUA: &str = "use tables: which key signs for whom is a `refile:` SigningTable with patterns, `MultipleSignatures yes` signs with all that \
     match; answers that only a program can give come through `socketmap:`. `Minimum 100%` refuses what `l=` leaves unsigned, and for DMARC only \
     signatures of the author's domain count, without a script";

/// The types that OpenDKIM has and we have not.
const NOT_CARRIED: &[(&str, &str)] = &[
    ("db", DATABASE_FILE),
    ("bdb", DATABASE_FILE),
    ("mdb", DATABASE_FILE),
    ("lua", LUA),
    ("memcache", SERVICE),
    ("erlang", SERVICE),
    ("socket", SERVICE),
    ("repute", "remove it: reputation is not looked up"),
];

const SCHEMES: &[Scheme] = &[Scheme::Dsn, Scheme::Ldap, Scheme::Ldaps, Scheme::Ldapi, Scheme::Socketmap];

impl Spec {
    /// Reads the value of an option.
    ///
    /// # Errors
    ///
    /// [`SpecError`]: another type than those of this page.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let text = text.trim();
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) if !name.contains(',') && !begins_with_ipv6(text) => (name, rest),
            _ => return Self::without_type(text),
        };
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let path = |known: &'static str| {
            if rest.is_empty() { Err(SpecError::Empty(known)) } else { Ok(PathBuf::from(rest)) }
        };
        if is("csl") {
            return Ok(Self::Csl(rest.to_owned()));
        }
        if is("file") {
            return path("file").map(Self::File);
        }
        if is("refile") {
            return path("refile").map(Self::Refile);
        }
        if let Some(&scheme) = SCHEMES.iter().find(|scheme| is(scheme.as_str())) {
            let is_url = matches!(scheme, Scheme::Ldap | Scheme::Ldaps | Scheme::Ldapi);
            path(scheme.as_str())?;
            let text = if is_url { text } else { rest }.to_owned();
            return Ok(Self::External(ExternalSpec { scheme, text }));
        }
        match NOT_CARRIED.iter().find(|(known, _)| is(known)) {
            Some(&(name, instead)) => Err(SpecError::NotCarried { name, instead }),
            None => Err(SpecError::Unknown(name.escape_debug().take(MAX_SHOWN).collect())),
        }
    }

    fn without_type(text: &str) -> Result<Self, SpecError> {
        if text.contains(',') || text.contains(':') {
            return Ok(Self::Csl(text.to_owned()));
        }
        if text.ends_with(".db") {
            return Err(SpecError::NotCarried { name: "db", instead: DATABASE_FILE });
        }
        if text.starts_with('/') { Ok(Self::File(PathBuf::from(text))) } else { Ok(Self::Csl(text.to_owned())) }
    }

    /// As [`parse`](Self::parse), with the error and the note as findings at the place of the option.
    pub fn read(option: &Sourced<String>, found: &mut Diagnostics) -> Option<Self> {
        match Self::parse(&option.value) {
            Ok(spec) => {
                if let Some(note) = Self::note(&option.value) {
                    found.push(Diagnostic::at(&option.at, DATASET_LIST, note, LIST_FIX));
                }
                Some(spec)
            }
            Err(error) => {
                found.push(Diagnostic::at(&option.at, DATASET_TYPE, error.to_string(), error.fix()));
                None
            }
        }
    }

    /// What OpenDKIM would have made of a text that is a list to us: it takes what stands before the colon of an IPv6 address for a type.
    #[must_use]
    pub fn note(text: &str) -> Option<&'static str> {
        begins_with_ipv6(text.trim()).then_some(
            "the list begins with an IPv6 address; it is read as a list here, while OpenDKIM does not start with it",
        )
    }

    /// Whether its entries are in memory.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        !matches!(self, Self::External(_))
    }
}

/// As in the configuration, without what may be secret.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Csl(list) => write!(f, "csl:{list}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Refile(path) => write!(f, "refile:{}", path.display()),
            Self::External(external) => external.fmt(f),
        }
    }
}

/// Characters of an unknown type that are shown.
const MAX_SHOWN: usize = 40;

const LIST_FIX: &str = "write `csl:` in front to say so; nothing else has to change";

/// Whether the first item of a list is an IPv6 address or network, negated or not, in brackets or not.
fn begins_with_ipv6(text: &str) -> bool {
    let item = text.split([',', ' ', '\t']).next().unwrap_or_default();
    let item = item.strip_prefix('!').unwrap_or(item);
    let address = item.split('/').next().unwrap_or_default();
    let inner = address.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or(rest)).unwrap_or(address);
    inner.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        Spec::parse(text).unwrap()
    }

    fn csl(text: &str) -> Spec {
        Spec::Csl(text.to_owned())
    }

    #[test]
    fn s2_1_a_prefix_says_the_type() {
        assert_eq!(spec("csl:a,b=v,!c"), csl("a,b=v,!c"));
        assert_eq!(spec("file:/etc/x"), Spec::File("/etc/x".into()));
        assert_eq!(spec("refile:keys/x"), Spec::Refile("keys/x".into()));
        assert_eq!(spec(" REFILE:/etc/x "), Spec::Refile("/etc/x".into()));
        let Spec::External(dsn) = spec("dsn:mysql://user:pw@3306+host/db/table=t?keycol=k?datacol=v") else { panic!() };
        assert_eq!(
            (dsn.scheme, dsn.text.as_str()),
            (Scheme::Dsn, "mysql://user:pw@3306+host/db/table=t?keycol=k?datacol=v")
        );
        let Spec::External(ldap) = spec("ldaps://a/b?c ldaps://d/e?f") else { panic!() };
        assert_eq!((ldap.scheme, ldap.text.as_str()), (Scheme::Ldaps, "ldaps://a/b?c ldaps://d/e?f"));
        let Spec::External(map) = spec("socketmap:unix:/run/x:keys") else { panic!() };
        assert_eq!((map.scheme, map.text.as_str()), (Scheme::Socketmap, "unix:/run/x:keys"));
    }

    #[test]
    fn s2_1_without_a_prefix_the_look_of_it_decides() {
        assert_eq!(spec("/etc/opendkim/TrustedHosts"), Spec::File("/etc/opendkim/TrustedHosts".into()));
        assert_eq!(spec("localhost"), csl("localhost"));
        assert_eq!(spec("127.0.0.1"), csl("127.0.0.1"));
        assert_eq!(spec("a,/etc/x"), csl("a,/etc/x"));
        assert!(matches!(Spec::parse("/etc/x.db"), Err(SpecError::NotCarried { name: "db", .. })));
    }

    #[test]
    fn s2_1_a_comma_before_the_first_colon_makes_a_list() {
        assert_eq!(spec("127.0.0.1,::1"), csl("127.0.0.1,::1"));
        assert_eq!(spec("a,file:/etc/x"), csl("a,file:/etc/x"));
    }

    #[test]
    fn s2_1_a_list_may_begin_with_an_ipv6_address_and_is_noted() {
        for text in ["::1,127.0.0.1", "::1", "[::1],a", "!2001:db8::/32,b", "[2001:db8::]/32", "[fe80::1"] {
            assert_eq!(spec(text), csl(text), "{text}");
            assert!(Spec::note(text).is_some(), "{text}");
        }
        for text in ["127.0.0.1,::1", "csl:::1", "file:/x"] {
            assert!(Spec::note(text).is_none(), "{text}");
        }
        assert_eq!(spec("csl:::1,a"), csl("::1,a"));
    }

    #[test]
    fn s2_1_other_types_are_errors_that_say_what_to_use() {
        for (text, word) in [
            ("db:/etc/x.db", "file:PATH"),
            ("mdb:/etc/x", "file:PATH"),
            ("lua:/etc/x.lua", "MultipleSignatures"),
            ("memcache:host/prefix", "socketmap:"),
            ("erlang:a@b:c:d:e", "socketmap:"),
            ("socket:1234@host", "socketmap:"),
        ] {
            let error = Spec::parse(text).unwrap_err();
            assert!(matches!(error, SpecError::NotCarried { .. }), "{text}");
            assert!(error.fix().contains(word), "{text}: {}", error.fix());
        }
        let error = Spec::parse("hash:/etc/x").unwrap_err();
        assert_eq!(error.to_string(), "unknown database type `hash`");
        assert!(error.fix().contains("csl:"));
        assert_eq!(Spec::parse("file:"), Err(SpecError::Empty("file")));
        assert_eq!(Spec::parse("ldap:"), Err(SpecError::Empty("ldap")));
    }

    #[test]
    fn a_password_is_in_no_text_that_is_shown() {
        let spec = spec("dsn:mysql://user:secret@host/db/table=t?keycol=k?datacol=v");
        assert!(!format!("{spec} {spec:?}").contains("secret"));
        assert!(!spec.is_memory());
    }
}
