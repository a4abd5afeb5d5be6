//! Answers kept for as long as they may be, each asked for once.
//!
//! SPF and DKIM share it: an entry is what was said to a question, a name and a kind of records. The key record and the SPF record of a TXT answer
//! are parsed once, when they are first asked for.
//!
//! An entry is a cell that the first asker fills and everybody else who asks meanwhile waits for: a hundred messages of one sender ask one
//! question. When the asker goes away (its message's deadline), the next one in line asks again. Entries are dropped first in, first out once
//! there are more than the limit, or hold more octets together; one that is a large part of that is handed out and not kept. Nothing is held
//! over an await but a reference to the cell, and nothing large is freed under the lock.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use dkim_core::crypto::Backend;
use dkim_core::verify::KeyAnswer;
use spf_core::dns::{Answer, Exchange, Question};
use spf_core::limits::RecordLimits;
use spf_core::name::Name;
use spf_core::record::{Piece, Term, has_version};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::as_txt;

/// An answer and how long it may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fresh {
    pub(super) answer: Answer,
    pub(super) keep: Duration,
}

/// A kept answer.
#[derive(Debug)]
pub(super) struct Kept {
    answer: Answer,
    until: Instant,
    key: OnceLock<KeyAnswer>,
}

impl Kept {
    pub(super) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The answer as a key, parsed when it is first asked for.
    pub(super) fn key(&self, backend: Backend) -> KeyAnswer {
        self.key.get_or_init(|| KeyAnswer::parse(&as_txt(&self.answer), backend)).clone()
    }
}

type Cell = Arc<OnceCell<Kept>>;

/// What the answers of the cache may hold together: an answer of 64 KiB must not cost as little as one of 400 octets.
pub(super) const MAX_OCTETS: usize = 32 << 20;

/// The part of [`MAX_OCTETS`] that one answer may be: a stranger who has large ones must not push everybody's out with a few of them.
const MAX_PART: usize = 64;

/// What an entry costs beside its name and its answer.
const ENTRY: usize = 256;

/// What a name costs beside its text.
const NAME: usize = 32;

/// Answers by question.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    max_octets: usize,
    kept: Mutex<Questions>,
}

#[derive(Debug, Default)]
struct Questions {
    entries: HashMap<Question, Entry>,
    order: VecDeque<Question>,
    octets: usize,
}

#[derive(Debug, Default)]
struct Entry {
    cell: Cell,
    /// Counted in [`Questions::octets`].
    octets: usize,
}

impl Cache {
    /// A cache of at most `limit` answers with at most `max_octets` in all; 0 keeps none.
    pub(super) fn new(limit: usize, max_octets: usize) -> Self {
        Self { limit, max_octets, kept: Mutex::new(Questions::default()) }
    }

    /// Hands the answer to `question` to `use_it`; asks with `ask` when none is kept or being asked for.
    pub(super) async fn get<R>(
        &self,
        question: &Question,
        ask: impl Future<Output = Fresh>,
        use_it: impl FnOnce(&Kept) -> R,
    ) -> R {
        let cell = self.cell(question);
        let mut filled = None;
        let kept = cell
            .get_or_init(|| async {
                let Fresh { answer, keep } = ask.await;
                filled = Some(octets_of(&answer));
                let now = Instant::now();
                Kept { answer, until: now.checked_add(keep).unwrap_or(now), key: OnceLock::new() }
            })
            .await;
        if let Some(octets) = filled {
            self.count(question, &cell, octets);
        }
        use_it(kept)
    }

    /// The cell for `question`: the one there is unless its answer is too old.
    fn cell(&self, question: &Question) -> Cell {
        if self.limit == 0 {
            return Cell::default();
        }
        // Made before the lock is taken, and so freed behind it.
        let mut gone = Vec::new();
        let questions = &mut *self.lock();
        if let Some(entry) = questions.entries.get_mut(question) {
            if entry.cell.get().is_some_and(|kept| kept.until <= Instant::now()) {
                let old = std::mem::take(entry);
                questions.octets = questions.octets.saturating_sub(old.octets);
                gone.push(old);
            }
            return Arc::clone(&entry.cell);
        }
        while questions.entries.len() >= self.limit && questions.take_oldest(&mut gone) {}
        let entry = Entry::default();
        let cell = Arc::clone(&entry.cell);
        questions.order.push_back(question.clone());
        questions.entries.insert(question.clone(), entry);
        cell
    }

