use std::path::Path;
use std::sync::Arc;

use super::super::findings::{DATASET_EVERYONE, DATASET_HOST};
use super::super::{NoOpener, Spec};
use super::*;
use crate::config::diagnostics::Code;

fn at() -> Location {
    Location { file: Arc::from(Path::new("opendkim.conf")), line: 3, key: "PeerList".into() }
}

fn list(text: &str) -> (HostList, Diagnostics) {
    let mut found = Diagnostics::default();
    let spec = Spec::Csl(text.to_owned());
    let set = Dataset::open_spec(&spec, &at(), Reading::USUAL, &NoOpener, &OpenOptions::default(), &mut found).unwrap();
    let list = HostList::new(set, &at(), &mut found);
    (list, found)
}

fn refile(text: &str) -> (HostList, Diagnostics) {
    let mut found = Diagnostics::default();
    let set = Dataset::parse_refile(Path::new("hosts"), text.to_owned(), Reading::USUAL, &mut found);
    let list = HostList::new(set, &at(), &mut found);
    (list, found)
}

fn name(list: &HostList, name: &str) -> bool {
    list.contains_now(Some(name), None).unwrap()
}

fn ip(list: &HostList, address: &str) -> bool {
    list.contains_now(None, Some(address.parse().unwrap())).unwrap()
}

/// The vectors of OpenDKIM's own test of peer lists.
#[test]
fn s2_4_the_vectors() {
    let (peers, found) = list(
        ".example.com,!nonpeer.example.com,!.nonpeer.example.com,allowed.nonpeer.example.com,smtp.example.net,192.168.1.0/24,!192.168.1.64,\
         !192.168.1.128/30,2001:db8::/64,!2001:db8::99,!2001:db8::fff0/126",
    );
    assert!(found.is_empty(), "{found}");
    for member in ["peer.example.com", "allowed.nonpeer.example.com", "smtp.example.net"] {
        assert!(name(&peers, member), "{member}");
    }
    for stranger in ["bob.example.net", "nonpeer.example.com", "xyz.nonpeer.example.com", "example.com"] {
        assert!(!name(&peers, stranger), "{stranger}");
    }
    for member in ["192.168.1.1", "192.168.1.132", "2001:db8::91", "2001:db8::fff4"] {
        assert!(ip(&peers, member), "{member}");
    }
    for stranger in [
        "127.0.0.1",
        "192.168.1.64",
        "192.168.1.128",
        "192.168.1.129",
        "192.168.1.131",
        "2001:db8::99",
        "2001:db8::fff0",
        "2001:db8::fff3",
        "192.168.2.1",
    ] {
        assert!(!ip(&peers, stranger), "{stranger}");
    }
}

/// What Debian's OpenDKIM 2.11.0~beta2 answers to a connection (accept or continue), entry by entry.
#[test]
fn s2_4_as_opendkim_answers() {
    let both = |list: &HostList, name: &str, address: &str| {
        list.contains_now(Some(name), Some(address.parse().unwrap())).unwrap()
    };
    let (peers, _) = list("!bad.ex.com,192.168.1.0/24,[10.0.0.0]/8,2001:DB8::/32,FE80::1");
    assert!(both(&peers, "bad.ex.com", "192.168.1.5"), "an excluded name leaves the address to be looked for");
    assert!(both(&peers, "x", "10.2.3.4"));
    assert!(both(&peers, "x", "2001:db8::5"));
    assert!(both(&peers, "x", "fe80::1"));
    assert!(!both(&peers, "[192.168.1.9]", "9.9.9.9"));
    let (peers, _) = list(".ex.com,FOO.org,!no.ex.com,5.6.7.8/32,0:0::7");
    for (host, address, is_peer) in [
        ("a.ex.com", "1.1.1.1", true),
        ("A.EX.com", "1.1.1.1", true),
        ("ex.com", "1.1.1.1", false),
        ("foo.org", "1.1.1.1", true),
        ("no.ex.com", "1.1.1.1", false),
        ("x.no.ex.com", "1.1.1.1", true),
        ("x", "5.6.7.8", true),
        ("x", "::7", false),
    ] {
        assert_eq!(both(&peers, host, address), is_peer, "{host} {address}");
    }
    let (peers, found) = refile("10.0.0.0/8\n192.168.1.5/24\n*.ex.com\n2001:db8::/32\n^172\\.*\n");
    assert!(both(&peers, "h", "10.1.2.3"));
    assert!(!both(&peers, "h", "192.168.1.7"));
    assert!(!both(&peers, "a.ex.com", "1.2.3.4"), "`!a.ex.com` matches first");
    assert!(both(&peers, "h", "2001:db8::1"));
    assert!(found.iter().filter(|finding| finding.code == DATASET_HOST).count() == 4, "{found}");
}

/// A difference: OpenDKIM accepts the last two as well, since it holds `10.0.0.0/7` and `192.168.0.0/13` against the patterns.
#[test]
fn s2_3_a_pattern_holds_no_neighbouring_networks() {
    let (peers, found) = refile("10.*\n192.168.*\n[172.16.0.0]/12\n[[]192.0.2.0]/24\n");
    assert!(ip(&peers, "10.1.2.3") && ip(&peers, "192.168.1.1") && ip(&peers, "192.0.2.7"));
    assert!(!ip(&peers, "11.10.2.3") && !ip(&peers, "192.175.1.1"));
    assert!(!ip(&peers, "172.16.0.1"), "brackets are an expression");
    assert_eq!(found.len(), 1, "{found}");
}

