//! §1.1: lines, values and included files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::config::diagnostics::{
    CONFIG_MISSING, CONFIG_RANGE, CONFIG_READ, CONFIG_SYNTAX, CONFIG_TYPE, CONFIG_UNKNOWN_KEY,
};
use engine::config::old_file::{
    MAX_INCLUDE_DEPTH, MAX_INCLUDES, MAX_LINE_FINDINGS, MAX_OLD_FILE, OLD_REPEATED, OLD_VALUE, Value,
};
use engine::config::opendkim::OpenDkim;
use engine::config::{opendkim, opendmarc};

use crate::support::{DKIM, Files, accepted, dkim, dkim_with, dmarc, only, places, refused, warned};

#[test]
fn s1_1_an_empty_file_says_the_defaults() {
    for text in ["", "\n\n", "# nothing\n\t #more\n \t \n", "\r\n\r\n", "#"] {
        assert_eq!(accepted(text), OpenDkim::default(), "{text:?}");
    }
}

#[test]
fn s1_1_a_line_ends_at_the_first_hash_wherever_it_stands() {
    assert_eq!(accepted("SyslogName a#b").logging.name, "a");
    assert_eq!(accepted("SyslogName a # b").logging.name, "a");
    let table = accepted("KeyTable dsn:mysql://u:se#cret@h/d\nSigningTable csl:x").choosing.key_table.unwrap();
    assert_eq!(table.value, "dsn:mysql://u:se");
    assert_eq!(accepted("#SyslogName a").logging.name, "opendkim");
    assert_eq!(refused("SyslogName #a").code, CONFIG_MISSING);
    assert_eq!(refused("Syslog#Name a").code, CONFIG_MISSING);
}

#[test]
fn s1_1_a_line_ends_at_the_first_carriage_return_wherever_it_stands() {
    assert_eq!(accepted("SyslogName a\r\nLogWhy yes\r\n").logging.name, "a");
    assert_eq!(accepted("SyslogName a\rLogWhy yes\n").logging.name, "a");
    assert!(!accepted("SyslogName a\rLogWhy yes\n").logging.why);
}

#[test]
fn s1_1_spaces_and_tabs_around_name_and_value_do_not_count() {
    for text in ["SyslogName a b", "\t SyslogName\t \ta b\t ", "  SyslogName  a b  \n"] {
        assert_eq!(accepted(text).logging.name, "a b", "{text:?}");
    }
}

#[test]
fn s1_1_the_value_is_the_rest_of_the_line_without_quoting_or_continuation() {
    assert_eq!(accepted("SyslogName \"a b\"").logging.name, "\"a b\"");
    assert_eq!(accepted("SyslogName a\\").logging.name, "a\\");
    let found = dkim("SyslogName a\\\n  b c\n").unwrap_err();
    assert_eq!(places(&found), [(2, CONFIG_UNKNOWN_KEY)]);
}

#[test]
fn s1_1_names_are_read_in_any_case() {
    for name in ["SyslogName", "syslogname", "SYSLOGNAME", "sYSLOGnAME"] {
        assert_eq!(accepted(&format!("{name} a")).logging.name, "a");
    }
    for name in ["UserID", "Userid", "USERID"] {
        assert_eq!(accepted(&format!("{name} a")).process.user.unwrap().value.user, "a");
    }
    for name in ["OversignHeaders", "OverSignHeaders"] {
        assert_eq!(accepted(&format!("{name} From")).signing.oversign_headers, ["From"]);
    }
}

#[test]
fn s1_1_an_option_without_a_value_is_an_error() {
    for text in ["Syslog", "Syslog ", "Syslog\t\t", "UMask", "Socket", "Include"] {
        let finding = refused(&format!("\n{text}\n"));
        assert_eq!((finding.code, finding.line), (CONFIG_MISSING, Some(2)), "{text}");
        assert_eq!(finding.cause, "required value missing");
    }
}

