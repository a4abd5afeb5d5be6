//! `opendkim-testkey` beside Debian's: both ask the same name server on loopback.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::pair::{Comparison, ours, theirs};
use crate::site::dns::{Dns, zone_text};
use crate::site::work;

const TOOL: &str = "opendkim-testkey";

/// Arguments behind `-x ask.conf`, which only says whom Debian's tool asks; those with an `-x` of their own have it in that file.
const CASES: &[&[&str]] = &[
    &["-d", "example.com", "-s", "one"],
    &["-d", "example.com", "-s", "one", "-v"],
    &["-d", "example.com", "-s", "one", "-k", "one.private"],
    &["-d", "example.com", "-s", "one", "-k", "one.private", "-v"],
    &["-dexample.com", "-sone", "-kone.private", "-vv"],
    &["-d", "example.com", "-s", "one", "-k", "one.private", "-vvv"],
    &["-d", "EXAMPLE.com", "-s", "one", "-k", "one.private"],
    &["-d", "example.com", "-s", "test", "-k", "one.private", "-vvv"],
    &["-d", "example.com", "-s", "alias", "-k", "one.private", "-vvv"],
    &["-d", "example.com", "-s", "two", "-k", "one.private"],
    &["-d", "example.com", "-s", "two", "-k", "one.private", "-vvv"],
    &["-d", "example.com", "-s", "gone", "-vvv"],
    &["-d", "example.com", "-s", "gone", "-k", "one.private", "-vvv"],
    &["-d", "example.com", "-s", "none", "-vvv"],
    &["-d", "example.com", "-s", "none", "-k", "one.private", "-vvv"],
    &["-d", "example.com", "-s", "several", "-vvv"],
    &["-d", "example.com", "-s", "several", "-k", "one.private", "-vvv"],
    &["-d", "example.com", "-s", "version", "-vvv"],
    &["-d", "example.com", "-s", "dsa", "-vvv"],
    &["-d", "example.com", "-s", "dsa", "-k", "one.private"],
    &["-d", "example.com", "-s", "e", "-vvv"],
    &["-d", "example.com", "-s", "one", "-k", "open.private", "-v"],
    &["-d", "example.com", "-s", "one", "-k", "nowhere"],
    &["-d", "example.com", "-s", "one", "-k", "."],
    &["-x", "table.conf"],
    &["-x", "table.conf", "-v"],
    &["-x", "table.conf", "-vvv"],
    &["-x", "single.conf", "-vvv"],
    &["-x", "single.conf", "-s", "two"],
    &["-x", "nowhere.conf"],
    &["-x", "wrong.conf"],
    &["-x", "notable.conf"],
    &["-d", "example.com"],
    &["-s", "one"],
    &[],
    // Differences.
    &["-d", "example.com", "-s", "e", "-k", "e.private"],
    &["-d", "example.com", "-s", "damaged"],
    &["-d", "example.com", "-s", "text"],
    &["-d", "example.com", "-s", "one", "-k", "one.txt"],
    &["-x", "mixed.conf", "-v"],
    &["-x", "refile.conf", "-v"],
    &["-x", "missing.conf", "-v"],
    &["-x", "corrupt.conf"],
    &["-x", "many.conf", "-v"],
    &["-x", "list.conf"],
    &["-q"],
];

