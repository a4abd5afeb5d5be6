//! Options about reports, statistics and reputation, none of which are carried.

use super::super::old_file::{Fate, OldOption};

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::flag("SendReports", REPORTS),
    OldOption::text("ReportAddress", REPORTS),
    OldOption::text("ReportBccAddress", REPORTS),
    OldOption::text("MTACommand", REPORTS),
    OldOption::text("SMTPURI", REPORTS),
    OldOption::text("DiagnosticDirectory", DIAGNOSTICS),
    OldOption::flag(
        "AddCanonicalizedData",
        Fate::NotCarried {
            instead: "no canonical text is put into header fields for another filter: DKIM and DMARC are one process here",
            mend: "remove it",
        },
    ),
    OldOption::text("Statistics", STATISTICS),
    OldOption::text("StatisticsName", STATISTICS),
    OldOption::text("StatisticsPrefix", STATISTICS),
    OldOption::text("StatisticsPolicyScript", STATISTICS),
    OldOption::flag("ReputationTest", REPUTATION),
    OldOption::flag("ReputationVerbose", REPUTATION),
    OldOption::number("ReputationCacheTTL", REPUTATION),
    OldOption::number("ReputationMinimum", REPUTATION),
    OldOption::number("ReputationRRDHashDepth", REPUTATION),
    OldOption::number("ReputationTimeFactor", REPUTATION),
    OldOption::number("ReputationTimeout", REPUTATION),
    OldOption::text("ReputationCache", REPUTATION),
    OldOption::text("ReputationDuplicates", REPUTATION),
    OldOption::text("ReputationLimitModifiers", REPUTATION),
    OldOption::text("ReputationLimits", REPUTATION),
    OldOption::text("ReputationLowTime", REPUTATION),
    OldOption::text("ReputationRatios", REPUTATION),
    OldOption::text("ReputationRRDRoot", REPUTATION),
    OldOption::text("ReputationSpamCheck", REPUTATION),
    OldOption::text("FlowData", FLOW),
    OldOption::number("FlowDataFactor", FLOW),
    OldOption::number("FlowDataTTL", FLOW),
    OldOption::text("RateLimits", FLOW),
];

const REPORTS: Fate = Fate::NotCarried {
    instead: "no reports about single signatures are sent (RFC 6651)",
    mend: "remove it; what failed stands in the log and in the journal",
};
const DIAGNOSTICS: Fate = Fate::NotCarried {
    instead: "no files about failures are written",
    mend: "remove it; `postseal verify` and `postseal explain` tell what of a message was changed",
};
const STATISTICS: Fate = Fate::NotCarried {
    instead: "no statistics are written for opendkim-importstats",
    mend: "use the journal: `postseal journal show` gives one record a message",
};
const REPUTATION: Fate = Fate::NotCarried {
    instead: "there is no reputation of domains; the experiment was given up",
    mend: "remove it; leave reputation to the spam filter, which reads Authentication-Results",
};
const FLOW: Fate = Fate::NotCarried {
    instead: "mail is not limited by its rate; the experiment was given up",
    mend: "remove it; limit rates in the MTA (Postfix: `smtpd_client_message_rate_limit`)",
};
