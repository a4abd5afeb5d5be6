//! The most memory that a large message takes: it does not depend on its size.

use dkim_core::canon::Canon;
use dkim_core::verify::VerifyPolicy;

use crate::counting::counted;
use crate::mail;

const MESSAGE: usize = 50_000_000;
const CHUNK: usize = 64 << 10;
const MOST: i64 = 1 << 20;

/// Bodies of which no octet is kept: text, one endless line, nothing but blanks, nothing but line ends.
fn chunks() -> [(&'static str, Vec<u8>); 4] {
    [
        ("text", mail::body(CHUNK)),
        ("one line", vec![b'x'; CHUNK]),
        ("blanks", b" \t".repeat(CHUNK / 2)),
        ("line ends", b"\r\n".repeat(CHUNK / 2)),
    ]
}

#[test]
fn fifty_megabytes_take_no_more_than_one_mebibyte() {
    for backend in mail::backends() {
        let key = mail::key(backend, "ed25519.seed.b64");
        let answer = mail::answer(backend, &*key);
        for (name, chunk) in chunks() {
            // `simple` looks at nothing but the end of a chunk.
            let canons = if name == "text" { &[Canon::Simple, Canon::Relaxed][..] } else { &[Canon::Relaxed] };
            for canon in canons.iter().copied() {
                let body = || std::iter::repeat_n(&chunk[..], MESSAGE.div_ceil(CHUNK));
                let (spec, fields) = (mail::spec(canon, "s0"), mail::header());
                let (value, signing) = counted(|| mail::sign(backend, &mail::build(&fields), &spec, &key, body()));
                let mut signed = fields;
                signed.insert(0, ("DKIM-Signature".to_owned(), value));
                let policy = VerifyPolicy::default();
                let (passed, verifying) =
                    counted(|| mail::verify(backend, mail::build(&signed), &answer, &policy, body()));
                assert_eq!(passed, 1, "{backend:?}, {name}, {canon}");
                assert!(signing.peak > 0 && signing.peak <= MOST, "{backend:?}, {name}, {canon}: {signing:?}");
                assert!(verifying.peak > 0 && verifying.peak <= MOST, "{backend:?}, {name}, {canon}: {verifying:?}");
            }
        }
    }
}
