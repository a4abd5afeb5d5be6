//! §1.2: the options of OpenDKIM, their defaults and values, and what they mean beside each other.

use std::path::Path;
use std::time::Duration;

use dkim_core::canon::Canon;
use engine::config::diagnostics::{CONFIG_CONFLICT, CONFIG_READ, CONFIG_UNUSED, CONFIG_VALUE, Code, Severity};
use engine::config::old_file::{AuthservName, OLD_HOLE, OLD_VALUE};
use engine::config::opendkim::{
    Action, Actions, DEFAULT_OMIT_HEADERS, DEFAULT_SIGN_HEADERS, Minimum, OpenDkim, SignatureAlgorithm,
};
use engine::config::{Facility, Mode};

use crate::support::{Files, accepted, dkim, dkim_with, only, places, refused, warned};

const ONE_KEY: &str = "Domain a.example\nSelector s\nKeyFile /k\n";
const TABLES: &str = "KeyTable /kt\nSigningTable refile:/st\n";

/// Each line alone is one error with this code, at its line.
fn all_refused(lines: &[&str], code: Code) {
    for line in lines {
        let finding = refused(&format!("\n{line}\n"));
        assert_eq!((finding.code, finding.line), (code, Some(2)), "{line}: {finding}");
    }
}

/// Each line alone is one warning with this code.
fn all_warned(lines: &[&str], code: Code) {
    for line in lines {
        let (_, finding) = warned(line);
        assert_eq!((finding.code, finding.severity), (code, Severity::Warning), "{line}: {finding}");
    }
}

#[test]
fn s1_2_the_defaults_are_those_of_opendkim() {
    let read = OpenDkim::default();
    assert!(read.process.background && !read.process.auto_restart);
    assert_eq!((read.process.auto_restart_count, read.process.socket), (0, None));
    assert!(!read.logging.syslog && !read.logging.success && !read.logging.why);
    assert_eq!((read.logging.facility, read.logging.name.as_str()), (Facility::Mail, "opendkim"));
    assert_eq!(read.choosing.mode, Mode::Both);
    assert_eq!(read.choosing.internal_hosts(), "csl:127.0.0.1,::1");
    assert_eq!(read.choosing.sender_headers, ["From"]);
    assert_eq!(read.signing.canonicalization, (Canon::Simple, Canon::Simple));
    assert_eq!(read.signing.sign_headers.names, DEFAULT_SIGN_HEADERS);
    assert_eq!(DEFAULT_SIGN_HEADERS.len(), 20);
    assert_eq!(read.signing.omit_headers.names, DEFAULT_OMIT_HEADERS);
    assert!(read.signing.oversign_headers.is_empty() && read.signing.signature_ttl.is_none());
    assert!(read.keys.require_safe_keys && read.keys.nameservers.is_empty());
    assert_eq!((read.keys.minimum_key_bits, read.keys.dns_timeout), (1024, Duration::from_secs(5)));
    let on = read.verifying.on;
    assert_eq!([on.bad_signature, on.no_signature, on.key_not_found], [Action::Accept; 3]);
    assert_eq!([on.dns_error, on.internal_error, on.security], [Action::Tempfail; 3]);
    assert_eq!(on.signature_error, Action::Reject);
    assert_eq!((read.verifying.maximum_signatures, read.verifying.maximum_headers), (3, Some(65_536)));
    assert_eq!((read.verifying.clock_drift, read.verifying.minimum), (Duration::from_secs(300), None));
    assert!(read.results.authserv_id.is_none() && !read.results.always_add && !read.results.keep);
    assert_eq!(read.ldap.timeout, Duration::from_secs(5));
}

