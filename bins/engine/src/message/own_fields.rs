//! Incoming Authentication-Results fields that claim to be ours, and where they stand.
//!
//! RFC 8601 §5: "any MTA conforming to this specification MUST delete any discovered instance of this header field that claims,
//! by virtue of its authentication service identifier, to have been added within its trust boundary but that did not come
//! directly from another trusted MTA." Fields are looked at one by one as they arrive, so that no limit on the header section
//! and no early end of the message can make the count wrong: the MTA counts occurrences per name, from 1, over all fields
//! that it sent.
//!
//! Where the message did come directly from one that is trusted (`trust.keep_results_from`), they are counted and stay.
//!
//! Invariant: [`OwnFields::doomed`] lists occurrences of exactly the fields that claim one of the identifiers, or none where they stay.

use dkim_core::auth_results::claims_authserv_id;
use dkim_core::header::Field;

use super::guard::guard;

/// The field name of RFC 8601 §2.2.
pub(super) const AUTHENTICATION_RESULTS: &str = "Authentication-Results";

/// Watches header fields go by.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnFields {
    seen: u32,
    doomed: Vec<u32>,
    stay: bool,
    kept: usize,
}

impl OwnFields {
    /// For a message whose fields under our name go, or `stay`.
    #[must_use]
    pub(super) fn new(stay: bool) -> Self {
        Self { stay, ..Self::default() }
    }

    /// Looks at the next field of the message; `ids` are the authserv-ids that are ours.
    ///
    /// Gives back whether the field claims one of them.
    pub(super) fn field(&mut self, field: Field<'_>, ids: &[String]) -> bool {
        if !field.is_named(AUTHENTICATION_RESULTS) {
            return false;
        }
        self.seen = self.seen.saturating_add(1);
        // Better one foreign field too few than one forged field too many, should looking at it ever fail.
        let claims = guard(|| ids.iter().any(|id| claims_authserv_id(field.value, id))).unwrap_or(true);
        match (claims, self.stay) {
            (true, false) => self.doomed.push(self.seen),
            (true, true) => self.kept = self.kept.saturating_add(1),
            (false, _) => {}
        }
        claims
    }

    /// How many fields claim one of the identifiers and stay.
    #[must_use]
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// The occurrence numbers of the fields to remove, lowest first.
    #[must_use]
    pub(super) fn doomed(&self) -> &[u32] {
        &self.doomed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doomed(fields: &[(&str, &str)], ids: &[&str]) -> Vec<u32> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut own = OwnFields::default();
        for (name, value) in fields {
            own.field(Field::new(name.as_bytes(), value.as_bytes()), &ids);
        }
        own.doomed().to_vec()
    }

    #[test]
    fn h2_only_fields_that_claim_our_id_are_counted_out() {
        let fields = [
            ("Subject", " mx.example"),
            ("Authentication-Results", " other.example; dkim=pass header.d=mx.example.org"),
            ("authentication-results", " MX.example; spf=pass"),
            ("AUTHENTICATION-RESULTS ", " \"mx.example\"; dmarc=pass"),
            ("X-Authentication-Results", " mx.example; dkim=pass"),
            ("Authentication-Results", " mx.example/1; none"),
            ("Authentication-Results", " mx.example.org; none"),
            ("Authentication-Results", "\r\n\t(c) second.example 1; none"),
        ];
        assert_eq!(doomed(&fields, &["mx.example", "second.example"]), [2, 3, 4, 6]);
        assert_eq!(doomed(&fields, &["nobody.example"]), [0_u32; 0]);
    }

    #[test]
    fn h2_where_fields_stay_they_are_counted_and_none_is_doomed() {
        let mut own = OwnFields::new(true);
        for value in [" mx.example; spf=pass", " other.example; none", " MX.example; dkim=pass"] {
            own.field(Field::new(b"Authentication-Results", value.as_bytes()), &["mx.example".to_owned()]);
        }
        assert_eq!((own.doomed(), own.kept()), (&[][..], 2));
    }
}
