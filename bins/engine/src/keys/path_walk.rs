//! Every folder and link on the way to a file, as `namei -l` shows them, and which of them lets others replace the file (M01).
//!
//! Whoever may write to a folder may put another file in the place of ours. A path is refused when a folder on the way, or the file itself, is
//! writable by *everyone*; group-writable ones are the operator's decision. A folder with the sticky bit (`/tmp`) is no way to replace what is
//! not one's own, so it is accepted when what follows belongs to root or to the user of this process.
//!
//! What it does not do: ACLs, and time. The walk tells about the moment in which it was made.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};

/// Links followed before a path is taken for a loop; Linux stops at as many.
const MAX_LINKS: usize = 40;

/// Components walked: a path of `PATH_MAX` octets has no more, and links may add to it.
const MAX_STEPS: usize = 8192;

const STICKY: u32 = 0o1000;
const WRITABLE_BY_OTHERS: u32 = 0o002;
const READABLE_BY_OTHERS: u32 = 0o004;
const KIND: u32 = 0o170_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_FOLDER: u32 = 0o040_000;
const KIND_LINK: u32 = 0o120_000;

/// One line of the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The path up to here, links resolved.
    pub path: PathBuf,
    /// Kind and permission bits as `stat` has them.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Step {
    fn is_link(&self) -> bool {
        self.mode & KIND == KIND_LINK
    }

    fn is_folder(&self) -> bool {
        self.mode & KIND == KIND_FOLDER
    }

    /// What it is, when it is no file.
    pub(super) fn is_no_file(&self) -> Option<&'static str> {
        match self.mode & KIND {
            KIND_FILE => None,
            KIND_FOLDER => Some("a folder"),
            _ => Some("a device, socket or pipe"),
        }
    }

    /// Whether everyone may write to it. A link has no permissions of its own.
    #[must_use]
    pub fn is_writable_by_everyone(&self) -> bool {
        !self.is_link() && self.mode & WRITABLE_BY_OTHERS != 0
    }

    /// Whether everyone may read it.
    #[must_use]
    pub fn is_readable_by_everyone(&self) -> bool {
        self.mode & READABLE_BY_OTHERS != 0
    }
}

/// `drwxr-xr-x root root /etc`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.mode & KIND {
            KIND_FOLDER => 'd',
            KIND_LINK => 'l',
            KIND_FILE => '-',
            0o010_000 => 'p',
            0o140_000 => 's',
            0o020_000 => 'c',
            0o060_000 => 'b',
            _ => '?',
        };
        write!(f, "{kind}")?;
        for (read, write, execute, special, letter) in
            [(0o400, 0o200, 0o100, 0o4000, 's'), (0o040, 0o020, 0o010, 0o2000, 's'), (0o004, 0o002, 0o001, 0o1000, 't')]
        {
            let has = |bit: u32| self.mode & bit != 0;
            let last = match (has(execute), has(special)) {
                (true, true) => letter,
                (false, true) => letter.to_ascii_uppercase(),
                (true, false) => 'x',
                (false, false) => '-',
            };
            write!(f, "{}{}{last}", if has(read) { 'r' } else { '-' }, if has(write) { 'w' } else { '-' })?;
        }
        write!(f, " {} {} {}", user_name(self.uid), group_name(self.gid), self.path.display())
    }
}

/// Why a walk ended before its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkEnd {
    /// Links lead round in circles, or the path is longer than any path can be.
    Loop,
    /// What the system said.
    Io(io::ErrorKind),
}

impl fmt::Display for WalkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loop => f.write_str("links lead round in circles"),
            Self::Io(kind) => write!(f, "{kind}"),
        }
    }
}

/// The walk from the root to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathWalk {
    /// In the order in which the system meets them.
    pub steps: Vec<Step>,
    /// Why the walk ended before the file, and at which path.
    pub stopped: Option<(PathBuf, WalkEnd)>,
}

impl PathWalk {
    /// Walks to `path`; a relative one from the working folder.
    #[must_use]
    pub fn to(path: &Path) -> Self {
        let mut walk = Self { steps: Vec::new(), stopped: None };
        let absolute = match std::path::absolute(path) {
            Ok(absolute) => absolute,
            Err(error) => {
                walk.stopped = Some((path.to_path_buf(), WalkEnd::Io(error.kind())));
                return walk;
            }
        };
        let mut ahead: VecDeque<OsString> = parts(&absolute).collect();
        let mut here = PathBuf::from("/");
        let mut links: usize = 0;
        if !walk.step(&here) {
            return walk;
        }
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&part);
            if !walk.step(&next) {
                return walk;
            }
            if !walk.steps.last().is_some_and(Step::is_link) {
                here = next;
                continue;
            }
            links = links.saturating_add(1);
            match fs::read_link(&next) {
                Ok(target) if links <= MAX_LINKS => {
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    ahead = parts(&target).chain(ahead).collect();
                }
                Ok(_) => {
                    walk.stopped = Some((next, WalkEnd::Loop));
                    return walk;
                }
                Err(error) => {
                    walk.stopped = Some((next, WalkEnd::Io(error.kind())));
                    return walk;
                }
            }
        }
        walk
    }

    /// Adds a step; false ends the walk.
    fn step(&mut self, path: &Path) -> bool {
        match fs::symlink_metadata(path) {
            Ok(_) if self.steps.len() >= MAX_STEPS => self.stopped = Some((path.to_path_buf(), WalkEnd::Loop)),
            Ok(found) => {
                self.steps.push(Step {
                    path: path.to_path_buf(),
                    mode: found.mode(),
                    uid: found.uid(),
                    gid: found.gid(),
                });
                return true;
            }
            Err(error) => self.stopped = Some((path.to_path_buf(), WalkEnd::Io(error.kind()))),
        }
        false
    }

    /// The first step that lets everyone put something else in the place of the file.
    #[must_use]
    pub fn open_to_everyone(&self) -> Option<&Step> {
        self.open_to_everyone_but(Uid::effective().as_raw())
    }

    /// As [`open_to_everyone`](Self::open_to_everyone), for a process of the user `me`.
    pub(super) fn open_to_everyone_but(&self, me: u32) -> Option<&Step> {
        self.steps.iter().enumerate().find_map(|(index, step)| {
            let next = self.steps.get(index.saturating_add(1));
            let next_is_safe = next.is_none_or(|next| next.uid == 0 || next.uid == me);
            let is_sticky = step.is_folder() && step.mode & STICKY != 0;
            (step.is_writable_by_everyone() && !(is_sticky && next_is_safe)).then_some(step)
        })
    }

    /// The file itself; `None` when the walk did not reach it.
    #[must_use]
    pub fn file(&self) -> Option<&Step> {
        if self.stopped.is_some() { None } else { self.steps.last() }
    }

    /// One line a step, with a mark at `bad`.
    #[must_use]
    pub fn lines(&self, bad: Option<&Path>) -> Vec<String> {
        let mark = |step: &Step| if Some(step.path.as_path()) == bad { "  <--" } else { "" };
        let mut lines: Vec<String> = self.steps.iter().map(|step| format!("{step}{}", mark(step))).collect();
        if let Some((path, kind)) = &self.stopped {
            lines.push(format!("{}: {kind}  <--", path.display()));
        }
        lines
    }
}

