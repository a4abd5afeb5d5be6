//! Sockets to listen on: TCP by address or name, Unix sockets with owner, group and mode, and those that the service manager passes.
//!
//! An IPv6 socket takes IPv6 alone, on every system: `inet:PORT` and `inet6:PORT` are two sockets that can be had side by side, and what
//! one spelling means does not depend on `net.ipv6.bindv6only`.
//!
//! A Unix socket is bound under a passing name, given owner, group and mode, and renamed to its own name: no client ever
//! finds it with other permissions than the configured ones, and the file that a killed daemon left behind is replaced in the
//! same step. A file that is no socket, or a socket where somebody answers, is an error and stays.
//!
//! What it does not do: create folders, change their permissions, or drop privileges.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::LocalAddress;
use super::passed::PassedSockets;
use crate::config::Listener;
use crate::connection::Stream;
use crate::socket_address::{Host, SocketAddress};

/// Connections that wait for `accept`.
const BACKLOG: u32 = 1024;

/// Time for the question whether somebody answers at an existing Unix socket.
const PROBE: Duration = Duration::from_secs(2);

/// Why a socket cannot be listened on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The host name has no (fitting) address.
    #[error("cannot listen on {socket}: the host name has no address: {cause}")]
    Resolve {
        /// The socket as configured.
        socket: String,
        /// What the resolver said.
        cause: String,
    },
    /// The system refused.
    #[error("cannot listen on {socket}: {cause}")]
    Bind {
        /// The socket as configured.
        socket: String,
        /// What the system said.
        cause: String,
    },
    /// Another process answers there.
    #[error("cannot listen on {socket}: another process listens there already")]
    InUse {
        /// The socket as configured.
        socket: String,
    },
    /// Something else has that name.
    #[error("cannot listen on {socket}: the file exists and is not a socket")]
    NotASocket {
        /// The socket as configured.
        socket: String,
    },
    /// No user or group of that name.
    #[error("cannot listen on {socket}: no {kind} `{name}` on this system")]
    UnknownAccount {
        /// The socket as configured.
        socket: String,
        /// `user` or `group`.
        kind: &'static str,
        /// The name as configured.
        name: String,
    },
    /// The service manager did not pass it, or something that cannot be listened on.
    #[error("cannot listen on {socket}: {cause}")]
    NotPassed {
        /// The socket as configured.
        socket: String,
        /// What is wrong.
        cause: String,
    },
    /// Owner, group or mode cannot be set.
    #[error("cannot set owner, group or mode of {socket}: {cause}")]
    Permissions {
        /// The socket as configured.
        socket: String,
        /// What the system said.
        cause: String,
    },
}

/// A socket that is listened on.
#[derive(Debug)]
pub enum Listening {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket; its file, if it is ours, goes when this value does.
    Unix(UnixListener, Option<SocketFile>),
}

impl Listening {
    /// Where the socket is.
    pub(super) fn address(&self) -> Option<LocalAddress> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok().map(LocalAddress::Tcp),
            Self::Unix(_, Some(file)) => Some(LocalAddress::Unix(file.path.clone())),
            Self::Unix(socket, None) => {
                let address = socket.local_addr().ok()?;
                address.as_pathname().map(|path| LocalAddress::Unix(path.to_owned()))
            }
        }
    }

    /// The next connection. Can be dropped before it is done.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(socket) => Stream::tcp(socket.accept().await?.0),
            Self::Unix(socket, _) => Ok(Stream::Unix(socket.accept().await?.0)),
        }
    }
}

/// The file of a Unix socket; removed at the end if it is still the one that was made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens the socket of a listener; a host name gives one socket for each of its addresses.
///
/// # Errors
///
/// [`ListenError`]; nothing is left open or on disk then.
pub(super) async fn listen(listener: &Listener, passed: &PassedSockets) -> Result<Vec<Listening>, ListenError> {
    match &listener.socket {
        SocketAddress::Inet(host, port) => {
            let mut sockets = Vec::new();
            for address in addresses(&listener.socket, host, *port).await? {
                let socket = listen_tcp(address).map_err(|error| match error.kind() {
                    io::ErrorKind::AddrInUse => ListenError::InUse { socket: listener.socket.to_string() },
                    _ => ListenError::Bind { socket: listener.socket.to_string(), cause: error.to_string() },
                })?;
                sockets.push(Listening::Tcp(socket));
            }
            Ok(sockets)
        }
        SocketAddress::Unix(path) => listen_unix(listener, path).await.map(|socket| vec![socket]),
        SocketAddress::Passed(which) => passed.listen(which),
    }
}

