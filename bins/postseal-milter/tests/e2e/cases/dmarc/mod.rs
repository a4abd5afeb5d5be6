//! DMARC under a real Postfix with a real DNS server: what is said of a message, and what becomes of it.

mod attacks;
mod attacks_on_signatures;
mod authors;
mod fields;
mod known;
mod modes;
mod overrides;
mod own_mail;
mod steps;
mod temperror;
mod tree;
mod way;

use crate::mailbox::Delivered;
use crate::mails;
use crate::results::Method;
use crate::signer;
use crate::site::shared::Shared;
use crate::site::{Options, Site, own_results};
use crate::smtp::{Mail, Reply, Smtp};

/// What a client outside is to Postfix; SPF lets it send for all domains here that let anybody send.
const CLIENT: &str = "ADDR=192.0.2.10 PORT=40000 NAME=out.example HELO=out.example";

/// A site that rejects whatever may be rejected. Recipients at observe.example only get the verdict.
static STRICT: Shared = Shared::new(|| start(STRICT_LINES, ""));

const STRICT_LINES: &str = "mode = \"reject\"
seldom_seen = \"reject\"
multiple_from = \"reject\"
remove_bimi = true
trusted_forwarders = [\"192.0.2.26\"]
[[dmarc.override]]
recipient = [\"observe.example\"]
mode = \"observe\"
reason = \"they look for themselves\"
";

/// Domains that ask for one thing each; the client may send for them. A bank for which nobody may send. A stranger who has all in order, below whose
/// domain every name publishes his key. Our own domain.
const RECORDS: &str = "none.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"
_dmarc.none.example. TXT \"v=DMARC1; p=none\"
quarantine.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"
_dmarc.quarantine.example. TXT \"v=DMARC1; p=quarantine\"
reject.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"
_dmarc.reject.example. TXT \"v=DMARC1; p=reject\"
bank.example. TXT \"v=spf1 -all\"
_dmarc.bank.example. TXT \"v=DMARC1; p=reject\"
stranger.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"
_dmarc.stranger.example. TXT \"v=DMARC1; p=reject\"
other.example. TXT \"v=spf1 ip4:192.0.2.10 -all\"
author.example. TXT \"v=spf1 -all\"
_dmarc.author.example. TXT \"v=DMARC1; p=reject\"
";

/// Starts a site with these lines in `[dmarc]` and `[spf]`, and the records of these tests.
fn start(dmarc: &str, spf: &str) -> Site {
    start_with(&Options { dmarc, spf, ..Options::default() })
}

/// The same with more that differs; its records come on top.
fn start_with(options: &Options<'_>) -> Site {
    let owners = ["none", "quarantine", "reject", "bank", "stranger", "other"];
    let keys = signer::published(&owners.map(|name| format!("s._domainkey.{name}.example")));
    let below = signer::published(&["*.stranger.example"]);
    let records = format!("{}{RECORDS}{keys}{below}", options.records);
    // To Postfix a client is what it was before XCLIENT, and it mends the header section of clients on its own host.
    let main_cf = format!("local_header_rewrite_clients =\n{}", options.main_cf);
    Site::start(&Options { records: &records, main_cf: &main_cf, ..*options })
}

/// What became of a message.
#[derive(Debug)]
enum Fate {
    /// It was delivered.
    Delivered(Delivered),
    /// It was put on hold; released by an administrator it was delivered.
    Held(Delivered),
    /// It was refused.
    Refused(Reply),
}

impl Fate {
    /// In a word.
    fn word(&self) -> &'static str {
        match self {
            Self::Delivered(_) => "delivered",
            Self::Held(_) => "held",
            Self::Refused(_) => "refused",
        }
    }

    fn delivered(self) -> Delivered {
        match self {
            Self::Delivered(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn held(self) -> Delivered {
        match self {
            Self::Held(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&self) -> &Reply {
        match self {
            Self::Refused(reply) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// It was refused for the policy of this domain.
    fn is_refused_for(&self, domain: &str) {
        let reply = self.refusal();
        assert_eq!(reply.code, 550, "{reply:?}");
        assert_eq!(reply.text, format!("5.7.26 Email rejected per DMARC policy for {domain}"));
    }

    /// It was refused for its From field.
    fn is_refused_for_its_author(&self) {
        let reply = self.refusal();
        assert_eq!(reply.code, 550, "{reply:?}");
        assert!(reply.text.starts_with("5.7.1 message refused: "), "{reply:?}");
    }
}

/// A client with these XCLIENT attributes sends a message; what becomes of it.
fn fate_of(site: &Site, client: &str, mail: &Mail<'_>) -> Fate {
    fate_in(site, &mut Smtp::connect_as(site.postfix.inbound, client), mail)
}

/// The same in a session that is there.
fn fate_in(site: &Site, session: &mut Smtp, mail: &Mail<'_>) -> Fate {
    let reply = session.send(mail);
    if reply.code != 250 {
        return Fate::Refused(reply);
    }
    let held = site.postfix.held();
    match held.as_slice() {
        [] => Fate::Delivered(site.postfix.mailbox.next()),
        [id] => {
            assert!(!site.postfix.mailbox.has_more(), "it was delivered as well");
            site.postfix.release(id);
            Fate::Held(site.postfix.mailbox.next())
        }
        several => panic!("{several:?} are on hold"),
    }
}

/// The usual client sends a message from this sender.
fn fate(site: &Site, from: &str, message: &[u8]) -> Fate {
    fate_of(site, CLIENT, &Mail { from, to: "reader@reader.example", parameters: "", message })
}

/// The same to recipients that only get the verdict.
fn observed(site: &Site, from: &str, message: &[u8]) -> Delivered {
    fate_of(site, CLIENT, &Mail { from, to: "reader@observe.example", parameters: "", message }).delivered()
}

/// The verdict: its word, whose it is, and the policy.
fn verdict(delivered: &Delivered) -> (String, Option<String>, Option<String>) {
    let results = own_results(delivered);
    let found: Vec<&Method> = results.of("dmarc");
    assert_eq!(found.len(), 1, "{results:?}");
    let property = |name: &str| found[0].properties.get(name).cloned();
    (found[0].result.clone(), property("header.from"), property("policy.dmarc"))
}

/// It was judged like this.
fn is_judged(delivered: &Delivered, result: &str, domain: &str, policy: &str) {
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(verdict(delivered), (result.to_owned(), some(domain), some(policy)), "{}", delivered.header());
}

/// The fields for delivery rules.
fn tags(delivered: &Delivered) -> Vec<String> {
    delivered.all("X-Postseal-DMARC")
}

/// A mail with this From field in place of the usual one, `From: ` and line end included or nothing at all.
fn with_from(field: &str) -> Vec<u8> {
    let text = String::from_utf8(mails::plain("from")).unwrap();
    text.replace("From: A Sender <sender@author.example>\r\n", field).into_bytes()
}
