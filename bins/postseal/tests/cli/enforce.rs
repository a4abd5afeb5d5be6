//! `enforce` over a journal that the engine writes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::journal::Record;
use engine::journal::record::{Dkim, Dmarc};

use crate::run::{err, json, open_journal, out, postseal};

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// So many messages of bank.example with this result, from hosts that sign as `signer`.
fn mail(folder: &Path, count: usize, result: &str, signer: Option<&str>, client: &str) {
    let journal = open_journal(&folder.join("state/journal"));
    let dkim = signer.map(|domain| Dkim { domain: domain.to_owned(), result: "pass".to_owned(), ..Dkim::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        for _ in 0..count {
            let record = Record {
                at: now(),
                header_from: vec!["bank.example".to_owned()],
                client: Some(client.parse().unwrap()),
                dkim: dkim.clone().into_iter().collect(),
                dmarc: Some(Dmarc { result: result.to_owned(), spf_aligned: result == "pass", ..Dmarc::default() }),
                ..Record::default()
            };
            journal.journal().append(record).await;
        }
    });
    assert!(journal.finish(Duration::from_secs(10)));
}

fn enforce(folder: &Path, more: &[&str]) -> std::process::Output {
    let mut arguments = vec!["enforce", "--state", "state"];
    arguments.extend(more);
    postseal(folder, &arguments)
}

const RAMP: [&str; 6] = ["bank.example", "--ramp", "--step", "1s", "--messages", "20"];

#[test]
fn a_ramp_goes_up_step_by_step_and_an_incident_stops_it_and_takes_it_back() {
    let folder = tempfile::tempdir().unwrap();
    mail(folder.path(), 1, "pass", Some("bank.example"), "192.0.2.1");
    let begun = out(&enforce(folder.path(), &RAMP), 0);
    assert!(begun.starts_with("bank.example: observe (stay: the step lasts "), "{begun}");
    for step in ["quarantine 10 %", "quarantine 25 %"] {
        std::thread::sleep(Duration::from_millis(1100));
        mail(folder.path(), 30, "pass", Some("bank.example"), "192.0.2.1");
        // Forgeries from everywhere make no difference.
        mail(folder.path(), 5, "fail", None, "198.51.100.7");
        let report = json(&enforce(folder.path(), &[&RAMP[..], &["--json"]].concat()), 0);
        assert_eq!((report["step"].as_str(), report["decision"].as_str()), (Some(step), Some("advance")), "{report}");
        // A step begins with its second, so mail of the second in which the last one was decided may count twice.
        let count = |name: &str| report["seen"][name].as_u64().unwrap();
        assert!(count("passed") >= 30 && count("failed") >= 5 && count("temperrors") == 0, "{report}");
    }
    let listed = out(&postseal(folder.path(), &["enforce", "--list", "--state", "state"]), 0);
    assert!(listed.starts_with("bank.example: quarantine 25 % since 20"), "{listed}");

    // The incident: the domain's own host loses its signature.
    std::thread::sleep(Duration::from_millis(1100));
    mail(folder.path(), 40, "fail", None, "192.0.2.1");
    let tried = json(&enforce(folder.path(), &[&RAMP[..], &["--dry-run", "--json"]].concat()), 1);
    assert_eq!(tried["decision"], "stop");
    let shown = out(&enforce(folder.path(), &["bank.example"]), 0);
    assert!(shown.starts_with("bank.example: quarantine 25 %"), "a dry run changes nothing: {shown}");
    let stopped = out(&enforce(folder.path(), &RAMP), 1);
    let told = "bank.example: observe; stopped: 40 of ";
    let why = " messages of ip:192.0.2.0/24 fail, which is an approved source";
    assert!(stopped.starts_with(told) && stopped.contains(why) && stopped.contains("--resume"), "{stopped}");
    // It stays there.
    std::thread::sleep(Duration::from_millis(1100));
    mail(folder.path(), 50, "pass", Some("bank.example"), "192.0.2.1");
    assert!(out(&enforce(folder.path(), &RAMP), 1).starts_with("bank.example: observe; stopped"));
    let resumed = json(&enforce(folder.path(), &["bank.example", "--resume", "--json"]), 0);
    assert_eq!((resumed["step"].as_str(), &resumed["stopped"]), (Some("observe"), &serde_json::Value::Null));
    let events: Vec<&str> =
        resumed["events"].as_array().unwrap().iter().map(|it| it["step"].as_str().unwrap()).collect();
    assert_eq!(events, ["observe", "quarantine 10 %", "quarantine 25 %", "observe", "observe"]);
}

