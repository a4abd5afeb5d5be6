//! Reports on their way: made once, sent once to each recipient, whatever ends in between (RFC 9990; ).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "helpers of tests")]

#[path = "support/databases.rs"]
mod databases;

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::dns::{Resolver, Zone};
use ledger::outgoing::deliver::{DeliverError, Deliverer, LEASE, Turn};
use ledger::outgoing::freeze::{FreezeError, freeze, late};
use ledger::outgoing::schedule::{self, GIVE_UP_AFTER};
use ledger::outgoing::suppression::{FIRST_SUPPRESSION, LONGEST_SUPPRESSION};
use ledger::outgoing::transport::{Mailer, Server, Tls, Way};
use ledger::outgoing::{OnUnknown, Settings};
use ledger::store::{Engine, Kind, Store, Value, migrate};
use mail_parser::{MessageParser, MimeHeaders as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use databases::Databases;

/// 2026-11-24.
const DAY: u32 = 20_781;
const DAY_END: u64 = 1_795_564_799;
/// When everything of that day is due.
const LATER: u64 = DAY_END + schedule::LATEST;

const ZONE: &str = "_dmarc.bank.example. IN TXT \"v=DMARC1; p=reject; rua=mailto:a@bank.example,mailto:b@other.test\"\n\
    bank.example._report._dmarc.other.test. IN TXT \"v=DMARC1\"\n_dmarc.gone.example. IN TXT \"v=DMARC1; p=none\"\n";

/// A mail server that gives the next answer to each message (in place of the reply to its end), or to its RCPT when that begins with `!`.
#[derive(Clone)]
struct Mta {
    port: u16,
    answers: Arc<Mutex<Vec<&'static str>>>,
    /// A recipient that is always refused.
    refused: Arc<Mutex<String>>,
    messages: Arc<Mutex<Vec<Taken>>>,
    /// What an answer "slow" waits for, before it is 451.
    go_on: Arc<tokio::sync::Notify>,
}

/// Recipient and text of a message that was taken.
type Taken = (String, Vec<u8>);

impl Mta {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mta = Self {
            port,
            answers: Arc::default(),
            refused: Arc::default(),
            messages: Arc::default(),
            go_on: Arc::default(),
        };
        let serving = mta.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serving.clone().serve(BufReader::new(stream)));
            }
        });
        mta
    }

    async fn serve(self, mut stream: BufReader<tokio::net::TcpStream>) {
        let (mut recipient, mut text, mut in_data, mut line) = (String::new(), Vec::new(), false, Vec::new());
        stream.write_all(b"220 here\r\n").await.unwrap();
        while stream.read_until(b'\n', &mut line).await.unwrap_or(0) > 0 {
            let is_end = in_data && line == b".\r\n";
            let reply = if in_data && !is_end {
                text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
                None
            } else if is_end {
                in_data = false;
                let answer = self.answers.lock().unwrap().pop();
                if answer == Some("lost") {
                    return;
                }
                let answer = if answer == Some("slow") {
                    self.go_on.notified().await;
                    Some("451 at last")
                } else {
                    answer
                };
                if matches!(answer, None | Some("taken" | "taken and lost")) {
                    self.messages.lock().unwrap().push((recipient.clone(), std::mem::take(&mut text)));
                }
                if answer == Some("taken and lost") {
                    return;
                }
                text.clear();
                Some(answer.filter(|answer| *answer != "taken").unwrap_or("250 taken"))
            } else if line.starts_with(b"RCPT") {
                recipient = String::from_utf8(line.clone()).unwrap();
                recipient = recipient.split(['<', '>']).nth(1).unwrap().to_owned();
                let refusal = self.answers.lock().unwrap().last().and_then(|answer| answer.strip_prefix('!'));
                if refusal.is_some() {
                    self.answers.lock().unwrap().pop();
                }
                let is_refused = *self.refused.lock().unwrap() == recipient;
                Some(if is_refused { "550 nobody" } else { refusal.unwrap_or("250 ok") })
            } else if line.starts_with(b"DATA") {
                in_data = true;
                Some("354 go on")
            } else {
                Some("250 ok")
            };
            if let Some(reply) = reply {
                stream.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            }
            line.clear();
        }
    }

    fn answer(&self, answers: &[&'static str]) {
        *self.answers.lock().unwrap() = answers.iter().rev().copied().collect();
    }

    fn refuse(&self, recipient: &str) {
        recipient.clone_into(&mut self.refused.lock().unwrap());
    }

    fn mailer(&self) -> Mailer {
        Mailer::new(Way::Smtp(Server {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls: Tls::Off,
            credentials: None,
            hello: "us.example".to_owned(),
        }))
    }

    fn recipients(&self) -> Vec<String> {
        self.messages.lock().unwrap().iter().map(|(recipient, _)| recipient.clone()).collect()
    }
}

