//! Keys that tables name: loaded when needed, kept for a while, safe or not, and broken ones for their messages only.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dkim_core::crypto::KeyType;
use engine::BACKEND;
use engine::dataset::KeyLocation;
use engine::keys::{KeyCache, KeyProblem, SafeKeys, TableKey, unsafe_because};

fn key_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files").join(name)
}

/// A copy with these permissions.
fn copy(folder: &Path, name: &str, mode: u32) -> PathBuf {
    let copy = folder.join(name);
    fs::copy(key_file(name), &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).unwrap();
    copy
}

fn at(path: &Path) -> KeyLocation {
    KeyLocation::File(Arc::from(path))
}

fn cache() -> KeyCache {
    KeyCache::new(BACKEND, SafeKeys::Warned)
}

fn type_of(outcome: Result<TableKey, KeyProblem>) -> KeyType {
    outcome.unwrap().key.algorithm().key_type()
}

fn base64_of(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

#[tokio::test]
async fn a_key_is_loaded_when_it_is_needed_and_then_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, location) = (cache(), at(&copy(folder.path(), "pkcs8.pem", 0o600)));
    assert!(cache.get(&location).is_none() && cache.is_empty());
    assert_eq!(type_of(cache.load(&location).await), KeyType::Rsa);
    assert_eq!(type_of(cache.get(&location).unwrap()), KeyType::Rsa);
    fs::remove_file(folder.path().join("pkcs8.pem")).unwrap();
    assert_eq!(type_of(cache.load(&location).await), KeyType::Rsa, "it is here already");
    cache.clear();
    let problem = cache.load(&location).await.unwrap_err();
    let line = problem.log_line("name", &location);
    assert!(line.starts_with(&format!("can't load key from {location}: there is no key file")), "{line}");
}

#[tokio::test]
async fn s2_5_a_broken_key_is_an_error_for_its_messages_alone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache();
    let good = at(&copy(folder.path(), "ed25519.pem", 0o600));
    let broken = at(&copy(folder.path(), "public.pem", 0o600));
    assert!(matches!(cache.load(&broken).await, Err(KeyProblem::Unusable(_))));
    assert_eq!(type_of(cache.load(&good).await), KeyType::Ed25519);
    fs::copy(key_file("pkcs1.pem"), folder.path().join("public.pem")).unwrap();
    assert!(matches!(cache.get(&broken), Some(Err(_))), "not tried again at once");
    cache.clear();
    assert_eq!(type_of(cache.load_now(&broken)), KeyType::Rsa);
}

#[test]
fn s1_2_require_safe_keys_refuses_or_warns() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let open = at(&copy(folder.path(), "pkcs8.pem", 0o644));
    let problem = KeyCache::new(BACKEND, SafeKeys::Required).load_now(&open).unwrap_err();
    let line = problem.log_line("k1", &open);
    assert!(line.starts_with("k1: key data is not secure: "), "{line}");
    let loaded = cache().load_now(&open).unwrap();
    assert!(matches!(&problem, KeyProblem::NotSecure(words) if Some(words) == loaded.not_secure.as_ref()));

    let safe = copy(folder.path(), "ed25519.pem", 0o600);
    match unsafe_because(&safe).unwrap() {
        None => {
            let loaded = KeyCache::new(BACKEND, SafeKeys::Required).load_now(&at(&safe)).unwrap();
            assert!(loaded.not_secure.is_none());
        }
        Some(words) => assert!(!words.contains("ed25519.pem"), "the file is safe, the way to it may not be: {words}"),
    }
}

#[test]
fn s1_2_a_key_that_everyone_may_write_is_used_where_keys_need_not_be_safe() {
    let folder = tempfile::tempdir().unwrap();
    let open = at(&copy(folder.path(), "pkcs8.pem", 0o666));
    assert!(cache().load_now(&open).unwrap().not_secure.is_some());
}

#[test]
fn s2_5_keys_in_the_table_itself() {
    let inline = |text: &str| KeyLocation::parse(text);
    let read = |name: &str| fs::read_to_string(key_file(name)).unwrap();
    let (pkcs8, pkcs1, ed) = (read("pkcs8.pem"), read("pkcs1.pem"), read("ed25519.pem"));
    let cache = cache();
    for (text, key_type) in [
        (pkcs8.clone(), KeyType::Rsa),
        (pkcs8.replace('\n', ""), KeyType::Rsa),
        (pkcs8.replace('\n', " "), KeyType::Rsa),
        (base64_of(&pkcs8), KeyType::Rsa),
        (base64_of(&pkcs1), KeyType::Rsa),
        (base64_of(&ed), KeyType::Ed25519),
        ("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=".to_owned(), KeyType::Ed25519),
    ] {
        let location = inline(&text);
        assert_eq!(type_of(cache.load_now(&location)), key_type, "{text}");
        assert_eq!(type_of(cache.get(&location).unwrap()), key_type);
    }
    for text in ["keys/k.pem", "MIIEvgIBADANBgkqhkiG9w0", "-----BEGIN PRIVATE KEY-----"] {
        let location = inline(text);
        let line = cache.load_now(&location).unwrap_err().log_line("k", &location);
        assert!(line.starts_with("can't load key from the table: "), "{line}");
        assert!(!line.contains(text), "{line}");
    }
    assert!(!format!("{cache:?}").contains(&base64_of(&pkcs8)[..30]));
}

#[test]
fn limit_octets_of_keys_that_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = KeyCache::with_limit(BACKEND, SafeKeys::Warned, 30_000);
    let keys: Vec<KeyLocation> = (0..10)
        .map(|number| {
            let file = folder.path().join(format!("{number}.pem"));
            fs::copy(key_file("pkcs8.pem"), &file).unwrap();
            at(&file)
        })
        .collect();
    for key in &keys {
        cache.load_now(key).unwrap();
    }
    assert!((1..=4).contains(&cache.len()), "{}", cache.len());
    assert!(cache.get(&keys[0]).is_none() && cache.get(&keys[9]).is_some());
    let none = KeyCache::with_limit(BACKEND, SafeKeys::Warned, 0);
    none.load_now(&keys[0]).unwrap();
    assert!(none.is_empty());
}
