//! The segments of a journal as they are written: begun, filled, brought through a power cut, closed, and in the end removed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::reader::IDENTITY;
use super::segment::{self, SegmentName};
use super::writer::{Settings, milliseconds};

/// Octets after which what was written is brought through a power cut at once.
const BATCH: usize = 64 * 1024;

/// The longest time between two calls that bring what was written through a power cut.
const SYNC: Duration = Duration::from_secs(1);

/// The file that a writer locks, within the folder; it holds the journal's name.
pub(super) const LOCK_FILE: &str = "lock";

/// The segments of a journal, of which one may be open.
pub(super) struct Files {
    pub(super) settings: Settings,
    last: Option<SegmentName>,
    open: Option<Open>,
    /// Given back with the process, however that ends.
    _lock: File,
}

struct Open {
    file: File,
    octets: u64,
    begun: Instant,
    /// When what was written first since the last sync was written.
    unsynced_since: Option<Instant>,
    unsynced: usize,
}

impl Files {
    pub(super) fn open(settings: Settings) -> io::Result<Self> {
        let mut folder = fs::DirBuilder::new();
        folder.mode(0o750).recursive(true).create(&settings.folder)?;
        let lock = lock(&settings.folder)?;
        name(&lock)?;
        let last = segment::list(&settings.folder)?.last().copied();
        let mut files = Self { settings, last, open: None, _lock: lock };
        // That nothing can be written shows at once.
        files.begin()?;
        Ok(files)
    }

    /// Begins a segment, and removes those whose time is over.
    fn begin(&mut self) -> io::Result<&mut Open> {
        self.close();
        let now = milliseconds(SystemTime::now()) / 1000;
        let name = SegmentName::after(self.last, now);
        let path = name.path(&self.settings.folder);
        // A file of that name that is there already is somebody else's.
        self.last = Some(name);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o640).open(path)?;
        File::open(&self.settings.folder)?.sync_all()?;
        self.remove_old(now);
        let open = Open { file, octets: 0, begun: Instant::now(), unsynced_since: None, unsynced: 0 };
        Ok(self.open.insert(open))
    }

    fn close(&mut self) {
        if let (Some(open), Some(name)) = (self.open.take(), self.last) {
            let closed = if open.octets == 0 {
                fs::remove_file(name.path(&self.settings.folder))
            } else {
                open.file.sync_data()
            };
            if let Err(error) = closed {
                tracing::warn!(segment = %name, "a segment of the journal was not closed well: {error}");
            }
        }
    }

    /// Brings frames to the disk and takes those that are there out of `frames`, also when it fails half-way: what is written once more
    /// must not be there twice.
    pub(super) fn write(&mut self, frames: &mut Vec<u8>) -> io::Result<()> {
        let (size, age) = (self.settings.segment_size, self.settings.segment_age);
        let is_usable = self.open.as_ref().is_some_and(|open| open.octets < size && open.begun.elapsed() < age);
        let open = match &mut self.open {
            Some(open) if is_usable => open,
            _ => self.begin()?,
        };
        let mut written = 0;
        let result = loop {
            let rest = frames.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match open.file.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(octets) => written = written.saturating_add(octets),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        open.octets = open.octets.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        open.unsynced = open.unsynced.saturating_add(written);
        open.unsynced_since.get_or_insert_with(Instant::now);
        take_whole(frames, written);
        if open.unsynced >= BATCH {
            self.sync();
        }
        if result.is_err() {
            // Half a frame may stand at its end, behind which nothing may come.
            self.close();
        }
        result
    }

    /// When what was written has to be brought through a power cut.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        self.open.as_ref()?.unsynced_since?.checked_add(SYNC)
    }

    pub(super) fn sync(&mut self) {
        let Some(open) = &mut self.open else { return };
        open.unsynced_since = None;
        open.unsynced = 0;
        if let Err(error) = open.file.sync_data() {
            // Whether it is there nobody can tell now. In a new segment the next write shows whether the disk is well again.
            tracing::error!("the journal was not brought to the disk: {error}");
            self.close();
        }
    }

    /// Removes what is too old, and the oldest of what is too much. A segment that is being read stays readable for its reader.
    fn remove_old(&self, now: u64) {
        let names = match segment::list(&self.settings.folder) {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!("old segments of the journal cannot be listed: {error}");
                return;
            }
        };
        let mut octets = 0_u64;
        for name in names.into_iter().rev() {
            let path = name.path(&self.settings.folder);
            let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            octets = octets.saturating_add(size);
            let is_too_old = now.saturating_sub(name.begun()) > self.settings.keep.as_secs();
            if Some(name) == self.last || !(is_too_old || octets > self.settings.max_size) {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!(segment = %name, "an old segment of the journal was removed"),
                Err(error) => tracing::warn!(segment = %name, "an old segment of the journal stays: {error}"),
            }
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.close();
    }
}

/// Keeps a second writer away: a segment with a newer one behind it is taken as complete, and two writers would not agree on what is old.
fn lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o640);
    let file = options.open(folder.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::ResourceBusy, "another daemon writes it")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Gives the journal a name when it is new: who counts records keeps it with the place, so that two journals never pass for one.
fn name(mut lock: &File) -> io::Result<()> {
    if lock.metadata()?.len() > 0 {
        return Ok(());
    }
    let mut octets = [0; IDENTITY / 2];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| io::Error::other("no random numbers"))?;
    let name: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    lock.write_all(name.as_bytes())
}

/// Takes out the frames of which every octet is among the first `written`.
pub(super) fn take_whole(frames: &mut Vec<u8>, written: usize) {
    let whole = memchr::memrchr(b'\n', frames.get(..written).unwrap_or_default());
    frames.drain(..whole.map_or(0, |at| at.saturating_add(1)));
}