#[test]
fn s1_2_process() {
    let read = accepted(
        "Socket inet:8891@localhost\nUserID opendkim:mail\nUMask 007\nPidFile run/x.pid\nBackground no\n\
         BaseDirectory /var/lib/opendkim\nAutoRestart Yes\nAutoRestartCount 5\nAutoRestartRate 10/1h\n",
    )
    .process;
    let socket = read.socket.unwrap();
    assert_eq!((socket.value.to_postfix().as_str(), socket.at.line), ("inet:localhost:8891", 1));
    let user = read.user.unwrap().value;
    assert_eq!((user.user.as_str(), user.group.as_deref()), ("opendkim", Some("mail")));
    assert_eq!((read.umask.unwrap().value, read.auto_restart_count), (7, 5));
    assert_eq!(read.pid_file.unwrap().value, Path::new("run/x.pid"));
    assert!(!read.background && read.auto_restart);
    let rate = read.auto_restart_rate.unwrap().value;
    assert_eq!((rate.restarts, rate.within), (10, Duration::from_secs(3600)));
    all_refused(&["Socket 8891@localhost:", "Socket inet:x@localhost", "UserID :mail", "UserID a b"], CONFIG_VALUE);
    let (read, finding) = warned("UMask 01022");
    assert_eq!((read.process.umask.unwrap().value, finding.code), (0o22, OLD_VALUE));
    // A path is what has no colon, and starts at the base directory.
    let read = accepted("BaseDirectory /var/lib/opendkim\nSocket run/s\n").process;
    assert_eq!(read.socket.unwrap().value.path(), Some(Path::new("/var/lib/opendkim/run/s")));
}

#[test]
fn s1_2_a_rate_is_looked_at_where_it_is_used() {
    let found = dkim("AutoRestart yes\nAutoRestartRate often\n").unwrap_err();
    assert_eq!(places(&found), [(2, CONFIG_VALUE)]);
    all_warned(&["AutoRestartRate often"], CONFIG_UNUSED);
}

#[test]
fn s1_2_logging() {
    let read = accepted(
        "Syslog yes\nSyslogFacility LOCAL7\nSyslogName dkim\nSyslogSuccess y\nLogWhy t\nLogResults 1\nStdoutLog yes",
    )
    .logging;
    assert!(read.syslog && read.success && read.why && read.results && read.stdout);
    assert_eq!((read.facility, read.name.as_str()), (Facility::Local7, "dkim"));
    for text in ["SyslogFacility auth", "SyslogFacility nonsense"] {
        let (read, finding) = warned(text);
        assert_eq!((read.logging.facility, finding.code), (Facility::Mail, OLD_VALUE));
    }
}

#[test]
fn s1_2_mode() {
    for (text, mode) in
        [("s", Mode::Sign), ("v", Mode::Verify), ("sv", Mode::Both), ("vs", Mode::Both), ("vv", Mode::Verify)]
    {
        assert_eq!(accepted(&format!("Mode {text}")).choosing.mode, mode, "{text}");
    }
    all_refused(&["Mode x", "Mode svx", "Mode V", "Mode s v"], CONFIG_VALUE);
    assert_eq!(refused("Mode x").cause, "unknown mode \"x\"");
}

