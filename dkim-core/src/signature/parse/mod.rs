//! Reading a DKIM-Signature value.
//!
//! §6.1.1: "Implementers MUST meticulously validate the format and values in the DKIM-Signature header field; any inconsistency or unexpected values
//! MUST cause the header field to be completely ignored and the Verifier to return PERMFAIL (signature syntax error)."

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{
    HeaderNames, Identity, Signature, SignatureError, SignatureErrorKind as Kind, SignatureLimits, key_name_fits,
};
use crate::UnixTime;
use crate::base64_engine::standard;
use crate::canon::Canon;
use crate::crypto::{Algorithm, HashAlgorithm, HashValue};
use crate::domain::{DomainName, Selector};
use crate::near::length_above_space;
use crate::tag_list::{Tag, TagList, is_fws, remove_fws, trim_fws};

/// Octets of base64, folds and all, that are put together without memory of their own: the signature of an RSA key of 4096 bits.
const USUAL_BASE64: usize = 1024;

/// The same for a hash: 32 octets, and some folds.
const USUAL_HASH: usize = 64;

impl Signature {
    /// Reads the value of a DKIM-Signature field as it stands behind the colon, folds included.
    ///
    /// *Limits*: `limits`; hitting one is an error like any other, told apart by its kind.
    ///
    /// # Errors
    /// [`SignatureError`] with the first fault found. Unknown tags are no fault.
    pub fn parse(value: &[u8], limits: &SignatureLimits) -> Result<Self, SignatureError> {
        let tags = TagList::parse(value, limits.tags)
            .map_err(|error| SignatureError { at: error.at, kind: Kind::TagList(error.kind) })?;
        // §6.1.1: "If any tag listed as "required" in Section 3.5 is omitted from the DKIM-Signature header field, the Verifier MUST ignore the
        // DKIM-Signature header field and return PERMFAIL (signature missing required tag)."
        let known = Known::of(&tags);
        let required = |tag: Option<_>, name| tag.ok_or(SignatureError { at: 0, kind: Kind::MissingTag(name) });
        // §3.5 on v=: "It MUST have the value "1" for implementations compliant with this version of DKIM." §6.1.1: "Verifiers MUST return PERMFAIL
        // (incompatible version) when presented a DKIM-Signature header field with a "v=" tag that is inconsistent with this specification."
        let v = required(known.v, "v")?;
        if v.value != b"1" {
            return Err(fault(v, Kind::Version));
        }
        let algorithm = read(required(known.a, "a")?, algorithm)?;
        let b = required(known.b, "b")?;
        let signature = read(b, |tag| base64(tag).filter(|octets| !octets.is_empty()).ok_or(Kind::SignatureData))?;
        let body_hash = read(required(known.bh, "bh")?, |tag| body_hash(tag, algorithm.hash()))?;
        let d = required(known.d, "d")?;
        let domain = read(d, domain)?;
        let header_names = read(required(known.h, "h")?, |tag| header_names(tag, limits))?;
        let selector = read(required(known.s, "s")?, |tag| selector(tag, &domain))?;
        let identity = known.i.map(|tag| read(tag, |tag| identity(tag, &domain))).transpose()?;
        let (header_canon, body_canon) = match known.c {
            // §3.5 on c=: "default is "simple/simple"".
            None => (Canon::Simple, Canon::Simple),
            Some(tag) => read(tag, canonicalization)?,
        };
        if let Some(tag) = known.q {
            read(tag, query_method)?;
        }
        let number = |tag: Option<&Tag<'_>>, kind: Kind| match tag {
            None => Ok(None),
            Some(tag) => read(tag, |tag| decimal(tag.value).map(Some).ok_or(kind)),
        };
        let body_length = number(known.l, Kind::BodyLength)?;
        let timestamp = number(known.t, Kind::Timestamp)?;
        let expiration = number(known.x, Kind::Expiration)?;
        if let (Some(timestamp), Some(expiration), Some(tag)) = (timestamp, expiration, known.x) {
            // §3.5 on x=: "The value of the "x=" tag MUST be greater than the value of the "t=" tag if both are present."
            if expiration <= timestamp {
                return Err(fault(tag, Kind::ExpirationNotAfterTimestamp));
            }
        }
        Ok(Self {
            algorithm,
            header_canon,
            body_canon,
            domain,
            selector,
            identity,
            header_names,
            body_hash,
            signature,
            b_span: b.span.clone(),
            body_length,
            timestamp: timestamp.map(UnixTime::from_secs),
            expiration: expiration.map(UnixTime::from_secs),
            // RFC 6651 §3.1 knows the value "y" only.
            wants_reports: known.r.is_some_and(|tag| tag.value.eq_ignore_ascii_case(b"y")),
        })
    }
}

