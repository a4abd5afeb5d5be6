//! Memory: heap calls a message, the peak of a large one, and growth with the input. An allocator counts what the thread of a test does.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests: what cannot be computed should stop the test"
)]

mod counting;
mod growth;
mod heap_calls;
mod mail;
mod peak;
