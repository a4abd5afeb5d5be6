//! The user of `UserID`, for as long as messages are tried.
//!
//! Whether OpenDKIM uses a key file depends on who it runs as (`RequireSafeKeys`), and root reads everything. So root becomes that user, in effect only, and
//! is root again afterwards: the file with the configuration is root's.

use std::ffi::CString;

use engine::config::old_file::UserId;
use nix::unistd::{Gid, Group, Uid, User, getgroups, initgroups, setegid, seteuid, setgroups};

/// Ends with being root again.
#[derive(Debug)]
pub(super) struct AsUser {
    groups: Vec<Gid>,
    group: Gid,
}

/// Whom root would become. `None`: this is not root, or there is no such user on this host, or he is root.
pub(super) fn account(wanted: &UserId) -> Option<(User, Gid)> {
    if !Uid::effective().is_root() {
        return None;
    }
    let named = User::from_name(&wanted.user).ok().flatten();
    let by_number = || User::from_uid(Uid::from_raw(wanted.user.parse().ok()?)).ok().flatten();
    let user = named.or_else(by_number).filter(|user| !user.uid.is_root())?;
    let group = wanted.group.as_ref().and_then(|group| Group::from_name(group).ok().flatten());
    let gid = group.map_or(user.gid, |group| group.gid);
    Some((user, gid))
}

impl AsUser {
    /// Becomes this user, with all threads.
    pub(super) fn enter(user: &User, gid: Gid) -> nix::Result<Self> {
        let back = Self { groups: getgroups()?, group: Gid::effective() };
        let name = CString::new(user.name.as_str()).map_err(|_| nix::Error::EINVAL)?;
        // What is done so far is taken back when `back` goes.
        initgroups(&name, gid)?;
        setegid(gid)?;
        seteuid(user.uid)?;
        Ok(back)
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        // In this order: only root may change groups.
        let _ = seteuid(Uid::from_raw(0));
        let _ = setegid(self.group);
        let _ = setgroups(&self.groups);
    }
}
