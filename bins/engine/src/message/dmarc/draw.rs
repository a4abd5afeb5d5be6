//! A number for a message, the same at every attempt to deliver it.
//!
//! It decides whether a share of mail includes the message, and by it a message that comes again is known. RFC 9989 has no `pct=` any more, since receivers
//! drew anew at every delivery attempt: mail that was refused passed at the next. So the number comes from the message: all attempts get the same
//! one. It is no secret, and a sender who tries may find text that is spared; a share is for a careful beginning and not against anybody.

use dkim_core::header::HeaderBlock;
use dkim_core::verify::SignatureReport;

/// Characters of a signature that tell it from others: what `header.b` has at least.
const SIGNATURE: usize = 8;

/// Fields that no MTA changes between two attempts.
const FIELDS: [&str; 4] = ["From", "Date", "Message-ID", "Subject"];

/// The number of a message.
pub(in crate::message) fn mark(sender: &[u8], headers: &HeaderBlock) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(sender);
    for field in headers.iter().filter(|field| FIELDS.iter().any(|name| field.is_named(name))) {
        hash.update(b"\n");
        hash.update(field.value.trim_ascii());
    }
    hash.finalize()
}

/// The number of a message that passes by this signature alone. Whoever sends it once more may choose the envelope and add fields, but no other signature. It
/// is told by its beginning, as long as every report has it.
pub(in crate::message) fn mark_of_signature(signature: &SignatureReport) -> u32 {
    let octets = signature.b_start.as_bytes();
    crc32fast::hash(octets.get(..SIGNATURE).unwrap_or(octets))
}

/// A number below 100.
pub(in crate::message) fn draw(mark: u32) -> u8 {
    u8::try_from(mark % 100).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use dkim_core::header::HeaderLimits;

    use super::*;

    fn number(id: u32, received: &str) -> u8 {
        let text = format!("Received: {received}\r\nFrom: a@b.example\r\nMessage-ID: <{id}@b.example>\r\n\r\n");
        draw(mark(b"<a@b.example>", &HeaderBlock::parse(text.as_bytes(), HeaderLimits::default()).unwrap().0))
    }

    #[test]
    fn attempts_draw_alike_and_messages_evenly() {
        assert_eq!(number(7, "from one"), number(7, "from another"));
        let below_quarter = (0..4000).filter(|id| number(*id, "x") < 25).count();
        assert!((800..1200).contains(&below_quarter), "{below_quarter} of 4000");
    }
}
