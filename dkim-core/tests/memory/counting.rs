//! An allocator that counts, for each thread by itself, so that tests may run side by side.
#![expect(unsafe_code, reason = "a global allocator cannot be written without; this one only counts and hands on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
    static TOTAL: Cell<u64> = const { Cell::new(0) };
}

/// What a piece of work did to the heap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heap {
    /// Calls that allocated or grew something.
    pub(crate) calls: u64,
    /// Octets that were asked for, in all.
    pub(crate) octets: u64,
    /// The most octets that were held at once, above those held at the start.
    pub(crate) peak: i64,
}

/// Counts what `work` does on this thread.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> (T, Heap) {
    let (calls, live, total) = (CALLS.get(), LIVE.get(), TOTAL.get());
    PEAK.set(live);
    let value = work();
    let heap = Heap { calls: CALLS.get() - calls, octets: TOTAL.get() - total, peak: PEAK.get() - live };
    (value, heap)
}

/// Counts an allocation of `size` octets that releases `old` ones.
fn grew(size: usize, old: usize) {
    let octets = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    // A thread that ends has no counters any more, and no test that looks at them.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    let _ = TOTAL.try_with(|total| total.set(total.get() + size as u64));
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + octets(size) - octets(old));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is handed on to the allocator of the system as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grew(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grew(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get() - i64::try_from(layout.size()).unwrap_or(0)));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn the_allocator_counts() {
    let (kept, heap) = counted(|| {
        drop(vec![0_u8; 1000]);
        let mut kept = Vec::<u8>::with_capacity(100);
        kept.reserve_exact(200);
        kept
    });
    assert_eq!((heap.calls, heap.octets, heap.peak), (3, 1300, 1000));
    drop(kept);
}
