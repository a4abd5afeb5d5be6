//! The fields that we make beside those that OpenDKIM makes of the same messages with the same keys: the same octets, with a few exceptions that
//! are listed with their reasons.
//!
//! OpenDKIM takes the time from the clock, and we take it from its `t=`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use dkim_core::UnixTime;
use dkim_core::body_hash::BodyHashPlan;
use dkim_core::canon::Canon;
use dkim_core::domain::{DomainName, Selector};
use dkim_core::header::{HeaderBlock, HeaderLimits};
use dkim_core::sign::{Layout, Selection, SignError, SignatureSpec, Signing, replaced};
use dkim_core::signature::Identity;
use dkim_core::tag_list::{TagLimits, TagList};
use engine::config::Diagnostics;
use engine::config::opendkim::{DEFAULT_OMIT_HEADERS, DEFAULT_SIGN_HEADERS};
use engine::keys::load;

use crate::cells::{Key, message_from};
use crate::keys::Keys;
use crate::milter::values;
use crate::opendkim::OpenDkim;
use crate::site::work;

/// A way to sign, for both.
struct Setup {
    name: &'static str,
    key: Key,
    /// Lines of opendkim.conf; `{folder}` is where `files` are.
    options: &'static str,
    /// The row of KeyTable behind the name of the key, without the file.
    key_row: &'static str,
    /// What stands behind the name of the key in SigningTable.
    signer: &'static str,
    /// What the same is for us.
    spec: fn(&mut SignatureSpec),
    /// The tags whose values differ, and why.
    differs: Option<(&'static [&'static str], &'static str)>,
}

const USUAL: Setup = Setup {
    name: "Debian's file",
    key: Key::Rsa2048,
    options: "Canonicalization relaxed/simple\nOversignHeaders From\n",
    key_row: "example.com:sel",
    signer: "",
    spec: |spec| {
        canon(spec, Canon::Relaxed, Canon::Simple);
        spec.oversigned = names("From");
    },
    differs: None,
};

