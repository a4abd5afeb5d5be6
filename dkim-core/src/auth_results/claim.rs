//! Whether a field claims an authserv-id: the question on which forged fields are removed (RFC 8601 §5).
//!
//! §5: "any MTA conforming to this specification MUST delete any discovered instance of this header field that claims, by virtue of its
//! authentication service identifier, to have been added within its trust boundary but that did not come directly from another trusted MTA."
//! The parser of a reader behind us may be more lenient than ours, so this goes by what any of them could see.

use std::borrow::Cow;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::{AuthResults, ReadLimits};

/// Longest authserv-id that is looked at as an internationalized name: 253 octets as A-labels, and four octets of UTF-8 for each of them.
const MAX_IDN: usize = 4 * 253;

/// Whether the value of an incoming Authentication-Results field claims to come from `id`.
///
/// `value` is everything behind the colon. It claims `id` when the text before the first ";", without comments, quotes, escapes, folds and white
/// space, is `id` in any case, in U-labels or A-labels, with or without a version behind it (`id 1`, `id/1`) and a final dot. White space is that of
/// Unicode, and characters that do not show are not seen. A value that does not parse claims `id` also when it holds it anywhere as a whole name.
/// An encoded-word (RFC 2047) before the first ";", or anywhere in a value that does not parse, claims every `id`: some readers decode fields before
/// they look at them, and none has a place there. A well-formed field of another authserv-id may name `id` as it likes. An empty `id` is never
/// claimed. Takes linear time and has no limit of its own.
#[must_use]
pub fn claims_authserv_id(value: &[u8], id: &str) -> bool {
    let ids = spellings(id);
    let is_any = |claims: &dyn Fn(&str) -> bool| ids.iter().any(|id| claims(id));
    let text = String::from_utf8_lossy(value);
    let head = Head::of(&text);
    if ids.is_empty() {
        return false;
    }
    if head.holds_encoded_word() || is_any(&|id| head.names(id)) {
        return true;
    }
    let limits = ReadLimits { max_bytes: usize::MAX, ..ReadLimits::default() };
    match AuthResults::parse(value, limits) {
        Ok(field) => {
            let claimed = field.authserv_id.to_lowercase();
            is_any(&|id| is_id(&claimed, id))
        }
        Err(_) => {
            let text = text.to_lowercase();
            holds_encoded_word(&text) || is_any(&|id| holds_name(&text, id) || holds_name(&head.whole, id))
        }
    }
}

