//! What the daemon promises, each promise a test.

mod article;
mod content_filter;
mod crowds;
mod dialogue;
mod dmarc;
mod faults;
mod forgery;
mod killed;
mod opendmarc;
mod opendmarc_article;
mod opendmarc_history;
mod patience;
mod published;
mod quick_start;
mod sendmail;
mod sieve;
mod signing;
mod spf;
mod transport;
mod verifying;

use crate::mailbox::Delivered;
use crate::oracle;
use crate::site::{Site, own_results};

/// A message that left us carries two signatures of `domain` that verify: by the library, and by the daemon when it comes back from outside.
fn both_pass(site: &Site, delivered: &Delivered, domain: &str) {
    assert_eq!(oracle::verify(&delivered.message, &site.zone), ["pass", "pass"], "{}", delivered.header());
    passes_twice(&site.receive(&delivered.message), domain);
}

/// The daemon found two valid signatures of `domain`.
fn passes_twice(received: &Delivered, domain: &str) {
    let results = own_results(received);
    assert_eq!(results.words("dkim"), ["pass", "pass"], "{}", received.header());
    for result in results.of("dkim") {
        assert_eq!(result.property("header.d"), domain);
    }
}
