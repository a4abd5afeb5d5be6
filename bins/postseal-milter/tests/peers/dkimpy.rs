//! Debian's `dkimsign` and `dkimverify`, which read a message from standard input.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::cells::Key;
use crate::keys::{Keys, SELECTOR};

const SIGN: &str = "/usr/bin/dkimsign";
const VERIFY: &str = "/usr/bin/dkimverify";

/// Debian's Python, for which its package is: another may come first on the path.
const PYTHON: &str = "/usr/bin/python3";

/// Time for one message of 5 MB, many times over.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Python that runs them one after the other, see `python/many.py`; ends with its standard input.
pub(crate) struct Dkimpy {
    process: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
    folder: PathBuf,
}

impl Dkimpy {
    pub(crate) fn start(work: &Path, nameserver: u16, name: &str) -> Self {
        let folder = work.join("dkimpy").join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut process = program(PYTHON, nameserver)
            .arg(scripts().join("many.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = process.stdin.take();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, answers) = mpsc::channel();
        // Ends with the process.
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { process, requests, answers, folder }
    }

    pub(crate) fn sign(
        &mut self,
        keys: &Keys,
        key: Key,
        header: &str,
        body: &str,
        message: &[u8],
    ) -> Result<Vec<u8>, String> {
        let arguments = signing_arguments(keys, key, header, body);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let signed = self.run(SIGN, &arguments, message)?;
        // After an error it hands on the message as it was, and ends well.
        if signed.len() > message.len() { Ok(signed) } else { Err("not signed".to_owned()) }
    }

    /// `Err` has what it said.
    pub(crate) fn verify(&mut self, message: &[u8]) -> Result<(), String> {
        self.verify_at(0, message)
    }

    /// The same for the signature with this number from the top.
    pub(crate) fn verify_at(&mut self, index: usize, message: &[u8]) -> Result<(), String> {
        let said = self.run(VERIFY, &["--index", &index.to_string()], message)?;
        if said == b"signature ok\n" { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
    }

    /// What the program wrote to standard output; `Err` has the last of its complaints.
    fn run(&mut self, program: &str, arguments: &[&str], message: &[u8]) -> Result<Vec<u8>, String> {
        let (input, output) = (self.folder.join("in"), self.folder.join("out"));
        fs::write(&input, message).unwrap();
        let mut words = vec![input.to_str().unwrap(), output.to_str().unwrap(), program];
        words.extend(arguments);
        let requests = self.requests.as_mut().unwrap();
        writeln!(requests, "{}", words.join("\t")).unwrap();
        requests.flush().unwrap();
        let answer = self.answers.recv_timeout(PATIENCE).unwrap();
        match answer.split_once('\t').unwrap() {
            ("0", "") => Ok(fs::read(output).unwrap()),
            (_, complaint) => Err(complaint.to_owned()),
        }
    }
}

impl Drop for Dkimpy {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The two programs as processes of their own.
pub(crate) fn sign_as_process(
    keys: &Keys,
    key: Key,
    header: &str,
    body: &str,
    nameserver: u16,
    message: &[u8],
) -> Output {
    let mut command = program(SIGN, nameserver);
    command.args(signing_arguments(keys, key, header, body));
    feed(command, message)
}

pub(crate) fn verify_as_process(nameserver: u16, message: &[u8]) -> Output {
    feed(program(VERIFY, nameserver), message)
}

fn feed(mut command: Command, message: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Small enough to fit in the pipe.
    child.stdin.take().unwrap().write_all(message).unwrap();
    child.wait_with_output().unwrap()
}

/// A program in Python that asks our name server, see `python/sitecustomize.py`.
fn program(path: &str, nameserver: u16) -> Command {
    assert!(Path::new(path).is_file(), "`{path}` is not installed; scripts/test installs what these tests need");
    let mut command = Command::new(path);
    command
        .env("PYTHONPATH", scripts())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PEERS_NAMESERVER", format!("127.0.0.1:{nameserver}"));
    command
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/python")
}

fn signing_arguments(keys: &Keys, key: Key, header: &str, body: &str) -> Vec<String> {
    let (file, domain) = (keys.for_dkimpy(key), key.domain());
    let options = [("--hcanon", header), ("--bcanon", body), ("--signalg", key.algorithm())];
    let options = options.into_iter().flat_map(|(name, value)| [name, value]).map(str::to_owned);
    [SELECTOR.to_owned(), domain, file.to_str().unwrap().to_owned()].into_iter().chain(options).collect()
}