struct Site {
    store: Store,
    settings: Settings,
    resolver: Resolver,
    mta: Mta,
}

impl Site {
    async fn new(databases: &mut impl Databases) -> Self {
        let mut store = Store::new(databases.new_one().await);
        migrate::migrate(&mut store, 0).await.unwrap();
        let zone = Zone::parse(ZONE.as_bytes(), Path::new("zone")).unwrap();
        let site = Self {
            store,
            settings: Settings::new("Us", "dmarc@us.example", "n1"),
            resolver: Resolver::offline(zone, engine::BACKEND),
            mta: Mta::start().await,
        };
        site.filled().await
    }

    /// Rows of that day: two of a bank, one of them of a message that passed; one of a domain that asks no more; one that nobody qualifies for.
    async fn filled(mut self) -> Self {
        for (id, name) in [(1, "bank.example"), (2, "gone.example"), (3, "forged.example"), (4, "x.example")] {
            let sql = "INSERT INTO domain (id, name) VALUES (?, ?)";
            self.store.execute(sql, &[Value::Int(id), Value::Text(name)], false).await.unwrap();
        }
        for id in 1..4_i64 {
            self.policy(id).await;
        }
        let authset = "{\"dkim\":[[\"bank.example\",\"s\",\"pass\"]],\"spf\":[\"x.example\",\"mfrom\",\"fail\"]}";
        let sql = "INSERT INTO authset (id, hash, body) VALUES (1, ?, ?)";
        self.store.execute(sql, &[Value::Bytes(&[1; 16]), Value::Text(authset)], false).await.unwrap();
        self.row(1, [192, 0, 2, 1], 3, 1).await;
        self.row(1, [192, 0, 2, 2], 4, 0).await;
        self.row(2, [192, 0, 2, 1], 1, 1).await;
        self.row(3, [192, 0, 2, 9], 1000, 0).await;
        self
    }

    /// A policy of the domain with the same number.
    async fn policy(&mut self, id: i64) {
        let hash = [u8::try_from(id).unwrap(); 16];
        let values = [Value::Int(id), Value::Int(id), Value::Bytes(&hash)];
        let sql = "INSERT INTO policy (id, domain_id, hash, p, sp, np, adkim, aspf, fo, testing, discovery, rua, first_seen, last_seen) \
                   VALUES (?, ?, ?, 'reject', NULL, NULL, 'r', 'r', NULL, 0, 'treewalk', '[\"mailto:a@bank.example\"]', 0, 0)";
        self.store.execute(sql, &values, false).await.unwrap();
    }

    async fn row(&mut self, policy: i64, ip: [u8; 4], n: i64, qualifies: i64) {
        let values = [
            Value::Int(DAY.into()),
            Value::Int(policy),
            Value::Bytes(&ip),
            Value::Int(policy),
            Value::Int(qualifies),
            Value::Int(n),
        ];
        let sql = "INSERT INTO out_day (day, policy_id, ip, from_id, env_id, to_id, authset_id, disp, dkim, spf, reason_id, qualifies, n) \
                   VALUES (?, ?, ?, ?, 4, 0, 1, 1, 1, 0, 0, ?, ?)";
        self.store.execute(sql, &values, false).await.unwrap();
    }

    async fn freeze(&mut self) -> u64 {
        freeze(&mut self.store, &self.settings, DAY, DAY_END + 1).await.unwrap().reports
    }

