use std::path::Path;
use std::sync::Mutex;

use dkim_core::crypto::PrivateKey;
use dkim_core::domain::Selector;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::*;
use crate::config::{self, Config};
use crate::dns::Zone;
use crate::keys::{Keys, signing_key};

/// Log lines at `info` and above, as `LEVEL message name=value …`.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        struct Text(String, String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                match field.name() {
                    "message" => self.0 = format!("{value:?}"),
                    name => self.1.push_str(&format!(" {name}={value:?}")),
                }
            }
        }
        if *event.metadata().level() <= Level::INFO {
            let mut text = Text(String::new(), String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push(format!("{} {}{}", event.metadata().level(), text.0, text.1));
        }
    }
}

const CONFIG: &str = "[signing]\non_key_mismatch = \"skip\"\n[[domain]]\nname = \"example.com\"\nkeys = [{ selector = \"unused\", file = \"unused\" }]\n\
    [[domain]]\nname = \"*.example.com\"\nkeys = [{ selector = \"unused\", file = \"unused\" }]\n";

fn rules() -> Arc<Rules> {
    let (config, _): (Config, _) = config::parse(CONFIG, Path::new("/postseal.toml")).unwrap();
    let mut rules = Rules::new(config, &Keys::default());
    for (rule, selector, file) in [(0, "r1", "pkcs8.pem"), (0, "e1", "ed25519.pem"), (1, "r1", "pkcs8.pem")] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files").join(file);
        let key = PrivateKey::from_text(&std::fs::read(file).unwrap()).unwrap();
        let key = signing_key(&key, crate::BACKEND).unwrap();
        assert!(rules.add_signer(rule, &Selector::parse(selector).unwrap(), key));
    }
    Arc::new(rules)
}

/// A setup in which the DNS has these records, and the right ones where they are `None`.
fn setup(rules: &Arc<Rules>, rsa: Option<&str>) -> Setup {
    let mut zone = Zone::default();
    for key in watched(rules) {
        let text = match rsa {
            Some(text) if key.own.selector.as_str() == "r1" => text.to_owned(),
            _ => key.own.record.text.clone(),
        };
        zone.insert(&key.own.record.name, text.as_bytes());
    }
    Setup { rules: Arc::clone(rules), resolver: Resolver::offline(zone, crate::BACKEND) }
}

/// A setup in which the DNS does not answer.
fn silent(rules: &Arc<Rules>) -> Setup {
    let text = "r1._domainkey.example.com. SERVFAIL\ne1._domainkey.example.com. SERVFAIL\n";
    let zone = Zone::parse(text.as_bytes(), Path::new("zone")).unwrap();
    Setup { rules: Arc::clone(rules), resolver: Resolver::offline(zone, crate::BACKEND) }
}

fn mismatched(rules: &Rules) -> Vec<bool> {
    rules.all_signers().map(|(_, signer)| signer.standing.is_mismatched()).collect()
}

#[test]
fn a_key_of_several_rules_is_checked_once() {
    let rules = rules();
    let keys = watched(&rules);
    let names: Vec<&str> = keys.iter().map(|key| key.own.record.name.as_str()).collect();
    assert_eq!(names, ["r1._domainkey.example.com", "e1._domainkey.example.com"]);
    assert_eq!(keys.iter().map(|key| key.standings.len()).collect::<Vec<_>>(), [2, 1]);
    assert!(keys.iter().all(|key| key.is_skipped && key.siblings.len() == 2));
}

