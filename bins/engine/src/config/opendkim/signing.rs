//! Options about how signatures are made.

use std::path::PathBuf;
use std::time::Duration;

use dkim_core::canon::Canon;

use super::super::diagnostics::CONFIG_UNUSED;
use super::super::draft::Sourced;
use super::super::old_file::{Fate, FileReader, HeaderSet, OLD_VALUE, OldOption, Settings};
use super::super::section::shorten;
use super::lists::names;

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::text("Canonicalization", Fate::Carried),
    OldOption::text(
        "SignatureAlgorithm",
        Fate::Mostly("a key signs with the algorithm of its type, and `rsa-sha1` becomes `rsa-sha256` (RFC 8301)"),
    ),
    OldOption::text("SignHeaders", Fate::Carried),
    OldOption::text("OmitHeaders", Fate::Mostly("`From` is signed even if it stands there")),
    OldOption::text("OversignHeaders", Fate::Carried),
    OldOption::number("MaximumSignedBytes", Fate::Mostly("that anything can be added to such mail is reported")),
    OldOption::text("BodyLengthDB", Fate::Mostly("that anything can be added to such mail is reported")),
    OldOption::number("SignatureTTL", Fate::Carried),
    OldOption::flag("RequestReports", Fate::Carried),
    OldOption::flag("RemoveOldSignatures", Fate::Carried),
    OldOption::text(
        "ReplaceRules",
        Fate::Mostly(
            "each rule goes over a field once, and over all that it matches; mail that is verified is looked at as it came",
        ),
    ),
    OldOption::text("ReplaceHeaders", Fate::Carried),
    OldOption::flag(
        "FixCRLF",
        Fate::NotCarried {
            instead: "a message of ours with a bare CR or LF is not signed: the next host may read other lines than we do",
            mend: "let the MTA mend line ends before the filter sees them (Postfix: `smtpd_forbid_bare_newline = normalize`)",
        },
    ),
    OldOption::flag(
        "Diagnostics",
        Fate::NotCarried {
            instead: "signatures carry no copies of header fields (`z=`)",
            mend: "remove it; `postseal verify` tells what was changed without them",
        },
    ),
    OldOption::text("ATPSDomains", ATPS),
    OldOption::text("ATPSHashAlgorithm", ATPS),
    OldOption::text(
        "SelectCanonicalizationHeader",
        Fate::NotCarried {
            instead: "every message is signed as `Canonicalization` says",
            mend: "set `Canonicalization`",
        },
    ),
    OldOption::text("IdentityHeader", IDENTITY),
    OldOption::flag("IdentityHeaderRemove", IDENTITY),
    OldOption::text("VBR-Certifiers", VBR),
    OldOption::text("VBR-Type", VBR),
    OldOption::text("VBR-TrustedCertifiers", VBR),
    OldOption::flag("VBR-TrustedCertifiersOnly", VBR),
    OldOption::flag("VBR-PurgeFields", VBR),
];

const ATPS: Fate = Fate::NotCarried {
    instead: "no other domain is authorized by a tag (RFC 6541, which found no use)",
    mend: "sign with a key of the author's domain: give it a selector of its own",
};
const IDENTITY: Fate = Fate::NotCarried {
    instead: "the identity (`i=`) comes from `SigningTable` alone",
    mend: "write the signer behind the key in `SigningTable`: `pattern key:signer`",
};
const VBR: Fate = Fate::NotCarried {
    instead: "nothing vouches by reference (RFC 5518): no such field is written, read or removed",
    mend: "remove it; no certifier is left",
};

/// The fields that are signed unless `SignHeaders` says otherwise: what RFC 6376 §5.4.1 recommends, as OpenDKIM has it.
pub const DEFAULT_SIGN_HEADERS: &[&str] = &[
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "cc",
    "resent-date",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "in-reply-to",
    "references",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-subscribe",
    "list-post",
    "list-owner",
    "list-archive",
];

/// The fields that are never signed unless `OmitHeaders` says otherwise. The manual page names more than the code has.
pub const DEFAULT_OMIT_HEADERS: &[&str] = &["return-path", "received", "comments", "keywords"];

/// `SignatureAlgorithm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SignatureAlgorithm {
    /// `rsa-sha256`.
    #[default]
    RsaSha256,
    /// `ed25519-sha256`.
    Ed25519Sha256,
}

