//! Every name that either program has or ever had is in its table, with its type; and each does something or says that it does not.

use std::collections::{BTreeMap, BTreeSet};

use engine::config::diagnostics::{CONFIG_TYPE, Severity};
use engine::config::old_file::{Fate, Kind, OLD_DIFFERS, OLD_NOT_CARRIED, OLD_REMOVED, OldOption, Schema};
use engine::config::opendkim::{OPENDKIM, OpenDkim};
use engine::config::opendmarc::{OPENDMARC, OpenDmarc};

use crate::support::{Files, dkim, dkim_with, dmarc, only};

/// The options of OpenDKIM 2.11.0, by the types of its table.
const OPENDKIM_BOOLEAN: &str = "AllowSHA1Only AlwaysAddARHeader AuthservIDWithJobID AutoRestart Background \
    CaptureUnknownErrors Diagnostics DisableCryptoInit DNSConnect DomainKeysCompat EnableCoredumps FixCRLF \
    IdentityHeaderRemove IgnoreMalformedMail KeepAuthResults KeepTemporaryFiles LDAPDisableCache LDAPUseTLS LogResults \
    LogWhy LuaOnlySigning MultipleSignatures NoHeaderB Quarantine QueryCache RemoveARAll RemoveOldSignatures \
    ReputationTest ReputationVerbose RequestReports RequiredHeaders RequireSafeKeys ResignAll ResolverTracing \
    SendReports SoftwareHeader SoftStart StrictHeaders StrictTestMode SubDomains Syslog SyslogSuccess VBR-PurgeFields \
    VBR-TrustedCertifiersOnly WeakSyntaxChecks X-Header";
const OPENDKIM_INTEGER: &str = "AutoRestartCount ClockDrift DNSTimeout FlowDataFactor FlowDataTTL MaximumHeaders \
    MaximumSignedBytes MaximumSignaturesToVerify MilterDebug MinimumKeyBits ReputationCacheTTL ReputationMinimum \
    ReputationRRDHashDepth ReputationTimeFactor ReputationTimeout SignatureTTL UMask";
const OPENDKIM_TEXT: &str = "ATPSDomains ATPSHashAlgorithm AuthservID AutoRestartRate BaseDirectory BodyLengthDB BogusKey \
    Canonicalization ChangeRootDirectory ConditionalSignatures DefaultSender DiagnosticDirectory Domain DontSignMailTo \
    ExemptDomains ExternalIgnoreList FinalPolicyScript FlowData IdentityHeader InternalHosts KeyFile KeyTable \
    LDAPAuthMechanism LDAPAuthName LDAPAuthRealm LDAPAuthUser LDAPBindPassword LDAPBindUser LDAPKeepaliveIdle \
    LDAPKeepaliveInterval LDAPKeepaliveProbes LDAPTimeout MacroList Minimum Mode MTA MTACommand MustBeSigned Nameservers \
    OmitHeaders On-BadSignature On-Default On-DNSError On-InternalError On-KeyNotFound On-NoSignature On-ReputationError \
    On-Security On-SignatureError OverSignHeaders PeerList PidFile POPDBFile RateLimits RedirectFailuresTo RemoveARFrom \
    ReplaceRules ReportAddress ReportBccAddress ReputationCache ReputationDuplicates ReputationLimitModifiers \
    ReputationLimits ReputationLowTime ReputationRatios ReputationRRDRoot ReputationSpamCheck ResignMailTo \
    ResolverConfiguration ScreenPolicyScript SelectCanonicalizationHeader Selector SenderHeaders SenderMacro \
    SetupPolicyScript SignatureAlgorithm SignHeaders SigningTable SMTPURI Socket Statistics StatisticsName \
    StatisticsPolicyScript StatisticsPrefix SyslogFacility SyslogName TemporaryDirectory TestDNSData TestPublicKeys \
    TrustAnchorFile TrustSignaturesFrom UnprotectedKey UserID VBR-Certifiers VBR-TrustedCertifiers VBR-Type";
