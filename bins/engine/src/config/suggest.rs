//! "Did you mean …": the nearest of the known words.
//!
//! Distance is the number of insertions, deletions, replacements and swaps of neighbours (optimal string alignment). Cost is O(word × known
//! words); words longer than [`MAX_WORD`] get no suggestion.

/// Octets above which a word is not compared: no setting is this long, and the input may be.
const MAX_WORD: usize = 64;

/// The word of `known` nearest to `word`, when it is near enough to be what was meant: at most a third of its letters differ.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.is_empty() || word.len() > MAX_WORD {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| {
            (distance(word.as_bytes(), candidate.to_ascii_lowercase().replace('-', "_").as_bytes()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean `x`?` or nothing, to be put behind a cause.
pub(crate) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map(|found| format!("; did you mean `{found}`?")).unwrap_or_default()
}

/// Optimal string alignment distance, with three rows of the table.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut a_before: Option<u8> = None;
    for (row, &a_octet) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row.saturating_add(1));
        let mut b_before: Option<u8> = None;
        for (column, &b_octet) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column).saturating_add(usize::from(a_octet != b_octet));
            let deleted = at(&last, column.saturating_add(1)).saturating_add(1);
            let inserted = at(&current, column).saturating_add(1);
            let mut best = replaced.min(deleted).min(inserted);
            if a_before == Some(b_octet) && b_before == Some(a_octet) {
                best = best.min(at(&before_last, column.saturating_sub(1)).saturating_add(1));
            }
            current.push(best);
            b_before = Some(b_octet);
        }
        a_before = Some(a_octet);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_insertions_deletions_replacements_and_swaps() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("mode", "mode", 0),
            ("mdoe", "mode", 1),
            ("mod", "mode", 1),
            ("moode", "mode", 1),
            ("made", "mode", 1),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_found_and_far_ones_are_not() {
        let known = ["authserv_id", "mode", "state_dir"];
        assert_eq!(nearest("authservid", known), Some("authserv_id"));
        assert_eq!(nearest("Authserv-ID", known), Some("authserv_id"));
        assert_eq!(nearest("mdoe", known), Some("mode"));
        assert_eq!(nearest("statedirectory", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"m".repeat(1000), known), None);
        assert_eq!(did_you_mean("mod", known), "; did you mean `mode`?");
        assert_eq!(did_you_mean("zzzzzz", known), "");
    }
}
