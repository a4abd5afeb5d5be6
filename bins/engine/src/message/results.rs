//! The Authentication-Results field of a message that was judged: `dkim` first, then `spf` for MAIL FROM and for HELO, then `iprev`.
//!
//! RFC 8601 §2.7.1 and `standards.md` H-4, H-7: one `dkim` result a signature with `header.d`, `header.i`, `header.s`, `header.a` and
//! `header.b`, and `dkim=none` for a message without any. The reason says why a signature does not count. Everything in it is ASCII
//! unless the message is internationalized mail.

use dkim_core::auth_results::{AuthResults, Charset, FormatError, FormatOptions, ResInfo};
use dkim_core::verify::SignatureReport;

use super::headers::HeaderTrouble;
use super::opendkim;

/// Signatures that get a result of their own; a receiver has no use for more.
pub const MAX_RESULTS: usize = 20;

/// What DKIM has to say about a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum DkimResults<'a> {
    /// One report a signature, in the order of the message.
    Reports(&'a [SignatureReport]),
    /// The header section could not be looked at as a whole; how many signatures it has.
    Incomplete(HeaderTrouble, u64),
    /// The ways of OpenDKIM look at no signature of a message without a sender, or of one that breaks RFC 5322 §3.6.
    BadFormat(BadFormat),
}

/// What is said of a message that is malformed in the eyes of OpenDKIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadFormat {
    /// Its words.
    Told,
    /// Nothing (`IgnoreMalformedMail`).
    Ignored,
}

/// In whose words results are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Our own.
    Own,
    /// OpenDKIM's.
    OpenDkim {
        /// Without `header.b` (`NoHeaderB`).
        omits_b: bool,
    },
}

/// The value of the field, with its leading space and its folds; `others` are the results of other methods.
///
/// # Errors
///
/// [`FormatError`] for an authserv-id that cannot be written.
pub(super) fn field_value(
    authserv_id: &str,
    results: DkimResults<'_>,
    others: Vec<ResInfo>,
    remark: Option<&str>,
    (style, is_smtputf8): (Style, bool),
) -> Result<String, FormatError> {
    let mut field = AuthResults::new(authserv_id);
    field.results = infos(results, style);
    if let (Some(remark), Some(first)) = (remark, field.results.first_mut()) {
        first.comments.push(remark.to_owned());
    }
    field.results.extend(others);
    let mut options = FormatOptions::default();
    options.comments_behind_reason = style != Style::Own;
    if is_smtputf8 {
        options.charset = Charset::Utf8;
    }
    field.to_field_value(&options)
}