/// Of its development branch, and of Debian.
const OPENDKIM_LATER: &str = "CheckSigningTable StdoutLog AddCanonicalizedData ReplaceHeaders";
const OPENDKIM_REMOVED: &str = "ADSPAction ADSPDiscard ADSPNoSuchDomain AddAllSignatureResults AlwaysSignHeaders \
    AnonymousDomains AnonymousStatistics BogusPolicy DKIMReputationFail DKIMReputationPass DKIMReputationReject \
    DKIMReputationRoot DisableADSP InsecureKey InsecurePolicy LDAPSoftStart LocalADSP NoDiscardableMailTo On-PolicyError \
    ReportIntervalDB ReputationFail ReputationPass ReputationReject ReputationRoot SelectorHeader SelectorHeaderRemove \
    SendADSPReports SingleAuthResult UnboundConfigFile UnprotectedPolicy";

/// The options of OpenDMARC as of May 2026, by the types of its table.
const OPENDMARC_BOOLEAN: &str = "AuthservIDWithJobID AutoRestart Background EnableCoredumps FailureReports \
    FailureReportsOnNone HoldQuarantinedMessages IgnoreAuthenticatedClients RecordAllMessages RejectFailures \
    RejectMultiValueFrom RequiredFrom RequiredHeaders SoftwareHeader SPFIgnoreResults SPFSelfValidate Syslog";
const OPENDMARC_INTEGER: &str = "AutoRestartCount DNSTimeout DomainWhitelistSize MilterDebug UMask";
const OPENDMARC_TEXT: &str = "AuthservID AutoRestartRate BaseDirectory ChangeRootDirectory CopyFailuresTo DomainWhitelist \
    DomainWhitelistFile FailureReportsBcc FailureReportsSentBy HistoryFile IgnoreHosts IgnoreMailFrom IgnoreMailTo \
    NoReportsList PidFile PublicSuffixList RejectString ReportCommand Socket SyslogFacility TestDNSData \
    TrustedAuthservIDs Userid";
const OPENDMARC_LATER: &str =
    "DMARCbisWalkMode DMARCbisWalkModeFallback DMARCbisIgnorePct ReadCanonicalizedData LogSPFDNS";
const OPENDMARC_REMOVED: &str =
    "ForensicReports ForensicReportsBcc ForensicReportsOnNone ForensicReportsSentBy TemporaryDirectory";

fn count(list: &str) -> usize {
    list.split_ascii_whitespace().count()
}

fn of_kind(list: &str, kind: Kind) -> impl Iterator<Item = (&str, Kind)> {
    list.split_ascii_whitespace().map(move |name| (name, kind))
}

fn is_removed(option: &OldOption) -> bool {
    matches!(option.fate, Fate::Removed { .. } | Fate::Renamed(_))
}

