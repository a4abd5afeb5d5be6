//! Patterns whose only sign is `*`.

use super::super::fold_hash::Folding;

/// What stands before the first `*`; the whole where there is none.
pub(super) fn head(pattern: &[u8]) -> &[u8] {
    pattern.split(|octet| *octet == b'*').next().unwrap_or_default()
}

/// What stands behind the last `*`; the whole where there is none.
pub(super) fn tail(pattern: &[u8]) -> &[u8] {
    pattern.rsplit(|octet| *octet == b'*').next().unwrap_or_default()
}

/// Whether `text` is what `pattern` describes, each `*` standing for any octets or none.
pub(super) fn matches(pattern: &[u8], text: &[u8], folding: Folding) -> bool {
    let mut parts = pattern.split(|octet| *octet == b'*');
    let head = parts.next().unwrap_or_default();
    let Some(tail) = parts.next_back() else { return folding.same(pattern, text) };
    let Some((start, text)) = text.split_at_checked(head.len()) else { return false };
    let Some((mut middle, end)) = text.len().checked_sub(tail.len()).and_then(|at| text.split_at_checked(at)) else {
        return false;
    };
    if !folding.same(head, start) || !folding.same(tail, end) {
        return false;
    }
    // The first place of each part is as good as any later one.
    parts.filter(|part| !part.is_empty()).all(|part| {
        let at = middle.windows(part.len()).position(|place| folding.same(place, part));
        let behind = at.and_then(|at| middle.get(at.saturating_add(part.len())..));
        middle = behind.unwrap_or_default();
        behind.is_some()
    })
}
