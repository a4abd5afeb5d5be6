//! The database: one connection, made when it is needed, and the few things that are spelled differently by each kind.
//!
//! ```text
//!  DatabaseUrl ─connect─► Connection ◄─ execute, fetch ─ Store ◄─ rollup, export, dump
//!                                           migrate ─────┘
//! ```
//!
//! A transaction that fails is given up with its connection: nothing of it stays, whatever state the server is in, and the next one begins with a new
//! connection. There is no TLS to databases; [`DatabaseUrl::is_remote`] tells who has to be warned.

mod connect;
mod connection;
mod error;
pub mod migrate;
mod url;

use std::time::Duration;

pub use connection::{Cell, Kind, Value};
pub use error::{MAX_ERROR, StoreError, Trouble};
pub use url::{DatabaseUrl, Engine, MAX_URL, UrlError};

use connection::Connection;

/// Rows of one statement.
pub const ROWS: usize = 200;

/// The longest time for one statement: a server that answers nothing is away.
const STATEMENT: Duration = Duration::from_secs(120);

/// The pauses, in milliseconds, before the same is tried again that somebody else was in the way of.
pub(crate) const BUSY: [u64; 5] = [20, 100, 300, 1000, 3000];

/// A database.
pub struct Store {
    url: DatabaseUrl,
    connection: Option<Connection>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("url", &self.url).field("is_connected", &self.connection.is_some()).finish()
    }
}

impl Store {
    /// The database at a place; nothing is connected yet.
    #[must_use]
    pub fn new(url: DatabaseUrl) -> Self {
        Self { url, connection: None }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Its kind.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.url.engine()
    }

    /// Gives up the connection, and the transaction that it is in.
    pub fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        // SQLite would else begin to read, and be refused when it writes after somebody else has.
        self.script(if self.engine() == Engine::Sqlite { "BEGIN IMMEDIATE" } else { "BEGIN" }).await
    }

    /// Begins a transaction that sees one moment.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn begin_reading(&mut self) -> Result<(), StoreError> {
        let sql = match self.engine() {
            Engine::Sqlite => "BEGIN",
            Engine::MySql => {
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT"
            }
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.script(sql).await
    }

    /// Ends a transaction and keeps it.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute). Whether it was kept is then not known.
    pub async fn commit(&mut self) -> Result<(), StoreError> {
        self.script("COMMIT").await
    }

    /// Statements without values.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        let connection = self.connected().await?;
        let done = tokio::time::timeout(STATEMENT, connection.script(sql)).await;
        self.told(done)
    }

    /// One statement with its values, `?` in the SQL; how many rows it changed. `keep`: whether it comes again, word for word.
    ///
    /// # Errors
    ///
    /// What the database says; the connection is given up then, with the transaction that it was in.
    pub async fn execute(&mut self, sql: &str, values: &[Value<'_>], keep: bool) -> Result<u64, StoreError> {
        let connection = self.connected().await?;
        let done = tokio::time::timeout(STATEMENT, connection.execute(sql, values, keep)).await;
        self.told(done)
    }

    /// [`execute`](Self::execute) outside of a transaction, some times where somebody else is in the way: nothing of it stayed then.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn persist(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        for pause in BUSY {
            match self.execute(sql, values, false).await {
                Err(error) if error.trouble == Trouble::Busy => tokio::time::sleep(Duration::from_millis(pause)).await,
                done => return done,
            }
        }
        self.execute(sql, values, false).await
    }

    /// One question with its values, and what the columns of the answer are.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn fetch(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        kinds: &[Kind],
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        let connection = self.connected().await?;
        let done = tokio::time::timeout(STATEMENT, connection.fetch(sql, values, kinds)).await;
        self.told(done)
    }

    /// A question with one number as its answer; 0 where there is no row.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn number(&mut self, sql: &str, values: &[Value<'_>]) -> Result<i64, StoreError> {
        let rows = self.fetch(sql, values, &[Kind::Int]).await?;
        Ok(rows.first().and_then(|row| row.first()).map_or(0, Cell::int))
    }

    /// Inserts rows, of as many columns as `columns` names, some hundred a statement; `behind` is what stands behind the values.
    ///
    /// # Errors
    ///
    /// As [`execute`](Self::execute).
    pub async fn insert(
        &mut self,
        table: &str,
        columns: &str,
        rows: &[Vec<Value<'_>>],
        behind: &str,
    ) -> Result<(), StoreError> {
        let mut values = Vec::new();
        for chunk in rows.chunks(ROWS) {
            values.clear();
            chunk.iter().for_each(|row| values.extend_from_slice(row));
            let width = chunk.first().map_or(0, Vec::len);
            let sql = format!("INSERT INTO {table} ({columns}) VALUES {} {behind}", places(chunk.len(), width));
            self.execute(&sql, &values, chunk.len() == ROWS).await?;
        }
        Ok(())
    }

    /// What stands behind an insert so that a row that is there already is changed: `{name}` in `changes` is the new value of the column.
    #[must_use]
    pub fn or_change(&self, key: &str, changes: &str) -> String {
        let (head, open, close) = match self.engine() {
            Engine::MySql => ("ON DUPLICATE KEY UPDATE ".to_owned(), "VALUES(", ")"),
            Engine::Sqlite | Engine::Postgres => (format!("ON CONFLICT ({key}) DO UPDATE SET "), "excluded.", ""),
        };
        format!("{head}{}", changes.replace('{', open).replace('}', close))
    }

    /// The larger of two.
    #[must_use]
    pub fn greatest(&self) -> &'static str {
        if self.engine() == Engine::Sqlite { "MAX" } else { "GREATEST" }
    }

    /// A sum or count as a number of 64 bits.
    #[must_use]
    pub fn as_int(&self, expression: &str) -> String {
        match self.engine() {
            Engine::Sqlite => format!("CAST({expression} AS INTEGER)"),
            Engine::MySql => format!("CAST({expression} AS SIGNED)"),
            Engine::Postgres => format!("CAST({expression} AS BIGINT)"),
        }
    }

    async fn connected(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.is_none() {
            self.connection = Some(connect::connect(&self.url).await?);
        }
        self.connection.as_mut().ok_or_else(|| StoreError::new(&self.url, Trouble::Away, "no connection"))
    }

    fn told<T>(&mut self, done: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>) -> Result<T, StoreError> {
        let error = match done {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => StoreError::of(&self.url, &error),
            Err(_) => StoreError::new(&self.url, Trouble::Away, "no answer within 120 s"),
        };
        self.disconnect();
        Err(error)
    }
}

/// `(?,?),(?,?)`
#[must_use]
pub fn places(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(","));
    vec![row.as_str(); rows].join(",")
}
