//! Reload: everything or nothing, under load, sockets included.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test helpers")]

#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine::config::Config;
use engine::reload::{ReloadError, Reloader, needs_restart};
use engine::start::{Request, Source, prepare};
use milter_proto::{Decision, MtaOptions, MtaSession};
use support::{Answer, Daemon, Mta, Stream, copy_private, folder_with_keys};
use tempfile::TempDir;

/// Nobody is asked: everything that is looked up is in the zone file.
const DNS: &str = "[dns]\nnameservers = [\"127.0.0.1:9\"]\nzone_file = \"zone.txt\"\n";

const FORGED: &str = "Authentication-Results: mx-a.example; dkim=pass\r\nAuthentication-Results: mx-b.example; dkim=pass\r\n\
    From: jo@example.com\r\nSubject: hi\r\n\r\nHello\r\n";

/// A daemon that was started with the file `config.toml` of its folder, and what reloads it.
struct Site {
    daemon: Daemon,
    reloader: Reloader,
}

impl Site {
    fn start(text: &str) -> Self {
        let folder = folder_with_keys();
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        std::fs::copy(keys.join("zone.txt"), folder.path().join("zone.txt")).unwrap();
        write(&folder, text);
        let request = Request::new(Source::File(folder.path().join("config.toml")));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let setup = runtime.block_on(async { prepare(&request, None) }).unwrap_or_else(|found| panic!("{found}")).setup;
        let daemon = Daemon::serve(folder, setup);
        let reloader = Reloader::new(request, daemon.handle.clone());
        Self { daemon, reloader }
    }

    fn reload(&mut self, text: &str) -> Result<(), ReloadError> {
        write(&self.daemon.folder, text);
        self.daemon.block_on(self.reloader.reload())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.daemon.folder.path().join(name)
    }
}

fn write(folder: &TempDir, text: &str) {
    let text = text.replace("FOLDER", folder.path().to_str().unwrap());
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
}

/// One of two configurations that differ in everything that a message shows: our name, the selectors, the sockets.
fn flip(letter: char) -> String {
    format!(
        "listen = [\"unix:FOLDER/socket\", \"unix:FOLDER/only-{letter}\"]\nauthserv_id = \"mx-{letter}.example\"\n{DNS}\
         [[domain]]\nname = \"example.com\"\nkeys = [{{ selector = \"rsa-{letter}\", file = \"rsa.pem\" }}, \
         {{ selector = \"ed-{letter}\", file = \"ed.pem\" }}]\n"
    )
}

/// Which configuration an answer is by; the test fails when it is by parts of both.
fn letter_of(answer: &Answer) -> char {
    assert_eq!(answer.decision, Some(Decision::Continue), "{answer:?}");
    assert_eq!(answer.edits.len(), 3, "{answer:?}");
    let (occurrence, letter) = if answer.edits[0].ends_with(" 1") { (1, 'a') } else { (2, 'b') };
    assert_eq!(answer.edits[0], format!("delete Authentication-Results {occurrence}"));
    for (kind, edit) in [("ed", &answer.edits[1]), ("rsa", &answer.edits[2])] {
        assert!(edit.contains(&format!(" s={kind}-{letter};")), "{answer:?}");
    }
    letter
}

fn connect(path: &Path) -> Mta {
    Mta::new(Stream::Unix(UnixStream::connect(path).unwrap()), MtaOptions::default())
}

/// A connection of a client that authenticated.
fn submission(path: &Path) -> Mta {
    let mut mta = connect(path);
    mta.greet("192.0.2.10", 40_000);
    mta.session.set_macro("auth_type", Some(b"PLAIN"));
    mta
}

