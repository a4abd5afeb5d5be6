//! How each type of setting is written in TOML.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use dkim_core::canon::Canon;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::signature::Identity;
use dmarc_core::record::Policy;
use jiff::civil::Date;
use toml::de::DeValue;

use super::domains::DomainPattern;
use super::networks::Cidr;
use super::reply_template::ReplyTemplate;
use super::section::{Misfit, Setting, shorten};
use super::sender_domains::SenderPattern;
use super::suggest::did_you_mean;
use super::units::{parse_duration, parse_size};
use super::words::{
    BodyLength, Enforcement, Facility, LogFormat, LogLevel, LogSink, Mode, OnFailure, OnKeyError, OnKeyMismatch,
    OnUnknownOutcome, OrgDomains, RejectAt, ReportFormat, ReportMode, ReportTls,
};
use crate::socket_address::SocketAddress;

/// A number of octets: a text with a unit, or a bare whole number.
pub(super) struct Size(pub(super) u64);

/// Permission bits: `"0660"` or `0o660`.
pub(super) struct FileMode(pub(super) u32);

/// The name of a header field.
pub(super) struct HeaderName(pub(super) String);

/// `relaxed/simple`.
pub(super) struct Canonicalization(pub(super) Canon, pub(super) Canon);

/// A name in Authentication-Results.
pub(super) struct AuthservId(pub(super) String);

/// Any text that is not empty and fits into one line.
pub(super) struct Line(pub(super) String);

/// `5.7.1` or `5.7.26`, as subject and detail.
pub(super) struct RejectCode(pub(super) (u16, u16));

/// The address of a page.
pub(super) struct Url(pub(super) String);

fn text<'v>(value: &'v DeValue<'_>, expected: &'static str) -> Result<&'v str, Misfit> {
    value.as_str().ok_or(Misfit::Type(expected))
}

impl Setting for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        value.as_bool().ok_or(Misfit::Type("`true` or `false`"))
    }
}

impl Setting for u64 {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let number = value.as_integer().ok_or(Misfit::Type("a whole number"))?;
        Self::from_str_radix(number.as_str(), number.radix()).map_err(|_| {
            Misfit::value(format!("{} is negative or too large", shorten(number.as_str())), "write a smaller number")
        })
    }
}

impl Setting for u16 {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let number = u64::read(value)?;
        Self::try_from(number)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| Misfit::value(format!("{number} is not a port"), "write a number from 1 to 65535"))
    }
}

impl Setting for Size {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        if value.is_integer() {
            return u64::read(value).map(Self);
        }
        let text = text(value, "a size, like `\"64KiB\"`")?;
        parse_size(&shorten(text)).map(Self).map_err(|cause| Misfit::value(cause, "write it as `64KiB` or `1MiB`"))
    }
}

impl Setting for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "a time, like `\"5s\"`")?;
        parse_duration(&shorten(text))
            .map_err(|cause| Misfit::value(cause, "write it as `500ms`, `5s`, `10min`, `2h` or `14d`"))
    }
}

impl Setting for FileMode {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        const FIX: &str = "write it as `\"0660\"`";
        let bits = match value {
            DeValue::String(text) if (3..=4).contains(&text.len()) => u32::from_str_radix(text, 8).ok(),
            DeValue::Integer(number) if number.radix() == 8 => u32::from_str_radix(number.as_str(), 8).ok(),
            DeValue::Integer(_) => None,
            DeValue::String(_) => None,
            _ => return Err(Misfit::Type("permission bits, like `\"0660\"`")),
        };
        bits.filter(|bits| *bits <= 0o777).map(Self).ok_or_else(|| Misfit::value("not permission bits in octal", FIX))
    }
}

impl Setting for PathBuf {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        match text(value, "a path")? {
            "" => Err(Misfit::value("the path is empty", "write the path of a file or folder")),
            path if path.contains('\0') => Err(Misfit::value("the path holds a NUL", "remove it")),
            path => Ok(Self::from(path)),
        }
    }
}

