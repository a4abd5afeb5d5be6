//! The Received-SPF header field (RFC 7208 §9.1).
//!
//! Optional output, for people and for tools that know nothing better: Authentication-Results (RFC 8601) says the same and is what other software
//! should read ([`Outcome::property`](crate::outcome::Outcome::property)). Nobody should take a verdict from a Received-SPF field that he did
//! not write himself.
//!
//! §9.1: "Verifiers ... should be careful that the data does not allow for injection": all values that a stranger chose are quoted, cut at 200
//! octets and of printable ASCII; the comment holds names and addresses only.

use std::fmt::Write as _;

use crate::identity::Identity;
use crate::outcome::{Cause, Outcome, SpfResult};

/// Longest value of a pair, in octets before quoting.
const MAX_VALUE: usize = 200;

/// Longest line that the field is folded to, where it can be.
const LINE: usize = 78;

impl<I: Identity> Outcome<I> {
    /// The value of a Received-SPF field: result, comment, pairs; folded, with its leading space and without the CRLF at its end.
    ///
    /// `receiver` is the name of the host that checked.
    ///
    /// ```
    /// # use spf_core::{check::check_mail_from, dns::Answer, identity::{Sender, Session}, limits::Limits};
    /// let session = Session::new("192.0.2.1".parse()?, "mail.example.com");
    /// let sender = Sender::from_reverse_path(b"<joe@example.com>");
    /// let outcome = check_mail_from(&session, &sender, &Limits::default()).run(|_| Answer::txt(["v=spf1 ip4:192.0.2.1 -all"]));
    /// assert_eq!(
    ///     outcome.received_spf("mx.example.net"),
    ///     " pass (mx.example.net: 192.0.2.1 may send for example.com)\r\n\
    ///      \treceiver=mx.example.net; identity=mailfrom; envelope-from=\"joe@example.com\";\r\n\
    ///      \tclient-ip=192.0.2.1; helo=mail.example.com; mechanism=\"ip4:192.0.2.1\""
    /// );
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn received_spf(&self, receiver: &str) -> String {
        let receiver = clean(receiver.as_bytes());
        let mut field =
            Folded { text: format!(" {} ({}: {})", self.result, comment(&receiver), self.comment()), column: LINE };
        // §9.1: "SHOULD be included".
        field.pair("receiver", &receiver);
        field.pair("identity", I::NAME);
        if I::NAME == "mailfrom" {
            field.pair("envelope-from", &self.envelope_from());
        }
        field.pair("client-ip", &self.session().client().to_string());
        field.pair("helo", &clean(self.session().helo_text()));
        match (&self.cause, self.result) {
            (Cause::Match, _) => field.pair("mechanism", &clean(self.term().unwrap_or_default().as_bytes())),
            // §9.1: "mechanism: the mechanism that matched (if no mechanisms matched, substitute the word "default")".
            (Cause::NoMatch, _) => field.pair("mechanism", "default"),
            // §9.1: "problem: if an error was returned, details about the error".
            (cause, SpfResult::TempError | SpfResult::PermError) => {
                field.pair("problem", &clean(cause.to_string().as_bytes()));
            }
            _ => (),
        }
        field.text
    }

    fn comment(&self) -> String {
        let client = self.session().client();
        let Some(domain) = &self.domain else { return format!("no domain to check for {client}") };
        let domain = comment(domain.as_str());
        match self.result {
            SpfResult::Pass => format!("{client} may send for {domain}"),
            SpfResult::Fail => format!("{client} may not send for {domain}"),
            SpfResult::SoftFail => format!("{client} probably may not send for {domain}"),
            SpfResult::Neutral => format!("{domain} says nothing about {client}"),
            SpfResult::None => format!("no policy of {domain} for {client}"),
            SpfResult::TempError => format!("no answer from the DNS about {domain} for {client}"),
            SpfResult::PermError => format!("the policy of {domain} cannot be evaluated for {client}"),
        }
    }

    fn envelope_from(&self) -> String {
        let domain = self.domain.as_ref().map_or("", |domain| domain.as_str());
        format!("{}@{domain}", clean(self.local_part()))
    }
}

/// Printable ASCII, cut: what a stranger chose must neither end the field nor look like another character.
fn clean(text: &[u8]) -> String {
    let printable = |&byte: &u8| if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' };
    text.iter().take(MAX_VALUE).map(printable).collect()
}

/// A name in a comment: without what begins or ends comments and quotes.
fn comment(text: &str) -> String {
    text.chars().map(|char| if matches!(char, '(' | ')' | '\\' | '"') { '?' } else { char }).collect()
}

/// The field under construction.
struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    /// `key-value-pair = key [CFWS] "=" ( dot-atom / quoted-string )`, on a new line where the old one is full.
    fn pair(&mut self, key: &str, value: &str) {
        let mut pair = format!("{key}=");
        if is_dot_atom(value) {
            pair.push_str(value);
        } else {
            pair.push('"');
            for char in value.chars() {
                if matches!(char, '"' | '\\') {
                    pair.push('\\');
                }
                pair.push(char);
            }
            pair.push('"');
        }
        let is_first = !self.text.contains("\r\n");
        if !is_first {
            self.text.push(';');
        }
        let length = pair.len().saturating_add(2);
        self.column = self.column.saturating_add(length);
        if self.column > LINE {
            self.column = length;
            // Writing to a String does not fail.
            let _ = write!(self.text, "\r\n\t{pair}");
        } else {
            let _ = write!(self.text, " {pair}");
        }
    }
}

/// `dot-atom` of RFC 5322 §3.2.3, and addresses of IPv4 with it; IPv6 has colons and needs quotes.
fn is_dot_atom(value: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    value.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}
