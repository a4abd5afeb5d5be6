//! What can be wrong, each with its code, its words and its mend.

use dkim_core::crypto::KeyType;
use serde::Serialize;

use super::OwnKey;
use crate::dns::Trouble;

/// How much a [`Problem`] matters; the order is that of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Receivers cannot verify with the record.
    Failure,
    /// The DNS did not answer.
    Unanswered,
    /// They can, and something should be changed.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// The word for reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Unanswered => "unanswered",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One finding about the record of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "`what` and `fix` say it in full sentences, and the fields are the numbers and words in them"
)]
pub enum Problem {
    NoName,
    NoText,
    DanglingAlias { target: String },
    DomainKeys { name: String },
    ZoneTwice { name: String },
    OtherName { name: String },
    Unanswered(Trouble),
    OtherText { first: String },
    Several { count: usize, has_ours: bool },
    SplitIntoRecords { count: usize },
    CutAt255 { kept: usize, of: usize },
    StringLost { kept: usize, of: usize },
    FirstStringLost,
    Backslash,
    CurlyQuotes,
    Quotes,
    ZoneFileLine,
    LineBreaks,
    ForeignCharacters,
    Syntax { error: String },
    Version { found: String },
    VersionNotFirst,
    NoKey,
    Revoked,
    OtherType { found: String, own: KeyType },
    Base64 { stray: Option<String>, common: usize },
    Damaged { common: usize, of: usize },
    WrongKey { common: usize },
    KeyOf { selector: String, domain: String },
    WrappedEd25519,
    NoSha256 { found: String },
    NotForEmail { found: String },
    StrictIdentity,
    Testing,
    SpacesInKey,
    Alias { target: String },
}

