//! Who is checked: the session, the sender, and the two identities of RFC 7208 §2.3 and §2.4.
//!
//! A [`Session`] is what a whole SMTP connection shares (address, HELO), a [`Sender`] is the reverse path of one message. [`Helo`] and [`MailFrom`]
//! mark which of the two a check was made for: `Outcome<Helo>` and `Outcome<MailFrom>` are different types, so that a HELO result cannot get to
//! where a MAIL FROM result belongs. DMARC takes the latter only (RFC 9989 §4.4).
//!
//! What comes from the network is kept as it came and judged once: a bad name or path is no error here but a result (`none`) of the check.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::name::{Name, NameError};

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else implements `Identity`")]
    pub trait Sealed {}
}

/// One of the two identities, as a type.
pub trait Identity: sealed::Sealed + Copy {
    /// Its name in Received-SPF (`identity=`) and Authentication-Results (`smtp.`): "helo" or "mailfrom".
    const NAME: &'static str;
}

/// The HELO identity (RFC 7208 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a mark without values")]
pub enum Helo {}

/// The MAIL FROM identity (RFC 7208 §2.4), the null reverse path included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a mark without values")]
pub enum MailFrom {}

impl sealed::Sealed for Helo {}
impl sealed::Sealed for MailFrom {}

impl Identity for Helo {
    const NAME: &'static str = "helo";
}

impl Identity for MailFrom {
    const NAME: &'static str = "mailfrom";
}

/// What is known of a connection before MAIL FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    client: IpAddr,
    helo: HeloText,
    receiver: Option<Arc<str>>,
    time: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HeloText {
    Name(Name),
    Other(Arc<[u8]>, NameError),
}

impl Session {
    /// A client at this address that said `HELO helo` or `EHLO helo`.
    ///
    /// An IPv4-mapped address is the IPv4 address in it (RFC 7208 §5: "even if the SMTP connection is via IPv6, an IPv4-mapped IPv6 IP address
    /// MUST still be considered an IPv4 address").
    #[must_use]
    pub fn new(client: IpAddr, helo: impl AsRef<[u8]>) -> Self {
        let helo = helo.as_ref();
        let helo = match Name::from_domain(helo) {
            Ok(name) => HeloText::Name(name),
            Err(error) => HeloText::Other(helo.into(), error),
        };
        Self { client: client.to_canonical(), helo, receiver: None, time: 0 }
    }

    /// With the name of the host that checks, for `%{r}` in explanations; without it that is "unknown" (RFC 7208 §7.3).
    #[must_use]
    pub fn with_receiver(mut self, receiver: &str) -> Self {
        self.receiver = Some(receiver.into());
        self
    }

    /// With the time in seconds since 1970-01-01 00:00 UTC, for `%{t}` in explanations; without it that is 0.
    #[must_use]
    pub fn with_time(mut self, seconds: u64) -> Self {
        self.time = seconds;
        self
    }

    /// The client's address; never an IPv4-mapped one.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// The domain of HELO.
    ///
    /// # Errors
    ///
    /// [`NameError`] when HELO was something else: an address literal, a name of one label, anything.
    pub fn helo(&self) -> Result<&Name, NameError> {
        match &self.helo {
            HeloText::Name(name) => Ok(name),
            HeloText::Other(_, error) => Err(*error),
        }
    }

    /// The argument of HELO: the name in lower case when it is one, otherwise the bytes that came.
    #[must_use]
    pub fn helo_text(&self) -> &[u8] {
        match &self.helo {
            HeloText::Name(name) => name.as_str().as_bytes(),
            HeloText::Other(text, _) => text,
        }
    }

    /// The name of the host that checks.
    #[must_use]
    pub fn receiver(&self) -> Option<&str> {
        self.receiver.as_deref()
    }

    pub(crate) fn time(&self) -> u64 {
        self.time
    }
}

/// Why a reverse path names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SenderError {
    /// It is not of the form of RFC 5321 §4.1.2.
    #[error("malformed reverse path")]
    Syntax,
    /// There is no "@".
    #[error("reverse path without a domain")]
    NoDomain,
}

/// The reverse path of a message: the argument of MAIL FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(pub(crate) Path);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path {
    Null,
    Mailbox(Mailbox),
    Malformed(SenderError),
}

/// A local part and a domain. `None` as local part stands for "postmaster".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mailbox {
    pub(crate) local: Option<Arc<[u8]>>,
    pub(crate) domain: Result<Name, NameError>,
}

