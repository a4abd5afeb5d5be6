//! What the roll-up takes: rows into SQLite, and the journal of whole days through it. One core: `taskset -c 0`.
//!
//! ```text
//! taskset -c 0 cargo bench -p benches --bench ledger                        rows a second, three times
//! taskset -c 0 cargo bench -p benches --bench ledger -- days 3 1000000      days of so many messages, and the size of the database behind each
//! ```
//!
//! The mail is that of a large host: sender domains by Zipf's law (20,000 of them, each with a few addresses of its own), 15 % of the messages in
//! somebody's name from an address that no other message has. Not criterion: one pass takes seconds, and its state grows.

#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "nothing to measure is a failure"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use engine::journal::record::{Dkim, Dmarc, Identity, Published, Spf};
use engine::journal::{JournalThread, Record, Settings as JournalSettings};
use ledger::rollup::{Importer, Met, Rules, Settings, Stopped};
use ledger::store::{DatabaseUrl, Store, migrate};

const DAY: u64 = 86_400_000;
const FIRST_DAY: u64 = 20_781;
const DOMAINS: u32 = 20_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// By Zipf's law with the exponent 1: the inverse of the harmonic sum, which is about the logarithm.
    fn domain(&mut self) -> u32 {
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((f64::from(DOMAINS) + 1.0).powf(share) as u32).saturating_sub(1).min(DOMAINS - 1)
    }
}

fn message(random: &mut Random, day: u64) -> Record {
    let number = random.domain();
    let domain = format!("sender{number}.example");
    let is_spoofed = random.next() % 100 < 15;
    let address = if is_spoofed { random.next() as u32 } else { number * 16 + (random.next() % 4) as u32 };
    let word = if is_spoofed { "fail" } else { "pass" }.to_owned();
    let (spf_domain, selector) = (format!("bounce.{domain}"), "s2026".to_owned());
    let dkim = Dkim { domain: domain.clone(), selector, result: word.clone(), cause: None };
    let published = Published {
        domain: domain.clone(),
        discovery_method: "treewalk".to_owned(),
        p: if number.is_multiple_of(3) { "none" } else { "reject" }.to_owned(),
        adkim: "r".to_owned(),
        aspf: "r".to_owned(),
        rua: vec![format!("mailto:dmarc@{domain}")],
        ..Published::default()
    };
    Record {
        at: (FIRST_DAY + day) * DAY + random.next() % DAY,
        queue_id: "4XyZ12abcdef".to_owned(),
        listener: "inet:127.0.0.1:8891".to_owned(),
        origin: "inbound".to_owned(),
        client: Some(IpAddr::V4(Ipv4Addr::from(address))),
        helo: format!("mail.{domain}"),
        mail_from: spf_domain.clone(),
        rcpt_to: vec!["here.example".to_owned()],
        recipients: 1,
        header_from: vec![domain.clone()],
        spf: Some(Spf { mail_from: Identity { domain: spf_domain, result: word.clone() }, helo: Identity::default() }),
        dkim: if is_spoofed { Vec::new() } else { vec![dkim] },
        dmarc: Some(Dmarc {
            result: word,
            spf_aligned: !is_spoofed,
            dkim_aligned: !is_spoofed,
            published: Some(published),
            disposition: if is_spoofed { "none" } else { "pass" }.to_owned(),
            ..Dmarc::default()
        }),
        action: "accept".to_owned(),
        size: 12_345,
        took: 30,
        ..Record::default()
    }
}

async fn write_day(journal: &Path, day: u64, messages: u64) {
    let mut settings = JournalSettings::new(journal.to_owned());
    settings.max_size = 1 << 40;
    let writer = JournalThread::spawn(settings).expect("a journal");
    let mut random = Random(day * 7919 + 12_345);
    for number in 0..messages {
        writer.journal().append(message(&mut random, day)).await;
        if number.is_multiple_of(1000) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(writer.journal().lost(), 0, "the journal has all of it");
    assert!(writer.finish(Duration::from_secs(60)), "the journal is written");
}

async fn import(database: &DatabaseUrl, journal: &Path) -> (Met, Duration, Duration) {
    let settings =
        Settings { node: "mx".to_owned(), journal: journal.to_owned(), max_rows: 10_000, rules: Rules::default() };
    let mut importer = Importer::open(Store::new(database.clone()), settings).await.expect("a journal and a database");
    let (mut sum, mut reading, mut writing) = (Met::default(), Duration::ZERO, Duration::ZERO);
    loop {
        let begun = Instant::now();
        let stopped = importer.read().expect("the journal is read");
        reading += begun.elapsed();
        let begun = Instant::now();
        sum.add(&importer.write(1).await.expect("the database takes it"));
        writing += begun.elapsed();
        if stopped == Stopped::End {
            return (sum, reading, writing);
        }
    }
}

async fn days(days: u64, messages: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ledger.sqlite");
    let database = DatabaseUrl::sqlite(&file);
    let mut store = Store::new(database.clone());
    migrate::migrate(&mut store, 1).await.expect("tables");
    let journal = folder.path().join("journal");
    let mut before = 0;
    for day in 0..days {
        write_day(&journal, day, messages).await;
        let cpu = cpu_seconds();
        let (met, reading, writing) = import(&database, &journal).await;
        let cpu = cpu_seconds() - cpu;
        store.script("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("a checkpoint");
        let size = std::fs::metadata(&file).expect("the file").len();
        let sql = format!("SELECT COUNT(*) FROM out_day WHERE day = {}", FIRST_DAY + day);
        let rows = store.number(&sql, &[]).await.expect("a count");
        let took = (reading + writing).as_secs_f64();
        println!(
            "day {day}: {} messages, {rows} rows; {took:.2} s ({:.2} reading, {:.2} writing), {cpu:.2} s of processor time, {:.0} messages a second of that; {:.1} MB, {:.1} more",
            met.counted,
            reading.as_secs_f64(),
            writing.as_secs_f64(),
            met.counted as f64 / cpu,
            size as f64 / 1e6,
            (size - before) as f64 / 1e6,
        );
        before = size;
    }
}

/// Of all threads of this process: what others do on the machine is not in it.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // Behind the name in parentheses; utime and stime are the 12th and 13th there, in hundredths of a second.
    let fields = stat.rsplit(") ").next().expect("fields").split(' ').skip(11).take(2);
    fields.map(|field| field.parse::<f64>().expect("a number") / 100.0).sum()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |index: usize| arguments.get(index).and_then(|text| text.parse().ok());
    match (arguments.first().map(String::as_str), number(1), number(2)) {
        (Some("days"), Some(count), Some(messages)) => runtime.block_on(days(count, messages)),
        _ => (0..3).for_each(|_| runtime.block_on(days(1, 300_000))),
    }
}
