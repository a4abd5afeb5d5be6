//! Options about which signatures count, and what happens to mail.

use std::time::Duration;

use super::super::draft::Sourced;
use super::super::old_file::{Fate, FileReader, HeaderSet, OLD_VALUE, OldOption, Settings};
use super::super::section::shorten;
use super::lists::names;

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::text("On-Default", ACTION),
    OldOption::text("On-BadSignature", ACTION),
    OldOption::text("On-NoSignature", ACTION),
    OldOption::text("On-KeyNotFound", ACTION),
    OldOption::text("On-DNSError", ACTION),
    OldOption::text("On-InternalError", ACTION),
    OldOption::text("On-Security", ACTION),
    OldOption::text("On-SignatureError", ACTION),
    OldOption::text(
        "On-ReputationError",
        Fate::NotCarried { instead: "there is no reputation whose errors it could be for", mend: "remove it" },
    ),
    OldOption::number("MaximumSignaturesToVerify", Fate::Carried),
    OldOption::number("MaximumHeaders", Fate::Mostly("0 leaves the limit of this program, 512 KiB")),
    OldOption::text("MustBeSigned", Fate::Carried),
    OldOption::text(
        "Minimum",
        Fate::Mostly(
            "a signature that covers less is `policy` and does not count, where Debian's OpenDKIM lets it pass; and what is added to a body that is signed in part counts only if Content-Type is signed",
        ),
    ),
    OldOption::text(
        "TrustSignaturesFrom",
        Fate::Mostly(
            "a signature of another domain than the author's, and of none in the list, is `policy` and counts for nothing, where Debian's OpenDKIM lets it pass",
        ),
    ),
    OldOption::number("ClockDrift", Fate::Carried),
    OldOption::flag("StrictHeaders", Fate::Carried),
    OldOption::flag("RequiredHeaders", Fate::Carried),
    OldOption::flag(
        "IgnoreMalformedMail",
        Fate::Differs {
            how: "malformed mail passes without a result, but without forged ones too: fields that claim our name are removed",
            mend: "nothing has to be done",
        },
    ),
    OldOption::flag("CaptureUnknownErrors", Fate::Carried),
    OldOption::flag(
        "Quarantine",
        Fate::NotCarried { instead: "OpenDKIM reads it and does nothing", mend: "write `On-BadSignature quarantine`" },
    ),
    OldOption::text(
        "RedirectFailuresTo",
        Fate::NotCarried {
            instead: "recipients stay as they are",
            mend: "write `On-BadSignature quarantine`, or let delivery rules look at Authentication-Results",
        },
    ),
    OldOption::flag(
        "SoftStart",
        Fate::Mostly("the daemon starts and runs on while a database is away, with `no` as well"),
    ),
];

const ACTION: Fate = Fate::Mostly("a word that is no action is reported, and has no effect");

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `accept`: it passes.
    Accept,
    /// `discard`: it is taken and thrown away.
    Discard,
    /// `quarantine`: it is put into the MTA's quarantine.
    Quarantine,
    /// `reject`: it is refused (550).
    Reject,
    /// `tempfail`: it is put off (451).
    Tempfail,
}

impl Action {
    const WORDS: [(&'static str, Self); 5] = [
        ("accept", Self::Accept),
        ("discard", Self::Discard),
        ("quarantine", Self::Quarantine),
        ("reject", Self::Reject),
        ("tempfail", Self::Tempfail),
    ];

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Discard => "discard",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
            Self::Tempfail => "tempfail",
        }
    }

    /// A word or its first letter, in any case.
    fn from_word(text: &str) -> Option<Self> {
        let is =
            |word: &str| word.eq_ignore_ascii_case(text) || word.get(..1).is_some_and(|l| l.eq_ignore_ascii_case(text));
        Self::WORDS.into_iter().find(|(word, _)| is(word)).map(|(_, action)| action)
    }
}