#[test]
fn s1_2_what_signs_needs_a_key() {
    let cause = |text: &str| {
        let finding = refused(text);
        assert_eq!(finding.code, CONFIG_CONFLICT, "{text}");
        assert!(finding.line.is_some());
        finding.cause
    };
    assert_eq!(cause("Domain a.example"), "Domain requires KeyFile and Selector");
    for text in ["Selector s", "KeyFile /k", "Domain a.example\nSelector s", "Domain a.example\nKeyFile /k"] {
        assert_eq!(cause(text), "KeyFile and Selector must both be defined or both be undefined", "{text}");
    }
    assert_eq!(cause("SigningTable /st"), "use of SigningTable requires KeyTable");
    assert_eq!(cause("Mode v\nSigningTable /st"), "use of SigningTable requires KeyTable");
    assert_eq!(cause("KeyTable /kt"), "KeyTable requires either SigningTable or SetupPolicyScript");
    // What verifies alone needs none.
    for text in ["Mode v\nDomain a.example", "Mode v\nSelector s", "Mode v\nKeyTable /kt"] {
        accepted(text);
    }
    let read = accepted(ONE_KEY);
    let key = read.choosing.single_key().unwrap();
    assert_eq!((key.domain.value.as_str(), key.selector.value.as_str()), ("a.example", "s"));
    assert_eq!((key.file.value.as_path(), key.file.at.line), (Path::new("/k"), 3));
    assert!(accepted(TABLES).choosing.single_key().is_none());
    all_warned(&["Selector s\nKeyFile /k"], CONFIG_UNUSED);
    // The script that would choose among the keys is not run, and that is said twice: for it, and for the table.
    let found = dkim("KeyTable /kt\nSetupPolicyScript /x.lua").unwrap().1;
    assert_eq!(found.len(), 2, "{found}");
    assert_eq!(refused("Domain a.example\nKeyFile /k\nSelector -bad-").code, CONFIG_VALUE);
}

#[test]
fn s1_2_the_one_key_is_ignored_beside_a_table() {
    let (read, found) = dkim(&format!("{ONE_KEY}{TABLES}SubDomains yes\n")).unwrap();
    assert_eq!(places(&found), [1, 2, 3, 6].map(|line| (line, CONFIG_UNUSED)));
    assert!(read.choosing.single_key().is_none() && read.choosing.domain.is_none());
    // Half a key is no error there, as upstream has it.
    let found = dkim(&format!("Domain a.example\n{TABLES}")).unwrap().1;
    assert_eq!(places(&found), [(1, CONFIG_UNUSED)]);
}

#[test]
fn s1_2_data_sets_stay_text_with_their_place() {
    let read = accepted(&format!(
        "{TABLES}InternalHosts 10.0.0.0/8, ::1\nExternalIgnoreList refile:/th\nMTA MSA\nMacroList a=b|c\n\
         ExemptDomains file:/x\nDontSignMailTo a@b\nBackground no\nMultipleSignatures yes\n"
    ))
    .choosing;
    let text = |value: &Option<engine::config::Sourced<String>>| value.as_ref().unwrap().value.clone();
    assert_eq!(text(&read.internal_hosts), "10.0.0.0/8, ::1");
    assert_eq!(read.internal_hosts(), "10.0.0.0/8, ::1");
    assert_eq!(text(&read.signing_table), "refile:/st");
    assert_eq!(text(&read.macro_list), "a=b|c");
    assert_eq!(read.exempt_domains.as_ref().unwrap().at.line, 7);
    assert_eq!(read.exempt_domains.as_ref().unwrap().at.key, "ExemptDomains");
    assert!(read.multiple_signatures);
}

#[test]
fn s8_6_lists_of_hosts_that_are_taken_for_something_else() {
    all_warned(&["ExternalIgnoreList /th"], CONFIG_UNUSED);
    accepted("InternalHosts /th\nExternalIgnoreList /th");
    all_warned(&["PeerList 10.0.0.1", "PeerList refile:/x"], OLD_HOLE);
    for text in ["MacroList refile:/x", "MacroList dsn:mysql://h/d"] {
        let finding = refused(text);
        assert_eq!((finding.code, finding.cause.as_str()), (CONFIG_CONFLICT, "invalid data set type for MacroList"));
    }
    accepted("MacroList file:/x");
    accepted("MacroList /x");
}

#[test]
fn s1_2_canonicalization() {
    use Canon::{Relaxed, Simple};
    for (text, both) in
        [("relaxed", (Relaxed, Simple)), ("relaxed/relaxed", (Relaxed, Relaxed)), ("SIMPLE/Relaxed", (Simple, Relaxed))]
    {
        assert_eq!(accepted(&format!("Canonicalization {text}")).signing.canonicalization, both);
    }
    all_refused(&["Canonicalization nowsp", "Canonicalization relaxed/", "Canonicalization a/b/c"], CONFIG_VALUE);
    assert_eq!(refused("Canonicalization foo").cause, "unknown canonicalization algorithm \"foo\"");
}

