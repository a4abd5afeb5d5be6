//! RFC 9989 §7.4: nothing is rejected on `p=reject` alone. Mail of a domain has to have passed here.

use super::{fate, start};
use crate::mails;
use crate::signer;

#[test]
fn rfc9989_s7_4_what_fails_is_rejected_once_mail_of_its_domain_is_known_to_pass() {
    let site = start("mode = \"reject\"\nknown_after = 2", "");
    let genuine = mails::from("reject.example");
    let offer = |from: &str| fate(&site, from, &genuine);
    assert_eq!(offer("a@other.example").word(), "held");
    offer("a@reject.example").delivered();
    assert_eq!(offer("a@other.example").word(), "held");
    fate(&site, "a@other.example", &signer::sign("reject.example", &genuine)).delivered();
    offer("a@other.example").is_refused_for("reject.example");
    // Another domain is as unknown as before, and mail that failed has made none known.
    assert_eq!(fate(&site, "a@other.example", &mails::from("bank.example")).word(), "held");
    assert_eq!(fate(&site, "a@other.example", &mails::from("bank.example")).word(), "held");
    assert_eq!(fate(&site, "a@other.example", &mails::from("bank.example")).word(), "held");
}