impl Mailbox {
    /// RFC 7208 §2.4: "When the reverse-path is null, this document defines the "MAIL FROM" identity to be the mailbox composed of the local-part
    /// "postmaster" and the "HELO" identity".
    pub(crate) fn of_helo(session: &Session) -> Self {
        Self { local: None, domain: session.helo().cloned() }
    }

    pub(crate) fn local(&self) -> &[u8] {
        self.local.as_deref().unwrap_or(b"postmaster")
    }
}

impl Sender {
    /// The null reverse path, `<>`.
    #[must_use]
    pub fn null() -> Self {
        Self(Path::Null)
    }

    /// Reads a reverse path as it stands in MAIL FROM: with or without angle brackets, the local part perhaps quoted.
    ///
    /// One strict reading, so that no two readers see two domains: what is not of the form of RFC 5321 §4.1.2 (with UTF-8, RFC 6531) names
    /// nobody, and its check gives `none`. A source route (`<@a,@b:c@d>`) is passed over, as RFC 5321 §3.3 tells servers to; a path without
    /// local part (`<@d>`) stands for postmaster (RFC 7208 §4.3).
    ///
    /// ```
    /// use spf_core::identity::Sender;
    /// assert_eq!(Sender::from_reverse_path(b"<>"), Sender::null());
    /// let sender = Sender::from_reverse_path(b"<\"john@home\"@Example.com>");
    /// assert_eq!(sender.domain().map(|name| name.as_str()), Some("example.com"));
    /// assert_eq!(Sender::from_reverse_path(b"<(a@legit.example)>").domain(), None);
    /// ```
    #[must_use]
    pub fn from_reverse_path(path: &[u8]) -> Self {
        let path = path.strip_prefix(b"<").and_then(|path| path.strip_suffix(b">")).unwrap_or(path);
        if path.is_empty() {
            return Self::null();
        }
        match mailbox(path) {
            Ok(mailbox) => Self(Path::Mailbox(mailbox)),
            Err(error) => Self(Path::Malformed(error)),
        }
    }

    /// A sender from its parts, the local part without quotes and escapes. An empty local part stands for "postmaster".
    #[must_use]
    pub fn from_parts(local: &[u8], domain: &[u8]) -> Self {
        let local = if local.is_empty() { None } else { Some(local.into()) };
        Self(Path::Mailbox(Mailbox { local, domain: Name::from_domain(domain) }))
    }

    /// The domain, when the path names one that a check can be made for.
    #[must_use]
    pub fn domain(&self) -> Option<&Name> {
        match &self.0 {
            Path::Mailbox(mailbox) => mailbox.domain.as_ref().ok(),
            Path::Null | Path::Malformed(_) => None,
        }
    }

    /// Why the path names nobody; `None` for the null reverse path and for a mailbox, whatever its domain.
    #[must_use]
    pub fn error(&self) -> Option<SenderError> {
        match self.0 {
            Path::Malformed(error) => Some(error),
            Path::Null | Path::Mailbox(_) => None,
        }
    }

    /// Whether this is the null reverse path.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.0, Path::Null)
    }
}

/// `Mailbox`, behind an optional source route.
fn mailbox(path: &[u8]) -> Result<Mailbox, SenderError> {
    let path = match path.strip_prefix(b"@") {
        // §4.3: "If the <sender> has no local-part, substitute the string "postmaster" for the local-part."
        Some(domain) if !domain.contains(&b':') => {
            return Ok(Mailbox { local: None, domain: Name::from_domain(domain) });
        }
        Some(route) => behind_route(route)?,
        None => path,
    };
    let (local, rest) = match path.strip_prefix(b"\"") {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = path.iter().position(|&byte| !is_dot_string_byte(byte)).unwrap_or(path.len());
            let (local, rest) = path.split_at(end);
            (Cow::Borrowed(local), rest)
        }
    };
    if rest.is_empty() {
        return Err(SenderError::NoDomain);
    }
    let domain = rest.strip_prefix(b"@").ok_or(SenderError::Syntax)?;
    if local.is_empty() || std::str::from_utf8(&local).is_err() {
        return Err(SenderError::Syntax);
    }
    Ok(Mailbox { local: Some(local.into()), domain: Name::from_domain(domain) })
}

