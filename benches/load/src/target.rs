//! The daemons to measure, as written on the command line: `NAME,SOCKET[,PID]`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Socket {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP.
    Tcp(SocketAddr),
}

impl Socket {
    /// The kind, for tables.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unix(_) => "unix",
            Self::Tcp(_) => "tcp",
        }
    }
}

impl FromStr for Socket {
    type Err = String;

    /// `unix:/PATH`, `/PATH`, or `inet:HOST:PORT`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text)) {
            return Ok(Self::Unix(path.into()));
        }
        let Some(address) = text.strip_prefix("inet:") else {
            return Err(format!("`{text}` is neither unix:/PATH nor inet:HOST:PORT"));
        };
        let mut found = address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
        found.next().map(Self::Tcp).ok_or_else(|| format!("{address} has no address"))
    }
}

/// One daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// Its name in tables.
    pub name: String,
    /// Where it listens.
    pub socket: Socket,
    /// Its process, for processor time and memory; without it only latency is measured.
    pub pid: Option<u32>,
}

impl Target {
    /// A daemon.
    #[must_use]
    pub fn new(name: impl Into<String>, socket: Socket, pid: Option<u32>) -> Self {
        Self { name: name.into(), socket, pid }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (Some(name), Some(socket), pid, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(format!("`{text}` is not NAME,SOCKET[,PID]"));
        };
        let pid = pid.map(|pid| pid.parse().map_err(|_error| format!("`{pid}` is no process number"))).transpose()?;
        Ok(Self { name: name.to_owned(), socket: socket.parse()?, pid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_written_in_the_help() {
        let unix = Target::new("a", Socket::Unix("/run/a.sock".into()), None);
        assert_eq!("a,/run/a.sock".parse(), Ok(unix.clone()));
        assert_eq!("a,unix:/run/a.sock".parse(), Ok(unix));
        let tcp = Target::new("b", Socket::Tcp(SocketAddr::from(([127, 0, 0, 1], 8891))), Some(17));
        assert_eq!("b,inet:127.0.0.1:8891,17".parse(), Ok(tcp));
        for wrong in ["", "a", "a,b", "a,/x,y", "a,/x,1,2", "a,inet:x", "a,inet:127.0.0.1:x"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
