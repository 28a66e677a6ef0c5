//! Waiting for blocks.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use chain_spec::{ChainSpec, dev_keys};
use ledger::{Ledger, Mempool, MempoolLimits};
use runtime::types::{AccountsCall, Call, TransferCall};
use std::sync::Arc;

use super::{CallError, Submitter};
use crate::chain::Chain;
use crate::errors::of_call;
use crate::metrics::BlockMetrics;

/// Nobody makes blocks here, as when the engine has ended.
#[tokio::test]
async fn whoever_waits_for_a_block_is_told_at_once_that_the_node_stops() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ChainSpec::load("dev").unwrap();
    let ledger = Ledger::open(folder.path(), &spec.genesis()).unwrap();
    let account = spec.genesis.validators[0].account;
    let chain = Arc::new(Chain::new(ledger, Mempool::new(MempoolLimits::STANDARD), None, BlockMetrics::new()));
    let submitter = Submitter::new(chain.clone());
    let alice = dev_keys::account("Alice").unwrap();
    let call = Call::Accounts(AccountsCall::Transfer(TransferCall { to: account, amount: 1_000_000_000 }));
    let mut waiting = std::pin::pin!(submitter.call(&alice, call.clone()));
    let hash = submitter.submit(&alice, call).await.unwrap();
    let mut landed = std::pin::pin!(submitter.landed(hash));
    assert!(futures::poll!(landed.as_mut()).is_pending());
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    chain.stop_waiting();
    let ended = landed.await.unwrap_err();
    assert!(matches!(ended, CallError::Stopping), "{ended:?}");
    let told = of_call(ended);
    assert_eq!((told.code(), told.to_string().as_str()), (1007, "the node is stopping"));
    // The same for a call that is only made now.
    assert!(matches!(waiting.await, Err(CallError::Stopping)));
}
