//! The names of options: the type of each, and what becomes of it here.

/// The type of a value, as the tables of the old programs have it. Lists and data sets are text there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The first letter decides: `t`, `y`, `1` or `f`, `n`, `0`.
    Boolean,
    /// What `strtol` reads with base 0.
    Integer,
    /// The rest of the line.
    Text,
    /// The path of a file whose lines stand in place of this one.
    Include,
}

impl Kind {
    /// The word in the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Include => "file",
        }
    }
}

/// What becomes of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does what it did.
    Carried,
    /// It does what it did but for some values, which are reported when they stand there.
    Mostly(&'static str),
    /// It is honoured in another way than it was.
    Differs {
        /// How it differs, as a sentence without full stop that the name of the option may begin.
        how: &'static str,
        /// What to do about it.
        mend: &'static str,
    },
    /// It has no effect.
    NotCarried {
        /// What happens instead.
        instead: &'static str,
        /// What to do about it.
        mend: &'static str,
    },
    /// The old program had it once; it has no effect.
    Removed {
        /// What happens instead.
        instead: &'static str,
        /// What replaces it.
        mend: &'static str,
    },
    /// Another name of the option that is named here.
    Alias(&'static str),
    /// The former name of the option that is named here.
    Renamed(&'static str),
}

/// One name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldOption {
    /// As the documentation of the old program spells it; case does not count.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// What becomes of it.
    pub fate: Fate,
}

impl OldOption {
    pub(in crate::config) const fn flag(name: &'static str, fate: Fate) -> Self {
        Self { name, kind: Kind::Boolean, fate }
    }

    pub(in crate::config) const fn number(name: &'static str, fate: Fate) -> Self {
        Self { name, kind: Kind::Integer, fate }
    }

    pub(in crate::config) const fn text(name: &'static str, fate: Fate) -> Self {
        Self { name, kind: Kind::Text, fate }
    }

    /// What the documentation says about it, in one sentence without full stop.
    #[must_use]
    pub fn about(&self) -> String {
        match self.fate {
            Fate::Carried => "carried".to_owned(),
            Fate::Mostly(but) => format!("carried: {but}"),
            Fate::Differs { how, mend } => format!("carried with a difference: {how}; {mend}"),
            Fate::NotCarried { instead, mend } => format!("not carried: {instead}; {mend}"),
            Fate::Removed { instead, mend } => format!("removed by upstream: {instead}; {mend}"),
            Fate::Alias(name) => format!("the same as `{name}`"),
            Fate::Renamed(name) => format!("the former name of `{name}`, and taken for it"),
        }
    }
}

/// All names of one program.
#[derive(Debug)]
pub struct Schema {
    /// The program.
    pub program: &'static str,
    /// The names, in groups.
    pub groups: &'static [&'static [OldOption]],
}

impl Schema {
    /// Every name.
    pub fn options(&self) -> impl Iterator<Item = &'static OldOption> + use<> {
        self.groups.iter().copied().flatten()
    }

    /// The option with this name, in any case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static OldOption> {
        self.options().find(|option| option.name.eq_ignore_ascii_case(name))
    }
}