    /// Counts the answer that has come into `cell`, and makes room for it.
    fn count(&self, question: &Question, cell: &Cell, octets: usize) {
        // As in `cell`.
        let mut gone = Vec::new();
        let questions = &mut *self.lock();
        // It may have been dropped meanwhile, and even been asked for anew.
        let Some(entry) = questions.entries.get_mut(question).filter(|entry| Arc::ptr_eq(&entry.cell, cell)) else {
            return;
        };
        let octets = octets.saturating_add(question.name.as_str().len()).saturating_add(ENTRY);
        if octets > self.max_octets / MAX_PART {
            // Those who wait for it have the cell; whoever comes later asks anew.
            gone.push(std::mem::take(entry));
            return;
        }
        entry.octets = octets;
        questions.octets = questions.octets.saturating_add(octets);
        while questions.octets > self.max_octets && questions.take_oldest(&mut gone) {}
    }

    /// The lock is held for a few instructions that do not panic; were it poisoned all the same, the map would be whole.
    fn lock(&self) -> MutexGuard<'_, Questions> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Questions {
    /// Moves the oldest entry to those that are gone. Whether there was one.
    fn take_oldest(&mut self, gone: &mut Vec<Entry>) -> bool {
        let Some(oldest) = self.order.pop_front() else { return false };
        if let Some(entry) = self.entries.remove(&oldest) {
            self.octets = self.octets.saturating_sub(entry.octets);
            gone.push(entry);
        }
        true
    }
}

/// What an answer holds at most, once everything that can be parsed out of it is.
fn octets_of(answer: &Answer) -> usize {
    let sum = |octets: &mut dyn Iterator<Item = usize>| octets.fold(0, usize::saturating_add);
    match answer {
        Answer::Txt(records) => {
            let texts = sum(&mut records.texts().iter().map(|text| octets_of_text(text)));
            texts.saturating_add(octets_of_record(records.texts()))
        }
        Answer::A(addresses) => size_of_val(&**addresses),
        Answer::Aaaa(addresses) => size_of_val(&**addresses),
        Answer::Mx(exchanges) => {
            let names = exchanges.iter().map(|exchange| exchange.name.as_ref().map_or(0, octets_of_name));
            sum(&mut names.map(|name| name.saturating_add(size_of::<Exchange>())))
        }
        Answer::Ptr(names) => sum(&mut names.iter().map(|name| octets_of_name(name).saturating_add(size_of::<Name>()))),
        Answer::NoData | Answer::NxDomain | Answer::Failed => 0,
    }
}

fn octets_of_name(name: &Name) -> usize {
    name.as_str().len().saturating_add(NAME)
}

/// The text, and as much again for the key or the SPF record that is parsed out of it.
fn octets_of_text(text: &[u8]) -> usize {
    text.len().saturating_add(size_of::<Vec<u8>>()).saturating_mul(2)
}

