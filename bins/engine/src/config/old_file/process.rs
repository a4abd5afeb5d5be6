//! The options about the process, which both programs have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::diagnostics::{CONFIG_UNUSED, CONFIG_VALUE};
use super::super::draft::Sourced;
use super::OLD_VALUE;
use super::names::{Fate, OldOption};
use super::settings::{Misfit, Settings};
use super::values::{shown, words_about};
use crate::socket_address::{SocketAddress, SocketAddressError};

/// The names.
pub(in crate::config) const PROCESS: &[OldOption] = &[
    OldOption::text("Socket", Fate::Carried),
    OldOption::text("UserID", Fate::Carried),
    OldOption::number("UMask", Fate::Carried),
    OldOption::text("PidFile", Fate::Carried),
    OldOption::flag("Background", Fate::Carried),
    OldOption::text("BaseDirectory", Fate::Carried),
    OldOption::flag("AutoRestart", Fate::Carried),
    OldOption::number("AutoRestartCount", Fate::Carried),
    OldOption::text("AutoRestartRate", Fate::Carried),
    OldOption::text(
        "ChangeRootDirectory",
        Fate::NotCarried {
            instead: "the process keeps the file system it starts with, so paths inside the new root are not found",
            mend: "start it with `RootDirectory=` of systemd, or write full paths",
        },
    ),
    OldOption::flag(
        "EnableCoredumps",
        Fate::NotCarried {
            instead: "the kernel is not asked to write the memory of the process to disk, which would hold keys and mail",
            mend: "remove it",
        },
    ),
    OldOption::number(
        "MilterDebug",
        Fate::NotCarried {
            instead: "there is no libmilter whose steps it could show",
            mend: "remove it; `postseal explain` shows what is done with a message",
        },
    ),
];

/// The process: where it listens, who it is, what starts it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `Socket`: where to listen; has to be there unless the command line says it.
    pub socket: Option<Sourced<SocketAddress>>,
    /// `UserID`: whom to become.
    pub user: Option<Sourced<UserId>>,
    /// `UMask`: of the socket and the pid file.
    pub umask: Option<Sourced<u32>>,
    /// `PidFile`.
    pub pid_file: Option<Sourced<PathBuf>>,
    /// `Background`: leave the terminal; yes unless it is written otherwise.
    pub background: bool,
    /// `BaseDirectory`: the working directory; relative paths of other options start there.
    pub base_directory: Option<Sourced<PathBuf>>,
    /// `AutoRestart`: start again after a crash.
    pub auto_restart: bool,
    /// `AutoRestartCount`: how often at most; 0 has no limit.
    pub auto_restart_count: u32,
    /// `AutoRestartRate`: how fast at most.
    pub auto_restart_rate: Option<Sourced<RestartRate>>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            socket: None,
            user: None,
            umask: None,
            pid_file: None,
            background: true,
            base_directory: None,
            auto_restart: false,
            auto_restart_count: 0,
            auto_restart_rate: None,
        }
    }
}

/// `user` or `user:group`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserId {
    /// Name or number.
    pub user: String,
    /// Name or number; absent, the group of the user.
    pub group: Option<String>,
}

/// `10/1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartRate {
    /// Restarts that are allowed …
    pub restarts: u32,
    /// … within this time.
    pub within: Duration,
}

impl Process {
    pub(in crate::config) fn read(settings: &mut Settings<'_>) -> Self {
        let base_directory = settings.path("BaseDirectory");
        let base = base_directory.as_ref().map_or_else(PathBuf::new, |base| base.value.clone());
        let auto_restart = settings.flag_or("AutoRestart", false);
        // OpenDKIM looks at the rate only where it is used.
        let code = if auto_restart { CONFIG_VALUE } else { CONFIG_UNUSED };
        Self {
            socket: settings.parsed("Socket", |text| socket(text, &base)),
            user: settings.parsed("UserID", user),
            umask: read_umask(settings),
            pid_file: settings.path("PidFile"),
            background: settings.flag_or("Background", true),
            base_directory,
            auto_restart,
            auto_restart_count: settings.number("AutoRestartCount").map_or(0, |count| count.value),
            auto_restart_rate: settings.parsed_or("AutoRestartRate", code, restart_rate),
        }
    }
}

/// `UMask`; umask(2) looks at the nine bits of permissions alone.
fn read_umask(settings: &mut Settings<'_>) -> Option<Sourced<u32>> {
    let Sourced { value: written, at } = settings.number("UMask")?;
    let value = written & 0o777;
    if value != written {
        let cause = format!("0{written:o} is not a mask of permissions; {value:04o} of it holds");
        settings.report(&at, OLD_VALUE, cause, "write it in octal, with a leading `0`: `007`");
    }
    Some(Sourced { value, at })
}