#[test]
fn s1_2_signature_algorithm() {
    let algorithm = |text: &str| accepted(text).signing.algorithm.unwrap().value;
    assert_eq!(algorithm("SignatureAlgorithm rsa-sha256"), SignatureAlgorithm::RsaSha256);
    assert_eq!(algorithm("SignatureAlgorithm ed25519-sha256"), SignatureAlgorithm::Ed25519Sha256);
    let (read, finding) = warned("SignatureAlgorithm rsa-sha1");
    assert_eq!((read.signing.algorithm.unwrap().value, finding.code), (SignatureAlgorithm::RsaSha256, OLD_VALUE));
    all_refused(&["SignatureAlgorithm foo", "SignatureAlgorithm sha256"], CONFIG_VALUE);
}

#[test]
fn s1_2_a_star_makes_a_list_of_fields_a_change_to_the_default() {
    let names = |text: &str| accepted(text).signing.sign_headers.names;
    assert_eq!(names("SignHeaders From, Subject,X-*"), ["From", "Subject", "X-*"]);
    let delta = names("SignHeaders *,+Content-Type,-Reply-To,-CC");
    assert_eq!(delta.len(), DEFAULT_SIGN_HEADERS.len() - 2 + 1);
    assert!(delta.contains(&"Content-Type".to_owned()) && !delta.contains(&"reply-to".to_owned()));
    assert!(!delta.contains(&"cc".to_owned()));
    assert_eq!(names("SignHeaders +X-A,*"), names("SignHeaders *,+X-A"));
    assert_eq!(names("SignHeaders *"), DEFAULT_SIGN_HEADERS);
    let omit = |text: &str| accepted(text).signing.omit_headers.names;
    assert_eq!(omit("OmitHeaders *,+Bcc,-Received"), ["return-path", "comments", "keywords", "Bcc"]);
    assert!(omit("OmitHeaders .").is_empty());
    // Signs without a star, and a star without signs.
    for text in ["SignHeaders +X-A,From", "SignHeaders *,X-A", "OmitHeaders -Received"] {
        let (_, finding) = warned(text);
        assert_eq!(finding.code, OLD_VALUE, "{text}");
    }
}

#[test]
fn s1_2_from_is_signed_even_if_it_is_omitted() {
    let (read, finding) = warned("OmitHeaders Bcc,from");
    assert_eq!(read.signing.omit_headers.names, ["Bcc"]);
    assert_eq!(finding.code, CONFIG_UNUSED);
}

#[test]
fn s1_2_lists_of_fields_may_stand_in_a_file() {
    let files = Files::default().with("/etc/h", "# ours\nSubject  ignored\n\nTo # all\n");
    for text in ["OversignHeaders file:/etc/h", "OversignHeaders /etc/h"] {
        assert_eq!(dkim_with(text, &files).unwrap().0.signing.oversign_headers, ["Subject", "To"], "{text}");
    }
    let files = files.with("/base/h", "Cc\n").with("h", "Bcc\n");
    for (text, name) in [("OversignHeaders file:h", "Bcc"), ("BaseDirectory /base\nOversignHeaders file:h", "Cc")] {
        assert_eq!(dkim_with(text, &files).unwrap().0.signing.oversign_headers, [name], "{text}");
    }
    assert_eq!(only(&dkim_with("SenderHeaders /none", &files).unwrap_err()).code, CONFIG_READ);
    for text in ["SignHeaders refile:/etc/h", "SignHeaders ldap://h/b", "SignHeaders lua:/x", "MustBeSigned db:/x.db"] {
        assert_eq!(only(&dkim_with(text, &files).unwrap_err()).code, CONFIG_VALUE, "{text}");
    }
}

