//! A private Postfix: own configuration, queue and mailbox, on loopback; nothing under /etc is touched.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::unistd::{Group, User};

use super::work::{command, port};
use crate::mailbox::Mailbox;

/// The name of the MTA: its `j` macro, and so the authserv-id that the daemon takes by default.
pub(crate) const HOST: &str = "mx.example";

/// User and group of the mailbox.
const NOBODY: u32 = 65534;

/// A running Postfix; stopped when dropped.
pub(crate) struct Postfix {
    etc: PathBuf,
    log: PathBuf,
    /// Mail from anywhere.
    pub(crate) inbound: u16,
    /// Mail of users: `milter_macro_daemon_name=ORIGINATING`.
    pub(crate) submission: u16,
    /// As `submission`, but a content filter hands each message back to a second smtpd, which has the milter too.
    pub(crate) filtered: u16,
    /// Where all mail ends up.
    pub(crate) mailbox: Mailbox,
}

impl Postfix {
    /// Starts one under `work` and waits until it answers. The milter is given as in main.cf, empty for none, with its `milter_protocol` and
    /// `milter_default_action`.
    pub(crate) fn start(work: &Path, milter: &str, protocol: u32, default_action: &str) -> Self {
        Self::start_with(work, &milter_lines(milter, protocol, default_action))
    }

    /// The same with the lines about milters as they stand in main.cf.
    pub(crate) fn start_with(work: &Path, milter_lines: &str) -> Self {
        let ports @ [inbound, submission, filtered, reinjection] = [port(), port(), port(), port()];
        Self::launch(work, milter_lines, &master_cf(inbound, submission, filtered, reinjection), ports)
    }

    /// One with `services` of its own, as in master.cf, where mail comes in at two ports: from anywhere, and of users.
    pub(crate) fn start_services(
        work: &Path,
        milter_lines: &str,
        services: &str,
        inbound: u16,
        submission: u16,
    ) -> Self {
        let is_replaced = |line: &str| {
            let name = line.split(' ').next();
            services.lines().any(|own| own.split(' ').next() == name)
        };
        let mut master = services.to_owned();
        for line in STOCK.lines().filter(|line| !is_replaced(line)) {
            writeln!(master, "{line}").unwrap();
        }
        Self::launch(work, milter_lines, &master, [inbound, submission, submission, submission])
    }

    fn launch(work: &Path, milter_lines: &str, master_cf: &str, ports: [u16; 4]) -> Self {
        let [inbound, submission, filtered, _] = ports;
        let etc = work.join("etc");
        let log = work.join("maillog");
        for folder in ["etc", "spool", "data", "mail"] {
            fs::create_dir(work.join(folder)).unwrap();
        }
        let owner = User::from_name("postfix").unwrap().expect("Debian's package makes the user postfix");
        chown(work.join("data"), Some(owner.uid.as_raw()), None).unwrap();
        chown(work.join("mail"), Some(NOBODY), Some(NOBODY)).unwrap();
        assert!(Group::from_name("postdrop").unwrap().is_some(), "Debian's package makes the group postdrop");
        fs::write(etc.join("main.cf"), format!("{}{milter_lines}", main_cf(work))).unwrap();
        fs::write(etc.join("master.cf"), master_cf).unwrap();

        let started = command("postfix").arg("-c").arg(&etc).arg("start").stdin(Stdio::null()).output().unwrap();
        let mailbox = Mailbox::new(work.join("mail/box"));
        let postfix = Self { etc, log, inbound, submission, filtered, mailbox };
        assert!(started.status.success(), "postfix start: {started:?}\n{}", postfix.log());
        for port in ports {
            postfix.wait_for(port);
        }
        postfix
    }

    /// Hands in a message as a local program does: `sendmail`, postdrop, pickup. Lines end in LF, as such programs write them.
    pub(crate) fn sendmail(&self, from: &str, to: &str, message: &[u8]) {
        let mut child = command("sendmail")
            .arg("-C")
            .arg(&self.etc)
            .args(["-i", "-f", from, "--", to])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(message).unwrap();
        assert!(child.wait().unwrap().success(), "sendmail: {}", self.log());
    }

