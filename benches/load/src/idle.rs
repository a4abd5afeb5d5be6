//! Memory of a daemon with many connections that do nothing.

use std::time::Duration;

use crate::LoadError;
use crate::check::Checker;
use crate::client::Client;
use crate::mail::Mail;
use crate::process;
use crate::report::IdleReport;
use crate::run::Plan;
use crate::target::Target;

/// Time in which a daemon gives back what it can.
const SETTLE: Duration = Duration::from_millis(500);

/// Opens connections up to HELO and leaves them alone, then sends one message on each, then closes them.
///
/// # Errors
///
/// [`LoadError`]; also when the target has no process number.
pub fn idle(plan: &Plan, target: &Target, mails: &[Mail], checker: &Checker) -> Result<IdleReport, LoadError> {
    let pid = target.pid.ok_or_else(|| LoadError::Setup("the target needs a process number".to_owned()))?;
    let memory = || {
        std::thread::sleep(SETTLE);
        process::memory(pid)
    };
    let before = process::memory(pid)?;
    let mut clients = Vec::new();
    for _ in 0..plan.connections {
        clients.push(Client::open(&target.socket, plan.pattern, &plan.client)?);
    }
    let open = memory()?;
    for (client, mail) in clients.iter_mut().zip(mails.iter().cycle()) {
        client.send(mail, "4ZxQ3kYzRz")?;
        checker.check(mail, client.message())?;
    }
    let used = memory()?;
    for client in clients {
        client.quit()?;
    }
    Ok(IdleReport {
        target: target.name.clone(),
        socket: target.socket.kind(),
        connections: plan.connections,
        before,
        open,
        used,
        closed: memory()?,
    })
}
