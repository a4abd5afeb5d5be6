//! The text of a `dsn:`: `BACKEND://[USER[:PASSWORD]@][PORT+]HOST/DATABASE/table=T?keycol=K?datacol=C1[,C2][?filter=SQL]`.
//!
//! `=` and two hexadecimal digits are an escape in every part, so that a password may have `@`, `:`, `/`, `?` or `#`. Escapes are decoded after the parts
//! were told apart. Errors name the part and never its text, where that may be secret.

use engine::dataset::OpenError;
use zeroize::Zeroizing;

use crate::words::open_error;

/// Columns of one data set.
pub const MAX_COLUMNS: usize = 16;

/// Which kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    MySql,
    Postgres,
    Sqlite,
}

/// What a `dsn:` says.
pub(crate) struct Dsn {
    pub(crate) backend: Backend,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) port: Option<u16>,
    /// A name, an address, or a path; empty for none.
    pub(crate) host: String,
    pub(crate) database: String,
    pub(crate) table: String,
    pub(crate) key_column: String,
    pub(crate) columns: Vec<String>,
    pub(crate) filter: Option<String>,
}

const FORM: &str = "write `dsn:BACKEND://[USER[:PASSWORD]@][PORT+]HOST/DATABASE/table=T?keycol=K?datacol=C1[,C2][?filter=SQL]`, with `=XX` for \
     signs that would end a part (`=40` for `@`, `=2F` for `/`, `=3A` for `:`, `=3D` for `=`, `=3F` for `?`)";

/// The names of parameters, as they begin the last part.
const PARAMETERS: [&str; 4] = ["/table=", "/keycol=", "/datacol=", "/filter="];

impl Dsn {
    /// Reads what stands behind `dsn:`.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let wrong = |cause: &str| open_error(format!("the data set of the type `dsn` {cause}"), FORM);
        let (backend, rest) = text.split_once("://").ok_or_else(|| wrong("has no `://` behind its backend"))?;
        let backend = match backend.to_ascii_lowercase().as_str() {
            "mysql" | "mariadb" => Backend::MySql,
            "pgsql" | "postgres" | "postgresql" => Backend::Postgres,
            "sqlite" | "sqlite3" => Backend::Sqlite,
            _ => {
                return Err(open_error(
                    "the data set of the type `dsn` has a backend that is not carried",
                    "use `mysql` (MariaDB too), `pgsql` or `sqlite`; for other databases a small server that speaks `socketmap:`",
                ));
            }
        };
        let begin = PARAMETERS.iter().filter_map(|name| rest.find(name)).min();
        let begin =
            begin.ok_or_else(|| wrong("has no parameters `table=`, `keycol=` and `datacol=` behind its database"))?;
        let (place, parameters) = rest.split_at_checked(begin).unwrap_or((rest, ""));
        let (credentials, place) = match place.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, place),
        };
        let part = |name: &str, raw: &str| decode(raw).ok_or_else(|| wrong(&format!("has {name} that {NOT_TEXT}")));
        let (user, password) =
            match credentials.map(|text| text.split_once(':').map_or((text, None), |(u, p)| (u, Some(p)))) {
                Some((user, password)) => {
                    let password = password.map(|raw| part("a password", raw)).transpose()?.map(Zeroizing::new);
                    (Some(part("a user", user)?).filter(|user| !user.is_empty()), password)
                }
                None => (None, None),
            };
        let (port, place) = match place.split_once('+') {
            Some((port, place)) if port.bytes().all(|octet| octet.is_ascii_digit()) => {
                let port = port.parse::<u16>().ok().filter(|port| *port > 0);
                (Some(port.ok_or_else(|| wrong("has a port that is none"))?), place)
            }
            _ => (None, place),
        };
        let (host, database) = match backend {
            // The folder and the file; together they are the path.
            Backend::Sqlite => place
                .rsplit_once('/')
                .map_or(("", place), |(folder, file)| if folder.is_empty() { ("", place) } else { (folder, file) }),
            _ => place.split_once('/').ok_or_else(|| wrong("has no database behind its host"))?,
        };
        if database.is_empty() || (backend != Backend::Sqlite && database.contains('/')) {
            return Err(wrong("has no database, or one with a `/`"));
        }
        let (host, database) = (part("a host", host)?, part("a database", database)?);
        let mut dsn = Self {
            backend,
            user,
            password,
            port,
            host,
            database,
            table: String::new(),
            key_column: String::new(),
            columns: Vec::new(),
            filter: None,
        };
        for parameter in parameters.trim_start_matches('/').split('?').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or_else(|| wrong("has a parameter without a value"))?;
            match name.to_ascii_lowercase().as_str() {
                "table" => dsn.table = part("a table", value)?,
                "keycol" => dsn.key_column = part("a keycol", value)?,
                "datacol" => {
                    dsn.columns =
                        value.split(',').map(|column| part("a datacol", column.trim())).collect::<Result<_, _>>()?;
                }
                "filter" => dsn.filter = Some(part("a filter", value)?).filter(|filter| !filter.trim().is_empty()),
                _ => return Err(wrong("has a parameter other than `table`, `keycol`, `datacol` and `filter`")),
            }
        }
        for (name, is_missing) in [
            ("table", dsn.table.is_empty()),
            ("keycol", dsn.key_column.is_empty()),
            ("datacol", dsn.columns.is_empty()),
        ] {
            if is_missing {
                return Err(wrong(&format!("has no parameter `{name}`")));
            }
        }
        if dsn.columns.len() > MAX_COLUMNS {
            return Err(wrong(&format!("has more than {MAX_COLUMNS} columns")));
        }
        Ok(dsn)
    }

    /// The path of an SQLite file.
    pub(crate) fn path(&self) -> String {
        match self.host.as_str() {
            "" => self.database.clone(),
            host if host.ends_with('/') => format!("{host}{}", self.database),
            host => format!("{host}/{}", self.database),
        }
    }
}

