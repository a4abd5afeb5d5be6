//! What can be wrong, each with its code, its words and its mend.

use std::fmt;

use crate::record::MAX_REPORT_URIS;
use crate::uri::UriError;

/// How much a [`Problem`] matters; the order is that of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "callers should handle each")]
pub enum Severity {
    /// Receivers do not do what the record is there for.
    Failure,
    /// They do, and something should be changed.
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
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One kind of finding. `tag` is the name of a tag without "=".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "`what` and `fix` say it in full sentences, and the fields are the words in them")]
pub enum Problem {
    // The text as a whole.
    OtherText,
    TooLong,
    VersionMissing,
    VersionNotFirst,
    VersionCase,
    VersionOther,
    VersionSeparator,
    LeadingWhiteSpace,
    // What does not belong into it.
    CurlyQuotes,
    Quotes,
    Backslash,
    LineBreak,
    Invisible,
    ZoneFileLine,
    // Tags.
    EmptyTag,
    NoEquals,
    ColonForEquals { tag: &'static str },
    UriBehindSemicolon,
    TagName,
    UnknownTag,
    TagTypo { tag: &'static str },
    RepeatedTag { tag: &'static str },
    MissingSemicolon { tag: &'static str },
    BadPolicy { tag: &'static str, has_reports: bool },
    BadValue { tag: &'static str },
    MissingPolicy { has_reports: bool },
    PolicyNotSecond,
    Percent,
    PercentZero,
    Historic { tag: &'static str },
    FailureOptionsWithoutRuf,
    MoreWarnings,
    // Report URIs.
    NoUri { tag: &'static str },
    BadUri { tag: &'static str, error: UriError },
    UriComma { tag: &'static str },
    UriSlashes { tag: &'static str },
    UnusualScheme { tag: &'static str },
    ObsoleteSize { tag: &'static str },
    TooManyUris { tag: &'static str },
    // What it means.
    NoReports { is_monitoring: bool },
    FailureReports,
    Monitoring,
    Testing,
    SubdomainsMilder,
    NonExistentMilder,
    NonExistentSame,
    WithoutEffectBelow { tag: &'static str },
    PublicSuffix,
    OwnOrganization,
}

impl Problem {
    /// The stable code, for searching and for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherText => "dmarc-other-text",
            Self::TooLong => "dmarc-too-long",
            Self::VersionMissing => "dmarc-version-missing",
            Self::VersionNotFirst => "dmarc-version-not-first",
            Self::VersionCase => "dmarc-version-case",
            Self::VersionOther => "dmarc-version-other",
            Self::VersionSeparator => "dmarc-version-separator",
            Self::LeadingWhiteSpace => "dmarc-leading-space",
            Self::CurlyQuotes => "dmarc-curly-quotes",
            Self::Quotes => "dmarc-quotes",
            Self::Backslash => "dmarc-backslash",
            Self::LineBreak => "dmarc-line-breaks",
            Self::Invisible => "dmarc-foreign-characters",
            Self::ZoneFileLine => "dmarc-zone-file-line",
            Self::EmptyTag => "dmarc-empty-tag",
            Self::NoEquals => "dmarc-no-equals",
            Self::ColonForEquals { .. } => "dmarc-colon",
            Self::UriBehindSemicolon => "dmarc-uri-semicolon",
            Self::TagName => "dmarc-tag-name",
            Self::UnknownTag => "dmarc-unknown-tag",
            Self::TagTypo { .. } => "dmarc-tag-typo",
            Self::RepeatedTag { .. } => "dmarc-repeated-tag",
            Self::MissingSemicolon { .. } => "dmarc-missing-semicolon",
            Self::BadPolicy { tag: "p", .. } => "dmarc-p-invalid",
            Self::BadPolicy { tag: "sp", .. } => "dmarc-sp-invalid",
            Self::BadPolicy { .. } => "dmarc-np-invalid",
            Self::BadValue { .. } => "dmarc-bad-value",
            Self::MissingPolicy { .. } => "dmarc-p-missing",
            Self::PolicyNotSecond => "dmarc-p-not-second",
            Self::Percent | Self::PercentZero => "dmarc-pct",
            Self::Historic { .. } => "dmarc-historic-tag",
            Self::FailureOptionsWithoutRuf => "dmarc-fo-without-ruf",
            Self::MoreWarnings => "dmarc-more",
            Self::NoUri { .. } => "dmarc-no-uri",
            Self::BadUri { .. } => "dmarc-bad-uri",
            Self::UriComma { .. } => "dmarc-uri-comma",
            Self::UriSlashes { .. } => "dmarc-uri-slashes",
            Self::UnusualScheme { .. } => "dmarc-uri-scheme",
            Self::ObsoleteSize { .. } => "dmarc-uri-size",
            Self::TooManyUris { .. } => "dmarc-too-many-uris",
            Self::NoReports { .. } => "dmarc-rua-missing",
            Self::FailureReports => "dmarc-ruf",
            Self::Monitoring => "dmarc-policy-none",
            Self::Testing => "dmarc-testing",
            Self::SubdomainsMilder => "dmarc-sp-milder",
            Self::NonExistentMilder => "dmarc-np-milder",
            Self::NonExistentSame => "dmarc-np-same",
            Self::WithoutEffectBelow { tag: "np" } => "dmarc-np-without-effect",
            Self::WithoutEffectBelow { .. } => "dmarc-sp-without-effect",
            Self::PublicSuffix => "dmarc-psd-y",
            Self::OwnOrganization => "dmarc-psd-n",
        }
    }

    /// How much it matters. What does not belong into a text is a [`Failure`](Severity::Failure) here; [`Finding`](super::Finding) says whether it
    /// makes a difference in the record at hand.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::TooLong
            | Self::VersionMissing
            | Self::VersionNotFirst
            | Self::VersionCase
            | Self::VersionOther
            | Self::VersionSeparator
            | Self::CurlyQuotes
            | Self::Quotes
            | Self::Backslash
            | Self::LineBreak
            | Self::Invisible
            | Self::ZoneFileLine
            | Self::MissingSemicolon { .. }
            | Self::BadPolicy { .. }
            | Self::MissingPolicy { has_reports: false } => Severity::Failure,
            Self::OtherText
            | Self::UnknownTag
            | Self::Historic { .. }
            | Self::FailureOptionsWithoutRuf
            | Self::ObsoleteSize { .. }
            | Self::FailureReports
            | Self::Monitoring
            | Self::Testing
            | Self::SubdomainsMilder
            | Self::NonExistentMilder
            | Self::NonExistentSame
            | Self::OwnOrganization => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// Whether the corrected text is without it.
    pub(super) fn is_mended(&self) -> bool {
        !matches!(
            self,
            Self::OtherText
                | Self::TooLong
                | Self::UriComma { .. }
                | Self::UnusualScheme { .. }
                | Self::NoReports { .. }
                | Self::FailureReports
                | Self::Monitoring
                | Self::Testing
                | Self::SubdomainsMilder
                | Self::NonExistentMilder
                | Self::NonExistentSame
                | Self::PublicSuffix
                | Self::OwnOrganization
        )
    }

    /// Whether it is about characters that a panel, an editor or a zone file left.
    pub(super) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::CurlyQuotes | Self::Quotes | Self::Backslash | Self::LineBreak | Self::Invisible | Self::ZoneFileLine
        )
    }

    /// What is wrong, in one sentence without full stop.
    #[must_use]
    pub fn what(&self) -> String {
        let fixed = match self {
            Self::OtherText => "the text is no DMARC record, and none was meant",
            Self::TooLong => "the text is longer than a TXT record can be",
            Self::VersionMissing => "the record does not begin with `v=DMARC1`, so that receivers ignore it",
            Self::VersionNotFirst => "`v=DMARC1` is not the first tag, so that receivers ignore the record",
            Self::VersionCase => "`v=DMARC1` has to be in capital letters; as it is, receivers ignore the record",
            Self::VersionOther => {
                "there is no such version, so that receivers ignore the record: it has to be `v=DMARC1`"
            }
            Self::VersionSeparator => "behind `v=DMARC1` a `;` has to follow; as it is, receivers ignore the record",
            Self::LeadingWhiteSpace => "the record begins with a space, and some receivers ignore it for that",
            Self::CurlyQuotes => "the text holds typographic quotes, from a word processor or a web page",
            Self::Quotes => "the text holds quotes of its own: the panel quotes by itself",
            Self::Backslash => {
                "the text holds a literal backslash, which belongs into some zone files and not into the record"
            }
            Self::LineBreak => "the text holds line breaks",
            Self::Invisible => "the text holds characters that do not show, like no-break spaces or control characters",
            Self::ZoneFileLine => "the text is a line of a zone file, with name or type",
            Self::EmptyTag => "there is nothing between two `;`, which the grammar does not allow",
            Self::NoEquals => "this has no `=` and is no tag; receivers ignore it",
            Self::UriBehindSemicolon => "URIs of a list are separated by `,`; behind a `;` nobody reads this one",
            Self::TagName => "the name of a tag is made of letters; receivers ignore this one",
            Self::UnknownTag => "DMARC has no such tag; receivers ignore it",
            Self::PolicyNotSecond => {
                "`p=` does not follow `v=DMARC1`, which RFC 7489 wants: receivers that are not up to date may ignore the record"
            }
            Self::Percent => {
                "`pct=` is no longer part of DMARC (RFC 9989): the policy is for all mail that fails now, and only old receivers spare a part of it"
            }
            Self::PercentZero => {
                "`pct=0` is no longer part of DMARC (RFC 9989): receivers that are up to date ignore it and follow the whole policy"
            }
            Self::FailureOptionsWithoutRuf => "`fo=` is about failure reports and does nothing without a usable `ruf=`",
            Self::MoreWarnings => "there is more that is wrong, which is not listed",
            Self::NoReports { is_monitoring: true } => {
                "there is no `rua=`: the policy is `none` and nobody is sent reports, so the record does nothing"
            }
            Self::NoReports { is_monitoring: false } => {
                "there is no `rua=`: you will not hear whose mail fails, neither yours nor that of others"
            }
            Self::FailureReports => {
                "`ruf=` asks for reports about single messages: few send them, and those that come hold addresses and more of people"
            }
            Self::Monitoring => {
                "the policy is `none`: receivers report and do nothing about mail that fails, whoever sends it"
            }
            Self::Testing => {
                "`t=y` says that this is a test: receivers apply the policy one level lower, `quarantine` for `reject` and nothing for `quarantine`"
            }
            Self::SubdomainsMilder => "`sp=` is milder than `p=`: whoever wants to abuse the domain takes a subdomain",
            Self::NonExistentMilder => {
                "`np=` is milder than the policy for subdomains that exist, though nobody sends mail from one that does not"
            }
            Self::NonExistentSame => "`np=` says what goes without it",
            Self::PublicSuffix => {
                "`psd=y` says that this is a public suffix, like `co.uk`: each domain below it is an organization of its own, and nothing of it is aligned with this domain"
            }
            Self::OwnOrganization => {
                "`psd=n` makes this an organization of its own: nothing below it is aligned with domains above it"
            }
            _ => return self.what_of_tag(),
        };
        fixed.to_owned()
    }

    fn what_of_tag(&self) -> String {
        match self {
            Self::ColonForEquals { tag } => format!("`:` in place of `=` behind `{tag}`; receivers ignore this"),
            Self::TagTypo { tag } => {
                format!("DMARC has no such tag, and receivers ignore it; `{tag}=` was meant, it seems")
            }
            Self::RepeatedTag { tag } => {
                format!("`{tag}=` is there twice; receivers may take the one or the other, or ignore the record")
            }
            Self::MissingSemicolon { tag } => format!("a `;` is missing before `{tag}=`, so that neither tag counts"),
            Self::BadPolicy { tag, has_reports } => format!(
                "`{tag}=` has to be `none`, `quarantine` or `reject`; as it is, {}",
                without_policy(*has_reports)
            ),
            Self::MissingPolicy { has_reports } => format!("there is no `p=`; {}", without_policy(*has_reports)),
            Self::BadValue { tag } => {
                format!("`{tag}=` has to be {}; as it is, receivers act as without it", allowed(tag))
            }
            Self::Historic { tag } => format!("`{tag}=` is no longer part of DMARC (RFC 9989), and is ignored"),
            Self::NoUri { tag } => format!("`{tag}=` is empty: nothing is reported"),
            Self::BadUri { tag, error } => format!("{error}; `{tag}=` is read without it"),
            Self::UriComma { tag } => {
                format!(
                    "a comma separates the URIs of `{tag}=` and cannot stand in an address; receivers ignore both parts"
                )
            }
            Self::UriSlashes { tag } => {
                format!("a `mailto:` URI has no `//`; the address of `{tag}=` would begin with them")
            }
            Self::UnusualScheme { tag } => {
                format!(
                    "`{tag}=` has a URI that is no `mailto:`; receivers need not support others, and hardly any does"
                )
            }
            Self::ObsoleteSize { tag } => {
                format!(
                    "`{tag}=` limits the size of reports with a `!`, which is no longer part of DMARC and is ignored"
                )
            }
            Self::TooManyUris { tag } => {
                format!("`{tag}=` has more URIs than receivers will serve; two is what they should")
            }
            Self::WithoutEffectBelow { tag } => format!(
                "`{tag}=` does nothing here: for names below this one the record of the organizational domain counts"
            ),
            // All others have been said.
            _ => String::new(),
        }
    }

    /// What to do about it, in one sentence without full stop; empty where nothing has to be done.
    #[must_use]
    pub fn fix(&self) -> String {
        let fixed = match self {
            Self::OtherText => "publish the record beside it",
            Self::TooLong => "publish a shorter one",
            Self::VersionMissing | Self::VersionNotFirst => "let the record begin with `v=DMARC1;`",
            Self::VersionCase | Self::VersionOther | Self::VersionSeparator => "write `v=DMARC1;`",
            Self::LeadingWhiteSpace => "remove the space",
            Self::CurlyQuotes | Self::Quotes => {
                "remove the quotes: they mark the strings in a zone file and are no part of the text"
            }
            Self::Backslash => "remove the backslashes: `;` stands alone",
            Self::LineBreak | Self::Invisible => "enter the text anew, as one line",
            Self::ZoneFileLine => "enter only what stands between the quotes",
            Self::EmptyTag => "remove one `;`",
            Self::NoEquals | Self::TagName => "remove it, or write it as `tag=value`",
            Self::UriBehindSemicolon => "write `,` before it, in place of `;`",
            Self::UnknownTag => "remove it",
            Self::PolicyNotSecond => "put `p=` behind `v=DMARC1;`",
            Self::Percent => "remove `pct=`; for a policy that is not in full force yet, add `t=y`",
            Self::PercentZero => "write `t=y` in its place, which asks for one level less than the policy",
            Self::FailureOptionsWithoutRuf => "remove `fo=`",
            Self::MoreWarnings => "mend what is listed, and look again",
            Self::NoReports { .. } => {
                "add `rua=mailto:ADDRESS` with a mailbox that is read, or that of a service that does"
            }
            Self::Monitoring => {
                "when the reports show that your own mail passes, go on to `p=quarantine` and `p=reject`"
            }
            Self::Testing => "remove it when the reports show that your own mail passes",
            Self::SubdomainsMilder => {
                "remove `sp=` when the subdomains that send mail are in order, or give those records of their own"
            }
            Self::NonExistentMilder => "write `np=reject`, or remove it",
            Self::PublicSuffix => "remove it, unless you run a registry",
            Self::FailureReports | Self::NonExistentSame | Self::OwnOrganization => "",
            Self::ColonForEquals { tag } | Self::TagTypo { tag } => return format!("write `{tag}=`"),
            Self::RepeatedTag { .. } => "keep one of them",
            Self::MissingSemicolon { tag } => return format!("write `; {tag}=`"),
            Self::BadPolicy { tag: "p", .. } => "write one of the three words",
            Self::BadPolicy { .. } => "write one of the three words, or remove the tag",
            Self::MissingPolicy { .. } => {
                "write what you want behind `v=DMARC1;`: `p=none`, `p=quarantine` or `p=reject`"
            }
            Self::BadValue { .. } | Self::Historic { .. } | Self::NoUri { .. } => "remove the tag, or mend its value",
            Self::BadUri { error, .. } => mend_uri(*error),
            Self::UriComma { .. } => "take an address without comma, or write the comma as `%2C`",
            Self::UriSlashes { .. } => "write `mailto:` and the address",
            Self::UnusualScheme { .. } => "add a `mailto:` URI",
            Self::ObsoleteSize { .. } => "remove the `!` and what follows",
            Self::TooManyUris { tag } => {
                return format!(
                    "have the reports sent to one or two addresses, and on from there; the corrected record keeps the first {MAX_REPORT_URIS} URIs of `{tag}=` and leaves the others out"
                );
            }
            Self::WithoutEffectBelow { tag } => {
                return format!(
                    "remove it; what is below this name is governed by `{tag}=` in the record of the organizational domain"
                );
            }
        };
        fixed.to_owned()
    }
}

/// RFC 9989 §4.10.1: what becomes of a record without a usable policy.
fn without_policy(has_reports: bool) -> &'static str {
    if has_reports {
        "receivers act as with `p=none` alone: nothing is done about mail that fails (RFC 9989 §4.10.1)"
    } else {
        "receivers ignore the record, since there is no usable `rua=` either (RFC 9989 §4.10.1)"
    }
}

/// What a tag allows.
fn allowed(tag: &str) -> &'static str {
    match tag {
        "adkim" | "aspf" => "`r` or `s`",
        "psd" => "`y`, `n` or `u`",
        "t" => "`y` or `n`",
        "fo" => "`0` or `1`, with `d` or `s` or both, with `:` between",
        "pct" => "a number from 0 to 100",
        _ => "something else",
    }
}

fn mend_uri(error: UriError) -> &'static str {
    match error {
        UriError::Empty => "remove the comma that is too many",
        UriError::TooLong => "take a shorter one",
        UriError::Scheme => "write `mailto:` before the address",
        UriError::BadByte => "write one plain address behind `mailto:`; `!` as `%21`, and no spaces or brackets",
        UriError::Percent => "write two hexadecimal digits behind `%`, and `%` itself as `%25`",
        UriError::Address => "write one plain address behind `mailto:`, as `mailto:dmarc@example.com`",
    }
}
