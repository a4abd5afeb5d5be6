//! `postseal key` and `postseal dns`, as an operator calls them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::run::{err, json, out, postseal};

/// A folder whose state holds the keys of example.com, made under fixed selectors.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (kind, selector) in [("rsa", "r1"), ("ed25519", "e1")] {
        out(&postseal(folder.path(), &["key", "new", "example.com", "--type", kind, "--selector", selector]), 0);
    }
    folder
}

#[test]
fn new_keys_come_with_records_and_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let text = out(&postseal(folder.path(), &["key", "new", "Example.COM"]), 0);
    assert!(text.contains("._domainkey.example.com. 3600 IN TXT ( \"v=DKIM1; k=rsa; p="), "{text}");
    assert!(text.contains("._domainkey.example.com. 3600 IN TXT ( \"v=DKIM1; k=ed25519; p="), "{text}");
    assert!(text.contains("`postseal dns check example.com`"), "{text}");
    let stanza = text.split_once("Configure:\n\n").unwrap().1;
    fs::write(folder.path().join("postseal.toml"), stanza).unwrap();
    let (config, found) = engine::config::load(&folder.path().join("postseal.toml")).unwrap();
    assert!(found.is_empty(), "{found}");
    assert_eq!(config.domains.rules().first().unwrap().keys.len(), 2);
    let listed = json(&postseal(folder.path(), &["key", "list", "--config", "postseal.toml", "--json"]), 0);
    assert_eq!(listed.as_array().unwrap().len(), 2);

    let again = err(&postseal(folder.path(), &["key", "new", "example.com"]), 1);
    assert!(again.contains("exists and is left as it is") && again.contains("--selector"), "{again}");
}

#[test]
fn an_instance_has_keys_of_its_own_below_the_state_folder() {
    let folder = folder();
    let arguments = |name: &'static str| ["key", "new", "example.net", "--state", "state", "--instance", name];
    out(&postseal(folder.path(), &arguments("in")), 0);
    out(&postseal(folder.path(), &arguments("out")), 0);
    for name in ["in", "out"] {
        assert_eq!(fs::read_dir(folder.path().join("state").join(name).join("keys/example.net")).unwrap().count(), 2);
    }
    let list = |arguments: &[&str]| out(&postseal(folder.path(), &[&["key", "list"], arguments].concat()), 0);
    assert_eq!(list(&["--state", "state", "--instance", "in"]).matches("example.net ").count(), 2);
    assert!(!list(&["--state", "state"]).contains("example.net"), "the folder above has none");
    // The folder of a configuration file, which other programs read without the name.
    fs::write(folder.path().join("c.toml"), "state_dir = \"state\"\n").unwrap();
    out(&postseal(folder.path(), &["key", "new", "example.org", "--config", "c.toml", "--instance", "in"]), 0);
    assert!(folder.path().join("state/in/keys/example.org").is_dir());
    assert_eq!(postseal(folder.path(), &arguments("../in")).status.code(), Some(64));
}

#[test]
fn half_a_pair_is_never_made() {
    let folder = tempfile::tempdir().unwrap();
    out(&postseal(folder.path(), &["key", "new", "example.com", "--type", "ed25519"]), 0);
    err(&postseal(folder.path(), &["key", "new", "example.com"]), 1);
    let keys = fs::read_dir(folder.path().join("postseal-data/keys/example.com")).unwrap().count();
    assert_eq!(keys, 1, "the RSA key is not made when the Ed25519 key is there");
}

#[test]
fn lists_name_the_keys_that_cannot_be_used() {
    let folder = folder();
    let text = out(&postseal(folder.path(), &["key", "list"]), 0);
    assert_eq!(text.lines().count(), 2, "{text}");
    fs::write(folder.path().join("postseal-data/keys/example.com/r1.pem"), "-----BEGIN PUBLIC KEY-----\n").unwrap();
    let rows = json(&postseal(folder.path(), &["--json", "key", "list"]), 1);
    let of = |selector: &str| rows.as_array().unwrap().iter().find(|row| row["selector"] == selector).unwrap();
    assert_eq!((&of("e1")["usable"], &of("e1")["type"]), (&true.into(), &"ed25519".into()));
    assert_eq!(of("r1")["usable"], false);
    assert!(of("r1")["problem"].as_str().unwrap().contains("[E-KEY-FORMAT]"), "{rows}");
    let text = out(&postseal(folder.path(), &["key", "list"]), 1);
    assert!(text.contains("example.com r1 unusable"), "{text}");
}

