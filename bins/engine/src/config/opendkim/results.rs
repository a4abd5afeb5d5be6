//! Options about Authentication-Results fields.

use super::super::draft::Sourced;
use super::super::old_file::{AuthservName, Fate, OLD_VALUE, OldOption, Settings};

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::text("AuthservID", Fate::Carried),
    OldOption::flag("AuthservIDWithJobID", Fate::Carried),
    OldOption::flag("AlwaysAddARHeader", Fate::Carried),
    OldOption::flag(
        "KeepAuthResults",
        Fate::Differs {
            how: "fields that claim our own name are removed all the same, since readers would believe them",
            mend: "remove it; to take over the results of a content filter, see `trust.keep_results_from` of the native configuration",
        },
    ),
    OldOption::text("RemoveARFrom", Fate::Carried),
    OldOption::flag(
        "RemoveARAll",
        Fate::Mostly("fields that claim our own name are removed whatever method they tell of, with `no` as well"),
    ),
    OldOption::flag("NoHeaderB", Fate::Carried),
    OldOption::flag("SoftwareHeader", Fate::Carried),
    OldOption::flag("X-Header", Fate::Alias("SoftwareHeader")),
];

/// Authentication-Results fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// `AuthservID`; absent, the MTA's name (`j`).
    pub authserv_id: Option<Sourced<AuthservName>>,
    /// `AuthservIDWithJobID`: with the queue id behind it.
    pub authserv_id_with_job_id: bool,
    /// `AlwaysAddARHeader`: `dkim=none` for mail without signatures.
    pub always_add: bool,
    /// `KeepAuthResults`: fields that claim other names stay; our own never do.
    pub keep: bool,
    /// `RemoveARFrom`: a data set of further names whose fields are removed.
    pub remove_from: Option<Sourced<String>>,
    /// `RemoveARAll`: of those, fields without a result of DKIM as well.
    pub remove_all: bool,
    /// `NoHeaderB`: without `header.b`.
    pub no_header_b: bool,
    /// `SoftwareHeader`: a field `DKIM-Filter`.
    pub software_header: bool,
}

impl Results {
    pub(super) fn read(settings: &mut Settings<'_>) -> Self {
        if let Some(all) = settings.flag("RemoveARAll").filter(|all| !all.value) {
            let cause = "fields that claim our own name are removed whatever method they tell of: filters behind us believe them";
            settings.report(&all.at, OLD_VALUE, cause, "remove the line");
        }
        Self {
            authserv_id: read_authserv_id(settings),
            authserv_id_with_job_id: settings.flag_or("AuthservIDWithJobID", false),
            always_add: settings.flag_or("AlwaysAddARHeader", false),
            keep: settings.flag_or("KeepAuthResults", false),
            remove_from: settings.text("RemoveARFrom"),
            remove_all: settings.flag_or("RemoveARAll", false),
            no_header_b: settings.flag_or("NoHeaderB", false),
            software_header: settings.flag_or("SoftwareHeader", false),
        }
    }
}

/// `AuthservID`, of either program.
pub(in crate::config) fn read_authserv_id(settings: &mut Settings<'_>) -> Option<Sourced<AuthservName>> {
    const FIX: &str = "write a host name, like `mx.example.com`, or `HOSTNAME`";
    settings.parsed("AuthservID", |text| AuthservName::read(text).map_err(|cause| (cause, FIX)))
}
