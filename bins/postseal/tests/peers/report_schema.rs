//! Aggregate reports beside the schemas of the RFCs, by xmllint: all that a report can say, little of it, and what strangers would like it to say.

use std::path::Path;
use std::process::Command;

use dmarc_core::record::{AlignmentMode, Policy};
use dmarc_core::report::{
    ActionDisposition, DiscoveryMethod, DkimResult, Format, Metadata, PolicyPublished, Reason, ReasonType,
    ReportWriter, Row, SpfResult, SpfScope, Standing,
};

const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dmarc-core/tests/vectors/xsd");

const HOSTILE: &str = "x</domain></dkim></record><record>\u{0}\u{1b}\u{ffff}&<![CDATA[\"' b\u{fc}cher";

fn rows() -> Vec<Row<'static>> {
    const REASONS: &[Reason<'_>] = &[
        Reason { kind: ReasonType::LocalPolicy, comment: Some(HOSTILE) },
        Reason { kind: ReasonType::MailingList, comment: None },
        Reason { kind: ReasonType::Other, comment: None },
        Reason { kind: ReasonType::PolicyTestMode, comment: None },
        Reason { kind: ReasonType::TrustedForwarder, comment: None },
    ];
    const DKIM: &[DkimResult<'_>] = &[
        DkimResult {
            domain: "a.example",
            selector: "s",
            result: "pass",
            human_result: None,
            standing: Standing::Strict,
        },
        DkimResult {
            domain: HOSTILE,
            selector: HOSTILE,
            result: "fail",
            human_result: Some(HOSTILE),
            standing: Standing::Other,
        },
        DkimResult {
            domain: "b.example",
            selector: "",
            result: HOSTILE,
            human_result: None,
            standing: Standing::Other,
        },
    ];
    let least = Row {
        source_ip: "2001:db8::1".parse().unwrap(),
        count: 1,
        disposition: ActionDisposition::None,
        dkim_aligned: false,
        spf_aligned: false,
        reasons: &[],
        header_from: "a.example",
        envelope_from: None,
        envelope_to: None,
        dkim: &[],
        spf: None,
    };
    let spf = |scope, result| Some(SpfResult { domain: HOSTILE, scope, result, human_result: Some(HOSTILE) });
    let most = Row {
        count: u64::MAX,
        disposition: ActionDisposition::Pass,
        reasons: REASONS,
        header_from: HOSTILE,
        envelope_from: Some(HOSTILE),
        envelope_to: Some("c.example"),
        dkim: DKIM,
        spf: spf(SpfScope::MailFrom, "softfail"),
        ..least
    };
    vec![
        least,
        most,
        Row { disposition: ActionDisposition::Quarantine, spf: spf(SpfScope::Helo, "policy"), ..most },
        Row { disposition: ActionDisposition::Reject, envelope_from: Some(""), ..least },
    ]
}

/// The reports of one format: all that can be written, and the least.
fn reports(format: Format) -> Vec<Vec<u8>> {
    let full = Metadata {
        org_name: HOSTILE,
        email: "dmarc@mx.example",
        extra_contact_info: Some(HOSTILE),
        report_id: "20261124.abc@mx.example",
        begin: 1_795_478_400,
        end: 1_795_564_799,
        error: Some(HOSTILE),
        generator: Some("Postseal"),
    };
    let bare = Metadata { extra_contact_info: None, error: None, generator: None, ..full };
    let all = PolicyPublished {
        domain: "a.example",
        discovery_method: Some(DiscoveryMethod::Psl),
        p: Policy::Reject,
        sp: Some(Policy::Quarantine),
        np: Some(Policy::None),
        adkim: AlignmentMode::Strict,
        aspf: AlignmentMode::Relaxed,
        fo: Some("0:1:d:s"),
        testing: true,
        pct: Some(0),
    };
    let little =
        PolicyPublished { discovery_method: None, sp: None, np: None, fo: None, testing: false, pct: None, ..all };
    let written = |metadata: &Metadata<'_>, policy: &PolicyPublished<'_>| {
        let mut report = ReportWriter::new(Vec::new(), format, metadata, policy).unwrap();
        for row in rows() {
            report.row(&row).unwrap();
        }
        report.finish().unwrap()
    };
    vec![written(&full, &all), written(&bare, &little)]
}

fn is_valid(schema: &Path, report: &Path) -> (bool, String) {
    let output =
        Command::new("xmllint").args(["--noout", "--nonet", "--schema"]).arg(schema).arg(report).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn reports_of_either_format_fit_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    for (format, schema) in
        [(Format::Rfc9990, "rfc9990-dmarc-2.0.xsd"), (Format::Rfc7489, "rfc7489-no-namespace-corrected.xsd")]
    {
        let schema = Path::new(SCHEMAS).join(schema);
        for report in reports(format) {
            std::fs::write(&file, &report).unwrap();
            let (is_valid, said) = is_valid(&schema, &file);
            assert!(is_valid, "{format}: {said}\n{}", String::from_utf8_lossy(&report));
        }
        // The schema would tell.
        let broken = String::from_utf8(reports(format).remove(0)).unwrap().replace("<count>", "<counted>");
        std::fs::write(&file, broken.replace("</count>", "</counted>")).unwrap();
        assert!(!is_valid(&schema, &file).0, "{format}");
    }
}