/// The `On-…` options, with `On-Default` worked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actions {
    /// `On-BadSignature`: no signature passes.
    pub bad_signature: Action,
    /// `On-NoSignature`.
    pub no_signature: Action,
    /// `On-KeyNotFound`.
    pub key_not_found: Action,
    /// `On-DNSError`: the key could not be asked for.
    pub dns_error: Action,
    /// `On-InternalError`.
    pub internal_error: Action,
    /// `On-Security`: a limit, or something that looks like an attack.
    pub security: Action,
    /// `On-SignatureError`: the message should be signed and could not be.
    pub signature_error: Action,
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            bad_signature: Action::Accept,
            no_signature: Action::Accept,
            key_not_found: Action::Accept,
            dns_error: Action::Tempfail,
            internal_error: Action::Tempfail,
            security: Action::Tempfail,
            signature_error: Action::Reject,
        }
    }
}

impl Actions {
    fn read(settings: &mut Settings<'_>) -> Self {
        let mut actions = Self::default();
        if let Some(all) = action(settings, "On-Default") {
            actions = Self {
                bad_signature: all,
                no_signature: all,
                key_not_found: all,
                dns_error: all,
                internal_error: all,
                security: all,
                signature_error: all,
            };
        }
        for (name, place) in [
            ("On-BadSignature", &mut actions.bad_signature),
            ("On-NoSignature", &mut actions.no_signature),
            ("On-KeyNotFound", &mut actions.key_not_found),
            ("On-DNSError", &mut actions.dns_error),
            ("On-InternalError", &mut actions.internal_error),
            ("On-Security", &mut actions.security),
            ("On-SignatureError", &mut actions.signature_error),
        ] {
            if let Some(action) = action(settings, name) {
                *place = action;
            }
        }
        actions
    }
}

/// `On-…`. OpenDKIM starts with any word, `-n` included, so this is no error.
fn action(settings: &mut Settings<'_>, name: &'static str) -> Option<Action> {
    let read = |text: &str| {
        let cause = || format!("`{}` is no action and has no effect", shorten(text));
        let fix = "write one of: accept, discard, quarantine, reject, tempfail";
        Action::from_word(text).ok_or_else(|| (cause(), fix))
    };
    settings.parsed_or(name, OLD_VALUE, read).map(|action| action.value)
}

/// `Minimum`: how much of the body a signature with `l=` has to cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Minimum {
    /// `n`: so many octets, or the whole of a shorter body.
    Octets(u32),
    /// `n%`: so much of the body.
    Percent(u8),
    /// `n+`: all but so many octets at its end.
    Unsigned(u32),
}

/// Which signatures count, and what happens to mail. Texts with a place name data sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifying {
    /// The `On-…` options.
    pub on: Actions,
    /// `MaximumSignaturesToVerify`, those of `TrustSignaturesFrom` not counted.
    pub maximum_signatures: u32,
    /// `MaximumHeaders`: octets of the header section; absent, OpenDKIM has no limit.
    pub maximum_headers: Option<u32>,
    /// `MustBeSigned`: a signature counts only if it covers those of these fields that are there.
    pub must_be_signed: HeaderSet,
    /// `Minimum`.
    pub minimum: Option<Minimum>,
    /// `TrustSignaturesFrom`: a data set of the only third parties whose signatures count.
    pub trust_signatures_from: Option<Sourced<String>>,
    /// `ClockDrift`: how far clocks may differ.
    pub clock_drift: Duration,
    /// `StrictHeaders`: a message that has fields too often or not at all (RFC 5322 §3.6) is malformed.
    pub strict_headers: bool,
    /// `RequiredHeaders`: such a message is refused.
    pub required_headers: bool,
    /// `IgnoreMalformedMail`: such a message gets no result.
    pub ignore_malformed_mail: bool,
    /// `CaptureUnknownErrors`: quarantine after an internal error.
    pub capture_unknown_errors: bool,
}

impl Default for Verifying {
    fn default() -> Self {
        Self {
            on: Actions::default(),
            maximum_signatures: 3,
            maximum_headers: Some(65_536),
            must_be_signed: HeaderSet::default(),
            minimum: None,
            trust_signatures_from: None,
            clock_drift: Duration::from_secs(300),
            strict_headers: false,
            required_headers: false,
            ignore_malformed_mail: false,
            capture_unknown_errors: false,
        }
    }
}

