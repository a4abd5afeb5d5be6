//! What to do with a message, decided once its header section is complete.
//!
//! Pure functions over the listener's mode, the origin and the header section. Ours is signed and never judged, everything
//! else is judged and never signed (`milter.md` §6, `standards.md` L-8). Each way not to sign has a reason of its own: "not
//! signed, no log at all" (M07) is what operators fight with most.

use dkim_core::domain::DomainName;
use dkim_core::header::HeaderBlock;
use dkim_core::verify::Screening;

use super::author::{self, AuthorError};
use super::headers::HeaderTrouble;
use super::origin::{Origin, OriginRule};
use crate::config::{Mode, SigningDomains};
use crate::opendkim::{Choice, ToSign};

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether and how to sign.
    pub sign: SignPlan,
    /// Whether to verify.
    pub verify: bool,
    /// Whether the ways of OpenDKIM look at no signature of it, because of its header section.
    pub is_malformed: bool,
    /// What was decided about its signatures, from the top.
    pub screened: Vec<Screening>,
    /// The author domain, or why there is none.
    pub author: Result<DomainName, AuthorError>,
}

/// Whether and how to sign.
#[derive(Clone, Debug)]
pub enum SignPlan {
    /// With this rule (an index into [`SigningDomains::rules`]).
    Rule(usize),
    /// So.
    With(ToSign),
    /// Not at all.
    Skip(SignSkip),
}

/// Why a message is not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignSkip {
    /// The listener does not sign.
    Mode,
    /// No domain is configured to be signed for.
    NoDomains,
    /// The mail is not ours.
    NotOurs {
        /// The rule that found that.
        rule: OriginRule,
        /// Whether it would be signed if it were: somebody may be missing a signature.
        has_signer: bool,
    },
    /// The header section is not complete here.
    Header(HeaderTrouble),
    /// No author domain.
    Author(AuthorError),
    /// No rule for the author domain; the rule that came nearest.
    NoRule(Option<String>),
    /// A CR or LF that is no line end: what the receiver sees may differ from what was signed.
    BareLineEnds,
    /// Every signature that we would make is there already and valid (M11).
    AlreadySigned,
    /// No key of the rule can be used.
    NoUsableKey,
    /// The ways of OpenDKIM have nothing to do with it, and its MTA heard so at the end of the header section.
    LeftAlone,
    /// The message is only tried; this rule would sign (an index into [`SigningDomains::rules`]).
    Trial(usize),
}

impl SignSkip {
    /// The word for logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::NoDomains => "no-domains",
            Self::NotOurs { rule, .. } => rule.as_str(),
            Self::Header(trouble) => trouble.code(),
            Self::Author(error) => error.code(),
            Self::NoRule(_) => "no-rule-for-author-domain",
            Self::BareLineEnds => "bare-line-ends",
            Self::AlreadySigned => "already-signed",
            Self::NoUsableKey => "no-usable-key",
            Self::LeftAlone => "left-alone",
            Self::Trial(_) => "trial",
        }
    }

    /// What an operator may want to know next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotOurs { has_signer: true, rule } if !rule.keeps_results() => Some(
                "clients whose mail is ours: authenticated, [trust] daemon_names, daemon_ports, networks".to_owned(),
            ),
            Self::NoRule(Some(nearest)) => Some(format!("nearest rule: {nearest}")),
            Self::Author(error) => Some(error.to_string()),
            Self::AlreadySigned => Some(
                "the message passed here before; receive_override_options=no_milters behind a content filter"
                    .to_owned(),
            ),
            Self::BareLineEnds => Some("the body or header holds a CR or LF that is no line end".to_owned()),
            _ => None,
        }
    }
}

