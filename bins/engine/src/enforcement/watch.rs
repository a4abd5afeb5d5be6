//! The daemon's look at the file: every [`PERIOD`], and read when it is another one.
//!
//! A file that cannot be read changes nothing: what was in force stays, which is told once. A file that is gone ends all ramps.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::file::FileError;
use super::{Steps, file};

/// Time from one look to the next.
pub const PERIOD: Duration = Duration::from_secs(5);

/// What tells one file from another: its number, size and time.
type Mark = Option<(u64, u64, i64, i64)>;

/// Looks at the file of a state folder until the end of the daemon.
pub async fn run(folder: PathBuf, steps: Steps) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Mark> = None;
    loop {
        ticks.tick().await;
        let (folder, steps) = (folder.clone(), steps.clone());
        // A file system that hangs holds up nothing but this.
        let looked = tokio::task::spawn_blocking(move || look(&folder, &steps, last));
        match looked.await {
            Ok(mark) => last = mark,
            Err(error) => tracing::error!("the enforcement steps could not be looked at: {error}"),
        }
    }
}

/// Reads the file before anything is served: what it says is in force for the first message.
///
/// # Errors
///
/// [`FileError`]: with nothing known before, there is nothing that could stay in force.
pub fn first(folder: &Path, steps: &Steps) -> Result<(), FileError> {
    steps.replace(&file::read(folder)?);
    Ok(())
}

/// One look; gives back what the file looked like.
fn look(folder: &Path, steps: &Steps, last: Option<Mark>) -> Option<Mark> {
    let mark = std::fs::metadata(folder.join(file::NAME)).ok().map(|it| mark_of(&it));
    if last == Some(mark) {
        return last;
    }
    match file::read(folder) {
        Ok(ramps) => {
            if last.is_some() || !ramps.domains.is_empty() {
                tracing::info!(domains = ramps.domains.len(), "enforcement steps read");
            }
            steps.replace(&ramps);
        }
        // It may have been a moment without descriptors: looked at again.
        Err(error @ FileError::Io { .. }) => {
            tracing::error!("enforcement steps stay as they were: {error}");
            return last;
        }
        Err(error) => {
            tracing::error!(
                "enforcement steps stay as they were: {error}; fix: mend the file, or `postseal enforce` anew"
            );
        }
    }
    Some(mark)
}

fn mark_of(data: &Metadata) -> (u64, u64, i64, i64) {
    (data.ino(), data.size(), data.mtime(), data.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use super::super::{Ramp, Ramps, Thresholds};
    use super::*;

    #[test]
    fn a_new_file_is_read_a_broken_one_changes_nothing_and_without_one_nothing_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let steps = Steps::default();
        let mark = look(folder.path(), &steps, None);
        assert_eq!(steps.of("example.com"), None);
        let mut ramp = Ramp::begin(0, Thresholds::default());
        ramp.advance(1, "test");
        let ramps = Ramps { domains: [("example.com".to_owned(), ramp.clone())].into() };
        file::write(folder.path(), &ramps).unwrap();
        let mark = look(folder.path(), &steps, mark);
        assert_eq!(steps.of("example.com"), Some(ramp.step()));
        std::fs::write(folder.path().join(file::NAME), "{ \"domains\": [").unwrap();
        let mark = look(folder.path(), &steps, mark);
        assert_eq!(steps.of("example.com"), Some(ramp.step()));
        std::fs::remove_file(folder.path().join(file::NAME)).unwrap();
        look(folder.path(), &steps, mark);
        assert_eq!(steps.of("example.com"), None);
    }
}