    /// How many messages are on hold (`postqueue -p` marks them with `!`).
    pub(crate) fn on_hold(&self) -> usize {
        let output = command("postqueue").arg("-c").arg(&self.etc).arg("-p").output().unwrap();
        assert!(output.status.success(), "postqueue: {output:?}");
        let listing = String::from_utf8(output.stdout).unwrap();
        listing.lines().filter(|line| line.split_whitespace().next().is_some_and(|id| id.ends_with('!'))).count()
    }

    /// The queue ids of messages on hold.
    pub(crate) fn held(&self) -> Vec<String> {
        let output = command("postqueue").arg("-c").arg(&self.etc).arg("-j").output().unwrap();
        assert!(output.status.success(), "postqueue: {output:?}");
        // One object a line. Its first members are as Postfix writes them; queue ids have letters and digits alone.
        let listing = String::from_utf8(output.stdout).unwrap();
        let held = listing.lines().filter_map(|line| line.split_once("\"queue_name\": \"hold\", \"queue_id\": \""));
        held.map(|(_, rest)| rest.split('"').next().unwrap().to_owned()).collect()
    }

    /// Lets a message that is on hold go on, as an administrator does.
    pub(crate) fn release(&self, queue_id: &str) {
        for (program, option) in [("postsuper", "-H"), ("postqueue", "-i")] {
            let output = command(program).arg("-c").arg(&self.etc).args([option, queue_id]).output().unwrap();
            assert!(output.status.success(), "{program}: {output:?}");
        }
    }

    /// What Postfix has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn wait_for(&self, port: u16) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "Postfix does not listen on {port}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn control(&self, verb: &str) -> bool {
        let output = command("postfix").arg("-c").arg(&self.etc).arg(verb).stdin(Stdio::null()).output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Postfix\n{}", self.log());
        }
        // `stop` lets deliveries finish and gives up after five seconds; `abort` does not wait.
        if !self.control("stop") {
            self.control("abort");
        }
    }
}

/// The lines of main.cf that name a milter.
pub(crate) fn milter_lines(milter: &str, protocol: u32, default_action: &str) -> String {
    format!(
        "smtpd_milters = {milter}
non_smtpd_milters = {milter}
milter_protocol = {protocol}
milter_default_action = {default_action}
"
    )
}

fn main_cf(work: &Path) -> String {
    let work = work.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {work}/spool
data_directory = {work}/data
maillog_file = {work}/maillog
maillog_file_prefixes = {work}
multi_instance_name = postfix-e2e
syslog_name = postfix-e2e
myhostname = {HOST}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = check_recipient_access static:OK, reject
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_peername_lookup = no
disable_dns_lookups = yes
message_size_limit = 0
virtual_mailbox_limit = 0
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {work}/mail
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
"
    )
}

/// Debian's services without chroot, and the four smtpd.
fn master_cf(inbound: u16, submission: u16, filtered: u16, reinjection: u16) -> String {
    let mut text = String::new();
    writeln!(text, "127.0.0.1:{inbound} inet n - n - - smtpd").unwrap();
    writeln!(text, "127.0.0.1:{submission} inet n - n - - smtpd -o milter_macro_daemon_name=ORIGINATING").unwrap();
    writeln!(text, "127.0.0.1:{filtered} inet n - n - - smtpd").unwrap();
    writeln!(text, "  -o milter_macro_daemon_name=ORIGINATING -o content_filter=smtp:[127.0.0.1]:{reinjection}")
        .unwrap();
    writeln!(text, "127.0.0.1:{reinjection} inet n - n - - smtpd").unwrap();
    text.push_str(STOCK);
    text
}

/// Debian's services behind the smtpd, without chroot.
const STOCK: &str = "pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
";
