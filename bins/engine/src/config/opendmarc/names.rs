//! The names of `opendmarc.conf`.

use super::super::old_file::{Fate, OldOption, PROCESS, Schema};

/// All names of `opendmarc.conf`.
pub static OPENDMARC: Schema = Schema { program: "OpenDMARC", groups: &[PROCESS, NAMES, DEVELOPMENT, REMOVED] };

const NAMES: &[OldOption] = &[
    OldOption::flag("Syslog", Fate::Carried),
    OldOption::text(
        "SyslogFacility",
        Fate::Mostly("other facilities than `mail`, `daemon`, `user` and `local0` to `local7` become `mail`"),
    ),
    OldOption::text("AuthservID", Fate::Carried),
    OldOption::flag("AuthservIDWithJobID", Fate::Carried),
    OldOption::text(
        "TrustedAuthservIDs",
        Fate::Differs {
            how: "no field is believed, whoever it names: SPF and DKIM are checked in this process",
            mend: "remove it",
        },
    ),
    OldOption::flag("SoftwareHeader", Fate::Carried),
    OldOption::flag("IgnoreAuthenticatedClients", Fate::Carried),
    OldOption::text("IgnoreHosts", Fate::Carried),
    OldOption::text("IgnoreMailFrom", Fate::Carried),
    OldOption::text("PublicSuffixList", Fate::Carried),
    OldOption::number(
        "DNSTimeout",
        Fate::Mostly("it is used, where OpenDMARC only reads it; 0, which would wait for ever, becomes 5 seconds"),
    ),
    OldOption::text("TestDNSData", Fate::Carried),
    OldOption::flag("SPFSelfValidate", Fate::Mostly("SPF is always checked in this process, with `no` as well")),
    OldOption::flag("SPFIgnoreResults", Fate::Mostly("results in fields are never believed, with `no` as well")),
    OldOption::flag("RequiredHeaders", Fate::Carried),
    OldOption::flag("RequiredFrom", Fate::Carried),
    OldOption::flag("RejectMultiValueFrom", Fate::Carried),
    OldOption::flag("RejectFailures", Fate::Carried),
    OldOption::text("RejectString", Fate::Carried),
    OldOption::flag(
        "HoldQuarantinedMessages",
        Fate::Mostly("mail is held also without `RejectFailures yes`, which OpenDMARC 1.4.2 wants beside it"),
    ),
    OldOption::text("CopyFailuresTo", Fate::Carried),
    OldOption::text("HistoryFile", Fate::Carried),
    OldOption::flag("RecordAllMessages", Fate::Carried),
    OldOption::text("IgnoreMailTo", Fate::Carried),
    OldOption::text("NoReportsList", REPORTS),
    OldOption::flag("FailureReports", FAILURES),
    OldOption::text("FailureReportsBcc", FAILURE_MAIL),
    OldOption::flag("FailureReportsOnNone", Fate::Carried),
    OldOption::text("FailureReportsSentBy", FAILURE_MAIL),
    OldOption::text("ReportCommand", FAILURE_MAIL),
    OldOption::text("DomainWhitelist", ARC),
    OldOption::text("DomainWhitelistFile", ARC),
    OldOption::number("DomainWhitelistSize", ARC),
];

/// Of its development branch.
const DEVELOPMENT: &[OldOption] = &[
    OldOption::text("DMARCbisWalkMode", WALK),
    OldOption::text("DMARCbisWalkModeFallback", WALK),
    OldOption::flag("DMARCbisIgnorePct", Fate::Carried),
    OldOption::flag(
        "ReadCanonicalizedData",
        Fate::NotCarried {
            instead: "no text is taken over from another filter: DKIM and DMARC are one process here",
            mend: "remove it",
        },
    ),
    OldOption::flag(
        "LogSPFDNS",
        Fate::NotCarried {
            instead: "the questions of SPF are not logged one by one",
            mend: "remove it; `postseal spf` shows them",
        },
    ),
];

/// Of its past. It does not start with them.
const REMOVED: &[OldOption] = &[
    OldOption::flag("ForensicReports", Fate::Renamed("FailureReports")),
    OldOption::text("ForensicReportsBcc", Fate::Renamed("FailureReportsBcc")),
    OldOption::flag("ForensicReportsOnNone", Fate::Renamed("FailureReportsOnNone")),
    OldOption::text("ForensicReportsSentBy", Fate::Renamed("FailureReportsSentBy")),
    OldOption::text(
        "TemporaryDirectory",
        Fate::Removed { instead: "no temporary files are written", mend: "remove it" },
    ),
];

const FAILURES: Fate = Fate::Differs {
    how: "what failed is kept in the folder `failures` of the state folder, by `fo=` and up to a limit for each domain, and another program makes mail of it",
    mend: "see `[failure_reports]` in configuration.md for what is kept and for how long",
};
const FAILURE_MAIL: Fate = Fate::NotCarried {
    instead: "this program sends no mail; what failed is kept for the program that does",
    mend: "give the address to that program, and remove the line",
};
const REPORTS: Fate = Fate::NotCarried {
    instead: "no reports are sent by this program; opendmarc-reports has its own option for the list",
    mend: "give the list to opendmarc-reports: `--no-reports-list`",
};
const ARC: Fate = Fate::NotCarried {
    instead: "ARC is not evaluated, so no seal overrides a failure",
    mend: "name the networks of forwarders whose mail is not to be refused in `dmarc.trusted_forwarders` of the native \
           configuration",
};
const WALK: Fate = Fate::NotCarried {
    instead: "policies and organizational domains are found in one way for all mail, which `PublicSuffixList` decides",
    mend: "set `PublicSuffixList`, or leave it out",
};
