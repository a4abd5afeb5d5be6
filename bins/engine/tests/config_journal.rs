//! `[journal]`: every key, its limits, where the folder is.

use std::path::Path;
use std::time::Duration;

use engine::config::{self, Config, Diagnostics, Journal};
use engine::start::{Request, Source, prepare};

fn parse(text: &str) -> Result<(Config, Diagnostics), Diagnostics> {
    config::parse(&format!("[journal]\n{text}"), Path::new("/etc/postseal/postseal.toml"))
}

#[test]
fn every_key_is_read() {
    let text =
        "folder = \"j\"\nsegment_size = \"1MiB\"\nsegment_age = \"10min\"\nmax_size = \"1GiB\"\nkeep = \"30d\"\n";
    let (config, found) = parse(text).unwrap();
    assert!(found.is_empty(), "{found}");
    let expected = Journal {
        enabled: true,
        folder: Some("/etc/postseal/j".into()),
        segment_size: 1 << 20,
        segment_age: Duration::from_secs(600),
        max_size: 1 << 30,
        keep: Duration::from_secs(30 * 86_400),
    };
    assert_eq!(config.journal, expected);
    assert_eq!(config.journal.settings(Path::new("/state")).folder, Path::new("/etc/postseal/j"));
    assert_eq!(Config::default().journal.settings(Path::new("/state")).folder, Path::new("/state/journal"));
    assert!(!parse("enabled = false\n").unwrap().0.journal.enabled);
}

#[test]
fn what_cannot_be_is_refused_with_the_setting_and_what_to_write() {
    for (text, code, key) in [
        ("segment_size = \"1KiB\"", "E-CONFIG-RANGE", "journal.segment_size"),
        ("segment_size = \"2GiB\"", "E-CONFIG-RANGE", "journal.segment_size"),
        ("segment_age = \"1s\"", "E-CONFIG-RANGE", "journal.segment_age"),
        ("max_size = \"1KiB\"", "E-CONFIG-RANGE", "journal.max_size"),
        ("keep = \"1min\"", "E-CONFIG-RANGE", "journal.keep"),
        ("max_size = \"8MiB\"", "E-CONFIG-CONFLICT", "journal.max_size"),
        ("segment_age = \"1d\"\nkeep = \"2h\"", "E-CONFIG-CONFLICT", "journal.keep"),
        ("folder = \"\"", "E-CONFIG-VALUE", "journal.folder"),
    ] {
        let found = parse(text).unwrap_err();
        assert_eq!(found.len(), 1, "{found}");
        let finding = found.iter().next().unwrap();
        assert_eq!((finding.code.as_str(), finding.key.as_deref()), (code, Some(key)), "{text}");
        assert!(!finding.fix.is_empty());
    }
    let found = parse("enable = true").unwrap_err().to_string();
    assert!(found.contains("E-CONFIG-UNKNOWN-KEY") && found.contains("did you mean `enabled`?"), "{found}");
}

#[test]
fn settings_of_a_journal_that_is_off_are_without_effect() {
    let (_, found) = parse("enabled = false\nkeep = \"30d\"\n").unwrap();
    assert_eq!(found.iter().map(|finding| finding.code.as_str()).collect::<Vec<_>>(), ["W-CONFIG-UNUSED"]);
}

#[tokio::test]
async fn each_instance_has_a_journal_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    for (text, expected) in
        [("", folder.path().join("s/in/journal")), ("[journal]\nfolder = \"j\"\n", folder.path().join("j/in"))]
    {
        std::fs::write(&file, format!("state_dir = \"s\"\n[dns]\nnameservers = [\"127.0.0.1:9\"]\n{text}")).unwrap();
        let request = Request { instance: Some("in".parse().unwrap()), ..Request::new(Source::File(file.clone())) };
        let prepared = prepare(&request, None).unwrap();
        let config = prepared.setup.rules.config();
        assert_eq!(config.journal.folder(&config.state_dir), expected);
    }
}
