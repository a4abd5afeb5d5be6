use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::mbox::{FromLine, Item, Mbox};
use super::*;

/// What is found below a path: contents by name, words by name.
fn found(path: &Path) -> (BTreeMap<String, String>, BTreeMap<String, &'static str>) {
    let (mut messages, mut skipped) = (BTreeMap::new(), BTreeMap::new());
    let relative = |name: &str| name.strip_prefix(&format!("{}/", path.display())).unwrap_or(name).to_owned();
    for found in Messages::open(path).unwrap() {
        match found {
            Found::Message(it) => {
                messages.insert(relative(&it.name), String::from_utf8(it.octets).unwrap());
            }
            Found::Skipped { file, why } => {
                skipped.insert(relative(&file.display().to_string()), why.code());
            }
        }
    }
    (messages, skipped)
}

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn names<V>(map: &BTreeMap<String, V>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

#[test]
fn a_maildir_is_read_with_its_folders_and_without_what_is_no_mail() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "cur/1:2,S",
        "new/2",
        "tmp/3",
        "dovecot.index",
        ".Sent/cur/4",
        ".Lists.dev/new/5",
        "Archive/2025/cur/6",
        "courierimapkeywords/x",
    ] {
        write(folder.path(), name, name);
    }
    fs::create_dir_all(folder.path().join("cur/below/cur")).unwrap();
    write(folder.path(), "cur/below/cur/7", "a folder inside of cur is none of a maildir");
    let (messages, skipped) = found(folder.path());
    assert_eq!(names(&messages), [".Lists.dev/new/5", ".Sent/cur/4", "Archive/2025/cur/6", "cur/1:2,S", "new/2"]);
    assert!(skipped.is_empty(), "{skipped:?}");
    assert_eq!(found(&folder.path().join("new")).0.len(), 1);
}

#[test]
fn links_are_not_followed_but_for_the_path_itself_and_pipes_are_no_mail() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "mail/cur/1", "one");
    symlink(folder.path(), folder.path().join("mail/cur/loop")).unwrap();
    symlink("..", folder.path().join("mail/up")).unwrap();
    symlink("/etc/passwd", folder.path().join("mail/cur/passwd")).unwrap();
    nix::unistd::mkfifo(&folder.path().join("mail/cur/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink("mail", folder.path().join("by-link")).unwrap();
    for path in ["mail", "by-link"] {
        let (messages, skipped) = found(&folder.path().join(path));
        assert_eq!(names(&messages), ["cur/1"], "{path}");
        assert_eq!(names(&skipped), ["cur/loop", "cur/passwd", "up"], "{path}");
        assert!(skipped.values().all(|code| *code == "symbolic-link"));
    }
    assert!(Messages::open(&folder.path().join("mail/cur/pipe")).is_err());
    assert!(Messages::open(&folder.path().join("nowhere")).is_err());
}

#[test]
fn folders_in_one_another_have_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let deep = "d/".repeat(MAX_DEPTH);
    write(folder.path(), &format!("{deep}x.eml"), "too deep");
    write(folder.path(), &format!("{}y.eml", "d/".repeat(MAX_DEPTH - 1)), "not too deep");
    let (messages, skipped) = found(folder.path());
    assert_eq!((messages.len(), skipped.values().copied().collect::<Vec<_>>()), (1, vec!["too-deep"]));
}

#[test]
fn other_folders_have_eml_and_mbox_files() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.eml", "one");
    write(folder.path(), "b.EML", "two");
    write(folder.path(), "c.txt", "no");
    write(
        folder.path(),
        "d/e.mbox",
        "From a@b Tue Nov 24 12:00:00 2026\nA: b\n\nx\n\nFrom MAILER-DAEMON Tue Nov 24 12:00 2026\nC: d\n",
    );
    write(folder.path(), "f.mbox", "no mbox at all");
    let (messages, skipped) = found(folder.path());
    assert_eq!(names(&messages), ["a.eml", "b.EML", "d/e.mbox#1", "d/e.mbox#2"]);
    assert_eq!((&*messages["d/e.mbox#1"], &*messages["d/e.mbox#2"]), ("A: b\n\nx\n", "C: d\n"));
    assert_eq!(skipped, BTreeMap::from([("f.mbox".to_owned(), "unreadable")]));
    let one = found(&folder.path().join("d/e.mbox")).0;
    assert_eq!(one.len(), 2);
    assert_eq!(found(&folder.path().join("a.eml")).0.len(), 1);
}

