//! How many files and sockets this process may have open.
//!
//! The soft limit of 1,024 is for programs that use `select`. As other servers do, this one takes what the hard limit allows: each connection
//! needs a descriptor, and so does each question to a name server. Where even that is too little for `limits.connections`, it says so at the
//! start; connections beyond it wait in their socket's queue (`server::accept`), questions beyond it are `temperror`.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Sockets, log, state folder and the runtime's own.
const RESERVE: u64 = 64;

/// Raises the soft limit to the hard one. What cannot be raised stays as it is.
pub fn raise() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!("the limit of open files stays at {soft}: {error}");
    }
}

/// Warns when `connections` cannot all be open at a time: half of the descriptors are left to them.
pub(crate) fn check(connections: usize) {
    let limit = limit();
    let most = (limit / 2).saturating_sub(RESERVE);
    if u64::try_from(connections).unwrap_or(u64::MAX) > most {
        tracing::warn!(
            limit,
            connections,
            "too few open files are allowed for limits.connections: raise LimitNOFILE (systemd) or ulimit -Hn, or allow fewer connections"
        );
    }
}

/// The limit as it is now.
pub(crate) fn limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _hard)| soft)
}