/// Ends the clients also when the test fails.
struct Ends<'b>(&'b AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn under_load_every_message_is_by_one_of_the_two_configurations_and_none_is_lost() {
    const CLIENTS: usize = 12;
    let mut site = Site::start(&flip('a'));
    let socket = site.daemon.socket();
    let is_over = AtomicBool::new(false);
    let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let mut reloads = 0_usize;
    std::thread::scope(|scope| {
        let _ends = Ends(&is_over);
        for client in 0..CLIENTS {
            let (socket, is_over, counts) = (&socket, &is_over, &counts);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let mut mta = submission(socket);
                    // A session is by the configuration of its beginning to its end.
                    let mut first = None;
                    for _ in 0..=client % 4 {
                        let letter = letter_of(&mta.message("<jo@example.com>", FORGED.as_bytes()));
                        assert_eq!(*first.get_or_insert(letter), letter);
                        counts[usize::from(letter == 'b')].fetch_add(1, Ordering::Relaxed);
                        mta.step(MtaSession::end_message);
                    }
                }
            });
        }
        let end = Instant::now().checked_add(Duration::from_secs(4)).unwrap();
        while Instant::now() < end {
            reloads = reloads.checked_add(1).unwrap();
            let letter = if reloads.is_multiple_of(2) { 'a' } else { 'b' };
            site.reload(&flip(letter)).unwrap();
            // What comes after a reload is by what was loaded, on the sockets that were loaded.
            let mut mta = submission(&site.path(&format!("only-{letter}")));
            assert_eq!(letter_of(&mta.message("<jo@example.com>", FORGED.as_bytes())), letter);
            let other = if letter == 'a' { "only-b" } else { "only-a" };
            assert!(!site.path(other).exists());
        }
    });
    let counts = counts.map(AtomicUsize::into_inner);
    assert!(reloads >= 4 && counts.iter().all(|count| *count >= 20), "{reloads} reloads, {counts:?} messages");
}

#[test]
fn a_session_that_is_open_keeps_its_configuration_also_when_its_socket_goes() {
    let mut site = Site::start(&flip('a'));
    let mut busy = submission(&site.path("only-a"));
    busy.envelope("<jo@example.com>", &[]);
    site.reload(&flip('b')).unwrap();
    assert!(UnixStream::connect(site.path("only-a")).is_err());
    assert_eq!(letter_of(&busy.content(FORGED.as_bytes(), 65_535)), 'a');
    busy.step(MtaSession::end_message);
    assert_eq!(letter_of(&busy.message("<jo@example.com>", FORGED.as_bytes())), 'a');
    // The daemon does not wait for such a session when it stops.
    busy.step(MtaSession::end_message);
    site.daemon.ask_to_stop();
    assert!(site.daemon.wait_for_end(Duration::from_secs(5)));
}

#[test]
fn a_socket_that_cannot_be_opened_leaves_everything_as_it_was() {
    let mut site = Site::start(&flip('a'));
    std::fs::write(site.path("occupied"), "").unwrap();
    let text = flip('b').replace("\"unix:FOLDER/only-b\"", "\"unix:FOLDER/only-b\", \"unix:FOLDER/occupied\"");
    assert!(matches!(site.reload(&text), Err(ReloadError::Install(_))));
    assert!(!site.path("only-b").exists(), "what was opened is closed again");
    for socket in ["socket", "only-a"] {
        assert_eq!(letter_of(&submission(&site.path(socket)).message("<jo@example.com>", FORGED.as_bytes())), 'a');
    }
}