impl Verifying {
    pub(super) fn read(settings: &mut Settings<'_>, files: FileReader<'_>) -> Self {
        let default = Self::default();
        if let Some(soft) = settings.flag("SoftStart").filter(|soft| !soft.value) {
            let cause = "the daemon starts all the same while a database is away, and asks again for each message";
            settings.report(&soft.at, OLD_VALUE, cause, "remove the line");
        }
        Self {
            on: Actions::read(settings),
            maximum_signatures: settings
                .number("MaximumSignaturesToVerify")
                .map_or(default.maximum_signatures, |most| most.value),
            maximum_headers: read_maximum_headers(settings),
            must_be_signed: names(settings, "MustBeSigned", files)
                .map_or_else(HeaderSet::default, |list| HeaderSet { names: list.value }),
            minimum: settings.parsed("Minimum", minimum).map(|minimum| minimum.value),
            trust_signatures_from: settings.text("TrustSignaturesFrom"),
            clock_drift: settings.seconds("ClockDrift").map_or(default.clock_drift, |drift| drift.value),
            strict_headers: settings.flag_or("StrictHeaders", false),
            required_headers: settings.flag_or("RequiredHeaders", false),
            ignore_malformed_mail: settings.flag_or("IgnoreMalformedMail", false),
            capture_unknown_errors: settings.flag_or("CaptureUnknownErrors", false),
        }
    }
}

fn read_maximum_headers(settings: &mut Settings<'_>) -> Option<u32> {
    let Some(most) = settings.number("MaximumHeaders") else { return Verifying::default().maximum_headers };
    if most.value == 0 {
        let cause = "0 takes OpenDKIM's limit away; the one of this program stays, 512 KiB";
        settings.report(&most.at, OLD_VALUE, cause, "write the largest header section to be looked at, in octets");
    }
    Some(most.value).filter(|most| *most > 0)
}

/// `n`, `n%` or `n+`.
fn minimum(text: &str) -> Result<Minimum, (String, &'static str)> {
    let fail = || {
        let fix = "write octets (`1000`), a share (`100%`) or how much may be unsigned (`0+`)";
        (format!("illegal value for \"Minimum\": `{}`", shorten(text)), fix)
    };
    let number = |digits: &str| -> Result<u32, _> { digits.parse().map_err(|_| fail()) };
    if let Some(share) = text.strip_suffix('%') {
        let share: u8 = share.parse().map_err(|_| fail())?;
        return if share <= 100 { Ok(Minimum::Percent(share)) } else { Err(fail()) };
    }
    match text.strip_suffix('+') {
        Some(rest) => number(rest).map(Minimum::Unsigned),
        None => number(text).map(Minimum::Octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_2_minimum_has_three_forms() {
        for (text, expected) in [
            ("1000", Minimum::Octets(1000)),
            ("100%", Minimum::Percent(100)),
            ("0%", Minimum::Percent(0)),
            ("0+", Minimum::Unsigned(0)),
            ("512+", Minimum::Unsigned(512)),
        ] {
            assert_eq!(minimum(text), Ok(expected), "{text}");
        }
        for text in ["", "%", "+", "101%", "300%", "-1", "1.5", "1k", "10%+", "99999999999"] {
            assert!(minimum(text).is_err(), "{text}");
        }
    }

    #[test]
    fn s1_2_actions_are_words_or_first_letters() {
        for (word, action) in Action::WORDS {
            assert_eq!(Action::from_word(word), Some(action));
            assert_eq!(Action::from_word(&word.to_ascii_uppercase()), Some(action));
            assert_eq!(Action::from_word(&word[..1]), Some(action));
            assert_eq!(action.as_str(), word);
        }
        for text in ["", "rej", "rejectx", "none", "x"] {
            assert_eq!(Action::from_word(text), None, "{text}");
        }
    }
}
