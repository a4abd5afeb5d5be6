//! SQL databases: MySQL and MariaDB, PostgreSQL, SQLite.
//!
//! There is no TLS: passwords and entries cross the network as they are, and a warning says so where the host is another one. Unix sockets and loopback
//! need none. Statements are not kept by the server, so that a change of the table, or a proxy in between, does no harm.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use engine::dataset::{OpenError, OpenOptions};
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgConnectOptions, PgConnection, PgSslMode, PgTypeInfo};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ColumnIndex, ConnectOptions, Database, Decode, Encode, Postgres, Row, Type, query};
use zeroize::Zeroizing;

use crate::dsn::{Backend, Dsn};
use crate::kept::{Failure, Way};
use crate::query::statement;
use crate::words::{is_local, said};

/// Where the client library of MySQL looks for a server that is called `localhost`, in the builds of distributions.
const MYSQL_SOCKETS: [&str; 4] =
    ["/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];

/// A table of an SQL database.
pub(crate) struct Sql {
    target: Target,
    statement: String,
    columns: usize,
    password: Option<Zeroizing<String>>,
}

enum Target {
    MySql(Box<MySqlConnectOptions>),
    Postgres(Box<PgConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

pub(crate) enum Connection {
    MySql(Box<MySqlConnection>),
    Postgres(Box<PgConnection>),
    Sqlite(Box<SqliteConnection>, Option<FileId>),
}

/// Device and inode: which file this is, whatever its name.
type FileId = (u64, u64);

fn file_id(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Sql {
    pub(crate) fn open(text: &str, options: &OpenOptions) -> Result<Self, OpenError> {
        let dsn = Dsn::parse(text)?;
        let statement = statement(&dsn)?;
        let target = match dsn.backend {
            Backend::MySql => Target::MySql(Box::new(mysql(&dsn))),
            Backend::Postgres => Target::Postgres(Box::new(postgres(&dsn))),
            Backend::Sqlite => Target::Sqlite(Box::new(
                SqliteConnectOptions::new()
                    .filename(dsn.path())
                    .read_only(true)
                    .create_if_missing(false)
                    // Beyond the engine's limit, so that it is that which ends the wait for a lock.
                    .busy_timeout(options.timeout.saturating_add(Duration::from_secs(1)))
                    .disable_statement_logging(),
            )),
        };
        if dsn.backend != Backend::Sqlite && !is_local(&dsn.host) {
            tracing::warn!(
                host = %dsn.host,
                "the way to the SQL database is not encrypted: its password and entries can be read on the network; a tunnel or a replica on this host mends that"
            );
        }
        Ok(Self { target, statement, columns: dsn.columns.len(), password: dsn.password })
    }

    /// What went wrong, without the password. The words of the server, since the library's own add none.
    fn said(&self, error: &sqlx::Error) -> String {
        let text = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            error => error.to_string(),
        };
        said(&text, self.password.as_ref().map(|password| password.as_str()))
    }
}

fn mysql(dsn: &Dsn) -> MySqlConnectOptions {
    let mut options = MySqlConnectOptions::new()
        .ssl_mode(MySqlSslMode::Disabled)
        .database(&dsn.database)
        // The session is the one that OpenDKIM had: `||` in a filter and times are the server's matter.
        .pipes_as_concat(false)
        .timezone(None)
        .disable_statement_logging();
    if let Some(user) = dsn.user.as_ref() {
        options = options.username(user);
    }
    if let Some(password) = &dsn.password {
        options = options.password(password);
    }
    if dsn.host.starts_with('/') {
        return options.socket(&dsn.host);
    }
    if dsn.port.is_none()
        && (dsn.host.is_empty() || dsn.host.eq_ignore_ascii_case("localhost"))
        && let Some(socket) = MYSQL_SOCKETS.into_iter().find(|path| Path::new(path).exists())
    {
        return options.socket(socket);
    }
    let host = if dsn.host.is_empty() { "localhost" } else { &dsn.host };
    options.host(host).port(dsn.port.unwrap_or(3306))
}

fn postgres(dsn: &Dsn) -> PgConnectOptions {
    let port = dsn.port.unwrap_or(5432);
    let mut options = PgConnectOptions::new_without_pgpass()
        .ssl_mode(PgSslMode::Disable)
        .port(port)
        .database(&dsn.database)
        .application_name("postseal")
        // A parameter that proxies refuse.
        .extra_float_digits(None)
        .disable_statement_logging();
    if let Some(user) = dsn.user.as_ref() {
        options = options.username(user);
    }
    if let Some(password) = &dsn.password {
        options = options.password(password);
    }
    match dsn.host.as_str() {
        // The folder of the socket, as libpq has it.
        "" => options.socket("/var/run/postgresql"),
        path if path.starts_with('/') => options.socket(path),
        host => options.host(host),
    }
}

impl Way for Sql {
    type Connection = Connection;

    async fn connect(&self) -> Result<Connection, String> {
        let connection = match &self.target {
            Target::MySql(options) => options.connect().await.map(|made| Connection::MySql(Box::new(made))),
            Target::Postgres(options) => options.connect().await.map(|made| Connection::Postgres(Box::new(made))),
            Target::Sqlite(options) => {
                // Before it is opened: a file that is put in its place meanwhile is noticed at the next question.
                let id = file_id(options.get_filename());
                options.connect().await.map(|made| Connection::Sqlite(Box::new(made), id))
            }
        };
        connection.map_err(|error| self.said(&error))
    }

    async fn ask(&self, connection: &mut Connection, key: &str) -> Result<Option<Vec<String>>, Failure> {
        // The text is made in `query` of checked names and the operator's filter.
        let sql = AssertSqlSafe(self.statement.as_str());
        let fields = match connection {
            Connection::MySql(connection) => {
                let row = query(sql).persistent(false).bind(key).fetch_optional(&mut **connection).await;
                row.and_then(|row| row.map(|row| fields(&row, self.columns)).transpose())
            }
            Connection::Postgres(connection) => {
                let row = query(sql).persistent(false).bind(Untyped(key)).fetch_optional(&mut **connection).await;
                row.and_then(|row| row.map(|row| fields(&row, self.columns)).transpose())
            }
            Connection::Sqlite(connection, _) => {
                let row = query(sql).persistent(false).bind(key).fetch_optional(&mut **connection).await;
                row.and_then(|row| row.map(|row| fields(&row, self.columns)).transpose())
            }
        };
        match fields {
            Ok(fields) => Ok(fields),
            Err(error) if cannot_be_a_key(&error, key) => Ok(None),
            Err(error) => Err(Failure::Lost(self.said(&error))),
        }
    }

    /// An SQLite file may have been replaced by another of its name.
    fn is_current(&self, connection: &Connection) -> bool {
        match (&self.target, connection) {
            (Target::Sqlite(options), Connection::Sqlite(_, id)) => {
                id.is_some() && *id == file_id(options.get_filename())
            }
            _ => true,
        }
    }
}

/// The columns as text; NULL is empty.
fn fields<R: Row>(row: &R, columns: usize) -> Result<Vec<String>, sqlx::Error>
where
    usize: ColumnIndex<R>,
    Option<String>: for<'r> Decode<'r, R::Database> + Type<R::Database>,
{
    (0..columns).map(|index| row.try_get::<Option<String>, _>(index).map(Option::unwrap_or_default)).collect()
}

/// Whether the database says that this key has letters that the column cannot have. That is no failure: a sender could make a database seem away with it.
/// 22021, 22P05 of PostgreSQL: `character_not_in_repertoire`, `untranslatable_character`; 1267 of MySQL: `ER_CANT_AGGREGATE_2COLLATIONS`.
fn cannot_be_a_key(error: &sqlx::Error, key: &str) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let mysql =
        error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number);
    !key.is_ascii() && (mysql == Some(1267) || matches!(error.code().as_deref(), Some("22021" | "22P05")))
}

/// A text whose type PostgreSQL finds out, as it does with a constant in a statement: so a column of the type `citext` is compared as such.
struct Untyped<'a>(&'a str);

/// The type `unknown`.
const UNKNOWN: Oid = Oid(705);

impl Type<Postgres> for Untyped<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(UNKNOWN)
    }
}

impl Encode<'_, Postgres> for Untyped<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as Encode<'_, Postgres>>::encode(self.0, buffer)
    }
}

/// The kind of database alone.
impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.target {
            Target::MySql(_) => <sqlx::MySql as Database>::NAME,
            Target::Postgres(_) => <Postgres as Database>::NAME,
            Target::Sqlite(_) => <sqlx::Sqlite as Database>::NAME,
        };
        f.debug_struct("Sql").field("kind", &kind).finish_non_exhaustive()
    }
}