/// How signatures are made. Texts with a place name data sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// `Canonicalization` of header and body; `simple/simple`, and `relaxed` alone is `relaxed/simple`.
    pub canonicalization: (Canon, Canon),
    /// `SignatureAlgorithm`, where it is written; the type of the key decides what is done.
    pub algorithm: Option<Sourced<SignatureAlgorithm>>,
    /// `SignHeaders`, with `*,+X,-Y` worked in; `From` is always signed.
    pub sign_headers: HeaderSet,
    /// `OmitHeaders`, with `*,+X,-Y` worked in: not signed even if they are in `sign_headers`.
    pub omit_headers: HeaderSet,
    /// `OversignHeaders`: each is put once more at the end of `h=`, in this order and spelling.
    pub oversign_headers: Vec<String>,
    /// `MaximumSignedBytes`: octets of the body that are signed at most.
    pub maximum_signed_bytes: Option<Sourced<u32>>,
    /// `BodyLengthDB`: a data set of recipients for whom signatures have an `l=`.
    pub body_length_db: Option<Sourced<String>>,
    /// `SignatureTTL`: signatures end so long after they are made.
    pub signature_ttl: Option<Duration>,
    /// `RequestReports`: `r=y`.
    pub request_reports: bool,
    /// `RemoveOldSignatures`: of mail that is signed.
    pub remove_old_signatures: bool,
    /// `ReplaceRules`: a file of rules that the copies of fields go through before they are hashed.
    pub replace_rules: Option<Sourced<PathBuf>>,
    /// `ReplaceHeaders`: the fields that these rules are for; absent, all.
    pub replace_headers: Option<HeaderSet>,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            canonicalization: (Canon::Simple, Canon::Simple),
            algorithm: None,
            sign_headers: HeaderSet::new(DEFAULT_SIGN_HEADERS.iter().copied()),
            omit_headers: HeaderSet::new(DEFAULT_OMIT_HEADERS.iter().copied()),
            oversign_headers: Vec::new(),
            maximum_signed_bytes: None,
            body_length_db: None,
            signature_ttl: None,
            request_reports: false,
            remove_old_signatures: false,
            replace_rules: None,
            replace_headers: None,
        }
    }
}

impl Signing {
    pub(super) fn read(settings: &mut Settings<'_>, files: FileReader<'_>) -> Self {
        let default = Self::default();
        let ttl = settings.seconds("SignatureTTL").map(|ttl| ttl.value);
        Self {
            canonicalization: settings
                .parsed("Canonicalization", canonicalization)
                .map_or(default.canonicalization, |both| both.value),
            algorithm: read_algorithm(settings),
            sign_headers: header_set(settings, "SignHeaders", DEFAULT_SIGN_HEADERS, files),
            omit_headers: omitted(settings, files),
            oversign_headers: names(settings, "OversignHeaders", files).map_or_else(Vec::new, |list| list.value),
            maximum_signed_bytes: settings.number("MaximumSignedBytes"),
            body_length_db: settings.text("BodyLengthDB"),
            signature_ttl: ttl.filter(|ttl| !ttl.is_zero()),
            request_reports: settings.flag_or("RequestReports", false),
            remove_old_signatures: settings.flag_or("RemoveOldSignatures", false),
            replace_rules: settings.path("ReplaceRules"),
            replace_headers: names(settings, "ReplaceHeaders", files).map(|list| HeaderSet { names: list.value }),
        }
    }
}

/// `HEADER` or `HEADER/BODY`. RFC 6376 §3.5: "If only one algorithm is named, that algorithm is used for the header and "simple" is used for
/// the body."
fn canonicalization(text: &str) -> Result<(Canon, Canon), (String, &'static str)> {
    let one = |name: &str| {
        Canon::from_name(name.as_bytes()).ok_or_else(|| {
            let cause = format!("unknown canonicalization algorithm \"{}\"", shorten(name));
            (cause, "write `relaxed/relaxed`, `relaxed/simple`, `simple/relaxed` or `simple/simple`")
        })
    };
    match text.split_once('/') {
        Some((header, body)) => Ok((one(header)?, one(body)?)),
        None => Ok((one(text)?, Canon::Simple)),
    }
}