    async fn turn(&mut self, now: u64) -> Turn {
        let deliverer = Deliverer { settings: &self.settings, resolver: &self.resolver, signers: &[] };
        deliverer.turn(&mut self.store, &mut self.mta.mailer(), now).await.unwrap()
    }

    async fn states(&mut self) -> Vec<(String, String)> {
        let sql = "SELECT rcpt, state FROM report_delivery ORDER BY rcpt";
        let rows = self.store.fetch(sql, &[], &[Kind::Text, Kind::Text]).await.unwrap();
        rows.iter().map(|row| (row[0].text().to_owned(), row[1].text().to_owned())).collect()
    }

    async fn report_states(&mut self) -> Vec<String> {
        let rows = self.store.fetch("SELECT state FROM report_out ORDER BY id", &[], &[Kind::Text]).await.unwrap();
        rows.iter().map(|row| row[0].text().to_owned()).collect()
    }
}

/// Answers from the zone, and about nothing else: nobody listens there, each further question fails at once.
fn resolver_without_servers(text: &str) -> Resolver {
    let folder = tempfile::tempdir().unwrap();
    let zone = folder.path().join("zone");
    std::fs::write(&zone, text).unwrap();
    let dns = engine::config::Dns {
        nameservers: vec!["127.0.0.1:9".parse().unwrap()],
        timeout: std::time::Duration::from_millis(10),
        zone_file: Some(zone),
        ..engine::config::Dns::default()
    };
    Resolver::new(&dns, engine::BACKEND).unwrap()
}

fn two(state: &str) -> Vec<(String, String)> {
    ["a@bank.example", "b@other.test"].map(|rcpt| (rcpt.to_owned(), state.to_owned())).to_vec()
}

async fn r1_a_report_is_made_once_for_each_policy_that_a_message_qualifies_for_and_sent_to_each_recipient(
    databases: &mut impl Databases,
) {
    let mut site = Site::new(databases).await;
    let early = freeze(&mut site.store, &site.settings, DAY, DAY_END).await;
    assert!(matches!(early, Err(FreezeError::TooEarly)));
    assert_eq!(site.freeze().await, 2, "nobody qualified for the third");
    assert_eq!(site.freeze().await, 0);
    // Not yet: each has its time.
    assert!(site.turn(DAY_END + 1).await.is_idle());
    let turn = site.turn(LATER).await;
    assert_eq!((turn.addressed, turn.unwanted, turn.sent), (1, 1, 2), "{turn:?}");
    assert_eq!(site.states().await, two("sent"));
    assert_eq!(site.report_states().await, ["done", "nothing"]);
    assert!(site.turn(LATER + 1).await.is_idle());
    assert_eq!(site.mta.recipients(), ["a@bank.example", "b@other.test"]);
    let messages = site.mta.messages.lock().unwrap().clone();
    let parsed = MessageParser::default().parse(&messages[0].1).unwrap();
    let attachment = parsed.attachment(0).unwrap();
    assert!(attachment.attachment_name().unwrap().starts_with("us.example!bank.example!1795478400!1795564799!"));
    let mut xml = String::new();
    flate2::read::GzDecoder::new(attachment.contents()).read_to_string(&mut xml).unwrap();
    assert!(xml.contains("<source_ip>192.0.2.1</source_ip><count>3</count>"), "{xml}");
    assert!(xml.contains("<source_ip>192.0.2.2</source_ip><count>4</count>") && xml.matches("<record>").count() == 2);
    assert!(xml.contains("<disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf>"), "{xml}");
    assert!(xml.contains("<header_from>bank.example</header_from><envelope_from>x.example</envelope_from>"), "{xml}");
    assert!(xml.contains("<selector>s</selector><result>pass</result>"), "{xml}");
    // The same names to both, and in the report.
    let id = parsed.message_id().unwrap().to_owned();
    assert!(xml.contains(&format!("<report_id>{id}</report_id>")));
    assert!(parsed.subject().unwrap().ends_with(&format!("<{id}>")));
    // What comes too late is told.
    site.row(1, [192, 0, 2, 3], 5, 1).await;
    assert_eq!(late(&mut site.store, DAY).await.unwrap(), [("bank.example".to_owned(), 5)]);
}

