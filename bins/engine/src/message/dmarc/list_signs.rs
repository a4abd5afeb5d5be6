//! Signs of a mailing list: mail that a list may have broken on its way.
//!
//! RFC 9989 §7.4 on rejecting: mailing lists change messages, so that DKIM fails, and send them from their own hosts, so that SPF is not aligned.
//! Anybody can write such a field; therefore a sign makes what is done milder and never makes mail pass.

use dkim_core::header::HeaderBlock;

/// Fields that list software adds: RFC 2919, RFC 2369 and what came before them. `List-Unsubscribe` is not among them, since advertisers write it.
const SIGNS: [&str; 7] =
    ["List-Id", "List-Post", "Mailing-List", "X-Mailing-List", "X-BeenThere", "X-Mailman-Version", "X-Loop"];

/// The first sign of a mailing list in a header section.
#[must_use]
pub fn list_sign(headers: &HeaderBlock) -> Option<&'static str> {
    let named = |name: &&str| headers.iter().any(|field| field.is_named(name));
    let precedence = || {
        headers
            .iter()
            .any(|field| field.is_named("Precedence") && field.value.trim_ascii().eq_ignore_ascii_case(b"list"))
    };
    SIGNS.into_iter().find(named).or_else(|| precedence().then_some("Precedence"))
}

#[cfg(test)]
mod tests {
    use dkim_core::header::HeaderLimits;

    use super::*;

    #[test]
    fn list_software_is_recognized_and_advertisers_are_not() {
        for (field, sign) in [
            ("List-ID: <x.example>", Some("List-Id")),
            ("list-post: <mailto:x@x.example>", Some("List-Post")),
            ("Precedence: List", Some("Precedence")),
            ("Precedence: bulk", None),
            ("List-Unsubscribe: <https://x.example/>", None),
            ("Subject: List-Id: <x>", None),
        ] {
            let text = format!("{field}\r\nFrom: a@b.example\r\n\r\n");
            let (headers, _) = HeaderBlock::parse(text.as_bytes(), HeaderLimits::default()).unwrap();
            assert_eq!(list_sign(&headers), sign, "{field}");
        }
    }
}
