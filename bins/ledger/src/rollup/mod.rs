//! From the journal to the database: every record counts once, whatever ends in between.
//!
//! ```text
//!  engine::journal::Reader ─► Batch, in memory ─► one transaction: rows, totals, contacts, and the place in the journal
//! ```
//!
//! What is in the database and how far the journal was read are the same write, so that neither can be there without the other. The place that was read before is
//! looked at first: when it is another one, either the transaction before came through although its answer was lost, or somebody else counts this
//! journal, and then nothing is written.
//!
//! Records do not depend on the clock: a place is a segment and octets, and a day is that of the record.

mod batch;
mod overflow;
mod write;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use engine::journal::record::Content;
use engine::journal::{Position, Read, Reader, identity};

use crate::store::{Kind, Store, StoreError, Trouble, Value, migrate};
use batch::Batch;
pub use batch::{MAX_RECORDS, MAX_ROWS, MAX_TEXT, Met, Rules};
pub use write::MAX_KEPT;

/// Rows of one policy domain and day; of more, the largest stay and the rest is summed up.
pub const DEFAULT_MAX_ROWS: u64 = 10_000;

/// How often a segment that is gone when it is to be opened is looked for again.
const MAX_RETRIES: u32 = 5;

/// What is counted, and as whose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of this node, which no other that uses the database has.
    pub node: String,
    /// The folder of its journal.
    pub journal: PathBuf,
    /// Rows of one policy domain and day.
    pub max_rows: u64,
    /// How records become rows.
    pub rules: Rules,
}

/// Why nothing can be counted.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The journal.
    #[error("the journal in {} cannot be read: {source}", folder.display())]
    Journal {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// At the end of the journal, for now.
    End,
    /// In the middle: what was read has to be written first.
    Full,
}

/// How far the journal is counted, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mark {
    journal: String,
    place: Option<Position>,
}

/// Counts the journal of one node.
#[derive(Debug)]
pub struct Importer {
    store: Store,
    settings: Settings,
    reader: Reader,
    mark: Mark,
    batch: Batch,
    kept: write::Kept,
    bounds: HashMap<(i64, i64), u64>,
    retries: u32,
    is_rewound: bool,
}

impl Importer {
    /// Looks where the journal was left.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked, its tables are not ours, the journal cannot be read, or it is not the one that was counted under this name before.
    pub async fn open(mut store: Store, settings: Settings) -> Result<Self, ImportError> {
        let schema = migrate::check(&mut store).await?;
        if !schema.is_current() {
            let cause = format!("its tables are of version {} and not {}", schema.version, schema.wanted);
            return Err(StoreError::new(store.url(), Trouble::Schema, cause).into());
        }
        let unreadable = |source| ImportError::Journal { folder: settings.journal.clone(), source };
        let journal = identity(&settings.journal).map_err(unreadable)?.unwrap_or_default();
        write::first_mark(&mut store, &settings.node).await?;
        let mut mark = write::read_mark(&mut store, &settings.node, false).await?;
        if !mark.journal.is_empty() && !journal.is_empty() && mark.journal != journal {
            let cause = format!(
                "under the name `{}` another journal is counted than the one in {}: give each node its own name",
                settings.node,
                settings.journal.display()
            );
            return Err(StoreError::new(store.url(), Trouble::Taken, cause).into());
        }
        if mark.journal.is_empty() && !journal.is_empty() {
            write::name_mark(&mut store, &settings.node, &journal).await?;
            mark.journal = journal;
        }
        let reader = Reader::new(&settings.journal, mark.place);
        let (batch, kept) = (Batch::default(), write::Kept::default());
        Ok(Self { store, settings, reader, mark, batch, kept, bounds: HashMap::new(), retries: 0, is_rewound: false })
    }

    /// Reads what has come, until there is no more for now or no more fits.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read; what was read before stays to be written.
    pub fn read(&mut self) -> Result<Stopped, ImportError> {
        self.is_rewound = false;
        while !self.batch.is_full() {
            match self.reader.read_next() {
                Ok(Read::Entry(entry)) => {
                    self.retries = 0;
                    match entry.content {
                        Content::Message(record) => self.batch.add(&record, &self.settings.rules),
                        Content::Lost(lost) => {
                            tracing::warn!(
                                records = lost.records,
                                "the daemon could not write records: they are counted as lost"
                            );
                            self.batch.met.lost = self.batch.met.lost.saturating_add(lost.records);
                        }
                    }
                    self.batch.end = Some(entry.next);
                }
                Ok(Read::Damage(damage)) => {
                    tracing::warn!(
                        segment = %damage.at.segment, offset = damage.at.offset, octets = damage.octets, torn = damage.is_torn_tail,
                        "octets of the journal are no record"
                    );
                    self.batch.met.damaged = self.batch.met.damaged.saturating_add(damage.octets);
                    self.batch.met.torn = self.batch.met.torn.saturating_add(u64::from(damage.is_torn_tail));
                    self.batch.end = self.reader.position();
                }
                Ok(Read::End) => {
                    self.note_gap();
                    return Ok(Stopped::End);
                }
                // The daemon removes old segments; what was to be opened may be one of them.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && self.settings.journal.is_dir()
                        && self.retries < MAX_RETRIES =>
                {
                    self.retries = self.retries.saturating_add(1);
                }
                Err(source) => return Err(ImportError::Journal { folder: self.settings.journal.clone(), source }),
            }
            self.note_gap();
        }
        Ok(Stopped::Full)
    }

