//! `RequiredHeaders`, `RequiredFrom`, `RejectMultiValueFrom`: mail that is refused for its header section, whatever its result.

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;

use crate::config::opendmarc::Evaluating;
use crate::logging::OLD_LINE;
use crate::message::author::AuthorError;
use crate::message::field_counts::{Miscount, lacks_one_from, miscount};

/// What a header section has to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Required {
    headers: bool,
    from: bool,
    one_domain: bool,
}

const NO_ONE_FROM: &str = "not exactly one From field";
const MULTI_VALUED: &str = "multi-valued From field detected";
const UNREADABLE: &str = "unable to parse From header field";

/// OpenDMARC's words for fields that are there too often, or are not.
fn words(miscount: Miscount) -> &'static str {
    match miscount {
        Miscount::NotOne("From") => NO_ONE_FROM,
        Miscount::NotOne(_) => "not exactly one Date field",
        Miscount::Several(name) => match name {
            "Reply-To" => "multiple Reply-To fields",
            "To" => "multiple To fields",
            "Cc" => "multiple Cc fields",
            "Bcc" => "multiple Bcc fields",
            "Message-Id" => "multiple Message-Id fields",
            "In-Reply-To" => "multiple In-Reply-To fields",
            "References" => "multiple References fields",
            _ => "multiple Subject fields",
        },
    }
}

impl Required {
    pub(super) fn new(evaluating: &Evaluating) -> Self {
        Self {
            headers: evaluating.required_headers,
            from: evaluating.required_from,
            one_domain: evaluating.reject_multi_value_from,
        }
    }

    /// Why a message is refused, in OpenDMARC's words. Logs what OpenDMARC logs about the author.
    pub(super) fn refusal(
        self,
        headers: &HeaderBlock,
        author: &Result<DomainName, AuthorError>,
        job: &str,
    ) -> Option<&'static str> {
        if let Some(error) = self.requirement(headers) {
            tracing::info!(target: OLD_LINE, "{job}: RFC5322 requirement error: {error}");
            return Some(error);
        }
        match author {
            Ok(_) | Err(AuthorError::AddressLiteral | AuthorError::SeveralFields) => None,
            Err(AuthorError::SeveralDomains) => {
                tracing::info!(target: OLD_LINE, "{job}: {MULTI_VALUED}");
                self.one_domain.then_some(MULTI_VALUED)
            }
            Err(AuthorError::Missing) => {
                tracing::info!(target: OLD_LINE, "{job}: RFC5322 requirement error: missing From field; accepting");
                None
            }
            Err(_) => {
                tracing::info!(target: OLD_LINE, "{job}: {UNREADABLE}");
                (self.headers || self.from).then_some(UNREADABLE)
            }
        }
    }

    fn requirement(self, headers: &HeaderBlock) -> Option<&'static str> {
        if self.headers {
            return miscount(headers).map(words);
        }
        (self.from && lacks_one_from(headers)).then_some(NO_ONE_FROM)
    }
}

#[cfg(test)]
mod tests {
    use dkim_core::header::HeaderLimits;

    use super::*;
    use crate::message::author::author_domain;

    fn refusal(required: Required, text: &str) -> Option<&'static str> {
        let (headers, _) = HeaderBlock::parse(format!("{text}\r\n").as_bytes(), HeaderLimits::default()).unwrap();
        let mut from = headers.iter().filter(|field| field.is_named("From"));
        let author = match (from.next(), from.next()) {
            (None, _) => Err(AuthorError::Missing),
            (Some(_), Some(_)) => Err(AuthorError::SeveralFields),
            (Some(field), None) => author_domain(field.value),
        };
        required.refusal(&headers, &author, "Q1")
    }

    const ALL: Required = Required { headers: true, from: false, one_domain: false };
    const FROM: Required = Required { headers: false, from: true, one_domain: false };
    const ONE: Required = Required { headers: false, from: false, one_domain: true };

    #[test]
    fn s3_1_required_headers_counts_fields_and_the_last_mistake_is_named() {
        let good = "From: a@example.com\r\nDate: x\r\nSubject: x\r\n";
        assert_eq!(refusal(ALL, good), None);
        for (more, words) in [
            ("Subject: y\r\n", "multiple Subject fields"),
            ("date: y\r\n", "not exactly one Date field"),
            ("From: b@example.com\r\n", NO_ONE_FROM),
            ("To: a\r\nTo: b\r\nSubject: y\r\n", "multiple Subject fields"),
            ("Message-ID: a\r\nMESSAGE-ID: b\r\nDate: c\r\n", "multiple Message-Id fields"),
        ] {
            assert_eq!(refusal(ALL, &format!("{good}{more}")), Some(words), "{more}");
            assert_eq!(refusal(Required::default(), &format!("{good}{more}")), None, "{more}");
        }
        assert_eq!(refusal(ALL, "From: a@example.com\r\n"), Some("not exactly one Date field"));
        assert_eq!(refusal(ALL, "Date: x\r\n"), Some(NO_ONE_FROM));
        assert_eq!(refusal(ALL, "Date: x\r\nFrom: nobody\r\n"), Some(UNREADABLE));
        assert_eq!(refusal(ALL, "Date: x\r\nFrom: a@[192.0.2.1]\r\n"), None);
    }

    #[test]
    fn s3_1_required_from_is_the_part_about_from() {
        for (text, words) in [
            ("From: a@example.com\r\nSubject: x\r\nSubject: y\r\n", None),
            ("Subject: x\r\n", Some(NO_ONE_FROM)),
            ("From: a@example.com\r\nFrom: a@example.com\r\n", Some(NO_ONE_FROM)),
            ("From: nobody\r\n", Some(UNREADABLE)),
            ("From: a@one.example, b@two.example\r\n", None),
        ] {
            assert_eq!(refusal(FROM, text), words, "{text}");
            assert_eq!(refusal(Required::default(), text), None, "{text}");
        }
    }

    #[test]
    fn s3_1_reject_multi_value_from_refuses_authors_of_several_domains_and_nothing_else() {
        for (text, words) in [
            ("From: a@one.example, b@two.example\r\n", Some(MULTI_VALUED)),
            ("From: a@one.example, b@ONE.example\r\n", None),
            ("From: nobody\r\n", None),
            ("Subject: x\r\n", None),
        ] {
            assert_eq!(refusal(ONE, text), words, "{text}");
            assert_eq!(refusal(Required::default(), text), None, "{text}");
        }
    }
}
