//! The envelope of a message, kept to its end.
//!
//! DKIM does not look at it; the log line does, and protocols that sign the envelope will. Kept as it came, within limits: a
//! recipient too many is counted and not kept.

/// Octets of all addresses and parameters that are kept; SMTP allows about 320 for one address.
const MAX_OCTETS: usize = 4 * 1024 * 1024;

/// Octets that are kept of a sender longer than that: more than any path has.
const CUT_SENDER: usize = 1024;

/// MAIL FROM and RCPT TO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    sender: Vec<u8>,
    parameters: Vec<Vec<u8>>,
    recipients: Vec<Vec<u8>>,
    recipients_seen: u64,
    octets: usize,
    max_recipients: usize,
}

impl Envelope {
    /// An envelope from MAIL FROM; keeps at most `max_recipients` recipients.
    pub fn new<'a>(sender: &[u8], parameters: impl IntoIterator<Item = &'a [u8]>, max_recipients: usize) -> Self {
        let mut envelope = Self { max_recipients, ..Self::default() };
        // One that is not kept must not become the null sender: its beginning is no path, and names nobody.
        envelope.sender =
            envelope.keep(sender).unwrap_or_else(|| sender.get(..CUT_SENDER).unwrap_or_default().to_vec());
        for parameter in parameters {
            if let Some(parameter) = envelope.keep(parameter) {
                envelope.parameters.push(parameter);
            }
        }
        envelope
    }

    /// Adds a recipient.
    pub fn recipient(&mut self, address: &[u8]) {
        self.recipients_seen = self.recipients_seen.saturating_add(1);
        if self.recipients.len() < self.max_recipients
            && let Some(address) = self.keep(address)
        {
            self.recipients.push(address);
        }
    }

    /// The sender as typed, angle brackets included if there were any.
    #[must_use]
    pub fn sender(&self) -> &[u8] {
        &self.sender
    }

    /// ESMTP parameters of MAIL FROM.
    #[must_use]
    pub fn parameters(&self) -> &[Vec<u8>] {
        &self.parameters
    }

    /// The recipients that were kept, as typed.
    #[must_use]
    pub fn recipients(&self) -> &[Vec<u8>] {
        &self.recipients
    }

    /// How many recipients there were.
    #[must_use]
    pub fn recipients_seen(&self) -> u64 {
        self.recipients_seen
    }

    /// Whether the message is internationalized mail (RFC 6531 §3.4): its header fields may hold UTF-8.
    #[must_use]
    pub fn is_smtputf8(&self) -> bool {
        self.parameters.iter().any(|parameter| parameter.eq_ignore_ascii_case(b"SMTPUTF8"))
    }

    /// What stands behind the last `@` of the sender, without the bracket: for logs, not for decisions. `<>` for the null sender.
    #[must_use]
    pub fn sender_domain(&self) -> &[u8] {
        let address = self.sender.strip_prefix(b"<").unwrap_or(&self.sender);
        let address = address.strip_suffix(b">").unwrap_or(address);
        if address.is_empty() {
            return b"<>";
        }
        address.rsplit(|octet| *octet == b'@').next().unwrap_or(address)
    }

    fn keep(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let octets = self.octets.saturating_add(text.len());
        if octets > MAX_OCTETS {
            return None;
        }
        self.octets = octets;
        Some(text.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_kept_as_it_came() {
        let mut envelope = Envelope::new(b"<a@b.example>", [&b"BODY=8BITMIME"[..], b"smtputf8"], 2);
        for recipient in [&b"<c@d.example>"[..], b"e@f.example", b"<g@h.example>"] {
            envelope.recipient(recipient);
        }
        assert_eq!(envelope.sender(), b"<a@b.example>");
        assert_eq!(envelope.recipients(), [b"<c@d.example>".to_vec(), b"e@f.example".to_vec()]);
        assert_eq!(envelope.recipients_seen(), 3);
        assert!(envelope.is_smtputf8());
        assert_eq!(envelope.parameters().len(), 2);
    }

    #[test]
    fn the_sender_domain_is_for_people() {
        for (sender, domain) in
            [("<a@b.example>", "b.example"), ("a@b.example", "b.example"), ("<>", "<>"), ("", "<>"), ("<root>", "root")]
        {
            assert_eq!(Envelope::new(sender.as_bytes(), [], 1).sender_domain(), domain.as_bytes(), "{sender}");
        }
    }

    #[test]
    fn huge_addresses_are_counted_and_not_kept() {
        let mut envelope = Envelope::new(&vec![b'x'; MAX_OCTETS], [&b"BODY=8BITMIME"[..]], 10);
        envelope.recipient(b"<c@d.example>");
        assert_eq!((envelope.recipients().len(), envelope.recipients_seen(), envelope.parameters().len()), (0, 1, 0));
        let envelope = Envelope::new(&vec![b'x'; MAX_OCTETS + 1], [], 10);
        assert_eq!((envelope.sender().len(), envelope.sender_domain().len()), (CUT_SENDER, CUT_SENDER));
    }
}
