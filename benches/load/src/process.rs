//! What `/proc` says of a process: processor time and memory, all its threads together.

use crate::LoadError;

/// Processor time of a process since it began, user and system, threads that are gone included.
///
/// # Errors
///
/// [`LoadError::Process`].
pub fn cpu_seconds(pid: u32) -> Result<f64, LoadError> {
    let failed = |cause: String| LoadError::Process { pid, cause };
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| failed(error.to_string()))?;
    let ticks = ticks(&stat).ok_or_else(|| failed("its stat is not as proc(5) has it".to_owned()))?;
    let rate = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
    let rate = rate.ok().flatten().filter(|rate| *rate > 0).ok_or_else(|| failed("no clock tick".to_owned()))?;
    #[expect(clippy::cast_precision_loss, reason = "ticks of a benchmark are far below 2^52")]
    Ok(ticks as f64 / rate as f64)
}

/// `utime` and `stime`, fields 14 and 15; field 2 is a name in parentheses that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.get(stat.rfind(')')?..)?.split_ascii_whitespace().skip(12);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    user.checked_add(system)
}

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Memory {
    /// VmRSS: pages in memory.
    pub rss: u64,
    /// VmHWM: the most that VmRSS ever was.
    pub peak: u64,
    /// Threads.
    pub threads: u64,
}

/// The memory that a process has now.
///
/// # Errors
///
/// [`LoadError::Process`].
pub fn memory(pid: u32) -> Result<Memory, LoadError> {
    let failed = |cause: String| LoadError::Process { pid, cause };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| failed(error.to_string()))?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
        number.ok_or_else(|| failed(format!("its status has no {name}")))
    };
    Ok(Memory { rss: value("VmRSS")?, peak: value("VmHWM")?, threads: value("Threads")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) 1 2 (b)) S 1 2 3 4 5 6 7 8 9 10 250 17 0 0 20 0 4 0 100";
        assert_eq!(ticks(stat), Some(267));
        assert_eq!(ticks("7 (x) S 1"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let pid = std::process::id();
        let start = cpu_seconds(pid).unwrap();
        let begin = std::time::Instant::now();
        let mut sum = 0_u64;
        while begin.elapsed().as_millis() < 60 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu_seconds(pid).unwrap() > start);
        let memory = memory(pid).unwrap();
        assert!(memory.rss > 0 && memory.peak >= memory.rss && memory.threads > 0, "{memory:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(matches!(cpu_seconds(u32::MAX), Err(LoadError::Process { .. })));
        assert!(matches!(memory(u32::MAX), Err(LoadError::Process { .. })));
    }
}
