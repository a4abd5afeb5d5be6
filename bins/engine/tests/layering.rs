//! The four cores stay sans-IO: what they depend on, and what they name in their sources.
//!
//! Cargo is asked and not the manifests, since a runtime comes in through the features of something else. What dev-dependencies bring (a
//! runtime for the examples) is left out: it is not part of a core.

#![expect(clippy::unwrap_used, reason = "helpers of tests: a broken assumption is to fail the test at its place")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const CORES: &[&str] = &["dkim-core", "spf-core", "dmarc-core", "milter-proto"];

/// Runtimes, event loops, resolvers, sockets and HTTP stacks. `hickory-proto` is none of them: it is the DNS wire format.
const FORBIDDEN: &[&str] = &[
    "async-io",
    "async-std",
    "curl",
    "futures-executor",
    "hickory-client",
    "hickory-net",
    "hickory-resolver",
    "hyper",
    "isahc",
    "mio",
    "monoio",
    "nix",
    "polling",
    "quinn",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "trust-dns-resolver",
    "ureq",
];

/// What the code of a core does not name: sockets, clocks, threads, files and processes.
const FORBIDDEN_NAMES: &[&str] = &[
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "UnixListener",
    "ToSocketAddrs",
    "SystemTime",
    "Instant::now",
    "std::thread",
    "std::fs",
    "std::process",
    "tokio",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of the packages a crate is built from, with the given features, as `cargo tree` prints them.
fn dependencies(package: &str, features: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--offline", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree -p {package}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<String> = text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    assert_eq!(names.first().map(String::as_str), Some(package), "cargo tree prints the package itself first");
    names
}

/// Every set of features that matters: what a user gets, the smallest, and the largest.
const FEATURES: &[&[&str]] = &[&[], &["--no-default-features"], &["--all-features"]];

#[test]
fn cores_depend_on_no_runtime_resolver_or_socket() {
    for core in CORES {
        for features in FEATURES {
            for name in dependencies(core, features) {
                assert!(!FORBIDDEN.contains(&name.as_str()), "{core} depends on {name} with {features:?}");
            }
        }
    }
}

/// The list above means something: the engine, which does the IO, is caught by it.
#[test]
fn the_engine_would_be_caught() {
    let names = dependencies("engine", &[]);
    for expected in ["tokio", "mio", "socket2"] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not in {names:?}");
        assert!(FORBIDDEN.contains(&expected));
    }
}

/// The engine knows no database: whoever opens tables there is brought along by the program.
#[test]
fn the_engine_depends_on_no_database() {
    const DATABASES: &[&str] =
        &["dataset-sql", "ledger", "sqlx", "sqlx-core", "libsqlite3-sys", "ldap3", "lber", "rustls"];
    for features in FEATURES {
        for name in dependencies("engine", features) {
            assert!(!DATABASES.contains(&name.as_str()), "the engine depends on {name} with {features:?}");
        }
    }
    let names = dependencies("dataset-sql", &[]);
    for name in DATABASES.iter().filter(|name| **name != "ledger") {
        assert!(names.iter().any(|found| found == name), "{name} is in what would be caught");
    }
}

/// Arrows point down: a core knows no program and no other core, but for dmarc-core, which reads header text with dkim-core.
#[test]
fn cores_depend_on_no_crate_above_them() {
    let ours = [
        "dkim-core",
        "spf-core",
        "dmarc-core",
        "milter-proto",
        "engine",
        "dataset-sql",
        "ledger",
        "postseal",
        "postseal-milter",
        "postseal-report",
    ];
    for core in CORES {
        let allowed: &[&str] = if *core == "dmarc-core" { &["dmarc-core", "dkim-core"] } else { &[core] };
        for name in dependencies(core, &["--all-features"]) {
            assert!(!ours.contains(&name.as_str()) || allowed.contains(&name.as_str()), "{core} depends on {name}");
        }
    }
}

/// The Rust files under a folder, without those that only tests build.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests") || path.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a source file with their numbers, without comments and without `#[cfg(test)] mod tests` (inline, it stands last in its file).
fn code_of(text: &str) -> Vec<(usize, &str)> {
    let mut code = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            if lines.next().is_some_and(|(item, _)| item.trim_end().ends_with(';')) {
                continue;
            }
            break;
        }
        code.push((number, line.split("//").next().unwrap_or_default()));
    }
    code
}

#[test]
fn cores_name_no_socket_clock_thread_or_file() {
    for core in CORES {
        let mut files = Vec::new();
        sources(&root().join(core).join("src"), &mut files);
        assert!(!files.is_empty(), "{core} has sources");
        for file in &files {
            let text = fs::read_to_string(file).unwrap();
            for (number, code) in code_of(&text) {
                for name in FORBIDDEN_NAMES {
                    assert!(!code.contains(name), "{}:{number} names {name}", file.display());
                }
            }
        }
    }
}

#[test]
fn code_of_keeps_code_and_drops_comments_and_tests() {
    let text =
        "//! tokio\nuse a; // tokio\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\nmod more {\n  tokio!();\n}\n";
    let kept: Vec<(usize, &str)> = code_of(text).into_iter().filter(|(_, code)| !code.trim().is_empty()).collect();
    assert_eq!(kept, [(2, "use a; "), (5, "fn b() {}")]);
}
