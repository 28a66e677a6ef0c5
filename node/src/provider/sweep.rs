//! Letting go of pieces: those that were put for an upload and never recorded, and those whose file has ended.
//!
//! ```text
//! head -> a file was stored?   its rows here are marked as recorded, so that nothing but the file's end lets them go
//!      -> files have ended, and the ledger has swept them?   rows of deals that it no longer knows are released
//! ledger -> pieces here without the row that it records?    the row is written again
//!        -> pieces without any row, older than a promise?   deleted
//! ```
//!
//! A row belongs to a deal. Bytes that another deal needs too stay, because the store counts rows; whoever reads a
//! piece that is released has it open and reads on.

mod through;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dsn::{PieceKey, PieceRow, PieceStore, Unowned};
use ledger::{LedgerError, PAGE_ITEMS_MAX, StateSnapshot};
use pieces::FileId;
use runtime::crypto::AccountId;
use runtime::event::Event;
use runtime::state::{ReadTables, StateError, StateView, prefix_end};
use runtime::tables::{Ends, Files, ParameterTable, ProviderNumbers, Segments, Table};
use runtime::types::{Call, DealId, Epoch, Height, StorageCall};
use tokio::time::{MissedTickBehavior, interval};

use crate::chain::Chain;
use through::RecordedThrough;
pub use through::recorded_through;

