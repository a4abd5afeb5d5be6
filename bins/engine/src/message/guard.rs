//! The wall around work on a message: a panic ends that work and nothing else.
//!
//! Nothing in the cores panics on input; this is for the day when that is wrong. What was being worked on is dropped, the message
//! gets the answer that `policy.on_internal_error` says, and the connection goes on. Where the panic came from is logged by the
//! panic hook ([`crate::logging::install`]).

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Work ended in a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// Does `work`; whatever it held is to be given up when a [`Fault`] comes back.
///
/// # Errors
///
/// [`Fault`] when it panicked.
pub fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_payload| Fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_fault() {
        assert_eq!(guard(|| 7), Ok(7));
        assert_eq!(guard(|| -> u8 { panic!("on purpose") }), Err(Fault));
    }
}
