//! Data sets outside of the process, in real servers: MariaDB, PostgreSQL and OpenLDAP are started in temporary folders as an unprivileged user; Postfix's
//! `postmap` asks our idea of a `socketmap:` server. Numbers such as §2.1 are those of the description of OpenDKIM.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

mod ask;
mod ldap;
mod mariadb;
mod postgres;
mod socketmap;
mod sqlite;
mod suite;
