//! What the transformers of a macro do: split, reverse, keep parts, escape (RFC 7208 §7.3).

use crate::record::MacroExpand;

/// Appends a value, transformed.
pub(super) fn append(expand: &MacroExpand, value: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    if expand.keep.is_none() && !expand.is_reversed && expand.delimiters.is_dot() {
        out.extend_from_slice(value);
    } else {
        append_parts(expand, value, out);
    }
    if expand.is_escaped {
        let plain = out.split_off(from);
        escape(&plain, out);
    }
}

/// §7.3: the value is split at the delimiters, perhaps reversed, cut to the rightmost parts, and rejoined using dots.
fn append_parts(expand: &MacroExpand, value: &[u8], out: &mut Vec<u8>) {
    let mut parts: Vec<&[u8]> = value.split(|&byte| expand.delimiters.contains(byte)).collect();
    if expand.is_reversed {
        parts.reverse();
    }
    let keep = expand.keep.map_or(parts.len(), usize::from);
    let kept = parts.get(parts.len().saturating_sub(keep)..).unwrap_or_default();
    for (index, part) in kept.iter().enumerate() {
        if index > 0 {
            // §7.3: "The parts ... are rejoined using "." and not the original splitting characters."
            out.push(b'.');
        }
        out.extend_from_slice(part);
    }
}

/// §7.3: "Uppercase macros expand exactly as the lowercase macros do, ... and are then URL escaped ... for all characters not in the
/// "unreserved" set, which is defined in [RFC3986]."
fn escape(plain: &[u8], out: &mut Vec<u8>) {
    for &byte in plain {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            out.push(b'%');
            for nibble in [byte >> 4, byte & 15] {
                let digit = char::from_digit(nibble.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase());
                out.push(u8::try_from(digit).unwrap_or(b'0'));
            }
        }
    }
}
