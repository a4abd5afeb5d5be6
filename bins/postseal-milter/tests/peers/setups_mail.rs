//! The messages that go through both daemons of every set-up.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::sign::{SignatureSpec, Signing};
use engine::config::Diagnostics;
use engine::keys::load;
use engine::keys::publish::DnsRecord;

use crate::cells::Key;
use crate::keys::Keys;
use crate::milter::Client;
use crate::site::dns::Txt;

/// Stands in every field that a message brings along with a result in it.
pub(crate) const FORGED: &str = "forged.example";

/// A message, and whose mail it is.
pub(crate) struct Mail {
    /// As in the table of differences.
    pub(crate) name: &'static str,
    pub(crate) client: Client,
    pub(crate) text: Vec<u8>,
}

const BODY: &str = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\n";

const FORGERY: &str =
    "Authentication-Results: mx.example; dkim=pass header.d=forged.example header.s=a header.b=AAAAAAAA\r\n";

/// A message by Joe at this domain.
fn by(domain: &str) -> Vec<u8> {
    format!(
        "From: Joe  SixPack <joe@{domain}>\r\nTo: Mary <mary@reader.example>,\r\n\tsecond@reader.example\r\nSubject: Is dinner  ready?\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@{domain}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain\r\nComments: none\r\n\r\n{BODY}"
    )
    .into_bytes()
}

fn with(fields: &str, message: &[u8]) -> Vec<u8> {
    [fields.as_bytes(), message].concat()
}

fn changed(message: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to).into_bytes()
}

/// The message with a signature of this domain on top.
fn signed(
    keys: &Keys,
    (key, selector, domain): (Key, &str, &str),
    now: UnixTime,
    message: &[u8],
    change: impl FnOnce(&mut SignatureSpec),
) -> Vec<u8> {
    let mut spec = SignatureSpec::new(DomainName::parse(domain).unwrap(), Selector::parse(selector).unwrap());
    change(&mut spec);
    let key = load(&keys.pem(key), engine::BACKEND, &mut Diagnostics::default()).unwrap();
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let mut plan = BodyHashPlan::new(engine::BACKEND);
    let signing = Signing::start(&headers, spec, key, now, &mut plan).unwrap();
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    let field = signing.finish(&hasher.finish()).unwrap();
    [field.name.as_bytes(), b":", field.value.as_bytes(), b"\r\n", message].concat()
}

/// What is published: the keys of other people.
pub(crate) fn records(keys: &Keys) -> Vec<Txt> {
    let record = |key: Key, selector: &str, domain: &str| {
        let loaded = load(&keys.pem(key), engine::BACKEND, &mut Diagnostics::default()).unwrap();
        let (selector, domain) = (Selector::parse(selector).unwrap(), DomainName::parse(domain).unwrap());
        let record = DnsRecord::of_key(&selector, &domain, &*loaded);
        (record.name, record.text)
    };
    let vector = |name: &str| fs::read_to_string(vectors().join(format!("{name}.record.txt"))).unwrap();
    vec![
        record(Key::Rsa2048, "good", "other.example"),
        record(Key::Rsa1024, "good", "third.example"),
        record(Key::Ed25519, "ed", "other.example"),
        record(Key::Rsa2048, "mail", "example.com"),
        ("revoked._domainkey.other.example".to_owned(), "v=DKIM1; k=rsa; p=".to_owned()),
        ("broken._domainkey.other.example".to_owned(), "v=DKIM1; k=rsa; p=@@@@".to_owned()),
        ("rsa-512._domainkey.example.com".to_owned(), vector("rsa-512")),
        ("rsa-2048-e3._domainkey.example.com".to_owned(), vector("rsa-2048-e3")),
    ]
}

fn vectors() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../dkim-core/tests/vectors/keys"))
}

