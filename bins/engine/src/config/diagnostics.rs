//! What is wrong with a configuration, a key file or a zone file, in words that an operator can act on.
//!
//! Every [`Diagnostic`] names the file, the line, the cause and the mend, and carries a stable code, so that a line of a log can be searched
//! for. Codes begin with `E-` (error: the configuration is not used) or `W-` (warning: it is used); `docs/configuration.md` lists them all.
//!
//! Invariant: a diagnostic with [`Severity::Error`] and a usable value never exist for the same thing; whoever pushes an error yields nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

/// The exit code of a program whose configuration cannot be used (`EX_CONFIG` of `sysexits.h`).
pub const EXIT_CONFIG: u8 = 78;

/// How bad a [`Diagnostic`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration works, but hardly as meant.
    Warning,
    /// The configuration cannot be used.
    Error,
}

impl Severity {
    /// `warning` or `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The stable name of a kind of diagnostic; the text of one never changes once released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Code(&'static str);

impl Code {
    /// A code: `E-` for errors, `W-` for warnings, capital letters, digits and hyphens.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The code as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// What the first letter says.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.0.starts_with("W-") { Severity::Warning } else { Severity::Error }
    }
}

/// The file could not be read.
pub const CONFIG_READ: Code = Code::new("E-CONFIG-READ");
/// The file is not TOML.
pub const CONFIG_SYNTAX: Code = Code::new("E-CONFIG-SYNTAX");
/// A key that does not exist.
pub const CONFIG_UNKNOWN_KEY: Code = Code::new("E-CONFIG-UNKNOWN-KEY");
/// A value of the wrong type.
pub const CONFIG_TYPE: Code = Code::new("E-CONFIG-TYPE");
/// A value of the right type that means nothing here.
pub const CONFIG_VALUE: Code = Code::new("E-CONFIG-VALUE");
/// A number outside its limits.
pub const CONFIG_RANGE: Code = Code::new("E-CONFIG-RANGE");
/// A key that has to be there.
pub const CONFIG_MISSING: Code = Code::new("E-CONFIG-MISSING");
/// The same thing twice.
pub const CONFIG_DUPLICATE: Code = Code::new("E-CONFIG-DUPLICATE");
/// Two settings that exclude each other.
pub const CONFIG_CONFLICT: Code = Code::new("E-CONFIG-CONFLICT");
/// A setting that has no effect.
pub const CONFIG_UNUSED: Code = Code::new("W-CONFIG-UNUSED");
/// Trust in every client there is (M08).
pub const TRUST_EVERYONE: Code = Code::new("E-TRUST-EVERYONE");
/// Trust in a network so wide that it is likely a slip.
pub const TRUST_WIDE: Code = Code::new("W-TRUST-WIDE");
/// A relay whose mail counts as our own.
pub const TRUST_RELAY: Code = Code::new("E-TRUST-RELAY");
/// Signatures that a valid message may lose on the way.
pub const SIGN_FRAGILE: Code = Code::new("W-SIGN-FRAGILE");
/// Signatures that DMARC does not count.
pub const SIGN_UNALIGNED: Code = Code::new("W-SIGN-UNALIGNED");
/// A list of public suffixes that is none.
pub const DMARC_SUFFIXES: Code = Code::new("E-DMARC-SUFFIXES");

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file as it was named when it was opened.
    pub file: Arc<Path>,
    /// The line, counted from 1; 0 when the whole file is meant.
    pub line: u32,
    /// The full name of the setting, as in `domain[0].name`; empty when no setting is meant.
    pub key: String,
}

impl Location {
    /// The whole of `file`.
    #[must_use]
    pub fn whole(file: &Path) -> Self {
        Self { file: Arc::from(file), line: 0, key: String::new() }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning; always what [`Code::severity`] says.
    pub severity: Severity,
    /// The stable code.
    pub code: Code,
    /// The file it is about, if it is about one.
    pub file: Option<PathBuf>,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// The full name of the setting.
    pub key: Option<String>,
    /// What is wrong, in one sentence without full stop.
    pub cause: String,
    /// What to do about it, in one sentence without full stop.
    pub fix: String,
    /// Lines that show it, such as the folders on the way to a file; mostly none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
}

impl Diagnostic {
    /// A finding without a place.
    #[must_use]
    pub fn new(code: Code, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            file: None,
            line: None,
            key: None,
            cause: cause.into(),
            fix: fix.into(),
            detail: Vec::new(),
        }
    }

    /// A finding at a place.
    #[must_use]
    pub fn at(location: &Location, code: Code, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            file: Some(location.file.to_path_buf()),
            line: (location.line > 0).then_some(location.line),
            key: (!location.key.is_empty()).then(|| location.key.clone()),
            ..Self::new(code, cause, fix)
        }
    }
}

/// `FILE:LINE: error[CODE]: CAUSE`, lines of detail, and the mend on the last line.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}[{}]: ", self.severity.as_str(), self.code.as_str())?;
        if let Some(key) = &self.key {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(&self.cause)?;
        self.detail.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        write!(f, "\n  fix: {}", self.fix)
    }
}

/// All findings, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    /// In the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether one of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One after the other, each ending its line.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.iter().try_for_each(|d| writeln!(f, "{d}"))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_prints_file_line_code_cause_and_fix() {
        let at = Location { file: Arc::from(Path::new("/etc/postseal.toml")), line: 7, key: "dns.timeout".into() };
        let shown = Diagnostic::at(&at, CONFIG_VALUE, "`soon` is not a time", "write it as `5s`").to_string();
        assert_eq!(
            shown,
            "/etc/postseal.toml:7: error[E-CONFIG-VALUE]: `dns.timeout`: `soon` is not a time\n  fix: write it as `5s`"
        );
        let shown = Diagnostic::at(&Location::whole(Path::new("x")), CONFIG_READ, "gone", "make it").to_string();
        assert_eq!(shown, "x: error[E-CONFIG-READ]: gone\n  fix: make it");
    }

    #[test]
    fn severity_follows_from_the_code() {
        assert_eq!(Diagnostic::new(CONFIG_UNUSED, "c", "f").severity, Severity::Warning);
        assert_eq!(Diagnostic::new(CONFIG_TYPE, "c", "f").severity, Severity::Error);
        let mut all = Diagnostics::default();
        all.push(Diagnostic::new(CONFIG_UNUSED, "c", "f"));
        assert!(!all.has_errors());
        all.push(Diagnostic::new(CONFIG_TYPE, "c", "f"));
        assert!(all.has_errors());
    }

    #[test]
    fn json_has_the_stable_names() {
        let json = serde_json::to_value(Diagnostic::new(CONFIG_READ, "c", "f")).unwrap();
        assert_eq!(json["severity"], "error");
        assert_eq!(json["code"], "E-CONFIG-READ");
        assert_eq!(json["fix"], "f");
    }
}
