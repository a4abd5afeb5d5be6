//! What all SQL databases have to do alike.

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor, query};

use crate::ask::{failure, fields, open, slow_is_cut};

/// The operator of a database, who makes tables.
pub(crate) enum Admin {
    MySql(MySqlConnection),
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Admin {
    /// Runs statements.
    pub(crate) async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::MySql(connection) => connection.execute(sql).await.map(drop),
            Self::Postgres(connection) => connection.execute(sql).await.map(drop),
            Self::Sqlite(connection) => connection.execute(sql).await.map(drop),
        }
        .unwrap();
    }

    /// Puts a row with any key into `mail_keys`.
    async fn insert(&mut self, key: &str, value: &str) {
        const SQL: &str = "INSERT INTO mail_keys (name, domain) VALUES (?, ?)";
        match self {
            Self::MySql(connection) => query(SQL).bind(key).bind(value).execute(connection).await.map(drop),
            Self::Postgres(connection) => {
                let sql = "INSERT INTO mail_keys (name, domain) VALUES ($1, $2)";
                query(sql).bind(key).bind(value).execute(connection).await.map(drop)
            }
            Self::Sqlite(connection) => query(SQL).bind(key).bind(value).execute(connection).await.map(drop),
        }
        .unwrap();
    }
}

/// The table: `text` is the type of a text of any length. `odd name` has a column of that name too.
pub(crate) async fn fill(admin: &mut Admin, text: &str) {
    admin.run(&format!("CREATE TABLE mail_keys (name {text} NOT NULL, domain {text}, selector VARCHAR(63), size INTEGER, active INTEGER)")).await;
    admin.run("INSERT INTO mail_keys VALUES ('example.com', 'd.example', 'sel', 2048, 1)").await;
    admin.run("INSERT INTO mail_keys VALUES ('other.example', NULL, 'x', NULL, 1)").await;
    admin.run("INSERT INTO mail_keys VALUES ('off.example', 'off', 'x', 1, 0)").await;
    admin.run("INSERT INTO mail_keys VALUES ('twice.example', 'same', 'x', 1, 1)").await;
    admin.run("INSERT INTO mail_keys VALUES ('twice.example', 'same', 'x', 1, 1)").await;
}

/// Keys that are parts of a command, patterns, or escapes somewhere.
fn hostile() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a'b",
        "a\"b",
        "a`b",
        "a\\b",
        "a\\'b",
        "a\\",
        "'",
        "''",
        "a%",
        "a_",
        "%",
        "_",
        "a;--",
        "a--",
        "/*",
        "?",
        "$1",
        ":name",
        "@x",
        "{d}",
        "'; DROP TABLE mail_keys; --",
        "' OR '1'='1",
        "\" OR \"1\"=\"1",
        "\\' OR 1=1 -- ",
        "é",
        "ß",
        "😀",
        "a\nb",
        "a\r\nb",
        "a\tb",
        "\u{202e}a",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.push("x".repeat(10 * 1024));
    keys.push("'".repeat(10 * 1024));
    keys
}

