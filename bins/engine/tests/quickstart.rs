//! The state folder of a start without configuration: made once, used ever after.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use dkim_core::domain::DomainName;
use engine::dns::{Resolver, Zone};
use engine::keys::Keys;
use engine::quickstart::{Quickstart, QuickstartError, domains_in, prepare};
use engine::socket_address::SocketAddress;
use jiff::Timestamp;

fn name(text: &str) -> DomainName {
    DomainName::parse(text).unwrap()
}

fn start(state: &Path, domains: &[&str]) -> Result<Quickstart, QuickstartError> {
    let domains: Vec<DomainName> = domains.iter().map(|domain| name(domain)).collect();
    let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    prepare(state, &domains, now, engine::BACKEND)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn the_first_start_makes_both_keys_and_the_next_ones_use_them() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("postseal-data");
    let first = start(&state, &["example.com"]).unwrap();
    let setup = &first.domains[0];
    let made: Vec<(&str, bool)> = setup.keys.iter().map(|key| (key.selector.as_str(), key.is_new)).collect();
    assert_eq!(made, [("202611ed", true), ("202611rsa", true)]);
    assert_eq!((mode(&state), mode(&state.join("keys/example.com")), mode(&setup.keys[0].file)), (0o700, 0o700, 0o600));
    let before: Vec<Vec<u8>> = setup.keys.iter().map(|key| fs::read(&key.file).unwrap()).collect();

    let second = start(&state, &["example.com"]).unwrap();
    assert!(second.domains[0].keys.iter().all(|key| !key.is_new));
    let after: Vec<Vec<u8>> = second.domains[0].keys.iter().map(|key| fs::read(&key.file).unwrap()).collect();
    assert_eq!(before, after);

    let third = start(&state, &["example.org", "EXAMPLE.org", "example.com"]).unwrap();
    assert_eq!(third.domains.len(), 2);
    assert_eq!(domains_in(&state).unwrap(), [name("example.com"), name("example.org")]);

    let fourth = start(&state, &["example.org"]).unwrap();
    let zone = Zone::load(&fourth.zone_file).unwrap();
    let resolver = Resolver::offline(zone, engine::BACKEND);
    for key in third.domains.iter().flat_map(|setup| &setup.keys) {
        let answer = resolver.key(&key.record.name).await;
        assert!(answer.record().is_ok(), "{}: the zone file holds every domain of the folder", key.record.name);
    }
}

#[test]
fn the_configuration_signs_for_the_domain_and_everything_below() {
    let root = tempfile::tempdir().unwrap();
    let made = start(root.path(), &["example.com"]).unwrap();
    let (keys, found) = Keys::load(&made.config.domains, engine::BACKEND);
    assert!(found.is_empty(), "{found}");
    assert_eq!(keys.count(), (2, 0));
    assert!(made.config.domains.rule_for(&name("mail.example.com")).is_some());
    assert!(made.config.domains.rule_for(&name("example.org")).is_none());
    assert_eq!(made.config.dns.zone_file.as_ref(), Some(&made.zone_file));
    assert_eq!(made.config.state_dir, root.path());
}

#[test]
fn the_instructions_hold_the_records_and_the_postfix_lines() {
    let root = tempfile::tempdir().unwrap();
    let made = start(root.path(), &["example.com"]).unwrap();
    let socket: SocketAddress = "inet:8891".parse().unwrap();
    let text = made.instructions(&socket);
    for expected in [
        "202611rsa._domainkey.example.com. 3600 IN TXT ( \"v=DKIM1;",
        "202611ed._domainkey.example.com. 3600 IN TXT ( \"v=DKIM1;",
        "smtpd_milters = inet:127.0.0.1:8891\n",
        "non_smtpd_milters = inet:127.0.0.1:8891\n",
        "milter_default_action = tempfail\n",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains("PRIVATE"), "no private key is printed");
}

#[test]
fn a_key_that_cannot_be_used_is_named_and_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let made = start(root.path(), &["example.com"]).unwrap();
    let file = &made.domains[0].keys[1].file;
    fs::write(file, "not a key").unwrap();
    let error = start(root.path(), &["example.com"]).unwrap_err();
    assert!(error.to_string().contains("E-KEY-FORMAT") && error.to_string().contains("202611rsa.pem"), "{error}");
    assert_eq!(fs::read(file).unwrap(), b"not a key");
    let other = start(root.path(), &["example.org"]).unwrap();
    assert_eq!(other.domains.len(), 1, "other domains start");
}

#[test]
fn domains_that_cannot_sign_are_refused() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(start(root.path(), &[]), Err(QuickstartError::NoDomain));
    assert_eq!(start(root.path(), &["localhost"]), Err(QuickstartError::SingleLabel { domain: name("localhost") }));
    fs::write(root.path().join("keys"), "in the way").unwrap();
    let error = start(root.path(), &["example.com"]).unwrap_err();
    assert!(matches!(error, QuickstartError::Key(_)), "{error}");
}

#[test]
fn starts_at_the_same_time_end_with_one_key_of_each_kind() {
    let root = tempfile::tempdir().unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(|| start(root.path(), &["example.com"]))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap().unwrap()).collect()
    });
    for made in &results {
        let selectors: Vec<&str> = made.domains[0].keys.iter().map(|key| key.selector.as_str()).collect();
        assert_eq!(selectors, ["202611ed", "202611rsa"]);
    }
    assert_eq!(fs::read_dir(root.path().join("keys/example.com")).unwrap().count(), 2);
}

#[test]
fn a_short_rsa_key_that_is_there_is_used_with_a_warning() {
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("state");
    let folder = state.join("keys/example.com");
    fs::create_dir_all(&folder).unwrap();
    let old = folder.join("old.pem");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files/rsa1024.pem"), &old).unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
    let made = start(&state, &["example.com"]).unwrap();
    let kinds: Vec<(&str, bool)> = made.domains[0].keys.iter().map(|key| (key.selector.as_str(), key.is_new)).collect();
    assert_eq!(kinds, [("202611ed", true), ("old", false)], "no second RSA key is made behind the operator's back");
    let warnings: Vec<_> = made.warnings.iter().collect();
    assert_eq!(warnings.len(), 1, "{}", made.warnings);
    assert_eq!((warnings[0].code.as_str(), warnings[0].file.as_deref()), ("W-KEY-SHORT", Some(old.as_path())));
    let command = format!("`postseal key new example.com --type rsa --state {}`", state.display());
    assert!(warnings[0].fix.starts_with(&command), "{}", warnings[0]);
    let (keys, found) = Keys::load(&made.config.domains, engine::BACKEND);
    assert_eq!((keys.count(), found.len()), ((2, 0), 1));
}
