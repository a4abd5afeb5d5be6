//! Reload: configuration, keys and zone file are read anew, and put in force as a whole or not at all.
//!
//! ```text
//!  SIGHUP, SIGUSR1 ─► prepare ─► check ─► Handle::install ─► in force for later connections
//!                       │          │            │
//!                       └──────────┴────────────┴─► an error: every finding is logged, the old setup stays
//! ```
//!
//! One reload at a time: signals that come meanwhile are one more reload after it. A reload never takes away a key that signs: when its
//! file cannot be used any more, the old setup stays. Other keys that cannot be used are reported and left out, as at the start.
//!
//! What cannot change while the daemon runs is reported with the name of its setting ([`needs_restart`]), and the rest is put in force.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::config::diagnostics::Severity;
use crate::config::{Config, Diagnostics};
use crate::logging;
use crate::message::Rules;
use crate::server::notify::{State, notify};
use crate::server::{Handle, InstallError, ReloadSignal};
use crate::start::{Prepared, Request, prepare};

/// Reloads a running daemon.
#[derive(Debug)]
pub struct Reloader {
    request: Request,
    handle: Handle,
    /// What the daemon was started with.
    started: Config,
    done: u64,
    failed: u64,
}

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// What was read cannot be used.
    #[error("there are errors in it")]
    Findings(Diagnostics),
    /// A key that signs now cannot be used any more.
    #[error("the key {key} signs now and could not be used any more")]
    KeyLost {
        /// `SELECTOR._domainkey.DOMAIN`.
        key: String,
        /// What is wrong with it, among the rest.
        findings: Diagnostics,
    },
    /// The daemon did not take it.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A mistake of ours.
    #[error("internal error: {0}")]
    Fault(String),
}

impl Reloader {
    /// For the daemon behind `handle`, which was started by `request`.
    #[must_use]
    pub fn new(request: Request, handle: Handle) -> Self {
        let started = handle.setup().rules.config().clone();
        Self { request, handle, started, done: 0, failed: 0 }
    }

    /// Reloads at every signal; does not end by itself.
    pub async fn run(mut self, mut signal: ReloadSignal) {
        loop {
            signal.recv().await;
            notify(&State::Reloading);
            let status = match self.reload().await {
                Ok(()) => "the configuration was reloaded".to_owned(),
                Err(error) => format!("the last reload failed, the old configuration stays: {error}"),
            };
            notify(&State::Ready(&status));
        }
    }

    /// Reloads, and logs what became of it.
    ///
    /// # Errors
    ///
    /// [`ReloadError`]; nothing has changed then.
    pub async fn reload(&mut self) -> Result<(), ReloadError> {
        let begin = Instant::now();
        tracing::info!("reloading");
        match self.try_reload().await {
            Ok(findings) => {
                self.done = self.done.saturating_add(1);
                log(&findings);
                let (reloads, ms) = (self.done, milliseconds(begin.elapsed()));
                let domains = self.handle.setup().rules.config().domains.rules().len();
                tracing::info!(reloads, domains, findings = findings.len(), ms, "reloaded");
                logging::reloaded(&self.request.source);
                Ok(())
            }
            Err(error) => {
                self.failed = self.failed.saturating_add(1);
                let none = Diagnostics::default();
                let findings = match &error {
                    ReloadError::Findings(findings) | ReloadError::KeyLost { findings, .. } => findings,
                    ReloadError::Install(_) | ReloadError::Fault(_) => &none,
                };
                log(findings);
                let (failures, ms) = (self.failed, milliseconds(begin.elapsed()));
                tracing::error!(
                    failures,
                    findings = findings.len(),
                    ms,
                    "reload failed, the old configuration stays in force: {error}"
                );
                Err(error)
            }
        }
    }

    async fn try_reload(&self) -> Result<Diagnostics, ReloadError> {
        let request = self.request.clone();
        // Thousands of keys take their time, which mail must not notice.
        let in_force = self.handle.setup();
        let read = tokio::task::spawn_blocking(move || prepare(&request, Some(&in_force))).await;
        let prepared = read.map_err(|panic| ReloadError::Fault(panic.to_string()))?;
        let Prepared { setup, findings, .. } = prepared.map_err(ReloadError::Findings)?;
        let in_force = self.handle.setup();
        if let Some(key) = lost_key(&in_force.rules, &setup.rules) {
            return Err(ReloadError::KeyLost { key, findings });
        }
        let later = needs_restart(&self.started, in_force.rules.config(), setup.rules.config());
        self.handle.install(setup).await?;
        for setting in later {
            tracing::warn!(setting, "this change takes effect with a restart of the daemon, and not before");
        }
        Ok(findings)
    }
}

/// The first key that signs by the old rules and is in the new ones, but cannot be used there.
fn lost_key(old: &Rules, new: &Rules) -> Option<String> {
    let domains = |rules: &Rules| 0..rules.config().domains.rules().len();
    let name =
        |domain: &dyn std::fmt::Display, selector: &dyn std::fmt::Display| format!("{selector}._domainkey.{domain}");
    let signing: HashSet<String> = domains(old)
        .filter_map(|index| old.signers(index))
        .flat_map(|(rule, keys)| {
            keys.signers.iter().map(move |key| name(&rule.signing_domain, &key.spec.spec().selector))
        })
        .collect();
    domains(new)
        .filter_map(|index| new.signers(index))
        .flat_map(|(rule, keys)| keys.failed.iter().map(move |key| name(&rule.signing_domain, &key.selector)))
        .find(|key| signing.contains(key))
}

/// Settings that changed and cannot change before a restart: `new` beside what the daemon was `started` with, and, where that is what
/// counts, beside what is `in_force`.
#[must_use]
pub fn needs_restart(started: &Config, in_force: &Config, new: &Config) -> Vec<String> {
    let (was, is) = (&started.log, &new.log);
    let (kept, keeps) = (&started.journal, &new.journal);
    let fixed = [
        ("state_dir", started.state_dir != new.state_dir),
        ("journal.enabled", kept.enabled != keeps.enabled),
        ("journal.folder", kept.folder != keeps.folder),
        ("journal.segment_size", kept.segment_size != keeps.segment_size),
        ("journal.segment_age", kept.segment_age != keeps.segment_age),
        ("journal.max_size", kept.max_size != keeps.max_size),
        ("journal.keep", kept.keep != keeps.keep),
        ("log.format", was.format != is.format),
        ("log.level", was.level != is.level),
        ("log.sink", was.sink != is.sink),
        ("log.facility", was.facility != is.facility),
        ("log.name", was.name != is.name),
    ];
    let mut changed: Vec<String> =
        fixed.into_iter().filter(|(_, changed)| *changed).map(|(setting, _)| setting.to_owned()).collect();
    for listener in &new.listeners {
        let Some(old) = in_force.listeners.iter().find(|old| old.socket == listener.socket) else { continue };
        let permissions = [
            ("socket_mode", old.socket_mode != listener.socket_mode),
            ("socket_owner", old.socket_owner != listener.socket_owner),
            ("socket_group", old.socket_group != listener.socket_group),
        ];
        let settings = permissions.into_iter().filter(|(_, changed)| *changed);
        changed.extend(settings.map(|(setting, _)| format!("listen.{setting} of {}", listener.socket)));
    }
    changed
}

fn log(findings: &Diagnostics) {
    for finding in findings {
        match finding.severity {
            Severity::Error => tracing::error!("{finding}"),
            Severity::Warning => tracing::warn!("{finding}"),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
