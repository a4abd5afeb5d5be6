//! Signs a message and prints it with its new field; the record to publish goes to standard error.
//!
//! `cargo run --example sign_message`
//!
//! Several signatures of one message are several `Signing` machines on one plan; the body is still hashed once.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::{Backend, PrivateKey};
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{SignatureSpec, Signing};

/// What to sign. Line ends are CRLF: a signer signs octets and converts nothing.
const MESSAGE: &[u8] = b"From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
    \r\n\
    Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n";

/// The private key of RFC 8463 A.2, so everybody has it. A PEM file (PKCS#1 or PKCS#8) is read by the same function.
const KEY: &[u8] = b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

fn main() -> Result<(), Box<dyn Error>> {
    let backend = Backend::default();
    let key = backend.signing_key(&PrivateKey::from_text(KEY)?)?;
    eprintln!("brisbane._domainkey.football.example.com TXT {}", KeyRecord::text_for(&*key));

    let mut spec = SignatureSpec::new(DomainName::parse("football.example.com")?, Selector::parse("brisbane")?);
    spec.lifetime = Some(Duration::from_secs(14 * 24 * 3600));

    // A milter gives the header field by field (`HeaderBlock::builder`), then the body in chunks.
    let (headers, body) = HeaderBlock::parse(MESSAGE, HeaderLimits::default())?;
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let mut plan = BodyHashPlan::new(backend);
    let signing = Signing::start(&headers, spec, key, now, &mut plan)?;

    let mut hasher = plan.start();
    for chunk in MESSAGE.get(body..).unwrap_or_default().chunks(16) {
        hasher.update(chunk);
    }
    // The one step that takes time: public-key work. `signing.may_block()` tells whether to move it off an asynchronous thread.
    let field = signing.finish(&hasher.finish())?;

    let mut out = std::io::stdout().lock();
    write!(out, "{}:{}\r\n", field.name, field.value)?;
    out.write_all(MESSAGE)?;
    Ok(())
}
