//! Aggregate reports as they are written (RFC 9990; ).
#![expect(clippy::unwrap_used, reason = "test helpers")]

use dmarc_core::record::{AlignmentMode, Policy};
use dmarc_core::report::{
    ActionDisposition, DiscoveryMethod, DkimResult, Format, MAX_DKIM_RESULTS, Metadata, PolicyPublished, Reason,
    ReasonType, ReportWriter, Row, SpfResult, SpfScope, Standing,
};

fn metadata() -> Metadata<'static> {
    Metadata {
        org_name: "Example & Sons",
        email: "dmarc@mx.example",
        extra_contact_info: None,
        report_id: "20261124.abc@mx.example",
        begin: 1_795_478_400,
        end: 1_795_564_799,
        error: None,
        generator: Some("Postseal 0.1"),
    }
}

fn policy() -> PolicyPublished<'static> {
    PolicyPublished {
        domain: "Example.COM",
        discovery_method: Some(DiscoveryMethod::TreeWalk),
        p: Policy::Reject,
        sp: None,
        np: Some(Policy::Quarantine),
        adkim: AlignmentMode::Strict,
        aspf: AlignmentMode::Relaxed,
        fo: Some("1"),
        testing: true,
        pct: Some(50),
    }
}

fn row() -> Row<'static> {
    Row {
        source_ip: "::ffff:192.0.2.1".parse().unwrap(),
        count: 3,
        disposition: ActionDisposition::Pass,
        dkim_aligned: true,
        spf_aligned: false,
        reasons: &[Reason { kind: ReasonType::PolicyTestMode, comment: Some("t=y") }],
        header_from: "news.Example.com",
        envelope_from: Some(""),
        envelope_to: None,
        dkim: &[DkimResult {
            domain: "example.com",
            selector: "s1",
            result: "pass",
            human_result: None,
            standing: Standing::Relaxed,
        }],
        spf: Some(SpfResult { domain: "x.example", scope: SpfScope::MailFrom, result: "softfail", human_result: None }),
    }
}

fn written(format: Format, policy: &PolicyPublished<'_>, rows: &[Row<'_>]) -> String {
    let mut report = ReportWriter::new(Vec::new(), format, &metadata(), policy).unwrap();
    for row in rows {
        report.row(row).unwrap();
    }
    String::from_utf8(report.finish().unwrap()).unwrap()
}

#[test]
fn r2_to_r6_a_report_of_rfc_9990() {
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">\n\
        <version>1.0</version>\n<report_metadata>\n<org_name>Example &amp; Sons</org_name><email>dmarc@mx.example</email>\
        <report_id>20261124.abc@mx.example</report_id><date_range><begin>1795478400</begin><end>1795564799</end></date_range>\
        <generator>Postseal 0.1</generator>\n</report_metadata>\n<policy_published>\n<domain>example.com</domain>\
        <discovery_method>treewalk</discovery_method><p>reject</p><np>quarantine</np><fo>1</fo><adkim>s</adkim><aspf>r</aspf>\
        <testing>y</testing>\n</policy_published>\n<record><row><source_ip>192.0.2.1</source_ip><count>3</count>\
        <policy_evaluated><disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf><reason><type>policy_test_mode</type>\
        <comment>t=y</comment></reason></policy_evaluated></row><identifiers><header_from>news.example.com</header_from>\
        <envelope_from></envelope_from></identifiers><auth_results><dkim><domain>example.com</domain><selector>s1</selector>\
        <result>pass</result></dkim><spf><domain>x.example</domain><scope>mfrom</scope><result>softfail</result></spf>\
        </auth_results></record>\n</feedback>\n";
    assert_eq!(written(Format::Rfc9990, &policy(), &[row()]), expected);
}

