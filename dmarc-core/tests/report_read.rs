//! Aggregate reports of others are read: real ones, those that are damaged as real ones are, and those that would do harm.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a broken assumption is to fail the test at its place")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dmarc_core::record::{AlignmentMode, Policy};
use dmarc_core::report::read::{Limit, ReadError, ReadLimits, Record, Report, read_container};
use dmarc_core::report::{
    ActionDisposition, DkimResult, Format, Metadata, PolicyPublished, Reason, ReasonType, ReportWriter, Row, SpfResult,
    SpfScope, Standing,
};
use proptest::prelude::*;

const RECORD: &str = "<record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><disposition>none</disposition>\
    <dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from>example.com</header_from></identifiers>\
    <auth_results><dkim><domain>example.com</domain><selector>s</selector><result>pass</result></dkim>\
    <spf><domain>example.net</domain><result>softfail</result></spf></auth_results></record>";

const HEAD: &str = "<report_metadata><org_name>Org</org_name><email>a@b.example</email><report_id>id1</report_id><date_range>\
    <begin>1709683200</begin><end>1709769599</end></date_range></report_metadata><policy_published><domain>example.com</domain>\
    <adkim>r</adkim><p>reject</p></policy_published>";

fn read(octets: &[u8]) -> Result<(Report, Vec<Record>), ReadError> {
    read_with(octets, &ReadLimits::default())
}

fn read_with(octets: &[u8], limits: &ReadLimits) -> Result<(Report, Vec<Record>), ReadError> {
    let mut records = Vec::new();
    let mut reports = read_container(octets, limits, |record| records.push(record.clone()))?;
    Ok((reports.remove(0), records))
}

fn report() -> String {
    format!("<?xml version=\"1.0\"?>\n<feedback>{HEAD}{RECORD}</feedback>")
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

/// A zip of files; sizes in front, or behind as of writers that do not know them.
fn zip(files: &[(&str, &[u8])], is_streamed: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, octets) in files {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(octets).unwrap();
        let packed = encoder.finish().unwrap();
        let size = u32::try_from(packed.len()).unwrap();
        out.extend_from_slice(b"PK\x03\x04\x14\0");
        out.extend_from_slice(if is_streamed { &[8, 0, 8, 0] } else { &[0, 0, 8, 0] });
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&if is_streamed { 0 } else { size }.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&u16::try_from(name.len()).unwrap().to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&packed);
        if is_streamed {
            out.extend_from_slice(b"PK\x07\x08");
            out.extend_from_slice(&[0; 12]);
        }
    }
    out.extend_from_slice(b"PK\x01\x02");
    out.extend_from_slice(&[0; 42]);
    out
}

/// The attachment of a mail: its last part in base64.
fn attachment(mail: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(mail).replace("\r\n", "\n");
    let part = text.rsplit_once("base64").unwrap().1.split_once("\n\n").unwrap().1;
    let lines = part.lines().take_while(|line| !line.starts_with("--"));
    let letters: String = lines.flat_map(str::chars).filter(|char| !char.is_whitespace()).collect();
    STANDARD.decode(letters).unwrap()
}

#[test]
fn r12_every_real_report_is_read_with_its_sums() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dmarc-reports");
    let index: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let mut read_well = 0;
    for case in index.as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let mut octets = fs::read(folder.join(file)).unwrap();
        if file.ends_with("empty.xml") {
            assert!(matches!(read(&octets), Err(ReadError::NoFeedback)), "{file}");
            continue;
        }
        if file.ends_with(".eml") {
            octets = attachment(&octets);
        }
        let (report, records) = read(&octets).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(report.records > 0 && u64::try_from(records.len()).unwrap() == report.records, "{file}");
        read_well += 1;
        if case["well_formed"] == false {
            continue;
        }
        let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(report.org_name, text("org_name"), "{file}");
        assert_eq!((&report.email, &report.report_id), (&text("email"), &text("report_id")), "{file}");
        assert_eq!((&report.policy.domain, &report.policy.p), (&text("domain"), &text("p")), "{file}");
        for (own, name) in [(&report.policy.sp, "sp"), (&report.policy.pct, "pct"), (&report.policy.np, "np")] {
            assert_eq!(own, &text(name), "{file}");
        }
        let seconds = |name: &str| text(name).trim_end_matches(".0").parse::<u64>().ok();
        assert_eq!((report.begin, report.end), (seconds("begin"), seconds("end")), "{file}");
        assert_eq!(report.records, case["records"].as_u64().unwrap(), "{file}");
        assert_eq!(report.messages, case["total_count"].as_u64().unwrap(), "{file}");
        for (word, count) in case["dispositions"].as_object().unwrap() {
            let own = records.iter().filter(|record| record.disposition == *word).count();
            assert_eq!(u64::try_from(own).unwrap(), count.as_u64().unwrap(), "{file} {word}");
        }
        assert!(!report.is_partial, "{file}");
    }
    assert_eq!(read_well, 30);
}

