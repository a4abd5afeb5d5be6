//! From a journal to mail: what the daemon decided is counted, made into reports, shown, and sent to those who want them, once.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use dkim_core::body_hash::BodyHashPlan;
use dkim_core::dns::TxtAnswer;
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::verify::{KeyAnswer, Verification, VerifyPolicy};
use engine::journal::record::{Dkim, Dmarc, Identity, Published, Spf};
use engine::journal::{JournalThread, Record, Settings};
use engine::keys::{load, publish::DnsRecord};
use tempfile::TempDir;

/// Milliseconds of 2026-11-24, 00:00 UTC.
const DAY: u64 = 20_781 * 86_400_000;

/// A day later, when all reports of that day are due.
const LATER: &str = "1795651200";

struct Site {
    folder: TempDir,
}

impl Site {
    /// `@` is the folder.
    fn new(report: &str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap() };
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/key_files/pkcs8.pem");
        fs::copy(key, site.path("key.pem")).unwrap();
        fs::set_permissions(site.path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
        let script = "#!/bin/sh\ncat > @/mail-$(echo \"$5\" | tr -c 'a-z.\\n' -)\n";
        fs::write(site.path("sendmail"), site.text(script)).unwrap();
        fs::set_permissions(site.path("sendmail"), fs::Permissions::from_mode(0o755)).unwrap();
        let zone =
            "_dmarc.bank.example. IN TXT \"v=DMARC1; p=reject; rua=mailto:a@bank.example,mailto:b@stranger.test\"\n";
        fs::write(site.path("zone"), zone).unwrap();
        let text = format!(
            "state_dir = \"@/state\"\n[dns]\nzone_file = \"@/zone\"\nnameservers = [\"127.0.0.1:9\"]\ntimeout = \"200ms\"\n\
             [[domain]]\nname = \"us.example\"\nkeys = [{{ selector = \"sel\", file = \"@/key.pem\" }}]\n[report]\nnode = \"n1\"\n{report}\n"
        );
        fs::write(site.path("c.toml"), site.text(&text)).unwrap();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, text: &str) -> String {
        text.replace('@', &self.folder.path().display().to_string()).replace("a/bank", "a@bank")
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postseal-report"));
        command.arg("--config").arg(self.path("c.toml")).args(arguments).stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Three messages of a bank, one of which passed.
    fn journal(&self) {
        let settings = Settings::new(self.path("state/journal"));
        fs::create_dir_all(self.path("state")).unwrap();
        let thread = JournalThread::spawn(settings).unwrap();
        let journal = thread.journal();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (at, passes) in [(DAY, true), (DAY | 1, false), (DAY | 2, false)] {
            runtime.block_on(journal.append(message(at, passes)));
        }
        assert!(thread.finish(std::time::Duration::from_secs(30)));
    }
}

fn message(at: u64, passes: bool) -> Record {
    let published = Published {
        domain: "bank.example".to_owned(),
        discovery_method: "treewalk".to_owned(),
        p: "reject".to_owned(),
        adkim: "r".to_owned(),
        aspf: "r".to_owned(),
        rua: vec!["mailto:a@bank.example".to_owned()],
        ..Published::default()
    };
    let word = |is_so: bool| if is_so { "pass" } else { "fail" }.to_owned();
    Record {
        at,
        origin: "inbound".to_owned(),
        client: "192.0.2.1".parse().ok(),
        mail_from: "bank.example".to_owned(),
        rcpt_to: vec!["us.example".to_owned()],
        recipients: 1,
        header_from: vec!["bank.example".to_owned()],
        spf: Some(Spf {
            mail_from: Identity { domain: "bank.example".to_owned(), result: word(passes) },
            ..Spf::default()
        }),
        dkim: vec![Dkim {
            domain: "bank.example".to_owned(),
            selector: "s".to_owned(),
            result: word(passes),
            cause: None,
        }],
        dmarc: Some(Dmarc {
            result: word(passes),
            spf_aligned: passes,
            dkim_aligned: passes,
            counts_for: "bank.example".to_owned(),
            requested: "reject".to_owned(),
            disposition: if passes { "pass" } else { "reject" }.to_owned(),
            published: Some(published),
            ..Dmarc::default()
        }),
        action: if passes { "accept" } else { "reject" }.to_owned(),
        ..Record::default()
    }
}

/// The results of the signatures of a message, by the key that is on disk.
fn verify(message: &[u8], key: &Path) -> Vec<&'static str> {
    let (headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    let key = load(key, engine::BACKEND, &mut engine::config::Diagnostics::default()).unwrap();
    let record = DnsRecord::of_key(&"sel".parse().unwrap(), &"us.example".parse().unwrap(), &*key).text;
    let answer = KeyAnswer::parse(&TxtAnswer::Records(vec![record.into_bytes()]), engine::BACKEND);
    let mut plan = BodyHashPlan::new(engine::BACKEND);
    let now = dkim_core::UnixTime::from_secs(LATER.parse().unwrap());
    let mut verification = Verification::start(std::sync::Arc::new(headers), now, &VerifyPolicy::default(), &mut plan);
    let ids: Vec<_> = verification.key_queries().map(|query| query.id).collect();
    ids.into_iter().for_each(|id| verification.provide_key(id, answer.clone()));
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    verification.finish(&hasher.finish()).iter().map(|report| report.outcome.result()).collect()
}

const ON: &str = "mode = \"on\"\norg_name = \"Us\"\nemail = \"dmarc/us.example\"\ndelivery = \"sendmail:@/sendmail\"";

fn on() -> Site {
    let site = Site::new(ON);
    let text = fs::read_to_string(site.path("c.toml")).unwrap().replace("dmarc/us.example", "dmarc@us.example");
    fs::write(site.path("c.toml"), text).unwrap();
    site.journal();
    site
}

#[test]
fn without_a_word_about_it_reports_are_made_and_shown_and_not_sent() {
    let site = Site::new("");
    site.journal();
    assert_eq!(site.run(&["import", "--once"]).0, Some(0));
    let (code, out, said) = site.run(&["send", "--now", LATER]);
    assert_eq!((code, out.as_str()), (Some(0), "1 reports made, about 3 messages in 2 rows; none sent\n"), "{said}");
    let (_, listed, _) = site.run(&["outgoing", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((listed["state"].as_str(), listed["messages"].as_i64()), (Some("frozen"), Some(3)));
    let id = listed["report_id"].as_str().unwrap();
    let (code, xml, said) = site.run(&["outgoing", "show", id]);
    assert_eq!(code, Some(0), "{said}");
    assert!(xml.contains(&format!("<report_id>{id}</report_id>")) && xml.matches("<record>").count() == 2, "{xml}");
    assert!(xml.contains("<count>2</count><policy_evaluated><disposition>reject</disposition>"), "{xml}");
    // Who would get it: the stranger did not agree, and is not asked over the network here.
    let (code, out, said) = site.run(&["send", "--dry-run", "--now", LATER]);
    assert_eq!(code, Some(0), "{said}");
    assert!(out.starts_with("0 reports made"), "{out}");
    assert_eq!(site.run(&["outgoing", "show", "none"]).0, Some(1));
}

#[test]
fn r9_a_report_is_sent_once_signed_by_us_and_a_second_call_sends_nothing() {
    let site = on();
    // One address that is known, so that no question goes to a server that is not there.
    fs::write(site.path("zone"), "_dmarc.bank.example. IN TXT \"v=DMARC1; p=reject; rua=mailto:a@bank.example\"\n")
        .unwrap();
    assert_eq!(site.run(&["import", "--once"]).0, Some(0));
    let (code, out, said) = site.run(&["send", "--now", LATER]);
    assert_eq!((code, out.as_str()), (Some(0), "1 reports made, 1 mails sent\n"), "{said}");
    let file = site.path("mail-a-bank.example");
    let mail = fs::read_to_string(&file).unwrap().replace('\n', "\r\n");
    assert!(mail.starts_with("DKIM-Signature: ") && mail.contains("\r\nTo: a@bank.example\r\n"), "{mail}");
    assert_eq!(verify(mail.as_bytes(), &site.path("key.pem")), ["pass"], "{mail}");
    fs::remove_file(&file).unwrap();
    let (code, out, _) = site.run(&["send", "--now", LATER]);
    assert_eq!((code, out.as_str()), (Some(0), "0 reports made, 0 mails sent\n"));
    assert!(!file.exists());
    // Asked for, it is sent again; never, it is not.
    let (_, listed, _) = site.run(&["outgoing", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["recipient"]["state"], "sent");
    let id = listed["report_id"].as_str().unwrap();
    assert_eq!(site.run(&["outgoing", "resend", id]).0, Some(0));
    assert_eq!(site.run(&["send", "--now", LATER]).1, "0 reports made, 1 mails sent\n");
    assert!(file.exists());
    assert_eq!(site.run(&["outgoing", "never", "Bank.Example"]).0, Some(0));
    fs::remove_file(&file).unwrap();
    assert_eq!(site.run(&["outgoing", "resend", id]).0, Some(0));
    let (_, out, _) = site.run(&["send", "--now", LATER]);
    assert!(out.starts_with("0 reports made, 0 mails sent; 1 mails that ended") && !file.exists(), "{out}");
    assert_eq!(site.run(&["outgoing", "resend", "none"]).0, Some(1));
}

#[test]
fn a_dns_that_does_not_answer_and_a_program_that_fails_end_with_2_and_lose_nothing() {
    let site = on();
    assert_eq!(site.run(&["import", "--once"]).0, Some(0));
    fs::write(site.path("sendmail"), "#!/bin/sh\ncat >/dev/null\nexit 75\n").unwrap();
    // Whether the stranger wants reports cannot be asked; the domain itself has its turn.
    let (code, out, said) = site.run(&["send", "--now", LATER]);
    assert_eq!(code, Some(2), "{out}{said}");
    assert!(out.contains("1 reports about which the DNS did not tell all addressees"), "{out}");
    assert!(out.contains("1 mails that are tried again"), "{out}");
    let (_, listed, _) = site.run(&["outgoing", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["state"], &listed["recipient"]["state"]), (&"frozen".into(), &"retry".into()));
    let (_, out, _) = site.run(&["send", "--dry-run", "--now", LATER]);
    assert!(out.contains("bank.example: a@bank.example; about others the DNS does not tell"), "{out}");
}

#[test]
fn wrong_settings_are_named() {
    for (report, said) in [
        ("mode = \"on\"", "E-CONFIG-MISSING"),
        ("delivery = \"http://x\"", "write `smtp:HOST:PORT`"),
        ("smtp_user = \"u\"", "smtp_password_file"),
        ("smtp_user = \"u\"\nsmtp_password_file = \"p\"", "the password would go over the network"),
    ] {
        let site = Site::new(report);
        let (code, _, found) = site.run(&["send"]);
        assert_eq!(code, Some(78), "{report}: {found}");
        assert!(found.contains(said), "{report}: {found}");
    }
    let site = Site::new("mode = \"off\"");
    assert_eq!(site.run(&["send"]).0, Some(1));
}

#[test]
fn what_is_old_goes_and_times_that_are_too_short_are_refused() {
    let site = Site::new("");
    site.journal();
    assert_eq!(site.run(&["import", "--once"]).0, Some(0));
    let (code, out, _) = site.run(&["--json", "expire"]);
    let expired: serde_json::Value = serde_json::from_str(&out).unwrap();
    // The clock decides; what is left is what is not old.
    let left = u64::try_from(site.run(&["db", "export", "--format", "ndjson"]).1.lines().count()).unwrap();
    assert_eq!((code, expired["rows"].as_u64().unwrap() + left), (Some(0), 2), "{out}");
    for (arguments, what) in
        [(["--keep", "6d"], "shorter than 7d"), (["--keep-totals", "30d"], "shorter than `--keep`")]
    {
        let (code, _, error) = site.run(&["expire", arguments[0], arguments[1]]);
        assert_eq!(code, Some(64), "{error}");
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_folder_that_is_not_there_and_a_database_of_others_are_named_with_what_helps() {
    let site = Site::new("");
    for arguments in
        [&["import", "--once"][..], &["send"], &["expire"], &["outgoing", "list"], &["db", "check"], &["db", "migrate"]]
    {
        let (code, _, error) = site.run(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {error}");
        assert!(error.contains("/state does not exist") && error.contains("`--state`"), "{arguments:?}: {error}");
    }
    fs::create_dir(site.path("state")).unwrap();
    let (code, _, error) = site.run(&["outgoing", "list"]);
    assert!(code == Some(1) && error.contains("there is no database") && error.contains("`import`"), "{error}");
    assert_eq!(site.run(&["db", "migrate"]).0, Some(0));
    assert!(site.run(&["outgoing", "list"]).1.starts_with("no reports"));
    let error = site.run(&["outgoing", "show", "a\u{1b}[31m"]).2;
    assert!(error.contains("`a\\u{1b}[31m`"), "{error}");
    // An empty journal.
    fs::create_dir(site.path("state/journal")).unwrap();
    assert_eq!(site.run(&["import", "--once"]).0, Some(0));
    assert!(site.run(&["db", "check"]).1.contains("n1: nothing is counted yet"));
}
