//! Edge cases of signing and verifying, one test each: messages that are signed and then altered, signatures written by hand that only just hold or
//! only just do not, and hostile headers. "Item 4" and the like are the numbers of the project's checklist of edge cases; items 1 to 3 (ends of
//! bodies, cuts, forms of fields) are in `canonicalization.rs` and `chunking.rs`.
#![cfg(any(feature = "ring", feature = "aws-lc-rs"))]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the helpers work on messages of this program; what fails there fails the test"
)]

mod support;

mod item_10_many_signatures;
mod item_11_large_signatures;
mod item_4_header_names;
mod item_5_b_tag;
mod item_6_domain_and_identity;
mod item_7_time;
mod item_8_keys;
mod item_9_added_fields;
