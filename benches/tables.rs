//! OpenDKIM's tables with 100,000 domains: reading them, asking for a sender, and the keys that they name.
//!
//! `KeyTable` has a key for each domain. `SigningTable` is once a `refile:` whose patterns are `*@domain`, with every tenth domain as `*@*.domain` too, a thousand
//! `user@*`, and fifty true regular expressions; and once a `file:`. A lookup is all of it: the pattern, the value, the key, the request. Before the
//! benchmarks the program prints what the tables take in memory and how long it takes to read them from disk, once.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "the tables are written here and well-formed"
)]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use dkim_core::domain::DomainName;
use engine::BACKEND;
use engine::config::diagnostics::Location;
use engine::config::{Diagnostics, Sourced};
use engine::dataset::{HostList, KeyLocation, KeyTable, NoOpener, OpenOptions, Sender, SigningTable};
use engine::keys::{KeyCache, SafeKeys};

const DOMAINS: usize = 100_000;

fn domain(number: usize) -> String {
    format!("customer-{number:06}.example.{}", ["com", "net", "org", "example"][number % 4])
}

struct Texts {
    keys: String,
    patterns: String,
    file: String,
}

fn texts() -> Texts {
    let (mut keys, mut patterns, mut file) = (String::new(), String::new(), String::new());
    for number in 0..DOMAINS {
        let domain = domain(number);
        let _ = writeln!(keys, "s1._domainkey.{domain} {domain}:s1:/etc/opendkim/keys/{domain}/s1.private");
        let _ = writeln!(patterns, "*@{domain} s1._domainkey.{domain}");
        let _ = writeln!(file, "{domain} s1._domainkey.{domain}");
        if number % 10 == 0 {
            let _ = writeln!(patterns, "*@*.{domain} s1._domainkey.{domain}");
        }
        if number % 100 == 0 {
            let _ = writeln!(patterns, "user{number}@* s1._domainkey.{domain}");
        }
        if number % 2000 == 0 {
            let _ = writeln!(patterns, "*@(www|mail)[0-9]*.{domain} s1._domainkey.{domain}");
        }
    }
    Texts { keys, patterns, file }
}

/// The memory of this process in KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn option(text: &str) -> Sourced<String> {
    let at = Location { file: Arc::from(Path::new("opendkim.conf")), line: 1, key: "SigningTable".to_owned() };
    Sourced { value: text.to_owned(), at }
}

fn open_keys(file: &Path, found: &mut Diagnostics) -> KeyTable {
    let option = option(&format!("file:{}", file.display()));
    KeyTable::open(&option, &NoOpener, &OpenOptions::default(), found).expect("a table")
}

fn open_signing(kind: &str, file: &Path, found: &mut Diagnostics) -> SigningTable {
    let option = option(&format!("{kind}:{}", file.display()));
    SigningTable::open(&option, &NoOpener, &OpenOptions::default(), found).expect("a table")
}

