//! Writer and reader together, on real files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::record::{Content, Lost};
use super::*;

const PATIENT: Duration = Duration::from_secs(10);

fn record(number: u64) -> Record {
    Record {
        at: number,
        queue_id: format!("4XyZ{number}"),
        client: Some("2001:db8::1".parse().unwrap()),
        mail_from: "example.com".to_owned(),
        header_from: vec!["example.org".to_owned()],
        ..Record::default()
    }
}

fn settings(folder: &TempDir) -> Settings {
    Settings::new(folder.path().join("journal"))
}

/// Times of the records, and what could not be read.
fn read_all(reader: &mut Reader) -> (Vec<u64>, Vec<Damage>) {
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    loop {
        match reader.read_next().unwrap() {
            Read::Entry(entry) => {
                assert_eq!(reader.position(), Some(entry.next));
                match entry.content {
                    Content::Message(record) => records.push(record.at),
                    Content::Lost(lost) => panic!("{lost:?}"),
                }
            }
            Read::Damage(damage) => damages.push(damage),
            Read::End => return (records, damages),
        }
    }
}

async fn write(settings: &Settings, numbers: std::ops::Range<u64>) {
    let thread = JournalThread::spawn(settings.clone()).unwrap();
    for number in numbers {
        thread.journal().append(record(number)).await;
    }
    assert!(thread.finish(PATIENT));
}

fn segments(folder: &Path) -> Vec<SegmentName> {
    segment::list(folder).unwrap()
}

