//! Targets of the parsers on the mail path of `engine`: the author domain.

use engine::message::author::author_domain;

use crate::Target;

/// The targets of this module.
pub const TARGETS: &[Target] = &[("author_domain", author_domain_of)];

/// A From value: the author domain, where there is one, was written there and is found again in the plainest address that holds it.
pub fn author_domain_of(data: &[u8]) {
    let Ok(domain) = author_domain(data) else { return };
    let text = data.to_ascii_lowercase();
    for label in domain.as_str().split('.').filter(|label| !label.starts_with("xn--")) {
        // A label of a U-label domain may be written in another form that IDNA maps to ASCII.
        let is_there = text.windows(label.len()).any(|window| window == label.as_bytes());
        assert!(is_there || !data.is_ascii(), "{label:?} of {domain} is not in the value");
    }
    assert_eq!(author_domain(format!(" <someone@{domain}>").as_bytes()).as_ref(), Ok(&domain));
}
