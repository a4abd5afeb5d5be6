//! Signatures as Debian's opendkim makes them: the same field, octet for octet, with the same key at the same time.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a vector of the wrong shape should stop the test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::crypto::{Backend, SigningKey};
use dkim_core::dns::TxtAnswer;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::key_record::KeyRecord;
use dkim_core::sign::{Layout, Selection, SignatureSpec, Signing};
use dkim_core::signature::Identity;
use dkim_core::verify::{BodyLengthPolicy, FailCause, KeyAnswer, Outcome, Verification, VerifyPolicy};
use serde_json::{Map, Value};

/// What opendkim signs where its `SignHeaders` does not say otherwise.
const SIGN_HEADERS: &str = "from,reply-to,subject,date,to,cc,resent-date,resent-from,resent-sender,resent-to,resent-cc,in-reply-to,references,\
     list-id,list-help,list-unsubscribe,list-subscribe,list-post,list-owner,list-archive";

/// What it never signs where its `OmitHeaders` does not say otherwise.
const OMIT_HEADERS: &str = "return-path,received,comments,keywords";

/// Cases in which `b=` is another one because theirs does not verify, and why. Any other difference fails the test, and so does a field that is the
/// same.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "oversigned-present-not-signed",
        "h= lists Message-ID once, for the sake of OversignHeaders, and the field that the message has is not hashed. §5.4.2: a name selects the \
         lowest field of that name that is left",
    ),
    (
        "ed25519-simple",
        "it hashes its own field with \"; b=\" and emits it with a fold before \"b=\". §3.4.1: \"Header fields MUST be presented to the signing or \
         verification algorithm exactly as they are in the message\"",
    ),
];

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// One case of `cases.json`.
struct Case {
    value: Value,
}

impl Case {
    fn all() -> Vec<Self> {
        let text = fs::read_to_string(vectors().join("opendkim/cases.json")).unwrap();
        let Value::Array(cases) = serde_json::from_str(&text).unwrap() else { panic!("cases.json is no list") };
        cases.into_iter().map(|value| Self { value }).collect()
    }

    fn text(&self, name: &str) -> &str {
        self.value[name].as_str().unwrap_or_else(|| panic!("no text {name}: {}", self.value))
    }

    fn name(&self) -> &str {
        self.text("name")
    }

    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.value["time"].as_u64().unwrap())
    }

    fn key(&self) -> Arc<dyn SigningKey> {
        Backend::default().load_key(&fs::read(vectors().join("keys").join(self.text("key"))).unwrap()).unwrap()
    }

    fn options(&self) -> &Map<String, Value> {
        self.value["options"].as_object().unwrap()
    }

    /// The spec that means the same as the options.
    fn spec(&self) -> SignatureSpec {
        let domain = DomainName::parse(self.text("domain")).unwrap();
        let mut spec = SignatureSpec::new(domain, Selector::parse(self.text("selector")).unwrap());
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        spec.layout = Layout::OpenDkim;
        (spec.header_canon, spec.body_canon) = (Canon::Simple, Canon::Simple);
        (spec.signed, spec.oversigned) = (list(SIGN_HEADERS), Vec::new());
        let mut omitted = list(OMIT_HEADERS);
        for (option, value) in self.options() {
            let value = value.as_str().unwrap();
            match option.as_str() {
                "Canonicalization" => {
                    let (header, body) = value.split_once('/').unwrap_or((value, "simple"));
                    let canon = |name: &str| Canon::from_name(name.as_bytes()).unwrap();
                    (spec.header_canon, spec.body_canon) = (canon(header), canon(body));
                }
                "SignHeaders" => spec.signed = list(value),
                "OmitHeaders" => omitted = list(value),
                "OversignHeaders" => spec.oversigned = list(value),
                "SignatureTTL" => spec.lifetime = Some(Duration::from_secs(value.parse().unwrap())),
                "RequestReports" => spec.request_reports = value == "yes",
                "MaximumSignedBytes" => spec.body_length = Some(value.parse().unwrap()),
                "BodyLengthDB" => spec.body_length = spec.body_length.or(Some(u64::MAX)),
                // The type of the key says it.
                "SignatureAlgorithm" => {}
                other => panic!("what does {other} mean?"),
            }
        }
        spec.selection = Selection::InMessageOrder { omitted };
        if let Some(signer) = self.value["signer"].as_str() {
            let (local_part, domain) = signer.split_once('@').unwrap();
            spec.identity = Some(Identity::new(local_part, DomainName::parse(domain).unwrap()));
        }
        spec
    }

    /// The field that we make, as it stands in a message.
    fn field(&self) -> String {
        let message = self.text("message").as_bytes();
        let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
        let mut plan = BodyHashPlan::new(Backend::default());
        let signing = Signing::start(&headers, self.spec(), self.key(), self.now(), &mut plan).unwrap();
        let mut hasher = plan.start();
        hasher.update(&message[body..]);
        let field = signing.finish(&hasher.finish()).unwrap();
        format!("{}:{}", field.name, field.value)
    }

    /// What a verifier says about the message with this field on top.
    fn outcome(&self, field: &str) -> Outcome {
        let message = format!("{field}\r\n{}", self.text("message"));
        let (headers, body) = HeaderBlock::parse(message.as_bytes(), HeaderLimits::default()).unwrap();
        let backend = Backend::default();
        let (mut plan, mut policy) = (BodyHashPlan::new(backend), VerifyPolicy::default());
        policy.body_length = BodyLengthPolicy::Accept;
        let mut verification = Verification::start(Arc::new(headers), self.now(), &policy, &mut plan);
        let record = KeyRecord::text_for(&*self.key());
        let ids: Vec<_> = verification.key_queries().map(|query| query.id).collect();
        for id in ids {
            let answer = TxtAnswer::Records(vec![record.clone().into_bytes()]);
            verification.provide_key(id, KeyAnswer::parse(&answer, backend));
        }
        let mut hasher = plan.start();
        hasher.update(&message.as_bytes()[body..]);
        verification.finish(&hasher.finish()).swap_remove(0).outcome
    }
}

/// The field before the value of `b=`, which is the last tag.
fn before_b(field: &str) -> &str {
    &field[..field.rfind("\tb=").unwrap()]
}

#[test]
fn opendkim_s5_1_fields_are_the_same_octets() {
    for case in Case::all() {
        let (ours, theirs) = (case.field(), case.text("field"));
        assert_eq!(before_b(&ours), before_b(theirs), "{}", case.name());
        let listed = DIFFERENT.iter().find(|(name, _)| *name == case.name());
        assert_eq!(ours != theirs, listed.is_some(), "{} {listed:?}\n{theirs}\n{ours}", case.name());
    }
}

/// What we make is good by the standard, and so is what they make unless the case is listed.
#[test]
fn opendkim_s5_1_what_is_signed_verifies() {
    for case in Case::all() {
        assert_eq!(case.outcome(&case.field()), Outcome::Pass, "{}", case.name());
        let is_listed = DIFFERENT.iter().any(|(name, _)| *name == case.name());
        let expected = if is_listed { Outcome::Fail(FailCause::Signature) } else { Outcome::Pass };
        assert_eq!(case.outcome(case.text("field")), expected, "{}", case.name());
    }
}

#[test]
fn every_listed_difference_is_of_a_case() {
    let cases = Case::all();
    for (name, why) in DIFFERENT {
        assert!(cases.iter().any(|case| case.name() == *name), "{name}: {why}");
    }
}
