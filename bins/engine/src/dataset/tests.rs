//! The tables together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use dkim_core::crypto::KeyType;
use dkim_core::domain::DomainName;

use super::*;
use crate::config::Diagnostics;
use crate::config::diagnostics::Location;

fn at(option: &str) -> Location {
    Location { file: Arc::from(Path::new("opendkim.conf")), line: 1, key: option.to_owned() }
}

fn key_table(text: &str) -> (KeyTable, Diagnostics) {
    let mut found = Diagnostics::default();
    let set = Dataset::parse_file(Path::new("KeyTable"), text.to_owned(), Reading::EXACT, &mut found);
    let table = KeyTable::new(set, &at("KeyTable"), &mut found);
    (table, found)
}

fn signing_table(text: &str, has_patterns: bool) -> SigningTable {
    let (file, mut found) = (Path::new("SigningTable"), Diagnostics::default());
    let set = if has_patterns {
        Dataset::parse_refile(file, text.to_owned(), Reading::USUAL, &mut found)
    } else {
        Dataset::parse_file(file, text.to_owned(), Reading::USUAL, &mut found)
    };
    SigningTable::new(set, &at("SigningTable"))
}

/// The requests for an address, as `key d= s= location i=`.
fn asked(table: &SigningTable, keys: &KeyTable, address: &str, all: bool) -> Result<Vec<String>, TableError> {
    let (local, domain) = address.rsplit_once('@').unwrap();
    let domain = DomainName::parse(domain).unwrap();
    let requests = table.requests_now(keys, Sender { local, domain: &domain }, all).unwrap()?;
    let line = |request: SignRequest| {
        let identity = request.identity.map_or_else(String::new, |identity| format!(" i={identity}"));
        format!("{} d={} s={} {}{identity}", request.key_name, request.domain, request.selector, request.key)
    };
    Ok(requests.into_iter().map(line).collect())
}

/// The names of the keys for an address.
fn keys_of(table: &SigningTable, keys: &KeyTable, address: &str, all: bool) -> Vec<String> {
    let first = |line: String| line.split(' ').next().unwrap().to_owned();
    asked(table, keys, address, all).unwrap().into_iter().map(first).collect()
}

const EIGHT: &str = "k1 d.example:s:/k\nk2 d.example:s:/k\nk3 d.example:s:/k\nk4 d.example:s:/k\nk5 d.example:s:/k\nk6 d.example:s:/k\n\
    k7 d.example:s:/k\nk8 d.example:s:/k\n";

#[test]
fn s2_6_the_order_of_look_ups_without_patterns() {
    let (keys, found) = key_table(EIGHT);
    assert!(found.is_empty(), "{found}");
    let entries = [
        ("user@sub.example.com", "k1"),
        ("sub.example.com", "k2"),
        ("user@.example.com", "k3"),
        (".example.com", "k4"),
        ("user@.com", "k5"),
        (".com", "k6"),
        ("user@*", "k7"),
        ("*", "k8"),
    ];
    // The order of the file does not count.
    for first in 0..entries.len() {
        let left = entries.get(first..).unwrap();
        let text: String = left.iter().rev().map(|(key, name)| format!("{key} {name}\n")).collect();
        let table = signing_table(&text, false);
        let expected: Vec<&str> = left.iter().map(|(_, name)| *name).collect();
        assert_eq!(keys_of(&table, &keys, "User@Sub.Example.COM", false), expected[..1]);
        assert_eq!(keys_of(&table, &keys, "user@sub.example.com", true), expected);
    }
    let table = signing_table("*@example.com k1\n", false);
    assert!(keys_of(&table, &keys, "user@example.com", true).is_empty(), "a star means nothing within a key");
}

#[test]
fn s2_6_patterns_in_the_order_of_the_file() {
    let (keys, _) = key_table(EIGHT);
    let table = signing_table("*@*.example.com k2\nuser@mail.example.com k1\n*@mail.example.com k3\n* k4\n", true);
    assert_eq!(keys_of(&table, &keys, "user@mail.example.com", false), ["k2"]);
    assert_eq!(keys_of(&table, &keys, "user@mail.example.com", true), ["k2", "k1", "k3", "k4"]);
    assert_eq!(keys_of(&table, &keys, "user@example.com", true), ["k4"]);
    let table = signing_table("*@example.com k1\n", true);
    assert!(keys_of(&table, &keys, "user@sub.example.com", false).is_empty());
}

