//! The load tool: reads its arguments and calls `milter_load`.

#![forbid(unsafe_code)]

mod arguments;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    arguments::run_with(arguments::Arguments::parse())
}
