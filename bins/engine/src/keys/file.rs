//! Reading one key file: where it is, who may change it, and what it is.
//!
//! A file that is not a usable private key is named for what it is (M15), with the command that mends it. Every problem is one [`Diagnostic`];
//! the key is then not used. Contents are wiped from memory after use; the prepared key itself stays in the backend's memory.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use dkim_core::crypto::{Backend, KeyError, KeyType, PrivateKey, RsaPublicKey, SigningKey};
use dkim_core::domain::DomainName;
use nix::unistd::Uid;
use zeroize::Zeroizing;

use super::path_walk::{PathWalk, Step, WalkEnd, user_name};
use super::short_rsa::signing_key;
use crate::config::diagnostics::{Code, Location};
use crate::config::{Diagnostic, Diagnostics};

/// There is no such file.
pub const KEY_MISSING: Code = Code::new("E-KEY-MISSING");
/// The file is there and cannot be read.
pub const KEY_UNREADABLE: Code = Code::new("E-KEY-UNREADABLE");
/// The path leads to a folder, device, socket or pipe.
pub const KEY_NOT_A_FILE: Code = Code::new("E-KEY-NOT-A-FILE");
/// Everyone may replace or change the key (M01).
pub const KEY_WRITABLE: Code = Code::new("E-KEY-WRITABLE");
/// Everyone may read the key.
pub const KEY_READABLE: Code = Code::new("W-KEY-READABLE");
/// The file is not a private key that can sign (M15).
pub const KEY_FORMAT: Code = Code::new("E-KEY-FORMAT");
/// The key is too short or too long.
pub const KEY_SIZE: Code = Code::new("E-KEY-SIZE");
/// An RSA key of 1024 to 2047 bits.
pub const KEY_SHORT: Code = Code::new("W-KEY-SHORT");

/// Octets of the largest key file read: an RSA key of 16,384 bits has 12,500.
pub const MAX_KEY_FILE: u64 = 64 * 1024;

/// Bits that an RSA key should have (RFC 8301 §3.2: "Signers SHOULD use RSA keys of at least 2048 bits").
const ENOUGH_BITS: usize = 2048;

/// Reads, checks and prepares the key in `file`.
///
/// Warnings go to `found` as well; the key is used with them.
///
/// # Errors
///
/// The finding that keeps the key out of use.
pub fn load(file: &Path, backend: Backend, found: &mut Diagnostics) -> Result<Arc<dyn SigningKey>, Box<Diagnostic>> {
    let walk = walk_to(file)?;
    if let Some(bad) = walk.open_to_everyone() {
        let cause =
            format!("everyone may write to {}, and so put another key in place of this one", bad.path.display());
        let fix = format!("chmod o-w {}", quoted(&bad.path));
        return Err(refuse(file, KEY_WRITABLE, cause, fix, &walk, Some(&bad.path)));
    }
    let text = contents(file, &walk)?;
    if let Some(step) = walk.file().filter(|step| step.is_readable_by_everyone()) {
        let fix = format!("chmod o-r {}", quoted(&step.path));
        let at = Location::whole(file);
        found.push(Diagnostic::at(&at, KEY_READABLE, "everyone on this host may read the private key", fix));
    }
    prepare(file, &text, backend)
}

/// As [`load`], without looking at permissions: for who has looked at them by rules of his own.
pub(super) fn load_whoever_may_write(file: &Path, backend: Backend) -> Result<Arc<dyn SigningKey>, Box<Diagnostic>> {
    let walk = walk_to(file)?;
    let text = contents(file, &walk)?;
    prepare(file, &text, backend)
}

fn refuse(file: &Path, code: Code, cause: String, fix: String, walk: &PathWalk, bad: Option<&Path>) -> Box<Diagnostic> {
    Box::new(Diagnostic { detail: walk.lines(bad), ..Diagnostic::at(&Location::whole(file), code, cause, fix) })
}

fn not_a_file(file: &Path, kind: &str, walk: &PathWalk) -> Box<Diagnostic> {
    let fix = "give the path of the file with the private key";
    refuse(file, KEY_NOT_A_FILE, format!("this is {kind}, not a file"), fix.into(), walk, None)
}

/// The way to a file that is there.
fn walk_to(file: &Path) -> Result<PathWalk, Box<Diagnostic>> {
    let walk = PathWalk::to(file);
    match &walk.stopped {
        None => {}
        Some((stop, WalkEnd::Io(io::ErrorKind::NotFound))) => {
            let cause = format!("there is no key file: {} does not exist", stop.display());
            let fix = "correct the path, or make a key with `postseal key new DOMAIN`";
            return Err(refuse(file, KEY_MISSING, cause, fix.into(), &walk, None));
        }
        Some((_, end)) => return Err(unreadable(file, &walk, *end, &Location::whole(file))),
    }
    // Before its permissions: nobody should change those of a device. Opening one may do something, too.
    if let Some(kind) = walk.file().and_then(Step::is_no_file) {
        return Err(not_a_file(file, kind, &walk));
    }
    Ok(walk)
}

fn contents(file: &Path, walk: &PathWalk) -> Result<Zeroizing<Vec<u8>>, Box<Diagnostic>> {
    match read(file) {
        Ok(text) => Ok(text),
        Err(ReadError::NotAFile(kind)) => Err(not_a_file(file, kind, walk)),
        Err(ReadError::Io(error)) => Err(unreadable(file, walk, WalkEnd::Io(error.kind()), &Location::whole(file))),
    }
}