#[test]
fn s1_2_signing() {
    let read = accepted(
        "OversignHeaders From,Subject, X-Absent\nSignatureTTL 3600\nRequestReports yes\nRemoveOldSignatures yes\n\
         ReplaceRules /rr\nReplaceHeaders From,To\nMustBeSigned Subject\n",
    );
    let signing = read.signing;
    assert_eq!(signing.oversign_headers, ["From", "Subject", "X-Absent"]);
    assert_eq!(signing.signature_ttl, Some(Duration::from_secs(3600)));
    assert!(signing.request_reports && signing.remove_old_signatures);
    assert!(signing.replace_headers.unwrap().contains(b"from"));
    assert!(read.verifying.must_be_signed.contains(b"SUBJECT"));
    assert_eq!(accepted("SignatureTTL 0").signing.signature_ttl, None);
}

/// RFC 6376 §8.2.
#[test]
fn signatures_with_an_open_end_are_a_hole() {
    all_warned(&["BodyLengthDB /x", "MaximumSignedBytes 1000"], OLD_HOLE);
    assert_eq!(dkim("MaximumSignedBytes 1000").unwrap().0.signing.maximum_signed_bytes.unwrap().value, 1000);
}

#[test]
fn s1_2_keys_and_dns() {
    let read = accepted(
        "RequireSafeKeys no\nMinimumKeyBits 2048\nNameservers 127.0.0.1, ::1\nDNSTimeout 10\nTestPublicKeys /keys\n\
         TestDNSData file:/zone\nQueryCache yes\n",
    )
    .keys;
    assert!(!read.require_safe_keys);
    assert_eq!((read.minimum_key_bits, read.nameservers.len()), (2048, 2));
    assert_eq!(read.dns_timeout, Duration::from_secs(10));
    assert_eq!(read.test_public_keys.unwrap().value, Path::new("/keys"));
    assert_eq!(read.test_dns_data.unwrap().value, "file:/zone");
    all_refused(&["Nameservers localhost", "Nameservers 127.0.0.1 ::1"], CONFIG_VALUE);
}

#[test]
fn s8_6_values_that_do_not_do_what_they_say() {
    for (text, bits) in [("MinimumKeyBits 0", 1024), ("MinimumKeyBits 512", 1024)] {
        let (read, finding) = warned(text);
        assert_eq!((read.keys.minimum_key_bits, finding.code), (bits, OLD_VALUE));
    }
    let (read, finding) = warned("DNSTimeout 0");
    assert_eq!((read.keys.dns_timeout, finding.code), (Duration::from_secs(5), OLD_VALUE));
    let (read, finding) = warned("MaximumHeaders 0");
    assert_eq!((read.verifying.maximum_headers, finding.code), (None, OLD_VALUE));
    all_warned(&["QueryCache no", "SoftStart no", "RemoveARAll no", "CheckSigningTable no"], OLD_VALUE);
}

/// OpenDKIM starts with them.
#[test]
fn negative_numbers_leave_the_default() {
    for name in [
        "AutoRestartCount",
        "ClockDrift",
        "DNSTimeout",
        "MaximumHeaders",
        "MaximumSignaturesToVerify",
        "MaximumSignedBytes",
        "MinimumKeyBits",
        "SignatureTTL",
        "UMask",
    ] {
        let (read, finding) = warned(&format!("{name} -1"));
        assert_eq!(finding.code, OLD_VALUE, "{name}");
        assert_eq!(OpenDkim { lines: Vec::new(), ..read }, OpenDkim::default(), "{name}");
    }
}