#[test]
fn a_key_that_signs_is_not_taken_away_by_a_reload_and_others_that_fail_do_not_stop_it() {
    let mut site = Site::start(&flip('a'));
    // The file of a key that signs was damaged: the key in memory is worth more than none.
    std::fs::write(site.path("rsa.pem"), "damaged").unwrap();
    match site.reload(&flip('a')) {
        Err(ReloadError::KeyLost { key, findings }) => {
            assert_eq!(key, "rsa-a._domainkey.example.com");
            assert!(findings.to_string().contains("E-KEY-FORMAT"), "{findings}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(letter_of(&submission(&site.daemon.socket()).message("<jo@example.com>", FORGED.as_bytes())), 'a');
    // A new domain whose key is not there is out, and the rest goes on (M16).
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    copy_private(&keys.join("rsa.pem"), &site.path("rsa.pem"));
    let absent = "[[domain]]\nname = \"example.net\"\nkeys = [{ selector = \"s\", file = \"absent.pem\" }]\n";
    site.reload(&format!("{}{absent}", flip('b'))).unwrap();
    assert_eq!(letter_of(&submission(&site.daemon.socket()).message("<jo@example.com>", FORGED.as_bytes())), 'b');
    // And once more: a key that never signed is no loss.
    site.reload(&format!("{}{absent}", flip('b'))).unwrap();
}

#[test]
fn the_zone_file_is_read_anew() {
    let text = format!("listen = [\"unix:FOLDER/socket\"]\n{DNS}");
    let mut site = Site::start(&text);
    let signed = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=later; h=from; \
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==\r\nFrom: a@example.com\r\n\r\n";
    let judge = |site: &Site| {
        let mut mta = connect(&site.daemon.socket());
        mta.greet("192.0.2.10", 40_000);
        mta.message("<a@example.com>", signed).edits.concat()
    };
    let zone = std::fs::read_to_string(site.path("zone.txt")).unwrap();
    std::fs::write(site.path("zone.txt"), format!("{zone}\nlater._domainkey.example.com. TXT \"v=DKIM1; p=\"\n"))
        .unwrap();
    site.reload(&text).unwrap();
    assert!(judge(&site).contains("key revoked"), "{}", judge(&site));
    std::fs::write(site.path("zone.txt"), &zone).unwrap();
    site.reload(&text).unwrap();
    assert!(!judge(&site).contains("key revoked"), "not even from what was kept: {}", judge(&site));
    std::fs::write(site.path("zone.txt"), "this is no zone file").unwrap();
    assert!(matches!(site.reload(&text), Err(ReloadError::Findings(_))));
}

/// Counts the questions that come; answers none, so that each is a failure, which is kept for five seconds.
#[test]
fn answers_are_kept_while_the_settings_of_the_dns_stay_as_they_are() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let dns = |timeout: &str| {
        format!(
            "listen = [\"unix:FOLDER/socket\"]\n[dns]\nnameservers = [\"{}\"]\ntimeout = \"{timeout}\"\n",
            silent.local_addr().unwrap()
        )
    };
    let mut site = Site::start(&dns("200ms"));
    let signed = b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=sel; h=from; \
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==\r\nFrom: a@example.com\r\n\r\n";
    let asks = |site: &Site| {
        let mut mta = connect(&site.daemon.socket());
        mta.greet("192.0.2.10", 40_000);
        assert!(mta.message("<a@example.com>", signed).edits.concat().contains("dkim=temperror"));
        std::iter::from_fn(|| silent.recv(&mut [0; 512]).ok()).count()
    };
    assert_ne!(asks(&site), 0);
    site.reload(&format!("{}[policy]\non_limit = \"tempfail\"\n", dns("200ms"))).unwrap();
    assert_eq!(asks(&site), 0, "kept");
    site.reload(&dns("250ms")).unwrap();
    assert_ne!(asks(&site), 0, "asked anew");
}

#[test]
fn the_number_of_connections_follows_the_configuration_both_ways() {
    let text = |most: usize| format!("listen = [\"unix:FOLDER/socket\"]\n{DNS}[limits]\nconnections = {most}\n");
    let mut site = Site::start(&text(2));
    let socket = site.daemon.socket();
    // Whether a further client is served while those before it are.
    let (briefly, surely) = (Duration::from_millis(300), Duration::from_secs(30));
    let is_served = |patience: Duration| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(patience)).unwrap();
        std::io::Write::write_all(&mut stream, b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff").unwrap();
        let is_served = std::io::Read::read(&mut stream, &mut [0; 64]).is_ok_and(|octets| octets > 0);
        if is_served {
            // Its place is free once the daemon has closed it: not before is the next question a fair one.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            stream.set_read_timeout(Some(surely)).unwrap();
            std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap();
        }
        is_served
    };
    let mut open = vec![connect(&socket), connect(&socket)];
    assert!(!is_served(briefly));
    site.reload(&text(4)).unwrap();
    open.push(connect(&socket));
    assert!(is_served(surely));
    // Fewer than are open: nobody is thrown out, and nobody new comes in before enough have gone.
    site.reload(&text(1)).unwrap();
    assert!(!is_served(briefly));
    let mut last = open.pop().unwrap();
    drop(open);
    assert!(!is_served(briefly), "one is open, and one is the limit");
    last.greet("192.0.2.10", 40_000);
    assert_eq!(last.message("<a@example.com>", b"From: a@example.com\r\n\r\n").decision, Some(Decision::Continue));
    drop(last);
    assert!(is_served(surely));
}

#[test]
fn who_follows_sees_the_first_setup_and_each_that_is_installed() {
    let mut site = Site::start(&flip('a'));
    let mut installed = site.daemon.handle.follow();
    let id = |setup: Option<std::sync::Arc<engine::server::Setup>>| setup.unwrap().rules.config().authserv_id.clone();
    assert_eq!(id(site.daemon.block_on(installed.next())).as_deref(), Some("mx-a.example"));
    site.reload(&flip('b')).unwrap();
    assert_eq!(id(site.daemon.block_on(installed.next())).as_deref(), Some("mx-b.example"));
    site.reload("listen = [").unwrap_err();
    let more = site.daemon.block_on(async { tokio::time::timeout(Duration::from_millis(100), installed.next()).await });
    assert!(more.is_err(), "nothing was installed");
}

#[test]
fn what_cannot_change_is_named_by_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let config = |text: &str| support::config(text, folder.path());
    let old = config("listen = [\"unix:/s\", \"unix:/t\"]\n");
    for (text, setting) in [
        ("state_dir = \"/x\"\n", "state_dir"),
        ("[journal]\nenabled = false\n", "journal.enabled"),
        ("[journal]\nfolder = \"/x\"\n", "journal.folder"),
        ("[journal]\nkeep = \"1d\"\n", "journal.keep"),
        ("[journal]\nmax_size = \"1GiB\"\n", "journal.max_size"),
        ("[journal]\nsegment_size = \"1MiB\"\n", "journal.segment_size"),
        ("[journal]\nsegment_age = \"10min\"\n", "journal.segment_age"),
        ("[log]\nformat = \"json\"\n", "log.format"),
        ("[log]\nlevel = \"debug\"\n", "log.level"),
        ("[log]\nsink = \"syslog\"\nfacility = \"mail\"\n", "log.sink"),
        ("[log]\nname = \"x\"\n", "log.name"),
        ("[[listen]]\nsocket = \"unix:/t\"\nsocket_mode = \"0600\"\n", "listen.socket_mode of unix:/t"),
        ("[[listen]]\nsocket = \"unix:/t\"\nsocket_group = \"0\"\n", "listen.socket_group of unix:/t"),
        ("[[listen]]\nsocket = \"unix:/t\"\nsocket_owner = \"0\"\n", "listen.socket_owner of unix:/t"),
    ] {
        assert_eq!(needs_restart(&old, &old, &config(text)), [setting], "{text}");
    }
    // Everything else can.
    let new = "[[listen]]\nsocket = \"unix:/u\"\nsocket_mode = \"0600\"\n[dns]\ntimeout = \"1s\"\n[limits]\nframe = \"1MiB\"\n";
    assert!(needs_restart(&old, &old, &config(new)).is_empty());
    assert!(needs_restart(&Config::default(), &old, &Config::default()).is_empty());
}

