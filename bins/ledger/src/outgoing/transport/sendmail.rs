//! By the program `sendmail` that every MTA has.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::{DATA_TIMEOUT, MAX_TEXT, Outcome, bounded};

/// Exit codes of sysexits.h that another attempt does not change: usage, data, no input, no user, no host.
const FOR_GOOD: [i32; 5] = [64, 65, 66, 67, 68];

/// Sends one message.
pub(super) async fn send(program: &Path, sender: &str, recipient: &str, message: &[u8]) -> Outcome {
    // `--` ends the options: an address is never one. `-i`: a line with a dot alone ends nothing.
    let mut command = Command::new(program);
    command.args(["-i", "-f", sender, "--", recipient]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Outcome::Later(bounded(&format!("{}: {error}", program.display()))),
    };
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stderr.take()) else {
        return Outcome::Later(format!("{}: no pipes", program.display()));
    };
    let text = with_line_feeds(message);
    let running = async {
        // Both at once: a program that says much before it has read all would wait for us, and we for it.
        let writing = async {
            let written = input.write_all(&text).await;
            drop(input);
            written
        };
        let reading = async {
            let mut said = Vec::new();
            let most = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX);
            let _ = (&mut output).take(most).read_to_end(&mut said).await;
            let _ = tokio::io::copy(&mut output, &mut tokio::io::sink()).await;
            said
        };
        let (written, said) = tokio::join!(writing, reading);
        (written, said, child.wait().await)
    };
    match timeout(DATA_TIMEOUT, running).await {
        Err(_elapsed) => Outcome::Unknown(format!("{} did not end in time and was killed", program.display())),
        Ok((_, _, Err(error))) => Outcome::Unknown(bounded(&format!("{}: {error}", program.display()))),
        // What it did not read it cannot have taken, whatever it says.
        Ok((Err(error), said, Ok(status))) if status.success() => {
            Outcome::Later(told(program, status, &[said, error.to_string().into_bytes()].concat()))
        }
        Ok((_, said, Ok(status))) => outcome(program, status, &said),
    }
}

fn outcome(program: &Path, status: ExitStatus, said: &[u8]) -> Outcome {
    let text = told(program, status, said);
    match status.code() {
        Some(0) => Outcome::Sent(text),
        Some(67 | 68) => Outcome::RefusedRecipient(text),
        Some(code) if FOR_GOOD.contains(&code) => Outcome::Refused(text),
        Some(_) => Outcome::Later(text),
        None => Outcome::Unknown(text),
    }
}

fn told(program: &Path, status: ExitStatus, said: &[u8]) -> String {
    bounded(format!("{}: {status} {}", program.display(), String::from_utf8_lossy(said).trim()).trim_end())
}

/// As programs on this system have texts. The MTA makes CRLF of it again.
fn with_line_feeds(message: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(message.len());
    let mut octets = message.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        if !(octet == b'\r' && octets.peek() == Some(&b'\n')) {
            text.push(octet);
        }
    }
    text
}
