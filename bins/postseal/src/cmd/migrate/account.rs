//! What becomes of each line of the old files.
//!
//! The table of options of the engine has the fate of each name when the daemon runs from the old files; [`place`] has what the native form has in its place.
//! An option that the engine carries and this table has not would be lost in silence, so a test walks all names.

use std::path::PathBuf;

use engine::config::old_file::{Fate, Line, OldOption, Schema, Value};
use engine::config::opendkim::OPENDKIM;
use engine::config::opendmarc::OPENDMARC;
use serde::Serialize;

/// Whose file a line is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Program {
    OpenDkim,
    OpenDmarc,
}

impl Program {
    pub(super) fn schema(self) -> &'static Schema {
        match self {
            Self::OpenDkim => &OPENDKIM,
            Self::OpenDmarc => &OPENDMARC,
        }
    }
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Carried,
    Changed,
    Dropped,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Carried => "carried",
            Self::Changed => "changed",
            Self::Dropped => "dropped",
        }
    }
}

/// A line, accounted for.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Accounted {
    pub(super) program: Program,
    pub(super) file: PathBuf,
    pub(super) line: u32,
    pub(super) option: &'static str,
    /// As it is written; dots in place of what may be a password.
    pub(super) value: String,
    pub(super) status: Status,
    /// The setting that it became, if it became one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) setting: Option<&'static str>,
    /// How it differs, or why it is dropped and what happens instead; empty where there is nothing to say.
    pub(super) note: String,
    /// Whether somebody has to decide on it, since it had an effect on mail that is gone or another now.
    pub(super) decision: bool,
}

/// What is special about the value of an option, found when the configuration was made.
#[derive(Debug, Clone)]
pub(super) struct Remark {
    pub(super) program: Program,
    pub(super) option: &'static str,
    pub(super) status: Status,
    pub(super) note: String,
    pub(super) decision: bool,
}

