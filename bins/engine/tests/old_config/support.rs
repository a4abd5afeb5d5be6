//! Reading texts, and looking at findings.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use engine::config::diagnostics::Code;
use engine::config::opendkim::OpenDkim;
use engine::config::opendmarc::OpenDmarc;
use engine::config::{Diagnostic, Diagnostics, opendkim, opendmarc};

pub(crate) const DKIM: &str = "/etc/opendkim.conf";
pub(crate) const DMARC: &str = "/etc/opendmarc.conf";

/// Files in memory, by their paths.
#[derive(Debug, Default)]
pub(crate) struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    pub(crate) fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.to_owned(), text.as_bytes().to_vec());
        self
    }

    pub(crate) fn get(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path.to_str().unwrap()).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

pub(crate) fn dkim_with(text: &str, files: &Files) -> Result<(OpenDkim, Diagnostics), Diagnostics> {
    opendkim::parse(text.as_bytes(), Path::new(DKIM), &mut |path| files.get(path))
}

pub(crate) fn dkim(text: &str) -> Result<(OpenDkim, Diagnostics), Diagnostics> {
    dkim_with(text, &Files::default())
}

pub(crate) fn dmarc(text: &str) -> Result<(OpenDmarc, Diagnostics), Diagnostics> {
    opendmarc::parse(text.as_bytes(), Path::new(DMARC), &mut |_| Err(io::ErrorKind::NotFound.into()))
}

/// What a text without any finding says.
pub(crate) fn accepted(text: &str) -> OpenDkim {
    match dkim(text) {
        Ok((read, found)) if found.is_empty() => read,
        Ok((_, found)) | Err(found) => panic!("{text}\n{found}"),
    }
}

/// What a text with one warning says, and the warning.
pub(crate) fn warned(text: &str) -> (OpenDkim, Diagnostic) {
    match dkim(text) {
        Ok((read, found)) => (read, only(&found)),
        Err(found) => panic!("{text}\n{found}"),
    }
}

/// The one error in a text.
pub(crate) fn refused(text: &str) -> Diagnostic {
    only(&dkim(text).unwrap_err())
}

pub(crate) fn only(found: &Diagnostics) -> Diagnostic {
    assert_eq!(found.len(), 1, "{found}");
    let finding = found.iter().next().unwrap().clone();
    assert!(!finding.fix.is_empty() && !finding.cause.is_empty() && finding.file.is_some());
    finding
}

/// Line and code of each finding.
pub(crate) fn places(found: &Diagnostics) -> Vec<(u32, Code)> {
    found.iter().map(|finding| (finding.line.unwrap_or(0), finding.code)).collect()
}
