//! Which file is whose.

use std::path::{Path, PathBuf};

use engine::config::old_file::MAX_OLD_FILE;
use engine::config::opendkim::OPENDKIM;
use engine::config::opendmarc::OPENDMARC;

use super::Args;
use crate::exit::{Exit, Failure};

/// The files, one or both of them.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) opendkim: Option<PathBuf>,
    pub(super) opendmarc: Option<PathBuf>,
}

impl Files {
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        let mut files = Self { opendkim: args.opendkim_conf.clone(), opendmarc: args.opendmarc_conf.clone() };
        match args.files.as_slice() {
            [] => {}
            [one] => {
                let is_opendmarc = match (&files.opendkim, &files.opendmarc) {
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    _ => is_opendmarc(one)?,
                };
                put(if is_opendmarc { &mut files.opendmarc } else { &mut files.opendkim }, one)?;
            }
            [dkim, dmarc, ..] => {
                put(&mut files.opendkim, dkim)?;
                put(&mut files.opendmarc, dmarc)?;
            }
        }
        if files.opendkim.is_none() && files.opendmarc.is_none() {
            let fix = "write `postseal migrate /etc/opendkim.conf /etc/opendmarc.conf`, or one of them";
            return Err(Failure::new(Exit::Usage, "no file is named", fix));
        }
        Ok(files)
    }
}

fn put(place: &mut Option<PathBuf>, file: &Path) -> Result<(), Failure> {
    if place.is_some() {
        let fix = "name each file once: in its place or with its option";
        return Err(Failure::new(Exit::Usage, format!("{} is one file too many", file.display()), fix));
    }
    *place = Some(file.to_path_buf());
    Ok(())
}

/// Whether more names of options in a file are those of OpenDMARC alone than those of OpenDKIM alone.
fn is_opendmarc(file: &Path) -> Result<bool, Failure> {
    // What cannot be read is reported by the reader of the file.
    let Ok(text) = read(file) else { return Ok(false) };
    let (mut dkim, mut dmarc) = (0_u32, 0_u32);
    for line in text.split(|octet| *octet == b'\n') {
        let Some(Ok(name)) = line
            .split(|octet| matches!(octet, b' ' | b'\t' | b'\r' | b'#'))
            .find(|word| !word.is_empty() || line.is_empty())
            .map(std::str::from_utf8)
        else {
            continue;
        };
        match (OPENDKIM.find(name).is_some(), OPENDMARC.find(name).is_some()) {
            (true, false) => dkim = dkim.saturating_add(1),
            (false, true) => dmarc = dmarc.saturating_add(1),
            _ => {}
        }
    }
    if dkim == dmarc {
        let fix = "say it with `--opendkim-conf FILE` or `--opendmarc-conf FILE`";
        let cause = format!("{} could be a file of either program", file.display());
        return Err(Failure::new(Exit::Usage, cause, fix));
    }
    Ok(dmarc > dkim)
}

/// The start of a regular file.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    // A pipe in its place must not hold us.
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(file)?;
    if !opened.metadata()?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut text = Vec::new();
    opened.take(MAX_OLD_FILE).read_to_end(&mut text)?;
    Ok(text)
}
