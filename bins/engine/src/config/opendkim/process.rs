//! Options about the process that OpenDMARC does not have.

use super::super::old_file::{Fate, Kind, OldOption};

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption { name: "Include", kind: Kind::Include, fate: Fate::Carried },
    OldOption::flag(
        "DisableCryptoInit",
        Fate::NotCarried { instead: "there is no library to be initialized", mend: "remove it" },
    ),
    OldOption::flag(
        "StrictTestMode",
        Fate::NotCarried {
            instead: "line ends of test messages are taken as they are",
            mend: "remove it; `postseal explain` and `postseal replay` show what is done with stored mail",
        },
    ),
    OldOption::text("TemporaryDirectory", TEMPORARY_FILES),
    OldOption::flag("KeepTemporaryFiles", TEMPORARY_FILES),
];

const TEMPORARY_FILES: Fate = Fate::NotCarried {
    instead: "no canonical text is written to files",
    mend: "remove it; `postseal verify` says what of a message was changed",
};