#[test]
fn s2_5_percent_is_the_domain_of_the_sender() {
    let (keys, found) = key_table(
        "any %:s:/keys/%/%.pem\nown Fixed.Example:s:/keys/%.pem\nrelative %:s:./%/k.pem\nexample.com %:byname:/k\n",
    );
    assert!(found.is_empty(), "{found}");
    let table = signing_table(
        "a@example.com any\nb@example.com own\nc@example.com relative\nd@example.com %\ne@example.com any:x@%\n",
        false,
    );
    let asked = |address: &str| asked(&table, &keys, address, false).unwrap().concat();
    assert_eq!(asked("a@example.com"), "any d=example.com s=s /keys/example.com/example.com.pem");
    assert_eq!(asked("b@example.com"), "own d=fixed.example s=s /keys/Fixed.Example.pem");
    assert_eq!(asked("c@example.com"), "relative d=example.com s=s ./%/k.pem");
    assert_eq!(asked("d@example.com"), "example.com d=example.com s=byname /k");
    assert_eq!(asked("e@example.com"), "any d=example.com s=s /keys/example.com/example.com.pem i=x@example.com");
}

#[test]
fn s2_6_a_signer_is_dropped_unless_it_is_at_or_below_the_domain() {
    let (keys, _) = key_table("k foo.example:s:/k\n");
    for (signer, address, identity) in [
        ("signer@foo.example", "a@x.example", Some("signer@foo.example")),
        ("signer@a.FOO.example", "a@x.example", Some("signer@a.foo.example")),
        ("@foo.example", "a@x.example", Some("@foo.example")),
        ("signer@bar.example", "a@x.example", None),
        ("signer@notfoo.example", "a@x.example", None),
        ("signer@foo.%", "a@x.example", None),
        ("signer@%", "a@sub.foo.example", Some("signer@sub.foo.example")),
        ("%@%", "a@foo.example", Some("foo.example@foo.example")),
        ("foo.example", "a@x.example", None),
        ("a@b@foo.example", "a@x.example", Some("a@b@foo.example")),
        ("signer@", "a@x.example", None),
    ] {
        let table = signing_table(&format!("* k:{signer}\n"), false);
        let shown = asked(&table, &keys, address, false).unwrap().concat();
        assert_eq!(shown.split_once(" i=").map(|(_, identity)| identity), identity, "{signer}");
    }
}

#[test]
fn s2_5_inline_keys_algorithms_and_paths_with_colons() {
    let base64 = "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQ";
    let (keys, found) = key_table(&format!(
        "pem d.example:s:-----BEGIN PRIVATE KEY-----MC4CAQ-----END PRIVATE KEY-----\nb64 d.example:s:{base64}\nalg d.example:s:/k:ed25519-sha256\n\
         rsa d.example:s:{base64}:RSA-SHA256\ncolon d.example:s:/a:b/c\nnone d.example:s:keys/k.pem\nsha1 d.example:s:/k:rsa-sha1\n"
    ));
    let codes: Vec<_> = found.iter().map(|finding| (finding.code, finding.line)).collect();
    assert_eq!(codes, [(TABLE_ENTRY, Some(6)), (DATASET_DOUBT, Some(7))], "{found}");
    let table =
        signing_table("pem@x pem\nb64@x b64\nalg@x alg\nrsa@x rsa\ncolon@x colon\nnone@x none\nsha1@x sha1\n", false);
    let request = |local: &str| {
        let domain = DomainName::parse("x").unwrap();
        table.requests_now(&keys, Sender { local, domain: &domain }, false).unwrap().unwrap().remove(0)
    };
    let file = |path: &str| KeyLocation::File(Arc::from(Path::new(path)));
    assert_eq!((request("alg").key, request("alg").key_type), (file("/k"), Some(KeyType::Ed25519)));
    assert_eq!(request("rsa").key_type, Some(KeyType::Rsa));
    assert_eq!(request("rsa").key, request("b64").key);
    assert_eq!((request("colon").key, request("colon").key_type), (file("/a:b/c"), None));
    assert_eq!((request("sha1").key, request("sha1").key_type), (file("/k"), Some(KeyType::Rsa)));
    assert!(matches!(request("pem").key, KeyLocation::Inline(text) if text.starts_with("-----BEGIN")));
    assert!(matches!(request("none").key, KeyLocation::Inline(_)));
    assert!(!format!("{:?} {keys:?}", request("b64")).contains("MIIE"), "no key in debug output");
}

