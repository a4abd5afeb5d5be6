//! The daemon compares its keys with what a real name server has (M44), and `postseal dns check` does so by the same code.

use std::fmt::Write as _;

use crate::site::daemon::{Daemon, Socket};
use crate::site::dns::{Dns, Txt, zone_text};
use crate::site::keys::Keys;
use crate::site::{DOMAIN, Site, UNICODE_DOMAIN, work};

#[test]
fn keys_that_are_published_match() {
    for site in [Site::start(&crate::site::Options::default()), Site::quick_start()] {
        let count = site.zone.len();
        let line = site.daemon.log_line("keys compared with the DNS");
        assert!(line.contains(&format!("matching={count} mismatched=0 unanswered=0")), "{line}");
    }
}

#[test]
fn m14_each_mistake_in_a_zone_is_named_with_the_record_to_publish() {
    let folder = work::folder();
    let (plain, unicode) = (Keys::make(folder.path(), DOMAIN), Keys::make(folder.path(), UNICODE_DOMAIN));
    let mut records: Vec<Txt> = Vec::new();
    // The first string of two; the name with an s too many; a CNAME that leads nowhere; one that leads to the key.
    let (rsa, ed25519) = (&plain.zone[0], &plain.zone[1]);
    records.push((rsa.0.clone(), rsa.1[..255].to_owned()));
    records.push((ed25519.0.replace("_domainkey", "_domainkeys"), ed25519.1.clone()));
    records.push(("key.provider.example".to_owned(), unicode.zone[1].1.clone()));
    let mut zone = zone_text(&records);
    writeln!(zone, "{}. CNAME gone.provider.example.", unicode.zone[0].0).unwrap();
    writeln!(zone, "{}. CNAME key.provider.example.", unicode.zone[1].0).unwrap();
    let dns = Dns::start(folder.path(), &zone);
    let config = format!("[dns]\nnameservers = [\"127.0.0.1:{}\"]\n{}{}", dns.port, plain.config, unicode.config);
    let daemon = Daemon::start(folder.path(), Socket::Tcp, &config);
    let line = daemon.log_line("keys compared with the DNS");
    assert!(line.contains("matching=1 mismatched=3 unanswered=0"), "{line}");
    for (name, finding) in [
        (&rsa.0, "dns-key-cut-at-255"),
        (&ed25519.0, "dns-key-domainkeys"),
        (&unicode.zone[0].0, "dns-key-dangling-alias"),
    ] {
        let line = daemon.log_line(finding);
        assert!(line.contains(" warning ") && line.contains(&format!("key={name}")), "{line}");
        assert!(
            line.contains("fix=") && line.contains(&format!("record=\"{name}. 3600 IN TXT \\\"v=DKIM1;")),
            "{line}"
        );
    }
}
