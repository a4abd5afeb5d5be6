//! The process as OpenDKIM and OpenDMARC run it: real processes, as root, which becomes another user.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use crate::running::{PROGRAM, Running};

const PATIENCE: Duration = Duration::from_secs(30);

/// A user that no machine has a name for.
const SOMEBODY: u32 = 54_321;

/// A folder with a configuration file, and whatever runs from it: ended with the test.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    /// `@` stands for the folder.
    fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        let site = Self { folder };
        site.configure(&format!("Socket local:@/run/s\nPidFile @/run/p.pid\n{lines}"));
        site
    }

    fn configure(&self, lines: &str) {
        let at = self.folder.path().display().to_string();
        fs::write(self.path("o.conf"), lines.replace('@', &at)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command line under the name of an old program, as a unit file has it.
    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let link = self.path(name);
        if !link.exists() {
            // A copy, because other users may not enter the folder in which it was built.
            fs::copy(PROGRAM, &link).unwrap();
        }
        let mut command = Command::new(&link);
        command.arg0(&link).current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Starts it in the background: exit code, and what it says.
    fn start(&self) -> (Option<i32>, String) {
        // Pipes would be read to their end: whoever leaves the terminal has to close them.
        let Output { status, stdout, stderr } = self.command("opendkim", &["-x", "o.conf"]).output().unwrap();
        (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(fs::read_to_string(self.path("run/p.pid")).unwrap().trim_end().parse().unwrap())
    }

    fn answers(&self) -> bool {
        UnixStream::connect(self.path("run/s")).is_ok()
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    /// Every process that was started from this folder.
    fn processes(&self) -> Vec<Pid> {
        let link = self.path("opendkim");
        let here = |pid: &i32| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|octet| *octet == 0).next() == Some(link.as_os_str().as_encoded_bytes()))
        };
        let numbers =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        numbers.filter(here).map(Pid::from_raw).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// A field of `/proc/PID/status`.
fn status(pid: Pid, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_gone(pid: Pid) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists() || status(pid, "State").starts_with('Z')
}

fn children(pid: Pid) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

fn is_root() -> bool {
    Uid::effective().is_root()
}

#[test]
fn s1_2_background_ends_when_mail_is_served_with_the_pid_written_and_sigterm_removes_it() {
    for (umask, socket, pid_file) in [("007", 0o770, 0o660), ("002", 0o775, 0o664)] {
        let site = Site::new(&format!("Mode v\nUMask {umask}\n"));
        fs::write(site.path("run/p.pid"), "99999999\nof a daemon that was killed\n").unwrap();
        let (code, said) = site.start();
        assert_eq!(code, Some(0), "{said}");
        // All of this is so at the moment when the first process has ended: `Type=forking`.
        let pid = site.pid();
        assert!(site.answers());
        assert_eq!((site.mode("run/s"), site.mode("run/p.pid")), (socket, pid_file), "UMask {umask}");
        assert_eq!(site.processes(), [pid]);
        assert_eq!(nix::unistd::getsid(Some(pid)), Ok(pid), "it has no terminal");
        assert_eq!(status(pid, "Name"), "opendkim");
        let output = fs::read_link(format!("/proc/{pid}/fd/1")).unwrap();
        assert_eq!(output, Path::new("/dev/null"));
        kill(pid, Signal::SIGTERM).unwrap();
        site.wait("the end", || is_gone(pid));
        assert!(!site.path("run/p.pid").exists() && !site.path("run/s").exists());
    }
}

#[test]
fn s1_1_a_start_that_fails_has_the_exit_code_and_words_of_the_daemon() {
    let site = Site::new("Mode v\nNoSuchOption 1\n");
    let (code, said) = site.start();
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("NoSuchOption"), "{said}");
    site.configure("Socket local:@/nowhere/s\nPidFile @/run/p.pid\nMode v\n");
    let (code, said) = site.start();
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("cannot listen on unix:"), "{said}");
    assert!(!site.path("run/p.pid").exists(), "no empty pid file");
    site.configure("Socket local:@/run/s\nMode v\nAutoRestart yes\nSocket local:@/nowhere/s\n");
    let (code, said) = site.start();
    assert_eq!(code, Some(69), "a daemon that never served is not started again: {said}");
    assert_eq!(site.processes(), []);
}

