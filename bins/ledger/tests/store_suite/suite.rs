//! What every kind of database has to do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use engine::journal::Record;
use engine::journal::record::Dmarc;
use ledger::dump::{self, DumpError};
use ledger::expire::{Expired, Keep, expire};
use ledger::export::{self, Format};
use ledger::rollup::{ImportError, Importer, Met, Rules, Settings, Stopped, nodes};
use ledger::store::{DatabaseUrl, Engine, Kind, Store, Trouble, Value, migrate};
use serde_json::Value as Json;

use crate::databases::Databases;
use crate::journal::{DAY, expected, message, write};

pub(crate) async fn suite(mut databases: impl Databases) {
    migrations(databases.new_one().await).await;
    counts_each_record_once(databases.new_one().await).await;
    two_importers_of_one_journal(databases.new_one().await).await;
    two_nodes_at_once(databases.new_one().await).await;
    what_is_missing_is_told(databases.new_one().await).await;
    overflow(databases.new_one().await).await;
    who_counts_as_a_contact(databases.new_one().await).await;
    what_is_old_goes(databases.new_one().await).await;
    let (from, to) = (databases.new_one().await, databases.new_one().await);
    backup_and_restore(from, to).await;
    let (from, to) = (databases.new_one().await, databases.new_one().await);
    a_database_that_went_back(from, to).await;
    restart(&mut databases).await;
}

async fn migrated(url: &DatabaseUrl) -> Store {
    let mut store = Store::new(url.clone());
    migrate::migrate(&mut store, 1).await.unwrap();
    store
}

fn settings(node: &str, journal: &Path) -> Settings {
    Settings { node: node.to_owned(), journal: journal.to_owned(), max_rows: 10_000, rules: Rules::default() }
}

async fn importer(url: &DatabaseUrl, node: &str, journal: &Path) -> Result<Importer, ImportError> {
    Importer::open(Store::new(url.clone()), settings(node, journal)).await
}

/// To the end of the journal.
async fn import(importer: &mut Importer) -> Met {
    let mut sum = Met::default();
    loop {
        let stopped = importer.read().unwrap();
        sum.add(&importer.write(2).await.unwrap());
        if stopped == Stopped::End {
            return sum;
        }
    }
}

/// The rows of the database as [`expected`] writes them.
async fn rows(store: &mut Store) -> BTreeMap<String, i64> {
    let mut text = Vec::new();
    export::rows(store, Format::Ndjson, (0, i64::MAX), &mut text).await.unwrap();
    let mut rows = BTreeMap::new();
    for line in String::from_utf8(text).unwrap().lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let word = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (dkim, spf) = (&row["auth_results"]["dkim"][0], &row["auth_results"]["spf"]);
        let text = |value: &Json| value.as_str().unwrap().to_owned();
        let reasons = row["reasons"].as_array().cloned().unwrap_or_default();
        let reasons =
            reasons.iter().map(|reason| format!("{} {:?}", text(&reason[0]), reason[1].as_str().map(str::to_owned)));
        let line = format!(
            "{} {} {} {} [{}] {} {} dkim={} {} {} spf={} {} {} {:?}",
            word("day"),
            word("policy_domain"),
            word("source_ip"),
            word("header_from"),
            word("envelope_from"),
            word("disposition"),
            word("dkim"),
            text(&dkim[0]),
            text(&dkim[1]),
            text(&dkim[2]),
            text(&spf[0]),
            text(&spf[1]),
            text(&spf[2]),
            reasons.collect::<Vec<_>>(),
        );
        assert_eq!(rows.insert(line, row["count"].as_i64().unwrap()), None, "a row is there once");
    }
    rows
}

