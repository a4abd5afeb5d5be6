//! The Postseal daemon: reads its arguments and calls `engine`.

#![forbid(unsafe_code)]

mod arguments;
mod old_names;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use engine::daemon::{self, Daemon, Failure};
use engine::process;
use engine::start::{CONFIG, Request, Source, USAGE};

use self::arguments::Arguments;
use self::old_names::{Program, Run, Wanted};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if let Some(program) = arguments.next().as_deref().and_then(Program::called) {
        return match program.read(arguments) {
            Ok(Wanted::Run(run)) => start(*run),
            Ok(Wanted::Version) => print(concat!("Postseal v", env!("CARGO_PKG_VERSION"), "\n")),
            Ok(Wanted::Help) => print(&program.help()),
            Err(words) => say(&format!("{words}\n{}", program.help()), USAGE.into()),
        };
    }
    match Arguments::try_parse() {
        Ok(arguments) => {
            let (options, check) = (arguments.options(), arguments.check_config);
            start(Run { request: arguments.request(), options, check })
        }
        Err(error) => {
            let _ = error.print();
            if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS }
        }
    }
}

fn start(Run { request, options, check }: Run) -> ExitCode {
    let is_old = matches!(request.source, Source::OldFiles { .. });
    if check {
        let found = if is_old { process::check(request, &options) } else { checked(&request) };
        return match found {
            Ok(findings) => say(&findings.to_string(), ExitCode::SUCCESS),
            Err(failure) => say(&format!("{}\n", failure.text.trim_end()), failure.code.into()),
        };
    }
    let ended = if is_old { process::run(request, &options) } else { daemon::in_runtime(serve(request)).map(|()| 0) };
    match ended {
        Ok(code) => code.into(),
        Err(failure) => say(&format!("postseal-milter: {}\n", failure.text.trim_end()), failure.code.into()),
    }
}

fn checked(request: &Request) -> Result<engine::config::Diagnostics, Failure> {
    let found = daemon::in_runtime(async { Ok(daemon::check(request)) })?;
    found.map_err(|findings| Failure { text: findings.to_string(), code: CONFIG })
}

async fn serve(request: Request) -> Result<(), Failure> {
    let daemon = Daemon::prepare(request)?;
    let _ = say(&daemon.findings().to_string(), ExitCode::SUCCESS);
    let _ = write!(std::io::stdout(), "{}", daemon.instructions());
    daemon.run().await
}

fn print(text: &str) -> ExitCode {
    let _ = write!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    let _ = write!(std::io::stderr(), "{text}");
    code
}