#[test]
fn s1_1_a_key_file_that_cannot_be_used_ends_the_start_with_78() {
    let single = "Domain example.com\nSelector s\nKeyFile @/key\n";
    let site = Site::new(&format!("Mode sv\n{single}"));
    for (key, words) in [(None, "there is no key file"), (Some("no key\n"), "E-KEY-FORMAT")] {
        if let Some(text) = key {
            fs::write(site.path("key"), text).unwrap();
            fs::set_permissions(site.path("key"), Permissions::from_mode(0o600)).unwrap();
            site.configure(&format!("Socket local:@/run/s\nMode sv\nRequireSafeKeys no\n{single}"));
        }
        for arguments in [&["-n", "-x", "o.conf"][..], &["-x", "o.conf"]] {
            let output = site.command("opendkim", arguments).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(78), "{said}");
            assert!(said.contains("o.conf:") && said.contains("KeyFile") && said.contains(words), "{said}");
        }
    }
    site.configure(&format!("Socket local:@/run/s\nPidFile @/run/p.pid\nMode v\n{single}"));
    assert_eq!(site.start().0, Some(0), "who only verifies needs no key");
}

#[test]
fn s1_1_n_checks_and_ends_with_0_or_78() {
    let site = Site::new("Mode v\n");
    let check = |arguments: &[&str]| site.command("opendkim", arguments).status().unwrap().code();
    assert_eq!(check(&["-n", "-x", "o.conf"]), Some(0));
    site.configure("Mode v\nUMask x\n");
    assert_eq!(check(&["-nxo.conf"]), Some(78));
    assert_eq!(check(&["-Q"]), Some(64));
    let version = site.command("opendmarc", &["-V"]).output().unwrap();
    assert!(version.stdout.starts_with(b"Postseal v"));
    assert_eq!(site.processes(), []);
}

#[test]
fn s1_2_user_id_socket_of_the_user_pid_file_of_root_and_no_way_back() {
    if !is_root() {
        eprintln!("NOT RUN: only root can become another user");
        return;
    }
    let site = Site::new(&format!("Mode v\nUserID {SOMEBODY}\nUMask 007\nPidFile @/p.pid\n"));
    chown(site.path("run"), Some(SOMEBODY), None).unwrap();
    let (code, said) = site.start();
    assert_eq!(code, Some(0), "{said}");
    let pid: Pid = Pid::from_raw(fs::read_to_string(site.path("p.pid")).unwrap().trim_end().parse().unwrap());
    let (user, group) = (format!("{SOMEBODY} {SOMEBODY} {SOMEBODY} {SOMEBODY}"), SOMEBODY.to_string());
    assert_eq!((status(pid, "Uid"), status(pid, "Gid")), (user.clone(), user));
    assert_eq!((status(pid, "Groups"), status(pid, "CapEff")), (group, "0000000000000000".to_owned()));
    let socket = fs::metadata(site.path("run/s")).unwrap();
    assert_eq!((socket.uid(), socket.gid()), (SOMEBODY, SOMEBODY));
    // As Debian's OpenDKIM: a folder of root alone will do for it.
    assert_eq!(fs::metadata(site.path("p.pid")).unwrap().uid(), 0);
    kill(pid, Signal::SIGTERM).unwrap();
    site.wait("the end", || is_gone(pid));
    let left = fs::read_to_string(site.path("p.pid")).unwrap();
    assert_eq!(left, "", "it cannot be removed by the user, and names nobody");
}

