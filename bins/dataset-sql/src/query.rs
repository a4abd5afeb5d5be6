//! The one statement of a `dsn:`. The key is a parameter of it and never a part of its text.
//!
//! Columns are asked for as text, so that numbers come as they are written. Names are quoted. PostgreSQL folds names to lower case where they are not
//! quoted, as OpenDKIM wrote them, so plain ones are folded here; a name that is quoted in the configuration is taken as it is.

use engine::dataset::OpenError;

use crate::dsn::{Backend, Dsn};
use crate::words::open_error;

/// Octets of one name of a table or column.
pub const MAX_IDENTIFIER: usize = 128;

const FIX: &str =
    "name a table or a column as the database has it; for anything else make a view in the database and name that";

/// The statement for `dsn`.
pub(crate) fn statement(dsn: &Dsn) -> Result<String, OpenError> {
    let name = |name: &str| identifier(dsn.backend, name);
    let columns: Vec<String> = dsn
        .columns
        .iter()
        .map(|column| {
            let kind = if dsn.backend == Backend::MySql { "CHAR" } else { "TEXT" };
            Ok(format!("CAST({} AS {kind})", name(column)?))
        })
        .collect::<Result<_, OpenError>>()?;
    let table: Vec<String> = dsn.table.split('.').map(name).collect::<Result<_, _>>()?;
    let parameter = if dsn.backend == Backend::Postgres { "$1" } else { "?" };
    // A line of its own: a comment at the end of the filter swallows nothing.
    let filter = dsn.filter.as_ref().map(|filter| format!(" AND ({filter}\n)")).unwrap_or_default();
    Ok(format!(
        "SELECT {} FROM {} WHERE {} = {parameter}{filter} LIMIT 1",
        columns.join(", "),
        table.join("."),
        name(&dsn.key_column)?
    ))
}

/// A name in quotes. SQLite takes a name in double quotes that it does not know for a text, but not one in grave accents.
fn identifier(backend: Backend, name: &str) -> Result<String, OpenError> {
    let quote = if backend == Backend::Postgres { '"' } else { '`' };
    let inner = ['"', '`'].into_iter().find_map(|sign| name.strip_prefix(sign)?.strip_suffix(sign));
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let is_allowed = |c: char| is_plain(c) || matches!(c, ' ' | '-' | ',' | '#' | '@' | '/' | ':');
    let bare = inner.unwrap_or(name);
    if bare.is_empty() || bare.len() > MAX_IDENTIFIER || !bare.chars().all(is_allowed) {
        return Err(open_error("the data set of the type `dsn` has a name of a table or column that is none", FIX));
    }
    let folds = backend == Backend::Postgres && inner.is_none() && bare.chars().all(is_plain);
    Ok(if folds { format!("{quote}{}{quote}", bare.to_ascii_lowercase()) } else { format!("{quote}{bare}{quote}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> Result<String, OpenError> {
        statement(&Dsn::parse(text)?)
    }

    #[test]
    fn s2_1_the_key_is_a_parameter_and_names_are_quoted() {
        assert_eq!(
            sql("mysql://h/d/table=Mail.T?keycol=K?datacol=a,b").unwrap(),
            "SELECT CAST(`a` AS CHAR), CAST(`b` AS CHAR) FROM `Mail`.`T` WHERE `K` = ? LIMIT 1"
        );
        assert_eq!(
            sql("pgsql://h/d/table=Mail.T?keycol==22Key=22?datacol=A?filter=on=3D'y'--").unwrap(),
            "SELECT CAST(\"a\" AS TEXT) FROM \"mail\".\"t\" WHERE \"Key\" = $1 AND (on='y'--\n) LIMIT 1"
        );
        assert_eq!(
            sql("sqlite://d/table=T?keycol=K?datacol=a").unwrap(),
            "SELECT CAST(`a` AS TEXT) FROM `T` WHERE `K` = ? LIMIT 1"
        );
    }

    #[test]
    fn s2_1_what_is_no_name_is_refused() {
        for name in ["t;DROP", "t)", "a`b", "a=22b", "=27", "t=0Ax", "=22=22", "f(x)", "*", &"x".repeat(129)] {
            for backend in ["mysql", "pgsql", "sqlite"] {
                assert!(sql(&format!("{backend}://h/d/table=t?keycol=k?datacol={name}")).is_err(), "{backend} {name}");
                assert!(sql(&format!("{backend}://h/d/table=t?keycol={name}?datacol=c")).is_err(), "{backend} {name}");
                assert!(sql(&format!("{backend}://h/d/table={name}?keycol=k?datacol=c")).is_err(), "{backend} {name}");
            }
        }
        assert!(sql("mysql://h/d/table=a..b?keycol=k?datacol=c").is_err());
    }
}
