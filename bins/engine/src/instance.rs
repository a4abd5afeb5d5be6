//! The name of one of several daemons on a host, as Postfix has `multi_instance_name`.
//!
//! An instance has a state folder of its own below the configured one, its own name in the log, and whatever else must not be shared.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Octets of the longest name: it is part of file names and of the program's name in the log.
pub const MAX_NAME: usize = 32;

/// The name of an instance: letters, digits, `_` and `-`, the first one a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance(String);

/// Why a text is not the name of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// Empty, or longer than [`MAX_NAME`].
    #[error("a name has 1 to {MAX_NAME} characters")]
    Length,
    /// Another character than those allowed.
    #[error("a name is made of letters, digits, `_` and `-`, and begins with a letter or a digit")]
    Characters,
}

impl Instance {
    /// Its state folder: the one of that name in `folder`.
    #[must_use]
    pub fn state_dir(&self, folder: &Path) -> PathBuf {
        folder.join(&self.0)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Instance {
    type Err = InstanceError;

    fn from_str(text: &str) -> Result<Self, InstanceError> {
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(InstanceError::Length);
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        // A name that begins with `-` would be an option to every other program.
        if !text.bytes().all(fits) || !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(InstanceError::Characters);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_part_of_a_path_and_nothing_else() {
        let longest = "x".repeat(MAX_NAME);
        for name in ["in", "Out-2", "0_a", &longest] {
            assert_eq!(name.parse::<Instance>().unwrap().as_str(), name);
        }
        for (name, error) in [
            ("", InstanceError::Length),
            (&*"x".repeat(MAX_NAME + 1), InstanceError::Length),
            ("..", InstanceError::Characters),
            ("a/b", InstanceError::Characters),
            ("-a", InstanceError::Characters),
            ("a b", InstanceError::Characters),
            ("ä", InstanceError::Characters),
        ] {
            assert_eq!(name.parse::<Instance>(), Err(error), "{name}");
        }
    }
}
