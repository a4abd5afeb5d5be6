//! The same promises under Sendmail, and what is different there.

mod dialogue;
mod faults;
mod forgery;
mod signing;
mod verifying;

use crate::cases::passes_twice;
use crate::mailbox::Delivered;
use crate::oracle;
use crate::site::DOMAIN;
use crate::site::sendmail::SendmailSite;

/// A message that left Sendmail carries two signatures that verify: by the library, and by the daemon when it comes back from outside.
fn both_pass(site: &SendmailSite, delivered: &Delivered) {
    assert_eq!(oracle::verify(&delivered.message, &site.zone), ["pass", "pass"], "{}", delivered.header());
    passes_twice(&site.receive(&delivered.message), DOMAIN);
}
