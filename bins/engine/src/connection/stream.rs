//! The two kinds of socket an MTA connects by, with the socket options that keep a dialogue of small packets from stalling.
//!
//! Nagle's algorithm against delayed acknowledgements costs 40 ms at each step on TCP: 88 ms a message under Postfix, 224 ms under
//! Sendmail, for filters that leave the defaults. So: TCP_NODELAY, all replies of a step in one write (the caller's part), and on
//! Linux TCP_QUICKACK after *every* read, since the kernel takes it back by itself.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// A connection from an MTA.
#[derive(Debug)]
pub(crate) enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// A TCP connection with its options set.
    ///
    /// # Errors
    ///
    /// What the system says; the connection is of no use then.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        quick_ack(&stream);
        Ok(Self::Tcp(stream))
    }

    /// Reads what is there into `room`; 0 is the end of the stream. Can be dropped before it is done without losing octets.
    pub(super) async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => {
                let octets = stream.read(room).await?;
                quick_ack(stream);
                Ok(octets)
            }
            Self::Unix(stream) => stream.read(room).await,
        }
    }

    pub(super) async fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(octets).await,
            Self::Unix(stream) => stream.write_all(octets).await,
        }
    }
}

/// Best effort: a system without the option is slower, not wrong.
fn quick_ack(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}