    fn note_gap(&mut self) {
        if let Some(gap) = self.reader.take_gap() {
            tracing::warn!(
                segment = %gap.segment, offset = gap.offset,
                "segments of the journal were removed before they were read: messages may be missing in the reports"
            );
            self.batch.met.gaps = self.batch.met.gaps.saturating_add(1);
            // It is told once, also when nothing comes any more.
            self.batch.end = self.batch.end.max(self.reader.position());
        }
    }

    /// Whether the last write found that the database has lost transactions that it had told to be kept, as some do on a power cut: the journal is
    /// then read again from the place that the database has, and nothing was written.
    #[must_use]
    pub fn is_rewound(&self) -> bool {
        self.is_rewound
    }

    /// Whether there is something to be written.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.batch.end.is_some()
    }

    /// Messages that were read and are not in the database yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.batch.met.messages
    }

    /// The place behind what was read.
    #[must_use]
    pub fn place(&self) -> Option<Position> {
        self.reader.position()
    }

    /// The folder of the journal.
    #[must_use]
    pub fn journal(&self) -> &Path {
        &self.settings.journal
    }

    /// The database.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Writes what was read, in one transaction; what that was. `now` in milliseconds since the epoch.
    ///
    /// # Errors
    ///
    /// What the database says. What was read stays, and the next call tries it again: also when the answer to the commit was lost, nothing counts
    /// twice.
    pub async fn write(&mut self, now: i64) -> Result<Met, StoreError> {
        let Some(end) = self.batch.end else { return Ok(Met::default()) };
        match self.transaction(end, now).await {
            Ok(true) => {}
            Ok(false) => {
                self.store.disconnect();
                return Ok(Met::default());
            }
            Err(error) => {
                self.store.disconnect();
                self.kept.forget();
                return Err(error);
            }
        }
        self.mark.place = Some(end);
        Ok(std::mem::take(&mut self.batch).met)
    }

    /// Whether the batch is in the database; it is not when the database is behind what was read before.
    async fn transaction(&mut self, end: Position, now: i64) -> Result<bool, StoreError> {
        let store = &mut self.store;
        store.begin().await?;
        let found = write::read_mark(store, &self.settings.node, true).await?;
        if found.place == Some(end) && found.journal == self.mark.journal {
            tracing::info!("the transaction before had come through");
            store.commit().await?;
            return Ok(true);
        }
        // Somebody else would have gone on and not back.
        if found.journal == self.mark.journal && found.place < self.mark.place {
            tracing::warn!("the database has lost what it had kept: the journal is read again from there");
            self.reader = Reader::new(&self.settings.journal, found.place);
            self.mark = found;
            self.batch = Batch::default();
            self.kept.forget();
            self.bounds.clear();
            self.is_rewound = true;
            return Ok(false);
        }
        if found != self.mark {
            let cause = format!("somebody else counts the journal of `{}`", self.settings.node);
            return Err(StoreError::new(store.url(), Trouble::Taken, cause));
        }
        write::batch(store, &self.batch, &mut self.kept).await?;
        overflow::sum_up(store, &self.batch, &self.kept, &mut self.bounds, self.settings.max_rows).await?;
        write::move_mark(store, &self.settings.node, end, now, &self.batch.met).await?;
        store.commit().await?;
        Ok(true)
    }
}

/// What is known of each node.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NodeState {
    /// Its name.
    pub node: String,
    /// The segment that is being read.
    pub segment: String,
    /// Octets of it that are counted.
    pub octets: i64,
    /// When that was written, in milliseconds since the epoch.
    pub updated: i64,
    /// Records of messages.
    pub messages: i64,
    /// Those that became part of a row.
    pub counted: i64,
    /// Records that the daemon could not write.
    pub lost: i64,
    /// Octets that are no record.
    pub damaged: i64,
    /// Segments whose writer was stopped in the middle of a record.
    pub torn: i64,
    /// Times that segments were gone before they were read.
    pub gaps: i64,
}

/// The nodes that have been counted, by name.
///
/// # Errors
///
/// What the database says.
pub async fn nodes(store: &mut Store) -> Result<Vec<NodeState>, StoreError> {
    let sql = "SELECT node, segment, octets, updated, messages, counted, lost, damaged, torn, gaps FROM journal_mark ORDER BY node";
    let kinds = [
        Kind::Text,
        Kind::Text,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Int,
    ];
    let rows = store.fetch(sql, &[] as &[Value<'_>], &kinds).await?;
    let state = |row: Vec<crate::store::Cell>| {
        let text = |index: usize| row.get(index).map_or(String::new(), |cell| cell.text().to_owned());
        let int = |index: usize| row.get(index).map_or(0, crate::store::Cell::int);
        NodeState {
            node: text(0),
            segment: text(1),
            octets: int(2),
            updated: int(3),
            messages: int(4),
            counted: int(5),
            lost: int(6),
            damaged: int(7),
            torn: int(8),
            gaps: int(9),
        }
    };
    Ok(rows.into_iter().map(state).collect())
}