#[test]
fn s2_5_a_corrupt_entry_is_an_error_for_its_messages_alone() {
    let (keys, found) = key_table(
        "good d.example:s:/k\nb1\nb2 d.example\nb3 d.example:s\nb4 :s:/k\nb5 d.example::/k\nb6 d.example:s:\nb7 d.example:s:/k:\nb8 d_()x:s:/k\nb9 d.example:s s:/k\n",
    );
    assert_eq!(found.iter().filter(|finding| finding.code == TABLE_ENTRY).count(), 9, "{found}");
    assert!(found.iter().all(|finding| finding.severity == crate::config::diagnostics::Severity::Warning));
    let table = signing_table(
        "good@x good\nb1@x b1\nb2@x b2\nb3@x b3\nb4@x b4\nb5@x b5\nb6@x b6\nb7@x b7\nb8@x b8\nb9@x b9\n",
        false,
    );
    assert_eq!(keys_of(&table, &keys, "good@x", false), ["good"]);
    for number in 1..=9 {
        let error = asked(&table, &keys, &format!("b{number}@x"), false).unwrap_err();
        assert_eq!(error.to_string(), format!("KeyTable entry for 'b{number}' corrupt"));
    }
}

#[test]
fn s2_6_unknown_and_empty_keys_are_errors_for_their_messages_alone() {
    let (keys, _) = key_table("good d.example:s:/k\n");
    for has_patterns in [false, true] {
        let table = signing_table(
            "a@x.example good\nb@x.example Good\nc@x.example\nd@x.example :s\ne@x.example %\n",
            has_patterns,
        );
        assert_eq!(keys_of(&table, &keys, "a@x.example", true), ["good"]);
        for (address, name) in
            [("b@x.example", "Good"), ("c@x.example", ""), ("d@x.example", ""), ("e@x.example", "x.example")]
        {
            let error = asked(&table, &keys, address, false).unwrap_err();
            assert_eq!(error.to_string(), format!("signing table references unknown key '{name}'"));
        }
        assert_eq!(asked(&table, &keys, "z@x.example", false), Ok(Vec::new()));
        let mut found = Diagnostics::default();
        table.check(&keys, &mut found);
        let codes: Vec<_> = found.iter().map(|finding| (finding.code, finding.line)).collect();
        assert_eq!(codes, [(TABLE_KEY, Some(2)), (DATASET_VALUE, Some(3)), (DATASET_VALUE, Some(4))], "{found}");
        assert!(!found.has_errors());
    }
}

#[test]
fn s2_6_entries_with_u_labels_are_warned_of() {
    let (keys, _) = key_table("k d.example:s:/k\n");
    let table = signing_table("*@bücher.example k\n*@xn--bcher-kva.example k\n", true);
    let mut found = Diagnostics::default();
    table.check(&keys, &mut found);
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(keys_of(&table, &keys, "a@bücher.example", false), ["k"]);
}

#[test]
fn s2_1_names_of_keys_have_their_case_and_senders_have_none() {
    let (keys, found) = key_table("K d.example:upper:/k\nk d.example:lower:/k\nk d.example:again:/k\n");
    assert_eq!(
        found.iter().map(|finding| (finding.code, finding.line)).collect::<Vec<_>>(),
        [(DATASET_TWICE, Some(3))]
    );
    let table = signing_table("A@X k\nb@x K\n", false);
    assert_eq!(asked(&table, &keys, "a@x", false).unwrap(), ["k d=d.example s=lower /k"]);
    assert_eq!(asked(&table, &keys, "B@x", false).unwrap(), ["K d=d.example s=upper /k"]);
}

#[test]
fn limit_signatures_that_the_tables_may_ask_for() {
    let (keys, _) = key_table("k d.example:s:/k\n");
    let table = signing_table(&"* k\n".repeat(MAX_REQUESTS), true);
    assert_eq!(keys_of(&table, &keys, "a@x", true).len(), MAX_REQUESTS);
    let table = signing_table(&"* k\n".repeat(MAX_REQUESTS + 1), true);
    assert_eq!(keys_of(&table, &keys, "a@x", false).len(), 1);
    let error = asked(&table, &keys, "a@x", true).unwrap_err();
    assert_eq!(error.to_string(), "signing table has more than 32 keys for 'a@x'");
}

