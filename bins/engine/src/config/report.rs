//! `[report]`: where `postseal-report` keeps what was decided, and as whom it speaks.
//!
//! The place of a database may hold a password: no `Debug` and no finding shows it. This crate knows no database; it tells kinds apart by their scheme.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::section::{Misfit, Setting};
use super::words::{OnUnknownOutcome, ReportFormat, ReportMode, ReportTls};

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
    /// Whether reports are made and sent; default: made and not sent.
    pub mode: ReportMode,
    /// Their form.
    pub format: ReportFormat,
    /// Who takes them; default the MTA of this host, on port 25.
    pub delivery: ReportDelivery,
    /// TLS to that server; default never, which is for loopback.
    pub tls: ReportTls,
    /// The user there, for a smart host.
    pub smtp_user: Option<String>,
    /// The file with his password.
    pub smtp_password_file: Option<PathBuf>,
    /// What happens to a report of which nobody knows whether it was taken.
    pub on_unknown_outcome: OnUnknownOutcome,
}

/// Who takes reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportDelivery {
    /// A mail server.
    Smtp {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// The program of that name.
    Sendmail(PathBuf),
}

impl Default for ReportDelivery {
    fn default() -> Self {
        Self::Smtp { host: "127.0.0.1".to_owned(), port: 25 }
    }
}

impl Setting for ReportDelivery {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        const FIX: &str = "write `smtp:HOST:PORT` or `sendmail:/PATH`";
        let DeValue::String(text) = value else {
            return Err(Misfit::Type("a server or program, like `\"smtp:127.0.0.1:25\"`"));
        };
        if let Some(path) = text.strip_prefix("sendmail:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Sendmail(PathBuf::from(path)));
        }
        let server = text.strip_prefix("smtp:").and_then(|server| server.rsplit_once(':'));
        let read = server.and_then(|(host, port)| {
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let is_plain = !host.is_empty() && host.bytes().all(|octet| octet.is_ascii_graphic());
            let port = port.parse().ok().filter(|port| *port > 0)?;
            is_plain.then(|| Self::Smtp { host: host.to_owned(), port })
        });
        read.ok_or_else(|| Misfit::value("neither a server nor a program", FIX))
    }
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
            mode: ReportMode::LogOnly,
            format: ReportFormat::Rfc9990,
            delivery: ReportDelivery::default(),
            tls: ReportTls::Off,
            smtp_user: None,
            smtp_password_file: None,
            on_unknown_outcome: OnUnknownOutcome::Resend,
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
