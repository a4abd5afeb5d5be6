//! The configuration files of OpenDKIM and OpenDMARC: syntax, every name with its fate, typed values, and what real files say.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic")]

mod documentation;
mod names;
mod opendkim;
mod opendmarc;
mod real_files;
mod support;
mod syntax;
mod together;