/// A domain at the top.
fn at_the_top(folder: &Path) {
    mail(folder, 1, "pass", Some("bank.example"), "192.0.2.1");
    out(&enforce(folder, &["bank.example", "--ramp", "--approve", "ip:192.0.2.1"]), 0);
    let file = folder.join("state/enforcement.json");
    let steps = std::fs::read_to_string(&file).unwrap();
    assert_eq!(steps.matches("\"at\":0,").count(), 1, "{steps}");
    std::fs::write(&file, steps.replace("\"at\":0,", "\"at\":8,")).unwrap();
}

/// The program that decides every second, with these options beside.
struct Watch(Child, BufReader<ChildStdout>);

impl Watch {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postseal"))
            .current_dir(folder)
            .args(["enforce", "--state", "state", "bank.example", "--ramp", "--every", "1s"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self(child, lines)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line
    }

    /// The rest of what it prints, what it says on standard error, and its exit code; it has to end by itself.
    fn end(mut self) -> (String, String, Option<i32>) {
        let (mut rest, mut told) = (String::new(), String::new());
        self.1.read_to_string(&mut rest).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        (rest, told, self.0.wait().unwrap().code())
    }
}

#[test]
fn a_watch_goes_on_at_the_top_and_ends_when_an_incident_takes_the_domain_back() {
    let folder = tempfile::tempdir().unwrap();
    at_the_top(folder.path());
    let mut watch = Watch::start(folder.path(), &["--approve", "dkim:service.example"]);
    assert_eq!(watch.line(), "bank.example: reject (stay: at the top)\n");
    // What somebody says meanwhile stands: the options of the watch were taken at its beginning.
    out(&enforce(folder.path(), &["bank.example", "--ignore", "dkim:service.example"]), 0);
    std::thread::sleep(Duration::from_millis(2500));
    let shown = json(&enforce(folder.path(), &["bank.example", "--json"]), 0);
    assert_eq!(shown["ignored"], serde_json::json!(["dkim:service.example"]), "{shown}");
    assert!(watch.0.try_wait().unwrap().is_none(), "it watches on");
    mail(folder.path(), 40, "fail", None, "192.0.2.1");
    let (rest, told, code) = watch.end();
    assert!(
        rest.contains("bank.example: observe; stopped: ") && rest.contains("which is an approved source"),
        "{rest}"
    );
    assert_eq!((code, told.as_str()), (Some(1), ""));
    assert_eq!(rest.matches("(stay: at the top)").count(), 0, "nothing is told twice: {rest}");
}

#[test]
fn a_second_one_does_not_walk_the_same_domain_and_a_watch_survives_what_is_wrong_for_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    at_the_top(folder.path());
    let mut watch = Watch::start(folder.path(), &[]);
    watch.line();
    let refused = format!("bank.example is walked by process {} already", watch.0.id());
    for more in [&["--every", "1s"][..], &[]] {
        let told = err(&enforce(folder.path(), &[&RAMP[..], more].concat()), 1);
        assert!(told.contains(&refused) && told.contains("fix: "), "{told}");
    }
    // What would be decided may be asked, and another domain be walked.
    out(&enforce(folder.path(), &["bank.example", "--ramp", "--dry-run"]), 0);
    out(&enforce(folder.path(), &["shop.example", "--ramp"]), 0);
    let (journal, aside) = (folder.path().join("state/journal"), folder.path().join("aside"));
    std::fs::rename(&journal, &aside).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    std::fs::rename(&aside, &journal).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(watch.0.try_wait().unwrap().is_none(), "it watches on");
    out(&enforce(folder.path(), &["bank.example", "--forget"]), 0);
    let (_, told, code) = watch.end();
    assert_eq!(code, Some(1));
    assert!(told.contains("the journal in state/journal cannot be read"), "{told}");
    assert!(told.contains("bank.example was forgotten by another run, and is not walked any more"), "{told}");
    let listed = out(&enforce(folder.path(), &["--list"]), 0);
    assert!(!listed.contains("bank.example"), "a watch does not begin anew: {listed}");
    // Whoever was killed is in nobody's way.
    let mut watch = Watch::start(folder.path(), &[]);
    watch.line();
    watch.0.kill().unwrap();
    watch.0.wait().unwrap();
    out(&enforce(folder.path(), &["bank.example", "--ramp"]), 0);
}

#[test]
fn whoever_only_looks_needs_no_lock_and_whoever_changes_something_waits_for_it_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    at_the_top(folder.path());
    let lock = std::fs::File::open(folder.path().join("state/.enforcement.lock")).unwrap();
    lock.lock().unwrap();
    for looks in [&["bank.example"][..], &["--list"], &["bank.example", "--ramp", "--dry-run"]] {
        out(&enforce(folder.path(), looks), 0);
    }
    let told = err(&enforce(folder.path(), &["bank.example", "--stop", "an incident"]), 1);
    assert!(told.contains("another process has held it for 10 s") && told.contains("fuser"), "{told}");
    drop(lock);
    out(&enforce(folder.path(), &["bank.example", "--stop", "an incident"]), 0);
    let named = out(&enforce(folder.path(), &["--list"]), 0);
    assert!(named.contains("stopped: an incident"), "{named}");
}