const SETUPS: &[Setup] = &[
    USUAL,
    Setup { name: "no options", options: "", spec: |_| {}, ..USUAL },
    Setup {
        name: "simple/relaxed, SubDomains does nothing beside a SigningTable",
        options: "Canonicalization simple/relaxed\nSubDomains yes\n",
        spec: |spec| canon(spec, Canon::Simple, Canon::Relaxed),
        ..USUAL
    },
    Setup {
        name: "a key of 1024 bits",
        key: Key::Rsa1024,
        options: "Canonicalization relaxed/relaxed\nOversignHeaders From\nSignatureAlgorithm rsa-sha256\n",
        key_row: "example.com:20260101",
        spec: |spec| {
            canon(spec, Canon::Relaxed, Canon::Relaxed);
            spec.oversigned = names("From");
        },
        ..USUAL
    },
    Setup {
        name: "a key of 4096 bits, several names to oversign",
        key: Key::Rsa4096,
        options: "Canonicalization relaxed/relaxed\nOversignHeaders From,Subject,to,X-Absent,From\n",
        spec: |spec| {
            canon(spec, Canon::Relaxed, Canon::Relaxed);
            spec.oversigned = names("From,Subject,to,X-Absent,From");
        },
        ..USUAL
    },
    Setup {
        name: "lists with patterns",
        options: "Canonicalization simple/simple\nSignHeaders Subject,X-*,*-Id,Received,Re*\nOmitHeaders X-M*,references\n",
        spec: |spec| {
            spec.signed = names("Subject,X-*,*-Id,Received,Re*");
            spec.selection = Selection::InMessageOrder { omitted: names("X-M*,references") };
        },
        ..USUAL
    },
    Setup {
        name: "lists that change the default",
        options: "SignHeaders *,+Message-ID,+Content-Type,+MIME-Version,-Subject\nOmitHeaders *,-Received,+Cc\n",
        spec: |spec| {
            spec.signed.extend(names("Message-ID,Content-Type,MIME-Version"));
            spec.signed.retain(|name| name != "subject");
            spec.selection = Selection::InMessageOrder { omitted: names("return-path,comments,keywords,Cc") };
        },
        ..USUAL
    },
    Setup {
        name: "x=, i= and r=",
        options: "Canonicalization relaxed/relaxed\nSignatureTTL 604800\nRequestReports yes\n",
        signer: ":joe@mail.example.com",
        spec: |spec| {
            canon(spec, Canon::Relaxed, Canon::Relaxed);
            (spec.lifetime, spec.request_reports) = (Some(Duration::from_secs(604_800)), true);
            spec.identity = Some(Identity::new("joe", DomainName::parse("mail.example.com").unwrap()));
        },
        ..USUAL
    },
    Setup {
        name: "l= of a part",
        options: "Canonicalization relaxed/relaxed\nMaximumSignedBytes 20\n",
        spec: |spec| {
            canon(spec, Canon::Relaxed, Canon::Relaxed);
            spec.body_length = Some(20);
        },
        ..USUAL
    },
    Setup {
        name: "l= of all",
        options: "BodyLengthDB csl:*\n",
        spec: |spec| spec.body_length = Some(u64::MAX),
        ..USUAL
    },
    Setup {
        name: "rules that replace",
        options: "ReplaceRules {folder}/rules\nCanonicalization simple/simple\n",
        spec: |_| {},
        ..USUAL
    },
    Setup {
        name: "a long domain",
        key_row: "a-name-of-many-letters.and-more-labels.than-fit-beside-others.example.com:a-selector.of-two-labels",
        ..USUAL
    },
    Setup {
        name: "Ed25519, relaxed",
        key: Key::Ed25519,
        options: "Canonicalization relaxed/simple\nSignatureAlgorithm ed25519-sha256\n",
        spec: |spec| canon(spec, Canon::Relaxed, Canon::Simple),
        ..USUAL
    },
    Setup {
        name: "Ed25519, simple",
        key: Key::Ed25519,
        options: "SignatureAlgorithm ed25519-sha256\n",
        spec: |_| {},
        differs: Some((&["b"], crate::listed::ED25519_SIMPLE)),
        ..USUAL
    },
    Setup {
        name: "oversigned, present and not signed",
        options: "OversignHeaders X-Mailer\n",
        spec: |spec| spec.oversigned = names("X-Mailer"),
        differs: Some((
            &["b"],
            "h= lists X-Mailer once, and the field that the message has is not hashed, so its signature never verifies. §5.4.2: a name selects the \
             lowest field of that name that is left",
        )),
        ..USUAL
    },
    Setup {
        name: "capitals in a domain and a selector",
        options: "",
        key_row: "Example.COM:Sel",
        spec: |_| {},
        differs: Some((&["b", "d", "s"], "we write them in lower case, which means the same (RFC 4343)")),
        ..USUAL
    },
    Setup {
        name: "an equals sign in i=",
        options: "",
        signer: ":joe=home@example.com",
        spec: |spec| spec.identity = Some(Identity::new("joe=home", DomainName::parse("example.com").unwrap())),
        differs: Some((
            &["b", "i"],
            "the equals sign stands for itself. §3.5: i= is dkim-quoted-printable, in which it begins the number of an octet",
        )),
        ..USUAL
    },
];

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn canon(spec: &mut SignatureSpec, header: Canon, body: Canon) {
    (spec.header_canon, spec.body_canon) = (header, body);
}

#[test]
fn opendkim_s5_1_our_fields_are_the_same_octets() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    let (mut faults, mut same, mut listed) = (String::new(), 0_usize, String::new());
    for (number, setup) in SETUPS.iter().enumerate() {
        let place = folder.path().join("signatures").join(number.to_string());
        let opendkim = start(&place, setup, &keys);
        let mut differing = BTreeSet::new();
        for message in messages(number) {
            let signed = opendkim.sign(&message).unwrap_or_else(|said| panic!("{}: {said}", setup.name));
            let theirs = values(&signed, "DKIM-Signature").swap_remove(0);
            let ours = sign(setup, &keys, &message, time_of(&theirs));
            let tags = differing_tags(&ours, &theirs);
            same += usize::from(ours == theirs);
            if setup.differs.is_none() && ours != theirs {
                let text = String::from_utf8_lossy(&message);
                writeln!(faults, "{}\n{text}\ntheirs:{theirs}\nours:{ours}\n", setup.name).unwrap();
            }
            differing.extend(tags);
        }
        if let Some((tags, why)) = setup.differs {
            let tags: BTreeSet<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            if differing != tags {
                writeln!(faults, "{}: listed are {tags:?}, and {differing:?} differ", setup.name).unwrap();
            }
            writeln!(listed, "listed: {}: {tags:?}: {why}", setup.name).unwrap();
        }
    }
    println!("{same} fields are the same octets as those of OpenDKIM\n{listed}");
    assert!(faults.is_empty(), "{faults}");
}

