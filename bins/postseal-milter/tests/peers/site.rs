//! Parts that these tests have in common with the end-to-end tests.

#[expect(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/site/daemon.rs"]
pub(crate) mod daemon;
#[expect(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/site/dns.rs"]
pub(crate) mod dns;
#[path = "../e2e/site/work.rs"]
pub(crate) mod work;