impl Problem {
    /// What it is to find the record under another name.
    pub(super) fn wrong_name(own: &OwnKey, name: &str) -> Self {
        let name = name.to_owned();
        if name.contains("._domainkeys.") {
            Self::DomainKeys { name }
        } else if name.starts_with(&format!("{}.", own.record.name)) {
            Self::ZoneTwice { name }
        } else {
            Self::OtherName { name }
        }
    }

    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Unanswered(_) => Severity::Unanswered,
            Self::Testing => Severity::Warning,
            Self::SpacesInKey | Self::Alias { .. } => Severity::Note,
            _ => Severity::Failure,
        }
    }

    /// The stable code, for searching and for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoName => "dns-key-no-name",
            Self::NoText => "dns-key-no-text",
            Self::DanglingAlias { .. } => "dns-key-dangling-alias",
            Self::DomainKeys { .. } => "dns-key-domainkeys",
            Self::ZoneTwice { .. } => "dns-key-zone-twice",
            Self::OtherName { .. } => "dns-key-other-name",
            Self::Unanswered(trouble) => match trouble {
                Trouble::ServFail => "dns-servfail",
                Trouble::Refused => "dns-refused",
                Trouble::Code(_) => "dns-error-code",
                Trouble::Timeout => "dns-timeout",
                Trouble::Unreachable(_) => "dns-unreachable",
                Trouble::Unusable(_) => "dns-unusable",
            },
            Self::OtherText { .. } => "dns-key-other-text",
            Self::Several { .. } => "dns-key-several",
            Self::SplitIntoRecords { .. } => "dns-key-split-into-records",
            Self::CutAt255 { .. } => "dns-key-cut-at-255",
            Self::StringLost { .. } => "dns-key-string-lost",
            Self::FirstStringLost => "dns-key-first-string-lost",
            Self::Backslash => "dns-key-backslash",
            Self::CurlyQuotes => "dns-key-curly-quotes",
            Self::Quotes => "dns-key-quotes",
            Self::ZoneFileLine => "dns-key-zone-file-line",
            Self::LineBreaks => "dns-key-line-breaks",
            Self::ForeignCharacters => "dns-key-foreign-characters",
            Self::Syntax { .. } => "dns-key-syntax",
            Self::Version { .. } => "dns-key-version",
            Self::VersionNotFirst => "dns-key-version-not-first",
            Self::NoKey => "dns-key-missing",
            Self::Revoked => "dns-key-revoked",
            Self::OtherType { .. } => "dns-key-other-type",
            Self::Base64 { .. } => "dns-key-base64",
            Self::Damaged { .. } => "dns-key-damaged",
            Self::WrongKey { .. } => "dns-key-wrong",
            Self::KeyOf { .. } => "dns-key-of-other-selector",
            Self::WrappedEd25519 => "dns-key-wrapped-ed25519",
            Self::NoSha256 { .. } => "dns-key-no-sha256",
            Self::NotForEmail { .. } => "dns-key-not-for-email",
            Self::StrictIdentity => "dns-key-strict-identity",
            Self::Testing => "dns-key-testing",
            Self::SpacesInKey => "dns-key-spaces",
            Self::Alias { .. } => "dns-key-alias",
        }
    }

    /// What is wrong, in one sentence without full stop.
    #[must_use]
    pub fn what(&self, own: &OwnKey) -> String {
        let name = &own.record.name;
        match self {
            Self::NoName => format!("{name} does not exist (NXDOMAIN)"),
            Self::NoText => format!("{name} exists and has no TXT record (NODATA)"),
            Self::DanglingAlias { target } => {
                format!("{name} is a CNAME that leads to {target}, and there is no TXT record")
            }
            Self::DomainKeys { name } => {
                format!("the record is published under {name}: `_domainkeys` in place of `_domainkey`")
            }
            Self::ZoneTwice { name } => {
                format!("the record is published under {name}: the zone was added to a name that was complete")
            }
            Self::OtherName { name: found } => {
                format!("the record is published under {found}, and receivers look under {name}")
            }
            Self::Unanswered(trouble) => format!("{name} cannot be looked up now: {trouble}"),
            Self::OtherText { first } => format!("{name} has TXT records, and none is a key: `{first}`"),
            Self::Several { count, has_ours: true } => {
                format!("{name} has {count} key records; one is right, and which one a receiver takes is undefined")
            }
            Self::Several { count, has_ours: false } => format!("{name} has {count} key records, and none is right"),
            Self::SplitIntoRecords { count } => {
                format!("the text was split into {count} TXT records; it belongs into one record of several strings")
            }
            Self::CutAt255 { kept, of } => format!(
                "the text was cut after 255 octets: the panel dropped the 2nd string, {kept} of {of} octets of the key are there"
            ),
            Self::StringLost { kept, of } => {
                format!("the strings behind the first are missing: {kept} of {of} octets of the key are there")
            }
            Self::FirstStringLost => "the first string is missing: the text begins in the middle of the key".into(),
            Self::Backslash => {
                r"the text holds a literal `\;`: backslashes belong into some zone files and not into the record".into()
            }
            Self::CurlyQuotes => "the text holds typographic quotes, from a word processor or a web page".into(),
            Self::Quotes => "the text holds quotes of its own: the panel quotes by itself".into(),
            Self::ZoneFileLine => "the text is a line of a zone file, with name, type or parentheses".into(),
            Self::LineBreaks => "the text holds line breaks".into(),
            Self::ForeignCharacters => {
                "the text holds characters outside ASCII that may not show, like no-break spaces".into()
            }
            Self::Syntax { error } => format!("the text is no list of tags: {error}"),
            Self::Version { found } => format!("the version is `{found}` and has to be `DKIM1`, letter by letter"),
            Self::VersionNotFirst => "`v=DKIM1` is not the first tag".into(),
            Self::NoKey => {
                "there is no `p=` tag: the strings behind the first are missing, or the key was never entered".into()
            }
            Self::Revoked => "`p=` is empty: the key is revoked".into(),
            Self::OtherType { found, own } => {
                format!("the record is for keys of type `{found}`, and this key is {own}")
            }
            Self::Base64 { stray, common } => match stray {
                Some(stray) => {
                    format!("`p=` is no base64: it holds `{stray}`; the first {common} octets are those of this key")
                }
                None => format!(
                    "`p=` is no base64: its length or its end is wrong; the first {common} octets are those of this key"
                ),
            },
            Self::Damaged { common, of } => format!(
                "the key was damaged when it was copied: it differs from octet {} of {of} on",
                common.saturating_add(1)
            ),
            Self::WrongKey { common } => format!("this is another key; the first {common} octets are the same"),
            Self::KeyOf { selector, domain } => format!("this is the key of the selector {selector} of {domain}"),
            Self::WrappedEd25519 => {
                "the key is wrapped in SubjectPublicKeyInfo (44 octets); for Ed25519 the bare 32 octets are published"
                    .into()
            }
            Self::NoSha256 { found } => format!("`h={found}` leaves out sha256, with which we sign"),
            Self::NotForEmail { found } => format!("`s={found}` leaves out mail (`email` or `*`)"),
            Self::StrictIdentity => format!(
                "`t=s` forbids signatures with an identity (`i=`) below {}, which the configuration asks for",
                own.domain
            ),
            Self::Testing => "`t=y`: receivers are told that signatures are a test, and treat mail as unsigned".into(),
            Self::SpacesInKey => "`p=` holds white space; the standard allows it".into(),
            Self::Alias { target } => format!("{name} is a CNAME; the key is at {target}"),
        }
    }

    /// What to do about it, in one sentence without full stop; the record to publish is [`OwnKey::zone_line`].
    #[must_use]
    pub fn fix(&self, own: &OwnKey) -> String {
        let publish = || "publish this record in place of the present one".to_owned();
        match self {
            Self::NoName | Self::NoText => "publish this record; after a change wait for the time to live of the old answer".into(),
            Self::DanglingAlias { target } => format!("publish the record under {target}, or remove the CNAME and publish it here"),
            Self::DomainKeys { .. } | Self::OtherName { .. } => {
                format!("rename it to {}", own.record.name)
            }
            Self::ZoneTwice { .. } => format!(
                "enter the name without the zone, `{}._domainkey` in the zone {}, or with a final dot",
                own.selector, own.domain
            ),
            Self::Unanswered(Trouble::ServFail) => {
                "ask again later; when it stays, check the name servers of the zone and its DNSSEC signatures".into()
            }
            Self::Unanswered(Trouble::Refused) => "ask a resolver that answers this host: `[dns] nameservers`, or `--nameserver`".into(),
            Self::Unanswered(_) => "ask again later; when it stays, check the name servers that are asked and the way to them".into(),
            Self::OtherText { .. } => "publish this record beside them".into(),
            Self::Several { has_ours: true, .. } => "remove the others; the one that stays is this".into(),
            Self::Several { has_ours: false, .. } | Self::SplitIntoRecords { .. } => "remove them and publish this one record".into(),
            Self::CutAt255 { .. } | Self::StringLost { .. } | Self::FirstStringLost | Self::NoKey => {
                "enter all strings: as here, in quotes with a space between them, or as one text where the panel splits by itself".into()
            }
            Self::Backslash => r"remove the backslashes: `;` stands alone".into(),
            Self::CurlyQuotes | Self::Quotes => "remove the quotes: they mark the strings in a zone file and are no part of the text".into(),
            Self::ZoneFileLine => "enter only what stands between the quotes".into(),
            Self::LineBreaks | Self::ForeignCharacters => "enter the text anew, as one line, copied from here".into(),
            Self::Revoked => "sign with a new key (`postseal key new`); a revoked selector is not used again".into(),
            Self::NoSha256 { .. } => "remove the `h=` tag".into(),
            Self::NotForEmail { .. } => "remove the `s=` tag".into(),
            Self::StrictIdentity => "remove the `s` of `t=`, or `identity` from the configuration".into(),
            Self::Testing => "remove the `y` of `t=` when mail verifies".into(),
            Self::WrongKey { .. } | Self::KeyOf { .. } => {
                "publish this record in place of the present one, or bring back the private key that belongs to it".into()
            }
            Self::SpacesInKey | Self::Alias { .. } => "nothing".into(),
            Self::OtherType { .. }
            | Self::Syntax { .. }
            | Self::Version { .. }
            | Self::VersionNotFirst
            | Self::Base64 { .. }
            | Self::Damaged { .. }
            | Self::WrappedEd25519 => publish(),
        }
    }

    /// Whether the record has to be published, again or for the first time.
    #[must_use]
    pub fn needs_record(&self) -> bool {
        self.severity() == Severity::Failure && !matches!(self, Self::Revoked | Self::StrictIdentity)
    }
}