/// §5.3: two that start at once do the steps once; changed and newer ones are refused.
async fn migrations(url: DatabaseUrl) {
    let (mut one, mut two) = (Store::new(url.clone()), Store::new(url.clone()));
    assert_eq!(migrate::check(&mut one).await.unwrap().version, 0);
    let (first, second) = tokio::join!(migrate::migrate(&mut one, 1), migrate::migrate(&mut two, 1));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first + second, usize::try_from(migrate::VERSION).unwrap());
    assert!(migrate::check(&mut two).await.unwrap().is_current());
    assert_eq!(migrate::migrate(&mut two, 1).await.unwrap(), 0);
    if url.engine() == Engine::MySql {
        // A step that ended half-way is done again over what it has done.
        one.execute("DELETE FROM schema_migration", &[], false).await.unwrap();
        one.script("DROP TABLE contact").await.unwrap();
        assert_eq!(migrate::migrate(&mut two, 1).await.unwrap(), usize::try_from(migrate::VERSION).unwrap());
        one.number("SELECT COUNT(*) FROM contact", &[]).await.unwrap();
    } else {
        // The others do a step whole or not at all: tables without its note are somebody else's.
        one.script("CREATE TABLE kept AS SELECT * FROM schema_migration; DELETE FROM schema_migration").await.unwrap();
        let error = migrate::migrate(&mut two, 1).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Foreign, "{error}");
        one.script("INSERT INTO schema_migration SELECT * FROM kept; DROP TABLE kept").await.unwrap();
    }
    assert!(migrate::check(&mut two).await.unwrap().is_current());

    one.execute("UPDATE schema_migration SET checksum = 'x'", &[], false).await.unwrap();
    assert_eq!(migrate::migrate(&mut two, 1).await.unwrap_err().trouble, Trouble::Schema);
    one.execute("DELETE FROM schema_migration", &[], false).await.unwrap();
    let newer = [Value::Int(migrate::VERSION + 1)];
    one.execute(
        "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (?, '', '', 0)",
        &newer,
        false,
    )
    .await
    .unwrap();
    let error = migrate::check(&mut two).await.unwrap_err();
    assert!(error.to_string().contains("newer program"), "{error}");
}

/// §2.7: rows, totals and the place are one write; a second reader of the same begins behind it.
async fn counts_each_record_once(url: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut store = migrated(&url).await;
    write(&journal, (0..700).map(message)).await;
    let mut first = importer(&url, "mx1", &journal).await.unwrap();
    let met = import(&mut first).await;
    assert_eq!((met.messages, met.counted), (700, 700));
    assert_eq!(rows(&mut store).await, expected((0..700).map(message)));

    // The same one goes on, and so does a new one; nothing is there twice.
    write(&journal, (700..1000).map(message)).await;
    assert_eq!(import(&mut first).await.messages, 300);
    assert_eq!(import(&mut importer(&url, "mx1", &journal).await.unwrap()).await, Met::default());
    assert_eq!(rows(&mut store).await, expected((0..1000).map(message)));
    let as_int = store.as_int("SUM(passed)");
    assert_eq!(store.number(&format!("SELECT {as_int} FROM out_total"), &[]).await.unwrap(), 666);
    let as_int = store.as_int("SUM(failed)");
    assert_eq!(store.number(&format!("SELECT {as_int} FROM out_total"), &[]).await.unwrap(), 334);
    let state = &nodes(&mut store).await.unwrap()[0];
    assert_eq!((state.node.as_str(), state.messages, state.counted, state.updated), ("mx1", 1000, 1000, 2));

    // What was read and not written is read again by the next one: as after a kill.
    write(&journal, (1000..1100).map(message)).await;
    let mut killed = importer(&url, "mx1", &journal).await.unwrap();
    assert_eq!(killed.read().unwrap(), Stopped::End);
    assert_eq!(killed.waiting(), 100);
    drop(killed);
    import(&mut importer(&url, "mx1", &journal).await.unwrap()).await;
    assert_eq!(rows(&mut store).await, expected((0..1100).map(message)));

    let mut csv = Vec::new();
    let count = export::rows(&mut store, Format::Csv, (20_782, 20_782), &mut csv).await.unwrap();
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(u64::try_from(csv.lines().count()).unwrap(), count + 1);
    assert!(csv.lines().skip(1).all(|line| line.starts_with("2026-11-25,")), "{csv}");
}

/// §2.7: an answer to a commit that was lost counts nothing twice; two that count one journal are told apart from that.
async fn two_importers_of_one_journal(url: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut store = migrated(&url).await;
    write(&journal, (0..50).map(message)).await;
    let mut one = importer(&url, "mx1", &journal).await.unwrap();
    let mut two = importer(&url, "mx1", &journal).await.unwrap();
    one.read().unwrap();
    two.read().unwrap();
    one.write(1).await.unwrap();
    // The very same has been written: as by itself, without hearing of it.
    two.write(1).await.unwrap();
    assert_eq!(rows(&mut store).await, expected((0..50).map(message)));

    write(&journal, (50..60).map(message)).await;
    one.read().unwrap();
    write(&journal, (60..70).map(message)).await;
    two.read().unwrap();
    one.write(1).await.unwrap();
    let error = two.write(1).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::Taken, "{error}");
    import(&mut one).await;
    assert_eq!(rows(&mut store).await, expected((0..70).map(message)));

    // Another journal under the same name.
    let other = folder.path().join("other");
    write(&other, (0..5).map(message)).await;
    let Err(ImportError::Store(error)) = importer(&url, "mx1", &other).await else {
        panic!("the other journal is taken")
    };
    assert_eq!(error.trouble, Trouble::Taken);
}

