//! OpenDKIM's rule for key files that others can read or replace (`RequireSafeKeys`).
//!
//! Of the path without links, from the root: no folder may be written by others; by its group only if nobody else is in it; by its owner only if that is root
//! or this process. The file belongs to root or this process, and neither others nor a group with somebody else in it may read or write it. A sticky bit
//! changes nothing. The words are those of OpenDKIM's log.
//!
//! Who has a group as his first one is read in `/etc/passwd` alone: asking every directory service for every user is what made OpenDKIM slow.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid};

use super::path_walk::{PathWalk, Step, user_name};

/// Octets of `/etc/passwd` that are read.
const MAX_PASSWD: u64 = 16 << 20;

const GROUP_READS: u32 = 0o040;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;
const OWNER_WRITES: u32 = 0o200;

/// Why a key file is not safe: what OpenDKIM writes behind `key data is not secure: `. `None` for a file that is.
///
/// # Errors
///
/// What the system says on the way to the file.
pub fn unsafe_because(file: &Path) -> io::Result<Option<String>> {
    unsafe_for(file, Uid::effective())
}

/// The same for a process that will belong to this user.
pub(super) fn unsafe_for(file: &Path, user: Uid) -> io::Result<Option<String>> {
    let real = fs::canonicalize(file)?;
    let walk = PathWalk::to(&real);
    Ok(walk.steps.iter().find_map(|step| unsafe_step(step, user.as_raw())))
}

fn unsafe_step(step: &Step, me: u32) -> Option<String> {
    let path = step.path.display();
    let is_file = step.is_no_file().is_none();
    let has = |bits: u32| step.mode & bits != 0;
    let is_mine = step.uid == 0 || step.uid == me;
    let or_root = if me == 0 { "" } else { " or the superuser" };
    if is_file && !is_mine {
        return Some(format!("{path} is not owned by the executing uid ({me}){or_root}"));
    }
    let (group, others) =
        if is_file { (GROUP_READS | GROUP_WRITES, OTHERS_READ | OTHERS_WRITE) } else { (GROUP_WRITES, OTHERS_WRITE) };
    let open_to_others = || has(others).then(|| format!("{path} can be read or written by other users"));
    let open_to_group = || {
        let other = has(group).then(|| other_member(step.gid, me)).flatten()?;
        Some(format!("{path} is in group {} which has multiple users (e.g., \"{other}\")", step.gid))
    };
    // Of a file OpenDKIM looks at the group first, of a folder at the others.
    let open = if is_file { open_to_group().or_else(open_to_others) } else { open_to_others().or_else(open_to_group) };
    if open.is_some() {
        return open;
    }
    if !is_file && has(OWNER_WRITES) && !is_mine {
        return Some(format!(
            "{path} is writeable and owned by uid {} which is not the executing uid ({me}){or_root}",
            step.uid
        ));
    }
    None
}

/// Somebody in a group who is neither root nor the user `me`.
fn other_member(group: u32, me: u32) -> Option<String> {
    let my_name = user_name(me);
    let mut passwd = String::new();
    // Without the file, nobody is known to have the group as his first one.
    let read = fs::File::open("/etc/passwd").and_then(|file| file.take(MAX_PASSWD).read_to_string(&mut passwd));
    let first = read.ok().and_then(|_| passwd.lines().find_map(|line| first_member(line, group, me)));
    first.or_else(|| {
        let group = Group::from_gid(Gid::from_raw(group)).ok().flatten()?;
        group.mem.into_iter().find(|name| *name != my_name && name != "root")
    })
}

/// The user of a line of `/etc/passwd` (`name:password:uid:gid:…`), if `group` is his and he is neither root nor `me`.
fn first_member(line: &str, group: u32, me: u32) -> Option<String> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let (uid, gid) = (fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?);
    (gid == group && uid != me && uid != 0).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn step(mode: u32, uid: u32, gid: u32) -> Step {
        Step { path: PathBuf::from("/k"), mode, uid, gid }
    }

    #[test]
    fn s1_2_require_safe_keys_in_the_words_of_opendkim() {
        const FILE: u32 = 0o100_000;
        const FOLDER: u32 = 0o040_000;
        // A group that nobody is in.
        let (me, nobodys) = (4_000_000_001, 4_000_000_002);
        for (mode, uid, words) in [
            (FILE | 0o600, me, None),
            (FILE | 0o640, 0, None),
            (FILE | 0o600, 7, Some("/k is not owned by the executing uid (4000000001) or the superuser")),
            (FILE | 0o604, me, Some("/k can be read or written by other users")),
            (FILE | 0o602, me, Some("/k can be read or written by other users")),
            (FOLDER | 0o755, 0, None),
            (FOLDER | 0o775, me, None),
            (FOLDER | 0o757, 0, Some("/k can be read or written by other users")),
            (FOLDER | 0o1777, 0, Some("/k can be read or written by other users")),
            (FOLDER | 0o555, 7, None),
            (
                FOLDER | 0o755,
                7,
                Some("/k is writeable and owned by uid 7 which is not the executing uid (4000000001) or the superuser"),
            ),
        ] {
            assert_eq!(unsafe_step(&step(mode, uid, nobodys), me).as_deref(), words, "{mode:o} {uid}");
        }
        // `daemon` has the group 1 as his first one, wherever /etc/passwd has him.
        if user_name(1) == "daemon" {
            let words = unsafe_step(&step(FILE | 0o640, 0, 1), me).unwrap();
            assert_eq!(words, "/k is in group 1 which has multiple users (e.g., \"daemon\")");
        }
    }

    #[test]
    fn s1_2_members_of_a_group_by_their_first_one() {
        assert_eq!(first_member("ann:x:1000:44:Ann:/home/ann:/bin/sh", 44, 1), Some("ann".into()));
        assert_eq!(first_member("ann:x:1000:44:Ann:/home/ann:/bin/sh", 44, 1000), None);
        assert_eq!(first_member("root:x:0:44::/root:/bin/sh", 44, 1), None);
        assert_eq!(first_member("ann:x:1000:45::/:/bin/sh", 44, 1), None);
        assert_eq!(first_member("+::::::", 44, 1), None);
    }

    #[test]
    fn s1_2_the_way_is_that_without_links() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("k"), folder.path().join("l"));
        fs::write(&real, "k").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let words = unsafe_because(&link).unwrap().expect("below a folder that everyone may write to");
        assert!(words.contains("can be read or written by other users"), "{words}");
        assert!(unsafe_because(&folder.path().join("none")).is_err());
    }
}
