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
    let mut last = Seen::default();
    loop {
        ticks.tick().await;
        let (folder, steps, seen) = (folder.clone(), steps.clone(), std::mem::take(&mut last));
        // A file system that hangs holds up nothing but this.
        let looked = tokio::task::spawn_blocking(move || look(&folder, &steps, seen));
        match looked.await {
            Ok(seen) => last = seen,
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

/// What was seen at the last look.
#[derive(Debug, Default)]
struct Seen {
    /// The file that was read; `None` before the first look.
    mark: Option<Mark>,
    /// What is wrong with it and was told.
    told: Option<String>,
}

/// One look; gives back what was seen.
fn look(folder: &Path, steps: &Steps, last: Seen) -> Seen {
    let mark = std::fs::metadata(folder.join(file::NAME)).ok().map(|it| mark_of(&it));
    if last.mark == Some(mark) {
        return last;
    }
    let error = match file::read(folder) {
        Ok(ramps) => {
            if last.mark.is_some() || !ramps.domains.is_empty() {
                tracing::info!(domains = ramps.domains.len(), "enforcement steps read");
            }
            steps.replace(&ramps);
            return Seen { mark: Some(mark), told: None };
        }
        Err(error) => error,
    };
    let text = error.to_string();
    if last.told.as_ref() != Some(&text) {
        tracing::error!("enforcement steps stay as they were: {text}; fix: mend the file, or `postseal enforce` anew");
    }
    // It may have been a moment without descriptors: what the system said is asked for again. What the file says stays the same.
    let read = if matches!(error, FileError::Io { .. }) { last.mark } else { Some(mark) };
    Seen { mark: read, told: Some(text) }
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
        let seen = look(folder.path(), &steps, Seen::default());
        assert_eq!(steps.of("example.com"), None);
        let mut ramp = Ramp::begin(0, Thresholds::default());
        ramp.advance(1, "test");
        let ramps = Ramps { domains: [("example.com".to_owned(), ramp.clone())].into() };
        file::write(folder.path(), &ramps).unwrap();
        let seen = look(folder.path(), &steps, seen);
        assert_eq!(steps.of("example.com"), Some(ramp.step()));
        std::fs::write(folder.path().join(file::NAME), "{ \"domains\": [").unwrap();
        let seen = look(folder.path(), &steps, seen);
        assert_eq!(steps.of("example.com"), Some(ramp.step()));
        std::fs::remove_file(folder.path().join(file::NAME)).unwrap();
        look(folder.path(), &steps, seen);
        assert_eq!(steps.of("example.com"), None);
    }
    #[test]
    fn a_file_that_the_system_does_not_give_is_told_once_and_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, steps) = (folder.path().join(file::NAME), Steps::default());
        std::fs::create_dir(&path).unwrap();
        let first = look(folder.path(), &steps, Seen::default());
        let told = first.told.clone().unwrap();
        assert!(told.contains("not a regular file") && first.mark.is_none(), "{first:?}");
        let again = look(folder.path(), &steps, first);
        assert_eq!(again.told, Some(told));
        std::fs::remove_dir(&path).unwrap();
        assert!(look(folder.path(), &steps, again).told.is_none());
    }
}
