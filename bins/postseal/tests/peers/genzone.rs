//! `opendkim-genzone` beside Debian's: the same KeyTable.

use std::fs;
use std::path::Path;

use crate::pair::{Comparison, Said, ours, theirs};
use crate::site::work;

const TOOL: &str = "opendkim-genzone";

const CASES: &[&[&str]] = &[
    &["file:table"],
    &["-D", "file:table"],
    &["-F", "file:table"],
    &["-D", "-F", "file:table"],
    &["-M", "file:table"],
    &["-t", "300", "file:table"],
    &["-t300", "-F", "-M", "file:table"],
    &["-S", "file:table"],
    &["-S", "-N", "ns1.example,ns2.example,,ns3.example", "-C", "me@example.com", "file:table"],
    &["-S", "-E", "1", "-r", "2", "-R", "3", "-T", "4", "file:table"],
    &["-N", "ns1.example", "file:table"],
    &["-u", "file:table"],
    &["-u", "-D", "file:table"],
    &["-u", "-F", "-M", "-t", "60", "-N", "ns.example", "file:table"],
    &["-u", "-F", "-T", "60", "-S", "file:table"],
    &["-d", "example.com", "file:table"],
    &["-d", "EXAMPLE.COM", "-s", "file:table"],
    &["-d", "example.net", "file:table"],
    &["-d", "nowhere.example", "file:table"],
    &["-F", "csl:a=example.com:s1:./one.private,b=example.org:s2:./two.private"],
    &["a=example.com:s1:./one.private"],
    &["-x", "conf"],
    &["file:table", "-F"],
    &["-o", "/nonexistent/zone", "file:table"],
    &["-x", "nowhere"],
    &["-x", "wrong"],
    &["-E", "-1", "file:table"],
    &["-t", "x", "file:table"],
    &["-q"],
    &["-t"],
    &["-x", "empty"],
    &["-v", "file:table"],
    &["-vv", "file:table"],
    &["refile:table"],
    &["file:nowhere"],
    &["file:missing"],
    &["file:corrupt"],
    &["file:ed25519"],
    &["-F", "file:many"],
    &["-D", "file:many"],
    &["file:long"],
];

/// Keys and tables.
fn folder() -> tempfile::TempDir {
    let folder = work::folder();
    let genkey = |arguments: &[&str]| assert_eq!(ours("opendkim-genkey", folder.path(), arguments, b"").code, 0);
    genkey(&["-s", "one"]);
    genkey(&["-s", "two", "-b", "3072"]);
    genkey(&["-s", "e", "--ed25519"]);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let table = "# comment\nk1 example.com:s1:./one.private\nk2\texample.org:s2:./two.private\n\nk3 sub.example.com:s3:./one.private # more\n\
                 k4 example.net:s4:./two.private\n";
    write("table", table);
    write("missing", "k1 example.com:s1:./nowhere\n");
    write("corrupt", "k1 example.com:s1\n");
    write("ed25519", "k1 example.com:e:./e.private\n");
    write("many", "k1 %:s1:./one.private\n");
    let pem = fs::read_to_string(folder.path().join("one.private")).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    write("long", &format!("k1 example.com:s1:{base64}\n"));
    write("conf", "KeyTable file:table\n");
    write("empty", "");
    write("wrong", "\nKeyTabel file:table\n");
    folder
}

#[test]
fn the_same_table_makes_the_same_zone() {
    let folder = folder();
    let mut comparison = Comparison::default();
    for arguments in CASES {
        // Without -x both read the configuration of the machine, which names no KeyTable as Debian installs it.
        let (mut their_said, mut our_said) = pair(folder.path(), arguments);
        if their_said != our_said {
            // The clock may have gone on to the next hour between them.
            (their_said, our_said) = pair(folder.path(), arguments);
        }
        comparison.compare(TOOL, &arguments.join(" "), &their_said, &our_said);
    }
    // To a file, which is the same as to standard output.
    for (run, file) in [(theirs as fn(&str, &Path, &[&str], &[u8]) -> Said, "theirs.zone"), (ours, "ours.zone")] {
        assert_eq!(run(TOOL, folder.path(), &["-F", "-o", file, "file:table"], b"").out, "");
    }
    let [their_zone, our_zone] =
        ["theirs.zone", "ours.zone"].map(|file| without_time(&fs::read_to_string(folder.path().join(file)).unwrap()));
    comparison.check(their_zone == our_zone, || format!("files: {their_zone}\n{our_zone}"));
    comparison.finish(TOOL);
}

fn pair(folder: &Path, arguments: &[&str]) -> (Said, Said) {
    let [theirs, ours] = [theirs(TOOL, folder, arguments, b""), ours(TOOL, folder, arguments, b"")].map(|mut said| {
        said.out = without_time(&said.out);
        said
    });
    (theirs, ours)
}

/// Minutes and seconds of the second line of a zone.
fn without_time(zone: &str) -> String {
    let lines = zone.lines().map(|line| match line.split_once(" at ") {
        // "Tue Nov 24 19:35:12 2026"
        Some((front, time)) if front.starts_with("; auto-generated") => {
            format!("{front} at {}{}\n", &time[..13], &time[19..])
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}
