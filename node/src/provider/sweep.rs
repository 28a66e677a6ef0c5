//! Letting go of pieces that were put for an upload and never recorded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dsn::{PieceKey, PieceStore};
use ledger::{LedgerError, PAGE_ITEMS_MAX};
use pieces::FileId;
use runtime::crypto::AccountId;
use runtime::state::{ReadTables, StateError};
use runtime::tables::{Files, ProviderNumbers, Segments};
use runtime::types::DealId;
use tokio::time::{MissedTickBehavior, interval};

use crate::chain::Chain;

const EVERY: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("the ledger cannot be read")]
    Ledger(#[from] LedgerError),
    #[error("the state cannot be read")]
    State(#[from] StateError),
    #[error("the piece store failed")]
    Store(#[from] dsn::StoreError),
}

/// Sweeps at once and every hour, until it is dropped.
pub async fn every_hour(chain: Arc<Chain>, store: Arc<PieceStore>, account: AccountId) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (chain, store) = (chain.clone(), store.clone());
        match tokio::task::spawn_blocking(move || sweep(&chain, &store, account)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(unrecorded)) => tracing::info!(provider = %account, unrecorded, "pieces never recorded were deleted"),
            Ok(Err(error)) => {
                tracing::error!(provider = %account, error = %format!("{:#}", anyhow::Error::from(error)), "sweep failed")
            }
            Err(error) => tracing::error!(provider = %account, %error, "sweep broke off"),
        }
    }
}

/// Deletes the pieces whose time to be recorded has passed by block time, which never goes back. How many.
fn sweep(chain: &Chain, store: &PieceStore, account: AccountId) -> Result<u64, SweepError> {
    let state = chain.ledger().state();
    let Some(number) = state.read::<ProviderNumbers>(&account)? else { return Ok(0) };
    let recorded = recorded_deals(chain, number)?;
    let is_recorded = |key: &PieceKey| -> Result<bool, StateError> {
        let Some(file) = recorded.get(&key.deal) else { return Ok(false) };
        let segment = state.read::<Segments>(&(*file, key.segment))?;
        let holder = segment.and_then(|segment| segment.holders.get(usize::from(key.index)).copied());
        Ok(holder.is_some_and(|holder| holder.provider == number))
    };
    // What cannot be read is kept: it is asked for again next time.
    let report = store.sweep_unrecorded(state.head().header.timestamp_ms, |key, _| is_recorded(key).unwrap_or(true))?;
    Ok(report.unrecorded)
}

/// The deals of which the ledger says that this provider holds pieces.
fn recorded_deals(chain: &Chain, number: u32) -> Result<BTreeMap<DealId, FileId>, SweepError> {
    let state = chain.ledger().state();
    let mut deals = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = chain.ledger().files_by_provider(number, cursor.as_ref(), PAGE_ITEMS_MAX)?;
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