#[tokio::test(start_paused = true)]
async fn m44_findings_are_told_when_new_and_once_a_day() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let (rules, mut watch, start) = (rules(), Watch::default(), Instant::now());
    let hour = Duration::from_secs(3600);

    watch.round(&setup(&rules, None), Scope::All, start).await;
    assert_eq!(lines.take(), ["INFO keys compared with the DNS matching=2 mismatched=0 unanswered=0"]);
    assert_eq!(mismatched(&rules), [false; 3]);

    let revoked = setup(&rules, Some("v=DKIM1; p="));
    watch.round(&revoked, Scope::All, start + hour).await;
    let told = lines.take();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("WARN key and DNS key=r1._domainkey.example.com finding=\"dns-key-revoked\""),
        "{told:?}"
    );
    assert!(told[0].contains("postseal key new") && told[0].ends_with("signs=false"), "{told:?}");
    assert_eq!(mismatched(&rules), [true, false, true]);
    for hours in 2..24 {
        watch.round(&revoked, Scope::All, start + hour * hours).await;
    }
    assert_eq!(lines.take(), Vec::<String>::new(), "what is known is not repeated");
    watch.round(&revoked, Scope::All, start + hour * 25).await;
    assert_eq!(lines.take().len(), 1, "but for once a day");

    let cut = watched(&rules)[0].own.record.text[..255].to_owned();
    watch.round(&setup(&rules, Some(&cut)), Scope::All, start + hour * 26).await;
    let told = lines.take();
    assert!(told.len() == 1 && told[0].contains("dns-key-cut-at-255"), "another finding is news: {told:?}");
    assert!(told[0].contains("record=\"r1._domainkey.example.com. 3600 IN TXT \\\"v=DKIM1;"), "{told:?}");

    watch.round(&setup(&rules, None), Scope::All, start + hour * 27).await;
    let told = lines.take();
    assert!(
        told[0].starts_with("INFO the DNS has the record of the key again key=r1._domainkey.example.com"),
        "{told:?}"
    );
    assert_eq!(mismatched(&rules), [false; 3]);
    let count = |state| watch.counters.checks(state);
    assert_eq!((count(State::Matches), count(State::Mismatch), watch.counters.rounds()), (29, 25, 27));
}

#[tokio::test(start_paused = true)]
async fn a_dns_that_is_silent_changes_no_standing_and_is_told_once() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let (rules, mut watch, start) = (rules(), Watch::default(), Instant::now());
    for _ in 0..3 {
        watch.round(&silent(&rules), Scope::All, start).await;
    }
    let told = lines.take();
    assert!(
        told.len() == 1 && told[0].starts_with("WARN keys compared") && told[0].ends_with("unanswered=2"),
        "{told:?}"
    );
    assert_eq!(mismatched(&rules), [false; 3]);
    assert!(rules.all_signers().all(|(_, signer)| signer.standing.latest() == Some(State::Unknown)));

    watch.round(&setup(&rules, Some("v=DKIM1; p=")), Scope::All, start).await;
    lines.take();
    watch.round(&silent(&rules), Scope::All, start).await;
    assert_eq!(mismatched(&rules), [true, false, true], "what was wrong is not right because nobody answers");
    watch.round(&setup(&rules, Some("v=DKIM1; p=")), Scope::All, start).await;
    let told = lines.take();
    assert!(told.iter().all(|line| !line.contains("dns-key-revoked")), "and it is not news afterwards: {told:?}");
    assert_eq!(watch.counters.checks(State::Unknown), 8);
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_over_what_is_known_of_the_same_keys() {
    let (before, mut watch) = (rules(), Watch::default());
    watch.round(&setup(&before, Some("v=DKIM1; p=")), Scope::All, Instant::now()).await;
    let after = rules();
    after.take_over_standings(&before);
    assert_eq!(mismatched(&after), [true, false, true]);
    let mut other = Rules::new(before.config().clone(), &Keys::default());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/key_files/rsa1536.pem");
    let key = signing_key(&PrivateKey::from_text(&std::fs::read(file).unwrap()).unwrap(), crate::BACKEND).unwrap();
    assert!(other.add_signer(0, &Selector::parse("r1").unwrap(), key));
    other.take_over_standings(&before);
    assert_eq!(mismatched(&other), [false], "another key under the same selector is another key");
}

#[tokio::test(start_paused = true)]
async fn every_key_is_checked_at_the_start_and_after_each_interval() {
    let (rules, mut watch) = (rules(), Watch::default());
    let kept = tokio::time::timeout(Duration::from_secs(2 * 3600 + 60), watch.keep(&setup(&rules, None))).await;
    assert!(kept.is_err(), "it goes on for ever");
    assert_eq!((watch.counters.rounds(), watch.counters.checks(State::Matches)), (3, 6));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_a_key_is_asked_for_again_soon_and_only_that_key() {
    let (rules, mut watch) = (rules(), Watch::default());
    let record = watched(&rules)[1].own.record.clone();
    let text = format!("r1._domainkey.example.com. SERVFAIL\n{}\n", record.to_line());
    let zone = Zone::parse(text.as_bytes(), Path::new("zone")).unwrap();
    let half = Setup { rules: Arc::clone(&rules), resolver: Resolver::offline(zone, crate::BACKEND) };
    let kept = tokio::time::timeout(Duration::from_secs(62 * 60), watch.keep(&half)).await;
    assert!(kept.is_err());
    let count = |state| watch.counters.checks(state);
    assert_eq!((count(State::Unknown), count(State::Matches)), (13, 2), "at 0, 5, …, 55 and 60 minutes; at 0 and 60");
}