/// `base` is the DSN up to its parameters.
pub(crate) async fn suite(admin: &mut Admin, base: &str) {
    let dsn = |parameters: &str| format!("dsn:{base}/{parameters}");
    let table = "table=mail_keys?keycol=name?datacol";

    // Found, not found, several columns, NULL, numbers.
    let all = open(&dsn(&format!("{table}=domain,selector,size")));
    assert_eq!(fields(&all, "example.com").await.unwrap(), ["d.example", "sel", "2048"]);
    assert_eq!(fields(&all, "other.example").await.unwrap(), ["", "x", ""]);
    assert_eq!(fields(&all, "none.example").await, None);
    assert_eq!(
        fields(&open(&dsn(&format!("{table}=size,domain"))), "example.com").await.unwrap(),
        ["2048", "d.example"]
    );
    let one = open(&dsn(&format!("{table}=domain")));
    assert_eq!(fields(&one, "example.com").await.unwrap(), ["d.example"]);
    assert_eq!(fields(&one, "twice.example").await.unwrap(), ["same"], "the first of several");

    // Filter; `=3D1` is `=1`, and a comment at its end swallows nothing.
    let filtered = open(&dsn(&format!("{table}=domain?filter=active=3D1 OR active=3D7 -- all")));
    assert!(fields(&filtered, "example.com").await.is_some());
    assert_eq!(fields(&filtered, "off.example").await, None);
    assert_eq!(fields(&filtered, "none.example").await, None, "the filter is in parentheses");
    assert!(fields(&one, "off.example").await.is_some());

    // Hostile keys: none of them finds a row that is not its own.
    for key in hostile() {
        assert_eq!(fields(&one, &key).await, None, "{key:.20}");
    }
    assert_eq!(fields(&one, "example.com\0").await, None);
    assert_eq!(fields(&one, "\0").await, None);
    for (key, number) in hostile().iter().zip(0..) {
        admin.insert(key, &format!("row {number}")).await;
    }
    for (key, number) in hostile().iter().zip(0..) {
        assert_eq!(fields(&one, key).await.unwrap(), [format!("row {number}")], "{key:.20}");
    }
    assert_eq!(fields(&one, "axb").await, None);
    assert_eq!(fields(&one, "example_com").await, None);

    // Names that need quotes.
    let quote = if matches!(admin, Admin::MySql(_)) { '`' } else { '"' };
    admin
        .run(&format!(
            "CREATE TABLE {quote}Odd name{quote} ({quote}the key{quote} VARCHAR(99), {quote}select{quote} VARCHAR(99))"
        ))
        .await;
    admin.run(&format!("INSERT INTO {quote}Odd name{quote} VALUES ('k', 'v')")).await;
    let odd = open(&dsn("table=Odd=20name?keycol=the=20key?datacol=select"));
    assert_eq!(fields(&odd, "k").await.unwrap(), ["v"]);

    // What is not there is an error that names it, and not an answer.
    for (parameters, name) in [
        ("table=nothing?keycol=name?datacol=domain", "nothing"),
        ("table=mail_keys?keycol=nothing?datacol=domain", "nothing"),
        ("table=mail_keys?keycol=name?datacol=nothing", "nothing"),
    ] {
        let error = failure(&open(&dsn(parameters)), "example.com").await;
        assert!(error.contains(name), "{parameters}: {error}");
    }

    // A table that is changed while we are connected.
    admin.run("CREATE TABLE changing (name VARCHAR(99), a VARCHAR(9), b INTEGER)").await;
    admin.run("INSERT INTO changing VALUES ('k', 'one', 2)").await;
    let changing = open(&dsn("table=changing?keycol=name?datacol=a"));
    assert_eq!(fields(&changing, "k").await.unwrap(), ["one"]);
    admin.run("DROP TABLE changing").await;
    admin.run("CREATE TABLE changing (a INTEGER, name VARCHAR(99))").await;
    admin.run("INSERT INTO changing VALUES (1, 'k')").await;
    assert_eq!(fields(&changing, "k").await.unwrap(), ["1"]);

    // Many at once.
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let all = all.clone();
            tokio::spawn(async move { all.look_up("example.com").await.unwrap().unwrap().len() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 3);
    }
}

/// A statement that takes 5 s is cut by the engine's limit; `slow` is an expression of SQL that takes as long and is true.
pub(crate) async fn slow(base: &str, slow: &str) {
    let quick = format!("dsn:{base}/table=mail_keys?keycol=name?datacol=domain");
    slow_is_cut(&format!("{quick}?filter={slow}"), &quick, "example.com", "example.com").await;
}

/// With another password there is an error, and it has no password.
pub(crate) async fn wrong_password(base: &str, word: &str) {
    let lookup = open(&format!("dsn:{base}/table=mail_keys?keycol=name?datacol=domain"));
    let error = failure(&lookup, "example.com").await;
    assert!(error.contains(word), "{error}");
    assert!(!error.contains("wr0ng") && !format!("{lookup:?}").contains("wr0ng"), "{error}");
}
