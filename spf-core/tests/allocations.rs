//! How often memory is asked for, and how much is held: a program of its own, because it counts for all threads of it.

#![expect(unsafe_code, reason = "an allocator that counts is an allocator, and that trait is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use spf_core::check::check_mail_from;
use spf_core::dns::{Answer, Question};
use spf_core::identity::{Sender, Session};
use spf_core::limits::{Limits, RecordLimits};
use spf_core::outcome::SpfResult;
use spf_core::record::Record;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // The count of a thread that is ending is nobody's any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get().saturating_add(1)));
}

fn hold(more: usize, less: usize) {
    let change = more.cast_signed().saturating_sub(less.cast_signed());
    let _ = HELD.try_with(|held| held.set(held.get().saturating_add(change)));
}

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        hold(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        hold(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What this returns, and how often memory was asked for meanwhile.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get().saturating_sub(before))
}

/// What this returns, and how many octets it holds.
fn held<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = HELD.get();
    let result = work();
    (result, HELD.get().saturating_sub(before))
}

/// The record of the benchmark: three includes and ten networks.
const RECORD: &str = "v=spf1 include:_spf.one.example include:_spf.two.example include:_spf.three.example ip4:192.0.2.1 ip4:192.0.2.2 \
     ip4:192.0.2.3 ip4:192.0.2.4 ip4:198.51.100.0/26 ip4:198.51.100.64/26 ip4:198.51.100.128/26 ip4:198.51.100.192/26 \
     ip4:203.0.113.0/25 ip4:203.0.113.128/25 -all";

#[test]
fn an_evaluation_from_memory_takes_six_allocations_with_everything() {
    let records =
        [RECORD, "v=spf1 ip4:192.0.2.16/28 ~all", "v=spf1 ip4:192.0.2.48/28 ~all", "v=spf1 ip6:2001:db8::/32 ?all"];
    let answers = records.map(|record| Answer::txt([record]));
    for answer in &answers {
        let Answer::Txt(records) = answer else { panic!("{answer:?}") };
        records.selection();
    }
    let lookup = |question: &Question| {
        let names = ["example.com", "_spf.one.example", "_spf.two.example", "_spf.three.example"];
        let index = names.iter().position(|name| *name == question.name.as_str());
        index.and_then(|index| answers.get(index)).cloned().unwrap_or(Answer::NxDomain)
    };
    let client = "203.0.113.200".parse().unwrap();
    let limits = Limits::default();
    let (outcome, whole) = counted(|| {
        let session = Session::new(client, "mail.example.com");
        let sender = Sender::from_reverse_path(b"<joe@example.com>");
        check_mail_from(&session, &sender, &limits).run(lookup)
    });
    assert_eq!((outcome.result, outcome.questions.len()), (SpfResult::Pass, 4));
    // The machine, its evaluations, its questions; HELO, local part and domain of the sender.
    assert_eq!(whole, 6);

    let session = Session::new(client, "mail.example.com");
    let sender = Sender::from_reverse_path(b"<joe@example.com>");
    let (outcome, alone) = counted(|| check_mail_from(&session, &sender, &limits).run(lookup));
    assert_eq!((outcome.result, alone), (SpfResult::Pass, 3));
}

#[test]
fn parsing_takes_one_allocation_for_each_name_and_two_for_the_rest() {
    let (record, count) = counted(|| Record::parse(RECORD, RecordLimits::default()));
    assert_eq!(record.unwrap().terms().len(), 14);
    assert_eq!(count, 5);
}

/// Memory grows with the text and not with what the text says.
#[test]
fn a_record_of_ten_thousand_terms_takes_few_allocations() {
    let text = format!("v=spf1 {}", "ip4:9.9.9.9/32 ".repeat(4_300));
    let mut limits = RecordLimits::default();
    limits.max_terms = 4_300;
    let (record, count) = counted(|| Record::parse(&text, limits));
    assert_eq!(record.unwrap().terms().len(), 4_300);
    assert!(count <= 12, "{count}");
}

/// What a parsed record holds beside its text, at most: the limits on terms and macros.
#[test]
fn s4_6_a_parsed_record_is_not_much_larger_than_its_text() {
    for text in [
        format!("v=spf1 {}", "a ".repeat(500)),
        format!("v=spf1 {}", "a:b.c ".repeat(500)),
        format!("v=spf1 {}", "a:%_.c ".repeat(500)),
        format!("v=spf1 exists:{}.c", "%%".repeat(250)),
        format!("v=spf1 exists:{}.c", "x%_".repeat(500)),
        format!("v=spf1 {} exists:{}.c", "a ".repeat(499), "x%_".repeat(500)),
    ] {
        let (record, octets) = held(|| text.parse::<Record>().unwrap());
        assert!(octets < 128 * 1024, "{octets} of {} terms", record.terms().len());
    }
    for text in [format!("v=spf1 {}", "a ".repeat(32_000)), format!("v=spf1 exists:{}.c", "%%".repeat(32_000))] {
        let (error, octets) = held(|| text.parse::<Record>().unwrap_err());
        assert!(octets < 512, "{octets}: {error}");
    }
}

/// Records of 65,000 octets that include each other to the limit: while it runs a check holds what it has read, and afterwards what it found.
#[test]
fn s11_1_a_done_check_of_hostile_records_holds_a_few_kilobytes() {
    let chain = |terms: &'static str, times: usize| {
        move |question: &Question| {
            let number: u32 = question.name.as_str().split('.').next().unwrap().parse().unwrap_or(0);
            let text = format!("v=spf1 include:{}.evil.example {}", number.saturating_add(1), terms.repeat(times));
            Answer::txt([text, "x".repeat(60_000)])
        }
    };
    let long: &'static str = "exists:%{s}.yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy.example ";
    for (lookup, cause) in [
        (chain("a ", 499), "too-many-lookups"),
        (chain(long, 499), "too-many-lookups"),
        (chain("a ", 32_000), "syntax"),
    ] {
        let session = Session::new("192.0.2.1".parse().unwrap(), "mail.example.com");
        let sender = Sender::from_reverse_path(b"<joe@evil.example>");
        let (outcome, running) = held(|| check_mail_from(&session, &sender, &Limits::default()).run(lookup));
        assert_eq!((outcome.result, outcome.cause.code()), (SpfResult::PermError, cause));
        assert!(running < 2 << 20, "{running}");
        let (fields, term) = (outcome.received_spf("mx.example"), outcome.term().map(str::to_owned));
        let (short, freed) = held(|| outcome.without_log());
        let octets = running.saturating_add(freed);
        assert!(octets < 2_500, "{octets}");
        assert_eq!((short.received_spf("mx.example"), short.term().map(str::to_owned)), (fields, term));
        assert_eq!(short.clone().without_log(), short, "as short as it gets");
    }
}