#[test]
fn s1_2_user_id_has_its_supplementary_groups_and_a_link_as_pid_file_leads_nowhere() {
    if !is_root() {
        eprintln!("NOT RUN: only root can become another user");
        return;
    }
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let site = Site::new("Mode v\nUserID nobody:daemon\n");
    chown(site.path("run"), Some(nobody.uid.as_raw()), None).unwrap();
    fs::write(site.path("precious"), "precious").unwrap();
    symlink(site.path("precious"), site.path("run/p.pid")).unwrap();
    let (code, said) = site.start();
    assert_eq!(code, Some(0), "{said}");
    let daemon = nix::unistd::Group::from_name("daemon").unwrap().unwrap().gid;
    let groups = nix::unistd::getgrouplist(&std::ffi::CString::new("nobody").unwrap(), daemon).unwrap();
    let expected = groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(status(site.pid(), "Groups"), expected);
    assert_eq!(fs::read_to_string(site.path("precious")).unwrap(), "precious");
}

#[test]
fn s1_2_another_user_without_root_is_an_error_and_the_same_is_none() {
    if !is_root() {
        eprintln!("NOT RUN: only root can become another user");
        return;
    }
    let site = Site::new(&format!("Mode v\nUserID {SOMEBODY}\n"));
    chown(site.path("run"), Some(SOMEBODY), None).unwrap();
    let as_user = |user: u32| site.command("opendkim", &["-x", "o.conf"]).uid(user).gid(user).output().unwrap();
    let other = as_user(SOMEBODY + 1);
    let said = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(78), "{said}");
    assert!(said.contains("only root can become another user"), "{said}");
    let same = as_user(SOMEBODY);
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8(same.stderr).unwrap());
    assert!(site.answers());
    site.configure("Socket local:@/run/s2\nUserID no-such-user-here\n");
    let (code, said) = site.start();
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("no such user `no-such-user-here`"), "{said}");
}

#[test]
fn s1_2_auto_restart_after_kill_9_signals_passed_on_and_no_process_left() {
    let site = Site::new("Mode v\nAutoRestart Yes\nAutoRestartRate 10/1h\n");
    let (code, said) = site.start();
    assert_eq!(code, Some(0), "{said}");
    let supervisor = site.pid();
    let only_child = || match children(supervisor)[..] {
        [child] => child,
        ref other => panic!("{other:?}"),
    };
    let first = only_child();
    assert_eq!(site.processes().len(), 2);
    kill(first, Signal::SIGKILL).unwrap();
    site.wait("another daemon", || children(supervisor).iter().any(|child| *child != first) && site.answers());
    assert!(!Path::new(&format!("/proc/{first}")).exists(), "no zombie");
    assert_eq!(site.pid(), supervisor, "the pid file is about the supervisor");
    // A reload opens another socket.
    site.configure("Socket local:@/run/t\nPidFile @/run/p.pid\nMode v\nAutoRestart Yes\n");
    for (signal, socket) in [(Signal::SIGUSR1, "run/t"), (Signal::SIGHUP, "run/s")] {
        site.configure(&format!("Socket local:@/{socket}\nPidFile @/run/p.pid\nMode v\nAutoRestart Yes\n"));
        kill(supervisor, signal).unwrap();
        site.wait("the new socket", || UnixStream::connect(site.path(socket)).is_ok());
    }
    let daemon = only_child();
    kill(supervisor, Signal::SIGTERM).unwrap();
    // As a service manager does: every process of the unit at once.
    let _ = kill(daemon, Signal::SIGTERM);
    site.wait("the end", || is_gone(supervisor) && is_gone(daemon));
    assert!(!site.path("run/p.pid").exists() && !site.path("run/s").exists(), "an orderly end");
}

#[test]
fn s1_2_a_supervisor_that_is_killed_leaves_no_daemon_behind() {
    let site = Site::new("Mode v\nAutoRestart yes\n");
    assert_eq!(site.start().0, Some(0));
    let daemon = children(site.pid())[0];
    kill(site.pid(), Signal::SIGKILL).unwrap();
    site.wait("the end of the daemon", || is_gone(daemon));
    assert!(!site.path("run/s").exists());
    assert_eq!(site.start().0, Some(0), "and another one can be started");
}

