//! The wall around work that waits: as [`guard`](crate::message::guard), for each piece of it between two waits.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::message::{Fault, guard};

/// Does `work`; whatever it held is to be given up when a [`Fault`] comes back. The caller pins it: by value it would be in the future twice.
///
/// # Errors
///
/// [`Fault`] when it panicked.
pub(super) async fn guarded<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Fault> {
    poll_fn(|context| match guard(|| work.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(Fault) => Poll::Ready(Err(Fault)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn a_panic_before_or_behind_a_wait_is_a_fault() {
        for waits in [0, 2] {
            let work = async |panics: bool| {
                for _ in 0..waits {
                    tokio::task::yield_now().await;
                }
                assert!(!panics, "on purpose");
                7
            };
            assert_eq!(guarded(pin!(work(false))).await, Ok(7));
            assert_eq!(guarded(pin!(work(true))).await, Err(Fault));
        }
    }
}
