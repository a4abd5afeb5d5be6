//! Incoming fields that are not for others to write, and where they stand: Authentication-Results fields that claim to be ours, our field for
//! delivery rules, and by option the BIMI fields, which only the receiving side may write.
//!
//! RFC 8601 §5: "any MTA conforming to this specification MUST delete any discovered instance of this header field that claims,
//! by virtue of its authentication service identifier, to have been added within its trust boundary but that did not come
//! directly from another trusted MTA." Fields are looked at one by one as they arrive, so that no limit on the header section
//! and no early end of the message can make the count wrong: the MTA counts occurrences per name, from 1, over all fields
//! that it sent.
//!
//! Where the message did come directly from one that is trusted (`trust.keep_results_from`), they are counted and stay.
//!
//! Invariant: [`OwnFields::doomed`] lists exactly the Authentication-Results fields that claim one of the identifiers, or none where they stay, and
//! every field of the other names.

use dkim_core::auth_results::claims_authserv_id;
use dkim_core::header::Field;

use super::guard::guard;
use super::opendkim::SOFTWARE;

/// The field name of RFC 8601 §2.2.
pub(super) const AUTHENTICATION_RESULTS: &str = "Authentication-Results";

/// Watches header fields go by.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnFields {
    seen: u32,
    doomed: Vec<u32>,
    stay: bool,
    kept: usize,
    /// Names of which every field goes, and how many have come.
    named: Vec<(String, u32)>,
    /// The name of this host, where fields of [`SOFTWARE`] that name it go; how many such fields have come, and which of them name it.
    software: Option<(Vec<u8>, u32, Vec<u32>)>,
}

impl OwnFields {
    /// For a message whose fields under our name go, or `stay`.
    #[must_use]
    pub(super) fn new(stay: bool) -> Self {
        Self { stay, ..Self::default() }
    }

    /// Of fields of these names none stays.
    #[must_use]
    pub(super) fn without(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.named = names.into_iter().map(|name| (name, 0)).collect();
        self
    }

    /// Of the fields in which filters name themselves, those go that name this host: only a filter of ours may write them.
    #[must_use]
    pub(super) fn without_software_of(mut self, host: Option<Vec<u8>>) -> Self {
        self.software = host.map(|host| (host, 0, Vec::new()));
        self
    }

    /// Looks at the next field of the message; `ids` are the authserv-ids that are ours.
    ///
    /// Gives back whether the field claims one of them.
    pub(super) fn field(&mut self, field: Field<'_>, ids: &[String]) -> bool {
        if let Some((host, seen, doomed)) = self.software.as_mut().filter(|_| field.is_named(SOFTWARE)) {
            *seen = seen.saturating_add(1);
            let mut words = field.value.split(u8::is_ascii_whitespace);
            if words.any(|word| word.eq_ignore_ascii_case(host)) {
                doomed.push(*seen);
            }
            return false;
        }
        if !field.is_named(AUTHENTICATION_RESULTS) {
            if let Some((_, seen)) = self.named.iter_mut().find(|(name, _)| field.is_named(name)) {
                *seen = seen.saturating_add(1);
            }
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

    /// The fields to remove: name and occurrence number, of each name the lowest first.
    pub(super) fn doomed(&self) -> impl Iterator<Item = (&str, u32)> {
        let ours = self.doomed.iter().map(|occurrence| (AUTHENTICATION_RESULTS, *occurrence));
        let software = self.software.iter().flat_map(|(_, _, doomed)| doomed);
        ours.chain(software.map(|occurrence| (SOFTWARE, *occurrence))).chain(
            self.named.iter().flat_map(|(name, seen)| (1..=*seen).map(move |occurrence| (name.as_str(), occurrence))),
        )
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
        own.doomed().map(|(_, occurrence)| occurrence).collect()
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
        assert_eq!((own.doomed().count(), own.kept()), (0, 2));
    }

    #[test]
    fn s5_3_fields_in_which_a_filter_names_this_host_go_and_those_of_others_stay() {
        let mut own = OwnFields::new(false).without_software_of(Some(b"mx.example".to_vec()));
        for value in [
            " OpenDKIM Filter v2.11.0 mx.example 4Q1",
            " OpenDKIM Filter v2.11.0 out.example 4Q2",
            "Postseal\r\n\tMX.example",
            " Postseal notmx.example 4Q3",
        ] {
            own.field(Field::new(b"DKIM-filter", value.as_bytes()), &[]);
        }
        assert_eq!(own.doomed().collect::<Vec<_>>(), [("DKIM-Filter", 1), ("DKIM-Filter", 3)]);
    }

    #[test]
    fn x12_fields_of_names_that_are_not_for_others_all_go() {
        let mut own = OwnFields::new(false).without(["X-Tag".to_owned(), "BIMI-Location".to_owned()]);
        for (name, value) in [
            ("x-tag", "1"),
            ("Subject", "X-Tag: 2"),
            ("Authentication-Results", "mx.example; none"),
            ("X-TAG ", "3"),
            ("Bimi-Location", "v=BIMI1"),
            ("BIMI-Indicator", "stays, since nobody named it"),
        ] {
            own.field(Field::new(name.as_bytes(), value.as_bytes()), &["mx.example".to_owned()]);
        }
        let doomed: Vec<_> = own.doomed().collect();
        assert_eq!(doomed, [("Authentication-Results", 1), ("X-Tag", 1), ("X-Tag", 2), ("BIMI-Location", 1)]);
    }
}
