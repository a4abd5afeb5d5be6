//! `IgnoreHosts`: a file of hosts, one a line.
//!
//! Names, `.domain` for all below it, addresses, `network/bits`, `network/netmask`, each with `!` in front for what is excluded; what is more specific
//! wins. It is the list of OpenDKIM ([`HostList`]) but for the netmasks, which become numbers of bits.
//!
//! *Limits*: 16 MiB.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::diagnostics::CONFIG_READ;
use crate::config::{Diagnostic, Diagnostics, Sourced};
use crate::dataset::{Dataset, HostList, Reading};
use crate::regular_file;

/// Octets of the file: many times what any list of hosts has.
const MAX_FILE: u64 = 16 << 20;

/// Reads the file. `None` where that is not possible: then `found` has an error.
pub(super) fn read(file: &Sourced<PathBuf>, found: &mut Diagnostics) -> Option<HostList> {
    let mut text = Vec::new();
    let read = regular_file::open(&file.value)
        .and_then(|opened| opened.take(MAX_FILE.saturating_add(1)).read_to_end(&mut text));
    let cause = match read {
        Ok(octets) if u64::try_from(octets).is_ok_and(|octets| octets <= MAX_FILE) => {
            let set = Dataset::of_list(&entries(&String::from_utf8_lossy(&text)), Reading::USUAL);
            return Some(HostList::new(set, &file.at, found));
        }
        Ok(_) => format!("{} is larger than {MAX_FILE} octets", file.value.display()),
        Err(error) => format!("{} cannot be read: {error}", file.value.display()),
    };
    let fix = "check the path, and who may read it";
    found.push(Diagnostic::at(&file.at, CONFIG_READ, cause, fix));
    None
}

/// The entries, with commas between them.
fn entries(text: &str) -> String {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    // No host has these, and the list would be another one with them.
    let entries = lines.filter(|line| !line.is_empty() && !line.contains([',', '=']));
    entries.map(with_bits).collect::<Vec<_>>().join(",")
}

/// `10.0.0.0/255.0.0.0` as `10.0.0.0/8`; everything else as it is.
fn with_bits(entry: &str) -> String {
    let Some((network, mask)) = entry.rsplit_once('/') else { return entry.to_owned() };
    let (ones, zeros, width) = match mask.parse() {
        Ok(IpAddr::V4(mask)) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 32),
        Ok(IpAddr::V6(mask)) => (mask.to_bits().leading_ones(), mask.to_bits().trailing_zeros(), 128),
        Err(_) => return entry.to_owned(),
    };
    // A mask with holes is no network: the list says that it matches nothing.
    if ones.saturating_add(zeros) >= width { format!("{network}/{ones}") } else { entry.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> HostList {
        let at = crate::config::diagnostics::Location::whole(std::path::Path::new("hosts"));
        HostList::new(Dataset::of_list(&entries(text), Reading::USUAL), &at, &mut Diagnostics::default())
    }

    /// The list and the members of the description (§2.4), one entry a line, and a network by its netmask.
    #[test]
    fn s3_1_hosts_networks_netmasks_and_exclusions() {
        let list = list(
            "# friends\n.example.com\n!nonpeer.example.com\n!.nonpeer.example.com\nallowed.nonpeer.example.com # but\n\
             smtp.example.net\n192.168.1.0/255.255.255.0\n!192.168.1.64\n!192.168.1.128/30\n2001:db8::/64\n\
             !2001:db8::99\n!2001:db8::fff0/126\n\n",
        );
        let is_on_it = |name: Option<&str>, address: Option<&str>| {
            list.contains_now(name, address.map(|address| address.parse().unwrap())).unwrap()
        };
        for name in ["peer.example.com", "allowed.nonpeer.example.com", "smtp.example.net"] {
            assert!(is_on_it(Some(name), None), "{name}");
        }
        for name in ["bob.example.net", "nonpeer.example.com", "xyz.nonpeer.example.com"] {
            assert!(!is_on_it(Some(name), None), "{name}");
        }
        for address in ["192.168.1.1", "192.168.1.132", "2001:db8::91", "2001:db8::fff4"] {
            assert!(is_on_it(None, Some(address)), "{address}");
        }
        for address in ["127.0.0.1", "192.168.1.64", "192.168.1.128", "192.168.1.131", "192.168.2.1", "2001:db8::fff1"]
        {
            assert!(!is_on_it(None, Some(address)), "{address}");
        }
    }

    #[test]
    fn s3_1_a_netmask_is_a_number_of_bits_if_it_is_one() {
        for (entry, expected) in [
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("!10.0.0.0/255.255.255.255", "!10.0.0.0/32"),
            ("0.0.0.0/0.0.0.0", "0.0.0.0/0"),
            ("2001:db8::/ffff:ffff::", "2001:db8::/32"),
            ("10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("host.example", "host.example"),
        ] {
            assert_eq!(with_bits(entry), expected);
        }
    }
}