impl Setting for Line {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "text")?;
        if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
            return Err(Misfit::value("empty, longer than 255 octets or with control characters", "write a word"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Setting for AuthservId {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "a name")?;
        // RFC 8601 §2.2: `authserv-id = value`, a token of RFC 2045 §5.1 or a quoted string; only tokens survive every reader. §2.5 adds UTF-8.
        let fits = |c: char| !c.is_control() && !c.is_whitespace() && !"()<>@,;:\\\"/[]?=".contains(c);
        if text.is_empty() || text.len() > 255 || !text.chars().all(fits) {
            let cause = format!("`{}` cannot name this host in Authentication-Results", shorten(text));
            return Err(Misfit::value(cause, "write a host name, like `mx.example.com`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Setting for RejectCode {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        match text(value, "an enhanced status code")? {
            // RFC 9989 §7.2.
            "5.7.1" => Ok(Self((7, 1))),
            // RFC 7372 §3.3.
            "5.7.26" => Ok(Self((7, 26))),
            other => {
                Err(Misfit::value(format!("`{}` is no code for this", shorten(other)), "write `5.7.26` or `5.7.1`"))
            }
        }
    }
}

impl Setting for Url {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "the address of a page")?;
        let is_web = text.starts_with("https://") || text.starts_with("http://");
        if !is_web || text.len() > 200 || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            let cause = format!("`{}` is not the address of a page, or longer than 200 octets", shorten(text));
            return Err(Misfit::value(cause, "write it as `https://mx.example.com/why`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Setting for Policy {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        const WORDS: [Policy; 3] = [Policy::None, Policy::Quarantine, Policy::Reject];
        let text = text(value, "a word")?;
        WORDS.into_iter().find(|policy| policy.as_str() == text).ok_or_else(|| {
            let meant = did_you_mean(text, WORDS.into_iter().map(Self::as_str));
            Misfit::value(format!("unknown word `{}`{meant}", shorten(text)), "write one of: none, quarantine, reject")
        })
    }
}

impl Setting for Date {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let written = match value {
            DeValue::Datetime(date) => date.to_string(),
            other => text(other, "a day, like `\"2027-01-31\"`")?.to_owned(),
        };
        // A day and nothing else: jiff would take the day of a time as well.
        let day = Some(&written).filter(|text| text.len() == "2027-01-31".len()).and_then(|text| text.parse().ok());
        day.ok_or_else(|| Misfit::value(format!("`{}` is no day", shorten(&written)), "write it as `2027-01-31`"))
    }
}

impl Setting for HeaderName {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "the name of a header field")?;
        // RFC 5322 §3.6.8: printable ASCII but for the colon; a semicolon would end the h= tag (RFC 6376 §3.2).
        let fits = |b: u8| (33..=126).contains(&b) && b != b':' && b != b';';
        if text.is_empty() || text.len() > 255 || !text.bytes().all(fits) {
            let cause = format!("`{}` is not the name of a header field", shorten(text));
            return Err(Misfit::value(cause, "write the name without its colon"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Setting for Canonicalization {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "two words, like `\"relaxed/relaxed\"`")?;
        // RFC 6376 §3.5, c=: "If only one algorithm is named, that algorithm is used for the header and "simple" is used for the body." Nobody
        // expects that of a configuration, so both are asked for.
        let parts = text.split_once('/');
        let both =
            parts.and_then(|(header, body)| Canon::from_name(header.as_bytes()).zip(Canon::from_name(body.as_bytes())));
        both.map(|(header, body)| Self(header, body)).ok_or_else(|| {
            let cause = format!("`{}` does not name two canonicalizations", shorten(text));
            Misfit::value(cause, "write `relaxed/relaxed`, `relaxed/simple`, `simple/relaxed` or `simple/simple`")
        })
    }
}

impl Setting for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "an address")?;
        let bare = |text: &str| text.parse::<IpAddr>().ok().map(|ip| Self::new(ip, 53));
        text.parse().ok().or_else(|| bare(text)).filter(|address: &Self| address.port() > 0).ok_or_else(|| {
            let cause = format!("`{}` is not the address of a name server", shorten(text));
            Misfit::value(cause, "write `192.0.2.53`, `127.0.0.1:5353`, `2001:db8::53` or `[::1]:5353`")
        })
    }
}

impl Setting for Identity {
    fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let text = text(value, "an identity")?;
        let fail = |cause: String| Misfit::value(cause, "write it as `@example.com` or `name@example.com`");
        let (local_part, domain) =
            text.rsplit_once('@').ok_or_else(|| fail(format!("`{}` has no `@`", shorten(text))))?;
        if local_part.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(fail("the part before the `@` holds white space or control characters".into()));
        }
        let domain = DomainName::parse(domain).map_err(|error| fail(format!("`{}`: {error}", shorten(domain))))?;
        Ok(Self::new(local_part, domain))
    }
}

/// A type whose own parser says what is wrong.
macro_rules! parsed {
    ($type:ty, $parse:expr, $expected:literal, $fix:literal) => {
        impl Setting for $type {
            fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
                let text = text(value, $expected)?;
                let parse: fn(&str) -> Result<Self, _> = $parse;
                parse(text).map_err(|error| Misfit::value(format!("`{}`: {error}", shorten(text)), $fix))
            }
        }
    };
}

parsed!(SocketAddress, str::parse, "a socket", "write it as `inet:127.0.0.1:8891`, `inet:[::1]:8891` or `unix:/path`");
parsed!(Cidr, str::parse, "a network", "write it as `192.0.2.0/24`, `2001:db8::/32` or a single address");
parsed!(DomainName, Self::parse, "a domain", "write it as `example.com`");
parsed!(DomainPattern, str::parse, "a domain", "write it as `example.com` or `*.example.com`");
parsed!(SenderPattern, str::parse, "a domain", "write it as `example.com`, `*.example.com` or `*`");
parsed!(ReplyTemplate, str::parse, "text", "write ASCII text with the places `{domain}`, `{code}` and `{url}`");
parsed!(Selector, Self::parse, "a selector", "write the name that stands before `._domainkey`, like `s2026`");

/// A type whose values are fixed words.
macro_rules! word {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn read(value: &DeValue<'_>) -> Result<Self, Misfit> {
                let text = text(value, "a word")?;
                Self::from_word(text).ok_or_else(|| {
                    let meant = did_you_mean(text, Self::WORDS.iter().copied());
                    Misfit::value(format!("unknown word `{}`{meant}", shorten(text)), format!("write one of: {}", Self::WORDS.join(", ")))
                })
            }
        }
    )+};
}

word!(
    Mode,
    OnFailure,
    OnKeyError,
    OnKeyMismatch,
    BodyLength,
    RejectAt,
    Enforcement,
    OrgDomains,
    LogFormat,
    LogLevel,
    LogSink,
    OnUnknownOutcome,
    ReportFormat,
    ReportMode,
    ReportTls,
    Facility
);
