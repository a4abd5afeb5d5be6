//! Sendmail in the place of Postfix, with the same daemon and name server.

pub(crate) mod sasl;
pub(crate) mod server;
pub(crate) mod sink;
pub(crate) mod tap;

use std::net::Ipv4Addr;

use tempfile::TempDir;

use self::server::{Sendmail, Setup};
use self::tap::Tap;
use super::daemon::{Daemon, Socket};
use super::dns::{Dns, Txt, zone_text};
use super::keys::Keys;
use super::{DOMAIN, mail, own_results, work};
use crate::mailbox::Delivered;
use crate::results::Results;
use crate::smtp::Smtp;

/// The address of a client that the daemon does not trust: it is told to trust 127.0.0.1 alone.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// What can differ between the sites of two tests.
pub(crate) struct Options<'a> {
    /// How Sendmail reaches the daemon.
    pub(crate) socket: Socket,
    /// Whether a tap stands between Sendmail and the daemon (TCP only).
    pub(crate) is_tapped: bool,
    /// Lines of the `[dns]` section, without the name server.
    pub(crate) dns: &'a str,
    /// A name server in place of the real one, such as one that never answers.
    pub(crate) nameserver: Option<u16>,
    /// Lines of the `[signing]` section.
    pub(crate) signing: &'a str,
    /// Lines of the `[policy]` section.
    pub(crate) policy: &'a str,
    /// How Sendmail is set up.
    pub(crate) sendmail: Setup<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            socket: Socket::Tcp,
            is_tapped: false,
            dns: "",
            nameserver: None,
            signing: "",
            policy: "",
            sendmail: Setup::default(),
        }
    }
}

/// Sendmail, the daemon, a name server that publishes the daemon's keys. Fields are dropped in order: Sendmail first, the folder last.
pub(crate) struct SendmailSite {
    pub(crate) sendmail: Sendmail,
    tap: Option<Tap>,
    pub(crate) daemon: Daemon,
    pub(crate) dns: Dns,
    /// The records that the name server knows.
    pub(crate) zone: Vec<Txt>,
    /// Removed when dropped.
    _folder: TempDir,
}

impl SendmailSite {
    /// Starts all parts.
    pub(crate) fn start(options: &Options<'_>) -> Self {
        let folder = work::folder();
        let keys = Keys::make(folder.path(), DOMAIN);
        let dns = Dns::start(folder.path(), &zone_text(&keys.zone));
        let config = format!(
            "[dns]\nnameservers = [\"127.0.0.1:{}\"]\n{}\n[trust]\nnetworks = [\"127.0.0.1\"]\n[signing]\n{}\n[policy]\n{}\n{}\n",
            options.nameserver.unwrap_or(dns.port),
            options.dns,
            options.signing,
            options.policy,
            keys.config
        );
        let daemon = Daemon::start(folder.path(), options.socket, &config);
        let tap = options.is_tapped.then(|| Tap::start(port_of(&daemon)));
        let milter = match (&tap, options.socket) {
            (Some(tap), _) => format!("inet:{}@127.0.0.1", tap.port),
            (None, Socket::Tcp) => format!("inet:{}@127.0.0.1", port_of(&daemon)),
            (None, Socket::Unix) => "local:/run/milter.sock".to_owned(),
        };
        let sendmail = Sendmail::start(folder.path(), &milter, &options.sendmail);
        Self { sendmail, tap, daemon, dns, zone: keys.zone, _folder: folder }
    }

    /// What stands between Sendmail and the daemon.
    pub(crate) fn tap(&self) -> &Tap {
        self.tap.as_ref().expect("a site with a tap")
    }

    /// A session of a user.
    pub(crate) fn user(&self) -> Smtp {
        Smtp::connect_from(OUTSIDE, self.sendmail.submission)
    }

    /// A session of a server outside.
    pub(crate) fn outside(&self) -> Smtp {
        Smtp::connect_from(OUTSIDE, self.sendmail.inbound)
    }

    /// A user hands in a message; returns it as it arrived at the next hop.
    pub(crate) fn submit(&self, message: &[u8]) -> Delivered {
        self.deliver(&mut self.user(), message)
    }

    /// A server outside hands in a message; returns it as it arrived at the next hop.
    pub(crate) fn receive(&self, message: &[u8]) -> Delivered {
        self.deliver(&mut self.outside(), message)
    }

    /// Sends a message in this session; returns it as it arrived at the next hop.
    pub(crate) fn deliver(&self, session: &mut Smtp, message: &[u8]) -> Delivered {
        let reply = session.send(&mail("BODY=8BITMIME", message));
        assert_eq!(reply.code, 250, "{reply:?}");
        self.sendmail.mailbox.next()
    }

    /// A message comes from outside: what the daemon found out about it, which stands in exactly one field under our name, on top.
    pub(crate) fn judge(&self, message: &[u8]) -> Results {
        own_results(&self.receive(message))
    }
}

fn port_of(daemon: &Daemon) -> u16 {
    daemon.socket.rsplit(':').next().unwrap().parse().unwrap()
}