#[test]
fn s1_1_an_unknown_name_is_an_error_that_names_the_nearest() {
    let finding = refused("Syslog yes\n\nSocktet inet:1@localhost\n");
    assert_eq!((finding.code, finding.line), (CONFIG_UNKNOWN_KEY, Some(3)));
    assert_eq!(finding.cause, "unrecognized parameter `Socktet`; did you mean `Socket`?");
    assert_eq!(refused("On-BadSignatur reject").cause.split("; ").nth(1).unwrap(), "did you mean `On-BadSignature`?");
    // The name comes before the value, as upstream has it.
    assert_eq!(refused("Nonsense").code, CONFIG_UNKNOWN_KEY);
    let finding = refused("Host\u{a0}x y");
    assert!(finding.cause.starts_with("unrecognized parameter `Host"), "{}", finding.cause);
}

#[test]
fn s1_1_all_errors_come_at_once() {
    let found = dkim("Syslog maybe\nUMask 09\nNonsense 1\nSocket\nMode x\n").unwrap_err();
    let codes: Vec<&str> = found.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes.len(), 5, "{found}");
    assert_eq!(found.iter().filter_map(|finding| finding.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn s1_1_booleans_are_read_by_their_first_letter() {
    for word in ["true", "T", "yes", "Y", "1", "yup", "Tomato"] {
        assert!(accepted(&format!("LogWhy {word}")).logging.why, "{word}");
    }
    for word in ["false", "F", "no", "N", "0", "nope"] {
        assert!(!accepted(&format!("LogWhy {word}")).logging.why, "{word}");
    }
    for word in ["on", "off", "2", "enabled", "-"] {
        let finding = refused(&format!("LogWhy {word}"));
        assert_eq!(finding.code, CONFIG_TYPE, "{word}");
        assert!(finding.cause.starts_with("illegal value"), "{}", finding.cause);
    }
}

#[test]
fn s1_1_integers_are_read_with_base_0() {
    for (text, expected) in [("007", 7), ("0x10", 16), ("022", 18), ("2", 2), ("+7", 7), ("0", 0), ("0002", 2)] {
        assert_eq!(accepted(&format!("UMask {text}")).process.umask.unwrap().value, expected, "{text}");
    }
    for text in ["09", "0x", "7a", "seven", "1.5", "--1", "7 7"] {
        assert_eq!(refused(&format!("UMask {text}")).code, CONFIG_TYPE, "{text}");
    }
}

#[test]
fn s1_1_integers_have_32_bits() {
    assert_eq!(accepted("SignatureTTL 2147483647").signing.signature_ttl, Some(Duration::from_secs(2_147_483_647)));
    for text in ["2147483648", "99999999999999999999", "0x80000000", "-2147483649", "-99999999999999999999"] {
        assert_eq!(refused(&format!("SignatureTTL {text}")).code, CONFIG_RANGE, "{text}");
    }
    // Negative ones are taken, and mean nothing.
    let (read, finding) = warned("SignatureTTL -5");
    assert_eq!((read.signing.signature_ttl, finding.code), (None, OLD_VALUE));
}

#[test]
fn s1_1_the_last_of_several_lines_counts_and_they_do_not_add_up() {
    let (read, finding) = warned("Domain a.example\nMode v\nDomain b.example\n");
    assert_eq!(read.choosing.domain.unwrap().value, "b.example");
    assert_eq!((finding.code, finding.line), (OLD_REPEATED, Some(1)));
    assert!(finding.cause.contains("line 3"), "{}", finding.cause);
    // The same thing twice is no surprise.
    assert!(accepted("LogWhy yes\nLogWhy true\n").logging.why);
    // Aliases are one option.
    let (read, finding) = warned("SoftwareHeader yes\nX-Header no\n");
    assert!(!read.results.software_header);
    assert_eq!((finding.code, finding.line), (OLD_REPEATED, Some(1)));
}

#[test]
fn s1_1_an_overridden_line_is_checked_all_the_same() {
    let found = dkim("LogWhy maybe\nLogWhy yes\n").unwrap_err();
    assert_eq!(places(&found), [(1, CONFIG_TYPE)]);
}

#[test]
fn s1_1_an_included_file_overrides_what_stands_above_and_not_what_stands_below() {
    let files = Files::default().with("more.conf", "SyslogName included\nLogWhy yes\n# end");
    let (read, found) = dkim_with("SyslogName before\nInclude more.conf\nLogWhy no\n", &files).unwrap();
    assert_eq!(read.logging.name, "included");
    assert!(!read.logging.why);
    let places: Vec<_> = found.iter().map(|finding| (finding.file.clone().unwrap(), finding.line.unwrap())).collect();
    assert_eq!(places, [(PathBuf::from(DKIM), 1), (PathBuf::from("more.conf"), 2)], "{found}");
    let names: Vec<&str> = read.lines.iter().map(|line| line.option.name).collect();
    assert_eq!(names, ["SyslogName", "Include", "SyslogName", "LogWhy", "LogWhy"]);
}

#[test]
fn s1_1_several_files_may_be_included() {
    let files = Files::default().with("a", "SyslogName a\n").with("b", "LogWhy yes\n");
    let (read, found) = dkim_with("Include a\nInclude b\n", &files).unwrap();
    assert!(found.is_empty(), "{found}");
    assert_eq!((read.logging.name.as_str(), read.logging.why), ("a", true));
}

#[test]
fn s1_1_errors_of_an_included_file_name_it() {
    let files = Files::default().with("a/more.conf", "\nNonsense 1\n");
    let finding = only(&dkim_with("Include a/more.conf\nSyslog yes\n", &files).unwrap_err());
    assert_eq!((finding.file.as_deref(), finding.line), (Some(Path::new("a/more.conf")), Some(2)));
}

#[test]
fn s1_1_included_files_stand_at_most_five_deep() {
    let mut files = Files::default();
    for depth in 1..=MAX_INCLUDE_DEPTH + 1 {
        let text = format!("Include {}\n", depth + 1);
        files = files.with(&depth.to_string(), &text);
    }
    let finding = only(&dkim_with("Include 1\n", &files).unwrap_err());
    assert_eq!((finding.code, finding.file.as_deref()), (CONFIG_SYNTAX, Some(Path::new("5"))));
    assert!(finding.cause.starts_with("nesting too deep"), "{}", finding.cause);
    files = files.with("5", "SyslogName depth5");
    let (read, _) = dkim_with("Include 1\n", &files).unwrap();
    assert_eq!(read.logging.name, "depth5");
}

#[test]
fn s1_1_files_that_include_each_other_come_to_an_end_with_one_error() {
    let begun = Instant::now();
    let files = Files::default().with("self", &"Include self\n".repeat(10_000));
    let finding = only(&dkim_with("Include self\n", &files).unwrap_err());
    assert!(finding.cause.starts_with("nesting too deep"), "{finding}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn files_that_are_included_are_bounded() {
    let files = Files::default().with("more", "LogWhy yes\n");
    assert!(dkim_with(&"Include more\n".repeat(MAX_INCLUDES), &files).is_ok());
    let finding = only(&dkim_with(&"Include more\n".repeat(MAX_INCLUDES + 10), &files).unwrap_err());
    assert_eq!(finding.line.map(|line| line as usize), Some(MAX_INCLUDES + 1));
    assert!(finding.cause.starts_with("more than 100 files"), "{finding}");
}

#[test]
fn s1_1_a_missing_included_file_is_an_error_at_its_line() {
    let finding = refused("Syslog yes\nInclude /nonexistent/x\n");
    assert_eq!((finding.code, finding.line, finding.key.as_deref()), (CONFIG_READ, Some(2), Some("Include")));
    assert!(finding.cause.contains("`/nonexistent/x`"), "{}", finding.cause);
}

#[test]
fn s3_1_opendmarc_has_no_include() {
    let finding = only(&dmarc("Include x").unwrap_err());
    assert_eq!(finding.code, CONFIG_UNKNOWN_KEY);
}

#[test]
fn s1_1_lines_are_of_any_length() {
    let list = format!("csl:{}", "a.example,".repeat(100_000));
    let read = accepted(&format!("ExemptDomains {list}\nLogWhy yes"));
    assert_eq!(read.choosing.exempt_domains.unwrap().value, list);
    assert!(read.logging.why);
    assert_eq!(refused(&"x".repeat(1_000_000)).code, CONFIG_UNKNOWN_KEY);
}

#[test]
fn lines_that_are_no_text_are_errors_and_comments_may_be_anything() {
    let read = |text: &[u8]| opendkim::parse(text, Path::new(DKIM), &mut |_| unreachable!());
    assert!(read(b"LogWhy yes # gr\xfc\xdfe\n#\0\n").is_ok());
    for text in [&b"\nSyslogName gr\xfc\xdfe\n"[..], b"\nSyslog\0Name x\n", b"\nLogWhy y\0\n"] {
        let finding = only(&read(text).unwrap_err());
        assert_eq!((finding.code, finding.line), (CONFIG_SYNTAX, Some(2)));
    }
    let finding = only(&read(b"\xef\xbb\xbfLogWhy yes\n").unwrap_err());
    assert!(finding.cause.contains("byte order mark"));
}

#[test]
fn findings_about_lines_are_bounded_and_say_so() {
    let found = dkim(&"Nonsense 1\nSyslog maybe\n".repeat(5_000)).unwrap_err();
    assert_eq!(found.len(), MAX_LINE_FINDINGS + 1);
    let last = found.iter().last().unwrap();
    assert_eq!(last.cause, "9900 more findings about lines are left out");
}

#[test]
fn findings_hold_no_control_characters() {
    for text in [
        "Non\x1b[31msense 1",
        "LogWhy \x1b[31m",
        "Mode \x07",
        "Socket in\x01et:x",
        "Socket inet:\x01@localhost",
        "Socket inet:1@a\x01b",
        "Mode v\nSelector a\x01b",
        "Canonicalization \x02",
    ] {
        let finding = refused(text);
        assert!(!finding.to_string().replace("\n  fix", "").chars().any(char::is_control), "{finding:?}");
    }
}

#[test]
fn the_text_of_a_value_is_not_in_debug_output() {
    let read = accepted("LDAPBindPassword hunter2\nLDAPBindUser cn=x");
    assert_eq!(read.ldap.ldap.bind_password.as_deref(), Some("hunter2"));
    assert!(read.lines.iter().any(|line| line.value == Value::Text("hunter2".to_owned())));
    assert!(!format!("{read:?}").contains("hunter2"));
}

#[test]
fn only_regular_files_of_bounded_size_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [folder.path().to_path_buf(), pipe.clone(), PathBuf::from("/dev/null"), folder.path().join("none")] {
        for found in [opendkim::read(&path).map(|_| ()), opendmarc::read(&path).map(|_| ())] {
            assert_eq!(only(&found.unwrap_err()).code, CONFIG_READ, "{}", path.display());
        }
    }
    let file = folder.path().join("opendkim.conf");
    fs::write(&file, format!("Syslog yes\nInclude {}\n", pipe.display())).unwrap();
    let finding = only(&opendkim::read(&file).unwrap_err());
    assert_eq!((finding.code, finding.line), (CONFIG_READ, Some(2)));
    let size = usize::try_from(MAX_OLD_FILE).unwrap();
    fs::write(&file, "#".repeat(size)).unwrap();
    assert!(opendkim::read(&file).is_ok());
    fs::write(&file, "#".repeat(size + 1)).unwrap();
    assert_eq!(only(&opendkim::read(&file).unwrap_err()).code, CONFIG_READ);
}

/// Not at the folder of the file, as the native configuration has it.
#[test]
fn s1_1_relative_paths_are_left_to_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("more.conf"), "LogWhy yes\n").unwrap();
    let file = folder.path().join("opendkim.conf");
    fs::write(&file, "Include more.conf\n").unwrap();
    assert_eq!(only(&opendkim::read(&file).unwrap_err()).code, CONFIG_READ);
    let read = accepted("KeyFile keys/a.pem\nSelector s\nDomain a.example");
    assert_eq!(read.choosing.single_key().unwrap().file.value, Path::new("keys/a.pem"));
}