#[test]
fn s1_2_on_default_comes_first_wherever_it_stands() {
    let on = accepted("On-DNSError accept\nOn-Default reject\nOn-Security q\n").verifying.on;
    let expected = Actions {
        bad_signature: Action::Reject,
        no_signature: Action::Reject,
        key_not_found: Action::Reject,
        dns_error: Action::Accept,
        internal_error: Action::Reject,
        security: Action::Quarantine,
        signature_error: Action::Reject,
    };
    assert_eq!(on, expected);
    assert_eq!(accepted("On-BadSignature D").verifying.on.bad_signature, Action::Discard);
}

#[test]
fn s8_6_words_that_are_no_action_are_warnings_and_have_no_effect() {
    for name in [
        "Default",
        "BadSignature",
        "NoSignature",
        "KeyNotFound",
        "DNSError",
        "InternalError",
        "Security",
        "SignatureError",
    ] {
        let (read, finding) = warned(&format!("On-{name} bounce"));
        assert_eq!((finding.code, read.verifying.on), (OLD_VALUE, Actions::default()), "{name}");
    }
}

#[test]
fn s8_6_always_add_takes_the_effect_of_on_no_signature_away() {
    let (_, found) = dkim("AlwaysAddARHeader yes\nOn-NoSignature reject").unwrap();
    assert_eq!(places(&found), [(1, CONFIG_UNUSED)]);
    let (_, found) = dkim("AlwaysAddARHeader yes\nOn-Default tempfail").unwrap();
    assert_eq!(places(&found), [(1, CONFIG_UNUSED)]);
    accepted("AlwaysAddARHeader yes\nOn-NoSignature accept");
}

#[test]
fn s1_2_verifying() {
    let read = accepted(
        "MaximumSignaturesToVerify 10\nMaximumHeaders 1000\nMinimum 100%\nTrustSignaturesFrom a.example\nClockDrift 60\n\
         StrictHeaders yes\nRequiredHeaders yes\nCaptureUnknownErrors yes\n",
    )
    .verifying;
    assert_eq!((read.maximum_signatures, read.maximum_headers), (10, Some(1000)));
    assert_eq!((read.minimum, read.clock_drift), (Some(Minimum::Percent(100)), Duration::from_secs(60)));
    assert!(read.strict_headers && read.required_headers && read.capture_unknown_errors);
    all_refused(&["Minimum foo", "Minimum 200%"], CONFIG_VALUE);
}

#[test]
fn s1_2_results() {
    let read = accepted(
        "AuthservID mx.example.org\nAuthservIDWithJobID yes\nAlwaysAddARHeader yes\nRemoveARFrom a.example\n\
         RemoveARAll yes\nNoHeaderB yes\nX-Header yes\n",
    )
    .results;
    let id = read.authserv_id.unwrap();
    assert_eq!((id.value, id.at.line), (AuthservName::Name("mx.example.org".to_owned()), 1));
    assert!(read.authserv_id_with_job_id && read.always_add && read.remove_all && read.no_header_b);
    assert!(read.software_header);
    assert_eq!(read.remove_from.unwrap().value, "a.example");
    assert_eq!(accepted("AuthservID HOSTNAME").results.authserv_id.unwrap().value, AuthservName::Hostname);
    all_refused(&["AuthservID a b"], CONFIG_VALUE);
}

#[test]
fn s1_2_ldap() {
    let read = accepted(
        "LDAPTimeout 7\nLDAPUseTLS yes\nLDAPBindUser cn=x\nLDAPAuthMechanism simple\nLDAPKeepaliveIdle 60\n\
         LDAPKeepaliveProbes 3",
    )
    .ldap;
    assert_eq!((read.timeout, read.ldap.use_tls), (Duration::from_secs(7), true));
    assert_eq!(read.ldap.bind_user.as_deref(), Some("cn=x"));
    assert_eq!((read.ldap.keepalive_idle, read.ldap.keepalive_probes), (Some(Duration::from_secs(60)), Some(3)));
    all_warned(&["LDAPTimeout soon", "LDAPTimeout 0", "LDAPKeepaliveProbes -1"], OLD_VALUE);
}