/// All of them.
pub(crate) fn mails(keys: &Keys) -> Vec<Mail> {
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let long_ago = UnixTime::from_secs(1_700_000_000);
    let vector = |name: &str| fs::read(vectors().join(name)).unwrap();
    let other = by("other.example");
    let sign = |key, selector, text: &[u8]| signed(keys, (key, selector, "other.example"), now, text, |_| {});
    let good = sign(Key::Rsa2048, "good", &other);
    let bad_header = changed(&good, "Is dinner  ready?", "Is lunch  ready?");
    let of_third = {
        let text = changed(&other, "Is dinner  ready?", "Is lunch  ready?");
        let whole = signed(keys, (Key::Rsa1024, "good", "third.example"), now, &text, |_| {});
        whole[..whole.len() - text.len()].to_vec()
    };
    let part = |spec: &mut SignatureSpec| spec.body_length = Some(u64::MAX);
    let part = signed(keys, (Key::Rsa2048, "good", "other.example"), now, &other, part);
    let day = |spec: &mut SignatureSpec| spec.lifetime = Some(Duration::from_secs(86_400));
    let expired = signed(keys, (Key::Rsa2048, "good", "other.example"), long_ago, &other, day);
    let tomorrow = UnixTime::from_secs(now.as_secs() + 86_400);
    let future = signed(keys, (Key::Rsa2048, "good", "other.example"), tomorrow, &other, |_| {});
    let malformed = with("DKIM-Signature: v=1; a=rsa-sha256; this is none\r\n", &other);
    let no_from = changed(&other, "From: Joe  SixPack <joe@other.example>\r\n", "");
    let own_no_from = changed(&by("example.com"), "From: Joe  SixPack <joe@example.com>\r\n", "");
    let unreadable = changed(&other, "Joe  SixPack <joe@other.example>", "nobody at all");
    let two_from = with("From: eve@third.example\r\n", &other);
    let two_own = with("From: joe@example.com\r\n", &by("example.com"));

    let own = |name, text| Mail { name, client: Client::Own, text };
    let outside = |name, text| Mail { name, client: Client::Outside, text };
    vec![
        own("own domain", by("example.com")),
        own("own domain in capitals", by("EXAMPLE.com")),
        own("subdomain", by("sub.example.com")),
        own("another domain", other.clone()),
        own("own domain, forged result", with(FORGERY, &by("example.com"))),
        own("another domain, forged result", with(FORGERY, &other)),
        own("another domain, signed by it", good.clone()),
        own(
            "own domain, signed by another",
            signed(keys, (Key::Rsa2048, "good", "other.example"), now, &by("example.com"), |_| {}),
        ),
        own(
            "own domain, signed before",
            signed(keys, (Key::Rsa2048, "mail", "example.com"), now, &by("example.com"), |_| {}),
        ),
        own("own domain, no From", own_no_from),
        own("own domain, two From", two_own),
        outside("own domain from outside", by("example.com")),
        outside("unsigned", other.clone()),
        outside("signed", good.clone()),
        outside("signed with Ed25519", sign(Key::Ed25519, "ed", &other)),
        outside("body changed", changed(&good, "hungry", "thirsty")),
        outside("header changed", bad_header),
        outside("key revoked", sign(Key::Rsa2048, "revoked", &other)),
        outside("key missing", sign(Key::Rsa2048, "missing", &other)),
        outside("key record broken", sign(Key::Rsa2048, "broken", &other)),
        outside("key of 512 bits", vector("signed-rsa-512.eml")),
        outside("rsa-sha1", vector("signed-rsa-sha1.eml")),
        outside("two signatures, one bad", [of_third.as_slice(), &good].concat()),
        outside("text added behind l=", [part.as_slice(), b"And buy this.\r\n"].concat()),
        outside("l= of all", part),
        outside("expired", expired),
        outside("signed tomorrow", future),
        outside("signature malformed", malformed.clone()),
        outside("unsigned, forged result", with(FORGERY, &other)),
        outside("signed, forged result", with(FORGERY, &good)),
        outside("signature malformed, forged result", with(FORGERY, &malformed)),
        outside("no From", no_from.clone()),
        outside("no From, forged result", with(FORGERY, &no_from)),
        outside("From unreadable, forged result", with(FORGERY, &unreadable)),
        outside("two From", two_from.clone()),
        outside("two From, forged result", with(FORGERY, &two_from)),
    ]
}
