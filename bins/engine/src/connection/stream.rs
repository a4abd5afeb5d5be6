//! The two kinds of socket an MTA connects by, with the socket options that keep a dialogue of small packets from stalling.
//!
//! Nagle's algorithm against delayed acknowledgements costs 40 ms at each step on TCP: 88 ms a message under Postfix, 224 ms under
//! Sendmail, for filters that leave the defaults. So: TCP_NODELAY, all replies of a step in one write (the caller's part), and on
//! Linux TCP_QUICKACK after *every* read, since the kernel takes it back by itself.

use std::io;

use tokio::io::AsyncWriteExt as _;
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

    /// Waits until there is something to read, or the end of the stream. Can be dropped before it is done.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    /// Reads what is there into `room`; 0 is the end of the stream, `None` that nothing is there after all.
    pub(super) fn try_read(&self, room: &mut [u8]) -> io::Result<Option<usize>> {
        let read = match self {
            Self::Tcp(stream) => {
                let read = stream.try_read(room);
                if read.is_ok() {
                    quick_ack(stream);
                }
                read
            }
            Self::Unix(stream) => stream.try_read(room),
        };
        match read {
            Ok(octets) => Ok(Some(octets)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
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
