//! What a test runs against: parts of its own, started for it alone and stopped when it ends, also by a panic.

pub(crate) mod article;
pub(crate) mod daemon;
pub(crate) mod dns;
pub(crate) mod dovecot;
pub(crate) mod keys;
pub(crate) mod opendmarc;
pub(crate) mod postfix;
pub(crate) mod sendmail;
pub(crate) mod shared;
pub(crate) mod work;

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::daemon::{Daemon, Socket};
use self::dns::{Dns, Txt, zone_records, zone_text};
use self::keys::Keys;
use self::postfix::{HOST, Postfix, milter_lines};
use crate::mailbox::Delivered;
use crate::results::Results;
use crate::smtp::{Mail, Smtp};

/// The domain whose mail the daemon signs.
pub(crate) const DOMAIN: &str = "author.example";

/// The same domain would be written like this by its owner, were it Unicode: a second domain with keys.
pub(crate) const UNICODE_DOMAIN: &str = "bücher.example";

/// What can differ between the sites of two tests.
pub(crate) struct Options<'a> {
    /// How Postfix reaches the daemon.
    pub(crate) socket: Socket,
    /// `milter_protocol`.
    pub(crate) protocol: u32,
    /// `milter_default_action`.
    pub(crate) default_action: &'a str,
    /// Further lines of main.cf.
    pub(crate) main_cf: &'a str,
    /// Lines of the `[signing]` section.
    pub(crate) signing: &'a str,
    /// Lines of the `[dns]` section, without the name server.
    pub(crate) dns: &'a str,
    /// Lines of the `[policy]` section.
    pub(crate) policy: &'a str,
    /// Lines of the `[spf]` section.
    pub(crate) spf: &'a str,
    /// Lines of the `[dmarc]` section, and its overrides.
    pub(crate) dmarc: &'a str,
    /// Lines of a zone file that the name server knows beside the keys.
    pub(crate) records: &'a str,
    /// A name server in place of the real one, such as one that never answers.
    pub(crate) nameserver: Option<u16>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            socket: Socket::Tcp,
            protocol: 6,
            default_action: "tempfail",
            main_cf: "",
            signing: "",
            dns: "",
            policy: "",
            spf: "",
            dmarc: "",
            records: "",
            nameserver: None,
        }
    }
}

/// Postfix, the daemon, a name server that publishes the daemon's keys. Fields are dropped in order: Postfix first, the folder last.
pub(crate) struct Site {
    pub(crate) postfix: Postfix,
    pub(crate) daemon: Daemon,
    pub(crate) dns: Dns,
    /// The records that the name server knows.
    pub(crate) zone: Vec<Txt>,
    pub(crate) folder: TempDir,
}

impl Site {
    /// Starts all parts.
    pub(crate) fn start(options: &Options<'_>) -> Self {
        let folder = work::folder();
        let domains = [Keys::make(folder.path(), DOMAIN), Keys::make(folder.path(), UNICODE_DOMAIN)];
        let zone: Vec<Txt> = domains.iter().flat_map(|keys| keys.zone.clone()).collect();
        let dns = Dns::start(folder.path(), &(zone_text(&zone) + options.records));
        let mut config = format!(
            "[dns]\nnameservers = [\"127.0.0.1:{}\"]\n{}\n[policy]\n{}\n[spf]\n{}\n[dmarc]\n{}\n[signing]\n{}\n",
            options.nameserver.unwrap_or(dns.port),
            options.dns,
            options.policy,
            options.spf,
            options.dmarc,
            options.signing
        );
        for keys in &domains {
            config.push_str(&keys.config);
        }
        let daemon = Daemon::start(folder.path(), options.socket, &config);
        let milter = milter_lines(&daemon.socket, options.protocol, options.default_action);
        let postfix = Postfix::start_with(folder.path(), &format!("{milter}{}\n", options.main_cf));
        Self { postfix, daemon, dns, zone, folder }
    }

    /// Starts all parts with a daemon that was told nothing but its domain. Its name server knows what the daemon says to publish.
    pub(crate) fn quick_start() -> Self {
        let folder = work::folder();
        let state = folder.path().join("state");
        let daemon = Daemon::quick_start(folder.path(), &state, DOMAIN);
        let published = fs::read_to_string(state.join("zone.txt")).unwrap();
        let dns = Dns::start(folder.path(), &published);
        let postfix = Postfix::start(folder.path(), &daemon.socket, 6, "tempfail");
        Self { postfix, daemon, dns, zone: zone_records(&published), folder }
    }

    /// A user hands in a message at the submission port; returns it as delivered.
    pub(crate) fn submit(&self, message: &[u8]) -> Delivered {
        self.deliver(&mut Smtp::connect(self.postfix.submission), "", message)
    }

    /// A server outside hands in a message; returns it as delivered.
    pub(crate) fn receive(&self, message: &[u8]) -> Delivered {
        self.deliver(&mut self.outside(), "", message)
    }

    /// A session of a server outside.
    pub(crate) fn outside(&self) -> Smtp {
        Smtp::connect_as(self.postfix.inbound, "ADDR=192.0.2.10 PORT=40000 NAME=out.example HELO=out.example")
    }

    /// Sends a message in this session; returns it as delivered.
    pub(crate) fn deliver(&self, session: &mut Smtp, parameters: &str, message: &[u8]) -> Delivered {
        let reply = session.send(&mail(parameters, message));
        assert_eq!(reply.code, 250, "{reply:?}");
        self.postfix.mailbox.next()
    }

    /// A message comes from outside: what the daemon found out about it, which stands in exactly one field under our name, on top.
    pub(crate) fn judge(&self, message: &[u8]) -> Results {
        own_results(&self.receive(message))
    }
}

/// A mail from our user to somebody, or from outside to us: in these tests all mail ends in one mailbox.
pub(crate) fn mail<'a>(parameters: &'a str, message: &'a [u8]) -> Mail<'a> {
    Mail { from: "sender@author.example", to: "reader@reader.example", parameters, message }
}

/// The one Authentication-Results field under our own name. It stands above everything that was in the message before (RFC 8601 §5).
pub(crate) fn own_results(delivered: &Delivered) -> Results {
    let own: Vec<Results> = delivered
        .all("Authentication-Results")
        .iter()
        .map(|value| Results::read(value))
        .filter(|results| results.authserv_id.eq_ignore_ascii_case(HOST))
        .collect();
    assert_eq!(own.len(), 1, "fields under our name in\n{}", delivered.header());
    assert_eq!(delivered.fields()[0].0, "Authentication-Results", "the first field of\n{}", delivered.header());
    own.into_iter().next().unwrap()
}

/// How long something takes.
pub(crate) fn timed<T>(action: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let value = action();
    (begin.elapsed(), value)
}
