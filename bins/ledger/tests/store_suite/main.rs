//! One suite for every kind of database: SQLite in a file; with the feature `databases` a real MariaDB and a real PostgreSQL, started in temporary folders as an
//! unprivileged user. Numbers such as §5.2 are those of the description of this store.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

#[path = "../support/databases.rs"]
mod databases;
mod journal;
mod servers;
mod suite;
