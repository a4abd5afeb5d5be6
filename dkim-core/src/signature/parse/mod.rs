//! Reading a DKIM-Signature value.
//!
//! §6.1.1: "Implementers MUST meticulously validate the format and values in the DKIM-Signature header field; any inconsistency or unexpected values
//! MUST cause the header field to be completely ignored and the Verifier to return PERMFAIL (signature syntax error)."

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{
    HeaderNames, Identity, Signature, SignatureError, SignatureErrorKind as Kind, SignatureLimits, key_name_fits,
};
use crate::UnixTime;
use crate::canon::Canon;
use crate::crypto::{Algorithm, HashValue};
use crate::domain::{DomainName, Selector};
use crate::tag_list::{Tag, TagList, trim_fws};

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
        let required = |name| tags.get(name).ok_or(SignatureError { at: 0, kind: Kind::MissingTag(name) });
        let [v, a, b, bh, d, h, s] = ["v", "a", "b", "bh", "d", "h", "s"].map(required);
        // §3.5 on v=: "It MUST have the value "1" for implementations compliant with this version of DKIM." §6.1.1: "Verifiers MUST return PERMFAIL
        // (incompatible version) when presented a DKIM-Signature header field with a "v=" tag that is inconsistent with this specification."
        let v = v?;
        if v.value != b"1" {
            return Err(fault(v, Kind::Version));
        }
        let algorithm = read(a?, algorithm)?;
        let b = b?;
        let signature = read(b, |tag| base64(tag).filter(|octets| !octets.is_empty()).ok_or(Kind::SignatureData))?;
        let body_hash = read(bh?, |tag| {
            base64(tag).and_then(|octets| HashValue::from_octets(algorithm.hash(), &octets)).ok_or(Kind::BodyHash)
        })?;
        let d = d?;
        let domain = read(d, domain)?;
        let header_names = read(h?, |tag| header_names(tag, limits))?;
        let selector = read(s?, |tag| selector(tag, &domain))?;
        let identity = tags.get("i").map(|tag| read(tag, |tag| identity(tag, &domain))).transpose()?;
        let (header_canon, body_canon) = match tags.get("c") {
            // §3.5 on c=: "default is "simple/simple"".
            None => (Canon::Simple, Canon::Simple),
            Some(tag) => read(tag, canonicalization)?,
        };
        if let Some(tag) = tags.get("q") {
            read(tag, query_method)?;
        }
        let number = |name, kind: Kind| match tags.get(name) {
            None => Ok(None),
            Some(tag) => read(tag, |tag| decimal(tag.value).map(Some).ok_or(kind)),
        };
        let body_length = number("l", Kind::BodyLength)?;
        let timestamp = number("t", Kind::Timestamp)?;
        let expiration = number("x", Kind::Expiration)?;
        if let (Some(timestamp), Some(expiration), Some(tag)) = (timestamp, expiration, tags.get("x")) {
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
            wants_reports: tags.get("r").is_some_and(|tag| tag.value.eq_ignore_ascii_case(b"y")),
        })
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

/// `b=` and `bh=`. §3.5: "Whitespace is ignored in this value and MUST be ignored when reassembling the original signature."
fn base64(tag: &Tag<'_>) -> Option<Vec<u8>> {
    STANDARD.decode(tag.without_fws()).ok()
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
    if names.iter().take(limits.max_header_names.saturating_add(1)).count() > limits.max_header_names {
        return Err(Kind::TooManyHeaderNames);
    }
    // §6.1.1: "If the "h=" tag does not include the From header field, the Verifier MUST ignore the DKIM-Signature header field and return PERMFAIL
    // (From field not signed)."
    if names.contains("from") { Ok(names) } else { Err(Kind::FromNotSigned) }
}

/// `i=`
fn identity(tag: &Tag<'_>, domain: &DomainName) -> Result<Identity, Kind> {
    // §2.11: folding white space is removed before "=XX" is decoded.
    let identity = Identity::parse(&tag.without_fws()).ok_or(Kind::Identity)?;
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