/// The tags of a signature that have a meaning.
#[derive(Default)]
struct Known<'l, 'a> {
    a: Option<&'l Tag<'a>>,
    b: Option<&'l Tag<'a>>,
    bh: Option<&'l Tag<'a>>,
    c: Option<&'l Tag<'a>>,
    d: Option<&'l Tag<'a>>,
    h: Option<&'l Tag<'a>>,
    i: Option<&'l Tag<'a>>,
    l: Option<&'l Tag<'a>>,
    q: Option<&'l Tag<'a>>,
    r: Option<&'l Tag<'a>>,
    s: Option<&'l Tag<'a>>,
    t: Option<&'l Tag<'a>>,
    v: Option<&'l Tag<'a>>,
    x: Option<&'l Tag<'a>>,
}

impl<'l, 'a> Known<'l, 'a> {
    fn of(tags: &'l TagList<'a>) -> Self {
        let mut known = Self::default();
        for tag in tags {
            let place = match tag.name {
                "a" => &mut known.a,
                "b" => &mut known.b,
                "bh" => &mut known.bh,
                "c" => &mut known.c,
                "d" => &mut known.d,
                "h" => &mut known.h,
                "i" => &mut known.i,
                "l" => &mut known.l,
                "q" => &mut known.q,
                "r" => &mut known.r,
                "s" => &mut known.s,
                "t" => &mut known.t,
                "v" => &mut known.v,
                "x" => &mut known.x,
                // §3.2: "Unrecognized tags MUST be ignored."
                _ => continue,
            };
            *place = Some(tag);
        }
        known
    }
}

/// Reads one tag; a fault stands at its value.
fn read<T>(tag: &Tag<'_>, parse: impl FnOnce(&Tag<'_>) -> Result<T, Kind>) -> Result<T, SignatureError> {
    parse(tag).map_err(|kind| fault(tag, kind))
}

fn fault(tag: &Tag<'_>, kind: Kind) -> SignatureError {
    SignatureError { at: tag.span.start, kind }
}

/// `a=`. The words are ABNF strings (§3.5), so they match in any case.
fn algorithm(tag: &Tag<'_>) -> Result<Algorithm, Kind> {
    let is = |word: &str| tag.value.eq_ignore_ascii_case(word.as_bytes());
    if is(Algorithm::RsaSha256.as_str()) {
        Ok(Algorithm::RsaSha256)
    } else if is(Algorithm::Ed25519Sha256.as_str()) {
        Ok(Algorithm::Ed25519Sha256)
    } else if is("rsa-sha1") {
        // RFC 8301 §3.1: "rsa-sha1 MUST NOT be used for signing or verifying."
        Err(Kind::RsaSha1)
    } else {
        // §3.3.4: "Verifiers MUST ignore any signatures using algorithms that they do not implement."
        Err(Kind::Algorithm)
    }
}

/// `b=`. §3.5: "Whitespace is ignored in this value and MUST be ignored when reassembling the original signature."
fn base64(tag: &Tag<'_>) -> Option<Vec<u8>> {
    standard().decode(&*unfolded(tag, &mut [0; USUAL_BASE64])).ok()
}

/// `bh=`, with white space as in `b=`.
fn body_hash(tag: &Tag<'_>, hash: HashAlgorithm) -> Result<HashValue, Kind> {
    // Room for any hash there is; what needs more is none.
    let mut octets = [0; 72];
    let length = STANDARD.decode_slice(&*unfolded(tag, &mut [0; USUAL_HASH]), &mut octets);
    let octets = length.ok().and_then(|length| octets.get(..length));
    octets.and_then(|octets| HashValue::from_octets(hash, octets)).ok_or(Kind::BodyHash)
}

