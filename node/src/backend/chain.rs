//! Blocks, state, accounts, transactions, providers and validators.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use rpc::ApiError;
use rpc::ports::{Accounts, Author, BlockAt, BlockRecord, Chain, Providers, State, TransactionState, Validators};
use rpc::types::{AccountInfo, Page, PendingInfo, ProviderInfo, TransactionResult, ValidatorInfo};
use runtime::crypto::AccountId;
use runtime::event::{Event, EventRecord};
use runtime::light::Proof;
use runtime::rule::Rule;
use runtime::state::{ReadTables, StateView};
use runtime::tables::{self, ParameterTable, ProviderNumbers, Table, ValidatorSets};
use runtime::types::{
    Balance, Block, BlockHash, Call, CommitCertificate, Epoch, Header, Height, Parameters, SignedTransaction,
    Transaction, TxHash,
};

use super::{AuthorBackend, ChainBackend};
use crate::errors::{of_admit, of_ledger, of_proof, of_state};

/// Providers of one page.
const PROVIDERS_PER_PAGE: usize = 100;

impl ChainBackend {
    fn height_of(&self, at: BlockAt) -> Result<Height, ApiError> {
        let ledger = self.chain.ledger();
        match at {
            BlockAt::Latest => Ok(ledger.head().header.height),
            BlockAt::Height(height) => Ok(height),
            BlockAt::Hash(hash) => {
                let found = ledger.height_of(&hash).map_err(of_ledger)?;
                found.ok_or_else(|| ApiError::NotFound(format!("there is no block with the hash 0x{hash}")))
            }
        }
    }

    fn header_at(&self, height: Height) -> Result<Header, ApiError> {
        let found = self.chain.ledger().header(height).map_err(of_ledger)?;
        found.ok_or_else(|| no_block(height))
    }
}

fn no_block(height: Height) -> ApiError {
    ApiError::NotFound(format!("there is no block of height {height}"))
}

/// What each transaction of a block came to, in their order.
fn results(block: &Block, events: &[EventRecord]) -> Vec<TransactionResult> {
    let mut results: Vec<Result<(), Rule>> = vec![Ok(()); block.transactions.len()];
    for record in events {
        let index = record.transaction.and_then(|index| usize::try_from(index).ok());
        if let (Some(index), Event::Failed { rule }) = (index, &record.event)
            && let Some(result) = results.get_mut(index)
        {
            *result = Err(*rule);
        }
    }
    results.into_iter().map(TransactionResult::from).collect()
}

#[async_trait]
impl Chain for ChainBackend {
    async fn block(&self, at: BlockAt) -> Result<BlockRecord, ApiError> {
        let height = self.height_of(at)?;
        let ledger = self.chain.ledger();
        let block = ledger.block(height).map_err(of_ledger)?.ok_or_else(|| no_block(height))?;
        let events = ledger.events(height).map_err(of_ledger)?.unwrap_or_default();
        let results = results(&block, &events);
        Ok(BlockRecord { header: block.header, transactions: block.transactions.into_iter().zip(results).collect() })
    }

    async fn header(&self, at: BlockAt) -> Result<Header, ApiError> {
        self.header_at(self.height_of(at)?)
    }

    async fn block_hash(&self, height: Height) -> Result<BlockHash, ApiError> {
        Ok(self.header_at(height)?.hash())
    }

    async fn finalized_head(&self) -> Result<BlockHash, ApiError> {
        Ok(self.chain.ledger().head().hash)
    }

    fn heads(&self) -> BoxStream<'static, Height> {
        let mut head = self.chain.watch_head();
        head.mark_changed();
        let heights = stream::unfold(head, |mut head| async {
            head.changed().await.ok()?;
            let height = head.borrow_and_update().header.height;
            Some((height, head))
        });
        heights.boxed()
    }

    async fn transaction(&self, hash: TxHash) -> Result<TransactionState, ApiError> {
        // The pool first: a transaction that leaves it for a block between the two looks is found in the block.
        let waits = self.chain.mempool().contains(&hash);
        if let Some(record) = self.chain.ledger().transaction(&hash).map_err(of_ledger)? {
            let result = record.failure().map_or(Ok(()), Err).into();
            return Ok(TransactionState::Final { height: record.height, index: record.index, result });
        }
        if waits {
            return Ok(TransactionState::Pending);
        }
        Err(ApiError::NotFound(format!("there is no transaction with the hash 0x{hash}")))
    }

    async fn certificate(&self, height: Height) -> Result<CommitCertificate, ApiError> {
        let found = self.chain.ledger().certificate(height).map_err(of_ledger)?;
        found.ok_or_else(|| ApiError::NotFound(format!("there is no certificate of height {height}")))
    }
}