/// The ways to write an authserv-id, in lower case and without a final dot; none for an empty one.
///
/// In internationalized mail the id may stand in UTF-8 (§2.5), so an internationalized name has two: in U-labels and in A-labels.
fn spellings(id: &str) -> Vec<String> {
    let id = id.to_lowercase();
    let id = id.strip_suffix('.').unwrap_or(&id).to_owned();
    let mut spellings = Vec::new();
    if id.len() <= MAX_IDN && (!id.is_ascii() || id.contains("xn--")) {
        let name = Uts46::new();
        let a_labels = name.to_ascii(id.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
        spellings.extend(a_labels.ok().map(Cow::into_owned));
        let (u_labels, valid) = name.to_unicode(id.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
        spellings.extend(valid.ok().map(|()| u_labels.into_owned()));
    }
    spellings.push(id);
    spellings.retain(|spelling| !spelling.is_empty());
    spellings
}

/// The text as the most lenient reader sees it, in lower case.
struct Head {
    /// The words before the first ";" that is in no comment and no quoted string.
    words: Vec<String>,
    /// What stands before that ";", comments and all.
    raw: String,
    /// The whole value without comments, quotes, escapes and characters that do not show.
    whole: String,
}

impl Head {
    fn of(text: &str) -> Self {
        let mut words = vec![String::new()];
        let (mut raw, mut whole) = (String::new(), String::new());
        let mut depth: usize = 0;
        let mut is_quoted = false;
        let mut is_head = true;
        let mut chars = text.chars().flat_map(char::to_lowercase);
        while let Some(first) = chars.next() {
            let is_escaped = first == '\\';
            let Some(c) = (if is_escaped { chars.next() } else { Some(first) }) else { break };
            if is_head {
                raw.push(c);
            }
            let mut parts_words = false;
            if depth > 0 {
                match c {
                    '(' if !is_escaped => depth = depth.saturating_add(1),
                    ')' if !is_escaped => depth = depth.saturating_sub(1),
                    _ => {}
                }
            } else if c == '(' && !is_escaped && !is_quoted {
                depth = 1;
                parts_words = true;
            } else if c == '"' && !is_escaped {
                is_quoted = !is_quoted;
                parts_words = true;
            } else if c == '\t' || (c.is_whitespace() && !c.is_control()) {
                whole.push(' ');
                parts_words = true;
            } else if !is_unseen(c) {
                is_head &= c != ';' || is_quoted || is_escaped;
                whole.push(c);
                if let Some(word) = words.last_mut().filter(|_| is_head) {
                    word.push(c);
                }
            }
            if parts_words && is_head {
                words.push(String::new());
            }
        }
        words.retain(|word| !word.is_empty());
        Self { words, raw, whole }
    }

    fn holds_encoded_word(&self) -> bool {
        holds_encoded_word(&self.raw)
    }

    fn names(&self, id: &str) -> bool {
        let first = self.words.first().is_some_and(|word| is_id(word, id));
        // White space and comments may stand in the middle of the id, and a version as a word of its own behind it.
        let all = is_id(&self.words.concat(), id);
        let but_version = match self.words.split_last() {
            Some((last, rest)) if last.bytes().all(|byte| byte.is_ascii_digit()) => is_id(&rest.concat(), id),
            _ => false,
        };
        first || all || but_version
    }
}

/// Control characters, those that have no width or only direct the text (a reader may drop them), and what was no UTF-8.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fffd}')
}

/// Whether something is written as RFC 2047 §2 has it, `=?charset?q?text?=`, with whatever a lenient reader lets pass for its parts.
pub(super) fn holds_encoded_word(text: &str) -> bool {
    let Some(last_end) = text.rfind("?=") else { return false };
    text.match_indices("=?").any(|(at, start)| {
        let charset_at = at.saturating_add(start.len());
        // No further than to the next "?": every part of the text is looked at once.
        let Some(length) = text.get(charset_at..).and_then(|rest| rest.find('?')) else { return false };
        let encoding_at = charset_at.saturating_add(length).saturating_add(1);
        let is_encoding = matches!(text.as_bytes().get(encoding_at..), Some([b'q' | b'Q' | b'b' | b'B', b'?', ..]));
        is_encoding && encoding_at.saturating_add(2) <= last_end
    })
}

/// Whether `text` is `id`, `id.` or `id/1`, as it stands or, where it is not ASCII, as a reader sees it who maps names as IDNA does (full-width
/// letters and dots, for example).
fn is_id(text: &str, id: &str) -> bool {
    if is_exactly(text, id) {
        return true;
    }
    if text.is_ascii() || !can_be_mapped_to(text, id) {
        return false;
    }
    let mapped = Uts46::new().to_ascii(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
    mapped.is_ok_and(|mapped| is_exactly(&mapped, id))
}

/// Whether `text` is short enough to be `id` before IDNA maps it: composing takes at most four characters for one that is left, and every one that
/// is left costs a letter of the A-label. Mapping a long word takes time by the square of its length, and a message may hold thousands of them.
fn can_be_mapped_to(text: &str, id: &str) -> bool {
    text.len() <= MAX_IDN && text.chars().nth(id.len().saturating_mul(4)).is_none()
}

fn is_exactly(text: &str, id: &str) -> bool {
    let without_version = match text.rsplit_once('/') {
        Some((front, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => front,
        _ => text,
    };
    [text, without_version].iter().any(|text| text.strip_suffix('.').unwrap_or(text) == id || *text == id)
}

/// Whether `text` holds `id` with no more of a name on either side.
fn holds_name(text: &str, id: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(id).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let after = text.get(at.saturating_add(id.len())..).unwrap_or_default();
        let continues_left =
            before.ends_with(is_name) || before.strip_suffix('.').is_some_and(|rest| rest.ends_with(is_name));
        let continues_right =
            after.starts_with(is_name) || after.strip_prefix('.').is_some_and(|rest| rest.starts_with(is_name));
        !continues_left && !continues_right
    })
}

#[cfg(test)]
mod tests {
    use super::can_be_mapped_to;

    #[test]
    fn h2_only_words_that_can_be_the_id_are_mapped() {
        // Seven characters, each in the longest form that composes to one.
        assert!(can_be_mapped_to(&"\u{1d15}\u{323}\u{302}\u{301}".repeat(7), "xn--abc"));
        assert!(!can_be_mapped_to(&"\u{e9}".repeat(29), "xn--abc"));
        assert!(!can_be_mapped_to(&"\u{e9}".repeat(600), &"a".repeat(253)));
    }
}