#[test]
fn a_walker_that_was_killed_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    at_the_top(folder.path());
    let mut watch = Watch::start(folder.path(), &[]);
    assert_eq!(watch.line(), "bank.example: reject (stay: at the top)\n");
    assert!(err(&enforce(folder.path(), &["bank.example", "--ramp"]), 1).contains("is walked by process"));
    watch.0.kill().unwrap();
    watch.0.wait().unwrap();
    out(&enforce(folder.path(), &["bank.example", "--ramp"]), 0);
}

#[test]
fn somebody_says_what_a_source_is() {
    let folder = tempfile::tempdir().unwrap();
    mail(folder.path(), 1, "pass", Some("bank.example"), "192.0.2.1");
    out(&enforce(folder.path(), &RAMP), 0);
    std::thread::sleep(Duration::from_millis(1100));
    mail(folder.path(), 30, "pass", Some("bank.example"), "192.0.2.1");
    mail(folder.path(), 15, "fail", Some("service.example"), "203.0.113.5");
    let stays = out(&enforce(folder.path(), &RAMP), 0);
    let why = "bank.example: observe (stay: dkim:service.example sends mail of the domain that fails (15 messages)";
    assert!(stays.starts_with(why), "{stays}");
    let ignored = ["bank.example", "--ignore", "dkim:Service.example", "--ignore", "ip:198.51.100.77"];
    let report = out(&enforce(folder.path(), &ignored), 0);
    assert!(report.starts_with("bank.example: observe\n"), "{report}");
    std::thread::sleep(Duration::from_millis(1100));
    mail(folder.path(), 30, "pass", Some("bank.example"), "192.0.2.1");
    mail(folder.path(), 15, "fail", Some("service.example"), "203.0.113.5");
    let report = json(&enforce(folder.path(), &[&RAMP[..], &["--json"]].concat()), 0);
    assert_eq!(report["step"], "quarantine 10 %", "{report}");
    assert_eq!(report["ignored"], serde_json::json!(["dkim:service.example", "ip:198.51.100.0/24"]));
    let stopped = out(&enforce(folder.path(), &["bank.example", "--stop", "the bank asked for it"]), 0);
    assert!(stopped.starts_with("bank.example: observe; stopped: the bank asked for it"), "{stopped}");
    out(&enforce(folder.path(), &RAMP), 1);
    assert!(out(&enforce(folder.path(), &["bank.example", "--forget"]), 0).contains("forgotten"));
    assert!(err(&enforce(folder.path(), &["bank.example"]), 1).contains("is not on its way"));
}

#[test]
fn what_is_wrong_is_told_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let error = err(&enforce(folder.path(), &["--list"]), 1);
    assert!(error.contains("there is no state folder state") && error.contains("--state"), "{error}");
    std::fs::create_dir_all(folder.path().join("state")).unwrap();
    let error = err(&enforce(folder.path(), &RAMP), 1);
    assert!(error.contains("the journal in state/journal cannot be read") && error.contains("--journal"), "{error}");
    for (arguments, cause) in [
        (&["bank.example", "--ramp", "--stop", "x"][..], "cannot be used with"),
        (&["bank.example", "--every", "1h"], "--ramp"),
        (&["bank.example", "--ramp", "--every", "1h", "--dry-run"], "cannot be used with"),
        (&["--list", "--approve", "dkim:bank.example"], "cannot be used with"),
        (&["--list", "--step", "1h"], "cannot be used with"),
        (&["--list", "--journal", "journal"], "cannot be used with"),
        (&["--list", "bank.example"], "cannot be used with"),
        (&["bank.example", "--forget", "--ignore", "dkim:bank.example"], "cannot be used with"),
        (&["bank.example", "--ramp", "--step", "5"], "no unit"),
        (&["bank.example", "--approve", "bank.example"], "write dkim:DOMAIN"),
        (&["bank.example", "--approve", "ip:x/24"], "x is no address"),
        (&["bank.example", "--approve", "ip:10.0.0.0/8"], "told apart by /24"),
        (&["bank"], "a domain has a dot"),
        (&[], "required"),
    ] {
        let error = err(&enforce(folder.path(), arguments), 64);
        assert!(error.contains(cause), "{arguments:?}: {error}");
    }
    std::fs::create_dir_all(folder.path().join("state")).unwrap();
    std::fs::write(folder.path().join("state/enforcement.json"), "x").unwrap();
    let error = err(&postseal(folder.path(), &["enforce", "--list", "--state", "state"]), 1);
    assert!(error.contains("enforcement.json is not a file of enforcement steps"), "{error}");
    assert!(error.contains("fix: mend the file, or remove it"), "{error}");
}