/// §2.8: two nodes with rows of the same keys, at the same time.
async fn two_nodes_at_once(url: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    let mut store = migrated(&url).await;
    write(&first, (0..2000).map(message)).await;
    write(&second, (500..2500).map(message)).await;
    let count = async |node: &'static str, journal: &Path| {
        let mut importer = importer(&url, node, journal).await.unwrap();
        importer.read().unwrap();
        // A ring of locks or a busy file is tried again, as the program does.
        for _ in 0..50 {
            match importer.write(1).await {
                Ok(_) => return,
                Err(error) => assert!(error.trouble.may_pass(), "{error}"),
            }
        }
        panic!("{node} was never let in");
    };
    tokio::join!(count("a", &first), count("b", &second));
    assert_eq!(rows(&mut store).await, expected((0..2000).chain(500..2500).map(message)));
    assert_eq!(nodes(&mut store).await.unwrap().len(), 2);
}

/// §2.7: torn tails, damage and removed segments are counted beside the messages.
async fn what_is_missing_is_told(url: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut store = migrated(&url).await;
    let segments = || {
        let names = fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<_> =
            names.filter(|path| path.extension().is_some_and(|ending| ending == "journal")).collect();
        names.sort();
        names
    };
    write(&journal, (0..10).map(message)).await;
    let mut last = fs::OpenOptions::new().append(true).open(&segments()[0]).unwrap();
    last.write_all(b"garbage\nJ1 00000100 00000000 {\"half").unwrap();
    write(&journal, (10..20).map(message)).await;
    let mut one = importer(&url, "mx1", &journal).await.unwrap();
    let met = import(&mut one).await;
    assert_eq!((met.counted, met.torn, met.gaps), (20, 1, 0));
    assert_eq!(met.damaged, 35);

    // Stopped for longer than the journal is kept: its segment is gone with others.
    drop(one);
    write(&journal, (20..30).map(message)).await;
    write(&journal, (30..40).map(message)).await;
    let names = segments();
    names[..3].iter().for_each(|name| fs::remove_file(name).unwrap());
    let met = import(&mut importer(&url, "mx1", &journal).await.unwrap()).await;
    assert_eq!((met.counted, met.gaps), (10, 1));
    assert_eq!(import(&mut importer(&url, "mx1", &journal).await.unwrap()).await, Met::default());
    let state = &nodes(&mut store).await.unwrap()[0];
    assert_eq!((state.messages, state.torn, state.gaps, state.damaged), (30, 1, 1, 35));
    assert_eq!(rows(&mut store).await, expected((0..20).chain(30..40).map(message)));
}

/// §5.2: of more rows than the most, those with the largest counts stay, failing ones go first, and no message is lost in the sums.
async fn overflow(url: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut store = migrated(&url).await;
    let from = |number: u32, passes: bool| {
        let mut record = message(if passes { 7 } else { 21 });
        record.at = DAY;
        record.client = Some(std::net::Ipv4Addr::from(number).into());
        record
    };
    // 40 that pass, once each; one that fails often; 2,000 that fail once.
    let passing = (0..40).map(|number| from(number, true));
    let often = (0..10).map(|_| from(99, false));
    let seldom = (1000..3000).map(|number| from(number, false));
    write(&journal, passing.chain(often).chain(seldom)).await;
    let small = Settings { max_rows: 100, ..settings("mx1", &journal) };
    let mut importer = Importer::open(Store::new(url.clone()), small.clone()).await.unwrap();
    importer.read().unwrap();
    importer.write(1).await.unwrap();
    let count = store.number("SELECT COUNT(*) FROM out_day", &[]).await.unwrap();
    assert_eq!(count, 100);
    assert_eq!(store.number("SELECT COUNT(*) FROM out_day WHERE dkim = 1", &[]).await.unwrap(), 40);
    assert_eq!(store.number("SELECT n FROM out_day WHERE dkim = 0 ORDER BY n DESC LIMIT 1", &[]).await.unwrap(), 10);
    let kinds = [Kind::Int; 3];
    let (sum, rest) = (store.as_int("SUM(passed + failed)"), store.as_int("SUM(overflow)"));
    let left = store.as_int("SUM(n)");
    let sql = format!("SELECT {sum}, {rest}, (SELECT {left} FROM out_day) FROM out_total");
    let sums = &store.fetch(&sql, &[], &kinds).await.unwrap()[0];
    assert_eq!((sums[0].int(), sums[1].int(), sums[2].int()), (2050, 2050 - 109, 109));

    // Another process does not begin from nothing.
    write(&journal, (5000..5030).map(|number| from(number, false))).await;
    let mut importer = Importer::open(Store::new(url.clone()), small).await.unwrap();
    importer.read().unwrap();
    importer.write(1).await.unwrap();
    assert_eq!(store.number("SELECT COUNT(*) FROM out_day", &[]).await.unwrap(), 100);
    let sums = &store.fetch(&sql, &[], &kinds).await.unwrap()[0];
    assert_eq!(sums[0].int(), sums[1].int() + sums[2].int());
}

