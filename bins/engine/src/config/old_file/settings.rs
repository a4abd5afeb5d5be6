//! The lines of a file as settings: the last one of each option counts.
//!
//! A reader asks for each option by its name and type. What does not fit becomes a finding and the value is then absent, as if it had not been
//! written. Fates are reported once, for every option that stands in the file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::super::diagnostics::{CONFIG_VALUE, Code, Diagnostic, Diagnostics, Location};
use super::super::draft::Sourced;
use super::lines::{Line, Value};
use super::names::{Fate, Kind, OldOption, Schema};
use super::values::words;
use super::{OLD_DIFFERS, OLD_NOT_CARRIED, OLD_REMOVED, OLD_REPEATED, OLD_VALUE};

/// Why a value means nothing: cause and mend.
pub(in crate::config) type Misfit = (String, &'static str);

/// The options of one file.
pub(in crate::config) struct Settings<'l> {
    /// The last line of each option, by the name that aliases lead to.
    last: BTreeMap<&'static str, &'l Line>,
    found: Diagnostics,
}

impl<'l> Settings<'l> {
    /// Reports lines without effect and the fates of all options; findings go behind those in `found`.
    pub(in crate::config) fn new(schema: &'static Schema, lines: &'l [Line], found: Diagnostics) -> Self {
        let mut last: BTreeMap<&'static str, &'l Line> = BTreeMap::new();
        for line in lines {
            last.insert(target(schema, line.option).name, line);
        }
        let mut settings = Self { last, found };
        for line in lines {
            let counts = settings.last.get(target(schema, line.option).name).copied();
            match counts {
                Some(counts) if !std::ptr::eq(counts, line) => settings.overridden(line, counts),
                _ => settings.fate(schema, line),
            }
        }
        settings
    }

    /// All findings.
    pub(in crate::config) fn finish(self) -> Diagnostics {
        self.found
    }

    fn overridden(&mut self, line: &Line, counts: &Line) {
        // Each included file stands for itself.
        if line.value == counts.value || line.option.kind == Kind::Include {
            return;
        }
        let place = if line.at.file == counts.at.file {
            format!("line {}", counts.at.line)
        } else {
            format!("line {} of `{}`", counts.at.line, super::values::shown(&counts.at.file.display().to_string()))
        };
        let cause = format!("no effect: {place} sets it anew, and options do not add up");
        self.report(&line.at, OLD_REPEATED, cause, "remove the line that is not meant");
    }

    fn fate(&mut self, schema: &'static Schema, line: &Line) {
        // What is not done here and was not asked for is as the file has it.
        let is_off = line.value == Value::Flag(false);
        match line.option.fate {
            Fate::Differs { how, mend } if !is_off => {
                self.report(&line.at, OLD_DIFFERS, format!("carried with a difference: {how}"), mend);
            }
            Fate::NotCarried { instead, mend } if !is_off => {
                self.report(&line.at, OLD_NOT_CARRIED, format!("not carried: {instead}"), mend);
            }
            Fate::Removed { instead, mend } => {
                let cause = format!("{} has given this option up: {instead}", schema.program);
                self.report(&line.at, OLD_REMOVED, cause, mend);
            }
            Fate::Renamed(name) => {
                let cause = format!("{} calls this option `{name}` today; it is taken for that", schema.program);
                self.report(&line.at, OLD_REMOVED, cause, "write the name of today");
                // And that one has a fate of its own.
                if let Some(option) = schema.find(name) {
                    self.fate(schema, &Line { option, ..line.clone() });
                }
            }
            Fate::Alias(name) => {
                if let Some(option) = schema.find(name) {
                    self.fate(schema, &Line { option, ..line.clone() });
                }
            }
            Fate::Carried | Fate::Mostly(_) | Fate::Differs { .. } | Fate::NotCarried { .. } => {}
        }
    }

    /// Adds a finding that is not about one value alone.
    pub(in crate::config) fn report(
        &mut self,
        at: &Location,
        code: Code,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.found.push(Diagnostic::at(at, code, cause, fix));
    }

