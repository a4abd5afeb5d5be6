use proptest::prelude::*;

use super::*;
use crate::identity::{Path, Sender};
use crate::limits::RecordLimits;
use crate::parse::{Allowed, Whole, macro_string};
use crate::record::Record;

fn pieces(text: &[u8], allowed: Allowed) -> Vec<Piece> {
    let mut pieces = Vec::new();
    macro_string(text, &Whole::new(text), allowed, &mut |piece| pieces.push(piece)).unwrap();
    pieces
}

struct Case {
    session: Session,
    mailbox: Mailbox,
    domain: Name,
    validated: Option<Name>,
}

impl Case {
    fn new(client: &str, helo: &str, local: &str, sender_domain: &str) -> Self {
        let session =
            Session::new(client.parse().unwrap(), helo).with_receiver("mx.example.org").with_time(1_700_000_000);
        let Path::Mailbox(mailbox) = Sender::from_parts(local.as_bytes(), sender_domain.as_bytes()).0 else { panic!() };
        Self { session, mailbox, domain: Name::parse(sender_domain).unwrap(), validated: None }
    }

    fn values(&self) -> Values<'_> {
        let Self { session, mailbox, domain, validated } = self;
        Values { session, mailbox, domain, validated: validated.as_ref() }
    }

    fn name(&self, text: &str) -> Result<String, NameError> {
        let pieces = pieces(text.as_bytes(), Allowed::InRecord);
        expand_name(text.as_bytes(), &pieces, &self.values()).map(|name| name.to_string())
    }

    fn text(&self, text: &str) -> String {
        expand_text(text.as_bytes(), &pieces(text.as_bytes(), Allowed::InExplanation), &self.values(), 400)
    }
}

/// The sender and client of §7.4.
fn example() -> Case {
    Case::new("192.0.2.3", "mx.example.org", "strong-bad", "email.example.com")
}

