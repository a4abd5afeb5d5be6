//! Key files: what can go wrong with them is named for what it is (M01, M15), and other domains go on signing (M16).
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use dkim_core::crypto::KeyType;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::key_record::KeyRecord;
use engine::config::{self, Diagnostic, Diagnostics, SigningDomains};
use engine::keys::publish::{DnsRecord, Form, write};
use engine::keys::{self, CreateError, KeyKind, Keys, create, find};

/// A folder with copies of the files in `key_files`, mode 0600.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files")).unwrap() {
        let source = entry.unwrap().path();
        let copy = folder.path().join(source.file_name().unwrap());
        fs::copy(&source, &copy).unwrap();
        chmod(&copy, 0o600);
    }
    folder
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The finding that keeps `file` out of use.
fn refused(file: &Path) -> Diagnostic {
    let mut warnings = Diagnostics::default();
    let finding = *keys::load(file, engine::BACKEND, &mut warnings).unwrap_err();
    assert_eq!(finding.file.as_deref(), Some(file));
    assert!(!finding.fix.is_empty());
    finding
}

fn loads(file: &Path) -> (KeyType, Diagnostics) {
    let mut warnings = Diagnostics::default();
    let key = keys::load(file, engine::BACKEND, &mut warnings).unwrap();
    (key.algorithm().key_type(), warnings)
}

fn domains(text: &str, folder: &Path) -> SigningDomains {
    config::parse(text, &folder.join("postseal.toml")).unwrap().0.domains
}

#[test]
fn m15_files_that_are_no_private_key_are_named_for_what_they_are() {
    let folder = folder();
    fs::write(folder.path().join("empty.pem"), "").unwrap();
    fs::write(folder.path().join("blank.pem"), "\r\n  \n").unwrap();
    fs::write(folder.path().join("text.pem"), "hello, I am no key").unwrap();
    fs::write(folder.path().join("record.txt"), "s1._domainkey IN TXT ( \"v=DKIM1; k=rsa; p=MIIB\" )").unwrap();
    fs::write(folder.path().join("huge.pem"), vec![b'A'; 100_000]).unwrap();
    let pem = fs::read_to_string(folder.path().join("pkcs8.pem")).unwrap();
    fs::write(folder.path().join("cut.pem"), &pem[..pem.len() / 2]).unwrap();
    for (file, code, word, fix) in [
        ("empty.pem", "E-KEY-FORMAT", "empty", "postseal key new"),
        ("blank.pem", "E-KEY-FORMAT", "empty", "postseal key new"),
        ("text.pem", "E-KEY-FORMAT", "no private key", "postseal key new"),
        ("record.txt", "E-KEY-FORMAT", "DNS record", "-----BEGIN PRIVATE KEY-----"),
        ("huge.pem", "E-KEY-FORMAT", "65537 bytes", "postseal key new"),
        ("cut.pem", "E-KEY-FORMAT", "no matching end line", "postseal key new"),
        ("encrypted.pem", "E-KEY-FORMAT", "passphrase", "openssl pkey -in"),
        ("public.pem", "E-KEY-FORMAT", "public key", "-----BEGIN PRIVATE KEY-----"),
        ("certificate.pem", "E-KEY-FORMAT", "certificate", "postseal key new"),
        ("openssh", "E-KEY-FORMAT", "OpenSSH", "ssh-keygen -p -m PKCS8"),
        ("pkcs8.der", "E-KEY-FORMAT", "binary", "openssl pkey -inform DER"),
        ("ec.pem", "E-KEY-FORMAT", "elliptic-curve", "postseal key new"),
        ("rsa512.pem", "E-KEY-SIZE", "512 bits; keys below 1024 bits must not be used", "postseal key new"),
        ("rsa1023.pem", "E-KEY-SIZE", "1023 bits; keys below 1024 bits must not be used", "postseal key new"),
    ] {
        let finding = refused(&folder.path().join(file));
        assert_eq!(finding.code.as_str(), code, "{file}: {finding}");
        assert!(finding.cause.contains(word), "{file}: {finding}");
        assert!(finding.fix.contains(fix), "{file}: {finding}");
    }
}