/// What is wrong with one report, here a trigger of SQLite, keeps no other from being made.
async fn a_report_that_cannot_be_made_keeps_no_other_back(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    if site.store.engine() != Engine::Sqlite {
        return;
    }
    let sql =
        "CREATE TRIGGER no BEFORE INSERT ON report_out WHEN NEW.policy_id = 1 BEGIN SELECT RAISE(ABORT, 'no'); END";
    site.store.script(sql).await.unwrap();
    let error = freeze(&mut site.store, &site.settings, DAY, DAY_END + 1).await.unwrap_err();
    assert!(matches!(&error, FreezeError::Store(error) if error.to_string().contains("no")), "{error}");
    assert_eq!(site.report_states().await, ["frozen"]);
    site.store.script("DROP TRIGGER no").await.unwrap();
    assert_eq!(site.freeze().await, 1);
}

async fn a_recipient_that_waits_keeps_no_other_from_its_report_and_gets_it_once(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["451 later"]);
    let turn = site.turn(LATER).await;
    assert_eq!((turn.sent, turn.retried), (1, 1));
    assert_eq!(site.mta.recipients(), ["b@other.test"]);
    assert!(site.turn(LATER + schedule::FIRST_PAUSE - 1).await.is_idle());
    assert_eq!(site.turn(LATER + schedule::FIRST_PAUSE).await.sent, 1);
    assert_eq!(site.mta.recipients(), ["b@other.test", "a@bank.example"]);
    assert_eq!(site.report_states().await[0], "done");
}

async fn a_server_that_never_takes_it_has_two_days(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    let mut now = LATER;
    let mut turns = 0;
    while site.states().await != two("expired") {
        site.mta.answer(&["451 later", "451 later"]);
        site.turn(now).await;
        now += schedule::LONGEST_PAUSE;
        turns += 1;
        assert!(turns < 40, "{:?}", site.states().await);
    }
    assert!(now > DAY_END + GIVE_UP_AFTER && site.mta.recipients().is_empty());
    assert_eq!(site.report_states().await[0], "done");
}

async fn r11_a_recipient_that_is_refused_gets_nothing_for_30_days_and_each_time_longer(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["!550 nobody"]);
    let turn = site.turn(LATER).await;
    assert_eq!((turn.sent, turn.ended), (1, 1));
    assert_eq!(site.states().await[0].1, "rejected");
    let pauses = [FIRST_SUPPRESSION, 2 * FIRST_SUPPRESSION, 4 * FIRST_SUPPRESSION, LONGEST_SUPPRESSION];
    for pause in pauses {
        let sql = "SELECT until FROM suppression WHERE target = 'a@bank.example'";
        let until = site.store.number(sql, &[]).await.unwrap();
        assert_eq!(u64::try_from(until).unwrap() / 1000, LATER + pause);
        // A new report while it lasts: the other one gets it.
        let again = ["UPDATE report_out SET state = 'frozen' WHERE id = 1", "DELETE FROM report_delivery"];
        for sql in again {
            site.store.execute(sql, &[], false).await.unwrap();
        }
        let turn = site.turn(LATER + 1).await;
        assert_eq!((turn.sent, site.states().await[0].1.as_str()), (1, "suppressed"));
        // One after its end, which is refused again.
        site.store.execute("DELETE FROM report_delivery", &[], false).await.unwrap();
        site.store.execute("UPDATE report_out SET state = 'frozen' WHERE id = 1", &[], false).await.unwrap();
        site.store.execute("UPDATE suppression SET until = 0", &[], false).await.unwrap();
        site.mta.answer(&["!550 nobody"]);
        site.turn(LATER).await;
    }
}