#[tokio::test]
async fn what_is_appended_is_read_in_its_order_over_many_segments() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&folder);
    // Smaller than a batch: each batch begins a segment.
    settings.segment_size = 1;
    let thread = JournalThread::spawn(settings.clone()).unwrap();
    for number in 0..500 {
        thread.journal().append(record(number)).await;
        if number % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(thread.finish(PATIENT));
    assert!(segments(&settings.folder).len() > 3);
    let (records, damages) = read_all(&mut Reader::new(&settings.folder, None));
    assert_eq!(records, (0..500).collect::<Vec<_>>());
    assert_eq!(damages, []);
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    write(&settings, 0..3).await;
    let mut first = Reader::new(&settings.folder, None);
    let mut positions = Vec::new();
    while let Read::Entry(entry) = first.read_next().unwrap() {
        positions.push(entry.next);
    }
    write(&settings, 3..5).await;
    // The one that has seen the end sees what came since.
    assert_eq!(read_all(&mut first).0, [3, 4]);
    for (read, position) in positions.iter().enumerate() {
        // As a program keeps it from one run to the next.
        let kept = serde_json::to_string(position).unwrap();
        let mut again = Reader::new(&settings.folder, Some(serde_json::from_str(&kept).unwrap()));
        assert_eq!(read_all(&mut again).0, (u64::try_from(read).unwrap() + 1..5).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_reader_follows_a_journal_that_is_being_written() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    let thread = JournalThread::spawn(settings.clone()).unwrap();
    let mut reader = Reader::new(&settings.folder, None);
    for number in 0..20 {
        thread.journal().append(record(number)).await;
        let begun = std::time::Instant::now();
        let (records, damages) = loop {
            let read = read_all(&mut reader);
            if !read.0.is_empty() || begun.elapsed() > PATIENT {
                break read;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert_eq!((records, damages), (vec![number], Vec::new()));
    }
    assert!(thread.finish(PATIENT));
}

#[tokio::test]
async fn a_torn_tail_costs_itself_alone() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    write(&settings, 0..3).await;
    let path = segments(&settings.folder)[0].path(&settings.folder);
    let whole = fs::read(&path).unwrap();
    let line = whole.len() / 3;
    for cut in [1, 10, line - 1, line] {
        let torn = whole.len() - cut;
        OpenOptions::new().write(true).open(&path).unwrap().set_len(u64::try_from(torn).unwrap()).unwrap();
        let mut reader = Reader::new(&settings.folder, None);
        // While nothing newer is there the other half may come.
        assert_eq!(read_all(&mut reader), (vec![0, 1], Vec::new()), "{cut}");
        assert_eq!(read_all(&mut reader), (Vec::new(), Vec::new()));
        fs::write(&path, &whole).unwrap();
        assert_eq!(read_all(&mut reader), (vec![2], Vec::new()));
    }
    OpenOptions::new().write(true).open(&path).unwrap().set_len(u64::try_from(whole.len() - 5).unwrap()).unwrap();
    write(&settings, 3..5).await;
    let (records, damages) = read_all(&mut Reader::new(&settings.folder, None));
    assert_eq!(records, [0, 1, 3, 4]);
    let [damage] = damages[..] else { panic!("{damages:?}") };
    assert!(damage.is_torn_tail);
    assert_eq!(damage.octets, u64::try_from(line - 5).unwrap());
    assert_eq!(damage.at.offset, u64::try_from(2 * line).unwrap());
}

#[tokio::test]
async fn damage_in_the_middle_costs_its_lines() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    write(&settings, 0..6).await;
    let path = segments(&settings.folder)[0].path(&settings.folder);
    let whole = fs::read(&path).unwrap();
    let line = whole.len() / 6;
    // An octet of the second; the end of the fourth, which takes the fifth with it.
    let mut damaged = whole.clone();
    damaged[line + 40] ^= 4;
    damaged[4 * line - 1] = 0;
    fs::write(&path, &damaged).unwrap();
    let (records, damages) = read_all(&mut Reader::new(&settings.folder, None));
    assert_eq!(records, [0, 2, 5]);
    let octets: Vec<u64> = damages.iter().map(|damage| damage.octets).collect();
    assert_eq!(octets, [u64::try_from(line).unwrap(), u64::try_from(2 * line).unwrap()]);
    assert!(damages.iter().all(|damage| !damage.is_torn_tail));
    // Garbage without a line end is passed over in pieces, not taken into memory.
    fs::write(&path, [vec![0; 5 << 20], b"\n".to_vec(), whole].concat()).unwrap();
    let (records, damages) = read_all(&mut Reader::new(&settings.folder, None));
    assert_eq!(records, [0, 1, 2, 3, 4, 5]);
    assert_eq!(damages.iter().map(|damage| damage.octets).sum::<u64>(), (5 << 20) + 1);
    assert!(damages.iter().all(|damage| damage.octets <= u64::try_from(frame::MAX_LINE).unwrap()));
}

#[tokio::test]
async fn old_segments_go_by_size_and_by_age() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&folder);
    for round in 0..5 {
        write(&settings, round..round + 1).await;
    }
    let names = segments(&settings.folder);
    assert_eq!(names.len(), 5);
    let size = fs::metadata(names[0].path(&settings.folder)).unwrap().len();
    settings.max_size = size * 3;
    write(&settings, 5..6).await;
    // Three, and the one that was begun when they were counted.
    assert_eq!(read_all(&mut Reader::new(&settings.folder, None)).0, [2, 3, 4, 5]);
    let old = settings.folder.join("000000000001-000000.journal");
    fs::write(&old, "").unwrap();
    let other = settings.folder.join("000000000001-000000.journal.bak");
    fs::write(&other, "").unwrap();
    write(&settings, 6..7).await;
    assert!(!old.exists());
    assert!(other.exists());
}

#[tokio::test]
async fn a_segment_without_record_does_not_stay() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    write(&settings, 0..0).await;
    assert_eq!(segments(&settings.folder), []);
    assert!(matches!(Reader::new(&settings.folder, None).read_next().unwrap(), Read::End));
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_at_the_start() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("journal");
    fs::write(&file, "").unwrap();
    let error = JournalThread::spawn(Settings::new(file.clone())).unwrap_err();
    assert_eq!(error.to_string(), format!("the journal in {} cannot be written", file.display()));
}

