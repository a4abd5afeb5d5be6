//! The text that a signature signs.

use super::HeaderNames;
use crate::canon::Canon;
use crate::canon::header::{FieldSelector, write_selected, write_signature_field};

/// Appends the data that is hashed for the header (RFC 6376 §3.7, step 2): the fields that `names` select, then the signature field itself.
///
/// *Inputs*: `selector` with nothing taken yet (for a verifier: passing over the signature itself); `field_name` and `value` of the signature
/// field, the value in the two parts that stand before and behind the value of `b=` (see [`without_b`](crate::canon::header::without_b)). The
/// function knows no tag: an ARC-Message-Signature is signed the same way under its own name.
///
/// §3.7: "In hash step 2, the Signer/Verifier MUST pass the following to the hash algorithm in the indicated order. 1. The header fields specified
/// by the "h=" tag, in the order specified in that tag … 2. The DKIM-Signature header field that exists (verifying) or will be inserted (signing) in
/// the message, with the value of the "b=" tag (including all surrounding whitespace) deleted … without a trailing CRLF."
///
/// ```
/// use dkim_core::canon::{Canon, header::{FieldIndex, FieldSelector}};
/// use dkim_core::header::{HeaderBlock, HeaderLimits};
/// use dkim_core::signature::{HeaderNames, write_signed_data};
///
/// let (headers, _) = HeaderBlock::parse(b"From: joe@example.com\r\n\r\n", HeaderLimits::default())?;
/// let names = HeaderNames::parse(b"from").unwrap();
/// let index = FieldIndex::new(&headers);
/// let mut text = Vec::new();
/// let field = [&b" v=1; h=from; b="[..], b""];
/// write_signed_data(Canon::Relaxed, &names, &mut FieldSelector::new(&index), b"DKIM-Signature", field, &mut text);
/// assert_eq!(text, b"from:joe@example.com\r\ndkim-signature:v=1; h=from; b=");
/// # Ok::<(), dkim_core::header::HeaderError>(())
/// ```
pub fn write_signed_data(
    canon: Canon,
    names: &HeaderNames,
    selector: &mut FieldSelector<'_, '_>,
    field_name: &[u8],
    value: [&[u8]; 2],
    out: &mut Vec<u8>,
) {
    write_selected(canon, selector, names.iter(), out);
    write_signature_field(canon, field_name, value, out);
}