/// The parts of a path behind its root; `.` means nothing.
fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_os_string()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// The name of a user, or its number where there is none.
pub(super) fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

fn group_name(gid: u32) -> String {
    Group::from_gid(Gid::from_raw(gid)).ok().flatten().map_or_else(|| gid.to_string(), |group| group.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_step_prints_as_namei_does() {
        let step = |mode| Step { path: "/x".into(), mode, uid: 0, gid: 0 }.to_string();
        assert_eq!(step(0o040_755), "drwxr-xr-x root root /x");
        assert_eq!(step(0o041_777), "drwxrwxrwt root root /x");
        assert_eq!(step(0o100_600), "-rw------- root root /x");
        assert_eq!(step(0o106_640), "-rwSr-S--- root root /x");
        assert_eq!(step(0o120_777), "lrwxrwxrwx root root /x");
        let nobody = Step { path: "/x".into(), mode: 0o100_600, uid: 4_000_000_000, gid: 4_000_000_001 };
        assert_eq!(nobody.to_string(), "-rw------- 4000000000 4000000001 /x");
    }

    #[test]
    fn m01_a_world_writable_folder_on_the_way_is_found() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("open/keys");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("k.pem");
        fs::write(&file, "k").unwrap();
        chmod(&file, 0o600);
        assert_eq!(PathWalk::to(&file).open_to_everyone(), None);
        assert_eq!(PathWalk::to(&file).file().unwrap().path, fs::canonicalize(&file).unwrap());

        chmod(&root.path().join("open"), 0o777);
        let walk = PathWalk::to(&file);
        let bad = walk.open_to_everyone().unwrap();
        assert!(bad.path.ends_with("open"));
        let marked: Vec<String> =
            walk.lines(Some(&bad.path)).into_iter().filter(|line| line.ends_with("<--")).collect();
        assert_eq!(marked.len(), 1);
        assert!(marked[0].starts_with("drwxrwxrwx"), "{marked:?}");

        chmod(&root.path().join("open"), 0o775);
        assert_eq!(PathWalk::to(&file).open_to_everyone(), None, "group-writable is the operator's decision");
        chmod(&file, 0o666);
        assert!(PathWalk::to(&file).open_to_everyone().unwrap().path.ends_with("k.pem"));
    }

    #[test]
    fn m01_a_link_through_a_world_writable_folder_is_found() {
        let root = tempfile::tempdir().unwrap();
        let (open, safe) = (root.path().join("open"), root.path().join("safe"));
        fs::create_dir(&open).unwrap();
        fs::create_dir(&safe).unwrap();
        let real = safe.join("k.pem");
        fs::write(&real, "k").unwrap();
        symlink("../safe/k.pem", open.join("link")).unwrap();
        symlink(open.join("link"), safe.join("entry")).unwrap();
        assert_eq!(PathWalk::to(&safe.join("entry")).open_to_everyone(), None);
        assert!(PathWalk::to(&safe.join("entry")).file().unwrap().path.ends_with("safe/k.pem"));
        chmod(&open, 0o777);
        assert!(PathWalk::to(&safe.join("entry")).open_to_everyone().unwrap().path.ends_with("open"));
    }

    #[test]
    fn a_walk_that_ends_early_says_where_and_a_loop_ends() {
        let root = tempfile::tempdir().unwrap();
        let walk = PathWalk::to(&root.path().join("none/k.pem"));
        assert_eq!(walk.file(), None);
        let (path, kind) = walk.stopped.clone().unwrap();
        assert!(path.ends_with("none"));
        assert_eq!(kind, WalkEnd::Io(io::ErrorKind::NotFound));
        assert!(walk.lines(None).last().unwrap().ends_with("<--"));

        let link = root.path().join("loop");
        symlink(&link, &link).unwrap();
        assert_eq!(PathWalk::to(&link).stopped.unwrap().1, WalkEnd::Loop);
    }
}