#[test]
fn m15_pkcs1_pkcs8_seeds_crlf_and_byte_order_marks_are_read() {
    let folder = folder();
    let text = fs::read_to_string(folder.path().join("pkcs8.pem")).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        chmod(&folder.path().join(name), 0o600);
    };
    write("crlf.pem", &text.replace('\n', "\r\n"));
    write("bom.pem", &format!("\u{feff}{text}"));
    write("seed", "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n");
    for (file, kind) in [
        ("pkcs8.pem", KeyType::Rsa),
        ("pkcs1.pem", KeyType::Rsa),
        ("crlf.pem", KeyType::Rsa),
        ("bom.pem", KeyType::Rsa),
        ("ed25519.pem", KeyType::Ed25519),
        ("seed", KeyType::Ed25519),
    ] {
        let (found, warnings) = loads(&folder.path().join(file));
        assert_eq!(found, kind, "{file}");
        assert!(warnings.is_empty(), "{warnings}");
    }
}

#[test]
fn m01_only_world_writable_paths_are_refused_and_the_bad_part_is_marked() {
    let folder = folder();
    let file = folder.path().join("pkcs8.pem");
    chmod(folder.path(), 0o777);
    let finding = refused(&file);
    assert_eq!(finding.code.as_str(), "E-KEY-WRITABLE");
    assert_eq!(finding.fix, format!("chmod o-w {}", folder.path().display()));
    let marked: Vec<&String> = finding.detail.iter().filter(|line| line.ends_with("<--")).collect();
    assert_eq!(marked.len(), 1);
    assert!(marked[0].starts_with("drwxrwxrwx") && marked[0].contains(&*folder.path().to_string_lossy()), "{finding}");
    assert!(finding.detail[0].ends_with(" /"), "the walk begins at the root: {finding}");

    chmod(folder.path(), 0o770);
    assert!(loads(&file).1.is_empty());
    chmod(&file, 0o602);
    assert_eq!(refused(&file).fix, format!("chmod o-w {}", file.display()));
    chmod(&file, 0o660);
    assert!(loads(&file).1.is_empty());
    chmod(&file, 0o644);
    let (_, warnings) = loads(&file);
    let warning = warnings.iter().next().unwrap();
    assert_eq!(
        (warning.code.as_str(), warning.fix.clone()),
        ("W-KEY-READABLE", format!("chmod o-r {}", file.display()))
    );
}

#[test]
fn paths_that_lead_nowhere_or_elsewhere_are_told_apart() {
    let folder = folder();
    let finding = refused(&folder.path().join("keys/none.pem"));
    assert_eq!(finding.code.as_str(), "E-KEY-MISSING");
    assert!(finding.cause.ends_with("keys does not exist"), "{finding}");

    symlink("gone.pem", folder.path().join("dangling")).unwrap();
    assert!(refused(&folder.path().join("dangling")).cause.contains("gone.pem does not exist"));

    assert_eq!(refused(folder.path()).code.as_str(), "E-KEY-NOT-A-FILE");

    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_eq!(refused(&pipe).code.as_str(), "E-KEY-NOT-A-FILE");
    // Everyone may write to these; to change that would be the wrong advice.
    chmod(&pipe, 0o666);
    for open in [pipe.as_path(), Path::new("/dev/zero")] {
        let finding = refused(open);
        assert_eq!(finding.code.as_str(), "E-KEY-NOT-A-FILE", "{finding}");
        assert!(!finding.fix.contains("chmod"), "{finding}");
    }
    assert_eq!(refused(&folder.path().join("pkcs8.pem/x")).code.as_str(), "E-KEY-UNREADABLE");
}

