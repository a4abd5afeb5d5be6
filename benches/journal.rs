//! What the journal costs a message: the verdict with and without its entry, and the entry handed to the writer.
//!
//! A message from outside with two recipients and one signature. What the writer's thread does beside it (JSON, checksum, disk) is not on the path of
//! the mail; `append/written` has it in, since the queue is full all the time.

#![expect(clippy::expect_used, clippy::arithmetic_side_effects, reason = "nothing to measure is a failure")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dkim_core::UnixTime;
use engine::config::Config;
use engine::journal::{JournalThread, Record, Settings};
use engine::keys::Keys;
use engine::message::envelope::Envelope;
use engine::message::origin::{Client, Origin, OriginRule};
use engine::message::{AuthservIds, Closing, Facts, Message, Rules, SignJob, Verdict, guard};

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

const SIGNATURE: &[u8] = b" v=1; a=rsa-sha256; d=example.org; s=2026; h=from:to:subject; \
    bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=YWJjZGVmZ2hpamtsbW5vcA==";

fn closing(rules: &Arc<Rules>) -> (Closing, SignJob) {
    let mut envelope = Envelope::new(b"<bounces@mail.example.org>", [], 100);
    envelope.recipient(b"<jo@example.net>");
    envelope.recipient(b"<mary@example.net>");
    let facts = Facts {
        queue_id: Some(b"4XyZ12abcdef".to_vec()),
        listener: "inet:127.0.0.1:8891".to_owned(),
        origin: Origin::Inbound,
        rule: OriginRule::NotTrusted,
        client: Client::Ip([192, 0, 2, 10].into(), 40_000),
        is_ignored: false,
        daemon_name: None,
        judged: None,
        mta_name: None,
        client_name: b"mail.example.org".to_vec(),
        helo: b"mail.example.org".to_vec(),
        iprev: None,
        began: NOW,
        can_quarantine: true,
        envelope,
    };
    let ids = AuthservIds::new("mx.example.net".to_owned(), &[]);
    let mut message = Message::begin(Arc::clone(rules), Arc::default(), Arc::new(ids), facts);
    message.header(b"From", b" Jo <jo@example.org>");
    message.header(b"DKIM-Signature", SIGNATURE);
    message.body(b"Hello\r\n", NOW);
    message.finish(NOW)
}

fn verdict((closing, job): (Closing, SignJob), keeps_entry: bool) -> Verdict {
    let closing = if keeps_entry { closing.with_entry(SystemTime::now()) } else { closing };
    closing.verdict(guard(|| job.run()), Duration::from_millis(20), Duration::from_millis(10))
}

fn entry(rules: &Arc<Rules>) -> Record {
    *verdict(closing(rules), true).entry.expect("an entry")
}

fn journal(criterion: &mut Criterion) {
    let rules = Arc::new(Rules::new(Config::default(), &Keys::default()));
    let mut group = criterion.benchmark_group("journal");
    for (name, keeps_entry) in [("verdict/without", false), ("verdict/with", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| closing(&rules), |closing| verdict(closing, keeps_entry), BatchSize::SmallInput);
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let open = |name: &str| JournalThread::spawn(Settings::new(Path::join(folder.path(), name))).expect("a journal");
    let record = entry(&rules);
    // As many as the queue holds are handed over at once, then it is emptied.
    group.bench_function("append", |bencher| {
        bencher.iter_custom(|times| {
            let mut took = Duration::ZERO;
            let mut left = times;
            while left > 0 {
                let thread = open("append");
                let journal = thread.journal();
                let records: Vec<Record> = (0..left.min(2000)).map(|_| record.clone()).collect();
                left = left.saturating_sub(2000);
                let begin = std::time::Instant::now();
                runtime.block_on(async {
                    for record in records {
                        journal.append(record).await;
                    }
                });
                took += begin.elapsed();
                assert!(thread.finish(Duration::from_secs(60)), "nothing is lost");
            }
            took
        });
    });
    let thread = open("written");
    let journal = thread.journal();
    group.bench_function("append/written", |bencher| {
        bencher.iter(|| runtime.block_on(journal.append(record.clone())));
    });
    group.finish();
    assert_eq!(journal.lost(), 0, "the disk keeps up");
    assert!(thread.finish(Duration::from_secs(60)));
}

criterion_group!(benches, journal);
criterion_main!(benches);