fn utf16(text: &str, is_big_endian: bool) -> Vec<u8> {
    let unit = |unit: u16| if is_big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(unit).collect()
}

/// Each of the damages that are met, and one record comes out of each.
#[test]
fn r12_damaged_reports_yield_their_record() {
    let whole = report();
    let swap = |from: &str, to: &str| {
        assert!(whole.contains(from), "{from}");
        whole.replace(from, to).into_bytes()
    };
    let mut variants: Vec<(&str, Vec<u8>)> = vec![
        ("namespace of RFC 9990", swap("<feedback>", "<feedback xmlns=\"urn:ietf:params:xml:ns:dmarc-2.0\">")),
        ("old namespace", swap("<feedback>", "<feedback xmlns='http://dmarc.org/dmarc-xml/0.1' xsi:x='a b'>")),
        ("prefix", swap("feedback>", "d:feedback>")),
        ("stray schema", swap("<feedback>", "<xs:schema xmlns:xs=\"x\" targetNamespace=\"y\"><feedback>")),
        ("byte order mark", [b"\xef\xbb\xbf", whole.as_bytes()].concat()),
        ("blanks in front", [b" \r\n\t", whole.as_bytes()].concat()),
        ("declaration twice", [b"<?xml version=\"1.0\"?>", whole.as_bytes()].concat()),
        ("no declaration", swap("<?xml version=\"1.0\"?>\n", "")),
        ("UTF-16 little endian", utf16(&whole, false)),
        ("UTF-16 big endian", utf16(&whole, true)),
        ("UTF-16 without mark", utf16(&whole, false)[2..].to_vec()),
        ("raw address", swap("a@b.example", "<a@b.example>")),
        ("raw ampersand", swap(">a@b.example", ">a@b.example?x=1&y=2")),
        ("entity of HTML", swap("Org", "Org&nbsp;Inc")),
        ("missing tag", swap("id1</report_id>", "id1/report_id>")),
        ("wrong close tag", swap("id1</report_id>", "id1</reportid>")),
        ("garbage behind", swap("</feedback>", "</feedback>\0garbage <x")),
        ("control characters", swap("Org", "O\0r\u{1}g")),
        ("upper case", swap("<dkim>pass", "<dkim>PASS")),
        ("upper case names", swap("feedback>", "FEEDBACK>")),
        ("no spf", swap("<spf><domain>example.net</domain><result>softfail</result></spf>", "")),
        ("identities", swap("identifiers>", "identities>")),
        ("empty reason", swap("</policy_evaluated>", "<reason/></policy_evaluated>")),
        ("reason of text", swap("</policy_evaluated>", "<reason>sampled_out</reason></policy_evaluated>")),
        ("extension", swap("<record>", "<extension><x:y><record>1</record></x:y></extension><record>")),
        ("extension in a record", swap("</record>", "<x:foo><count>9</count></x:foo></record>")),
        ("unknown in a row", swap("<count>", "<foo><bar/>x</foo><count>")),
        ("second policy", swap("<record>", "<policy_published><domain>o.example</domain></policy_published><record>")),
        ("comment", swap("<record>", "<!-- <record> -- > --><record>")),
        ("CDATA", swap("Org", "<![CDATA[Org & <b>]]>")),
        ("bare DOCTYPE", swap("<feedback>", "<!DOCTYPE feedback><feedback>")),
        ("DOCTYPE of a file", swap("<feedback>", "<!DOCTYPE feedback SYSTEM \"x.dtd\"><feedback>")),
        ("float dates", swap("1709683200", "1709683200.0")),
        ("dates of milliseconds", swap("1709683200", "1709683200000")),
        ("dates of ISO 8601", swap("1709683200", "2024-03-06T00:00:00Z")),
        ("empty sp", swap("<p>", "<sp></sp><p>")),
        ("no p", swap("<p>reject</p>", "")),
        ("no organization", swap("<org_name>Org</org_name>", "")),
        (
            "repeated envelope_to",
            swap("</header_from>", "</header_from><envelope_to>a</envelope_to><envelope_to>b</envelope_to>"),
        ),
        ("language", swap("<org_name>", "<org_name lang=\"en\">")),
        ("gzip", gzip(whole.as_bytes())),
        ("gzip in gzip", gzip(&gzip(whole.as_bytes()))),
        ("zip", zip(&[("x.xml", whole.as_bytes())], false)),
        ("streamed zip", zip(&[("x.xml", whole.as_bytes())], true)),
        ("zip with more in it", zip(&[("__MACOSX/x", b"\0\x05"), ("d/", b""), ("x.dat", whole.as_bytes())], true)),
        ("gzip in zip", zip(&[("x.xml.gz", &gzip(whole.as_bytes()))], false)),
        ("blanks before gzip", [b"\r\n ".as_slice(), &gzip(whole.as_bytes())].concat()),
        ("record first", format!("<feedback>{RECORD}{HEAD}</feedback>").into_bytes()),
        ("end missing", swap("</feedback>", "")),
        ("end cut", swap("</record></feedback>", "</record><record><row><cou")),
    ];
    let latin = |text: &str| text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect::<Vec<u8>>();
    variants.push(("Latin-1", latin(&whole.replace("Org", "Soci\u{e9}t\u{e9}"))));
    let packed = gzip(whole.repeat(3).as_bytes());
    variants.push(("cut gzip", packed[..packed.len() - 20].to_vec()));
    for ip in ["[192.0.2.1]", " 192.0.2.1 ", "192.0.2.1/32", "::ffff:192.0.2.1"] {
        variants.push((ip, swap("192.0.2.1", ip)));
    }
    for (name, octets) in &variants {
        let (report, records) = read(octets).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(records.len(), 1, "{name}");
        let record = &records[0];
        assert_eq!((record.count, record.source_ip), (3, Some("192.0.2.1".parse().unwrap())), "{name}");
        assert_eq!((record.is_dkim_aligned, record.is_spf_aligned), (Some(true), Some(false)), "{name}");
        assert_eq!((record.header_from.as_str(), record.dkim[0].result.as_str()), ("example.com", "pass"), "{name}");
        assert_eq!((report.policy.domain.as_str(), report.begin), ("example.com", Some(1_709_683_200)), "{name}");
        assert_eq!(report.report_id, "id1", "{name}");
        let is_cut = matches!(*name, "end missing" | "end cut");
        assert_eq!(report.is_partial, is_cut, "{name}");
    }
    let named = |name: &str| read(&variants.iter().find(|it| it.0 == name).unwrap().1).unwrap();
    assert_eq!(named("raw address").0.email, "<a@b.example>");
    assert_eq!(named("raw ampersand").0.email, "a@b.example?x=1&y=2");
    assert_eq!(named("Latin-1").0.org_name, "Soci\u{e9}t\u{e9}");
    assert_eq!(named("CDATA").0.org_name, "Org & <b>");
    assert_eq!(named("reason of text").1[0].reasons[0].kind, "sampled_out");
    assert_eq!(named("repeated envelope_to").1[0].envelope_to.as_deref(), Some("a"));
}