/// What follows `A-d-l ":"`, whose first "@" is gone.
fn behind_route(route: &[u8]) -> Result<&[u8], SenderError> {
    let colon = route.iter().position(|&byte| byte == b':').ok_or(SenderError::Syntax)?;
    let (hosts, rest) = route.split_at(colon);
    for (index, host) in hosts.split(|&byte| byte == b',').enumerate() {
        let host = if index == 0 { Some(host) } else { host.strip_prefix(b"@") };
        host.and_then(|host| Name::from_domain(host).ok()).ok_or(SenderError::Syntax)?;
    }
    Ok(rest.strip_prefix(b":").unwrap_or_default())
}

/// `atext`, the dot, and UTF-8. Dots in a row are taken: some providers give such addresses out.
fn is_dot_string_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte) || byte >= 0x80
}

/// The content of a quoted string whose first quote is gone, and what is behind it.
fn unquote(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), SenderError> {
    let mut content = Vec::new();
    let mut rest = text;
    loop {
        let (&byte, behind) = rest.split_first().ok_or(SenderError::Syntax)?;
        rest = behind;
        let literal = match byte {
            b'"' => return Ok((Cow::Owned(content), rest)),
            b'\\' => {
                let (&escaped, behind) = rest.split_first().ok_or(SenderError::Syntax)?;
                rest = behind;
                escaped
            }
            byte => byte,
        };
        if literal.is_ascii_control() {
            return Err(SenderError::Syntax);
        }
        content.push(literal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Result<(String, String), String> {
        match Sender::from_reverse_path(path.as_bytes()).0 {
            Path::Null => Err("null".to_owned()),
            Path::Malformed(error) => Err(error.to_string()),
            Path::Mailbox(mailbox) => {
                let local = String::from_utf8(mailbox.local().to_vec()).unwrap();
                Ok((local, mailbox.domain.map_or_else(|error| format!("({error})"), |name| name.to_string())))
            }
        }
    }

    #[test]
    fn s5321_reverse_paths() {
        for (path, local, domain) in [
            ("<Joe@Example.COM>", "Joe", "example.com"),
            ("joe@example.com", "joe", "example.com"),
            ("<@a.example,@b.example:joe@c.example>", "joe", "c.example"),
            ("<\"a@b\"@c.example>", "a@b", "c.example"),
            ("<\"a\\\"b c\"@c.example>", "a\"b c", "c.example"),
            ("<a..b.@c.example>", "a..b.", "c.example"),
            ("<@example.net>", "postmaster", "example.net"),
            ("<jürgen@bücher.example>", "jürgen", "xn--bcher-kva.example"),
            ("<foo@[192.0.2.1]>", "foo", "(name is an address)"),
            ("<foo@localhost>", "foo", "(name has only one label)"),
        ] {
            assert_eq!(parts(path), Ok((local.to_owned(), domain.to_owned())), "{path}");
        }
    }

    #[test]
    fn malformed_reverse_paths_name_nobody() {
        for path in [
            "<(any@legit.example>",
            "<any@legit.example)>",
            "<a b@legit.example>",
            "<a@evil.example@legit.example>",
            "<a@evil.example,b@legit.example>",
            "<\"a@legit.example>",
            "<\"a\"b@legit.example>",
            "<\"\"@legit.example>",
            "<\"a\r\n\"@legit.example>",
            "<<a@legit.example>>",
            "<@a.example:>",
            "<@a,@b.example:c@d.example>",
            "<@@a:b@c.example>",
            "<a",
        ] {
            assert_eq!(Sender::from_reverse_path(path.as_bytes()).domain(), None, "{path}");
        }
        assert_eq!(Sender::from_reverse_path(b"<\xff@legit.example>").domain(), None);
        assert_eq!(parts("<root>"), Err("reverse path without a domain".to_owned()));
    }

    #[test]
    fn s14_an_ipv4_mapped_client_is_an_ipv4_client() {
        let session = Session::new("::ffff:192.0.2.1".parse().unwrap(), "mail.example.com");
        assert_eq!(session.client(), "192.0.2.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn s3_helo_is_a_name_or_says_why_not() {
        let helo = |text: &str| Session::new(IpAddr::from([192, 0, 2, 1]), text);
        assert_eq!(helo("Mail.Example.Com").helo_text(), b"mail.example.com");
        assert_eq!(helo("[192.0.2.1]").helo(), Err(NameError::Address));
        assert_eq!(helo("JUMPIN' JUPITER").helo_text(), b"JUMPIN' JUPITER");
    }
}
