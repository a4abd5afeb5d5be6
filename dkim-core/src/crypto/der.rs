//! The little of DER that keys are written in.
//!
//! *Standard*: ITU-T X.690 for the encoding; RFC 8017 appendix A.1 (`RSAPublicKey`, `RSAPrivateKey`), RFC 5280 §4.1 (`SubjectPublicKeyInfo`),
//! RFC 5958 (`OneAsymmetricKey`, PKCS#8), RFC 8410 (Ed25519).
//!
//! *Invariants*: reads borrow from the input, every length is checked against what is there, nothing is recursive, and only the one DER
//! spelling of a length or integer is accepted. *What it does not do*: it does not write private keys, and reads no structure beside keys.

/// Object identifier 1.2.840.113549.1.1.1, `rsaEncryption`.
pub(super) const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// Object identifier 1.3.101.112, `id-Ed25519`.
pub(super) const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// Object identifier 1.2.840.10045.2.1, `id-ecPublicKey`.
pub(super) const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]` constructed: the attributes of PKCS#8.
pub(super) const CONTEXT_0: u8 = 0xa0;
/// `[1]` primitive: the public key of PKCS#8 version 2, an implicitly tagged BIT STRING.
pub(super) const CONTEXT_1: u8 = 0x81;

/// Reads elements one after the other from a piece of DER.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(der: &'a [u8]) -> Self {
        Self { rest: der }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The contents of the next element if it has this tag; else `None`, and nothing is consumed.
    pub(super) fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.rest.split_first()?;
        if *found != tag {
            return None;
        }
        let (length, rest) = length(rest)?;
        let (contents, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(contents)
    }

    /// A reader over the contents of the next element.
    pub(super) fn nested(&mut self, tag: u8) -> Option<Self> {
        self.element(tag).map(Self::new)
    }

    /// A non-negative INTEGER as big-endian octets without leading zeros (zero is empty).
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.element(INTEGER)? {
            [] => None,
            [0] => Some(&[]),
            // X.690 §8.3.2: the first nine bits shall not all be zero.
            [0, next, ..] if *next < 0x80 => None,
            [0, magnitude @ ..] => Some(magnitude),
            [first, ..] if *first >= 0x80 => None,
            magnitude => Some(magnitude),
        }
    }

    /// A BIT STRING of whole octets.
    pub(super) fn bit_string(&mut self, tag: u8) -> Option<&'a [u8]> {
        match self.element(tag)?.split_first()? {
            (0, octets) => Some(octets),
            _ => None,
        }
    }
}

/// The length octets at the start of `der`, and what follows them. Lengths need at most three octets: nothing here is larger.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    match der {
        [short @ 0..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        // X.690 §10.1: "The definite form of length encoding shall be used, encoded in the minimum number of octets."
        [0x81, a @ 0x80..=0xff, rest @ ..] => Some((usize::from(*a), rest)),
        [0x82, a @ 1..=0xff, b, rest @ ..] => Some((usize::from(u16::from_be_bytes([*a, *b])), rest)),
        _ => None,
    }
}

/// Whether `octets` are one DER SEQUENCE and nothing else.
pub(super) fn is_sequence(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets);
    reader.element(SEQUENCE).is_some() && reader.is_empty()
}

/// An object identifier in dotted form, for messages; at most 32 arcs are written.
pub(super) fn dotted(oid: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut arc: u64 = 0;
    for octet in oid.iter().take(64) {
        arc = (arc << 7) | u64::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        // X.690 §8.19.4: the first two arcs share the first number.
        let written = if text.is_empty() {
            let first = (arc / 40).min(2);
            write!(text, "{first}.{}", arc.saturating_sub(first.saturating_mul(40)))
        } else {
            write!(text, ".{arc}")
        };
        if written.is_err() {
            break;
        }
        arc = 0;
    }
    text
}

/// Writes one element.
pub(super) fn write(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    // A number as big-endian octets: its non-zero tail.
    let octets = contents.len().to_be_bytes();
    let start = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len());
    match octets.get(start..) {
        None | Some([]) => out.push(0),
        Some([short @ 0..=0x7f]) => out.push(*short),
        Some(long) => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7f));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(contents);
}

/// Writes a non-negative INTEGER from big-endian octets without leading zeros.
pub(super) fn write_unsigned(out: &mut Vec<u8>, magnitude: &[u8]) {
    let mut contents = Vec::with_capacity(magnitude.len().saturating_add(1));
    if magnitude.first().is_none_or(|first| *first >= 0x80) {
        contents.push(0);
    }
    contents.extend_from_slice(magnitude);
    write(out, INTEGER, &contents);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x690_10_1_only_the_shortest_length_is_accepted() {
        for (der, expected) in [
            (&[0x30, 0x00][..], true),
            (&[0x30, 0x81, 0x00], false),
            (&[0x30, 0x82, 0x00, 0x00], false),
            (&[0x30, 0x80, 0x00, 0x00], false),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], false),
            (&[0x30, 0x82, 0xff, 0xff], false),
            (&[0x30, 0x01], false),
            (&[0x30, 0x00, 0x00], false),
        ] {
            assert_eq!(is_sequence(der), expected, "{der:02x?}");
        }
        let mut long = vec![0x30, 0x81, 0x80];
        long.resize(3 + 0x80, 0);
        assert!(is_sequence(&long));
    }

    #[test]
    fn x690_8_3_integers_are_minimal_and_not_negative() {
        let read = |der: &[u8]| Reader::new(der).unsigned().map(<[u8]>::to_vec);
        assert_eq!(read(&[2, 1, 5]), Some(vec![5]));
        assert_eq!(read(&[2, 1, 0]), Some(vec![]));
        assert_eq!(read(&[2, 2, 0, 0x80]), Some(vec![0x80]));
        assert_eq!(read(&[2, 2, 0, 0x7f]), None, "padded");
        assert_eq!(read(&[2, 1, 0x80]), None, "negative");
        assert_eq!(read(&[2, 0]), None, "empty");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 65535] {
            let contents = vec![7; length];
            let mut out = Vec::new();
            write(&mut out, OCTET_STRING, &contents);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.element(OCTET_STRING), Some(&contents[..]));
            assert!(reader.is_empty());
        }
        for magnitude in [&[][..], &[1], &[0x80], &[0xff, 0]] {
            let mut out = Vec::new();
            write_unsigned(&mut out, magnitude);
            assert_eq!(Reader::new(&out).unsigned(), Some(magnitude));
        }
    }

    #[test]
    fn object_identifiers_are_written_with_dots() {
        assert_eq!(dotted(OID_RSA), "1.2.840.113549.1.1.1");
        assert_eq!(dotted(OID_ED25519), "1.3.101.112");
        assert_eq!(dotted(&[0x88, 0x37, 0x03]), "2.999.3");
        assert_eq!(dotted(&[0xff; 1000]), "");
    }
}