#[test]
fn s1_2_auto_restart_rate_ends_with_69_and_the_words_of_opendkim() {
    let site = Site::new("Mode v\nAutoRestart yes\nAutoRestartRate 1/1h\n");
    let mut running = Running::launch(site.folder.path(), site.command("opendkim", &["-f", "-x", "o.conf"]));
    let supervisor = Pid::from_raw(i32::try_from(running.pid()).unwrap());
    let mut before = None;
    for _ in 0..2 {
        site.wait("a daemon that serves", || {
            children(supervisor).first().is_some_and(|child| Some(*child) != before) && site.answers()
        });
        let child = children(supervisor)[0];
        kill(child, Signal::SIGKILL).unwrap();
        before = Some(child);
    }
    let (code, log) = running.wait();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains("terminated with signal 9, restarting"), "{log}");
    assert!(log.contains("maximum restart rate exceeded"), "{log}");
    assert!(!site.path("run/p.pid").exists());
}

#[test]
fn s1_2_sigterm_in_the_foreground_is_exit_0_with_and_without_a_supervisor() {
    for more in ["", "AutoRestart yes\n"] {
        let site = Site::new(&format!("Mode v\n{more}"));
        let arguments = ["-x", "o.conf", "-f", "-P", "q.pid"];
        let running = Running::launch(site.folder.path(), site.command("opendkim", &arguments));
        site.wait("the pid file", || fs::metadata(site.path("q.pid")).is_ok_and(|file| file.len() > 0));
        let pid = fs::read_to_string(site.path("q.pid")).unwrap();
        assert_eq!(pid, format!("{}\n", running.pid()));
        site.wait("an answer", || site.answers());
        assert_eq!(running.stop(Signal::SIGTERM).0, Some(0), "{more}");
        assert_eq!(site.processes(), [], "{more}");
    }
}

#[test]
fn s1_2_base_directory_is_where_relative_paths_start_also_at_a_reload() {
    let site = Site::new("BaseDirectory @/run\nSocket s\nPidFile base.pid\nMode v\n");
    let (code, said) = site.start();
    assert_eq!(code, Some(0), "{said}");
    let text = fs::read_to_string(site.path("run/base.pid")).unwrap();
    let pid = Pid::from_raw(text.trim_end().parse().unwrap());
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), site.path("run"));
    site.configure("BaseDirectory @/run\nSocket local:t\nPidFile base.pid\nMode v\n");
    kill(pid, Signal::SIGUSR1).unwrap();
    site.wait("the new socket", || site.path("run/t").exists());
    kill(pid, Signal::SIGTERM).unwrap();
    site.wait("the end", || is_gone(pid));
    assert!(!site.path("run/base.pid").exists());
    site.configure("BaseDirectory run\nSocket s\nMode v\n");
    let (code, said) = site.start();
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("write the full path"), "{said}");
}

#[test]
fn s1_1_letters_override_lines_of_the_file_and_findings_name_the_command_line() {
    let site = Site::new("Mode sv\nDomain example.com\nSelector s\nKeyFile k\n");
    let check = |arguments: &[&str]| site.command("opendkim", arguments).output().unwrap();
    let both = check(&["-n", "-x", "o.conf", "-b", "v"]);
    assert_eq!(both.status.code(), Some(0), "{}", String::from_utf8_lossy(&both.stderr));
    let wrong = check(&["-n", "-x", "o.conf", "-c", "relaxed/odd"]);
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(78), "{said}");
    assert!(said.contains("(command line):1: error[") && said.contains("Canonicalization"), "{said}");
}

#[test]
fn s1_1_the_command_line_of_debians_units() {
    // ExecStart=/usr/sbin/opendkim and an old init script: -x FILE -u USER -P PIDFILE.
    let site = Site::new("Mode v\n");
    let me = Uid::effective().to_string();
    let arguments: [OsString; 6] = ["-x", "o.conf", "-u", &me, "-P", "run/other.pid"].map(OsString::from);
    let status = site.command("opendkim", &[]).args(&arguments).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(site.path("run/other.pid").exists() && !site.path("run/p.pid").exists());
}
