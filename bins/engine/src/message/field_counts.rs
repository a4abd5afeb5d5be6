//! How often a message may have a field (RFC 5322 §3.6), for the options of OpenDKIM and OpenDMARC that refuse what breaks it.

use dkim_core::header::HeaderBlock;

/// What is wrong with the number of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miscount {
    /// Not exactly one field of this name.
    NotOne(&'static str),
    /// Several of this name.
    Several(&'static str),
}

/// Fields that may be there once, as OpenDKIM and OpenDMARC look for them; the last one that they find counts.
const AT_MOST_ONE: [&str; 8] = ["Reply-To", "To", "Cc", "Bcc", "Message-Id", "In-Reply-To", "References", "Subject"];

fn count(headers: &HeaderBlock, name: &str) -> usize {
    headers.iter().filter(|field| field.is_named(name)).count()
}

/// The mistake that OpenDKIM and OpenDMARC name.
pub(crate) fn miscount(headers: &HeaderBlock) -> Option<Miscount> {
    let several = AT_MOST_ONE.into_iter().rfind(|name| count(headers, name) > 1).map(Miscount::Several);
    let not_one = ["Date", "From"].into_iter().find(|name| count(headers, name) != 1).map(Miscount::NotOne);
    several.or(not_one)
}

/// Whether there is not exactly one From field.
pub(crate) fn lacks_one_from(headers: &HeaderBlock) -> bool {
    count(headers, "From") != 1
}

/// Whether the number of some field breaks RFC 5322 §3.6, as the library of OpenDKIM looks at it.
pub(crate) fn breaks_rfc5322(headers: &HeaderBlock) -> bool {
    miscount(headers).is_some() || count(headers, "Sender") > 1
}

#[cfg(test)]
mod tests {
    use dkim_core::header::HeaderLimits;

    use super::*;

    #[test]
    fn rfc5322_s3_6_fields_are_counted_and_the_last_mistake_is_named() {
        let block =
            |text: &str| HeaderBlock::parse(format!("{text}\r\n").as_bytes(), HeaderLimits::default()).unwrap().0;
        let good = "From: a\r\nDate: x\r\nSubject: x\r\n";
        assert!(miscount(&block(good)).is_none() && !breaks_rfc5322(&block(good)));
        for (more, expected) in [
            ("Subject: y\r\n", Some(Miscount::Several("Subject"))),
            ("date: y\r\n", Some(Miscount::NotOne("Date"))),
            ("From: b\r\n", Some(Miscount::NotOne("From"))),
            ("From: b\r\ndate: y\r\n", Some(Miscount::NotOne("Date"))),
            ("To: a\r\nTO: b\r\nSubject: y\r\n", Some(Miscount::Several("Subject"))),
            ("Message-ID: a\r\nMESSAGE-ID: b\r\nDate: c\r\n", Some(Miscount::Several("Message-Id"))),
            ("MIME-Version: a\r\nMIME-Version: b\r\nReceived: c\r\nReceived: d\r\n", None),
        ] {
            let headers = block(&format!("{good}{more}"));
            assert_eq!((miscount(&headers), breaks_rfc5322(&headers)), (expected, expected.is_some()), "{more}");
        }
        // A field that RequiredHeaders does not look at.
        let headers = block(&format!("{good}Sender: a\r\nSender: b\r\n"));
        assert!(miscount(&headers).is_none() && breaks_rfc5322(&headers));
        assert!(lacks_one_from(&block("Date: x\r\n")) && !lacks_one_from(&block(good)));
    }
}
