//! Parts that these tests have in common with those of the daemon.

#[expect(dead_code, reason = "the tests of the daemon use the rest")]
#[path = "../../../postseal-milter/tests/e2e/site/dns.rs"]
pub(crate) mod dns;
#[path = "../../../postseal-milter/tests/e2e/site/work.rs"]
pub(crate) mod work;
