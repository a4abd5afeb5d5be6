//! The pages about migrating have a row for every name, in the words of the findings.

use std::collections::BTreeSet;
use std::path::Path;

use engine::config::old_file::{OldOption, Schema};
use engine::config::opendkim::OPENDKIM;
use engine::config::opendmarc::OPENDMARC;

/// The rows of one table.
fn rows(group: &[OldOption]) -> Vec<String> {
    group
        .iter()
        .map(|option| format!("| `{}` | {} | {} |", option.name, option.kind.as_str(), option.about()))
        .collect()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

fn compare(schema: &Schema, name: &str) {
    let page = page(name);
    let written: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    for group in schema.groups {
        let rows = rows(group);
        let missing: Vec<&String> = rows.iter().filter(|row| !written.contains(row.as_str())).collect();
        assert!(missing.is_empty(), "docs/{name} lacks:\n{missing:#?}\nthe whole table:\n{}\n", rows.join("\n"));
    }
    for option in schema.options() {
        let of_it = page.lines().filter(|line| line.starts_with(&format!("| `{}` |", option.name))).count();
        assert_eq!(of_it, 1, "docs/{name} has {of_it} rows for {}", option.name);
    }
}

#[test]
fn the_page_about_opendkim_has_every_name_and_its_fate() {
    compare(&OPENDKIM, "migrating-from-opendkim.md");
}

#[test]
fn the_page_about_opendmarc_has_every_name_and_its_fate() {
    compare(&OPENDMARC, "migrating-from-opendmarc.md");
}