async fn r11_one_server_that_refuses_reports_about_many_domains_is_one_refusal(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    let zone: String = (0..8).map(|n| format!("_dmarc.d{n}.example. IN TXT \"v=DMARC1; p=none; rua=mailto:a@d{n}.example,mailto:b@other.test\"\nd{n}.example._report._dmarc.other.test. IN TXT \"v=DMARC1\"\n")).collect();
    site.resolver = Resolver::offline(Zone::parse(zone.as_bytes(), Path::new("zone")).unwrap(), engine::BACKEND);
    for n in 0..8_i64 {
        let sql = "INSERT INTO domain (id, name) VALUES (?, ?)";
        let name = format!("d{n}.example");
        site.store.execute(sql, &[Value::Int(10 + n), Value::Text(&name)], false).await.unwrap();
        site.policy(10 + n).await;
        site.row(10 + n, [192, 0, 2, 1], 1, 1).await;
    }
    site.freeze().await;
    site.mta.refuse("b@other.test");
    let turn = site.turn(LATER).await;
    assert_eq!((turn.addressed, turn.sent, turn.ended), (8, 8, 8), "{turn:?}");
    let sql = "SELECT until FROM suppression WHERE target = 'b@other.test'";
    let until = u64::try_from(site.store.number(sql, &[]).await.unwrap()).unwrap() / 1000;
    assert!((LATER + FIRST_SUPPRESSION..LATER + FIRST_SUPPRESSION + 600).contains(&until), "{until}");
    // The server was asked once, the other reports did not bother it.
    let states = site.states().await;
    let of = |state: &str| states.iter().filter(|(rcpt, is)| rcpt == "b@other.test" && is == state).count();
    assert_eq!((of("rejected"), of("suppressed")), (1, 7));
}

async fn r10_an_address_about_which_the_dns_does_not_answer_keeps_no_other_from_the_report(
    databases: &mut impl Databases,
) {
    let mut site = Site::new(databases).await;
    // A server that is not there answers for `silent.test` alone.
    let zone = "_dmarc.bank.example. IN TXT \"v=DMARC1; p=none; rua=mailto:a@bank.example,mailto:b@silent.test\"\n_dmarc.gone.example. IN TXT \"v=DMARC1; p=none\"\n";
    site.resolver = resolver_without_servers(zone);
    site.freeze().await;
    let turn = site.turn(LATER).await;
    assert_eq!((turn.addressed, turn.unanswered, turn.sent), (1, 1, 1), "{turn:?}");
    assert_eq!(site.states().await, [("a@bank.example".to_owned(), "sent".to_owned())]);
    assert_eq!(site.report_states().await[0], "frozen", "the other one is asked for again");
    let again = site.turn(LATER + 1).await;
    assert!(again.is_idle() && again.unanswered == 1, "{again:?}");
    // It answers.
    let answered = format!("{zone}bank.example._report._dmarc.silent.test. IN TXT \"v=DMARC1\"\n");
    let silent = std::mem::replace(
        &mut site.resolver,
        Resolver::offline(Zone::parse(answered.as_bytes(), Path::new("zone")).unwrap(), engine::BACKEND),
    );
    let turn = site.turn(LATER + 2).await;
    assert_eq!((turn.addressed, turn.sent), (1, 1), "{turn:?}");
    assert_eq!(site.mta.recipients(), ["a@bank.example", "b@silent.test"]);
    assert_eq!(site.report_states().await[0], "done");
    // It never does: the report is given up for that one, and was sent to the other.
    site.resolver = silent;
    site.store.execute("UPDATE report_out SET state = 'frozen' WHERE id = 1", &[], false).await.unwrap();
    site.store.execute("DELETE FROM report_delivery WHERE rcpt = 'b@silent.test'", &[], false).await.unwrap();
    site.turn(DAY_END + GIVE_UP_AFTER + 10).await;
    assert_eq!(site.report_states().await[0], "done");
    assert_eq!(site.states().await, [("a@bank.example".to_owned(), "sent".to_owned())]);
}

async fn s2_7_an_answer_that_never_came_is_followed_by_one_more_attempt_or_none(databases: &mut impl Databases) {
    for (on_unknown, expected, copies) in [(OnUnknown::Resend, "sent", 2), (OnUnknown::Hold, "held", 1)] {
        let mut site = Site::new(databases).await;
        site.settings.on_unknown = on_unknown;
        site.freeze().await;
        site.mta.answer(&["taken and lost"]);
        site.turn(LATER).await;
        site.turn(LATER + schedule::FIRST_PAUSE).await;
        assert_eq!(site.states().await[0].1, expected);
        let messages = site.mta.messages.lock().unwrap().clone();
        let names: Vec<_> = messages
            .iter()
            .filter(|(to, _)| to == "a@bank.example")
            .map(|(_, text)| {
                let parsed = MessageParser::default().parse(text).unwrap();
                let file = parsed.attachment(0).unwrap().attachment_name().unwrap().to_owned();
                (parsed.message_id().unwrap().to_owned(), file)
            })
            .collect();
        assert_eq!(names.len(), copies);
        assert!(names.iter().all(|name| *name == names[0]), "sent again under the same names");
    }
}