/// A value without folding white space, in `buffer` if it fits.
fn unfolded<'b>(tag: &Tag<'b>, buffer: &'b mut [u8]) -> Cow<'b, [u8]> {
    let value = tag.value;
    // Octets up to SP are in a value only as white space and folds.
    if value.len() > buffer.len() || length_above_space(value) == value.len() {
        return remove_fws(value);
    }
    let mut length: usize = 0;
    let mut rest = value;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at_checked(length_above_space(rest)).unwrap_or((rest, &[]));
        let end = length.saturating_add(piece.len());
        if let Some(place) = buffer.get_mut(length..end) {
            place.copy_from_slice(piece);
        }
        length = end;
        let blanks = after.iter().take_while(|byte| is_fws(**byte)).count();
        rest = after.get(blanks..).unwrap_or_default();
    }
    Cow::Borrowed(buffer.get(..length).unwrap_or_default())
}

/// `d=`. RFC 8616 §5 lets U-labels stand there; they become A-labels.
fn domain(tag: &Tag<'_>) -> Result<DomainName, Kind> {
    let domain = DomainName::parse_bytes(tag.value).map_err(Kind::Domain)?;
    // §3.5: domain-name = sub-domain 1*("." sub-domain)
    if domain.label_count() < 2 { Err(Kind::SingleLabel) } else { Ok(domain) }
}

/// `s=`, and the length of the name that it makes with `d=`.
fn selector(tag: &Tag<'_>, domain: &DomainName) -> Result<Selector, Kind> {
    let selector = Selector::parse_bytes(tag.value).map_err(Kind::Selector)?;
    if key_name_fits(&selector, domain) { Ok(selector) } else { Err(Kind::KeyNameTooLong) }
}

/// `h=`
fn header_names(tag: &Tag<'_>, limits: &SignatureLimits) -> Result<HeaderNames, Kind> {
    let names = HeaderNames::parse(tag.value).ok_or(Kind::HeaderNames)?;
    if names.len() > limits.max_header_names {
        return Err(Kind::TooManyHeaderNames);
    }
    // §6.1.1: "If the "h=" tag does not include the From header field, the Verifier MUST ignore the DKIM-Signature header field and return PERMFAIL
    // (From field not signed)."
    if names.contains("from") { Ok(names) } else { Err(Kind::FromNotSigned) }
}

/// `i=`
fn identity(tag: &Tag<'_>, domain: &DomainName) -> Result<Identity, Kind> {
    // §2.11: folding white space is removed before "=XX" is decoded.
    let identity = Identity::parse_beside(&tag.without_fws(), Some(domain)).ok_or(Kind::Identity)?;
    // §6.1.1: "Verifiers MUST confirm that the domain specified in the "d=" tag is the same as or a parent domain of the domain part of the "i="
    // tag. If not, the DKIM-Signature header field MUST be ignored, and the Verifier should return PERMFAIL (domain mismatch)."
    if identity.domain().is_equal_or_subdomain_of(domain) { Ok(identity) } else { Err(Kind::DomainMismatch) }
}

/// `c=`: header algorithm, and body algorithm behind a slash.
fn canonicalization(tag: &Tag<'_>) -> Result<(Canon, Canon), Kind> {
    let mut parts = tag.value.splitn(2, |byte| *byte == b'/').map(Canon::from_name);
    let header = parts.next().flatten().ok_or(Kind::Canonicalization)?;
    // §3.5 on c=: "If only one algorithm is named, that algorithm is used for the header, and "simple" is used for the body."
    let body = parts.next().unwrap_or(Some(Canon::Simple)).ok_or(Kind::Canonicalization)?;
    Ok((header, body))
}

/// `q=`. §3.5: "Currently, the only valid value is "dns/txt"", and "Unrecognized query mechanisms MUST be ignored."
fn query_method(tag: &Tag<'_>) -> Result<(), Kind> {
    let mut methods = tag.value.split(|byte| *byte == b':');
    if methods.any(|method| trim_fws(method).eq_ignore_ascii_case(b"dns/txt")) {
        Ok(())
    } else {
        Err(Kind::QueryMethod)
    }
}

/// A number of 1 to 76 digits (§3.5 allows `l=` so many); one that does not fit is the largest that does.
///
/// §3.5 on t=: "To avoid denial-of-service attacks, implementations MAY consider any value longer than 12 digits to be infinite."
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 76 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |number: u64, digit: &u8| number.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')));
    Some(text.iter().try_fold(0, add).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
