//! `UserID`: whom to become.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Group, Uid, User, initgroups, setgroups, setresgid, setresuid};

use crate::config::old_file::UserId;

/// A user to become.
#[derive(Debug)]
pub(super) struct Account {
    uid: Uid,
    gid: Gid,
    /// Under which name supplementary groups are kept; a number without a name has none.
    name: Option<CString>,
}

impl Account {
    /// Looks it up. `None`: this process is that user already, and keeps the groups it was given.
    pub(super) fn find(wanted: &UserId) -> Result<Option<Self>, String> {
        let UserId { user, group } = wanted;
        let failed = |error: nix::Error| format!("UserID {user}: {error}");
        let mut found = User::from_name(user).map_err(failed)?;
        let number: Option<u32> = user.parse().ok();
        if let (None, Some(number)) = (&found, number) {
            found = User::from_uid(Uid::from_raw(number)).map_err(failed)?;
        }
        let gid = match group {
            None => None,
            Some(group) => {
                let named = Group::from_name(group).map_err(failed)?.map(|group| group.gid);
                let gid = named.or_else(|| group.parse().ok().map(Gid::from_raw));
                Some(gid.ok_or_else(|| format!("UserID: no such group `{group}`; make it, or name another one"))?)
            }
        };
        let account = match (found, number) {
            (Some(user), _) => {
                let name = CString::new(user.name).ok();
                Self { uid: user.uid, gid: gid.unwrap_or(user.gid), name }
            }
            (None, Some(number)) => {
                Self { uid: Uid::from_raw(number), gid: gid.unwrap_or_else(|| Gid::from_raw(number)), name: None }
            }
            (None, None) => return Err(format!("UserID: no such user `{user}`; make it, or name another one")),
        };
        if account.uid == Uid::effective() {
            return Ok(None);
        }
        if !Uid::effective().is_root() {
            let me = Uid::effective();
            let cause =
                format!("UserID {user}: this process belongs to user {me}, and only root can become another user");
            return Err(format!("{cause}; start it as root or as `{user}`, or remove the line"));
        }
        Ok(Some(account))
    }

    /// The number of the user.
    pub(super) fn uid(&self) -> Uid {
        self.uid
    }

    /// Becomes this user, for good and with all threads.
    pub(super) fn enter(&self) -> io::Result<()> {
        match &self.name {
            Some(name) => initgroups(name, self.gid)?,
            None => setgroups(&[self.gid])?,
        }
        setresgid(self.gid, self.gid, self.gid)?;
        setresuid(self.uid, self.uid, self.uid)?;
        // Never serve mail as root by mistake.
        if !self.uid.is_root() && setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
            return Err(io::Error::other("the process could become root again"));
        }
        Ok(())
    }
}
