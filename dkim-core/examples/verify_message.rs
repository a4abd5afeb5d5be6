//! Verifies the two signatures of the example message of RFC 8463, with its keys at hand instead of the DNS.
//!
//! `cargo run --example verify_message`

use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::crypto::Backend;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{KeyAnswer, KeyId, Verification, VerifyPolicy};

const MESSAGE: &[u8] = include_bytes!("../tests/vectors/dkim-rfc/rfc8463/signed.eml");

/// The records of RFC 8463 A.2, by name.
const ZONE: [(&str, &str); 2] = [
    ("brisbane._domainkey.football.example.com", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    (
        "test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/\
         byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let backend = Backend::default();
    let (headers, body) = HeaderBlock::parse(MESSAGE, HeaderLimits::default())?;
    let now = UnixTime::from_secs(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());

    // The header is there: the signatures say which body hashes and which keys they need.
    let mut plan = BodyHashPlan::new(backend);
    let mut verification = Verification::start(Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);

    // The questions can be under way while the body arrives. Here the answers are known.
    let questions: Vec<(KeyId, String)> = verification.key_queries().map(|query| (query.id, query.name())).collect();
    for (id, name) in questions {
        let record = ZONE.iter().find(|(known, _)| *known == name).map(|(_, record)| record.as_bytes().to_vec());
        let answer = record.map_or(TxtAnswer::NxDomain, |record| TxtAnswer::Records(vec![record]));
        // A cache keeps the `KeyAnswer`: the key in it is parsed once and cheap to clone.
        verification.provide_key(id, KeyAnswer::parse(&answer, backend));
    }

    let mut hasher = plan.start();
    for chunk in MESSAGE.get(body..).unwrap_or_default().chunks(16) {
        hasher.update(chunk);
    }

    for report in verification.finish(&hasher.finish()) {
        let domain = report.domain.as_ref().map_or("?", |domain| domain.as_str());
        let algorithm = report.algorithm.as_deref().unwrap_or("?");
        println!("dkim={} header.d={domain} header.a={algorithm} ({})", report.outcome.result(), report.outcome);
    }
    Ok(())
}