/// Plans for one message.
#[must_use]
pub fn plan(
    mode: Mode,
    (origin, rule): (Origin, OriginRule),
    headers: &HeaderBlock,
    trouble: Option<HeaderTrouble>,
    domains: &SigningDomains,
) -> Plan {
    let author = author_of(headers);
    let skip = |skip| SignPlan::Skip(skip);
    let sign = match (&author, trouble) {
        _ if !mode.signs() => skip(SignSkip::Mode),
        _ if !origin.is_ours() => {
            let has_signer = author.as_ref().is_ok_and(|author| domains.index_for(author).is_some());
            skip(SignSkip::NotOurs { rule, has_signer })
        }
        _ if domains.is_empty() => skip(SignSkip::NoDomains),
        (_, Some(trouble)) => skip(SignSkip::Header(trouble)),
        (Err(error), None) => skip(SignSkip::Author(*error)),
        (Ok(author), None) => domains.index_for(author).map_or_else(
            || skip(SignSkip::NoRule(domains.nearest_miss(author).map(|nearest| nearest.pattern.to_string()))),
            SignPlan::Rule,
        ),
    };
    // What was judged before is not judged again: a filter may have changed it since, and a second field under our name would contradict
    // the first.
    let verify = mode.verifies() && !origin.is_ours() && !rule.keeps_results();
    Plan { sign, verify, is_malformed: false, screened: Vec::new(), author }
}

/// The plan for a message of which the ways of OpenDKIM have chosen what to do. `None`: they were not asked.
#[must_use]
pub fn as_chosen(choice: Option<Choice>, headers: &HeaderBlock, trouble: Option<HeaderTrouble>, mode: Mode) -> Plan {
    let author = author_of(headers);
    let skip = SignPlan::Skip;
    let (mut is_malformed, mut screened) = (false, Vec::new());
    let (sign, verify) = match (choice, trouble) {
        (Some(Choice::Sign(_)), Some(trouble)) => (skip(SignSkip::Header(trouble)), false),
        (Some(Choice::Sign(sign)), None) => (SignPlan::With(sign), false),
        // What was put off, refused or left alone is not looked at again.
        (Some(Choice::LeaveAlone | Choice::Tempfail | Choice::Refuse(_)), _) => (skip(SignSkip::Mode), false),
        // OpenDKIM says so of such mail in every mode.
        (Some(Choice::Malformed), None) => {
            is_malformed = true;
            let why =
                author.as_ref().err().map_or(SignSkip::Header(HeaderTrouble::Malformed), |e| SignSkip::Author(*e));
            (skip(why), true)
        }
        (Some(Choice::Verify(of_each)), _) => {
            screened = of_each;
            (skip(SignSkip::NoRule(None)), mode.verifies())
        }
        (Some(Choice::Malformed), Some(_)) | (None, _) => (skip(SignSkip::NoRule(None)), mode.verifies()),
    };
    Plan { sign, verify, is_malformed, screened, author }
}

/// The author domain of a header section: of its one From field.
///
/// RFC 6376 §5.4 wants From signed; with none, or with two, nobody can say which one a reader will be shown (D-29).
fn author_of(headers: &HeaderBlock) -> Result<DomainName, AuthorError> {
    let mut fields = headers.iter().filter(|field| field.is_named("From") || looks_like_from(field.name));
    let from = fields.next().ok_or(AuthorError::Missing)?;
    if fields.next().is_some() {
        return Err(AuthorError::SeveralFields);
    }
    // What only looks like one is none: a strict reader finds no author, and another one finds this.
    if from.is_named("From") { author::author_domain(from.value) } else { Err(AuthorError::Missing) }
}

/// Whether a field name is `From` to a reader that passes over octets beyond ASCII: a no-break space behind it, a byte order mark before it, characters
/// without a width in between. RFC 5322 §2.2 has names of printable ASCII alone, so no honest mail has such a name. What only looks alike in print, with
/// letters of another alphabet, is From to no program.
fn looks_like_from(name: &[u8]) -> bool {
    // Next to no name has such an octet.
    !name.is_ascii() && {
        let ascii: Vec<u8> = name.iter().copied().filter(u8::is_ascii).collect();
        ascii.trim_ascii().eq_ignore_ascii_case(b"From")
    }
}

#[cfg(test)]
mod tests {
    use dkim_core::header::HeaderLimits;

    use super::*;
    use crate::config::{DomainPattern, SigningDomain, SigningOptions};

    fn domains() -> SigningDomains {
        let pattern: DomainPattern = "example.com".parse().unwrap();
        SigningDomains::new(vec![SigningDomain {
            signing_domain: pattern.domain().clone(),
            pattern,
            keys: Vec::new(),
            allow_ed25519_only: false,
            options: SigningOptions::default(),
            defined_at: String::new(),
        }])
    }

