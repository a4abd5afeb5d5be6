//! What a message shows of its signing and verifying.

use dkim_core::tag_list::{TagLimits, TagList};

use crate::cells::Cell;
use crate::milter::values;

/// The verdicts on signatures in the topmost Authentication-Results field, such as `dkim=pass`, without comments and properties; `None` if there is no
/// such field.
pub(crate) fn dkim_verdicts(message: &[u8]) -> Option<Vec<String>> {
    let fields = values(message, "Authentication-Results");
    let text = without_comments(fields.first()?);
    let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    // The part before the first semicolon says whose field it is. No reason here has a semicolon in it.
    let results = text.split(';').skip(1).map(|result| result.split(" header.").next().unwrap_or_default().trim());
    // OpenDKIM has a second method, dkim-atps.
    Some(results.filter(|result| result.starts_with("dkim=")).map(str::to_owned).collect())
}

/// Whether there is one verdict, and it is `pass`; else what there is.
pub(crate) fn only_passes(verdicts: &[String]) -> Result<(), String> {
    if verdicts == ["dkim=pass"] { Ok(()) } else { Err(verdicts.join("; ")) }
}

fn without_comments(value: &str) -> String {
    let mut depth = 0_usize;
    let keep = |letter: &char| {
        depth += usize::from(*letter == '(');
        let keeps = depth == 0;
        depth -= usize::from(*letter == ')');
        keeps
    };
    value.chars().filter(keep).collect()
}

/// Whether the message has one signature, of the kind that the cell is about.
pub(crate) fn is_signed(message: &[u8], cell: &Cell) -> Result<(), String> {
    let fields = values(message, "DKIM-Signature");
    let [value] = fields.as_slice() else { return Err(format!("{} signatures", fields.len())) };
    let tags = TagList::parse(value.as_bytes(), TagLimits::default()).map_err(|error| error.to_string())?;
    let tag = |name: &str| tags.get(name).map(|tag| String::from_utf8_lossy(tag.value).into_owned());
    let canon = format!("{}/{}", cell.header, cell.body_canon);
    // c= may leave out a body canonicalization that is simple, and may be missing where both are.
    let said = tag("c").unwrap_or_else(|| "simple/simple".to_owned());
    let said = if said.contains('/') { said } else { format!("{said}/simple") };
    let found = [Some(said), tag("a"), tag("d")];
    let expected = [canon, cell.key.algorithm().to_owned(), cell.key.domain()].map(Some);
    if found == expected { Ok(()) } else { Err(format!("signed with {found:?}")) }
}
