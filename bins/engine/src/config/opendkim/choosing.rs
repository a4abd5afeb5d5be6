//! Options that choose whose mail is signed, with which key, and whose is verified.

use std::path::PathBuf;

use dkim_core::domain::Selector;

use super::super::draft::Sourced;
use super::super::old_file::{Fate, FileReader, OldOption, Settings, words_about};
use super::super::words::Mode;
use super::lists::names;

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::text("Mode", Fate::Carried),
    OldOption::text("Domain", Fate::Carried),
    OldOption::text("Selector", Fate::Carried),
    OldOption::text("KeyFile", Fate::Carried),
    OldOption::text("KeyTable", Fate::Carried),
    OldOption::text("SigningTable", Fate::Carried),
    OldOption::flag(
        "CheckSigningTable",
        Fate::Mostly("every row is checked at the start and findings are warnings, with `no` as well"),
    ),
    OldOption::flag("SubDomains", Fate::Carried),
    OldOption::flag("MultipleSignatures", Fate::Carried),
    OldOption::text("InternalHosts", Fate::Carried),
    OldOption::text("ExternalIgnoreList", Fate::Carried),
    OldOption::text(
        "PeerList",
        Fate::Mostly("mail of these hosts passes with forged results in it, which is reported"),
    ),
    OldOption::text("MTA", Fate::Carried),
    OldOption::text("MacroList", Fate::Carried),
    OldOption::text("ExemptDomains", Fate::Carried),
    OldOption::text("DontSignMailTo", Fate::Carried),
    OldOption::text("SenderHeaders", Fate::Carried),
    OldOption::text("SenderMacro", Fate::NotCarried { instead: SENDER, mend: SENDER_MEND }),
    OldOption::text("DefaultSender", Fate::NotCarried { instead: SENDER, mend: SENDER_MEND }),
    OldOption::text(
        "POPDBFile",
        Fate::NotCarried {
            instead: "nobody is trusted for having fetched mail before",
            mend: "let users authenticate (SMTP AUTH), or name their networks in `InternalHosts`",
        },
    ),
    OldOption::text(
        "ConditionalSignatures",
        Fate::NotCarried {
            instead: "no conditional signatures are made; the draft came to nothing",
            mend: "remove it",
        },
    ),
    OldOption::text("ResignMailTo", Fate::NotCarried { instead: RESIGN, mend: RESIGN_MEND }),
    OldOption::flag("ResignAll", Fate::NotCarried { instead: RESIGN, mend: RESIGN_MEND }),
    OldOption::text(
        "SetupPolicyScript",
        Fate::NotCarried {
            instead: "no Lua is run, so who signs is decided by the tables alone",
            mend: "write who signs with which key into `KeyTable` and `SigningTable` (patterns with `refile:`, \
                   `MultipleSignatures yes` for several)",
        },
    ),
    OldOption::text(
        "ScreenPolicyScript",
        Fate::NotCarried {
            instead: "no Lua is run, and no signature is set aside by one",
            mend: "set `TrustSignaturesFrom`, `MustBeSigned` or `Minimum 100%`, which refuses what `l=` leaves unsigned",
        },
    ),
    OldOption::text(
        "FinalPolicyScript",
        Fate::NotCarried {
            instead: "no Lua is run, and no message is refused by one",
            mend: "let DMARC refuse what no signature of the author's domain covers: give an `opendmarc.conf` with \
                   `RejectFailures yes`; `Minimum 100%` refuses what `l=` leaves unsigned",
        },
    ),
    OldOption::flag(
        "LuaOnlySigning",
        Fate::NotCarried {
            instead: "no Lua is run: the tables decide who signs",
            mend: "use `KeyTable` and `SigningTable`",
        },
    ),
];

const SENDER: &str = "the sender is taken from the fields of `SenderHeaders` alone";
const SENDER_MEND: &str = "name the fields to be looked at in `SenderHeaders`";
const RESIGN: &str = "mail that is verified is not signed again";
const RESIGN_MEND: &str =
    "let the list server submit its mail as a client of its own, so that it is signed on its way out";

/// `InternalHosts` when it is not written. The manual page names the first one alone.
pub const DEFAULT_INTERNAL_HOSTS: &str = "csl:127.0.0.1,::1";