#[test]
fn s7_4_expansion_examples() {
    let case = example();
    for (text, expected) in [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    ] {
        assert_eq!(case.text(text), expected, "{text}");
        assert_eq!(case.name(text).as_deref(), Ok(expected), "{text}");
    }
    let six = Case::new("2001:db8::cb01", "mx.example.org", "strong-bad", "email.example.com");
    assert_eq!(
        six.name("%{ir}.%{v}._spf.%{d2}").unwrap(),
        "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    );
}

#[test]
fn s15_digits_delimiters_and_escapes() {
    let case = Case::new("192.0.2.3", "mx.example.org", "foo-bar+zip+quux", "email.example.com");
    for (text, expected) in [
        ("%{l2r+-}", "bar.foo"),
        ("%{l+}", "foo-bar.zip.quux"),
        ("%{l1+-}", "quux"),
        ("%{d128}", "email.example.com"),
        ("%{d1r-}", "email.example.com"),
        ("%{dr-}", "email.example.com"),
        ("%{l255r.-+,/_=}", "quux.zip.bar.foo"),
        ("%{L}", "foo-bar%2Bzip%2Bquux"),
        ("%{S}", "foo-bar%2Bzip%2Bquux%40email.example.com"),
        ("%%%_%-", "% %20"),
        ("%{h}", "mx.example.org"),
        ("%{v}", "in-addr"),
    ] {
        assert_eq!(case.text(text), expected, "{text}");
    }
    let escaped = Case::new("192.0.2.3", "mx.example.org", "~jack&jill=up-a_b3.c", "e8.example.com");
    assert_eq!(escaped.text("%{L}"), "~jack%26jill%3Dup-a_b3.c");
}

#[test]
fn s15_letters_of_explanations() {
    let case = example();
    assert_eq!(case.text("%{c} %{r} %{t} %{p}"), "192.0.2.3 mx.example.org 1700000000 unknown");
    let six = Case::new("2001:db8::cb01", "mx.example.org", "a", "b.example");
    assert_eq!(six.text("%{c} %{C}"), "2001:db8::cb01 2001%3Adb8%3A%3Acb01");
    assert_eq!(six.text("%{i}"), "2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.C.B.0.1");
    let mut known = example();
    known.validated = Some(Name::parse("mail.example.org").unwrap());
    assert_eq!(known.text("%{p}"), "mail.example.org");
}

#[test]
fn s15_names_above_253_octets_lose_labels_from_the_left() {
    let case = Case::new("192.0.2.3", "mx.example.org", "l", "somewhat.long.exp.example.com");
    let name = case.name("foobar.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.%{o}.example.com").unwrap();
    assert_eq!(name, format!("{}example.com", "somewhat.long.exp.example.com.".repeat(8)));
    // 253 octets stay, 254 lose a label; a final dot is no octet of the name.
    let long = |octets: usize| format!("{}.{}", "a".repeat(63), "b.".repeat((octets - 64) / 2));
    for (octets, kept) in [(253, 253), (255, 191), (1_001, 253)] {
        let text = long(octets + 1);
        let text = text.strip_suffix("b.").unwrap().to_owned() + "c";
        assert_eq!(text.len(), octets);
        for text in [text.clone(), format!("{text}.")] {
            let name = cut_to_name(&text).unwrap();
            assert_eq!(name.as_str().len(), kept, "{octets}");
            assert!(text.trim_end_matches('.').ends_with(name.as_str()));
        }
    }
    assert_eq!(cut_to_name(&"a".repeat(300)), Err(NameError::TooLong));
    assert_eq!(cut_to_name(&format!("x.{}", "a".repeat(253))), Err(NameError::LabelTooLong));
}

#[test]
fn s15_what_helo_brings_in_is_not_checked_before_but_after() {
    let case = |helo: &str| Case::new("192.0.2.3", helo, "l", "example.com");
    assert_eq!(case("JUMPIN' JUPITER").name("%{h}.x").as_deref(), Ok("jumpin' jupiter.x"));
    assert_eq!(case("a..b").name("%{h}.x"), Err(NameError::EmptyLabel));
    assert_eq!(case("").name("%{h}"), Err(NameError::Empty));
    assert_eq!(case("a\u{7}b").name("%{h}.x"), Err(NameError::BadByte));
    assert_eq!(case("a\r\nb\u{e4}").text("%{h}"), "a??b??");
}

#[test]
fn explanations_are_cut() {
    let case = example();
    let text = "%{s}".repeat(1_000);
    let cut = expand_text(text.as_bytes(), &pieces(text.as_bytes(), Allowed::InExplanation), &case.values(), 100);
    assert_eq!(cut.len(), 100);
}

/// 64 KiB of macros with a long local part: what cannot be kept is not made.
#[test]
fn macro_bombs_cost_what_a_name_costs() {
    let case = Case::new("192.0.2.3", "mx.example.org", &"x-y.".repeat(250_000), "example.com");
    let text = format!("v=spf1 exists:{}.example.com", "%{l}.".repeat(13_000));
    let limits = RecordLimits { max_percents: 13_000, ..RecordLimits::default() };
    let record = Record::parse(&text, limits).unwrap();
    let pieces = pieces(&record.text().as_bytes()[14..], Allowed::InRecord);
    let name = expand_name(&record.text().as_bytes()[14..], &pieces, &case.values());
    assert!(name.is_err() || name.is_ok_and(|name| name.as_str().len() <= 253));
}

proptest! {
    #[test]
    fn no_expansion_exceeds_253_octets(
        text in "([a-z.]{0,30}(%\\{[slodipvhSLODIPVH]([1-9][0-9]{0,2})?r?[.+,/_=-]{0,3}\\}|%%|%_|%-)){0,40}",
        local in proptest::collection::vec(any::<u8>(), 1..300),
        helo in proptest::collection::vec(any::<u8>(), 0..300),
        six in any::<bool>(),
    ) {
        let client = if six { "2001:db8::1" } else { "192.0.2.1" };
        let mut case = Case::new(client, "x", "l", "sender.example.com");
        case.session = Session::new(client.parse().unwrap(), helo);
        let Path::Mailbox(mailbox) = Sender::from_parts(&local, b"sender.example.com").0 else { panic!() };
        case.mailbox = mailbox;
        if let Ok(name) = case.name(&text) {
            prop_assert!(name.len() <= 253);
            prop_assert!(name.split('.').all(|label| (1..=63).contains(&label.len())));
        }
        let text = case.text(&text);
        prop_assert!(text.len() <= 400 && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    }

    /// Made from the right end or from the left: the same.
    #[test]
    fn expansion_from_the_right_is_expansion(text in "(([a-z]{1,5}\\.){0,4}%\\{[slodh][1-3]?r?\\}\\.?){0,12}[a-z]{1,3}") {
        let case = example();
        let whole = case.text(&text);
        prop_assume!(whole.len() < 400);
        prop_assert_eq!(case.name(&text), cut_to_name(&whole).map(|name| name.to_string()));
    }
}
