//! `MacroList`: macros of the MTA that say that mail is our own.

use milter_proto::Macros;

use crate::dataset::Dataset;

/// Macros with the values that they have in mail of our own.
#[derive(Debug)]
pub struct MacroList {
    /// In the order of the list: the macro as it is asked for (`{name}`), and its values; without values any will do.
    entries: Vec<(String, Vec<String>)>,
}

impl MacroList {
    /// The macros of a data set whose entries are in memory: `name`, or `name=value|value`.
    #[must_use]
    pub fn new(set: &Dataset) -> Self {
        let entries = set.entries().map(|entry| {
            let name = entry.key.trim_start_matches('{').trim_end_matches('}');
            let values = entry.value.filter(|value| !value.is_empty());
            let values = values.map_or_else(Vec::new, |value| value.split('|').map(str::to_owned).collect());
            // Names of one letter have no braces.
            let name = if name.len() > 1 { format!("{{{name}}}") } else { name.to_owned() };
            (name, values)
        });
        Self { entries: entries.collect() }
    }

    /// The names, as they are asked for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// What the last macro says that the MTA has; `None` where it has none of them.
    #[must_use]
    pub fn verdict(&self, macros: &Macros) -> Option<bool> {
        let mut values = self.entries.iter().rev().filter_map(|(name, values)| Some((macros.get(name)?, values)));
        let (value, wanted) = values.next()?;
        Some(wanted.is_empty() || wanted.iter().any(|wanted| wanted.as_bytes() == value))
    }
}