/// The terms of the SPF record, if there is one and no second one: a record of many short terms (`a a a`) is larger than its text. A term has a
/// space before it, a piece of a macro string a percent sign within or before it, and of both a record has no more than its limits.
fn octets_of_record(texts: &[Vec<u8>]) -> usize {
    let mut records = texts.iter().filter(|text| has_version(text));
    let (Some(text), None) = (records.next(), records.next()) else { return 0 };
    let limits = RecordLimits::default();
    let count = |wanted: u8, most: usize| text.iter().filter(|octet| **octet == wanted).count().min(most);
    // Twice, since lists grow by doubling.
    let term = size_of::<Term>().saturating_mul(2).saturating_add(NAME);
    let terms = count(b' ', limits.max_terms).saturating_mul(term);
    let pieces = count(b'%', limits.max_percents).saturating_mul(size_of::<Piece>().saturating_mul(4));
    terms.saturating_add(pieces)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use spf_core::dns::RecordKind;
    use spf_core::record::Record;

    use super::*;

    fn question(name: &str) -> Question {
        Question::new(Name::parse(name).unwrap(), RecordKind::Txt)
    }

    fn fresh(text: &str, keep: u64) -> Fresh {
        Fresh { answer: Answer::txt([text]), keep: Duration::from_secs(keep) }
    }

    async fn ask(cache: &Cache, name: &str, asked: &AtomicUsize, keep: u64) {
        let answer = async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            fresh(name, keep)
        };
        let answer = cache.get(&question(name), answer, |kept| kept.answer().clone()).await;
        assert_eq!(answer, fresh(name, 0).answer);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_as_long_as_it_may_be() {
        let (cache, asked) = (Cache::new(10, MAX_OCTETS), AtomicUsize::new(0));
        ask(&cache, "a", &asked, 60).await;
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(61)).await;
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_meanwhile_wait_for_the_one_question() {
        let (cache, asked) = (Cache::new(10, MAX_OCTETS), AtomicUsize::new(0));
        let all = (0..50).map(|_| ask(&cache, "a", &asked, 60));
        let mut all: Vec<_> = all.map(Box::pin).collect();
        std::future::poll_fn(|context| {
            all.retain_mut(|one| one.as_mut().poll(context).is_pending());
            if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_given_up_is_asked_by_the_next() {
        let (cache, asked) = (Cache::new(10, MAX_OCTETS), AtomicUsize::new(0));
        let given_up = tokio::time::timeout(Duration::from_millis(1), ask(&cache, "a", &asked, 60)).await;
        assert!(given_up.is_err());
        ask(&cache, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answer_goes_first_and_none_is_kept_at_limit_zero() {
        let (cache, asked) = (Cache::new(2, MAX_OCTETS), AtomicUsize::new(0));
        for name in ["a", "b", "c", "b", "c", "a"] {
            ask(&cache, name, &asked, 60).await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 4, "a was dropped when c came");
        assert_eq!(cache.lock().entries.len(), 2);
        assert_eq!(cache.lock().order.len(), 2);
        let (none, asked) = (Cache::new(0, MAX_OCTETS), AtomicUsize::new(0));
        ask(&none, "a", &asked, 60).await;
        ask(&none, "a", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
    fn long(octets: usize) -> Fresh {
        fresh(&"x".repeat(octets), 60)
    }

    #[tokio::test]
    async fn many_long_answers_hold_no_more_than_their_octets_and_the_newest_stay() {
        let cache = Cache::new(8192, 1 << 20);
        for number in 0..1000 {
            cache.get(&question(&number.to_string()), async { long(7_500) }, |_| ()).await;
            assert!(cache.lock().octets <= 1 << 20);
        }
        let there: Vec<usize> =
            (0..1000).filter(|n| cache.lock().entries.contains_key(&question(&n.to_string()))).collect();
        assert_eq!(there, (932..1000).collect::<Vec<_>>(), "as many as 1 MiB holds, each twice");
        assert_eq!(cache.lock().order.len(), 68);
    }

    /// Seven of the largest SPF records were enough to push out what everybody else had asked for.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_a_large_part_of_the_cache_is_handed_out_and_not_kept() {
        let (cache, asked) = (Cache::new(8192, 1 << 20), AtomicUsize::new(0));
        ask(&cache, "honest", &asked, 60).await;
        let before = cache.lock().octets;
        for number in 0..100 {
            let name = format!("huge{number}");
            let large = async { fresh(&format!("v=spf1{}", " a".repeat(32_000)), 60) };
            let octets = cache.get(&question(&name), large, |kept| octets_of(kept.answer())).await;
            assert!(octets > (1 << 20) / MAX_PART);
            assert_eq!(cache.lock().octets, before);
            assert!(cache.lock().entries.get(&question(&name)).is_some_and(|entry| entry.cell.get().is_none()));
            // Nothing of it is there for the next one.
            ask(&cache, &name, &asked, 0).await;
            cache.get(&question(&name), async { long(1 << 20) }, |_| ()).await;
            assert_eq!(cache.lock().octets, before);
        }
        ask(&cache, "honest", &asked, 60).await;
        assert_eq!(asked.load(Ordering::SeqCst), 101, "the honest one was kept");
        let questions = cache.lock();
        assert_eq!(questions.order.len(), questions.entries.len());
    }

    /// With the real limit: no text that one name may have counts for more than a hundredth of the cache.
    #[test]
    fn the_worst_spf_records_count_little() {
        for text in [format!("v=spf1{}", " a".repeat(32_000)), format!("v=spf1 exists:{}.a", "%%".repeat(32_000))] {
            assert!(octets_of(&Answer::txt([text])) < MAX_OCTETS / 100);
        }
        // None of several is ever parsed.
        let several = vec![format!("v=spf1{}", " a".repeat(500)); 60];
        assert!(octets_of(&Answer::txt(several)) < MAX_OCTETS / 100);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_replaced_is_counted_once() {
        let cache = Cache::new(8192, MAX_OCTETS);
        let counted = |octets: usize| (octets + size_of::<Vec<u8>>()) * 2 + 1 + ENTRY;
        for octets in [10_000, 50_000, 100] {
            cache.get(&question("a"), async { long(octets) }, |_| ()).await;
            assert_eq!(cache.lock().octets, counted(octets));
            tokio::time::advance(Duration::from_secs(61)).await;
        }
    }

    #[tokio::test]
    async fn kinds_of_records_of_one_name_are_kept_apart() {
        let cache = Cache::new(10, MAX_OCTETS);
        let a = Question::new(Name::parse("a.example").unwrap(), RecordKind::A);
        let answers = [(question("a.example"), Answer::txt(["x"])), (a, Answer::a([[192, 0, 2, 1].into()]))];
        for (question, answer) in &answers {
            let fresh = Fresh { answer: answer.clone(), keep: Duration::from_secs(60) };
            cache.get(question, async { fresh }, |_| ()).await;
        }
        for (question, answer) in answers {
            let kept = cache.get(&question, async { unreachable!("it is kept") }, |kept| kept.answer().clone()).await;
            assert_eq!(kept, answer);
        }
    }

    #[tokio::test]
    async fn key_and_spf_record_of_one_answer_are_parsed_once() {
        let cache = Cache::new(10, MAX_OCTETS);
        let texts = Answer::txt(["v=spf1 -all", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]);
        let fresh = Fresh { answer: texts, keep: Duration::from_secs(60) };
        let key = cache.get(&question("a"), async { fresh }, |kept| kept.key(crate::BACKEND)).await;
        assert!(key.record().is_ok());
        let of = |kept: &Kept| match kept.answer() {
            Answer::Txt(records) => (std::ptr::from_ref(records.selection()).addr(), Arc::as_ptr(records).addr()),
            other => panic!("{other:?}"),
        };
        let first = cache.get(&question("a"), async { unreachable!() }, of).await;
        assert_eq!(cache.get(&question("a"), async { unreachable!() }, of).await, first);
    }

    /// The parsed record of the worst texts holds no more than is counted.
    #[test]
    fn what_is_parsed_out_of_an_spf_record_is_counted() {
        for (text, terms, pieces) in [
            (format!("v=spf1{}", " a".repeat(500)), 500, 0),
            (format!("v=spf1{}", " a:b.c".repeat(500)), 500, 0),
            (format!("v=spf1 exists:{}.a", "%%".repeat(250)), 1, 251),
            (format!("v=spf1 exists:{}.a", "x%_".repeat(500)), 1, 1_001),
        ] {
            let record: Record = text.parse().unwrap();
            assert_eq!(record.terms().len(), terms);
            let held = text.len() + terms * (size_of::<Term>() + NAME) + pieces * size_of::<Piece>();
            assert!(octets_of(&Answer::txt([text])) >= held);
        }
    }

    #[test]
    fn addresses_and_names_are_counted() {
        let address = [192, 0, 2, 1].into();
        assert_eq!(octets_of(&Answer::a([address; 100])), 400);
        assert_eq!(octets_of(&Answer::aaaa([[0; 16].into(); 100])), 1600);
        let name = "n".repeat(60);
        assert_eq!(octets_of(&Answer::ptr(vec![&name; 10])), 10 * (60 + NAME + size_of::<Name>()));
        assert_eq!(octets_of(&Answer::mx(vec![(1, &name); 10])), 10 * (60 + NAME + size_of::<Exchange>()));
        assert_eq!(octets_of(&Answer::NxDomain), 0);
    }
}
