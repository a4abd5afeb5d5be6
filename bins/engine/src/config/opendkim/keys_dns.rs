//! Options about key files and the DNS.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::super::draft::Sourced;
use super::super::old_file::{Fate, OLD_VALUE, OldOption, Settings, words};
use super::super::section::shorten;

/// The names.
pub(super) const NAMES: &[OldOption] = &[
    OldOption::flag("RequireSafeKeys", Fate::Carried),
    OldOption::number(
        "MinimumKeyBits",
        Fate::Mostly("below 1024, 0 included, 1024 holds: shorter keys verify nothing (RFC 8301)"),
    ),
    OldOption::text("Nameservers", Fate::Carried),
    OldOption::number("DNSTimeout", Fate::Mostly("0, which waits for ever, becomes 5 seconds")),
    OldOption::text("TestPublicKeys", Fate::Carried),
    OldOption::text("TestDNSData", Fate::Mostly("a pattern in place of a name is an error")),
    OldOption::flag("QueryCache", Fate::Mostly("keys are kept for as long as the DNS says, with `no` as well")),
    OldOption::flag(
        "DNSConnect",
        Fate::NotCarried {
            instead: "questions go out over UDP, and over TCP when an answer does not fit",
            mend: "remove it",
        },
    ),
    OldOption::text("ResolverConfiguration", Fate::NotCarried { instead: RESOLVER, mend: RESOLVER_MEND }),
    OldOption::flag("ResolverTracing", Fate::NotCarried { instead: "the resolver is not traced", mend: "remove it" }),
    OldOption::text(
        "TrustAnchorFile",
        Fate::NotCarried {
            instead: "DNSSEC is left to the name server that is asked, so results do not say `secure` or `unprotected`",
            mend: "let a validating name server on this host answer: `Nameservers 127.0.0.1`",
        },
    ),
    OldOption::text("BogusKey", Fate::NotCarried { instead: DNSSEC, mend: DNSSEC_MEND }),
    OldOption::text("UnprotectedKey", Fate::NotCarried { instead: DNSSEC, mend: DNSSEC_MEND }),
    OldOption::flag(
        "DomainKeysCompat",
        Fate::NotCarried {
            instead: "key records of DomainKeys (RFC 4870) are read as those of DKIM, which most of them are",
            mend: "remove it",
        },
    ),
    OldOption::flag(
        "AllowSHA1Only",
        Fate::NotCarried { instead: "SHA-256 is always there, and SHA-1 never counts (RFC 8301)", mend: "remove it" },
    ),
    OldOption::flag(
        "WeakSyntaxChecks",
        Fate::NotCarried {
            instead: "a message whose author cannot be read is neither signed nor let through unmarked",
            mend: "remove it",
        },
    ),
];

const RESOLVER: &str = "the file of another resolver is not read";
const RESOLVER_MEND: &str = "name the servers to be asked in `Nameservers`, or in /etc/resolv.conf";
const DNSSEC: &str = "DNSSEC is left to the name server that is asked: what it finds bogus it does not answer, which is a temporary error";
const DNSSEC_MEND: &str = "let a validating name server on this host answer: `Nameservers 127.0.0.1`";

/// `MinimumKeyBits` when it is not written, and the least that verifiers may take (RFC 8301 §3.2).
pub const DEFAULT_MINIMUM_KEY_BITS: u32 = 1024;

/// `DNSTimeout` when it is not written.
const DEFAULT_DNS_TIMEOUT: Duration = Duration::from_secs(5);