#[test]
fn s2_4_what_is_more_specific_wins_whatever_the_order() {
    for text in ["10.0.0.0/8,!10.1.0.0/16,10.1.2.0/24,!10.1.2.3", "!10.1.2.3,10.1.2.0/24,!10.1.0.0/16,10.0.0.0/8"] {
        let (list, _) = list(text);
        assert!(ip(&list, "10.2.0.1") && !ip(&list, "10.1.0.1") && ip(&list, "10.1.2.4") && !ip(&list, "10.1.2.3"));
    }
}

#[test]
fn s2_4_a_mapped_address_is_the_ipv4_address_it_is() {
    let (peers, _) = list("192.0.2.0/24,!192.0.2.9,::ffff:198.51.100.1");
    assert!(ip(&peers, "::ffff:192.0.2.1") && !ip(&peers, "::ffff:192.0.2.9"));
    assert!(ip(&peers, "::ffff:198.51.100.1") && !ip(&peers, "198.51.100.1"));
}

#[test]
fn s2_4_all_lengths_of_networks() {
    let address: IpAddr = "203.0.113.77".parse().unwrap();
    for bits in 0..=32 {
        let (peers, _) = list(&format!("{}/{bits}", network(address, bits)));
        assert!(peers.contains_now(None, Some(address)).unwrap(), "{bits}");
    }
    let address: IpAddr = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
    for bits in 0..=128 {
        let (peers, _) = list(&format!("[{}]/{bits}", network(address, bits)));
        assert!(peers.contains_now(None, Some(address)).unwrap(), "{bits}");
    }
}

#[test]
fn s1_2_internal_hosts_are_both_loopback_addresses() {
    let list = HostList::loopback();
    assert!(ip(&list, "127.0.0.1") && ip(&list, "::1") && !ip(&list, "127.0.0.2"));
    assert_eq!(list.contains_now(None, None), Some(false));
    assert!(!name(&list, ""));
}

#[test]
fn s8_6_entries_that_match_nothing_or_everything_are_warned_of() {
    for (entry, code, fix) in [
        ("10.0.0.1/8", DATASET_HOST, "write `10.0.0.0/8`"),
        ("!10.0.0.1/8", DATASET_HOST, "write `10.0.0.0/8`"),
        ("[10.0.0.1]/8", DATASET_HOST, "write `[10.0.0.0]/8`"),
        ("10.0.0.0/255.0.0.0", DATASET_HOST, "write `10.0.0.0/8`"),
        ("10.0.0.0/33", DATASET_HOST, "0 to 32"),
        ("10.0.0.0/08", DATASET_HOST, "write `10.0.0.0/8`"),
        ("2001:db8:0:0::/32", DATASET_HOST, "write `2001:db8::/32`"),
        ("2001:0db8::1", DATASET_HOST, "write `2001:db8::1`"),
        ("2001:db8::1/32", DATASET_HOST, "write `2001:db8::/32`"),
        ("::ffff:192.0.2.1", DATASET_HOST, "write `192.0.2.1`"),
        ("10.1", DATASET_HOST, "in full"),
        ("192.168.001.1", DATASET_HOST, "in full"),
        ("10/8", DATASET_HOST, "in full"),
        ("*.example.com", DATASET_HOST, "write `.example.com`"),
        ("10.*", DATASET_HOST, "networks"),
        ("127.0.0.1 10.0.0.0/8", DATASET_HOST, "commas"),
        ("mail.example.com.", DATASET_HOST, "write `mail.example.com`"),
        ("0.0.0.0/0", DATASET_EVERYONE, "your own"),
        ("::/0", DATASET_EVERYONE, "your own"),
    ] {
        let (_, found) = list(entry);
        let all: Vec<(Code, &str, Option<u32>)> =
            found.iter().map(|finding| (finding.code, finding.fix.as_str(), finding.line)).collect();
        assert_eq!(all.len(), 1, "{entry}: {found}");
        assert_eq!((all[0].0, all[0].2), (code, Some(3)), "{entry}");
        assert!(all[0].1.contains(fix), "{entry}: {}", all[0].1);
    }
    for entry in ["10.0.0.0/8", "2001:DB8::/32", "[::1]", ".example.com", "!a-b.example.com", "localhost", "!::1/128"] {
        assert!(list(entry).1.is_empty(), "{entry}: {}", list(entry).1);
    }
    let (_, found) = refile("127.0.0.1\n*\n10.0.0.0/8\n");
    let all: Vec<_> = found.iter().map(|finding| (finding.code, finding.line)).collect();
    assert_eq!(all, [(DATASET_HOST, Some(3)), (DATASET_EVERYONE, Some(2))]);
}

#[test]
fn limit_names_above_255_octets_are_on_no_list() {
    let (peers, _) = list(".example.com");
    assert!(name(&peers, &format!("{}.example.com", "a".repeat(255 - 12))));
    assert!(!name(&peers, &format!("{}.example.com", "a".repeat(256 - 12))));
}