#[async_trait]
impl State for ChainBackend {
    async fn get(&self, key: Vec<u8>) -> Result<Option<Vec<u8>>, ApiError> {
        self.chain.ledger().state().get(&key).map_err(of_state)
    }

    async fn prove(&self, key: Vec<u8>, height: Option<Height>, trusted: Height) -> Result<Proof, ApiError> {
        let ledger = self.chain.ledger();
        let height = height.unwrap_or_else(|| ledger.head().header.height);
        let keys = BTreeSet::from([key, ParameterTable::key(&())]);
        tokio::task::block_in_place(|| ledger.prove(&keys, height, trusted)).map_err(of_proof)
    }

    async fn parameters(&self) -> Result<Parameters, ApiError> {
        self.chain.parameters().map_err(of_state)
    }
}

#[async_trait]
impl Accounts for ChainBackend {
    async fn get(&self, account: AccountId) -> Result<AccountInfo, ApiError> {
        let found = self.chain.ledger().state().read::<tables::Accounts>(&account).map_err(of_state)?;
        Ok(AccountInfo::new(account, &found.unwrap_or_default()))
    }

    async fn next_index(&self, account: AccountId) -> Result<u64, ApiError> {
        self.chain.next_nonce(&account).map_err(of_state)
    }
}

#[async_trait]
impl Author for AuthorBackend {
    async fn prepare(&self, from: AccountId, call: Call, tip: Balance) -> Result<Transaction, ApiError> {
        let nonce = self.chain.next_nonce(&from).map_err(of_state)?;
        Ok(Transaction::Signed { version: Transaction::VERSION, signer: from, nonce, tip, expires_at_ms: 0, call })
    }

    async fn submit_transaction(&self, transaction: SignedTransaction) -> Result<TxHash, ApiError> {
        // The right to one of the places goes with the work, which goes on if the client leaves.
        let place = self.trials.clone().acquire_owned().await.map_err(ApiError::internal)?;
        let chain = self.chain.clone();
        let submitted = tokio::task::spawn_blocking(move || {
            let _place = place;
            chain.submit_tried(transaction)
        });
        match submitted.await.map_err(ApiError::internal)? {
            // Sent again while it waits: it is taken already. Once it is in a block its nonce is used.
            Ok(hash) | Err(ledger::AdmitError::Known(hash)) => Ok(hash),
            Err(error) => Err(of_admit(error)),
        }
    }

    async fn pending(&self) -> Result<Vec<PendingInfo>, ApiError> {
        let pending = self.chain.mempool().pending();
        let info = |entry: ledger::mempool::Pending| PendingInfo {
            hash: entry.hash,
            signer: entry.signer,
            nonce: Some(entry.nonce),
        };
        Ok(pending.into_iter().map(info).collect())
    }
}

#[async_trait]
impl Providers for ChainBackend {
    async fn list(&self, cursor: Option<String>) -> Result<Page<ProviderInfo>, ApiError> {
        let state = self.chain.ledger().state();
        let total = state.require::<tables::ChainState>(&()).map_err(of_state)?.next_provider;
        let first: u32 = match cursor {
            None => 0,
            Some(text) => text.parse().map_err(|_| ApiError::BadParams(format!("cursor: {text} is not one")))?,
        };
        let mut items = Vec::new();
        for number in first..total {
            if items.len() == PROVIDERS_PER_PAGE {
                return Ok(Page { items, cursor: Some(number.to_string()) });
            }
            // Numbers are never reused, so there are gaps where providers have left.
            let provider = state.read::<tables::Providers>(&number).map_err(of_state)?;
            items.extend(provider.as_ref().map(ProviderInfo::from));
        }
        Ok(Page { items, cursor: None })
    }

    async fn get(&self, account: AccountId) -> Result<ProviderInfo, ApiError> {
        let state = self.chain.ledger().state();
        let number = state.read::<ProviderNumbers>(&account).map_err(of_state)?;
        let number = number.ok_or_else(|| ApiError::NotFound(format!("{account} is not a provider")))?;
        Ok((&state.require::<tables::Providers>(&number).map_err(of_state)?).into())
    }
}

#[async_trait]
impl Validators for ChainBackend {
    async fn list(&self, epoch: Option<Epoch>) -> Result<Vec<ValidatorInfo>, ApiError> {
        let state = self.chain.ledger().state();
        let current = state.head().header.epoch;
        let which = match epoch {
            None => 0,
            Some(epoch) if epoch == current => 0,
            Some(epoch) if Some(epoch) == current.checked_add(1) => 1,
            Some(epoch) => return Err(ApiError::NotFound(format!("the validators of epoch {epoch} are not known"))),
        };
        let set = state.require::<ValidatorSets>(&which).map_err(of_state)?;
        Ok(set.entries().iter().map(ValidatorInfo::from).collect())
    }
}
