//! Key files: PEM and base64 text, and the names of everything that is put in their place by mistake.
//!
//! *Standard*: RFC 7468 (PEM), read leniently as its §2 permits: text before and after, any line length, CRLF or LF.
//!
//! *Invariants*: linear in the size of the file, which is at most [`MAX_FILE`]; every copy of key material made on the way is overwritten. *What it does not do*: it does not decrypt.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize as _, Zeroizing};

use super::{KeyError, PrivateKey, der, private_key};

/// The largest file looked at. An RSA key of 16384 bits takes less than 13 KiB.
pub(super) const MAX_FILE: usize = 64 * 1024;

/// One PEM block: its label and what stands between its begin and end lines.
struct Block<'a> {
    label: &'a str,
    contents: &'a str,
}

/// Reads the private key out of a file.
pub(super) fn read(file: &[u8]) -> Result<PrivateKey, KeyError> {
    if file.len() > MAX_FILE {
        return Err(KeyError::TooLarge { bytes: file.len(), max: MAX_FILE });
    }
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    if file.trim_ascii().is_empty() {
        return Err(KeyError::Empty);
    }
    if der::is_sequence(file) {
        return Err(private_key::name_public_der(file).unwrap_or(KeyError::Der));
    }
    // The text around a block may be in any encoding; what is not UTF-8 cannot belong to one.
    match String::from_utf8_lossy(file) {
        Cow::Borrowed(text) => read_text(text),
        Cow::Owned(mut text) => {
            let key = read_text(&text);
            text.zeroize();
            key
        }
    }
}

fn read_text(text: &str) -> Result<PrivateKey, KeyError> {
    let blocks = blocks(text)?;
    let mut private = blocks.iter().filter(|block| is_private(block.label));
    match (private.next(), private.count()) {
        (Some(block), 0) => read_block(block),
        (Some(_), others) => Err(KeyError::SeveralKeys { count: others.saturating_add(1) }),
        (None, _) => match blocks.first() {
            Some(block) => Err(name_block(block.label)),
            None => read_bare(text),
        },
    }
}

/// All blocks of a file, in order.
fn blocks(text: &str) -> Result<Vec<Block<'_>>, KeyError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----").filter(|(label, _)| is_label(label)) else {
            rest = after;
            continue;
        };
        let unterminated = || KeyError::Unterminated { label: label.to_owned() };
        let (contents, after) = after.split_once("-----END ").ok_or_else(unterminated)?;
        let (end, after) = after.split_once("-----").ok_or_else(unterminated)?;
        if end != label {
            return Err(unterminated());
        }
        blocks.push(Block { label, contents });
        rest = after;
    }
    Ok(blocks)
}

/// RFC 7468 §3: a label is upper-case text on one line.
fn is_label(label: &str) -> bool {
    label.len() <= 64 && label.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn is_private(label: &str) -> bool {
    label.ends_with("PRIVATE KEY")
}

/// Reads the only private key of a file.
fn read_block(block: &Block<'_>) -> Result<PrivateKey, KeyError> {
    match block.label {
        "RSA PRIVATE KEY" | "PRIVATE KEY" => {}
        "ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
        "OPENSSH PRIVATE KEY" => return Err(KeyError::OpenSsh),
        "EC PRIVATE KEY" => return Err(KeyError::EllipticCurve),
        other => return Err(KeyError::OtherType { kind: other.to_owned() }),
    }
    // RFC 1421 §4.6: the old style of encryption stands in header lines before the base64 text.
    if block.contents.contains("Proc-Type:") && block.contents.contains("ENCRYPTED") {
        return Err(KeyError::Encrypted);
    }
    let der = decode(block.contents).ok_or(KeyError::Base64)?;
    if block.label == "PRIVATE KEY" { PrivateKey::from_pkcs8_der(&der) } else { PrivateKey::from_pkcs1_der(&der) }
}

/// Names a block that is no private key.
fn name_block(label: &str) -> KeyError {
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "SSH2 PUBLIC KEY" => KeyError::PublicKey,
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => KeyError::Certificate,
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => KeyError::CertificateRequest,
        // `openssl ecparam` writes the curve into a block of its own.
        "EC PARAMETERS" => KeyError::EllipticCurve,
        other => KeyError::OtherPem { label: other.to_owned() },
    }
}

/// Reads a file without any PEM block.
fn read_bare(text: &str) -> Result<PrivateKey, KeyError> {
    let trimmed = text.trim();
    if ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| trimmed.starts_with(prefix)) {
        return Err(KeyError::PublicKey);
    }
    if trimmed.contains("v=DKIM1") || trimmed.contains("_domainkey") {
        return Err(KeyError::DnsRecord);
    }
    let octets = decode(trimmed).ok_or(KeyError::Unrecognized)?;
    match <&[u8; 32]>::try_from(octets.as_slice()) {
        Ok(seed) => Ok(PrivateKey::from_ed25519_seed(*seed)),
        Err(_) => Err(private_key::name_public_der(&octets).unwrap_or(KeyError::Unrecognized)),
    }
}

/// Decodes base64 with white space anywhere in it.
fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Both buffers have their room from the start: one that grew would leave its former octets behind.
    let mut compact = Zeroizing::new(Vec::with_capacity(text.len()));
    compact.extend(text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    STANDARD.decode_vec(&*compact, &mut octets).ok()?;
    Some(octets)
}
