//! What can go wrong with a database, in one bounded line without its password.

use super::url::DatabaseUrl;

/// Octets of what a database says that are shown.
pub const MAX_ERROR: usize = 400;

/// What an error means for who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody else has it: a lock, a deadlock. At once again.
    Busy,
    /// It cannot be reached, or stopped in the middle. Later again.
    Away,
    /// Its disk is full, or it cannot write. Later again, and somebody has to act.
    Full,
    /// It refuses: wrong password, no such database, not allowed.
    Refused,
    /// The tables are not those of this program: none yet, or those of another version.
    Schema,
    /// The tables are somebody else's.
    Foreign,
    /// Somebody else counts the journal of this node.
    Taken,
    /// Anything else.
    Other,
}

impl Trouble {
    /// Whether the same may work later without anybody changing the configuration.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Busy | Self::Away | Self::Full)
    }
}

/// The database did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct StoreError {
    /// What that means.
    pub trouble: Trouble,
    /// Where, without user and password.
    pub place: String,
    /// What it said; one line.
    pub cause: String,
}

impl StoreError {
    pub(crate) fn new(url: &DatabaseUrl, trouble: Trouble, cause: impl Into<String>) -> Self {
        Self { trouble, place: url.place(), cause: cause.into() }
    }

    pub(super) fn of(url: &DatabaseUrl, error: &sqlx::Error) -> Self {
        let text = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            error => error.to_string(),
        };
        Self::new(url, trouble(error), said(&text, &url.passwords()))
    }
}

fn trouble(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolTimedOut => {
            Trouble::Away
        }
        sqlx::Error::Database(error) => of_code(error.as_ref()),
        _ => Trouble::Other,
    }
}

fn of_code(error: &dyn sqlx::error::DatabaseError) -> Trouble {
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        return match error.number() {
            // ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_CHECKREAD.
            1205 | 1213 | 1020 => Trouble::Busy,
            // ER_CON_COUNT_ERROR, ER_SERVER_SHUTDOWN, ER_NEW_ABORTING_CONNECTION, ER_CONNECTION_KILLED, ER_QUERY_INTERRUPTED, ER_OPTION_PREVENTS_STATEMENT, ER_STATEMENT_TIMEOUT.
            1040 | 1053 | 1152 | 1184 | 1927 | 1317 | 1290 | 1969 => Trouble::Away,
            // ER_DISK_FULL, ER_ERROR_ON_WRITE, ER_RECORD_FILE_FULL.
            1021 | 1026 | 1114 => Trouble::Full,
            // Access denied, unknown database.
            1044 | 1045 | 1049 | 1142 | 1698 => Trouble::Refused,
            // No such table, no such column.
            1146 | 1054 => Trouble::Schema,
            _ => Trouble::Other,
        };
    }
    let code = error.code().unwrap_or_default();
    #[cfg(feature = "postgres")]
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return match code.as_ref() {
            "40001" | "40P01" | "55P03" => Trouble::Busy,
            "53100" => Trouble::Full,
            "42P01" | "42703" => Trouble::Schema,
            "3D000" | "42501" => Trouble::Refused,
            // Too many connections, a statement that took too long, shutdown, start-up, and all of class 08.
            "53300" | "57014" | "57P01" | "57P02" | "57P03" | "25006" => Trouble::Away,
            code if code.starts_with("08") => Trouble::Away,
            code if code.starts_with("28") => Trouble::Refused,
            _ => Trouble::Other,
        };
    }
    // SQLite's extended codes have the simple one in their lowest octet.
    match code.parse::<u32>().map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED.
        Ok(5 | 6) => Trouble::Busy,
        // SQLITE_IOERR, SQLITE_FULL.
        Ok(10 | 13) => Trouble::Full,
        // SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_NOTADB.
        Ok(3 | 8 | 14 | 26) => Trouble::Refused,
        Ok(1) if error.message().starts_with("no such") => Trouble::Schema,
        _ => Trouble::Other,
    }
}

/// One line of at most [`MAX_ERROR`] octets and some, with dots in the place of the passwords.
fn said(text: &str, passwords: &[String]) -> String {
    let mut text = text.to_owned();
    for password in passwords.iter().filter(|password| !password.is_empty()) {
        text = text.replace(password.as_str(), "...");
    }
    let mut line = String::with_capacity(text.len().min(MAX_ERROR));
    for character in text.trim().chars() {
        if line.len() >= MAX_ERROR {
            line.push_str("...");
            break;
        }
        if character.is_control() { line.extend(character.escape_debug()) } else { line.push(character) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_one_bounded_line_without_the_password() {
        assert_eq!(said("denied: p#w\n next", &["p%23w".to_owned(), "p#w".to_owned()]), "denied: ...\\n next");
        let long = said(&"é".repeat(1000), &[String::new()]);
        assert!(long.len() <= MAX_ERROR + 4 && long.ends_with("..."));
    }
}