async fn s2_7_an_outcome_that_is_unknown_twice_is_held(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["lost", "taken", "lost"]);
    site.turn(LATER).await;
    site.turn(LATER + schedule::FIRST_PAUSE).await;
    assert_eq!(site.states().await[0].1, "held");
    assert_eq!(site.report_states().await[0], "sending", "an operator has to look");
}

async fn s2_7_a_lease_that_ends_is_taken_over_and_one_that_holds_is_not(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["451 later", "451 later"]);
    site.turn(LATER).await;
    for (state, until, sent) in [("leased", LATER + 10_000, 1), ("leased", LATER, 2), ("sending", LATER, 2)] {
        let sql = "UPDATE report_delivery SET state = ?, lease_node = 'n2', lease_until = ?, next_try = 0 WHERE rcpt = 'a@bank.example'";
        let until = i64::try_from(until * 1000).unwrap();
        site.store.execute(sql, &[Value::Text(state), Value::Int(until)], false).await.unwrap();
        let sql = "UPDATE report_delivery SET state = 'pending', next_try = 0 WHERE rcpt = 'b@other.test'";
        site.store.execute(sql, &[], false).await.unwrap();
        assert_eq!(site.turn(LATER + 1000).await.sent, sent, "{state}");
    }
}

async fn several_nodes_at_once_make_and_send_each_report_once(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    let mut zone = ZONE.to_owned();
    for id in 10..40_i64 {
        let name = format!("d{id}.example");
        zone.push_str(&format!("_dmarc.{name}. IN TXT \"v=DMARC1; rua=mailto:a@{name},mailto:b@{name}\"\n"));
        let sql = "INSERT INTO domain (id, name) VALUES (?, ?)";
        site.store.execute(sql, &[Value::Int(id), Value::Text(&name)], false).await.unwrap();
        site.policy(id).await;
        site.row(id, [192, 0, 2, 1], 1, 1).await;
    }
    site.resolver = Resolver::offline(Zone::parse(zone.as_bytes(), Path::new("zone")).unwrap(), engine::BACKEND);
    let url = site.store.url().clone();
    let mut nodes = Vec::new();
    for node in ["n1", "n2", "n3", "n4"] {
        let (url, resolver, mta) = (url.clone(), site.resolver.clone(), site.mta.clone());
        let settings = Settings { node: node.to_owned(), ..site.settings.clone() };
        nodes.push(tokio::spawn(async move {
            let mut store = Store::new(url);
            let made = freeze(&mut store, &settings, DAY, DAY_END + 1).await.unwrap().reports;
            let deliverer = Deliverer { settings: &settings, resolver: &resolver, signers: &[] };
            (made, deliverer.turn(&mut store, &mut mta.mailer(), LATER).await.unwrap().sent)
        }));
    }
    let (mut made, mut sent) = (0, 0);
    for node in nodes {
        let (some, more) = node.await.unwrap();
        made += some;
        sent += more;
    }
    // Whoever came when another one had just addressed them sends them in its next turn.
    sent += site.turn(LATER).await.sent;
    assert_eq!((made, sent), (32, 62));
    let mut recipients = site.mta.recipients();
    recipients.sort();
    recipients.dedup();
    assert_eq!((recipients.len(), site.mta.recipients().len()), (62, 62));
    assert!(site.report_states().await.iter().all(|state| state == "done" || state == "nothing"));
}

