//! Making new keys, and finding the ones made before.
//!
//! A folder holds one file for each selector, `SELECTOR.pem`, PKCS#8 in PEM, mode 0600. A key appears under its name complete and synced to the
//! disk or not at all, and a file that is there is never replaced. Folders are made with mode 0700. When root makes a key in a folder of another
//! user, the key belongs to that user: it is the daemon's.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::{rsa, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dkim_core::crypto::{KeyType, PrivateKey, SigningKey};
use dkim_core::domain::Selector;
use nix::unistd::Uid;
use zeroize::Zeroizing;

use super::file::KEY_WRITABLE;
use super::path_walk::PathWalk;
use super::short_rsa::signing_key;
use crate::config::{Diagnostic, Diagnostics};

/// The ending of key files.
const ENDING: &str = ".pem";

/// What kind of key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA of 2048 bits: what every verifier takes (RFC 8301 §3.2: "Signers SHOULD use RSA keys of at least 2048 bits").
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits; verifiers need not take longer ones.
    Rsa4096,
    /// Ed25519 (RFC 8463), beside an RSA key.
    Ed25519,
}

impl KeyKind {
    /// RSA or Ed25519.
    #[must_use]
    pub fn key_type(self) -> KeyType {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => KeyType::Rsa,
            Self::Ed25519 => KeyType::Ed25519,
        }
    }
}

/// Why a key could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// A file of that name is there; it is left as it is.
    #[error("{} exists and is left as it is", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Everyone may write to a folder above the new key, so the key would not be used.
    #[error("everyone may write to {}, and so put another key in place of a new one", path.display())]
    OpenToEveryone {
        /// The folder.
        path: PathBuf,
    },
    /// The generator failed.
    #[error("the key could not be generated")]
    Generator,
    /// The file system refused.
    #[error("{}: {kind}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
}

/// The finding for [`CreateError::OpenToEveryone`].
#[must_use]
pub fn open_to_everyone(path: &Path) -> Diagnostics {
    let cause = CreateError::OpenToEveryone { path: path.to_path_buf() }.to_string();
    let mut found = Diagnostics::default();
    found.push(Diagnostic::new(KEY_WRITABLE, cause, format!("chmod o-w {}", path.display())));
    found
}

/// Makes a key of `kind` as `SELECTOR.pem` in `folder`, which is made with its parents when it is not there.
///
/// Returns the path. RSA takes from a tenth of a second (2048 bits) to several seconds (4096 bits).
///
/// # Errors
///
/// [`CreateError::Exists`] when the file is there and [`CreateError::OpenToEveryone`], in which cases nothing was changed; else what the generator or
/// the file system refused.
pub fn create(folder: &Path, selector: &Selector, kind: KeyKind) -> Result<PathBuf, CreateError> {
    create_named(folder, &format!("{selector}{ENDING}"), kind).map(|(path, _)| path)
}

/// As [`create`], under another file name. Returns the key as well: another user, whose it may be, reads the file, and not the one who made it.
///
/// # Errors
///
/// As [`create`].
pub fn create_named(folder: &Path, name: &str, kind: KeyKind) -> Result<(PathBuf, Arc<dyn SigningKey>), CreateError> {
    let path = folder.join(name);
    // Asked here only to save the time of generating; what counts is that `persist_noclobber` refuses.
    if path.symlink_metadata().is_ok() {
        return Err(CreateError::Exists { path });
    }
    let owner = make_folder(folder)?;
    let der = generate(kind)?;
    let key = PrivateKey::from_pkcs8_der(&der).and_then(|key| signing_key(&key, crate::BACKEND));
    let key = key.map_err(|_| CreateError::Generator)?;
    Ok((put_new(folder, path, pem(&der).as_bytes(), owner)?, key))
}

/// Writes `text` beside a key as it writes the key: mode 0600, the same owner, complete or not at all, and never in place of a file that is there.
///
/// # Errors
///
/// As [`create`].
pub fn create_beside(folder: &Path, name: &str, text: &str) -> Result<PathBuf, CreateError> {
    let owner = make_folder(folder)?;
    put_new(folder, folder.join(name), text.as_bytes(), owner)
}

