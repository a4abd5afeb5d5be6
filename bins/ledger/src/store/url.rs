//! Which database: `sqlite:PATH`, `mysql://USER:PASSWORD@HOST/DATABASE`, `postgres://USER:PASSWORD@HOST/DATABASE`.
//!
//! Neither an error nor `Debug` shows the password, and errors show nothing of what was written but its scheme.

use std::fmt;
use std::path::{Path, PathBuf};

/// Octets of the longest URL.
pub const MAX_URL: usize = 4096;

/// What kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::MySql => "MySQL",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// The place of a database.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    engine: Engine,
    text: String,
}

/// A text that is not the place of a database; it does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UrlError(String);

const FORM: &str = "write `sqlite:PATH`, `mysql://USER:PASSWORD@HOST[:PORT]/DATABASE` or `postgres://USER:PASSWORD@HOST[:PORT]/DATABASE`";

impl DatabaseUrl {
    /// The file of an SQLite database.
    #[must_use]
    pub fn sqlite(path: &Path) -> Self {
        Self { engine: Engine::Sqlite, text: path.display().to_string() }
    }

    /// Reads a URL. In user and password, `%XX` stands for a sign that would end the part (`%40` for `@`).
    ///
    /// # Errors
    ///
    /// For anything else, and for a URL that asks for TLS, which this program does not speak to databases.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let wrong = |cause: &str| UrlError(format!("{cause}; {FORM}"));
        if text.len() > MAX_URL || text.chars().any(char::is_control) {
            return Err(wrong("the database is longer than 4096 octets or has control characters"));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| wrong("the database has no scheme"))?;
        let engine = match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => Engine::Sqlite,
            "mysql" | "mariadb" => Engine::MySql,
            "postgres" | "postgresql" => Engine::Postgres,
            _ => return Err(wrong("the database is of a kind that is not carried")),
        };
        if engine == Engine::Sqlite {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.contains(":memory:") {
                return Err(wrong("the SQLite database has no path"));
            }
            return Ok(Self { engine, text: path.to_owned() });
        }
        let place = rest.strip_prefix("//").ok_or_else(|| wrong("the database has no `//` behind its scheme"))?;
        let (place, query) = place.split_once('?').map_or((place, ""), |(place, query)| (place, query));
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        if host.split_once('/').is_none_or(|(_, database)| database.is_empty()) {
            return Err(wrong("the URL of the database has no name of a database"));
        }
        if query.split('&').any(asks_for_tls) {
            let cause = "the URL asks for TLS, which is not spoken to databases; use a tunnel, or a Unix socket (`?socket=PATH`, `?host=FOLDER`)";
            return Err(UrlError(cause.to_owned()));
        }
        let canonical = if engine == Engine::MySql { "mysql" } else { "postgres" };
        Ok(Self { engine, text: format!("{canonical}:{rest}") })
    }

    /// The kind.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The file of an SQLite database.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        (self.engine == Engine::Sqlite).then(|| PathBuf::from(&self.text))
    }

    /// The URL with its password.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(crate) fn secret(&self) -> &str {
        &self.text
    }

    /// The password as written and as meant, so that both can be taken out of what a server says.
    pub(crate) fn passwords(&self) -> Vec<String> {
        let credentials = match (self.engine, self.text.split_once("//")) {
            (Engine::MySql | Engine::Postgres, Some((_, rest))) => rest.rsplit_once('@').map(|(before, _)| before),
            _ => None,
        };
        let Some((_, password)) = credentials.and_then(|credentials| credentials.split_once(':')) else {
            return Vec::new();
        };
        vec![password.to_owned(), decoded(password)]
    }

    /// Host and database, or path, without user and password.
    #[must_use]
    pub fn place(&self) -> String {
        let rest = self.text.split_once("//").map_or("", |(_, rest)| rest);
        let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        match self.engine {
            Engine::Sqlite => format!("sqlite:{}", self.text),
            Engine::MySql => format!("mysql://{}", without_query(rest)),
            Engine::Postgres => format!("postgres://{}", without_query(rest)),
        }
    }

    /// Whether user, password and rows cross a network as they are.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        if self.engine == Engine::Sqlite || self.text.contains("?socket=/") || self.text.contains("?host=/") {
            return false;
        }
        let place = self.place();
        let host = place.split_once("//").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(host, _)| host);
        let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.split(':').next().unwrap_or(host),
        };
        let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        !(bare.is_empty() || bare.eq_ignore_ascii_case("localhost") || is_loopback)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.place()).finish()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

fn without_query(text: &str) -> &str {
    text.split('?').next().unwrap_or(text)
}

fn asks_for_tls(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = name.to_ascii_lowercase();
    let is_off =
        ["disable", "disabled", "prefer", "preferred", "allow"].iter().any(|word| value.eq_ignore_ascii_case(word));
    name.starts_with("ssl") && !is_off
}

/// `%XX` decoded; what is none stays.
fn decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escape = behind.split_first_chunk::<2>().filter(|_| *first == b'%');
        let octet = escape
            .and_then(|(digits, _)| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (octet, escape) {
            (Some(octet), Some((_, behind))) => {
                octets.push(octet);
                rest = behind;
            }
            _ => {
                octets.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read_and_shown_without_its_password() {
        let url = DatabaseUrl::parse("mysql://mail%40user:p%3A%40w=@db.example:3307/mail?ssl-mode=disabled").unwrap();
        assert_eq!((url.engine(), url.place().as_str()), (Engine::MySql, "mysql://db.example:3307/mail"));
        assert_eq!(url.passwords(), ["p%3A%40w=", "p:@w="]);
        for shown in [format!("{url}"), format!("{url:?}")] {
            assert!(!shown.contains("p%3A") && !shown.contains("p:@w"), "{shown}");
        }
        let url = DatabaseUrl::parse("postgresql://u:secret@[::1]/mail").unwrap();
        assert_eq!((url.place().as_str(), url.is_remote()), ("postgres://[::1]/mail", false));
        for (text, path) in [("sqlite:a/b.db", "a/b.db"), ("sqlite:///a.db", "/a.db"), ("SQLITE:/a.db", "/a.db")] {
            assert_eq!(DatabaseUrl::parse(text).unwrap().path().unwrap(), Path::new(path));
        }
    }

    #[test]
    fn what_is_none_is_refused_without_being_repeated() {
        for text in [
            "",
            "secret",
            "sqlite:",
            "sqlite::memory:",
            "oracle://u:secret@h/d",
            "mysql:u:secret@h/d",
            "mysql://u:secret@h",
            "postgres://u:secret@h/",
            "postgres://u:secret@h/d?sslmode=require",
            "postgres://u:secret@h/d?sslrootcert=/x",
            "mysql://u:secret@h/d\n",
        ] {
            let error = DatabaseUrl::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn loopback_and_sockets_are_not_remote() {
        for text in
            ["mysql://u@localhost/d", "mysql://u@127.0.0.1:1/d", "mysql://u@h/d?socket=/s", "postgres:///d?host=/s"]
        {
            assert!(!DatabaseUrl::parse(text).unwrap().is_remote(), "{text}");
        }
        assert!(DatabaseUrl::parse("postgres://u@192.0.2.1/d").unwrap().is_remote());
    }
}