async fn addresses(socket: &SocketAddress, host: &Host, port: u16) -> Result<Vec<SocketAddr>, ListenError> {
    let (name, only_v6) = match host {
        Host::Ip(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name { name, only_v6 } => (name, *only_v6),
    };
    let failed = |cause: String| ListenError::Resolve { socket: socket.to_string(), cause };
    let found = tokio::net::lookup_host((name.as_str(), port)).await.map_err(|error| failed(error.to_string()))?;
    let mut found: Vec<_> = found.filter(|address| !only_v6 || address.is_ipv6()).collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { Err(failed("none of the wanted family".to_owned())) } else { Ok(found) }
}

fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            socket2::SockRef::from(&socket).set_only_v6(true)?;
            socket
        }
    };
    // A restart must not wait for connections of the last run in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn listen_unix(listener: &Listener, path: &Path) -> Result<Listening, ListenError> {
    let socket = || listener.socket.to_string();
    let bind_error = |error: io::Error| ListenError::Bind { socket: socket(), cause: error.to_string() };
    let (owner, group) = accounts(listener).await?;
    make_way(path, &socket).await?;

    let passing = path.with_file_name(format!(".ps{}", std::process::id()));
    remove_if_there(&passing).map_err(bind_error)?;
    let listening = std::os::unix::net::UnixListener::bind(&passing).map_err(bind_error)?;
    let finished = (|| {
        set_permissions(&passing, owner, group, listener.socket_mode)?;
        listening.set_nonblocking(true)?;
        let file = std::fs::symlink_metadata(&passing)?;
        std::fs::rename(&passing, path)?;
        Ok::<_, io::Error>(SocketFile { path: path.to_owned(), identity: (file.dev(), file.ino()) })
    })();
    match finished {
        Ok(file) => Ok(Listening::Unix(UnixListener::from_std(listening).map_err(bind_error)?, Some(file))),
        Err(error) => {
            let _ = std::fs::remove_file(&passing);
            Err(ListenError::Permissions { socket: socket(), cause: error.to_string() })
        }
    }
}

/// Gives the file owner, group and mode. Where a link stands in its place, put there by somebody who may write to the folder, nothing happens to
/// what the link leads to: it could be a key.
fn set_permissions(file: &Path, owner: Option<u32>, group: Option<u32>, mode: Option<u32>) -> io::Result<()> {
    if owner.is_some() || group.is_some() {
        std::os::unix::fs::lchown(file, owner, group)?;
    }
    if let Some(mode) = mode {
        let mode = Mode::from_bits_truncate(mode);
        fchmodat(nix::fcntl::AT_FDCWD, file, mode, FchmodatFlags::NoFollowSymlink)?;
    }
    Ok(())
}

/// The numbers of the user and the group. Their names may be kept by a server (LDAP), for which the system waits.
async fn accounts(listener: &Listener) -> Result<(Option<u32>, Option<u32>), ListenError> {
    let socket = &listener.socket;
    let listener = listener.clone();
    let found = tokio::task::spawn_blocking(move || {
        let owner = account(&listener, listener.socket_owner.as_deref(), "user", |name| {
            Ok(nix::unistd::User::from_name(name)?.map(|user| user.uid.as_raw()))
        })?;
        let group = account(&listener, listener.socket_group.as_deref(), "group", |name| {
            Ok(nix::unistd::Group::from_name(name)?.map(|group| group.gid.as_raw()))
        })?;
        Ok((owner, group))
    });
    // A task that is not done was given up because the runtime ends.
    found
        .await
        .unwrap_or_else(|fault| Err(ListenError::Permissions { socket: socket.to_string(), cause: fault.to_string() }))
}

