//! How often memory is asked for: a program of its own, because it counts for all threads of it.

#![expect(unsafe_code, reason = "an allocator that counts is an allocator, and that trait is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dmarc_core::author::{AuthorDomains, AuthorLimits};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // The count of a thread that is ending is nobody's any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get().saturating_add(1)));
}

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
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

#[test]
fn a_from_field_takes_one_allocation_for_each_address_and_one_for_the_list() {
    let limits = AuthorLimits::default();
    for (value, most) in [
        (&b" \"Doe, John (\\\"J\\\")\" (a (nested) comment) <jd@mail.example.com>"[..], 2),
        (b" Team: a@one.example, b@one.example, c@one.example, d@one.example;", 5),
        (b" <a@one.example> <b@two.example>", 2),
        (b" ((((((((((((((((a", 0),
    ] {
        let (_, allocations) = counted(|| AuthorDomains::parse(value, &limits));
        assert!(allocations <= most, "{allocations} for {}", value.escape_ascii());
    }
}

#[cfg(feature = "psl")]
#[test]
fn rfc7489_s3_2_a_lookup_takes_none() {
    use dmarc_core::domain::DomainName;
    use dmarc_core::org_domain::SuffixList;
    use dmarc_core::psl::{PslLimits, PublicSuffixList, Sections};

    let list =
        PublicSuffixList::parse(b"com\nuk\nco.uk\n*.ck\n!www.ck\n", Sections::All, &PslLimits::default()).unwrap();
    for domain in
        ["com", "a.b.c.example.co.uk", "a.www.ck", "a.b.ck", "a.unlisted"].map(|name| DomainName::parse(name).unwrap())
    {
        let (_, allocations) = counted(|| (list.suffix_labels(&domain), list.public_suffix(&domain).len()));
        assert_eq!(allocations, 0, "{domain}");
    }
}