async fn an_address_that_takes_less_than_the_report_has_gets_none(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    let zone =
        "_dmarc.bank.example. IN TXT \"v=DMARC1; p=reject; rua=mailto:a@bank.example!100,mailto:b@bank.example!1m\"\n";
    let zone = Zone::parse(zone.as_bytes(), Path::new("zone")).unwrap();
    site.resolver = Resolver::offline(zone, engine::BACKEND);
    site.freeze().await;
    let turn = site.turn(LATER).await;
    assert_eq!((turn.sent, turn.ended), (1, 1));
    assert_eq!(site.mta.recipients(), ["b@bank.example"]);
}

/// §5.3: what was made before is sent behind it.
async fn s5_3_a_server_that_starts_again_loses_nothing(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    databases.restart().await;
    let deliverer = Deliverer { settings: &site.settings, resolver: &site.resolver, signers: &[] };
    let (mut mailer, mut sent) = (site.mta.mailer(), 0);
    for _ in 0..3 {
        match deliverer.turn(&mut site.store, &mut mailer, LATER).await {
            Ok(turn) => sent += turn.sent,
            Err(DeliverError::Store(error)) => assert!(error.trouble.may_pass(), "{error}"),
        }
    }
    assert_eq!(sent, 2);
    assert_eq!(site.states().await, two("sent"));
}

async fn a_mail_that_cannot_be_made_is_given_up_after_two_days(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    // No header takes that.
    site.settings.email = format!("{}@us.example", "x".repeat(5_000_000));
    site.freeze().await;
    let turn = site.turn(LATER).await;
    assert_eq!((turn.addressed, turn.retried), (1, 2), "the first keeps nothing from the second");
    let mut now = LATER;
    while site.states().await != two("expired") {
        now += schedule::LONGEST_PAUSE;
        site.turn(now).await;
        assert!(now < LATER + 2 * GIVE_UP_AFTER, "{:?}", site.states().await);
    }
    assert_eq!(site.report_states().await[0], "done");
    assert!(site.mta.recipients().is_empty());
}

async fn attempts_that_are_broken_off_again_and_again_end(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["451 later", "451 later"]);
    site.turn(LATER).await;
    let sql = "UPDATE report_delivery SET state = 'leased', lease_node = 'n2', lease_until = 1";
    site.store.execute(sql, &[], false).await.unwrap();
    assert_eq!(site.turn(DAY_END + 2 + GIVE_UP_AFTER).await.ended, 2);
    assert_eq!(site.states().await, two("expired"));
}

async fn reports_that_nobody_addressed_for_two_days_are_not_sent_any_more(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    assert_eq!(site.turn(DAY_END + 2 + GIVE_UP_AFTER).await.ended, 2);
    assert_eq!(site.report_states().await, ["expired", "expired"]);
    assert!(site.states().await.is_empty() && site.mta.recipients().is_empty());
}

async fn a_report_that_is_kept_no_longer_is_not_waited_for(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["451 later", "451 later"]);
    site.turn(LATER).await;
    site.store.execute("UPDATE report_out SET xml_gz = NULL", &[], false).await.unwrap();
    assert_eq!(site.turn(LATER + schedule::FIRST_PAUSE).await.ended, 2);
    assert_eq!(site.states().await, two("expired"));
}

async fn what_an_operator_forbids_counts_for_what_is_on_its_way_and_for_good(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["451 later", "451 later"]);
    site.turn(LATER).await;
    let sql = "INSERT INTO suppression (target, until, reason, source) VALUES ('other.test', 9223372036854775807, 'never', 'operator')";
    site.store.execute(sql, &[], false).await.unwrap();
    let turn = site.turn(LATER + schedule::FIRST_PAUSE).await;
    assert_eq!((turn.sent, turn.ended), (1, 1));
    assert_eq!(site.mta.recipients(), ["a@bank.example"]);
    assert_eq!(site.states().await[1].1, "suppressed");
}