#[test]
fn a_domain_without_keys_is_told_how_to_get_some() {
    let folder = folder();
    assert!(out(&postseal(folder.path(), &["key", "show", "example.com"]), 0).contains("r1._domainkey.example.com."));
    for command in [["key", "show", "example.org"], ["dns", "show", "example.org"]] {
        let text = err(&postseal(folder.path(), &command), 1);
        assert!(
            text.contains("no usable key for example.org") && text.contains("postseal key new example.org"),
            "{text}"
        );
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(out(&postseal(empty.path(), &["key", "list"]), 0).contains("postseal key new"));
    assert_eq!(json(&postseal(empty.path(), &["key", "list", "--json"]), 0), serde_json::json!([]));
}

#[test]
fn records_come_in_every_form() {
    let folder = folder();
    let show = |form: &str| out(&postseal(folder.path(), &["dns", "show", "example.com", "--as", form]), 0);
    assert_eq!(show("plain").lines().filter(|line| line.starts_with("v=DKIM1; ")).count(), 2);
    assert_eq!(show("split").lines().filter(|line| line.starts_with("\"v=DKIM1; ")).count(), 2);
    for form in ["json", "route53", "cloudflare"] {
        let value: serde_json::Value = serde_json::from_str(&show(form)).unwrap();
        assert!(value.to_string().contains("r1._domainkey.example.com"), "{form}");
    }
    assert_eq!(
        json(&postseal(folder.path(), &["dns", "show", "example.com", "--json"]), 0).as_array().unwrap().len(),
        2
    );
    let zone = engine::dns::Zone::parse(show("bind").as_bytes(), Path::new("bind")).unwrap();
    assert!(zone.has("e1._domainkey.example.com") && zone.has("r1._domainkey.example.com"));
}

#[test]
fn exit_codes_are_in_every_help_and_wrong_usage_is_64() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        vec!["--help"],
        vec!["key", "--help"],
        vec!["key", "new", "--help"],
        vec!["key", "list", "--help"],
        vec!["key", "show", "--help"],
        vec!["dns", "show", "--help"],
        vec!["dns", "check", "--help"],
        vec!["sign", "--help"],
        vec!["verify", "--help"],
        vec!["selftest", "--help"],
    ] {
        let text = out(&postseal(folder.path(), &command), 0);
        for line in ["Exit codes:", "  64  ", "  78  "] {
            assert!(text.contains(line), "{command:?} {line}");
        }
    }
    for command in [
        vec![],
        vec!["frobnicate"],
        vec!["key", "new"],
        vec!["key", "new", "localhost"],
        vec!["key", "new", "a..b"],
        vec!["key", "new", "example.com", "--bits", "1024"],
        vec!["key", "new", "example.com", "--selector", "s1"],
        vec!["dns", "show", "example.com", "--as", "smoke"],
    ] {
        err(&postseal(folder.path(), &command), 64);
    }
}

#[test]
fn a_wrong_configuration_is_78_with_its_findings() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.toml"), "mdoe = \"sign\"\n").unwrap();
    let text = err(&postseal(folder.path(), &["key", "list", "--config", "bad.toml"]), 78);
    assert!(
        text.contains("bad.toml:1: error[E-CONFIG-UNKNOWN-KEY]") && text.contains("did you mean `mode`?"),
        "{text}"
    );
    let value = json(&postseal(folder.path(), &["key", "list", "--config", "bad.toml", "--json"]), 78);
    assert_eq!(value["findings"][0]["code"], "E-CONFIG-UNKNOWN-KEY");
    err(&postseal(folder.path(), &["key", "list", "--config", "missing.toml"]), 78);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let text = err(&postseal(folder.path(), &["key", "new", "example.com", "--state", "file/state"]), 1);
    assert!(text.contains("file"), "{text}");
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let text = err(&postseal(folder.path(), &["key", "new", "example.com", "--state", "open", "--type", "ed25519"]), 1);
    assert!(text.contains("E-KEY-WRITABLE") && text.contains("chmod o-w"), "{text}");
}

/// M02: what another user may not read or enter is named with that user and the command that mends it.
#[test]
fn m02_keys_of_another_user_are_named_with_the_user_and_the_fix() {
    let folder = folder();
    let root = folder.path();
    // The program is copied: its own folder need not be open to everyone.
    let program = root.join("postseal");
    fs::copy(env!("CARGO_BIN_EXE_postseal"), &program).unwrap();
    let state = root.join("postseal-data");
    let keys = state.join("keys/example.com");
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for path in [root, &state, &state.join("keys"), &keys, &program] {
        chmod(path, 0o755);
    }
    let selectors = ["r1", "e1"].map(|selector| {
        let file = keys.join(format!("{selector}.pem"));
        chmod(&file, 0o000);
        format!("{{ selector = \"{selector}\", file = {file:?} }}")
    });
    let config = root.join("postseal.toml");
    fs::write(&config, format!("[[domain]]\nname = \"example.com\"\nkeys = [{}]\n", selectors.join(", "))).unwrap();
    let list = || {
        let mut command = Command::new(&program);
        // Root may read everything, so the program runs as nobody then.
        if nix::unistd::Uid::effective().is_root() {
            command.uid(65_534).gid(65_534);
        }
        let output = command.args(["key", "list", "--config"]).arg(&config).current_dir(root).output().unwrap();
        out(&output, 1)
    };
    let text = list();
    assert!(text.contains("may not read the file [E-KEY-UNREADABLE]"), "{text}");
    chmod(&keys, 0o600);
    let text = list();
    assert!(text.contains(&format!("may not enter {}", keys.display())), "{text}");
    chmod(&keys, 0o755);
}