/// Whose mail is signed and whose is verified. Texts with a place name data sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choosing {
    /// `Mode`: sign, verify or both.
    pub mode: Mode,
    /// `Domain`: a data set of domains that the one key signs for; absent where `KeyTable` is set.
    pub domain: Option<Sourced<String>>,
    /// `Selector` of the one key; absent where `KeyTable` is set.
    pub selector: Option<Sourced<Selector>>,
    /// `KeyFile` of the one key; absent where `KeyTable` is set.
    pub key_file: Option<Sourced<PathBuf>>,
    /// `KeyTable`: a data set.
    pub key_table: Option<Sourced<String>>,
    /// `SigningTable`: a data set.
    pub signing_table: Option<Sourced<String>>,
    /// `SubDomains`: the one key also signs for what is below `Domain`.
    pub sub_domains: bool,
    /// `MultipleSignatures`: all that match in `SigningTable` sign, and not the first one alone.
    pub multiple_signatures: bool,
    /// `InternalHosts`: a data set of hosts whose mail is signed; see [`internal_hosts`](Self::internal_hosts).
    pub internal_hosts: Option<Sourced<String>>,
    /// `ExternalIgnoreList`: a data set of hosts that are not told about when they send as a domain of ours.
    pub external_ignore_list: Option<Sourced<String>>,
    /// `PeerList`: a data set of hosts whose mail is let through untouched.
    pub peer_list: Option<Sourced<String>>,
    /// `MTA`: a data set of `{daemon_name}` values whose mail is signed.
    pub mta: Option<Sourced<String>>,
    /// `MacroList`: a data set (`csl:` or `file:`) of macros, and of values that they have where mail is signed.
    pub macro_list: Option<Sourced<String>>,
    /// `ExemptDomains`: a data set of author domains whose mail is left alone.
    pub exempt_domains: Option<Sourced<String>>,
    /// `DontSignMailTo`: a data set of recipients to whom nothing is signed.
    pub dont_sign_mail_to: Option<Sourced<String>>,
    /// `SenderHeaders`: the first of these fields that is there names the sender.
    pub sender_headers: Vec<String>,
}

impl Default for Choosing {
    fn default() -> Self {
        Self {
            mode: Mode::Both,
            domain: None,
            selector: None,
            key_file: None,
            key_table: None,
            signing_table: None,
            sub_domains: false,
            multiple_signatures: false,
            internal_hosts: None,
            external_ignore_list: None,
            peer_list: None,
            mta: None,
            macro_list: None,
            exempt_domains: None,
            dont_sign_mail_to: None,
            sender_headers: vec!["From".to_owned()],
        }
    }
}

/// The one key of a configuration without `KeyTable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SingleKey<'c> {
    /// `Domain`: a data set.
    pub domain: &'c Sourced<String>,
    /// `Selector`.
    pub selector: &'c Sourced<Selector>,
    /// `KeyFile`.
    pub file: &'c Sourced<PathBuf>,
}

impl Choosing {
    pub(super) fn read(settings: &mut Settings<'_>, files: FileReader<'_>) -> Self {
        let selector = |text: &str| {
            let fix = "write the name that stands before `._domainkey`, like `s2026`";
            Selector::parse(text).map_err(|error| (format!("no selector: {}", words_about(&error)), fix))
        };
        let default = Self::default();
        Self {
            mode: settings.parsed("Mode", mode).map_or(default.mode, |mode| mode.value),
            domain: settings.text("Domain"),
            selector: settings.parsed("Selector", selector),
            key_file: settings.path("KeyFile"),
            key_table: settings.text("KeyTable"),
            signing_table: settings.text("SigningTable"),
            sub_domains: settings.flag_or("SubDomains", false),
            multiple_signatures: settings.flag_or("MultipleSignatures", false),
            internal_hosts: settings.text("InternalHosts"),
            external_ignore_list: settings.text("ExternalIgnoreList"),
            peer_list: settings.text("PeerList"),
            mta: settings.text("MTA"),
            macro_list: settings.text("MacroList"),
            exempt_domains: settings.text("ExemptDomains"),
            dont_sign_mail_to: settings.text("DontSignMailTo"),
            sender_headers: names(settings, "SenderHeaders", files).map_or(default.sender_headers, |list| list.value),
        }
    }

    /// `InternalHosts`, or what holds without it.
    #[must_use]
    pub fn internal_hosts(&self) -> &str {
        self.internal_hosts.as_ref().map_or(DEFAULT_INTERNAL_HOSTS, |hosts| &hosts.value)
    }

    /// The one key, if the configuration has one and no table.
    #[must_use]
    pub fn single_key(&self) -> Option<SingleKey<'_>> {
        Some(SingleKey {
            domain: self.domain.as_ref()?,
            selector: self.selector.as_ref()?,
            file: self.key_file.as_ref()?,
        })
    }
}

/// `s`, `v` or both, in any order.
fn mode(text: &str) -> Result<Mode, (String, &'static str)> {
    let mut letters = (false, false);
    for letter in text.chars() {
        match letter {
            's' => letters.0 = true,
            'v' => letters.1 = true,
            _ => {
                let cause = format!("unknown mode \"{}\"", letter.escape_debug());
                return Err((cause, "write `s` (sign), `v` (verify) or `sv`"));
            }
        }
    }
    Ok(match letters {
        (true, false) => Mode::Sign,
        (false, true) => Mode::Verify,
        _ => Mode::Both,
    })
}
