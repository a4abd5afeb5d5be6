//! Enforcement that grows step by step: from observing a domain's failing mail over quarantine to rejection, with conditions to stop.
//!
//! ```text
//!  journal ─► Sighting (a message) ─► Observation ─► walk ─► Ramp ─► STATE/enforcement.json ─► watch ─► Steps ─► messages
//! ```
//!
//! `postseal enforce` reads the journal, decides and writes the file; the daemon looks at it every few seconds and does as it says. The two share
//! nothing else. Whatever is wrong with the file, the daemon keeps what it knew and says so.
//!
//! | file | concern |
//! |---|---|
//! | `ramp.rs` | a domain on its way: steps, thresholds, what happened |
//! | `observe.rs` | what the journal says of a domain, and of the sources of its mail |
//! | `walk.rs` | the decision: stay, go on, stop and go back |
//! | `file.rs` | the file that holds all of it |
//! | `walker.rs` | one walker a domain |
//! | `watch.rs` | the daemon's look at the file |

pub mod file;
pub mod observe;
mod ramp;
pub mod walk;
pub mod walker;
pub mod watch;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

pub use self::ramp::{Event, LADDER, Ramp, Ramps, Standing, Step, Thresholds};
use crate::config::Enforcement;

/// The steps in force, by domain; a clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Steps(Arc<RwLock<Arc<HashMap<String, Step>>>>);

impl Steps {
    /// The step for mail of this author domain (A-labels, lower case): its own, or that of the nearest domain above it.
    #[must_use]
    pub fn of(&self, author: &str) -> Option<Step> {
        let steps = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        if steps.is_empty() {
            return None;
        }
        let mut name = author;
        loop {
            if let Some(step) = steps.get(name) {
                return Some(*step);
            }
            name = name.split_once('.')?.1;
        }
    }

    /// Puts these in force. A ramp that stopped observes.
    pub fn replace(&self, ramps: &Ramps) {
        let steps = ramps.domains.iter().map(|(domain, ramp)| (domain.clone(), ramp.in_force())).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(steps);
    }
}

/// What nothing is done by.
pub const OBSERVING: Step = Step { mode: Enforcement::Observe, share: 100 };

#[cfg(test)]
mod tests;