fn read_algorithm(settings: &mut Settings<'_>) -> Option<Sourced<SignatureAlgorithm>> {
    let Sourced { value: (value, is_sha1), at } = settings.parsed("SignatureAlgorithm", algorithm)?;
    if is_sha1 {
        let cause = "`rsa-sha1` signs for nobody: verifiers must not take it (RFC 8301 §3.1); `rsa-sha256` is used";
        settings.report(&at, OLD_VALUE, cause, "write `rsa-sha256`, or remove the line");
    }
    Some(Sourced { value, at })
}

/// The algorithm, and whether it stands in for SHA-1.
fn algorithm(text: &str) -> Result<(SignatureAlgorithm, bool), (String, &'static str)> {
    match text.to_ascii_lowercase().as_str() {
        "rsa-sha256" => Ok((SignatureAlgorithm::RsaSha256, false)),
        "rsa-sha1" => Ok((SignatureAlgorithm::RsaSha256, true)),
        "ed25519-sha256" => Ok((SignatureAlgorithm::Ed25519Sha256, false)),
        _ => {
            let cause = format!("unknown signing algorithm \"{}\"", shorten(text));
            Err((cause, "write `rsa-sha256` or `ed25519-sha256`"))
        }
    }
}

/// `OmitHeaders` without what has to be signed.
fn omitted(settings: &mut Settings<'_>, files: FileReader<'_>) -> HeaderSet {
    let mut set = header_set(settings, "OmitHeaders", DEFAULT_OMIT_HEADERS, files);
    // `.` omits nothing: no field has this name.
    set.names.retain(|name| name != ".");
    let before = set.names.len();
    set.names.retain(|name| !name.eq_ignore_ascii_case("From"));
    if set.names.len() < before
        && let Some(list) = settings.text("OmitHeaders")
    {
        // RFC 6376 §5.4: "The From header field MUST be signed".
        let cause = "no effect on `From`, which is always signed";
        settings.report(&list.at, CONFIG_UNUSED, cause, "take `From` out of the list");
    }
    set
}

/// A list of fields; with an item `*` it says what is added to the default and what is taken away.
fn header_set(settings: &mut Settings<'_>, name: &'static str, default: &[&str], files: FileReader<'_>) -> HeaderSet {
    let Some(Sourced { value: list, at }) = names(settings, name, files) else {
        return HeaderSet::new(default.iter().copied());
    };
    let is_delta = list.iter().any(|item| item == "*");
    let odd = |item: &&String| item.starts_with(['+', '-']) != is_delta && *item != "*";
    if let Some(item) = list.iter().find(odd) {
        let (cause, fix) = if is_delta {
            (
                "`*` makes the list a change to the default, and this item has neither `+` nor `-`",
                "write `+` in front of it",
            )
        } else {
            ("without an item `*` this is the name of a field that begins so", "write `*` as the first item")
        };
        settings.report(&at, OLD_VALUE, format!("`{}` has no effect: {cause}", shorten(item)), fix);
    }
    if !is_delta {
        return HeaderSet { names: list };
    }
    let change = |sign: char| list.iter().filter_map(move |item| item.strip_prefix(sign));
    let kept = default.iter().copied().filter(|name| !change('-').any(|gone| gone.eq_ignore_ascii_case(name)));
    HeaderSet::new(kept.chain(change('+')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_2_one_canonicalization_is_that_of_the_header() {
        use Canon::{Relaxed, Simple};
        for (text, expected) in [
            ("relaxed", (Relaxed, Simple)),
            ("simple", (Simple, Simple)),
            ("relaxed/relaxed", (Relaxed, Relaxed)),
            ("Simple/RELAXED", (Simple, Relaxed)),
        ] {
            assert_eq!(canonicalization(text), Ok(expected), "{text}");
        }
        for text in ["nowsp", "relaxed/", "/simple", "relaxed/simple/x", "relaxed simple"] {
            assert!(canonicalization(text).is_err(), "{text}");
        }
    }

    #[test]
    fn s1_2_algorithms_are_known_by_name() {
        assert_eq!(algorithm("RSA-SHA256"), Ok((SignatureAlgorithm::RsaSha256, false)));
        assert_eq!(algorithm("rsa-sha1"), Ok((SignatureAlgorithm::RsaSha256, true)));
        assert_eq!(algorithm("ed25519-sha256"), Ok((SignatureAlgorithm::Ed25519Sha256, false)));
        assert!(algorithm("rsa-sha512").is_err());
    }
}