#[test]
fn m16_one_bad_key_leaves_the_others_signing() {
    let folder = folder();
    let text = "
        [[domain]]
        name = \"good.example\"
        keys = [{ selector = \"a\", file = \"pkcs8.pem\" }, { selector = \"b\", file = \"ed25519.pem\" }]
        [[domain]]
        name = \"bad.example\"
        keys = [{ selector = \"a\", file = \"encrypted.pem\" }]
        [[domain]]
        name = \"half.example\"
        keys = [{ selector = \"a\", file = \"encrypted.pem\" }, { selector = \"b\", file = \"ed25519.pem\" }]
    ";
    let domains = domains(text, folder.path());
    let (keys, found) = Keys::load(&domains, engine::BACKEND);
    assert_eq!(keys.count(), (3, 2));
    assert_eq!(found.len(), 1, "a file that two domains name is read and reported once: {found}");
    let good = keys.of_rule(0).unwrap();
    let selectors: Vec<&str> = good.usable.iter().map(|key| key.selector.as_str()).collect();
    assert_eq!((selectors, good.failed.len()), (vec!["a", "b"], 0));
    let bad = keys.of_rule(1).unwrap();
    assert!(bad.usable.is_empty());
    assert_eq!(bad.failed[0].code.as_str(), "E-KEY-FORMAT");
    assert!(bad.failed[0].cause.contains("passphrase"));
    assert!(bad.failed[0].fix.contains("openssl pkey"), "{:?}", bad.failed[0]);
    assert_eq!(bad.failed[0].file.file_name().unwrap(), "encrypted.pem");
    let half = keys.of_rule(2).unwrap();
    assert_eq!((half.usable.len(), half.failed.len()), (1, 1));
}

#[test]
fn s3_2_of_8301_a_short_rsa_key_signs_with_a_warning_that_has_the_command_to_replace_it() {
    let folder = folder();
    let text = "
        [[domain]]
        name = \"a.example\"
        keys = [{ selector = \"old\", file = \"rsa1024.pem\" }]
        [[domain]]
        name = \"b.example\"
        keys = [{ selector = \"old\", file = \"rsa1024.pem\" }, { selector = \"new\", file = \"pkcs8.pem\" }]
    ";
    let (keys, found) = Keys::load(&domains(text, folder.path()), engine::BACKEND);
    assert_eq!(keys.count(), (3, 0));
    assert_eq!(found.len(), 1, "a file that two domains name is reported once: {found}");
    let warning = found.iter().next().unwrap();
    assert_eq!((warning.code.as_str(), warning.file.clone()), ("W-KEY-SHORT", Some(folder.path().join("rsa1024.pem"))));
    assert!(warning.cause.contains("has 1024 bits"), "{warning}");
    let command =
        format!("`postseal key new a.example --type rsa --config {}`", folder.path().join("postseal.toml").display());
    assert!(warning.fix.starts_with(&command), "{warning}");
    let key = &keys.of_rule(0).unwrap().usable[0].key;
    assert_eq!((keys::rsa_bits(&**key), key.may_block()), (Some(1024), true));
}

#[test]
fn m32_ed25519_alone_is_refused_unless_allowed() {
    let folder = folder();
    let text = |allow: bool| {
        format!(
            "[[domain]]\nname = \"a.example\"\nallow_ed25519_only = {allow}\nkeys = [{{ selector = \"s\", file = \"ed25519.pem\" }}]\n"
        )
    };
    let (keys, found) = Keys::load(&domains(&text(false), folder.path()), engine::BACKEND);
    let finding = found.iter().next().unwrap();
    assert_eq!(finding.code.as_str(), "E-KEY-ED25519-ONLY");
    assert!(
        finding.fix.contains("allow_ed25519_only = true") && finding.fix.contains("postseal key new a.example"),
        "{finding}"
    );
    assert_eq!(keys.count(), (0, 1));
    let (keys, found) = Keys::load(&domains(&text(true), folder.path()), engine::BACKEND);
    assert!(found.is_empty());
    assert_eq!(keys.count(), (1, 0));
}

#[test]
fn the_same_key_under_two_selectors_is_a_warning() {
    let folder = folder();
    let text = "[[domain]]\nname = \"a.example\"\nkeys = [{ selector = \"s\", file = \"pkcs8.pem\" }, { selector = \"t\", file = \"pkcs1.pem\" }]\n";
    let (keys, found) = Keys::load(&domains(text, folder.path()), engine::BACKEND);
    assert_eq!(keys.count(), (2, 0));
    assert_eq!(found.iter().map(|d| d.code.as_str()).collect::<Vec<_>>(), ["W-KEY-TWICE"]);
}

#[test]
fn new_keys_have_the_right_modes_and_are_never_replaced() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("keys/example.com");
    let selector = Selector::parse("s1").unwrap();
    let path = create(&folder, &selector, KeyKind::Ed25519).unwrap();
    assert_eq!(path, folder.join("s1.pem"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    for folder in [&folder, &root.path().join("keys")] {
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o7777, 0o700);
    }
    let before = fs::read(&path).unwrap();
    assert_eq!(create(&folder, &selector, KeyKind::Rsa2048), Err(CreateError::Exists { path: path.clone() }));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing unfinished is left behind");

    symlink("nowhere", folder.join("s2.pem")).unwrap();
    let taken = create(&folder, &Selector::parse("s2").unwrap(), KeyKind::Ed25519);
    assert!(matches!(taken, Err(CreateError::Exists { .. })), "{taken:?}");

    let rsa = create(&folder, &Selector::parse("a.b").unwrap(), KeyKind::Rsa2048).unwrap();
    assert_eq!(loads(&rsa).0, KeyType::Rsa);
    assert_eq!(loads(&path).0, KeyType::Ed25519);
    fs::write(folder.join("notes.txt"), "").unwrap();
    fs::write(folder.join("-.pem"), "").unwrap();
    let found: Vec<String> = find(&folder).unwrap().into_iter().map(|(selector, _)| selector.to_string()).collect();
    assert_eq!(found, ["a.b", "s1", "s2"]);
    assert_eq!(find(&root.path().join("none")).unwrap(), []);
}

#[test]
fn m01_no_key_is_made_where_it_would_not_be_used() {
    let root = tempfile::tempdir().unwrap();
    let (selector, folder) = (Selector::parse("s1").unwrap(), root.path().join("keys/example.com"));
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = create(&folder, &selector, KeyKind::Ed25519);
    assert_eq!(refused, Err(CreateError::OpenToEveryone { path: root.path().to_path_buf() }));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "nothing is left behind");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    loads(&create(&folder, &selector, KeyKind::Ed25519).unwrap());
}

/// Root makes keys for the daemon: they belong to whoever owns the folder. Anybody else's keys are his own.
#[test]
fn m02_keys_that_root_makes_belong_to_the_owner_of_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let me = nix::unistd::Uid::effective();
    let owner = if me.is_root() { 65_534 } else { me.as_raw() };
    std::os::unix::fs::chown(root.path(), Some(owner), None).unwrap();
    let path =
        create(&root.path().join("keys/example.com"), &Selector::parse("s1").unwrap(), KeyKind::Ed25519).unwrap();
    for made in path.ancestors().take_while(|path| *path != root.path()) {
        assert_eq!(fs::metadata(made).unwrap().uid(), owner, "{}", made.display());
    }
}

#[test]
fn two_processes_that_make_the_same_key_end_with_one() {
    let root = tempfile::tempdir().unwrap();
    let selector = Selector::parse("s1").unwrap();
    let results: Vec<Result<PathBuf, CreateError>> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| create(&root.path().join("k/d"), &selector, KeyKind::Ed25519))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(CreateError::Exists { .. }))), "{results:?}");
    assert_eq!(fs::read_dir(root.path().join("k/d")).unwrap().count(), 1);
}

#[test]
fn the_record_of_a_key_is_one_that_verifiers_read() {
    let folder = folder();
    let mut warnings = Diagnostics::default();
    let (selector, domain) = (Selector::parse("s1").unwrap(), DomainName::parse("example.com").unwrap());
    for file in ["pkcs8.pem", "ed25519.pem"] {
        let key = keys::load(&folder.path().join(file), engine::BACKEND, &mut warnings).unwrap();
        let record = DnsRecord::of_key(&selector, &domain, &*key);
        assert_eq!(record.name, "s1._domainkey.example.com");
        let parsed = KeyRecord::parse(record.text.as_bytes()).unwrap();
        assert_eq!(parsed.key.unwrap().to_octets(), key.public_key());
        assert!(write(std::slice::from_ref(&record), Form::Plain).contains("p="));
    }
}