/// A socket in all spellings; a path may be relative.
fn socket(text: &str, base: &Path) -> Result<SocketAddress, Misfit> {
    let fail = |error: String| {
        (
            format!("`{}`: {error}", shown(text)),
            "write it as `local:/path`, `inet:8891@localhost` or `inet6:8891@[::1]`",
        )
    };
    let parse = |text: &str| text.parse().map_err(|error: SocketAddressError| fail(words_about(&error)));
    // libmilter: what has no colon is a path.
    let path = match text.split_once(':') {
        None => text,
        Some((kind, path)) if kind.eq_ignore_ascii_case("local") || kind.eq_ignore_ascii_case("unix") => path,
        Some(_) => return parse(text),
    };
    if path.is_empty() || path.starts_with('/') {
        return parse(text);
    }
    let absolute = std::path::absolute(base.join(path)).map_err(|error| fail(words_about(&error)))?;
    parse(&format!("local:{}", absolute.display()))
}

fn user(text: &str) -> Result<UserId, Misfit> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let fits = |name: &str| !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    if !fits(user) || !group.is_none_or(fits) {
        return Err((format!("`{}` names no user", shown(text)), "write it as `opendkim` or `opendkim:mail`"));
    }
    Ok(UserId { user: user.to_owned(), group: group.map(str::to_owned) })
}

/// `n/t[u]`: so many restarts in so many seconds, or minutes, hours, days.
fn restart_rate(text: &str) -> Result<RestartRate, Misfit> {
    let fail =
        || (format!("AutoRestartRate invalid: `{}`", shown(text)), "write it as `10/1h`: ten restarts in one hour");
    let (restarts, time) = text.split_once('/').ok_or_else(fail)?;
    let (time, unit) = match time.char_indices().last() {
        Some((at, unit)) if !unit.is_ascii_digit() => (time.get(..at).unwrap_or_default(), unit.to_ascii_lowercase()),
        _ => (time, 's'),
    };
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(fail()),
    };
    let restarts: u32 = restarts.trim().parse().ok().filter(|restarts| *restarts > 0).ok_or_else(fail)?;
    let time: u32 = time.trim().parse().ok().filter(|time| *time > 0).ok_or_else(fail)?;
    Ok(RestartRate { restarts, within: Duration::from_secs(u64::from(time).saturating_mul(seconds)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_2_restart_rates_have_a_count_and_a_time() {
        for (text, restarts, seconds) in
            [("10/1h", 10, 3600), ("3/30", 3, 30), ("1/5S", 1, 5), ("2/2M", 2, 120), ("7/1d", 7, 86_400)]
        {
            let rate = RestartRate { restarts, within: Duration::from_secs(seconds) };
            assert_eq!(restart_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "10", "foo", "/1h", "10/", "10/h", "10/1w", "0/1h", "10/0h", "-1/1h", "10/1hh", "1/1ü"] {
            assert!(restart_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn s1_2_users_may_have_a_group() {
        let user_id = |user: &str, group: Option<&str>| UserId { user: user.into(), group: group.map(Into::into) };
        assert_eq!(user("opendkim"), Ok(user_id("opendkim", None)));
        assert_eq!(user("opendkim:mail"), Ok(user_id("opendkim", Some("mail"))));
        for text in ["", ":mail", "opendkim:", "a b"] {
            assert!(user(text).is_err(), "{text}");
        }
    }

    #[test]
    fn s1_2_sockets_are_read_in_all_spellings() {
        let base = Path::new("/var/lib/opendkim");
        for (text, expected) in [
            ("local:/run/opendkim/opendkim.sock", "unix:/run/opendkim/opendkim.sock"),
            ("unix:/run/s", "unix:/run/s"),
            ("/run/s", "unix:/run/s"),
            ("run/s", "unix:/var/lib/opendkim/run/s"),
            ("local:s", "unix:/var/lib/opendkim/s"),
            ("inet:8891@localhost", "inet:localhost:8891"),
            ("inet:8891@[127.0.0.1]", "inet:127.0.0.1:8891"),
            ("inet:8891", "inet:0.0.0.0:8891"),
            ("inet6:8891@[::1]", "inet:[::1]:8891"),
            ("inet6:8891", "inet:[::]:8891"),
        ] {
            assert_eq!(socket(text, base).map(|socket| socket.to_postfix()), Ok(expected.to_owned()), "{text}");
        }
        for text in ["local:", "inet:milter@localhost", "tcp:8891", "inet:99999"] {
            assert!(socket(text, base).is_err(), "{text}");
        }
        let relative = socket("s", Path::new("")).unwrap();
        assert!(relative.path().is_some_and(Path::is_absolute));
    }
}
