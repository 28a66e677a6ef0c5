//! Leases of the gateway's own account: made longer, and given back.

use pieces::FileId;
use rpc::ApiError;
use rpc::types::{Extended, Released};
use runtime::crypto::KeyPair;
use runtime::event::Event;
use runtime::rule::Rule;
use runtime::state::ReadTables;
use runtime::tables::{File, Leases};
use runtime::terms::lease_price;
use runtime::types::{Call, ExtendLease, ReleaseLease, StorageCall};

use super::{Payer, StorageBackend};
use crate::errors::{of_call, of_ledger, of_state};

impl Payer {
    fn account(&self) -> Result<&KeyPair, ApiError> {
        let missing = || ApiError::NotPermitted("this node has no gateway account".into());
        let account = self.keystore.gateway_account().ok_or_else(missing)?;
        self.keystore.account(&account).ok_or_else(missing)
    }
}

impl StorageBackend {
    pub(super) async fn extended(&self, file: FileId, lease_epochs: u32) -> Result<Extended, ApiError> {
        let parameters = self.chain.parameters().map_err(of_state)?;
        let longest = parameters.prices.max_lease_epochs;
        if !(1..=longest).contains(&lease_epochs) {
            return Err(ApiError::BadParams(format!("leaseEpochs: a lease has 1 to {longest} epochs")));
        }
        let (payer, record) = self.payer_of(file)?;
        // No more than it costs now.
        let (prices, piece_bytes_max) = (&parameters.prices, parameters.limits.piece_bytes);
        let max_price = lease_price(prices, &record.code, record.size, piece_bytes_max, lease_epochs);
        let max_price = max_price.ok_or(ApiError::Rejected { rule: Rule::Overflow })?;
        let call = StorageCall::Extend(ExtendLease { file, lease_epochs, max_price });
        let landed = self.payer.submitter.call(payer, Call::Storage(call)).await.map_err(of_call)?;
        Ok(Extended { tx_hash: landed.hash, height: landed.height })
    }

    pub(super) async fn released(&self, file: FileId) -> Result<Released, ApiError> {
        let (payer, _) = self.payer_of(file)?;
        let call = Call::Storage(StorageCall::Release(ReleaseLease { file }));
        let landed = self.payer.submitter.call(payer, call).await.map_err(of_call)?;
        let record = self.chain.ledger().transaction(&landed.hash).map_err(of_ledger)?;
        let refund = record.into_iter().flat_map(|record| record.events).find_map(|event| match event {
            Event::LeaseReleased { refund, .. } => Some(refund),
            _ => None,
        });
        let refund = refund.ok_or_else(|| ApiError::internal(format!("release {} says no refund", landed.hash)))?;
        Ok(Released { tx_hash: landed.hash, height: landed.height, refund })
    }

    /// The gateway's account, if it pays for the file: a call that would only cost its fee is not sent.
    fn payer_of(&self, file: FileId) -> Result<(&KeyPair, File), ApiError> {
        let record = self.known_file(&file)?;
        let payer = self.payer.account()?;
        let state = self.chain.ledger().state();
        let lease = state.read::<Leases>(&(file, payer.account())).map_err(of_state)?;
        let last = lease.and_then(|lease| lease.tranches.last().map(|tranche| tranche.to));
        if last.is_some_and(|to| to > state.head().header.epoch) {
            Ok((payer, record))
        } else {
            Err(ApiError::Rejected { rule: Rule::NoLease })
        }
    }
}