    fn planned(mode: Mode, origin: (Origin, OriginRule), fields: &[&str], trouble: Option<HeaderTrouble>) -> Plan {
        let mut builder = HeaderBlock::builder(HeaderLimits::default());
        for from in fields {
            builder.push(b"From", from.as_bytes()).unwrap();
        }
        plan(mode, origin, &builder.finish(), trouble, &domains())
    }

    fn skipped(sign: SignPlan) -> Option<SignSkip> {
        match sign {
            SignPlan::Skip(skip) => Some(skip),
            SignPlan::Rule(_) | SignPlan::With(_) => None,
        }
    }

    const OURS: (Origin, OriginRule) = (Origin::Submission, OriginRule::Authenticated);
    const THEIRS: (Origin, OriginRule) = (Origin::Inbound, OriginRule::NotTrusted);

    #[test]
    fn l8_ours_is_signed_and_theirs_is_verified() {
        let from = [" a@example.com"];
        let plan = planned(Mode::Both, OURS, &from, None);
        assert!(matches!(plan.sign, SignPlan::Rule(0)) && !plan.verify);
        let plan = planned(Mode::Both, THEIRS, &from, None);
        let skip = SignSkip::NotOurs { rule: OriginRule::NotTrusted, has_signer: true };
        assert_eq!((skipped(plan.sign), plan.verify), (Some(skip), true));
    }

    #[test]
    fn a_listener_does_what_its_mode_says() {
        let from = [" a@example.com"];
        for (mode, signs, verifies) in [
            (Mode::Both, true, true),
            (Mode::Sign, true, false),
            (Mode::Verify, false, true),
            (Mode::Off, false, false),
        ] {
            assert_eq!(matches!(planned(mode, OURS, &from, None).sign, SignPlan::Rule(0)), signs, "{mode}");
            assert_eq!(planned(mode, THEIRS, &from, None).verify, verifies, "{mode}");
            assert!(!planned(mode, OURS, &from, None).verify, "own mail is never judged");
        }
    }

    #[test]
    fn m07_mail_of_strangers_with_our_author_gets_a_hint_and_other_mail_none() {
        let hint = |from: &str| match planned(Mode::Both, THEIRS, &[from], None).sign {
            SignPlan::Skip(skip) => skip.hint(),
            SignPlan::Rule(_) | SignPlan::With(_) => panic!("signed"),
        };
        assert!(hint(" a@example.com").unwrap().contains("daemon_names"));
        assert_eq!(hint(" a@example.org"), None);
    }

    #[test]
    fn rfc5322_s2_2_a_name_that_some_readers_take_for_from_is_counted() {
        let author = |names: &[&[u8]]| {
            let mut builder = HeaderBlock::builder(HeaderLimits::default());
            for name in names {
                builder.push(name, b" a@example.com").unwrap();
            }
            author_of(&builder.finish()).map_err(AuthorError::code)
        };
        for name in [
            &b"From\xc2\xa0"[..],
            b"From\xa0",
            b"\xef\xbb\xbfFrom",
            b"from\xe2\x80\x8b",
            b"Fr\xe2\x80\x8bom",
            b"From\xc2\xa0 ",
            b"FROM\xc2\xad",
        ] {
            assert_eq!(author(&[b"From", name]), Err("from-several-fields"), "{name:?}");
            assert_eq!(author(&[name, b"From"]), Err("from-several-fields"), "{name:?}");
            assert_eq!(author(&[name]), Err("from-missing"), "{name:?}");
        }
        // Letters of another alphabet, and names of something else.
        for name in ["Fr\u{43e}m", "\u{ff26}rom", "X-From\u{a0}", "Fro\u{a0}", "X\u{fc}"] {
            assert_eq!(author(&[b"From", name.as_bytes()]).unwrap().as_str(), "example.com", "{name}");
        }
    }

    #[test]
    fn m07_each_way_not_to_sign_has_its_reason() {
        for (fields, trouble, code) in [
            (&[][..], None, "from-missing"),
            (&[" a@example.com", " a@example.com"], None, "from-several-fields"),
            (&[" a@example.com, b@example.org"], None, "from-several-domains"),
            (&[" a@www.example.com"], None, "no-rule-for-author-domain"),
            (&[" a@example.com"], Some(HeaderTrouble::TooManyOctets), "header-too-large"),
        ] {
            let skip = skipped(planned(Mode::Both, OURS, fields, trouble).sign).expect(code);
            assert_eq!(skip.code(), code);
        }
    }
}