/// OpenDKIM signs both From fields. RFC 5322 §3.6 allows one; which of two a reader is shown nobody knows, so we sign no such message.
#[test]
fn opendkim_s8_2_two_from_fields_are_signed_by_opendkim_alone() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    let opendkim = start(&folder.path().join("two"), &USUAL, &keys);
    let message = [&b"From: joe@example.com\r\nFrom: eve@example.net\r\n\r\n"[..], BODY].concat();
    let theirs = values(&opendkim.sign(&message).unwrap(), "DKIM-Signature").swap_remove(0);
    assert!(theirs.contains("\th=From:From:From;"), "{theirs}");
    assert_eq!(try_sign(&USUAL, &keys, &message, time_of(&theirs)), Err(SignError::SeveralFrom { count: 2 }));
}

/// OpenDKIM with this setup.
fn start(place: &Path, setup: &Setup, keys: &Keys) -> OpenDkim {
    fs::create_dir_all(place).unwrap();
    let folder = place.display().to_string();
    fs::write(place.join("KeyTable"), format!("key {}:{}\n", setup.key_row, keys.pem(setup.key).display())).unwrap();
    fs::write(place.join("SigningTable"), format!("* key{}\n", setup.signer)).unwrap();
    fs::write(place.join("rules"), RULE).unwrap();
    let options = setup.options.replace("{folder}", &folder);
    let config = format!(
        "Mode s\nRequireSafeKeys no\nKeyTable file:{folder}/KeyTable\nSigningTable file:{folder}/SigningTable\n{options}"
    );
    OpenDkim::start_with(place.to_owned(), &config)
}

/// A rule of ReplaceRules, and what it does ([`by_rule`]).
const RULE: &str = "@host\\.example\\.com\t@example.com\n";

fn by_rule(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    text.contains("@host.example.com").then(|| text.replace("@host.example.com", "@example.com").into_bytes())
}

/// The value of our field.
fn sign(setup: &Setup, keys: &Keys, message: &[u8], now: UnixTime) -> String {
    try_sign(setup, keys, message, now).unwrap()
}

fn try_sign(setup: &Setup, keys: &Keys, message: &[u8], now: UnixTime) -> Result<String, SignError> {
    let (domain, selector) = setup.key_row.split_once(':').unwrap();
    let mut spec = SignatureSpec::new(DomainName::parse(domain).unwrap(), Selector::parse(selector).unwrap());
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    canon(&mut spec, Canon::Simple, Canon::Simple);
    spec.layout = Layout::OpenDkim;
    spec.selection = Selection::InMessageOrder { omitted: owned(DEFAULT_OMIT_HEADERS) };
    (spec.signed, spec.oversigned) = (owned(DEFAULT_SIGN_HEADERS), Vec::new());
    (setup.spec)(&mut spec);

    let key = load(&keys.pem(setup.key), engine::BACKEND, &mut Diagnostics::default()).unwrap();
    let (mut headers, body) = HeaderBlock::parse(message, HeaderLimits::default()).unwrap();
    if setup.options.contains("ReplaceRules") {
        headers = replaced(&headers, HeaderLimits::default(), |field| by_rule(field.value)).unwrap();
    }
    let mut plan = BodyHashPlan::new(engine::BACKEND);
    let signing = Signing::start(&headers, spec, key, now, &mut plan)?;
    let mut hasher = plan.start();
    hasher.update(&message[body..]);
    Ok(signing.finish(&hasher.finish())?.value)
}

/// The value of `t=`.
fn time_of(field: &str) -> UnixTime {
    let tags = TagList::parse(field.as_bytes(), TagLimits::default()).unwrap();
    let time = std::str::from_utf8(tags.get("t").unwrap().value).unwrap();
    UnixTime::from_secs(time.parse().unwrap())
}

/// The names of the tags that one of the two has and the other has not so.
fn differing_tags(ours: &str, theirs: &str) -> BTreeSet<String> {
    let tags = |field: &str| -> BTreeSet<(String, Vec<u8>)> {
        let list = TagList::parse(field.as_bytes(), TagLimits::default()).unwrap();
        list.iter().map(|tag| (tag.name.to_owned(), tag.value.to_owned())).collect()
    };
    tags(ours).symmetric_difference(&tags(theirs)).map(|(name, _)| name.clone()).collect()
}