/// Key files and the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// `RequireSafeKeys`: key files that others can read are refused; else told.
    pub require_safe_keys: bool,
    /// `MinimumKeyBits` of RSA keys that verify.
    pub minimum_key_bits: u32,
    /// `Nameservers`: those that are asked; empty, those of `/etc/resolv.conf`.
    pub nameservers: Vec<SocketAddr>,
    /// `DNSTimeout`.
    pub dns_timeout: Duration,
    /// `TestPublicKeys`: a file of keys in place of the DNS, `name<white space>record` a line.
    pub test_public_keys: Option<Sourced<PathBuf>>,
    /// `TestDNSData`: a data set of TXT records in place of the DNS.
    pub test_dns_data: Option<Sourced<String>>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            require_safe_keys: true,
            minimum_key_bits: DEFAULT_MINIMUM_KEY_BITS,
            nameservers: Vec::new(),
            dns_timeout: DEFAULT_DNS_TIMEOUT,
            test_public_keys: None,
            test_dns_data: None,
        }
    }
}

impl Keys {
    pub(super) fn read(settings: &mut Settings<'_>) -> Self {
        if let Some(cache) = settings.flag("QueryCache").filter(|cache| !cache.value) {
            let cause = "keys are kept in memory all the same, for as long as the DNS says";
            settings.report(&cache.at, OLD_VALUE, cause, "remove the line");
        }
        Self {
            require_safe_keys: settings.flag_or("RequireSafeKeys", true),
            minimum_key_bits: read_key_bits(settings),
            nameservers: settings.parsed("Nameservers", nameservers).map_or_else(Vec::new, |list| list.value),
            dns_timeout: read_dns_timeout(settings),
            test_public_keys: settings.path("TestPublicKeys"),
            test_dns_data: settings.text("TestDNSData"),
        }
    }
}

fn read_key_bits(settings: &mut Settings<'_>) -> u32 {
    let Some(bits) = settings.number("MinimumKeyBits") else { return DEFAULT_MINIMUM_KEY_BITS };
    if bits.value < DEFAULT_MINIMUM_KEY_BITS {
        let cause = if bits.value == 0 {
            "0 does not let all keys through, as the manual page says: it stands for 1024".to_owned()
        } else {
            format!("{} lets keys through that can be broken; 1024 is used (RFC 8301 §3.2)", bits.value)
        };
        settings.report(&bits.at, OLD_VALUE, cause, "write `1024` or more, or remove the line");
    }
    bits.value.max(DEFAULT_MINIMUM_KEY_BITS)
}

/// `DNSTimeout`, of which 0 waits for ever.
pub(in crate::config) fn read_dns_timeout(settings: &mut Settings<'_>) -> Duration {
    let Some(timeout) = settings.seconds("DNSTimeout") else { return DEFAULT_DNS_TIMEOUT };
    if timeout.value.is_zero() {
        let cause = "0 would hold up mail for as long as a name server is silent; 5 seconds are used";
        settings.report(&timeout.at, OLD_VALUE, cause, "write how many seconds to wait for an answer");
        return DEFAULT_DNS_TIMEOUT;
    }
    timeout.value
}

/// Addresses, each alone, as `ADDRESS:PORT` or, as libunbound has it, `ADDRESS@PORT`.
fn nameservers(text: &str) -> Result<Vec<SocketAddr>, (String, &'static str)> {
    words(text)
        .map(|word| {
            let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
            let (address, port) = bare.split_once('@').unwrap_or((bare, "53"));
            let address = address.parse::<IpAddr>().ok().zip(port.parse().ok());
            let server = address.map(|(address, port)| SocketAddr::new(address, port));
            server.or_else(|| word.parse().ok()).filter(|server| server.port() > 0).ok_or_else(|| {
                let cause = format!("`{}` is not the address of a name server", shorten(word));
                (cause, "write addresses with commas between them, like `127.0.0.1, 2001:db8::53`")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_2_name_servers_are_addresses() {
        let read = |text: &str| nameservers(text).map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read("127.0.0.1, ::1").unwrap(), ["127.0.0.1:53", "[::1]:53"]);
        assert_eq!(
            read("127.0.0.1@5353,[::1]:54,[2001:db8::1]").unwrap(),
            ["127.0.0.1:5353", "[::1]:54", "[2001:db8::1]:53"]
        );
        for text in ["localhost", "127.0.0.1@", "127.0.0.1:0", "1.2.3"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
