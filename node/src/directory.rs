//! Who provides, as the ledger records it: from a provider's number to a peer that can be asked.

use dsn::{Holder, PeerTarget};
use pieces::FileId;
use runtime::crypto::PublicKey;
use runtime::state::{ReadTables, StateError};
use runtime::tables::{File, FileStatus, Files, Provider, ProviderStatus, Providers, Segment, Segments};
use runtime::types::{Height, Text};

/// Where a provider's peer is.
pub fn target(provider: &Provider) -> PeerTarget {
    PeerTarget::new(provider.peer_key, provider.addresses.iter().map(Text::as_str))
}

/// A provider as a holder of pieces.
pub fn holder(provider: &Provider) -> Holder {
    Holder { provider: provider.account, target: target(provider) }
}

/// The service key that signs at `height`: the last whose height has come.
pub fn service_key(provider: &Provider, height: Height) -> Option<PublicKey> {
    provider.service_keys.iter().rev().find(|entry| entry.from_height <= height).map(|entry| entry.key)
}

/// Whether what a provider holds can be counted on.
pub const fn is_live(provider: &Provider) -> bool {
    matches!(provider.status, ProviderStatus::Active | ProviderStatus::Withdrawing)
}

/// A file that can be read now: alive, and its last lease not ended at `epoch`.
pub fn live_file(state: &impl ReadTables, file: &FileId, epoch: u32) -> Result<Option<File>, StateError> {
    let found = state.read::<Files>(file)?;
    Ok(found.filter(|found| found.status == FileStatus::Alive && found.ends > epoch))
}

/// A segment with the providers of its pieces, in the order of the pieces; none where a piece is lost.
pub fn holders(
    state: &impl ReadTables,
    file: &FileId,
    segment: u16,
) -> Result<(Segment, Vec<Option<Provider>>), StateError> {
    let entry = state.require::<Segments>(&(*file, segment))?;
    let mut providers = Vec::with_capacity(entry.holders.len());
    for (index, holder) in (0u8..).zip(&entry.holders) {
        let provider = state.read::<Providers>(&holder.provider)?;
        providers.push(provider.filter(|provider| is_live(provider) && !entry.is_lost(index)));
    }
    Ok((entry, providers))
}
