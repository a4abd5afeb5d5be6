//! The same `opendkim.conf` for OpenDKIM and for the daemon: the same results, word by word, and the same replies. What differs is listed with its reason.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cells::Key;
use crate::keys::Keys;
use crate::milter::{Client, pass, values};
use crate::opendkim::OpenDkim;
use crate::site::daemon::Daemon;
use crate::site::work;

/// A message and what both say about it with these lines of `opendkim.conf`.
struct Case {
    name: &'static str,
    lines: &'static str,
    message: fn(&Signed) -> Vec<u8>,
    expected: Expected,
}

enum Expected {
    /// Both say this.
    Same(&'static str),
    /// OpenDKIM says the first, and we the second.
    Differs(&'static str, &'static str, Why),
}

struct Why(&'static str);

use Expected::{Differs, Same};

/// Messages that OpenDKIM has signed.
struct Signed {
    rsa: Vec<u8>,
    gone: Vec<u8>,
    revoked: Vec<u8>,
    hash: Vec<u8>,
    mail: Vec<u8>,
    version: Vec<u8>,
    testing: Vec<u8>,
    damaged: Vec<u8>,
    small: Vec<u8>,
    third: Vec<u8>,
    part: Vec<u8>,
    whole: Vec<u8>,
}

const PLAIN: &[u8] = b"From: joe@example.com\r\nTo: mary@reader.example\r\nDate: Tue, 24 Nov 2026 20:00:00 +0000\r\nSubject: x\r\n\r\nHello\r\n";

const GOOD: &str = "dkim=pass (2048-bit key) P.rsa";
const BAD: &str = "dkim=fail reason=\"signature verification failed\" (2048-bit key) P.rsa";
const BAD_FORMAT: &str = "dkim=permerror (bad message/signature format)";

/// The message with this in place of that.
fn with(message: &[u8], old: &str, new: &str) -> Vec<u8> {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert!(text.contains(old), "{old}: {text}");
    text.replacen(old, new, 1).into_bytes()
}

/// A field above the message.
fn above(field: &str, message: &[u8]) -> Vec<u8> {
    [field.as_bytes(), b"\r\n", message].concat()
}

/// The signature of the first above the second.
fn both(first: &[u8], second: &[u8]) -> Vec<u8> {
    [first.strip_suffix(PLAIN).unwrap(), second].concat()
}

const CASES: &[Case] = &[
    Case { name: "good", lines: "", message: |s| s.rsa.clone(), expected: Same(GOOD) },
    Case { name: "body changed", lines: "", message: |s| with(&s.rsa, "Hello", "Hullo"), expected: Same(BAD) },
    Case {
        name: "Subject changed",
        lines: "",
        message: |s| with(&s.rsa, "Subject: x", "Subject: y"),
        expected: Same(BAD),
    },
    Case {
        name: "key missing",
        lines: "",
        message: |s| s.gone.clone(),
        expected: Same("dkim=fail reason=\"key not found in DNS\" P.gone"),
    },
    Case {
        name: "key missing, and that is refused",
        lines: "On-KeyNotFound reject\n",
        message: |s| s.gone.clone(),
        expected: Same("550 5.7.0 DKIM key retrieval failed"),
    },
    Case {
        name: "key revoked",
        lines: "",
        message: |s| s.revoked.clone(),
        expected: Same("dkim=fail reason=\"key revoked\" P.revoked"),
    },
    Case {
        name: "key revoked, and that is refused",
        lines: "On-BadSignature reject\n",
        message: |s| s.revoked.clone(),
        expected: Differs(
            "Decision(Reject)",
            "550 5.7.0 bad DKIM signature data",
            Why("it is refused with words, as other bad signatures are"),
        ),
    },
    Case {
        name: "key for another hash",
        lines: "",
        message: |s| s.hash.clone(),
        expected: Same("dkim=fail reason=\"signature-key hash mismatch\" P.hash"),
    },
    Case {
        name: "key not for mail",
        lines: "",
        message: |s| s.mail.clone(),
        expected: Same("dkim=fail reason=\"not an e-mail key\" P.mail"),
    },
    Case {
        name: "key of another version",
        lines: "",
        message: |s| s.version.clone(),
        expected: Same("dkim=fail reason=\"unknown key version\" P.version"),
    },
    Case {
        name: "key in test",
        lines: "",
        message: |s| s.testing.clone(),
        expected: Differs(
            "dkim=pass (2048-bit key) P.testing",
            "dkim=pass (2048-bit key) (test mode) P.testing",
            Why("RFC 6376 §3.6.1: a reader has to know that such a result counts for nothing"),
        ),
    },
    Case { name: "key damaged", lines: "", message: |s| s.damaged.clone(), expected: Same("dkim=permerror P.damaged") },
    Case {
        name: "key small",
        lines: "MinimumKeyBits 2048\n",
        message: |s| s.small.clone(),
        expected: Same("dkim=policy reason=\"signing key too small\" (1024-bit key) P.small"),
    },
    Case {
        name: "key of 1024 bits",
        lines: "",
        message: |s| s.small.clone(),
        expected: Same("dkim=pass (1024-bit key) P.small"),
    },
    Case {
        name: "field not signed",
        lines: "MustBeSigned X-Im\n",
        message: |s| above("X-Im: 1", &s.rsa),
        expected: Differs(
            "dkim=fail reason=\"unprotected header field\" (2048-bit key) P.rsa",
            "dkim=policy reason=\"unprotected header field\" (2048-bit key) P.rsa",
            Why("RFC 8601 §2.7.1: the signature is good, and not acceptable here"),
        ),
    },
    Case {
        name: "two signatures",
        lines: "",
        message: |s| both(&s.small, &s.rsa),
        expected: Same("dkim=pass (1024-bit key) P.small; dkim=pass (2048-bit key) P.rsa"),
    },
    Case {
        name: "more than are verified",
        lines: "MaximumSignaturesToVerify 1\n",
        message: |s| both(&s.gone, &s.rsa),
        expected: Differs(
            "dkim=fail reason=\"key not found in DNS\" P.gone; dkim=neutral P.rsa",
            "dkim=fail reason=\"key not found in DNS\" P.gone; dkim=neutral",
            Why("what is not looked at is not read"),
        ),
    },
    Case { name: "unsigned", lines: "", message: |_| PLAIN.to_vec(), expected: Same("") },
    Case {
        name: "unsigned, with a result",
        lines: "AlwaysAddARHeader yes\n",
        message: |_| PLAIN.to_vec(),
        expected: Same("dkim=none"),
    },
    Case {
        name: "unsigned, and refused",
        lines: "On-NoSignature reject\n",
        message: |_| PLAIN.to_vec(),
        expected: Same("550 5.7.0 no DKIM signature data"),
    },
    Case {
        name: "no field that could be read",
        lines: "",
        message: |_| above("DKIM-Signature: v=1; d=x(y; garbage", PLAIN),
        expected: Differs("", BAD_FORMAT, Why("§8.2: a malformed field is told, and others beside it are verified")),
    },
    Case {
        name: "no author",
        lines: "",
        message: |s| with(&s.rsa, "From: joe@example.com", "X-From: joe@example.com"),
        expected: Same(BAD_FORMAT),
    },
    Case {
        name: "no author that could be read",
        lines: "",
        message: |s| with(&s.rsa, "From: joe@example.com", "From: joe"),
        expected: Same(BAD_FORMAT),
    },
    Case {
        name: "StrictHeaders",
        lines: "StrictHeaders yes\nOn-Default reject\n",
        message: |s| above("Sender: a\r\nSender: b", &s.rsa),
        expected: Same(BAD_FORMAT),
    },
    Case {
        name: "StrictHeaders, a field without a number in RFC 5322",
        lines: "StrictHeaders yes\n",
        message: |s| above("MIME-Version: a\r\nMIME-Version: b", &s.rsa),
        expected: Same(GOOD),
    },
    Case {
        name: "IgnoreMalformedMail",
        lines: "StrictHeaders yes\nIgnoreMalformedMail yes\n",
        message: |s| above("Subject: 2", &s.rsa),
        expected: Same(""),
    },
    Case {
        name: "RequiredHeaders, two Subjects",
        lines: "RequiredHeaders yes\n",
        message: |s| above("Subject: 2\r\nTo: 2", &s.rsa),
        expected: Same("550 5.0.0 message has multiple Subject fields"),
    },
    Case {
        name: "RequiredHeaders, two Message-IDs and no Date",
        lines: "RequiredHeaders yes\n",
        message: |_| with(&above("Message-ID: a\r\nmessage-id: b", PLAIN), "Date:", "X-Date:"),
        expected: Same("550 5.0.0 message has multiple Message-Id fields"),
    },
    Case {
        name: "RequiredHeaders, no Date",
        lines: "RequiredHeaders yes\n",
        message: |_| with(PLAIN, "Date:", "X-Date:"),
        expected: Same("550 5.0.0 message does not have exactly one Date field"),
    },
    Case {
        name: "RequiredHeaders, two Froms",
        lines: "RequiredHeaders yes\n",
        message: |_| above("From: eve@example.net", PLAIN),
        expected: Same("550 5.0.0 message does not have exactly one From field"),
    },
    Case {
        name: "RequiredHeaders, nothing to say",
        lines: "RequiredHeaders yes\n",
        message: |s| above("Sender: a\r\nSender: b", &s.rsa),
        expected: Same(GOOD),
    },
    Case { name: "l= of all", lines: "", message: |s| s.whole.clone(), expected: Same(GOOD) },
    Case { name: "l= of all, Minimum", lines: "Minimum 100%\n", message: |s| s.whole.clone(), expected: Same(GOOD) },
    Case {
        name: "l= of a part",
        lines: "",
        message: |s| s.part.clone(),
        expected: Differs(
            GOOD,
            "dkim=policy reason=\"partial signature without Content-Type\" (2048-bit key) P.rsa",
            Why("RFC 6376 §8.2: anybody may have written the rest"),
        ),
    },
    Case {
        name: "l= of a part, Minimum",
        lines: "Minimum 4\nOn-BadSignature reject\n",
        message: |s| s.part.clone(),
        expected: Differs(
            GOOD,
            "550 5.7.0 bad DKIM signature data",
            Why("OpenDKIM finds that too little is signed, and does nothing about it"),
        ),
    },
    Case {
        name: "NoHeaderB",
        lines: "NoHeaderB yes\n",
        message: |s| s.rsa.clone(),
        expected: Same(
            "dkim=pass (2048-bit key) header.d=example.com header.i=@example.com header.a=rsa-sha256 header.s=rsa",
        ),
    },
    Case {
        name: "TrustSignaturesFrom, one of the list",
        lines: "TrustSignaturesFrom third.example\n",
        message: |s| s.third.clone(),
        expected: Same("dkim=pass (2048-bit key) T.rsa"),
    },
    Case {
        name: "TrustSignaturesFrom, one beyond the number that is verified",
        lines: "TrustSignaturesFrom third.example\nMaximumSignaturesToVerify 1\n",
        message: |s| both(&s.third, &s.rsa),
        expected: Differs(
            "dkim=pass (2048-bit key) T.rsa; dkim=neutral P.rsa",
            "dkim=pass (2048-bit key) T.rsa; dkim=pass (2048-bit key) P.rsa",
            Why("those of the list do not count towards the number"),
        ),
    },
    Case {
        name: "TrustSignaturesFrom, another one",
        lines: "TrustSignaturesFrom x.example\n",
        message: |s| s.third.clone(),
        expected: Differs(
            "dkim=pass (2048-bit key) T.rsa",
            "dkim=policy reason=\"domain not in TrustSignaturesFrom\" T.rsa",
            Why("OpenDKIM logs that it ignores the signature, and lets it pass"),
        ),
    },
];

#[test]
fn opendkim_s5_2_results_and_replies_are_those_of_opendkim() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    let signed = messages(folder.path(), &keys);
    let (mut faults, mut listed, mut same) = (String::new(), String::new(), 0_usize);
    for (number, case) in CASES.iter().enumerate() {
        let place = folder.path().join(format!("case-{number}"));
        let lines = format!("Mode v\nAuthservID mx.example\nTestPublicKeys {}\n{}", zone(folder.path()), case.lines);
        let message = (case.message)(&signed);
        let theirs = {
            let opendkim = OpenDkim::start_with(made(&place.join("theirs")), &lines);
            said(pass(opendkim.port, Client::Outside, &message))
        };
        let ours = said(with_ours(&made(&place.join("ours")), &lines, |port| pass(port, Client::Outside, &message)));
        let (expected_of_theirs, expected_of_ours) = match &case.expected {
            Same(both) => (*both, *both),
            Differs(theirs, ours, why) => {
                writeln!(listed, "listed: {}: {theirs:?} there, {ours:?} here: {}", case.name, why.0).unwrap();
                (*theirs, *ours)
            }
        };
        same += usize::from(expected_of_theirs == expected_of_ours);
        if theirs != spelled(expected_of_theirs) || ours != spelled(expected_of_ours) {
            writeln!(faults, "{}\n  theirs: {theirs}\n  ours:   {ours}", case.name).unwrap();
        }
    }
    println!("{same} cases are the same word by word\n{listed}");
    assert!(faults.is_empty(), "{faults}");
}

/// `P.s` and `T.s` are the properties of signatures of the author's and of the third domain.
fn spelled(text: &str) -> String {
    let mut text = text.to_owned();
    for (short, domain) in [("P.", "example.com"), ("T.", "third.example")] {
        let long = format!("header.d={domain} header.i=@{domain} header.a=rsa-sha256 header.s=");
        text = text.replace(&format!(" {short}"), &format!(" {long}"));
    }
    text
}

/// The reply that refuses, or the results of DKIM on one line, without the value of `header.b` and what is told of ATPS.
fn said(passed: Result<Vec<u8>, String>) -> String {
    let message = match passed {
        Ok(message) => message,
        Err(reply) => return reply,
    };
    let field = values(&message, "Authentication-Results").concat();
    let text = field.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let results = text.split("; ").skip(1).filter(|result| result.starts_with("dkim="));
    let results = results.map(|result| result.trim_end_matches(';').split(" header.b=").next().unwrap().to_owned());
    results.collect::<Vec<_>>().join("; ")
}

fn made(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    folder.to_owned()
}

/// The daemon with these lines.
fn with_ours<T>(folder: &Path, lines: &str, ask: impl FnOnce(u16) -> T) -> T {
    let port = work::port();
    let file = folder.join("opendkim.conf");
    fs::write(&file, format!("Background no\nSocket inet:{port}@127.0.0.1\n{lines}")).unwrap();
    let daemon = Daemon::start_from_opendkim_conf(folder, &format!("inet:127.0.0.1:{port}"), &file);
    let said = ask(port);
    drop(daemon);
    said
}

fn zone(folder: &Path) -> String {
    folder.join("records").display().to_string()
}

/// Messages that OpenDKIM signs, and the records of their keys.
fn messages(folder: &Path, keys: &Keys) -> Signed {
    let record = |key: Key| {
        let name = format!("peers._domainkey.{}", key.domain());
        keys.zone.iter().find(|(named, _)| *named == name).unwrap().1.clone()
    };
    let (rsa, small) = (record(Key::Rsa2048), record(Key::Rsa1024));
    let tagged = |tags: &str| rsa.replacen("v=DKIM1;", &format!("v=DKIM1; {tags}"), 1);
    let mut records = String::new();
    for (name, text) in [
        ("rsa._domainkey.example.com", rsa.clone()),
        ("rsa._domainkey.third.example", rsa.clone()),
        ("small._domainkey.example.com", small),
        ("revoked._domainkey.example.com", "v=DKIM1; k=rsa; p=".to_owned()),
        ("hash._domainkey.example.com", tagged("h=sha1; ")),
        ("mail._domainkey.example.com", tagged("s=tlsrpt; ")),
        ("testing._domainkey.example.com", tagged("t=y; ")),
        ("version._domainkey.example.com", rsa.replacen("DKIM1", "DKIM2", 1)),
        ("damaged._domainkey.example.com", "v=DKIM1; k=rsa; p=QUJD".to_owned()),
    ] {
        writeln!(records, "{name} {text}").unwrap();
    }
    fs::write(zone(folder), records).unwrap();
    let sign = |key: Key, domain: &str, selector: &str, lines: &str| {
        let place = made(&folder.join(format!("sign-{domain}-{selector}-{}", lines.len())));
        let lines = format!(
            "Mode s\nRequireSafeKeys no\nCanonicalization relaxed/relaxed\nKeyTable csl:k={domain}:{selector}:{}\n\
             SigningTable csl:example.com=k\n{lines}",
            keys.pem(key).display()
        );
        OpenDkim::start_with(place, &lines).sign(PLAIN).unwrap()
    };
    let usual = |selector: &str| sign(Key::Rsa2048, "example.com", selector, "");
    Signed {
        rsa: usual("rsa"),
        gone: usual("gone"),
        revoked: usual("revoked"),
        hash: usual("hash"),
        mail: usual("mail"),
        version: usual("version"),
        testing: usual("testing"),
        damaged: usual("damaged"),
        small: sign(Key::Rsa1024, "example.com", "small", ""),
        third: sign(Key::Rsa2048, "third.example", "rsa", ""),
        part: sign(Key::Rsa2048, "example.com", "rsa", "MaximumSignedBytes 3\n"),
        whole: sign(Key::Rsa2048, "example.com", "rsa", "BodyLengthDB csl:*\n"),
    }
}

/// What is signed with a rule is what the rule makes of the fields, with the domain of the author as the rule makes it: each verifies what the other one has signed
/// so, once the message is changed as the rule says.
#[test]
fn opendkim_s1_2_replace_rules_sign_the_same_copies() {
    let folder = work::folder();
    let keys = Keys::copy_to(folder.path());
    messages(folder.path(), &keys);
    let message = with(PLAIN, "joe@example.com", "joe@host.example.com");
    let message = with(&message, "Subject: x", "Subject: a+b (c|d) abc\r\n\tq");
    for (number, (rules, from, subject)) in [
        ("@host\\.example\\.com\t@example.com\n", "joe@example.com", "a+b (c|d) abc\r\n\tq"),
        ("host.\t\na+b\tX\n", "joe@example.com", "X (c|d) abc\r\n\tq"),
        ("host.\t\n(c|d)\tX\n", "joe@example.com", "a+b X abc\r\n\tq"),
        ("host.\t\nab\\|abc\tX\n", "joe@example.com", "a+b (c|d) X\r\n\tq"),
        ("X\tY\nhost.\t# c\n\nabc\tX\n", "joe@example.com", "a+b (c|d) Y\r\n\tq"),
        ("host.\t\nabc.*q\t[\\1&]\n", "joe@example.com", "a+b (c|d) [\\1&]"),
        ("host.\t\n^ a+b\t 1\tX\n", "joe@example.com", "a+b (c|d) abc\r\n\tq"),
    ]
    .into_iter()
    .enumerate()
    {
        let place = made(&folder.path().join(format!("rules-{number}")));
        fs::write(place.join("rules"), rules).unwrap();
        let sign = format!(
            "Mode s\nRequireSafeKeys no\nCanonicalization relaxed/relaxed\nDomain example.com\nSelector rsa\nKeyFile {}\nReplaceRules {}\n",
            keys.pem(Key::Rsa2048).display(),
            place.join("rules").display()
        );
        let verify = format!("Mode v\nAuthservID mx.example\nTestPublicKeys {}\n", zone(folder.path()));
        let theirs = OpenDkim::start_with(made(&place.join("theirs")), &sign).sign(&message);
        let theirs = theirs.unwrap_or_else(|said| panic!("{rules}: {said}"));
        let ours = with_ours(&made(&place.join("ours")), &sign, |port| pass(port, Client::Own, &message));
        let ours = ours.unwrap_or_else(|said| panic!("{rules}: {said}"));
        for signed in [&theirs, &ours] {
            let field = values(signed, "DKIM-Signature");
            assert!(field.len() == 1 && field[0].contains("d=example.com;"), "{rules}: {field:?}");
            assert!(signed.ends_with(&message), "{rules}: the message itself stays");
        }
        let changed = |signed: &[u8]| {
            let signed = with(signed, "joe@host.example.com", from);
            with(&signed, "a+b (c|d) abc\r\n\tq", subject)
        };
        let by_them = OpenDkim::start_with(made(&place.join("their-verifier")), &verify);
        assert_eq!(said(pass(by_them.port, Client::Outside, &changed(&ours))), spelled(GOOD), "{rules}");
        let by_us = with_ours(&made(&place.join("our-verifier")), &verify, |port| {
            pass(port, Client::Outside, &changed(&theirs))
        });
        assert_eq!(said(by_us), spelled(GOOD), "{rules}");
    }
}