/// §2.9: whom we send to, who passed and was taken, and what brings about a report.
async fn who_counts_as_a_contact(url: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut store = migrated(&url).await;
    let sent = Record {
        at: DAY,
        origin: "submission".to_owned(),
        rcpt_to: vec!["friend.example".to_owned()],
        action: "accept".to_owned(),
        ..Record::default()
    };
    let refused = Record { rcpt_to: vec!["nobody.example".to_owned()], action: "reject".to_owned(), ..sent.clone() };
    let passed = message(7);
    // It fails and is refused: nobody asked for it.
    let mut failed = message(9);
    failed.action = "reject".to_owned();
    failed.dmarc.as_mut().unwrap().disposition = "reject".to_owned();
    let mut bounce = message(4);
    bounce.rcpt_to = vec!["reports.example".to_owned()];
    let mut later = message(8);
    later.action = "tempfail".to_owned();
    let mut unknown = message(10);
    unknown.dmarc = Some(Dmarc { result: "temperror".to_owned(), ..Dmarc::default() });
    write(&journal, [sent, refused, passed.clone(), failed.clone(), bounce.clone(), later, unknown]).await;
    let mut settings = settings("mx1", &journal);
    settings.rules.report_domain = Some("reports.example".to_owned());
    let mut importer = Importer::open(Store::new(url.clone()), settings).await.unwrap();
    let met = import(&mut importer).await;
    assert_eq!((met.messages, met.counted), (7, 3));
    assert_eq!(rows(&mut store).await, expected([passed, failed, bounce]));
    let sql = "SELECT d.name, c.last_sent_to, c.last_accepted_from FROM contact c JOIN domain d ON d.id = c.domain_id ORDER BY d.name";
    let contacts = store.fetch(sql, &[], &[Kind::Text, Kind::Int, Kind::Int]).await.unwrap();
    let contacts: Vec<_> = contacts.iter().map(|row| (row[0].text(), row[1].int(), row[2].int())).collect();
    // 7 is of the second day and of d0; 4 is of the first and of d4.
    assert_eq!(contacts, [("d0.example", 0, 20_782), ("d4.example", 0, 20_781), ("friend.example", 20_781, 0)]);
    let sql = "SELECT d.name FROM out_day o JOIN domain d ON d.id = o.from_id WHERE o.qualifies = 1";
    let names = store.fetch(sql, &[], &[Kind::Text]).await.unwrap();
    assert_eq!(names.iter().map(|row| row[0].text()).collect::<Vec<_>>(), ["d0.example"]);
}

