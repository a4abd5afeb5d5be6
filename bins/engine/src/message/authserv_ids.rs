//! The names by which we are known in Authentication-Results fields.

use dkim_core::domain::DomainName;

/// The names by which we are known in Authentication-Results fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthservIds {
    /// Ours first, then further ones whose fields are removed.
    all: Vec<String>,
}

impl AuthservIds {
    /// Our own id, and others that count as ours when they come in.
    ///
    /// An internationalized name is ours in A-labels: the field of a message that is not SMTPUTF8 is ASCII, and what stands there
    /// must be what incoming fields are compared with. They are compared in both spellings.
    #[must_use]
    pub fn new(own: String, others: &[String]) -> Self {
        let a_labels = if own.is_ascii() { None } else { DomainName::parse(&own).ok() };
        let own = a_labels.map_or(own, |name| name.as_str().to_owned());
        Self { all: std::iter::once(own).chain(others.iter().cloned()).collect() }
    }

    /// The id that we write.
    #[must_use]
    pub fn own(&self) -> &str {
        self.all.first().map_or("", String::as_str)
    }

    /// All of them, ours first.
    #[must_use]
    pub fn all(&self) -> &[String] {
        &self.all
    }
}