#[test]
fn r12_odd_values_are_what_they_mean_and_never_a_pass() {
    let with = |from: &str, to: &str| read(report().replace(from, to).as_bytes()).unwrap().1.remove(0);
    for (text, count) in [
        ("", 0),
        ("3.0", 3),
        ("-1", 0),
        ("99999999999999999999", u64::MAX),
        ("x", 0),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(with("<count>3<", &format!("<count>{text}<")).count, count, "{text}");
    }
    for (word, expected) in
        [("hardfail", "fail"), ("Hard_Fail", "fail"), ("unknown", "temperror"), ("error", "permerror")]
    {
        assert_eq!(with("softfail", word).spf[0].result, expected);
    }
    for word in ["", "unknown", "none", "yes"] {
        assert_eq!(with("<dkim>pass", &format!("<dkim>{word}")).is_dkim_aligned, None, "{word}");
    }
    let record = with("192.0.2.1", "unknown");
    assert_eq!((record.source_ip, record.source_text.as_str()), (None, "unknown"));
    let reason =
        |text: &str| with("</policy_evaluated>", &format!("<reason>{text}</reason></policy_evaluated>")).reasons;
    assert_eq!(reason("<type>Mailing-List</type>")[0].kind, "mailing_list");
    assert_eq!(
        (reason("<type>odd</type>")[0].kind.as_str(), reason("<type>odd</type>")[0].comment.as_str()),
        ("other", "odd")
    );
    assert!(reason("").is_empty());
}

