//! Runs every seed and every former crash through its target, on stable.

use std::fs;
use std::path::{Path, PathBuf};

use postseal_fuzz::TARGETS;

/// The files of one target under `corpus/` or `regressions/`; a missing folder holds none.
fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_seed_and_every_former_crash_passes() {
    for (name, body) in TARGETS.iter().copied().flatten() {
        let seeds = inputs("corpus", name);
        assert!(!seeds.is_empty(), "target {name} has no seeds under corpus/{name}");
        for file in seeds.into_iter().chain(inputs("regressions", name)) {
            eprintln!("{name}: {}", file.display());
            body(&fs::read(&file).unwrap());
        }
    }
}

/// Cutting a seed anywhere gives an input that a hostile peer can send as well.
#[test]
fn every_seed_cut_short_passes() {
    for (name, body) in TARGETS.iter().copied().flatten() {
        for file in inputs("corpus", name) {
            let bytes = fs::read(&file).unwrap();
            for end in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
                body(&bytes[..end]);
            }
        }
    }
}

/// Each folder of seeds belongs to a target, and each target has its program for libFuzzer.
#[test]
fn folders_programs_and_targets_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names: Vec<&str> = TARGETS.iter().copied().flatten().map(|(name, _)| *name).collect();
    for kind in ["corpus", "regressions"] {
        for entry in fs::read_dir(root.join(kind)).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                let folder = entry.file_name().into_string().unwrap();
                assert!(names.contains(&folder.as_str()), "{kind}/{folder} belongs to no target");
            }
        }
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(root.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "fuzz_targets/{name}.rs is missing");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "Cargo.toml has no [[bin]] {name}");
    }
}
