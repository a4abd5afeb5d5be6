//! Fields signed as they will be, and not as they are.

use crate::header::{Field, HeaderBlock, HeaderError, HeaderLimits};

/// A copy of a header in which some fields have another value.
///
/// It is for [`Signing::start`](super::Signing::start) where it is known what a relay behind the signer makes of them: what is signed is the copy, and
/// the message stays as it is.
///
/// *Inputs*: `replace` gets each field and returns its new value, with its leading blank and without the final CRLF, or `None` to leave it as it is.
/// *Limits*: `limits`, as for any header.
///
/// ```
/// use dkim_core::header::{HeaderBlock, HeaderLimits};
/// use dkim_core::sign::replaced;
///
/// let message = b"From: joe@host.example.com\r\nSubject: Hi\r\n\r\n";
/// let (headers, _) = HeaderBlock::parse(message, HeaderLimits::default())?;
/// let masqueraded = replaced(&headers, HeaderLimits::default(), |field| {
///     field.is_named("From").then(|| b" joe@example.com".to_vec())
/// })?;
/// assert_eq!(masqueraded.as_bytes(), b"From: joe@example.com\r\nSubject: Hi\r\n");
/// # Ok::<(), dkim_core::header::HeaderError>(())
/// ```
///
/// # Errors
/// [`HeaderError`]: a value that would make another field of what follows a line break, or a header that is now too large.
pub fn replaced(
    headers: &HeaderBlock,
    limits: HeaderLimits,
    mut replace: impl FnMut(Field<'_>) -> Option<Vec<u8>>,
) -> Result<HeaderBlock, HeaderError> {
    let mut builder = HeaderBlock::builder(limits);
    for field in headers {
        let value = replace(field);
        builder.push(field.name, value.as_deref().unwrap_or(field.value))?;
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_and_nothing_else() {
        let text = b"From: a\r\nSubject : b\r\n c\r\nFrom:\r\n";
        let (headers, _) = HeaderBlock::parse(text, HeaderLimits::default()).unwrap();
        let same = replaced(&headers, HeaderLimits::default(), |_| None).unwrap();
        assert_eq!(same, headers);
        let other =
            replaced(&headers, HeaderLimits::default(), |field| field.value.is_empty().then(|| b" d\r\n\te".to_vec()));
        assert_eq!(other.unwrap().as_bytes(), b"From: a\r\nSubject : b\r\n c\r\nFrom: d\r\n\te\r\n");
    }

    #[test]
    fn a_value_cannot_become_a_field_or_exceed_the_limits() {
        let (headers, _) = HeaderBlock::parse(b"From: a\r\n", HeaderLimits::default()).unwrap();
        let forged = replaced(&headers, HeaderLimits::default(), |_| Some(b" a\r\nBcc: b".to_vec()));
        assert_eq!(forged, Err(HeaderError::BadFold { at: 2 }));
        let limits = HeaderLimits { max_bytes: 10, ..HeaderLimits::default() };
        let large = replaced(&headers, limits, |_| Some(vec![b'a'; 11]));
        assert_eq!(large, Err(HeaderError::TooManyBytes { limit: 10 }));
    }
}