/// An attempt that took longer than its lease, while another node sent the report: its failure changes nothing.
async fn s2_7_a_late_failure_does_not_undo_what_another_node_has_done(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    site.freeze().await;
    site.mta.answer(&["slow", "taken"]);
    let (url, settings, resolver, mta) =
        (site.store.url().clone(), site.settings.clone(), site.resolver.clone(), site.mta.clone());
    let slow = tokio::spawn(async move {
        let deliverer = Deliverer { settings: &settings, resolver: &resolver, signers: &[] };
        deliverer.turn(&mut Store::new(url), &mut mta.mailer(), LATER).await.unwrap()
    });
    for _ in 0..500 {
        if site.states().await.iter().any(|(_, state)| state == "sending")
            && site.mta.answers.lock().unwrap().len() == 1
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // Behind the lease, by the clock of another node.
    site.settings.node = "n2".to_owned();
    assert_eq!(site.turn(LATER + LEASE + 1).await.sent, 2);
    site.mta.go_on.notify_one();
    assert_eq!(slow.await.unwrap().retried, 0);
    assert_eq!(site.states().await, two("sent"));
    assert_eq!(site.mta.recipients().len(), 2);
}

/// Whoever owns many domains whose DNS never answers does not hold up the reports of others.
async fn domains_whose_dns_does_not_answer_hold_up_no_others(databases: &mut impl Databases) {
    let mut site = Site::new(databases).await;
    let mut sql = String::new();
    for id in 140..250_i64 {
        sql.push_str(&format!("INSERT INTO domain (id, name) VALUES ({id}, 'd{id}.test');"));
    }
    sql.push_str("INSERT INTO domain (id, name) VALUES (250, 'last.example')");
    site.store.script(&sql).await.unwrap();
    for id in 140..251_i64 {
        site.policy(id).await;
        site.row(id, [192, 0, 2, 1], 1, 1).await;
    }
    site.freeze().await;
    site.resolver = resolver_without_servers("_dmarc.last.example. IN TXT \"v=DMARC1; rua=mailto:a@last.example\"\n");
    let mut sent = 0;
    for turn in 0..10 {
        if sent == 0 {
            sent += site.turn(LATER + turn).await.sent;
        }
    }
    assert_eq!(sent, 1);
    assert_eq!(site.mta.recipients(), ["a@last.example"]);
}

/// Each case on SQLite, and all of them on the servers.
macro_rules! on_all {
    ($($case:ident,)+) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&mut crate::databases::Files::new()).await;
            })+
        }

        #[cfg(feature = "databases")]
        async fn all(databases: &mut impl Databases) {
            $($case(databases).await;)+
        }
    };
}

on_all! {
    r1_a_report_is_made_once_for_each_policy_that_a_message_qualifies_for_and_sent_to_each_recipient,
    a_recipient_that_waits_keeps_no_other_from_its_report_and_gets_it_once,
    a_server_that_never_takes_it_has_two_days,
    r11_a_recipient_that_is_refused_gets_nothing_for_30_days_and_each_time_longer,
    s2_7_an_answer_that_never_came_is_followed_by_one_more_attempt_or_none,
    s2_7_an_outcome_that_is_unknown_twice_is_held,
    s2_7_a_lease_that_ends_is_taken_over_and_one_that_holds_is_not,
    several_nodes_at_once_make_and_send_each_report_once,
    an_address_that_takes_less_than_the_report_has_gets_none,
    s5_3_a_server_that_starts_again_loses_nothing,
    a_mail_that_cannot_be_made_is_given_up_after_two_days,
    attempts_that_are_broken_off_again_and_again_end,
    reports_that_nobody_addressed_for_two_days_are_not_sent_any_more,
    a_report_that_is_kept_no_longer_is_not_waited_for,
    what_an_operator_forbids_counts_for_what_is_on_its_way_and_for_good,
    s2_7_a_late_failure_does_not_undo_what_another_node_has_done,
    domains_whose_dns_does_not_answer_hold_up_no_others,
    r11_one_server_that_refuses_reports_about_many_domains_is_one_refusal,
    r10_an_address_about_which_the_dns_does_not_answer_keeps_no_other_from_the_report,
    a_report_that_cannot_be_made_keeps_no_other_back,
}

#[cfg(feature = "databases")]
#[tokio::test]
async fn s2_7_mariadb() {
    all(&mut databases::real::Maria::started().await).await;
}

#[cfg(feature = "databases")]
#[tokio::test]
async fn s2_7_postgresql() {
    all(&mut databases::real::Postgres::started().await).await;
}
