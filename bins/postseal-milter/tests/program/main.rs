//! The program as an operator meets it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

mod activation;
mod instances;
mod journal;
mod mta;
mod old_lines;
mod old_process;
mod reload;
mod running;
mod service_manager;
mod start;
mod tables;