/// The number of a user or group that is given by name or number.
fn account(
    listener: &Listener,
    name: Option<&str>,
    kind: &'static str,
    find: impl Fn(&str) -> Result<Option<u32>, nix::errno::Errno>,
) -> Result<Option<u32>, ListenError> {
    let Some(name) = name else { return Ok(None) };
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let socket = listener.socket.to_string();
    match find(name) {
        Ok(Some(number)) => Ok(Some(number)),
        Ok(None) => Err(ListenError::UnknownAccount { socket, kind, name: name.to_owned() }),
        Err(error) => Err(ListenError::Permissions { socket, cause: error.to_string() }),
    }
}

/// Finds out whether the name is free or belongs to a socket where nobody listens any more.
async fn make_way(path: &Path, socket: &impl Fn() -> String) -> Result<(), ListenError> {
    let file = match std::fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ListenError::Bind { socket: socket(), cause: error.to_string() }),
    };
    if !file.file_type().is_socket() {
        return Err(ListenError::NotASocket { socket: socket() });
    }
    match tokio::time::timeout(PROBE, tokio::net::UnixStream::connect(path)).await {
        Ok(Err(error))
            if error.kind() == io::ErrorKind::ConnectionRefused || error.kind() == io::ErrorKind::NotFound =>
        {
            tracing::info!(socket = %path.display(), "stale socket file replaced");
            Ok(())
        }
        // It accepts, or its queue is full: somebody is there.
        Ok(Ok(_)) | Err(_) => Err(ListenError::InUse { socket: socket() }),
        Ok(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Err(ListenError::InUse { socket: socket() }),
        Ok(Err(error)) => Err(ListenError::Bind { socket: socket(), cause: error.to_string() }),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// As the daemon does without a service manager.
    async fn listen(listener: &Listener) -> Result<Vec<Listening>, ListenError> {
        super::listen(listener, &PassedSockets::take()).await
    }

    fn unix(path: &Path) -> Listener {
        Listener::at(SocketAddress::Unix(path.to_owned()))
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn a_unix_socket_has_the_configured_mode_and_goes_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = Listener { socket_mode: Some(0o620), ..unix(&path) };
        let sockets = listen(&listener).await.unwrap();
        assert_eq!(mode(&path), 0o620);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the passing name is gone");
        drop(sockets);
        assert!(!path.exists());
    }

    #[test]
    fn a_link_in_place_of_the_new_socket_changes_nothing_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let (key, link) = (folder.path().join("key"), folder.path().join("link"));
        std::fs::write(&key, "").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&key, &link).unwrap();
        assert!(set_permissions(&link, None, None, Some(0o666)).is_err());
        let group = nix::unistd::getgid().as_raw();
        let before = std::fs::metadata(&key).unwrap();
        // Longer than the file system's clock takes for a step.
        std::thread::sleep(Duration::from_millis(50));
        set_permissions(&link, None, Some(group), None).unwrap();
        assert_eq!(std::fs::metadata(&key).unwrap().ctime_nsec(), before.ctime_nsec(), "not even touched");
        assert_eq!(mode(&key), 0o600);
    }

    #[tokio::test]
    async fn owner_and_group_are_names_or_numbers_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let ours = (nix::unistd::getuid().to_string(), nix::unistd::getgid().to_string());
        let listener = Listener { socket_owner: Some(ours.0), socket_group: Some(ours.1), ..unix(&path) };
        drop(listen(&listener).await.unwrap());

        let listener = Listener { socket_group: Some("no-such-group-here".to_owned()), ..unix(&path) };
        let error = listen(&listener).await.unwrap_err();
        assert!(error.to_string().ends_with("no group `no-such-group-here` on this system"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[tokio::test]
    async fn a_stale_socket_file_is_replaced_and_a_live_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file behind, as a killed daemon does");
        let sockets = listen(&unix(&path)).await.unwrap();
        tokio::net::UnixStream::connect(&path).await.unwrap();

        let error = listen(&unix(&path)).await.unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error}");
        assert!(path.exists(), "the live one stays");
        drop(sockets);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(listen(&unix(&path)).await, Err(ListenError::NotASocket { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_socket_that_was_replaced_is_not_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = listen(&unix(&path)).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = listen(&unix(&path)).await.unwrap();
        drop(first);
        assert!(path.exists(), "it belongs to the second one");
        drop(second);
    }

    #[tokio::test]
    async fn a_missing_folder_and_a_busy_port_are_named() {
        let error = listen(&unix(Path::new("/nonexistent/folder/socket"))).await.unwrap_err();
        assert!(
            error.to_string().starts_with("cannot listen on unix:/nonexistent/folder/socket: No such file"),
            "{error}"
        );

        let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = busy.local_addr().unwrap().port();
        let listener = Listener::at(SocketAddress::tcp("127.0.0.1".parse().unwrap(), port));
        assert!(matches!(listen(&listener).await, Err(ListenError::InUse { .. })));
    }

    fn tcp(socket: &str) -> Listener {
        Listener::at(socket.parse().unwrap())
    }

    fn port_of(sockets: &[Listening]) -> u16 {
        match sockets[0].address() {
            Some(LocalAddress::Tcp(address)) => address.port(),
            other => panic!("{other:?}"),
        }
    }

    /// Whether this machine has IPv6 at all; a container may have none.
    fn has_v6() -> bool {
        std::net::TcpListener::bind("[::1]:0").is_ok()
    }

    #[tokio::test]
    async fn each_spelling_of_an_ipv6_socket_is_listened_on() {
        for spelling in ["inet6:[::1]:0", "inet6:0@::1", "inet6:0@[::1]", "inet:[::1]:0", "inet:0@::1"] {
            let sockets = listen(&tcp(spelling)).await;
            if !has_v6() {
                let error = sockets.unwrap_err().to_string();
                assert!(error.starts_with("cannot listen on inet:[::1]:0: "), "{error}");
                continue;
            }
            let sockets = sockets.unwrap();
            let _client = std::net::TcpStream::connect(("::1", port_of(&sockets))).unwrap();
            sockets[0].accept().await.unwrap();
        }
    }

    #[tokio::test]
    async fn every_address_of_ipv6_leaves_ipv4_alone_and_the_same_port_can_have_both() {
        let v4 = listen(&tcp("inet:0")).await.unwrap();
        let port = port_of(&v4);
        if !has_v6() {
            assert!(matches!(listen(&tcp(&format!("inet6:{port}"))).await, Err(ListenError::Bind { .. })));
            return;
        }
        let v6 = listen(&tcp(&format!("inet6:{port}"))).await.unwrap();
        let _over_v4 = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let _over_v6 = std::net::TcpStream::connect(("::1", port)).unwrap();
        v4[0].accept().await.unwrap();
        v6[0].accept().await.unwrap();
        drop(v4);
        let refused = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "the IPv6 socket does not answer for IPv4");
    }

    #[tokio::test]
    async fn a_host_name_gives_a_socket_for_each_address_and_inet6_only_those_of_its_family() {
        let sockets = listen(&tcp("inet:localhost:0")).await.unwrap();
        assert!(!sockets.is_empty());
        match listen(&tcp("inet6:0@localhost")).await {
            Ok(sockets) => {
                for socket in sockets {
                    assert!(matches!(socket.address(), Some(LocalAddress::Tcp(address)) if address.is_ipv6()));
                }
            }
            // Whether `localhost` has an IPv6 address is a matter of /etc/hosts.
            Err(error) => assert!(!has_v6() || error.to_string().contains("none of the wanted family"), "{error}"),
        }
    }

    #[tokio::test]
    async fn a_passed_socket_without_a_service_manager_is_an_error_that_says_so() {
        let error = listen(&tcp("systemd:postseal.socket")).await.unwrap_err();
        let expected =
            "cannot listen on systemd:postseal.socket: the service manager passed no sockets: LISTEN_FDS is not set";
        assert_eq!(error.to_string(), expected);
    }
}
