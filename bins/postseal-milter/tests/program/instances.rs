//! Several daemons on one host: state apart by `--instance`, and never shared by mistake.

use std::fs;

use nix::sys::signal::Signal;

use crate::running::{Running, run, write};

fn socket(folder: &tempfile::TempDir, name: &str) -> String {
    format!("unix:{}", folder.path().join(name).display())
}

#[test]
fn two_daemons_cannot_share_a_state_folder_and_the_second_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "file.toml", &format!("listen = [\"{}\"]\n", socket(&folder, "third")));
    let first = Running::start(folder.path(), &["--socket", &socket(&folder, "first")]);
    // Verify only, as a quick start that makes keys, and with a configuration file: the folder is the same.
    for arguments in [
        &["--socket", &socket(&folder, "second")][..],
        &["--socket", &socket(&folder, "second"), "--domain", "example.com"],
        &["--config", "file.toml"],
    ] {
        let (code, text) = run(folder.path(), arguments);
        assert_eq!(code, Some(69), "{text}");
        let pid = format!("in use by the daemon with process id {}", first.pid());
        assert!(text.contains(&pid) && text.contains("--instance"), "{text}");
        assert!(!text.contains("listening"), "{text}");
    }
    assert!(!folder.path().join("postseal-data/keys").exists(), "nothing was made in another's folder");
    // The lock ends with the process, however that ends.
    first.stop(Signal::SIGKILL);
    let again = Running::start(folder.path(), &["--socket", &socket(&folder, "first")]);
    assert_eq!(again.stop(Signal::SIGTERM).0, Some(0));
}

#[test]
fn instances_have_their_own_state_and_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let socket = socket(&folder, name);
        let arguments = ["--instance", name, "--state", "state", "--domain", "example.com", "--socket", &socket];
        Running::start(folder.path(), &arguments)
    };
    let (inward, outward) = (start("in"), start("out"));
    for (name, running) in [("in", &inward), ("out", &outward)] {
        let state = folder.path().join("state").join(name);
        assert_eq!(fs::read_to_string(state.join("lock")).unwrap().trim(), running.pid().to_string());
        assert_eq!(fs::read_dir(state.join("keys/example.com")).unwrap().count(), 2);
        assert!(state.join("zone.txt").exists());
    }
    let zone = |name: &str| fs::read(folder.path().join("state").join(name).join("zone.txt")).unwrap();
    assert_ne!(zone("in"), zone("out"), "each has keys of its own");
    drop((inward, outward));
}

#[test]
fn a_state_folder_that_was_named_has_to_be_usable_and_the_default_one_is_done_without() {
    let folder = tempfile::tempdir().unwrap();
    // A file in its place: as unusable for root as for anybody else.
    write(folder.path(), "postseal-data", "");
    write(folder.path(), "occupied", "");
    let listen = socket(&folder, "socket");
    let running = Running::start(folder.path(), &["--socket", &listen]);
    running.wait_for("working without a state folder");
    assert_eq!(running.stop(Signal::SIGTERM).0, Some(0));

    write(folder.path(), "named.toml", &format!("state_dir = \"occupied\"\nlisten = [\"{listen}\"]\n"));
    for arguments in [&["--config", "named.toml"][..], &["--state", "occupied", "--socket", &listen]] {
        let (code, text) = run(folder.path(), arguments);
        assert!(code == Some(69) && text.contains("state folder"), "{code:?} {text}");
    }
    let (code, text) = run(folder.path(), &["--domain", "example.com", "--socket", &listen]);
    assert!(code == Some(78) && text.contains("E-STATE-FOLDER"), "keys were asked for: {code:?} {text}");
}