/// What the native form has for an option that is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// This setting.
    Setting(&'static str),
    /// It is always so.
    Always(&'static str),
    /// It is a matter of how the daemon is started.
    Process(&'static str),
    /// Nothing, and no mail is treated otherwise for it.
    Unneeded(&'static str),
    /// Nothing, and mail is treated otherwise.
    Lost(&'static str),
}

use Place::{Always, Lost, Process, Setting, Unneeded};

const RESTARTS: Place = Process("the service manager starts it again (systemd: `Restart=on-failure`)");
const TABLE: Place = Setting("domain");
const ON: Place = Always("what signatures say is left to DMARC, which is where policies stand");
const LDAP: Place = Unneeded("the native form asks no directory; see the tables that were in it");
const LOG: Place = Always("each message has one line in the log, and `postseal journal show` has the reasons");

/// The place of an option of OpenDKIM whose fate is to be carried.
fn of_opendkim(name: &str) -> Option<Place> {
    Some(match name {
        "Mode" => Setting("mode"),
        "Domain" | "Selector" | "KeyFile" | "KeyTable" | "SigningTable" | "SubDomains" | "MultipleSignatures" => TABLE,
        "CheckSigningTable" => Unneeded("every domain is checked when the file is read"),
        "InternalHosts" => Setting("trust.networks"),
        "ExternalIgnoreList" => {
            Unneeded("it only kept a line about these hosts out of the log, and there is no such line")
        }
        "PeerList" => Lost(
            "no host is let through with results that somebody forged: its mail is verified; name hosts whose mail is your own in `trust.networks`",
        ),
        "MTA" | "MacroList" => Setting("trust.daemon_names"),
        "ExemptDomains" => Lost("no author domain is left alone for its name, which anybody can write"),
        "DontSignMailTo" => Lost("mail is signed whoever it is for"),
        "SenderHeaders" => Always("the domain in From decides who signs"),
        "Canonicalization" => Setting("signing.canonicalization"),
        "SignatureAlgorithm" => Always("a key signs with the algorithm of its type"),
        "SignHeaders" | "OmitHeaders" => Setting("signing.sign_headers"),
        "OversignHeaders" => Setting("signing.oversign_headers"),
        "MaximumSignedBytes" | "BodyLengthDB" => Lost("the whole body is signed, so nobody can add to it (no `l=`)"),
        "SignatureTTL" => Setting("signing.expiry"),
        "RequestReports" => Unneeded("signatures ask for no reports (`r=y`), which hardly anybody sends"),
        "RemoveOldSignatures" => Lost("signatures that are there already stay"),
        "ReplaceRules" | "ReplaceHeaders" => {
            Lost("fields are signed as they come: let the MTA rewrite them before the filter sees them")
        }
        "RequireSafeKeys" => Always("keys that others may write are not used, and those that others may read are told"),
        "MinimumKeyBits" => Setting("verify.min_rsa_bits"),
        "Nameservers" => Setting("dns.nameservers"),
        "DNSTimeout" => Setting("dns.timeout"),
        "TestPublicKeys" | "TestDNSData" => Lost("it is for tests; `dns.zone_file` takes a zone file in its place"),
        "QueryCache" => Unneeded("keys are kept for as long as the DNS says"),
        "On-BadSignature" | "On-NoSignature" | "On-KeyNotFound" | "On-Default" => ON,
        "On-DNSError" => Setting("policy.on_dns_failure"),
        "On-InternalError" => Setting("policy.on_internal_error"),
        "On-Security" => Setting("policy.on_limit"),
        "On-SignatureError" => Setting("signing.on_key_error"),
        "MaximumSignaturesToVerify" => Setting("limits.signatures"),
        "MaximumHeaders" => Setting("limits.header_bytes"),
        "MustBeSigned" => Lost("a signature counts whatever fields it covers, if From is among them"),
        "Minimum" => Setting("verify.body_length"),
        "TrustSignaturesFrom" => {
            Lost("signatures of third parties are told of, and DMARC counts only those of the author's domain")
        }
        "ClockDrift" => Setting("verify.clock_skew"),
        "StrictHeaders" | "RequiredHeaders" => Lost(
            "fields that stand there too often are no reason to refuse; `dmarc.multiple_from` is for several From fields",
        ),
        "IgnoreMalformedMail" => Unneeded("malformed mail passes, with results that say so"),
        "CaptureUnknownErrors" => {
            Lost("after an internal error mail is put off (`policy.on_internal_error`), and not into quarantine")
        }
        "SoftStart" => Unneeded("no database is needed at the start"),
        "AuthservID" => Setting("authserv_id"),
        "AuthservIDWithJobID" => Lost("the queue id does not stand behind our name in Authentication-Results fields"),
        "AlwaysAddARHeader" => Always("mail without signatures gets `dkim=none`"),
        "KeepAuthResults" => Always("fields of others stay, and those that claim our name never do"),
        "RemoveARFrom" => Setting("remove_authserv_ids"),
        "RemoveARAll" => Always("fields that claim our name are removed whatever they tell of"),
        "NoHeaderB" => Unneeded("results name the signature that they are about (`header.b`)"),
        "SoftwareHeader" => Unneeded("no field names the program"),
        "SyslogSuccess" | "LogWhy" | "LogResults" => LOG,
        "StdoutLog" | "SyslogName" => Setting("log"),
        "Include" => Always("its lines are accounted for one by one"),
        name if name.starts_with("LDAP") => LDAP,
        _ => return of_both(name),
    })
}

/// The place of an option of OpenDMARC whose fate is to be carried.
fn of_opendmarc(name: &str) -> Option<Place> {
    Some(match name {
        "AuthservID" => Setting("authserv_id"),
        "AuthservIDWithJobID" => Lost("the queue id does not stand behind our name in Authentication-Results fields"),
        "TrustedAuthservIDs" => Always("no field is believed: SPF and DKIM are checked in the same process"),
        "SoftwareHeader" => Unneeded("no field names the program"),
        "IgnoreAuthenticatedClients" => Always("mail of clients that authenticated is your own and is not judged"),
        "IgnoreHosts" => Setting("dmarc.trusted_forwarders"),
        "IgnoreMailFrom" => Setting("dmarc.override"),
        "PublicSuffixList" => Setting("dmarc.public_suffix_list"),
        "DNSTimeout" => Setting("dns.timeout"),
        "TestDNSData" => Lost("it is for tests; `dns.zone_file` takes a zone file in its place"),
        "SPFSelfValidate" | "SPFIgnoreResults" => Always("SPF is checked here, and no field is believed"),
        "RequiredHeaders" | "RequiredFrom" | "RejectMultiValueFrom" => Setting("dmarc.multiple_from"),
        "RejectFailures" | "HoldQuarantinedMessages" => Setting("dmarc.mode"),
        "RejectString" => Setting("dmarc.reject_text"),
        "CopyFailuresTo" => Lost("no copies are sent; `failure_reports.enabled` keeps what failed"),
        "HistoryFile" => Unneeded(
            "the journal has one record a message (`postseal journal show`); opendmarc-import finds no new records",
        ),
        "RecordAllMessages" => Always("the journal has every message"),
        "IgnoreMailTo" => Unneeded("it was about records for reports; the journal keeps no addresses"),
        "DMARCbisIgnorePct" => Always("the tree walk of RFC 9989 has no `pct=`"),
        "FailureReports" | "FailureReportsOnNone" => Setting("failure_reports"),
        _ => return of_both(name),
    })
}

/// Options that both programs have.
fn of_both(name: &str) -> Option<Place> {
    Some(match name {
        "Socket" | "UMask" => Setting("listen"),
        "UserID" => Process("start the daemon as this user (systemd: `User=` and `Group=`)"),
        "PidFile" => Process("the service manager knows the process; the state folder has a lock with its id"),
        "Background" => Process("it stays in the foreground, as service managers want it"),
        "BaseDirectory" => Always("paths are written in full"),
        "AutoRestart" | "AutoRestartCount" | "AutoRestartRate" => RESTARTS,
        "Syslog" | "SyslogFacility" => Setting("log"),
        _ => return None,
    })
}

fn place(program: Program, name: &str) -> Option<Place> {
    match program {
        Program::OpenDkim => of_opendkim(name),
        Program::OpenDmarc => of_opendmarc(name),
    }
}

/// Options without effect whose loss changes nothing about mail. Of all others that are not carried somebody has to know.
fn is_harmless(name: &str) -> bool {
    const STARTS: [&str; 8] = [
        "Reputation",
        "DKIMReputation",
        "Statistics",
        "FlowData",
        "VBR-",
        "Resolver",
        "ForensicReports",
        "ReportCommand",
    ];
    const NAMES: [&str; 44] = [
        "AddAllSignatureResults",
        "AddCanonicalizedData",
        "AllowSHA1Only",
        "AnonymousDomains",
        "AnonymousStatistics",
        "ConditionalSignatures",
        "DMARCbisWalkMode",
        "DMARCbisWalkModeFallback",
        "Diagnostics",
        "DiagnosticDirectory",
        "DisableADSP",
        "DisableCryptoInit",
        "DNSConnect",
        "DomainKeysCompat",
        "EnableCoredumps",
        "FailureReportsBcc",
        "FailureReportsSentBy",
        "KeepTemporaryFiles",
        "LDAPSoftStart",
        "LogSPFDNS",
        "LuaOnlySigning",
        "MilterDebug",
        "MTACommand",
        "NoReportsList",
        "NoDiscardableMailTo",
        "On-PolicyError",
        "On-ReputationError",
        "Quarantine",
        "RateLimits",
        "ReadCanonicalizedData",
        "ReportAddress",
        "ReportBccAddress",
        "ReportIntervalDB",
        "SelectCanonicalizationHeader",
        "SendADSPReports",
        "SendReports",
        "SingleAuthResult",
        "SMTPURI",
        "StrictTestMode",
        "TemporaryDirectory",
        "TrustAnchorFile",
        "UnboundConfigFile",
        "WeakSyntaxChecks",
        "DomainWhitelistSize",
    ];
    NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

/// Accounts for all lines of a file. *Inputs*: the remarks of the one who made the configuration.
pub(super) fn account(program: Program, lines: &[Line], remarks: &[Remark]) -> Vec<Accounted> {
    let schema = program.schema();
    let mut accounted = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let option = target(schema, line.option);
        let later = lines
            .iter()
            .skip(index.saturating_add(1))
            .rev()
            .find(|later| std::ptr::eq(target(schema, later.option), option));
        let (status, setting, note, decision) = match later {
            // Each included file stands for itself.
            Some(later) if option.name != "Include" => {
                let place = format!("{}:{}", later.at.file.display(), later.at.line);
                (Status::Dropped, None, format!("it had no effect: {place} sets it anew"), false)
            }
            _ => fate(program, option, line, remarks),
        };
        accounted.push(Accounted {
            program,
            file: line.at.file.to_path_buf(),
            line: line.at.line,
            option: line.option.name,
            value: shown(line),
            status,
            setting,
            note,
            decision,
        });
    }
    accounted
}

type Found = (Status, Option<&'static str>, String, bool);

fn fate(program: Program, option: &'static OldOption, line: &Line, remarks: &[Remark]) -> Found {
    let is_off = line.value == Value::Flag(false);
    let place = match option.fate {
        Fate::NotCarried { instead, mend } | Fate::Removed { instead, mend } => {
            return if is_off {
                (Status::Carried, None, "it is off, and there is nothing to switch off".to_owned(), false)
            } else {
                (Status::Dropped, None, format!("{instead}; {mend}"), !is_harmless(option.name))
            };
        }
        Fate::Carried | Fate::Mostly(_) | Fate::Differs { .. } | Fate::Alias(_) | Fate::Renamed(_) => {
            place(program, option.name)
        }
    };
    let setting = match place {
        Some(Setting(setting)) => Some(setting),
        _ => None,
    };
    // What was found about this value goes before what holds for the option.
    let of_value: Vec<_> =
        remarks.iter().filter(|remark| remark.program == program && remark.option == option.name).collect();
    if let Some(worst) = of_value.iter().max_by_key(|remark| (remark.decision, remark.status as u8)) {
        let note = of_value.iter().map(|remark| remark.note.as_str()).collect::<Vec<_>>().join("; ");
        let setting = setting.filter(|_| worst.status != Status::Dropped);
        return (worst.status, setting, note, worst.decision);
    }
    match place {
        Some(Setting(_)) => (Status::Carried, setting, String::new(), false),
        Some(Always(note)) => (Status::Carried, None, note.to_owned(), false),
        Some(Lost(_) | Unneeded(_)) if is_off => {
            (Status::Carried, None, "it is off, and there is nothing to switch off".to_owned(), false)
        }
        Some(Process(note) | Unneeded(note)) => (Status::Dropped, None, note.to_owned(), false),
        Some(Lost(note)) => (Status::Dropped, None, note.to_owned(), true),
        None => (Status::Dropped, None, "the native form has nothing in its place".to_owned(), true),
    }
}

/// What aliases lead to.
fn target(schema: &'static Schema, option: &'static OldOption) -> &'static OldOption {
    match option.fate {
        Fate::Alias(name) | Fate::Renamed(name) => schema.find(name).unwrap_or(option),
        _ => option,
    }
}

/// Characters of a value that are shown.
const MAX_SHOWN: usize = 200;

fn shown(line: &Line) -> String {
    let text = match &line.value {
        Value::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Number(mask) if line.option.name == "UMask" => format!("{mask:04o}"),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    };
    let lower = text.to_ascii_lowercase();
    let may_hold_a_password = line.option.name.starts_with("LDAP")
        || ["dsn:", "ldap", "socketmap:"].iter().any(|scheme| lower.trim_start().starts_with(scheme));
    if may_hold_a_password {
        let scheme = lower.split(':').next().filter(|_| !line.option.name.starts_with("LDAP")).unwrap_or_default();
        return format!("{scheme}...");
    }
    plain(&text)
}

/// A text on one line, bounded.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_that_is_carried_has_a_place() {
        for program in [Program::OpenDkim, Program::OpenDmarc] {
            for option in program.schema().options() {
                if matches!(option.fate, Fate::Carried | Fate::Mostly(_) | Fate::Differs { .. }) {
                    assert!(place(program, option.name).is_some(), "{program:?} {}", option.name);
                }
            }
        }
    }
}
