//! Text from strangers, made fit for XML: escaped, without what XML 1.0 cannot hold, and of bounded length.

/// Octets of a domain: a name has at most 253, one in U-labels more.
pub const MAX_DOMAIN: usize = 512;

/// Octets of a selector.
pub const MAX_SELECTOR: usize = 256;

/// Octets of a comment, `human_result`, or `error`.
pub const MAX_COMMENT: usize = 512;

/// Octets of our own name, address, and Report-ID.
pub const MAX_NAME: usize = 512;

/// Appends a text, cut at `most` octets, between whole characters.
///
/// `& < > " '` become entities; what is no character of XML 1.0 §2.2 ("any Unicode character, excluding the surrogate blocks, FFFE, and FFFF"; of control characters it has tab, line feed
/// and carriage return) becomes U+FFFD, and so do those three: a report is one line an element.
pub(super) fn push(out: &mut Vec<u8>, text: &str, most: usize) {
    let mut plain = 0_usize;
    let cut = floor(text, most);
    let text = text.get(..cut).unwrap_or_default();
    for (at, character) in text.char_indices() {
        let replaced: &[u8] = match character {
            '&' => b"&amp;",
            '<' => b"&lt;",
            '>' => b"&gt;",
            '"' => b"&quot;",
            '\'' => b"&apos;",
            '\u{fffe}' | '\u{ffff}' => "\u{fffd}".as_bytes(),
            other if other.is_control() => "\u{fffd}".as_bytes(),
            _ => continue,
        };
        out.extend_from_slice(text.as_bytes().get(plain..at).unwrap_or_default());
        out.extend_from_slice(replaced);
        plain = at.saturating_add(character.len_utf8());
    }
    out.extend_from_slice(text.as_bytes().get(plain..).unwrap_or_default());
}

/// The largest length up to `most` at which the text can be cut.
fn floor(text: &str, most: usize) -> usize {
    let mut cut = most.min(text.len());
    while !text.is_char_boundary(cut) {
        cut = cut.saturating_sub(1);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(text: &str, most: usize) -> String {
        let mut out = Vec::new();
        push(&mut out, text, most);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_cannot_end_its_element_or_break_the_document() {
        assert_eq!(pushed("a.example", 100), "a.example");
        assert_eq!(pushed("</domain><record>&\"'", 100), "&lt;/domain&gt;&lt;record&gt;&amp;&quot;&apos;");
        assert_eq!(pushed("a\0\u{1b}\r\n\u{85}\u{fffe}z\u{ffff}", 100), format!("a{}z\u{fffd}", "\u{fffd}".repeat(6)));
        assert_eq!(pushed("bücher", 100), "bücher");
    }

    #[test]
    fn text_is_cut_between_characters_before_it_is_escaped() {
        assert_eq!(pushed("bücher", 2), "b");
        assert_eq!(pushed("bücher", 3), "bü");
        assert_eq!(pushed("&&&", 2), "&amp;&amp;");
        assert_eq!(pushed("", 0), "");
    }
}
