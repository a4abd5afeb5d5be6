//! What kind of character a byte is, from a table: names and their ends are read byte by byte.

/// `ALPHA`.
pub(super) const ALPHA: u8 = 1;
/// `DIGIT`.
pub(super) const DIGIT: u8 = 2;
/// `"-"`.
pub(super) const HYPHEN: u8 = 4;
/// `"_"`.
pub(super) const UNDERSCORE: u8 = 8;
/// `"."`.
pub(super) const DOT: u8 = 16;
/// Everything else.
pub(super) const OTHER: u8 = 32;

/// One of the constants of this module.
#[inline]
pub(super) fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(OTHER)
}

#[expect(clippy::indexing_slicing, reason = "a constant: an index beyond its end would not compile")]
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0_u8;
    // Bytes beyond ASCII are others.
    while byte.is_ascii() {
        classes[byte as usize] = match byte {
            b'A'..=b'Z' | b'a'..=b'z' => ALPHA,
            b'0'..=b'9' => DIGIT,
            b'-' => HYPHEN,
            b'_' => UNDERSCORE,
            b'.' => DOT,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};
