//! Lines in the words of OpenDKIM and OpenDMARC, for programs that read their logs.
//!
//! An event with the target [`OLD_LINE`] or [`OLD_NOTICE`] is written as it is, where other records are words and named values: `4QABC: DKIM-Signature field added (s=test,
//! d=example.com)`. What a remote party may have put into it cannot end the line.

use std::path::PathBuf;

use crate::start::Source;

/// The target of such events.
pub const OLD_LINE: &str = "old-line";

/// The same, for an event of level INFO that is to be a notice.
pub const OLD_NOTICE: &str = "old-notice";

/// The versions whose lines these are: readers of logs look for a number.
const OPENDKIM: &str = "OpenDKIM Filter v2.11.0";
const OPENDMARC: &str = "OpenDMARC Filter v1.4.2";

/// Mail is served, by the old files.
pub(crate) fn starting(source: &Source) {
    for (name, _) in filters(source) {
        let version = env!("CARGO_PKG_VERSION");
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        tracing::info!(target: OLD_LINE, "{name} starting (args: {}) (Postseal {version})", arguments.join(" "));
    }
}

/// The orderly end.
pub(crate) fn terminating(source: &Source) {
    for (name, _) in filters(source) {
        tracing::info!(target: OLD_LINE, "{name} terminating with status 0, errno = 0");
    }
}

/// A reload that took effect.
pub(crate) fn reloaded(source: &Source) {
    for (_, file) in filters(source) {
        tracing::info!(target: OLD_LINE, "configuration reloaded from {}", file.display());
    }
}

fn filters(source: &Source) -> impl Iterator<Item = (&'static str, &PathBuf)> {
    let (dkim, dmarc) = match source {
        Source::OldFiles { opendkim, opendmarc, .. } => (opendkim.as_ref(), opendmarc.as_ref()),
        Source::File(_) | Source::Quickstart { .. } => (None, None),
    };
    dkim.map(|file| (OPENDKIM, file)).into_iter().chain(dmarc.map(|file| (OPENDMARC, file)))
}