#[test]
fn what_spf_refuses_follows_a_reload_and_not_before_the_next_connection() {
    let config = |spf: &str| format!("listen = [\"unix:FOLDER/socket\"]\n{DNS}[spf]\n{spf}\n");
    let mut site = Site::start(&config(""));
    let zone = "fail.example. TXT \"v=spf1 -all\"\nclient.example. TXT \"v=spf1 +all\"\n";
    std::fs::write(site.path("zone.txt"), zone).unwrap();
    let rcpt = |mta: &mut Mta| {
        mta.step(|session, out| session.mail(b"<a@fail.example>", &[], out));
        let answer = mta.step(|session, out| session.rcpt(b"<jo@example.com>", &[], out));
        mta.step(MtaSession::end_message);
        matches!(answer.decision, Some(Decision::ReplyCode(_)))
    };
    let greeted = |site: &Site| {
        let mut mta = connect(&site.daemon.socket());
        mta.greet("192.0.2.10", 40_000);
        mta
    };
    let mut old = greeted(&site);
    assert!(!rcpt(&mut old));
    site.reload(&config("reject = [\"fail.example\"]")).unwrap();
    assert!(!rcpt(&mut old), "a session keeps its rules");
    assert!(rcpt(&mut greeted(&site)));
    // What cannot be used leaves what is in force.
    assert!(site.reload(&config("reject = [\"a b\"]")).is_err());
    assert!(rcpt(&mut greeted(&site)));
}