/// §2.9: rows and reports for 90 days, sums for 400, and names as long as something names them; who counts meanwhile counts right.
async fn what_is_old_goes(url: DatabaseUrl) {
    const KEPT: i64 = 90;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut store = migrated(&url).await;
    // Domains d0 to d6 on two days, and one that nothing names after the first.
    let first: Vec<_> = (0..200).filter(|number| number % 2 == 0).map(message).collect();
    let second: Vec<_> = (0..200).filter(|number| number % 2 == 1 && number % 7 != 5).map(message).collect();
    write(&journal, first.iter().chain(&second).cloned()).await;
    let mut importer = importer(&url, "mx1", &journal).await.unwrap();
    import(&mut importer).await;
    let policy = store.number("SELECT MIN(id) FROM policy", &[]).await.unwrap();
    for (report, day, state) in [(1, 20_781_i64, "done"), (2, 20_782, "frozen")] {
        let begin = day * 86_400_000;
        let row = [report, policy, begin, begin + 86_399_000].map(Value::Int);
        let row = row
            .into_iter()
            .chain([
                Value::Text("r"),
                Value::Text(state),
                Value::Int(1),
                Value::Int(1),
                Value::Bytes(b"gz"),
                Value::Int(1),
            ])
            .collect();
        let columns = "id, policy_id, period_begin, period_end, report_id, state, row_count, messages, xml_gz, created";
        store.insert("report_out", columns, &[row], "").await.unwrap();
        let sql = "INSERT INTO report_delivery (report_id, rcpt, state, attempts, next_try, lease_node, lease_until, last_code, last_text, max_octets) \
                   VALUES (?, 'a@x.example', 'held', 1, 0, '', 0, 0, '', 0)";
        store.execute(sql, &[Value::Int(report)], false).await.unwrap();
    }
    let sql = "INSERT INTO suppression (target, until, reason, source) VALUES (?, ?, '', 'operator')";
    let day = |day: i64| day * 86_400_000;
    for (target, until) in [("old@x.example", day(20_600)), ("new@x.example", day(20_900))] {
        store.execute(sql, &[Value::Text(target), Value::Int(until)], false).await.unwrap();
    }

    // The last moment at which the first day is kept, and the next.
    let end = day(20_782 + KEPT);
    let nothing = expire(&mut store, Keep::default(), end - 1, |_| ()).await.unwrap();
    assert_eq!(nothing, Expired { others: 1, ..Expired::default() });
    // More than one transaction: 1,100 policies with 11 rows each.
    let row = |policy: i64, number: i64| {
        let numbers = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1].map(Value::Int);
        [
            Value::Int(20_700),
            Value::Int(policy),
            Value::Bytes(if number % 2 == 0 { b"even" } else { b"odd!" }),
            Value::Int(number),
        ]
        .into_iter()
        .chain(numbers.into_iter().skip(1))
        .collect::<Vec<_>>()
    };
    let many: Vec<_> = (0..12_100).map(|number| row(1_000_000 + number / 11, number % 11)).collect();
    let columns = "day, policy_id, ip, from_id, env_id, to_id, authset_id, disp, dkim, spf, reason_id, qualifies, n";
    store.insert("out_day", columns, &many, "").await.unwrap();
    let mut told = Vec::new();
    let gone = expire(&mut store, Keep::default(), end, |expired| told.push(*expired)).await.unwrap();
    assert_eq!(told.last(), Some(&gone));
    assert_eq!((gone.reports, gone.unsent, gone.totals, gone.others), (1, 0, 0, 0));
    let mut steps: Vec<_> = told.iter().map(|expired| expired.rows).collect();
    steps.dedup();
    assert_eq!(
        (&steps[..4], gone.rows > 12_100, gone.names > 0),
        (&[5_005, 5_500, 10_505, 11_000][..], true, true),
        "{gone:?}"
    );
    assert_eq!(rows(&mut store).await, expected(second.clone()));
    for (table, left) in [("report_out", 1), ("report_delivery", 1), ("suppression", 1)] {
        assert_eq!(store.number(&format!("SELECT COUNT(*) FROM {table}"), &[]).await.unwrap(), left, "{table}");
    }
    // Sums name the policies of both days.
    assert_eq!(store.number("SELECT COUNT(*) FROM policy", &[]).await.unwrap(), 7);

    // The importer had numbers of names that are gone; the same mail comes again.
    let again: Vec<_> = first.iter().map(|record| Record { at: record.at + 86_400_000, ..record.clone() }).collect();
    write(&journal, again.clone()).await;
    import(&mut importer).await;
    assert_eq!(rows(&mut store).await, expected(second.into_iter().chain(again)));

    // A report that was made late is tried for two days, whatever its day.
    let late = end + day(9);
    store.execute("UPDATE report_out SET created = ?", &[Value::Int(late - day(2))], false).await.unwrap();
    let tried = expire(&mut store, Keep::default(), late, |_| ()).await.unwrap();
    assert_eq!((tried.reports, tried.rows > 0), (0, true));
    assert_eq!(store.number("SELECT COUNT(*) FROM report_delivery", &[]).await.unwrap(), 1);
    if url.engine() == Engine::Sqlite {
        assert_eq!(store.number("PRAGMA freelist_count", &[]).await.unwrap(), 0);
    }

    // 400 days later nothing is left but the mark of the journal.
    let all = expire(&mut store, Keep::default(), day(20_782 + 401), |_| ()).await.unwrap();
    assert_eq!((all.reports, all.unsent), (1, 1));
    for table in [
        "out_day",
        "out_total",
        "report_out",
        "report_delivery",
        "contact",
        "suppression",
        "policy",
        "authset",
        "reason",
        "domain",
    ] {
        assert_eq!(store.number(&format!("SELECT COUNT(*) FROM {table}"), &[]).await.unwrap(), 0, "{table}");
    }
    assert_eq!(nodes(&mut store).await.unwrap()[0].messages, i64::try_from(first.len() * 2).unwrap() + 86);
}