#[test]
fn r12_what_is_no_report_is_refused() {
    for (octets, name) in [("", "empty"), ("unused", "unused"), ("<html><body>x</body></html>", "HTML")] {
        assert!(matches!(read(octets.as_bytes()), Err(ReadError::NoFeedback)), "{name}");
    }
    for records in ["", "<record></record>", "<record><row/></record>"] {
        let text = format!("<feedback>{HEAD}{records}</feedback>");
        assert!(matches!(read(text.as_bytes()), Err(ReadError::NoRecords)), "{records}");
    }
    for dtd in [
        "<!DOCTYPE feedback [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>",
        "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]>",
        "<!doctype\nfeedback SYSTEM 'x>y' [ <!entity x \"y\"> ]>",
    ] {
        let text = format!("{dtd}{}", report());
        assert!(matches!(read(text.as_bytes()), Err(ReadError::Doctype)), "{dtd}");
    }
    let deep = format!("<feedback>{}", "<a>".repeat(200_000));
    assert!(matches!(read(deep.as_bytes()), Err(ReadError::Limit(Limit::Depth))));
}

#[test]
fn r12_limits_hold() {
    let small = |limits: ReadLimits, octets: &[u8]| match read_with(octets, &limits) {
        Err(ReadError::Limit(limit)) => limit,
        other => panic!("{other:?}"),
    };
    let default = ReadLimits::default;
    let whole = report();
    let many = format!("<feedback>{HEAD}{}</feedback>", RECORD.repeat(3));
    assert_eq!(small(ReadLimits { compressed: 100, ..default() }, whole.as_bytes()), Limit::Compressed);
    assert_eq!(small(ReadLimits { expanded: 100, ..default() }, &gzip(whole.as_bytes())), Limit::Expanded);
    assert_eq!(small(ReadLimits { records: 2, ..default() }, many.as_bytes()), Limit::Records);
    assert_eq!(small(default(), &gzip(&gzip(&gzip(whole.as_bytes())))), Limit::Layers);
    assert_eq!(small(default(), format!("<feedback><{}>", "a".repeat(10_000)).as_bytes()), Limit::Tag);
    let files = [("x", b"no".as_slice()); 17];
    assert_eq!(small(default(), &zip(&files, true)), Limit::Members);
    // Texts and lists are cut and not refused.
    let long = whole.replace("Org", &"x".repeat(100_000));
    assert_eq!(read(long.as_bytes()).unwrap().0.org_name.len(), 4096);
    let signatures =
        whole.replace("<spf><domain>", &format!("{}<spf><domain>", "<dkim><result>fail</result></dkim>".repeat(500)));
    assert_eq!(read(signatures.as_bytes()).unwrap().1[0].dkim.len(), 100);
    let reasons = whole.replace(
        "</policy_evaluated>",
        &format!("{}</policy_evaluated>", "<reason><type>other</type></reason>".repeat(50)),
    );
    assert_eq!(read(reasons.as_bytes()).unwrap().1[0].reasons.len(), 20);
}

