//! The tables: made and changed by numbered steps, each of which is noted with its checksum.
//!
//! Two programs that start at the same moment do it one after the other: a lock of the server, for SQLite that of the file. MySQL cannot undo a step that
//! ended half-way, so a step can be done again over what it has done.

use aws_lc_rs::digest::{SHA256, digest};

use super::{Engine, Kind, Store, StoreError, Trouble, Value};

/// One step for each kind of database.
#[derive(Debug)]
struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    mysql: &'static str,
    postgres: &'static str,
}

const STEPS: &[Step] = &[Step {
    version: 1,
    name: "outgoing",
    sqlite: include_str!("../../migrations/sqlite/0001_outgoing.sql"),
    mysql: include_str!("../../migrations/mysql/0001_outgoing.sql"),
    postgres: include_str!("../../migrations/postgres/0001_outgoing.sql"),
}];

/// The version of the tables that this program works with.
pub const VERSION: i64 = 1;

/// How long another program may take for its steps.
const PATIENCE_SECONDS: u32 = 60;

/// Steps that were done, and what is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The version that the database has; 0 for none.
    pub version: i64,
    /// The one that this program works with.
    pub wanted: i64,
}

impl Schema {
    /// Whether the program can work.
    #[must_use]
    pub fn is_current(self) -> bool {
        self.version == self.wanted
    }
}

impl Step {
    fn sql(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::MySql => self.mysql,
            Engine::Postgres => self.postgres,
        }
    }
}

/// What the database has; changes nothing in it.
///
/// # Errors
///
/// When it cannot be asked, when its tables are somebody else's, when a step was another one than ours of that number, and when it is of a newer program.
pub async fn check(store: &mut Store) -> Result<Schema, StoreError> {
    if !tables(store).await?.iter().any(|name| name == "schema_migration") {
        return Ok(Schema { version: 0, wanted: VERSION });
    }
    noted(store).await
}

/// The tables and views that the database has.
async fn tables(store: &mut Store) -> Result<Vec<String>, StoreError> {
    let sql = match store.engine() {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        }
        Engine::MySql => {
            "SELECT CAST(table_name AS CHAR(64)) FROM information_schema.tables WHERE table_schema = DATABASE()"
        }
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE table_schema = current_schema()"
        }
    };
    let rows = store.fetch(sql, &[], &[Kind::Text]).await?;
    Ok(rows.iter().flatten().map(|cell| cell.text().to_owned()).collect())
}

/// Refuses tables of somebody else where no step was done yet. A file of SQLite is ours alone; a database of a server may have other tables, but none by the names of
/// ours. MySQL alone can have those of a step that ended half-way.
async fn refuse_foreign(store: &mut Store) -> Result<(), StoreError> {
    let engine = store.engine();
    let ours: Vec<&str> = STEPS.iter().flat_map(|step| made(step.sql(engine))).collect();
    let is_foreign = |name: &str| match engine {
        Engine::Sqlite => true,
        Engine::MySql => false,
        Engine::Postgres => ours.contains(&name),
    };
    let found = tables(store).await?;
    match found.iter().find(|name| *name != "schema_migration" && is_foreign(name)) {
        Some(name) => {
            let cause = format!("it has a table `{name}`, and no note that it is of this program");
            Err(StoreError::new(store.url(), Trouble::Foreign, cause))
        }
        None => Ok(()),
    }
}

/// The tables that a step makes.
fn made(sql: &str) -> impl Iterator<Item = &str> {
    let lines = sql.lines().filter_map(|line| line.strip_prefix("CREATE TABLE IF NOT EXISTS "));
    lines.map(|rest| rest.trim_end_matches(" ("))
}

