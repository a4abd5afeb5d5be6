//! Options that OpenDKIM had once. It does not start with them; here they are warnings that say what replaces them.

use super::super::old_file::{Fate, OldOption};

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::text("ADSPAction", ADSP),
    OldOption::flag("ADSPDiscard", ADSP),
    OldOption::flag("ADSPNoSuchDomain", ADSP),
    OldOption::flag("DisableADSP", ADSP),
    OldOption::text("LocalADSP", ADSP),
    OldOption::text("NoDiscardableMailTo", ADSP),
    OldOption::flag("SendADSPReports", ADSP),
    OldOption::text("On-PolicyError", ADSP),
    OldOption::text("BogusPolicy", ADSP),
    OldOption::text("InsecurePolicy", ADSP),
    OldOption::text("UnprotectedPolicy", ADSP),
    OldOption::flag("AddAllSignatureResults", RESULTS),
    OldOption::flag("SingleAuthResult", RESULTS),
    OldOption::text(
        "AlwaysSignHeaders",
        Fate::Removed {
            instead: "no field is signed for it",
            mend: "write `SignHeaders *,+NAME`, or `OversignHeaders`",
        },
    ),
    OldOption::text("AnonymousDomains", STATISTICS),
    OldOption::flag("AnonymousStatistics", STATISTICS),
    OldOption::text("ReportIntervalDB", STATISTICS),
    OldOption::text(
        "InsecureKey",
        Fate::Removed {
            instead: "DNSSEC is left to the name server that is asked",
            mend: "let a validating name server on this host answer: `Nameservers 127.0.0.1`",
        },
    ),
    OldOption::text(
        "UnboundConfigFile",
        Fate::Removed {
            instead: "the file of another resolver is not read",
            mend: "name the servers to be asked in `Nameservers`, or in /etc/resolv.conf",
        },
    ),
    OldOption::flag(
        "LDAPSoftStart",
        Fate::Removed { instead: "the daemon always starts while a directory is away", mend: "remove it" },
    ),
    OldOption::text("SelectorHeader", SELECTOR),
    OldOption::flag("SelectorHeaderRemove", SELECTOR),
    OldOption::number("DKIMReputationFail", REPUTATION),
    OldOption::number("DKIMReputationPass", REPUTATION),
    OldOption::number("DKIMReputationReject", REPUTATION),
    OldOption::text("DKIMReputationRoot", REPUTATION),
    OldOption::number("ReputationFail", REPUTATION),
    OldOption::number("ReputationPass", REPUTATION),
    OldOption::number("ReputationReject", REPUTATION),
    OldOption::text("ReputationRoot", REPUTATION),
];

const ADSP: Fate = Fate::Removed {
    instead: "author domains have no policies of ADSP any more (RFC 5617 is historic)",
    mend: "remove it; DMARC replaces it: what author domains ask for is in an `opendmarc.conf` (`RejectFailures`)",
};
const RESULTS: Fate = Fate::Removed {
    instead: "the results of all signatures stand in one Authentication-Results field",
    mend: "remove it",
};
const STATISTICS: Fate = Fate::Removed {
    instead: "no statistics are written for opendkim-importstats",
    mend: "remove it; the journal has one record a message: `postseal journal show`",
};
const SELECTOR: Fate = Fate::Removed {
    instead: "no field of a message chooses its key",
    mend: "write who signs with which key into `KeyTable` and `SigningTable`",
};
const REPUTATION: Fate = Fate::Removed {
    instead: "there is no reputation of domains; the experiment was given up",
    mend: "remove it; leave reputation to the spam filter, which reads Authentication-Results",
};
