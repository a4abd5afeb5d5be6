//! The messages that are tried, and the domains that send them.

use engine::config::DomainPattern;

use super::super::domains::Rule;

/// Stands in the result that a message brings along.
pub(super) const FORGED: &str = "forged.postseal.invalid";

/// Whom the messages are from, and what is tried.
#[derive(Debug)]
pub(super) struct Site {
    /// A client whose mail is signed.
    pub(super) internal: String,
    /// A client that nobody knows.
    pub(super) outside: String,
    /// Our name.
    pub(super) own: String,
    /// Whether there is a file of OpenDMARC.
    pub(super) judges: bool,
}

/// A message and its client.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) is_internal: bool,
    pub(super) is_authenticated: bool,
    pub(super) sender: String,
    pub(super) octets: Vec<u8>,
}

const BODY: &str = "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\n";

/// A message with folds and runs of spaces, which canonicalization is about, and with fields that are often signed.
fn by(domain: &str, more: &str) -> Vec<u8> {
    format!(
        "{more}From: Joe  SixPack <sample@{domain}>\r\nTo: Mary <reader@reader.postseal.invalid>,\r\n\tsecond@reader.postseal.invalid\r\n\
         Cc: third@reader.postseal.invalid\r\nSubject: Is dinner  ready?\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <1@{domain}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\nReply-To: sample@{domain}\r\nComments: none\r\n\r\n{BODY}"
    )
    .into_bytes()
}

impl Case {
    /// A sender of this rule at a client of our own.
    pub(super) fn of_rule(rule: &Rule) -> Self {
        let domain = match &rule.pattern {
            DomainPattern::Below(domain) => format!("sample.{domain}"),
            DomainPattern::Exact(domain) | DomainPattern::WithSubdomains(domain) => domain.to_string(),
        };
        Self {
            name: format!("signed for {domain}"),
            is_internal: true,
            is_authenticated: false,
            sender: format!("sample@{domain}"),
            octets: by(&domain, ""),
        }
    }

    /// The same from anywhere, after a login.
    pub(super) fn submitted(rule: &Rule) -> Self {
        let case = Self::of_rule(rule);
        Self { name: format!("{} after a login", case.name), is_internal: false, is_authenticated: true, ..case }
    }

    fn outside(name: &str, sender: &str, octets: Vec<u8>) -> Self {
        let (name, sender) = (name.to_owned(), format!("sample@{sender}"));
        Self { name, is_internal: false, is_authenticated: false, sender, octets }
    }
}

/// Mail from outside. *Inputs*: a message that the old side has signed.
pub(super) fn from_outside(site: &Site, signed: Option<&[u8]>) -> Vec<Case> {
    let plain = "postseal-plain.invalid";
    let mut cases = vec![Case::outside("unsigned from outside", plain, by(plain, ""))];
    if let Some(signed) = signed {
        cases.push(Case::outside("signed from outside", plain, signed.to_vec()));
        let mut changed = signed.to_vec();
        changed.extend_from_slice(b"And one line more.\r\n");
        cases.push(Case::outside("signed, body changed", plain, changed));
    }
    let results = format!(
        "Authentication-Results: {}; dkim=pass header.d={FORGED}; dmarc=pass header.from={FORGED}\r\n",
        site.own
    );
    cases.push(Case::outside("forged results under our name", plain, by(plain, &results)));
    if site.judges {
        for policy in ["reject", "quarantine"] {
            let domain = format!("postseal-{policy}.invalid");
            cases.push(Case::outside(&format!("DMARC failure, p={policy}"), plain, by(&domain, "")));
        }
    }
    cases
}

/// What is published for the domains of [`from_outside`].
pub(super) fn records(site: &Site) -> String {
    let family = if site.outside.contains(':') { "ip6" } else { "ip4" };
    let mut text = format!("postseal-plain.invalid. 60 IN TXT \"v=spf1 {family}:{} -all\"\n", site.outside);
    for policy in ["reject", "quarantine"] {
        text.push_str(&format!("_dmarc.postseal-{policy}.invalid. 60 IN TXT \"v=DMARC1; p={policy}\"\n"));
    }
    text
}