fn prepare(file: &Path, text: &[u8], backend: Backend) -> Result<Arc<dyn SigningKey>, Box<Diagnostic>> {
    let key = PrivateKey::from_text(text).and_then(|key| signing_key(&key, backend));
    let at = Location::whole(file);
    key.map_err(|error| Box::new(Diagnostic::at(&at, code_of(&error), error.to_string(), fix_of(&error, file))))
}

/// The size of an RSA key in bits; `None` for a key of another type.
#[must_use]
pub fn rsa_bits(key: &dyn SigningKey) -> Option<usize> {
    let is_rsa = key.algorithm().key_type() == KeyType::Rsa;
    is_rsa.then(|| RsaPublicKey::from_der(&key.public_key()).ok()).flatten().map(|key| key.bits())
}

/// The finding about an RSA key that signs and should be replaced, since it is short.
///
/// *Inputs*: the key and its file, the domain that it signs for, and what names the place of its keys to `postseal`: a file, or the state folder.
pub(crate) fn short_key(
    file: &Path,
    key: &dyn SigningKey,
    domain: &DomainName,
    home: KeyHome<'_>,
) -> Option<Diagnostic> {
    let bits = rsa_bits(key).filter(|bits| *bits < ENOUGH_BITS)?;
    let cause = format!(
        "the RSA key has {bits} bits: it signs, but can be broken, and receivers begin to refuse keys below {ENOUGH_BITS} bits"
    );
    let command = format!("postseal key new {domain} --type rsa {home}");
    let fix = format!("`{command}`; publish the record that it prints, then use that key in place of this one");
    Some(Diagnostic::at(&Location::whole(file), KEY_SHORT, cause, fix))
}

/// Where the keys of a domain are named, as an option of `postseal`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyHome<'a> {
    Config(&'a Path),
    State(&'a Path),
}

impl fmt::Display for KeyHome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(file) => write!(f, "--config {}", quoted(file)),
            Self::State(folder) => write!(f, "--state {}", quoted(folder)),
        }
    }
}

/// Why a file could not be read.
enum ReadError {
    NotAFile(&'static str),
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The contents, one octet more than allowed at most; `PrivateKey` then says that it is too large.
fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    let file: File = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(file)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(ReadError::NotAFile("a folder"));
    }
    if !kind.is_file() {
        return Err(ReadError::NotAFile("a device, socket or pipe"));
    }
    let limit = MAX_KEY_FILE.saturating_add(1);
    // Room for the whole at once: a vector that grows leaves copies behind that nobody wipes.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or(usize::MAX)));
    file.take(limit).read_to_end(&mut text)?;
    Ok(text)
}

fn unreadable(file: &Path, walk: &PathWalk, end: WalkEnd, at: &Location) -> Box<Diagnostic> {
    let user = user_name(Uid::effective().as_raw());
    let (cause, fix) = match (end, &walk.stopped) {
        (WalkEnd::Io(io::ErrorKind::PermissionDenied), Some((stop, _))) => {
            let folder = stop.parent().unwrap_or(stop);
            let fix = format!("let it enter, as with `chgrp {user} {0} && chmod g+x {0}`", quoted(folder));
            (format!("the user `{user}` may not enter {}", folder.display()), fix)
        }
        (WalkEnd::Io(io::ErrorKind::PermissionDenied), None) => {
            let fix = format!("chown {user} {0} && chmod 600 {0}", quoted(file));
            (format!("the user `{user}` may not read the file"), fix)
        }
        (end, _) => (format!("the file cannot be read: {end}"), "check the path and the file system".to_owned()),
    };
    Box::new(Diagnostic { detail: walk.lines(None), ..Diagnostic::at(at, KEY_UNREADABLE, cause, fix) })
}

fn code_of(error: &KeyError) -> Code {
    match error {
        KeyError::RsaTooWeak { .. } | KeyError::RsaBelow2048 { .. } | KeyError::RsaTooLarge { .. } => KEY_SIZE,
        _ => KEY_FORMAT,
    }
}

/// What to do about a file that is no usable key.
fn fix_of(error: &KeyError, file: &Path) -> String {
    let file = quoted(file);
    match error {
        KeyError::Encrypted => format!("store it without its passphrase: `openssl pkey -in {file} -out NEWFILE`"),
        KeyError::PublicKey | KeyError::DnsRecord => {
            "give the file with the private key, which begins with `-----BEGIN PRIVATE KEY-----` or `-----BEGIN RSA PRIVATE KEY-----`".into()
        }
        KeyError::OpenSsh => format!("convert a copy: `cp {file} COPY && ssh-keygen -p -m PKCS8 -f COPY`, or make a key with `postseal key new DOMAIN`"),
        KeyError::Der => format!("convert it: `openssl pkey -inform DER -in {file} -out NEWFILE`"),
        KeyError::SeveralKeys { .. } => "keep one key in the file, and name the other in a file of its own".into(),
        _ => "make a key with `postseal key new DOMAIN`, publish its record, and name its file and selector in `keys`".into(),
    }
}

/// A path as a shell takes it.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%=:,".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_command_survives_the_shell() {
        assert_eq!(quoted(Path::new("/etc/keys/a.pem")), "/etc/keys/a.pem");
        assert_eq!(quoted(Path::new("/etc/my keys/$a")), "'/etc/my keys/$a'");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
