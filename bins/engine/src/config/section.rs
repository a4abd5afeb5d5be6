//! Reading one TOML table: each key asked for by name and type, everything else reported as unknown.
//!
//! The keys that a reader asks for *are* the schema: [`Section::finish`] reports every key of the table that nobody asked for, with the nearest
//! of those asked for as a suggestion. Problems become [`Diagnostics`]; the value is then simply absent, and reading goes on.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{
    CONFIG_MISSING, CONFIG_TYPE, CONFIG_UNKNOWN_KEY, CONFIG_VALUE, Diagnostic, Diagnostics, Location,
};
use super::draft::Sourced;
use super::suggest::did_you_mean;

/// Most unknown keys reported of one table: the rest is likely the same mistake.
const MAX_UNKNOWN: usize = 20;

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// Reads a value.
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit>;
}

/// Why a value does not fit.
pub(super) enum Misfit {
    /// Another TOML type than this one.
    Type(&'static str),
    /// A text or number that means nothing here.
    Value {
        /// What is wrong.
        cause: String,
        /// What to do about it.
        fix: String,
    },
}

impl Misfit {
    pub(super) fn value(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Value { cause: cause.into(), fix: fix.into() }
    }
}

/// Turns octet offsets into lines of a named file.
#[derive(Debug)]
pub(super) struct Source {
    file: Arc<Path>,
    line_starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let after_feeds =
            text.bytes().enumerate().filter(|(_, octet)| *octet == b'\n').map(|(at, _)| at.saturating_add(1));
        Self { file: Arc::from(file), line_starts: std::iter::once(0).chain(after_feeds).collect() }
    }

    /// The folder at which relative paths start.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }

    pub(super) fn locate(&self, span: &Range<usize>, key: String) -> Location {
        let line = self.line_starts.partition_point(|start| *start <= span.start);
        Location { file: Arc::clone(&self.file), line: u32::try_from(line).unwrap_or(u32::MAX), key }
    }
}

/// One table being read.
pub(super) struct Section<'s, 't> {
    table: &'s DeTable<'t>,
    span: Range<usize>,
    /// Full name, empty for the root.
    name: String,
    source: &'s Source,
    found: &'s mut Diagnostics,
    asked: Vec<&'static str>,
}

impl<'s, 't> Section<'s, 't> {
    pub(super) fn root(root: &'s Spanned<DeTable<'t>>, source: &'s Source, found: &'s mut Diagnostics) -> Self {
        Self { table: root.get_ref(), span: root.span(), name: String::new(), source, found, asked: Vec::new() }
    }

    /// Where the table begins.
    pub(super) fn location(&self) -> Location {
        self.source.locate(&self.span, self.name.clone())
    }