/// Keys, their records, tables and configurations.
fn site(folder: &Path) -> Dns {
    let mut records = Vec::new();
    for (selector, kind) in [("one", "--noed25519"), ("two", "--noed25519"), ("e", "--ed25519")] {
        let said = ours("opendkim-genkey", folder, &["-h", "sha256", "-s", selector, kind], b"");
        assert_eq!(said.code, 0, "{said}");
        let txt = fs::read_to_string(folder.join(format!("{selector}.txt"))).unwrap();
        records.push((selector, txt.split('"').skip(1).step_by(2).collect::<String>()));
    }
    let one = records[0].1.clone();
    let (front, key) = one.split_once("p=").unwrap();
    records.push(("test", format!("{front}t=y:s; s=email; p={key}")));
    records.push(("gone", "v=DKIM1; p=".to_owned()));
    records.push(("several", one.clone()));
    records.push(("several", records[1].1.clone()));
    records.push(("version", "v=DKIM2; p=AAAA".to_owned()));
    records.push(("dsa", "v=DKIM1; k=dsa; p=AAAA".to_owned()));
    records.push(("damaged", "v=DKIM1; k=rsa; p=AAAA!!".to_owned()));
    records.push(("text", "hello".to_owned()));
    let named: Vec<(String, String)> =
        records.into_iter().map(|(selector, text)| (format!("{selector}._domainkey.example.com"), text)).collect();
    let zone = format!("{}alias._domainkey.example.com. CNAME one._domainkey.example.com.\n", zone_text(&named));
    let dns = Dns::start(folder, &zone);

    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    fs::copy(folder.join("one.private"), folder.join("open.private")).unwrap();
    fs::set_permissions(folder.join("open.private"), Permissions::from_mode(0o644)).unwrap();
    let unbound = format!(
        "server:\n  do-not-query-localhost: no\n  module-config: \"iterator\"\nforward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{}\n",
        dns.port
    );
    write("unbound.conf", &unbound);
    let conf = |name: &str, more: &str| {
        write(&format!("{name}.conf"), &format!("ResolverConfiguration {}/unbound.conf\n{more}", folder.display()));
    };
    conf("ask", "");
    write("good", "k1 example.com:one:./one.private\nk2 example.com:two:./two.private\n");
    write(
        "mixed",
        "k1 example.com:one:./one.private\nk2 example.com:two:./one.private\nk3 example.com:none:./one.private\n",
    );
    write("missing", "k1 example.com:one:./nowhere\nk2 example.com:one:./one.private\n");
    write("corrupt", "k1 example.com:one\n");
    write("many", "k1 %:one:./one.private\n");
    conf("table", "KeyTable file:good\n");
    conf("mixed", "KeyTable file:mixed\n");
    conf("refile", "KeyTable refile:good\n");
    conf("missing", "KeyTable file:missing\n");
    conf("corrupt", "KeyTable file:corrupt\n");
    conf("many", "KeyTable file:many\n");
    conf("notable", "KeyTable file:nowhere\n");
    conf("single", "Domain example.com\nSelector one\nKeyFile one.private\n");
    conf("list", "Domain example.com,example.org\nSelector one\nKeyFile one.private\n");
    conf("wrong", "Selektor one\n");
    dns
}

#[test]
fn the_same_keys_and_records_get_the_same_words() {
    let folder = work::folder();
    let dns = site(folder.path());
    let mut comparison = Comparison::default();
    let nameserver = format!("127.0.0.1:{}", dns.port);
    for arguments in CASES {
        let config: &[&str] = if arguments.contains(&"-x") { &[] } else { &["-x", "ask.conf"] };
        let both = [config, arguments].concat();
        let their_said = theirs(TOOL, folder.path(), &both, b"");
        let our_said = ours(TOOL, folder.path(), &[&["--nameserver", &nameserver], &both[..]].concat(), b"");
        comparison.compare(TOOL, &arguments.join(" "), &their_said, &our_said);
    }
    comparison.finish(TOOL);
}

#[test]
fn no_answer_is_told_alike() {
    let folder = work::folder();
    let mut dns = site(folder.path());
    dns.stop();
    let arguments = ["-x", "ask.conf", "-d", "example.com", "-s", "one", "-k", "one.private"];
    let their_said = theirs(TOOL, folder.path(), &arguments, b"");
    let nameserver = format!("127.0.0.1:{}", dns.port);
    let our_said = ours(TOOL, folder.path(), &[&["--nameserver", &nameserver], &arguments[..]].concat(), b"");
    assert_eq!((their_said.code, our_said.code), (69, 69));
    assert!(their_said.err.contains("'one._domainkey.example.com' query "), "{their_said}");
    assert!(our_said.err.contains("'one._domainkey.example.com' query "), "{our_said}");
}