/// Messages that every setup signs: some by hand, and many that are thrown together.
fn messages(seed: usize) -> Vec<Vec<u8>> {
    let by_hand = BY_HAND.iter().map(|header| [header.as_bytes(), BODY].concat());
    let usual = message_from("example.com", BODY);
    let mut dice = Dice(u32::try_from(seed).unwrap());
    by_hand.chain([usual]).chain((0..20).map(|_| dice.message())).collect()
}

const BODY: &[u8] = b"Hi.\r\n\r\nWe  lost the game. \t\r\nAre you hungry yet?\r\n\r\n\r\n";

/// Every message has an X-Mailer, for the setup that is about it.
const BY_HAND: &[&str] = &[
    // White space of every kind, which `simple` hashes.
    "From:joe@example.com\r\nTo:\tmary@reader.example\r\nCc:\r\nSubject:   three \t\r\nDate:  \r\n\tfolded\r\n \t \r\n at the end \r\nX-Mailer:\t\r\n\r\n",
    // Several of one name, in any case.
    "Return-Path: <joe@host.example.com>\r\nReceived: by a.example\r\nReceived: by\r\n\tb.example\r\nTO: one\r\nsubject: one\r\nFrom: joe@host.example.com\r\n\
     to: two\r\nTo: three\r\nSubject: two\r\nX-mailer: a\r\nX-MAILER: b\r\n\r\n",
    // Everything that is signed by default.
    "X-Mailer: a\r\nfrom: joe@host.example.com\r\nreply-to: a\r\nsubject: a\r\ndate: a\r\nto: a\r\ncc: a\r\nresent-date: a\r\nresent-from: a\r\nresent-sender: a\r\n\
     resent-to: a\r\nresent-cc: a\r\nin-reply-to: a\r\nreferences: a\r\nlist-id: a\r\nlist-help: a\r\nlist-unsubscribe: a\r\nlist-subscribe: a\r\nlist-post: a\r\n\
     list-owner: a\r\nlist-archive: a\r\n\r\n",
    "X-Mailer: \u{fc}\r\nSubject: Gr\u{fc}\u{df}e\r\nFrom: J\u{f6}rg <joe@example.com>\r\n\r\n",
    "From: joe@example.com\r\nX-Mailer: a\r\n\r\n",
];

/// The same throws each time.
struct Dice(u32);

impl Dice {
    fn throw<T: Copy>(&mut self, sides: &[T]) -> T {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        sides[usize::try_from(self.0 >> 8).unwrap() % sides.len()]
    }

    fn message(&mut self) -> Vec<u8> {
        const NAMES: &[&str] = &[
            "To",
            "to",
            "TO",
            "Cc",
            "Subject",
            "SUBJECT",
            "Date",
            "Received",
            "List-Id",
            "List-Unsubscribe",
            "Resent-Date",
            "References",
            "In-Reply-To",
            "Message-ID",
            "MIME-Version",
            "Reply-To",
            "Resent-To",
            "Content-Type",
            "Keywords",
            "Comments",
            "X-Short",
            "X-A-Name-That-Is-As-Long-As-Most-Of-A-Line-Is-And-Still-Fits-It",
        ];
        const VALUES: &[&str] = &[
            " one",
            " two  words",
            "\ttab",
            " folded\r\n\t and \r\n  more ",
            " end \t",
            "",
            " ",
            "none",
            " <joe@host.example.com>",
            " caf\u{e9}",
            " a; b=c",
        ];
        const BODIES: &[&str] = &["", "\r\n\r\n", "Hi.\r\n", " a  b \t\r\n\r\n c\r\n\r\n", "x\r\n.\r\n"];
        let count = self.throw(&[1, 2, 3, 5, 8, 13, 21, 34]);
        let from = self.throw(&[0, count / 2, count]);
        let mut text = String::from("X-Mailer: dice\r\n");
        for at in 0..=count {
            if at == from {
                let (name, value) = (
                    self.throw(&["From", "from", "FROM"]),
                    self.throw(&[" joe@example.com", "Joe\r\n <joe@host.example.com>"]),
                );
                write!(text, "{name}:{value}\r\n").unwrap();
            }
            let (name, value) = (self.throw(NAMES), self.throw(VALUES));
            write!(text, "{name}:{value}\r\n").unwrap();
        }
        write!(text, "\r\n{}", self.throw(BODIES)).unwrap();
        text.into_bytes()
    }
}