/// A sweep comes at least this often.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Blocks that are looked through one by one; when more have come, a sweep finds what they did.
const BLOCKS_AT_ONCE_MAX: u64 = 256;

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("the ledger cannot be read")]
    Ledger(#[from] LedgerError),
    #[error("the state cannot be read")]
    State(#[from] StateError),
    #[error("the piece store failed")]
    Store(#[from] dsn::StoreError),
    #[error("cannot note how far the ledger was followed")]
    Through(#[from] through::ThroughError),
}

/// Sweeps at once, whenever files have ended, and every hour, until it is dropped.
pub async fn follow(chain: Arc<Chain>, store: Arc<PieceStore>, account: AccountId, folder: std::path::PathBuf) {
    let mut head = chain.watch_head();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweeper = Sweeper::new(chain, store, account, &folder);
    loop {
        let is_tick = tokio::select! {
            _ = ticks.tick() => true,
            changed = head.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
        };
        head.borrow_and_update();
        let working = tokio::task::spawn_blocking(move || {
            sweeper.due |= is_tick;
            if let Err(error) = sweeper.step() {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(provider = %account, error, "sweep failed");
            }
            sweeper
        });
        match working.await {
            Ok(back) => sweeper = back,
            Err(error) => {
                tracing::error!(provider = %account, %error, "sweep broke off");
                return;
            }
        }
    }
}

/// Keeps one store in line with the ledger.
struct Sweeper {
    chain: Arc<Chain>,
    store: Arc<PieceStore>,
    account: AccountId,
    through: RecordedThrough,
    /// The last block that was looked through, and its epoch.
    seen: (Height, Epoch),
    /// The first epoch in which, as of then, a file ends.
    next_end: Option<Epoch>,
    /// Whether a sweep is to come.
    due: bool,
    /// Whether the rows were held against the ledger since the start: an index that was damaged may lack some.
    is_mended: bool,
}

impl Sweeper {
    fn new(chain: Arc<Chain>, store: Arc<PieceStore>, account: AccountId, folder: &Path) -> Self {
        let through = RecordedThrough::new(folder);
        let head = &chain.ledger().head().header;
        // The last block may have been looked through by half.
        let seen = through.height().map_or(head.height, |height| height.saturating_sub(1));
        Self { chain, store, account, through, seen: (seen, head.epoch), next_end: None, due: true, is_mended: false }
    }

    /// Looks at the blocks that have come, and sweeps if files have ended and none waits to be swept on the ledger.
    fn step(&mut self) -> Result<(), SweepError> {
        let state = self.chain.ledger().state();
        let (height, epoch) = (state.height(), state.head().header.epoch);
        let Some(number) = state.read::<ProviderNumbers>(&self.account)? else { return Ok(()) };
        let (seen, seen_epoch) = self.seen;
        if height.saturating_sub(seen) <= BLOCKS_AT_ONCE_MAX {
            for height in seen.saturating_add(1)..=height {
                self.mark_stored(height)?;
            }
        } else {
            self.due = true;
        }
        // Between two blocks that were seen one after the other no end can have come into sight and passed.
        let unseen = height > seen.saturating_add(1) && epoch > seen_epoch;
        self.due |= unseen || self.next_end.is_some_and(|end| end <= epoch);
        self.seen = (height, epoch);
        self.next_end = first_end(&state)?;
        if self.due && self.next_end.is_none_or(|end| end > epoch) {
            self.sweep(number)?;
            self.due = false;
        }
        Ok(())
    }

    /// Marks the pieces here of files that a block stored. What the file has become since does not matter.
    fn mark_stored(&mut self, height: Height) -> Result<(), SweepError> {
        let ledger = self.chain.ledger();
        let events = ledger.events(height)?.unwrap_or_default();
        let founded = events.iter().filter(|record| matches!(record.event, Event::Stored { .. }));
        let positions: Vec<u32> = founded.filter_map(|record| record.transaction).collect();
        if positions.is_empty() {
            return Ok(());
        }
        self.through.raise(height)?;
        let block = ledger.block(height)?;
        for (position, signed) in (0u32..).zip(block.into_iter().flat_map(|block| block.transactions)) {
            let Call::Storage(StorageCall::Store(store)) = signed.transaction.call() else { continue };
            if !positions.contains(&position) {
                continue;
            }
            let deal = store.intent.intent.deal();
            for (segment, entry) in (0u16..=u16::MAX).zip(&store.manifest.segments) {
                for (index, piece_hash) in (0u8..=u8::MAX).zip(entry.piece_hashes.iter().copied()) {
                    self.store.mark_recorded(&PieceKey { deal, segment, index, piece_hash })?;
                }
            }
        }
        Ok(())
    }

    /// Deletes what was not recorded in time by block time, which never goes back, and what the ledger let go of.
    fn sweep(&mut self, number: u32) -> Result<(), SweepError> {
        let account = self.account;
        let state = self.chain.ledger().state();
        if !self.through.is_reached_by(state.height()) {
            tracing::warn!(provider = %account, "the ledger is behind what was recorded here; nothing is let go of");
            return Ok(());
        }
        self.through.raise(state.height())?;
        let recorded = recorded_deals(&self.chain, number)?;
        if !self.is_mended || self.store.has_unowned()? {
            self.mend(&state, &recorded, number)?;
            self.is_mended = true;
        }
        // What cannot be read is kept: it is asked for again next time.
        let is_recorded = |key: &PieceKey, _: &PieceRow| names(&state, &recorded, number, key).unwrap_or(true);
        self.each_row(|key, row| {
            if !row.recorded && names(&state, &recorded, number, key)? {
                self.store.mark_recorded(key)?
            }
            Ok(())
        })?;
        let unrecorded = self.store.sweep_unrecorded(state.head().header.timestamp_ms, is_recorded)?.unrecorded;
        let ended = self.release_ended(number)?;
        if unrecorded > 0 || ended > 0 {
            tracing::info!(provider = %account, unrecorded, ended, "pieces were deleted");
        }
        Ok(())
    }

    /// Writes again the rows that the ledger records and the index lacks; then lets go of pieces without a row that are
    /// older than any promise may be.
    fn mend(&self, state: &StateSnapshot, recorded: &BTreeMap<DealId, FileId>, number: u32) -> Result<(), SweepError> {
        let mut restored = 0_u64;
        for (deal, file) in recorded {
            let Some(segments) = state.read::<Files>(file)?.map(|file| file.segments) else { continue };
            for segment in 0..segments {
                let Some(entry) = state.read::<Segments>(&(*file, segment))? else { continue };
                for (index, (holder, piece_hash)) in (0u8..=u8::MAX).zip(entry.holders.iter().zip(&entry.piece_hashes))
                {
                    let key = PieceKey { deal: *deal, segment, index, piece_hash: *piece_hash };
                    if holder.provider == number && self.store.restore_row(&key, holder.until_epoch)? {
                        restored += 1;
                    }
                }
            }
        }
        let time = state.require::<ParameterTable>(&())?.time;
        let oldest = duration_ms(EVERY).saturating_add(time.store_window_ms).saturating_add(time.drift_ms);
        let now_ms = state.head().header.timestamp_ms;
        let unowned = self.store.release_unowned(|written_ms| written_ms.saturating_add(oldest) < now_ms)?;
        if restored > 0 || unowned != Unowned::default() {
            let (account, Unowned { released, kept }) = (self.account, unowned);
            tracing::info!(provider = %account, restored, released, kept, "pieces without a row were held against the ledger");
        }
        Ok(())
    }

    /// Releases the recorded pieces of deals that the ledger no longer knows. How many.
    fn release_ended(&self, number: u32) -> Result<u64, SweepError> {
        let mut deals = BTreeSet::new();
        self.each_row(|key, row| {
            if row.recorded {
                deals.insert(key.deal);
            }
            Ok(())
        })?;
        // Asked after the rows were read: what was recorded before then, and is not now, has ended.
        for deal in recorded_deals(&self.chain, number)?.keys() {
            deals.remove(deal);
        }
        let mut ended = 0;
        if !deals.is_empty() {
            self.each_row(|key, row| {
                if row.recorded && deals.contains(&key.deal) {
                    self.store.release(key)?;
                    ended += 1;
                }
                Ok(())
            })?;
        }
        Ok(ended)
    }

    fn each_row(
        &self,
        mut visit: impl FnMut(&PieceKey, &PieceRow) -> Result<(), SweepError>,
    ) -> Result<(), SweepError> {
        let mut after: Option<PieceKey> = None;
        loop {
            let page = self.store.rows(after.as_ref(), usize::MAX)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (key, row) in &page {
                visit(key, row)?;
            }
        }
    }
}

fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The first epoch in which a file ends that has not been swept.
fn first_end(state: &StateSnapshot) -> Result<Option<Epoch>, StateError> {
    let key = state.next_key(&[Ends::TAG], &prefix_end(&[Ends::TAG]))?;
    let epoch = key.as_deref().and_then(|key| key.get(1..)).and_then(|fields| fields.first_chunk());
    Ok(epoch.map(|epoch| Epoch::from_be_bytes(*epoch)))
}

/// Whether the ledger names this provider for exactly this piece.
fn names(
    state: &StateSnapshot,
    recorded: &BTreeMap<DealId, FileId>,
    number: u32,
    key: &PieceKey,
) -> Result<bool, StateError> {
    let Some(file) = recorded.get(&key.deal) else { return Ok(false) };
    let Some(segment) = state.read::<Segments>(&(*file, key.segment))? else { return Ok(false) };
    let index = usize::from(key.index);
    let holds = segment.holders.get(index).is_some_and(|holder| holder.provider == number);
    Ok(holds && segment.piece_hashes.get(index) == Some(&key.piece_hash))
}

/// The deals of which the ledger says that this provider holds pieces.
fn recorded_deals(chain: &Chain, number: u32) -> Result<BTreeMap<DealId, FileId>, SweepError> {
    let mut deals = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = chain.ledger().files_by_provider(number, cursor.as_ref(), PAGE_ITEMS_MAX)?;
        // A state no older than the page.
        let state = chain.ledger().state();
        for id in page.items {
            if let Some(file) = state.read::<Files>(&id)? {
                deals.insert(file.deal, id);
            }
        }
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(deals);
        }
    }
}
