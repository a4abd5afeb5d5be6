//! The three messages, and what the daemon has to do with them.

use dkim_core::auth_results::{AuthResults, ReadLimits, ResInfo};
use dkim_core::domain::DomainName;
use dkim_core::verify::VerifyPolicy;
use engine::dns::Resolver;
use engine::socket_address::SocketAddress;
use milter_proto::Decision;

use super::{Report, Step};
use crate::exit::{Exit, Failure};
use crate::mail::{Mail, now};
use crate::mta::{Client, Delivery, MtaError, deliver};
use crate::verification;

/// The name the daemon hears as that of its mail server.
const HOST: &str = "selftest.postseal.invalid";

/// Where to send, and what to check with.
pub(super) struct Test {
    pub(super) socket: SocketAddress,
    pub(super) domain: DomainName,
    pub(super) resolver: Resolver,
}

impl Test {
    pub(super) fn run(&self) -> Result<Report, Failure> {
        let mail = Mail::parse(self.message().into_bytes())?;
        let (outgoing, signed) = self.outgoing(&mail)?;
        let mut steps = vec![outgoing];
        if let Some(signed) = signed {
            steps.push(self.incoming("incoming", &signed, "pass")?);
            let mut octets = signed.octets;
            octets.extend_from_slice(b"This line was added on the way.\r\n");
            steps.push(self.incoming("tampered", &Mail::parse(octets)?, "fail")?);
        }
        let passed = steps.iter().all(|step| step.passed);
        Ok(Report { socket: self.socket.to_string(), domain: self.domain.to_string(), passed, steps })
    }

    /// The message that an authenticated user submits.
    fn message(&self) -> String {
        let (domain, seconds) = (&self.domain, now().as_secs());
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000");
        format!(
            "From: Postseal Selftest <selftest@{domain}>\r\nTo: selftest@{HOST}\r\nSubject: A test of the signature\r\nDate: {date}\r\n\
             Message-ID: <selftest-{seconds}@{domain}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
             This message was made by `postseal selftest`.  \r\n\r\nNobody receives it.\r\n\r\n"
        )
    }

    fn send(&self, mail: &Mail, user: Option<&str>) -> Result<Delivery, Failure> {
        // From outside with a null reverse path and an address for a name: SPF has nothing to ask then, and cannot have the message refused
        // before its signatures are looked at.
        let sender = user.map(|user| format!("{user}@{}", self.domain)).unwrap_or_default();
        // Addresses that RFC 5737 keeps for documentation: never trusted by their network.
        let client = Client {
            name: "client.example",
            address: "192.0.2.25",
            helo: "[192.0.2.25]",
            user,
            sender: &sender,
            recipient: "selftest@postseal.invalid",
        };
        deliver(&self.socket, HOST, &client, &mail.headers, mail.body()).map_err(|error| {
            let fix = match error {
                MtaError::Connect { .. } => {
                    format!(
                        "start the daemon (`postseal-milter --domain {}`), or name its socket with `--socket`",
                        self.domain
                    )
                }
                _ => "look into the log of postseal-milter".to_owned(),
            };
            Failure::new(Exit::Fail, error.to_string(), fix)
        })
    }

    /// Submits `mail`: it must come back with signatures of our domain that all verify.
    fn outgoing(&self, mail: &Mail) -> Result<(Step, Option<Mail>), Failure> {
        let name = "outgoing";
        let delivery = self.send(mail, Some("selftest"))?;
        let added = fields(&delivery, "DKIM-Signature");
        let fail = |why: String, added| Ok((Step { name, passed: false, why, added }, None));
        if !is_accepted(&delivery.decision) {
            return fail(format!("the daemon refused it: {:?}", delivery.decision), added);
        }
        let signed = Mail::parse(delivery.message.to_octets(mail.body()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = runtime.block_on(verification::verify(&signed, &self.resolver, now(), &VerifyPolicy::default()));
        let ours = |domain: &Option<String>| domain.as_deref() == Some(self.domain.as_str());
        if !report.signatures.iter().any(|signature| ours(&signature.domain)) {
            return fail(format!("it was not signed for {}; the daemon's log says why", self.domain), added);
        }
        let bad = report.signatures.iter().find(|signature| signature.result != "pass");
        if let Some(bad) = bad {
            return fail(format!("a signature does not verify with the keys of the state folder: {bad}"), added);
        }
        let why = format!("signed for {}; signatures that verify: {}", self.domain, report.signatures.len());
        Ok((Step { name, passed: true, why, added }, Some(signed)))
    }

    /// Delivers `mail` from outside with a forged result on top: the daemon must take that out and put `dkim=expected` in.
    fn incoming(&self, name: &'static str, mail: &Mail, expected: &str) -> Result<Step, Failure> {
        let forged = format!(" {HOST}; dkim=pass (forged) header.d=forged.example");
        let mut octets = format!("Authentication-Results:{forged}\r\n").into_bytes();
        octets.extend_from_slice(&mail.octets);
        let mail = Mail::parse(octets)?;
        let delivery = self.send(&mail, None)?;
        let added = fields(&delivery, "Authentication-Results");
        let done = |passed, why: String| Ok(Step { name, passed, why, added: added.clone() });
        if !is_accepted(&delivery.decision) {
            return done(false, format!("the daemon refused it: {:?}", delivery.decision));
        }
        if added.iter().any(|field| field.contains("forged.example")) {
            return done(false, "a forged Authentication-Results field with our name was left in".to_owned());
        }
        let [field] = added.as_slice() else {
            return done(false, format!("{} Authentication-Results fields were added, not one", added.len()));
        };
        let value = field.split_once(':').map_or("", |(_, value)| value);
        let parsed = match AuthResults::parse(value.as_bytes(), ReadLimits::default()) {
            Ok(parsed) => parsed,
            Err(error) => return done(false, format!("the added field cannot be read: {error}")),
        };
        let of_domain = |result: &&ResInfo| {
            result.method.eq_ignore_ascii_case("dkim") && result.prop("header", "d") == Some(self.domain.as_str())
        };
        let results: Vec<&str> = parsed.results.iter().filter(of_domain).map(|result| result.result.as_str()).collect();
        let passed = !results.is_empty() && results.iter().all(|result| *result == expected);
        let why = match (passed, results.as_slice()) {
            (true, all) => {
                format!("dkim={expected} for {} ({} signatures); the forged result was removed", self.domain, all.len())
            }
            (false, []) => format!("no result for {}, expected dkim={expected}", self.domain),
            (false, all) => format!("dkim={} for {}, expected {expected}", all.join(", "), self.domain),
        };
        done(passed, why)
    }
}

fn is_accepted(decision: &Decision) -> bool {
    matches!(decision, Decision::Continue | Decision::Accept)
}

/// The fields of this name in the message as it left the daemon.
fn fields(delivery: &Delivery, name: &str) -> Vec<String> {
    let named = delivery.message.fields().iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|field| format!("{name}:{}", String::from_utf8_lossy(&field.value))).collect()
}
