//! Questions about the fields that a signature covers.

use dkim_core::canon::Canon;
use dkim_core::verify::{FailCause, Outcome};

use crate::CANONS;
use crate::support::{Draft, MESSAGE, above, altered, below, outcome, sign, spec};

const BROKEN: Outcome = Outcome::Fail(FailCause::Signature);

const SECOND_FROM: &str = "From: Eve <eve@example.net>\r\n";

/// A message signed under this `c=` with these names in `h=`.
fn signed(canon: ((Canon, Canon), &str), names: &str, message: &[u8]) -> Vec<u8> {
    let template =
        format!(" v=1; a=ed25519-sha256; c={}; d=example.com; s=sel; h={names}; bh={{bh}}; b={{b}}", canon.1);
    Draft { template: &template, names, canon: canon.0, ..Draft::default() }.sign(message)
}

#[test]
fn q28_a_second_from_without_oversigning_leaves_the_signature_valid() {
    // §5.4.2: "Signers choosing to sign an existing header field that occurs more than once in the message (such as Received) MUST sign the physically
    // last instance of that header field in the header block." So what stands above was never signed. The signature is valid; that the message has
    // two authors is for the caller to judge (§8.15).
    for canon in CANONS {
        let signed = signed(canon, "from:to", MESSAGE);
        assert_eq!(outcome(&above(SECOND_FROM, &signed)), Outcome::Pass, "{}", canon.1);
        assert_eq!(outcome(&below(SECOND_FROM, &signed)), BROKEN, "{}", canon.1);
    }
}

#[test]
fn q29_a_second_from_with_oversigning_breaks_the_signature() {
    // §5.4: "A header field name need only be listed once more than the actual number of that header field in a message at the time of signing in order
    // to prevent any further additions."
    for canon in CANONS {
        let signed = signed(canon, "from:to:from", MESSAGE);
        assert_eq!(outcome(&signed), Outcome::Pass, "{}", canon.1);
        assert_eq!(outcome(&above(SECOND_FROM, &signed)), BROKEN, "{}", canon.1);
        assert_eq!(outcome(&below(SECOND_FROM, &signed)), BROKEN, "{}", canon.1);
    }
    // What the library signs by itself is of this kind.
    let signed = sign(spec(), MESSAGE);
    assert_eq!(outcome(&signed), Outcome::Pass);
    assert_eq!(outcome(&above(SECOND_FROM, &signed)), BROKEN);
}

#[test]
fn q30_absent_fields_in_h_are_the_null_string() {
    // §5.4: "When computing the signature, the nonexisting header field MUST be treated as the null string (including the header field name, header
    // field value, all punctuation, and the trailing CRLF)."
    for canon in CANONS {
        let plain = signed(canon, "from:to", MESSAGE);
        let template = format!(
            " v=1; a=ed25519-sha256; c={}; d=example.com; s=sel; h=x-none:from:cc:cc:to:reply-to; bh={{bh}}; b={{b}}",
            canon.1
        );
        // Hashed as if the absent ones were not listed.
        let draft = Draft { template: &template, names: "from:to", canon: canon.0, ..Draft::default() };
        assert_eq!(outcome(&draft.sign(MESSAGE)), Outcome::Pass, "{}", canon.1);
        assert_eq!(outcome(&plain), Outcome::Pass, "{}", canon.1);
    }
}

#[test]
fn q31_an_absent_field_of_h_that_is_added_breaks_the_signature() {
    // §5.4, on names of absent fields: "This allows Signers to explicitly assert the absence of a header field; if that header field is added later, the
    // signature will fail."
    for canon in CANONS {
        let signed = signed(canon, "from:x-none:reply-to", MESSAGE);
        for field in ["X-None: 1\r\n", "X-None:\r\n", "x-NONE: \r\n", "Reply-To: eve@example.net\r\n"] {
            assert_eq!(outcome(&above(field, &signed)), BROKEN, "{} {field}", canon.1);
            assert_eq!(outcome(&below(field, &signed)), BROKEN, "{} {field}", canon.1);
        }
    }
}

/// The field as the message has it, and another spelling that is the same to relaxed.
const SPACES: [(&str, &str); 6] = [
    ("Subject:Is dinner", "Subject: Is dinner"),
    ("Subject:  Is dinner", "Subject: Is dinner"),
    ("Subject:\tIs dinner", "Subject: Is dinner"),
    ("Subject : Is dinner", "Subject: Is dinner"),
    ("Subject \t:Is dinner", "Subject:Is dinner"),
    ("Subject:\r\n Is dinner", "Subject: Is dinner"),
];

#[test]
fn q32_odd_spaces_around_the_colon_are_signed_as_they_stand() {
    // §3.4.1: "Header fields MUST be presented to the signing or verification algorithm exactly as they are in the message being signed or verified. In
    // particular, header field names MUST NOT be case folded and whitespace MUST NOT be changed."
    for (odd, _) in SPACES {
        let message = altered(MESSAGE, "Subject: Is dinner", odd);
        for canon in CANONS {
            let signed = signed(canon, "from:subject", &message);
            assert_eq!(outcome(&signed), Outcome::Pass, "{} {odd:?}", canon.1);
            assert_eq!(outcome(&altered(&signed, "dinner", "lunch")), BROKEN, "{} {odd:?}", canon.1);
        }
    }
}

#[test]
fn q33_changed_spaces_around_the_colon_break_simple_only() {
    // §3.4.2: "Delete any WSP characters remaining before and after the colon separating the header field name from the header field value."
    for (odd, other) in SPACES {
        let message = altered(MESSAGE, "Subject: Is dinner", odd);
        for canon in CANONS {
            let changed = altered(&signed(canon, "from:subject", &message), odd, other);
            let expected = if canon.0.0 == Canon::Simple { BROKEN } else { Outcome::Pass };
            assert_eq!(outcome(&changed), expected, "{} {odd:?} {other:?}", canon.1);
        }
    }
}