fn put_new(folder: &Path, path: PathBuf, octets: &[u8], owner: Option<(u32, u32)>) -> Result<PathBuf, CreateError> {
    let failed = |error: &io::Error| CreateError::Io { path: path.clone(), kind: error.kind() };
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(|error| failed(&error))?;
    let written = file.write_all(octets).and_then(|()| match owner {
        Some((uid, gid)) => fchown(file.as_file(), Some(uid), Some(gid)),
        None => Ok(()),
    });
    written.and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
    match file.persist_noclobber(&path) {
        Ok(_) => {}
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(CreateError::Exists { path });
        }
        Err(refused) => return Err(failed(&refused.error)),
    }
    // The name is in the folder for good only when the folder is on the disk.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(&error))?;
    Ok(path)
}

/// The key files in `folder` by their selectors, in the order of the selectors; none when there is no such folder.
///
/// Files whose name is no selector are not listed. Nothing is read from the files.
///
/// # Errors
///
/// What the file system refused.
pub fn find(folder: &Path) -> Result<Vec<(Selector, PathBuf)>, CreateError> {
    let failed = |error: &io::Error| CreateError::Io { path: folder.to_path_buf(), kind: error.kind() };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(&error)),
    };
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| failed(&error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(ENDING));
        if let Some(selector) = name.filter(|name| !name.starts_with('.')).and_then(|name| Selector::parse(name).ok()) {
            keys.push((selector, path));
        }
    }
    keys.sort();
    Ok(keys)
}

/// Makes `folder` and returns the owner that keys in it should have, when that is not the user of this process.
pub(crate) fn make_folder(folder: &Path) -> Result<Option<(u32, u32)>, CreateError> {
    let failed = |path: &Path, error: &io::Error| CreateError::Io { path: path.to_path_buf(), kind: error.kind() };
    // The nearest folder that exists decides whose the new ones are.
    let nearest = folder.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("."));
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    let parent = nearest.metadata().map_err(|error| failed(nearest, &error))?;
    let is_foreign = Uid::effective().is_root() && parent.uid() != 0;
    let owner = is_foreign.then(|| (parent.uid(), parent.gid()));
    // Before anything is made: the user of the key would be refused it, and half a pair would be left behind.
    let user = owner.map_or_else(|| Uid::effective().as_raw(), |(uid, _)| uid);
    if let Some(bad) = PathWalk::to(nearest).open_to_everyone_but(user) {
        return Err(CreateError::OpenToEveryone { path: bad.path.clone() });
    }
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|path| *path != nearest && !path.as_os_str().is_empty()).collect();
    for path in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                if let Some((uid, gid)) = owner {
                    std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(|error| failed(path, &error))?;
                }
            }
            // Another process made it in the meantime.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(path, &error)),
        }
    }
    Ok(owner)
}

/// A new private key as PKCS#8 (version 1, which every OpenSSL reads) in DER.
fn generate(kind: KeyKind) -> Result<Zeroizing<Vec<u8>>, CreateError> {
    let der: Result<Pkcs8V1Der<'static>, _> = match kind {
        KeyKind::Rsa2048 => rsa::KeyPair::generate(rsa::KeySize::Rsa2048).and_then(|key| key.as_der()),
        KeyKind::Rsa3072 => rsa::KeyPair::generate(rsa::KeySize::Rsa3072).and_then(|key| key.as_der()),
        KeyKind::Rsa4096 => rsa::KeyPair::generate(rsa::KeySize::Rsa4096).and_then(|key| key.as_der()),
        KeyKind::Ed25519 => signature::Ed25519KeyPair::generate().and_then(|key| key.as_der()),
    };
    der.map(|der| Zeroizing::new(der.as_ref().to_vec())).map_err(|_| CreateError::Generator)
}

/// RFC 7468 §2: "-----BEGIN label-----", base64 in lines of 64, "-----END label-----".
fn pem(der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(base64.len().saturating_mul(2).saturating_add(128)));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (index, letter) in base64.char_indices() {
        if index > 0 && index.is_multiple_of(64) {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}