/// The table has exactly these names, each once and with this type.
fn compare(schema: &'static Schema, typed: &BTreeMap<&str, Kind>, later: &str, removed: &str) {
    for (name, kind) in typed {
        let option = schema.find(name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(option.kind, *kind, "{name}");
        assert!(!is_removed(option), "{name}");
    }
    for name in later.split_ascii_whitespace() {
        assert!(!is_removed(schema.find(name).unwrap_or_else(|| panic!("{name} is missing"))), "{name}");
    }
    for name in removed.split_ascii_whitespace() {
        assert!(is_removed(schema.find(name).unwrap_or_else(|| panic!("{name} is missing"))), "{name}");
    }
    assert_eq!(schema.options().count(), [typed.len(), count(later), count(removed)].iter().sum::<usize>());
    let once: BTreeSet<String> = schema.options().map(|option| option.name.to_ascii_lowercase()).collect();
    assert_eq!(once.len(), schema.options().count());
}

#[test]
fn appendix_a_every_name_of_opendkim_is_known_with_its_type() {
    let mut typed: BTreeMap<&str, Kind> = of_kind(OPENDKIM_BOOLEAN, Kind::Boolean)
        .chain(of_kind(OPENDKIM_INTEGER, Kind::Integer))
        .chain(of_kind(OPENDKIM_TEXT, Kind::Text))
        .collect();
    typed.insert("Include", Kind::Include);
    assert_eq!(typed.len(), 160);
    compare(&OPENDKIM, &typed, OPENDKIM_LATER, OPENDKIM_REMOVED);
}

#[test]
fn appendix_a_every_name_of_opendmarc_is_known_with_its_type() {
    let typed: BTreeMap<&str, Kind> = of_kind(OPENDMARC_BOOLEAN, Kind::Boolean)
        .chain(of_kind(OPENDMARC_INTEGER, Kind::Integer))
        .chain(of_kind(OPENDMARC_TEXT, Kind::Text))
        .collect();
    assert_eq!(typed.len(), 45);
    compare(&OPENDMARC, &typed, OPENDMARC_LATER, OPENDMARC_REMOVED);
}

#[test]
fn aliases_and_former_names_lead_to_an_option() {
    for schema in [&OPENDKIM, &OPENDMARC] {
        for option in schema.options() {
            if let Fate::Alias(name) | Fate::Renamed(name) = option.fate {
                let meant = schema.find(name).unwrap();
                assert_eq!((meant.name, meant.kind), (name, option.kind));
                assert!(!matches!(meant.fate, Fate::Alias(_) | Fate::Renamed(_) | Fate::Removed { .. }));
            }
        }
    }
}

#[test]
fn s1_1_a_value_of_the_wrong_type_is_an_error_for_every_option() {
    for (schema, is_dkim) in [(&OPENDKIM, true), (&OPENDMARC, false)] {
        let mut checked = 0;
        for option in schema.options().filter(|option| !matches!(option.fate, Fate::Removed { .. })) {
            let values: &[&str] = match option.kind {
                Kind::Boolean => &["maybe", "2", "on"],
                Kind::Integer => &["many", "12x", "1.5"],
                Kind::Text | Kind::Include => continue,
            };
            for value in values {
                let text = format!("{} {value}\n", option.name);
                let found = if is_dkim { dkim(&text).unwrap_err() } else { dmarc(&text).unwrap_err() };
                let finding = only(&found);
                assert_eq!((finding.code, finding.key.as_deref()), (CONFIG_TYPE, Some(option.name)), "{text}");
                checked += 1;
            }
        }
        assert!(checked > 60, "{checked}");
    }
}

#[test]
fn s1_2_names_that_upstream_removed_are_warnings_that_say_what_replaces_them() {
    for name in OPENDKIM_REMOVED.split_ascii_whitespace() {
        // Whatever stands behind them, and also nothing.
        for text in [format!("{name} yes"), format!("{name} /etc/x"), name.to_owned()] {
            let (read, found) = dkim(&text).unwrap();
            let finding = only(&found);
            assert_eq!((finding.code, finding.severity), (OLD_REMOVED, Severity::Warning), "{text}");
            assert_eq!(OpenDkim { lines: Vec::new(), ..read }, OpenDkim::default());
        }
    }
    let adsp = only(&dkim("ADSPAction discard").unwrap().1);
    assert!(adsp.fix.contains("DMARC"), "{adsp}");
}

#[test]
fn s3_1_former_names_of_opendmarc_are_taken_for_those_of_today() {
    for (name, expected) in [
        ("ForensicReports yes", &[OLD_REMOVED, OLD_DIFFERS][..]),
        ("ForensicReportsOnNone yes", &[OLD_REMOVED]),
        ("ForensicReportsBcc a@b", &[OLD_REMOVED, OLD_NOT_CARRIED]),
        ("ForensicReportsSentBy a@b", &[OLD_REMOVED, OLD_NOT_CARRIED]),
    ] {
        let (read, found) = dmarc(name).unwrap();
        let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, expected, "{found}");
        assert_ne!(read.failure_reports, OpenDmarc::default().failure_reports);
    }
    assert_eq!(only(&dmarc("TemporaryDirectory /tmp").unwrap().1).code, OLD_REMOVED);
}

#[test]
fn what_is_not_carried_says_what_happens_instead() {
    for (schema, is_dkim) in [(&OPENDKIM, true), (&OPENDMARC, false)] {
        for option in schema.options() {
            let (code, words) = match option.fate {
                Fate::NotCarried { instead, .. } => (OLD_NOT_CARRIED, instead),
                Fate::Differs { how, .. } => (OLD_DIFFERS, how),
                _ => continue,
            };
            let value = match option.kind {
                Kind::Boolean => "yes",
                Kind::Integer => "1",
                Kind::Text | Kind::Include => "x",
            };
            let text = format!("{} {value}", option.name);
            let found = if is_dkim { dkim(&text).unwrap().1 } else { dmarc(&text).unwrap().1 };
            let finding = only(&found);
            assert_eq!((finding.code, finding.line), (code, Some(1)), "{text}");
            assert!(finding.cause.ends_with(words), "{text}: {finding}");
            assert!(!finding.fix.is_empty());
        }
    }
}