    /// Adds findings that are made already.
    pub(in crate::config) fn extend(&mut self, found: Diagnostics) {
        self.found.extend(found);
    }

    fn ask(&self, name: &'static str) -> Option<&'l Line> {
        self.last.get(name).copied()
    }

    /// Whether the option stands in the file.
    pub(in crate::config) fn has(&self, name: &'static str) -> bool {
        self.last.contains_key(name)
    }

    /// Where the option stands.
    pub(in crate::config) fn place(&self, name: &'static str) -> Option<Location> {
        self.ask(name).map(|line| line.at.clone())
    }

    /// A Boolean, and where it stands.
    pub(in crate::config) fn flag(&self, name: &'static str) -> Option<Sourced<bool>> {
        let line = self.ask(name)?;
        let Value::Flag(value) = line.value else { return None };
        Some(Sourced { value, at: line.at.clone() })
    }

    /// A Boolean, or the default.
    pub(in crate::config) fn flag_or(&self, name: &'static str, default: bool) -> bool {
        self.flag(name).map_or(default, |flag| flag.value)
    }

    /// A number; a negative one is reported and is as if it were not there.
    pub(in crate::config) fn number(&mut self, name: &'static str) -> Option<Sourced<u32>> {
        let line = self.ask(name)?;
        let Value::Number(number) = line.value else { return None };
        match u32::try_from(number) {
            Ok(value) => Some(Sourced { value, at: line.at.clone() }),
            Err(_) => {
                // OpenDKIM starts with it, and each place of its code makes something else of it.
                let cause = format!("{number} is negative and has no effect: the default holds");
                self.report(&line.at, OLD_VALUE, cause, "write a number from 0 on, or remove the line");
                None
            }
        }
    }

    /// A number of seconds.
    pub(in crate::config) fn seconds(&mut self, name: &'static str) -> Option<Sourced<Duration>> {
        let Sourced { value, at } = self.number(name)?;
        Some(Sourced { value: Duration::from_secs(value.into()), at })
    }

    /// A text.
    pub(in crate::config) fn text(&self, name: &'static str) -> Option<Sourced<String>> {
        let line = self.ask(name)?;
        let Value::Text(value) = &line.value else { return None };
        Some(Sourced { value: value.clone(), at: line.at.clone() })
    }

    /// A path.
    pub(in crate::config) fn path(&self, name: &'static str) -> Option<Sourced<PathBuf>> {
        let Sourced { value, at } = self.text(name)?;
        Some(Sourced { value: PathBuf::from(value), at })
    }

    /// The items of a list that is written in place.
    pub(in crate::config) fn list(&self, name: &'static str) -> Option<Sourced<Vec<String>>> {
        let Sourced { value, at } = self.text(name)?;
        Some(Sourced { value: words(&value).map(str::to_owned).collect(), at })
    }

    /// A text that `read` makes something of; what it does not take is an error.
    pub(in crate::config) fn parsed<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, Misfit>,
    ) -> Option<Sourced<T>> {
        self.parsed_or(name, CONFIG_VALUE, read)
    }

    /// As [`parsed`](Self::parsed), with another code for what is not taken.
    pub(in crate::config) fn parsed_or<T>(
        &mut self,
        name: &'static str,
        code: Code,
        read: impl FnOnce(&str) -> Result<T, Misfit>,
    ) -> Option<Sourced<T>> {
        let Sourced { value, at } = self.text(name)?;
        match read(&value) {
            Ok(value) => Some(Sourced { value, at }),
            Err((cause, fix)) => {
                self.report(&at, code, cause, fix);
                None
            }
        }
    }
}

/// What aliases lead to.
fn target(schema: &'static Schema, option: &'static OldOption) -> &'static OldOption {
    match option.fate {
        Fate::Alias(name) | Fate::Renamed(name) => schema.find(name).unwrap_or(option),
        _ => option,
    }
}