/// All of it comes back, and what was counted before is not counted again; a file that is cut off restores nothing.
async fn backup_and_restore(from: DatabaseUrl, to: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let (mut old, mut new) = (migrated(&from).await, migrated(&to).await);
    write(&journal, (0..3000).map(message)).await;
    let mut live = importer(&from, "mx1", &journal).await.unwrap();
    import(&mut live).await;
    let mut file = Vec::new();
    dump::backup(&mut old, &mut file).await.unwrap();
    write(&journal, (3000..3100).map(message)).await;

    let cut = file.len() * 2 / 3;
    let error = dump::restore(&mut new, &mut &file[..cut]).await.unwrap_err();
    assert!(matches!(error, DumpError::Content { .. }), "{error}");
    let lines: Vec<&[u8]> = file.split_inclusive(|octet| *octet == b'\n').collect();
    let without = [&lines[..5], &lines[6..]].concat().concat();
    assert!(dump::restore(&mut new, &mut without.as_slice()).await.is_err());
    assert_eq!(new.number("SELECT COUNT(*) FROM domain", &[]).await.unwrap(), 0);

    let count = dump::restore(&mut new, &mut file.as_slice()).await.unwrap();
    assert_eq!(count, u64::try_from(lines.len() - 2).unwrap());
    assert_eq!(rows(&mut new).await, expected((0..3000).map(message)));
    let mut again = Vec::new();
    dump::backup(&mut new, &mut again).await.unwrap();
    assert!(again == file, "a backup of what was restored is the same file");
    assert!(matches!(dump::restore(&mut new, &mut file.as_slice()).await, Err(DumpError::NotEmpty("domain"))));

    // The restored one goes on at the place of the backup, with new texts beside the old ones.
    let mut strange = message(3);
    strange.header_from = vec!["new.example".to_owned()];
    write(&journal, [strange.clone()]).await;
    let met = import(&mut importer(&to, "mx1", &journal).await.unwrap()).await;
    assert_eq!(met.messages, 101);
    assert_eq!(rows(&mut new).await, expected((0..3100).map(message).chain([strange])));
}

/// §2.7: a database that has lost transactions it had told to be kept is brought to the end again.
async fn a_database_that_went_back(from: DatabaseUrl, to: DatabaseUrl) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut store = migrated(&from).await;
    write(&journal, (0..100).map(message)).await;
    let mut one = importer(&from, "mx1", &journal).await.unwrap();
    import(&mut one).await;
    let mut before = Vec::new();
    dump::backup(&mut store, &mut before).await.unwrap();
    write(&journal, (100..200).map(message)).await;
    import(&mut one).await;
    // The state of some time ago, in another database under the same importer.
    let mut old = migrated(&to).await;
    dump::restore(&mut old, &mut before.as_slice()).await.unwrap();
    *one.store() = Store::new(to);
    write(&journal, (200..300).map(message)).await;
    one.read().unwrap();
    assert_eq!(one.write(1).await.unwrap(), Met::default());
    assert!(one.is_rewound());
    assert_eq!(import(&mut one).await.messages, 200);
    assert_eq!(rows(&mut old).await, expected((0..300).map(message)));
}

/// The server goes and comes while there is something to be written.
async fn restart(databases: &mut impl Databases) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let url = databases.new_one().await;
    let mut store = migrated(&url).await;
    write(&journal, (0..500).map(message)).await;
    let mut one = importer(&url, "mx1", &journal).await.unwrap();
    import(&mut one).await;
    write(&journal, (500..800).map(message)).await;
    one.read().unwrap();
    databases.restart().await;
    for attempt in 0..5 {
        match one.write(1).await {
            // A server that was killed may have lost its last second: then it is read again.
            Ok(_) if one.is_rewound() => drop(one.read().unwrap()),
            Ok(_) => break,
            Err(error) => assert!(error.trouble.may_pass() && attempt < 4, "{error}"),
        }
    }
    store.disconnect();
    assert_eq!(rows(&mut store).await, expected((0..800).map(message)));
}
