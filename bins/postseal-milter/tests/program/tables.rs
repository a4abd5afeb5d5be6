//! The daemon from an old file whose tables are outside of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::sys::signal::Signal;

use crate::mta::Mta;
use crate::running::{Running, run};

/// Answers netstrings of `socketmap:` for one client after the other.
fn serve(listener: UnixListener, key: String) {
    std::thread::spawn(move || {
        for client in listener.incoming() {
            answer(client.unwrap(), &key);
        }
    });
}

fn answer(client: UnixStream, key: &str) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut client = client;
    loop {
        let mut digits = Vec::new();
        reader.read_until(b':', &mut digits).ok()?;
        let length: usize = String::from_utf8(digits).ok()?.strip_suffix(':')?.parse().ok()?;
        let mut question = vec![0; length + 1];
        reader.read_exact(&mut question).ok()?;
        let answer = if question == b"keys k," { format!("OK example.org:sel:{key}") } else { "NOTFOUND ".to_owned() };
        client.write_all(format!("{}:{answer},", answer.len()).as_bytes()).ok()?;
    }
}

#[test]
fn s2_1_a_key_table_behind_socketmap_signs() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files/pkcs8.pem");
    std::fs::copy(pem, path("key.pem")).unwrap();
    std::fs::write(path("SigningTable"), "*@example.org k\n").unwrap();
    let options = "Mode s\nSyslogSuccess yes\nInternalHosts 192.0.2.0/24\nRequireSafeKeys no\n";
    let socket = path("milter");
    std::fs::write(
        path("opendkim.conf"),
        format!(
            "{options}Socket local:{socket}\nSigningTable refile:{}\nKeyTable socketmap:unix:{}:keys\n",
            path("SigningTable"),
            path("map")
        ),
    )
    .unwrap();
    // Nobody answers yet: that keeps nothing from starting.
    let daemon = Running::start(folder.path(), &["--foreground", "--opendkim-conf", "opendkim.conf"]);
    serve(UnixListener::bind(path("map")).unwrap(), path("key.pem"));
    Mta::connect(Path::new(&socket)).unwrap().message("4XYZ").unwrap();
    daemon.wait_for("d=example.org");
}

/// A key that was read serves on until its time is over, or until a reload.
#[test]
fn s1_1_a_key_file_that_was_replaced_signs_after_sigusr1() {
    let key = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files").join(name);
    for way in [
        "KeyTable csl:k=example.org:sel:{key}\nSigningTable csl:example.org=k\n",
        "Domain example.org\nSelector sel\nKeyFile {key}\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let socket = path("milter");
        let replace = |name: &str| {
            std::fs::copy(key(name), path("new")).unwrap();
            std::fs::rename(path("new"), path("key.pem")).unwrap();
        };
        replace("pkcs8.pem");
        let options = "Mode s\nInternalHosts 192.0.2.0/24\nRequireSafeKeys no\n";
        let text = format!("{options}Socket local:{socket}\n{}", way.replace("{key}", &path("key.pem")));
        std::fs::write(path("opendkim.conf"), text).unwrap();
        let daemon = Running::start(folder.path(), &["--foreground", "--opendkim-conf", "opendkim.conf"]);
        let algorithm = || {
            let mut mta = Mta::connect(Path::new(&socket)).unwrap();
            mta.message("4XYZ").unwrap();
            let value = mta.signature().unwrap();
            value.split(';').find_map(|tag| tag.trim().strip_prefix("a=")).unwrap().to_owned()
        };
        assert_eq!(algorithm(), "rsa-sha256", "{way}");
        replace("ed25519.pem");
        assert_eq!(algorithm(), "rsa-sha256", "{way}: it is not read for each message");
        for (times, name, expected) in [(1, "ed25519.pem", "ed25519-sha256"), (2, "pkcs1.pem", "rsa-sha256")] {
            replace(name);
            daemon.signal(Signal::SIGUSR1);
            daemon.wait_for_times(" reloaded reloads=", times);
            assert_eq!(algorithm(), expected, "{way}");
        }
    }
}

/// What is wrong with one of a hundred keys is told, of the first twenty at the start, and mail of other domains is signed.
#[test]
fn s2_5_limit_broken_keys_are_told_at_the_start_and_affect_no_other_domain() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files/pkcs8.pem"), path("key.pem"))
        .unwrap();
    let (mut keys, mut signing) = (String::new(), String::new());
    for number in 0..100 {
        keys += &format!("k{number} customer{number}.example:sel:{}\n", path("absent"));
        signing += &format!("*@customer{number}.example k{number}\n");
    }
    std::fs::write(path("KeyTable"), format!("{keys}own example.org:sel:{}\n", path("key.pem"))).unwrap();
    std::fs::write(path("SigningTable"), format!("{signing}*@example.org own\n")).unwrap();
    let text = format!(
        "Mode s\nInternalHosts 192.0.2.0/24\nRequireSafeKeys no\nSocket local:{}\nKeyTable {}\nSigningTable refile:{}\n",
        path("milter"),
        path("KeyTable"),
        path("SigningTable")
    );
    std::fs::write(path("opendkim.conf"), text).unwrap();
    let daemon = Running::start(folder.path(), &["--foreground", "--opendkim-conf", "opendkim.conf"]);
    let log = daemon.log();
    let told = log.matches("opendkim.conf:5: error[E-KEY-MISSING]: `KeyTable`: ").count();
    assert_eq!(told, 20, "{log}");
    let mut mta = Mta::connect(Path::new(&path("milter"))).unwrap();
    mta.message("4XYZ").unwrap();
    assert!(mta.signature().unwrap().contains("d=example.org;"));
}

#[test]
fn s2_1_databases_are_read_at_check_config_and_a_password_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let check = |table: &str| {
        std::fs::write(
            folder.path().join("o.conf"),
            format!("Mode s\nSocket inet:8891@127.0.0.1\nKeyTable {table}\nSigningTable csl:example.com=k\n"),
        )
        .unwrap();
        run(folder.path(), &["--opendkim-conf", "o.conf", "--check-config"])
    };
    for table in [
        "dsn:mysql://u:s3cret@127.0.0.1/d/table=t?keycol=k?datacol=a,b,c",
        "dsn:pgsql://u:s3cret@127.0.0.1/d/table=t?keycol=k?datacol=a,b,c",
        "dsn:sqlite:///absent.db/table=t?keycol=k?datacol=a,b,c",
        "ldap://127.0.0.1/b?a,b,c?sub?(cn=$d)",
        "socketmap:unix:/absent:keys",
    ] {
        let (code, text) = check(table);
        assert!(code == Some(0) && !text.contains("s3cret"), "{table}: {code:?} {text}");
    }
    for (table, word) in [
        ("dsn:oracle://u:s3cret@h/d/table=t?keycol=k?datacol=a", "backend"),
        ("dsn:mysql://u:s3cret@h/d/table=t?keycol=k", "datacol"),
        ("socketmap:unix:/absent", "socketmap"),
    ] {
        let (code, text) = check(table);
        assert!(code == Some(78) && text.contains(word) && !text.contains("s3cret"), "{table}: {code:?} {text}");
    }
}