/// A disk that is full for the journal: its folder is a link to a place where nothing can be created.
#[tokio::test]
async fn with_a_dead_disk_mail_goes_on_and_losses_are_counted_and_written() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&folder);
    settings.segment_size = 1;
    let (good, link) = (settings.folder.clone(), folder.path().join("link"));
    fs::create_dir(&good).unwrap();
    std::os::unix::fs::symlink(&good, &link).unwrap();
    settings.folder = link.clone();
    let thread = JournalThread::spawn_with_queue(settings, 10).unwrap();
    let journal = thread.journal();
    journal.append(record(0)).await;
    while fs::metadata(segments(&good)[0].path(&good)).unwrap().len() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fs::remove_file(&link).unwrap();
    journal.append(record(1)).await;
    while !journal.is_failing() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // One waits to be written, ten in the queue; the others are lost, at once.
    let begun = std::time::Instant::now();
    for number in 2..50 {
        journal.append(record(number)).await;
    }
    // To wait for each of them would take four times as long.
    assert!(begun.elapsed() < PATIENCE * 10);
    assert_eq!(journal.lost(), 38);
    std::os::unix::fs::symlink(&good, &link).unwrap();
    let begun = std::time::Instant::now();
    let mut reader = Reader::new(&good, None);
    let (mut records, mut lost) = (Vec::new(), Vec::new());
    while records.len() < 12 || lost.is_empty() {
        assert!(begun.elapsed() < PATIENT, "{records:?} {lost:?}");
        match reader.read_next().unwrap() {
            Read::Entry(entry) => match entry.content {
                Content::Message(record) => records.push(record.at),
                Content::Lost(Lost { records, .. }) => lost.push(records),
            },
            Read::Damage(damage) => panic!("{damage:?}"),
            Read::End => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    assert_eq!(records, (0..12).collect::<Vec<_>>());
    assert_eq!(lost, [38]);
    assert!(thread.finish(PATIENT));
    assert_eq!(journal.lost(), 38);
}

#[tokio::test]
async fn what_cannot_be_written_at_the_end_is_counted() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&folder);
    settings.segment_size = 1;
    let thread = JournalThread::spawn(settings.clone()).unwrap();
    let journal = thread.journal();
    journal.append(record(0)).await;
    while fs::metadata(segments(&settings.folder)[0].path(&settings.folder)).unwrap().len() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fs::remove_dir_all(&settings.folder).unwrap();
    for number in 1..4 {
        journal.append(record(number)).await;
    }
    assert!(!thread.finish(PATIENT));
    assert_eq!(journal.lost(), 3);
    // Too late.
    journal.append(record(4)).await;
    assert_eq!(journal.lost(), 4);
}

#[tokio::test]
async fn a_second_writer_is_kept_away() {
    let folder = TempDir::new().unwrap();
    let thread = JournalThread::spawn(settings(&folder)).unwrap();
    let error = JournalThread::spawn(settings(&folder)).unwrap_err();
    assert_eq!(error.source.to_string(), "another daemon writes it");
    assert!(thread.finish(PATIENT));
    assert!(JournalThread::spawn(settings(&folder)).unwrap().finish(PATIENT));
}

#[test]
fn half_written_frames_are_neither_repeated_nor_continued() {
    let mut frames = Vec::new();
    for number in 0..3 {
        assert!(frame::write(&serde_json::to_vec(&Content::Message(Box::new(record(number)))).unwrap(), &mut frames));
    }
    let line = frames.len() / 3;
    let mut rest = frames.clone();
    files::take_whole(&mut rest, line + 7);
    assert_eq!(rest, frames[line..]);
    files::take_whole(&mut rest, 3);
    assert_eq!(rest, frames[line..]);
    files::take_whole(&mut rest, 2 * line);
    assert!(rest.is_empty());
}

