//! Bodies of the fuzz targets.
//!
//! A target is a function from bytes that must neither panic nor hang; what it checks beyond that stands at the function. The programs under
//! `fuzz_targets/` hand them to libFuzzer (nightly, `scripts/fuzz`); `tests/replay.rs` runs every seed of `corpus/` and every former crash of
//! `regressions/` on stable with the ordinary tests. A parser arrives with its target, its seeds and its line in [`TARGETS`].

pub mod author;
pub mod config;
pub mod dkim_canon;
pub mod dkim_signature;
pub mod dkim_text;
pub mod dmarc;
pub mod journal;
pub mod keys;
pub mod mail_path;
pub mod milter;
pub mod report;
pub mod spf;
pub mod tables;

/// A fuzz target: its name (the name of its folder under `corpus/`) and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by the module that holds them.
pub const TARGETS: &[&[Target]] = &[
    author::TARGETS,
    config::TARGETS,
    dkim_canon::TARGETS,
    dkim_signature::TARGETS,
    dkim_text::TARGETS,
    dmarc::TARGETS,
    journal::TARGETS,
    keys::TARGETS,
    mail_path::TARGETS,
    milter::TARGETS,
    report::TARGETS,
    spf::TARGETS,
    tables::TARGETS,
];
