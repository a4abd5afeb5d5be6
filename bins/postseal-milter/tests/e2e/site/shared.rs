//! A site that several tests use one after the other: starting one takes longer than most tests.

use std::sync::{Arc, Mutex, Weak};

use super::Site;

/// A site that is started for the first test that wants it and stopped when none has it any more.
pub(crate) struct Shared {
    start: fn() -> Site,
    running: Mutex<Weak<Mutex<Site>>>,
}

impl Shared {
    /// One that starts like this.
    pub(crate) const fn new(start: fn() -> Site) -> Self {
        Self { start, running: Mutex::new(Weak::new()) }
    }

    /// Runs a test that leaves no message behind. After one that failed the next gets another site.
    pub(crate) fn with(&self, test: impl FnOnce(&Site)) {
        let shared = self.running();
        // A test that waits for its turn finds out here that the one before it failed.
        let Ok(site) = shared.lock() else { return self.with(test) };
        let logs = PrintedOnPanic(&site);
        test(logs.0);
        assert!(!site.postfix.mailbox.has_more(), "a message was left in the mailbox");
        assert_eq!(site.postfix.held(), [""; 0], "a message was left on hold");
    }

    fn running(&self) -> Arc<Mutex<Site>> {
        let mut running = self.running.lock().unwrap();
        running.upgrade().filter(|site| !site.is_poisoned()).unwrap_or_else(|| {
            let site = Arc::new(Mutex::new((self.start)()));
            *running = Arc::downgrade(&site);
            site
        })
    }
}

/// The site may be stopped by another test's thread, which does not know that this one failed.
struct PrintedOnPanic<'a>(&'a Site);

impl Drop for PrintedOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- Postfix\n{}\n--- postseal-milter\n{}", self.0.postfix.log(), self.0.daemon.log());
        }
    }
}