/// A database in memory that keeps what it was asked for.
#[derive(Debug, Default)]
struct Columns(HashMap<&'static str, Vec<&'static str>>);

impl Lookup for Columns {
    fn look_up<'a>(&'a self, key: &'a str) -> Answer<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            match key {
                "away@x" => Err(LookupError::Failed("away".to_owned())),
                _ => Ok(self.0.get(key).map(|fields| fields.iter().map(|field| (*field).to_owned()).collect())),
            }
        })
    }
}

#[derive(Debug)]
struct Columned;

impl Opener for Columned {
    fn open(&self, spec: &ExternalSpec, _: &OpenOptions) -> Result<Arc<dyn Lookup>, OpenError> {
        let rows: &[(&'static str, Vec<&'static str>)] = match spec.text.as_str() {
            "keys" => &[
                ("three", vec!["d.example", "s", "/a:b"]),
                ("four", vec!["d.example", "s", "/k", "ed25519-sha256"]),
                ("null", vec!["d.example", "s", "/k", ""]),
                ("one", vec!["d.example:s:/k"]),
                ("bad", vec!["d.example", "", "/k"]),
            ],
            _ => &[
                ("a@x", vec!["three", "signer@d.example"]),
                ("b@x", vec!["four", ""]),
                ("c@x", vec!["one:signer@d.example"]),
                ("d@x", vec!["bad"]),
                ("e@x", vec!["null"]),
                ("x", vec!["one"]),
            ],
        };
        Ok(Arc::new(Columns(rows.iter().cloned().collect())))
    }
}

#[test]
fn s2_2_a_value_is_split_at_colons_and_the_last_field_has_the_rest() {
    let text = Value::Text("a: b :c:d");
    assert_eq!(
        (text.fields(1), text.fields(2), text.fields(3)),
        (vec!["a: b :c:d"], vec!["a", "b :c:d"], vec!["a", "b", "c:d"])
    );
    let columns = |columns: &[&str]| Value::Columns(columns.iter().map(|column| (*column).to_owned()).collect());
    assert_eq!(columns(&["a:b:c"]).fields(2), ["a", "b:c"]);
    assert_eq!(columns(&["a:b", " c", "d"]).fields(2), ["a:b", "c"]);
    assert_eq!((columns(&["a:b", "c"]).text(), text.text(), columns(&[]).text()), ("a:b", "a: b :c:d", ""));
}

#[tokio::test]
async fn s2_2_tables_in_a_database_have_a_column_for_each_field() {
    let mut found = Diagnostics::default();
    let mut open = |text: &str, reading| {
        let spec = Spec::parse(&format!("dsn:{text}")).unwrap();
        Dataset::open_spec(&spec, &at("X"), reading, &Columned, &OpenOptions::default(), &mut found).unwrap()
    };
    let (keys, table) = (open("keys", Reading::EXACT), open("senders", Reading::USUAL));
    let keys = KeyTable::new(keys, &at("KeyTable"), &mut found);
    let table = SigningTable::new(table, &at("SigningTable"));
    table.check(&keys, &mut found);
    assert!(found.is_empty());
    let domain = DomainName::parse("x").unwrap();
    let sender = |local: &'static str| Sender { local, domain: &domain };
    assert!(table.requests_now(&keys, sender("a"), false).is_none(), "a database is waited for");
    let request = table.requests(&keys, sender("a"), false).await.unwrap().remove(0);
    assert_eq!(
        (request.key.to_string().as_str(), request.identity.unwrap().to_string().as_str()),
        ("/a:b", "signer@d.example")
    );
    let request = table.requests(&keys, sender("b"), false).await.unwrap().remove(0);
    assert_eq!((request.key_type, request.identity), (Some(KeyType::Ed25519), None));
    let all = table.requests(&keys, sender("c"), true).await.unwrap();
    assert_eq!(all.iter().map(|request| request.key_name.as_str()).collect::<Vec<_>>(), ["one", "one"]);
    assert!(all[0].identity.is_some() && all[1].identity.is_none());
    assert_eq!(table.requests(&keys, sender("d"), false).await, Err(TableError::Corrupt("bad".into())));
    assert_eq!(table.requests(&keys, sender("e"), false).await.unwrap()[0].key_type, None);
    let error = table.requests(&keys, sender("away"), false).await.unwrap_err();
    assert_eq!(error.to_string(), "error reading signing table");
}
