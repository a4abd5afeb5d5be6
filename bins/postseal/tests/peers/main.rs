//! The program under the names of OpenDKIM's tools, beside Debian's tools: the same arguments to both.
//!
//! Built with `--features peers`; needs Debian's `opendkim-tools`, `python3-dkim`, `nsd` and `libxml2-utils`, which `scripts/test` installs. What the tools print, their
//! files and their exit codes have to be the same, but for what is in [`listed`] with its reason. Lines of ours below those of the old tool begin
//! without its name and are no difference.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: a broken assumption is to fail the test at its place"
)]

mod genkey;
mod genzone;
mod listed;
mod pair;
mod report_schema;
mod site;
mod testkey;
mod testmsg;
