//! The text of a reply with places to fill: `rejected by the policy of {domain}, see {url}`.
//!
//! Only printable ASCII comes in and goes out, whatever is filled in, so a reply stays one line in our words.

use std::fmt;
use std::str::FromStr;

/// Octets of a filled text: with its codes it fits into one reply line of RFC 5321 §4.5.3.1.5 (512 octets), also where every octet is a
/// percent sign, which the MTA is sent twice.
pub const MAX_REPLY_TEXT: usize = 240;

/// A text with places to fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Domain,
    Code,
    Url,
}

/// What the places are filled with.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// `{domain}`
    pub domain: &'a str,
    /// `{code}`
    pub code: &'a str,
    /// `{url}`
    pub url: &'a str,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No text, or more than [`MAX_REPLY_TEXT`] octets of it.
    #[error("empty, or longer than {MAX_REPLY_TEXT} octets")]
    Length,
    /// A line break, another control character, or one beyond ASCII.
    #[error("`{0:?}` cannot stand in a reply")]
    Character(char),
    /// Another name in braces than the three.
    #[error("`{{{0}}}` stands for nothing")]
    Unknown(String),
    /// A brace without its other half.
    #[error("a brace without its other half")]
    Brace,
}

/// RFC 9989 §7.2: `550 5.7.1 Email rejected per DMARC policy for example.com`.
impl Default for ReplyTemplate {
    fn default() -> Self {
        Self(vec![Part::Text("Email rejected per DMARC policy for ".to_owned()), Part::Domain])
    }
}

impl FromStr for ReplyTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.trim().is_empty() || text.len() > MAX_REPLY_TEXT {
            return Err(TemplateError::Length);
        }
        if let Some(odd) = text.chars().find(|c| !is_printable(*c)) {
            return Err(TemplateError::Character(odd));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}').ok_or(TemplateError::Brace)?;
            parts.push(Self::words(before)?);
            parts.push(match name {
                "domain" => Part::Domain,
                "code" => Part::Code,
                "url" => Part::Url,
                other => return Err(TemplateError::Unknown(other.to_owned())),
            });
            rest = after;
        }
        parts.push(Self::words(rest)?);
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }
}

impl ReplyTemplate {
    fn words(text: &str) -> Result<Part, TemplateError> {
        if text.contains('}') { Err(TemplateError::Brace) } else { Ok(Part::Text(text.to_owned())) }
    }

    /// The text with its places filled: printable ASCII, at most [`MAX_REPLY_TEXT`] octets. What is neither in a filling becomes `?`.
    #[must_use]
    pub fn fill(&self, filling: &Filling<'_>) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Domain => filling.domain,
            Part::Code => filling.code,
            Part::Url => filling.url,
        });
        let clean = |c| if is_printable(c) { c } else { '?' };
        parts.flat_map(str::chars).map(clean).take(MAX_REPLY_TEXT).collect()
    }

    /// Whether a place for the address of a page is in it.
    #[must_use]
    pub fn has_url(&self) -> bool {
        self.0.contains(&Part::Url)
    }
}

/// As in the configuration.
impl fmt::Display for ReplyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| {
            f.write_str(match part {
                Part::Text(text) => text,
                Part::Domain => "{domain}",
                Part::Code => "{code}",
                Part::Url => "{url}",
            })
        })
    }
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, domain: &str) -> String {
        template.parse::<ReplyTemplate>().unwrap().fill(&Filling {
            domain,
            code: "5.7.26",
            url: "https://mx.example/why",
        })
    }

    #[test]
    fn places_are_filled_and_nothing_else() {
        assert_eq!(fill("{code}: {domain}, {url}", "a.example"), "5.7.26: a.example, https://mx.example/why");
        assert_eq!(fill("no place", "a.example"), "no place");
        assert_eq!(fill("{domain}{domain}", "{url}"), "{url}{url}");
        let text = ReplyTemplate::default();
        assert_eq!(text.to_string().parse::<ReplyTemplate>(), Ok(text));
    }

    #[test]
    fn whatever_is_filled_in_a_reply_is_one_short_line_of_ascii() {
        for domain in ["a\r\n250 ok", "\u{0}\u{7f}\u{1b}[31m", "b\u{fc}cher.example", &"x.".repeat(1000)] {
            let text = fill("policy of {domain}", domain);
            assert!(text.len() <= MAX_REPLY_TEXT && text.chars().all(is_printable), "{text}");
            assert!(text.starts_with("policy of "), "{text}");
        }
    }

    #[test]
    fn a_template_with_a_mistake_is_none() {
        for (text, error) in [
            ("", TemplateError::Length),
            ("  ", TemplateError::Length),
            ("a\nb", TemplateError::Character('\n')),
            ("\u{fc}", TemplateError::Character('\u{fc}')),
            ("{domian}", TemplateError::Unknown("domian".to_owned())),
            ("a { b", TemplateError::Brace),
            ("a } b", TemplateError::Brace),
            ("{domain} } b", TemplateError::Brace),
        ] {
            assert_eq!(text.parse::<ReplyTemplate>(), Err(error), "{text}");
        }
        assert_eq!("x".repeat(MAX_REPLY_TEXT + 1).parse::<ReplyTemplate>(), Err(TemplateError::Length));
    }
}