#[test]
fn a_report_of_rfc_7489_has_no_word_that_its_readers_do_not_know() {
    let text = written(Format::Rfc7489, &policy(), &[row(), Row { spf: None, envelope_from: None, ..row() }]);
    assert!(text.contains("\n<feedback>\n"), "{text}");
    for word in ["xmlns", "generator", "discovery_method", "<np>", "testing", "policy_test_mode", "<disposition>pass"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    for part in [
        "<adkim>s</adkim><aspf>r</aspf><p>reject</p><sp>reject</sp><pct>50</pct><fo>1</fo>",
        "<disposition>none</disposition>",
        "<reason><type>other</type>",
        "<envelope_from></envelope_from>",
        "<spf><domain></domain><scope>mfrom</scope><result>none</result></spf>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn r6_a_result_of_helo_is_not_told_as_one_of_mail_from() {
    let helo = Row {
        spf: Some(SpfResult { domain: "h.example", scope: SpfScope::Helo, result: "pass", human_result: None }),
        ..row()
    };
    assert!(!written(Format::Rfc9990, &policy(), &[helo]).contains("h.example"));
    assert!(written(Format::Rfc7489, &policy(), &[helo]).contains("<domain>h.example</domain><scope>helo</scope>"));
}

#[test]
fn r6_signatures_stand_in_their_order_each_once_and_at_most_100() {
    let signature =
        |selector, result, standing| DkimResult { domain: "d.example", selector, result, human_result: None, standing };
    let results = [
        signature("failed", "fail", Standing::Strict),
        signature("other", "pass", Standing::Other),
        signature("relaxed", "pass", Standing::Relaxed),
        signature("strict", "pass", Standing::Strict),
        signature("other", "pass", Standing::Other),
        signature("odd", "nxdomain", Standing::Other),
    ];
    let text = written(Format::Rfc9990, &policy(), &[Row { dkim: &results, ..row() }]);
    let order: Vec<&str> =
        text.split("<selector>").skip(1).map(|part| part.split('<').next().unwrap_or_default()).collect();
    assert_eq!(order, ["strict", "relaxed", "other", "failed", "odd"]);
    assert!(text.contains("<selector>odd</selector><result>none</result>"), "a word that no schema has: {text}");
    let names: Vec<String> = (0..150).map(|number| format!("s{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| signature(name, "fail", Standing::Other)).collect();
    let text = written(Format::Rfc9990, &policy(), &[Row { dkim: &many, ..row() }]);
    assert_eq!(text.matches("<dkim><domain>").count(), MAX_DKIM_RESULTS);
}

#[test]
fn what_strangers_write_stays_in_its_element() {
    let hostile = "x</header_from></identifiers></record><record>\u{0}\u{1b}\u{ffff}&\"";
    let dkim = [DkimResult {
        domain: hostile,
        selector: hostile,
        result: "pass",
        human_result: Some(hostile),
        standing: Standing::Other,
    }];
    let spf = SpfResult { domain: hostile, scope: SpfScope::MailFrom, result: hostile, human_result: Some(hostile) };
    let row = Row {
        header_from: hostile,
        envelope_from: Some(hostile),
        envelope_to: Some(hostile),
        dkim: &dkim,
        spf: Some(spf),
        ..row()
    };
    let text = written(Format::Rfc9990, &policy(), &[row]);
    assert_eq!((text.matches("<record>").count(), text.matches("</record>").count()), (1, 1), "{text}");
    assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{ffff}'), "{text}");
    let long = "y".repeat(100_000);
    let text = written(Format::Rfc9990, &policy(), &[Row { header_from: &long, ..row }]);
    assert!(text.len() < 5000);
}

#[test]
fn r1_a_report_without_rows_is_none() {
    let report = ReportWriter::new(Vec::new(), Format::Rfc9990, &metadata(), &policy()).unwrap();
    assert_eq!(report.finish().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

/// A disk that takes so many octets.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(octets.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_is_full_is_an_error_and_rows_are_counted() {
    let mut report = ReportWriter::new(Full(100_000), Format::Rfc9990, &metadata(), &policy()).unwrap();
    let failed = (0..1000).find_map(|_| report.row(&row()).err());
    assert_eq!(failed.unwrap().kind(), std::io::ErrorKind::StorageFull);
    assert!(report.rows() > 100 && report.messages() == report.rows() * 3);
}
