//! Both files as one process.

use std::fs;
use std::path::Path;

use engine::config::diagnostics::{CONFIG_DUPLICATE, CONFIG_READ, CONFIG_UNKNOWN_KEY};
use engine::config::old_file::{AuthservName, OLD_MERGED};
use engine::config::old_files::{self, OldFiles};
use engine::config::{Diagnostics, opendkim};

use crate::support::{DKIM, DMARC, only};

fn both(dkim: &str, dmarc: &str) -> Result<(OldFiles, Diagnostics), Diagnostics> {
    let dkim = Some((Path::new(DKIM), dkim.as_bytes()));
    let dmarc = Some((Path::new(DMARC), dmarc.as_bytes()));
    old_files::parse(dkim, dmarc, &mut |_| panic!("nothing is included"))
}

#[test]
fn where_the_files_differ_about_the_process_opendkim_conf_wins_with_a_finding() {
    let (read, found) = both(
        "UserID opendkim:opendkim\nUMask 007\nAuthservID mx.example.org\nAutoRestart no\n",
        "UserID opendmarc:opendmarc\nUMask 002\nAuthservID HOSTNAME\nAutoRestart yes\n",
    )
    .unwrap();
    assert_eq!(found.len(), 4, "{found}");
    for (finding, (line, words)) in found.iter().zip([
        (1, "`opendmarc:opendmarc` has no effect: one process has it once, and opendkim.conf says `opendkim:opendkim`"),
        (2, "`0002` has no effect: one process has it once, and opendkim.conf says `0007`"),
        (3, "`HOSTNAME` has no effect: one process has it once, and opendkim.conf says `mx.example.org`"),
        (4, "`yes` has no effect: one process has it once, and opendkim.conf says `no`"),
    ]) {
        assert_eq!((finding.code, finding.line), (OLD_MERGED, Some(line)));
        assert_eq!((finding.file.as_deref(), finding.cause.as_str()), (Some(Path::new(DMARC)), words));
    }
    let process = read.process();
    assert_eq!(process.user.unwrap().value.user, "opendkim");
    assert_eq!(process.umask.unwrap().value, 7);
    assert!(!process.auto_restart);
    assert_eq!(read.authserv_id(), (Some(&AuthservName::Name("mx.example.org".to_owned())), false));
}

#[test]
fn the_same_in_both_files_is_no_finding() {
    let text = "UserID mail\nUMask 002\nAuthservID HOSTNAME\nBackground no\n";
    assert!(both(text, text).unwrap().1.is_empty());
    // Numbers are compared as numbers.
    assert!(both("UMask 002", "UMask 0x2").unwrap().1.is_empty());
}

#[test]
fn what_opendkim_conf_does_not_say_is_taken_from_opendmarc_conf_with_a_finding() {
    let (read, found) =
        both("Syslog yes\n", "AuthservID HOSTNAME\nAuthservIDWithJobID yes\nBackground no\nUMask 2\n").unwrap();
    assert!(found.iter().all(|finding| finding.code == OLD_MERGED));
    assert_eq!(found.len(), 4, "{found}");
    assert_eq!(read.authserv_id(), (Some(&AuthservName::Hostname), true));
    let process = read.process();
    assert!(!process.background);
    assert_eq!(process.umask.unwrap().value, 2);
}

#[test]
fn one_file_alone_has_nothing_to_differ_from() {
    let text = b"Socket inet:1@localhost\nUserID a\nAuthservID HOSTNAME\n".as_slice();
    let none = &mut |_: &Path| panic!("nothing is included");
    let (read, found) = old_files::parse(Some((Path::new(DKIM), text)), None, none).unwrap();
    assert!(found.is_empty() && read.opendmarc.is_none());
    assert_eq!((read.process().user.unwrap().value.user.as_str(), read.authserv_id().1), ("a", false));
    let (read, found) = old_files::parse(None, Some((Path::new(DMARC), text)), none).unwrap();
    assert!(found.is_empty() && read.opendkim.is_none());
    assert!(read.process().socket.is_some());
    assert_eq!(read.authserv_id().0, Some(&AuthservName::Hostname));
    let (read, found) = old_files::parse(None, None, none).unwrap();
    assert!(found.is_empty() && read == OldFiles::default());
    assert!(read.process().background && read.authserv_id() == (None, false));
}

#[test]
fn one_socket_cannot_be_both() {
    let finding = only(&both("Socket inet:8891@127.0.0.1", "Socket inet:127.0.0.1:8891").unwrap_err());
    assert_eq!((finding.code, finding.file.as_deref()), (CONFIG_DUPLICATE, Some(Path::new(DMARC))));
    assert!(both("Socket inet:8891@127.0.0.1", "Socket inet:8893@127.0.0.1").unwrap().1.is_empty());
}

#[test]
fn the_findings_of_both_files_come_at_once() {
    let found = both("Nonsense 1\n", "Nonsense 2\n").unwrap_err();
    let files: Vec<_> = found.iter().map(|finding| finding.file.clone().unwrap()).collect();
    assert_eq!(files, [Path::new(DKIM), Path::new(DMARC)]);
    assert!(found.iter().all(|finding| finding.code == CONFIG_UNKNOWN_KEY));
}

#[test]
fn files_are_read_from_disk_and_both_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let found = old_files::read(Some(&path("a")), Some(&path("b"))).unwrap_err();
    assert_eq!(found.iter().map(|finding| finding.code).collect::<Vec<_>>(), [CONFIG_READ; 2]);
    fs::write(path("a"), format!("Include {}\n", path("c").display())).unwrap();
    fs::write(path("b"), "RejectFailures yes\n").unwrap();
    fs::write(path("c"), "LogWhy yes\n").unwrap();
    let (read, found) = old_files::read(Some(&path("a")), Some(&path("b"))).unwrap();
    assert!(found.is_empty(), "{found}");
    assert!(read.opendkim.unwrap().logging.why && read.opendmarc.unwrap().acting.reject_failures);
    assert!(opendkim::read(&path("a")).unwrap().0.logging.why);
}
