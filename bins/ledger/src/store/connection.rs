//! One connection to a database of any kind: statements with values in, numbers and texts out.
//!
//! The SQL is made in this crate and the same for all but for what [`Engine`] tells apart: places of values are `?` here, and become `$1` for PostgreSQL.
//! Integers are 64 bits wide everywhere.

use sqlx::{AssertSqlSafe, Row, query, raw_sql};

use super::url::Engine;

/// A value of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Int(i64),
    /// A text.
    Text(&'a str),
    /// A text or NULL.
    MaybeText(Option<&'a str>),
    /// Octets.
    Bytes(&'a [u8]),
    /// Octets or NULL.
    MaybeBytes(Option<&'a [u8]>),
}

/// What a column of an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Int,
    /// A text or NULL.
    Text,
    /// Octets or NULL.
    Bytes,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// NULL.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// Octets.
    Bytes(Vec<u8>),
}

impl Cell {
    /// The number; 0 for anything else.
    #[must_use]
    pub fn int(&self) -> i64 {
        if let Self::Int(number) = self { *number } else { 0 }
    }

    /// The text; empty for anything else.
    #[must_use]
    pub fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// The octets; empty for anything else.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        if let Self::Bytes(bytes) = self { bytes } else { &[] }
    }

    /// As a value of a statement, of a column of this kind.
    #[must_use]
    pub fn value(&self, kind: Kind) -> Value<'_> {
        match (self, kind) {
            (Self::Int(number), _) => Value::Int(*number),
            (Self::Text(text), _) => Value::Text(text),
            (Self::Bytes(bytes), _) => Value::Bytes(bytes),
            (Self::Null, Kind::Int) => Value::Int(0),
            (Self::Null, Kind::Text) => Value::MaybeText(None),
            (Self::Null, Kind::Bytes) => Value::MaybeBytes(None),
        }
    }
}

/// An open connection. Dropped, it gives up the transaction that it is in.
pub(super) enum Connection {
    #[cfg(feature = "sqlite")]
    Sqlite(Box<sqlx::SqliteConnection>),
    #[cfg(feature = "mysql")]
    MySql(Box<sqlx::MySqlConnection>),
    #[cfg(feature = "postgres")]
    Postgres(Box<sqlx::PgConnection>),
}

/// Binds values, in each of the arms alike.
macro_rules! bound {
    ($sql:expr, $values:expr, $keep:expr) => {{
        let mut query = query(AssertSqlSafe($sql)).persistent($keep);
        for value in $values {
            query = match *value {
                Value::Int(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::MaybeText(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
                Value::MaybeBytes(bytes) => query.bind(bytes),
            };
        }
        query
    }};
}

/// Reads the rows of an answer, in each of the arms alike.
macro_rules! cells {
    ($rows:expr, $kinds:expr) => {{
        let mut answer = Vec::new();
        for row in $rows {
            let mut cells = Vec::with_capacity($kinds.len());
            for (index, kind) in $kinds.iter().enumerate() {
                cells.push(match kind {
                    Kind::Int => row.try_get::<Option<i64>, _>(index)?.map_or(Cell::Null, Cell::Int),
                    Kind::Text => row.try_get::<Option<String>, _>(index)?.map_or(Cell::Null, Cell::Text),
                    Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(index)?.map_or(Cell::Null, Cell::Bytes),
                });
            }
            answer.push(cells);
        }
        Ok(answer)
    }};
}

impl Connection {
    pub(super) fn engine(&self) -> Engine {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Engine::Sqlite,
            #[cfg(feature = "mysql")]
            Self::MySql(_) => Engine::MySql,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Statements without values, as many as the text has.
    pub(super) async fn script(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => sql.execute(&mut **connection).await.map(drop),
            #[cfg(feature = "mysql")]
            Self::MySql(connection) => sql.execute(&mut **connection).await.map(drop),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => sql.execute(&mut **connection).await.map(drop),
        }
    }

    /// One statement; how many rows it changed. `keep`: whether it will come again, word for word.
    pub(super) async fn execute(&mut self, sql: &str, values: &[Value<'_>], keep: bool) -> Result<u64, sqlx::Error> {
        let sql = self.spelled(sql);
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => {
                bound!(sql, values, keep).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            #[cfg(feature = "mysql")]
            Self::MySql(connection) => {
                bound!(sql, values, keep).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                bound!(sql, values, keep).execute(&mut **connection).await.map(|done| done.rows_affected())
            }
        }
    }

    /// One question.
    pub(super) async fn fetch(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        kinds: &[Kind],
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let sql = self.spelled(sql);
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => cells!(bound!(sql, values, false).fetch_all(&mut **connection).await?, kinds),
            #[cfg(feature = "mysql")]
            Self::MySql(connection) => cells!(bound!(sql, values, false).fetch_all(&mut **connection).await?, kinds),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => cells!(bound!(sql, values, false).fetch_all(&mut **connection).await?, kinds),
        }
    }

    /// The places of values as this kind of database writes them.
    fn spelled(&self, sql: &str) -> String {
        if self.engine() != Engine::Postgres {
            return sql.to_owned();
        }
        let mut spelled = String::with_capacity(sql.len().saturating_mul(2));
        for (index, piece) in sql.split('?').enumerate() {
            if index > 0 {
                spelled.push('$');
                spelled.push_str(&index.to_string());
            }
            spelled.push_str(piece);
        }
        spelled
    }
}
