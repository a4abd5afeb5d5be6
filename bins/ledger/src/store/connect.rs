//! Making a connection to each kind of database, and the settings of its session.

use std::time::Duration;

use super::connection::Connection;
use super::error::{StoreError, Trouble};
use super::url::{DatabaseUrl, Engine};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long SQLite waits for another process that writes.
#[cfg(feature = "sqlite")]
const BUSY: Duration = Duration::from_secs(10);

pub(super) async fn connect(url: &DatabaseUrl) -> Result<Connection, StoreError> {
    let made = tokio::time::timeout(CONNECT, open(url)).await;
    made.unwrap_or_else(|_| Err(StoreError::new(url, Trouble::Away, "no connection within 10 s")))
}

async fn open(url: &DatabaseUrl) -> Result<Connection, StoreError> {
    match url.engine() {
        #[cfg(feature = "sqlite")]
        Engine::Sqlite => sqlite(url).await,
        #[cfg(feature = "mysql")]
        Engine::MySql => mysql(url).await,
        #[cfg(feature = "postgres")]
        Engine::Postgres => postgres(url).await,
        #[cfg(not(all(feature = "sqlite", feature = "mysql", feature = "postgres")))]
        other => {
            Err(StoreError::new(url, Trouble::Refused, format!("this program was built without {}", other.as_str())))
        }
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(url: &DatabaseUrl) -> Result<Connection, StoreError> {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
    use std::os::unix::fs::OpenOptionsExt;

    let path = url.path().unwrap_or_default();
    // Who wrote to whom is nobody else's business: SQLite gives the mode of this file to those beside it.
    let mut file = std::fs::OpenOptions::new();
    // Without waiting for somebody who reads, should it be a pipe.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let opened = file.append(true).create(true).mode(0o640).custom_flags(flags).open(&path);
    let kind = opened.and_then(|file| file.metadata());
    let kind = kind.map_err(|error| StoreError::new(url, of_file(&error), error.to_string()))?;
    if !kind.is_file() {
        return Err(StoreError::new(url, Trouble::Refused, "it is not a file"));
    }
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        // Before there is a table, or it has no effect: what is expired is given back bit by bit.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        // A power cut takes whole transactions, and the journal's place with them.
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .pragma("cache_size", "-16384")
        .disable_statement_logging();
    let connection = options.connect().await.map_err(|error| StoreError::of(url, &error))?;
    Ok(Connection::Sqlite(Box::new(connection)))
}

#[cfg(feature = "sqlite")]
fn of_file(error: &std::io::Error) -> Trouble {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Trouble::Full,
        _ => Trouble::Refused,
    }
}

#[cfg(feature = "mysql")]
async fn mysql(url: &DatabaseUrl) -> Result<Connection, StoreError> {
    use sqlx::ConnectOptions;
    use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

    let options: MySqlConnectOptions = url.secret().parse().map_err(|error| StoreError::of(url, &error))?;
    let options = options.ssl_mode(MySqlSslMode::Disabled).charset("utf8mb4").disable_statement_logging();
    let connection = options.connect().await.map_err(|error| StoreError::of(url, &error))?;
    let mut connection = Connection::MySql(Box::new(connection));
    // What another node has written meanwhile is seen, and numbers and texts that do not fit are errors. A statement ends before nobody waits for it any more (MariaDB alone has
    // that for statements that write).
    let session = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; SET SESSION sql_mode = 'STRICT_ALL_TABLES'; \
                   SET SESSION innodb_lock_wait_timeout = 20; /*M! SET SESSION max_statement_time = 115 */";
    connection.script(session).await.map_err(|error| StoreError::of(url, &error))?;
    Ok(connection)
}

#[cfg(feature = "postgres")]
async fn postgres(url: &DatabaseUrl) -> Result<Connection, StoreError> {
    use sqlx::ConnectOptions;
    use sqlx::postgres::{PgConnectOptions, PgSslMode};

    let options: PgConnectOptions = url.secret().parse().map_err(|error| StoreError::of(url, &error))?;
    let options = options.ssl_mode(PgSslMode::Disable).application_name("postseal-report").disable_statement_logging();
    let connection = options.connect().await.map_err(|error| StoreError::of(url, &error))?;
    let mut connection = Connection::Postgres(Box::new(connection));
    let session = "SET lock_timeout = '20s'; SET statement_timeout = '115s'; SET client_min_messages = warning; \
                   SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";
    connection.script(session).await.map_err(|error| StoreError::of(url, &error))?;
    Ok(connection)
}