/// The one word for all signatures together: that of the best one.
#[must_use]
pub(super) fn summary(results: DkimResults<'_>) -> &'static str {
    match results {
        DkimResults::Incomplete(_, 0) | DkimResults::Reports([]) => "none",
        DkimResults::Incomplete(..) | DkimResults::BadFormat(_) => "permerror",
        DkimResults::Reports(reports) => {
            let has = |word: &str| reports.iter().any(|report| report.outcome.result() == word);
            ["pass", "policy", "temperror", "fail", "permerror"]
                .into_iter()
                .find(|word| has(word))
                .unwrap_or("permerror")
        }
    }
}

fn infos(results: DkimResults<'_>, style: Style) -> Vec<ResInfo> {
    let reports = match results {
        DkimResults::Reports([]) | DkimResults::Incomplete(_, 0) => return vec![ResInfo::new("dkim", "none")],
        DkimResults::Incomplete(trouble, _) => {
            return vec![ResInfo::new("dkim", "permerror").with_reason(trouble.text())];
        }
        DkimResults::BadFormat(BadFormat::Ignored) => return Vec::new(),
        DkimResults::BadFormat(BadFormat::Told) => {
            return vec![ResInfo::new("dkim", "permerror").with_comment(opendkim::BAD_FORMAT)];
        }
        DkimResults::Reports(reports) => reports,
    };
    let info = |report: &SignatureReport| match style {
        Style::Own => info(report),
        Style::OpenDkim { omits_b } => opendkim::info(report, omits_b),
    };
    let mut infos: Vec<ResInfo> = reports.iter().take(MAX_RESULTS).map(info).collect();
    let hidden = reports.len().saturating_sub(infos.len());
    if hidden > 0
        && let Some(last) = infos.last_mut()
    {
        last.comments.push(format!("{hidden} more signatures not shown"));
    }
    infos
}

fn info(report: &SignatureReport) -> ResInfo {
    let mut info = ResInfo::new("dkim", report.outcome.result());
    if report.outcome.result() != "pass" {
        info = info.with_reason(report.outcome.to_string());
    }
    if report.testing {
        // RFC 6376 §3.6.1 on t=y: "Verifiers MUST NOT treat messages from Signers in testing mode differently from unsigned email".
        info = info.with_comment("test mode");
    }
    if let Some(domain) = &report.domain {
        info = info.with_prop("header", "d", domain.as_str());
        // RFC 6376 §3.5: "If this tag is not present, Verifiers should behave as though "i=@d" were specified."
        let identity = report.identity.as_ref().map_or_else(|| format!("@{domain}"), ToString::to_string);
        info = info.with_prop("header", "i", identity);
    }
    if let Some(selector) = &report.selector {
        info = info.with_prop("header", "s", selector.as_str());
    }
    if let Some(algorithm) = &report.algorithm {
        info = info.with_prop("header", "a", algorithm.as_ref());
    }
    if !report.b_start.is_empty() {
        info = info.with_prop("header", "b", &report.b_start);
    }
    info
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dkim_core::UnixTime;
    use dkim_core::body_hash::BodyHashPlan;
    use dkim_core::header::{HeaderBlock, HeaderLimits};
    use dkim_core::verify::{Verification, VerifyPolicy};

    use super::*;

    const OWN: (Style, bool) = (Style::Own, false);

    /// Reports about signatures whose keys nobody looks up.
    fn reports(signatures: &[&str]) -> Vec<SignatureReport> {
        let mut builder = HeaderBlock::builder(HeaderLimits::default());
        for value in signatures {
            builder.push(b"DKIM-Signature", value.as_bytes()).unwrap();
        }
        let mut plan = BodyHashPlan::new(crate::BACKEND);
        let verification = Verification::start(
            Arc::new(builder.finish()),
            UnixTime::from_secs(1_700_000_000),
            &VerifyPolicy::default(),
            &mut plan,
        );
        verification.finish(&plan.start().finish())
    }

    const SIGNATURE: &str = " v=1; a=rsa-sha256; d=example.com; s=sel; h=from; i=jo@mail.example.com; \
        bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=abcd/efghijk";

    #[test]
    fn h4_each_signature_has_its_properties() {
        let reports = reports(&[SIGNATURE, " v=1; d=x(y; garbage"]);
        let value = field_value("mx.example", DkimResults::Reports(&reports), Vec::new(), None, OWN).unwrap();
        assert_eq!(
            value.replace("\r\n\t", " "),
            " mx.example; dkim=temperror reason=\"no answer about the key in time\" header.d=example.com \
             header.i=jo@mail.example.com header.s=sel header.a=rsa-sha256 header.b=\"abcd/efg\"; \
             dkim=permerror reason=\"signature syntax error\""
        );
        assert_eq!(summary(DkimResults::Reports(&reports)), "temperror");
    }

    #[test]
    fn h7_unsigned_mail_is_none() {
        let none = DkimResults::Reports(&[]);
        assert_eq!(field_value("mx.example", none, Vec::new(), None, OWN).unwrap(), " mx.example;\r\n\tdkim=none");
        assert_eq!(summary(none), "none");
        let incomplete = DkimResults::Incomplete(HeaderTrouble::TooManyFields, 0);
        assert_eq!(
            field_value("mx.example", incomplete, Vec::new(), None, OWN).unwrap(),
            " mx.example;\r\n\tdkim=none"
        );
    }

    #[test]
    fn a_header_section_over_the_limit_is_a_permerror() {
        let incomplete = DkimResults::Incomplete(HeaderTrouble::TooManyOctets, 3);
        assert_eq!(
            field_value("mx.example", incomplete, Vec::new(), None, OWN).unwrap(),
            " mx.example;\r\n\tdkim=permerror reason=\"header section is larger than the local limit\""
        );
        assert_eq!(summary(incomplete), "permerror");
    }

    #[test]
    fn two_hundred_signatures_are_twenty_results_and_a_count() {
        let reports = reports(&[SIGNATURE; 200]);
        let value =
            field_value("mx.example", DkimResults::Reports(&reports), Vec::new(), Some("bare CR or LF"), OWN).unwrap();
        assert_eq!(value.matches("dkim=").count(), 20);
        assert_eq!(value.matches("dkim=policy (180 more signatures not shown)").count(), 1, "{value}");
        assert!(value.contains("dkim=temperror (bare CR or LF)"), "{value}");
    }

    #[test]
    fn h6_only_internationalized_mail_gets_utf8() {
        let reports = reports(&[&SIGNATURE.replace("jo@", "j\u{f6}@")]);
        let results = DkimResults::Reports(&reports);
        assert!(field_value("mx.example", results, Vec::new(), None, OWN).unwrap().is_ascii());
        assert!(
            field_value("mx.example", results, Vec::new(), None, (Style::Own, true))
                .unwrap()
                .contains("j\u{f6}@mail.example.com")
        );
    }
}
