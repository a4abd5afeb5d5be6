//! Patterns of a `refile:` against the C library that OpenDKIM hands them to.
//!
//! `dataset/refile_glibc.txt` has a pattern, a text and what `regcomp` and `regexec` of glibc 2.36 say of them in the locale C, with the flags of OpenDKIM
//! (`REG_EXTENDED`, `REG_ICASE`) and the pattern turned into an expression as OpenDKIM does it: made for this project by a program that calls the library with
//! patterns at random and with a list of the odd ones.

use std::path::Path;

use engine::config::Diagnostics;
use engine::dataset::{DATASET_PATTERN, Dataset, Reading};

const VECTORS: &str = include_str!("dataset/refile_glibc.txt");

/// What is not carried: references back, which no regular language has.
fn is_carried(pattern: &str) -> bool {
    !pattern.contains(r"\1")
}

#[test]
fn s2_3_patterns_match_what_glibc_matches() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in VECTORS.lines() {
        let (pattern, rest) = line.split_once('\t').unwrap();
        let (text, expected) = rest.split_once('\t').unwrap();
        let mut found = Diagnostics::default();
        let set = Dataset::parse_refile(Path::new("t"), format!("{pattern} v\n"), Reading::USUAL, &mut found);
        let is_refused = found.iter().any(|finding| finding.code == DATASET_PATTERN);
        let said = match (is_refused, set.get(text)) {
            (true, _) => "error",
            (false, Some(_)) => "yes",
            (false, None) => "no",
        };
        if said != expected && is_carried(pattern) {
            wrong.push(format!("{pattern:?} {text:?}: {said}, glibc: {expected}"));
        }
        count += 1;
    }
    assert!(count >= 1000, "{count} vectors");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
