//! The first command of the README: a domain and nothing else.

use std::fs;

use crate::cases::both_pass;
use crate::mails;
use crate::site::daemon::Daemon;
use crate::site::dns::{Answer, ask_txt};
use crate::site::{DOMAIN, Site};

#[test]
fn a_domain_is_enough_to_sign_and_verify() {
    let site = Site::quick_start();
    both_pass(&site, &site.submit(&mails::plain("quick")), DOMAIN);
}

#[test]
fn what_it_says_to_publish_is_what_a_name_server_publishes() {
    let site = Site::quick_start();
    assert_eq!(site.zone.len(), 2, "{:?}", site.zone);
    let said = site.daemon.log();
    for (name, _) in &site.zone {
        assert!(name.ends_with("._domainkey.author.example"), "{name}");
        assert!(said.contains(&format!("{name}. ")), "{said}");
        assert_eq!(ask_txt(site.dns.port, name), Some(Answer { code: 0, records: 1, authoritative: true }));
    }
    assert!(said.contains(&format!("smtpd_milters = {}", site.daemon.socket)), "{said}");
}

#[test]
fn started_again_it_uses_the_same_keys() {
    let mut site = Site::quick_start();
    let state = site.folder.path().join("state");
    let before = fs::read(state.join("zone.txt")).unwrap();
    site.daemon.terminate();
    assert!(site.daemon.wait().success());
    let again = Daemon::quick_start(site.folder.path(), &state, DOMAIN);
    assert_eq!(fs::read(state.join("zone.txt")).unwrap(), before);
    assert!(!again.log().contains("new rsa key"), "{}", again.log());
}