    pub(super) fn source(&self) -> &'s Source {
        self.source
    }

    /// The value of `key`, if it is there and fits.
    pub(super) fn get<T: Setting>(&mut self, key: &'static str) -> Option<Sourced<T>> {
        let value = self.ask(key)?;
        let at = self.source.locate(&value.span(), self.full_name(key));
        self.read(value, at)
    }

    /// The value of `key`, with a finding when it is not there.
    pub(super) fn require<T: Setting>(&mut self, key: &'static str, fix: &str) -> Option<Sourced<T>> {
        if self.table.get(key).is_none() {
            self.asked.push(key);
            let at = self.location();
            self.found.push(Diagnostic::at(&at, CONFIG_MISSING, format!("`{key}` is missing"), fix));
            return None;
        }
        self.get(key)
    }

    /// The values of the list `key`; those that do not fit are left out.
    pub(super) fn list<T: Setting>(&mut self, key: &'static str) -> Option<Vec<Sourced<T>>> {
        self.each(key, "write the value in brackets: `[…]`", |section, item, at| {
            section.read(item, at.clone()).map(|read: Sourced<T>| read.value)
        })
    }

    /// The table `key`, handed to `read` and checked for unknown keys.
    pub(super) fn section<R>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_, 't>) -> R) -> Option<R> {
        let value = self.ask(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table", "write it as a section of its own, `[…]`");
            return None;
        };
        let name = self.full_name(key);
        Some(self.child(table, value.span(), name, read))
    }

    /// Each table of the list `key`, handed to `read`.
    pub(super) fn sections<R>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Section<'_, 't>) -> R,
    ) -> Option<Vec<Sourced<R>>> {
        self.each(key, "write it as `[[…]]` sections", |section, item, at| match item.get_ref() {
            DeValue::Table(table) => Some(section.child(table, item.span(), at.key.clone(), &read)),
            _ => {
                section.read::<Table>(item, at.clone());
                None
            }
        })
    }

    /// As [`sections`](Self::sections), and an item that is no table is a value that `short` makes into one.
    pub(super) fn sections_or_values<V: Setting, R>(
        &mut self,
        key: &'static str,
        short: impl Fn(Sourced<V>) -> R,
        read: impl Fn(&mut Section<'_, 't>) -> R,
    ) -> Option<Vec<Sourced<R>>> {
        self.each(key, "write it as `[\"…\"]` or as `[[…]]` sections", |section, item, at| match item.get_ref() {
            DeValue::Table(table) => Some(section.child(table, item.span(), at.key.clone(), &read)),
            _ => section.read(item, at.clone()).map(&short),
        })
    }

    /// Reports `list` when it was written without any item.
    pub(super) fn not_empty<R>(&mut self, key: &'static str, list: Option<Vec<R>>) -> Option<Vec<R>> {
        let value = self.table.get(key)?;
        if value.get_ref().as_array().is_some_and(|items| items.is_empty()) {
            let at = self.source.locate(&value.span(), self.full_name(key));
            self.found.push(Diagnostic::at(
                &at,
                CONFIG_VALUE,
                "the list is empty",
                "put something into it, or remove it for the default",
            ));
        }
        list
    }

    fn each<R>(
        &mut self,
        key: &'static str,
        fix: &str,
        mut read: impl FnMut(&mut Self, &'s Spanned<DeValue<'t>>, &Location) -> Option<R>,
    ) -> Option<Vec<Sourced<R>>> {
        let value = self.ask(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list", fix);
            return None;
        };
        let name = self.full_name(key);
        let mut list = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = self.source.locate(&item.span(), format!("{name}[{index}]"));
            if let Some(value) = read(self, item, &at) {
                list.push(Sourced { value, at });
            }
        }
        Some(list)
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        let unknown = self.table.iter().filter(|(key, _)| !self.asked.contains(&&**key.get_ref()));
        for (key, _) in unknown.take(MAX_UNKNOWN) {
            let word: &str = key.get_ref();
            let place =
                if self.name.is_empty() { "at the top level".to_owned() } else { format!("in `{}`", self.name) };
            let meant = did_you_mean(word, self.asked.iter().copied());
            let at = Location { key: String::new(), ..self.source.locate(&key.span(), String::new()) };
            let cause = format!("unknown key `{}` {place}{meant}", shorten(word));
            let fix = format!("remove it, or use one of: {}", self.asked.join(", "));
            self.found.push(Diagnostic::at(&at, CONFIG_UNKNOWN_KEY, cause, fix));
        }
    }

    fn child<R>(
        &mut self,
        table: &DeTable<'t>,
        span: Range<usize>,
        name: String,
        read: impl FnOnce(&mut Section<'_, 't>) -> R,
    ) -> R {
        let mut child = Section { table, span, name, source: self.source, found: self.found, asked: Vec::new() };
        let value = read(&mut child);
        child.finish();
        value
    }

    fn ask(&mut self, key: &'static str) -> Option<&'s Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn read<T: Setting>(&mut self, value: &Spanned<DeValue<'_>>, at: Location) -> Option<Sourced<T>> {
        match T::read(value.get_ref()) {
            Ok(value) => Some(Sourced { value, at }),
            Err(Misfit::Value { cause, fix }) => {
                self.found.push(Diagnostic::at(&at, CONFIG_VALUE, cause, fix));
                None
            }
            Err(Misfit::Type(expected)) => {
                let cause = format!("expected {expected}, found {}", kind(value.get_ref()));
                self.found.push(Diagnostic::at(&at, CONFIG_TYPE, cause, format!("write {expected}")));
                None
            }
        }
    }

    fn wrong_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str, fix: &str) {
        let at = self.source.locate(&value.span(), self.full_name(key));
        let cause = format!("expected {expected}, found {}", kind(value.get_ref()));
        self.found.push(Diagnostic::at(&at, CONFIG_TYPE, cause, fix));
    }

    fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// Stands for a table where one is expected.
struct Table;

impl Setting for Table {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        if value.is_table() { Ok(Self) } else { Err(Misfit::Type("a table")) }
    }
}

/// Text of the file as it may stand in a finding: short and without control characters.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// What a TOML value is, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