const NOT_TEXT: &str = "is not UTF-8 or has a control character behind decoding; `=` and two hexadecimal digits are an escape, and `=3D` is `=`";

/// Decodes `=XX`; other `=` stand for themselves. `None` for what is no text: not UTF-8, or with control characters.
fn decode(text: &str) -> Option<String> {
    let digit = |octet: Option<&u8>| {
        octet.and_then(|octet| char::from(*octet).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
    };
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        match (octet, digit(behind.first()), digit(behind.get(1))) {
            (b'=', Some(high), Some(low)) => {
                octets.push(high << 4 | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => octets.push(octet),
        }
    }
    String::from_utf8(octets).ok().filter(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAIL: &str = "table=t?keycol=k?datacol=c";

    #[test]
    fn s2_1_all_parts() {
        let dsn =
            Dsn::parse("mysql://u:pw@3307+db.example.com/mail/table=t?keycol=k?datacol=c1,c2?filter=a='x'").unwrap();
        assert_eq!((dsn.backend, dsn.port), (Backend::MySql, Some(3307)));
        assert_eq!((dsn.user.as_deref(), dsn.password.as_ref().map(|p| p.as_str())), (Some("u"), Some("pw")));
        assert_eq!((dsn.host.as_str(), dsn.database.as_str()), ("db.example.com", "mail"));
        assert_eq!((dsn.table.as_str(), dsn.key_column.as_str()), ("t", "k"));
        assert_eq!((dsn.columns, dsn.filter.as_deref()), (vec!["c1".to_owned(), "c2".to_owned()], Some("a='x'")));
    }

    #[test]
    fn s2_1_what_may_be_left_out() {
        let dsn = Dsn::parse(&format!("pgsql:///mail/{TAIL}")).unwrap();
        assert_eq!((dsn.backend, dsn.host.as_str(), dsn.port), (Backend::Postgres, "", None));
        assert!(dsn.user.is_none() && dsn.password.is_none() && dsn.filter.is_none());
        let dsn = Dsn::parse("pgsql://u@h/mail/keycol=k?table=t?datacol=c?filter=").unwrap();
        assert_eq!((dsn.user.as_deref(), dsn.password.is_none(), dsn.filter), (Some("u"), true, None));
    }

    #[test]
    fn s7_2_28_escapes_are_decoded_in_every_part() {
        let text = "mysql://u=40x:p=3A=2F=40=23=3d=C3=A9@=2Frun=2Fs.sock/ma=2Fil/table=t=20t?keycol=k=2Ck?datacol=c=2Cc,d?filter=a=3D1 AND b='=3F'";
        let dsn = Dsn::parse(text).unwrap();
        assert_eq!(dsn.user.as_deref(), Some("u@x"));
        assert_eq!(dsn.password.unwrap().as_str(), "p:/@#=é");
        assert_eq!((dsn.host.as_str(), dsn.database.as_str()), ("/run/s.sock", "ma/il"));
        assert_eq!((dsn.table.as_str(), dsn.key_column.as_str()), ("t t", "k,k"));
        assert_eq!(dsn.columns, ["c,c", "d"]);
        assert_eq!(dsn.filter.as_deref(), Some("a=1 AND b='?'"));
        assert_eq!(decode("a=zz=4").as_deref(), Some("a=zz=4"));
    }

    #[test]
    fn s7_2_28_a_password_may_have_signs_as_they_are() {
        let dsn = Dsn::parse(&format!("mysql://u:p@:/?#w=@h/d/{TAIL}")).unwrap();
        assert_eq!(dsn.password.unwrap().as_str(), "p@:/?#w=");
        assert_eq!((dsn.host.as_str(), dsn.database.as_str()), ("h", "d"));
    }

    #[test]
    fn s2_1_sqlite_is_a_path() {
        for (text, path) in [
            ("sqlite://=2Fvar=2Flib=2F/mail.db/", "/var/lib/mail.db"),
            ("sqlite3:///var/lib/mail.db/", "/var/lib/mail.db"),
            ("sqlite://keys/mail.db/", "keys/mail.db"),
            ("sqlite://mail.db/", "mail.db"),
            ("sqlite:///mail.db/", "/mail.db"),
        ] {
            assert_eq!(Dsn::parse(&format!("{text}{TAIL}")).unwrap().path(), path, "{text}");
        }
    }

    #[test]
    fn s2_1_what_cannot_be_meant_is_an_error_without_the_password() {
        for (text, word) in [
            ("mysql:u:secret@h/d/table=t", "://"),
            ("oracle://u:secret@h/d/table=t?keycol=k?datacol=c", "backend"),
            ("mysql://u:secret@h/d", "parameters"),
            ("mysql://u:secret@h/table=t?keycol=k?datacol=c", "no database"),
            ("mysql://u:secret@h/d/e/table=t?keycol=k?datacol=c", "`/`"),
            ("mysql://u:secret@h/d/table=t?keycol=k", "`datacol`"),
            ("mysql://u:secret@h/d/table=t?datacol=c", "`keycol`"),
            ("mysql://u:secret@h/d/keycol=k?datacol=c", "`table`"),
            ("mysql://u:secret@h/d/table=t?keycol=k?datacol=c?x=y", "other than"),
            ("mysql://u:secret@h/d/table=t?keycol=k?datacol=c?x", "without a value"),
            ("mysql://u:secret@0+h/d/table=t?keycol=k?datacol=c", "port"),
            ("mysql://u:secret@65536+h/d/table=t?keycol=k?datacol=c", "port"),
            ("mysql://u:secret=00@h/d/table=t?keycol=k?datacol=c", "a password"),
            ("mysql://u:secret=FF@h/d/table=t?keycol=k?datacol=c", "a password"),
            ("mysql://u:secret@h/d/table=t?keycol=k?datacol=c?filter=a=1F", "a filter"),
            ("mysql://u:secret@h/d/table=t?keycol=k?datacol=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "16 columns"),
        ] {
            let Err(error) = Dsn::parse(text) else { panic!("{text}") };
            assert!(error.cause.contains(word), "{text}: {}", error.cause);
            assert!(!format!("{error:?}").contains("secret"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn s2_1_any_text_is_read_or_refused(text in "\\PC{0,60}", head in "(mysql|pgsql|sqlite)://") {
            let _ = Dsn::parse(&text);
            let _ = Dsn::parse(&format!("{head}{text}/{TAIL}"));
        }

        #[test]
        fn s7_2_28_any_password_can_be_written(password in "[^\\p{Cc}]{1,30}") {
            let escaped: String = password.bytes().map(|octet| format!("={octet:02X}")).collect();
            let dsn = Dsn::parse(&format!("mysql://u:{escaped}@h/d/{TAIL}")).unwrap();
            let read = dsn.password.unwrap();
            prop_assert_eq!(read.as_str(), password);
        }
    }
}