fn tables(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    {
        let texts = texts();
        fs::write(path("KeyTable"), texts.keys).expect("a file");
        fs::write(path("SigningTable.re"), texts.patterns).expect("a file");
        fs::write(path("SigningTable"), texts.file).expect("a file");
    }
    let mut found = Diagnostics::default();
    let (before, begin) = (resident(), Instant::now());
    let keys = open_keys(&path("KeyTable"), &mut found);
    let patterns = open_signing("refile", &path("SigningTable.re"), &mut found);
    let read = begin.elapsed();
    patterns.check(&keys, &mut found);
    let checked = begin.elapsed();
    let after = resident();
    let exact = open_signing("file", &path("SigningTable"), &mut found);
    assert!(found.is_empty(), "{found}");
    eprintln!(
        "KeyTable ({}) and SigningTable as refile ({}): read in {read:?}, with the check {checked:?}; {} KiB more resident, {after} KiB in all",
        keys.len(),
        patterns.len(),
        after.saturating_sub(before),
    );

    let mut group = criterion.benchmark_group("tables");
    group.sample_size(10);
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut found = Diagnostics::default();
            let keys = open_keys(&path("KeyTable"), &mut found);
            let table = open_signing("refile", &path("SigningTable.re"), &mut found);
            table.check(&keys, &mut found);
            (keys, table)
        });
    });
    group.sample_size(100);
    // Senders all over the tables, so that no cache of the processor holds what is asked for.
    let senders: Vec<(&str, DomainName)> =
        (0..4096).map(|number| ("jo.smith", DomainName::parse(&domain(number * 24 + 7)).expect("a domain"))).collect();
    let below: Vec<(&str, DomainName)> = (0..4096)
        .map(|number| ("jo.smith", DomainName::parse(&format!("lists.{}", domain(number * 20))).expect("a domain")))
        .collect();
    let strangers: Vec<(&str, DomainName)> = (0..4096)
        .map(|number| ("jo.smith", DomainName::parse(&format!("stranger{number}.example")).expect("a domain")))
        .collect();
    for (name, table, senders, hits, all) in [
        ("refile/domain", &patterns, &senders, 1, false),
        ("refile/subdomain", &patterns, &below, 1, false),
        ("refile/subdomain/all", &patterns, &below, 1, true),
        ("refile/stranger", &patterns, &strangers, 0, false),
        ("file/domain", &exact, &senders, 1, false),
        ("file/stranger", &exact, &strangers, 0, false),
    ] {
        let mut next = 0_usize;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                next = (next + 1) % senders.len();
                let (local, domain) = &senders[next];
                let requests =
                    table.requests_now(&keys, Sender { local, domain }, all).expect("memory").expect("no error");
                assert_eq!(requests.len(), hits);
                black_box(requests)
            });
        });
    }
    let hosts = HostList::open(
        &option("csl:127.0.0.1,::1,10.0.0.0/8,192.168.0.0/16,!192.168.7.0/24,2001:db8::/32,.example.com"),
        &NoOpener,
        &OpenOptions::default(),
        &mut found,
    )
    .expect("a list");
    let client = "198.51.100.7".parse().ok();
    group.bench_function("hosts", |bencher| {
        bencher.iter(|| hosts.contains_now(black_box(Some("mail.example.net")), black_box(client)));
    });
    group.finish();
}

/// Keys that a table names: loaded for the first time, and there already. Prints what one takes in memory.
fn keys(criterion: &mut Criterion) {
    const COPIES: usize = 1000;
    let folder = tempfile::tempdir().expect("a folder");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../bins/engine/tests/key_files/pkcs8.pem");
    let locations: Vec<KeyLocation> = (0..COPIES)
        .map(|number| {
            let file = folder.path().join(format!("{number}.pem"));
            fs::copy(source, &file).expect("a copy");
            KeyLocation::File(Arc::from(file))
        })
        .collect();
    let cache = KeyCache::with_limit(BACKEND, SafeKeys::Warned, usize::MAX);
    let before = resident();
    for location in &locations {
        cache.load_now(location).expect("a key");
    }
    let each = |resident: usize| resident.saturating_sub(before) * 1024 / COPIES;
    let loaded = each(resident());
    // The backend prepares some of its numbers for the first signature.
    for location in &locations {
        let key = cache.load_now(location).expect("a key").key;
        key.sign(b"x").expect("a signature");
    }
    eprintln!(
        "{COPIES} RSA keys of 2048 bits: {loaded} octets resident for each, {} when each has signed",
        each(resident())
    );
    let mut group = criterion.benchmark_group("key_cache");
    group.bench_function("hit", |bencher| bencher.iter(|| cache.get(black_box(&locations[7])).expect("loaded")));
    group.sample_size(10);
    group.bench_function("load", |bencher| {
        bencher.iter(|| {
            cache.clear();
            cache.load_now(&locations[7]).expect("a key")
        });
    });
    group.finish();
}

// Keys first: what they take in memory is seen only before the tables have left room behind.
criterion_group!(benches, keys, tables);
criterion_main!(benches);
