//! The configuration as text, with every line of the old files at the setting that it became or in the list at its end.

use std::fmt::Write as _;

use engine::config::Diagnostics;
use serde::Serialize;

use super::account::{Accounted, Status};
use super::domains::Rule;
use super::native::{Native, quoted};
use super::verify::{MAX_VERIFIED, Verified};
use crate::exit::counted;

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The configuration.
    pub(super) toml: String,
    /// Every line.
    pub(super) lines: Vec<Accounted>,
    /// Live holes of the old set-up.
    pub(super) holes: Diagnostics,
    /// What the readers found about files, tables and keys.
    pub(super) findings: Diagnostics,
    pub(super) carried: usize,
    pub(super) changed: usize,
    pub(super) dropped: usize,
    /// Lines that somebody has to decide on.
    pub(super) decisions: usize,
    /// The messages that went through both, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verify: Option<Vec<Verified>>,
    /// Rules for which no message was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rules_not_verified: Option<usize>,
}

impl Report {
    pub(super) fn new(toml: String, lines: Vec<Accounted>, holes: Diagnostics, findings: Diagnostics) -> Self {
        let count = |status: Status| lines.iter().filter(|line| line.status == status).count();
        let (carried, changed, dropped) = (count(Status::Carried), count(Status::Changed), count(Status::Dropped));
        let decisions = lines.iter().filter(|line| line.decision).count();
        Self {
            toml,
            lines,
            holes,
            findings,
            carried,
            changed,
            dropped,
            decisions,
            verify: None,
            rules_not_verified: None,
        }
    }

    /// Whether a message is treated otherwise and nothing told of it.
    pub(super) fn differs(&self) -> bool {
        self.verify.iter().flatten().any(Verified::is_unknown)
    }

    /// The messages in numbers.
    pub(super) fn verified(&self) -> String {
        let verified = self.verify.as_deref().unwrap_or_default();
        let same = verified.iter().filter(|each| each.same).count();
        let unknown = verified.iter().filter(|each| each.is_unknown()).count();
        let known = verified.len().saturating_sub(same).saturating_sub(unknown);
        let mut text = format!(
            "verified: {}: {same} the same, {known} with a known difference, {unknown} with another one\n",
            counted(u64::try_from(verified.len()).unwrap_or(u64::MAX), "message"),
        );
        if let Some(left) = self.rules_not_verified.filter(|left| *left > 0) {
            let left = counted(u64::try_from(left).unwrap_or(u64::MAX), "rule");
            let _ = writeln!(text, "not verified: {left} behind the first {MAX_VERIFIED}");
        }
        text
    }
}

/// The sections in their order.
const SECTIONS: [&str; 10] =
    ["signing", "trust", "dns", "limits", "policy", "verify", "spf", "dmarc", "failure_reports", "log"];

/// The configuration as TOML.
pub(super) fn toml(native: &Native, lines: &[Accounted], holes: &Diagnostics) -> String {
    let mut out = String::from("# Made by `postseal migrate` from the files of OpenDKIM and OpenDMARC.\n");
    for hole in holes {
        let place = hole.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        let line = hole.line.map(|line| format!(":{line}")).unwrap_or_default();
        comment(&mut out, &format!("LIVE HOLE {} {place}{line}: {}", hole.code.as_str(), hole.cause));
    }
    out.push('\n');
    let mut page = Page { out, lines, told: vec![false; lines.len()] };
    page.section(native, "");
    if !native.listen.is_empty() {
        page.out.push('\n');
        page.comments("listen");
        page.out.push_str("[[listen]]\n");
        for (key, value) in &native.listen {
            let _ = writeln!(page.out, "{key} = {value}");
        }
    }
    if !native.rules.is_empty() {
        page.out.push('\n');
        page.comments("domain");
        for rule in &native.rules {
            page.rule(rule);
        }
    }
    for section in SECTIONS {
        let has = native.settings.iter().any(|setting| setting.section == section);
        if has {
            page.out.push('\n');
            page.comments(section);
            let _ = writeln!(page.out, "[{section}]");
            page.section(native, section);
        }
        if section == "dmarc" && !native.overrides.is_empty() {
            page.comments("dmarc.override");
            for each in &native.overrides {
                let _ = write!(page.out, "\n[[dmarc.override]]\n{each}");
            }
        }
    }
    page.rest();
    page.out
}

struct Page<'l> {
    out: String,
    lines: &'l [Accounted],
    told: Vec<bool>,
}

impl Page<'_> {
    fn section(&mut self, native: &Native, section: &str) {
        for setting in native.settings.iter().filter(|setting| setting.section == section) {
            let name = if section.is_empty() { setting.key.to_owned() } else { format!("{section}.{}", setting.key) };
            self.comments(&name);
            if let Some(about) = &setting.about {
                comment(&mut self.out, about);
            }
            let _ = writeln!(self.out, "{} = {}", setting.key, setting.value);
        }
    }

    /// The lines that became this setting.
    fn comments(&mut self, setting: &str) {
        for (line, told) in self.lines.iter().zip(&mut self.told) {
            if !*told && line.setting == Some(setting) {
                *told = true;
                comment(&mut self.out, &shown(line));
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let (name, both) = match &rule.pattern {
            engine::config::DomainPattern::WithSubdomains(domain) => (domain.to_string(), true),
            other => (other.to_string(), false),
        };
        let _ = writeln!(self.out, "[[domain]]\nname = {}", quoted(&name));
        if both {
            self.out.push_str("subdomains = true\n");
        }
        if rule.signing_domain != *rule.pattern.domain() {
            let _ = writeln!(self.out, "signing_domain = {}", quoted(rule.signing_domain.as_str()));
        }
        if let Some(identity) = &rule.identity {
            let _ = writeln!(self.out, "identity = {}", quoted(identity));
        }
        if rule.only_ed25519 {
            self.out.push_str("allow_ed25519_only = true\n");
        }
        self.out.push_str("keys = [\n");
        for (selector, file) in &rule.keys {
            let file = quoted(&file.display().to_string());
            let _ = writeln!(self.out, "    {{ selector = {}, file = {file} }},", quoted(selector));
        }
        self.out.push_str("]\n\n");
    }

    /// All lines that stand at no setting.
    fn rest(&mut self) {
        let left: Vec<_> =
            self.lines.iter().zip(&self.told).filter(|(_, told)| !**told).map(|(line, _)| line).collect();
        for (status, words) in [
            (Status::Changed, "Carried with a difference"),
            (Status::Dropped, "Dropped"),
            (Status::Carried, "Carried without a setting of its own"),
        ] {
            let of: Vec<_> = left.iter().filter(|line| line.status == status).collect();
            if !of.is_empty() {
                let _ = writeln!(self.out, "\n# {words}:");
                for line in of {
                    comment(&mut self.out, &shown(line));
                }
            }
        }
    }
}

/// `FILE:LINE OPTION VALUE: carried`, with what there is to say.
fn shown(line: &Accounted) -> String {
    let decide = if line.decision { "DECIDE: " } else { "" };
    let colon = if line.note.is_empty() { "" } else { ": " };
    let (file, number) = (line.file.display(), line.line);
    format!("{decide}{file}:{number} {} {} -> {}{colon}{}", line.option, line.value, line.status.as_str(), line.note)
}

/// A comment on one line: whatever is in the text, it ends with it.
fn comment(out: &mut String, text: &str) {
    out.push_str("# ");
    out.extend(text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
    out.push('\n');
}
