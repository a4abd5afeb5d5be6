//! Five modules stand alone: they could move to a crate of their own with `near` and `swar`, which stand alone too, and nothing of DKIM would move with them.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a source that cannot be read should stop the test")]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules, by the file that holds them and, for a folder, the files in it.
const MODULES: [&str; 7] = ["header", "domain", "tag_list", "dns", "auth_results", "near", "swar"];

/// What they may import.
const SHARED: [&str; 2] = ["use crate::near::", "use crate::swar::"];

fn sources(module: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let single = src.join(format!("{module}.rs"));
    if single.is_file() {
        return vec![single];
    }
    let mut files: Vec<PathBuf> = fs::read_dir(src.join(module))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// The lines of a source that are code.
fn code(path: &Path) -> Vec<String> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_five_modules_import_nothing_else_of_the_crate() {
    for module in MODULES {
        let files = sources(module);
        assert!(!files.is_empty(), "{module} has no source");
        for file in files {
            for line in code(&file) {
                let is_shared = SHARED.iter().any(|shared| line.starts_with(shared));
                assert!(is_shared || !line.contains("crate::"), "{}: {line}", file.display());
                assert!(!line.contains("super::super"), "{}: {line}", file.display());
            }
        }
    }
}

/// In the first file of a module `super` is the crate, but for its tests.
#[test]
fn the_five_modules_do_not_reach_the_crate_through_super() {
    for module in MODULES {
        let files = sources(module);
        let root = files.iter().find(|file| file.ends_with("mod.rs")).unwrap_or_else(|| files.first().unwrap());
        let code = code(root);
        let tests = code.iter().position(|line| line.starts_with("mod tests")).unwrap_or(code.len());
        for line in code.iter().take(tests) {
            assert!(!line.contains("super::"), "{}: {line}", root.display());
        }
    }
}
