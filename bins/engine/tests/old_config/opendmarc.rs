//! §3.1: the options of OpenDMARC.

use std::path::Path;
use std::time::Duration;

use engine::config::Facility;
use engine::config::diagnostics::{CONFIG_UNUSED, CONFIG_VALUE};
use engine::config::old_file::{AuthservName, OLD_DIFFERS, OLD_VALUE};
use engine::config::opendmarc::OpenDmarc;

use crate::support::{dmarc, only, places};

fn accepted(text: &str) -> OpenDmarc {
    match dmarc(text) {
        Ok((read, found)) if found.is_empty() => read,
        Ok((_, found)) | Err(found) => panic!("{text}\n{found}"),
    }
}

#[test]
fn s3_1_the_defaults_are_those_of_opendmarc() {
    let read = accepted("");
    assert_eq!(read, OpenDmarc::default());
    assert!(read.process.background && !read.logging.syslog);
    assert_eq!(read.logging.facility, Facility::Mail);
    assert!(!read.acting.reject_failures && !read.acting.hold_quarantined);
    assert_eq!(read.acting.reject_string, "rejected by DMARC policy for %s");
    assert!(read.ignoring.hosts.is_none() && !read.ignoring.authenticated_clients);
    assert!(read.history.file.is_none() && read.evaluating.public_suffix_list.is_none());
}

#[test]
fn s3_1_every_group_is_read() {
    let read = accepted(
        "Socket local:/run/opendmarc/opendmarc.sock\nUserID opendmarc\nUMask 0002\nSyslog true\nSyslogFacility daemon\n\
         AuthservID HOSTNAME\nAuthservIDWithJobID yes\nSoftwareHeader yes\nIgnoreAuthenticatedClients true\n\
         IgnoreHosts /etc/opendmarc/ignore.hosts\nIgnoreMailFrom a.example, B.example\n\
         PublicSuffixList /psl.dat\nDNSTimeout 3\nTestDNSData /zone\nRequiredHeaders yes\nRequiredFrom yes\n\
         RejectMultiValueFrom yes\nRejectFailures yes\nRejectString no mail from %s, please\n\
         HoldQuarantinedMessages yes\nCopyFailuresTo postmaster@a.example\nHistoryFile h.dat\nRecordAllMessages yes\n\
         IgnoreMailTo dmarc@a.example\nDMARCbisIgnorePct no\n",
    );
    assert_eq!(read.process.umask.unwrap().value, 2);
    assert_eq!(read.logging.facility, Facility::Daemon);
    assert_eq!(read.results.authserv_id.unwrap().value, AuthservName::Hostname);
    assert!(read.results.software_header && read.results.authserv_id_with_job_id);
    assert!(read.ignoring.authenticated_clients);
    assert_eq!(read.ignoring.hosts.unwrap().value, Path::new("/etc/opendmarc/ignore.hosts"));
    let from = read.ignoring.mail_from.unwrap();
    assert_eq!(
        (from.value.as_slice(), from.at.line),
        (["a.example".to_owned(), "B.example".to_owned()].as_slice(), 11)
    );
    assert_eq!(read.evaluating.public_suffix_list.unwrap().value, Path::new("/psl.dat"));
    assert_eq!(read.evaluating.dns_timeout, Some(Duration::from_secs(3)));
    assert_eq!(read.evaluating.ignore_pct, Some(false));
    assert!(read.evaluating.required_headers && read.evaluating.required_from);
    assert!(read.evaluating.reject_multi_value_from && read.acting.reject_failures && read.acting.hold_quarantined);
    assert_eq!(read.acting.reject_string, "no mail from %s, please");
    assert_eq!(read.acting.copy_failures_to.unwrap().value, "postmaster@a.example");
    assert_eq!(read.history.file.unwrap().value, Path::new("h.dat"));
    assert!(read.history.record_all);
    assert_eq!(read.history.ignore_mail_to.unwrap().value, ["dmarc@a.example"]);
    assert_eq!(read.lines.len(), 25);
}

#[test]
fn s3_1_the_text_of_a_rejection_has_one_place() {
    for (text, cause) in [
        ("no", "The RejectString doesn't contain %s!"),
        ("%s %s", "The RejectString contains 2 occurrences of %s instead of one!"),
        ("100% no for %s", "`%` has a meaning in front of `s` alone"),
        ("%%s", "`%` has a meaning in front of `s` alone"),
        ("nein für %s", "the text of a reply holds printable ASCII alone"),
    ] {
        let finding = only(&dmarc(&format!("RejectString {text}")).unwrap_err());
        assert_eq!((finding.code, finding.cause.as_str()), (CONFIG_VALUE, cause), "{text}");
    }
}

#[test]
fn s3_1_spf_is_checked_here_whatever_the_file_says() {
    accepted("SPFSelfValidate yes\nSPFIgnoreResults yes");
    let found = dmarc("SPFSelfValidate no\nSPFIgnoreResults no").unwrap().1;
    assert_eq!(places(&found), [(1, OLD_VALUE), (2, OLD_VALUE)]);
}

#[test]
fn s3_1_what_is_held_today_was_not_held_by_1_4_2_alone() {
    let (read, found) = dmarc("RejectFailures no\nHoldQuarantinedMessages yes").unwrap();
    assert!(read.acting.hold_quarantined);
    assert_eq!(places(&found), [(2, OLD_DIFFERS)]);
}

#[test]
fn s3_1_no_field_is_believed() {
    let (read, found) = dmarc("TrustedAuthservIDs HOSTNAME, mx.example.org").unwrap();
    assert_eq!(places(&found), [(1, OLD_DIFFERS)]);
    assert_eq!(read.results.trusted_authserv_ids.unwrap().value, ["HOSTNAME", "mx.example.org"]);
}

#[test]
fn s3_1_what_is_recorded_needs_a_file() {
    let found = dmarc("RecordAllMessages yes\nIgnoreMailTo a@b").unwrap().1;
    assert_eq!(places(&found), [(1, CONFIG_UNUSED), (2, CONFIG_UNUSED)]);
}

#[test]
fn s3_1_reports_about_single_messages_are_another_programs_work_and_their_options_are_read() {
    let text = "FailureReports yes\nFailureReportsBcc a@b\nFailureReportsOnNone yes\nFailureReportsSentBy c@d\n\
                ReportCommand /usr/sbin/sendmail -t\n";
    let (read, found) = dmarc(text).unwrap();
    assert_eq!(found.len(), 4, "all but FailureReportsOnNone: {found}");
    let reports = read.failure_reports;
    assert!(reports.enabled && reports.on_none);
    assert_eq!(reports.bcc.unwrap().value, "a@b");
    assert_eq!(reports.sent_by.unwrap().value, "c@d");
    assert_eq!(reports.command.unwrap().value, "/usr/sbin/sendmail -t");
}