#[test]
fn r12_a_bomb_is_refused_after_the_first_mebibyte_that_is_out_of_proportion() {
    let mut bomb = whole_of_blanks(64 << 20);
    assert!(bomb.len() < 100_000);
    assert!(matches!(read(&bomb), Err(ReadError::Limit(Limit::Ratio))));
    bomb = zip(&[("a", &vec![b' '; 32 << 20]), ("b", report().as_bytes())], false);
    assert!(matches!(read(&bomb), Err(ReadError::Limit(Limit::Ratio))));
}

fn whole_of_blanks(length: u64) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    std::io::copy(&mut std::io::repeat(b' ').take(length), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

fn word() -> impl Strategy<Value = String> {
    "[ -~\u{e9}\u{1}]{0,20}"
}

proptest! {
    #[test]
    fn r2_what_we_write_is_read_back_with_the_same_sums(
        rows in prop::collection::vec((any::<[u8; 16]>(), any::<u32>(), 0..4_usize, any::<bool>(), any::<bool>(), word(), word()), 1..20),
        is_new in any::<bool>(),
        org in word(),
    ) {
        let format = if is_new { Format::Rfc9990 } else { Format::Rfc7489 };
        let metadata = Metadata {
            org_name: &org, email: "a@b.example", extra_contact_info: None, report_id: "x@y", begin: 5, end: 6, error: None, generator: None,
        };
        let policy = PolicyPublished {
            domain: "example.com", discovery_method: None, p: Policy::Reject, sp: None, np: None, adkim: AlignmentMode::Strict,
            aspf: AlignmentMode::Relaxed, fo: None, testing: false, pct: None,
        };
        let mut writer = ReportWriter::new(Vec::new(), format, &metadata, &policy).unwrap();
        let words = [ActionDisposition::None, ActionDisposition::Pass, ActionDisposition::Quarantine, ActionDisposition::Reject];
        for (ip, count, disposition, dkim, spf, name, comment) in &rows {
            writer.row(&Row {
                source_ip: std::net::Ipv6Addr::from(*ip).into(),
                count: (*count).into(),
                disposition: words[*disposition],
                dkim_aligned: *dkim,
                spf_aligned: *spf,
                reasons: &[Reason { kind: ReasonType::LocalPolicy, comment: Some(comment) }],
                header_from: "example.com",
                envelope_from: Some("x.example"),
                envelope_to: None,
                dkim: &[DkimResult { domain: "d.example", selector: name, result: "fail", human_result: None, standing: Standing::Other }],
                spf: Some(SpfResult { domain: "s.example", scope: SpfScope::MailFrom, result: "pass", human_result: None }),
            }).unwrap();
        }
        let (report, records) = read(&gzip(&writer.finish().unwrap())).unwrap();
        prop_assert_eq!(report.records, u64::try_from(rows.len()).unwrap());
        prop_assert_eq!(report.messages, rows.iter().map(|row| u64::from(row.1)).sum::<u64>());
        prop_assert!(!report.is_partial && !report.is_mended);
        for (record, row) in records.iter().zip(&rows) {
            prop_assert_eq!(record.source_ip.unwrap(), std::net::IpAddr::from(row.0).to_canonical());
            prop_assert_eq!(&record.disposition, words[row.2].as_str(format));
            prop_assert_eq!((record.is_dkim_aligned, record.is_spf_aligned), (Some(row.3), Some(row.4)));
            prop_assert_eq!((&record.dkim[0].result, record.spf[0].result.as_str()), (&"fail".to_owned(), "pass"));
        }
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..400), place in 0..900_usize, is_packed in any::<bool>()) {
        let _ = read(&octets);
        let mut damaged = report().into_bytes();
        let place = place.min(damaged.len());
        damaged.splice(place..place, octets);
        let _ = read(&if is_packed { gzip(&damaged) } else { damaged });
    }
}