#[test]
fn a_message_over_the_limit_is_told_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (name, octets) in [("large.eml", MAX_MESSAGE + 1), ("just.eml", MAX_MESSAGE), ("endless.eml", 1 << 40)] {
        File::create(folder.path().join(name)).unwrap().set_len(octets.try_into().unwrap()).unwrap();
    }
    let (messages, skipped) = found(folder.path());
    assert_eq!((names(&messages), names(&skipped)), (vec!["just.eml"], vec!["endless.eml", "large.eml"]));
}

/// The messages of an mbox with a limit of 100 octets; `-` for one that is too large.
fn mbox(text: &str) -> Vec<String> {
    let mut mbox = Mbox::with_limit(text.as_bytes(), 100);
    let mut messages = Vec::new();
    while let Some(item) = mbox.next_message().unwrap() {
        messages.push(match item {
            Item::Message { octets, .. } => String::from_utf8(octets).unwrap(),
            Item::TooLarge => "-".to_owned(),
        });
    }
    messages
}

#[test]
fn rfc4155_separators_are_lines_behind_an_empty_one_and_with_a_date() {
    const LINE: &str = "From jo@example.com Tue Nov 24 12:00:00 2026\n";
    for (text, messages) in [
        ("", vec![]),
        (LINE, vec![""]),
        (&format!("{LINE}A: b\n\ntext\n"), vec!["A: b\n\ntext\n"]),
        (&format!("{LINE}A: b\n\ntext\n\n{LINE}C: d\n\n"), vec!["A: b\n\ntext\n", "C: d\n"]),
        // Prose, a separator without an empty line, and one that was quoted.
        (
            &format!("{LINE}A: b\n\nFrom here on\n{LINE}>From x\n>>From y\n>Fromage\n"),
            vec![&*format!("A: b\n\nFrom here on\n{LINE}From x\n>From y\n>Fromage\n")],
        ),
        (&format!("{LINE}{LINE}A: b\n"), vec![&*format!("{LINE}A: b\n")]),
        (&format!("{LINE}A: b\r\n\r\ntext\r\n\r\n{LINE}C: d\r\n"), vec!["A: b\r\n\r\ntext\r\n", "C: d\r\n"]),
        // One that is too large hides nobody.
        (&format!("{LINE}{}\n\n{LINE}C: d\n", "x".repeat(200)), vec!["-", "C: d\n"]),
        (&format!("{LINE}{}\n\n{LINE}C: d\n", "x\n".repeat(PIECES)), vec!["-", "C: d\n"]),
    ] {
        assert_eq!(mbox(text), messages, "{text:?}");
    }
}

const PIECES: usize = 100_000;

#[test]
fn long_lines_and_endless_separators_are_read_to_their_end() {
    let line = "From x Tue Nov 24 12:00:00 2026\n";
    let text = format!("{line}{}\n\n{line}y\n", "From x ".repeat(100_000));
    assert_eq!(mbox(&text), ["-", "y\n"]);
    let messages = mbox(&format!("{line}\n").repeat(50_000));
    assert_eq!((messages.len(), messages.iter().all(String::is_empty)), (50_000, true));
    assert!(Mbox::new(&b"\nFrom x Tue Nov 24 12:00:00 2026\n"[..]).next_message().is_err());
}

#[test]
fn rfc4155_senders_and_dates_of_separators() {
    for (line, sender, date) in [
        ("From jo@example.com Tue Nov 24 12:00:00 2026", Some("jo@example.com"), Some(1_795_521_600)),
        ("From MAILER-DAEMON Tue Nov 24 12:00:00 +0100 2026", Some("MAILER-DAEMON"), Some(1_795_521_600)),
        ("From jo@example.com  Tue Nov  3 12:00 2026", Some("jo@example.com"), Some(1_793_707_200)),
        ("From two words Tue Nov 24 12:00:00 2026", None, Some(1_795_521_600)),
        ("From  Tue Nov 24 12:00:00 2026", None, Some(1_795_521_600)),
        ("From jo@example.com Tue Feb 31 12:00:00 2026", Some("jo@example.com"), None),
        ("From jo@example.com Tue Nov 24 12:00:00 1901", Some("jo@example.com"), None),
    ] {
        let read = FromLine::parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
        let expected =
            FromLine { sender: sender.map(|it| it.as_bytes().to_vec()), date: date.map(UnixTime::from_secs) };
        assert_eq!(read, expected, "{line}");
    }
    for line in [
        "From ",
        "From jo@example.com",
        "From jo Tue Nov 24 12.00 2026",
        "From: jo@example.com",
        "From Nov 24 12:00 2026",
        "from jo Tue Nov 24 12:00 2026",
    ] {
        assert_eq!(FromLine::parse(line.as_bytes()), None, "{line}");
    }
}
