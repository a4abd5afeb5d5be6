//! `[report]`: where `postseal-report` keeps what was decided, and as whom it speaks.
//!
//! The place of a database may hold a password: no `Debug` and no finding shows it. This crate knows no database; it tells kinds apart by their scheme.

use std::fmt;
use std::path::Path;

use toml::de::DeValue;

use super::section::{Misfit, Setting};

/// Octets of the longest place of a database.
const MAX_PLACE: usize = 4096;

/// What is kept for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The database; `None`: the file `ledger.sqlite` in the state folder.
    pub database: Option<DatabasePlace>,
    /// The name of this node, for the place in its journal; `None`: the name of the host.
    pub node: Option<String>,
    /// Rows of one policy domain and day; default 10,000.
    pub max_rows: u64,
    /// Whether the domains of recipients are told; default no.
    pub envelope_to: bool,
    /// Who reports (RFC 9990's `org_name`).
    pub org_name: Option<String>,
    /// The address that reports come from; bounces go to its domain.
    pub email: Option<String>,
    /// RFC 9990's `extra_contact_info`.
    pub extra_contact_info: Option<String>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            database: None,
            node: None,
            max_rows: 10_000,
            envelope_to: false,
            org_name: None,
            email: None,
            extra_contact_info: None,
        }
    }
}

impl Report {
    /// The domain of the address that reports come from.
    #[must_use]
    pub fn domain(&self) -> Option<String> {
        self.email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain.to_ascii_lowercase())
    }
}

/// `sqlite:PATH`, `mysql://…` or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabasePlace(String);

impl DatabasePlace {
    /// As it was written, with its password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// With a relative path of SQLite starting at `folder`.
    pub(super) fn below(self, folder: &Path) -> Self {
        let Some(path) = self.0.strip_prefix("sqlite:") else { return self };
        let path = path.strip_prefix("//").unwrap_or(path);
        Self(format!("sqlite:{}", folder.join(path).display()))
    }
}

/// The kind alone.
impl fmt::Debug for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabasePlace").field(&self.0.split(':').next().unwrap_or_default()).finish()
    }
}

impl Setting for DatabasePlace {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        const FIX: &str =
            "write `sqlite:PATH`, `mysql://USER:PASSWORD@HOST/DATABASE` or `postgres://USER:PASSWORD@HOST/DATABASE`";
        let DeValue::String(text) = value else {
            return Err(Misfit::Type("the place of a database, like `\"sqlite:PATH\"`"));
        };
        let is_known = ["sqlite:", "mysql://", "mariadb://", "postgres://", "postgresql://"]
            .iter()
            .any(|kind| text.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()));
        if !is_known || text.len() > MAX_PLACE || text.chars().any(char::is_control) {
            return Err(Misfit::value("not the place of a database that is carried", FIX));
        }
        Ok(Self(text.to_string()))
    }
}

/// An address with a domain, as it can stand in a report.
pub(super) struct ReportAddress(pub(super) String);

impl Setting for ReportAddress {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let DeValue::String(text) = value else {
            return Err(Misfit::Type("an address, like `\"dmarc@reports.example.com\"`"));
        };
        let fits = |(local, domain): (&str, &str)| {
            let is_plain =
                local.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&octet));
            !local.is_empty() && local.len() <= 64 && is_plain && dkim_core::domain::DomainName::parse(domain).is_ok()
        };
        if !text.rsplit_once('@').is_some_and(fits) {
            return Err(Misfit::value(
                "not an address, or one that must be quoted",
                "write it as `dmarc@reports.example.com`",
            ));
        }
        Ok(Self(text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_nowhere() {
        let place = DatabasePlace("mysql://u:secret@h/d".to_owned());
        assert!(!format!("{:?}", Report { database: Some(place), ..Report::default() }).contains("secret"));
    }

    #[test]
    fn a_relative_path_starts_at_the_folder_of_the_file() {
        for (written, read) in [
            ("sqlite:a.db", "sqlite:/etc/postseal/a.db"),
            ("sqlite:/var/a.db", "sqlite:/var/a.db"),
            ("sqlite:///var/a.db", "sqlite:/var/a.db"),
            ("postgres://u@h/d", "postgres://u@h/d"),
        ] {
            assert_eq!(DatabasePlace(written.to_owned()).below(Path::new("/etc/postseal")).as_str(), read);
        }
    }
}
