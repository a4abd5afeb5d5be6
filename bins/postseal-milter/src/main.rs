//! The Postseal daemon: reads its arguments and calls `engine`.

#![forbid(unsafe_code)]

mod arguments;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use engine::daemon::{self, Daemon, Failure};
use engine::start::{CONFIG, Request, USAGE};

use self::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let check_config = arguments.check_config;
    let request = arguments.request();
    if check_config {
        return match daemon::in_runtime(async { Ok(daemon::check(&request)) }) {
            Ok(Ok(findings)) => say(&findings.to_string(), ExitCode::SUCCESS),
            Ok(Err(findings)) => say(&findings.to_string(), CONFIG.into()),
            Err(failure) => say(&failure.text, failure.code.into()),
        };
    }
    match daemon::in_runtime(serve(request)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => say(&format!("postseal-milter: {}\n", failure.text.trim_end()), failure.code.into()),
    }
}

async fn serve(request: Request) -> Result<(), Failure> {
    let daemon = Daemon::prepare(request)?;
    let _ = say(&daemon.findings().to_string(), ExitCode::SUCCESS);
    let _ = write!(std::io::stdout(), "{}", daemon.instructions());
    daemon.run().await
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    let _ = write!(std::io::stderr(), "{text}");
    code
}