#[test]
fn records_of_later_versions_are_read() {
    let json = br#"{"message":{"at":7,"new":{"x":[1]},"spf":{"helo":{"result":"pass","more":1}}}}"#;
    let Content::Message(record) = serde_json::from_slice(json).unwrap() else { panic!() };
    assert_eq!(record.at, 7);
    assert_eq!(record.spf.unwrap().helo.result, "pass");
}

#[test]
fn no_file_makes_the_reader_fail() {
    let folder = TempDir::new().unwrap();
    let mut noise = Vec::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.push(b"J1 0f\n{}\"a:"[usize::try_from(state % 11).unwrap()]);
    }
    let mut file = fs::File::create(folder.path().join("000000000001-000000.journal")).unwrap();
    file.write_all(&noise).unwrap();
    let (records, damages) = read_all(&mut Reader::new(folder.path(), None));
    assert_eq!(records, [] as [u64; 0]);
    let tail = noise.iter().rev().take_while(|octet| **octet != b'\n').count();
    assert_eq!(damages.iter().map(|damage| damage.octets).sum::<u64>(), u64::try_from(noise.len() - tail).unwrap());
}

#[test]
fn a_pipe_in_place_of_a_segment_is_an_error_and_no_wait() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("001795544407-000000.journal");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
    let error = Reader::new(folder.path(), None).read_next().unwrap_err();
    assert!(error.to_string().contains("001795544407-000000.journal is not a regular file"), "{error}");
}

#[tokio::test]
async fn a_journal_has_a_name_that_stays_and_no_other_has() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    write(&settings, 0..1).await;
    let name = identity(&settings.folder).unwrap();
    assert!(name.is_some());
    write(&settings, 1..2).await;
    assert_eq!(identity(&settings.folder).unwrap(), name);
    let other = Settings::new(folder.path().join("other"));
    write(&other, 0..1).await;
    assert_ne!(identity(&other.folder).unwrap(), name);
    // As one that was begun before journals had names: the next writer gives it one.
    fs::write(other.folder.join("lock"), "").unwrap();
    assert_eq!(identity(&other.folder).unwrap(), None);
    write(&other, 1..2).await;
    assert!(identity(&other.folder).unwrap().is_some());
    assert!(identity(&folder.path().join("none")).is_err());
}

#[tokio::test]
async fn segments_that_were_removed_before_they_were_read_are_told_once() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    for number in 0..4 {
        write(&settings, number..number + 1).await;
    }
    let mut first = Reader::new(&settings.folder, None);
    let Read::Entry(entry) = first.read_next().unwrap() else { panic!() };
    assert_eq!(first.take_gap(), None);
    let names = segments(&settings.folder);
    for name in &names[..3] {
        fs::remove_file(name.path(&settings.folder)).unwrap();
    }
    // The open one is read to its end all the same; what was between is gone.
    assert_eq!(read_all(&mut first).0, [3]);
    assert_eq!(first.take_gap(), Some(entry.next));
    assert_eq!(first.take_gap(), None);
    let mut again = Reader::new(&settings.folder, Some(entry.next));
    assert_eq!(read_all(&mut again).0, [3]);
    assert_eq!(again.take_gap(), Some(entry.next));
    // Who begins with the oldest misses nothing.
    let mut new = Reader::new(&settings.folder, None);
    assert_eq!((read_all(&mut new).0.len(), new.take_gap()), (1, None));
}

#[tokio::test]
async fn an_empty_segment_that_went_away_is_no_gap() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    write(&settings, 0..1).await;
    let idle = JournalThread::spawn(settings.clone()).unwrap();
    let mut reader = Reader::new(&settings.folder, None);
    assert_eq!(read_all(&mut reader).0, [0]);
    assert_eq!(reader.position().unwrap().offset, 0);
    assert!(idle.finish(PATIENT));
    write(&settings, 1..2).await;
    assert_eq!(read_all(&mut reader).0, [1]);
    assert_eq!(reader.take_gap(), None);
}