/// What the notes of the steps say.
async fn noted(store: &mut Store) -> Result<Schema, StoreError> {
    let sql = "SELECT version, checksum FROM schema_migration ORDER BY version";
    let done = store.fetch(sql, &[], &[Kind::Int, Kind::Text]).await.map_err(|error| match error.trouble {
        Trouble::Schema => StoreError { trouble: Trouble::Foreign, ..error },
        _ => error,
    })?;
    let mut version = 0;
    for row in &done {
        let (Some(number), Some(checksum)) = (row.first(), row.get(1)) else { continue };
        let Some(step) = STEPS.iter().find(|step| step.version == number.int()) else {
            let cause = format!(
                "its tables are of version {}, and this program knows {VERSION}: use a newer program",
                number.int()
            );
            return Err(StoreError::new(store.url(), Trouble::Schema, cause));
        };
        if checksum.text() != checksum_of(step.sql(store.engine())) {
            let cause =
                format!("step {} of its tables was another one than `{}` of this program", step.version, step.name);
            return Err(StoreError::new(store.url(), Trouble::Schema, cause));
        }
        version = step.version;
    }
    Ok(Schema { version, wanted: VERSION })
}

/// Does the steps that are missing; how many those were.
///
/// # Errors
///
/// As [`check`], and what the database says of a step.
pub async fn migrate(store: &mut Store, now: i64) -> Result<usize, StoreError> {
    let unlock = lock(store).await?;
    let done = steps(store, now).await;
    if let Some(sql) = unlock.filter(|_| done.is_ok()) {
        store.fetch(sql, &[], &[]).await?;
    }
    if done.is_err() {
        // The lock goes with the connection.
        store.disconnect();
    }
    done
}

async fn steps(store: &mut Store, now: i64) -> Result<usize, StoreError> {
    let is_sqlite = store.engine() == Engine::Sqlite;
    let text = if store.engine() == Engine::MySql { "VARCHAR(100)" } else { "TEXT" };
    let table = format!(
        "CREATE TABLE IF NOT EXISTS schema_migration (version BIGINT NOT NULL PRIMARY KEY, name {text} NOT NULL, checksum {text} NOT NULL, applied_at BIGINT NOT NULL)"
    );
    store.script(&table).await?;
    let schema = noted(store).await?;
    if schema.version == 0 {
        refuse_foreign(store).await?;
    }
    let mut count: usize = 0;
    for step in STEPS.iter().filter(|step| step.version > schema.version) {
        let sql = step.sql(store.engine());
        if !is_sqlite {
            store.begin().await?;
        }
        store.script(sql).await?;
        let checksum = checksum_of(sql);
        let row = [Value::Int(step.version), Value::Text(step.name), Value::Text(&checksum), Value::Int(now)];
        store
            .execute(
                "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
                &row,
                false,
            )
            .await?;
        if !is_sqlite {
            store.commit().await?;
        }
        count = count.saturating_add(1);
    }
    if is_sqlite {
        store.commit().await?;
    }
    Ok(count)
}

/// Keeps others away; what lets them in again.
async fn lock(store: &mut Store) -> Result<Option<&'static str>, StoreError> {
    match store.engine() {
        Engine::Sqlite => {
            store.begin().await?;
            Ok(None)
        }
        Engine::MySql => {
            // Names of locks are those of the whole server.
            let sql = format!("SELECT GET_LOCK(CONCAT('postseal.', MD5(DATABASE())), {PATIENCE_SECONDS})");
            if store.number(&sql, &[]).await? == 1 {
                return Ok(Some("DO RELEASE_LOCK(CONCAT('postseal.', MD5(DATABASE())))"));
            }
            Err(StoreError::new(store.url(), Trouble::Busy, "another program changes its tables"))
        }
        Engine::Postgres => {
            store.fetch("SELECT pg_advisory_lock(7296110201)", &[], &[]).await?;
            Ok(Some("SELECT pg_advisory_unlock(7296110201)"))
        }
    }
}

/// SHA-256, in hexadecimal digits.
fn checksum_of(sql: &str) -> String {
    digest(&SHA256, sql.as_bytes()).as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_the_numbers_from_one_to_the_version() {
        let numbers: Vec<i64> = STEPS.iter().map(|step| step.version).collect();
        assert_eq!(numbers, (1..=VERSION).collect::<Vec<_>>());
    }

    #[test]
    fn a_step_makes_the_same_tables_in_each_kind() {
        let tables = |sql: &'static str| made(sql).collect::<Vec<_>>();
        for step in STEPS {
            assert_eq!(tables(step.sqlite), tables(step.mysql));
            assert_eq!(tables(step.sqlite), tables(step.postgres));
            assert!(tables(step.sqlite).len() > 10);
        }
    }
}
