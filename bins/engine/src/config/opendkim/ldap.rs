//! Options about LDAP, for whoever opens such data sets.

use std::time::Duration;

use super::super::old_file::{Fate, OLD_VALUE, OldOption, Settings};
use crate::dataset::{LdapOptions, OpenOptions};

/// What belongs to mechanisms that are not here.
const OF_OTHER_MECHANISMS: Fate = Fate::NotCarried {
    instead: "neither a simple bind nor `EXTERNAL` has a use for it",
    mend: "use `LDAPAuthMechanism simple` with `LDAPBindUser` and `LDAPBindPassword`, and remove the line",
};

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::text(
        "LDAPAuthMechanism",
        Fate::Mostly("`none`, `simple` and `EXTERNAL`; with another mechanism the directory is not opened"),
    ),
    OldOption::text("LDAPAuthName", OF_OTHER_MECHANISMS),
    OldOption::text("LDAPAuthRealm", OF_OTHER_MECHANISMS),
    OldOption::text("LDAPAuthUser", OF_OTHER_MECHANISMS),
    OldOption::text("LDAPBindUser", Fate::Carried),
    OldOption::text("LDAPBindPassword", Fate::Carried),
    OldOption::flag(
        "LDAPDisableCache",
        Fate::Differs {
            how: "answers are kept for a short time all the same, so that a directory that is away stops no mail",
            mend: "nothing has to be done",
        },
    ),
    OldOption::text("LDAPKeepaliveIdle", Fate::Carried),
    OldOption::text("LDAPKeepaliveInterval", Fate::Carried),
    OldOption::text("LDAPKeepaliveProbes", Fate::Carried),
    OldOption::text("LDAPTimeout", Fate::Carried),
    OldOption::flag("LDAPUseTLS", Fate::Carried),
];

pub(super) fn read(settings: &mut Settings<'_>) -> OpenOptions {
    let default = OpenOptions::default();
    let text = |name| settings.text(name).map(|text| text.value);
    let ldap = LdapOptions {
        auth_mechanism: text("LDAPAuthMechanism"),
        bind_user: text("LDAPBindUser"),
        bind_password: text("LDAPBindPassword"),
        use_tls: settings.flag_or("LDAPUseTLS", false),
        keepalive_idle: seconds(settings, "LDAPKeepaliveIdle"),
        keepalive_interval: seconds(settings, "LDAPKeepaliveInterval"),
        keepalive_probes: number(settings, "LDAPKeepaliveProbes"),
    };
    OpenOptions { timeout: seconds(settings, "LDAPTimeout").unwrap_or(default.timeout), ldap }
}

fn seconds(settings: &mut Settings<'_>, name: &'static str) -> Option<Duration> {
    number(settings, name).map(|seconds| Duration::from_secs(seconds.into()))
}

/// A number that is text in OpenDKIM's table, so that it starts with anything.
fn number(settings: &mut Settings<'_>, name: &'static str) -> Option<u32> {
    const FIX: &str = "write a whole number from 1 on";
    let read = |text: &str| {
        let number = text.parse::<u32>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| ("it is not a number from 1 on and has no effect: the default holds".to_owned(), FIX))
    };
    settings.parsed_or(name, OLD_VALUE, read).map(|number| number.value)
}
