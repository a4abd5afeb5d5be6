//! Mail of a usual make, signed and verified with the keys of the tests.

use std::path::Path;
use std::sync::Arc;

use dkim_core::UnixTime;
use dkim_core::body_hash::{BodyHashPlan, BodyHashes};
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, SigningKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{PreparedSpec, SignatureSpec, Signing};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// What Postfix gives a milter at once.
pub(crate) const CHUNK: usize = 65_535;

/// Every backend of this build.
pub(crate) fn backends() -> Vec<Backend> {
    vec![
        #[cfg(feature = "ring")]
        Backend::Ring,
        #[cfg(feature = "aws-lc-rs")]
        Backend::AwsLc,
    ]
}

pub(crate) fn key(backend: Backend, name: &str) -> Arc<dyn SigningKey> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys").join(name);
    backend.load_key(&std::fs::read(file).unwrap()).unwrap()
}

pub(crate) fn answer(backend: Backend, key: &dyn SigningKey) -> KeyAnswer {
    KeyAnswer::parse(&TxtAnswer::Records(vec![KeyRecord::text_for(key).into_bytes()]), backend)
}

pub(crate) fn spec(canon: Canon, selector: &str) -> PreparedSpec {
    let mut spec = SignatureSpec::new(DomainName::parse("example.com").unwrap(), Selector::parse(selector).unwrap());
    spec.header_canon = canon;
    spec.body_canon = canon;
    spec.into()
}

/// 25 fields.
pub(crate) fn header() -> Vec<(String, String)> {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut fields =
        vec![field("Return-Path", " <bounces@lists.example.net>"), field("Delivered-To", " joe@example.org")];
    fields.extend((1..=4).map(|hop| {
        let value = format!(" from relay{hop}.example.net (relay{hop}.example.net [192.0.2.{hop}])\r\n\tby mx.example.org with ESMTPS id {hop}");
        field("Received", &value)
    }));
    for (name, value) in [
        ("Date", " Tue, 4 Nov 2025 11:09:58 +0100"),
        ("From", " \"Sender, Example\" <sender@example.com>"),
        ("Sender", " <sender@example.com>"),
        ("Reply-To", " Example List <list@lists.example.net>"),
        ("To", " Joe <joe@example.org>,\r\n Mary <mary@example.org>"),
        ("Cc", " Example List <list@lists.example.net>"),
        ("Subject", " [list] Re: Minutes of  the meeting,\r\n and the list of open points"),
        ("Message-ID", " <20251104100958.4711@mail.example.com>"),
        ("In-Reply-To", " <CAD5x+Qw0123456789@mail.example.org>"),
        ("References", " <20251101090000.1234@mail.example.com>\r\n <CAD5x+Qw0123456789@mail.example.org>"),
        ("MIME-Version", " 1.0"),
        ("Content-Type", " multipart/alternative;\r\n boundary=\"----=_Part_4711\""),
        ("Content-Transfer-Encoding", " 8bit"),
        ("User-Agent", " Example Mailer 12.3"),
        ("List-Id", " Example List <list.lists.example.net>"),
        ("List-Unsubscribe", " <https://lists.example.net/unsubscribe/0123456789>"),
        ("List-Unsubscribe-Post", " List-Unsubscribe=One-Click"),
        ("List-Archive", " <https://lists.example.net/archive/>"),
        ("X-Spam-Status", " No, score=-2.1 required=5.0"),
    ] {
        fields.push(field(name, value));
    }
    fields
}

/// Lines with double blanks and blanks at their ends, so that relaxed canonicalization has work.
pub(crate) fn body(octets: usize) -> Vec<u8> {
    let line = b"A line of text with  two blanks\tand a tab, and one more at its end \r\n".repeat(octets / 64 + 1);
    line[..octets].to_vec()
}

/// A message as text, signatures on top.
pub(crate) fn message(signatures: &[String], body: &[u8]) -> Vec<u8> {
    let signatures = signatures.iter().map(|value| ("DKIM-Signature".to_owned(), value.clone()));
    let fields = signatures.chain(header());
    let header: String = fields.map(|(name, value)| format!("{name}:{value}\r\n")).collect();
    [header.as_bytes(), b"\r\n", body].concat()
}

pub(crate) fn parse(message: &[u8]) -> (HeaderBlock, &[u8]) {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    (headers, &message[body..])
}

/// Field by field, as a milter gets them.
pub(crate) fn build(fields: &[(String, String)]) -> HeaderBlock {
    let mut builder = HeaderBlock::builder(HeaderLimits::default());
    for (name, value) in fields {
        builder.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    builder.finish()
}

pub(crate) fn hash<'b>(plan: BodyHashPlan, chunks: impl IntoIterator<Item = &'b [u8]>) -> BodyHashes {
    let mut hasher = plan.start();
    chunks.into_iter().for_each(|chunk| hasher.update(chunk));
    hasher.finish()
}

/// One signature.
pub(crate) fn sign<'b>(
    backend: Backend,
    headers: &HeaderBlock,
    spec: &PreparedSpec,
    key: &Arc<dyn SigningKey>,
    chunks: impl IntoIterator<Item = &'b [u8]>,
) -> String {
    let mut plan = BodyHashPlan::new(backend);
    let signing = Signing::start(headers, spec.clone(), Arc::clone(key), NOW, &mut plan).unwrap();
    signing.finish(&hash(plan, chunks)).unwrap().value
}

/// The number of signatures that pass; all have the same key.
pub(crate) fn verify<'b>(
    backend: Backend,
    headers: HeaderBlock,
    answer: &KeyAnswer,
    policy: &VerifyPolicy,
    chunks: impl IntoIterator<Item = &'b [u8]>,
) -> usize {
    let mut plan = BodyHashPlan::new(backend);
    let mut verification = Verification::start(Arc::new(headers), NOW, policy, &mut plan);
    // Asked for one by one, so that the test keeps no list of its own.
    let mut asked = 0;
    loop {
        let next = verification.key_queries().nth(asked).map(|query| query.id);
        let Some(id) = next else { break };
        verification.provide_key(id, answer.clone());
        asked += 1;
    }
    let reports = verification.finish(&hash(plan, chunks));
    reports.iter().filter(|report| report.outcome.result() == "pass").count()
}
