//! Lists of names: written in place, or one a line in a file.

use std::path::PathBuf;

use super::super::diagnostics::CONFIG_VALUE;
use super::super::draft::Sourced;
use super::super::old_file::{FileReader, Settings, read_list_file, words};
use crate::dataset::Spec;

/// The names in a list that a header field or an address stands for; the option may name a file, whose lines begin with them.
pub(super) fn names(
    settings: &mut Settings<'_>,
    name: &'static str,
    files: FileReader<'_>,
) -> Option<Sourced<Vec<String>>> {
    const FIX: &str = "write the names with commas between them, or one a line into a `file:`";
    let Sourced { value, at } = settings.text(name)?;
    let value = match Spec::parse(&value) {
        Ok(Spec::Csl(list)) => words(&list).map(str::to_owned).collect(),
        // OpenDKIM is in its base directory when it opens files of lists.
        Ok(Spec::File(file)) => match read_list_file(&base_directory(settings).join(file), &at, files) {
            Ok(names) => names,
            Err(found) => {
                settings.extend(found);
                return None;
            }
        },
        Ok(Spec::Refile(_) | Spec::External(_)) => {
            settings.report(&at, CONFIG_VALUE, "a list of names cannot be walked in a data set of this type", FIX);
            return None;
        }
        Err(error) => {
            settings.report(&at, CONFIG_VALUE, error.to_string(), FIX);
            return None;
        }
    };
    Some(Sourced { value, at })
}

/// Where relative paths start: the working directory unless `BaseDirectory` says otherwise.
fn base_directory(settings: &Settings<'_>) -> PathBuf {
    settings.path("BaseDirectory").map_or_else(PathBuf::new, |base| base.value)
}