/// What is asked to be off, and is, needs no word.
#[test]
fn a_boolean_that_is_not_carried_and_off_is_as_the_file_has_it() {
    for text in ["Quarantine no", "VBR-PurgeFields false", "FixCRLF 0", "KeepAuthResults no", "EnableCoredumps no"] {
        assert!(dkim(text).unwrap().1.is_empty(), "{text}");
    }
    assert!(dmarc("FailureReports false\nEnableCoredumps no").unwrap().1.is_empty());
}

/// A value for each option that is carried, other than its default.
const DKIM_SAMPLES: &[(&str, &str)] = &[
    ("Socket", "inet:8891@localhost"),
    ("UMask", "007"),
    ("AutoRestartRate", "10/1h"),
    ("Background", "no"),
    ("Mode", "v"),
    ("Selector", "s2026"),
    ("SenderHeaders", "Sender,From"),
    ("Canonicalization", "relaxed"),
    ("SignatureAlgorithm", "ed25519-sha256"),
    ("RequireSafeKeys", "no"),
    ("MinimumKeyBits", "2048"),
    ("Nameservers", "127.0.0.1"),
    ("SyslogFacility", "local0"),
    ("Minimum", "100%"),
    ("On-Default", "reject"),
    ("On-BadSignature", "reject"),
    ("On-NoSignature", "reject"),
    ("On-KeyNotFound", "reject"),
    ("On-DNSError", "reject"),
    ("On-InternalError", "reject"),
    ("On-Security", "reject"),
    ("On-SignatureError", "accept"),
];

const DMARC_SAMPLES: &[(&str, &str)] = &[
    ("Socket", "inet:8893@localhost"),
    ("UMask", "007"),
    ("AutoRestartRate", "10/1h"),
    ("Background", "no"),
    ("SyslogFacility", "local0"),
    ("RejectString", "no %s"),
];

/// A line that sets `option` to something other than its default.
fn sample(option: &OldOption, samples: &[(&str, &str)]) -> String {
    let chosen = samples.iter().find(|(name, _)| *name == option.name).map(|(_, value)| *value);
    let value = chosen.unwrap_or(match option.kind {
        Kind::Boolean => "yes",
        Kind::Integer | Kind::Text | Kind::Include => "7",
    });
    format!("{} {value}\n", option.name)
}

/// Nothing is read and forgotten: every option that is carried is in the typed values, or a finding says why nothing changed.
#[test]
fn every_option_of_opendkim_that_is_carried_changes_what_is_read() {
    // What the program does by itself; `no` is reported.
    let always = ["CheckSigningTable", "QueryCache", "SoftStart"];
    let files = Files::default().with("7", "LogWhy yes\n");
    for option in OPENDKIM.options() {
        if !matches!(option.fate, Fate::Carried | Fate::Mostly(_) | Fate::Alias(_)) {
            continue;
        }
        // One that signs has to have all of these; one that verifies may have each alone.
        let context = if option.name == "SigningTable" { "KeyTable x\n" } else { "" };
        let base = format!("Mode v\n{context}");
        let text =
            if option.name == "Mode" { "Mode s\n".to_owned() } else { base.clone() + &sample(option, DKIM_SAMPLES) };
        let (read, found) = dkim_with(&text, &files).unwrap_or_else(|found| panic!("{text}\n{found}"));
        let (without, _) = dkim_with(&base, &files).unwrap();
        let read = OpenDkim { lines: without.lines.clone(), ..read };
        if always.contains(&option.name) {
            let (_, found) = dkim(&format!("Mode v\n{} no", option.name)).unwrap();
            assert_eq!(found.len(), 1, "{text}");
        } else {
            assert_ne!(read, without, "{text}\n{found}");
        }
    }
}

#[test]
fn every_option_of_opendmarc_that_is_carried_changes_what_is_read() {
    let always = ["SPFIgnoreResults", "SPFSelfValidate"];
    for option in OPENDMARC.options() {
        if !matches!(option.fate, Fate::Carried | Fate::Mostly(_) | Fate::Alias(_)) {
            continue;
        }
        let text = sample(option, DMARC_SAMPLES);
        let (read, found) = dmarc(&text).unwrap_or_else(|found| panic!("{text}\n{found}"));
        if always.contains(&option.name) {
            assert_eq!(dmarc(&format!("{} no", option.name)).unwrap().1.len(), 1, "{text}");
        } else {
            assert_ne!(OpenDmarc { lines: Vec::new(), ..read }, OpenDmarc::default(), "{text}\n{found}");
        }
    }
}
